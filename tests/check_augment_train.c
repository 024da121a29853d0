/* check_augment_train.c: augmentation in whole runs: equal bytes, checkpoints, stable targets.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

static sf_ctx *ctx;
static const char *dir;

static void setup(void)
{
	ctx = ck_ctx();
	dir = sf_test_mkdir();
}

static void teardown(void)
{
	sf_test_rmdir(dir);
	sf_ctx_free(ctx);
}

static const char *in_dir(const char *name)
{
	static char path[4][1200];
	static int turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
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

/* ---- stable targets ---- */

/* Rows that were augmented otherwise do not count: the targets are those of the source's own kind alone. */
START_TEST(stable_targets)
{
	enum { ROWS = 60, A = 9 };
	double ref[ROWS * W], aug[ROWS * A] = {0}, fewer[N][W], z[N * W];
	batch b, dsm;
	parts p, q;
	int i, k, n;

	open_parts(&q, "mlp:width=8,depth=1", "vp", "eps", "dsm", 1, plane);
	draw_batch(&q, &b, 0);
	draw_batch(&q, &dsm, 0);
	memcpy(ref, b.x0, sizeof b.x0);
	for (i = N * W; i < ROWS * W; i++)
		ref[i] = sin(1.7 * i) + .3 * cos(.31 * i * i);
	/* rows in three groups; the differing label is in another place for each; row 5 alone is unlike all */
	for (i = 0; i < ROWS; i++)
		if (i % 3)
			aug[i * A + 4 * (i % 3)] = .25;
	aug[5 * A] = 1;
	open_parts(&p, "mlp:width=8,depth=1", "vp", "eps", "stf:n=60", 1, plane);
	p.m.augments = A;
	b.d.ref = ref;
	b.d.nref = ROWS;
	b.d.ref_augment = aug;
	assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &b.d));
	memcpy(z, b.z, sizeof z);
	for (i = 0; i < N; i++) { /* w_k = softmax of -|z + r (x - x_k)|^2/2 over the group, r = alpha/sigma */
		double a = sf_process_alpha(p.m.process, b.t[i]), r = a / sf_process_scale(p.m.process, b.t[i]), sum = 0;

		for (k = 0; k < W; k++)
			fewer[i][k] = 0;
		for (n = 0; n < ROWS; n++) {
			double w = 0;

			if (i == 5 ? n != 5 : n == 5 || n % 3 != i % 3)
				continue;
			for (k = 0; k < W; k++) {
				double e = dsm.z[i * W + k] + r * (ref[i * W + k] - ref[n * W + k]);

				w += e * e;
			}
			w = exp(-w / 2);
			sum += w;
			for (k = 0; k < W; k++)
				fewer[i][k] += w * (dsm.z[i * W + k] + r * (ref[i * W + k] - ref[n * W + k]));
		}
		for (k = 0; k < W; k++)
			assert_close(z[i * W + k], fewer[i][k] / sum, 1e-9, 1e-11);
	}
	for (k = 0; k < W; k++)
		ck_assert(z[5 * W + k] == dsm.z[5 * W + k]); /* alone: denoising score matching */
	close_parts(&p);
	close_parts(&q);
}
END_TEST

/* ---- runs ---- */
static int stop_at;
static int stopper(void *user, const sf_progress *p)
{
	(void)user;
	return p->step == stop_at;
}

static int train(const char *settings, const char *name, int resume, int threads)
{
	sf_config *c = configured(settings);
	sf_trainer *t;
	int rc;

	sf_ctx_set_threads(ctx, threads);
	rc = sf_trainer_new(ctx, c, in_dir(name), resume, 0, &t);
	if (rc == 0)
		rc = sf_trainer_run(t, stopper, NULL, NULL);
	sf_trainer_free(t);
	sf_config_free(c);
	return rc;
}

static int same_file(const char *a, const char *b)
{
	unsigned char *one, *two;
	size_t n, m;
	int same;

	assert_ok(ctx, sf_file_read(ctx, in_dir(a), 1 << 26, &one, &n));
	assert_ok(ctx, sf_file_read(ctx, in_dir(b), 1 << 26, &two, &m));
	same = n == m && memcmp(one, two, n) == 0;
	sf_free(one);
	sf_free(two);
	return same;
}

#define LAST "/checkpoint-00000007.safetensors"

START_TEST(runs) /* same bytes for threads and for a run in two pieces */
{
	stop_at = -1;
	assert_ok(ctx, train("", "one", 0, 1));
	assert_ok(ctx, train("", "two", 0, 2));
	assert_ok(ctx, train("", "three", 0, 3));
	ck_assert(same_file("one" LAST, "two" LAST) && same_file("one" LAST, "three" LAST));
	stop_at = 4;
	ck_assert_int_eq(train("", "parts", 0, 2), SF_ESTOPPED);
	stop_at = -1;
	assert_ok(ctx, train("", "parts", 1, 3));
	ck_assert(same_file("one" LAST, "parts" LAST));
	assert_ok(ctx, train("train.accumulate=2", "halves", 0, 2));
	assert_ok(ctx, train("data.augment-kinds=rotate", "other", 0, 2));
	ck_assert(!same_file("one" LAST, "other" LAST));
}
END_TEST

static int has(const char *file, const char *tensor)
{
	sf_tensors t;
	int i, found = 0;

	assert_ok(ctx, sf_tensors_read(ctx, in_dir(file), &t));
	for (i = 0; i < t.n; i++)
		found |= strcmp(t.tensor[i].name, tensor) == 0;
	sf_tensors_free(&t);
	return found;
}

START_TEST(checkpoint) /* remembers, whatever the configuration says later; samples without labels */
{
	char path[1200];
	sf_config *c;
	sf_setup s;
	void *w;

	stop_at = -1;
	assert_ok(ctx, train("", "with", 0, 2));
	assert_ok(ctx, train("data.augment=0", "without", 0, 2));
	ck_assert(has("with" LAST, "param.embed.augment.weight") && has("with" LAST, "ema.embed.augment.weight"));
	ck_assert(!has("without" LAST, "param.embed.augment.weight"));
	snprintf(path, sizeof path, "%s", in_dir("with" LAST));
	c = configured("data.augment=0");
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_SAMPLER, path, &s));
	ck_assert(s.model.augments == 9 && !s.augmenter && s.view.augment == .4);
	assert_ok(ctx, sf_setup_weights(&s, path, 0, &w));
	{
		double x[2 * 64], score_of[2 * 64], at[2] = {.3, .7};
		sf_score *score;
		int i;

		for (i = 0; i < 128; i++)
			x[i] = sin(i);
		assert_ok(ctx, sf_model_score(&s.model, s.type, w, 0, &score));
		assert_ok(ctx, sf_score_eval(score, SF_SCORE, 2, x, at, score_of));
		for (i = 0; i < 128; i++)
			ck_assert(isfinite(score_of[i]));
		sf_score_free(score);
	}
	sf_setup_free_weights(w);
	sf_setup_close(&s);
	snprintf(path, sizeof path, "%s", in_dir("without" LAST));
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_SAMPLER, path, &s));
	ck_assert_int_eq(s.model.augments, 0);
	sf_setup_close(&s);
	ck_assert_int_lt(train("data.augment=0 train.steps=9", "with", 1, 2), 0); /* the weights do not fit */
	sf_config_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("augment_train");
	TCase *t = tcase_create("train");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, stable_targets);
	tcase_add_test(t, runs);
	tcase_add_test(t, checkpoint);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
