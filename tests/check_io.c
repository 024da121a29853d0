/* check_io.c: whole files, NPY, NPZ, event files. Expected bytes are written out by hand.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

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

START_TEST(file_round_trip)
{
	const char *path = in_dir(dir, "a"), *link = in_dir(dir, "l");
	unsigned char *bytes, *big = calloc(300000, 1);
	struct stat st;
	size_t n;

	big[299999] = 7;
	assert_ok(ctx, sf_file_write(ctx, path, "hello", 5));
	assert_ok(ctx, sf_file_read(ctx, path, 5, &bytes, &n));
	ck_assert_uint_eq(n, 5);
	ck_assert_str_eq((char *)bytes, "hello");
	free(bytes);
	assert_failed(ctx, sf_file_read(ctx, path, 4, &bytes, &n), SF_ERANGE, path);

	/* replaced through a link, with its permissions, and nothing left beside it */
	ck_assert_int_eq(chmod(path, 0640), 0);
	ck_assert_int_eq(symlink("a", link), 0);
	assert_ok(ctx, sf_file_write(ctx, link, big, 300000));
	ck_assert_int_eq(lstat(link, &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 300000);
	ck_assert_int_eq(st.st_mode & 0777, 0640);
	ck_assert_int_eq(count_files(dir), 2);
	assert_ok(ctx, sf_file_read(ctx, path, 1000000, &bytes, &n));
	ck_assert(n == 300000 && memcmp(bytes, big, n) == 0);
	free(bytes);

	assert_ok(ctx, sf_file_write(ctx, path, "", 0));
	assert_ok(ctx, sf_file_read(ctx, path, 0, &bytes, &n));
	ck_assert(n == 0 && *bytes == 0);
	free(bytes);
	free(big);
}
END_TEST

START_TEST(file_failures)
{
	unsigned char *bytes;
	const char *p = in_dir(dir, "none");
	size_t n;

	assert_failed(ctx, sf_file_read(ctx, p, 9, &bytes, &n), SF_EIO, p);
	ck_assert_ptr_null(bytes);
	assert_failed(ctx, sf_file_read(ctx, dir, 9, &bytes, &n), SF_EIO, "is a directory");
	assert_failed(ctx, sf_file_write(ctx, dir, "x", 1), SF_EIO, "is a directory");
	assert_failed(ctx, sf_file_write(ctx, in_dir(dir, "no/file"), "x", 1), SF_EIO,
	              "No such file");
	assert_failed(ctx, sf_file_write(ctx, "/proc/scorefield", "x", 1), SF_EIO, "cannot create");
	if (access("/dev/full", W_OK) == 0) {
		assert_failed(ctx, sf_file_write(ctx, "/dev/full", "x", 1), SF_EIO,
		              "/dev/full: cannot write: ");
		assert_failed(ctx, sf_file_write(ctx, "/dev/full", dir, 1 << 9), SF_EIO,
		              "No space left");
	}
	assert_ok(ctx, sf_file_write(ctx, "/dev/null", "x", 1));
	/* a failed write leaves the old file as it was */
	p = in_dir(dir, "old");
	assert_ok(ctx, sf_file_write(ctx, p, "old", 3));
	{
		sf_out o;

		assert_ok(ctx, sf_out_open(ctx, p, &o));
		sf_out_put(&o, "new!", 4);
		ck_assert_int_eq(count_files(dir), 2);
		ck_assert_int_eq(sf_out_close(&o, SF_EINVAL), SF_EINVAL);
	}
	ck_assert_int_eq(count_files(dir), 1);
	assert_ok(ctx, sf_file_read(ctx, p, 9, &bytes, &n));
	ck_assert_str_eq((char *)bytes, "old");
	free(bytes);
}
END_TEST

