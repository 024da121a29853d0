/* process.h: forward processes dx = f(x,t) dt + G(t) dw on 0 <= t <= T.
 *
 * A linear process acts alike on every data coordinate with k state blocks (k = 1; k = 2 for
 * position and velocity): du = F(t) u dt + G(t) dw with k x k matrices, so u_t given u_s is
 * normal with mean Phi(s,t) u_s. States are (n, k, d): the block is slower than the coordinate.
 * Times are double, one per sample. For k = 1: x_t = alpha(t) x_0 + sigma(t) z. Sources: Song et
 * al. 2021 (2011.13456), Karras et al. 2022 (2206.00364); each member's file cites its equations.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_PROCESS_H
#define SCOREFIELD_PROCESS_H

#include <scorefield/object.h>

SF_BEGIN

typedef struct sf_process sf_process;

typedef struct sf_process_class {
	sf_class head;
	int k;      /* state blocks */
	int linear; /* the closed forms below exist */
	/* k x k, row-major */
	void (*drift_matrix)(const void *st, double t, double *F);
	void (*diffusion_matrix)(const void *st, double t, double *G);
	void (*phi)(const void *st, double s, double t, double *Phi);
	void (*cov)(const void *st, double t, double *Sigma); /* of u_t given x_0 */
	/* k = 1 without the square root's loss of digits; NULL: from phi and cov */
	double (*alpha)(const void *st, double t);
	double (*sigma)(const void *st, double t);
	/* t with sigma/alpha = ratio, also past T; NULL: bisection */
	double (*time_of_ratio)(const void *st, double ratio);
	/* nonlinear ones: f(x,t) of one sample, scalar g(t) */
	void (*drift)(const void *st, int64_t d, const double *x, double t, double *f);
	double (*diffusion)(const void *st, double t);
	/* Time range: T, and the smallest time for training and for sampling. */
	double (*horizon)(const void *st);
	double (*t_train)(const void *st);
	double (*t_sample)(const void *st);
	/* Prior N(0, prior_var[block]) */
	void (*prior_var)(const void *st, double *var);
} sf_process_class;

SF_API int sf_process_new(sf_ctx *ctx, const char *spec, sf_process **p);
/* A process of a class that is not in the registry (a user's own), with its options at their
 * defaults. The record must outlive the process. SF_EINVAL where a function that its kind needs
 * is missing. */
SF_API int sf_process_from_class(sf_ctx *ctx, const sf_process_class *cls, sf_process **p);
SF_API void sf_process_free(sf_process *p);
SF_API const char *sf_process_name(const sf_process *p); /* registry id */
SF_API int sf_process_blocks(const sf_process *p);
SF_API int sf_process_linear(const sf_process *p);
SF_API double sf_process_horizon(const sf_process *p);  /* T */
SF_API double sf_process_t_train(const sf_process *p);  /* smallest training time */
SF_API double sf_process_t_sample(const sf_process *p); /* default end of sampling */

/* Closed forms of linear processes (k x k, row-major). */
SF_API void sf_process_drift_matrix(const sf_process *p, double t, double *F);
SF_API void sf_process_diffusion_matrix(const sf_process *p, double t, double *G);
SF_API void sf_process_phi(const sf_process *p, double s, double t, double *Phi);
SF_API void sf_process_cov(const sf_process *p, double t, double *Sigma);
/* k = 1: mean coefficient, standard deviation, g^2, lambda = ln(alpha^2/sigma^2) and its inverse;
 * EDM's noise level is sigma/alpha. The inverse clamps to [0, T]. NaN for k = 2, and for
 * nonlinear ones (except g^2). */
SF_API double sf_process_alpha(const sf_process *p, double t);
SF_API double sf_process_sigma(const sf_process *p, double t);
SF_API double sf_process_g2(const sf_process *p, double t);
SF_API double sf_process_logsnr(const sf_process *p, double t);
SF_API double sf_process_time_of_ratio(const sf_process *p, double ratio); /* sigma/alpha -> t */

/* xt = the process at t[i] given x0 (n,d) (velocity starts as the member says), for unit normals z
 * (n,k,d). SF_EUNSUP for nonlinear ones. */
SF_API int sf_process_perturb(const sf_process *p, int64_t n, int64_t d, const double *x0,
                              const double *t, const double *z, double *xt);
/* f(x,t), (n,k,d). */
SF_API int sf_process_drift(const sf_process *p, int64_t n, int64_t d, const double *x,
                            const double *t, double *f);
/* Drift of the reversed process: f - (1+eta^2)/2 G G' score; eta = 1 the reverse SDE (Song et al.
 * eq 6), eta = 0 the probability-flow ODE (eq 13). `score` (n,k,d). out may be score. */
SF_API int sf_process_reverse_drift(const sf_process *p, int64_t n, int64_t d, const double *x,
                                    const double *t, const double *score, double eta, double *out);
/* The prior: samples from unit normals z (n,k,d), in place; log density per sample. */
SF_API void sf_process_prior(const sf_process *p, int64_t n, int64_t d, double *z);
SF_API void sf_process_prior_logp(const sf_process *p, int64_t n, int64_t d, const double *x,
                                  double *logp);

SF_END
#endif
