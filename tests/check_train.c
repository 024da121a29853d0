/* check_train.c: the trainer's contracts: bytes that do not depend on threads, resume, checkpoints that refuse what they
 * should, divergence that harms nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"
#include "train_rig.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

START_TEST(threads)
{
	static const char *const settings[] = {
		"", "model.precision=float64 objective.spec=dsm:t=stratified train.batch=19",
		("data.spec=digits net.spec=unet:width=4,mult=1:2,blocks=1,attn=4,dropout=0.2 train.batch=9 "
		 "model.conditional=true model.parametrisation=edm process.spec=edm")};

	stop_at = -1;
	assert_ok(ctx, train(settings[_i], "one", 0, 0, 1));
	assert_ok(ctx, train(settings[_i], "two", 0, 0, 2));
	assert_ok(ctx, train(settings[_i], "three", 0, 0, 3));
	same_file("one" LAST, "two" LAST);
	same_file("one" LAST, "three" LAST);
}
END_TEST

START_TEST(resume) /* stopped after any step, also between checkpoints and log lines, or killed: the same end */
{
	static const int stops[] = {1, 4, 5, 7, 11};
	char *whole, *parts;
	unsigned char *bytes;
	size_t n;
	int i;

	stop_at = -1;
	assert_ok(ctx, train("", "whole", 0, 0, 2));
	whole = log_of("whole");
	for (i = 0; i < 5; i++) {
		stop_at = stops[i];
		ck_assert_int_eq(train("", "parts", 0, i > 0, 1), SF_ESTOPPED);
		stop_at = -1;
		assert_ok(ctx, train("", "parts", 1, 0, 2));
		same_file("whole" LAST, "parts" LAST);
		parts = log_of("parts");
		ck_assert_str_eq(whole, parts);
		free(parts);
	}
	/* killed after step 12's log line but with step 5's checkpoint the newest, and half a line written */
	ck_assert_int_eq(unlink(in_folder("parts" LAST)), 0);
	ck_assert_int_eq(unlink(in_folder("parts/checkpoint-00000010.safetensors")), 0);
	unlink(in_folder("parts/checkpoint-00000011.safetensors"));
	assert_ok(ctx, sf_file_read(ctx, in_folder("parts/log.jsonl"), 1 << 20, &bytes, &n));
	assert_ok(ctx, sf_file_write(ctx, in_folder("parts/log.jsonl"), bytes, n - 9));
	free(bytes);
	assert_ok(ctx, train("", "parts", 1, 0, 3));
	same_file("whole" LAST, "parts" LAST);
	parts = log_of("parts");
	ck_assert_str_eq(whole, parts);
	free(parts);
	free(whole);
	/* finished already: nothing happens; fewer steps than made: refused */
	assert_ok(ctx, train("", "parts", 1, 0, 1));
	ck_assert_int_eq(train("train.steps=6", "parts", 1, 0, 1), SF_ERANGE);
	/* killed before the first checkpoint: starts over */
	assert_ok(ctx, train("train.steps=0", "empty", 0, 0, 1));
	ck_assert_int_eq(unlink(in_folder("empty/checkpoint-00000000.safetensors")), 0);
	assert_ok(ctx, train("", "empty", 1, 0, 1));
	same_file("whole" LAST, "empty" LAST);
}
END_TEST

START_TEST(directories)
{
	char path[1200];
	int64_t step;

	stop_at = -1;
	assert_ok(ctx, train("", "run", 0, 0, 1));
	ck_assert_int_eq(train("", "run", 0, 0, 1), SF_EEXIST);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "run"));
	ck_assert_int_eq(train("", "none", 1, 0, 1), SF_EIO);
	ck_assert_int_lt(access(in_folder("none"), F_OK), 0);
	assert_ok(ctx, sf_run_latest(ctx, in_folder("run"), path, sizeof path, &step));
	ck_assert_int_eq(step, 12);
	/* a bad configuration leaves an existing run as it was, even with force */
	ck_assert_int_lt(train("net.spec=unet", "run", 0, 1, 1), 0);
	ck_assert_int_eq(access(in_folder("run" LAST), F_OK), 0);
	assert_ok(ctx, sf_file_write(ctx, in_folder("run/samples-00000012.png"), "", 0));
	assert_ok(ctx, sf_file_write(ctx, in_folder("run/notes.txt"), "", 0));
	assert_ok(ctx, train("train.steps=3 train.keep=1 train.checkpoint-every=1", "run", 0, 1, 1));
	ck_assert_int_lt(access(in_folder("run/samples-00000012.png"), F_OK), 0);
	ck_assert_int_eq(access(in_folder("run/notes.txt"), F_OK), 0); /* not ours */
	assert_ok(ctx, sf_run_latest(ctx, in_folder("run"), path, sizeof path, &step));
	ck_assert_int_eq(step, 3);
	ck_assert_int_lt(access(in_folder("run/checkpoint-00000002.safetensors"), F_OK), 0);
	ck_assert_int_lt(access(in_folder("run" LAST), F_OK), 0);
	ck_assert_int_lt(train("", "no/such/parent", 0, 0, 1), 0);
	/* the effective configuration can be fed back */
	{
		sf_config *c;

		assert_ok(ctx, sf_config_new(ctx, &c));
		assert_ok(ctx, sf_config_read(c, in_folder("run/config.ini")));
		ck_assert_str_eq(sf_config_get(c, "train.keep"), "1");
		ck_assert_str_eq(sf_config_get(c, "net.spec"), "mlp:width=16,depth=2,embed-width=8");
		sf_config_free(c);
	}
}
END_TEST

