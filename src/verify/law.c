/* law.c: the exact law of stochastic runs on normal data. Such a run is linear in its start and its normals,
 *
 *     u_N = A u_0 + b + sum_i B_i z_i,
 *
 * and the normals are known: more runs than unknowns give A, b and B by least squares, with them the mean A m + b and the covariance
 * A S A' + sum B_i B_i'. What the least squares cannot explain shows that a run is not linear, or draws what it should not.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"
#include "process/process.h"
#include "verify/verify.h"

#include <math.h>

typedef struct fit {
	int k;
	int64_t rows, cols, steps;
	double *Z, *u, *normal, *b; /* (rows,cols), (rows,k), (cols,cols), (cols,k) */
} fit;

enum { SEED = 99 };

/* Solves (Z'Z) b = Z'u by Cholesky. */
static int least_squares(const fit *f)
{
	int64_t n = f->cols, k = f->k, i, j, c;
	double *a = f->normal, *b = f->b;

	sf_blas_gemm(1, 0, n, n, f->rows, 1, f->Z, n, f->Z, n, 0, a, n);
	sf_blas_gemm(1, 0, n, k, f->rows, 1, f->Z, n, f->u, k, 0, b, k);
	SF_TRY(sf_blas_cholesky(n, a));
	for (c = 0; c < k; c++) {
		for (i = 0; i < n; i++) {
			for (j = 0; j < i; j++)
				b[i * k + c] -= a[i * n + j] * b[j * k + c];
			b[i * k + c] /= a[i * n + i];
		}
		for (i = n; i-- > 0;) {
			for (j = i + 1; j < n; j++)
				b[i * k + c] -= a[j * n + i] * b[j * k + c];
			b[i * k + c] /= a[i * n + i];
		}
	}
	return SF_OK;
}

/* Start, 1, and the normals of run i. The start is standard normal, so that its columns keep their scale. */
static void fill_row(const sf_ctx *ctx, const fit *f, const sf_law_noise *noise, int64_t i)
{
	static const uint64_t seed = SEED;
	sf_noise key = {seed, SF_NOISE_USER, 0};
	double *z = f->Z + i * f->cols;
	int64_t step;

	sf_noise_normal_d(ctx, key, (uint64_t)i, 0, (size_t)f->k, z);
	z[f->k] = 1;
	z += f->k + 1;
	for (; noise->draws > 0; noise++)
		for (step = 0; step < f->steps * noise->draws; step++) {
			key.purpose = noise->purpose;
			key.step = (uint32_t)step;
			sf_noise_normal_d(ctx, key, (uint64_t)i, (uint64_t)noise->first, (size_t)noise->elements, z);
			z += noise->elements;
		}
}

static int run_all(const sf_rig *rig, const fit *f, int denoise)
{
	sf_sample_run run;

	sf_sample_defaults(&run);
	run.n = f->rows;
	run.steps = f->steps;
	run.seed = SEED;
	run.grid = rig->grid;
	run.given_start = 1;
	run.denoise = denoise;
	return sf_sample(rig->sampler, rig->score, &run, f->u, NULL);
}

/* The largest part of a result that the fit leaves, over its size. */
static double unexplained(const fit *f, const double *u)
{
	double worst = 0;
	int64_t i, j;
	int c;

	for (i = 0; i < f->rows; i++)
		for (c = 0; c < f->k; c++) {
			double rest = u[i * f->k + c];

			for (j = 0; j < f->cols; j++)
				rest -= f->Z[i * f->cols + j] * f->b[j * f->k + c];
			sf_worst(&worst, u[i * f->k + c] - rest, u[i * f->k + c], 1);
		}
	return worst;
}

static void moments(const fit *f, const double *m, const double *L, double *mean, double *cov)
{
	int k = f->k, r, c, e;
	int64_t j;

	for (r = 0; r < k; r++) {
		mean[r] = f->b[k * k + r];
		for (e = 0; e < k; e++)
			mean[r] += f->b[e * k + r] * m[e];
		for (c = 0; c < k; c++) {
			double sum = 0;

			for (e = 0; e < k; e++) { /* (A L)(A L)' */
				double left = 0, right = 0;
				int g;

				for (g = 0; g < k; g++) {
					left += f->b[g * k + r] * L[g * k + e];
					right += f->b[g * k + c] * L[g * k + e];
				}
				sum += left * right;
			}
			for (j = k + 1; j < f->cols; j++)
				sum += f->b[j * k + r] * f->b[j * k + c];
			cov[r * k + c] = sum;
		}
	}
}

int sf_law(sf_ctx *ctx, const sf_rig *rig, int64_t steps, int denoise, const sf_law_noise *noise, const double *m, const double *S,
           double *mean, double *cov)
{
	int k = sf_process_blocks(rig->process), c, rc;
	sf_law_noise plain[2] = {{SF_NOISE_STEP, 1, 0, k}, {0, 0, 0, 0}};
	fit f = {.k = k, .steps = steps, .cols = k + 1};
	double L[4], *memory;
	const sf_law_noise *w;
	int64_t i;

	noise = noise ? noise : plain;
	for (w = noise; w->draws > 0; w++)
		f.cols += steps * w->draws * w->elements;
	f.rows = 2 * f.cols;
	memory = sf_alloc((size_t)(f.rows * f.cols + f.rows * k + f.cols * f.cols + f.cols * k), sizeof *memory);
	if (!memory)
		return sf_fail(ctx, SF_ENOMEM, "sampler check: out of memory");
	f.Z = memory;
	f.u = f.Z + f.rows * f.cols;
	f.normal = f.u + f.rows * k;
	f.b = f.normal + f.cols * f.cols;
	sf_block_cholesky(k, S, L);
	for (i = 0; i < f.rows; i++) {
		fill_row(ctx, &f, noise, i);
		for (c = 0; c < k; c++)
			f.u[i * k + c] = f.Z[i * f.cols + c];
	}
	rc = run_all(rig, &f, denoise);
	if (rc == 0)
		rc = least_squares(&f);
	if (rc == 0) {
		moments(&f, m, L, mean, cov);
		if (!(unexplained(&f, f.u) <= 1e-8))
			mean[0] = cov[0] = NAN;
	}
	sf_free(memory);
	return rc;
}
