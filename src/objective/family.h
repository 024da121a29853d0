/* family.h: what members of the objective family share: the options of time density and weighting, draws, and the terms
 * that losses are put together from.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_FAMILY_H
#define SF_OBJECTIVE_FAMILY_H

#include <scorefield/objective.h>

#include "core/core.h"

#include <stddef.h>

/* First member of every objective's state. */
typedef struct sf_objective_options {
	int t, weight;
	double p_mean, p_std, snr_gamma, at;
} sf_objective_options;
enum { SF_T_UNIFORM, SF_T_STRATIFIED, SF_T_IMPORTANCE, SF_T_NORMAL, SF_T_LOGNORMAL, SF_T_DISCRETE, SF_T_FIXED };
enum { SF_W_SIGMA2, SF_W_ONE, SF_W_G2, SF_W_G2_SIGMA2, SF_W_SIGMA_P2, SF_W_EDM, SF_W_MIN_SNR };

#define SF_OBJECTIVE_OPTIONS(S)                                                                    \
	{"t", "density of the training times", SF_OPT_CHOICE,                                      \
	 offsetof(S, common) + offsetof(sf_objective_options, t), "uniform", 0, 0,                 \
	 "uniform|stratified|importance|normal|lognormal|discrete|fixed"},                                \
	{"weight", "weighting lambda(t) of the loss", SF_OPT_CHOICE,                               \
	 offsetof(S, common) + offsetof(sf_objective_options, weight), "sigma2", 0, 0,             \
	 "sigma2|one|g2|g2-sigma2|sigma-p2|edm|min-snr"},                                          \
	{"p-mean", "mean of ln(sigma/alpha) for t=lognormal", SF_OPT_DOUBLE,                       \
	 offsetof(S, common) + offsetof(sf_objective_options, p_mean), "-1.2", -50, 50, NULL},     \
	{"p-std", "standard deviation of ln(sigma/alpha) for t=lognormal", SF_OPT_DOUBLE,          \
	 offsetof(S, common) + offsetof(sf_objective_options, p_std), "1.2", 1e-6, 50, NULL},      \
	{"snr-gamma", "cut of weight=min-snr", SF_OPT_DOUBLE,                                      \
	 offsetof(S, common) + offsetof(sf_objective_options, snr_gamma), "5", 1e-6, 1e6, NULL},   \
	{"at", "the time for t=fixed", SF_OPT_DOUBLE,                                              \
	 offsetof(S, common) + offsetof(sf_objective_options, at), "0.5", 1e-12, 1e12, NULL}

/* Whether a process never moves (static). */
int sf_objective_still(const sf_process *p);

/* The process drives x_0 of sample i to time t[i]: xt, z and the return value are sf_process_draw's xt, z and tail; NaN where
 * the path diverged. `given_velocity` as there. */
double sf_draw_state(const sf_model *m, const sf_draw *d, int64_t i, int given_velocity);
/* For losses that hold derivatives of eps and pair no noise with it (ism, ssm, ssm-vr): x_t, and the process's scale sigma in
 * extra[0]; returns sigma, or NaN as above. */
double sf_draw_marginal(const sf_model *m, const sf_draw *d, int64_t i);
/* z of samples first .. first+n-1, drawn together, where sf_draw_state then finds it: small samples under a linear process
 * of one block. Called before the samples' draws. */
void sf_draw_ahead(const sf_model *m, const sf_draw *d, int64_t first, int64_t n);
/* Standard normals of sample i of a draw into out (size). */
void sf_draw_noise(const sf_model *m, const sf_draw *d, uint32_t purpose, int64_t i, double *out);
/* Directions with E v v' = I into d->probe of sample i (`count` of them): signs, unit normals, or uniform on the sphere of
 * radius sqrt(size). */
enum { SF_PROBE_RADEMACHER, SF_PROBE_GAUSSIAN, SF_PROBE_SPHERE };
#define SF_PROBES "rademacher|gaussian|sphere"
void sf_draw_probes(const sf_model *m, const sf_draw *d, int64_t i, int kind, int64_t count);

/* ---- terms; the graph keeps the first error ---- */
/* eps at the drawn point, built once (l->v.eps). */
sf_var sf_loss_eps(const sf_model *m, sf_graph *g, int train, sf_loss *l);
/* eps, or with an energy <x,F>, at the drawn point plus `shift` (shape of the data; the energy also at SF_NOVAR, the point
 * itself). */
sf_var sf_loss_eps_at(const sf_model *m, sf_graph *g, int train, sf_loss *l, sf_var shift);
sf_var sf_loss_energy_at(const sf_model *m, sf_graph *g, int train, sf_loss *l, sf_var shift);
/* Directional derivative of l->v.eps along `dir`: (d eps/dx) dir. */
sf_var sf_loss_tangent(sf_graph *g, const sf_loss *l, sf_var dir);
/* Probe number k, shape of the data. */
sf_var sf_loss_probe(const sf_model *m, sf_graph *g, const sf_loss *l, int64_t k);
/* w/2 |eps - z|^2: regression of eps on what was drawn. */
sf_var sf_loss_regression(const sf_model *m, sf_graph *g, int train, sf_loss *l);

#endif
