/* ddpm.c: the U-Net of Ho et al. 2020 (2006.11239) as Song et al. 2021 write it (models/ddpm.py): convolutions of
 * stride 2, 32 groups, plain sums. Ho et al. have attention after each block on the way up (attn-up=each,
 * 35,746,307 parameters).
 * Defaults: the configuration vp/ddpm of their code for CIFAR-10.
 * Known answer: 35,218,947 parameters in 308 tensors.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/unet.h"

static const sf_opt opts[] = {
	UNET_SIZE_OPTS("128", "1:2:2:2", "2", "16", "last"),
	UNET_RESAMPLE_OPTS("conv", "ddpm", "32"),
	UNET_PYRAMID_OPTS("none", "centered"),
	UNET_EMBED_OPTS("positional", "0"),
	UNET_TRAIN_OPTS("0.1", "false")};

static int init(void *state, sf_ctx *ctx)
{
	return sf_unet_init(state, ctx, "ddpm");
}

extern const sf_net_class sf_net_ddpm;
const sf_net_class sf_net_ddpm = {
	{"ddpm", "DDPM: the U-Net of Ho et al. as Song et al. write it",
	 "Ho et al. 2020 (2006.11239); Song et al. 2021 (2011.13456)", sizeof(struct unet), opts, init, NULL},
	sf_unet_accepts, sf_unet_build, sf_unet_log_noise, 1, NULL, 0};
