/* autodiff_cases.c: small instances of every operation: odd sizes, broadcasting both ways, shared and
 * per-sample operands, transposes, strides, pads.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "autodiff_cases_image.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int parse(const char *dims, int64_t *dim)
{
	int rank = 0;

	for (dims += *dims == '*'; *dims; dims += *dims == ',') {
		char *end;

		dim[rank++] = strtol(dims, &end, 10);
		dims = end;
	}
	return rank;
}

static sf_var note(instance *t, sf_var v, double lo, double hi)
{
	ck_assert_int_lt(t->nin, CASE_INPUTS);
	t->in[t->nin] = v;
	t->lo[t->nin] = lo;
	t->hi[t->nin] = hi;
	t->index[t->nin] = 0;
	t->nin++;
	return v;
}

sf_var put(instance *t, double lo, double hi, const char *dims)
{
	int64_t dim[SF_MAXRANK];
	int rank = parse(dims, dim);

	return note(t, sf_input(t->g, "in", dims[0] == '*', rank, dim), lo, hi);
}

sf_var put_like(instance *t, sf_var like)
{
	sf_shape s = sf_shape_of(t->g, like);

	return note(t, sf_input(t->g, "like", s.per_sample, s.rank, s.dim), -1, 1);
}

/* A small linear congruential generator: the tests' own numbers. */
void case_values(const instance *t, int k, int64_t count, unsigned salt, double *out)
{
	uint64_t x = UINT64_C(88172645463325252) + UINT64_C(1000003) * (salt * 16 + (unsigned)k);
	int64_t i;

	for (i = 0; i < count; i++) {
		double u;

		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		u = (double)(x >> 11) / 9007199254740992.0;
		out[i] = t->lo[k] + (t->hi[k] - t->lo[k]) * u;
		if (t->index[k])
			out[i] = floor(out[i]);
		else if (fabs(out[i]) < 0.05)
			out[i] += out[i] < 0 ? -0.1 : 0.1;
	}
}

sf_var case_append6(instance *t, sf_var a, sf_var b, const int64_t i[6])
{
	sf_node n;

	memset(&n, 0, sizeof n);
	n.op = t->op;
	n.nin = b == SF_NOVAR ? 1 : 2;
	n.in[0] = a;
	n.in[1] = b;
	n.c = 0.75; /* of scale and offset */
	memcpy(n.i, i, sizeof n.i);
	return sf_append(t->g, &n);
}

static sf_var append(instance *t, sf_var a, sf_var b, int64_t i0, int64_t i1, int64_t i2, int64_t i3)
{
	const int64_t i[6] = {i0, i1, i2, i3, 0, 0};

	return case_append6(t, a, b, i);
}

/* ---- elementwise ---- */

static void unary(instance *t, int variant)
{
	int positive = t->op == SF_OP_SQRT || t->op == SF_OP_LOG;

	t->y = append(t, put(t, positive ? 0.5 : -2, 2, variant ? "3" : "*3,5"), SF_NOVAR, 0, 0, 0, 0);
}

static const char *const pairs[][2] = {
	{"*3,5", "*3,5"}, {"*3,4", "4"}, {"3,1", "*4"}, {"*2,1,4", "*3,1"},
	{"2,3", "3"}, {"*", "2,3"}, {"2", "*"}, {"*1,3", "2,2,1,1"},
};

static void binary(instance *t, int variant)
{
	sf_var a = put(t, -2, 2, pairs[variant][0]);
	sf_var b = put(t, t->op == SF_OP_DIV ? 0.5 : -2, 2, pairs[variant][1]);

	t->y = append(t, a, b, 0, 0, 0, 0);
}

static void silu(instance *t, int variant)
{
	(void)variant;
	t->y = sf_silu(t->g, put(t, -2, 2, "*7"));
}

