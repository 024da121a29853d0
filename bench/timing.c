/* timing.c: clock, medians, the machine's peak, and a row timed turn about with the peer.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bench.h"

#include "core/core.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#if defined __x86_64__ && defined __GNUC__
#include <immintrin.h>
#define X86 1
#endif

enum { TURNS = 200, RUNS = 2000, CHAINS = 12 };
static const double AT_LEAST = .04; /* seconds of a turn */

double bench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_median(double *t, int n, double *spread)
{
	if (n < 1)
		return NAN;
	qsort(t, (size_t)n, sizeof *t, by_size);
	if (spread)
		*spread = (t[3 * n / 4] - t[n / 4]) / t[n / 2];
	return t[n / 2];
}

/* ---- peak: chains of multiply-adds that never leave the registers ---- */

#if X86
__attribute__((target("avx512f"), noinline)) static float chains_512(int64_t n)
{
	__m512 a[CHAINS], x = _mm512_set1_ps(.999999f), y = _mm512_set1_ps(1e-7f);
	float out[16];
	int64_t k;
	int i;

	for (i = 0; i < CHAINS; i++)
		a[i] = _mm512_set1_ps((float)i);
	for (k = 0; k < n; k++) {
#pragma GCC unroll 12
		for (i = 0; i < CHAINS; i++)
			a[i] = _mm512_fmadd_ps(a[i], x, y);
	}
	for (i = 1; i < CHAINS; i++)
		a[0] = _mm512_add_ps(a[0], a[i]);
	_mm512_storeu_ps(out, a[0]);
	return out[3];
}

__attribute__((target("avx2,fma"), noinline)) static float chains_256(int64_t n)
{
	__m256 a[CHAINS], x = _mm256_set1_ps(.999999f), y = _mm256_set1_ps(1e-7f);
	float out[8];
	int64_t k;
	int i;

	for (i = 0; i < CHAINS; i++)
		a[i] = _mm256_set1_ps((float)i);
	for (k = 0; k < n; k++) {
#pragma GCC unroll 12
		for (i = 0; i < CHAINS; i++)
			a[i] = _mm256_fmadd_ps(a[i], x, y);
	}
	for (i = 1; i < CHAINS; i++)
		a[0] = _mm256_add_ps(a[0], a[i]);
	_mm256_storeu_ps(out, a[0]);
	return out[3];
}
#endif

/* Elsewhere: what the compiler makes of lanes side by side. */
__attribute__((noinline)) static float chains_plain(int64_t n)
{
	float a[4 * CHAINS], sum = 0;
	int64_t k;
	int i;

	for (i = 0; i < 4 * CHAINS; i++)
		a[i] = (float)i;
	for (k = 0; k < n; k++)
		for (i = 0; i < 4 * CHAINS; i++)
			a[i] = a[i] * .999999f + 1e-7f;
	for (i = 0; i < 4 * CHAINS; i++)
		sum += a[i];
	return sum;
}

typedef struct chains {
	float (*run)(int64_t n);
	int64_t n;
	float sink[256];
} chains;

static int run_chains(void *arg, int64_t tile, int worker)
{
	chains *c = arg;

	(void)worker;
	c->sink[tile % 256] = c->run(c->n);
	return 0;
}

double bench_peak(sf_ctx *ctx, double *copy)
{
	chains c;
	int lanes = 4, threads = sf_ctx_threads(ctx), i;
	double best = 0, t;

	*copy = 0;
	if (strcmp(sf_ctx_device(ctx), "cpu") != 0) {
		if (sf_device_peak(ctx, &best, copy) < 0)
			return 0;
		*copy *= 1e-9;
		return 1e-9 * best;
	}
	c.run = chains_plain;
	c.n = 4000000;
#if X86
	if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
		c.run = chains_256;
		lanes = 8;
	}
	if (__builtin_cpu_supports("avx512f")) {
		c.run = chains_512;
		lanes = 16;
	}
#endif
	for (i = 0; i < 5; i++) {
		t = bench_now();
		sf_parallel(ctx, threads, run_chains, &c);
		t = bench_now() - t;
		best = fmax(best, 2e-9 * lanes * CHAINS * (double)c.n * threads / t);
	}
	return best;
}

/* ---- rows ---- */

int bench_wants(const bench *b, const row *r)
{
	char all[160];

	snprintf(all, sizeof all, "%s %s", r->group, r->what);
	return !b->only || strstr(all, b->only) != NULL;
}

int bench_append(bench *b, const row *r)
{
	if (b->n == b->cap) {
		int cap = b->cap ? 2 * b->cap : 64;
		row *more = realloc(b->rows, (size_t)cap * sizeof *more);

		if (!more)
			return SF_ENOMEM;
		b->rows = more;
		b->cap = cap;
	}
	b->rows[b->n++] = *r;
	return 0;
}

/* Seconds of a run in this side's turn. The other side's threads spin for some milliseconds after its last loop: they are given
 * time to fall asleep, and ours a run to wake up, unless that run is long in itself. */
static double turn(work f, void *state, int *rc)
{
	const struct timespec settle = {0, 20000000};
	double begin, t;
	int n = 0;

	nanosleep(&settle, NULL);
	begin = bench_now();
	*rc = f(state);
	t = bench_now() - begin;
	if (t >= AT_LEAST)
		return t;
	begin = bench_now();
	do {
		if (*rc == 0)
			*rc = f(state);
		t = bench_now() - begin;
	} while (*rc == 0 && ++n < RUNS && t < AT_LEAST);
	return t / (n > 0 ? n : 1);
}

int bench_row(bench *b, row *r, work f, void *state)
{
	double mine[TURNS], yours[TURNS], begin = bench_now();
	int n = 0, m = 0, rc = f(state); /* caches, page tables, clock */

	if (rc == 0 && b->peer && *r->request && isnan(peer_time(b->peer, r->request)))
		r->request[0] = '\0';
	while (rc == 0 && n < TURNS && (n < 3 || bench_now() - begin < 2 * b->seconds)) {
		mine[n++] = turn(f, state, &rc);
		if (rc == 0 && b->peer && *r->request)
			yours[m++] = peer_time(b->peer, r->request);
	}
	if (rc < 0) {
		fprintf(stderr, "bench: %s %s: %s\n", r->group, r->what, sf_ctx_message(b->ctx));
		b->failed = 1;
		return rc;
	}
	r->ours = bench_median(mine, n, &r->spread);
	r->theirs = bench_median(yours, m, NULL);
	return bench_append(b, r);
}
