/* components.c: normal mixtures with covariances in their eigenbasis: memory, files, and the eigenbasis of given
 * axes.
 *
 *     C = A'A for axes A (r,d):   A A' = V' diag(q) V,   U = V A, each row brought to length 1
 *
 * so that an eigenproblem of size r gives the basis, not one of size d. File: safetensors, float64 tensors weight
 * (n), mean (n,d), basis (n,r,d), var (n,r), rest (n); the last but one pair is missing where r = 0.
 * Known answer: axes (1,1) have the basis (1,1)/sqrt 2 and the variance 2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"
#include "kernel/kernel.h"
#include "score/components.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT "scorefield-components"

int sf_components_new(sf_ctx *ctx, int64_t n, int64_t d, int64_t rank, sf_components *c)
{
	int64_t flat, all;

	memset(c, 0, sizeof *c);
	if (n < 1 || d < 1 || rank < 0 || rank > d || sf_mul_i64(n, d, &flat) < 0 ||
	    sf_mul_i64(flat, rank, &all) < 0 || all > INT64_MAX / 16 || flat > INT64_MAX / 16)
		return sf_fail(ctx, SF_ERANGE, "components: %lld of rank %lld in dimension %lld", (long long)n,
			       (long long)rank, (long long)d);
	c->n = n;
	c->d = d;
	c->rank = rank;
	c->scale = 1;
	c->weight = sf_alloc((size_t)n, sizeof(double));
	c->mean = sf_alloc((size_t)flat, sizeof(double));
	c->basis = sf_alloc((size_t)all + 1, sizeof(double));
	c->var = sf_alloc((size_t)(n * rank) + 1, sizeof(double));
	c->rest = sf_alloc((size_t)n, sizeof(double));
	if (c->weight && c->mean && c->basis && c->var && c->rest)
		return SF_OK;
	sf_components_free(c);
	return sf_fail(ctx, SF_ENOMEM, "components: out of memory for %lld of rank %lld in dimension %lld",
		       (long long)n, (long long)rank, (long long)d);
}

void sf_components_free(sf_components *c)
{
	sf_free(c->weight);
	sf_free(c->mean);
	sf_free(c->basis);
	sf_free(c->var);
	sf_free(c->rest);
	memset(c, 0, sizeof *c);
}

void sf_components_rescale(sf_components *c, double shift, double scale)
{
	double by = c->scale / scale;
	int64_t i;

	for (i = 0; i < c->n * c->d; i++)
		c->mean[i] = (c->scale * c->mean[i] + c->shift - shift) / scale;
	for (i = 0; i < c->n * c->rank; i++)
		c->var[i] *= by * by;
	for (i = 0; i < c->n; i++)
		c->rest[i] *= by * by;
	c->shift = shift;
	c->scale = scale;
}

/* Rows in order, each freed of those before it, twice: what the eigenproblem leaves at 1e-16 relative to the largest
 * axis is put right. */
static void orthonormal(int64_t rank, int64_t d, double *basis)
{
	int64_t i, j, l;
	int pass;

	for (i = 0; i < rank; i++) {
		double *row = basis + i * d, norm = 0;

		for (pass = 0; pass < 2; pass++)
			for (j = 0; j < i; j++) {
				double along = 0;

				for (l = 0; l < d; l++)
					along += row[l] * basis[j * d + l];
				for (l = 0; l < d; l++)
					row[l] -= along * basis[j * d + l];
			}
		for (l = 0; l < d; l++)
			norm += row[l] * row[l];
		for (l = 0; l < d; l++)
			row[l] /= sqrt(norm);
	}
}

/* A row for an eigenvalue that vanished: a direction that is left, from the coordinate axis that sticks out most. */
static void any_direction(int64_t i, int64_t d, double *basis)
{
	double most = -1;
	int64_t best = 0, j, l;

	for (l = 0; l < d; l++) {
		double left = 1;

		for (j = 0; j < i; j++)
			left -= basis[j * d + l] * basis[j * d + l];
		if (left > most) {
			most = left;
			best = l;
		}
	}
	memset(basis + i * d, 0, (size_t)d * sizeof *basis);
	basis[i * d + best] = 1;
	orthonormal(i + 1, d, basis);
}

