/* refine.h: the RefineNets of NCSN and NCSNv2: their layers (refine.c, refine_block.c) and the network they make
 * (refine_net.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NET_REFINE_H
#define SF_NET_REFINE_H

#include "net/build.h"

/* What the layers know of the noise level. levels = 0 (NCSNv2): nothing; normalisation in the residual blocks alone,
 * maxima in the pooling chains. levels > 0 (NCSN): a row of each normalisation's table, normalisation in the refine
 * blocks too, means in the chains. */
typedef struct sf_refine {
	sf_var level; /* per-sample scalar, a whole number below `levels` */
	int64_t levels;
} sf_refine;

/* k x k convolution to `out` channels at the same size, taps `dilation` apart. */
sf_var sf_refine_conv(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int dilation, int bias);
/* InstanceNorm++ */
sf_var sf_refine_norm(sf_graph *g, const sf_refine *r, const char *name, sf_var x);
/* Residual block; `enter`: the first of a level, which halves the image (dilation 1) or begins to dilate. */
sf_var sf_refine_res(sf_graph *g, const sf_refine *r, const char *name, sf_var x, int64_t out, int enter,
                     int dilation);
/* Refinement of a[0] by a[1] to `out` channels at the size of a[0], or (n = 1) of a[0] alone, which has them;
 * `last`: before the output. */
sf_var sf_refine_block(sf_graph *g, const sf_refine *r, const char *name, const sf_var *a, int n, int64_t out,
                       int last);

/* ---- the network ---- */
enum { SF_REFINE_UNIT, SF_REFINE_CENTERED };
struct sf_refine_net {
	int64_t width, levels;
	int size, input;
};
int sf_refine_accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim);
sf_var sf_refine_build(const void *state, sf_graph *g, const sf_net_io *io);

#define SF_REFINE_AT(m) offsetof(struct sf_refine_net, m)
#define SF_REFINE_OPTIONS                                                                                       \
	{"width", "channels of the first level", SF_OPT_INT, SF_REFINE_AT(width), "128", 2, 2048, NULL},        \
	{"size", "structure for images of about this size; auto: 64 below 96 pixels, 128 up to 128, else 256", \
	 SF_OPT_CHOICE, SF_REFINE_AT(size), "auto", 0, 0, "auto|64|128|256"},                                   \
	{"input", "range of the data: unit, taken to 2x - 1, or centered, taken as they are", SF_OPT_CHOICE,   \
	 SF_REFINE_AT(input), "unit", 0, 0, "unit|centered"}

#endif
