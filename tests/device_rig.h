/* device_rig.h: contexts with a device. By default the CUDA unit compiled as C, which any machine can run; with
 * SF_TEST_DEVICE=cuda in the environment the real one.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_DEVICE_RIG_H
#define SF_DEVICE_RIG_H

#include "support.h"

#include "graph/device.h"

/* Largest relative L2 errors that a precision (SF_DEVICE_...) may have against the processor in double. */
extern const double rig_tolerance[3];
extern const char *const rig_precision[3];
int rig_real(void); /* SF_TEST_DEVICE=cuda */
extern size_t sf_cuda_emulated_free; /* bytes that the emulated device has left */
/* Gives the context a device. */
void rig_device(sf_ctx *ctx, int precision, int deterministic);
/* |a - b|/|b| of n floats and doubles, in double; an array of zeros is measured against 1. NaNs count as infinite. */
double rig_distance(int64_t n, const float *a, const double *b);

#endif
