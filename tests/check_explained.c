/* check_explained.c: the share of a network's score that models explain, against closed answers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"
#include "support.h"

#include <scorefield/metric.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 50, D = 3, POINTS = 1100 /* more than one batch */ };

static sf_ctx *ctx;
static sf_process *p;
static sf_score *net, *model[2];
static double x[N * D];
static sf_explained e[2];

static void setup(void)
{
	sf_noise key = {1, SF_NOISE_USER, 0};

	ctx = ck_ctx();
	p = NULL;
	net = model[0] = model[1] = NULL;
	sf_noise_normal_d(ctx, key, 0, 0, N * D, x);
}

static void teardown(void)
{
	sf_score_free(net);
	sf_score_free(model[0]);
	sf_score_free(model[1]);
	sf_process_free(p);
	sf_ctx_free(ctx);
}

/* s = gain x */
static double gain;

static int linear(void *user, int64_t n, const double *at, const double *t, double *out)
{
	int64_t i;

	(void)t;
	for (i = 0; i < n * D; i++)
		out[i] = *(double *)user * at[i];
	return 0;
}

static void score(const char *spec, sf_score **s)
{
	assert_ok(ctx, sf_score_new(ctx, spec, p, D, s));
}

static int measure(int models, double t)
{
	return sf_metric_explained(net, models, model, N, x, POINTS, 3, 0, t, e);
}

/* An affine network that is the exact Gaussian of one level is explained whole; one that is 1/1.1 of it all but a
 * hundredth of 1.1^2. */
START_TEST(affine_network)
{
	static const int64_t dim[1] = {D};
	double *w, var = 4 + .25;
	int64_t trainable, total, i;
	sf_model m = make_model(ctx, "affine", "edm", "score", 1, dim, 0);
	const double *other = x;

	assert_ok(ctx, sf_process_new(ctx, "edm", &p));
	assert_ok(ctx, sf_model_params(&m, &trainable, &total));
	w = calloc((size_t)total, sizeof *w);
	for (i = 0; i < D; i++)
		w[(D + 1) * i] = -1 / var;
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 0, &net));
	score("gaussian:std=2", &model[0]);
	gain = -1.1 / var;
	assert_ok(ctx, sf_score_from_function(ctx, p, D, linear, &gain, NULL, &model[1]));
	assert_ok(ctx, sf_metric_explained(net, 2, model, N, other, POINTS, 3, 0, .5, e));
	assert_close(e[0].score, 1, 1e-14, 0);
	assert_close(e[0].denoised, 1, 1e-14, 0);
	assert_close(e[0].reverse, 1, 1e-14, 0);
	assert_close(e[0].score_se, 0, 0, 1e-14);
	assert_close(e[1].score, .99, 1e-12, 0);
	assert_close(e[1].reverse, 1 - .01 / 1.21, 1e-12, 0);
	assert_close(e[1].score_se, 0, 0, 1e-9);
	/* D = (1 - .25/4.25) x against (1 - .275/4.25) x */
	assert_close(e[1].denoised, 1 - pow(.025 / 4, 2), 1e-12, 0);
	free(w);
	sf_score_free(net);
	net = NULL;
	free_model(&m);
}
END_TEST

/* EDM's network with F = 0 denoises to c_skip x: the isotropic Gaussian of variance sigma_data^2, at every level. */
START_TEST(untrained_network)
{
	static const int64_t dim[1] = {D};
	static const double level[] = {.002, .05, .7, 10, 80};
	int64_t trainable, total;
	sf_model m = make_model(ctx, "mlp:width=8,depth=1", "edm", "edm", 1, dim, 0);
	double *w;
	char spec[60];
	int i;

	assert_ok(ctx, sf_process_new(ctx, "edm", &p));
	assert_ok(ctx, sf_model_params(&m, &trainable, &total));
	w = calloc((size_t)total, sizeof *w);
	assert_ok(ctx, sf_model_score(&m, SF_F64, w, 0, &net));
	snprintf(spec, sizeof spec, "gaussian:std=%.17g", m.sigma_data);
	score(spec, &model[0]);
	score("gaussian:std=0", &model[1]); /* the mean alone: D = 0 */
	for (i = 0; i < 5; i++) {
		double ratio = pow(m.sigma_data / level[i], 2);

		assert_ok(ctx, measure(2, level[i]));
		assert_close(e[0].score, 1, 1e-12, 0);
		assert_close(e[0].denoised, 1, 1e-9, 0);
		/* s = -x/(q + s^2) against -x/s^2: a quotient that is the same everywhere */
		assert_close(e[1].score, 1 - ratio * ratio, 1e-9, 1e-12);
		assert_close(e[1].denoised, 0, 0, 1e-7);
		assert_close(e[1].reverse, 1 - pow(ratio / (1 + ratio), 2), 1e-9, 0);
	}
	free(w);
	sf_score_free(net);
	net = NULL;
	free_model(&m);
}
END_TEST

