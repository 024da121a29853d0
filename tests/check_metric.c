/* check_metric.c: the score error against closed forms on Gaussians.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_ctx *ctx;
static sf_process *process;
static sf_data *data;
static sf_view view;
static sf_score *score;
enum { LEVELS = 5, POINTS = 4000 };
static sf_error_level level[LEVELS], mean;

static void setup(void)
{
	ctx = ck_ctx();
	process = NULL;
	data = NULL;
	score = NULL;
}

static void teardown(void)
{
	sf_score_free(score);
	sf_data_free(data);
	sf_process_free(process);
	sf_ctx_free(ctx);
}

static void make(const char *p, const char *d, sf_scaling scaling)
{
	assert_ok(ctx, sf_process_new(ctx, p, &process));
	assert_ok(ctx, sf_data_new(ctx, d, &data));
	assert_ok(ctx, sf_view_make(data, scaling, .5, 0, 0, 0, &view));
	assert_ok(ctx, sf_metric_levels(process, nan(""), nan(""), LEVELS, level));
}

static const char *const processes[] = {"vp", "ve", "subvp", "edm:sigma-min=0.02,sigma-max=10"};
#define ONE "mixture:dim=3,weights=1,means=0:0:0,stds=2"

/* the score of x ~ N(0, v I): s = factor x + offset/sigma, with v of the level's own density times what `law` says */
static struct law {
	double var, smooth, offset, factor;
} law;

static int affine(void *user, int64_t n, const double *x, const double *t, double *out)
{
	int64_t i, k, d = sf_score_dim(score);

	(void)user;
	for (i = 0; i < n; i++) {
		double a = sf_process_alpha(process, t[i]), s = sf_process_sigma(process, t[i]);
		double v = a * a * law.var + s * s * (1 + law.smooth * law.smooth);

		for (k = 0; k < d; k++)
			out[i * d + k] = -law.factor * x[i * d + k] / v + law.offset / s;
	}
	return 0;
}

static void affine_score(double var, double smooth, double offset, double factor)
{
	law.var = var;
	law.smooth = smooth;
	law.offset = offset;
	law.factor = factor;
	sf_score_free(score);
	assert_ok(ctx, sf_score_from_function(ctx, process, sf_data_describe(data)->size, affine, NULL, NULL, &score));
}

static void measure(double smooth)
{
	assert_ok(ctx, sf_metric_score_error(score, &view, POINTS, 7, smooth, LEVELS, level, &mean));
}

START_TEST(exact_score_has_no_error)
{
	double sum = 0;
	int i;

	make(processes[_i], ONE, SF_SCALE_NONE);
	assert_ok(ctx, sf_score_new(ctx, "gaussian:mean=0,std=2", process, 3, &score));
	measure(0);
	for (i = 0; i < LEVELS; i++) {
		double a = level[i].alpha, s = level[i].sigma, size = s * s / (4 * a * a + s * s);

		assert_close(level[i].error, 0, 0, 1e-24);
		/* size is a mean of chi-square over d: relative deviation sqrt(2/(d points)) */
		assert_close(level[i].size, size, 5 * sqrt(2.0 / (3 * POINTS)), 0);
		sum += level[i].size / LEVELS;
	}
	assert_close(mean.size, sum, 1e-14, 0);
	assert_close(mean.error, 0, 0, 1e-24);
}
END_TEST

START_TEST(errors_of_known_size)
{
	int i;

	make(processes[_i], ONE, SF_SCALE_NONE);
	affine_score(4, 0, .3, 1); /* s* + c/sigma: error c^2 at every point */
	measure(0);
	for (i = 0; i < LEVELS; i++) {
		assert_close(level[i].error, .09, 1e-12, 0);
		assert_close(level[i].se, 0, 0, 1e-12);
	}
	assert_close(mean.error, .09, 1e-12, 0);

	affine_score(4, 0, 0, 0); /* the score 0: nothing was learned */
	measure(0);
	for (i = 0; i < LEVELS; i++) {
		double a = level[i].alpha, s = level[i].sigma, size = s * s / (4 * a * a + s * s);

		assert_close(level[i].error, level[i].size, 1e-14, 0);
		assert_close(level[i].error, size, 5 * sqrt(2.0 / (3 * POINTS)), 0);
		/* the spread of a chi-square over d = 3 */
		assert_close(level[i].se, size * sqrt(2.0 / (3 * POINTS)), .1, 0);
	}

	affine_score(4, 0, 0, 1.5); /* half the score too much: a quarter of its size */
	measure(0);
	for (i = 0; i < LEVELS; i++)
		assert_close(level[i].error, .25 * level[i].size, 1e-12, 0);
}
END_TEST

