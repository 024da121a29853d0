/* flow.c: the probability-flow ODE where its solution is known: normal data, and mixtures on the line.
 *
 *     x_to = alpha_to m + gain(rest) r + sum_k gain(q_k) c_k u_k,   c_k = u_k'(x - alpha_from m),   r = x - alpha_from m - sum_k c_k u_k
 *     gain(q) = sqrt((sigma_to^2 + alpha_to^2 q)/(sigma_from^2 + alpha_from^2 q))
 *
 * as dc/dt keeps c/sqrt(sigma^2 + alpha^2 q) constant (Wang and Vastola 2024, 2412.09726, whose projector across is 1 - U U' with
 * columns u_k; q = 0 is their gain sigma_to/sigma_from). On the line trajectories never cross, so they keep the probability F to
 * their left, whatever the data:
 *
 *     F_to(x_to) = F_from(x),   F(x) = sum_i w_i Phi((x - alpha m_i)/sqrt(alpha^2 v_i + sigma^2))
 *
 * found by bisection on the smaller of F and 1 - F.
 * Known answers: q = 0.49, m = 0.3, edm: x = 1.7 at t = 2 is 1.1064881664249755 at t = 1; mixture `skewed`: 7.1 at t = 10 is
 * 1.09889623755903 at t = 0.1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/flow.h"

#include <math.h>

sf_flow sf_flow_between(const sf_process *p, double from, double to)
{
	sf_flow f;

	f.alpha_from = sf_process_alpha(p, from);
	f.sigma_from = sf_process_sigma(p, from);
	f.alpha_to = sf_process_alpha(p, to);
	f.sigma_to = sf_process_sigma(p, to);
	return f;
}

double sf_flow_gain(const sf_flow *f, double q)
{
	double sd = sqrt(q);

	return hypot(f->sigma_to, f->alpha_to * sd) / hypot(f->sigma_from, f->alpha_from * sd);
}

void sf_flow_normal(const sf_flow *f, int64_t d, int64_t rank, const double *mean, const double *basis, const double *q, double rest,
                    double *x)
{
	double across = sf_flow_gain(f, rest);
	int64_t j, k;

	for (j = 0; j < d; j++)
		x[j] -= f->alpha_from * mean[j];
	/* One direction after the other: as they are orthogonal, what was done along one is not seen by the next. */
	for (k = 0; k < rank; k++) {
		const double *u = basis + k * d;
		double c = 0, more = sf_flow_gain(f, q[k]) / across - 1;

		for (j = 0; j < d; j++)
			c += u[j] * x[j];
		for (j = 0; j < d; j++)
			x[j] += more * c * u[j];
	}
	for (j = 0; j < d; j++)
		x[j] = f->alpha_to * mean[j] + across * x[j];
}

typedef struct law { /* of one end */
	int parts;
	const double *weight, *mean, *var;
	double alpha, sigma;
} law;

/* The probability left of x, or right of it. */
static double tail(const law *l, int right, double x)
{
	double sum = 0;
	int i;

	for (i = 0; i < l->parts; i++) {
		double sd = hypot(l->sigma, l->alpha * sqrt(l->var[i])), z = (x - l->alpha * l->mean[i]) / (sd * sqrt(2));

		sum += l->weight[i] * erfc(right ? z : -z) / 2;
	}
	return sum;
}

double sf_flow_quantile(const sf_flow *f, int parts, const double *weight, const double *mean, const double *var, double x)
{
	law from = {parts, weight, mean, var, f->alpha_from, f->sigma_from}, to = from;
	double p, lo = INFINITY, hi = -INFINITY, mid;
	int right, i;

	to.alpha = f->alpha_to;
	to.sigma = f->sigma_to;
	p = tail(&from, 0, x);
	right = p > 0.5;
	if (right)
		p = tail(&from, 1, x);
	if (!(p > 0))
		return NAN;
	for (i = 0; i < parts; i++) { /* erfc has underflowed 39 deviations out */
		double m = to.alpha * mean[i], far = 40 * hypot(to.sigma, to.alpha * sqrt(var[i]));

		lo = m - far < lo ? m - far : lo;
		hi = m + far > hi ? m + far : hi;
	}
	for (;;) {
		mid = lo + (hi - lo) / 2;
		if (!(mid > lo && mid < hi))
			return mid;
		if ((tail(&to, right, mid) > p) == right)
			lo = mid;
		else
			hi = mid;
	}
}
