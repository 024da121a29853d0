/* view.c: what a training loop reads. Values v as stored become x = (v - shift)/scale with
 *
 *                     levels 0 .. L-1    dequantised, v + u    others, lo .. hi
 *     unit [0,1]      0, L-1             0, L                  lo, hi-lo
 *     pm1 [-1,1]      (L-1)/2, (L-1)/2   L/2, L/2              (lo+hi)/2, (hi-lo)/2
 *     standard        mean, deviation/std over all coordinates
 *
 * Draw k is record pi_e(k mod n) in epoch e = k / n, for a permutation pi_e keyed by (seed, e); a
 * source without end gives its record k. Steps with a reference batch keep to one epoch, whose permutation
 * makes their records a uniform draw without replacement; what is not theirs is shuffled again, keyed by the
 * step. So any worker can make any draw, and a resumed run goes on where it was. Dequantisation adds u uniform on (0,1) (Theis, van den Oord, Bethge 2016) and with
 * it 1/12 to the variance.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

enum { STATISTICS = 10000, PIECE = 256 };

/* Draws that no step takes for its own start here. */
static const uint64_t BEYOND = (uint64_t)1 << 46;

/* Mean and deviation of all coordinates of the first records, in index order. Sums run around `lo`,
 * so that an offset does not swallow the deviation; grey levels give exact sums. */
static int statistics(const sf_data *d, double *mean, double *std)
{
	const sf_data_info *info = &d->info;
	int64_t n = info->n && info->n < STATISTICS ? info->n : STATISTICS, i, k;
	double *x = sf_alloc((size_t)info->size, sizeof *x), s1 = 0, s2 = 0, count;

	if (!x)
		return sf_fail(d->base.ctx, SF_ENOMEM, "data '%s': out of memory",
		               d->base.cls->name);
	for (i = 0; i < n; i++) {
		double r1 = 0, r2 = 0;

		sf_data_read(d, i, x, NULL);
		for (k = 0; k < info->size; k++) {
			double v = x[k] - info->lo;

			r1 += v;
			r2 += v * v;
		}
		s1 += r1;
		s2 += r2;
	}
	sf_free(x);
	count = (double)n * (double)info->size;
	*mean = info->lo + s1 / count;
	*std = sqrt(fmax(0, s2 / count - (s1 / count) * (s1 / count)));
	return SF_OK;
}

static int check(const sf_data *d, sf_scaling scaling, double std, int flip, int dequantise)
{
	const char *name = d->base.cls->name;
	sf_ctx *ctx = d->base.ctx;

	if (flip && d->info.rank != 3)
		return sf_fail(ctx, SF_EUNSUP,
		               "data '%s' has no left and right to flip; only images have", name);
	if (dequantise && !d->info.levels)
		return sf_fail(ctx, SF_EUNSUP, "data '%s' has no grey levels to dequantise", name);
	if (scaling == SF_SCALE_STANDARD && !(std > 0 && isfinite(std)))
		return sf_fail(ctx, SF_ERANGE,
		               "standard deviation %g to scale data '%s' to; expected > 0", std,
		               name);
	return SF_OK;
}

int sf_view_make(const sf_data *d, sf_scaling scaling, double std, int flip, int dequantise,
                 uint64_t seed, sf_view *view)
{
	const sf_data_info *info = &d->info;
	double lo = info->levels ? 0 : info->lo, mean = 0, deviation = 0;
	double hi = info->levels ? info->levels - (dequantise ? 0 : 1) : info->hi;

	SF_TRY(check(d, scaling, std, flip, dequantise));
	SF_TRY(statistics(d, &mean, &deviation));
	if (dequantise) {
		mean += 0.5;
		deviation = sqrt(deviation * deviation + 1.0 / 12);
	}
	view->data = d;
	view->shift = 0;
	view->scale = 1;
	view->flip = flip;
	view->dequantise = dequantise;
	view->augment = 0;
	view->augment_kinds = 0;
	view->seed = seed;
	switch (scaling) {
	case SF_SCALE_NONE:
		break;
	case SF_SCALE_UNIT:
		view->shift = lo;
		view->scale = hi - lo;
		break;
	case SF_SCALE_PM1:
		view->shift = (lo + hi) / 2;
		view->scale = (hi - lo) / 2;
		break;
	case SF_SCALE_STANDARD:
		view->shift = mean;
		view->scale = deviation / std;
		break;
	}
	if (!(view->scale > 0))
		return sf_fail(d->base.ctx, SF_EINVAL, "data '%s' is constant and cannot be scaled",
		               d->base.cls->name);
	view->mean = (mean - view->shift) / view->scale;
	view->std = deviation / view->scale;
	return SF_OK;
}

