/* check_pc.c: predictors and correctors beyond what verify measures: samples with norms of their own and with the batch's, the
 * published index and its drift, final steps, evaluations (of ald too), refusals.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include <scorefield/grid.h>

#include <math.h>
#include <stdlib.h>

#define RINGS "mixture:preset=rings8"
#define SKEWED "mixture:preset=skewed"

/* ---- norms ---- */

enum { BATCH = 5, DIM = 3 };

/* One Langevin step of every kind of norm, by hand. */
START_TEST(norms)
{
	static const char *const specs[] = {"pc:predictor=none", "pc:predictor=none,norms=batch",
	                                    "pc:predictor=none,norms=dimension"};
	rig r = open_rig("edm", "gaussian:std=0.5", DIM, specs[_i]);
	sf_noise key = {6, SF_NOISE_CORRECT, 0};
	double x[BATCH * DIM], y[BATCH * DIM], s[BATCH * DIM], z[BATCH * DIM], t[BATCH], nz[BATCH], ns[BATCH], sumz = 0, sums = 0;
	int i, j;

	for (i = 0; i < BATCH * DIM; i++)
		x[i] = y[i] = 3 * sin(i + 1.0);
	for (i = 0; i < BATCH; i++) {
		t[i] = 80;
		sf_noise_normal_d(r.ctx, key, (uint64_t)i, 0, DIM, z + i * DIM);
	}
	assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, BATCH, x, t, s));
	for (i = 0; i < BATCH; i++) {
		nz[i] = ns[i] = 0;
		for (j = i * DIM; j < (i + 1) * DIM; j++) {
			nz[i] += z[j] * z[j];
			ns[i] += s[j] * s[j];
		}
		sumz += sqrt(nz[i]) / BATCH;
		sums += sqrt(ns[i]) / BATCH;
	}
	r.run.n = BATCH;
	r.run.steps = 1;
	r.run.seed = 6;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, NULL));
	for (i = 0; i < BATCH; i++) {
		double ratio = _i == 0 ? sqrt(nz[i] / ns[i]) : _i == 1 ? sumz / sums : sqrt(DIM / ns[i]);
		double e = 2 * (0.16 * ratio) * (0.16 * ratio);

		for (j = i * DIM; j < (i + 1) * DIM; j++)
			assert_close(y[j], x[j] + e * s[j] + sqrt(2 * e) * z[j], 1e-13, 1e-13);
	}
	close_rig(&r);
}
END_TEST

/* Norms of the batch tie samples to their neighbours, but not to threads. */
START_TEST(batch_norms)
{
	rig r = open_rig("ve", RINGS, 2, "pc:norms=batch");
	double whole[14], part[14];

	r.run.n = 7;
	r.run.steps = 9;
	r.run.seed = 41;
	assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, 1));
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, whole, NULL));
	assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, 3));
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part, NULL));
	ck_assert(memcmp(whole, part, sizeof whole) == 0);
	r.run.n = 6;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part, NULL));
	ck_assert(memcmp(whole, part, 2 * sizeof *part) != 0);
	close_rig(&r);
}
END_TEST

static int nothing(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)x;
	(void)t;
	memset(out, 0, (size_t)n * sizeof *out);
	return SF_OK;
}

/* A score of 0 gives no length to step by: the sample stays. */
START_TEST(no_score)
{
	static const char *const specs[] = {"pc:predictor=none", "pc:predictor=none,norms=batch", "pc:predictor=none,norms=dimension"};
	rig r = open_rig("ve", NULL, 0, specs[_i]);
	double x[2] = {0.4, -2};

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, nothing, NULL, NULL, &r.score));
	r.run.n = 2;
	r.run.steps = 3;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	ck_assert(x[0] == 0.4 && x[1] == -2);
	close_rig(&r);
}
END_TEST

/* a = phi^2 of the step below, or with a=product alpha(t)^2: one step of ald at time 1 on a grid of two. */
START_TEST(factor)
{
	rig r = open_rig("vp", NULL, 0, _i ? "pc:predictor=none,corrector=ald,a=product" : "pc:predictor=none,corrector=ald");
	sf_noise key = {6, SF_NOISE_CORRECT, 0};
	double alpha = sf_process_alpha(r.process, 1), phi = alpha / sf_process_alpha(r.process, 0.5), sigma = sf_process_sigma(r.process, 1);
	double a = _i ? alpha * alpha : phi * phi, e = 2 * a * 0.16 * 0.16 * sigma * sigma, x = 0.7, z;
	asked w = {0, {0}};

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, listen, &w, NULL, &r.score));
	r.run.steps = 1;
	r.run.end = 0.5;
	r.run.seed = 6;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	sf_noise_normal_d(r.ctx, key, 0, 0, 1, &z);
	ck_assert(w.n == 1 && w.t[0] == 1);
	assert_close(x, 0.7 - e * 0.7 + sqrt(2 * e) * z, 1e-13, 0);
	close_rig(&r);
}
END_TEST

