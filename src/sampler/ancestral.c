/* ancestral.c: ancestral sampling, from x_t to x_s by the law of x_s given x_t and the estimate of x_0.
 *
 *     x <- (x + q score)/phi + sqrt(v) z,   v = q sigma_s^2/sigma_t^2 (posterior), or q (step)
 *
 * where x_t = phi x_s + sqrt(q) z is the forward step that is taken back (predictor.h); q score = -q eps/sigma_t. Song et al. 2021
 * (2011.13456), appendix F, for ve (SMLD): x + (sigma_k^2 - sigma_(k-1)^2) score with the posterior variance; Ho, Jain, Abbeel 2020
 * (2006.11239) for ddpm: (x + beta_k score)/sqrt(1 - beta_k), for which score_sde takes v = beta_k. Weak order 1. A step to
 * time 0 is Tweedie's formula, E[x_0|x_t], without noise.
 * Known answers (published, x = 1, score = -2, z = 0.5, t = 0.5, N = 1000): vp 1.03497649215778, ve 1.02862378343634.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"

#include <math.h>

static const sf_opt options[] = {
	SF_PREDICTOR_VARIANCE,
	SF_PREDICTOR_PUBLISHED,
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

int sf_predict_ancestral(const void *st, sf_run *run)
{
	const sf_predictor *how = st;
	sf_stretch s;
	double v;
	int posterior;

	SF_TRY(sf_predictor_stretch(how, run, run->index, &s));
	posterior = how->variance == SF_VARIANCE_PUBLISHED ? s.phi == 1 : how->variance == SF_VARIANCE_POSTERIOR;
	v = posterior ? s.q * s.kept : s.q;
	if (sf_predictor_mean(how, run) || run->t_next == 0)
		v = 0;
	return sf_move(run, s.t, 1 / s.phi, s.q / s.phi, sqrt(v), SF_NOISE_STEP, run->index);
}

/* eta is none of its options, but the members share their flags */
static int init(void *st, sf_ctx *ctx)
{
	(void)ctx;
	((sf_predictor *)st)->eta = 1;
	return SF_OK;
}

static int flags(const void *st)
{
	return sf_predictor_flags(st) | SF_SAMPLER_SCALAR;
}

const sf_sampler_class sf_sampler_ancestral = {
	.head = {"ancestral", "ancestral sampling of discrete levels", "Song et al. 2021 (2011.13456), appendix F", sizeof(sf_predictor),
	         options, init, NULL},
	.flags_with = flags,
	.work = 2,
	.order = 1,
	.grid = "uniform",
	.steps = 1000,
	.suit = sf_predictor_suit,
	.steps_for = sf_predictor_steps,
	.step = sf_predict_ancestral};
