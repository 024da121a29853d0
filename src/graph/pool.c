/* pool.c: pooling over k x k windows of (h,w,c), channel by channel.
 *
 *     PICK(x, t)     y[o] = t[a(o)],   a(o) = the place of the maximum of x in window o
 *     UNPICK(x, dy)  dt[i] = sum of dy[o] over the windows o with a(o) = i
 *
 * The maximum is PICK(x, x). Both are linear in their second operand and adjoint to each other, and a(o)
 * has derivative zero wherever it has one, so the two are closed under differentiation of any order. Padding is
 * -inf; among equal values the first in row-major order is the maximum, and a NaN beats every number
 * (as PyTorch's MaxPool2d). Window o starts at o stride - pad; 2 pad <= k keeps a pixel in every window.
 *
 * The mean is a correlation with equal taps 1/k along both axes, padding counted.
 * Known answers: of 1 2 3 4 in one window of k = 2 the maximum is 4; the mean of ones over 5x5 with padding 2 is
 * 9/25 in a corner.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

enum { WINDOW_MAX = 64, STRIDE_MAX = 64 };

static int refuse(sf_graph *g, const sf_node *n, const char *why)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];

	return sf_graph_fail(g, SF_EMISMATCH, "%s: %s and %s, window %d, stride %d, padding %d: %s",
	                     sf_ops[n->op].name, sf_shape_text(sf_shape_of(g, n->in[0]), ta),
	                     sf_shape_text(sf_shape_of(g, n->in[1]), tb), (int)n->i[0], (int)n->i[1],
	                     (int)n->i[2], why);
}

/* (ho,wo,c) for x (h,w,c) */
static int out_dim(sf_graph *g, const sf_node *n, int64_t *dim)
{
	sf_shape x = sf_shape_of(g, n->in[0]);
	int i;

	if (n->i[0] < 1 || n->i[0] > WINDOW_MAX || n->i[1] < 1 || n->i[1] > STRIDE_MAX || n->i[2] < 0 ||
	    2 * n->i[2] > n->i[0])
		return refuse(g, n, "window and stride of 1 to 64 and padding of at most half the window expected");
	if (x.rank != 3 || sf_shape_of(g, n->in[1]).rank != 3)
		return refuse(g, n, "(h,w,c) expected");
	for (i = 0; i < 2; i++) {
		if (x.dim[i] + 2 * n->i[2] < n->i[0])
			return refuse(g, n, "the window is larger than the padded image");
		dim[i] = (x.dim[i] + 2 * n->i[2] - n->i[0]) / n->i[1] + 1;
	}
	dim[2] = x.dim[2];
	return 0;
}

static int same_dim(sf_shape s, const int64_t *dim)
{
	return s.dim[0] == dim[0] && s.dim[1] == dim[1] && s.dim[2] == dim[2];
}

int sf_shape_pick(sf_graph *g, sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]), t = sf_shape_of(g, n->in[1]);
	int64_t dim[3];

	if (out_dim(g, n, dim) < 0)
		return -1;
	if (!same_dim(t, x.dim))
		return refuse(g, n, "two images of one size expected");
	return sf_make_shape(g, "pick", x.per_sample || t.per_sample, 3, dim, &n->shape);
}

int sf_shape_unpick(sf_graph *g, sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]), dy = sf_shape_of(g, n->in[1]);
	int64_t dim[3];

	if (out_dim(g, n, dim) < 0)
		return -1;
	if (!same_dim(dy, dim))
		return refuse(g, n, "the image's size does not give this result");
	return sf_make_shape(g, "unpick", x.per_sample || dy.per_sample, 3, x.dim, &n->shape);
}

static sf_var append(sf_graph *g, sf_opcode op, const sf_node *like, sf_var x, sf_var t)
{
	sf_node n = sf_make(op, x, t);

	n.i[0] = like->i[0];
	n.i[1] = like->i[1];
	n.i[2] = like->i[2];
	return sf_append(g, &n);
}

/* To the operand's shape: it may be shared where x is per-sample. */
static sf_var back(sf_graph *g, sf_var y, int k, sf_opcode op, sf_var d)
{
	sf_node n = g->node[y];

	if (k == 0)
		return SF_NOVAR;
	return sf_reduce(g, append(g, op, &n, n.in[0], d), sf_shape_of(g, n.in[1]));
}

sf_var sf_vjp_pick(sf_graph *g, sf_var y, int k, sf_var dy)
{
	return back(g, y, k, SF_OP_UNPICK, dy);
}

sf_var sf_vjp_unpick(sf_graph *g, sf_var y, int k, sf_var d)
{
	return back(g, y, k, SF_OP_PICK, d);
}

/* Of both: linear in the second operand, and the first only chooses. */
sf_var sf_jvp_pick(sf_graph *g, sf_var y, const sf_var *tangent)
{
	sf_node n = g->node[y];

	return tangent[1] == SF_NOVAR ? SF_NOVAR : append(g, n.op, &n, n.in[0], tangent[1]);
}

/* Comparisons: the window is searched along one axis, then along the other. */
double sf_flops_pick(const sf_graph *g, const sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]);

	return 2 * (double)n->i[0] * (double)x.size / (double)n->i[1];
}

sf_var sf_pick(sf_graph *g, sf_var x, sf_var t, int k, int stride, int pad)
{
	sf_node n = sf_make(SF_OP_PICK, x, t);

	if (!sf_usable(g, SF_OP_PICK, x, t))
		return SF_NOVAR;
	n.i[0] = k;
	n.i[1] = stride;
	n.i[2] = pad;
	return sf_append(g, &n);
}

sf_var sf_max_pool(sf_graph *g, sf_var x, int k, int stride, int pad)
{
	return sf_pick(g, x, x, k, stride, pad);
}

sf_var sf_avg_pool(sf_graph *g, sf_var x, int k, int stride, int pad)
{
	double tap[WINDOW_MAX];
	int i;

	if (g->status < 0)
		return SF_NOVAR;
	if (k < 1 || k > WINDOW_MAX || pad < 0 || 2 * pad > k)
		return sf_graph_fail(g, SF_ERANGE, "avg_pool: window %d and padding %d; expected 1 to %d and at most "
		                     "half the window", k, pad, WINDOW_MAX);
	for (i = 0; i < k; i++)
		tap[i] = 1. / k;
	return sf_upfirdn(g, x, 1, stride, pad, pad, k, tap);
}
