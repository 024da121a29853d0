/* states.h: files of latents, the states of the probability-flow ODE at the process's end.
 *
 *     FILE.npy   float64 (n,h,w,c) or (n,d); processes with velocities (n,2,h,w,c) or (n,2,d)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_STATES_H
#define SF_CMD_STATES_H

#include "cmd/model.h"

int states_write(sf_ctx *ctx, const model *m, const char *path, int64_t n, double *u);
/* Reads n whole states that fit the model; free() releases *u. between > 0: that many states on the great circle
 * from each record to the next, both ends counted, in place of the records. */
int states_read(sf_ctx *ctx, const model *m, const char *path, int64_t between, int64_t *n, double **u);

#endif
