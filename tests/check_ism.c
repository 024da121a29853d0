/* check_ism.c: implicit and sliced score matching on what is no plain Gaussian: position and velocity, a mixture
 * in one dimension, and a density with edges, where the loss has no lower bound.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "loss_rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const int64_t space[] = {G}, line[] = {1};
static const char *const members[] = {"ism:weight=one", "ssm:weight=one", "ssm-vr:weight=one"};

/* ---- position and velocity: the velocity's score alone ---- */

/* E = tr A_v + tr(A S A')/2 + |A mu + b|^2/2 for u ~ N(mu,S) of six numbers and s = A u + b; least -tr
 * (S^{-1})_vv/2 at the velocity's rows of -S^{-1}. For data N(m, q I) coordinates do not mix, and each has S = q p
 * p' + cov with p = Phi's first column. */
START_TEST(two_blocks)
{
	static const double q = .7;
	double P[4], S[4], want, det;
	int k, i, o;

	for (o = 0; o < 3; o++) {
		double value = 0;
		rig r;

		rig_open(&r, "affine", NULL, "cld", "score", members[o], 1, space, 12 * 8);
		rig_draw_at(&r, .4);
		sf_process_phi(r.process, 0, .4, P);
		sf_process_cov(r.process, .4, S);
		S[0] += q * P[0] * P[0];
		S[1] += q * P[0] * P[2];
		S[3] += q * P[2] * P[2];
		det = S[0] * S[3] - S[1] * S[1];
		memset(r.param, 0, (size_t)r.total * sizeof *r.param);
		ck_assert_int_eq(r.total, 48); /* A (3,6), b (3) */
		for (i = 0; i < G; i++) { /* s_v = -(S^{-1})_vx (x - mu_x) - (S^{-1})_vv (v - mu_v) */
			double sx = S[1] / det, sv = -S[0] / det;

			r.param[i * 6 + i] = sx;
			r.param[i * 6 + 3 + i] = sv;
			r.param[32 + i] = -(sx * P[0] + sv * P[2]) * G_M[i];
		}
		want = -3 * S[0] / det / 2;
		for (k = 0; k < 96; k++) { /* +-sqrt(6) e_k of six normals, by each direction */
			double n[6] = {0};

			n[k / 16] = (k / 8 % 2 ? -1 : 1) * sqrt(6);
			for (i = 0; i < G; i++) {
				double *u = r.d->xt + k * 6;

				u[i] = P[0] * G_M[i] + sqrt(S[0]) * n[i];
				u[3 + i] = P[2] * G_M[i] + S[1] / sqrt(S[0]) * n[i] + sqrt(det / S[0]) * n[3 + i];
				if (r.d->probe)
					r.d->probe[k * G + i] = k >> i & 1 ? 1 : -1;
			}
		}
		rig_run(&r);
		for (k = 0; k < 96; k++)
			value += r.loss[k] / 96;
		assert_close(value, want, 1e-11, 0);
		for (i = 0; i < r.total; i++)
			assert_close(r.grad[i] / 96, 0, 0, 1e-11 * fabs(want));
		rig_close(&r);
	}
}
END_TEST

/* ---- one dimension ---- */

/* s(x) = sum_k c_k act(w_k x + b_k), two units. */
static void two_units(rig *r, const char *objective, const char *act, int64_t n, double w0, double b0, double c0,
                      double w1, double b1, double c1)
{
	char net[80];
	double *p;

	snprintf(net, sizeof net, "mlp:width=2,depth=1,embed-width=2,act=%s", act);
	rig_open(r, net, NULL, "static", "score", objective, 1, line, n);
	memset(r->param, 0, (size_t)r->total * sizeof *r->param);
	p = rig_param(r, "layer0.weight");
	p[0] = w0, p[1] = w1;
	p = rig_param(r, "layer0.bias");
	p[0] = b0, p[1] = b1;
	p = rig_param(r, "out.weight");
	p[0] = c0, p[1] = c1;
}

/* .3 N(-1,.25) + .7 N(1.5,.5), s = 1.5 tanh(.8 x) - x: the trapezoidal rule is exact to rounding. */
START_TEST(mixture)
{
	enum { N = 601 };
	static const char *const specs[] = {"ism", "ssm", "ssm-vr"};
	double pi = acos(-1), h = 16. / (N - 1), slope = 1e-6; /* tanh(slope x)/slope is x to 1e-12 x^3 */
	int k, i;

	for (k = 0; k < 3; k++) { /* one dimension: signs leave nothing to chance */
		double sum = 0;
		rig r;

		two_units(&r, specs[k], "tanh", N, .8, 0, 1.5, slope, 0, -1 / slope);
		for (i = 0; i < N; i++)
			r.d->xt[i] = -7.5 + h * i;
		rig_run(&r);
		for (i = 0; i < N; i++) {
			double x = -7.5 + h * i, a = x + 1, b = x - 1.5;

			sum += h * r.loss[i] * .3 * exp(-a * a / .5) / sqrt(2 * pi * .25);
			sum += h * r.loss[i] * .7 * exp(-b * b) / sqrt(2 * pi * .5);
		}
		assert_close(sum, -.3658035879, 0, 2e-10);
		rig_close(&r);
	}
}
END_TEST

/* On the uniform density of [0,1] a ramp of height h and width delta at both ends gives -2h + h^2 delta/3, which
 * falls without bound (-3/delta at h = 3/delta). Its corners are rounded as softplus(beta u)/beta, which adds
 * (h/delta)^2 2 zeta(3)/beta^3 to the norm and nothing to the trace. */
START_TEST(uniform)
{
	enum { N = 6001 };
	static const double delta[] = {.2, .1}, height[] = {2, 30}; /* at .1: the least value, -30 */
	int k, i;

	for (k = 0; k < 2; k++) {
		double d = delta[k], h = height[k], beta = 300 / d, sum = 0, want;
		rig r;

		two_units(&r, "ism", "softplus", N, -beta, beta * d, h / d / beta, beta, beta * (d - 1), -h / d / beta);
		for (i = 0; i < N; i++)
			r.d->xt[i] = (double)i / (N - 1);
		rig_run(&r);
		for (i = 0; i < N; i++) /* Simpson's rule */
			sum += r.loss[i] * (i == 0 || i == N - 1 ? 1 : i % 2 ? 4 : 2) / (3. * (N - 1));
		want = -2 * h + h * h * d / 3 + h * h / (d * d) * 2 * 1.2020569031595942 / (beta * beta * beta);
		assert_close(sum, want, 1e-6, 0);
		if (k == 1)
			assert_close(want, -3 / d, 1e-6, 0);
		rig_close(&r);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ism");
	TCase *tc = tcase_create("ism");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, two_blocks);
	tcase_add_test(tc, mixture);
	tcase_add_test(tc, uniform);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
