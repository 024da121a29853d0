/* conv.c: convolution and its two adjoints, three views of one trilinear form
 *
 *     T(x, w, z) = sum over o, k, ci, co of  z[o,co]  x[o stride + k dilation - pad, ci]  w[k,ci,co]
 *
 *     CONV(x, w) = dT/dz      CONV_DATA(z, w) = dT/dx      CONV_WEIGHT(x, z) = dT/dw
 *
 * Each is linear in its two operands and its derivative in one of them is another of the three, so
 * the family is closed under differentiation. Weights are shared; x and z are both per-sample or
 * both shared, and CONV_WEIGHT of per-sample operands is summed over the batch.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

enum { STRIDE_MAX = 64, PAD_MAX = 4096, DILATION_MAX = 64 };

static int refuse(sf_graph *g, const sf_node *n, const char *why)
{
	char ta[SF_SHAPE_TEXT], tb[SF_SHAPE_TEXT];

	return sf_graph_fail(g, SF_EMISMATCH, "%s: %s by %s, stride %d, padding %d, dilation %d: %s",
	                     sf_ops[n->op].name, sf_shape_text(sf_shape_of(g, n->in[0]), ta),
	                     sf_shape_text(sf_shape_of(g, n->in[1]), tb), (int)n->i[0], (int)n->i[1],
	                     (int)n->i[4], why);
}

static int64_t out_size(const sf_node *n, int64_t h, int64_t kh)
{
	int64_t room = h + 2 * n->i[1] - (kh - 1) * n->i[4] - 1;

	return room < 0 ? 0 : room / n->i[0] + 1;
}

static int check_geometry(sf_graph *g, const sf_node *n)
{
	if (n->i[0] < 1 || n->i[0] > STRIDE_MAX || n->i[1] < 0 || n->i[1] > PAD_MAX || n->i[4] < 1 ||
	    n->i[4] > DILATION_MAX)
		return refuse(g, n, "stride and dilation of 1 to 64 and padding of 0 to 4096 expected");
	return 0;
}

int sf_shape_conv(sf_graph *g, sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]), w = sf_shape_of(g, n->in[1]);
	int64_t dim[3];

	if (check_geometry(g, n) < 0)
		return -1;
	if (x.rank != 3 || w.rank != 4)
		return refuse(g, n, "(h,w,ci) by (kh,kw,ci,co) expected");
	if (w.per_sample)
		return refuse(g, n, "the weights are per-sample, expected shared");
	if (x.dim[2] != w.dim[2])
		return refuse(g, n, "numbers of input channels differ");
	dim[0] = out_size(n, x.dim[0], w.dim[0]);
	dim[1] = out_size(n, x.dim[1], w.dim[1]);
	dim[2] = w.dim[3];
	if (dim[0] < 1 || dim[1] < 1)
		return refuse(g, n, "the kernel is larger than the padded image");
	return sf_make_shape(g, "conv2d", x.per_sample, 3, dim, &n->shape);
}

int sf_shape_conv_data(sf_graph *g, sf_node *n)
{
	sf_shape z = sf_shape_of(g, n->in[0]), w = sf_shape_of(g, n->in[1]);
	int64_t dim[3];

	if (check_geometry(g, n) < 0)
		return -1;
	if (z.rank != 3 || w.rank != 4 || w.per_sample || z.dim[2] != w.dim[3])
		return refuse(g, n, "(ho,wo,co) by shared (kh,kw,ci,co) expected");
	if (z.dim[0] != out_size(n, n->i[2], w.dim[0]) || z.dim[1] != out_size(n, n->i[3], w.dim[1]))
		return refuse(g, n, "the image's size does not give this result");
	dim[0] = n->i[2];
	dim[1] = n->i[3];
	dim[2] = w.dim[2];
	return sf_make_shape(g, "conv2d", z.per_sample, 3, dim, &n->shape);
}

int sf_shape_conv_weight(sf_graph *g, sf_node *n)
{
	sf_shape x = sf_shape_of(g, n->in[0]), z = sf_shape_of(g, n->in[1]);
	int64_t dim[4];

	if (check_geometry(g, n) < 0)
		return -1;
	if (x.rank != 3 || z.rank != 3 || x.per_sample != z.per_sample)
		return refuse(g, n, "(h,w,ci) by (ho,wo,co), both per-sample or both shared, expected");
	if (z.dim[0] != out_size(n, x.dim[0], n->i[2]) || z.dim[1] != out_size(n, x.dim[1], n->i[3]))
		return refuse(g, n, "the image's size does not give this result");
	dim[0] = n->i[2];
	dim[1] = n->i[3];
	dim[2] = x.dim[2];
	dim[3] = z.dim[2];
	return sf_make_shape(g, "conv2d", 0, 4, dim, &n->shape);
}

static sf_var append(sf_graph *g, sf_opcode op, const sf_node *like, sf_var a, sf_var b, int64_t p,
                     int64_t q)
{
	sf_node n = sf_make(op, a, b);

	n.i[0] = like->i[0];
	n.i[1] = like->i[1];
	n.i[2] = p;
	n.i[3] = q;
	n.i[4] = like->i[4];
	return sf_append(g, &n);
}

sf_var sf_conv2d_dilated(sf_graph *g, sf_var x, sf_var w, int stride, int pad, int dilation)
{
	sf_node n = sf_make(SF_OP_CONV, x, w);

	if (!sf_usable(g, SF_OP_CONV, x, w))
		return SF_NOVAR;
	n.i[0] = stride;
	n.i[1] = pad;
	n.i[4] = dilation;
	return sf_append(g, &n);
}

sf_var sf_conv2d(sf_graph *g, sf_var x, sf_var w, int stride, int pad)
{
	return sf_conv2d_dilated(g, x, w, stride, pad, 1);
}

sf_var sf_vjp_conv(sf_graph *g, sf_var y, int k, sf_var dz)
{
	sf_node n = g->node[y];
	sf_shape s = sf_shape_of(g, n.in[k]); /* of x or w: h, w or kh, kw first */

	if (k == 0)
		return append(g, SF_OP_CONV_DATA, &n, dz, n.in[1], s.dim[0], s.dim[1]);
	return append(g, SF_OP_CONV_WEIGHT, &n, n.in[0], dz, s.dim[0], s.dim[1]);
}

