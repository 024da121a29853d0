/* check_ggf.c: Gotta Go Fast beyond what verify measures: the noise of rejected tries, tolerances and norms, steps and evaluations of
 * samples on their own, two blocks, refusals.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cld_cases.h"
#include "sampler_rig.h"

#include <stdlib.h>

#define HALF "gaussian:std=0.5"
#define RINGS "mixture:preset=rings8"

static double second_moment(const char *sampler, int64_t d, int64_t n, sf_sample_report *report)
{
	rig r = open_rig("vp", HALF, d, sampler);
	double *x = calloc((size_t)(n * d), sizeof *x), sum = 0;
	int64_t i;

	ck_assert_ptr_nonnull(x);
	r.run.n = n;
	r.run.seed = 17;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, report));
	for (i = 0; i < n * d; i++)
		sum += x[i] * x[i] / (double)(n * d);
	free(x);
	close_rig(&r);
	return sum;
}

/* Noise drawn anew after a rejection favours what was accepted: E x^2 = 0.25 comes out far too large in one dimension (where most
 * tries are rejected for their noise), and right from one path. */
START_TEST(rejected_noise)
{
	enum { N = 600 };
	double error = 0.25 * sqrt(2.0 / N), x2;
	sf_sample_report report;

	x2 = second_moment("ggf:rtol=0.05", 1, N, &report);
	assert_close(x2, 0.25, 0, 4 * error);
	ck_assert_int_gt(report.rejected, 10);
	x2 = second_moment("ggf:rtol=0.05,noise=published", 1, N, &report);
	ck_assert_msg(x2 > 0.25 + 10 * error, "%g", x2);
}
END_TEST

/* Without rejections there is nothing to choose: both kinds of noise give samples of the same law, and a looser tolerance costs
 * less. */
START_TEST(tolerance)
{
	static const char *const specs[] = {"ggf:rtol=0.01", "ggf:rtol=0.02", "ggf:rtol=0.05", "ggf:rtol=0.1", "ggf:rtol=0.5"};
	sf_sample_report report;
	double before = 1e9;
	int i;

	for (i = 0; i < 5; i++) {
		double x2 = second_moment(specs[i], 64, 12, &report);

		ck_assert_msg(report.nfe < before, "%s: %g evaluations", specs[i], report.nfe);
		before = report.nfe;
		if (i < 3)
			assert_close(x2, 0.25, 0, 4 * 0.25 * sqrt(2.0 / 768) + 0.01);
	}
}
END_TEST

/* One accepted step of h-init by hand, with every term in sight: x1, x2, and the next step from the error. */
START_TEST(one_step)
{
	rig r = open_rig("edm", HALF, 2, "ggf:noise=published,rtol=0.2,atol=1e-3,h-init=3,safety=0.8,exponent=0.7");
	sf_noise key = {4, SF_NOISE_STEP, 0};
	double x[2] = {50, -90}, y[2], z[2], s[2], x1[2], k1[2], k2[2], want[2], t = 80, after = 77, sum = 0, h = 3;
	int j;

	sf_noise_normal_d(r.ctx, key, 0, 0, 2, z);
	assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, x, &t, s));
	for (j = 0; j < 2; j++) {
		k1[j] = h * 2 * t * s[j] + sqrt(h) * sqrt(2 * t) * z[j];
		x1[j] = x[j] + k1[j];
	}
	assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, x1, &after, s));
	for (j = 0; j < 2; j++) {
		double tall = fmax(fabs(x1[j]), fabs(x[j])), part;

		k2[j] = h * 2 * after * s[j] + sqrt(h) * sqrt(2 * after) * z[j];
		want[j] = x[j] + (k1[j] + k2[j]) / 2;
		part = (k2[j] - k1[j]) / 2 / fmax(1e-3, 0.2 * tall);
		sum += part * part / 2;
	}
	ck_assert(sum < 1);
	r.run.seed = 4;
	r.run.given_start = 1;
	r.run.nfe_max = 2; /* one try */
	y[0] = x[0], y[1] = x[1];
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, y, NULL), SF_EBUDGET);
	for (j = 0; j < 2; j++)
		assert_close(y[j], want[j], 1e-13, 0);
	/* the time of the second try shows the step that followed from the error */
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "time 77"));
	close_rig(&r);
}
END_TEST

