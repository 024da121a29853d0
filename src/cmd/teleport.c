/* teleport.c: --teleport of `scorefield sample`: the model of the data whose closed form stands for the first steps. It comes from a
 * file of `scorefield fit`, from the spec of a score, or is fitted to the run's own data here.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/fitted.h"
#include "cmd/sample.h"

#include <stdlib.h>
#include <sys/stat.h>

enum { NUMBERS = 1 << 26 /* most numbers read for a fit */ };

static int fit_own(sf_ctx *ctx, const model *m, sf_components *c)
{
	const char *spec = sf_config_get(m->config, "data.spec");
	sf_fit_options fit;
	sf_data *data = NULL;
	sf_view view = m->setup.view; /* the scaling that the network was trained with */
	double *x = NULL;
	int64_t n = 0, size = m->setup.model.size, records, most = NUMBERS / size > 0 ? NUMBERS / size : 1;
	int rc = sf_data_new(ctx, spec, &data);

	if (rc == 0) {
		view.data = data;
		records = sf_data_describe(data)->n;
		rc = records_read(&view, records > 0 && records <= most ? records : records > 0 ? most : -1, &n, &x);
	}
	sf_fit_defaults(&fit);
	if (rc == 0)
		rc = sf_components_fit(ctx, &fit, n, size, x, c);
	free(x);
	sf_data_free(data);
	return rc;
}

int teleport_open(sf_ctx *ctx, const model *m, const char *given, sf_score **score)
{
	sf_components c = {0};
	struct stat st;
	int rc;

	*score = NULL;
	if (given && stat(given, &st) != 0)
		return sf_score_new(ctx, given, m->setup.process, m->setup.model.size, score);
	if (!given && m->coder)
		return fail(STATUS_INPUT, "sample: --teleport: a model fitted to the data is none of the latents; give --gaussian");
	rc = given ? sf_components_read(ctx, given, &c) : fit_own(ctx, m, &c);
	if (rc)
		return rc;
	if (given)
		sf_components_rescale(&c, m->setup.view.shift, m->setup.view.scale);
	rc = sf_score_components(ctx, m->setup.process, &c, score);
	sf_components_free(&c);
	if (rc == 0 && sf_score_dim(*score) != m->setup.model.size) {
		rc = fail(STATUS_INPUT, "%s: a model of %lld numbers; this run's samples have %lld", given ? given : "data",
		          (long long)sf_score_dim(*score), (long long)m->setup.model.size);
		sf_score_free(*score);
		*score = NULL;
	}
	return rc;
}
