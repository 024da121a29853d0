/* score.c: checks of the analytic scores: gradients of their own densities, known denoisers, and
 * each other's special cases.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <stdio.h>

static const char *const processes[] = {"ve", "vp", "subvp", "edm"};
enum { PROCESSES = 4, D = 2, POINTS = 6 };

#define ROTATED "gaussian:mean=0.3:-0.7,std=0.5:1.2,rho=0.6"
#define FOUR "mixture:weights=1:2:0.5:3,means=-1:0.2:0.4:0.9:1.1:-0.8:0:0,std=0.3:0.5:0.2:0.7"

static const double cloud[8][2] = {{-1.2, 0.3}, {0.4, 1.9}, {2.3, -0.6}, {0.1, 0.2},
                                   {-0.5, -1.1}, {1.4, 0.8}, {-0.3, 0.6}, {0.9, -0.2}};

/* A score on a process with a time at which neither data nor noise vanish. */
static int open_score(sf_ctx *ctx, const char *process, const char *spec, sf_rig *rig)
{
	int rc;

	if (spec)
		return sf_rig_open(ctx, process, spec, D, NULL, NULL, rig);
	SF_TRY(sf_rig_open(ctx, process, NULL, 0, NULL, NULL, rig));
	rc = sf_score_delta(ctx, rig->process, 8, D, cloud[0], &rig->score);
	if (rc < 0)
		sf_rig_close(rig);
	return rc;
}

static void place(const sf_rig *rig, int i, double *x, double *t)
{
	double ratio = 0.25 + 0.45 * i, alpha;

	*t = sf_process_time_of_ratio(rig->process, ratio);
	alpha = sf_process_alpha(rig->process, *t);
	x[0] = alpha * (0.9 * sin(2.1 * i + 0.4));
	x[1] = alpha * (1.3 * cos(1.7 * i - 0.9));
}

/* Fourth-order difference of ln p (or of the score) along e against the score (or the
 * derivative). */
static int differences(sf_rig *rig, int jvp, double *worst)
{
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	int i, e, o, j;

	for (i = 0; i < POINTS; i++) {
		double x[D], t, h;

		place(rig, i, x, &t);
		h = 2e-3 * sf_process_sigma(rig->process, t);
		for (e = 0; e < D; e++) {
			double sum[D] = {0}, out[D], got[D], v[D] = {0, 0};

			v[e] = 1;
			for (o = 0; o < 4; o++) {
				double y[D] = {x[0] + offset[o] * h * v[0],
				               x[1] + offset[o] * h * v[1]};

				SF_TRY(jvp ? sf_score_eval(rig->score, SF_SCORE, 1, y, &t, out)
				           : sf_score_logp(rig->score, 1, y, &t, out));
				for (j = 0; j < (jvp ? D : 1); j++)
					sum[j] += weight[o] * out[j] / (12 * h);
			}
			SF_TRY(jvp ? sf_score_jvp(rig->score, 1, x, &t, v, got)
			           : sf_score_eval(rig->score, SF_SCORE, 1, x, &t, got));
			for (j = 0; j < (jvp ? D : 1); j++)
				sf_worst(worst, sum[j], got[jvp ? j : e], 1);
		}
	}
	return SF_OK;
}

static int on_all(sf_ctx *ctx, sf_row *row, const char *spec, int jvp)
{
	double worst = 0;
	int i, rc;

	for (i = 0; i < PROCESSES; i++) {
		sf_rig rig;

		SF_TRY(open_score(ctx, processes[i], spec, &rig));
		rc = differences(&rig, jvp, &worst);
		sf_rig_close(&rig);
		SF_TRY(rc);
	}
	return sf_row_worst(row, worst, 1e-8);
}

static int gaussian_gradient(sf_ctx *ctx, sf_row *row)
{
	return on_all(ctx, row, ROTATED, 0);
}

static int gaussian_jvp(sf_ctx *ctx, sf_row *row)
{
	return on_all(ctx, row, ROTATED, 1);
}

static int mixture_gradient(sf_ctx *ctx, sf_row *row)
{
	return on_all(ctx, row, FOUR, 0);
}

static int mixture_jvp(sf_ctx *ctx, sf_row *row)
{
	return on_all(ctx, row, FOUR, 1);
}

static int delta_gradient(sf_ctx *ctx, sf_row *row)
{
	return on_all(ctx, row, NULL, 0);
}

