/* check_pool.c: pooling, resizing, dilated kernels and constant tensors: known answers and refusals. That every element
 * and derivative is what the definition says is in check_autodiff.c and check_plan.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include <math.h>
#include <string.h>

static sf_ctx *ctx;
static sf_graph *g;

static void setup(void)
{
	ctx = ck_ctx();
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
}

static void teardown(void)
{
	sf_graph_free(g);
	sf_ctx_free(ctx);
}

static void restart(void)
{
	sf_graph_free(g);
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
}

static sf_var image(const char *name, int64_t h, int64_t w, int64_t c)
{
	int64_t dim[3];

	dim[0] = h;
	dim[1] = w;
	dim[2] = c;
	return sf_input(g, name, 1, 3, dim);
}

/* y for one sample with values `x` of `in`, and `t` of `in2` unless that is SF_NOVAR */
static void eval(sf_var y, sf_var in, const double *x, sf_var in2, const double *t, double *out)
{
	sf_plan *p;
	sf_run run;

	assert_ok(ctx, sf_graph_status(g));
	assert_ok(ctx, sf_plan_new(g, &y, 1, SF_F64, 1, &p));
	assert_ok(ctx, sf_plan_bind(p, in, x));
	if (in2 != SF_NOVAR)
		assert_ok(ctx, sf_plan_bind(p, in2, t));
	assert_ok(ctx, sf_plan_output(p, 0, out));
	memset(&run, 0, sizeof run);
	run.n = 1;
	assert_ok(ctx, sf_plan_run(p, &run));
	sf_plan_free(p);
}

/* Whom a window of 2x2 over 2x2 pixels chooses: the first of equal maxima, a NaN before any number, and some pixel where
 * all are -inf. t names the places. */
START_TEST(choices)
{
	static const struct {
		double x[4], t;
	} row[] = {
		{{1, 2, 3, 4}, 40}, {{4, 2, 3, 4}, 10}, {{1, 3, 3, 0}, 20}, {{2, 1, 2, 2}, 10}, {{0, 0, 0, 0}, 10},
		{{-0., 0, 0, 0}, 10}, {{-4, -3, -1, -2}, 30}, {{1, NAN, 3, INFINITY}, 20}, {{9, 2, NAN, 4}, 30},
		{{-INFINITY, -INFINITY, -INFINITY, -INFINITY}, 10}, {{-INFINITY, -9, -INFINITY, -INFINITY}, 20},
		{{INFINITY, 0, 0, INFINITY}, 10},
	};
	static const double t[4] = {10, 20, 30, 40}, seven = 7;
	size_t i;
	int k;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		double y[4];
		sf_var x = image("x", 2, 2, 1), in = image("t", 2, 2, 1), dy = image("dy", 1, 1, 1), d;

		eval(sf_pick(g, x, in, 2, 2, 0), x, row[i].x, in, t, y);
		ck_assert_msg(y[0] == row[i].t, "case %d: %g, expected %g", (int)i, y[0], row[i].t);
		/* the gradient goes to the same place and nowhere else */
		assert_ok(ctx, sf_grad(g, sf_dot(g, dy, sf_max_pool(g, x, 2, 2, 0)), &x, 1, &d));
		eval(d, x, row[i].x, dy, &seven, y);
		for (k = 0; k < 4; k++)
			ck_assert_msg(y[k] == (t[k] == row[i].t ? 7 : 0), "case %d: gradient %g at %d", (int)i, y[k], k);
		restart();
	}
}
END_TEST

/* All 512 ways in which nine pixels are 0 or 1, one a channel: a window takes the first 1 in it, or the first pixel. */
START_TEST(ties)
{
	enum { C = 512 };
	static double x[9 * C], t[9 * C], y[9 * C];
	int pad, i, c, ky, kx, o;

	for (i = 0; i < 9; i++)
		for (c = 0; c < C; c++) {
			x[i * C + c] = c >> i & 1;
			t[i * C + c] = i;
		}
	for (pad = 0; pad < 2; pad++) {
		int side = 1 + 2 * pad;
		sf_var a = image("x", 3, 3, C), b = image("t", 3, 3, C);

		eval(sf_pick(g, a, b, 3, 1, pad), a, x, b, t, y);
		for (o = 0; o < side * side; o++)
			for (c = 0; c < C; c++) {
				int want = -1, first = -1;

				for (ky = 0; ky < 3; ky++)
					for (kx = 0; kx < 3; kx++) {
						int iy = o / side + ky - pad, ix = o % side + kx - pad;

						if (iy < 0 || iy > 2 || ix < 0 || ix > 2)
							continue;
						first = first < 0 ? 3 * iy + ix : first;
						if (want < 0 && (c >> (3 * iy + ix) & 1))
							want = 3 * iy + ix;
					}
				ck_assert_double_eq(y[o * C + c], want < 0 ? first : want);
			}
		restart();
	}
}
END_TEST

