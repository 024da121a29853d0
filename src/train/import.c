/* import.c: the weights of another program for a model, by a name map. Nothing is taken unless everything is accounted for: each
 * parameter has its tensor, of the right shape and with finite numbers, and each tensor is a parameter's or known not to be one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"
#include "train/map.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODEL, EMA, ROLES };
enum { LISTED = 8 /* names in a message */ };

typedef struct entry { /* a tensor of the file */
	const sf_tensor *t;
	const char *name; /* without its prefixes */
	int role;
	int used, wrong;     /* wrong: of another shape, and said so */
	const char *ignored; /* the reason, or NULL */
} entry;

enum { MISSING, SHAPE, NUMBERS, TAPS, EXTRA, COMPLAINTS };
typedef struct import {
	const sf_model *m;
	const char *file;
	const sf_import_options *o;
	const sf_map *map;
	sf_ctx *ctx;
	sf_named *link;
	int links;
	entry *e; /* by role, then name */
	int n, list;
	sf_state *to;
	double *theirs; /* numbers of the tensor at hand */
	sf_text complaint[COMPLAINTS];
	int count[COMPLAINTS];
} import;

static void complain(import *im, int kind, const char *fmt, ...) SF_PRINTF(3, 4);
static void complain(import *im, int kind, const char *fmt, ...)
{
	char line[SF_NAME_MAX + 128];
	va_list ap;

	if (im->count[kind]++ >= LISTED)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof line, fmt, ap);
	va_end(ap);
	sf_text_add(&im->complaint[kind], "%s%s", im->count[kind] > 1 ? ", " : "", line);
}

/* ---- the file's tensors ---- */

/* "ema.", then any number of prefixes that wrappers of modules leave. */
static void strip(const char *full, entry *e)
{
	static const char *const prefixes[] = {"model.", "module.", "net.", "param.", NULL};
	int i;

	e->role = strncmp(full, "ema.", 4) == 0 ? EMA : MODEL;
	e->name = e->role == EMA ? full + 4 : full;
	for (i = 0; prefixes[i]; i++) {
		size_t n = strlen(prefixes[i]);

		if (strncmp(e->name, prefixes[i], n) == 0 && e->name[n]) {
			e->name += n;
			i = -1;
		}
	}
}

static int order(const void *a, const void *b)
{
	const entry *x = a, *y = b;

	return x->role != y->role ? x->role - y->role : strcmp(x->name, y->name);
}

static entry *find(const import *im, int role, const char *name)
{
	entry key;

	key.role = role;
	key.name = name;
	return bsearch(&key, im->e, (size_t)im->n, sizeof key, order);
}

static int index_file(sf_ctx *ctx, const sf_tensors *t, const char *file, const sf_import_options *o, entry **out)
{
	entry *e = sf_alloc((size_t)t->n + 1, sizeof *e);
	int i, j;

	*out = e;
	if (!e)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", file);
	for (i = 0; i < t->n; i++) {
		e[i].t = &t->tensor[i];
		strip(t->tensor[i].name, &e[i]);
		for (j = 0; o->ignore && o->ignore[j]; j++) {
			sf_captures c;

			if (sf_pattern_match(o->ignore[j], t->tensor[i].name, strlen(t->tensor[i].name), &c))
				e[i].ignored = "by request";
		}
		if (strncmp(t->tensor[i].name, "optimizer.", 10) == 0)
			e[i].ignored = "the optimiser's";
		if ((o->weights == SF_WEIGHTS_EMA && e[i].role == MODEL) || (o->weights == SF_WEIGHTS_MODEL && e[i].role == EMA))
			e[i].ignored = "not asked for";
	}
	qsort(e, (size_t)t->n, sizeof *e, order);
	for (i = 1; i < t->n; i++)
		if (order(&e[i - 1], &e[i]) == 0)
			return sf_fail(ctx, SF_EMISMATCH, "%s: '%.120s' and '%.120s' are the same tensor's names", file,
			               e[i - 1].t->name, e[i].t->name);
	return SF_OK;
}

/* ---- the map ---- */

