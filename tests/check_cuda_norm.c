/* check_cuda_norm.c: sums, moves, pooling, resampling, norms and softmax on the device against the processor's plan in double, at
 * sizes of networks and at odd ones, with operands and results of bfloat16 and float in all mixtures, and arrays that do not
 * start at a multiple of 16 bytes. Inputs are exact in bfloat16 (in mixtures) or float, so that errors are the kernels' own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include "graph/graph.h"

#include <scorefield/graph.h>
#include <scorefield/noise.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ARRAYS = 8, OUTPUTS = 24 };

/* How an operand's numbers are made. */
enum { PLAIN, TIES, ROWS10, LEVEL, HOLES, SPIKE };
typedef struct sheet {
	sf_graph *g;
	int soft_in, soft_out; /* operands, results of bfloat16 */
	sf_var in[ARRAYS], read[ARRAYS], out[OUTPUTS]; /* read: what the operation sees of an operand */
	int kind[ARRAYS], nin, nout;
} sheet;

typedef void (*builder)(sheet *s, const int64_t *arg);

static sf_var operand(sheet *s, int per_sample, int rank, const int64_t *dim, int kind)
{
	static const char *const name[ARRAYS] = {"a", "b", "c", "d", "e", "f", "g", "h"};
	sf_var v = sf_input(s->g, name[s->nin], per_sample, rank, dim);

	s->kind[s->nin] = kind;
	s->in[s->nin] = v;
	s->read[s->nin] = s->soft_in && kind != ROWS10 ? sf_scale(s->g, v, 2) : v;
	return s->read[s->nin++];
}

static void result(sheet *s, sf_var v)
{
	s->out[s->nout++] = s->soft_out ? sf_scale(s->g, v, 1.5) : v;
}

/* The result and its gradients for the gradient `dy`, an operand. */
static void with_gradients(sheet *s, sf_var y, int wanted)
{
	sf_shape shape = sf_shape_of(s->g, y);
	sf_var dy = operand(s, shape.per_sample, shape.rank, shape.dim, PLAIN), wrt[ARRAYS], d[ARRAYS];
	int n = 0, k;

	result(s, y);
	for (k = 0; k + 1 < s->nin; k++)
		if (s->kind[k] != ROWS10 && wanted >> k & 1)
			wrt[n++] = s->read[k];
	y = sf_dot(s->g, y, dy);
	if (shape.per_sample)
		y = sf_batch_sum(s->g, y);
	assert_ok(s->g->ctx, sf_grad(s->g, y, wrt, n, d));
	for (k = 0; k < n; k++)
		result(s, d[k]);
}

static double number(int kind, double u, int64_t i)
{
	switch (kind) {
	case TIES:
		return i % 97 == 5 ? NAN : i % 89 == 7 ? -INFINITY : floor(4 * u);
	case ROWS10:
		return floor(10 * u);
	case LEVEL:
		return 1000 + 4 * u;
	case HOLES:
		return i / 300 == 2 ? -INFINITY : i % 7 == 3 && i < 2000 ? -INFINITY : 20 * u - 10;
	case SPIKE:
		return i % 1000 == 0 ? 3000 : u;
	default:
		return 2 * u - 1;
	}
}

static double bf16_of(double x)
{
	int e;
	double m = frexp(x, &e);

	return x == 0 || !isfinite(x) ? x : ldexp(rint(m * 256), e - 8);
}

static void fill(sf_ctx *ctx, int kind, int soft, int key, int64_t n, double *x)
{
	sf_noise noise = {4711, SF_NOISE_USER, 0};
	int64_t i;

	sf_noise_uniform_d(ctx, noise, (uint64_t)key, 0, (size_t)n, x);
	for (i = 0; i < n; i++) {
		x[i] = number(kind, x[i], i);
		x[i] = soft ? bf16_of(x[i]) : (double)(float)x[i];
	}
}

typedef struct table {
	double *in[ARRAYS], *want[OUTPUTS];
	int64_t size_in[ARRAYS], size[OUTPUTS];
} table;

static int64_t numbers(const sf_graph *g, sf_var v, int64_t n)
{
	sf_shape s = sf_shape_of(g, v);

	return s.size * (s.per_sample ? n : 1);
}

static void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

