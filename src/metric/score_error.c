/* score_error.c: how far a score is from the exact one of noisy data (see metric.h):
 *
 *     error(t) = E |eps(x,t) - eps*(x,t)|^2 / d,    eps = -sigma s,    x = alpha x_0 + tau z,   tau^2 = sigma^2 (1 + smooth^2)
 *
 * With stored values v = scale x_0 + shift, scale x + alpha shift = alpha v + scale tau z has a density in closed form, and
 * the chain rule gives eps*(x) = -sigma scale grad log p(scale x + alpha shift; alpha, scale tau).
 *
 * Vincent 2011: E|eps - z|^2 = E|eps - eps*|^2 + const, so the error is twice what the loss of denoising score matching lies
 * above its least value, per coordinate, at each t.
 * Known answer: data N(0, c^2 I) and the score 0 give error = size = sigma^2/(alpha^2 c^2 + sigma^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/metric.h>

#include "core/core.h"
#include "process/process.h"

#include <math.h>

enum { TILE = 64 };
static const uint64_t UNSEEN = UINT64_C(1) << 40; /* first draw: training does not get that far */

static int fits(sf_ctx *ctx, const sf_process *p)
{
	if (!sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(ctx, SF_EUNSUP, "score error: the exact score of noisy data is known for linear processes of one "
		               "block; '%s' is %s", sf_process_name(p), sf_process_linear(p) ? "one of two" : "nonlinear");
	return SF_OK;
}

static double ratio_at(const sf_process *p, double t)
{
	return sf_process_sigma(p, t) / sf_process_alpha(p, t);
}

int sf_metric_levels(const sf_process *p, double lo, double hi, int64_t n, sf_error_level *level)
{
	sf_ctx *ctx = sf_process_context(p);
	double least, most;
	int64_t i;

	SF_TRY(fits(ctx, p));
	least = ratio_at(p, sf_process_t_train(p));
	most = ratio_at(p, sf_process_horizon(p));
	lo = isnan(lo) ? least : lo;
	hi = isnan(hi) ? most : hi;
	if (n < 1 || !(lo > 0 && lo <= hi && lo >= least * (1 - 1e-9) && hi <= most * (1 + 1e-9)))
		return sf_fail(ctx, SF_ERANGE, "score error: %lld noise levels sigma/alpha from %g to %g; process '%s' has %g to %g",
		               (long long)n, lo, hi, sf_process_name(p), least, most);
	for (i = 0; i < n; i++) {
		sf_error_level *l = &level[i];

		l->t = sf_process_time_of_ratio(p, lo * pow(hi / lo, ((double)i + .5) / (double)n));
		l->alpha = sf_process_alpha(p, l->t);
		l->sigma = sf_process_sigma(p, l->t);
		l->error = l->size = l->se = 0;
	}
	return SF_OK;
}

/* Points of one level. */
struct job {
	sf_ctx *ctx;
	const sf_view *view;
	const sf_error_level *level;
	sf_noise key;
	uint64_t first;       /* draw of point 0 */
	int64_t n, d;
	double tau;
	double *x, *eps, *exact, *t; /* (n,d), (n,d), (n,d), (n) */
	double *error, *size;        /* (n): squares over d */
};

static int64_t end_of(const struct job *j, int64_t tile)
{
	return (tile + 1) * TILE < j->n ? (tile + 1) * TILE : j->n;
}

static int draw_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t i, k;

	(void)worker;
	for (i = tile * TILE; i < end_of(j, tile); i++) {
		double *x = j->x + i * j->d, *z = j->exact + i * j->d;

		sf_view_draw(j->view, j->first + (uint64_t)i, x, NULL);
		sf_noise_normal_d(j->ctx, j->key, (uint64_t)i, 0, (size_t)j->d, z);
		for (k = 0; k < j->d; k++)
			x[k] = j->level->alpha * x[k] + j->tau * z[k];
		j->t[i] = j->level->t;
	}
	return 0;
}

static int compare_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	double alpha = j->level->alpha, sigma = j->level->sigma, scale = j->view->scale, logp;
	int64_t i, k;

	(void)worker;
	for (i = tile * TILE; i < end_of(j, tile); i++) {
		double *v = j->x + i * j->d, *s = j->exact + i * j->d, error = 0, size = 0;

		for (k = 0; k < j->d; k++)
			v[k] = scale * v[k] + alpha * j->view->shift;
		SF_TRY(sf_data_logp(j->view->data, v, alpha, scale * j->tau, &logp, s));
		for (k = 0; k < j->d; k++) {
			double truth = -sigma * scale * s[k], miss = j->eps[i * j->d + k] - truth;

			error += miss * miss;
			size += truth * truth;
		}
		j->error[i] = error / (double)j->d;
		j->size[i] = size / (double)j->d;
	}
	return 0;
}

