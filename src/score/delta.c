/* delta.c: the exact score of a finite data set y_1 .. y_n under a linear process.
 *
 *     u = a y_i + N(0, Sigma) with W = Sigma^-1:  the weights depend on u through one point only,
 *     yhat = a'W u / a'W a,   w_i = softmax(-(a'W a) |yhat - y_i|^2 / 2),   D = sum_i w_i y_i
 *     score = -W (u - a D)            (k = 1: yhat = x/alpha, score = (alpha D - x)/sigma^2)
 *
 * Karras et al. 2022 (2206.00364), section 2; it is what denoising score matching learns when the data are all there
 * is.
 *
 * Many coordinates: |yhat - y|^2 = |yhat|^2 - 2 yhat.y + |y|^2 for blocks of points and a tile of samples is a matrix
 * product, and so is D. The subtraction loses digits at small sigma; where it may cost more than TRUST nats, points
 * near the maximum are done again as squared differences. Few coordinates: squared differences alone. Either way
 * blocks keep a running maximum, sum and weighted sum, so memory does not grow with n.
 * Known answer: points -1.3 -0.4 0.1 0.9 2.0, sigma 0.7: D(0.3) = 0.20382946269025046.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/delta.h"
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
	COLUMNS = 32, /* samples of a tile */
	BLOCK = 256,  /* points of a block */
	FEW = 32      /* coordinates below which products do not pay */
};
#define TRUST 1e-10 /* error of a logarithm that is put up with */
#define WINDOW 50.  /* points whose weights are below e^-50 of the largest count as 0 */

struct sf_delta {
	int64_t n;
	double *points, *norm; /* (n,d); (n) |y|^2 */
	double *scratch;
	size_t each; /* of a worker, in numbers */
	int workers;
};

typedef struct job {
	const sf_score *s;
	const sf_delta *m;
	const sf_kern_f64 *kernel;
	int64_t n;
	const double *x, *t;
	double *score, *logp; /* one of them */
} job;

/* What the weights of a tile's samples depend on, and what comes of them; matrices have a column a sample. */
typedef struct desk {
	double c[COLUMNS];                                /* a'W a */
	double norm[COLUMNS], top[COLUMNS], sum[COLUMNS]; /* |yhat|^2; ln w_i = top + ..., relative to it the sum */
	double *yhat, *mean;                              /* (d,COLUMNS) */
	double *e, *w;                                    /* (BLOCK,COLUMNS) */
} desk;

/* Four sums in a fixed order, so that the additions need not wait for each other; b's numbers lie `step` apart. */
static double distance2(int64_t d, const double *a, const double *b, int64_t step)
{
	double sum[4] = {0}, rest = 0;
	int64_t j = 0;
	int i;

	for (; j + 4 <= d; j += 4)
		for (i = 0; i < 4; i++)
			sum[i] += (a[j + i] - b[(j + i) * step]) * (a[j + i] - b[(j + i) * step]);
	for (; j < d; j++)
		rest += (a[j] - b[j * step]) * (a[j] - b[j * step]);
	return sum[0] + sum[1] + (sum[2] + sum[3]) + rest;
}

/* e = -c |yhat - y_i|^2/2 of a block for every sample. */
static void logarithms(const job *w, int64_t first, int64_t count, int samples, desk *k)
{
	const double *y = w->m->points + first * w->s->d, *norm = w->m->norm + first;
	int64_t d = w->s->d, i;
	int s;

	if (d < FEW) {
		for (i = 0; i < count; i++)
			for (s = 0; s < samples; s++)
				k->e[i * COLUMNS + s] = -.5 * k->c[s] * distance2(d, y + i * d, k->yhat + s, COLUMNS);
		return;
	}
	w->kernel->gemm(count, COLUMNS, d, y, d, 1, k->yhat, COLUMNS, 0, NULL, k->e, COLUMNS);
	for (s = 0; s < samples; s++) {
		double top = k->top[s], unit = .5 * k->c[s] * DBL_EPSILON * (2 + sqrt((double)d));

		for (i = 0; i < count; i++) {
			double *e = &k->e[i * COLUMNS + s];

			*e = -.5 * k->c[s] * (k->norm[s] - 2 * *e + norm[i]);
			top = *e > top ? *e : top;
		}
		for (i = 0; i < count; i++) { /* what may weigh, and may be wrong */
			double *e = &k->e[i * COLUMNS + s], error = unit * (k->norm[s] + norm[i]);

			if (error > TRUST && *e >= top - WINDOW - 2 * error)
				*e = -.5 * k->c[s] * distance2(d, y + i * d, k->yhat + s, COLUMNS);
		}
	}
}

