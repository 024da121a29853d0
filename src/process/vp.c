/* vp.c: variance preserving process (the continuous limit of DDPM).
 *
 *     dx = -beta(t)/2 x dt + sqrt(beta(t)) dw,   alpha = exp(-B(t)/2),   sigma^2 = 1 - exp(-B(t))
 *     prior N(0, 1),   sigma/alpha = sqrt(exp(B) - 1)
 *
 * Song et al. 2021 (2011.13456), section 3.4 and appendix C; they sample down to t = 1e-3 and
 * train down to 1e-5. The inverse t(sigma/alpha) is the one of Karras et al. 2022 (2206.00364),
 * table 1. Differences from one are taken by expm1 and log1p: 1 - exp(-B) in single precision is
 * off by half a percent at t = 1e-5.
 * Known answers: alpha(0.5) = 0.281182880796752, sigma(1e-5) = 0.00100049712593524, t(1) =
 * 0.25896026243.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/beta.h"

static int init(void *st, sf_ctx *ctx)
{
	return sf_beta_check(st, ctx, "vp");
}

static double sigma(const void *st, double t)
{
	return sqrt(-expm1(-sf_beta_between(st, 0, t)));
}

static double time_of_ratio(const void *st, double ratio)
{
	return sf_beta_inverse(st, log1p(ratio * ratio));
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	G[0] = sqrt(sf_beta_at(st, t));
}

static void cov(const void *st, double t, double *Sigma)
{
	Sigma[0] = -expm1(-sf_beta_between(st, 0, t));
}

const sf_process_class sf_process_vp = {
	.head = {"vp", "variance preserving: the data shrink as noise comes in",
	         "Song et al. 2021 (2011.13456), appendix C", sizeof(sf_beta), sf_beta_options,
	         init, NULL},
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
