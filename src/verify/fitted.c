/* fitted.c: checks of scores that models of data have (normal mixtures in their eigenbasis, many points, turned
 * products), of what is fitted, of what explains what, and of EDM's ablations.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <scorefield/metric.h>

#include <math.h>
#include <string.h>

#define WV "Wang and Vastola 2024 (2412.09726)"
#define EDM_2 "Karras et al. 2022 (2206.00364), section 2"
#define PLANES "low-rank:weights=1:2,means=-1:0.2:0.4:0.9,axes=1:0.6:-0.3:0.8,rest=0.3"
#define TURNED "product:seed=5"

static const char *const processes[] = {"ve", "vp", "edm", "cosine", "geometric-vp", "formula"};
enum { PROCESSES = 6, D = 2, POINTS = 5 };

static void place(const sf_process *p, int i, double *x, double *t)
{
	double alpha;

	*t = sf_process_time_of_ratio(p, .25 + .45 * i);
	alpha = sf_process_alpha(p, *t);
	x[0] = alpha * (.9 * sin(2.1 * i + .4));
	x[1] = alpha * (1.3 * cos(1.7 * i - .9));
}

/* Fourth-order differences of ln p against the score, and of the score against its derivative, on all processes. */
static int differences(sf_ctx *ctx, sf_row *row, const char *spec)
{
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	double worst = 0;
	int k, i, e, o, j, rc = 0;

	for (k = 0; k < PROCESSES; k++) {
		sf_rig rig;

		SF_TRY(sf_rig_open(ctx, processes[k], spec, D, NULL, NULL, &rig));
		for (i = 0; i < POINTS * D && rc == 0; i++) {
			double x[D], t, h, s[D], y[D], v[D] = {0}, jvp[D], part[D], sum[D] = {0}, slope = 0, logp;

			e = i % D;
			place(rig.process, i / D, x, &t);
			h = 2e-3 * sf_process_sigma(rig.process, t);
			v[e] = 1;
			rc = sf_score_eval(rig.score, SF_SCORE, 1, x, &t, s);
			rc = rc < 0 ? rc : sf_score_jvp(rig.score, 1, x, &t, v, jvp);
			for (o = 0; o < 4 && rc == 0; o++) {
				memcpy(y, x, sizeof y);
				y[e] += offset[o] * h;
				rc = sf_score_logp(rig.score, 1, y, &t, &logp);
				rc = rc < 0 ? rc : sf_score_eval(rig.score, SF_SCORE, 1, y, &t, part);
				slope += weight[o] * logp / (12 * h);
				for (j = 0; j < D; j++)
					sum[j] += weight[o] * part[j] / (12 * h);
			}
			if (rc < 0)
				break;
			sf_worst(&worst, slope, s[e], 1);
			for (j = 0; j < D; j++)
				sf_worst(&worst, sum[j], jvp[j], 1);
		}
		sf_rig_close(&rig);
		SF_TRY(rc);
	}
	return sf_row_worst(row, worst, 1e-8);
}

static int low_rank_gradient(sf_ctx *ctx, sf_row *row)
{
	return differences(ctx, row, PLANES);
}

static int product_gradient(sf_ctx *ctx, sf_row *row)
{
	return differences(ctx, row, TURNED);
}

