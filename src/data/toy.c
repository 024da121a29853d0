/* toy.c: what generators share. Record i is made from counter-based noise with the key (seed,
 * purpose data, sample i), so that any record can be made on its own, in any order, on any machine.
 * Elements 0 to 3 of the stream are uniforms, elements 4 to 7 normals.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include "kernel/kernel.h"

int sf_toy_describe(sf_data *d, int dim, int classes, double lo, double hi)
{
	d->info.n = 0;
	d->info.rank = 1;
	d->info.dim[0] = dim;
	d->info.size = dim;
	d->info.classes = classes;
	d->info.levels = 0;
	d->info.lo = lo;
	d->info.hi = hi;
	return SF_OK;
}

void sf_toy_noise(const sf_data *d, int64_t seed, int64_t index, double u[4], double z[4])
{
	sf_noise key = {(uint64_t)seed, SF_NOISE_DATA, 0};
	struct sf_toy_block *b = d->block;
	int64_t i;
	int k;

	if (!b) {
		sf_noise_uniform_d(d->base.ctx, key, (uint64_t)index, 0, 4, u);
		sf_noise_normal_d(d->base.ctx, key, (uint64_t)index, 4, 4, z);
		return;
	}
	if (index < b->first || index >= b->first + b->n) { /* the noise of neighbours costs little more */
		b->first = index;
		b->n = SF_TOY_ROWS;
		sf_noise_uniform_rows(d->base.ctx, key, (uint64_t)index, b->n, 0, 4, b->u[0]);
		sf_noise_normal_rows(d->base.ctx, key, (uint64_t)index, b->n, 4, 4, b->z[0]);
	}
	i = index - b->first;
	for (k = 0; k < 4; k++) {
		u[k] = b->u[i][k];
		z[k] = b->z[i][k];
	}
}
