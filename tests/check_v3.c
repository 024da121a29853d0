/* check_v3.c: DPM-Solver-v3: exact on normal data, DPM-Solver++ and DPM-Solver for their tables, orders with exact history, the floor of
 * the published quadrature, options, bad input.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "v3_parts.h"

#include <stdlib.h>

#define START 7.1
#define EXACT 1.09889623755903

static sf_score *of_mixture; /* for a fill function */
static void mixture_table(double lambda, int64_t j, double *l, double *s, double *b)
{
	(void)j;
	population(of_mixture, lambda, l, s, b);
}

static void noise_table(double lambda, int64_t j, double *l, double *s, double *b)
{
	(void)lambda;
	(void)j;
	*s = -1;
	*l = *b = 0;
}

/* Overwrites the first states of a run by the exact ones. */
typedef struct history {
	rig *r;
	double *x, start, first; /* time; state there */
	int count;
} history;

static int correct(void *user, int64_t step, double t, int64_t n, const double *x)
{
	history *h = user;

	(void)n;
	(void)x;
	if (step > 0 && step <= h->count) {
		*h->x = h->first;
		assert_ok(h->r->ctx, sf_score_flow(h->r->score, 1, h->start, t, h->x));
	}
	return 0;
}

/* One run on the standard problem; *truth, if not NULL, gets what it should be. */
static double ends_from(double start, const char *process, const char *spec, const char *grid, int64_t steps, int exact, double *truth)
{
	rig r = open_rig(process, SKEWED, 1, spec);
	double x = start;
	history h = {&r, &x, sf_process_horizon(r.process), start, exact};
	sf_grid *g = NULL;
	sf_sample_report report;

	assert_ok(r.ctx, sf_grid_new(r.ctx, grid, &g));
	r.run.grid = g;
	r.run.steps = steps;
	r.run.given_start = 1;
	r.run.denoise = 0;
	r.run.observe = exact ? correct : NULL;
	r.run.user = &h;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
	ck_assert(report.nfe == (double)steps);
	if (truth) {
		*truth = start;
		assert_ok(r.ctx, sf_score_flow(r.score, 1, h.start, sf_process_t_sample(r.process), truth));
	}
	sf_grid_free(g);
	close_rig(&r);
	return x;
}

static double ends(const char *process, const char *spec, const char *grid, int64_t steps, int exact)
{
	return ends_from(START, process, spec, grid, steps, exact, NULL);
}

/* ---- the same as other solvers ---- */

static const char *const frames[] = {RANGE, "vp", "subvp"};
static const char *const levels[] = {"logsnr", "karras:final=last"};

START_TEST(dpm_solvers)
{
	char a[128], b[128];
	int p, f, g, noise;
	int64_t n;

	for (f = 0; f < 3; f++)
		for (g = 0; g < 2; g++)
			for (p = 1; p <= 3; p++)
				for (noise = 0; noise < 2; noise++)
					for (n = 1; n <= 13; n += 4) {
						const char *lower = n == 5 ? "always" : n == 9 ? "few" : "never";

						snprintf(a, sizeof a, "dpm-v3:order=%d,prediction=%s,corrector=false,lower-order-final=%s", p,
						         noise ? "noise" : "data", lower);
						snprintf(b, sizeof b, "dpmpp:order=%d,prediction=%s,variant=taylor,lower-order-final=%s", p,
						         noise ? "noise" : "data", lower);
						assert_close(ends(frames[f], a, levels[g], n, 0), ends(frames[f], b, levels[g], n, 0), 1e-9, 0);
					}
}
END_TEST

/* The same from files, on either quadrature; the published one is off by its floor. */
START_TEST(tables_of_files)
{
	sf_ctx *ctx = ck_ctx();
	char spec[700];
	double want;
	int noise;

	enter();
	write_table(ctx, "data", 1025, 1, 10, 0.1, data_table);
	write_table(ctx, "noise", 1025, 1, 10, 0.1, noise_table);
	for (noise = 0; noise < 2; noise++) {
		snprintf(spec, sizeof spec, "dpmpp:order=3,prediction=%s,variant=taylor,lower-order-final=never", noise ? "noise" : "data");
		want = ends(RANGE, spec, "logsnr", 16, 0);
		snprintf(spec, sizeof spec, "dpm-v3:stats=%s,corrector=false,lower-order-final=never", file_of(noise ? "noise" : "data"));
		assert_close(ends(RANGE, spec, "logsnr", 16, 0), want, 1e-11, 0);
		strcat(spec, ",quadrature=trapezoid");
		/* Delta^2/12 of what is integrated, 7.1 with noise prediction */
		assert_close(ends(RANGE, spec, "logsnr", 16, 0), want, 0, 1.2e-5);
		ck_assert(fabs(ends(RANGE, spec, "logsnr", 16, 0) - want) > 1e-9);
	}
	leave();
	sf_ctx_free(ctx);
}
END_TEST

