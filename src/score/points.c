/* points.c: the records of a data set as points in memory, scaled as a network would see them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"

#include <math.h>

int sf_points_read(sf_ctx *ctx, const char *what, const char *spec, sf_scaling scaling, double std, int64_t most,
		   int64_t *n, int64_t *d, double **x)
{
	const sf_data_info *info;
	sf_data *data = NULL;
	int64_t i, size;
	sf_view view;
	int rc;

	*x = NULL;
	SF_TRY(sf_data_new(ctx, spec, &data));
	info = sf_data_describe(data);
	*n = info->n > 0 && (most == 0 || info->n < most) ? info->n : most;
	if (*d > 0 && info->size != *d)
		rc = sf_fail(ctx, SF_EMISMATCH, "%s: data '%s' have %lld numbers a record; expected %lld", what, spec,
		             (long long)info->size, (long long)*d);
	else if (*n < 1)
		rc = sf_fail(ctx, SF_EINVAL, "%s: data '%s' have no end; say how many records to take", what, spec);
	else
		rc = sf_view_make(data, scaling, std, 0, 0, 0, &view);
	*d = info->size;
	if (rc == 0 && (sf_mul_i64(*n, info->size, &size) < 0 || size > INT64_MAX / 16 ||
			!(*x = sf_alloc((size_t)size, sizeof **x))))
		rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory for %lld records of %lld numbers", what,
			     (long long)*n, (long long)info->size);
	for (i = 0; rc == 0 && i < *n; i++)
		sf_view_read(&view, i, *x + i * info->size, NULL);
	sf_data_free(data);
	return rc;
}
