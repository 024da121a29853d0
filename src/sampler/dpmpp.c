/* dpmpp.c: DPM-Solver++, multistep (2M, 3M) or singlestep (2S, 3S), for guided sampling in few steps.
 *
 *     r_0 = (lambda_0 - lambda_1)/h,  d_0 = (m_0 - m_1)/r_0,  r_1 = (lambda_1 - lambda_2)/h,  d_1 = (m_1 - m_2)/r_1
 *     order 2:  x_t = a x + w_0 m_0 + w d_0,   w = w_0/2 (midpoint) or w_1 (taylor)
 *     order 3:  x_t = a x + w_0 m_0 + w_1 D_1 + w_2 D_2,   D_1 = d_0 + r_0/(r_0 + r_1) (d_0 - d_1),
 *               D_2 = 2 (d_0 - d_1)/(r_0 + r_1)
 *
 * with m_j the output j steps back and a, w_k, h of frame.h. Lu et al. 2022 (2211.01095);
 * singlestep formulas in single.c. The published programs' D_2 is half of this, h^2 m''/2 where the
 * expansion asks for h^2 m'': their order 3 converges with order 2. `published` takes that D_2. They lower the order
 * at the end of runs with fewer than 10 steps. prediction=noise makes these the multistep form of DPM-Solver.
 * NFE = N, singlestep order x N. The orders hold for exact starting values; as the first step is of order 1, a run's
 * own start makes order 3 fall towards 2.
 * Known answers: mixture `skewed`, edm, 16 steps of equal lambda from 7.1 at sigma 10 to 0.1: 2M 1.104815547345967,
 * 3M 1.098745054382163, as published 1.100763848867074.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

enum { MULTI, SINGLE, DEPTH = 3 };

typedef struct dpmpp {
	int64_t order;
	int method, variant, prediction, lower, published;
} dpmpp;

static const sf_opt options[] = {
	{"order", "order of the steps", SF_OPT_INT, offsetof(dpmpp, order), "2", 1, 3, NULL},
	{"method", "use outputs of earlier steps (2M, 3M), or of new points within the step (2S, 3S)", SF_OPT_CHOICE,
	 offsetof(dpmpp, method), "multistep", 0, 0, "multistep|singlestep"},
	{"variant", "least terms for the order, or all of the Taylor expansion", SF_OPT_CHOICE, offsetof(dpmpp, variant),
	 "midpoint", 0, 0, SF_VARIANT_CHOICES},
	{"prediction", "the model's output that is integrated", SF_OPT_CHOICE, offsetof(dpmpp, prediction), "data", 0, 0,
	 SF_PREDICT_CHOICES},
	{"lower-order-final", "multistep: lower orders at the end always, in runs of fewer than 10 steps, or never",
	 SF_OPT_CHOICE, offsetof(dpmpp, lower), "few", 0, 0, SF_LOWER_CHOICES},
	{"published", "the second derivative of multistep order 3 at half its value, as the published programs have it",
	 SF_OPT_BOOL, offsetof(dpmpp, published), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order(const void *st)
{
	const dpmpp *s = st;

	return s->published && s->order == 3 && s->method == MULTI ? 2 : (int)s->order;
}

static int cost(const void *st, double t, double t_next)
{
	const dpmpp *s = st;

	(void)t;
	return s->method == MULTI || t_next <= 0 ? 1 : (int)s->order;
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	const dpmpp *s = st;

	return s->method == MULTI ? nfe : nfe / s->order;
}

static int step(const void *st, sf_run *run)
{
	const dpmpp *o = st;
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);
	sf_leg leg = sf_leg_between(o->prediction, &s, &t, 1);
	int p = sf_multistep_order(run, run->index, (int)o->order, o->lower);
	double *m0 = sf_past(run, DEPTH, 0), *m1, *m2, r0, r1, w;
	sf_mix y = {0};

	if (o->method == SINGLE)
		return sf_step_single(run, o->prediction, (int)o->order, o->variant);
	SF_TRY(sf_run_model(run, o->prediction, s.t, run->x, m0));
	sf_mix_add(&y, leg.a, run->x);
	sf_mix_add(&y, leg.w[0], m0);
	if (p >= 2) {
		m1 = sf_past(run, DEPTH, 1);
		r0 = (s.lambda - sf_past_point(run, 1).lambda) / leg.h;
		w = p == 2 && o->variant == SF_MIDPOINT ? leg.w[0] / 2 : leg.w[1];
		sf_mix_slope(&y, w, m0, m1, r0);
		if (p == 3) {
			m2 = sf_past(run, DEPTH, 2);
			r1 = (sf_past_point(run, 1).lambda - sf_past_point(run, 2).lambda) / leg.h;
			w = (leg.w[1] * r0 + leg.w[2] * (o->published ? 1 : 2)) / (r0 + r1);
			sf_mix_slope(&y, w, m0, m1, r0);
			sf_mix_slope(&y, -w, m1, m2, r1);
		}
	}
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

const sf_sampler_class sf_sampler_dpmpp = {
	.head = {"dpmpp", "DPM-Solver++, multistep or singlestep", "Lu et al. 2022 (2211.01095)",
	         sizeof(dpmpp), options, NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = 4,
	.order_with = order,
	.grid = "logsnr",
	.steps = 20,
	.cost = cost,
	.steps_for = steps_for,
	.step = step};
