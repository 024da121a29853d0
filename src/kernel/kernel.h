/* kernel.h: the numeric loops. One body is compiled per instruction set and element type into a
 * table of function pointers; a context's instruction set picks the table. "ref" is a plain loop
 * for every entry, in the order a textbook would write it: the oracle of the tests and the --strict
 * mode.
 *
 * Entries that use no fused multiply-add (maps, reductions, softmax, noise, Adam) give the
 * same bytes in base, v3 and v4; gemm, conv and norm agree with ref within the bound that
 * tests/check_kernel states.
 *
 * The tables do not call BLAS, because it is free to change bits with the shape of a call and with
 * a row's place in its tile (OpenBLAS does so with its Haswell and Zen kernels), and a sample's
 * result would then depend on its neighbours. SCOREFIELD_GEMM=blas in the environment picks tables
 * whose gemm and conv go through CBLAS in tiles of one fixed shape: the portable reference for
 * speed.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_KERNEL_H
#define SF_KERNEL_H

#include <scorefield/noise.h>

#include "core/core.h"

/* Elementwise kinds; map1 gets a constant c that SCALE and OFFSET use. */
enum {
	SF_EW1_COPY, SF_EW1_SCALE, SF_EW1_OFFSET, SF_EW1_SQUARE, SF_EW1_SQRT, SF_EW1_EXP,
	SF_EW1_LOG, SF_EW1_SIN, SF_EW1_COS, SF_EW1_TANH, SF_EW1_SIGMOID, SF_EW1_SOFTPLUS,
	SF_EW1_SILU, SF_EW1_RELU, SF_EW1_ELU, SF_EW1_STEP, SF_EW1_COUNT
};
enum {
	SF_EW2_ADD, SF_EW2_SUB, SF_EW2_MUL, SF_EW2_DIV,
	SF_EW2_SILU_GRAD, /* a silu'(b) */
	SF_EW2_ELU_GRAD,  /* a elu'(b) */
	SF_EW2_COUNT
};

/* A convolution's geometry for one sample: NHWC, zero padding; the kernel's taps are `dilation` pixels apart:
 * ho = (h + 2 pad - dilation (kh - 1) - 1)/stride + 1. */
typedef struct sf_conv {
	int64_t h, w, ci, co, kh, kw, ho, wo;
	int stride, pad, dilation;
} sf_conv;

typedef struct sf_adam {
	double lr, beta1, beta2, eps;  /* Kingma and Ba 2015, algorithm 1 */
	double bias1, bias2;           /* 1 - beta1^t, 1 - beta2^t */
	double gscale;                 /* gradient clipping */
	double ema;                    /* decay of the moving average this step */
} sf_adam;

#define T float
#define TABLE sf_kern_f32
#include "kernel/table.h"
#undef T
#undef TABLE
#define T double
#define TABLE sf_kern_f64
#include "kernel/table.h"
#undef T
#undef TABLE

/* The table of a context. */
const sf_kern_f32 *sf_kernels_f32(const sf_ctx *ctx);
const sf_kern_f64 *sf_kernels_f64(const sf_ctx *ctx);
/* Own tables by SF_ISA_...; NULL where not built or not usable. */
const sf_kern_f32 *sf_kernels_f32_isa(int isa);
const sf_kern_f64 *sf_kernels_f64_isa(int isa);

/* noise.c: elements first .. first+size-1 of samples sample .. sample+n-1 as rows (n,size): the numbers of n calls of
 * sf_noise_normal_d or sf_noise_uniform_d, for small samples many times faster (from a multiple of four on). */
void sf_noise_normal_rows(const sf_ctx *ctx, sf_noise key, uint64_t sample, int64_t n, uint64_t first, size_t size,
                          double *out);
void sf_noise_uniform_rows(const sf_ctx *ctx, sf_noise key, uint64_t sample, int64_t n, uint64_t first, size_t size,
                           double *out);

/* blas.c: the only file that sees <cblas.h> and <lapacke.h>; double precision only, one thread. */
/* C (m,n) = alpha op(A) op(B) + beta C, row-major; ta, tb transpose; sizes below 2^31. For whole
 * problems outside the graph. */
void sf_blas_gemm(int ta, int tb, int64_t m, int64_t n, int64_t k, double alpha, const double *a,
                  int64_t lda, const double *b, int64_t ldb, double beta, double *c, int64_t ldc);
/* Eigenvalues (ascending) and eigenvectors (rows of `vec`) of symmetric a (n,n), overwritten.
 * SF_ERANGE, SF_EINVAL where it does not converge or holds a NaN. */
int sf_blas_eigh(int64_t n, double *a, double *val, double *vec);
/* Lower Cholesky factor in place, upper part zeroed; SF_EINVAL where not positive definite. */
int sf_blas_cholesky(int64_t n, double *a);
/* Once in a process: an OpenBLAS with threads of its own is kept at one, and the log hears of it. */
void sf_blas_tame(sf_ctx *ctx);

#endif
