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
#include "sampler/sampler.h"

#include <math.h>

typedef struct em {
	double eta;
	int published;
} em;

static const sf_opt options[] = {
	{"eta", "amount of noise: 1 the reverse SDE, 0 the probability-flow ODE", SF_OPT_DOUBLE,
	 offsetof(em, eta), "1", 0, 10, NULL},
	{"published", "steps of T/N whatever the grid's spacing, as score_sde takes them",
	 SF_OPT_BOOL, offsetof(em, published), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int flags(const void *st)
{
	const em *s = st;

	return SF_SAMPLER_DENOISE | (s->eta > 0 ? SF_SAMPLER_STOCHASTIC : 0) |
	       (s->published ? SF_SAMPLER_MEAN : 0);
}

/* x += c G z */
static void diffuse(sf_run *run, double t, double c, const double *z)
{
	const sf_process *p = run->process;
	int64_t i, j, total = run->n * run->size;
	double G[4];

	if (sf_process_blocks(p) == 1 || !sf_process_linear(p)) {
		double g = sf_process_linear(p)
		                   ? sqrt(sf_process_g2(p, t))
		                   : sf_process_record(p)->diffusion(p->object.state, t);

		for (i = 0; i < total; i++)
			run->x[i] += c * g * z[i];
		return;
	}
	sf_process_diffusion_matrix(p, t, G);
	for (i = 0; i < run->n; i++) {
		double *x = run->x + i * run->size;
		const double *zi = z + i * run->size;

		for (j = 0; j < run->d; j++) {
			x[j] += c * (G[0] * zi[j] + G[1] * zi[run->d + j]);
			x[run->d + j] += c * (G[2] * zi[j] + G[3] * zi[run->d + j]);
		}
	}
}

static int step(const void *st, sf_run *run)
{
	const em *s = st;
	double t = run->t, h = run->t - run->t_next, *drift = run->work[1], *z = run->work[0];
	int64_t i, total = run->n * run->size;

	if (s->published) {
		double from = run->grid[0], to = run->grid[run->steps];

		h = sf_process_horizon(run->process) / (double)run->steps;
		if (run->steps > 1)
			t = from + (double)run->index / (double)(run->steps - 1) * (to - from);
	}
	SF_TRY(sf_run_drift(run, t, run->x, s->eta, run->work[0], drift));
	for (i = 0; i < total; i++)
		run->x[i] -= h * drift[i];
	if (s->eta == 0 || (s->published && run->denoise && run->index == run->steps - 1))
		return SF_OK;
	sf_run_noise(run, SF_NOISE_STEP, z);
	diffuse(run, t, s->eta * sqrt(h), z);
	return SF_OK;
}

/* Uniform times, unless the last of the default steps would jump over most noise levels (edm). */
static const char *suit(const void *st, const sf_process *p, int64_t *steps)
{
	double t = sf_process_t_sample(p), near = t + sf_process_horizon(p) / (double)*steps;

	(void)st;
	/* the quotient is NaN, and the answer uniform, where a process has no noise level */
	return sf_process_logsnr(p, t) - sf_process_logsnr(p, near) > 2 * log(4) ? "karras:final="
	                                                                           "last"
	                                                                         : "uniform";
}

/* One evaluation goes to the final denoising. */
static int64_t steps_for(const void *st, int64_t nfe)
{
	const em *s = st;

	return s->published ? nfe : nfe - 1;
}

const sf_sampler_class sf_sampler_em = {
	.head = {"em", "Euler-Maruyama on the reverse SDE",
	         "Song et al. 2021 (2011.13456), eq 6, appendix E", sizeof(em), options, NULL,
	         NULL},
	.flags_with = flags,
	.work = 2,
	.order = 1,
	.grid = "uniform",
	.steps = 1000,
	.suit = suit,
	.steps_for = steps_for,
	.step = step};
