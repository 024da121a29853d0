/* mixture.c: the score of a mixture of round Gaussians under a linear process.
 *
 *     x_0 ~ sum_i w_i N(m_i, s_i^2),   N_i = N(a m_i, M_i),
 *     M_i = a a' s_i^2 + Sigma(t) per coordinate
 *     score = sum_i r_i s_i,   s_i = -M_i^-1 (u - a m_i),   r_i = softmax(ln w_i + ln N_i(u))
 *     J v   = sum_i r_i (-M_i^-1 v + s_i (s_i.v - s.v))
 *
 * Wang and Vastola 2024 (2412.09726); s_i = 0 gives the score of the points m_i themselves.
 * Responsibilities are formed by log-sum-exp in double. Presets: two (+-1 on the first axis, std
 * 0.1), rings8 (eight on the unit circle, std 0.05, d = 2), skewed (weights .3 .5 .2 at -1, .6,
 * 1.5 with std .3 .4 .2, d = 1).
 * Known answer: skewed under edm denoises x = 0.5 at t = 1 to 0.5227009936286975.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"
#include "score/flow.h"

#include <math.h>

typedef struct mixture {
	int preset;
	sf_list weights, means, stds;
	int parts;
	double logw[SF_LIST_MAX], var[SF_LIST_MAX];
	double *mean; /* (parts,d) */
	char *file;
	sf_eigen *model; /* NULL without a file */
} mixture;

enum { TWO, RINGS8, SKEWED };

