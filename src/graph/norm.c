/* norm.c: group normalisation (Wu and He 2018, equations 1 to 3) and an activation.
 *
 *     y = act( gamma (x - mu) / sqrt(var + eps) + beta )
 *
 * for x (..,c), mu and var the mean and biased variance over all positions and the c/groups
 * channels of a group; gamma, beta (c). groups = c is instance normalisation, and groups = 1 layer
 * normalisation of the whole sample.
 *
 * Order 1, per-sample x, shared gamma and beta: one node with fused gradients, GROUP_NORM_GRAD for x
 * and GROUP_NORM_GRAD_AFFINE, (2,c), for gamma and beta at once. Otherwise primitives.
 * Known answer: gamma = 1, beta = 0, no activation: each group has mean 0 and variance var/(var+eps).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <math.h>

static int refuse(sf_graph *g, const sf_node *n, const char *why)
{
	char tx[SF_SHAPE_TEXT], tg[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];

	return sf_graph_fail(g, SF_EMISMATCH, "group_norm: %s, %s, %s, %d groups: %s",
	                     sf_shape_text(sf_shape_of(g, n->in[0]), tx),
	                     sf_shape_text(sf_shape_of(g, n->in[1]), tg),
	                     sf_shape_text(sf_shape_of(g, n->in[2]), tb), (int)n->i[0], why);
}

/* The checks that the fused node and the primitives share. */
int sf_shape_group_norm(sf_graph *g, sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]), gamma = sf_shape_of(g, n->in[1]);
	sf_shape beta = sf_shape_of(g, n->in[2]);

	if (x.rank < 1 || gamma.rank != 1 || beta.rank != 1 || gamma.dim[0] != x.dim[x.rank - 1] ||
	    beta.dim[0] != gamma.dim[0])
		return refuse(g, n, "(..,c), (c), (c) expected");
	if (n->i[0] < 1 || gamma.dim[0] % n->i[0] != 0)
		return refuse(g, n, "the groups do not divide the channels");
	if ((n->i[1] != SF_ACT_NONE && n->i[1] != SF_ACT_SILU) || !isfinite(n->c) || n->c < 0)
		return refuse(g, n, "unknown activation or negative eps");
	n->shape = x;
	return 0;
}

static int check_dy(sf_graph *g, sf_node *n)
{
	sf_shape dy = sf_shape_of(g, n->in[3]);

	if (sf_shape_group_norm(g, n) < 0)
		return -1;
	return sf_same_shape(&dy, &n->shape) ? 0 : refuse(g, n, "the gradient has another shape");
}

int sf_shape_group_norm_grad(sf_graph *g, sf_node *n)
{
	return check_dy(g, n);
}

int sf_shape_group_norm_affine(sf_graph *g, sf_node *n)
{
	int64_t dim[2] = {2, 0};

	if (check_dy(g, n) < 0)
		return -1;
	dim[1] = sf_shape_of(g, n->in[1]).dim[0];
	return sf_make_shape(g, "group_norm", 0, 2, dim, &n->shape);
}

/* (x - mu)/sqrt(var + eps) on the view (positions, groups, channels of a group) */
static sf_var normalise(sf_graph *g, sf_var x, const sf_node *n)
{
	sf_shape s = sf_shape_of(g, x), stat;
	int64_t c = s.dim[s.rank - 1], dim[3];
	double m;
	sf_var d, var;

	dim[0] = s.size / c;
	dim[1] = n->i[0];
	dim[2] = c / n->i[0];
	m = (double)dim[0] * (double)dim[2];
	x = sf_reshape(g, x, 3, dim);
	dim[0] = dim[2] = 1;
	if (sf_make_shape(g, "group_norm", s.per_sample, 3, dim, &stat) < 0)
		return SF_NOVAR;
	d = sf_sub(g, x, sf_scale(g, sf_reduce(g, x, stat), 1 / m));
	var = sf_scale(g, sf_reduce(g, sf_square(g, d), stat), 1 / m);
	d = sf_div(g, d, sf_sqrt(g, sf_offset(g, var, n->c)));
	return sf_reshape(g, d, s.rank, s.dim);
}

sf_var sf_group_norm(sf_graph *g, sf_var x, sf_var gamma, sf_var beta, int groups, double eps,
                     int act)
{
	sf_node n = sf_make(SF_OP_GROUP_NORM, x, gamma);
	sf_var y;

	if (!sf_usable(g, SF_OP_GROUP_NORM, x, gamma) || !sf_usable(g, SF_OP_GROUP_NORM, beta, beta))
		return SF_NOVAR;
	n.nin = 3;
	n.in[2] = beta;
	n.i[0] = groups;
	n.i[1] = act;
	n.c = eps;
	if (g->order == 1 && sf_shape_of(g, x).per_sample && !sf_shape_of(g, gamma).per_sample &&
	    !sf_shape_of(g, beta).per_sample)
		return sf_append(g, &n);
	if (sf_shape_group_norm(g, &n) < 0)
		return SF_NOVAR;
	y = sf_add(g, sf_mul(g, normalise(g, x, &n), gamma), beta);
	return act == SF_ACT_SILU ? sf_silu(g, y) : y;
}

sf_var sf_vjp_group_norm(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_node n = g->node[y];
	int64_t c = sf_shape_of(g, n.in[1]).dim[0], both = 2 * c;

	n.op = k == 0 ? SF_OP_GROUP_NORM_GRAD : SF_OP_GROUP_NORM_GRAD_AFFINE;
	n.nin = 4;
	n.in[3] = dy;
	y = sf_append(g, &n); /* for k = 1 and 2 the same node */
	if (k == 0)
		return y;
	return sf_slice(g, sf_reshape(g, y, 1, &both), k == 1 ? 0 : c, c);
}

double sf_flops_norm(const sf_graph *g, const sf_node *n)
{
	return 8 * (double)sf_shape_of(g, n->in[0]).size;
}
