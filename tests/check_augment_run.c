/* check_augment_run.c: augmentation in views, batches and models: who is augmented, who is told, and what is refused. Runs:
 * check_augment_train.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "data/augment.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
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

static sf_config *configured(const char *settings)
{
	char text[2000], *at, *next;
	sf_config *c;

	snprintf(text, sizeof text, "data.spec=digits data.augment=0.4 net.spec=unet:width=4,mult=1:2,blocks=1,attn=4 train.steps=7 "
	         "train.batch=6 train.checkpoint-every=3 train.events=false train.seed=3 train.keep=100 "
	         "model.conditional=true sample.sampler=heun sample.steps=3 %s", settings);
	assert_ok(ctx, sf_config_new(ctx, &c));
	for (at = text; at && *at; at = next) {
		next = strchr(at, ' ');
		if (next)
			*next++ = '\0';
		if (*at)
			assert_ok(ctx, sf_config_set(c, at));
	}
	return c;
}

static void refused(int rc, int code, const char *text)
{
	ck_assert_msg(rc == code && strstr(sf_ctx_message(ctx), text), "code %d (%s), expected %d and '%s'", rc,
	              rc < 0 ? sf_ctx_message(ctx) : "ok", code, text);
}

/* ---- views ---- */
START_TEST(kinds)
{
	int k;

	assert_ok(ctx, sf_augment_kinds(ctx, "all", &k));
	ck_assert_int_eq(k, 63);
	assert_ok(ctx, sf_augment_kinds(ctx, "x-flip", &k));
	ck_assert_int_eq(k, SF_AUGMENT_XFLIP);
	assert_ok(ctx, sf_augment_kinds(ctx, "translate:y-flip:rotate", &k));
	ck_assert_int_eq(k, SF_AUGMENT_TRANSLATE | SF_AUGMENT_YFLIP | SF_AUGMENT_ROTATE);
	assert_ok(ctx, sf_augment_kinds(ctx, "x-flip:y-flip:scale:rotate:stretch:translate", &k));
	ck_assert_int_eq(k, SF_AUGMENT_ALL);
	refused(sf_augment_kinds(ctx, "", &k), SF_ENAME, "''");
	refused(sf_augment_kinds(ctx, "scale:", &k), SF_ENAME, "''");
	refused(sf_augment_kinds(ctx, "scale:shear", &k), SF_ENAME, "'shear'");
	refused(sf_augment_kinds(ctx, "all:scale", &k), SF_ENAME, "'all'");
	refused(sf_augment_kinds(ctx, "scal", &k), SF_ENAME, "'scal'");
}
END_TEST

static sf_data_info shaped(int rank, int64_t h, int64_t w)
{
	sf_data_info i;

	memset(&i, 0, sizeof i);
	i.rank = rank;
	i.dim[0] = h;
	i.dim[1] = w;
	i.dim[2] = rank == 3;
	i.size = rank == 3 ? h * w : h;
	return i;
}

START_TEST(bad_views)
{
	sf_data_info images = shaped(3, 6, 8), small = shaped(3, 8, 5), low = shaped(3, 5, 8), plane_of = shaped(1, 2, 0);
	sf_augmenter *a;
	sf_view v;

	memset(&v, 0, sizeof v);
	refused(sf_view_set_augment(ctx, &v, &images, -.1, SF_AUGMENT_ALL), SF_ERANGE, "-0.1");
	refused(sf_view_set_augment(ctx, &v, &images, 1.1, SF_AUGMENT_ALL), SF_ERANGE, "1.1");
	refused(sf_view_set_augment(ctx, &v, &images, NAN, SF_AUGMENT_ALL), SF_ERANGE, "nan");
	refused(sf_view_set_augment(ctx, &v, &images, .1, 0), SF_EINVAL, "kinds 0");
	refused(sf_view_set_augment(ctx, &v, &images, .1, 64), SF_EINVAL, "kinds 64");
	refused(sf_view_set_augment(ctx, &v, &small, .1, SF_AUGMENT_ALL), SF_EUNSUP, "6 pixels");
	refused(sf_view_set_augment(ctx, &v, &low, .1, SF_AUGMENT_ALL), SF_EUNSUP, "6 pixels");
	refused(sf_view_set_augment(ctx, &v, &plane_of, .1, SF_AUGMENT_ALL), SF_EUNSUP, "not");
	ck_assert(v.augment == 0);
	assert_ok(ctx, sf_view_set_augment(ctx, &v, &plane_of, 0, SF_AUGMENT_ALL)); /* nothing asked for */
	refused(sf_augmenter_new(ctx, &v, &images, &a), SF_EINVAL, "no augmentation");
	assert_ok(ctx, sf_view_set_augment(ctx, &v, &images, .1, SF_AUGMENT_ALL));
	refused(sf_augmenter_new(ctx, &v, &small, &a), SF_EUNSUP, "6 pixels");
	images.dim[0] = (int64_t)1 << 40;
	refused(sf_augmenter_new(ctx, &v, &images, &a), SF_ENOMEM, "memory");
	ck_assert(a == NULL);
}
END_TEST

