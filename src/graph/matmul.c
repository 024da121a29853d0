/* matmul.c: matrix product, batched over leading dimensions and over the samples.
 *
 *     Y = A B,   A = a or a' (ta),  B = b or b' (tb),   (..,r,k) by (..,k,m) -> (..,r,m)
 *
 * Bilinear, so its derivatives are products again:
 *     dA = dY B'      dB = A' dY      and the tangent is  A. B + A B.
 * summed to the operand's shape. The one case worth an own form is a shared matrix met by per-sample
 * operands (every weight gradient): i[2] = 1 sums the products of all samples and of all leading
 * indices into one shared (r,m). Its own derivatives follow the same two formulas with the
 * shared dY. A rank-1 a is one row; its weight gradient is the outer product a' dy.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <string.h>

static int refuse(sf_graph *g, const sf_node *n, const char *why)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];

	return sf_graph_fail(g, SF_EMISMATCH, "matmul: %s%s by %s%s: %s",
	                     sf_shape_text(sf_shape_of(g, n->in[0]), ta), n->i[0] ? "'" : "",
	                     sf_shape_text(sf_shape_of(g, n->in[1]), tb), n->i[1] ? "'" : "", why);
}

/* Leading dimensions are equal? */
static int same_leading(sf_shape a, sf_shape b)
{
	return a.rank == b.rank &&
	       (a.rank < 3 || memcmp(a.dim, b.dim, (size_t)(a.rank - 2) * sizeof a.dim[0]) == 0);
}

int sf_shape_matmul(sf_graph *g, sf_node *n)
{
	sf_shape a = sf_shape_of(g, n->in[0]), b = sf_shape_of(g, n->in[1]);
	int ta = n->i[0] != 0, tb = n->i[1] != 0, sum = n->i[2] != 0, row = a.rank == 1;
	int64_t r, k, l, m, dim[SF_MAXRANK];
	const sf_shape *lead;

	if (a.rank < 1 || b.rank < 2)
		return refuse(g, n, "ranks of at least 1 and 2 expected");
	if (row && (ta || b.rank != 2 || sum))
		return refuse(g, n, "a row goes untransposed with a matrix of rank 2");
	r = row ? 1 : a.dim[a.rank - 2 + ta];
	k = a.dim[a.rank - 1 - ta];
	l = b.dim[b.rank - 2 + tb];
	m = b.dim[b.rank - 1 - tb];
	if (k != l)
		return refuse(g, n, "inner sizes differ");
	if (a.rank > 2 && b.rank > 2 && !same_leading(a, b))
		return refuse(g, n, "leading sizes differ");
	if (sum && (!same_leading(a, b) || !a.per_sample || !b.per_sample))
		return refuse(g, n, "a batch sum takes per-sample operands of equal leading sizes");
	dim[0] = r;
	dim[1] = m;
	if (sum)
		return sf_make_shape(g, "matmul", 0, 2, dim, &n->shape);
	if (row)
		return sf_make_shape(g, "matmul", a.per_sample || b.per_sample, 1, &m, &n->shape);
	lead = a.rank >= b.rank ? &a : &b;
	memcpy(dim, lead->dim, sizeof dim);
	dim[lead->rank - 2] = r;
	dim[lead->rank - 1] = m;
	return sf_make_shape(g, "matmul", a.per_sample || b.per_sample, lead->rank, dim, &n->shape);
}

double sf_flops_matmul(const sf_graph *g, const sf_node *n)
{
	sf_shape a = sf_shape_of(g, n->in[0]);
	double k = (double)a.dim[a.rank == 1 ? 0 : a.rank - 1 - (n->i[0] != 0)];

	if (n->i[2]) /* each element of a meets each column of the result */
		return 2 * (double)a.size * (double)n->shape.dim[1];
	return 2 * k * (double)n->shape.size;
}

sf_var sf_matmul(sf_graph *g, sf_var a, sf_var b, int ta, int tb)
{
	sf_node n = sf_make(SF_OP_MATMUL, a, b);

	if (!sf_usable(g, SF_OP_MATMUL, a, b))
		return SF_NOVAR;
	n.i[0] = ta != 0;
	n.i[1] = tb != 0;
	return sf_append(g, &n);
}

/* A row as a matrix of one row. */
static sf_var as_matrix(sf_graph *g, sf_var a)
{
	sf_shape s = sf_shape_of(g, a);
	int64_t dim[2] = {1, s.dim[0]};

	return s.rank == 1 ? sf_reshape(g, a, 2, dim) : a;
}

/* P Q summed to the shape `to`; in one node where `to` is a shared matrix. */
static sf_var product_to(sf_graph *g, sf_var p, sf_var q, int tp, int tq, sf_shape to)
{
	sf_node n = sf_make(SF_OP_MATMUL, p, q);
	sf_shape a = sf_shape_of(g, p), b = sf_shape_of(g, q);

	n.i[0] = tp != 0;
	n.i[1] = tq != 0;
	n.i[2] = !to.per_sample && to.rank == 2 && a.per_sample && b.per_sample && a.rank > 1 &&
	         same_leading(a, b);
	return sf_reduce(g, sf_append(g, &n), to);
}

sf_var sf_vjp_matmul(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_node n = g->node[y];
	sf_var a = n.in[0], b = n.in[1];
	int ta = n.i[0] != 0, tb = n.i[1] != 0;
	sf_shape to = sf_shape_of(g, n.in[k]);

	if (to.rank == 1)
		return product_to(g, dy, b, 0, !tb, to);
	a = as_matrix(g, a);
	dy = as_matrix(g, dy);
	if (g->status < 0)
		return SF_NOVAR;
	if (k == 0)
		return ta ? product_to(g, b, dy, tb, 1, to) : product_to(g, dy, b, 0, !tb, to);
	return tb ? product_to(g, dy, a, 1, ta, to) : product_to(g, a, dy, !ta, 0, to);
}
