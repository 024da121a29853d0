/* nvae_encoder.c: images (h,w,c) -> (h/2^levels, w/2^levels, out channels): a 3x3 convolution, the cells of each size (nvae.c), a
 * normalisation and a convolution. The first cell of a smaller size halves.
 * Vahdat and Kautz 2020 (2007.03898): its bottom-up half.
 * Known answer: width 4, levels 1, one cell, no squeeze, 1 -> 6 channels: 1,750 parameters.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/nvae.h"

#include <stdio.h>

static const sf_opt opts[] = {NVAE_OPTS("initial scale of the last layer: posteriors start near N(0,1)")};

static int init(void *state, sf_ctx *ctx)
{
	return sf_nvae_init(state, ctx, "nvae-encoder");
}

/* Halvings that h and w allow. */
static int halvings(int64_t h, int64_t w)
{
	int n = 0;

	for (; h % 2 == 0 && w % 2 == 0; h /= 2, w /= 2)
		n++;
	return n;
}

static int accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim)
{
	const struct nvae *st = state;
	int64_t unit = (int64_t)1 << st->levels;

	(void)rank;
	if (dim[0] % unit || dim[1] % unit)
		return sf_fail(ctx, SF_EUNSUP, "net 'nvae-encoder' with levels=%lld halves %lldx%lld images %lld times: expected height and "
		               "width divisible by %lld (%lldx%lld would do), or levels of at most %d", (long long)st->levels,
		               (long long)dim[0], (long long)dim[1], (long long)st->levels, (long long)unit,
		               (long long)((dim[0] + unit - 1) / unit * unit), (long long)((dim[1] + unit - 1) / unit * unit),
		               halvings(dim[0], dim[1]));
	return SF_OK;
}

static sf_var build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct nvae *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	sf_var h = sf_net_conv(g, "conv_in", io->x, st->width, 3, 1, 1);
	char name[32];
	int64_t l;

	for (l = 0; l <= st->levels; l++) {
		snprintf(name, sizeof name, "level%lld", (long long)l);
		h = sf_nvae_cells(st, g, name, h, sf_nvae_width(st, l), l ? SF_DOWN : SF_KEEP);
	}
	return sf_nvae_out(st, g, h, io->out_channels ? io->out_channels : s.dim[2]);
}

extern const sf_net_class sf_net_nvae_encoder;
const sf_net_class sf_net_nvae_encoder = {
	{"nvae-encoder", "residual cells that halve an image, to a latent: [vae] encoder",
	 "Vahdat and Kautz 2020 (2007.03898)",
	 sizeof(struct nvae), opts, init, NULL},
	accepts, build, NULL, 1, sf_nvae_smooth, 1};
