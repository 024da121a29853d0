/* check_safetensors.c: safetensors files against bytes written out by hand, whole and broken.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char dir[1024];
static sf_ctx *ctx;

static void setup(void)
{
	snprintf(dir, sizeof dir, "%s", sf_test_mkdir());
	ctx = ck_ctx();
}

static void teardown(void)
{
	sf_ctx_free(ctx);
	sf_test_rmdir(dir);
}

/* Length, header text, data: a block that sf_tensors_parse takes. */
static unsigned char *make(const char *header, const void *data, size_t size, size_t *total)
{
	size_t n = strlen(header), i;
	unsigned char *b = malloc(8 + n + size + 1), *exact;

	for (i = 0; i < 8; i++)
		b[i] = (unsigned char)(i < 4 ? n >> (8 * i) & 255 : 0);
	memcpy(b + 8, header, n);
	if (size)
		memcpy(b + 8 + n, data, size);
	*total = 8 + n + size;
	exact = realloc(b, *total);
	return exact ? exact : b;
}

START_TEST(every_number_type)
{
	/* one tensor of each type that is a number; values in the order of `expected` */
	static const char header[] =
		"{\"__metadata__\":{\"format\":\"pt\",\"\":\"empty key\"},"
		"\"f64\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]},"
		"\"i64\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[8,16]},"
		"\"f32\":{\"dtype\":\"F32\",\"shape\":[1,1],\"data_offsets\":[16,20]},"
		"\"i32\":{\"data_offsets\":[20,24],\"shape\":[1],\"dtype\":\"I32\"},"
		"\"f16\":{\"dtype\":\"F16\",\"shape\":[5],\"data_offsets\":[24,34]},"
		"\"b16\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[34,36]},"
		"\"i8\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[36,37]},"
		"\"none\":{\"dtype\":\"U64\",\"shape\":[3,0],\"data_offsets\":[37,37]},"
		"\"bool\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[37,38]}}   ";
	static const unsigned char data[38] = {
		0,    0,    0,    0,    0,    0,    0xe0, 0x3f, /* 0.5 */
		0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, /* -2 */
		0,    0,    0xc0, 0xbf,                         /* -1.5 */
		0,    0,    0,    0x80,                         /* -2^31 */
		0,    0x3c, 0,    0xc0, 0xff, 0x7b, 1,    0,
		0,    0x7c, /* 1, -2, 65504, 2^-24, inf */
		0xc0, 0x3f, /* 1.5 */
		0x80,       /* -128 */
		1};
	static const struct {
		const char *name;
		int n;
		double v[5];
	} expected[] = {{"f64", 1, {0.5}},
	                {"i64", 1, {-2}},
	                {"f32", 1, {-1.5}},
	                {"i32", 1, {-2147483648.0}},
	                {"b16", 1, {1.5}},
	                {"i8", 1, {-128}},
	                {"none", 0, {0}},
	                {"bool", 1, {1}},
	                {"f16", 5, {1, -2, 65504, 5.9604644775390625e-08, INFINITY}}};
	const sf_tensor *t;
	sf_tensors all;
	double d[5];
	float f[5];
	size_t n, i;
	int k;

	unsigned char *b = make(header, data, sizeof data, &n);
	assert_ok(ctx, sf_tensors_parse(ctx, "t", b, n, &all));
	ck_assert_int_eq(all.n, 9);
	ck_assert_str_eq(sf_tensors_meta(&all, "format"), "pt");
	ck_assert_str_eq(sf_tensors_meta(&all, ""), "empty key");
	ck_assert_ptr_null(sf_tensors_meta(&all, "f64"));
	ck_assert_ptr_null(sf_tensors_find(&all, "__metadata__"));
	for (i = 0; i < sizeof expected / sizeof *expected; i++) {
		t = sf_tensors_find(&all, expected[i].name);
		ck_assert_ptr_nonnull(t);
		ck_assert_int_eq(t->size, expected[i].n);
		assert_ok(ctx, sf_tensor_to_double(ctx, t, d));
		assert_ok(ctx, sf_tensor_to_float(ctx, t, f));
		for (k = 0; k < expected[i].n; k++) {
			ck_assert(d[k] == expected[i].v[k]);
			ck_assert(f[k] == (float)expected[i].v[k]);
		}
	}
	sf_tensors_free(&all);
}
END_TEST

