/* check_score.c: the analytic scores: contract of the registry, readings and counting, refusals,
 * bytes that depend neither on threads nor on the batch, and two blocks against a mixture of one. Finite data are in
 * check_points.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/score.h"
#include "process/process.h"
#include "process_cases.h"
#include "support.h"

#include <scorefield/noise.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

static sf_score *open_score(sf_ctx *ctx, const char *spec, const sf_process *p, int64_t d)
{
	sf_score *s = NULL;

	assert_ok(ctx, sf_score_new(ctx, spec, p, d, &s));
	ck_assert(sf_score_process(s) == p);
	ck_assert_int_eq(sf_score_dim(s), d);
	return s;
}

START_TEST(registry)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	const sf_class *const *m = sf_members("score");
	int n = 0;

	for (; *m; m++, n++) {
		sf_score *s = open_score(ctx, (*m)->name, p, 3);
		double x[3] = {0.2, -0.7, 1.1}, t = 0.4, out[3], logp;
		const sf_opt *o;

		ck_assert((*m)->brief[0] && (*m)->ref[0]);
		ck_assert_str_eq(sf_spec(s), (*m)->name);
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, out));
		ck_assert(isfinite(out[0]) && isfinite(out[1]) && isfinite(out[2]));
		assert_ok(ctx, sf_score_logp(s, 1, x, &t, &logp));
		ck_assert(isfinite(logp));
		for (o = (*m)->opts; o && o->name; o++)
			ck_assert(o->help[0]);
		sf_score_free(s);
	}
	ck_assert_int_ge(n, 2);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(specs_round_trip)
{
	static const char *const specs[] = {"gaussian:mean=0.5:-1,std=0.25:2",
	                                    "gaussian:std=0.5:1,rho=-0.3", "mixture:preset=rings8",
	                                    "mixture:weights=1:3,means=-1:0:2:1,std=0.2"};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "edm");
	size_t i;

	for (i = 0; i < sizeof specs / sizeof *specs; i++) {
		sf_score *s = open_score(ctx, specs[i], p, 2);

		ck_assert_str_eq(sf_spec(s), specs[i]);
		sf_score_free(s);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *spec;
		int64_t d;
		int code;
		const char *says;
	} bad[] = {
		{"gausian", 2, SF_ENAME, "gaussian"},
		{"gaussian:std=-1", 2, SF_ERANGE, "std"},
		{"gaussian:mean=1:2:3", 2, SF_EMISMATCH, "mean has 3"},
		{"gaussian:mean=", 2, SF_EMISMATCH, "mean has 0"},
		{"gaussian:rho=0.5", 3, SF_EMISMATCH, "dimension 2"},
		{"gaussian:rho=1.5", 2, SF_ERANGE, "rho"},
		{"gaussian", 0, SF_ERANGE, "dimension 0"},
		{"mixture:preset=three", 2, SF_EINVAL, "two|rings8|skewed"},
		{"mixture:preset=rings8", 3, SF_EMISMATCH, "dimension 2"},
		{"mixture:means=1:2:3", 2, SF_EMISMATCH, "multiple"},
		{"mixture:means=1:2,weights=1:1", 2, SF_EMISMATCH, "weights has 2"},
		{"mixture:means=1:2,weights=0", 2, SF_ERANGE, "weights"},
		{"mixture:means=1:2:3,std=1:2", 1, SF_EMISMATCH, "std has 2"}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	sf_score *s;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(sf_score_new(ctx, bad[i].spec, p, bad[i].d, &s) == bad[i].code,
		              "%s: %s", bad[i].spec, sf_ctx_message(ctx));
		ck_assert_ptr_null(s);
		ck_assert_msg(strstr(sf_ctx_message(ctx), bad[i].says) != NULL, "%s: %s",
		              bad[i].spec, sf_ctx_message(ctx));
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* Unit normal data stay unit normal under vp: the score is -x at every t. */
START_TEST(unit_normal)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	sf_score *s = open_score(ctx, "gaussian", p, 2);
	double x[2] = {1.7, -0.3}, out[2], t;

	for (t = 1e-5; t <= 1; t += 0.0999) {
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, out));
		assert_close(out[0], -1.7, 1e-14, 0);
		assert_close(out[1], 0.3, 1e-14, 0);
	}
	sf_score_free(s);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* eps = -sigma s and D = (x + sigma^2 s)/alpha; for normal data D = m + alpha q (x - alpha
 * m)/(alpha^2 q + sigma^2). */
