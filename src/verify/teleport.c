/* teleport.c: closed-form flows, runs that begin with one, and DPM-Solver-v3, whose statistics make it exact on the same data.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/ems.h"
#include "verify/verify.h"

#include <math.h>

#define NORMAL "gaussian:mean=0.3:-1:0,std=0.7:0.2:2"
#define RANGE "edm:sigma-min=0.1,sigma-max=10"
#define SKEWED "mixture:preset=skewed"
#define EXACT 1.09889623755903

static int flow(sf_ctx *ctx, const char *process, const char *score, double from, double to, double *x)
{
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, score, 1, NULL, NULL, &rig));
	rc = sf_score_flow(rig.score, 1, from, to, x);
	sf_rig_close(&rig);
	return rc;
}

static int normal_map(sf_ctx *ctx, sf_row *row)
{
	double x = 1.7;

	SF_TRY(flow(ctx, "edm", "gaussian:mean=0.3,std=0.7", 2, 1, &x));
	return sf_row_value(row, x, 1.1064881664249755, 4e-16);
}

static int quantile_map(sf_ctx *ctx, sf_row *row)
{
	double x = 7.1;

	SF_TRY(flow(ctx, "edm", SKEWED, 10, 0.1, &x));
	return sf_row_value(row, x, EXACT, 2e-14);
}

/* x_to/x_from on centred data: sqrt((sigma^2 + alpha^2 q)_to/(..)_from), with alpha and sigma spelled out for vp. */
static int general_map(sf_ctx *ctx, sf_row *row)
{
	double B1 = (20 - 0.1) / 2 + 0.1, B2 = 0.3 * 0.3 * (20 - 0.1) / 2 + 0.3 * 0.1, x = 1.4;
	double end = 1 - exp(-B2) + exp(-B2) * 0.49, begin = 1 - exp(-B1) + exp(-B1) * 0.49;

	SF_TRY(flow(ctx, "vp", "gaussian:std=0.7", 1, 0.3, &x));
	return sf_row_value(row, x, 1.4 * sqrt(end / begin), 1e-15);
}

/* Teleport and the rest, against the rest from the exact state by hand. */
static int composed(sf_ctx *ctx, sf_row *row, const char *process, const char *sampler)
{
	double x[3], y[3], worst = 0, top, mid;
	sf_sample_run run;
	sf_rig rig;
	int rc, j;

	SF_TRY(sf_rig_open(ctx, process, NORMAL, 3, sampler, NULL, &rig));
	top = sf_process_horizon(rig.process);
	mid = sf_process_time_of_ratio(rig.process, 3);
	for (j = 0; j < 3; j++)
		x[j] = y[j] = (j - 0.6) * sf_process_sigma(rig.process, top);
	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = 9;
	run.given_start = 1;
	run.denoise = 0;
	run.teleport = rig.score;
	run.skip = 3;
	run.all_steps = 1;
	rc = sf_sample(rig.sampler, rig.score, &run, x, NULL);
	if (rc == 0)
		rc = sf_score_flow(rig.score, 1, top, mid, y);
	run.teleport = NULL;
	run.start = mid;
	if (rc == 0)
		rc = sf_sample(rig.sampler, rig.score, &run, y, NULL);
	sf_rig_close(&rig);
	SF_TRY(rc);
	for (j = 0; j < 3; j++)
		sf_worst(&worst, x[j], y[j], 0.01);
	return sf_row_worst(row, worst, 0);
}

static int composed_heun(sf_ctx *ctx, sf_row *row)
{
	return composed(ctx, row, "edm", "heun");
}

static int composed_dpmpp(sf_ctx *ctx, sf_row *row)
{
	return composed(ctx, row, "vp", "dpmpp");
}

static int composed_rk45(sf_ctx *ctx, sf_row *row)
{
	return composed(ctx, row, "subvp", "rk45");
}

