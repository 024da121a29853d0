/* inspect.h: the parts of `scorefield inspect`.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_INSPECT_H
#define SF_CMD_INSPECT_H

#include "cmd/cmd.h"

typedef struct inspect_options {
	common common;
	words set;
	int presets;
} inspect_options;

/* inspect_file.c: by its ending .safetensors, .npy or .png. */
int inspect_is_file(const char *name);
int inspect_file(sf_ctx *ctx, const common *o, const char *file);
int inspect_tensors(sf_ctx *ctx, const common *o, const char *file);

/* inspect_config.c: one configuration, and a table of them. */
int inspect_config(sf_ctx *ctx, const inspect_options *o, const char *name);
int inspect_table(sf_ctx *ctx, const inspect_options *o, int n, const char *const *name);

#endif
