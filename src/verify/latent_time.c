/* latent_time.c: checks of the time density t=normal: it is what it says, expectations are right, and nothing varies for N(0,1) latents.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/latent_parts.h"

#include "objective/normal_time.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const sf_normal unit = {0, 1};

typedef struct density {
	sf_normal_run a;
	sf_time_table table;
	double lo, hi;
	int power; /* which function, below */
} density;

static int open_density(sf_ctx *ctx, const char *process, const char *weight, density *q)
{
	char spec[80];

	snprintf(spec, sizeof spec, "%s:t=normal,weight=%s", strncmp(process, "cld", 3) == 0 ? "hsm" : "dsm", weight);
	SF_TRY(sf_normal_open(ctx, process, spec, unit, &unit, &q->a));
	q->lo = sf_process_t_train(q->a.r->process);
	q->hi = sf_process_horizon(q->a.r->process);
	sf_normal_time(q->a.r->objective, &q->a.r->m, &q->table);
	return SF_OK;
}

static int value_of_density(void *arg, double t, double *value)
{
	density *q = arg;

	*value = sf_time_table_density(&q->table, t);
	return SF_OK;
}

/* int q dt = 1 */
static int normalised(sf_ctx *ctx, sf_row *row, const char *process, const char *weight)
{
	density q;
	double sum;
	int rc;

	SF_TRY(open_density(ctx, process, weight, &q));
	rc = sf_integral(q.lo, q.hi, value_of_density, &q, &sum);
	sf_trial_close(q.a.r);
	return rc < 0 ? rc : sf_row_value(row, sum, 1, 1e-7);
}

/* h = 1, t, scale^2 */
static double function(const density *q, double t)
{
	double s = sf_process_scale(q->a.r->process, t);

	return q->power == 0 ? 1 : q->power == 1 ? t : s * s;
}

static int weighted_function(void *arg, double t, double *value)
{
	density *q = arg;

	*value = sf_objective_weight(q->a.r->objective, &q->a.r->m, t, 0) * function(q, t);
	return SF_OK;
}

static int drawn_function(void *arg, double u, double *value)
{
	density *q = arg;
	double at, t = sf_time_table_at(&q->table, u, &at);

	SF_TRY(weighted_function(q, t, value));
	*value /= at;
	return SF_OK;
}

/* E[w h/q] over what is drawn against int w h dt: the largest deviation of the three h. */
static int unbiased(sf_ctx *ctx, sf_row *row, const char *process, const char *weight, double tolerance)
{
	double worst = 0, drawn, want;
	const double *mass;
	density q;
	int rc = 0, j;

	SF_TRY(open_density(ctx, process, weight, &q));
	for (q.power = 0; rc == 0 && q.power < 3; q.power++) {
		rc = sf_integral(q.lo, q.hi, weighted_function, &q, &want);
		mass = q.table.mass;
		for (drawn = j = 0; rc == 0 && j < SF_TIME_PANELS; j++)
			rc = sf_add_towards_end(mass[j] / mass[SF_TIME_PANELS], mass[j + 1] / mass[SF_TIME_PANELS], drawn_function, &q, &drawn);
		sf_worst(&worst, drawn, want, 0);
	}
	sf_trial_close(q.a.r);
	return rc < 0 ? rc : sf_row_worst(row, worst, tolerance);
}

/* What a drawn time is multiplied by times the expected loss at the exact score of N(0,1): the largest deviation from its mean over a
 * batch's times, relative. */
static int no_variance(sf_ctx *ctx, sf_row *row, const char *process, const char *weight)
{
	double t[SF_TRIAL_N], ratio[SF_TRIAL_N], worst = 0, mean = 0, loss;
	density q;
	int rc, i;

	SF_TRY(open_density(ctx, process, weight, &q));
	q.a.r->d->ratio = ratio;
	rc = sf_trial_draw(q.a.r, 3);
	q.a.r->d->ratio = NULL;
	memcpy(t, q.a.r->d->t, sizeof t);
	for (i = 0; rc == 0 && i < SF_TRIAL_N; i++) {
		rc = sf_normal_loss(&q.a, t[i], &loss);
		ratio[i] *= loss;
		mean += ratio[i] / SF_TRIAL_N;
	}
	for (i = 0; i < SF_TRIAL_N; i++)
		sf_worst(&worst, ratio[i], mean, 0);
	sf_trial_close(q.a.r);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-6);
}

static int loss_squared(void *arg, double t, double *value)
{
	density *q = arg;
	double loss;

	SF_TRY(sf_normal_loss(&q->a, t, &loss));
	*value = loss * loss / (q->power ? sf_time_table_density(&q->table, t) : 1 / (q->hi - q->lo));
	return SF_OK;
}

/* For other latents, N(.5,.36) under a prior N(0,1): the variance over times of the expected loss, as a share of what uniform times
 * have. */
