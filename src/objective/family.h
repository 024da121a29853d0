/* family.h: what members of the objective family share: the options of time density and weighting.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_FAMILY_H
#define SF_OBJECTIVE_FAMILY_H

#include <scorefield/objective.h>

#include "core/core.h"

#include <stddef.h>

/* First member of every objective's state. */
typedef struct sf_objective_options {
	int t, weight;
	double p_mean, p_std, snr_gamma;
} sf_objective_options;
enum { SF_T_UNIFORM, SF_T_STRATIFIED, SF_T_IMPORTANCE, SF_T_LOGNORMAL };
enum { SF_W_SIGMA2, SF_W_ONE, SF_W_G2, SF_W_SIGMA_P2, SF_W_EDM, SF_W_MIN_SNR };

#define SF_OBJECTIVE_OPTIONS(S)                                                                    \
	{"t", "density of the training times", SF_OPT_CHOICE,                                      \
	 offsetof(S, common) + offsetof(sf_objective_options, t), "uniform", 0, 0,                 \
	 "uniform|stratified|importance|lognormal"},                                               \
	{"weight", "weighting lambda(t) of the loss", SF_OPT_CHOICE,                               \
	 offsetof(S, common) + offsetof(sf_objective_options, weight), "sigma2", 0, 0,             \
	 "sigma2|one|g2|sigma-p2|edm|min-snr"},                                                    \
	{"p-mean", "mean of ln(sigma/alpha) for t=lognormal", SF_OPT_DOUBLE,                       \
	 offsetof(S, common) + offsetof(sf_objective_options, p_mean), "-1.2", -50, 50, NULL},     \
	{"p-std", "standard deviation of ln(sigma/alpha) for t=lognormal", SF_OPT_DOUBLE,          \
	 offsetof(S, common) + offsetof(sf_objective_options, p_std), "1.2", 1e-6, 50, NULL},      \
	{"snr-gamma", "cut of weight=min-snr", SF_OPT_DOUBLE,                                      \
	 offsetof(S, common) + offsetof(sf_objective_options, snr_gamma), "5", 1e-6, 1e6, NULL}

/* Standard normals of sample i of a draw into out (size). */
void sf_draw_noise(const sf_model *m, const sf_draw *d, uint32_t purpose, int64_t i, double *out);

#endif
