/* device_rig.h: contexts with a device. By default the CUDA unit compiled as C, which any machine can run; with
 * SF_TEST_DEVICE=cuda in the environment the real one.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_DEVICE_RIG_H
#define SF_DEVICE_RIG_H

#include "support.h"

#include "graph/device.h"

/* Precisions are SF_DEVICE_..., and on the emulated device one more: bf16 with half precision in the place of bfloat16. Its
 * unit of rounding is an eighth, and so must be every error that is one of rounding. */
enum { RIG_HALF = SF_DEVICE_BF16 + 1, RIG_PRECISIONS };
/* Largest relative L2 errors that an operation may have against the processor in double. */
extern const double rig_tolerance[RIG_PRECISIONS];
extern const char *const rig_precision[RIG_PRECISIONS];
int rig_precisions(void); /* that there are: without the last where the device is a real one */
int rig_real(void); /* SF_TEST_DEVICE=cuda */
extern size_t sf_cuda_emulated_free; /* bytes that the emulated device has left */
/* Gives the context a device, on which every per-sample value inside a plan is of 16 bits in the last two precisions. */
void rig_device(sf_ctx *ctx, int precision, int deterministic);
/* The same where only large ones are, as in training. */
void rig_device_as_is(sf_ctx *ctx, int precision, int deterministic);
/* |a - b|/|b| of n floats and doubles, in double; an array of zeros is measured against 1. NaNs count as infinite. */
double rig_distance(int64_t n, const float *a, const double *b);

#endif
