/* edm.c: the process of EDM: noise level and time are the same number.
 *
 *     dx = sqrt(2 t) dw,   x_t = x_0 + t z,   0 <= t <= sigma_max,   prior N(0, sigma_max^2)
 *
 * Karras et al. 2022 (2206.00364), section 2 and table 1 (sigma(t) = t, s(t) = 1); sigma_min
 * 0.002 and sigma_max 80 are their defaults for images in [-1,1]. Their samplers step on to t = 0
 * (see grid karras); methods that need a score at the end stop at sigma_min.
 * Known answers: sigma(t) = t, g(0.5) = 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

typedef struct edm {
	double sigma_min, sigma_max;
} edm;

static const sf_opt options[] = {
	{"sigma-min", "least noise that is trained and sampled", SF_OPT_DOUBLE,
	 offsetof(edm, sigma_min), "0.002", 1e-9, 1e9, NULL},
	{"sigma-max", "noise of the prior, and the last time", SF_OPT_DOUBLE,
	 offsetof(edm, sigma_max), "80", 1e-9, 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	const edm *s = st;

	if (!(s->sigma_min < s->sigma_max))
		return sf_fail(ctx, SF_EINVAL,
		               "process 'edm': sigma-min=%g is not below sigma-max=%g",
		               s->sigma_min, s->sigma_max);
	return SF_OK;
}

static double alpha(const void *st, double t)
{
	(void)st;
	(void)t;
	return 1;
}

static double sigma(const void *st, double t)
{
	(void)st;
	return t;
}

static double time_of_ratio(const void *st, double ratio)
{
	(void)st;
	return ratio;
}

static void drift_matrix(const void *st, double t, double *F)
{
	(void)st;
	(void)t;
	F[0] = 0;
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	(void)st;
	G[0] = sqrt(2 * t);
}

static void phi(const void *st, double s, double t, double *Phi)
{
	(void)st;
	(void)s;
	(void)t;
	Phi[0] = 1;
}

static void cov(const void *st, double t, double *Sigma)
{
	(void)st;
	Sigma[0] = t * t;
}

static double horizon(const void *st)
{
	return ((const edm *)st)->sigma_max;
}

static double t_least(const void *st)
{
	return ((const edm *)st)->sigma_min;
}

static void prior_var(const void *st, double *var)
{
	double s = ((const edm *)st)->sigma_max;

	var[0] = s * s;
}

const sf_process_class sf_process_edm = {
	.head = {"edm", "noise level equal to time, the data stay",
	         "Karras et al. 2022 (2206.00364), table 1", sizeof(edm), options, init, NULL},
	.k = 1,
	.linear = 1,
	.drift_matrix = drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = phi,
	.cov = cov,
	.alpha = alpha,
	.sigma = sigma,
	.time_of_ratio = time_of_ratio,
	.horizon = horizon,
	.t_train = t_least,
	.t_sample = t_least,
	.prior_var = prior_var};
