/* meta.c: the metadata of a checkpoint, as texts: format, step, specs, and the data's shape and scaling.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/meta.h"

#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char FORMAT[] = "scorefield-checkpoint-1", EXPORT[] = "scorefield-export-1";

static void text(sf_meta *m, const char *key, const char *value)
{
	char *copy = sf_strdup(value);

	if (!copy || m->n == SF_META_MAX) {
		sf_free(copy);
		m->failed = 1;
		return;
	}
	m->key[m->n] = key;
	m->value[m->n] = m->owned[m->n] = copy;
	m->n++;
}

static void number(sf_meta *m, const char *key, double v)
{
	char s[40];

	sf_format_double(v, s, sizeof s);
	text(m, key, s);
}

static void whole(sf_meta *m, const char *key, int64_t v)
{
	char s[24];

	snprintf(s, sizeof s, "%lld", (long long)v);
	text(m, key, s);
}

/* Model and data. */
static void parts(const sf_setup *s, sf_meta *m)
{
	const sf_settings *set = sf_config_settings(s->config);
	char dims[80];

	text(m, "net", sf_spec(s->net));
	text(m, "process", sf_spec(s->process));
	if (s->objective)
		text(m, "objective", sf_spec(s->objective));
	text(m, "data", set->data.spec);
	text(m, "parametrisation", sf_param_names()[s->model.param]);
	text(m, "cond", sf_cond_names()[sf_model_cond(&s->model)]);
	whole(m, "noise-levels", s->model.levels);
	text(m, "precision", s->type == SF_F32 ? "float32" : "float64");
	if (s->info.rank == 1)
		snprintf(dims, sizeof dims, "%lld", (long long)s->info.dim[0]);
	else
		snprintf(dims, sizeof dims, "%lld:%lld:%lld", (long long)s->info.dim[0], (long long)s->info.dim[1],
		         (long long)s->info.dim[2]);
	text(m, "dim", dims);
	whole(m, "classes", s->info.classes);
	whole(m, "levels", s->info.levels);
	number(m, "lo", s->info.lo);
	number(m, "hi", s->info.hi);
	number(m, "shift", s->view.shift);
	number(m, "scale", s->view.scale);
	number(m, "mean", s->view.mean);
	number(m, "std", s->view.std);
	number(m, "augment", s->view.augment);
}

static int made(const sf_setup *s, sf_meta *m)
{
	if (!m->failed)
		return SF_OK;
	sf_meta_free(m);
	return sf_fail(s->ctx, SF_ENOMEM, "checkpoint: out of memory");
}

static void averages(const sf_setup *s, const sf_state *st, sf_meta *m)
{
	const sf_settings *set = sf_config_settings(s->config);
	sf_text t = {NULL, 0, 0, 0};

	sf_averages_text(set, st->averages, &t);
	m->failed |= t.failed;
	if (t.s) {
		text(m, "ema", t.s);
		text(m, "ema-ramp", sf_averages_ramp(set));
	}
	free(t.s);
}

/* Encoder and decoder: what they are, and a hash of each kind of weights that there are. */
static void pair(const sf_setup *s, const sf_state *st, sf_meta *m)
{
	static const char *const keys[SF_AVERAGES + 1] = {"vae-hash-raw", "vae-hash", "vae-hash1", "vae-hash2", "vae-hash3",
	                                                  "vae-hash4", "vae-hash5", "vae-hash6", "vae-hash7"};
	size_t at = (size_t)s->pair * (s->type == SF_F32 ? sizeof(float) : sizeof(double));
	char *is = NULL, hex[17];
	int i;

	if (!s->vae)
		return;
	m->failed |= sf_pair_text(s, &is) < 0;
	text(m, "vae", is ? is : "");
	free(is);
	for (i = 0; st && i <= st->averages; i++) {
		const void *flat = i == 0 ? st->param : i == 1 ? st->ema : st->more[i - 2];

		if (!flat)
			continue;
		sf_vae_hash(s->vae, s->type, (const char *)flat + at, hex);
		text(m, keys[i], hex);
	}
}

