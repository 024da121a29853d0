/* step.c: builds a configuration's training step outside a trainer.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/step.h"

#include <stdio.h>
#include <string.h>

int step_config(sf_ctx *ctx, const common *opts, const char *name, sf_config **c)
{
	char line[64];
	int rc = sf_config_new(ctx, c);

	if (rc == 0)
		rc = sf_config_preset(*c, name);
	if (rc == 0 && precision_name(opts)) {
		snprintf(line, sizeof line, "model.precision=%s", precision_name(opts));
		rc = sf_config_set(*c, line);
	}
	if (rc < 0) {
		sf_config_free(*c);
		*c = NULL;
	}
	return rc;
}

int step_open(sf_ctx *ctx, sf_config *c, int64_t n, int64_t shard, step *s)
{
	int rc;

	memset(s, 0, sizeof *s);
	rc = sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s->setup);
	if (rc == 0 && s->setup.vae)
		rc = fail(STATUS_INPUT, "bench: steps with latents are not measured; see scorefield train --profile");
	if (rc == 0)
		rc = sf_batch_new(s->setup.objective, &s->setup.model, n, (n + shard - 1) / shard, 1, &s->batch);
	if (rc)
		return rc;
	s->total = sf_param_total(sf_batch_graph(s->batch));
	sf_batch_describe(s->batch, &s->info);
	return 0;
}

void step_close(step *s)
{
	sf_batch_free(s->batch);
	sf_setup_close(&s->setup);
}
