/* check_fit.c: Gaussians and mixtures fitted to points: covariances against sums by hand, conventions, k-means,
 * bytes, what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"
#include "support.h"

#include <scorefield/noise.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sf_ctx *ctx;
static sf_fit_options o;
static sf_components c;

static void setup(void)
{
	ctx = ck_ctx();
	sf_fit_defaults(&o);
	memset(&c, 0, sizeof c);
}

static void teardown(void)
{
	sf_components_free(&c);
	sf_ctx_free(ctx);
}

static void fit(sf_fit_kind kind, int64_t components, int64_t rank, int64_t n, int64_t d, const double *x)
{
	sf_components_free(&c);
	o.kind = kind;
	o.components = components;
	o.rank = rank;
	assert_ok(ctx, sf_components_fit(ctx, &o, n, d, x, &c));
}

/* Entry (j,l) of covariance i. */
static double entry(int64_t i, int64_t j, int64_t l)
{
	double sum = 0;
	int64_t k;

	for (k = 0; k < c.rank; k++) {
		const double *u = c.basis + (i * c.rank + k) * c.d;

		sum += (c.var[i * c.rank + k] - c.rest[i]) * u[j] * u[l];
	}
	return sum + (j == l) * c.rest[i];
}

enum { N = 900, D = 5 };

/* Four blobs, well apart, sizes 300, 100, 400, 100, that come in turn. */
static int blob(int i)
{
	return i % 9 < 3 ? 0 : i % 9 < 4 ? 1 : i % 9 < 8 ? 2 : 3;
}

static void blobs(double *x, double spread)
{
	sf_noise key = {6, SF_NOISE_USER, 0};
	int i, j;

	sf_noise_normal_d(ctx, key, 0, 0, N * D, x);
	for (i = 0; i < N; i++)
		for (j = 0; j < D; j++)
			x[i * D + j] = (j == blob(i)) * 10 + 3 + spread * (1 + j) * x[i * D + j] +
				       (j > 0 ? .5 * spread * x[i * D + j - 1] : 0);
}

static const double square[] = {0, 0, 2, 0, 0, 2, 2, 2};

START_TEST(conventions)
{
	fit(SF_FIT_GAUSSIAN, 7, 7, 4, 2, square); /* components and rank do not matter */
	ck_assert(c.n == 1 && c.rank == 2 && c.d == 2 && c.weight[0] == 1 && c.shift == 0 && c.scale == 1);
	assert_close(c.mean[0], 1, 1e-15, 0);
	assert_close(c.var[0], 1, 1e-15, 0);
	assert_close(c.var[1], 1, 1e-15, 0);
	fit(SF_FIT_MIXTURE, 1, 0, 4, 2, square);
	assert_close(c.var[0], 4. / 3 + 1e-5, 1e-15, 0);
	assert_close(entry(0, 0, 1), 0, 0, 1e-15);
	o.ridge = 0;
	fit(SF_FIT_MIXTURE, 1, 0, 4, 2, square);
	assert_close(c.var[0], 4. / 3, 1e-15, 0);
	o.ridge = 1e-4;
	fit(SF_FIT_GAUSSIAN, 1, 0, 4, 2, square);
	assert_close(c.var[1], 1.0001, 1e-15, 0);
	o.ridge = -1;
	fit(SF_FIT_ISOTROPIC, 1, 0, 4, 2, square);
	ck_assert(c.rank == 0);
	assert_close(c.rest[0], 1, 1e-15, 0);
	fit(SF_FIT_MEAN, 1, 0, 4, 2, square);
	ck_assert(c.rank == 0 && c.rest[0] == 0);
	assert_close(c.mean[1], 1, 1e-15, 0);
	/* a lone point has the ridge alone */
	fit(SF_FIT_MIXTURE, 4, 0, 4, 2, square);
	assert_close(c.var[5], 1e-5, 1e-15, 0);
	ck_assert(c.weight[3] == .25);
}
END_TEST

