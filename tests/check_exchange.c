/* check_exchange.c: importing weights. The golden checkpoints, which carry the authors' own names and layouts, give the golden
 * outputs; lists of averaged weights without names; files with something missing, unexpected, misshapen or not finite.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "exchange_rig.h"
#include "files.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const beside[] = {"input.*", "output.*", "exact.*", "grad.*", NULL}; /* in golden files, no weights */

enum { PLAIN, SIGMA, LEVEL };
static const struct golden {
	const char *name, *net, *param, *map;
	int cond; /* SIGMA, LEVEL: it is sigma or its number, and the network gives sigma times the output */
} goldens[] = {
	{"ddpmpp-small", "ddpmpp:width=16,mult=1:2,blocks=1,attn=8,dropout=0", "eps", "score-sde", PLAIN},
	{"ncsnpp-small", "ncsnpp:width=16,mult=1:2,blocks=1,attn=8,dropout=0,input=centered", "sigma-score", "score-sde", SIGMA},
	/* without their weights, but with how to make them */
	{"ddpm-small", "ddpm:width=32,mult=1:2,blocks=1,attn=8,dropout=0", "eps", "score-sde-ddpm", PLAIN},
	{"ncsnv2-small", "ncsnv2:width=16", "sigma-score", "ncsnv2", LEVEL}};
enum { GOLDENS = sizeof goldens / sizeof *goldens, WHOLE = 2, SIDE = 16, CHANNELS = 3, SIZE = SIDE * SIDE * CHANNELS };

/* (n,c,h,w) to (n,h,w,c) */
static void channels_last(int64_t n, const double *from, double *to)
{
	int64_t s, p, c;

	for (s = 0; s < n; s++)
		for (p = 0; p < SIDE * SIDE; p++)
			for (c = 0; c < CHANNELS; c++)
				to[(s * SIDE * SIDE + p) * CHANNELS + c] = from[(s * CHANNELS + c) * SIDE * SIDE + p];
}

static void numbers(sf_ctx *ctx, const sf_tensors *t, const char *name, int64_t size, double *out)
{
	const sf_tensor *x = sf_tensors_find(t, name);

	ck_assert_msg(x && x->size == size, "the file has no '%s' of %lld numbers", name, (long long)size);
	assert_ok(ctx, sf_tensor_to_double(ctx, x, out));
}

/* The network's output for the file's inputs against the file's output. */
static void check_output(const exchange_rig *r, const struct golden *g, const sf_tensors *t)
{
	enum { N = 2 };
	static double raw[N * SIZE], x[N * SIZE], want[N * SIZE], out[N * SIZE];
	double cond[N], sigma[N] = {1, 1}, table[10], largest = 0;
	sf_net_io io = {0};
	sf_graph *graph;
	sf_plan *plan;
	sf_run run = {0};
	sf_var y;
	int i;

	numbers(r->ctx, t, "exact.x", N * SIZE, raw);
	channels_last(N, raw, x);
	numbers(r->ctx, t, "output.y", N * SIZE, raw);
	channels_last(N, raw, want);
	numbers(r->ctx, t, "exact.cond", N, cond);
	assert_ok(r->ctx, sf_graph_new(r->ctx, 1, &graph));
	io.x = sf_input(graph, "x", 1, 3, r->m.dim);
	io.cond = sf_input(graph, "cond", 1, 0, NULL);
	io.label = io.augment = SF_NOVAR;
	if (g->cond == LEVEL)
		numbers(r->ctx, t, "buffer.sigmas", 10, table);
	for (i = 0; g->cond != PLAIN && i < N; i++) {
		sigma[i] = g->cond == LEVEL ? table[(int)cond[i]] : cond[i];
		cond[i] = log(sigma[i]);
	}
	for (i = 0; i < N * SIZE; i++)
		largest = fmax(largest, fabs(want[i] *= sigma[i / SIZE]));
	y = sf_net_build(r->m.net, graph, &io);
	assert_ok(r->ctx, sf_plan_new(graph, &y, 1, SF_F64, N, &plan));
	ck_assert_int_eq(sf_param_total(graph), r->st.total);
	assert_ok(r->ctx, sf_plan_bind(plan, io.x, x));
	assert_ok(r->ctx, sf_plan_bind(plan, io.cond, cond));
	assert_ok(r->ctx, sf_plan_bind_params(plan, r->st.ema));
	assert_ok(r->ctx, sf_plan_output(plan, 0, out));
	run.n = N;
	assert_ok(r->ctx, sf_plan_run(plan, &run));
	for (i = 0; i < N * SIZE; i++)
		assert_close(out[i], want[i], 1e-9, 1e-9 * largest);
	sf_plan_free(plan);
	sf_graph_free(graph);
}