void sf_mirror(int64_t h, int64_t w, int64_t c, double *x)
{
	int64_t y, l, k;

	for (y = 0; y < h; y++, x += w * c)
		for (l = 0; l < w / 2; l++)
			for (k = 0; k < c; k++) {
				double left = x[l * c + k], *right = &x[(w - 1 - l) * c + k];

				x[l * c + k] = *right;
				*right = left;
			}
}

static void dequantise(const sf_view *v, uint32_t pass, uint64_t draw, double *x)
{
	sf_noise key = {v->seed, SF_NOISE_DEQUANT, pass};
	int64_t size = v->data->info.size, at, n, k;
	double u[PIECE];

	for (at = 0; at < size; at += n) {
		n = size - at < PIECE ? size - at : PIECE;
		sf_noise_uniform_d(v->data->base.ctx, key, draw, (uint64_t)at, (size_t)n, u);
		for (k = 0; k < n; k++)
			x[at + k] += u[k];
	}
}

static void scale(const sf_view *v, double *x)
{
	int64_t i;

	for (i = 0; i < v->data->info.size; i++)
		x[i] = (x[i] - v->shift) / v->scale;
}

/* Position `at` of epoch `epoch`. */
static uint64_t shuffled(const sf_view *v, uint64_t epoch, uint64_t at)
{
	sf_noise key = {v->seed, SF_NOISE_ORDER, 0};

	key.step = (uint32_t)epoch;
	return sf_noise_permute(key, (uint64_t)v->data->info.n, at);
}

static int mirrors(const sf_view *v, uint64_t draw)
{
	sf_noise key = {v->seed, SF_NOISE_FLIP, 0};
	double u;

	if (!v->flip)
		return 0;
	sf_noise_uniform_d(v->data->base.ctx, key, draw, 0, 1, &u);
	return u < 0.5;
}

void sf_view_which(const sf_view *v, uint64_t draw, int64_t *record, int *mirrored)
{
	uint64_t n = (uint64_t)v->data->info.n;

	*record = (int64_t)shuffled(v, draw / n, draw % n);
	*mirrored = mirrors(v, draw);
}

/* Record `index`, flipped and dequantised as draw number `draw`. */
static void read(const sf_view *v, uint64_t index, uint64_t draw, double *x, int *label)
{
	sf_data_read(v->data, (int64_t)index, x, label);
	if (mirrors(v, draw))
		sf_mirror(v->data->info.dim[0], v->data->info.dim[1], v->data->info.dim[2], x);
	if (v->dequantise)
		dequantise(v, 0, draw, x);
	scale(v, x);
}

void sf_view_draw(const sf_view *v, uint64_t draw, double *x, int *label)
{
	uint64_t n = (uint64_t)v->data->info.n;

	read(v, n ? shuffled(v, draw / n, draw % n) : draw, draw, x, label);
}

void sf_view_draws(const sf_view *v, uint64_t draw, int64_t n, double *x, double *label)
{
	struct sf_toy_block block;
	sf_data reader = *v->data;
	sf_view own = *v;
	int64_t i;

	block.first = block.n = 0;
	reader.block = &block;
	own.data = &reader;
	for (i = 0; i < n; i++) {
		int l = -1;

		sf_view_draw(&own, draw + (uint64_t)i, x + i * reader.info.size, &l);
		label[i] = l;
	}
}

uint64_t sf_view_number(uint64_t step, int64_t batch, int64_t rows, int64_t row)
{
	uint64_t b = (uint64_t)batch, i = (uint64_t)row;

	return i < b ? step * b + i : BEYOND + step * ((uint64_t)rows - b) + (i - b);
}

void sf_view_reference(const sf_view *v, uint64_t step, int64_t batch, int64_t rows, int64_t row, double *x, int *label)
{
	uint64_t n = (uint64_t)v->data->info.n, b = (uint64_t)batch, i = (uint64_t)row, per, own, at;
	uint64_t draw = sf_view_number(step, batch, rows, row);

	if (!n) {
		read(v, draw, draw, x, label);
		return;
	}
	per = n / b; /* steps in an epoch */
	own = step % per * b;
	at = own + i;
	if (i >= b) { /* a permutation of the positions that are not the step's own */
		sf_noise key = {v->seed, SF_NOISE_REFERENCE, 0};

		key.step = (uint32_t)step;
		at = sf_noise_permute(key, n - b, i - b);
		at += at < own ? 0 : b;
	}
	read(v, shuffled(v, step / per, at), draw, x, label);
}

void sf_view_read(const sf_view *v, int64_t index, double *x, int *label)
{
	sf_data_read(v->data, index, x, label);
	scale(v, x);
}

void sf_view_spread(const sf_view *v, int64_t index, uint32_t pass, double *x, int *label)
{
	int64_t i;

	sf_data_read(v->data, index, x, label);
	if (v->data->info.levels)
		dequantise(v, pass, (uint64_t)index, x);
	for (i = 0; v->data->info.levels && !v->dequantise && i < v->data->info.size; i++)
		x[i] -= 0.5;
	scale(v, x);
}
