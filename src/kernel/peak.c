/* peak.c: the machine's multiply-add peak, measured.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/kernel.h"

enum { TRIES = 5, PIECES = 8 };
static const double piece = 5e-4; /* seconds of a tile: short enough that the best try is one without a disturbance */

struct job {
	const sf_kern_f32 *k32;
	const sf_kern_f64 *k64;
	int64_t rounds;
};

static double spin(const struct job *j)
{
	float x = 1;
	double y = 1;

	return j->k32 ? j->k32->peak(j->rounds, &x) : j->k64->peak(j->rounds, &y);
}

static int spin_tile(void *arg, int64_t tile, int worker)
{
	(void)tile;
	(void)worker;
	return spin(arg) > 0 ? 0 : -1;
}

double sf_peak_flops(const sf_ctx *ctx, int bits)
{
	struct job j = {NULL, NULL, 1000};
	double each = 0, best = 0, t = 0;
	int i;

	if (bits == 32)
		j.k32 = sf_kernels_f32(ctx);
	else
		j.k64 = sf_kernels_f64(ctx);
	while (t < piece && j.rounds < INT64_C(1) << 40) {
		j.rounds *= 2;
		t = sf_seconds();
		each = spin(&j);
		t = sf_seconds() - t;
	}
	for (i = 0; i < TRIES; i++) {
		t = sf_seconds();
		sf_parallel(ctx, PIECES * ctx->threads, spin_tile, &j);
		t = sf_seconds() - t;
		if (each * PIECES * ctx->threads > best * t)
			best = each * PIECES * ctx->threads / t;
	}
	return best;
}
