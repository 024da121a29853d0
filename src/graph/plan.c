/* plan.c: making a plan, binding its inputs and outputs.
 *
 * A plan is made in passes over the graph: order and phases (plan_order.c), fusion (plan_fuse.c), elementwise chains
 * (plan_chain.c), packed operands (plan_pack.c), memory (plan_memory.c). Everything a run touches
 * is taken here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include "graph/device.h"

#include <stdlib.h>
#include <string.h>

/* Partials of one shard each. They may be large and most are never needed at once, so the memory is
 * only reserved: the system provides pages when they are written. */
static int reserve_slots(sf_plan *p)
{
	size_t bytes = (size_t)p->part * p->esize;
	int want = p->workers + 22; /* workers + log2 SF_MAXSHARDS + 2 */

	if (p->nbatch == 0)
		return SF_OK;
	p->slot = sf_alloc((size_t)want, sizeof *p->slot);
	if (!p->slot)
		return SF_ENOMEM;
	while (p->nslot < want && posix_memalign(&p->slot[p->nslot], SF_ALIGN, bytes) == 0)
		p->nslot++;
	if (p->nslot < want) /* what posix_memalign leaves behind is unspecified */
		p->slot[p->nslot] = NULL;
	return p->nslot > p->workers ? SF_OK : SF_ENOMEM;
}

static int take_memory(sf_plan *p)
{
	size_t lane = p->arena_bytes + p->scratch_bytes, all;
	int i;

	p->workers = p->ctx->threads;
	if (sf_mul_size(lane, (size_t)p->workers, &all) < 0 || all > SIZE_MAX / 2 - p->shared_bytes)
		return SF_ENOMEM;
	p->memory = sf_alloc(all + p->shared_bytes, 1);
	p->ptr = sf_alloc((size_t)p->workers, sizeof *p->ptr);
	if (!p->memory || !p->ptr)
		return SF_ENOMEM;
	for (i = 0; i < p->workers; i++)
		if (!(p->ptr[i] = sf_alloc((size_t)p->nval, sizeof **p->ptr)))
			return SF_ENOMEM;
	for (i = 0; i < p->nval; i++)
		if (p->val[i].node.op == SF_OP_CONST)
			p->cpu->set(&p->val[i].node, p->memory + p->buf[p->val[i].buf].offset);
	SF_TRY(reserve_slots(p));
	return sf_tree_new(p, &p->tree);
}

static int make(sf_plan *p, const sf_var *out, int nout)
{
	SF_TRY(sf_plan_order(p, out, nout));
	SF_TRY(sf_plan_packs(p));
	return sf_plan_memory(p);
}

static int no_memory(const sf_plan *p)
{
	return sf_fail(p->ctx, SF_ENOMEM, "out of memory for a plan of %d nodes: %.1f MiB a thread, %.1f MiB shared",
	               p->nval, (double)(p->arena_bytes + p->scratch_bytes) / 1048576,
	               (double)p->shared_bytes / 1048576);
}

/* Everything is worked out, but none of the memory that a run needs is taken. */
int sf_plan_layout(sf_graph *g, const sf_var *out, int nout, sf_dtype type, int64_t max_shard, sf_plan **plan)
{
	sf_plan *p;
	int i, rc;

	*plan = NULL;
	SF_TRY(sf_graph_status(g));
	if (nout < 1)
		return sf_fail(g->ctx, SF_EINVAL, "a plan needs at least one output");
	for (i = 0; i < nout; i++)
		if (out[i] < 0 || out[i] >= g->n)
			return sf_fail(g->ctx, SF_EINVAL,
			               "output %d of the plan is not a variable of its graph", i);
	if (max_shard < 1)
		return sf_fail(g->ctx, SF_EINVAL,
		               "a plan for parts of %lld samples (expected 1 or more)",
		               (long long)max_shard);
	if (type != SF_F32 && type != SF_F64)
		return sf_fail(g->ctx, SF_EUNSUP, "unknown element type %d", (int)type);
	p = sf_alloc(1, sizeof *p);
	if (!p)
		return sf_fail(g->ctx, SF_ENOMEM, "out of memory for a plan");
	p->g = g;
	p->ctx = g->ctx;
	p->type = type;
	p->esize = type == SF_F32 ? sizeof(float) : sizeof(double);
	p->max_shard = max_shard;
	p->cpu = type == SF_F32 ? &sf_cpu_f32 : &sf_cpu_f64;
	p->kern = p->cpu->kernels(g->ctx);
	rc = make(p, out, nout);
	if (rc == SF_ENOMEM)
		no_memory(p);
	if (rc < 0) {
		sf_plan_free(p);
		return rc;
	}
	*plan = p;
	return SF_OK;
}

