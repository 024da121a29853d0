/* vp.c: the grid of VP in EDM's frame: equal steps in the time of a VP schedule refitted to the range of noise,
 *
 *     sigma(u)^2 = exp(beta_d u^2/2 + beta_min u) - 1,   sigma(eps_s) = s_min,  sigma(1) = s_max,  eps_s = 1e-3
 *     u_i = 1 + i/(N-1) (eps_s - 1),   t_i = t(sigma(u_i)),   t_N = 0
 *
 * Karras et al. 2022 (2206.00364), table 1, and the refit of their ablations. A range so narrow that the refitted
 * schedule would not rise (beta_d <= 0) is walked in the time of the published one, beta_d = 19.9 and beta_min = 0.1.
 * On process vp from 1 to 1e-3 it is the grid uniform, since those are the times of its own schedule. Noise levels
 * are mapped to times by the inverse of sigma/alpha, as in karras.
 * Known answer: range 0.0104859928 to 152.166970 gives back beta_d = 19.9 and beta_min = 0.1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"
#include "process/process.h"

#include <math.h>

#define FIRST 1e-3 /* eps_s */

typedef struct vp {
	int final;
} vp;

static const sf_opt options[] = {
	{"final", "end at the least noise level, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(vp, final), "zero", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

typedef struct schedule {
	const sf_process *p;
	double beta_d, beta_min;
} schedule;

/* B = ln(1 + sigma^2) of a time of the process */
static double growth(const sf_process *p, double t)
{
	double r = sf_process_sigma(p, t) / sf_process_alpha(p, t);

	return log1p(r * r);
}

/* u with B(u) = B; beta_min may be below zero */
static double to(const void *arg, double t)
{
	const schedule *s = arg;
	double B = growth(s->p, t), root = sqrt(s->beta_min * s->beta_min + 2 * s->beta_d * B);

	return s->beta_min > 0 ? 2 * B / (s->beta_min + root) : (root - s->beta_min) / s->beta_d;
}

static double from(const void *arg, double u)
{
	const schedule *s = arg;

	return sf_process_time_of_ratio(s->p, sqrt(expm1(u * (s->beta_min + s->beta_d * u / 2))));
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps,
                double *t)
{
	sf_span span = sf_grid_span(p, start, end, steps, ((const vp *)st)->final);
	schedule s = {p, 0, 0};
	double last, first;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(sf_process_context(p), SF_EUNSUP,
			       "grid 'vp' needs a noise level sigma/alpha; process '%s' has none",
			       sf_process_name(p));
	last = growth(p, span.start);
	first = growth(p, span.end);
	s.beta_d = 2 * (first / FIRST - last) / (FIRST - 1);
	s.beta_min = last - s.beta_d / 2;
	if (!(s.beta_d > 0)) {
		s.beta_d = 19.9;
		s.beta_min = 0.1;
	}
	sf_grid_warp(span, to, from, &s, t);
	return SF_OK;
}

const sf_grid_class sf_grid_vp = {
	.head = {"vp", "equal steps in the time of a VP schedule over the same noise levels",
	         "Karras et al. 2022 (2206.00364), table 1", sizeof(vp), options, NULL, NULL},
	.fill = fill};
