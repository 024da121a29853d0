/* png.c: 8-bit PNG through libpng's simplified API, which keeps setjmp out of sight. Before libpng
 * sees a file, its chunks are walked: signature, lengths, check sums, IHDR first, IEND last and
 * nothing behind it; so a truncated or damaged file is refused whichever byte is concerned, and
 * names its chunk.
 *
 * Palettes and 16 bits are expanded to 8 bits; alpha is composited on black; a gAMA chunk that
 * differs from sRGB converts to sRGB; ICC profiles are ignored.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define PIXEL_BYTES_MAX ((int64_t)1 << 31)
#define FILE_MAX        ((size_t)1 << 31)
#define EXPANSION       (1032 * 24) /* deflate's best ratio, times one palette bit to three bytes */

static int walk(sf_ctx *ctx, const char *what, const unsigned char *p, size_t size)
{
	size_t at = 8;
	int last = 0, k;

	if (size < 8 || memcmp(p, "\x89PNG\r\n\x1a\n", 8) != 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: not a PNG file (wrong magic)", what);
	while (!last) {
		char name[5] = "";
		size_t length;

		if (size - at < 12)
			return sf_fail(ctx, SF_EFORMAT, "%s: truncated PNG: no IEND chunk", what);
		length = sf_get_be32(p + at);
		for (k = 0; k < 4; k++) {
			unsigned char c = p[at + 4 + (size_t)k];

			if (c < 'A' || c > 'z' || (c > 'Z' && c < 'a'))
				return sf_fail(ctx, SF_EFORMAT,
				               "%s: bad PNG chunk name at byte %zu", what, at + 4);
			name[k] = (char)c;
		}
		if (length > 0x7fffffff || length > size - at - 12)
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: truncated PNG: chunk %s has %zu of %zu bytes", what,
			               name, size - at - 12, length);
		if ((at == 8) != (strcmp(name, "IHDR") == 0))
			return sf_fail(ctx, SF_EFORMAT, "%s: PNG chunk %s where %s was expected",
			               what, name, at == 8 ? "IHDR" : "another");
		if (crc32(crc32(0, NULL, 0), p + at + 4, (uInt)length + 4) !=
		    sf_get_be32(p + at + 8 + length))
			return sf_fail(ctx, SF_EFORMAT, "%s: wrong check sum of PNG chunk %s", what,
			               name);
		last = strcmp(name, "IEND") == 0;
		at += length + 12;
	}
	if (at != size)
		return sf_fail(ctx, SF_EFORMAT, "%s: %zu bytes of garbage after the PNG's end",
		               what, size - at);
	return SF_OK;
}

int sf_png_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size, int64_t *h,
                 int64_t *w, int *c, unsigned char **pixels)
{
	const png_color black = {0, 0, 0};
	png_image image;
	int64_t total;

	*h = *w = *c = 0;
	*pixels = NULL;
	SF_TRY(walk(ctx, what, bytes, size));
	memset(&image, 0, sizeof image);
	image.version = PNG_IMAGE_VERSION;
	if (!png_image_begin_read_from_memory(&image, bytes, size))
		return sf_fail(ctx, SF_EFORMAT, "%s: bad PNG: %s", what, image.message);
	*c = image.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
	image.format = *c == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
	image.flags |=
		PNG_IMAGE_FLAG_16BIT_sRGB; /* 16 bits without gAMA are like 8 bits, not linear */
	if (sf_mul_i64(image.width, image.height, &total) < 0 ||
	    sf_mul_i64(total, *c, &total) < 0 || total > PIXEL_BYTES_MAX) {
		png_image_free(&image);
		return sf_fail(ctx, SF_ERANGE,
		               "%s: PNG of %lu x %lu pixels; expected at most 2 GiB", what,
		               (unsigned long)image.width, (unsigned long)image.height);
	}
	if (total / EXPANSION > (int64_t)size) { /* refuse before taking memory for it */
		png_image_free(&image);
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: truncated PNG: %zu bytes cannot hold %lu x %lu pixels", what,
		               size, (unsigned long)image.width, (unsigned long)image.height);
	}
	*pixels = sf_alloc((size_t)total, 1);
	if (!*pixels) {
		png_image_free(&image);
		return sf_fail(ctx, SF_ENOMEM, "%s: no memory for %lld bytes", what,
		               (long long)total);
	}
	/* a warning (PNG_IMAGE_WARNING) leaves the pixels whole; an error does not */
	if (!png_image_finish_read(&image, &black, *pixels, (png_int_32)image.width * *c, NULL)) {
		sf_free(*pixels);
		*pixels = NULL;
		return sf_fail(ctx, SF_EFORMAT, "%s: bad PNG: %s", what, image.message);
	}
	*h = image.height;
	*w = image.width;
	return SF_OK;
}

