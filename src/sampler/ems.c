/* ems.c: estimates empirical model statistics (ems.h has the definitions).
 *
 *     l  = mean of (sigma J v)_j v_j = -sigma^2 (d score/dx v)_j v_j,   v of +1 and -1               (Hutchinson 1989)
 *     f  = (sigma eps - l x)/alpha,   f' = e^-lambda ((l - 1) eps + eps') - l' x/alpha
 *     eps' = d/dh eps(x + h x', lambda + h),   x' = (alpha'/alpha) x - sigma eps = dx/dlambda along the ODE
 *     s  = cov(f, f')/var f,   b = mean f' - s mean f
 *
 * Zheng et al. 2023 (2310.13268). d/dh is a five-point difference of step 0.01 and l' one over the table, both of fourth
 * order. alpha'/alpha = -2 sigma^2 F/g^2, since dlambda/dt = -g^2/(2 sigma^2). The authors' program does not estimate.
 * Known answers: normal data, see ems.h; mixture `skewed` has l, s, b = 0.5285, 0.9545, 0.2821 at lambda = 0 (edm).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/ems.h"
#include "score/score.h"

#include <math.h>
#include <string.h>

#define STEP 0.01

enum { SUMS = 7 }; /* first f, first f', then sums of u = f - first, w = f' - first, u^2, u w, (eps sigma/alpha)^2 */

typedef struct work {
	sf_score *s;
	const sf_process *p;
	const sf_ems_run *run;
	sf_ems *table;
	int64_t d, row;
	uint64_t first; /* sample of the batch's first row */
	int64_t n;
	double t, alpha, sigma, growth; /* alpha'/alpha */
	double *x, *v, *eps, *slope, *at, *out; /* (batch,d): state or probe, eps, eps', a shifted state, an output */
	double *time;                           /* (batch) */
	double *l1;                             /* (d): l' */
	double *sum;                            /* (SUMS,d) */
	double shift;                           /* of a difference */
} work;

void sf_ems_defaults(sf_ems_run *run)
{
	static const sf_ems_run plain = {.rows = 121, .samples = 1024, .batch = 256};

	*run = plain;
	run->first = run->last = NAN;
}

/* x = alpha x_0 + sigma z, and the probes. */
static int draw(void *arg, int64_t first, int64_t last)
{
	const work *w = arg;
	sf_ctx *ctx = sf_score_context(w->s);
	sf_noise noise = {w->run->seed, SF_NOISE_EVALUATE, 0}, probe = {w->run->seed, SF_NOISE_TRACE, 0};
	int64_t i, j;

	for (i = first; i < last; i++) {
		uint64_t sample = w->first + (uint64_t)i;
		double *x = w->x + i * w->d, *z = w->at + i * w->d, *v = w->v + i * w->d;

		w->run->data(w->run->user, sample, x);
		sf_noise_normal_d(ctx, noise, sample, 0, (size_t)w->d, z);
		sf_noise_uniform_d(ctx, probe, sample, 0, (size_t)w->d, v);
		for (j = 0; j < w->d; j++) {
			x[j] = w->alpha * x[j] + w->sigma * z[j];
			v[j] = v[j] < 0.5 ? -1 : 1;
		}
		w->time[i] = w->t;
	}
	return SF_OK;
}

static int add_l(void *arg, int64_t first, int64_t last)
{
	const work *w = arg;
	double *l = w->table->l + w->row * w->d;
	int64_t i, j;

	for (j = first; j < last; j++)
		for (i = 0; i < w->n; i++)
			l[j] -= w->sigma * w->sigma * w->out[i * w->d + j] * w->v[i * w->d + j] / (double)w->run->samples;
	return SF_OK;
}

static int shift_state(void *arg, int64_t first, int64_t last)
{
	const work *w = arg;
	int64_t i;

	for (i = first * w->d; i < last * w->d; i++)
		w->at[i] = w->x[i] + w->shift * (w->growth * w->x[i] - w->sigma * w->eps[i]);
	return SF_OK;
}

