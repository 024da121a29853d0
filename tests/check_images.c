/* check_images.c: PNG and IDX files, whole and broken.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

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

static void assert_pixels(const sf_bytes *png, int64_t h, int64_t w, int c,
                          const unsigned char *expected)
{
	unsigned char *pixels;
	int64_t gh, gw;
	int gc;

	assert_ok(ctx, sf_png_parse(ctx, "t", png->p, png->n, &gh, &gw, &gc, &pixels));
	ck_assert(gh == h && gw == w && gc == c);
	ck_assert(memcmp(pixels, expected, (size_t)(h * w * c)) == 0);
	sf_free(pixels);
}

START_TEST(png_kinds)
{
	static const unsigned char grey[6] = {0, 10, 200, 0, 255, 0}, g8[4] = {10, 200, 255, 0};
	static const unsigned char g16[4] = {128, 0, 255, 18};
	static const unsigned char bits[2] = {0, 0xa0}, g1[3] = {255, 0, 255};
	static const unsigned char palette[6] = {1, 2, 3, 250, 251, 252}, index[3] = {0, 1, 0};
	static const unsigned char rgb[6] = {250, 251, 252, 1, 2, 3};
	static const unsigned char rgba[9] = {0, 9, 8, 7, 255, 99, 98, 97, 0},
				   flat[6] = {9, 8, 7, 0, 0, 0};
	sf_bytes b = {NULL, 0, 0, 0};

	make_png(&b, 2, 2, 8, 0, NULL, NULL, 0, grey, 6);
	assert_pixels(&b, 2, 2, 1, g8);
	make_png(&b, 2, 2, 16, 0, NULL, NULL, 0, grey, 5);
	{ /* too few rows: libpng must not pass it off as an image */
		unsigned char *p;
		int64_t h, w;
		int c;

		assert_failed(ctx, sf_png_parse(ctx, "t", b.p, b.n, &h, &w, &c, &p), SF_EFORMAT,
		              "t: bad PNG");
		ck_assert_ptr_null(p);
	}
	make_png(&b, 4, 1, 16, 0, NULL, NULL, 0,
	         (const unsigned char *)"\0\x80\x80\0\0\xff\xff\x12\x12", 9);
	assert_pixels(&b, 1, 4, 1, g16);
	make_png(&b, 3, 1, 1, 0, NULL, NULL, 0, bits, 2);
	assert_pixels(&b, 1, 3, 1, g1);
	make_png(&b, 2, 1, 8, 3, "PLTE", palette, 6, index, 3);
	assert_pixels(&b, 1, 2, 3, rgb);
	make_png(&b, 2, 1, 8, 6, NULL, NULL, 0, rgba, 9);
	assert_pixels(&b, 1, 2, 3, flat);
	sf_bytes_free(&b);
}
END_TEST

START_TEST(png_damaged)
{
	static const unsigned char rows[8] = {0, 1, 2, 3, 0, 4, 5, 6};
	unsigned char *pixels, *exact;
	sf_bytes b = {NULL, 0, 0, 0};
	int64_t h, w;
	size_t i;
	int c;

	make_png(&b, 3, 2, 8, 0, NULL, NULL, 0, rows, 8);
	for (i = 0; i < b.n; i++) { /* cut at every byte */
		exact = malloc(i ? i : 1);
		memcpy(exact, b.p, i);
		assert_failed(ctx, sf_png_parse(ctx, "t", exact, i, &h, &w, &c, &pixels),
		              SF_EFORMAT, "t: ");
		ck_assert_ptr_null(pixels);
		free(exact);
	}
	for (i = 0; i < b.n; i++) { /* one byte changed: a check sum, a length or a name tells */
		b.p[i] ^= 0x55;
		assert_failed(ctx, sf_png_parse(ctx, "t", b.p, b.n, &h, &w, &c, &pixels),
		              SF_EFORMAT, "t: ");
		b.p[i] ^= 0x55;
	}
	sf_bytes_add(&b, "x", 1);
	assert_failed(ctx, sf_png_parse(ctx, "t", b.p, b.n, &h, &w, &c, &pixels), SF_EFORMAT,
	              "garbage");
	make_png(&b, 0x7fffffff, 0x7fffffff, 8, 2, NULL, NULL, 0, rows, 8);
	ck_assert_int_lt(sf_png_parse(ctx, "t", b.p, b.n, &h, &w, &c, &pixels), 0);
	make_png(&b, 30000, 30000, 8, 2, NULL, NULL, 0, rows, 8);
	assert_failed(ctx, sf_png_parse(ctx, "t", b.p, b.n, &h, &w, &c, &pixels), SF_ERANGE,
	              "30000 x 30000");
	make_png(&b, 20000, 20000, 8, 0, NULL, NULL, 0, rows, 8);
	assert_failed(ctx, sf_png_parse(ctx, "t", b.p, b.n, &h, &w, &c, &pixels), SF_EFORMAT,
	              "cannot hold");
	sf_bytes_free(&b);
}
END_TEST

