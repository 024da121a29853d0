/* check_path.c: one sample at time t: every process against the numbers of its noise streams, moments against
 * closed forms, the simulated path against its own recursion and its limit, local steps against algebra and series,
 * the identity E[-z/tail | x_t] = score, and the same bytes for any cut.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"
#include "moments.h"
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
	static double x0[WIDE], xt[WIDE], z[WIDE], want[WIDE], std[WIDE], again[WIDE];
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
			assert_ok(ctx, sf_process_draw_local(p, WIDE, x0, t, 1, key, SAMPLE, again, z, std));
			ck_assert_int_eq(memcmp(again, xt, sizeof again), 0);
			ck_assert_int_eq(memcmp(z, want, sizeof z), 0);
			ck_assert(std[0] == s && std[WIDE - 1] == s);
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

/* ---- moments ---- */

START_TEST(block_moments)
{
	static const char *const spec[2] = {"", "cld"};
	double *buf = sf_alloc(4 * (size_t)MANY, sizeof *buf), *x0 = buf, *u = buf + MANY, *z = buf + 3 * MANY, P[4], S[4],
	       tail;
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
			assert_mean(u, MANY, 0, 0);
			assert_mean(u + MANY, MANY, 0, 0);
			assert_product(u, u, MANY, S[0]);
			assert_product(u, u + MANY, MANY, S[1]);
			assert_product(u + MANY, u + MANY, MANY, S[3]);
			sf_process_free(p);
		}
	sf_free(buf);
	sf_ctx_free(ctx);
}
END_TEST

/* E[-z/tail | state] = score, by regression. For any law E[score h] = -E h' (Stein): for k = 1 the products with 1,
 * x, x^3 have the means 0, -1, -3 E x^2; for k = 2 those with x and v have 0 and -1. */
