/* check_data.c: data sources: what every member of the family must do, the files they read, whole
 * and broken.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <scorefield/data.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[1024], spec[8192];
static sf_ctx *ctx;
static sf_data *d;

static void setup(void)
{
	snprintf(dir, sizeof dir, "%s", sf_test_mkdir());
	setenv("SCOREFIELD_DATA", sf_test_path("data"), 1);
	ctx = ck_ctx();
	d = NULL;
}

static void teardown(void)
{
	sf_data_free(d);
	sf_ctx_free(ctx);
	sf_test_rmdir(dir);
}

/* Opens "name:key=dir/file,key=dir/file"; a NULL key ends the list. */
static int open_data(const char *name, const char *k1, const char *f1, const char *k2,
                     const char *f2)
{
	sf_data_free(d);
	d = NULL;
	if (k2)
		snprintf(spec, sizeof spec, "%s:%s=%s,%s=%s", name, k1, f1, k2, f2);
	else
		snprintf(spec, sizeof spec, "%s:%s=%s", name, k1, f1);
	return sf_data_new(ctx, spec, &d);
}

START_TEST(conformance)
{
	const sf_class *c = sf_members("data")[_i];
	const sf_opt *o;
	sf_data *again;
	double *x, *y;
	int label, rc;

	ck_assert(c->name && *c->name && c->brief && *c->brief && c->ref && *c->ref);
	ck_assert(c->brief[strlen(c->brief) - 1] != '.' && !strchr(c->brief, '\n'));
	for (o = c->opts; o && o->name; o++)
		ck_assert_msg(o->help && *o->help && o->def, "%s: %s", c->name, o->name);
	snprintf(spec, sizeof spec, "%s:no-such-option=1", c->name);
	assert_failed(ctx, sf_data_new(ctx, spec, &d), SF_ENAME, "no-such-option");
	rc = sf_data_new(ctx, c->name, &d);
	if (rc < 0) { /* sources that need a file say which option names it */
		ck_assert_msg(rc == SF_EINVAL || rc == SF_EIO, "%s: %s", c->name,
		              sf_ctx_message(ctx));
		ck_assert_msg(strchr(sf_ctx_message(ctx), '='), "%s", sf_ctx_message(ctx));
		return;
	}
	ck_assert_str_eq(sf_spec(d), c->name);
	assert_ok(ctx, sf_data_new(ctx, sf_spec(d), &again));
	ck_assert(memcmp(sf_data_describe(d), sf_data_describe(again), sizeof(sf_data_info)) == 0);
	ck_assert(sf_data_describe(d)->lo < sf_data_describe(d)->hi);
	x = calloc((size_t)sf_data_describe(d)->size, sizeof *x);
	y = calloc((size_t)sf_data_describe(d)->size, sizeof *y);
	sf_data_read(d, 3, x, &label);
	sf_data_read(again, 3, y, NULL);
	ck_assert(memcmp(x, y, sizeof *x * (size_t)sf_data_describe(d)->size) == 0);
	ck_assert(label >= -1 &&
	          label < (sf_data_describe(d)->classes ? sf_data_describe(d)->classes : 1));
	free(x);
	free(y);
	sf_data_free(again);
}
END_TEST

/* Sum of all values and records of each class. */
static double totals(int64_t count[10])
{
	const sf_data_info *info = sf_data_describe(d);
	double *x = calloc((size_t)info->size, sizeof *x), sum = 0;
	int64_t i, k;
	int label;

	memset(count, 0, 10 * sizeof *count);
	for (i = 0; i < info->n; i++) {
		sf_data_read(d, i, x, &label);
		ck_assert(label >= 0 && label < 10);
		count[label]++;
		for (k = 0; k < info->size; k++)
			sum += x[k];
	}
	free(x);
	return sum;
}