static int less_variance(sf_ctx *ctx, sf_row *row, const char *process, const char *weight, double bound)
{
	double second[2], mean;
	density q;
	int rc;

	SF_TRY(open_density(ctx, process, weight, &q));
	q.a.q.mean = .5;
	q.a.q.var = .36;
	rc = sf_integral(q.lo, q.hi, sf_normal_loss, &q.a, &mean);
	for (q.power = 0; rc == 0 && q.power < 2; q.power++)
		rc = sf_integral(q.lo, q.hi, loss_squared, &q, &second[q.power]);
	sf_trial_close(q.a.r);
	return rc < 0 ? rc : sf_row_value(row, (second[1] - mean * mean) / (second[0] - mean * mean), 0, bound);
}

/* ---- closed inverses: the share of the density below a drawn time, in closed form, is the uniform number it was drawn by ---- */

static double variance_at(const sf_process *p, double t)
{
	double s = sf_process_sigma(p, t);

	return s * s;
}

static double by_logarithm(const sf_process *p, double t) /* ll_iw */
{
	return log(variance_at(p, t));
}

static double by_error_function(const sf_process *p, double t) /* drop_all_iw: beta .1 to 20 */
{
	(void)p;
	return exp(.1 * .1 / (2 * 19.9)) * sqrt(SF_PI / (2 * 19.9)) * erf(sqrt(19.9 / 2) * (t + .1 / 19.9));
}

static double by_determinant(const sf_process *p, double t) /* the analogue of ll_iw on cld */
{
	double S[4], P[4], c, v;

	sf_process_cov(p, t, S);
	sf_process_phi(p, 0, t, P);
	c = S[0] * S[3] - S[1] * S[1];
	v = P[0] * P[0] * S[3] - 2 * P[0] * P[2] * S[1] + P[2] * P[2] * S[0]; /* det Sigma_m - det Sigma_c */
	return -log1p(v / c);
}

static int closed_inverse(sf_ctx *ctx, sf_row *row, const char *process, const char *weight,
                          double (*F)(const sf_process *p, double t))
{
	double worst = 0, lo, range, m;
	density q;
	int rc, i;

	SF_TRY(open_density(ctx, process, weight, &q));
	rc = sf_trial_draw(q.a.r, 3);
	lo = F(q.a.r->process, q.lo);
	range = F(q.a.r->process, q.hi) - lo;
	for (i = 0; rc == 0 && i < SF_TRIAL_N; i++) {
		sf_noise key = {1, SF_NOISE_TIME, 3};
		double t = q.a.r->d->t[i];

		sf_worst(&worst, (F(q.a.r->process, t) - lo) / range, sf_noise_uniform53(key, (uint64_t)i, 0), 1);
		/* and the weight: the range over the unexplained */
		m = sf_normal_unexplained(q.a.r->process, t);
		sf_worst(&worst, q.a.r->d->weight[i] * m * (q.hi - q.lo), range, 0);
	}
	sf_trial_close(q.a.r);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-7);
}

/* int_.01^1 (1 - sigma^2) dt, with the corrected constant */
static int corrected(sf_ctx *ctx, sf_row *row)
{
	sf_process *p;
	double value;

	SF_TRY(sf_process_new(ctx, "vp", &p));
	value = by_error_function(p, 1) - by_error_function(p, .01);
	sf_process_free(p);
	return sf_row_value(row, value, .266003702284, 1e-12);
}

#define PICK(name, what, ...)                                                                           \
	static int name(sf_ctx *ctx, sf_row *row) { return what(ctx, row, __VA_ARGS__); }
PICK(one_vp, normalised, "vp", "g2")
PICK(one_vp_re, normalised, "vp", "g2-sigma2")
PICK(one_vp_un, normalised, "vp", "sigma2")
PICK(one_geometric, normalised, "geometric-vp", "g2")
PICK(one_subvp, normalised, "subvp", "sigma2")
PICK(one_cld, normalised, "cld", "g2")
PICK(fair_vp, unbiased, "vp", "g2", 1e-8)
PICK(fair_vp_re, unbiased, "vp", "g2-sigma2", 1e-8)
PICK(fair_vp_un, unbiased, "vp", "sigma2", 1e-8)
PICK(fair_geometric, unbiased, "geometric-vp", "sigma2", 1e-8)
PICK(fair_subvp, unbiased, "subvp", "g2", 1e-8)
PICK(fair_cld, unbiased, "cld", "g2", 1e-8)
PICK(fair_kink, unbiased, "vp", "min-snr", 1e-4)
PICK(still_vp, no_variance, "vp", "g2")
PICK(still_vp_re, no_variance, "vp", "g2-sigma2")
PICK(still_vp_un, no_variance, "vp", "sigma2")
PICK(still_geometric, no_variance, "geometric-vp", "g2")
PICK(still_subvp, no_variance, "subvp", "g2")
PICK(still_cld, no_variance, "cld", "g2")
PICK(still_cld_un, no_variance, "cld", "sigma2")
PICK(less_vp, less_variance, "vp", "g2", 2e-5)
PICK(less_vp_un, less_variance, "vp", "sigma2", .02)
PICK(less_geometric, less_variance, "geometric-vp", "g2-sigma2", .01)
PICK(less_cld, less_variance, "cld", "g2", 1e-4)
PICK(ll_vp, closed_inverse, "vp", "g2", by_logarithm)
PICK(re_vp, closed_inverse, "vp", "g2-sigma2", variance_at)
PICK(un_vp, closed_inverse, "vp", "sigma2", by_error_function)
PICK(ll_cld, closed_inverse, "cld:eps=0", "g2", by_determinant)

