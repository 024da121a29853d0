/* rk4.c: the classical fourth-order Runge-Kutta method on the probability-flow ODE.
 *
 *     k_1 = F(t, x),  k_2 = F(t - h/2, x - h/2 k_1),  k_3 = F(t - h/2, x - h/2 k_2),  k_4 = F(t - h, x - h k_3)
 *     x <- x - h (k_1 + 2 k_2 + 2 k_3 + k_4)/6,   F = f - G G' score/2,  h = t - t_next
 *
 * Kutta 1901; Song et al. 2021 (2011.13456), eq 13. Runs on every process. NFE = 4N, and 1 in a step to time 0, where
 * there may be no score: Euler's method takes it.
 * Known answer: on normal data under edm x(t) = x(T) sqrt((q + t^2)/(q + T^2)), approached with order 4.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

static int step(const void *st, sf_run *run)
{
	double h = run->t - run->t_next, half = run->t - h / 2, *in = run->work[4], *score = run->work[5];
	const double at[4] = {run->t, half, half, run->t_next}, part[4] = {0, h / 2, h / 2, h};
	const double weight[4] = {h / 6, h / 3, h / 3, h / 6};
	int stages = run->t_next > 0 ? 4 : 1, i;
	sf_mix y = {0};

	(void)st;
	sf_mix_add(&y, 1, run->x);
	for (i = 0; i < stages; i++) {
		sf_mix inner = {0};

		sf_mix_add(&inner, 1, run->x);
		if (i > 0)
			sf_mix_add(&inner, -part[i], run->work[i - 1]);
		sf_mix_into(run, &inner, in);
		SF_TRY(sf_run_drift(run, at[i], in, 0, score, run->work[i]));
		sf_mix_add(&y, stages == 1 ? -h : -weight[i], run->work[i]);
	}
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

static int cost(const void *st, double t, double t_next)
{
	(void)st;
	(void)t;
	return t_next > 0 ? 4 : 1;
}

static const char *suit(const void *st, const sf_process *p, int64_t *steps)
{
	(void)st;
	(void)steps;
	return sf_process_linear(p) && sf_process_blocks(p) == 1 ? "karras:final=last" : "uniform";
}

/* One evaluation goes to the final denoising. */
static int64_t steps_for(const void *st, int64_t nfe)
{
	(void)st;
	return (nfe - 1) / 4;
}

const sf_sampler_class sf_sampler_rk4 = {
	.head = {"rk4", "classical Runge-Kutta method on the probability-flow ODE",
	         "Song et al. 2021 (2011.13456), eq 13", 1, NULL, NULL, NULL},
	.flags = SF_SAMPLER_DENOISE,
	.work = 6,
	.order = 4,
	.grid = "uniform",
	.steps = 25,
	.suit = suit,
	.cost = cost,
	.steps_for = steps_for,
	.step = step};
