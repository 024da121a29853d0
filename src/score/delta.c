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
 *
 * Many points are cut into parts, by their number alone, which threads take one by one; the parts' maxima, sums and
 * weighted sums are then put together in order. So few samples keep all threads busy, and no bit depends on how many
 * threads or samples there are.
 * Known answer: points -1.3 -0.4 0.1 0.9 2.0, sigma 0.7: D(0.3) = 0.20382946269025046.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/delta.h"
#include "kernel/kernel.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
	COLUMNS = 32,        /* samples of a tile */
	BLOCK = 256,         /* points of a block */
	PART = 8192,         /* points of a part, or more where PARTS are not enough */
	PARTS = 8,
	FEW = 32             /* coordinates below which products do not pay */
};
#define TRUST 1e-10 /* error of a logarithm that is put up with */
#define WINDOW 50.  /* points whose weights are below e^-50 of the largest count as 0 */

/* What the weights of a tile's samples depend on, and what comes of them for a part of the points; matrices have a
 * column a sample. */
typedef struct desk {
	double c[COLUMNS];                                /* a'W a */
	double norm[COLUMNS], top[COLUMNS], sum[COLUMNS]; /* |yhat|^2; ln w_i = top + ..., relative to it the sum */
	double *yhat, *mean;                              /* (d,samples) */
	double *e, *w;                                    /* (BLOCK,samples) */
} desk;

struct sf_delta {
	int64_t n, parts, part; /* points, parts, points of a part */
	double *points, *norm;  /* (n,d); (n) |y|^2 */
	double *scratch;
	desk *desks; /* of the parts of as many tiles as are worked on together, or of the threads */
	int64_t tiles;
};

typedef struct job {
	const sf_score *s;
	const sf_delta *m;
	const sf_kern_f64 *kernel;
	int64_t n, first; /* samples; first tile */
	const double *x, *t;
	double *score, *logp; /* one of them */
} job;

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
	double top[COLUMNS], unit, largest = 0;
	int64_t d = w->s->d, i;
	int s;

	if (d < FEW) {
		for (i = 0; i < count; i++)
			for (s = 0; s < samples; s++)
				k->e[i * samples + s] = -.5 * k->c[s] * distance2(d, y + i * d, k->yhat + s, samples);
		return;
	}
	w->kernel->gemm(count, samples, d, y, d, 1, k->yhat, samples, 0, NULL, k->e, samples);
	memcpy(top, k->top, sizeof top);
	for (i = 0; i < count; i++) {
		double *e = k->e + i * samples;

		largest = norm[i] > largest ? norm[i] : largest;
		for (s = 0; s < samples; s++) {
			e[s] = -.5 * k->c[s] * (k->norm[s] - 2 * e[s] + norm[i]);
			top[s] = e[s] > top[s] ? e[s] : top[s];
		}
	}
	for (s = 0; s < samples; s++) { /* what may weigh, and may be wrong */
		unit = .5 * k->c[s] * DBL_EPSILON * (2 + sqrt((double)d));
		for (i = 0; i < count && unit * (k->norm[s] + largest) > TRUST; i++) {
			double *e = &k->e[i * samples + s], error = unit * (k->norm[s] + norm[i]);

			if (error > TRUST && *e >= top[s] - WINDOW - 2 * error)
				*e = -.5 * k->c[s] * distance2(d, y + i * d, k->yhat + s, samples);
		}
	}
}

