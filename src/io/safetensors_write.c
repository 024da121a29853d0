/* safetensors_write.c: tensors by falling alignment, then by name; the header is padded with spaces
 * so that the first tensor starts at a multiple of 8. Elements are converted to little-endian while
 * they are written.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"
#include "io/endian.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 100000000u

static const char *dtype(sf_element type)
{
	switch (type) {
	case SF_U8:
		return "U8";
	case SF_I8:
		return "I8";
	case SF_I16:
		return "I16";
	case SF_U16:
		return "U16";
	case SF_I32:
		return "I32";
	case SF_U32:
		return "U32";
	case SF_I64:
		return "I64";
	case SF_U64:
		return "U64";
	case SF_FLOAT32:
		return "F32";
	case SF_FLOAT64:
		return "F64";
	}
	return NULL;
}

static int by_alignment(const void *a, const void *b)
{
	const sf_tensor_out *s = *(const sf_tensor_out *const *)a,
			    *t = *(const sf_tensor_out *const *)b;
	size_t x = sf_element_size(s->type), y = sf_element_size(t->type);

	return x != y ? (x > y ? -1 : 1) : strcmp(s->name, t->name);
}

/* {"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}; NULL where memory runs out. */
static json_t *describe(const sf_tensor_out *t, int64_t begin, int64_t end)
{
	json_t *j = json_object(), *shape = json_array(), *offsets = json_array();
	int i, bad = 0;

	for (i = 0; i < t->rank; i++)
		bad |= json_array_append_new(shape, json_integer(t->dim[i]));
	bad |= json_array_append_new(offsets, json_integer(begin));
	bad |= json_array_append_new(offsets, json_integer(end));
	bad |= json_object_set_new(j, "dtype", json_string(dtype(t->type)));
	bad |= json_object_set_new(j, "shape", shape);
	bad |= json_object_set_new(j, "data_offsets", offsets);
	if (!bad)
		return j;
	json_decref(j);
	return NULL;
}

static int add_metadata(sf_ctx *ctx, const char *path, int nmeta, const char *const *keys,
                        const char *const *values, json_t *root)
{
	json_t *meta = json_object();
	int i;

	for (i = 0; i < nmeta; i++)
		if (json_object_get(meta, keys[i]) ||
		    json_object_set_new(meta, keys[i], json_string(values[i])) < 0) {
			json_decref(meta);
			return sf_fail(ctx, SF_EINVAL,
			               "%s: metadata '%.80s' is given twice or is not UTF-8", path,
			               keys[i]);
		}
	if (json_object_set_new(root, "__metadata__", meta) < 0)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	return SF_OK;
}

static int add_tensors(sf_ctx *ctx, const char *path, int n, const sf_tensor_out *const *order,
                       json_t *root)
{
	int64_t at = 0, size, bytes;
	int i;

	for (i = 0; i < n; i++) {
		const sf_tensor_out *t = order[i];

		if (json_object_get(root, t->name) || strcmp(t->name, "__metadata__") == 0)
			return sf_fail(ctx, SF_EINVAL, "%s: two tensors are named '%.80s'", path,
			               t->name);
		if (!dtype(t->type) || t->rank < 0 || t->rank > SF_ARRAY_MAXRANK ||
		    sf_shape_size(t->rank, t->dim, sf_element_size(t->type), &size, &bytes) < 0 ||
		    bytes > INT64_MAX - at)
			return sf_fail(ctx, SF_ERANGE,
			               "%s: tensor '%.80s': bad type, rank or dimensions", path,
			               t->name);
		if (json_object_set_new(root, t->name, describe(t, at, at + bytes)) < 0)
			return sf_fail(ctx, SF_EINVAL, "%s: the tensor name '%.80s' is not UTF-8",
			               path, t->name);
		at += bytes;
	}
	return SF_OK;
}

static void put_out(void *to, const void *bytes, size_t size)
{
	sf_out_put(to, bytes, size);
}

static int write_file(sf_ctx *ctx, const char *path, int n, const sf_tensor_out *const *order,
                      const char *header)
{
	size_t length = strlen(header), padded = (length + 7) / 8 * 8;
	unsigned char head[8];
	sf_out o;
	int i;

	if (padded > HEADER_MAX)
		return sf_fail(ctx, SF_ERANGE, "%s: header of %zu bytes; safetensors allows %u",
		               path, padded, HEADER_MAX);
	SF_TRY(sf_out_open(ctx, path, &o));
	sf_put_le(head, padded, 8);
	sf_out_put(&o, head, 8);
	sf_out_put(&o, header, length);
	sf_out_put(&o, "       ", padded - length);
	for (i = 0; i < n; i++) {
		int64_t size, bytes;

		sf_shape_size(order[i]->rank, order[i]->dim, 1, &size, &bytes);
		sf_emit_le(order[i]->data, (size_t)size, sf_element_size(order[i]->type), put_out,
		           &o);
	}
	return sf_out_close(&o, SF_OK);
}

int sf_tensors_write(sf_ctx *ctx, const char *path, int n, const sf_tensor_out *tensors, int nmeta,
                     const char *const *keys, const char *const *values)
{
	const sf_tensor_out **order = sf_alloc((size_t)(n > 0 ? n : 0), sizeof *order);
	json_t *root = json_object();
	char *header = NULL;
	int i, rc = SF_OK;

	if (n < 0) {
		rc = sf_fail(ctx, SF_EINVAL, "%s: %d tensors", path, n);
		goto done;
	}
	if (!order || !root) {
		rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
		goto done;
	}
	for (i = 0; i < n; i++)
		order[i] = &tensors[i];
	qsort(order, (size_t)n, sizeof *order, by_alignment);
	if (nmeta > 0)
		rc = add_metadata(ctx, path, nmeta, keys, values, root);
	if (rc == 0)
		rc = add_tensors(ctx, path, n, order, root);
	if (rc < 0)
		goto done;
	header = json_dumps(root, JSON_COMPACT); /* members in the order in which they were added */
	rc = header ? write_file(ctx, path, n, order, header)
	            : sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
done:
	free(header);
	json_decref(root);
	sf_free(order);
	return rc;
}
