/* product.c: the score of a turned product of mixtures on the line: data of any dimension, far from normal, with
 * everything in closed form.
 *
 *     x_0 = R' z,   z_j independent with the density sum_i w_i N(m_i, s_i^2),   R orthogonal
 *     score(u) = R' (score_1(z_j)) coordinate by coordinate, z = R u,   log p = sum_j log p_1(z_j)
 *
 * R comes from Gram and Schmidt's method on counter-based normals (seed 0: R = 1). The probability-flow ODE turns
 * with the data and keeps the quantiles of each z_j. Presets as of `mixture` in one dimension: skewed (weights .3 .5
 * .2 at -1, .6, 1.5 with std .3 .4 .2), two (+-1, std 0.1). Wang and Vastola 2024 (2412.09726).
 * Known answer: seed 0, edm: each coordinate 0.5 is denoised at t = 1 to 0.5227009936286975.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/flow.h"

#include <scorefield/noise.h>

#include <math.h>
#include <string.h>

enum { SKEWED, TWO };

typedef struct product {
	int preset;
	int64_t seed;
	sf_list weights, means, stds;
	int parts;
	double weight[SF_LIST_MAX], mean[SF_LIST_MAX], var[SF_LIST_MAX];
	double *turn; /* R (d,d); NULL: 1 */
	double *scratch;
	int workers;
} product;

