/* check_recompute.c: derivatives that compute the forward pass again give the bytes of those that do not, for every
 * operation; what is computed again is what the marks say.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "recompute_rig.h"

#include <string.h>

/* ---- every operation ---- */

/* L = sum sin(f(x))^2 with a mark after the sine, whose derivative reads f(x) again; in order 2 the gradient of
 * |dL/dx|^2 too. */
static int build_op(built *b, sf_ctx *ctx, instance *t, const op_case *c, int variant, int order, int level)
{
	sf_var wrt[CASE_INPUTS], loss;
	int k, n = 0, own;

	memset(t, 0, sizeof *t);
	assert_ok(ctx, sf_graph_new(ctx, order, &b->g));
	sf_graph_recompute(b->g, level);
	t->g = b->g;
	t->op = c->op;
	b->values = t;
	c->build(t, variant);
	own = t->nin;
	for (k = 0; k < own; k++)
		if (!t->index[k])
			wrt[n++] = t->in[k];
	loss = sf_sumsq(b->g, sf_keep(b->g, sf_sin(b->g, t->y)));
	if (sf_shape_of(b->g, loss).per_sample)
		loss = sf_batch_sum(b->g, loss);
	b->n = 1 + n;
	b->out[0] = loss;
	assert_ok(ctx, sf_grad(b->g, loss, wrt, n, b->out + 1));
	if (order == 2) {
		loss = SF_NOVAR;
		for (k = 1; k <= n; k++) {
			sf_var s = sf_sumsq(b->g, b->out[k]);

			if (sf_shape_of(b->g, s).per_sample)
				s = sf_batch_sum(b->g, s);
			loss = k == 1 ? s : sf_add(b->g, loss, s);
		}
		assert_ok(ctx, sf_grad(b->g, loss, wrt, n, b->out + 1 + n));
		b->n += n;
	}
	return n;
}

/* Some gradients send a sum over the batch back into the samples, which no plan does. */
static int runs(const built *b)
{
	sf_plan *plan = NULL;
	int rc = sf_plan_layout(b->g, b->out, b->n, SF_F32, 1, &plan);

	sf_plan_free(plan);
	ck_assert_msg(rc == 0 || rc == SF_EMISMATCH, "%s", sf_ctx_message(b->g->ctx));
	return rc == 0;
}

START_TEST(operations)
{
	const op_case *c = &op_cases[_i / 2];
	int v, level, order = 1 + _i % 2;

	for (v = 0; v < c->variants && (c->kind == CASE_SMOOTH || (c->kind == CASE_FIRST && order == 1)); v++)
		for (level = SF_RECOMPUTE_BLOCKS; level <= SF_RECOMPUTE_CHEAP; level++) {
			sf_ctx *ctx = ck_ctx();
			instance s, t;
			built a, b;

			build_op(&a, ctx, &s, c, v, order, SF_RECOMPUTE_NONE);
			build_op(&b, ctx, &t, c, v, order, level);
			same_graph(&a, &b);
			if (level == SF_RECOMPUTE_BLOCKS && sf_shape_of(a.g, s.y).per_sample && c->op != SF_OP_INPUT)
				ck_assert_msg(check_copies(b.g) > 0, "%s %d: nothing is computed again", c->name, v);
			if (runs(&a))
				same_bytes(&a, &b, c->name);
			sf_graph_free(a.g);
			sf_graph_free(b.g);
			sf_ctx_free(ctx);
		}
}
END_TEST

/* ---- by hand ---- */

static void open_built(built *b, sf_ctx *ctx, int order, int level)
{
	memset(b, 0, sizeof *b);
	assert_ok(ctx, sf_graph_new(ctx, order, &b->g));
	sf_graph_recompute(b->g, level);
}

/* Sixty-four equal nodes with a mark after every eighth, then four more: the other seven of each eight are computed
 * again, the four, which the loss follows, are not. */
