/* check_latent_train.c: runs with latents: phases, bytes, files.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent_rig.h"

/* ---- runs ---- */

#define RUN LATENTS ON_VP "train.steps=12 train.batch=12 train.shards=4 train.checkpoint-every=3 train.log-every=4 "
#define SIXTH "/checkpoint-00000006.safetensors"

/* One kind of weights of a checkpoint, flat. */
static double *weights(const char *settings, const char *path, const char *name, int64_t *pair, int64_t *total)
{
	sf_config *c = configured(settings);
	void *params;
	sf_setup s;
	int64_t trainable;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	assert_ok(ctx, sf_setup_weights_of(&s, in_folder(path), name, &params));
	*pair = s.pair;
	assert_ok(ctx, sf_vae_params(s.vae, &trainable, total));
	*total += s.pair;
	sf_setup_close(&s);
	sf_config_free(c);
	return params;
}

static int same(const double *a, const double *b, int64_t from, int64_t to)
{
	return memcmp(a + from, b + from, (size_t)(to - from) * sizeof *a) == 0;
}

/* Largest number of the tensors PREFIX.* whose names begin so, or do not; -1 where there are none. */
static double largest(const char *path, const char *prefix, const char *begin, int is)
{
	sf_tensors t;
	double most = -1, v[4096];
	int i;
	int64_t k;

	assert_ok(ctx, sf_tensors_read(ctx, in_folder(path), &t));
	for (i = 0; i < t.n; i++) {
		const char *name = t.tensor[i].name;
		size_t n = strlen(prefix);

		if (strncmp(name, prefix, n) != 0 || (strncmp(name + n, begin, strlen(begin)) == 0) != is)
			continue;
		ck_assert_int_le(t.tensor[i].size, 4096);
		assert_ok(ctx, sf_tensor_to_double(ctx, &t.tensor[i], v));
		for (k = 0; k < t.tensor[i].size; k++)
			most = fmax(most, fabs(v[k]));
	}
	sf_tensors_free(&t);
	return most;
}

START_TEST(frozen) /* pretrained to step 6; from there the pair is the average's, and stays to the last byte */
{
	static const char settings[] = RUN "vae.pretrain=6 vae.after=frozen train.ema=0.5:0.9";
	static const char *const names[] = {NULL, "raw", "0.9"};
	double *at6, *raw6, *end;
	int64_t pair, total;
	int i;

	assert_ok(ctx, train(settings, "a", 0, 0, 2));
	at6 = weights(settings, "a" SIXTH, NULL, &pair, &total);
	raw6 = weights(settings, "a" SIXTH, "raw", &pair, &total);
	ck_assert(!same(at6, raw6, pair, total));
	for (i = 0; i < 3; i++) {
		end = weights(settings, "a" LAST, names[i], &pair, &total);
		ck_assert(same(at6, end, pair, total));
		ck_assert(!same(raw6, end, 0, pair));
		sf_setup_free_weights(end);
	}
	sf_setup_free_weights(at6);
	sf_setup_free_weights(raw6);
}
END_TEST

START_TEST(phases) /* in the first the score model has neither moments nor steps; in a joint one all parts move */
{
	static const char settings[] = RUN "vae.pretrain=6";
	double *at3, *at6, *end;
	int64_t pair, total;
	char *log;

	assert_ok(ctx, train(settings, "a", 0, 0, 2));
	at3 = weights(settings, "a/checkpoint-00000003.safetensors", "raw", &pair, &total);
	at6 = weights(settings, "a" SIXTH, "raw", &pair, &total);
	end = weights(settings, "a" LAST, "raw", &pair, &total);
	ck_assert(same(at3, at6, 0, pair) && !same(at3, at6, pair, total));
	ck_assert(!same(at6, end, 0, pair) && !same(at6, end, pair, total));
	ck_assert_double_gt(largest("a" SIXTH, "adam.m.", "decoder.", 1), 0);
	ck_assert_double_gt(largest("a" SIXTH, "adam.m.", "encoder.", 1), 0);
	ck_assert(largest("a" SIXTH, "adam.v.", "mlp", 1) <= 0);
	log = log_of("a");
	ck_assert_ptr_nonnull(strstr(log, "\"step\": 4"));
	ck_assert_ptr_nonnull(strstr(log, "\"reconstruction\": "));
	ck_assert_ptr_nonnull(strstr(log, "\"kl\": "));
	ck_assert(strstr(log, "\"prior\": ") > strstr(log, "\"step\": 8")); /* steps 7 and 8 have it */
	free(log);
	sf_setup_free_weights(at3);
	sf_setup_free_weights(at6);
	sf_setup_free_weights(end);
}
END_TEST

