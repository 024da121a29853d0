/* check_sampler_runs.c: samplers on every kind of process: EDM's frame, starts and the final
 * denoising, two blocks and nonlinear drifts by hand, failing scores, refused runs, the observer.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process_cases.h"
#include "sampler_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SKEWED "mixture:preset=skewed"

/* ---- frames ---- */

/* EDM's frame makes processes alike: the same noise levels give x_vp = alpha x_edm. */
START_TEST(same_in_every_process)
{
	static const char *const specs[] = {"heun", "heun:churn=10,s-max=20", "heun:order=1",
	                                    "heun:alpha=0.5"};
	int k, p;

	for (k = 0; k < 4; k++) {
		double reference = 0;

		for (p = 3; p >= 0; p--) {
			rig r = open_rig(processes[p], SKEWED, 1, specs[k]);
			sf_grid *g = NULL;
			double x, t;

			assert_ok(r.ctx,
			          sf_grid_new(r.ctx, "karras:sigma-min=0.02,sigma-max=40", &g));
			t = sf_process_time_of_ratio(r.process, 40);
			x = 25 * sf_process_alpha(r.process, t);
			r.run.grid = g;
			r.run.steps = 20;
			r.run.given_start = 1;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
			if (p == 3)
				reference = x;
			assert_close(x, reference, 1e-10, 0);
			sf_grid_free(g);
			close_rig(&r);
		}
	}
}
END_TEST

START_TEST(denoising)
{
	static const char *const specs[] = {"em:eta=0", "euler", "rk45"};
	int k;

	for (k = 0; k < 3; k++) {
		rig r = open_rig("vp", SKEWED, 1, specs[k]);
		double raw, denoised, tweedie, by_habit, t = sf_process_t_sample(r.process);

		r.run.steps = 20;
		r.run.denoise = 0;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &raw, NULL));
		r.run.denoise = 1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &tweedie, NULL));
		r.run.denoise = -1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &by_habit, NULL));
		assert_ok(r.ctx, sf_score_eval(r.score, SF_DENOISED, 1, &raw, &t, &denoised));
		ck_assert(denoised == tweedie && tweedie == by_habit);
		close_rig(&r);
	}
}
END_TEST

/* Starts below T are N(0, sigma(start)^2); at T the prior. */
START_TEST(starts)
{
	static const double at[] = {NAN, 20};
	int k;

	for (k = 0; k < 2; k++) {
		rig r = open_rig("edm", "gaussian:std=1e6", 1, "rk45");
		sf_noise key = {3, SF_NOISE_PRIOR, 0};
		double x, z, q = 1e12, s = k ? 20 : 80;

		r.run.seed = 3;
		r.run.start = at[k];
		r.run.denoise = 0;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
		sf_noise_normal_d(r.ctx, key, 0, 0, 1, &z);
		assert_close(x, s * z * sqrt((q + 4e-6) / (q + s * s)), 1e-9, 0);
		close_rig(&r);
	}
}
END_TEST

/* ---- two blocks and nonlinear drifts ---- */

static int stationary(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)t;
	while (n-- > 0)
		out[n] = x[n] - x[n] * x[n] * x[n];
	return SF_OK;
}

static rig open_own(const sf_process_class *cls, const char *sampler)
{
	rig r = open_rig("vp", NULL, 0, sampler);

	sf_process_free(r.process);
	assert_ok(r.ctx, sf_process_from_class(r.ctx, cls, &r.process));
	return r;
}

/* The flow of normal data is a matrix A with A V(T) A' = V(t): it carries one marginal into the
 * other. */
