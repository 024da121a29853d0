/* eigen.c: the score of a normal mixture with covariances in their eigenbasis, under a linear process.
 *
 *     x_0 ~ sum_i w_i N(m_i, C_i),   C_i = U' diag(q) U + rest (1 - U'U),   u_t ~ sum_i w_i N(a m_i, a a' C_i +
 *     Sigma)
 *     M_q = a a' q + Sigma  (k x k),   c = U (u - a m_i),   p = (u - a m_i) - U' c
 *     -s_i = M_rest^-1 p + U' M_q^-1 c                                                     (Woodbury)
 *     quad = p' M_rest^-1 p + sum_q c' M_q^-1 c,   ln det = sum_q ln det M_q + (d - r) ln det M_rest
 *     score = sum_i r_i s_i,   r = softmax(ln w_i - quad_i/2 - ln det_i/2),
 *     J v   = sum_i r_i (s_i (s_i.v) - M_i^-1 v) - score (score.v)
 *
 * Wang and Vastola 2024 (2412.09726). p is formed before it is divided by the small sigma^2: |u|^2 - |c|^2 would
 * cancel. With r = d there is no p. Samples go in tiles through the library's matrix product, whose rows do not know
 * each other; the sum over components keeps a running maximum, so memory does not grow with their number.
 * Known answer: C = (1, 1)'(1, 1) under edm: s((1,-1), t) = -(1,-1)/t^2, s((1,1), t) = -(1,1)/(2 + t^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"
#include "score/components.h"
#include "score/flow.h"

#include <math.h>
#include <string.h>

enum { ROWS = 32 }; /* of a tile: samples times blocks */

struct sf_eigen {
	sf_components c;
	double *turned; /* (n,d,rank): the transposed bases */
	double *scratch;
	size_t each; /* of a worker, in numbers */
	int workers;
};

typedef struct job {
	sf_eigen *m;
	const sf_score *s;
	const sf_kern_f64 *kernel;
	int what;
	int64_t n, per;
	const double *x, *t, *v;
	double *out;
} job;

/* A tile's memory: rows (per k) of d numbers, and of rank. */
typedef struct desk {
	double *r, *part, *score, *moved, *jvp; /* u - a m_i or v; s_i; their sum; M_i^-1 v; the sum of J v */
	double *c, *e;
} desk;

static void lay(const job *w, double *p, desk *k)
{
	size_t rows = (size_t)ROWS * (size_t)w->s->d, thin = (size_t)ROWS * (size_t)w->m->c.rank;

	k->r = p;
	k->part = p + rows;
	k->score = p + 2 * rows;
	k->moved = p + 3 * rows;
	k->jvp = p + 4 * rows;
	k->c = p + 5 * rows;
	k->e = k->c + thin;
}

