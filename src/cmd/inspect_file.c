/* inspect_file.c: what is in a file.
 *
 *     .safetensors  tensors with type, shape and norm; metadata
 *     .npy, .png    shape, type, range and moments
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n > k && strcmp(s + n - k, end) == 0;
}

/* ---- tensors ---- */

static void shape_text(int rank, const int64_t *dim, char *text, size_t size)
{
	size_t used = 0;
	int i;

	text[0] = '\0';
	for (i = 0; i < rank && used + 24 < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "x" : "",
		                         (long long)dim[i]);
	if (rank == 0)
		snprintf(text, size, "scalar");
}

static json_t *json_shape(int rank, const int64_t *dim)
{
	json_t *j = json_array();
	int i;

	for (i = 0; i < rank; i++)
		json_array_append_new(j, json_integer(dim[i]));
	return j;
}

/* Root mean square; NaN for what is not a number. */
static double rms(sf_ctx *ctx, const sf_tensor *t)
{
	double *x = malloc(((size_t)t->size + 1) * sizeof *x), sum = 0;
	int64_t i;

	if (!x || sf_tensor_to_double(ctx, t, x) < 0 || t->size == 0) {
		free(x);
		return nan("");
	}
	for (i = 0; i < t->size; i++)
		sum += x[i] * x[i];
	free(x);
	return sqrt(sum / (double)t->size);
}

static int tensors_json(sf_ctx *ctx, const char *file, const sf_tensors *t)
{
	json_t *list = json_array(), *meta = json_object();
	int i;

	for (i = 0; i < t->n; i++)
		json_array_append_new(list,
		                      json_pack("{s:s, s:s, s:o, s:o}", "name", t->tensor[i].name,
		                                "dtype", t->tensor[i].dtype, "shape",
		                                json_shape(t->tensor[i].rank, t->tensor[i].dim),
		                                "rms", json_number(rms(ctx, &t->tensor[i]))));
	for (i = 0; i < t->nmeta; i++)
		json_object_set_new(meta, t->key[i], json_string(t->value[i]));
	return out_json(
		json_pack("{s:s, s:o, s:o}", "file", file, "tensors", list, "metadata", meta));
}

int inspect_tensors(sf_ctx *ctx, const common *o, const char *file)
{
	double elements = 0, bytes = 0;
	char shape[200], size[32];
	sf_tensors t;
	int i, rc = sf_tensors_read(ctx, file, &t);

	if (rc < 0)
		return rc;
	if (o->json) {
		rc = tensors_json(ctx, file, &t);
		sf_tensors_free(&t);
		return rc;
	}
	for (i = 0; i < t.nmeta; i++)
		out("%s%-12s%s %s\n", paint('b'), t.key[i], paint(0), t.value[i]);
	for (i = 0; i < t.n; i++) {
		shape_text(t.tensor[i].rank, t.tensor[i].dim, shape, sizeof shape);
		elements += (double)t.tensor[i].size;
		bytes += (double)t.tensor[i].bytes;
		if (!o->quiet)
			out("  %-44s %-4s %-16s rms %.4g\n", t.tensor[i].name, t.tensor[i].dtype,
			    shape, rms(ctx, &t.tensor[i]));
	}
	format_bytes(bytes, size, sizeof size);
	out("%d tensors, %.0f numbers, %s\n", t.n, elements, size);
	sf_tensors_free(&t);
	return 0;
}

/* ---- arrays and pictures ---- */

static int print_values(const common *o, const char *file, const char *type, int rank,
			const int64_t *dim, const sf_array *a)
{
	double lo = INFINITY, hi = -INFINITY, mean = 0, ss = 0, good = 0;
	char shape[200];
	int64_t i;

	for (i = 0; i < a->size; i++) {
		double v = sf_array_get(a, i), d = v - mean;

		if (!isfinite(v))
			continue;
		lo = fmin(lo, v);
		hi = fmax(hi, v);
		mean += d / ++good;
		ss += d * (v - mean);
	}
	if (o->json)
		return out_json(json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:I}", "file", file,
		                          "type", type, "shape", json_shape(rank, dim), "min",
		                          json_number(lo), "max", json_number(hi), "mean",
		                          json_number(good > 0 ? mean : nan("")), "std",
		                          json_number(sqrt(ss / good)), "not_finite",
		                          (json_int_t)((double)a->size - good)));
	shape_text(rank, dim, shape, sizeof shape);
	out("%s: %s, %s\n", file, type, shape);
	if (good > 0)
		out("min %.6g  max %.6g  mean %.6g  std %.6g\n", lo, hi, mean, sqrt(ss / good));
	if (good < (double)a->size)
		out("%.0f values are not finite\n", (double)a->size - good);
	return 0;
}

static int inspect_npy(sf_ctx *ctx, const common *o, const char *file)
{
	static const char *const names[] = {"uint8",  "int8",  "int16",  "uint16",  "int32",
	                                    "uint32", "int64", "uint64", "float32", "float64"};
	sf_array a;
	int rc = sf_npy_read(ctx, file, &a);

	if (rc < 0)
		return rc;
	rc = print_values(o, file, names[a.type], a.rank, a.dim, &a);
	sf_array_free(&a);
	return rc;
}

static int inspect_png(sf_ctx *ctx, const common *o, const char *file)
{
	unsigned char *pixels = NULL;
	sf_array a;
	int c = 0, rc;

	memset(&a, 0, sizeof a);
	rc = sf_png_read(ctx, file, &a.dim[0], &a.dim[1], &c, &pixels);
	if (rc < 0)
		return rc;
	a.type = SF_U8;
	a.rank = 3;
	a.dim[2] = c;
	a.size = a.dim[0] * a.dim[1] * c;
	a.data = pixels;
	rc = print_values(o, file, "PNG", 3, a.dim, &a);
	free(pixels);
	return rc;
}

int inspect_is_file(const char *name)
{
	return ends_in(name, ".safetensors") || ends_in(name, ".npy") || ends_in(name, ".png");
}

int inspect_file(sf_ctx *ctx, const common *o, const char *file)
{
	if (ends_in(file, ".npy"))
		return inspect_npy(ctx, o, file);
	if (ends_in(file, ".png"))
		return inspect_png(ctx, o, file);
	return inspect_tensors(ctx, o, file);
}
