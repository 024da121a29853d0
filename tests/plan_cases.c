/* plan_cases.c: see plan_cases.h. Sizes are odd where that is allowed.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "plan_cases.h"

#include <stdio.h>

/* A leaf of up to four dimensions (0 ends the list); every third shared one is a parameter. */
static sf_var leaf(sf_graph *g, int per_sample, int64_t a, int64_t b, int64_t c, int64_t d)
{
	sf_init init = {SF_INIT_UNIFORM_IN, 1, 1, 1};
	int64_t dim[4];
	char name[32];
	int rank;

	dim[0] = a;
	dim[1] = b;
	dim[2] = c;
	dim[3] = d;
	for (rank = 0; rank < 4 && dim[rank] > 0; rank++)
		;
	snprintf(name, sizeof name, "leaf%d", sf_graph_nodes(g));
	if (!per_sample && sf_graph_nodes(g) % 3)
		return sf_param(g, name, rank, dim, init);
	return sf_input(g, name, per_sample, rank, dim);
}

static sf_var x_(sf_graph *g, int64_t a, int64_t b, int64_t c, int64_t d)
{
	return leaf(g, 1, a, b, c, d);
}

static sf_var w_(sf_graph *g, int64_t a, int64_t b, int64_t c, int64_t d)
{
	return leaf(g, 0, a, b, c, d);
}

/* A loss that weighs every element of y differently, and its gradients. */
static int gradients(sf_graph *g, sf_var y, const sf_var *wrt, int n, sf_var *out)
{
	sf_shape s = sf_shape_of(g, y);
	sf_var v = leaf(g, 1, s.rank > 0 ? s.dim[0] : 0, s.rank > 1 ? s.dim[1] : 0,
	                s.rank > 2 ? s.dim[2] : 0, s.rank > 3 ? s.dim[3] : 0);
	sf_var loss = sf_dot(g, v, y);

	out[0] = loss;
	if (sf_shape_of(g, loss).per_sample)
		loss = sf_batch_sum(g, loss);
	sf_grad(g, loss, wrt, n, out + 1);
	return n + 1;
}

static int maps(sf_graph *g, sf_var *out)
{
	sf_var x = x_(g, 3, 5, 7, 0), p = sf_offset(g, sf_square(g, x), 0.5), y;
	int n = 0;

	out[n++] = sf_add(g, sf_sqrt(g, p), sf_log(g, p));
	out[n++] = sf_sub(g, sf_exp(g, x), sf_scale(g, sf_sin(g, x), 2.5));
	out[n++] = sf_mul(g, sf_cos(g, x), sf_tanh(g, x));
	out[n++] = sf_div(g, sf_sigmoid(g, x), p);
	y = sf_add(g, sf_silu(g, x), sf_mul(g, sf_relu(g, x), sf_step(g, x)));
	out[n++] = y = sf_add(g, sf_mul(g, sf_softplus(g, x), sf_detach(g, y)), sf_elu(g, x));
	return n + gradients(g, y, &x, 1, out + n);
}

/* Operands that repeat along some dimensions, on either side of every two-operand map. */
static int broadcasts(sf_graph *g, sf_var *out)
{
	static const int64_t dim[][3] = {{3, 5, 7}, {1, 1, 7}, {3, 5, 1}, {1, 5, 1},
	                                 {3, 1, 7}, {3, 1, 1}, {1, 5, 7}};
	sf_var x = x_(g, 3, 5, 7, 0), y = x, wrt[16];
	int i, per_sample, n = 0, k = 0;

	for (per_sample = 0; per_sample < 2; per_sample++)
		for (i = 0; i < 7; i++) {
			sf_var a = leaf(g, per_sample, dim[i][0], dim[i][1], dim[i][2], 0);

			wrt[k++] = a;
			out[n++] = sf_sub(g, a, x);
			out[n++] = i % 2 ? sf_mul(g, a, x)
			                 : sf_div(g, x, sf_offset(g, sf_square(g, a), 1));
			y = sf_add(g, a, y);
			y = sf_mul(g, y, sf_offset(g, sf_sin(g, a), 1.5));
		}
	out[n - 1] = y;
	wrt[k++] = x;
	/* outer products: neither operand has the result's shape */
	out[0] = sf_div(g, x_(g, 3, 1, 7, 0), sf_offset(g, sf_square(g, w_(g, 1, 5, 1, 0)), 1));
	out[1] = sf_sub(g, x_(g, 0, 0, 0, 0), w_(g, 7, 0, 0, 0));
	out[2] = sf_mul(g, w_(g, 3, 1, 0, 0), w_(g, 5, 0, 0, 0));
	gradients(g, y, wrt, 10, out + n - 11);
	return n;
}

