/* plot.c: pictures of a run: finds the kind, the output's name and the model.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define AT(member) offsetof(plot_opts, member)
static const option options[] = {
	OPTION('o', "FILE", "output",
	       "picture to write (default: KIND.png in the run directory, or here)", SF_OPT_STRING,
	       AT(output), NULL, 0, 0),
	OPTION('n', "N", "number", "samples or paths to draw (default: by kind)", SF_OPT_INT, AT(n),
	       NULL, 1, 1e7),
	OPTION(0, "FILE.npy", "samples", "density: show these samples instead of drawing new ones",
	       SF_OPT_STRING, AT(samples), NULL, 0, 0),
	OPTION(0, "SPEC", "sampler", "sampler (default: the configuration's)", SF_OPT_STRING,
	       AT(sampler), NULL, 0, 0),
	OPTION(0, "SPEC", "grid", "time grid (default: the configuration's)", SF_OPT_STRING,
	       AT(grid), NULL, 0, 0),
	OPTION(0, "N", "steps", "steps of the sampler", SF_OPT_INT, AT(steps), NULL, 1, 1e6),
	OPTION(0, "N", "nfe", "evaluations of the network per sample", SF_OPT_INT, AT(nfe), NULL, 1,
	       1e6),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	OPTION(0, "R", "noise", "field: sigma/alpha in units of the data's standard deviation",
	       SF_OPT_DOUBLE, AT(noise), "0.25", 1e-6, 1e6),
	OPTION(0, "X0:X1:Y0:Y1", "box", "part of the plane to show (default: the data set's)",
	       SF_OPT_LIST, AT(box), "", -1e12, 1e12),
	OPTION(0, "PIXELS", "size", "side of a panel", SF_OPT_INT, AT(size), "400", 32, 4096),
	OPTION(0, "N", "cells", "density: cells of the histogram along a side", SF_OPT_INT,
	       AT(cells), "100", 2, 4096),
	OPTION(0, "N", "zoom", "images: size of a pixel; 0 makes tiles of at least 40 pixels",
	       SF_OPT_INT, AT(zoom), "0", 0, 64),
	OPTION(0, "N", "cols", "images: columns of the grid; 0 is near square", SF_OPT_INT,
	       AT(cols), "0", 0, 10000),
	OPTION(0, "LO:HI", "range",
	       "images: values of black and white (default: 0:255, or least and largest)",
	       SF_OPT_LIST, AT(range), "", -1e300, 1e300),
	OPTION_END
};

static const plot_kind *const kinds[] = {
	&plot_density, &plot_field, &plot_trajectories, &plot_schedule, &plot_loss,
	&plot_grid,    NULL};

int plot_model(sf_ctx *ctx, const plot_opts *o, const char *path, int with_data, model *m)
{
	model_request want = {0};

	want.path = path;
	want.sampler = o->sampler;
	want.grid = o->grid;
	want.steps = o->steps;
	want.nfe = o->nfe;
	want.raw = o->raw;
	want.ema = o->ema;
	want.with_data = with_data;
	return model_open(ctx, &o->common, &want, m);
}

int plot_needs_plane(const model *m, const char *kind)
{
	if (m->setup.info.rank == 1 && m->setup.info.size == 2)
		return 0;
	return fail(STATUS_INPUT, "a %s plot needs data of 2 coordinates, this model has %lld",
	            kind, (long long)m->setup.info.size);
}

void plot_box(const plot_opts *o, const model *m, double box[4])
{
	int i;

	if (o->box.n == 4) {
		for (i = 0; i < 4; i++)
			box[i] = o->box.v[i];
	} else {
		const sf_data_info *info = &m->setup.info;
		double margin = (info->hi - info->lo) / 16; /* shows what lies beside the data */

		box[0] = box[2] = info->lo - margin;
		box[1] = box[3] = info->hi + margin;
	}
}

static int output_name(const plot_opts *o, const char *kind, const char *operand, char *path,
		       size_t size)
{
	struct stat st;
	int n;

	if (o->output)
		n = snprintf(path, size, "%s", o->output);
	else if (stat(operand, &st) == 0 && S_ISDIR(st.st_mode))
		n = snprintf(path, size, "%s/%s.png", operand, kind);
	else
		n = snprintf(path, size, "%s.png", kind);
	return n < 0 || (size_t)n >= size ? fail(STATUS_INPUT, "the output's name is too long") : 0;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const plot_opts *o = options_given;
	const char *names[16];
	char path[1024];
	int i, rc;

	(void)n;
	for (i = 0; kinds[i]; i++)
		names[i] = kinds[i]->name;
	names[i] = NULL;
	for (i = 0; kinds[i] && strcmp(kinds[i]->name, word[0]) != 0; i++)
		;
	if (!kinds[i])
		return unknown("kind of plot", word[0], names, STATUS_INPUT);
	if (o->box.n != 0 &&
	    (o->box.n != 4 || !(o->box.v[0] < o->box.v[1]) || !(o->box.v[2] < o->box.v[3])))
		return fail(STATUS_INPUT, "plot: --box is X0:X1:Y0:Y1 with X0 < X1 and Y0 < Y1");
	if (o->range.n != 0 && (o->range.n != 2 || !(o->range.v[0] < o->range.v[1])))
		return fail(STATUS_INPUT, "plot: --range is LO:HI with LO < HI");
	rc = output_name(o, word[0], word[1], path, sizeof path);
	if (rc == 0)
		rc = kinds[i]->draw(ctx, o, word[1], path);
	if (rc == 0 && o->common.json)
		rc = out_json(json_pack("{s:s}", "file", path));
	else if (rc == 0 && !o->common.quiet)
		out("%s\n", path);
	return rc;
}

const command plot_command = {
	"plot",
	"Draw densities, fields, paths, schedules, losses and image grids",
	"KIND RUN|SPEC|FILE",
	"Kinds:\n"
	"  density RUN       samples of the model beside the truth (2-D data)\n"
	"  field RUN         the learned score beside the exact one where it is known (2-D data)\n"
	"  trajectories RUN  paths from noise to data (2-D data), or images on their way\n"
	"  schedule SPEC|RUN alpha, sigma, log-SNR and g of a process over time (gnuplot)\n"
	"  loss RUN          the loss during training (gnuplot)\n"
	"  grid FILE.npy     a grid of images (n,h,w) or (n,h,w,c)\n"
	"Curves need gnuplot; NAME.dat and NAME.gp are left beside the picture.\n",
	options,
	sizeof(plot_opts),
	2,
	2,
	run};
