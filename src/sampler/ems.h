/* ems.h: the tables of empirical model statistics between their rows, and what a step of DPM-Solver-v3 takes from them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SAMPLER_EMS_H
#define SF_SAMPLER_EMS_H

#include "core/core.h"

#include <scorefield/ems.h>

enum { SF_EMS_MOMENTS = 4 };

/* The integrals of one coordinate from lambda_s to lambda_t (either may be the larger), with
 *     E(lambda) = exp int_s^lambda (l + s),   B(lambda) = int_s^lambda exp(-int_s^r s) b dr */
typedef struct sf_ems_leg {
	double L, S;              /* int l, int s */
	double B;                 /* B(lambda_t) */
	double C;                 /* int E B */
	double J[SF_EMS_MOMENTS]; /* int E (lambda - lambda_s)^k/k! */
} sf_ems_leg;

int sf_ems_new(sf_ctx *ctx, int64_t rows, int64_t d, sf_ems *table);
double sf_ems_lambda(const sf_ems *e, int64_t row);
/* Derivative of one coordinate's column by the row number, by five points (fourth order). */
double sf_ems_slope(const sf_ems *e, const double *column, int64_t row, int64_t j);
/* Five-point weights times 12 of the derivative at point `at` of 0 .. 4. */
extern const double sf_five_points[5][5];

/* l of coordinate j between the rows: cubic through values and slopes. */
double sf_ems_l(const sf_ems *e, int64_t j, double lambda);
/* The integrals over the same cubics, to rounding. */
void sf_ems_between(const sf_ems *e, int64_t j, double lambda_s, double lambda_t, sf_ems_leg *leg);
/* The published quadrature: trapezoids between two rows. */
void sf_ems_trapezoid(const sf_ems *e, int64_t j, int64_t row_s, int64_t row_t, sf_ems_leg *leg);

#endif
