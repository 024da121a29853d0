/* ref_body.h: every entry as plain loops of one element type: the oracle of the tests and --strict.
 * Maps, Adam and noise share their one-element formulas with the fast tables; sums, norms and
 * softmax are written again, in index order and in double precision.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/math_body.h"

#include "kernel/map_body.h"
#include "kernel/pick_body.h"
#include "kernel/adam_body.h"
#include "kernel/noise_body.h"
#include "kernel/ref_gemm_body.h"
#include "kernel/ref_conv_body.h"

static T F(sum)(int64_t n, const T *a)
{
	double total = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		total += (double)a[i];
	return (T)total;
}

static T F(dot)(int64_t n, const T *a, const T *b)
{
	double total = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		total += (double)a[i] * (double)b[i];
	return (T)total;
}

static double F(squares)(int64_t n, const T *a)
{
	double total = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		total += (double)a[i] * (double)a[i];
	return total;
}

static void F(sum_rows)(int64_t rows, int64_t cols, const T *a, int accumulate, T *o)
{
	int64_t i, j;

	for (j = 0; j < cols; j++) {
		if (!accumulate)
			o[j] = 0;
		for (i = 0; i < rows; i++)
			o[j] += a[i * cols + j];
	}
}

static void F(axpy)(int64_t n, T c, const T *a, T *o)
{
	int64_t i;

	for (i = 0; i < n; i++)
		o[i] += c * a[i];
}

static void F(transpose)(int64_t rows, int64_t cols, const T *src, int64_t lds, T *dst, int64_t ldd)
{
	int64_t i, j;

	for (i = 0; i < rows; i++)
		for (j = 0; j < cols; j++)
			dst[j * ldd + i] = src[i * lds + j];
}

/* mean and rstd of the group of `width` channels that starts at x */
static void F(norm_stat)(int64_t p, int64_t c, int64_t width, double eps, const T *x, double *mean,
                         double *rstd)
{
	double sum = 0, square = 0;
	int64_t i, j;

	for (i = 0; i < p; i++)
		for (j = 0; j < width; j++)
			sum += (double)x[i * c + j];
	*mean = sum / ((double)p * (double)width);
	for (i = 0; i < p; i++)
		for (j = 0; j < width; j++)
			square += ((double)x[i * c + j] - *mean) * ((double)x[i * c + j] - *mean);
	*rstd = 1 / sqrt(square / ((double)p * (double)width) + eps);
}

static void F(norm_forward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
                            const T *gamma, const T *beta, T *y, T *stat)
{
	const int64_t width = c / groups;
	double mean, rstd;
	int64_t i, j;
	int g;

	for (g = 0; g < groups; g++) {
		F(norm_stat)(p, c, width, eps, x + g * width, &mean, &rstd);
		if (stat) {
			stat[2 * g] = (T)mean;
			stat[2 * g + 1] = (T)rstd;
		}
		for (i = 0; i < p; i++)
			for (j = g * width; j < (g + 1) * width; j++) {
				const double xh = ((double)x[i * c + j] - mean) * rstd;
				const T z = (T)((double)gamma[j] * xh + (double)beta[j]);

				y[i * c + j] = act ? F(f_silu)(z) : z;
			}
	}
}

static void F(norm_backward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
                             const T *gamma, const T *beta, const T *dy, T *dx, T *dgamma, T *dbeta)
{
	const int64_t width = c / groups;
	double mean, rstd;
	int64_t i, j;
	int g;

	for (g = 0; g < groups; g++) {
		double s1 = 0, s2 = 0;

		F(norm_stat)(p, c, width, eps, x + g * width, &mean, &rstd);
		for (j = g * width; j < (g + 1) * width; j++) {
			double t1 = 0, t2 = 0;

			for (i = 0; i < p; i++) {
				const double xh = ((double)x[i * c + j] - mean) * rstd;
				const double z = (double)gamma[j] * xh + (double)beta[j];
				const T slope = act ? F(f_silu_grad)((T)z) : 1;
				const T dz = dy[i * c + j] * slope;

				t1 += (double)dz;
				t2 += (double)dz * xh;
				if (dx)
					dx[i * c + j] = dz;
			}
			if (dbeta)
				dbeta[j] += (T)t1;
			if (dgamma)
				dgamma[j] += (T)t2;
			s1 += (double)gamma[j] * t1;
			s2 += (double)gamma[j] * t2;
		}
		s1 /= (double)p * (double)width;
		s2 /= (double)p * (double)width;
		for (i = 0; dx && i < p; i++)
			for (j = g * width; j < (g + 1) * width; j++) {
				const double xh = ((double)x[i * c + j] - mean) * rstd;
				const double dz = (double)gamma[j] * (double)dx[i * c + j];

				dx[i * c + j] = (T)(rstd * (dz - s1 - xh * s2));
			}
	}
}

static void F(softmax)(int64_t rows, int64_t n, const T *x, T *y)
{
	int64_t r, i;

	for (r = 0; r < rows; r++, x += n, y += n) {
		T top = n > 0 ? x[0] : 0;
		double sum = 0;

		for (i = 1; i < n; i++)
			top = x[i] > top ? x[i] : top;
		for (i = 0; i < n; i++) {
			y[i] = F(f_exp)(x[i] - top);
			sum += (double)y[i];
		}
		for (i = 0; i < n; i++)
			y[i] = (T)((double)y[i] / sum);
	}
}

static void F(softmax_grad)(int64_t rows, int64_t n, const T *y, const T *dy, T *dx)
{
	int64_t r, i;

	for (r = 0; r < rows; r++, y += n, dy += n, dx += n) {
		const double mean = (double)F(dot)(n, y, dy);

		for (i = 0; i < n; i++)
			dx[i] = (T)((double)y[i] * ((double)dy[i] - mean));
	}
}

#include "kernel/peak_body.h"
#include "kernel/table_body.h"
