/* check_accumulate.c: a step made in parts has the bytes of a step made at once: plans, training, resume.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"
#include "train_rig.h"

#include <scorefield.h>

#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- plans ---- */
enum { N = 37, SHARDS = 8, D = 3 };

typedef struct toy {
	sf_graph *g;
	sf_plan *p;
	float x[N * D], w[16], loss[N], grad[D], post;
} toy;

/* loss = |w x + noise|^2, its gradient, and a value that is worked out from a sum over the batch */
static void toy_open(toy *t)
{
	int64_t dim[1] = {D};
	sf_init init = {SF_INIT_CONST, 1, 0, 0};
	sf_var x, w, out[3];
	int i;

	memset(t, 0, sizeof *t);
	assert_ok(ctx, sf_graph_new(ctx, 1, &t->g));
	x = sf_input(t->g, "x", 1, 1, dim);
	w = sf_param(t->g, "w", 1, dim, init);
	out[0] = sf_sumsq(t->g, sf_add(t->g, sf_mul(t->g, x, sf_exp(t->g, w)), sf_random(t->g, 'n', 99, 1, dim)));
	assert_ok(ctx, sf_grad(t->g, out[0], &w, 1, &out[1]));
	out[2] = sf_sqrt(t->g, sf_sumsq(t->g, sf_batch_sum(t->g, x)));
	assert_ok(ctx, sf_plan_new(t->g, out, 3, SF_F32, (N + SHARDS - 1) / SHARDS, &t->p));
	for (i = 0; i < N * D; i++)
		t->x[i] = (float)((i * 37 % 101) / 50. - 1);
	for (i = 0; i < D; i++)
		t->w[i] = (float)(.1 * i);
	assert_ok(ctx, sf_plan_bind_params(t->p, t->w));
	assert_ok(ctx, sf_plan_output(t->p, 1, t->grad));
	assert_ok(ctx, sf_plan_output(t->p, 2, &t->post));
	t->x[0] = .3f;
}

/* One part, with arrays that begin at its first sample. */
static int toy_part(toy *t, sf_run *run)
{
	int64_t first;

	ck_assert_int_gt(sf_run_samples(run, &first), 0);
	assert_ok(ctx, sf_plan_bind(t->p, 0, t->x + first * D));
	assert_ok(ctx, sf_plan_output(t->p, 0, t->loss + first));
	return sf_plan_run(t->p, run);
}

START_TEST(plans) /* any number of parts up to that of the shards; random leaves are the batch's */
{
	toy whole, parts;
	sf_run run = {N, SHARDS, 7, 5, 1000, 0, 0};
	int threads;

	for (threads = 1; threads <= 3; threads++) {
		sf_ctx_set_threads(ctx, threads);
		toy_open(&whole);
		toy_open(&parts);
		run.parts = run.part = 0;
		assert_ok(ctx, toy_part(&whole, &run));
		ck_assert(whole.post > 0);
		for (run.parts = 1; run.parts <= SHARDS; run.parts++) {
			int64_t sum = 0, first;

			memset(parts.loss, 0, sizeof parts.loss);
			memset(parts.grad, 0, sizeof parts.grad);
			parts.post = 0;
			for (run.part = 0; run.part < run.parts; run.part++) {
				sum += sf_run_samples(&run, &first);
				assert_ok(ctx, toy_part(&parts, &run));
			}
			ck_assert_int_eq(sum, N);
			ck_assert(memcmp(whole.loss, parts.loss, sizeof whole.loss) == 0);
			ck_assert(memcmp(whole.grad, parts.grad, sizeof whole.grad) == 0);
			ck_assert(memcmp(&whole.post, &parts.post, sizeof whole.post) == 0);
		}
		sf_plan_free(whole.p);
		sf_graph_free(whole.g);
		sf_plan_free(parts.p);
		sf_graph_free(parts.g);
	}
}
END_TEST

START_TEST(turns) /* parts out of turn, of another batch, or too many */
{
	toy t;
	sf_run run = {N, SHARDS, 7, 5, 1000, 4, 0};

	toy_open(&t);
	run.part = 1;
	ck_assert_int_eq(toy_part(&t, &run), SF_EINVAL);
	run.part = 0;
	assert_ok(ctx, toy_part(&t, &run));
	run.part = 2;
	ck_assert_int_eq(toy_part(&t, &run), SF_EINVAL);
	run.part = 1; /* a refusal ends the run */
	ck_assert_int_eq(toy_part(&t, &run), SF_EINVAL);
	run.part = 0;
	assert_ok(ctx, toy_part(&t, &run));
	run.part = 1;
	run.n = N - 1;
	ck_assert_int_eq(toy_part(&t, &run), SF_EINVAL);
	run.n = N;
	run.part = 4;
	ck_assert_int_eq(sf_plan_run(t.p, &run), SF_EINVAL);
	run.parts = 9;
	run.part = 0;
	ck_assert_int_eq(sf_plan_run(t.p, &run), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "one a shard"));
	run.parts = 0; /* and a whole one goes on as ever */
	assert_ok(ctx, toy_part(&t, &run));
	sf_plan_free(t.p);
	sf_graph_free(t.g);
}
END_TEST

