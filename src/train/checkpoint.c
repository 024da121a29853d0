/* checkpoint.c: weights, moving average and Adam's moments as a safetensors file; tensors "param.NAME", "ema.NAME",
 * "adam.m.NAME", "adam.v.NAME".
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"
#include "train/meta.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KINDS = 4 };
static const char *const prefixes[KINDS] = {"param.", "ema.", "adam.m.", "adam.v."};

static void *buffer(const sf_state *st, int kind)
{
	void *const all[KINDS] = {st->param, st->ema, st->m, st->v};

	return all[kind];
}

static size_t width(sf_dtype type)
{
	return type == SF_F32 ? sizeof(float) : sizeof(double);
}

int sf_state_new(sf_ctx *ctx, sf_dtype type, int64_t total, sf_state *st)
{
	size_t e = width(type);

	memset(st, 0, sizeof *st);
	st->type = type;
	st->total = total;
	st->param = sf_alloc((size_t)total, e);
	st->ema = sf_alloc((size_t)total, e);
	st->m = sf_alloc((size_t)total, e);
	st->v = sf_alloc((size_t)total, e);
	if (st->param && st->ema && st->m && st->v)
		return SF_OK;
	sf_state_free(st);
	return sf_fail(ctx, SF_ENOMEM, "out of memory for %lld parameters", (long long)total);
}

void sf_state_free(sf_state *st)
{
	sf_free(st->param);
	sf_free(st->ema);
	sf_free(st->m);
	sf_free(st->v);
	memset(st, 0, sizeof *st);
}

int sf_checkpoint_save(const sf_setup *s, const sf_graph *g, const sf_state *st, const char *path)
{
	int np = sf_param_count(g), i, k, n = 0, rc;
	sf_tensor_out *t = sf_alloc((size_t)np * KINDS + 1, sizeof *t);
	char **name = sf_alloc((size_t)np * KINDS + 1, sizeof *name);
	sf_meta meta;

	rc = sf_meta_make(s, st, &meta);
	if (rc == 0 && (!t || !name))
		rc = sf_fail(s->ctx, SF_ENOMEM, "checkpoint: out of memory");
	for (k = 0; rc == 0 && k < KINDS; k++) {
		for (i = 0; rc == 0 && buffer(st, k) && i < np; i++, n++) {
			const sf_param_info *p = sf_param_get(g, i);
			size_t len = strlen(prefixes[k]) + strlen(p->name) + 1;

			name[n] = sf_alloc(1, len);
			if (!name[n]) {
				rc = sf_fail(s->ctx, SF_ENOMEM, "checkpoint: out of memory");
				break;
			}
			snprintf(name[n], len, "%s%s", prefixes[k], p->name);
			t[n].name = name[n];
			t[n].type = st->type == SF_F32 ? SF_FLOAT32 : SF_FLOAT64;
			t[n].rank = p->shape.rank;
			memcpy(t[n].dim, p->shape.dim, sizeof p->shape.dim);
			t[n].data = (const char *)buffer(st, k) + (size_t)p->offset * width(st->type);
		}
	}
	if (rc == 0)
		rc = sf_tensors_write(s->ctx, path, n, t, meta.n, meta.key, meta.value);
	for (i = 0; name && i < np * KINDS; i++)
		sf_free(name[i]);
	sf_free(name);
	sf_free(t);
	sf_meta_free(&meta);
	return rc;
}

static int mismatch(const sf_setup *s, const char *path, const sf_tensors *file, const char *tensor, const char *why)
{
	const char *net = sf_tensors_meta(file, "net");

	return sf_fail(s->ctx, SF_EMISMATCH, "%s: tensor '%s' %s; the file holds net '%.120s', the configuration says "
	               "'%.120s'", path, tensor, why, net ? net : "(unknown)", sf_spec(s->net));
}

static void shape_text(int rank, const int64_t *dim, char *out, size_t size)
{
	size_t n = 0;
	int i;

	out[0] = '\0';
	for (i = 0; i < rank && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "x" : "", (long long)dim[i]);
	if (rank == 0)
		snprintf(out, size, "scalar");
}

static int read_one(const sf_setup *s, const char *path, const sf_tensors *file, const char *name,
                    const sf_param_info *p, sf_dtype type, void *out)
{
	const sf_tensor *t = sf_tensors_find(file, name);
	char is[64], want[64], why[160];
	int64_t i;

	if (!t)
		return mismatch(s, path, file, name, "is missing");
	if (t->rank != p->shape.rank ||
	    (t->rank > 0 && memcmp(t->dim, p->shape.dim, (size_t)t->rank * sizeof *t->dim) != 0)) {
		shape_text(t->rank, t->dim, is, sizeof is);
		shape_text(p->shape.rank, p->shape.dim, want, sizeof want);
		snprintf(why, sizeof why, "is %s, expected %s", is, want);
		return mismatch(s, path, file, name, why);
	}
	if (type == SF_F32)
		SF_TRY(sf_tensor_to_float(s->ctx, t, out));
	else
		SF_TRY(sf_tensor_to_double(s->ctx, t, out));
	for (i = 0; i < t->size; i++)
		if (!isfinite(type == SF_F32 ? (double)((const float *)out)[i] : ((const double *)out)[i]))
			return sf_fail(s->ctx, SF_EMISMATCH, "%s: tensor '%s' holds a value that is not finite", path, name);
	return SF_OK;
}

/* A file with more weights than the network has belongs to another one. */
static int read_all(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file, sf_state *st)
{
	int np = sf_param_count(g), i, k;
	char name[256];

	SF_TRY(sf_meta_check(s->ctx, path, file));
	for (k = 0; k < KINDS; k++)
		for (i = 0; buffer(st, k) && i < np; i++) {
			const sf_param_info *p = sf_param_get(g, i);

			snprintf(name, sizeof name, "%s%s", prefixes[k], p->name);
			SF_TRY(read_one(s, path, file, name, p, st->type,
			                (char *)buffer(st, k) + (size_t)p->offset * width(st->type)));
		}
	for (i = 0; i < file->n; i++) {
		const char *full = file->tensor[i].name;

		if (strncmp(full, "param.", 6) != 0)
			continue;
		for (k = 0; k < np && strcmp(sf_param_get(g, k)->name, full + 6) != 0; k++)
			;
		if (k == np)
			return mismatch(s, path, file, full, "is not of this network");
	}
	return sf_meta_progress(s->ctx, path, file, st);
}

