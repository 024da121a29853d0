/* check_graph.c: building graphs: shapes, errors that stick, names, parameters and their initial values.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "graph_naive.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static sf_ctx *ctx;
static sf_graph *g;

static void setup(void)
{
	ctx = ck_ctx();
	ck_assert_int_eq(sf_graph_new(ctx, 1, &g), 0);
}

static void teardown(void)
{
	sf_graph_free(g);
	sf_ctx_free(ctx);
}

static void restart(int order)
{
	sf_graph_free(g);
	ck_assert_int_eq(sf_graph_new(ctx, order, &g), 0);
}

/* An input with digits as sizes: "432" is (4,3,2). */
static sf_var in(int per_sample, const char *digits)
{
	int64_t dim[SF_MAXRANK] = {0, 0, 0, 0};
	int rank = 0;

	for (; digits[rank]; rank++)
		dim[rank] = digits[rank] - '0';
	return sf_input(g, "x", per_sample, rank, dim);
}

static void expect_shape(sf_var a, int per_sample, const char *digits)
{
	sf_shape s = sf_shape_of(g, a);
	int64_t size = 1;
	int i;

	ck_assert_msg(sf_graph_status(g) == 0, "%s", sf_ctx_message(ctx));
	ck_assert_int_eq(s.rank, (int)strlen(digits));
	ck_assert_int_eq(s.per_sample, per_sample);
	for (i = 0; i < s.rank; i++) {
		ck_assert_int_eq(s.dim[i], digits[i] - '0');
		size *= s.dim[i];
	}
	ck_assert_int_eq(s.size, size);
}

static void expect_error(sf_var a, int code, const char *text)
{
	ck_assert_int_eq(a, SF_NOVAR);
	ck_assert_int_eq(sf_graph_status(g), code);
	ck_assert_str_eq(sf_ctx_message(ctx), text);
	restart(1);
}

START_TEST(shapes)
{
	static const double tap[4] = {1, 3, 3, 1};
	static const int axis[3] = {2, 0, 1};
	static const int64_t dim[4] = {2, 1, 6, 2}, row[2] = {3, 1};

	expect_shape(in(1, ""), 1, "");
	expect_shape(sf_const(g, 2), 0, "");
	expect_shape(sf_add(g, in(1, "34"), in(0, "4")), 1, "34");
	expect_shape(sf_mul(g, in(0, "31"), in(1, "4")), 1, "34");
	expect_shape(sf_mul(g, in(0, "2"), in(0, "")), 0, "2");
	expect_shape(sf_sum(g, in(1, "234")), 1, "");
	expect_shape(sf_mean(g, in(0, "234")), 0, "");
	expect_shape(sf_batch_sum(g, in(1, "23")), 0, "23");
	expect_shape(sf_sum_to(g, in(1, "234"), 0, 2, row), 0, "31");
	expect_shape(sf_broadcast_to(g, in(0, "1"), 1, 2, row), 1, "31");
	expect_shape(sf_matmul(g, in(1, "34"), in(0, "45"), 0, 0), 1, "35");
	expect_shape(sf_matmul(g, in(1, "243"), in(0, "54"), 1, 1), 1, "235");
	expect_shape(sf_matmul(g, in(1, "3"), in(0, "34"), 0, 0), 1, "4");
	expect_shape(sf_matmul(g, in(0, "34"), in(1, "2745"), 0, 0), 1, "2735");
	expect_shape(sf_conv2d(g, in(1, "873"), in(0, "3335"), 1, 1), 1, "875");
	expect_shape(sf_conv2d(g, in(1, "873"), in(0, "3335"), 2, 1), 1, "445");
	expect_shape(sf_upfirdn(g, in(1, "432"), 2, 1, 2, 1, 4, tap), 1, "862");
	expect_shape(sf_upfirdn(g, in(1, "862"), 1, 2, 1, 1, 4, tap), 1, "432");
	expect_shape(sf_down2(g, in(1, "462")), 1, "232");
	expect_shape(sf_up2(g, in(1, "232")), 1, "462");
	expect_shape(sf_reshape(g, in(1, "234"), 4, dim), 1, "2162");
	expect_shape(sf_permute(g, in(1, "234"), axis), 1, "423");
	expect_shape(sf_concat(g, in(1, "23"), in(0, "24")), 1, "27");
	expect_shape(sf_slice(g, in(1, "27"), 3, 2), 1, "22");
	expect_shape(sf_gather(g, in(0, "53"), in(1, "")), 1, "3");
	expect_shape(sf_softmax(g, in(1, "23")), 1, "23");
	expect_shape(sf_group_norm(g, in(1, "236"), in(0, "6"), in(0, "6"), 3, 1e-6, SF_ACT_SILU), 1, "236");
	expect_shape(sf_attention(g, in(1, "34"), in(1, "54"), in(1, "54"), 2), 1, "34");
	expect_shape(sf_random(g, 'n', SF_NOISE_PROBE, 2, row), 1, "31");
}
END_TEST

