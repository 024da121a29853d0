/* checkpoint.c: weights, moving averages and Adam's moments as a safetensors file; tensors "param.NAME", "ema.NAME",
 * "adam.m.NAME", "adam.v.NAME", and "ema1.NAME", "ema2.NAME", ... of further averages.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"
#include "train/meta.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARAM, EMA, M, V, MORE, KINDS = MORE + SF_AVERAGES - 1 };
static const char *const prefixes[KINDS] = {"param.", "ema.", "adam.m.", "adam.v.", "ema1.", "ema2.", "ema3.", "ema4.",
                                            "ema5.", "ema6.", "ema7."};

static void *buffer(const sf_state *st, int kind)
{
	void *const all[MORE] = {st->param, st->ema, st->m, st->v};

	return kind < MORE ? all[kind] : st->more[kind - MORE];
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
	st->averages = 1;
	st->param = sf_alloc((size_t)total, e);
	st->ema = sf_alloc((size_t)total, e);
	st->m = sf_alloc((size_t)total, e);
	st->v = sf_alloc((size_t)total, e);
	if (st->param && st->ema && st->m && st->v)
		return SF_OK;
	sf_state_free(st);
	return sf_fail(ctx, SF_ENOMEM, "out of memory for %lld parameters", (long long)total);
}

int sf_state_averages(sf_ctx *ctx, sf_state *st, int n)
{
	if (n < 1 || n > SF_AVERAGES)
		return sf_fail(ctx, SF_ERANGE, "%d averages of the weights; expected 1 to %d", n, SF_AVERAGES);
	for (; st->averages < n; st->averages++) {
		void *e = sf_alloc((size_t)st->total, width(st->type));

		if (!e)
			return sf_fail(ctx, SF_ENOMEM, "out of memory for %lld parameters", (long long)st->total);
		st->more[st->averages - 1] = e;
	}
	return SF_OK;
}

void sf_state_free(sf_state *st)
{
	int i;

	for (i = 0; i < SF_AVERAGES - 1; i++)
		sf_free(st->more[i]);
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

/* Checks, and leaves the numbers in `out`. */
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

int sf_checkpoint_one(const sf_setup *s, const char *path, const sf_tensors *file, const char *prefix, const sf_param_info *p,
                      sf_dtype type, void *out)
{
	char name[256];

	snprintf(name, sizeof name, "%s%s", prefix, p->name);
	return read_one(s, path, file, name, p, type, out);
}

/* The encoder and decoder in the file are those that it says. */
static int hashes(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file, const sf_state *st)
{
	int k, rc = SF_OK;
	char hex[17];
	void *flat;

	if (!s->vae)
		return SF_OK;
	flat = sf_alloc((size_t)sf_param_total(g), width(s->type));
	if (!flat)
		return sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
	for (k = 0; rc == 0 && k < KINDS; k++)
		if (buffer(st, k) && sf_pair_hash(file, prefixes[k]))
			rc = sf_pair_read(s, g, path, file, prefixes[k], flat, hex);
	sf_free(flat);
	return rc;
}

/* Every tensor that `st` has room for: into `to` each, or where that is NULL into the state. */
static int read_tensors(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file,
                        const sf_state *st, void *to)
{
	int np = sf_param_count(g), i, k;

	for (k = 0; k < KINDS; k++)
		for (i = 0; buffer(st, k) && i < np; i++) {
			const sf_param_info *p = sf_param_get(g, i);

			SF_TRY(sf_checkpoint_one(s, path, file, prefixes[k], p, st->type,
			                         to ? to : (char *)buffer(st, k) + (size_t)p->offset * width(st->type)));
		}
	return SF_OK;
}

/* A file with more weights than the network has belongs to another one. */
static int no_others(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file)
{
	int np = sf_param_count(g), i, k;

	for (i = 0; i < file->n; i++) {
		const char *full = file->tensor[i].name;

		if (strncmp(full, "param.", 6) != 0)
			continue;
		for (k = 0; k < np && strcmp(sf_param_get(g, k)->name, full + 6) != 0; k++)
			;
		if (k == np)
			return mismatch(s, path, file, full, "is not of this network");
	}
	return SF_OK;
}