int sf_plan_take(sf_plan *p)
{
	int rc;

	if (sf_device_of(p->ctx, (int)p->type))
		return sf_device_plan_take(p);
	rc = p->memory ? SF_OK : take_memory(p);

	sf_blas_tame(p->ctx);
	return rc == SF_ENOMEM ? no_memory(p) : rc;
}

int sf_plan_new(sf_graph *g, const sf_var *out, int nout, sf_dtype type, int64_t max_shard,
                sf_plan **plan)
{
	int rc = sf_plan_layout(g, out, nout, type, max_shard, plan);

	if (rc == 0 && (rc = sf_plan_take(*plan)) < 0) {
		sf_plan_free(*plan);
		*plan = NULL;
	}
	return rc;
}

int sf_plan_measure(sf_graph *g, const sf_var *out, int nout, sf_dtype type, int64_t max_shard,
                    sf_plan_info *info)
{
	sf_plan *p;

	memset(info, 0, sizeof *info);
	SF_TRY(sf_plan_layout(g, out, nout, type, max_shard, &p));
	sf_plan_describe(p, info);
	sf_plan_free(p);
	return SF_OK;
}

void sf_plan_free(sf_plan *p)
{
	int i;

	if (!p)
		return;
	sf_device_plan_free(p);
	sf_meter_free(p);
	sf_tree_free(p->tree);
	for (i = 0; i < p->nslot; i++)
		free(p->slot[i]);
	for (i = 0; p->ptr && i < p->workers; i++)
		sf_free(p->ptr[i]);
	sf_free(p->slot);
	sf_free(p->ptr);
	sf_free(p->memory);
	sf_free(p->out);
	sf_free(p->out_val);
	sf_free(p->copy);
	sf_free(p->batch);
	sf_free(p->buf);
	sf_free(p->pack);
	sf_free(p->link);
	sf_free(p->step);
	sf_free(p->of);
	sf_free(p->val);
	sf_free(p);
}

void sf_plan_describe(const sf_plan *p, sf_plan_info *info)
{
	int i;

	memset(info, 0, sizeof *info);
	for (i = 0; i < p->nstep; i++)
		info->nodes += p->step[i].nlink ? p->step[i].nlink : 1 + (p->step[i].partner >= 0);
	info->arena_bytes = (int64_t)(p->arena_bytes + p->scratch_bytes);
	info->shared_bytes = (int64_t)p->shared_bytes;
	info->shard_bytes = p->part * (int64_t)p->esize;
	info->flops = p->flops;
}

int sf_plan_bind(sf_plan *p, sf_var input, const void *data)
{
	if (input < 0 || input >= p->g->n || p->g->node[input].op != SF_OP_INPUT)
		return sf_fail(p->ctx, SF_EINVAL, "variable %d is not an input", input);
	if (input < p->ngraph && p->of[input] >= 0) /* else no output depends on it */
		p->val[p->of[input]].bound = data;
	return SF_OK;
}

int sf_plan_bind_params(sf_plan *p, const void *flat)
{
	p->params = flat;
	p->primed = 0;
	return SF_OK;
}

int sf_plan_output(sf_plan *p, int i, void *data)
{
	if (i < 0 || i >= p->nout)
		return sf_fail(p->ctx, SF_EINVAL, "the plan has no output %d (it has %d)", i,
		               p->nout);
	p->out[i] = data;
	return SF_OK;
}

int sf_plan_room(sf_plan *p, int64_t n)
{
	if (n < 1)
		return sf_fail(p->ctx, SF_EINVAL, "room for %lld samples (expected 1 or more)", (long long)n);
	p->room = n;
	return SF_OK;
}

/* Sums over the batch may lie where packed operands were; shared inputs and outputs may change. */
int sf_plan_hold(sf_plan *p, int hold)
{
	int i, fit = p->nbatch == 0 && p->begin[SF_POST] == p->nstep;

	for (i = 0; i < p->nval; i++)
		if (!p->val[i].node.shape.per_sample)
			fit &= p->val[i].node.op != SF_OP_INPUT && p->val[i].out < 0;
	fit &= p->ncopy == 0;
	p->held = hold && fit;
	p->primed = 0;
	return SF_OK;
}
