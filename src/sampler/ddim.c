/* ddim.c: denoising diffusion implicit models.
 *
 *     x_t = alpha_t D + sqrt(sigma_t^2 - c^2) eps + c z,   D = (x_s - sigma_s eps)/alpha_s
 *     c = eta (sigma_t/sigma_s) sqrt(sigma_s^2 - (alpha_s/alpha_t)^2 sigma_t^2)
 *
 * Song, Meng and Ermon 2021 (2010.02502) (VP: sigma_s sqrt(1 - alpha_s^2/alpha_t^2) under the root);
 * eta = 0 is the implicit model, Euler's method in sigma/alpha and the first order of every method in lambda; eta =
 * 1 is DDPM's ancestral step. s_noise scales z. Order 1. The grid is the quadratic one of their CIFAR-10 runs.
 * Known answer: mixture `skewed`, edm, 16 steps of grid karras from 7.1 at sigma 10 to 0.1: 1.039632675542531.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

typedef struct ddim {
	double eta, s_noise;
} ddim;

static const sf_opt options[] = {
	{"eta", "share of the noise that is renewed: 0 none, 1 DDPM's", SF_OPT_DOUBLE, offsetof(ddim, eta), "0", 0, 10,
	 NULL},
	{"s-noise", "standard deviation of the noise added", SF_OPT_DOUBLE, offsetof(ddim, s_noise), "1", 0, 10, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int flags(const void *st)
{
	return SF_SAMPLER_SCALAR | (((const ddim *)st)->eta > 0 ? SF_SAMPLER_STOCHASTIC : 0);
}

static int step(const void *st, sf_run *run)
{
	const ddim *s = st;

	return sf_step_renewing(run, s->eta, s->s_noise);
}

const sf_sampler_class sf_sampler_ddim = {
	.head = {"ddim", "denoising diffusion implicit models, or DDPM's noise by eta",
	         "Song, Meng and Ermon 2021 (2010.02502)", sizeof(ddim), options, NULL, NULL},
	.flags_with = flags,
	.work = 2,
	.order = 1,
	.grid = "quadratic:final=zero",
	.steps = 50,
	.step = step};