START_TEST(shipped_digits)
{
	static const int expected[10] = {178, 182, 177, 183, 181, 182, 181, 179, 174, 180};
	const sf_data_info *info;
	int64_t count[10];
	int k;

	assert_ok(ctx, sf_data_new(ctx, "digits", &d));
	info = sf_data_describe(d);
	ck_assert(info->n == 1797 && info->rank == 3 && info->dim[0] == 8 && info->dim[1] == 8 &&
	          info->dim[2] == 1);
	ck_assert(info->classes == 10 && info->levels == 17 && info->lo == 0 && info->hi == 16);
	ck_assert(totals(count) == 561718);
	for (k = 0; k < 10; k++)
		ck_assert_int_eq(count[k], expected[k]);
	sf_data_free(d);
	setenv("SCOREFIELD_DATA", dir, 1); /* goes before the installed folder */
	put_file(in_dir(dir, "digits-images-idx3-ubyte.gz"), "junk", 4);
	put_file(in_dir(dir, "digits-labels-idx1-ubyte.gz"), "junk", 4);
	assert_failed(ctx, sf_data_new(ctx, "digits", &d), SF_EFORMAT, dir);
	ck_assert_ptr_null(d);
}
END_TEST

START_TEST(fashion_mnist)
{
	static const double sum[2] = {3431114169.0, 573469082.0};
	const sf_data_info *info;
	int64_t count[10];
	int k, label;
	double *x;

	if (access("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz", R_OK) < 0) {
		printf("SKIP: Fashion-MNIST is not installed (Debian: dataset-fashion-mnist)\n");
		return;
	}
	assert_ok(ctx, sf_data_new(ctx, _i ? "fashion-mnist:split=test" : "fashion-mnist", &d));
	info = sf_data_describe(d);
	ck_assert(info->n == (_i ? 10000 : 60000) && info->dim[0] == 28 && info->dim[1] == 28 &&
	          info->dim[2] == 1);
	ck_assert(info->levels == 256 && info->classes == 10);
	ck_assert(totals(count) == sum[_i]);
	for (k = 0; k < 10; k++)
		ck_assert_int_eq(count[k], info->n / 10);
	if (_i == 0) {
		x = calloc(784, sizeof *x);
		sf_data_read(d, 0, x, &label);
		ck_assert_int_eq(label, 9);
		sf_data_read(d, 1, x, &label);
		ck_assert_int_eq(label, 0);
		free(x);
	}
}
END_TEST

START_TEST(fashion_mnist_missing)
{
	static const unsigned char images[17] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 9};
	static const unsigned char labels[9] = {0, 0, 8, 1, 0, 0, 0, 1, 3};

	assert_failed(ctx, open_data("fashion-mnist", "dir", dir, NULL, NULL), SF_EIO,
	              "dataset-fashion-mnist");
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "dir=FOLDER"));
	put_file(in_dir(dir, "t10k-images-idx3-ubyte"), images,
	         sizeof images); /* plain files do as well */
	assert_failed(ctx, open_data("fashion-mnist", "dir", dir, "split", "test"), SF_EIO,
	              "t10k-labels");
	put_file(in_dir(dir, "t10k-labels-idx1-ubyte"), labels, sizeof labels);
	assert_ok(ctx, open_data("fashion-mnist", "dir", dir, "split", "test"));
	ck_assert_int_eq(sf_data_describe(d)->n, 1);
}
END_TEST

START_TEST(fashion_mnist_padded) /* two images of 2 x 1 pixels in frames of two black ones */
{
	static const unsigned char images[20] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 1, 9, 8, 7, 6};
	static const unsigned char labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 3, 4};
	const sf_data_info *info;
	double x[30];
	int i, k, label;

	put_file(in_dir(dir, "t10k-images-idx3-ubyte"), images, sizeof images);
	put_file(in_dir(dir, "t10k-labels-idx1-ubyte"), labels, sizeof labels);
	assert_ok(ctx, open_data("fashion-mnist", "dir", dir, "split", "test,pad=2"));
	info = sf_data_describe(d);
	ck_assert(info->n == 2 && info->rank == 3 && info->dim[0] == 6 && info->dim[1] == 5 && info->dim[2] == 1 && info->size == 30);
	ck_assert(info->levels == 256 && info->classes == 5);
	for (i = 0; i < 2; i++) {
		sf_data_read(d, i, x, &label);
		ck_assert_int_eq(label, 3 + i);
		for (k = 0; k < 30; k++)
			ck_assert_double_eq(x[k], k == 12 ? 9 - 2 * i : k == 17 ? 8 - 2 * i : 0);
	}
}
END_TEST

