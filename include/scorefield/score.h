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
/* Evaluations so far, in samples; divide by n for the NFE of a run. */
SF_API int64_t sf_score_count(const sf_score *s);
SF_API void sf_score_count_reset(sf_score *s);

SF_END
#endif
