/* check_resampling.c: halving and doubling of images, as the head of src/net/fir.c says it. Everything is separable, so
 * that images and kernels of rank one show one axis at a time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "net/build.h"

#include <string.h>

enum { LINE = 6 };
static double at(const double *x, int n, int i)
{
	return i >= 0 && i < n ? x[i] : 0;
}

/* One axis, as fir.c's head says; kind: 0 down, 1 up, 2 down with w, 3 up with w, 4 and 5 the same without a filter */
static int line(int kind, const sf_fir *f, const double *x, const double *w, double *y)
{
	double v[4 * LINE + 40], z[2 * LINE] = {0};
	int n = f->n, i, j, k, out = kind % 2 ? 2 * LINE : LINE / 2, len = 2 * LINE + 2, first;

	for (i = 0; i < LINE; i++)
		z[2 * i] = x[i];
	for (i = 0; i < out; i++)
		y[i] = 0;
	if (kind == 0 || kind == 1) {
		for (i = 0; i < out; i++)
			for (j = 0; j < n; j++)
				y[i] += kind ? 2 * f->tap[j] * at(z, 2 * LINE, i + j - (n - 1) / 2 - 1)
				             : f->tap[j] * at(x, LINE, 2 * i + j - (n - 1) / 2);
		return out;
	}
	first = kind == 2 ? -((n + 1) / 2) : -((n - 1) / 2) - 2;
	for (i = 0; i < len; i++)
		for (v[i] = 0, j = 0; j < n; j++)
			v[i] += kind == 2 ? f->tap[j] * at(x, LINE, i + j + first) : 2 * f->tap[j] * at(z, 2 * LINE, i + j + first);
	for (i = 0; i < out; i++)
		for (k = 0; k < 3; k++)
			switch (kind) {
			case 2: y[i] += w[k] * v[2 * i + k]; break;
			case 3: y[i] += w[k] * v[i + k]; break;
			case 4: y[i] += w[k] * at(x, LINE, 2 * i + k); break;
			default: y[i] += i + k - 1 < 0 || i + k - 1 >= out ? 0 : w[k] * x[(i + k - 1) / 2];
			}
	return out;
}

static sf_var resample(sf_graph *g, int kind, const sf_fir *f, sf_var x)
{
	switch (kind) {
	case 0: return sf_net_down(g, f, x);
	case 1: return sf_net_up(g, f, x);
	case 2: return sf_net_down_conv(g, f, "c", x, 1);
	case 3: return sf_net_up_conv(g, f, "c", x, 1);
	case 4: return sf_net_halve_conv(g, "c", x, 1);
	default: return sf_net_double_conv(g, "c", x, 1);
	}
}

static const sf_fir filters[] = {{2, {.5, .5}}, {3, {.25, .5, .25}}, {4, {.125, .375, .375, .125}},
                                 {6, {-.0625, .0625, .5, .5, .0625, -.0625}}};
enum { FILTERS = sizeof filters / sizeof *filters };

START_TEST(resampling)
{
	static const double a[LINE] = {1, -2, .5, 3, -1.5, .25}, b[LINE] = {.3, 1, -1, 2, .7, -.4};
	static const double p[3] = {.5, -1, 2}, q[3] = {1.5, .25, -.75};
	static const int64_t dim[3] = {LINE, LINE, 1};
	int kind = _i / FILTERS, n, i, j;
	const sf_fir *f = &filters[_i % FILTERS];
	double x[LINE * LINE], y[4 * LINE * LINE], ya[2 * LINE], yb[2 * LINE], param[32] = {0};
	sf_ctx *ctx = ck_ctx();
	sf_plan *plan;
	sf_graph *g;
	sf_var in, out;
	sf_run run;

	n = line(kind, f, a, p, ya);
	line(kind, f, b, q, yb);
	for (i = 0; i < LINE * LINE; i++)
		x[i] = a[i / LINE] * b[i % LINE];
	for (i = 0; i < 9; i++)
		param[i] = p[i / 3] * q[i % 3];
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	in = sf_input(g, "x", 1, 3, dim);
	out = resample(g, kind, f, in);
	assert_ok(ctx, sf_graph_status(g));
	ck_assert_int_eq(sf_shape_of(g, out).dim[0], n);
	ck_assert_int_eq(sf_shape_of(g, out).dim[1], n);
	assert_ok(ctx, sf_plan_new(g, &out, 1, SF_F64, 1, &plan));
	assert_ok(ctx, sf_plan_bind(plan, in, x));
	assert_ok(ctx, sf_plan_bind_params(plan, param));
	assert_ok(ctx, sf_plan_output(plan, 0, y));
	memset(&run, 0, sizeof run);
	run.n = 1;
	assert_ok(ctx, sf_plan_run(plan, &run));
	for (i = 0; i < n; i++)
		for (j = 0; j < n; j++)
			assert_close(y[i * n + j], ya[i] * yb[j], 1e-13, 1e-13);
	sf_plan_free(plan);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* The published filter on a constant line and an impulse: up 3/4 at the border, down 7/8; (1 3 3 1)/4 and (1 3 3 1)/8. */
START_TEST(published_filter)
{
	static const double one[LINE] = {1, 1, 1, 1, 1, 1}, impulse[LINE] = {0, 0, 1, 0, 0, 0};
	const sf_fir *f = &filters[2];
	double y[2 * LINE];

	ck_assert_int_eq(line(0, f, one, NULL, y), 3);
	ck_assert(y[0] == .875 && y[1] == 1 && y[2] == .875);
	ck_assert_int_eq(line(1, f, one, NULL, y), 12);
	ck_assert(y[0] == .75 && y[1] == 1 && y[10] == 1 && y[11] == .75);
	line(0, f, impulse, NULL, y);
	ck_assert(y[0] == .125 && y[1] == .375 && y[2] == 0);
	line(1, f, impulse, NULL, y);
	ck_assert(y[2] == 0 && y[3] == .25 && y[4] == .75 && y[5] == .75 && y[6] == .25 && y[7] == 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("resampling");
	TCase *tc = tcase_create("lines");

	tcase_add_loop_test(tc, resampling, 0, 6 * FILTERS);
	tcase_add_test(tc, published_filter);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
