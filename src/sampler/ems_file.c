/* ems_file.c: files of empirical model statistics (ems.h describes them).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"
#include "sampler/ems.h"

#include <math.h>
#include <string.h>

#define FORMAT "scorefield-ems"

enum { META = 16 };

int sf_ems_write(sf_ctx *ctx, const char *path, const sf_ems *e, int nmeta, const char *const *keys, const char *const *values)
{
	sf_tensor_out t[] = {{"lambda", SF_FLOAT64, 1, {e->rows}, NULL}, {"l", SF_FLOAT64, 2, {e->rows, e->d}, e->l},
	                     {"s", SF_FLOAT64, 2, {e->rows, e->d}, e->s}, {"b", SF_FLOAT64, 2, {e->rows, e->d}, e->b}};
	const char *key[META] = {"format"}, *value[META] = {FORMAT};
	double *lambda;
	int64_t i;
	int rc;

	if (nmeta < 0 || nmeta > META - 1)
		return sf_fail(ctx, SF_ERANGE, "%s: %d metadata; there is room for %d", path, nmeta, META - 1);
	lambda = sf_alloc((size_t)e->rows, sizeof *lambda);
	if (!lambda)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	for (i = 0; i < e->rows; i++)
		lambda[i] = sf_ems_lambda(e, i);
	t[0].data = lambda;
	for (i = 0; i < nmeta; i++) {
		key[1 + i] = keys[i];
		value[1 + i] = values[i];
	}
	rc = sf_tensors_write(ctx, path, 4, t, nmeta + 1, key, value);
	sf_free(lambda);
	return rc;
}

static int load(sf_ctx *ctx, const char *path, const sf_tensors *file, const char *name, int64_t rows, int64_t d, double *out)
{
	const sf_tensor *t = sf_tensors_find(file, name);
	int64_t i;

	if (!t || t->rank != (d ? 2 : 1) || t->dim[0] != rows || (d && t->dim[1] != d))
		return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%s' is missing or not of the shape of 'l'", path, name);
	SF_TRY(sf_tensor_to_double(ctx, t, out));
	for (i = 0; i < t->size; i++)
		if (!isfinite(out[i]))
			return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%s' holds a number that is not finite", path, name);
	return SF_OK;
}

/* The rows' lambda: equal rising steps, read into `scratch`. */
static int load_lambda(sf_ctx *ctx, const char *path, const sf_tensors *file, double *scratch, sf_ems *e)
{
	double step;
	int64_t i;

	SF_TRY(load(ctx, path, file, "lambda", e->rows, 0, scratch));
	e->first = scratch[0];
	e->last = scratch[e->rows - 1];
	step = (e->last - e->first) / (double)(e->rows - 1);
	for (i = 0; i < e->rows; i++)
		if (!(step > 0 && fabs(scratch[i] - sf_ems_lambda(e, i)) <= 1e-3 * step))
			return sf_fail(ctx, SF_EFORMAT, "%s: tensor 'lambda' does not rise in equal steps (row %lld)", path, (long long)i);
	return SF_OK;
}

static int take(sf_ctx *ctx, const char *path, const sf_tensors *file, sf_ems *e)
{
	const sf_tensor *l = sf_tensors_find(file, "l");
	const char *format = sf_tensors_meta(file, "format");
	int rc;

	if (!format || strcmp(format, FORMAT) != 0)
		return sf_fail(ctx, SF_EFORMAT, "%s: not a file of model statistics (metadata format is '%s', expected '" FORMAT "')", path,
		               format ? format : "");
	if (!l || l->rank != 2 || l->dim[0] < 5 || l->dim[1] < 1)
		return sf_fail(ctx, SF_EFORMAT, "%s: expected a tensor 'l' of 5 or more rows", path);
	SF_TRY(sf_ems_new(ctx, l->dim[0], l->dim[1], e));
	rc = load_lambda(ctx, path, file, e->l, e);
	if (rc == 0)
		rc = load(ctx, path, file, "l", e->rows, e->d, e->l);
	if (rc == 0)
		rc = load(ctx, path, file, "s", e->rows, e->d, e->s);
	if (rc == 0)
		rc = load(ctx, path, file, "b", e->rows, e->d, e->b);
	if (rc < 0)
		sf_ems_free(e);
	return rc;
}

int sf_ems_read(sf_ctx *ctx, const char *path, sf_ems *e)
{
	sf_tensors file;
	int rc;

	memset(e, 0, sizeof *e);
	SF_TRY(sf_tensors_read(ctx, path, &file));
	rc = take(ctx, path, &file, e);
	sf_tensors_free(&file);
	return rc;
}
