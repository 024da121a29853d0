/* check_ems.c: statistics of models: integrals of tables, estimates against closed forms on normal data and population values of a
 * mixture by quadrature, files, bad input.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "v3_parts.h"

#include <scorefield/io.h>

/* ---- tables ---- */

/* int of e^{L+S} and so on for l = 2 lambda, s = -3 lambda^2 against Simpson's rule on a fine grid, forwards and backwards. */
static void polynomials(double lambda, int64_t j, double *l, double *s, double *b)
{
	(void)j;
	*l = 2 * lambda;
	*s = -lambda * lambda;
	*b = 1 + lambda;
}

START_TEST(integrals)
{
	enum { N = 4000 };
	sf_ctx *ctx = ck_ctx();
	double from = _i ? 0.9 : -0.37, to = _i ? -0.61 : 0.83, h = (to - from) / N, B = 0, C = 0, J[4] = {0};
	sf_ems e;
	sf_ems_leg g;
	int64_t i;
	int k;

	enter();
	write_table(ctx, "poly", 17, 1, exp(1), exp(-1), polynomials);
	assert_ok(ctx, sf_ems_read(ctx, file_of("poly"), &e));
	for (i = 0; i <= N; i++) { /* midpoints for B, then trapezoids: errors of h^2 */
		double x = from + (double)i * h, m = x + h / 2, w = (i == 0 || i == N ? 0.5 : 1) * h;
		double E = exp(x * x - from * from - (x * x * x - from * from * from) / 3), power = 1;

		C += w * E * B;
		for (k = 0; k < 4; k++) {
			J[k] += w * E * power;
			power *= (x - from) / (k + 1);
		}
		if (i < N)
			B += h * exp((m * m * m - from * from * from) / 3) * (1 + m);
	}
	sf_ems_between(&e, 0, from, to, &g);
	assert_close(g.L, to * to - from * from, 1e-13, 0);
	assert_close(g.S, -(to * to * to - from * from * from) / 3, 1e-13, 0);
	assert_close(g.B, B, 1e-6, 0);
	assert_close(g.C, C, 1e-6, 0);
	for (k = 0; k < 4; k++)
		assert_close(g.J[k], J[k], 1e-6, 0);
	assert_close(sf_ems_l(&e, 0, 0.123), 0.246, 1e-13, 0);
	sf_ems_trapezoid(&e, 0, 2, 14, &g); /* quadratic exactly, up to Delta^2/12 (f'(b) - f'(a)) */
	assert_close(g.L, 0.75 * 0.75 - 0.75 * 0.75, 0, 1e-14);
	assert_close(g.S, -2.0 / 3 * 0.75 * 0.75 * 0.75 - 1.0 / 64 / 12 * 3, 1e-12, 0);
	sf_ems_free(&e);
	leave();
	sf_ctx_free(ctx);
}
END_TEST

/* l = 1: the phi functions; and there and back gives nothing. */
START_TEST(known_integrals)
{
	sf_ctx *ctx = ck_ctx();
	double h = 1.3;
	sf_ems e;
	sf_ems_leg g;

	enter();
	write_table(ctx, "data", 9, 1, 10, 0.1, data_table);
	assert_ok(ctx, sf_ems_read(ctx, file_of("data"), &e));
	sf_ems_between(&e, 0, 0.2, 0.2 + h, &g);
	assert_close(g.L, h, 1e-14, 0);
	assert_close(g.J[0], expm1(h), 2e-15, 0);
	assert_close(g.J[1], exp(h) * (h - 1) + 1, 1e-14, 0);
	assert_close(g.J[2], (exp(h) * (h * h - 2 * h + 2) - 2) / 2, 1e-13, 0);
	sf_ems_between(&e, 0, 0.2, 0.2, &g);
	ck_assert(g.L == 0 && g.J[0] == 0 && g.B == 0 && g.C == 0);
	sf_ems_free(&e);
	leave();
	sf_ctx_free(ctx);
}
END_TEST

/* ---- estimates ---- */

typedef struct source {
	sf_ctx *ctx;
	int mixture;
	int64_t calls;
} source;

static void draw(void *user, uint64_t i, double *x)
{
	static const double mean[3] = {-1, 0.6, 1.5}, sd[3] = {0.3, 0.4, 0.2};
	const source *s = user;
	sf_noise key = {5, SF_NOISE_USER, 0};
	double z[3], u;
	int part;

	sf_noise_normal_d(s->ctx, key, i, 0, 3, z);
	if (!s->mixture) {
		for (part = 0; part < 3; part++)
			x[part] = normal_mean[part] + normal_std[part] * z[part];
		return;
	}
	key.step = 1;
	u = sf_noise_uniform53(key, i, 0);
	part = u < 0.3 ? 0 : u < 0.8 ? 1 : 2;
	x[0] = mean[part] + sd[part] * z[0];
}

