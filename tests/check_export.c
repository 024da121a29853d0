/* check_export.c: weights out and back in: export and import under each map give back weights and bytes; the layouts of EDM's
 * tensors, its interleaved query, key and value; filters that go with weights.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "exchange_rig.h"
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- round trips ---- */
static const struct trip {
	const char *map, *net, *shape, *set[5];
} trips[] = {
	{"own", "mlp:width=8", "2", {NULL}},
	{"own", "affine", "3", {"model.precision=float64", NULL}},
	{"own", "ddpmpp:width=8,mult=1:2,blocks=1,attn=8", "16x16x3", {NULL}},
	{"score-sde", "ddpmpp:width=8,mult=1:2,blocks=1,attn=8", "16x16x3", {NULL}},
	{"score-sde", "ncsnpp:width=8,mult=1:2,blocks=1,attn=8", "16x16x3",
	 {"process.spec=ve", "model.parametrisation=sigma-score", "model.cond=log", "data.scale=unit", NULL}},
	{"score-sde", "ncsnpp:width=8,mult=1:2:2,blocks=1,attn=8,progressive-input=input-skip,progressive-output=output-skip",
	 "16x16x3", {"process.spec=ve", "model.parametrisation=sigma-score", "model.cond=log", NULL}},
	{"score-sde-ddpm", "ddpm:width=32,mult=1:2,blocks=1,attn=8", "16x16x3", {NULL}},
	{"edm", "songunet:width=8,mult=2:2,blocks=1,attn=8", "16x16x3",
	 {"process.spec=edm", "model.parametrisation=edm", "data.classes=10", "model.conditional=true", NULL}},
	{"edm", "songunet:width=8,mult=1:2:2,blocks=2,attn=8,resample=fir,embed=fourier,progressive-input=residual", "16x16x3",
	 {"process.spec=edm", "model.parametrisation=edm", "data.augment=0.1", "model.precision=float64", NULL}},
	{"ncsnv2", "ncsnv2:width=8", "16x16x3", {"process.spec=ve", "model.parametrisation=sigma-score", NULL}},
	{"ncsnv2", "ncsn:width=8,levels=4", "16x16x3", {"process.spec=ve:levels=4", "model.parametrisation=score", "model.cond=level", NULL}}};

struct journey {
	sf_ctx *ctx;
	sf_config *c;
	sf_setup s;
	sf_graph *g;
	sf_state st;
	char dir[1000], first[1100], second[1100], run[1100], checkpoint[1200], again[1200];
};

/* A checkpoint of step 12 with weights that all differ, 0.001 i, and averaged ones of the other sign. */
static void set_out(struct journey *j, const struct trip *t)
{
	char line[300];
	sf_model_vars v;
	double *p, *e;
	float *pf, *ef;
	int64_t i;
	int k;

	j->ctx = ck_ctx();
	snprintf(j->dir, sizeof j->dir, "%s", sf_test_mkdir());
	snprintf(j->first, sizeof j->first, "%s/first.safetensors", j->dir);
	snprintf(j->second, sizeof j->second, "%s/second.safetensors", j->dir);
	snprintf(j->run, sizeof j->run, "%s/run", j->dir);
	snprintf(j->checkpoint, sizeof j->checkpoint, "%s/checkpoint.safetensors", j->dir);
	assert_ok(j->ctx, sf_config_new(j->ctx, &j->c));
	snprintf(line, sizeof line, "net.spec=%s", t->net);
	assert_ok(j->ctx, sf_config_set(j->c, line));
	snprintf(line, sizeof line, "data.shape=%s", t->shape);
	assert_ok(j->ctx, sf_config_set(j->c, line));
	for (k = 0; t->set[k]; k++)
		assert_ok(j->ctx, sf_config_set(j->c, t->set[k]));
	assert_ok(j->ctx, sf_setup_open(j->ctx, j->c, SF_SETUP_SHAPE, NULL, &j->s));
	assert_ok(j->ctx, sf_graph_new(j->ctx, 1, &j->g));
	sf_model_vars_init(&v);
	assert_ok(j->ctx, sf_model_build(&j->s.model, j->g, 0, &v));
	assert_ok(j->ctx, sf_state_new(j->ctx, j->s.type, sf_param_total(j->g), &j->st));
	j->st.step = 12;
	p = j->st.param, e = j->st.ema;
	pf = j->st.param, ef = j->st.ema;
	for (k = 0; k < sf_param_count(j->g); k++) {
		const sf_param_info *info = sf_param_get(j->g, k);

		for (i = info->offset; i < info->offset + info->shape.size; i++)
			if (j->s.type == SF_F32)
				ef[i] = -(pf[i] = (float)i);
			else
				e[i] = -(p[i] = .001 * (double)i);
	}
	assert_ok(j->ctx, sf_checkpoint_save(&j->s, j->g, &j->st, j->checkpoint));
}

