/* data.c: the family of data sources: construction and reading by index.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

static const sf_data_class *class_of(const sf_data *d)
{
	const void *cls = d->base.cls; /* the head is its first member */

	return cls;
}

int sf_data_new(sf_ctx *ctx, const char *spec, sf_data **out)
{
	sf_data *d;
	int rc;

	*out = NULL;
	SF_TRY(sf_object_new(ctx, "data", spec, sizeof *d, &d));
	rc = class_of(d)->open(d);
	if (rc < 0) {
		sf_data_free(d);
		return rc;
	}
	*out = d;
	return SF_OK;
}

void sf_data_free(sf_data *d)
{
	sf_object_free(d);
}

const sf_data_info *sf_data_describe(const sf_data *d)
{
	return &d->info;
}

void sf_data_read(const sf_data *d, int64_t index, double *x, int *label)
{
	class_of(d)->read(d, index, x, label);
}

int sf_data_logp(const sf_data *d, const double *x, double alpha, double s, double *logp,
                 double *score)
{
	const sf_data_class *c = class_of(d);

	if (!c->logp)
		return sf_fail(d->base.ctx, SF_EUNSUP, "data '%s' has no density in closed form",
		               c->head.name);
	if (!(alpha > 0) || !(s >= 0))
		return sf_fail(
			d->base.ctx, SF_ERANGE,
			"density of data '%s': alpha = %g, s = %g; expected alpha > 0, s >= 0",
			c->head.name, alpha, s);
	*logp = c->logp(d, x, alpha, s, score);
	return SF_OK;
}
