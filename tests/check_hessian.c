/* check_hessian.c: derivatives of derivatives of whole networks, both modes nested: sliced score
 * matching of an MLP, the Hessian of an image network, orders 1 and 2 against each other.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "autodiff_fixture.h"

#include <math.h>
#include <string.h>

/* s(x) = W3 silu(W2 tanh(W1 x + b1) + b2) and softplus in between; inputs are x, v, weights. */
static sf_var mlp(fixture *f, sf_var x)
{
	instance *t = &f->t;
	sf_graph *g = t->g;
	sf_var h = sf_add(g, sf_matmul(g, x, put(t, -1, 1, "3,4"), 0, 0), put(t, -1, 1, "4"));

	h = sf_silu(g, sf_tanh(g, h));
	h = sf_softplus(g, sf_matmul(g, h, put(t, -1, 1, "4,5"), 0, 0));
	return sf_matmul(g, h, put(t, -1, 1, "3,5"), 0, 1);
}

START_TEST(sliced_score_matching)
{
	sf_var x, v, s, loss, w[4], d[4];
	double fd[MOST];
	fixture f;
	int k;

	open_plain(&f, 2, "v'Jv + |s|^2/2 of a three-layer MLP");
	x = put(&f.t, -1, 1, "*3");
	v = put(&f.t, -1, 1, "*3");
	s = mlp(&f, x);
	loss = sf_add(f.t.g, sf_dot(f.t.g, v, sf_jvp(f.t.g, s, x, v)),
	              sf_scale(f.t.g, sf_sumsq(f.t.g, s), 0.5));
	for (k = 0; k < 4; k++)
		w[k] = f.t.in[2 + k];
	sf_grad(f.t.g, loss, w, 4, d);
	set_values(&f);
	for (k = 0; k < 4; k++) {
		int64_t m = naive_count(&f.v, w[k]);

		ck_assert_int_eq(sf_shape_of(f.t.g, d[k]).per_sample, 0);
		difference(&f, loss, 2 + k, fd);
		compare(&f, "gradient", naive_get(&f.v, d[k]), fd, m, 1e-6, 1e-10);
	}
	close_case(&f);
}
END_TEST

START_TEST(one_differentiation_only)
{
	sf_var x, d, dd;
	fixture f;

	open_plain(&f, 1, "second gradient in order 1");
	x = put(&f.t, -1, 1, "*3");
	ck_assert_int_eq(sf_grad(f.t.g, sf_sum(f.t.g, mlp(&f, x)), &x, 1, &d), 0);
	ck_assert_int_eq(sf_grad(f.t.g, sf_sumsq(f.t.g, d), &x, 1, &dd), SF_EUNSUP);
	ck_assert_str_eq(sf_ctx_message(f.ctx),
	                 "op silu_grad was built for one differentiation; make the graph with order 2");
	ck_assert_int_eq(dd, SF_NOVAR);
	close_case(&f);
}
END_TEST

/* A small image network: convolution, group norm with SiLU, attention, downsampling. */
static sf_var image_net(fixture *f, sf_var x)
{
	static const int64_t rows[2] = {6, 4}, image[3] = {2, 3, 4};
	instance *t = &f->t;
	sf_graph *g = t->g;
	sf_var h, a;

	h = sf_conv2d(g, x, put(t, -0.5, 0.5, "3,3,2,4"), 2, 1);
	h = sf_group_norm(g, h, put(t, 0.5, 1.5, "4"), put(t, -1, 1, "4"), 2, 1e-3, SF_ACT_SILU);
	a = sf_reshape(g, h, 2, rows);
	a = sf_attention(g, sf_matmul(g, a, put(t, -1, 1, "4,4"), 0, 0), a, a, 2);
	h = sf_add(g, h, sf_reshape(g, a, 3, image));
	return sf_sum(g, sf_square(g, sf_up2(g, h)));
}

