/* check_stf.c: the estimator of stable target fields against enumeration, quadrature and closed forms.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "objective/stable.h"

#include <math.h>
#include <string.h>

/* ---- the estimator in one dimension, VE: target E_w y at x = source + sigma z ---- */
static double stable(double x, double sigma, double source, int n, const double *y)
{
	double z = (x - source) / sigma, mean;
	sf_stable a;
	int k;

	sf_stable_start(&a, 1, 1 / sigma, &z, &source, &mean);
	for (k = 0; k < n; k++)
		sf_stable_add(&a, &y[k]);
	return source - sf_stable_shift(&a, 0);
}

enum { FIVE = 5 };
static const double set[FIVE] = {-1.3, -.4, .1, .9, 2};
static const double at[3] = {-1, .3, 1.4}, exact[3] = {-.7345430509913198, .20382946269025046, 1.2388557383967007};
#define SIGMA .7

/* Posterior probability of each of the five as the source of x. */
static void posterior(double x, double *p)
{
	double sum = 0;
	int i;

	for (i = 0; i < FIVE; i++)
		sum += p[i] = exp(-(x - set[i]) * (x - set[i]) / (2 * SIGMA * SIGMA));
	for (i = 0; i < FIVE; i++)
		p[i] /= sum;
}

/* Mean and variance of the target over source and subset of n, all subsets that hold the source alike. */
START_TEST(subsets)
{
	static const double variance[3][FIVE] = {{.333020, .205637, .111495, .044839, 0},
	                                         {.378264, .142034, .068081, .023988, 0},
	                                         {.489423, .292563, .151788, .057354, 0}};
	static const double ways[FIVE] = {1, 4, 6, 4, 1}; /* of choosing n-1 of the other four */
	int q, n, s, mask, i;

	for (q = 0; q < 3; q++) {
		double p[FIVE], truth = 0;

		posterior(at[q], p);
		for (i = 0; i < FIVE; i++)
			truth += p[i] * set[i];
		assert_close(truth, exact[q], 1e-14, 0);
		for (n = 1; n <= FIVE; n++) {
			double mean = 0, square = 0, total = 0;

			for (s = 0; s < FIVE; s++)
				for (mask = 0; mask < 1 << FIVE; mask++) {
					double y[FIVE], w = p[s] / ways[n - 1], t;
					int m = 0;

					for (i = 0; i < FIVE; i++)
						if (mask >> i & 1)
							y[m++] = set[i];
					if (m != n || !(mask >> s & 1))
						continue;
					t = stable(at[q], SIGMA, set[s], n, y);
					total += w;
					mean += w * t;
					square += w * (t - exact[q]) * (t - exact[q]);
				}
			assert_close(total, 1, 1e-14, 0);
			assert_close(mean, exact[q], 0, 1e-15);
			assert_close(square, variance[q][n - 1], 0, 5.1e-7);
		}
	}
}
END_TEST

START_TEST(without_the_source) /* prior draws alone: a bias */
{
	static const double bias[3][FIVE] = {{.9945, .3094, .1004, .0304, 0},
	                                     {.0562, -.0170, -.0037, -.0003, 0},
	                                     {-.9789, -.3296, -.0996, -.0142, 0}};
	int q, n, mask, i;

	for (q = 0; q < 3; q++)
		for (n = 1; n <= FIVE; n++) {
			double mean = 0;
			int count = 0;

			for (mask = 0; mask < 1 << FIVE; mask++) {
				double y[FIVE];
				int m = 0;

				for (i = 0; i < FIVE; i++)
					if (mask >> i & 1)
						y[m++] = set[i];
				if (m == n && ++count)
					mean += stable(at[q], SIGMA, set[0], n, y);
			}
			assert_close(mean / count - exact[q], bias[q][n - 1], 0, 5.1e-5);
		}
}
END_TEST

