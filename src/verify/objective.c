/* objective.c: checks of the losses. For a linear score s = A x + b on x ~ N(m,C) every expectation is closed; the
 * integrands have degree 2 in (x,z), so the 2n points +-sqrt(n) e_k of the joint standard normal of n = 6 numbers
 * give it without sampling error. With C_s = C + sigma^2 I and e = A m + b:
 *
 *     LCSS = tr A + tr(A C_s A')/2 + |e|^2/2,  DSM = LCSS + d/(2 sigma^2),  dJ/dA = I + A C_s + e m',  dJ/db = e
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <string.h>

enum { D = SF_TRIAL_D, POINTS = 4 * D };

static const double M[D] = {.5, -1, 2};
static const double C[D][D] = {{2, .3, -.4}, {.3, 1, .2}, {-.4, .2, 1.5}};
static const double A[D][D] = {{-.7, .2, .1}, {0, -1.1, .3}, {-.2, .1, -.4}};
static const double B[D] = {.3, -.2, .5};

/* Fills a trial with the sigma points at time t; weights and coefficients are the objective's own. */
static int sigma_points(sf_trial *r, double t)
{
	double cov[D][D], L[D][D], root = sqrt(2. * D);
	int k, i, j;

	memcpy(cov, C, sizeof cov);
	sf_trial_factor(cov, L);
	r->d->n = POINTS;
	for (k = 0; k < POINTS; k++)
		r->d->t[k] = t;
	SF_TRY(sf_objective_draw_at(r->objective, &r->m, r->d));
	memset(r->d->z, 0, sizeof *r->d->z * SF_TRIAL_N * D);
	for (k = 0; k < POINTS; k++) {
		double u[D] = {0}, side = k % 2 ? -root : root;
		int axis = k / 2;
		const sf_coef *c = &r->d->coef[k];

		if (axis < D)
			u[axis] = side;
		else
			r->d->z[k * D + axis - D] = side;
		for (i = 0; i < D; i++) {
			double x = M[i];

			for (j = 0; j <= i; j++)
				x += L[i][j] * u[j];
			r->d->xt[k * D + i] = c->alpha * x + c->sigma * r->d->z[k * D + i];
		}
	}
	return SF_OK;
}

/* Expected loss of s = a x + b, and its gradient if `grad` (d x d, then d) is not NULL. */
static int expected(sf_ctx *ctx, const char *objective, const char *process, double t, const double a[D][D],
                    const double *b, double *value, double *grad)
{
	sf_trial *r;
	int i, j, rc;

	SF_TRY(sf_trial_open(ctx, "affine", process, "score", objective, &r));
	for (i = 0; i < D; i++) {
		for (j = 0; j < D; j++)
			r->param[i * D + j] = a[i][j];
		r->param[16 + i] = b[i]; /* parameters start at multiples of 16 */
	}
	rc = sigma_points(r, t);
	if (rc == 0)
		rc = sf_trial_run(r);
	*value = 0;
	for (i = 0; i < POINTS; i++)
		*value += r->loss[i] / POINTS;
	for (i = 0; grad && i < D * D; i++)
		grad[i] = r->grad[i] / POINTS;
	for (i = 0; grad && i < D; i++)
		grad[D * D + i] = r->grad[16 + i] / POINTS;
	sf_trial_close(r);
	return rc;
}

static int value_row(sf_ctx *ctx, sf_row *row, const char *objective, double want)
{
	double value;

	SF_TRY(expected(ctx, objective, "edm", .5, A, B, &value, NULL));
	return sf_row_value(row, value, want, 1e-12);
}

/* Values at sigma = 0.5 for A, b above. */
#define VALUE(fn, spec, want)                                                                      \
	static int fn(sf_ctx *ctx, sf_row *row) { return value_row(ctx, row, spec, want); }
VALUE(dsm_value, "dsm:weight=one", 6.5405)
VALUE(dsm_sigma2_value, "dsm:weight=sigma2", 1.635125)
VALUE(lcss_value, "lcss:weight=one", .5405)
VALUE(lcss_base, "lcss:weight=one,norm-at=base", .28425)
VALUE(lcss_antithetic, "lcss:weight=one,antithetic=true", .5405)
VALUE(lcss_control, "lcss:weight=one,control-variate=true", .5405)
VALUE(lcss_gamma, "lcss:weight=one,gamma=0.5", .5405 + 1.1)

static int gradient_row(sf_ctx *ctx, sf_row *row, const char *objective, double sigma2)
{
	double value, g[D * D + D], worst = 0;
	int i, j, k;

	SF_TRY(expected(ctx, objective, "edm", .5, A, B, &value, g));
	for (i = 0; i < D; i++) {
		double e = B[i];

		for (k = 0; k < D; k++)
			e += A[i][k] * M[k];
		for (j = 0; j < D; j++) {
			double want = (i == j) + e * M[j];

			for (k = 0; k < D; k++)
				want += A[i][k] * (C[k][j] + (k == j ? sigma2 : 0));
			sf_worst(&worst, g[i * D + j], want, 1);
		}
		sf_worst(&worst, g[D * D + i], e, 1);
	}
	return sf_row_worst(row, worst, 1e-12);
}

