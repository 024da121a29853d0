/* check_plan.c: planner and executor against the naive loops of graph_naive.c; equal bytes for any
 * number of threads and any cut of the batch; memory; errors.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "plan_fixture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- every operation ---- */

static void check_fixture(plan_fixture *f, const char *what)
{
	int k, t;

	for (k = 0; k < SF_ISA_COUNT; k++)
		for (t = 0; t < 2; t++) {
			how h = {t ? SF_F32 : SF_F64, "", 2, 3, 5, 1};
			plan_array *out;

			if (!sf_isa_usable(k))
				continue;
			h.isa = sf_isa_name(k);
			h.threads = k == sf_isa_best() ? 2 : 1;
			out = plan_run_all(f, &h);
			plan_compare(f, out, &h, t ? 1e-5 : 1e-12, what);
			plan_free_arrays(out, f->nout);
		}
}

START_TEST(check_values)
{
	plan_fixture f;

	plan_set_up(&f, &plan_cases[_i / 2], SAMPLES, _i % 2);
	check_fixture(&f, plan_cases[_i / 2].name);
	plan_tear_down(&f);
}
END_TEST

START_TEST(check_ops)
{
	const op_case *c = &op_cases[_i / 2];
	int v;

	for (v = 0; v < c->variants; v++) {
		plan_fixture f;

		plan_set_up_op(&f, c, v, 1 + _i % 2);
		check_fixture(&f, c->name);
		plan_tear_down(&f);
	}
}
END_TEST

/* Chains and memory that is used again do not change a byte: the same outputs, alone and with every
 * other node of the graph kept too. */
START_TEST(check_reuse)
{
	plan_fixture few, all;
	int type, i;

	plan_set_up(&few, &plan_cases[_i], SAMPLES, 0);
	plan_set_up(&all, &plan_cases[_i], SAMPLES, 1);
	for (type = 0; type < 2; type++) {
		how h = {type ? SF_F64 : SF_F32, sf_isa_name(sf_isa_best()), 2, 2, 4, 0};
		plan_array *a = plan_run_all(&few, &h), *b = plan_run_all(&all, &h);

		for (i = 0; i < few.nout; i++)
			ck_assert_msg(memcmp(a[i].data, b[few.out[i]].data, a[i].bytes) == 0,
			              "output %d (%s)", i, sf_ops[few.g->node[few.out[i]].op].name);
		plan_free_arrays(a, few.nout);
		plan_free_arrays(b, all.nout);
	}
	plan_tear_down(&few);
	plan_tear_down(&all);
}
END_TEST

START_TEST(check_coverage)
{
	int seen[SF_OP_COUNT] = {0}, i, k;

	for (i = 0; i < plan_case_count; i++) {
		plan_fixture f;

		plan_set_up(&f, &plan_cases[i], 1, 0);
		for (k = 0; k < f.g->n; k++)
			seen[f.g->node[k].op]++;
		plan_tear_down(&f);
	}
	for (k = 0; k < SF_OP_COUNT; k++)
		ck_assert_msg(seen[k] > 0, "no case holds %s", sf_ops[k].name);
}
END_TEST

/* ---- equal bytes ---- */

static void same_bytes(const plan_fixture *f, const plan_array *a, const plan_array *b,
                       const char *what)
{
	int i;

	for (i = 0; i < f->nout; i++)
		ck_assert_msg(memcmp(a[i].data, b[i].data, a[i].bytes) == 0,
		              "output %d (node %d, %s): %s", i, f->out[i],
		              sf_ops[f->g->node[f->out[i]].op].name, what);
}

START_TEST(check_threads)
{
	static const int64_t shards[] = {1, 2, 3, 7};
	plan_fixture f;
	int s, t, type;

	plan_set_up(&f, &plan_cases[_i], SAMPLES, 0);
	for (type = 0; type < 2; type++)
		for (s = 0; s < 4; s++) {
			how h = {type ? SF_F64 : SF_F32,
			         sf_isa_name(sf_isa_best()),
			         1,
			         0,
			         SAMPLES,
			         0};
			plan_array *one, *more;

			h.shards = shards[s];
			one = plan_run_all(&f, &h);
			for (t = 2; t <= 3; t++) {
				h.threads = t;
				more = plan_run_all(&f, &h);
				same_bytes(&f, one, more, "bytes depend on the number of threads");
				plan_free_arrays(more, f.nout);
			}
			plan_free_arrays(one, f.nout);
		}
	plan_tear_down(&f);
}
END_TEST

