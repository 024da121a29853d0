/* check_components.c: scores of normal mixtures in their eigenbasis and of turned products: gradients of their own
 * densities, special cases of each other, far-field slopes, cancellation, exact flows, and what is refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process_cases.h"
#include "score/components.h"
#include "score_rig.h"
#include "support.h"

#include <scorefield/io.h>
#include <scorefield/noise.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const specs[] = {
	"low-rank",
	"low-rank:axes=1:1:0",
	"low-rank:axes=1:1:0:0.5:-1:0.7,rest=0.4",
	"product",
	"product:preset=two,seed=7,std=0.6",
	"low-rank:weights=1:3,means=0.5:-1:0:-0.7:0.2:1,axes=1:0.2:0:0.3:0:1:0.2:0.9:-0.4:1:1:1,rest=0.2",
	"product:seed=3,weights=1:2:1,means=-1:0.3:2,std=0.5:0.7:0.4",
	"deltas"};
enum { SPECS = sizeof specs / sizeof *specs };

START_TEST(gradients)
{
	static const char *const names[] = {"vp", "ve", "edm", "cosine"};
	double x[3] = {.4, -.9, 1.2}, t;
	int i;

	for (i = 0; i < 4; i++) {
		process(names[i]);
		s = score(specs[_i], 3);
		ck_assert_str_eq(sf_spec(s), specs[_i]);
		for (t = .3; t < 1; t += .25)
			check_gradient(s, 3, x, sf_process_time_of_ratio(p, t), 1e-3, 1e-8,
				       strcmp(specs[_i], "deltas") != 0);
		sf_score_free(s);
		sf_process_free(p);
		s = NULL;
		p = NULL;
	}
	assert_ok(ctx, sf_process_from_class(ctx, &damped, &p)); /* position and velocity */
	s = score(specs[_i], 3);
	{
		double u[6] = {.4, -.9, 1.2, .3, -.1, .6};

		check_gradient(s, 6, u, .9, 1e-3, 1e-8, strcmp(specs[_i], "deltas") != 0);
	}
}
END_TEST

static void equal(const char *a, const char *b, int64_t d, double tol)
{
	static const char *const names[] = {"vp", "edm", "subvp"};
	double x[4], sa[4], sb[4], la, lb, t;
	int i, k;
	int64_t j;

	for (k = 0; k < 3; k++) {
		process(names[k]);
		s = score(a, d);
		r = score(b, d);
		for (i = 0; i < 12; i++) {
			t = sf_process_time_of_ratio(p, .05 * pow(1.5, i));
			for (j = 0; j < d; j++)
				x[j] = 1.4 * sin(1.3 * i + 2.1 * (double)j);
			assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, sa));
			assert_ok(ctx, sf_score_eval(r, SF_SCORE, 1, x, &t, sb));
			assert_ok(ctx, sf_score_logp(s, 1, x, &t, &la));
			assert_ok(ctx, sf_score_logp(r, 1, x, &t, &lb));
			for (j = 0; j < d; j++)
				assert_close(sa[j], sb[j], tol, tol);
			assert_close(la, lb, tol, tol);
		}
		sf_score_free(s);
		sf_score_free(r);
		sf_process_free(p);
		s = r = NULL;
		p = NULL;
	}
}

START_TEST(special_cases)
{
	/* full rank is the Gaussian; [[1, .5], [.5, 1]] = A'A with A = [[1, .5], [0, sqrt(3)/2]] */
	equal("low-rank:axes=1:0.5:0:0.8660254037844386", "gaussian:rho=0.5", 2, 1e-12);
	equal("low-rank:axes=0.5:0:0:1.2,means=0.3:-0.7", "gaussian:mean=0.3:-0.7,std=0.5:1.2", 2, 1e-12);
	/* along one axis, and a rest: variances 1 + 0.09 and 0.09 */
	equal("low-rank:axes=1:0,rest=0.3", "gaussian:std=1.0440306508910551:0.3", 2, 1e-12);
	/* round parts, and no width at all */
	equal("low-rank:means=-1:0:1:0.5,weights=1:2,axes=0:0:0:0,rest=0.4",
	      "mixture:means=-1:0:1:0.5,weights=1:2,std=0.4", 2, 1e-11);
	equal("deltas", "gaussian:std=0", 3, 1e-12);
	equal("product:seed=0", "mixture:preset=skewed", 1, 1e-12);
	equal("product:means=0.4,std=0.7,seed=5", "gaussian:mean=0.4,std=0.7", 1, 1e-12);
	/* normal coordinates of one width stay so, turned or not, if they are centred */
	equal("product:means=0,std=0.7,seed=5", "gaussian:std=0.7", 3, 1e-12);
	equal("product:preset=two,seed=0", "mixture:means=1:1:-1:1:1:-1:-1:-1,std=0.1", 2, 1e-10);
}
END_TEST