START_TEST(mean_over_levels) /* and its standard error, of independent levels */
{
	double error = 0, size = 0, var = 0;
	int i;

	make("vp", ONE, SF_SCALE_NONE);
	affine_score(4, 0, 0, .7);
	measure(0);
	for (i = 0; i < LEVELS; i++) {
		error += level[i].error;
		size += level[i].size;
		var += level[i].se * level[i].se;
	}
	assert_close(mean.error, error / LEVELS, 1e-14, 0);
	assert_close(mean.size, size / LEVELS, 1e-14, 0);
	assert_close(mean.se, sqrt(var) / LEVELS, 1e-14, 0);
}
END_TEST

START_TEST(scaling_is_honoured) /* stored N(3, 2^2) scaled to mean about 0 and deviation 1/2 */
{
	char spec[120];
	int i;

	make(processes[_i], "mixture:dim=2,weights=1,means=3:3,stds=2", SF_SCALE_STANDARD);
	ck_assert(fabs(view.shift - 3) < .1 && fabs(view.scale - 4) < .1);
	view.shift = 2.5; /* away from the mean, so that a shift left out shows */
	snprintf(spec, sizeof spec, "gaussian:mean=%.17g,std=%.17g", (3 - view.shift) / view.scale, 2 / view.scale);
	assert_ok(ctx, sf_score_new(ctx, spec, process, 2, &score));
	measure(0);
	for (i = 0; i < LEVELS; i++) {
		double a = level[i].alpha, s = level[i].sigma, c = 2 / view.scale;

		assert_close(level[i].error, 0, 0, 1e-22);
		assert_close(level[i].size, s * s / (c * c * a * a + s * s), 5 * sqrt(2.0 / (2 * POINTS)), 0);
	}
}
END_TEST

START_TEST(smoothed) /* a network that learned p_t * N(0, rho^2 sigma^2) is right about that, and off by a known amount else */
{
	double rho = .5;
	int i;

	make(processes[_i], ONE, SF_SCALE_NONE);
	affine_score(4, rho, 0, 1);
	measure(rho);
	for (i = 0; i < LEVELS; i++) {
		double a = level[i].alpha, s = level[i].sigma, wide = 4 * a * a + 1.25 * s * s;

		assert_close(level[i].error, 0, 0, 1e-24);
		assert_close(level[i].size, s * s / wide, 5 * sqrt(2.0 / (3 * POINTS)), 0);
	}
	measure(0);
	for (i = 0; i < LEVELS; i++) {
		double a = level[i].alpha, s = level[i].sigma, b = 4 * a * a + s * s, wide = b + .25 * s * s;
		double error = s * s * (1 / b - 1 / wide) * (1 / b - 1 / wide) * b;

		assert_close(level[i].error, error, 5 * sqrt(2.0 / (3 * POINTS)), 1e-24);
	}
}
END_TEST

START_TEST(levels)
{
	sf_error_level one;
	int i;

	assert_ok(ctx, sf_process_new(ctx, "edm:sigma-min=0.01,sigma-max=100", &process));
	assert_ok(ctx, sf_metric_levels(process, nan(""), nan(""), 4, level));
	for (i = 0; i < 4; i++) { /* middles of four decades */
		assert_close(level[i].t, pow(10, i - 1.5), 1e-13, 0);
		assert_close(level[i].sigma, level[i].t, 1e-15, 0);
		ck_assert(level[i].alpha == 1);
	}
	assert_ok(ctx, sf_metric_levels(process, .5, .5, 1, &one));
	assert_close(one.t, .5, 1e-15, 0);
	ck_assert_int_eq(sf_metric_levels(process, .005, 1, 4, level), SF_ERANGE);
	ck_assert_int_eq(sf_metric_levels(process, 1, 101, 4, level), SF_ERANGE);
	ck_assert_int_eq(sf_metric_levels(process, 2, 1, 4, level), SF_ERANGE);
	ck_assert_int_eq(sf_metric_levels(process, 1, 2, 0, level), SF_ERANGE);
	sf_process_free(process);
	assert_ok(ctx, sf_process_new(ctx, "vp", &process));
	assert_ok(ctx, sf_metric_levels(process, nan(""), nan(""), LEVELS, level));
	for (i = 1; i < LEVELS; i++) {
		double step = log(level[i].sigma / level[i].alpha) - log(level[i - 1].sigma / level[i - 1].alpha);
		double lo = sf_process_t_train(process), hi = sf_process_horizon(process);

		assert_close(step, (sf_process_logsnr(process, lo) - sf_process_logsnr(process, hi)) / (2 * LEVELS), 1e-9, 0);
	}
}
END_TEST

