/* refine.c: convolution, normalisation and residual block of NCSN and NCSNv2, on images (h,w,c).
 *
 *     InstanceNorm++  h = (x - mu)/sqrt(var + e),  mu and var of each channel over the positions
 *                     m, v = mean and unbiased variance of mu over the channels
 *                     y = gamma (h + alpha (mu - m)/sqrt(v + e)) + beta,  e = 1e-5
 *     residual block  h = conv2(act(norm2(conv1(act(norm1(x))))),  y = shortcut(x) + h
 *
 * act = ELU. A block that enters a level halves the image, or dilates its kernels instead. NCSN's tables hold gamma,
 * alpha, beta of a level side by side. Parameters begin as PyTorch's do: weights and biases uniform within
 * 1/sqrt(fan_in); gains N(1, .02^2). Refine blocks: refine_block.c.
 * Song and Ermon 2019 (1907.05600), appendix A, and 2020 (2006.09011), appendix B.
 * Known answer: two channels with means 1 and 3 (m = 2, v = 2) are shifted by -+.7071 alpha.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/refine.h"

#include <math.h>

static const double EPS = 1e-5;

/* Uniform within 1/sqrt(fan): the bound is scale sqrt(3/fan). */
static sf_init as_pytorch(int64_t fan)
{
	sf_init init = {SF_INIT_UNIFORM_IN, 0, 0, 0};

	init.scale = sqrt(1. / 3);
	init.fan_in = init.fan_out = fan;
	return init;
}

/* In each run of `all` numbers the first `gains` about 1, the others 0. */
static sf_init about_one(int64_t all, int64_t gains)
{
	sf_init init = {SF_INIT_GAIN, .02, 0, 0};

	init.fan_in = all;
	init.fan_out = gains;
	return init;
}

sf_var sf_refine_conv(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int dilation, int bias)
{
	sf_shape s = sf_shape_of(g, x);
	int64_t dim[4], flat[2];
	sf_init init = as_pytorch(k * k * s.dim[2]);
	sf_var y;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	dim[0] = dim[1] = k;
	dim[2] = s.dim[2];
	dim[3] = out;
	sf_push(g, "%s", name);
	if (k == 1) { /* a matrix product over all positions */
		flat[0] = s.dim[0] * s.dim[1];
		flat[1] = s.dim[2];
		y = sf_matmul(g, sf_reshape(g, x, 2, flat), sf_param(g, "weight", 2, dim + 2, init), 0, 0);
		s.dim[2] = out;
		y = sf_reshape(g, y, 3, s.dim);
	} else {
		y = sf_conv2d_dilated(g, x, sf_param(g, "weight", 4, dim, init), 1, dilation * (k / 2), dilation);
	}
	if (bias)
		y = sf_add(g, y, sf_param(g, "bias", 1, &out, init));
	sf_pop(g);
	return y;
}

/* (mu - m)/sqrt(v + e), (c) */
static sf_var channel_means(sf_graph *g, sf_var x, int64_t c)
{
	sf_shape s = sf_shape_of(g, x);
	sf_var mu = sf_scale(g, sf_sum_to(g, x, s.per_sample, 1, &c), (double)c / (double)s.size);
	sf_var d = sf_sub(g, mu, sf_mean(g, mu));
	sf_var v = sf_scale(g, sf_sumsq(g, d), 1 / (double)(c - 1));

	return sf_div(g, d, sf_sqrt(g, sf_offset(g, v, EPS)));
}

sf_var sf_refine_norm(sf_graph *g, const sf_refine *r, const char *name, sf_var x)
{
	int64_t c, dim[2];
	sf_var gamma, alpha, beta, shift, row, y;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	c = sf_shape_of(g, x).dim[2];
	shift = channel_means(g, x, c);
	sf_push(g, "%s", name);
	if (r->levels == 0) {
		alpha = sf_param(g, "alpha", 1, &c, about_one(1, 1));
		gamma = sf_param(g, "gamma", 1, &c, about_one(1, 1));
		beta = sf_param(g, "beta", 1, &c, about_one(1, 0));
		y = sf_group_norm(g, x, gamma, beta, (int)c, EPS, SF_ACT_NONE); /* one channel a group */
		y = sf_add(g, y, sf_mul(g, sf_mul(g, gamma, alpha), shift));
	} else {
		dim[0] = r->levels;
		dim[1] = 3 * c;
		row = sf_gather(g, sf_param(g, "embed.weight", 2, dim, about_one(3 * c, 2 * c)), r->level);
		gamma = sf_slice(g, row, 0, c);
		alpha = sf_slice(g, row, c, c);
		beta = sf_slice(g, row, 2 * c, c);
		y = sf_group_norm(g, x, sf_broadcast_to(g, sf_const(g, 1), 0, 1, &c),
		                  sf_broadcast_to(g, sf_const(g, 0), 0, 1, &c), (int)c, EPS, SF_ACT_NONE);
		y = sf_add(g, y, sf_mul(g, alpha, shift));
		y = sf_add(g, sf_mul(g, y, gamma), beta);
	}
	sf_pop(g);
	return y;
}

sf_var sf_refine_res(sf_graph *g, const sf_refine *r, const char *name, sf_var x, int64_t out, int enter,
                     int dilation)
{
	int halves = enter && dilation == 1;
	int64_t in = sf_shape_of(g, x).dim[2], middle = enter ? in : out;
	sf_var h;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	sf_push(g, "%s", name);
	h = sf_elu(g, sf_refine_norm(g, r, "normalize1", x));
	h = sf_refine_conv(g, "conv1", h, middle, 3, dilation, 1);
	h = sf_elu(g, sf_refine_norm(g, r, "normalize2", h));
	h = sf_refine_conv(g, halves ? "conv2.conv" : "conv2", h, out, 3, dilation, 1);
	if (halves) { /* a 1x1 convolution of means is the mean of 1x1 convolutions */
		h = sf_down2(g, h);
		x = sf_refine_conv(g, "shortcut.conv", sf_down2(g, x), out, 1, 1, 1);
	} else if (enter || in != out) {
		x = sf_refine_conv(g, "shortcut", x, out, dilation > 1 ? 3 : 1, dilation, 1);
	}
	h = sf_keep(g, sf_add(g, x, h));
	sf_pop(g);
	return h;
}
