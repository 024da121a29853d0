/* check_posterior.c: what an encoder says of the latent, against independent formulas; the bound of a linear-Gaussian pair;
 * gradients of the whole by differences.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vae_rig.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

START_TEST(closed_forms)
{
	sf_vae_how how = vae_how("affine", "affine", 1, 1, 0, 0);
	double x = 0, kl, entropy;
	vae_rig r;

	vae_open(&r, &how, 0);
	memset(r.params, 0, (size_t)r.total * sizeof *r.params);
	r.params[vae_param(&r, "encoder.b")->offset] = 5 * atanh(.1);       /* mean 1/2 */
	r.params[vae_param(&r, "encoder.b")->offset + 1] = 5 * atanh(-.05); /* ln std -1/4 */
	kl = vae_one(&r, r.q.kl[0], &x, NULL);
	entropy = vae_one(&r, r.q.entropy, &x, NULL);
	assert_close(kl, .5 * (.25 + exp(-.5) - 1) + .25, 1e-13, 0);
	assert_close(kl, .178265329856317, 1e-12, 0);
	assert_close(entropy, -.25 + .5 * log(2 * SF_PI * exp(1)), 1e-13, 0);
	x = 2;
	ck_assert(vae_one(&r, r.q.mean, &x, NULL) <= 5);
	r.params[vae_param(&r, "encoder.b")->offset] = 1e6; /* bounded, whatever a network says */
	assert_close(vae_one(&r, r.q.mean, &x, NULL), 5, 1e-15, 0);
	vae_close(&r);
}
END_TEST

static double silu(double a)
{
	return a / (1 + exp(-a));
}

/* y (m) = x (n) W + b */
static void dense(const vae_rig *r, const char *name, int n, int m, const double *x, double *y)
{
	char full[80];
	const double *w, *b;
	int i, j;

	snprintf(full, sizeof full, "posterior.%s.weight", name);
	w = r->params + vae_param(r, full)->offset;
	snprintf(full, sizeof full, "posterior.%s.bias", name);
	b = r->params + vae_param(r, full)->offset;
	for (j = 0; j < m; j++)
		for (y[j] = b[j], i = 0; i < n; i++)
			y[j] += x[i] * w[i * m + j];
}

enum { D = 3, L = 4, G = 2 };

/* Two groups of two: each mean and deviation by hand. */
START_TEST(groups)
{
	sf_vae_how how = vae_how("affine:init=1", "affine", L, D, 0, 0);
	double x[D] = {.5, -1, .25}, e[L] = {.3, -.7, 1.1, .2}, h[2 * L], in[2 * L + 2], a[32], c[4], m[L], s[L], z[L], kl[2] = {0, 0};
	double mean[L], log_std[L], zz[L], k0, k1, entropy, sum = 0, *out[6];
	sf_var var[6];
	const double *A, *b;
	vae_rig r;
	int i, j;

	how.groups = G;
	vae_open(&r, &how, .2);
	A = r.params + vae_param(&r, "encoder.A")->offset;
	b = r.params + vae_param(&r, "encoder.b")->offset;
	for (i = 0; i < 2 * L; i++)
		for (h[i] = b[i], j = 0; j < D; j++)
			h[i] += A[i * D + j] * x[j];
	memcpy(in, h, sizeof h);
	for (i = 0; i < L; i++) {
		if (i == 2) { /* the second group knows z of the first */
			in[2 * L] = z[0];
			in[2 * L + 1] = z[1];
			dense(&r, "group1.conv0", 2 * L + 2, 32, in, a);
			for (j = 0; j < 32; j++)
				a[j] = silu(a[j]);
			dense(&r, "group1.conv1", 32, 4, a, c);
		}
		m[i] = 5 * tanh((h[i] + (i < 2 ? 0 : c[i - 2])) / 5);
		s[i] = 5 * tanh((h[L + i] + (i < 2 ? 0 : c[i])) / 5);
		z[i] = m[i] + exp(s[i]) * e[i];
		kl[i / 2] += .5 * (m[i] * m[i] + exp(2 * s[i]) - 1) - s[i];
		sum += s[i] + .5 * log(2 * SF_PI * exp(1));
	}
	var[0] = r.q.mean;
	var[1] = r.q.log_std;
	var[2] = r.q.z;
	var[3] = r.q.kl[0];
	var[4] = r.q.kl[1];
	var[5] = r.q.entropy;
	out[0] = mean;
	out[1] = log_std;
	out[2] = zz;
	out[3] = &k0;
	out[4] = &k1;
	out[5] = &entropy;
	vae_run(&r, SF_F64, var, 6, 1, x, e, out);
	for (i = 0; i < L; i++) {
		assert_close(mean[i], m[i], 1e-11, 1e-12);
		assert_close(log_std[i], s[i], 1e-11, 1e-12);
		assert_close(zz[i], z[i], 1e-11, 1e-12);
	}
	ck_assert(fabs(c[0]) > 1e-3); /* the cell says something */
	assert_close(k0, kl[0], 1e-11, 0);
	assert_close(k1, kl[1], 1e-11, 0);
	assert_close(entropy, sum, 1e-11, 0);
	vae_close(&r);
}
END_TEST

