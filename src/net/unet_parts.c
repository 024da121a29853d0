/* unet_parts.c: halving, doubling and the two pyramids of the U-Nets (Song et al. 2021, appendix H, and ncsnpp.py).
 *
 *     input    residual    p = conv_down(p);  p = h = (p + h) r           the sum is what the next level halves
 *              input-skip  p = down(p);       h = conv1x1(p) + h  or  concat(conv1x1(p), h)
 *     output   output-skip p = up(p) + conv3x3(act(norm(h)))              the last p is the network's result
 *              residual    p = conv3x3(act(norm(h))) on the smallest level; then p = h = (conv_up(p) + h) r
 *
 * r as in block.c. EDM's aux_residual, a 3x3 convolution padded by 2 with the filter of stride 2 after it, is
 * sf_net_down_conv with the two exchanged, which is the same: outside the image all is zero.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/unet.h"

int sf_unet_attends(const struct unet *st, int64_t height)
{
	int i;

	for (i = 0; i < st->attn.n; i++)
		if (st->attn.v[i] == (double)height)
			return 1;
	return 0;
}

static int filtered(const struct unet *st)
{
	return st->resample == UNET_FIR || st->resample == UNET_FIR_CONV;
}

void sf_unet_block(const struct unet *st, sf_block *b)
{
	double sum = 0;
	int j;

	b->dropout = st->dropout;
	b->init_scale = st->init_scale;
	b->rescale = st->rescale;
	b->groups = st->groups;
	b->skip_kernel = st->conv_shortcut ? 3 : 1;
	b->skip_scale = st->block == UNET_DDPM && !st->conv_shortcut ? .1 : 1;
	b->fir.n = filtered(st) ? st->fir.n : 2;
	for (j = 0; j < b->fir.n; j++)
		sum += b->fir.tap[j] = filtered(st) ? st->fir.v[j] : 1;
	for (j = 0; j < b->fir.n; j++)
		b->fir.tap[j] /= sum;
}

static sf_var conv_down(const struct unet *st, sf_graph *g, const sf_block *b, const char *name, sf_var x, int64_t c)
{
	return filtered(st) ? sf_net_down_conv(g, &b->fir, name, x, c) : sf_net_halve_conv(g, name, x, c);
}

static sf_var conv_up(const struct unet *st, sf_graph *g, const sf_block *b, const char *name, sf_var x, int64_t c)
{
	return filtered(st) ? sf_net_up_conv(g, &b->fir, name, x, c) : sf_net_double_conv(g, name, x, c);
}

sf_var sf_unet_halve(const struct unet *st, sf_graph *g, const sf_block *b, sf_var h, int64_t c)
{
	if (st->resample == UNET_CONV || st->resample == UNET_FIR_CONV)
		return sf_keep(g, conv_down(st, g, b, "halve", h, c));
	return st->block == UNET_BIGGAN ? sf_net_res_block(g, b, "halve", h, c, SF_DOWN)
	                                : sf_keep(g, sf_net_down(g, &b->fir, h));
}

sf_var sf_unet_double(const struct unet *st, sf_graph *g, const sf_block *b, sf_var h, int64_t c)
{
	if (st->resample == UNET_CONV || st->resample == UNET_FIR_CONV)
		return sf_keep(g, conv_up(st, g, b, "double", h, c));
	return st->block == UNET_BIGGAN ? sf_net_res_block(g, b, "double", h, c, SF_UP)
	                                : sf_keep(g, sf_net_up(g, &b->fir, h));
}

sf_var sf_unet_pyramid_in(const struct unet *st, sf_graph *g, const sf_block *b, sf_var *pyramid, sf_var h)
{
	int64_t c = sf_shape_of(g, h).dim[2];
	sf_var p;

	if (st->progressive_in == UNET_IN_NONE)
		return h;
	if (st->progressive_in == UNET_IN_RESIDUAL) {
		p = conv_down(st, g, b, "pyramid", *pyramid, c);
		return *pyramid = sf_keep(g, sf_net_join(g, b, p, h));
	}
	*pyramid = sf_keep(g, sf_net_down(g, &b->fir, *pyramid));
	p = sf_net_conv(g, "pyramid", *pyramid, c, 1, 1, 1);
	return sf_keep(g, st->combine == UNET_CAT ? sf_concat(g, p, h) : sf_add(g, p, h));
}

sf_var sf_unet_head(const struct unet *st, sf_graph *g, const char *name, sf_var h, int64_t out, double scale)
{
	sf_push(g, "%s", name);
	h = sf_net_group_norm(g, "norm", h, st->groups, SF_ACT_SILU);
	h = sf_net_conv(g, "conv", h, out, 3, 1, scale);
	sf_pop(g);
	return h;
}

sf_var sf_unet_pyramid_out(const struct unet *st, sf_graph *g, const sf_block *b, sf_var pyramid, sf_var *h,
                           int64_t channels)
{
	int64_t c = sf_shape_of(g, *h).dim[2];
	sf_var p;

	if (st->progressive_out == UNET_OUT_NONE)
		return SF_NOVAR;
	if (st->progressive_out == UNET_OUT_SKIP) {
		p = sf_unet_head(st, g, "pyramid", *h, channels, st->init_scale);
		return sf_keep(g, pyramid == SF_NOVAR ? p : sf_add(g, sf_net_up(g, &b->fir, pyramid), p));
	}
	if (pyramid == SF_NOVAR)
		return sf_keep(g, sf_unet_head(st, g, "pyramid", *h, c, 1));
	p = conv_up(st, g, b, "pyramid.up", pyramid, c);
	return *h = sf_keep(g, sf_net_join(g, b, p, *h));
}