START_TEST(messages)
{
	static const int64_t six = 6, none = 0, huge[3] = {1 << 20, 1 << 20, 1 << 20};
	static const int axis[2] = {0, 0};
	static const double tap = 1;
	sf_var x;

	expect_error(sf_matmul(g, in(1, "48"), in(0, "93"), 0, 0), SF_EMISMATCH,
	             "matmul: (4,8) by (9,3): inner sizes differ");
	expect_error(sf_matmul(g, in(1, "48"), in(0, "93"), 1, 1), SF_EMISMATCH,
	             "matmul: (4,8)' by (9,3)': inner sizes differ");
	expect_error(sf_matmul(g, in(1, "234"), in(1, "345"), 0, 0), SF_EMISMATCH,
	             "matmul: (2,3,4) by (3,4,5): leading sizes differ");
	expect_error(sf_matmul(g, in(1, ""), in(0, "93"), 0, 0), SF_EMISMATCH,
	             "matmul: () by (9,3): ranks of at least 1 and 2 expected");
	expect_error(sf_matmul(g, in(1, "3"), in(0, "234"), 0, 0), SF_EMISMATCH,
	             "matmul: (3) by (2,3,4): a row goes untransposed with a matrix of rank 2");
	expect_error(sf_add(g, in(1, "43"), in(1, "5")), SF_EMISMATCH,
	             "add: (4,3) by (5): sizes differ and neither is 1");
	expect_error(sf_dot(g, in(1, "43"), in(1, "3")), SF_EMISMATCH, "dot: (4,3) by (3): shapes differ");
	expect_error(sf_conv2d(g, in(1, "553"), in(0, "3325"), 1, 1), SF_EMISMATCH,
	             "conv2d: (5,5,3) by (3,3,2,5), stride 1, padding 1, dilation 1: numbers of input channels differ");
	expect_error(sf_conv2d(g, in(1, "223"), in(0, "5535"), 1, 1), SF_EMISMATCH,
	             "conv2d: (2,2,3) by (5,5,3,5), stride 1, padding 1, dilation 1: the kernel is larger than the padded image");
	expect_error(sf_conv2d(g, in(1, "553"), in(0, "3335"), 0, 1), SF_EMISMATCH,
	             "conv2d: (5,5,3) by (3,3,3,5), stride 0, padding 1, dilation 1: stride and dilation of 1 to 64 and padding of 0 to 4096 expected");
	expect_error(sf_upfirdn(g, in(1, "553"), 0, 1, 0, 0, 1, &tap), SF_ERANGE,
	             "upfirdn: up 0, down 1, pads 0 and 0, 1 taps are out of range");
	expect_error(sf_down2(g, in(1, "543")), SF_EMISMATCH,
	             "down2: (5,4,3), expected (h,w,c) with even h and w");
	expect_error(sf_reshape(g, in(1, "23"), 1, &none), SF_ERANGE,
	             "reshape: size 0 of dimension 0, expected 1 or more");
	expect_error(sf_reshape(g, in(1, "24"), 1, &six), SF_EMISMATCH,
	             "reshape: (2,4) to (6): numbers of elements differ");
	expect_error(sf_permute(g, in(1, "24"), axis), SF_EINVAL,
	             "permute: (2,4): the axes are no permutation of 0 to 1");
	expect_error(sf_slice(g, in(1, "24"), 3, 2), SF_ERANGE,
	             "slice: 2 elements from 3 of (2,4): out of range");
	expect_error(sf_slice(g, in(1, "24"), INT64_MAX, INT64_MAX), SF_ERANGE,
	             "slice: 9223372036854775807 elements from 9223372036854775807 of (2,4): out of range");
	expect_error(sf_concat(g, in(1, "24"), in(1, "34")), SF_EMISMATCH,
	             "concat: (2,4) and (3,4): all sizes but the last must be equal");
	expect_error(sf_gather(g, in(1, "53"), in(1, "")), SF_EMISMATCH,
	             "gather: (5,3) by (), expected a shared (rows,k) and a per-sample ()");
	expect_error(sf_softmax(g, in(1, "")), SF_EMISMATCH, "softmax: a scalar, expected rank 1 or more");
	expect_error(sf_group_norm(g, in(1, "24"), in(0, "4"), in(0, "4"), 3, 1e-5, 0), SF_EMISMATCH,
	             "group_norm: (2,4), (4), (4), 3 groups: the groups do not divide the channels");
	expect_error(sf_attention(g, in(1, "34"), in(1, "34"), in(1, "34"), 3), SF_ERANGE,
	             "attention: 3 heads do not divide 4 channels");
	expect_error(sf_batch_sum(g, in(0, "3")), SF_EMISMATCH,
	             "batch_sum: the operand is shared, expected per-sample");
	expect_error(sf_sum_to(g, in(1, "4"), 1, 1, &six), SF_EMISMATCH, "sum_to: (4) does not sum to (6)");
	expect_error(sf_broadcast_to(g, in(1, "6"), 0, 1, &six), SF_EMISMATCH,
	             "broadcast: a per-sample operand cannot become shared");
	expect_error(sf_input(g, "picture", 1, 3, huge), SF_ERANGE,
	             "picture: more than 2^40 elements in a sample");
	expect_error(sf_input(g, "picture", 1, 5, NULL), SF_ERANGE, "picture: rank is 5, expected 0 to 4");
	expect_error(sf_random(g, 'x', SF_NOISE_PROBE, 1, &six), SF_EINVAL,
	             "random: kind is 'x', expected n, u or r");
	expect_error(sf_add(g, in(1, "3"), 99), SF_EINVAL,
	             "add: an operand is not a variable of this graph");
	expect_error(sf_exp(g, SF_NOVAR), SF_EINVAL, "exp: an operand is not a variable of this graph");
	x = in(1, "3");
	expect_error(sf_jvp(g, x, x, in(1, "4")), SF_EMISMATCH,
	             "jvp: the tangent is per-sample (4), expected per-sample (3)");
	x = in(0, "3");
	expect_error(sf_jvp(g, x, x, in(1, "3")), SF_EMISMATCH,
	             "jvp: the tangent is per-sample (3), expected shared (3)");
	x = in(1, "3");
	ck_assert_int_eq(sf_grad(g, x, &x, 1, &x), SF_EMISMATCH);
	expect_error(x, SF_EMISMATCH, "grad: y is (3), expected a scalar");
}
END_TEST