/* ---- members are what they are in pc ---- */

START_TEST(pc_is_its_predictor)
{
	static const char *const specs[][2] = {
		{"em", "pc:corrector=none,predictor=em"},
		{"em:eta=0.4", "pc:corrector=none,predictor=em,eta=0.4"},
		{"reverse-diffusion", "pc:corrector=none"},
		{"reverse-diffusion:eta=0", "pc:corrector=none,eta=0"},
		{"reverse-diffusion:published=true", "pc:corrector=none,published=true"},
		{"reverse-diffusion:published=true,truncate=true", "pc:corrector=none,published=true,truncate=true"},
		{"ancestral:variance=posterior", "pc:corrector=none,predictor=ancestral,variance=posterior"},
		{"ancestral:published=true", "pc:corrector=none,predictor=ancestral,published=true"}};
	double x[2][6];
	sf_sample_report report[2];
	int k;

	for (k = 0; k < 2; k++) {
		rig r = open_rig("vp", RINGS, 2, specs[_i][k]);

		r.run.n = 3;
		r.run.steps = 40;
		r.run.seed = 5;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x[k], &report[k]));
		ck_assert_int_eq(sf_sampler_steps(r.sampler, 100), strstr(specs[_i][k], "published") ? 100 : 99);
		close_rig(&r);
	}
	ck_assert(memcmp(x[0], x[1], sizeof x[0]) == 0);
	ck_assert(report[0].nfe == report[1].nfe);
}
END_TEST

/* Reverse diffusion and ancestral sampling differ by O(beta^2) under vp, and by the noise's variance alone under ve. */
START_TEST(close_relatives)
{
	double x[2][2], gap[2];
	int i, k;

	for (i = 0; i < 2; i++) {
		for (k = 0; k < 2; k++) {
			rig r = open_rig("vp", "gaussian:std=0.5", 1, k ? "ancestral" : "reverse-diffusion");

			r.run.steps = 400 << i;
			r.run.nfe_max = 1;
			r.run.given_start = 1;
			r.run.denoise = 0;
			x[i][k] = 0.8;
			ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, &x[i][k], NULL), SF_EBUDGET); /* one step */
			close_rig(&r);
		}
		gap[i] = fabs(x[i][0] - x[i][1]);
	}
	assert_close(gap[0] / gap[1], 4, 0.02, 0);
}
END_TEST

/* ---- the published index ---- */

/* N times from T to eps, both ends among them; corrector and predictor ask at the same time. */
START_TEST(published_times)
{
	rig r = open_rig("vp", NULL, 0, _i ? "pc:published=true" : "pc:published=true,corrections=2");
	asked a = {0, {0}};
	sf_sample_report report;
	double x = 0.3;
	int i, per = _i ? 2 : 3;

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, listen, &a, NULL, &r.score));
	r.run.steps = 40;
	r.run.given_start = 1;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
	ck_assert_int_eq(a.n, 40 * per);
	ck_assert(report.nfe == 40 * per);
	for (i = 0; i < a.n; i++)
		assert_close(a.t[i], 1 + (i / per) / 39.0 * (1e-3 - 1), 1e-14, 0);
	close_rig(&r);
}
END_TEST

/* Counting down and rounding down agree up to N = 1000 with eps = 1e-3; for 2000 the levels drift, one is taken twice and level 0
 * never. Runs from below T round in any case. */
START_TEST(truncation)
{
	static const struct {
		int64_t steps;
		double start;
		int same;
	} want[] = {{50, NAN, 1}, {1000, NAN, 1}, {2000, NAN, 0}, {2000, 0.9, 1}};
	int i, k;

	for (i = 0; i < 4; i++) {
		double x[2] = {0.7, 0.7};

		for (k = 0; k < 2; k++) {
			rig r = open_rig("vp", "gaussian:std=0.5", 1,
			                 k ? "ancestral:published=true,truncate=true" : "ancestral:published=true");

			r.run.steps = want[i].steps;
			r.run.start = want[i].start;
			r.run.given_start = 1;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x[k], NULL));
			close_rig(&r);
		}
		ck_assert_msg((x[0] == x[1]) == want[i].same, "%d steps: %.17g and %.17g", (int)want[i].steps, x[0], x[1]);
	}
}
END_TEST