static const sf_opt options[] = {
	{"preset", "a named mixture, used where means is empty", SF_OPT_CHOICE,
	 offsetof(mixture, preset), "two", 0, 0, "two|rings8|skewed"},
	{"weights", "one positive number for each part (any scale); empty: equal", SF_OPT_LIST,
	 offsetof(mixture, weights), "", 1e-300, 1e300, NULL},
	{"means", "d numbers for each part, one part after the other", SF_OPT_LIST,
	 offsetof(mixture, means), "", 0, 0, NULL},
	{"std", "standard deviation of all parts, or one each; empty: the preset's, or 0.1",
	 SF_OPT_LIST, offsetof(mixture, stds), "", 0, 1e9, NULL},
	{"file", "a model that `scorefield fit` wrote, of any covariances, instead of the lists", SF_OPT_STRING,
	 offsetof(mixture, file), "", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int refuse(const sf_score *s, const char *name, int n, const char *expected)
{
	return sf_fail(sf_score_context(s), SF_EMISMATCH,
	               "score 'mixture': %s has %d numbers; expected %s (dimension %lld)", name, n,
	               expected, (long long)s->d);
}

/* Number of parts that preset or lists ask for. */
static int count_parts(sf_score *s, mixture *m)
{
	static const int parts[] = {2, 8, 3}, dims[] = {0, 2, 1};

	if (m->means.n == 0) {
		m->parts = parts[m->preset];
		if (dims[m->preset] && s->d != dims[m->preset])
			return sf_fail(sf_score_context(s), SF_EMISMATCH,
			               "score 'mixture': this preset needs dimension %d, not %lld",
			               dims[m->preset], (long long)s->d);
	} else if (m->means.n % s->d != 0) {
		return refuse(s, "means", m->means.n, "a multiple of the dimension");
	} else {
		m->parts = (int)(m->means.n / s->d);
	}
	if (m->weights.n != 0 && m->weights.n != m->parts)
		return refuse(s, "weights", m->weights.n, "one for each part");
	if (m->stds.n > 1 && m->stds.n != m->parts)
		return refuse(s, "std", m->stds.n, "1 or one for each part");
	return SF_OK;
}

static void fill_preset(mixture *m, int64_t d, double *weight)
{
	static const double skew_w[] = {0.3, 0.5, 0.2}, skew_m[] = {-1, 0.6, 1.5},
			    skew_s[] = {0.3, 0.4, 0.2};
	int i;

	for (i = 0; i < m->parts; i++) {
		double *mean = m->mean + i * d, sd = 0.1;

		switch (m->preset) {
		case TWO:
			mean[0] = i ? -1 : 1;
			break;
		case RINGS8:
			mean[0] = cos(SF_PI * i / 4);
			mean[1] = sin(SF_PI * i / 4);
			sd = 0.05;
			break;
		default:
			mean[0] = skew_m[i];
			sd = skew_s[i];
			weight[i] = skew_w[i];
			break;
		}
		m->var[i] = sd * sd;
	}
}

static int prepare(sf_score *s)
{
	mixture *m = s->object.state;
	double weight[SF_LIST_MAX], total = 0;
	int64_t j;
	int i;

	SF_TRY(sf_score_needs_linear(s));
	if (m->file[0])
		return sf_eigen_file(s, m->file, 0, &m->model);
	SF_TRY(count_parts(s, m));
	m->mean = sf_alloc((size_t)m->parts * (size_t)s->d, sizeof *m->mean);
	if (!m->mean)
		return sf_fail(sf_score_context(s), SF_ENOMEM, "score 'mixture': out of memory");
	for (i = 0; i < m->parts; i++) {
		weight[i] = 1;
		m->var[i] = 0.01;
	}
	if (m->means.n == 0)
		fill_preset(m, s->d, weight);
	else
		for (j = 0; j < m->means.n; j++)
			m->mean[j] = m->means.v[j];
	for (i = 0; i < m->parts; i++) {
		if (m->weights.n)
			weight[i] = m->weights.v[i];
		if (m->stds.n)
			m->var[i] = m->stds.v[m->stds.n == 1 ? 0 : i] *
			            m->stds.v[m->stds.n == 1 ? 0 : i];
		total += weight[i];
	}
	for (i = 0; i < m->parts; i++)
		m->logw[i] = log(weight[i] / total);
	return SF_OK;
}

static void fini(void *st)
{
	sf_free(((mixture *)st)->mean);
	sf_eigen_close(((mixture *)st)->model);
}

enum { SCORE = SF_EIGEN_SCORE, LOGP = SF_EIGEN_LOGP, JVP = SF_EIGEN_JVP };

typedef struct job {
	const sf_score *s;
	int what;
	const double *x, *t, *v;
	double *out;
} job;

typedef struct part {
	double a[SF_BLOCKS_MAX], inverse[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
	double weight, along; /* responsibility (its logarithm at first); s_i . v */
} part;

/* -M_i^-1 (u - a m_i) of coordinate j. */
static void part_score(int k, int64_t d, const part *p, const double *u, const double *mean,
                       int64_t j, double *r, double *s)
{
	int b;

	for (b = 0; b < k; b++)
		r[b] = u[b * d + j] - p->a[b] * mean[j];
	sf_block_apply(k, p->inverse, r, s);
	for (b = 0; b < k; b++)
		s[b] = -s[b];
}

/* Fills the parts with their log joint densities; returns ln p. */
static double weigh(const job *w, int64_t sample, part *parts)
{
	const mixture *m = w->s->object.state;
	int k = sf_process_blocks(w->s->process), i, b;
	int64_t d = w->s->d, at = sample * k * d, j;
	double top = -INFINITY, sum = 0;

	for (i = 0; i < m->parts; i++) {
		part *p = &parts[i];
		double quad = 0, r[SF_BLOCKS_MAX], s[SF_BLOCKS_MAX];
		double logdet =
			sf_score_block(w->s->process, w->t[sample], m->var[i], p->a, p->inverse);

		p->along = 0;
		for (j = 0; j < d; j++) {
			part_score(k, d, p, w->x + at, m->mean + i * d, j, r, s);
			for (b = 0; b < k; b++) {
				quad -= r[b] * s[b];
				if (w->what == JVP)
					p->along += s[b] * w->v[at + b * d + j];
			}
		}
		p->weight = m->logw[i] - 0.5 * (quad + (double)d * (logdet + k * log(2 * SF_PI)));
		top = p->weight > top ? p->weight : top;
	}
	for (i = 0; i < m->parts; i++)
		sum += exp(parts[i].weight - top);
	for (i = 0; i < m->parts; i++)
		parts[i].weight = exp(parts[i].weight - top) / sum;
	return top + log(sum);
}

static void gather(const job *w, int64_t sample, const part *parts)
{
	const mixture *m = w->s->object.state;
	int k = sf_process_blocks(w->s->process), i, b;
	int64_t d = w->s->d, at = sample * k * d, j;
	double along = 0, r[SF_BLOCKS_MAX], s[SF_BLOCKS_MAX], v[SF_BLOCKS_MAX], mv[SF_BLOCKS_MAX];

	for (i = 0; i < m->parts; i++)
		along += parts[i].weight * parts[i].along;
	for (j = 0; j < d; j++) {
		double sum[SF_BLOCKS_MAX] = {0};

		for (i = 0; i < m->parts; i++) {
			const part *p = &parts[i];

			part_score(k, d, p, w->x + at, m->mean + i * d, j, r, s);
			if (w->what == JVP) {
				for (b = 0; b < k; b++)
					v[b] = w->v[at + b * d + j];
				sf_block_apply(k, p->inverse, v, mv);
				for (b = 0; b < k; b++)
					s[b] = s[b] * (p->along - along) - mv[b];
			}
			for (b = 0; b < k; b++)
				sum[b] += p->weight * s[b];
		}
		for (b = 0; b < k; b++)
			w->out[at + b * d + j] = sum[b];
	}
}

static int tile(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	part parts[SF_LIST_MAX];
	int64_t i;

	for (i = first; i < last; i++) {
		double logp = weigh(w, i, parts);

		if (w->what == LOGP)
			w->out[i] = logp;
		else
			gather(w, i, parts);
	}
	return SF_OK;
}

static int run(sf_score *s, int what, int64_t n, const double *x, const double *t, const double *v,
               double *out)
{
	const mixture *m = s->object.state;
	job w = {s, what, x, t, v, out};

	if (m->model)
		return sf_eigen_run(m->model, s, what, n, x, t, v, out);
	return sf_over_samples(sf_score_context(s), n, m->parts * (16 * s->d + 64), tile, &w);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return run(s, SCORE, n, x, t, NULL, out);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return run(s, LOGP, n, x, t, NULL, out);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v,
               double *out)
{
	return run(s, JVP, n, x, t, v, out);
}

typedef struct moving {
	const sf_score *s;
	sf_flow f;
	double weight[SF_LIST_MAX], *x;
} moving;

static int move(void *arg, int64_t first, int64_t last)
{
	const moving *w = arg;
	const mixture *m = w->s->object.state;
	int64_t i;

	for (i = first; i < last; i++) {
		double to = sf_flow_quantile(&w->f, m->parts, w->weight, m->mean, m->var, w->x[i]);

		if (isnan(to))
			return sf_fail(sf_score_context(w->s), SF_ERANGE, "score 'mixture': the probability beyond %g is too small to be "
			               "kept in double precision", w->x[i]);
		w->x[i] = to;
	}
	return SF_OK;
}

/* On the line alone; no such form is known in more dimensions. */
static int flow(sf_score *s, int64_t n, double from, double to, double *x)
{
	const mixture *m = s->object.state;
	moving w = {s, sf_flow_between(s->process, from, to), {0}, x};
	int i;

	if (m->model)
		return sf_eigen_flow(m->model, s, n, from, to, x);
	if (s->d != 1)
		return sf_fail(sf_score_context(s), SF_EUNSUP, "score 'mixture': the probability-flow ODE has a closed form in one "
		               "dimension alone, not in %lld", (long long)s->d);
	for (i = 0; i < m->parts; i++)
		w.weight[i] = exp(m->logw[i]);
	return sf_over_samples(sf_score_context(s), n, 4096 * m->parts, move, &w);
}

const sf_score_class sf_score_mixture = {
	.head = {"mixture", "exact score of a mixture of round Gaussians",
	         "Wang and Vastola 2024 (2412.09726)", sizeof(mixture), options, NULL, fini},
	.prepare = prepare,
	.eval = eval,
	.logp = logp,
	.jvp = jvp,
	.flow = flow};
