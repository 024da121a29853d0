/* isa_v4.c: the kernels for x86-64 with AVX-512 (F, DQ, BW, VL).
 * SPDX-License-Identifier: BSD-3-Clause */
#if defined SF_HAVE_V4
#include <immintrin.h>
#include <stdint.h>

#include "kernel/silu_v4.h"

#define ISA v4
#define VBYTES 64
#define FMA_f32(a, b, c) _mm512_fmadd_ps(a, b, c)
#define FMA_f64(a, b, c) _mm512_fmadd_pd(a, b, c)
#define WIDE_PRODUCT(a, b) ((v_u64)_mm512_mul_epu32((__m512i)(a), (__m512i)(b)))
#define ONE_AND_EXP_MINUS_f32(x) one_and_exp_minus(x)
/* 14 x 2 accumulators, 2 of B, 1 of A: 31 of 32 registers; 14 divides rows of 28 and 14 pixels */
#define MR 14
#define MR_STEPS(S) S(12) S(10) S(8) S(6) S(4) S(2) S(1)

#include "kernel/isa_body.h"
#else
typedef int sf_isa_v4_not_built;
#endif