START_TEST(idx_sets)
{
	static const unsigned char images[20] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0,
	                                         0, 1, 0, 0, 0, 2, 0, 1, 2, 3};
	static const unsigned char labels[10] = {0, 0, 8, 1, 0, 0, 0, 2, 4, 0};
	static const unsigned char three[11] = {0, 0, 8, 1, 0, 0, 0, 3, 4, 0, 1};
	static const unsigned char negative[10] = {0, 0, 9, 1, 0, 0, 0, 2, 255, 0};
	static const unsigned char nan[16] = {0, 0, 13, 2, 0,    0,    0, 1,
	                                      0, 0, 0,  1, 0x7f, 0xc0, 0, 0};
	static const unsigned char none[12] = {0, 0, 8, 2, 0, 0, 0, 0, 0, 0, 0, 1};
	const char *i = in_dir(dir, "i"), *l = in_dir(dir, "l");
	double x[2];
	int label;

	put_file(i, images, sizeof images);
	put_file(l, labels, sizeof labels);
	assert_ok(ctx, open_data("idx", "images", i, "labels", l));
	ck_assert(sf_data_describe(d)->n == 2 && sf_data_describe(d)->classes == 5);
	sf_data_read(d, 1, x, &label);
	ck_assert(x[0] == 2 && x[1] == 3 && label == 0);
	assert_ok(ctx, open_data("idx", "images", i, NULL, NULL));
	sf_data_read(d, 0, x, &label);
	ck_assert(x[1] == 1 && label == -1 && sf_data_describe(d)->levels == 256);
	assert_ok(ctx, open_data("idx", "images", i, "levels", "4"));
	ck_assert(sf_data_describe(d)->levels == 4 && sf_data_describe(d)->hi == 3);
	assert_failed(ctx, open_data("idx", "images", i, "levels", "3"), SF_EFORMAT, "0 to 2");
	assert_failed(ctx, open_data("idx", "labels", l, NULL, NULL), SF_EINVAL, "images=");
	assert_failed(ctx, open_data("idx", "images", l, NULL, NULL), SF_EFORMAT, "(n,h,w)");
	put_file(l, three, sizeof three);
	assert_failed(ctx, open_data("idx", "images", i, "labels", l), SF_EMISMATCH,
	              "expected (2)");
	put_file(l, negative, sizeof negative);
	assert_failed(ctx, open_data("idx", "images", i, "labels", l), SF_EFORMAT, "label 0 is -1");
	put_file(i, nan, sizeof nan);
	assert_failed(ctx, open_data("idx", "images", i, NULL, NULL), SF_EFORMAT, "not finite");
	put_file(i, none, sizeof none);
	assert_failed(ctx, open_data("idx", "images", i, NULL, NULL), SF_EFORMAT, "no records");
}
END_TEST

START_TEST(cifar_batches)
{
	unsigned char *record = calloc(2 * 3073, 1);
	double *x = calloc(3072, sizeof *x);
	char name[32];
	int i, label;

	assert_failed(ctx, sf_data_new(ctx, "cifar10", &d), SF_EINVAL, "dir=");
	assert_failed(ctx, open_data("cifar10", "dir", dir, NULL, NULL), SF_EIO,
	              "data_batch_1.bin");
	for (i = 1; i <= 5;
	     i++) { /* batch i has i % 2 + 1 records; pixel (0,1) is (10 i, 20 i, 30 i) */
		record[0] = (unsigned char)i;
		record[1 + 1] = (unsigned char)(10 * i);
		record[1 + 1024 + 1] = (unsigned char)(20 * i);
		record[1 + 2048 + 1] = (unsigned char)(30 * i);
		snprintf(name, sizeof name, "data_batch_%d.bin", i);
		put_file(in_dir(dir, name), record, (size_t)(i % 2 + 1) * 3073);
	}
	assert_ok(ctx, open_data("cifar10", "dir", dir, NULL, NULL));
	ck_assert(sf_data_describe(d)->n == 8 && sf_data_describe(d)->classes == 10);
	ck_assert(sf_data_describe(d)->dim[0] == 32 && sf_data_describe(d)->dim[2] == 3);
	sf_data_read(d, 3, x, &label); /* records: 1 1 2 3 3 4 5 5 */
	ck_assert(label == 3 && x[3] == 30 && x[4] == 60 && x[5] == 90 && x[0] == 0);
	put_file(in_dir(dir, "data_batch_4.bin"), record, 3072);
	assert_failed(ctx, open_data("cifar10", "dir", dir, NULL, NULL), SF_EFORMAT,
	              "data_batch_4.bin: 3072 bytes");
	record[0] = 10;
	put_file(in_dir(dir, "data_batch_4.bin"), record, 3073);
	assert_failed(ctx, open_data("cifar10", "dir", dir, NULL, NULL), SF_EFORMAT,
	              "label of record 0 is 10");
	put_file(in_dir(dir, "test_batch.bin"), "", 0);
	assert_failed(ctx, open_data("cifar10", "dir", dir, "split", "test"), SF_EFORMAT,
	              "test_batch.bin");
	free(record);
	free(x);
}
END_TEST