static int dsm_gradient(sf_ctx *ctx, sf_row *row) { return gradient_row(ctx, row, "dsm:weight=one", .25); }
static int lcss_gradient(sf_ctx *ctx, sf_row *row) { return gradient_row(ctx, row, "lcss:weight=one", .25); }
static int lcss_base_gradient(sf_ctx *ctx, sf_row *row)
{
	return gradient_row(ctx, row, "lcss:weight=one,norm-at=base", 0);
}

/* The loss at its minimiser s = -C_t^{-1}(x - alpha m), C_t = alpha^2 C + sigma^2 I. */
static int minimum_row(sf_ctx *ctx, sf_row *row, const char *objective, const char *process, double t, double want,
                       double tolerance)
{
	double ct[D][D], inv[D][D], a[D][D], b[D] = {0}, al, s, value;
	sf_process *p;
	int i, j;

	SF_TRY(sf_process_new(ctx, process, &p));
	al = sf_process_alpha(p, t);
	s = sf_process_sigma(p, t);
	sf_process_free(p);
	for (i = 0; i < D; i++)
		for (j = 0; j < D; j++)
			ct[i][j] = al * al * C[i][j] + (i == j ? s * s : 0);
	sf_trial_inverse(ct, inv);
	for (i = 0; i < D; i++)
		for (j = 0; j < D; j++) {
			a[i][j] = -inv[i][j];
			b[i] += inv[i][j] * al * M[j];
		}
	SF_TRY(expected(ctx, objective, process, t, (const double (*)[D])a, b, &value, NULL));
	return sf_row_value(row, value, want, tolerance);
}

#define MINIMUM(fn, spec, process, t, want)                                                        \
	static int fn(sf_ctx *ctx, sf_row *row) { return minimum_row(ctx, row, spec, process, t, want, 2e-10); }
MINIMUM(lcss_minimum, "lcss:weight=one", "edm", .5, -.976815113948)
MINIMUM(dsm_minimum, "dsm:weight=one", "edm", .5, 5.023184886052)
MINIMUM(dsm_vp, "dsm", "vp", .3, .7129870628)
MINIMUM(dsm_subvp, "dsm", "subvp", .3, .8919068721)
MINIMUM(dsm_ve, "dsm", "ve", .3, 1.4803444331)
MINIMUM(lcss_vp, "lcss:weight=one", "vp", .3, -1.3037207629)
MINIMUM(lcss_subvp, "lcss:weight=one", "subvp", .3, -1.6686894363)
MINIMUM(lcss_ve, "lcss:weight=one", "ve", .3, -1.1860515672)

/* ---- identities on a network ---- */
#define NET "mlp:width=12,depth=2,embed-width=8"

static int pair(sf_ctx *ctx, sf_trial **dsm, sf_trial **lcss)
{
	int rc;

	*lcss = NULL;
	SF_TRY(sf_trial_open(ctx, NET, "vp", "v", "dsm:weight=g2,t=importance", dsm));
	rc = sf_trial_open(ctx, NET, "vp", "v", "lcss:weight=g2,t=importance", lcss);
	if (rc == 0)
		rc = sf_trial_draw(*dsm, 5);
	if (rc == 0)
		rc = sf_trial_draw(*lcss, 5);
	if (rc == 0)
		rc = sf_trial_run(*dsm);
	if (rc == 0)
		rc = sf_trial_run(*lcss);
	return rc;
}

static int lcss_is_dsm(sf_ctx *ctx, sf_row *row)
{
	sf_trial *dsm, *lcss;
	double worst = 0;
	int rc = pair(ctx, &dsm, &lcss), i, k;

	for (i = 0; rc == 0 && i < SF_TRIAL_N; i++) {
		double z2 = 0;

		for (k = 0; k < D; k++)
			z2 += lcss->d->z[i * D + k] * lcss->d->z[i * D + k];
		sf_worst(&worst, lcss->loss[i] + lcss->d->weight[i] * z2 / 2, dsm->loss[i], lcss->d->weight[i]);
	}
	sf_trial_close(dsm);
	sf_trial_close(lcss);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-12);
}

static int same_gradient(sf_ctx *ctx, sf_row *row)
{
	sf_trial *dsm, *lcss;
	double worst = 0, largest = 0;
	int rc = pair(ctx, &dsm, &lcss);
	int64_t i;

	for (i = 0; rc == 0 && i < dsm->total; i++)
		largest = fmax(largest, fabs(dsm->grad[i]));
	for (i = 0; rc == 0 && i < dsm->total; i++)
		sf_worst(&worst, lcss->grad[i], dsm->grad[i], largest);
	if (rc == 0 && !(largest > 0))
		worst = NAN;
	sf_trial_close(dsm);
	sf_trial_close(lcss);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-12);
}

