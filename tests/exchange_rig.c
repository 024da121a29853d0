/* exchange_rig.c: see exchange_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "exchange_rig.h"

#include "model_case.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void exchange_open(exchange_rig *r, const char *net, const char *param, int64_t h, int64_t w, int classes, int augments)
{
	int64_t image[3], point = w;
	sf_model_vars v;

	image[0] = h;
	image[1] = w;
	image[2] = 3;
	r->ctx = ck_ctx();
	r->m = make_model(r->ctx, net, strcmp(param, "sigma-score") == 0 ? "ve" : "vp", param, h ? 3 : 1, h ? image : &point,
	                  classes);
	r->m.augments = augments;
	assert_ok(r->ctx, sf_graph_new(r->ctx, 1, &r->g));
	sf_model_vars_init(&v);
	assert_ok(r->ctx, sf_model_build(&r->m, r->g, 0, &v));
	memset(&r->st, 0, sizeof r->st);
	snprintf(r->dir, sizeof r->dir, "%s", sf_test_mkdir());
}

void exchange_room(exchange_rig *r)
{
	assert_ok(r->ctx, sf_state_new(r->ctx, SF_F64, sf_param_total(r->g), &r->st));
}

void exchange_close(exchange_rig *r)
{
	sf_test_rmdir(r->dir);
	sf_state_free(&r->st);
	sf_graph_free(r->g);
	free_model(&r->m);
	sf_ctx_free(r->ctx);
}

const sf_param_info *exchange_param(const exchange_rig *r, const char *name)
{
	int i;

	for (i = 0; i < sf_param_count(r->g); i++)
		if (strcmp(sf_param_get(r->g, i)->name, name) == 0)
			return sf_param_get(r->g, i);
	ck_abort_msg("no parameter '%s'", name);
	return NULL;
}

static char *copy(const char *s)
{
	char *c = malloc(strlen(s) + 1);

	ck_assert_ptr_nonnull(c);
	return strcpy(c, s);
}

double *bag_add(bag *b, const char *name, int rank, const int64_t *dim, const double *values)
{
	sf_tensor_out *t = &b->t[b->n++];
	int64_t size = 1;
	double *data;
	int i;

	ck_assert_int_le(b->n, BAG_MAX);
	for (i = 0; i < rank; i++)
		size *= t->dim[i] = dim[i];
	data = calloc((size_t)size + 1, sizeof *data);
	ck_assert_ptr_nonnull(data);
	if (values)
		memcpy(data, values, (size_t)size * sizeof *data);
	t->name = copy(name);
	t->type = SF_FLOAT64;
	t->rank = rank;
	t->data = data;
	return data;
}

double *bag_copy(bag *b, sf_ctx *ctx, const sf_tensor *t, const char *name, double more)
{
	double *to = bag_add(b, name, t->rank, t->dim, NULL);
	int64_t i;

	assert_ok(ctx, sf_tensor_to_double(ctx, t, to));
	for (i = 0; i < t->size; i++)
		to[i] += more;
	return to;
}

sf_tensor_out *bag_find(bag *b, const char *name)
{
	int i;

	for (i = 0; i < b->n; i++)
		if (strcmp(b->t[i].name, name) == 0)
			return &b->t[i];
	return NULL;
}

static void release(const void *p)
{
	void *mine;

	memcpy(&mine, &p, sizeof mine);
	free(mine);
}

void bag_rename(bag *b, const char *from, const char *to)
{
	sf_tensor_out *t = bag_find(b, from);

	ck_assert_msg(t != NULL, "no tensor '%s'", from);
	release(t->name);
	t->name = copy(to);
}

void bag_drop(bag *b, const char *name)
{
	sf_tensor_out *t = bag_find(b, name);

	ck_assert_msg(t != NULL, "no tensor '%s'", name);
	release(t->name);
	release(t->data);
	*t = b->t[--b->n];
}

void bag_write(const bag *b, sf_ctx *ctx, const char *path)
{
	assert_ok(ctx, sf_tensors_write(ctx, path, b->n, b->t, 0, NULL, NULL));
}

void bag_free(bag *b)
{
	while (b->n > 0)
		bag_drop(b, b->t[b->n - 1].name);
}

void read_golden(sf_ctx *ctx, const char *name, sf_tensors *t)
{
	char path[200];

	snprintf(path, sizeof path, "tests/golden/networks/%s.safetensors", name);
	assert_ok(ctx, sf_tensors_read(ctx, sf_test_path(path), t));
}

/* Parameter k: base + scale sqrt(12) u, with u of a hash of (seed, k, element). */
static void make_weights(double *x, int64_t n, uint32_t seed, uint32_t k, double base, double scale)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		uint32_t h = (uint32_t)i * UINT32_C(2654435761) + (1000 * seed + k) * UINT32_C(40503) + 12345;

		h ^= h >> 15;
		h *= UINT32_C(2246822519);
		h ^= h >> 13;
		x[i] = (float)(base + scale * sqrt(12) * (h / 4294967296. - .5));
	}
}

static int ends_in(const char *s, const char *end)
{
	size_t n = strlen(s), k = strlen(end);

	return n >= k && strcmp(s + n - k, end) == 0;
}

void golden_weights(bag *b, const sf_tensors *t)
{
	json_t *list = json_loads(sf_tensors_meta(t, "parameters"), 0, NULL);
	uint32_t seed = (uint32_t)strtoul(sf_tensors_meta(t, "seed"), NULL, 10);
	size_t k, j;

	ck_assert_ptr_nonnull(list);
	for (k = 0; k < json_array_size(list); k++) {
		const char *name = json_string_value(json_array_get(json_array_get(list, k), 0));
		json_t *shape = json_array_get(json_array_get(list, k), 1);
		int64_t dim[8], size = 1;
		size_t rank = json_array_size(shape);
		int gain = ends_in(name, "weight") || ends_in(name, "alpha") || ends_in(name, "gamma");

		ck_assert_uint_le(rank, 8);
		for (j = 0; j < rank; j++)
			size *= dim[j] = json_integer_value(json_array_get(shape, j));
		make_weights(bag_add(b, name, (int)rank, dim, NULL), size, seed, (uint32_t)k, rank < 2 && gain,
		             rank < 2 ? .1 : .5 / sqrt((double)(size / dim[0])));
	}
	json_decref(list);
}

int exchange_import(exchange_rig *r, const char *path, const sf_import_options *o, sf_import_report *report)
{
	sf_import_report unused;
	sf_tensors t;
	int rc;

	assert_ok(r->ctx, sf_tensors_read(r->ctx, path, &t));
	rc = sf_import_weights(&r->m, &t, path, o, &r->st, report ? report : &unused);
	sf_tensors_free(&t);
	return rc;
}