START_TEST(blocks_flow)
{
	rig r = open_own(&damped, "rk45:rtol=1e-10,atol=1e-12");
	double A[2][2], V[2][4];
	int c, k;

	assert_ok(r.ctx, sf_score_new(r.ctx, "gaussian:std=0.5", r.process, 1, &r.score));
	r.run.given_start = 1;
	r.run.denoise = 0;
	for (c = 0; c < 2; c++) {
		double u[2] = {c == 0, c == 1};

		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, NULL));
		A[0][c] = u[0];
		A[1][c] = u[1];
	}
	for (k = 0; k < 2; k++) {
		double P[4], t = k ? 0.01 : 1;

		damped_phi(NULL, 0, t, P);
		damped_cov(NULL, t, V[k]);
		V[k][0] += 0.25 * P[0] * P[0];
		V[k][1] += 0.25 * P[0] * P[2];
		V[k][3] += 0.25 * P[2] * P[2];
	}
	for (c = 0; c < 2; c++) {
		for (k = c; k < 2; k++)
			assert_close(A[c][0] * (V[0][0] * A[k][0] + V[0][1] * A[k][1]) +
			                     A[c][1] * (V[0][1] * A[k][0] + V[0][3] * A[k][1]),
			             V[1][c + k + (c == 1)], 1e-8, 1e-8);
	}
	close_rig(&r);
}
END_TEST

/* One Euler-Maruyama step of the oscillator by hand: noise enters the velocity alone; then the last step, without. */
START_TEST(blocks_step)
{
	rig r = open_own(&damped, "em");
	sf_noise key = {9, SF_NOISE_STEP, 0};
	double u[2] = {0.7, -1.1}, last[2] = {0.7, -1.1}, z[2], s[2], t = 1, h = 0.99;

	assert_ok(r.ctx, sf_score_new(r.ctx, "gaussian:std=0.5", r.process, 1, &r.score));
	assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, u, &t, s));
	r.run.given_start = 1;
	r.run.seed = 9;
	r.run.steps = 1;
	r.run.denoise = 0;
	sf_noise_normal_d(r.ctx, key, 0, 0, 2, z);
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, NULL));
	assert_close(u[0], 0.7 - h * -1.1, 1e-14, 0);
	assert_close(u[1], -1.1 - h * (-0.7 + 2.2 - 4 * s[1]) + sqrt(h) * 2 * z[1], 1e-13, 0);
	r.run.denoise = 1;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, last, NULL));
	t = 0.01;
	assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, u, &t, s));
	assert_close(last[0], u[0] - t * u[1], 1e-14, 0);
	assert_close(last[1], u[1] - t * (-u[0] - 2 * u[1] - 4 * s[1]), 1e-14, 0);
	close_rig(&r);
}
END_TEST

/* With the stationary score the flow of the double well stands still and its reversed drift is
 * -f; so is that of the last step, from t = 0.01. */
START_TEST(nonlinear)
{
	static const char *const still[] = {"em:eta=0", "euler", "rk45"};
	int k;

	for (k = 0; k < 3; k++) {
		rig r = open_own(&well, still[k]);
		double x[3] = {-1.4, 0.2, 0.9};

		assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, stationary, NULL, NULL,
		                                        &r.score));
		r.run.n = 3;
		r.run.steps = 5;
		r.run.given_start = 1;
		r.run.denoise = 0;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
		assert_close(x[0], -1.4, 1e-14, 0);
		assert_close(x[2], 0.9, 1e-14, 0);
		r.run.denoise = -1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
		assert_close(x[0], -1.4 + 0.01 * (-1.4 + 2.744), 1e-14, 0);
		assert_close(x[2], 0.9 + 0.01 * (0.9 - 0.729), 1e-14, 0);
		close_rig(&r);
	}
	{
		rig r = open_own(&well, "em");
		sf_noise key = {2, SF_NOISE_STEP, 0};
		double x = 0.6, z, h = 0.99;

		assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, stationary, NULL, NULL,
		                                        &r.score));
		r.run.seed = 2;
		r.run.steps = 1;
		r.run.denoise = 0;
		r.run.given_start = 1;
		sf_noise_normal_d(r.ctx, key, 0, 0, 1, &z);
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
		assert_close(x, 0.6 + h * (0.6 - 0.216) + sqrt(2 * h) * z, 1e-13, 0);
		r.run.given_start = 0;
		r.run.start = 0.5; /* nothing is known about the law in between */
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, &x, NULL), SF_EUNSUP);
		close_rig(&r);
	}
}
END_TEST