/* 1 .. 20 in rows of 5: with window 5, stride 1 and padding 2 the maximum is the pixel two to the right and two below,
 * or the last there is. The mean of ones counts the padding. */
START_TEST(windows)
{
	double x[20], y[20];
	sf_var in = image("x", 4, 5, 1);
	int i, j, rows, cols;

	for (i = 0; i < 20; i++)
		x[i] = i + 1;
	eval(sf_max_pool(g, in, 5, 1, 2), in, x, SF_NOVAR, NULL, y);
	for (i = 0; i < 4; i++)
		for (j = 0; j < 5; j++)
			ck_assert_double_eq(y[5 * i + j], 5 * (i + 2 < 4 ? i + 2 : 3) + (j + 2 < 5 ? j + 2 : 4) + 1);
	for (i = 0; i < 20; i++)
		x[i] = 1;
	eval(sf_avg_pool(g, in, 5, 1, 2), in, x, SF_NOVAR, NULL, y);
	for (i = 0; i < 4; i++)
		for (j = 0; j < 5; j++) {
			rows = (i + 3 < 4 ? i + 3 : 4) - (i > 2 ? i - 2 : 0);
			cols = (j + 3 < 5 ? j + 3 : 5) - (j > 2 ? j - 2 : 0);
			assert_close(y[5 * i + j], rows * cols / 25., 1e-14, 0);
		}
	eval(sf_avg_pool(g, in, 2, 2, 0), in, x, SF_NOVAR, NULL, y);
	for (i = 0; i < 4; i++)
		assert_close(y[i], 1, 1e-15, 0);
}
END_TEST

/* Bilinear interpolation is exact on a + b i + c j + d i j, whatever the sizes; corners stay. */
START_TEST(resizing)
{
	static const int size[][4] = {{2, 3, 5, 7}, {5, 4, 3, 2}, {3, 3, 3, 8}, {4, 2, 1, 1}, {1, 1, 3, 2}, {6, 5, 6, 5}};
	double x[60], y[120];
	size_t k;
	int i, j, c;

	for (k = 0; k < sizeof size / sizeof *size; k++) {
		int h = size[k][0], w = size[k][1], ho = size[k][2], wo = size[k][3];
		sf_var in = image("x", h, w, 2);

		for (i = 0; i < h; i++)
			for (j = 0; j < w; j++)
				for (c = 0; c < 2; c++)
					x[(i * w + j) * 2 + c] = (1 + c) + .5 * i - .25 * j + .125 * (1 - 2 * c) * i * j;
		eval(sf_resize_bilinear(g, in, ho, wo), in, x, SF_NOVAR, NULL, y);
		for (i = 0; i < ho; i++)
			for (j = 0; j < wo; j++)
				for (c = 0; c < 2; c++) {
					double a = ho > 1 ? i * (h - 1.) / (ho - 1) : 0, b = wo > 1 ? j * (w - 1.) / (wo - 1) : 0;

					assert_close(y[(i * wo + j) * 2 + c],
					             (1 + c) + .5 * a - .25 * b + .125 * (1 - 2 * c) * a * b, 1e-14, 1e-14);
				}
		if (h == ho && w == wo)
			ck_assert_int_eq(sf_resize_bilinear(g, in, ho, wo), in);
		restart();
	}
}
END_TEST

/* A dilated kernel is the same kernel with zeros between its taps. */
START_TEST(dilation)
{
	enum { H = 7, W = 6, D = 2, K = 3, WIDE = D * (K - 1) + 1 };
	const int64_t dim[4] = {K, K, 1, 1}, wide[4] = {WIDE, WIDE, 1, 1};
	double x[H * W], a[H * W], b[H * W], w[K * K], z[WIDE * WIDE] = {0};
	int stride, i;

	for (i = 0; i < H * W; i++)
		x[i] = sin(5 * i);
	for (i = 0; i < K * K; i++)
		z[i / K * D * WIDE + i % K * D] = w[i] = cos(2 * i);
	for (stride = 1; stride < 4; stride++) {
		sf_var in = image("x", H, W, 1);
		sf_var one = sf_conv2d_dilated(g, in, sf_const_tensor(g, 4, dim, w), stride, D, D);
		sf_var two = sf_conv2d(g, in, sf_const_tensor(g, 4, wide, z), stride, D);
		sf_shape s = sf_shape_of(g, one);

		ck_assert_int_eq(s.dim[0], sf_shape_of(g, two).dim[0]);
		ck_assert_int_eq(s.size, sf_shape_of(g, two).size);
		eval(one, in, x, SF_NOVAR, NULL, a);
		eval(two, in, x, SF_NOVAR, NULL, b);
		for (i = 0; i < s.size; i++)
			assert_close(a[i], b[i], 1e-14, 1e-14);
		restart();
	}
}
END_TEST

