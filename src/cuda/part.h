/* part.h: a plan's part on the device: memory for its values and for twins of what is bound on the host, and where each value lies in
 * a run.
 * SPDX-License-Identifier: BSD-3-Clause */

enum { CU_ALIGN = 256, CU_RECORDS = 4 /* sets of addresses, as of users who bind arrays in turn */ };

/* Memory on the device that its users may bind. */
typedef struct cu_block {
	unsigned char *p;
	size_t bytes;
	struct cu_block *next;
} cu_block;

/* What was recorded for one set of addresses. */
struct cu_recorded {
	uint64_t addresses; /* a hash of them and of the number of samples; 0: nothing */
	struct cu_record section[SF_PHASES];
};

typedef struct cu_part {
	sf_device *d;
	const sf_plan *p;
	int64_t n;            /* samples that there is memory for */
	unsigned char *memory; /* values, scratch, packed weights */
	size_t bytes, scratch_bytes;
	size_t *offset;       /* by value; SIZE_MAX: none */
	float **twin;         /* on the device, of arrays on the host, taken when one is first bound: by value, then by output, then the
	                         parameters, then the sums of a part of the batch */
	unsigned char *bf16;
	cu_mem *val;          /* addresses of this run */
	cu_numbers *numbers;  /* on the device, */
	cu_numbers *found;    /* and what is read of them, in memory that the device can write */
	int gathers;          /* steps may find a number that is no row of a table */
	struct cu_packs packs; /* linear.h */
	cu_lane lane;
	struct cu_recorded record[CU_RECORDS];
	int now, oldest;      /* the one of this run; the one to be given up for another */
} cu_part;

static size_t cu_round(size_t bytes)
{
	return (bytes + CU_ALIGN - 1) / CU_ALIGN * CU_ALIGN;
}

/* Whether p is memory of the device. */
static int cu_is_ours(const sf_device *d, const void *p)
{
	const cu_block *b;

	for (b = d->blocks; b; b = b->next)
		if ((const unsigned char *)p >= b->p && (const unsigned char *)p < b->p + b->bytes)
			return 1;
	return 0;
}

/* What the plan's parameters take: to the end of the last one in the flat buffer. */
static int64_t cu_param_total(const sf_plan *p)
{
	int64_t end = 0;
	int i;

	for (i = 0; i < p->nval; i++)
		if (p->val[i].node.op == SF_OP_PARAM && p->val[i].param + p->val[i].node.shape.size > end)
			end = p->val[i].param + p->val[i].node.shape.size;
	return end;
}

static int64_t cu_numbers_of(const sf_shape *s, int64_t n)
{
	return s->per_sample ? s->size * n : s->size;
}

enum { CU_TWIN_PARAMS, CU_TWIN_SUMS, CU_TWINS };

static float **cu_twin_input(const cu_part *t, int i)
{
	return &t->twin[i];
}

static float **cu_twin_output(const cu_part *t, int k)
{
	return &t->twin[t->p->nval + k];
}

static float **cu_twin(const cu_part *t, int which)
{
	return &t->twin[t->p->nval + t->p->nout + which];
}

/* Twins that are still to be taken are counted, or taken; 0 where there is no memory. */
typedef struct cu_taking {
	int take, got;
	size_t bytes;
} cu_taking;

static void cu_need(cu_taking *k, float **twin, int64_t n)
{
	const size_t bytes = (size_t)n * sizeof **twin;

	if (*twin)
		return;
	k->bytes += bytes;
	if (k->take)
		k->got &= (*twin = (float *)cu_malloc(bytes)) != NULL;
}

static void cu_need_all(const cu_part *t, cu_taking *k, int parts)
{
	const sf_plan *p = t->p;
	int i;

	for (i = 0; i < p->nval; i++)
		if (p->val[i].node.op == SF_OP_INPUT && !cu_is_ours(t->d, p->val[i].bound))
			cu_need(k, cu_twin_input(t, i), cu_numbers_of(&p->val[i].node.shape, t->n));
	for (i = 0; i < p->nout; i++)
		if (p->out[i] && !cu_is_ours(t->d, p->out[i]))
			cu_need(k, cu_twin_output(t, i), cu_numbers_of(&p->val[p->out_val[i]].node.shape, t->n));
	if (p->needs_params && !cu_is_ours(t->d, p->params))
		cu_need(k, cu_twin(t, CU_TWIN_PARAMS), cu_param_total(p));
	if (parts && p->part > 0)
		cu_need(k, cu_twin(t, CU_TWIN_SUMS), p->part);
}

