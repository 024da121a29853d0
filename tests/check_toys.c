/* check_toys.c: 2-D generators: moments and supports that their formulas give, densities and scores
 * against golden values, finite differences and integrals.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield/data.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

static sf_ctx *ctx;
static sf_data *d;

static void setup(void)
{
	ctx = ck_ctx();
	d = NULL;
}

static void teardown(void)
{
	sf_data_free(d);
	sf_ctx_free(ctx);
}

static void make(const char *spec)
{
	sf_data_free(d);
	assert_ok(ctx, sf_data_new(ctx, spec, &d));
}

enum { RECORDS = 40000 };

/* Means, variance of x1 and E|x|^2 of each toy; tolerances are five standard errors of RECORDS
 * draws. */
static const struct {
	const char *spec;
	double mean[2], var1, square;
	int classes;
} moments[] = {
	/* uniform on [-4,4] x (two of the four rows), symmetric: E x^2 = 16/3 for both coordinates
         */
	{"checkerboard", {0, 0}, 16.0 / 3, 32.0 / 3, 0},
	{"checkerboard:seed=5", {0, 0}, 16.0 / 3, 32.0 / 3, 0},
	{"swiss-roll", {0.4, 2 / (15 * SF_PI)}, -1, 117 * SF_PI *SF_PI / 300 + 0.08, 0},
	{"swiss-roll:noise=0", {0.4, 2 / (15 * SF_PI)}, -1, 117 * SF_PI *SF_PI / 300, 0},
	{"moons", {0, 0.3}, 4 * 0.76, -1, 2},
	{"moons:noise=0", {0, 0.3}, 4 * 0.75, -1, 2},
	{"rings", {0, 0}, 0.5 * 9 * (1 + 4 + 9 + 16) / 64 + 0.0064, 9.0 * 30 / 64 + 0.0128, 4},
	{"rings:number=1,noise=0", {0, 0}, 4.5, 9, 1},
	{"pinwheel", {0, 0}, 2.2, 4.4, 5},
	{"gaussians", {0, 0}, 4.125, 8.25, 8},
	{"gaussians:number=3,radius=2,std=1", {0, 0}, 3, 6, 3},
	{"mixture", {0, 0}, 4.25, 4.5, 2},
	{"mixture:weights=1:3,means=0:0:4:1,stds=1:2",
         {3, 0.75},
         0.25 + 3 + 3,
         0.25 * 2 + 0.75 * (17 + 8),
         2},
};

START_TEST(moments_of_toys)
{
	double x[2], m[2] = {0, 0}, s1 = 0, sq = 0, q4 = 0;
	int i, label, count[8] = {0}, k;

	make(moments[_i].spec);
	ck_assert_int_eq(sf_data_describe(d)->n, 0);
	ck_assert(sf_data_describe(d)->rank == 1 && sf_data_describe(d)->size == 2);
	ck_assert_int_eq(sf_data_describe(d)->classes, moments[_i].classes);
	for (i = 0; i < RECORDS; i++) {
		double r;

		sf_data_read(d, i, x, &label);
		r = x[0] * x[0] + x[1] * x[1];
		m[0] += x[0] / RECORDS;
		m[1] += x[1] / RECORDS;
		s1 += x[0] * x[0] / RECORDS;
		sq += r / RECORDS;
		q4 += r * r / RECORDS;
		if (moments[_i].classes == 0)
			ck_assert_int_eq(label, -1);
		else
			ck_assert(label >= 0 && label < moments[_i].classes);
		if (label >= 0)
			count[label]++;
	}
	assert_close(m[0], moments[_i].mean[0], 0, 5 * sqrt(sq / RECORDS));
	assert_close(m[1], moments[_i].mean[1], 0, 5 * sqrt(sq / RECORDS));
	if (moments[_i].var1 >= 0)
		assert_close(s1 - m[0] * m[0], moments[_i].var1, 0, 5 * sqrt(q4 / RECORDS));
	if (moments[_i].square >= 0)
		assert_close(sq, moments[_i].square, 1e-6,
		             5 * sqrt(fmax(0, q4 - sq * sq) / RECORDS));
	for (k = 0; k < moments[_i].classes && !strstr(moments[_i].spec, "weights"); k++)
		assert_close(count[k], (double)RECORDS / moments[_i].classes, 0,
		             5 * sqrt(RECORDS * 0.25));
}
END_TEST

