/* safetensors_read.c: a safetensors file is
 *
 *     u64 N (little-endian)   N bytes of JSON   tensors
 *
 * and the JSON maps names to {"dtype", "shape", "data_offsets": [begin, end)} relative to the first
 * byte after it, and "__metadata__" to strings. Checked before anything is used: N at most 100 MB
 * and inside the file; JSON that starts with '{', without duplicate keys; whole numbers; dtype x
 * shape (with overflow checks) = end - begin; tensors side by side from the first byte to the
 * file's last, no hole and no overlap.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 100000000u

static const struct {
	const char *name;
	int bits;
} dtypes[] = {{"F32", 32},    {"F64", 64},    {"F16", 16},    {"BF16", 16},   {"U8", 8},
              {"I8", 8},      {"I16", 16},    {"U16", 16},    {"I32", 32},    {"U32", 32},
              {"I64", 64},    {"U64", 64},    {"BOOL", 8},    {"C64", 64},    {"F8_E5M2", 8},
              {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"F4", 4}};

/* A non-negative whole number. */
static int count(const json_t *j, int64_t *v)
{
	if (!json_is_integer(j) || json_integer_value(j) < 0)
		return -1;
	*v = json_integer_value(j);
	return 0;
}

static int read_dtype(sf_ctx *ctx, const char *what, const json_t *j, sf_tensor *t, int *bits)
{
	const char *s = json_string_value(j);
	size_t i;

	if (!s)
		return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%.80s': dtype is not a string", what,
		               t->name);
	for (i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
		if (strcmp(s, dtypes[i].name) == 0) {
			strcpy(t->dtype, s);
			*bits = dtypes[i].bits;
			return SF_OK;
		}
	return sf_fail(ctx, SF_EUNSUP, "%s: tensor '%.80s': unknown dtype '%.20s'", what, t->name,
	               s);
}

static int read_shape(sf_ctx *ctx, const char *what, const json_t *j, int bits, sf_tensor *t)
{
	int64_t total;
	size_t i;

	if (!json_is_array(j))
		return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%.80s': shape is not a list", what,
		               t->name);
	if (json_array_size(j) > SF_ARRAY_MAXRANK)
		return sf_fail(ctx, SF_EUNSUP,
		               "%s: tensor '%.80s': %zu dimensions; at most %d are supported", what,
		               t->name, json_array_size(j), SF_ARRAY_MAXRANK);
	t->rank = (int)json_array_size(j);
	for (i = 0; i < json_array_size(j); i++)
		if (count(json_array_get(j, i), &t->dim[i]) < 0)
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: tensor '%.80s': shape has an entry that is not a whole "
			               "number >= 0",
			               what, t->name);
	if (sf_shape_size(t->rank, t->dim, (size_t)bits, &t->size, &total) < 0)
		return sf_fail(ctx, SF_ERANGE, "%s: tensor '%.80s': the product of shape overflows",
		               what, t->name);
	if (total % 8 != 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%.80s' does not fill whole bytes",
		               what, t->name);
	t->bytes = (size_t)(total / 8);
	return SF_OK;
}

static int read_tensor(sf_ctx *ctx, const char *what, const char *name, const json_t *j,
                       unsigned char *data, size_t size, sf_tensor *t)
{
	const json_t *offsets = json_object_get(j, "data_offsets");
	int64_t begin, end;
	int bits = 0;

	t->name = sf_strdup(name);
	if (!t->name)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	if (!json_is_object(j))
		return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%.80s' is not an object", what, name);
	SF_TRY(read_dtype(ctx, what, json_object_get(j, "dtype"), t, &bits));
	SF_TRY(read_shape(ctx, what, json_object_get(j, "shape"), bits, t));
	if (json_array_size(offsets) != 2 || count(json_array_get(offsets, 0), &begin) < 0 ||
	    count(json_array_get(offsets, 1), &end) < 0)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: tensor '%.80s': data_offsets is not [begin, end]", what, name);
	if (begin > end || (uint64_t)end > size)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: tensor '%.80s': data_offsets [%lld, %lld] outside the file's "
		               "%zu bytes of "
		               "data",
		               what, name, (long long)begin, (long long)end, size);
	if ((uint64_t)(end - begin) != t->bytes)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: tensor '%.80s': data_offsets span %lld bytes; dtype and shape "
		               "need %zu",
		               what, name, (long long)(end - begin), t->bytes);
	t->data = data + begin;
	return SF_OK;
}

static int read_metadata(sf_ctx *ctx, const char *what, json_t *j, sf_tensors *t)
{
	const char *key;
	json_t *v;
	int i = 0;

	if (!json_is_object(j))
		return sf_fail(ctx, SF_EFORMAT, "%s: __metadata__ is not an object", what);
	t->key = sf_alloc(json_object_size(j), sizeof *t->key);
	t->value = sf_alloc(json_object_size(j), sizeof *t->value);
	if (!t->key || !t->value)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	json_object_foreach (j, key, v) {
		if (!json_is_string(v))
			return sf_fail(ctx, SF_EFORMAT, "%s: __metadata__ '%.80s' is not a string",
			               what, key);
		t->nmeta = i + 1;
		t->key[i] = sf_strdup(key);
		t->value[i] = sf_strdup(json_string_value(v));
		if (!t->key[i] || !t->value[i])
			return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
		i++;
	}
	return SF_OK;
}

