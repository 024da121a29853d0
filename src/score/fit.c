/* fit.c: Gaussians and normal mixtures from data.
 *
 *     gaussian  m = mean, C = sum (x - m)(x - m)'/N
 *     mixture   clusters of k-means: weight N_i/N, centre, C_i = sum (x - m_i)(x - m_i)'/(N_i - 1) + ridge 1   (a
 *     lone point: ridge alone)
 *     low-rank  the same, C_i cut to its largest eigenvalues
 *
 * Wang and Vastola 2024 (2412.09726) and the conventions of their code, ridge 1e-5 among them. k-means is Lloyd's on
 * all points here, with the start of Arthur and Vassilvitskii 2007 from counter-based noise: a centre is drawn with
 * probability proportional to the squared distance to the nearest one so far. Sums run over points in order, so the
 * number of threads changes nothing.
 * Known answer: the points (0,0), (2,0), (0,2), (2,2) have the covariance diag(1,1); as one cluster diag(4/3,4/3) +
 * ridge.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"
#include "score/components.h"

#include <scorefield/noise.h>

#include <math.h>
#include <string.h>

enum { TILE = 256, COLUMNS = 16, CHUNK = 1024 };

void sf_fit_defaults(sf_fit_options *o)
{
	memset(o, 0, sizeof *o);
	o->kind = SF_FIT_GAUSSIAN;
	o->components = 10;
	o->rank = 64;
	o->ridge = -1;
	o->iterations = 100;
}

/* ---- k-means ---- */

typedef struct clusters {
	sf_ctx *ctx;
	const sf_kern_f64 *kernel;
	int64_t n, d, k;
	const double *x;
	int64_t *of, *count; /* (n) the cluster of each point; (k) */
	double *far, *centre, *turned, *norm; /* (n) squared distance; (k,d), (d,k), (k) */
	double *scratch;     /* (workers, TILE, k) */
	int64_t last;        /* k-means++: the centre chosen last */
} clusters;

static double distance2(int64_t d, const double *a, const double *b)
{
	double sum = 0;
	int64_t j;

	for (j = 0; j < d; j++)
		sum += (a[j] - b[j]) * (a[j] - b[j]);
	return sum;
}

static int nearer_tile(void *arg, int64_t tile, int worker)
{
	clusters *c = arg;
	int64_t i, end = (tile + 1) * TILE < c->n ? (tile + 1) * TILE : c->n;

	(void)worker;
	for (i = tile * TILE; i < end; i++) {
		double far = distance2(c->d, c->x + i * c->d, c->centre + c->last * c->d);

		if (c->last == 0 || far < c->far[i])
			c->far[i] = far;
	}
	return 0;
}

/* The point at share u of the sum of squared distances; where all are 0, point `spare`. */
static int64_t pick(const clusters *c, double u, int64_t spare)
{
	double total = 0, sum = 0;
	int64_t i;

	for (i = 0; i < c->n; i++)
		total += c->far[i];
	for (i = 0; i < c->n; i++) {
		sum += c->far[i];
		if (c->far[i] > 0 && sum >= u * total)
			return i;
	}
	return spare;
}

static void start(clusters *c, uint64_t seed)
{
	sf_noise key = {seed, SF_NOISE_MODEL, 0};
	int64_t at;
	double u;

	for (c->last = 0; c->last < c->k; c->last++) {
		sf_noise_uniform_d(c->ctx, key, (uint64_t)c->last, 0, 1, &u);
		at = c->last ? pick(c, u, c->last) : (int64_t)(u * (double)c->n);
		memcpy(c->centre + c->last * c->d, c->x + at * c->d, (size_t)c->d * sizeof *c->x);
		sf_parallel(c->ctx, (c->n + TILE - 1) / TILE, nearer_tile, c);
	}
}

/* |x - m|^2 = |x|^2 + |m|^2 - 2 x.m, of which |x|^2 does not matter; the first of equals. */
static int assign_tile(void *arg, int64_t tile, int worker)
{
	clusters *c = arg;
	int64_t first = tile * TILE, rows = c->n - first < TILE ? c->n - first : TILE, i, k;
	double *dot = c->scratch + (int64_t)worker * TILE * c->k;

	c->kernel->gemm(rows, c->k, c->d, c->x + first * c->d, c->d, 1, c->turned, c->k, 0, NULL, dot, c->k);
	for (i = 0; i < rows; i++) {
		double least = INFINITY;

		for (k = 0; k < c->k; k++) {
			double far = c->norm[k] - 2 * dot[i * c->k + k];

			if (far < least) {
				least = far;
				c->of[first + i] = k;
			}
		}
		c->far[first + i] = distance2(c->d, c->x + (first + i) * c->d, c->centre + c->of[first + i] * c->d);
	}
	return 0;
}

