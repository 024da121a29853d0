/* metric.h: what a trained model is measured by.
 *
 * Score error, where the data's density has a closed form (sf_data_logp). At noise level t, for x_t = alpha x_0 + sigma z of
 * dimension d and the exact score s* of its density,
 *
 *     error(t) = E sigma^2 |s(x_t,t) - s*(x_t,t)|^2 / d,     size(t) = E sigma^2 |s*(x_t,t)|^2 / d,
 *
 * the Fisher divergence (without a half) in units of the noise: in eps = -sigma s, the mean square error of the noise that
 * the network estimates. size is between 0 and 1, as sigma^2 E|s*|^2 <= d with equality for data in one point, and error/size is the
 * fraction of the score that was not learned. For x_0 ~ N(m, c^2 I): size = sigma^2/(alpha^2 c^2 + sigma^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_METRIC_H
#define SCOREFIELD_METRIC_H

#include <scorefield/data.h>
#include <scorefield/score.h>

SF_BEGIN

typedef struct sf_error_level {
	double t, alpha, sigma;
	double error, size; /* as above */
	double se;          /* standard error of `error` over the points */
} sf_error_level;

/* t, alpha and sigma of n levels, rising: the middles of n equal parts of [ln lo, ln hi] for ln(sigma/alpha), so that
 * a mean over the levels is the midpoint rule over the logarithm of the noise level. NaN for lo or hi: the process's own
 * range, t_train to T. SF_EUNSUP unless the process is linear with one block; SF_ERANGE for n < 1, or bounds that are not 0 < lo <= hi
 * or that lie outside that range. */
SF_API int sf_metric_levels(const sf_process *p, double lo, double hi, int64_t n, sf_error_level *level);

/* Fills error, size and se of n levels with `points` samples each, from draws of `data` that no training run comes to and
 * noise keyed by (seed, level, point): results do not depend on the number of threads. The score is in the network's
 * values x = (v - shift)/scale of the view. smooth > 0: both the points and s* get a second noise of deviation
 * smooth sigma(t), while the network is told t; that is the density whose score lcss:stage=two,rho=smooth learns. *mean (may
 * be NULL) gets the means over levels of error and size, and the standard error of the former.
 * SF_EUNSUP for data without a density in closed form and for processes as above, SF_EMISMATCH where dimensions differ,
 * SF_ERANGE for points < 2 or smooth < 0, SF_EDIVERGED for a score that is not finite. */
SF_API int sf_metric_score_error(sf_score *s, const sf_view *data, int64_t points, uint64_t seed, double smooth,
                                 int64_t n, sf_error_level *level, sf_error_level *mean);

/* ---- what a model of the data explains of a network's score (Wang and Vastola 2024, 2412.09726) ----
 * At points x = alpha y + sigma z, y a record, for the network's score s and a model's s_m,
 *
 *     score    = mean of 1 - |s - s_m|^2/|s|^2,    reverse = mean of 1 - |s - s_m|^2/|s_m|^2
 *     denoised = the first for D = (x + sigma^2 s)/alpha in place of s
 *
 * a mean of quotients, uncentred, at most 1 and without a lower bound: 1 where the model is the network, 0 for a
 * model that is 0. At large sigma every score is mostly noise/sigma and explained by anything; the denoised value is
 * not. */
typedef struct sf_explained {
	double score, score_se; /* and standard errors over the points */
	double denoised, denoised_se;
	double reverse;
} sf_explained;
/* For each of `models` scores over the network's process and dimension, at time t: `points` points from records x
 * (records,d), evenly chosen, with noise keyed by (seed, level, point), so that other checkpoints meet the same
 * points. SF_EUNSUP unless the process is linear with one block, SF_EMISMATCH where the parts differ, SF_ERANGE for
 * points < 2 or t outside (0, T], SF_EDIVERGED for a score that is not finite. */
SF_API int sf_metric_explained(sf_score *net, int models, sf_score *const *model, int64_t records, const double *x,
                               int64_t points, uint64_t seed, uint32_t level, double t, sf_explained *out);

/* ---- distances between two sets of samples, x (n,d) and y (m,d) ---- */
/* Sliced 2-Wasserstein distance, sqrt(mean over u of W_2^2(u.x, u.y)) over `directions` random unit vectors u keyed by (seed, index)
 * (Rabin, Peyre, Delon, Bernot 2012); on a line W_2^2 is the integral of the squared difference of the quantiles. Not divided
 * by d. SF_ERANGE, SF_EDIVERGED where a number is not finite, SF_ENOMEM. */
SF_API int sf_metric_sliced(sf_ctx *ctx, int64_t n, const double *x, int64_t m, const double *y, int64_t d, int64_t directions,
                            uint64_t seed, double *distance);
/* Frechet distance of the normal laws with their means and covariances (divided by n - 1; Dowson and Landau 1982):
 *     |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2))
 * It has a bias of the order of d/n upwards: compare equal numbers of samples. Errors as above. */
SF_API int sf_metric_frechet(sf_ctx *ctx, int64_t n, const double *x, int64_t m, const double *y, int64_t d, double *distance);
/* Features of images (h,w,c), at least 8x8: two layers of random 3x3 convolutions with rectifiers, 64 maps, each averaged over the
 * four quarters of the image, 256 numbers. Filters are fixed (keyed by a constant), the first ones without a mean. Not trained on
 * anything, so for no model's good; a Frechet distance of them is not comparable with the FID. f (n,256). SF_EUNSUP for what is no
 * image. */
enum { SF_FEATURES = 256 };
SF_API int sf_metric_features(sf_ctx *ctx, int rank, const int64_t *dim, int64_t n, const double *x, double *f);

SF_END
#endif