/* What the log has summed up since its last line: sum and number of each term. */
static void terms(const sf_state *st, sf_meta *m)
{
	sf_text t = {NULL, 0, 0, 0};
	char v[40];
	int i;

	for (i = 0; i < SF_TERMS; i++) {
		sf_format_double(st->term[i].sum, v, sizeof v);
		sf_text_add(&t, "%s%s %lld", i ? " " : "", v, (long long)st->term[i].n);
	}
	m->failed |= t.failed;
	text(m, "term-sums", t.s ? t.s : "");
	free(t.s);
}

int sf_meta_make(const sf_setup *s, const sf_state *st, sf_meta *m)
{
	memset(m, 0, sizeof *m);
	text(m, "format", FORMAT);
	whole(m, "step", st->step);
	number(m, "loss-sum", st->loss_sum);
	whole(m, "loss-n", st->loss_n);
	whole(m, "nonfinite", st->nonfinite);
	averages(s, st, m);
	parts(s, m);
	pair(s, st, m);
	if (s->vae)
		terms(st, m);
	return made(s, m);
}

int sf_meta_export(const sf_setup *s, int64_t step, const char *map, const char *weights, sf_meta *m)
{
	sf_text config = {NULL, 0, 0, 0};

	memset(m, 0, sizeof *m);
	text(m, "format", "pt"); /* what readers of PyTorch's tensors look for */
	text(m, "scorefield", EXPORT);
	whole(m, "step", step);
	text(m, "map", map);
	text(m, "weights", weights);
	parts(s, m);
	pair(s, NULL, m);
	sf_config_print(s->config, &config);
	m->failed |= config.failed;
	text(m, "config", config.s ? config.s : "");
	free(config.s);
	return made(s, m);
}

int sf_meta_exported(const sf_tensors *t)
{
	const char *is = sf_tensors_meta(t, "scorefield");

	return is && strcmp(is, EXPORT) == 0;
}

void sf_meta_free(sf_meta *m)
{
	while (m->n > 0)
		sf_free(m->owned[--m->n]);
}

int sf_meta_check(sf_ctx *ctx, const char *path, const sf_tensors *t)
{
	const char *format = sf_tensors_meta(t, "format");

	if (!format || strcmp(format, FORMAT) != 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: not a checkpoint: metadata 'format' is '%.60s', expected '%s'", path,
		               format ? format : "(absent)", FORMAT);
	return SF_OK;
}

int sf_meta_conditioning(const sf_setup *s, const char *path, const sf_tensors *t)
{
	const char *cond = sf_tensors_meta(t, "cond"), *levels = sf_tensors_meta(t, "noise-levels");
	const char *own = sf_cond_names()[sf_model_cond(&s->model)];
	char n[24];

	if (cond && strcmp(cond, own) != 0)
		return sf_fail(s->ctx, SF_EMISMATCH, "%s: these weights were trained with [model] cond=%.40s, the model has cond=%s",
		               path, cond, own);
	snprintf(n, sizeof n, "%lld", (long long)s->model.levels);
	if (levels && strcmp(levels, n) != 0)
		return sf_fail(s->ctx, SF_EMISMATCH, "%s: these weights were trained with [model] levels=%.40s, the model has "
		               "levels=%s", path, levels, n);
	return SF_OK;
}

static int get(sf_ctx *ctx, const char *path, const sf_tensors *t, const char *key, double lo, double hi, double *v)
{
	const char *s = sf_tensors_meta(t, key);

	if (!s || sf_parse_double(s, v) < 0 || !isfinite(*v) || *v < lo || *v > hi)
		return sf_fail(ctx, SF_EFORMAT, "%s: metadata '%s' is '%.60s', expected a number from %g to %g", path, key,
		               s ? s : "(absent)", lo, hi);
	return SF_OK;
}

