/* delta.c: the exact score of a finite data set y_1 .. y_n under a linear process.
 *
 *     u = a y_i + N(0, Sigma) with W = Sigma^-1:  the weights depend on u through one point only,
 *     yhat = a'W u / a'W a,   w_i = softmax(-(a'W a) |yhat - y_i|^2 / 2),   D = sum_i w_i y_i
 *     score = -W (u - a D)            (k = 1: yhat = x/alpha, score = (alpha D - x)/sigma^2)
 *
 * Karras et al. 2022 (2206.00364), section 2; it is what denoising score matching learns when the
 * data are all there is. Distances are differences squared: |x|^2 - 2x.y + |y|^2 would cancel at
 * small sigma. Points come in blocks with a running maximum, sum and weighted sum, so memory does
 * not grow with n.
 * Known answer: points -1.3 -0.4 0.1 0.9 2.0, sigma 0.7: D(0.3) = 0.20382946269025046.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/score.h"

#include <math.h>
#include <string.h>

enum { BLOCK = 64 };

typedef struct delta {
	int64_t n;
	double *points; /* (n,d) */
	double *scratch; /* (threads,2,d): yhat, D */
	int workers;
} delta;

typedef struct job {
	const sf_score *s;
	int64_t n, per;
	const double *x, *t;
	double *score, *logp; /* one of them */
} job;

/* Four sums in a fixed order, so that the additions need not wait for each other. */
static double distance2(int64_t d, const double *a, const double *b)
{
	double sum[4] = {0}, rest = 0;
	int64_t j = 0;
	int i;

	for (; j + 4 <= d; j += 4)
		for (i = 0; i < 4; i++)
			sum[i] += (a[j + i] - b[j + i]) * (a[j + i] - b[j + i]);
	for (; j < d; j++)
		rest += (a[j] - b[j]) * (a[j] - b[j]);
	return sum[0] + sum[1] + (sum[2] + sum[3]) + rest;
}

/* mean = sum w_i y_i with w = softmax(-c |y - y_i|^2/2); returns ln of the sum of exponentials. */
static double posterior(const delta *st, int64_t d, const double *y, double c, double *mean)
{
	double top = -INFINITY, sum = 0, e[BLOCK];
	int64_t first, i, j;

	memset(mean, 0, (size_t)d * sizeof *mean);
	for (first = 0; first < st->n; first += BLOCK) {
		int64_t count = st->n - first < BLOCK ? st->n - first : BLOCK;
		double was = top;

		for (i = 0; i < count; i++) {
			e[i] = -0.5 * c * distance2(d, y, st->points + (first + i) * d);
			top = e[i] > top ? e[i] : top;
		}
		if (top > was && sum > 0) {
			double shrink = exp(was - top);

			sum *= shrink;
			for (j = 0; j < d; j++)
				mean[j] *= shrink;
		}
		for (i = 0; i < count; i++) {
			double w = exp(e[i] - top);

			sum += w;
			if (w > 0)
				for (j = 0; j < d; j++)
					mean[j] += w * st->points[(first + i) * d + j];
		}
	}
	for (j = 0; j < d; j++)
		mean[j] /= sum;
	return top + log(sum);
}

