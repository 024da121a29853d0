/* check_teleport.c: closed-form flows and runs that begin with one: exact on normal data for every deterministic sampler, the tail of
 * EDM's grid, evaluations saved, bad input.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include <scorefield/grid.h>

#include <math.h>
#include <stdlib.h>

#define NORMAL "gaussian:mean=0.3:-1:0,std=0.7:0.2:2"
#define SKEWED "mixture:preset=skewed"

/* ---- flows ---- */

START_TEST(golden_flows)
{
	rig r = open_rig("edm", "gaussian:mean=0.3,std=0.7", 1, "heun"), m = open_rig("edm", SKEWED, 1, "heun");
	double x = 1.7, y = 7.1;

	assert_ok(r.ctx, sf_score_flow(r.score, 1, 2, 1, &x));
	assert_close(x, 1.1064881664249755, 4e-16, 0);
	assert_ok(m.ctx, sf_score_flow(m.score, 1, 10, 0.1, &y));
	assert_close(y, 1.09889623755903, 2e-14, 0);
	close_rig(&m);
	close_rig(&r);
}
END_TEST

/* There and back, in two parts, and in every linear process alike: x/alpha moves as a function of sigma/alpha. */
START_TEST(flows_compose)
{
	static const char *const scores[] = {"gaussian:mean=0.3,std=0.7", SKEWED, "gaussian:std=0"};
	double reference[3][5];
	int p, s, i;

	for (p = 0; p < 4; p++)
		for (s = 0; s < 3; s++) {
			rig r = open_rig(processes[p], scores[s], 1, "heun");
			double hi = sf_process_time_of_ratio(r.process, 20), mid = sf_process_time_of_ratio(r.process, 2);
			double lo = sf_process_time_of_ratio(r.process, 0.05), a = sf_process_alpha(r.process, hi);
			double z = sf_process_alpha(r.process, lo), x[5], y[5];

			for (i = 0; i < 5; i++)
				x[i] = y[i] = a * (13 * i - 31);
			assert_ok(r.ctx, sf_score_flow(r.score, 5, hi, lo, x));
			assert_ok(r.ctx, sf_score_flow(r.score, 5, hi, mid, y));
			assert_ok(r.ctx, sf_score_flow(r.score, 5, mid, lo, y));
			for (i = 0; i < 5; i++) {
				assert_close(y[i], x[i], 1e-13, 1e-13);
				if (p == 0)
					reference[s][i] = x[i] / z;
				assert_close(x[i] / z, reference[s][i], 1e-10, 1e-12);
			}
			assert_ok(r.ctx, sf_score_flow(r.score, 5, lo, hi, x));
			for (i = 0; i < 5; i++)
				assert_close(x[i], a * (13 * i - 31), 1e-9, 0);
			close_rig(&r);
		}
}
END_TEST

/* The plane with a correlation against the Runge-Kutta solver. */
START_TEST(rotated_flow)
{
	rig r = open_rig("subvp", "gaussian:mean=0.3:-1,std=0.7:2,rho=-0.6", 2, "rk45:rtol=1e-12,atol=1e-13");
	double x[6] = {0.4, -1, 2, 0.1, 0, 0}, y[6] = {0.4, -1, 2, 0.1, 0, 0};
	int i;

	r.run.n = 3;
	r.run.given_start = 1;
	r.run.denoise = 0;
	r.run.end = 0.01;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	assert_ok(r.ctx, sf_score_flow(r.score, 3, 1, 0.01, y));
	for (i = 0; i < 6; i++)
		assert_close(y[i], x[i], 1e-10, 1e-10);
	close_rig(&r);
}
END_TEST

