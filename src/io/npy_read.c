/* npy_read.c: NumPy's NPY format, versions 1.0, 2.0 and 3.0:
 *
 *     \x93 N U M P Y  major minor  header length (u16 or u32)  header  elements
 *
 * The header is a Python dictionary with exactly the keys descr ("<f4"), fortran_order and shape.
 * It is read by a strict parser, not evaluated. Elements of either byte and memory order become
 * row-major arrays of the host's order. Booleans are read as U8. Older writers align the header to
 * 16 bytes, newer ones to 64; no reader depends on it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEADER_MAX = 1 << 20 };

typedef struct header {
	const char *p, *end; /* what is left of the text */
	sf_element type;
	int little, fortran, rank;
	int64_t dim[SF_ARRAY_MAXRANK];
} header;

static void spaces(header *h)
{
	while (h->p < h->end && (*h->p == ' ' || *h->p == '\t'))
		h->p++;
}

static int take(header *h, char c)
{
	spaces(h);
	if (h->p == h->end || *h->p != c)
		return 0;
	h->p++;
	return 1;
}

static int word(header *h, const char *w)
{
	size_t n = strlen(w);

	spaces(h);
	if ((size_t)(h->end - h->p) < n || memcmp(h->p, w, n) != 0)
		return 0;
	h->p += n;
	return 1;
}

/* A quoted string without escapes. */
static int quoted(header *h, char *out, size_t size)
{
	char q = '\'';
	size_t n = 0;

	if (!take(h, q) && !take(h, q = '"'))
		return 0;
	for (; h->p < h->end && *h->p != q; h->p++) {
		if (*h->p == '\\' || n + 1 >= size)
			return 0;
		out[n++] = *h->p;
	}
	out[n] = '\0';
	return take(h, q);
}

static int shape(sf_ctx *ctx, const char *what, header *h)
{
	int comma = 1;

	if (!take(h, '('))
		return sf_fail(ctx, SF_EFORMAT, "%s: NPY header: shape is not a tuple of numbers",
		               what);
	for (h->rank = 0; !take(h, ')'); h->rank++) {
		int64_t v = 0;
		int digits = 0;

		spaces(h);
		for (; h->p < h->end && *h->p >= '0' && *h->p <= '9'; h->p++, digits++) {
			if (v > (INT64_MAX - 9) / 10)
				return sf_fail(ctx, SF_ERANGE,
				               "%s: NPY header: a dimension of shape overflows",
				               what);
			v = 10 * v + (*h->p - '0');
		}
		if (digits == 0 || !comma)
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: NPY header: shape is not a tuple of numbers", what);
		if (h->rank == SF_ARRAY_MAXRANK)
			return sf_fail(ctx, SF_EUNSUP, "%s: NPY header: more than %d dimensions",
			               what, SF_ARRAY_MAXRANK);
		h->dim[h->rank] = v;
		comma = take(h, ',');
	}
	if (h->rank == 1 && !comma) /* (3) is a number in Python, not a tuple */
		return sf_fail(ctx, SF_EFORMAT, "%s: NPY header: shape is not a tuple of numbers",
		               what);
	return SF_OK;
}

static int element(sf_ctx *ctx, const char *what, header *h)
{
	static const struct {
		const char *code;
		sf_element type;
	} known[] = {{"u1", SF_U8},  {"b1", SF_U8},  {"i1", SF_I8},     {"i2", SF_I16},
	             {"u2", SF_U16}, {"i4", SF_I32}, {"u4", SF_U32},    {"f4", SF_FLOAT32},
	             {"i8", SF_I64}, {"u8", SF_U64}, {"f8", SF_FLOAT64}};
	char descr[32];
	size_t i;

	if (!quoted(h, descr, sizeof descr))
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: NPY header: descr is not the name of a number type", what);
	for (i = 0; i < sizeof known / sizeof *known; i++)
		if (strlen(descr) == 3 && strcmp(descr + 1, known[i].code) == 0) {
			h->type = known[i].type;
			h->little = descr[0] != '>';
			if (descr[0] == '<' || descr[0] == '>' ||
			    (descr[0] == '|' && sf_element_size(h->type) == 1))
				return SF_OK;
		}
	return sf_fail(ctx, SF_EUNSUP,
	               "%s: NPY header: descr '%s' is not supported; expected b1, i1 to i8, u1 to "
	               "u8, f4 or "
	               "f8 with '<', '>' or '|'",
	               what, descr);
}