/* Simplifications while building must not change what is computed. */
static void folded(instance *t, int variant)
{
	sf_var x = put(t, -2, 2, "*3"), one = sf_const(t->g, 1), two = sf_const(t->g, 2);

	(void)variant;
	x = sf_mul(t->g, sf_scale(t->g, sf_neg(t->g, x), 3), two);
	x = sf_sub(t->g, one, sf_mul(t->g, sf_add(t->g, x, sf_const(t->g, 0)), x));
	x = sf_div(t->g, sf_add(t->g, two, x), sf_offset(t->g, sf_scale(t->g, two, 2), 3));
	t->y = sf_mul(t->g, sf_sub(t->g, x, two), x);
}

/* ---- leaves ---- */

static void input(instance *t, int variant)
{
	t->y = put(t, -2, 2, variant ? "2,3" : "*2,3");
}

static void param(instance *t, int variant)
{
	static const int64_t dim[2] = {2, 3};
	sf_init init = {SF_INIT_NORMAL, 1, 1, 1};

	(void)variant;
	t->y = sf_square(t->g, note(t, sf_param(t->g, "w", 2, dim, init), -2, 2));
}

static void constant(instance *t, int variant)
{
	static const int64_t dim[2] = {2, 3};
	static const double value[6] = {1.5, -0.25, 0, 3, -2, 0.125};
	sf_var c = variant == 0 ? sf_const(t->g, 0.5) : sf_const_tensor(t->g, 2, dim, value);

	t->y = sf_mul(t->g, put(t, -2, 2, variant == 2 ? "2,3" : "*3"), sf_exp(t->g, c));
}

static void noise(instance *t, int variant)
{
	static const int64_t dim = 5;

	t->y = sf_mul(t->g, put(t, -2, 2, "*5"),
	              sf_random(t->g, "nur"[variant], SF_NOISE_PROBE, 1, &dim));
}

/* ---- reductions ---- */

static void sum_to(instance *t, int variant)
{
	static const char *const sets[][2] = {
		{"*2,3,4", "*3,1"}, {"*2,3,4", "3,4"}, {"*2,3", "*"}, {"2,3", "1,3"}, {"*3", ""},
		{"*3,4", "1,1"}, {"*", ""},
	};
	int64_t dim[SF_MAXRANK];
	int rank = parse(sets[variant][1], dim);

	t->y = sf_square(t->g, sf_sum_to(t->g, put(t, -2, 2, sets[variant][0]),
	                                 sets[variant][1][0] == '*', rank, dim));
}

static void broadcast(instance *t, int variant)
{
	static const char *const sets[][2] = {
		{"3,1", "*2,3,4"}, {"*", "*2,2"}, {"4", "3,4"}, {"", "*3"}, {"2,3", "*2,3"},
		{"*1,3,1", "*2,2,3,2"},
	};
	int64_t dim[SF_MAXRANK];
	int rank = parse(sets[variant][1], dim);

	t->y = sf_square(t->g, sf_broadcast_to(t->g, put(t, -2, 2, sets[variant][0]),
	                                       sets[variant][1][0] == '*', rank, dim));
}

static void sums(instance *t, int variant)
{
	sf_var a = put(t, -2, 2, "*2,3"), b = put(t, -2, 2, variant == 1 ? "2,3" : "*2,3");

	if (variant < 2)
		t->y = sf_dot(t->g, sf_sin(t->g, a), b);
	else if (variant == 2)
		t->y = sf_mul(t->g, sf_mean(t->g, sf_exp(t->g, a)), sf_sumsq(t->g, b));
	else
		t->y = sf_mul(t->g, sf_batch_sum(t->g, sf_sum(t->g, a)), sf_batch_sum(t->g, b));
}

/* ---- products ---- */

