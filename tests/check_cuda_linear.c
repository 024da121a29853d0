/* check_cuda_linear.c: matrix products and convolutions on the device against the processor in double, in all precisions: transposed,
 * batched and broadcast operands, shared and per-sample ones, operands that are inputs (float) or results (bfloat16), weights that are
 * parameters, results of section PRE or of the batch's sums, odd sizes and strides, and one large case of each kind.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"
#include "plan_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_var node(sf_graph *g, sf_opcode op, sf_var a, sf_var b, const int64_t *i)
{
	sf_node n;

	memset(&n, 0, sizeof n);
	n.op = op;
	n.nin = 2;
	n.in[0] = a;
	n.in[1] = b;
	memcpy(n.i, i, sizeof n.i);
	return sf_append(g, &n);
}

/* ---- leaves ---- */

enum { INPUT, RESULT, SOURCES }; /* a leaf, or a result: that of a product with a matrix */

static sf_var leaf(sf_graph *g, const char *name, int per_sample, int rank, const int64_t *dim)
{
	static const sf_init zero = {SF_INIT_CONST, 0, 0, 0};

	return per_sample ? sf_input(g, name, 1, rank, dim) : sf_param(g, name, rank, dim, zero);
}

/* Of this shape; a result is a product with a matrix in its last dimension. */
static sf_var operand(sf_graph *g, const char *name, int source, int per_sample, int rank, const int64_t *dim)
{
	const int64_t square[2] = {dim[rank - 1], dim[rank - 1]};
	char by[40];

	snprintf(by, sizeof by, "%s.by", name);
	if (source == INPUT)
		return leaf(g, name, per_sample, rank, dim);
	return sf_matmul(g, leaf(g, name, per_sample, rank, dim), leaf(g, by, 0, 2, square), 0, 0);
}

/* ---- comparison ---- */

static void compare_in(plan_fixture *f, int precision, const char *what)
{
	const how cpu = {SF_F64, "base", 1, 0, SAMPLES * 16, 0}, device = {SF_F32, "base", 1, 1, 1, 1};
	plan_array *want = plan_run_all(f, &cpu), *out;
	int i;

	rig_device(f->ctx, precision, 1);
	out = plan_run_all(f, &device);
	for (i = 0; i < f->nout; i++) {
		const sf_shape *s = &f->g->node[f->out[i]].shape;
		double d = rig_distance(s->size * (s->per_sample ? f->n : 1), out[i].data, want[i].data);

		ck_assert_msg(d <= rig_tolerance[precision], "%s, %lld samples, %s: output %d is %g off, at most %g", what, (long long)f->n,
		              rig_precision[precision], i, d, rig_tolerance[precision]);
	}
	plan_free_arrays(out, f->nout);
	plan_free_arrays(want, f->nout);
}

static void compare(int (*build)(sf_graph *g, sf_var *out), int64_t n, const char *what)
{
	const plan_case c = {what, 1, build};
	int precision;

	for (precision = 0; precision < 3; precision++) {
		plan_fixture f;

		plan_set_up(&f, &c, n, 0);
		compare_in(&f, precision, what);
		plan_tear_down(&f);
	}
}

/* ---- products ---- */

static struct product {
	int lead_a, lead_b, per_a, per_b, ta, tb, sum, bias, from_a, from_b;
	int64_t lead, r, k, m;
} now;

static sf_var matrix(sf_graph *g, const char *name, int source, int per_sample, int leading, int t, int64_t rows, int64_t cols)
{
	const int64_t dim[3] = {now.lead, t ? cols : rows, t ? rows : cols};

	return operand(g, name, source, per_sample, leading ? 3 : 2, leading ? dim : dim + 1);
}

