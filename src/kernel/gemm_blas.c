/* gemm_blas.c: products and convolutions that go through CBLAS: the portable reference for speed,
 * chosen by SCOREFIELD_GEMM=blas (select.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"

#include <string.h>

#define VBYTES 16
#include "kernel/simd.h"

enum { TILE_ROWS = 32, TILE_K = 256, TILE_N = 128 }; /* 96 KiB of stack in double precision */

#define T float
#define SUFFIX f32
#include "kernel/gemm_blas_body.h"
#undef T
#undef SUFFIX
#define T double
#define SUFFIX f64
#include "kernel/gemm_blas_body.h"
#undef T
#undef SUFFIX
