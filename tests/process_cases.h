/* process_cases.h: processes that no registry has, for the paths of two blocks, of nonlinear
 * drifts and of linear processes without scalar closed forms.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_PROCESS_CASES_H
#define SF_TEST_PROCESS_CASES_H

#include <scorefield/process.h>

#include <math.h>
#include <string.h>

static double case_one(const void *st)
{
	(void)st;
	return 1;
}

static double case_soon(const void *st)
{
	(void)st;
	return 0.01;
}

static void case_prior(const void *st, double *var)
{
	(void)st;
	var[0] = 1;
}

static void case_prior2(const void *st, double *var)
{
	(void)st;
	var[0] = 1;
	var[1] = 4;
}

/* ---- damped: critically damped oscillator dx = v dt, dv = (-x - 2 v) dt + 2 dw ---- exp(Ft) =
 * e^-t [[1+t, t], [-t, 1-t]], stationary law N(0, I); the velocity starts as N(0, 1), so that
 * Sigma = I - P e e' P' with P = exp(Ft), e = (1, 0). */

static void damped_drift(const void *st, double t, double *F)
{
	static const double f[4] = {0, 1, -1, -2};

	(void)st;
	(void)t;
	memcpy(F, f, sizeof f);
}

static void damped_diffusion(const void *st, double t, double *G)
{
	static const double g[4] = {0, 0, 0, 2};

	(void)st;
	(void)t;
	memcpy(G, g, sizeof g);
}

static void damped_phi(const void *st, double s, double t, double *Phi)
{
	double h = t - s, e = exp(-h);

	(void)st;
	Phi[0] = e * (1 + h);
	Phi[1] = e * h;
	Phi[2] = -e * h;
	Phi[3] = e * (1 - h);
}

static void damped_cov(const void *st, double t, double *S)
{
	double P[4];

	damped_phi(st, 0, t, P);
	S[0] = 1 - P[0] * P[0];
	S[1] = S[2] = -P[0] * P[2];
	S[3] = 1 - P[2] * P[2];
}

/* given all of u_0: I - P P' */
static void damped_noise_cov(const void *st, double t, double *C)
{
	double P[4];

	damped_phi(st, 0, t, P);
	C[0] = 1 - P[0] * P[0] - P[1] * P[1];
	C[1] = C[2] = -P[0] * P[2] - P[1] * P[3];
	C[3] = 1 - P[2] * P[2] - P[3] * P[3];
}

static const sf_process_class damped = {
	.head = {"damped", "test", "test", 1, NULL, NULL, NULL},
	.k = 2,
	.linear = 1,
	.drift_matrix = damped_drift,
	.diffusion_matrix = damped_diffusion,
	.phi = damped_phi,
	.cov = damped_cov,
	.noise_cov = damped_noise_cov,
	.start_var = case_one,
	.horizon = case_one,
	.t_train = case_soon,
	.t_sample = case_soon,
	.prior_var = case_prior2};

/* ---- well: dx = (x - x^3) dt + sqrt 2 dw, stationary score x - x^3 ---- */

static void well_drift(const void *st, int64_t d, const double *x, double t, double *f)
{
	(void)st;
	(void)t;
	while (d-- > 0)
		f[d] = x[d] - x[d] * x[d] * x[d];
}

static double well_diffusion(const void *st, double t)
{
	(void)st;
	(void)t;
	return sqrt(2);
}

static double well_scale(const void *st, double t)
{
	(void)st;
	return sqrt(2 * t / (1 + t));
}

static int64_t well_steps(const void *st)
{
	(void)st;
	return 64;
}

static const sf_process_class well = {
	.head = {"well", "test", "test", 1, NULL, NULL, NULL},
	.k = 1,
	.sigma = well_scale,
	.drift = well_drift,
	.diffusion = well_diffusion,
	.steps = well_steps,
	.horizon = case_one,
	.t_train = case_soon,
	.t_sample = case_soon,
	.prior_var = case_prior};

/* ---- decay: dx = -1.5 x dt + 0.8 dw; alpha, sigma and the inverse come from phi and cov ---- */

static void decay_drift(const void *st, double t, double *F)
{
	(void)st;
	(void)t;
	F[0] = -1.5;
}

static void decay_diffusion(const void *st, double t, double *G)
{
	(void)st;
	(void)t;
	G[0] = 0.8;
}

static void decay_phi(const void *st, double s, double t, double *Phi)
{
	(void)st;
	Phi[0] = exp(-1.5 * (t - s));
}

static void decay_cov(const void *st, double t, double *Sigma)
{
	(void)st;
	Sigma[0] = -0.64 / 3 * expm1(-3 * t);
}

static const sf_process_class decay = {
	.head = {"decay", "test", "test", 1, NULL, NULL, NULL},
	.k = 1,
	.linear = 1,
	.drift_matrix = decay_drift,
	.diffusion_matrix = decay_diffusion,
	.phi = decay_phi,
	.cov = decay_cov,
	.horizon = case_one,
	.t_train = case_soon,
	.t_sample = case_soon,
	.prior_var = case_prior};

/* ---- crawl: decay as if nothing were known of it but drift and noise; its steps as a test wants them ---- */

static int64_t crawl_count;

static void crawl_drift(const void *st, int64_t d, const double *x, double t, double *f)
{
	(void)st;
	(void)t;
	while (d-- > 0)
		f[d] = -1.5 * x[d];
}

static double crawl_diffusion(const void *st, double t)
{
	(void)st;
	(void)t;
	return 0.8;
}

static int64_t crawl_steps(const void *st)
{
	(void)st;
	return crawl_count;
}

static const sf_process_class crawl = {
	.head = {"crawl", "test", "test", 1, NULL, NULL, NULL},
	.k = 1,
	.sigma = well_scale,
	.drift = crawl_drift,
	.diffusion = crawl_diffusion,
	.steps = crawl_steps,
	.horizon = case_one,
	.t_train = case_soon,
	.t_sample = case_soon,
	.prior_var = case_prior};

#endif
