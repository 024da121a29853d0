/* check_multistep.c: the samplers that step in lambda or the noise level: exact on a single point, alike in every
 * process, ends at and above time 0, budgets of dpm-fast, the controller of dpm-adaptive, refined Brownian paths.
 * Orders, golden runs and exact variances are rows of verify.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler_rig.h"

#include <math.h>
#include <stdio.h>

#define SKEWED "mixture:preset=skewed"

static const char *const still[] = { /* deterministic */
	"ddim", "deis", "deis:clock=process,order=3", "dpm", "dpm:order=2", "dpm:order=1", "dpm:variant=taylor",
	"dpm:prediction=data", "dpm:prediction=data,order=2,variant=taylor", "dpm2", "dpm-fast", "dpm-fast:last=2",
	"dpmpp", "dpmpp:order=3", "dpmpp:order=3,published=true,lower-order-final=always", "dpmpp:order=3,prediction=noise",
	"dpmpp:method=singlestep,order=3", "dpmpp-sde:eta=0", "dpmpp-sde:eta=0,solver=3m",
	"dpmpp-sde:eta=0,solver=2s-ancestral", "euler-ancestral:eta=0", "ipndm", "lms", "unipc",
	"unipc:order=4,lower-order-final=never", "unipc:order=2,variant=bh2", "unipc:prediction=noise"};
static const char *const noisy[] = {"ddim:eta=1", "dpm2:eta=1", "dpmpp-sde", "dpmpp-sde:solver=2s-ancestral",
                                    "dpmpp-sde:solver=2m", "dpmpp-sde:solver=3m", "euler-ancestral",
                                    "dpmpp-sde:eta=2", "dpm2:eta=3", "dpmpp-sde:solver=2s-ancestral,eta=3"};
enum { STILL = sizeof still / sizeof *still, NOISY = sizeof noisy / sizeof *noisy };

/* ---- a single point of data: eps is constant along the flow, so that every method is exact in any number of steps.
 * One step over all noise levels with noise prediction multiplies rounding by their ratio, 10^6, in places. ---- */

static rig open_point(const char *process, const char *sampler, double y)
{
	rig r = open_rig(process, NULL, 0, sampler);

	assert_ok(r.ctx, sf_score_delta(r.ctx, r.process, 1, 1, &y, &r.score));
	r.run.given_start = 1;
	return r;
}

START_TEST(one_point)
{
	static const char *const grids[] = {"karras", "logsnr:final=zero", "cosine:final=zero", "karras:final=last",
	                                    "logsnr"};
	const double y = 0.7, eps = -1.3;
	int p, k, n;

	for (p = 0; p < 4; p++)
		for (k = 0; k < 5; k++)
			for (n = 1; n <= 6; n++) {
				rig r = open_point(processes[p], still[_i], y);
				double T = sf_process_horizon(r.process), end = sf_process_t_sample(r.process);
				double x = sf_process_alpha(r.process, T) * y + sf_process_sigma(r.process, T) * eps, want = y;
				sf_grid *g = NULL;

				if (k >= 3)
					want = sf_process_alpha(r.process, end) * y + sf_process_sigma(r.process, end) * eps;
				assert_ok(r.ctx, sf_grid_new(r.ctx, grids[k], &g));
				r.run.grid = g;
				r.run.steps = n;
				r.run.denoise = 0;
				assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
				ck_assert_msg(fabs(x - want) <= 1e-8, "%s on %s, grid %s, %d steps: %.17g, expected %.17g",
				              still[_i], processes[p], grids[k], n, x, want);
				sf_grid_free(g);
				close_rig(&r);
			}
}
END_TEST

/* A run to time 0 ends at the data whatever noise it had on its way. */
START_TEST(one_point_noisy)
{
	int p, n;

	for (p = 0; p < 4; p++)
		for (n = 1; n <= 6; n++) {
			rig r = open_point(processes[p], noisy[_i], 0.7);
			sf_grid *g = NULL;
			double x;

			assert_ok(r.ctx, sf_grid_new(r.ctx, "karras", &g));
			r.run.grid = g;
			r.run.given_start = 0;
			r.run.steps = n;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
			assert_close(x, 0.7, 0, 1e-10);
			sf_grid_free(g);
			close_rig(&r);
		}
}
END_TEST

/* ---- frames: the same noise levels give x = alpha x_edm in every process ---- */

