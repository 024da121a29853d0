/* check_autodiff.c: sf_grad and sf_jvp against finite differences, on every row of the op table.
 *
 * For a case y = f(x) with random weights u and directions v (L = sum u y):
 *     gradient      dL/dx against the five-point difference of L
 *     tangent       J v against the five-point difference of y
 *     dot product   <u, J v> = <J'u, v> to rounding
 * and in order 2, with S = <dL/dx, w>:
 *     second        dS/dx against the difference of S (reverse over reverse)
 *     symmetry      <dS/dx, v> = jvp of S along v (forward over reverse over reverse)
 *     exchange      the gradient of <u, J w> (reverse over forward) is dS/dx
 * Orders 1 and 2 give one gradient; fused derivatives refuse to be differentiated. Whole networks are
 * in check_hessian.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "autodiff_fixture.h"

#include <stdio.h>
#include <string.h>

static void check_gradient(const op_case *c, int variant, int order, double *all, int64_t *count)
{
	sf_var x[CASE_INPUTS], d[CASE_INPUTS], loss;
	double fd[MOST];
	int at[CASE_INPUTS], k, n;
	fixture f;

	open_case(&f, c, variant, order);
	n = smooth_inputs(&f, x, at);
	loss = weighted(&f);
	ck_assert_int_eq(sf_grad(f.t.g, loss, x, n, d), 0);
	set_values(&f);
	*count = 0;
	for (k = 0; k < n; k++) {
		int64_t m = naive_count(&f.v, x[k]);

		ck_assert_int_eq(naive_count(&f.v, d[k]), m);
		memcpy(all + *count, naive_get(&f.v, d[k]), (size_t)m * sizeof *all);
		difference(&f, loss, at[k], fd);
		if (c->kind == CASE_FLAT)
			ck_assert_double_eq(biggest(all + *count, m), 0);
		else
			compare(&f, "gradient", all + *count, fd, m, 1e-6, 1e-9);
		*count += m;
	}
	close_case(&f);
}

static void check_tangent(const op_case *c, int variant, int order)
{
	sf_var x[CASE_INPUTS], d[CASE_INPUTS], v[CASE_INPUTS], j[CASE_INPUTS], uj[CASE_INPUTS],
		gv[CASE_INPUTS], loss, u;
	double fd[4 * MOST];
	int at[CASE_INPUTS], k, n;
	fixture f;

	open_case(&f, c, variant, order);
	n = smooth_inputs(&f, x, at);
	u = put_like(&f.t, f.t.y);
	loss = sf_sum(f.t.g, sf_mul(f.t.g, u, f.t.y));
	ck_assert_int_eq(sf_grad(f.t.g, loss, x, n, d), 0);
	for (k = 0; k < n; k++) {
		v[k] = put_like(&f.t, x[k]);
		j[k] = sf_jvp(f.t.g, f.t.y, x[k], v[k]);
		uj[k] = whole(f.t.g, sf_mul(f.t.g, u, j[k]));
		gv[k] = whole(f.t.g, sf_mul(f.t.g, d[k], v[k]));
	}
	set_values(&f);
	for (k = 0; k < n; k++) {
		int64_t m = naive_count(&f.v, f.t.y);
		double a, b;

		ck_assert_int_eq(naive_count(&f.v, j[k]), m);
		ck_assert_int_le(m, 4 * MOST);
		/* directions are the inputs after u, in order */
		directional(&f, f.t.y, at[k], f.x[f.own + 1 + k], fd);
		if (c->kind == CASE_FLAT)
			ck_assert_double_eq(biggest(naive_get(&f.v, j[k]), m), 0);
		else
			compare(&f, "tangent", naive_get(&f.v, j[k]), fd, m, 1e-6, 1e-9);
		a = total(&f, uj[k]);
		b = total(&f, gv[k]);
		ck_assert_msg(sf_close(a, b, 1e-12, 1e-12), "%s: <u,Jv> = %.17g, <J'u,v> = %.17g", f.what, a, b);
	}
	close_case(&f);
}

/* Second derivatives. */
static void check_second(const op_case *c, int variant)
{
	sf_var x[CASE_INPUTS], d[CASE_INPUTS], w[CASE_INPUTS], h[CASE_INPUTS], r[CASE_INPUTS];
	sf_var loss, u, s = SF_NOVAR, p = SF_NOVAR, forward, back = SF_NOVAR, term;
	double fd[MOST], got[MOST];
	int at[CASE_INPUTS], k, n;
	fixture f;
	sf_graph *g;

	open_case(&f, c, variant, 2);
	g = f.t.g;
	n = smooth_inputs(&f, x, at);
	if (f.own + 1 + n > CASE_INPUTS)
		ck_abort_msg("%s: too many inputs", f.what);
	u = put_like(&f.t, f.t.y);
	loss = sf_sum(g, sf_mul(g, u, f.t.y));
	sf_grad(g, loss, x, n, d);
	for (k = 0; k < n; k++) { /* S = sum <dL/dx, w>, P = <u, sum J w> */
		w[k] = put_like(&f.t, x[k]);
		term = whole(g, sf_mul(g, d[k], w[k]));
		s = k ? sf_add(g, s, term) : term;
		term = whole(g, sf_mul(g, u, sf_jvp(g, f.t.y, x[k], w[k])));
		p = k ? sf_add(g, p, term) : term;
	}
	sf_grad(g, s, x, n, h);
	sf_grad(g, p, x, n, r);
	forward = sf_jvp(g, s, x[0], w[0]);
	back = whole(g, sf_mul(g, h[0], w[0]));
	set_values(&f);
	ck_assert_msg(sf_close(total(&f, s), total(&f, p), 1e-11, 1e-11), "%s: S = %.17g, P = %.17g",
	              f.what, total(&f, s), total(&f, p));
	ck_assert_msg(sf_close(total(&f, forward), total(&f, back), 1e-10, 1e-10),
	              "%s: forward %.17g, reverse %.17g", f.what, total(&f, forward), total(&f, back));
	for (k = 0; k < n; k++) {
		int64_t m = naive_count(&f.v, x[k]);

		memcpy(got, naive_get(&f.v, h[k]), (size_t)m * sizeof *got);
		compare(&f, "exchanged second derivative", naive_get(&f.v, r[k]), got, m, 1e-11, 1e-11);
		difference(&f, s, at[k], fd);
		compare(&f, "second derivative", got, fd, m, 1e-6, 1e-8);
	}
	close_case(&f);
}

