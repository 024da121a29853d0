/* spectral.c: spectral regularisation of encoder and decoder,
 *
 *     R = sum_W sigma_1(W) + sum_n max_c |gain_n[c]|
 *
 * over all convolutions and linear layers, W as a matrix (kernel and inputs, outputs), and all normalisations; it bounds how fast
 * the posterior can change with the data. Vahdat and Kautz 2020 (2007.03898); Vahdat et al. 2021 (2106.05931).
 * d sigma_1/dW = u v', with singular vectors by power iteration: v <- W'W v normalised, sigma = |W v|, u = W v/sigma.
 *
 * Each step starts again from the same normals: vectors that were kept from step to step would belong into the checkpoint, or a
 * run that is taken up again would not go on with the same bytes, and as parameters they would be averaged and hashed. Ten
 * iterations from there cost little beside the step. What is found is never above sigma_1. Sums are in double, in one order; a
 * weight is one thread's work.
 * Known answer: W = diag(3, 1): R = 3, gradient diag(1, 0) to (1/3)^20.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include <math.h>
#include <string.h>

enum { ITERATIONS = 10, LANES = 8 };

struct weight {
	int64_t at, rows, columns; /* rows 0: gains */
	double *start, *v, *next;  /* columns */
	double *u;                 /* rows */
	double value;
};

struct sf_spectral {
	sf_ctx *ctx;
	sf_dtype type;
	int n;
	struct weight *w;
	double *scratch, flops;
	/* of a call */
	const void *params;
	void *grad;
	double factor;
};

static int ends(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* What a parameter is: 2 a matrix, 1 gains, 0 neither. */
static int kind(const sf_param_info *p)
{
	if (p->fixed)
		return 0;
	return p->shape.rank >= 2 ? 2 : p->shape.rank == 1 && ends(p->name, ".weight");
}

static void describe(struct weight *w, const sf_param_info *p)
{
	w->at = p->offset;
	w->columns = p->shape.dim[p->shape.rank - 1];
	w->rows = p->shape.rank >= 2 ? p->shape.size / w->columns : 0;
}

static int64_t scratch_of(const struct weight *w)
{
	return w->rows ? w->rows + 3 * w->columns : 0;
}

static void give_scratch(struct weight *w, int i, const sf_ctx *ctx, double *at)
{
	sf_noise key = {0, SF_NOISE_INIT, 0};

	if (!w->rows)
		return;
	key.step = (uint32_t)i;
	w->start = at;
	w->v = w->start + w->columns;
	w->next = w->v + w->columns;
	w->u = w->next + w->columns;
	sf_noise_normal_d(ctx, key, 0, 0, (size_t)w->columns, w->start);
}

static int prepare(sf_spectral *s, const sf_graph *g)
{
	int64_t total = 0;
	int i, n = 0;

	for (i = 0; i < sf_param_count(g); i++)
		n += kind(sf_param_get(g, i)) > 0;
	s->w = sf_alloc((size_t)n + 1, sizeof *s->w);
	if (!s->w)
		return sf_fail(s->ctx, SF_ENOMEM, "spectral: out of memory");
	for (i = 0; i < sf_param_count(g); i++) {
		if (!kind(sf_param_get(g, i)))
			continue;
		describe(&s->w[s->n], sf_param_get(g, i));
		s->flops += 4 * ITERATIONS * (double)s->w[s->n].rows * (double)s->w[s->n].columns;
		total += scratch_of(&s->w[s->n++]);
	}
	s->scratch = sf_alloc((size_t)total + 1, sizeof *s->scratch);
	if (!s->scratch)
		return sf_fail(s->ctx, SF_ENOMEM, "spectral: out of memory");
	for (i = 0, total = 0; i < s->n; total += scratch_of(&s->w[i++]))
		give_scratch(&s->w[i], i, s->ctx, s->scratch + total);
	return SF_OK;
}

int sf_spectral_new(const sf_vae *v, sf_dtype type, sf_spectral **out)
{
	sf_spectral *s = sf_alloc(1, sizeof *s);
	int rc;

	*out = NULL;
	if (!s)
		return sf_fail(v->ctx, SF_ENOMEM, "spectral: out of memory");
	s->ctx = v->ctx;
	s->type = type;
	rc = prepare(s, v->g);
	if (rc < 0)
		sf_spectral_free(s);
	else
		*out = s;
	return rc;
}

void sf_spectral_free(sf_spectral *s)
{
	if (!s)
		return;
	sf_free(s->w);
	sf_free(s->scratch);
	sf_free(s);
}

/* dot = a row times v, and to += dot row where `to` is given */
#define ROW(name, type)                                                                                       \
	static double name(const type *row, int64_t n, const double *v, double *to)                           \
	{                                                                                                     \
		double lane[LANES] = {0}, dot = 0;                                                            \
		int64_t i, k;                                                                                 \
		for (i = 0; i + LANES <= n; i += LANES)                                                       \
			for (k = 0; k < LANES; k++)                                                           \
				lane[k] += (double)row[i + k] * v[i + k];                                     \
		for (; i < n; i++)                                                                            \
			dot += (double)row[i] * v[i];                                                         \
		for (k = 0; k < LANES; k++)                                                                   \
			dot += lane[k];                                                                       \
		for (i = 0; to && i < n; i++)                                                                 \
			to[i] += dot * (double)row[i];                                                        \
		return dot;                                                                                   \
	}
ROW(row_f32, float)
ROW(row_f64, double)

/* u = W v, next = W'u; returns |u| */
static double apply(const sf_spectral *s, struct weight *w, int transposed)
{
	double *to = transposed ? w->next : NULL, sum = 0;
	int64_t i;

	memset(w->next, 0, (size_t)w->columns * sizeof *w->next);
	for (i = 0; i < w->rows; i++) {
		int64_t at = w->at + i * w->columns;

		w->u[i] = s->type == SF_F32 ? row_f32((const float *)s->params + at, w->columns, w->v, to)
		                            : row_f64((const double *)s->params + at, w->columns, w->v, to);
		sum += w->u[i] * w->u[i];
	}
	return sqrt(sum);
}

/* v = from/|from|; returns the length */
static double normalise(double *v, const double *from, int64_t n)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		sum += from[i] * from[i];
	sum = sqrt(sum);
	for (i = 0; i < n && sum > 0; i++)
		v[i] = from[i] / sum;
	return sum;
}