/* Draws that nothing happens to keep their bytes, the label is the flip; each worker gives the same. */
START_TEST(draws)
{
	double x[64], y[64], plain[64], l[9], m[9];
	sf_augmenter *a;
	sf_data *d;
	sf_view v;
	int i, k, same = 0, flipped = 0, changed = 0;

	sf_ctx_set_threads(ctx, 3);
	assert_ok(ctx, sf_data_new(ctx, "digits", &d));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_PM1, 1, 0, 0, 5, &v));
	ck_assert(v.augment == 0);
	assert_ok(ctx, sf_view_set_augment(ctx, &v, sf_data_describe(d), .12, SF_AUGMENT_ALL));
	assert_ok(ctx, sf_augmenter_new(ctx, &v, sf_data_describe(d), &a));
	ck_assert_int_eq(sf_augmenter_workers(a), 3);
	for (i = 0; i < 20; i++) { /* keyed by the view's seed */
		sf_transform t;

		sf_augment(a, 0, (uint64_t)i, x, l);
		sf_transform_draw(ctx, 5, (uint64_t)i, .12, SF_AUGMENT_ALL, &t);
		sf_transform_labels(&t, m);
		ck_assert(memcmp(l, m, sizeof l) == 0);
	}
	for (i = 0; i < 400; i++) {
		int still = 1, mirrored = 1;

		sf_view_draw(&v, (uint64_t)i, plain, NULL);
		memcpy(x, plain, sizeof x);
		memcpy(y, plain, sizeof x);
		sf_augment(a, 0, (uint64_t)i, x, l);
		sf_augment(a, i % 3, (uint64_t)i, y, m);
		ck_assert(memcmp(x, y, sizeof x) == 0 && memcmp(l, m, sizeof l) == 0);
		sf_augment(a, 1, (uint64_t)i, memcpy(y, plain, sizeof y), NULL);
		ck_assert(memcmp(x, y, sizeof x) == 0);
		for (k = 1; k < 9; k++)
			still &= l[k] == 0;
		for (k = 0; k < 64; k++)
			mirrored &= x[k] == plain[k / 8 * 8 + 7 - k % 8];
		same += still && l[0] == 0;
		flipped += still && l[0] == 1;
		changed += !still;
		if (still)
			ck_assert(l[0] == 1 ? mirrored : memcmp(x, plain, sizeof x) == 0);
		else
			ck_assert(memcmp(x, plain, sizeof x) != 0);
	}
	/* 0.94 0.88^4 / 2 = 0.2818 of the draws, twice; five standard errors */
	assert_close(same / 400., .2818, 0, .113);
	assert_close(flipped / 400., .2818, 0, .113);
	assert_close(changed / 400., .4363, 0, .125);
	sf_augmenter_free(a);
	sf_data_free(d);
}
END_TEST

START_TEST(numbers) /* rows of a step: its draws, then numbers that no step takes for its own */
{
	ck_assert(sf_view_number(3, 10, 0, 4) == 34 && sf_view_number(3, 10, 10, 9) == 39);
	ck_assert(sf_view_number(0, 10, 25, 0) == 0);
	ck_assert(sf_view_number(0, 10, 25, 10) == UINT64_C(1) << 46);
	ck_assert(sf_view_number(1, 10, 25, 10) == (UINT64_C(1) << 46) + 15);
}
END_TEST

