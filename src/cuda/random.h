/* random.h: random leaves. The seed, the step and the first sample are read from device memory, so that a recorded run draws anew.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cuda/noise.h"

/* Eight numbers a thread, two counters; samples may end within them. */
CU_KERNEL cu_random(cu_mem to, const cu_numbers *run, uint32_t purpose, int kind, int64_t n, int64_t size, int wide)
{
	const int64_t each = (size + CU_PACK - 1) / CU_PACK, all = n * each;
	cu_noise key;
	uint64_t first;
	int64_t i;
	int k;

	key.seed = run->seed;
	key.step = run->step;
	key.purpose = purpose;
	first = run->first;
	for (i = cu_block() * cu_threads() + cu_thread(); i < all; i += cu_blocks() * cu_threads()) {
		const int64_t s = i / each, e = (i - s * each) * CU_PACK, at = s * size + e;
		float o[CU_PACK];

		cu_noise_four(kind, key, first + (uint64_t)s, (uint64_t)e / 4, o);
		cu_noise_four(kind, key, first + (uint64_t)s, (uint64_t)e / 4 + 1, o + 4);
		if (wide)
			cu_put8(to, at, o);
		else
			for (k = 0; k < CU_PACK; k++)
				if (e + k < size)
					cu_put(to, at + k, o[k]);
	}
}

static int cu_run_random(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const int64_t size = node->shape.size, each = (size + CU_PACK - 1) / CU_PACK;
	const cu_mem to = cu_at(l, s->val);
	const int wide = size % CU_PACK == 0 && (uintptr_t)to.p % 16 == 0;

	CU_LAUNCH(cu_random, cu_grid(l->n * each), 1, CU_THREADS, l->stream, to, l->run, (uint32_t)node->i[1], (int)node->i[0], l->n, size,
	          wide);
	return 0;
}