START_TEST(chain)
{
	built b[2];
	sf_ctx *ctx = ck_ctx();
	int64_t dim = 4096, unit = PLANNED * dim * (int64_t)sizeof(float);
	int level, i;

	for (level = 0; level < 2; level++) {
		sf_var x, h;

		open_built(&b[level], ctx, 1, level);
		h = x = sf_input(b[level].g, "x", 1, 1, &dim);
		for (i = 0; i < 68; i++) {
			h = sf_softmax(b[level].g, h);
			if (i % 8 == 7)
				h = sf_keep(b[level].g, h);
		}
		b[level].out[0] = sf_sumsq(b[level].g, h);
		b[level].n = 2;
		assert_ok(ctx, sf_grad(b[level].g, b[level].out[0], &x, 1, b[level].out + 1));
	}
	same_graph(&b[0], &b[1]);
	same_bytes(&b[0], &b[1], "chain");
	ck_assert_int_eq(check_copies(b[1].g), 56);
	ck_assert_int_ge(measure(&b[0]).arena_bytes, 67 * unit);
	ck_assert_int_le(measure(&b[1]).arena_bytes, (8 + 7 + 2) * unit + unit / 8);
	assert_close(measure(&b[1]).flops - measure(&b[0]).flops, 56. * 4 * 4096, 0, 0); /* a softmax counts 4 an element */
	sf_graph_free(b[0].g);
	sf_graph_free(b[1].g);
	sf_ctx_free(ctx);
}
END_TEST

/* Chains side by side, marks on one of them: what crosses a mark is kept although nobody said so, so that every node is
 * copied at most once; a concatenation of concatenations too. */
START_TEST(crossing)
{
	sf_ctx *ctx = ck_ctx();
	int64_t dim = 6;
	sf_var x, p, q, r;
	built b;
	int i, before;

	open_built(&b, ctx, 1, SF_RECOMPUTE_BLOCKS);
	p = q = r = x = sf_input(b.g, "x", 1, 1, &dim);
	for (i = 0; i < 50; i++) {
		r = sf_concat(b.g, r, q);
		q = sf_sin(b.g, sf_exp(b.g, q));
		p = sf_mul(b.g, sf_sum(b.g, sf_sin(b.g, r)), sf_mul(b.g, sf_tanh(b.g, p), q));
		p = sf_keep(b.g, p);
	}
	b.out[0] = sf_sumsq(b.g, p);
	before = sf_graph_nodes(b.g);
	assert_ok(ctx, sf_grad(b.g, b.out[0], &x, 1, b.out + 1));
	ck_assert_int_gt(check_copies(b.g), 100);
	ck_assert_int_le(check_copies(b.g), before);
	sf_graph_free(b.g);
	sf_ctx_free(ctx);
}
END_TEST

/* The first gradient of w holds a copy of s, the loss multiplies it by s: a square in the second gradient, whether or not
 * a copy stands for one of them. */
START_TEST(squares)
{
	sf_ctx *ctx = ck_ctx();
	int64_t dim = 6;
	built b[2];
	int level, i, n = 0;

	for (level = 0; level < 2; level++) {
		sf_graph *g;
		sf_var wrt[2], s, w;

		open_built(&b[level], ctx, 2, level);
		g = b[level].g;
		wrt[0] = sf_input(g, "x", 1, 1, &dim);
		wrt[1] = sf_input(g, "y", 1, 1, &dim);
		s = sf_sin(g, sf_exp(g, wrt[0]));
		w = sf_sumsq(g, sf_keep(g, sf_tanh(g, sf_mul(g, s, wrt[1]))));
		assert_ok(ctx, sf_grad(g, w, wrt + 1, 1, &w));
		b[level].out[0] = sf_dot(g, w, s);
		ck_assert_int_eq(g->node[s].keep, 1); /* the loss is outside of all that came before */
		b[level].n = 3;
		assert_ok(ctx, sf_grad(g, b[level].out[0], wrt, 2, b[level].out + 1));
	}
	for (i = 0; i < b[0].g->n; i++)
		n += b[0].g->node[i].op == SF_OP_SQUARE && b[0].g->node[b[0].g->node[i].in[0]].op == SF_OP_SIN;
	ck_assert_int_eq(n, 1); /* the case is as described */
	ck_assert_int_gt(check_copies(b[1].g), 0);
	same_graph(&b[0], &b[1]);
	same_bytes(&b[0], &b[1], "squares");
	sf_graph_free(b[0].g);
	sf_graph_free(b[1].g);
	sf_ctx_free(ctx);
}
END_TEST

