/* check_sampler.c: every sampler of the registry: specs, bytes that depend neither on threads nor
 * on the batch, counted evaluations and the budget. Convergence and golden runs are rows of
 * verify.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define SKEWED "mixture:preset=skewed"
#define RINGS "mixture:preset=rings8"

/* ---- the registry's contract ---- */

/* A legal value that is not the default. */
static void other_value(const sf_opt *o, char *value, size_t size)
{
	double def = strtod(o->def, NULL), v = isfinite(def) && def != 0 ? def * 0.93 : 0.31;

	switch (o->type) {
	case SF_OPT_DOUBLE:
		snprintf(value, size, "%.17g", v < o->min ? o->min : v);
		break;
	case SF_OPT_INT:
		snprintf(value, size, "%d", (int)(def > o->min ? o->min : o->min + 1));
		break;
	case SF_OPT_BOOL:
		snprintf(value, size, "%s", strcmp(o->def, "true") == 0 ? "false" : "true");
		break;
	default: /* the last choice, or the first */
		ck_assert_int_eq(o->type, SF_OPT_CHOICE);
		snprintf(value, size, "%s", strrchr(o->choices, '|') + 1);
		if (strcmp(value, o->def) == 0)
			snprintf(value, size, "%.*s", (int)strcspn(o->choices, "|"), o->choices);
		break;
	}
}

