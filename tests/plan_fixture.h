/* plan_fixture.h: a graph with values for its leaves, run by a plan in arrays with guard zones, and
 * compared with the naive loops.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_PLAN_FIXTURE_H
#define SF_PLAN_FIXTURE_H

#include "support.h"

#include "autodiff_cases.h"
#include "graph_naive.h"
#include "plan_cases.h"

enum { SAMPLES = 7 };

typedef struct plan_fixture {
	sf_ctx *ctx;
	sf_graph *g;
	sf_var *out;
	int nout;
	int64_t n;
	double **leaf; /* by variable */
	double *params;
	naive v;       /* the values that are expected, once asked for */
} plan_fixture;

/* With `all`, every node of the graph is an output. */
void plan_set_up(plan_fixture *f, const plan_case *c, int64_t n, int all);
/* An instance of the op table's tests: its result and, where there are any, its gradients. */
void plan_set_up_op(plan_fixture *f, const op_case *c, int variant, int order);
void plan_tear_down(plan_fixture *f);

/* An array of the plan's type with guards at both ends, all of it poisoned. */
typedef struct plan_array {
	unsigned char *base;
	void *data;
	size_t bytes;
} plan_array;

typedef struct how {
	sf_dtype type;
	const char *isa;
	int threads;
	int64_t shards, max_shard;
	int twice; /* run again, which must not change anything */
} how;

extern const sf_run plan_base_run; /* seed, step and first sample of all runs */

/* Runs samples [first, first + n) of the fixture; the f->nout results are freed by the caller,
 * which checks their guards. */
plan_array *plan_run_part(plan_fixture *f, const how *h, int64_t first, int64_t n);
plan_array *plan_run_all(plan_fixture *f, const how *h);
void plan_free_arrays(plan_array *a, int n);
/* Result i of the naive loops. */
const double *plan_expected(plan_fixture *f, int i);
/* Against the naive loops, relative to the largest element of each array (or 1). */
void plan_compare(plan_fixture *f, const plan_array *out, const how *h, double tol,
                  const char *what);

#endif