START_TEST(networks) /* an affine network with the weights of the exact score of one level */
{
	static const int64_t dim[1] = {3};
	double *w, var = 4 + .25;
	sf_model m;
	int64_t trainable, total, i;

	make("edm:sigma-min=0.02,sigma-max=10", ONE, SF_SCALE_NONE);
	m = make_model(ctx, "affine", "edm", "score", 1, dim, 0);
	assert_ok(ctx, sf_model_params(&m, &trainable, &total));
	w = calloc((size_t)total, sizeof *w);
	for (i = 0; i < 3; i++)
		w[4 * i] = -1 / var;
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 0, &score));
	assert_ok(ctx, sf_metric_levels(process, .5, .5, 1, level));
	assert_ok(ctx, sf_metric_score_error(score, &view, POINTS, 0, 0, 1, level, &mean));
	assert_close(mean.error, 0, 0, 1e-28);
	w[0] = w[4] = w[8] = -1.1 / var; /* a tenth too much: a hundredth of the size */
	assert_ok(ctx, sf_model_score_params(score, w));
	assert_ok(ctx, sf_metric_score_error(score, &view, POINTS, 0, 0, 1, level, &mean));
	assert_close(mean.error, .01 * mean.size, 1e-12, 0);
	sf_score_free(score);
	score = NULL;
	free(w);
	free_model(&m);
}
END_TEST

START_TEST(threads)
{
	sf_error_level first[LEVELS];
	int t;

	make("vp", "checkerboard", SF_SCALE_STANDARD);
	assert_ok(ctx, sf_score_new(ctx, "gaussian:mean=0,std=0.5", process, 2, &score));
	for (t = 1; t <= 3; t++) {
		assert_ok(ctx, sf_ctx_set_threads(ctx, t));
		assert_ok(ctx, sf_metric_score_error(score, &view, 333, 7, 0, LEVELS, level, &mean));
		if (t == 1)
			memcpy(first, level, sizeof first);
		ck_assert(memcmp(first, level, sizeof first) == 0);
	}
	assert_ok(ctx, sf_metric_score_error(score, &view, 333, 8, 0, LEVELS, level, &mean));
	ck_assert(memcmp(first, level, sizeof first) != 0);
}
END_TEST

/* Checkerboard at sigma = 1: E|s|^2 = 0.56514066, so that a score of 0 has error E|s|^2/2. */
START_TEST(checkerboard)
{
	make("edm", "checkerboard", SF_SCALE_NONE);
	affine_score(1, 0, 0, 0);
	assert_ok(ctx, sf_metric_levels(process, 1, 1, 1, level));
	assert_ok(ctx, sf_metric_score_error(score, &view, 100000, 0, 0, 1, level, &mean));
	assert_close(mean.error, .56514066 / 2, 0, 5 * mean.se);
	ck_assert(mean.se < .002);
}
END_TEST

static int not_a_number(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)x;
	(void)t;
	while (n-- > 0)
		out[n] = nan("");
	return 0;
}

START_TEST(refused)
{
	static const char *const others[] = {"cld", "double-well", "static"};
	sf_process *other;
	size_t i;

	make("vp", "moons", SF_SCALE_NONE);
	affine_score(1, 0, 0, 0);
	ck_assert_int_eq(sf_metric_score_error(score, &view, 10, 0, 0, LEVELS, level, &mean), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "moons"));
	sf_data_free(data);
	assert_ok(ctx, sf_data_new(ctx, ONE, &data));
	view.data = data;
	ck_assert_int_eq(sf_metric_score_error(score, &view, 10, 0, 0, LEVELS, level, &mean), SF_EMISMATCH);
	affine_score(1, 0, 0, 0);
	ck_assert_int_eq(sf_metric_score_error(score, &view, 1, 0, 0, LEVELS, level, &mean), SF_ERANGE);
	ck_assert_int_eq(sf_metric_score_error(score, &view, 10, 0, -1, LEVELS, level, &mean), SF_ERANGE);
	ck_assert_int_eq(sf_metric_score_error(score, &view, 10, 0, nan(""), LEVELS, level, &mean), SF_ERANGE);
	ck_assert_int_eq(sf_metric_score_error(score, &view, INT64_MAX / 2, 0, 0, LEVELS, level, &mean), SF_ERANGE);
	sf_score_free(score);
	assert_ok(ctx, sf_score_from_function(ctx, process, 3, not_a_number, NULL, NULL, &score));
	ck_assert_int_eq(sf_metric_score_error(score, &view, 10, 0, 0, LEVELS, level, &mean), SF_EDIVERGED);
	for (i = 0; i < sizeof others / sizeof *others; i++) {
		assert_ok(ctx, sf_process_new(ctx, others[i], &other));
		ck_assert_int_eq(sf_metric_levels(other, nan(""), nan(""), LEVELS, level), SF_EUNSUP);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), others[i]));
		sf_process_free(other);
	}
}
END_TEST

int main(void)
{
	enum { N = sizeof processes / sizeof *processes };
	Suite *s = suite_create("metric");
	TCase *t = tcase_create("score error");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, exact_score_has_no_error, 0, N);
	tcase_add_loop_test(t, errors_of_known_size, 0, N);
	tcase_add_test(t, mean_over_levels);
	tcase_add_loop_test(t, scaling_is_honoured, 0, N);
	tcase_add_loop_test(t, smoothed, 0, N);
	tcase_add_test(t, levels);
	tcase_add_test(t, networks);
	tcase_add_test(t, threads);
	tcase_add_test(t, checkerboard);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
