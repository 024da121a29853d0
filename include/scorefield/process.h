/* process.h: forward processes dx = f(x,t) dt + G(t) dw on 0 <= t <= T.
 *
 * Every process takes part in one statement: x_t = mean + tail z with a unit normal z, where mean is what is fixed
 * once x_0 and the noise before the last are known. For a linear process of one block mean = alpha x_0 and
 * tail = sigma(t); of two blocks, the same for the velocity given the position; for a nonlinear one, mean and tail are
 * those of the last simulated step. So -z/tail is a conditional score whose expectation given x_t is the score.
 *
 * A linear process acts alike on every data coordinate with k state blocks (k = 1; k = 2 for
 * position and velocity): du = F(t) u dt + G(t) dw with k x k matrices, so u_t given u_s is
 * normal with mean Phi(s,t) u_s. States are (n, k, d): the block is slower than the coordinate.
 * Times are double, one per sample. For k = 1: x_t = alpha(t) x_0 + sigma(t) z. Sources: Song et
 * al. 2021 (2011.13456), Karras et al. 2022 (2206.00364); each member's file cites its equations.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_PROCESS_H
#define SCOREFIELD_PROCESS_H

#include <scorefield/noise.h>
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
	/* k = 2: covariance of u_t given all of u_0, where `cov` is that given x_0 alone, and the variance of the
	 * velocity at time 0 */
	void (*noise_cov)(const void *st, double t, double *C);
	double (*start_var)(const void *st);
	/* covariance (k,k) of u_t given u_s, exact for t near s; NULL: from the above, by a difference */
	void (*noise_between)(const void *st, double s, double t, double *C);
	/* nonlinear ones: f(x,t) of one sample, scalar g(t); their `sigma` is a nominal scale of the noise that time t has
	 * brought, for networks to be scaled with */
	void (*drift)(const void *st, int64_t d, const double *x, double t, double *f);
	double (*diffusion)(const void *st, double t);
	/* divergence of f at one sample, for likelihoods; optional */
	double (*divergence)(const void *st, int64_t d, const double *x, double t);
	int64_t (*steps)(const void *st); /* of the simulation from 0 to T; 0: x_t = x_0 */
	/* x_t given x_s = y as a normal law of mean and standard deviation (d), the drift linearised at y; optional */
	void (*transition)(const void *st, int64_t d, const double *y, double s, double t, double *mean,
	                   double *std);
	/* A prior other than N(0, prior_var): unit normals (d) to samples of it in place, and its log density; optional */
	void (*prior)(const void *st, int64_t d, double *z);
	double (*prior_logp)(const void *st, int64_t d, const double *x);
	/* Noise levels of a process that was made for discrete training: level i is time i T/(levels-1); optional */
	int64_t (*levels)(const void *st);
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
SF_API int64_t sf_process_levels(const sf_process *p);  /* of discrete training; 0: none */

/* Closed forms of linear processes (k x k, row-major). */
SF_API void sf_process_drift_matrix(const sf_process *p, double t, double *F);
SF_API void sf_process_diffusion_matrix(const sf_process *p, double t, double *G);
SF_API void sf_process_phi(const sf_process *p, double s, double t, double *Phi);
SF_API void sf_process_cov(const sf_process *p, double t, double *Sigma);
/* k = 2: covariance given all of u_0 (for k = 1 the same as cov), and the variance of the velocity at time 0. */
SF_API void sf_process_noise_cov(const sf_process *p, double t, double *C);
SF_API double sf_process_start_var(const sf_process *p);
/* Covariance of u_t given u_s: C(0,t) - Phi(s,t) C(0,s) Phi(s,t)'. */
SF_API void sf_process_noise_between(const sf_process *p, double s, double t, double *C);
/* k = 1: mean coefficient, standard deviation, lambda = ln(alpha^2/sigma^2) and its inverse; EDM's noise level is
 * sigma/alpha. The inverse clamps to [0, T]. NaN for k = 2 and for nonlinear ones. g^2 is that of the noisy block (x, or the
 * velocity of k = 2). */
