/* files.c: making files, whole and broken, for tests of readers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

const char *in_dir(const char *dir, const char *name)
{
	static char path[8][1200];
	static int turn;

	turn = (turn + 1) % 8;
	snprintf(path[turn], sizeof path[turn], "%s/%s", dir, name);
	return path[turn];
}

void put_file(const char *path, const void *bytes, size_t size)
{
	FILE *f = fopen(path, "wb");

	ck_assert_msg(f != NULL, "cannot create %s", path);
	ck_assert_uint_eq(fwrite(bytes, 1, size, f), size);
	ck_assert_int_eq(fclose(f), 0);
}

int count_files(const char *dir)
{
	struct dirent *e;
	DIR *d = opendir(dir);
	int n = 0;

	ck_assert_ptr_nonnull(d);
	while ((e = readdir(d)))
		n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
	closedir(d);
	return n;
}

void assert_failed(sf_ctx *ctx, int rc, int code, const char *part)
{
	const char *m = sf_ctx_message(ctx);

	ck_assert_msg(rc == code, "status %d, expected %d: %s", rc, code, m);
	ck_assert_msg(strstr(m, part) != NULL, "message '%s' does not have '%s'", m, part);
	ck_assert_msg(*m && !strchr(m, '\n') && m[strlen(m) - 1] != '.',
	              "message '%s' is not a line", m);
}

static void put_be32(unsigned char *p, uint32_t v)
{
	p[0] = (unsigned char)(v >> 24);
	p[1] = (unsigned char)(v >> 16 & 255);
	p[2] = (unsigned char)(v >> 8 & 255);
	p[3] = (unsigned char)(v & 255);
}

static void chunk(sf_bytes *out, const char *name, const unsigned char *data, size_t size)
{
	unsigned char head[8], tail[4];
	uLong crc;

	put_be32(head, (uint32_t)size);
	memcpy(head + 4, name, 4);
	crc = crc32(crc32(0, NULL, 0), head + 4, 4);
	if (size)
		crc = crc32(crc, data, (uInt)size);
	put_be32(tail, (uint32_t)crc);
	sf_bytes_add(out, head, 8);
	sf_bytes_add(out, data, size);
	sf_bytes_add(out, tail, 4);
}

void make_png(sf_bytes *out, uint32_t w, uint32_t h, int depth, int colour, const char *extra,
              const unsigned char *extra_data, size_t extra_size, const unsigned char *rows,
              size_t size)
{
	unsigned char header[13] = {0}, packed[4096];
	uLongf n = sizeof packed;

	put_be32(header, w);
	put_be32(header + 4, h);
	header[8] = (unsigned char)depth;
	header[9] = (unsigned char)colour;
	ck_assert_int_eq(compress(packed, &n, rows, size), Z_OK);
	out->n = 0;
	sf_bytes_add(out, "\x89PNG\r\n\x1a\n", 8);
	chunk(out, "IHDR", header, sizeof header);
	if (extra)
		chunk(out, extra, extra_data, extra_size);
	chunk(out, "IDAT", packed, n);
	chunk(out, "IEND", NULL, 0);
}

void make_gzip(sf_bytes *out, const void *bytes, size_t size)
{
	unsigned char packed[8192], *copy = malloc(size + 1);
	z_stream z;

	ck_assert_ptr_nonnull(copy);
	memcpy(copy, bytes, size);
	memset(&z, 0, sizeof z);
	ck_assert_int_eq(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = copy;
	z.avail_in = (uInt)size;
	z.next_out = packed;
	z.avail_out = sizeof packed;
	ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
	sf_bytes_add(out, packed, sizeof packed - z.avail_out);
	deflateEnd(&z);
	free(copy);
}
