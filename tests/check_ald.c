/* check_ald.c: annealed Langevin dynamics beyond what verify measures: the levels that are asked for, where chains start, the rule for
 * the step.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include <math.h>

/* A process with levels is asked at them, from the top down to time 0. */
START_TEST(ald_levels)
{
	rig r = open_rig("ve:levels=12", NULL, 0, "ald:inner=2");
	asked a = {0, {0}};
	int64_t steps;
	double x = 0.3;
	int i;

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, listen, &a, NULL, &r.score));
	ck_assert_str_eq(sf_sampler_grid(r.sampler, r.process, &steps), "uniform:final=zero");
	ck_assert_int_eq(steps, 12);
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	ck_assert_int_eq(a.n, 25);
	for (i = 0; i < 24; i++)
		assert_close(a.t[i], (11 - i / 2) / 11.0, 1e-15, 0);
	ck_assert(a.t[24] == 0); /* the final denoising is at the last level */
	/* fewer steps than levels: the nearest ones */
	a.n = 0;
	r.run.steps = 5;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	ck_assert_int_eq(a.n, 10);
	for (i = 0; i < 10; i++)
		assert_close(11 * a.t[i], floor(11 * (1 - i / 2 / 4.0) + 0.5), 1e-14, 0);
	close_rig(&r);
}
END_TEST

START_TEST(ald_start)
{
	rig r = open_rig("ve:levels=4", "gaussian:std=0.5", 3, "ald:start=uniform");
	sf_noise key = {12, SF_NOISE_PRIOR, 0};
	double x[9], u[3];
	int i;

	r.run.n = 3;
	r.run.seed = 12;
	r.run.first_sample = 70;
	r.run.nfe_max = 1; /* the start, and no more */
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EBUDGET);
	for (i = 0; i < 9; i++)
		ck_assert(x[i] > 0 && x[i] < 1);
	sf_noise_uniform_d(r.ctx, key, 72, 0, 3, u);
	ck_assert(memcmp(u, x + 6, sizeof u) == 0);
	/* a given start is kept */
	x[0] = 5;
	r.run.n = 1;
	r.run.given_start = 1;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EBUDGET);
	ck_assert(x[0] == 5);
	close_rig(&r);
}
END_TEST

/* Technique 4 for levels far apart and close together, many steps and one: the derivative is 0 at the minimum. */
START_TEST(best_step)
{
	static const double gamma[] = {1.001, 1.04, 1.5, 3, 40};
	static const int64_t steps[] = {1, 5, 100};
	int i, j;

	for (i = 0; i < 5; i++)
		for (j = 0; j < 3; j++) {
			double r = sf_ald_step(gamma[i], steps[j]), least = sf_ald_ratio(gamma[i], steps[j], r);

			ck_assert(r > 0 && r <= 1);
			ck_assert(least > 1 && least < gamma[i] * gamma[i]);
			ck_assert(sf_ald_ratio(gamma[i], steps[j], 0.99 * r) >= least);
			ck_assert(sf_ald_ratio(gamma[i], steps[j], 1.01 * r) >= least);
		}
	assert_close(sf_ald_overlap(3072, 1), 2 * 0.49865010196837, 1e-9, 0); /* within three standard deviations */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ald");
	TCase *cases = tcase_create("ald");

	tcase_add_test(cases, ald_levels);
	tcase_add_test(cases, ald_start);
	tcase_add_test(cases, best_step);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
