/* build.h: the layers that networks are put together from. All append to a graph; a failure sticks to it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NET_BUILD_H
#define SF_NET_BUILD_H

#include <scorefield/net.h>

#include "core/core.h"

/* "silu|tanh|softplus|elu|relu" */
#define SF_NET_ACTS "silu|tanh|softplus|elu|relu"
enum { SF_NET_SILU, SF_NET_TANH, SF_NET_SOFTPLUS, SF_NET_ELU, SF_NET_RELU };
sf_var sf_net_act(sf_graph *g, int act, sf_var x);

/* y = W x + b with W (in,out), "NAME.weight" and "NAME.bias". `scale` as in default_init of score_sde: variance
 * scale / fan_avg, uniform; 0 stands for 1e-10. Bias 0. */
sf_var sf_net_linear(sf_graph *g, const char *name, sf_var x, int64_t out, double scale);
/* The same with square kernels of size k on (h,w,c), padded to keep the size (stride 1). */
sf_var sf_net_conv(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int stride,
                   double scale);
/* The same without padding. */
sf_var sf_net_conv_valid(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int stride, double scale);
/* GroupNorm with the largest divisor of c up to min(c/4, 32) as groups, eps 1e-6, then act (SF_ACT_...). */
sf_var sf_net_norm(sf_graph *g, const char *name, sf_var x, int act);
/* The same with a number of groups of one's choice; 0: as above. */
sf_var sf_net_group_norm(sf_graph *g, const char *name, sf_var x, int64_t groups, int act);
/* Inverted dropout: kept with probability 1-p and divided by it. *layer counts the layers of one call of the
 * network, so that two calls in a graph (antithetic pairs) drop the same units. */
sf_var sf_net_dropout(sf_graph *g, sf_var x, double p, unsigned *layer);

/* Embedding of a per-sample scalar, (width): see embed.c. */
enum { SF_EMBED_POSITIONAL, SF_EMBED_FOURIER, SF_EMBED_NONE };
#define SF_NET_EMBEDS "positional|fourier|none"
sf_var sf_net_embed(sf_graph *g, int kind, sf_var cond, int64_t width, double fourier_scale);
/* e plus what io->label and io->augment say, "labels.weight", "labels.bias" and "augment.weight": see embed.c. */
sf_var sf_net_embed_label(sf_graph *g, sf_var e, const sf_net_io *io);

/* Halving and doubling of images by a symmetric FIR filter: see fir.c. */
enum { SF_FIR_MAX = 16 };
typedef struct sf_fir {
	int n;
	double tap[SF_FIR_MAX]; /* sum 1 */
} sf_fir;
sf_var sf_net_down(sf_graph *g, const sf_fir *f, sf_var x);
sf_var sf_net_up(sf_graph *g, const sf_fir *f, sf_var x);
/* The same with a 3x3 convolution to `out` channels in one. */
sf_var sf_net_down_conv(sf_graph *g, const sf_fir *f, const char *name, sf_var x, int64_t out);
sf_var sf_net_up_conv(sf_graph *g, const sf_fir *f, const char *name, sf_var x, int64_t out);
/* Without a filter, as in DDPM: a convolution of stride 2 with zeros right and below the image alone; nearest
 * neighbours and a convolution. */
sf_var sf_net_halve_conv(sf_graph *g, const char *name, sf_var x, int64_t out);
sf_var sf_net_double_conv(sf_graph *g, const char *name, sf_var x, int64_t out);

typedef struct sf_block {
	sf_var temb; /* activated embedding */
	double dropout, init_scale;
	double skip_scale; /* initial scale of shortcuts: 1, or .1 for those of DDPM */
	int skip_kernel;   /* 1 or 3 */
	int64_t groups;    /* of the normalisation; 0: min(c/4, 32) */
	sf_fir fir;
	int rescale; /* divide sums by sqrt 2 */
	int train;
	unsigned *layer; /* dropout counter */
} sf_block;
enum { SF_DOWN = -1, SF_KEEP = 0, SF_UP = 1 };
/* x + h, or (x + h)/sqrt 2 */
sf_var sf_net_join(sf_graph *g, const sf_block *b, sf_var x, sf_var h);
/* Residual block of (h,w,ci) -> (h,w,out), or half or double the size. */
sf_var sf_net_res_block(sf_graph *g, const sf_block *b, const char *name, sf_var x, int64_t out,
                        int resample);
/* Single-head self-attention over positions. */
sf_var sf_net_attn_block(sf_graph *g, const sf_block *b, const char *name, sf_var x);

#endif
