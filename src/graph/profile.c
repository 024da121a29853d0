/* profile.c: where the time of a plan's runs goes: seconds, operations and bytes of each kind of step.
 *
 * Each worker counts for itself; between two phases the counts are added up. A phase of wall time W on T threads in which kind k
 * was at work for b_k seconds, over all threads, gives seconds b_k/T to kind k and W - sum b_k/T to waiting. What is left
 * of a run is `other`, so that the kinds add up to its wall time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include "graph/device.h"

#include <string.h>

static const char *const names[SF_KINDS] = {
	"convolution", "convolution, data", "convolution, weights", "matrix product", "normalisation", "softmax", "elementwise",
	"sums", "moves", "random", "packing", "waiting", "data", "draws", "optimiser", "other"};

const char *sf_kind_name(int kind)
{
	return kind < 0 || kind >= SF_KINDS ? NULL : names[kind];
}

double sf_profile_seconds(const sf_profile *f)
{
	double sum = 0;
	int i;

	for (i = 0; i < SF_KINDS; i++)
		sum += f->seconds[i];
	return sum;
}

static int kind_of(sf_opcode op)
{
	if (sf_is_elementwise(op))
		return SF_KIND_MAP;
	switch ((int)op) {
	case SF_OP_CONV:
		return SF_KIND_CONV;
	case SF_OP_CONV_DATA:
		return SF_KIND_CONV_DATA;
	case SF_OP_CONV_WEIGHT:
		return SF_KIND_CONV_WEIGHT;
	case SF_OP_MATMUL:
		return SF_KIND_MATMUL;
	case SF_OP_GROUP_NORM:
	case SF_OP_GROUP_NORM_GRAD:
	case SF_OP_GROUP_NORM_GRAD_AFFINE:
		return SF_KIND_NORM;
	case SF_OP_SOFTMAX:
	case SF_OP_SOFTMAX_GRAD:
		return SF_KIND_SOFTMAX;
	case SF_OP_SUM_TO:
		return SF_KIND_SUM;
	case SF_OP_RANDOM:
		return SF_KIND_RANDOM;
	default:
		return SF_KIND_MOVE;
	}
}

static void add_bytes(const sf_plan *p, sf_cost *c, int root)
{
	const sf_val *v = &p->val[root];
	double bytes = (double)v->node.shape.size * (double)(p->on ? sf_device_width(p, root) : p->esize);

	if (v->slot >= 0)
		return; /* a block of a chain, which stays in the cache */
	*(v->node.shape.per_sample ? &c->bytes : &c->once_bytes) += bytes;
}

static void add_flops(const sf_plan *p, sf_cost *c, int val)
{
	const sf_val *v = &p->val[val];
	const sf_node *node = &p->g->node[v->var]; /* what the graph asks for, whatever it was fused with */
	double flops = sf_ops[node->op].flops ? sf_ops[node->op].flops(p->g, node) : 0;

	if (v->absorbed >= 0)
		add_flops(p, c, v->absorbed);
	*(v->phase == SF_SHARD ? &c->flops : &c->once_flops) += flops; /* a sum over the batch works sample by sample */
}

/* The chain's operands, each once: those that links before this one have read or written are in the cache. */
static void cost_of_chain(const sf_plan *p, const sf_work *s, sf_cost *c)
{
	int i, j, k;

	for (i = 0; i < s->nlink; i++) {
		const sf_link *l = &p->link[s->link + i];
		const int operand[2] = {l->a.val, l->b.val};

		add_flops(p, c, l->val);
		add_bytes(p, c, l->val);
		if (l->slope >= 0)
			add_bytes(p, c, l->slope);
		for (k = 0; k < 2; k++) {
			int known = operand[k] < 0 || (k == 1 && operand[0] == operand[1]);

			for (j = 0; j < i && !known; j++) {
				const sf_link *o = &p->link[s->link + j];

				known = o->val == operand[k] || o->a.val == operand[k] || o->b.val == operand[k];
			}
			if (!known)
				add_bytes(p, c, operand[k]);
		}
	}
}

static void cost_of(const sf_plan *p, const sf_work *s, sf_cost *c)
{
	const sf_node *node = &p->val[s->val].node;
	int i;

	memset(c, 0, sizeof *c);
	c->kind = s->nlink ? SF_KIND_MAP : kind_of(node->op);
	if (s->nlink) {
		cost_of_chain(p, s, c);
		return;
	}
	for (i = 0; i < node->nin; i++)
		add_bytes(p, c, p->val[node->in[i]].root);
	add_bytes(p, c, s->val);
	add_flops(p, c, s->val);
	if (s->partner >= 0) {
		add_bytes(p, c, s->partner);
		add_flops(p, c, s->partner);
	}
}

void sf_meter_free(sf_plan *p)
{
	if (!p->meter)
		return;
	sf_free(p->meter->worker);
	sf_free(p->meter->cost);
	sf_free(p->meter);
	p->meter = NULL;
}

int sf_plan_profile(sf_plan *p, sf_profile *into)
{
	sf_meter *m;
	int i;

	sf_meter_free(p);
	if (!into)
		return SF_OK;
	if (!p->memory && !p->on)
		return sf_fail(p->ctx, SF_EINVAL, "the plan has no memory yet (sf_plan_take)");
	m = sf_alloc(1, sizeof *m);
	if (m) {
		m->worker = sf_alloc((size_t)p->workers, sizeof *m->worker);
		m->cost = sf_alloc((size_t)p->nstep + 1, sizeof *m->cost);
	}
	p->meter = m;
	if (!m || !m->worker || !m->cost) {
		sf_meter_free(p);
		return sf_fail(p->ctx, SF_ENOMEM, "out of memory for the profile of a plan");
	}
	m->into = into;
	for (i = 0; i < p->nstep; i++)
		cost_of(p, &p->step[i], &m->cost[i]);
	return SF_OK;
}

void sf_meter_kind(const sf_plan *p, int worker, int kind, double seconds)
{
	sf_profile *f = &p->meter->worker[worker];

	f->seconds[kind] += seconds;
	f->calls[kind]++;
}

void sf_meter_step(const sf_lane *l, int step, double seconds)
{
	const sf_cost *c = &l->p->meter->cost[step];
	sf_profile *f = &l->p->meter->worker[l->worker];

	sf_meter_kind(l->p, l->worker, c->kind, seconds);
	f->flops[c->kind] += (double)l->n * c->flops + c->once_flops;
	f->bytes[c->kind] += (double)l->n * c->bytes + c->once_bytes;
}

void sf_meter_flush(const sf_plan *p, int threads, double wall)
{
	sf_profile *into = p->meter->into;
	int i, k;

	for (i = 0; i < p->workers; i++) {
		sf_profile *f = &p->meter->worker[i];

		for (k = 0; k < SF_KINDS; k++) {
			into->seconds[k] += f->seconds[k] / threads;
			into->flops[k] += f->flops[k];
			into->bytes[k] += f->bytes[k];
			into->calls[k] += f->calls[k];
			wall -= f->seconds[k] / threads;
		}
		memset(f, 0, sizeof *f);
	}
	into->seconds[threads > 1 ? SF_KIND_WAIT : SF_KIND_OTHER] += wall;
}
