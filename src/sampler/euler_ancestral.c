/* euler_ancestral.c: Euler's method to a lower noise level and fresh noise up to the next: the sampler "Euler a" of
 * k-diffusion.
 *
 *     x_t/alpha_t = x_s/alpha_s + (down - rho_s) eps + s_noise up z,   rho = sigma/alpha
 *     up = min(rho_t, eta rho_t sqrt(rho_s^2 - rho_t^2)/rho_s),  down = sqrt(rho_t^2 - up^2)
 *
 * eta = 1 is the ancestral sampling of Song and Ermon's noise levels (Song et al. 2021, 2011.13456), and
 * `ddim` with the same eta is the same step in other letters. Weak order 1.
 * Known answer: on normal data the variance follows V' = (1 + (down/rho_s - 1)(1 - q/(q + rho_s^2)))^2 V + up^2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

typedef struct ancestral {
	double eta, s_noise;
} ancestral;

static const sf_opt options[] = {
	{"eta", "share of the noise that is renewed: 1 the ancestral law, 0 Euler's method", SF_OPT_DOUBLE,
	 offsetof(ancestral, eta), "1", 0, 10, NULL},
	{"s-noise", "standard deviation of the noise added", SF_OPT_DOUBLE, offsetof(ancestral, s_noise), "1", 0, 10, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int flags(const void *st)
{
	return SF_SAMPLER_SCALAR | (((const ancestral *)st)->eta > 0 ? SF_SAMPLER_STOCHASTIC : 0);
}

static int step(const void *st, sf_run *run)
{
	const ancestral *s = st;

	return sf_step_renewing(run, s->eta, s->s_noise);
}

const sf_sampler_class sf_sampler_euler_ancestral = {
	.head = {"euler-ancestral", "Euler's method with renewed noise",
	         "Song et al. 2021 (2011.13456), appendix F", sizeof(ancestral), options, NULL, NULL},
	.flags_with = flags,
	.work = 2,
	.order = 1,
	.grid = "karras",
	.steps = 50,
	.step = step};