START_TEST(shipped_files)
{
	char path[SF_PATH_MAX];

	put_file(in_dir(dir, "thing.ini"), "x", 1);
	setenv("SCOREFIELD_DATA", dir, 1);
	ck_assert_str_eq(sf_data_dir(0), dir);
	ck_assert_ptr_nonnull(sf_data_dir(1));
	ck_assert_ptr_null(sf_data_dir(2));
	assert_ok(ctx, sf_data_find(ctx, "thing.ini", path, sizeof path));
	ck_assert_str_eq(path, in_dir(dir, "thing.ini"));
	assert_failed(ctx, sf_data_find(ctx, "no-such-thing", path, sizeof path), SF_ENAME, dir);
	assert_failed(ctx, sf_data_find(ctx, "thing.ini", path, 8), SF_ERANGE, "longer than");
	unsetenv("SCOREFIELD_DATA");
	ck_assert_ptr_nonnull(sf_data_dir(0));
	ck_assert_ptr_null(sf_data_dir(1));
}
END_TEST

/* An NPY file with this header text; `major` 1 has a 16-bit length. */
static size_t npy(unsigned char *out, int major, const char *text, const void *data, size_t size)
{
	size_t n = strlen(text), head = major == 1 ? 10 : 12;

	memset(out, 0, 12);
	memcpy(out, "\x93NUMPY", 6);
	out[6] = (unsigned char)major;
	out[8] = (unsigned char)(n & 255);
	out[9] = (unsigned char)(n >> 8);
	memcpy(out + head, text, n);
	memcpy(out + head + n, data, size);
	return head + n + size;
}

START_TEST(npy_by_hand)
{
	/* 1, 2, 3, -1, 0.5, -2 as little-endian floats */
	static const unsigned char f4[24] = {0, 0, 0x80, 0x3f, 0, 0, 0, 0x40, 0, 0, 0x40, 0x40,
	                                     0, 0, 0x80, 0xbf, 0, 0, 0, 0x3f, 0, 0, 0,    0xc0};
	static const double rows[6] = {1, 2, 3, -1, 0.5, -2}, columns[6] = {1, 3, 0.5, 2, -1, -2};
	static const unsigned char i2[4] = {0xff, 0xfe, 0x01, 0x02},
				   f8[8] = {0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18};
	unsigned char b[512];
	sf_array a;
	size_t n;
	int v, i;

	for (v = 1; v <= 3; v++) {
		n = npy(b, v, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", f4,
		        24);
		assert_ok(ctx, sf_npy_parse(ctx, "t", b, n, &a));
		ck_assert(a.type == SF_FLOAT32 && a.rank == 2 && a.dim[0] == 2 && a.dim[1] == 3 &&
		          a.size == 6);
		for (i = 0; i < 6; i++)
			ck_assert(sf_array_get(&a, i) == rows[i]);
		sf_array_free(&a);
	}
	n = npy(b, 1, "{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }\n", f4, 24);
	assert_ok(ctx, sf_npy_parse(ctx, "t", b, n, &a));
	for (i = 0; i < 6; i++)
		ck_assert(sf_array_get(&a, i) == columns[i]);
	sf_array_free(&a);
	n = npy(b, 2, "{\"shape\":(2,),\"fortran_order\":False,\"descr\":\">i2\"}", i2, 4);
	assert_ok(ctx, sf_npy_parse(ctx, "t", b, n, &a));
	ck_assert(a.type == SF_I16 && sf_array_get(&a, 0) == -2 && sf_array_get(&a, 1) == 258);
	sf_array_free(&a);
	n = npy(b, 1, "{'descr': '>f8', 'fortran_order': True, 'shape': (), }", f8, 8);
	assert_ok(ctx, sf_npy_parse(ctx, "t", b, n, &a));
	ck_assert(a.type == SF_FLOAT64 && a.rank == 0 && sf_array_get(&a, 0) == SF_PI);
	sf_array_free(&a);
	n = npy(b, 1, "{'descr': '|b1', 'fortran_order': False, 'shape': (0, 7), }", f8, 0);
	assert_ok(ctx, sf_npy_parse(ctx, "t", b, n, &a));
	ck_assert(a.type == SF_U8 && a.size == 0);
	sf_array_free(&a);
}
END_TEST