/* With few samples: probes see a diagonal exactly, and f does not vary. */
START_TEST(estimate_normal)
{
	static const char *const spec[] = {"edm:sigma-min=0.05,sigma-max=10", "vp", "subvp", "ve"};
	int p;

	for (p = 0; p < 4; p++) {
		rig r = open_rig(spec[p], NORMAL, 3, "euler");
		source s = {r.ctx, 0, 0};
		sf_ems_run run;
		sf_ems e;
		int64_t i, j;

		sf_ems_defaults(&run);
		run.rows = 801;
		run.samples = 5;
		run.data = draw;
		run.user = &s;
		assert_ok(r.ctx, sf_ems_estimate(r.score, &run, &e));
		assert_close(e.first, sf_process_logsnr(r.process, sf_process_horizon(r.process)) / 2, 1e-13, 0);
		assert_close(e.last, sf_process_logsnr(r.process, sf_process_t_sample(r.process)) / 2, 1e-13, 0);
		for (i = 0; i < e.rows; i++)
			for (j = 0; j < 3; j++) {
				double l, sv, b;

				normal_table(sf_ems_lambda(&e, i), j, &l, &sv, &b);
				assert_close(e.l[i * 3 + j], l, 1e-9, 1e-14);
				ck_assert_msg(fabs(e.s[i * 3 + j]) == 0, "s = %g", e.s[i * 3 + j]);
				assert_close(e.b[i * 3 + j], b, 2e-6, 2e-6);
			}
		sf_ems_free(&e);
		close_rig(&r);
	}
}
END_TEST

/* Published population values, and the library's estimate against those of the quadrature. */
START_TEST(estimate_mixture)
{
	static const double golden[5][4] = {{-2.30, .9905, 1.999, .600}, {-1.15, .9129, 1.942, .580}, {0, .5285, .9545, .2821},
	                                    {1.15, .2211, -.3568, .0217}, {2.30, .0574, -1.62, .0005}};
	rig r = open_rig(RANGE, SKEWED, 1, "euler");
	source src = {r.ctx, 1, 0};
	sf_ems_run run;
	sf_ems e;
	int i;

	sf_ems_defaults(&run);
	run.rows = 21;
	run.samples = 20000;
	run.batch = 4096;
	run.data = draw;
	run.user = &src;
	assert_ok(r.ctx, sf_ems_estimate(r.score, &run, &e));
	for (i = 0; i < 5; i++) {
		double l, s, b, exact = i == 0 ? -log(10) : i == 4 ? log(10) : golden[i][0];

		population(r.score, exact, &l, &s, &b);
		assert_close(l, golden[i][1], 1e-3, 6e-5);
		assert_close(s, golden[i][2], 4e-3, 6e-4);
		assert_close(b, golden[i][3], 4e-3, 2e-4);
		population(r.score, sf_ems_lambda(&e, 5 * i), &l, &s, &b);
		assert_close(e.l[5 * i], l, 0.02, 0); /* five standard errors and more */
		assert_close(e.s[5 * i], s, 0.05, 0.02);
		assert_close(e.b[5 * i], b, 0.05, 0.02);
	}
	sf_ems_free(&e);
	close_rig(&r);
}
END_TEST

START_TEST(estimate_bytes)
{
	rig r = open_rig("vp", NORMAL, 3, "euler");
	source src = {r.ctx, 0, 0};
	sf_ems_run run;
	sf_ems one, other;
	int k;

	sf_ems_defaults(&run);
	run.rows = 6;
	run.samples = 100;
	run.data = draw;
	run.user = &src;
	assert_ok(r.ctx, sf_ems_estimate(r.score, &run, &one));
	for (k = 1; k <= 3; k++) {
		assert_ok(r.ctx, sf_ctx_set_threads(r.ctx, k));
		run.batch = 13 * k;
		assert_ok(r.ctx, sf_ems_estimate(r.score, &run, &other));
		ck_assert(memcmp(one.l, other.l, 18 * sizeof(double)) == 0);
		ck_assert(memcmp(one.s, other.s, 18 * sizeof(double)) == 0);
		ck_assert(memcmp(one.b, other.b, 18 * sizeof(double)) == 0);
		sf_ems_free(&other);
	}
	run.unit = 1;
	assert_ok(r.ctx, sf_ems_estimate(r.score, &run, &other));
	for (k = 0; k < 18; k++)
		ck_assert(other.l[k] == 1 && isfinite(other.s[k]) && isfinite(other.b[k]));
	sf_ems_free(&other);
	sf_ems_free(&one);
	close_rig(&r);
}
END_TEST

