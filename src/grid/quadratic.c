/* quadratic.c: equal steps in the square root of time: small steps near the data.
 *
 *     t_i = o + (sqrt(start - o) + i/N (sqrt(end - o) - sqrt(start - o)))^2,   o = 0, or end
 *
 * Song, Meng and Ermon 2021 (DDIM, 2010.02502) choose their quadratic subsequence so, with o = 0. With o = end the
 * last step is (start - end)/N^2: t_i = end + (start - end) (1 - i/N)^2, as Dockhorn, Vahdat and Kreis 2022
 * (2112.07068) stride the time of their process.
 *
 * Known answers: from 1 to 0.25 with N = 2 the middle is 0.5625; with o = end, 0.4375.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"

#include <math.h>

typedef struct quadratic {
	int final, from;
} quadratic;

static const sf_opt options[] = {
	{"final", "end at the process's last sampling time, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(quadratic, final), "last", 0, 0, SF_GRID_FINAL_CHOICES},
	{"from", "time whose distance the square root is of: zero, or the grid's end", SF_OPT_CHOICE,
	 offsetof(quadratic, from), "zero", 0, 0, "zero|end"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double root(const void *arg, double t)
{
	const double *origin = arg;

	return sqrt(fabs(t - *origin)); /* times that rise are refused by the family */
}

static double square(const void *arg, double u)
{
	const double *origin = arg;

	return *origin + u * u;
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps,
                double *t)
{
	const quadratic *q = st;
	sf_span span = sf_grid_span(p, start, end, steps, q->final);
	double origin = q->from ? span.end : 0;

	sf_grid_warp(span, root, square, &origin, t);
	return SF_OK;
}

const sf_grid_class sf_grid_quadratic = {
	.head = {"quadratic", "equal steps in the square root of time",
	         "Song, Meng and Ermon 2021 (2010.02502)", sizeof(quadratic), options, NULL, NULL},
	.fill = fill};
