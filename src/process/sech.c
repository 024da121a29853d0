/* sech.c: Langevin dynamics towards the hyperbolic secant law,
 *
 *     pi(x) = sech(pi x/2)/2,   phi(x) = -(pi/2) tanh(pi x/2),   phi'(x) = -(pi/2)^2 sech(pi x/2)^2.
 *
 * Mean 0, variance 1, fourth moment 5 (tails of exponential kind where VP's are Gaussian), quantile (2/pi) ln
 * tan(pi u/2), E phi^2 = pi^2/8. The drift is Lipschitz and at most pi/2 beta/2: simulated paths cannot run away.
 * Dynamics: langevin.c. Known answers: quantile(0.25) = -0.561099852339180, phi(1) = -1.44065951997751.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/langevin.h"

static const double half_pi = SF_PI / 2;

static double score(double x)
{
	return -half_pi * tanh(half_pi * x);
}

static double slope(double x)
{
	double t = tanh(half_pi * x);

	return -half_pi * half_pi * (1 - t) * (1 + t);
}

static int init(void *st, sf_ctx *ctx)
{
	sf_langevin *s = st;

	s->score = score;
	s->slope = slope;
	return sf_beta_check(&s->beta, ctx, "sech");
}

/* By the smaller tail u = N(-|z|), which keeps all its digits. */
static void prior(const void *st, int64_t d, double *z)
{
	int64_t j;

	(void)st;
	for (j = 0; j < d; j++) {
		double u = sf_tail(z[j]), x = -log(tan(half_pi * u)) / half_pi;

		z[j] = z[j] < 0 ? -x : x;
	}
}

static double prior_logp(const void *st, int64_t d, const double *x)
{
	double sum = 0;
	int64_t j;

	(void)st;
	for (j = 0; j < d; j++) {
		double a = half_pi * fabs(x[j]);

		sum -= a + log1p(exp(-2 * a));
	}
	return sum;
}

const sf_process_class sf_process_sech = {
	.head = {"sech", "nonlinear: Langevin dynamics to a law with exponential tails",
	         "Singhal, Goldstein, Ranganath 2024 (2407.07998); Langevin dynamics", sizeof(sf_langevin),
	         sf_langevin_options, init, NULL},
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
	.prior_var = sf_beta_prior_var};