static const sf_opt options[] = {
	{"preset", "a named mixture on the line, used where means is empty", SF_OPT_CHOICE, offsetof(product, preset),
	 "skewed", 0, 0, "skewed|two"},
	{"seed", "of the rotation; 0: none", SF_OPT_INT, offsetof(product, seed), "1", 0, 9e15, NULL},
	{"weights", "one positive number for each part (any scale); empty: equal", SF_OPT_LIST,
	 offsetof(product, weights), "", 1e-300, 1e300, NULL},
	{"means", "one number for each part", SF_OPT_LIST, offsetof(product, means), "", 0, 0, NULL},
	{"std", "standard deviation of all parts, or one each; empty: the preset's, or 0.1", SF_OPT_LIST,
	 offsetof(product, stds), "", 0, 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

/* Rows of R: normals, each freed of the rows before it (twice, for the last digits) and brought to length one. */
static int rotation(sf_score *s, product *o)
{
	sf_noise key = {(uint64_t)o->seed, SF_NOISE_MODEL, 1};
	int64_t d = s->d, size, i, j, l;
	int pass;

	if (sf_mul_i64(d, d, &size) < 0 || size > INT64_MAX / 16 ||
	    !(o->turn = sf_alloc((size_t)size, sizeof *o->turn)))
		return sf_fail(sf_score_context(s), SF_ENOMEM,
			       "score 'product': out of memory for a rotation of %lld dimensions", (long long)d);
	for (i = 0; i < d; i++) {
		double *row = o->turn + i * d, norm = 0;

		sf_noise_normal_d(sf_score_context(s), key, (uint64_t)i, 0, (size_t)d, row);
		for (pass = 0; pass < 2; pass++)
			for (j = 0; j < i; j++) {
				double along = 0;

				for (l = 0; l < d; l++)
					along += row[l] * o->turn[j * d + l];
				for (l = 0; l < d; l++)
					row[l] -= along * o->turn[j * d + l];
			}
		for (l = 0; l < d; l++)
			norm += row[l] * row[l];
		for (l = 0; l < d; l++)
			row[l] /= sqrt(norm);
	}
	return SF_OK;
}

static int prepare(sf_score *s)
{
	static const double w[2][3] = {{.3, .5, .2}, {1, 1}}, m[2][3] = {{-1, .6, 1.5}, {1, -1}},
			    sd[2][3] = {{.3, .4, .2}, {.1, .1}};
	product *o = s->object.state;
	double total = 0;
	int i;

	SF_TRY(sf_score_needs_linear(s));
	o->parts = o->means.n ? o->means.n : o->preset == SKEWED ? 3 : 2;
	if ((o->weights.n && o->weights.n != o->parts) || (o->stds.n > 1 && o->stds.n != o->parts))
		return sf_fail(sf_score_context(s), SF_EMISMATCH,
			       "score 'product': %d parts, %d weights and %d std; expected one of each for each",
			       o->parts, o->weights.n, o->stds.n);
	for (i = 0; i < o->parts; i++) {
		double std = o->stds.n ? o->stds.v[o->stds.n == 1 ? 0 : i] : o->means.n ? .1 : sd[o->preset][i];

		o->weight[i] = o->weights.n ? o->weights.v[i] : o->means.n ? 1 : w[o->preset][i];
		o->mean[i] = o->means.n ? o->means.v[i] : m[o->preset][i];
		o->var[i] = std * std;
		total += o->weight[i];
	}
	for (i = 0; i < o->parts; i++)
		o->weight[i] /= total;
	return o->seed && s->d > 1 ? rotation(s, o) : SF_OK;
}

static void fini(void *st)
{
	product *o = st;

	sf_free(o->turn);
	sf_free(o->scratch);
}

/* out = R in, or R' in, for one block of d numbers. */
static void turn(const product *o, int64_t d, int back, const double *in, double *out)
{
	int64_t i, j;

	if (!o->turn) {
		memcpy(out, in, (size_t)d * sizeof *out);
		return;
	}
	memset(out, 0, (size_t)d * sizeof *out);
	for (i = 0; i < d; i++) {
		const double *row = o->turn + i * d;

		for (j = 0; j < d; j++)
			if (back)
				out[j] += row[j] * in[i];
			else
				out[i] += row[j] * in[j];
	}
}

enum { SCORE, LOGP, JVP, FLOW };

typedef struct job {
	const sf_score *s;
	int what;
	sf_flow f;
	const double *x, *t, *v;
	double *out;
} job;

typedef struct part { /* of one time */
	double a[SF_BLOCKS_MAX], inverse[SF_BLOCKS_MAX * SF_BLOCKS_MAX], logdet;
} part;

/* One coordinate: z (k) -> its score, or the derivative of that along v, in place of z; returns ln p_1(z). */
static double coordinate(const product *o, int k, int what, const part *parts, double *z, const double *v)
{
	double top = -INFINITY, sum = 0, e[SF_LIST_MAX], s[SF_LIST_MAX][SF_BLOCKS_MAX], score[SF_BLOCKS_MAX] = {0},
	       jvp[SF_BLOCKS_MAX] = {0};
	int i, b;

	for (i = 0; i < o->parts; i++) {
		double r[SF_BLOCKS_MAX] = {0}, quad = 0;

		for (b = 0; b < k; b++)
			r[b] = z[b] - parts[i].a[b] * o->mean[i];
		sf_block_apply(k, parts[i].inverse, r, s[i]);
		for (b = 0; b < k; b++) {
			quad += r[b] * s[i][b];
			s[i][b] = -s[i][b];
		}
		e[i] = log(o->weight[i]) - .5 * (quad + parts[i].logdet + k * log(2 * SF_PI));
		top = e[i] > top ? e[i] : top;
	}
	for (i = 0; i < o->parts; i++)
		sum += exp(e[i] - top);
	for (i = 0; i < o->parts; i++) {
		double r = exp(e[i] - top) / sum, mv[SF_BLOCKS_MAX] = {0}, along = 0;

		if (what == JVP) {
			sf_block_apply(k, parts[i].inverse, v, mv);
			for (b = 0; b < k; b++)
				along += s[i][b] * v[b];
		}
		for (b = 0; b < k; b++) {
			score[b] += r * s[i][b];
			jvp[b] += r * (s[i][b] * along - mv[b]);
		}
	}
	if (what == JVP) {
		double along = 0;

		for (b = 0; b < k; b++)
			along += score[b] * v[b];
		for (b = 0; b < k; b++)
			jvp[b] -= score[b] * along;
	}
	for (b = 0; b < k; b++)
		z[b] = what == JVP ? jvp[b] : score[b];
	return top + log(sum);
}

static int quantiles(const job *w, const product *o, double *z)
{
	int64_t j;

	for (j = 0; j < w->s->d; j++) {
		z[j] = sf_flow_quantile(&w->f, o->parts, o->weight, o->mean, o->var, z[j]);
		if (isnan(z[j]))
			return sf_fail(
				sf_score_context(w->s), SF_ERANGE,
				"score 'product': the probability beyond a coordinate is too small to be kept in "
				"double precision");
	}
	return SF_OK;
}

static int tile(void *arg, int64_t i, int worker) /* one sample */
{
	const job *w = arg;
	const product *o = w->s->object.state;
	int k = sf_process_blocks(w->s->process), b, p;
	int64_t d = w->s->d, size = k * d, j;
	double *z = o->scratch + (size_t)worker * (size_t)(2 * size), *v = z + size, logp = 0;
	part parts[SF_LIST_MAX];

	for (b = 0; b < k; b++) {
		turn(o, d, 0, (w->what == FLOW ? w->out : w->x) + i * size + b * d, z + b * d);
		if (w->what == JVP)
			turn(o, d, 0, w->v + i * size + b * d, v + b * d);
	}
	if (w->what == FLOW)
		SF_TRY(quantiles(w, o, z));
	for (p = 0; p < o->parts && w->what != FLOW; p++)
		parts[p].logdet = sf_score_block(w->s->process, w->t[i], o->var[p], parts[p].a, parts[p].inverse);
	for (j = 0; j < d && w->what != FLOW; j++) {
		double one[SF_BLOCKS_MAX], along[SF_BLOCKS_MAX] = {0};

		for (b = 0; b < k; b++) {
			one[b] = z[b * d + j];
			along[b] = v[b * d + j];
		}
		logp += coordinate(o, k, w->what, parts, one, along);
		for (b = 0; b < k; b++)
			z[b * d + j] = one[b];
	}
	if (w->what == LOGP)
		w->out[i] = logp;
	for (b = 0; b < k && w->what != LOGP; b++)
		turn(o, d, 1, z + b * d, w->out + i * size + b * d);
	return SF_OK;
}

static int run(sf_score *s, job *w, int64_t n)
{
	product *o = s->object.state;
	sf_ctx *ctx = sf_score_context(s);
	int threads = sf_ctx_threads(ctx), k = sf_process_blocks(s->process);

	if (threads > o->workers) { /* the first call, or one after sf_ctx_set_threads */
		double *scratch = sf_alloc((size_t)threads, (size_t)(2 * k * s->d) * sizeof *scratch);

		if (!scratch)
			return sf_fail(ctx, SF_ENOMEM, "score 'product': out of memory");
		sf_free(o->scratch);
		o->scratch = scratch;
		o->workers = threads;
	}
	return sf_parallel(ctx, n, tile, w);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	job w = {s, SCORE, {0, 0, 0, 0}, x, t, NULL, out};

	return run(s, &w, n);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	job w = {s, LOGP, {0, 0, 0, 0}, x, t, NULL, out};

	return run(s, &w, n);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	job w = {s, JVP, {0, 0, 0, 0}, x, t, v, out};

	return run(s, &w, n);
}

static int flow(sf_score *s, int64_t n, double from, double to, double *x)
{
	job w = {s, FLOW, sf_flow_between(s->process, from, to), NULL, NULL, NULL, x};

	return run(s, &w, n);
}

const sf_score_class sf_score_product = {
	.head = {"product", "exact score of a turned product of mixtures on the line",
		 "Wang and Vastola 2024 (2412.09726)", sizeof(product), options, NULL, fini},
	.prepare = prepare,
	.eval = eval,
	.logp = logp,
	.jvp = jvp,
	.flow = flow};