static const struct {
	const char *text;
	int code;
	const char *part;
} bad_npy[] = {
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4), }", SF_EFORMAT, "truncated"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }", SF_EFORMAT, "trailing"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (9999999999999999999, ), }", SF_ERANGE,
         "overflow"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }", SF_ERANGE,
         "overflow"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4294967296, 4294967296), }",
         SF_ERANGE, "overflow"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,6), }", SF_EUNSUP,
         "dimensions"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (-6,), }", SF_EFORMAT, "shape"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (6), }", SF_EFORMAT, "shape"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", SF_EFORMAT, "shape"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, }", SF_EFORMAT, "shape"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': 6, }", SF_EFORMAT, "shape"},
	{"{'descr': '<f2', 'fortran_order': False, 'shape': (12,), }", SF_EUNSUP, "'<f2'"},
	{"{'descr': '=f4', 'fortran_order': False, 'shape': (6,), }", SF_EUNSUP, "'=f4'"},
	{"{'descr': '|f4', 'fortran_order': False, 'shape': (6,), }", SF_EUNSUP, "'|f4'"},
	{"{'descr': '|O', 'fortran_order': False, 'shape': (6,), }", SF_EUNSUP, "'|O'"},
	{"{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (6,), }", SF_EFORMAT, "descr"},
	{"{'descr': '<f4', 'fortran_order': 1, 'shape': (6,), }", SF_EFORMAT, "fortran_order"},
	{"{'descr': '<f4', 'shape': (6,), }", SF_EFORMAT, "'fortran_order' is missing"},
	{"{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,), }", SF_EFORMAT,
         "'descr'"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), 'x': 1}", SF_EFORMAT, "'x'"},
	{"{'descr': '<f4', 'fortran_order': False, 'shape': (6,), } os", SF_EFORMAT, "after"},
	{"__import__('os')", SF_EFORMAT, "'{'"},
};

START_TEST(npy_bad_header)
{
	unsigned char b[512], zero[24] = {0};
	size_t n = npy(b, 1, bad_npy[_i].text, zero, sizeof zero);
	sf_array a;

	assert_failed(ctx, sf_npy_parse(ctx, "file.npy", b, n, &a), bad_npy[_i].code,
	              bad_npy[_i].part);
	ck_assert_ptr_null(a.data);
	ck_assert(strncmp(sf_ctx_message(ctx), "file.npy: ", 10) == 0);
}
END_TEST

START_TEST(npy_truncated)
{
	unsigned char b[512], zero[24] = {0}, *exact;
	size_t n = npy(b, 1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n", zero,
	               24),
	       i;
	sf_array a;

	for (i = 0; i < n; i++) {
		exact = malloc(i + 1); /* so that a sanitizer sees one byte too far */
		memcpy(exact, b, i);
		exact = realloc(exact, i ? i : 1);
		assert_failed(ctx, sf_npy_parse(ctx, "t", exact, i, &a), SF_EFORMAT, "t: ");
		free(exact);
	}
	b[7] = 1;
	assert_failed(ctx, sf_npy_parse(ctx, "t", b, n, &a), SF_EUNSUP, "version 1.1");
	b[6] = 2;
	b[7] = 0;
	memset(b + 8, 255, 4);
	assert_failed(ctx, sf_npy_parse(ctx, "t", b, n, &a), SF_ERANGE, "4294967295");
	b[0] = 'x';
	assert_failed(ctx, sf_npy_parse(ctx, "t", b, n, &a), SF_EFORMAT, "magic");
}
END_TEST