#define LSGM "Vahdat, Kreis, Kautz 2021 (2106.05931)"
#define CLD "Dockhorn, Vahdat, Kreis 2022 (2112.07068)"
#define ROW(name, what, ref, run) {"latent", "latent." name, what, ref, run}
const sf_check sf_checks_latent_time[] = {
	ROW("times-vp-g2", "drawn times: sigma^2 log-linear in u, and the weight", LSGM ", ll_iw", ll_vp),
	ROW("times-vp-g2-sigma2", "drawn times: sigma^2 linear in u, and the weight", LSGM ", drop_sigma2t_iw", re_vp),
	ROW("times-vp-sigma2", "drawn times: error function, and the weight", LSGM ", drop_all_iw", un_vp),
	ROW("times-cld-g2", "drawn times: ln(det/det) linear in u, and the weight", LSGM ", " CLD, ll_cld),
	ROW("times-constant", "int (1 - sigma^2) dt, e^(b0^2/(2D)) for their e^(b0/(2D))", LSGM ", drop_all_iw", corrected),
	ROW("density-vp-g2", "t=normal integrates to one", LSGM, one_vp),
	ROW("density-vp-g2-sigma2", "t=normal integrates to one", LSGM, one_vp_re),
	ROW("density-vp-sigma2", "t=normal integrates to one", LSGM, one_vp_un),
	ROW("density-geometric-vp-g2", "t=normal integrates to one", LSGM, one_geometric),
	ROW("density-subvp-sigma2", "t=normal integrates to one", LSGM, one_subvp),
	ROW("density-cld-g2", "t=normal integrates to one", LSGM ", " CLD, one_cld),
	ROW("unbiased-vp-g2", "E[w h/q] = int w h dt for h = 1, t, sigma^2", LSGM, fair_vp),
	ROW("unbiased-vp-g2-sigma2", "E[w h/q] = int w h dt for h = 1, t, sigma^2", LSGM, fair_vp_re),
	ROW("unbiased-vp-sigma2", "E[w h/q] = int w h dt for h = 1, t, sigma^2", LSGM, fair_vp_un),
	ROW("unbiased-vp-min-snr", "the same for a weight with a kink", LSGM, fair_kink),
	ROW("unbiased-geometric-vp-sigma2", "E[w h/q] = int w h dt for h = 1, t, sigma^2", LSGM, fair_geometric),
	ROW("unbiased-subvp-g2", "E[w h/q] = int w h dt for h = 1, t, sigma^2", LSGM, fair_subvp),
	ROW("unbiased-cld-g2", "E[w h/q] = int w h dt for h = 1, t, scale^2", LSGM ", " CLD, fair_cld),
	ROW("variance-vp-g2", "N(0,1): the expected loss over q is the same at every t", LSGM, still_vp),
	ROW("variance-vp-g2-sigma2", "N(0,1): the expected loss over q is the same at every t", LSGM, still_vp_re),
	ROW("variance-vp-sigma2", "N(0,1): the expected loss over q is the same at every t", LSGM, still_vp_un),
	ROW("variance-geometric-vp-g2", "N(0,1): the expected loss over q is the same at every t", LSGM, still_geometric),
	ROW("variance-subvp-g2", "N(0,1): the expected loss over q is the same at every t", LSGM, still_subvp),
	ROW("variance-cld-g2", "N(0,1): the expected loss over q is the same at every t", LSGM ", " CLD, still_cld),
	ROW("variance-cld-sigma2", "N(0,1): the expected loss over q is the same at every t", LSGM ", " CLD, still_cld_un),
	ROW("variance-other-vp-g2", "latents N(.5,.36): share of the variance of uniform times", LSGM, less_vp),
	ROW("variance-other-vp-sigma2", "latents N(.5,.36): share of the variance of uniform times", LSGM, less_vp_un),
	ROW("variance-other-geometric-vp", "weight=g2-sigma2: share of the variance of uniform times", LSGM, less_geometric),
	ROW("variance-other-cld-g2", "latents N(.5,.36): share of the variance of uniform times", LSGM ", " CLD, less_cld),
	{NULL, NULL, NULL, NULL, NULL}};