static int sums(sf_graph *g, sf_var *out)
{
	static const int64_t to[][4] = {{3, 1, 7, 2}, {1, 5, 1, 2}, {3, 5, 1, 1}, {1, 1, 7, 2},
	                                {1, 5, 7, 1}, {3, 1, 1, 2}, {3, 5, 7, 2}, {1, 1, 1, 1}};
	sf_var x = x_(g, 3, 5, 7, 2), w = w_(g, 3, 5, 7, 2), big;
	int n = 0, i;
	int64_t two = 2, dim[4] = {3, 5, 7, 2};

	for (i = 0; i < 8; i++) {
		if (i != 6)
			out[n++] = sf_sum_to(g, x, 1, 4, to[i]);
		out[n++] = sf_sum_to(g, x, 0, 4, to[i]);
		if (i != 6)
			out[n++] = sf_sum_to(g, w, 0, 4, to[i]);
	}
	out[n++] = sf_sum_to(g, x, 0, 1, &two);
	out[n++] = sf_sum(g, x);
	out[n++] = sf_batch_sum(g, sf_sum(g, x));
	big = sf_broadcast_to(g, sf_sum_to(g, x, 1, 4, to[1]), 1, 4, dim);
	out[n++] = big;
	out[n++] = sf_sum(g, sf_mul(g, big, sf_broadcast_to(g, w_(g, 7, 1, 0, 0), 1, 4, dim)));
	out[n++] = sf_reshape(g, sf_broadcast_to(g, sf_const(g, 0.25), 1, 4, dim), 1,
	                      (int64_t[]){210});
	return n;
}

/* The four transpositions; with leading sizes on both sides or on one of them. */
static int products(sf_graph *g, int from, int to, sf_var *out)
{
	int n = 0, t, k;

	for (t = 0; t < 4; t++)
		for (k = from; k < to; k++) {
			int ta = t & 1, tb = t >> 1, la = k > 2, lb = k == 3;
			int64_t a[3] = {2, 5, 3}, b[3] = {2, 3, 4};
			sf_var wrt[2], d[3];

			if (ta) {
				a[1] = 3;
				a[2] = 5;
			}
			if (tb) {
				b[1] = 4;
				b[2] = 3;
			}
			wrt[0] = leaf(g, k != 1, a[!la], a[1 + !la], la ? a[2] : 0, 0);
			wrt[1] = leaf(g, k == 0 || k == 1 || k == 3, b[!lb], b[1 + !lb],
			              lb ? b[2] : 0, 0);
			gradients(g, sf_matmul(g, wrt[0], wrt[1], ta, tb), wrt, 2, d);
			out[n++] = d[0];
			out[n++] = d[1];
			out[n++] = d[2];
		}
	return n;
}

static int matrices(sf_graph *g, sf_var *out)
{
	int n = products(g, 0, 3, out);

	out[n++] = sf_matmul(g, x_(g, 3, 0, 0, 0), w_(g, 3, 4, 0, 0), 0, 0);
	out[n++] = sf_matmul(g, x_(g, 3, 0, 0, 0), x_(g, 4, 3, 0, 0), 0, 1);
	out[n++] = sf_matmul(g, w_(g, 3, 0, 0, 0), x_(g, 3, 4, 0, 0), 0, 0);
	out[n++] = sf_matmul(g, w_(g, 4, 3, 0, 0), w_(g, 4, 5, 0, 0), 1, 0);
	return n;
}