/* The first error stays, later calls do nothing, and the text survives other failures. */
START_TEST(errors_stick)
{
	sf_graph *other;
	sf_var x = in(1, "3"), y, d;
	int n;

	sf_push(g, "down%d", 0);
	y = sf_add(g, x, in(1, "4"));
	n = sf_graph_nodes(g);
	ck_assert_int_eq(y, SF_NOVAR);
	ck_assert_int_eq(sf_exp(g, x), SF_NOVAR);
	ck_assert_int_eq(sf_sum(g, y), SF_NOVAR);
	ck_assert_int_eq(sf_group_norm(g, y, y, y, 1, 1, 0), SF_NOVAR);
	ck_assert_int_eq(sf_attention(g, y, y, y, 1), SF_NOVAR);
	ck_assert_int_eq(sf_mean(g, y), SF_NOVAR);
	ck_assert_int_eq(sf_graph_fail(g, SF_ERANGE, "later"), SF_NOVAR);
	ck_assert_int_eq(sf_grad(g, x, &x, 1, &d), SF_EMISMATCH);
	ck_assert_int_eq(sf_jvp(g, x, x, x), SF_NOVAR);
	sf_pop(g);
	ck_assert_int_eq(sf_graph_nodes(g), n);
	ck_assert_int_eq(sf_graph_new(ctx, 3, &other), SF_ERANGE);
	ck_assert_ptr_null(other);
	ck_assert_str_eq(sf_ctx_message(ctx), "graph: order is 3, expected 1 or 2");
	ck_assert_int_eq(sf_graph_status(g), SF_EMISMATCH);
	ck_assert_str_eq(sf_ctx_message(ctx),
	                 "add: (3) by (4): sizes differ and neither is 1 (in down0)");
	restart(1);
	sf_pop(g);
	ck_assert_int_eq(sf_graph_status(g), SF_EINVAL);
	restart(1);
	sf_graph_fail(g, SF_ERANGE, "mult: %d levels", 9);
	ck_assert_int_eq(sf_graph_status(g), SF_ERANGE);
	ck_assert_str_eq(sf_ctx_message(ctx), "mult: 9 levels");
}
END_TEST

static sf_init init_of(sf_init_kind kind, double scale, int64_t fan_in, int64_t fan_out)
{
	sf_init i;

	i.kind = kind;
	i.scale = scale;
	i.fan_in = fan_in;
	i.fan_out = fan_out;
	return i;
}

