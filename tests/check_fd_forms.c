/* check_fd_forms.c: the finite-difference losses against closed forms: expectations and gradients of linear scores and
 * quadratic energies on a Gaussian, a quartic energy, and a score on a mixture in one dimension.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const int64_t line[] = {1}, space[] = {G};
enum { SSM, VR };
static const char *const names[] = {"fd-ssm", "fd-ssm-vr"};

/* ---- x ~ N(M,C) by the points M +- sqrt(3) L e_k, u = sqrt(3) e_k as three slices ---- */
static void gaussian_points(rig *r)
{
	double l[G][G];
	int i, k;

	rig_factor(l);
	memset(r->d->probe, 0, sizeof *r->d->probe * 2 * G * G * G);
	for (k = 0; k < 2 * G; k++)
		for (i = 0; i < G; i++) {
			r->d->xt[k * G + i] = G_M[i] + (k % 2 ? -1 : 1) * sqrt(G) * l[i][k / 2];
			r->d->probe[(k * G + i) * G + i] = sqrt(G);
		}
}

static void open_gaussian(rig *r, const char *name, double eps, const char *param)
{
	char spec[80];

	snprintf(spec, sizeof spec, "%s:slices=3,eps-min=0,eps=%g", name, eps);
	rig_open(r, "affine", NULL, "static", param, spec, 1, space, 2 * G);
	gaussian_points(r);
}

static const double lengths[] = {1e-3, .1, 1};

START_TEST(gaussian_value) /* tr A + tr(A C A')/2 + |e|^2/2 = 0.28425; dJ/dA = I + A C + e m', dJ/db = e = A m + b */
{
	static const double dA[G][G] = {{-.405, .06, .37}, {.3, -1.54, 3.23}, {-.46, .46, -.5}};
	static const double db[G] = {-.05, 1.5, -.5};
	int kind, n, i, j;

	for (kind = SSM; kind <= VR; kind++)
		for (n = 0; n < 3; n++) {
			rig r;

			open_gaussian(&r, names[kind], lengths[n], "score");
			memcpy(r.param, G_A, sizeof G_A);
			memcpy(r.param + 16, G_B, sizeof G_B);
			assert_close(rig_run(&r), .28425, 0, 1e-11);
			for (i = 0; i < G; i++) {
				for (j = 0; j < G; j++)
					assert_close(r.grad[i * G + j] / (2 * G), dA[i][j], 0, 1e-11);
				assert_close(r.grad[16 + i] / (2 * G), db[i], 0, 1e-11);
			}
			rig_close(&r);
		}
}
END_TEST

/* E = <x, C^{-1} x/2 - C^{-1} m>: the true density; -tr C^{-1}/2, and the gradient is zero. */
START_TEST(gaussian_energy_minimum)
{
	double c[G][G], inv[G][G];
	int kind, n, i, j;

	rig_smoothed(0, c);
	rig_inverse(c, inv);
	for (kind = SSM; kind <= VR; kind++)
		for (n = 0; n < 3; n++) {
			rig r;

			open_gaussian(&r, names[kind], lengths[n], "energy");
			for (i = 0; i < G; i++) {
				r.param[16 + i] = 0;
				for (j = 0; j < G; j++) {
					r.param[i * G + j] = inv[i][j] / 2;
					r.param[16 + i] -= inv[i][j] * G_M[j];
				}
			}
			assert_close(rig_run(&r), -1.204889406286, 0, lengths[n] < .01 ? 1e-8 : 1e-11);
			for (i = 0; i < r.total; i++)
				assert_close(r.grad[i], 0, 0, lengths[n] < .01 ? 1e-7 : 1e-11);
			rig_close(&r);
		}
}
END_TEST