START_TEST(readings)
{
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("process");

	for (; *m; m++) {
		sf_process *p = open_process(ctx, (*m)->name);
		sf_score *g = NULL;
		double x[3] = {0.4, -1.9, 2.6}, t[3] = {0.1, 0.45, 0.9}, s[3], e[3], D[3];
		int i;

		if (!sf_process_linear(p) || sf_process_blocks(p) != 1) {
			sf_process_free(p);
			continue;
		}
		g = open_score(ctx, "gaussian:mean=0.7,std=1.3", p, 1);
		assert_ok(ctx, sf_score_eval(g, SF_SCORE, 3, x, t, s));
		assert_ok(ctx, sf_score_eval(g, SF_EPS, 3, x, t, e));
		assert_ok(ctx, sf_score_eval(g, SF_DENOISED, 3, x, t, D));
		ck_assert_int_eq(sf_score_count(g), 9);
		sf_score_count_reset(g);
		ck_assert_int_eq(sf_score_count(g), 0);
		for (i = 0; i < 3; i++) {
			double a = sf_process_alpha(p, t[i]), sd = sf_process_sigma(p, t[i]),
			       q = 1.69;
			double v = a * a * q + sd * sd;

			assert_close(s[i], -(x[i] - a * 0.7) / v, 1e-14, 0);
			assert_close(e[i], sd * (x[i] - a * 0.7) / v, 1e-14, 0);
			assert_close(D[i], 0.7 + a * q * (x[i] - a * 0.7) / v, 1e-12, 1e-12);
		}
		sf_score_free(g);
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

static double total(const char *spec, sf_ctx *ctx, const sf_process *p, double t, int64_t side)
{
	sf_score *s = open_score(ctx, spec, p, 2);
	double sum = 0, h = 16.0 / (double)side;
	int64_t i, j;

	for (i = 0; i < side; i++) {
		for (j = 0; j < side; j++) {
			double x[2] = {-8 + h * ((double)i + 0.5), -8 + h * ((double)j + 0.5)},
			       logp;

			assert_ok(ctx, sf_score_logp(s, 1, x, &t, &logp));
			sum += exp(logp) * h * h;
		}
	}
	sf_score_free(s);
	return sum;
}

/* Densities integrate to one. */
START_TEST(normalised)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");

	assert_close(total("gaussian:mean=0.5:-0.3,std=0.8:1.1,rho=0.7", ctx, p, 0.2, 120), 1,
	             1e-10, 0);
	assert_close(total("mixture:preset=rings8", ctx, p, 0.3, 120), 1, 1e-10, 0);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* The rotated Gaussian against the inverse of its 2 x 2 covariance, and rho = 0 as its limit. */
START_TEST(correlated)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "subvp");
	sf_score *s = open_score(ctx, "gaussian:mean=0.3:-0.7,std=0.5:1.2,rho=-0.6", p, 2);
	sf_score *near = open_score(ctx, "gaussian:std=0.5:1.2,rho=1e-13", p, 2);
	sf_score *none = open_score(ctx, "gaussian:std=0.5:1.2", p, 2);
	double x[2] = {0.9, 0.4}, t = 0.35, out[2], want[2];
	double a = sf_process_alpha(p, t), v = sf_process_sigma(p, t) * sf_process_sigma(p, t);
	double A = a * a * 0.25 + v, C = a * a * 1.44 + v, B = -a * a * 0.36, det = A * C - B * B;
	double u = x[0] - a * 0.3, w = x[1] + a * 0.7;

	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, out));
	assert_close(out[0], -(C * u - B * w) / det, 1e-13, 0);
	assert_close(out[1], -(A * w - B * u) / det, 1e-13, 0);
	assert_ok(ctx, sf_score_logp(s, 1, x, &t, out));
	assert_close(out[0], -0.5 * (C * u * u - 2 * B * u * w + A * w * w) / det - 0.5 * log(det) -
	                     log(2 * SF_PI), 1e-13, 0);
	assert_ok(ctx, sf_score_eval(near, SF_SCORE, 1, x, &t, out));
	assert_ok(ctx, sf_score_eval(none, SF_SCORE, 1, x, &t, want));
	assert_close(out[0], want[0], 1e-11, 0);
	assert_close(out[1], want[1], 1e-11, 0);
	sf_score_free(s);
	sf_score_free(near);
	sf_score_free(none);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- two blocks ---- */

