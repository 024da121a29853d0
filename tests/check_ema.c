/* check_ema.c: several moving averages at once: decays, closed forms, checkpoints, the choice among them; warm-up in images;
 * gradients that are not finite.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"
#include "train_rig.h"

#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

START_TEST(decays) /* EDM's counts (Karras et al. 2022, training loop) and score_sde's ramp, each of its own list */
{
	/* images seen, 2^(-512/min(h, n/20)) for half-lives of 500000 and 2000000 images */
	static const double edm[][3] = {{1e4, .491751, .491751}, {1e5, .931482, .931482}, {1e6, .992927, .992927},
	                                {2e7, .999290469, .999645172},
	                                {1e8, .999290469, .999822570}};
	sf_config *c = configured("train.batch=1 train.ema-ramp=edm train.ema-halflife=500000:2000000");
	const sf_settings *s = sf_config_settings(c);
	int i;

	ck_assert_int_eq(sf_averages(s)->n, 2);
	for (i = 0; i < 5; i++) { /* of 512 updates by one image */
		assert_close(pow(sf_train_ema(s, 0, (int64_t)edm[i][0]), 512), edm[i][1], 1e-6, 0);
		assert_close(pow(sf_train_ema(s, 1, (int64_t)edm[i][0]), 512), edm[i][2], 1e-6, 0);
	}
	ck_assert(sf_train_ema(s, 1, 0) == 0); /* the first update copies */
	sf_config_free(c);

	c = configured("train.batch=512 train.ema-ramp=edm"); /* whole batches: half-life min(500000, .05 n) */
	s = sf_config_settings(c);
	assert_close(sf_train_ema(s, 0, 10000000 / 512 + 1), .999290469, 1e-9, 0);
	assert_close(log(sf_train_ema(s, 0, 100)) / log(2), -512 / (.05 * 51200), 1e-12, 0);
	sf_config_free(c);

	c = configured("train.ema=0.9:0.99:0.5");
	s = sf_config_settings(c);
	assert_close(sf_train_ema(s, 0, 3), 5. / 14, 1e-14, 0);
	assert_close(sf_train_ema(s, 2, 3), 5. / 14, 1e-14, 0);
	assert_close(sf_train_ema(s, 0, 50), 52. / 61, 1e-14, 0);
	assert_close(sf_train_ema(s, 2, 50), .5, 0, 0);
	assert_close(sf_train_ema(s, 0, 1000), .9, 0, 0);
	assert_close(sf_train_ema(s, 1, 1000), .99, 0, 0);
	sf_config_free(c);
	c = configured("train.ema=0.999 train.ema-ramp=none"); /* NCSNv2 */
	ck_assert(sf_train_ema(sf_config_settings(c), 0, 0) == .999);
	sf_config_free(c);
}
END_TEST

START_TEST(warm_up) /* EDM: lr min(n/1e7, 1), n images before the update */
{
	sf_config *c = configured("train.batch=512 train.lr=0.001 train.warmup-images=10000000");
	const sf_settings *s = sf_config_settings(c);

	ck_assert(sf_train_lr(s, 0) == 0);
	assert_close(sf_train_lr(s, 1), .001 * 512 / 1e7, 1e-14, 0);
	assert_close(sf_train_lr(s, 9765), .001 * 9765 * 512 / 1e7, 1e-14, 0);
	ck_assert(sf_train_lr(s, 19531) < .001 && sf_train_lr(s, 19532) == .001);
	assert_ok(ctx, sf_config_set(c, "train.warmup=5"));
	ck_assert_int_eq(sf_train_check(ctx, s), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "exclude each other"));
	sf_config_free(c);
}
END_TEST

/* A number of the state's type. */
static double at(const sf_state *st, const void *buffer, int64_t i)
{
	return st->type == SF_F32 ? (double)((const float *)buffer)[i] : ((const double *)buffer)[i];
}

/* Weights of a path that an update makes when its learning rate is 0: none at all; averages of a constant go to it as
 * d^n. And on a geometric path p_n = q^n, put in by hand after each update, e_n = d e_{n-1} + (1 - d) q^n =
 * d^n e_0 + (1 - d) q (q^n - d^n)/(q - d). */
