/* check_polynomials.c: samplers whose order is a degree: exact where the model's output is a polynomial of that
 * degree and nowhere else; and the arithmetic they share.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"
#include "sampler_rig.h"

#include <math.h>
#include <stdio.h>

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

static double polynomial_run(const char *sampler, const char *grid, int kind, int degree, int64_t steps,
                             int64_t exact_steps)
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
	            {"unipc:order=4,corrector=false,lower-order-final=never,prediction=noise", "karras:final=last", IN_NOISE, 3,
	             3},
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

/* The corrector of order p has p + 1 nodes. The last state is only predicted: it must be what the predictor makes of
 * exact states. */
START_TEST(corrected)
{
	int p, kind;

	for (p = 2; p <= 4; p++)
		for (kind = IN_DATA; kind <= IN_NOISE; kind++) {
			char sampler[2][120];
			double off[2];
			int k;

			for (k = 0; k < 2; k++) {
				char corrector[32] = "corrector=false";

				if (k == 0)
					snprintf(corrector, sizeof corrector, "uncorrected=%d", p - 1);
				snprintf(sampler[k], sizeof sampler[k], "unipc:lower-order-final=never,order=%d,prediction=%s,%s", p,
				         kind ? "noise" : "data", corrector);
				off[k] = polynomial_run(sampler[k], "karras:final=last", kind, p, 9, k ? 8 : p - 1);
			}
			ck_assert_msg(fabs(off[1]) > 1e-6, "%s", sampler[1]);
			assert_close(off[0], off[1], 0, 1e-13);
		}
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
		assert_close(sum, want[k], 1e-10, 0);
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
	Suite *suite = suite_create("polynomials");
	TCase *runs = tcase_create("runs"), *parts = tcase_create("parts");

	tcase_add_test(runs, polynomials);
	tcase_add_test(runs, corrected);
	tcase_add_test(parts, phi);
	tcase_add_test(parts, vandermonde);
	tcase_add_test(parts, adams);
	tcase_add_test(parts, adams_long);
	tcase_add_test(parts, renew);
	suite_add_tcase(suite, runs);
	suite_add_tcase(suite, parts);
	return sf_test_main(suite);
}