static int by_place(const void *a, const void *b)
{
	const sf_tensor *s = a, *t = b;

	if (s->data != t->data)
		return s->data < t->data ? -1 : 1;
	if ((s->bytes == 0) !=
	    (t->bytes == 0)) /* an empty tensor lies before the one that starts with it */
		return s->bytes == 0 ? -1 : 1;
	return strcmp(s->name, t->name);
}

static int read_all(sf_ctx *ctx, const char *what, json_t *root, unsigned char *data, size_t size,
                    sf_tensors *t)
{
	const char *name;
	json_t *v;
	size_t at = 0;
	int i;

	if (json_object_size(root) > 1000000)
		return sf_fail(ctx, SF_ERANGE, "%s: more than a million tensors", what);
	t->tensor = sf_alloc(json_object_size(root), sizeof *t->tensor);
	if (!t->tensor)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	json_object_foreach (root, name, v) {
		if (strcmp(name, "__metadata__") == 0)
			SF_TRY(read_metadata(ctx, what, v, t));
		else
			SF_TRY(read_tensor(ctx, what, name, v, data, size, &t->tensor[t->n++]));
	}
	qsort(t->tensor, (size_t)t->n, sizeof *t->tensor, by_place);
	for (i = 0; i < t->n; i++) {
		if (t->tensor[i].data != data + at)
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: tensor '%.80s' starts at byte %zu; expected %zu (%s)",
			               what, t->tensor[i].name, (size_t)(t->tensor[i].data - data),
			               at, t->tensor[i].data < data + at ? "overlap" : "hole");
		at += t->tensor[i].bytes;
	}
	if (at != size)
		return sf_fail(ctx, SF_EFORMAT, "%s: %zu bytes behind the last tensor", what,
		               size - at);
	return SF_OK;
}

int sf_tensors_parse(sf_ctx *ctx, const char *what, unsigned char *bytes, size_t size,
                     sf_tensors *t)
{
	uint64_t length = size >= 8 ? sf_get_le64(bytes) : 0;
	json_error_t error;
	json_t *root;
	int rc;

	memset(t, 0, sizeof *t);
	t->block = bytes;
	if (size < 8)
		rc = sf_fail(ctx, SF_EFORMAT,
		             "%s: truncated: %zu bytes; a safetensors file has at least 8", what,
		             size);
	else if (length > HEADER_MAX)
		rc = sf_fail(
			ctx, SF_EFORMAT,
			"%s: not a safetensors file: header of %llu bytes; expected at most %u",
			what, (unsigned long long)length, HEADER_MAX);
	else if (length > size - 8)
		rc = sf_fail(ctx, SF_EFORMAT, "%s: truncated safetensors header: %zu of %llu bytes",
		             what, size - 8, (unsigned long long)length);
	else if (length == 0 || bytes[8] != '{')
		rc = sf_fail(ctx, SF_EFORMAT, "%s: the safetensors header does not start with '{'",
		             what);
	else if (!(root = json_loadb((const char *)bytes + 8, (size_t)length,
	                             JSON_REJECT_DUPLICATES, &error)))
		rc = sf_fail(ctx, SF_EFORMAT, "%s: safetensors header: %.100s at byte %d", what,
		             error.text, 8 + error.position);
	else {
		rc = read_all(ctx, what, root, bytes + 8 + length, size - 8 - (size_t)length, t);
		json_decref(root);
	}
	if (rc < 0)
		sf_tensors_free(t);
	return rc;
}

int sf_tensors_read(sf_ctx *ctx, const char *path, sf_tensors *t)
{
	unsigned char *bytes;
	size_t size;

	memset(t, 0, sizeof *t);
	SF_TRY(sf_file_read(ctx, path, SIZE_MAX, &bytes, &size));
	return sf_tensors_parse(ctx, path, bytes, size, t);
}

void sf_tensors_free(sf_tensors *t)
{
	int i;

	for (i = 0; i < t->n; i++)
		sf_free(t->tensor[i].name);
	for (i = 0; i < t->nmeta; i++) {
		sf_free(t->key[i]);
		sf_free(t->value[i]);
	}
	sf_free(t->tensor);
	sf_free(t->key);
	sf_free(t->value);
	sf_free(t->block);
	memset(t, 0, sizeof *t);
}

const sf_tensor *sf_tensors_find(const sf_tensors *t, const char *name)
{
	int i;

	for (i = 0; i < t->n; i++)
		if (strcmp(t->tensor[i].name, name) == 0)
			return &t->tensor[i];
	return NULL;
}

const char *sf_tensors_meta(const sf_tensors *t, const char *key)
{
	int i;

	for (i = 0; i < t->nmeta; i++)
		if (strcmp(t->key[i], key) == 0)
			return t->value[i];
	return NULL;
}