typedef struct times {
	int n;
	double t[64];
} times;

static int listen_times(void *user, int64_t n, const double *x, const double *t, double *out)
{
	times *w = user;
	int64_t j;

	if (w->n < 64)
		w->t[w->n++] = t[0];
	for (j = 0; j < 2 * n; j++)
		out[j] = -x[j] / (t[0] * t[0]);
	return SF_OK;
}

/* Steps as scores see them: t, t - h, then with h' = 0.8 h error^-0.7. The error of the first try follows from the states. */
START_TEST(next_step)
{
	static const char *const norm[] = {"rms", "max"};
	int k;

	for (k = 0; k < 2; k++) {
		char spec[200];
		rig r;
		times w = {0, {0}};
		sf_noise key = {4, SF_NOISE_STEP, 0};
		double x[2] = {50, -90}, z[2], square[2], error, h = 2;
		int j;

		snprintf(spec, sizeof spec, "ggf:noise=published,rtol=0.1,previous=false,h-init=2,safety=0.8,exponent=0.7,norm=%s", norm[k]);
		r = open_rig("edm", NULL, 0, spec);
		assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 2, listen_times, &w, NULL, &r.score));
		sf_noise_normal_d(r.ctx, key, 0, 0, 2, z);
		for (j = 0; j < 2; j++) {
			double k1 = -h * 2 * x[j] / 80 + sqrt(2 * 160) * z[j], x1 = x[j] + k1, k2 = -h * 2 * x1 / 78 + sqrt(2 * 156) * z[j];
			double part = (k2 - k1) / 2 / (0.1 * fabs(x1));

			square[j] = part * part;
		}
		error = k ? sqrt(fmax(square[0], square[1])) : sqrt((square[0] + square[1]) / 2);
		ck_assert(error < 1);
		r.run.seed = 4;
		r.run.given_start = 1;
		r.run.nfe_max = 4;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EBUDGET);
		ck_assert_int_eq(w.n, 4);
		ck_assert(w.t[0] == 80 && w.t[1] == 78 && w.t[2] == 78);
		assert_close(w.t[2] - w.t[3], fmin(78 - 0.002, 0.8 * h * pow(error, -0.7)), 1e-11, 0);
		close_rig(&r);
	}
}
END_TEST

static int constant(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)x;
	while (n-- > 0)
		out[n] = *(double *)user / (2 * t[n]);
	return SF_OK;
}

/* Under schedule=ve g is 1 throughout. D = -c with a constant c has no error at all: the second step is the rest. A score of 1
 * at t and -1 from there on has K2 - K1 = -2 c h exactly: error 1 is accepted, the next number above is not. */
static int jump(void *user, int64_t n, const double *x, const double *t, double *out)
{
	const double *c = user;

	(void)x;
	while (n-- > 0)
		out[n] = t[n] == 16 ? *c : -*c;
	return SF_OK;
}

START_TEST(borders)
{
	rig r = open_rig("edm:schedule=ve,sigma-min=0.5,sigma-max=4", NULL, 0, "ggf:rtol=0,atol=0.5,h-init=0.5,noise=published");
	double c = 0, x = 1;
	sf_sample_report report;
	sf_score *other = NULL;

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, constant, &c, NULL, &r.score));
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
	ck_assert_int_eq(report.steps, 2);
	ck_assert_int_eq(report.rejected, 0);
	ck_assert(report.nfe == 4);
	/* |K2 - K1|/2 = c h: 0.5 at c = 1 */
	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, jump, &c, NULL, &other));
	c = 1;
	r.run.nfe_max = 2;
	x = 0;
	ck_assert_int_eq(sf_sample(r.sampler, other, &r.run, &x, &report), SF_EBUDGET);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "time 15.5"));
	c = 1.001;
	x = 0;
	ck_assert_int_eq(sf_sample(r.sampler, other, &r.run, &x, &report), SF_EBUDGET);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "time 16"));
	sf_score_free(other);
	close_rig(&r);
}
END_TEST

