/* isa_ref.c: the reference kernels; same bytes on every IEEE machine that evaluates float as float.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#define ISA ref
#define VBYTES 16
#include "kernel/simd.h"
#include "kernel/sincos.h"
#include "kernel/noise_lanes.h"

#define T float
#define TBITS 32
#define SUFFIX f32
#include "kernel/ref_body.h"
#undef T
#undef TBITS
#undef SUFFIX
#define T double
#define TBITS 64
#define SUFFIX f64
#include "kernel/ref_body.h"
#undef T
#undef TBITS
#undef SUFFIX
