/* plan_cases.h: small graphs that between them hold every operation, in every mixture of shared and
 * per-sample operands, with their gradients and tangents. The planner's tests run them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_PLAN_CASES_H
#define SF_PLAN_CASES_H

#include "graph/graph.h"

enum { PLAN_OUT = 40, PLAN_ROWS = 5 };

typedef struct plan_case {
	const char *name;
	int order;
	/* fills out[0..PLAN_OUT) and returns their number; leaves called "index.." hold whole
	 * numbers below PLAN_ROWS, all others values in (-1,1) */
	int (*build)(sf_graph *g, sf_var *out);
} plan_case;

extern const plan_case plan_cases[];
extern const int plan_case_count;

#endif
