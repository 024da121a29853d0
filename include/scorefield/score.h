/* score.h: whatever evaluates a score: closed forms of known distributions and trained networks.
 * Samplers, likelihoods and metrics see nothing else of a model.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_SCORE_H
#define SCOREFIELD_SCORE_H

#include <scorefield/process.h>

SF_BEGIN

typedef struct sf_score sf_score;

/* What to return, for x_t = alpha x_0 + sigma z (k = 1): the score s = grad log p_t, the noise
 * eps = -sigma s, or the denoised E[x_0|x_t] = (x_t + sigma^2 s)/alpha (Tweedie). */
typedef enum { SF_SCORE, SF_EPS, SF_DENOISED } sf_what;

typedef struct sf_score_class {
	sf_class head;
	/* Called once with process and dimension known; may allocate, refuses what it cannot do. */
	int (*prepare)(sf_score *s);
	/* score (n,k,d) at x (n,k,d), times t (n): never changes x, is called from one thread only
	 * and parallelises over samples itself (sf_parallel). */
	int (*eval)(sf_score *s, int64_t n, const double *x, const double *t, double *out);
	/* log p_t, optional */
	int (*logp)(sf_score *s, int64_t n, const double *x, const double *t, double *out);
	/* directional derivative (d score/dx) v, optional */
	int (*jvp)(sf_score *s, int64_t n, const double *x, const double *t, const double *v,
	           double *out);
	/* the probability-flow ODE's exact solution, x (n,k,d) at time `from` to time `to`, in place; optional */
	int (*flow)(sf_score *s, int64_t n, double from, double to, double *x);
} sf_score_class;

/* An analytic score of data dimension d under a process; the process must outlive it. */
SF_API int sf_score_new(sf_ctx *ctx, const char *spec, const sf_process *p, int64_t d,
                        sf_score **s);
/* A score made of a function (a user's own, or a network): eval as in the class record. `release`
 * may be NULL. */
typedef int (*sf_score_fn)(void *user, int64_t n, const double *x, const double *t, double *out);
SF_API int sf_score_from_function(sf_ctx *ctx, const sf_process *p, int64_t d, sf_score_fn fn,
                                  void *user, void (*release)(void *user), sf_score **s);
/* The exact score of a finite data set, points (n,d) copied: the optimum of denoising score
 * matching when the points are all there is (Karras et al. 2022, section 2). Cost n d per
 * evaluation. */
SF_API int sf_score_delta(sf_ctx *ctx, const sf_process *p, int64_t n, int64_t d,
                          const double *points, sf_score **s);
/* The same for normal mixtures of any covariances (see below), copied. Where a covariance has rank < d and rest 0,
 * the score exists for t > 0 alone. */
struct sf_components;
SF_API int sf_score_components(sf_ctx *ctx, const sf_process *p, const struct sf_components *c, sf_score **s);
/* Classifier-free guidance: s = s_none + weight (s_cond - s_none) (Ho and Salimans 2022, 2207.12598, whose w is
 * weight - 1). Weight 1 is the conditional score and 0 the unconditional one, evaluated alone; any other weight
 * evaluates both and counts two. The two are scores of one process and dimension, differ as objects and must
 * outlive *s; sf_score_which reaches them. It has a jvp where both have, and no density. SF_EMISMATCH, SF_ERANGE. */
SF_API int sf_score_guided(sf_ctx *ctx, sf_score *cond, sf_score *none, double weight, sf_score **s);
SF_API void sf_score_free(sf_score *s);

SF_API const sf_process *sf_score_process(const sf_score *s);
SF_API int64_t sf_score_dim(const sf_score *s); /* d */
/* Evaluates n samples into out, which must not overlap x, and counts them. SF_EPS and SF_DENOISED
 * need a linear process with k = 1 (SF_EUNSUP). */
SF_API int sf_score_eval(sf_score *s, sf_what what, int64_t n, const double *x, const double *t,
                         double *out);
/* Says which sample stands at each position of the evaluations that follow: position i holds sample
 * which[i], and with NULL (the start) sample i. A sampler that packs the samples still under way tells a
 * score that treats samples differently (a network with a label for each). Kept by pointer. */
SF_API void sf_score_which(sf_score *s, const int64_t *which);
/* log p_t(x) in nats; SF_EUNSUP where the score has no density. */
SF_API int sf_score_logp(sf_score *s, int64_t n, const double *x, const double *t, double *out);
SF_API int sf_score_jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v,
                        double *out);
