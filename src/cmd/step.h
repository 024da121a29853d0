/* step.h: the loss graph of a configuration as a plan, outside a trainer: for sizes and times.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_STEP_H
#define SF_CMD_STEP_H

#include "cmd/cmd.h"

typedef struct step {
	sf_setup setup;
	sf_graph *graph;
	sf_plan *plan;
	sf_loss loss;
	sf_plan_info info;
	sf_var *out; /* loss, then the gradients */
	int nout;
	int64_t trainable, total; /* parameters, and elements of the flat buffer */
} step;

/* Configuration from a preset's name or an INI file. */
int step_config(sf_ctx *ctx, const common *opts, const char *name, sf_config **c);
/* Plans loss and gradients for `shard` samples at a time. */
int step_open(sf_ctx *ctx, sf_config *c, int64_t shard, step *s);
void step_close(step *s);

#endif