static double in_process(const char *process, const char *sampler, const char *grid, int64_t steps)
{
	rig r = open_rig(process, SKEWED, 1, sampler);
	double t = sf_process_time_of_ratio(r.process, 40), x = 25 * sf_process_alpha(r.process, t), end;
	sf_grid *g = NULL;

	assert_ok(r.ctx, sf_grid_new(r.ctx, grid, &g));
	r.run.grid = g;
	r.run.start = t;
	end = sf_process_time_of_ratio(r.process, 0.02);
	r.run.end = end;
	r.run.steps = steps;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	x /= sf_process_alpha(r.process, end);
	sf_grid_free(g);
	close_rig(&r);
	return x;
}

START_TEST(same_in_every_process)
{
	int p;

	if (strstr(still[_i], "clock=process"))
		return;
	for (p = 0; p < 3; p++)
		assert_close(in_process(processes[p], still[_i], "logsnr", 12), in_process("edm", still[_i], "logsnr", 12),
		             1e-9, 0);
}
END_TEST

/* ---- dpm-fast ---- */

START_TEST(fast_budget)
{
	int64_t n;

	for (n = 1; n <= 20; n++) {
		rig r = open_rig("vp", SKEWED, 1, "dpm-fast");
		sf_sample_report report;
		double x;

		r.run.steps = sf_sampler_steps(r.sampler, n);
		ck_assert_int_eq(r.run.steps, n / 3 + 1);
		r.run.nfe_max = n;
		if (n < 3) /* one step: its order is the budget's only if that is 1 or 2 */
			ck_assert_int_eq(r.run.steps, 1);
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
		ck_assert(report.nfe == (double)n);
		close_rig(&r);
	}
}
END_TEST

/* ---- dpm-adaptive ---- */

typedef struct seen {
	int steps;
	double t[3];
} seen;

static int look(void *user, int64_t step, double t, int64_t n, const double *x)
{
	seen *s = user;

	(void)step;
	(void)n;
	(void)x;
	if (s->steps < 3)
		s->t[s->steps] = t;
	s->steps++;
	return 0;
}

/* The result of one step of another sampler from t to t_next. */
static double one_step(const char *sampler, double t, double t_next, double x)
{
	rig r = open_rig("edm", SKEWED, 1, sampler);
	sf_grid *g = NULL;

	assert_ok(r.ctx, sf_grid_new(r.ctx, "logsnr", &g));
	r.run.grid = g;
	r.run.start = t;
	r.run.end = t_next;
	r.run.steps = 1;
	r.run.given_start = 1;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	sf_grid_free(g);
	close_rig(&r);
	return x;
}

/* The first two tries by hand: order 2 compares ddim with dpm2. The tolerance is set so that the first error is E:
 * on both sides of where either rule accepts. */
START_TEST(adaptive_by_hand)
{
	static const double errors[] = {0.5, 0.99, 1.01, 1.5, 1.6, 3};
	const double h = 0.3, t = 80 * exp(-h), most[] = {pow(1 - tan(0.19), -2), 1}; /* 1 + arctan(E^{-1/2} - 1) >= 0.81 */
	double low = one_step("ddim", 80, t, 71), high = one_step("dpm2", 80, t, 71);
	int theta, i;

	for (theta = 0; theta < 2; theta++)
		for (i = 0; i < 6; i++) {
			double E = errors[i], rtol = fabs(high - low) / (71 * E), power = pow(E, -0.5);
			double factor = theta ? 0.9 * power : 1 + atan(power - 1), x = 71;
			int accepted = E <= most[theta];
			double from = accepted ? t : 80, to = from * exp(-h * factor), y = accepted ? high : 71;
			double low2 = one_step("ddim", from, to, y), high2 = one_step("dpm2", from, to, y);
			double E2 = fabs(high2 - low2) / (rtol * fmax(fabs(low2), fabs(accepted ? low : 71)));
			char spec[160];
			seen s = {0, {0}};
			rig r;

			snprintf(spec, sizeof spec, "dpm-adaptive:order=2,batch=true,h=%g,control=%s,atol=1e-12,rtol=%.17g", h,
			         theta ? "theta" : "limited", rtol);
			r = open_rig("edm", SKEWED, 1, spec);
			r.run.given_start = 1;
			r.run.observe = look;
			r.run.user = &s;
			r.run.denoise = 0;
			assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
			assert_close(s.t[1], from, 1e-13, 0);
			assert_close(s.t[2], E2 <= most[theta] ? to : from, 1e-10, 0);
			close_rig(&r);
		}
}
END_TEST