/* At sigma = .5, 12 points of the joint normal of (x,z): d/(2 sigma^2) - tr C_s^{-1}/2 at s = C_s^{-1}(m - x). */
START_TEST(gaussian_denoising)
{
	double c[G][G], inv[G][G], l[G][G];
	int n, i, j, k;

	rig_smoothed(.25, c);
	rig_inverse(c, inv);
	rig_factor(l);
	for (n = 0; n < 3; n++) {
		char spec[80];
		rig r;

		snprintf(spec, sizeof spec, "fd-dsm:slices=3,eps-min=0,scale=one,weight=one,eps=%g", lengths[n]);
		rig_open(&r, "affine", NULL, "edm", "energy", spec, 1, space, 4 * G);
		rig_draw_at(&r, .5);
		memset(r.d->probe, 0, sizeof *r.d->probe * 4 * G * G * G);
		for (k = 0; k < 4 * G; k++) {
			double side = (k % 2 ? -1 : 1) * sqrt(2 * G);

			for (i = 0; i < G; i++) {
				int axis = k / 2;

				r.d->z[k * G + i] = axis == G + i ? side : 0;
				r.d->xt[k * G + i] = G_M[i] + (axis < G ? side * l[i][axis] : 0) + .5 * r.d->z[k * G + i];
				r.d->probe[(k * G + i) * G + i] = sqrt(G);
			}
		}
		for (i = 0; i < G; i++) { /* log p = -E/sigma */
			r.param[16 + i] = 0;
			for (j = 0; j < G; j++) {
				r.param[i * G + j] = inv[i][j] / 4;
				r.param[16 + i] -= inv[i][j] * G_M[j] / 2;
			}
		}
		assert_close(rig_run(&r), 5.023184886052, 0, 1e-9);
		for (i = 0; i < r.total; i++)
			assert_close(r.grad[i], 0, 0, 1e-8);
		memset(r.param, 0, sizeof *r.param * (size_t)r.total); /* at s = 0 */
		assert_close(rig_run(&r), 6, 0, 1e-11);                /* d/(2 sigma^2) */
		for (i = 0; i < G; i++)
			for (j = 0; j < G; j++) /* s = -(A+A')x/sigma: -2/sigma dJ/dS, dJ/dS = I */
				assert_close(r.grad[i * G + j] / (4 * G), i == j ? -4 : 0, 0, 1e-8);
		rig_close(&r);
	}
}
END_TEST

START_TEST(sign) /* at s = 0 the gradient is I: descent makes the curvature of log p negative */
{
	int kind, i, j;

	for (kind = SSM; kind <= VR; kind++) {
		rig r, e;

		open_gaussian(&r, names[kind], .1, "score");
		open_gaussian(&e, names[kind], .1, "energy"); /* s = -(A+A')x - b */
		memset(r.param, 0, sizeof *r.param * (size_t)r.total);
		memset(e.param, 0, sizeof *e.param * (size_t)e.total);
		rig_run(&r);
		rig_run(&e);
		for (i = 0; i < G; i++)
			for (j = 0; j < G; j++) {
				assert_close(r.grad[i * G + j] / (2 * G), i == j, 0, 1e-12);
				assert_close(e.grad[i * G + j] / (2 * G), i == j ? -2 : 0, 0, 1e-10);
			}
		rig_close(&r);
		rig_close(&e);
	}
}
END_TEST

/* ---- one dimension ---- */
static sf_var cubic(const void *st, sf_graph *g, const sf_net_io *io)
{
	(void)st;
	return sf_scale(g, sf_mul(g, io->x, sf_square(g, io->x)), .25);
}

static sf_var tanh_net(const void *st, sf_graph *g, const sf_net_io *io)
{
	(void)st;
	return sf_sub(g, sf_scale(g, sf_tanh(g, sf_scale(g, io->x, .8)), 1.5), io->x);
}

static const sf_net_class quartic_net = {{"quartic", "", "", 1, NULL, NULL, NULL}, NULL, cubic, NULL, 0, NULL, 0};
static const sf_net_class bend_net = {{"bend", "", "", 1, NULL, NULL, NULL}, NULL, tanh_net, NULL, 0, NULL, 0};