START_TEST(parameters)
{
	static const int64_t d17 = 17, d3 = 3, d33[2] = {3, 3};
	sf_init zero = init_of(SF_INIT_CONST, 0, 0, 0);
	sf_var a, b;

	sf_push(g, "down%d", 0);
	sf_push(g, "res1.conv0");
	a = sf_param(g, "weight", 1, &d17, zero);
	sf_pop(g);
	b = sf_param(g, "bias", 2, d33, zero);
	sf_pop(g);
	sf_param(g, "scale", 0, NULL, zero);
	ck_assert_int_eq(sf_param(g, "down0.res1.conv0.weight", 1, &d17, zero), a);
	ck_assert_int_eq(sf_param_count(g), 3);
	ck_assert_str_eq(sf_param_get(g, 0)->name, "down0.res1.conv0.weight");
	ck_assert_str_eq(sf_param_get(g, 1)->name, "down0.bias");
	ck_assert_str_eq(sf_param_get(g, 2)->name, "scale");
	ck_assert_int_eq(sf_param_get(g, 1)->var, b);
	ck_assert_int_eq(sf_param_get(g, 0)->offset, 0);
	ck_assert_int_eq(sf_param_get(g, 1)->offset, 32);
	ck_assert_int_eq(sf_param_get(g, 2)->offset, 48);
	ck_assert_int_eq(sf_param_total(g), 64);
	ck_assert_ptr_null(sf_param_get(g, 3));
	ck_assert_ptr_null(sf_param_get(g, -1));
	sf_param(g, "down0.bias", 1, &d3, zero);
	ck_assert_int_eq(sf_graph_status(g), SF_EMISMATCH);
	ck_assert_str_eq(sf_ctx_message(ctx),
	                 "parameter 'down0.bias' is (3), expected (3,3) as when first asked for");
	restart(1);
	sf_param(g, "w", 1, &d3, init_of(SF_INIT_UNIFORM_AVG, 1, 0, 0));
	ck_assert_int_eq(sf_graph_status(g), SF_ERANGE);
	restart(1);
	sf_param(g, "w", 1, &d3, init_of(SF_INIT_CONST, NAN, 0, 0));
	ck_assert_int_eq(sf_graph_status(g), SF_ERANGE);
}
END_TEST

/* Moments of the initial values: uniform within scale sqrt(3/fan) has standard deviation
 * scale/sqrt(fan), as the normal has; 6 standard errors of 4000 draws. */
START_TEST(initial_values)
{
	static const int64_t dim[2] = {40, 100}, odd = 3;
	static const sf_init_kind kind[4] = {SF_INIT_UNIFORM_AVG, SF_INIT_UNIFORM_IN, SF_INIT_NORMAL_IN,
	                                     SF_INIT_NORMAL};
	static const double fan[4] = {70, 40, 40, 1};
	float *f, *again;
	double *d;
	int64_t total, j;
	int i;

	for (i = 0; i < 4; i++) {
		char name[2] = {(char)('a' + i), 0};

		sf_param(g, name, 2, dim, init_of(kind[i], 0.5, 40, 100));
	}
	sf_param(g, "bias", 1, &odd, init_of(SF_INIT_CONST, 0.1, 0, 0));
	total = sf_param_total(g);
	ck_assert_int_eq(total, 4 * 4000 + 16);
	f = malloc((size_t)total * sizeof *f);
	again = malloc((size_t)total * sizeof *again);
	d = malloc((size_t)total * sizeof *d);
	memset(f, 1, (size_t)total * sizeof *f);
	sf_param_init(g, 5, SF_F32, f);
	sf_param_init(g, 5, SF_F64, d);
	sf_param_init(g, 6, SF_F32, again);
	for (j = 0; j < total; j++)
		ck_assert_double_eq((double)f[j], d[j]);
	ck_assert_int_ne(memcmp(f, again, 4000 * sizeof *f), 0);
	ck_assert_int_ne(memcmp(f, f + 4000, 4000 * sizeof *f), 0);
	for (i = 0; i < 4; i++) {
		double mean = 0, square = 0, most = 0, sd = 0.5 / sqrt(fan[i]);

		for (j = 0; j < 4000; j++) {
			mean += d[4000 * i + j] / 4000;
			square += d[4000 * i + j] * d[4000 * i + j] / 4000;
			most = fmax(most, fabs(d[4000 * i + j]));
		}
		ck_assert_double_lt(fabs(mean), 6 * sd / sqrt(4000));
		ck_assert_double_lt(fabs(square / (sd * sd) - 1), 6 * sqrt(2.0 / 4000));
		if (i < 2) {
			ck_assert_double_le(most, sd * sqrt(3) * (1 + 1e-6));
			ck_assert_double_gt(most, 0.99 * sd * sqrt(3));
		}
	}
	for (j = 0; j < 3; j++)
		ck_assert(f[16000 + j] == 0.1f);
	for (; j < 16; j++)
		ck_assert(f[16000 + j] == 0);
	free(f);
	free(again);
	free(d);
}
END_TEST

