/* shape.c: operations that only move elements. Each is linear and has its adjoint here:
 *
 *     reshape -- reshape back          permute -- permute by the inverse
 *     slice   -- pad with zeros        concat  -- slices
 *     gather  -- scatter (adds the rows of all samples with one index into a shared table)
 *
 * Slice, pad and concat work on the last dimension (channels).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <string.h>

/* ---- reshape ---- */

int sf_shape_reshape(sf_graph *g, sf_node *n)
{
	char from[SF_SHAPE_TEXT], to[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, n->in[0]);

	n->shape.per_sample = a.per_sample;
	if (a.size != n->shape.size)
		return sf_graph_fail(g, SF_EMISMATCH, "reshape: %s to %s: numbers of elements differ",
		                     sf_shape_text(a, from), sf_shape_text(n->shape, to));
	return 0;
}

sf_var sf_reshape(sf_graph *g, sf_var a, int rank, const int64_t *dim)
{
	sf_node n = sf_make(SF_OP_RESHAPE, a, SF_NOVAR);
	double c;

	if (!sf_usable(g, SF_OP_RESHAPE, a, a))
		return SF_NOVAR;
	if (sf_make_shape(g, "reshape", g->node[a].shape.per_sample, rank, dim, &n.shape) < 0)
		return SF_NOVAR;
	if (sf_same_shape(&n.shape, &g->node[a].shape))
		return a;
	if (sf_is_const(g, a, &c) && n.shape.size == g->node[a].shape.size)
		return sf_fill(g, c, n.shape);
	if (g->node[a].op == SF_OP_RESHAPE && g->node[g->node[a].in[0]].shape.size == n.shape.size) {
		n.in[0] = g->node[a].in[0]; /* of a reshape: in one go, or not at all */
		if (sf_same_shape(&n.shape, &g->node[n.in[0]].shape))
			return n.in[0];
	}
	return sf_append(g, &n);
}

sf_var sf_vjp_reshape(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_shape s = sf_shape_of(g, g->node[y].in[k]);

	return sf_reshape(g, dy, s.rank, s.dim);
}

/* ---- permute ---- */

int sf_shape_permute(sf_graph *g, sf_node *n)
{
	char text[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, n->in[0]);
	int i, seen = 0;

	n->shape = a;
	for (i = 0; i < a.rank; i++) {
		if (n->i[i] < 0 || n->i[i] >= a.rank || (seen & 1 << n->i[i]))
			return sf_graph_fail(g, SF_EINVAL,
			                     "permute: %s: the axes are no permutation of 0 to %d",
			                     sf_shape_text(a, text), a.rank - 1);
		seen |= 1 << n->i[i];
		n->shape.dim[i] = a.dim[n->i[i]];
	}
	return 0;
}

sf_var sf_permute(sf_graph *g, sf_var a, const int *axis)
{
	sf_node n = sf_make(SF_OP_PERMUTE, a, SF_NOVAR);
	int i, rank, moved = 0;

	if (!sf_usable(g, SF_OP_PERMUTE, a, a))
		return SF_NOVAR;
	rank = g->node[a].shape.rank;
	for (i = 0; i < rank; i++) {
		n.i[i] = axis[i];
		moved |= axis[i] != i;
	}
	return moved ? sf_append(g, &n) : a;
}

sf_var sf_vjp_permute(sf_graph *g, sf_var y, int k, sf_var dy)
{
	const sf_node *n = &g->node[y];
	int i, inverse[SF_MAXRANK] = {0, 1, 2, 3};

	(void)k;
	for (i = 0; i < n->shape.rank; i++)
		inverse[n->i[i]] = i;
	return sf_permute(g, dy, inverse);
}

/* ---- concat, slice, pad ---- */

static int64_t last(sf_shape s)
{
	return s.dim[s.rank - 1];
}

int sf_shape_concat(sf_graph *g, sf_node *n)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, n->in[0]), b = sf_shape_of(g, n->in[1]);

	if (a.rank < 1 || a.rank != b.rank || a.per_sample != b.per_sample ||
	    memcmp(a.dim, b.dim, (size_t)(a.rank - 1) * sizeof a.dim[0]) != 0)
		return sf_graph_fail(g, SF_EMISMATCH,
		                     "concat: %s and %s: all sizes but the last must be equal",
		                     sf_shape_text(a, ta), sf_shape_text(b, tb));
	a.dim[a.rank - 1] += last(b);
	return sf_make_shape(g, "concat", a.per_sample, a.rank, a.dim, &n->shape);
}

/* A shared operand beside a per-sample one is repeated first, so that kernels see one kind. */
sf_var sf_concat(sf_graph *g, sf_var a, sf_var b)
{
	sf_node n = sf_make(SF_OP_CONCAT, a, b);
	sf_shape sa, sb;

	if (!sf_usable(g, SF_OP_CONCAT, a, b))
		return SF_NOVAR;
	sa = sf_shape_of(g, a);
	sb = sf_shape_of(g, b);
	sa.per_sample = sb.per_sample = sa.per_sample || sb.per_sample;
	n.in[0] = sf_fit(g, a, sa);
	n.in[1] = sf_fit(g, b, sb);
	return sf_append(g, &n);
}

