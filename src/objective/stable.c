/* stable.c: see stable.h. Log-sum-exp with a running maximum, in double; the sums are scaled down when a larger term
 * comes.
 *
 * Distances are differences squared, never |x|^2 - 2 x.y + |y|^2, which cancels at small sigma; and the shifts delta
 * are relative to the source, so that nothing is lost where one weight is nearly 1. Points whose weight underflows
 * cost their distance alone. Known answer: points -1.3 -0.4 0.1 0.9 2.0, sigma 0.7, x = 0.3: E_w x =
 * 0.20382946269025046.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/stable.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 }; /* sums that do not wait for each other, in a fixed order */

static double total(const double *lane)
{
	return ((lane[0] + lane[4]) + (lane[2] + lane[6])) + ((lane[1] + lane[5]) + (lane[3] + lane[7]));
}

/* |z + r (s - x)|^2 */
static double distance2(int64_t d, double r, const double *z, const double *s, const double *x)
{
	double lane[LANES] = {0};
	int64_t j = 0;
	int i;

	for (; j + LANES <= d; j += LANES)
		for (i = 0; i < LANES; i++) {
			double u = z[j + i] + r * (s[j + i] - x[j + i]);

			lane[i] += u * u;
		}
	for (i = 0; j < d; i++, j++) {
		double u = z[j] + r * (s[j] - x[j]);

		lane[i] += u * u;
	}
	return total(lane);
}

/* mean += w (s - x); returns |s - x|^2 */
static double shift(int64_t d, double w, const double *restrict s, const double *restrict x, double *restrict mean)
{
	double lane[LANES] = {0};
	int64_t j = 0;
	int i;

	for (; j + LANES <= d; j += LANES)
		for (i = 0; i < LANES; i++) {
			double u = s[j + i] - x[j + i];

			mean[j + i] += w * u;
			lane[i] += u * u;
		}
	for (i = 0; j < d; i++, j++) {
		double u = s[j] - x[j];

		mean[j] += w * u;
		lane[i] += u * u;
	}
	return total(lane);
}

void sf_stable_start(sf_stable *a, int64_t d, double r, const double *z, const double *source, double *mean)
{
	a->d = d;
	a->r = r;
	a->z = z;
	a->source = source;
	a->top = -INFINITY;
	a->sum = a->square = 0;
	a->mean = mean;
	memset(mean, 0, (size_t)d * sizeof *mean);
}

void sf_stable_add(sf_stable *a, const double *x)
{
	double l = -distance2(a->d, a->r, a->z, a->source, x) / 2, w;
	int64_t j;

	if (!(l > -INFINITY)) /* farther than numbers reach */
		return;
	if (l > a->top) {
		double shrink = exp(a->top - l);

		a->sum *= shrink;
		a->square *= shrink;
		for (j = 0; j < a->d; j++)
			a->mean[j] *= shrink;
		a->top = l;
	}
	w = exp(l - a->top);
	if (w > 0) {
		a->sum += w;
		a->square += w * shift(a->d, w, a->source, x, a->mean);
	}
}

double sf_stable_trace(const sf_stable *a)
{
	double square = 0;
	int64_t j;

	for (j = 0; j < a->d; j++)
		square += sf_stable_shift(a, j) * sf_stable_shift(a, j);
	return a->sum > 0 ? fmax(0, a->square / a->sum - square) : 0;
}
