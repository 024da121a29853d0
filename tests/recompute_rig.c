/* recompute_rig.c: see recompute_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "recompute_rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5 };

static void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

/* ---- the graph with origins and copies taken as one ---- */

static sf_var origin_of(const sf_graph *g, sf_var v)
{
	return g->node[v].origin == SF_NOVAR ? v : g->node[v].origin;
}

/* number[v] of a node among those that are no copies; returns how many there are. */
static int count_origins(const sf_graph *g, int *number)
{
	int i, n = 0;

	for (i = 0; i < g->n; i++)
		number[i] = g->node[i].origin == SF_NOVAR ? n++ : -1;
	return n;
}

void same_graph(const built *a, const built *b)
{
	int *p = must(calloc((size_t)a->g->n, sizeof *p)), *q = must(calloc((size_t)b->g->n, sizeof *q));
	int i, j, k;

	ck_assert_int_eq(count_origins(a->g, p), count_origins(b->g, q));
	for (i = j = 0; i < a->g->n; i++, j++) {
		const sf_node *x = &a->g->node[i], *y;

		while (b->g->node[j].origin != SF_NOVAR)
			j++;
		y = &b->g->node[j];
		ck_assert_msg(x->op == y->op && x->nin == y->nin && x->c == y->c && memcmp(x->i, y->i, sizeof x->i) == 0,
		              "node %d is %s and %s", i, sf_ops[x->op].name, sf_ops[y->op].name);
		for (k = 0; k < x->nin; k++)
			ck_assert_int_eq(p[x->in[k]], q[origin_of(b->g, y->in[k])]);
	}
	ck_assert_int_eq(a->n, b->n);
	for (i = 0; i < a->n; i++)
		ck_assert_int_eq(p[a->out[i]], q[origin_of(b->g, b->out[i])]);
	free(p);
	free(q);
}

int check_copies(const sf_graph *g)
{
	int i, k, copies = 0;

	for (i = 0; i < g->n; i++) {
		const sf_node *c = &g->node[i], *o;

		if (c->origin == SF_NOVAR)
			continue;
		copies++;
		o = &g->node[c->origin];
		ck_assert_int_eq(o->origin, SF_NOVAR);
		ck_assert(c->op == o->op && c->nin == o->nin && c->origin < i);
		ck_assert_msg(o->shape.per_sample && o->op != SF_OP_INPUT, "a copy of %s", sf_ops[o->op].name);
		for (k = 0; k < c->nin; k++) {
			const sf_node *a = &g->node[c->in[k]];

			ck_assert_int_eq(origin_of(g, c->in[k]), origin_of(g, o->in[k]));
			if (a->origin != SF_NOVAR)
				ck_assert_int_eq(a->segment, c->segment);
			else
				ck_assert_msg(a->keep || !a->shape.per_sample || a->op == SF_OP_INPUT,
				              "a copy of %s reads %s of the forward pass", sf_ops[o->op].name, sf_ops[a->op].name);
		}
	}
	return copies;
}

/* ---- running ---- */

typedef struct bytes {
	unsigned char *data;
	size_t n;
} bytes;

/* Whether values of an input are rows of a table. */
static int is_index(const sf_graph *g, sf_var v)
{
	int i;

	for (i = 0; i < g->n; i++)
		if (g->node[i].op == SF_OP_GATHER && g->node[i].in[1] == v)
			return 1;
	return 0;
}

static void fill(const sf_node *node, int index, sf_dtype type, int64_t n, void *to)
{
	int whole = strstr(node->name, "label") != NULL;
	int64_t i;

	for (i = 0; i < n; i++) {
		double x = index ? (double)(i % 3)
		         : whole ? -1
		                 : .2 + sin(1.3 * (double)i + (double)node->name[0] + 7 * (double)node->shape.size);

		if (type == SF_F32)
			((float *)to)[i] = (float)x;
		else
			((double *)to)[i] = x;
	}
}

