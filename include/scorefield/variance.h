/* variance.h: how noisy the targets and the gradients of score matching are at one time t.
 *
 * At x = alpha x_src + sigma z denoising score matching regresses on a = (alpha x_src - x)/sigma^2; stable target
 * fields on T, the average of a over the posterior of a reference batch of n points that holds the source. Both have
 * the mean mu(x), the score of p_t, and (Xu, Tong, Jaakkola 2023, 2302.00670)
 *
 *     V_DSM(t)   = E_x tr Cov(a | x) = alpha^2/sigma^4 E_x tr Cov(x_0 | x)
 *     V_STF(t;n) = E_x tr Cov(T | x),   V_STF(1) = V_DSM,  V_STF(n+1) <= V_STF(n),  0 for the whole data set
 *
 * in units of the score; sigma^2 V is the variance of the noise targets z, and of DSM's targets it falls from d
 * (density) or 0 (isolated points) as sigma -> 0 to 0 as sigma -> infinity. V itself grows like 1/sigma^2 for data
 * with a density.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_VARIANCE_H
#define SCOREFIELD_VARIANCE_H

#include <scorefield/train.h>

SF_BEGIN

typedef struct sf_variance {
	int64_t points;   /* K: states x to average over */
	int64_t repeats;  /* R: reference batches for each */
	uint64_t seed;
	int count;        /* reference sizes, */
	const int64_t *n; /* rising, 1 .. N */
} sf_variance;
/* The variances of the data x (N,d) at time t: v[0] = V_DSM, v[1 + i] = V_STF(t; n[i]), and their standard errors (1
 * + count each; error may be NULL). K sources and noises are drawn; V_DSM averages the exact tr Cov(x_0 | x) over
 * the posterior of all N points, V_STF |T - mu|^2 over R batches of the source and n-1 others, drawn without
 * replacement. Cost K (N + R max n) d. Depends on data, process, t and *p alone, not on threads. SF_EUNSUP unless
 * the process is linear with one block, SF_ERANGE naming both numbers for a reference batch larger than the data, or
 * too many draws (K R < 2^32). */
SF_API int sf_variance_targets(sf_ctx *ctx, const sf_process *process, int64_t N, int64_t d, const double *x, double t,
                               const sf_variance *p, double *v, double *error);

typedef struct sf_gradient_variance {
	double trace;       /* trace of the covariance of one batch's mean gradient */
	double mean2;       /* |mean gradient|^2, its own noise trace/repeats taken off; may come out negative */
	double trace_error; /* standard error of the trace */
} sf_gradient_variance;
/* Variance of the gradient that one batch of `batch` samples gives at the time t, for the objective `o` on the
 * set-up's model and data, at the flat parameters `params` (of the set-up's type; see sf_setup_weights): `repeats`
 * >= 2 batches of fresh data and noise. SF_ERANGE for a reference batch larger than the data. */
SF_API int sf_variance_gradient(const sf_setup *s, const sf_objective *o, const void *params, double t, int64_t batch,
                                int64_t repeats, uint64_t seed, sf_gradient_variance *v);

SF_END
#endif