/* Carries n states x (n,d) in place along the probability-flow ODE from time `from` to time `to`, both above 0, by its exact solution;
 * no evaluation is counted. For x_t = alpha x_0 + sigma z and normal data N(m, C), along an eigenvector of C with eigenvalue q,
 *     c_to = c_from sqrt((sigma_to^2 + alpha_to^2 q)/(sigma_from^2 + alpha_from^2 q)),   c = u'(x - alpha m)
 * (Wang and Vastola 2024, 2412.09726; what their samplers' teleportation applies); for mixtures on the line it is the map that keeps
 * quantiles. SF_EUNSUP where no such form is known. */
SF_API int sf_score_flow(sf_score *s, int64_t n, double from, double to, double *x);
/* Evaluations that one call makes per sample: 2 for two scores in one (sf_score_guided), else 1. */
SF_API int sf_score_price(const sf_score *s);
/* Evaluations so far, in samples; divide by n for the NFE of a run. */
SF_API int64_t sf_score_count(const sf_score *s);
SF_API void sf_score_count_reset(sf_score *s);

/* ---- models of data: x_0 ~ sum_i w_i N(m_i, C_i),  C_i = U_i' diag(q_i) U_i + rest_i (1 - U_i' U_i) ----
 * Each covariance in its eigenbasis, of rank r <= d: r eigenvalues q_i and orthonormal rows U_i (r,d), and one
 * variance for all directions across (0: none of the data lie there). r = d is a full covariance. */
typedef struct sf_components {
	int64_t n, d, rank;
	double *weight;      /* (n), adding up to 1 */
	double *mean;        /* (n,d) */
	double *basis, *var; /* (n,rank,d), (n,rank) from the largest down */
	double *rest;        /* (n) */
	double shift, scale; /* the data are (v - shift)/scale for stored values v */
} sf_components;

/* What to fit. Conventions of Wang and Vastola's code: the one covariance of a Gaussian divides by N and has no
 * ridge; those of a mixture's clusters divide by N_i - 1 and have 1e-5 added to their diagonals (its
 * compute_cluster). */
typedef enum {
	SF_FIT_GAUSSIAN,  /* one full covariance */
	SF_FIT_MIXTURE,   /* a full covariance for each cluster of k-means */
	SF_FIT_LOW_RANK,  /* the same, cut to the `rank` largest eigenvalues */
	SF_FIT_ISOTROPIC, /* one round Gaussian of variance tr C/d */
	SF_FIT_MEAN       /* a point */
} sf_fit_kind;
typedef struct sf_fit_options {
	sf_fit_kind kind;
	int64_t components, rank; /* clusters; eigenvalues kept */
	double ridge;             /* added to the diagonal; negative: the convention above */
	int rest;                 /* 1: the eigenvalues cut off leave their mean as `rest`, 0: nothing */
	int64_t iterations;       /* most rounds of k-means */
	uint64_t seed;            /* of its start (k-means++) */
} sf_fit_options;
SF_API void sf_fit_defaults(sf_fit_options *o); /* gaussian, 10 components, rank 64, 100 rounds */
/* Fits x (n,d). k-means: Arthur and Vassilvitskii's start from counter-based noise, Lloyd's rounds until no point
 * moves, a cluster that runs empty takes the point farthest from its centre; results do not depend on the number of
 * threads. SF_ERANGE for components > n, rank > d and the like, SF_EINVAL for numbers that are not finite, SF_ENOMEM. */
SF_API int sf_components_fit(sf_ctx *ctx, const sf_fit_options *o, int64_t n, int64_t d, const double *x,
                             sf_components *c);
SF_API void sf_components_free(sf_components *c);
/* Moves the model to other network values: those of (v - shift)/scale. */
SF_API void sf_components_rescale(sf_components *c, double shift, double scale);
/* safetensors: tensors weight, mean, basis, var, rest as float64; metadata format, shift, scale and what the caller
 * adds. The reader checks shapes, finite values, positive weights, variances >= 0 and orthonormal bases. */
SF_API int sf_components_write(sf_ctx *ctx, const char *path, const sf_components *c, int nmeta,
                               const char *const *keys, const char *const *values);
SF_API int sf_components_read(sf_ctx *ctx, const char *path, sf_components *c);
/* The same from memory that free() releases, which it takes over. */
SF_API int sf_components_parse(sf_ctx *ctx, const char *what, unsigned char *bytes, size_t size, sf_components *c);

SF_END
#endif