START_TEST(parts) /* what each phase updates, with its own count of updates and its own rate */
{
	sf_config *c = configured(RUN "vae.pretrain=6 vae.lr=0.5 train.lr=0.25");
	sf_part p[2];
	sf_setup s;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	ck_assert_int_eq(sf_phase_parts(&s, s.pair + 100, 5, p), 1);
	ck_assert(p[0].first == s.pair && p[0].n == 100 && p[0].done == 5 && p[0].lr == .5);
	ck_assert_int_eq(sf_phase_parts(&s, s.pair + 100, 8, p), 2);
	ck_assert(p[0].first == 0 && p[0].n == s.pair && p[0].done == 2 && p[0].lr == .25);
	ck_assert(p[1].first == s.pair && p[1].n == 100 && p[1].done == 8 && p[1].lr == .5);
	assert_ok(ctx, sf_config_set(c, "vae.after=frozen"));
	assert_ok(ctx, sf_config_set(c, "vae.lr=0"));
	ck_assert_int_eq(sf_phase_parts(&s, s.pair + 100, 6, p), 1);
	ck_assert(p[0].first == 0 && p[0].n == s.pair && p[0].done == 0 && p[0].lr == .25);
	ck_assert_int_eq(sf_phase_parts(&s, s.pair + 100, 2, p), 1);
	ck_assert(p[0].first == s.pair && p[0].lr == .25);
	sf_setup_close(&s);
	sf_config_free(c);
}
END_TEST

START_TEST(spectral) /* a term that outweighs the rest makes the pair's weights smaller */
{
	static const char *const how[] = {RUN "vae.spectral=0 train.lr=0.01", RUN "vae.spectral=100000 train.lr=0.01"};
	double *w[2], size[2] = {0, 0};
	int64_t pair, total, i;
	int k;

	for (k = 0; k < 2; k++) {
		assert_ok(ctx, train(how[k], k ? "b" : "a", 0, 0, 2));
		w[k] = weights(how[k], k ? "b" LAST : "a" LAST, "raw", &pair, &total);
		for (i = pair; i < total; i++)
			size[k] += w[k][i] * w[k][i];
	}
	ck_assert_double_lt(size[1], .98 * size[0]);
	for (k = 0; k < 2; k++)
		sf_setup_free_weights(w[k]);
}
END_TEST

static const char *const runs[] = {
	RUN "vae.pretrain=6 vae.kl-steps=8 vae.groups=2 vae.spectral=0.01 vae.lr=0.002 train.warmup=3",
	RUN "vae.pretrain=6 vae.after=frozen train.ema=0.5:0.9",
	RUN "vae.times=separate train.recompute=cheap",
	LATENTS ON_CLD "model.parametrisation=mixed-learned vae.pretrain=5 train.steps=12 train.batch=12 train.shards=4 train.log-every=4",
	RUN "model.precision=float32 model.conditional=true data.spec=moons train.label-dropout=0.2 vae.pretrain=2",
};
enum { RUNS = sizeof runs / sizeof *runs };

START_TEST(bytes) /* threads and parts do not show */
{
	char more[1500];

	assert_ok(ctx, train(runs[_i], "a", 0, 0, 1));
	assert_ok(ctx, train(runs[_i], "b", 0, 0, 2));
	assert_ok(ctx, train(runs[_i], "c", 0, 0, 3));
	same_file("a" LAST, "b" LAST);
	same_file("a" LAST, "c" LAST);
	snprintf(more, sizeof more, "%s train.accumulate=4", runs[_i]);
	assert_ok(ctx, train(more, "d", 0, 0, 2));
	same_file("a" LAST, "d" LAST);
}
END_TEST

