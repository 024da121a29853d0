/* optimiser.c: Adam (Kingma and Ba 2015, algorithm 1) over flat buffers, without weight decay, with
 *
 *     warm-up    lr_n = lr min(n/warmup, 1),              n updates (or images) before: the first has rate 0
 *     clipping   g <- g min(1, clip/(|g| + 1e-6))         global Euclidean norm
 *     nonfinite  NaN -> 0, +-inf -> +-1e5 in the mean gradient, with nonfinite=zero
 *     averages   e <- p + d_n (e - p)
 *                tf:  d_n = min(ema, (1 + n)/(10 + n)),   n = 1, 2, ... updates (d_1 = 2/11, d_10 = 0.55)
 *                edm: d_n = 2^{-B/h}, h = min(halflife, 0.05 B n), B images a batch, n updates before
 *
 * after score_sde (Song et al. 2021, 2011.13456, losses.py and ema.py) and EDM (Karras et al. 2022, training loop: warm-up
 * over 1e7 images, no clipping, numbers that are not finite replaced). NCSNv2 (Song and Ermon 2020) has ema=0.999 and no ramp.
 * Known answers: tf d_1000 = 0.991089; edm with B = 512 after 1e5 images 0.931482.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

double sf_train_lr(const sf_settings *s, int64_t done)
{
	return sf_train_rate(s, s->train.lr, done);
}

double sf_train_rate(const sf_settings *s, double lr, int64_t done)
{
	double n = (double)done, rise = (double)s->train.warmup;

	if (s->train.warmup_images > 0) {
		n *= (double)s->train.batch;
		rise = (double)s->train.warmup_images;
	}
	return n < rise ? lr * n / rise : lr;
}

double sf_train_ema(const sf_settings *s, int i, int64_t done)
{
	double n = (double)done + 1, batch = (double)s->train.batch;

	switch (s->train.ema_ramp) {
	case SF_RAMP_TF:
		return fmin(s->train.ema.v[i], (1 + n) / (10 + n));
	case SF_RAMP_EDM:
		return exp2(-batch / fmax(fmin(s->train.ema_halflife.v[i], .05 * (double)done * batch), 1e-8));
	default:
		return s->train.ema.v[i];
	}
}

double sf_train_clip(const sf_settings *s, double norm)
{
	return s->train.clip > 0 ? fmin(1, s->train.clip / (norm + 1e-6)) : 1;
}

struct job {
	sf_dtype type;
	int64_t n, first; /* numbers, and where in the buffers they begin */
	const void *g;
	void *replace; /* g, where it is written to; NULL: it is not */
	double most;
	double *partial;
	const sf_adam *adam;
	const double *ema; /* decays of the averages */
	const sf_kern_f32 *k32;
	const sf_kern_f64 *k64;
	sf_state *st;
};

static int64_t length(const struct job *j, int64_t tile)
{
	int64_t left = j->n - tile * SF_TRAIN_TILE;

	return left < SF_TRAIN_TILE ? left : SF_TRAIN_TILE;
}

static int norm_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t n = length(j, tile), first = tile * SF_TRAIN_TILE;

	(void)worker;
	j->partial[tile] = j->type == SF_F32 ? j->k32->squares(n, (const float *)j->g + first)
	                                     : j->k64->squares(n, (const double *)j->g + first);
	return 0;
}

double sf_train_norm(const sf_ctx *ctx, sf_dtype type, int64_t n, const void *g, double *partial)
{
	int64_t i, tiles = (n + SF_TRAIN_TILE - 1) / SF_TRAIN_TILE;
	struct job j;
	double sum = 0;

	memset(&j, 0, sizeof j);
	j.type = type;
	j.n = n;
	j.g = g;
	j.partial = partial;
	if (type == SF_F32)
		j.k32 = sf_kernels_f32(ctx);
	else
		j.k64 = sf_kernels_f64(ctx);
	sf_parallel_work(ctx, .1 * (double)n, tiles, norm_tile, &j);
	for (i = 0; i < tiles; i++)
		sum += partial[i];
	return sqrt(sum);
}

static int replace_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t i, n = length(j, tile), first = tile * SF_TRAIN_TILE;
	double count = 0;

	(void)worker;
	for (i = first; i < first + n; i++) {
		double g = j->type == SF_F32 ? (double)((const float *)j->g)[i] : ((const double *)j->g)[i];

		if (isfinite(g))
			continue;
		g = isnan(g) ? 0 : g > 0 ? j->most : -j->most;
		if (!j->replace)
			;
		else if (j->type == SF_F32)
			((float *)j->replace)[i] = (float)g;
		else
			((double *)j->replace)[i] = g;
		count++;
	}
	j->partial[tile] = count;
	return 0;
}

