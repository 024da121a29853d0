/* check_cuda_runs.c: contracts of training on a device: the same bytes again, also stopped and resumed; a state on the host that is up
 * to date where it is looked at; divergence, replaced gradients, phases of latents, profiles, memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "device_rig.h"
#include "latent_rig.h"
#include "support.h"
#include "train_rig.h"

#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern size_t sf_cuda_emulated_free;

static void on_device(void)
{
	rig_device(ctx, SF_DEVICE_STRICT, 1);
}

static void on_processor(void)
{
	assert_ok(ctx, sf_ctx_set_device(ctx, "cpu"));
}

static void setup(void)
{
	train_setup();
	stop_at = -1;
	on_device();
}

#define IMAGES "data.spec=digits objective.spec=dsm net.spec=unet:width=4,mult=1:2,blocks=1 train.batch=8 train.shards=4 "
#define PAIR LATENTS ON_VP "model.precision=float32 train.batch=12 train.shards=4 "
static const char *const runs[] = {
	"", "train.accumulate=4 train.ema=0.9:0.99:0.5 train.warmup=5",
	IMAGES "data.flip=true data.dequantise=true model.conditional=true train.label-dropout=0.2 train.ema-ramp=tf",
	PAIR "vae.pretrain=6 vae.after=frozen vae.spectral=0.01 train.ema=0.5:0.9",
	PAIR "vae.pretrain=4 vae.lr=0.002 train.accumulate=2"};
enum { RUNS = sizeof runs / sizeof *runs };

START_TEST(resumed) /* as if it had not been stopped, and as a second time */
{
	static const int stops[] = {1, 4, 6, 7, 11};
	char *whole, *parts;
	int i;

	assert_ok(ctx, train(runs[_i], "whole", 0, 0, 2));
	assert_ok(ctx, train(runs[_i], "again", 0, 0, 1));
	same_file("whole" LAST, "again" LAST);
	whole = log_of("whole");
	for (i = 0; i < 5; i++) {
		stop_at = stops[i];
		ck_assert_int_eq(train(runs[_i], "parts", 0, i > 0, 1), SF_ESTOPPED);
		stop_at = -1;
		assert_ok(ctx, train(runs[_i], "parts", 1, 0, 2));
		same_file("whole" LAST, "parts" LAST);
		parts = log_of("parts");
		ck_assert_str_eq(whole, parts);
		free(parts);
	}
	free(whole);
}
END_TEST

/* A run without files; its state as sf_trainer_state has it after `steps`. */
static sf_trainer *trained(sf_config *c, sf_profile *f)
{
	sf_trainer *t;

	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	if (f)
		assert_ok(ctx, sf_trainer_profile(t, f));
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	return t;
}

static void near(const char *what, const void *a, const void *b, int64_t n, double tolerance)
{
	const float *x = b;
	double *y = sf_alloc((size_t)n, sizeof *y);
	int64_t i;

	for (i = 0; i < n; i++)
		y[i] = x[i];
	ck_assert_msg(rig_distance(n, a, y) <= tolerance, "%s: %g", what, rig_distance(n, a, y));
	sf_free(y);
}

START_TEST(states) /* nobody wrote a checkpoint, and the state is there; it is the processor's but for rounding */
{
	sf_config *c = configured(runs[_i]);
	sf_trainer *there, *here;
	const sf_state *a, *b;
	int k;

	on_processor();
	here = trained(c, NULL);
	b = sf_trainer_state(here);
	on_device();
	there = trained(c, NULL);
	a = sf_trainer_state(there);
	ck_assert(a->step == 12 && a->averages == b->averages);
	near("weights", a->param, b->param, a->total, 2e-5);
	near("average", a->ema, b->ema, a->total, 2e-5);
	near("means", a->m, b->m, a->total, 1e-4);
	near("squares", a->v, b->v, a->total, 1e-4);
	for (k = 1; k < a->averages; k++)
		near("further average", a->more[k - 1], b->more[k - 1], a->total, 2e-5);
	sf_trainer_free(there);
	sf_trainer_free(here);
	sf_config_free(c);
}
END_TEST

START_TEST(previews) /* are drawn from the average, and leave no trace in the run */
{
	static const char settings[] = IMAGES "sample.n=4 sample.steps=3 ";
	char text[1000];

	assert_ok(ctx, train(settings, "without", 0, 0, 2));
	snprintf(text, sizeof text, "%s train.sample-every=6", settings);
	assert_ok(ctx, train(text, "with", 0, 0, 2));
	assert_ok(ctx, train(text, "again", 0, 0, 2));
	same_file("with/samples-00000006.png", "again/samples-00000006.png");
	same_file("with/samples-00000012.png", "again/samples-00000012.png");
	same_file("with" LAST, "without" LAST);
}
END_TEST

/* ---- what is not finite ---- */

static int train_large(const char *settings, const char *name, int resume)
{
	char text[1000];

	snprintf(text, sizeof text, "%s %s", large_data(), settings);
	return train(text, name, resume, 0, 2);
}