/* w->slope = eps' */
static int along(work *w)
{
	const sf_ems *e = w->table;
	double lambda = sf_ems_lambda(e, w->row);
	int centre = lambda - 2 * STEP < e->first ? 0 : lambda + 2 * STEP > e->last ? 4 : 2, k;
	sf_ctx *ctx = sf_score_context(w->s);
	int64_t i, all = w->n * w->d;

	for (i = 0; i < all; i++)
		w->slope[i] = sf_five_points[centre][centre] * w->eps[i] / (12 * STEP);
	for (k = 0; k < 5; k++) {
		double t, weight = sf_five_points[centre][k] / (12 * STEP);

		if (k == centre)
			continue;
		w->shift = STEP * (k - centre);
		t = sf_process_time_of_ratio(w->p, exp(-(lambda + w->shift)));
		SF_TRY(sf_over_samples(ctx, w->n, 4 * w->d, shift_state, w));
		for (i = 0; i < w->n; i++)
			w->time[i] = t;
		SF_TRY(sf_score_eval(w->s, SF_EPS, w->n, w->at, w->time, w->out));
		for (i = 0; i < all; i++)
			w->slope[i] += weight * w->out[i];
	}
	return SF_OK;
}

static int add_sb(void *arg, int64_t first, int64_t last)
{
	const work *w = arg;
	double ratio = w->sigma / w->alpha, *sum[SUMS];
	int64_t i, j, k;

	for (k = 0; k < SUMS; k++)
		sum[k] = w->sum + k * w->d;
	for (j = first; j < last; j++)
		for (i = 0; i < w->n; i++) {
			double eps = w->eps[i * w->d + j], y = w->x[i * w->d + j] / w->alpha, l = w->table->l[w->row * w->d + j];
			double f = ratio * eps - l * y, f1 = ratio * ((l - 1) * eps + w->slope[i * w->d + j]) - w->l1[j] * y;

			if (w->first == 0 && i == 0) {
				sum[0][j] = f;
				sum[1][j] = f1;
			}
			f -= sum[0][j];
			f1 -= sum[1][j];
			sum[2][j] += f;
			sum[3][j] += f1;
			sum[4][j] += f * f;
			sum[5][j] += f * f1;
			sum[6][j] += ratio * eps * ratio * eps;
		}
	return SF_OK;
}

static void finish_sb(work *w)
{
	double n = (double)w->run->samples;
	int64_t j, d = w->d;

	for (j = 0; j < d; j++) {
		const double *q = w->sum + j;
		double mean = q[2 * d] / n, mean1 = q[3 * d] / n, var = q[4 * d] / n - mean * mean, cov = q[5 * d] / n - mean * mean1;
		double s = var > 1e-20 * q[6 * d] / n ? cov / var : 0; /* else 0/0 but for rounding */

		w->table->s[w->row * d + j] = s;
		w->table->b[w->row * d + j] = q[d] + mean1 - s * (q[0] + mean);
	}
}

static int one_batch(work *w, int second)
{
	sf_ctx *ctx = sf_score_context(w->s);

	if (w->run->batch_begins)
		SF_TRY(w->run->batch_begins(w->run->user, w->first, w->n));
	SF_TRY(sf_over_samples(ctx, w->n, 64 * w->d, draw, w));
	if (!second) {
		SF_TRY(sf_score_jvp(w->s, w->n, w->x, w->time, w->v, w->out));
		return sf_over_samples(ctx, w->d, 4 * w->n, add_l, w);
	}
	SF_TRY(sf_score_eval(w->s, SF_EPS, w->n, w->x, w->time, w->eps));
	SF_TRY(along(w));
	return sf_over_samples(ctx, w->d, 16 * w->n, add_sb, w);
}

static int one_row(work *w, int second)
{
	const sf_ems *e = w->table;
	double lambda = sf_ems_lambda(e, w->row), F[4];
	int64_t j, done = w->row + 1 + (second ? e->rows : 0);

	w->t = sf_process_time_of_ratio(w->p, exp(-lambda));
	w->alpha = sf_process_alpha(w->p, w->t);
	w->sigma = sf_process_sigma(w->p, w->t);
	sf_process_drift_matrix(w->p, w->t, F);
	w->growth = -2 * w->sigma * w->sigma * F[0] / sf_process_g2(w->p, w->t);
	memset(w->sum, 0, (size_t)(SUMS * w->d) * sizeof *w->sum);
	for (j = 0; j < w->d; j++)
		w->l1[j] = second ? sf_ems_slope(e, e->l, w->row, j) * (double)(e->rows - 1) / (e->last - e->first) : 0;
	for (j = 0; j < w->run->samples && !(w->run->unit && !second); j += w->n) {
		w->first = (uint64_t)j;
		w->n = w->run->samples - j < w->run->batch ? w->run->samples - j : w->run->batch;
		SF_TRY(one_batch(w, second));
	}
	if (second)
		finish_sb(w);
	for (j = w->row * w->d; j < (w->row + 1) * w->d; j++) {
		if (w->run->unit && !second)
			e->l[j] = 1;
		if (!isfinite(e->l[j]) || !isfinite(e->s[j]) || !isfinite(e->b[j]))
			return sf_fail(sf_score_context(w->s), SF_EDIVERGED, "statistics: coordinate %lld at lambda %g (time %g) is not finite",
			               (long long)(j % w->d), lambda, w->t);
	}
	if (w->run->progress && w->run->progress(w->run->user, done, 2 * e->rows))
		return sf_fail(sf_score_context(w->s), SF_ESTOPPED, "statistics: stopped on request after row %lld", (long long)w->row);
	return SF_OK;
}

