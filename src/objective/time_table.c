/* time_table.c: draws times from a density q ~ f that only values of f are known of.
 *
 * f at the Gauss-Legendre nodes of 64 panels, half of them geometric, half equal, gives a Legendre series in each,
 *
 *     f = sum_k c_k P_k(y),   c_k = (2k+1)/2 sum_i w_i f_i P_k(y_i),   int P_k = (P_{k+1} - P_{k-1})/(2k+1),
 *
 * which is integrated and inverted exactly. It is the series that is drawn from and that the density is told of, so that what is
 * divided by it is expected to be right whatever f looks like between the nodes. Where a series might touch zero (steep panels,
 * kinks) it is mixed with its mean until it cannot, by |P_k| <= 1. The same bytes for any number of threads: nothing but a
 * function of f.
 * Known answer: f = exp(-t) on [0,1] has its median at -ln((1 + 1/e)/2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/time_table.h"

#include <math.h>

enum { PANELS = SF_TIME_PANELS, NODES = SF_TIME_NODES };

/* P_0(y) .. P_{n-1}(y) */
static void legendre(int n, double y, double *P)
{
	int k;

	P[0] = 1;
	P[1] = y;
	for (k = 1; k + 1 < n; k++)
		P[k + 1] = ((2 * k + 1) * y * P[k] - k * P[k - 1]) / (k + 1);
}

/* The series, and its integral from -1 to y. */
static double series(const double *c, double y, double *integral)
{
	double P[NODES + 1], sum = c[0];
	int k;

	legendre(NODES + 1, y, P);
	*integral = c[0] * (y + 1);
	for (k = 1; k < NODES; k++) {
		sum += c[k] * P[k];
		*integral += c[k] * (P[k + 1] - P[k - 1]) / (2 * k + 1);
	}
	return sum;
}

/* Equal panels alone where the range is less than a factor of 16. */
static void place_knots(double lo, double hi, double *knot)
{
	const double turn = fmax(hi / 16, lo), from = fmax(lo, 1e-8 * hi);
	const int near = PANELS / 2;
	int j;

	for (j = 0; j <= PANELS; j++)
		knot[j] = lo >= turn ? lo + (hi - lo) * j / PANELS
		          : j < near ? from * pow(turn / from, (double)j / near)
		                     : turn + (hi - turn) * (j - near) / near;
	knot[0] = lo;
	knot[PANELS] = hi;
}

void sf_time_table_make(double lo, double hi, double (*f)(const void *arg, double t), const void *arg, sf_time_table *table)
{
	static const double node[NODES / 2] = {.18343464249564980494, .52553240991632898582, .79666647741362673959,
	                                       .96028985649753623168};
	static const double share[NODES / 2] = {.36268378337836198297, .31370664587788728734, .22238103445337447054,
	                                        .10122853629037625915};
	int j, i, k;

	place_knots(lo, hi, table->knot);
	table->mass[0] = 0;
	for (j = 0; j < PANELS; j++) {
		double *c = table->coef[j], half = (table->knot[j + 1] - table->knot[j]) / 2, mid = table->knot[j] + half, rest = 0;

		for (k = 0; k < NODES; k++)
			c[k] = 0;
		for (i = 0; i < NODES; i++) {
			double P[NODES], y = i % 2 ? node[i / 2] : -node[i / 2], value = f(arg, mid + half * y);

			legendre(NODES, y, P);
			for (k = 0; k < NODES && value > 0 && isfinite(value); k++)
				c[k] += (2 * k + 1) * share[i / 2] * value * P[k] / 2;
		}
		for (k = 1; k < NODES; k++)
			rest += fabs(c[k]);
		if (rest > .99 * c[0])
			for (k = 1; k < NODES; k++)
				c[k] *= .99 * c[0] / rest;
		table->mass[j + 1] = table->mass[j] + 2 * half * c[0];
	}
}

/* y of panel c with the integral `want`: Newton's steps, halving where they would leave the bounds. */
static double invert(const double *c, double want)
{
	double lo = -1, hi = 1, y = fmin(fmax(want / c[0] - 1, lo), hi), integral, next;
	int round;

	for (round = 0; round < 100; round++) {
		double slope = series(c, y, &integral);

		*(integral < want ? &lo : &hi) = y;
		next = y + (want - integral) / slope;
		if (fabs(next - y) < 1e-15)
			break;
		y = next > lo && next < hi ? next : (lo + hi) / 2;
	}
	return y;
}

/* The last knot whose value in the sorted `list` is below x, at most the one before the end. */
static int panel(const double *list, double x)
{
	int a = 0, b = PANELS;

	while (b - a > 1) {
		int mid = (a + b) / 2;

		*(list[mid] < x ? &a : &b) = mid;
	}
	return a;
}

double sf_time_table_at(const sf_time_table *table, double u, double *density)
{
	double want = u * table->mass[PANELS], half, y, integral;
	int j = panel(table->mass, want);

	half = (table->knot[j + 1] - table->knot[j]) / 2;
	y = invert(table->coef[j], (want - table->mass[j]) / half);
	*density = series(table->coef[j], y, &integral) / table->mass[PANELS];
	return table->knot[j] + half * (y + 1);
}

double sf_time_table_density(const sf_time_table *table, double t)
{
	int j = panel(table->knot, t);
	double integral;

	return series(table->coef[j], 2 * (t - table->knot[j]) / (table->knot[j + 1] - table->knot[j]) - 1, &integral) /
	       table->mass[PANELS];
}