static void matmul(instance *t, int variant)
{
	/* written untransposed; transposed where the variant's low bits say so */
	static const char *const sets[][2] = {
		{"*2,3", "3,4"}, {"*3,5,3", "3,4"}, {"*2,3,5", "*2,5,4"}, {"3,4", "*2,4,5"},
		{"2,3,2", "*2,2,3"}, {"3,2", "2,4"}, {"2,3,2", "2,3"}, {"*2,3,2", "*2,3"},
		{"*3,2", "*2,5"}, {"*2,1,3,2", "*2,1,2,4"}, {"*2,2,1,3", "3,2"}, {"*3,2", "2,2,3"},
	};
	char a[32], b[32];
	const char *const *s = sets[variant / 4];
	int ta = variant & 1, tb = variant >> 1 & 1;

	snprintf(a, sizeof a, "%s", s[0]);
	snprintf(b, sizeof b, "%s", s[1]);
	if (ta) { /* sizes are one digit */
		a[strlen(a) - 1] = s[0][strlen(a) - 3];
		a[strlen(a) - 3] = s[0][strlen(a) - 1];
	}
	if (tb) {
		b[strlen(b) - 1] = s[1][strlen(b) - 3];
		b[strlen(b) - 3] = s[1][strlen(b) - 1];
	}
	t->y = sf_matmul(t->g, put(t, -1, 1, a), put(t, -1, 1, b), ta, tb);
}

static void matmul_row(instance *t, int variant)
{
	static const char *const sets[][2] = {
		{"*3", "3,4"}, {"*3", "*3,4"}, {"3", "*3,4"}, {"3", "3,4"}, {"*3", "4,3"}, {"*3", "*4,3"},
	};

	t->y = sf_matmul(t->g, put(t, -1, 1, sets[variant][0]), put(t, -1, 1, sets[variant][1]), 0,
	                 variant >= 4);
}

/* The batch sum in itself, as weight gradients contain it. */
static void matmul_sum(instance *t, int variant)
{
	static const char *const sets[][2] = {
		{"*2,3", "*3,4"}, {"*3,2", "*3,4"}, {"*2,3", "*4,3"}, {"*3,2", "*4,3"},
		{"*5,2,3", "*5,3,4"}, {"*5,3,2", "*5,3,4"}, {"*5,2,3", "*5,4,3"}, {"*2,2,3,2", "*2,2,4,3"},
	};

	t->y = append(t, put(t, -1, 1, sets[variant][0]), put(t, -1, 1, sets[variant][1]),
	              variant & 1, variant >> 1 & 1, 1, 0);
}

/* ---- shape ---- */

static void reshape(instance *t, int variant)
{
	static const int64_t dim[3] = {3, 1, 4};

	t->y = sf_square(t->g, sf_reshape(t->g, put(t, -2, 2, variant ? "12" : "*2,6"), 3, dim));
}

static void permute(instance *t, int variant)
{
	static const int axis[4][4] = {{1, 0}, {2, 0, 1}, {1, 0, 2}, {3, 1, 0, 2}};
	static const char *const dims[4] = {"*2,3", "*2,3,4", "2,3,4", "*2,3,1,4"};

	t->y = sf_square(t->g, sf_permute(t->g, put(t, -2, 2, dims[variant]), axis[variant]));
}

static void concat(instance *t, int variant)
{
	static const char *const sets[4][2] = {
		{"*2,3", "*2,2"}, {"*2,3", "2,1"}, {"2", "*3"}, {"2,1,2", "2,1,3"},
	};
	sf_var a = put(t, -2, 2, sets[variant][0]), b = put(t, -2, 2, sets[variant][1]);

	t->y = sf_square(t->g, sf_concat(t->g, a, b));
}

static void slice(instance *t, int variant)
{
	sf_var a = put(t, -2, 2, variant ? "5" : "*2,5");

	t->y = sf_square(t->g, sf_slice(t->g, a, variant ? 0 : 2, 2));
}

static void pad(instance *t, int variant)
{
	sf_var a = put(t, -2, 2, variant ? "3" : "*2,3");

	t->y = append(t, a, SF_NOVAR, variant ? 0 : 2, 6, 0, 0);
}

static void gather(instance *t, int variant)
{
	int back = t->op == SF_OP_SCATTER;
	sf_var a = put(t, -2, 2, back ? "*3" : "4,3"), i = put(t, 0, 4, "*");

	(void)variant;
	t->index[1] = 1;
	t->y = back ? append(t, a, i, 4, 0, 0, 0) : sf_gather(t->g, a, i);
}

/* ---- composites ---- */

