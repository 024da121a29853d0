/* likelihood.c: checks of densities by the probability-flow ODE, of its trace and of the variational bound, on data
 * whose law is known at every time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <scorefield/likelihood.h>

#include <math.h>
#include <string.h>

#define TIGHT "rk45:rtol=1e-10,atol=1e-10"
#define THREE "mixture:weights=1:2:3,means=0:0:1:1:-1:2,std=0.3:0.5:0.2"
#define ROTATED "gaussian:mean=0.3:-1,std=0.5:2,rho=0.6"

static sf_likelihood_run ask(int64_t n, double start)
{
	sf_likelihood_run run;

	sf_likelihood_defaults(&run);
	run.n = n;
	run.solver = TIGHT;
	run.start = start;
	return run;
}

/* ---- one point of normal data ---- */

static int one_point(sf_ctx *ctx, const char *process, const char *score, double x, sf_logp *l, double *z)
{
	sf_likelihood_run run = ask(1, 1e-5);
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, score, 1, NULL, NULL, &rig));
	rc = sf_likelihood(rig.score, &run, &x, l, z, NULL);
	sf_rig_close(&rig);
	return rc;
}

#define SMALL "gaussian:mean=0.5,std=0.25"
#define HALF "gaussian:mean=0.2,std=0.5"
#define NORMAL(name, process, score, x, what, expected)                                                 \
	static int name(sf_ctx *ctx, sf_row *row)                                                       \
	{                                                                                               \
		double z;                                                                               \
		sf_logp l;                                                                              \
                                                                                                        \
		SF_TRY(one_point(ctx, process, score, x, &l, &z));                                      \
		return sf_row_value(row, what, expected, 1e-9 * fabs(expected));                        \
	}

NORMAL(ve_normal, "ve", SMALL, .1, l.logp, -.795480628647)
NORMAL(ve_latent, "ve", SMALL, .1, z, -79.4370650155)
NORMAL(ve_growth, "ve", SMALL, .1, exp(l.divergence), 199.842662539)
NORMAL(vp_normal, "vp", HALF, -.3, l.logp, -.724477722704)
NORMAL(vp_latent, "vp", HALF, -.3, z, -.998667786255)
NORMAL(subvp_normal, "subvp", HALF, -.3, l.logp, -.724477749537)

static int bits(sf_row *row, double scale, double logp, double expected)
{
	sf_view v;

	memset(&v, 0, sizeof v);
	v.scale = scale;
	return sf_row_value(row, sf_view_bits(&v, 1, logp), expected, 1e-11);
}

static int bits_ve(sf_ctx *ctx, sf_row *row)
{
	(void)ctx;
	return bits(row, 256, -.795480628647, 9.14763595807);
}

static int bits_vp(sf_ctx *ctx, sf_row *row)
{
	(void)ctx;
	return bits(row, 128, -.724477722704, 8.04520041778);
}

static int bits_normal(sf_ctx *ctx, sf_row *row)
{
	(void)ctx;
	return bits(row, 128, -.5 * log(2 * SF_PI), 8.32574806473616);
}

/* ---- the integral is what the log density falls by along a path ---- */

enum { N = 5, D = 2 };
static const double near_data[N * D] = {.1, -.2, .9, 1.2, -1.1, 1.9, .5, .4, -.8, 1.5};

/* Largest error over N states. */
static int fall(sf_ctx *ctx, const char *process, const char *score, const char *solver, double *worst)
{
	double u[2 * N * D], div[N], t[N], first[N], last[N];
	sf_likelihood_run run = ask(N, 0);
	sf_rig rig;
	int rc, i, j;

	SF_TRY(sf_rig_open(ctx, process, score, D, NULL, NULL, &rig));
	for (i = 0; i < N; i++)
		for (j = 0; j < D; j++) {
			u[(i * sf_process_blocks(rig.process)) * D + j] = near_data[i * D + j];
			if (sf_process_blocks(rig.process) == 2)
				u[(2 * i + 1) * D + j] = .1 * near_data[(i * D + j + 3) % (N * D)];
		}
	run.solver = solver;
	run.start = 1e-3 * sf_process_horizon(rig.process);
	for (i = 0; i < N; i++)
		t[i] = run.start;
	rc = sf_score_logp(rig.score, N, u, t, first);
	if (rc == 0)
		rc = sf_encode(rig.score, &run, u, div, NULL);
	for (i = 0; i < N; i++)
		t[i] = sf_process_horizon(rig.process);
	if (rc == 0)
		rc = sf_score_logp(rig.score, N, u, t, last);
	*worst = 0;
	for (i = 0; rc == 0 && i < N; i++)
		sf_worst(worst, div[i], first[i] - last[i], 1);
	sf_rig_close(&rig);
	return rc;
}

