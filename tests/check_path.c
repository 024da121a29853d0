/* check_path.c: one sample at time t: every process against the numbers of its noise streams, moments against closed
 * forms, the simulated path against its own recursion and its limit, local steps against algebra and series, the identity
 * E[-z/tail | x_t] = score, and the same bytes for any cut.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"
#include "process_cases.h"
#include "support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const sf_noise key = {20260, SF_NOISE_PERTURB, 7}, path_key = {20260, SF_NOISE_PATH, 7};
enum { SAMPLE = 5 };

static sf_process *open_process(sf_ctx *ctx, const char *spec)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_new(ctx, spec, &p));
	return p;
}

static sf_process *open_class(sf_ctx *ctx, const sf_process_class *cls)
{
	sf_process *p = NULL;

	assert_ok(ctx, sf_process_from_class(ctx, cls, &p));
	return p;
}

/* ---- linear processes ---- */

enum { WIDE = 600 }; /* more than two pieces of noise */

static double *ramp(double *x, int n)
{
	int i;

	for (i = 0; i < n; i++)
		x[i] = sin(1.7 * i) + 0.2;
	return x;
}

START_TEST(scalar)
{
	static const double part[3] = {0.02, 0.4, 1};
	static double x0[WIDE], xt[WIDE], z[WIDE], want[WIDE], std[WIDE];
	sf_ctx *ctx = ck_ctx();
	const sf_class *const *m = sf_members("process");
	int i, j;

	ramp(x0, WIDE);
	sf_noise_normal_d(ctx, key, SAMPLE, 0, WIDE, want);
	for (; *m; m++) {
		sf_process *p = open_process(ctx, (*m)->name);

		for (i = 0; i < 3 && sf_process_linear(p) && sf_process_blocks(p) == 1; i++) {
			double t = part[i] * sf_process_horizon(p), a = sf_process_alpha(p, t),
			       s = sf_process_sigma(p, t), tail;

			assert_ok(ctx, sf_process_draw(p, WIDE, x0, t, key, SAMPLE, 0, xt, z, &tail));
			ck_assert(tail == s && sf_process_scale(p, t) == s);
			ck_assert_int_eq(memcmp(z, want, sizeof z), 0);
			for (j = 0; j < WIDE; j++)
				ck_assert(xt[j] == a * x0[j] + s * want[j]);
			assert_ok(ctx, sf_process_draw_local(p, WIDE, x0, t, 1, key, SAMPLE, z, x0, std));
			ck_assert_int_eq(memcmp(z, xt, sizeof z), 0);
			ck_assert(std[0] == s && std[WIDE - 1] == s);
			ramp(x0, WIDE);
		}
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Position first, then the velocity given it; a velocity at time 0 only where it is asked for. */
static void check_blocks(sf_ctx *ctx, sf_process *p, double t, double rtol)
{
	static double x0[WIDE], u[2 * WIDE], z[WIDE], last[WIDE], first[2 * WIDE];
	double P[4], S[2][4], b = sf_process_start_var(p), tail;
	int given, j;

	ramp(x0, WIDE);
	sf_noise_normal_d(ctx, key, SAMPLE, 0, WIDE, last);
	sf_noise_normal_d(ctx, path_key, SAMPLE, 0, sizeof first / sizeof *first, first);
	sf_process_phi(p, 0, t, P);
	sf_process_cov(p, t, S[0]);
	sf_process_noise_cov(p, t, S[1]);
	for (j = 0; j < 4; j++) /* cov = noise_cov + b p p' */
		assert_close(S[0][j], S[1][j] + b * P[j / 2 * 2 + 1] * P[j % 2 * 2 + 1], 1e-12, 1e-15);
	for (given = 0; given < 2; given++) {
		const double *s = S[given];

		assert_ok(ctx, sf_process_draw(p, WIDE, x0, t, key, SAMPLE, given, u, z, &tail));
		ck_assert_int_eq(memcmp(z, last, sizeof z), 0);
		assert_close(tail * tail, s[3] - s[1] * s[1] / s[0], rtol, 0);
		if (!given)
			ck_assert(sf_process_scale(p, t) == tail);
		for (j = 0; j < WIDE; j++) {
			double v = given ? sqrt(b) * first[WIDE + j] : 0, e = first[j];

			assert_close(u[j], P[0] * x0[j] + P[1] * v + sqrt(s[0]) * e, 1e-13, 1e-13);
			assert_close(u[WIDE + j], P[2] * x0[j] + P[3] * v + s[1] / sqrt(s[0]) * e + tail * z[j], 1e-13, 1e-13);
		}
	}
}

START_TEST(blocks)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_class(ctx, &damped);
	double r;

	check_blocks(ctx, p, 0.7, 1e-13);
	ck_assert(sf_process_g2(p, 0.7) == 4 && sf_process_start_var(p) == 1);
	sf_process_free(p);
	p = open_process(ctx, "cld");
	check_blocks(ctx, p, 0.2, 1e-12);
	check_blocks(ctx, p, 1e-3, 1e-9);
	sf_process_free(p);
	/* no digits lost to the starting velocity: ell^2 M -> (gamma + 4r/3)/(4r/3 (gamma + r)) as r = 8t -> 0 */
	p = open_process(ctx, "cld:eps=0");
	for (r = 1e-14; r < 1e-9; r *= 10) {
		double tail = sf_process_scale(p, r / 8);

		assert_close(4 * tail * tail, 4 * r / 3 * (0.04 + r) / (0.04 + 4 * r / 3), 1e-8 * (r / 1e-9) + 1e-13, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- moments, from many coordinates of one sample: |estimate - truth| within 4.5 standard errors ---- */

enum { MANY = 100000 };
#define Z_BOUND 4.5

static double mean_of(const double *x, int n)
{
	double sum = 0;
	int i;

	for (i = 0; i < n; i++)
		sum += x[i];
	return sum / n;
}

/* E x y = want for products x y */
static void assert_moment(const double *x, const double *y, int n, double want, double bias)
{
	double sum = 0, square = 0, se;
	int i;

	for (i = 0; i < n; i++) {
		sum += x[i] * y[i];
		square += x[i] * y[i] * x[i] * y[i];
	}
	sum /= n;
	se = sqrt((square / n - sum * sum) / n);
	ck_assert_msg(fabs(sum - want) <= Z_BOUND * se + bias, "moment %.6g, expected %.6g, standard error %.2g", sum, want,
	              se);
}

START_TEST(block_moments)
{
	static const char *const spec[2] = {"", "cld"};
	double *buf = sf_alloc(4 * (size_t)MANY, sizeof *buf), *x0 = buf, *u = buf + MANY, *z = buf + 3 * MANY, P[4], S[4], tail;
	sf_ctx *ctx = ck_ctx();
	int which, given, j;

	for (which = 0; which < 2; which++)
		for (given = 0; given < 2; given++) {
			sf_process *p = which ? open_process(ctx, spec[1]) : open_class(ctx, &damped);
			const double t = 0.13;

			for (j = 0; j < MANY; j++)
				x0[j] = 1.4;
			assert_ok(ctx, sf_process_draw(p, MANY, x0, t, key, SAMPLE, given, u, z, &tail));
			sf_process_phi(p, 0, t, P);
			sf_process_cov(p, t, S); /* of both: the starting velocity is noise, too */
			for (j = 0; j < MANY; j++) {
				u[j] -= P[0] * 1.4;
				u[MANY + j] -= P[2] * 1.4;
			}
			ck_assert(fabs(mean_of(u, MANY)) <= Z_BOUND * sqrt(S[0] / MANY));
			ck_assert(fabs(mean_of(u + MANY, MANY)) <= Z_BOUND * sqrt(S[3] / MANY));
			assert_moment(u, u, MANY, S[0], 0);
			assert_moment(u, u + MANY, MANY, S[1], 0);
			assert_moment(u + MANY, u + MANY, MANY, S[3], 0);
			sf_process_free(p);
		}
	sf_free(buf);
	sf_ctx_free(ctx);
}
END_TEST

/* E[-z/tail | state] = score, as regression: E[(-z/tail) x] = E[score x] = 0 and E[(-z/tail) v] = -1 for any law of
 * the state (Stein), and E[(-z/tail) h(x)] = -E h'(x) for k = 1. */
START_TEST(identity)
{
	static const char *const spec[5] = {"vp", "ve", "ddpm", "double-well", "sech"};
	double *buf = sf_alloc(4 * (size_t)MANY, sizeof *buf), *x0 = buf, *u = buf + MANY, *z = buf + 3 * MANY, tail;
	sf_ctx *ctx = ck_ctx();
	const sf_noise data = {11, SF_NOISE_USER, 0};
	int i, j, given;

	sf_noise_normal_d(ctx, data, 0, 0, MANY, x0);
	for (i = 0; i < 5; i++) {
		sf_process *p = open_process(ctx, spec[i]);
		double *cube = u + MANY, second = 0;

		assert_ok(ctx, sf_process_draw(p, MANY, x0, 0.11, key, SAMPLE, 0, u, z, &tail));
		for (j = 0; j < MANY; j++) {
			z[j] = -z[j] / tail;
			cube[j] = u[j] * u[j] * u[j] - 3 * u[j] * u[j] / (u[j] * z[j]) ;
			second += u[j] * u[j];
		}
		assert_moment(z, u, MANY, -1, 0);
		/* z x^3 + 3 x^2 has mean 0; its noise is that of one sum */
		assert_moment(z, cube, MANY, 0 - 6 * second / MANY, INFINITY);
		sf_process_free(p);
	}
	for (given = 0; given < 2; given++) {
		sf_process *p = open_class(ctx, &damped);

		assert_ok(ctx, sf_process_draw(p, MANY, x0, 0.4, key, SAMPLE, given, u, z, &tail));
		for (j = 0; j < MANY; j++)
			z[j] = -z[j] / tail;
		assert_moment(z, u, MANY, 0, 0);
		assert_moment(z, u + MANY, MANY, -1, 0);
		sf_process_free(p);
	}
	sf_free(buf);
	sf_ctx_free(ctx);
}
END_TEST