START_TEST(golden_output)
{
	const struct golden *g = &goldens[_i];
	sf_import_options o = {0};
	sf_import_report report;
	static bag b;
	exchange_rig r;
	sf_tensors t;
	int i;

	exchange_open(&r, g->net, g->param, SIDE, SIDE, 0, 0);
	exchange_room(&r);
	read_golden(r.ctx, g->name, &t);
	if (_i < WHOLE) {
		o.ignore = beside;
		assert_ok(r.ctx, sf_import_weights(&r.m, &t, g->name, &o, &r.st, &report));
		ck_assert_int_eq(report.tensors, t.n);
	} else {
		golden_weights(&b, &t);
		bag_write(&b, r.ctx, in_dir(r.dir, "made.safetensors"));
		assert_ok(r.ctx, exchange_import(&r, in_dir(r.dir, "made.safetensors"), &o, &report));
		bag_free(&b);
	}
	ck_assert_str_eq(report.map, g->map);
	ck_assert(report.model && !report.ema);
	ck_assert_int_eq(report.used, sf_param_count(r.g)); /* a tensor each */
	ck_assert_int_eq(report.ignored, report.tensors - report.used);
	ck_assert_mem_eq(r.st.param, r.st.ema, (size_t)r.st.total * sizeof(double));
	if (g->cond == SIGMA) { /* computed with frequencies in double; the checkpoint has them as floats */
		double *w = (double *)r.st.ema + exchange_param(&r, "embed.frequencies")->offset, exact[16];

		numbers(r.ctx, &t, "exact.all_modules.0.W", 16, exact);
		for (i = 0; i < 16; i++) {
			assert_close(w[i], exact[i], 1e-7, 0);
			w[i] = exact[i];
		}
	}
	check_output(&r, g, &t);
	sf_tensors_free(&t);
	exchange_close(&r);
}
END_TEST

/* The weights of a golden file under score_sde's names in training, "model.module.NAME", and its averaged weights (here the weights
 * plus one) as it saves them: a list in the order in which PyTorch registered the trainable parameters, which the golden file has as
 * metadata. */
static void legacy(sf_ctx *ctx, const sf_tensors *t, bag *b)
{
	json_t *list = json_loads(sf_tensors_meta(t, "parameters"), 0, NULL);
	char name[300];
	size_t k;
	int i;

	ck_assert_ptr_nonnull(list);
	for (i = 0; i < t->n; i++)
		if (strncmp(t->tensor[i].name, "model.", 6) == 0) {
			snprintf(name, sizeof name, "model.module.%s", t->tensor[i].name + 6);
			bag_copy(b, ctx, &t->tensor[i], name, 0);
		}
	for (k = 0; k < json_array_size(list); k++) {
		const char *theirs = json_string_value(json_array_get(json_array_get(list, k), 0));
		char item[40];

		snprintf(name, sizeof name, "model.%s", theirs);
		snprintf(item, sizeof item, "ema.shadow_params.%d", (int)k);
		ck_assert_ptr_nonnull(sf_tensors_find(t, name));
		bag_copy(b, ctx, sf_tensors_find(t, name), item, 1);
	}
	json_decref(list);
}

