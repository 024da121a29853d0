/* states.c: reads and writes latents, and puts others in between.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/states.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void shape_of(const model *m, int64_t n, sf_array *a)
{
	int k = sf_process_blocks(m->setup.process), i;

	memset(a, 0, sizeof *a);
	a->type = SF_FLOAT64;
	a->dim[a->rank++] = n;
	if (k > 1)
		a->dim[a->rank++] = k;
	for (i = 0; i < m->setup.model.rank; i++)
		a->dim[a->rank++] = m->setup.model.dim[i];
	a->size = n * k * m->setup.model.size;
}

int states_write(sf_ctx *ctx, const model *m, const char *path, int64_t n, double *u)
{
	sf_array a;

	shape_of(m, n, &a);
	a.data = u;
	return sf_npy_write(ctx, path, &a);
}

static int check(const model *m, const char *path, const sf_array *a)
{
	sf_array want;
	int i, same;

	shape_of(m, a->rank > 0 ? a->dim[0] : 0, &want);
	same = a->rank == want.rank && a->dim[0] > 0;
	for (i = 1; same && i < a->rank; i++)
		same = a->dim[i] == want.dim[i];
	if (!same)
		return fail(STATUS_INPUT, "%s: not latents of this network: expected (n%s,...) with %lld numbers a record", path,
		            sf_process_blocks(m->setup.process) > 1 ? ",2" : "",
		            (long long)(want.size / (want.dim[0] > 0 ? want.dim[0] : 1)));
	return 0;
}

static void spread(const model *m, int64_t between, int64_t n, const double *u, double *out)
{
	int64_t d = m->setup.model.size, size = d * sf_process_blocks(m->setup.process), i, j;

	for (i = 0; i + 1 < n; i++)
		for (j = 0; j < between; j++)
			sf_latent_between(m->setup.process, d, u + i * size, u + (i + 1) * size,
			                  (double)j / (double)(between - 1), out + (i * between + j) * size);
}

int states_read(sf_ctx *ctx, const model *m, const char *path, int64_t between, int64_t *n, double **u)
{
	sf_array a;
	double *x = NULL, *out = NULL;
	int64_t i, size = 0;
	int rc = sf_npy_read(ctx, path, &a);

	*u = NULL;
	if (rc < 0)
		return rc;
	rc = check(m, path, &a);
	if (rc == 0) {
		*n = a.dim[0];
		size = a.size / a.dim[0];
		if (between > 0 && *n < 2)
			rc = fail(STATUS_INPUT, "%s: one record has no neighbour to go to", path);
	}
	if (rc == 0 && !(x = malloc((size_t)a.size * sizeof *x)))
		rc = fail(STATUS_INPUT, "out of memory");
	for (i = 0; rc == 0 && i < a.size; i++)
		x[i] = sf_array_get(&a, i);
	for (i = 0; rc == 0 && i < a.size; i++)
		if (!isfinite(x[i]))
			rc = fail(STATUS_INPUT, "%s: number %lld is not finite", path, (long long)i);
	sf_array_free(&a);
	if (rc == 0 && between > 0) {
		double rows = (double)(*n - 1) * (double)between;

		if (rows * (double)size > 1e10 || !(out = malloc((size_t)(rows * (double)size) * sizeof *out))) {
			rc = fail(STATUS_INPUT, "out of memory for %g latents", rows);
		} else {
			spread(m, between, *n, x, out);
			*n = (*n - 1) * between;
		}
		free(x);
		x = out;
	}
	if (rc) {
		free(x);
		return rc;
	}
	*u = x;
	return 0;
}
