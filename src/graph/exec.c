/* exec.c: running a plan: PRE steps, packed operands, shards in parallel, POST steps.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include "graph/device.h"

#include <string.h>

typedef struct job {
	sf_plan *p;
	const sf_run *run;
	int64_t shards;
	int64_t from, to, base; /* shards of the part, and its first sample */
	/* the failure of the lowest shard, so that messages repeat */
	pthread_mutex_t lock;
	int64_t failed_shard;
	sf_lane failed;
	int rc;
	const sf_ctx *inner; /* threads for the inside of steps, or NULL */
} job;

static int64_t part_start(const job *j, int64_t shard)
{
	return shard * j->run->n / j->shards;
}

static void *moved(void *base, int64_t elements, size_t esize)
{
	return (unsigned char *)base + elements * (int64_t)esize;
}

/* Where the whole sum over the batch ends up: it is also where shard 0 leaves its partial. */
static void *final_of(const sf_plan *p, const sf_val *v)
{
	if (v->out >= 0 && p->out[v->out])
		return p->out[v->out];
	return v->buf >= 0 ? p->memory + p->buf[v->buf].offset : NULL;
}

/* A value is only computed where somebody reads it: NULL for a dropped output. */
static void *partial_of(const sf_plan *p, const sf_val *v, int slot)
{
	void *final = final_of(p, v);

	return slot < 0 || !final ? final : moved(p->slot[slot], v->part, p->esize);
}

/* Inputs and parameters are never written; the executor's table of addresses is not const. */
static void *readable(const void *data)
{
	void *p;

	memcpy(&p, &data, sizeof p);
	return p;
}

static void *address(const sf_plan *p, const sf_val *v, int worker, int slot, int64_t first)
{
	int64_t skip = v->node.shape.per_sample ? first * v->node.shape.size : 0;
	const sf_buf *b;

	if (v->node.op == SF_OP_INPUT)
		return moved(readable(v->bound), skip, p->esize);
	if (v->node.op == SF_OP_PARAM)
		return moved(readable(p->params), v->param, p->esize);
	if (v->batch)
		return partial_of(p, v, slot);
	if (v->out >= 0 && p->out[v->out])
		return moved(p->out[v->out], skip, p->esize);
	if (v->buf < 0)
		return NULL;
	b = &p->buf[v->buf];
	if (b->region == SF_IN_SHARED)
		return p->memory + b->offset;
	return p->memory + p->shared_bytes + (size_t)worker * (p->arena_bytes + p->scratch_bytes) +
	       b->offset;
}

void *sf_lane_scratch(const sf_plan *p, int worker)
{
	return p->memory + p->shared_bytes + (size_t)worker * (p->arena_bytes + p->scratch_bytes) + p->arena_bytes;
}

static void open_lane(const job *j, sf_lane *l, int worker, int slot, int64_t first, int64_t n)
{
	const sf_plan *p = j->p;
	int i;

	memset(l, 0, sizeof *l);
	l->p = p;
	l->run = j->run;
	l->kern = p->kern;
	l->ptr = p->ptr[worker];
	l->n = n;
	l->first = first;
	l->worker = worker;
	l->team = j->inner;
	l->scratch = sf_lane_scratch(p, worker);
	for (i = 0; i < p->nval; i++) {
		const sf_val *v = &p->val[i];

		l->ptr[i] = v->root != i ? l->ptr[v->root] : address(p, v, worker, slot, first);
	}
}

/* The same with a clock. */
static int metered_phase(sf_lane *l, int phase)
{
	const sf_plan *p = l->p;
	double t = sf_seconds(), end;
	int i, rc = 0;

	for (i = p->begin[phase]; i < p->begin[phase + 1] && rc == 0; i++, t = end) {
		rc = p->cpu->run(l, &p->step[i]);
		end = sf_seconds();
		sf_meter_step(l, i, end - t);
	}
	return rc;
}

static int run_phase(sf_lane *l, int phase)
{
	const sf_plan *p = l->p;
	int i, rc = 0;

	if (p->meter)
		return metered_phase(l, phase);
	for (i = p->begin[phase]; i < p->begin[phase + 1] && rc == 0; i++)
		rc = p->cpu->run(l, &p->step[i]);
	return rc;
}

static void copy_outputs(const sf_lane *l, int per_sample)
{
	const sf_plan *p = l->p;
	int i;

	for (i = 0; i < p->ncopy; i++) {
		const sf_copy *c = &p->copy[i];
		const sf_shape *s = &p->val[c->val].node.shape;
		int64_t n = s->per_sample ? l->n : 1, skip = s->per_sample ? l->first * s->size : 0;

		if (p->out[c->out] && s->per_sample == per_sample)
			memcpy(moved(p->out[c->out], skip, p->esize), l->ptr[c->val],
			       (size_t)(n * s->size) * p->esize);
	}
}

static void add_partials(void *arg, int a, int b)
{
	const sf_plan *p = arg;
	int i;

	for (i = 0; i < p->nbatch; i++) {
		const sf_val *v = &p->val[p->batch[i]];
		void *left = partial_of(p, v, a);

		if (left)
			p->cpu->add(p->kern, v->node.shape.size, left, partial_of(p, v, b), left);
	}
}

