/* grid.h: time grids: the times at which a sampler stops.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_GRID_H
#define SCOREFIELD_GRID_H

#include <scorefield/process.h>

SF_BEGIN

typedef struct sf_grid sf_grid;
typedef struct sf_grid_class {
	sf_class head;
	/* t[0..steps] from start to end (NaN: the grid's own); end may be 0. The caller checks that
	 * times fall. */
	int (*fill)(const void *st, const sf_process *p, double start, double end, int64_t steps,
	            double *t);
} sf_grid_class;
SF_API int sf_grid_new(sf_ctx *ctx, const char *spec, sf_grid **g);
SF_API void sf_grid_free(sf_grid *g);
/* Fills t[0..steps]; NaN for start or end picks the grid's own (T and t_sample of the process, or
 * what the grid's options say). SF_EINVAL where the result is not strictly falling. */
SF_API int sf_grid_fill(const sf_grid *g, const sf_process *p, double start, double end,
                        int64_t steps, double *t);

SF_END
#endif
