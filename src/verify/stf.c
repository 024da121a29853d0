/* stf.c: checks of stable target fields. The estimator that the objective and the variance diagnostics share is put
 * through every choice of source and reference batch of a small data set, and through quadrature over x for the data
 * -1, +1; the objective is compared with denoising score matching and with the exact score of the batch's data.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include "objective/stable.h"

#include <scorefield/variance.h>

#include <math.h>
#include <string.h>

/* E_w y at x = source + sigma z in one dimension. */
static double stable(double x, double sigma, double source, int n, const double *y)
{
	double z = (x - source) / sigma, mean;
	sf_stable a;
	int k;

	sf_stable_start(&a, 1, 1 / sigma, &z, &source, &mean);
	for (k = 0; k < n; k++)
		sf_stable_add(&a, &y[k]);
	return source - sf_stable_shift(&a, 0);
}

/* ---- enumeration over five points, sigma = 0.7, subsets without replacement ---- */
enum { FIVE = 5 };
static const double points[FIVE] = {-1.3, -.4, .1, .9, 2}, level = .7;
static const double at[3] = {-1, .3, 1.4}, exact[3] = {-.7345430509913198, .20382946269025046, 1.2388557383967007};

/* Mean and mean squared error of the target at at[q]: the source from the posterior, or (with_source 0) not in the
 * batch but by chance. */
static void enumerate(int q, int n, int with_source, double *mean, double *square)
{
	double p[FIVE], sum = 0, total = 0;
	int s, mask, i;

	for (s = 0; s < FIVE; s++)
		sum += p[s] = exp(-(at[q] - points[s]) * (at[q] - points[s]) / (2 * level * level));
	*mean = *square = 0;
	for (s = 0; s < FIVE; s++)
		for (mask = 1; mask < 1 << FIVE; mask++) {
			double y[FIVE], t;
			int m = 0;

			for (i = 0; i < FIVE; i++)
				if (mask >> i & 1)
					y[m++] = points[i];
			if (m != n || (with_source && !(mask >> s & 1)))
				continue;
			t = stable(at[q], level, points[s], n, y);
			total += p[s] / sum;
			*mean += p[s] / sum * t;
			*square += p[s] / sum * (t - exact[q]) * (t - exact[q]);
		}
	*mean /= total;
	*square /= total;
}

static int unbiased(sf_ctx *ctx, sf_row *row)
{
	double worst = 0, mean, square;
	int q, n;

	(void)ctx;
	for (q = 0; q < 3; q++)
		for (n = 1; n <= FIVE; n++) {
			enumerate(q, n, 1, &mean, &square);
			sf_worst(&worst, mean, exact[q], 1);
		}
	return sf_row_worst(row, worst, 2e-15);
}

static int bias(sf_ctx *ctx, sf_row *row)
{
	double mean, square;

	(void)ctx;
	enumerate(0, 2, 0, &mean, &square);
	return sf_row_value(row, mean - exact[0], .3094, 5.1e-5);
}

static int subsets(sf_ctx *ctx, sf_row *row)
{
	static const double want[3][FIVE] = {{.333020, .205637, .111495, .044839, 0},
	                                     {.378264, .142034, .068081, .023988, 0},
	                                     {.489423, .292563, .151788, .057354, 0}};
	double worst = 0, mean, square;
	int q, n;

	(void)ctx;
	for (q = 0; q < 3; q++)
		for (n = 1; n <= FIVE; n++) {
			enumerate(q, n, 1, &mean, &square);
			sf_worst(&worst, square, want[q][n - 1], 1);
		}
	return sf_row_worst(row, worst, 5.1e-7);
}

/* ---- data -1 and +1: sum over the binomial number of companions at +1, trapezium rule over x ---- */
static double two_points_at(double x, double sigma, int n)
{
	double truth = tanh(x / (sigma * sigma)), square = 0, choose = pow(.5, n - 1), y[512];
	int plus, side, i;

	for (plus = 0; plus < n; plus++) {
		for (side = 0; side < 2; side++) {
			double p = 1 / (1 + exp((side ? -2 : 2) * x / (sigma * sigma))), t;

			y[0] = side ? 1 : -1;
			for (i = 1; i < n; i++)
				y[i] = i <= plus ? 1 : -1;
			t = stable(x, sigma, y[0], n, y);
			square += p * choose * (t - truth) * (t - truth);
		}
		choose *= (double)(n - 1 - plus) / (plus + 1);
	}
	return square;
}