START_TEST(with_replacement)
{
	static const double variance[4] = {.37826433, .18927969, .12455658, .09229668};
	double p[FIVE];
	int n, s, c, i;

	posterior(at[1], p);
	for (n = 1; n <= 4; n++) {
		double mean = 0, square = 0;
		int words = (int)pow(FIVE, n - 1);

		for (s = 0; s < FIVE; s++)
			for (c = 0; c < words; c++) {
				double y[4], t;
				int rest = c;

				y[0] = set[s];
				for (i = 1; i < n; i++, rest /= FIVE)
					y[i] = set[rest % FIVE];
				t = stable(at[1], SIGMA, set[s], n, y);
				mean += p[s] / words * t;
				square += p[s] / words * (t - exact[1]) * (t - exact[1]);
			}
		assert_close(mean, exact[1], 0, 1e-15);
		assert_close(square, variance[n - 1], 0, 5.1e-9);
	}
}
END_TEST

/* ---- data -1 and +1 ---- */

/* Mean (in *mean) and mean squared error of the target at x, over a source from the posterior and n-1 fair others. */
static double two_points(double x, double sigma, int n, double *mean)
{
	double truth = tanh(x / (sigma * sigma)), square = 0, choose = pow(.5, n - 1), y[4096];
	int plus, side, i;

	*mean = 0;
	for (plus = 0; plus < n; plus++) {
		for (side = 0; side < 2; side++) {
			double p = 1 / (1 + exp((side ? -2 : 2) * x / (sigma * sigma))), t;
			int ones = plus + side;

			y[0] = side ? 1 : -1;
			for (i = 1; i < n; i++)
				y[i] = i <= plus ? 1 : -1;
			t = stable(x, sigma, y[0], n, y);
			if (ones > 0 && ones < n) /* closed form */
				assert_close(t, tanh(x / (sigma * sigma) + .5 * log((double)ones / (n - ones))), 0, 1e-12);
			*mean += p * choose * t;
			square += p * choose * (t - truth) * (t - truth);
		}
		choose *= (double)(n - 1 - plus) / (plus + 1);
	}
	return square;
}

START_TEST(two_point_table)
{
	static const int n[7] = {1, 2, 3, 4, 8, 16, 64};
	static const double sigma[3] = {.5, 1, 2};
	static const double v[3][7] = {
		{1.097558541, .5487792703, .3293984649, .2228192565, .09061694221, .04214634169, .01015349919},
		{.4495995092, .2247997546, .1393672967, .09788584048, .04324302107, .02056918286, .004991525433},
		{.0497466084, .0248733042, .01600701668, .01166988955, .005542739487, .002703279655, .0006642201379}};
	int q, k, i;

	for (q = 0; q < 3; q++)
		for (k = 0; k < 7; k++) {
			double s = sigma[q], h = s / 16, sum = 0, mean;

			for (i = -320; i <= 320; i++) { /* the trapezium rule converges like exp(-c/h) here */
				double x = i * h, p = exp(-(x - 1) * (x - 1) / (2 * s * s)) / (s * sqrt(2 * SF_PI));

				if (p < 1e-18) /* the other side gives the same, by symmetry */
					continue;
				sum += h * p * two_points(x, s, n[k], &mean);
				assert_close(mean, tanh(x / (s * s)), 0, 1e-13);
			}
			assert_close(sum / (s * s * s * s), v[q][k], 1e-8, 0);
		}
}
END_TEST

START_TEST(delta_method) /* n Var tends to E p^2 (a - mu)^2 / p_t^2 */
{
	double mean, one = 400 * two_points(.5, 1, 400, &mean), two = 800 * two_points(.5, 1, 800, &mean);

	assert_close(2 * two - one, .61850, 0, 1e-5);
}
END_TEST

/* ---- properties of the weights, d = 11 ---- */
enum { DIM = 11, ROWS = 40 };
static void fill(double *x, int count, double phase)
{
	int i;

	for (i = 0; i < count; i++)
		x[i] = sin(1.7 * i + phase) + .3 * cos(.31 * i * i);
}