START_TEST(closed_forms)
{
	enum { COUNT = SF_TRAIN_TILE + 5, STEPS = 20 };
	static const double d[] = {.9, .5, .99};
	static const double q = .8;
	sf_dtype type;

	for (type = SF_F32; type <= SF_F64; type++) {
		sf_config *c = configured("train.ema=0.9:0.5:0.99 train.ema-ramp=none train.lr=0");
		double tol = type == SF_F32 ? 4 * STEPS * 6e-8 : 1e-13;
		void *zero = sf_alloc(COUNT, sizeof(double));
		int geometric, n, k;

		for (geometric = 0; geometric < 2; geometric++) {
			sf_state st;
			int64_t i;

			assert_ok(ctx, sf_state_new(ctx, type, COUNT, &st));
			assert_ok(ctx, sf_state_averages(ctx, &st, 3));
			ck_assert_int_eq(st.averages, 3);
			for (n = 1; n <= STEPS; n++) {
				for (i = 0; i < COUNT; i++) {
					double p = geometric ? pow(q, n) : 1 + (double)(i % 3);

					if (type == SF_F32)
						((float *)st.param)[i] = (float)p;
					else
						((double *)st.param)[i] = p;
				}
				assert_ok(ctx, sf_train_update(ctx, sf_config_settings(c), &st, zero, 1));
			}
			for (k = 0; k < 3; k++)
				for (i = 0; i < COUNT; i += 997) {
					double e = geometric ? (1 - d[k]) * q * (pow(q, STEPS) - pow(d[k], STEPS)) / (q - d[k])
					                     : (1 + (double)(i % 3)) * (1 - pow(d[k], STEPS));

					assert_close(at(&st, k ? st.more[k - 1] : st.ema, i), e, tol, tol);
				}
			sf_state_free(&st);
		}
		sf_free(zero);
		sf_config_free(c);
	}
}
END_TEST

static void same_tensor(const char *file, const char *name, const char *other, const char *as)
{
	sf_tensors a, b;
	const sf_tensor *x, *y;

	assert_ok(ctx, sf_tensors_read(ctx, in_folder(file), &a));
	assert_ok(ctx, sf_tensors_read(ctx, in_folder(other), &b));
	x = sf_tensors_find(&a, name);
	y = sf_tensors_find(&b, as);
	ck_assert_msg(x && y && x->bytes == y->bytes && memcmp(x->data, y->data, (size_t)x->bytes) == 0, "%s", name);
	sf_tensors_free(&a);
	sf_tensors_free(&b);
}

START_TEST(one_by_one) /* each of several is the only one of another run, bit for bit; weights do not depend on them */
{
	static const char *const rate[] = {"0.9", "0.99", "0.5"};
	char text[100], path[1200];
	void *of, *alone, *raw, *raw_alone;
	sf_setup s;
	sf_config *c = configured("");
	size_t bytes;
	int i;

	assert_ok(ctx, train("train.ema=0.9:0.99:0.5", "all", 0, 0, 2));
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	{
		int64_t trained, total;

		assert_ok(ctx, sf_model_params(&s.model, &trained, &total));
		bytes = (size_t)total * sizeof(float);
	}
	for (i = 0; i < 3; i++) {
		snprintf(text, sizeof text, "train.ema=%s", rate[i]);
		assert_ok(ctx, train(text, "one", 0, i, 3));
		snprintf(path, sizeof path, "%s", in_folder("all" LAST));
		assert_ok(ctx, sf_setup_weights_of(&s, path, rate[i], &of));
		assert_ok(ctx, sf_setup_weights_of(&s, path, "raw", &raw));
		snprintf(path, sizeof path, "%s", in_folder("one" LAST));
		assert_ok(ctx, sf_setup_weights_of(&s, path, NULL, &alone));
		assert_ok(ctx, sf_setup_weights(&s, path, 1, &raw_alone));
		ck_assert(memcmp(of, alone, bytes) == 0);
		same_tensor("all" LAST, i == 0 ? "ema.layer0.weight" : i == 1 ? "ema1.layer0.weight" : "ema2.layer0.weight",
		            "one" LAST, "ema.layer0.weight");
		ck_assert(memcmp(raw, raw_alone, bytes) == 0);
		ck_assert(memcmp(raw, of, bytes) != 0);
		sf_setup_free_weights(of);
		sf_setup_free_weights(alone);
		sf_setup_free_weights(raw);
		sf_setup_free_weights(raw_alone);
	}
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

START_TEST(choices) /* names are numbers; a wrong one is told what there is */
{
	char path[1200];
	void *first, *w;
	sf_config *c = configured("");
	sf_setup s;

	assert_ok(ctx, train("train.ema-ramp=edm train.ema-halflife=1:200", "run", 0, 0, 1));
	snprintf(path, sizeof path, "%s", in_folder("run" LAST));
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	assert_ok(ctx, sf_setup_weights_of(&s, path, NULL, &first));
	assert_ok(ctx, sf_setup_weights_of(&s, path, "1.0e0", &w));
	ck_assert(memcmp(first, w, 64) == 0);
	sf_setup_free_weights(w);
	assert_ok(ctx, sf_setup_weights_of(&s, path, "200", &w));
	ck_assert(memcmp(first, w, 64) != 0);
	sf_setup_free_weights(w);
	sf_setup_free_weights(first);
	ck_assert_int_eq(sf_setup_weights_of(&s, path, "0.999", &w), SF_ENAME);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "1:200"));
	ck_assert_ptr_null(w);
	ck_assert_int_eq(sf_setup_weights_of(&s, path, "slow", &w), SF_ENAME);
	ck_assert_int_eq(sf_setup_weights_of(&s, path, "", &w), SF_ENAME);
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