START_TEST(supports)
{
	double x[2];
	int i, label;

	make("checkerboard");
	for (i = 0; i < 5000;
	     i++) { /* the squares where column and row numbers are both even or both odd */
		sf_data_read(d, i, x, NULL);
		ck_assert(fabs(x[0]) <= 4 && fabs(x[1]) <= 4);
		ck_assert(fmod(floor(x[0] / 2) + floor(x[1] / 2) + 8, 2) == 0);
	}
	make("rings:noise=0");
	for (i = 0; i < 500; i++) {
		sf_data_read(d, i, x, &label);
		assert_close(hypot(x[0], x[1]), 0.75 * (label + 1), 1e-12, 0);
	}
	make("swiss-roll:noise=0"); /* the angle is five times the radius */
	for (i = 0; i < 500; i++) {
		double t;

		sf_data_read(d, i, x, NULL);
		t = 5 * hypot(x[0], x[1]);
		ck_assert(t >= 1.5 * SF_PI && t <= 4.5 * SF_PI);
		assert_close(x[0], t / 5 * cos(t), 0, 1e-12);
		assert_close(x[1], t / 5 * sin(t), 0, 1e-12);
	}
	make("moons:noise=0"); /* half circles of radius 2 around (-1,-0.2) and (1,0.8) */
	for (i = 0; i < 500; i++) {
		sf_data_read(d, i, x, &label);
		assert_close(hypot(x[0] - (label ? 1 : -1), x[1] - (label ? 0.8 : -0.2)), 2, 1e-12,
		             0);
		ck_assert(label ? x[1] <= 0.8 : x[1] >= -0.2);
	}
	make("pinwheel:radial=0,tangential=0"); /* five points of radius 2 */
	for (i = 0; i < 500; i++) {
		double a;

		sf_data_read(d, i, x, &label);
		a = 2 * SF_PI * label / 5 + 0.25 * exp(1);
		assert_close(x[0], 2 * cos(a), 0, 1e-12);
		assert_close(x[1], -2 * sin(a), 0, 1e-12);
	}
}
END_TEST

/* sigma, log p, score at (0.3,-1.7); E|score|^2 is checked below */
static const double golden[5][4] = {{0.10, -9.3816657537, -16.3933040794, -16.3933040794},
                                    {0.25, -5.0570525887, -2.9362309571, -2.9362309571},
                                    {0.50, -4.3860893226, -0.7513709171, -0.7513604584},
                                    {1.00, -4.1969578730, -0.0852986836, -0.0662104457},
                                    {2.00, -4.3451435470, -0.0206953124, 0.1151085565}};

START_TEST(checkerboard_golden)
{
	static const double x[2] = {0.3, -1.7};
	double l, s[2];
	int i;

	make("checkerboard");
	for (i = 0; i < 5; i++) {
		assert_ok(ctx, sf_data_logp(d, x, 1, golden[i][0], &l, s));
		assert_close(l, golden[i][1], 0, 6e-11);
		assert_close(s[0], golden[i][2], 0, 6e-11);
		assert_close(s[1], golden[i][3], 0, 6e-11);
	}
	/* without noise: the board's own density, 1/32 inside and 0 outside */
	assert_ok(ctx, sf_data_logp(d, x, 1, 0, &l, s));
	ck_assert(l == -INFINITY);
	{
		static const double in[2] = {0.3, 1.7};

		assert_ok(ctx, sf_data_logp(d, in, 1, 0, &l, s));
		assert_close(l, -log(32), 1e-15, 0);
		assert_ok(ctx, sf_data_logp(d, in, 1, 1e-3, &l, s));
		assert_close(l, -log(32), 1e-13, 0);
		assert_close(s[0], 0, 0, 1e-13);
	}
}
END_TEST

/* Integrals over the plane by the midpoint rule, which converges fast for smooth functions: the
 * density adds up to 1; E|score|^2 and the entropy are the golden ones. */
START_TEST(checkerboard_integrals)
{
	static const double expected[2][3] = {{0.5, 2.13947133, 4.18941594},
	                                      {1.0, 0.56514066, 4.57235021}};
	int n = 240, i, j, k;

	make("checkerboard");
	for (k = 0; k < 2; k++) {
		double sigma = expected[k][0], half = 4 + 8 * sigma, h = 2 * half / n, mass = 0,
		       fisher = 0, entropy = 0;

		for (i = 0; i < n; i++)
			for (j = 0; j < n; j++) {
				double x[2], l, s[2], p;

				x[0] = -half + (i + 0.5) * h;
				x[1] = -half + (j + 0.5) * h;
				assert_ok(ctx, sf_data_logp(d, x, 1, sigma, &l, s));
				p = exp(l) * h * h;
				mass += p;
				fisher += p * (s[0] * s[0] + s[1] * s[1]);
				entropy -= p * l;
			}
		assert_close(mass, 1, 0, 1e-9);
		assert_close(fisher, expected[k][1], 0, 2e-8);
		assert_close(entropy, expected[k][2], 0, 2e-8);
	}
}
END_TEST

