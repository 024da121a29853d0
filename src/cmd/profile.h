/* profile.h: a profile of training steps, shown.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_PROFILE_H
#define SF_CMD_PROFILE_H

#include "cmd/cmd.h"

/* A line a kind; nothing where there was no step. The machine's peak is measured meanwhile. */
void profile_print(sf_ctx *ctx, const sf_setup *s, const sf_profile *f);
/* {steps, seconds, flops, peak, threads, isa, kinds: {NAME: {seconds, flops, bytes, calls}}}; a new reference. */
json_t *profile_json(sf_ctx *ctx, const sf_setup *s, const sf_profile *f);

#endif
