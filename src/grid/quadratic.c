/* quadratic.c: equal steps in the square root of time: small steps near the data.
 *
 *     t_i = (sqrt(start) + i/N (sqrt(end) - sqrt(start)))^2
 *
 * Song, Meng and Ermon 2021 (DDIM, 2010.02502) choose their quadratic subsequence so.
 *
 * Known answer: from 1 to 0.25 with N = 2 the middle is 0.5625.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"

#include <math.h>

typedef struct quadratic {
	int final;
} quadratic;

static const sf_opt options[] = {
	{"final", "end at the process's last sampling time, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(quadratic, final), "last", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double root(const void *arg, double t)
{
	(void)arg;
	return sqrt(t);
}

static double square(const void *arg, double u)
{
	(void)arg;
	return u * u;
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps,
                double *t)
{
	const quadratic *q = st;

	sf_grid_warp(sf_grid_span(p, start, end, steps, q->final), root, square, NULL, t);
	return SF_OK;
}

const sf_grid_class sf_grid_quadratic = {
	.head = {"quadratic", "equal steps in the square root of time",
	         "Song, Meng and Ermon 2021 (2010.02502)", sizeof(quadratic), options, NULL, NULL},
	.fill = fill};
