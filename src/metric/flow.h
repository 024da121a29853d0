/* flow.h: the trace in the divergence of a score's flow.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_METRIC_FLOW_H
#define SF_METRIC_FLOW_H

#include "process/process.h"

#include <scorefield/likelihood.h>

/* Directions of a run and room for `rows` states. */
typedef struct sf_trace {
	sf_ctx *ctx;
	sf_score *score;
	const sf_process *p;
	const sf_likelihood_run *ask;
	int k;
	int64_t d, size, rows; /* size = k d */
	double *x, *e, *je, *t; /* (rows,k,d) three times, (rows) */
	int64_t *which;         /* (rows) */
} sf_trace;

/* Checks what `ask` says about the trace and sets sizes; then takes memory from the arena. */
int sf_trace_init(sf_trace *w, sf_score *s, const sf_likelihood_run *ask);
void sf_trace_layout(sf_trace *w, sf_arena *a);
/* out[i] = tr(G G' J) for m states x (m,k,d) at times t (m); sample[i] says whose state it is. */
int sf_trace_eval(sf_trace *w, int64_t m, const int64_t *sample, const double *x, const double *t, double *out);

#endif