static void fill_case(const instance *t, sf_var v, sf_dtype type, int64_t n, void *to)
{
	double *x = must(calloc((size_t)n, sizeof *x));
	int64_t i;
	int k;

	for (k = 0; k < t->nin && t->in[k] != v; k++)
		;
	ck_assert_int_lt(k, t->nin);
	case_values(t, k, n, 1, x);
	for (i = 0; i < n; i++)
		if (type == SF_F32)
			((float *)to)[i] = (float)x[i];
		else
			((double *)to)[i] = x[i];
	free(x);
}

static bytes run(const built *b, sf_dtype type, int threads, int64_t shards)
{
	size_t e = type == SF_F32 ? sizeof(float) : sizeof(double), at = 0;
	int64_t max = (N + shards - 1) / shards;
	void **in = must(calloc((size_t)b->g->n, sizeof *in)), *param;
	sf_plan *plan;
	sf_run how;
	bytes r;
	int i;

	assert_ok(b->g->ctx, sf_ctx_set_threads(b->g->ctx, threads));
	assert_ok(b->g->ctx, sf_plan_new(b->g, b->out, b->n, type, max, &plan));
	param = must(calloc((size_t)sf_param_total(b->g) + 1, e));
	sf_param_init(b->g, 2, type, param);
	assert_ok(b->g->ctx, sf_plan_bind_params(plan, param));
	for (i = 0; i < b->g->n; i++) {
		const sf_node *node = &b->g->node[i];
		int64_t n = node->shape.size * (node->shape.per_sample ? N : 1);

		if (node->op != SF_OP_INPUT)
			continue;
		in[i] = must(calloc((size_t)n, e));
		if (b->values)
			fill_case(b->values, i, type, n, in[i]);
		else
			fill(node, is_index(b->g, i), type, n, in[i]);
		assert_ok(b->g->ctx, sf_plan_bind(plan, i, in[i]));
	}
	r.n = 0;
	for (i = 0; i < b->n; i++) {
		sf_shape s = sf_shape_of(b->g, b->out[i]);

		r.n += e * (size_t)(s.size * (s.per_sample ? N : 1));
	}
	r.data = must(calloc(r.n, 1));
	for (i = 0; i < b->n; i++) {
		sf_shape s = sf_shape_of(b->g, b->out[i]);

		assert_ok(b->g->ctx, sf_plan_output(plan, i, r.data + at));
		at += e * (size_t)(s.size * (s.per_sample ? N : 1));
	}
	memset(&how, 0, sizeof how);
	how.n = N;
	how.shards = shards;
	how.seed = 11;
	how.step = 3;
	assert_ok(b->g->ctx, sf_plan_run(plan, &how));
	for (i = 0; i < b->g->n; i++)
		free(in[i]);
	free(in);
	free(param);
	sf_plan_free(plan);
	return r;
}

void same_bytes(const built *a, const built *b, const char *what)
{
	int type, threads;

	for (type = 0; type < 2; type++)
		for (threads = 1; threads <= 3; threads++) {
			bytes x = run(a, type ? SF_F64 : SF_F32, 1, 3), y = run(b, type ? SF_F64 : SF_F32, threads, 3);
			size_t i;
			int some = 0;

			ck_assert(x.n == y.n);
			ck_assert_msg(memcmp(x.data, y.data, x.n) == 0, "%s, %s, %d threads: other bytes", what,
			              type ? "double" : "float", threads);
			for (i = 0; i < x.n; i++)
				some |= x.data[i];
			ck_assert_msg(some, "%s: all results are zero", what);
			free(x.data);
			free(y.data);
		}
}

sf_plan_info measure(const built *b)
{
	sf_plan_info info;
	sf_plan *plan;

	assert_ok(b->g->ctx, sf_plan_layout(b->g, b->out, b->n, SF_F32, PLANNED, &plan));
	sf_plan_describe(plan, &info);
	sf_plan_free(plan);
	return info;
}