static double determinant(int n, double *a)
{
	double det = 1;
	int i, j, k;

	for (k = 0; k < n; k++)
		for (det *= a[k * n + k], i = k + 1; i < n; i++)
			for (j = n - 1; j >= k; j--)
				a[i * n + j] -= a[i * n + k] / a[k * n + k] * a[k * n + j];
	return det;
}

/* z is a map of e, so ln q(z|x) = ln N(e;0,I) - ln|det dz/de| = -H + D/2 - |e|^2/2 for the sum H of the groups' entropies. */
START_TEST(joint_density)
{
	sf_vae_how how = vae_how("mlp:width=16,depth=1", "affine", L, D, 0, 0);
	double x[D] = {.5, -1, .25}, e[L] = {.3, -.7, 1.1, .2}, up[L], down[L], jac[L * L], *out = up;
	const double h = 1e-5;
	vae_rig r;
	int i, j;

	how.groups = 4;
	vae_open(&r, &how, .3);
	for (j = 0; j < L; j++) {
		e[j] += h;
		out = up;
		vae_run(&r, SF_F64, &r.q.z, 1, 1, x, e, &out);
		e[j] -= 2 * h;
		out = down;
		vae_run(&r, SF_F64, &r.q.z, 1, 1, x, e, &out);
		e[j] += h;
		for (i = 0; i < L; i++)
			jac[i * L + j] = (up[i] - down[i]) / (2 * h);
	}
	ck_assert(fabs(jac[L]) > 1e-3); /* a later group depends on an earlier one */
	assert_close(vae_one(&r, r.q.entropy, x, e), log(determinant(L, jac)) + .5 * L * (log(2 * SF_PI) + 1), 1e-8, 0);
	vae_close(&r);
}
END_TEST

/* A cell that says nothing leaves a diagonal normal: any number of groups is one group's. */
START_TEST(groups_alike)
{
	sf_vae_how how = vae_how("affine:init=1", "affine", L, D, 0, 0);
	double x[D] = {.5, -1, .25}, e[L] = {.3, -.7, 1.1, .2}, kl[2] = {0, 0}, h[2];
	vae_rig r;
	int i, j;

	for (i = 0; i < 2; i++) {
		how.groups = i ? 4 : 1;
		vae_open(&r, &how, 0);
		for (j = 0; j < sf_param_count(r.g); j++) {
			const sf_param_info *p = sf_param_get(r.g, j);

			if (strncmp(p->name, "posterior", 9) == 0)
				memset(r.params + p->offset, 0, (size_t)p->shape.size * sizeof *r.params);
		}
		for (j = 0; j < how.groups; j++)
			kl[i] += vae_one(&r, r.q.kl[j], x, e);
		h[i] = vae_one(&r, r.q.entropy, x, e);
		vae_close(&r);
	}
	assert_close(kl[0], kl[1], 1e-13, 0);
	assert_close(h[0], h[1], 1e-13, 0);
}
END_TEST

/* ---- the bound of a linear-Gaussian pair is the evidence ---- */
/* x = W z + mu + N(0, s^2), W's columns orthogonal; then q(z|x) is diagonal with precision 1 + |w_k|^2/s^2. */
START_TEST(linear_gaussian)
{
	static const double W[3][2] = {{.8, -.3}, {.6, .4}, {0, 1.2}}, mu[3] = {.1, -.2, .3}, s = .7;
	sf_vae_how how = vae_how("affine:init=1", "affine", 2, 3, 0, 0);
	double x[3] = {1, -.4, .6}, e[2], C[9], w2[2], y[3], inv[3], quad = 0, evidence, elbo, *A, *b, det;
	vae_rig r;
	int i, k, sign;

	how.std = s;
	vae_open(&r, &how, 0);
	b = r.params + vae_param(&r, "decoder.b")->offset;
	A = r.params + vae_param(&r, "decoder.A")->offset;
	for (i = 0; i < 3; i++)
		for (b[i] = mu[i], k = 0; k < 2; k++)
			A[i * 2 + k] = W[i][k];
	b = r.params + vae_param(&r, "encoder.b")->offset;
	A = r.params + vae_param(&r, "encoder.A")->offset;
	for (k = 0; k < 2; k++) {
		double mean = 0, precision;

		for (w2[k] = 0, i = 0; i < 3; i++) {
			w2[k] += W[i][k] * W[i][k];
			mean += W[i][k] * (x[i] - mu[i]) / (s * s);
		}
		precision = 1 + w2[k] / (s * s);
		b[k] = 5 * atanh(mean / precision / 5);
		b[2 + k] = 5 * atanh(-.5 * log(precision) / 5);
		for (i = 0; i < 3; i++) { /* it holds for this x whatever A is */
			b[k] -= A[k * 3 + i] * x[i];
			b[2 + k] -= A[(2 + k) * 3 + i] * x[i];
		}
	}
	/* the expectation over e of a quadratic, by the points +-sqrt(2) e_k */
	elbo = -vae_one(&r, r.q.kl[0], x, NULL);
	for (k = 0; k < 2; k++)
		for (sign = -1; sign < 2; sign += 2) {
			e[k] = sign * sqrt(2.);
			e[1 - k] = 0;
			elbo += .25 * vae_one(&r, r.logp, x, e);
		}
	for (i = 0; i < 9; i++)
		C[i] = W[i / 3][0] * W[i % 3][0] + W[i / 3][1] * W[i % 3][1] + (i % 4 == 0 ? s * s : 0);
	det = s * s * (s * s + w2[0]) * (s * s + w2[1]);
	/* C^-1 = (I - W diag(1/(s^2 + |w_k|^2)) W')/s^2 for orthogonal columns */
	for (i = 0; i < 3; i++)
		y[i] = x[i] - mu[i];
	for (i = 0; i < 3; i++) {
		inv[i] = y[i];
		for (k = 0; k < 2; k++)
			inv[i] -= W[i][k] * (W[0][k] * y[0] + W[1][k] * y[1] + W[2][k] * y[2]) / (s * s + w2[k]);
		quad += y[i] * inv[i] / (s * s);
	}
	assert_close(determinant(3, C), det, 1e-12, 0);
	evidence = -.5 * quad - .5 * log(det) - 1.5 * log(2 * SF_PI);
	assert_close(elbo, evidence, 1e-11, 0);
	vae_close(&r);
}
END_TEST

