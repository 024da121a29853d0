/* cost.c: parameters, work and memory of a configuration. Graphs are planned and thrown away; none of the memory that is counted
 * is taken.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cost.h"

#include <stdlib.h>
#include <string.h>

static int64_t whole(const sf_config *c, const char *key)
{
	const char *v = sf_config_get(c, key);

	return v ? strtoll(v, NULL, 10) : 0;
}

int cost_differs(const cost *c)
{
	return c->published && c->published != c->parameters;
}

/* One evaluation of eps(x,t). */
static int forward(const sf_setup *s, double *flops)
{
	sf_plan_info info;
	sf_model_vars v;
	sf_graph *g;
	int rc = sf_graph_new(s->ctx, 1, &g);

	if (rc < 0)
		return rc;
	sf_model_vars_init(&v);
	rc = sf_model_build(&s->model, g, 0, &v);
	if (rc == 0)
		rc = sf_plan_measure(g, &v.eps, 1, s->type, 1, &info);
	if (rc == 0)
		*flops = info.flops;
	sf_graph_free(g);
	return rc;
}

/* Loss and gradient of one image. */
static int image(const sf_setup *s, int recompute, sf_plan_info *info)
{
	sf_batch_how how;
	sf_batch *b = NULL;
	int rc;

	memset(&how, 0, sizeof how);
	how.n = how.shards = how.train = 1;
	how.recompute = recompute;
	rc = sf_batch_plan(s->objective, &s->model, &how, &b);
	if (rc == 0)
		sf_batch_describe(b, info);
	sf_batch_free(b);
	return rc;
}

/* A step as it is configured but for the recomputation. */
static int step(const sf_setup *s, int recompute, cost *out)
{
	sf_plan_info info;
	int rc = image(s, recompute ? SF_RECOMPUTE_BLOCKS : SF_RECOMPUTE_NONE, &info);

	if (rc == 0)
		rc = sf_config_set(s->config, recompute ? "train.recompute=blocks" : "train.recompute=none");
	if (rc == 0)
		rc = sf_memory_measure(s, &out->memory[recompute]);
	if (rc < 0)
		return rc;
	out->image[recompute] = (double)info.arena_bytes;
	out->step[recompute] = info.flops;
	if (!recompute)
		out->nodes = info.nodes;
	return 0;
}

int cost_open(sf_ctx *ctx, sf_config *c, sf_setup *s, cost *out)
{
	int rc;

	memset(out, 0, sizeof *out);
	out->published = whole(c, "net.parameters");
	out->batch = whole(c, "train.batch");
	rc = sf_config_set(c, "net.parameters=0"); /* what differs is shown, not refused */
	if (rc == 0)
		rc = sf_setup_open(ctx, c, SF_SETUP_SHAPE | SF_SETUP_OBJECTIVE, NULL, s);
	if (rc < 0)
		return rc;
	out->parameters = s->params;
	rc = forward(s, &out->forward);
	if (rc == 0)
		rc = step(s, 0, out);
	if (rc == 0)
		rc = step(s, 1, out);
	if (rc < 0)
		sf_setup_close(s);
	return rc;
}
