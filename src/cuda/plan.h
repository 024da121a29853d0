/* plan.h: runs of a plan on the device, recorded once and replayed.
 *
 * A run has three sections: what is worked out from shared values alone (PRE and packed weights), the batch, and what follows from
 * its sums (POST). Each is recorded as a CUDA graph the second time that it runs with the same addresses; the first time warms
 * libraries up. Arrays that are bound on the host have a twin on the device.
 *
 * While a section is recorded nothing but kernels and the libraries' calls is queued: what would wait, take memory or touch another
 * queue comes before or after it.
 * SPDX-License-Identifier: BSD-3-Clause */

/* ---- what was recorded ---- */

static uint64_t cu_mix(uint64_t hash, const void *p)
{
	return (hash ^ (uint64_t)(uintptr_t)p) * UINT64_C(0x9E3779B97F4A7C15) + (hash >> 29);
}

static void cu_forget(struct cu_recorded *r)
{
	int i;

	for (i = 0; i < SF_PHASES; i++)
		cu_record_drop(&r->section[i]);
	r->addresses = 0;
}

/* Finds what was recorded for these addresses and samples, or makes room for it. */
static void cu_find_record(cu_part *t, int64_t n)
{
	uint64_t hash = (uint64_t)n;
	int i;

	for (i = 0; i < t->p->nval; i++)
		hash = cu_mix(hash, t->val[i].p);
	for (i = 0; i < t->p->nout; i++)
		hash = cu_mix(hash, cu_output(t, i).p);
	hash |= 1; /* 0: nothing */
	for (t->now = 0; t->now < CU_RECORDS; t->now++)
		if (t->record[t->now].addresses == hash)
			return;
	t->now = t->oldest;
	t->oldest = (t->oldest + 1) % CU_RECORDS;
	cu_forget(&t->record[t->now]);
	t->record[t->now].addresses = hash;
}

/* ---- a section: run, recorded, or replayed ---- */

static int cu_section(cu_part *t, int phase, int64_t n, sf_device_lap lap, void *arg)
{
	int rc = cu_run_steps(&t->lane, phase, n, lap, arg);

	if (rc == 0 && phase == SF_PRE) {
		cu_packs_run(&t->lane);
		if (lap && t->packs.n) {
			(void)cu_wait(t->d->stream);
			lap(arg, -1);
		}
	}
	if (rc == 0 && phase == SF_SHARD)
		cu_copy_outputs(t, 1, n);
	if (rc == 0 && phase == SF_POST)
		cu_copy_outputs(t, 0, 1);
	return rc;
}

static int cu_enter(cu_part *t, int phase, int64_t n, sf_device_lap lap, void *arg)
{
	struct cu_record *r = &t->record[t->now].section[phase];
	int rc;

	if (t->p->begin[phase] == t->p->begin[phase + 1] && (phase != SF_PRE || !t->packs.n) && !t->p->ncopy)
		return 0;
	if (lap || !cu_record_begin(r, t->d->stream))
		return cu_section(t, phase, n, lap, arg);
	if (!r->ready) {
		rc = cu_section(t, phase, n, NULL, NULL);
		if (cu_record_end(r, t->d->stream) < 0)
			return cu_section(t, phase, n, NULL, NULL); /* this one cannot be recorded */
		if (rc < 0)
			return rc;
	}
	return cu_record_replay(r, t->d->stream);
}

/* Sums of several parts: the first is copied, the others are added. A part of no samples has none. */
static cu_error cu_gather_partials(cu_part *t, int first, int64_t n)
{
	cu_error e = CU_OK;
	int i;

	for (i = 0; i < t->p->nbatch && e == CU_OK; i++) {
		const sf_val *v = &t->p->val[t->p->batch[i]];
		const cu_mem whole = cu_address(t, t->p->batch[i]), part = cu_partial(t, v);
		const int64_t size = v->node.shape.size;

		if (!whole.p)
			continue;
		if (n == 0 && first)
			e = cu_fill_async(whole.p, 0, (size_t)size * sizeof(float), t->d->stream);
		else if (n > 0 && first)
			cu_recast(t->d->stream, whole, part, size);
		else if (n > 0)
			CU_LAUNCH(cu_add_numbers, cu_grid(size), 1, CU_THREADS, t->d->stream, whole, part, size);
	}
	return e;
}

/* ---- a run ---- */

/* By a kernel's arguments: memory of the host would have to stay as it is until the device has read it. */
CU_KERNEL cu_set_numbers(cu_numbers *to, uint64_t seed, uint64_t first, uint32_t step)
{
	if (cu_thread() > 0)
		return;
	to->seed = seed;
	to->first = first;
	to->step = step;
	to->bad = 0;
	to->bad_sample = 0;
	to->bad_index = 0;
}

