/* ems_table.c: tables of empirical model statistics: memory, values between the rows, and integrals.
 *
 *     L = int l,  S = int s,  B = int e^{-S} b,  C = int e^{L+S} B,  J_k = int e^{L+S} (lambda - lambda_s)^k/k!,   all from lambda_s
 *
 * Between rows l, s and b are cubics in lambda, l' continuous; L and S are then polynomials, and the other integrals have smooth
 * integrands, which three points of Gauss in pieces of at most 1/32 take to rounding (within a piece, B at these points comes from
 * the integrated interpolating polynomial: the coefficients of the Gauss method of order 6). Any table gives a consistent method; its
 * quadrature is then exact for the table, and so the order of the solver is seen down to the error of the cubics, of fourth order
 * in the rows' distance. The published program integrates by trapezoids between rows, which leaves an error in proportion to the
 * square of that distance, of about 1e-7 on the standard test for 1000 rows, in every result.
 * Known answer: l = 1, s = b = 0: J_0 = e^h - 1, J_1 = e^h (h - 1) + 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/ems.h"

#include <math.h>
#include <string.h>

const double sf_five_points[5][5] = {
	{-25, 48, -36, 16, -3}, {-3, -10, 18, -6, 1}, {1, -8, 0, 8, -1}, {-1, 6, -18, 10, 3}, {3, -16, 36, -48, 25}};

int sf_ems_new(sf_ctx *ctx, int64_t rows, int64_t d, sf_ems *e)
{
	int64_t all;

	memset(e, 0, sizeof *e);
	if (rows < 5 || d < 1 || sf_mul_i64(rows, d, &all) < 0 || all > INT64_MAX / 64)
		return sf_fail(ctx, SF_ERANGE, "statistics: %lld rows of %lld numbers; expected at least 5 rows", (long long)rows, (long long)d);
	e->rows = rows;
	e->d = d;
	e->l = sf_alloc((size_t)all, sizeof(double));
	e->s = sf_alloc((size_t)all, sizeof(double));
	e->b = sf_alloc((size_t)all, sizeof(double));
	if (e->l && e->s && e->b)
		return SF_OK;
	sf_ems_free(e);
	return sf_fail(ctx, SF_ENOMEM, "statistics: out of memory for %lld rows of %lld numbers", (long long)rows, (long long)d);
}

void sf_ems_free(sf_ems *e)
{
	sf_free(e->l);
	sf_free(e->s);
	sf_free(e->b);
	memset(e, 0, sizeof *e);
}

double sf_ems_lambda(const sf_ems *e, int64_t row)
{
	return row == e->rows - 1 ? e->last : e->first + (double)row * ((e->last - e->first) / (double)(e->rows - 1));
}

double sf_ems_slope(const sf_ems *e, const double *column, int64_t row, int64_t j)
{
	int64_t from = row < 2 ? 0 : row > e->rows - 3 ? e->rows - 5 : row - 2, k;
	double sum = 0;

	for (k = 0; k < 5; k++)
		sum += sf_five_points[row - from][k] * column[(from + k) * e->d + j];
	return sum / 12;
}

/* ---- cubics ---- */

/* Between row and row + 1: c[0] + c[1] u + c[2] u^2 + c[3] u^3, 0 <= u <= 1. */
static void cubic(const sf_ems *e, const double *column, int64_t row, int64_t j, double c[4])
{
	double a = column[row * e->d + j], z = column[(row + 1) * e->d + j], rise = z - a;
	double m = sf_ems_slope(e, column, row, j), n = sf_ems_slope(e, column, row + 1, j);

	c[0] = a;
	c[1] = m;
	c[2] = 3 * rise - 2 * m - n;
	c[3] = m + n - 2 * rise;
}

static double value(const double c[4], double u)
{
	return c[0] + u * (c[1] + u * (c[2] + u * c[3]));
}

/* From 0 to u. */
static double integral(const double c[4], double u)
{
	return u * (c[0] + u * (c[1] / 2 + u * (c[2] / 3 + u * c[3] / 4)));
}

/* The interval that holds lambda; the first and the last go on beyond the table's ends, by rounding. */
static int64_t interval(const sf_ems *e, double lambda)
{
	double at = (lambda - e->first) / (e->last - e->first) * (double)(e->rows - 1);

	return at < 1 ? 0 : at >= (double)(e->rows - 2) ? e->rows - 2 : (int64_t)at;
}

