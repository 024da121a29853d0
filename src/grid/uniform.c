/* uniform.c: equal steps in time.
 *
 *     t_i = start + i/N (end - start)
 *
 * Song et al. 2021 (2011.13456), appendix C: from T = 1 to 1e-5 (VE) or 1e-3 (VP, sub-VP).
 *
 * Known answer: vp with N = 2 gives 1, 0.5005, 0.001.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "grid/grid.h"

typedef struct uniform {
	int final;
} uniform;

static const sf_opt options[] = {
	{"final", "end at the process's last sampling time, or step on to time zero", SF_OPT_CHOICE,
	 offsetof(uniform, final), "last", 0, 0, SF_GRID_FINAL_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double same(const void *arg, double t)
{
	(void)arg;
	return t;
}

static int fill(const void *st, const sf_process *p, double start, double end, int64_t steps,
                double *t)
{
	const uniform *u = st;

	sf_grid_warp(sf_grid_span(p, start, end, steps, u->final), same, same, NULL, t);
	return SF_OK;
}

const sf_grid_class sf_grid_uniform = {
	.head = {"uniform", "equal steps in time", "Song et al. 2021 (2011.13456), appendix C",
	         sizeof(uniform), options, NULL, NULL},
	.fill = fill};