/* Low rank: the model of rank 2 in three dimensions agrees with the full one whose third axis has the variance `rest`. */
START_TEST(low_rank_flow)
{
	double weight[1] = {1}, mean[3] = {0.3, -1, 0}, basis[6] = {0.6, 0.8, 0, -0.8, 0.6, 0}, var[2] = {4, 0.25}, rest[1] = {0.09};
	double turned[2] = {0.6 * 0.3 - 0.8, -0.8 * 0.3 - 0.6}, c[2];
	sf_components model = {1, 3, 2, weight, mean, basis, var, rest, 0, 1};
	rig r = open_rig("vp", NULL, 3, "heun"), g = open_rig("vp", "gaussian:mean=-0.62:-0.84:0,std=2:0.5:0.3", 3, "heun");
	double x[3] = {2, -0.7, 0.9}, y[3];
	sf_score *s = NULL;
	int j;

	assert_close(turned[0], -0.62, 1e-15, 0);
	assert_close(turned[1], -0.84, 1e-15, 0);
	assert_ok(r.ctx, sf_score_components(r.ctx, r.process, &model, &s));
	y[0] = 0.6 * x[0] + 0.8 * x[1];
	y[1] = -0.8 * x[0] + 0.6 * x[1];
	y[2] = x[2];
	assert_ok(r.ctx, sf_score_flow(s, 1, 1, 0.02, x));
	assert_ok(g.ctx, sf_score_flow(g.score, 1, 1, 0.02, y));
	for (j = 0; j < 2; j++)
		c[j] = basis[3 * j] * x[0] + basis[3 * j + 1] * x[1];
	assert_close(c[0], y[0], 1e-14, 0);
	assert_close(c[1], y[1], 1e-14, 0);
	assert_close(x[2], y[2], 1e-14, 0);
	sf_score_free(s);
	close_rig(&g);
	close_rig(&r);
}
END_TEST

START_TEST(flows_refused)
{
	rig two = open_rig("cld", "gaussian", 1, "em"), plane = open_rig("vp", "mixture:preset=rings8", 2, "heun");
	rig r = open_rig("vp", SKEWED, 1, "heun");
	double x[2] = {0.1, 0.2};

	ck_assert_int_eq(sf_score_flow(two.score, 1, 1, 0.1, x), SF_EUNSUP);
	ck_assert_int_eq(sf_score_flow(plane.score, 1, 1, 0.1, x), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(plane.ctx), "one dimension"));
	ck_assert_int_eq(sf_score_flow(r.score, 1, 1.01, 0.1, x), SF_ERANGE);
	ck_assert_int_eq(sf_score_flow(r.score, 1, 1, 0, x), SF_ERANGE);
	x[0] = 1e4;
	ck_assert_int_eq(sf_score_flow(r.score, 1, 1, 0.1, x), SF_ERANGE);
	assert_ok(r.ctx, sf_score_flow(r.score, 1, 0.5, 0.5, x));
	ck_assert(x[0] == 1e4);
	close_rig(&r);
	close_rig(&plane);
	close_rig(&two);
}
END_TEST

/* ---- runs ---- */

/* With the data's own score: teleport and the rest is the rest alone, from the exact state. Every sampler that draws no noise. */
START_TEST(remaining_steps)
{
	const sf_class *const *m;
	int count = 0, p;

	for (m = sf_members("sampler"); *m; m++)
		for (p = 0; p < 4; p++) {
			rig r = open_rig(processes[p], NORMAL, 3, (*m)->name);
			double x[6] = {1, -2, 0.5, 0.1, 0.7, -1}, y[6], t, top;
			sf_sample_report report;
			int i;

			if (sf_sampler_stochastic(r.sampler) || sf_sampler_accepts(r.sampler, r.process) < 0) {
				close_rig(&r);
				continue;
			}
			top = sf_process_horizon(r.process);
			t = sf_process_time_of_ratio(r.process, 3);
			for (i = 0; i < 6; i++)
				y[i] = x[i] *= sf_process_sigma(r.process, top);
			r.run.n = 2;
			r.run.given_start = 1;
			r.run.denoise = 0;
			r.run.steps = 7;
			r.run.teleport = r.score;
			r.run.skip = 3;
			r.run.all_steps = 1;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, &report));
			assert_close(report.start, t, 1e-14, 0);
			ck_assert(sf_sampler_adaptive(r.sampler) ? isnan(report.saved) : report.saved == 0);
			assert_ok(r.ctx, sf_score_flow(r.score, 2, top, t, y));
			r.run.teleport = NULL;
			r.run.start = t;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, NULL));
			ck_assert_msg(memcmp(x, y, sizeof x) == 0, "%s on %s", (*m)->name, processes[p]);
			count++;
			close_rig(&r);
		}
	ck_assert_int_gt(count, 30);
}
END_TEST

/* EDM's 18 steps: dropping k of them leaves the levels that a grid of N - k from there has. */
static int remember(void *user, int64_t step, double t, int64_t n, const double *x)
{
	(void)n;
	(void)x;
	((double *)user)[step] = t;
	return 0;
}