static int fits(const sf_named *l, const entry *e)
{
	int64_t want[SF_ARRAY_MAXRANK];
	int rank;

	sf_layout_shape(l->rule, &l->param->shape, &rank, want);
	return e->t->rank == rank && (rank == 0 || memcmp(e->t->dim, want, (size_t)rank * sizeof *want) == 0);
}

/* Parameters whose tensors are in the file; those of the right shape count most. */
static int known(const import *im)
{
	int i, n = 0;

	for (i = 0; i < im->links; i++) {
		const sf_named *l = &im->link[i];
		const entry *e = l->rule ? find(im, MODEL, l->name) : NULL;

		if (!e && l->rule)
			e = find(im, EMA, l->name);
		n += e ? 1 + fits(l, e) : 0;
	}
	return n;
}

/* The names of a map for the model's parameters, and how many of them the file has. */
static int try_map(import *im, const sf_graph *g, const sf_map *map, int *score, int *unknown)
{
	const sf_map *before = im->map;

	im->map = map;
	im->links = sf_param_count(g);
	*score = 0;
	SF_TRY(sf_map_links(map, g, im->m->rank == 3 ? im->m->dim[0] : 0, &im->link, unknown));
	*score = known(im);
	im->map = before;
	return SF_OK;
}

/* The map asked for, or the one with the most names of the file. */
static int choose_map(import *im, const sf_graph *g, sf_map **best)
{
	char **names = im->o->map ? NULL : sf_map_names(im->ctx);
	sf_text all = {NULL, 0, 0, 0};
	int i, rc = SF_OK, most = 0, score, unknown;

	*best = NULL;
	if (im->o->map)
		return sf_map_open(im->ctx, im->o->map, best);
	for (i = 0; rc == 0 && names && names[i]; i++) {
		sf_map *map;

		sf_text_add(&all, "%s%s", i ? ", " : "", names[i]);
		rc = sf_map_open(im->ctx, names[i], &map);
		if (rc < 0)
			break;
		rc = try_map(im, g, map, &score, &unknown);
		if (rc == SF_EMISMATCH) /* not made for such a network */
			rc = score = 0;
		sf_free(im->link);
		im->link = NULL;
		if (score > most) {
			sf_map_free(*best);
			*best = map;
			most = score;
		} else {
			sf_map_free(map);
		}
	}
	if (rc == 0 && !*best)
		rc = sf_fail(im->ctx, SF_EMISMATCH, "%s: no map knows a tensor of this file for net '%.120s' (maps: %.200s); name "
		             "one with --map, or another network", im->file, sf_spec(im->m->net), all.s ? all.s : "none found");
	free(all.s);
	sf_map_free_names(names);
	return rc;
}

/* ---- the weights ---- */

static void shape_text(int rank, const int64_t *dim, char *out, size_t size)
{
	size_t n = 0;
	int i;

	snprintf(out, size, "%s", rank ? "" : "scalar");
	for (i = 0; i < rank && n < size; i++)
		n += (size_t)snprintf(out + n, size - n, "%s%lld", i ? "x" : "", (long long)dim[i]);
}

static int same_shape(import *im, const sf_named *l, entry *e)
{
	const sf_tensor *t = e->t;
	int64_t want[SF_ARRAY_MAXRANK];
	char is[80], expected[80];
	int rank;

	if (fits(l, e))
		return 1;
	if (e->wrong)
		return 0;
	e->wrong = 1;
	sf_layout_shape(l->rule, &l->param->shape, &rank, want);
	shape_text(t->rank, t->dim, is, sizeof is);
	shape_text(rank, want, expected, sizeof expected);
	complain(im, SHAPE, "%s is %s, expected %s", t->name, is, expected);
	return 0;
}

static int take(import *im, const sf_named *l, entry *e, void *to)
{
	const sf_param_info *p = l->param;
	int64_t i;

	if (!same_shape(im, l, e))
		return SF_OK;
	SF_TRY(sf_tensor_to_double(im->ctx, e->t, im->theirs));
	for (i = 0; i < p->shape.size; i++) {
		double v = im->theirs[sf_layout_place(l->rule, &p->shape, i)];

		if (im->to->type == SF_F32 ? !isfinite((float)v) : !isfinite(v)) {
			complain(im, NUMBERS, "%s", e->t->name);
			return SF_OK;
		}
		if (im->to->type == SF_F32)
			((float *)to)[p->offset + i] = (float)v;
		else
			((double *)to)[p->offset + i] = v;
	}
	return SF_OK;
}

