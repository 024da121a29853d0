/* grid.h: what a member of the grid family sees.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_GRID_H
#define SF_GRID_H

#include "core/core.h"

#include <scorefield/grid.h>

/* How a grid ends when the caller does not say: `last` at the process's t_sample, or `zero` with
 * one more step from there to time 0. */
enum { SF_GRID_LAST, SF_GRID_ZERO };
#define SF_GRID_FINAL_CHOICES "last|zero"

/* Where the smooth part of a grid runs: from start to end in `pieces` steps; with `zero` a last
 * step to time 0 follows. */
typedef struct sf_span {
	double start, end;
	int64_t pieces;
	int zero;
} sf_span;
sf_span sf_grid_span(const sf_process *p, double start, double end, int64_t steps, int final);

/* Fills t[0..pieces] with from((1-f) to(start) + f to(end)), f = i/pieces, with exact ends, and
 * the zero. */
void sf_grid_warp(sf_span s, double (*to)(const void *arg, double t),
                  double (*from)(const void *arg, double u), const void *arg, double *t);

#endif