START_TEST(divergence) /* names the step; the checkpoint from before is whole, none from after */
{
	char path[1200];
	int64_t step = -1;
	int rc;

	stop_at = -1;
	rc = train("train.lr=1e30 train.clip=0 train.checkpoint-every=1", "run", 0, 0, 2);
	ck_assert_int_eq(rc, SF_EDIVERGED);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "step 2"));
	assert_ok(ctx, sf_run_latest(ctx, in_folder("run"), path, sizeof path, &step));
	ck_assert_int_eq(step, 1);
}
END_TEST

/* ---- checkpoints ---- */
typedef struct opened {
	sf_config *c;
	sf_setup s;
	sf_graph *g;
	sf_state st;
} opened;

static void open_run(opened *o, const char *settings)
{
	sf_model_vars v;

	o->c = configured(settings);
	assert_ok(ctx, sf_setup_open(ctx, o->c, SF_SETUP_DATA, NULL, &o->s));
	assert_ok(ctx, sf_graph_new(ctx, 1, &o->g));
	sf_model_vars_init(&v);
	assert_ok(ctx, sf_model_build(&o->s.model, o->g, 0, &v));
	assert_ok(ctx, sf_state_new(ctx, o->s.type, sf_param_total(o->g), &o->st));
}

static void close_run(opened *o)
{
	sf_state_free(&o->st);
	sf_graph_free(o->g);
	sf_setup_close(&o->s);
	sf_config_free(o->c);
}

START_TEST(round_trip) /* load, save gives the same bytes; weights alone; shape without the data */
{
	char path[1200];
	void *ema, *raw;
	opened o, p;
	sf_setup s;

	stop_at = 7; /* between log lines: sums are kept too */
	ck_assert_int_eq(train("data.scale=standard", "run", 0, 0, 2), SF_ESTOPPED);
	snprintf(path, sizeof path, "%s", in_folder("run/checkpoint-00000007.safetensors"));
	open_run(&o, "data.scale=standard");
	assert_ok(ctx, sf_objective_new(ctx, "lcss", &o.s.objective)); /* named in the metadata */
	assert_ok(ctx, sf_checkpoint_load(&o.s, o.g, path, &o.st));
	ck_assert_int_eq(o.st.step, 7);
	ck_assert_int_eq(o.st.loss_n, 1);
	assert_ok(ctx, sf_checkpoint_save(&o.s, o.g, &o.st, in_folder("again.safetensors")));
	same_file("run/checkpoint-00000007.safetensors", "again.safetensors");

	assert_ok(ctx, sf_setup_weights(&o.s, path, 0, &ema));
	assert_ok(ctx, sf_setup_weights(&o.s, path, 1, &raw));
	ck_assert(memcmp(ema, o.st.ema, (size_t)o.st.total * sizeof(float)) == 0);
	ck_assert(memcmp(raw, o.st.param, (size_t)o.st.total * sizeof(float)) == 0);
	ck_assert(memcmp(raw, ema, (size_t)o.st.total * sizeof(float)) != 0);
	sf_setup_free_weights(ema);
	sf_setup_free_weights(raw);

	assert_ok(ctx, sf_setup_open(ctx, o.c, SF_SETUP_SAMPLER, path, &s));
	ck_assert_ptr_null(s.data);
	ck_assert_int_eq(s.model.size, 2);
	ck_assert(s.view.scale == o.s.view.scale && s.view.shift == o.s.view.shift);
	ck_assert(s.model.sigma_data == o.s.model.sigma_data);
	ck_assert_int_eq(s.params, o.s.params);
	sf_setup_close(&s);

	open_run(&p, "data.scale=standard model.precision=float64"); /* floats fit into doubles */
	assert_ok(ctx, sf_checkpoint_load(&p.s, p.g, path, &p.st));
	ck_assert(((double *)p.st.ema)[0] == ((float *)o.st.ema)[0]);
	close_run(&p);
	close_run(&o);
}
END_TEST

