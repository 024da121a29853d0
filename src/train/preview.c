/* preview.c: samples drawn with the moving average of the weights while training: a PNG grid for images, an NPY of
 * shape (n,d) for anything else. With latents they are drawn there, while they are trained without a score model from N(0,1),
 * and decoded to the mean of p(x|z).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <string.h>

static int write_grid(const sf_setup *s, int64_t n, const double *x, const char *path)
{
	const int64_t *dim = s->info.dim;
	unsigned char *pixels = sf_alloc((size_t)n, (size_t)s->info.size);
	int rc;

	if (!pixels)
		return sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
	sf_setup_pixels(s, n * s->info.size, x, pixels);
	rc = sf_png_grid(s->ctx, path, n, dim[0], dim[1], (int)dim[2], 0, 2, pixels);
	sf_free(pixels);
	return rc;
}

static int write_points(const sf_setup *s, int64_t n, double *x, const char *path)
{
	sf_array a;
	int64_t i;

	for (i = 0; i < n * s->info.size; i++)
		x[i] = x[i] * s->view.scale + s->view.shift;
	memset(&a, 0, sizeof a);
	a.type = SF_FLOAT64;
	a.rank = 2;
	a.dim[0] = n;
	a.dim[1] = s->info.size;
	a.size = n * s->info.size;
	a.data = x;
	return sf_npy_write(s->ctx, path, &a);
}

/* Classes in turn, so that a grid of 10 columns shows one a column. */
static int label(const sf_setup *s, sf_score *score)
{
	int classes = s->model.classes, i, rc;
	int *labels;

	if (classes < 1)
		return SF_OK;
	labels = sf_alloc((size_t)classes, sizeof *labels);
	if (!labels)
		return sf_fail(s->ctx, SF_ENOMEM, "samples: out of memory");
	for (i = 0; i < classes; i++)
		labels[i] = i;
	rc = sf_model_score_labels(score, classes, labels);
	sf_free(labels);
	return rc;
}

/* What the model is of: (n,model.size), for latents that are trained without it unit normals. */
static int draw(const sf_setup *s, const void *ema, int64_t step, double *z)
{
	const sf_settings *set = sf_config_settings(s->config);
	sf_noise key = {(uint64_t)set->sample.seed, SF_NOISE_PRIOR, 0};
	sf_score *score = NULL;
	sf_sample_run run;
	int64_t n = set->sample.n, i;
	int rc;

	if (sf_phase_at(s, step - 1) == SF_LATENT_PRETRAIN) {
		for (i = 0; i < n; i++)
			sf_noise_normal_d(s->ctx, key, (uint64_t)i, 0, (size_t)s->model.size, z + i * s->model.size);
		return SF_OK;
	}
	rc = sf_model_score(&s->model, s->type, ema, set->sample.batch, &score);
	if (rc == 0)
		rc = label(s, score);
	if (rc == 0) {
		sf_sample_defaults(&run);
		run.n = n;
		run.seed = (uint64_t)set->sample.seed;
		run.steps = set->sample.steps;
		run.grid = s->grid;
		rc = sf_sample(s->sampler, score, &run, z, NULL);
		sf_process_position(s->process, n, s->model.size, z);
	}
	sf_score_free(score);
	return rc;
}

static int decode(const sf_setup *s, const void *ema, int64_t n, const double *z, double *x)
{
	enum { BATCH = 16 };
	size_t e = s->type == SF_F32 ? sizeof(float) : sizeof(double);
	sf_coder *c;
	int rc;

	SF_TRY(sf_coder_new(s->vae, s->type, (const char *)ema + (size_t)s->pair * e, BATCH, &c));
	rc = sf_coder_decode(c, n, z, x);
	sf_coder_free(c);
	return rc;
}

int sf_preview(const sf_setup *s, const void *ema, sf_rundir *r, int64_t step, char *path, size_t size)
{
	const sf_settings *set = sf_config_settings(s->config);
	int images = s->info.rank == 3 && (s->info.dim[2] == 1 || s->info.dim[2] == 3), rc;
	int64_t n = set->sample.n;
	double *z, *x;

	SF_TRY(sf_rundir_path(s->ctx, r->dir, "samples", step, images ? ".png" : ".npy", path, size));
	z = sf_alloc((size_t)n * (size_t)sf_process_blocks(s->process), (size_t)s->model.size * sizeof *z);
	x = s->vae ? sf_alloc((size_t)n, (size_t)s->info.size * sizeof *x) : z;
	rc = z && x ? draw(s, ema, step, z) : sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
	if (rc == 0 && s->vae)
		rc = decode(s, ema, n, z, x);
	if (rc == 0)
		rc = images ? write_grid(s, n, x, path) : write_points(s, n, x, path);
	if (rc == 0 && images && r->events)
		rc = sf_events_image(r->events, step, "samples", path);
	if (x != z)
		sf_free(x);
	sf_free(z);
	return rc;
}