START_TEST(list_of_averages)
{
	const struct golden *g = &goldens[_i];
	static bag b;
	sf_import_options o = {0};
	sf_import_report report;
	const double *param, *ema;
	exchange_rig r;
	sf_tensors t;
	int i;
	int64_t k;

	exchange_open(&r, g->net, g->param, SIDE, SIDE, 0, 0);
	exchange_room(&r);
	read_golden(r.ctx, g->name, &t);
	legacy(r.ctx, &t, &b);
	bag_write(&b, r.ctx, in_dir(r.dir, "legacy.safetensors"));
	assert_ok(r.ctx, exchange_import(&r, in_dir(r.dir, "legacy.safetensors"), &o, &report));
	ck_assert(report.model && report.ema && report.list);
	param = r.st.param;
	ema = r.st.ema;
	for (i = 0; i < sf_param_count(r.g); i++) {
		const sf_param_info *p = sf_param_get(r.g, i);

		for (k = p->offset; k < p->offset + p->shape.size; k++)
			ck_assert_msg(ema[k] == param[k] + (p->fixed ? 0 : 1), "%s", p->name); /* Fourier frequencies are not averaged */
	}
	/* the averaged weights alone */
	o.weights = SF_WEIGHTS_EMA;
	assert_ok(r.ctx, exchange_import(&r, in_dir(r.dir, "legacy.safetensors"), &o, &report));
	ck_assert(!report.model && report.ema);
	ck_assert_mem_eq(r.st.param, r.st.ema, (size_t)r.st.total * sizeof(double));
	bag_free(&b);
	sf_tensors_free(&t);
	exchange_close(&r);
}
END_TEST

START_TEST(list_off_by_one) /* a list that counts the frequencies too is found out by its shapes */
{
	const struct golden *g = &goldens[1];
	static bag b;
	sf_import_options o = {0};
	char name[60], next[60];
	exchange_rig r;
	sf_tensors t;
	int i, n = 0;

	exchange_open(&r, g->net, g->param, SIDE, SIDE, 0, 0);
	exchange_room(&r);
	read_golden(r.ctx, g->name, &t);
	legacy(r.ctx, &t, &b);
	while (snprintf(name, sizeof name, "ema.shadow_params.%d", n), bag_find(&b, name))
		n++;
	ck_assert_int_eq(n, sf_param_count(r.g) - 1);
	for (i = n; i > 0; i--) { /* each one place on */
		snprintf(next, sizeof next, "ema.shadow_params.%d", i - 1);
		snprintf(name, sizeof name, "ema.shadow_params.%d", i);
		bag_rename(&b, next, name);
	}
	bag_copy(&b, r.ctx, sf_tensors_find(&t, "model.all_modules.0.W"), "ema.shadow_params.0", 0);
	bag_write(&b, r.ctx, in_dir(r.dir, "shifted.safetensors"));
	assert_failed(r.ctx, exchange_import(&r, in_dir(r.dir, "shifted.safetensors"), &o, NULL), SF_EMISMATCH,
	              "ema.shadow_params.0 is 16, expected 64x32");
	snprintf(name, sizeof name, "1 tensor unexpected: ema.shadow_params.%d", n);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), name));
	bag_free(&b);
	sf_tensors_free(&t);
	exchange_close(&r);
}
END_TEST

/* ---- broken files ---- */