static void expect(builder build, const int64_t *arg, int soft, int64_t n, table *t)
{
	sf_ctx *ctx = ck_ctx();
	sf_run run = {0};
	sf_plan *p;
	sheet s;
	int k;

	memset(&s, 0, sizeof s);
	memset(t, 0, sizeof *t);
	assert_ok(ctx, sf_graph_new(ctx, 1, &s.g));
	s.soft_in = soft & 1;
	s.soft_out = soft >> 1 & 1;
	build(&s, arg);
	assert_ok(ctx, sf_graph_status(s.g));
	assert_ok(ctx, sf_plan_new(s.g, s.out, s.nout, SF_F64, n, &p));
	for (k = 0; k < s.nin; k++) {
		t->size_in[k] = numbers(s.g, s.in[k], n);
		t->in[k] = must(malloc((size_t)t->size_in[k] * sizeof(double)));
		fill(ctx, s.kind[k], soft, k, t->size_in[k], t->in[k]);
		if (sf_plan_bind(p, s.in[k], t->in[k]) < 0)
			ck_assert_msg(0, "%s", sf_ctx_message(ctx));
	}
	for (k = 0; k < s.nout; k++) {
		t->size[k] = numbers(s.g, s.out[k], n);
		t->want[k] = must(malloc((size_t)t->size[k] * sizeof(double)));
		assert_ok(ctx, sf_plan_output(p, k, t->want[k]));
	}
	run.n = n;
	assert_ok(ctx, sf_plan_run(p, &run));
	sf_plan_free(p);
	sf_graph_free(s.g);
	sf_ctx_free(ctx);
}

static void forget(table *t)
{
	int k;

	for (k = 0; k < ARRAYS; k++)
		free(t->in[k]);
	for (k = 0; k < OUTPUTS; k++)
		free(t->want[k]);
}

/* An array of the device that starts `shift` floats behind a multiple of 256 bytes, filled with x or NaN. */
static float *on_device(sf_ctx *ctx, int64_t n, const double *x, int shift)
{
	float *host = must(malloc((size_t)n * sizeof *host)), *p = must(sf_device_take(ctx, (size_t)(n + shift) * sizeof *p));
	int64_t i;

	for (i = 0; i < n; i++)
		host[i] = x ? (float)x[i] : NAN;
	assert_ok(ctx, sf_device_copy(ctx, p + shift, host, (size_t)n * sizeof *p));
	free(host);
	return p;
}

static void compare(const table *t, builder build, const int64_t *arg, int soft, int64_t n, int shift, double tolerance, const char *what)
{
	sf_ctx *ctx = ck_ctx();
	float *in[ARRAYS], *out[OUTPUTS], *back, *again;
	sf_run run = {0};
	sf_plan *p;
	sheet s;
	int k;

	memset(&s, 0, sizeof s);
	rig_device(ctx, soft ? SF_DEVICE_BF16 : SF_DEVICE_STRICT, 1);
	assert_ok(ctx, sf_graph_new(ctx, 1, &s.g));
	s.soft_in = soft & 1;
	s.soft_out = soft >> 1 & 1;
	build(&s, arg);
	assert_ok(ctx, sf_plan_new(s.g, s.out, s.nout, SF_F32, n, &p));
	for (k = 0; k < s.nin; k++) {
		in[k] = on_device(ctx, t->size_in[k], t->in[k], shift);
		assert_ok(ctx, sf_plan_bind(p, s.in[k], in[k] + shift));
	}
	for (k = 0; k < s.nout; k++) {
		out[k] = on_device(ctx, t->size[k], NULL, shift);
		assert_ok(ctx, sf_plan_output(p, k, out[k] + shift));
	}
	run.n = n;
	assert_ok(ctx, sf_plan_run(p, &run));
	for (k = 0; k < s.nout; k++) {
		const size_t bytes = (size_t)t->size[k] * sizeof *back;
		double d;

		back = must(malloc(bytes));
		again = must(malloc(bytes));
		assert_ok(ctx, sf_device_copy(ctx, back, out[k] + shift, bytes));
		d = rig_distance(t->size[k], back, t->want[k]);
		ck_assert_msg(d <= tolerance, "%s (%lld,%lld,%lld; %lld,%lld,%lld), %lld samples, mixture %d, shift %d: output %d is %g off, at most %g",
		              what, (long long)arg[0], (long long)arg[1], (long long)arg[2], (long long)arg[3], (long long)arg[4],
		              (long long)arg[5], (long long)n, soft, shift, k, d, tolerance);
		if (k == 0)
			assert_ok(ctx, sf_plan_run(p, &run)); /* the same bytes again */
		assert_ok(ctx, sf_device_copy(ctx, again, out[k] + shift, bytes));
		ck_assert_mem_eq(back, again, bytes);
		free(back);
		free(again);
	}
	for (k = 0; k < s.nin; k++)
		sf_device_give(ctx, in[k]);
	for (k = 0; k < s.nout; k++)
		sf_device_give(ctx, out[k]);
	sf_plan_free(p);
	sf_graph_free(s.g);
	sf_ctx_free(ctx);
}

