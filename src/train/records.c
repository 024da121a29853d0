/* records.c: small sets of images on a device, one byte a number, so that a step's data need not cross to it.
 *
 * What qualifies, for everything else is read, augmented, drawn and rounded on the host:
 *
 *     data        grey levels, 256 at most, in less than a quarter of the memory that is free on the device; not augmented
 *     objective   a draw is x_t = alpha x_0 + sigma z and nothing else (sf_objective_plain)
 *     model       of the data, not of latents; no augmentation labels
 *
 * Either way a plan reads the same bits (batch_device.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "data/data.h"
#include "graph/device.h"
#include "objective/batch.h"

#include <stdlib.h>
#include <string.h>

struct sf_records {
	sf_ctx *ctx;
	sf_batch_source source;
	unsigned char *there;
	int *label;
};

enum { LEVELS = 256, PIECE = 1 << 20 };

static int fits(const sf_setup *s, const sf_device_link *l, size_t *bytes)
{
	sf_device_info info;

	if (!l || !s->data || s->vae || s->augmenter || s->model.augments > 0 || !s->objective || !sf_objective_plain(s->objective, &s->model))
		return 0;
	if (s->info.n < 1 || s->info.levels < 1 || s->info.levels > LEVELS)
		return 0;
	memset(&info, 0, sizeof info);
	l->unit->describe(l->d, &info);
	return sf_mul_size((size_t)s->info.n, (size_t)s->info.size, bytes) == 0 && (double)*bytes <= info.free / 4;
}

/* Records first .. first+n-1 as bytes; 0 where a value is no whole number of a byte, which sources with levels promise. */
static int to_bytes(const sf_setup *s, int64_t first, int64_t n, double *x, unsigned char *bytes, int *label)
{
	int64_t i, k;
	int whole = 1;

	for (i = 0; i < n; i++) {
		sf_data_read(s->data, first + i, x, &label[first + i]);
		for (k = 0; k < s->info.size; k++) {
			int in = x[k] >= 0 && x[k] < LEVELS;

			bytes[i * s->info.size + k] = in ? (unsigned char)x[k] : 0;
			whole &= in && (double)bytes[i * s->info.size + k] == x[k];
		}
	}
	return whole;
}

/* *whole: as above. */
static int upload(sf_records *r, const sf_setup *s, int *whole)
{
	int64_t size = s->info.size, some = size < PIECE ? PIECE / size : 1, first, n;
	double *x = sf_alloc((size_t)size, sizeof *x);
	unsigned char *bytes = sf_alloc((size_t)some, (size_t)size);
	int rc = x && bytes ? SF_OK : sf_fail(s->ctx, SF_ENOMEM, "training: out of memory");

	*whole = 1;
	for (first = 0; rc == 0 && *whole && first < s->info.n; first += n) {
		n = s->info.n - first < some ? s->info.n - first : some;
		*whole = to_bytes(s, first, n, x, bytes, r->label);
		rc = sf_device_copy(s->ctx, r->there + first * size, bytes, (size_t)(n * size));
	}
	sf_free(bytes);
	sf_free(x);
	return rc;
}

static void describe(sf_records *r, const sf_setup *s)
{
	sf_batch_source *to = &r->source;

	to->records = r->there;
	to->label = r->label;
	to->width = s->info.rank == 3 ? s->info.dim[1] : s->info.size;
	to->channels = s->info.rank == 3 ? s->info.dim[2] : 1;
	to->shift = s->view.shift;
	to->scale = s->view.scale;
	to->dequantise = s->view.dequantise;
	to->seed = s->view.seed;
}

int sf_records_new(const sf_setup *s, sf_records **out)
{
	const sf_device_link *l = sf_device_of(s->ctx, (int)s->type);
	size_t bytes = 0;
	sf_records *r;
	int rc, whole = 0;

	*out = NULL;
	if (!fits(s, l, &bytes))
		return SF_OK;
	r = sf_alloc(1, sizeof *r);
	if (!r || !(r->label = sf_alloc((size_t)s->info.n, sizeof *r->label))) {
		sf_free(r);
		return sf_fail(s->ctx, SF_ENOMEM, "training: out of memory");
	}
	r->ctx = s->ctx;
	r->there = sf_device_take(s->ctx, bytes);
	rc = r->there ? upload(r, s, &whole) : SF_ENOMEM;
	if (rc < 0 || !whole) {
		sf_records_free(r);
		return rc;
	}
	describe(r, s);
	*out = r;
	return SF_OK;
}

void sf_records_free(sf_records *r)
{
	if (!r)
		return;
	sf_device_give(r->ctx, r->there);
	sf_free(r->label);
	sf_free(r);
}

const struct sf_batch_source *sf_records_source(const sf_records *r)
{
	return &r->source;
}