/* Largest deviation from the closed form, over orders and numbers of steps. */
static double normal_error(const char *more, int64_t most)
{
	double worst = 0;
	int64_t n, j;
	int p;

	for (p = 1; p <= 3; p++)
		for (n = 1; n <= most; n = 3 * n + 1) {
			char spec[800];
			double x[3] = {7, -31, 12}, y[3] = {7, -31, 12};
			rig r;

			snprintf(spec, sizeof spec, "dpm-v3:stats=%s,order=%d%s", file_of("normal"), p, more);
			r = open_rig("edm:sigma-min=0.05,sigma-max=10", NORMAL, 3, spec);
			r.run.steps = n;
			r.run.given_start = 1;
			r.run.denoise = 0;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
			assert_ok(r.ctx, sf_score_flow(r.score, 1, 10, 0.05, y));
			for (j = 0; j < 3; j++)
				worst = fmax(worst, fabs(x[j] - y[j]));
			close_rig(&r);
		}
	return worst;
}

START_TEST(exact_on_normal_data)
{
	sf_ctx *ctx = ck_ctx();
	double published, coarse;

	enter();
	write_table(ctx, "normal", 2049, 3, 10, 0.05, normal_table);
	ck_assert_msg(normal_error("", 40) < 1e-10, "%g", normal_error("", 40));
	ck_assert(normal_error(",corrector-pseudo=true,pseudo=true", 40) < 1e-10);
	published = normal_error(",quadrature=trapezoid", 40);
	ck_assert_msg(published > 1e-9 && published < 1e-5, "%g", published);
	write_table(ctx, "normal", 1025, 3, 10, 0.05, normal_table);
	coarse = normal_error(",quadrature=trapezoid", 40);
	assert_close(coarse / published, 4, 0.02, 0);
	leave();
	sf_ctx_free(ctx);
}
END_TEST

/* ---- orders ---- */

/* Root mean square over some starts, as a single error may change its sign. */
static double error(const char *spec, const char *grid, int64_t steps)
{
	static const double starts[] = {START, -4, 13, -9, 1};
	double sum = 0, truth;
	size_t i;

	for (i = 0; i < sizeof starts / sizeof *starts; i++) {
		double x = ends_from(starts[i], RANGE, spec, grid, steps, 2, &truth);

		sum += (x - truth) * (x - truth);
	}
	return sqrt(sum / (double)i);
}

static void order_is(const char *spec, const char *grid, int64_t steps, double want, double tolerance)
{
	double coarse = error(spec, grid, steps), fine = error(spec, grid, 2 * steps), order = log(coarse / fine) / log(2);

	ck_assert_msg(fabs(order - want) < tolerance, "%s, %s: order %g, expected %g (errors %g, %g)", spec, grid, order, want, coarse, fine);
}

static const struct {
	const char *options;
	int order;
} declared[] = {{"order=1,corrector=false", 1},
                {"order=1", 1},
                {"order=1,corrector-pseudo=true", 2},
                {"order=2,corrector=false", 2},
                {"order=2", 2},
                {"order=2,corrector-pseudo=true", 2},
                {"order=2,pseudo=true,corrector=false", 2},
                {"order=3,corrector=false", 3},
                {"order=3", 3},
                {"order=3,corrector-pseudo=true", 2},
                {"order=3,pseudo=true,corrector=false", 2},
                {"order=3,pseudo=true", 3}};
enum { ORDERS = sizeof declared / sizeof *declared };