START_TEST(npy_round_trip)
{
	static const char head[] = "{'descr': '<i4', 'fortran_order': False, 'shape': (2,), } ";
	static const int64_t dim[3] = {2, 1, 3};
	const char *path = in_dir(dir, "a.npy");
	unsigned char *bytes;
	sf_array a, b;
	size_t n;
	int type;

	for (type = SF_U8; type <= SF_FLOAT64; type++) {
		assert_ok(ctx, sf_array_new(ctx, "t", (sf_element)type, 3, dim, &a));
		memset(a.data, 0x35, 6 * sf_element_size(a.type));
		((unsigned char *)a.data)[0] = 1;
		assert_ok(ctx, sf_npy_write(ctx, path, &a));
		assert_ok(ctx, sf_npy_read(ctx, path, &b));
		ck_assert(b.type == a.type && b.rank == 3 && memcmp(b.dim, a.dim, sizeof dim) == 0);
		ck_assert(memcmp(a.data, b.data, 6 * sf_element_size(a.type)) == 0);
		sf_array_free(&a);
		sf_array_free(&b);
	}
	/* the bytes that NumPy writes */
	assert_ok(ctx, sf_array_new(ctx, "t", SF_I32, 1, dim, &a));
	((int32_t *)a.data)[1] = -2;
	assert_ok(ctx, sf_npy_write(ctx, path, &a));
	assert_ok(ctx, sf_file_read(ctx, path, 1000, &bytes, &n));
	ck_assert_uint_eq(n, 128 + 8);
	ck_assert(memcmp(bytes, "\x93NUMPY\1\0\x76\0", 10) == 0);
	ck_assert(memcmp(bytes + 10, head, sizeof head - 1) == 0);
	ck_assert(bytes[127] == '\n' && bytes[126] == ' ');
	ck_assert(memcmp(bytes + 128, "\0\0\0\0\xfe\xff\xff\xff", 8) == 0);
	free(bytes);
	if (access("/dev/full", W_OK) == 0)
		assert_failed(ctx, sf_npy_write(ctx, "/dev/full", &a), SF_EIO, "No space left");
	a.size = 3;
	assert_failed(ctx, sf_npy_write(ctx, path, &a), SF_EINVAL, path);
	a.size = 2;
	sf_array_free(&a);
}
END_TEST

static uint32_t le(const unsigned char *p, int n)
{
	return n ? *p + 256 * le(p + 1, n - 1) : 0;
}

/* Walks the archive by its directory, as an unzip program does. */
START_TEST(npz_archive)
{
	static const char *const names[2] = {"samples", "labels"};
	static const int64_t dim[1] = {3};
	const char *path = in_dir(dir, "a.npz");
	const sf_array *arrays[2];
	unsigned char *z, *d;
	sf_array a[2], back;
	size_t n;
	int i;

	for (i = 0; i < 2; i++) {
		assert_ok(ctx, sf_array_new(ctx, "t", i ? SF_I64 : SF_U8, 1, dim, &a[i]));
		memset(a[i].data, 3 + i, 3);
		arrays[i] = &a[i];
	}
	assert_ok(ctx, sf_npz_write(ctx, path, 2, names, arrays));
	assert_ok(ctx, sf_file_read(ctx, path, 10000, &z, &n));
	ck_assert(memcmp(z + n - 22, "PK\5\6", 4) == 0);
	ck_assert_uint_eq(le(z + n - 22 + 10, 2), 2);
	ck_assert_uint_eq(le(z + n - 22 + 12, 4) + le(z + n - 22 + 16, 4), n - 22);
	d = z + le(z + n - 22 + 16, 4);
	for (i = 0; i < 2; i++) {
		unsigned char *l = z + le(d + 42, 4), *data = l + 30 + le(l + 26, 2);
		uint32_t size = le(d + 24, 4), name = le(d + 28, 2);

		ck_assert(memcmp(d, "PK\1\2", 4) == 0 && memcmp(l, "PK\3\4", 4) == 0);
		ck_assert(memcmp(d + 6, l + 4, 24) == 0); /* version to name length agree */
		ck_assert_uint_eq(le(l + 8, 2), 0);       /* stored */
		ck_assert_uint_eq(size, le(d + 20, 4));
		ck_assert(memcmp(d + 46, names[i], strlen(names[i])) == 0);
		ck_assert(memcmp(d + 46, l + 30, name) == 0);
		ck_assert_uint_eq(le(d + 16, 4), crc32(crc32(0, NULL, 0), data, size));
		assert_ok(ctx, sf_npy_parse(ctx, "t", data, size, &back));
		ck_assert(back.type == a[i].type && memcmp(back.data, a[i].data, 3) == 0);
		sf_array_free(&back);
		d += 46 + name;
	}
	ck_assert_ptr_eq(d, z + n - 22);
	free(z);
	arrays[1] = arrays[0];
	assert_failed(ctx, sf_npz_write(ctx, path, 0, names, arrays), SF_ERANGE, path);
	{
		static const char *const twice[2] = {"x", "x"}, *const up[1] = {"../x"};

		assert_failed(ctx, sf_npz_write(ctx, path, 2, twice, arrays), SF_EINVAL, "'x'");
		assert_failed(ctx, sf_npz_write(ctx, path, 1, up, arrays), SF_EINVAL, "'../x'");
	}
	sf_array_free(&a[0]);
	sf_array_free(&a[1]);
}
END_TEST

