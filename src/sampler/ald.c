/* ald.c: annealed Langevin dynamics of NCSN: some Langevin steps at each of L noise levels, from the largest to the least.
 *
 *     x <- x + a_i score(x, sigma_i) + sqrt(2 a_i) z,   a_i = eps (sigma_i/sigma_L)^2,   T times at each level
 *
 * Song and Ermon 2019 (1907.05600) and 2020 (2006.09011, NCSNv2). The levels are the grid's times but its last, moved to the nearest
 * level of a process that has some (ve, ddpm); by itself it takes all of them. eps = 0 is chosen by their technique 4: data at one
 * point, started with variance sigma_(i-1)^2 = (gamma sigma_i)^2, have after T steps at level i
 *
 *     s_T^2/sigma_i^2 = (1-r)^(2T) (gamma^2 - k) + k,   r = eps/sigma_L^2,   k = 2/(2 - r)
 *
 * which is above 1 for all 0 < r < 2; the r is taken that makes it least, gamma being the levels' mean ratio. (Their published
 * eps for CIFAR-10, 6.2e-6 with 232 levels from 50 to 0.01 and T = 5, is that choice; the one for LSUN churches, 4.9e-6, is
 * not.) Their images start uniform on [0,1], start=uniform. A run ends with x <- E[x_0|x] at the last level, for ve
 * x + sigma_L^2 score, unless told not to. NFE = L T + 1.
 * Known answers: ratio 1.05547 for gamma 1.037559, T = 5, eps = 6.2e-6.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"
#include "score/score.h"

#include <math.h>
#include <string.h>

typedef struct ald {
	double eps;
	int64_t inner;
	int start;
} ald;

enum { START_PRIOR, START_UNIFORM };

static const sf_opt options[] = {
	{"eps", "step at the last level; 0: by NCSNv2's technique 4", SF_OPT_DOUBLE, offsetof(ald, eps), "0", 0, 1e9, NULL},
	{"inner", "steps T at each level", SF_OPT_INT, offsetof(ald, inner), "5", 1, 10000, NULL},
	{"start", "where chains start: in the prior, or uniform on [0,1] as published", SF_OPT_CHOICE, offsetof(ald, start), "prior",
	 0, 0, "prior|uniform"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

/* ---- NCSNv2's techniques ---- */

double sf_ald_overlap(int64_t d, double gamma)
{
	double a = sqrt(2 * (double)d) * (gamma - 1), b = 3 * gamma;

	/* Phi(a + b) - Phi(a - b) */
	return (erfc(-(a + b) / sqrt(2)) - erfc(-(a - b) / sqrt(2))) / 2;
}

double sf_ald_ratio(double gamma, int64_t steps, double r)
{
	double k = 2 / (2 - r);

	return pow((1 - r) * (1 - r), (double)steps) * (gamma * gamma - k) + k;
}

/* The ratio's derivative along r rises where k < gamma^2 and is positive beyond, and at r = 1: its zero is the minimum. */
double sf_ald_step(double gamma, int64_t steps)
{
	double low = 0, high = 1, T = (double)steps;
	int i;

	for (i = 0; i < 200; i++) {
		double r = (low + high) / 2, k = 2 / (2 - r), left = pow((1 - r) * (1 - r), T);
		double slope = -2 * T * left / (1 - r) * (gamma * gamma - k) + k * k / 2 * (1 - left);

		*(slope > 0 ? &high : &low) = r;
	}
	return (low + high) / 2;
}

/* ---- the sampler ---- */

static double level(const sf_run *run, int64_t index)
{
	double top = (double)sf_process_levels(run->process) - 1, end = sf_process_horizon(run->process), t = run->grid[index];

	return top > 0 ? floor(t / end * top + 0.5) / top * end : t;
}

static int last(const sf_run *run)
{
	return run->index == run->steps - 1;
}

static int price(const void *st, const sf_run *run)
{
	return (int)((const ald *)st)->inner + (last(run) && run->ask->denoise != 0);
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	return (nfe - 1) / ((const ald *)st)->inner;
}

static int step(const void *st, sf_run *run)
{
	const ald *s = st;
	const sf_process *p = run->process;
	double t = level(run, run->index), end = sf_process_sigma(p, level(run, run->steps - 1)), r = s->eps / (end * end), a;
	int64_t j;

	if (!(end > 0))
		return sf_fail(run->ctx, SF_EINVAL, "sampler 'ald': the last level, at time %g, has no noise", level(run, run->steps - 1));
	if (s->eps == 0) {
		double first = sf_process_sigma(p, level(run, 0));

		/* a single level has no ratio to go by */
		r = sf_ald_step(run->steps > 1 ? pow(first / end, 1 / (double)(run->steps - 1)) : 2, s->inner);
	}
	a = r * sf_process_sigma(p, t) * sf_process_sigma(p, t);
	for (j = 0; j < s->inner; j++)
		SF_TRY(sf_move(run, t, 1, a, sqrt(2 * a), SF_NOISE_STEP, run->index * s->inner + j));
	if (!last(run) || run->ask->denoise == 0)
		return SF_OK;
	SF_TRY(sf_run_read(run, SF_DENOISED, t, run->x, run->work[0]));
	memcpy(run->x, run->work[0], (size_t)(run->n * run->size) * sizeof *run->x);
	return SF_OK;
}

static int begin(const void *st, sf_run *run)
{
	sf_noise key = {run->ask->seed, SF_NOISE_PRIOR, 0};
	int64_t i;

	for (i = 0; i < run->n && ((const ald *)st)->start == START_UNIFORM; i++)
		sf_noise_uniform_d(run->ctx, key, run->ask->first_sample + (uint64_t)i, 0, (size_t)run->size, run->x + i * run->size);
	return ((const ald *)st)->start == START_UNIFORM;
}

static const char *suit(const void *st, const sf_process *p, int64_t *steps)
{
	(void)st;
	if (sf_process_levels(p) == 0)
		return "karras";
	*steps = sf_process_levels(p);
	return "uniform:final=zero";
}

const sf_sampler_class sf_sampler_ald = {
	.head = {"ald", "annealed Langevin dynamics of NCSN", "Song and Ermon 2020 (2006.09011), algorithm 1, technique 4", sizeof(ald),
	         options, NULL, NULL},
	.flags = SF_SAMPLER_STOCHASTIC | SF_SAMPLER_SCALAR | SF_SAMPLER_MEAN,
	.work = 2,
	.order = 1,
	.grid = "karras",
	.steps = 232,
	.suit = suit,
	.price = price,
	.start = begin,
	.steps_for = steps_for,
	.step = step};
