/* plot.h: what the kinds of plot share. Each kind has a file of its own.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_PLOT_H
#define SF_CMD_PLOT_H

#include "cmd/image.h"
#include "cmd/model.h"

#include <stdarg.h>

typedef struct plot_opts {
	common common;
	int64_t n, steps, nfe, size, cells, zoom, cols;
	double noise; /* level of the field, relative to the data's standard deviation */
	char *output, *samples, *sampler, *grid, *ema;
	int raw;
	sf_list box, range;
} plot_opts;

typedef struct plot_kind {
	const char *name, *help;
	int (*draw)(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path);
} plot_kind;
extern const plot_kind plot_density, plot_field, plot_trajectories, plot_schedule, plot_loss,
	plot_grid;

int plot_model(sf_ctx *ctx, const plot_opts *o, const char *path, int with_data, model *m);
/* Refuses models whose data are not points of the plane. */
int plot_needs_plane(const model *m, const char *kind);
/* The box to show, stored values: --box, or the data set's own. */
void plot_box(const plot_opts *o, const model *m, double box[4]);

/* Writes NAME.dat and NAME.gp and runs gnuplot; the commands see the data's name as `file`. */
int gnuplot(sf_ctx *ctx, const char *path, const sf_text *data, const char *commands);
int gnuplot_installed(void);
/* The loss curve that a training run keeps beside its samples: DIR/loss.png, where gnuplot is
 * installed. A run is not stopped by a curve that cannot be drawn. */
void plot_loss_of_run(sf_ctx *ctx, const char *dir);

#endif
