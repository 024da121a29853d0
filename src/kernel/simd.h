/* simd.h: vectors of one instruction set, for the bodies that name them. The including file sets
 *   VBYTES            bytes of a vector register
 *   FMA_f32, FMA_f64  (a, b, c) -> a b + c, fused where the instruction set has it
 * A compiler without vector extensions, or SF_STRICT, gets SF_SIMD 0 and the plain loops of
 * ref_body.h instead.
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

#define SF_JOIN_(a, b) a##_##b
#define SF_JOIN(a, b) SF_JOIN_(a, b)
#define F(name) SF_JOIN(name, SUFFIX) /* the name for this element type */

#define VEC F(v)
#define VW (VBYTES / (int)sizeof(T))           /* elements of a vector */
#define LOAD(p) ((VEC)*(const F(u) *)(p))
#define STORE(p, v) (*(F(u) *)(p) = (v))
#define SPLAT(s) ((s) - (VEC){0})              /* x - 0 is x, also for -0: no instruction */
#define FMA(a, b, c) F(FMA)(a, b, c)

#endif
