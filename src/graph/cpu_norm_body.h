/* cpu_norm_body.h: softmax and group normalisation, sample by sample; part of cpu_body.h.
 * SPDX-License-Identifier: BSD-3-Clause */

static void run_softmax(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const KERN *k = l->kern;
	int64_t cols = last_dim(&node->shape), rows = n * (node->shape.size / cols);

	if (node->op == SF_OP_SOFTMAX)
		k->softmax(rows, cols, at(l, node->in[0]), at(l, v));
	else
		k->softmax_grad(rows, cols, at(l, node->in[0]), at(l, node->in[1]), at(l, v));
}

/* Forward: mean and deviation of each group. Backward: stand-ins for a result that has no memory because nobody asked for
 * it or its output may be dropped. */
static size_t norm_scratch(const sf_plan *p, const sf_work *s)
{
	const sf_node *node = &p->val[s->val].node;
	const sf_shape *x = &p->val[node->in[0]].node.shape;

	int data = node->op == SF_OP_GROUP_NORM_GRAD ? s->val : s->partner;

	if (node->op == SF_OP_GROUP_NORM)
		return 2 * (size_t)node->i[0];
	return 2 * (size_t)last_dim(x) + (data < 0 || p->val[data].buf < 0 ? (size_t)x->size : 0);
}

static void run_norm(const sf_lane *l, int v, int64_t n)
{
	const sf_node *node = &l->p->val[v].node;
	const KERN *k = l->kern;
	int64_t c = last_dim(&node->shape), size = node->shape.size, i;

	for (i = 0; i < n; i++)
		k->norm_forward(size / c, c, (int)node->i[0], node->c, (int)node->i[1],
		                at(l, node->in[0]) + i * skip(l->p, node->in[0]),
		                at(l, node->in[1]) + i * skip(l->p, node->in[1]),
		                at(l, node->in[2]) + i * skip(l->p, node->in[2]),
		                at(l, v) + i * size, l->scratch);
}

static void run_norm_grad(const sf_lane *l, const sf_work *s, int64_t n)
{
	const sf_node *node = &l->p->val[s->val].node;
	const sf_shape *x = &l->p->val[node->in[0]].node.shape;
	const KERN *k = l->kern;
	int64_t c = last_dim(x), size = x->size, i;
	int data = node->op == SF_OP_GROUP_NORM_GRAD ? s->val : s->partner;
	int affine = node->op == SF_OP_GROUP_NORM_GRAD ? s->partner : s->val;
	T *dx = data >= 0 ? at(l, data) : NULL, *dw = affine >= 0 ? at(l, affine) : NULL;
	T *rest = l->scratch;
	int64_t step = dx ? size : 0;

	if (!dw)
		dw = rest;
	if (!dx)
		dx = rest + 2 * c;
	memset(dw, 0, 2 * (size_t)c * sizeof *dw);
	for (i = 0; i < n; i++)
		k->norm_backward(size / c, c, (int)node->i[0], node->c, (int)node->i[1],
		                 at(l, node->in[0]) + i * skip(l->p, node->in[0]),
		                 at(l, node->in[1]) + i * skip(l->p, node->in[1]),
		                 at(l, node->in[2]) + i * skip(l->p, node->in[2]),
		                 at(l, node->in[3]) + i * skip(l->p, node->in[3]), dx + i * step,
		                 dw, dw + c);
}