static cu_error cu_send(cu_part *t, const sf_run *run, int64_t n, int64_t first, int fresh)
{
	const sf_plan *p = t->p;
	cu_error e = CU_OK;
	int i;

	CU_LAUNCH(cu_set_numbers, 1, 1, 1, t->d->stream, t->numbers, run->seed, run->first_sample + (uint64_t)first, run->step);
	for (i = 0; i < p->nval && e == CU_OK; i++) {
		const sf_val *v = &p->val[i];

		if (v->node.op == SF_OP_INPUT && !cu_is_ours(t->d, v->bound) && (v->node.shape.per_sample || fresh))
			e = cu_copy_in(*cu_twin_input(t, i), v->bound, (size_t)cu_numbers_of(&v->node.shape, n) * sizeof(float), t->d->stream);
	}
	if (e == CU_OK && fresh && p->needs_params && !cu_is_ours(t->d, p->params))
		e = cu_copy_in(*cu_twin(t, CU_TWIN_PARAMS), p->params, (size_t)cu_param_total(p) * sizeof(float), t->d->stream);
	return e;
}

/* Outputs on the host. per_sample: those of this part; else the shared ones. */
static cu_error cu_fetch(cu_part *t, int per_sample, int64_t n, int *any)
{
	const sf_plan *p = t->p;
	cu_error e = CU_OK;
	int k;

	for (k = 0; k < p->nout && e == CU_OK; k++) {
		const sf_shape *s = &p->val[p->out_val[k]].node.shape;
		const size_t bytes = (size_t)cu_numbers_of(s, n) * sizeof(float);

		if (!p->out[k] || s->per_sample != per_sample || cu_is_ours(t->d, p->out[k]))
			continue;
		*any = 1;
		e = cu_copy_async(p->out[k], *cu_twin_output(t, k), bytes, t->d->stream);
	}
	return e;
}

static int cu_has_gather(const sf_plan *p)
{
	int i, any = 0;

	for (i = 0; i < p->nstep; i++)
		any |= !p->step[i].nlink && (p->val[p->step[i].val].node.op == SF_OP_GATHER ||
		                             p->val[p->step[i].val].node.op == SF_OP_SCATTER);
	return any;
}

static int cu_failed(cu_error e, char *why)
{
	snprintf(why, SF_DEVICE_WHY, "the device failed: %s", cu_error_text(e));
	(void)e;
	return SF_EUNSUP;
}

static int sf_cu_plan_run(void *part, const sf_plan *p, const sf_run *run, int held, sf_device_lap lap, void *arg, int *bad,
                          int64_t *sample, double *index, char *why)
{
	cu_part *t = (cu_part *)part;
	const int64_t parts = run->parts > 1 ? run->parts : 1;
	int64_t first = run->part * run->shards / parts * run->n / run->shards;
	int64_t n = (run->part + 1) * run->shards / parts * run->n / run->shards - first;
	int any = t->gathers, rc = 0;
	cu_error e;

	(void)p;
	if (cu_take_twins(t, parts > 1, why) < 0)
		return SF_ENOMEM;
	cu_addresses(t, parts > 1);
	cu_find_record(t, n);
	e = cu_send(t, run, n, first, run->part == 0 && !held);
	if (e == CU_OK && run->part == 0 && !held)
		rc = cu_enter(t, SF_PRE, 1, lap, arg);
	if (e == CU_OK && rc == 0 && n > 0)
		rc = cu_enter(t, SF_SHARD, n, lap, arg);
	if (e == CU_OK && rc == 0 && parts > 1)
		e = cu_gather_partials(t, run->part == 0, n);
	if (e == CU_OK && rc == 0 && run->part + 1 == parts) {
		if (parts > 1)
			cu_addresses(t, 0); /* what follows reads the whole sums */
		rc = cu_enter(t, SF_POST, 1, lap, arg);
		if (rc == 0)
			e = cu_fetch(t, 0, n, &any);
	}
	if (e == CU_OK && rc == 0)
		e = cu_fetch(t, 1, n, &any);
	if (e == CU_OK)
		e = cu_last_error();
	if (e == CU_OK && t->gathers)
		e = cu_copy_async(t->found, t->numbers, sizeof *t->found, t->d->stream);
	if (e == CU_OK && any)
		e = cu_wait(t->d->stream);
	if (e != CU_OK)
		return cu_failed(e, why);
	if (rc == 0 && t->gathers && t->found->bad > 0) {
		*bad = t->found->bad - 1;
		*sample = t->found->bad_sample;
		*index = t->found->bad_index;
		return SF_EINVAL;
	}
	if (rc < 0)
		snprintf(why, SF_DEVICE_WHY, "a step of the plan failed on the device: %.300s", cu_why(t->d));
	return rc;
}

/* ---- opening ---- */

static size_t cu_take(size_t *at, size_t bytes)
{
	const size_t here = *at;

	*at += cu_round(bytes);
	return here;
}

