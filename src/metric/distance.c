/* distance.c: distances between two sets of samples.
 *
 *     sliced    sqrt(mean_u int_0^1 (Q_ux(p) - Q_uy(p))^2 dp)        Rabin, Peyre, Delon, Bernot 2012
 *     Frechet   |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))    Dowson and Landau 1982
 *
 * The trace of the root is the sum of the roots of the eigenvalues of T' S_y T with T = V diag(sqrt l), S_x = V diag(l) V'.
 * Sets of different sizes meet on the merged grid of their quantiles. Known answers: a shift by a gives |a| and, in d dimensions,
 * |a|/sqrt d sliced; S_y = c S_x gives (1 - sqrt c)^2 tr S_x.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"
#include "kernel/kernel.h"

#include <scorefield/metric.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SLICES = 32 /* directions at a time */ };

static int check(sf_ctx *ctx, int64_t n, const double *x, int64_t m, const double *y, int64_t d, int64_t least)
{
	int64_t i, nd, md;

	if (n < least || m < least || d < 1 || sf_mul_i64(n, d, &nd) < 0 || sf_mul_i64(m, d, &md) < 0)
		return sf_fail(ctx, SF_ERANGE, "distance: %lld and %lld samples of %lld numbers; expected at least %lld", (long long)n,
		               (long long)m, (long long)d, (long long)least);
	for (i = 0; i < nd; i++)
		if (!isfinite(x[i]))
			return sf_fail(ctx, SF_EDIVERGED, "distance: a number of sample %lld is not finite", (long long)(i / d));
	for (i = 0; i < md; i++)
		if (!isfinite(y[i]))
			return sf_fail(ctx, SF_EDIVERGED, "distance: a number of sample %lld is not finite", (long long)(i / d));
	return SF_OK;
}

/* ---- sliced ---- */

static int rising(const void *a, const void *b)
{
	double x, y;

	memcpy(&x, a, sizeof x);
	memcpy(&y, b, sizeof y);
	return x < y ? -1 : x > y;
}

/* W_2^2 of sorted a (n) and b (m), between the steps i/n and j/m of their quantiles. */
static double line(int64_t n, const double *a, int64_t m, const double *b)
{
	double sum = 0, p = 0;
	int64_t i = 0, j = 0;

	while (i < n && j < m) {
		double u = (double)(i + 1) / (double)n, v = (double)(j + 1) / (double)m, next = u < v ? u : v;

		sum += (next - p) * (a[i] - b[j]) * (a[i] - b[j]);
		p = next;
		i += u <= v;
		j += v <= u;
	}
	return sum;
}

static void unit(sf_ctx *ctx, uint64_t seed, int64_t index, int64_t d, double *u)
{
	sf_noise key = {seed, SF_NOISE_EVALUATE, 0};
	double norm = 0;
	int64_t k;

	sf_noise_normal_d(ctx, key, (uint64_t)index, 0, (size_t)d, u);
	for (k = 0; k < d; k++)
		norm += u[k] * u[k];
	for (k = 0; k < d; k++)
		u[k] /= sqrt(norm);
}

int sf_metric_sliced(sf_ctx *ctx, int64_t n, const double *x, int64_t m, const double *y, int64_t d, int64_t directions, uint64_t seed,
                     double *distance)
{
	double *u, *a, *b, sum = 0;
	int64_t i, j;

	SF_TRY(check(ctx, n, x, m, y, d, 1));
	if (directions < 1 || directions > INT64_C(1) << 40)
		return sf_fail(ctx, SF_ERANGE, "distance: %lld directions; expected at least 1", (long long)directions);
	u = sf_alloc(SLICES, (size_t)d * sizeof *u);
	a = sf_alloc(SLICES, (size_t)n * sizeof *a);
	b = sf_alloc(SLICES, (size_t)m * sizeof *b);
	for (i = 0; u && a && b && i < directions; i += SLICES) {
		int64_t count = directions - i < SLICES ? directions - i : SLICES;

		for (j = 0; j < count; j++)
			unit(ctx, seed, i + j, d, u + j * d);
		sf_blas_gemm(0, 1, count, n, d, 1, u, d, x, d, 0, a, n);
		sf_blas_gemm(0, 1, count, m, d, 1, u, d, y, d, 0, b, m);
		for (j = 0; j < count; j++) {
			qsort(a + j * n, (size_t)n, sizeof *a, rising);
			qsort(b + j * m, (size_t)m, sizeof *b, rising);
			sum += line(n, a + j * n, m, b + j * m);
		}
	}
	i = u && a && b;
	sf_free(u);
	sf_free(a);
	sf_free(b);
	if (!i)
		return sf_fail(ctx, SF_ENOMEM, "distance: out of memory");
	*distance = sqrt(sum / (double)directions);
	return SF_OK;
}

