/* latent_directions.c: directions in which the aggregate posterior, the mean of q(z|x) over records, varies most.
 *
 * The variance that counts is that of the means E[z|x]: latents that say nothing have draws N(0,1) like all others. The deviation of
 * channel c of a latent (h,w,c) is the root of the mean variance over its places; principal directions are eigenvectors of the means'
 * covariance.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/latent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct ranked {
	double var;
	int64_t which;
} ranked;

static int falling(const void *a, const void *b)
{
	const ranked *x = a, *y = b;

	if (x->var != y->var)
		return x->var < y->var ? 1 : -1;
	return x->which > y->which ? 1 : x->which < y->which ? -1 : 0;
}

static int take(latent_work *w, int64_t n)
{
	w->directions = n;
	w->direction = calloc((size_t)(n * w->d), sizeof *w->direction);
	w->deviation = calloc((size_t)n, sizeof *w->deviation);
	w->which = calloc((size_t)n, sizeof *w->which);
	return w->direction && w->deviation && w->which ? 0 : fail(STATUS_INPUT, "out of memory");
}

static int channels(latent_work *w, int64_t n, const double *z)
{
	int64_t c = w->m.setup.model.dim[w->m.setup.model.rank - 1], places = w->d / c, i, j, k;
	ranked *r = calloc((size_t)c, sizeof *r);
	int rc = r ? take(w, c) : fail(STATUS_INPUT, "out of memory");

	for (j = 0; rc == 0 && j < w->d; j++) {
		double mean = 0, var = 0;

		for (i = 0; i < n; i++)
			mean += z[i * w->d + j] / (double)n;
		for (i = 0; i < n; i++)
			var += (z[i * w->d + j] - mean) * (z[i * w->d + j] - mean) / (double)(n - 1);
		r[j % c].var += var / (double)places;
		r[j % c].which = j % c;
	}
	if (rc == 0)
		qsort(r, (size_t)c, sizeof *r, falling);
	for (k = 0; rc == 0 && k < c; k++) {
		w->which[k] = r[k].which;
		w->deviation[k] = sqrt(r[k].var);
		for (j = 0; j < places; j++)
			w->direction[k * w->d + j * c + r[k].which] = w->deviation[k];
	}
	free(r);
	return rc;
}

static int principal(latent_work *w, int64_t n, const double *z)
{
	sf_components c = {0};
	sf_fit_options fit;
	int64_t k, j, most;
	int rc;

	sf_fit_defaults(&fit);
	rc = sf_components_fit(w->ctx, &fit, n, w->d, z, &c);
	if (rc)
		return rc;
	most = n - 1 < c.rank ? n - 1 : c.rank;
	rc = take(w, most);
	for (k = 0; rc == 0 && k < most; k++) {
		w->which[k] = k;
		w->deviation[k] = sqrt(fmax(0, c.var[k]));
		for (j = 0; j < w->d; j++)
			w->direction[k * w->d + j] = w->deviation[k] * c.basis[k * w->d + j];
	}
	sf_components_free(&c);
	return rc;
}

int latent_aggregate(latent_work *w)
{
	int64_t records = sf_data_describe(w->data)->n, n = w->o->aggregate, i, part;
	double *x, *z;
	int rc = 0;

	if (records && n > records)
		n = records;
	if (n < 2)
		return fail(STATUS_INPUT, "latent: a variance needs at least two records");
	if ((double)n * (double)w->d > 1e9)
		return fail(STATUS_INPUT, "latent: %lld latents do not fit into memory", (long long)n);
	x = malloc((size_t)(256 * w->size) * sizeof *x);
	z = malloc((size_t)(n * w->d) * sizeof *z);
	if (!x || !z)
		rc = fail(STATUS_INPUT, "out of memory");
	for (i = 0; rc == 0 && i < n; i += part) {
		part = n - i < 256 ? n - i : 256;
		rc = latent_encode(w, i, part, 0, x, z + i * w->d, NULL, NULL);
	}
	if (rc == 0)
		rc = (w->o->along == ALONG_PRINCIPAL ? principal : channels)(w, n, z);
	free(x);
	free(z);
	return rc;
}