static int check(const sf_score *s, const sf_ems_run *run, double *first, double *last)
{
	const sf_process *p = sf_score_process(s);
	sf_ctx *ctx = sf_score_context(s);
	double least, most;

	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(ctx, SF_EUNSUP, "statistics are functions of ln(alpha/sigma); process '%s' has none", sf_process_name(p));
	if (run->rows < 5 || run->rows > 1000000 || run->samples < 2 || run->samples > INT64_C(1) << 40 || run->batch < 1)
		return sf_fail(ctx, SF_ERANGE, "statistics: rows=%lld, samples=%lld, batch=%lld; expected 5 to 1000000, 2 or more, 1 or more",
		               (long long)run->rows, (long long)run->samples, (long long)run->batch);
	least = sf_process_logsnr(p, sf_process_horizon(p)) / 2;
	most = sf_process_logsnr(p, sf_process_t_sample(p)) / 2;
	*first = isnan(run->first) ? least : run->first;
	*last = isnan(run->last) ? most : run->last;
	if (!(*first < *last && *first >= least - 1e-9 && isfinite(*last)))
		return sf_fail(ctx, SF_ERANGE, "statistics: lambda from %g to %g; expected a rising range from %g on", *first, *last, least);
	return SF_OK;
}

static void layout(work *w, sf_arena *a)
{
	size_t all = (size_t)w->run->batch * (size_t)w->d;

	w->x = sf_arena_take(a, all, sizeof(double));
	w->v = sf_arena_take(a, all, sizeof(double));
	w->eps = sf_arena_take(a, all, sizeof(double));
	w->slope = sf_arena_take(a, all, sizeof(double));
	w->at = sf_arena_take(a, all, sizeof(double));
	w->out = sf_arena_take(a, all, sizeof(double));
	w->time = sf_arena_take(a, (size_t)w->run->batch, sizeof(double));
	w->l1 = sf_arena_take(a, (size_t)w->d, sizeof(double));
	w->sum = sf_arena_take(a, (size_t)w->d, SUMS * sizeof(double));
}

int sf_ems_estimate(sf_score *s, const sf_ems_run *run, sf_ems *table)
{
	sf_ctx *ctx = sf_score_context(s);
	work w = {.s = s, .p = sf_score_process(s), .run = run, .table = table, .d = sf_score_dim(s)};
	sf_arena arena = {NULL, 0, 0};
	double first = 0, last = 0;
	int64_t all;
	int second, rc;

	memset(table, 0, sizeof *table);
	SF_TRY(check(s, run, &first, &last));
	if (sf_mul_i64(run->batch, w.d, &all) < 0 || all > INT64_MAX / 64)
		return sf_fail(ctx, SF_ERANGE, "statistics: batches of %lld do not fit", (long long)run->batch);
	SF_TRY(sf_ems_new(ctx, run->rows, w.d, table));
	table->first = first;
	table->last = last;
	layout(&w, &arena);
	rc = sf_arena_open(&arena);
	if (rc < 0)
		rc = sf_fail(ctx, SF_ENOMEM, "statistics: out of memory for batches of %lld", (long long)run->batch);
	else
		layout(&w, &arena);
	for (second = 0; second < 2; second++)
		for (w.row = 0; rc == 0 && w.row < run->rows; w.row++)
			rc = one_row(&w, second);
	sf_arena_close(&arena);
	if (rc < 0)
		sf_ems_free(table);
	return rc;
}