static void drop(bag *b, sf_ctx *ctx) { (void)ctx; bag_drop(b, "model.all_modules.3.Conv_0.weight"); }
static void drop_ten(bag *b, sf_ctx *ctx)
{
	static const char *const parts[] = {"GroupNorm_0", "Conv_0", "Dense_0", "GroupNorm_1", "Conv_1"};
	char name[80];
	int i;

	(void)ctx;
	for (i = 0; i < 10; i++) {
		snprintf(name, sizeof name, "model.all_modules.3.%s.%s", parts[i / 2], i % 2 ? "bias" : "weight");
		bag_drop(b, name);
	}
}
static void add(bag *b, sf_ctx *ctx)
{
	static const int64_t dim[] = {3};

	(void)ctx;
	bag_add(b, "model.all_modules.18.weight", 1, dim, NULL);
}
static void reshape(bag *b, sf_ctx *ctx)
{
	sf_tensor_out *t = bag_find(b, "model.all_modules.5.Conv_0.weight"); /* 32x16x3x3 */

	(void)ctx;
	t->dim[2] = 9;
	t->dim[3] = 1;
}
static void transpose(bag *b, sf_ctx *ctx)
{
	sf_tensor_out *t = bag_find(b, "model.all_modules.0.weight"); /* 64x16 */

	(void)ctx;
	t->dim[0] = 16;
	t->dim[1] = 64;
}
static void flatten(bag *b, sf_ctx *ctx)
{
	sf_tensor_out *t = bag_find(b, "model.all_modules.0.bias");

	(void)ctx;
	t->rank = 2;
	t->dim[1] = 1;
}
static double *at(bag *b, const char *name)
{
	const void *p = bag_find(b, name)->data;
	double *x;

	memcpy(&x, &p, sizeof x);
	return x;
}
static void nan_in(bag *b, sf_ctx *ctx) { (void)ctx; at(b, "model.all_modules.17.bias")[2] = NAN; }
static void infinity_in(bag *b, sf_ctx *ctx) { (void)ctx; at(b, "model.all_modules.2.weight")[431] = -INFINITY; }
static void twice(bag *b, sf_ctx *ctx)
{
	static const int64_t dim[] = {3};

	(void)ctx;
	bag_add(b, "model.module.all_modules.17.bias", 1, dim, NULL);
}
static void all_of_it(bag *b, sf_ctx *ctx)
{
	drop(b, ctx);
	add(b, ctx);
	reshape(b, ctx);
	nan_in(b, ctx);
}
static void no_weights(bag *b, sf_ctx *ctx)
{
	static const int64_t dim[] = {3};

	(void)ctx;
	bag_free(b);
	bag_add(b, "conv.weight", 1, dim, NULL);
}
static void sigmas_only(bag *b, sf_ctx *ctx) { (void)ctx; at(b, "model.sigmas")[7] = NAN; }

static const struct broken {
	void (*how)(bag *b, sf_ctx *ctx);
	const char *says[5];
} brokens[] = {
	{drop, {"1 tensor missing: all_modules.3.Conv_0.weight", NULL}},
	{drop_ten, {"10 tensors missing: all_modules.3.GroupNorm_0.weight, all_modules.3.GroupNorm_0.bias, "
	            "all_modules.3.Conv_0.weight, ", "all_modules.3.GroupNorm_1.bias and 2 more", NULL}},
	{add, {"1 tensor unexpected: model.all_modules.18.weight", NULL}},
	{reshape, {"1 tensor of another shape: model.all_modules.5.Conv_0.weight is 32x16x9x1, expected 32x16x3x3", NULL}},
	{transpose, {"model.all_modules.0.weight is 16x64, expected 64x16", NULL}},
	{flatten, {"model.all_modules.0.bias is 64x1, expected 64", NULL}},
	{nan_in, {"1 tensor with numbers that are not finite: model.all_modules.17.bias", NULL}},
	{infinity_in, {"not finite: model.all_modules.2.weight", NULL}},
	{twice, {"are the same tensor's names", "model.module.all_modules.17.bias", NULL}},
	{all_of_it, {"1 tensor missing: all_modules.3.Conv_0.weight; 1 tensor of another shape: ",
	             "; 1 tensor with numbers that are not finite: ", "; 1 tensor unexpected: ", NULL}},
	{no_weights, {"no map knows a tensor of this file", "score-sde", NULL}},
	{sigmas_only, {NULL}}}; /* not weights: taken */

