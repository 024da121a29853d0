/* sscs.c: checks of the symmetric splitting sampler: the moments of runs on normal data x_0 ~ N(0.7, 0.25) under cld, exact steps at
 * equilibrium, orders.
 *
 * Dockhorn, Vahdat and Kreis 2022 (2112.07068).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

#define PAPER "cld:eps=0"
#define DATA "gaussian:mean=0.7,std=0.5"
#define GRID "quadratic:from=end"

/* Mean (2) and covariance (xx, xv, vv) of a run from (m, S). */
static int run(sf_ctx *ctx, const char *process, const char *data, const char *sampler, const char *grid, int64_t steps, int denoise,
               const double *m, const double *S, double *got)
{
	static const sf_law_noise noise[2] = {{SF_NOISE_STEP, 2, 0, 2}, {0, 0, 0, 0}};
	double cov[4];
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, data, 1, sampler, grid, &rig));
	rc = sf_law(ctx, &rig, steps, denoise, noise, m, S, got, cov);
	sf_rig_close(&rig);
	got[2] = cov[0], got[3] = cov[1], got[4] = cov[3];
	return rc;
}

/* The law of the data at t. */
static void exact(const sf_process *p, double t, double *m, double *S)
{
	double P[4];
	int i, j;

	sf_process_phi(p, 0, t, P);
	sf_process_cov(p, t, S);
	for (i = 0; i < 2; i++) {
		m[i] = 0.7 * P[2 * i];
		for (j = 0; j < 2; j++)
			S[2 * i + j] += 0.25 * P[2 * i] * P[2 * j];
	}
}

typedef struct table {
	const char *grid;
	int64_t steps;
	double want[5];
} table;

static int from_exact(sf_ctx *ctx, sf_row *row, const table *t)
{
	static const double m1[2] = {0.00211341455579, -0.000939295358127};
	static const double S1[4] = {0.999986249327, 6.06339521387e-6, 6.06339521387e-6, 0.249997326164};
	double got[5], worst = 0;
	int k;

	SF_TRY(run(ctx, PAPER, DATA, "sscs", t->grid, t->steps, 0, m1, S1, got));
	for (k = 0; k < 5; k++)
		sf_worst(&worst, got[k], t->want[k], 0.01);
	return sf_row_worst(row, worst, 1e-10);
}

#define TABLE(name, ...)                                                                                                 \
	static int name(sf_ctx *ctx, sf_row *row)                                                                            \
	{                                                                                                                    \
		static const table t = __VA_ARGS__;                                                                              \
		return from_exact(ctx, row, &t);                                                                                 \
	}

TABLE(uniform_10, {"uniform", 10, {0.800343980195, -0.117806748357, 0.135340064129, 0.0245615769313, 0.309563827392}})
TABLE(uniform_50, {"uniform", 50, {0.720959495069, -0.0380744655007, 0.228509157808, 0.00359457844495, 0.0888492313124}})
TABLE(quadratic_10, {GRID, 10, {0.728937346819, -0.0301918916458, 0.218126655868, 0.00291402886624, 0.0542172288808}})
TABLE(quadratic_50, {GRID, 50, {0.707381551938, -0.00689693766236, 0.241111672579, -0.000754241261271, 0.0196105283967}})

static int from_prior(sf_ctx *ctx, sf_row *row)
{
	static const double m[2] = {0, 0}, S[4] = {1, 0, 0, 0.25};
	static const double want[5] = {0.707488922025, -0.00231170060578, 0.241140828622, 2.63721470176e-5, 0.00615803031798};
	double got[5], worst = 0;
	int k;

	SF_TRY(run(ctx, PAPER, DATA, "sscs", GRID, 50, 1, m, S, got));
	for (k = 0; k < 5; k++)
		sf_worst(&worst, got[k], want[k], 0.01);
	return sf_row_worst(row, worst, 1e-10);
}