static void put_png(const char *name, int64_t h, int64_t w, int c, int value)
{
	unsigned char pixels[48];

	memset(pixels, value, sizeof pixels);
	assert_ok(ctx, sf_png_write(ctx, in_dir(dir, name), h, w, c, pixels));
}

static void assert_record(int64_t i, double value, int expected)
{
	double x[48];
	int label;

	sf_data_read(d, i, x, &label);
	ck_assert_msg(x[0] == value && label == expected, "record %d: %g, label %d", (int)i, x[0],
	              label);
}

START_TEST(png_folder)
{
	assert_failed(ctx, open_data("png", "path", dir, NULL, NULL), SF_EFORMAT,
	              "no file that ends in '.png'");
	assert_failed(ctx, open_data("png", "path", in_dir(dir, "none"), NULL, NULL), SF_EIO,
	              "none");
	assert_failed(ctx, open_data("png", "path", dir, "channels", "2"), SF_EINVAL, "channels=2");
	/* bytewise order: capitals first; not-PNG and hidden files do not count */
	put_png("b.png", 2, 3, 1, 2);
	put_png("a.png", 2, 3, 1, 1);
	put_png("Z.PNG", 2, 3, 1, 26);
	put_png(".hidden.png", 3, 3, 1, 9);
	put_file(in_dir(dir, "readme.txt"), "x", 1);
	assert_ok(ctx, open_data("png", "path", dir, NULL, NULL));
	ck_assert(sf_data_describe(d)->n == 3 && sf_data_describe(d)->classes == 0);
	ck_assert(sf_data_describe(d)->dim[0] == 2 && sf_data_describe(d)->dim[1] == 3);
	assert_record(0, 26, -1);
	assert_record(1, 1, -1);
	assert_record(2, 2, -1);
	put_png("c.png", 3, 2, 1, 2);
	assert_failed(ctx, open_data("png", "path", dir, NULL, NULL), SF_EMISMATCH,
	              "c.png: 2 x 3 pixels; expected 3 x 2");
	put_png("c.png", 2, 3, 3, 3);
	assert_failed(ctx, open_data("png", "path", dir, NULL, NULL), SF_EMISMATCH, "channels=3");
	assert_ok(ctx, open_data("png", "path", dir, "channels", "3"));
	ck_assert_int_eq(sf_data_describe(d)->size, 18);
	assert_record(3, 3, -1);
	put_file(in_dir(dir, "c.png"), "text", 4);
	assert_failed(ctx, open_data("png", "path", dir, NULL, NULL), SF_EFORMAT,
	              "c.png: not a PNG");
}
END_TEST