static void come_home(struct journey *j)
{
	sf_test_rmdir(j->dir);
	sf_state_free(&j->st);
	sf_graph_free(j->g);
	sf_setup_close(&j->s);
	sf_config_free(j->c);
	sf_ctx_free(j->ctx);
}

static void same_bytes(sf_ctx *ctx, const char *a, const char *b)
{
	unsigned char *x, *y;
	size_t n, m;

	assert_ok(ctx, sf_file_read(ctx, a, SIZE_MAX, &x, &n));
	assert_ok(ctx, sf_file_read(ctx, b, SIZE_MAX, &y, &m));
	ck_assert_uint_eq(n, m);
	ck_assert_mem_eq(x, y, n);
	free(x);
	free(y);
}

START_TEST(round_trip)
{
	const struct trip *t = &trips[_i];
	sf_import_options o = {0};
	sf_import_report report;
	size_t bytes;
	sf_tensors f;
	sf_config *c;
	sf_setup s;
	sf_state back;
	struct journey j;
	int tensors, raw;

	set_out(&j, t);
	bytes = (size_t)j.st.total * (j.s.type == SF_F32 ? sizeof(float) : sizeof(double));
	for (raw = 0; raw < 2; raw++) {
		assert_ok(j.ctx, sf_export(&j.s, j.checkpoint, t->map, raw, j.first, &tensors));
		assert_ok(j.ctx, sf_tensors_read(j.ctx, j.first, &f));
		ck_assert_str_eq(sf_tensors_meta(&f, "weights"), raw ? "model" : "ema");
		sf_tensors_free(&f);
		/* the file's own configuration, its shape and its map */
		assert_ok(j.ctx, sf_config_new(j.ctx, &c));
		assert_ok(j.ctx, sf_import_config(c, j.first));
		o.force = raw;
		assert_ok(j.ctx, sf_import(j.ctx, c, j.first, j.run, &o, &report));
		ck_assert_str_eq(report.map, t->map);
		ck_assert_int_eq(report.step, 12);
		ck_assert_int_eq(report.used, tensors);
		ck_assert_int_eq(report.ignored, 0);
		assert_ok(j.ctx, sf_run_latest(j.ctx, j.run, j.again, sizeof j.again, NULL));
		assert_ok(j.ctx, sf_setup_open(j.ctx, c, 0, j.again, &s));
		assert_ok(j.ctx, sf_state_new(j.ctx, s.type, j.st.total, &back));
		sf_free(back.m);
		sf_free(back.v);
		back.m = back.v = NULL;
		assert_ok(j.ctx, sf_checkpoint_load(&s, j.g, j.again, &back));
		ck_assert_mem_eq(back.ema, raw ? j.st.param : j.st.ema, bytes);
		ck_assert_mem_eq(back.param, back.ema, bytes);
		assert_ok(j.ctx, sf_export(&s, j.again, t->map, raw, j.second, NULL));
		same_bytes(j.ctx, j.first, j.second);
		sf_state_free(&back);
		sf_setup_close(&s);
		sf_config_free(c);
	}
	come_home(&j);
}
END_TEST

