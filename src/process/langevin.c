/* langevin.c: Langevin dynamics that carries the data to a known law pi, coordinate by coordinate,
 *
 *     dx = beta(t)/2 phi(x) dt + sqrt(beta(t)) dw,   phi = d log pi/dx,   beta(t) as for VP.
 *
 * In the time B(t), the integral of beta, it is dx = phi/2 dB + dw, whose stationary law is pi (Fokker-Planck
 * equation); pi = N(0,1) is VP itself. Such processes with non-Gaussian priors: Singhal, Goldstein, Ranganath 2024
 * (2407.07998). With phi linearised at y, phi ~ phi(y) + a (x - y), a = phi'(y), the transition over dB is normal
 * with
 *
 *     mean = y + phi(y) (e^(a dB/2) - 1)/a,   var = (e^(a dB) - 1)/a      (dB/2 and dB for a = 0).
 *
 * The nominal scale of the noise is VP's sigma, sqrt(1 - e^-B): sqrt B at first, then the order of pi's width.
 * Default of 200 steps: the last ones, the longest, bring dB = 0.1 each, where the chain's own second moment is
 * within 3 per cent of pi's (100 steps: 6). The cubic drift of double-well overshoots where x^2 > 4/(beta h), at
 * first |x| > 89. Known answer: phi = -x gives alpha and sigma of VP.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/langevin.h"

/* (e^(a b) - 1)/a, and b where a b is too small to show */
static double growth(double a, double b)
{
	return fabs(a * b) < 1e-16 ? b : expm1(a * b) / a;
}

void sf_langevin_linearised(const sf_langevin *s, double y, double dB, double *mean, double *std)
{
	double a = s->slope(y);

	*mean = y + s->score(y) * growth(a, dB / 2);
	*std = sqrt(growth(a, dB));
}

void sf_langevin_drift(const void *st, int64_t d, const double *x, double t, double *f)
{
	const sf_langevin *s = st;
	double half = sf_beta_at(&s->beta, t) / 2;
	int64_t j;

	for (j = 0; j < d; j++)
		f[j] = half * s->score(x[j]);
}

double sf_langevin_divergence(const void *st, int64_t d, const double *x, double t)
{
	const sf_langevin *s = st;
	double sum = 0;
	int64_t j;

	for (j = 0; j < d; j++)
		sum += s->slope(x[j]);
	return sf_beta_at(&s->beta, t) / 2 * sum;
}

double sf_langevin_diffusion(const void *st, double t)
{
	return sqrt(sf_beta_at(st, t));
}

double sf_langevin_scale(const void *st, double t)
{
	return sqrt(-expm1(-sf_beta_between(st, 0, t)));
}

int64_t sf_langevin_steps(const void *st)
{
	const sf_langevin *s = st;

	return s->steps;
}

void sf_langevin_transition(const void *st, int64_t d, const double *y, double s, double t, double *mean, double *std)
{
	double dB = sf_beta_between(st, s, t);
	int64_t j;

	for (j = 0; j < d; j++)
		sf_langevin_linearised(st, y[j], dB, &mean[j], &std[j]);
}

/* Least time of training and of sampling: closer to 0 the score of data without density grows as 1/B. */
double sf_langevin_time(const void *st)
{
	(void)st;
	return 1e-3;
}
