/* image.c: values to pixels and grids of images.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/image.h"

#include "cmd/cmd.h"

#include <math.h>
#include <stdlib.h>

enum { TILE = 40 /* least size of a tile that zoom 0 gives */ };

unsigned char pixel(double v, double lo, double hi)
{
	double p = 255 * (v - lo) / (hi - lo);

	if (!(p > 0))
		return 0;
	return p < 255 ? (unsigned char)(p + 0.5) : 255;
}

int is_image(int rank, const int64_t *dim)
{
	return rank == 3 && (dim[2] == 1 || dim[2] == 3);
}

int image_grid(sf_ctx *ctx, const char *path, int64_t n, const int64_t *dim, const double *values,
	       double lo, double hi, int64_t cols, int64_t zoom)
{
	int64_t h = dim[0], w = dim[1], c = dim[2], small = h < w ? h : w, i, y, x, k;
	unsigned char *pixels, *o;
	int rc;

	if (zoom <= 0)
		zoom = small < TILE ? (TILE + small - 1) / small : 1;
	if ((double)n * (double)h * (double)w * (double)c * (double)(zoom * zoom) > 2e9)
		return fail(STATUS_INPUT,
		            "%s: a grid of %lld images of %lldx%lld pixels is too large", path,
		            (long long)n, (long long)(h * zoom), (long long)(w * zoom));
	o = pixels = malloc((size_t)(n * h * w * c * zoom * zoom));
	if (!pixels)
		return fail(STATUS_INPUT, "%s: out of memory", path);
	for (i = 0; i < n; i++)
		for (y = 0; y < h * zoom; y++)
			for (x = 0; x < w * zoom; x++)
				for (k = 0; k < c; k++)
					*o++ = pixel(
						values[((i * h + y / zoom) * w + x / zoom) * c + k],
						lo, hi);
	rc = sf_png_grid(ctx, path, n, h * zoom, w * zoom, (int)c, cols, 2, pixels);
	free(pixels);
	return rc;
}
