/* check_vae.c: the likelihoods of a decoder against independent formulas.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vae_rig.h"

#include "latent/latent.h"

#include <math.h>
#include <string.h>

/* ln p(x | parameters) of a pair's likelihood, for parameters of one's own; NULL mean: not wanted. */
static double logp_of(const sf_vae_how *how, sf_dtype type, const double *parameters, const double *x, double *mean, double *grad)
{
	sf_ctx *ctx = ck_ctx();
	float fp[512], fx[64], fout[1 + 64 + 512];
	double out[1 + 64 + 512];
	int64_t dim[2], n, i;
	sf_var p, in, var[3];
	sf_graph *g;
	sf_plan *plan;
	sf_vae *v;
	sf_run run;

	assert_ok(ctx, sf_vae_new(ctx, how, &v));
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	dim[0] = v->pixels;
	dim[1] = sf_vae_numbers(v);
	n = dim[0] * dim[1];
	ck_assert(n <= 512 && v->size <= 64);
	p = sf_input(g, "p", 1, 2, dim);
	in = sf_input(g, "x", 1, how->rank, how->dim);
	var[0] = sf_vae_build_logp(v, g, p, in);
	var[1] = sf_vae_build_mean(v, g, p);
	assert_ok(ctx, sf_grad(g, var[0], &p, 1, &var[2]));
	assert_ok(ctx, sf_plan_new(g, var, 3, type, 1, &plan));
	for (i = 0; i < n; i++)
		fp[i] = (float)parameters[i];
	for (i = 0; i < v->size; i++)
		fx[i] = (float)x[i];
	sf_plan_bind(plan, p, type == SF_F32 ? (const void *)fp : parameters);
	sf_plan_bind(plan, in, type == SF_F32 ? (const void *)fx : x);
	sf_plan_output(plan, 0, type == SF_F32 ? (void *)fout : out);
	sf_plan_output(plan, 1, type == SF_F32 ? (void *)(fout + 1) : out + 1);
	sf_plan_output(plan, 2, type == SF_F32 ? (void *)(fout + 65) : out + 65);
	memset(&run, 0, sizeof run);
	run.n = run.shards = 1;
	assert_ok(ctx, sf_plan_run(plan, &run));
	for (i = 0; type == SF_F32 && i < 65 + n; i++)
		out[i] = i > v->size && i < 65 ? 0 : (double)fout[i];
	for (i = 0; mean && i < v->size; i++)
		mean[i] = out[1 + i];
	for (i = 0; grad && i < n; i++)
		grad[i] = out[65 + i];
	sf_plan_free(plan);
	sf_graph_free(g);
	sf_vae_free(v);
	sf_ctx_free(ctx);
	return out[0];
}

START_TEST(gaussian)
{
	sf_vae_how how = vae_how("affine", "affine", 1, 1, 0, 0);
	double m[3] = {.1, -2, .75}, x[3] = {.3, -1, 0}, mean[3], expected = 0;
	int i;

	assert_close(logp_of(&how, SF_F64, m, x, mean, NULL), -.305791352644727, 1e-13, 0);
	how.dim[0] = 3;
	how.std = 1.25;
	for (i = 0; i < 3; i++)
		expected += -.5 * pow((x[i] - m[i]) / 1.25, 2) - log(1.25) - .5 * log(2 * SF_PI);
	assert_close(logp_of(&how, SF_F64, m, x, mean, NULL), expected, 1e-13, 0);
	for (i = 0; i < 3; i++)
		assert_close(mean[i], m[i], 0, 0);
}
END_TEST

START_TEST(bernoulli)
{
	sf_vae_how how = vae_how("affine", "affine", 1, 4, 0, 0);
	/* network values -1 .. 1 of stored values 0 .. 4: chances of a one are 0, 1/4, 1/2, 1 */
	double l[4] = {2, -1, 300, -40}, x[4] = {-1, -.5, 0, 1}, mean[4], b, expected = 0;
	int i;

	vae_levels(&how, SF_VAE_BERNOULLI, 5);
	for (i = 0; i < 4; i++) {
		b = (x[i] + 1) / 2; /* ln(1 - p) = -l - ln(1 + e^-l) = -ln(1 + e^l) */
		expected += b * l[i] - (l[i] > 0 ? l[i] + log1p(exp(-l[i])) : log1p(exp(l[i])));
	}
	assert_close(logp_of(&how, SF_F64, l, x, mean, NULL), expected, 1e-13, 0);
	for (i = 0; i < 4; i++)
		assert_close(mean[i], 2 / (1 + exp(-l[i])) - 1, 1e-13, 1e-14);
	how.dim[0] = 1;
	x[0] = 1;
	assert_close(logp_of(&how, SF_F64, l, x, mean, NULL), -.126928011042973, 1e-13, 0);
}
END_TEST