START_TEST(resumed) /* before, at and after the switch, and in the middle of a line of the log */
{
	static const int stops[] = {1, 5, 6, 7, 10};
	char name[8], path[64], *one, *other;
	int i;

	assert_ok(ctx, train(runs[_i], "whole", 0, 0, 2));
	one = log_of("whole");
	for (i = 0; i < 5; i++) {
		snprintf(name, sizeof name, "s%d", i);
		snprintf(path, sizeof path, "%s" LAST, name);
		stop_at = stops[i];
		ck_assert_int_eq(train(runs[_i], name, 0, 0, 2), SF_ESTOPPED);
		stop_at = -1;
		assert_ok(ctx, train(runs[_i], name, 1, 0, 2));
		same_file("whole" LAST, path);
		other = log_of(name);
		ck_assert_str_eq(one, other);
		free(other);
	}
	free(one);
}
END_TEST

/* ---- files ---- */

/* The checkpoint with one number of the tensors that are called so moved. */
static void tamper(const char *from, const char *to, const char *name)
{
	enum { MOST = 400 };
	static const char *const keys[] = {"format", "step", "loss-sum", "loss-n", "vae", "vae-hash", "vae-hash-raw", "dim", "classes",
	                                   "levels", "lo", "hi", "shift", "scale", "mean", "std", "net", "ema", "ema-ramp"};
	static double room[40000];
	sf_tensor_out out[MOST];
	const char *key[20], *value[20];
	sf_tensors t;
	int i, n = 0, found = 0;
	int64_t at = 0;

	assert_ok(ctx, sf_tensors_read(ctx, in_folder(from), &t));
	ck_assert_int_le(t.n, MOST);
	for (i = 0; i < t.n; i++) {
		const sf_tensor *x = &t.tensor[i];

		ck_assert_int_lt(at + x->size, 40000);
		assert_ok(ctx, sf_tensor_to_double(ctx, x, room + at));
		out[i].name = x->name;
		out[i].type = SF_FLOAT64;
		out[i].rank = x->rank;
		memcpy(out[i].dim, x->dim, sizeof out[i].dim);
		out[i].data = room + at;
		if (strcmp(x->name, name) == 0) {
			room[at] += .25;
			found = 1;
		}
		at += x->size;
	}
	ck_assert_msg(found || !*name, "no tensor %s", name);
	for (i = 0; i < (int)(sizeof keys / sizeof *keys); i++)
		if (sf_tensors_meta(&t, keys[i])) {
			key[n] = keys[i];
			value[n++] = sf_tensors_meta(&t, keys[i]);
		}
	assert_ok(ctx, sf_tensors_write(ctx, in_folder(to), t.n, out, n, key, value));
	sf_tensors_free(&t);
}

static int load(const char *settings, const char *path, const char *name)
{
	sf_config *c = configured(settings);
	void *params = NULL;
	sf_setup s;
	int rc;

	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	rc = sf_setup_weights_of(&s, in_folder(path), name, &params);
	sf_setup_free_weights(params);
	sf_setup_close(&s);
	sf_config_free(c);
	return rc;
}

/* The name of some parameter of the encoder, the decoder, the score model. */
static void some_names(const char *settings, char name[3][120])
{
	latents l;
	int i;

	open_latents(&l, settings, SF_LATENT_JOINT);
	for (i = 0; i < sf_param_count(sf_batch_graph(l.b)); i++) {
		const sf_param_info *p = sf_param_get(sf_batch_graph(l.b), i);

		snprintf(name[p->offset < l.s.pair ? 2 : strncmp(p->name, "decoder.", 8) == 0], 120, "ema.%s", p->name);
	}
	close_latents(&l);
}

START_TEST(hashes) /* a score model is refused where the encoder or decoder beside it is not the one that it was trained with */
{
	static const char settings[] = RUN "vae.pretrain=2";
	char name[3][120], raw[400];

	assert_ok(ctx, train(settings, "a", 0, 0, 2));
	some_names(settings, name);
	tamper("a" LAST, "same.safetensors", "");
	assert_ok(ctx, load(settings, "same.safetensors", NULL));
	tamper("a" LAST, "encoder.safetensors", name[0]);
	ck_assert_int_eq(load(settings, "encoder.safetensors", NULL), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "prior was trained for encoder "));
	assert_ok(ctx, load(settings, "encoder.safetensors", "raw")); /* whose tensors are param.* */
	tamper("a" LAST, "decoder.safetensors", name[1]);
	ck_assert_int_eq(load(settings, "decoder.safetensors", NULL), SF_EMISMATCH);
	tamper("a" LAST, "score.safetensors", name[2]);
	assert_ok(ctx, load(settings, "score.safetensors", NULL));
	snprintf(raw, sizeof raw, "param.%s", name[1] + 4);
	tamper("a" LAST, "raw.safetensors", raw);
	ck_assert_int_eq(load(settings, "raw.safetensors", "raw"), SF_EMISMATCH);
}
END_TEST