START_TEST(covariance)
{
	static double x[N * D];
	double mean[D] = {0}, trace = 0;
	int i, j, l;

	blobs(x, .7);
	for (i = 0; i < N; i++)
		for (j = 0; j < D; j++)
			mean[j] += x[i * D + j] / N;
	fit(SF_FIT_GAUSSIAN, 1, 0, N, D, x);
	for (j = 0; j < D; j++) {
		assert_close(c.mean[j], mean[j], 1e-12, 0);
		for (l = 0; l < D; l++) {
			double sum = 0;

			for (i = 0; i < N; i++)
				sum += (x[i * D + j] - mean[j]) * (x[i * D + l] - mean[l]) / N;
			assert_close(entry(0, j, l), sum, 1e-11, 1e-12);
			trace += j == l ? sum : 0;
		}
	}
	for (j = 1; j < D; j++)
		ck_assert(c.var[j] <= c.var[j - 1]);
	fit(SF_FIT_ISOTROPIC, 1, 0, N, D, x);
	assert_close(c.rest[0], trace / D, 1e-12, 0);
}
END_TEST

/* Clusters far apart are found whatever the seed, with weights, means and covariances of their own points. */
START_TEST(clusters)
{
	static double x[N * D];
	int i, j, k, seen[4] = {0};

	blobs(x, .2);
	o.seed = (uint64_t)_i;
	fit(SF_FIT_MIXTURE, 4, 0, N, D, x);
	for (k = 0; k < 4; k++) {
		double mean[D] = {0}, sum = 0;
		int of = 0, count = 0;

		for (j = 1; j < 4; j++) /* which blob it is: its centre sticks out there */
			of = c.mean[k * D + j] > c.mean[k * D + of] ? j : of;
		seen[of]++;
		for (i = 0; i < N; i++)
			for (j = 0, count += blob(i) == of; j < D && blob(i) == of; j++)
				mean[j] += x[i * D + j];
		assert_close(c.weight[k], (double)count / N, 1e-15, 0);
		for (j = 0; j < D; j++)
			assert_close(c.mean[k * D + j], mean[j] / count, 1e-12, 0);
		for (i = 0; i < N; i++)
			if (blob(i) == of)
				sum += (x[i * D + 1] - mean[1] / count) * (x[i * D + 2] - mean[2] / count) /
				       (count - 1);
		assert_close(entry(k, 1, 2), sum, 1e-10, 1e-13);
	}
	ck_assert(seen[0] == 1 && seen[1] == 1 && seen[2] == 1 && seen[3] == 1);
}
END_TEST

/* No point is nearer to another centre, and each centre is the mean of its points: Lloyd's fixed point. */
START_TEST(fixed_point)
{
	static double x[N * D];
	double mean[20][D] = {{0}};
	int64_t count[20] = {0}, i, j, k;

	blobs(x, 2.5); /* they overlap */
	fit(SF_FIT_MIXTURE, 20, 0, N, D, x);
	for (i = 0; i < N; i++) {
		int64_t best = 0;
		double least = INFINITY;

		for (k = 0; k < 20; k++) {
			double far = 0;

			for (j = 0; j < D; j++)
				far += pow(x[i * D + j] - c.mean[k * D + j], 2);
			if (far < least) {
				least = far;
				best = k;
			}
		}
		count[best]++;
		for (j = 0; j < D; j++)
			mean[best][j] += x[i * D + j];
	}
	for (k = 0; k < 20; k++) {
		assert_close(c.weight[k], (double)count[k] / N, 1e-15, 0);
		for (j = 0; j < D; j++)
			assert_close(c.mean[k * D + j], mean[k][j] / (double)count[k], 1e-12, 0);
	}
}
END_TEST

START_TEST(low_rank)
{
	static double x[N * D];
	double var[D], cut;
	int j;

	blobs(x, .7);
	o.ridge = 1e-5;
	fit(SF_FIT_MIXTURE, 1, 0, N, D, x);
	memcpy(var, c.var, sizeof var);
	o.ridge = -1;
	fit(SF_FIT_LOW_RANK, 1, 3, N, D, x);
	ck_assert(c.rank == 3 && c.rest[0] == 0);
	for (j = 0; j < 3; j++)
		assert_close(c.var[j], var[j], 1e-14, 0);
	o.rest = 1;
	fit(SF_FIT_LOW_RANK, 1, 3, N, D, x);
	cut = (var[3] + var[4]) / 2;
	assert_close(c.rest[0], cut, 1e-13, 0);
	fit(SF_FIT_LOW_RANK, 1, D, N, D, x); /* all of them: nothing is left */
	ck_assert(c.rest[0] == 0);
	assert_close(c.var[4], var[4], 1e-13, 0);
}
END_TEST

