/* film.c: the states of a run, step by step, as an array or as a strip of pictures.
 *
 * States are brought to the data's deviation for pictures, x_t std/sqrt(alpha^2 std^2 + sigma^2), so that noise of any level
 * is seen as noise, whatever the process. Of two blocks the positions. States of latents are decoded for pictures; arrays hold
 * them as they are.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/film.h"
#include "cmd/image.h"
#include "cmd/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 8, NUMBERS_MAX = 500000000 };

void film_open(film *f, const model *m, int64_t n)
{
	memset(f, 0, sizeof *f);
	f->m = m;
	f->n = n;
	f->size = m->setup.model.size;
}

void film_close(film *f)
{
	free(f->x);
	free(f->t);
	memset(f, 0, sizeof *f);
}

static int grow(film *f)
{
	int64_t room = 2 * f->room + 16;
	double each = (double)f->n * (double)f->size;
	double *x, *t;

	if (f->frames < f->room)
		return 0;
	if ((double)room * each > NUMBERS_MAX) /* as many as still fit */
		room = (int64_t)(NUMBERS_MAX / each);
	if (room <= f->room)
		return 1;
	t = realloc(f->t, (size_t)room * sizeof *t);
	if (t)
		f->t = t;
	x = t ? realloc(f->x, (size_t)room * (size_t)(f->n * f->size) * sizeof *x) : NULL;
	if (!x)
		return 1;
	f->x = x;
	f->room = room;
	return 0;
}

int film_add(film *f, double t, const double *x)
{
	int64_t i, k = sf_process_blocks(f->m->setup.process);
	double *kept;

	f->full = grow(f);
	if (f->full)
		return 1;
	kept = f->x + f->frames * f->n * f->size;
	f->t[f->frames++] = t;
	for (i = 0; i < f->n; i++)
		memcpy(kept + i * f->size, x + i * k * f->size, (size_t)f->size * sizeof *x);
	return 0;
}

double film_scale(const film *f, double t)
{
	const sf_process *p = f->m->setup.process;
	double std = f->m->coder ? 1 : f->m->setup.view.std, phi[4], cov[4]; /* latents are about N(0,1) */

	if (!sf_process_linear(p) || isnan(t) || t <= 0 || !(std > 0))
		return 1;
	sf_process_phi(p, 0, t, phi);
	sf_process_cov(p, t, cov);
	return hypot(phi[0] * std, sqrt(cov[0])) / std;
}

int film_strip(sf_ctx *ctx, const film *f, const char *path, int64_t cols, int64_t zoom)
{
	const sf_data_info *info = &f->m->setup.info;
	int64_t i, j, k, frame, wide = info->size > f->size ? info->size : f->size;
	double *tile, *picture;
	int rc = 0;

	if (cols <= 0)
		cols = COLUMNS;
	if (cols > f->frames)
		cols = f->frames;
	tile = malloc((size_t)(f->n * cols * wide) * sizeof *tile);
	picture = f->m->coder ? malloc((size_t)(f->n * cols * wide) * sizeof *picture) : tile;
	if (!tile || !picture) {
		free(tile);
		if (picture != tile)
			free(picture);
		return fail(STATUS_INPUT, "%s: out of memory", path);
	}
	for (j = 0; j < cols; j++) {
		frame = cols > 1 ? j * (f->frames - 1) / (cols - 1) : f->frames - 1;
		for (i = 0; i < f->n; i++)
			for (k = 0; k < f->size; k++)
				tile[(i * cols + j) * f->size + k] =
					f->x[(frame * f->n + i) * f->size + k] / film_scale(f, f->t[frame]);
	}
	if (f->m->coder)
		rc = sf_coder_decode(f->m->coder, f->n * cols, tile, picture);
	if (rc == 0) {
		model_unscale(f->m, f->n * cols * info->size, picture);
		rc = image_grid(ctx, path, f->n * cols, info->dim, picture, info->lo, info->hi, cols, zoom);
	}
	if (picture != tile)
		free(picture);
	free(tile);
	return rc;
}

int film_check(const model *m, const char *path)
{
	if (ends_in(path, ".npy") || ends_in(path, ".npz"))
		return 0;
	if (!ends_in(path, ".png"))
		return fail(STATUS_INPUT, "trajectory '%s': expected a name that ends in .png, .npy or .npz", path);
	if (!is_image(m->setup.info.rank, m->setup.info.dim))
		return fail(STATUS_INPUT, "trajectory '%s': the samples are not images; use .npy, .npz or scorefield plot "
		            "trajectories", path);
	return 0;
}

static int write_arrays(sf_ctx *ctx, const film *f, const char *path)
{
	static const char *const names[] = {"trajectory", "times"};
	const sf_array *arrays[2];
	sf_array a, times;
	float *v;
	int64_t i;
	int rc;

	memset(&times, 0, sizeof times);
	times.type = SF_FLOAT64;
	times.rank = 1;
	times.dim[0] = times.size = f->frames;
	times.data = f->t;
	memset(&a, 0, sizeof a);
	a.rank = f->m->setup.model.rank + 2;
	a.dim[0] = f->frames;
	a.dim[1] = f->n;
	memcpy(a.dim + 2, f->m->setup.model.dim, (size_t)f->m->setup.model.rank * sizeof *a.dim);
	a.size = f->frames * f->n * f->size;
	a.type = SF_FLOAT32;
	a.data = v = malloc((size_t)a.size * sizeof *v);
	if (!v)
		return fail(STATUS_INPUT, "%s: out of memory", path);
	for (i = 0; i < a.size; i++)
		v[i] = (float)(f->m->coder ? f->x[i] : f->m->setup.view.scale * f->x[i] + f->m->setup.view.shift);
	arrays[0] = &a;
	arrays[1] = &times;
	rc = ends_in(path, ".npz") ? sf_npz_write(ctx, path, 2, names, arrays) : sf_npy_write(ctx, path, &a);
	free(v);
	return rc;
}

int film_write(sf_ctx *ctx, const film *f, const char *path, int64_t cols, int64_t zoom)
{
	return ends_in(path, ".png") ? film_strip(ctx, f, path, cols, zoom) : write_arrays(ctx, f, path);
}