/* EDM's 18 steps of Heun without the first five: 35 - 10 evaluations. */
static int saved(sf_ctx *ctx, sf_row *row)
{
	sf_sample_report report;
	sf_sample_run run;
	double x;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "edm", "gaussian:std=0.5", 1, "heun", NULL, &rig));
	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = 18;
	run.teleport = rig.score;
	run.skip = 12.910;
	rc = sf_sample(rig.sampler, rig.score, &run, &x, &report);
	sf_rig_close(&rig);
	SF_TRY(rc);
	return sf_row_value(row, 100 * report.nfe + report.saved, 2510, 0);
}

/* ---- DPM-Solver-v3 ---- */

static void at_normal(void *user, uint64_t i, double *x)
{
	(void)user;
	x[0] = 0.3 - 0.9 * (double)i; /* any points: on normal data l, s and b do not depend on them */
	x[1] = -1 + 0.1 * (double)i;
	x[2] = 3 - (double)i;
}

/* The largest deviation of estimated statistics from l = s2/(s2 + q), s = 0, b = 2 l (1 - l) m. */
static int statistics(sf_ctx *ctx, sf_row *row)
{
	static const double mean[3] = {0.3, -1, 0}, sd[3] = {0.7, 0.2, 2};
	double worst = 0;
	sf_ems_run run;
	sf_ems e;
	sf_rig rig;
	int64_t i, j;
	int rc;

	SF_TRY(sf_rig_open(ctx, RANGE, NORMAL, 3, NULL, NULL, &rig));
	sf_ems_defaults(&run);
	run.rows = 401;
	run.samples = 3;
	run.data = at_normal;
	rc = sf_ems_estimate(rig.score, &run, &e);
	sf_rig_close(&rig);
	SF_TRY(rc);
	for (i = 0; i < e.rows; i++)
		for (j = 0; j < 3; j++) {
			double v = exp(-2 * sf_ems_lambda(&e, i)), l = v / (v + sd[j] * sd[j]);

			sf_worst(&worst, e.l[3 * i + j], l, 1);
			sf_worst(&worst, e.s[3 * i + j], 0, 1);
			sf_worst(&worst, e.b[3 * i + j], 2 * l * (1 - l) * mean[j], 1);
		}
	sf_ems_free(&e);
	return sf_row_worst(row, worst, 1e-6);
}

/* With l = 1, s = b = 0 it is DPM-Solver++, with l = b = 0, s = -1 DPM-Solver. */
static int degenerate(sf_ctx *ctx, sf_row *row)
{
	static const char *const pairs[][2] = {
		{"dpm-v3:corrector=false,lower-order-final=never", "dpmpp:order=3,variant=taylor,lower-order-final=never"},
		{"dpm-v3:corrector=false,order=2,prediction=noise", "dpmpp:prediction=noise,variant=taylor,lower-order-final=always"}};
	double worst = 0;
	int k, j, rc;

	for (k = 0; k < 2; k++) {
		double end[2] = {7.1, 7.1};

		for (j = 0; j < 2; j++) {
			sf_rig rig;

			SF_TRY(sf_rig_open(ctx, RANGE, SKEWED, 1, pairs[k][j], "karras:final=last", &rig));
			rc = sf_rig_sample(&rig, 1, 16, NAN, NAN, 0, &end[j], NULL);
			sf_rig_close(&rig);
			SF_TRY(rc);
		}
		sf_worst(&worst, end[0], end[1], 0);
	}
	return sf_row_worst(row, worst, 1e-12);
}

/* One way of many steps against J_0 = e^h - 1 and J_1 = e^h (h - 1) + 1 of l = 1. */
static int integrals(sf_ctx *ctx, sf_row *row)
{
	double h = 1.3, worst = 0;
	sf_ems_leg leg;
	sf_ems e;
	int i;

	SF_TRY(sf_ems_new(ctx, 9, 1, &e));
	e.first = -1;
	e.last = 2;
	for (i = 0; i < 9; i++)
		e.l[i] = 1;
	sf_ems_between(&e, 0, 0.2, 0.2 + h, &leg);
	sf_ems_free(&e);
	sf_worst(&worst, leg.J[0], expm1(h), 0);
	sf_worst(&worst, leg.J[1], exp(h) * (h - 1) + 1, 0);
	return sf_row_worst(row, worst, 1e-14);
}

