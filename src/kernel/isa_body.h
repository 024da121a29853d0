/* isa_body.h: all bodies, once for each element type. The including file has set VBYTES, FMA_...,
 * the tile height MR with its remainders MR_STEPS, and ISA, the tables' tag.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

#include "kernel/simd.h"
#include "kernel/sincos.h"
#include "kernel/noise_lanes.h"

#define T float
#define TBITS 32
#define SUFFIX f32
#include "kernel/all_body.h"
#undef T
#undef TBITS
#undef SUFFIX
#define T double
#define TBITS 64
#define SUFFIX f64
#include "kernel/all_body.h"
#undef T
#undef TBITS
#undef SUFFIX
