/* unet.c: U-Nets on images (h,w,c): the walk that all members share, and the plain member `unet`.
 *
 *     temb = act(W_1 act(W_0 (embed(cond) + labels)))                        width 4 nf
 *     h = conv3x3(x); per level: blocks x (res [attn at the listed sizes]), then halve [join the input pyramid]
 *     middle: res, attn, res
 *     per level from the last: (blocks + 1) x res of concat(h, stored h) [attn] [output pyramid], then double
 *     F = conv3x3(act(norm(h))), or the output pyramid                       initial scale init-scale
 *
 * This is the class ncsnpp of Song et al. 2021 (2011.13456, appendix H), of which DDPM (Ho et al. 2020, as Song
 * et al. write it) and EDM's SongUNet (Karras et al. 2022) are settings. attn-up = last: one attention after the
 * last block of an up level (Song et al.); each: after every block (Ho et al.).
 * Known answer: the CIFAR-10 DDPM++ (width=128,mult=1:2:2:2,blocks=4,attn=16 on 32x32x3) has
 * 61,804,419 parameters.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdio.h>

#include "net/unet.h"

struct walk {
	const struct unet *st;
	sf_graph *g;
	sf_block b;
	unsigned layer;
	int64_t height, channels; /* of the input; of the result */
	sf_var stack[UNET_LEVELS * (UNET_BLOCKS + 1) + 1];
	int top;
};

static sf_var embedding(const struct unet *st, sf_graph *g, const sf_net_io *io)
{
	int64_t mult = st->embed_mult ? st->embed_mult : st->embed == SF_EMBED_FOURIER ? 2 : 1;
	sf_var e;

	sf_push(g, "embed");
	e = sf_net_embed(g, st->embed, io->cond, mult * st->width, st->fourier_scale);
	e = sf_net_embed_label(g, e, io);
	e = sf_silu(g, sf_net_linear(g, "dense0", e, 4 * st->width, 1));
	e = sf_silu(g, sf_net_linear(g, "dense1", e, 4 * st->width, 1));
	sf_pop(g);
	return sf_keep(g, e);
}

/* res{i} and, at listed sizes, attn{i} */
static sf_var step(struct walk *w, int64_t i, sf_var h, int64_t c, int attend)
{
	char name[40];

	snprintf(name, sizeof name, "res%d", (int)i);
	h = sf_net_res_block(w->g, &w->b, name, h, c, SF_KEEP);
	snprintf(name, sizeof name, "attn%d", (int)i);
	return attend ? sf_net_attn_block(w->g, &w->b, name, h) : h;
}

static sf_var go_down(struct walk *w, sf_var x)
{
	const struct unet *st = w->st;
	sf_var pyramid = x, h;
	int64_t i, c;
	int l;

	w->stack[w->top++] = h = sf_keep(w->g, sf_net_conv(w->g, "in", x, st->width, 3, 1, 1));
	for (l = 0; l < st->mult.n && sf_graph_status(w->g) == 0; l++) {
		c = st->width * (int64_t)st->mult.v[l];
		sf_push(w->g, "down%d", l);
		for (i = 0; i < st->blocks; i++)
			w->stack[w->top++] = h = step(w, i, h, c, sf_unet_attends(st, w->height >> l));
		if (l + 1 < st->mult.n) {
			h = sf_unet_halve(st, w->g, &w->b, h, c);
			w->stack[w->top++] = h = sf_unet_pyramid_in(st, w->g, &w->b, &pyramid, h);
		}
		sf_pop(w->g);
	}
	return h;
}

static sf_var go_up(struct walk *w, sf_var h)
{
	const struct unet *st = w->st;
	sf_var pyramid = SF_NOVAR;
	int64_t i, c;
	int l;

	for (l = st->mult.n - 1; l >= 0 && sf_graph_status(w->g) == 0; l--) {
		c = st->width * (int64_t)st->mult.v[l];
		sf_push(w->g, "up%d", l);
		for (i = 0; i <= st->blocks; i++)
			h = step(w, i, sf_concat(w->g, h, w->stack[--w->top]), c, sf_unet_attends(st, w->height >> l) &&
			         (st->attn_up == UNET_EACH || i == st->blocks));
		pyramid = sf_unet_pyramid_out(st, w->g, &w->b, pyramid, &h, w->channels);
		if (l > 0)
			h = sf_unet_double(st, w->g, &w->b, h, c);
		sf_pop(w->g);
	}
	if (st->progressive_out == UNET_OUT_SKIP)
		return pyramid;
	return sf_unet_head(st, w->g, "out", h, w->channels, st->init_scale);
}

sf_var sf_unet_build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct unet *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	struct walk w;
	sf_var h = io->x;
	int64_t c;

	w.st = st;
	w.g = g;
	w.top = 0;
	w.layer = 0;
	w.height = s.dim[0];
	w.channels = io->out_channels ? io->out_channels : s.dim[2];
	w.b.temb = embedding(st, g, io);
	w.b.train = io->train;
	w.b.layer = &w.layer;
	sf_unet_block(st, &w.b);

	if (st->input == UNET_UNIT)
		h = sf_offset(g, sf_scale(g, h, 2), -1);
	h = go_down(&w, h);
	c = st->width * (int64_t)st->mult.v[st->mult.n - 1];
	h = sf_net_res_block(g, &w.b, "middle.res0", h, c, SF_KEEP);
	h = sf_net_attn_block(g, &w.b, "middle.attn", h);
	h = sf_net_res_block(g, &w.b, "middle.res1", h, c, SF_KEEP);
	return go_up(&w, h);
}

static const sf_opt opts[] = {
	UNET_SIZE_OPTS("64", "1:2:2", "2", "", "last"),
	UNET_RESAMPLE_OPTS("mean", "biggan", "0"),
	UNET_PYRAMID_OPTS("none", "centered"),
	UNET_EMBED_OPTS("positional", "1"),
	UNET_TRAIN_OPTS("0", "true")};

static int init(void *state, sf_ctx *ctx)
{
	return sf_unet_init(state, ctx, "unet");
}

extern const sf_net_class sf_net_unet;
const sf_net_class sf_net_unet = {
	{"unet", "U-Net of the DDPM++ family", "Song et al. 2021 (2011.13456), appendix H; Ho et al. 2020",
	 sizeof(struct unet), opts, init, NULL},
	sf_unet_accepts, sf_unet_build, sf_unet_log_noise, 1, NULL, 0};