START_TEST(registry)
{
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("sampler");
	sf_process *p = NULL, *two = NULL;
	int n = 0;

	assert_ok(ctx, sf_process_new(ctx, "vp", &p));
	assert_ok(ctx, sf_process_new(ctx, "cld", &two));
	for (; *m; m++, n++) {
		sf_sampler *s = NULL, *again = NULL;
		sf_grid *g = NULL;
		const sf_opt *o;
		int64_t steps = -1;
		char spec[160], value[40];

		ck_assert((*m)->name[0] && (*m)->brief[0] && (*m)->ref[0]);
		assert_ok(ctx, sf_sampler_new(ctx, (*m)->name, &s));
		ck_assert_str_eq(sf_spec(s), (*m)->name);
		ck_assert_int_ge(sf_sampler_order(s), 1);
		assert_ok(ctx, sf_sampler_accepts(s, strcmp((*m)->name, of_two_blocks[0]) == 0 ? two : p));
		assert_ok(ctx, sf_grid_new(ctx, sf_sampler_grid(s, p, &steps), &g));
		ck_assert_int_ge(steps, 1);
		ck_assert_int_ge(sf_sampler_steps(s, 35), 1);
		ck_assert_int_ge(sf_sampler_steps(s, 1), 1);
		sf_grid_free(g);
		sf_sampler_free(s);
		for (o = (*m)->opts; o && o->name; o++) {
			ck_assert(o->help[0]);
			if (o->type == SF_OPT_STRING) /* names of files */
				continue;
			other_value(o, value, sizeof value);
			snprintf(spec, sizeof spec, "%s:%s=%s", (*m)->name, o->name, value);
			assert_ok(ctx, sf_sampler_new(ctx, spec, &s));
			ck_assert_msg(strstr(sf_spec(s), o->name), "%s is read as %s", spec, sf_spec(s));
			assert_ok(ctx, sf_sampler_new(ctx, sf_spec(s), &again));
			ck_assert_str_eq(sf_spec(again), sf_spec(s));
			sf_sampler_free(s);
			sf_sampler_free(again);
			snprintf(spec, sizeof spec, "%s:%s=no-such", (*m)->name, o->name);
			ck_assert_int_eq(sf_sampler_new(ctx, spec, &s), SF_EINVAL);
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), o->name));
			ck_assert_ptr_null(s);
			if (!(o->min < o->max))
				continue;
			snprintf(spec, sizeof spec, "%s:%s=%d", (*m)->name, o->name, -1);
			ck_assert_int_eq(sf_sampler_new(ctx, spec, &s), SF_ERANGE);
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "out of range"));
		}
		snprintf(spec, sizeof spec, "%s:no-such-option=1", (*m)->name);
		ck_assert_int_eq(sf_sampler_new(ctx, spec, &s), SF_ENAME);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no-such-option"));
	}
	ck_assert_int_ge(n, 4);
	sf_process_free(p);
	sf_process_free(two);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(properties)
{
	static const struct {
		const char *spec;
		int order, adaptive, stochastic;
		int64_t steps; /* for 35 evaluations */
	} want[] = {{"em", 1, 0, 1, 34},
	            {"em:eta=0", 1, 0, 0, 34},
	            {"em:published=on", 1, 0, 1, 35},
	            {"euler", 1, 0, 0, 34},
	            {"heun", 2, 0, 0, 18},
	            {"heun:order=1", 1, 0, 0, 35},
	            {"rk45", 5, 1, 0, 35},
	            {"heun:churn=3", 2, 0, 1, 18},
	            {"reverse-diffusion", 1, 0, 1, 34},
	            {"reverse-diffusion:eta=0", 1, 0, 0, 34},
	            {"ancestral:published=true", 1, 0, 1, 35},
	            {"pc", 1, 0, 1, 17},
	            {"pc:corrections=3,published=true", 1, 0, 1, 8},
	            {"pc:corrector=none,eta=0", 1, 0, 0, 34},
	            {"pc:eta=0", 1, 0, 1, 17},
	            {"ald", 1, 0, 1, 6},
	            {"ggf", 2, 1, 1, 35},
	            {"ggf:extrapolate=false", 1, 1, 1, 35},
	            {"sscs", 1, 0, 1, 34},
	            {"sscs:order=2", 2, 0, 1, 17},
	            {"ddim", 1, 0, 0, 35},
	            {"ddim:eta=1", 1, 0, 1, 35},
	            {"euler-ancestral", 1, 0, 1, 35},
	            {"dpm", 3, 0, 0, 11},
	            {"dpm:order=2", 2, 0, 0, 17},
	            {"dpm2", 2, 0, 0, 18},
	            {"dpm-fast", 1, 0, 0, 12},
	            {"dpm-adaptive", 3, 1, 0, 35},
	            {"dpmpp", 2, 0, 0, 35},
	            {"dpmpp:order=3", 3, 0, 0, 35},
	            {"dpmpp:order=3,published=true", 2, 0, 0, 35},
	            {"dpmpp:order=3,method=singlestep", 3, 0, 0, 11},
	            {"dpmpp-sde", 2, 0, 1, 18},
	            {"dpmpp-sde:solver=3m,eta=0", 3, 0, 0, 35},
	            {"deis", 4, 0, 0, 35},
	            {"lms:order=3", 3, 0, 0, 35},
	            {"ipndm", 2, 0, 0, 35},
	            {"unipc", 4, 0, 0, 35},
	            {"unipc:order=2,corrector=false", 2, 0, 0, 35},
	            {"rk4", 4, 0, 0, 8}};
	sf_ctx *ctx = ck_ctx();
	size_t i;

	for (i = 0; i < sizeof want / sizeof *want; i++) {
		sf_sampler *s = NULL;

		assert_ok(ctx, sf_sampler_new(ctx, want[i].spec, &s));
		ck_assert_int_eq(sf_sampler_order(s), want[i].order);
		ck_assert_int_eq(sf_sampler_adaptive(s), want[i].adaptive);
		ck_assert_int_eq(sf_sampler_stochastic(s), want[i].stochastic);
		ck_assert_int_eq(sf_sampler_steps(s, 35), want[i].steps);
		sf_sampler_free(s);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* ---- bytes ---- */

enum { BATCH = 7, SIZE = BATCH * 2 };

/* Every registered sampler is in the list above. */
START_TEST(all_listed)
{
	const sf_class *const *m;
	int i;

	for (m = sf_members("sampler"); *m; m++) {
		for (i = 0; i < ALL; i++)
			if (strncmp(all[i], (*m)->name, strlen((*m)->name)) == 0)
				break;
		ck_assert_msg(i < ALL || strcmp((*m)->name, of_two_blocks[0]) == 0, "%s is not tested", (*m)->name);
	}
}
END_TEST

/* 1 = 2 = 3 threads, and 7 samples = 7 times one, byte for byte. */
START_TEST(same_bytes)
{
	int p, i, threads;

	for (p = 0; p < 4; p++) {
		rig r = open_rig(processes[p], RINGS, 2, all[_i]);
		double whole[SIZE], part[SIZE];

		r.run.n = BATCH;
		r.run.steps = 9;
		r.run.seed = 41;
		r.run.first_sample = 1000;
		assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, 1));
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, whole, NULL));
		for (threads = 2; threads <= 3; threads++) {
			assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, threads));
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part, NULL));
			ck_assert(memcmp(whole, part, sizeof whole) == 0);
		}
		r.run.n = 1;
		for (i = 0; i < BATCH; i++) {
			r.run.first_sample = 1000 + (uint64_t)i;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part + 2 * i, NULL));
		}
		ck_assert_msg(memcmp(whole, part, sizeof whole) == 0,
		              "%s on %s depends on the batch", all[_i], processes[p]);
		r.run.first_sample = 1000;
		r.run.seed = 42;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, part, NULL));
		ck_assert(memcmp(whole, part, 2 * sizeof *part) != 0);
		close_rig(&r);
	}
}
END_TEST

