/* check_slices.c: implicit and sliced score matching against closed forms: values, gradients, minima and variances
 * on Gaussians, and descent to the minimum. check_ism.c has other densities, check_probes.c directions and networks.
 *
 * Expectations are sums over points that integrate them exactly. Of the unit normal in three dimensions: +-sqrt(3)
 * e_k up to degree 3, the 27 points of {-sqrt 3, 0, sqrt 3}^3 with weights 1/6, 2/3, 1/6 up to degree 5. Of the
 * sphere: the icosahedron's twelve corners up to degree 5. Signs: all eight. Losses have degree 2 in x and in v,
 * their squares 4.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { POINTS = 27, B_AT = 16 }; /* parameters start at multiples of 16 */
static const int64_t space[] = {G};

typedef struct design {
	int n;
	double x[POINTS][G], w[POINTS];
} design;
enum { CROSS, SIGNS, HERMITE, ICOSA, DESIGNS };

static void put(design *q, double a, double b, double c, double w)
{
	double *x = q->x[q->n];

	x[0] = a, x[1] = b, x[2] = c;
	q->w[q->n++] = w;
}

static design points(int kind)
{
	double phi = (1 + sqrt(5)) / 2, r = sqrt(3 / (1 + phi * phi)), s = sqrt(3);
	design q;
	int i, j, k;

	q.n = 0;
	for (i = -1; i <= 1; i++)
		for (j = -1; j <= 1; j++)
			for (k = -1; k <= 1; k++) {
				int zeros = !i + !j + !k;

				if (kind == CROSS && zeros == 2)
					put(&q, s * i, s * j, s * k, 1. / 6);
				if (kind == SIGNS && zeros == 0)
					put(&q, i, j, k, 1. / 8);
				if (kind == HERMITE)
					put(&q, s * i, s * j, s * k, pow(4, zeros) / 216);
				if (kind == ICOSA && zeros == 1) { /* (0, +-1, +-phi) and its rotations */
					double a = !i ? 0 : !j ? i * phi : i, b = !j ? 0 : !k ? j * phi : j;

					put(&q, r * a, r * b, r * (!k ? 0 : !i ? k * phi : k), 1. / 12);
				}
			}
	return q;
}

static void set_linear(rig *r, const double a[G][G], const double *b)
{
	memcpy(r->param, a, sizeof(double) * G * G);
	memcpy(r->param + B_AT, b, sizeof(double) * G);
}

/* Lays mean + F u and directions v over the batch, every pair of points; runs. */
static void run_designs(rig *r, const design *x, const design *v, const double *mean, double f[G][G])
{
	int a, b, i, j, row = 0;

	r->d->n = (int64_t)x->n * v->n;
	for (a = 0; a < x->n; a++)
		for (b = 0; b < v->n; b++, row++)
			for (i = 0; i < G; i++) {
				double at = mean[i];

				for (j = 0; j <= i; j++)
					at += f[i][j] * x->x[a][j];
				r->d->xt[row * G + i] = at;
				if (r->d->probe)
					r->d->probe[row * G + i] = v->x[b][i];
			}
	rig_run(r);
}

/* Mean and variance of the loss over both laws. */
static void moments(const rig *r, const design *x, const design *v, double *mean, double *var)
{
	int k;

	*mean = *var = 0;
	for (k = 0; k < r->d->n; k++)
		*mean += x->w[k / v->n] * v->w[k % v->n] * r->loss[k];
	for (k = 0; var && k < r->d->n; k++)
		*var += x->w[k / v->n] * v->w[k % v->n] * (r->loss[k] - *mean) * (r->loss[k] - *mean);
}

static void linear_rig(rig *r, const char *objective, const char *process, double t, const double a[G][G],
                       const double *b)
{
	rig_open(r, "affine", NULL, process, "score", objective, 1, space, POINTS * POINTS);
	ck_assert_int_eq(r->total, 2 * B_AT);
	rig_draw_at(r, t);
	set_linear(r, a, b);
}

/* Expected loss of s = a x + b on the golden data under one process at one time, with its gradient (may be NULL),
 * for points of v of equal weight. */
static double expected(const char *objective, const char *process, double t, const double a[G][G], const double *b,
                       int directions, double *grad)
{
	design x = points(CROSS), v = points(directions);
	double f[G][G], value, var;
	rig r;
	int k;

	linear_rig(&r, objective, process, t, a, b);
	rig_factor(f);
	run_designs(&r, &x, &v, G_M, f);
	moments(&r, &x, &v, &value, &var);
	for (k = 0; grad && k < 2 * B_AT; k++)
		grad[k] = r.grad[k] / (double)r.d->n;
	rig_close(&r);
	return value;
}