START_TEST(accepts)
{
	static const struct {
		const char *spec;
		int scalar_only;
	} want[] = {{"em", 0}, {"euler", 0}, {"rk45", 0}, {"heun", 1}, {"heun:churn=1", 1},
	            {"rk4", 0}, {"ddim", 1}, {"euler-ancestral", 1}, {"dpm", 1}, {"dpm2", 1}, {"dpm-fast", 1},
	            {"dpm-adaptive", 1}, {"dpmpp", 1}, {"dpmpp-sde", 1}, {"deis", 1}, {"lms", 1}, {"ipndm", 1}, {"unipc", 1}};
	size_t i;

	for (i = 0; i < sizeof want / sizeof *want; i++) {
		rig r = open_own(&damped, want[i].spec), q = open_own(&well, want[i].spec);
		double x[2] = {0, 0};

		ck_assert_int_eq(sf_sampler_accepts(r.sampler, r.process),
		                 want[i].scalar_only ? SF_EUNSUP : 0);
		ck_assert_int_eq(sf_sampler_accepts(q.sampler, q.process),
		                 want[i].scalar_only ? SF_EUNSUP : 0);
		if (want[i].scalar_only) {
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "two state blocks"));
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "damped"));
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(q.ctx), "not linear"));
			assert_ok(r.ctx, sf_score_new(r.ctx, "gaussian", r.process, 1, &r.score));
			ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EUNSUP);
		}
		close_rig(&r);
		close_rig(&q);
	}
}
END_TEST

/* ---- failures ---- */

typedef struct trouble {
	int calls, bad_call;
	int code; /* 0: NaN */
} trouble;

static int troubled(void *user, int64_t n, const double *x, const double *t, double *out)
{
	trouble *w = user;
	int64_t i;
	int bad = ++w->calls == w->bad_call;

	(void)t;
	for (i = 0; i < n; i++)
		out[i] = bad && i == n - 1 ? NAN : -x[i];
	return bad ? w->code : SF_OK;
}

START_TEST(failing_score)
{
	int i, at;

	for (i = 0; i < ALL; i++) {
		for (at = 1; at <= 4; at++) {
			rig r = open_rig("vp", NULL, 0, all[i]);
			trouble w = {0, at, SF_EIO};
			double x[3];

			assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, troubled, &w,
			                                        NULL, &r.score));
			r.run.n = 3;
			r.run.steps = 6;
			ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EIO);
			ck_assert_int_eq(w.calls, at);
			close_rig(&r);
		}
	}
}
END_TEST

START_TEST(nan_score)
{
	int i;

	for (i = 0; i < ALL; i++) {
		rig r = open_rig("vp", NULL, 0, all[i]);
		trouble w = {0, 3, 0};
		double x[3];

		assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, troubled, &w, NULL,
		                                        &r.score));
		r.run.n = 3;
		r.run.first_sample = 40;
		r.run.steps = 6;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EDIVERGED);
		ck_assert_msg(strstr(sf_ctx_message(r.ctx), "time") &&
		                      strstr(sf_ctx_message(r.ctx), "sample 42"),
		              "%s", sf_ctx_message(r.ctx));
		close_rig(&r);
	}
}
END_TEST

/* A slope that jumps about whatever the step: no step is short enough. */
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
	rig r = open_rig("vp", NULL, 0, "rk45");
	int calls = 0;
	double x = 0;

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, wild, &calls, NULL, &r.score));
	r.run.given_start = 1;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, &x, NULL), SF_ESTEP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "time 1"));
	close_rig(&r);
}
END_TEST