static int get_terms(sf_ctx *ctx, const char *path, const sf_tensors *t, sf_state *st)
{
	const char *at = sf_tensors_meta(t, "term-sums");
	double v[2 * SF_TERMS];
	char *end;
	int i;

	if (!at)
		return SF_OK;
	for (i = 0; i < 2 * SF_TERMS; i++, at = end) {
		v[i] = strtod(at, &end);
		if (end == at || !isfinite(v[i]) || (i % 2 && !(v[i] >= 0 && v[i] <= 1e15)))
			return sf_fail(ctx, SF_EFORMAT, "%s: metadata 'term-sums' is not %d sums with their numbers", path, SF_TERMS);
	}
	for (i = 0; i < SF_TERMS; i++) {
		st->term[i].sum = v[2 * i];
		st->term[i].n = (int64_t)v[2 * i + 1];
	}
	return SF_OK;
}

int sf_meta_progress(sf_ctx *ctx, const char *path, const sf_tensors *t, sf_state *st)
{
	double step, sum, n, nonfinite = 0;

	SF_TRY(get(ctx, path, t, "step", 0, 1e15, &step));
	SF_TRY(get(ctx, path, t, "loss-sum", -1e300, 1e300, &sum));
	SF_TRY(get(ctx, path, t, "loss-n", 0, 1e15, &n));
	if (sf_tensors_meta(t, "nonfinite"))
		SF_TRY(get(ctx, path, t, "nonfinite", 0, 1e15, &nonfinite));
	SF_TRY(get_terms(ctx, path, t, st));
	st->step = (int64_t)step;
	st->loss_sum = sum;
	st->loss_n = (int64_t)n;
	st->nonfinite = (int64_t)nonfinite;
	return SF_OK;
}

static int dims(sf_ctx *ctx, const char *path, const char *s, sf_data_info *info)
{
	info->rank = 0;
	info->size = 1;
	while (s && *s && info->rank < 3) {
		char *end;
		long long v = strtoll(s, &end, 10);

		if (end == s || v < 1 || (*end && *end != ':') || sf_mul_i64(info->size, v, &info->size) < 0 ||
		    info->size > INT64_C(1) << 40)
			break;
		info->dim[info->rank++] = v;
		s = *end ? end + 1 : end;
	}
	if (!s || *s || (info->rank != 1 && info->rank != 3))
		return sf_fail(ctx, SF_EFORMAT, "%s: metadata 'dim' is not the shape of a sample", path);
	return SF_OK;
}

static int describe(sf_ctx *ctx, const char *path, const sf_tensors *t, sf_data_info *info, sf_view *view)
{
	double classes, levels;

	if (!sf_meta_exported(t))
		SF_TRY(sf_meta_check(ctx, path, t));
	SF_TRY(dims(ctx, path, sf_tensors_meta(t, "dim"), info));
	SF_TRY(get(ctx, path, t, "classes", 0, 1e6, &classes));
	SF_TRY(get(ctx, path, t, "levels", 0, 1e9, &levels));
	SF_TRY(get(ctx, path, t, "lo", -1e300, 1e300, &info->lo));
	SF_TRY(get(ctx, path, t, "hi", -1e300, 1e300, &info->hi));
	SF_TRY(get(ctx, path, t, "shift", -1e300, 1e300, &view->shift));
	SF_TRY(get(ctx, path, t, "scale", -1e300, 1e300, &view->scale));
	SF_TRY(get(ctx, path, t, "mean", -1e300, 1e300, &view->mean));
	SF_TRY(get(ctx, path, t, "std", 0, 1e300, &view->std));
	if (sf_tensors_meta(t, "augment")) /* files from before there was augmentation have none */
		SF_TRY(get(ctx, path, t, "augment", 0, 1, &view->augment));
	info->classes = (int)classes;
	info->levels = (int)levels;
	return SF_OK;
}

int sf_meta_describe(sf_ctx *ctx, const char *path, sf_data_info *info, sf_view *view)
{
	sf_tensors t;
	int rc;

	memset(info, 0, sizeof *info);
	memset(view, 0, sizeof *view);
	SF_TRY(sf_tensors_read(ctx, path, &t));
	rc = describe(ctx, path, &t, info, view);
	sf_tensors_free(&t);
	return rc;
}
