/* stable.h: the self-normalised average over points that stable targets and their variance are made of.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_STABLE_H
#define SF_OBJECTIVE_STABLE_H

#include <stdint.h>

/* For x_t = alpha x_src + sigma z and r = alpha/sigma: every point x_k that is added gets the weight
 *
 *     w_k = p(x_t | x_k) / sum_j p(x_t | x_j) = softmax_k l_k,   l_k = -|z + r delta_k|^2/2,   delta_k = x_src - x_k
 *
 * so that sum w_k delta_k = x_src - E_w x and the stable target is z + r sum w_k delta_k. One pass, memory O(d). */
typedef struct sf_stable {
	int64_t d;
	double r;
	const double *z, *source; /* (d) */
	double top;               /* largest l so far */
	double sum;               /* of exp(l - top) */
	double square;            /* of exp(l - top) |delta|^2 */
	double *mean;             /* (d) of exp(l - top) delta; the caller's */
} sf_stable;

void sf_stable_start(sf_stable *a, int64_t d, double r, const double *z, const double *source, double *mean);
void sf_stable_add(sf_stable *a, const double *x);
/* tr Cov_w x = sum w |delta|^2 - |sum w delta|^2. */
double sf_stable_trace(const sf_stable *a);
/* sum w_k delta_k, coordinate j; 0 where no point has a weight. */
static inline double sf_stable_shift(const sf_stable *a, int64_t j)
{
	return a->sum > 0 ? a->mean[j] / a->sum : 0;
}

#endif
