/* thread.c: the one parallel loop of the library; no other file uses OpenMP.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <limits.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* The first failing tile in tile order decides the code, so that errors repeat as results do. */
typedef struct failure {
	int64_t tile;
	int rc;
} failure;

static int serial(int64_t tiles, sf_tile_fn fn, void *arg)
{
	int64_t i;
	int rc = 0;

	for (i = 0; i < tiles && rc == 0; i++)
		rc = fn(arg, i, 0);
	return rc;
}

int sf_parallel(const sf_ctx *ctx, int64_t tiles, sf_tile_fn fn, void *arg)
{
#ifdef _OPENMP
	failure first = {INT64_MAX, 0};
	int64_t i;
	int workers = tiles < ctx->threads ? (int)tiles : ctx->threads;

	if (workers <= 1 || omp_in_parallel())
		return serial(tiles, fn, arg);
#pragma omp parallel for num_threads(workers) schedule(dynamic, 1)
	for (i = 0; i < tiles; i++) {
		int rc = fn(arg, i, omp_get_thread_num());

		if (rc != 0) {
#pragma omp critical(sf_first_failure)
			if (i < first.tile) {
				first.tile = i;
				first.rc = rc;
			}
		}
	}
	/* several may have failed and left any of their messages: run again alone, the first leaves its own */
	if (first.rc != 0)
		fn(arg, first.tile, 0);
	return first.rc;
#else
	(void)ctx;
	return serial(tiles, fn, arg);
#endif
}

void sf_alone(void (*fn)(void *arg), void *arg)
{
#ifdef _OPENMP
#pragma omp critical(sf_alone)
#endif
	fn(arg);
}
