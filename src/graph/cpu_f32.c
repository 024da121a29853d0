/* cpu_f32.c: the executor's operations for elements of type float; see cpu_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#define T float
#define KERN sf_kern_f32
#define KERNELS sf_kernels_f32
#define CPU sf_cpu_f32
#define NOISE_NORMAL sf_noise_normal
#define NOISE_UNIFORM sf_noise_uniform
#include "graph/cpu_body.h"
