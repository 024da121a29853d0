/* cpu_f64.c: the executor's operations for elements of type double; see cpu_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#define T double
#define KERN sf_kern_f64
#define KERNELS sf_kernels_f64
#define CPU sf_cpu_f64
#define NOISE_NORMAL sf_noise_normal_d
#define NOISE_UNIFORM sf_noise_uniform_d
#include "graph/cpu_body.h"
