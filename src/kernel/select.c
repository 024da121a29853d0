/* select.c: the table for an instruction set. The environment variable SCOREFIELD_GEMM=blas picks
 * the tables whose products and convolutions go through CBLAS; anything else, the library's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"

#include <stdlib.h>
#include <string.h>

#define DECLARE(isa)                                                                               \
	extern const sf_kern_f32 sf_kernels_##isa##_f32, sf_kernels_##isa##_f32_blas;              \
	extern const sf_kern_f64 sf_kernels_##isa##_f64, sf_kernels_##isa##_f64_blas;
#define ROW(isa, suffix) {&sf_kernels_##isa##_##suffix, &sf_kernels_##isa##_##suffix##_blas}

DECLARE(ref)
DECLARE(base)
#if defined SF_HAVE_V3
DECLARE(v3)
#define V3(suffix) ROW(v3, suffix)
#else
#define V3(suffix) {NULL, NULL}
#endif
#if defined SF_HAVE_V4
DECLARE(v4)
#define V4(suffix) ROW(v4, suffix)
#else
#define V4(suffix) {NULL, NULL}
#endif

/* [instruction set][own, blas] */
static const sf_kern_f32 *const f32[SF_ISA_COUNT][2] = {
	ROW(ref, f32), ROW(base, f32), V3(f32), V4(f32)};
static const sf_kern_f64 *const f64[SF_ISA_COUNT][2] = {
	ROW(ref, f64), ROW(base, f64), V3(f64), V4(f64)};

static int wants_blas(void)
{
	const char *gemm = getenv("SCOREFIELD_GEMM");

	return gemm && strcmp(gemm, "blas") == 0;
}

static int known(int isa)
{
	return isa >= 0 && isa < SF_ISA_COUNT && sf_isa_usable(isa);
}

const sf_kern_f32 *sf_kernels_f32(const sf_ctx *ctx)
{
	return f32[ctx->isa][wants_blas()];
}

const sf_kern_f64 *sf_kernels_f64(const sf_ctx *ctx)
{
	return f64[ctx->isa][wants_blas()];
}

const sf_kern_f32 *sf_kernels_f32_isa(int isa)
{
	return known(isa) ? f32[isa][0] : NULL;
}

const sf_kern_f64 *sf_kernels_f64_isa(int isa)
{
	return known(isa) ? f64[isa][0] : NULL;
}
