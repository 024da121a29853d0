/* precond.c: checks of the wrappers that published models put around their networks: EDM's table of preconditionings in the frame
 * of several processes, iDDPM's noise levels, and the labels of discrete models.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"
#include "verify/verify.h"

#include <scorefield/net.h>

#include <math.h>

enum { SKIP, OUT, IN, NOISE };

/* Karras et al. 2022, table 1, sd = 0.5. iDDPM's label from the closed form of its levels: the j with sin(c j) = sin(c M)/sqrt(1 +
 * s^2), to the nearest level (the noise levels below are far from the middle of two). */
static double published(int kind, int column, double s)
{
	double c = SF_PI / 2 / 1008, m2 = s * s + .25;
	int vp = kind == SF_PARAM_EDM_VP, ve = kind == SF_PARAM_EDM_VE, edm = kind == SF_PARAM_EDM;

	switch (column) {
	case SKIP: return edm ? .25 / m2 : 1;
	case OUT: return edm ? s * .5 / sqrt(m2) : ve ? s : -s;
	case IN: return edm ? 1 / sqrt(m2) : ve ? 1 : 1 / sqrt(s * s + 1);
	default:
		if (edm || ve)
			return edm ? log(s) / 4 : log(s / 2);
		if (vp)
			return 999 * (sqrt(.01 + 39.8 * log1p(s * s)) - .1) / 19.9;
		return 999 - floor(asin(sin(1000 * c) / sqrt(1 + s * s)) / c + .5);
	}
}

static int wrapper(sf_ctx *ctx, sf_row *row, int kind, int column)
{
	static const char *const spec[] = {"edm", "vp", "ve:sigma-min=0.02,sigma-max=100", "subvp", "ddpm:schedule=cosine"};
	static const double sigma[] = {.05, .1, .5, 1, 7, 70};
	double worst = 0;
	int i, j;

	for (i = 0; i < 5; i++) {
		sf_process *p;

		SF_TRY(sf_process_new(ctx, spec[i], &p));
		for (j = 0; j < 6; j++) {
			double t = sf_process_time_of_ratio(p, sigma[j]), got[4];
			sf_coef c;

			sf_param_coef(kind, p, .5, SF_COND_AUTO, 0, t, &c);
			got[SKIP] = 1 - c.e_x * c.sigma;
			got[OUT] = -c.e_f * c.sigma / c.alpha;
			got[IN] = c.c_in * c.alpha;
			got[NOISE] = c.c_noise;
			sf_worst(&worst, got[column], published(kind, column, sigma[j]), 1e-3);
		}
		sf_process_free(p);
	}
	return sf_row_worst(row, worst, 1e-9);
}

#define WRAPPER(name, kind)                                                                                                \
	static int name##_skip(sf_ctx *ctx, sf_row *row) { return wrapper(ctx, row, kind, SKIP); }                         \
	static int name##_out(sf_ctx *ctx, sf_row *row) { return wrapper(ctx, row, kind, OUT); }                           \
	static int name##_in(sf_ctx *ctx, sf_row *row) { return wrapper(ctx, row, kind, IN); }                             \
	static int name##_noise(sf_ctx *ctx, sf_row *row) { return wrapper(ctx, row, kind, NOISE); }
WRAPPER(vp, SF_PARAM_EDM_VP)
WRAPPER(ve, SF_PARAM_EDM_VE)
WRAPPER(iddpm, SF_PARAM_EDM_IDDPM)
WRAPPER(edm, SF_PARAM_EDM)

static int vp_time(sf_ctx *ctx, sf_row *row)
{
	sf_process *p;
	sf_coef c;

	SF_TRY(sf_process_new(ctx, "edm", &p));
	sf_param_coef(SF_PARAM_EDM_VP, p, .5, SF_COND_AUTO, 0, 1, &c);
	sf_process_free(p);
	return sf_row_value(row, c.c_noise, 258.70130217, 1e-8);
}

/* sigma_t of a model of noise and of one of the score, F = eps and F = sigma score: eps_x = 0, eps = -F. */
static int sigma_score(sf_ctx *ctx, sf_row *row)
{
	static const char *const spec[] = {"ve", "vp", "cld", "sech"};
	double worst = 0;
	int i;

	for (i = 0; i < 4; i++) {
		sf_process *p;
		sf_coef c, s;

		SF_TRY(sf_process_new(ctx, spec[i], &p));
		sf_param_coef(SF_PARAM_SIGMA_SCORE, p, .5, SF_COND_TIME, 0, .3, &c);
		sf_param_coef(SF_PARAM_SCORE, p, .5, SF_COND_TIME, 0, .3, &s);
		sf_worst(&worst, c.e_x, 0, 1);
		sf_worst(&worst, c.c_in, 1, 1);
		sf_worst(&worst, c.e_f * sf_process_scale(p, .3), s.e_f, 1e-3);
		sf_process_free(p);
	}
	return sf_row_worst(row, worst, 1e-14);
}