START_TEST(orders)
{
	sf_ctx *ctx = ck_ctx();
	int noise;

	for (noise = 0; noise < 2; noise++) {
		char spec[200];
		sf_sampler *s = NULL;

		snprintf(spec, sizeof spec, "dpm-v3:%s,uncorrected=2,lower-order-final=never,prediction=%s", declared[_i].options,
		         noise ? "noise" : "data");
		assert_ok(ctx, sf_sampler_new(ctx, spec, &s));
		ck_assert_int_eq(sf_sampler_order(s), declared[_i].order);
		order_is(spec, "logsnr", 1024, declared[_i].order, 0.1);
		order_is(spec, "karras:final=last", 1024, declared[_i].order, 0.1);
		sf_sampler_free(s);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* With population statistics: the first order's error, and order 3 from 3 to 3.9 before the last asymptotics. */
START_TEST(with_statistics)
{
	rig r = open_rig(RANGE, SKEWED, 1, "euler");
	double eight, ddim;
	char spec[700];
	int p;

	enter();
	of_mixture = r.score;
	write_table(r.ctx, "mixture", 257, 1, 10, 0.1, mixture_table);
	snprintf(spec, sizeof spec, "dpm-v3:stats=%s,order=1", file_of("mixture"));
	eight = fabs(ends(RANGE, spec, "logsnr", 8, 0) - EXACT);
	ddim = fabs(ends(RANGE, "ddim", "logsnr", 8, 0) - EXACT);
	ck_assert_msg(fabs(eight - 2.5e-4) < 0.2e-4, "%g", eight);
	ck_assert_msg(fabs(ddim - 1.1e-1) < 0.05e-1, "%g", ddim);
	for (p = 1; p <= 3; p++) {
		snprintf(spec, sizeof spec, "dpm-v3:stats=%s,order=%d,uncorrected=2,lower-order-final=never", file_of("mixture"), p);
		order_is(spec, "logsnr", p == 3 ? 256 : 512, p < 3 ? p : 3.45, p < 3 ? 0.15 : 0.5);
	}
	leave();
	close_rig(&r);
}
END_TEST

/* With statistics the published quadrature stops at 4e-7 for 1024 distances between rows (and at 6e-9 for 8192), in proportion to their
 * square; the table's own error is of fourth order. */
START_TEST(floors)
{
	rig r = open_rig(RANGE, SKEWED, 1, "euler");
	char spec[700];
	double floor[2];
	int k;

	enter();
	of_mixture = r.score;
	for (k = 0; k < 2; k++) {
		write_table(r.ctx, "table", k ? 1025 : 513, 1, 10, 0.1, mixture_table);
		snprintf(spec, sizeof spec, "dpm-v3:stats=%s,corrector=false,lower-order-final=never,quadrature=trapezoid", file_of("table"));
		floor[k] = fabs(ends(RANGE, spec, "logsnr", 512, 2) - EXACT);
	}
	ck_assert_msg(floor[1] > 3.5e-7 && floor[1] < 4.5e-7, "%g", floor[1]);
	assert_close(floor[0] / floor[1], 4, 0.05, 0);
	snprintf(spec, sizeof spec, "dpm-v3:stats=%s,lower-order-final=never", file_of("table"));
	ck_assert_msg(fabs(ends(RANGE, spec, "logsnr", 1024, 2) - EXACT) < 1e-10, "%g", ends(RANGE, spec, "logsnr", 1024, 2) - EXACT);
	leave();
	close_rig(&r);
}
END_TEST

/* Four steps of order 3 with pseudo derivatives and a corrector of four points, written out: edm, l = 1, so g = -D. */
static double slope_sum(int n, const double *lambda, const double *g, double h) /* sum_k J_k k! [g_0 .. g_k] */
{
	static const double factorial[4] = {1, 1, 2, 6};
	double table[4], J = expm1(h), sum = 0, power = 1;
	int k, j;

	for (j = 0; j <= n; j++)
		table[j] = g[j];
	for (k = 0; k <= n; k++) {
		sum += J * factorial[k] * table[0];
		for (j = 0; j < n - k; j++)
			table[j] = (table[j + 1] - table[j]) / (lambda[j + k + 1] - lambda[j]);
		power *= h / (k + 1);
		J = exp(h) * power - J;
	}
	return sum;
}

START_TEST(by_hand)
{
	rig r = open_rig(RANGE, SKEWED, 1, "dpm-v3:pseudo=true,corrector-pseudo=true,lower-order-final=never");
	double t[5], lambda[5], g[5], x = START, before = 0, got = START, nodes[4], values[4];
	int i, k, n;

	for (i = 0; i < 5; i++) {
		t[i] = 10 * pow(0.01, i / 4.0);
		lambda[i] = -log(t[i]);
	}
	for (i = 0; i < 4; i++) {
		assert_ok(r.ctx, sf_score_eval(r.score, SF_DENOISED, 1, &x, &t[i], &g[i]));
		g[i] = -g[i];
		if (i > 0) { /* nodes s, t, s-1, s-2 of the step before, of order min(i, 3) */
			n = i < 3 ? i : 3;
			nodes[0] = lambda[i - 1];
			nodes[1] = lambda[i];
			values[0] = g[i - 1];
			values[1] = g[i];
			for (k = 2; k <= n; k++) {
				nodes[k] = lambda[i - k];
				values[k] = g[i - k];
			}
			x = t[i] / t[i - 1] * (before - slope_sum(n, nodes, values, lambda[i] - lambda[i - 1]));
		}
		before = x;
		n = i < 2 ? i : 2;
		for (k = 0; k <= n; k++) {
			nodes[k] = lambda[i - k];
			values[k] = g[i - k];
		}
		x = t[i + 1] / t[i] * (x - slope_sum(n, nodes, values, lambda[i + 1] - lambda[i]));
	}
	r.run.steps = 4;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &got, NULL));
	assert_close(got, x, 1e-12, 0);
	close_rig(&r);
}
END_TEST