/* Sums over no samples. */
static void clear_partials(const sf_lane *l)
{
	const sf_plan *p = l->p;
	int i;

	for (i = 0; i < p->nbatch; i++) {
		const sf_val *v = &p->val[p->batch[i]];

		if (l->ptr[p->batch[i]])
			memset(l->ptr[p->batch[i]], 0, (size_t)v->node.shape.size * p->esize);
	}
}

static void keep_failure(job *j, const sf_lane *l, int64_t shard, int rc)
{
	pthread_mutex_lock(&j->lock);
	if (j->rc == 0 || shard < j->failed_shard) {
		j->rc = rc;
		j->failed_shard = shard;
		j->failed = *l;
	}
	pthread_mutex_unlock(&j->lock);
}

/* The tile only says that one more shard is to be done; shards start in order whatever the threads
 * do, which bounds the partials that wait. */
static int run_shard(void *arg, int64_t tile, int worker)
{
	job *j = arg;
	sf_lane l;
	int slot, rc = 0;
	int64_t shard = sf_tree_next(j->p->tree, &slot);

	(void)tile;
	memset(&l, 0, sizeof l);
	open_lane(j, &l, worker, slot, part_start(j, shard) - j->base,
	          part_start(j, shard + 1) - part_start(j, shard));
	if (l.n > 0) {
		rc = run_phase(&l, SF_SHARD);
		copy_outputs(&l, 1);
	} else {
		clear_partials(&l);
	}
	if (rc < 0)
		keep_failure(j, &l, shard, rc);
	if (j->p->meter) {
		double t = sf_seconds();

		sf_tree_done(j->p->tree, shard, slot, add_partials, j->p);
		sf_meter_kind(j->p, worker, SF_KIND_SUM, sf_seconds() - t);
	} else {
		sf_tree_done(j->p->tree, shard, slot, add_partials, j->p);
	}
	return 0;
}

static int run_pack(void *arg, int64_t tile, int worker)
{
	const sf_plan *p = arg;
	const sf_pack *k = &p->pack[tile];

	(void)worker;
	p->cpu->pack(p, k, p->ptr[0][k->val], p->memory + p->buf[k->buf].offset);
	return 0;
}

static void run_packs(sf_plan *p, const sf_ctx *team)
{
	double ns = 0, start = p->meter ? sf_seconds() : 0;
	int i;

	for (i = 0; i < p->npack; i++) /* transposing takes a fifth of what transforming weights does */
		ns += (p->pack[i].kind == SF_PACK_TRANSPOSE ? .04 : .2) * (double)p->buf[p->pack[i].buf].bytes;
	sf_parallel_work(team, ns, p->npack, run_pack, p);
	if (p->meter)
		sf_meter_kind(p, 0, SF_KIND_PACK, sf_seconds() - start);
}

static int report(const job *j)
{
	const sf_plan *p = j->p;
	const sf_val *v = &p->val[j->failed.bad];

	return sf_fail(p->ctx, j->rc,
	               "node %d (%s): index %g of sample %lld is not a row of the table", v->var,
	               sf_ops[v->node.op].name, j->failed.bad_index,
	               (long long)(j->failed.bad_sample + j->base));
}

static int check(const sf_plan *p, const sf_run *run, int64_t *shards)
{
	int64_t s = run->shards, need = 1;
	int i;

	for (i = 0; i < p->nval; i++)
		if (p->val[i].node.op == SF_OP_INPUT && !p->val[i].bound)
			return sf_fail(p->ctx, SF_EINVAL, "input '%s' is not bound",
			               p->val[i].node.name);
	if (p->needs_params && !p->params)
		return sf_fail(p->ctx, SF_EINVAL, "the plan's parameters are not bound");
	if (!p->memory && !p->on)
		return sf_fail(p->ctx, SF_EINVAL, "the plan has no memory yet (sf_plan_take)");
	if (run->n < 1 || run->n > (INT64_C(1) << 40))
		return sf_fail(p->ctx, SF_EINVAL, "a run of %lld samples (expected 1 to 2^40)",
		               (long long)run->n);
	if (run->first_sample > (UINT64_C(1) << 48) - (uint64_t)run->n)
		return sf_fail(p->ctx, SF_ERANGE, "sample numbers must stay below 2^48");
	if (s == 0)
		s = (run->n + p->max_shard - 1) / p->max_shard;
	if (s < 1 || s > SF_MAXSHARDS)
		return sf_fail(p->ctx, SF_EINVAL,
		               "%lld samples in %lld parts (expected 1 to %d parts)",
		               (long long)run->n, (long long)s, SF_MAXSHARDS);
	*shards = s;
	if (p->on)
		return SF_OK;
	if ((run->n + s - 1) / s > p->max_shard)
		return sf_fail(p->ctx, SF_EINVAL, "parts of %lld samples in a plan for %lld",
		               (long long)((run->n + s - 1) / s), (long long)p->max_shard);
	while ((INT64_C(1) << need) < s)
		need++;
	if (p->nbatch && s > 1 && p->nslot < need + 1)
		return sf_fail(p->ctx, SF_ENOMEM, "out of memory for the sums of %lld parts",
		               (long long)s);
	return SF_OK;
}

