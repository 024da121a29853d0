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
/* GroupNorm with the largest divisor of c up to min(c/4, 32) as groups, eps 1e-6, then act (SF_ACT_...). */
sf_var sf_net_norm(sf_graph *g, const char *name, sf_var x, int act);
/* Inverted dropout: kept with probability 1-p and divided by it. *layer counts the layers of one call of the network, so
 * that two calls in a graph (antithetic pairs) drop the same units. */
sf_var sf_net_dropout(sf_graph *g, sf_var x, double p, unsigned *layer);

/* Embedding of a per-sample scalar, (width): see embed.c. */
enum { SF_EMBED_POSITIONAL, SF_EMBED_FOURIER, SF_EMBED_NONE };
#define SF_NET_EMBEDS "positional|fourier|none"
sf_var sf_net_embed(sf_graph *g, int kind, sf_var cond, int64_t width, double fourier_scale);
/* e plus the row of a table (classes + 1, width of e) that the label picks; -1 picks row 0. */
sf_var sf_net_embed_label(sf_graph *g, sf_var e, const sf_net_io *io);

typedef struct sf_block {
	sf_var temb; /* activated embedding */
	double dropout, init_scale;
	int rescale; /* divide sums by sqrt 2 */
	int train;
	unsigned *layer; /* dropout counter */
} sf_block;
enum { SF_DOWN = -1, SF_KEEP = 0, SF_UP = 1 };
/* Residual block of (h,w,ci) -> (h,w,out), or half or double the size. */
sf_var sf_net_res_block(sf_graph *g, const sf_block *b, const char *name, sf_var x, int64_t out,
                        int resample);
/* Single-head self-attention over positions. */
sf_var sf_net_attn_block(sf_graph *g, const sf_block *b, const char *name, sf_var x);

#endif
