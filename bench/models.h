/* models.h: a configuration's training step and score evaluation as work to be timed.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_BENCH_MODELS_H
#define SF_BENCH_MODELS_H

#include "bench/bench.h"

/* The U-Net of the comparison, 6,469,889 parameters on 28 x 28 x 1; attention at half the image's height. */
#define UNET_TEXT(half) "unet:width=64,mult=1:2:2,blocks=2,attn=" #half ",attn-up=each,resample=conv"
#define UNET(half) UNET_TEXT(half)

typedef struct trial {
	sf_config *config;
	sf_trainer *trainer;
	sf_plan_info info;
	sf_score *score;
	int64_t n;
	double *x, *t, *y;
} trial;

int trial_open(sf_ctx *ctx, const char *data, const char *net, const char *precision, int batch, trial *t);
void trial_close(trial *t);
int trial_step(void *state);
int trial_sampling(trial *t, int batch); /* makes the score */
int trial_evaluate(void *state);

/* Writes square pictures to a temporary file; the caller removes it. */
int images_file(sf_ctx *ctx, int size, int channels, char *path, size_t room);

#endif
