/* slices.h: random projections, which ssm and ssm-vr share (Song, Garg, Shi, Ermon 2019, 1905.07088).
 *
 * M directions v a sample with E v v' = I, so that E v'J v = tr J and E (v.s)^2 = |s|^2: signs, unit normals, or
 * points of the sphere of radius sqrt(d). Given A, variances of v'A v (F = |A_s|_F^2 of the symmetric part, t = tr
 * A): signs 2 (F - sum A_ii^2), normals 2 F, sphere 2 (d F - t^2)/(d + 2); tests assert them.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_SLICES_H
#define SF_OBJECTIVE_SLICES_H

#include "objective/family.h"

typedef struct sf_slices { /* the state of both */
	sf_objective_options common;
	int kind, unit_norm;
	int64_t count;
} sf_slices;

#define SF_SLICES_AT(m) offsetof(sf_slices, m)
#define SF_SLICES_OPTIONS                                                                          \
	SF_OBJECTIVE_OPTIONS(sf_slices),                                                           \
	{"projections", "law of the directions; the sphere's radius is sqrt(d)", SF_OPT_CHOICE,    \
	 SF_SLICES_AT(kind), "rademacher", 0, 0, SF_PROBES},                                       \
	{"slices", "directions a sample", SF_OPT_INT, SF_SLICES_AT(count), "1", 1, 64, NULL}

int64_t sf_slices_count(const void *state);
double sf_slices_draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i);
/* The mean of sigma v.(J_eps v), and in *square (may be NULL) of (v.eps)^2, over the directions. */
sf_var sf_slices_mean(const sf_slices *st, const sf_model *m, sf_graph *g, sf_loss *l, sf_var *square);

#endif
