/* film.h: the states of a run, step by step.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_FILM_H
#define SF_CMD_FILM_H

#include "cmd/model.h"

typedef struct film {
	const model *m;
	int64_t n, size, frames, room;
	double *x; /* (frames,n,size): positions in network values */
	double *t; /* (frames), NaN where samples have times of their own */
	int full;  /* it did not fit into memory */
} film;
void film_open(film *f, const model *m, int64_t n);
void film_close(film *f);
/* Adds states (n,k,size); 0, or 1 where they do not fit. */
int film_add(film *f, double t, const double *x);
/* What brings the states of time t to the deviation of the data: sqrt(alpha^2 std^2 + sigma^2)/std; 1 where that is not known. */
double film_scale(const film *f, double t);
/* Images: a row per sample, `cols` evenly chosen frames from noise to data, each divided by its scale. */
int film_strip(sf_ctx *ctx, const film *f, const char *path, int64_t cols, int64_t zoom);
/* FILE.npy (frames, n, shape) float32 on the scale of the stored data, or latents as they are; FILE.npz with the times too; FILE.png
 * the strip. */
int film_write(sf_ctx *ctx, const film *f, const char *path, int64_t cols, int64_t zoom);
/* Refuses a name that film_write could not serve. */
int film_check(const model *m, const char *path);

#endif