/* The weights of one kind into `to`. A fixed tensor that the averaged weights lack is the model's. */
static int take_role(import *im, int role, void *to)
{
	char item[40];
	int i;

	for (i = 0; i < im->links; i++) {
		const sf_named *l = &im->link[i];
		const char *name = l->name;
		entry *e;

		if (role == EMA && im->list && l->place >= 0) {
			snprintf(item, sizeof item, "shadow_params.%lld", (long long)l->place);
			name = item;
		}
		e = find(im, role, name);
		if (!e && role == EMA && l->param->fixed)
			e = find(im, MODEL, name);
		if (!e) {
			complain(im, MISSING, "%s%s", role == EMA ? "ema." : "", name);
			continue;
		}
		e->used = 1;
		SF_TRY(take(im, l, e, to));
	}
	return SF_OK;
}

/* A filter (1,1,h,w) is the network's. */
static int compare_taps(import *im, const entry *e)
{
	const sf_tensor *t = e->t;

	SF_TRY(sf_tensor_to_double(im->ctx, t, im->theirs));
	if (t->rank != 4 || t->dim[0] != 1 || t->dim[1] != 1 || !sf_taps_agree(im->m->net, t->dim[2], t->dim[3], im->theirs))
		complain(im, TAPS, "%s", t->name);
	return SF_OK;
}

static int look_at_others(import *im, sf_import_report *r)
{
	int i;

	r->tensors = im->n;
	r->used = r->ignored = 0;
	for (i = 0; i < im->n; i++) {
		entry *e = &im->e[i];

		if (!e->used && !e->ignored && sf_map_note(im->map, "taps", e->name)) {
			SF_TRY(compare_taps(im, e));
			e->used = 1;
		}
		if (e->used)
			r->used++;
		else if (e->ignored || sf_map_note(im->map, "ignored", e->name))
			r->ignored++;
		else
			complain(im, EXTRA, "%s", e->t->name);
	}
	return SF_OK;
}

static int verdict(const import *im)
{
	static const char *const what[COMPLAINTS] = {"missing", "of another shape", "with numbers that are not finite",
	                                             "that the network's options (resample, fir) do not agree with",
	                                             "unexpected"};
	sf_text t = {NULL, 0, 0, 0};
	int i, rc = SF_OK, bad = 0;

	for (i = 0; i < COMPLAINTS; i++) {
		if (!im->count[i])
			continue;
		sf_text_add(&t, "%s%d tensor%s %s: %s", bad ? "; " : "", im->count[i], im->count[i] > 1 ? "s" : "", what[i],
		            im->complaint[i].s ? im->complaint[i].s : "");
		if (im->count[i] > LISTED)
			sf_text_add(&t, " and %d more", im->count[i] - LISTED);
		bad = 1;
	}
	if (bad)
		rc = sf_fail(im->ctx, SF_EMISMATCH, "%s does not fit net '%.200s' by map '%.60s': %s", im->file,
		             sf_spec(im->m->net), im->map->name, t.s ? t.s : "");
	free(t.s);
	return rc;
}

/* Which kinds of weights the file has. */
static void look_for_roles(import *im, sf_import_report *r)
{
	int i, has[ROLES] = {0, 0};

	for (i = 0; i < im->n; i++)
		if (!im->e[i].ignored && !sf_map_note(im->map, "ignored", im->e[i].name)) {
			has[im->e[i].role] = 1;
			if (im->e[i].role == EMA && strncmp(im->e[i].name, "shadow_params.", 14) == 0)
				im->list = 1;
		}
	/* averaged weights alone, with the model there for what is fixed only */
	r->ema = im->o->weights != SF_WEIGHTS_MODEL && (has[EMA] || im->o->weights == SF_WEIGHTS_EMA);
	r->model = im->o->weights != SF_WEIGHTS_EMA && (has[MODEL] || !r->ema);
	r->list = im->list;
}