static void hex(const sf_bytes *b, char *out)
{
	size_t i;

	for (i = 0; i < b->n; i++)
		sprintf(out + 2 * i, "%02x", b->p[i]);
}

START_TEST(event_records)
{
	sf_bytes b = {NULL, 0, 0, 0};
	char text[256];

	ck_assert_uint_eq(sf_crc32c((const unsigned char *)"123456789", 9), 0xe3069283u);
	ck_assert_uint_eq(sf_crc32c_mask(0xe3069283u), 0xc78ab0e5u);
	sf_events_header(&b, 1.0);
	hex(&b, text);
	ck_assert_str_eq(text, "1800000000000000a37f4b22"
	                       "09000000000000f03f1a0d627261696e2e4576656e743a3286bf577a");
	b.n = 0;
	sf_events_encode_scalar(&b, 2.0, 7, "loss", 0.5f);
	hex(&b, text);
	ck_assert_str_eq(text, "1a00000000000000129bd82d"
	                       "09000000000000004010072a0d0a0b0a046c6f7373150000003fc33fc24a");
	sf_bytes_free(&b);
}
END_TEST

START_TEST(event_file)
{
	static const unsigned char pixel[3] = {1, 2, 3};
	const char *png = in_dir(dir, "p.png"), *text = in_dir(dir, "t.png");
	char folder[1100];
	sf_events *e, *f;

	snprintf(folder, sizeof folder, "%s/events", dir);
	assert_failed(ctx, sf_events_open(ctx, folder, &e), SF_EIO, "events.out.tfevents.");
	ck_assert_ptr_null(e);
	ck_assert_int_eq(mkdir(folder, 0777), 0);
	assert_ok(ctx, sf_events_open(ctx, folder, &e));
	assert_ok(ctx, sf_events_open(ctx, folder, &f)); /* a second file, not the same one */
	ck_assert_int_eq(count_files(folder), 2);
	assert_ok(ctx, sf_png_write(ctx, png, 1, 1, 3, pixel));
	assert_ok(ctx, sf_events_scalar(e, 1, "loss", 0.25));
	assert_ok(ctx, sf_events_image(e, 1, "samples", png));
	put_file(text, "text", 4);
	assert_failed(ctx, sf_events_image(e, 1, "samples", text), SF_EFORMAT, text);
	sf_events_close(e);
	sf_events_close(f);
	sf_events_close(NULL);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("io");
	TCase *t = tcase_create("io");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, file_round_trip);
	tcase_add_test(t, file_failures);
	tcase_add_test(t, shipped_files);
	tcase_add_test(t, npy_by_hand);
	tcase_add_loop_test(t, npy_bad_header, 0, (int)(sizeof bad_npy / sizeof *bad_npy));
	tcase_add_test(t, npy_truncated);
	tcase_add_test(t, npy_round_trip);
	tcase_add_test(t, npz_archive);
	tcase_add_test(t, event_records);
	tcase_add_test(t, event_file);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