/* [[1, .5], [.5, 1]] as A'A. */
static int low_rank_full(sf_ctx *ctx, sf_row *row)
{
	double worst = 0;
	int k, i, rc = 0;

	for (k = 0; k < PROCESSES; k++) {
		sf_rig a, b;

		SF_TRY(sf_rig_open(ctx, processes[k], "low-rank:axes=1:0.5:0:0.8660254037844386", D, NULL, NULL, &a));
		rc = sf_rig_open(ctx, processes[k], "gaussian:rho=0.5", D, NULL, NULL, &b);
		if (rc < 0) {
			sf_rig_close(&a);
			return rc;
		}
		for (i = 0; i < POINTS && rc == 0; i++) {
			double x[D], t, sa[D], sb[D], la, lb;

			place(a.process, i, x, &t);
			rc = sf_score_eval(a.score, SF_SCORE, 1, x, &t, sa);
			rc = rc < 0 ? rc : sf_score_eval(b.score, SF_SCORE, 1, x, &t, sb);
			rc = rc < 0 ? rc : sf_score_logp(a.score, 1, x, &t, &la);
			rc = rc < 0 ? rc : sf_score_logp(b.score, 1, x, &t, &lb);
			if (rc < 0)
				break;
			sf_worst(&worst, sa[0], sb[0], 1);
			sf_worst(&worst, sa[1], sb[1], 1);
			sf_worst(&worst, la, lb, 1);
		}
		sf_rig_close(&a);
		sf_rig_close(&b);
		SF_TRY(rc);
	}
	return sf_row_worst(row, worst, 1e-12);
}

/* Inside the plane z = 0 at sigma = 1e-6, where |x|^2 - |c|^2 would be rounding over sigma^2. */
static int low_rank_residue(sf_ctx *ctx, sf_row *row)
{
	double x[3] = {1.7, -5.3, 2e-6}, t = 1e-6, s[3], worst = 0;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "edm:sigma-min=1e-9", "low-rank:axes=3:0:0:0:4:0", 3, NULL, NULL, &rig));
	rc = sf_score_eval(rig.score, SF_SCORE, 1, x, &t, s);
	sf_rig_close(&rig);
	sf_worst(&worst, s[0], -1.7 / 9, 0);
	sf_worst(&worst, s[1], 5.3 / 16, 0);
	sf_worst(&worst, s[2], -2e6, 0);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-9);
}

/* The skewed mixture's published value, in each coordinate. */
static int product_published(sf_ctx *ctx, sf_row *row)
{
	double x[3] = {.5, .5, .5}, t = 1, out[3] = {0};
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "edm", "product:seed=0", 3, NULL, NULL, &rig));
	rc = sf_score_eval(rig.score, SF_DENOISED, 1, x, &t, out);
	sf_rig_close(&rig);
	return rc < 0 ? rc : sf_row_value(row, out[2], .5227009936286975, 1e-14);
}

/* ---- points ---- */

enum { N = 400, WIDE = 40 };

static const double skewed[8][2] = {{-1.2, .3},	 {.4, 1.9}, {2.3, -.6}, {.1, .2},
				    {-.5, -1.1}, {1.4, .8}, {-.3, .6},	{.9, -.2}};

/* Matrix products against squared differences one by one, from where one point wins to where all count. */
static int delta_products(sf_ctx *ctx, sf_row *row)
{
	sf_noise key = {2, SF_NOISE_USER, 3};
	double *y = sf_alloc(N, WIDE * sizeof *y), x[WIDE], out[WIDE], worst = 0, t;
	sf_rig rig;
	int i, j, rc = 0;

	if (!y)
		return sf_fail(ctx, SF_ENOMEM, "out of memory");
	sf_noise_normal_d(ctx, key, 0, 0, N * WIDE, y);
	for (i = 0; i < N * WIDE; i++)
		y[i] = 5 + .3 * y[i];
	memset(&rig, 0, sizeof rig);
	rc = sf_rig_open(ctx, "edm:sigma-min=1e-9,sigma-max=1000", NULL, 0, NULL, NULL, &rig);
	rc = rc < 0 ? rc : sf_score_delta(ctx, rig.process, N, WIDE, y, &rig.score);
	for (t = 1e-6; t < 300 && rc == 0; t *= 11) {
		double sum = 0, mean[WIDE] = {0}, least = INFINITY, e[N];

		key.step++;
		sf_noise_normal_d(ctx, key, 0, 0, WIDE, x);
		for (j = 0; j < WIDE; j++)
			x[j] = y[7 * WIDE + j] + t * x[j];
		for (i = 0; i < N; i++) {
			for (e[i] = 0, j = 0; j < WIDE; j++)
				e[i] += (x[j] - y[i * WIDE + j]) * (x[j] - y[i * WIDE + j]) / (2 * t * t);
			least = e[i] < least ? e[i] : least;
		}
		for (i = 0; i < N; i++)
			for (sum += exp(least - e[i]), j = 0; j < WIDE; j++)
				mean[j] += exp(least - e[i]) * y[i * WIDE + j];
		rc = sf_score_eval(rig.score, SF_DENOISED, 1, x, &t, out);
		for (j = 0; j < WIDE; j++)
			sf_worst(&worst, out[j], mean[j] / sum, 0);
	}
	sf_rig_close(&rig);
	sf_free(y);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-10);
}

