/* check_sscs.c: the symmetric splitting sampler beyond what verify measures: half steps as a semigroup, tiny steps, the published second
 * half, a step by hand, bytes, evaluations, what it accepts; the covariance between two times that it is made of.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cld_cases.h"
#include "process_cases.h"
#include "sampler_rig.h"

#include <scorefield/grid.h>

#include <stdlib.h>

#define DATA "gaussian:mean=0.7,std=0.5"
static const char *const kinds[] = {"cld:eps=0", "cld:eps=0,m-inv=1.7,friction=2.4,beta0=1.5,beta1=2",
                                    "cld:eps=0,m-inv=2,friction=0.5,beta1=1.5,gamma=0.3", "cld"};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* ---- covariance between two times ---- */

/* C(s,u) = C(t,u) + Phi(t,u) C(s,t) Phi(t,u)', and from 0 it is the covariance given u_0. */
START_TEST(between)
{
	static const double at[] = {0.002, 0.13, 0.4, 0.41, 0.97};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, kinds[_i]);
	double C[4], D[4], E[4], P[4];
	int i, j, k, m;

	for (i = 0; i < 5; i++)
		for (j = i + 1; j < 5; j++)
			for (k = j + 1; k < 5; k++) {
				sf_process_noise_between(p, at[i], at[j], C);
				sf_process_phi(p, at[j], at[k], P);
				carry(P, C, D);
				sf_process_noise_between(p, at[j], at[k], C);
				for (m = 0; m < 4; m++)
					D[m] += C[m];
				sf_process_noise_between(p, at[i], at[k], E);
				equal(D, E, 1e-12, 1e-16);
			}
	if (_i < 3) { /* eps is not of the SDE */
		sf_process_noise_between(p, 0, 0.3, C);
		sf_process_noise_cov(p, 0.3, D);
		equal(C, D, 1e-14, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* Processes that do not give it get it by a difference. */
START_TEST(by_difference)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = NULL, *v = NULL;
	double C[4], D[4];

	assert_ok(ctx, sf_process_from_class(ctx, &damped, &p));
	sf_process_noise_between(p, 0.3, 0.9, C);
	damped_noise_cov(NULL, 0.6, D); /* constant rates */
	equal(C, D, 1e-13, 1e-15);
	assert_ok(ctx, sf_process_new(ctx, "vp", &v));
	sf_process_noise_between(v, 0.2, 0.5, C);
	assert_close(C[0], -expm1(-(0.1 * 0.3 + 19.9 * (0.25 - 0.04) / 2)), 1e-14, 0);
	sf_process_free(p);
	sf_process_free(v);
	sf_ctx_free(ctx);
}
END_TEST

/* A step of 1e-12 has variances of the leading order: C_vv = 2 Gamma beta h, C_xv = h C_vv/(2M), C_xx = h^2 C_vv/(3 M^2). */
START_TEST(tiny)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "cld");
	double C[4], h, t = 0.25;

	for (h = 1e-12; h < 1e-5; h *= 16) {
		double to = t + h;

		sf_process_noise_between(p, t, to, C);
		assert_close(C[3], 8 * (to - t), 2e-4, 0);
		assert_close(C[1], 64 * (to - t) * (to - t), 4e-4, 0);
		assert_close(C[0], 2048.0 / 3 * (to - t) * (to - t) * (to - t), 4e-4, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- steps ---- */

/* One step by hand from 1 to 1e-3 on constant rates: half, kick, half. */
START_TEST(by_hand)
{
	rig r = open_rig("cld:eps=0", DATA, 2, _i ? "sscs:order=2" : "sscs");
	double u[4] = {0.4, -1, 0.3, 0.2}, w[4], z[4], s[4], h = 0.999, E = exp(-h * 4), b = h * 2, t = 1, mid = 1 - h / 2;
	double C[3] = {1 - exp(-4 * b) * (1 + 4 * b + 8 * b * b), -4 * b * b * exp(-4 * b),
	               (1 - exp(-4 * b) * (1 - 4 * b + 8 * b * b)) / 4};
	double l0 = sqrt(C[0]), l1 = C[1] / l0, l2 = sqrt(C[2] - l1 * l1);
	int half, j;

	memcpy(w, u, sizeof w);
	for (half = 0; half < 2; half++) {
		sf_noise key = {21, SF_NOISE_STEP, (uint32_t)half};

		sf_noise_normal_d(r.ctx, key, 0, 0, 4, z);
		for (j = 0; j < 2; j++) {
			double x = w[j], v = w[2 + j];

			w[j] = E * ((1 + 2 * b) * x - 4 * b * v) + l0 * z[j];
			w[2 + j] = E * (b * x + (1 - 2 * b) * v) + l1 * z[j] + l2 * z[2 + j];
		}
		if (half)
			break;
		assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, w, &t, s));
		if (_i) {
			double m[4] = {w[0], w[1], w[2] + h / 2 * 8 * (s[2] + 4 * w[2]), w[3] + h / 2 * 8 * (s[3] + 4 * w[3])};

			assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, m, &mid, s));
			for (j = 2; j < 4; j++)
				w[j] += h * 8 * (s[j] + 4 * m[j]);
		} else {
			for (j = 2; j < 4; j++)
				w[j] += h * 8 * (s[j] + 4 * w[j]);
		}
	}
	r.run.seed = 21;
	r.run.steps = 1;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, NULL));
	for (j = 0; j < 4; j++)
		assert_close(u[j], w[j], 1e-12, 0);
	close_rig(&r);
}
END_TEST