#define T1 "\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}"
static const struct {
	const char *header;
	int code;
	const char *part;
} bad[] = {
	{"", SF_EFORMAT, "'{'"},
	{" {" T1 "}", SF_EFORMAT, "'{'"},
	{"{" T1, SF_EFORMAT, "header"},
	{"{" T1 "} x", SF_EFORMAT, "header"},
	{"{" T1 "," T1 "}", SF_EFORMAT, "duplicate"},
	{"{\"a\":7}", SF_EFORMAT, "not an object"},
	{"{\"a\":{\"shape\":[2],\"data_offsets\":[0,8]}}", SF_EFORMAT, "dtype"},
	{"{\"a\":{\"dtype\":\"F31\",\"shape\":[2],\"data_offsets\":[0,8]}}", SF_EUNSUP, "F31"},
	{"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,8]}}", SF_EFORMAT, "shape"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2.0],\"data_offsets\":[0,8]}}", SF_EFORMAT,
         "whole number"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[-2],\"data_offsets\":[0,8]}}", SF_EFORMAT,
         "whole number"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[99999999999999999999],\"data_offsets\":[0,8]}}",
         SF_EFORMAT, "header"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,8]}}",
         SF_ERANGE, "overflow"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}",
         SF_ERANGE, "overflow"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,2],\"data_offsets\":[0,8]}}",
         SF_EUNSUP, "dimensions"},
	{"{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,1]}}", SF_EFORMAT,
         "whole bytes"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", SF_EFORMAT, "data_offsets"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", SF_EFORMAT,
         "data_offsets"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,\"8\"]}}", SF_EFORMAT,
         "data_offsets"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}", SF_EFORMAT, "outside"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,12]}}", SF_EFORMAT,
         "outside"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,8]}}", SF_EFORMAT, "need 4"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", SF_EFORMAT, "hole"},
	{"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", SF_EFORMAT, "behind"},
	{"{" T1 ",\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[7,8]}}", SF_EFORMAT,
         "overlap"},
	{"{" T1 ",\"b\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[4,4]}}", SF_EFORMAT,
         "'b'"},
	{"{" T1 ",\"__metadata__\":[]}", SF_EFORMAT, "__metadata__"},
	{"{" T1 ",\"__metadata__\":{\"k\":1}}", SF_EFORMAT, "'k'"},
	{"{" T1 ",\"\\u0000\":1}", SF_EFORMAT, "header"},
};

START_TEST(bad_header)
{
	unsigned char data[8] = {0}, *b;
	sf_tensors t;
	size_t n;

	b = make(bad[_i].header, data, 8, &n);
	assert_failed(ctx, sf_tensors_parse(ctx, "file.st", b, n, &t), bad[_i].code, bad[_i].part);
	ck_assert(strncmp(sf_ctx_message(ctx), "file.st: ", 9) == 0);
	ck_assert_ptr_null(t.block);
	ck_assert_int_eq(t.n, 0);
}
END_TEST

START_TEST(cut_anywhere)
{
	unsigned char data[8] = {0}, *whole, *part;
	sf_tensors t;
	size_t n, i;

	whole = make("{" T1 "}", data, 8, &n);
	for (i = 0; i < n; i++) {
		part = malloc(i ? i : 1);
		memcpy(part, whole, i);
		assert_failed(ctx, sf_tensors_parse(ctx, "t", part, i, &t), SF_EFORMAT, "t: ");
	}
	whole[7] = 1; /* a header of 2^56 bytes */
	assert_failed(ctx, sf_tensors_parse(ctx, "t", whole, n, &t), SF_EFORMAT, "72057594037927");
	put_file(in_dir(dir, "empty"), "", 0);
	assert_failed(ctx, sf_tensors_read(ctx, in_dir(dir, "empty"), &t), SF_EFORMAT, "truncated");
	assert_failed(ctx, sf_tensors_read(ctx, in_dir(dir, "none"), &t), SF_EIO, "none");
	assert_failed(ctx, sf_tensors_read(ctx, dir, &t), SF_EIO, "directory");
}
END_TEST