/* Samples pay for their own tries, and the same sample takes the same steps wherever it stands. */
START_TEST(own_steps)
{
	rig r = open_rig("vp", RINGS, 2, "ggf:rtol=0.1");
	double x[10], y[10], sum = 0, least = 1e9, most = 0;
	sf_sample_report report;
	int i;

	r.run.seed = 3;
	for (i = 0; i < 5; i++) {
		r.run.first_sample = (uint64_t)i;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x + 2 * i, &report));
		ck_assert(report.nfe == (double)(2 * (report.steps + report.rejected) + 1));
		sum += report.nfe;
		least = fmin(least, report.nfe);
		most = fmax(most, report.nfe);
	}
	ck_assert(least < most);
	r.run.first_sample = 0;
	r.run.n = 5;
	r.run.nfe_max = (int64_t)most;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, &report));
	ck_assert(memcmp(x, y, sizeof x) == 0);
	assert_close(report.nfe, sum / 5, 1e-15, 0);
	r.run.nfe_max--;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, y, &report), SF_EBUDGET);
	close_rig(&r);
}
END_TEST

/* Without extrapolation equal steps are Euler-Maruyama's: on vp, and on cld, where the noise enters the velocity alone. */
START_TEST(euler_maruyama)
{
	static const char *const process[] = {"vp", "cld"};
	double x[2][4];
	int k;

	for (k = 0; k < 2; k++) {
		rig r = open_rig(process[_i], HALF, 2, k ? "em" : "ggf:noise=published,extrapolate=false,fixed=25");

		r.run.steps = 25;
		r.run.seed = 2;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x[k], NULL));
		close_rig(&r);
	}
	for (k = 0; k < (_i ? 4 : 2); k++)
		assert_close(x[0][k], x[1][k], 1e-12, 0);
}
END_TEST

/* The velocity's tolerance is in units of its prior's standard deviation: rescaling v changes no step. */
START_TEST(velocity_units)
{
	double x[2], v[2];
	sf_sample_report report[2];
	int k;

	for (k = 0; k < 2; k++) { /* beta moves with M so that the clock B/sqrt M stays */
		rig r = open_rig(k ? "cld:eps=0,m-inv=64,beta0=1" : "cld:eps=0", HALF, 1, "ggf:noise=published,rtol=0,atol=0.05");
		double u[2] = {0.3, k ? -0.1 : -0.4};

		r.run.given_start = 1;
		r.run.denoise = 0;
		r.run.seed = 8;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, &report[k]));
		x[k] = u[0];
		v[k] = u[1] * (k ? 4 : 1);
		close_rig(&r);
	}
	assert_close(x[0], x[1], 1e-8, 0);
	assert_close(v[0], v[1], 1e-8, 0);
	ck_assert_int_eq(report[0].steps, report[1].steps);
	ck_assert_int_eq(report[0].rejected, report[1].rejected);
}
END_TEST

/* A score that never settles is told from one that is not finite. */
static int wild(void *user, int64_t n, const double *x, const double *t, double *out)
{
	int *calls = user;

	(void)x;
	(void)t;
	while (n-- > 0)
		out[n] = ++*calls % 2 ? 1e15 : -1e15;
	return SF_OK;
}

START_TEST(underflow)
{
	rig r = open_rig("vp", NULL, 0, "ggf");
	int calls = 0;
	double x = 0;

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, wild, &calls, NULL, &r.score));
	r.run.given_start = 1;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, &x, NULL), SF_ESTEP);
	close_rig(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ggf");
	TCase *cases = tcase_create("ggf");

	tcase_add_test(cases, rejected_noise);
	tcase_add_test(cases, tolerance);
	tcase_add_test(cases, one_step);
	tcase_add_test(cases, next_step);
	tcase_add_test(cases, borders);
	tcase_add_test(cases, own_steps);
	tcase_add_loop_test(cases, euler_maruyama, 0, 2);
	tcase_add_test(cases, velocity_units);
	tcase_add_test(cases, underflow);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