static int sum_tile(void *arg, int64_t tile, int worker) /* COLUMNS coordinates of all centres */
{
	clusters *c = arg;
	int64_t first = tile * COLUMNS, end = first + COLUMNS < c->d ? first + COLUMNS : c->d, i, j;

	(void)worker;
	for (i = 0; i < c->k; i++)
		for (j = first; j < end; j++)
			c->centre[i * c->d + j] = 0;
	for (i = 0; i < c->n; i++)
		for (j = first; j < end; j++)
			c->centre[c->of[i] * c->d + j] += c->x[i * c->d + j];
	for (i = 0; i < c->k; i++)
		for (j = first; j < end; j++)
			c->centre[i * c->d + j] /= (double)c->count[i];
	return 0;
}

/* A cluster without points takes the one that is farthest from its centre and not alone there. */
static void refill(clusters *c)
{
	int64_t i, k, best;

	memset(c->count, 0, (size_t)c->k * sizeof *c->count);
	for (i = 0; i < c->n; i++)
		c->count[c->of[i]]++;
	for (k = 0; k < c->k; k++) {
		if (c->count[k])
			continue;
		for (best = -1, i = 0; i < c->n; i++)
			if (c->count[c->of[i]] > 1 && (best < 0 || c->far[i] > c->far[best]))
				best = i;
		c->count[c->of[best]]--; /* k <= n, so there is one */
		c->of[best] = k;
		c->far[best] = 0;
		c->count[k] = 1;
	}
}

static void rounds(clusters *c, int64_t most, int64_t *before)
{
	int64_t round, k, j;

	for (k = 0; k < c->n; k++)
		before[k] = -1;
	for (round = 0; round < most; round++) {
		for (k = 0; k < c->k; k++) {
			const double *m = c->centre + k * c->d;

			c->norm[k] = c->kernel->dot(c->d, m, m);
			for (j = 0; j < c->d; j++)
				c->turned[j * c->k + k] = m[j];
		}
		sf_parallel(c->ctx, (c->n + TILE - 1) / TILE, assign_tile, c);
		refill(c);
		sf_parallel(c->ctx, (c->d + COLUMNS - 1) / COLUMNS, sum_tile, c);
		if (memcmp(before, c->of, (size_t)c->n * sizeof *before) == 0)
			return;
		memcpy(before, c->of, (size_t)c->n * sizeof *before);
	}
}

static int cluster(clusters *c, const sf_fit_options *o)
{
	int64_t *before = sf_alloc((size_t)c->n, sizeof *before);
	int rc = SF_OK;

	c->of = sf_alloc((size_t)c->n, sizeof *c->of);
	c->count = sf_alloc((size_t)c->k, sizeof *c->count);
	c->far = sf_alloc((size_t)c->n, sizeof *c->far);
	c->centre = sf_alloc((size_t)(c->k * c->d), sizeof *c->centre);
	c->turned = sf_alloc((size_t)(c->k * c->d), sizeof *c->turned);
	c->norm = sf_alloc((size_t)c->k, sizeof *c->norm);
	c->scratch = sf_alloc((size_t)sf_ctx_threads(c->ctx), (size_t)(TILE * c->k) * sizeof *c->scratch);
	if (!before || !c->of || !c->count || !c->far || !c->centre || !c->turned || !c->norm || !c->scratch) {
		rc = sf_fail(c->ctx, SF_ENOMEM, "fit: out of memory for %lld clusters of %lld points",
			     (long long)c->k, (long long)c->n);
	} else if (c->k == 1) {
		c->count[0] = c->n;
		sf_parallel(c->ctx, (c->d + COLUMNS - 1) / COLUMNS, sum_tile, c);
	} else {
		start(c, o->seed);
		rounds(c, o->iterations, before);
	}
	sf_free(before);
	return rc;
}

static void release(clusters *c)
{
	sf_free(c->of);
	sf_free(c->count);
	sf_free(c->far);
	sf_free(c->centre);
	sf_free(c->turned);
	sf_free(c->norm);
	sf_free(c->scratch);
}

/* ---- covariances ---- */

/* cov (d,d) of cluster k over `divisor`, from `rows` (CHUNK,d) of deviations at a time. */
static void covariance(const clusters *c, int64_t k, double divisor, double *rows, double *cov)
{
	int64_t i, j, held = 0;

	memset(cov, 0, (size_t)(c->d * c->d) * sizeof *cov);
	for (i = 0; i <= c->n; i++) {
		if (held == CHUNK || (i == c->n && held > 0)) {
			sf_blas_gemm(1, 0, c->d, c->d, held, 1 / divisor, rows, c->d, rows, c->d, 1, cov, c->d);
			held = 0;
		}
		if (i == c->n || c->of[i] != k)
			continue;
		for (j = 0; j < c->d; j++)
			rows[held * c->d + j] = c->x[i * c->d + j] - c->centre[k * c->d + j];
		held++;
	}
}

/* tr C/d of all points, without forming C. */
static double spread(const clusters *c)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < c->n; i++)
		sum += distance2(c->d, c->x + i * c->d, c->centre);
	return sum / (double)c->n / (double)c->d;
}