START_TEST(image_net_second_derivatives)
{
	sf_var x, v, y, d[5], in[5], hv[5], jv, fwd, at_v;
	double fd[MOST], got[MOST];
	int k, n = 5;
	fixture f;
	sf_graph *g;

	open_plain(&f, 2, "Hessian of an image network");
	g = f.t.g;
	x = put(&f.t, -1, 1, "*4,5,2");
	y = image_net(&f, x);
	for (k = 0; k < n; k++)
		in[k] = f.t.in[k];
	v = put_like(&f.t, x);
	sf_grad(g, y, in, n, d);
	jv = whole(g, sf_mul(g, d[0], v)); /* <dy/dx, v> */
	sf_grad(g, jv, in, n, hv);         /* row of the Hessian: all inputs */
	fwd = sf_jvp(g, d[0], x, v);       /* column: jvp of the gradient */
	at_v = sf_jvp(g, y, x, v);
	set_values(&f);
	ck_assert(sf_close(total(&f, jv), total(&f, at_v), 1e-12, 1e-12));
	memcpy(got, naive_get(&f.v, fwd), (size_t)naive_count(&f.v, x) * sizeof *got);
	compare(&f, "jvp of grad against grad of jvp", naive_get(&f.v, hv[0]), got,
	        naive_count(&f.v, x), 1e-11, 1e-12);
	for (k = 1; k < n; k++) {
		int64_t m = naive_count(&f.v, in[k]);

		memcpy(got, naive_get(&f.v, hv[k]), (size_t)m * sizeof *got);
		difference(&f, jv, k, fd);
		compare(&f, "mixed second derivative", got, fd, m, 1e-6, 1e-9);
	}
	close_case(&f);
}
END_TEST

START_TEST(image_net_orders_agree)
{
	static double all[2][2 * MOST];
	int64_t count[2];
	fixture f;
	int order, k;

	for (order = 1; order <= 2; order++) {
		sf_var x, y, in[5], d[5];

		open_plain(&f, order, "gradient of an image network in both orders");
		x = put(&f.t, -1, 1, "*4,5,2");
		y = image_net(&f, x);
		for (k = 0; k < 5; k++)
			in[k] = f.t.in[k];
		sf_grad(f.t.g, y, in, 5, d);
		set_values(&f);
		count[order - 1] = 0;
		for (k = 0; k < 5; k++) {
			int64_t m = naive_count(&f.v, in[k]);

			memcpy(all[order - 1] + count[order - 1], naive_get(&f.v, d[k]), (size_t)m * sizeof(double));
			count[order - 1] += m;
		}
		if (order == 2)
			compare(&f, "orders", all[0], all[1], count[0], 1e-12, 1e-14);
		close_case(&f);
	}
	ck_assert_int_eq(count[0], count[1]);
}
END_TEST

/* Third and fourth derivatives of x^5 by nesting both modes: 60 x^2 and 120 x. */
START_TEST(deep_nesting)
{
	sf_var x, one, y, d, e;
	fixture f;
	int i;

	open_plain(&f, 2, "x^5");
	x = put(&f.t, 0.5, 2, "*");
	one = sf_const(f.t.g, 1);
	y = sf_mul(f.t.g, sf_square(f.t.g, sf_square(f.t.g, x)), x);
	sf_grad(f.t.g, y, &x, 1, &d);
	d = sf_jvp(f.t.g, d, x, one);
	sf_grad(f.t.g, d, &x, 1, &e);
	d = sf_jvp(f.t.g, e, x, one);
	set_values(&f);
	for (i = 0; i < N; i++) {
		assert_close(naive_get(&f.v, e)[i], 60 * pow(f.x[0][i], 2), 1e-13, 0);
		assert_close(naive_get(&f.v, d)[i], 120 * f.x[0][i], 1e-13, 0);
	}
	close_case(&f);
}
END_TEST

/* Known answers: d(x'x)/dx = 2x; d/dx of something else is zero; n for a shared scalar. */
START_TEST(known_answers)
{
	sf_var x, w, in[2], d[2], zero;
	fixture f;
	int i;

	open_plain(&f, 1, "known answers");
	x = put(&f.t, -1, 1, "*3");
	w = put(&f.t, -1, 1, "");
	in[0] = x;
	in[1] = w;
	sf_grad(f.t.g, sf_add(f.t.g, sf_sumsq(f.t.g, x), w), in, 2, d);
	sf_grad(f.t.g, sf_sumsq(f.t.g, x), &w, 1, &zero);
	set_values(&f);
	for (i = 0; i < 3 * N; i++)
		ck_assert_double_eq(naive_get(&f.v, d[0])[i], 2 * f.x[0][i]);
	ck_assert_double_eq(naive_get(&f.v, d[1])[0], N);
	ck_assert_double_eq(naive_get(&f.v, zero)[0], 0);
	ck_assert_int_eq(sf_shape_of(f.t.g, zero).per_sample, 0);
	/* a tangent that does not depend on x is zero, and a shared one spreads over the batch */
	zero = sf_jvp(f.t.g, w, x, sf_const(f.t.g, 1));
	ck_assert_double_eq(naive_get(&f.v, zero)[0], 0);
	close_case(&f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hessian");
	TCase *t = tcase_create("nets");

	tcase_add_test(t, known_answers);
	tcase_add_test(t, deep_nesting);
	tcase_add_test(t, sliced_score_matching);
	tcase_add_test(t, one_differentiation_only);
	tcase_add_test(t, image_net_second_derivatives);
	tcase_add_test(t, image_net_orders_agree);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
