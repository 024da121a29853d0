/* graph_naive.h: evaluates any node of a graph in double precision by textbook loops over index
 * tuples. It shares no code with kernels, planner or executor and is what they are tested against.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_GRAPH_NAIVE_H
#define SF_GRAPH_NAIVE_H

#include "graph/graph.h"

typedef struct naive {
	const sf_graph *g;
	int64_t n;         /* samples */
	uint64_t seed;     /* of random leaves, as in sf_run */
	uint32_t step;
	uint64_t first_sample;
	double **val;      /* by node: (n,size) or (size); NULL = not known yet */
	int cap;
} naive;

void naive_open(naive *v, const sf_graph *g, int64_t n);
void naive_close(naive *v);
/* Number of values of node a: n times its size, or its size where it is shared. */
int64_t naive_count(const naive *v, sf_var a);
/* Gives an input or parameter its values (copied) and forgets what was computed from the old. */
void naive_set(naive *v, sf_var leaf, const double *data);
/* All parameters from a flat buffer. */
void naive_set_params(naive *v, const double *flat);
/* The values of node a; valid until the next naive_set. Fails the test where a leaf has none. */
const double *naive_get(naive *v, sf_var a);

#endif
