/* logsnr.c: equal steps in lambda = ln(alpha/sigma), half the logarithm of the signal-to-noise ratio.
 *
 *     lambda_i = lambda(end) - (1 - i/N)^{power} (lambda(end) - lambda(start)),   t_i = t(lambda_i)
 *
 * Lu et al. 2022 (2206.00927): the grid of DPM-Solver. The noise levels sigma/alpha fall
 * by a constant factor (k-diffusion's "exponential"). With other powers it is k-diffusion's "polyexponential".
 * With final=zero N - 1 such steps and one to time 0.
 * Known answer: edm from 80 to 0.002 with N = 4: 80, 5.656854249492381, 0.4, 0.028284271247461903, 0.002.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"
#include "process/process.h"

#include <math.h>

typedef struct logsnr {
	double power;
	int final;
} logsnr;

static const sf_opt options[] = {
	{"power", "power of the steps that are left: 1 equal steps, larger ones finer near the data", SF_OPT_DOUBLE,
	 offsetof(logsnr, power), "1", 0.1, 10, NULL},
	{"final", "end at the process's last sampling time, or step on to time zero", SF_OPT_CHOICE, offsetof(logsnr, final),
	 "last", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

/* The share of lambda that is left, to the power of 1/power, is what has equal steps. */
typedef struct warp {
	const sf_process *p;
	double power, first, last;
} warp;

static double half(const sf_process *p, double t)
{
	return log(sf_process_alpha(p, t)) - log(sf_process_sigma(p, t));
}

static double place(const void *arg, double t)
{
	const warp *w = arg;

	return pow((w->last - half(w->p, t)) / (w->last - w->first), 1 / w->power);
}

static double time_at(const void *arg, double u)
{
	const warp *w = arg;

	return sf_process_time_of_ratio(w->p, exp(pow(u, w->power) * (w->last - w->first) - w->last));
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps, double *t)
{
	const logsnr *g = st;
	sf_span s = sf_grid_span(p, start, end, steps, g->final);
	warp w = {p, g->power, 0, 0};
	int64_t i;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(sf_process_context(p), SF_EUNSUP,
		               "grid 'logsnr' needs a noise level sigma/alpha; process '%s' has none", sf_process_name(p));
	if (s.end == 0) { /* asked for, where there is no lambda: a step of its own */
		s.end = sf_process_t_sample(p);
		s.zero = 1;
		s.pieces = steps - 1;
	}
	if (!(s.start > s.end)) { /* refused by the family: nothing falls */
		for (i = 0; i <= steps; i++)
			t[i] = s.start;
		return SF_OK;
	}
	w.first = half(p, s.start);
	w.last = half(p, s.end);
	sf_grid_warp(s, place, time_at, &w, t);
	return SF_OK;
}

const sf_grid_class sf_grid_logsnr = {
	.head = {"logsnr", "equal steps in the logarithm of the noise level", "Lu et al. 2022 (2206.00927)",
	         sizeof(logsnr), options, NULL, NULL},
	.fill = fill};
