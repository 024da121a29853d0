/* io.h: files. All formats are little-endian and carry no code. Writers write to a temporary name in the same
 * folder, flush to disk and rename, so that a reader sees the old file or the new one. Readers check
 * every number before use; a message names file, field and what was expected.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_IO_H
#define SCOREFIELD_IO_H

#include <scorefield/context.h>

SF_BEGIN

enum { SF_ARRAY_MAXRANK = 8 };
typedef enum { SF_U8, SF_I8, SF_I16, SF_U16, SF_I32, SF_U32, SF_I64, SF_U64, SF_FLOAT32, SF_FLOAT64 } sf_element;
SF_API size_t sf_element_size(sf_element type);

typedef struct sf_array { /* row-major, native byte order */
	sf_element type;
	int rank;
	int64_t dim[SF_ARRAY_MAXRANK];
	int64_t size; /* product of dim */
	void *data;   /* owned; sf_array_free */
} sf_array;
SF_API void sf_array_free(sf_array *a);
/* Element i as a double, whatever the type. */
SF_API double sf_array_get(const sf_array *a, int64_t i);

/* The folders in which shipped files (presets, digits) are looked for, best first: SCOREFIELD_DATA if it
 * is set, then the installed one. NULL past the end. */
SF_API const char *sf_data_dir(int i);

/* Whole files. Reading: at most `max` bytes (SF_ERANGE); a zero that is not counted follows them; the caller
 * frees *bytes with free(). Writing replaces the file as a whole or leaves it as it was; devices and pipes
 * are written as they are. SF_EIO with the system's reason. */
SF_API int sf_file_read(sf_ctx *ctx, const char *path, size_t max, unsigned char **bytes, size_t *size);
SF_API int sf_file_write(sf_ctx *ctx, const char *path, const void *bytes, size_t size);

/* NumPy's NPY 1.0 to 3.0 (either byte order and memory order read; little-endian C order written). */
SF_API int sf_npy_read(sf_ctx *ctx, const char *path, sf_array *a);
SF_API int sf_npy_write(sf_ctx *ctx, const char *path, const sf_array *a);
SF_API int sf_npy_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size, sf_array *a);
/* NPZ, a stored zip of NPY files: "samples" and optionally others. SF_ERANGE from 4 GiB on. */
SF_API int sf_npz_write(sf_ctx *ctx, const char *path, int n, const char *const *names,
                        const sf_array *const *arrays);

/* 8-bit PNG, c = 1 (grey) or 3 (RGB), (h,w,c) row-major. Reading expands palettes and 16 bits, drops
 * alpha by compositing on black, and returns c = 1 for grey files; the caller frees *pixels with free(). */
SF_API int sf_png_read(sf_ctx *ctx, const char *path, int64_t *h, int64_t *w, int *c, unsigned char **pixels);
SF_API int sf_png_write(sf_ctx *ctx, const char *path, int64_t h, int64_t w, int c, const unsigned char *pixels);
/* n images (n,h,w,c) as a grid of `cols` columns (0: near square) with `pad` background pixels between. */
SF_API int sf_png_grid(sf_ctx *ctx, const char *path, int64_t n, int64_t h, int64_t w, int c, int64_t cols,
                       int pad, const unsigned char *pixels);

/* safetensors: a JSON header and raw tensors. */
typedef struct sf_tensor {
	char *name;
	char dtype[8]; /* "F32", "F64", "U8", "I64", ... as in the file */
	int rank;
	int64_t dim[SF_ARRAY_MAXRANK];
	int64_t size;        /* elements */
	size_t bytes;
	unsigned char *data; /* little-endian, inside the file's block */
} sf_tensor;
typedef struct sf_tensors {
	int n;
	sf_tensor *tensor;
	int nmeta;
	char **key, **value; /* __metadata__ */
	unsigned char *block; /* owned */
} sf_tensors;
SF_API int sf_tensors_read(sf_ctx *ctx, const char *path, sf_tensors *t);
/* The same from memory that free() releases; owned by *t, and freed on failure. */
SF_API int sf_tensors_parse(sf_ctx *ctx, const char *what, unsigned char *bytes, size_t size, sf_tensors *t);
SF_API void sf_tensors_free(sf_tensors *t);
SF_API const sf_tensor *sf_tensors_find(const sf_tensors *t, const char *name); /* or NULL */
SF_API const char *sf_tensors_meta(const sf_tensors *t, const char *key);       /* or NULL */
/* Elements as double or float in native order; SF_EFORMAT for a type that is not a number. */
SF_API int sf_tensor_to_double(sf_ctx *ctx, const sf_tensor *t, double *out);
SF_API int sf_tensor_to_float(sf_ctx *ctx, const sf_tensor *t, float *out);

typedef struct sf_tensor_out { /* what to write: native order, converted while writing */
	const char *name;
	sf_element type;
	int rank;
	int64_t dim[SF_ARRAY_MAXRANK];
	const void *data;
} sf_tensor_out;
SF_API int sf_tensors_write(sf_ctx *ctx, const char *path, int n, const sf_tensor_out *tensors, int nmeta,
                            const char *const *keys, const char *const *values);

/* TensorBoard event file: append scalars and images. */
typedef struct sf_events sf_events;
SF_API int sf_events_open(sf_ctx *ctx, const char *dir, sf_events **e);
SF_API int sf_events_scalar(sf_events *e, int64_t step, const char *tag, double value);
SF_API int sf_events_image(sf_events *e, int64_t step, const char *tag, const char *png_path);
SF_API void sf_events_close(sf_events *e);

SF_END
#endif