/* Fisher's part: the loss is at rest where the score is the data's. Importance times leave g^2-weighted losses with
 * a constant factor, the integral of g^2/sigma^2. */
static int importance_row(sf_ctx *ctx, sf_row *row, const char *process, double want)
{
	sf_trial *r;
	double worst = 0;
	int i;

	SF_TRY(sf_trial_open(ctx, "affine", process, "eps", "dsm:weight=g2,t=importance", &r));
	for (i = 0; i < 200; i++) {
		double ratio, t = sf_objective_time(r->objective, &r->m, 3, 0, (uint64_t)i, 200, &ratio);
		double range = sf_process_horizon(r->process) - sf_process_t_train(r->process);

		sf_worst(&worst, ratio * range * sf_objective_weight(r->objective, &r->m, t, 0), want, 0);
	}
	sf_trial_close(r);
	return sf_row_worst(row, worst, 1e-9);
}

static int importance_vp(sf_ctx *ctx, sf_row *row) { return importance_row(ctx, row, "vp", 23.8644723654695); }
static int importance_subvp(sf_ctx *ctx, sf_row *row) { return importance_row(ctx, row, "subvp", 37.6789457319341); }
static int importance_ve(sf_ctx *ctx, sf_row *row) { return importance_row(ctx, row, "ve", 17.0342160389686); }

#define OSADA "Osada, Shing, Nishide 2024 (2412.03962)"
#define SONG "Song et al. 2021 (2011.13456)"
#define ROW(name, what, ref, run) {"objective", name, what, ref, run}
const sf_check sf_checks_objective[] = {
	ROW("dsm.gaussian-value", "E |s + z/sigma|^2/2 of a linear score on a Gaussian", "Vincent 2011", dsm_value),
	ROW("dsm.gaussian-sigma2", "the same weighted by sigma^2", SONG ", eq 7", dsm_sigma2_value),
	ROW("dsm.gaussian-gradient", "dJ/dA = I + A C_s + e m', dJ/db = e", "Vincent 2011", dsm_gradient),
	ROW("dsm.minimum", "d/(2 sigma^2) - tr C_s^-1/2 at the smoothed score", "Vincent 2011", dsm_minimum),
	ROW("dsm.vp-optimum", "tr(alpha^2 C C_t^-1)/2 at t = 0.3", SONG ", eq 7", dsm_vp),
	ROW("dsm.subvp-optimum", "tr(alpha^2 C C_t^-1)/2 at t = 0.3", SONG ", eq 7", dsm_subvp),
	ROW("dsm.ve-optimum", "tr(alpha^2 C C_t^-1)/2 at t = 0.3", SONG ", eq 7", dsm_ve),
	ROW("dsm.importance-vp", "weight over density = int g^2/sigma^2 dt", "Song et al. 2021b (2101.09258)",
	    importance_vp),
	ROW("dsm.importance-subvp", "weight over density = int g^2/sigma^2 dt", "Song et al. 2021b (2101.09258)",
	    importance_subvp),
	ROW("dsm.importance-ve", "weight over density = int g^2/sigma^2 dt", "Song et al. 2021b (2101.09258)",
	    importance_ve),
	ROW("lcss.gaussian-value", "tr A + tr(A C_s A')/2 + |e|^2/2", OSADA ", Stein's identity", lcss_value),
	ROW("lcss.gaussian-gradient", "dJ/dA = I + A C_s + e m', dJ/db = e", OSADA, lcss_gradient),
	ROW("lcss.antithetic", "the mean of z and -z has the same expectation", OSADA, lcss_antithetic),
	ROW("lcss.control-variate", "z.s at the base point has expectation 0", OSADA, lcss_control),
	ROW("lcss.gamma", "gamma scales the curvature term alone", OSADA, lcss_gamma),
	ROW("lcss.base-is-ism", "norm at the base point: implicit score matching, unsmoothed", "Hyvarinen 2005",
	    lcss_base),
	ROW("lcss.base-gradient", "its gradient is that of implicit score matching", "Hyvarinen 2005",
	    lcss_base_gradient),
	ROW("lcss.minimum", "-tr C_s^-1/2 at the smoothed score", OSADA, lcss_minimum),
	ROW("lcss.vp-optimum", "-tr C_t^-1/2 at t = 0.3", OSADA, lcss_vp),
	ROW("lcss.subvp-optimum", "-tr C_t^-1/2 at t = 0.3", OSADA, lcss_subvp),
	ROW("lcss.ve-optimum", "-tr C_t^-1/2 at t = 0.3", OSADA, lcss_ve),
	ROW("lcss.is-dsm", "one stage, per sample: l_DSM = l_LCSS + w |z|^2/2", OSADA, lcss_is_dsm),
	ROW("lcss.dsm-gradient", "one stage: the parameter gradient of DSM", OSADA, same_gradient),
	{NULL, NULL, NULL, NULL, NULL}};