/* Half a unit in the last of bfloat16's eight places. */
static const double rounding = 1.0 / 256;

static void check(builder build, const int64_t *arg, int soft, int64_t n, double tolerance, const char *what)
{
	table t;
	int shift;

	expect(build, arg, soft, n, &t);
	for (shift = 0; shift < 2; shift++)
		compare(&t, build, arg, soft, n, shift, soft & 2 ? tolerance + rounding : tolerance, what);
	forget(&t);
}

static void check_mixtures(builder build, const int64_t *arg, int64_t n, double tolerance, const char *what)
{
	int soft;

	for (soft = 0; soft < 4; soft++)
		check(build, arg, soft, n, tolerance, what);
}

/* ---- sums ---- */

/* arg: the dimensions, and which of them stay (bits); bit 4: samples stay */
static void build_sum(sheet *s, const int64_t *arg)
{
	int64_t to[4];
	int k;

	for (k = 0; k < 4; k++)
		to[k] = arg[4] >> k & 1 ? arg[k] : 1;
	result(s, sf_sum_to(s->g, operand(s, 1, 4, arg, PLAIN), (int)(arg[4] >> 4 & 1), 4, to));
}

START_TEST(check_all_sums)
{
	static const int64_t dim[3][4] = {{3, 5, 4, 7}, {2, 3, 5, 16}, {9, 1, 11, 3}};
	int64_t arg[6] = {0};
	int i;

	for (i = 0; i < 3; i++)
		for (arg[4] = 0; arg[4] < 31; arg[4]++) {
			memcpy(arg, dim[i], sizeof dim[i]);
			check_mixtures(build_sum, arg, 1 + 8 * (i == 1), 2e-6, "sum");
		}
}
END_TEST

START_TEST(check_large_sums)
{
	static const int64_t arg[][6] = {{1, 16, 16, 256, 8}, {1, 16, 16, 256, 24}, {1, 16, 16, 256, 16}, {1, 64, 64, 3, 8},
	                                 {1, 1, 5000, 3, 20}, {1, 16, 2500, 7, 0}, {33, 1, 1000, 3, 9}, {1, 2, 129, 300, 10}};

	check(build_sum, arg[_i], 0, 10, 3e-6, "sum");
	check(build_sum, arg[_i], 1, 7, 3e-6, "sum");
}
END_TEST

START_TEST(check_many)
{
	static const int64_t arg[][6] = {{1, 1, 1, 1 << 20, 0}, {1, 1, 1 << 12, 1 << 8, 8}};
	table t;

	expect(build_sum, arg[_i], 0, 10, &t);
	compare(&t, build_sum, arg[_i], 0, 10, 0, 1e-6, "ten million");
	forget(&t);
}
END_TEST

/* ---- moves ---- */
static void build_permute(sheet *s, const int64_t *arg)
{
	int axis[4] = {0, 1, 2, 3}, k, n = (int)arg[4];

	for (k = 0; k < 3; k++) {
		const int left = 4 - k, at = k + n % left, keep = axis[at];

		memmove(axis + k + 1, axis + k, (size_t)(at - k) * sizeof *axis);
		axis[k] = keep;
		n /= left;
	}
	result(s, sf_permute(s->g, operand(s, (int)arg[5], 4, arg, PLAIN), axis));
}

START_TEST(check_permute)
{
	static const int64_t dim[3][4] = {{3, 5, 8, 16}, {2, 33, 7, 41}, {1, 65, 1, 34}};
	int64_t arg[6];
	int i;

	for (i = 0; i < 3; i++)
		for (arg[4] = 0; arg[4] < 24; arg[4]++) {
			memcpy(arg, dim[i], sizeof dim[i]);
			arg[5] = 1;
			check_mixtures(build_permute, arg, 3, 0, "permute");
		}
	arg[5] = 0;
	check(build_permute, arg, 0, 1, 0, "permute");
}
END_TEST

