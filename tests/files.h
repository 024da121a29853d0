/* files.h: making files, whole and broken, for tests of readers.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_FILES_H
#define SF_TEST_FILES_H

#include "support.h"

#include "io/io.h"

/* dir/name; one of eight buffers in turn. */
const char *in_dir(const char *dir, const char *name);
/* Writes a file with plain stdio, not with the code under test. */
void put_file(const char *path, const void *bytes, size_t size);
/* Entries of a folder, dots not counted. */
int count_files(const char *dir);

/* rc is `code`, and the message is one line that has `part` in it. */
void assert_failed(sf_ctx *ctx, int rc, int code, const char *part);

/* A PNG file made by hand: signature, IHDR, an optional chunk, IDAT with `rows` (filter bytes
 * included), IEND. */
void make_png(sf_bytes *out, uint32_t w, uint32_t h, int depth, int colour, const char *extra,
              const unsigned char *extra_data, size_t extra_size, const unsigned char *rows,
              size_t size);
/* gzip of bytes, by zlib. */
void make_gzip(sf_bytes *out, const void *bytes, size_t size);

#endif
