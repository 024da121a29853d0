/* sample.h: the parts of `scorefield sample`.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_SAMPLE_H
#define SF_CMD_SAMPLE_H

#include "cmd/model.h"

typedef struct sample_opts {
	common common;
	int64_t n, steps, zoom, cols, first, between;
	char *sampler, *grid, *output, *inpaint, *mask, *trajectory, *decode, *gaussian, *ema, *vae;
	double guidance, teleport; /* NaN: not given */
	int raw, force, all, all_steps;
	sf_list labels, nfe;
} sample_opts;

/* ---- sample_write.c ---- */
enum { TO_PNG, TO_NPY, TO_NPZ, TO_DIR };
typedef struct target {
	int kind;
	char path[1024];
} target;
/* Where to write; refused before any work is done. */
int target_find(const sample_opts *o, const model *m, const char *operand, target *to);
/* Samples x (n,size) on the scale of the stored data; label (n) may be NULL. */
int target_write(sf_ctx *ctx, const sample_opts *o, const model *m, const target *to, const double *x,
		 const int32_t *label);
int ends_in(const char *s, const char *end);
int make_dir(const char *path);
/* Shape (n, that of a sample). */
void samples_shape(const model *m, int64_t n, sf_array *a);
/* The NPY, or the picture of images and of points of the plane, at `path`. */
int write_npy(sf_ctx *ctx, const model *m, const char *path, int64_t n, const double *x);
int write_picture(sf_ctx *ctx, const sample_opts *o, const model *m, const char *path, const double *x);
int has_picture(const model *m);

/* ---- sample_known.c: --inpaint and --mask ---- */
typedef struct known_part {
	sf_known known;
	unsigned char *mask;
	double *x;
} known_part;
/* Reads both files into network values of the model's shape. */
int known_read(sf_ctx *ctx, const model *m, const char *file, const char *mask, known_part *k);
void known_free(known_part *k);

/* ---- teleport.c ---- */
/* The model of the data to teleport with: a file of `scorefield fit`, a score's spec, or NULL, fitted to the run's data. */
int teleport_open(sf_ctx *ctx, const model *m, const char *given, sf_score **score);

/* ---- sample_all.c: --all-samplers ---- */
int sample_all(sf_ctx *ctx, const sample_opts *o, model *m, const int32_t *label);

#endif
