/* checkerboard.c: uniform on eight 2 x 2 squares of a 4 x 4 board over [-4,4]^2:
 *
 *     x1 = 4U - 2,  x2 = U' - 2B + (floor(x1) mod 2),  data = 2 (x1, x2)
 *
 * with U, U' uniform on (0,1) and B a fair bit. Density 1/32 on the board, entropy ln 32. Noise
 * keeps it in closed form: alpha X + s Z has
 *
 *     p(x,y) = 1/8 sum_k F(X_k,x) F(Y_k,y)
 *     F(a,x) = [Phi((alpha(a+2)-x)/s) - Phi((alpha a-x)/s)] / (2 alpha)
 *
 * over the lower left corners (X_k,Y_k). Differences of Phi are taken as logarithms and in the tail
 * that both ends lie in, where they do not cancel. Known answer: at (0.3,-1.7), s = 0.5:
 * log p = -4.3860893226, score (-0.7513709171, -0.7513604584).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct checkerboard {
	int64_t seed;
} checkerboard;

static const sf_opt options[] = {SF_TOY_SEED(checkerboard), {NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static const double corner[8][2] = {{-4, 0}, {-4, -4}, {-2, 2}, {-2, -2},
                                    {0, 0},  {0, -4},  {2, 2},  {2, -2}};

static int describe(sf_data *d)
{
	return sf_toy_describe(d, 2, 0, -4, 4);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const checkerboard *c = sf_data_state(d);
	double u[4], z[4], x1;

	sf_toy_noise(d, c->seed, index, u, z);
	x1 = 4 * u[0] - 2;
	x[0] = 2 * x1;
	x[1] = 2 * (u[1] - (u[2] < 0.5 ? 0 : 2) + fabs(fmod(floor(x1), 2)));
	if (label)
		*label = -1;
}

/* log(Phi(-z)/phi(z)) for z >= 0 (Mills' ratio). Far out erfc underflows and the asymptotic series
 * takes over, where the first term left out is below 1e-14. */
static double log_mills(double z)
{
	double r = 1 / (z * z);

	if (z < 30)
		return log(0.5 * erfc(z * sqrt(0.5))) + 0.5 * z * z + 0.5 * log(2 * SF_PI);
	return -log(z) + log1p(-r * (1 - r * (3 - r * (15 - r * (105 - r * 945)))));
}

/* log F(a,x) and its derivative in x, [phi(A) - phi(B)] / (s (Phi(B) - Phi(A))). Everything is
 * relative to the density phi at the end that is nearer to 0, which is the larger one: drop is how
 * much the log density is less at the other end, ratio = log([Phi(B) - Phi(A)]/phi(near)). */
static double log_side(double a, double x, double alpha, double s, double *slope)
{
	double lo = (alpha * a - x) / s, hi = (alpha * (a + 2) - x) / s;
	double drop = 0.5 * fabs((hi - lo) * (hi + lo)), near = fmin(fabs(lo), fabs(hi)), ratio;
	double peak = -0.5 * near * near - 0.5 * log(2 * SF_PI);

	if (lo < 0 && hi > 0) {
		ratio = log(0.5 * (erf(hi * sqrt(0.5)) + erf(-lo * sqrt(0.5)))) - peak;
	} else {
		double m = log_mills(near);

		ratio = m + log(-expm1(log_mills(fmax(fabs(lo), fabs(hi))) - m - drop));
	}
	*slope = (hi + lo > 0 ? -1 : 1) * exp(-ratio) * expm1(-drop) / s;
	return peak + ratio - log(2 * alpha);
}

/* Without noise: the density of the board itself; the score is 0 inside and not defined on edges.
 */
static double log_board(const double *x, double alpha)
{
	int k;

	for (k = 0; k < 8; k++) {
		double dx = x[0] / alpha - corner[k][0], dy = x[1] / alpha - corner[k][1];

		if (dx >= 0 && dx < 2 && dy >= 0 && dy < 2)
			return -log(32.0) - 2 * log(alpha);
	}
	return -INFINITY;
}

static double logp(const sf_data *d, const double *x, double alpha, double s, double *score)
{
	double l[8], g[8][2], top = -INFINITY, sum = 0, sx = 0, sy = 0;
	int k;

	(void)d;
	if (s == 0) {
		if (score)
			score[0] = score[1] = 0;
		return log_board(x, alpha);
	}
	for (k = 0; k < 8; k++) {
		l[k] = log_side(corner[k][0], x[0], alpha, s, &g[k][0]) +
		       log_side(corner[k][1], x[1], alpha, s, &g[k][1]);
		top = l[k] > top ? l[k] : top;
	}
	for (k = 0; k < 8; k++) {
		double w = exp(l[k] - top);

		sum += w;
		sx += w * g[k][0];
		sy += w * g[k][1];
	}
	if (score) {
		score[0] = sx / sum;
		score[1] = sy / sum;
	}
	return top + log(sum / 8);
}

const sf_data_class sf_data_checkerboard = {
	{"checkerboard", "uniform on the squares of a 4 x 4 board",
         "common 2-D benchmark; density and score with noise in closed form", sizeof(checkerboard),
         options, NULL, NULL},
	describe,
	read_record,
	logp,
};