int sf_checkpoint_load(const sf_setup *s, const sf_graph *g, const char *path, sf_state *st)
{
	void **to[KINDS];
	sf_tensors file;
	sf_state fresh;
	int k, rc;

	if (st->total != sf_param_total(g))
		return sf_fail(s->ctx, SF_EINVAL, "%s: the state holds %lld numbers, the graph %lld", path,
		               (long long)st->total, (long long)sf_param_total(g));
	SF_TRY(sf_tensors_read(s->ctx, path, &file));
	rc = sf_state_new(s->ctx, st->type, st->total, &fresh);
	if (rc == 0) {
		void *const has[KINDS] = {st->param, st->ema, st->m, st->v};

		to[0] = &fresh.param;
		to[1] = &fresh.ema;
		to[2] = &fresh.m;
		to[3] = &fresh.v;
		for (k = 0; k < KINDS; k++)
			if (!has[k]) {
				sf_free(*to[k]);
				*to[k] = NULL;
			}
		rc = read_all(s, g, path, &file, &fresh);
		for (k = 0; rc == 0 && k < KINDS; k++)
			if (has[k])
				memcpy(has[k], *to[k], (size_t)st->total * width(st->type));
		if (rc == 0) {
			st->step = fresh.step;
			st->loss_sum = fresh.loss_sum;
			st->loss_n = fresh.loss_n;
		}
		sf_state_free(&fresh);
	}
	sf_tensors_free(&file);
	return rc;
}

int sf_setup_weights(const sf_setup *s, const char *path, int raw, void **params)
{
	sf_model_vars v;
	sf_graph *g;
	sf_state st;
	int rc;

	*params = NULL;
	memset(&st, 0, sizeof st);
	SF_TRY(sf_graph_new(s->ctx, 1, &g));
	sf_model_vars_init(&v);
	rc = sf_model_build(&s->model, g, 0, &v);
	st.type = s->type;
	st.total = sf_param_total(g);
	if (rc == 0) {
		void *w = sf_alloc((size_t)st.total, width(st.type));

		*(raw ? &st.param : &st.ema) = w;
		rc = w ? sf_checkpoint_load(s, g, path, &st) : sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
		if (rc == 0)
			*params = w;
		else
			sf_free(w);
	}
	sf_graph_free(g);
	return rc;
}

void sf_setup_free_weights(void *params)
{
	sf_free(params);
}
