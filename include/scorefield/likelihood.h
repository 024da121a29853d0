/* likelihood.h: densities that a score defines, and the latents of its probability-flow ODE.
 *
 * The ODE dx/dt = f - G G' score/2 carries the density at time t0 to that at T, so that a model whose law at T is the
 * process's prior gives a point at t0 the density
 *
 *     log p(x) = log prior(x(T)) + int_t0^T div(f - G G' score/2)(x(t), t) dt
 *
 * (Song et al. 2021, 2011.13456, appendix D.2). State and integral go forward together under one error control. The
 * divergence of f is exact; that of the score, tr(G G' J), is exact by k d directional derivatives, or estimated by
 * Skilling and Hutchinson's e'(G G')J e with probes e that stay the same along a sample's path. Scores need a
 * directional derivative (sf_score_jvp).
 *
 * Two blocks: data have no velocity, so one is drawn from its law at time 0 and
 *
 *     log p(x) >= E_v [log p(x, v) - log q(v)],   v ~ q = N(0, start_var)
 *
 * (Dockhorn et al. 2022, 2112.07068): a bound, tight where the model's velocity at t0 does not depend on the
 * position. They write the mean of -log q, its entropy, in place of -log q(v), which has the same mean and more
 * noise.
 *
 * Natural logarithms of densities of network values x; see sf_view_bits for bits per dimension.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_LIKELIHOOD_H
#define SCOREFIELD_LIKELIHOOD_H

#include <scorefield/data.h>
#include <scorefield/sampler.h>

SF_BEGIN

enum {
	SF_TRACE_EXACT,
	SF_TRACE_RADEMACHER, /* probes of +1 and -1 */
	SF_TRACE_NORMAL,
	SF_TRACE_NONE        /* latents alone */
};

typedef struct sf_likelihood_run {
	int64_t n;             /* samples */
	uint64_t first_sample; /* index of sample 0 in the noise streams */
	uint64_t seed;
	const char *solver;    /* spec of a sampler that can follow any ODE; NULL: "rk45", tolerances 1e-5 */
	double start;          /* t0; NaN: the smallest training time, 1e-5 for vp, subvp, ve and cld as published */
	int trace;             /* SF_TRACE_... */
	int64_t probes;        /* probes a sample; their estimates are averaged */
	const double *probe;   /* (probes,k,d) taken for every sample instead of random ones; NULL: random */
	int64_t nfe_max;       /* evaluation budget per sample, derivatives not counted; 0: none; SF_EBUDGET */
	/* Called after each round of steps; a non-zero return stops with SF_ESTOPPED. */
	int (*observe)(void *user, int64_t step, double t, int64_t n, const double *x);
	void *user;
} sf_likelihood_run;
/* Exact trace, one probe for when that is changed, everything else as above. */
SF_API void sf_likelihood_defaults(sf_likelihood_run *run);

/* Carries states u (n,k,d) from t0 to T in place. divergence (n), if not NULL, gets the integral above; without it,
 * trace and probes are not looked at and the score needs no derivative. The inverse: sf_sample with rk45 and
 * given_start, to the same t0 and without its denoising step. Results depend on sample and seed alone, not on threads
 * or on the cut into calls (but for solvers with batch=true). SF_EUNSUP where the solver cannot do this, the process
 * has no noise to follow, or the score has no derivative; SF_ERANGE; SF_EDIVERGED naming sample and time; SF_ESTEP;
 * SF_EBUDGET. */
SF_API int sf_encode(sf_score *s, const sf_likelihood_run *run, double *u, double *divergence,
                     sf_sample_report *report);

typedef struct sf_logp {
	double logp;                        /* the sum of the rest */
	double prior, divergence, velocity; /* log prior(u(T)); the integral; -log q(v), 0 with one block */
} sf_logp;
/* log p of the points x (n,d) into out (n); latent (n,k,d), u(T), may be NULL. With SF_TRACE_NONE, divergence and
 * logp are NaN. Errors as above. */
SF_API int sf_likelihood(sf_score *s, const sf_likelihood_run *run, const double *x, sf_logp *out, double *latent,
                         sf_sample_report *report);