double sf_ems_l(const sf_ems *e, int64_t j, double lambda)
{
	int64_t row = interval(e, lambda);
	double c[4], h = (e->last - e->first) / (double)(e->rows - 1);

	cubic(e, e->l, row, j, c);
	return value(c, (lambda - sf_ems_lambda(e, row)) / h);
}

/* Adds the part of one interval from lambda = at to at + dx, past lambda_s by `past`. */
static void piece(const double c[3][4], double u, double du, double h, double past, sf_ems_leg *g)
{
	static const double even[3] = {5.0 / 36, 2.0 / 9, 5.0 / 36};
	double root = sqrt(15), dx = du * h, E[3], slope[3];
	const double node[3] = {.5 - root / 10, .5, .5 + root / 10}, weight[3] = {5.0 / 18, 4.0 / 9, 5.0 / 18};
	const double odd[3][3] = {{0, -root / 15, -root / 30}, {root / 24, 0, -root / 24}, {root / 30, root / 15, 0}};
	double L0 = integral(c[0], u), S0 = integral(c[1], u), more = 0;
	int i, k;

	for (i = 0; i < 3; i++) {
		double v = u + node[i] * du, L = g->L + h * (integral(c[0], v) - L0), S = g->S + h * (integral(c[1], v) - S0);

		E[i] = exp(L + S);
		slope[i] = exp(-S) * value(c[2], v);
	}
	for (i = 0; i < 3; i++) {
		double B = g->B, x = past + node[i] * dx, power = weight[i] * dx * E[i];

		for (k = 0; k < 3; k++)
			B += dx * (even[k] + odd[i][k]) * slope[k];
		g->C += weight[i] * dx * E[i] * B;
		for (k = 0; k < SF_EMS_MOMENTS; k++) {
			g->J[k] += power;
			power *= x / (k + 1);
		}
		more += weight[i] * dx * slope[i];
	}
	g->B += more;
	g->L += h * (integral(c[0], u + du) - L0);
	g->S += h * (integral(c[1], u + du) - S0);
}

void sf_ems_between(const sf_ems *e, int64_t j, double lambda_s, double lambda_t, sf_ems_leg *leg)
{
	double h = (e->last - e->first) / (double)(e->rows - 1);
	int64_t from = interval(e, lambda_s), to = interval(e, lambda_t), row;
	int up = lambda_t >= lambda_s;
	double at = lambda_s;

	memset(leg, 0, sizeof *leg);
	for (row = from; up ? row <= to : row >= to; row += up ? 1 : -1) {
		double end = row == to ? lambda_t : sf_ems_lambda(e, up ? row + 1 : row), c[3][4], u = (at - sf_ems_lambda(e, row)) / h;
		int parts = (int)ceil(fabs(end - at) * 32), i;

		cubic(e, e->l, row, j, c[0]);
		cubic(e, e->s, row, j, c[1]);
		cubic(e, e->b, row, j, c[2]);
		for (i = 0; i < parts; i++) {
			double du = (end - at) / h / parts;

			piece((const double (*)[4])c, u + i * du, du, h, at - lambda_s + i * du * h, leg);
		}
		at = end;
	}
}

/* ---- trapezoids ---- */

void sf_ems_trapezoid(const sf_ems *e, int64_t j, int64_t row_s, int64_t row_t, sf_ems_leg *g)
{
	double lambda_s = sf_ems_lambda(e, row_s), E = 1, b = e->b[row_s * e->d + j], x = 0;
	int64_t step = row_t > row_s ? 1 : -1, i;
	int k;

	memset(g, 0, sizeof *g);
	for (i = row_s; i != row_t; i += step) {
		int64_t here = i * e->d + j, next = (i + step) * e->d + j;
		double to = sf_ems_lambda(e, i + step) - lambda_s, half = (to - x) / 2, E_to, b_to, B = g->B, p = 1, q = 1;

		g->L += half * (e->l[here] + e->l[next]);
		g->S += half * (e->s[here] + e->s[next]);
		E_to = exp(g->L + g->S);
		b_to = exp(-g->S) * e->b[next];
		g->B += half * (b + b_to);
		g->C += half * (E * B + E_to * g->B);
		for (k = 0; k < SF_EMS_MOMENTS; k++) {
			g->J[k] += half * (E * p + E_to * q);
			p *= x / (k + 1);
			q *= to / (k + 1);
		}
		x = to;
		E = E_to;
		b = b_to;
	}
}