START_TEST(gaussian_values)
{
	static const struct {
		const char *spec, *process;
		double t, value;
	} rows[] = {
		{"ism", "static", 1, .28425}, {"ssm", "static", 1, .28425}, {"ssm-vr", "static", 1, .28425},
		{"ssm:unit-norm=true", "static", 1, .09475},
		/* x itself drawn from the data: sigma is the scale of eps alone */
		{"ism:weight=one", "edm", .5, .28425}, {"ssm:weight=one", "edm", .5, .28425},
		{"ssm-vr:weight=one", "edm", .5, .28425}, {"ism", "edm", .5, .28425 / 4}, {"ssm", "edm", .5, .28425 / 4},
		{"ssm-vr", "edm", .5, .28425 / 4}, {"ism:weight=one", "double-well", .4, .28425},
		{"ssm-vr:weight=one", "sech", .4, .28425}};
	size_t i;
	int v;

	for (i = 0; i < sizeof rows / sizeof *rows; i++)
		for (v = 0; v < DESIGNS; v++)
			assert_close(expected(rows[i].spec, rows[i].process, rows[i].t, G_A, G_B, v, NULL), rows[i].value, 1e-12,
			             1e-13);
}
END_TEST

START_TEST(unit_norm_trap) /* what ssm-vr would be with directions of length 1: tr J/d + |s|^2/2 */
{
	design x = points(CROSS), v = points(SIGNS);
	double f[G][G], value, var;
	rig r;
	int i, k;

	for (i = 0; i < v.n; i++)
		for (k = 0; k < G; k++)
			v.x[i][k] /= sqrt(3);
	linear_rig(&r, "ssm-vr", "static", 1, G_A, G_B);
	rig_factor(f);
	run_designs(&r, &x, &v, G_M, f);
	moments(&r, &x, &v, &value, &var);
	assert_close(value, 1.750916667, 1e-9, 0);
	rig_close(&r);
}
END_TEST

START_TEST(gaussian_gradients) /* dJ/dA = I + A C + e m', dJ/db = e = A m + b */
{
	static const double dA[G][G] = {{-.405, .06, .37}, {.3, -1.54, 3.23}, {-.46, .46, -.5}}, db[G] = {-.05, 1.5, -.5};
	static const char *const specs[] = {"ism", "ssm", "ssm-vr", "ssm:unit-norm=true"};
	static const int directions[] = {CROSS, SIGNS, ICOSA}; /* of equal weights */
	double g[2 * B_AT];
	int k, v, i, j;

	for (k = 0; k < 4; k++)
		for (v = 0; v < 3; v++) {
			double scale = k == 3 ? 3 : 1;

			expected(specs[k], "static", 1, G_A, G_B, directions[v], g);
			for (i = 0; i < G; i++) {
				for (j = 0; j < G; j++)
					assert_close(scale * g[i * G + j], dA[i][j], 1e-12, 1e-13);
				assert_close(scale * g[B_AT + i], db[i], 1e-12, 1e-13);
			}
		}
}
END_TEST

/* s = -C^{-1} (x - m). */
static void optimum(double c[G][G], const double *m, double a[G][G], double *b)
{
	int i, j;

	rig_inverse(c, a);
	for (i = 0; i < G; i++) {
		b[i] = 0;
		for (j = 0; j < G; j++) {
			b[i] += a[i][j] * m[j];
			a[i][j] = -a[i][j];
		}
	}
}

#define FIXED(a) ((const double (*)[G])(a)) /* C has no conversion to an array of const */
static const char *const members[] = {"ism:weight=one", "ssm:weight=one", "ssm-vr:weight=one"};

START_TEST(minima) /* -tr C^{-1}/2 at the data's score, where the gradient is 0; /3 with unit-norm */
{
	double c[G][G], a[G][G], b[G], g[2 * B_AT];
	int k, i;

	rig_smoothed(0, c);
	optimum(c, G_M, a, b);
	for (k = 0; k < 3; k++) {
		assert_close(expected(members[k], "static", 1, FIXED(a), b, SIGNS, g), -1.204889406286, 0, 1e-12);
		for (i = 0; i < 2 * B_AT; i++)
			assert_close(g[i], 0, 0, 1e-13);
	}
	assert_close(expected("ssm:unit-norm=true", "static", 1, FIXED(a), b, SIGNS, g), -1.204889406286 / 3, 0, 1e-12);
	for (i = 0; i < 2 * B_AT; i++)
		assert_close(g[i], 0, 0, 1e-13);
}
END_TEST