/* Enough samples for several tiles. */
START_TEST(same_bytes_large)
{
	enum { N = 12000 };
	static double one[N], three[N];
	rig r = open_rig("vp", "gaussian:std=0.5", 1, all[_i]);

	r.run.n = N;
	r.run.steps = 3;
	assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, 1));
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, one, NULL));
	assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, 3));
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, three, NULL));
	ck_assert(memcmp(one, three, sizeof one) == 0);
	close_rig(&r);
}
END_TEST

/* Two halves of one run differ only in their sample numbers. */
START_TEST(noise_keys)
{
	rig r = open_rig("edm", "gaussian", 3, "em");
	sf_noise key = {17, SF_NOISE_PRIOR, 0};
	double x[6], z[3];

	r.run.seed = 17;
	r.run.n = 2;
	r.run.first_sample = 5;
	r.run.steps = 1;
	r.run.nfe_max = 1; /* not even the final denoising: what is left is one step */
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	/* one step from t = 80 to 0.002: x + h 160 s + sqrt(160 h) z', score -x/(6401) */
	sf_noise_normal_d(r.ctx, key, 6, 0, 3, z);
	{
		sf_noise step = {17, SF_NOISE_STEP, 0};
		double w[3], h = 80 - 0.002;
		int j;

		sf_noise_normal_d(r.ctx, step, 6, 0, 3, w);
		for (j = 0; j < 3; j++)
			assert_close(x[3 + j],
			             80 * z[j] * (1 - h * 160 / 6401) + sqrt(160 * h) * w[j], 1e-12,
			             1e-11);
	}
	close_rig(&r);
}
END_TEST

/* ---- evaluations ---- */

START_TEST(counts)
{
	static const struct {
		const char *sampler, *process;
		int64_t steps;
		int denoise;
		double nfe;
	} want[] = {{"em", "vp", 10, -1, 11},        {"em", "vp", 10, 0, 10},
	            {"em:published=true", "vp", 10, -1, 10}, {"euler", "vp", 10, -1, 11},
	            {"heun", "edm", 18, -1, 35},     {"heun", "edm", 1, -1, 1},
	            {"heun", "vp", 18, -1, 35},      {"heun", "ve", 40, -1, 79},
	            {"heun:order=1", "edm", 18, -1, 18}, {"heun:churn=5", "edm", 18, -1, 35},
	            {"rk45:fixed=4", "vp", 0, 0, 26}, {"rk45:fixed=4", "vp", 0, -1, 27},
	            {"ddim", "vp", 10, -1, 10}, {"euler-ancestral", "edm", 10, -1, 10},
	            {"dpm", "vp", 10, -1, 30}, {"dpm:order=2", "edm", 10, -1, 20}, {"dpm", "vp", 10, 1, 31},
	            {"dpm2", "edm", 18, -1, 35}, {"dpm2:eta=1", "vp", 18, -1, 35}, {"dpm-fast", "edm", 4, -1, 9},
	            {"dpmpp", "vp", 10, -1, 10}, {"dpmpp:method=singlestep,order=3", "edm", 4, -1, 12},
	            {"dpmpp-sde", "edm", 10, -1, 19}, {"dpmpp-sde:solver=2s-ancestral", "vp", 10, -1, 19},
	            {"dpmpp-sde:solver=3m", "ve", 10, -1, 10}, {"deis", "vp", 10, -1, 10},
	            {"ipndm", "edm", 10, -1, 10}, {"lms", "edm", 10, -1, 10}, {"unipc", "vp", 10, -1, 10},
	            {"rk4", "vp", 10, -1, 41}, {"rk4", "ve", 10, 0, 40}};
	size_t i;

	for (i = 0; i < sizeof want / sizeof *want; i++) {
		rig r = open_rig(want[i].process, SKEWED, 1, want[i].sampler);
		sf_sample_report report;
		double x[3];

		r.run.n = 3;
		r.run.steps = want[i].steps;
		r.run.denoise = want[i].denoise;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, &report));
		ck_assert_msg(report.nfe == want[i].nfe, "%s on %s: %g evaluations, expected %g",
		              want[i].sampler, want[i].process, report.nfe, want[i].nfe);
		ck_assert(report.nfe * 3 == (double)sf_score_count(r.score));
		if (want[i].steps)
			ck_assert_int_eq(report.steps, want[i].steps);
		ck_assert_int_eq(report.rejected, 0);
		/* the budget holds to the evaluation, and one less is refused before it is spent */
		sf_score_count_reset(r.score);
		r.run.nfe_max = (int64_t)want[i].nfe;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
		sf_score_count_reset(r.score);
		r.run.nfe_max--;
		if (r.run.nfe_max > 0) {
			ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, &report),
			                 SF_EBUDGET);
			ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "budget"));
			ck_assert(report.nfe <= (double)r.run.nfe_max);
		}
		close_rig(&r);
	}
}
END_TEST

/* Step counts for a budget stay within it, and one more step would not, for every sampler and odd and even numbers. Where a
 * single step costs more, it is one step. */
