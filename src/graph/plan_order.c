/* plan_order.c: which nodes run, in which phase, and which of them are only views of others.
 *
 * Nodes are appended after their operands, so index order is a topological order and one backward
 * sweep finds what the outputs need.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include <string.h>

static int is_leaf(sf_opcode op)
{
	return op == SF_OP_INPUT || op == SF_OP_PARAM || op == SF_OP_CONST;
}

/* The copies of the nodes that `out` needs; p->of maps variables to them. */
static int copy_nodes(sf_plan *p, const sf_var *out, int nout)
{
	const sf_graph *g = p->g;
	int i, k, most; /* values, with a slope for every SiLU */

	for (i = 0; i < nout; i++)
		p->of[out[i]] = 0;
	for (i = g->n - 1; i >= 0; i--)
		for (k = 0; p->of[i] == 0 && k < g->node[i].nin; k++)
			p->of[g->node[i].in[k]] = 0;
	for (i = 0; i < g->n; i++)
		if (p->of[i] == 0)
			p->of[i] = p->nval++;
	most = p->nval;
	for (i = 0; i < g->n; i++)
		most += p->of[i] >= 0 && g->node[i].op == SF_OP_SILU;
	p->val = sf_alloc((size_t)most, sizeof *p->val);
	p->batch = sf_alloc((size_t)p->nval, sizeof *p->batch);
	p->step = sf_alloc((size_t)p->nval, sizeof *p->step);
	if (!p->val || !p->batch || !p->step)
		return SF_ENOMEM;
	for (i = 0; i < g->n; i++) {
		sf_val *v;

		if (p->of[i] < 0)
			continue;
		v = &p->val[p->of[i]];
		v->node = g->node[i];
		for (k = 0; k < v->node.nin; k++)
			v->node.in[k] = p->of[v->node.in[k]];
		v->var = i;
		v->root = p->of[i];
		v->absorbed = v->slope = v->slot = v->buf = v->out = -1;
		v->param = -1;
		if (v->node.op == SF_OP_PARAM)
			for (k = 0; k < g->nparam; k++)
				if (g->param[k].var == i)
					v->param = g->param[k].offset;
	}
	return SF_OK;
}

static int sums_batch(sf_opcode op)
{
	return op == SF_OP_SUM_TO || op == SF_OP_MATMUL || op == SF_OP_CONV_WEIGHT ||
	       op == SF_OP_GROUP_NORM_GRAD_AFFINE || op == SF_OP_SCATTER;
}

static int find_phases(sf_plan *p)
{
	int i, k;

	for (i = 0; i < p->nval; i++) {
		sf_val *v = &p->val[i];
		int sample = 0, after = -1;

		for (k = 0; k < v->node.nin; k++) {
			const sf_val *a = &p->val[v->node.in[k]];

			sample |= a->node.shape.per_sample;
			if (a->batch || a->phase == SF_POST)
				after = v->node.in[k];
		}
		v->batch = sample && !v->node.shape.per_sample;
		if (after >= 0 && (sample || v->node.shape.per_sample))
			return sf_fail(p->ctx, SF_EMISMATCH,
			               "node %d (%s) works sample by sample but needs node %d "
			               "(%s), which depends on a sum over the batch",
			               v->var, sf_ops[v->node.op].name, p->val[after].var,
			               sf_ops[p->val[after].node.op].name);
		if (v->batch && !sums_batch(v->node.op))
			return sf_fail(p->ctx, SF_EMISMATCH,
			               "node %d (%s) is shared, but its operand is per-sample",
			               v->var, sf_ops[v->node.op].name);
		v->phase = after >= 0 ? SF_POST : SF_PRE;
		if (v->batch || v->node.shape.per_sample)
			v->phase = SF_SHARD;
		if (v->batch)
			p->batch[p->nbatch++] = i;
	}
	return SF_OK;
}

/* Reshape and detach cost nothing; a broadcast that only elementwise nodes read is not written. */
static void find_views(sf_plan *p)
{
	int i, k;

	for (i = 0; i < p->nval; i++)
		p->val[i].virt = p->val[i].node.op == SF_OP_BROADCAST;
	for (i = 0; i < p->nval; i++)
		for (k = 0; k < p->val[i].node.nin; k++)
			if (!sf_is_elementwise(p->val[i].node.op))
				p->val[p->val[i].node.in[k]].virt = 0;
	for (i = 0; i < p->nout; i++)
		p->val[p->out_val[i]].virt = 0;
	for (i = 0; i < p->nval; i++) {
		sf_val *v = &p->val[i];

		if (v->virt || v->node.op == SF_OP_RESHAPE || v->node.op == SF_OP_DETACH)
			v->root = p->val[v->node.in[0]].root;
	}
}

