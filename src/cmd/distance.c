/* distance.c: how far samples are from data (scorefield/metric.h), beside how far other records of the data are.
 *
 * Values are brought to [-1,1] by the data's range; samples of grey levels are cut off at its ends, as pictures are.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct opts {
	common common;
	int64_t n, first, directions;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION('n', "N", "number", "samples, and records of the data (default: all samples of a file, 2000, or half the data's records)",
	       SF_OPT_INT, AT(n), NULL, 2, 1e9),
	OPTION(0, "I", "first", "first record of the data", SF_OPT_INT, AT(first), "0", 0, 1e9),
	OPTION(0, "K", "directions", "of the sliced distance", SF_OPT_INT, AT(directions), "1000", 1, 1e9),
	OPTION_END
};
static const int64_t unseen = INT64_C(1) << 40; /* first record of a generator */

typedef struct set {
	int64_t n;
	double *x; /* (n,size) */
} set;
typedef struct numbers { /* NaN: not for such data */
	double sliced, frechet, features;
} numbers;

static int make(set *s, int64_t n, int64_t size)
{
	s->n = n;
	s->x = (double)n * (double)size < 1e9 ? malloc((size_t)(n * size) * sizeof *s->x) : NULL;
	return s->x ? 0 : fail(STATUS_INPUT, "distance: %lld samples do not fit into memory", (long long)n);
}

/* From stored values, in place. */
static void bring(const sf_data_info *info, int64_t count, double *x)
{
	int64_t i;

	for (i = 0; i < count; i++) {
		x[i] = 2 * (x[i] - info->lo) / (info->hi - info->lo) - 1;
		if (info->levels)
			x[i] = fmin(1, fmax(-1, x[i]));
	}
}

static int read_records(const sf_data *d, int64_t first, int64_t n, set *s)
{
	const sf_data_info *info = sf_data_describe(d);
	int64_t i;
	int rc;

	if (info->n && (first >= info->n || n > info->n - first))
		return fail(STATUS_INPUT, "distance: records %lld to %lld of data '%s', which have %lld", (long long)first,
		            (long long)(first + n - 1), sf_spec(d), (long long)info->n);
	rc = make(s, n, info->size);
	for (i = 0; rc == 0 && i < n; i++)
		sf_data_read(d, (info->n ? 0 : unseen) + first + i, s->x + i * info->size, NULL);
	if (rc == 0)
		bring(info, n * info->size, s->x);
	return rc;
}

static int read_samples(sf_ctx *ctx, const struct opts *o, const char *path, const sf_data_info *info, set *s)
{
	sf_array a;
	int64_t i, n;
	int rc = sf_npy_read(ctx, path, &a), same;

	if (rc)
		return rc;
	same = a.rank == info->rank + 1;
	for (i = 0; same && i < info->rank; i++)
		same = a.dim[i + 1] == info->dim[i];
	n = same ? a.dim[0] : 0;
	if (same && o->n > 0 && o->n < n)
		n = o->n;
	if (n < 2)
		rc = fail(STATUS_INPUT, "%s: expected at least two samples of the shape of the data's records", path);
	if (rc == 0)
		rc = make(s, n, info->size);
	for (i = 0; rc == 0 && i < n * info->size; i++)
		s->x[i] = sf_array_get(&a, i);
	sf_array_free(&a);
	for (i = 0; rc == 0 && i < n * info->size; i++)
		if (!isfinite(s->x[i]))
			rc = fail(STATUS_INPUT, "%s: sample %lld has a number that is not finite", path, (long long)(i / info->size));
	if (rc == 0)
		bring(info, n * info->size, s->x);
	return rc;
}

