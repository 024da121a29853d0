/* attention.c: scaled dot-product attention (Vaswani et al. 2017),
 *
 *     softmax(q k' / sqrt(c/heads)) v
 *
 * in each head: q, k, v (t,c) are cut into `heads` blocks of c/heads channels, which are put beside
 * each other again at the end. k and v may have another number of rows than q. Spelled in reshape,
 * permute, matmul and softmax, all of which differentiate.
 * Known answer: with equal keys the result is the mean of the rows of v.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <math.h>

static const int swap_heads[3] = {1, 0, 2};

/* (t,c) -> (heads,t,c/heads) */
static sf_var split(sf_graph *g, sf_var a, int heads)
{
	sf_shape s = sf_shape_of(g, a);
	int64_t dim[3];

	dim[0] = s.dim[0];
	dim[1] = heads;
	dim[2] = s.dim[1] / heads;
	return heads == 1 ? a : sf_permute(g, sf_reshape(g, a, 3, dim), swap_heads);
}

sf_var sf_attention(sf_graph *g, sf_var q, sf_var k, sf_var v, int heads)
{
	char tq[SF_SHAPE_TEXT], tk[SF_SHAPE_TEXT], tv[SF_SHAPE_TEXT];
	sf_shape sq, sk, sv;
	sf_var w, o;

	if (!sf_usable(g, SF_OP_MATMUL, q, k) || !sf_usable(g, SF_OP_MATMUL, v, v))
		return SF_NOVAR;
	sq = sf_shape_of(g, q);
	sk = sf_shape_of(g, k);
	sv = sf_shape_of(g, v);
	if (sq.rank != 2 || sk.rank != 2 || sv.rank != 2 || sq.dim[1] != sk.dim[1] ||
	    sq.dim[1] != sv.dim[1] || sk.dim[0] != sv.dim[0])
		return sf_graph_fail(g, SF_EMISMATCH, "attention: %s, %s, %s: expected q, k, v of (t,c)",
		                     sf_shape_text(sq, tq), sf_shape_text(sk, tk), sf_shape_text(sv, tv));
	if (heads < 1 || sq.dim[1] % heads != 0)
		return sf_graph_fail(g, SF_ERANGE, "attention: %d heads do not divide %lld channels", heads,
		                     (long long)sq.dim[1]);
	/* the smallest of the three products takes the scale */
	q = sf_scale(g, q, 1 / sqrt((double)sq.dim[1] / heads));
	w = sf_softmax(g, sf_matmul(g, split(g, q, heads), split(g, k, heads), 0, 1));
	o = sf_matmul(g, w, split(g, v, heads), 0, 0);
	return heads == 1 ? o : sf_reshape(g, sf_permute(g, o, swap_heads), 2, sq.dim);
}
