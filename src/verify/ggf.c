/* ggf.c: checks of Gotta Go Fast. Without control and with equal steps it is an affine map on normal data: with D(x,t) = D_t x + c_t
 *
 *     x <- a x + c + b z,   a = 1 - h/2 (D_0 + D_1) + h^2/2 D_1 D_0,   c = -h/2 (c_0 + c_1) + h^2/2 D_1 c_0,
 *     b = sqrt(h)/2 (g_0 + g_1) - h sqrt(h)/2 D_1 g_0.
 *
 * Jolicoeur-Martineau et al. 2021 (2105.14080), algorithm 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

#define DATA "gaussian:mean=0.7,std=0.5"

/* Moments of the data at t, and of a run from the exact ones at T. */
static void exact(const sf_process *p, double t, double *mean, double *var)
{
	double a = sf_process_alpha(p, t), s = sf_process_sigma(p, t);

	*mean = 0.7 * a;
	*var = 0.25 * a * a + s * s;
}

static int run(sf_ctx *ctx, const char *process, const char *sampler, int64_t steps, double *mean, double *var)
{
	double m, S;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, DATA, 1, sampler, NULL, &rig));
	exact(rig.process, sf_process_horizon(rig.process), &m, &S);
	rc = sf_law(ctx, &rig, steps, 0, NULL, &m, &S, mean, var);
	sf_rig_close(&rig);
	return rc;
}

static int mean_100(sf_ctx *ctx, sf_row *row)
{
	double mean, var;

	SF_TRY(run(ctx, "vp", "ggf:noise=published,fixed=100", 100, &mean, &var));
	return sf_row_value(row, mean, 0.699851363214, 1e-12);
}

static int var_100(sf_ctx *ctx, sf_row *row)
{
	double mean, var;

	SF_TRY(run(ctx, "vp", "ggf:noise=published,fixed=100", 100, &mean, &var));
	return sf_row_value(row, var, 0.249881007444, 1e-12);
}

/* x1 alone is Euler-Maruyama. */
static int euler(sf_ctx *ctx, sf_row *row)
{
	double mean, var;

	SF_TRY(run(ctx, "vp", "ggf:noise=published,fixed=100,extrapolate=false", 100, &mean, &var));
	return sf_row_value(row, fabs(mean - 0.699961518558), 4.1e-3, 5e-5);
}

static int order(sf_ctx *ctx, sf_row *row, int which, const char *coarse, const char *fine, double expected)
{
	double got[2][2], want[2];
	sf_process *p = NULL;

	SF_TRY(run(ctx, "vp", coarse, 200, &got[0][0], &got[0][1]));
	SF_TRY(run(ctx, "vp", fine, 400, &got[1][0], &got[1][1]));
	SF_TRY(sf_process_new(ctx, "vp", &p));
	exact(p, sf_process_t_sample(p), &want[0], &want[1]);
	sf_process_free(p);
	return sf_row_value(row, log((got[0][which] - want[which]) / (got[1][which] - want[which])) / log(2), expected, 0.1);
}

static int order_mean(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, 0, "ggf:noise=published,fixed=200", "ggf:noise=published,fixed=400", 2);
}

static int order_var(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, 1, "ggf:noise=published,fixed=200", "ggf:noise=published,fixed=400", 2);
}

static int order_euler(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, 1, "ggf:noise=published,fixed=200,extrapolate=false", "ggf:noise=published,fixed=400,extrapolate=false", 1);
}

/* A tolerance that anything meets: the first step, then all the rest in one. */
static int evaluations(sf_ctx *ctx, sf_row *row)
{
	double x = 0.3;
	sf_sample_report report;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "vp", DATA, 1, "ggf:rtol=1e9,atol=1e9", NULL, &rig));
	rc = sf_rig_sample(&rig, 1, 0, NAN, NAN, 0, &x, &report);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, report.nfe, 4, 0);
}

/* The marginal law of adaptive runs: E x^2 of 1000 samples, in standard errors. */
static int adaptive(sf_ctx *ctx, sf_row *row, const char *sampler)
{
	enum { N = 1000 };
	double *x = sf_alloc(N, sizeof *x), sum = 0, want;
	sf_sample_run ask;
	sf_rig rig;
	int i, rc;

	if (!x)
		return sf_fail(ctx, SF_ENOMEM, "sampler check: out of memory");
	rc = sf_rig_open(ctx, "vp", "gaussian:std=0.5", 1, sampler, NULL, &rig);
	sf_sample_defaults(&ask);
	ask.n = N;
	ask.seed = 3;
	ask.denoise = 0;
	if (rc == 0) {
		rc = sf_sample(rig.sampler, rig.score, &ask, x, NULL);
		want = 0.25 + 0.75 * pow(sf_process_sigma(rig.process, 1e-3), 2);
		sf_rig_close(&rig);
		for (i = 0; i < N; i++)
			sum += x[i] * x[i] / N;
		sf_row_value(row, (sum - want) / (want * sqrt(2.0 / N)), 0, 4);
	}
	sf_free(x);
	return rc;
}

static int adaptive_law(sf_ctx *ctx, sf_row *row)
{
	return adaptive(ctx, row, "ggf:rtol=0.05");
}

#define GGF "Jolicoeur-Martineau et al. 2021 (2105.14080), algorithm 1"

const sf_check sf_checks_ggf[] = {
	{"sampler", "ggf.mean", "mean of 100 equal steps on normal data", GGF, mean_100},
	{"sampler", "ggf.variance", "variance of 100 equal steps on normal data", GGF, var_100},
	{"sampler", "ggf.euler", "error of the mean without extrapolation", GGF, euler},
	{"sampler", "ggf.order-mean", "order of the mean", GGF, order_mean},
	{"sampler", "ggf.order-variance", "order of the variance", GGF, order_var},
	{"sampler", "ggf.order-euler", "order of the variance without extrapolation", GGF, order_euler},
	{"sampler", "ggf.nfe", "evaluations where any step is accepted", GGF, evaluations},
	{"sampler", "ggf.second-moment", "E x^2 of adaptive runs, in standard errors", GGF, adaptive_law},
	{NULL, NULL, NULL, NULL, NULL}};