/* E|s_delta - s_model|^2/E|s_delta|^2 at x = y + sigma n, n in pairs of opposite sign. */
static int share(sf_ctx *ctx, sf_score *exact, sf_score *model, double (*y)[2], double sigma, double *out)
{
	sf_noise key = {4, SF_NOISE_USER, 1};
	double off = 0, all = 0;
	int i, j;

	for (i = 0; i < 800; i++) {
		double x[2], a[2], b[2];

		sf_noise_normal_d(ctx, key, (uint64_t)i / 2, 0, 2, x);
		for (j = 0; j < 2; j++)
			x[j] = y[i / 2 % 8][j] + (i % 2 ? -sigma : sigma) * x[j];
		SF_TRY(sf_score_eval(exact, SF_SCORE, 1, x, &sigma, a));
		SF_TRY(sf_score_eval(model, SF_SCORE, 1, x, &sigma, b));
		for (j = 0; j < 2; j++) {
			off += (a[j] - b[j]) * (a[j] - b[j]);
			all += a[j] * a[j];
		}
	}
	*out = off / all;
	return SF_OK;
}

static int far_slope(sf_ctx *ctx, sf_row *row, sf_fit_kind kind, int symmetric, double expected)
{
	double y[8][2], near = 0, far = 0;
	sf_score *model = NULL;
	sf_fit_options o;
	sf_components c;
	sf_rig rig;
	int i, j, rc;

	for (i = 0; i < 8; i++)
		for (j = 0; j < 2; j++)
			y[i][j] = symmetric && i > 3 ? -skewed[i - 4][j] : skewed[i][j];
	sf_fit_defaults(&o);
	o.kind = kind;
	SF_TRY(sf_components_fit(ctx, &o, 8, 2, y[0], &c));
	rc = sf_rig_open(ctx, "edm:sigma-max=200", NULL, 0, NULL, NULL, &rig);
	if (rc == 0) {
		rc = sf_score_delta(ctx, rig.process, 8, 2, y[0], &rig.score);
		rc = rc < 0 ? rc : sf_score_components(ctx, rig.process, &c, &model);
		rc = rc < 0 ? rc : share(ctx, rig.score, model, y, 32, &near);
		rc = rc < 0 ? rc : share(ctx, rig.score, model, y, 64, &far);
		sf_score_free(model);
		sf_rig_close(&rig);
	}
	sf_components_free(&c);
	return rc < 0 ? rc : sf_row_value(row, log(far / near) / log(2), expected, .03);
}

static int far_mean(sf_ctx *ctx, sf_row *row)
{
	return far_slope(ctx, row, SF_FIT_MEAN, 0, -4);
}

static int far_isotropic(sf_ctx *ctx, sf_row *row)
{
	return far_slope(ctx, row, SF_FIT_ISOTROPIC, 0, -4);
}

static int far_gaussian(sf_ctx *ctx, sf_row *row)
{
	return far_slope(ctx, row, SF_FIT_GAUSSIAN, 0, -6.01);
}

static int far_symmetric(sf_ctx *ctx, sf_row *row)
{
	return far_slope(ctx, row, SF_FIT_GAUSSIAN, 1, -8);
}

