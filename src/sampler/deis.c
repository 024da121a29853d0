/* deis.c: diffusion exponential integrator sampler, tAB: polynomials in a time fitted to eps.
 *
 *     y = x/alpha,   y_t = y + sum_j eps_j int_{rho_s}^{rho_t} l_j(tau(rho)) d rho,   l_j for the times tau_j
 *
 * Zhang and Chen 2023 (2204.13902); tAB3, their best, has 4 outputs: order=4. The time tau is that of vp
 * (beta 0.1 to 20) in which the noise level is rho, as published programs take for any model, or the process's own;
 * on vp they are the same. (With tau = rho this is rhoAB: the sampler `lms`.) The default grid has equal steps in the
 * root of time, as theirs. Integrals by Gauss and Legendre. A step to time 0 is of first order. NFE = N; orders as
 * for lms.
 * Known answers: mixture `skewed`, 16 steps from 7.1 at sigma 10 to 0.1: 1.099036557597258 (equal lambda),
 * 1.099666695932161 (karras).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

#include <math.h>

enum { DEPTH = 4 };
enum { OF_VP, OF_PROCESS };

typedef struct deis {
	int64_t order;
	int clock, lower;
} deis;

static const sf_opt options[] = {
	{"order", "outputs that are combined; 4 is tAB3", SF_OPT_INT, offsetof(deis, order), "4", 1, DEPTH, NULL},
	{"clock", "the time the polynomials are in", SF_OPT_CHOICE, offsetof(deis, clock), "vp", 0, 0, "vp|process"},
	{"lower-order-final", "lower orders at the end always, in runs of fewer than 10 steps, or never", SF_OPT_CHOICE,
	 offsetof(deis, lower), "never", 0, 0, SF_LOWER_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order(const void *st)
{
	return (int)((const deis *)st)->order;
}

static double vp_time(const void *process, double rho)
{
	const double min = 0.1, slope = 19.9, B = log1p(rho * rho);

	(void)process;
	return 2 * B / (min + sqrt(min * min + 2 * slope * B));
}

static double own_time(const void *process, double rho)
{
	return sf_process_time_of_ratio(process, rho);
}

static int step(const void *st, sf_run *run)
{
	const deis *o = st;
	double (*clock)(const void *, double) = o->clock == OF_PROCESS ? own_time : vp_time;
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);
	int p = sf_multistep_order(run, run->index, order(st), o->lower), j;
	double tau[DEPTH], w[DEPTH];
	sf_mix y = {0};

	SF_TRY(sf_run_model(run, SF_PREDICT_NOISE, s.t, run->x, sf_past(run, DEPTH, 0)));
	for (j = 0; j < p; j++)
		tau[j] = clock(run->process, sf_past_point(run, j).rho);
	sf_adams(p, tau, s.rho, t.rho, clock, run->process, w);
	sf_mix_add(&y, t.alpha / s.alpha, run->x);
	for (j = 0; j < p; j++)
		sf_mix_add(&y, t.alpha * w[j], sf_past(run, DEPTH, j));
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

/* Equal steps in the root of the process's own time, or in vp's where that is no time of noise levels alone (edm). */
static const char *suit(const void *st, const sf_process *p, int64_t *steps)
{
	(void)st;
	(void)steps;
	return sf_process_horizon(p) == 1 ? "quadratic" : "vp:final=last";
}

const sf_sampler_class sf_sampler_deis = {
	.head = {"deis", "exponential integrator with polynomials in time (tAB)",
	         "Zhang and Chen 2023 (2204.13902)", sizeof(deis), options, NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = DEPTH,
	.order_with = order,
	.grid = "quadratic",
	.steps = 20,
	.suit = suit,
	.step = step};