#define FALL(name, process, score)                                                                      \
	static int name(sf_ctx *ctx, sf_row *row)                                                       \
	{                                                                                               \
		double worst;                                                                           \
                                                                                                        \
		SF_TRY(fall(ctx, process, score, TIGHT, &worst));                                       \
		return sf_row_worst(row, worst, 5e-9);                                                  \
	}

FALL(mixture_vp, "vp", THREE)
FALL(mixture_subvp, "subvp", THREE)
FALL(mixture_ve, "ve", THREE)
FALL(mixture_edm, "edm", THREE)
FALL(mixture_cld, "cld:eps=0", THREE)
FALL(rotated_vp, "vp", ROTATED)
FALL(rotated_cld, "cld:eps=0", ROTATED)

/* Slope of the error of one state's integral from 80 to 160 equal steps. */
static int order(sf_ctx *ctx, sf_row *row, const char *process, const char *score, double start)
{
	static const char *const solver[] = {"rk45:fixed=80", "rk45:fixed=160"};
	sf_likelihood_run run = ask(1, start);
	double error[2] = {0, 0}, T = 1, first, last;
	sf_rig rig;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, process, score, 1, NULL, NULL, &rig));
	for (i = 0, rc = 0; rc == 0 && i < 2; i++) {
		double u[2] = {.3, .1};

		run.solver = solver[i];
		rc = sf_score_logp(rig.score, 1, u, &start, &first);
		if (rc == 0)
			rc = sf_encode(rig.score, &run, u, &error[i], NULL);
		if (rc == 0)
			rc = sf_score_logp(rig.score, 1, u, &T, &last);
		error[i] = fabs(error[i] - (first - last));
	}
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, log2(error[0] / error[1]), 5, .1);
}

static int order_mixture(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "cld:eps=0", "mixture:preset=skewed", .2);
}

static int order_normal(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "subvp", "gaussian:mean=0.3,std=0.5", .1);
}

/* Half the logarithm of the ratio of determinants. */
static int cld_divergence(sf_ctx *ctx, sf_row *row, double start, double expected)
{
	double u[2] = {.4, -.05}, div;
	sf_likelihood_run run = ask(1, start);
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "cld:eps=0", "gaussian:mean=0.7,std=0.5", 1, NULL, NULL, &rig));
	rc = sf_encode(rig.score, &run, u, &div, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, div, expected, 1e-9);
}

static int cld_early(sf_ctx *ctx, sf_row *row)
{
	return cld_divergence(ctx, row, 1e-5, 2.29874815003);
}

static int cld_later(sf_ctx *ctx, sf_row *row)
{
	return cld_divergence(ctx, row, 1e-3, 2.02110249107);
}

/* ---- Hutchinson ---- */

/* All vectors of +1 and -1 as probes: the mean is the trace. */
static int signs(sf_ctx *ctx, sf_row *row, const char *process)
{
	double u[4] = {.3, -.2, .05, .1}, copy[4], probe[16 * 4], exact, mean;
	sf_likelihood_run run = ask(1, .01);
	sf_rig rig;
	int q, j, rc, size;

	SF_TRY(sf_rig_open(ctx, process, THREE, D, NULL, NULL, &rig));
	size = D * sf_process_blocks(rig.process);
	for (q = 0; q < 1 << size; q++)
		for (j = 0; j < size; j++)
			probe[q * size + j] = q >> j & 1 ? -1 : 1;
	memcpy(copy, u, sizeof u);
	rc = sf_encode(rig.score, &run, copy, &exact, NULL);
	run.trace = SF_TRACE_RADEMACHER;
	run.probes = 1 << size;
	run.probe = probe;
	if (rc == 0)
		rc = sf_encode(rig.score, &run, u, &mean, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, mean, exact, 1e-9);
}