/* Of one sample: a and Sigma(t). */
typedef struct frame {
	double a[SF_BLOCKS_MAX], cov[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
} frame;

static void frame_at(const sf_process *p, double t, frame *f)
{
	int k = sf_process_blocks(p);

	sf_process_mean_column(p, t, f->a);
	if (k == 1) { /* no rounding of a square root in between */
		double sd = sf_process_sigma(p, t);

		f->cov[0] = sd * sd;
	} else {
		sf_process_cov(p, t, f->cov);
	}
}

static double invert(int k, const frame *f, double q, double *inverse)
{
	double m[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
	int i, j;

	for (i = 0; i < k; i++)
		for (j = 0; j < k; j++)
			m[i * k + j] = f->cov[i * k + j] + f->a[i] * f->a[j] * q;
	return sf_block_inverse(k, m, inverse);
}

/* out = M^-1 in for the `width` columns of one sample's k rows, which lie `width` apart; returns in' M^-1 in. */
static double weigh(int k, const double *inverse, int64_t width, const double *in, double *out)
{
	double quad = 0, a[SF_BLOCKS_MAX] = {0}, b[SF_BLOCKS_MAX];
	int64_t j;
	int i;

	for (j = 0; j < width; j++) {
		for (i = 0; i < k; i++)
			a[i] = in[i * width + j];
		sf_block_apply(k, inverse, a, b);
		for (i = 0; i < k; i++) {
			quad += a[i] * b[i];
			out[i * width + j] = b[i];
		}
	}
	return quad;
}

/* out = M_i^-1 in for every sample of the tile, quad and ln det of each; `in` is overwritten. */
static void solve(const job *w, int64_t i, int64_t count, const frame *f, desk *k, double *in, double *out,
		  double *quad, double *logdet)
{
	const sf_components *c = &w->m->c;
	int blocks = sf_process_blocks(w->s->process), rows = (int)count * blocks;
	int64_t d = c->d, rank = c->rank, j, l;
	const double *basis = c->basis + i * rank * d, *turned = w->m->turned + i * rank * d;
	double inverse[SF_BLOCKS_MAX * SF_BLOCKS_MAX], rest;

	if (rank > 0)
		w->kernel->gemm(rows, rank, d, in, d, 1, turned, rank, 0, NULL, k->c, rank);
	for (j = 0; j < rows * rank; j++)
		k->e[j] = -k->c[j];
	if (rank > 0 && rank < d)
		w->kernel->gemm(rows, d, rank, k->e, rank, 1, basis, d, 1, NULL, in, d);
	for (j = 0; j < count; j++) {
		const double *mine = k->c + j * blocks * rank;
		double *to = k->e + j * blocks * rank;

		quad[j] = logdet[j] = 0;
		for (l = 0; l < rank; l++) { /* a column of one direction */
			double a[SF_BLOCKS_MAX] = {0}, b[SF_BLOCKS_MAX];
			int m;

			logdet[j] += invert(blocks, &f[j], c->var[i * rank + l], inverse);
			for (m = 0; m < blocks; m++)
				a[m] = mine[m * rank + l];
			sf_block_apply(blocks, inverse, a, b);
			for (m = 0; m < blocks; m++) {
				quad[j] += a[m] * b[m];
				to[m * rank + l] = b[m];
			}
		}
		if (rank == d) {
			memset(out + j * blocks * d, 0, (size_t)(blocks * d) * sizeof *out);
			continue;
		}
		rest = invert(blocks, &f[j], c->rest[i], inverse);
		logdet[j] += (double)(d - rank) * rest;
		quad[j] += weigh(blocks, inverse, d, in + j * blocks * d, out + j * blocks * d);
	}
	if (rank > 0)
		w->kernel->gemm(rows, d, rank, k->e, rank, 1, basis, d, 1, NULL, out, d);
}

/* Samples first .. first+count: the running maximum `top` of the log densities, and sums relative to it. */
static void tile_run(const job *w, int64_t first, int64_t count, desk *k)
{
	const sf_components *c = &w->m->c;
	int blocks = sf_process_blocks(w->s->process);
	int64_t d = c->d, size = blocks * d, i, j, l;
	double top[ROWS], sum[ROWS], quad[ROWS], logdet[ROWS], unused[ROWS];
	frame f[ROWS];

	for (j = 0; j < count; j++) {
		frame_at(w->s->process, w->t[first + j], &f[j]);
		top[j] = -INFINITY;
		sum[j] = 0;
	}
	memset(k->score, 0, (size_t)(count * size) * sizeof(double));
	memset(k->jvp, 0, (size_t)(count * size) * sizeof(double));
	for (i = 0; i < c->n; i++) {
		for (j = 0; j < count; j++)
			for (l = 0; l < size; l++)
				k->r[j * size + l] =
					w->x[(first + j) * size + l] - f[j].a[l / d] * c->mean[i * d + l % d];
		solve(w, i, count, f, k, k->r, k->part, quad, logdet);
		if (w->what == SF_EIGEN_JVP) {
			memcpy(k->r, w->v + first * size, (size_t)(count * size) * sizeof(double));
			solve(w, i, count, f, k, k->r, k->moved, unused, unused);
		}
		for (j = 0; j < count; j++) {
			double e = log(c->weight[i]) - .5 * (quad[j] + logdet[j] + (double)size * log(2 * SF_PI)), r,
			       along = 0;
			double *part = k->part + j * size, *score = k->score + j * size, *jvp = k->jvp + j * size;

			if (e > top[j]) {
				double shrink = exp(top[j] - e);

				top[j] = e;
				sum[j] *= shrink;
				for (l = 0; l < size; l++)
					score[l] *= shrink;
				for (l = 0; l < size && w->what == SF_EIGEN_JVP; l++)
					jvp[l] *= shrink;
			}
			r = exp(e - top[j]);
			sum[j] += r;
			for (l = 0; l < size; l++)
				score[l] -= r * part[l];
			if (w->what != SF_EIGEN_JVP)
				continue;
			for (l = 0; l < size; l++)
				along += part[l] * w->v[(first + j) * size + l];
			for (l = 0; l < size; l++)
				jvp[l] += r * (along * part[l] - k->moved[j * size + l]);
		}
	}
	for (j = 0; j < count; j++) {
		double *out = w->out + (first + j) * size, along = 0;

		if (w->what == SF_EIGEN_LOGP) {
			w->out[first + j] = top[j] + log(sum[j]);
			continue;
		}
		for (l = 0; l < size; l++) {
			k->score[j * size + l] /= sum[j];
			along += w->what == SF_EIGEN_JVP ? k->score[j * size + l] * w->v[(first + j) * size + l] : 0;
		}
		for (l = 0; l < size; l++)
			out[l] = w->what == SF_EIGEN_JVP
					 ? k->jvp[j * size + l] / sum[j] - along * k->score[j * size + l]
					 : k->score[j * size + l];
	}
}

static int tile(void *arg, int64_t index, int worker)
{
	const job *w = arg;
	int64_t first = index * w->per, count = w->n - first < w->per ? w->n - first : w->per;
	desk k;

	lay(w, w->m->scratch + (size_t)worker * w->m->each, &k);
	tile_run(w, first, count, &k);
	return SF_OK;
}

int sf_eigen_run(sf_eigen *m, const sf_score *s, int what, int64_t n, const double *x, const double *t,
                   const double *v, double *out)
{
	sf_ctx *ctx = sf_score_context(s);
	job w = {m, s, sf_kernels_f64(ctx), what, n, ROWS / sf_process_blocks(s->process), x, t, v, out};
	int threads = sf_ctx_threads(ctx);

	if (threads > m->workers) { /* the first call, or one after sf_ctx_set_threads */
		double *scratch = sf_alloc((size_t)threads, m->each * sizeof *scratch);

		if (!scratch)
			return sf_fail(ctx, SF_ENOMEM, "score '%s': out of memory", s->object.cls->name);
		sf_free(m->scratch);
		m->scratch = scratch;
		m->workers = threads;
	}
	return sf_parallel(ctx, n / w.per + (n % w.per != 0), tile, &w);
}

typedef struct moving {
	const sf_components *c;
	sf_flow f;
	double *x;
} moving;

static int move(void *arg, int64_t first, int64_t last)
{
	const moving *w = arg;
	const sf_components *c = w->c;
	int64_t i;

	for (i = first; i < last; i++)
		sf_flow_normal(&w->f, c->d, c->rank, c->mean, c->basis, c->var, c->rest[0], w->x + i * c->d);
	return SF_OK;
}

int sf_eigen_flow(sf_eigen *m, const sf_score *s, int64_t n, double from, double to, double *x)
{
	moving w = {&m->c, sf_flow_between(s->process, from, to), x};

	if (m->c.n != 1)
		return sf_fail(sf_score_context(s), SF_EUNSUP,
			       "score '%s': the probability-flow ODE of %lld components has no closed form",
			       s->object.cls->name, (long long)m->c.n);
	return sf_over_samples(sf_score_context(s), n, 4 * (m->c.rank + 1) * m->c.d, move, &w);
}

int sf_eigen_open(const sf_score *s, const sf_components *c, sf_eigen **out)
{
	sf_ctx *ctx = sf_score_context(s);
	sf_eigen *m;
	int64_t i, j, l, all = c->n * c->rank;

	*out = NULL;
	SF_TRY(sf_score_needs_linear(s));
	if (c->d != s->d)
		return sf_fail(ctx, SF_EMISMATCH, "score '%s': the model is of dimension %lld; expected %lld",
			       s->object.cls->name, (long long)c->d, (long long)s->d);
	m = sf_alloc(1, sizeof *m);
	if (!m || sf_components_new(ctx, c->n, c->d, c->rank, &m->c) < 0 ||
	    !(m->turned = sf_alloc((size_t)(all * c->d) + 1, sizeof(double)))) {
		sf_eigen_close(m);
		return sf_fail(ctx, SF_ENOMEM, "score '%s': out of memory for %lld components", s->object.cls->name,
			       (long long)c->n);
	}
	memcpy(m->c.weight, c->weight, (size_t)c->n * sizeof(double));
	memcpy(m->c.mean, c->mean, (size_t)(c->n * c->d) * sizeof(double));
	memcpy(m->c.rest, c->rest, (size_t)c->n * sizeof(double));
	if (c->rank > 0) {
		memcpy(m->c.basis, c->basis, (size_t)(all * c->d) * sizeof(double));
		memcpy(m->c.var, c->var, (size_t)all * sizeof(double));
	}
	for (i = 0; i < c->n; i++)
		for (j = 0; j < c->rank; j++)
			for (l = 0; l < c->d; l++)
				m->turned[(i * c->d + l) * c->rank + j] = c->basis[(i * c->rank + j) * c->d + l];
	m->each = (size_t)ROWS * (5 * (size_t)c->d + 2 * (size_t)c->rank);
	*out = m;
	return SF_OK;
}

int sf_eigen_file(const sf_score *s, const char *path, int64_t most, sf_eigen **m)
{
	sf_ctx *ctx = sf_score_context(s);
	sf_components c;
	int rc;

	*m = NULL;
	SF_TRY(sf_components_read(ctx, path, &c));
	if (most > 0 && c.n > most)
		rc = sf_fail(ctx, SF_EMISMATCH, "%s: %lld components; score '%s' takes %lld", path, (long long)c.n,
		             s->object.cls->name, (long long)most);
	else
		rc = sf_eigen_open(s, &c, m);
	sf_components_free(&c);
	return rc;
}

void sf_eigen_close(sf_eigen *m)
{
	if (!m)
		return;
	sf_components_free(&m->c);
	sf_free(m->turned);
	sf_free(m->scratch);
	sf_free(m);
}

/* ---- components from memory as a score ---- */

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_eigen_run(*(sf_eigen **)s->object.state, s, SF_EIGEN_SCORE, n, x, t, NULL, out);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_eigen_run(*(sf_eigen **)s->object.state, s, SF_EIGEN_LOGP, n, x, t, NULL, out);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	return sf_eigen_run(*(sf_eigen **)s->object.state, s, SF_EIGEN_JVP, n, x, t, v, out);
}

static int flow(sf_score *s, int64_t n, double from, double to, double *x)
{
	return sf_eigen_flow(*(sf_eigen **)s->object.state, s, n, from, to, x);
}

static void fini(void *state)
{
	sf_eigen_close(*(sf_eigen **)state);
}

static const sf_score_class eigen_class = {.head = {"components", "exact score of a normal mixture",
						    "Wang and Vastola 2024 (2412.09726)", sizeof(sf_eigen *), NULL,
						    NULL, fini},
					   .prepare = NULL,
					   .eval = eval,
					   .logp = logp,
					   .jvp = jvp,
					   .flow = flow};

int sf_score_components(sf_ctx *ctx, const sf_process *p, const sf_components *c, sf_score **s)
{
	int rc;

	SF_TRY(sf_score_make(ctx, &eigen_class, p, c->d, s));
	rc = sf_eigen_open(*s, c, (*s)->object.state);
	if (rc < 0) {
		sf_score_free(*s);
		*s = NULL;
	}
	return rc;
}