static const char *const densities[] = {"checkerboard", "gaussians", "mixture",
                                        "mixture:weights=1:3,means=0:0:4:1,stds=1:2"};

/* The score is the gradient of log p, for several alpha and s, near and far. */
START_TEST(score_is_gradient)
{
	static const double at[4][2] = {{0.3, -1.7}, {1.9, 2.2}, {-3.7, 0.4}, {6, -7}};
	static const double as[4][2] = {{1, 0.3}, {0.5, 0.8}, {0.05, 1}, {1, 4}};
	double h = 1e-5, l, up, down, s[2], y[2];
	int i, j, k;

	make(densities[_i]);
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++) {
			assert_ok(ctx, sf_data_logp(d, at[i], as[j][0], as[j][1], &l, s));
			for (k = 0; k < 2; k++) {
				memcpy(y, at[i], sizeof y);
				y[k] = at[i][k] + h;
				assert_ok(ctx, sf_data_logp(d, y, as[j][0], as[j][1], &up, NULL));
				y[k] = at[i][k] - h;
				assert_ok(ctx, sf_data_logp(d, y, as[j][0], as[j][1], &down, NULL));
				assert_close(s[k], (up - down) / (2 * h), 1e-6, 1e-7);
			}
		}
}
END_TEST

/* Far away differences of Phi cancel or underflow; the score must tend to that of the nearest edge,
 * about (edge - x)/s^2, and stay finite. */
START_TEST(checkerboard_far_away)
{
	static const double far[4] = {5, 20, 100, 3000};
	double x[2] = {0, -1}, l, s[2];
	int i;

	make("checkerboard");
	for (i = 0; i < 4; i++) {
		x[0] = 4 + far[i];
		x[1] = 3;
		assert_ok(ctx, sf_data_logp(d, x, 1, 0.1, &l, s));
		ck_assert(isfinite(l) && isfinite(s[0]) && isfinite(s[1]));
		/* log Phi(-z) ~ -z^2/2 - log z: slope -(z + 1/z - 2/z^3)/s with z = 10 far */
		assert_close(s[0],
		             -10 * (10 * far[i] + 1 / (10 * far[i]) - 2 / pow(10 * far[i], 3)),
		             1e-8, 0);
	}
	/* the switch to the asymptotic series at z = 30 leaves no step */
	x[0] = 4 + 3 - 1e-9;
	assert_ok(ctx, sf_data_logp(d, x, 1, 0.1, &l, s));
	{
		double before = l, slope = s[0];

		x[0] = 4 + 3 + 1e-9;
		assert_ok(ctx, sf_data_logp(d, x, 1, 0.1, &l, s));
		assert_close(l - before, slope * 2e-9, 0, 1e-11);
		assert_close(s[0], slope, 1e-8, 0);
	}
}
END_TEST

/* One normal: N(alpha m, (alpha^2 s_0^2 + s^2) I). */
START_TEST(mixture_of_one)
{
	static const double x[3] = {1, 2, 3};
	double l, s[3], v = 0.25 * 4 + 0.09;

	make("mixture:dim=3,weights=7,means=1:0:-1,stds=2");
	ck_assert_int_eq(sf_data_describe(d)->size, 3);
	assert_ok(ctx, sf_data_logp(d, x, 0.5, 0.3, &l, s));
	assert_close(l, -0.5 * (0.25 + 4 + 12.25) / v - 1.5 * log(2 * SF_PI * v), 1e-14, 0);
	assert_close(s[0], -0.5 / v, 1e-14, 0);
	assert_close(s[1], -2 / v, 1e-14, 0);
	assert_close(s[2], -3.5 / v, 1e-14, 0);
}
END_TEST

/* A circle in every pair of coordinates: E x = 0, E|x|^2 = d (radius^2/2 + std^2), all radii the same; the score is
 * the gradient of log p. */
