/* thread.c: the one parallel loop of the library; no other file uses OpenMP.
 *
 * A loop costs what it takes until the other threads are at work and until all have come back: about a microsecond while they
 * spin, some forty where they sleep (OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=0), and a millisecond or more where another program
 * has their processor, which is measured (crowd.c). Work that is over sooner stays on the calling thread. Every loop asks for
 * the same number of threads, because GCC's library ends threads that a smaller team leaves over and makes them again for the
 * next one, which takes as much as a millisecond.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static const double wake_spinning = 1000, wake_sleeping = 40000; /* ns, measured */
static const double suspicious = 1e-5; /* seconds of lag */
static int64_t regions;

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
	double busiest = 0;
	sf_watch watch;
	int64_t number;
	int watched;

	if (tiles <= 1 || ctx->threads <= 1 || omp_in_parallel())
		return serial(tiles, fn, arg);
#pragma omp atomic capture
	number = regions++;
	watched = number % 16 == 0 || sf_crowd_lag() > suspicious; /* the clocks are calls of the system */
	if (watched)
		sf_crowd_begin(&watch);
#pragma omp parallel num_threads(ctx->threads)
	{
		double busy = watched ? sf_processor_seconds() : 0;
		int64_t i;

#pragma omp for schedule(dynamic, 1) nowait
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
		if (watched) {
			busy = sf_processor_seconds() - busy;
#pragma omp critical(sf_busiest)
			busiest = busy > busiest ? busy : busiest;
		}
	}
	if (watched)
		sf_crowd_end(&watch, busiest);
	/* several may have failed and left any of their messages: run again alone, the first leaves its own */
	if (first.rc != 0)
		fn(arg, first.tile, 0);
	return first.rc;
#else
	(void)ctx;
	return serial(tiles, fn, arg);
#endif
}

int sf_worth(const sf_ctx *ctx, double ns)
{
	double crowd;

	if (ctx->threads <= 1)
		return 0;
	crowd = 1e9 * sf_crowd_lag();
	if (ctx->wake <= 0 || ns > 3 * fmax(ctx->wake, crowd))
		return 1;
	if (crowd > 0)
		sf_crowd_kept(1e-9 * ns);
	return 0;
}

int sf_parallel_work(const sf_ctx *ctx, double ns, int64_t tiles, sf_tile_fn fn, void *arg)
{
	return sf_worth(ctx, ns) ? sf_parallel(ctx, tiles, fn, arg) : serial(tiles, fn, arg);
}

int64_t sf_regions(void)
{
	int64_t n;

#ifdef _OPENMP
#pragma omp atomic read
#endif
	n = regions;
	return n;
}

double sf_wake(int threads)
{
	const char *own = getenv("SCOREFIELD_WAKE"), *policy = getenv("OMP_WAIT_POLICY"), *spins = getenv("GOMP_SPINCOUNT");
	double ns;

	if (own && sf_parse_double(own, &ns) == 0 && ns >= 0)
		return ns;
#ifdef _OPENMP
	if (threads > omp_get_num_procs())
		return wake_sleeping;
#else
	(void)threads;
#endif
	if (spins && *spins)
		return strtod(spins, NULL) < 1000 ? wake_sleeping : wake_spinning; /* "infinite" is one too */
	return policy && strcasecmp(policy, "passive") == 0 ? wake_sleeping : wake_spinning;
}

/* OpenMP knows the processors even where it has bound the calling thread to one of them (OMP_PROC_BIND). */
int sf_cores(int *asked)
{
#ifdef _OPENMP
	const char *text = getenv("OMP_NUM_THREADS");

	*asked = text && *text;
	return *asked ? omp_get_max_threads() : omp_get_num_procs();
#else
	*asked = 0;
	return (int)sysconf(_SC_NPROCESSORS_ONLN);
#endif
}

void sf_apart(void (*fn)(void *arg), void *arg)
{
#ifdef _OPENMP
#pragma omp parallel num_threads(1) /* a team of one has settings of its own */
#endif
	fn(arg);
}

void sf_alone(void (*fn)(void *arg), void *arg)
{
#ifdef _OPENMP
#pragma omp critical(sf_alone)
#endif
	fn(arg);
}
