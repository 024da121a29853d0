/* plan_memory.c: how long values live, which may overwrite an operand, and where they are.
 *
 * Two pieces of memory may overlap if no step needs both. Placing the largest first, each in the
 * smallest gap that fits, comes close to the least possible (the peak of what lives at one step).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include <stdlib.h>

static void extend(sf_plan *p, int v, int step)
{
	sf_val *r = &p->val[p->val[v].root];

	if (step > r->last)
		r->last = step;
}

/* The value that operand k of node v really reads (through broadcasts that are not written out). */
static int source(const sf_plan *p, int v, int k)
{
	return p->val[p->val[v].node.in[k]].root;
}

static void find_lifetimes(sf_plan *p)
{
	int last_shard = p->begin[SF_POST] - 1, i, j, k;

	for (i = 0; i < p->nval; i++)
		p->val[i].first = p->val[i].last = -1;
	for (i = 0; i < p->nstep; i++) {
		const sf_work *s = &p->step[i];
		int count = s->nlink ? s->nlink : s->partner >= 0 ? 2 : 1;

		for (j = 0; j < count; j++) {
			int v = s->nlink ? p->link[s->link + j].val : j == 0 ? s->val : s->partner, slope = p->val[v].slope;

			p->val[v].first = i;
			extend(p, v, i);
			for (k = 0; k < p->val[v].node.nin; k++)
				extend(p, source(p, v, k), i);
			if (slope >= 0) {
				p->val[slope].first = i;
				extend(p, slope, i);
			}
		}
	}
	for (i = 0; i < p->nval;
	     i++) { /* several shards run: what they share stays for all of them */
		sf_val *v = &p->val[i];

		if (v->node.shape.per_sample || v->root != i)
			continue;
		if (v->batch)
			v->first = p->begin[SF_SHARD];
		if (v->last >= p->begin[SF_SHARD] && v->last < last_shard)
			v->last = last_shard;
		if (v->node.op == SF_OP_CONST) {
			v->first = 0;
			v->last = p->nstep;
		}
	}
	for (i = 0; i < p->ncopy; i++)
		extend(p, p->copy[i].val,
		       p->val[p->copy[i].val].node.shape.per_sample ? last_shard : p->nstep);
}

static int bytes_of(const sf_plan *p, const sf_val *v, size_t *bytes)
{
	size_t n = (size_t)v->node.shape.size;

	if (v->node.shape.per_sample && sf_mul_size(n, (size_t)p->max_shard, &n) < 0)
		return -1;
	if (sf_mul_size(n, p->esize, &n) < 0 || n > SIZE_MAX / 4)
		return -1;
	*bytes = (n + SF_ALIGN - 1) / SF_ALIGN * SF_ALIGN;
	return 0;
}

/* Whether link k of the chain may overwrite value r: from here on nobody reads it, and all reads of
 * this chain are element by element. */
static int may_overwrite(const sf_plan *p, const sf_work *s, int k, int r, int step)
{
	const sf_val *a = &p->val[r], *v = &p->val[p->link[s->link + k].val];
	int i;

	if (a->buf < 0 || a->out >= 0 || a->node.op == SF_OP_CONST || a->first >= step ||
	    p->buf[a->buf].last != step || a->batch || a->node.shape.size != v->node.shape.size ||
	    a->node.shape.per_sample != v->node.shape.per_sample)
		return 0;
	for (i = 0; i < s->nlink; i++) {
		const sf_link *l = &p->link[s->link + i];

		if ((l->a.val == r && (i > k || l->a.kind != SF_DENSE)) ||
		    (l->b.val == r && (i > k || l->b.kind != SF_DENSE)))
			return 0;
	}
	return 1;
}

/* What link k of the chain may write over: an operand of its own or, failing that, of a link before it. */
static int overwritten(const sf_plan *p, const sf_work *s, int k, int step)
{
	int i;

	for (i = k; i >= 0; i--) {
		const sf_link *l = &p->link[s->link + i];

		if (may_overwrite(p, s, k, l->a.val, step))
			return p->val[l->a.val].buf;
		if (l->b.val >= 0 && may_overwrite(p, s, k, l->b.val, step))
			return p->val[l->b.val].buf;
	}
	return -1;
}

static int add_buf(sf_plan *p, int region, int first, int last, size_t bytes)
{
	sf_buf *b = &p->buf[p->nbuf];

	b->region = region;
	b->first = first;
	b->last = last;
	b->bytes = bytes;
	return p->nbuf++;
}

/* Memory for value v, written at `step` as link k of its chain (k < 0: not in a chain). */
static int give_memory(sf_plan *p, const sf_work *s, int k, int v, int step)
{
	sf_val *a = &p->val[v];
	size_t bytes;

	if (a->slot >= 0 || (a->readers == 0 && a->out >= 0))
		return SF_OK; /* in a block, or nowhere but in the output */
	if (k >= 0 && a->out < 0 && (a->buf = overwritten(p, s, k, step)) >= 0) {
		p->buf[a->buf].last = a->last;
		return SF_OK;
	}
	if (bytes_of(p, a, &bytes) < 0)
		return SF_ENOMEM;
	a->buf = add_buf(p, a->node.shape.per_sample ? SF_IN_ARENA : SF_IN_SHARED, a->first,
	                 a->last, bytes);
	return SF_OK;
}