int64_t sf_run_samples(const sf_run *run, int64_t *first)
{
	int64_t parts = run->parts > 1 ? run->parts : 1, from = run->part * run->shards / parts * run->n / run->shards;

	*first = from;
	return (run->part + 1) * run->shards / parts * run->n / run->shards - from;
}

/* Parts come in order, and nothing but their number changes from one to the next. */
static int open_part(sf_plan *p, job *j, sf_run *own)
{
	const sf_run *r = own;
	int64_t parts = r->parts > 1 ? r->parts : 1, part = parts > 1 ? r->part : 0, expected = p->next_part;

	own->shards = j->shards;
	own->parts = parts;
	own->part = part;
	p->next_part = 0;
	if (parts > j->shards || part < 0 || part >= parts)
		return sf_fail(p->ctx, SF_EINVAL, "part %lld of %lld of a run of %lld shards (expected at most one a shard)",
		               (long long)part, (long long)parts, (long long)j->shards);
	if (part > 0 && (part != expected || r->n != p->going.n || j->shards != p->going.shards ||
	                 parts != p->going.parts))
		return sf_fail(p->ctx, SF_EINVAL, "part %lld of a run does not follow the part before", (long long)part);
	j->from = part * j->shards / parts;
	j->to = (part + 1) * j->shards / parts;
	j->base = part_start(j, j->from);
	p->going = *own;
	own->first_sample += (uint64_t)j->base; /* of random leaves: sample 0 of this part's arrays */
	if (part == 0 && p->tree)
		sf_tree_start(p->tree, j->shards);
	return SF_OK;
}

/* A guess of the time that all shards take on one thread. */
static double nanoseconds(const job *j)
{
	const sf_plan *p = j->p;
	int64_t shards = j->to - j->from, steps = p->begin[SF_POST] - p->begin[SF_SHARD];

	return .03 * p->flops * (double)(part_start(j, j->to) - j->base) + 100 * (double)(steps * shards);
}

/* Shards side by side; where they are so few that half of the threads would find none, one after the other, and all threads
 * share the work of each step. */
static void run_shards(const sf_ctx *team, job *j)
{
	int64_t shards = j->to - j->from, i;
	double start = j->p->meter ? sf_seconds() : 0;
	int within = 2 * shards <= team->threads, apart = !within && shards > 1 && sf_worth(team, nanoseconds(j));

	pthread_mutex_init(&j->lock, NULL);
	if (within)
		j->inner = team;
	if (apart)
		sf_parallel(team, shards, run_shard, j);
	for (i = 0; !apart && i < shards; i++)
		run_shard(j, i, 0);
	pthread_mutex_destroy(&j->lock);
	if (j->p->meter)
		sf_meter_flush(j->p, apart ? team->threads : 1, sf_seconds() - start);
}

/* PRE and POST: one lane, and all threads inside of its steps. */
static int run_once(const sf_ctx *team, job *j, int phase)
{
	double start = j->p->meter ? sf_seconds() : 0;
	sf_lane l;
	int rc;

	j->inner = team->threads > 1 ? team : NULL;
	open_lane(j, &l, 0, -1, 0, 1);
	rc = run_phase(&l, phase);
	if (rc == 0 && phase == SF_PRE && j->p->npack)
		run_packs(j->p, team);
	if (rc == 0 && phase == SF_POST)
		copy_outputs(&l, 0);
	j->inner = NULL;
	j->failed = l;
	if (j->p->meter)
		sf_meter_flush(j->p, 1, sf_seconds() - start);
	return rc;
}

static int ran(sf_plan *p, const sf_run *own)
{
	p->next_part = own->part + 1;
	p->primed = p->held;
	return SF_OK;
}

int sf_plan_run(sf_plan *p, const sf_run *run)
{
	sf_ctx team = *p->ctx; /* memory is for the threads there were when the plan was made */
	sf_run own = *run;
	job j;

	memset(&j, 0, sizeof j);
	j.p = p;
	j.run = &own;
	SF_TRY(check(p, run, &j.shards));
	SF_TRY(open_part(p, &j, &own));
	if (p->on) {
		own.first_sample = run->first_sample; /* of the whole batch */
		SF_TRY(sf_device_plan_run(p, &own));
		return ran(p, &own);
	}
	if (team.threads > p->workers)
		team.threads = p->workers;
	if (own.part == 0 && !p->primed) /* what it leaves stays until the last part: sums over the batch may lie where it worked */
		j.rc = run_once(&team, &j, SF_PRE);
	if (j.rc == 0 && (p->begin[SF_POST] > p->begin[SF_SHARD] || p->ncopy > 0))
		run_shards(&team, &j);
	if (j.rc == 0 && own.part + 1 == own.parts)
		j.rc = run_once(&team, &j, SF_POST);
	return j.rc < 0 ? report(&j) : ran(p, &own);
}
