/* plot_field.c: the score at one noise level as a field of arrows, learned beside exact.
 *
 * Arrows point along the score; their length and the colour behind them show |eps| = sigma |score|,
 * which is of order one at every level. The exact score exists for toys with a closed form: with
 * x = (v - shift)/scale and x_t = alpha x_0 + sigma z, the stored-value density smoothed by scale
 * sigma gives score_x(x_t) = scale score_v(scale x_t + alpha shift; alpha, scale sigma).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <math.h>
#include <stdlib.h>

enum { FINE = 100, COARSE = 20 };

typedef struct field {
	double t, alpha, sigma, box[4]; /* box in stored values */
	double x[2 * FINE * FINE], eps[2 * FINE * FINE];
} field;

/* Centre of cell (i,j) of side `cells`, as a stored value. */
static void centre(const field *f, int cells, int i, int j, double v[2])
{
	v[0] = f->box[0] + (f->box[1] - f->box[0]) * (j + 0.5) / cells;
	v[1] = f->box[2] + (f->box[3] - f->box[2]) * (i + 0.5) / cells;
}

static int learned(model *m, field *f)
{
	double *t = malloc(FINE * FINE * sizeof *t);
	int i, rc;

	if (!t)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < FINE * FINE; i++)
		t[i] = f->t;
	rc = sf_score_eval(m->score, SF_EPS, FINE * FINE, f->x, t, f->eps);
	free(t);
	return rc;
}

/* SF_EUNSUP where the density is not known. */
static int exact(const model *m, field *f)
{
	double scale = m->setup.view.scale, shift = m->setup.view.shift, v[2], s[2], logp;
	int i, k, rc;

	for (i = 0; i < FINE * FINE; i++) {
		for (k = 0; k < 2; k++)
			v[k] = scale * f->x[2 * i + k] + f->alpha * shift;
		rc = sf_data_logp(m->setup.data, v, f->alpha, scale * f->sigma, &logp, s);
		if (rc < 0)
			return rc;
		for (k = 0; k < 2; k++)
			f->eps[2 * i + k] = -f->sigma * scale * s[k];
	}
	return 0;
}

static void draw_panel(const panel *p, const field *f, double most, const char *title)
{
	static const unsigned char white[3] = {255, 255, 255};
	double *size = malloc(FINE * FINE * sizeof *size), v[2],
	       cell = (f->box[1] - f->box[0]) / COARSE;
	int i, j;

	for (i = 0; size && i < FINE * FINE; i++)
		size[i] = hypot(f->eps[2 * i], f->eps[2 * i + 1]);
	if (size)
		panel_cells(p, FINE, size, 0, most);
	for (i = 0; i < COARSE; i++) {
		for (j = 0; j < COARSE; j++) {
			int k = (i * FINE / COARSE + FINE / COARSE / 2) * FINE + j * FINE / COARSE +
			        FINE / COARSE / 2;
			double dx = -f->eps[2 * k], dy = -f->eps[2 * k + 1], len = hypot(dx, dy);
			/* long enough to see, never longer than a cell */
			double want = 0.9 * cell * len / (len + 0.3 * most);

			centre(f, COARSE, i, j, v);
			if (len > 0)
				panel_arrow(p, v[0], v[1], v[0] + want * dx / len,
				            v[1] + want * dy / len, white);
		}
	}
	panel_title(p, title);
	free(size);
}

/* Fills times and points: cell centres v, x_t = alpha (v - shift)/scale. */
static void lay_out(const model *m, const plot_opts *o, field *f)
{
	const sf_process *p = m->setup.process;
	double v[2], ratio = o->noise * m->setup.view.std;
	int i, j;

	f->t = sf_process_time_of_ratio(p, ratio);
	f->alpha = sf_process_alpha(p, f->t);
	f->sigma = sf_process_sigma(p, f->t);
	for (i = 0; i < FINE; i++) {
		for (j = 0; j < FINE; j++) {
			double *x = f->x + 2 * (i * FINE + j);

			centre(f, FINE, i, j, v);
			x[0] = f->alpha * (v[0] - m->setup.view.shift) / m->setup.view.scale;
			x[1] = f->alpha * (v[1] - m->setup.view.shift) / m->setup.view.scale;
		}
	}
}

static int compare(sf_ctx *ctx, const plot_opts *o, model *m, field *f, field *truth,
		   const char *path)
{
	double most = 0, error = 0, norm = 0;
	canvas c = {0, 0, NULL};
	panel p;
	int i, rc, known;

	plot_box(o, m, f->box);
	lay_out(m, o, f);
	*truth = *f;
	rc = learned(m, f);
	if (rc)
		return rc;
	rc = exact(m, truth);
	if (rc < 0 && rc != SF_EUNSUP)
		return rc;
	known = rc == 0;
	for (i = 0; i < FINE * FINE; i++) {
		const double *e = (known ? truth : f)->eps + 2 * i;

		most = fmax(most, hypot(e[0], e[1]));
		norm += e[0] * e[0] + e[1] * e[1];
		error += (f->eps[2 * i] - e[0]) * (f->eps[2 * i] - e[0]) +
		         (f->eps[2 * i + 1] - e[1]) * (f->eps[2 * i + 1] - e[1]);
	}
	rc = panels_open(ctx, &c, known ? 2 : 1, 1, (int)o->size);
	if (rc)
		return rc;
	p = panel_at(&c, 0, 0, (int)o->size, f->box);
	draw_panel(&p, f, most, "learned");
	if (known) {
		p = panel_at(&c, 1, 0, (int)o->size, f->box);
		draw_panel(&p, truth, most, "exact");
		if (!o->common.quiet)
			note("field at sigma/alpha = %.3g: rms error of eps %.3g, rms of eps %.3g",
			     f->sigma / f->alpha, sqrt(error / (FINE * FINE)),
			     sqrt(norm / (FINE * FINE)));
	}
	rc = canvas_write(ctx, &c, path);
	canvas_free(&c);
	return rc;
}

static int draw(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path)
{
	field *f = calloc(2, sizeof *f);
	model m;
	int rc;

	if (!f)
		return fail(STATUS_INPUT, "out of memory");
	rc = plot_model(ctx, o, operand, 1, &m);
	if (rc) {
		free(f);
		return rc;
	}
	rc = plot_needs_plane(&m, "field");
	if (rc == 0)
		rc = model_of_data(&m, "plot field");
	if (rc == 0 && (sf_process_blocks(m.setup.process) != 1 || !sf_process_linear(m.setup.process)))
		rc = fail(STATUS_INPUT, "a field plot needs a linear process without velocities, '%s' is not",
		          sf_process_name(m.setup.process));
	if (rc == 0)
		rc = compare(ctx, o, &m, &f[0], &f[1], path);
	model_close(&m);
	free(f);
	return rc;
}

const plot_kind plot_field = {"field", "the score as arrows, learned beside exact", draw};
