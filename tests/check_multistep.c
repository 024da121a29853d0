/* check_multistep.c: the samplers that step in lambda or the noise level: exact on a single point, alike in every
 * process, ends at and above time 0, budgets of dpm-fast, the controller of dpm-adaptive, refined Brownian paths,
 * and the arithmetic they share. Orders, golden runs and exact variances are rows of verify.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"
#include "sampler_rig.h"

#include <math.h>
#include <stdio.h>

#define SKEWED "mixture:preset=skewed"

static const char *const still[] = { /* deterministic */
	"ddim", "deis", "deis:clock=process,order=3", "dpm", "dpm:order=2", "dpm:order=1", "dpm:variant=taylor",
	"dpm:prediction=data", "dpm:prediction=data,order=2,variant=taylor", "dpm2", "dpm-fast", "dpm-fast:last=2",
	"dpmpp", "dpmpp:order=3", "dpmpp:order=3,published=true,lower-order-final=always", "dpmpp:order=3,prediction=noise",
	"dpmpp:method=singlestep,order=3", "dpmpp-sde:eta=0", "dpmpp-sde:eta=0,solver=3m",
	"dpmpp-sde:eta=0,solver=2s-ancestral", "euler-ancestral:eta=0", "ipndm", "lms", "unipc", "unipc:order=4,lower-order-final=never", 
	"unipc:order=2,variant=bh2", "unipc:prediction=noise"};
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

/* ---- models that do not depend on the state: a method of p nodes is exact for polynomials of degree p - 1 ---- */

enum { IN_DATA, IN_NOISE, IN_SIGMA }; /* D or eps a polynomial in lambda, or eps in sigma */

typedef struct polynomial {
	int kind, degree;
	double *x;
	int64_t exact_steps;
} polynomial;

static const double coefficient[] = {0.4, -0.7, 0.5, 0.3, -0.2};

/* Derivative number `times` (-1: integral from 0) of the polynomial. */
static double derivative(const polynomial *w, double u, int times)
{
	double sum = 0;
	int k, j;

	for (k = times > 0 ? times : 0; k <= w->degree; k++) {
		double c = coefficient[k];

		for (j = 0; j < times; j++)
			c *= k - j;
		sum += (times < 0 ? c / (k + 1) : c) * pow(u, k - times);
	}
	return sum;
}

/* edm: d(x/sigma)/d lambda = e^lambda D, so x = c sigma + P - P' + P'' ...; dx/d lambda = -sigma eps, so
 * x = c + sigma (P + P' + P'' ...). c = 1. */
static double solution(const polynomial *w, double sigma)
{
	double sum = 0;
	int k;

	if (w->kind == IN_SIGMA)
		return 1 + derivative(w, sigma, -1);
	for (k = 0; k <= w->degree; k++)
		sum += (w->kind == IN_DATA && k % 2 ? -1 : 1) * derivative(w, -log(sigma), k);
	return w->kind == IN_DATA ? sigma + sum : 1 + sigma * sum;
}

static int polynomial_score(void *user, int64_t n, const double *x, const double *t, double *out)
{
	const polynomial *w = user;
	double m = derivative(w, w->kind == IN_SIGMA ? t[0] : -log(t[0]), 0);

	ck_assert_int_eq(n, 1);
	out[0] = w->kind == IN_DATA ? (m - x[0]) / (t[0] * t[0]) : -m / t[0];
	return SF_OK;
}

static int put_exact(void *user, int64_t step, double t, int64_t n, const double *x)
{
	polynomial *w = user;

	(void)n;
	(void)x;
	if (step <= w->exact_steps)
		*w->x = solution(w, t);
	return 0;
}

static double polynomial_run(const char *sampler, const char *grid, int kind, int degree, int64_t steps, int64_t exact_steps)
{
	rig r = open_rig("edm:sigma-min=0.2,sigma-max=4", NULL, 0, sampler);
	double x = 0;
	polynomial w = {kind, degree, &x, exact_steps};
	sf_grid *g = NULL;

	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, polynomial_score, &w, NULL, &r.score));
	assert_ok(r.ctx, sf_grid_new(r.ctx, grid, &g));
	r.run.grid = g;
	r.run.steps = steps;
	r.run.given_start = 1;
	r.run.denoise = 0;
	r.run.observe = put_exact;
	r.run.user = &w;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	sf_grid_free(g);
	close_rig(&r);
	return x - solution(&w, 0.2);
}