static int stacks(sf_graph *g, sf_var *out)
{
	int n = products(g, 3, 5, out);

	out[n++] = sf_matmul(g, w_(g, 2, 3, 5, 0), w_(g, 4, 5, 0, 0), 0, 1);
	out[n++] = sf_matmul(g, x_(g, 5, 3, 0, 0), w_(g, 2, 4, 3, 0), 0, 1);
	out[n++] = sf_matmul(g, x_(g, 2, 5, 3, 0), w_(g, 2, 3, 4, 0), 0, 0);
	return n;
}

/* Rows through a shared matrix, as in a network; x' dy is one product over all samples. */
static int dense(sf_graph *g, sf_var *out)
{
	sf_var x = x_(g, 6, 0, 0, 0), w = w_(g, 6, 9, 0, 0), b = w_(g, 9, 0, 0, 0),
	       v = w_(g, 4, 9, 0, 0);
	sf_var y = sf_matmul(g, sf_silu(g, sf_add(g, sf_matmul(g, x, w, 0, 0), b)), v, 0, 1),
	       wrt[4];

	wrt[0] = x;
	wrt[1] = w;
	wrt[2] = b;
	wrt[3] = v;
	out[0] = y;
	return 1 + gradients(g, y, wrt, 4, out + 1);
}

static int convolutions(sf_graph *g, sf_var *out)
{
	static const int64_t spec[][7] = {/* h, w, ci, co, kernel, stride, pad */
	                                  {5, 7, 3, 4, 3, 1, 1},
	                                  {6, 5, 4, 2, 3, 2, 1},
	                                  {4, 4, 5, 6, 1, 1, 0},
	                                  {7, 6, 1, 3, 3, 1, 0},
	                                  {8, 8, 16, 32, 3, 1, 1}};
	int i, n = 0;

	for (i = 0; i < 5; i++) {
		const int64_t *s = spec[i];
		sf_var wrt[2], y;

		wrt[0] = x_(g, s[0], s[1], s[2], 0);
		wrt[1] = w_(g, s[4], s[4], s[2], s[3]);
		out[n++] = y = sf_conv2d(g, wrt[0], wrt[1], (int)s[5], (int)s[6]);
		n += gradients(g, y, wrt, 2, out + n);
	}
	/* everything shared */
	out[n++] = sf_conv2d(g, w_(g, 4, 5, 2, 0), sf_square(g, w_(g, 3, 3, 2, 3)), 1, 1);
	return n;
}

static int moves(sf_graph *g, sf_var *out)
{
	static const int axis[][4] = {{1, 0, 2, 3}, {3, 2, 1, 0}, {0, 1, 3, 2}, {2, 3, 0, 1},
	                              {1, 3, 0, 2}, {0, 3, 1, 2}, {2, 1, 0, 3}};
	static const int64_t flat[] = {2, 105};
	sf_var x = x_(g, 2, 3, 5, 7), w = w_(g, 2, 3, 5, 7), table = w_(g, PLAN_ROWS, 3, 0, 0), i;
	sf_var wrt[3], y, d[4];
	int n = 0, k;

	for (k = 0; k < 7; k++)
		out[n++] = sf_permute(g, x, axis[k]);
	out[n++] = sf_permute(g, w, axis[4]);
	y = sf_reshape(g, out[1], 2, flat);
	out[n++] = y = sf_concat(g, sf_slice(g, y, 3, 50), sf_slice(g, y, 0, 105));
	out[n++] = sf_concat(g, x, w);
	wrt[0] = x;
	n += gradients(g, y, wrt, 1, out + n);
	i = sf_input(g, "index", 1, 0, NULL);
	out[n++] = y = sf_gather(g, table, i);
	wrt[0] = table;
	gradients(g, sf_square(g, y), wrt, 1, d);
	out[n++] = d[1];
	return n;
}