/* ---- Frechet ---- */

/* Mean (d) and covariance (d,d); centred (n,d) is scratch. */
static void moments(int64_t n, int64_t d, const double *x, double *centred, double *mean, double *cov)
{
	int64_t i, k;

	for (k = 0; k < d; k++)
		mean[k] = 0;
	for (i = 0; i < n; i++)
		for (k = 0; k < d; k++)
			mean[k] += x[i * d + k];
	for (k = 0; k < d; k++)
		mean[k] /= (double)n;
	for (i = 0; i < n; i++)
		for (k = 0; k < d; k++)
			centred[i * d + k] = x[i * d + k] - mean[k];
	sf_blas_gemm(1, 0, d, d, n, 1 / (double)(n - 1), centred, d, centred, d, 0, cov, d);
}

static double trace(int64_t d, const double *s)
{
	double sum = 0;
	int64_t k;

	for (k = 0; k < d; k++)
		sum += s[k * d + k];
	return sum;
}

/* tr (S_x S_y)^(1/2); both are overwritten. vec, m (d,d), val (d) are scratch. */
static int root_trace(int64_t d, double *sx, double *sy, double *vec, double *m, double *val, double *out)
{
	int64_t i, k;
	int rc = sf_blas_eigh(d, sx, val, vec); /* rows of vec */

	for (i = 0; i < d; i++)
		for (k = 0; k < d; k++)
			vec[i * d + k] *= sqrt(val[i] > 0 ? val[i] : 0);
	if (rc == 0) {
		sf_blas_gemm(0, 0, d, d, d, 1, vec, d, sy, d, 0, sx, d);
		sf_blas_gemm(0, 1, d, d, d, 1, sx, d, vec, d, 0, m, d);
		for (i = 0; i < d; i++)
			for (k = 0; k < i; k++)
				m[i * d + k] = m[k * d + i] = (m[i * d + k] + m[k * d + i]) / 2;
		rc = sf_blas_eigh(d, m, val, vec);
	}
	for (*out = 0, i = 0; rc == 0 && i < d; i++)
		*out += sqrt(val[i] > 0 ? val[i] : 0);
	return rc;
}

int sf_metric_frechet(sf_ctx *ctx, int64_t n, const double *x, int64_t m, const double *y, int64_t d, double *distance)
{
	int64_t rows = n > m ? n : m, k;
	double *centred, *mean, *s, root = 0, shift = 0, traces = 0;
	int rc = SF_OK;

	SF_TRY(check(ctx, n, x, m, y, d, 2));
	if (d > 1 << 14)
		return sf_fail(ctx, SF_ERANGE, "distance: covariances of %lld numbers; expected at most %d", (long long)d, 1 << 14);
	centred = sf_alloc((size_t)rows, (size_t)d * sizeof *centred);
	mean = sf_alloc(3, (size_t)d * sizeof *mean);
	s = sf_alloc(4 * (size_t)d, (size_t)d * sizeof *s);
	if (!centred || !mean || !s)
		rc = sf_fail(ctx, SF_ENOMEM, "distance: out of memory");
	if (rc == 0) {
		moments(n, d, x, centred, mean, s);
		moments(m, d, y, centred, mean + d, s + d * d);
		for (k = 0; k < d; k++)
			shift += (mean[k] - mean[d + k]) * (mean[k] - mean[d + k]);
		traces = trace(d, s) + trace(d, s + d * d);
		rc = root_trace(d, s, s + d * d, s + 2 * d * d, s + 3 * d * d, mean + 2 * d, &root);
		if (rc < 0)
			rc = sf_fail(ctx, rc, "distance: the eigenvalues of a covariance did not converge");
	}
	*distance = shift + traces - 2 * root;
	sf_free(centred);
	sf_free(mean);
	sf_free(s);
	return rc;
}