sf_var sf_vjp_concat(sf_graph *g, sf_var y, int k, sf_var dy)
{
	const sf_node *n = &g->node[y];
	int64_t left = last(sf_shape_of(g, n->in[0])), right = last(sf_shape_of(g, n->in[1]));

	return k == 0 ? sf_slice(g, dy, 0, left) : sf_slice(g, dy, left, right);
}

sf_var sf_jvp_concat(sf_graph *g, sf_var y, const sf_var *tangent)
{
	sf_node n = g->node[y];
	sf_var t[2];
	int k;

	for (k = 0; k < 2; k++)
		t[k] = tangent[k] != SF_NOVAR ? tangent[k] : sf_fill(g, 0, sf_shape_of(g, n.in[k]));
	return sf_concat(g, t[0], t[1]);
}

int sf_shape_slice(sf_graph *g, sf_node *n)
{
	char text[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, n->in[0]);
	int64_t first = n->i[0], count = n->i[1];

	if (a.rank < 1 || first < 0 || count < 1 || first > last(a) || count > last(a) - first)
		return sf_graph_fail(g, SF_ERANGE, "slice: %lld elements from %lld of %s: out of range",
		                     (long long)count, (long long)first, sf_shape_text(a, text));
	a.dim[a.rank - 1] = count;
	return sf_make_shape(g, "slice", a.per_sample, a.rank, a.dim, &n->shape);
}

int sf_shape_pad(sf_graph *g, sf_node *n)
{
	char text[SF_SHAPE_TEXT];
	sf_shape a = sf_shape_of(g, n->in[0]);
	int64_t first = n->i[0], total = n->i[1];

	if (a.rank < 1 || first < 0 || total < last(a) || first > total - last(a))
		return sf_graph_fail(g, SF_ERANGE, "pad: %s from %lld of %lld: out of range",
		                     sf_shape_text(a, text), (long long)first, (long long)total);
	a.dim[a.rank - 1] = total;
	return sf_make_shape(g, "pad", a.per_sample, a.rank, a.dim, &n->shape);
}

sf_var sf_slice(sf_graph *g, sf_var a, int64_t first, int64_t count)
{
	sf_node n = sf_make(SF_OP_SLICE, a, SF_NOVAR);
	sf_shape s;

	if (!sf_usable(g, SF_OP_SLICE, a, a))
		return SF_NOVAR;
	s = sf_shape_of(g, a);
	if (s.rank > 0 && first == 0 && count == last(s))
		return a;
	n.i[0] = first;
	n.i[1] = count;
	return sf_append(g, &n);
}

sf_var sf_vjp_slice(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_node n = sf_make(SF_OP_PAD, dy, SF_NOVAR);

	n.i[0] = g->node[y].i[0];
	n.i[1] = last(sf_shape_of(g, g->node[y].in[k]));
	return sf_append(g, &n);
}

sf_var sf_vjp_pad(sf_graph *g, sf_var y, int k, sf_var dy)
{
	const sf_node *n = &g->node[y];

	return sf_slice(g, dy, n->i[0], last(sf_shape_of(g, n->in[k])));
}

/* ---- gather, scatter ---- */

int sf_shape_gather(sf_graph *g, sf_node *n)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];
	sf_shape table = sf_shape_of(g, n->in[0]), index = sf_shape_of(g, n->in[1]);

	if (table.rank != 2 || table.per_sample || index.rank != 0 || !index.per_sample)
		return sf_graph_fail(g, SF_EMISMATCH,
		                     "gather: %s by %s, expected a shared (rows,k) and a per-sample ()",
		                     sf_shape_text(table, ta), sf_shape_text(index, tb));
	return sf_make_shape(g, "gather", 1, 1, &table.dim[1], &n->shape);
}

int sf_shape_scatter(sf_graph *g, sf_node *n)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];
	sf_shape row = sf_shape_of(g, n->in[0]), index = sf_shape_of(g, n->in[1]);
	int64_t dim[2];

	if (row.rank != 1 || !row.per_sample || index.rank != 0 || !index.per_sample)
		return sf_graph_fail(g, SF_EMISMATCH, "scatter: %s by %s, expected per-sample (k) and ()",
		                     sf_shape_text(row, ta), sf_shape_text(index, tb));
	dim[0] = n->i[0];
	dim[1] = row.dim[0];
	return sf_make_shape(g, "scatter", 0, 2, dim, &n->shape);
}

sf_var sf_gather(sf_graph *g, sf_var table, sf_var index)
{
	sf_node n = sf_make(SF_OP_GATHER, table, index);

	return sf_usable(g, SF_OP_GATHER, table, index) ? sf_append(g, &n) : SF_NOVAR;
}

/* The index has no gradient. */
sf_var sf_vjp_gather(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_node n = sf_make(SF_OP_SCATTER, dy, g->node[y].in[1]);

	if (k != 0)
		return SF_NOVAR;
	n.i[0] = sf_shape_of(g, g->node[y].in[0]).dim[0];
	return sf_append(g, &n);
}

sf_var sf_vjp_scatter(sf_graph *g, sf_var y, int k, sf_var dy)
{
	return k == 0 ? sf_gather(g, dy, g->node[y].in[1]) : SF_NOVAR;
}