/* The published second half is the right one where beta is constant, and only there. */
START_TEST(published_half)
{
	static const char *const process[] = {"cld", "cld:beta0=0.1,beta1=6.9"};
	double u[2][2];
	int k;

	for (k = 0; k < 2; k++) {
		rig r = open_rig(process[_i], DATA, 1, k ? "sscs:published=true" : "sscs");

		r.run.seed = 4;
		r.run.steps = 10;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u[k], NULL));
		close_rig(&r);
	}
	if (_i == 0) {
		assert_close(u[0][0], u[1][0], 1e-12, 0);
		assert_close(u[0][1], u[1][1], 1e-12, 0);
	} else {
		ck_assert(fabs(u[0][0] - u[1][0]) > 1e-3);
	}
}
END_TEST

/* Thousands of steps towards the data, the last 1/N^2 long: no root of a negative variance. */
START_TEST(fine_grid)
{
	rig r = open_rig("cld:eps=0", DATA, 1, "sscs");
	double u[2];

	r.run.steps = 20000;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, NULL));
	ck_assert(fabs(u[0]) < 4);
	close_rig(&r);
}
END_TEST

START_TEST(same_bytes)
{
	static const char *const specs[] = {"sscs", "sscs:order=2", "sscs:published=true"};
	rig r = open_rig("cld", "mixture:preset=rings8", 2, specs[_i]);
	double whole[28], part[28];
	int i;

	r.run.n = 7;
	r.run.steps = 9;
	r.run.seed = 41;
	r.run.first_sample = 1000;
	assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, 1));
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, whole, NULL));
	for (i = 2; i <= 3; i++) {
		assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, i));
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part, NULL));
		ck_assert(memcmp(whole, part, sizeof whole) == 0);
	}
	r.run.n = 1;
	for (i = 0; i < 7; i++) {
		r.run.first_sample = 1000 + (uint64_t)i;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part + 4 * i, NULL));
	}
	ck_assert(memcmp(whole, part, sizeof whole) == 0);
	close_rig(&r);
}
END_TEST

START_TEST(counts)
{
	static const struct {
		const char *sampler;
		int denoise;
		double nfe;
		int64_t steps; /* for 21 evaluations */
	} want[] = {{"sscs", -1, 11, 20}, {"sscs", 0, 10, 20}, {"sscs:order=2", -1, 21, 10}, {"sscs:order=2", 0, 20, 10}};
	rig r = open_rig("cld", DATA, 1, want[_i].sampler);
	sf_sample_report report;
	int64_t steps;
	double u[2];

	ck_assert_int_eq(sf_sampler_steps(r.sampler, 21), want[_i].steps);
	ck_assert_int_eq(sf_sampler_order(r.sampler), want[_i].sampler[4] ? 2 : 1);
	ck_assert(sf_sampler_stochastic(r.sampler) && !sf_sampler_adaptive(r.sampler));
	ck_assert_str_eq(sf_sampler_grid(r.sampler, r.process, &steps), "quadratic:from=end");
	r.run.steps = 10;
	r.run.denoise = want[_i].denoise;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, u, &report));
	ck_assert(report.nfe == want[_i].nfe);
	r.run.nfe_max = (int64_t)want[_i].nfe - 1;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, u, &report), SF_EBUDGET);
	close_rig(&r);
}
END_TEST

START_TEST(accepts)
{
	static const char *const refused[] = {"vp", "ve", "edm", "double-well"};
	rig own = open_rig("vp", NULL, 0, "sscs");
	sf_process *p = NULL;
	int i;

	for (i = 0; i < 4; i++) {
		rig r = open_rig(refused[i], NULL, 0, "sscs");

		ck_assert_int_eq(sf_sampler_accepts(r.sampler, r.process), SF_EUNSUP);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "position and velocity"));
		close_rig(&r);
	}
	assert_ok(own.ctx, sf_process_from_class(own.ctx, &damped, &p));
	assert_ok(own.ctx, sf_sampler_accepts(own.sampler, p));
	sf_process_free(p);
	close_rig(&own);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sscs");
	TCase *cases = tcase_create("sscs");

	tcase_add_loop_test(cases, between, 0, KINDS);
	tcase_add_test(cases, by_difference);
	tcase_add_test(cases, tiny);
	tcase_add_loop_test(cases, by_hand, 0, 2);
	tcase_add_loop_test(cases, published_half, 0, 2);
	tcase_add_test(cases, fine_grid);
	tcase_add_loop_test(cases, same_bytes, 0, 3);
	tcase_add_loop_test(cases, counts, 0, 4);
	tcase_add_test(cases, accepts);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