START_TEST(written_bytes)
{
	static const float f[2] = {1, -2};
	static const double d[1] = {0.5};
	static const unsigned char u[3] = {7, 8, 9};
	static const char *const keys[2] = {"step", "text"}, *const values[2] = {"12",
	                                                                         "\"\n\xc3\xa9"};
	const sf_tensor_out out[4] = {{"z", SF_U8, 1, {3}, u},
	                              {"b", SF_FLOAT32, 2, {1, 2}, f},
	                              {"a", SF_FLOAT32, 1, {1}, f},
	                              {"scalar", SF_FLOAT64, 0, {0}, d}};
	/* by falling alignment, then by name; padded to 8 */
	static const char header[] =
		"{\"__metadata__\":{\"step\":\"12\",\"text\":\"\\\"\\n\xc3\xa9\"},"
		"\"scalar\":{\"dtype\":\"F64\",\"shape\":[],\"data_offsets\":[0,8]},"
		"\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]},"
		"\"b\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[12,20]},"
		"\"z\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]}}";
	static const unsigned char data[23] = {0, 0, 0,    0,    0, 0, 0xe0, 0x3f, 0, 0, 0x80, 0x3f,
	                                       0, 0, 0x80, 0x3f, 0, 0, 0,    0xc0, 7, 8, 9};
	const char *path = in_dir(dir, "a.safetensors");
	size_t n, length = sizeof header - 1, padded = (length + 7) / 8 * 8, i;
	sf_tensors t;
	unsigned char *b;

	assert_ok(ctx, sf_tensors_write(ctx, path, 4, out, 2, keys, values));
	assert_ok(ctx, sf_file_read(ctx, path, 10000, &b, &n));
	ck_assert_uint_eq(n, 8 + padded + 23);
	ck_assert_uint_eq(b[0] + 256u * b[1], padded);
	ck_assert(memcmp(b + 8, header, length) == 0);
	for (i = length; i < padded; i++)
		ck_assert_int_eq(b[8 + i], ' ');
	ck_assert(memcmp(b + 8 + padded, data, 23) == 0);
	free(b);
	assert_ok(ctx, sf_tensors_read(ctx, path, &t));
	ck_assert_int_eq(t.n, 4);
	ck_assert_str_eq(sf_tensors_meta(&t, "text"), values[1]);
	ck_assert(sf_tensors_find(&t, "b")->rank == 2 && sf_tensors_find(&t, "b")->dim[1] == 2);
	ck_assert((size_t)(sf_tensors_find(&t, "scalar")->data - t.block) % 8 == 0);
	sf_tensors_free(&t);
	assert_ok(ctx, sf_tensors_write(ctx, path, 0, NULL, 0, NULL, NULL));
	assert_ok(ctx, sf_tensors_read(ctx, path, &t));
	ck_assert_int_eq(t.n, 0);
	sf_tensors_free(&t);
}
END_TEST

START_TEST(refused_to_write)
{
	static const char *const key[2] = {"k", "k"}, *const value[2] = {"v", "v"},
				 *const latin[1] = {"\xe9"};
	const char *path = in_dir(dir, "a.safetensors");
	sf_tensor_out t[2] = {{"a", SF_U8, 1, {1}, "x"}, {"a", SF_U8, 1, {1}, "x"}};

	put_file(path, "old", 3);
	assert_failed(ctx, sf_tensors_write(ctx, path, 2, t, 0, NULL, NULL), SF_EINVAL, "'a'");
	assert_failed(ctx, sf_tensors_write(ctx, path, -1, t, 0, NULL, NULL), SF_EINVAL, "-1");
	assert_failed(ctx, sf_tensors_write(ctx, path, 1, t, 2, key, value), SF_EINVAL, "'k'");
	assert_failed(ctx, sf_tensors_write(ctx, path, 1, t, 1, key, latin), SF_EINVAL, "UTF-8");
	t[0].name = "\xff";
	assert_failed(ctx, sf_tensors_write(ctx, path, 1, t, 0, NULL, NULL), SF_EINVAL, "UTF-8");
	t[0].name = "__metadata__";
	assert_failed(ctx, sf_tensors_write(ctx, path, 1, t, 0, NULL, NULL), SF_EINVAL,
	              "__metadata__");
	t[0].name = "big";
	t[0].rank = 2;
	t[0].dim[0] = t[0].dim[1] = INT64_MAX;
	assert_failed(ctx, sf_tensors_write(ctx, path, 1, t, 0, NULL, NULL), SF_ERANGE, "'big'");
	t[0].rank = 9;
	assert_failed(ctx, sf_tensors_write(ctx, path, 1, t, 0, NULL, NULL), SF_ERANGE, "'big'");
	if (access("/dev/full", W_OK) == 0)
		assert_failed(ctx, sf_tensors_write(ctx, "/dev/full", 1, t + 1, 0, NULL, NULL),
		              SF_EIO, "No space left");
	{
		unsigned char *b;
		size_t n;

		assert_ok(ctx,
		          sf_file_read(ctx, path, 10, &b, &n)); /* none of that touched the file */
		ck_assert_str_eq((char *)b, "old");
		free(b);
	}
	ck_assert_int_eq(count_files(dir), 1);
}
END_TEST

START_TEST(not_a_number)
{
	unsigned char data[8] = {0}, *b;
	sf_tensors t;
	double d[1];
	size_t n;

	b = make("{\"c\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", data, 8, &n);
	assert_ok(ctx, sf_tensors_parse(ctx, "t", b, n, &t));
	assert_failed(ctx, sf_tensor_to_double(ctx, &t.tensor[0], d), SF_EFORMAT, "C64");
	sf_tensors_free(&t);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("safetensors");
	TCase *t = tcase_create("safetensors");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, every_number_type);
	tcase_add_loop_test(t, bad_header, 0, (int)(sizeof bad / sizeof *bad));
	tcase_add_test(t, cut_anywhere);
	tcase_add_test(t, written_bytes);
	tcase_add_test(t, refused_to_write);
	tcase_add_test(t, not_a_number);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
