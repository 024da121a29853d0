/* check_view.c: scaling, order, flip and dequantisation of what training reads.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <scorefield/data.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"

static char dir[1024], spec[4096];
static sf_ctx *ctx;
static sf_data *d;

/* 7 records of 2 x 3 x 1 bytes: record i holds 10 i, 10 i + 1, ... 10 i + 5; its label is i */
enum { N = 7 };

static void setup(void)
{
	unsigned char images[16 + 6 * N] = {0, 0, 8, 3, 0, 0, 0, N, 0, 0, 0, 2, 0, 0, 0, 3};
	unsigned char labels[8 + N] = {0, 0, 8, 1, 0, 0, 0, N};
	int i, k;

	snprintf(dir, sizeof dir, "%s", sf_test_mkdir());
	ctx = ck_ctx();
	for (i = 0; i < N; i++) {
		labels[8 + i] = (unsigned char)i;
		for (k = 0; k < 6; k++)
			images[16 + 6 * i + k] = (unsigned char)(10 * i + k);
	}
	put_file(in_dir(dir, "i"), images, sizeof images);
	put_file(in_dir(dir, "l"), labels, sizeof labels);
	snprintf(spec, sizeof spec, "idx:images=%s/i,labels=%s/l", dir, dir);
	assert_ok(ctx, sf_data_new(ctx, spec, &d));
}

static void teardown(void)
{
	sf_data_free(d);
	sf_ctx_free(ctx);
	sf_test_rmdir(dir);
}

START_TEST(scaling)
{
	sf_view v;
	double x[6], m = 30 + 2.5,
		     var = 100 * 4 + 35.0 / 12; /* uniform on 0..6 times 10; uniform on 0..5 */

	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 1, &v));
	assert_close(v.mean, m, 1e-13, 0);
	assert_close(v.std, sqrt(var), 1e-13, 0);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_UNIT, 0, 0, 0, 1, &v));
	ck_assert(v.shift == 0 && v.scale == 255);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_UNIT, 0, 0, 1, 1, &v));
	ck_assert(v.shift == 0 && v.scale == 256);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_PM1, 0, 0, 1, 1, &v));
	ck_assert(v.shift == 128 && v.scale == 128);
	assert_close(v.mean, (m + 0.5 - 128) / 128, 1e-13, 0);
	assert_close(v.std, sqrt(var + 1.0 / 12) / 128, 1e-13, 0);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_PM1, 0, 0, 0, 1, &v));
	ck_assert(v.shift == 127.5 && v.scale == 127.5);
	sf_view_read(&v, 1, x, NULL);
	assert_close(x[2], 12 / 127.5 - 1, 1e-14, 0);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_STANDARD, 0.5, 0, 0, 1, &v));
	assert_close(v.mean, 0, 0, 1e-14);
	assert_close(v.std, 0.5, 1e-14, 0);
	sf_view_read(&v, 3, x, NULL);
	assert_close(x[0], 0.5 * (30 - m) / sqrt(var), 1e-13, 0);
	sf_data_free(d);
	assert_ok(ctx, sf_data_new(ctx, "gaussians:radius=1,std=0.5", &d)); /* box: 3 */
	assert_ok(ctx, sf_view_make(d, SF_SCALE_PM1, 0, 0, 0, 1, &v));
	ck_assert(v.shift == 0 && v.scale == 3);
	assert_ok(ctx, sf_view_make(d, SF_SCALE_UNIT, 0, 0, 0, 1, &v));
	ck_assert(v.shift == -3 && v.scale == 6);
}
END_TEST

START_TEST(an_epoch_is_a_permutation)
{
	int order[4][N], seen, e, i, label, fresh = 0;
	double x[6];
	sf_view v, w;

	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 1, &v));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 2, &w));
	for (e = 0; e < 4; e++) {
		for (seen = 0, i = 0; i < N; i++) {
			sf_view_draw(&v, (uint64_t)(e * N + i), x, &label);
			ck_assert(x[0] == 10 * label);
			seen |= 1 << label;
			order[e][i] = label;
			sf_view_draw(&w, (uint64_t)(e * N + i), x, &label);
			fresh += label != order[e][i];
		}
		ck_assert_int_eq(seen, (1 << N) - 1);
		for (i = 0; i < e;
		     i++) /* four epochs that agree by chance: once in 5040 per pair */
			ck_assert(memcmp(order[i], order[e], sizeof order[e]) != 0);
	}
	ck_assert_int_gt(fresh, 0);
	for (i = 4 * N - 1; i >= 0; i--) { /* any order of asking */
		sf_view_draw(&v, (uint64_t)i, x, &label);
		ck_assert_int_eq(label, order[i / N][i % N]);
	}
}
END_TEST

START_TEST(flip_and_dequantise)
{
	int i, k, label, flipped = 0, draws = 2000;
	double x[6], y[6], sum = 0;
	sf_view v;

	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 1, 0, 1, &v));
	for (i = 0; i < draws; i++) {
		sf_view_draw(&v, (uint64_t)i, x, &label);
		if (x[0] == 10 * label) {
			for (k = 0; k < 6; k++)
				ck_assert(x[k] == 10 * label + k);
			continue;
		}
		flipped++;
		for (k = 0; k < 6; k++)
			ck_assert(x[k] == 10 * label + (k / 3) * 3 + 2 - k % 3);
	}
	assert_close(flipped, draws / 2, 0, 5 * sqrt(draws / 4.0));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 1, 1, &v));
	for (i = 0; i < draws; i++) {
		sf_view_draw(&v, (uint64_t)i, x, &label);
		for (k = 0; k < 6; k++) {
			y[k] = x[k] - (10 * label + k);
			ck_assert(y[k] > 0 && y[k] < 1);
			sum += y[k];
		}
		ck_assert(y[0] != y[1]);
	}
	assert_close(sum / (6 * draws), 0.5, 0, 5 * sqrt(1 / (12.0 * 6 * draws)));
	sf_view_read(&v, 2, x, &label); /* reading adds nothing */
	ck_assert(x[1] == 21 && label == 2);
}
END_TEST