START_TEST(not_finite)
{
	sf_config *c;
	sf_trainer *t;
	const float *m;
	char text[1000], *one, *two;
	int i, most = 0;

	ck_assert_int_eq(train_large("", "run", 0), SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "step 1"));
	/* the mean gradient's infinite numbers are 1e5: after one update Adam's mean is a tenth of that */
	snprintf(text, sizeof text, "%s train.clip=0 train.nonfinite=zero train.steps=1 train.batch=16", large_data());
	c = configured(text);
	t = trained(c, NULL);
	m = sf_trainer_state(t)->m;
	for (i = 0; i < 4; i++) { /* the matrix */
		ck_assert_msg(m[i] == 0 || sf_close(fabs((double)m[i]), 1e4, 1e-6, 0), "%g", (double)m[i]);
		most += m[i] != 0;
	}
	ck_assert_int_gt(most, 0);
	sf_trainer_free(t);
	sf_config_free(c);
	/* counted, also across a stop between two lines of the log */
	assert_ok(ctx, train_large("train.nonfinite=zero", "whole", 0));
	stop_at = 5;
	ck_assert_int_eq(train_large("train.nonfinite=zero", "parts", 0), SF_ESTOPPED);
	stop_at = -1;
	assert_ok(ctx, train_large("train.nonfinite=zero", "parts", 1));
	same_file("whole" LAST, "parts" LAST);
	one = log_of("whole");
	two = log_of("parts");
	ck_assert_str_eq(one, two);
	ck_assert_ptr_nonnull(strstr(one, "\"nonfinite\": "));
	ck_assert_int_gt(atoi(strstr(one, "\"nonfinite\": ") + 13), 0);
	free(one);
	free(two);
	/* a state that is not finite is not saved: it is looked at as the device has it */
	ck_assert_int_eq(train_large("train.nonfinite=zero train.clip=0 train.checkpoint-every=1", "inf", 0), SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no checkpoint"));
}
END_TEST

/* ---- profile and memory ---- */

static int last_step(void *user, const sf_progress *p)
{
	*(double *)user = p->seconds;
	return 0;
}

START_TEST(profiled) /* the kinds add up to the steps, and the weights stay the same */
{
	sf_config *c = configured(runs[_i]);
	sf_trainer *a = trained(c, NULL), *b;
	sf_profile f;
	double wall = 0, sum;

	memset(&f, 0, sizeof f);
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &b));
	assert_ok(ctx, sf_trainer_profile(b, &f));
	assert_ok(ctx, sf_trainer_run(b, last_step, &wall, NULL));
	ck_assert(memcmp(sf_trainer_state(a)->param, sf_trainer_state(b)->param,
	                 (size_t)sf_trainer_state(a)->total * sizeof(float)) == 0);
	sum = sf_profile_seconds(&f);
	ck_assert_int_eq((int)f.calls[SF_KIND_OTHER], 12);
	ck_assert_int_eq((int)f.calls[SF_KIND_OPTIMISER], 12);
	ck_assert_msg(sum <= wall, "kinds take %g s of %g s", sum, wall);
	ck_assert(f.seconds[SF_KIND_MATMUL] + f.seconds[SF_KIND_CONV] > 0 && f.seconds[SF_KIND_DRAW] > 0 && f.seconds[SF_KIND_DATA] > 0 &&
	          f.seconds[SF_KIND_OPTIMISER] > 0);
	sf_trainer_free(a);
	sf_trainer_free(b);
	sf_config_free(c);
}
END_TEST

START_TEST(memory)
{
	sf_config *c = configured(IMAGES "train.ema=0.9:0.99");
	size_t all = sf_cuda_emulated_free, free, took = 0;
	sf_memory here, there;
	sf_trainer *t;
	sf_batch *b;
	sf_setup s;
	char text[300];
	double buffer;
	int refused = 0, rc;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
	assert_ok(ctx, sf_step_plan(&s, -1, &b));
	buffer = (double)sf_param_total(sf_batch_graph(b)) * sizeof(float);
	sf_batch_free(b);
	assert_ok(ctx, sf_memory_measure(&s, &there));
	sf_memory_print(&there, text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "on the device"));
	ck_assert_ptr_null(strstr(text, "gradient"));
	assert_close(there.weights, 5 * buffer, 1e-12, 0); /* weights, moments, two averages */
	assert_close(there.total, there.weights + there.activations + there.data + there.previews, 1e-15, 0);
	on_processor();
	assert_ok(ctx, sf_memory_measure(&s, &here));
	assert_close(there.data, here.data, 1e-12, 0);
	ck_assert(there.activations == 0 && here.activations > 0);
	sf_setup_close(&s);
	on_device();
	/* whatever is missing, it is said, and given back; of a device that can hold the run all comes back in the end */
	for (free = 1000; !rig_real() && free < (size_t)1 << 28; free += free / 3) {
		size_t before = sf_cuda_emulated_free = free;

		rc = sf_trainer_new(ctx, c, NULL, 0, 0, &t);
		if (rc < 0) {
			ck_assert_int_eq(rc, SF_ENOMEM);
			ck_assert_msg(strstr(sf_ctx_message(ctx), "out of device memory") != NULL, "%s", sf_ctx_message(ctx));
			refused++;
		} else {
			took = before - sf_cuda_emulated_free;
			sf_trainer_free(t);
		}
		ck_assert_int_eq((int)(before - sf_cuda_emulated_free), 0);
	}
	ck_assert(rig_real() || (refused > 3 && (double)took > 6 * buffer));
	sf_cuda_emulated_free = all;
	sf_config_free(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cuda_runs");
	TCase *tc = tcase_create("runs");

	tcase_add_checked_fixture(tc, setup, train_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, resumed, 0, RUNS);
	tcase_add_loop_test(tc, states, 0, RUNS);
	tcase_add_test(tc, previews);
	tcase_add_test(tc, not_finite);
	tcase_add_loop_test(tc, profiled, 0, RUNS);
	tcase_add_test(tc, memory);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