/* Every computed output gets one destination that is written directly; the others are copies. */
static int find_outputs(sf_plan *p)
{
	int i, k;

	p->copy = sf_alloc((size_t)p->nout, sizeof *p->copy);
	if (!p->copy)
		return SF_ENOMEM;
	for (i = 0; i < p->nout; i++) {
		sf_val *r = &p->val[p->val[p->out_val[i]].root];

		if (!is_leaf(r->node.op) && r->out < 0) {
			r->out = i;
			continue;
		}
		p->copy[p->ncopy].out = i;
		p->copy[p->ncopy++].val = p->out_val[i];
		r->readers++;
	}
	for (i = 0; i < p->nval; i++)
		for (k = 0; p->val[i].root == i && k < p->val[i].node.nin; k++)
			p->val[p->val[p->val[i].node.in[k]].root].readers++;
	return SF_OK;
}

/* The other gradient of the same group normalisation, or -1: one kernel call makes both. */
static int find_partner(const sf_plan *p, int v)
{
	const sf_node *a = &p->val[v].node;
	sf_opcode want = a->op == SF_OP_GROUP_NORM_GRAD          ? SF_OP_GROUP_NORM_GRAD_AFFINE
	                 : a->op == SF_OP_GROUP_NORM_GRAD_AFFINE ? SF_OP_GROUP_NORM_GRAD
	                                                         : SF_OP_COUNT;
	int i, k;

	for (i = v + 1; want != SF_OP_COUNT && i < p->nval; i++) {
		const sf_node *b = &p->val[i].node;

		if (b->op != want || p->val[i].phase != p->val[v].phase || b->nin != a->nin ||
		    b->c != a->c || b->i[0] != a->i[0] || b->i[1] != a->i[1])
			continue;
		for (k = 0; k < a->nin && a->in[k] == b->in[k]; k++)
			;
		if (k == a->nin)
			return i;
	}
	return -1;
}

static void make_steps(sf_plan *p)
{
	int phase, i;

	for (phase = 0; phase < SF_PHASES; phase++) {
		p->begin[phase] = p->nstep;
		for (i = 0; i < p->nval; i++) {
			sf_val *v = &p->val[i];
			sf_work *s = &p->step[p->nstep];

			if (v->phase != phase || v->root != i || is_leaf(v->node.op) ||
			    v->first < 0)
				continue;
			s->val = i;
			s->pack = -1;
			s->partner = find_partner(p, i);
			if (s->partner >= 0)
				p->val[s->partner].first = -1; /* has its step */
			p->nstep++;
		}
	}
	p->begin[SF_PHASES] = p->nstep;
}

int sf_plan_order(sf_plan *p, const sf_var *out, int nout)
{
	int i;

	p->ngraph = p->g->n;
	p->of = sf_alloc((size_t)p->ngraph, sizeof *p->of);
	p->out_val = sf_alloc((size_t)nout, sizeof *p->out_val);
	p->out = sf_alloc((size_t)nout, sizeof *p->out);
	if (!p->of || !p->out_val || !p->out)
		return SF_ENOMEM;
	p->nout = nout;
	for (i = 0; i < p->ngraph; i++)
		p->of[i] = -1;
	SF_TRY(copy_nodes(p, out, nout));
	for (i = 0; i < nout; i++)
		p->out_val[i] = p->of[out[i]];
	SF_TRY(find_phases(p));
	for (i = 0; i < p->nval; i++) {
		const sf_val *v = &p->val[i];

		p->needs_params |= v->node.op == SF_OP_PARAM;
		if (v->phase == SF_SHARD && sf_ops[v->node.op].flops)
			p->flops += sf_ops[v->node.op].flops(p->g, &p->g->node[v->var]);
	}
	find_views(p);
	SF_TRY(find_outputs(p));
	SF_TRY(sf_plan_fuse(p));
	make_steps(p);
	return sf_plan_chains(p);
}