/* Adds a block to sums and means. */
static void gather(const job *w, int64_t first, int64_t count, int samples, desk *k)
{
	const double *y = w->m->points + first * w->s->d;
	int64_t d = w->s->d, i, j;
	double was[COLUMNS], any = 0;
	int s;

	memcpy(was, k->top, sizeof was);
	for (i = 0; i < count; i++)
		for (s = 0; s < samples; s++)
			k->top[s] = k->e[i * samples + s] > k->top[s] ? k->e[i * samples + s] : k->top[s];
	for (s = 0; s < samples; s++)
		if (k->top[s] > was[s] && k->sum[s] > 0) {
			double shrink = exp(was[s] - k->top[s]);

			k->sum[s] *= shrink;
			for (j = 0; j < d; j++)
				k->mean[j * samples + s] *= shrink;
		}
	for (i = 0; i < count; i++)
		for (s = 0; s < samples; s++)
			k->e[i * samples + s] -= k->top[s];
	w->kernel->map1[SF_EW1_EXP](count * samples, k->e, 0, k->w);
	for (i = 0; i < count; i++)
		for (s = 0; s < samples; s++) {
			double weight = k->e[i * samples + s] > -WINDOW ? k->w[i * samples + s] : 0;

			k->w[i * samples + s] = weight;
			k->sum[s] += weight;
			any = weight > any ? weight : any;
		}
	if (any > 0) /* a row of weight 0 adds nothing to the other samples */
		w->kernel->gemm(d, samples, count, y, 1, d, k->w, samples, 1, NULL, k->mean, samples);
}

/* The covariance of a sample's time. */
typedef struct view {
	double a[SF_BLOCKS_MAX], W[SF_BLOCKS_MAX * SF_BLOCKS_MAX], logdet;
} view;

/* The point yhat that a sample's state stands for; nothing is added up yet. */
static void look(const job *w, int64_t sample, int s, int samples, desk *k)
{
	const sf_process *p = w->s->process;
	int blocks = sf_process_blocks(p), b;
	int64_t d = w->s->d, j;
	double Wa[SF_BLOCKS_MAX] = {0}, c = 0;
	const double *u = w->x + sample * blocks * d;
	view v;

	sf_score_block(p, w->t[sample], 0, v.a, v.W);
	sf_block_apply(blocks, v.W, v.a, Wa);
	for (b = 0; b < blocks; b++)
		c += v.a[b] * Wa[b];
	k->c[s] = c;
	k->norm[s] = k->sum[s] = 0;
	k->top[s] = -INFINITY;
	for (j = 0; j < d; j++) {
		double y = 0;

		for (b = 0; b < blocks; b++)
			y += blocks == 1 ? u[j] / v.a[0] : Wa[b] * u[b * d + j] / c;
		k->yhat[j * samples + s] = y;
		k->mean[j * samples + s] = 0;
		k->norm[s] += y * y;
	}
}

static void tell(const job *w, int64_t sample, int s, int samples, const desk *k)
{
	int blocks = sf_process_blocks(w->s->process), b;
	int64_t d = w->s->d, at = sample * blocks * d, j;
	const double *u = w->x + at;
	double quad = 0;
	view v;

	v.logdet = sf_score_block(w->s->process, w->t[sample], 0, v.a, v.W);
	for (j = 0; j < d; j++) {
		double r[SF_BLOCKS_MAX] = {0}, out[SF_BLOCKS_MAX];

		if (w->score) {
			for (b = 0; b < blocks; b++)
				r[b] = u[b * d + j] - v.a[b] * (k->mean[j * samples + s] / k->sum[s]);
			sf_block_apply(blocks, v.W, r, out);
			for (b = 0; b < blocks; b++)
				w->score[at + b * d + j] = -out[b];
		} else if (blocks > 1) { /* what no point can explain: the distance of u from the line a y */
			for (b = 0; b < blocks; b++)
				r[b] = u[b * d + j] - v.a[b] * k->yhat[j * samples + s];
			sf_block_apply(blocks, v.W, r, out);
			for (b = 0; b < blocks; b++)
				quad += r[b] * out[b];
		}
	}
	if (w->logp)
		w->logp[sample] = k->top[s] + log(k->sum[s]) - log((double)w->m->n) -
		                  .5 * (quad + (double)d * (v.logdet + blocks * log(2 * SF_PI)));
}

/* The samples of a tile. */
static int samples_of(const job *w, int64_t tile, int64_t *first)
{
	*first = (w->first + tile) * COLUMNS;
	return w->n - *first < COLUMNS ? (int)(w->n - *first) : COLUMNS;
}