/* Per-sample rows of runs over [first, first + n) against the rows of one run over all. */
static void same_rows(plan_fixture *f, const how *h, const plan_array *whole, int64_t first,
                      int64_t n)
{
	plan_array *part = plan_run_part(f, h, first, n);
	int i;

	for (i = 0; i < f->nout; i++) {
		size_t row = whole[i].bytes / (size_t)f->n;

		if (sf_shape_of(f->g, f->out[i]).per_sample)
			ck_assert_msg(memcmp((char *)whole[i].data + (size_t)first * row,
			                     part[i].data, (size_t)n * row) == 0,
			              "output %d (node %d, %s) depends on the cut of the batch", i,
			              f->out[i], sf_ops[f->g->node[f->out[i]].op].name);
	}
	plan_free_arrays(part, f->nout);
}

START_TEST(check_cuts)
{
	int64_t s, i;
	plan_fixture f;
	int type;

	plan_set_up(&f, &plan_cases[_i], SAMPLES, 0);
	for (type = 0; type < 2; type++) {
		how h = {type ? SF_F64 : SF_F32, sf_isa_name(sf_isa_best()), 2, 1, SAMPLES, 0};
		plan_array *whole = plan_run_all(&f, &h);

		for (i = 0; i < SAMPLES; i++)
			same_rows(&f, &h, whole, i, 1);
		same_rows(&f, &h, whole, 2, 5);
		for (s = 2; s <= 8; s += 3) {
			h.shards = s;
			same_rows(&f, &h, whole, 0, SAMPLES);
		}
		plan_free_arrays(whole, f.nout);
	}
	plan_tear_down(&f);
}
END_TEST

