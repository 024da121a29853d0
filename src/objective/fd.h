/* fd.h: what the finite-difference members share: length and direction of the perturbation, and the mean over slices.
 *
 * A direction u has E u u' = I, and |u|^2 = d on the sphere; the perturbation is v = h u with the length h a
 * coordinate, so that the norm eps of the papers is h sqrt(d) and their factor d/eps^2 is 1/h^2 (Pang et al. 2020,
 * 2007.03317).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_FD_H
#define SF_OBJECTIVE_FD_H

#include "objective/family.h"

/* First member of the state: h = max(eps scale, eps-min). */
typedef struct sf_fd {
	sf_objective_options common;
	int scale;
	double eps, eps_min;
	int64_t slices;
} sf_fd;

#define SF_FD_OPTIONS                                                                              \
	SF_OBJECTIVE_OPTIONS(sf_fd),                                                               \
	{"eps", "length of the perturbation a coordinate, in units of `scale`: its norm is eps sqrt(d)", SF_OPT_DOUBLE, \
	 offsetof(sf_fd, eps), "0.1", 1e-18, 1e3, NULL},                                            \
	{"scale", "sigma: lengths shrink with the noise of time t; one: eps at every time", SF_OPT_CHOICE, \
	 offsetof(sf_fd, scale), "sigma", 0, 0, "sigma|one"},                                      \
	{"eps-min", "least length a coordinate, which the number type must resolve", SF_OPT_DOUBLE, \
	 offsetof(sf_fd, eps_min), "0.0005", 0, 1e3, NULL},                                        \
	{"slices", "directions a sample, two evaluations each", SF_OPT_INT, offsetof(sf_fd, slices), "1", 1, 64, NULL}

/* The class's `probes` and `displacement` (h). */
int64_t sf_fd_probes(const void *state);
double sf_fd_displacement(const void *state, const sf_model *m, double t);
/* Its `draw`, for directions of a kind (SF_PROBE_...), and on the sphere. */
double sf_fd_draw_kind(const void *state, const sf_model *m, const sf_draw *d, int64_t i, int kind);
double sf_fd_draw(const void *state, const sf_model *m, const sf_draw *d, int64_t i);

/* The extra inputs: the process's scale (sf_draw_marginal's), and h. */
enum { SF_FD_SIGMA, SF_FD_H };

/* What a slice's term is made of. */
typedef struct sf_fd_slice {
	const sf_model *m;
	sf_graph *g;
	int train;
	sf_loss *l;
	sf_var u; /* direction */
} sf_fd_slice;
/* eps(x + v) and eps(x - v); the same of the energy <x,F>. */
void sf_fd_eps(const sf_fd_slice *s, sf_var *plus, sf_var *minus);
void sf_fd_energy(const sf_fd_slice *s, sf_var *plus, sf_var *minus);
/* sigma/h. */
sf_var sf_fd_ratio(const sf_fd_slice *s);
/* w times the mean of `term` over the slices. */
sf_var sf_fd_mean(const void *state, const sf_model *m, sf_graph *g, int train, sf_loss *l,
                  sf_var (*term)(const sf_fd_slice *s));

#endif