static int resampling(sf_graph *g, sf_var *out)
{
	static const double tap[4] = {0.125, 0.5, 0.25, 0.75};
	static const int spec[][5] = {{1, 1, 1, 2, 4}, {2, 1, 2, 1, 4},  {1, 2, 1, 1, 4},
	                              {3, 2, 0, 3, 3}, {2, 3, -1, 2, 2}, {1, 1, 6, 0, 1}};
	sf_var x = x_(g, 6, 8, 3, 0), y;
	int n = 0, i;

	for (i = 0; i < 6; i++) {
		out[n++] = y = sf_upfirdn(g, x, spec[i][0], spec[i][1], spec[i][2], spec[i][3],
		                          spec[i][4], tap);
		n += gradients(g, y, &x, 1, out + n);
	}
	out[n++] = y = sf_up2(g, sf_down2(g, x_(g, 4, 6, 20, 0)));
	out[n++] = sf_down2(g, w_(g, 4, 2, 1, 0));
	return n;
}

/* Maxima and their adjoints, dilated kernels (also one kernel under two dilations), constant tensors, resizing. */
static int pools(sf_graph *g, sf_var *out)
{
	static const int64_t dim[2] = {2, 3};
	static const double value[6] = {1, 2, 3, -4, 5, 0.5};
	static const int spec[][3] = {{5, 1, 2}, {3, 2, 1}, {2, 3, 0}}; /* window, stride, padding */
	sf_var wrt[2], y, c = sf_const_tensor(g, 2, dim, value);
	int n = 0, i;

	for (i = 0; i < 3; i++) {
		wrt[0] = x_(g, 7, 8, 19, 0);
		out[n++] = y = sf_max_pool(g, wrt[0], spec[i][0], spec[i][1], spec[i][2]);
		n += gradients(g, y, wrt, 1, out + n);
	}
	out[n++] = sf_pick(g, w_(g, 4, 3, 2, 0), x_(g, 4, 3, 2, 0), 3, 1, 1);
	out[n++] = sf_pick(g, w_(g, 4, 3, 2, 0), w_(g, 4, 3, 2, 0), 2, 1, 1);
	wrt[0] = x_(g, 7, 8, 16, 0);
	wrt[1] = w_(g, 3, 3, 16, 16);
	y = sf_conv2d_dilated(g, wrt[0], wrt[1], 1, 2, 2);
	out[n++] = y = sf_add(g, y, sf_conv2d_dilated(g, y, wrt[1], 1, 4, 4));
	n += gradients(g, y, wrt, 2, out + n);
	out[n++] = sf_conv2d_dilated(g, wrt[0], wrt[1], 1, 1, 2);
	out[n++] = sf_conv2d(g, wrt[0], wrt[1], 1, 1);
	wrt[0] = x_(g, 3, 5, 4, 0);
	out[n++] = y = sf_resize_bilinear(g, wrt[0], 6, 7);
	n += gradients(g, y, wrt, 1, out + n);
	out[n++] = sf_resize_bilinear(g, w_(g, 4, 4, 2, 0), 2, 3);
	out[n++] = c;
	out[n++] = sf_matmul(g, x_(g, 2, 2, 0, 0), c, 0, 0);
	return n;
}

