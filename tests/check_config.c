/* check_config.c: configurations: keys, ranges, files, presets; and the rules of the optimiser.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_ctx *ctx;
static sf_config *config;

static void setup(void)
{
	ctx = ck_ctx();
	assert_ok(ctx, sf_config_new(ctx, &config));
}

static void teardown(void)
{
	sf_config_free(config);
	sf_ctx_free(ctx);
}

static void says(int rc, int code, const char *word)
{
	ck_assert_msg(rc == code, "%d, expected %d: %s", rc, code, sf_ctx_message(ctx));
	ck_assert_msg(strstr(sf_ctx_message(ctx), word) != NULL, "'%s' lacks '%s'", sf_ctx_message(ctx), word);
}

static int set(const char *text)
{
	return sf_config_set(config, text);
}

START_TEST(keys)
{
	sf_config_key k;
	char name[80];
	int i;

	for (i = 0; sf_config_key_at(i, &k) == 0; i++) { /* every default reads back as itself */
		char assignment[400];
		const char *v;

		ck_assert(*k.help && *k.type);
		snprintf(name, sizeof name, "%s.%s", k.section, k.key);
		v = sf_config_get(config, name);
		ck_assert_ptr_nonnull(v);
		snprintf(assignment, sizeof assignment, "%s=%s", name, v);
		assert_ok(ctx, set(assignment));
		snprintf(assignment, sizeof assignment, "%s=%s", name, k.def);
		assert_ok(ctx, set(assignment));
	}
	ck_assert_int_gt(i, 30);
	ck_assert_int_eq(sf_config_key_at(i, &k), SF_ERANGE);
	ck_assert_int_eq(sf_config_key_at(-1, &k), SF_ERANGE);
	assert_ok(ctx, set("train.lr=0.25"));
	ck_assert_str_eq(sf_config_get(config, "train.lr"), "0.25");
	assert_ok(ctx, set("data.spec=gaussians:n=8"));
	ck_assert_str_eq(sf_config_get(config, "data.spec"), "gaussians:n=8");
	ck_assert_ptr_null(sf_config_get(config, "train.rate"));
	ck_assert_ptr_null(sf_config_get(config, "train"));
}
END_TEST

START_TEST(refusals)
{
	says(set("train.stepz=5"), SF_ENAME, "'steps'");
	says(set("trian.steps=5"), SF_ENAME, "[train]");
	says(set("train.steps=-1"), SF_ERANGE, "steps=-1");
	says(set("train.steps=many"), SF_EINVAL, "whole number");
	says(set("train.beta1=1"), SF_ERANGE, "beta1");
	says(set("train.lr=nan"), SF_EINVAL, "lr");
	says(set("train.ema-ramp=fast"), SF_EINVAL, "none|tf|edm");
	says(set("train.steps"), SF_EINVAL, "section.key=value");
	says(set("steps=5"), SF_EINVAL, "section.key=value");
	says(set(".steps=5"), SF_EINVAL, "section.key=value");
	says(set("train.=5"), SF_EINVAL, "section.key=value");
	says(set("data.spec=a ; b"), SF_EINVAL, "' ;'");
	says(set("data.spec=a\nb"), SF_EINVAL, "control");
	ck_assert_str_eq(sf_config_get(config, "train.steps"), "10000"); /* nothing changed */
	says(sf_config_preset(config, "chekerboard"), SF_ENAME, "'checkerboard'");
	says(sf_config_preset(config, ""), SF_EINVAL, "preset");
	ck_assert_int_lt(sf_config_preset(config, "./none.ini"), 0);
}
END_TEST

static const char *written(const char *dir, const char *text)
{
	static char path[1100];

	snprintf(path, sizeof path, "%s/c.ini", dir);
	assert_ok(ctx, sf_file_write(ctx, path, text, strlen(text)));
	return path;
}

START_TEST(files)
{
	const char *dir = sf_test_mkdir();
	char text[600];

	assert_ok(ctx, sf_config_read(config, written(dir, "# note\n[train]\r\nsteps = 7 ; so few\r\nlr=0.5\n\n[net]\n"
	                                                   "spec = mlp:width=8,\n\tdepth=2,\n  act=tanh\n")));
	ck_assert_str_eq(sf_config_get(config, "train.steps"), "7");
	ck_assert_str_eq(sf_config_get(config, "train.lr"), "0.5");
	ck_assert_str_eq(sf_config_get(config, "net.spec"), "mlp:width=8,depth=2,act=tanh");
	says(sf_config_read(config, written(dir, "[train]\nsteps = 5\nstep = 6\n")), SF_ENAME, "c.ini:3: ");
	says(sf_config_read(config, written(dir, "[train]\nbatch = 0\n")), SF_ERANGE, "c.ini:2: ");
	says(sf_config_read(config, written(dir, "[tain]\nbatch = 1\n")), SF_ENAME, "[train]");
	says(sf_config_read(config, written(dir, "steps = 5\n")), SF_ENAME, "c.ini:1: ");
	says(sf_config_read(config, written(dir, "[train]\nno value here\n")), SF_EFORMAT, "c.ini:2: ");
	says(sf_config_read(config, written(dir, "[train\n")), SF_EFORMAT, "c.ini:1: ");
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	memcpy(text, "[data]\nspec=", 12);
	says(sf_config_read(config, written(dir, text)), SF_EFORMAT, "c.ini:2: ");
	ck_assert_int_eq(sf_config_read(config, "/nonexistent/c.ini"), SF_EIO);
	ck_assert_int_eq(sf_config_read(config, dir), SF_EIO);
	sf_test_rmdir(dir);
}
END_TEST

