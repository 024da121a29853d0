/* plan_fuse.c: nodes that share a kernel call. Each element passes through the same operations: no byte changes.
 *
 * Biases. y = A B + b with a row b for all rows and samples: the matrix product's kernel adds it while the result is
 * in registers.
 *
 * Slopes. y = silu(x) and, backwards, g silu'(x) both need exp(-x). Where x is wanted for nothing else after y, the
 * slope is computed with y and kept in place of x, and the gradient becomes a product: as much memory, half of the
 * exponentials.
 *
 * What else follows a product (time embedding, residual, scale) is a chain (plan_chain.c). To run chains over panels
 * of a product or convolution right behind it was tried and left out: one or two samples at a time, products and
 * convolutions of the benchmark's U-Net took the same time to 1.3 %; with eight it was not told from noise.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

static int root_of(const sf_plan *p, int v, int k)
{
	return p->val[p->val[v].node.in[k]].root;
}

/* ---- biases ---- */

/* The operand of sum v that is a matrix product which a kernel may add the other one to, or -1. */
static int product_operand(const sf_plan *p, int v)
{
	int k;

	for (k = 0; k < 2; k++) {
		int in = p->val[v].node.in[k];
		const sf_val *m = &p->val[p->val[in].root];
		const sf_shape *s = &m->node.shape;
		sf_view row;

		if (m->node.op != SF_OP_MATMUL || m->node.i[2] || m->batch || m->phase != SF_SHARD || m->readers != 1 ||
		    m->out >= 0 || m->absorbed >= 0 || p->val[in].virt || s->rank == 0 || !s->per_sample ||
		    s->size != p->val[v].node.shape.size)
			continue;
		row = sf_view_of(p, v, 1 - k);
		if (p->val[row.val].phase == SF_PRE && row.kind == SF_CYCLE && row.repeat == 0 &&
		    row.period == s->dim[s->rank - 1] && p->val[row.val].node.shape.size == row.period)
			return k;
	}
	return -1;
}

/* The sum becomes the product with a third operand. */
static void find_biases(sf_plan *p)
{
	int v, k, m, i;

	for (v = 0; v < p->nval; v++) {
		sf_val *y = &p->val[v];

		if (y->node.op != SF_OP_ADD || y->root != v || y->phase != SF_SHARD || (k = product_operand(p, v)) < 0)
			continue;
		m = root_of(p, v, k);
		y->node.in[2] = sf_view_of(p, v, 1 - k).val;
		y->node.op = SF_OP_MATMUL;
		y->node.nin = 3;
		for (i = 0; i < 2; i++)
			y->node.in[i] = p->val[m].node.in[i];
		for (i = 0; i < 3; i++)
			y->node.i[i] = p->val[m].node.i[i];
		y->absorbed = m;
		for (i = 0; i < p->nval; i++) /* and nothing is left of the product, or of views of it, but their names */
			if (p->val[i].root == m)
				p->val[i].root = v;
	}
}

/* ---- slopes ---- */

/* How often values after SiLU v need its slope at x; -1 where they also read x in another way. */
static int gradients(const sf_plan *p, int v, int x, int nval)
{
	int n = 0, i, k;

	for (i = v + 1; i < nval; i++) {
		const sf_val *a = &p->val[i];

		for (k = 0; a->root == i && k < a->node.nin; k++) {
			if (root_of(p, i, k) != x)
				continue;
			if (a->node.op != SF_OP_SILU_GRAD || k != 1 || a->phase != SF_SHARD ||
			    !sf_same_shape(&p->val[a->node.in[1]].node.shape, &p->val[v].node.shape))
				return -1;
			n++;
		}
	}
	return n;
}

static void find_slopes(sf_plan *p)
{
	int nval = p->nval, v, i;

	for (v = 0; v < nval; v++) {
		const sf_val *y = &p->val[v];
		int x = y->node.op == SF_OP_SILU ? root_of(p, v, 0) : -1, n;
		sf_val *d = &p->val[p->nval];

		if (x < 0 || p->val[x].node.op == SF_OP_INPUT || p->val[x].out >= 0 || y->phase != SF_SHARD ||
		    p->val[y->node.in[0]].virt || (n = gradients(p, v, x, nval)) < 1)
			continue;
		*d = *y;
		d->root = p->nval;
		d->node.nin = 0;
		d->readers = n;
		d->out = d->slope = -1;
		d->first = -1; /* has no step of its own */
		for (i = v + 1; i < nval; i++)
			if (p->val[i].node.op == SF_OP_SILU_GRAD && root_of(p, i, 1) == x) {
				p->val[i].node.op = SF_OP_MUL;
				p->val[i].node.in[1] = p->nval;
			}
		p->val[x].readers -= n;
		p->val[v].slope = p->nval++;
	}
}

int sf_plan_fuse(sf_plan *p)
{
	if (p->g->plain)
		return SF_OK;
	find_biases(p);
	find_slopes(p);
	return SF_OK;
}
