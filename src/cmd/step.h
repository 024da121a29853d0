/* step.h: the training step of a configuration outside a trainer: for sizes and times.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_STEP_H
#define SF_CMD_STEP_H

#include "cmd/cmd.h"

typedef struct step {
	sf_setup setup;
	sf_batch *batch;
	sf_plan_info info;
	int64_t total; /* elements of the flat parameter buffer */
} step;

/* Configuration from a preset's name or an INI file. */
int step_config(sf_ctx *ctx, const common *opts, const char *name, sf_config **c);
/* Plans loss and gradient of `n` samples, `shard` at a time. */
int step_open(sf_ctx *ctx, sf_config *c, int64_t n, int64_t shard, step *s);
void step_close(step *s);

#endif