START_TEST(png_files)
{
	unsigned char rgb[5 * 4 * 3], *back;
	const char *path = in_dir(dir, "a.png");
	int64_t h, w;
	int c, i;

	for (i = 0; i < 60; i++)
		rgb[i] = (unsigned char)(i * 41);
	assert_ok(ctx, sf_png_write(ctx, path, 5, 4, 3, rgb));
	assert_ok(ctx, sf_png_read(ctx, path, &h, &w, &c, &back));
	ck_assert(h == 5 && w == 4 && c == 3 && memcmp(back, rgb, 60) == 0);
	sf_free(back);
	assert_ok(ctx, sf_png_write(ctx, path, 20, 3, 1, rgb));
	assert_ok(ctx, sf_png_read(ctx, path, &h, &w, &c, &back));
	ck_assert(h == 20 && w == 3 && c == 1 && memcmp(back, rgb, 60) == 0);
	sf_free(back);
	assert_failed(ctx, sf_png_write(ctx, path, 0, 3, 1, rgb), SF_ERANGE, path);
	assert_failed(ctx, sf_png_write(ctx, path, 1, 3, 2, rgb), SF_ERANGE, "2 channels");
	assert_failed(ctx, sf_png_read(ctx, in_dir(dir, "none"), &h, &w, &c, &back), SF_EIO,
	              "none");
	if (access("/dev/full", W_OK) == 0)
		assert_failed(ctx, sf_png_write(ctx, "/dev/full", 1, 1, 3, rgb), SF_EIO,
		              "No space left");
}
END_TEST

START_TEST(png_grid)
{
	/* three 1 x 2 images in two columns with a border of one */
	static const unsigned char images[6] = {1, 2, 3, 4, 5, 6};
	static const unsigned char expected[5][7] = {{0, 0, 0, 0, 0, 0, 0},
	                                             {0, 1, 2, 0, 3, 4, 0},
	                                             {0, 0, 0, 0, 0, 0, 0},
	                                             {0, 5, 6, 0, 0, 0, 0},
	                                             {0, 0, 0, 0, 0, 0, 0}};
	const char *path = in_dir(dir, "g.png");
	unsigned char *back;
	int64_t h, w, cols;
	int c;

	for (cols = 0; cols <= 2; cols += 2) { /* 0: near square, which is two as well */
		assert_ok(ctx, sf_png_grid(ctx, path, 3, 1, 2, 1, cols, 1, images));
		assert_ok(ctx, sf_png_read(ctx, path, &h, &w, &c, &back));
		ck_assert(h == 5 && w == 7 && c == 1 && memcmp(back, expected, 35) == 0);
		sf_free(back);
	}
	assert_ok(ctx, sf_png_grid(ctx, path, 1, 1, 2, 3, 9, 0, images));
	assert_ok(ctx, sf_png_read(ctx, path, &h, &w, &c, &back));
	ck_assert(h == 1 && w == 2 && c == 3 && memcmp(back, images, 6) == 0);
	sf_free(back);
	assert_failed(ctx, sf_png_grid(ctx, path, 0, 1, 2, 1, 0, 1, images), SF_ERANGE, path);
	assert_failed(ctx, sf_png_grid(ctx, path, 999999, 999999, 999999, 1, 0, 1, images),
	              SF_ERANGE, "too large");
}
END_TEST

START_TEST(idx_types)
{
	static const struct {
		unsigned char bytes[16];
		size_t size;
		double v[2];
	} t[] = {
		{{0, 0, 8, 1, 0, 0, 0, 2, 5, 255}, 10, {5, 255}},
		{{0, 0, 9, 1, 0, 0, 0, 2, 5, 255}, 10, {5, -1}},
		{{0, 0, 11, 1, 0, 0, 0, 2, 1, 2, 255, 254}, 12, {258, -2}},
		{{0, 0, 12, 1, 0, 0, 0, 2, 0, 1, 0, 0, 255, 255, 255, 253}, 16, {65536, -3}},
		{{0, 0, 13, 1, 0, 0, 0, 2, 0x3f, 0x80, 0, 0, 0xc0, 0, 0, 0}, 16, {1, -2}},
		{{0, 0, 14, 1, 0, 0, 0, 1, 0x3f, 0xe0, 0, 0, 0, 0, 0, 0}, 16, {0.5, 0}},
	};
	sf_array a;
	size_t i;
	int64_t k;

	for (i = 0; i < sizeof t / sizeof *t; i++) {
		sf_bytes z = {NULL, 0, 0, 0};
		int packed;

		make_gzip(&z, t[i].bytes, t[i].size);
		for (packed = 0; packed < 2; packed++) {
			if (packed)
				assert_ok(ctx, sf_idx_parse(ctx, "t", z.p, z.n, &a));
			else
				assert_ok(ctx, sf_idx_parse(ctx, "t", t[i].bytes, t[i].size, &a));
			ck_assert_int_eq(a.rank, 1);
			for (k = 0; k < a.size; k++)
				ck_assert(sf_array_get(&a, k) == t[i].v[k]);
			sf_array_free(&a);
		}
		sf_bytes_free(&z);
	}
}
END_TEST