static void one(const job *w, int64_t sample, double *yhat, double *mean)
{
	const delta *st = w->s->object.state;
	const sf_process *p = w->s->process;
	int k = sf_process_blocks(p), b;
	int64_t d = w->s->d, at = sample * k * d, j;
	double a[SF_BLOCKS_MAX], W[SF_BLOCKS_MAX * SF_BLOCKS_MAX], Wa[SF_BLOCKS_MAX] = {0}, c = 0;
	double logdet = sf_score_block(p, w->t[sample], 0, a, W), logsum, quad = 0;
	const double *u = w->x + at;

	sf_block_apply(k, W, a, Wa);
	for (b = 0; b < k; b++)
		c += a[b] * Wa[b];
	for (j = 0; j < d; j++) {
		yhat[j] = 0;
		for (b = 0; b < k; b++)
			yhat[j] += k == 1 ? u[j] / a[0] : Wa[b] * u[b * d + j] / c;
	}
	logsum = posterior(st, d, yhat, c, mean);
	for (j = 0; j < d; j++) {
		double r[SF_BLOCKS_MAX] = {0}, s[SF_BLOCKS_MAX];

		if (w->score) {
			for (b = 0; b < k; b++)
				r[b] = u[b * d + j] - a[b] * mean[j];
			sf_block_apply(k, W, r, s);
			for (b = 0; b < k; b++)
				w->score[at + b * d + j] = -s[b];
		} else if (k >
		           1) { /* what no point can explain: the distance of u from the line a y */
			for (b = 0; b < k; b++)
				r[b] = u[b * d + j] - a[b] * yhat[j];
			sf_block_apply(k, W, r, s);
			for (b = 0; b < k; b++)
				quad += r[b] * s[b];
		}
	}
	if (w->logp)
		w->logp[sample] = logsum - log((double)st->n) -
		                  0.5 * (quad + (double)d * (logdet + k * log(2 * SF_PI)));
}

static int tile(void *arg, int64_t index, int worker)
{
	const job *w = arg;
	const delta *st = w->s->object.state;
	double *scratch = st->scratch + (int64_t)worker * 2 * w->s->d;
	int64_t i, last = (index + 1) * w->per < w->n ? (index + 1) * w->per : w->n;

	for (i = index * w->per; i < last; i++)
		one(w, i, scratch, scratch + w->s->d);
	return SF_OK;
}

static int run(sf_score *s, job *w)
{
	delta *st = s->object.state;
	sf_ctx *ctx = sf_score_context(s);
	int threads = sf_ctx_threads(ctx);
	size_t each;

	if (threads > st->workers) { /* the first call, or one after sf_ctx_set_threads */
		double *scratch = NULL;

		if (sf_mul_size((size_t)s->d, 2 * sizeof(double), &each) == 0)
			scratch = sf_alloc((size_t)threads, each);
		if (!scratch)
			return sf_fail(ctx, SF_ENOMEM, "score 'delta': out of memory");
		sf_free(st->scratch);
		st->scratch = scratch;
		st->workers = threads;
	}
	w->per = 1 + 131072 / (1 + st->n * s->d);
	return sf_parallel(ctx, w->n / w->per + (w->n % w->per != 0), tile, w);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	job w = {s, n, 1, x, t, out, NULL};

	return run(s, &w);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	job w = {s, n, 1, x, t, NULL, out};

	return run(s, &w);
}

static int prepare(sf_score *s)
{
	return sf_score_needs_linear(s);
}

static void fini(void *state)
{
	delta *st = state;

	sf_free(st->points);
	sf_free(st->scratch);
}

static const sf_score_class delta_class = {
	.head = {"delta", "exact score of a finite data set",
	         "Karras et al. 2022 (2206.00364), section 2", sizeof(delta), NULL, NULL, fini},
	.prepare = prepare,
	.eval = eval,
	.logp = logp};

int sf_score_delta(sf_ctx *ctx, const sf_process *p, int64_t n, int64_t d, const double *points,
                   sf_score **s)
{
	delta *st;
	int64_t size, i;

	*s = NULL;
	if (n < 1 || d < 1 || sf_mul_i64(n, d, &size) < 0)
		return sf_fail(ctx, SF_ERANGE, "score 'delta': %lld points of dimension %lld",
		               (long long)n, (long long)d);
	for (i = 0; i < size; i++)
		if (!isfinite(points[i]))
			return sf_fail(ctx, SF_EINVAL, "score 'delta': point %lld is not finite",
			               (long long)(i / d));
	SF_TRY(sf_score_make(ctx, &delta_class, p, d, s));
	st = (*s)->object.state;
	st->n = n;
	st->points = sf_alloc((size_t)size, sizeof *points);
	if (!st->points) {
		sf_score_free(*s);
		*s = NULL;
		return sf_fail(ctx, SF_ENOMEM, "score 'delta': out of memory");
	}
	memcpy(st->points, points, (size_t)size * sizeof *points);
	return SF_OK;
}
