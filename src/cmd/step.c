/* step.c: builds a configuration's training step without data flowing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/step.h"

#include <stdlib.h>
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

int step_open(sf_ctx *ctx, sf_config *c, int64_t shard, step *s)
{
	sf_var *params;
	int i, n, rc;

	memset(s, 0, sizeof *s);
	rc = sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s->setup);
	if (rc == 0)
		rc = sf_graph_new(ctx, sf_objective_order(s->setup.objective), &s->graph);
	if (rc == 0)
		rc = sf_objective_build(s->setup.objective, &s->setup.model, s->graph, 1, &s->loss);
	if (rc < 0)
		return rc;
	n = sf_param_count(s->graph);
	s->nout = n + 1;
	s->out = calloc(2 * (size_t)n + 1, sizeof *s->out);
	if (!s->out)
		return fail(STATUS_INPUT, "out of memory");
	s->out[0] = s->loss.loss;
	params = s->out + n + 1;
	for (i = 0; i < n; i++) {
		const sf_param_info *p = sf_param_get(s->graph, i);

		params[i] = p->var;
		s->trainable += p->shape.size;
	}
	s->total = sf_param_total(s->graph);
	rc = sf_grad(s->graph, s->loss.loss, params, n, s->out + 1);
	if (rc == 0)
		rc = sf_plan_new(s->graph, s->out, s->nout, s->setup.type, shard, &s->plan);
	if (rc == 0)
		sf_plan_describe(s->plan, &s->info);
	return rc;
}

void step_close(step *s)
{
	sf_plan_free(s->plan);
	sf_graph_free(s->graph);
	sf_setup_close(&s->setup);
	free(s->out);
}