static int one_level(struct job *j, sf_score *s, sf_error_level *l)
{
	int64_t tiles = (j->n + TILE - 1) / TILE, i;
	double n = (double)j->n, error = 0, size = 0, square = 0;

	SF_TRY(sf_parallel(j->ctx, tiles, draw_tile, j));
	SF_TRY(sf_score_eval(s, SF_EPS, j->n, j->x, j->t, j->eps));
	SF_TRY(sf_parallel(j->ctx, tiles, compare_tile, j));
	for (i = 0; i < j->n; i++) { /* in order */
		error += j->error[i];
		size += j->size[i];
	}
	error /= n;
	for (i = 0; i < j->n; i++)
		square += (j->error[i] - error) * (j->error[i] - error);
	if (!isfinite(error))
		return sf_fail(j->ctx, SF_EDIVERGED, "score error: the score at t = %g is not finite", l->t);
	l->error = error;
	l->size = size / n;
	l->se = sqrt(square / (n - 1) / n);
	return SF_OK;
}

static int take(struct job *j)
{
	int64_t all;
	size_t n = (size_t)j->n;

	if (sf_mul_i64(j->n, j->d, &all) < 0 || all > INT64_C(1) << 40)
		return sf_fail(j->ctx, SF_ERANGE, "score error: %lld points of %lld numbers are too many", (long long)j->n,
		               (long long)j->d);
	j->x = sf_alloc((size_t)all, sizeof(double));
	j->eps = sf_alloc((size_t)all, sizeof(double));
	j->exact = sf_alloc((size_t)all, sizeof(double));
	j->t = sf_alloc(n, sizeof(double));
	j->error = sf_alloc(n, sizeof(double));
	j->size = sf_alloc(n, sizeof(double));
	if (!j->x || !j->eps || !j->exact || !j->t || !j->error || !j->size)
		return sf_fail(j->ctx, SF_ENOMEM, "score error: out of memory");
	return SF_OK;
}

static void drop(struct job *j)
{
	sf_free(j->x);
	sf_free(j->eps);
	sf_free(j->exact);
	sf_free(j->t);
	sf_free(j->error);
	sf_free(j->size);
}

static int check(sf_ctx *ctx, const sf_score *s, const sf_view *view, int64_t points, double smooth)
{
	const sf_data_info *info = sf_data_describe(view->data);

	SF_TRY(fits(ctx, sf_score_process(s)));
	if (info->size != sf_score_dim(s))
		return sf_fail(ctx, SF_EMISMATCH, "score error: data '%s' have %lld numbers a sample, the score has %lld",
		               sf_spec(view->data), (long long)info->size, (long long)sf_score_dim(s));
	if (points < 2 || points > INT64_C(1) << 40)
		return sf_fail(ctx, SF_ERANGE, "score error: %lld points a level; expected at least 2", (long long)points);
	if (!(smooth >= 0 && isfinite(smooth)))
		return sf_fail(ctx, SF_ERANGE, "score error: smooth = %g; expected 0 or more", smooth);
	return SF_OK;
}

int sf_metric_score_error(sf_score *s, const sf_view *view, int64_t points, uint64_t seed, double smooth, int64_t n,
                          sf_error_level *level, sf_error_level *mean)
{
	const sf_process *p = sf_score_process(s);
	sf_error_level sum = {0, 0, 0, 0, 0, 0};
	struct job j = {NULL, NULL, NULL, {0, SF_NOISE_EVALUATE, 0}, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL};
	int64_t i;
	int rc;

	j.ctx = sf_process_context(p);
	SF_TRY(check(j.ctx, s, view, points, smooth));
	j.view = view;
	j.key.seed = seed;
	j.n = points;
	j.d = sf_score_dim(s);
	rc = take(&j);
	for (i = 0; i < n && rc == 0; i++) {
		j.level = &level[i];
		j.key.step = (uint32_t)i;
		j.first = UNSEEN + (uint64_t)(i * points);
		j.tau = level[i].sigma * sqrt(1 + smooth * smooth);
		rc = one_level(&j, s, &level[i]);
		sum.error += level[i].error / (double)n;
		sum.size += level[i].size / (double)n;
		sum.se += level[i].se * level[i].se;
	}
	drop(&j);
	sum.se = sqrt(sum.se) / (double)(n > 0 ? n : 1);
	if (rc == 0 && mean)
		*mean = sum;
	return rc;
}
