/* ald.c: checks of annealed Langevin dynamics: NCSNv2's numbers for choosing levels and steps, and the exact moments of a run on
 * normal data N(m, q): with A_i = -1/(q + sigma_i^2), T times at each level
 *
 *     mean <- mean + a_i A_i (mean - m),   variance <- (1 + a_i A_i)^2 variance + 2 a_i,   a_i = eps (sigma_i/sigma_L)^2.
 *
 * Song and Ermon 2020 (2006.09011).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>

/* Settings of the published models: sigma_1, levels, T, eps/1e-6; sigma_L is 0.01. And what follows from them: the best eps/1e-6, the
 * ratio of technique 4 at the published one, the overlap of technique 2 at the image's dimension. */
typedef struct setting {
	double sigma;
	int64_t levels, inner;
	double eps, best, ratio;
	int64_t d;
	double overlap;
} setting;

static const setting settings[] = {
	{50, 232, 5, 6.2, 6.18, 1.05547, 3072, 0.5670},
	{90, 500, 5, 3.3, 3.34, 1.03135, 64 * 64 * 3, 0.5669},
	{190, 1086, 3, 1.8, 1.77, 1.01737, 128 * 128 * 3, 0.5665},
	{348, 2311, 3, 0.9, 0.893, 1.00885, 256 * 256 * 3, 0.5669},
	{140, 788, 4, 4.9, 2.31, 1.0247, 96 * 96 * 3, 0.5662}};
enum { SETTINGS = sizeof settings / sizeof *settings };

static double gamma_of(const setting *s)
{
	return pow(s->sigma / 0.01, 1 / (double)(s->levels - 1));
}

static int best_step(sf_ctx *ctx, sf_row *row)
{
	double worst = 0;
	int i;

	(void)ctx;
	for (i = 0; i < SETTINGS; i++)
		sf_worst(&worst, 100 * sf_ald_step(gamma_of(&settings[i]), settings[i].inner), settings[i].best, 0);
	return sf_row_worst(row, worst, 3e-3); /* three digits */
}

static int ratio(sf_ctx *ctx, sf_row *row)
{
	double worst = 0;
	int i;

	(void)ctx;
	for (i = 0; i < SETTINGS; i++)
		sf_worst(&worst, sf_ald_ratio(gamma_of(&settings[i]), settings[i].inner, settings[i].eps / 100), settings[i].ratio, 0);
	return sf_row_worst(row, worst, 5e-5);
}

/* No step size near the best one does better. */
static int minimum(sf_ctx *ctx, sf_row *row)
{
	double gain = 0;
	int i, j;

	(void)ctx;
	for (i = 0; i < SETTINGS; i++) {
		double g = gamma_of(&settings[i]), r = sf_ald_step(g, settings[i].inner), least = sf_ald_ratio(g, settings[i].inner, r);

		for (j = 1; j < 1000; j++)
			gain = fmax(gain, least - sf_ald_ratio(g, settings[i].inner, j / 1000.0));
	}
	return sf_row_value(row, gain, 0, 1e-15);
}

static int overlap(sf_ctx *ctx, sf_row *row)
{
	double worst = 0;
	int i;

	(void)ctx;
	for (i = 0; i < SETTINGS; i++)
		sf_worst(&worst, sf_ald_overlap(settings[i].d, gamma_of(&settings[i])), settings[i].overlap, 0);
	sf_worst(&worst, sf_ald_overlap(3072, 1.039796), 0.5, 0);
	return sf_row_worst(row, worst, 1e-4);
}

enum { L = 6 };
#define PROCESS "ve:sigma-min=0.05,sigma-max=2,levels=6"
#define DATA "gaussian:mean=0.3,std=0.5"

static int law(sf_ctx *ctx, sf_row *row, const char *sampler, int inner, double eps, int denoise)
{
	sf_law_noise noise[2] = {{SF_NOISE_STEP, inner, 0, 1}, {0, 0, 0, 0}};
	double m = 0.5, S = 1.0 / 12, mean, var, M = m, V = S, worst = 0;
	sf_rig rig;
	int i, j, rc;

	SF_TRY(sf_rig_open(ctx, PROCESS, DATA, 1, sampler, "uniform:final=zero", &rig));
	rc = sf_law(ctx, &rig, L, denoise, noise, &m, &S, &mean, &var);
	sf_rig_close(&rig);
	SF_TRY(rc);
	for (i = L; i-- > 0;) {
		double s2 = 0.0025 * pow(40, 2.0 * i / (L - 1)), a = eps * s2 / 0.0025, A = -1 / (0.25 + s2);

		for (j = 0; j < inner; j++) {
			M += a * A * (M - 0.3);
			V = (1 + a * A) * (1 + a * A) * V + 2 * a;
		}
	}
	if (denoise) {
		M -= 0.0025 * (M - 0.3) / 0.2525;
		V *= (1 - 0.0025 / 0.2525) * (1 - 0.0025 / 0.2525);
	}
	sf_worst(&worst, mean, M, 0.1);
	sf_worst(&worst, var, V, 0.1);
	return sf_row_worst(row, worst, 1e-12);
}

static int law_given(sf_ctx *ctx, sf_row *row)
{
	return law(ctx, row, "ald:eps=4e-4,inner=3", 3, 4e-4, 0);
}

static int law_denoised(sf_ctx *ctx, sf_row *row)
{
	return law(ctx, row, "ald:eps=4e-4,inner=3", 3, 4e-4, 1);
}

/* eps by technique 4: the minimum over a fine grid, which a parabola through its three lowest points refines */
static int law_chosen(sf_ctx *ctx, sf_row *row)
{
	double g = pow(40, 1.0 / (L - 1)), best = 0, low = INFINITY, h = 1e-4, r, f[3];
	int i;

	for (i = 1; i < 10000; i++) {
		double k, v;

		r = i * h;
		k = 2 / (2 - r);
		v = pow(1 - r, 10) * (g * g - k) + k;
		if (v < low) {
			low = v;
			best = r;
		}
	}
	for (i = 0; i < 3; i++) {
		double k;

		r = best + (i - 1) * h;
		k = 2 / (2 - r);
		f[i] = pow(1 - r, 10) * (g * g - k) + k;
	}
	best += h / 2 * (f[0] - f[2]) / (f[0] - 2 * f[1] + f[2]);
	SF_TRY(law(ctx, row, "ald", 5, best * 0.0025, 0));
	row->tolerance = 1e-6; /* what the parabola leaves */
	return SF_OK;
}

#define NCSN2 "Song and Ermon 2020 (2006.09011), "

const sf_check sf_checks_ald[] = {
	{"sampler", "ald.step", "best steps for the five published models", NCSN2 "technique 4", best_step},
	{"sampler", "ald.ratio", "variance ratios of the published steps", NCSN2 "technique 4", ratio},
	{"sampler", "ald.minimum", "what any other step would gain", NCSN2 "technique 4", minimum},
	{"sampler", "ald.overlap", "overlap of the published levels", NCSN2 "technique 2", overlap},
	{"sampler", "ald.law", "mean and variance on normal data", NCSN2 "algorithm 1", law_given},
	{"sampler", "ald.law-denoised", "the same after the final denoising", NCSN2 "appendix B", law_denoised},
	{"sampler", "ald.law-chosen", "mean and variance with the step chosen by itself", NCSN2 "technique 4", law_chosen},
	{NULL, NULL, NULL, NULL, NULL}};
