/* resize.c: bilinear resizing of (h,w,c) with aligned corners, two matrix products:
 *
 *     y[o,p] = sum_i sum_j R[o,i] S[p,j] x[i,j],     R (ho,h), S (wo,w)
 *     R[o,i] = max(0, 1 - |o s - i|),  s = (h-1)/(ho-1)   (s = 0 for ho = 1)
 *
 * the interpolation of PyTorch's interpolate(mode='bilinear', align_corners=True). A matrix has two numbers a
 * row; as dense products the two cost (ho h w + ho wo w) c multiplications, a few percent of one 3x3 convolution
 * on the result at the channel numbers of a network. Sizes that stay are left alone.
 * Known answers: (0, 1) to three pixels is (0, 1/2, 1); (0, 1, 2) to two is (0, 2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <math.h>

enum { SIDE_MAX = 4096 };

/* R (to,from) */
static sf_var weights(sf_graph *g, int64_t from, int64_t to)
{
	int64_t dim[2], o, i;
	double *r;
	sf_var v;

	dim[0] = to;
	dim[1] = from;
	r = sf_alloc((size_t)(from * to), sizeof *r);
	if (!r)
		return sf_graph_fail(g, SF_ENOMEM, "resize_bilinear: out of memory");
	for (o = 0; o < to; o++) {
		/* exact where the position is a whole number */
		int64_t num = o * (from - 1), den = to > 1 ? to - 1 : 1;

		i = num / den;
		r[o * from + i] = (double)(den - num % den) / (double)den;
		if (num % den)
			r[o * from + i + 1] = (double)(num % den) / (double)den;
	}
	v = sf_const_tensor(g, 2, dim, r);
	sf_free(r);
	return v;
}

sf_var sf_resize_bilinear(sf_graph *g, sf_var x, int64_t ho, int64_t wo)
{
	char text[SF_SHAPE_TEXT];
	sf_shape s = sf_shape_of(g, x);
	int64_t dim[3];

	if (!sf_usable(g, SF_OP_MATMUL, x, x))
		return SF_NOVAR;
	if (s.rank != 3 || s.dim[0] > SIDE_MAX || s.dim[1] > SIDE_MAX || ho < 1 || wo < 1 || ho > SIDE_MAX ||
	    wo > SIDE_MAX)
		return sf_graph_fail(g, SF_EMISMATCH, "resize_bilinear: %s to %lldx%lld, expected (h,w,c) and sizes "
		                     "of 1 to %d", sf_shape_text(s, text), (long long)ho, (long long)wo, SIDE_MAX);
	if (ho != s.dim[0]) {
		dim[0] = s.dim[0];
		dim[1] = s.dim[1] * s.dim[2];
		x = sf_matmul(g, weights(g, s.dim[0], ho), sf_reshape(g, x, 2, dim), 0, 0);
		dim[0] = ho;
		dim[1] = s.dim[1];
		dim[2] = s.dim[2];
		x = sf_reshape(g, x, 3, dim);
	}
	if (wo != s.dim[1])
		x = sf_matmul(g, weights(g, s.dim[1], wo), x, 0, 0);
	return x;
}
