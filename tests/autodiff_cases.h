/* autodiff_cases.h: small instances of every operation, for the tests of autodiff and executor.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_AUTODIFF_CASES_H
#define SF_AUTODIFF_CASES_H

#include "graph/graph.h"

enum { CASE_INPUTS = 8 };

/* What a case has built: the result and its inputs with the range their values are drawn from. */
typedef struct instance {
	sf_graph *g;
	sf_var y, in[CASE_INPUTS];
	double lo[CASE_INPUTS], hi[CASE_INPUTS];
	int index[CASE_INPUTS]; /* whole numbers, not differentiated */
	int nin;
	sf_opcode op; /* of the case's row */
} instance;

enum {
	CASE_SMOOTH, /* differentiates in both modes, as often as wanted in order 2 */
	CASE_FLAT,   /* derivative zero */
	CASE_FIRST,  /* order 1: gradient only, once */
	CASE_FUSED   /* order 1: no derivative at all */
};

typedef struct op_case {
	const char *name;
	sf_opcode op; /* that must be in the graph; SF_OP_COUNT for composites */
	int kind, variants;
	void (*build)(instance *t, int variant);
} op_case;

extern const op_case op_cases[];
extern const int op_case_count;

/* An input with values in [lo, hi), a few of both signs where the range has them, none within 0.05 of
 * zero; `dims` is "5,4,2" or "" and starts with '*' where it is per-sample. */
sf_var put(instance *t, double lo, double hi, const char *dims);
/* An input of the shape of `like`. */
sf_var put_like(instance *t, sf_var like);
/* Fills `out` with the values of input k for n samples; `salt` picks another draw. */
void case_values(const instance *t, int k, int64_t count, unsigned salt, double *out);

#endif
