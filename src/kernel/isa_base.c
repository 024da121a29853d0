/* isa_base.c: the kernels for the architecture's baseline (SSE2 on x86-64, NEON on arm64). There
 * may be no fused multiply-add, so a product is rounded before it is added.
 * SPDX-License-Identifier: BSD-3-Clause */
#define ISA base
#define VBYTES 16
#define FMA_f32(a, b, c) ((a) * (b) + (c))
#define FMA_f64(a, b, c) ((a) * (b) + (c))
/* 4 x 2 accumulators, 2 of B, 1 of A, 1 product: 12 of 16 registers */
#define MR 4
#define MR_STEPS(S) S(2) S(1)

#include "kernel/isa_body.h"