static int spectra(const clusters *c, const sf_fit_options *o, sf_components *out)
{
	int64_t d = c->d, rank = out->rank, i, j;
	double *rows = sf_alloc(CHUNK, (size_t)d * sizeof *rows), *cov = sf_alloc((size_t)d, (size_t)d * sizeof *cov),
	       *vec = sf_alloc((size_t)d, (size_t)d * sizeof *vec), *val = sf_alloc((size_t)d, sizeof *val);
	double ridge = o->ridge >= 0 ? o->ridge : o->kind == SF_FIT_GAUSSIAN ? 0 : 1e-5;
	int rc = SF_OK;

	if (!rows || !cov || !vec || !val)
		rc = sf_fail(c->ctx, SF_ENOMEM, "fit: out of memory for a covariance of dimension %lld",
			     (long long)d);
	for (i = 0; rc == 0 && i < c->k; i++) {
		double divisor =
			       o->kind == SF_FIT_GAUSSIAN ? (double)c->count[i] : fmax((double)(c->count[i] - 1), 1),
		       cut = 0;

		covariance(c, i, divisor, rows, cov);
		for (j = 0; j < d; j++)
			cov[j * d + j] += ridge;
		rc = sf_blas_eigh(d, cov, val, vec);
		if (rc < 0)
			rc = sf_fail(c->ctx, rc, "fit: no eigenvectors of the covariance of cluster %lld",
				     (long long)i);
		for (j = 0; rc == 0 && j < d; j++) { /* from the largest down; rounding may leave a zero below it */
			double q = fmax(val[d - 1 - j], 0);

			if (j < rank) {
				out->var[i * rank + j] = q;
				memcpy(out->basis + (i * rank + j) * d, vec + (d - 1 - j) * d,
				       (size_t)d * sizeof *vec);
			} else {
				cut += q;
			}
		}
		out->rest[i] = o->rest && rank < d ? cut / (double)(d - rank) : 0;
	}
	sf_free(rows);
	sf_free(cov);
	sf_free(vec);
	sf_free(val);
	return rc;
}

static int check(sf_ctx *ctx, const sf_fit_options *o, int64_t n, int64_t d, const double *x, int64_t k, int64_t rank)
{
	int64_t size, i;

	if (n < 1 || d < 1 || sf_mul_i64(n, d, &size) < 0 || sf_mul_i64(d, d, &i) < 0 || i > INT64_MAX / 16)
		return sf_fail(ctx, SF_ERANGE, "fit: %lld points of dimension %lld", (long long)n, (long long)d);
	if (k < 1 || k > n)
		return sf_fail(ctx, SF_ERANGE, "fit: %lld components of %lld points; expected 1 to as many as points",
			       (long long)k, (long long)n);
	if (rank < 0 || rank > d || (rank == 0 && o->kind == SF_FIT_LOW_RANK))
		return sf_fail(ctx, SF_ERANGE, "fit: rank %lld in dimension %lld; expected 1 to that",
			       (long long)rank, (long long)d);
	if (o->iterations < 1 || isnan(o->ridge) || isinf(o->ridge))
		return sf_fail(ctx, SF_ERANGE, "fit: %lld rounds of k-means and a ridge of %g",
			       (long long)o->iterations, o->ridge);
	for (i = 0; i < size; i++)
		if (!isfinite(x[i]))
			return sf_fail(ctx, SF_EINVAL, "fit: point %lld is not finite", (long long)(i / d));
	return SF_OK;
}

int sf_components_fit(sf_ctx *ctx, const sf_fit_options *o, int64_t n, int64_t d, const double *x, sf_components *out)
{
	int clustered = o->kind == SF_FIT_MIXTURE || o->kind == SF_FIT_LOW_RANK,
	    round = o->kind == SF_FIT_ISOTROPIC || o->kind == SF_FIT_MEAN;
	int64_t k = clustered ? o->components : 1, rank = round ? 0 : o->kind == SF_FIT_LOW_RANK ? o->rank : d, i;
	clusters c;
	int rc;

	memset(out, 0, sizeof *out);
	memset(&c, 0, sizeof c);
	SF_TRY(check(ctx, o, n, d, x, k, rank));
	SF_TRY(sf_components_new(ctx, k, d, rank, out));
	c.ctx = ctx;
	c.kernel = sf_kernels_f64(ctx);
	c.n = n;
	c.d = d;
	c.k = k;
	c.x = x;
	rc = cluster(&c, o);
	if (rc == 0 && round)
		out->rest[0] = o->kind == SF_FIT_MEAN ? 0 : spread(&c);
	else if (rc == 0)
		rc = spectra(&c, o, out);
	for (i = 0; rc == 0 && i < k; i++)
		out->weight[i] = (double)c.count[i] / (double)n;
	if (rc == 0)
		memcpy(out->mean, c.centre, (size_t)(k * d) * sizeof *out->mean);
	release(&c);
	if (rc < 0)
		sf_components_free(out);
	return rc;
}