static void softmax(instance *t, int variant)
{
	t->y = sf_softmax(t->g, put(t, -3, 3, variant ? "4" : "*2,3,5"));
}

static void group_norm(instance *t, int variant)
{
	static const struct {
		const char *x, *gamma;
		int groups, act;
	} sets[] = {
		{"*3,2,4", "4", 2, SF_ACT_NONE}, {"*3,2,4", "4", 2, SF_ACT_SILU}, {"*5,3", "3", 3, SF_ACT_NONE},
		{"*6", "6", 1, SF_ACT_SILU}, {"*2,2,6", "6", 3, SF_ACT_SILU},
	};
	sf_var x = put(t, -2, 2, sets[variant].x), gamma = put(t, 0.5, 1.5, sets[variant].gamma);

	t->y = sf_group_norm(t->g, x, gamma, put(t, -1, 1, sets[variant].gamma), sets[variant].groups,
	                     1e-3, sets[variant].act);
}

/* What one fused node cannot hold is spelled out in both orders. */
static void group_norm_open(instance *t, int variant)
{
	sf_var x = put(t, -2, 2, variant ? "3,4" : "*3,4");
	sf_var gamma = put(t, 0.5, 1.5, variant ? "4" : "*4");

	t->y = sf_group_norm(t->g, x, gamma, put(t, -1, 1, "4"), 2, 1e-3, SF_ACT_NONE);
}

static void attention(instance *t, int variant)
{
	sf_var q = put(t, -1, 1, "*3,4"), k = put(t, -1, 1, variant == 2 ? "*5,4" : "*3,4");
	sf_var v = put(t, -1, 1, variant == 2 ? "*5,4" : "*3,4");

	t->y = sf_attention(t->g, q, k, v, variant == 1 ? 1 : 2);
}

/* ---- fused derivatives, which only order 1 makes ---- */

static void fused_pair(instance *t, int variant)
{
	sf_var a = put(t, -2, 2, "*2,3");

	(void)variant;
	t->y = append(t, a, put(t, -2, 2, "*2,3"), 0, 0, 0, 0);
}

static void fused_norm(instance *t, int variant)
{
	sf_var gamma;
	sf_node n;

	memset(&n, 0, sizeof n);
	n.op = t->op;
	n.nin = 4;
	n.in[0] = put(t, -2, 2, "*3,4");
	n.in[1] = gamma = put(t, 0.5, 1.5, "4");
	n.in[2] = put_like(t, gamma);
	n.in[3] = put_like(t, n.in[0]);
	n.i[0] = 2;
	n.i[1] = variant;
	n.c = 1e-3;
	t->y = sf_append(t->g, &n);
}