START_TEST(tail_of_the_grid)
{
	static const double levels[18] = {80, 57.586, 40.786, 28.375, 19.352, 12.910, 8.401, 5.315, 3.257, 1.923, 1.088,
	                                  .5853, .2964, .1395, .0599, .0229, .0075, .002};
	rig r = open_rig("edm", "gaussian:std=0.5", 1, "heun");
	double kept[32], made[32], x;
	sf_sample_report report;
	int k, i;

	for (k = 0; k < 13; k++) {
		r.run.steps = 18;
		r.run.teleport = r.score;
		r.run.skip = levels[k];
		r.run.all_steps = 0;
		r.run.observe = remember;
		r.run.user = kept;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
		ck_assert(report.nfe == 35 - 2 * k && report.saved == 2 * k);
		ck_assert_int_eq(report.steps, 18 - k);
		r.run.steps = 18 - k;
		r.run.skip = kept[0];
		r.run.all_steps = 1;
		r.run.user = made;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
		ck_assert(report.nfe == 35 - 2 * k && report.saved == 0);
		for (i = 0; i <= 18 - k; i++) {
			assert_close(made[i], kept[i], 9e-15, 0);
			if (i < 18 - k)
				assert_close(kept[i], levels[k + i], 0.05, 5e-5 + 5e-4 * (levels[k + i] > 1));
		}
	}
	close_rig(&r);
}
END_TEST

/* What is left is the error of the steps that are left: with all of a fine part skipped, far less than without. */
START_TEST(less_error)
{
	rig r = open_rig("edm", NORMAL, 3, "heun");
	double x[3] = {70, -31, 12}, y[3] = {70, -31, 12}, z[3] = {70, -31, 12}, plain = 0, skipped = 0;
	int j;

	r.run.given_start = 1;
	r.run.steps = 12;
	r.run.end = 0.002;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	r.run.teleport = r.score;
	r.run.skip = 1;
	r.run.all_steps = 1;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, NULL));
	assert_ok(r.ctx, sf_score_flow(r.score, 1, 80, 0.002, z));
	for (j = 0; j < 3; j++) {
		plain += fabs(x[j] - z[j]);
		skipped += fabs(y[j] - z[j]);
	}
	ck_assert_msg(skipped < plain / 2, "%g, %g", skipped, plain);
	close_rig(&r);
}
END_TEST

static void refused(const char *process, const char *sampler, double skip, int code, const char *text)
{
	rig r = open_rig(process, "gaussian", 1, sampler);
	double x[2];

	r.run.steps = 9;
	r.run.teleport = r.score;
	r.run.skip = skip;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), code);
	ck_assert_msg(strstr(sf_ctx_message(r.ctx), text) != NULL, "%s", sf_ctx_message(r.ctx));
	close_rig(&r);
}

START_TEST(bad_levels)
{
	rig r = open_rig("edm", "gaussian", 1, "heun"), vp = open_rig("vp", "gaussian", 1, "heun"), two = open_rig("edm", "gaussian", 2, "heun");
	double x[2];

	refused("edm", "heun", 80.1, SF_ERANGE, "up to 80");
	refused("edm", "heun", 0.002, SF_ERANGE, "above 0.002");
	refused("edm", "heun", 0, SF_ERANGE, "noise level 0");
	refused("edm", "heun", -1, SF_ERANGE, "noise level -1");
	refused("edm", "heun", NAN, SF_ERANGE, "noise level nan");
	refused("edm", "rk45", 0.001, SF_ERANGE, "noise level");
	refused("cld", "em", 5, SF_EUNSUP, "'cld' has none");
	refused("ve", "ald", 5, SF_EUNSUP, "'ald'");
	r.run.teleport = vp.score;
	r.run.skip = 10;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EMISMATCH);
	r.run.teleport = two.score;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), SF_EMISMATCH);
	close_rig(&two);
	close_rig(&vp);
	close_rig(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("teleport");
	TCase *flows = tcase_create("flows"), *runs = tcase_create("runs");

	tcase_add_test(flows, golden_flows);
	tcase_add_test(flows, flows_compose);
	tcase_add_test(flows, rotated_flow);
	tcase_add_test(flows, low_rank_flow);
	tcase_add_test(flows, flows_refused);
	tcase_add_test(runs, remaining_steps);
	tcase_add_test(runs, tail_of_the_grid);
	tcase_add_test(runs, less_error);
	tcase_add_test(runs, bad_levels);
	suite_add_tcase(suite, flows);
	suite_add_tcase(suite, runs);
	return sf_test_main(suite);
}