/* One deviation for all numbers, which is learned. */
START_TEST(learned_std)
{
	sf_vae_how how = vae_how("affine", "affine", 2, 3, 0, 0);
	double x[3] = {1, -.4, .6}, e[2] = {.3, -.2}, mean[3], *out = mean, expected = 0;
	vae_rig r;
	int i;

	how.std = 0;
	vae_open(&r, &how, .3);
	r.params[vae_param(&r, "decoder.log_std")->offset] = .4;
	vae_run(&r, SF_F64, &r.mean, 1, 1, x, e, &out);
	for (i = 0; i < 3; i++)
		expected -= .5 * pow((x[i] - mean[i]) / exp(.4), 2) + .4 + .5 * log(2 * SF_PI);
	assert_close(vae_one(&r, r.logp, x, e), expected, 1e-12, 0);
	vae_close(&r);
}
END_TEST

/* ---- gradients ---- */
static sf_var bound(vae_rig *r)
{
	sf_var f = sf_neg(r->g, r->logp);
	int i;

	for (i = 0; i < sf_vae_made(r->v)->groups; i++)
		f = sf_add(r->g, f, sf_scale(r->g, r->q.kl[i], 1 + i));
	f = sf_add(r->g, f, sf_scale(r->g, r->q.entropy, .3));
	return sf_add(r->g, f, sf_sumsq(r->g, r->mean));
}

START_TEST(gradients)
{
	sf_vae_how how = vae_how("mlp:width=8,depth=1,act=tanh", "mlp:width=8,depth=1,act=tanh", 2, 5, 0, 0);
	const double *at[2];
	double x[32], e[64];
	sf_var in[2];
	vae_rig r;
	int i;

	if (_i == 0) {
		how.std = 0;
	} else if (_i == 1) {
		vae_levels(&how, SF_VAE_BERNOULLI, 3);
		how.groups = 2;
	} else if (_i == 2) {
		vae_levels(&how, SF_VAE_LOGISTIC, 5);
		how.mixture = 3;
	} else {
		how = vae_how("nvae-encoder:levels=1,width=4,squeeze=false", "nvae-decoder:levels=1,width=4,squeeze=false", 4, 4, 4, 2);
		vae_levels(&how, SF_VAE_LOGISTIC, 4);
		how.mixture = 2;
		how.groups = 2;
	}
	vae_open(&r, &how, .1);
	ck_assert(r.size <= 32 && r.latent <= 64);
	vae_normals(r.ctx, 3, r.latent, e);
	for (i = 0; i < r.size; i++)
		x[i] = how.levels ? 2. * (i * 7 % how.levels) / ((double)how.levels - 1) - 1 : sin(3. * i);
	in[0] = r.x;
	in[1] = r.e;
	at[0] = x;
	at[1] = e;
	graph_differences(r.ctx, r.g, bound(&r), 2, in, at, r.params, 2e-6);
	vae_close(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("posterior");
	TCase *tc = tcase_create("posterior");

	tcase_add_test(tc, closed_forms);
	tcase_add_test(tc, groups);
	tcase_add_test(tc, joint_density);
	tcase_add_test(tc, groups_alike);
	tcase_add_test(tc, linear_gaussian);
	tcase_add_test(tc, learned_std);
	tcase_add_loop_test(tc, gradients, 0, 4);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
