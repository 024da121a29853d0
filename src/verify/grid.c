/* grid.c: checks of the time grids.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <stdio.h>

static int compare(sf_ctx *ctx, sf_row *row, const char *process, const char *grid, int64_t steps,
                   const double *expected, int noise, double tolerance)
{
	double t[64], worst = 0;
	sf_rig rig;
	int64_t i;
	int rc;

	SF_TRY(sf_rig_open(ctx, process, NULL, 0, NULL, grid, &rig));
	rc = sf_grid_fill(rig.grid, rig.process, NAN, NAN, steps, t);
	for (i = 0; rc == 0 && i <= steps; i++) {
		double at = noise && t[i] > 0 ? sf_process_sigma(rig.process, t[i]) /
		                                        sf_process_alpha(rig.process, t[i])
		                              : t[i];

		sf_worst(&worst, at, expected[i], 1e-300);
	}
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_worst(row, worst, tolerance);
}

static const double eighteen[] = {
	80, 57.58598472, 40.7855738, 28.3745846, 19.35245298, 12.91008238, 8.400935309,
	5.315194522, 3.25682152, 1.923339837, 1.088170637, 0.5853481232, 0.2964422845,
	0.1395164687, 0.05994731124, 0.02293451837, 0.007528019963, 0.002, 0};

static int karras_18(sf_ctx *ctx, sf_row *row)
{
	return compare(ctx, row, "edm", "karras", 18, eighteen, 0, 6e-10);
}

static int karras_5(sf_ctx *ctx, sf_row *row)
{
	static const double five[] = {80, 17.52783196, 2.515218976, 0.1697527563, 0.002, 0};

	return compare(ctx, row, "edm", "karras", 5, five, 0, 6e-10);
}

static int karras_1(sf_ctx *ctx, sf_row *row)
{
	static const double one[] = {80, 0};

	return compare(ctx, row, "edm", "karras", 1, one, 0, 0);
}

/* The same noise levels in another process's time. */
static int karras_vp(sf_ctx *ctx, sf_row *row)
{
	return compare(ctx, row, "vp", "karras:sigma-min=0.002,sigma-max=80", 18, eighteen, 1,
	               6e-10);
}

static int uniform(sf_ctx *ctx, sf_row *row)
{
	static const double t[] = {1, 0.75025, 0.5005, 0.25075, 0.001};

	return compare(ctx, row, "vp", "uniform", 4, t, 0, 1e-15);
}

/* sqrt t falls from 1 to sqrt 0.001 in equal steps. */
static int quadratic(sf_ctx *ctx, sf_row *row)
{
	static const double t[] = {1, 0.26606138830084191, 0.001}; /* ((1 + sqrt 0.001)/2)^2 */

	return compare(ctx, row, "vp", "quadratic", 2, t, 0, 1e-14);
}

/* Noise levels fall by a constant factor, (80/0.002)^(1/4), in any process. */
static int logsnr(sf_ctx *ctx, sf_row *row)
{
	static const double levels[] = {80, 5.656854249492381, 0.4, 0.028284271247461903, 0.002, 0};

	return compare(ctx, row, "edm", "logsnr:final=zero", 5, levels, 0, 1e-14);
}

/* vp from 1 to 0.001: exp(lambda) in the middle is the geometric mean of the ends' */
static int logsnr_vp(sf_ctx *ctx, sf_row *row)
{
	const double first = sqrt(expm1(10.05)), last = sqrt(expm1(0.1 * 1e-3 + 9.95 * 1e-6));
	const double levels[] = {first, sqrt(first * last), last};

	return compare(ctx, row, "vp", "logsnr", 2, levels, 1, 1e-13);
}

/* Nichol and Dhariwal's alpha-bar at equal steps of the cosine schedule's time: u from 0.9 down by 0.1 */
static int cosine(sf_ctx *ctx, sf_row *row)
{
	const double half_pi = acos(0), s = 0.008, f0 = cos(s / (1 + s) * half_pi);
	double level[3];
	char process[96];
	int i;

	for (i = 0; i < 3; i++) { /* u = 0.9, 0.5, 0.1 */
		double f = cos((0.9 - 0.4 * i + s) / (1 + s) * half_pi);

		level[i] = sqrt(f0 * f0 / (f * f) - 1);
	}
	snprintf(process, sizeof process, "edm:sigma-min=%.17g,sigma-max=%.17g", level[2], level[0]);
	return compare(ctx, row, process, "cosine", 2, level, 0, 1e-12);
}

#define EDM_5 "Karras et al. 2022 (2206.00364), eq 5"

const sf_check sf_checks_grid[] = {
	{"grid", "karras.eighteen", "the 18-step grid of EDM", EDM_5, karras_18},
	{"grid", "karras.five", "the 5-step grid", EDM_5, karras_5},
	{"grid", "karras.one", "one step goes from the largest noise to none", EDM_5, karras_1},
	{"grid", "karras.vp", "noise levels stay the same in the time of vp", EDM_5, karras_vp},
	{"grid", "uniform.four", "equal steps from T to the last sampling time",
	 "Song et al. 2021 (2011.13456), appendix C", uniform},
	{"grid", "logsnr.four", "noise levels fall by a constant factor, then to none",
	 "Lu et al. 2022 (2206.00927)", logsnr},
	{"grid", "logsnr.vp", "the middle noise level of vp is a geometric mean",
	 "Lu et al. 2022 (2206.00927)", logsnr_vp},
	{"grid", "cosine.levels", "noise levels of the cosine schedule at u = 0.9, 0.5, 0.1",
	 "Nichol and Dhariwal 2021 (2102.09672)", cosine},
	{"grid", "quadratic.two", "the middle time has the mean of the square roots",
	 "Song, Meng and Ermon 2021 (2010.02502)", quadratic},
	{NULL, NULL, NULL, NULL, NULL}};
