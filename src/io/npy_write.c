/* npy_write.c: NPY 1.0, little-endian, C order; the header is padded so that elements start at a
 * multiple of 64 bytes, as NumPy does.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <stdio.h>
#include <string.h>

void sf_emit_le(const void *data, size_t count, size_t element, sf_put_fn put, void *to)
{
	const unsigned char *p = data;
	unsigned char swapped[4096];
	size_t room = sizeof swapped / element;

	if (element == 1 || sf_host_is_little()) {
		put(to, data, count * element);
		return;
	}
	while (count > 0) {
		size_t n = count < room ? count : room;

		sf_swap(p, swapped, n, element);
		put(to, swapped, n * element);
		p += n * element;
		count -= n;
	}
}

static const char *descr(sf_element type)
{
	switch (type) {
	case SF_U8:
		return "|u1";
	case SF_I8:
		return "|i1";
	case SF_I16:
		return "<i2";
	case SF_U16:
		return "<u2";
	case SF_I32:
		return "<i4";
	case SF_U32:
		return "<u4";
	case SF_I64:
		return "<i8";
	case SF_U64:
		return "<u8";
	case SF_FLOAT32:
		return "<f4";
	case SF_FLOAT64:
		return "<f8";
	}
	return NULL;
}

int sf_npy_emit(sf_ctx *ctx, const char *what, const sf_array *a, sf_put_fn put, void *to,
                size_t *size)
{
	char text[512];
	unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0};
	size_t n, es = sf_element_size(a->type);
	int64_t count, bytes;
	int i;

	if (a->rank < 0 || a->rank > SF_ARRAY_MAXRANK || !descr(a->type))
		return sf_fail(ctx, SF_EINVAL, "%s: not an array (rank %d)", what, a->rank);
	if (sf_shape_size(a->rank, a->dim, es, &count, &bytes) < 0 || count != a->size)
		return sf_fail(ctx, SF_EINVAL,
		               "%s: the array's size %lld is not the product of its dimensions",
		               what, (long long)a->size);
	n = (size_t)snprintf(text, sizeof text,
	                     "{'descr': '%s', 'fortran_order': False, 'shape': (", descr(a->type));
	for (i = 0; i < a->rank; i++) /* (3,)  (3, 4) */
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%lld%s", i ? " " : "",
		                      (long long)a->dim[i],
		                      i + 1 < a->rank || a->rank == 1 ? "," : "");
	n += (size_t)snprintf(text + n, sizeof text - n, "), }");
	while ((sizeof head + n + 1) % 64 != 0)
		text[n++] = ' ';
	text[n++] = '\n';
	sf_put_le(head + 8, n, 2);
	put(to, head, sizeof head);
	put(to, text, n);
	sf_emit_le(a->data, (size_t)count, es, put, to);
	if (size)
		*size = sizeof head + n + (size_t)bytes;
	return SF_OK;
}

static void put_out(void *to, const void *bytes, size_t size)
{
	sf_out_put(to, bytes, size);
}

int sf_npy_write(sf_ctx *ctx, const char *path, const sf_array *a)
{
	sf_out o;

	SF_TRY(sf_out_open(ctx, path, &o));
	return sf_out_close(&o, sf_npy_emit(ctx, path, a, put_out, &o, NULL));
}