static void build_moves(sheet *s, const int64_t *arg)
{
	int64_t dim[3] = {0, 0, 0};
	sf_var a, b, y;

	dim[0] = arg[0];
	dim[1] = arg[1];
	dim[2] = arg[2];
	a = operand(s, 1, 3, dim, PLAIN);
	dim[2] = arg[3];
	b = operand(s, 1, 3, dim, PLAIN);
	y = sf_concat(s->g, a, b);
	result(s, y);
	with_gradients(s, sf_slice(s->g, y, arg[4], arg[5]), 3);
}

START_TEST(check_moves)
{
	static const int64_t arg[][6] = {{16, 16, 128, 64, 64, 96}, {5, 3, 7, 2, 1, 6}, {5, 3, 16, 8, 8, 16}, {4, 4, 8, 8, 3, 9}, {1, 1, 1, 1, 0, 2}};

	check_mixtures(build_moves, arg[_i], 3, 1e-7, "concat and slice");
}
END_TEST

static void build_gather(sheet *s, const int64_t *arg)
{
	int64_t dim[2] = {10, 0};
	sf_var rows, index;

	dim[1] = arg[0];
	rows = operand(s, 0, 2, dim, PLAIN);
	index = operand(s, 1, 0, dim, ROWS10);
	with_gradients(s, sf_gather(s->g, rows, index), 1);
}

START_TEST(check_gather)
{
	static const int64_t arg[][6] = {{1}, {5}, {256}, {700}};

	check_mixtures(build_gather, arg[_i], 1, 1e-7, "gather and scatter");
	check_mixtures(build_gather, arg[_i], 700, 1e-6, "gather and scatter");
}
END_TEST

