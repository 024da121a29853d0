/* io.h: what the readers and writers share: data directories, buffered atomic output, gunzip, PNG
 * and event records on memory. The public face is scorefield/io.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_IO_H
#define SF_IO_H

#include <scorefield/io.h>

#include "core/core.h"

/* ---- find.c ---- */
enum { SF_PATH_MAX = 4096 };
/* Path of a shipped file ("presets/digits.ini", "digits-images-idx3-ubyte.gz") in the first of
 * sf_data_dir's directories that has it. SF_ENAME tells where it was looked for. */
int sf_data_find(sf_ctx *ctx, const char *name, char *path, size_t size);
/* dir/name into path; SF_ERANGE where it does not fit. */
int sf_path_join(sf_ctx *ctx, const char *dir, const char *name, char *path, size_t size);

/* ---- write.c: a file that appears whole or not at all ---- */
typedef struct sf_out {
	sf_ctx *ctx;
	const char *path; /* the caller's; must outlive the sf_out */
	char *temp;       /* temporary name; NULL where `path` itself is written (devices, pipes) */
	char *target;     /* final name: `path` with symbolic links resolved */
	unsigned char *buf;
	size_t used;
	int fd, rc; /* rc: the first error; later calls do nothing */
} sf_out;
int sf_out_open(sf_ctx *ctx, const char *path, sf_out *o);
void sf_out_put(sf_out *o, const void *bytes, size_t size);
/* Commits if rc and all before it went well, else removes the temporary file. Returns the first
 * error. */
int sf_out_close(sf_out *o, int rc);

/* ---- array.c ---- */
/* Makes an array of zeros; dimensions and their product are checked. SF_ERANGE, SF_ENOMEM. */
int sf_array_new(sf_ctx *ctx, const char *what, sf_element type, int rank, const int64_t *dim,
                 sf_array *a);
/* Elements first .. first+n as doubles. */
void sf_array_range(const sf_array *a, int64_t first, int64_t n, double *out);
/* Product of dimensions, each >= 0, times the element size: -1 where it overflows int64_t. */
int sf_shape_size(int rank, const int64_t *dim, size_t element, int64_t *size, int64_t *bytes);

/* ---- gunzip.c ---- */
int sf_gzip_is(const unsigned char *bytes, size_t size);
/* Inflates a whole gzip file (all members), at most `max` bytes. SF_EFORMAT, SF_ERANGE, SF_ENOMEM.
 */
int sf_gunzip(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size, size_t max,
              unsigned char **out, size_t *out_size);

/* ---- idx.c ---- */
/* The IDX format of MNIST: 0 0 type rank, big-endian sizes, big-endian elements, row-major; plain
 * or gzip. */
int sf_idx_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size,
                 sf_array *a);
int sf_idx_read(sf_ctx *ctx, const char *path, sf_array *a);

/* ---- npy_write.c ---- */
/* Hands the bytes of an NPY file, piece by piece, to `put`. */
typedef void (*sf_put_fn)(void *to, const void *bytes, size_t size);
int sf_npy_emit(sf_ctx *ctx, const char *what, const sf_array *a, sf_put_fn put, void *to,
                size_t *size);
/* Elements of native order as little-endian bytes. */
void sf_emit_le(const void *data, size_t count, size_t element, sf_put_fn put, void *to);

/* ---- png.c ---- */
int sf_png_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size, int64_t *h,
                 int64_t *w, int *c, unsigned char **pixels);

/* ---- tfevents.c, crc32c.c ---- */
uint32_t sf_crc32c(const unsigned char *bytes, size_t size);
uint32_t sf_crc32c_mask(uint32_t crc);
typedef struct sf_bytes { /* a growing byte string */
	unsigned char *p;
	size_t n, cap;
	int failed;
} sf_bytes;
void sf_bytes_add(sf_bytes *b, const void *p, size_t n);
void sf_bytes_free(sf_bytes *b);
/* Appends one framed record that holds an event. */
void sf_events_header(sf_bytes *out, double wall);
void sf_events_encode_scalar(sf_bytes *out, double wall, int64_t step, const char *tag,
                             float value);

#endif
