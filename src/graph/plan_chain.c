/* plan_chain.c: elementwise nodes, how they read operands that broadcast, and their chains.
 *
 * Consecutive elementwise steps of one size form a chain. It runs block by block, and a value that
 * only the chain reads lives in a block that stays in L1 and never reaches memory. Each element
 * still passes through the same operations, so chains do not change results.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include <string.h>

enum { MAXCHAIN = 48 };

int sf_is_elementwise(sf_opcode op)
{
	return (op <= SF_OP_ELU_GRAD && op != SF_OP_DETACH) || op == SF_OP_BROADCAST;
}

/* Reads `shape` as the operand of a result of shape `to`. Neighbouring dimensions in which the
 * operand either moves or repeats are merged, the batch being the outermost one. */
static sf_view view(const sf_shape *shape, const sf_shape *to)
{
	sf_view v;
	int64_t size[SF_MAXRANK + 1], stride = 1;
	int moves[SF_MAXRANK + 1], groups = 0, i;

	memset(&v, 0, sizeof v);
	v.sample = shape->per_sample ? shape->size : 0;
	for (i = SF_MAXRANK - 1; i >= 0; i--) {
		int a = shape->rank - (SF_MAXRANK - i), b = to->rank - (SF_MAXRANK - i);
		int64_t n = a >= 0 ? shape->dim[a] : 1;

		v.dim[i] = b >= 0 ? to->dim[b] : 1;
		v.stride[i] = n == 1 ? 0 : stride;
		stride *= n;
	}
	if (to->per_sample) { /* the batch; its size is not needed */
		moves[0] = shape->per_sample;
		size[groups++] = 1;
	}
	for (i = 0; i < SF_MAXRANK; i++) {
		int m = v.stride[i] != 0;

		if (v.dim[i] == 1)
			continue;
		if (groups && moves[groups - 1] == m) {
			size[groups - 1] *= v.dim[i];
		} else {
			moves[groups] = m;
			size[groups++] = v.dim[i];
		}
	}
	/* only batches of one would tell a size-1 dimension from none, so [moves] covers no
	 * dimension */
	v.kind = SF_CYCLE;
	if (groups == 0 || (groups == 1 && moves[0])) {
		v.kind = SF_DENSE;
	} else if (groups == 1) {
		v.period = 1;
	} else if (groups == 2 && moves[0]) {
		v.period = 1;
		v.repeat = size[1];
	} else if (groups == 2) {
		v.period = size[1];
	} else if (groups == 3 && moves[0]) {
		v.period = size[2];
		v.repeat = size[1];
	} else {
		v.kind = SF_GRID;
	}
	return v;
}

sf_view sf_view_of(const sf_plan *p, int reader, int operand)
{
	int a = p->val[reader].node.in[operand];
	sf_view v;

	while (p->val[a].virt)
		a = p->val[a].node.in[0];
	v = view(&p->val[a].node.shape, &p->val[reader].node.shape);
	v.val = p->val[a].root;
	return v;
}

static int same_chain(const sf_val *a, const sf_val *b)
{
	return sf_is_elementwise(b->node.op) && a->node.shape.size == b->node.shape.size &&
	       a->node.shape.per_sample == b->node.shape.per_sample;
}

/* Reads of value v by the links of a chain. */
static int reads_inside(const sf_link *link, int n, int v)
{
	int i, reads = 0;

	for (i = 0; i < n; i++)
		reads += (link[i].a.val == v) + (link[i].b.val == v);
	return reads;
}

/* A block for value v, if it stays inside of the chain. 0 where none is free. */
static int take_slot(sf_plan *p, const sf_link *link, int n, int *holds, int v)
{
	sf_val *a = &p->val[v];
	int s = 0;

	if (a->out >= 0 || a->readers == 0 || reads_inside(link, n, v) != a->readers)
		return 1;
	while (s < SF_SLOTS && holds[s] >= 0)
		s++;
	if (s == SF_SLOTS)
		return 0;
	holds[s] = v;
	a->slot = s;
	return 1;
}

/* Gives blocks to the values that stay inside. Returns how many links it could serve. */
static int assign_slots(sf_plan *p, const sf_link *link, int n)
{
	int holds[SF_SLOTS], i, s;

	for (s = 0; s < SF_SLOTS; s++)
		holds[s] = -1;
	for (i = 0; i < n; i++) {
		p->val[link[i].val].slot = -1;
		if (link[i].slope >= 0)
			p->val[link[i].slope].slot = -1;
	}
	for (i = 0; i < n; i++) {
		for (s = 0; s < SF_SLOTS; s++) /* the last reader may write over its operand */
			if (holds[s] >= 0 && reads_inside(link + i + 1, n - i - 1, holds[s]) == 0)
				holds[s] = -1;
		if (!take_slot(p, link, n, holds, link[i].val) ||
		    (link[i].slope >= 0 && !take_slot(p, link, n, holds, link[i].slope)))
			return i;
	}
	return n;
}

static void fill_link(const sf_plan *p, sf_link *l, int val)
{
	l->val = val;
	l->slope = p->val[val].slope;
	l->a = sf_view_of(p, val, 0);
	l->b.val = -1;
	if (p->val[val].node.nin > 1)
		l->b = sf_view_of(p, val, 1);
}

/* Whole rows of the last dimension where they fit, so that row operands start at their beginning.
 */
static int64_t block_size(const sf_shape *s)
{
	int64_t c = s->rank ? s->dim[s->rank - 1] : 1;

	return c <= SF_BLOCK ? SF_BLOCK / c * c : SF_BLOCK;
}

int sf_plan_chains(sf_plan *p)
{
	int phase, i, to = 0;

	p->link = sf_alloc((size_t)p->nval, sizeof *p->link);
	if (!p->link)
		return SF_ENOMEM;
	for (phase = 0; phase < SF_PHASES; phase++) {
		int end = p->begin[phase + 1];

		i = p->begin[phase];
		p->begin[phase] = to;
		while (i < end) {
			sf_work s = p->step[i];
			const sf_val *v = &p->val[s.val];
			sf_link *link = p->link + p->nlink;
			int n = 0, served;

			if (!sf_is_elementwise(v->node.op)) {
				p->step[to++] = p->step[i++];
				continue;
			}
			while (n < MAXCHAIN && i + n < end &&
			       same_chain(v, &p->val[p->step[i + n].val])) {
				fill_link(p, &link[n], p->step[i + n].val);
				n++;
			}
			while ((served = assign_slots(p, link, n)) < n)
				n = served;
			s.link = p->nlink;
			s.nlink = n;
			s.val = link[n - 1].val;
			s.block = block_size(&v->node.shape);
			p->nlink += n;
			p->step[to++] = s;
			i += n;
		}
	}
	p->begin[SF_PHASES] = p->nstep = to;
	return SF_OK;
}
