/* recompute_rig.h: a graph built without and with recomputation, compared node by node, run and measured.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_RECOMPUTE_RIG_H
#define SF_TEST_RECOMPUTE_RIG_H

#include "support.h"

#include "autodiff_cases.h"

enum { OUTPUTS = 1200 };

/* What a case builds: outputs, the first of them losses. */
typedef struct built {
	sf_graph *g;
	sf_var out[OUTPUTS];
	int n;
	instance *values; /* of the inputs; NULL: any */
} built;

/* Fails unless the graphs are the same once copies and origins count as one. */
void same_graph(const built *a, const built *b);
/* The number of copies. Each reads what its origin reads, or copies of that of its own segment, and nothing of the
 * forward pass that is not kept; or the test fails. */
int check_copies(const sf_graph *g);
/* Fails unless outputs are the same bytes: in float and double, the second with 1, 2 and 3 threads; and not all zero. */
void same_bytes(const built *a, const built *b, const char *what);
enum { PLANNED = 64 };
/* Of a plan for PLANNED samples at once, so that scratch memory counts for little. */
sf_plan_info measure(const built *b);

#endif