/* ---- steps ---- */
START_TEST(steps) /* each row is its draw, augmented, with the labels of that; with a reference batch and in parts too */
{
	static const char *const more[] = {"", "objective.spec=stf:n=20", "train.accumulate=2",
	                                  "data.flip=true data.augment-kinds=scale", "objective.spec=stf:n=20 train.accumulate=2"};
	double x[64], l[9];
	int64_t i, rows, stf = _i % 3 == 1 ? 20 : 0;
	int part;
	sf_config *c = configured(more[_i]);
	sf_setup s;
	sf_batch *b;
	sf_batch_how how;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
	ck_assert(s.model.augments == 9 && s.augmenter);
	memset(&how, 0, sizeof how);
	how.n = 6;
	how.shards = 2;
	how.parts = _i == 2 || _i == 4 ? 2 : 1;
	assert_ok(ctx, sf_batch_plan(s.objective, &s.model, &how, &b));
	assert_ok(ctx, sf_batch_open(b));
	for (part = 0; part < how.parts; part++) {
		double *data, *aug;

		assert_ok(ctx, sf_batch_part(b, part));
		assert_ok(ctx, sf_step_read(&s, b, 4));
		rows = sf_batch_data(b, &data, NULL);
		aug = sf_batch_augment(b);
		ck_assert_int_eq(rows, stf ? stf : 6 / how.parts);
		ck_assert(sf_batch_draw(b)->ref_augment == (stf ? aug : NULL));
		for (i = 0; i < rows; i++) {
			int64_t first = (int64_t)sf_batch_draw(b)->first, row = stf ? i : i + first;
			uint64_t number = sf_view_number(4, 6, stf, row);

			if (stf)
				sf_view_reference(&s.view, 4, 6, 20, row, x, NULL);
			else
				sf_view_draw(&s.view, number, x, NULL);
			sf_augment(s.augmenter, 0, number, x, l);
			ck_assert(memcmp(x, data + i * 64, sizeof x) == 0);
			ck_assert(memcmp(l, aug + i * 9, sizeof l) == 0);
			if (row >= first && row < first + sf_batch_draw(b)->n) /* a sample of this part */
				ck_assert(memcmp(l, sf_batch_draw(b)->augment + (row - first) * 9, sizeof l) == 0);
		}
	}
	sf_batch_free(b);
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

/* ---- the model ---- */

/* eps of a model in double; the labels' input is there or not. */
static void eps_of(const sf_model *m, int with, double label, double *out)
{
	double x[64], aug[9], one[4] = {1, .5, 0, 1}, none = -1, *params;
	int64_t nine = 9;
	sf_model_vars v;
	sf_plan *plan;
	sf_graph *g;
	sf_run run;
	int64_t i;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	sf_model_vars_init(&v);
	if (with)
		v.augment = sf_input(g, "augment", 1, 1, &nine);
	assert_ok(ctx, sf_model_build(m, g, 0, &v));
	params = sf_alloc((size_t)sf_param_total(g), sizeof *params);
	sf_param_init(g, 1, SF_F64, params);
	for (i = 0; i < sf_param_total(g); i++)
		params[i] += .01; /* past the layers that start at 0 */
	for (i = 0; i < 64; i++)
		x[i] = sin((double)i);
	for (i = 0; i < 9; i++)
		aug[i] = label;
	assert_ok(ctx, sf_plan_new(g, &v.eps, 1, SF_F64, 1, &plan));
	assert_ok(ctx, sf_plan_bind(plan, v.x, x));
	assert_ok(ctx, sf_plan_bind(plan, v.c_in, &one[0]));
	assert_ok(ctx, sf_plan_bind(plan, v.c_noise, &one[1]));
	assert_ok(ctx, sf_plan_bind(plan, v.e_x, &one[2]));
	assert_ok(ctx, sf_plan_bind(plan, v.e_f, &one[3]));
	assert_ok(ctx, sf_plan_bind(plan, v.label, &none));
	if (with)
		assert_ok(ctx, sf_plan_bind(plan, v.augment, aug));
	assert_ok(ctx, sf_plan_bind_params(plan, params));
	assert_ok(ctx, sf_plan_output(plan, 0, out));
	memset(&run, 0, sizeof run);
	run.n = run.shards = 1;
	assert_ok(ctx, sf_plan_run(plan, &run));
	sf_plan_free(plan);
	sf_graph_free(g);
	sf_free(params);
}

START_TEST(without) /* a network that is told nothing answers as one that is told zeros */
{
	double none[64], zeros[64], some[64];
	sf_config *c = configured("");
	int64_t trainable, plain, total;
	sf_setup s;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	ck_assert(!s.augmenter && s.model.augments == 9);
	eps_of(&s.model, 0, 0, none);
	eps_of(&s.model, 1, 0, zeros);
	eps_of(&s.model, 1, .5, some);
	ck_assert(memcmp(none, zeros, sizeof none) == 0 && memcmp(none, some, sizeof none) != 0);
	trainable = s.params;
	s.model.augments = 0;
	assert_ok(ctx, sf_model_params(&s.model, &plain, &total));
	ck_assert(trainable > plain && (trainable - plain) % 9 == 0); /* a row of weights for each label */
	s.model.augments = -1;
	refused(sf_model_check(&s.model), SF_ERANGE, "-1");
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

/* Every objective passes each sample's labels on; none are zeros. (stf: sample 3 shares its class with none.) */
START_TEST(told)
{
	static const char *const objectives[] = {"dsm", "ssm", "lcss", "stf:n=12"};
	char more[80];
	float losses[3][6];
	void *params;
	sf_batch *b;
	sf_config *c;
	sf_setup s;
	int64_t total, k;
	int i;

	snprintf(more, sizeof more, "objective.spec=%s", objectives[_i]);
	c = configured(more);
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
	for (i = 0; i < 3; i++) { /* zeros, others for sample 3, none */
		assert_ok(ctx, sf_batch_new(s.objective, &s.model, 6, 2, 0, &b));
		total = sf_param_total(sf_batch_graph(b));
		params = sf_alloc((size_t)total, sizeof(float));
		sf_param_init(sf_batch_graph(b), 1, SF_F32, params);
		for (k = 0; k < total; k++)
			((float *)params)[k] += .01f; /* past the layers that start at 0 */
		assert_ok(ctx, sf_step_read(&s, b, 0));
		for (k = 0; k < 54; k++)
			sf_batch_augment(b)[k] = i == 1 && k / 9 == 3 ? .3 + .1 * (double)k : 0;
		assert_ok(ctx, sf_objective_draw(s.objective, &s.model, sf_batch_draw(b)));
		if (i == 2)
			sf_batch_draw(b)->augment = NULL;
		assert_ok(ctx, sf_batch_run(b, params, NULL));
		memcpy(losses[i], sf_batch_losses(b), sizeof losses[i]);
		sf_batch_free(b);
		sf_free(params);
	}
	ck_assert(memcmp(losses[0], losses[2], sizeof losses[0]) == 0);
	for (i = 0; i < 6; i++)
		ck_assert((losses[0][i] != losses[1][i]) == (i == 3));
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

START_TEST(refusals)
{
	static const struct {
		const char *settings, *text;
		int code;
	} bad[] = {{"net.spec=affine model.conditional=false", "'affine", SF_EUNSUP},
	           {"net.spec=ncsnv2:width=4 model.conditional=false", "'ncsnv2", SF_EUNSUP},
	           {"data.spec=checkerboard model.conditional=false net.spec=mlp", "images", SF_EUNSUP},
	           {"data.augment-kinds=shear", "shear", SF_ENAME}};
	sf_config *c = configured(bad[_i].settings);
	sf_setup s;

	refused(sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s), bad[_i].code, bad[_i].text);
	refused(sf_config_set(c, "data.augment=1.5"), SF_ERANGE, "1.5");
	refused(sf_config_set(c, "data.augment=-1"), SF_ERANGE, "-1");
	sf_config_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("augment_run");
	TCase *t = tcase_create("run");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, kinds);
	tcase_add_test(t, bad_views);
	tcase_add_test(t, draws);
	tcase_add_test(t, numbers);
	tcase_add_loop_test(t, steps, 0, 5);
	tcase_add_test(t, without);
	tcase_add_loop_test(t, told, 0, 4);
	tcase_add_loop_test(t, refusals, 0, 4);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
