/* plot_trajectories.c: paths of a sampler from noise to data.
 *
 * Points of the plane: states divided by their standard deviation sqrt(alpha^2 std^2 + sigma^2), so
 * that the start is a unit normal whatever the process; dark is early, bright is late, dots are the
 * ends. Images: one row a sample, from left to right the states, divided likewise (film.c), at evenly chosen steps.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/film.h"
#include "cmd/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int observe(void *user, int64_t step, double t, int64_t n, const double *x)
{
	(void)step;
	(void)n;
	return film_add(user, t, x);
}

static int draw_paths(sf_ctx *ctx, const plot_opts *o, const film *f, const char *path)
{
	static const unsigned char end[3] = {200, 40, 40};
	double reach = 3 * f->m->setup.view.std, last = film_scale(f, f->t[f->frames - 1]), box[4];
	unsigned char rgb[3];
	canvas c;
	panel p;
	int64_t i, k;
	int rc = panels_open(ctx, &c, 1, 1, (int)o->size);

	if (rc)
		return rc;
	box[0] = box[2] = -reach;
	box[1] = box[3] = reach;
	p = panel_at(&c, 0, 0, (int)o->size, box);
	for (k = 0; k + 1 < f->frames; k++) {
		const double *a = f->x + k * f->n * 2, *b = a + f->n * 2;
		double u = film_scale(f, f->t[k]), v = film_scale(f, f->t[k + 1]);

		colour_of(0.1 + 0.6 * (double)k / (double)f->frames, rgb);
		for (i = 0; i < f->n; i++)
			panel_line(&p, a[2 * i] / u, a[2 * i + 1] / u, b[2 * i] / v, b[2 * i + 1] / v, rgb, 0.35);
	}
	for (i = 0; i < f->n; i++) {
		const double *a = f->x + (f->frames - 1) * f->n * 2;

		panel_dot(&p, a[2 * i] / last, a[2 * i + 1] / last, end, 0.8);
	}
	panel_title(&p, "paths, noise to data");
	rc = canvas_write(ctx, &c, path);
	canvas_free(&c);
	return rc;
}

static int trace(model *m, int64_t n, film *f)
{
	sf_sample_run run;
	double *x = malloc((size_t)n * (size_t)sf_process_blocks(m->setup.process) * (size_t)f->size * sizeof *x);
	int rc;

	if (!x)
		return fail(STATUS_INPUT, "out of memory");
	sf_sample_defaults(&run);
	run.n = n;
	run.seed = m->seed;
	run.steps = m->steps;
	run.grid = m->setup.grid;
	run.observe = observe;
	run.user = f;
	rc = sf_sample(m->setup.sampler, m->score, &run, x, NULL);
	free(x);
	if (f->full)
		return fail(STATUS_INPUT, "the trajectory is too large after %lld steps; draw fewer samples or take fewer steps",
		            (long long)f->frames);
	return rc;
}

static int draw(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path)
{
	model m;
	film f;
	int plane, rc = plot_model(ctx, o, operand, 1, &m);
	int64_t n;

	if (rc)
		return rc;
	plane = !m.coder && m.setup.model.rank == 1 && m.setup.model.size == 2;
	n = o->n > 0 ? o->n : plane ? 200 : 8;
	film_open(&f, &m, n);
	if (!plane && !is_image(m.setup.info.rank, m.setup.info.dim))
		rc = fail(STATUS_INPUT, "a trajectories plot needs images or points of the plane");
	if (rc == 0)
		rc = trace(&m, n, &f);
	if (rc == 0)
		rc = plane ? draw_paths(ctx, o, &f, path) : film_strip(ctx, &f, path, 0, o->zoom);
	film_close(&f);
	model_close(&m);
	return rc;
}

const plot_kind plot_trajectories = {"trajectories", "paths from noise to data", draw};
