/* resample.c: separable FIR resampling, StyleGAN2's upfirdn (Karras et al. 2020).
 *
 * Along one axis, with taps f[0..L), u = up, d = down, p0 = pad0:
 *
 *     y[o] = sum_i A[o,i] x[i],   A[o,i] = f[L-1 - (u i + p0 - d o)],   size (h u + p0 + p1 - L)/d + 1
 *
 * The transpose has the same form with u and d exchanged, the taps reversed and p0' = L-1-p0:
 * A'[i,o] = f'[L-1 - (d o + p0' - u i)] with f'[k] = f[L-1-k]. Its size must be h again, also where
 * the division above has dropped a remainder: p1' = (h-1) u + L - ho d - p0'. What a negative p1'
 * crops are zeros that no output reads.
 * Known answers: down2 of a constant is that constant; up2 of (1,2) along a row is (1,1,2,2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

enum { FACTOR_MAX = 64, PAD_MAX = 1 << 20, TAP_MAX = 1024 };

static int64_t out_size(const sf_node *n, int64_t h)
{
	int64_t room = h * n->i[0] + n->i[2] + n->i[3] - n->ntap;

	return room < 0 ? 0 : room / n->i[1] + 1;
}

int sf_shape_upfirdn(sf_graph *g, sf_node *n)
{
	char text[SF_SHAPE_TEXT];
	sf_shape x = sf_shape_of(g, n->in[0]);
	int64_t dim[3];

	if (x.rank != 3)
		return sf_graph_fail(g, SF_EMISMATCH, "upfirdn: %s, expected (h,w,c)",
		                     sf_shape_text(x, text));
	dim[0] = out_size(n, x.dim[0]);
	dim[1] = out_size(n, x.dim[1]);
	dim[2] = x.dim[2];
	if (dim[0] < 1 || dim[1] < 1)
		return sf_graph_fail(g, SF_EMISMATCH, "upfirdn: %s with %d taps leaves no sample",
		                     sf_shape_text(x, text), n->ntap);
	return sf_make_shape(g, "upfirdn", x.per_sample, 3, dim, &n->shape);
}

/* The same taps from either end. The node's taps become the graph's. */
static int set_taps(sf_graph *g, sf_node *n, int ntap, const double *tap, int reversed)
{
	double *copy = sf_own(g, sf_alloc((size_t)ntap, sizeof *copy));
	int k;

	if (!copy)
		return SF_ENOMEM;
	for (k = 0; k < ntap; k++)
		copy[k] = tap[reversed ? ntap - 1 - k : k];
	n->tap = copy;
	n->ntap = ntap;
	return 0;
}

sf_var sf_upfirdn(sf_graph *g, sf_var x, int up, int down, int pad0, int pad1, int ntap,
                  const double *tap)
{
	sf_node n = sf_make(SF_OP_UPFIRDN, x, SF_NOVAR);

	if (!sf_usable(g, SF_OP_UPFIRDN, x, x))
		return SF_NOVAR;
	if (up < 1 || up > FACTOR_MAX || down < 1 || down > FACTOR_MAX || ntap < 1 || ntap > TAP_MAX ||
	    pad0 < -PAD_MAX || pad0 > PAD_MAX || pad1 < -PAD_MAX || pad1 > PAD_MAX)
		return sf_graph_fail(g, SF_ERANGE,
		                     "upfirdn: up %d, down %d, pads %d and %d, %d taps are out of range", up,
		                     down, pad0, pad1, ntap);
	n.i[0] = up;
	n.i[1] = down;
	n.i[2] = pad0;
	n.i[3] = pad1;
	return set_taps(g, &n, ntap, tap, 0) < 0 ? SF_NOVAR : sf_append(g, &n);
}

static int odd(const sf_shape *s)
{
	return s->rank != 3 || s->dim[0] % 2 || s->dim[1] % 2;
}

sf_var sf_down2(sf_graph *g, sf_var x)
{
	static const double mean[2] = {0.5, 0.5};
	char text[SF_SHAPE_TEXT];
	sf_shape s = sf_shape_of(g, x);

	if (!sf_usable(g, SF_OP_UPFIRDN, x, x))
		return SF_NOVAR;
	if (odd(&s))
		return sf_graph_fail(g, SF_EMISMATCH, "down2: %s, expected (h,w,c) with even h and w",
		                     sf_shape_text(s, text));
	return sf_upfirdn(g, x, 1, 2, 0, 0, 2, mean);
}

sf_var sf_up2(sf_graph *g, sf_var x)
{
	static const double twice[2] = {1, 1};

	return sf_upfirdn(g, x, 2, 1, 1, 0, 2, twice);
}

/* Both axes have the same pads, but for sizes of different remainder they need different p1'. The
 * transpose is then taken with the larger and the axis that came out longer is zero there: it is
 * cropped by slicing, rows after a permutation. */
static sf_var crop(sf_graph *g, sf_var a, sf_shape to)
{
	static const int swap_w[3] = {0, 2, 1}, swap_h[3] = {2, 1, 0};

	if (sf_shape_of(g, a).dim[1] > to.dim[1])
		a = sf_permute(g, sf_slice(g, sf_permute(g, a, swap_w), 0, to.dim[1]), swap_w);
	if (sf_shape_of(g, a).dim[0] > to.dim[0])
		a = sf_permute(g, sf_slice(g, sf_permute(g, a, swap_h), 0, to.dim[0]), swap_h);
	return a;
}

sf_var sf_vjp_upfirdn(sf_graph *g, sf_var y, int k, sf_var dy)
{
	sf_node n = g->node[y], t = sf_make(SF_OP_UPFIRDN, dy, SF_NOVAR);
	sf_shape x = sf_shape_of(g, n.in[k]);
	int64_t up = n.i[0], down = n.i[1], pad0 = n.ntap - 1 - n.i[2], p, q;

	p = (x.dim[0] - 1) * up + n.ntap - n.shape.dim[0] * down - pad0;
	q = (x.dim[1] - 1) * up + n.ntap - n.shape.dim[1] * down - pad0;
	t.i[0] = down;
	t.i[1] = up;
	t.i[2] = pad0;
	t.i[3] = p > q ? p : q;
	if (set_taps(g, &t, n.ntap, n.tap, 1) < 0)
		return SF_NOVAR;
	return crop(g, sf_append(g, &t), x);
}

/* Two passes, rows then columns; of ntap taps every up-th meets a sample. */
double sf_flops_upfirdn(const sf_graph *g, const sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]), y = n->shape;
	double terms = (double)((n->ntap + n->i[0] - 1) / n->i[0]);

	return 2 * terms * ((double)x.dim[0] * (double)y.dim[1] * (double)y.dim[2] + (double)y.size);
}
