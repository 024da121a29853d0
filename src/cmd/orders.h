/* orders.h: errors of samplers on a problem whose solution is known (orders_run.c), and how they are shown (orders.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_ORDERS_H
#define SF_CMD_ORDERS_H

#include "cmd/cmd.h"

#define ORDERS_DATA "mixture:preset=skewed"

typedef struct problem {
	sf_ctx *ctx;
	sf_process *process;
	sf_score *score;
	sf_grid *grid;
	double from, to;     /* times */
	int64_t n;           /* starts */
	double *start, *end; /* (n): states at `from`, and where the ODE leads them */
	int64_t samples;     /* of the stochastic ones */
	double mean, square; /* E x, E x^2 at `to` */
	uint64_t seed;
} problem;
int problem_open(sf_ctx *ctx, const char *process, const char *grid, int64_t n, int64_t samples, problem *p);
void problem_close(problem *p);

enum { KIND_ODE, KIND_SDE, KIND_ADAPTIVE };
typedef struct cell { /* at one budget; NaN: not measured */
	double nfe;   /* evaluations per sample spent */
	double error; /* root mean square over the starts; of KIND_SDE sqrt(dm^2 + ds^2) of the errors of E x and E x^2 */
	double se;    /* its standard error, of KIND_SDE */
} cell;
typedef struct solver {
	char spec[256];
	int kind, order;
	double slope; /* with exact starting values; NaN */
	cell *at;     /* (budgets) */
} solver;

/* Fills s->kind, order, slope and cells for the budgets (count). A negative code: the sampler cannot take the problem. */
int solver_measure(problem *p, solver *s, const double *budget, int count);

#endif
