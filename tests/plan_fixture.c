/* plan_fixture.c: see plan_fixture.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "plan_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GUARD = 64, MOST_NODES = 4000 };

static void *must(void *p)
{
	ck_assert_ptr_nonnull(p);
	return p;
}

static void fill_leaf(const sf_ctx *ctx, double *x, int64_t n, int var, const char *name)
{
	sf_noise key = {20240607, SF_NOISE_USER, 0};
	int64_t i;

	sf_noise_uniform_d(ctx, key, (uint64_t)var, 0, (size_t)n, x);
	for (i = 0; i < n; i++)
		x[i] = strncmp(name, "index", 5) == 0 ? floor(x[i] * PLAN_ROWS) : 2 * x[i] - 1;
}

static void open_fixture(plan_fixture *f, int order, int64_t n)
{
	memset(f, 0, sizeof *f);
	f->ctx = ck_ctx();
	f->n = n;
	assert_ok(f->ctx, sf_graph_new(f->ctx, order, &f->g));
	f->out = must(calloc(MOST_NODES, sizeof *f->out));
}

/* After building: room for the leaves; with `all`, every node of the graph is an output. */
static void close_graph(plan_fixture *f, int all)
{
	int i;

	assert_ok(f->ctx, sf_graph_status(f->g));
	if (all) {
		f->nout = sf_graph_nodes(f->g);
		ck_assert_int_le(f->nout, MOST_NODES);
		for (i = 0; i < f->nout; i++)
			f->out[i] = i;
	}
	f->leaf = must(calloc((size_t)f->g->n, sizeof *f->leaf));
	f->params = must(calloc((size_t)sf_param_total(f->g) + 1, sizeof *f->params));
	for (i = 0; i < f->g->n; i++) {
		const sf_shape *s = &f->g->node[i].shape;

		if (f->g->node[i].op == SF_OP_INPUT)
			f->leaf[i] = must(calloc((size_t)(s->size * (s->per_sample ? f->n : 1)),
			                         sizeof **f->leaf));
	}
}

void plan_set_up(plan_fixture *f, const plan_case *c, int64_t n, int all)
{
	int i;

	open_fixture(f, c->order, n);
	f->nout = c->build(f->g, f->out);
	ck_assert_int_le(f->nout, PLAN_OUT);
	close_graph(f, all);
	for (i = 0; i < f->g->n; i++) {
		const sf_node *node = &f->g->node[i];

		if (f->leaf[i])
			fill_leaf(f->ctx, f->leaf[i],
			          node->shape.size * (node->shape.per_sample ? n : 1), i,
			          node->name);
	}
	for (i = 0; i < sf_param_count(f->g); i++) {
		const sf_param_info *p = sf_param_get(f->g, i);

		fill_leaf(f->ctx, f->params + p->offset, p->shape.size, p->var, p->name);
	}
}

/* Some gradient sends a sum over the batch back into the samples; planning must say so. */
static int sums_feed_samples(const plan_fixture *f)
{
	sf_plan *p = NULL;
	int rc = sf_plan_new(f->g, f->out, f->nout, SF_F64, 1, &p);

	sf_plan_free(p);
	ck_assert_msg(rc == 0 || rc == SF_EMISMATCH, "%s", sf_ctx_message(f->ctx));
	return rc == SF_EMISMATCH;
}

/* An instance of the op table's tests: its result and, where there are any, its gradients. */
void plan_set_up_op(plan_fixture *f, const op_case *c, int variant, int order)
{
	instance t;
	sf_var wrt[CASE_INPUTS], loss;
	int k, own, n = 0;

	open_fixture(f, order, SAMPLES);
	memset(&t, 0, sizeof t);
	t.g = f->g;
	t.op = c->op;
	c->build(&t, variant);
	f->out[f->nout++] = t.y;
	own = t.nin;
	if (c->kind == CASE_SMOOTH || (c->kind == CASE_FIRST && order == 1)) {
		for (k = 0; k < own; k++)
			if (!t.index[k])
				wrt[n++] = t.in[k];
		loss = sf_dot(f->g, put_like(&t, t.y), t.y);
		if (sf_shape_of(f->g, loss).per_sample)
			loss = sf_batch_sum(f->g, loss);
		assert_ok(f->ctx, sf_grad(f->g, loss, wrt, n, f->out + f->nout));
		f->nout += n;
	}
	close_graph(f, 0);
	if (sums_feed_samples(f))
		f->nout = 1; /* a gradient that this library refuses */
	for (k = 0; k < t.nin; k++) {
		sf_shape s = sf_shape_of(f->g, t.in[k]);
		const sf_node *node = &f->g->node[t.in[k]];

		case_values(&t, k, s.size * (s.per_sample ? f->n : 1), 1,
		            node->op == SF_OP_PARAM
		                    ? f->params + sf_param_get(f->g, (int)node->i[0])->offset
		                    : f->leaf[t.in[k]]);
	}
}

void plan_tear_down(plan_fixture *f)
{
	int i;

	for (i = 0; i < f->g->n; i++)
		free(f->leaf[i]);
	free(f->leaf);
	naive_close(&f->v);
	free(f->params);
	free(f->out);
	sf_graph_free(f->g);
	sf_ctx_free(f->ctx);
}