typedef struct sf_bound {
	double logp;                              /* <= log p(x) in the mean: minus the sum of the rest */
	double prior, diffusion, reconstruction;
} sf_bound;
/* The variational bound of the reverse SDE for x_t = alpha x + sigma z (linear processes of one block), lambda =
 * ln(alpha^2/sigma^2):
 *
 *     -log p(x) <= KL(q(x_T|x) || prior) + 1/2 int E|z - eps(x_t,t)|^2 dlambda + E[-log p(x|x_t0)]
 *
 * Song, Durkan, Murray, Ermon 2021 (2101.09258): their integral over t of g^2(|s - grad|^2 - |grad|^2)/2 - div f with
 * its constants worked out and the step from t0 to the data, p(x|x_t0) = N(E[x|x_t0], (sigma/alpha)^2), taken in. As
 * g^2/sigma^2 = -dlambda/dt for every such process, times with lambda uniform are their importance sampling; each of
 * `times` equal parts of lambda gets one, and times/8 + 1 draws the last term. Where the score is exact and the prior
 * right, equality holds as t0 -> 0. Looks at n, first_sample, seed and start of `run`. x (n,d); `out` (n) has noise.
 * SF_EUNSUP, SF_ERANGE, SF_EDIVERGED. */
SF_API int sf_likelihood_bound(sf_score *s, const sf_likelihood_run *run, int64_t times, const double *x,
                               sf_bound *out);

/* ---- score models of latents (latent.h) ---- */
/* Cross entropy of the law that each z (n,d) was drawn from with the score's prior, one draw's share of it:
 *
 *     int_e^T g^2/(2 scale^2) E|eps - eps_theta(z_t,t)|^2 dt + sf_cross_entropy_constant,    e = run->start or t_train
 *
 * by one time in each of `times` equal parts of a density close to that of g^2/scale^2 times what N(0,1) latents leave
 * unexplained (1/scale: the ell of two blocks). value (n); se (n), may be NULL: standard error from pairs of neighbouring parts
 * (NaN for one time), a little too large. Looks at n, first_sample, seed and start of `run`. SF_EUNSUP for nonlinear
 * processes, SF_ERANGE, SF_EDIVERGED. */
SF_API int sf_cross_entropy(sf_score *s, const sf_likelihood_run *run, int64_t times, const double *z, double *value,
                            double *se);
typedef struct sf_nelbo_terms {
	double nelbo;          /* reconstruction - entropy + cross */
	double reconstruction; /* -ln p(x|z) */
	double entropy;        /* of q(.|x), closed form */
	double cross, se;      /* see below; se: NaN by the ODE */
} sf_nelbo_terms;
/* The bound of -ln p(x) for each x (n,size) at one z ~ q(z|x), keyed by (seed, sample) (LSGM, eq 1; Vahdat, Kreis and Kautz 2021):
 *
 *     times > 0   cross = sf_cross_entropy of z
 *     times = 0   cross = -log p(z) by sf_likelihood: solver, trace and probes of `run`
 *
 * The first is a bound whatever the score; the second is the density of the model that the ODE samples from, and takes the data of
 * the latents to lie at time `start`. Of densities of network values x, or of probabilities (sf_vae_how.likelihood).
 * latent (n,k,d): the ODE's end, may be NULL. SF_EMISMATCH where the score is not one of the pair's latents, and errors as above. */
struct sf_vae;
struct sf_coder;
SF_API int sf_nelbo(const struct sf_vae *v, struct sf_coder *c, sf_score *s, const sf_likelihood_run *run, int64_t times,
                    const double *x, sf_nelbo_terms *out, double *latent, sf_sample_report *report);

/* The latent at w in [0,1] on the great circle from a to b (k,d each): (sin((1-w)q) a + sin(w q) b)/sin q, where q
 * is the angle between them in units of the prior's deviations; the straight line where they are parallel.
 * Independent normals stay normal of the same variance but for terms of order d^(-1/2). */
SF_API void sf_latent_between(const sf_process *p, int64_t d, const double *a, const double *b, double w,
                              double *out);

/* Bits per dimension of the stored values v = scale x + shift whose network values x have this log density:
 *
 *     (-logp / d + ln scale) / ln 2
 *
 * For 8-bit data, ln scale is 7 bits for [-1,1] and 8 for [0,1]. For grey levels that were spread over their cells
 * (sf_view_spread), the mean bounds the length of a code of the levels themselves (Jensen). */
SF_API double sf_view_bits(const sf_view *v, int64_t d, double logp);

SF_END
#endif
