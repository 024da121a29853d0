/* sampler_order.c: how fast the samplers' errors fall, and adaptive runs against closed forms and
 * an independent implementation of the same controller.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>

#define SKEWED "mixture:preset=skewed"
#define RANGE "edm:sigma-min=0.1,sigma-max=10"
#define START 7.1
#define LEVELS "karras:final=last"
/* The map of a one-dimensional probability-flow ODE keeps quantiles; that of 7.1 at sigma 10
 * gives this at sigma 0.1. */
#define EXACT 1.09889623755903

static int ends_at(sf_ctx *ctx, const char *process, const char *score, const char *sampler,
                   const char *grid, int64_t steps, double *x, sf_sample_report *report)
{
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, score, 1, sampler, grid, &rig));
	rc = sf_rig_sample(&rig, 1, steps, NAN, NAN, 0, x, report);
	sf_rig_close(&rig);
	return rc;
}

/* log2 of the ratio of the errors with N and 2N steps. */
static int order(sf_ctx *ctx, sf_row *row, const char *sampler, const char *finer, int64_t steps,
                 double expected)
{
	double coarse = START, fine = START;

	SF_TRY(ends_at(ctx, RANGE, SKEWED, sampler, LEVELS, steps, &coarse, NULL));
	SF_TRY(ends_at(ctx, RANGE, SKEWED, finer, LEVELS, 2 * steps, &fine, NULL));
	return sf_row_value(row, log(fabs((coarse - EXACT) / (fine - EXACT))) / log(2), expected,
	                    0.1);
}

static int order_euler(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "euler", "euler", 512, 1);
}

static int order_em(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "em:eta=0", "em:eta=0", 512, 1);
}

static int order_heun(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "heun", "heun", 512, 2);
}

static int order_midpoint(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "heun:alpha=0.5", "heun:alpha=0.5", 512, 2);
}

/* On N(0, 1/4) data x(t) = x(1) sqrt((1/4 + t^2)/(5/4)); smooth enough for fifth order to show
 * before rounding does. */
static int order_rk45(sf_ctx *ctx, sf_row *row)
{
	double coarse = START, fine = START, exact = START * sqrt(0.26 / 1.25);
	const char *range = "edm:sigma-min=0.1,sigma-max=1", *data = "gaussian:std=0.5";

	SF_TRY(ends_at(ctx, range, data, "rk45:fixed=30", NULL, 0, &coarse, NULL));
	SF_TRY(ends_at(ctx, range, data, "rk45:fixed=60", NULL, 0, &fine, NULL));
	return sf_row_value(row, log(fabs((coarse - exact) / (fine - exact))) / log(2), 5, 0.1);
}

#define GOLDEN(name, sampler, steps, expected)                                                     \
	static int name(sf_ctx *ctx, sf_row *row)                                                  \
	{                                                                                          \
		double x = START;                                                                  \
		SF_TRY(ends_at(ctx, RANGE, SKEWED, sampler, LEVELS, steps, &x, NULL));             \
		return sf_row_value(row, x, expected, 2e-14);                                      \
	}

GOLDEN(euler_16, "heun:order=1", 16, 1.039632675542531)
GOLDEN(euler_64, "euler", 64, 1.083108398694327)
GOLDEN(heun_16, "heun", 16, 1.108439743796711)
GOLDEN(heun_64, "heun", 64, 1.099459155881328)

/* ---- rk45 ---- */

/* The ODE of normal data is an affine map: z = m_T mu + (x - m_eps mu) R. */
static int affine(sf_ctx *ctx, sf_row *row, const char *process, const char *score, double z,
                  double x)
{
	double at = z;

	SF_TRY(ends_at(ctx, process, score, "rk45:rtol=1e-11,atol=1e-12", NULL, 0, &at, NULL));
	return sf_row_value(row, at, x, 1e-8);
}

static int affine_ve(sf_ctx *ctx, sf_row *row)
{
	return affine(ctx, row, "ve", "gaussian:mean=0.5,std=0.25", -79.4370650155, 0.1);
}

/* These maps start at 1e-5, where the likelihood does. */
static int affine_from(sf_ctx *ctx, sf_row *row, const char *process, double z)
{
	double x = z;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, "gaussian:mean=0.2,std=0.5", 1,
	                   "rk45:rtol=1e-11,atol=1e-12", NULL, &rig));
	rc = sf_rig_sample(&rig, 1, 0, NAN, 1e-5, 0, &x, NULL);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, x, -0.3, 1e-8);
}

static int affine_vp(sf_ctx *ctx, sf_row *row)
{
	return affine_from(ctx, row, "vp", -0.998667786255);
}

static int affine_subvp(sf_ctx *ctx, sf_row *row)
{
	return affine_from(ctx, row, "subvp", -0.998648195674);
}

/* SciPy 1.17 solve_ivp on the same problems: evaluations, and the result to the accuracy of a
 * controller whose sums are in another order. */
