/* plan_pack.c: shared operands that kernels want in another form: convolution weights packed for a
 * register tile, transposed matrices. Made once per run, before the shards, and shared by the
 * nodes that use the same operand in the same way.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/exec.h"

#include <string.h>

sf_conv sf_conv_of(const sf_plan *p, const sf_node *node)
{
	const sf_shape *a = &p->val[node->in[0]].node.shape, *b = &p->val[node->in[1]].node.shape;
	const sf_shape *x = a, *w = b, *y = &node->shape;
	sf_conv c;

	if (node->op == SF_OP_CONV_DATA) {
		x = &node->shape;
		y = a;
	} else if (node->op == SF_OP_CONV_WEIGHT) {
		w = &node->shape;
		y = b;
	}
	memset(&c, 0, sizeof c);
	c.h = x->dim[0];
	c.w = x->dim[1];
	c.ci = w->dim[2];
	c.co = w->dim[3];
	c.kh = w->dim[0];
	c.kw = w->dim[1];
	c.ho = y->dim[0];
	c.wo = y->dim[1];
	c.stride = (int)node->i[0];
	c.pad = (int)node->i[1];
	c.dilation = (int)node->i[4];
	return c;
}

static int same_conv(const sf_conv *a, const sf_conv *b)
{
	return a->h == b->h && a->w == b->w && a->ci == b->ci && a->co == b->co && a->kh == b->kh &&
	       a->kw == b->kw && a->stride == b->stride && a->pad == b->pad &&
	       a->dilation == b->dilation;
}

/* What node wants of its second operand; 0 where it takes it as it is. */
static int wanted(const sf_plan *p, const sf_node *node, sf_pack *k)
{
	const sf_shape *b;
	int i;

	memset(k, 0, sizeof *k);
	if (node->op == SF_OP_CONV || node->op == SF_OP_CONV_DATA) {
		k->kind = node->op == SF_OP_CONV ? SF_PACK_FORWARD : SF_PACK_ADJOINT;
		k->conv = sf_conv_of(p, node);
	} else if (node->op == SF_OP_MATMUL && node->i[1]) {
		b = &p->val[node->in[1]].node.shape;
		k->kind = SF_PACK_TRANSPOSE;
		k->rows = b->dim[b->rank - 2];
		k->cols = b->dim[b->rank - 1];
		k->count = 1;
		for (i = 0; i < b->rank - 2; i++)
			k->count *= b->dim[i];
	} else {
		return 0;
	}
	k->val = node->in[1];
	return p->val[k->val].phase == SF_PRE;
}

int sf_plan_packs(sf_plan *p)
{
	int i, j;

	p->pack = sf_alloc((size_t)p->nstep, sizeof *p->pack);
	if (!p->pack)
		return SF_ENOMEM;
	for (i = p->begin[SF_SHARD]; i < p->begin[SF_POST]; i++) {
		const sf_node *node = &p->val[p->step[i].val].node;
		sf_pack k;

		if (p->step[i].nlink || !wanted(p, node, &k))
			continue;
		for (j = 0; j < p->npack; j++) {
			const sf_pack *o = &p->pack[j];

			if (o->kind == k.kind && p->val[o->val].root == p->val[k.val].root &&
			    o->rows == k.rows && o->cols == k.cols && same_conv(&o->conv, &k.conv))
				break;
		}
		if (j == p->npack)
			p->pack[p->npack++] = k;
		p->step[i].pack = j;
	}
	return SF_OK;
}