/* ---- what is fitted ---- */

/* (0,0), (2,0), (0,2), (2,2): variances 1 as a Gaussian, 4/3 + 1e-5 as a cluster. */
static int fit_conventions(sf_ctx *ctx, sf_row *row)
{
	static const double square[] = {0, 0, 2, 0, 0, 2, 2, 2};
	double worst = 0;
	sf_fit_options o;
	sf_components c;
	int k;

	for (k = 0; k < 2; k++) {
		sf_fit_defaults(&o);
		o.kind = k ? SF_FIT_MIXTURE : SF_FIT_GAUSSIAN;
		o.components = 1;
		SF_TRY(sf_components_fit(ctx, &o, 4, 2, square, &c));
		sf_worst(&worst, c.mean[0], 1, 0);
		sf_worst(&worst, c.var[0], k ? 4. / 3 + 1e-5 : 1, 0);
		sf_worst(&worst, c.var[1], k ? 4. / 3 + 1e-5 : 1, 0);
		sf_components_free(&c);
	}
	return sf_row_worst(row, worst, 1e-15);
}

/* The score of the mean alone, -x/sigma^2, against that of variance q: the same share 1 - (q/sigma^2)^2 at every
 * point, and none of the denoised value. */
static int explained_mean(sf_ctx *ctx, sf_row *row)
{
	static const double level[] = {.3, 1, 5};
	double x[2] = {0, 0}, worst = 0;
	sf_rig net, model;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, "edm", "gaussian:std=0.5", D, NULL, NULL, &net));
	rc = sf_rig_open(ctx, "edm", "gaussian:std=0", D, NULL, NULL, &model);
	for (i = 0; i < 3 && rc == 0; i++) {
		double share_of = .25 / (level[i] * level[i]);
		sf_explained e;

		rc = sf_metric_explained(net.score, 1, &model.score, 1, x, 50, 0, 0, level[i], &e);
		sf_worst(&worst, e.score, 1 - share_of * share_of, 1);
		sf_worst(&worst, e.denoised, 0, 1);
		sf_worst(&worst, e.score_se, 0, 1);
	}
	sf_rig_close(&net);
	sf_rig_close(&model);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-7); /* the spread is a root of rounding */
}

/* ---- EDM's ablations ---- */

#define VP_RANGE "sigma-min=0.010485992786702987,sigma-max=152.16697028394637"

static int ablations(sf_ctx *ctx, sf_row *row)
{
	static const struct {
		const char *process, *grid, *sampler;
		int steps;
		double x;
	} run[] = {
		{"edm", "karras", "heun:order=1,time=process", 18, 0.423031436407978},
		{"edm:schedule=vp,scaling=vp," VP_RANGE, "vp", "heun:order=1,time=process", 512, 0.499547587650061},
		{"edm:schedule=vp,scaling=vp", "karras", "heun:time=process", 128, 0.500074653552877},
		{"edm:schedule=vp,scaling=vp," VP_RANGE, "vp", "heun:time=process", 18, 0.504195644752739},
		{"edm:schedule=ve,sigma-min=0.02,sigma-max=100", "logsnr:final=zero", "heun:time=process", 18,
		 0.202547800817792},
		{"edm:schedule=ve,sigma-min=0.02,sigma-max=100", "logsnr:final=zero", "heun:order=1,time=process", 18,
		 1.59047989749001},
		{"edm:schedule=ve", "karras", "heun:time=process", 18, 0.25298569945412},
		{"edm:schedule=vp,scaling=vp", "karras", "heun:time=process", 18, 0.504004730783431}};
	double worst = 0;
	size_t i;
	int rc;

	for (i = 0; i < sizeof run / sizeof *run; i++) {
		sf_rig rig;
		double x;

		SF_TRY(sf_rig_open(ctx, run[i].process, "gaussian:std=0.5", 1, run[i].sampler, run[i].grid, &rig));
		x = sf_process_sigma(rig.process, sf_process_horizon(rig.process));
		rc = sf_rig_sample(&rig, 1, run[i].steps, NAN, NAN, 0, &x, NULL);
		sf_rig_close(&rig);
		SF_TRY(rc);
		sf_worst(&worst, x, run[i].x, 0);
	}
	return sf_row_worst(row, worst, 1e-10);
}