static int signs_vp(sf_ctx *ctx, sf_row *row)
{
	return signs(ctx, row, "vp");
}

static int signs_cld(sf_ctx *ctx, sf_row *row)
{
	return signs(ctx, row, "cld:eps=0");
}

/* One probe on a diagonal Jacobian: log p of independent normals. */
static int rademacher(sf_ctx *ctx, sf_row *row)
{
	double x[3] = {.3, -.2, .5}, exact[1], one[1], u[3];
	sf_likelihood_run run = ask(1, 1e-5);
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "vp", "gaussian:mean=0.1:0.2:0.3,std=0.5:1:2", 3, NULL, NULL, &rig));
	memcpy(u, x, sizeof x);
	rc = sf_encode(rig.score, &run, u, exact, NULL);
	run.trace = SF_TRACE_RADEMACHER;
	if (rc == 0)
		rc = sf_encode(rig.score, &run, x, one, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, one[0], exact[0], 1e-9);
}

/* ---- there and back ---- */

static int inverse(sf_ctx *ctx, sf_row *row)
{
	double u[N * D], worst = 0;
	sf_likelihood_run run = ask(N, .01);
	sf_sample_run back;
	sf_rig rig;
	int rc, i;

	memcpy(u, near_data, sizeof u);
	SF_TRY(sf_rig_open(ctx, "vp", THREE, D, TIGHT, NULL, &rig));
	rc = sf_encode(rig.score, &run, u, NULL, NULL);
	sf_sample_defaults(&back);
	back.n = N;
	back.given_start = 1;
	back.end = .01;
	back.denoise = 0;
	if (rc == 0)
		rc = sf_sample(rig.sampler, rig.score, &back, u, NULL);
	for (i = 0; i < N * D; i++)
		sf_worst(&worst, u[i], near_data[i], 1);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-8);
}

/* ---- the variational bound ---- */

static int weight(sf_ctx *ctx, sf_row *row, const char *process, double expected)
{
	sf_process *p;

	SF_TRY(sf_process_new(ctx, process, &p));
	sf_row_value(row, sf_process_logsnr(p, 1e-5) - sf_process_logsnr(p, 1), expected, 1e-12 * expected);
	sf_process_free(p);
	return SF_OK;
}

static int weight_vp(sf_ctx *ctx, sf_row *row)
{
	return weight(ctx, row, "vp", 23.8644723654695);
}

static int weight_subvp(sf_ctx *ctx, sf_row *row)
{
	return weight(ctx, row, "subvp", 37.6789457319341);
}

static int weight_ve(sf_ctx *ctx, sf_row *row)
{
	return weight(ctx, row, "ve", 17.0342160389686);
}

/* Half the integral of E|z - eps|^2 = (S^4 + r e^2)/(S^2 + r)^2 over ln r, r = (sigma/alpha)^2, at a distance e from
 * the mean; what is measured is the mean of many draws, in its standard errors. */
static double integral(double r, double S2, double e2)
{
	return .5 * (log(r / (S2 + r)) + S2 / (S2 + r) - e2 / (S2 + r));
}

static int diffusion(sf_ctx *ctx, sf_row *row, const char *process)
{
	enum { M = 1000, TIMES = 64 };
	double x[M], sum = 0, square = 0, exact;
	sf_likelihood_run run = ask(M, 1e-3);
	sf_bound b[M];
	sf_rig rig;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, process, "gaussian:mean=0.3,std=0.5", 1, NULL, NULL, &rig));
	for (i = 0; i < M; i++)
		x[i] = -.4;
	rc = sf_likelihood_bound(rig.score, &run, TIMES, x, b);
	exact = integral(exp(-sf_process_logsnr(rig.process, 1)), .25, .49) -
	        integral(exp(-sf_process_logsnr(rig.process, 1e-3)), .25, .49);
	sf_rig_close(&rig);
	for (i = 0; rc == 0 && i < M; i++) {
		sum += b[i].diffusion / M;
		square += b[i].diffusion * b[i].diffusion / M;
	}
	return rc < 0 ? rc : sf_row_value(row, sum, exact, 5 * sqrt(fmax(0, square - sum * sum) / M));
}