int sf_components_axes(sf_ctx *ctx, int64_t rank, int64_t d, const double *axes, double *basis, double *var)
{
	double *gram = sf_alloc((size_t)rank, (size_t)rank * sizeof *gram),
	       *vec = sf_alloc((size_t)rank, (size_t)rank * sizeof *vec), *val = sf_alloc((size_t)rank, sizeof *val);
	int64_t i, j, l;
	int rc = SF_OK;

	if (!gram || !vec || !val) {
		rc = sf_fail(ctx, SF_ENOMEM, "components: out of memory");
		goto done;
	}
	for (i = 0; i < rank; i++)
		for (j = 0; j < rank; j++)
			for (l = 0; l < d; l++)
				gram[i * rank + j] += axes[i * d + l] * axes[j * d + l];
	rc = sf_blas_eigh(rank, gram, val, vec);
	if (rc < 0) {
		rc = sf_fail(ctx, rc, "components: no eigenvectors of %lld axes", (long long)rank);
		goto done;
	}
	for (i = 0; i < rank; i++) { /* from the largest down */
		const double *v = vec + (rank - 1 - i) * rank;
		double q = val[rank - 1 - i];

		if (!(q > 1e-14 * val[rank - 1])) {
			var[i] = 0;
			any_direction(i, d, basis);
			continue;
		}
		var[i] = q;
		memset(basis + i * d, 0, (size_t)d * sizeof *basis);
		for (j = 0; j < rank; j++)
			for (l = 0; l < d; l++)
				basis[i * d + l] += v[j] * axes[j * d + l];
		orthonormal(i + 1, d, basis);
	}
done:
	sf_free(gram);
	sf_free(vec);
	sf_free(val);
	return rc;
}

/* ---- files ---- */

int sf_components_write(sf_ctx *ctx, const char *path, const sf_components *c, int nmeta, const char *const *keys,
                        const char *const *values)
{
	sf_tensor_out t[] = {{"weight", SF_FLOAT64, 1, {c->n}, c->weight},
	                     {"mean", SF_FLOAT64, 2, {c->n, c->d}, c->mean},
	                     {"rest", SF_FLOAT64, 1, {c->n}, c->rest},
	                     {"basis", SF_FLOAT64, 3, {c->n, c->rank, c->d}, c->basis},
	                     {"var", SF_FLOAT64, 2, {c->n, c->rank}, c->var}};
	const char *key[16] = {"format", "shift", "scale"}, *value[16] = {FORMAT};
	char shift[40], scale[40];
	int i;

	if (nmeta > 13)
		return sf_fail(ctx, SF_ERANGE, "%s: %d metadata; there is room for 13", path, nmeta);
	sf_format_double(c->shift, shift, sizeof shift);
	sf_format_double(c->scale, scale, sizeof scale);
	value[1] = shift;
	value[2] = scale;
	for (i = 0; i < nmeta; i++) {
		key[3 + i] = keys[i];
		value[3 + i] = values[i];
	}
	return sf_tensors_write(ctx, path, c->rank > 0 ? 5 : 3, t, 3 + nmeta, key, value);
}

/* The tensor as float64 of that shape into `out`. */
static int load(sf_ctx *ctx, const char *what, const sf_tensors *file, const char *name, int rank, const int64_t *dim,
                double *out)
{
	const sf_tensor *t = sf_tensors_find(file, name);
	int64_t j;
	int i, same = t && t->rank == rank;

	for (i = 0; same && i < rank; i++)
		same = t->dim[i] == dim[i];
	if (!same)
		return sf_fail(ctx, SF_EFORMAT,
			       "%s: tensor '%s' is missing or not of the shape that 'mean' and 'var' ask for", what,
			       name);
	SF_TRY(sf_tensor_to_double(ctx, t, out));
	for (j = 0; j < t->size; j++)
		if (!isfinite(out[j]))
			return sf_fail(ctx, SF_EFORMAT, "%s: tensor '%s' holds a number that is not finite", what,
				       name);
	return SF_OK;
}

/* Sizes from the tensors mean and var. The largest tensor must be there before memory is asked for. */
static int measure(sf_ctx *ctx, const char *what, const sf_tensors *file, int64_t dim[3])
{
	const sf_tensor *mean = sf_tensors_find(file, "mean"), *var = sf_tensors_find(file, "var"),
			*basis = sf_tensors_find(file, "basis");
	const char *format = sf_tensors_meta(file, "format");

	if (!format || strcmp(format, FORMAT) != 0)
		return sf_fail(ctx, SF_EFORMAT,
			       "%s: not a model of `scorefield fit` (metadata format is '%.40s', expected '%s')",
			       what, format ? format : "", FORMAT);
	if (!mean || mean->rank != 2 || mean->dim[0] < 1 || mean->dim[1] < 1)
		return sf_fail(ctx, SF_EFORMAT, "%s: tensor 'mean' is missing or not (components, dimension)", what);
	dim[0] = mean->dim[0];
	dim[1] = var && var->rank == 2 ? var->dim[1] : 0;
	dim[2] = mean->dim[1];
	if (dim[1] > dim[2])
		return sf_fail(ctx, SF_EFORMAT, "%s: rank %lld is more than the dimension %lld", what,
			       (long long)dim[1], (long long)dim[2]);
	if (dim[1] > 0 && (!basis || basis->rank != 3 || basis->dim[0] != dim[0] || basis->dim[1] != dim[1] ||
			   basis->dim[2] != dim[2]))
		return sf_fail(ctx, SF_EFORMAT,
			       "%s: tensor 'basis' is missing or not of the shape that 'mean' and 'var' ask for",
			       what);
	return SF_OK;
}