/* EDM: channel 3c + k of qkv is number c of q, k, v for k = 0, 1, 2; kernels (o,i,h,w), matrices (o,i), 1x1 (o,i,1,1). */
START_TEST(edm_layout)
{
	static const char *const qkv[] = {"q", "k", "v"};
	const struct trip *t = &trips[8];
	double file[3 * 16 * 16 * 9];
	struct journey j;
	exchange_rig r; /* only to find parameters */
	const double *e;
	sf_tensors f;
	char name[60];
	int64_t c, i, k, h, w;

	set_out(&j, t);
	ck_assert_int_eq(j.s.type, SF_F64);
	r.g = j.g;
	e = j.st.ema;
	assert_ok(j.ctx, sf_export(&j.s, j.checkpoint, "edm", 0, j.first, NULL));
	assert_ok(j.ctx, sf_tensors_read(j.ctx, j.first, &f));
	ck_assert_str_eq(sf_tensors_meta(&f, "format"), "pt");
	ck_assert_int_eq(sf_tensors_find(&f, "enc.8x8_block1.qkv.weight")->size, 3 * 16 * 16);
	assert_ok(j.ctx, sf_tensor_to_double(j.ctx, sf_tensors_find(&f, "enc.8x8_block1.qkv.weight"), file));
	for (k = 0; k < 3; k++) {
		snprintf(name, sizeof name, "down1.attn1.%s.weight", qkv[k]);
		for (c = 0; c < 16; c++)
			for (i = 0; i < 16; i++)
				ck_assert(file[(3 * c + k) * 16 + i] == e[exchange_param(&r, name)->offset + i * 16 + c]);
	}
	assert_ok(j.ctx, sf_tensor_to_double(j.ctx, sf_tensors_find(&f, "enc.8x8_block1.qkv.bias"), file));
	for (k = 0; k < 3; k++) {
		snprintf(name, sizeof name, "down1.attn1.%s.bias", qkv[k]);
		for (c = 0; c < 16; c++)
			ck_assert(file[3 * c + k] == e[exchange_param(&r, name)->offset + c]);
	}
	assert_ok(j.ctx, sf_tensor_to_double(j.ctx, sf_tensors_find(&f, "enc.8x8_down.conv0.weight"), file));
	for (c = 0; c < 8; c++)
		for (i = 0; i < 8; i++)
			for (h = 0; h < 3; h++)
				for (w = 0; w < 3; w++)
					ck_assert(file[((c * 8 + i) * 3 + h) * 3 + w] ==
					          e[exchange_param(&r, "down0.halve.conv0.weight")->offset + ((h * 3 + w) * 8 + i) * 8 + c]);
	assert_ok(j.ctx, sf_tensor_to_double(j.ctx, sf_tensors_find(&f, "map_augment.weight"), file));
	for (c = 0; c < 16; c++)
		for (i = 0; i < 9; i++)
			ck_assert(file[c * 9 + i] == e[exchange_param(&r, "embed.augment.weight")->offset + i * 16 + c]);
	sf_tensors_free(&f);
	come_home(&j);
}
END_TEST

START_TEST(missing_part) /* a map that leaves channels of a tensor without a parameter */
{
	static const char text[] = "[modules]\nA = matrix linear 1/2\nb = b same\n";
	struct journey j;

	set_out(&j, &trips[1]);
	put_file(in_dir(j.dir, "half.ini"), text, strlen(text));
	assert_failed(j.ctx, sf_export(&j.s, j.checkpoint, in_dir(j.dir, "half.ini"), 0, j.first, NULL), SF_EMISMATCH,
	              "the map gives 'matrix' 1 of its 2 parts");
	ck_assert_int_eq(count_files(j.dir), 2);
	come_home(&j);
}
END_TEST

/* Filters beside the weights are compared with the network's options. */
START_TEST(taps)
{
	static const double line[] = {.125, .375, .375, .125}, mean[] = {.5, .5};
	static const int64_t four[] = {1, 1, 4, 4}, two[] = {1, 1, 2, 2};
	sf_import_options o = {0};
	struct journey j;
	static bag b;
	exchange_rig r;
	sf_tensors f;
	double *x;
	int i, k, rc;

	for (k = 0; k < 3; k++) {
		set_out(&j, &trips[8]);
		assert_ok(j.ctx, sf_export(&j.s, j.checkpoint, "edm", 0, j.first, NULL));
		assert_ok(j.ctx, sf_tensors_read(j.ctx, j.first, &f));
		for (i = 0; i < f.n; i++)
			bag_copy(&b, j.ctx, &f.tensor[i], f.tensor[i].name, 0);
		x = bag_add(&b, "model.enc.8x8_down.conv0.resample_filter", 4, k == 1 ? two : four, NULL);
		for (i = 0; i < (k == 1 ? 4 : 16); i++)
			x[i] = k == 1 ? mean[i / 2] * mean[i % 2] : line[i / 4] * line[i % 4] + (k == 2 && i == 5 ? 1e-4 : 0);
		bag_write(&b, j.ctx, j.second);
		r.ctx = j.ctx;
		r.m = j.s.model;
		r.st = j.st;
		rc = exchange_import(&r, j.second, &o, NULL);
		if (k == 0)
			assert_ok(j.ctx, rc);
		else
			assert_failed(j.ctx, rc, SF_EMISMATCH, "1 tensor that the network's options (resample, fir) do not agree with: "
			              "model.enc.8x8_down.conv0.resample_filter");
		bag_free(&b);
		sf_tensors_free(&f);
		come_home(&j);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("export");
	TCase *tc = tcase_create("journeys");

	tcase_add_loop_test(tc, round_trip, 0, (int)(sizeof trips / sizeof *trips));
	tcase_add_test(tc, edm_layout);
	tcase_add_test(tc, missing_part);
	tcase_add_test(tc, taps);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
