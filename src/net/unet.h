/* unet.h: the one U-Net that unet, ddpmpp, ncsnpp, ddpm and songunet are, with other defaults of one option table.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NET_UNET_H
#define SF_NET_UNET_H

#include <stddef.h>

#include "net/build.h"

enum { UNET_LEVELS = 10, UNET_BLOCKS = 16 };

struct unet {
	const char *name; /* of the member, for messages */
	int64_t width, blocks, groups, embed_mult;
	sf_list mult, attn, fir;
	int embed, rescale, resample, attn_up, block, conv_shortcut, input, progressive_in, progressive_out, combine;
	double dropout, init_scale, fourier_scale;
};
enum { UNET_MEAN, UNET_FIR, UNET_CONV, UNET_FIR_CONV };   /* resample */
enum { UNET_LAST, UNET_EACH };                            /* attn-up */
enum { UNET_BIGGAN, UNET_DDPM };                          /* block */
enum { UNET_CENTERED, UNET_UNIT };                        /* input */
enum { UNET_IN_NONE, UNET_IN_RESIDUAL, UNET_IN_SKIP };    /* progressive-input */
enum { UNET_OUT_NONE, UNET_OUT_SKIP, UNET_OUT_RESIDUAL }; /* progressive-output */
enum { UNET_SUM, UNET_CAT };                              /* combine */

/* The option table in rows, with defaults. */
#define UNET_AT(m) offsetof(struct unet, m)
#define UNET_SIZE_OPTS(WIDTH, MULT, BLOCKS, ATTN, ATTN_UP) \
	{"width", "channels of the first level", SF_OPT_INT, UNET_AT(width), WIDTH, 4, 2048, NULL}, \
	{"mult", "channels of each level in units of width", SF_OPT_LIST, UNET_AT(mult), MULT, 1, 64, NULL}, \
	{"blocks", "residual blocks of a level", SF_OPT_INT, UNET_AT(blocks), BLOCKS, 1, UNET_BLOCKS, NULL}, \
	{"attn", "heights of the images at which attention follows a block", SF_OPT_LIST, UNET_AT(attn), ATTN, \
	 1, 65536, NULL}, \
	{"attn-up", "attention on the way up after the last or each block of a level", SF_OPT_CHOICE, \
	 UNET_AT(attn_up), ATTN_UP, 0, 0, "last|each"}
#define UNET_RESAMPLE_OPTS(RESAMPLE, BLOCK, GROUPS) \
	{"resample", "halving and doubling: 2x2 means, a FIR filter, convolutions of stride 2, both", SF_OPT_CHOICE, \
	 UNET_AT(resample), RESAMPLE, 0, 0, "mean|fir|conv|fir-conv"}, \
	{"fir", "taps of the filter, symmetric; they are divided by their sum", SF_OPT_LIST, UNET_AT(fir), "1:3:3:1", \
	 -1e6, 1e6, NULL}, \
	{"block", "residual blocks: biggan, which mean and fir resample inside, or ddpm", SF_OPT_CHOICE, \
	 UNET_AT(block), BLOCK, 0, 0, "biggan|ddpm"}, \
	{"conv-shortcut", "shortcuts of ddpm blocks are 3x3, not 1x1", SF_OPT_BOOL, UNET_AT(conv_shortcut), "false", \
	 0, 0, NULL}, \
	{"groups", "groups of a normalisation; 0: a quarter of the channels, at most 32", SF_OPT_INT, UNET_AT(groups), \
	 GROUPS, 0, 2048, NULL}
#define UNET_PYRAMID_OPTS(IN, INPUT) \
	{"progressive-input", "feed the halved input to each level: as a sum that is carried on, or by a 1x1 convolution", \
	 SF_OPT_CHOICE, UNET_AT(progressive_in), IN, 0, 0, "none|residual|input-skip"}, \
	{"progressive-output", "add up images of all levels, or carry a sum on the way up", SF_OPT_CHOICE, \
	 UNET_AT(progressive_out), "none", 0, 0, "none|output-skip|residual"}, \
	{"combine", "how input-skip joins", SF_OPT_CHOICE, UNET_AT(combine), "sum", 0, 0, "sum|cat"}, \
	{"input", "unit: the images are in [0,1] and the network takes 2x - 1", SF_OPT_CHOICE, UNET_AT(input), \
	 INPUT, 0, 0, "centered|unit"}
#define UNET_EMBED_OPTS(EMBED, MULT) \
	{"embed", "embedding of the noise level", SF_OPT_CHOICE, UNET_AT(embed), EMBED, 0, 0, SF_NET_EMBEDS}, \
	{"embed-mult", "width of the embedding in units of width; 0: 2 for Fourier features, else 1", SF_OPT_INT, \
	 UNET_AT(embed_mult), MULT, 0, 16, NULL}, \
	{"fourier-scale", "standard deviation of the Fourier frequencies", SF_OPT_DOUBLE, UNET_AT(fourier_scale), \
	 "16", 1e-6, 1e6, NULL}
#define UNET_TRAIN_OPTS(DROPOUT, RESCALE) \
	{"dropout", "probability of dropping a unit before a block's second convolution", SF_OPT_DOUBLE, \
	 UNET_AT(dropout), DROPOUT, 0, 0.95, NULL}, \
	{"skip-rescale", "divide sums of two branches by sqrt 2", SF_OPT_BOOL, UNET_AT(rescale), RESCALE, 0, 0, NULL}, \
	{"init-scale", "initial scale of layers that end a branch; 0 stands for 1e-10", SF_OPT_DOUBLE, \
	 UNET_AT(init_scale), "0", 0, 100, NULL}, \
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}

/* What the class records are made of. */
int sf_unet_init(struct unet *st, sf_ctx *ctx, const char *name);
int sf_unet_accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim);
sf_var sf_unet_build(const void *state, sf_graph *g, const sf_net_io *io);
int sf_unet_log_noise(const void *state);

/* Parts of the walk (unet_parts.c); c channels. */
int sf_unet_attends(const struct unet *st, int64_t height);
void sf_unet_block(const struct unet *st, sf_block *b);
sf_var sf_unet_halve(const struct unet *st, sf_graph *g, const sf_block *b, sf_var h, int64_t c);
sf_var sf_unet_double(const struct unet *st, sf_graph *g, const sf_block *b, sf_var h, int64_t c);
/* The input pyramid one level down, and h with it. */
sf_var sf_unet_pyramid_in(const struct unet *st, sf_graph *g, const sf_block *b, sf_var *pyramid, sf_var h);
/* The output pyramid with what level l gives; *h is what goes on. SF_NOVAR as pyramid: the smallest level. */
sf_var sf_unet_pyramid_out(const struct unet *st, sf_graph *g, const sf_block *b, sf_var pyramid, sf_var *h,
                           int64_t channels);
/* act(norm(h)), then 3x3 */
sf_var sf_unet_head(const struct unet *st, sf_graph *g, const char *name, sf_var h, int64_t out, double scale);

#endif