START_TEST(png_classes)
{
	mkdir(in_dir(dir, "a"), 0777);
	mkdir(in_dir(dir, "a/deep"), 0777);
	mkdir(in_dir(dir, "a-b"), 0777);
	mkdir(in_dir(dir, "empty"), 0777);
	put_png("a/deep/x.png", 2, 2, 1, 10);
	put_png("a/y.png", 2, 2, 1, 11);
	assert_ok(ctx, open_data("png", "path", dir, NULL, NULL));
	ck_assert_int_eq(sf_data_describe(d)->classes, 0); /* one folder is no choice */
	put_png("a-b/z.png", 2, 2, 1, 12);
	assert_ok(ctx, open_data("png", "path", dir, NULL, NULL));
	ck_assert_int_eq(sf_data_describe(d)->classes, 2);
	assert_record(0, 12, 1); /* "a-b/z" is before "a/" as a path; the class a is before a-b */
	assert_record(1, 10, 0);
	assert_record(2, 11, 0);
	put_png("top.png", 2, 2, 1, 13);
	assert_ok(ctx, open_data("png", "path", dir, NULL, NULL));
	ck_assert_int_eq(sf_data_describe(d)->classes, 0); /* not every file has a class */
	ck_assert_int_eq(symlink("..", in_dir(dir, "a/loop")), 0);
	assert_failed(ctx, open_data("png", "path", dir, NULL, NULL), SF_EIO, "a/loop");
	ck_assert_int_eq(unlink(in_dir(dir, "a/loop")), 0);
	ck_assert_int_eq(symlink("nowhere", in_dir(dir, "a/dangling.png")), 0);
	assert_failed(ctx, open_data("png", "path", dir, NULL, NULL), SF_EIO, "dangling");
}
END_TEST

START_TEST(npy_sets)
{
	static const int64_t four[4] = {2, 2, 3, 1}, two[2] = {2, 5}, one[1] = {2};
	const char *p = in_dir(dir, "x.npy"), *l = in_dir(dir, "l.npy");
	sf_array a;
	double x[6];
	int label;

	assert_failed(ctx, sf_data_new(ctx, "npy", &d), SF_EINVAL, "path=");
	assert_ok(ctx, sf_array_new(ctx, "t", SF_FLOAT32, 4, four, &a));
	((float *)a.data)[11] = 2.5f;
	assert_ok(ctx, sf_npy_write(ctx, p, &a));
	sf_array_free(&a);
	assert_ok(ctx, sf_array_new(ctx, "t", SF_FLOAT64, 1, one, &a));
	((double *)a.data)[1] = 1;
	assert_ok(ctx, sf_npy_write(ctx, l, &a));
	assert_ok(ctx, open_data("npy", "path", p, "labels", l));
	ck_assert(sf_data_describe(d)->rank == 3 && sf_data_describe(d)->size == 6 &&
	          sf_data_describe(d)->levels == 0);
	ck_assert(sf_data_describe(d)->hi == 2.5 && sf_data_describe(d)->classes == 2);
	sf_data_read(d, 1, x, &label);
	ck_assert(x[5] == 2.5 && label == 1);
	((double *)a.data)[1] = 0.5;
	assert_ok(ctx, sf_npy_write(ctx, l, &a));
	assert_failed(ctx, open_data("npy", "path", p, "labels", l), SF_EFORMAT, "label 1 is 0.5");
	sf_array_free(&a);
	assert_ok(ctx, sf_array_new(ctx, "t", SF_I16, 2, two, &a));
	assert_ok(ctx, sf_npy_write(ctx, p, &a));
	sf_array_free(&a);
	assert_ok(ctx, open_data("npy", "path", p, NULL, NULL));
	ck_assert(sf_data_describe(d)->rank == 1 && sf_data_describe(d)->dim[0] == 5);
}
END_TEST

int main(void)
{
	const sf_class *const *m = sf_members("data");
	Suite *s = suite_create("data");
	TCase *t = tcase_create("data");
	int members = 0;

	while (m[members])
		members++;
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 30);
	tcase_add_loop_test(t, conformance, 0, members);
	tcase_add_test(t, shipped_digits);
	tcase_add_loop_test(t, fashion_mnist, 0, 2);
	tcase_add_test(t, fashion_mnist_padded);
	tcase_add_test(t, fashion_mnist_missing);
	tcase_add_test(t, idx_sets);
	tcase_add_test(t, cifar_batches);
	tcase_add_test(t, png_folder);
	tcase_add_test(t, png_classes);
	tcase_add_test(t, npy_sets);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
