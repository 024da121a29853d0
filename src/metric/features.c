/* features.c: features of images by random filters,
 *
 *     a = relu(conv3x3(x)), 32 maps, filters of mean 0 and norm 1;   b = relu(conv3x3, step 2(a)), 64 maps, filters N(0, 2/288)
 *     f = means of b over the quarters of the image, 2 x 2 x 64
 *
 * Images of 16 pixels and more take the first layer in steps of 2. Nothing is padded, so the border counts as what it is.
 * Random features tell sets of images apart by strokes and textures without having been trained on either (in the spirit of Jarrett,
 * Kavukcuoglu, Ranzato, LeCun 2009). Known answer: constant images have features 0.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <scorefield/metric.h>

#include <math.h>
#include <string.h>

enum { FIRST = 32, SECOND = 64, TAPS = 9, QUARTERS = 4, SEED = 20090929 };

typedef struct job {
	sf_ctx *ctx;
	int64_t h, w, c, step, ah, aw, bh, bw; /* of the image, the first and the second layer */
	const double *x;
	double *f, *one, *two; /* (TAPS c, FIRST), (TAPS FIRST, SECOND) */
	double *a, *b;         /* (workers, ah aw FIRST), (workers, SECOND) */
} job;

/* out (maps) = relu of the window at (y,x) of in (.,w,c) times the filters (TAPS c, maps). */
static void window(const double *in, int64_t w, int64_t c, int64_t y, int64_t x, const double *filter, int maps, double *out)
{
	int64_t t, k;
	int j;

	memset(out, 0, (size_t)maps * sizeof *out);
	for (t = 0; t < TAPS; t++)
		for (k = 0; k < c; k++) {
			double v = in[((y + t / 3) * w + x + t % 3) * c + k];
			const double *row = filter + (t * c + k) * maps;

			if (v != 0)
				for (j = 0; j < maps; j++)
					out[j] += v * row[j];
		}
	for (j = 0; j < maps; j++)
		out[j] = out[j] > 1e-12 ? out[j] : 0; /* rounding of filters without a mean is no stroke */
}

static int one_image(void *arg, int64_t i, int worker)
{
	job *j = arg;
	const double *x = j->x + i * j->h * j->w * j->c;
	double *a = j->a + (int64_t)worker * j->ah * j->aw * FIRST, *b = j->b + (int64_t)worker * SECOND, *f = j->f + i * SF_FEATURES;
	int64_t y, k, count[QUARTERS] = {0};
	int m, q;

	for (y = 0; y < j->ah; y++)
		for (k = 0; k < j->aw; k++)
			window(x, j->w, j->c, y * j->step, k * j->step, j->one, FIRST, a + (y * j->aw + k) * FIRST);
	memset(f, 0, SF_FEATURES * sizeof *f);
	for (y = 0; y < j->bh; y++)
		for (k = 0; k < j->bw; k++) {
			q = (2 * y >= j->bh) * 2 + (2 * k >= j->bw);
			window(a, j->aw, FIRST, 2 * y, 2 * k, j->two, SECOND, b);
			count[q]++;
			for (m = 0; m < SECOND; m++)
				f[q * SECOND + m] += b[m];
		}
	for (q = 0; q < QUARTERS; q++)
		for (m = 0; m < SECOND; m++)
			f[q * SECOND + m] /= (double)(count[q] ? count[q] : 1);
	return SF_OK;
}

static void make_filters(const job *j)
{
	sf_noise key = {SEED, SF_NOISE_EVALUATE, 0};
	int64_t n = TAPS * j->c, i;
	int m;

	sf_noise_normal_d(j->ctx, key, 0, 0, (size_t)(n * FIRST), j->one);
	sf_noise_normal_d(j->ctx, key, 1, 0, TAPS * FIRST * SECOND, j->two);
	for (m = 0; m < FIRST; m++) {
		double mean = 0, norm = 0;

		for (i = 0; i < n; i++)
			mean += j->one[i * FIRST + m] / (double)n;
		for (i = 0; i < n; i++) {
			j->one[i * FIRST + m] -= mean;
			norm += j->one[i * FIRST + m] * j->one[i * FIRST + m];
		}
		for (i = 0; i < n; i++)
			j->one[i * FIRST + m] /= sqrt(norm);
	}
	for (i = 0; i < TAPS * FIRST * SECOND; i++)
		j->two[i] *= sqrt(2. / (TAPS * FIRST));
}

int sf_metric_features(sf_ctx *ctx, int rank, const int64_t *dim, int64_t n, const double *x, double *f)
{
	job j = {.ctx = ctx, .x = x, .f = f};
	size_t workers = (size_t)sf_ctx_threads(ctx);
	int rc;

	if (rank != 3 || dim[0] < 8 || dim[1] < 8 || dim[0] > 1 << 14 || dim[1] > 1 << 14 || dim[2] < 1 || dim[2] > 64)
		return sf_fail(ctx, SF_EUNSUP, "distance: features are of images of at least 8x8 pixels");
	j.h = dim[0];
	j.w = dim[1];
	j.c = dim[2];
	j.step = j.h >= 16 && j.w >= 16 ? 2 : 1;
	j.ah = (j.h - 3) / j.step + 1;
	j.aw = (j.w - 3) / j.step + 1;
	j.bh = (j.ah - 3) / 2 + 1;
	j.bw = (j.aw - 3) / 2 + 1;
	j.one = sf_alloc(TAPS * FIRST, (size_t)j.c * sizeof *j.one);
	j.two = sf_alloc(TAPS * FIRST, SECOND * sizeof *j.two);
	j.a = sf_alloc(workers, (size_t)(j.ah * j.aw) * FIRST * sizeof *j.a);
	j.b = sf_alloc(workers, SECOND * sizeof *j.b);
	if (j.one && j.two && j.a && j.b) {
		make_filters(&j);
		rc = sf_parallel(ctx, n, one_image, &j);
	} else {
		rc = sf_fail(ctx, SF_ENOMEM, "distance: out of memory");
	}
	sf_free(j.one);
	sf_free(j.two);
	sf_free(j.a);
	sf_free(j.b);
	return rc;
}