START_TEST(sign) /* at s = 0 the gradient is I: descent makes the curvature negative */
{
	double a[G][G] = {{0}}, b[G] = {0}, g[2 * B_AT];
	int k, i, j;

	for (k = 0; k < 3; k++) {
		expected(members[k], "static", 1, FIXED(a), b, CROSS, g);
		for (i = 0; i < G; i++)
			for (j = 0; j < G; j++)
				assert_close(g[i * G + j], i == j, 0, 1e-13);
	}
}
END_TEST

START_TEST(time_goldens) /* -tr C_t^{-1}/2, C_t = alpha^2 C + sigma^2 I, in the draws' own coefficients */
{
	static const struct {
		const char *process;
		double t, ism;
	} rows[] = {{"vp", .05, -1.2064271761}, {"vp", .3, -1.3037207629}, {"vp", 1, -1.4999676124},
	            {"subvp", .05, -1.2403652906}, {"subvp", .3, -1.6686894363}, {"ve", .05, -1.2046182425},
	            {"ve", .3, -1.1860515672}, {"ve", 1, -0.0005996403}};
	design x = points(CROSS), v = points(SIGNS);
	size_t k;
	int o, i, j, l;

	for (k = 0; k < sizeof rows / sizeof *rows; k++)
		for (o = 0; o < 3; o++) {
			double c[G][G], a[G][G], b[G], m[G], f[G][G] = {{0}}, al, s, value, var;
			rig r;

			linear_rig(&r, members[o], rows[k].process, rows[k].t, G_A, G_B);
			al = r.d->coef[0].alpha;
			s = r.d->coef[0].sigma;
			for (i = 0; i < G; i++) {
				m[i] = al * G_M[i];
				for (j = 0; j < G; j++)
					c[i][j] = al * al * G_C[i][j] + (i == j ? s * s : 0);
			}
			for (i = 0; i < G; i++)
				for (j = 0; j <= i; j++) {
					double sum = c[i][j];

					for (l = 0; l < j; l++)
						sum -= f[i][l] * f[j][l];
					f[i][j] = i == j ? sqrt(sum) : sum / f[j][j];
				}
			optimum(c, m, a, b);
			set_linear(&r, FIXED(a), b);
			run_designs(&r, &x, &v, m, f);
			moments(&r, &x, &v, &value, &var);
			assert_close(value, rows[k].ism, 1e-9, 1e-10);
			rig_close(&r);
		}
}
END_TEST

START_TEST(loss_variances)
{
	static const struct {
		const char *spec;
		int v;
		double var;
	} rows[] = {{"ssm-vr", HERMITE, 8.18041350}, {"ssm-vr", SIGNS, 4.46041350}, {"ssm-vr", ICOSA, 4.67241350},
	            {"ssm", HERMITE, 18.90513663}, {"ssm", SIGNS, 9.84491400}, {"ssm", ICOSA, 11.31076275},
	            {"ism", SIGNS, 8.18041350 - 3.93}}; /* its variance in x: without that of v'Av */
	design x = points(HERMITE);
	size_t k;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		design v = points(rows[k].v);
		double f[G][G], mean, var;
		rig r;

		linear_rig(&r, rows[k].spec, "static", 1, G_A, G_B);
		rig_factor(f);
		run_designs(&r, &x, &v, G_M, f);
		moments(&r, &x, &v, &mean, &var);
		assert_close(mean, .28425, 1e-12, 1e-12);
		assert_close(var, rows[k].var, 0, 6e-9);
		rig_close(&r);
	}
}
END_TEST

/* Given x: variances of the trace's estimate T = v'Av and of the slice S = (v.s)^2/2, and their covariance. ssm-vr
 * is T and a constant, ssm is T + S. */