START_TEST(bad_files)
{
	sf_ctx *ctx = ck_ctx();
	sf_ems e;

	enter();
	ck_assert_int_eq(sf_file_write(ctx, file_of("junk"), "hello", 5), 0);
	ck_assert_int_lt(sf_ems_read(ctx, file_of("junk"), &e), 0);
	{
		const double lambda[5] = {0, 1, 2, 3, 4.1}, flat[5] = {0, 1, 2, 3, 4}, values[5] = {0, 1, INFINITY, 3, 4};
		const char *key = "format", *value = "scorefield-ems", *other = "scorefield-components";
		sf_tensor_out t[4] = {{"lambda", SF_FLOAT64, 1, {5}, lambda}, {"l", SF_FLOAT64, 2, {5, 1}, flat},
		                      {"s", SF_FLOAT64, 2, {5, 1}, flat}, {"b", SF_FLOAT64, 2, {5, 1}, values}};

		assert_ok(ctx, sf_tensors_write(ctx, file_of("a"), 4, t, 1, &key, &other));
		ck_assert_int_eq(sf_ems_read(ctx, file_of("a"), &e), SF_EFORMAT);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "not a file of model statistics"));
		assert_ok(ctx, sf_tensors_write(ctx, file_of("a"), 4, t, 1, &key, &value));
		ck_assert_int_eq(sf_ems_read(ctx, file_of("a"), &e), SF_EFORMAT);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "equal steps"));
		t[0].data = flat;
		assert_ok(ctx, sf_tensors_write(ctx, file_of("a"), 4, t, 1, &key, &value));
		ck_assert_int_eq(sf_ems_read(ctx, file_of("a"), &e), SF_EFORMAT);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "'b' holds a number"));
		assert_ok(ctx, sf_tensors_write(ctx, file_of("a"), 3, t, 1, &key, &value));
		ck_assert_int_eq(sf_ems_read(ctx, file_of("a"), &e), SF_EFORMAT);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "'b' is missing"));
	}
	leave();
	sf_ctx_free(ctx);
}
END_TEST

static int no_derivative(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)t;
	for (n--; n >= 0; n--)
		out[n] = -x[n];
	return 0;
}

static int stop(void *user, int64_t done, int64_t of)
{
	(void)user;
	return done == of - 1;
}

START_TEST(bad_estimates)
{
	rig r = open_rig(RANGE, SKEWED, 1, "euler"), two = open_rig("cld", "gaussian", 1, "em");
	source src = {r.ctx, 1, 0};
	sf_score *plain = NULL;
	sf_ems_run run;
	sf_ems e;

	sf_ems_defaults(&run);
	run.data = draw;
	run.user = &src;
	run.samples = 10;
	run.rows = 4;
	ck_assert_int_eq(sf_ems_estimate(r.score, &run, &e), SF_ERANGE);
	run.rows = 5;
	run.samples = 1;
	ck_assert_int_eq(sf_ems_estimate(r.score, &run, &e), SF_ERANGE);
	run.samples = 10;
	run.first = 1;
	run.last = 0;
	ck_assert_int_eq(sf_ems_estimate(r.score, &run, &e), SF_ERANGE);
	run.first = -5;
	ck_assert_int_eq(sf_ems_estimate(r.score, &run, &e), SF_ERANGE);
	run.first = run.last = NAN;
	run.progress = stop;
	ck_assert_int_eq(sf_ems_estimate(r.score, &run, &e), SF_ESTOPPED);
	run.progress = NULL;
	ck_assert_int_eq(sf_ems_estimate(two.score, &run, &e), SF_EUNSUP);
	assert_ok(r.ctx, sf_score_from_function(r.ctx, r.process, 1, no_derivative, NULL, NULL, &plain));
	ck_assert_int_eq(sf_ems_estimate(plain, &run, &e), SF_EUNSUP);
	ck_assert_ptr_null(e.l);
	sf_score_free(plain);
	close_rig(&two);
	close_rig(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ems");
	TCase *tables = tcase_create("tables"), *estimates = tcase_create("estimates");

	tcase_add_loop_test(tables, integrals, 0, 2);
	tcase_add_test(tables, known_integrals);
	tcase_add_test(tables, bad_files);
	tcase_add_test(estimates, estimate_normal);
	tcase_add_test(estimates, estimate_mixture);
	tcase_add_test(estimates, estimate_bytes);
	tcase_add_test(estimates, bad_estimates);
	suite_add_tcase(suite, tables);
	suite_add_tcase(suite, estimates);
	return sf_test_main(suite);
}
