/* brownian.c: one Brownian path per sample that can be read at any time in any order, without memory.
 *
 *     W(a) = 0,   W(b) = sqrt(b-a) z_1,   W((l+r)/2) = (W(l) + W(r))/2 + sqrt(r-l)/2 z_node
 *
 * Levy's construction: halving [a,b] towards t, each node of the binary tree has normals of its own from the counter-based noise
 * (node 0 the end point, node 2^level + i the middle of interval i of that level), down to 2^-LEVELS (b-a); within such an interval a last bridge
 * would need the other points asked for, and the path is a straight line. So an adaptive method that comes back to a time finds the
 * noise that it rejected, and increments over [s,t] and [t,u] add up. A read costs LEVELS + 1 normals a number.
 * Known answer: Var (W(t) - W(s)) = |t - s| on dyadic times.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"

#include <math.h>

enum { LEVELS = 30 }; /* node numbers fit a noise key's step */

void sf_brownian(const sf_ctx *ctx, sf_noise key, uint64_t sample, double a, double b, double t, int64_t size, double *left,
                 double *right, double *w)
{
	double *z = w, l = a, r = b;
	uint32_t node = 1;
	int64_t j;
	int level;

	key.step = 0;
	sf_noise_normal_d(ctx, key, sample, 0, (size_t)size, right);
	for (j = 0; j < size; j++) {
		right[j] *= sqrt(b - a);
		left[j] = 0;
	}
	for (level = 0; level < LEVELS; level++) {
		double mid = l + (r - l) / 2, spread = sqrt(r - l) / 2;
		int upper = t >= mid;

		key.step = node;
		sf_noise_normal_d(ctx, key, sample, 0, (size_t)size, z);
		for (j = 0; j < size; j++) {
			double middle = (left[j] + right[j]) / 2 + spread * z[j];

			*(upper ? &left[j] : &right[j]) = middle;
		}
		*(upper ? &l : &r) = mid;
		node = 2 * node + (uint32_t)upper;
	}
	for (j = 0; j < size; j++)
		w[j] = left[j] + (r > l ? (t - l) / (r - l) : 0) * (right[j] - left[j]);
}
