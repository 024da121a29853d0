/* sampler.c: checks of the samplers on data whose answer is known: EDM's golden runs, the exact
 * law of stochastic runs, and single steps by hand.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

#define HALF "gaussian:std=0.5" /* data of standard deviation 0.5 */

/* One state from a given start against a number. */
static int run_to(sf_ctx *ctx, sf_row *row, const char *process, const char *score,
                  const char *sampler, const char *grid, int64_t steps, double x, double expected,
                  double tolerance)
{
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, score, 1, sampler, grid, &rig));
	rc = sf_rig_sample(&rig, 1, steps, NAN, NAN, 0, &x, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, x, expected, tolerance);
}

#define EDM_RUN(name, process, sampler, grid, steps, start, expected)                              \
	static int name(sf_ctx *ctx, sf_row *row)                                                  \
	{                                                                                          \
		return run_to(ctx, row, process, HALF, sampler, grid, steps, start, expected,      \
		              2e-14);                                                              \
	}

EDM_RUN(heun_18, "edm", "heun", "karras", 18, 80, 0.527624637001047)
EDM_RUN(heun_40, "edm", "heun", "karras", 40, 80, 0.504876864654228)
EDM_RUN(heun_256, "edm", "heun", "karras", 256, 80, 0.50009542467964)
EDM_RUN(heun_euler, "edm", "heun:order=1", "karras", 18, 80, 0.423031436407978)
EDM_RUN(heun_alpha, "edm", "heun:alpha=1.1", "karras", 18, 80, 0.535755597818937)
EDM_RUN(heun_midpoint, "edm", "heun:alpha=0.5", "karras", 18, 80, 0.497774612157243)
EDM_RUN(heun_ralston, "edm", "heun:alpha=0.6666666666666666", "karras", 18, 80, 0.50609423347056)
/* In vp's own time; the start is sigma(1) times a latent of 1. */
#define VP_START 0.999978406892339
EDM_RUN(heun_vp, "vp", "heun:time=process", "uniform:final=zero", 18, VP_START, 0.504195644752739)
EDM_RUN(heun_vp_euler, "vp", "heun:time=process,order=1", "uniform:final=zero", 512, VP_START,
        0.499547587650061)

/* ---- laws of stochastic runs ---- */

/* Variance of the result for a start of variance start^2. */
static int law(sf_ctx *ctx, const char *process, const char *sampler, const char *grid,
               int64_t steps, double start, double *variance)
{
	double zero = 0, from = start * start, mean;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, HALF, 1, sampler, grid, &rig));
	rc = sf_law(ctx, &rig, steps, 0, NULL, &zero, &from, &mean, variance);
	sf_rig_close(&rig);
	return rc;
}

static int churn(sf_ctx *ctx, sf_row *row, const char *sampler, int64_t steps, double expected)
{
	double variance;

	SF_TRY(law(ctx, "edm", sampler, "karras", steps, 80, &variance));
	return sf_row_value(row, variance, expected, 1e-12);
}

static int churn_10(sf_ctx *ctx, sf_row *row)
{
	return churn(ctx, row, "heun:churn=10", 18, 0.316095311058178);
}

static int churn_40(sf_ctx *ctx, sf_row *row)
{
	return churn(ctx, row, "heun:churn=40,s-min=0.05,s-max=50,s-noise=1.003", 18,
	             0.318152278292739);
}

static int churn_256(sf_ctx *ctx, sf_row *row)
{
	return churn(ctx, row, "heun:churn=40,s-min=0.05,s-max=50,s-noise=1.003", 256,
	             0.252494400499746);
}

/* Euler-Maruyama on N(0, q): x' = (1 + h (beta/2 - (1+eta^2)/2 beta/v)) x + eta sqrt(h beta) z, v
 * = 1 + (q-1) e^-B, so the variance obeys V' = a^2 V + eta^2 h beta. */
static int em_law(sf_ctx *ctx, sf_row *row, const char *sampler, double eta)
{
	double variance, V = 1, h = (1 - 1e-3) / 50;
	int i;

	SF_TRY(law(ctx, "vp", sampler, "uniform", 50, 1, &variance));
	for (i = 0; i < 50; i++) {
		double t = 1 - i * h, beta = 0.1 + 19.9 * t, B = 0.1 * t + 9.95 * t * t;
		double v = 1 + (0.25 - 1) * exp(-B);
		double a = 1 + h * (beta / 2 - (1 + eta * eta) / 2 * beta / v);

		V = a * a * V + eta * eta * h * beta;
	}
	return sf_row_value(row, variance, V, 1e-12);
}

static int em_reverse(sf_ctx *ctx, sf_row *row)
{
	return em_law(ctx, row, "em", 1);
}

static int em_half(sf_ctx *ctx, sf_row *row)
{
	return em_law(ctx, row, "em:eta=0.5", 0.5);
}

/* The mean of N(0.3, 0.25) data follows the same recursion without noise. */
static int em_mean(sf_ctx *ctx, sf_row *row)
{
	double x = 0, M = 0, h = (1 - 1e-3) / 50;
	sf_rig rig;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, "vp", "gaussian:mean=0.3,std=0.5", 1, "em:eta=0", "uniform", &rig));
	rc = sf_rig_sample(&rig, 1, 50, NAN, NAN, 0, &x, NULL);
	sf_rig_close(&rig);
	for (i = 0; i < 50; i++) {
		double t = 1 - i * h, beta = 0.1 + 19.9 * t, B = 0.1 * t + 9.95 * t * t;
		double v = 1 + (0.25 - 1) * exp(-B);

		M += h * (beta / 2 * M - beta / 2 * (M - exp(-B / 2) * 0.3) / v);
	}
	return rc < 0 ? rc : sf_row_value(row, x, M, 1e-13);
}