static int norms(sf_graph *g, sf_var *out)
{
	int n = 0, act;

	for (act = 0; act < 2; act++) {
		sf_var x = x_(g, 3, 5, 6, 0), wrt[3], y;

		wrt[0] = x;
		wrt[1] = w_(g, 6, 0, 0, 0);
		wrt[2] = w_(g, 6, 0, 0, 0);
		out[n++] = y = sf_group_norm(g, x, wrt[1], wrt[2], act ? 3 : 2, 1e-5,
		                             act ? SF_ACT_SILU : SF_ACT_NONE);
		n += gradients(g, y, wrt, 3, out + n);
		y = sf_group_norm(g, x_(g, 7, 4, 0, 0), w_(g, 4, 0, 0, 0),
		                  wrt[2] = w_(g, 4, 0, 0, 0), 1, 1e-3, SF_ACT_SILU);
		n += gradients(g, y, wrt + 2, 1, out + n); /* one of the two gradients alone */
		y = sf_group_norm(g, wrt[0] = x_(g, 7, 4, 0, 0), w_(g, 4, 0, 0, 0),
		                  w_(g, 4, 0, 0, 0), 4, 1e-3, SF_ACT_NONE);
		n += gradients(g, y, wrt, 1, out + n);
	}
	return n;
}

static int attention(sf_graph *g, sf_var *out)
{
	sf_var wrt[3], y;
	int n = 0;

	wrt[0] = x_(g, 5, 6, 0, 0);
	wrt[1] = x_(g, 7, 6, 0, 0);
	wrt[2] = x_(g, 7, 6, 0, 0);
	out[n++] = y = sf_attention(g, wrt[0], wrt[1], wrt[2], 2);
	n += gradients(g, y, wrt, 3, out + n);
	out[n++] = sf_softmax(g, w_(g, 3, 4, 0, 0));
	out[n++] = sf_attention(g, wrt[0], w_(g, 4, 6, 0, 0), w_(g, 4, 6, 0, 0), 1);
	return n;
}

static int noise(sf_graph *g, sf_var *out)
{
	static const int64_t dim[2] = {5, 301};
	sf_var x = x_(g, 301, 0, 0, 0);

	out[0] = sf_random(g, 'n', SF_NOISE_USER, 2, dim);
	out[1] = sf_add(g, x, sf_random(g, 'u', SF_NOISE_USER + 1, 2, dim));
	out[2] = sf_random(g, 'r', SF_NOISE_USER + 2, 2, dim);
	out[3] = sf_batch_sum(g, sf_mul(g, out[2], x));
	return 4;
}

/* Values before, during and after the sums over the batch; outputs that are leaves, or the same. */
static int phases(sf_graph *g, sf_var *out)
{
	sf_var x = x_(g, 4, 3, 0, 0), w = w_(g, 3, 3, 0, 0), unit, y, s;
	static const int64_t row[1] = {12};

	unit = sf_div(g, w, sf_sqrt(g, sf_offset(g, sf_sumsq(g, w), 0.1)));
	y = sf_tanh(g, sf_matmul(g, x, unit, 0, 1));
	s = sf_batch_sum(g, y);
	out[0] = sf_div(g, s, sf_offset(g, sf_sqrt(g, sf_sumsq(g, s)), 1));
	out[1] = sf_matmul(g, s, unit, 0, 0);
	out[2] = s;
	out[3] = s;
	out[4] = x;
	out[5] = w;
	out[6] = unit;
	out[7] = sf_reshape(g, y, 1, row);
	out[8] = y;
	out[9] = sf_const(g, 0.75);
	out[10] = sf_square(g, sf_reshape(g, s, 1, row));
	out[11] = sf_batch_sum(g, sf_square(g, sf_sub(g, y, x)));
	return 12;
}