START_TEST(strangers) /* another architecture, truncated and damaged files: one line, the state untouched */
{
	char path[1200], cut[1200];
	unsigned char *bytes;
	size_t n, keep;
	opened o;
	int64_t i;

	stop_at = -1;
	assert_ok(ctx, train("train.steps=2", "run", 0, 0, 1));
	snprintf(path, sizeof path, "%s", in_folder("run/checkpoint-00000002.safetensors"));
	snprintf(cut, sizeof cut, "%s", in_folder("cut.safetensors"));
	open_run(&o, "net.spec=mlp:width=24,depth=2,embed-width=8");
	ck_assert_int_eq(sf_checkpoint_load(&o.s, o.g, path, &o.st), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "mlp:width=16,depth=2")); /* what the file holds */
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "param.layer0.weight"));  /* the first that differs */
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "2x16, expected 2x24"));
	close_run(&o);
	open_run(&o, "net.spec=mlp:width=16,depth=3,embed-width=8");
	ck_assert_int_eq(sf_checkpoint_load(&o.s, o.g, path, &o.st), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "is missing"));
	close_run(&o);
	open_run(&o, "net.spec=mlp:width=16,depth=1,embed-width=8");
	ck_assert_int_eq(sf_checkpoint_load(&o.s, o.g, path, &o.st), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "not of this network"));
	close_run(&o);

	open_run(&o, "");
	assert_ok(ctx, sf_file_read(ctx, path, 1 << 26, &bytes, &n));
	for (keep = 0; keep < n; keep += n / 37) {
		assert_ok(ctx, sf_file_write(ctx, cut, bytes, keep));
		ck_assert_int_lt(sf_checkpoint_load(&o.s, o.g, cut, &o.st), 0);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "cut.safetensors"));
	}
	memset(bytes + n - 4, 0xff, 4); /* NaN in the last tensor */
	assert_ok(ctx, sf_file_write(ctx, cut, bytes, n));
	ck_assert_int_eq(sf_checkpoint_load(&o.s, o.g, cut, &o.st), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "not finite"));
	for (i = 0; i < o.st.total; i++)
		ck_assert(((float *)o.st.param)[i] == 0 && ((float *)o.st.v)[i] == 0);
	assert_ok(ctx, sf_checkpoint_load(&o.s, o.g, path, &o.st));
	free(bytes);
	close_run(&o);
	ck_assert_int_eq(train("net.spec=mlp:width=8,embed-width=8", "run", 1, 0, 1), SF_EMISMATCH);
}
END_TEST

START_TEST(learning) /* one Gaussian, affine score, one noise level: the weights approach -C_s^{-1} */
{
	sf_config *c = configured("data.spec=mixture:weights=1,means=0:0,stds=1 net.spec=affine model.parametrisation=score "
	                          "process.spec=edm:sigma-min=0.5,sigma-max=0.5000001 model.precision=float64 "
	                          "objective.spec=dsm:weight=one train.steps=600 train.batch=256 train.lr=0.02 train.ema=0.99 "
	                          "data.scale=none");
	sf_trainer *t;
	const double *w;

	stop_at = -1;
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	w = sf_trainer_state(t)->ema;
	assert_close(w[0], -1 / 1.25, 0, .05);
	assert_close(w[3], -1 / 1.25, 0, .05);
	assert_close(w[1], 0, 0, .05);
	assert_close(w[2], 0, 0, .05);
	sf_trainer_free(t);
	sf_config_free(c);
}
END_TEST

START_TEST(previews)
{
	sf_array a;
	int64_t h, w;
	int ch;
	unsigned char *pixels;

	stop_at = -1;
	assert_ok(ctx, train("train.steps=2 train.sample-every=2 sample.n=5 sample.steps=3 train.events=true", "points", 0,
	                     0, 2));
	assert_ok(ctx, sf_npy_read(ctx, in_folder("points/samples-00000002.npy"), &a));
	ck_assert(a.rank == 2 && a.dim[0] == 5 && a.dim[1] == 2);
	sf_array_free(&a);
	assert_ok(ctx, train("train.steps=2 train.sample-every=2 sample.n=4 sample.steps=3 data.spec=digits "
	                     "net.spec=unet:width=4,mult=1:2,blocks=1 model.conditional=true", "images", 0, 0, 2));
	assert_ok(ctx, sf_png_read(ctx, in_folder("images/samples-00000002.png"), &h, &w, &ch, &pixels));
	ck_assert(h >= 16 && w >= 16 && ch == 1);
	sf_free(pixels);
}
END_TEST

START_TEST(pixels)
{
	static const double x[] = {-1, 1, 0, -7, 9, NAN};
	unsigned char out[6];
	sf_setup s;

	memset(&s, 0, sizeof s);
	s.info.hi = 16;
	s.view.scale = 8;
	s.view.shift = 8;
	sf_setup_pixels(&s, 6, x, out);
	ck_assert(out[0] == 0 && out[1] == 255 && out[2] == 128 && out[3] == 0 && out[4] == 255 && out[5] == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("train");
	TCase *tc = tcase_create("train");

	tcase_add_checked_fixture(tc, train_setup, train_teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_loop_test(tc, threads, 0, 3);
	tcase_add_test(tc, resume);
	tcase_add_test(tc, directories);
	tcase_add_test(tc, divergence);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, strangers);
	tcase_add_test(tc, learning);
	tcase_add_test(tc, previews);
	tcase_add_test(tc, pixels);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