/* Where truncation drifts: 2000 steps, the last is at level 1. Without noise, and with a score of 0, a step of vp divides by
 * sqrt(1 - beta_k): the result is the product over the levels that were visited. */
START_TEST(levels_visited)
{
	int k, i;

	for (k = 0; k < 2; k++) {
		rig r = open_rig("vp", NULL, 0, k ? "reverse-diffusion:published=true,truncate=true,eta=0"
		                                  : "reverse-diffusion:published=true,eta=0");
		double x = 1, want = 1;

		assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, nothing, NULL, NULL, &r.score));
		r.run.steps = 2000;
		r.run.given_start = 1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
		for (i = 0; i < 2000; i++) {
			int level = 1999 - i + (k && i >= 1000); /* the published index is one too high from the middle on */

			want *= 2 - sqrt(1 - (0.1 + 19.9 * level / 1999) / 2000);
		}
		assert_close(x, want, 1e-11, 0);
		close_rig(&r);
	}
}
END_TEST

/* ---- the end of a run ---- */

/* A step to time 0 leaves its noise out; ancestral's is Tweedie's formula. */
START_TEST(to_zero)
{
	static const char *const process[] = {"vp", "ve", "edm", "ddpm"};
	rig r = open_rig(process[_i], SKEWED, 1, "ancestral");
	double x = 0.6, y, t = 0.2, alpha = sf_process_alpha(r.process, t), sigma = sf_process_sigma(r.process, t), want, s;
	sf_sampler *reverse = NULL;

	assert_ok(r.ctx, sf_score_eval(r.score, SF_DENOISED, 1, &x, &t, &want));
	assert_ok(r.ctx, sf_score_eval(r.score, SF_SCORE, 1, &x, &t, &s));
	r.run.start = t;
	r.run.end = 0;
	r.run.steps = 1;
	r.run.given_start = 1;
	y = x;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &y, NULL));
	assert_close(y, want, 1e-13, 0);
	assert_ok(r.ctx, sf_sampler_new(r.ctx, "reverse-diffusion", &reverse));
	y = x;
	assert_ok(r.ctx, sf_sample(reverse, r.score, &r.run, &y, NULL));
	assert_close(y, (2 - alpha) * x + sigma * sigma * s, 1e-13, 0);
	sf_sampler_free(reverse);
	close_rig(&r);
}
END_TEST

/* The published final denoising is the last predictor's mean, so there is none without a predictor; else it is Tweedie's. */
START_TEST(final_denoising)
{
	static const struct {
		const char *spec;
		int differs;
		double more; /* evaluations */
	} want[] = {{"pc:published=true", 1, 0}, {"pc:published=true,predictor=none", 0, 0}, {"pc:predictor=none", 1, 1}, {"pc", 1, 1}};
	rig r = open_rig("ve", SKEWED, 1, want[_i].spec);
	sf_sample_report report[2];
	double x[2];
	int k;

	for (k = 0; k < 2; k++) {
		r.run.steps = 30;
		r.run.denoise = k;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x[k], &report[k]));
	}
	ck_assert_int_eq(x[0] != x[1], want[_i].differs);
	ck_assert(report[1].nfe - report[0].nfe == want[_i].more);
	close_rig(&r);
}
END_TEST

/* ---- evaluations and refusals ---- */