START_TEST(broken_file)
{
	const struct broken *c = &brokens[_i];
	sf_import_options o = {0};
	static bag b;
	exchange_rig r;
	sf_tensors t;
	double *param;
	int i, rc;
	int64_t k;

	exchange_open(&r, goldens[0].net, goldens[0].param, SIDE, SIDE, 0, 0);
	exchange_room(&r);
	read_golden(r.ctx, goldens[0].name, &t);
	for (i = 0; i < t.n; i++)
		if (strncmp(t.tensor[i].name, "model.", 6) == 0)
			bag_copy(&b, r.ctx, &t.tensor[i], t.tensor[i].name, 0);
	c->how(&b, r.ctx);
	bag_write(&b, r.ctx, in_dir(r.dir, "broken.safetensors"));
	param = r.st.param;
	for (k = 0; k < r.st.total; k++)
		param[k] = 7;
	rc = exchange_import(&r, in_dir(r.dir, "broken.safetensors"), &o, NULL);
	if (!c->says[0])
		assert_ok(r.ctx, rc);
	for (i = 0; c->says[i]; i++)
		assert_failed(r.ctx, rc, SF_EMISMATCH, c->says[i]);
	for (k = 0; c->says[0] && k < r.st.total; k++)
		ck_assert(param[k] == 7); /* untouched */
	bag_free(&b);
	sf_tensors_free(&t);
	exchange_close(&r);
}
END_TEST

START_TEST(options)
{
	const struct golden *g = &goldens[0];
	sf_import_options o = {0};
	exchange_rig r, wider;
	char path[1200];

	exchange_open(&r, g->net, g->param, SIDE, SIDE, 0, 0);
	exchange_room(&r);
	snprintf(path, sizeof path, "%s", sf_test_path("tests/golden/networks/ddpmpp-small.safetensors"));
	assert_failed(r.ctx, exchange_import(&r, path, &o, NULL), SF_EMISMATCH, "8 tensors unexpected: ");
	o.ignore = beside;
	o.map = "edm";
	assert_failed(r.ctx, exchange_import(&r, path, &o, NULL), SF_EMISMATCH, "map 'edm': ");
	o.map = "score-dse";
	assert_failed(r.ctx, exchange_import(&r, path, &o, NULL), SF_ENAME, "did you mean 'score-sde'?");
	o.map = "score-sde";
	o.weights = SF_WEIGHTS_EMA;
	assert_failed(r.ctx, exchange_import(&r, path, &o, NULL), SF_EMISMATCH, "154 tensors missing: ema.all_modules.0.weight");
	o.weights = SF_WEIGHTS_MODEL;
	assert_ok(r.ctx, exchange_import(&r, path, &o, NULL));
	exchange_open(&wider, "ddpmpp:width=32,mult=1:2,blocks=1,attn=8", "eps", SIDE, SIDE, 0, 0);
	exchange_room(&wider);
	assert_failed(wider.ctx, exchange_import(&wider, path, &o, NULL), SF_EMISMATCH, "tensors of another shape: ");
	exchange_close(&wider);
	exchange_open(&wider, g->net, g->param, SIDE, SIDE, 10, 0);
	exchange_room(&wider);
	assert_failed(wider.ctx, exchange_import(&wider, path, &o, NULL), SF_EMISMATCH,
	              "map 'score-sde' has no names for 2 parameters");
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(wider.ctx), ": embed.labels.weight, embed.labels.bias"));
	exchange_close(&wider);
	exchange_close(&r);
}
END_TEST

