/* v3_parts.h: what the tests of DPM-Solver-v3 and of its statistics share: files of tables, closed forms, population values.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_V3_PARTS_H
#define SF_TEST_V3_PARTS_H

#include "sampler_rig.h"

#include "sampler/ems.h"

#include <math.h>
#include <stdio.h>

#define SKEWED "mixture:preset=skewed"
#define RANGE "edm:sigma-min=0.1,sigma-max=10"

static char folder[512];

static void enter(void)
{
	snprintf(folder, sizeof folder, "%s", sf_test_mkdir());
}

static void leave(void)
{
	sf_test_rmdir(folder);
}

static const char *file_of(const char *name)
{
	static char path[600];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

typedef void (*fill_fn)(double lambda, int64_t j, double *l, double *s, double *b);

/* A table of a function over lambda of sigma = most .. least (alpha = 1). */
static void write_table(sf_ctx *ctx, const char *name, int64_t rows, int64_t d, double most, double least, fill_fn fill)
{
	sf_ems e;
	int64_t i, j;

	assert_ok(ctx, sf_ems_new(ctx, rows, d, &e));
	e.first = -log(most);
	e.last = -log(least);
	for (i = 0; i < rows; i++)
		for (j = 0; j < d; j++)
			fill(sf_ems_lambda(&e, i), j, &e.l[i * d + j], &e.s[i * d + j], &e.b[i * d + j]);
	assert_ok(ctx, sf_ems_write(ctx, file_of(name), &e, 0, NULL, NULL));
	sf_ems_free(&e);
}

static void data_table(double lambda, int64_t j, double *l, double *s, double *b)
{
	(void)lambda;
	(void)j;
	*l = 1;
	*s = *b = 0;
}

#define NORMAL "gaussian:mean=0.3:-1:0,std=0.7:0.2:2"
static const double normal_mean[3] = {0.3, -1, 0}, normal_std[3] = {0.7, 0.2, 2};

static void normal_table(double lambda, int64_t j, double *l, double *s, double *b)
{
	double v = exp(-2 * lambda);

	*l = v / (v + normal_std[j] * normal_std[j]);
	*s = 0;
	*b = 2 * *l * (1 - *l) * normal_mean[j];
}

static void must(int rc)
{
	ck_assert_int_eq(rc, 0);
}

/* Expectations over the mixture's density by trapezoids. */
static void population(sf_score *score, double lambda, double *l, double *s, double *b)
{
	enum { N = 500 };
	double sigma = exp(-lambda), far = 2.5 + 9 * sigma, h = 2 * far / N, P = 0, Ef = 0, Ef1 = 0, Eff = 0, Eff1 = 0, l1 = 0, step = 1e-3;
	static double x[N], t[N], one[N], eps[N], p[N], up[N], down[N], y[N], z[N], times[N];
	int pass, i, k;

	for (pass = -1; pass <= 1; pass++) { /* l at lambda - step, lambda + step, lambda */
		double at = lambda + (pass == 1 ? 0 : pass == 0 ? step : -step), v = exp(-at), sum = 0;

		P = 0;
		for (i = 0; i < N; i++) {
			x[i] = 0.3 + h * (i + 0.5) - far;
			t[i] = v;
			one[i] = 1;
		}
		must(sf_score_logp(score, N, x, t, p));
		must(sf_score_jvp(score, N, x, t, one, y));
		for (i = 0; i < N; i++) {
			p[i] = exp(p[i]);
			P += p[i];
			sum -= v * v * y[i] * p[i];
		}
		*l = sum / P;
		l1 += pass == 1 ? 0 : (pass == 0 ? 1 : -1) * *l / (2 * step);
	}
	must(sf_score_eval(score, SF_EPS, N, x, t, eps));
	for (k = -1; k <= 1; k += 2) {
		for (i = 0; i < N; i++) {
			z[i] = x[i] - k * step * sigma * eps[i];
			times[i] = exp(-(lambda + k * step));
		}
		must(sf_score_eval(score, SF_EPS, N, z, times, k < 0 ? down : up));
	}
	for (i = 0; i < N; i++) {
		double f = sigma * eps[i] - *l * x[i];
		double f1 = sigma * ((*l - 1) * eps[i] + (up[i] - down[i]) / (2 * step)) - l1 * x[i];

		Ef += p[i] * f / P;
		Ef1 += p[i] * f1 / P;
		Eff += p[i] * f * f / P;
		Eff1 += p[i] * f * f1 / P;
	}
	*s = (Eff1 - Ef * Ef1) / (Eff - Ef * Ef);
	*b = Ef1 - *s * Ef;
}


#endif