static int number(sf_ctx *ctx, const char *what, const sf_tensors *file, const char *key, double *v)
{
	const char *text = sf_tensors_meta(file, key);

	if (!text || sf_parse_double(text, v) < 0 || !isfinite(*v))
		return sf_fail(ctx, SF_EFORMAT, "%s: metadata '%s' is not a number", what, key);
	return SF_OK;
}

/* Weights positive, variances not negative, rows of unit length at right angles to their neighbours. */
static int sane(sf_ctx *ctx, const char *what, sf_components *c)
{
	double total = 0;
	int64_t i, j, k, l;

	for (i = 0; i < c->n; i++) {
		if (!(c->weight[i] > 0 && c->rest[i] >= 0))
			return sf_fail(
				ctx, SF_EFORMAT,
				"%s: component %lld has weight %g and rest %g; expected more than 0, and not less",
				what, (long long)i, c->weight[i], c->rest[i]);
		total += c->weight[i];
	}
	for (i = 0; i < c->n * c->rank; i++)
		if (!(c->var[i] >= 0))
			return sf_fail(ctx, SF_EFORMAT, "%s: tensor 'var' holds %g; expected 0 or more", what,
				       c->var[i]);
	for (i = 0; i < c->n; i++)
		for (j = 0; j < c->rank; j++)
			for (k = j > 0 ? j - 1 : 0; k <= j; k++) {
				const double *a = c->basis + (i * c->rank + j) * c->d,
					     *b = c->basis + (i * c->rank + k) * c->d;
				double dot = 0;

				for (l = 0; l < c->d; l++)
					dot += a[l] * b[l];
				if (!(fabs(dot - (j == k)) < 1e-8))
					return sf_fail(ctx, SF_EFORMAT,
						       "%s: rows %lld and %lld of component %lld's basis have the "
						       "product %g; expected %d",
						       what, (long long)j, (long long)k, (long long)i, dot, j == k);
			}
	if (!(total > 0 && isfinite(total)))
		return sf_fail(ctx, SF_EFORMAT, "%s: the weights add up to %g", what, total);
	for (i = 0; i < c->n; i++)
		c->weight[i] /= total;
	return SF_OK;
}

static int take(sf_ctx *ctx, const char *what, const sf_tensors *file, sf_components *c)
{
	int64_t dim[3], flat[2];
	int rc;

	SF_TRY(measure(ctx, what, file, dim));
	SF_TRY(sf_components_new(ctx, dim[0], dim[2], dim[1], c));
	flat[0] = dim[0];
	flat[1] = dim[2];
	rc = load(ctx, what, file, "weight", 1, flat, c->weight);
	rc = rc < 0 ? rc : load(ctx, what, file, "mean", 2, flat, c->mean);
	rc = rc < 0 ? rc : load(ctx, what, file, "rest", 1, flat, c->rest);
	if (rc == 0 && c->rank > 0) {
		rc = load(ctx, what, file, "var", 2, dim, c->var);
		rc = rc < 0 ? rc : load(ctx, what, file, "basis", 3, dim, c->basis);
	}
	rc = rc < 0 ? rc : number(ctx, what, file, "shift", &c->shift);
	rc = rc < 0 ? rc : number(ctx, what, file, "scale", &c->scale);
	if (rc == 0 && !(c->scale > 0))
		rc = sf_fail(ctx, SF_EFORMAT, "%s: scale is %g; expected more than 0", what, c->scale);
	rc = rc < 0 ? rc : sane(ctx, what, c);
	if (rc < 0)
		sf_components_free(c);
	return rc;
}

int sf_components_read(sf_ctx *ctx, const char *path, sf_components *c)
{
	sf_tensors file;
	int rc;

	memset(c, 0, sizeof *c);
	SF_TRY(sf_tensors_read(ctx, path, &file));
	rc = take(ctx, path, &file, c);
	sf_tensors_free(&file);
	return rc;
}

int sf_components_parse(sf_ctx *ctx, const char *what, unsigned char *bytes, size_t size, sf_components *c)
{
	sf_tensors file;
	int rc;

	memset(c, 0, sizeof *c);
	SF_TRY(sf_tensors_parse(ctx, what, bytes, size, &file));
	rc = take(ctx, what, &file, c);
	sf_tensors_free(&file);
	return rc;
}