START_TEST(steps_for_budget)
{
	int64_t nfe;
	int i;

	for (i = 0; i < ALL; i++) {
		rig r = open_rig("edm", SKEWED, 1, all[i]);

		for (nfe = 3; nfe <= 16 && !sf_sampler_adaptive(r.sampler); nfe++) {
			sf_sample_report report;
			double x;
			int rc;

			r.run.steps = sf_sampler_steps(r.sampler, nfe);
			r.run.nfe_max = nfe;
			rc = sf_sample(r.sampler, r.score, &r.run, &x, &report);
			if (rc == SF_EBUDGET && r.run.steps == 1)
				continue;
			assert_ok(r.ctx, rc);
			ck_assert(report.nfe <= (double)nfe);
			r.run.steps++;
			ck_assert_msg(sf_sample(r.sampler, r.score, &r.run, &x, &report) == SF_EBUDGET,
			              "%s: %d steps for %d evaluations", all[i], (int)r.run.steps - 1, (int)nfe);
		}
		close_rig(&r);
	}
}
END_TEST

/* Samples with steps of their own pay for themselves alone. */
START_TEST(adaptive_counts)
{
	rig r = open_rig("ve", SKEWED, 1, "rk45");
	const double start[4] = {-31, 4.5, 0.3, 60};
	double x[4], y[4], sum = 0, least = 1e9, most = 0;
	sf_sample_report report, all_report;
	int64_t slowest = 0;
	int i;

	r.run.given_start = 1;
	r.run.denoise = 0;
	for (i = 0; i < 4; i++) {
		x[i] = y[i] = start[i];
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x[i], &report));
		ck_assert(fmod(report.nfe, 6) == 2);
		ck_assert(report.nfe == (double)(2 + 6 * (report.steps + report.rejected)));
		sum += report.nfe;
		least = report.nfe < least ? report.nfe : least;
		most = report.nfe > most ? report.nfe : most;
		slowest = report.steps + report.rejected > slowest ? report.steps + report.rejected
		                                                   : slowest;
	}
	ck_assert(least < most);
	r.run.n = 4;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, &all_report));
	ck_assert(memcmp(x, y, sizeof x) == 0);
	ck_assert(all_report.nfe == sum / 4);
	ck_assert_int_eq(all_report.steps + all_report.rejected, slowest);
	for (i = 0; i < 4; i++)
		y[i] = start[i];
	r.run.nfe_max = (int64_t)most;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, NULL));
	for (i = 0; i < 4; i++)
		y[i] = start[i];
	r.run.nfe_max = (int64_t)most - 1;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, y, NULL), SF_EBUDGET);
	close_rig(&r);
}
END_TEST

/* One step size for the batch: SciPy 1.17 solve_ivp on the same flattened batches. */
START_TEST(shared_steps)
{
	static const struct {
		const char *process;
		int n, nfev, steps;
		double start[4], end[4];
	} want[] = {{"ve",
	             3,
	             98,
	             16,
	             {-31, 4.5, 60},
	             {-0.6411646715505616, 0.5667917158455682, 1.4769376532245555}},
	            {"vp",
	             4,
	             68,
	             7,
	             {-1.3, 0.2, 0.7, 2.1},
	             {-1.1390556975733022, 0.6573355958517703, 1.1201740867210266,
	              1.7739878144149739}}};
	int k, i;

	for (k = 0; k < 2; k++) {
		rig r = open_rig(want[k].process, SKEWED, 1, "rk45:batch=true");
		sf_sample_report report;
		double x[4];

		memcpy(x, want[k].start, sizeof x);
		r.run.n = want[k].n;
		r.run.given_start = 1;
		r.run.denoise = 0;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, &report));
		ck_assert(report.nfe == want[k].nfev);
		ck_assert_int_eq(report.steps, want[k].steps);
		for (i = 0; i < want[k].n; i++)
			assert_close(x[i], want[k].end[i], 1e-12, 0);
		close_rig(&r);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sampler");
	TCase *registered = tcase_create("registry"), *bytes = tcase_create("bytes");
	TCase *runs = tcase_create("evaluations");

	tcase_add_test(registered, registry);
	tcase_add_test(registered, properties);
	tcase_add_test(bytes, all_listed);
	tcase_add_loop_test(bytes, same_bytes, 0, ALL);
	tcase_add_loop_test(bytes, same_bytes_large, 0, ALL);
	tcase_add_test(bytes, noise_keys);
	tcase_add_test(runs, counts);
	tcase_add_test(runs, steps_for_budget);
	tcase_add_test(runs, adaptive_counts);
	tcase_add_test(runs, shared_steps);
	suite_add_tcase(suite, registered);
	suite_add_tcase(suite, bytes);
	suite_add_tcase(suite, runs);
	return sf_test_main(suite);
}