START_TEST(known)
{
	double x[2] = {1, -1}, y[2] = {1, 1}, out[2], t = .7, z[3] = {.5, .5, .5}, D[3];

	process("edm");
	s = score("low-rank:axes=1:1", 2);
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, out));
	assert_close(out[0], -1 / .49, 1e-14, 0);
	assert_close(out[1], 1 / .49, 1e-14, 0);
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, y, &t, out));
	assert_close(out[0], -1 / 2.49, 1e-14, 0);
	assert_ok(ctx, sf_score_eval(s, SF_DENOISED, 1, y, &t, out));
	assert_close(out[1], 2 / 2.49, 1e-14, 0);
	r = score("product:seed=0", 3);
	t = 1;
	assert_ok(ctx, sf_score_eval(r, SF_DENOISED, 1, z, &t, D));
	assert_close(D[2], .5227009936286975, 1e-14, 0);
}
END_TEST

/* Inside the span at a tiny sigma: the residue is exactly what it is, where |x|^2 - |c|^2 would be rounding over
 * sigma^2. */
START_TEST(no_cancellation)
{
	double t = 1e-6, x[3], out[3], logp;

	process("edm:sigma-min=1e-9");
	s = score("low-rank:axes=3:0:0:0:4:0", 3); /* the plane z = 0 */
	x[0] = 1.7;
	x[1] = -5.3;
	x[2] = 2e-6;
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, out));
	assert_close(out[2], -2e-6 / 1e-12, 1e-9, 0);
	assert_close(out[0], -1.7 / 9, 1e-9, 0);
	assert_close(out[1], 5.3 / 16, 1e-9, 0);
	assert_ok(ctx, sf_score_logp(s, 1, x, &t, &logp));
	assert_close(logp, -.5 * (1.7 * 1.7 / 9 + 5.3 * 5.3 / 16 + 4) - 1.5 * log(2 * SF_PI) - log(12) - log(1e-6),
		     1e-9, 0);
}
END_TEST

/* ---- far field ---- */

static const double skewed[8][2] = {{-1.2, .3},	 {.4, 1.9}, {2.3, -.6}, {.1, .2},
				    {-.5, -1.1}, {1.4, .8}, {-.3, .6},	{.9, -.2}};

/* E|s_delta - s_model|^2/E|s_delta|^2 at x = y + sigma n, whose slope in ln sigma is known. */
static double unexplained(sf_score *model, sf_score *delta, double (*y)[2], double sigma)
{
	sf_noise key = {4, SF_NOISE_USER, 1};
	double off = 0, all = 0;
	int i, j;

	for (i = 0; i < 800; i++) {
		double x[2], a[2], b[2];

		sf_noise_normal_d(ctx, key, (uint64_t)i / 2, 0, 2, x);
		for (j = 0; j < 2; j++)
			x[j] = y[i / 2 % 8][j] +
			       (i % 2 ? -sigma : sigma) * x[j]; /* in pairs, so that odd terms cancel */
		assert_ok(ctx, sf_score_eval(delta, SF_SCORE, 1, x, &sigma, a));
		assert_ok(ctx, sf_score_eval(model, SF_SCORE, 1, x, &sigma, b));
		for (j = 0; j < 2; j++) {
			off += (a[j] - b[j]) * (a[j] - b[j]);
			all += a[j] * a[j];
		}
	}
	return off / all;
}

static double far_slope(sf_fit_kind kind, int symmetric)
{
	double y[8][2], slope;
	sf_fit_options o;
	sf_components c;
	int i;

	for (i = 0; i < 8; i++) {
		y[i][0] = symmetric && i > 3 ? -skewed[i - 4][0] : skewed[i][0];
		y[i][1] = symmetric && i > 3 ? -skewed[i - 4][1] : skewed[i][1];
	}
	sf_fit_defaults(&o);
	o.kind = kind;
	assert_ok(ctx, sf_components_fit(ctx, &o, 8, 2, y[0], &c));
	assert_ok(ctx, sf_score_components(ctx, p, &c, &s));
	assert_ok(ctx, sf_score_delta(ctx, p, 8, 2, y[0], &r));
	slope = log(unexplained(s, r, y, 64) / unexplained(s, r, y, 32)) / log(2);
	sf_components_free(&c);
	sf_score_free(s);
	sf_score_free(r);
	s = r = NULL;
	return slope;
}

