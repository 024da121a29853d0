/* isa_v3.c: the kernels for x86-64 with AVX2 and FMA.
 * SPDX-License-Identifier: BSD-3-Clause */
#if defined SF_HAVE_V3
#include <immintrin.h>

#define ISA v3
#define VBYTES 32
#define FMA_f32(a, b, c) _mm256_fmadd_ps(a, b, c)
#define FMA_f64(a, b, c) _mm256_fmadd_pd(a, b, c)
#define WIDE_PRODUCT(a, b) ((v_u64)_mm256_mul_epu32((__m256i)(a), (__m256i)(b)))
/* 6 x 2 accumulators, 2 of B, 1 of A: 15 of 16 registers */
#define MR 6
#define MR_STEPS(S) S(5) S(4) S(3) S(2) S(1)

#include "kernel/isa_body.h"
#else
typedef int sf_isa_v3_not_built;
#endif