int sf_png_read(sf_ctx *ctx, const char *path, int64_t *h, int64_t *w, int *c,
                unsigned char **pixels)
{
	unsigned char *bytes;
	size_t size;
	int rc;

	*pixels = NULL;
	SF_TRY(sf_file_read(ctx, path, FILE_MAX, &bytes, &size));
	rc = sf_png_parse(ctx, path, bytes, size, h, w, c, pixels);
	free(bytes);
	return rc;
}

int sf_png_write(sf_ctx *ctx, const char *path, int64_t h, int64_t w, int c,
                 const unsigned char *pixels)
{
	png_image image;
	png_alloc_size_t size;
	int64_t total;
	void *bytes;
	int rc;

	if (h < 1 || w < 1 || (c != 1 && c != 3) || sf_mul_i64(h, w, &total) < 0 ||
	    sf_mul_i64(total, c, &total) < 0 || total > PIXEL_BYTES_MAX || w > 1000000 ||
	    h > 1000000)
		return sf_fail(ctx, SF_ERANGE,
		               "%s: %lld x %lld pixels of %d channels; expected sides of 1 to "
		               "1000000, 1 or 3 "
		               "channels",
		               path, (long long)w, (long long)h, c);
	memset(&image, 0, sizeof image);
	image.version = PNG_IMAGE_VERSION;
	image.width = (png_uint_32)w;
	image.height = (png_uint_32)h;
	image.format = c == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
	size = PNG_IMAGE_PNG_SIZE_MAX(image);
	bytes = sf_alloc(size, 1);
	if (!bytes)
		return sf_fail(ctx, SF_ENOMEM, "%s: no memory for %zu bytes", path, (size_t)size);
	if (png_image_write_to_memory(&image, bytes, &size, 0, pixels, (png_int_32)(w * c), NULL))
		rc = sf_file_write(ctx, path, bytes, size);
	else
		rc = sf_fail(ctx, SF_EIO, "%s: cannot encode PNG: %s", path, image.message);
	sf_free(bytes);
	return rc;
}

int sf_png_grid(sf_ctx *ctx, const char *path, int64_t n, int64_t h, int64_t w, int c, int64_t cols,
                int pad, const unsigned char *pixels)
{
	const int64_t side = 1000000; /* bounds every product below */
	int64_t rows, gh, gw, i, y;
	unsigned char *grid;
	int rc;

	if (n < 1 || n > side || h < 1 || h > side || w < 1 || w > side || (c != 1 && c != 3) ||
	    cols < 0 || cols > side || pad < 0 || pad > 1000)
		return sf_fail(ctx, SF_ERANGE,
		               "%s: cannot lay out a grid of %lld images of %lld x %lld x %d in "
		               "%lld columns",
		               path, (long long)n, (long long)h, (long long)w, c, (long long)cols);
	if (cols == 0)
		while (cols * cols < n)
			cols++;
	if (cols > n)
		cols = n;
	rows = (n + cols - 1) / cols;
	gh = rows * (h + pad) + pad;
	gw = cols * (w + pad) + pad;
	if (gh > side || gw > side || gh * gw > PIXEL_BYTES_MAX / c)
		return sf_fail(ctx, SF_ERANGE, "%s: a grid of %lld x %lld pixels is too large",
		               path, (long long)gw, (long long)gh);
	grid = sf_alloc((size_t)(gh * gw), (size_t)c);
	if (!grid)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	for (i = 0; i < n; i++)
		for (y = 0; y < h; y++) {
			int64_t top = (i / cols) * (h + pad) + pad + y,
				left = (i % cols) * (w + pad) + pad;

			memcpy(grid + (top * gw + left) * c, pixels + (i * h + y) * w * c,
			       (size_t)(w * c));
		}
	rc = sf_png_write(ctx, path, gh, gw, c, grid);
	sf_free(grid);
	return rc;
}