static int diffusion_vp(sf_ctx *ctx, sf_row *row)
{
	return diffusion(ctx, row, "vp");
}

static int diffusion_ve(sf_ctx *ctx, sf_row *row)
{
	return diffusion(ctx, row, "ve");
}

#define SONG_D2 "Song et al. 2021 (2011.13456), appendix D.2"
#define CLD_REF "Dockhorn et al. 2022 (2112.07068)"
#define HUTCH "Skilling 1989; Hutchinson 1990"
#define FLOWED "Song et al. 2021b (2101.09258)"

const sf_check sf_checks_likelihood[] = {
	{"metric", "likelihood.ve-normal", "log density of normal data under ve", SONG_D2, ve_normal},
	{"metric", "likelihood.ve-latent", "its state at T", SONG_D2, ve_latent},
	{"metric", "likelihood.ve-growth", "growth of distances along its path", SONG_D2, ve_growth},
	{"metric", "likelihood.vp-normal", "log density of normal data under vp", SONG_D2, vp_normal},
	{"metric", "likelihood.vp-latent", "its state at T", SONG_D2, vp_latent},
	{"metric", "likelihood.subvp-normal", "log density of normal data under sub-VP", SONG_D2, subvp_normal},
	{"metric", "likelihood.bits-unit", "bits per dimension of 8-bit data in [0,1]", SONG_D2, bits_ve},
	{"metric", "likelihood.bits-pm1", "bits per dimension of 8-bit data in [-1,1]", SONG_D2, bits_vp},
	{"metric", "likelihood.bits-normal", "bits of N(0,1) at its mean, data in [-1,1]", SONG_D2, bits_normal},
	{"metric", "likelihood.mixture-vp", "divergence of a mixture's flow against its log density", SONG_D2, mixture_vp},
	{"metric", "likelihood.mixture-subvp", "the same for sub-VP", SONG_D2, mixture_subvp},
	{"metric", "likelihood.mixture-ve", "the same for ve", SONG_D2, mixture_ve},
	{"metric", "likelihood.mixture-edm", "the same for edm", SONG_D2, mixture_edm},
	{"metric", "likelihood.mixture-cld", "the same for cld", CLD_REF, mixture_cld},
	{"metric", "likelihood.rotated-vp", "the same for correlated normal data", SONG_D2, rotated_vp},
	{"metric", "likelihood.rotated-cld", "the same with velocities", CLD_REF, rotated_cld},
	{"metric", "likelihood.order-mixture", "order of the integral on equal steps, a mixture under cld",
	 "Dormand and Prince 1980",
	 order_mixture},
	{"metric", "likelihood.order-normal", "the same for normal data under sub-VP", "Dormand and Prince 1980",
	 order_normal},
	{"metric", "likelihood.cld-divergence", "half the log ratio of determinants from 1e-5", CLD_REF, cld_early},
	{"metric", "likelihood.cld-divergence-later", "the same from 1e-3", CLD_REF, cld_later},
	{"metric", "likelihood.signs-vp", "all Rademacher probes together are exact", HUTCH, signs_vp},
	{"metric", "likelihood.signs-cld", "the same with velocities", HUTCH, signs_cld},
	{"metric", "likelihood.rademacher-diagonal", "one Rademacher probe is exact for a diagonal Jacobian", HUTCH,
	 rademacher},
	{"metric", "likelihood.inverse", "data to latents and back by rk45", "Song et al. 2021 (2011.13456), section 4.3",
	 inverse},
	{"metric", "likelihood.weight-vp", "integral of g^2/sigma^2 is the fall of lambda, vp", FLOWED, weight_vp},
	{"metric", "likelihood.weight-subvp", "the same for sub-VP", FLOWED, weight_subvp},
	{"metric", "likelihood.weight-ve", "the same for ve", FLOWED, weight_ve},
	{"metric", "likelihood.diffusion-vp", "diffusion term of the bound on normal data, within 5 standard errors", FLOWED,
	 diffusion_vp},
	{"metric", "likelihood.diffusion-ve", "the same for ve", FLOWED, diffusion_ve},
	{NULL, NULL, NULL, NULL, NULL}};