/* Largest difference of two scores, densities included, on all processes. */
static int equal(sf_ctx *ctx, sf_row *row, const char *a, const char *b, double tolerance)
{
	double worst = 0;
	int p, i, j, rc = 0;

	for (p = 0; p < PROCESSES; p++) {
		sf_rig ra, rb;

		SF_TRY(open_score(ctx, processes[p], a, &ra));
		rc = open_score(ctx, processes[p], b, &rb);
		for (i = 0; rc == 0 && i < POINTS; i++) {
			double x[D], t, sa[D], sb[D], la, lb;

			place(&ra, i, x, &t);
			rc = sf_score_eval(ra.score, SF_SCORE, 1, x, &t, sa);
			rc = rc < 0 ? rc : sf_score_eval(rb.score, SF_SCORE, 1, x, &t, sb);
			rc = rc < 0 ? rc : sf_score_logp(ra.score, 1, x, &t, &la);
			rc = rc < 0 ? rc : sf_score_logp(rb.score, 1, x, &t, &lb);
			for (j = 0; rc == 0 && j < D; j++)
				sf_worst(&worst, sa[j], sb[j], 1);
			if (rc == 0)
				sf_worst(&worst, la, lb, 1);
		}
		sf_rig_close(&ra);
		sf_rig_close(&rb);
		SF_TRY(rc);
	}
	return sf_row_worst(row, worst, tolerance);
}

static int mixture_single(sf_ctx *ctx, sf_row *row)
{
	return equal(ctx, row, "mixture:means=0.3:-0.7,std=0.8", "gaussian:mean=0.3:-0.7,std=0.8",
	             1e-13);
}

static int delta_mixture(sf_ctx *ctx, sf_row *row)
{
	return equal(ctx, row, NULL,
	             "mixture:std=0,means=-1.2:0.3:0.4:1.9:2.3:-0.6:0.1:0.2:-0.5:-1.1:1.4:0.8:-0.3:"
	             "0.6:0.9:-0.2",
	             1e-11);
}

/* Denoised values of one sample in one dimension under edm. */
static int denoises(sf_score *s, const double *x, const double *t, const double *expected, int n,
                    double *worst)
{
	double out;
	int i;

	for (i = 0; i < n; i++) {
		SF_TRY(sf_score_eval(s, SF_DENOISED, 1, &x[i], &t[i], &out));
		sf_worst(worst, out, expected[i], 0.1);
	}
	return SF_OK;
}

static int mixture_published(sf_ctx *ctx, sf_row *row)
{
	static const double x[] = {0.5, -1, 7.1}, t[] = {1, 0.2, 10};
	static const double D_x[] = {0.5227009936286975, -0.9992871433996511, 0.3654295906597552};
	double worst = 0;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "edm", "mixture:preset=skewed", 1, NULL, NULL, &rig));
	rc = denoises(rig.score, x, t, D_x, 3, &worst);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-13);
}

/* Two equal points at +-1 are denoised to tanh(x/sigma^2). */
static int mixture_tanh(sf_ctx *ctx, sf_row *row)
{
	static const double x[] = {0.3, -1.7, 0.05, 4}, t[] = {0.7, 2.5, 0.2, 30};
	double worst = 0, expected[4];
	sf_rig rig;
	int rc, i;

	for (i = 0; i < 4; i++)
		expected[i] = tanh(x[i] / (t[i] * t[i]));
	SF_TRY(sf_rig_open(ctx, "edm", "mixture:std=0", 1, NULL, NULL, &rig));
	rc = denoises(rig.score, x, t, expected, 4, &worst);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-13);
}

static int delta_published(sf_ctx *ctx, sf_row *row)
{
	static const double data[] = {-1.3, -0.4, 0.1, 0.9, 2.0}, x[] = {-1, 0.3, 1.4},
			    t[] = {0.7, 0.7, 0.7};
	static const double D_x[] = {-0.7345430509913198, 0.20382946269025046, 1.2388557383967007};
	double worst = 0;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "edm", NULL, 0, NULL, NULL, &rig));
	rc = sf_score_delta(ctx, rig.process, 5, 1, data, &rig.score);
	rc = rc < 0 ? rc : denoises(rig.score, x, t, D_x, 3, &worst);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-14);
}

/* Far from the data, a Gaussian of the same mean and covariance explains the score of any cloud
 * up to a share that falls as sigma^-6 (third moments), one of the same mean and total variance
 * as sigma^-4. */