static int no_names(const import *im, int unknown)
{
	sf_text t = {NULL, 0, 0, 0};
	int i, n = 0, rc;

	for (i = 0; i < im->links && n < LISTED; i++)
		if (!im->link[i].rule)
			sf_text_add(&t, "%s%s", n++ ? ", " : "", im->link[i].param->name);
	if (unknown > LISTED)
		sf_text_add(&t, " and %d more", unknown - LISTED);
	rc = sf_fail(im->ctx, SF_EMISMATCH, "map '%.60s' has no names for %d parameter%s of net '%.200s': %s", im->map->name,
	             unknown, unknown > 1 ? "s" : "", sf_spec(im->m->net), t.s ? t.s : "");
	free(t.s);
	return rc;
}

static size_t width(sf_dtype type)
{
	return type == SF_F32 ? sizeof(float) : sizeof(double);
}

static int largest(import *im, const sf_tensors *t)
{
	int64_t most = 1;
	int i;

	for (i = 0; i < t->n; i++)
		if (t->tensor[i].size > most)
			most = t->tensor[i].size;
	im->theirs = sf_alloc((size_t)most, sizeof *im->theirs);
	return im->theirs ? SF_OK : sf_fail(im->ctx, SF_ENOMEM, "%s: out of memory", im->file);
}

/* Whether the map knows a list's order. */
static int ordered(const import *im)
{
	int i;

	for (i = 0; i < im->links; i++)
		if (im->link[i].place < 0 && !im->link[i].param->fixed)
			return 0;
	return 1;
}

static int weights(import *im, sf_state *st, sf_import_report *r)
{
	size_t bytes = (size_t)st->total * width(st->type);
	sf_state fresh;
	int rc;

	look_for_roles(im, r);
	if (r->ema && im->list && !ordered(im))
		return sf_fail(im->ctx, SF_EMISMATCH, "%s: the averaged weights are a list without names, and map '%.60s' knows no "
		               "order; take the others (--weights model)", im->file, im->map->name);
	SF_TRY(sf_state_new(im->ctx, st->type, st->total, &fresh));
	im->to = &fresh;
	rc = r->model ? take_role(im, MODEL, fresh.param) : SF_OK;
	if (rc == 0 && r->ema)
		rc = take_role(im, EMA, fresh.ema);
	if (rc == 0)
		rc = look_at_others(im, r);
	if (rc == 0)
		rc = verdict(im);
	if (rc == 0) {
		memcpy(st->param, r->model ? fresh.param : fresh.ema, bytes);
		memcpy(st->ema, r->ema ? fresh.ema : fresh.param, bytes);
	}
	sf_state_free(&fresh);
	return rc;
}

int sf_import_weights(const sf_model *m, const sf_tensors *t, const char *file, const sf_import_options *o,
                      sf_state *st, sf_import_report *r)
{
	sf_model_vars v;
	sf_graph *g = NULL;
	sf_map *map = NULL;
	import im;
	int i, rc, score, unknown = 0;

	memset(&im, 0, sizeof im);
	memset(r, 0, sizeof *r);
	im.m = m;
	im.ctx = m->ctx;
	im.file = file;
	im.o = o;
	im.n = t->n;
	sf_model_vars_init(&v);
	rc = sf_graph_new(m->ctx, 1, &g);
	if (rc == 0)
		rc = sf_model_build(m, g, 0, &v);
	if (rc == 0 && (sf_param_total(g) != st->total || !st->param || !st->ema))
		rc = sf_fail(m->ctx, SF_EINVAL, "%s: the state is not of this model", file);
	if (rc == 0)
		rc = index_file(m->ctx, t, file, o, &im.e);
	if (rc == 0)
		rc = choose_map(&im, g, &map);
	if (rc == 0)
		rc = try_map(&im, g, map, &score, &unknown);
	im.map = map;
	if (rc == 0 && unknown)
		rc = no_names(&im, unknown);
	if (rc == 0)
		rc = largest(&im, t);
	if (rc == 0)
		rc = weights(&im, st, r);
	if (map)
		snprintf(r->map, sizeof r->map, "%.79s", map->name);
	for (i = 0; i < COMPLAINTS; i++)
		free(im.complaint[i].s);
	sf_free(im.theirs);
	sf_free(im.link);
	sf_free(im.e);
	sf_map_free(map);
	sf_graph_free(g);
	return rc;
}