static int64_t count_of(const plan_fixture *f, int i)
{
	sf_shape s = sf_shape_of(f->g, f->out[i]);

	return s.size * (s.per_sample ? f->n : 1);
}

static plan_array array_new(int64_t count, sf_dtype type)
{
	plan_array a;

	a.bytes = (size_t)count * (type == SF_F32 ? sizeof(float) : sizeof(double));
	a.base = must(malloc(a.bytes + 2 * GUARD));
	memset(a.base, 0xff, a.bytes + 2 * GUARD); /* NaN in both types */
	a.data = a.base + GUARD;
	return a;
}

static void array_free(plan_array *a)
{
	size_t i;

	for (i = 0; i < GUARD; i++)
		if (a->base[i] != 0xff || a->base[GUARD + a->bytes + i] != 0xff)
			ck_abort_msg("an array was overrun");
	free(a->base);
}

static plan_array array_of(const double *x, int64_t count, sf_dtype type)
{
	plan_array a = array_new(count, type);
	int64_t i;

	for (i = 0; i < count; i++) {
		if (type == SF_F32)
			((float *)a.data)[i] = (float)x[i];
		else
			((double *)a.data)[i] = x[i];
	}
	return a;
}

static double element(const plan_array *a, sf_dtype type, int64_t i)
{
	return type == SF_F32 ? (double)((float *)a->data)[i] : ((double *)a->data)[i];
}

const sf_run plan_base_run = {0, 0, 77, 3, 1000, 0, 0};

plan_array *plan_run_part(plan_fixture *f, const how *h, int64_t first, int64_t n)
{
	plan_array *out = must(calloc((size_t)f->nout, sizeof *out));
	size_t esize = h->type == SF_F32 ? sizeof(float) : sizeof(double);
	sf_plan *p = NULL;
	sf_run r = plan_base_run;
	plan_array *in = must(calloc((size_t)f->g->n, sizeof *in)), params;
	int i;

	assert_ok(f->ctx, sf_ctx_set_isa(f->ctx, h->isa));
	assert_ok(f->ctx, sf_ctx_set_threads(f->ctx, h->threads));
	assert_ok(f->ctx, sf_plan_new(f->g, f->out, f->nout, h->type, h->max_shard, &p));
	params = array_of(f->params, sf_param_total(f->g), h->type);
	assert_ok(f->ctx, sf_plan_bind_params(p, params.data));
	for (i = 0; i < f->g->n; i++) {
		const sf_shape *s = &f->g->node[i].shape;

		if (!f->leaf[i])
			continue;
		in[i] = array_of(f->leaf[i], s->size * (s->per_sample ? f->n : 1), h->type);
		assert_ok(f->ctx,
		          sf_plan_bind(
				  p, i,
				  (char *)in[i].data +
					  (s->per_sample ? (size_t)(first * s->size) * esize : 0)));
	}
	for (i = 0; i < f->nout; i++) {
		int64_t size = sf_shape_of(f->g, f->out[i]).size;

		out[i] = array_new(size * (sf_shape_of(f->g, f->out[i]).per_sample ? n : 1),
		                   h->type);
		assert_ok(f->ctx, sf_plan_output(p, i, out[i].data));
	}
	r.n = n;
	r.shards = h->shards;
	r.first_sample += (uint64_t)first;
	assert_ok(f->ctx, sf_plan_run(p, &r));
	if (h->twice)
		assert_ok(f->ctx, sf_plan_run(p, &r));
	sf_plan_free(p);
	for (i = 0; i < f->g->n; i++)
		if (in[i].base)
			array_free(&in[i]);
	free(in);
	array_free(&params);
	return out;
}

void plan_free_arrays(plan_array *a, int n)
{
	while (n-- > 0)
		array_free(&a[n]);
	free(a);
}

plan_array *plan_run_all(plan_fixture *f, const how *h)
{
	return plan_run_part(f, h, 0, f->n);
}

const double *plan_expected(plan_fixture *f, int i)
{
	int k;

	if (!f->v.g) {
		naive_open(&f->v, f->g, f->n);
		f->v.seed = plan_base_run.seed;
		f->v.step = plan_base_run.step;
		f->v.first_sample = plan_base_run.first_sample;
		naive_set_params(&f->v, f->params);
		for (k = 0; k < f->g->n; k++)
			if (f->leaf[k])
				naive_set(&f->v, k, f->leaf[k]);
	}
	return naive_get(&f->v, f->out[i]);
}

/* Against the naive loops, relative to the largest element of each array. */
void plan_compare(plan_fixture *f, const plan_array *out, const how *h, double tol,
                  const char *what)
{
	int i;

	for (i = 0; i < f->nout; i++) {
		const double *want = plan_expected(f, i);
		int64_t n = count_of(f, i), k;
		double size = 1;

		for (k = 0; k < n; k++)
			size = fmax(size, fabs(want[k]));
		for (k = 0; k < n; k++)
			if (!(fabs(element(&out[i], h->type, k) - want[k]) <= tol * size))
				ck_abort_msg("%s: output %d (node %d, %s) element %lld is %.17g, "
				             "expected %.17g (%s)",
				             what, i, f->out[i],
				             sf_ops[f->g->node[f->out[i]].op].name, (long long)k,
				             element(&out[i], h->type, k), want[k], h->isa);
	}
}
