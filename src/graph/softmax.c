/* softmax.c: y_i = exp(x_i) / sum_j exp(x_j) over the last dimension.
 *
 * Its Jacobian is symmetric, diag(y) - y y', so both modes append
 *     y * (t - sum(y * t))
 * as one SOFTMAX_GRAD node in graphs of order 1 and in primitives in graphs of order 2. The node y
 * stays in both: kernels subtract the row's maximum first, and no derivative needs to know.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

int sf_shape_softmax(sf_graph *g, sf_node *n)
{
	n->shape = sf_shape_of(g, n->in[0]);
	if (n->shape.rank < 1)
		return sf_graph_fail(g, SF_EMISMATCH, "softmax: a scalar, expected rank 1 or more");
	return 0;
}

int sf_shape_softmax_grad(sf_graph *g, sf_node *n)
{
	sf_shape y = sf_shape_of(g, n->in[0]), t = sf_shape_of(g, n->in[1]);

	n->shape = y;
	if (y.rank < 1 || !sf_same_shape(&y, &t))
		return sf_graph_fail(g, SF_EMISMATCH, "softmax_grad: operands of different shapes");
	return 0;
}

sf_var sf_softmax(sf_graph *g, sf_var a)
{
	sf_node n = sf_make(SF_OP_SOFTMAX, a, SF_NOVAR);

	return sf_usable(g, SF_OP_SOFTMAX, a, a) ? sf_append(g, &n) : SF_NOVAR;
}

static sf_var apply_jacobian(sf_graph *g, sf_var y, sf_var t)
{
	sf_node n = sf_make(SF_OP_SOFTMAX_GRAD, y, t);
	sf_shape row = sf_shape_of(g, y);
	sf_var yt;

	if (g->order == 1)
		return sf_append(g, &n);
	row.size /= row.dim[row.rank - 1];
	row.dim[row.rank - 1] = 1;
	yt = sf_mul(g, y, t);
	return sf_sub(g, yt, sf_mul(g, y, sf_reduce(g, yt, row)));
}

sf_var sf_vjp_softmax(sf_graph *g, sf_var y, int k, sf_var dy)
{
	(void)k;
	return apply_jacobian(g, y, dy);
}

sf_var sf_jvp_softmax(sf_graph *g, sf_var y, const sf_var *tangent)
{
	return apply_jacobian(g, y, tangent[0]);
}

double sf_flops_softmax(const sf_graph *g, const sf_node *n)
{
	(void)g;
	return 4 * (double)n->shape.size;
}