static void conditional(int directions, const double *x, const double *want)
{
	design at, v = points(directions);
	double f[G][G] = {{0}}, t[POINTS], vr, both, mean, cross = 0;
	int k;
	rig r;

	at.n = 1;
	at.w[0] = 1;
	memset(at.x[0], 0, sizeof at.x[0]);
	linear_rig(&r, "ssm-vr", "static", 1, G_A, G_B);
	run_designs(&r, &at, &v, x, f);
	moments(&r, &at, &v, &mean, &vr);
	for (k = 0; k < v.n; k++)
		t[k] = r.loss[k] - mean;
	rig_close(&r);
	linear_rig(&r, "ssm", "static", 1, G_A, G_B);
	run_designs(&r, &at, &v, x, f);
	moments(&r, &at, &v, &mean, &both);
	for (k = 0; k < v.n; k++)
		cross += v.w[k] * t[k] * (r.loss[k] - mean - t[k]);
	rig_close(&r);
	assert_close(vr, want[0], 1e-12, 1e-12);
	assert_close(both - vr - 2 * cross, want[1], 1e-11, 1e-11);
	assert_close(cross, want[2], 1e-11, 1e-11);
}

START_TEST(conditional_variances)
{
	static const double x[G] = {.9, -.4, 1.1};
	double s[G], F = 0, tr = 0, diag = 0, s2 = 0, s4 = 0, quad = 0, dquad = 0, want[3];
	int i, j;

	for (i = 0; i < G; i++) {
		s[i] = G_B[i];
		for (j = 0; j < G; j++)
			s[i] += G_A[i][j] * x[j];
		s2 += s[i] * s[i];
		s4 += s[i] * s[i] * s[i] * s[i];
		tr += G_A[i][i];
		diag += G_A[i][i] * G_A[i][i];
		dquad += G_A[i][i] * s[i] * s[i];
	}
	for (i = 0; i < G; i++)
		for (j = 0; j < G; j++) {
			double sym = (G_A[i][j] + G_A[j][i]) / 2;

			F += sym * sym;
			quad += s[i] * sym * s[j];
		}
	assert_close(2 * F, 3.93, 1e-12, 0);
	want[0] = 2 * F, want[1] = s2 * s2 / 2, want[2] = quad;
	conditional(HERMITE, x, want);
	assert_close(2 * (F - diag), .21, 1e-12, 0);
	want[0] = 2 * (F - diag), want[1] = (s2 * s2 - s4) / 2, want[2] = quad - dquad;
	conditional(SIGNS, x, want);
	assert_close(2. / 5 * (3 * F - tr * tr), .422, 1e-12, 0);
	want[0] = 2. / 5 * (3 * F - tr * tr), want[1] = 2. / 10 * s2 * s2, want[2] = (3 * quad - tr * s2) / 5;
	conditional(ICOSA, x, want);
	assert_close(3 * diag - tr * tr, .74, 1e-12, 0);
	want[0] = 3 * diag - tr * tr, want[1] = (3 * s4 - s2 * s2) / 4, want[2] = 3 * dquad / 2 - tr * s2 / 2;
	conditional(CROSS, x, want);
}
END_TEST

START_TEST(descent) /* on the expected loss (A,b) reaches (-C^{-1}, C^{-1} m) */
{
	design x = points(CROSS), v = points(SIGNS);
	double f[G][G], c[G][G], a[G][G], b[G], zero[G][G] = {{0}};
	int k, step, i, j;

	rig_smoothed(0, c);
	rig_factor(f);
	optimum(c, G_M, a, b);
	for (k = 0; k < 3; k++) {
		rig r;

		linear_rig(&r, members[k], "static", 1, FIXED(zero), zero[0]);
		/* the loss is quadratic: its largest curvature is below tr C + |m|^2 + 1 = 10.75, its least above 0.08 */
		for (step = 0; step < 2000; step++) {
			run_designs(&r, &x, &v, G_M, f);
			for (i = 0; i < 2 * B_AT; i++)
				r.param[i] -= .18 * r.grad[i] / (double)r.d->n;
		}
		for (i = 0; i < G; i++) {
			for (j = 0; j < G; j++)
				assert_close(r.param[i * G + j], a[i][j], 0, 1e-10);
			assert_close(r.param[B_AT + i], b[i], 0, 1e-10);
		}
		rig_close(&r);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("slices");
	TCase *tc = tcase_create("slices");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, gaussian_values);
	tcase_add_test(tc, unit_norm_trap);
	tcase_add_test(tc, gaussian_gradients);
	tcase_add_test(tc, minima);
	tcase_add_test(tc, sign);
	tcase_add_test(tc, time_goldens);
	tcase_add_test(tc, loss_variances);
	tcase_add_test(tc, conditional_variances);
	tcase_add_test(tc, descent);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