/* Wang and Vastola 2024: the share of a cloud's score that a model misses. */
START_TEST(far_field)
{
	process("edm:sigma-max=200");
	assert_close(far_slope(SF_FIT_MEAN, 0), -4.00, 0, .03);
	assert_close(far_slope(SF_FIT_ISOTROPIC, 0), -4.00, 0, .03);
	assert_close(far_slope(SF_FIT_GAUSSIAN, 0), -6.01, 0, .03);
	assert_close(far_slope(SF_FIT_GAUSSIAN, 1), -8.00, 0, .03);
}
END_TEST

/* ---- the ODE ---- */

START_TEST(flows)
{
	double x[3] = {.8, -2, 1.1}, y[3], mid[3];
	int i;

	process("edm");
	s = score("product:seed=0", 1);
	x[0] = 7.1; /* sigma 10 -> 0.1, published */
	assert_ok(ctx, sf_score_flow(s, 1, 10, .1, x));
	assert_close(x[0], 1.09889623755903, 1e-12, 0);
	sf_score_free(s);
	s = score("low-rank:axes=1:1:0,means=0.3:0:0.1,rest=0.2", 3);
	r = score("product:seed=4", 3);
	for (i = 0; i < 2; i++) {
		sf_score *of = i ? r : s;

		x[0] = .8;
		memcpy(y, x, sizeof y);
		memcpy(mid, x, sizeof mid);
		assert_ok(ctx, sf_score_flow(of, 1, 3, .5, y));
		assert_ok(ctx, sf_score_flow(of, 1, 3, 1, mid)); /* there in two steps, and back */
		assert_ok(ctx, sf_score_flow(of, 1, 1, .5, mid));
		assert_close(mid[1], y[1], 1e-10, 0);
		assert_ok(ctx, sf_score_flow(of, 1, .5, 3, y));
		assert_close(y[2], x[2], 1e-10, 0);
	}
	sf_score_free(s);
	s = score("low-rank:means=1:0:0:-1:0:0", 3);
	ck_assert_int_eq(sf_score_flow(s, 1, 3, 1, x), SF_EUNSUP);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *spec;
		int64_t d;
		int code;
		const char *say;
	} row[] = {{"low-rank:means=1:2:3", 2, SF_EMISMATCH, "means has 3"},
		   {"low-rank:axes=1:2:3", 2, SF_EMISMATCH, "axes has 3"},
		   {"low-rank:axes=1:2:3", 1, SF_EMISMATCH, "no more vectors"},
		   {"low-rank:weights=1:2", 2, SF_EMISMATCH, "weights has 2"},
		   {"low-rank:rest=-1", 2, SF_ERANGE, "rest"},
		   {"deltas:data=digits", 3, SF_EMISMATCH, "expected 3"},
		   {"deltas:data=moons", 2, SF_EINVAL, "how many"},
		   {"deltas:data=mooons", 2, SF_ENAME, "moons"},
		   {"product:means=1:2,std=1:2:3", 2, SF_EMISMATCH, "2 parts"},
		   {"product:weights=1", 2, SF_EMISMATCH, "3 parts"}};
	size_t i;

	process("vp");
	for (i = 0; i < sizeof row / sizeof *row; i++) {
		ck_assert_msg(sf_score_new(ctx, row[i].spec, p, row[i].d, &s) == row[i].code, "%s: %s", row[i].spec,
			      sf_ctx_message(ctx));
		ck_assert_ptr_null(s);
		ck_assert_msg(strstr(sf_ctx_message(ctx), row[i].say), "%s: %s", row[i].spec, sf_ctx_message(ctx));
	}
	sf_process_free(p);
	process("double-well");
	ck_assert_int_eq(sf_score_new(ctx, "low-rank", p, 2, &s), SF_EUNSUP);
	ck_assert_int_eq(sf_score_new(ctx, "product", p, 2, &s), SF_EUNSUP);
	ck_assert_int_eq(sf_score_new(ctx, "deltas", p, 2, &s), SF_EUNSUP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("components");
	TCase *t = tcase_create("components");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, gradients, 0, SPECS);
	tcase_add_test(t, special_cases);
	tcase_add_test(t, known);
	tcase_add_test(t, no_cancellation);
	tcase_add_test(t, far_field);
	tcase_add_test(t, flows);
	tcase_add_test(t, refused);
	suite_add_tcase(suite, t);
	return sf_test_main(suite);
}