START_TEST(identity)
{
	static const char *const spec[5] = {"vp", "ve", "ddpm", "double-well", "sech"};
	double *buf = sf_alloc(4 * (size_t)MANY, sizeof *buf), *x0 = buf, *u = buf + MANY, *term = u + MANY,
	       *z = buf + 3 * MANY, tail;
	sf_ctx *ctx = ck_ctx();
	const sf_noise data = {11, SF_NOISE_USER, 0};
	int i, j, given;

	sf_noise_normal_d(ctx, data, 0, 0, MANY, x0);
	for (i = 0; i < 5; i++) {
		sf_process *p = open_process(ctx, spec[i]);

		assert_ok(ctx, sf_process_draw(p, MANY, x0, 0.11, key, SAMPLE, 0, u, z, &tail));
		for (j = 0; j < MANY; j++) {
			z[j] = -z[j] / tail;
			term[j] = z[j] * u[j] * u[j] * u[j] + 3 * u[j] * u[j];
		}
		assert_mean(z, MANY, 0, 0);
		assert_product(z, u, MANY, -1);
		assert_mean(term, MANY, 0, 0);
		sf_process_free(p);
	}
	for (given = 0; given < 2; given++) {
		sf_process *p = open_class(ctx, &damped);

		assert_ok(ctx, sf_process_draw(p, MANY, x0, 0.4, key, SAMPLE, given, u, z, &tail));
		for (j = 0; j < MANY; j++)
			z[j] = -z[j] / tail;
		assert_product(z, u, MANY, 0);
		assert_product(z, u + MANY, MANY, -1);
		sf_process_free(p);
	}
	sf_free(buf);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- simulation ---- */

/* Euler-Maruyama written out: m steps of t/m with the noise where process.h says it is. */
static void by_hand(sf_ctx *ctx, const sf_process *p, int d, const double *x0, double t, int m, int last, double *x)
{
	double *f = sf_alloc((size_t)d, sizeof *f), *e = sf_alloc((size_t)d, sizeof *e), h = t / m;
	int i, j;

	memcpy(x, x0, (size_t)d * sizeof *x);
	for (i = 0; i < m; i++) {
		double at = i * h;

		assert_ok(ctx, sf_process_drift(p, 1, d, x, &at, f));
		if (i == m - 1 && last)
			sf_noise_normal_d(ctx, key, SAMPLE, 0, (size_t)d, e);
		else
			sf_noise_normal_d(ctx, path_key, SAMPLE, (uint64_t)i * (uint64_t)d, (size_t)d, e);
		for (j = 0; j < d; j++)
			x[j] += h * f[j] + sqrt(h * sf_process_g2(p, at)) * e[j];
	}
	sf_free(f);
	sf_free(e);
}

START_TEST(simulation)
{
	static const struct {
		const char *spec;
		double t;
		int steps; /* ceil(steps t) */
	} run[] = {{"double-well", 0.5, 100}, {"double-well", 0.0021, 1}, {"double-well:steps=7", 1, 7},
	           {"sech:steps=33", 0.3, 10}, {"sech:beta-min=2,beta-max=2,steps=3", 0.34, 2}};
	static double x0[WIDE], xt[WIDE], z[WIDE], want[WIDE];
	sf_ctx *ctx = ck_ctx();
	size_t i;
	int j, d;

	ramp(x0, WIDE);
	for (i = 0; i < sizeof run / sizeof *run; i++)
		for (d = 1; d <= WIDE; d += WIDE - 1) {
			sf_process *p = open_process(ctx, run[i].spec);
			double tail, h = run[i].t / run[i].steps;

			assert_ok(ctx, sf_process_draw(p, d, x0, run[i].t, key, SAMPLE, 1, xt, z, &tail));
			by_hand(ctx, p, d, x0, run[i].t, run[i].steps, 1, want);
			assert_close(tail * tail, h * sf_process_g2(p, run[i].t - h), 1e-14, 0);
			for (j = 0; j < d; j++)
				assert_close(xt[j], want[j], 1e-12, 1e-13);
			sf_process_free(p);
		}
	sf_ctx_free(ctx);
}
END_TEST

/* At steps of 1/m the law is normal with the mean (1 - 1.5/m)^m x0 and the variance of that recursion, which tend
 * to alpha and sigma^2 of the linear process with order 1. */
START_TEST(convergence)
{
	double *buf = sf_alloc(3 * (size_t)MANY, sizeof *buf), *x0 = buf, *xt = buf + MANY, *z = buf + 2 * MANY, tail,
	       off[2][3];
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_class(ctx, &crawl), *exact = open_class(ctx, &decay);
	int i, j;

	for (j = 0; j < MANY; j++)
		x0[j] = 2;
	for (i = 0; i < 3; i++) {
		double q, mean, var;

		crawl_count = 8 << i;
		q = 1 - 1.5 / (double)crawl_count;
		mean = 2 * pow(q, (double)crawl_count);
		var = 0.64 / (double)crawl_count * (1 - pow(q, 2 * (double)crawl_count)) / (1 - q * q);
		assert_ok(ctx, sf_process_draw(p, MANY, x0, 1, key, SAMPLE, 0, xt, z, &tail));
		assert_mean(xt, MANY, mean, 0);
		for (j = 0; j < MANY; j++)
			xt[j] -= mean;
		assert_product(xt, xt, MANY, var);
		off[0][i] = mean - 2 * sf_process_alpha(exact, 1);
		off[1][i] = var - sf_process_sigma(exact, 1) * sf_process_sigma(exact, 1);
	}
	for (j = 0; j < 2; j++)
		for (i = 0; i < 2; i++)
			assert_close(off[j][i] / off[j][i + 1], 2, 0.12, 0);
	sf_process_free(p);
	sf_process_free(exact);
	sf_free(buf);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- local steps ---- */

START_TEST(local_linear)
{
	static const char *const spec[5] = {"vp", "ve", "subvp", "edm", "ddpm"};
	static double x0[WIDE], xt[WIDE], z[WIDE], std[WIDE], first[WIDE], last[WIDE];
	sf_ctx *ctx = ck_ctx();
	double back;
	int i, j;

	ramp(x0, WIDE);
	sf_noise_normal_d(ctx, path_key, SAMPLE, 0, WIDE, first);
	sf_noise_normal_d(ctx, key, SAMPLE, 0, WIDE, last);
	for (i = 0; i < 5; i++)
		for (back = 0.9; back > 1e-4; back *= 0.05) {
			sf_process *p = open_process(ctx, spec[i]);
			double t = 0.4 * sf_process_horizon(p), s = t * (1 - back), phi, a = sf_process_alpha(p, t),
			       sigma = sf_process_sigma(p, s), sd2;

			assert_ok(ctx, sf_process_draw_local(p, WIDE, x0, t, back, key, SAMPLE, xt, z, std));
			sf_process_phi(p, s, t, &phi);
			assert_close(phi * sf_process_alpha(p, s), a, 1e-14, 0);
			sd2 = sf_process_sigma(p, t) * sf_process_sigma(p, t) - phi * phi * sigma * sigma;
			ck_assert_int_eq(memcmp(z, last, sizeof z), 0);
			for (j = 0; j < WIDE; j++) {
				ck_assert(std[j] == std[0]);
				assert_close(std[j] * std[j], sd2, 1e-15 / back, 0);
				assert_close(xt[j], a * x0[j] + phi * sigma * first[j] + std[j] * last[j], 1e-12, 1e-13);
			}
			sf_process_free(p);
		}
	sf_ctx_free(ctx);
}
END_TEST

/* The walk to x_s is Euler-Maruyama's, all of its noise from the path stream; then the law linearised at x_s. */
START_TEST(local_nonlinear)
{
	static double x0[WIDE], y[WIDE], xt[WIDE], z[WIDE], std[WIDE], last[WIDE];
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "double-well");
	const double t = 0.5, back = 0.2, dB = 0.1 * (t - 0.4) + 9.95 * (t * t - 0.16);
	int j;

	ramp(x0, WIDE);
	sf_noise_normal_d(ctx, key, SAMPLE, 0, WIDE, last);
	assert_ok(ctx, sf_process_draw_local(p, WIDE, x0, t, back, key, SAMPLE, xt, z, std));
	by_hand(ctx, p, WIDE, x0, 0.4, 80, 0, y);
	for (j = 0; j < WIDE; j++) {
		double a = 1 - 3 * y[j] * y[j], mean = y[j] + (y[j] - pow(y[j], 3)) * expm1(a * dB / 2) / a;

		assert_close(std[j], sqrt(expm1(a * dB) / a), 1e-11, 0);
		assert_close(xt[j], mean + std[j] * last[j], 1e-11, 1e-12);
		ck_assert(z[j] == last[j]);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- any cut, any number of threads ---- */

enum { CUT_N = 37, CUT_D = 3 };
typedef struct cut {
	const sf_process *p;
	int per;
	double x0[CUT_D], xt[CUT_N][CUT_D], z[CUT_N][CUT_D], tail[CUT_N];
} cut;

static int cut_tile(void *arg, int64_t tile, int worker)
{
	cut *c = arg;
	int i;

	(void)worker;
	for (i = (int)tile * c->per; i < CUT_N && i < ((int)tile + 1) * c->per; i++)
		SF_TRY(sf_process_draw(c->p, CUT_D, c->x0, 0.6, key, (uint64_t)i, 1, c->xt[i], c->z[i], &c->tail[i]));
	return 0;
}

START_TEST(cuts)
{
	static const char *const spec[3] = {"vp", "double-well", "sech"};
	static cut whole, part;
	sf_ctx *ctx = ck_ctx();
	int i, threads;

	for (i = 0; i < 3; i++) {
		sf_process *p = open_process(ctx, spec[i]);

		memset(&whole, 0, sizeof whole);
		whole.p = p;
		whole.per = CUT_N;
		whole.x0[1] = 1;
		part = whole;
		assert_ok(ctx, sf_parallel(ctx, 1, cut_tile, &whole));
		for (threads = 1; threads <= 3; threads++) {
			part.per = 2 * threads + 1;
			assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
			assert_ok(ctx, sf_parallel(ctx, (CUT_N + part.per - 1) / part.per, cut_tile, &part));
			ck_assert_int_eq(memcmp(whole.xt, part.xt, sizeof part.xt), 0);
			ck_assert_int_eq(memcmp(whole.z, part.z, sizeof part.z), 0);
			ck_assert_int_eq(memcmp(whole.tail, part.tail, sizeof part.tail), 0);
		}
		ck_assert(whole.xt[0][0] != whole.xt[1][0]);
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* ---- what cannot be done ---- */

START_TEST(refusals)
{
	static const double times[3] = {-0.1, 1.5, NAN}, backs[4] = {0, -1, 1.01, NAN};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "double-well"), *two = open_class(ctx, &damped), *bare = open_class(ctx, &well),
		   *edm = open_process(ctx, "edm");
	double x0[2] = {500, 0}, xt[4], z[2], std[2], tail;
	int i;

	ck_assert_int_eq(sf_process_draw(p, 2, x0, 0.5, key, 0, 0, xt, z, &tail), SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "more steps than 200"));
	ck_assert_int_eq(sf_process_draw_local(p, 2, x0, 0.5, 0.1, key, 0, xt, z, std), SF_EDIVERGED);
	x0[0] = NAN;
	ck_assert_int_eq(sf_process_draw(p, 2, x0, 0.5, key, 0, 0, xt, z, &tail), SF_EDIVERGED);
	x0[0] = 0;
	for (i = 0; i < 3; i++) {
		ck_assert_int_eq(sf_process_draw(p, 2, x0, times[i], key, 0, 0, xt, z, &tail), SF_ERANGE);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "time"));
		ck_assert_int_eq(sf_process_draw_local(p, 2, x0, times[i], 1, key, 0, xt, z, std), SF_ERANGE);
	}
	for (i = 0; i < 4; i++)
		ck_assert_int_eq(sf_process_draw_local(edm, 2, x0, 1, backs[i], key, 0, xt, z, std), SF_ERANGE);
	ck_assert_int_eq(sf_process_draw_local(edm, 2, x0, 1, 1e-18, key, 0, xt, z, std), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no noise"));
	ck_assert_int_eq(sf_process_draw_local(two, 2, x0, 0.5, 0.5, key, 0, xt, z, std), SF_EUNSUP);
	ck_assert_int_eq(sf_process_draw_local(bare, 2, x0, 0.5, 0.5, key, 0, xt, z, std), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "well"));
	ck_assert_int_eq(sf_process_draw(p, (int64_t)1 << 33, x0, 0.5, key, 0, 0, xt, z, &tail), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "noise"));
	/* time 0 is where it starts */
	assert_ok(ctx, sf_process_draw(p, 2, x0, 0, key, 0, 0, xt, z, &tail));
	ck_assert(xt[0] == x0[0] && xt[1] == x0[1] && tail == 0);
	sf_process_free(p);
	sf_process_free(two);
	sf_process_free(bare);
	sf_process_free(edm);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("path");
	TCase *all = tcase_create("path");

	tcase_add_test(all, scalar);
	tcase_add_test(all, blocks);
	tcase_add_test(all, block_moments);
	tcase_add_test(all, identity);
	tcase_add_test(all, simulation);
	tcase_add_test(all, convergence);
	tcase_add_test(all, local_linear);
	tcase_add_test(all, local_nonlinear);
	tcase_add_test(all, cuts);
	tcase_add_test(all, refusals);
	suite_add_tcase(suite, all);
	return sf_test_main(suite);
}
