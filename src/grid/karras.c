/* karras.c: EDM's grid: equal steps in the rho-th root of the noise level sigma/alpha.
 *
 *     s_i = (s_max^{1/rho} + i/(N-1) (s_min^{1/rho} - s_max^{1/rho}))^rho,   i < N,
 *     t_i = t(s_i),   t_N = 0
 *
 * Karras et al. 2022 (2206.00364), eq 5; rho = 7, and for process edm s_min = 0.002 and s_max =
 * 80. Other processes run over their own range unless sigma-min and sigma-max say otherwise;
 * every noise level is mapped to a time by the inverse of sigma/alpha and clipped to the
 * process's range. N = 1, which the published code divides by zero for, is {s_max, 0}. With
 * final=last, or an end above zero, the levels cover all N steps.
 * Known answers: edm, N = 5: 80, 17.52783196, 2.515218976, 0.1697527563, 0.002, 0.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"
#include "process/process.h"

#include <math.h>

typedef struct karras {
	double rho, sigma_min, sigma_max;
	int final;
} karras;

static const sf_opt options[] = {
	{"rho", "exponent: 1 is uniform in noise, large ones near geometric", SF_OPT_DOUBLE,
	 offsetof(karras, rho), "7", 0.1, 1000, NULL},
	{"sigma-min", "least noise level; 0: the process's", SF_OPT_DOUBLE,
	 offsetof(karras, sigma_min), "0", 0, 1e9, NULL},
	{"sigma-max", "largest noise level; 0: the process's", SF_OPT_DOUBLE,
	 offsetof(karras, sigma_max), "0", 0, 1e9, NULL},
	{"final", "end at the least noise level, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(karras, final), "zero", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

typedef struct warp {
	const sf_process *p;
	double rho;
} warp;

static double root(const void *arg, double t)
{
	const warp *w = arg;

	return pow(sf_process_sigma(w->p, t) / sf_process_alpha(w->p, t), 1 / w->rho);
}

static double level(const void *arg, double u)
{
	const warp *w = arg;

	return sf_process_time_of_ratio(w->p, pow(u, w->rho));
}

static int init(void *st, sf_ctx *ctx)
{
	const karras *k = st;

	if (k->sigma_max > 0 && !(k->sigma_min < k->sigma_max))
		return sf_fail(ctx, SF_EINVAL,
		               "grid 'karras': sigma-min=%g is not below sigma-max=%g",
		               k->sigma_min, k->sigma_max);
	return SF_OK;
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps,
                double *t)
{
	const karras *k = st;
	warp w = {p, k->rho};
	sf_span s = sf_grid_span(p, start, end, steps, k->final);

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(sf_process_context(p), SF_EUNSUP,
		               "grid 'karras' needs a noise level sigma/alpha; process '%s' has "
		               "none",
		               sf_process_name(p));
	/* Noise levels of the options stand where the caller left the ends open. */
	if (isnan(start) && k->sigma_max > 0)
		s.start = sf_process_time_of_ratio(p, k->sigma_max);
	if ((isnan(end) || s.zero) && k->sigma_min > 0)
		s.end = sf_process_time_of_ratio(p, k->sigma_min);
	sf_grid_warp(s, root, level, &w, t);
	return SF_OK;
}

const sf_grid_class sf_grid_karras = {
	.head = {"karras", "equal steps in the rho-th root of the noise level",
	         "Karras et al. 2022 (2206.00364), eq 5", sizeof(karras), options, init, NULL},
	.fill = fill};
