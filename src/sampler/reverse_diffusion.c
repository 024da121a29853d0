/* reverse_diffusion.c: the reverse SDE in the steps that the forward process takes.
 *
 *     x <- x - (phi - 1) x + (1 + eta^2)/2 q score + eta sqrt(q) z
 *
 * where x_t = phi x_s + sqrt(q) z is the forward step that is taken back (predictor.h). Song et al. 2021 (2011.13456), appendix E
 * (predictor "reverse diffusion") and D.3, eq 43-44, for eta = 0. Under ve x + (sigma_k^2 - sigma_(k-1)^2) score, under ddpm
 * (2 - sqrt(1 - beta_k)) x + beta_k score. Weak order 1. A step to time 0 leaves its noise out.
 * Known answers (published, x = 1, score = -2, z = 0.5, t = 0.5, N = 1000): vp 1.03505260399383, ve 1.02901239565936.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"

#include <math.h>

static const sf_opt options[] = {
	SF_PREDICTOR_ETA,
	SF_PREDICTOR_PUBLISHED,
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

int sf_predict_reverse_diffusion(const void *st, sf_run *run)
{
	const sf_predictor *how = st;
	double eta = how->eta;
	sf_stretch s;
	int quiet = sf_predictor_mean(how, run) || run->t_next == 0;

	SF_TRY(sf_predictor_stretch(how, run, run->index, &s));
	return sf_move(run, s.t, 2 - s.phi, (1 + eta * eta) / 2 * s.q, quiet ? 0 : eta * sqrt(s.q), SF_NOISE_STEP, run->index);
}

static int flags(const void *st)
{
	return sf_predictor_flags(st) | SF_SAMPLER_SCALAR;
}

const sf_sampler_class sf_sampler_reverse_diffusion = {
	.head = {"reverse-diffusion", "the reverse SDE in the steps of the forward process", "Song et al. 2021 (2011.13456), appendix E",
	         sizeof(sf_predictor), options, NULL, NULL},
	.flags_with = flags,
	.work = 2,
	.order = 1,
	.grid = "uniform",
	.steps = 1000,
	.suit = sf_predictor_suit,
	.steps_for = sf_predictor_steps,
	.step = sf_predict_reverse_diffusion};