START_TEST(resuming) /* after kill or stop the same bytes; with other averages refused */
{
	stop_at = 7;
	ck_assert_int_eq(train("train.ema=0.9:0.99", "run", 0, 0, 1), SF_ESTOPPED);
	stop_at = -1;
	ck_assert_int_eq(train("train.ema=0.9", "run", 1, 0, 1), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "0.9:0.99"));
	ck_assert_int_eq(train("train.ema=0.99:0.9", "run", 1, 0, 1), SF_EMISMATCH);
	ck_assert_int_eq(train("train.ema=0.9:0.99 train.ema-ramp=none", "run", 1, 0, 1), SF_EMISMATCH);
	assert_ok(ctx, train("train.ema=0.9:0.99", "run", 1, 0, 2));
	assert_ok(ctx, train("train.ema=0.9:0.99", "whole", 0, 0, 1));
	same_file("run" LAST, "whole" LAST);
}
END_TEST

START_TEST(refusals)
{
	ck_assert_int_eq(train("train.ema=", "run", 0, 0, 1), SF_ERANGE);
	ck_assert_int_eq(train("train.ema=.1:.2:.3:.4:.5:.6:.7:.8:.9", "run", 0, 0, 1), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "1 to 8"));
	ck_assert_int_eq(train("train.ema=0.9:0.5:0.9", "run", 0, 0, 1), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "twice"));
	ck_assert_int_eq(train("train.ema-ramp=edm train.ema-halflife=", "run", 0, 0, 1), SF_ERANGE);
	assert_ok(ctx, train("train.ema=.1:.2:.3:.4:.5:.6:.7:.8 train.steps=2", "run", 0, 0, 1));
}
END_TEST

START_TEST(logged) /* the decay of each, as the tensors are called */
{
	char *log;

	assert_ok(ctx, train("train.ema=0.5:0.99", "run", 0, 0, 1));
	log = log_of("run");
	/* the last line's update is the twelfth: min(.5, 13/22) and 13/22 */
	ck_assert_ptr_nonnull(strstr(log, "\"step\": 12"));
	ck_assert_ptr_nonnull(strstr(log, "\"ema\": 0.5, \"ema1\": 0.5909090909090909"));
	free(log);
}
END_TEST

