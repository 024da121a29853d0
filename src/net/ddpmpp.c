/* ddpmpp.c: DDPM++ of Song et al. 2021 (2011.13456, appendix H): BigGAN blocks with 2x2 means, rescaled skips,
 * attention at 16x16. The network of VP and sub-VP on CIFAR-10; blocks=8 is "deep".
 * Defaults: configs/vp/cifar10_ddpmpp_continuous.py.
 * Known answers: 61,804,419 parameters in 564 tensors; deep 106,632,579 in 956.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/unet.h"

static const sf_opt opts[] = {
	UNET_SIZE_OPTS("128", "1:2:2:2", "4", "16", "last"),
	UNET_RESAMPLE_OPTS("mean", "biggan", "0"),
	UNET_PYRAMID_OPTS("none", "centered"),
	UNET_EMBED_OPTS("positional", "0"),
	UNET_TRAIN_OPTS("0.1", "true")};

static int init(void *state, sf_ctx *ctx)
{
	return sf_unet_init(state, ctx, "ddpmpp");
}

extern const sf_net_class sf_net_ddpmpp;
const sf_net_class sf_net_ddpmpp = {
	{"ddpmpp", "DDPM++: the U-Net of VP and sub-VP on CIFAR-10",
	 "Song et al. 2021 (2011.13456), appendix H", sizeof(struct unet), opts, init, NULL},
	sf_unet_accepts, sf_unet_build, sf_unet_log_noise, 1, NULL, 0};