START_TEST(other_networks) /* a file of latents is told from one without, and from other encoders */
{
	static const char settings[] = RUN "vae.pretrain=2";

	assert_ok(ctx, train(settings, "a", 0, 0, 2));
	ck_assert_int_eq(load(RUN "vae.encoder=mlp:width=5,depth=2", "a" LAST, NULL), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "latents are of encoder mlp"));
	ck_assert_int_eq(load(RUN "vae.encoder= vae.decoder=", "a" LAST, NULL), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no [vae] encoder"));
	assert_ok(ctx, train(RUN "vae.encoder= vae.decoder= objective.spec=dsm", "plain", 0, 0, 2));
	ck_assert_int_eq(load(settings, "plain" LAST, NULL), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "no encoder and decoder"));
}
END_TEST

START_TEST(taken) /* another run's averaged pair; and that pair beside a prior that was trained for it, and one that was not */
{
	char settings[1500], other[1500];
	double *a, *b;
	int64_t pair, total;
	sf_config *c;
	sf_setup s;

	assert_ok(ctx, train(RUN "vae.pretrain=12", "a", 0, 0, 2));
	snprintf(settings, sizeof settings, RUN "vae.after=frozen train.seed=9 vae.from=%s", in_folder("a"));
	assert_ok(ctx, train(settings, "b", 0, 0, 2));
	a = weights(RUN, "a" LAST, NULL, &pair, &total);
	b = weights(RUN, "b" LAST, "raw", &pair, &total);
	ck_assert(same(a, b, pair, total) && !same(a, b, 0, pair));
	snprintf(other, sizeof other, RUN "train.seed=9 vae.from=%s", in_folder("a" LAST)); /* joint: it moves on from there */
	assert_ok(ctx, train(other, "c", 0, 0, 2));

	c = configured(settings);
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s));
	memset(b + pair, 0, (size_t)(total - pair) * sizeof *b);
	assert_ok(ctx, sf_setup_pair(&s, in_folder("b" LAST), in_folder("a" LAST), NULL, b));
	ck_assert(same(a, b, pair, total));
	ck_assert_int_eq(sf_setup_pair(&s, in_folder("c" LAST), in_folder("a" LAST), NULL, b), SF_EMISMATCH);
	ck_assert_int_eq(sf_setup_pair(&s, in_folder("b" LAST), in_folder("c" LAST), NULL, b), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "prior was trained for encoder "));
	sf_setup_close(&s);
	sf_config_free(c);
	snprintf(other, sizeof other, RUN "vae.latent=4 vae.from=%s", in_folder("a"));
	ck_assert_int_eq(train(other, "d", 0, 0, 2), SF_EMISMATCH);
	sf_setup_free_weights(a);
	sf_setup_free_weights(b);
}
END_TEST

START_TEST(memory) /* as much as the phase that needs the most */
{
	sf_memory joint, both;
	sf_config *c[2];
	sf_setup s;
	int i;

	c[0] = configured(RUN);
	c[1] = configured(RUN "vae.pretrain=6");
	for (i = 0; i < 2; i++) {
		assert_ok(ctx, sf_setup_open(ctx, c[i], SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
		assert_ok(ctx, sf_memory_measure(&s, i ? &both : &joint));
		sf_setup_close(&s);
		sf_config_free(c[i]);
	}
	ck_assert(joint.total > 0 && joint.total == both.total);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("training of latents");
	TCase *t = tcase_create("training");

	tcase_add_checked_fixture(t, train_setup, train_teardown);
	tcase_add_test(t, frozen);
	tcase_add_test(t, phases);
	tcase_add_test(t, parts);
	tcase_add_test(t, spectral);
	tcase_add_loop_test(t, bytes, 0, RUNS);
	tcase_add_loop_test(t, resumed, 0, RUNS);
	tcase_add_test(t, hashes);
	tcase_add_test(t, other_networks);
	tcase_add_test(t, taken);
	tcase_add_test(t, memory);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