/* The product, and what it is as an operand of another one (there its type is its own). */
static int build_product(sf_graph *g, sf_var *out)
{
	const int64_t attributes[6] = {now.ta, now.tb, now.sum, 0, 0, 0}, row = now.m;
	sf_var a = matrix(g, "a", now.from_a, now.per_a, now.lead_a, now.ta, now.r, now.k);
	sf_var b = matrix(g, "b", now.from_b, now.per_b, now.lead_b, now.tb, now.k, now.m), c;
	const int64_t square[2] = {now.m, now.m};

	c = node(g, SF_OP_MATMUL, a, b, attributes);
	if (now.bias)
		c = sf_add(g, c, leaf(g, "bias", 0, 1, &row));
	out[0] = sf_matmul(g, c, leaf(g, "after", 0, 2, square), 0, 0);
	out[1] = c;
	return now.bias ? 1 : 2;
}

static void product_text(char *text, size_t size)
{
	snprintf(text, size, "%s%s%s%s by %s%s%s%s%s%s", now.per_a ? "*" : "", now.lead_a ? "lead," : "", now.ta ? "k,r" : "r,k",
	         now.from_a ? " (result)" : "", now.per_b ? "*" : "", now.lead_b ? "lead," : "", now.tb ? "m,k" : "k,m",
	         now.from_b ? " (result)" : "", now.sum ? ", summed" : "", now.bias ? ", bias" : "");
}

/* All mixtures of what operands are, a 32nd part of them at a time. */
static void products(int64_t n, int bits)
{
	char text[120];
	int i;

	for (i = 0; i < 32; i++) {
		now.lead_a = i & 1;
		now.lead_b = i >> 1 & 1;
		now.per_a = i >> 2 & 1;
		now.per_b = i >> 3 & 1;
		now.sum = i >> 4 & 1;
		now.ta = bits & 1;
		now.tb = bits >> 1 & 1;
		now.from_a = bits >> 2 & 1;
		now.from_b = bits >> 3 & 1;
		now.bias = bits >> 4 & 1;
		if (now.sum && (now.bias || !now.per_a || !now.per_b || now.lead_a != now.lead_b))
			continue;
		product_text(text, sizeof text);
		compare(build_product, n, text);
	}
}

enum { MIXTURES = 32, RESULTS = 12 /* of both operands */ };

START_TEST(one_sample)
{
	static const struct product sizes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 5, 7, 4};

	now = sizes;
	products(1, _i | RESULTS);
}
END_TEST

START_TEST(few_samples)
{
	static const struct product sizes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 3, 9, 8};

	now = sizes;
	products(5, _i);
}
END_TEST

START_TEST(leading_outnumber_samples)
{
	static const struct product sizes = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, 1, 5, 6};

	now = sizes;
	products(3, _i);
}
END_TEST

START_TEST(large_products)
{
	static const struct product cases[] = {
		{1, 0, 1, 0, 0, 0, 0, 1, 1, 0, 5, 11, 90, 65},   /* rows of all samples by one matrix */
		{1, 1, 1, 1, 1, 0, 1, 0, 1, 1, 6, 33, 20, 47},   /* weights' gradient */
		{1, 1, 1, 1, 0, 1, 0, 0, 1, 1, 4, 70, 33, 70},    /* attention's scores */
		{1, 1, 1, 1, 0, 1, 1, 0, 0, 0, 37, 130, 2, 140},   /* a sum whose batch is taken in several pieces */
	};
	char text[120];

	now = cases[_i];
	product_text(text, sizeof text);
	compare(build_product, _i == 3 ? 4 : 9, text);
}
END_TEST

/* Sums over the batch, and products of them: section POST. */
static int build_after(sf_graph *g, sf_var *out)
{
	static const int64_t x[2] = {6, 5}, y[2] = {6, 3}, w[2] = {3, 4}, sum[6] = {1, 0, 1, 0, 0, 0};
	sf_var s = node(g, SF_OP_MATMUL, leaf(g, "x", 1, 2, x), leaf(g, "y", 1, 2, y), sum);

	out[0] = s;
	out[1] = sf_matmul(g, s, leaf(g, "w", 0, 2, w), 0, 0);
	out[2] = sf_matmul(g, s, out[1], 1, 0);
	return 3;
}

/* ---- convolutions ---- */

