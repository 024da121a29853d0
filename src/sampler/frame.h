/* frame.h: what the methods share that step in lambda = ln(alpha/sigma), or in the noise level sigma/alpha.
 *
 * With m the model's output, D = E[x_0|x] (data prediction) or eps (noise prediction), the exact solution of the
 * probability-flow ODE from s to t is, with h = lambda_t - lambda_s and m^(k) the derivatives of m by lambda at s,
 *
 *     x_t = a x_s + sum_k w_k h^k m^(k),   w_k = c phi_{k+1}(z),
 *     data:   a = sigma_t/sigma_s,  c = alpha_t h,   z = -h          (Lu et al. 2022, 2211.01095)
 *     noise:  a = alpha_t/alpha_s,  c = -sigma_t h,  z = h           (Lu et al. 2022, 2206.00927)
 *     phi_1(z) = (e^z - 1)/z,  phi_{k+1}(z) = (phi_k(z) - 1/k!)/z
 *
 * so that a method is its way to estimate h^k m^(k). At time 0 there is no noise: h is infinite, and the first order
 * alone, x = alpha_t D, is left. The reverse SDE with eta has h stretched by 1 + eta in all weights (k-diffusion).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SAMPLER_FRAME_H
#define SF_SAMPLER_FRAME_H

#include "sampler/sampler.h"

enum { SF_PREDICT_DATA, SF_PREDICT_NOISE };
#define SF_PREDICT_CHOICES "data|noise"

/* ---- points and legs ---- */
typedef struct sf_point {
	double t, alpha, sigma;
	double rho, lambda; /* sigma/alpha and ln(alpha/sigma): 0 and infinite at time 0, which counts as noise-free */
} sf_point;
sf_point sf_point_at(const sf_process *p, double t);
sf_point sf_point_with(const sf_process *p, double rho);
/* The point with lambda = s.lambda + r (t.lambda - s.lambda). */
sf_point sf_point_between(const sf_process *p, const sf_point *s, const sf_point *t, double r);

enum { SF_LEG_TERMS = 5 };
typedef struct sf_leg {
	double h, a, c, w[SF_LEG_TERMS];
} sf_leg;
/* stretch: 1 for the ODE; only data prediction knows others. */
sf_leg sf_leg_between(int prediction, const sf_point *s, const sf_point *t, double stretch);
/* phi_1 .. phi_n at z, n <= SF_LEG_TERMS, without cancellation near 0. */
void sf_phi(double z, int n, double *phi);

/* ---- sums of states and model outputs: out = sum_j w_j v_j, in one pass ---- */
typedef struct sf_mix {
	int n;
	double w[SF_SAMPLER_WORK];
	const double *v[SF_SAMPLER_WORK];
} sf_mix;
void sf_mix_add(sf_mix *m, double w, const double *v);
/* w (v - u)/r */
void sf_mix_slope(sf_mix *m, double w, const double *v, const double *u, double r);
void sf_mix_into(const sf_run *run, const sf_mix *m, double *out);

/* ---- the model and its history ---- */
int sf_run_model(sf_run *run, int prediction, double t, const double *x, double *out);
/* What the model said `ago` steps ago: work[0 .. depth-1] is a ring, so no step copies it. */
double *sf_past(const sf_run *run, int depth, int64_t ago);
sf_point sf_past_point(const sf_run *run, int64_t ago);

/* Order of step `index`: what was asked for, as far as there is history; at the end of a run the published programs
 * lower it step by step to 1 (always, or in runs of fewer than 10 steps). A step to time 0 has order 1. */
enum { SF_LOWER_ALWAYS, SF_LOWER_FEW, SF_LOWER_NEVER };
#define SF_LOWER_CHOICES "always|few|never"
int sf_multistep_order(const sf_run *run, int64_t index, int order, int lower);

/* ---- polynomials ---- */
/* Solves sum_j r_j^i x_j = b_i, i < n, in place (Bjorck and Pereyra 1970). */
void sf_vandermonde(int n, const double *r, double *b);
/* Adams-Bashforth weights w_j = integral from `from` to `to` of l_j(u(rho)) d rho, with the Lagrange polynomials l_j
 * of the nodes u_j; clock gives u(rho), NULL is rho itself, whose integral is exact for n <= 10. */
void sf_adams(int n, const double *node, double from, double to, double (*clock)(const void *arg, double rho),
              const void *arg, double *w);

/* ---- noise ---- */
/* The share eta of the noise that a step from level s to t may renew: x_t = x_down + up z has level t,
 *
 *     up = min(t, eta t sqrt(s^2 - t^2)/s),   down = sqrt(t^2 - up^2)
 *
 * eta = 1 is the law of x_t given x_s and x_0: DDPM's ancestral step (Song, Meng and Ermon 2021, 2010.02502, eq
 * 16). */
void sf_renew(double s, double t, double eta, double *down, double *up);
/* One step of this kind of order 1: x <- alpha_t (x/alpha_s + (down - s) eps + s_noise up z). work[0..1] are
 * scratch. */
int sf_step_renewing(sf_run *run, double eta, double s_noise);

/* Brownian motion in the noise level, brown.c: out (n,k,d) = W(rho), the same path for every grid. */
void sf_run_brown(sf_run *run, double rho, double *out);
enum { SF_BROWN_TERMS = 20 };
typedef struct sf_brown { /* W(rho) = sum_j c_j z_j with the unit normals of nodes */
	int n;
	double c[SF_BROWN_TERMS];
	uint32_t node[SF_BROWN_TERMS];
} sf_brown;
/* `most`: the noise level of the process at T, where the tree begins; 0 <= rho <= most. */
void sf_brown_at(double most, double rho, sf_brown *b);

/* ---- singlestep DPM-Solvers, single.c ---- */
/* Stage j is a sum of x and the outputs at stages 0 .. j-1 (c[j-1]); the last is the result. */
typedef struct sf_tableau {
	int stages;
	sf_point at[3];
	double c[3][4];
} sf_tableau;
/* variant: SF_MIDPOINT uses m' where the methods' own proofs need no more, SF_TAYLOR all terms. r1 = 0: 1/2 or
 * 1/3. */
enum { SF_MIDPOINT, SF_TAYLOR };
#define SF_VARIANT_CHOICES "midpoint|taylor"
void sf_tableau_make(const sf_process *p, int prediction, int order, int variant, double r1, const sf_point *s,
                     const sf_point *t, sf_tableau *b);
/* Takes run->x from run->t to run->t_next; work[0..3] are scratch. A step to time 0 has order 1. */
int sf_step_single(sf_run *run, int prediction, int order, int variant);

#endif