START_TEST(idx_damaged)
{
	unsigned char b[20] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4}, *exact;
	sf_bytes z = {NULL, 0, 0, 0}, two = {NULL, 0, 0, 0};
	sf_array a;
	size_t i;

	make_gzip(&z, b, 20);
	for (i = 0; i < 20; i++) {
		exact = malloc(i ? i : 1);
		memcpy(exact, b, i);
		assert_failed(ctx, sf_idx_parse(ctx, "t", exact, i, &a), SF_EFORMAT, "t: ");
		ck_assert_ptr_null(a.data);
		free(exact);
	}
	for (i = 0; i < z.n; i++) {
		exact = malloc(i ? i : 1);
		memcpy(exact, z.p, i);
		assert_failed(ctx, sf_idx_parse(ctx, "t", exact, i, &a), SF_EFORMAT, "t: ");
		free(exact);
	}
	for (i = z.n - 8; i < z.n; i++) { /* gzip's check sum and length */
		z.p[i] ^= 1;
		assert_failed(ctx, sf_idx_parse(ctx, "t", z.p, z.n, &a), SF_EFORMAT, "gzip");
		z.p[i] ^= 1;
	}
	/* two members are one file; anything else behind the first is not */
	make_gzip(&two, b, 11);
	make_gzip(&two, b + 11, 9);
	assert_ok(ctx, sf_idx_parse(ctx, "t", two.p, two.n, &a));
	ck_assert(a.size == 4 && sf_array_get(&a, 3) == 4);
	sf_array_free(&a);
	sf_bytes_add(&two, "junk", 4);
	assert_failed(ctx, sf_idx_parse(ctx, "t", two.p, two.n, &a), SF_EFORMAT,
	              "4 bytes of garbage");
	{
		unsigned char longer[21] = {0};

		memcpy(longer, b, 20);
		assert_failed(ctx, sf_idx_parse(ctx, "t", longer, 21, &a), SF_EFORMAT, "trailing");
	}
	b[0] = 1;
	assert_failed(ctx, sf_idx_parse(ctx, "t", b, 20, &a), SF_EFORMAT, "magic");
	b[0] = 0;
	b[2] = 10;
	assert_failed(ctx, sf_idx_parse(ctx, "t", b, 20, &a), SF_EFORMAT, "type 0a");
	b[2] = 14;
	memset(b + 4, 255, 12);
	assert_failed(ctx, sf_idx_parse(ctx, "t", b, 20, &a), SF_ERANGE, "overflow");
	b[3] = 0;
	assert_failed(ctx, sf_idx_parse(ctx, "t", b, 20, &a), SF_EUNSUP, "0 dimensions");
	b[3] = 9;
	assert_failed(ctx, sf_idx_parse(ctx, "t", b, 20, &a), SF_EUNSUP, "9 dimensions");
	sf_bytes_free(&z);
	sf_bytes_free(&two);
}
END_TEST

START_TEST(gunzip_limit)
{
	unsigned char *zeros = calloc(100000, 1), *out;
	sf_bytes z = {NULL, 0, 0, 0};
	size_t n;

	make_gzip(&z, zeros, 100000);
	assert_ok(ctx, sf_gunzip(ctx, "t", z.p, z.n, 100000, &out, &n));
	ck_assert(n == 100000 && memcmp(out, zeros, n) == 0);
	free(out);
	assert_failed(ctx, sf_gunzip(ctx, "t", z.p, z.n, 99999, &out, &n), SF_ERANGE, "99999");
	ck_assert_ptr_null(out);
	sf_bytes_free(&z);
	free(zeros);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("images");
	TCase *t = tcase_create("images");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, png_kinds);
	tcase_add_test(t, png_damaged);
	tcase_add_test(t, png_files);
	tcase_add_test(t, png_grid);
	tcase_add_test(t, idx_types);
	tcase_add_test(t, idx_damaged);
	tcase_add_test(t, gunzip_limit);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
