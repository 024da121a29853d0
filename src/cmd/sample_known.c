/* sample_known.c: what is known of the samples, from files: values, and a mask that is white (not 0) where they count.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void shape_text(const sf_array *a, char *text, size_t size)
{
	size_t at = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < a->rank && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, "%s%lld", i ? "x" : "", (long long)a->dim[i]);
}

/* An array, or the bytes of a picture as (h,w,c); *bytes tells which. */
static int read_file(sf_ctx *ctx, const char *path, sf_array *a, int *bytes)
{
	unsigned char *pixels;
	int c, rc;

	memset(a, 0, sizeof *a);
	*bytes = ends_in(path, ".png");
	if (!*bytes && !ends_in(path, ".npy"))
		return fail(STATUS_INPUT, "'%s': expected a name that ends in .png or .npy", path);
	if (!*bytes)
		return sf_npy_read(ctx, path, a);
	rc = sf_png_read(ctx, path, &a->dim[0], &a->dim[1], &c, &pixels);
	if (rc)
		return rc;
	a->type = SF_U8;
	a->rank = 3;
	a->dim[2] = c;
	a->size = a->dim[0] * a->dim[1] * c;
	a->data = pixels;
	return 0;
}

/* Whether the last `rank` dimensions of the array are the model's, with channels left out where `flat`. */
static int fits(const sf_array *a, const model *m, int leading, int flat)
{
	int i, rank = m->setup.model.rank - flat;

	if (a->rank != rank + leading)
		return 0;
	for (i = 0; i < rank; i++)
		if (a->dim[leading + i] != m->setup.model.dim[i])
			return 0;
	return 1;
}

static int refuse_shape(const char *what, const char *path, const sf_array *a, const model *m)
{
	char got[160], want[80];
	sf_array one;

	samples_shape(m, 1, &one);
	memmove(one.dim, one.dim + 1, (size_t)--one.rank * sizeof *one.dim);
	shape_text(a, got, sizeof got);
	shape_text(&one, want, sizeof want);
	return fail(STATUS_INPUT, "%s: %s has the shape %s, the model's samples have %s", path, what, got, want);
}

/* The values, (rows,size): those of a picture scaled from 0..255 to the data's range. */
static int take_values(const model *m, const char *path, const sf_array *a, int bytes, known_part *k)
{
	const sf_setup *s = &m->setup;
	int64_t size = s->model.size, c = s->model.dim[s->model.rank - 1], i, total;
	int one = fits(a, m, 0, 0), grey = s->model.rank == 3 && a->rank == 3 && a->dim[2] == 1 && c > 1 &&
	                                   a->dim[0] == s->model.dim[0] && a->dim[1] == s->model.dim[1];
	int flat = s->model.rank == 3 && c == 1;

	if (!one && !grey && !fits(a, m, 1, 0) && !(flat && (fits(a, m, 0, 1) || fits(a, m, 1, 1))))
		return refuse_shape("the known part", path, a, m);
	total = grey ? size : a->size;
	if (total < 1)
		return refuse_shape("the known part", path, a, m);
	k->x = malloc((size_t)total * sizeof *k->x);
	if (!k->x)
		return fail(STATUS_INPUT, "%s: out of memory", path);
	for (i = 0; i < total; i++) {
		double v = sf_array_get(a, grey ? i / c : i);

		if (bytes)
			v = s->info.lo + v / 255 * (s->info.hi - s->info.lo);
		k->x[i] = (v - s->view.shift) / s->view.scale;
	}
	k->known.rows = total / size;
	return 0;
}

static int take_mask(const model *m, const char *path, const sf_array *a, int bytes, known_part *k)
{
	int64_t size = m->setup.model.size, c = m->setup.model.dim[m->setup.model.rank - 1], i, known = 0;
	int image = m->setup.model.rank == 3, whole = fits(a, m, 0, 0) || (fits(a, m, 1, 0) && a->dim[0] == 1);
	int plane = image && (fits(a, m, 0, 1) || (a->rank == 3 && a->dim[2] == 1 && a->dim[0] == m->setup.model.dim[0] &&
	                                           a->dim[1] == m->setup.model.dim[1]));
	int rgb = bytes && image && c == 1 && a->dim[2] == 3 && a->dim[0] == m->setup.model.dim[0] &&
	          a->dim[1] == m->setup.model.dim[1];

	if (!whole && !plane && !rgb)
		return refuse_shape("the mask", path, a, m);
	k->mask = malloc((size_t)size);
	if (!k->mask)
		return fail(STATUS_INPUT, "%s: out of memory", path);
	for (i = 0; i < size; i++) {
		double v = sf_array_get(a, rgb ? 3 * i : whole ? i : i / c);

		if (!isfinite(v))
			return fail(STATUS_INPUT, "%s: element %lld of the mask is not finite", path, (long long)i);
		k->mask[i] = bytes ? v >= 128 : v != 0;
		known += k->mask[i];
	}
	if (known == 0)
		return fail(STATUS_INPUT, "%s: the mask marks nothing as known (white, or not 0)", path);
	return 0;
}

int known_read(sf_ctx *ctx, const model *m, const char *file, const char *mask, known_part *k)
{
	sf_array a, b;
	int bytes, rc;

	memset(k, 0, sizeof *k);
	memset(&b, 0, sizeof b);
	rc = read_file(ctx, file, &a, &bytes);
	if (rc == 0)
		rc = take_values(m, file, &a, bytes, k);
	sf_array_free(&a);
	if (rc == 0)
		rc = read_file(ctx, mask, &b, &bytes);
	if (rc == 0)
		rc = take_mask(m, mask, &b, bytes, k);
	sf_array_free(&b);
	if (rc)
		known_free(k);
	k->known.mask = k->mask;
	k->known.x = k->x;
	return rc;
}

void known_free(known_part *k)
{
	free(k->mask);
	free(k->x);
	memset(k, 0, sizeof *k);
}
