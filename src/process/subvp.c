/* subvp.c: sub-VP process: VP's drift with less noise.
 *
 *     dx = -beta(t)/2 x dt + sqrt(beta(t) (1 - exp(-2 B(t)))) dw
 *     alpha = exp(-B(t)/2),   sigma = 1 - exp(-B(t))   (VP's variance taken as standard deviation)
 *     prior N(0, 1),   sigma/alpha = 2 sinh(B/2)
 *
 * Song et al. 2021 (2011.13456), section 3.4 and appendices B and C; times as for VP. Its
 * variance never exceeds VP's.
 * Known answers: sigma(0.5) = 0.920936187546839, g(1e-5) = 0.000447880782366406.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/beta.h"

static int init(void *st, sf_ctx *ctx)
{
	return sf_beta_check(st, ctx, "subvp");
}

static double sigma(const void *st, double t)
{
	return -expm1(-sf_beta_between(st, 0, t));
}

static double time_of_ratio(const void *st, double ratio)
{
	return sf_beta_inverse(st, 2 * asinh(ratio / 2));
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	G[0] = sqrt(-sf_beta_at(st, t) * expm1(-2 * sf_beta_between(st, 0, t)));
}

static void cov(const void *st, double t, double *Sigma)
{
	double sd = sigma(st, t);

	Sigma[0] = sd * sd;
}

const sf_process_class sf_process_subvp = {
	.head = {"subvp", "sub-VP: the drift of vp with noise that comes in later",
	         "Song et al. 2021 (2011.13456), section 3.4, appendix B", sizeof(sf_beta),
	         sf_beta_options, init, NULL},
	.k = 1,
	.linear = 1,
	.drift_matrix = sf_beta_drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = sf_beta_phi,
	.cov = cov,
	.alpha = sf_beta_alpha,
	.sigma = sigma,
	.time_of_ratio = time_of_ratio,
	.horizon = sf_beta_horizon,
	.t_train = sf_beta_t_train,
	.t_sample = sf_beta_t_sample,
	.prior_var = sf_beta_prior_var};