const op_case op_cases[] = {
	{"scale", SF_OP_SCALE, CASE_SMOOTH, 2, unary},
	{"offset", SF_OP_OFFSET, CASE_SMOOTH, 2, unary},
	{"square", SF_OP_SQUARE, CASE_SMOOTH, 2, unary},
	{"sqrt", SF_OP_SQRT, CASE_SMOOTH, 2, unary},
	{"exp", SF_OP_EXP, CASE_SMOOTH, 2, unary},
	{"log", SF_OP_LOG, CASE_SMOOTH, 2, unary},
	{"sin", SF_OP_SIN, CASE_SMOOTH, 2, unary},
	{"cos", SF_OP_COS, CASE_SMOOTH, 2, unary},
	{"tanh", SF_OP_TANH, CASE_SMOOTH, 2, unary},
	{"sigmoid", SF_OP_SIGMOID, CASE_SMOOTH, 2, unary},
	{"softplus", SF_OP_SOFTPLUS, CASE_SMOOTH, 2, unary},
	{"silu", SF_OP_SILU, CASE_SMOOTH, 1, silu},
	{"relu", SF_OP_RELU, CASE_SMOOTH, 2, unary},
	{"elu", SF_OP_ELU, CASE_SMOOTH, 2, unary},
	{"step", SF_OP_STEP, CASE_FLAT, 2, unary},
	{"detach", SF_OP_DETACH, CASE_FLAT, 2, unary},
	{"add", SF_OP_ADD, CASE_SMOOTH, 8, binary},
	{"sub", SF_OP_SUB, CASE_SMOOTH, 8, binary},
	{"mul", SF_OP_MUL, CASE_SMOOTH, 8, binary},
	{"div", SF_OP_DIV, CASE_SMOOTH, 8, binary},
	{"folded numbers", SF_OP_COUNT, CASE_SMOOTH, 1, folded},
	{"silu_grad", SF_OP_SILU_GRAD, CASE_FUSED, 1, fused_pair},
	{"elu_grad", SF_OP_ELU_GRAD, CASE_FUSED, 1, fused_pair},
	{"input", SF_OP_INPUT, CASE_SMOOTH, 2, input},
	{"param", SF_OP_PARAM, CASE_SMOOTH, 1, param},
	{"const", SF_OP_CONST, CASE_SMOOTH, 3, constant},
	{"random", SF_OP_RANDOM, CASE_SMOOTH, 3, noise},
	{"sum_to", SF_OP_SUM_TO, CASE_SMOOTH, 7, sum_to},
	{"broadcast", SF_OP_BROADCAST, CASE_SMOOTH, 6, broadcast},
	{"dot, mean, batch sum", SF_OP_COUNT, CASE_SMOOTH, 4, sums},
	{"matmul", SF_OP_MATMUL, CASE_SMOOTH, 48, matmul},
	{"matmul of a row", SF_OP_MATMUL, CASE_SMOOTH, 6, matmul_row},
	{"matmul, batch sum", SF_OP_MATMUL, CASE_SMOOTH, 8, matmul_sum},
	{"conv2d", SF_OP_CONV, CASE_SMOOTH, 10, case_conv},
	{"conv2d_data", SF_OP_CONV_DATA, CASE_SMOOTH, 10, case_conv},
	{"conv2d_weight", SF_OP_CONV_WEIGHT, CASE_SMOOTH, 10, case_conv},
	{"upfirdn", SF_OP_UPFIRDN, CASE_SMOOTH, 10, case_upfirdn},
	{"down2, up2", SF_OP_UPFIRDN, CASE_SMOOTH, 2, case_halves},
	{"pick", SF_OP_PICK, CASE_SMOOTH, 11, case_pick},
	{"unpick", SF_OP_UNPICK, CASE_SMOOTH, 11, case_pick},
	{"max pool, mean pool", SF_OP_COUNT, CASE_SMOOTH, 2, case_pools},
	{"bilinear resize", SF_OP_COUNT, CASE_SMOOTH, 5, case_resize},
	{"reshape", SF_OP_RESHAPE, CASE_SMOOTH, 2, reshape},
	{"permute", SF_OP_PERMUTE, CASE_SMOOTH, 4, permute},
	{"concat", SF_OP_CONCAT, CASE_SMOOTH, 4, concat},
	{"slice", SF_OP_SLICE, CASE_SMOOTH, 2, slice},
	{"pad", SF_OP_PAD, CASE_SMOOTH, 2, pad},
	{"gather", SF_OP_GATHER, CASE_SMOOTH, 1, gather},
	{"scatter", SF_OP_SCATTER, CASE_SMOOTH, 1, gather},
	{"softmax", SF_OP_SOFTMAX, CASE_SMOOTH, 2, softmax},
	{"softmax_grad", SF_OP_SOFTMAX_GRAD, CASE_FUSED, 1, fused_pair},
	{"group_norm", SF_OP_GROUP_NORM, CASE_FIRST, 5, group_norm},
	{"group_norm_grad", SF_OP_GROUP_NORM_GRAD, CASE_FUSED, 2, fused_norm},
	{"group_norm_grad_affine", SF_OP_GROUP_NORM_GRAD_AFFINE, CASE_FUSED, 2, fused_norm},
	{"group_norm in primitives", SF_OP_COUNT, CASE_SMOOTH, 2, group_norm_open},
	{"attention", SF_OP_COUNT, CASE_SMOOTH, 3, attention},
};
const int op_case_count = (int)(sizeof op_cases / sizeof op_cases[0]);
