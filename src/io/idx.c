/* idx.c: the IDX format of MNIST, plain or gzip:
 *
 *     0 0 type rank   u32 size ...   elements          (all big-endian, row-major)
 *
 * type: 08 unsigned byte, 09 signed byte, 0B short, 0C int, 0D float, 0E double.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <stdlib.h>
#include <string.h>

#define INFLATED_MAX ((size_t)1 << 36)

static int parse_plain(sf_ctx *ctx, const char *what, const unsigned char *p, size_t size,
                       sf_array *a)
{
	static const struct {
		int code;
		sf_element type;
	} known[] = {{8, SF_U8},   {9, SF_I8},       {11, SF_I16},
	             {12, SF_I32}, {13, SF_FLOAT32}, {14, SF_FLOAT64}};
	int64_t dim[SF_ARRAY_MAXRANK], count, need;
	size_t i, start, es;

	if (size < 4 || p[0] != 0 || p[1] != 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: not an IDX file (wrong magic)", what);
	for (i = 0; i < sizeof known / sizeof *known && known[i].code != p[2]; i++)
		;
	if (i == sizeof known / sizeof *known)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: IDX element type %02x; expected 08, 09, 0b, 0c, 0d or 0e", what,
		               p[2]);
	if (p[3] < 1 || p[3] > SF_ARRAY_MAXRANK)
		return sf_fail(ctx, SF_EUNSUP, "%s: IDX file of %d dimensions; expected 1 to %d",
		               what, p[3], SF_ARRAY_MAXRANK);
	start = 4 + 4 * (size_t)p[3];
	if (size < start)
		return sf_fail(ctx, SF_EFORMAT, "%s: truncated IDX header: %zu of %zu bytes", what,
		               size, start);
	es = sf_element_size(known[i].type);
	memset(dim, 0, sizeof dim);
	for (count = 0; count < p[3]; count++)
		dim[count] = sf_get_be32(p + 4 + 4 * count);
	if (sf_shape_size(p[3], dim, es, &count, &need) < 0)
		return sf_fail(ctx, SF_ERANGE, "%s: the product of the IDX sizes overflows", what);
	if ((uint64_t)need != size - start)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: %s: %zu bytes of elements; the IDX header says %lld", what,
		               (uint64_t)need > size - start ? "truncated" : "trailing bytes",
		               size - start, (long long)need);
	SF_TRY(sf_array_new(ctx, what, known[i].type, p[3], dim, a));
	sf_to_host(p + start, a->data, (size_t)count, es, 0);
	return SF_OK;
}

int sf_idx_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size,
                 sf_array *a)
{
	unsigned char *plain;
	size_t n;
	int rc;

	memset(a, 0, sizeof *a);
	if (!sf_gzip_is(bytes, size))
		return parse_plain(ctx, what, bytes, size, a);
	SF_TRY(sf_gunzip(ctx, what, bytes, size,
	                 INFLATED_MAX < SIZE_MAX / 4 ? INFLATED_MAX : SIZE_MAX / 4, &plain, &n));
	rc = parse_plain(ctx, what, plain, n, a);
	free(plain);
	return rc;
}

int sf_idx_read(sf_ctx *ctx, const char *path, sf_array *a)
{
	unsigned char *bytes;
	size_t size;
	int rc;

	memset(a, 0, sizeof *a);
	SF_TRY(sf_file_read(ctx, path, SIZE_MAX, &bytes, &size));
	rc = sf_idx_parse(ctx, path, bytes, size, a);
	free(bytes);
	return rc;
}