START_TEST(counts)
{
	static const struct {
		const char *sampler, *process, *grid;
		int64_t steps;
		int denoise;
		double nfe;
	} want[] = {{"reverse-diffusion", "ve", NULL, 10, -1, 11},
	            {"reverse-diffusion", "ve", NULL, 10, 0, 10},
	            {"ancestral:published=true", "ve", NULL, 10, -1, 10},
	            {"ancestral", "edm", "karras", 10, -1, 10},
	            {"pc", "ve", NULL, 10, -1, 21},
	            {"pc:corrections=3", "ve", NULL, 10, -1, 41},
	            {"pc:corrector=none", "ve", NULL, 10, -1, 11},
	            {"pc:predictor=none", "ve", NULL, 10, 0, 10},
	            {"pc:published=true", "ve", NULL, 10, -1, 20},
	            {"pc:first=predictor", "ve", NULL, 10, -1, 21},
	            {"pc:first=predictor,corrections=2", "edm", "karras", 10, -1, 28}, /* nothing is corrected at 0 */
	            {"ald", "ve:levels=10", NULL, 0, -1, 51},
	            {"ald", "ve:levels=10", NULL, 0, 0, 50},
	            {"ald:inner=1", "edm", NULL, 10, -1, 11},
	            {"ald:inner=1", "edm", "karras:final=last", 10, 1, 11}};
	rig r = open_rig(want[_i].process, SKEWED, 1, want[_i].sampler);
	sf_grid *g = NULL;
	sf_sample_report report;
	double x[3];

	if (want[_i].grid)
		assert_ok(r.ctx, sf_grid_new(r.ctx, want[_i].grid, &g));
	r.run.grid = g;
	r.run.n = 3;
	r.run.steps = want[_i].steps;
	r.run.denoise = want[_i].denoise;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, &report));
	ck_assert_msg(report.nfe == want[_i].nfe, "%s on %s: %g evaluations, expected %g", want[_i].sampler, want[_i].process,
	              report.nfe, want[_i].nfe);
	r.run.nfe_max = (int64_t)want[_i].nfe;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	r.run.nfe_max--;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, &report), SF_EBUDGET);
	ck_assert(report.nfe <= (double)r.run.nfe_max);
	sf_grid_free(g);
	close_rig(&r);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *spec, *word;
	} bad[] = {{"pc:predictor=none,corrector=none", "nothing to do"},
	           {"pc:published=true,first=predictor", "corrects first"},
	           {"pc:predictor=ancestral,eta=0", "ancestral"}};
	static const char *const scalar[] = {"pc", "ald", "reverse-diffusion", "ancestral"};
	sf_ctx *ctx = ck_ctx();
	sf_sampler *s;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_int_eq(sf_sampler_new(ctx, bad[i].spec, &s), SF_EINVAL);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), bad[i].word));
		ck_assert_ptr_null(s);
	}
	sf_ctx_free(ctx);
	for (i = 0; i < sizeof scalar / sizeof *scalar; i++) {
		rig r = open_rig("cld", NULL, 0, scalar[i]), q = open_rig("double-well", NULL, 0, scalar[i]);

		ck_assert_int_eq(sf_sampler_accepts(r.sampler, r.process), SF_EUNSUP);
		ck_assert_int_eq(sf_sampler_accepts(q.sampler, q.process), SF_EUNSUP);
		close_rig(&r);
		close_rig(&q);
	}
}
END_TEST

/* Too few published steps for a level to keep anything; published steps and ald's levels need noise at their end. */
START_TEST(refused_runs)
{
	rig r = open_rig("vp", "gaussian", 1, "reverse-diffusion:published=true"), a = open_rig("vp", "gaussian", 1, "ald");
	sf_grid *g = NULL;
	double x;

	r.run.steps = 20; /* beta_max/20 = 1 */
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, &x, NULL), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "20 published steps"));
	r.run.steps = 21;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	assert_ok(r.ctx, sf_grid_new(r.ctx, "uniform:final=zero", &g));
	r.run.grid = g;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, &x, NULL), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "above time 0"));
	sf_grid_free(g);
	close_rig(&r);
	a.run.steps = 1; /* a single level, with nothing after it */
	assert_ok(a.ctx, sf_sample(a.sampler, a.score, &a.run, &x, NULL));
	close_rig(&a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pc");
	TCase *correctors = tcase_create("correctors"), *predictors = tcase_create("predictors");
	TCase *runs = tcase_create("runs");

	tcase_add_loop_test(correctors, norms, 0, 3);
	tcase_add_test(correctors, batch_norms);
	tcase_add_loop_test(correctors, no_score, 0, 3);
	tcase_add_loop_test(correctors, factor, 0, 2);
	tcase_add_loop_test(predictors, pc_is_its_predictor, 0, 8);
	tcase_add_test(predictors, close_relatives);
	tcase_add_loop_test(predictors, published_times, 0, 2);
	tcase_add_test(predictors, truncation);
	tcase_add_test(predictors, levels_visited);
	tcase_add_loop_test(predictors, to_zero, 0, 4);
	tcase_add_loop_test(predictors, final_denoising, 0, 4);
	tcase_add_loop_test(runs, counts, 0, 15);
	tcase_add_test(runs, refused);
	tcase_add_test(runs, refused_runs);
	suite_add_tcase(suite, correctors);
	suite_add_tcase(suite, predictors);
	suite_add_tcase(suite, runs);
	return sf_test_main(suite);
}