static double two_points(double sigma, int n)
{
	double h = sigma / 8, sum = 0;
	int i;

	for (i = -160; i <= 160; i++) {
		double x = i * h, p = exp(-(x - 1) * (x - 1) / (2 * sigma * sigma)) / (sigma * sqrt(2 * SF_PI));

		if (p > 1e-18)
			sum += h * p * two_points_at(x, sigma, n);
	}
	return sum / pow(sigma, 4);
}

static const int sizes[6] = {1, 2, 3, 4, 8, 16};

static int two_point_row(sf_row *row, double sigma, const double *want)
{
	double worst = 0;
	int i;

	for (i = 0; i < 6; i++)
		sf_worst(&worst, two_points(sigma, sizes[i]), want[i], 0);
	return sf_row_worst(row, worst, 1e-8);
}

#define TABLE(fn, sigma, ...)                                                                                          \
	static int fn(sf_ctx *ctx, sf_row *row)                                                                        \
	{                                                                                                              \
		static const double want[6] = {__VA_ARGS__};                                                           \
                                                                                                                       \
		(void)ctx;                                                                                             \
		return two_point_row(row, sigma, want);                                                                \
	}
TABLE(table_half, .5, 1.097558541, .5487792703, .3293984649, .2228192565, .09061694221, .04214634169)
TABLE(table_one, 1, .4495995092, .2247997546, .1393672967, .09788584048, .04324302107, .02056918286)
TABLE(table_two, 2, .0497466084, .0248733042, .01600701668, .01166988955, .005542739487, .002703279655)

static int falling(sf_ctx *ctx, sf_row *row) /* the largest rise V(n + 1) - V(n) that there is */
{
	double rise = 0, was, v, sigma;
	int n;

	(void)ctx;
	for (sigma = .5; sigma <= 2; sigma *= 2)
		for (was = two_points(sigma, 1), n = 2; n <= 12; n++, was = v)
			rise = fmax(rise, (v = two_points(sigma, n)) - was);
	return sf_row_worst(row, rise, 0);
}

static int delta_method(sf_ctx *ctx, sf_row *row)
{
	(void)ctx; /* n Var = C + O(1/n): one step of extrapolation */
	return sf_row_value(row, 2 * 400 * two_points_at(.5, 1, 400) - 200 * two_points_at(.5, 1, 200), .61850, 2e-5);
}

/* Two Gaussians of 64 dimensions, the posterior of 2000 draws: V_DSM = .08942528937 up to sampling error. */
static int two_gaussians(sf_ctx *ctx, sf_row *row)
{
	enum { COUNT = 2000, DIM = 64 };
	double *x = sf_alloc(COUNT * DIM, sizeof *x), v;
	sf_noise key = {5, SF_NOISE_USER, 0};
	sf_variance p = {100, 1, 1, 0, NULL};
	sf_process *edm = NULL;
	int i, j, rc = x ? sf_process_new(ctx, "edm", &edm) : sf_fail(ctx, SF_ENOMEM, "check: out of memory");

	for (i = 0; rc == 0 && i < COUNT; i++) {
		sf_noise_normal_d(ctx, key, (uint64_t)i, 0, DIM, x + i * DIM);
		for (j = 0; j < DIM; j++)
			x[i * DIM + j] *= .1;
		x[i * DIM] += i % 2 ? 1 : -1;
	}
	if (rc == 0)
		rc = sf_variance_targets(ctx, edm, COUNT, DIM, x, 2, &p, &v, NULL);
	sf_process_free(edm);
	sf_free(x);
	return rc < 0 ? rc : sf_row_value(row, v, .08942528937, .05 * .08942528937);
}

