/* check_modelfile.c: files of models fitted to data: what is written is read again and makes the same score, in other values
 * too; files with one tensor spoilt are refused.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"
#include "score_rig.h"
#include "support.h"

#include <scorefield/io.h>
#include <scorefield/noise.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 700, D = 40 };

static void cloud(double *y, double spread)
{
	sf_noise key = {2, SF_NOISE_USER, 0};

	sf_noise_normal_d(ctx, key, 0, 0, N * D, y);
	for (key.step = 0; key.step < N * D; key.step++)
		y[key.step] = spread * y[key.step] + 5; /* away from zero, so that squares are large */
}

static void fitted(sf_components *c)
{
	static double y[N * D];
	sf_fit_options o;

	cloud(y, .4);
	sf_fit_defaults(&o);
	o.kind = SF_FIT_LOW_RANK;
	o.components = 3;
	o.rank = 4;
	o.rest = 1;
	assert_ok(ctx, sf_components_fit(ctx, &o, N, 5, y, c));
}

START_TEST(files)
{
	const char *dir = sf_test_mkdir();
	const char *key = "kind", *value = "low-rank";
	char path[700], spec[740];
	double x[5] = {5, 5.2, 4.9, 5.1, 4.5}, t = .3, a[5], b[5];
	sf_components c, again;
	int k;

	fitted(&c);
	c.shift = 1;
	c.scale = 2;
	snprintf(path, sizeof path, "%s/m.safetensors", dir);
	assert_ok(ctx, sf_components_write(ctx, path, &c, 1, &key, &value));
	assert_ok(ctx, sf_components_read(ctx, path, &again));
	ck_assert(again.n == 3 && again.d == 5 && again.rank == 4 && again.shift == 1 && again.scale == 2);
	ck_assert(memcmp(again.basis, c.basis, 60 * sizeof *c.basis) == 0 &&
		  memcmp(again.var, c.var, 12 * sizeof *c.var) == 0);
	ck_assert(memcmp(again.mean, c.mean, 15 * sizeof *c.mean) == 0 &&
		  memcmp(again.rest, c.rest, 3 * sizeof *c.rest) == 0);
	sf_components_free(&again);
	process("edm");
	assert_ok(ctx, sf_score_components(ctx, p, &c, &s));
	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, a));
	for (k = 0; k < 2; k++) {
		snprintf(spec, sizeof spec, "%s:file=%s", k ? "low-rank" : "mixture", path);
		r = score(spec, 5);
		assert_ok(ctx, sf_score_eval(r, SF_SCORE, 1, x, &t, b));
		ck_assert(memcmp(a, b, sizeof a) == 0);
		check_gradient(r, 5, x, t, 1e-3, 1e-7, 1);
		sf_score_free(r);
		r = NULL;
	}
	snprintf(spec, sizeof spec, "gaussian:file=%s", path);
	ck_assert_int_eq(sf_score_new(ctx, spec, p, 5, &r), SF_EMISMATCH); /* three components are not one */
	snprintf(spec, sizeof spec, "mixture:file=%s", path);
	ck_assert_int_eq(sf_score_new(ctx, spec, p, 4, &r), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "dimension 5"));
	ck_assert_int_lt(sf_score_new(ctx, "gaussian:file=/none", p, 5, &r), 0);
	sf_components_free(&c);
	sf_test_rmdir(dir);
}
END_TEST

/* Values moved to another scaling describe the same data: densities differ by the Jacobian alone. */
START_TEST(rescaled)
{
	double x[5] = {5, 5.2, 4.9, 5.1, 4.5}, y[5], t = .3, u, a, b;
	sf_components c;
	int j;

	fitted(&c); /* stored values themselves */
	process("edm");
	assert_ok(ctx, sf_score_components(ctx, p, &c, &s));
	sf_components_rescale(&c, 4, .5);
	assert_ok(ctx, sf_score_components(ctx, p, &c, &r));
	for (j = 0; j < 5; j++)
		y[j] = (x[j] - 4) / .5;
	u = t / .5;
	assert_ok(ctx, sf_score_logp(s, 1, x, &t, &a));
	assert_ok(ctx, sf_score_logp(r, 1, y, &u, &b));
	assert_close(a, b - 5 * log(.5), 1e-11, 0);
	ck_assert(c.shift == 4 && c.scale == .5);
	a = c.mean[3]; /* and from there: v = 4 + mean/2 = 1 + 3 mean' */
	sf_components_rescale(&c, 1, 3);
	assert_close(c.mean[3], (4 + a / 2 - 1) / 3, 1e-14, 0);
	sf_components_free(&c);
}
END_TEST

/* One tensor spoilt at a time. */
START_TEST(spoilt)
{
	static const struct {
		int what;
		const char *say;
	} row[] = {{0, "weight"}, {1, "'var'"}, {2, "product"}, {3, "not finite"},
		   {4, "weight"}, {5, "rest"},	{6, "scale"},	{7, "format"}};
	const char *dir = sf_test_mkdir();
	sf_components c, again;
	char path[700];
	size_t i;

	snprintf(path, sizeof path, "%s/m.safetensors", dir);
	for (i = 0; i < sizeof row / sizeof *row; i++) {
		fitted(&c);
		if (row[i].what == 0)
			c.weight[1] = -1;
		if (row[i].what == 1)
			c.var[3] = -1e-9;
		if (row[i].what == 2)
			c.basis[7] += 1e-3;
		if (row[i].what == 3)
			c.mean[0] = NAN;
		if (row[i].what == 4)
			c.weight[0] = 0;
		if (row[i].what == 5)
			c.rest[2] = -.1;
		if (row[i].what == 6)
			c.scale = 0;
		if (row[i].what == 7) { /* some other safetensors */
			sf_tensor_out t = {"mean", SF_FLOAT64, 1, {5}, c.mean};

			assert_ok(ctx, sf_tensors_write(ctx, path, 1, &t, 0, NULL, NULL));
		} else {
			assert_ok(ctx, sf_components_write(ctx, path, &c, 0, NULL, NULL));
		}
		ck_assert_msg(sf_components_read(ctx, path, &again) == SF_EFORMAT, "case %d", (int)i);
		ck_assert_msg(strstr(sf_ctx_message(ctx), row[i].say) && strstr(sf_ctx_message(ctx), path), "%s",
			      sf_ctx_message(ctx));
		ck_assert_ptr_null(again.mean);
		sf_components_free(&c);
	}
	sf_test_rmdir(dir);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("modelfile");
	TCase *t = tcase_create("files");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, files);
	tcase_add_test(t, rescaled);
	tcase_add_test(t, spoilt);
	suite_add_tcase(suite, t);
	return sf_test_main(suite);
}
