/* block.c: the k x k algebra that positions and velocities need, k = 1 or 2.
 *
 * A 2 x 2 covariance [[a, b], [b, c]] has the factor [[sqrt a, 0], [b/sqrt a, sqrt(c - b^2/a)]],
 * the determinant ac - b^2 and the inverse [[c, -b], [-b, a]] / (ac - b^2).
 * Known answer: [[4, 2], [2, 5]] has the factor [[2, 0], [1, 2]] and the determinant 16.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

void sf_block_cholesky(int k, const double *a, double *l)
{
	double rest;

	l[0] = sqrt(a[0]);
	if (k == 1)
		return;
	l[1] = 0;
	l[2] = l[0] > 0 ? a[2] / l[0] : 0;
	rest = a[3] - l[2] * l[2];
	l[3] = rest > 0 ? sqrt(rest) : 0;
}

double sf_block_inverse(int k, const double *a, double *inverse)
{
	double l[SF_BLOCKS_MAX * SF_BLOCKS_MAX], det;

	if (k == 1) {
		inverse[0] = 1 / a[0];
		return log(a[0]);
	}
	sf_block_cholesky(k, a, l);
	det = l[0] * l[3] * l[0] * l[3];
	inverse[0] = a[3] / det;
	inverse[1] = inverse[2] = -a[1] / det;
	inverse[3] = a[0] / det;
	return 2 * (log(l[0]) + log(l[3]));
}

void sf_block_apply(int k, const double *a, const double *x, double *out)
{
	if (k == 1) {
		out[0] = a[0] * x[0];
	} else {
		double x0 = x[0], x1 = x[1];

		out[0] = a[0] * x0 + a[1] * x1;
		out[1] = a[2] * x0 + a[3] * x1;
	}
}
