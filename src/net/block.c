/* block.c: the residual and the attention block of the DDPM++/NCSN++ family.
 *
 *     res:   h = conv0(act(norm0(x)))           3x3; x and h resampled first if asked to (BigGAN block)
 *            h = h + dense(temb)
 *            h = conv1(dropout(act(norm1(h))))  initial scale init_scale
 *            y = (x' + h) r,  x' = x, or a 1x1 (or 3x3) convolution of it where channels or size change
 *     attn:  y = (x + out(softmax(q k'/sqrt(c)) v)) r,  q, k, v = 1x1 of norm(x), one head
 *
 * r = 1/sqrt 2 with skip rescaling, else 1. q, k, v start with scale .1, which is EDM's sqrt(.2) times
 * Xavier's bound for the three in one. Sources: Song et al. 2021 (2011.13456), appendix H and layerspp.py
 * (ResnetBlockDDPMpp, ResnetBlockBigGANpp, AttnBlockpp); Ho et al. 2020; Karras et al. 2022, UNetBlock.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"

#include <math.h>

static sf_var resampled(sf_graph *g, const sf_block *b, sf_var x, int how)
{
	return how == SF_DOWN ? sf_net_down(g, &b->fir, x) : how == SF_UP ? sf_net_up(g, &b->fir, x) : x;
}

sf_var sf_net_join(sf_graph *g, const sf_block *b, sf_var x, sf_var h)
{
	h = sf_add(g, x, h);
	return b->rescale ? sf_scale(g, h, sqrt(.5)) : h;
}

sf_var sf_net_res_block(sf_graph *g, const sf_block *b, const char *name, sf_var x, int64_t out,
                        int resample)
{
	sf_shape s = sf_shape_of(g, x);
	sf_var h;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	sf_push(g, "%s", name);
	h = sf_net_group_norm(g, "norm0", x, b->groups, SF_ACT_SILU);
	h = resampled(g, b, h, resample);
	x = resampled(g, b, x, resample);
	h = sf_net_conv(g, "conv0", h, out, 3, 1, 1);
	h = sf_add(g, h, sf_net_linear(g, "dense", b->temb, out, 1));
	h = sf_net_group_norm(g, "norm1", h, b->groups, SF_ACT_SILU);
	if (b->train)
		h = sf_net_dropout(g, h, b->dropout, b->layer);
	h = sf_net_conv(g, "conv1", h, out, 3, 1, b->init_scale);
	if (s.dim[2] != out || resample != SF_KEEP)
		x = sf_net_conv(g, "skip", x, out, b->skip_kernel, 1, b->skip_scale);
	h = sf_net_join(g, b, x, h);
	sf_pop(g);
	return sf_keep(g, h);
}

sf_var sf_net_attn_block(sf_graph *g, const sf_block *b, const char *name, sf_var x)
{
	sf_shape s = sf_shape_of(g, x);
	int64_t flat[2];
	sf_var h, q, k, v;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	flat[0] = s.dim[0] * s.dim[1];
	flat[1] = s.dim[2];
	sf_push(g, "%s", name);
	h = sf_reshape(g, sf_net_group_norm(g, "norm", x, b->groups, SF_ACT_NONE), 2, flat);
	q = sf_net_linear(g, "q", h, flat[1], .1);
	k = sf_net_linear(g, "k", h, flat[1], .1);
	v = sf_net_linear(g, "v", h, flat[1], .1);
	h = sf_net_linear(g, "out", sf_attention(g, q, k, v, 1), flat[1], b->init_scale);
	h = sf_net_join(g, b, x, sf_reshape(g, h, 3, s.dim));
	sf_pop(g);
	return sf_keep(g, h);
}