static int compare(sf_ctx *ctx, const struct opts *o, const sf_data_info *info, const set *a, const set *b, numbers *r)
{
	uint64_t seed = (uint64_t)(o->common.seed >= 0 ? o->common.seed : 0);
	double *f = NULL, *g = NULL;
	int rc = sf_metric_sliced(ctx, a->n, a->x, b->n, b->x, info->size, o->directions, seed, &r->sliced);

	r->frechet = r->features = nan("");
	if (rc == 0 && info->size <= 4096)
		rc = sf_metric_frechet(ctx, a->n, a->x, b->n, b->x, info->size, &r->frechet);
	if (rc || info->rank != 3 || info->dim[0] < 8 || info->dim[1] < 8)
		return rc;
	f = malloc((size_t)a->n * SF_FEATURES * sizeof *f);
	g = malloc((size_t)b->n * SF_FEATURES * sizeof *g);
	if (!f || !g)
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc == 0)
		rc = sf_metric_features(ctx, info->rank, info->dim, a->n, a->x, f);
	if (rc == 0)
		rc = sf_metric_features(ctx, info->rank, info->dim, b->n, b->x, g);
	if (rc == 0)
		rc = sf_metric_frechet(ctx, a->n, f, b->n, g, SF_FEATURES, &r->features);
	free(f);
	free(g);
	return rc;
}

static json_t *json_numbers(const numbers *r)
{
	return json_pack("{s:o, s:o, s:o}", "sliced", json_number(r->sliced), "frechet", json_number(r->frechet), "features",
	                 json_number(r->features));
}

static void print(const char *what, const numbers *r)
{
	out("%-24s %10.5g %10.5g %10.5g\n", what, r->sliced, r->frechet, r->features);
}

static int report(const struct opts *o, char **word, int64_t n, int64_t m, const numbers *r, const numbers *base)
{
	if (o->common.json)
		return out_json(json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "samples", word[0], "data", word[1], "number", (json_int_t)n,
		                          "records", (json_int_t)m, "distance", json_numbers(r), "floor",
		                          base ? json_numbers(base) : json_null()));
	if (!o->common.quiet)
		out("%-24s %10s %10s %10s\n", "", "sliced W2", "FD values", "FD features");
	print("samples to data", r);
	if (base)
		print("data to other data", base);
	return 0;
}

static int run(sf_ctx *ctx, const void *given, int operands, char **word)
{
	const struct opts *o = given;
	const sf_data_info *info;
	set a = {0, NULL}, b = {0, NULL}, c = {0, NULL};
	sf_data *data = NULL, *other = NULL;
	numbers r, base;
	int64_t n = 0, left;
	int rc = sf_data_new(ctx, word[1], &data), has_floor = 0;

	(void)operands;
	if (rc)
		return rc;
	info = sf_data_describe(data);
	if (!(info->hi > info->lo))
		rc = fail(STATUS_INPUT, "distance: data '%s' have no range", word[1]);
	left = info->n ? info->n - o->first : INT64_MAX;
	if (rc == 0 && ends_in(word[0], ".npy")) {
		rc = read_samples(ctx, o, word[0], info, &a);
		n = o->n > 0 ? o->n : a.n < left ? a.n : left;
	} else if (rc == 0) {
		n = o->n > 0 ? o->n : left / 2 < 2000 ? left / 2 : 2000;
		rc = sf_data_new(ctx, word[0], &other);
		if (rc == 0 && (sf_data_describe(other)->size != info->size || sf_data_describe(other)->rank != info->rank))
			rc = fail(STATUS_INPUT, "distance: data '%s' have records of another shape than '%s'", word[0], word[1]);
		if (rc == 0)
			rc = read_records(other, 0, n, &a);
	}
	if (rc == 0)
		rc = read_records(data, o->first, n, &b);
	if (rc == 0)
		rc = compare(ctx, o, info, &a, &b, &r);
	if (rc == 0 && left - n >= 2) { /* as many other records, or what there is */
		has_floor = 1;
		rc = read_records(data, o->first + n, left - n < n ? left - n : n, &c);
		if (rc == 0)
			rc = compare(ctx, o, info, &c, &b, &base);
	}
	if (rc == 0)
		rc = report(o, word, a.n, b.n, &r, has_floor ? &base : NULL);
	free(a.x);
	free(b.x);
	free(c.x);
	sf_data_free(other);
	sf_data_free(data);
	return rc;
}

const command distance_command = {
	"distance",
	"Measure how far samples are from data",
	"FILE.npy|DATA DATA",
	"FILE.npy holds samples as scorefield sample writes them. Distances: sliced Wasserstein, the Frechet distance of\n"
	"the values' means and covariances, and that of 256 features of random filters (images). They grow as samples\n"
	"get fewer: the second line is the same between records of the data. Values are scaled to [-1,1].\n",
	options,
	sizeof(struct opts),
	2,
	2,
	run};
