/* check_device.c: the library's side of a device: what it is called, what a plan there does with arrays of the host and of the device,
 * with more samples than it has room for, in parts, with held parameters, and where memory runs out.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"

#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_ctx *ctx;

static void setup(void)
{
	ctx = ck_ctx();
}

static void teardown(void)
{
	sf_ctx_free(ctx);
}

static void says(int rc, int code, const char *word)
{
	ck_assert_msg(rc == code, "%d, expected %d: %s", rc, code, sf_ctx_message(ctx));
	ck_assert_msg(strstr(sf_ctx_message(ctx), word) != NULL, "'%s' lacks '%s'", sf_ctx_message(ctx), word);
}

/* ---- its name ---- */

START_TEST(words)
{
	static const char *const wrong[][2] = {
		{"gpu", "'gpu'; expected cpu, auto, cuda or cuda:N"}, {"", "unknown word ''"}, {"cuda:", "unknown word 'cuda:'"},
		{"cuda:-1", "cuda:-1"}, {"cuda:1x", "cuda:1x"}, {"cuda:5000", "cuda:5000"}, {"cuda,", "unknown word ''"},
		{"cuda,fp8", "'fp8'; expected bf16, tf32, strict or deterministic"}, {"cuda,bf16,cpu", "'cpu'"},
		{"auto,half", "half"},
		{"cuda,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "a word of 77 characters"},
	};
	size_t i;

	for (i = 0; i < sizeof wrong / sizeof *wrong; i++)
		says(sf_ctx_set_device(ctx, wrong[i][0]), SF_EINVAL, wrong[i][1]);
	ck_assert_str_eq(sf_ctx_device(ctx), "cpu");
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu"));
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu,strict,deterministic"));
}
END_TEST

START_TEST(no_unit)
{
	ck_assert_int_eq(setenv("SCOREFIELD_CUDA", "/nonexistent/unit.so", 1), 0);
	says(sf_ctx_set_device(ctx, "cuda"), SF_EUNSUP, "device 'cuda': the CUDA unit cannot be loaded");
	assert_ok(ctx, sf_ctx_set_device(ctx, "auto")); /* then it is the processor */
	ck_assert_str_eq(sf_ctx_device(ctx), "cpu");
	ck_assert_ptr_null(sf_device_of(ctx, SF_F32));
}
END_TEST

static int none(char *why)
{
	snprintf(why, SF_DEVICE_WHY, "there is no CUDA device");
	return 0;
}

static int two(char *why)
{
	(void)why;
	return 2;
}

START_TEST(units)
{
	sf_device_how how = {0, SF_DEVICE_BF16, 0, 0};
	sf_device_unit u = sf_device_unit_cuda;

	u.version++;
	says(sf_device_use(ctx, &u, &how), SF_EUNSUP, "of another version");
	u = sf_device_unit_cuda;
	u.val_size += 8;
	says(sf_device_use(ctx, &u, &how), SF_EUNSUP, "of another version");
	u = sf_device_unit_cuda;
	u.count = none;
	says(sf_device_use(ctx, &u, &how), SF_EUNSUP, "there is no CUDA device");
	u.count = two;
	how.number = 2;
	says(sf_device_use(ctx, &u, &how), SF_EUNSUP, "there is no device number 2");
	ck_assert_str_eq(sf_ctx_device(ctx), "cpu");
	how.number = 1;
	assert_ok(ctx, sf_device_use(ctx, &u, &how));
	ck_assert_str_eq(sf_ctx_device(ctx), "cuda:1 emulated, 9.0, 8.0 GiB, bf16");
	how.number = 0;
	how.precision = SF_DEVICE_STRICT;
	how.deterministic = 1;
	assert_ok(ctx, sf_device_use(ctx, &u, &how)); /* in place of the other one */
	ck_assert_str_eq(sf_ctx_device(ctx), "cuda:0 emulated, 9.0, 8.0 GiB, strict, deterministic");
	ck_assert_ptr_nonnull(sf_device_of(ctx, SF_F32));
	ck_assert_ptr_null(sf_device_of(ctx, SF_F64));
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu"));
	ck_assert_str_eq(sf_ctx_device(ctx), "cpu");
}
END_TEST

START_TEST(memory)
{
	float up[5] = {1, 2, 3, 4, 5}, down[5] = {0, 0, 0, 0, 0};
	float *p, *q;

	rig_device(ctx, SF_DEVICE_STRICT, 1);
	p = sf_device_take(ctx, sizeof up);
	q = sf_device_take(ctx, sizeof up);
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(q);
	assert_ok(ctx, sf_device_copy(ctx, down, q, sizeof down));
	assert_close(down[4], 0, 0, 0); /* it was zeroed */
	assert_ok(ctx, sf_device_copy(ctx, p, up, sizeof up));
	assert_ok(ctx, sf_device_copy(ctx, q, p, sizeof up));
	assert_ok(ctx, sf_device_copy(ctx, down, q, sizeof down));
	ck_assert_mem_eq(down, up, sizeof up);
	sf_device_give(ctx, p);
	sf_device_give(ctx, q);
	sf_device_give(ctx, NULL);
	ck_assert_ptr_null(sf_device_take(ctx, (size_t)1 << 50));
	says(SF_ENOMEM, SF_ENOMEM, "out of device memory: 1073741824.0 MiB more are needed");
}
END_TEST

/* ---- a network ---- */

enum { IN = 300, HIDDEN = 290, OUT = 5, TABLE = 4, MOST = 40, RESULTS = 5 };

/* y = W2 silu(W1 x + row + noise/10), z = its square, and with sums the loss and what it says of W1. */
typedef struct network {
	sf_graph *g;
	sf_var x, index, out[RESULTS];
	int nout;
	sf_plan *plan;
	float *params, *in, *rows;
	float *result[RESULTS];
	int64_t size[RESULTS];
} network;

static void build(network *w, int sums)
{
	static const int64_t x[1] = {IN}, one[2] = {IN, HIDDEN}, two[2] = {HIDDEN, OUT}, table[2] = {TABLE, HIDDEN}, hidden[1] = {HIDDEN};
	static const sf_init init = {SF_INIT_NORMAL_IN, 1, HIDDEN, HIDDEN};
	sf_var w1, w2, rows, y, h;
	int64_t i;

	memset(w, 0, sizeof *w);
	assert_ok(ctx, sf_graph_new(ctx, 1, &w->g));
	w->x = sf_input(w->g, "x", 1, 1, x);
	w->index = sf_input(w->g, "index", 1, 0, NULL);
	w1 = sf_param(w->g, "w1", 2, one, init);
	w2 = sf_param(w->g, "w2", 2, two, init);
	rows = sf_param(w->g, "rows", 2, table, init);
	h = sf_add(w->g, sf_matmul(w->g, w->x, w1, 0, 0), sf_gather(w->g, rows, w->index));
	h = sf_silu(w->g, sf_add(w->g, h, sf_scale(w->g, sf_random(w->g, 'n', SF_NOISE_PROBE, 1, hidden), .1)));
	y = sf_matmul(w->g, h, w2, 0, 0);
	w->out[0] = y;
	w->out[1] = sf_square(w->g, y);
	w->nout = 2;
	if (sums) {
		w->out[2] = sf_batch_sum(w->g, sf_sum(w->g, w->out[1]));
		assert_ok(ctx, sf_grad(w->g, w->out[2], &w1, 1, &w->out[3]));
		w->out[4] = sf_scale(w->g, w->out[3], .5); /* section POST */
		w->nout = 5;
	}
	w->params = calloc((size_t)sf_param_total(w->g), sizeof(float));
	w->in = calloc(MOST * IN, sizeof(float));
	w->rows = calloc(MOST, sizeof(float));
	ck_assert(w->params && w->in && w->rows);
	sf_param_init(w->g, 5, SF_F32, w->params);
	sf_noise_normal(ctx, (sf_noise){7, SF_NOISE_USER, 0}, 0, 0, MOST * IN, w->in);
	for (i = 0; i < MOST; i++)
		w->rows[i] = (float)(i % TABLE);
}

static void bind(network *w)
{
	int i;

	assert_ok(ctx, sf_plan_bind(w->plan, w->x, w->in));
	assert_ok(ctx, sf_plan_bind(w->plan, w->index, w->rows));
	assert_ok(ctx, sf_plan_bind_params(w->plan, w->params));
	for (i = 0; i < w->nout; i++) {
		sf_shape s = sf_shape_of(w->g, w->out[i]);

		w->size[i] = s.per_sample ? s.size * MOST : s.size;
		if (!w->result[i])
			w->result[i] = calloc((size_t)w->size[i], sizeof(float));
		ck_assert_ptr_nonnull(w->result[i]);
		memset(w->result[i], 0xff, (size_t)w->size[i] * sizeof(float));
		assert_ok(ctx, sf_plan_output(w->plan, i, w->result[i]));
	}
}

static void plan(network *w, int64_t room)
{
	assert_ok(ctx, sf_plan_layout(w->g, w->out, w->nout, SF_F32, 8, &w->plan));
	if (room)
		assert_ok(ctx, sf_plan_room(w->plan, room));
	assert_ok(ctx, sf_plan_take(w->plan));
	bind(w);
}

static sf_run run_of(int64_t n, uint64_t first)
{
	sf_run r = {0, 0, 99, 4, 0, 0, 0};

	r.n = n;
	r.first_sample = first;
	return r;
}

static void drop(network *w)
{
	int i;

	sf_plan_free(w->plan);
	sf_graph_free(w->g);
	for (i = 0; i < RESULTS; i++)
		free(w->result[i]);
	free(w->params);
	free(w->in);
	free(w->rows);
	memset(w, 0, sizeof *w);
}

static void same(const network *a, const network *b, int i, int64_t n, const char *what)
{
	const int64_t size = sf_shape_of(a->g, a->out[i]).per_sample ? n * a->size[i] / MOST : a->size[i];

	ck_assert_msg(memcmp(a->result[i], b->result[i], (size_t)size * sizeof(float)) == 0, "%s: output %d differs", what, i);
}

static double distance(const float *a, const float *b, int64_t n)
{
	double *d = calloc((size_t)n, sizeof *d), far;
	int64_t i;

	ck_assert_ptr_nonnull(d);
	for (i = 0; i < n; i++)
		d[i] = (double)b[i];
	far = rig_distance(n, a, d);
	free(d);
	return far;
}

START_TEST(room)
{
	network one, w;
	sf_run r = run_of(9, 0), large = run_of(MOST, 0);

	rig_device(ctx, _i, 1);
	build(&one, 1);
	build(&w, 1);
	plan(&one, MOST);
	plan(&w, 3);
	says(sf_plan_room(w.plan, 0), SF_EINVAL, "room for 0 samples");
	assert_ok(ctx, sf_plan_run(w.plan, &r)); /* more than there is room for, */
	assert_ok(ctx, sf_plan_run(w.plan, &large));
	assert_ok(ctx, sf_plan_run(w.plan, &r)); /* and fewer */
	assert_ok(ctx, sf_plan_run(one.plan, &r));
	same(&one, &w, 0, 9, "grown");
	same(&one, &w, 2, 9, "grown");
	same(&one, &w, 3, 9, "grown");
	same(&one, &w, 4, 9, "grown");
	drop(&w);
	drop(&one);
}
END_TEST

/* A batch in parts is the batch, but for the order of its sums; also where parts have no sample. */
START_TEST(parts)
{
	static const int64_t cut[][3] = {{13, 4, 4}, {13, 13, 5}, {3, 5, 5}, {40, 8, 2}}; /* samples, shards, parts */
	network whole, w;
	sf_run r;
	int i, k;

	rig_device(ctx, SF_DEVICE_STRICT, 1);
	build(&whole, 1);
	build(&w, 1);
	plan(&whole, MOST);
	plan(&w, 0);
	for (i = 0; i < 4; i++) {
		float y[MOST * OUT];

		r = run_of(cut[i][0], 100);
		r.shards = cut[i][1];
		assert_ok(ctx, sf_plan_run(whole.plan, &r));
		bind(&w);
		r.parts = cut[i][2];
		for (r.part = 0; r.part < r.parts; r.part++) {
			int64_t first, n = sf_run_samples(&r, &first);

			assert_ok(ctx, sf_plan_bind(w.plan, w.x, w.in + first * IN));
			assert_ok(ctx, sf_plan_bind(w.plan, w.index, w.rows + first));
			assert_ok(ctx, sf_plan_run(w.plan, &r));
			memcpy(y + first * OUT, w.result[0], (size_t)(n * OUT) * sizeof *y);
		}
		ck_assert_msg(distance(y, whole.result[0], cut[i][0] * OUT) < 1e-6, "samples of parts, case %d", i);
		for (k = 2; k < 5; k++)
			ck_assert_msg(distance(w.result[k], whole.result[k], whole.size[k]) < 1e-6, "output %d of parts, case %d", k, i);
	}
	drop(&w);
	drop(&whole);
}
END_TEST

/* Held parameters change no byte, on the processor (3) and on devices; new ones are seen when they are bound. */
START_TEST(hold)
{
	network w, h;
	int i, k;

	if (_i < 3)
		rig_device(ctx, _i, 1);
	build(&w, 0);
	build(&h, 0);
	plan(&w, 0);
	plan(&h, 0);
	assert_ok(ctx, sf_plan_hold(h.plan, 1));
	for (i = 0; i < 8; i++) {
		sf_run r = run_of(i == 3 ? 7 : 5, (uint64_t)i);

		if (i == 5) {
			for (k = 0; k < sf_param_total(w.g); k++)
				w.params[k] = h.params[k] *= 1.25f;
			assert_ok(ctx, sf_plan_bind_params(h.plan, h.params));
		}
		assert_ok(ctx, sf_plan_run(w.plan, &r));
		assert_ok(ctx, sf_plan_run(h.plan, &r));
		same(&w, &h, 0, r.n, "held");
		same(&w, &h, 1, r.n, "held");
	}
	/* what is held is not read again: */
	memset(h.params, 0xff, (size_t)sf_param_total(h.g) * sizeof(float));
	if (_i < 3) {
		sf_run r = run_of(5, 7);

		assert_ok(ctx, sf_plan_run(h.plan, &r));
		same(&w, &h, 0, r.n, "held");
		assert_ok(ctx, sf_plan_hold(h.plan, 0)); /* and is, from now on */
		assert_ok(ctx, sf_plan_run(h.plan, &r));
		ck_assert(h.result[0][0] != h.result[0][0]);
	}
	drop(&h);
	drop(&w);
}
END_TEST

/* Arrays of the host and of the device in any mixture, and dropped results. */
START_TEST(arrays)
{
	network w, d;
	sf_run r = run_of(11, 0);
	const size_t in = MOST * IN * sizeof(float);
	int bits, i;

	rig_device(ctx, _i, 1);
	build(&w, 1);
	build(&d, 1);
	plan(&w, 0);
	plan(&d, MOST);
	assert_ok(ctx, sf_plan_run(w.plan, &r));
	for (bits = 0; bits < 64; bits++) {
		const size_t params = (size_t)sf_param_total(d.g) * sizeof(float);
		float *x = sf_device_take(ctx, in + 4), *p = sf_device_take(ctx, params), *y[RESULTS];

		bind(&d);
		ck_assert(x && p);
		assert_ok(ctx, sf_device_copy(ctx, x + 1, d.in, in)); /* not aligned */
		assert_ok(ctx, sf_device_copy(ctx, p, d.params, params));
		if (bits & 1)
			assert_ok(ctx, sf_plan_bind(d.plan, d.x, x + 1));
		if (bits & 2)
			assert_ok(ctx, sf_plan_bind_params(d.plan, p));
		for (i = 0; i < RESULTS; i++) {
			y[i] = sf_device_take(ctx, (size_t)d.size[i] * sizeof(float));
			ck_assert_ptr_nonnull(y[i]);
			if (bits >> 2 & 1 && i != 2)
				assert_ok(ctx, sf_plan_output(d.plan, i, y[i]));
			if (bits >> 3 & 1 && i == 1)
				assert_ok(ctx, sf_plan_output(d.plan, i, NULL));
			if (bits >> 4 & 1 && i >= 2)
				assert_ok(ctx, sf_plan_output(d.plan, i, NULL));
			if (bits >> 5 & 1 && i == 0)
				assert_ok(ctx, sf_plan_output(d.plan, i, NULL));
		}
		assert_ok(ctx, sf_plan_run(d.plan, &r));
		assert_ok(ctx, sf_plan_run(d.plan, &r));
		for (i = 0; i < RESULTS; i++) {
			const int there = (bits >> 2 & 1) && i != 2;
			const int gone = ((bits >> 3 & 1) && i == 1) || ((bits >> 4 & 1) && i >= 2) || ((bits >> 5 & 1) && i == 0);

			if (there && !gone)
				assert_ok(ctx, sf_device_copy(ctx, d.result[i], y[i], (size_t)d.size[i] * sizeof(float)));
			if (!gone)
				same(&w, &d, i, r.n, "arrays");
			sf_device_give(ctx, y[i]);
		}
		sf_device_give(ctx, x);
		sf_device_give(ctx, p);
	}
	drop(&d);
	drop(&w);
}
END_TEST

/* Plans of double stay on the processor. */
START_TEST(doubles)
{
	double in[2][3 * 4], out[2][3 * 4];
	static const int64_t dim[1] = {4};
	int i, k;

	for (i = 0; i < 2; i++) {
		sf_run r = run_of(3, 0);
		sf_graph *g;
		sf_plan *p;
		sf_var x, y;

		if (i == 1)
			rig_device(ctx, SF_DEVICE_BF16, 0);
		assert_ok(ctx, sf_graph_new(ctx, 1, &g));
		x = sf_input(g, "x", 1, 1, dim);
		y = sf_exp(g, x);
		for (k = 0; k < 12; k++)
			in[i][k] = .1 * k;
		assert_ok(ctx, sf_plan_new(g, &y, 1, SF_F64, 4, &p));
		assert_ok(ctx, sf_plan_bind(p, x, in[i]));
		assert_ok(ctx, sf_plan_output(p, 0, out[i]));
		assert_ok(ctx, sf_plan_run(p, &r));
		sf_plan_free(p);
		sf_graph_free(g);
	}
	ck_assert_mem_eq(out[0], out[1], sizeof out[0]);
}
END_TEST

START_TEST(index_out_of_range)
{
	network w;
	sf_run r = run_of(6, 0);

	rig_device(ctx, SF_DEVICE_STRICT, 1);
	build(&w, 0);
	plan(&w, 0);
	w.rows[4] = TABLE;
	says(sf_plan_run(w.plan, &r), SF_EINVAL, "index 4 of sample 4 is not a row of the table");
	w.rows[4] = 0;
	assert_ok(ctx, sf_plan_run(w.plan, &r)); /* it is not remembered */
	drop(&w);
}
END_TEST

START_TEST(profile)
{
	static const int kinds[] = {SF_KIND_MATMUL, SF_KIND_MAP, SF_KIND_MOVE, SF_KIND_RANDOM};
	network w, plain;
	sf_run r = run_of(9, 0);
	sf_profile f;
	size_t i;

	rig_device(ctx, SF_DEVICE_BF16, 1);
	build(&w, 1);
	build(&plain, 1);
	plan(&w, 0);
	plan(&plain, 0);
	memset(&f, 0, sizeof f);
	assert_ok(ctx, sf_plan_profile(w.plan, &f));
	assert_ok(ctx, sf_plan_run(w.plan, &r));
	assert_ok(ctx, sf_plan_run(plain.plan, &r));
	same(&w, &plain, 3, r.n, "profiled");
	for (i = 0; i < sizeof kinds / sizeof *kinds; i++)
		ck_assert_msg(f.calls[kinds[i]] > 0, "no calls of kind %s", sf_kind_name(kinds[i]));
	ck_assert_double_gt(f.flops[SF_KIND_MATMUL], 9 * 2.0 * IN * HIDDEN);
	ck_assert_double_gt(sf_profile_seconds(&f), 0);
	assert_ok(ctx, sf_plan_profile(w.plan, NULL));
	assert_ok(ctx, sf_plan_run(w.plan, &r));
	drop(&w);
	drop(&plain);
}
END_TEST

/* ---- where memory runs out ---- */

static int64_t fitting(void)
{
	const char *s = strstr(sf_ctx_message(ctx), "about ");

	return s ? strtoll(s + 6, NULL, 10) : 0;
}

START_TEST(too_large)
{
	const size_t all = sf_cuda_emulated_free;
	sf_plan *p = NULL;
	network w;
	int64_t fits;
	int i;

	if (rig_real())
		return;
	rig_device(ctx, _i, 1);
	build(&w, 1);
	assert_ok(ctx, sf_plan_layout(w.g, w.out, w.nout, SF_F32, 8, &p));
	assert_ok(ctx, sf_plan_room(p, 100000));
	sf_cuda_emulated_free = 64 << 20;
	says(sf_plan_take(p), SF_ENOMEM, "out of device memory: 100000 samples at once need ");
	says(SF_ENOMEM, SF_ENOMEM, "GiB and 0.06 GiB are free");
	fits = fitting();
	ck_assert_int_gt(fits, 1000);
	ck_assert_int_lt(fits, 64 << 20 >> 10); /* a sample needs more than a KiB */
	says(sf_plan_take(p), SF_ENOMEM, "out of device memory");
	sf_plan_free(p);
	for (i = 0; i < 2; i++) { /* as many as it says, and twice as many */
		assert_ok(ctx, sf_plan_layout(w.g, w.out, w.nout, SF_F32, 8, &p));
		assert_ok(ctx, sf_plan_room(p, fits << i));
		ck_assert_int_eq(sf_plan_take(p), i ? SF_ENOMEM : SF_OK);
		sf_plan_free(p);
	}
	sf_cuda_emulated_free = 100000; /* less than one sample needs */
	assert_ok(ctx, sf_plan_layout(w.g, w.out, w.nout, SF_F32, 8, &p));
	says(sf_plan_take(p), SF_ENOMEM, "use a smaller network or another device");
	sf_plan_free(p);
	sf_cuda_emulated_free = all;
	drop(&w);
}
END_TEST

/* Of arrays on the host, when a plan is run first; it can be run once there is memory. */
START_TEST(no_twins)
{
	size_t left;
	network w;
	sf_run r = run_of(5, 0);

	if (rig_real())
		return;
	rig_device(ctx, SF_DEVICE_STRICT, 1);
	build(&w, 1);
	plan(&w, 0);
	left = sf_cuda_emulated_free;
	sf_cuda_emulated_free = 4096;
	says(sf_plan_run(w.plan, &r), SF_ENOMEM, "out of device memory: copies of 8 samples' inputs and outputs need ");
	sf_cuda_emulated_free = left;
	assert_ok(ctx, sf_plan_run(w.plan, &r));
	drop(&w);
}
END_TEST

/* All that was taken is given back. */
START_TEST(nothing_left)
{
	const size_t before = sf_cuda_emulated_free;
	network w;
	sf_run r = run_of(5, 0);

	rig_device(ctx, SF_DEVICE_BF16, 1);
	build(&w, 1);
	plan(&w, 0);
	assert_ok(ctx, sf_plan_run(w.plan, &r));
	drop(&w);
	ck_assert_ptr_nonnull(sf_device_take(ctx, 1000));
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu"));
	ck_assert_uint_eq(sf_cuda_emulated_free, before);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("device");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, words);
	tcase_add_test(t, no_unit);
	if (!rig_real())
		tcase_add_test(t, units);
	tcase_add_test(t, memory);
	tcase_add_loop_test(t, room, 0, 3);
	tcase_add_test(t, parts);
	tcase_add_loop_test(t, hold, 0, 4);
	tcase_add_loop_test(t, arrays, 0, 3);
	tcase_add_test(t, doubles);
	tcase_add_test(t, index_out_of_range);
	tcase_add_test(t, profile);
	tcase_add_loop_test(t, too_large, 0, 3);
	tcase_add_test(t, no_twins);
	tcase_add_test(t, nothing_left);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