static double logistic(double x)
{
	return x > 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

/* Probability of level j of n, written as the difference of the distribution function at the edges. */
static double level(int j, int n, double m, double raw)
{
	double s = exp(7 * tanh(raw / 7)), w = 1 / (n - 1.), u = 2 * w * j - 1;

	return (j == n - 1 ? 1 : logistic((u + w - m) / s)) - (j == 0 ? 0 : logistic((u - w - m) / s));
}

START_TEST(discretised_logistic)
{
	sf_vae_how how = vae_how("affine", "affine", 1, 1, 0, 0);
	/* the raw scale whose bounded value is -1 */
	double p[2] = {.2, 7 * atanh(-1. / 7)}, known[3] = {.129792204943351, .563484790371802, .306723004684847}, mean, expected, sum, x;
	int n, j;

	/* the table in the file's head, worked out by hand from 1/(1 + e^-2.7182818 (+-.5 - .2)) */
	vae_levels(&how, SF_VAE_LOGISTIC, 3);
	for (j = 0; j < 3; j++) {
		x = j - 1.;
		assert_close(exp(logp_of(&how, SF_F64, p, &x, NULL, NULL)), known[j], 1e-13, 0);
	}
	for (n = 2; n < 18; n += 5) {
		vae_levels(&how, SF_VAE_LOGISTIC, n);
		p[1] = n < 8 ? -3 : .4;
		for (sum = expected = 0, j = 0; j < n; j++) {
			x = 2. * j / (n - 1) - 1;
			assert_close(logp_of(&how, SF_F64, p, &x, &mean, NULL), log(level(j, n, p[0], p[1])), 1e-9, 1e-12);
			sum += exp(logp_of(&how, SF_F64, p, &x, NULL, NULL));
			expected += x * level(j, n, p[0], p[1]);
		}
		assert_close(sum, 1, 1e-12, 0);
		assert_close(mean, expected, 1e-12, 1e-13);
	}
}
END_TEST

/* Two channels that share three components: all pairs of levels. */
START_TEST(logistic_mixture)
{
	sf_vae_how how = vae_how("nvae-encoder:levels=0,width=4", "nvae-decoder:levels=0,width=4", 1, 1, 1, 2);
	double p[15] = {.3, -1, .8, -.5, .1, .9, -.9, .2, 1.5, -2, -1, .3, -.4, -3, 0}, w[3], x[2], mean[2], e[2] = {0, 0};
	double sum = 0, all = 0;
	int i, j, k;

	vae_levels(&how, SF_VAE_LOGISTIC, 4);
	how.mixture = 3;
	for (k = 0; k < 3; k++)
		sum += exp(p[k]);
	for (k = 0; k < 3; k++)
		w[k] = exp(p[k]) / sum;
	for (i = 0; i < 4; i++)
		for (j = 0; j < 4; j++) {
			double expected = 0, got;

			x[0] = 2. * i / 3 - 1;
			x[1] = 2. * j / 3 - 1;
			for (k = 0; k < 3; k++)
				expected += w[k] * level(i, 4, p[3 + 2 * k], p[9 + 2 * k]) *
				            level(j, 4, p[4 + 2 * k], p[10 + 2 * k]);
			got = logp_of(&how, SF_F64, p, x, mean, NULL);
			assert_close(got, log(expected), 1e-12, 1e-13);
			all += exp(got);
			e[0] += expected * x[0];
			e[1] += expected * x[1];
		}
	assert_close(all, 1, 1e-12, 0);
	assert_close(mean[0], e[0], 1e-12, 1e-13);
	assert_close(mean[1], e[1], 1e-12, 1e-13);
}
END_TEST

/* Means far off and scales beyond all bounds in single precision: finite values and gradients, and where the closest level has
 * all the probability, ln 1. */
START_TEST(logistic_far)
{
	static const double means[] = {-1e6, -300, -1, -.2, 0, .999, 40, 1e6}, scales[] = {-1e4, -7, -1, 0, 3, 1e4};
	sf_vae_how how = vae_how("affine", "affine", 1, 1, 0, 0);
	double p[2], grad[2], x, l, d;
	size_t i, k;
	int j;

	vae_levels(&how, SF_VAE_LOGISTIC, 256);
	for (i = 0; i < sizeof means / sizeof *means; i++)
		for (k = 0; k < sizeof scales / sizeof *scales; k++)
			for (j = 0; j < 256; j += 51) {
				p[0] = means[i];
				p[1] = scales[k];
				x = 2. * j / 255 - 1;
				l = logp_of(&how, SF_F32, p, &x, NULL, grad);
				d = logp_of(&how, SF_F64, p, &x, NULL, NULL);
				ck_assert(isfinite(l) && isfinite(grad[0]) && isfinite(grad[1]));
				assert_close(l, d, 1e-4, 1e-4);
				ck_assert(l <= 1e-6);
			}
	p[0] = 1e6;
	x = 1;
	assert_close(logp_of(&how, SF_F32, p, &x, NULL, NULL), 0, 0, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("vae");
	TCase *tc = tcase_create("likelihood");

	tcase_add_test(tc, gaussian);
	tcase_add_test(tc, bernoulli);
	tcase_add_test(tc, discretised_logistic);
	tcase_add_test(tc, logistic_mixture);
	tcase_add_test(tc, logistic_far);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