/* ---- gradients that are not finite ---- */
START_TEST(sanitised)
{
	enum { COUNT = 2 * SF_TRAIN_TILE + 9 };
	float *g = sf_alloc(COUNT, sizeof *g);
	double *h = sf_alloc(COUNT, sizeof *h), partial[4];
	int i, threads;

	for (threads = 1; threads <= 3; threads++) {
		sf_ctx_set_threads(ctx, threads);
		for (i = 0; i < COUNT; i++)
			g[i] = (float)(h[i] = i % 7 - 3);
		g[0] = g[SF_TRAIN_TILE] = NAN;
		g[5] = g[COUNT - 1] = INFINITY;
		g[6] = -INFINITY;
		h[6] = -INFINITY;
		ck_assert_int_eq(sf_train_sanitise(ctx, SF_F32, COUNT, g, 1e5, partial), 5);
		ck_assert_int_eq(sf_train_sanitise(ctx, SF_F64, COUNT, h, 3e5, partial), 1);
		ck_assert(g[0] == 0 && g[SF_TRAIN_TILE] == 0 && g[5] == 1e5f && g[COUNT - 1] == 1e5f && g[6] == -1e5f);
		ck_assert(h[6] == -3e5 && g[1] == -2 && h[1] == -2 && g[COUNT - 2] == (float)h[COUNT - 2]);
		ck_assert_int_eq(sf_train_sanitise(ctx, SF_F32, COUNT, g, 1e5, partial), 0);
	}
	sf_free(g);
	sf_free(h);
}
END_TEST

/* Data and noise whose products single precision cannot hold make a loss and gradients of inf and NaN. The option goes on, counts
 * them in the log, and the run can be resumed; the default stops. */
static int train_large(const char *settings, const char *name, int resume, int threads)
{
	char text[1000];

	snprintf(text, sizeof text, "%s %s", large_data(), settings);
	return train(text, name, resume, 0, threads);
}

START_TEST(replaced) /* the mean gradient's infinite numbers are 1e5: after one update Adam's mean is a tenth of that */
{
	sf_config *c;
	sf_trainer *t;
	const float *m;
	char text[1000];
	int i, most = 0;

	snprintf(text, sizeof text, "%s train.clip=0 train.nonfinite=zero train.steps=1 train.batch=16", large_data());
	c = configured(text);
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	m = sf_trainer_state(t)->m;
	for (i = 0; i < 4; i++) { /* the matrix */
		ck_assert_msg(m[i] == 0 || sf_close(fabs((double)m[i]), 1e4, 1e-6, 0), "%g", (double)m[i]);
		most += m[i] != 0;
	}
	ck_assert_int_gt(most, 0);
	sf_trainer_free(t);
	sf_config_free(c);
}
END_TEST

START_TEST(goes_on)
{
	char *log, *whole, *at_count, path[1200];

	ck_assert_int_eq(train_large("", "run", 0, 1), SF_EDIVERGED);
	assert_ok(ctx, train_large("train.nonfinite=zero", "whole", 0, 1));
	whole = log_of("whole");
	at_count = strstr(whole, "\"nonfinite\": ");
	ck_assert_ptr_nonnull(at_count);
	for (; at_count; at_count = strstr(at_count + 1, "\"nonfinite\": ")) /* of three steps by 6 weights */
		ck_assert(atoi(at_count + 13) > 0 && atoi(at_count + 13) <= 18);
	stop_at = 5; /* between two lines of the log: the count is kept */
	ck_assert_int_eq(train_large("train.nonfinite=zero train.accumulate=2", "parts", 0, 2), SF_ESTOPPED);
	stop_at = -1;
	assert_ok(ctx, train_large("train.nonfinite=zero", "parts", 1, 3));
	same_file("whole" LAST, "parts" LAST);
	log = log_of("parts");
	ck_assert_str_eq(log, whole);
	free(log);
	free(whole);
	/* squares that are not finite are not saved, as nothing could be read back: here none was before */
	ck_assert_int_eq(train_large("train.nonfinite=zero train.clip=0 train.checkpoint-every=1", "inf", 0, 1), SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no checkpoint"));
	ck_assert_int_eq(sf_run_latest(ctx, in_folder("inf"), path, sizeof path, NULL), SF_EIO);
	/* where nothing goes wrong the option changes nothing */
	assert_ok(ctx, train("", "one", 0, 0, 1));
	assert_ok(ctx, train("train.nonfinite=zero", "two", 0, 0, 1));
	same_file("one" LAST, "two" LAST);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ema");
	TCase *tc = tcase_create("ema");

	tcase_add_checked_fixture(tc, train_setup, train_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, decays);
	tcase_add_test(tc, warm_up);
	tcase_add_test(tc, closed_forms);
	tcase_add_test(tc, one_by_one);
	tcase_add_test(tc, choices);
	tcase_add_test(tc, resuming);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, logged);
	tcase_add_test(tc, sanitised);
	tcase_add_test(tc, replaced);
	tcase_add_test(tc, goes_on);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