/* The second derivative with respect to a value in the middle, of which the first left a copy. */
START_TEST(middle)
{
	sf_ctx *ctx = ck_ctx();
	int64_t dim = 6;
	built b[2];
	int level;

	for (level = 0; level < 2; level++) {
		sf_graph *g;
		sf_var x, h, d;

		open_built(&b[level], ctx, 2, level);
		g = b[level].g;
		x = sf_exp(g, sf_input(g, "x", 1, 1, &dim));
		h = sf_sumsq(g, sf_keep(g, sf_sin(g, x)));
		assert_ok(ctx, sf_grad(g, h, &x, 1, &d));
		b[level].out[0] = sf_sumsq(g, d);
		b[level].out[1] = sf_jvp(g, d, x, d);
		b[level].n = 3;
		assert_ok(ctx, sf_grad(g, b[level].out[0], &x, 1, b[level].out + 2));
	}
	ck_assert_int_gt(check_copies(b[1].g), 0);
	same_graph(&b[0], &b[1]);
	same_bytes(&b[0], &b[1], "middle");
	sf_graph_free(b[0].g);
	sf_graph_free(b[1].g);
	sf_ctx_free(ctx);
}
END_TEST

/* Two products read a normalisation, two more a concatenation: what these are made from is kept, not what they give. */
START_TEST(cheap)
{
	sf_ctx *ctx = ck_ctx();
	int64_t dim[2] = {4, 4}, wide[2] = {8, 4}, flat = 16;
	sf_var x, r, rows, w, u, v, gamma, n, c, y, wrt[3];
	built b;

	open_built(&b, ctx, 1, SF_RECOMPUTE_CHEAP);
	w = sf_input(b.g, "w", 0, 2, dim);
	u = sf_input(b.g, "u", 0, 2, wide);
	v = sf_input(b.g, "v", 0, 2, wide);
	gamma = sf_input(b.g, "gamma", 0, 1, dim);
	x = sf_matmul(b.g, sf_input(b.g, "x", 1, 2, dim), w, 0, 0);
	r = sf_exp(b.g, sf_reshape(b.g, x, 1, &flat));
	n = sf_group_norm(b.g, x, gamma, gamma, 2, 1e-3, SF_ACT_SILU);
	y = sf_mul(b.g, sf_matmul(b.g, n, w, 0, 0), sf_matmul(b.g, n, w, 0, 1));
	rows = sf_reshape(b.g, r, 2, dim);
	c = sf_concat(b.g, x, rows);
	y = sf_add(b.g, y, sf_mul(b.g, sf_matmul(b.g, c, u, 0, 0), sf_matmul(b.g, c, v, 0, 0)));
	b.out[0] = sf_sumsq(b.g, y);
	wrt[0] = w;
	wrt[1] = u;
	wrt[2] = v;
	assert_ok(ctx, sf_grad(b.g, b.out[0], wrt, 3, b.out + 1));
	ck_assert(b.g->node[x].keep && !b.g->node[n].keep && !b.g->node[c].keep);
	ck_assert(b.g->node[r].keep && !b.g->node[rows].keep); /* a view has no memory of its own */
	ck_assert(b.g->node[n].copy != SF_NOVAR && b.g->node[c].copy != SF_NOVAR);
	ck_assert_int_gt(check_copies(b.g), 0);
	sf_graph_free(b.g);
	sf_ctx_free(ctx);
}
END_TEST

/* Without marks there is nothing to compute again, and sf_keep alone does nothing. */
START_TEST(nothing)
{
	int64_t dim = 6;
	int way;

	for (way = 0; way < 2; way++) {
		sf_ctx *ctx = ck_ctx();
		sf_var x, y, z;
		built b;

		open_built(&b, ctx, 2, way ? SF_RECOMPUTE_NONE : SF_RECOMPUTE_BLOCKS);
		x = sf_input(b.g, "x", 1, 1, &dim);
		y = sf_exp(b.g, sf_sin(b.g, x));
		if (way)
			ck_assert_int_eq(sf_keep(b.g, y), y);
		y = sf_sumsq(b.g, sf_tanh(b.g, y));
		assert_ok(ctx, sf_grad(b.g, y, &x, 1, &z));
		z = sf_sumsq(b.g, z);
		assert_ok(ctx, sf_grad(b.g, z, &x, 1, &y));
		ck_assert_int_eq(check_copies(b.g), 0);
		ck_assert_int_eq(sf_keep(b.g, SF_NOVAR), SF_NOVAR);
		sf_graph_free(b.g);
		sf_ctx_free(ctx);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("recompute");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, operations, 0, 2 * op_case_count);
	tcase_add_test(t, chain);
	tcase_add_test(t, crossing);
	tcase_add_test(t, squares);
	tcase_add_test(t, middle);
	tcase_add_test(t, cheap);
	tcase_add_test(t, nothing);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return sf_test_main(suite());
}
