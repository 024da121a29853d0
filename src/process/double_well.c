/* double_well.c: Langevin dynamics in a double well,
 *
 *     log pi(x) = x^2/2 - x^4/4 - ln Z,   phi(x) = x - x^3,   phi'(x) = 1 - 3 x^2:
 *
 * modes at -1 and 1, so the prior is not Gaussian. At constant beta = 2 it is dX = (X - X^3) dt + sqrt 2 dW, the
 * common example of a nonlinear diffusion. The prior is sampled by the quantile transform: tails T(x) = integral of
 * pi beyond x are tabulated by Gauss-Legendre quadrature, and T(x) = u solved by Newton's method on ln T, which is
 * concave, so that it converges from the table's cell. Known answers: Z = 3.9051371699, E x^2 = 1.0417972965, E x^4
 * = 1 + E x^2, E phi^2 = 3 E x^2 - 1 = 2.1253918895 (integration by parts).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/langevin.h"

enum { CELL = 64, CELLS = 6 * CELL }; /* cells a unit, cells from 0 to 6: beyond lies less than 1e-130 */

typedef struct well {
	sf_langevin common;
	double tail[CELLS + 1]; /* integral of exp(x^2/2 - x^4/4) beyond i/CELL */
} well;

static double score(double x)
{
	return x - x * x * x;
}

static double slope(double x)
{
	return 1 - 3 * x * x;
}

static double weight(double x)
{
	return exp(x * x / 2 - x * x * x * x / 4);
}

/* Integral of the weight from a to b, at most a cell apart: five points are exact to rounding where numbers are
 * drawn. */
static double piece(double a, double b)
{
	static const double node[3] = {0, 0.538469310105683091, 0.906179845938663993};
	static const double share[3] = {0.568888888888888889, 0.478628670499366468, 0.236926885056189088};
	double mid = (a + b) / 2, half = (b - a) / 2, sum = share[0] * weight(mid);
	int i;

	for (i = 1; i < 3; i++)
		sum += share[i] * (weight(mid - half * node[i]) + weight(mid + half * node[i]));
	return half * sum;
}

static int init(void *st, sf_ctx *ctx)
{
	well *s = st;
	int i;

	s->common.score = score;
	s->common.slope = slope;
	s->tail[CELLS] = weight(6) / -score(6); /* leading term: a matter of the last cells alone */
	for (i = CELLS - 1; i >= 0; i--)
		s->tail[i] = s->tail[i + 1] + piece((double)i / CELL, (double)(i + 1) / CELL);
	return sf_beta_check(&s->common.beta, ctx, "double-well");
}

/* x >= 0 with a share u <= 1/2 of the law beyond it. */
static double quantile(const well *s, double u)
{
	double want = u * 2 * s->tail[0], lo, hi, x, t, step;
	int a = 0, b = CELLS, i;

	if (!(want > s->tail[CELLS]))
		return 6;
	while (b - a > 1) {
		int mid = (a + b) / 2;

		*(s->tail[mid] >= want ? &a : &b) = mid;
	}
	lo = (double)a / CELL;
	hi = (double)b / CELL;
	x = lo + (hi - lo) * log(s->tail[a] / want) / log(s->tail[a] / s->tail[b]);
	for (i = 0; i < 8; i++) {
		t = s->tail[b] + piece(x, hi);
		step = log(t / want) * t / weight(x);
		x += step;
		x = x < lo ? lo : x > hi ? hi : x;
		if (!(fabs(step) > 1e-15))
			break;
	}
	return x;
}

static void prior(const void *st, int64_t d, double *z)
{
	int64_t j;

	for (j = 0; j < d; j++) {
		double x = quantile(st, sf_tail(z[j]));

		z[j] = z[j] < 0 ? -x : x;
	}
}

static double prior_logp(const void *st, int64_t d, const double *x)
{
	const well *s = st;
	double sum = (double)d * -log(2 * s->tail[0]);
	int64_t j;

	for (j = 0; j < d; j++) {
		double x2 = x[j] * x[j];

		sum += x2 / 2 - x2 * x2 / 4;
	}
	return sum;
}

static void prior_var(const void *st, double *var)
{
	(void)st;
	var[0] = 1.0417972965;
}

const sf_process_class sf_process_double_well = {
	.head = {"double-well", "nonlinear: Langevin dynamics to a law with two modes",
	         "Singhal, Goldstein, Ranganath 2024 (2407.07998); Langevin dynamics", sizeof(well), sf_langevin_options,
	         init, NULL},
	.k = 1,
	.sigma = sf_langevin_scale,
	.drift = sf_langevin_drift,
	.diffusion = sf_langevin_diffusion,
	.divergence = sf_langevin_divergence,
	.steps = sf_langevin_steps,
	.transition = sf_langevin_transition,
	.prior = prior,
	.prior_logp = prior_logp,
	.horizon = sf_beta_horizon,
	.t_train = sf_langevin_time,
	.t_sample = sf_langevin_time,
	.prior_var = prior_var};
