/* unet.c: the DDPM++ family of U-Nets on images (h,w,c).
 *
 *     temb = act(W_1 act(W_0 embed(cond)))                                   width 4 nf
 *     h = conv3x3(x); per level: blocks x (res [attn at the listed sizes]), then halve
 *     middle: res, attn, res
 *     per level from the last: (blocks + 1) x res of concat(h, stored h) [attn], then double
 *     F = conv3x3(act(norm(h)))                                              initial scale init-scale
 *
 * resample = mean: BigGAN blocks with 2x2 means and nearest neighbours (DDPM++ of Song et al. 2021, 2011.13456,
 * ncsnpp.py); conv: 3x3 of stride 2 down, nearest neighbour and 3x3 up (Ho et al. 2020). attn-up = last: one attention
 * after the last block of an up level (Song et al.); each: after every block (Ho et al.).
 * Known answer: the CIFAR-10 DDPM++ (width=128,mult=1:2:2:2,blocks=4,attn=16 on 32x32x3) has
 * 61,804,419 parameters.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEVELS_MAX = 10, BLOCKS_MAX = 16, STACK = LEVELS_MAX * (BLOCKS_MAX + 1) + 1 };

struct unet {
	int64_t width, blocks;
	sf_list mult, attn;
	int embed, rescale, resample, attn_up;
	double dropout, init_scale, fourier_scale;
};
enum { RESAMPLE_MEAN, RESAMPLE_CONV };
enum { ATTN_LAST, ATTN_EACH };

#define AT(m) offsetof(struct unet, m)
static const sf_opt opts[] = {
	{"width", "channels of the first level", SF_OPT_INT, AT(width), "64", 4, 2048, NULL},
	{"mult", "channels of each level in units of width", SF_OPT_LIST, AT(mult), "1:2:2", 1, 64, NULL},
	{"blocks", "residual blocks of a level", SF_OPT_INT, AT(blocks), "2", 1, BLOCKS_MAX, NULL},
	{"attn", "heights of the images at which attention follows a block", SF_OPT_LIST, AT(attn), "",
	 1, 65536, NULL},
	{"attn-up", "attention on the way up after the last or each block of a level", SF_OPT_CHOICE,
	 AT(attn_up), "last", 0, 0, "last|each"},
	{"resample", "mean: inside residual blocks; conv: convolutions of stride 2", SF_OPT_CHOICE,
	 AT(resample), "mean", 0, 0, "mean|conv"},
	{"embed", "embedding of the noise level", SF_OPT_CHOICE, AT(embed), "positional", 0, 0,
	 SF_NET_EMBEDS},
	{"fourier-scale", "standard deviation of the Fourier frequencies", SF_OPT_DOUBLE,
	 AT(fourier_scale), "16", 1e-6, 1e6, NULL},
	{"dropout", "probability of dropping a unit before a block's second convolution", SF_OPT_DOUBLE,
	 AT(dropout), "0", 0, 0.95, NULL},
	{"skip-rescale", "divide sums of two branches by sqrt 2", SF_OPT_BOOL, AT(rescale), "true", 0, 0,
	 NULL},
	{"init-scale", "initial scale of layers that end a branch; 0 stands for 1e-10", SF_OPT_DOUBLE,
	 AT(init_scale), "0", 0, 100, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *state, sf_ctx *ctx)
{
	const struct unet *st = state;
	int i;

	if (st->mult.n < 1 || st->mult.n > LEVELS_MAX)
		return sf_fail(ctx, SF_ERANGE, "net 'unet': mult names %d levels; expected 1 to %d",
		               st->mult.n, LEVELS_MAX);
	if (st->width % 2)
		return sf_fail(ctx, SF_EINVAL, "net 'unet': width=%lld is odd; the embedding needs pairs",
		               (long long)st->width);
	for (i = 0; i < st->mult.n; i++)
		if (st->mult.v[i] != (double)(int)st->mult.v[i])
			return sf_fail(ctx, SF_EINVAL, "net 'unet': mult=%g is not a whole number",
			               st->mult.v[i]);
	return SF_OK;
}

static int accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim)
{
	const struct unet *st = state;
	int64_t unit = (int64_t)1 << (st->mult.n - 1);
	int i, l;

	(void)rank;
	if (dim[2] != 1 && dim[2] != 3)
		return sf_fail(ctx, SF_EUNSUP, "net 'unet': images of %lld channels; expected 1 (grey) or 3 "
		               "(RGB)", (long long)dim[2]);
	if (dim[0] % unit || dim[1] % unit)
		return sf_fail(ctx, SF_EUNSUP,
		               "net 'unet': %d levels halve an image %d times, so height and width must be "
		               "multiples of %lld; the data are %lldx%lld", st->mult.n, st->mult.n - 1,
		               (long long)unit, (long long)dim[0], (long long)dim[1]);
	for (i = 0; i < st->attn.n; i++) {
		for (l = 0; l < st->mult.n && st->attn.v[i] != (double)(dim[0] >> l); l++)
			;
		if (l == st->mult.n)
			return sf_fail(ctx, SF_EUNSUP, "net 'unet': attn=%g is the height of no level; the "
			               "levels are %lld to %lld high, halving", st->attn.v[i],
			               (long long)dim[0], (long long)(dim[0] >> (st->mult.n - 1)));
	}
	return SF_OK;
}

static int attends(const struct unet *st, int64_t height)
{
	int i;

	for (i = 0; i < st->attn.n; i++)
		if (st->attn.v[i] == (double)height)
			return 1;
	return 0;
}

static sf_var down(const struct unet *st, sf_graph *g, const sf_block *b, const char *name, sf_var h,
                   int64_t c)
{
	if (st->resample == RESAMPLE_MEAN)
		return sf_net_res_block(g, b, name, h, c, SF_DOWN);
	return sf_net_conv(g, name, h, c, 3, 2, 1);
}

static sf_var up(const struct unet *st, sf_graph *g, const sf_block *b, const char *name, sf_var h,
                 int64_t c)
{
	if (st->resample == RESAMPLE_MEAN)
		return sf_net_res_block(g, b, name, h, c, SF_UP);
	return sf_net_conv(g, name, sf_up2(g, h), c, 3, 1, 1);
}

static sf_var embedding(const struct unet *st, sf_graph *g, const sf_net_io *io)
{
	sf_var e;

	sf_push(g, "embed");
	e = sf_net_embed(g, st->embed, io->cond, st->width, st->fourier_scale);
	e = sf_net_embed_label(g, e, io);
	e = sf_silu(g, sf_net_linear(g, "dense0", e, 4 * st->width, 1));
	e = sf_silu(g, sf_net_linear(g, "dense1", e, 4 * st->width, 1));
	sf_pop(g);
	return e;
}

static sf_var build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct unet *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	sf_var stack[STACK], h;
	unsigned layer = 0;
	sf_block b;
	int top = 0, l;
	int64_t i;
	char name[40];

	b.temb = embedding(st, g, io);
	b.dropout = st->dropout;
	b.init_scale = st->init_scale;
	b.rescale = st->rescale;
	b.train = io->train;
	b.layer = &layer;

	stack[top++] = h = sf_net_conv(g, "in", io->x, st->width, 3, 1, 1);
	for (l = 0; l < st->mult.n && sf_graph_status(g) == 0; l++) {
		int64_t c = st->width * (int64_t)st->mult.v[l];

		sf_push(g, "down%d", l);
		for (i = 0; i < st->blocks; i++) {
			snprintf(name, sizeof name, "res%d", (int)i);
			h = sf_net_res_block(g, &b, name, h, c, SF_KEEP);
			snprintf(name, sizeof name, "attn%d", (int)i);
			if (attends(st, s.dim[0] >> l))
				h = sf_net_attn_block(g, &b, name, h);
			stack[top++] = h;
		}
		if (l + 1 < st->mult.n)
			stack[top++] = h = down(st, g, &b, "halve", h, c);
		sf_pop(g);
	}

	i = st->width * (int64_t)st->mult.v[st->mult.n - 1];
	h = sf_net_res_block(g, &b, "middle.res0", h, i, SF_KEEP);
	h = sf_net_attn_block(g, &b, "middle.attn", h);
	h = sf_net_res_block(g, &b, "middle.res1", h, i, SF_KEEP);

	for (l = st->mult.n - 1; l >= 0 && sf_graph_status(g) == 0; l--) {
		int64_t c = st->width * (int64_t)st->mult.v[l];

		sf_push(g, "up%d", l);
		for (i = 0; i <= st->blocks; i++) {
			snprintf(name, sizeof name, "res%d", (int)i);
			h = sf_net_res_block(g, &b, name, sf_concat(g, h, stack[--top]), c, SF_KEEP);
			snprintf(name, sizeof name, "attn%d", (int)i);
			if (attends(st, s.dim[0] >> l) && (st->attn_up == ATTN_EACH || i == st->blocks))
				h = sf_net_attn_block(g, &b, name, h);
		}
		if (l > 0)
			h = up(st, g, &b, "double", h, c);
		sf_pop(g);
	}
	h = sf_net_norm(g, "out.norm", h, SF_ACT_SILU);
	return sf_net_conv(g, "out.conv", h, io->out_channels ? io->out_channels : s.dim[2], 3, 1,
	                   st->init_scale);
}

static int log_noise(const void *state)
{
	return ((const struct unet *)state)->embed == SF_EMBED_FOURIER;
}

extern const sf_net_class sf_net_unet;
const sf_net_class sf_net_unet = {
	{"unet", "U-Net of the DDPM++ family", "Song et al. 2021 (2011.13456), appendix H; Ho et al. 2020",
	 sizeof(struct unet), opts, init, NULL},
	accepts, build, log_noise, 1, NULL};
