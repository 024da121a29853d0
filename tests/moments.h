/* moments.h: averages held against the truth: |estimate - truth| within 4.5 standard errors, which an honest one
 * leaves with probability 7e-6; the seeds are fixed.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_MOMENTS_H
#define SF_TEST_MOMENTS_H

#include "support.h"

#include <math.h>

enum { MANY = 100000 }; /* coordinates of one sample */
#define Z_BOUND 4.5

/* The mean of x (n) is `want`, but for `bias`. */
static inline void assert_mean(const double *x, int n, double want, double bias)
{
	double sum = 0, square = 0, se;
	int i;

	for (i = 0; i < n; i++) {
		sum += x[i];
		square += x[i] * x[i];
	}
	sum /= n;
	se = sqrt((square / n - sum * sum) / n);
	ck_assert_msg(fabs(sum - want) <= Z_BOUND * se + bias, "mean %.6g, expected %.6g, standard error %.2g", sum, want,
	              se);
}

static inline void assert_product(const double *x, const double *y, int n, double want)
{
	double *term = sf_alloc((size_t)n, sizeof *term);
	int i;

	for (i = 0; i < n; i++)
		term[i] = x[i] * y[i];
	assert_mean(term, n, want, 0);
	sf_free(term);
}

#endif