/* Normal data against the 2 x 2 inverse by hand, a mixture's one part, points as a mixture
 * without width; each score as the gradient of its density, velocities included. */
START_TEST(two_blocks)
{
	static const double points[6] = {0.3, -0.8, 1.2, 0.5, -0.6, 0.1};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	sf_score *s[4];
	double u[4] = {0.4, -0.3, 0.9, 0.2}, t = 0.7, out[4][4], logp[4], up, down, a[2], cov[4], A,
	       B, C;
	int i, j;

	assert_ok(ctx, sf_process_from_class(ctx, &damped, &p));
	s[0] = open_score(ctx, "gaussian:mean=0.2:-0.4,std=0.6", p, 2);
	s[1] = open_score(ctx, "mixture:means=0.2:-0.4,std=0.6", p, 2);
	s[2] = open_score(ctx, "mixture:means=0.3:-0.8:1.2:0.5:-0.6:0.1,std=0", p, 2);
	assert_ok(ctx, sf_score_delta(ctx, p, 3, 2, points, &s[3]));
	for (i = 0; i < 4; i++) {
		assert_ok(ctx, sf_score_eval(s[i], SF_SCORE, 1, u, &t, out[i]));
		assert_ok(ctx, sf_score_logp(s[i], 1, u, &t, &logp[i]));
		for (j = 0; j < 4; j++) {
			double v[4], h = 1e-4;

			memcpy(v, u, sizeof v);
			v[j] += h;
			assert_ok(ctx, sf_score_logp(s[i], 1, v, &t, &up));
			v[j] -= 2 * h;
			assert_ok(ctx, sf_score_logp(s[i], 1, v, &t, &down));
			assert_close((up - down) / (2 * h), out[i][j], 1e-6, 1e-6);
		}
	}
	sf_process_mean_column(p, t, a);
	sf_process_cov(p, t, cov);
	A = cov[0] + 0.36 * a[0] * a[0];
	B = cov[1] + 0.36 * a[0] * a[1];
	C = cov[3] + 0.36 * a[1] * a[1];
	for (j = 0; j < 2; j++) {
		double m = j ? -0.4 : 0.2, x = u[j] - a[0] * m, v = u[2 + j] - a[1] * m;

		assert_close(out[0][j], -(C * x - B * v) / (A * C - B * B), 1e-12, 0);
		assert_close(out[0][2 + j], -(A * v - B * x) / (A * C - B * B), 1e-12, 0);
	}
	for (j = 0; j < 4; j++) {
		assert_close(out[1][j], out[0][j], 1e-12, 0);
		assert_close(out[3][j], out[2][j], 1e-11, 1e-11);
	}
	assert_close(logp[1], logp[0], 1e-12, 0);
	assert_close(logp[3], logp[2], 1e-11, 0);
	ck_assert_int_eq(sf_score_eval(s[0], SF_EPS, 1, u, &t, out[0]), SF_EUNSUP);
	ck_assert_int_eq(sf_score_eval(s[0], SF_DENOISED, 1, u, &t, out[0]), SF_EUNSUP);
	for (i = 0; i < 4; i++)
		sf_score_free(s[i]);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(nonlinear_refused)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL;
	sf_score *s;
	double y = 0;

	assert_ok(ctx, sf_process_from_class(ctx, &well, &p));
	ck_assert_int_eq(sf_score_new(ctx, "gaussian", p, 1, &s), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "well"));
	ck_assert_int_eq(sf_score_new(ctx, "mixture", p, 1, &s), SF_EUNSUP);
	ck_assert_int_eq(sf_score_delta(ctx, p, 1, 1, &y, &s), SF_EUNSUP);
	ck_assert_ptr_null(s);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- bytes ---- */

enum { N = 3000, D = 2, POINTS = 150 };