/* The lowest sample with an index that is no row is named, and the next run is none the worse. */
START_TEST(check_bad_index)
{
	static const double wrong[] = {10, -1, 2.5, NAN, 1e20, -INFINITY};
	sf_ctx *ctx = ck_ctx();
	int64_t dim[2] = {10, 4};
	float index[300], rows[40], out[1200];
	sf_run run = {0};
	sf_graph *g;
	sf_plan *p;
	sf_var t, i, y;
	char expected[80];
	int k;

	rig_device(ctx, SF_DEVICE_BF16, 0);
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	t = sf_input(g, "t", 0, 2, dim);
	i = sf_input(g, "i", 1, 0, dim);
	y = sf_gather(g, t, i);
	assert_ok(ctx, sf_plan_new(g, &y, 1, SF_F32, 300, &p));
	for (k = 0; k < 40; k++)
		rows[k] = (float)k;
	for (k = 0; k < 300; k++)
		index[k] = (float)(k * 7 % 10);
	assert_ok(ctx, sf_plan_bind(p, t, rows));
	assert_ok(ctx, sf_plan_bind(p, i, index));
	assert_ok(ctx, sf_plan_output(p, 0, out));
	run.n = 300;
	for (k = 0; k < 6; k++) {
		const int at = 5 + 47 * k;

		assert_ok(ctx, sf_plan_run(p, &run));
		ck_assert_float_eq(out[4 * at + 3], rows[4 * (at * 7 % 10) + 3]);
		index[at] = (float)wrong[k];
		index[at + 1] = index[299] = -7;
		ck_assert_int_eq(sf_plan_run(p, &run), SF_EINVAL);
		snprintf(expected, sizeof expected, "index %g of sample %d is not a row", (double)index[at], at);
		ck_assert_msg(strstr(sf_ctx_message(ctx), expected) != NULL, "%s", sf_ctx_message(ctx));
		index[at] = (float)(at * 7 % 10);
		index[at + 1] = index[299] = 3;
	}
	sf_plan_free(p);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- pooling ---- */
static void build_pick(sheet *s, const int64_t *arg)
{
	int64_t dim[3] = {0, 0, 0};
	sf_var x, t;

	dim[0] = arg[0];
	dim[1] = arg[1];
	dim[2] = arg[2];
	x = operand(s, 1, 3, dim, TIES);
	t = operand(s, 1, 3, dim, PLAIN);
	with_gradients(s, sf_pick(s->g, x, t, (int)arg[3], (int)arg[4], (int)arg[5]), 2);
	result(s, sf_max_pool(s->g, t, (int)arg[3], (int)arg[4], (int)arg[5]));
}

START_TEST(check_pick)
{
	static const int64_t arg[][6] = {{16, 16, 64, 5, 1, 2}, {16, 16, 128, 2, 2, 0}, {9, 7, 3, 3, 2, 1}, {8, 8, 8, 4, 3, 2}, {6, 11, 5, 6, 5, 3}, {1, 1, 1, 1, 1, 0}};

	check_mixtures(build_pick, arg[_i], 3, 1e-6, "pick");
}
END_TEST

/* ---- resampling ---- */
typedef struct fir_case {
	int64_t h, w, c;
	int up, down, pad0, pad1, taps;
} fir_case;

static const fir_case fir_cases[] = {
	{32, 32, 128, 1, 2, 1, 1, 4}, {16, 16, 128, 2, 1, 2, 1, 4}, {16, 16, 64, 1, 2, 0, 0, 2}, {16, 16, 64, 2, 1, 1, 0, 2}, {9, 7, 3, 2, 1, 2, 1, 4},
	{9, 12, 5, 3, 2, 4, 3, 7}, {20, 17, 8, 1, 1, -3, -2, 3}, {17, 20, 3, 2, 3, -5, 4, 8}, {12, 12, 16, 2, 1, 6, 5, 12}, {5, 6, 3, 1, 1, 40, 41, 70},
	{6, 5, 8, 4, 3, 100, 110, 200}, {8, 8, 24, 5, 1, 3, 3, 3}, {2, 3, 8, 1, 1, 2, 3, 1}};

static void build_fir(sheet *s, const int64_t *arg)
{
	const fir_case *c = &fir_cases[arg[0]];
	int64_t dim[3] = {0, 0, 0};
	double tap[200];
	int k;

	dim[0] = c->h;
	dim[1] = c->w;
	dim[2] = c->c;
	for (k = 0; k < c->taps; k++)
		tap[k] = (1 + (k * 5 % 7) / 3.0) / c->taps;
	with_gradients(s, sf_upfirdn(s->g, operand(s, 1, 3, dim, PLAIN), c->up, c->down, c->pad0, c->pad1, c->taps, tap), 1);
}

START_TEST(check_fir)
{
	int64_t arg[6] = {0};

	arg[0] = _i;
	check_mixtures(build_fir, arg, 3, 1e-6, "upfirdn");
	check(build_fir, arg, 0, 1, 1e-6, "upfirdn");
}
END_TEST

/* What lies outside of the taps' reach is not touched: an infinity stays where it belongs. */
START_TEST(check_fir_reach)
{
	static const double tap[3] = {1, 2, 4};
	const int64_t dim[3] = {4, 4, 8};
	sf_ctx *ctx = ck_ctx();
	float x[128], y[9 * 9 * 8];
	sf_run run = {0};
	sf_graph *g;
	sf_plan *p;
	sf_var in, out;
	int i, finite = 0;

	rig_device(ctx, SF_DEVICE_STRICT, 0);
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	in = sf_input(g, "x", 1, 3, dim);
	out = sf_upfirdn(g, in, 2, 1, 2, 1, 3, tap);
	ck_assert_int_eq(sf_shape_of(g, out).dim[0], 9);
	assert_ok(ctx, sf_plan_new(g, &out, 1, SF_F32, 1, &p));
	for (i = 0; i < 128; i++)
		x[i] = i / 8 == 5 ? INFINITY : 1; /* pixel (1,1) */
	assert_ok(ctx, sf_plan_bind(p, in, x));
	assert_ok(ctx, sf_plan_output(p, 0, y));
	run.n = 1;
	assert_ok(ctx, sf_plan_run(p, &run));
	for (i = 0; i < 9 * 9 * 8; i++) {
		const int row = i / 72, col = i / 8 % 9;

		ck_assert_int_eq(isinf(y[i]) != 0, row >= 2 && row <= 4 && col >= 2 && col <= 4);
		finite += isfinite(y[i]) != 0;
	}
	ck_assert_int_eq(finite, 8 * (81 - 9));
	sf_plan_free(p);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- norms ---- */

/* arg: h, w, c, groups, act, kind + 16 (gradients that are left out: 1 x, 2 gamma, 4 beta) */
static void build_norm(sheet *s, const int64_t *arg)
{
	sf_var x = operand(s, 1, 3, arg, (int)arg[5] % 16), gamma = operand(s, 0, 1, arg + 2, PLAIN), beta = operand(s, 0, 1, arg + 2, PLAIN);

	with_gradients(s, sf_group_norm(s->g, x, gamma, beta, (int)arg[3], 1e-6, (int)arg[4]), 7 & ~(int)(arg[5] / 16));
}

static const int64_t norm_cases[][6] = {
	{16, 16, 256, 32, 1, 0}, {32, 32, 128, 32, 1, 0}, {8, 8, 256, 32, 0, 0}, {32, 32, 64, 4, 1, 0}, /* near, and far in float */
	{40, 40, 16, 2, 1, 0}, {72, 70, 24, 3, 0, 0}, {70, 70, 32, 1, 1, 0}, /* far */
	{5, 7, 640, 1, 1, 0}, {17, 9, 1200, 2, 0, 0}, {3, 3, 514, 1, 1, 0}, /* groups of several pieces */
	{4, 4, 24, 8, 1, 0}, {9, 9, 48, 2, 1, 0}, {5, 5, 15, 5, 0, 0}, {1, 1, 64, 8, 1, 0}, {7, 5, 96, 96, 1, 0}, {6, 6, 12, 12, 0, 0},
	{1, 3, 2, 1, 1, 0}, {3, 3, 80, 40, 1, 0},
	{16, 16, 64, 8, 1, 16}, {16, 16, 64, 8, 1, 96}, {64, 64, 16, 2, 1, 16}, {64, 64, 16, 2, 1, 96}}; /* one of the two gradients */

START_TEST(check_norm)
{
	check_mixtures(build_norm, norm_cases[_i], 3, 4e-6, "group norm");
	check(build_norm, norm_cases[_i], 0, 1, 4e-6, "group norm");
}
END_TEST

/* A mean a thousand times the spread, and single values far outside of it. */
START_TEST(check_norm_digits)
{
	static const int64_t arg[][6] = {{16, 16, 64, 8, 1, LEVEL}, {64, 64, 64, 8, 1, LEVEL}, {32, 32, 40, 8, 0, LEVEL}, {5, 7, 640, 1, 0, LEVEL},
	                                 {16, 16, 64, 8, 1, SPIKE}, {64, 64, 64, 8, 1, SPIKE}, {40, 40, 30, 10, 0, SPIKE}};

	/* half a unit of a mean of 1002, 3e-5, is 2.6e-5 of the spread; squares of x would have cost a tenth of it */
	check(build_norm, arg[_i], 0, 2, arg[_i][5] == LEVEL ? 3e-5 : 1e-5, "group norm far from zero");
}
END_TEST

/* ---- softmax ---- */
static void build_softmax(sheet *s, const int64_t *arg)
{
	sf_var x = operand(s, 1, 2, arg, (int)arg[2]);

	if (arg[2] == PLAIN)
		with_gradients(s, sf_softmax(s->g, x), 1);
	else
		result(s, sf_softmax(s->g, x));
}

START_TEST(check_softmax)
{
	static const int64_t arg[][6] = {{256, 256, PLAIN}, {64, 64, PLAIN}, {5, 7, PLAIN}, {9, 1, PLAIN}, {7, 1024, PLAIN}, {7, 1032, PLAIN}, {3, 5001, PLAIN},
	                                 {50, 300, HOLES}, {10, 1500, HOLES}, {2, 20000, HOLES}, {40, 304, HOLES}, {40, 300, TIES}};

	check_mixtures(build_softmax, arg[_i], 2, 4e-6, "softmax");
}
END_TEST

#define COUNT(a) (int)(sizeof(a) / sizeof(a)[0])

int main(void)
{
	Suite *s = suite_create("cuda_norm");
	TCase *t = tcase_create("kernels");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, check_all_sums);
	tcase_add_loop_test(t, check_large_sums, 0, 8);
	tcase_add_loop_test(t, check_many, 0, 2);
	tcase_add_test(t, check_permute);
	tcase_add_loop_test(t, check_moves, 0, 5);
	tcase_add_loop_test(t, check_gather, 0, 4);
	tcase_add_test(t, check_bad_index);
	tcase_add_loop_test(t, check_pick, 0, 6);
	tcase_add_loop_test(t, check_fir, 0, COUNT(fir_cases));
	tcase_add_test(t, check_fir_reach);
	tcase_add_loop_test(t, check_norm, 0, COUNT(norm_cases));
	tcase_add_loop_test(t, check_norm_digits, 0, 7);
	tcase_add_loop_test(t, check_softmax, 0, 12);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