START_TEST(round_trip) /* write, read, write gives the same bytes, long values included */
{
	const char *dir = sf_test_mkdir();
	char long_value[1000] = "data.spec=png:path=/", a[1100], b[1100];
	unsigned char *one, *two;
	sf_config *again;
	size_t n, m, i;

	for (i = strlen(long_value); i < sizeof long_value - 1; i++)
		long_value[i] = "abc def;#/"[i * 7 % 10];
	long_value[sizeof long_value - 2] = 'z';
	for (i = 12; i < sizeof long_value - 1; i++) /* a blank before ';' would be refused */
		if (long_value[i] == ';' && long_value[i - 1] == ' ')
			long_value[i] = 'q';
	assert_ok(ctx, set(long_value));
	assert_ok(ctx, set("train.lr=0.1234567890123456"));
	assert_ok(ctx, set("train.ema-ramp=edm"));
	snprintf(a, sizeof a, "%s/a.ini", dir);
	snprintf(b, sizeof b, "%s/b.ini", dir);
	assert_ok(ctx, sf_config_write(config, a));
	assert_ok(ctx, sf_config_new(ctx, &again));
	assert_ok(ctx, sf_config_read(again, a));
	ck_assert_str_eq(sf_config_get(again, "data.spec"), sf_config_get(config, "data.spec"));
	ck_assert_str_eq(sf_config_get(again, "data.spec"), long_value + strlen("data.spec="));
	assert_ok(ctx, sf_config_write(again, b));
	assert_ok(ctx, sf_file_read(ctx, a, 1 << 20, &one, &n));
	assert_ok(ctx, sf_file_read(ctx, b, 1 << 20, &two, &m));
	ck_assert(n == m && memcmp(one, two, n) == 0);
	sf_free(one);
	sf_free(two);
	sf_config_free(again);
	ck_assert_int_eq(sf_config_write(config, "/nonexistent/x.ini"), SF_EIO);
	sf_test_rmdir(dir);
}
END_TEST

START_TEST(presets) /* every shipped preset reads, and describes objects that fit together */
{
	const char *const *name = sf_config_presets(config);
	int n = 0;

	for (; *name; name++, n++) {
		sf_config *c;
		sf_setup s;
		int rc;

		assert_ok(ctx, sf_config_new(ctx, &c));
		assert_ok(ctx, sf_config_preset(c, *name));
		/* most data sets are not shipped; without a shape the data are opened */
		rc = sf_setup_open(ctx, c, SF_SETUP_SHAPE | SF_SETUP_OBJECTIVE | SF_SETUP_SAMPLER, NULL, &s);
		ck_assert_msg(rc == 0, "%s: %s", *name, sf_ctx_message(ctx));
		ck_assert_int_gt(s.params, 0);
		sf_setup_close(&s);
		sf_config_free(c);
	}
	ck_assert_int_ge(n, 2);
}
END_TEST

/* ---- optimiser ---- */
START_TEST(warm_up)
{
	const sf_settings *s = sf_config_settings(config);

	assert_ok(ctx, set("train.lr=0.0002"));
	assert_ok(ctx, set("train.warmup=5000"));
	assert_close(sf_train_lr(s, 0), 0, 0, 0);
	assert_close(sf_train_lr(s, 2500), .0001, 1e-14, 0);
	assert_close(sf_train_lr(s, 5000), .0002, 1e-14, 0);
	assert_close(sf_train_lr(s, 900000), .0002, 1e-14, 0);
	assert_ok(ctx, set("train.warmup=0"));
	assert_close(sf_train_lr(s, 0), .0002, 1e-14, 0);
}
END_TEST

START_TEST(clipping)
{
	const sf_settings *s = sf_config_settings(config);

	assert_ok(ctx, set("train.clip=1"));
	assert_close(sf_train_clip(s, .999), 1, 0, 0);
	assert_close(sf_train_clip(s, 2), 1 / 2.000001, 1e-14, 0);
	assert_ok(ctx, set("train.clip=0"));
	assert_close(sf_train_clip(s, 1e9), 1, 0, 0);
}
END_TEST