/* Sliced score matching of a small network: the gradient of v'Jv, Song et al. 2019, equation 5. */
static int sliced(sf_graph *g, sf_var *out)
{
	sf_var x = x_(g, 5, 4, 2, 0), v = x_(g, 5, 4, 2, 0), wrt[4], h, y, loss;
	static const int64_t image[3] = {5, 4, 6};

	wrt[0] = w_(g, 3, 3, 2, 6);
	wrt[1] = w_(g, 6, 0, 0, 0);
	wrt[2] = w_(g, 6, 0, 0, 0);
	wrt[3] = w_(g, 3, 3, 6, 2);
	h = sf_keep(g, sf_conv2d(g, x, wrt[0], 1, 1));
	h = sf_keep(g, sf_group_norm(g, h, wrt[1], wrt[2], 2, 1e-3, SF_ACT_SILU));
	h = sf_add(g, h,
	           sf_reshape(g,
	                      sf_attention(g, sf_reshape(g, h, 2, (int64_t[]){20, 6}),
	                                   sf_reshape(g, h, 2, (int64_t[]){20, 6}),
	                                   sf_reshape(g, h, 2, (int64_t[]){20, 6}), 2),
	                      3, image));
	y = sf_conv2d(g, sf_keep(g, h), wrt[3], 1, 1);
	loss = sf_add(g, sf_dot(g, v, sf_jvp(g, y, x, v)), sf_scale(g, sf_sumsq(g, y), 0.5));
	out[0] = loss;
	sf_grad(g, loss, wrt, 4, out + 1);
	return 5;
}

static int sliced_again(sf_graph *g, sf_var *out)
{
	sf_graph_recompute(g, SF_RECOMPUTE_BLOCKS);
	return sliced(g, out);
}

/* Three blocks with dropout, the last of them of the first two side by side. */
static int blocks(sf_graph *g, sf_var *out)
{
	static const int64_t dim[3] = {3, 5, 6};
	sf_var wrt[7], h[4];
	int i, n = 0;

	h[0] = x_(g, 3, 5, 6, 0);
	for (i = 0; i < 3; i++) {
		sf_var x = i < 2 ? h[i] : sf_concat(g, h[1], h[2]), a, w;
		int64_t c = i < 2 ? 6 : 12;

		wrt[n++] = w = w_(g, c, 0, 0, 0);
		a = sf_group_norm(g, x, w, w_(g, c, 0, 0, 0), 3, 1e-3, SF_ACT_SILU);
		a = sf_mul(g, a, sf_step(g, sf_offset(g, sf_random(g, 'u', 900 + (uint32_t)i, 3, (int64_t[]){3, 5, c}), -.3)));
		wrt[n++] = w = w_(g, 3, 3, c, 6);
		a = sf_conv2d(g, a, w, 1, 1);
		h[i + 1] = sf_keep(g, sf_add(g, sf_silu(g, a), h[i]));
	}
	wrt[n++] = h[0];
	return gradients(g, sf_tanh(g, sf_reshape(g, h[3], 3, dim)), wrt, n, out);
}

static int blocks_again(sf_graph *g, sf_var *out)
{
	sf_graph_recompute(g, SF_RECOMPUTE_BLOCKS);
	return blocks(g, out);
}

static int blocks_cheap(sf_graph *g, sf_var *out)
{
	sf_graph_recompute(g, SF_RECOMPUTE_CHEAP);
	return blocks(g, out);
}

const plan_case plan_cases[] = {{"maps", 1, maps},
                                {"maps", 2, maps},
                                {"broadcasts", 1, broadcasts},
                                {"sums", 1, sums},
                                {"matrices", 1, matrices},
                                {"stacks", 1, stacks},
                                {"dense", 1, dense},
                                {"dense", 2, dense},
                                {"convolutions", 1, convolutions},
                                {"moves", 1, moves},
                                {"resampling", 1, resampling},
                                {"pools", 1, pools},
                                {"norms", 1, norms},
                                {"norms", 2, norms},
                                {"attention", 1, attention},
                                {"attention", 2, attention},
                                {"noise", 1, noise},
                                {"phases", 1, phases},
                                {"sliced", 2, sliced},
                                {"sliced, computed again", 2, sliced_again},
                                {"blocks", 1, blocks},
                                {"blocks, computed again", 1, blocks_again},
                                {"blocks, cheap", 1, blocks_cheap},
                                {"blocks, cheap", 2, blocks_cheap}};
const int plan_case_count = (int)(sizeof plan_cases / sizeof *plan_cases);