START_TEST(truncated) /* and nothing is written */
{
	sf_import_options o = {0};
	sf_import_report report;
	unsigned char *bytes;
	exchange_rig r;
	sf_config *c;
	size_t size, i;

	exchange_open(&r, "affine", "eps", 0, 2, 0, 0);
	assert_ok(r.ctx, sf_config_new(r.ctx, &c));
	assert_ok(r.ctx, sf_config_set(c, "data.shape=16x16x3"));
	assert_ok(r.ctx, sf_config_set(c, "net.spec=ddpmpp:width=16,mult=1:2,blocks=1,attn=8"));
	assert_ok(r.ctx, sf_file_read(r.ctx, sf_test_path("tests/golden/networks/ddpmpp-small.safetensors"), SIZE_MAX, &bytes, &size));
	for (i = 0; i < 5; i++) {
		static const size_t keep[] = {0, 7, 1000, 30000, 400000};

		put_file(in_dir(r.dir, "cut.safetensors"), bytes, keep[i]);
		ck_assert_int_lt(sf_import(r.ctx, c, in_dir(r.dir, "cut.safetensors"), in_dir(r.dir, "run"), &o, &report), 0);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(r.ctx), "cut.safetensors"));
		ck_assert_int_eq(count_files(r.dir), 1);
	}
	put_file(in_dir(r.dir, "cut.safetensors"), bytes, size);
	assert_failed(r.ctx, sf_import(r.ctx, c, in_dir(r.dir, "cut.safetensors"), in_dir(r.dir, "run"), &o, &report), SF_EMISMATCH,
	              "8 tensors unexpected");
	ck_assert_int_eq(count_files(r.dir), 1);
	o.ignore = beside;
	assert_ok(r.ctx, sf_import(r.ctx, c, in_dir(r.dir, "cut.safetensors"), in_dir(r.dir, "run"), &o, &report));
	assert_failed(r.ctx, sf_import(r.ctx, c, in_dir(r.dir, "cut.safetensors"), in_dir(r.dir, "run"), &o, &report), SF_EEXIST,
	              "exists already");
	assert_failed(r.ctx, sf_import_config(c, in_dir(r.dir, "cut.safetensors")), SF_EFORMAT, "carries no configuration");
	free(bytes);
	sf_config_free(c);
	exchange_close(&r);
}
END_TEST

START_TEST(types) /* half precision and bfloat16 by their bits: 1.5 = 0x3e00, -2 = 0xc000; 3 = 0x4040, -.25 = 0xbe80 */
{
	static const char header[] = "{\"A\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
	                             "\"b\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[8,12]}}";
	static const unsigned char data[] = {0x00, 0x3e, 0x00, 0xc0, 0x00, 0x00, 0x00, 0x3c, 0x40, 0x40, 0x80, 0xbe};
	static const double want[] = {1.5, -2, 0, 1}, want_b[] = {3, -.25};
	unsigned char file[300] = {sizeof header - 1};
	sf_import_options o = {0};
	sf_import_report report;
	exchange_rig r;
	const double *p;
	int i;

	memcpy(file + 8, header, sizeof header - 1);
	memcpy(file + 8 + sizeof header - 1, data, sizeof data);
	exchange_open(&r, "affine", "eps", 0, 2, 0, 0);
	exchange_room(&r);
	put_file(in_dir(r.dir, "half.safetensors"), file, 8 + sizeof header - 1 + sizeof data);
	assert_ok(r.ctx, exchange_import(&r, in_dir(r.dir, "half.safetensors"), &o, &report));
	ck_assert_str_eq(report.map, "own");
	p = r.st.ema;
	for (i = 0; i < 4; i++)
		ck_assert(p[exchange_param(&r, "A")->offset + i] == want[i]);
	for (i = 0; i < 2; i++)
		ck_assert(p[exchange_param(&r, "b")->offset + i] == want_b[i]);
	exchange_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("exchange");
	TCase *tc = tcase_create("import");

	tcase_add_loop_test(tc, golden_output, 0, GOLDENS);
	tcase_add_loop_test(tc, list_of_averages, 0, WHOLE);
	tcase_add_test(tc, list_off_by_one);
	tcase_add_loop_test(tc, broken_file, 0, (int)(sizeof brokens / sizeof *brokens));
	tcase_add_test(tc, options);
	tcase_add_test(tc, truncated);
	tcase_add_test(tc, types);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
