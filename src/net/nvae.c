/* nvae.c: the residual cell of an autoencoder of images (h,w,c),
 *
 *     h = conv0(silu(norm0(x)))       3x3; x and h halved (2x2 mean) or doubled (nearest neighbour) first if asked to
 *     h = se(conv1(silu(norm1(h))))   3x3
 *     y = x' + h/10,                  x' = x, or a 1x1 convolution of it where the channels change
 *     se(h) = h sigmoid(W_2 relu(W_1 mean(h) + b_1) + b_2),    mean over positions, W_1 to max(c/16, 4) numbers
 *
 * Vahdat and Kautz 2020 (2007.03898), with two differences. The decoder's cell is this one too, where NVAE's is depthwise-separable
 * with an expansion: on a processor depthwise convolutions wait for memory, and the graph has none. And normalisation is over
 * groups of channels of one image, not over the batch: a sample's result must not depend on its neighbours, nor on
 * whether one trains or samples.
 * Known answer: a cell of 8 channels that keeps them has 1,276 parameters: 2 (8 + 8) + 2 (9 8 8 + 8) + (8 4 + 4) + (4 8 + 8).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/nvae.h"

#include <stdio.h>

int sf_nvae_init(void *state, sf_ctx *ctx, const char *name)
{
	const struct nvae *st = state;
	int64_t l;

	if (st->max_width && st->max_width < st->width)
		return sf_fail(ctx, SF_EINVAL, "net '%s': max-width=%lld is below width=%lld", name, (long long)st->max_width,
		               (long long)st->width);
	for (l = 0; l <= st->levels; l++)
		if (st->groups && sf_nvae_width(st, l) % st->groups)
			return sf_fail(ctx, SF_EINVAL, "net '%s': norm-groups=%lld do not divide %lld channels", name,
			               (long long)st->groups, (long long)sf_nvae_width(st, l));
	return SF_OK;
}

int sf_nvae_smooth(const void *state)
{
	return !((const struct nvae *)state)->squeeze;
}

int64_t sf_nvae_width(const struct nvae *st, int64_t level)
{
	int64_t w = st->width << level;

	return st->max_width && w > st->max_width ? st->max_width : w;
}

/* What each channel counts, from what all of them say on average. */
static sf_var excite(sf_graph *g, sf_var h)
{
	sf_shape s = sf_shape_of(g, h);
	int64_t dim[3], few;
	sf_var m;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	dim[0] = dim[1] = 1;
	dim[2] = s.dim[2];
	few = dim[2] / 16 < 4 ? 4 : dim[2] / 16;
	m = sf_scale(g, sf_sum_to(g, h, 1, 3, dim), 1 / (double)(s.dim[0] * s.dim[1]));
	m = sf_relu(g, sf_net_linear(g, "squeeze", sf_reshape(g, m, 1, &dim[2]), few, 1));
	m = sf_sigmoid(g, sf_net_linear(g, "excite", m, dim[2], 1));
	return sf_mul(g, h, m);
}

static sf_var resampled(sf_graph *g, sf_var x, int how)
{
	return how == SF_DOWN ? sf_down2(g, x) : how == SF_UP ? sf_up2(g, x) : x;
}

static sf_var cell(const struct nvae *st, sf_graph *g, sf_var x, int64_t out, int resample)
{
	sf_shape s = sf_shape_of(g, x);
	sf_var h;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	h = sf_net_group_norm(g, "norm0", x, st->groups, SF_ACT_SILU);
	h = sf_net_conv(g, "conv0", resampled(g, h, resample), out, 3, 1, 1);
	h = sf_net_group_norm(g, "norm1", h, st->groups, SF_ACT_SILU);
	h = sf_net_conv(g, "conv1", h, out, 3, 1, 1);
	if (st->squeeze)
		h = excite(g, h);
	x = resampled(g, x, resample);
	if (s.dim[2] != out)
		x = sf_net_conv(g, "skip", x, out, 1, 1, 1);
	return sf_keep(g, sf_add(g, x, sf_scale(g, h, .1)));
}

sf_var sf_nvae_cells(const struct nvae *st, sf_graph *g, const char *name, sf_var x, int64_t out, int resample)
{
	int64_t i;

	for (i = 0; i < st->cells && sf_graph_status(g) == 0; i++) {
		sf_push(g, "%s.cell%lld", name, (long long)i);
		x = cell(st, g, x, out, i == 0 ? resample : SF_KEEP);
		sf_pop(g);
	}
	return x;
}

sf_var sf_nvae_out(const struct nvae *st, sf_graph *g, sf_var x, int64_t out)
{
	x = sf_net_group_norm(g, "norm_out", x, st->groups, SF_ACT_SILU);
	return sf_net_conv(g, "conv_out", x, out, 3, 1, st->init_scale);
}
