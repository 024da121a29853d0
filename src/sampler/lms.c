/* lms.c: the linear multistep method: variable-step Adams-Bashforth in the noise level.
 *
 *     y = x/alpha,   y_t = y + sum_j eps_j int_{rho_s}^{rho_t} l_j(rho) d rho,   l_j the Lagrange polynomials
 *
 * k-diffusion's sampler "lms", with the integrals of the polynomials taken exactly. It keeps its order in a last step
 * to noise 0, as published; lower-order-final takes the order down at the end. NFE = N. The orders hold for exact
 * starting values; a run's own start makes them fall towards 2. DEIS calls the same rhoAB.
 * Known answers: mixture `skewed`, edm, 16 steps from 7.1 at sigma 10 to 0.1: order 4 1.093989501286907 (equal
 * lambda), 1.095963378250514 (karras).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

enum { DEPTH = 4 };

typedef struct lms {
	int64_t order;
	int lower;
} lms;

static const sf_opt options[] = {
	{"order", "outputs that are combined", SF_OPT_INT, offsetof(lms, order), "4", 1, DEPTH, NULL},
	{"lower-order-final", "lower orders at the end always, in runs of fewer than 10 steps, or never", SF_OPT_CHOICE,
	 offsetof(lms, lower), "never", 0, 0, SF_LOWER_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order(const void *st)
{
	return (int)((const lms *)st)->order;
}

static int step(const void *st, sf_run *run)
{
	const lms *o = st;
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);
	double rho[DEPTH], w[DEPTH];
	int p = order(st), j;
	sf_mix y = {0};

	if (o->lower == SF_LOWER_NEVER) /* a step to time 0 as well */
		p = p < run->index + 1 ? p : (int)run->index + 1;
	else
		p = sf_multistep_order(run, run->index, p, o->lower);
	SF_TRY(sf_run_model(run, SF_PREDICT_NOISE, s.t, run->x, sf_past(run, DEPTH, 0)));
	for (j = 0; j < p; j++)
		rho[j] = sf_past_point(run, j).rho;
	sf_adams(p, rho, s.rho, t.rho, NULL, NULL, w);
	sf_mix_add(&y, t.alpha / s.alpha, run->x);
	for (j = 0; j < p; j++)
		sf_mix_add(&y, t.alpha * w[j], sf_past(run, DEPTH, j));
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

const sf_sampler_class sf_sampler_lms = {
	.head = {"lms", "linear multistep method in the noise level", "Zhang and Chen 2023 (2204.13902), rhoAB; k-diffusion",
	         sizeof(lms), options, NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = DEPTH,
	.order_with = order,
	.grid = "karras",
	.steps = 20,
	.step = step};