/* ---- the objective ---- */
static int is_dsm(sf_ctx *ctx, sf_row *row)
{
	sf_trial *dsm = NULL, *stf = NULL;
	double worst = 0;
	int rc = sf_trial_open(ctx, "mlp:width=12,depth=2,embed-width=8", "vp", "v", "dsm:weight=g2", &dsm);
	int64_t i;

	if (rc == 0)
		rc = sf_trial_open(ctx, "mlp:width=12,depth=2,embed-width=8", "vp", "v", "stf:n=1,weight=g2", &stf);
	if (rc == 0)
		rc = sf_trial_draw(dsm, 5);
	if (rc == 0)
		rc = sf_trial_draw(stf, 5);
	if (rc == 0)
		rc = sf_trial_run(dsm);
	if (rc == 0)
		rc = sf_trial_run(stf);
	for (i = 0; rc == 0 && i < SF_TRIAL_N; i++)
		sf_worst(&worst, stf->loss[i], dsm->loss[i], 0);
	for (i = 0; rc == 0 && i < dsm->total; i++)
		sf_worst(&worst, stf->grad[i], dsm->grad[i], 1);
	sf_trial_close(dsm);
	sf_trial_close(stf);
	return rc < 0 ? rc : sf_row_worst(row, worst, 0); /* bit for bit */
}

static int is_exact_with(sf_ctx *ctx, const char *process, const char *objective, double *worst)
{
	double score[SF_TRIAL_N * SF_TRIAL_D];
	sf_score *s = NULL;
	sf_trial *r;
	int i, rc;

	SF_TRY(sf_trial_open(ctx, "affine", process, "eps", objective, &r));
	rc = sf_trial_draw(r, 2);
	if (rc == 0)
		rc = sf_score_delta(ctx, r->process, SF_TRIAL_N, SF_TRIAL_D, r->x0, &s);
	if (rc == 0)
		rc = sf_score_eval(s, SF_SCORE, SF_TRIAL_N, r->d->xt, r->d->t, score);
	for (i = 0; rc == 0 && i < SF_TRIAL_N * SF_TRIAL_D; i++) {
		const sf_coef *c = &r->d->coef[i / SF_TRIAL_D];

		sf_worst(worst, r->d->z[i], -c->sigma * score[i], 1 + c->alpha / c->sigma);
	}
	sf_score_free(s);
	sf_trial_close(r);
	return rc;
}

static int is_exact(sf_ctx *ctx, sf_row *row) /* the batch is the whole data set */
{
	static const char *const process[] = {"vp", "subvp", "ve", "edm"};
	double worst = 0;
	int i;

	for (i = 0; i < 4; i++)
		SF_TRY(is_exact_with(ctx, process[i], "stf:n=16", &worst));
	return sf_row_worst(row, worst, 1e-12);
}

#define XU "Xu, Tong, Jaakkola 2023 (2302.00670)"
#define ROW(name, what, ref, run) {"objective", name, what, ref, run}
const sf_check sf_checks_stf[] = {
	ROW("stf.is-dsm", "n = 1: loss and gradient of DSM, bit for bit", XU ", objective", is_dsm),
	ROW("stf.exact", "n = whole data set: the exact score of the data", XU "; Karras et al. 2022 (2206.00364)", is_exact),
	ROW("stf.unbiased", "over every source and subset the mean target is the exact one", XU ", objective", unbiased),
	ROW("stf.bias-without-source", "two prior draws without the source, five points", XU ", objective", bias),
	ROW("stf.variance-subsets", "V(n) of five points, drawn without replacement", XU ", variance", subsets),
	ROW("stf.variance-two-points-0.5", "V(n) of data -1, +1 at sigma = 0.5", XU ", variance", table_half),
	ROW("stf.variance-two-points-1", "V(n) of data -1, +1 at sigma = 1", XU ", variance", table_one),
	ROW("stf.variance-two-points-2", "V(n) of data -1, +1 at sigma = 2", XU ", variance", table_two),
	ROW("stf.variance-falls", "V(n+1) <= V(n)", XU ", variance", falling),
	ROW("stf.variance-delta-method", "n Var tends to E p^2 (a - mu)^2/p_t^2", XU ", variance", delta_method),
	ROW("stf.variance-two-gaussians", "V_DSM of draws from two Gaussians, d = 64, sigma = 2", XU ", variance", two_gaussians),
	{NULL, NULL, NULL, NULL, NULL}};