START_TEST(polynomials)
{
	static const struct {
		const char *sampler, *grid;
		int kind, degree, start;
	} want[] = {{"dpmpp:order=2,variant=taylor,lower-order-final=never", "logsnr:power=2", IN_DATA, 1, 1},
	            {"dpmpp:order=3,lower-order-final=never", "karras:final=last", IN_DATA, 2, 2},
	            {"dpmpp:order=3,lower-order-final=never,prediction=noise", "karras:final=last", IN_NOISE, 2, 2},
	            {"dpmpp-sde:solver=3m,eta=0", "karras:final=last", IN_DATA, 2, 2},
	            {"dpm:order=2,variant=taylor", "karras:final=last", IN_NOISE, 1, 0},
	            {"dpm:order=3,variant=taylor", "karras:final=last", IN_NOISE, 2, 0},
	            {"dpm:order=3,variant=taylor,prediction=data", "karras:final=last", IN_DATA, 2, 0},
	            {"unipc:order=3,corrector=false,lower-order-final=never", "karras:final=last", IN_DATA, 2, 2},
	            {"unipc:order=4,corrector=false,lower-order-final=never", "karras:final=last", IN_DATA, 3, 3},
	            {"unipc:order=4,corrector=false,lower-order-final=never,prediction=noise", "karras:final=last", IN_NOISE, 3, 3},
	            {"lms:order=2", "karras:final=last", IN_SIGMA, 1, 1},
	            {"lms:order=3", "karras:final=last", IN_SIGMA, 2, 2},
	            {"lms", "karras:final=last", IN_SIGMA, 3, 3},
	            {"ipndm:order=2", "karras:final=last,rho=1", IN_SIGMA, 1, 1},
	            {"ipndm:order=3", "karras:final=last,rho=1", IN_SIGMA, 2, 2},
	            {"ipndm", "karras:final=last,rho=1", IN_SIGMA, 3, 3}};
	size_t i;

	for (i = 0; i < sizeof want / sizeof *want; i++) {
		double off = polynomial_run(want[i].sampler, want[i].grid, want[i].kind, want[i].degree, 9, want[i].start);

		ck_assert_msg(fabs(off) < 1e-13, "%s: %g", want[i].sampler, off);
		off = polynomial_run(want[i].sampler, want[i].grid, want[i].kind, want[i].degree + 1, 9, want[i].start);
		ck_assert_msg(fabs(off) > 1e-6, "%s is exact for one degree more", want[i].sampler);
	}
}
END_TEST

/* The corrector of order p has p + 1 nodes. The last state is only predicted: it must be what the predictor makes of exact
 * states. */