START_TEST(same_bytes)
{
	static double x[N * D];
	double mean[6 * D], var[6 * D];
	int t;

	blobs(x, 2);
	for (t = 1; t <= 3; t++) {
		assert_ok(ctx, sf_ctx_set_threads(ctx, t));
		fit(SF_FIT_MIXTURE, 6, 0, N, D, x);
		if (t == 1) {
			memcpy(mean, c.mean, sizeof mean);
			memcpy(var, c.var, sizeof var);
		}
		ck_assert(memcmp(mean, c.mean, sizeof mean) == 0 && memcmp(var, c.var, sizeof var) == 0);
	}
	o.seed = 99;
	fit(SF_FIT_MIXTURE, 6, 0, N, D, x);
	ck_assert(memcmp(mean, c.mean, sizeof mean) != 0);
}
END_TEST

/* More clusters than different points: those that run empty take a point each. */
START_TEST(repeated_points)
{
	double x[12] = {1, 1, 1, 1, 1, 1, 1, 1, 5, 5, 5, 5};
	int64_t k;
	double total = 0;

	fit(SF_FIT_MIXTURE, 5, 0, 6, 2, x);
	for (k = 0; k < 5; k++) {
		ck_assert(c.weight[k] > 0 && (c.mean[2 * k] == 1 || c.mean[2 * k] == 5));
		assert_close(c.var[2 * k], 1e-5, 1e-15, 0);
		total += c.weight[k];
	}
	assert_close(total, 1, 1e-15, 0);
	fit(SF_FIT_GAUSSIAN, 1, 0, 1, 2, x); /* a point */
	ck_assert(c.var[0] == 0 && c.var[1] == 0);
}
END_TEST

START_TEST(refused)
{
	double x[8] = {0, 1, 2, 3, 4, 5, 6, NAN};

	o.kind = SF_FIT_MIXTURE;
	o.components = 4;
	ck_assert_int_eq(sf_components_fit(ctx, &o, 3, 2, x, &c), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "4 components of 3 points"));
	o.components = 0;
	ck_assert_int_eq(sf_components_fit(ctx, &o, 3, 2, x, &c), SF_ERANGE);
	o.kind = SF_FIT_LOW_RANK;
	o.components = 1;
	o.rank = 3;
	ck_assert_int_eq(sf_components_fit(ctx, &o, 3, 2, x, &c), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "rank 3"));
	o.rank = 0;
	ck_assert_int_eq(sf_components_fit(ctx, &o, 3, 2, x, &c), SF_ERANGE);
	o.kind = SF_FIT_GAUSSIAN;
	ck_assert_int_eq(sf_components_fit(ctx, &o, 4, 2, x, &c), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "point 3"));
	ck_assert_int_eq(sf_components_fit(ctx, &o, 0, 2, x, &c), SF_ERANGE);
	ck_assert_int_eq(sf_components_fit(ctx, &o, INT64_MAX / 2, 3, x, &c), SF_ERANGE);
	ck_assert_int_eq(sf_components_fit(ctx, &o, 1, INT64_MAX / 2, x, &c), SF_ERANGE);
	o.ridge = INFINITY;
	ck_assert_int_eq(sf_components_fit(ctx, &o, 3, 2, x, &c), SF_ERANGE);
	ck_assert_ptr_null(c.mean);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("fit");
	TCase *t = tcase_create("fit");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, conventions);
	tcase_add_test(t, covariance);
	tcase_add_loop_test(t, clusters, 0, 4);
	tcase_add_test(t, fixed_point);
	tcase_add_test(t, low_rank);
	tcase_add_test(t, same_bytes);
	tcase_add_test(t, repeated_points);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