SF_API double sf_process_alpha(const sf_process *p, double t);
SF_API double sf_process_sigma(const sf_process *p, double t);
SF_API double sf_process_g2(const sf_process *p, double t);
SF_API double sf_process_logsnr(const sf_process *p, double t);
SF_API double sf_process_time_of_ratio(const sf_process *p, double ratio); /* sigma/alpha -> t */

/* The scale that a network's noise estimate eps = -scale * score is in: sigma(t) for k = 1; for k = 2 the standard
 * deviation of the velocity given position and x_0, which Dockhorn et al. 2022 write 1/ell_t; nominal for nonlinear
 * ones. Positive for 0 < t <= T. */
SF_API double sf_process_scale(const sf_process *p, double t);

/* One sample at time t of the process started in x0 (d), for any process. Noise is keyed by seed and step of `key` and by
 * `sample`: z from the stream of key.purpose, and what comes before (the steps of a simulation, position and starting
 * velocity) from SF_NOISE_PATH. Fills xt (k,d), the last unit normals z (d) and *tail as the head
 * of this file says. `given_velocity`: for k = 2, condition on a velocity drawn at time 0 too (denoising score matching)
 * rather than on x_0 alone (hybrid score matching). SF_EDIVERGED where a simulated path leaves the finite numbers.
 * Simulation: Euler-Maruyama, ceil(steps t/T) equal steps. */
SF_API int sf_process_draw(const sf_process *p, int64_t d, const double *x0, double t, sf_noise key, uint64_t sample,
                           int given_velocity, double *xt, double *z, double *tail);
/* The same with a longer last step, from s = t (1 - back), 0 < back <= 1: x_s is drawn, then x_t = mean + std z
 * coordinate by coordinate given x_s. Exact for linear processes of one block (back = 1 is sf_process_draw); for nonlinear
 * ones the drift is linearised at x_s, for which they need a `transition` (SF_EUNSUP without). std (d).
 * Singhal, Goldstein, Ranganath 2024 (2407.07998). */
SF_API int sf_process_draw_local(const sf_process *p, int64_t d, const double *x0, double t, double back, sf_noise key,
                                 uint64_t sample, double *xt, double *z, double *std);

/* xt = the process at t[i] given x0 (n,d) (velocity starts as the member says), for unit normals z
 * (n,k,d). SF_EUNSUP for nonlinear ones. */
SF_API int sf_process_perturb(const sf_process *p, int64_t n, int64_t d, const double *x0,
                              const double *t, const double *z, double *xt);
/* f(x,t), (n,k,d). */
SF_API int sf_process_drift(const sf_process *p, int64_t n, int64_t d, const double *x,
                            const double *t, double *f);
/* Divergence of f at one state (k,d): d tr F(t) for linear processes. SF_EUNSUP for a nonlinear one whose class does not tell. */
SF_API int sf_process_divergence(const sf_process *p, int64_t d, const double *x, double t, double *div);
/* Drift of the reversed process: f - (1+eta^2)/2 G G' score; eta = 1 the reverse SDE (Song et al.
 * eq 6), eta = 0 the probability-flow ODE (eq 13). `score` (n,k,d). out may be score. */
SF_API int sf_process_reverse_drift(const sf_process *p, int64_t n, int64_t d, const double *x,
                                    const double *t, const double *score, double eta, double *out);
/* The prior: samples from unit normals z (n,k,d), in place; log density per sample. */
SF_API void sf_process_prior(const sf_process *p, int64_t n, int64_t d, double *z);
SF_API void sf_process_prior_logp(const sf_process *p, int64_t n, int64_t d, const double *x,
                                  double *logp);
/* Keeps the positions of n states: x (n,k,d) becomes (n,d), in place. Samples of the data, as velocities are none. */
SF_API void sf_process_position(const sf_process *p, int64_t n, int64_t d, double *x);

SF_END
#endif
