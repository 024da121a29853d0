/* plot_grid.c: images of an NPY as one picture.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <math.h>
#include <stdlib.h>

static int shape_of(const char *file, const sf_array *a, int64_t dim[3])
{
	if (a->rank == 3 || a->rank == 4) {
		dim[0] = a->dim[1];
		dim[1] = a->dim[2];
		dim[2] = a->rank == 4 ? a->dim[3] : 1;
		if (is_image(3, dim) && a->size > 0)
			return 0;
	}
	return fail(STATUS_INPUT, "%s: expected an array of shape (n,h,w), (n,h,w,1) or (n,h,w,3)",
	            file);
}

static int draw(sf_ctx *ctx, const plot_opts *o, const char *file, const char *path)
{
	double *x = NULL, lo = INFINITY, hi = -INFINITY;
	int64_t dim[3], n, i;
	sf_array a;
	int rc = sf_npy_read(ctx, file, &a);

	if (rc < 0)
		return rc;
	rc = shape_of(file, &a, dim);
	if (rc == 0 && !(x = malloc((size_t)a.size * sizeof *x)))
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc == 0) {
		n = o->n > 0 && o->n < a.dim[0] ? o->n : a.dim[0];
		for (i = 0; i < a.size; i++) {
			x[i] = sf_array_get(&a, i);
			if (isfinite(x[i])) {
				lo = fmin(lo, x[i]);
				hi = fmax(hi, x[i]);
			}
		}
		if (o->range.n == 2) {
			lo = o->range.v[0];
			hi = o->range.v[1];
		} else if (a.type == SF_U8) {
			lo = 0;
			hi = 255;
		}
		rc = image_grid(ctx, path, n, dim, x, lo, hi > lo ? hi : lo + 1, o->cols, o->zoom);
	}
	free(x);
	sf_array_free(&a);
	return rc;
}

const plot_kind plot_grid = {"grid", "a grid of images", draw};
