/* reduce.c: sums and broadcasts, adjoint to each other.
 *
 *     SUM_TO      y = sum of a over the dimensions in which y has size 1 or none, and over the batch
 *                 where a is per-sample and y is shared
 *     BROADCAST   y = a repeated along those dimensions, and for every sample
 *
 * With the batch as one more dimension, per-sample variables are blocks of one long vector and
 * shared ones are not repeated: <sum_to(a), b> = <a, broadcast(b)>, so the vjp of one is the other.
 * A gradient always has the shape of its variable, batch included: sums of per-sample gradients
 * for a shared one, and the same shared number for every sample below a batch sum.
 * Known answer: the gradient of sum over n samples of a shared scalar is n.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

int sf_shape_sum_to(sf_graph *g, sf_node *node)
{
	char from[SF_SHAPE_TEXT], to[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, node->in[0]);

	if (node->shape.per_sample && !a.per_sample)
		return sf_graph_fail(g, SF_EMISMATCH, "sum_to: a shared operand cannot become per-sample");
	if (!sf_broadcasts(node->shape, a))
		return sf_graph_fail(g, SF_EMISMATCH, "sum_to: %s does not sum to %s",
		                     sf_shape_text(a, from), sf_shape_text(node->shape, to));
	return 0;
}

int sf_shape_broadcast(sf_graph *g, sf_node *node)
{
	char from[SF_SHAPE_TEXT], to[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, node->in[0]);

	if (a.per_sample && !node->shape.per_sample)
		return sf_graph_fail(g, SF_EMISMATCH, "broadcast: a per-sample operand cannot become shared");
	if (!sf_broadcasts(a, node->shape))
		return sf_graph_fail(g, SF_EMISMATCH, "broadcast: %s does not broadcast to %s",
		                     sf_shape_text(a, from), sf_shape_text(node->shape, to));
	return 0;
}

sf_var sf_vjp_sum_to(sf_graph *g, sf_var y, int k, sf_var dy)
{
	return sf_fit(g, dy, sf_shape_of(g, g->node[y].in[k]));
}

sf_var sf_vjp_broadcast(sf_graph *g, sf_var y, int k, sf_var dy)
{
	return sf_reduce(g, dy, sf_shape_of(g, g->node[y].in[k]));
}

sf_var sf_fit(sf_graph *g, sf_var a, sf_shape to)
{
	sf_node n = sf_make(SF_OP_BROADCAST, a, SF_NOVAR);

	if (!sf_usable(g, SF_OP_BROADCAST, a, a))
		return SF_NOVAR;
	if (sf_same_shape(&g->node[a].shape, &to))
		return a;
	if (g->node[a].op == SF_OP_BROADCAST && sf_broadcasts(g->node[a].shape, to))
		n.in[0] = g->node[a].in[0]; /* of a broadcast: in one go */
	n.shape = to;
	return sf_append(g, &n);
}

sf_var sf_reduce(sf_graph *g, sf_var a, sf_shape to)
{
	sf_node n = sf_make(SF_OP_SUM_TO, a, SF_NOVAR);

	if (!sf_usable(g, SF_OP_SUM_TO, a, a))
		return SF_NOVAR;
	if (sf_same_shape(&g->node[a].shape, &to))
		return a;
	n.shape = to;
	return sf_append(g, &n);
}

sf_var sf_fill(sf_graph *g, double c, sf_shape to)
{
	return sf_fit(g, sf_const(g, c), to);
}

sf_var sf_sum_to(sf_graph *g, sf_var a, int per_sample, int rank, const int64_t *dim)
{
	sf_shape to;

	if (g->status < 0 || sf_make_shape(g, "sum_to", per_sample, rank, dim, &to) < 0)
		return SF_NOVAR;
	return sf_reduce(g, a, to);
}

sf_var sf_broadcast_to(sf_graph *g, sf_var a, int per_sample, int rank, const int64_t *dim)
{
	sf_shape to;

	if (g->status < 0 || sf_make_shape(g, "broadcast", per_sample, rank, dim, &to) < 0)
		return SF_NOVAR;
	return sf_fit(g, a, to);
}

sf_var sf_sum(sf_graph *g, sf_var a)
{
	return sf_sum_to(g, a, sf_shape_of(g, a).per_sample, 0, NULL);
}

sf_var sf_mean(sf_graph *g, sf_var a)
{
	if (!sf_usable(g, SF_OP_SUM_TO, a, a))
		return SF_NOVAR;
	return sf_scale(g, sf_sum(g, a), 1.0 / (double)g->node[a].shape.size);
}

sf_var sf_dot(sf_graph *g, sf_var a, sf_var b)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];
	sf_shape sa, sb;

	if (!sf_usable(g, SF_OP_SUM_TO, a, b))
		return SF_NOVAR;
	sa = sf_shape_of(g, a);
	sb = sf_shape_of(g, b);
	sa.per_sample = sb.per_sample; /* one of them may be shared */
	if (!sf_same_shape(&sa, &sb))
		return sf_graph_fail(g, SF_EMISMATCH, "dot: %s by %s: shapes differ",
		                     sf_shape_text(sa, ta), sf_shape_text(sb, tb));
	return sf_sum(g, sf_mul(g, a, b));
}

sf_var sf_sumsq(sf_graph *g, sf_var a)
{
	return sf_sum(g, sf_square(g, a));
}

sf_var sf_batch_sum(sf_graph *g, sf_var a)
{
	sf_shape to;

	if (!sf_usable(g, SF_OP_SUM_TO, a, a))
		return SF_NOVAR;
	to = sf_shape_of(g, a);
	if (!to.per_sample)
		return sf_graph_fail(g, SF_EMISMATCH, "batch_sum: the operand is shared, expected per-sample");
	to.per_sample = 0;
	return sf_reduce(g, a, to);
}