/* log p = -x^4/4 on x ~ N(0,1), by Gauss and Hermite's rule of four points, exact for degree 7; v = +-eps. */
static double quartic(const char *name, double eps)
{
	double mean = 0, want = 0;
	char spec[80];
	int k;
	rig r;

	snprintf(spec, sizeof spec, "%s:eps-min=0,eps=%g", name, eps);
	rig_open(&r, NULL, &quartic_net, "static", "energy", spec, 1, line, 4);
	for (k = 0; k < 4; k++) {
		assert_close(fabs(r.d->probe[k]), 1, 1e-15, 0);
		r.d->xt[k] = (k % 2 ? -1 : 1) * sqrt(3 + (k / 2 ? -1 : 1) * sqrt(6));
	}
	rig_run(&r);
	for (k = 0; k < 4; k++) {
		double share = (3 - (k / 2 ? -1 : 1) * sqrt(6)) / 12;

		mean += share * r.loss[k];
		want += share;
	}
	assert_close(want, 1, 1e-15, 0);
	rig_close(&r);
	return mean;
}

START_TEST(quartic_goldens)
{
	int n;

	assert_close(quartic("fd-ssm", .1), 4.52505, 0, 1e-11);
	for (n = 1; n < 3; n++) {
		double e2 = lengths[n] * lengths[n];

		assert_close(quartic("fd-ssm", lengths[n]), -3 - e2 / 2 + (15 + 6 * e2 + e2 * e2) / 2, 0, 1e-11);
		/* scores of the energy: (x^3 + 3 x eps^2)^2/2 - 3 x^2 - eps^2 */
		assert_close(quartic("fd-ssm-vr", lengths[n]), (15 + 18 * e2 + 9 * e2 * e2) / 2 - 3 - e2, 0, 1e-11);
	}
}
END_TEST

/* s = 1.5 tanh(.8x) - x on .3 N(-1,.25) + .7 N(1.5,.5), v = .5 z: -0.3430674388, by the trapezoidal rule. */
START_TEST(mixture_golden)
{
	enum { STEPS = 65 };
	static const double share[2] = {.3, .7}, mean[2] = {-1, 1.5}, var[2] = {.25, .5};
	double sum = 0, total = 0;
	int c, i, j;
	rig r;

	rig_open(&r, NULL, &bend_net, "static", "score", "fd-ssm-vr:direction=gaussian,eps=0.5", 1, line,
	         2 * STEPS * STEPS);
	for (c = 0; c < 2; c++)
		for (i = 0; i < STEPS; i++)
			for (j = 0; j < STEPS; j++) {
				int64_t at = (c * STEPS + i) * STEPS + j;

				r.d->xt[at] = mean[c] + sqrt(var[c]) * (i - STEPS / 2) / 4.;
				r.d->probe[at] = (j - STEPS / 2) / 4.;
			}
	rig_run(&r);
	for (c = 0; c < 2; c++)
		for (i = 0; i < STEPS; i++)
			for (j = 0; j < STEPS; j++) {
				double a = (i - STEPS / 2) / 4., z = (j - STEPS / 2) / 4.;
				double p = share[c] * exp(-(a * a + z * z) / 2);

				sum += p * r.loss[(c * STEPS + i) * STEPS + j];
				total += p;
			}
	assert_close(sum / total, -.3430674388, 0, 1e-10);
	rig_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fd-forms");
	TCase *tc = tcase_create("fd-forms");

	tcase_add_test(tc, gaussian_value);
	tcase_add_test(tc, gaussian_energy_minimum);
	tcase_add_test(tc, gaussian_denoising);
	tcase_add_test(tc, sign);
	tcase_add_test(tc, quartic_goldens);
	tcase_add_test(tc, mixture_golden);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
