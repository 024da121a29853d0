/* isa_base.c: the kernels for the architecture's baseline (SSE2 on x86-64, NEON on arm64). There
 * may be no fused multiply-add, so a product is rounded before it is added.
 * SPDX-License-Identifier: BSD-3-Clause */
#if defined __SSE2__ && !defined SF_STRICT
#include <emmintrin.h>
#define WIDE_PRODUCT(a, b) ((v_u64)_mm_mul_epu32((__m128i)(a), (__m128i)(b)))
#endif

#define ISA base
#define VBYTES 16
#define FMA_f32(a, b, c) ((a) * (b) + (c))
#define FMA_f64(a, b, c) ((a) * (b) + (c))
/* 4 x 2 accumulators, 2 of B, 1 of A, 1 product: 12 of 16 registers */
#define MR 4
#define MR_STEPS(S) S(3) S(2) S(1)

#include "kernel/isa_body.h"