/* Adds a block to sums and means. */
static void gather(const job *w, int64_t first, int64_t count, int samples, desk *k)
{
	const double *y = w->m->points + first * w->s->d;
	int64_t d = w->s->d, i, j;
	int s, any = 0;

	for (s = 0; s < samples; s++) {
		double was = k->top[s], top = was;

		for (i = 0; i < count; i++)
			top = k->e[i * COLUMNS + s] > top ? k->e[i * COLUMNS + s] : top;
		k->top[s] = top;
		if (top > was && k->sum[s] > 0) {
			double shrink = exp(was - top);

			k->sum[s] *= shrink;
			for (j = 0; j < d; j++)
				k->mean[j * COLUMNS + s] *= shrink;
		}
		for (i = 0; i < count; i++) {
			double below = k->e[i * COLUMNS + s] - top, weight = below > -WINDOW ? exp(below) : 0;

			k->w[i * COLUMNS + s] = weight;
			k->sum[s] += weight;
			any |= weight > 0;
		}
	}
	if (any) /* a row of weight 0 adds nothing to the other samples */
		w->kernel->gemm(d, COLUMNS, count, y, 1, d, k->w, COLUMNS, 1, NULL, k->mean, COLUMNS);
}

/* The covariance of a sample's time, and the point yhat that its state stands for. */
typedef struct view {
	double a[SF_BLOCKS_MAX], W[SF_BLOCKS_MAX * SF_BLOCKS_MAX], logdet;
} view;

static void look(const job *w, int64_t sample, int s, view *v, desk *k)
{
	const sf_process *p = w->s->process;
	int blocks = sf_process_blocks(p), b;
	int64_t d = w->s->d, j;
	double Wa[SF_BLOCKS_MAX] = {0}, c = 0;
	const double *u = w->x + sample * blocks * d;

	v->logdet = sf_score_block(p, w->t[sample], 0, v->a, v->W);
	sf_block_apply(blocks, v->W, v->a, Wa);
	for (b = 0; b < blocks; b++)
		c += v->a[b] * Wa[b];
	k->c[s] = c;
	k->norm[s] = k->sum[s] = 0;
	k->top[s] = -INFINITY;
	for (j = 0; j < d; j++) {
		double y = 0;

		for (b = 0; b < blocks; b++)
			y += blocks == 1 ? u[j] / v->a[0] : Wa[b] * u[b * d + j] / c;
		k->yhat[j * COLUMNS + s] = y;
		k->norm[s] += y * y;
	}
}

static void tell(const job *w, int64_t sample, int s, const view *v, const desk *k)
{
	int blocks = sf_process_blocks(w->s->process), b;
	int64_t d = w->s->d, at = sample * blocks * d, j;
	const double *u = w->x + at;
	double quad = 0;

	for (j = 0; j < d; j++) {
		double r[SF_BLOCKS_MAX] = {0}, out[SF_BLOCKS_MAX];

		if (w->score) {
			for (b = 0; b < blocks; b++)
				r[b] = u[b * d + j] - v->a[b] * (k->mean[j * COLUMNS + s] / k->sum[s]);
			sf_block_apply(blocks, v->W, r, out);
			for (b = 0; b < blocks; b++)
				w->score[at + b * d + j] = -out[b];
		} else if (blocks > 1) { /* what no point can explain: the distance of u from the line a y */
			for (b = 0; b < blocks; b++)
				r[b] = u[b * d + j] - v->a[b] * k->yhat[j * COLUMNS + s];
			sf_block_apply(blocks, v->W, r, out);
			for (b = 0; b < blocks; b++)
				quad += r[b] * out[b];
		}
	}
	if (w->logp)
		w->logp[sample] = k->top[s] + log(k->sum[s]) - log((double)w->m->n) -
		                  .5 * (quad + (double)d * (v->logdet + blocks * log(2 * SF_PI)));
}