/* The order of additions is that of a binary tree over the parts: here in float by hand. */
START_TEST(check_tree)
{
	int64_t parts = _i + 1, n, i;
	float x[70], t[70], sum;
	sf_ctx *ctx = ck_ctx();
	sf_plan *p = NULL;
	sf_graph *g;
	sf_run run = {0, 0, 0, 0, 0, 0, 0};
	sf_var a, y;
	int threads;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	a = sf_input(g, "x", 1, 0, NULL);
	y = sf_batch_sum(g, a);
	for (i = 0; i < parts; i++) /* terms of very different size */
		t[i] = x[i] = (float)((i * 7919 % 31 - 15.3) * (i % 3 ? 1 : 1e6));
	for (n = parts; n > 1; n = (n + 1) / 2)
		for (i = 0; i < n; i += 2)
			t[i / 2] = i + 1 < n ? t[i] + t[i + 1] : t[i];
	for (threads = 1; threads <= 3; threads++) {
		assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
		assert_ok(ctx, sf_plan_new(g, &y, 1, SF_F32, 1, &p));
		sf_plan_bind(p, a, x);
		sf_plan_output(p, 0, &sum);
		run.n = parts;
		for (i = 0; i < 5; i++) {
			sum = -1;
			assert_ok(ctx, sf_plan_run(p, &run));
			ck_assert_msg(sum == t[0], "%d parts: %.9g, expected %.9g", (int)parts,
			              (double)sum, (double)t[0]);
		}
		sf_plan_free(p);
	}
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- memory ---- */

/* The C library's allocator with a counter in front, where this is possible. */
#if defined __GLIBC__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define COUNTED 1
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_memalign(size_t align, size_t n);
static volatile int taken;

void *malloc(size_t n)
{
	taken++;
	return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
	taken++;
	return __libc_calloc(n, size);
}

int posix_memalign(void **p, size_t align, size_t n)
{
	taken++;
	*p = __libc_memalign(align, n);
	return *p ? 0 : 12; /* ENOMEM */
}
#else
#define COUNTED 0
static volatile int taken;
#endif

/* A run takes no memory. One thread: what OpenMP takes for its own threads is not ours. */
START_TEST(check_no_allocation)
{
	plan_fixture f;
	sf_plan *p = NULL;
	sf_run run = plan_base_run;
	void *sink[PLAN_OUT];
	int i, before, rc;

	plan_set_up(&f, &plan_cases[_i], SAMPLES, 0);
	assert_ok(f.ctx, sf_ctx_set_threads(f.ctx, 1));
	before = taken;
	assert_ok(f.ctx, sf_plan_new(f.g, f.out, f.nout, SF_F64, 3, &p));
	if (COUNTED)
		ck_assert_int_gt(taken, before); /* the counter counts */
	sf_plan_bind_params(p, f.params);
	for (i = 0; i < f.g->n; i++)
		if (f.leaf[i])
			assert_ok(f.ctx, sf_plan_bind(p, i, f.leaf[i]));
	for (i = 0; i < f.nout; i++) {
		sf_shape s = sf_shape_of(f.g, f.out[i]);

		sink[i] = malloc((size_t)(s.size * (s.per_sample ? SAMPLES : 1)) * sizeof(double));
		assert_ok(f.ctx, sf_plan_output(p, i, sink[i]));
	}
	run.n = SAMPLES;
	before = taken; /* a passing assertion takes memory, so they come later */
	rc = sf_plan_run(p, &run);
	run.shards = 7;
	rc |= sf_plan_run(p, &run);
	i = taken;
	ck_assert_int_eq(i, before);
	assert_ok(f.ctx, rc);
	for (i = 0; i < f.nout; i++)
		free(sink[i]);
	sf_plan_free(p);
	plan_tear_down(&f);
}
END_TEST

/* Twenty matrix products in a row need two matrices at a time; twenty maps need none. */
START_TEST(check_arena)
{
	static const int64_t dim[2] = {64, 64};
	int64_t one = 64 * 64 * (int64_t)sizeof(float) * 10;
	sf_plan_info products, maps;
	sf_ctx *ctx = ck_ctx();
	sf_plan *p = NULL;
	sf_graph *g;
	sf_var x, w, y, z;
	int i;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	x = sf_input(g, "x", 1, 2, dim);
	w = sf_input(g, "w", 0, 2, dim);
	for (y = z = x, i = 0; i < 20; i++) {
		y = sf_matmul(g, y, w, 0, 0);
		z = i % 2 ? sf_sin(g, z) : sf_mul(g, z, w);
	}
	y = sf_sum(g, y);
	z = sf_sum(g, z);
	assert_ok(ctx, sf_plan_new(g, &y, 1, SF_F32, 10, &p));
	sf_plan_describe(p, &products);
	sf_plan_free(p);
	assert_ok(ctx, sf_plan_new(g, &z, 1, SF_F32, 10, &p));
	sf_plan_describe(p, &maps);
	sf_plan_free(p);
	ck_assert_int_eq(products.nodes, 21);
	ck_assert_int_eq(maps.nodes, 21);
	ck_assert_int_ge(products.arena_bytes, 2 * one);
	ck_assert_int_le(products.arena_bytes, 2 * one + one / 2);
	ck_assert_int_le(maps.arena_bytes, one + one / 2); /* the summed one, and blocks */
	ck_assert_double_eq(products.flops, 20 * 2.0 * 64 * 64 * 64 + 64 * 64);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- errors ---- */

START_TEST(check_errors)
{
	static const int64_t dim[1] = {3}, other[1] = {4};
	double x[12] = {0}, y[12], index[4] = {0, 1, 5, 2}, table[15] = {0};
	sf_ctx *ctx = ck_ctx();
	sf_run run = {4, 0, 0, 0, 0, 0, 0};
	sf_plan *p = NULL;
	sf_graph *g;
	sf_var a, b, out;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	a = sf_input(g, "x", 1, 1, dim);
	b = sf_batch_sum(g, sf_square(g, a));
	out = sf_mul(g, a, sf_sqrt(g, b));
	ck_assert_int_eq(sf_plan_new(g, &out, 1, SF_F64, 2, &p), SF_EMISMATCH);
	ck_assert_ptr_null(p);
	ck_assert_msg(strstr(sf_ctx_message(ctx), "(mul)") && strstr(sf_ctx_message(ctx), "(sqrt)"),
	              "%s", sf_ctx_message(ctx));
	out = 999;
	ck_assert_int_eq(sf_plan_new(g, &out, 1, SF_F64, 2, &p), SF_EINVAL);
	ck_assert_int_eq(sf_plan_new(g, &b, 0, SF_F64, 2, &p), SF_EINVAL);
	ck_assert_int_eq(sf_plan_new(g, &b, 1, SF_F64, 0, &p), SF_EINVAL);
	ck_assert_int_eq(sf_plan_new(g, &b, 1, SF_F64, INT64_MAX / 2, &p), SF_ENOMEM);

	assert_ok(ctx, sf_plan_new(g, &b, 1, SF_F64, 2, &p));
	ck_assert_int_eq(sf_plan_run(p, &run), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "'x'"));
	ck_assert_int_eq(sf_plan_bind(p, b, x), SF_EINVAL);
	ck_assert_int_eq(sf_plan_output(p, 1, y), SF_EINVAL);
	assert_ok(ctx, sf_plan_bind(p, a, x));
	assert_ok(ctx, sf_plan_run(p, &run)); /* nowhere to put the result: nothing to do */
	assert_ok(ctx, sf_plan_output(p, 0, y));
	run.shards = 1;
	ck_assert_int_eq(sf_plan_run(p, &run), SF_EINVAL);
	run.shards = -1;
	ck_assert_int_eq(sf_plan_run(p, &run), SF_EINVAL);
	run.shards = 2;
	run.n = 0;
	ck_assert_int_eq(sf_plan_run(p, &run), SF_EINVAL);
	sf_plan_free(p);

	a = sf_input(g, "table", 0, 2, (int64_t[]){5, 3});
	b = sf_input(g, "index", 1, 0, NULL);
	out = sf_gather(g, a, b);
	assert_ok(ctx, sf_plan_new(g, &out, 1, SF_F64, 1, &p));
	sf_plan_bind(p, a, table);
	sf_plan_bind(p, b, index);
	sf_plan_output(p, 0, y);
	run.n = 4;
	run.shards = 0;
	ck_assert_int_eq(sf_plan_run(p, &run), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "index 5 of sample 2"));
	index[2] = NAN;
	ck_assert_int_eq(sf_plan_run(p, &run), SF_ERANGE);
	index[2] = 4;
	assert_ok(ctx, sf_plan_run(p, &run));
	sf_plan_free(p);

	sf_add(g, out, sf_input(g, "odd", 1, 1, other)); /* the graph's own error comes first */
	ck_assert_int_eq(sf_plan_new(g, &b, 1, SF_F64, 2, &p), SF_EMISMATCH);
	sf_graph_free(g);
	sf_ctx_free(ctx);
}
END_TEST

Suite *plan_suite(void);
Suite *plan_suite(void)
{
	Suite *s = suite_create("plan");
	TCase *t = tcase_create("values");

	tcase_add_loop_test(t, check_values, 0, 2 * plan_case_count);
	tcase_add_loop_test(t, check_ops, 0, 2 * op_case_count);
	tcase_add_loop_test(t, check_reuse, 0, plan_case_count);
	tcase_add_test(t, check_coverage);
	tcase_add_loop_test(t, check_threads, 0, plan_case_count);
	tcase_add_loop_test(t, check_cuts, 0, plan_case_count);
	tcase_add_loop_test(t, check_tree, 0, 70);
	tcase_add_loop_test(t, check_no_allocation, 0, plan_case_count);
	tcase_add_test(t, check_arena);
	tcase_add_test(t, check_errors);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return sf_test_main(plan_suite());
}