/* Twice over the file: once into a place of its own, so that the state changes only where nothing can fail. */
static int read_all(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file, sf_state *st)
{
	int64_t most = 1;
	void *place;
	int i, rc;

	SF_TRY(sf_meta_check(s->ctx, path, file));
	SF_TRY(sf_meta_conditioning(s, path, file));
	SF_TRY(sf_pair_check(s, path, file));
	for (i = 0; i < sf_param_count(g); i++)
		most = sf_param_get(g, i)->shape.size > most ? sf_param_get(g, i)->shape.size : most;
	place = sf_alloc((size_t)most, width(st->type));
	if (!place)
		return sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
	rc = read_tensors(s, g, path, file, st, place);
	sf_free(place);
	SF_TRY(rc);
	SF_TRY(no_others(s, g, path, file));
	SF_TRY(hashes(s, g, path, file, st));
	SF_TRY(sf_meta_progress(s->ctx, path, file, st)); /* all or nothing */
	return read_tensors(s, g, path, file, st, NULL);
}

int sf_checkpoint_load(const sf_setup *s, const sf_graph *g, const char *path, sf_state *st)
{
	sf_tensors file;
	int rc;

	if (st->total != sf_param_total(g))
		return sf_fail(s->ctx, SF_EINVAL, "%s: the state holds %lld numbers, the graph %lld", path,
		               (long long)st->total, (long long)sf_param_total(g));
	SF_TRY(sf_tensors_read(s->ctx, path, &file));
	rc = read_all(s, g, path, &file, st);
	sf_tensors_free(&file);
	return rc;
}

int sf_checkpoint_resume(const sf_setup *s, const sf_graph *g, const char *path, sf_state *st)
{
	sf_tensors file;
	int rc;

	SF_TRY(sf_tensors_read(s->ctx, path, &file));
	rc = sf_averages_check(s->ctx, sf_config_settings(s->config), path, &file);
	if (rc == 0)
		rc = read_all(s, g, path, &file, st);
	sf_tensors_free(&file);
	return rc;
}

/* One kind of weights from an open file. */
static int weights(const sf_setup *s, const char *path, const sf_tensors *file, int kind, void **params)
{
	sf_graph *g;
	sf_state st;
	int rc;

	memset(&st, 0, sizeof st);
	SF_TRY(sf_graph_new(s->ctx, 1, &g));
	rc = sf_setup_layout(s, g);
	st.type = s->type;
	st.total = sf_param_total(g);
	if (rc == 0) {
		void *w = sf_alloc((size_t)st.total, width(st.type));

		if (kind < MORE)
			*(kind == PARAM ? &st.param : &st.ema) = w;
		else
			st.more[kind - MORE] = w;
		rc = w ? read_all(s, g, path, file, &st) : sf_fail(s->ctx, SF_ENOMEM, "%s: out of memory", path);
		if (rc == 0)
			*params = w;
		else
			sf_free(w);
	}
	sf_graph_free(g);
	return rc;
}

int sf_setup_weights_of(const sf_setup *s, const char *path, const char *name, void **params)
{
	int kind = EMA, which = 0, rc = SF_OK;
	sf_tensors file;

	*params = NULL;
	SF_TRY(sf_tensors_read(s->ctx, path, &file));
	if (name && strcmp(name, "raw") == 0)
		kind = PARAM;
	else if (name && (rc = sf_averages_find(s->ctx, path, &file, name, &which)) == 0 && which > 0)
		kind = MORE + which - 1;
	if (rc == 0)
		rc = weights(s, path, &file, kind, params);
	sf_tensors_free(&file);
	return rc;
}

int sf_setup_weights(const sf_setup *s, const char *path, int raw, void **params)
{
	return sf_setup_weights_of(s, path, raw ? "raw" : NULL, params);
}

void sf_setup_free_weights(void *params)
{
	sf_free(params);
}