START_TEST(corrected)
{
	static const char *const spec[] = {"unipc:lower-order-final=never,order=%d,prediction=%s,uncorrected=%d",
	                                   "unipc:lower-order-final=never,order=%d,prediction=%s,corrector=false"};
	int p, kind;

	for (p = 2; p <= 4; p++)
		for (kind = IN_DATA; kind <= IN_NOISE; kind++) {
			char sampler[2][120];
			double off[2];
			int k;

			for (k = 0; k < 2; k++) {
				snprintf(sampler[k], sizeof sampler[k], spec[k], p, kind ? "noise" : "data", p - 1);
				off[k] = polynomial_run(sampler[k], "karras:final=last", kind, p, 9, k ? 8 : p - 1);
			}
			ck_assert_msg(fabs(off[1]) > 1e-6, "%s", sampler[1]);
			assert_close(off[0], off[1], 0, 1e-13);
		}
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

/* The first two accepted steps by hand: order 2 compares ddim with dpm2. */
START_TEST(adaptive_by_hand)
{
	static const char *const spec[] = {"dpm-adaptive:order=2,batch=true,h=0.3",
	                                   "dpm-adaptive:order=2,batch=true,h=0.3,control=theta"};
	rig r = open_rig("edm", SKEWED, 1, spec[_i]);
	seen s = {0, {0}};
	double start = 80, t = 80 * exp(-0.3), x = 71;
	double low = one_step("ddim", start, t, x), high = one_step("dpm2", start, t, x);
	double scale = 0.05 * fmax(fabs(low), fabs(x)), E = fabs(high - low) / fmax(scale, 0.0078);
	double power = pow(E, -0.5), factor = _i ? 0.9 * power : 1 + atan(power - 1);

	ck_assert(E < 1); /* the first try is accepted */
	r.run.given_start = 1;
	r.run.observe = look;
	r.run.user = &s;
	r.run.denoise = 0;
	assert_ok(r.ctx, sf_sample(r.sampler, r.score, &r.run, &x, NULL));
	assert_close(s.t[1], t, 1e-13, 0);
	ck_assert(s.steps >= 3);
	if (s.t[2] < s.t[1]) /* and so the second */
		assert_close(log(s.t[1] / s.t[2]), 0.3 * factor, 1e-8, 0);
	else
		ck_assert(s.t[2] == s.t[1]);
	close_rig(&r);
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

/* ---- shared arithmetic ---- */

/* phi_k(z) = int_0^1 e^{(1-u) z} u^{k-1}/(k-1)! du, by Simpson's rule */
START_TEST(phi)
{
	static const double z[] = {-12, -3, -1.0001, -1, -0.9999, -0.3, -1e-3, -1e-9, 0, 1e-12, 1e-4, 0.7, 0.99999,
	                           1.00001, 5};
	enum { Z = sizeof z / sizeof *z, N = 2000 };
	static const double factorial[] = {1, 1, 2, 6, 24};
	double got[SF_LEG_TERMS];
	int i, j, k, n;

	for (i = 0; i < Z; i++)
		for (n = 1; n <= SF_LEG_TERMS; n++) {
			sf_phi(z[i], n, got);
			for (k = 1; k <= n; k++) {
				double sum = 0;

				for (j = 0; j <= N; j++) {
					double u = (double)j / N, w = j == 0 || j == N ? 1 : j % 2 ? 4 : 2;

					sum += w * exp((1 - u) * z[i]) * pow(u, k - 1);
				}
				assert_close(got[k - 1], sum / (3.0 * N * factorial[k - 1]), 1e-9, 0);
			}
		}
}
END_TEST

START_TEST(vandermonde)
{
	const double r[4] = {-2.5, -1.1, -0.4, 1};
	double b[4], x[4] = {0.3, -1.2, 2.2, 0.7};
	int n, i, j;

	for (n = 1; n <= 4; n++) {
		for (i = 0; i < n; i++)
			for (b[i] = 0, j = 0; j < n; j++)
				b[i] += pow(r[j], i) * x[j];
		sf_vandermonde(n, r, b);
		for (i = 0; i < n; i++)
			assert_close(b[i], x[i], 1e-12, 0);
	}
}
END_TEST

static double cube(const void *arg, double rho)
{
	(void)arg;
	return rho * rho * rho;
}

/* Weights of n nodes integrate polynomials of degree below n in the clock: here u = rho^3 or rho itself. */
START_TEST(adams)
{
	const double node[4] = {1, 1.3, 1.9, 2.2};
	double w[4], u[4];
	int n, k, j, c;

	for (c = 0; c < 2; c++)
		for (n = 1; n <= 4; n++) {
			for (j = 0; j < n; j++)
				u[j] = c ? cube(NULL, node[j]) : node[j];
			sf_adams(n, u, 1, 0.2, c ? cube : NULL, NULL, w);
			for (k = 0; k < n; k++) {
				double sum = 0, power = c ? 3 * k + 1 : k + 1;

				for (j = 0; j < n; j++)
					sum += w[j] * pow(u[j], k);
				assert_close(sum, (pow(0.2, power) - 1) / power, 1e-12, 1e-12);
			}
		}
}
END_TEST

static double inverse(const void *arg, double rho)
{
	(void)arg;
	return 1 / (1 + rho);
}

/* A clock that is no polynomial, over a long step: the integrals of u^k, u = 1/(1 + rho). */
START_TEST(adams_long)
{
	const double u[4] = {1.0 / 21, 1.0 / 31, 1.0 / 41, 1.0 / 61};
	const double from = 21, to = 1.2, want[4] = {to - from, log(to / from), 1 / from - 1 / to,
	                                             (1 / (from * from) - 1 / (to * to)) / 2};
	double w[4];
	int k, j;

	sf_adams(4, u, from - 1, to - 1, inverse, NULL, w);
	for (k = 0; k < 4; k++) {
		double sum = 0;

		for (j = 0; j < 4; j++)
			sum += w[j] * pow(u[j], k);
		assert_close(sum, want[k], 1e-6, 0);
	}
}
END_TEST

/* down^2 + up^2 = t^2, up of eta = 1 is the standard deviation of x_t given x_s and x_0, and up never passes t. */
START_TEST(renew)
{
	static const double eta[] = {0, 0.5, 1, 1.7, 40};
	double down, up;
	int i;

	for (i = 0; i < 5; i++) {
		sf_renew(3, 2, eta[i], &down, &up);
		assert_close(down * down + up * up, 4, 1e-14, 0);
		assert_close(up, fmin(2, eta[i] * 2 * sqrt(5.0 / 9)), 1e-14, 0);
		sf_renew(3, 0, eta[i], &down, &up);
		ck_assert(down == 0 && up == 0);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("multistep");
	TCase *points = tcase_create("points"), *adaptive = tcase_create("adaptive"), *parts = tcase_create("parts");

	tcase_add_loop_test(points, one_point, 0, STILL);
	tcase_add_loop_test(points, one_point_noisy, 0, NOISY);
	tcase_add_loop_test(points, same_in_every_process, 0, STILL);
	tcase_add_test(points, polynomials);
	tcase_add_test(points, corrected);
	tcase_add_test(points, fast_budget);
	tcase_add_loop_test(points, same_path, 0, 3);
	tcase_add_loop_test(adaptive, adaptive_by_hand, 0, 2);
	tcase_add_test(adaptive, adaptive_counts);
	tcase_add_test(adaptive, adaptive_tolerance);
	tcase_add_test(parts, phi);
	tcase_add_test(parts, vandermonde);
	tcase_add_test(parts, adams);
	tcase_add_test(parts, adams_long);
	tcase_add_test(parts, renew);
	suite_add_tcase(suite, points);
	suite_add_tcase(suite, adaptive);
	suite_add_tcase(suite, parts);
	return sf_test_main(suite);
}
