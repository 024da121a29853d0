/* context.h: the context, first argument of every constructor. It holds the number of threads,
 * the instruction set, the log callback and the text of the last failure. One context may be
 * used by one thread of the caller at a time; two contexts are independent.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_CONTEXT_H
#define SCOREFIELD_CONTEXT_H

#include <scorefield/error.h>

SF_BEGIN

typedef struct sf_ctx sf_ctx;

/* Makes a context. Threads: SCOREFIELD_THREADS, else OMP_NUM_THREADS, else the processors that this process may run on, but no
 * more than its control groups grant, rounded up.
 * Instruction set: SCOREFIELD_ISA, else the widest that the processor and this build have.
 * SF_ENOMEM; SF_ENAME or SF_EUNSUP for a bad SCOREFIELD_ISA; SF_ERANGE for a bad
 * SCOREFIELD_THREADS. On failure *ctx is NULL. The caller frees it after all its objects. */
SF_API int sf_ctx_new(sf_ctx **ctx);
SF_API void sf_ctx_free(sf_ctx *ctx);

/* Number of threads, 1 to 1024. Results do not depend on it. SF_ERANGE. */
SF_API int sf_ctx_set_threads(sf_ctx *ctx, int threads);
SF_API int sf_ctx_threads(const sf_ctx *ctx);

/* Instruction set by name: "ref" (plain loops in a fixed order, equal on every machine),
 * "base" (the architecture's baseline), "v3" (AVX2 and FMA), "v4" (AVX-512).
 * SF_ENAME for another name, SF_EUNSUP where build or processor lack it. */
SF_API int sf_ctx_set_isa(sf_ctx *ctx, const char *name);
SF_API const char *sf_ctx_isa(const sf_ctx *ctx);

/* The text of the last failure in this context: one line without a full stop or a newline that
 * names the thing, what is wrong with it and what was expected. Empty before any failure.
 * Owned by the context and valid until its next failure. */
SF_API const char *sf_ctx_message(const sf_ctx *ctx);

/* The library prints nothing; what it has to say goes here. NULL (the default) drops it. */
enum { SF_LOG_DEBUG, SF_LOG_INFO, SF_LOG_WARNING };
typedef void (*sf_log_fn)(void *user, int level, const char *line);
SF_API void sf_ctx_set_log(sf_ctx *ctx, sf_log_fn fn, void *user);

/* Name of the BLAS that is loaded, and its thread count where it tells (else 0). Threads inside
 * BLAS change bits and fight with the library's own: a program sets 1 with sf_blas_set_threads
 * (looked up by name at run time; returns SF_EUNSUP where the BLAS has no such call). */
SF_API const char *sf_blas_name(void);
SF_API int sf_blas_threads(void);
SF_API int sf_blas_set_threads(int threads);

/* Floating-point operations a second, two for each multiply-add, of this context's threads with its instruction set while nothing
 * leaves the registers: the best of a few measurements, together about 20 ms. bits: 32 or 64, of a number. What a product or a
 * convolution can reach at most. */
SF_API double sf_peak_flops(const sf_ctx *ctx, int bits);

SF_END
#endif