static sf_stable average(double r, const double *z, int n, const double *x, double *mean)
{
	sf_stable a;
	int k;

	sf_stable_start(&a, DIM, r, z, x, mean);
	for (k = 0; k < n; k++)
		sf_stable_add(&a, x + k * DIM);
	return a;
}

START_TEST(properties)
{
	double x[(ROWS + 1) * DIM], y[(ROWS + 1) * DIM], z[DIM], mean[DIM], other[DIM];
	sf_stable a, b;
	int j, k, q;

	fill(x, ROWS * DIM, .2);
	fill(z, DIM, 1);
	for (q = 0; q < 4; q++) {
		double r = pow(10, q - 1.5), sum = 0;

		a = average(r, z, ROWS, x, mean);
		for (k = 0; k < ROWS; k++) { /* each weight by itself */
			double l = 0;

			for (j = 0; j < DIM; j++)
				l -= pow(z[j] + r * (x[j] - x[k * DIM + j]), 2) / 2;
			sum += exp(l - a.top);
		}
		assert_close(a.sum, sum, 1e-12, 0);
		ck_assert(a.sum >= 1 && a.sum <= ROWS);
		for (k = 1; k < ROWS; k++) /* the others backwards */
			memcpy(y + k * DIM, x + (ROWS - k) * DIM, DIM * sizeof *x);
		memcpy(y, x, DIM * sizeof *x);
		b = average(r, z, ROWS, y, other);
		for (j = 0; j < DIM; j++)
			assert_close(sf_stable_shift(&a, j), sf_stable_shift(&b, j), 1e-12, 1e-14);
		for (j = 0; j < DIM; j++) /* a far point: the same bits */
			x[ROWS * DIM + j] = 1e6;
		b = average(r, z, ROWS + 1, x, other);
		ck_assert(memcmp(mean, other, sizeof mean) == 0 && a.sum == b.sum && a.square == b.square);
		for (k = 0; k < ROWS * DIM; k++) /* moved by a constant: the same target relative to the source */
			y[k] = x[k] + 8;
		b = average(r, z, ROWS, y, other);
		for (j = 0; j < DIM; j++)
			assert_close(sf_stable_shift(&a, j), sf_stable_shift(&b, j), 1e-10, 1e-12);
	}
}
END_TEST

START_TEST(limits)
{
	double x[ROWS * DIM], z[DIM], mean[DIM], spread = 0;
	sf_stable a;
	int j, k;

	fill(x, ROWS * DIM, .2);
	fill(z, DIM, 1);
	a = average(1e6, z, ROWS, x, mean); /* sigma -> 0: the source */
	for (j = 0; j < DIM; j++)
		ck_assert(sf_stable_shift(&a, j) == 0);
	ck_assert(sf_stable_trace(&a) == 0);
	a = average(1e-9, z, ROWS, x, mean); /* sigma -> infinity: the mean of the batch */
	for (j = 0; j < DIM; j++) {
		double m = 0;

		for (k = 0; k < ROWS; k++)
			m += x[k * DIM + j] / ROWS;
		for (k = 0; k < ROWS; k++)
			spread += (x[k * DIM + j] - m) * (x[k * DIM + j] - m) / ROWS;
		assert_close(x[j] - sf_stable_shift(&a, j), m, 0, 1e-7);
	}
	assert_close(sf_stable_trace(&a), spread, 1e-6, 0);
	a = average(1e200, z, ROWS, x, mean); /* squares beyond the numbers */
	for (j = 0; j < DIM; j++)
		ck_assert(sf_stable_shift(&a, j) == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stf");
	TCase *tc = tcase_create("stf");

	tcase_add_test(tc, subsets);
	tcase_add_test(tc, without_the_source);
	tcase_add_test(tc, with_replacement);
	tcase_add_test(tc, two_point_table);
	tcase_add_test(tc, delta_method);
	tcase_add_test(tc, properties);
	tcase_add_test(tc, limits);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