/* ---- one published step by hand: x = 1, score = -2, t = 0.5, N = 1000, and z = 0.5 in the table
 * ---- */

static int one_step(sf_ctx *ctx, const char *process, double *x, double *z)
{
	sf_noise key = {5, SF_NOISE_STEP, 0};
	sf_sample_run run;
	sf_rig rig;
	double start = 1;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, NULL, 0, "em:published=true", "uniform", &rig));
	rc = sf_score_from_function(ctx, rig.process, 1, sf_constant_score, NULL, NULL, &rig.score);
	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = 1000;
	run.seed = key.seed;
	run.start = 0.5;
	run.grid = rig.grid;
	run.given_start = 1;
	run.observe = sf_keep_first;
	run.user = x;
	if (rc == 0)
		rc = sf_sample(rig.sampler, rig.score, &run, &start, NULL);
	sf_rig_close(&rig);
	sf_noise_normal_d(ctx, key, 0, 0, 1, z);
	return rc == SF_ESTOPPED ? SF_OK : rc;
}

/* x = mean + z (x_table - mean)/0.5 */
static int published_step(sf_ctx *ctx, sf_row *row, const char *process, double mean,
                          double x_table)
{
	double x = 0, z = 0;

	SF_TRY(one_step(ctx, process, &x, &z));
	return sf_row_value(row, x, mean + z * (x_table - mean) / 0.5, 1e-13);
}

static int step_vp(sf_ctx *ctx, sf_row *row)
{
	return published_step(ctx, row, "vp", 0.984925, 1.03504984413941);
}

static int step_subvp(sf_ctx *ctx, sf_row *row)
{
	return published_step(ctx, row, "subvp", 0.985050646837436, 1.03501857800654);
}

static int step_ve(sf_ctx *ctx, sf_row *row)
{
	return published_step(ctx, row, "ve", 0.982965613617167, 1.02910993393781);
}

/* The last published step leaves the noise out: two runs of one step differ by g sqrt(T) z. */
static int published_mean(sf_ctx *ctx, sf_row *row)
{
	double x = 0.4, B = 10.05, beta = 20, v = 1 + (0.25 - 1) * exp(-B);
	sf_sample_run run;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "vp", HALF, 1, "em:published=true", "uniform", &rig));
	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = 1;
	run.grid = rig.grid;
	run.given_start = 1;
	rc = sf_sample(rig.sampler, rig.score, &run, &x, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, x, 0.4 + beta / 2 * 0.4 - beta * 0.4 / v, 1e-13);
}

#define EDM_ALG "Karras et al. 2022 (2206.00364), algorithm "
#define SONG_E "Song et al. 2021 (2011.13456), appendix E"

const sf_check sf_checks_sampler[] = {
	{"sampler", "heun.18", "18 steps on normal data", EDM_ALG "2", heun_18},
	{"sampler", "heun.40", "40 steps on normal data", EDM_ALG "2", heun_40},
	{"sampler", "heun.256", "256 steps on normal data", EDM_ALG "2", heun_256},
	{"sampler", "heun.euler", "order 1, 18 steps", EDM_ALG "1", heun_euler},
	{"sampler", "heun.alpha", "second slope at 1.1 of the step", EDM_ALG "1", heun_alpha},
	{"sampler", "heun.midpoint", "second slope in the middle", EDM_ALG "1", heun_midpoint},
	{"sampler", "heun.ralston", "second slope at two thirds", EDM_ALG "1", heun_ralston},
	{"sampler", "heun.vp", "18 steps in the time of vp", EDM_ALG "1", heun_vp},
	{"sampler", "heun.vp-euler", "order 1, 512 steps in the time of vp", EDM_ALG "1",
	 heun_vp_euler},
	{"sampler", "heun.churn-10", "variance of 18 steps with churn 10", EDM_ALG "2", churn_10},
	{"sampler", "heun.churn-40", "variance of 18 steps with churn 40 between 0.05 and 50",
	 EDM_ALG "2", churn_40},
	{"sampler", "heun.churn-256", "the same for 256 steps", EDM_ALG "2", churn_256},
	{"sampler", "em.variance", "variance of 50 steps on normal data",
	 "Song et al. 2021 (2011.13456), eq 6", em_reverse},
	{"sampler", "em.variance-eta", "the same with eta = 0.5",
	 "Song et al. 2021 (2011.13456), eq 6", em_half},
	{"sampler", "em.mean", "mean of 50 steps with eta = 0",
	 "Song et al. 2021 (2011.13456), eq 13", em_mean},
	{"sampler", "em.step-vp", "one published step under vp", SONG_E, step_vp},
	{"sampler", "em.step-subvp", "one published step under sub-VP", SONG_E, step_subvp},
	{"sampler", "em.step-ve", "one published step under ve", SONG_E, step_ve},
	{"sampler", "em.last-mean", "the last published step leaves its noise out", SONG_E,
	 published_mean},
	{NULL, NULL, NULL, NULL, NULL}};
