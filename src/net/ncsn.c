/* ncsn.c: NCSN, a RefineNet (refine_net.c) whose normalisations hold gains and shifts for each of `levels` noise
 * levels; the model's condition must be the number of the level (cond=level), 0 the noisiest. It estimates the score
 * itself. The paper has 10 levels.
 * Reference: Song and Ermon 2019 (1907.05600), section 4.1 and appendix A.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/refine.h"

#include <stddef.h>

static const sf_opt opts[] = {
	SF_REFINE_OPTIONS,
	{"levels", "noise levels, rows of each normalisation's table", SF_OPT_INT, SF_REFINE_AT(levels), "10", 1, 100000,
	 NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

extern const sf_net_class sf_net_ncsn;
const sf_net_class sf_net_ncsn = {
	{"ncsn", "RefineNet of NCSN, its normalisations conditional on the noise level",
	 "Song and Ermon 2019 (1907.05600), appendix A", sizeof(struct sf_refine_net), opts, NULL, NULL},
	sf_refine_accepts, sf_refine_build, NULL, 1, NULL, 0};
