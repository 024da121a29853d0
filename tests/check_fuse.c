/* check_fuse.c: what the planner fuses: where, where not, and that it changes no byte and takes no more memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "recompute_rig.h"

#include "graph/exec.h"
#include "kernel/kernel.h"

#include <math.h>
#include <string.h>

enum { R = 3, K = 20, M = 18 };

typedef struct found {
	int biases, slopes, products; /* slopes read again: gradients that became products */
} found;

static found count(const built *b)
{
	found f = {0, 0, 0};
	sf_plan *p;
	int i, k;

	assert_ok(b->g->ctx, sf_plan_layout(b->g, b->out, b->n, SF_F32, 2, &p));
	for (i = 0; i < p->nval; i++) {
		f.biases += p->val[i].absorbed >= 0;
		f.slopes += p->val[i].slope >= 0;
		for (k = 0; p->val[i].slope >= 0 && k < p->nval; k++)
			f.products += p->val[k].node.op == SF_OP_MUL && p->val[k].node.in[1] == p->val[i].slope;
	}
	sf_plan_free(p);
	return f;
}

/* ---- pieces ---- */

static sf_var weight(sf_graph *g, const char *name, int rank, int64_t a, int64_t b)
{
	int64_t dim[2];
	sf_init normal = {SF_INIT_NORMAL_IN, 1, 0, 0};

	dim[0] = a;
	dim[1] = b;
	normal.fan_in = normal.fan_out = dim[0];
	return sf_param(g, name, rank, dim, normal);
}

static sf_var rows(sf_graph *g, const char *name, int64_t n)
{
	int64_t dim[2] = {R, 0};

	dim[1] = n;
	return sf_input(g, name, 1, 2, dim);
}

static sf_var product(sf_graph *g)
{
	return sf_matmul(g, rows(g, "x", K), weight(g, "w", 2, K, M), 0, 0);
}

static sf_var total(sf_graph *g, sf_var y)
{
	return sf_sum(g, sf_square(g, y));
}

typedef struct piece {
	const char *what;
	int biases, slopes, products;
	void (*build)(built *b);
} piece;

static void give(built *b, sf_var y)
{
	b->out[b->n++] = y;
}

static void with_bias(built *b)
{
	give(b, sf_add(b->g, product(b->g), weight(b->g, "b", 1, M, 0)));
}

static void bias_first(built *b)
{
	give(b, sf_add(b->g, weight(b->g, "b", 1, M, 0), product(b->g)));
}

static void bias_through_reshape(built *b)
{
	int64_t dim[3] = {R, 1, M};

	give(b, sf_add(b->g, sf_reshape(b->g, product(b->g), 3, dim), weight(b->g, "b", 1, M, 0)));
}

static void bias_of_few(built *b) /* one column: kernels of their own */
{
	sf_var y = sf_matmul(b->g, rows(b->g, "x", K), weight(b->g, "w", 2, K, 1), 0, 0);

	give(b, sf_add(b->g, y, weight(b->g, "b", 1, 1, 0)));
}

static void bias_each_product(built *b) /* one product a sample */
{
	sf_var y = sf_matmul(b->g, rows(b->g, "x", K), rows(b->g, "z", K), 0, 1);

	give(b, sf_add(b->g, y, weight(b->g, "b", 1, R, 0)));
}

static void two_biases(built *b) /* (A B + b) + c: the second one is a chain */
{
	sf_var y = sf_add(b->g, product(b->g), weight(b->g, "b", 1, M, 0));

	give(b, sf_add(b->g, y, weight(b->g, "c", 1, M, 0)));
}

static void product_read_twice(built *b)
{
	sf_var y = product(b->g);

	give(b, sf_mul(b->g, sf_add(b->g, y, weight(b->g, "b", 1, M, 0)), y));
}

static void product_is_output(built *b)
{
	sf_var y = product(b->g);

	give(b, sf_add(b->g, y, weight(b->g, "b", 1, M, 0)));
	give(b, y);
}

static void column(built *b) /* a number for each row */
{
	give(b, sf_add(b->g, product(b->g), weight(b->g, "b", 2, R, 1)));
}

static void whole(built *b) /* a number for each element */
{
	give(b, sf_add(b->g, product(b->g), weight(b->g, "b", 2, R, M)));
}

static void of_sample(built *b)
{
	int64_t dim = M;

	give(b, sf_add(b->g, product(b->g), sf_input(b->g, "b", 1, 1, &dim)));
}

static void difference(built *b)
{
	give(b, sf_sub(b->g, product(b->g), weight(b->g, "b", 1, M, 0)));
}

/* the gradient of f(silu(x)) for x = x0 + x0 */
static void gradient_of(built *b, sf_var x, sf_var y)
{
	sf_var dx;

	give(b, total(b->g, y));
	assert_ok(b->g->ctx, sf_grad(b->g, b->out[b->n - 1], &x, 1, &dx));
	give(b, dx);
}

static sf_var hidden(sf_graph *g, sf_var x)
{
	return sf_sin(g, x); /* its gradient reads x */
}

static void slope(built *b)
{
	sf_var x = rows(b->g, "x", K);

	gradient_of(b, x, sf_silu(b->g, hidden(b->g, x)));
}

static void slope_twice(built *b) /* two gradients of one SiLU */
{
	sf_var x = rows(b->g, "x", K), h = hidden(b->g, x), y = sf_silu(b->g, h), dh;

	give(b, total(b->g, y));
	assert_ok(b->g->ctx, sf_grad(b->g, b->out[0], &h, 1, &dh));
	give(b, dh);
	give(b, sf_sum(b->g, sf_exp(b->g, y)));
	assert_ok(b->g->ctx, sf_grad(b->g, b->out[2], &h, 1, &dh));
	give(b, dh);
}

