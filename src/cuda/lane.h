/* lane.h: what the function of a step gets, and small helpers that all of them use.
 *
 * Each op has a file with
 *
 *     static int cu_run_OP(const cu_lane *l, const sf_work *s)         queues kernels on l->stream; 0 or SF_E...
 *     static size_t cu_scratch_OP(const cu_lane *l, const sf_work *s)  bytes of l->scratch that it needs, if any
 *
 * A value is dense: sample s starts at s * cu_skip, which is 0 for shared values; l->n is 1 in steps of phases PRE and POST. The
 * functions of src/graph/cpu_*_body.h say what each op is. Nothing here may wait for the device or allocate: a run is recorded as
 * a CUDA graph and replayed.
 * SPDX-License-Identifier: BSD-3-Clause */

/* What changes from run to run, in device memory, so that a recorded run reads it anew. */
typedef struct cu_numbers {
	uint64_t seed, first; /* number of the first sample of this part, for random leaves */
	uint32_t step;
	/* what a gather found: value + 1 of the lowest failing sample, which, and the index */
	int32_t bad;
	int64_t bad_sample;
	double bad_index;
} cu_numbers;

struct sf_device {
	sf_device_how how;
	const sf_device_host *host;
	cu_stream stream;
	struct cu_block *blocks; /* memory that was taken */
	struct cu_code *codes;   /* code.h: compiled chains */
	void *stage;             /* stable.h: what was copied for it */
	size_t stage_bytes;
	double *sums;            /* of the optimiser, CU_SUMS */
	struct cu_linear *linear; /* conv.h, matmul.h: handles and plans */
};

typedef struct cu_lane {
	const sf_plan *p;
	cu_numbers *run;     /* device memory */
	int64_t n;           /* samples */
	const cu_mem *val;   /* by value; p NULL: dropped, or in a chain's block */
	cu_stream stream;
	void *scratch;
	size_t scratch_bytes;
	sf_device *d;
	struct cu_part *part; /* the plan's */
	struct cu_chains *chains; /* map.h: its chains */
	const struct cu_packs *packs; /* linear.h: packed weights */
} cu_lane;

static const sf_val *cu_val(const cu_lane *l, int v)
{
	return &l->p->val[v];
}

static cu_mem cu_at(const cu_lane *l, int v)
{
	return l->val[v];
}

static inline int64_t cu_skip(const sf_plan *p, int v)
{
	return p->val[v].node.shape.per_sample ? p->val[v].node.shape.size : 0;
}

static inline int64_t cu_last_dim(const sf_shape *s)
{
	return s->rank ? s->dim[s->rank - 1] : 1;
}

/* Blocks of CU_THREADS for `items` items, each thread taking several where there are many; kernels loop by the grid's size. */
static int64_t cu_grid(int64_t items)
{
	int64_t blocks = (items + CU_THREADS - 1) / CU_THREADS;

	return blocks < 1 ? 1 : blocks > 65536 ? 65536 : blocks;
}