/* The recurrence of table 1 against the closed form, for tables of several sizes. */
static int levels(sf_ctx *ctx, sf_row *row)
{
	static const int sizes[] = {2, 10, 100, 1000};
	double worst = 0;
	int i, j;

	(void)ctx;
	for (i = 0; i < 4; i++) {
		double m = sizes[i], u = 0, after = sin(SF_PI / 2 / 1.008), root;

		for (j = sizes[i] - 1; j >= 0; j--) {
			root = sin(SF_PI / 2 * j / (m * 1.008));
			u = sqrt((u * u + 1) / fmax(root * root / (after * after), .001) - 1);
			after = root;
			sf_worst(&worst, sf_iddpm_level(sizes[i], j), u, 1e-9);
		}
	}
	return sf_row_worst(row, worst, 1e-9);
}

static int first_level(sf_ctx *ctx, sf_row *row)
{
	(void)ctx;
	return sf_row_value(row, sf_iddpm_level(1000, 999), 0.00642541277, 1e-11);
}

/* Labels of all levels at their times: how many are wrong. */
static int labels(sf_ctx *ctx, sf_row *row, const char *spec, int kind, int falling)
{
	int64_t n, i, wrong = 0;
	sf_process *p;

	SF_TRY(sf_process_new(ctx, spec, &p));
	n = sf_process_levels(p);
	for (i = 0; i < n; i++) {
		sf_coef c;

		sf_param_coef(kind, p, .5, SF_COND_LEVEL, 0, sf_process_horizon(p) * (double)i / (double)(n - 1), &c);
		wrong += c.c_noise != (double)(falling ? n - 1 - i : i);
	}
	sf_process_free(p);
	return sf_row_value(row, (double)wrong, 0, 0);
}

static int labels_ve(sf_ctx *ctx, sf_row *row) { return labels(ctx, row, "ve:levels=232", SF_PARAM_SIGMA_SCORE, 1); }
static int labels_ddpm(sf_ctx *ctx, sf_row *row) { return labels(ctx, row, "ddpm", SF_PARAM_EPS, 0); }
static int labels_iddpm(sf_ctx *ctx, sf_row *row)
{
	return labels(ctx, row, "ddpm:schedule=cosine", SF_PARAM_EDM_IDDPM, 0);
}

#define TABLE "Karras et al. 2022 (2206.00364), table 1"
#define CODE "Song et al. 2021 (2011.13456), code"
#define FRAMES " on edm, vp, ve, subvp, ddpm"
#define ROW(name, what, ref, run) {"net", name, what, ref, run}
#define ROWS(name, model, c)                                                                                               \
	ROW("param." name "-skip", "c_skip of " model FRAMES, TABLE, c##_skip),                                          \
	ROW("param." name "-out", "c_out of " model, TABLE, c##_out), ROW("param." name "-in", "c_in of " model, TABLE, c##_in), \
	ROW("param." name "-noise", "c_noise of " model, TABLE, c##_noise)
const sf_check sf_checks_precond[] = {
	ROWS("edm-vp", "VP", vp),
	ROWS("edm-ve", "VE", ve),
	ROWS("edm-iddpm", "iDDPM", iddpm),
	ROWS("edm-frame", "EDM", edm),
	ROW("param.edm-vp-time", "999 times VP's time at noise 1", TABLE, vp_time),
	ROW("param.sigma-score", "F = sigma score on ve, vp, cld, sech", CODE, sigma_score),
	ROW("param.iddpm-levels", "iDDPM's levels against their recurrence", TABLE, levels),
	ROW("param.iddpm-least", "the least of iDDPM's levels", TABLE, first_level),
	ROW("param.labels-smld", "labels of 232 levels, the largest sigma first", CODE, labels_ve),
	ROW("param.labels-ddpm", "labels of DDPM's 1000 levels", CODE, labels_ddpm),
	ROW("param.labels-iddpm", "labels of iDDPM's 1000 levels", TABLE, labels_iddpm),
	{NULL, NULL, NULL, NULL, NULL}};