static int find_buffers(sf_plan *p)
{
	int i, j;

	p->buf = sf_alloc((size_t)p->nval + (size_t)p->npack, sizeof *p->buf);
	if (!p->buf)
		return SF_ENOMEM;
	for (i = 0; i < p->nval; i++)
		if (p->val[i].node.op == SF_OP_CONST)
			SF_TRY(give_memory(p, NULL, -1, i, 0));
	for (i = 0; i < p->nstep; i++) {
		const sf_work *s = &p->step[i];

		for (j = 0; j < s->nlink; j++) {
			const sf_link *l = &p->link[s->link + j];

			if (l->slope >= 0)
				SF_TRY(give_memory(p, s, j, l->slope, i));
			SF_TRY(give_memory(p, s, j, l->val, i));
		}
		if (s->nlink)
			continue;
		SF_TRY(give_memory(p, s, -1, s->val, i));
		if (s->partner >= 0)
			SF_TRY(give_memory(p, s, -1, s->partner, i));
	}
	for (i = 0; i < p->npack; i++) {
		size_t n = p->cpu->pack_size(p, &p->pack[i]);

		if (sf_mul_size(n, p->esize, &n) < 0 || n > SIZE_MAX / 4)
			return SF_ENOMEM;
		p->pack[i].buf = add_buf(p, SF_IN_SHARED, p->begin[SF_SHARD], p->begin[SF_POST],
		                         (n + SF_ALIGN - 1) / SF_ALIGN * SF_ALIGN);
	}
	return SF_OK;
}

static int by_size(const void *a, const void *b)
{
	const sf_buf *x = *(sf_buf *const *)a, *y = *(sf_buf *const *)b;

	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	if (x->first != y->first)
		return x->first < y->first ? -1 : 1;
	return x < y ? -1 : 1;
}

/* The smallest gap between the `n` placed pieces (sorted by offset) that live while b does. */
static size_t best_gap(sf_buf *const *placed, int n, const sf_buf *b)
{
	size_t end = 0, best = SIZE_MAX, gap = SIZE_MAX;
	int i;

	for (i = 0; i < n; i++) {
		const sf_buf *q = placed[i];

		if (q->last < b->first || b->last < q->first)
			continue;
		if (q->offset > end && q->offset - end >= b->bytes && q->offset - end < gap) {
			gap = q->offset - end;
			best = end;
		}
		if (q->offset + q->bytes > end)
			end = q->offset + q->bytes;
	}
	return best == SIZE_MAX ? end : best;
}

int sf_plan_place(sf_buf *buf, int nbuf, int region, size_t *size)
{
	sf_buf **order = sf_alloc((size_t)nbuf + 1, sizeof *order);
	sf_buf **placed = sf_alloc((size_t)nbuf + 1, sizeof *placed);
	int n = 0, i, j, rc = SF_OK;

	*size = 0;
	for (i = 0; order && i < nbuf; i++)
		if (buf[i].region == region)
			order[n++] = &buf[i];
	if (!order || !placed)
		rc = SF_ENOMEM;
	else if (n > 1)
		qsort(order, (size_t)n, sizeof *order, by_size);
	for (i = 0; rc == 0 && i < n; i++) {
		sf_buf *b = order[i];

		b->offset = best_gap(placed, i, b);
		if (b->bytes > SIZE_MAX / 4 - b->offset) {
			rc = SF_ENOMEM;
			break;
		}
		for (j = i; j > 0 && placed[j - 1]->offset > b->offset; j--)
			placed[j] = placed[j - 1];
		placed[j] = b;
		if (b->offset + b->bytes > *size)
			*size = b->offset + b->bytes;
	}
	sf_free(order);
	sf_free(placed);
	return rc;
}

/* Partials of all batch sums side by side, each aligned. */
static int lay_out_partials(sf_plan *p)
{
	int64_t unit = (int64_t)(SF_ALIGN / p->esize);
	int i;

	for (i = 0; i < p->nbatch; i++) {
		sf_val *v = &p->val[p->batch[i]];

		v->part = p->part;
		if (v->node.shape.size > INT64_MAX / 64 - p->part)
			return SF_ENOMEM;
		p->part += (v->node.shape.size + unit - 1) / unit * unit;
	}
	return SF_OK;
}

static int measure_scratch(sf_plan *p)
{
	size_t most = 0, n;
	int i;

	for (i = 0; i < p->nstep; i++) {
		n = p->cpu->scratch(p, &p->step[i]);
		most = n > most ? n : most;
	}
	if (sf_mul_size(most, p->esize, &n) < 0 || n > SIZE_MAX / 4)
		return SF_ENOMEM;
	p->scratch_bytes = (n + SF_ALIGN - 1) / SF_ALIGN * SF_ALIGN;
	return SF_OK;
}

int sf_plan_memory(sf_plan *p)
{
	find_lifetimes(p);
	SF_TRY(find_buffers(p));
	SF_TRY(sf_plan_place(p->buf, p->nbuf, SF_IN_ARENA, &p->arena_bytes));
	SF_TRY(sf_plan_place(p->buf, p->nbuf, SF_IN_SHARED, &p->shared_bytes));
	SF_TRY(lay_out_partials(p));
	return measure_scratch(p);
}