START_TEST(colour_is_mirrored_by_pixel)
{
	static const int64_t dim[4] = {1, 1, 2, 3};
	const char *path = in_dir(dir, "c.npy");
	unsigned char rgb[6] = {1, 2, 3, 4, 5, 6};
	double x[6];
	sf_array a;
	sf_view v;
	int i, both = 0;

	assert_ok(ctx, sf_array_new(ctx, "t", SF_U8, 4, dim, &a));
	memcpy(a.data, rgb, 6);
	assert_ok(ctx, sf_npy_write(ctx, path, &a));
	sf_array_free(&a);
	sf_data_free(d);
	snprintf(spec, sizeof spec, "npy:path=%s", path);
	assert_ok(ctx, sf_data_new(ctx, spec, &d));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 1, 0, 3, &v));
	for (i = 0; i < 50; i++) {
		sf_view_draw(&v, (uint64_t)i, x, NULL);
		ck_assert(x[0] == 1 || (x[0] == 4 && x[1] == 5 && x[2] == 6 && x[3] == 1));
		both |= x[0] == 1 ? 1 : 2;
	}
	ck_assert_int_eq(both, 3);
}
END_TEST

START_TEST(generators_go_on)
{
	double x[2], y[2];
	sf_view v;

	sf_data_free(d);
	assert_ok(ctx, sf_data_new(ctx, "moons", &d));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 1, &v));
	sf_view_draw(&v, 123456789012, x, NULL);
	sf_data_read(d, 123456789012, y, NULL);
	ck_assert(memcmp(x, y, sizeof x) == 0);
	assert_failed(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 1, 0, 1, &v), SF_EUNSUP, "flip");
	assert_failed(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 1, 1, &v), SF_EUNSUP, "dequantise");
	assert_failed(ctx, sf_view_make(d, SF_SCALE_STANDARD, 0, 0, 0, 1, &v), SF_ERANGE,
	              "expected > 0");
}
END_TEST

/* Draws together are draws one by one, for toys, whose noise then comes in blocks, and for records. */
START_TEST(draws_together)
{
	enum { TOGETHER = 75 };
	static const char *const specs[] = {"moons:seed=3", "checkerboard", "pinwheel", "rings", "swiss-roll", NULL};
	static const uint64_t first[] = {0, 31, (UINT64_C(1) << 32) - 40};
	double x[TOGETHER * 6], label[TOGETHER], one[6];
	sf_view v;
	size_t s, f;
	int i;

	for (s = 0; s < sizeof specs / sizeof *specs; s++)
		for (f = 0; f < sizeof first / sizeof *first; f++) {
			sf_data *made = NULL;
			int64_t size;

			if (specs[s])
				assert_ok(ctx, sf_data_new(ctx, specs[s], &made));
			assert_ok(ctx, sf_view_make(specs[s] ? made : d, SF_SCALE_STANDARD, 1, 0, 0, 5, &v));
			size = sf_data_describe(v.data)->size;
			sf_view_draws(&v, first[f], TOGETHER, x, label);
			for (i = 0; i < TOGETHER; i++) {
				int l = -1;

				sf_view_draw(&v, first[f] + (uint64_t)i, one, &l);
				ck_assert_mem_eq(one, x + i * size, (size_t)size * sizeof *one);
				ck_assert(label[i] == l);
			}
			sf_data_free(made);
		}
}
END_TEST

START_TEST(constant_data)
{
	static const int64_t dim[2] = {3, 2};
	const char *path = in_dir(dir, "c.npy");
	sf_array a;
	sf_view v;

	assert_ok(ctx, sf_array_new(ctx, "t", SF_FLOAT32, 2, dim, &a));
	assert_ok(ctx, sf_npy_write(ctx, path, &a));
	sf_array_free(&a);
	sf_data_free(d);
	snprintf(spec, sizeof spec, "npy:path=%s", path);
	assert_ok(ctx, sf_data_new(ctx, spec, &d));
	assert_ok(ctx, sf_view_make(d, SF_SCALE_NONE, 0, 0, 0, 1, &v));
	ck_assert(v.mean == 0 && v.std == 0);
	assert_failed(ctx, sf_view_make(d, SF_SCALE_PM1, 0, 0, 0, 1, &v), SF_EINVAL, "constant");
	assert_failed(ctx, sf_view_make(d, SF_SCALE_STANDARD, 1, 0, 0, 1, &v), SF_EINVAL,
	              "constant");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("view");
	TCase *t = tcase_create("view");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, scaling);
	tcase_add_test(t, an_epoch_is_a_permutation);
	tcase_add_test(t, flip_and_dequantise);
	tcase_add_test(t, colour_is_mirrored_by_pixel);
	tcase_add_test(t, generators_go_on);
	tcase_add_test(t, draws_together);
	tcase_add_test(t, constant_data);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