/* Data N(0,1), v_0 ~ N(0, M): the score is -u/(1, M) always, and N(0,1) x N(0,M) stays whatever the steps. */
static int equilibrium(sf_ctx *ctx, sf_row *row)
{
	static const char *const process[] = {"cld:eps=0,gamma=1", "cld:eps=0,gamma=1,beta0=0.1,beta1=6.9",
	                                      "cld:eps=0,gamma=1,m-inv=2,friction=0.5", "cld:eps=0,gamma=1,m-inv=2,friction=3"};
	static const char *const sampler[] = {"sscs", "sscs:order=2", "sscs:published=true"};
	double m[2] = {0, 0}, S[4] = {1, 0, 0, 0}, got[5], worst = 0;
	int i, j, steps;

	for (i = 0; i < 4; i++)
		for (j = 0; j < 3; j++)
			for (steps = 1; steps <= 3; steps++) {
				S[3] = i < 2 ? 0.25 : 0.5;
				SF_TRY(run(ctx, process[i], "gaussian", sampler[j], "uniform", steps, 0, m, S, got));
				sf_worst(&worst, got[2], 1, 0);
				sf_worst(&worst, got[3], 0, 1);
				sf_worst(&worst, got[4], S[3], 0);
			}
	return sf_row_worst(row, worst, 1e-13);
}

/* The largest error of the moments at 1e-3 from the exact ones at 1. */
static int error(sf_ctx *ctx, const char *process, const char *sampler, const char *grid, int64_t steps, double *most)
{
	double m1[2], S1[4], m0[2], S0[4], got[5], want[5];
	sf_process *p = NULL;
	int k;

	SF_TRY(sf_process_new(ctx, process, &p));
	exact(p, 1, m1, S1);
	exact(p, 1e-3, m0, S0);
	sf_process_free(p);
	want[0] = m0[0], want[1] = m0[1], want[2] = S0[0], want[3] = S0[1], want[4] = S0[3];
	SF_TRY(run(ctx, process, DATA, sampler, grid, steps, 0, m1, S1, got));
	*most = 0;
	for (k = 0; k < 5; k++)
		*most = fmax(*most, fabs(got[k] - want[k]));
	return SF_OK;
}

static int order(sf_ctx *ctx, sf_row *row, const char *process, const char *sampler, const char *grid, double expected)
{
	double coarse, fine;

	SF_TRY(error(ctx, process, sampler, grid, 80, &coarse));
	SF_TRY(error(ctx, process, sampler, grid, 160, &fine));
	return sf_row_value(row, log(coarse / fine) / log(2), expected, 0.1);
}

#define GROWING "cld:eps=0,beta0=1,beta1=5"

static int order_one(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, PAPER, "sscs", GRID, 1);
}

static int order_two(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, PAPER, "sscs:order=2", GRID, 2);
}

static int order_growing(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, GROWING, "sscs:order=2", GRID, 2);
}

/* What the published second half adds to the mean of x falls with the first power of the step. */
static int order_published(sf_ctx *ctx, sf_row *row)
{
	static const double m[2] = {0, 0}, S[4] = {1, 0, 0, 0.25};
	double right[5], wrong[5], gap[2];
	int i;

	for (i = 0; i < 2; i++) {
		SF_TRY(run(ctx, GROWING, DATA, "sscs:order=2", GRID, 60 << i, 0, m, S, right));
		SF_TRY(run(ctx, GROWING, DATA, "sscs:order=2,published=true", GRID, 60 << i, 0, m, S, wrong));
		gap[i] = fabs(right[0] - wrong[0]);
	}
	return sf_row_value(row, log(gap[0] / gap[1]) / log(2), 1, 0.1);
}

static int order_over(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "cld:eps=0,m-inv=4,friction=1.5", "sscs:order=2", GRID, 2);
}

#define CLD "Dockhorn, Vahdat and Kreis 2022 (2112.07068)"

const sf_check sf_checks_sscs[] = {
	{"sampler", "sscs.uniform-10", "moments of 10 uniform steps", CLD, uniform_10},
	{"sampler", "sscs.uniform-50", "moments of 50 uniform steps", CLD, uniform_50},
	{"sampler", "sscs.quadratic-10", "moments of 10 steps of the quadratic grid", CLD, quadratic_10},
	{"sampler", "sscs.quadratic-50", "moments of 50 steps of the quadratic grid", CLD, quadratic_50},
	{"sampler", "sscs.prior", "moments of 50 steps from the prior, denoised", CLD, from_prior},
	{"sampler", "sscs.equilibrium", "any steps are exact where the score of v is -v/M", CLD, equilibrium},
	{"sampler", "sscs.order", "weak order", CLD, order_one},
	{"sampler", "sscs.order-midpoint", "weak order with the midpoint method", CLD, order_two},
	{"sampler", "sscs.order-growing", "the same with a growing rate", CLD, order_growing},
	{"sampler", "sscs.order-published", "order of what the published second half adds under a growing rate", CLD, order_published},
	{"sampler", "sscs.order-over-damped", "weak order with the midpoint method, over-damped", CLD, order_over},
	{NULL, NULL, NULL, NULL, NULL}};
