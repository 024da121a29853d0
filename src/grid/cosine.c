/* cosine.c: equal steps in the time of the cosine schedule.
 *
 *     alpha = cos((u + s)/(1 + s) pi/2)/cos(s/(1 + s) pi/2),   1/(1 + (sigma/alpha)^2) = alpha^2
 *     so the angle theta = arccos(cos(s/(1 + s) pi/2)/sqrt(1 + (sigma/alpha)^2)) has equal steps
 *
 * Nichol and Dhariwal 2021 (2102.09672); s = 0.008. Noise levels are mapped to times of the process by the
 * inverse of sigma/alpha, as in karras. Half the steps of a run from noise to data lie above sigma/alpha = 1. The
 * grid iddpm takes such levels from a table.
 * Known answer: s = 0, edm from 1 to 0: N = 2 has tan(pi/8) = 0.41421356237309503 in the middle.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"
#include "process/process.h"

#include <math.h>

typedef struct cosine {
	double s;
	int final;
} cosine;

static const sf_opt options[] = {
	{"s", "offset that keeps the least noise from vanishing", SF_OPT_DOUBLE, offsetof(cosine, s), "0.008", 0, 1, NULL},
	{"final", "end at the process's last sampling time, or step on to time zero", SF_OPT_CHOICE, offsetof(cosine, final),
	 "last", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

typedef struct warp {
	const sf_process *p;
	double least; /* angle of no noise */
} warp;

/* tan^2 theta = (sin^2 least + rho^2)/cos^2 least, without 1 - cos for small angles */
static double angle(const void *arg, double t)
{
	const warp *w = arg;
	double rho = t > 0 ? sf_process_sigma(w->p, t) / sf_process_alpha(w->p, t) : 0;

	return atan(hypot(sin(w->least), rho) / cos(w->least));
}

static double time_at(const void *arg, double theta)
{
	const warp *w = arg;
	double above = sin(theta - w->least) * sin(theta + w->least); /* sin^2 theta - sin^2 least */

	return sf_process_time_of_ratio(w->p, sqrt(above > 0 ? above : 0) / cos(theta));
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps, double *t)
{
	const cosine *g = st;
	warp w = {p, g->s / (1 + g->s) * acos(0)};

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(sf_process_context(p), SF_EUNSUP,
		               "grid 'cosine' needs a noise level sigma/alpha; process '%s' has none", sf_process_name(p));
	sf_grid_warp(sf_grid_span(p, start, end, steps, g->final), angle, time_at, &w, t);
	return SF_OK;
}

const sf_grid_class sf_grid_cosine = {
	.head = {"cosine", "equal steps in the time of the cosine schedule", "Nichol and Dhariwal 2021 (2102.09672)",
	         sizeof(cosine), options, NULL, NULL},
	.fill = fill};