START_TEST(layouts) /* a plan without memory is described as the one with it, and does not run */
{
	toy t;
	sf_plan_info whole, bare;
	sf_run run = {N, SHARDS, 7, 5, 1000, 0, 0};
	sf_plan *p;
	sf_var out = 0;

	toy_open(&t);
	out = sf_sumsq(t.g, 0);
	assert_ok(ctx, sf_plan_layout(t.g, &out, 1, SF_F32, N, &p));
	assert_ok(ctx, sf_plan_bind(p, 0, t.x));
	assert_ok(ctx, sf_plan_output(p, 0, t.loss));
	ck_assert_int_eq(sf_plan_run(p, &run), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no memory"));
	sf_plan_describe(p, &bare);
	assert_ok(ctx, sf_plan_take(p));
	sf_plan_describe(p, &whole);
	ck_assert(memcmp(&bare, &whole, sizeof bare) == 0);
	assert_ok(ctx, sf_plan_run(p, &run));
	ck_assert(t.loss[1] > 0);
	sf_plan_free(p);
	sf_plan_free(t.p);
	sf_graph_free(t.g);
}
END_TEST

/* ---- training ---- */
static const char *const settings[] = {
	("data.spec=digits net.spec=unet:width=4,mult=1:2,blocks=1,dropout=0.1 train.batch=16 data.augment=0.3 train.steps=4 "
	 "process.spec=edm objective.spec=stf:n=40"),
	"train.batch=19 objective.spec=dsm:t=stratified model.precision=float64",
	("data.spec=digits net.spec=unet:width=4,mult=1:2,blocks=1,attn=4,dropout=0.2 train.batch=9 train.label-dropout=0.3 data.augment=0.3 "
	 "data.flip=true model.conditional=true model.parametrisation=edm process.spec=edm objective.spec=dsm train.steps=4"),
	/* a reference batch larger than the step's, of labelled rows */
	"objective.spec=stf:n=96 data.spec=moons model.conditional=true process.spec=edm",
	"objective.spec=stf:n=8 train.shards=16",
	"objective.spec=ssm process.spec=ve", /* probes */
	"objective.spec=hsm process.spec=cld model.parametrisation=mixed"};

START_TEST(training) /* 1, 2, 4, 8 parts, and such that do not divide the shards; 1, 2, 3 threads */
{
	static const int parts[] = {2, 3, 4, 5, 8};
	const char *last = strstr(settings[_i], "train.steps=4") ? "/checkpoint-00000004.safetensors" : LAST;
	char text[500], a[100], b[100], *one, *many;
	int i, threads;

	assert_ok(ctx, train(settings[_i], "whole", 0, 0, 2));
	one = log_of("whole");
	snprintf(a, sizeof a, "whole%s", last);
	snprintf(b, sizeof b, "parts%s", last);
	for (i = 0; i < 5; i++)
		for (threads = 1; threads <= 3; threads++) {
			snprintf(text, sizeof text, "%s train.accumulate=%d", settings[_i], parts[i]);
			assert_ok(ctx, train(text, "parts", 0, i || threads > 1, threads));
			same_file(a, b);
			many = log_of("parts"); /* losses and norms too */
			ck_assert_str_eq(one, many);
			free(many);
		}
	free(one);
}
END_TEST

START_TEST(recomputing) /* the same bytes from less memory */
{
	static const char unet[] = "data.spec=digits net.spec=unet:width=8,mult=1:2,blocks=2,attn=8,dropout=0.2 train.batch=8 "
	                           "train.shards=2 objective.spec=dsm process.spec=edm train.steps=12";
	static const char *const levels[] = {"none", "blocks", "cheap"};
	double arena[3];
	char text[500];
	int i;

	for (i = 0; i < 3; i++) {
		sf_config *c;
		sf_trainer *t;
		sf_plan_info info;

		snprintf(text, sizeof text, "%s train.recompute=%s train.accumulate=%d", unet, levels[i], 1 + i % 2);
		assert_ok(ctx, train(text, levels[i], 0, 0, 2));
		same_file("none" LAST, i == 0 ? "none" LAST : i == 1 ? "blocks" LAST : "cheap" LAST);
		c = configured(text);
		assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
		sf_trainer_describe(t, &info);
		arena[i] = (double)info.arena_bytes;
		sf_trainer_free(t);
		sf_config_free(c);
	}
	ck_assert_msg(arena[1] < .8 * arena[0] && arena[2] < .9 * arena[0], "%g %g %g", arena[0], arena[1], arena[2]);
}
END_TEST

START_TEST(resuming) /* stopped and resumed with another number of parts, and several averages */
{
	static const int stops[] = {1, 4, 7};
	int i;

	assert_ok(ctx, train("train.ema=0.9:0.99:0.999", "whole", 0, 0, 2));
	for (i = 0; i < 3; i++) {
		stop_at = stops[i];
		ck_assert_int_eq(train("train.ema=0.9:0.99:0.999 train.accumulate=4", "parts", 0, i > 0, 1), SF_ESTOPPED);
		stop_at = -1;
		assert_ok(ctx, train("train.ema=0.9:0.99:0.999 train.accumulate=2", "parts", 1, 0, 3));
		same_file("whole" LAST, "parts" LAST);
	}
}
END_TEST

/* [train] shards=0: 128 operations for a parameter and shard at least. A step of an MLP takes
 * about 6 operations a sample for each of its parameters. */
START_TEST(automatic)
{
	static const struct {
		const char *settings;
		int64_t shards;
	} row[] = {{"train.batch=128", 4}, {"train.batch=512", 16}, {"train.batch=1024", 16}, {"train.batch=3", 1},
	           {"net.spec=unet:width=8,mult=1,blocks=1,attn=8 data.spec=digits train.batch=32", 16},
	           {"train.batch=128 train.shards=32", 32}};
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		char text[300];
		sf_config *c;
		sf_setup s;
		sf_batch *b;

		snprintf(text, sizeof text, "train.shards=0 net.spec=mlp:width=128,depth=3,embed=none %s", row[i].settings);
		c = configured(text);
		assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
		assert_ok(ctx, sf_step_plan(&s, -1, &b));
		ck_assert_msg(sf_batch_shards(b) == row[i].shards, "%s: %d shards", row[i].settings, (int)sf_batch_shards(b));
		sf_batch_free(b);
		sf_setup_close(&s);
		sf_config_free(c);
	}
	assert_ok(ctx, train("train.shards=0 train.batch=64 net.spec=mlp:width=32,embed=none", "one", 0, 0, 1));
	assert_ok(ctx, train("train.shards=0 train.batch=64 net.spec=mlp:width=32,embed=none train.accumulate=2", "three", 0, 0, 3));
	same_file("one" LAST, "three" LAST);
}
END_TEST

