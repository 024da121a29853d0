/* cpu_part_body.h: one step shared by the threads of a lane's team; part of cpu_body.h.
 *
 * A lane has a team where a plan runs fewer shards than there are threads: one image is sampled, a batch of one is trained on.
 * Parts are rows of a product, rows of a convolution's result, blocks of a chain: each is computed as it is in the
 * whole, so that bytes do not depend on the parts, and each part writes its own memory. A thread works in the scratch memory
 * of its own, which no shard uses meanwhile.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct parts {
	const sf_lane *l;
	const sf_work *s;
	void (*run)(const struct parts *j, int64_t part, T *scratch);
	int64_t n, each;     /* samples; units of a part */
	int64_t units, split; /* units there are; parts of a sample */
	const T *packed;
	const void *what;    /* the member's own */
} parts;

static int run_part(void *arg, int64_t part, int worker)
{
	const parts *j = arg;

	j->run(j, part, sf_lane_scratch(j->l->p, worker));
	return 0;
}

/* Whether a step of so many nanoseconds is worth sharing. */
static int shared(const sf_lane *l, double ns)
{
	return l->team && sf_worth(l->team, ns);
}

/* Cuts `units` into about `pieces` parts of whole multiples of `unit`; returns how many there are. */
static int64_t cut(parts *j, int64_t units, int64_t unit, int64_t pieces)
{
	int64_t whole = (units + unit - 1) / unit;

	j->units = units;
	j->each = (whole + pieces - 1) / pieces * unit;
	return (units + j->each - 1) / j->each;
}

static int64_t part_end(const parts *j, int64_t from)
{
	return from + j->each < j->units ? from + j->each : j->units;
}
