/* simd.h: vectors of one instruction set, for the bodies that name them. The including file sets
 *   VBYTES            bytes of a vector register
 *   FMA_f32, FMA_f64  (a, b, c) -> a b + c, fused where the instruction set has it
 *   WIDE_PRODUCT      (a, b) -> products of the low halves of 64-bit elements, if there is an instruction
 * A compiler without vector extensions, or SF_STRICT, gets SF_SIMD 0 and vectors of one element; products
 * and convolutions are the plain loops of ref_body.h then.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SIMD_H
#define SF_SIMD_H

#if defined __GNUC__ && !defined SF_STRICT
#define SF_SIMD 1
/* v...: in registers; u...: in memory, at any multiple of the element's size */
typedef float v_f32 __attribute__((vector_size(VBYTES)));
typedef float u_f32 __attribute__((vector_size(VBYTES), aligned(4), may_alias));
typedef double v_f64 __attribute__((vector_size(VBYTES)));
typedef double u_f64 __attribute__((vector_size(VBYTES), aligned(8), may_alias));
#define ALIGNED __attribute__((aligned(64)))
#define INLINE static inline __attribute__((always_inline))
#define NOINLINE static __attribute__((noinline))
#else
#define SF_SIMD 0
typedef float v_f32, u_f32; /* vectors of one element: what names no width becomes plain loops */
typedef double v_f64, u_f64;
#undef VBYTES
#define VBYTES (int)sizeof(T)
#define ALIGNED
#define INLINE static inline
#define NOINLINE static
#endif

/* EACH: the iterations of the next loop are independent although its arrays may be the same.
 * UNROLL: the next loop has a small constant count and indexes registers. */
#if defined __clang__
#define EACH _Pragma("clang loop vectorize(assume_safety)")
#define UNROLL _Pragma("clang loop unroll(full)")
#elif defined __GNUC__
#define EACH _Pragma("GCC ivdep")
#define UNROLL _Pragma("GCC unroll 32")
#else
#define EACH
#define UNROLL
#endif

/* ZIP_LO(a, b), ZIP_HI(a, b): a0 b0 a1 b1 ..., of the lower and of the upper halves */
#if SF_SIMD
#if defined __clang__ || __GNUC__ >= 12
#define PICK_f32(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#define PICK_f64 PICK_f32
#else
typedef int32_t i_f32 __attribute__((vector_size(VBYTES)));
typedef int64_t i_f64 __attribute__((vector_size(VBYTES)));
#define PICK_f32(a, b, ...) __builtin_shuffle(a, b, (i_f32){__VA_ARGS__})
#define PICK_f64(a, b, ...) __builtin_shuffle(a, b, (i_f64){__VA_ARGS__})
#endif
#if VBYTES == 16
#define ZIP_LO_f32(a, b) PICK_f32(a, b, 0, 4, 1, 5)
#define ZIP_HI_f32(a, b) PICK_f32(a, b, 2, 6, 3, 7)
#define ZIP_LO_f64(a, b) PICK_f64(a, b, 0, 2)
#define ZIP_HI_f64(a, b) PICK_f64(a, b, 1, 3)
#elif VBYTES == 32
#define ZIP_LO_f32(a, b) PICK_f32(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HI_f32(a, b) PICK_f32(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#define ZIP_LO_f64(a, b) PICK_f64(a, b, 0, 4, 1, 5)
#define ZIP_HI_f64(a, b) PICK_f64(a, b, 2, 6, 3, 7)
#elif VBYTES == 64
#define ZIP_LO_f32(a, b) PICK_f32(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIP_HI_f32(a, b) PICK_f32(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#define ZIP_LO_f64(a, b) PICK_f64(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIP_HI_f64(a, b) PICK_f64(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#endif
#endif

#define SF_JOIN_(a, b) a##_##b
#define SF_JOIN(a, b) SF_JOIN_(a, b)
#define F(name) SF_JOIN(name, SUFFIX) /* the name for this element type */

#define VEC F(v)
#define VW (VBYTES / (int)sizeof(T))           /* elements of a vector */
#define LOAD(p) ((VEC)*(const F(u) *)(p))
#define STORE(p, v) (*(F(u) *)(p) = (v))
#define SPLAT(s) ((s) - (VEC){0})              /* x - 0 is x, also for -0: no instruction */
#define FMA(a, b, c) F(FMA)(a, b, c)
#define ZIP_LO(a, b) F(ZIP_LO)(a, b)
#define ZIP_HI(a, b) F(ZIP_HI)(a, b)

#endif