/* ---- options ---- */

static double between(const char *spec, double start, double end)
{
	rig r = open_rig(RANGE, SKEWED, 1, spec);
	double x = 0.8 * start;

	r.run.start = start;
	r.run.end = end;
	r.run.steps = 9;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	close_rig(&r);
	return x;
}

/* T/2 is at 5. */
START_TEST(half)
{
	ck_assert(between("dpm-v3:half=late", 10, 6) == between("dpm-v3:corrector=false", 10, 6));
	ck_assert(between("dpm-v3:half=early", 10, 6) == between("dpm-v3", 10, 6));
	ck_assert(between("dpm-v3:half=late", 4.9, 3.6) == between("dpm-v3", 4.9, 3.6));
	ck_assert(between("dpm-v3:half=early", 4.9, 3.6) == between("dpm-v3:corrector=false", 4.9, 3.6));
	ck_assert(between("dpm-v3", 4.9, 3.6) != between("dpm-v3:corrector=false", 4.9, 3.6));
	ck_assert(between("dpm-v3:uncorrected=100", 4.9, 3.6) == between("dpm-v3:corrector=false", 4.9, 3.6));
}
END_TEST

/* A step to time 0 gives E[x_0|x]. */
START_TEST(to_zero)
{
	rig r = open_rig("vp", SKEWED, 1, "dpm-v3:corrector=false,lower-order-final=never");
	double x[4] = {0.3, -1, 2, 0.1}, y[4] = {0.3, -1, 2, 0.1};
	sf_grid *zero = NULL;
	int i;

	r.run.n = 4;
	r.run.given_start = 1;
	r.run.steps = 8;
	r.run.denoise = 1;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x, NULL));
	assert_ok(r.ctx, sf_grid_new(r.ctx, "logsnr:final=zero", &zero));
	r.run.grid = zero;
	r.run.steps = 9;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, y, NULL));
	for (i = 0; i < 4; i++)
		assert_close(y[i], x[i], 1e-12, 0);
	sf_grid_free(zero);
	close_rig(&r);
}
END_TEST

/* ---- bad input ---- */

static void run_fails(const char *process, const char *spec, const char *score, int64_t d, int64_t steps, int code, const char *text)
{
	rig r = open_rig(process, score, d, spec);
	double x[3];

	r.run.steps = steps;
	ck_assert_int_eq(sf_sample(r.sampler, r.score, &r.run, x, NULL), code);
	ck_assert_msg(strstr(sf_ctx_message(r.ctx), text) != NULL, "%s", sf_ctx_message(r.ctx));
	close_rig(&r);
}

START_TEST(bad_runs)
{
	sf_ctx *ctx = ck_ctx();
	sf_sampler *s = NULL;
	char spec[700];

	enter();
	snprintf(spec, sizeof spec, "dpm-v3:stats=%s", file_of("none"));
	ck_assert_int_lt(sf_sampler_new(ctx, spec, &s), 0);
	ck_assert_ptr_null(s);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "none"));
	run_fails(RANGE, "dpm-v3:quadrature=trapezoid", SKEWED, 1, 5, SF_EINVAL, "stats=FILE");
	write_table(ctx, "t", 33, 1, 10, 0.1, data_table);
	snprintf(spec, sizeof spec, "dpm-v3:stats=%s", file_of("t"));
	run_fails(RANGE, spec, "gaussian", 3, 5, SF_EMISMATCH, "statistics of 1 numbers");
	run_fails("edm:sigma-min=0.1,sigma-max=11", spec, SKEWED, 1, 5, SF_ERANGE, "covers lambda from -2.3");
	run_fails("edm:sigma-min=0.09,sigma-max=10", spec, SKEWED, 1, 5, SF_ERANGE, "covers lambda");
	strcat(spec, ",quadrature=trapezoid");
	run_fails(RANGE, spec, SKEWED, 1, 60, SF_ERANGE, "fall on the same row");
	leave();
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("dpm-v3");
	TCase *same = tcase_create("same"), *order = tcase_create("orders"), *rest = tcase_create("options");

	tcase_add_test(same, dpm_solvers);
	tcase_add_test(same, tables_of_files);
	tcase_add_test(same, exact_on_normal_data);
	tcase_add_loop_test(order, orders, 0, ORDERS);
	tcase_add_test(order, with_statistics);
	tcase_add_test(order, floors);
	tcase_add_test(order, by_hand);
	tcase_add_test(rest, half);
	tcase_add_test(rest, to_zero);
	tcase_add_test(rest, bad_runs);
	suite_add_tcase(suite, same);
	suite_add_tcase(suite, order);
	suite_add_tcase(suite, rest);
	return sf_test_main(suite);
}