START_TEST(refusals)
{
	ck_assert_int_eq(train("train.accumulate=9", "run", 0, 0, 1), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "accumulate=9"));
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "expected 1 to 8"));
	ck_assert_int_eq(train("train.batch=5 train.accumulate=8", "run", 0, 0, 1), SF_ERANGE); /* of 4 shards */
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "expected 1 to 4"));
	assert_ok(ctx, train("train.steps=2 train.batch=4 train.shards=4 train.accumulate=4", "run", 0, 0, 1));
}
END_TEST

START_TEST(arrays) /* a batch's arrays shrink with the parts, its gradient does not */
{
	sf_config *c = configured("");
	double bytes[3], gradient;
	sf_batch_how how = {64, 8, 1, 1, 0, NULL, 0};
	sf_setup s;
	sf_batch *b;
	int i;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
	for (i = 0; i < 3; i++, how.parts *= 2) {
		assert_ok(ctx, sf_batch_plan(s.objective, &s.model, &how, &b));
		bytes[i] = sf_batch_bytes(b);
		gradient = (double)sf_param_total(sf_batch_graph(b)) * sizeof(float);
		sf_batch_free(b);
	}
	ck_assert(bytes[0] > gradient);
	assert_close((bytes[0] - gradient) / (bytes[1] - gradient), 2, 1e-12, 0);
	assert_close((bytes[0] - gradient) / (bytes[2] - gradient), 4, 1e-12, 0);
	how.parts = 9;
	ck_assert_int_eq(sf_batch_plan(s.objective, &s.model, &how, &b), SF_ERANGE);
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("accumulate");
	TCase *tc = tcase_create("accumulate");

	tcase_add_checked_fixture(tc, train_setup, train_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, plans);
	tcase_add_test(tc, turns);
	tcase_add_test(tc, layouts);
	tcase_add_loop_test(tc, training, 0, sizeof settings / sizeof settings[0]);
	tcase_add_test(tc, recomputing);
	tcase_add_test(tc, resuming);
	tcase_add_test(tc, automatic);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, arrays);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