START_TEST(gaussians_of_many_dimensions)
{
	static const int dims[] = {5, 16, 64};
	double x[64], m[64] = {0}, s[64], l, up, down, sq = 0, h = 1e-5, noise = 0.1;
	int d0 = dims[_i], i, k, label;
	char spec[80];

	snprintf(spec, sizeof spec, "gaussians:dim=%d,std=%g,radius=2,number=5", d0, noise);
	make(spec);
	ck_assert_int_eq(sf_data_describe(d)->size, d0);
	for (i = 0; i < RECORDS / 4; i++) {
		sf_data_read(d, i, x, &label);
		for (k = 0; k < d0; k++) {
			m[k] += x[k] / (RECORDS / 4);
			sq += x[k] * x[k] / (RECORDS / 4);
		}
		for (k = 0; k + 1 < d0; k += 2)
			assert_close(hypot(x[k], x[k + 1]), 2, 0, 6 * noise);
		/* the first plane's angle names the centre */
		assert_close(cos(atan2(x[1], x[0]) - 2 * SF_PI * label / 5), 1, 0, .1);
	}
	for (k = 0; k < d0; k++) /* a coordinate's variance is 2 to 2.01; a frequency that is a multiple of 5 would give 2 here */
		assert_close(m[k], 0, 0, 5 * sqrt(2.01 * 4 / RECORDS));
	/* an odd last coordinate is a cosine alone, whose mean square over the centres is a half too */
	assert_close(sq, d0 * (2 + noise * noise), .01, 0);
	for (k = 0; k < d0; k++)
		x[k] = .7 * cos(k);
	assert_ok(ctx, sf_data_logp(d, x, .8, 1.5, &l, s));
	for (k = 0; k < d0; k++) {
		double at = x[k];

		x[k] = at + h;
		assert_ok(ctx, sf_data_logp(d, x, .8, 1.5, &up, NULL));
		x[k] = at - h;
		assert_ok(ctx, sf_data_logp(d, x, .8, 1.5, &down, NULL));
		x[k] = at;
		assert_close(s[k], (up - down) / (2 * h), 1e-6, 1e-7);
	}
}
END_TEST

START_TEST(reproducible)
{
	double a[2], b[2], c[2];
	sf_data *other;
	int i;

	make("moons");
	assert_ok(ctx, sf_data_new(ctx, "moons:seed=1", &other));
	for (i = 0; i < 100; i++) {
		sf_data_read(d, 12345 + i, a, NULL);
		sf_data_read(d, i, b, NULL);
		sf_data_read(d, 12345 + i, b, NULL);
		sf_data_read(other, 12345 + i, c, NULL);
		ck_assert(memcmp(a, b, sizeof a) == 0);
		ck_assert(memcmp(a, c, sizeof a) != 0);
	}
	sf_data_free(other);
}
END_TEST

START_TEST(refused)
{
	static const struct {
		const char *spec;
		int code;
		const char *part;
	} t[] = {{"mixture:weights=", SF_EINVAL, "weights"},
	         {"mixture:means=1:2:3", SF_EINVAL, "need 4"},
	         {"mixture:stds=1:2:3", SF_EINVAL, "1 or 2"},
	         {"mixture:weights=1:-1", SF_ERANGE, "weights"},
	         {"gaussians:std=0", SF_ERANGE, "std"},
	         {"gaussians:number=65", SF_ERANGE, "number"},
	         {"gaussians:dim=65", SF_ERANGE, "dim"},
	         {"moons:seed=-1", SF_ERANGE, "seed"},
	         {"checkerbord", SF_ENAME, "checkerboard"},
	         {"rings:numbers=3", SF_ENAME, "'number'"}};
	double x[2] = {0, 0}, l;
	size_t i;

	for (i = 0; i < sizeof t / sizeof *t; i++) {
		ck_assert_int_eq(sf_data_new(ctx, t[i].spec, &d), t[i].code);
		ck_assert_ptr_null(d);
		ck_assert_msg(strstr(sf_ctx_message(ctx), t[i].part) != NULL, "%s",
		              sf_ctx_message(ctx));
	}
	make("moons");
	ck_assert_int_eq(sf_data_logp(d, x, 1, 1, &l, NULL), SF_EUNSUP);
	make("gaussians");
	ck_assert_int_eq(sf_data_logp(d, x, 0, 1, &l, NULL), SF_ERANGE);
	ck_assert_int_eq(sf_data_logp(d, x, 1, NAN, &l, NULL), SF_ERANGE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("toys");
	TCase *t = tcase_create("toys");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, moments_of_toys, 0, (int)(sizeof moments / sizeof *moments));
	tcase_add_test(t, supports);
	tcase_add_test(t, checkerboard_golden);
	tcase_add_test(t, checkerboard_integrals);
	tcase_add_loop_test(t, score_is_gradient, 0, (int)(sizeof densities / sizeof *densities));
	tcase_add_test(t, checkerboard_far_away);
	tcase_add_test(t, mixture_of_one);
	tcase_add_loop_test(t, gaussians_of_many_dimensions, 0, 3);
	tcase_add_test(t, reproducible);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
