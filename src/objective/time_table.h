/* time_table.h: a density of times that is given by its values, as a table that is drawn from.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_TIME_TABLE_H
#define SF_OBJECTIVE_TIME_TABLE_H

enum { SF_TIME_PANELS = 64, SF_TIME_NODES = 8 };

/* q(t) = sum_k coef[j][k] P_k(y)/mass[SF_TIME_PANELS] for t = knot[j] + (knot[j+1] - knot[j]) (y + 1)/2, |y| <= 1. */
typedef struct sf_time_table {
	double knot[SF_TIME_PANELS + 1];
	double mass[SF_TIME_PANELS + 1]; /* integral of f up to the knot */
	double coef[SF_TIME_PANELS][SF_TIME_NODES];
} sf_time_table;

/* q ~ f on [lo, hi], 0 <= lo < hi; f(arg, t) >= 0 is asked for 512 times, never for the ends. */
void sf_time_table_make(double lo, double hi, double (*f)(const void *arg, double t), const void *arg, sf_time_table *table);
/* The time that a share u of the density lies below, 0 <= u <= 1, and q there. */
double sf_time_table_at(const sf_time_table *table, double u, double *density);
/* q at a time within the range. */
double sf_time_table_density(const sf_time_table *table, double t);

#endif