/* All parts on the desk of the first. */
static void merge(const job *w, int64_t tile, desk *k)
{
	int64_t d = w->s->d, first, p, j;
	int samples = samples_of(w, tile, &first), s;

	for (s = 0; s < samples; s++) {
		double top = k->top[s];

		for (p = 1; p < w->m->parts; p++)
			top = k[p].top[s] > top ? k[p].top[s] : top;
		for (p = 0; p < w->m->parts && w->m->parts > 1; p++) {
			double shrink = k[p].top[s] > -INFINITY ? exp(k[p].top[s] - top) : 0;

			k->sum[s] = (p > 0 ? k->sum[s] : 0) + shrink * k[p].sum[s];
			for (j = s; j < d * samples; j += samples)
				k->mean[j] = (p > 0 ? k->mean[j] : 0) + shrink * k[p].mean[j];
		}
		k->top[s] = top;
		tell(w, first + s, s, samples, k);
	}
}

/* One part of the points for the samples of one tile. */
static int part(void *arg, int64_t index, int worker)
{
	const job *w = arg;
	desk *k = w->m->desks + (w->m->parts > 1 ? index : worker);
	int64_t at = index % w->m->parts * w->m->part, end = at + w->m->part, first, count;
	int samples = samples_of(w, index / w->m->parts, &first), s;

	end = end < w->m->n ? end : w->m->n;
	for (s = 0; s < samples; s++)
		look(w, first + s, s, samples, k);
	for (; at < end; at += count) {
		count = end - at < BLOCK ? end - at : BLOCK;
		logarithms(w, at, count, samples, k);
		gather(w, at, count, samples, k);
	}
	if (w->m->parts == 1)
		merge(w, index, k);
	return SF_OK;
}

static int whole(void *arg, int64_t tile, int worker)
{
	const job *w = arg;

	(void)worker;
	merge(w, tile, w->m->desks + tile * w->m->parts);
	return SF_OK;
}

/* Desks for the parts of so many tiles: on the first call, and after sf_ctx_set_threads. */
static int make_room(sf_delta *m, const sf_score *s, int64_t tiles)
{
	const size_t size = COLUMNS * (size_t)s->d, each = 2 * size + 2 * BLOCK * COLUMNS;
	size_t count, i;

	if (tiles <= m->tiles)
		return SF_OK;
	m->tiles = 0;
	count = (size_t)(tiles * m->parts);
	sf_free(m->scratch);
	sf_free(m->desks);
	m->scratch = sf_alloc(count, each * sizeof *m->scratch);
	m->desks = sf_alloc(count, sizeof *m->desks);
	if (!m->scratch || !m->desks)
		return sf_fail(sf_score_context(s), SF_ENOMEM, "score '%s': out of memory", s->object.cls->name);
	for (i = 0; i < count; i++) {
		m->desks[i].yhat = m->scratch + i * each;
		m->desks[i].mean = m->desks[i].yhat + size;
		m->desks[i].e = m->desks[i].mean + size;
		m->desks[i].w = m->desks[i].e + BLOCK * COLUMNS;
	}
	m->tiles = tiles;
	return SF_OK;
}

int sf_delta_run(sf_delta *m, const sf_score *s, int64_t n, const double *x, const double *t, double *score,
		 double *logp)
{
	sf_ctx *ctx = sf_score_context(s);
	job w = {s, m, sf_kernels_f64(ctx), n, 0, x, t, score, logp};
	int64_t all = n / COLUMNS + (n % COLUMNS != 0), threads = sf_ctx_threads(ctx), some;
	int rc;

	if (m->parts == 1) { /* a thread has its desk */
		rc = make_room(m, s, threads);
		return rc < 0 ? rc : sf_parallel(ctx, all, part, &w);
	}
	some = 1 + (2 * threads - 1) / m->parts; /* tiles at a time, so that no thread lacks a part */
	rc = make_room(m, s, some);
	for (; rc == 0 && w.first < all; w.first += some) {
		some = all - w.first < some ? all - w.first : some;
		rc = sf_parallel(ctx, some * m->parts, part, &w);
		if (rc == 0)
			rc = sf_parallel(ctx, some, whole, &w);
	}
	return rc;
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
	m->parts = n / PART < 1 ? 1 : n / PART < PARTS ? n / PART : PARTS;
	m->part = ((n + m->parts - 1) / m->parts + BLOCK - 1) / BLOCK * BLOCK;
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
	sf_free(m->desks);
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
