/* ve.c: variance exploding process.
 *
 *     dx = g(t) dw,   sigma(t) = sigma_min (sigma_max/sigma_min)^t,
 *     g = sigma sqrt(2 ln(sigma_max/sigma_min))
 *     x_t = x_0 + sigma(t) z,   prior N(0, sigma_max^2)
 *
 * Song et al. 2021 (2011.13456), section 3.4 and appendix C; defaults of their CIFAR-10 models
 * (data in [0,1]); they end sampling and start training at t = 1e-5. The standard deviation is
 * sigma(t) as published, not sqrt(sigma(t)^2 - sigma_min^2): the paper sets sigma(0) = 0 while
 * sigma(0+) = sigma_min, so noise of sigma_min is there from the first moment. This file gives
 * the right-hand limit at t = 0. Discrete training takes sigma at `levels` equal steps of t, the geometric
 * sequence of Song and Ermon: 1000 in score_sde, 10 for NCSN (sigma 0.01 to 1), 232 for NCSNv2's CIFAR-10.
 * Known answers: sigma(0.5) = 0.707106781186548, g(0.5) = 2.91842306587243.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

typedef struct ve {
	double sigma_min, sigma_max, log_ratio;
	int64_t levels;
} ve;

static const sf_opt options[] = {
	{"sigma-min", "noise at time 0", SF_OPT_DOUBLE, offsetof(ve, sigma_min), "0.01", 1e-9, 1e9,
	 NULL},
	{"sigma-max", "noise at time 1", SF_OPT_DOUBLE, offsetof(ve, sigma_max), "50", 1e-9, 1e9,
	 NULL},
	{"levels", "noise levels of discrete training", SF_OPT_INT, offsetof(ve, levels), "1000", 2, 100000, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	ve *s = st;

	if (!(s->sigma_min < s->sigma_max))
		return sf_fail(ctx, SF_EINVAL,
		               "process 've': sigma-min=%g is not below sigma-max=%g", s->sigma_min,
		               s->sigma_max);
	s->log_ratio = log(s->sigma_max / s->sigma_min);
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
	const ve *s = st;

	return s->sigma_min * exp(t * s->log_ratio);
}

static double time_of_ratio(const void *st, double ratio)
{
	const ve *s = st;

	return log(ratio / s->sigma_min) / s->log_ratio;
}

static void drift_matrix(const void *st, double t, double *F)
{
	(void)st;
	(void)t;
	F[0] = 0;
}

static void diffusion_matrix(const void *st, double t, double *G)
{
	const ve *s = st;

	G[0] = sigma(st, t) * sqrt(2 * s->log_ratio);
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
	double sd = sigma(st, t);

	Sigma[0] = sd * sd;
}

static int64_t levels(const void *st)
{
	return ((const ve *)st)->levels;
}

static double horizon(const void *st)
{
	(void)st;
	return 1;
}

static double t_least(const void *st)
{
	(void)st;
	return 1e-5;
}

static void prior_var(const void *st, double *var)
{
	const ve *s = st;

	var[0] = s->sigma_max * s->sigma_max;
}

const sf_process_class sf_process_ve = {
	.head = {"ve", "variance exploding: noise grows geometrically, the data stay",
	         "Song et al. 2021 (2011.13456), appendix C", sizeof(ve), options, init, NULL},
	.k = 1,
	.linear = 1,
	.drift_matrix = drift_matrix,
	.diffusion_matrix = diffusion_matrix,
	.phi = phi,
	.cov = cov,
	.alpha = alpha,
	.sigma = sigma,
	.time_of_ratio = time_of_ratio,
	.levels = levels,
	.horizon = horizon,
	.t_train = t_least,
	.t_sample = t_least,
	.prior_var = prior_var};