static const struct geometry {
	int64_t h, w, ci, co, kh, kw;
	int stride, pad, dilation;
} geometries[] = {
	{8, 6, 3, 5, 3, 3, 1, 1, 1}, {7, 5, 1, 1, 3, 3, 1, 1, 1}, {6, 9, 8, 16, 1, 1, 1, 0, 1}, {9, 8, 4, 3, 3, 3, 2, 1, 1},
	{8, 8, 2, 7, 4, 2, 2, 0, 1}, {11, 7, 5, 2, 3, 3, 1, 2, 2}, {10, 13, 3, 1, 2, 3, 3, 4, 3}, {5, 4, 16, 8, 5, 4, 1, 0, 1},
	{4, 5, 1, 3, 3, 3, 1, 5, 1}, {3, 3, 2, 2, 1, 1, 4, 1, 1}, {9, 8, 24, 17, 3, 3, 1, 1, 1},
};
enum { GEOMETRIES = sizeof geometries / sizeof *geometries };

static struct geometry shape;
static int images_from, weights_from, shared_images;

static int64_t outside(int64_t size, int64_t k)
{
	return (size + 2 * shape.pad - shape.dilation * (k - 1) - 1) / shape.stride + 1;
}

/* All three directions, and their results as operands. */
static int build_conv(sf_graph *g, sf_var *out)
{
	const int64_t x[3] = {shape.h, shape.w, shape.ci}, y[3] = {outside(shape.h, shape.kh), outside(shape.w, shape.kw), shape.co};
	const int64_t w[4] = {shape.kh, shape.kw, shape.ci, shape.co};
	const int64_t back[6] = {shape.stride, shape.pad, shape.h, shape.w, shape.dilation, 0};
	const int64_t weight[6] = {shape.stride, shape.pad, shape.kh, shape.kw, shape.dilation, 0};
	const int64_t one[4] = {1, 1, shape.co, 3}, two[4] = {1, 1, shape.ci, 2};
	sf_var vx = operand(g, "x", images_from, !shared_images, 3, x), vy = operand(g, "y", images_from, !shared_images, 3, y);
	sf_var vw = operand(g, "w", weights_from, 0, 4, w), there, here;

	there = sf_conv2d_dilated(g, vx, vw, shape.stride, shape.pad, shape.dilation);
	here = node(g, SF_OP_CONV_DATA, vy, vw, back);
	out[0] = there;
	out[1] = here;
	out[2] = node(g, SF_OP_CONV_WEIGHT, vx, vy, weight);
	out[3] = sf_conv2d(g, sf_conv2d_dilated(g, vx, vw, shape.stride, shape.pad, shape.dilation), leaf(g, "one", 0, 4, one), 1, 0);
	out[4] = sf_conv2d(g, node(g, SF_OP_CONV_DATA, vy, vw, back), leaf(g, "two", 0, 4, two), 1, 0);
	out[5] = node(g, SF_OP_CONV_WEIGHT, here, there, weight); /* of results that are outputs too */
	return 6;
}

START_TEST(convolutions)
{
	char text[80];
	int bits;

	shape = geometries[_i];
	for (bits = 0; bits < 8; bits++) {
		images_from = bits & 1;
		weights_from = bits >> 1 & 1;
		shared_images = bits >> 2 & 1;
		snprintf(text, sizeof text, "convolution %d%s%s%s", _i, images_from ? ", images are results" : "",
		         weights_from ? ", weights are results" : "", shared_images ? ", images are shared" : "");
		compare(build_conv, 1, text);
		if (!shared_images)
			compare(build_conv, 3, text);
	}
}
END_TEST

START_TEST(after_the_batch)
{
	compare(build_after, 4, "products of sums");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_linear");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, one_sample, 0, 4);
	tcase_add_loop_test(t, few_samples, 0, MIXTURES);
	tcase_add_loop_test(t, leading_outnumber_samples, 0, RESULTS);
	tcase_add_loop_test(t, large_products, 0, 4);
	tcase_add_test(t, after_the_batch);
	tcase_add_loop_test(t, convolutions, 0, GEOMETRIES);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
