/* dpm.c: DPM-Solver of order 1, 2, 3: singlestep methods on the exact solution in lambda (formulas in single.c).
 *
 * Lu et al. 2022 (2206.00927) (general r; "taylor" is its form with all terms).
 * Noise prediction is theirs; with data prediction these are the singlestep methods of DPM-Solver++. The default grid
 * has equal steps in lambda, as theirs. NFE = order x N; a step to noise 0 is of first order. dpm-fast uses any
 * number of evaluations up.
 * Known answers: mixture `skewed`, edm, 16 steps of equal lambda from 7.1 at sigma 10 to 0.1: order 2
 * 1.104411725153048, order 3 1.098894013571170.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

typedef struct dpm {
	int64_t order;
	int prediction, variant;
} dpm;

static const sf_opt options[] = {
	{"order", "order of the steps, and evaluations in each", SF_OPT_INT, offsetof(dpm, order), "3", 1, 3, NULL},
	{"prediction", "the model's output that is integrated", SF_OPT_CHOICE, offsetof(dpm, prediction), "noise", 0, 0,
	 SF_PREDICT_CHOICES},
	{"variant", "least terms for the order, or all of the Taylor expansion", SF_OPT_CHOICE, offsetof(dpm, variant),
	 "midpoint", 0, 0, SF_VARIANT_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order(const void *st)
{
	return (int)((const dpm *)st)->order;
}

static int cost(const void *st, double t, double t_next)
{
	(void)t;
	return t_next > 0 ? order(st) : 1;
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	return nfe / order(st);
}

static int step(const void *st, sf_run *run)
{
	const dpm *s = st;

	return sf_step_single(run, s->prediction, order(st), s->variant);
}

const sf_sampler_class sf_sampler_dpm = {
	.head = {"dpm", "DPM-Solver, singlestep", "Lu et al. 2022 (2206.00927)", sizeof(dpm), options,
	         NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = 4,
	.order_with = order,
	.grid = "logsnr",
	.steps = 10,
	.cost = cost,
	.steps_for = steps_for,
	.step = step};