/* What cannot be differentiated says so, in either mode. */
static void check_refused(const op_case *c, int variant, int reverse)
{
	sf_var x[CASE_INPUTS], d[CASE_INPUTS], y;
	int at[CASE_INPUTS], n;
	fixture f;

	open_case(&f, c, variant, 1);
	n = smooth_inputs(&f, x, at);
	y = reverse ? SF_NOVAR : sf_jvp(f.t.g, f.t.y, x[0], put_like(&f.t, x[0]));
	if (reverse)
		sf_grad(f.t.g, weighted(&f), x, n, d);
	ck_assert_int_eq(y, SF_NOVAR);
	ck_assert_int_eq(sf_graph_status(f.t.g), SF_EUNSUP);
	ck_assert_msg(strstr(sf_ctx_message(f.ctx), sf_ops[c->op].name) &&
	              strstr(sf_ctx_message(f.ctx), "order 2"), "%s", sf_ctx_message(f.ctx));
	close_case(&f);
}

START_TEST(every_op_has_a_case)
{
	int op, i, variant, k;

	for (op = 0; op < SF_OP_COUNT; op++) {
		int found = 0;

		ck_assert_msg(sf_ops[op].name && sf_ops[op].shape && sf_ops[op].flops, "row %d is empty", op);
		ck_assert_msg(!sf_ops[op].vjp == !sf_ops[op].jvp, "%s: one rule without the other", sf_ops[op].name);
		for (i = 0; i < op_case_count; i++)
			found |= op_cases[i].op == (sf_opcode)op;
		ck_assert_msg(found, "op %s has no case", sf_ops[op].name);
	}
	for (i = 0; i < op_case_count; i++) {
		for (variant = 0; variant < op_cases[i].variants; variant++) {
			int found = op_cases[i].op == SF_OP_COUNT;
			fixture f;

			open_case(&f, &op_cases[i], variant, 1);
			for (k = 0; k < f.t.g->n; k++)
				found |= f.t.g->node[k].op == op_cases[i].op;
			ck_assert_msg(found, "%s: the op is not in the graph", f.what);
			close_case(&f);
		}
	}
}
END_TEST

START_TEST(gradients)
{
	const op_case *c = &op_cases[_i];
	double one[CASE_INPUTS * MOST], two[CASE_INPUTS * MOST];
	int64_t n, m;
	int variant;

	for (variant = 0; c->kind != CASE_FUSED && variant < c->variants; variant++) {
		fixture f;

		check_gradient(c, variant, 1, one, &n);
		check_gradient(c, variant, 2, two, &m);
		ck_assert_int_eq(n, m);
		snprintf(f.what, sizeof f.what, "%s, variant %d", c->name, variant);
		compare(&f, "order 1 against order 2", one, two, n, 1e-12, 1e-15);
	}
}
END_TEST

START_TEST(tangents)
{
	const op_case *c = &op_cases[_i];
	int variant;

	for (variant = 0; c->kind != CASE_FUSED && variant < c->variants; variant++) {
		check_tangent(c, variant, 2);
		if (c->kind != CASE_FIRST)
			check_tangent(c, variant, 1);
	}
}
END_TEST

START_TEST(second_derivatives)
{
	const op_case *c = &op_cases[_i];
	int variant;

	for (variant = 0; c->kind != CASE_FUSED && variant < c->variants; variant++)
		check_second(c, variant);
}
END_TEST

START_TEST(refusals)
{
	const op_case *c = &op_cases[_i];
	int variant;

	for (variant = 0; variant < c->variants; variant++) {
		if (c->kind == CASE_FUSED)
			check_refused(c, variant, 1);
		if (c->kind == CASE_FUSED || c->kind == CASE_FIRST)
			check_refused(c, variant, 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("autodiff");
	TCase *t = tcase_create("ops");

	tcase_add_test(t, every_op_has_a_case);
	tcase_add_loop_test(t, gradients, 0, op_case_count);
	tcase_add_loop_test(t, tangents, 0, op_case_count);
	tcase_add_loop_test(t, second_derivatives, 0, op_case_count);
	tcase_add_loop_test(t, refusals, 0, op_case_count);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
