/* dpm2.c: the midpoint method in the logarithm of the noise level, with renewed noise by eta: k-diffusion's dpm_2 and
 * dpm_2_ancestral.
 *
 *     y = x/alpha,   mid = sqrt(rho_s down),   y' = y + (mid - rho_s) eps(y, rho_s)
 *     y_t = y + (down - rho_s) eps(y', mid) + s_noise up z,       up, down of eta as for euler-ancestral
 *
 * Karras et al. 2022 (2206.00364) describe it as inspired by DPM-Solver-2 (Lu et al. 2022, 2206.00927), and with eta
 * = 0 it is that method with noise prediction and r_1 = 1/2. A step to noise 0 is Euler's, so NFE = 2N - 1.
 * Order 2; weak order 2 with noise.
 * Known answer: data N(0.3, 0.49), from 2 to 1, eta = 0: x - mu is multiplied by 0.5802394749990772.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

#include <math.h>

typedef struct dpm2 {
	double eta, s_noise;
} dpm2;

static const sf_opt options[] = {
	{"eta", "share of the noise that is renewed: 0 dpm_2, 1 dpm_2_ancestral", SF_OPT_DOUBLE, offsetof(dpm2, eta), "0", 0,
	 10, NULL},
	{"s-noise", "standard deviation of the noise added", SF_OPT_DOUBLE, offsetof(dpm2, s_noise), "1", 0, 10, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int flags(const void *st)
{
	return SF_SAMPLER_SCALAR | (((const dpm2 *)st)->eta > 0 ? SF_SAMPLER_STOCHASTIC : 0);
}

/* All noise renewed leaves nothing to take a mean in the logarithm with. */
static int price(const void *st, const sf_run *run)
{
	const dpm2 *s = st;
	double down, up;

	sf_renew(sf_point_at(run->process, run->t).rho, sf_point_at(run->process, run->t_next).rho, s->eta, &down, &up);
	return down > 0 ? 2 : 1;
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	(void)st;
	return (nfe + 1) / 2;
}

static int step(const void *st, sf_run *run)
{
	const dpm2 *o = st;
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next), mid;
	double *eps = run->work[0], *x2 = run->work[1], *z = run->work[2], down, up;
	sf_mix inner = {0}, y = {0};

	sf_renew(s.rho, t.rho, o->eta, &down, &up);
	if (!(down > 0))
		return sf_step_renewing(run, o->eta, o->s_noise);
	SF_TRY(sf_run_model(run, SF_PREDICT_NOISE, s.t, run->x, eps));
	mid = sf_point_with(run->process, sqrt(s.rho * down));
	sf_mix_add(&inner, mid.alpha / s.alpha, run->x);
	sf_mix_add(&inner, mid.alpha * (mid.rho - s.rho), eps);
	sf_mix_into(run, &inner, x2);
	SF_TRY(sf_run_model(run, SF_PREDICT_NOISE, mid.t, x2, eps));
	sf_mix_add(&y, t.alpha / s.alpha, run->x);
	sf_mix_add(&y, t.alpha * (down - s.rho), eps);
	if (up > 0) {
		sf_run_noise(run, SF_NOISE_STEP, z);
		sf_mix_add(&y, t.alpha * o->s_noise * up, z);
	}
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

const sf_sampler_class sf_sampler_dpm2 = {
	.head = {"dpm2", "midpoint method in the logarithm of the noise level, or its ancestral form by eta",
	         "Karras et al. 2022 (2206.00364); Lu et al. 2022 (2206.00927)", sizeof(dpm2), options, NULL, NULL},
	.flags_with = flags,
	.work = 3,
	.order = 2,
	.grid = "karras",
	.steps = 18,
	.price = price,
	.steps_for = steps_for,
	.step = step};
