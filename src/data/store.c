/* store.c: records that are held in memory, in the element type of their file, and their labels.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>
#include <string.h>

enum { CLASSES_MAX = 1000000, BLOCK = 1024 };

/* Least and largest value; refuses what is not finite, or with levels not a whole number below
 * them. */
static int scan(sf_ctx *ctx, const char *what, const sf_array *x, int64_t levels, double *lo,
                double *hi)
{
	double v[BLOCK];
	int64_t at, i, n;

	*lo = INFINITY;
	*hi = -INFINITY;
	for (at = 0; at < x->size; at += n) {
		n = x->size - at < BLOCK ? x->size - at : BLOCK;
		sf_array_range(x, at, n, v);
		for (i = 0; i < n; i++) {
			if (!isfinite(v[i]))
				return sf_fail(ctx, SF_EFORMAT, "%s: element %lld is not finite",
				               what, (long long)(at + i));
			if (levels > 0 &&
			    (v[i] < 0 || v[i] >= (double)levels || v[i] != floor(v[i])))
				return sf_fail(ctx, SF_EFORMAT,
				               "%s: element %lld is %g; expected whole numbers "
				               "from 0 to %lld",
				               what, (long long)(at + i), v[i],
				               (long long)levels - 1);
			*lo = v[i] < *lo ? v[i] : *lo;
			*hi = v[i] > *hi ? v[i] : *hi;
		}
	}
	return SF_OK;
}

int sf_store_describe(sf_data *d, const char *what, int64_t levels)
{
	const sf_array *x = &((const sf_store *)sf_data_state(d))->x;
	sf_data_info *info = &d->info;
	sf_ctx *ctx = d->base.ctx;
	int i;

	if (x->rank < 2 || x->rank > 4)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: %d dimensions; expected (n,d), (n,h,w) or (n,h,w,c)", what,
		               x->rank);
	if (x->size == 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: no records, or records without elements",
		               what);
	info->n = x->dim[0];
	info->rank = x->rank == 2 ? 1 : 3;
	info->dim[0] = x->dim[1];
	for (i = 1; i < info->rank; i++)
		info->dim[i] = i + 1 < x->rank ? x->dim[i + 1] : 1;
	info->size = x->size / x->dim[0];
	info->bytes = x->size * (int64_t)sf_element_size(x->type);
	info->classes = 0;
	info->levels = (int)(levels ? levels : x->type == SF_U8 ? 256 : 0);
	if (!levels && x->type == SF_U8) {
		info->lo = 0;
		info->hi = 255;
		return SF_OK;
	}
	SF_TRY(scan(ctx, what, x, levels, &info->lo, &info->hi));
	if (levels) {
		info->lo = 0;
		info->hi = (double)(levels - 1);
	}
	return SF_OK;
}

int sf_store_label(sf_data *d, const char *what, const sf_array *labels)
{
	sf_store *s = sf_data_state(d);
	sf_ctx *ctx = d->base.ctx;
	int64_t i;

	if (labels->rank != 1 || labels->size != d->info.n)
		return sf_fail(ctx, SF_EMISMATCH,
		               "%s: %lld labels in %d dimensions; expected (%lld), one a record",
		               what, (long long)labels->size, labels->rank, (long long)d->info.n);
	s->label = sf_alloc((size_t)labels->size, sizeof *s->label);
	if (!s->label)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	d->info.bytes += labels->size * (int64_t)sizeof *s->label;
	for (i = 0; i < labels->size; i++) {
		double v = sf_array_get(labels, i);

		if (!(v >= 0 && v < CLASSES_MAX) || v != floor(v))
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: label %lld is %g; expected a whole number from 0 to %d",
			               what, (long long)i, v, CLASSES_MAX - 1);
		s->label[i] = (int)v;
		if (s->label[i] >= d->info.classes)
			d->info.classes = s->label[i] + 1;
	}
	return SF_OK;
}

int sf_store_idx(sf_data *d, const char *images, const char *labels, int64_t levels)
{
	sf_store *s = sf_data_state(d);
	sf_array l;
	int rc;

	SF_TRY(sf_idx_read(d->base.ctx, images, &s->x));
	SF_TRY(sf_store_describe(d, images, levels));
	if (!*labels)
		return SF_OK;
	SF_TRY(sf_idx_read(d->base.ctx, labels, &l));
	rc = sf_store_label(d, labels, &l);
	sf_array_free(&l);
	return rc;
}

int sf_store_pad(sf_data *d, const char *what, int64_t pad)
{
	sf_store *s = sf_data_state(d);
	const int64_t h = s->x.dim[1], w = s->x.dim[2], ho = h + 2 * pad, wo = w + 2 * pad;
	unsigned char *wide;
	int64_t i;

	if (pad == 0)
		return SF_OK;
	if (s->x.type != SF_U8 || s->x.rank != 3)
		return sf_fail(d->base.ctx, SF_EFORMAT, "%s: only grey images of bytes can be padded", what);
	wide = sf_alloc((size_t)(s->x.dim[0] * ho), (size_t)wo); /* zeroed: black */
	if (!wide)
		return sf_fail(d->base.ctx, SF_ENOMEM, "%s: out of memory", what);
	for (i = 0; i < s->x.dim[0] * h; i++)
		memcpy(wide + (i / h * ho + pad + i % h) * wo + pad, (const unsigned char *)s->x.data + i * w, (size_t)w);
	sf_free(s->x.data);
	s->x.data = wide;
	s->x.dim[1] = d->info.dim[0] = ho;
	s->x.dim[2] = d->info.dim[1] = wo;
	d->info.bytes += (ho * wo - h * w) * s->x.dim[0];
	d->info.size = ho * wo;
	s->x.size = s->x.dim[0] * ho * wo;
	return SF_OK;
}

void sf_store_read(const sf_data *d, int64_t index, double *x, int *label)
{
	const sf_store *s = sf_data_state(d);

	sf_array_range(&s->x, index * d->info.size, d->info.size, x);
	if (label)
		*label = s->label ? s->label[index] : -1;
}

void sf_store_fini(void *state)
{
	sf_store *s = state;

	sf_array_free(&s->x);
	sf_free(s->label);
}