/* Twins of all that is bound on the host. */
static int cu_take_twins(const cu_part *t, int parts, char *why)
{
	cu_taking count = {0, 1, 0}, take = {1, 1, 0};
	double all, free;

	cu_need_all(t, &count, parts);
	if (count.bytes == 0)
		return 0;
	cu_memory(&all, &free);
	cu_need_all(t, &take, parts);
	if (take.got)
		return 0;
	snprintf(why, SF_DEVICE_WHY, "out of device memory: copies of %lld samples' inputs and outputs need %.1f MiB and %.1f MiB are free",
	         (long long)t->n, (double)count.bytes / 1048576, free / 1048576);
	return SF_ENOMEM;
}

/* ---- outputs ---- */

CU_KERNEL cu_add_numbers(cu_mem to, cu_mem from, int64_t n)
{
	int64_t i;

	for (i = cu_block() * cu_threads() + cu_thread(); i < n; i += cu_blocks() * cu_threads())
		cu_put(to, i, cu_get(to, i) + cu_get(from, i));
}

static cu_mem cu_float(void *p)
{
	cu_mem m;

	m.p = p;
	m.type = CU_F32;
	return m;
}

/* Where output k is written: the device array that is bound, or its twin; NULL: dropped. */
static cu_mem cu_output(const cu_part *t, int k)
{
	void *bound = t->p->out[k];

	if (!bound)
		return cu_float(NULL);
	return cu_float(cu_is_ours(t->d, bound) ? bound : (void *)*cu_twin_output(t, k));
}

static void cu_copy_outputs(const cu_part *t, int per_sample, int64_t n)
{
	int i;

	for (i = 0; i < t->p->ncopy; i++) {
		const sf_copy *c = &t->p->copy[i];
		const sf_shape *s = &t->p->val[c->val].node.shape;
		const cu_mem to = cu_output(t, c->out);
		const int64_t count = (s->per_sample ? n : 1) * s->size;

		if (to.p && s->per_sample == per_sample)
			cu_recast(t->d->stream, to, t->val[c->val], count);
	}
}

/* Where a part of the batch leaves its sum. */
static cu_mem cu_partial(const cu_part *t, const sf_val *v)
{
	return cu_float(*cu_twin(t, CU_TWIN_SUMS) + v->part);
}

/* ---- addresses ---- */

static cu_mem cu_address(const cu_part *t, int i)
{
	const sf_val *v = &t->p->val[i];
	cu_mem m = cu_float(NULL);

	m.type = t->bf16[i] ? CU_BF16 : CU_F32;
	if (v->node.op == SF_OP_INPUT) {
		if (v->bound && cu_is_ours(t->d, v->bound))
			memcpy(&m.p, &v->bound, sizeof m.p); /* is only read */
		else
			m.p = *cu_twin_input(t, i);
	} else if (v->node.op == SF_OP_PARAM) {
		if (cu_is_ours(t->d, t->p->params))
			memcpy(&m.p, &t->p->params, sizeof m.p);
		else
			m.p = *cu_twin(t, CU_TWIN_PARAMS);
		m.p = (float *)m.p + v->param;
	} else if (v->out >= 0 && t->p->out[v->out]) {
		m = cu_output(t, v->out);
	} else if (t->offset[i] != SIZE_MAX) {
		m.p = t->memory + t->offset[i];
	}
	return m;
}

/* partial: sums of a part of the batch go where they can be added to the others'. */
static void cu_addresses(cu_part *t, int partial)
{
	int i;

	for (i = 0; i < t->p->nval; i++) {
		const sf_val *v = &t->p->val[i];

		if (v->root != i)
			continue;
		t->val[i] = cu_address(t, i);
		if (partial && v->batch && t->val[i].p)
			t->val[i] = cu_partial(t, v);
	}
	for (i = 0; i < t->p->nval; i++)
		t->val[i] = t->val[t->p->val[i].root];
}