/* Everything gets its place; the lane is set up as for a run, because ops ask it for shapes. */
static int cu_lay_out(cu_part *t, const sf_device_layout *lay, size_t *scratch)
{
	const sf_plan *p = t->p;
	size_t at = cu_round(lay->bytes), most = 0, need;
	int i;

	t->lane.p = p;
	t->lane.d = t->d;
	t->lane.part = t;
	t->lane.val = t->val;
	t->lane.packs = &t->packs;
	t->lane.stream = t->d->stream;
	for (i = 0; i < p->nval; i++) {
		t->offset[i] = lay->offset[i];
		t->bf16[i] = lay->bf16[i];
	}
	for (i = 0; i < p->nval; i++)
		t->val[i].type = t->bf16[p->val[i].root] ? CU_BF16 : CU_F32;
	if (cu_packs_plan(&t->packs, &t->lane, &at) < 0)
		return SF_ENOMEM;
	for (i = 0; i < p->nstep; i++) {
		const cu_op op = cu_op_of(p, &p->step[i]);

		t->lane.n = p->val[p->step[i].val].phase == SF_SHARD ? t->n : 1;
		need = op.scratch ? op.scratch(&t->lane, &p->step[i]) : 0;
		most = need > most ? need : most;
	}
	t->scratch_bytes = most;
	*scratch = cu_take(&at, most);
	t->bytes = at;
	return SF_OK;
}

/* Constants. */
static cu_error cu_set_constants(cu_part *t)
{
	cu_error e = CU_OK;
	int i, k;

	for (i = 0; i < t->p->nval && e == CU_OK; i++) {
		const sf_node *node = &t->p->val[i].node;
		const int n = node->ntap > 0 ? node->ntap : 1;
		float *f;

		if (node->op != SF_OP_CONST || t->offset[i] == SIZE_MAX)
			continue;
		f = (float *)malloc((size_t)n * sizeof *f);
		if (!f)
			return CU_NO_MEMORY;
		f[0] = (float)node->c;
		for (k = 0; k < node->ntap; k++)
			f[k] = (float)node->tap[k];
		e = cu_copy_async(t->memory + t->offset[i], f, (size_t)n * sizeof *f, t->d->stream);
		if (e == CU_OK)
			e = cu_wait(t->d->stream);
		free(f);
	}
	return e;
}

static void sf_cu_plan_close(void *part)
{
	cu_part *t = (cu_part *)part;
	int i;

	if (!t)
		return;
	(void)cu_wait(t->d->stream);
	for (i = 0; i < CU_RECORDS; i++)
		cu_forget(&t->record[i]);
	cu_chains_free(t->lane.chains);
	cu_mfree(t->memory);
	cu_mfree(t->numbers);
	cu_host_free(t->found);
	cu_packs_free(&t->packs);
	free(t->offset);
	for (i = 0; t->twin && i < t->p->nval + t->p->nout + CU_TWINS; i++)
		cu_mfree(t->twin[i]);
	free(t->twin);
	free(t->bf16);
	free(t->val);
	free(t);
}

static int sf_cu_plan_open(sf_device *d, const sf_plan *p, const sf_device_layout *lay, void **part, double *needed,
                           double *free_bytes, char *why)
{
	cu_part *t = (cu_part *)calloc(1, sizeof *t);
	size_t nval = (size_t)p->nval + 1, scratch = 0;
	double all;
	int rc = SF_ENOMEM;

	*part = NULL;
	snprintf(why, SF_DEVICE_WHY, "out of memory for a plan");
	if (!t)
		return SF_ENOMEM;
	t->d = d;
	t->p = p;
	t->n = lay->n;
	t->gathers = cu_has_gather(p);
	t->offset = (size_t *)calloc(nval, sizeof *t->offset);
	t->twin = (float **)calloc(nval + (size_t)p->nout + CU_TWINS, sizeof *t->twin);
	t->bf16 = (unsigned char *)calloc(nval, 1);
	t->val = (cu_mem *)calloc(nval, sizeof *t->val);
	t->found = (cu_numbers *)cu_host_malloc(sizeof *t->found);
	t->numbers = (cu_numbers *)cu_malloc(sizeof *t->numbers);
	if (t->offset && t->twin && t->bf16 && t->val && t->found && t->numbers)
		rc = cu_lay_out(t, lay, &scratch);
	if (rc == 0)
		rc = cu_chains_new(&t->lane, t->n, &t->lane.chains, why);
	if (rc == 0 && !(t->memory = (unsigned char *)cu_malloc(t->bytes))) {
		cu_memory(&all, free_bytes);
		*needed = (double)t->bytes;
		rc = SF_ENOMEM;
	}
	if (rc == 0 && cu_set_constants(t) != CU_OK)
		rc = cu_failed(cu_last_error(), why);
	if (rc < 0) {
		sf_cu_plan_close(t);
		return rc;
	}
	t->packs.memory = t->memory;
	t->lane.run = t->numbers;
	t->lane.scratch = t->memory + scratch;
	t->lane.scratch_bytes = t->scratch_bytes;
	*part = t;
	return SF_OK;
}
