/* thread.c: the one parallel loop of the library; no other file uses OpenMP.
 *
 * A loop costs what it takes until the other threads are at work and until all have come back: about a microsecond while they
 * spin, some forty where they sleep (OMP_WAIT_POLICY=passive, GOMP_SPINCOUNT=0), and a millisecond or more where another program
 * has their processor. Work that is over sooner stays on the calling thread. What loops cost is measured as they run:
 *
 *     lag = wall time of a loop - processor time of its busiest thread, where that is a quarter of the wall time or more,
 *
 * of which the first counts an eighth and one right after another whole, and it falls by 1/50 of the work that is kept here.
 * So a crowded machine is noticed, and its end too, for some percent of the time. Every loop asks for the same number of threads, because GCC's library ends threads that a
 * smaller team leaves over and makes them again for the next one, which takes as much as a millisecond.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#ifdef _OPENMP
#include <omp.h>
#endif

static const double wake_spinning = 1000, wake_sleeping = 40000; /* ns, measured */
static const double lag_most = 2e7; /* ns */
static int64_t regions;
static int64_t lag; /* ns */

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

static double read_lag(void)
{
	int64_t ns;

#ifdef _OPENMP
#pragma omp atomic read
#endif
	ns = lag;
	return (double)ns;
}

static void change_lag(double by)
{
#ifdef _OPENMP
#pragma omp atomic
#endif
	lag += (int64_t)by;
}

#ifdef _OPENMP
/* Of the calling thread. */
static double processor_seconds(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0;
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void learn(double wall, double busiest)
{
	static int again;

#pragma omp critical(sf_learn)
	{
		double was = read_lag(), ns = 1e9 * (wall - busiest);
		int waited = wall > 0 && wall - busiest > .25 * wall;

		if (!waited)
			change_lag(-.5 * was);
		else if (again)
			change_lag(fmin(ns, lag_most) - was);
		else
			change_lag(fmin(ns, lag_most) / 8);
		again = waited;
	}
}
#endif

int sf_parallel(const sf_ctx *ctx, int64_t tiles, sf_tile_fn fn, void *arg)
{
#ifdef _OPENMP
	failure first = {INT64_MAX, 0};
	double start = 0, busiest = 0;
	int64_t number;
	int watched;

	if (tiles <= 1 || ctx->threads <= 1 || omp_in_parallel())
		return serial(tiles, fn, arg);
#pragma omp atomic capture
	number = regions++;
	watched = number % 4 == 0 || read_lag() > ctx->wake; /* the clock is a call of the system */
	if (watched)
		start = sf_seconds();
#pragma omp parallel num_threads(ctx->threads)
	{
		double busy = watched ? processor_seconds() : 0;
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
			busy = processor_seconds() - busy;
#pragma omp critical(sf_busiest)
			busiest = busy > busiest ? busy : busiest;
		}
	}
	if (watched)
		learn(sf_seconds() - start, busiest);
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
	double now = read_lag(), cost = fmax(ctx->wake, now);

	if (ctx->threads <= 1)
		return 0;
	if (ctx->wake <= 0 || ns > 3 * cost)
		return 1;
	change_lag(-fmin(ns / 50, now));
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