static int share(sf_ctx *ctx, const char *spec, double sigma, double *out)
{
	sf_noise key = {4, SF_NOISE_USER, 1};
	double off = 0, all = 0;
	sf_rig exact, model;
	int i, j, rc;

	SF_TRY(open_score(ctx, "edm:sigma-max=200", NULL, &exact));
	rc = open_score(ctx, "edm:sigma-max=200", spec, &model);
	for (i = 0; rc == 0 && i < 400; i++) {
		double x[D], a[D], b[D];

		sf_noise_normal_d(ctx, key, (uint64_t)i, 0, D, x);
		for (j = 0; j < D; j++)
			x[j] = cloud[i % 8][j] + sigma * x[j];
		rc = sf_score_eval(exact.score, SF_SCORE, 1, x, &sigma, a);
		rc = rc < 0 ? rc : sf_score_eval(model.score, SF_SCORE, 1, x, &sigma, b);
		for (j = 0; rc == 0 && j < D; j++) {
			off += (a[j] - b[j]) * (a[j] - b[j]);
			all += a[j] * a[j];
		}
	}
	sf_rig_close(&exact);
	sf_rig_close(&model);
	*out = off / all;
	return rc;
}

static int far_field(sf_ctx *ctx, sf_row *row, int full, double expected)
{
	double m[D] = {0}, c[3] = {0}, near = 0, far = 0, s1, s2, rho;
	char spec[200];
	int i, j;

	for (i = 0; i < 8; i++)
		for (j = 0; j < D; j++)
			m[j] += cloud[i][j] / 8;
	for (i = 0; i < 8; i++) {
		double u = cloud[i][0] - m[0], v = cloud[i][1] - m[1];

		c[0] += u * u / 8;
		c[1] += v * v / 8;
		c[2] += u * v / 8;
	}
	s1 = full ? sqrt(c[0]) : sqrt((c[0] + c[1]) / 2);
	s2 = full ? sqrt(c[1]) : s1;
	rho = full ? c[2] / (s1 * s2) : 0;
	snprintf(spec, sizeof spec, "gaussian:mean=%.17g:%.17g,std=%.17g:%.17g,rho=%.17g", m[0],
	         m[1], s1, s2, rho);
	SF_TRY(share(ctx, spec, 30, &near));
	SF_TRY(share(ctx, spec, 60, &far));
	return sf_row_value(row, log(far / near) / log(2), expected, 0.05);
}

static int far_gaussian(sf_ctx *ctx, sf_row *row)
{
	return far_field(ctx, row, 1, -6);
}

static int far_isotropic(sf_ctx *ctx, sf_row *row)
{
	return far_field(ctx, row, 0, -4);
}

#define WV "Wang and Vastola 2024 (2412.09726)"

const sf_check sf_checks_score[] = {
	{"score", "gaussian.gradient", "score = grad log p, by differences, all processes", WV,
	 gaussian_gradient},
	{"score", "gaussian.jvp", "directional derivative = differences of the score", WV,
	 gaussian_jvp},
	{"score", "gaussian.far-field",
	 "slope in sigma of the share of a cloud's score that it misses", WV, far_gaussian},
	{"score", "gaussian.far-field-round", "the same for a round Gaussian", WV, far_isotropic},
	{"score", "mixture.gradient", "score = grad log p, by differences, all processes", WV,
	 mixture_gradient},
	{"score", "mixture.jvp", "directional derivative = differences of the score", WV,
	 mixture_jvp},
	{"score", "mixture.single", "one part is the Gaussian", WV, mixture_single},
	{"score", "mixture.published", "denoised values of a three-part mixture",
	 "Tweedie's formula", mixture_published},
	{"score", "mixture.tanh", "two points at +-1 are denoised to tanh(x/sigma^2)",
	 "Karras et al. 2022 (2206.00364), section 2", mixture_tanh},
	{"score", "delta.gradient", "score = grad log p, by differences, all processes",
	 "Karras et al. 2022 (2206.00364), section 2", delta_gradient},
	{"score", "delta.mixture", "points are a mixture of no width", WV, delta_mixture},
	{"score", "delta.published", "denoised values of five points",
	 "Karras et al. 2022 (2206.00364), section 2", delta_published},
	{NULL, NULL, NULL, NULL, NULL}};
