/* cuda_unit.c: the CUDA unit as C, with a device whose blocks have one thread (src/cuda/cu.h), so that everything but the meeting of
 * threads is tested on any machine.
 * SPDX-License-Identifier: BSD-3-Clause */
#define SF_CUDA_EMULATED
#include "cuda/cuda.cu"
