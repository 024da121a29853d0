/* augment.h: the parts of EDM's augmentation: what is drawn, its labels and matrix, and the resampling.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_DATA_AUGMENT_H
#define SF_DATA_AUGMENT_H

#include "data/data.h"

/* One image's transforms; all zero leaves it as it is. */
typedef struct sf_transform {
	int flip[2];     /* left-right, up-down */
	double scale;    /* w: by 2^(0.2 w) */
	double rotate;   /* angle */
	double stretch;  /* w: by 2^(0.2 w) along `axis`, 2^(-0.2 w) across */
	double axis;     /* angle */
	double shift[2]; /* in eighths of width and height */
} sf_transform;

/* ---- augment.c ---- */
enum { SF_TRANSFORM_UNIFORMS = 10, SF_TRANSFORM_NORMALS = 4 };
/* From uniforms in (0,1) and standard normals; kinds: SF_AUGMENT_... */
void sf_transform_make(const double *u, const double *z, double probability, int kinds, sf_transform *t);
/* Of draw number `draw`. */
void sf_transform_draw(const sf_ctx *ctx, uint64_t seed, uint64_t draw, double probability, int kinds, sf_transform *t);
void sf_transform_labels(const sf_transform *t, double label[SF_AUGMENT_LABELS]);
/* The map from places of the result to places of the image, both from the centre in pixels: p -> g (x, y, 1). */
void sf_transform_matrix(const sf_transform *t, int64_t h, int64_t w, double g[2][3]);

/* ---- augment_warp.c ---- */
enum { SF_WARP_SIDE = 6 }; /* least height and width */
extern const double sf_sym6[12];
/* Numbers of memory that sf_warp needs; -1 on overflow. */
int64_t sf_warp_room(int64_t h, int64_t w);
/* Resamples x (h,w,c) in place. */
void sf_warp(const double g[2][3], int64_t h, int64_t w, int64_t c, double *x, double *room);

#endif