static void fill(sf_ctx *ctx, double *x, double *t)
{
	sf_noise key = {8, SF_NOISE_USER, 2};
	int i;

	sf_noise_normal_d(ctx, key, 0, 0, N * D, x);
	for (i = 0; i < N; i++)
		t[i] = 0.02 + 0.9 * i / N;
}

START_TEST(same_bytes)
{
	static const char *const specs[] = {"gaussian:std=0.5:1.1,rho=0.4", "mixture:preset=rings8",
	                                    NULL};
	static double x[N * D], t[N], y[POINTS * D], whole[N * D], part[N * D], lw[N], lp[N],
		jw[N * D], jp[N * D];
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	int k, threads, i;

	fill(ctx, x, t);
	memcpy(y, x, sizeof y);
	for (k = 0; k < 3; k++) {
		sf_score *s = NULL;

		assert_ok(ctx, specs[k] ? sf_score_new(ctx, specs[k], p, D, &s)
		                        : sf_score_delta(ctx, p, POINTS, D, y, &s));
		assert_ok(ctx, sf_ctx_set_threads(ctx, 1));
		assert_ok(ctx, sf_score_eval(s, SF_DENOISED, N, x, t, whole));
		assert_ok(ctx, sf_score_logp(s, N, x, t, lw));
		if (specs[k])
			assert_ok(ctx, sf_score_jvp(s, N, x, t, x, jw));
		for (threads = 2; threads <= 3; threads++) {
			assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
			assert_ok(ctx, sf_score_eval(s, SF_DENOISED, N, x, t, part));
			assert_ok(ctx, sf_score_logp(s, N, x, t, lp));
			ck_assert(memcmp(whole, part, sizeof whole) == 0);
			ck_assert(memcmp(lw, lp, sizeof lw) == 0);
			if (specs[k]) {
				assert_ok(ctx, sf_score_jvp(s, N, x, t, x, jp));
				ck_assert(memcmp(jw, jp, sizeof jw) == 0);
			}
		}
		for (i = 0; i < N; i += 7) { /* batches of 7 */
			int64_t n = N - i < 7 ? N - i : 7;

			assert_ok(ctx,
			          sf_score_eval(s, SF_DENOISED, n, x + i * D, t + i, part + i * D));
			assert_ok(ctx, sf_score_logp(s, n, x + i * D, t + i, lp + i));
		}
		ck_assert(memcmp(whole, part, sizeof whole) == 0);
		ck_assert(memcmp(lw, lp, sizeof lw) == 0);
		sf_score_free(s);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- delta and function ---- */

static int released;

static void release(void *user)
{
	released += *(int *)user;
}

static int twice(void *user, int64_t n, const double *x, const double *t, double *out)
{
	if (*(int *)user == 0)
		return SF_EIO;
	while (n-- > 0)
		out[n] = 2 * x[n] + t[n];
	return SF_OK;
}

START_TEST(function)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "vp");
	double x[2] = {1, -3}, t[2] = {0.1, 0.2}, out[2];
	sf_score *s = NULL;
	int user = 5;

	assert_ok(ctx, sf_score_from_function(ctx, p, 1, twice, &user, release, &s));
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 2, x, t, out));
	assert_close(out[1], -5.8, 1e-15, 0);
	ck_assert_int_eq(sf_score_logp(s, 2, x, t, out), SF_EUNSUP);
	ck_assert_int_eq(sf_score_count(s), 2);
	user = 0;
	ck_assert_int_eq(sf_score_eval(s, SF_SCORE, 2, x, t, out), SF_EIO);
	ck_assert_int_eq(sf_score_count(s), 2);
	user = 5;
	sf_score_free(s);
	ck_assert_int_eq(released, 5);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("score");
	TCase *cases = tcase_create("score");

	tcase_add_test(cases, registry);
	tcase_add_test(cases, specs_round_trip);
	tcase_add_test(cases, refused);
	tcase_add_test(cases, unit_normal);
	tcase_add_test(cases, readings);
	tcase_add_test(cases, normalised);
	tcase_add_test(cases, correlated);
	tcase_add_test(cases, two_blocks);
	tcase_add_test(cases, nonlinear_refused);
	tcase_add_test(cases, same_bytes);
	tcase_add_test(cases, function);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