/* The values are the graph's own; equal ones in a gradient do not become one node of another shape. */
START_TEST(constants)
{
	const int64_t dim[2] = {2, 2}, flat = 4;
	double v[4] = {1, -2, 3, .5}, x[4] = {1, 1, 1, 1}, y[4];
	sf_var in = sf_input(g, "x", 1, 2, dim), c = sf_const_tensor(g, 2, dim, v), d = sf_const_tensor(g, 1, &flat, v);

	ck_assert(!sf_shape_of(g, c).per_sample && sf_shape_of(g, c).dim[1] == 2 && sf_shape_of(g, d).rank == 1);
	v[0] = 100;
	eval(sf_matmul(g, in, c, 0, 0), in, x, SF_NOVAR, NULL, y);
	ck_assert(y[0] == 4 && y[1] == -1.5 && y[2] == 4 && y[3] == -1.5);
	/* not taken for its first number */
	eval(sf_mul(g, in, sf_add(g, c, sf_reshape(g, d, 2, dim))), in, x, SF_NOVAR, NULL, y);
	ck_assert(y[0] == 2 && y[1] == -4 && y[2] == 6 && y[3] == 1);
}
END_TEST

static void refused(sf_var v, int code, const char *text)
{
	ck_assert_int_eq(v, SF_NOVAR);
	ck_assert_msg(sf_graph_status(g) == code, "%d: %s", sf_graph_status(g), sf_ctx_message(ctx));
	ck_assert_msg(strstr(sf_ctx_message(ctx), text) != NULL, "%s", sf_ctx_message(ctx));
	restart();
}

START_TEST(refusals)
{
	const int64_t dim[4] = {3, 3, 2, 2}, big[2] = {1 << 13, 1 << 12}, neg = -1;
	const double v[2] = {1, NAN};
	const int64_t two = 2;

	refused(sf_max_pool(g, image("x", 4, 4, 1), 3, 1, 2), SF_EMISMATCH, "padding of at most half the window");
	refused(sf_max_pool(g, image("x", 4, 4, 1), 0, 1, 0), SF_EMISMATCH, "window and stride of 1 to 64");
	refused(sf_max_pool(g, image("x", 4, 4, 1), 2, 0, 0), SF_EMISMATCH, "window and stride of 1 to 64");
	refused(sf_max_pool(g, image("x", 4, 2, 1), 3, 1, 0), SF_EMISMATCH, "larger than the padded image");
	refused(sf_pick(g, image("x", 4, 4, 1), image("t", 4, 4, 2), 3, 1, 1), SF_EMISMATCH, "two images of one size");
	refused(sf_max_pool(g, sf_input(g, "x", 1, 1, &two), 2, 1, 0), SF_EMISMATCH, "(h,w,c) expected");
	refused(sf_avg_pool(g, image("x", 4, 4, 1), 65, 1, 0), SF_ERANGE, "window 65");
	refused(sf_conv2d_dilated(g, image("x", 4, 4, 2), sf_input(g, "w", 0, 4, dim), 1, 1, 0), SF_EMISMATCH,
	        "stride and dilation of 1 to 64");
	refused(sf_conv2d_dilated(g, image("x", 4, 4, 2), sf_input(g, "w", 0, 4, dim), 1, 0, 2), SF_EMISMATCH,
	        "dilation 2: the kernel is larger than the padded image");
	refused(sf_resize_bilinear(g, image("x", 4, 4, 2), 0, 3), SF_EMISMATCH, "sizes of 1 to 4096");
	refused(sf_resize_bilinear(g, sf_input(g, "x", 1, 1, &two), 2, 3), SF_EMISMATCH, "expected (h,w,c)");
	refused(sf_const_tensor(g, 1, &two, v), SF_EINVAL, "value 1 is not finite");
	refused(sf_const_tensor(g, 2, big, v), SF_ERANGE, "at most 16777216");
	refused(sf_const_tensor(g, 1, &neg, v), SF_ERANGE, "size -1");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("pool");
	TCase *t = tcase_create("images");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, choices);
	tcase_add_test(t, ties);
	tcase_add_test(t, windows);
	tcase_add_test(t, resizing);
	tcase_add_test(t, dilation);
	tcase_add_test(t, constants);
	tcase_add_test(t, refusals);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