/* log2 of the ratio of the errors after N and 2N steps, with exact starting values. */
typedef struct start {
	const sf_rig *rig;
	double *x;
	int count;
} start;

static int exact(void *user, int64_t step, double t, int64_t n, const double *x)
{
	start *s = user;

	(void)n;
	(void)x;
	if (step < 1 || step > s->count)
		return 0;
	*s->x = 7.1;
	return sf_score_flow(s->rig->score, 1, 10, t, s->x);
}

static int order(sf_ctx *ctx, sf_row *row, const char *sampler, int expected)
{
	double error[2];
	int k, rc;

	for (k = 0; k < 2; k++) {
		double x = 7.1;
		sf_sample_run run;
		sf_rig rig;
		start s = {&rig, &x, 2};

		SF_TRY(sf_rig_open(ctx, RANGE, SKEWED, 1, sampler, "logsnr", &rig));
		sf_sample_defaults(&run);
		run.n = 1;
		run.steps = k ? 1024 : 512;
		run.grid = rig.grid;
		run.given_start = 1;
		run.denoise = 0;
		run.observe = exact;
		run.user = &s;
		rc = sf_sample(rig.sampler, rig.score, &run, &x, NULL);
		sf_rig_close(&rig);
		SF_TRY(rc);
		error[k] = fabs(x - EXACT);
	}
	return sf_row_value(row, log(error[0] / error[1]) / log(2), expected, 0.1);
}

#define V3(name, options, expected)                                                                        \
	static int name(sf_ctx *ctx, sf_row *row)                                                          \
	{                                                                                                  \
		return order(ctx, row, "dpm-v3:lower-order-final=never,uncorrected=2," options, expected); \
	}
V3(order_1, "order=1", 1)
V3(order_2, "order=2,corrector=false", 2)
V3(order_3, "order=3,corrector=false", 3)
V3(order_3_corrected, "order=3,prediction=noise", 3)
V3(order_pseudo, "order=3,pseudo=true,corrector=false", 2)
V3(order_pseudo_corrector, "order=3,corrector-pseudo=true", 2)

#define WANG "Wang and Vastola 2024 (2412.09726)"
#define ZHENG "Zheng et al. 2023 (2310.13268)"

const sf_check sf_checks_teleport[] = {
	{"score", "gaussian.flow", "closed form of the ODE on normal data", WANG, normal_map},
	{"score", "gaussian.flow-vp", "the same for any alpha and sigma", WANG, general_map},
	{"score", "mixture.flow", "quantiles are kept on the line", "Song et al. 2021 (2011.13456), eq 13", quantile_map},
	{"sampler", "heun.teleport", "deviation from the remaining steps alone", WANG, composed_heun},
	{"sampler", "dpmpp.teleport", "deviation from the remaining steps alone", WANG, composed_dpmpp},
	{"sampler", "rk45.teleport", "deviation from the remaining steps alone", WANG, composed_rk45},
	{"sampler", "heun.teleport-nfe", "100 x evaluations + those saved, 5 of 18 steps dropped", WANG, saved},
	{"sampler", "dpm-v3.statistics", "estimates against the closed form on normal data", ZHENG, statistics},
	{"sampler", "dpm-v3.degenerate", "deviation from DPM-Solver++ and DPM-Solver", ZHENG, degenerate},
	{"sampler", "dpm-v3.integrals", "quadrature against phi functions", ZHENG, integrals},
	{"sampler", "dpm-v3.order-1", "order of convergence, exact start", ZHENG, order_1},
	{"sampler", "dpm-v3.order-2", "order of convergence, exact start", ZHENG, order_2},
	{"sampler", "dpm-v3.order-3", "order of convergence, exact start", ZHENG, order_3},
	{"sampler", "dpm-v3.order-3c", "the same with corrector", ZHENG, order_3_corrected},
	{"sampler", "dpm-v3.order-pseudo", "the same with plain divided differences", ZHENG, order_pseudo},
	{"sampler", "dpm-v3.order-pseudo-c", "the same in the corrector", ZHENG, order_pseudo_corrector},
	{NULL, NULL, NULL, NULL, NULL}};