/* Fused in order 1, primitives in order 2; equal nodes are shared by sf_grad only. */
static int count(sf_opcode op)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		n += g->node[i].op == op;
	return n;
}

START_TEST(orders)
{
	sf_var x[3], d[3], y;

	x[0] = in(1, "234");
	x[1] = in(0, "4");
	x[2] = in(0, "4");
	y = sf_sum(g, sf_group_norm(g, x[0], x[1], x[2], 2, 1e-6, SF_ACT_SILU));
	ck_assert_int_eq(count(SF_OP_GROUP_NORM), 1);
	ck_assert_int_eq(sf_grad(g, y, x, 3, d), 0);
	ck_assert_int_eq(count(SF_OP_GROUP_NORM_GRAD), 1);
	ck_assert_int_eq(count(SF_OP_GROUP_NORM_GRAD_AFFINE), 1);
	sf_exp(g, x[0]);
	sf_exp(g, x[0]);
	ck_assert_int_eq(count(SF_OP_EXP), 2);
	ck_assert_int_eq(sf_graph_order(g), 1);
	restart(2);
	x[0] = in(1, "234");
	x[1] = in(0, "4");
	x[2] = in(0, "4");
	y = sf_sum(g, sf_silu(g, sf_group_norm(g, x[0], x[1], x[2], 2, 1e-6, SF_ACT_SILU)));
	ck_assert_int_eq(sf_grad(g, y, x, 3, d), 0);
	ck_assert_int_eq(count(SF_OP_GROUP_NORM) + count(SF_OP_SILU) + count(SF_OP_SILU_GRAD), 0);
}
END_TEST

/* Weight gradients are one product summed over the batch, not a product and a sum. */
START_TEST(weight_gradient_is_one_node)
{
	sf_var x = in(1, "34"), w = in(0, "45"), d;

	ck_assert_int_eq(sf_grad(g, sf_sumsq(g, sf_matmul(g, x, w, 0, 0)), &w, 1, &d), 0);
	expect_shape(d, 0, "45");
	ck_assert_int_eq(sf_node_of(g, d)->op, SF_OP_MATMUL);
	ck_assert_int_eq(sf_node_of(g, d)->i[2], 1);
}
END_TEST

/* Values that the definitions give by hand. */
START_TEST(values)
{
	static const double half[4] = {0.125, 0.375, 0.375, 0.125}, x[4] = {1, 2, 3, 4};
	static const double impulse[8] = {0, 0, 0, 1, 0, 0, 0, 0};
	sf_var a = in(1, "221"), up = sf_up2(g, a), down = sf_down2(g, a), b = in(1, "811"), fir;
	naive v;
	int i;

	fir = sf_upfirdn(g, sf_reshape(g, sf_broadcast_to(g, b, 1, 3, (int64_t[]){8, 8, 1}), 3,
	                 (int64_t[]){8, 8, 1}), 1, 2, 1, 1, 4, half);
	naive_open(&v, g, 1);
	naive_set(&v, a, x);
	naive_set(&v, b, impulse);
	for (i = 0; i < 16; i++) /* nearest neighbour */
		ck_assert_double_eq(naive_get(&v, up)[i], x[i / 8 * 2 + i % 4 / 2]);
	ck_assert_double_eq(naive_get(&v, down)[0], 2.5);
	/* y[n] = (x[2n-1] + 3x[2n] + 3x[2n+1] + x[2n+2])/8 of an impulse at 3: 3/8 at n=1, 1/8 at 2;
	 * across, a constant loses an eighth at either end */
	for (i = 0; i < 16; i++) {
		double along = i / 4 == 1 ? 0.375 : i / 4 == 2 ? 0.125 : 0;

		assert_close(naive_get(&v, fir)[i], along * (i % 4 == 0 || i % 4 == 3 ? 0.875 : 1), 1e-15, 0);
	}
	naive_close(&v);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("graph");
	TCase *t = tcase_create("build");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, shapes);
	tcase_add_test(t, messages);
	tcase_add_test(t, errors_stick);
	tcase_add_test(t, parameters);
	tcase_add_test(t, initial_values);
	tcase_add_test(t, orders);
	tcase_add_test(t, weight_gradient_is_one_node);
	tcase_add_test(t, values);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