static void slope_of_input(built *b) /* x is no memory of the plan's to save */
{
	sf_var x = rows(b->g, "x", K);

	gradient_of(b, x, sf_silu(b->g, x));
}

static void slope_beside(built *b) /* x is wanted by another gradient, too */
{
	sf_var x = rows(b->g, "x", K), h = hidden(b->g, x);

	gradient_of(b, x, sf_mul(b->g, sf_silu(b->g, h), sf_sin(b->g, h)));
}

static void slope_before(built *b) /* x is wanted after SiLU */
{
	sf_var x = rows(b->g, "x", K), h = hidden(b->g, x), y = sf_silu(b->g, h);

	gradient_of(b, x, sf_mul(b->g, y, sf_sub(b->g, x, h)));
}

static void slope_of_output(built *b)
{
	sf_var x = rows(b->g, "x", K), h = hidden(b->g, x);

	gradient_of(b, x, sf_silu(b->g, h));
	give(b, h);
}

static void no_gradient(built *b)
{
	give(b, sf_silu(b->g, hidden(b->g, rows(b->g, "x", K))));
}

static const piece pieces[] = {
	{"bias", 1, 0, 0, with_bias},
	{"bias first", 1, 0, 0, bias_first},
	{"bias through a reshape", 1, 0, 0, bias_through_reshape},
	{"bias of one column", 1, 0, 0, bias_of_few},
	{"bias of one product a sample", 1, 0, 0, bias_each_product},
	{"two biases", 1, 0, 0, two_biases},
	{"product read twice", 0, 0, 0, product_read_twice},
	{"product that is an output", 0, 0, 0, product_is_output},
	{"column", 0, 0, 0, column},
	{"matrix", 0, 0, 0, whole},
	{"row of the sample", 0, 0, 0, of_sample},
	{"difference", 0, 0, 0, difference},
	{"slope", 0, 1, 1, slope},
	{"slope, two gradients", 0, 1, 2, slope_twice},
	{"slope of an input", 0, 0, 0, slope_of_input},
	{"slope, x read elsewhere", 0, 0, 0, slope_beside},
	{"slope, x read after SiLU", 0, 0, 0, slope_before},
	{"slope, x an output", 0, 0, 0, slope_of_output},
	{"no gradient", 0, 0, 0, no_gradient},
};

START_TEST(found_where)
{
	const piece *c = &pieces[_i];
	sf_ctx *ctx = ck_ctx();
	built plain = {0}, fused = {0};
	found f;
	int k;

	assert_ok(ctx, sf_graph_new(ctx, 1, &plain.g));
	assert_ok(ctx, sf_graph_new(ctx, 1, &fused.g));
	plain.g->plain = 1;
	c->build(&plain);
	c->build(&fused);
	f = count(&plain);
	ck_assert_int_eq(f.biases + f.slopes, 0);
	f = count(&fused);
	ck_assert_msg(f.biases == c->biases && f.slopes == c->slopes && f.products == c->products,
	              "%s: %d biases, %d slopes for %d products", c->what, f.biases, f.slopes, f.products);
	ck_assert_int_le(measure(&fused).arena_bytes, measure(&plain).arena_bytes);
	for (k = 0; k < SF_ISA_COUNT; k++)
		if (sf_isa_usable(k)) {
			assert_ok(ctx, sf_ctx_set_isa(ctx, sf_isa_name(k)));
			same_bytes(&plain, &fused, c->what);
		}
	sf_graph_free(plain.g);
	sf_graph_free(fused.g);
	sf_ctx_free(ctx);
}
END_TEST

enum { LENGTH = 77 };

static void same(const float *a, const float *b, int64_t n) /* bytes, but for the sign of a NaN */
{
	int64_t i;

	for (i = 0; i < n; i++)
		ck_assert_msg((isnan(a[i]) && isnan(b[i])) || memcmp(a + i, b + i, sizeof *a) == 0, "%lld of %lld: %g and %g",
		              (long long)i, (long long)n, (double)a[i], (double)b[i]);
}

/* The pair of results is that of the two maps, whatever the length, in place too, and at the ends of the range. */
START_TEST(pair)
{
	static const float special[] = {0, -0.f, 1, -1, 88, -88, 104, -104, 1e30f, -1e30f, 1e-30f, INFINITY, NAN};
	const sf_kern_f32 *k = sf_kernels_f32_isa(_i);
	float a[LENGTH], one[LENGTH], y[LENGTH], slopes[LENGTH], want_y[LENGTH], want_slope[LENGTH];
	int64_t i, n;
	int way;

	if (!k)
		return;
	for (i = 0; i < LENGTH; i++) {
		a[i] = i < 13 ? special[i] : (float)(i - 40) * .37f;
		one[i] = 1;
	}
	for (n = 1; n <= LENGTH; n++)
		for (way = 0; way < 3; way++) {
			const float *from = way == 0 ? a : way == 1 ? y : slopes;

			memcpy(y, a, sizeof a);
			memcpy(slopes, a, sizeof a);
			k->map1[SF_EW1_SILU](n, a, 0, want_y);
			k->map2[SF_EW2_SILU_GRAD](n, one, a, want_slope);
			k->silu_pair(n, from, y, slopes);
			same(y, want_y, n);
			same(slopes, want_slope, n);
		}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fuse");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, found_where, 0, (int)(sizeof pieces / sizeof *pieces));
	tcase_add_loop_test(t, pair, 0, SF_ISA_COUNT);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return sf_test_main(suite());
}
