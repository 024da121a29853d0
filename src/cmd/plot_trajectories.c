/* plot_trajectories.c: paths of a sampler from noise to data.
 *
 * Points of the plane: states divided by their standard deviation sqrt(alpha^2 std^2 + sigma^2), so
 * that the start is a unit normal whatever the process; dark is early, bright is late, dots are the
 * ends. Images: one row a sample, from left to right x_t/alpha at evenly chosen steps. Of two blocks the positions;
 * states of a nonlinear process, or with times of their own (rk45), as they are.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 8 };

typedef struct path_log {
	const model *m;
	int64_t n, size, kept, room;
	double *x; /* (kept, n, size), scaled as above */
	int plane, failed;
} path_log;

/* What to divide the positions at time t by. */
static double scale_at(const path_log *log, double t)
{
	const sf_process *p = log->m->setup.process;
	double std = log->m->setup.view.std, phi[4], cov[4];

	if (!sf_process_linear(p) || isnan(t))
		return 1;
	sf_process_phi(p, 0, t, phi);
	sf_process_cov(p, t, cov);
	return log->plane ? hypot(phi[0] * std, sqrt(cov[0])) / std : phi[0];
}

static int observe(void *user, int64_t step, double t, int64_t n, const double *x)
{
	path_log *log = user;
	double by = scale_at(log, t);
	int64_t i, j, k = sf_process_blocks(log->m->setup.process), each = n * log->size;
	double *kept;

	(void)step;
	if (log->kept == log->room) {
		int64_t room = 2 * log->room + 16;
		double *more = realloc(log->x, (size_t)room * (size_t)each * sizeof *more);

		if (!more)
			return log->failed = 1;
		log->x = more;
		log->room = room;
	}
	kept = log->x + log->kept++ * each;
	for (i = 0; i < n; i++)
		for (j = 0; j < log->size; j++)
			kept[i * log->size + j] = x[i * k * log->size + j] / by;
	return 0;
}

static int draw_paths(sf_ctx *ctx, const plot_opts *o, const path_log *log, const char *path)
{
	static const unsigned char end[3] = {200, 40, 40};
	double reach = 3 * log->m->setup.view.std, box[4];
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
	for (k = 0; k + 1 < log->kept; k++) {
		const double *a = log->x + k * log->n * 2, *b = a + log->n * 2;

		colour_of(0.1 + 0.6 * (double)k / (double)log->kept, rgb);
		for (i = 0; i < log->n; i++)
			panel_line(&p, a[2 * i], a[2 * i + 1], b[2 * i], b[2 * i + 1], rgb, 0.35);
	}
	for (i = 0; i < log->n; i++) {
		const double *a = log->x + (log->kept - 1) * log->n * 2;

		panel_dot(&p, a[2 * i], a[2 * i + 1], end, 0.8);
	}
	panel_title(&p, "paths, noise to data");
	rc = canvas_write(ctx, &c, path);
	canvas_free(&c);
	return rc;
}

static int draw_images(sf_ctx *ctx, const plot_opts *o, const path_log *log, const char *path)
{
	const sf_model *m = &log->m->setup.model;
	const sf_data_info *info = &log->m->setup.info;
	int64_t cols = log->kept < COLUMNS ? log->kept : COLUMNS, i, j, k;
	double *tile = malloc((size_t)(log->n * cols * m->size) * sizeof *tile);
	int rc;

	if (!tile)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < log->n; i++) {
		for (j = 0; j < cols; j++) {
			k = cols > 1 ? j * (log->kept - 1) / (cols - 1) : 0;
			memcpy(tile + (i * cols + j) * m->size, log->x + (k * log->n + i) * m->size,
			       (size_t)m->size * sizeof *tile);
		}
	}
	model_unscale(log->m, log->n * cols * m->size, tile);
	rc = image_grid(ctx, path, log->n * cols, m->dim, tile, info->lo, info->hi, cols, o->zoom);
	free(tile);
	return rc;
}

static int trace(model *m, int64_t n, path_log *log)
{
	sf_sample_run run;
	double *x = malloc((size_t)n * (size_t)sf_process_blocks(m->setup.process) * (size_t)log->size * sizeof *x);
	int rc;

	if (!x)
		return fail(STATUS_INPUT, "out of memory");
	sf_sample_defaults(&run);
	run.n = n;
	run.seed = m->seed;
	run.steps = m->steps;
	run.grid = m->setup.grid;
	run.observe = observe;
	run.user = log;
	rc = sf_sample(m->setup.sampler, m->score, &run, x, NULL);
	free(x);
	if (log->failed)
		return fail(STATUS_INPUT, "out of memory");
	return rc;
}

static int draw(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path)
{
	path_log log = {NULL, 0, 0, 0, 0, NULL, 0, 0};
	model m;
	int rc = plot_model(ctx, o, operand, 1, &m);

	if (rc)
		return rc;
	log.m = &m;
	log.size = m.setup.model.size;
	log.plane = m.setup.model.rank == 1 && log.size == 2;
	log.n = o->n > 0 ? o->n : log.plane ? 200 : 8;
	if (!log.plane && !is_image(m.setup.model.rank, m.setup.model.dim))
		rc = fail(STATUS_INPUT, "a trajectories plot needs images or points of the plane");
	if (rc == 0)
		rc = trace(&m, log.n, &log);
	if (rc == 0)
		rc = log.plane ? draw_paths(ctx, o, &log, path) : draw_images(ctx, o, &log, path);
	free(log.x);
	model_close(&m);
	return rc;
}

const plot_kind plot_trajectories = {"trajectories", "paths from noise to data", draw};