static int tile(void *arg, int64_t index, int worker)
{
	const job *w = arg;
	int64_t first = index * COLUMNS, at, size = w->s->d * COLUMNS;
	int samples = w->n - first < COLUMNS ? (int)(w->n - first) : COLUMNS, s;
	double *scratch = w->m->scratch + (size_t)worker * w->m->each;
	view v[COLUMNS];
	desk k;

	memset(scratch, 0, w->m->each * sizeof *scratch); /* columns without a sample stay 0 */
	k.yhat = scratch;
	k.mean = scratch + size;
	k.e = scratch + 2 * size;
	k.w = k.e + BLOCK * COLUMNS;
	for (s = 0; s < samples; s++)
		look(w, first + s, s, &v[s], &k);
	for (at = 0; at < w->m->n; at += BLOCK) {
		int64_t count = w->m->n - at < BLOCK ? w->m->n - at : BLOCK;

		logarithms(w, at, count, samples, &k);
		gather(w, at, count, samples, &k);
	}
	for (s = 0; s < samples; s++)
		tell(w, first + s, s, &v[s], &k);
	return SF_OK;
}

int sf_delta_run(sf_delta *m, const sf_score *s, int64_t n, const double *x, const double *t, double *score,
		 double *logp)
{
	sf_ctx *ctx = sf_score_context(s);
	job w = {s, m, sf_kernels_f64(ctx), n, x, t, score, logp};
	int threads = sf_ctx_threads(ctx);

	if (threads > m->workers) { /* the first call, or one after sf_ctx_set_threads */
		double *scratch = sf_alloc((size_t)threads, m->each * sizeof *scratch);

		if (!scratch)
			return sf_fail(ctx, SF_ENOMEM, "score '%s': out of memory", s->object.cls->name);
		sf_free(m->scratch);
		m->scratch = scratch;
		m->workers = threads;
	}
	return sf_parallel(ctx, n / COLUMNS + (n % COLUMNS != 0), tile, &w);
}

int sf_delta_open(const sf_score *s, int64_t n, double *points, sf_delta **out)
{
	sf_ctx *ctx = sf_score_context(s);
	int64_t i, j, d = s->d;
	sf_delta *m = NULL;
	int rc = sf_score_needs_linear(s);

	*out = NULL;
	for (i = 0; rc == 0 && i < n * d; i++)
		if (!isfinite(points[i]))
			rc = sf_fail(ctx, SF_EINVAL, "score '%s': point %lld is not finite", s->object.cls->name,
				     (long long)(i / d));
	if (rc == 0 && !((m = sf_alloc(1, sizeof *m)) && (m->norm = sf_alloc((size_t)n, sizeof *m->norm))))
		rc = sf_fail(ctx, SF_ENOMEM, "score '%s': out of memory", s->object.cls->name);
	if (rc < 0) {
		sf_free(m);
		sf_free(points);
		return rc;
	}
	m->n = n;
	m->points = points;
	for (i = 0; i < n; i++)
		for (j = 0; j < d; j++)
			m->norm[i] += points[i * d + j] * points[i * d + j];
	m->each = COLUMNS * (2 * (size_t)d + 2 * BLOCK);
	*out = m;
	return SF_OK;
}

void sf_delta_close(sf_delta *m)
{
	if (!m)
		return;
	sf_free(m->points);
	sf_free(m->norm);
	sf_free(m->scratch);
	sf_free(m);
}

/* ---- points from memory as a score ---- */

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_delta_run(*(sf_delta **)s->object.state, s, n, x, t, out, NULL);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_delta_run(*(sf_delta **)s->object.state, s, n, x, t, NULL, out);
}

static void fini(void *state)
{
	sf_delta_close(*(sf_delta **)state);
}

static const sf_score_class delta_class = {.head = {"delta", "exact score of a finite data set",
						    "Karras et al. 2022 (2206.00364), section 2", sizeof(sf_delta *),
						    NULL, NULL, fini},
					   .eval = eval,
					   .logp = logp};

int sf_score_delta(sf_ctx *ctx, const sf_process *p, int64_t n, int64_t d, const double *points,
                   sf_score **s)
{
	double *copy;
	int64_t size;
	int rc;

	*s = NULL;
	if (n < 1 || d < 1 || sf_mul_i64(n, d, &size) < 0 || size > INT64_MAX / 16)
		return sf_fail(ctx, SF_ERANGE, "score 'delta': %lld points of dimension %lld",
		               (long long)n, (long long)d);
	copy = sf_alloc((size_t)size, sizeof *copy);
	if (!copy)
		return sf_fail(ctx, SF_ENOMEM, "score 'delta': out of memory");
	memcpy(copy, points, (size_t)size * sizeof *copy);
	rc = sf_score_make(ctx, &delta_class, p, d, s);
	if (rc < 0) {
		sf_free(copy);
		return rc;
	}
	rc = sf_delta_open(*s, n, copy, (*s)->object.state);
	if (rc < 0) {
		sf_score_free(*s);
		*s = NULL;
	}
	return rc;
}
