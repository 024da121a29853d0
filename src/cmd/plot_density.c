/* plot_density.c: where samples of a model lie, beside samples of the data: two histograms of the
 * plane with the same cells and the same colours, white at the fullest cell of the data.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <stdlib.h>

/* Points from an NPY of shape (n,2). */
static int read_points(sf_ctx *ctx, const char *path, int64_t *n, double **xy)
{
	sf_array a;
	int64_t i;
	int rc = sf_npy_read(ctx, path, &a);

	if (rc < 0)
		return rc;
	if (a.rank != 2 || a.dim[1] != 2 || a.dim[0] < 1) {
		rc = fail(STATUS_INPUT, "%s: expected an array of shape (n,2)", path);
	} else if (!(*xy = malloc((size_t)a.size * sizeof **xy))) {
		rc = fail(STATUS_INPUT, "out of memory");
	} else {
		*n = a.dim[0];
		for (i = 0; i < a.size; i++)
			(*xy)[i] = sf_array_get(&a, i);
	}
	sf_array_free(&a);
	return rc;
}

static int draw_points(model *m, const plot_opts *o, int64_t *n, double **xy)
{
	int rc;

	*n = o->n > 0 ? o->n : 5000;
	*xy = malloc(2 * (size_t)*n * sizeof **xy);
	if (!*xy)
		return fail(STATUS_INPUT, "out of memory");
	rc = model_sample(m, o->common.quiet, *n, 0, NULL, *xy, NULL);
	if (rc == 0)
		model_unscale(m, 2 * *n, *xy);
	return rc;
}

static int draw(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path)
{
	double box[4], most = 0, *xy = NULL, *truth = NULL;
	int side = (int)o->size, rc;
	canvas c = {0, 0, NULL};
	int64_t n = 0, i;
	sf_view raw;
	model m;
	panel p;

	rc = plot_model(ctx, o, operand, 1, &m);
	if (rc)
		return rc;
	rc = plot_needs_plane(&m, "density");
	if (rc == 0)
		rc = o->samples ? read_points(ctx, o->samples, &n, &xy)
		                : draw_points(&m, o, &n, &xy);
	if (rc == 0)
		rc = sf_view_make(m.setup.data, SF_SCALE_NONE, 1, 0, 0, m.seed, &raw);
	if (rc == 0 && !(truth = malloc(2 * (size_t)n * sizeof *truth)))
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc == 0)
		rc = panels_open(ctx, &c, 2, 1, side);
	if (rc == 0) {
		/* The draws that training has not seen: far along the stream. */
		for (i = 0; i < n; i++)
			sf_view_draw(&raw, (UINT64_C(1) << 40) + (uint64_t)i, truth + 2 * i, NULL);
		plot_box(o, &m, box);
		p = panel_at(&c, 0, 0, side, box);
		rc = panel_density(ctx, &p, n, truth, (int)o->cells, &most);
		panel_title(&p, "data");
	}
	if (rc == 0) {
		p = panel_at(&c, 1, 0, side, box);
		rc = panel_density(ctx, &p, n, xy, (int)o->cells, &most);
		panel_title(&p, "model");
	}
	if (rc == 0)
		rc = canvas_write(ctx, &c, path);
	canvas_free(&c);
	free(xy);
	free(truth);
	model_close(&m);
	return rc;
}

const plot_kind plot_density = {"density", "samples beside the truth", draw};
