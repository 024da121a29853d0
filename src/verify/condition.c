/* condition.c: checks of conditional sampling: guidance between normals, whose guided score is a normal's, and filling in
 * around known coordinates, which is exact for the known ones and leaves independent ones alone.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

enum { N = 4 };

/* N(1, 1/4) guided against N(0.2, 1/4) by W = 3: N(0.2 + 3 * 0.8, 1/4). */
static int open_guided(sf_ctx *ctx, const char *process, const char *sampler, sf_rig *rig, sf_score **none, sf_score **s)
{
	int rc;

	*none = *s = NULL;
	SF_TRY(sf_rig_open(ctx, process, "gaussian:mean=1,std=0.5", 1, sampler, NULL, rig));
	rc = sf_score_new(ctx, "gaussian:mean=0.2,std=0.5", rig->process, 1, none);
	return rc ? rc : sf_score_guided(ctx, rig->score, *none, 3, s);
}

static void close_guided(sf_rig *rig, sf_score *none, sf_score *s)
{
	sf_score_free(s);
	sf_score_free(none);
	sf_rig_close(rig);
}

static int guided_score(sf_ctx *ctx, sf_row *row)
{
	static const char *const processes[] = {"ve", "vp", "subvp", "edm"};
	double worst = 0;
	int i, p, rc = SF_OK;

	for (p = 0; p < 4 && rc == 0; p++) {
		sf_rig rig = {NULL, NULL, NULL, NULL};
		sf_score *none, *s;

		rc = open_guided(ctx, processes[p], NULL, &rig, &none, &s);
		for (i = 0; i < N && rc == 0; i++) {
			double x = -2 + i, t = sf_process_time_of_ratio(rig.process, 0.3 + 0.5 * i), a = sf_process_alpha(rig.process, t),
			       sd = sf_process_sigma(rig.process, t), out;

			rc = sf_score_eval(s, SF_SCORE, 1, &x, &t, &out);
			sf_worst(&worst, out, -(x - 2.6 * a) / (a * a / 4 + sd * sd), 1);
		}
		close_guided(&rig, none, s);
	}
	return rc ? rc : sf_row_worst(row, worst, 1e-12);
}

/* x_0 = M + (x_T - M) std/sqrt(std^2 + T^2) for edm. */
static int guided_flow(sf_ctx *ctx, sf_row *row)
{
	sf_rig rig = {NULL, NULL, NULL, NULL};
	sf_sample_report report;
	sf_sample_run run;
	sf_score *none, *s;
	double x = 30;
	int rc;

	sf_sample_defaults(&run);
	run.n = 1;
	run.given_start = 1;
	run.end = 1e-6;
	run.denoise = 0;
	rc = open_guided(ctx, "edm", "rk45:rtol=1e-9,atol=1e-11", &rig, &none, &s);
	if (rc == 0)
		rc = sf_sample(rig.sampler, s, &run, &x, &report);
	close_guided(&rig, none, s);
	return rc ? rc : sf_row_value(row, x, 2.6 + (30 - 2.6) * 0.5 / sqrt(0.25 + 6400), 1e-7);
}

/* Heun's 2N - 1 evaluations, of both networks. */
static int guided_cost(sf_ctx *ctx, sf_row *row)
{
	sf_rig rig = {NULL, NULL, NULL, NULL};
	sf_sample_report report = {0};
	sf_sample_run run;
	sf_score *none, *s;
	double x;
	int rc;

	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = 18;
	rc = open_guided(ctx, "edm", "heun", &rig, &none, &s);
	if (rc == 0)
		rc = sf_sample(rig.sampler, s, &run, &x, &report);
	close_guided(&rig, none, s);
	return rc ? rc : sf_row_value(row, report.nfe, 70, 0);
}

/* Two runs of normal data with independent coordinates, with the first known to be 1.5 and without: the largest deviation
 * of the first from 1.5 or of the second from the other run's. */
static int filled(sf_ctx *ctx, sf_row *row, int known)
{
	static const unsigned char mask[] = {1, 0};
	static const double y[] = {1.5, 0};
	static const sf_known part = {mask, y, 1};
	static const char *const samplers[] = {"em", "heun", "ancestral", "dpmpp"};
	static const char *const processes[] = {"ve", "vp"};
	double worst = 0;
	int i, k, rc = SF_OK;

	for (k = 0; k < 8 && rc == 0; k++) {
		sf_rig rig;
		sf_sample_run run;
		double x[2 * N], plain[2 * N];

		SF_TRY(sf_rig_open(ctx, processes[k / 4], "gaussian:mean=0.3,std=1.2", 2, samplers[k % 4], NULL, &rig));
		sf_sample_defaults(&run);
		run.n = N;
		run.steps = 10;
		rc = sf_sample(rig.sampler, rig.score, &run, plain, NULL);
		run.known = &part;
		if (rc == 0)
			rc = sf_sample(rig.sampler, rig.score, &run, x, NULL);
		for (i = 0; i < N && rc == 0; i++)
			sf_worst(&worst, x[2 * i + !known], known ? 1.5 : plain[2 * i + 1], 1);
		sf_rig_close(&rig);
	}
	return rc ? rc : sf_row_worst(row, worst, 0);
}

static int filled_known(sf_ctx *ctx, sf_row *row)
{
	return filled(ctx, row, 1);
}

static int filled_rest(sf_ctx *ctx, sf_row *row)
{
	return filled(ctx, row, 0);
}

#define HO "Ho and Salimans 2022 (2207.12598)"
#define SONG "Song et al. 2021 (2011.13456), appendix I"

const sf_check sf_checks_condition[] = {
	{"score", "guided.normals", "guidance between normals of one variance moves the mean by W", HO, guided_score},
	{"sampler", "guided.flow", "the flow of a guided score against its closed form", HO, guided_flow},
	{"sampler", "guided.nfe", "evaluations of 18 steps of heun under guidance", HO, guided_cost},
	{"sampler", "known.exact", "known coordinates of the result", SONG, filled_known},
	{"sampler", "known.independent", "coordinates independent of the known ones keep their values", SONG, filled_rest},
	{NULL, NULL, NULL, NULL, NULL}};