/* A tolerance that accepts all takes one step to the end: that of dpm. */
START_TEST(adaptive_one_step)
{
	static const char *const spec[][2] = {
		{"dpm-adaptive:atol=1e9,h=100", "dpm"},
		{"dpm-adaptive:atol=1e9,h=100,order=2,prediction=data", "dpm:order=2,prediction=data"}};
	int k;

	for (k = 0; k < 2; k++) {
		rig r = open_rig("edm", SKEWED, 1, spec[k][0]);
		sf_sample_report report;
		double x = 71;

		r.run.given_start = 1;
		r.run.end = 3;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
		ck_assert_int_eq(report.steps, 1);
		assert_close(x, one_step(spec[k][1], 80, 3, 71), 1e-13, 0);
		close_rig(&r);
	}
}
END_TEST

START_TEST(adaptive_counts)
{
	static const char *const spec[] = {"dpm-adaptive", "dpm-adaptive:order=2",
	                                   "dpm-adaptive:control=theta,prediction=data"};
	int i;

	for (i = 0; i < 3; i++) {
		rig r = open_rig("vp", SKEWED, 1, spec[i]);
		sf_sample_report report;
		double x = 0.4, per_try = i == 1 ? 2 : 3;

		r.run.given_start = 1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
		ck_assert(report.nfe == per_try * (double)(report.steps + report.rejected));
		x = 0.4;
		r.run.end = 0; /* one more for E[x_0|x] */
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, &report));
		ck_assert(report.nfe == per_try * (double)(report.steps + report.rejected) + 1);
		close_rig(&r);
	}
}
END_TEST

/* A thousandth of the tolerance comes closer by about as much; the quantile of 7.1 at sigma 10 is 1.09889623755903
 * at 0.1. */
START_TEST(adaptive_tolerance)
{
	static const char *const spec[] = {"dpm-adaptive:rtol=1e-3,atol=1e-3", "dpm-adaptive:rtol=1e-6,atol=1e-6"};
	double error[2];
	int i;

	for (i = 0; i < 2; i++) {
		rig r = open_rig("edm:sigma-min=0.1,sigma-max=10", SKEWED, 1, spec[i]);
		double x = 7.1;

		r.run.given_start = 1;
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
		error[i] = fabs(x - 1.09889623755903);
		close_rig(&r);
	}
	ck_assert_msg(error[0] < 2e-2 && error[1] < error[0] / 300, "%g %g", error[0], error[1]);
}
END_TEST

/* ---- one path ---- */

/* Refining the grid refines the same samples: the distance to a fine run falls, where other noise leaves it at the
 * data's size. */
START_TEST(same_path)
{
	enum { N = 40 };
	static const char *const spec[] = {"dpmpp-sde", "dpmpp-sde:solver=2m", "dpmpp-sde:solver=3m,eta=0.7"};
	static double x[3][N];
	double distance[2] = {0, 0};
	rig r = open_rig("edm", SKEWED, 1, spec[_i]);
	int64_t steps[3] = {12, 48, 200};
	int i, k;

	r.run.n = N;
	r.run.seed = 5;
	for (k = 0; k < 3; k++) {
		r.run.steps = steps[k];
		assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, x[k], NULL));
	}
	for (k = 0; k < 2; k++)
		for (i = 0; i < N; i++)
			distance[k] += fabs(x[k][i] - x[2][i]) / N;
	ck_assert_msg(distance[1] < 0.5 * distance[0] && distance[1] < 0.2, "%s: %g %g", spec[_i], distance[0], distance[1]);
	close_rig(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("multistep");
	TCase *points = tcase_create("points"), *adaptive = tcase_create("adaptive");

	tcase_add_loop_test(points, one_point, 0, STILL);
	tcase_add_loop_test(points, one_point_noisy, 0, NOISY);
	tcase_add_loop_test(points, same_in_every_process, 0, STILL);
	tcase_add_test(points, fast_budget);
	tcase_add_loop_test(points, same_path, 0, 3);
	tcase_add_test(adaptive, adaptive_by_hand);
	tcase_add_test(adaptive, adaptive_one_step);
	tcase_add_test(adaptive, adaptive_counts);
	tcase_add_test(adaptive, adaptive_tolerance);
	suite_add_tcase(suite, points);
	suite_add_tcase(suite, adaptive);
	return sf_test_main(suite);
}
