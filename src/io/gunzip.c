/* gunzip.c: gzip files (RFC 1952), all members, through zlib; check sums and lengths are verified.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

int sf_gzip_is(const unsigned char *bytes, size_t size)
{
	return size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b;
}

static int grow(unsigned char **p, size_t *cap, size_t max)
{
	/* one more than max tells that it is too much */
	size_t bigger = *cap < max / 2 ? 2 * *cap : max + 1;
	unsigned char *q = bigger > *cap ? realloc(*p, bigger) : NULL;

	if (!q)
		return -1;
	*p = q;
	*cap = bigger;
	return 0;
}

/* Inflates from zs until all input is eaten. Input and room are passed in pieces that fit zlib's
 * uInt. */
static int inflate_all(sf_ctx *ctx, const char *what, z_stream *zs, const unsigned char *bytes,
                       size_t size, size_t max, unsigned char **out, size_t *cap, size_t *used)
{
	const size_t piece = 1u << 30;
	size_t at = 0;

	for (;;) {
		size_t in = size - at < piece ? size - at : piece, room;
		int rc;

		if (*used == *cap && grow(out, cap, max) < 0)
			return sf_fail(ctx, *cap > max ? SF_ERANGE : SF_ENOMEM,
			               "%s: inflates to more than %zu bytes", what,
			               *cap > max ? max : *cap);
		room = *cap - *used < piece ? *cap - *used : piece;
		zs->next_in = (Bytef *)(uintptr_t)(bytes + at); /* zlib does not write there */
		zs->avail_in = (uInt)in;
		zs->next_out = *out + *used;
		zs->avail_out = (uInt)room;
		rc = inflate(zs, Z_NO_FLUSH);
		at += in - zs->avail_in;
		*used += room - zs->avail_out;
		if (rc == Z_STREAM_END) {
			if (at == size)
				return *used > max ? sf_fail(ctx, SF_ERANGE,
				                             "%s: inflates to more than %zu bytes",
				                             what, max)
				                   : SF_OK;
			if (!sf_gzip_is(bytes + at, size - at))
				return sf_fail(ctx, SF_EFORMAT,
				               "%s: %zu bytes of garbage after the gzip data", what,
				               size - at);
			if (inflateReset(zs) != Z_OK)
				return sf_fail(ctx, SF_EFORMAT, "%s: bad gzip data", what);
		} else if (rc == Z_BUF_ERROR || (rc == Z_OK && at == size && zs->avail_out > 0)) {
			return sf_fail(ctx, SF_EFORMAT, "%s: truncated gzip data", what);
		} else if (rc == Z_MEM_ERROR) {
			return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
		} else if (rc != Z_OK) {
			return sf_fail(ctx, SF_EFORMAT, "%s: bad gzip data (%s)", what,
			               zs->msg ? zs->msg : "unknown header");
		}
	}
}

int sf_gunzip(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size, size_t max,
              unsigned char **out, size_t *out_size)
{
	size_t cap = size < max / 4 ? 4 * size + 64 : max + 1;
	z_stream zs;
	int rc;

	*out = NULL;
	*out_size = 0;
	memset(&zs, 0, sizeof zs);
	if (inflateInit2(&zs, 15 + 16) != Z_OK) /* largest window; gzip framing only */
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	*out = malloc(cap);
	if (*out)
		rc = inflate_all(ctx, what, &zs, bytes, size, max, out, &cap, out_size);
	else
		rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	inflateEnd(&zs);
	if (rc < 0) {
		free(*out);
		*out = NULL;
		*out_size = 0;
	}
	return rc;
}