/* u_9 .. u_999 of the published table, on the grid that takes every level from u_8. */
static int iddpm_table(sf_ctx *ctx, sf_row *row)
{
	static const struct {
		int at;
		double u;
	} known[] = {{1, 71.2911981}, {2, 64.1610911}, {3, 58.3272728}, {990, 0.00935049284}, {991, 0.00642541277}};
	double t[993], worst = 0;
	sf_rig rig;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, "edm:sigma-min=0.00642541277,sigma-max=80.2037018", NULL, 0, NULL, "iddpm", &rig));
	rc = sf_grid_fill(rig.grid, rig.process, NAN, NAN, 992, t);
	sf_rig_close(&rig);
	for (i = 0; i < 5 && rc == 0; i++)
		sf_worst(&worst, t[known[i].at], known[i].u, 0);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-9); /* nine digits */
}

/* On process vp the grid vp is uniform. */
static int vp_uniform(sf_ctx *ctx, sf_row *row)
{
	double t[13], worst = 0;
	sf_rig rig;
	int i, rc;

	SF_TRY(sf_rig_open(ctx, "vp", NULL, 0, NULL, "vp", &rig));
	rc = sf_grid_fill(rig.grid, rig.process, NAN, NAN, 12, t);
	sf_rig_close(&rig);
	for (i = 0; i < 12 && rc == 0; i++)
		sf_worst(&worst, t[i], 1 + i / 11. * (1e-3 - 1), 0);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-10);
}

const sf_check sf_checks_fitted[] = {
	{"score", "low-rank.gradient", "score = grad log p and its derivative, by differences, all processes", WV,
	 low_rank_gradient},
	{"score", "low-rank.full", "as many axes as dimensions: the Gaussian", WV, low_rank_full},
	{"score", "low-rank.residue", "across a plane of data at sigma = 1e-6", WV, low_rank_residue},
	{"score", "product.gradient", "score = grad log p and its derivative, by differences, all processes", WV,
	 product_gradient},
	{"score", "product.published", "denoised value of a coordinate", "Tweedie's formula", product_published},
	{"score", "delta.products", "matrix products against squared differences, sigma 1e-6 to 160", EDM_2,
	 delta_products},
	{"score", "fitted.far-field-mean", "slope in sigma of the share of a cloud's score that its mean misses", WV,
	 far_mean},
	{"score", "fitted.far-field-isotropic", "the same for a round Gaussian", WV, far_isotropic},
	{"score", "fitted.far-field-gaussian", "the same for the Gaussian of a skewed cloud", WV, far_gaussian},
	{"score", "fitted.far-field-symmetric", "the same for the Gaussian of a point-symmetric cloud", WV,
	 far_symmetric},
	{"score", "fitted.conventions", "variances of four points: over N, and over N - 1 plus a ridge", WV,
	 fit_conventions},
	{"metric", "explained.mean", "share of a Gaussian's score that its mean explains: 1 - (q/sigma^2)^2", WV,
	 explained_mean},
	{"grid", "iddpm.published", "noise levels of iDDPM's table", "Karras et al. 2022 (2206.00364), table 1",
	 iddpm_table},
	{"grid", "vp.uniform", "on process vp the grid is uniform", "Karras et al. 2022 (2206.00364), table 1",
	 vp_uniform},
	{"sampler", "heun.ablations", "EDM's other schedules, scalings and grids on normal data",
	 "Karras et al. 2022 (2206.00364), algorithm 1", ablations},
	{NULL, NULL, NULL, NULL, NULL}};
