/* nvae_decoder.c: latents (h,w,c) -> (h 2^levels, w 2^levels, out channels): a 3x3 convolution, the cells of each size (nvae.c),
 * a normalisation and a convolution. The first cell of a larger size doubles. The inverse of nvae-encoder in its sizes.
 * Vahdat and Kautz 2020 (2007.03898): its top-down half, without the latents in between.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/nvae.h"

#include <stdio.h>

static const sf_opt opts[] = {NVAE_OPTS("initial scale of the last layer")};

enum { SIZE_MAX_ = 1 << 20 };

static int init(void *state, sf_ctx *ctx)
{
	return sf_nvae_init(state, ctx, "nvae-decoder");
}

static int accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim)
{
	const struct nvae *st = state;

	(void)rank;
	if (dim[0] > SIZE_MAX_ >> st->levels || dim[1] > SIZE_MAX_ >> st->levels)
		return sf_fail(ctx, SF_EUNSUP, "net 'nvae-decoder' with levels=%lld makes too large an image of %lldx%lld",
		               (long long)st->levels, (long long)dim[0], (long long)dim[1]);
	return SF_OK;
}

static sf_var build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct nvae *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	sf_var h = sf_net_conv(g, "conv_in", io->x, sf_nvae_width(st, st->levels), 3, 1, 1);
	char name[32];
	int64_t l;

	for (l = st->levels; l >= 0; l--) {
		snprintf(name, sizeof name, "level%lld", (long long)l);
		h = sf_nvae_cells(st, g, name, h, sf_nvae_width(st, l), l < st->levels ? SF_UP : SF_KEEP);
	}
	return sf_nvae_out(st, g, h, io->out_channels ? io->out_channels : s.dim[2]);
}

extern const sf_net_class sf_net_nvae_decoder;
const sf_net_class sf_net_nvae_decoder = {
	{"nvae-decoder", "residual cells that double a latent, to an image: [vae] decoder",
	 "Vahdat and Kautz 2020 (2007.03898)",
	 sizeof(struct nvae), opts, init, NULL},
	accepts, build, NULL, 1, sf_nvae_smooth, 1};