START_TEST(averages) /* score_sde's ramp and EDM's */
{
	const sf_settings *s = sf_config_settings(config);

	assert_ok(ctx, set("train.ema=0.9999"));
	assert_close(sf_train_ema(s, 0, 0), 2. / 11, 1e-14, 0);
	assert_close(sf_train_ema(s, 0, 9), .55, 1e-14, 0);
	assert_close(sf_train_ema(s, 0, 999), .991089, 1e-6, 0);
	ck_assert(sf_train_ema(s, 0, 89988) < .9999);
	assert_close(sf_train_ema(s, 0, 89989), .9999, 1e-12, 0);
	assert_close(sf_train_ema(s, 0, 1 << 24), .9999, 0, 0);
	assert_ok(ctx, set("train.ema-ramp=none"));
	assert_close(sf_train_ema(s, 0, 0), .9999, 0, 0);
	assert_ok(ctx, set("train.ema-ramp=edm"));
	assert_ok(ctx, set("train.batch=1")); /* the half-life of a batch of 512 after n images: 512 updates of one */
	ck_assert(sf_train_ema(s, 0, 0) == 0); /* the first update copies the weights */
	assert_close(pow(sf_train_ema(s, 0, 10000), 512), .491751, 1e-6, 0);
	assert_close(pow(sf_train_ema(s, 0, 100000), 512), .931482, 1e-6, 0);
	assert_close(pow(sf_train_ema(s, 0, 1000000), 512), .992927, 1e-6, 0);
	assert_close(pow(sf_train_ema(s, 0, 10000000), 512), .999290469, 1e-8, 0);
}
END_TEST

START_TEST(norm) /* against the plain sum, over several tiles, in both types and for 1, 2, 3 threads */
{
	enum { COUNT = 3 * SF_TRAIN_TILE + 77 };
	double *g = sf_alloc(COUNT, sizeof *g), partial[8], sum = 0, first = 0;
	float *f = sf_alloc(COUNT, sizeof *f);
	int i, threads;

	for (i = 0; i < COUNT; i++) {
		f[i] = (float)sin(i);
		g[i] = f[i];
		sum += g[i] * g[i];
	}
	for (threads = 1; threads <= 3; threads++) {
		double n;

		sf_ctx_set_threads(ctx, threads);
		n = sf_train_norm(ctx, SF_F64, COUNT, g, partial);
		assert_close(n, sqrt(sum), 1e-13, 0);
		ck_assert(n == sf_train_norm(ctx, SF_F32, COUNT, f, partial));
		ck_assert(threads == 1 || n == first);
		first = n;
	}
	sf_free(g);
	sf_free(f);
}
END_TEST

START_TEST(update) /* two steps of Adam and its average by hand */
{
	static const double grad[2][2] = {{.5, -2}, {.25, 1}};
	const sf_settings *s = sf_config_settings(config);
	double p[2] = {1, -1}, e[2] = {1, -1}, m[2] = {0}, v[2] = {0};
	sf_state st;
	int n, i;

	assert_ok(ctx, set("train.lr=0.1"));
	assert_ok(ctx, sf_state_new(ctx, SF_F64, 2, &st));
	memcpy(st.param, p, sizeof p);
	memcpy(st.ema, e, sizeof e);
	for (n = 1; n <= 2; n++) {
		double d = (1. + n) / (10. + n);

		assert_ok(ctx, sf_train_update(ctx, s, &st, grad[n - 1], .5));
		for (i = 0; i < 2; i++) {
			double g = grad[n - 1][i] / 2;

			m[i] = .9 * m[i] + .1 * g;
			v[i] = .999 * v[i] + .001 * g * g;
			p[i] -= .1 * (m[i] / (1 - pow(.9, n))) / (sqrt(v[i] / (1 - pow(.999, n))) + 1e-8);
			e[i] = p[i] + d * (e[i] - p[i]);
			assert_close(((double *)st.param)[i], p[i], 1e-12, 0);
			assert_close(((double *)st.ema)[i], e[i], 1e-12, 0);
			assert_close(((double *)st.m)[i], m[i], 1e-12, 0);
			assert_close(((double *)st.v)[i], v[i], 1e-12, 0);
		}
	}
	ck_assert_int_eq(st.step, 2);
	sf_state_free(&st);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("config");
	TCase *tc = tcase_create("config");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, keys);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, files);
	tcase_add_test(tc, round_trip);
	tcase_add_test(tc, presets);
	tcase_add_test(tc, warm_up);
	tcase_add_test(tc, clipping);
	tcase_add_test(tc, averages);
	tcase_add_test(tc, norm);
	tcase_add_test(tc, update);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
