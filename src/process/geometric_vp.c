/* geometric_vp.c: variance preserving, the variance growing geometrically: LSGM's process for latent variables.
 *
 *     sigma^2(t) = q0 + qmin (r^t - 1),   r = qmax/qmin,   beta = (sigma^2)'/(1 - sigma^2)
 *     dx = -beta/2 x dt + sqrt(beta) dw,  alpha = m(t) = sqrt((1 - sigma^2)/(1 - q0)),   prior N(0, 1)
 *
 * Vahdat, Kreis, Kautz 2021 (2106.05931); settings of their code: q0 = qmin = 3e-5, qmax = 0.999. As for ve, the
 * noise q0 is there at t = 0: alpha and sigma are those given the data, Phi and beta begin after it. 1 - sigma^2 is
 * put together from the end that is nearer, so that nothing cancels at t = 1, where beta is large.
 * Known answers: beta(0) = 3.12e-4, beta(0.5) = 0.0573, beta(1) = 10403, integral of beta 6.9078.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/beta.h"

typedef struct geometric {
	double q0, qmin, qmax;
	double log_r;
} geometric;

static const sf_opt options[] = {
	{"sigma2-0", "variance of the noise at time 0", SF_OPT_DOUBLE, offsetof(geometric, q0), "3e-5", 0, 0.5, NULL},
	{"sigma2-min", "scale of the growth", SF_OPT_DOUBLE, offsetof(geometric, qmin), "3e-5", 1e-12, 0.5, NULL},
	{"sigma2-max", "variance at time 1, but for what sigma2-0 and sigma2-min differ by", SF_OPT_DOUBLE,
	 offsetof(geometric, qmax), "0.999", 1e-9, 0.9999999, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	geometric *g = st;

	if (!(g->qmin < g->qmax))
		return sf_fail(ctx, SF_EINVAL, "process 'geometric-vp': sigma2-min=%g is not below sigma2-max=%g",
			       g->qmin, g->qmax);
	if (!(g->qmax - g->qmin + g->q0 < 1))
		return sf_fail(ctx, SF_EINVAL,
			       "process 'geometric-vp': the last variance sigma2-max - sigma2-min + sigma2-0 = %g is "
			       "not below 1",
			       g->qmax - g->qmin + g->q0);
	g->log_r = log(g->qmax / g->qmin);
	return SF_OK;
}

static double variance(const geometric *g, double t)
{
	return g->q0 + g->qmin * expm1(t * g->log_r);
}

/* 1 - sigma^2 */
static double left(const geometric *g, double t)
{
	if (t < .5)
		return 1 - g->q0 - g->qmin * expm1(t * g->log_r);
	return 1 - g->qmax + (g->qmin - g->q0) - g->qmax * expm1((t - 1) * g->log_r);
}

static double rate(const geometric *g, double t)
{
	return g->log_r * g->qmin * exp(t * g->log_r) / left(g, t);
}

static double alpha(const void *st, double t)
{
	return sqrt(left(st, t) / (1 - ((const geometric *)st)->q0));
}

static double sigma(const void *st, double t)
{
	return sqrt(variance(st, t));
}

/* sigma^2 - q0 = (1 - q0) (ratio^2 - q0)/(ratio^2 + 1 - q0) */
static double time_of_ratio(const void *st, double ratio)
{
	const geometric *g = st;
	double r2 = ratio * ratio;

	return log1p((1 - g->q0) * (r2 - g->q0) / (r2 + 1 - g->q0) / g->qmin) / g->log_r;
}

static void drift_matrix(const void *st, double t, double *F)
{
	F[0] = -rate(st, t) / 2;
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	G[0] = sqrt(rate(st, t));
}

static void phi(const void *st, double s, double t, double *Phi)
{
	Phi[0] = sqrt(left(st, t) / left(st, s));
}

static void cov(const void *st, double t, double *Sigma)
{
	Sigma[0] = variance(st, t);
}

static double t_least(const void *st)
{
	(void)st;
	return 1e-5;
}

const sf_process_class sf_process_geometric_vp = {
	.head = {"geometric-vp", "variance preserving, with a variance that grows geometrically",
	         "Vahdat, Kreis, Kautz 2021 (2106.05931)", sizeof(geometric), options, init, NULL},
	.k = 1,
	.linear = 1,
	.drift_matrix = drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = phi,
	.cov = cov,
	.alpha = alpha,
	.sigma = sigma,
	.time_of_ratio = time_of_ratio,
	.horizon = sf_beta_horizon,
	.t_train = t_least,
	.t_sample = t_least,
	.prior_var = sf_beta_prior_var};
