/* export.c: the weights of a checkpoint under the names and in the layout of a map.
 *
 * Tensors in the order of their names, so that the file depends on weights and configuration alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"
#include "train/map.h"
#include "train/meta.h"

#include <stdlib.h>
#include <string.h>

static size_t width(sf_dtype type)
{
	return type == SF_F32 ? sizeof(float) : sizeof(double);
}

static int by_name(const void *a, const void *b)
{
	const sf_named *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (x->rule->part > y->rule->part) - (x->rule->part < y->rule->part);
}

/* One parameter's numbers to their places. */
static void lay_out(const sf_named *l, sf_dtype type, const void *params, void *out)
{
	const sf_param_info *p = l->param;
	int64_t i;

	for (i = 0; i < p->shape.size; i++) {
		int64_t to = sf_layout_place(l->rule, &p->shape, i);

		if (type == SF_F32)
			((float *)out)[to] = ((const float *)params)[p->offset + i];
		else
			((double *)out)[to] = ((const double *)params)[p->offset + i];
	}
}

/* The tensor of link[0] and of the parts after it; returns how many links that took. */
static int make_tensor(sf_ctx *ctx, const sf_named *link, int n, sf_dtype type, const void *params, sf_tensor_out *t)
{
	int64_t of = link->rule->of, size = link->param->shape.size * of;
	void *data;
	int k;

	t->name = link->name;
	t->type = type == SF_F32 ? SF_FLOAT32 : SF_FLOAT64;
	sf_layout_shape(link->rule, &link->param->shape, &t->rank, t->dim);
	t->data = data = sf_alloc((size_t)size, width(type));
	if (!data)
		return sf_fail(ctx, SF_ENOMEM, "export: out of memory");
	for (k = 0; k < n && strcmp(link[k].name, link->name) == 0; k++)
		lay_out(&link[k], type, params, data);
	if (k != of)
		return sf_fail(ctx, SF_EMISMATCH, "the map gives '%.120s' %d of its %lld parts", link->name, k, (long long)of);
	return k;
}

static int make_all(const sf_setup *s, sf_named *link, int n, const void *params, sf_tensor_out *t, int *count)
{
	int i, took;

	qsort(link, (size_t)n, sizeof *link, by_name);
	*count = 0;
	for (i = 0; i < n; i += took) {
		took = make_tensor(s->ctx, link + i, n - i, s->type, params, &t[(*count)++]);
		if (took < 0)
			return took;
	}
	return SF_OK;
}

static int write_all(const sf_setup *s, const sf_graph *g, const sf_map *map, const sf_state *st, const char *file,
                     int *tensors)
{
	const void *params = st->ema ? st->ema : st->param;
	int n = sf_param_count(g), i, rc, unknown, count = 0;
	sf_tensor_out *t = sf_alloc((size_t)n + 1, sizeof *t);
	sf_named *link = NULL;
	sf_meta meta;

	memset(&meta, 0, sizeof meta);
	rc = t ? sf_map_links(map, g, s->model.rank == 3 ? s->model.dim[0] : 0, &link, &unknown)
	       : sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", file);
	for (i = 0; rc == 0 && i < n; i++)
		if (!link[i].rule)
			rc = sf_fail(s->ctx, SF_EMISMATCH, "map '%.60s' has no names for %d parameter%s of net '%.200s': '%.120s' is "
			             "the first", map->name, unknown, unknown > 1 ? "s" : "", sf_spec(s->net),
			             link[i].param->name);
	if (rc == 0)
		rc = make_all(s, link, n, params, t, &count);
	if (rc == 0)
		rc = sf_meta_export(s, st->step, map->name, st->ema ? "ema" : "model", &meta);
	if (rc == 0)
		rc = sf_tensors_write(s->ctx, file, count, t, meta.n, meta.key, meta.value);
	sf_meta_free(&meta);
	for (i = 0; t && i < count; i++) {
		const void *data = t[i].data;
		void *mine;

		memcpy(&mine, &data, sizeof mine);
		sf_free(mine);
	}
	sf_free(link);
	sf_free(t);
	if (rc == 0 && tensors)
		*tensors = count;
	return rc;
}

int sf_export(const sf_setup *s, const char *checkpoint, const char *map_name, int raw, const char *file, int *tensors)
{
	sf_graph *g = NULL;
	sf_map *map = NULL;
	sf_state st;
	int rc;

	memset(&st, 0, sizeof st);
	SF_TRY(sf_map_open(s->ctx, map_name ? map_name : "own", &map));
	rc = sf_graph_new(s->ctx, 1, &g);
	if (rc == 0)
		rc = sf_setup_layout(s, g);
	if (rc == 0) {
		st.type = s->type;
		st.total = sf_param_total(g);
		*(raw ? &st.param : &st.ema) = sf_alloc((size_t)st.total, width(st.type));
		if (!st.param && !st.ema)
			rc = sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", file);
	}
	if (rc == 0)
		rc = sf_checkpoint_load(s, g, checkpoint, &st);
	if (rc == 0)
		rc = write_all(s, g, map, &st, file, tensors);
	sf_state_free(&st);
	sf_graph_free(g);
	sf_map_free(map);
	return rc;
}