/* A model that is zero explains nothing. */
START_TEST(zero_model)
{
	static double none, other = -.3;

	assert_ok(ctx, sf_process_new(ctx, "vp", &p));
	assert_ok(ctx, sf_score_from_function(ctx, p, D, linear, &other, NULL, &net));
	assert_ok(ctx, sf_score_from_function(ctx, p, D, linear, &none, NULL, &model[0]));
	assert_ok(ctx, measure(1, .4));
	ck_assert(e[0].score == 0 && e[0].score_se == 0 && isinf(e[0].reverse) && e[0].reverse < 0);
	other = 0; /* two zeros are one */
	assert_ok(ctx, measure(1, .4));
	ck_assert(e[0].score == 1 && e[0].reverse == 1);
}
END_TEST

/* The points are records plus noise, evenly chosen: with one record and next to no noise, and a model that differs by
 * a constant. 1 - |c|^2/|s|^2 at x = alpha y. */
static int shifted(void *user, int64_t n, const double *at, const double *t, double *out)
{
	int64_t i;

	(void)t;
	for (i = 0; i < n * D; i++)
		out[i] = -at[i] + *(double *)user;
	return 0;
}

START_TEST(points)
{
	static double zero, c = .1;
	double want = 0, square = 0, alpha, se;
	int i, j;

	assert_ok(ctx, sf_process_new(ctx, "vp", &p));
	alpha = sf_process_alpha(p, 1e-12);
	assert_ok(ctx, sf_score_from_function(ctx, p, D, shifted, &zero, NULL, &net));
	assert_ok(ctx, sf_score_from_function(ctx, p, D, shifted, &c, NULL, &model[0]));
	assert_ok(ctx, measure(1, 1e-12)); /* sigma = 3e-7 */
	for (i = 0; i < N; i++) { /* 1100/50: each record 22 times */
		double size = 0, v;

		for (j = 0; j < D; j++)
			size += alpha * alpha * x[i * D + j] * x[i * D + j];
		v = 1 - 3 * c * c / size;
		want += v / N;
		square += v * v / N;
	}
	assert_close(e[0].score, want, 1e-5, 0);
	se = sqrt((square - want * want) / (POINTS - 1));
	assert_close(e[0].score_se, se, 1e-5, 0);
}
END_TEST

START_TEST(same_bytes)
{
	sf_explained first;
	int t;

	assert_ok(ctx, sf_process_new(ctx, "cosine", &p));
	score("mixture:means=-1:0:0:1:1:0,std=0.4", &net);
	assert_ok(ctx, sf_score_delta(ctx, p, N, D, x, &model[0]));
	for (t = 1; t <= 3; t++) {
		assert_ok(ctx, sf_ctx_set_threads(ctx, t));
		assert_ok(ctx, measure(1, .5));
		if (t == 1)
			first = e[0];
		ck_assert(memcmp(&first, e, sizeof first) == 0);
	}
	assert_ok(ctx, sf_metric_explained(net, 1, model, N, x, POINTS, 4, 0, .5, e));
	ck_assert(e[0].score != first.score);
	assert_ok(ctx, sf_metric_explained(net, 1, model, N, x, POINTS, 3, 1, .5, e));
	ck_assert(e[0].score != first.score);
}
END_TEST

static int broken(void *user, int64_t n, const double *at, const double *t, double *out)
{
	(void)user;
	(void)at;
	(void)t;
	memset(out, 0, (size_t)(n * D) * sizeof *out);
	out[n * D - 1] = NAN;
	return 0;
}

START_TEST(refused)
{
	sf_process *q = NULL;
	sf_score *s = NULL;

	assert_ok(ctx, sf_process_new(ctx, "vp", &p));
	score("gaussian", &net);
	score("gaussian", &model[0]);
	ck_assert_int_eq(measure(0, .5), SF_ERANGE);
	ck_assert_int_eq(measure(1, 0), SF_ERANGE);
	ck_assert_int_eq(measure(1, 1.1), SF_ERANGE);
	ck_assert_int_eq(measure(1, NAN), SF_ERANGE);
	ck_assert_int_eq(sf_metric_explained(net, 1, model, N, x, 1, 0, 0, .5, e), SF_ERANGE);
	ck_assert_int_eq(sf_metric_explained(net, 1, model, 0, x, 9, 0, 0, .5, e), SF_ERANGE);
	assert_ok(ctx, sf_score_new(ctx, "gaussian", p, D + 1, &model[1]));
	ck_assert_int_eq(measure(2, .5), SF_EMISMATCH);
	sf_score_free(model[1]);
	assert_ok(ctx, sf_process_new(ctx, "vp:beta-max=10", &q));
	assert_ok(ctx, sf_score_new(ctx, "gaussian", q, D, &model[1]));
	ck_assert_int_eq(measure(2, .5), SF_EMISMATCH);
	sf_score_free(model[1]);
	assert_ok(ctx, sf_score_from_function(ctx, p, D, broken, NULL, NULL, &model[1]));
	ck_assert_int_eq(measure(2, .5), SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "a model"));
	sf_process_free(q);
	assert_ok(ctx, sf_process_new(ctx, "cld", &q));
	assert_ok(ctx, sf_score_new(ctx, "gaussian", q, D, &s));
	ck_assert_int_eq(sf_metric_explained(s, 1, &s, N, x, 9, 0, 0, .5, e), SF_EUNSUP);
	sf_score_free(s);
	sf_process_free(q);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("explained");
	TCase *t = tcase_create("explained");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, affine_network);
	tcase_add_test(t, untrained_network);
	tcase_add_test(t, zero_model);
	tcase_add_test(t, points);
	tcase_add_test(t, same_bytes);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
