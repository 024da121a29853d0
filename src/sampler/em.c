/* em.c: Euler-Maruyama on the reverse SDE.
 *
 *     x <- x - h [f - (1 + eta^2)/2 G G' score] + eta sqrt(h) G z,   h = t - t_next
 *
 * Song et al. 2021 (2011.13456), eq 6 and appendix E (predictor "Euler-Maruyama"); eta = 1 is
 * their reverse SDE, eta = 0 the probability-flow ODE by Euler, in between the same marginals
 * with less noise. Weak order 1. `published` steps as their program does: N evaluations at N
 * equally spaced times from start to end, but steps of T/N, so the steps add up to T and not to
 * the span of the grid; the final denoising is then the last step's mean.
 * Known answer (published, VP, x = 1, score = -2, z = 0.5, t = 0.5, N = 1000): mean 0.984925, x
 * 1.03504984413941.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"

#include <math.h>

static const sf_opt options[] = {
	SF_PREDICTOR_ETA,
	{"published", "steps of T/N whatever the grid's spacing, as score_sde takes them",
	 SF_OPT_BOOL, offsetof(sf_predictor, published), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

int sf_predict_em(const void *st, sf_run *run)
{
	const sf_predictor *s = st;
	double t = sf_predictor_time(s, run, run->index), h = run->t - run->t_next;
	double *drift = run->work[1], *z = run->work[0];
	int64_t i, total = run->n * run->size;

	if (s->published)
		h = sf_process_horizon(run->process) / (double)run->steps;
	SF_TRY(sf_run_drift(run, t, run->x, s->eta, run->work[0], drift));
	for (i = 0; i < total; i++)
		run->x[i] -= h * drift[i];
	if (s->eta == 0 || sf_predictor_mean(s, run))
		return SF_OK;
	sf_run_noise(run, SF_NOISE_STEP, z);
	for (i = 0; i < run->n; i++)
		sf_diffuse(run->process, run->d, t, s->eta * sqrt(h), z + i * run->size, run->x + i * run->size);
	return SF_OK;
}

const sf_sampler_class sf_sampler_em = {
	.head = {"em", "Euler-Maruyama on the reverse SDE",
	         "Song et al. 2021 (2011.13456), eq 6, appendix E", sizeof(sf_predictor), options, NULL,
	         NULL},
	.flags_with = sf_predictor_flags,
	.work = 2,
	.order = 1,
	.grid = "uniform",
	.steps = 1000,
	.suit = sf_predictor_suit,
	.steps_for = sf_predictor_steps,
	.step = sf_predict_em};
