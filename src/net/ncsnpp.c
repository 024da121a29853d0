/* ncsnpp.c: NCSN++ of Song et al. 2021 (2011.13456, appendix H): DDPM++ with FIR resampling, Fourier features of
 * ln sigma and a residual input pyramid. The network of VE; blocks=8 is "deep". It gives sigma times the score
 * (parametrisation sigma-score), and takes images in [0,1] as they come (input=unit).
 * Defaults: configs/ve/cifar10_ncsnpp_continuous.py. On 256x256:
 * mult=1:1:2:2:2:2:2,blocks=2,dropout=0,progressive-input=input-skip,progressive-output=output-skip.
 * Known answers: 62,758,787 parameters in 570 tensors, and 128 fixed frequencies; deep 107,586,947.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/unet.h"

static const sf_opt opts[] = {
	UNET_SIZE_OPTS("128", "1:2:2:2", "4", "16", "last"),
	UNET_RESAMPLE_OPTS("fir", "biggan", "0"),
	UNET_PYRAMID_OPTS("residual", "unit"),
	UNET_EMBED_OPTS("fourier", "0"),
	UNET_TRAIN_OPTS("0.1", "true")};

static int init(void *state, sf_ctx *ctx)
{
	return sf_unet_init(state, ctx, "ncsnpp");
}

extern const sf_net_class sf_net_ncsnpp;
const sf_net_class sf_net_ncsnpp = {
	{"ncsnpp", "NCSN++: the U-Net of VE, with FIR resampling, Fourier features and pyramids",
	 "Song et al. 2021 (2011.13456), appendix H", sizeof(struct unet), opts, init, NULL},
	sf_unet_accepts, sf_unet_build, sf_unet_log_noise, 1, NULL, 0};
