/* cosine.c: the cosine schedule, variance preserving, t from 0 to `end` < 1.
 *
 *     r(t)^2 = sigma^2/alpha^2 = scale^2 (cos^2 b/cos^2 a - 1),   a = w (t + s),  b = w s,  w = (pi/2)/(1 + s)
 *     alpha = 1/sqrt(1 + r^2),   sigma = r alpha,   beta = (r^2)'/(1 + r^2),   dx = -beta/2 x dt + sqrt(beta) dw
 *
 * Nichol and Dhariwal 2021 (2102.09672): alpha^2 = cos^2 a/cos^2 b and s = 0.008, here scale = 1. The end 0.9946,
 * before the noise becomes infinite, is that of the continuous form in DPM-Solver's code. s = 0 is r = scale tan(pi
 * t/2), ln SNR = -2 ln tan(pi t/2) - 2 ln scale, the schedule of Hoogeboom, Heek, Salimans 2023 (2301.11093), whose
 * shift by 2 ln(64/d) for images of d x d is scale = d/64. cos^2 b - cos^2 a is taken as sin(a - b) sin(a + b), and
 * the inverse's a - b by the addition theorem, so that nothing cancels near t = 0.
 * Known answers: s = 0, scale 1: sigma(1/2) = alpha(1/2) = sqrt(1/2); s = 0.008: ln SNR(0.5) = -0.02462688281151.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/beta.h"

typedef struct cosine {
	double s, end, scale;
	double w, b; /* as above */
} cosine;

static const sf_opt options[] = {
	{"s", "offset that keeps the first noise from being too small", SF_OPT_DOUBLE, offsetof(cosine, s), "0.008",
	 0, 1, NULL},
	{"end", "the last time; the noise is infinite at 1", SF_OPT_DOUBLE, offsetof(cosine, end), "0.9946", 0.01,
	 0.999999, NULL},
	{"scale", "factor of sigma/alpha: d/64 for images of d x d pixels that keep the noise of 64 x 64",
	 SF_OPT_DOUBLE, offsetof(cosine, scale), "1", 1e-6, 1e6, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	cosine *c = st;

	(void)ctx;
	c->w = SF_PI / 2 / (1 + c->s);
	c->b = c->w * c->s;
	return SF_OK;
}

/* r^2 */
static double level(const cosine *c, double t)
{
	double cos_a = cos(c->w * t + c->b);

	return c->scale * c->scale * sin(c->w * t) * sin(c->w * t + 2 * c->b) / (cos_a * cos_a);
}

static double rate(const cosine *c, double t)
{
	double a = c->w * t + c->b, cos_a = cos(a), cos_b = c->scale * cos(c->b);

	return 2 * c->w * tan(a) * (cos_b * cos_b) / (cos_a * cos_a) / (1 + level(c, t));
}

static double alpha(const void *st, double t)
{
	return 1 / sqrt(1 + level(st, t));
}

static double sigma(const void *st, double t)
{
	double r2 = level(st, t);

	return sqrt(r2 / (1 + r2));
}

/* tan^2 a - tan^2 b = (r/scale)^2/cos^2 b */
static double time_of_ratio(const void *st, double ratio)
{
	const cosine *c = st;
	double r = ratio / c->scale, cos_b = cos(c->b), tan_b = tan(c->b), more = r * r / (cos_b * cos_b), tan_a;

	if (!(r > 0))
		return 0;
	tan_a = sqrt(more + tan_b * tan_b);
	return atan(more / (tan_a + tan_b) / (1 + tan_a * tan_b)) / c->w;
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
	Phi[0] = sqrt((1 + level(st, s)) / (1 + level(st, t)));
}

static void cov(const void *st, double t, double *Sigma)
{
	double r2 = level(st, t);

	Sigma[0] = r2 / (1 + r2);
}

static double horizon(const void *st)
{
	return ((const cosine *)st)->end;
}

const sf_process_class sf_process_cosine = {
	.head = {"cosine", "the noise rises as the square of a sine, gently at both ends",
	         "Nichol and Dhariwal 2021 (2102.09672)", sizeof(cosine), options, init, NULL},
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
	.t_train = sf_beta_t_train,
	.t_sample = sf_beta_t_sample,
	.prior_var = sf_beta_prior_var};