static int dictionary(sf_ctx *ctx, const char *what, header *h)
{
	static const char *const keys[] = {"descr", "fortran_order", "shape"};
	int seen[3] = {0, 0, 0}, k, comma = 1;
	char key[32];

	if (!take(h, '{'))
		return sf_fail(ctx, SF_EFORMAT, "%s: NPY header does not start with '{'", what);
	while (!take(h, '}')) {
		if (!comma || !quoted(h, key, sizeof key) || !take(h, ':'))
			return sf_fail(ctx, SF_EFORMAT, "%s: NPY header is not a dictionary", what);
		for (k = 0; k < 3 && strcmp(key, keys[k]) != 0; k++)
			;
		if (k == 3 || seen[k]++)
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: NPY header: unexpected key '%s'; expected descr, "
			               "fortran_order, "
			               "shape",
			               what, key);
		if (k == 0) {
			SF_TRY(element(ctx, what, h));
		} else if (k == 2) {
			SF_TRY(shape(ctx, what, h));
		} else {
			h->fortran = word(h, "True");
			if (!h->fortran && !word(h, "False"))
				return sf_fail(ctx, SF_EFORMAT,
				               "%s: NPY header: fortran_order is not True or False",
				               what);
		}
		comma = take(h, ',');
	}
	for (k = 0; k < 3; k++)
		if (!seen[k])
			return sf_fail(ctx, SF_EFORMAT, "%s: NPY header: '%s' is missing", what,
			               keys[k]);
	while (h->p < h->end && (*h->p == ' ' || *h->p == '\n'))
		h->p++;
	return h->p == h->end ? SF_OK
	                      : sf_fail(ctx, SF_EFORMAT,
	                                "%s: NPY header: text after the dictionary", what);
}

/* Column-major elements to row-major: walks the row-major index and follows the column-major
 * offset. */
static int reorder(sf_ctx *ctx, const char *what, sf_array *a)
{
	size_t es = sf_element_size(a->type);
	int64_t stride[SF_ARRAY_MAXRANK], index[SF_ARRAY_MAXRANK] = {0}, from = 0, i;
	unsigned char *to = sf_alloc((size_t)a->size, es);
	int k;

	if (!to)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	for (k = 0; k < a->rank; k++)
		stride[k] = k ? stride[k - 1] * a->dim[k - 1] : 1;
	for (i = 0; i < a->size; i++) {
		memcpy(to + (size_t)i * es, (unsigned char *)a->data + (size_t)from * es, es);
		for (k = a->rank - 1; k >= 0; k--) {
			from += stride[k];
			if (++index[k] < a->dim[k])
				break;
			from -= stride[k] * a->dim[k];
			index[k] = 0;
		}
	}
	sf_free(a->data);
	a->data = to;
	return SF_OK;
}

int sf_npy_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size,
                 sf_array *a)
{
	header h = {NULL, NULL, SF_U8, 1, 0, 0, {0}};
	size_t start, length, es;
	int64_t count, need;
	int rc;

	memset(a, 0, sizeof *a);
	if (size < 10 || memcmp(bytes, "\x93NUMPY", 6) != 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: not an NPY file (wrong magic)", what);
	if (bytes[6] < 1 || bytes[6] > 3 || bytes[7] != 0)
		return sf_fail(ctx, SF_EUNSUP, "%s: NPY version %d.%d; expected 1.0, 2.0 or 3.0",
		               what, bytes[6], bytes[7]);
	start = bytes[6] == 1 ? 10 : 12;
	if (size < start)
		return sf_fail(ctx, SF_EFORMAT, "%s: truncated NPY header length", what);
	length = bytes[6] == 1 ? sf_get_le16(bytes + 8) : sf_get_le32(bytes + 8);
	if (length > HEADER_MAX)
		return sf_fail(ctx, SF_ERANGE, "%s: NPY header of %zu bytes; expected at most %d",
		               what, length, HEADER_MAX);
	if (length > size - start)
		return sf_fail(ctx, SF_EFORMAT, "%s: truncated NPY header: %zu of %zu bytes", what,
		               size - start, length);
	h.p = (const char *)bytes + start;
	h.end = h.p + length;
	SF_TRY(dictionary(ctx, what, &h));

	es = sf_element_size(h.type);
	if (sf_shape_size(h.rank, h.dim, es, &count, &need) < 0)
		return sf_fail(ctx, SF_ERANGE, "%s: NPY header: the product of shape overflows",
		               what);
	start += length;
	if ((uint64_t)need != size - start)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: %s: %zu bytes of elements; the NPY header says %lld", what,
		               (uint64_t)need > size - start ? "truncated" : "trailing bytes",
		               size - start, (long long)need);
	rc = sf_array_new(ctx, what, h.type, h.rank, h.dim, a);
	if (rc == 0) {
		sf_to_host(bytes + start, a->data, (size_t)count, es, h.little);
		if (h.fortran && h.rank > 1)
			rc = reorder(ctx, what, a);
	}
	if (rc < 0)
		sf_array_free(a);
	return rc;
}

int sf_npy_read(sf_ctx *ctx, const char *path, sf_array *a)
{
	unsigned char *bytes;
	size_t size;
	int rc;

	memset(a, 0, sizeof *a);
	SF_TRY(sf_file_read(ctx, path, SIZE_MAX, &bytes, &size));
	rc = sf_npy_parse(ctx, path, bytes, size, a);
	free(bytes);
	return rc;
}