typedef struct peer {
	const char *process, *sampler;
	double start, end;
	int nfev, steps;
} peer;

static const peer peers[] = {
	{"vp", "rk45", 0.7, 1.120163426432384, 62, 7},
	{"vp", "rk45", -1.3, -1.139042773079013, 68, 7},
	{"subvp", "rk45:rtol=1e-6,atol=1e-6", 0.35, 0.778274522352398, 104, 12},
	{RANGE, "rk45", 7.1, 1.0988979590070915, 86, 10},
	{RANGE, "rk45:rtol=1e-9,atol=1e-9", 7.1, 1.098896238727083, 344, 42},
	{"ve", "rk45", 30, 1.0057144518268453, 92, 15}};
enum { PEERS = sizeof peers / sizeof *peers };

static int peer_values(sf_ctx *ctx, sf_row *row)
{
	double worst = 0;
	int i;

	for (i = 0; i < PEERS; i++) {
		double x = peers[i].start;

		SF_TRY(ends_at(ctx, peers[i].process, SKEWED, peers[i].sampler, NULL, 0, &x, NULL));
		sf_worst(&worst, x, peers[i].end, 0);
	}
	return sf_row_worst(row, worst, 1e-10);
}

static int peer_counts(sf_ctx *ctx, sf_row *row)
{
	int i, equal = 0;

	for (i = 0; i < PEERS; i++) {
		double x = peers[i].start;
		sf_sample_report report;

		SF_TRY(ends_at(ctx, peers[i].process, SKEWED, peers[i].sampler, NULL, 0, &x,
		               &report));
		equal += report.nfe == peers[i].nfev && report.steps == peers[i].steps;
	}
	return sf_row_value(row, equal, PEERS, 0);
}

static int count_modulo(sf_ctx *ctx, sf_row *row)
{
	double x = 0.4;
	sf_sample_report report;

	SF_TRY(ends_at(ctx, "vp", SKEWED, "rk45:rtol=1e-7", NULL, 0, &x, &report));
	return sf_row_value(row, fmod(report.nfe, 6), 2, 0);
}

/* A hundredfold tolerance moves the error by about a hundredfold: the controller holds what it
 * promises. */
static int tolerance(sf_ctx *ctx, sf_row *row)
{
	double loose = START, tight = START;

	SF_TRY(ends_at(ctx, RANGE, SKEWED, "rk45:rtol=1e-5,atol=1e-5", NULL, 0, &loose, NULL));
	SF_TRY(ends_at(ctx, RANGE, SKEWED, "rk45:rtol=1e-9,atol=1e-9", NULL, 0, &tight, NULL));
	return sf_row_value(row, log10(fabs(loose - EXACT) / fabs(tight - EXACT)), 4, 1);
}

#define FLOW "Song et al. 2021 (2011.13456), eq 13"
#define SCIPY "Dormand and Prince 1980; SciPy solve_ivp"
#define EDM_A "Karras et al. 2022 (2206.00364), algorithm 1"

const sf_check sf_checks_sampler_order[] = {
	{"sampler", "euler.order", "order of convergence on a mixture", FLOW, order_euler},
	{"sampler", "euler.64", "64 steps on a mixture", FLOW, euler_64},
	{"sampler", "em.order", "order of convergence with eta = 0", FLOW, order_em},
	{"sampler", "heun.order", "order of convergence on a mixture", EDM_A, order_heun},
	{"sampler", "heun.order-midpoint", "the same with the slope in the middle", EDM_A,
	 order_midpoint},
	{"sampler", "heun.mixture-16", "16 steps on a mixture", EDM_A, heun_16},
	{"sampler", "heun.mixture-64", "64 steps on a mixture", EDM_A, heun_64},
	{"sampler", "heun.mixture-euler", "16 steps of order 1 on a mixture", EDM_A, euler_16},
	{"sampler", "rk45.order", "order of convergence with equal steps", SCIPY, order_rk45},
	{"sampler", "rk45.map-ve", "probability-flow map of normal data under ve", FLOW, affine_ve},
	{"sampler", "rk45.map-vp", "probability-flow map of normal data under vp", FLOW, affine_vp},
	{"sampler", "rk45.map-subvp", "probability-flow map of normal data under sub-VP", FLOW,
	 affine_subvp},
	{"sampler", "rk45.peer", "largest deviation from SciPy's results", SCIPY, peer_values},
	{"sampler", "rk45.peer-steps", "problems with SciPy's numbers of steps and evaluations",
	 SCIPY, peer_counts},
	{"sampler", "rk45.nfe", "evaluations modulo 6", SCIPY, count_modulo},
	{"sampler", "rk45.tolerance", "decades of error for four decades of tolerance", SCIPY,
	 tolerance},
	{NULL, NULL, NULL, NULL, NULL}};
