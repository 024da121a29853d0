/* songunet.c: the U-Net of EDM (Karras et al. 2022, 2206.00364, SongUNet): DDPM++ and NCSN++ with 256 channels at
 * every level, class and augmentation labels in the embedding.
 * Defaults: the DDPM++ for CIFAR-10 (config F); for 64x64, mult=1:2:2:2,dropout=0.05. The NCSN++ is
 * resample=fir,embed=fourier,progressive-input=residual.
 * Known answers (32x32): 55,732,739 parameters, with augmentation labels 55,733,891, with 10 classes too
 * 55,735,299; NCSN++ 56,395,523, 56,397,827 and 56,400,643.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/unet.h"

static const sf_opt opts[] = {
	UNET_SIZE_OPTS("128", "2:2:2", "4", "16", "last"),
	UNET_RESAMPLE_OPTS("mean", "biggan", "0"),
	UNET_PYRAMID_OPTS("none", "centered"),
	UNET_EMBED_OPTS("positional", "0"),
	UNET_TRAIN_OPTS("0.13", "true")};

static int init(void *state, sf_ctx *ctx)
{
	return sf_unet_init(state, ctx, "songunet");
}

extern const sf_net_class sf_net_songunet;
const sf_net_class sf_net_songunet = {
	{"songunet", "SongUNet: EDM's DDPM++ and NCSN++",
	 "Karras et al. 2022 (2206.00364), appendix F.1", sizeof(struct unet), opts, init, NULL},
	sf_unet_accepts, sf_unet_build, sf_unet_log_noise, 1, NULL, 0};