static void add(const sf_spectral *s, int64_t at, double value)
{
	if (s->type == SF_F32)
		((float *)s->grad)[at] += (float)value;
	else
		((double *)s->grad)[at] += value;
}

static void matrix(const sf_spectral *s, struct weight *w)
{
	int64_t i, j;
	int k;

	normalise(w->v, w->start, w->columns);
	for (k = 0; k < ITERATIONS; k++) {
		apply(s, w, 1);
		if (!(normalise(w->v, w->next, w->columns) > 0))
			break; /* W v = 0 */
	}
	w->value = apply(s, w, 0);
	for (i = 0; i < w->rows && w->value > 0; i++)
		for (j = 0; j < w->columns; j++)
			add(s, w->at + i * w->columns + j, s->factor * w->u[i] / w->value * w->v[j]);
}

static double param(const sf_spectral *s, int64_t at)
{
	return s->type == SF_F32 ? (double)((const float *)s->params)[at] : ((const double *)s->params)[at];
}

static void gains(const sf_spectral *s, struct weight *w)
{
	int64_t i, most = w->at;

	for (i = w->at; i < w->at + w->columns; i++)
		if (fabs(param(s, i)) > fabs(param(s, most)))
			most = i;
	w->value = fabs(param(s, most));
	add(s, most, param(s, most) < 0 ? -s->factor : s->factor);
}

static int one(void *arg, int64_t tile, int worker)
{
	sf_spectral *s = arg;
	struct weight *w = &s->w[tile];

	(void)worker;
	if (w->rows)
		matrix(s, w);
	else
		gains(s, w);
	return 0;
}

int sf_spectral_add(sf_spectral *s, const void *params, double weight, void *grad, double *penalty)
{
	int i;

	s->params = params;
	s->grad = grad;
	s->factor = weight;
	SF_TRY(sf_parallel_work(s->ctx, .3 * s->flops, s->n, one, s));
	*penalty = 0;
	for (i = 0; i < s->n; i++)
		*penalty += s->w[i].value;
	return SF_OK;
}