static int64_t nonfinite(const sf_ctx *ctx, sf_dtype type, int64_t n, const void *g, void *replace, double most,
                         double *partial)
{
	int64_t i, tiles = (n + SF_TRAIN_TILE - 1) / SF_TRAIN_TILE;
	struct job j;
	double count = 0;

	memset(&j, 0, sizeof j);
	j.type = type;
	j.n = n;
	j.g = g;
	j.replace = replace;
	j.most = most;
	j.partial = partial;
	sf_parallel_work(ctx, (double)n, tiles, replace_tile, &j);
	for (i = 0; i < tiles; i++)
		count += partial[i];
	return (int64_t)count;
}

int64_t sf_train_sanitise(const sf_ctx *ctx, sf_dtype type, int64_t n, void *g, double most, double *partial)
{
	return nonfinite(ctx, type, n, g, g, most, partial);
}

int sf_train_finite(const sf_ctx *ctx, const sf_state *st, double *partial)
{
	int i, bad = 0;

	bad |= nonfinite(ctx, st->type, st->total, st->param, NULL, 0, partial) > 0;
	bad |= nonfinite(ctx, st->type, st->total, st->m, NULL, 0, partial) > 0;
	bad |= nonfinite(ctx, st->type, st->total, st->v, NULL, 0, partial) > 0;
	bad |= nonfinite(ctx, st->type, st->total, st->ema, NULL, 0, partial) > 0;
	for (i = 1; i < st->averages; i++)
		bad |= nonfinite(ctx, st->type, st->total, st->more[i - 1], NULL, 0, partial) > 0;
	return !bad;
}

/* The further averages read the tile's weights while they are in cache. */
static int adam_tile(void *arg, int64_t tile, int worker)
{
	struct job *j = arg;
	int64_t n = length(j, tile), i = j->first + tile * SF_TRAIN_TILE;
	sf_state *st = j->st;
	int k;

	(void)worker;
	if (j->type == SF_F32)
		j->k32->adam(n, j->adam, (const float *)j->g + i, (float *)st->param + i, (float *)st->m + i,
		             (float *)st->v + i, (float *)st->ema + i);
	else
		j->k64->adam(n, j->adam, (const double *)j->g + i, (double *)st->param + i, (double *)st->m + i,
		             (double *)st->v + i, (double *)st->ema + i);
	for (k = 1; k < st->averages; k++) {
		if (j->type == SF_F32)
			j->k32->average(n, j->ema[k], (float *)st->param + i, (float *)st->more[k - 1] + i);
		else
			j->k64->average(n, j->ema[k], (double *)st->param + i, (double *)st->more[k - 1] + i);
	}
	return 0;
}

int sf_train_update(const sf_ctx *ctx, const sf_settings *s, sf_state *st, const void *grad, double gscale)
{
	sf_part all;

	all.first = 0;
	all.n = st->total;
	all.done = st->step;
	all.lr = s->train.lr;
	SF_TRY(sf_train_part(ctx, s, st, &all, grad, gscale));
	st->step++;
	return SF_OK;
}

void sf_train_adam(const sf_settings *s, const sf_part *part, double gscale, int averages, sf_adam *a, double *ema)
{
	double n = (double)part->done + 1;
	int i;

	for (i = 0; i < averages; i++)
		ema[i] = sf_train_ema(s, i, part->done);
	a->lr = sf_train_rate(s, part->lr, part->done);
	a->beta1 = s->train.beta1;
	a->beta2 = s->train.beta2;
	a->eps = s->train.eps;
	a->bias1 = -expm1(n * log(a->beta1)); /* 1 - beta^n */
	a->bias2 = -expm1(n * log(a->beta2));
	a->gscale = gscale;
	a->ema = ema[0];
}

int sf_train_part(const sf_ctx *ctx, const sf_settings *s, sf_state *st, const sf_part *part, const void *grad, double gscale)
{
	double ema[SF_AVERAGES];
	struct job j;
	sf_adam a;

	memset(&j, 0, sizeof j);
	if (st->averages > sf_averages(s)->n)
		return SF_EINVAL;
	sf_train_adam(s, part, gscale, st->averages, &a, ema);
	j.type = st->type;
	j.n = part->n;
	j.first = part->first;
	j.g = grad;
	j.adam = &a;
	j.ema = ema;
	j.st = st;
	if (st->type == SF_F32)
		j.k32 = sf_kernels_f32(ctx);
	else
		j.k64 = sf_kernels_f64(ctx);
	return sf_parallel_work(ctx, (.2 + .2 * st->averages) * (double)part->n, (part->n + SF_TRAIN_TILE - 1) / SF_TRAIN_TILE, adam_tile, &j);
}