sf_var sf_vjp_conv_data(sf_graph *g, sf_var y, int k, sf_var dx)
{
	sf_node n = g->node[y];
	sf_shape s = sf_shape_of(g, n.in[1]);

	if (k == 0)
		return append(g, SF_OP_CONV, &n, dx, n.in[1], 0, 0);
	return append(g, SF_OP_CONV_WEIGHT, &n, dx, n.in[0], s.dim[0], s.dim[1]);
}

sf_var sf_vjp_conv_weight(sf_graph *g, sf_var y, int k, sf_var dw)
{
	sf_node n = g->node[y];
	sf_shape s = sf_shape_of(g, n.in[0]);

	if (k == 0)
		return append(g, SF_OP_CONV_DATA, &n, n.in[1], dw, s.dim[0], s.dim[1]);
	return append(g, SF_OP_CONV, &n, n.in[0], dw, 0, 0);
}

/* ---- work: one multiply and one add for each term of the form ---- */

static double work(sf_shape z, sf_shape w)
{
	return 2 * (double)z.size * (double)w.dim[0] * (double)w.dim[1] * (double)w.dim[2];
}

double sf_flops_conv(const sf_graph *g, const sf_node *n)
{
	return work(n->shape, sf_shape_of(g, n->in[1]));
}

double sf_flops_conv_data(const sf_graph *g, const sf_node *n)
{
	return work(sf_shape_of(g, n->in[0]), sf_shape_of(g, n->in[1]));
}

double sf_flops_conv_weight(const sf_graph *g, const sf_node *n)
{
	return work(sf_shape_of(g, n->in[1]), n->shape);
}