START_TEST(bad_runs)
{
	int i;

	for (i = 0; i < ALL; i++) {
		rig r = open_rig("vp", SKEWED, 1, all[i]);
		sf_sample_run good = r.run;
		double x[1];

		good.steps = 4;
#define REFUSED(field, value, want)                                                                \
	r.run = good;                                                                              \
	r.run.field = value;                                                                       \
	ck_assert_msg(sf_sample(r.sampler, r.score, &r.run, x, NULL) == (want),                    \
	              "%s with " #field "=" #value, all[i])
		REFUSED(n, 0, SF_ERANGE);
		REFUSED(n, -1, SF_ERANGE);
		REFUSED(steps, -2, SF_ERANGE);
		REFUSED(nfe_max, -1, SF_ERANGE);
		REFUSED(first_sample, (uint64_t)1 << 48, SF_ERANGE);
		REFUSED(start, 1.5, SF_ERANGE);
		REFUSED(end, 1, SF_EINVAL);
		REFUSED(end, -0.5, SF_ERANGE);
		r.run = good;
		r.run.start = 0.2;
		r.run.end = 0.4;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EINVAL);
		r.run = good;
		r.run.given_start = 1;
		x[0] = INFINITY;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EDIVERGED);
		close_rig(&r);
	}
}
END_TEST

/* A run whose size in bytes is no number is refused before any memory is asked for. */
START_TEST(huge_run)
{
	int i;

	for (i = 0; i < ALL; i++) {
		rig r = open_rig("vp", "gaussian", (int64_t)1 << 20, all[i]);
		double x[1];

		r.run.n = (int64_t)1 << 46;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_ERANGE);
		close_rig(&r);
	}
}
END_TEST

/* ---- observer ---- */

typedef struct watch {
	int64_t calls, stop_at;
	double last_t, last_x;
	int rising;
} watch;

static int look(void *user, int64_t step, double t, int64_t n, const double *x)
{
	watch *w = user;

	ck_assert_int_eq(step, w->calls);
	ck_assert_int_eq(n, 2);
	if (t >= w->last_t)
		w->rising = 1;
	w->last_t = t;
	w->last_x = x[1];
	return w->calls++ == w->stop_at;
}

START_TEST(observer)
{
	int i;

	for (i = 0; i < ALL; i++) {
		rig r = open_rig("vp", SKEWED, 1, all[i]);
		watch w = {0, -1, 2, 0, 0};
		sf_sample_report report;
		double x[2];

		r.run.n = 2;
		r.run.steps = 5;
		r.run.observe = look;
		r.run.user = &w;
		r.run.denoise = 0;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, &report));
		ck_assert(w.last_x == x[1]);
		ck_assert(!w.rising);
		if (!sf_sampler_adaptive(r.sampler))
			ck_assert_int_eq(w.calls, 6);
		memset(&w, 0, sizeof w);
		w.last_t = 2;
		w.stop_at = 2;
		ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, &report), SF_ESTOPPED);
		ck_assert_int_eq(w.calls, 3);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "step 2"));
		close_rig(&r);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sampler-runs");
	TCase *runs = tcase_create("runs"), *bad = tcase_create("failures");

	tcase_add_test(runs, same_in_every_process);
	tcase_add_test(runs, denoising);
	tcase_add_test(runs, starts);
	tcase_add_test(runs, blocks_flow);
	tcase_add_test(runs, blocks_step);
	tcase_add_test(runs, nonlinear);
	tcase_add_test(runs, accepts);
	tcase_add_test(runs, observer);
	tcase_add_test(bad, failing_score);
	tcase_add_test(bad, nan_score);
	tcase_add_test(bad, underflow);
	tcase_add_test(bad, bad_runs);
	tcase_add_test(bad, huge_run);
	suite_add_tcase(suite, runs);
	suite_add_tcase(suite, bad);
	return sf_test_main(suite);
}
