/* latent.h: the parts of `scorefield latent`.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_LATENT_H
#define SF_CMD_LATENT_H

#include "cmd/model.h"

typedef struct latent_opts {
	common common;
	char *output, *data, *ema, *vae;
	int64_t n, first, steps, aggregate, zoom, cols;
	int draw, along, line, raw;
	sf_list range;
} latent_opts;
enum { ALONG_CHANNELS, ALONG_PRINCIPAL };

typedef struct latent_work {
	sf_ctx *ctx;
	const latent_opts *o;
	model m;
	sf_data *data;
	sf_view view;
	int64_t size, d; /* numbers of a record and of its latent */
	char path[1100];
	/* what is told at the end */
	double square, logp, kl[SF_VAE_GROUPS];
	int64_t rows;
	/* ---- latent_directions.c ---- */
	int64_t directions;
	double *direction; /* (directions,d), one deviation long each, from the largest down */
	double *deviation; /* (directions) */
	int64_t *which;    /* (directions) number of the channel or of the principal direction */
} latent_work;

/* Refuses records that the data lack. */
int latent_records(latent_work *w, int64_t first, int64_t n);
/* Records first .. into x (n,size) and their latents z (n,d), means or draws; std (n,d) and kl (n,groups) may be NULL. */
int latent_encode(latent_work *w, int64_t first, int64_t n, int draw, double *x, double *z, double *std, double *kl);
/* Directions of the aggregate posterior. */
int latent_aggregate(latent_work *w);

#endif
