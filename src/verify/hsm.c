/* hsm.c: checks of the losses on position and velocity, of local denoising score matching, of discrete levels, and
 * of LCSS away from linear processes of one block.
 *
 * On cld all three coordinates get the same numbers and an affine score of (x,v) each, so that the loss is three
 * times that of one. Its integrand has degree 2 in the normals behind a draw (x_0, position, velocity, v_0): the
 * points +-2 e_k are exact.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <string.h>

enum { D = SF_TRIAL_D, NORMALS = 4, POINTS = 2 * NORMALS, CUBE = 729 /* 3^(2 D) */ };
static const double T = .1, MEAN = .7, VAR = .25;

/* ---- cld, data N(.7, .25) ---- */

/* The velocity's score as A (x,v) + b, times -scale: eps. */
static void exact_eps(const sf_process *p, double *a)
{
	double P[4], S[4], det, s = sf_process_scale(p, T);
	int i;

	sf_process_phi(p, 0, T, P);
	sf_process_cov(p, T, S);
	for (i = 0; i < 4; i++)
		S[i] += P[i / 2 * 2] * P[i % 2 * 2] * VAR;
	det = S[0] * S[3] - S[1] * S[1];
	a[0] = -s * S[1] / det;
	a[1] = s * S[0] / det;
	a[2] = -(a[0] * P[0] + a[1] * P[2]) * MEAN;
}

static void place(const sf_trial *r, int given_velocity)
{
	double P[4], S[4], l[3], s = sf_process_scale(r->process, T);
	int k, j;

	sf_process_phi(r->process, 0, T, P);
	(given_velocity ? sf_process_noise_cov : sf_process_cov)(r->process, T, S);
	l[0] = sqrt(S[0]);
	l[1] = S[1] / l[0];
	l[2] = sqrt(S[3] - l[1] * l[1]);
	for (k = 0; k < POINTS; k++) {
		double n[NORMALS] = {0}, x, v, *u = r->d->xt + 2 * D * k;

		n[k / 2] = k % 2 ? -2 : 2;
		x = MEAN + sqrt(VAR) * n[0];
		v = given_velocity ? sqrt(sf_process_start_var(r->process)) * n[3] : 0;
		for (j = 0; j < D; j++) {
			u[j] = P[0] * x + P[1] * v + l[0] * n[1];
			u[D + j] = P[2] * x + P[3] * v + l[1] * n[1] + l[2] * n[2];
			r->d->z[D * k + j] = s / l[2] * n[2];
		}
	}
}

/* Expected loss a dimension at the exact score, and its gradient's largest entry. */
static int at_score(sf_ctx *ctx, const char *objective, double *value, double *gradient)
{
	sf_trial *r;
	double a[3];
	int rc, k, j;

	SF_TRY(sf_trial_open(ctx, "affine", "cld:eps=0", "eps", objective, &r));
	r->d->n = POINTS;
	for (k = 0; k < POINTS; k++)
		r->d->t[k] = T;
	rc = sf_objective_draw_at(r->objective, &r->m, r->d);
	place(r, strncmp(objective, "dsm", 3) == 0);
	exact_eps(r->process, a);
	memset(r->param, 0, (size_t)r->total * sizeof *r->param);
	for (j = 0; j < D; j++) { /* A (3,6) at 0, b at 32 */
		r->param[2 * D * j + j] = a[0];
		r->param[2 * D * j + D + j] = a[1];
		r->param[32 + j] = a[2];
	}
	if (rc == 0)
		rc = sf_trial_run(r);
	*value = *gradient = 0;
	for (k = 0; k < POINTS; k++)
		*value += r->loss[k] / (D * POINTS);
	for (j = 0; j < D; j++)
		for (k = 0; k < 3; k++)
			sf_worst(gradient, r->grad[k < 2 ? 2 * D * j + k * D + j : 32 + j] / POINTS, 0, 1);
	sf_trial_close(r);
	return rc;
}

static int hsm_minimum(sf_ctx *ctx, sf_row *row)
{
	double value, gradient;

	SF_TRY(at_score(ctx, "hsm", &value, &gradient));
	return sf_row_value(row, value, .305298421155 / 2, 1e-11);
}

static int hsm_rest(sf_ctx *ctx, sf_row *row)
{
	double value, gradient;

	SF_TRY(at_score(ctx, "hsm", &value, &gradient));
	return sf_row_worst(row, gradient, 1e-12);
}

static int dsm_rest(sf_ctx *ctx, sf_row *row)
{
	double value, gradient;

	SF_TRY(at_score(ctx, "dsm", &value, &gradient));
	return sf_row_worst(row, gradient, 1e-12);
}

/* What v_0's own share adds: (ell_DSM^2/ell_HSM^2 - 1)/2. */
static int dsm_higher(sf_ctx *ctx, sf_row *row)
{
	double value[2], gradient, C[4], s;
	sf_process *p;

	SF_TRY(at_score(ctx, "hsm", &value[0], &gradient));
	SF_TRY(at_score(ctx, "dsm", &value[1], &gradient));
	SF_TRY(sf_process_new(ctx, "cld:eps=0", &p));
	sf_process_noise_cov(p, T, C);
	s = sf_process_scale(p, T);
	sf_process_free(p);
	return sf_row_value(row, value[1] - value[0], (s * s / (C[3] - C[1] * C[1] / C[0]) - 1) / 2, 1e-12);
}

static int weight_row(sf_ctx *ctx, sf_row *row, const char *objective, double want)
{
	sf_trial *r;
	double w;

	SF_TRY(sf_trial_open(ctx, "affine", "cld:eps=0", "mixed", objective, &r));
	w = sf_objective_weight(r->objective, &r->m, T, 0) / 2;
	sf_trial_close(r);
	return sf_row_value(row, w, want, 1e-10 * want);
}

static int version1(sf_ctx *ctx, sf_row *row) { return weight_row(ctx, row, "hsm:weight=g2-sigma2", 4); }
static int likelihood(sf_ctx *ctx, sf_row *row)
{
	return weight_row(ctx, row, "hsm:weight=g2", 4 * 2.67518144945 * 2.67518144945);
}

static int mixed(sf_ctx *ctx, sf_row *row)
{
	sf_process *p;
	sf_coef c;

	SF_TRY(sf_process_new(ctx, "cld:eps=0", &p));
	sf_param_coef(SF_PARAM_MIXED, p, 1, SF_COND_AUTO, 0, T, &c);
	sf_process_free(p);
	return sf_row_value(row, c.e_x / c.sigma, 1 / .215758350548, 1e-10);
}

/* ---- pairs of losses on one network and one draw ---- */
#define NET "mlp:width=12,depth=2,embed-width=8"

/* The gradients' largest difference, relative, and the losses', where c w |z|^2/2 is added to the second. */
static int pair_row(sf_ctx *ctx, sf_row *row, const char *process, const char *param, const char *first,
                    const char *second, double c)
{
	sf_trial *r[2] = {NULL, NULL};
	double worst = 0, largest = 0;
	int64_t q;
	int rc = 0, i, k;

	for (i = 0; rc == 0 && i < 2; i++) {
		rc = sf_trial_open(ctx, NET, process, param, i ? second : first, &r[i]);
		if (rc == 0)
			rc = sf_trial_draw(r[i], 5);
		if (rc == 0)
			rc = sf_trial_run(r[i]);
	}
	for (q = 0; rc == 0 && q < r[0]->total; q++)
		largest = fmax(largest, fabs(r[0]->grad[q]));
	for (q = 0; rc == 0 && q < r[0]->total; q++)
		sf_worst(&worst, r[1]->grad[q], r[0]->grad[q], largest);
	for (i = 0; rc == 0 && i < SF_TRIAL_N; i++) {
		double z2 = 0;

		for (k = 0; k < D; k++)
			z2 += r[0]->d->z[i * D + k] * r[0]->d->z[i * D + k] * r[0]->d->weight[i] / 2;
		sf_worst(&worst, r[1]->loss[i] + c * z2, r[0]->loss[i], z2);
	}
	sf_trial_close(r[0]);
	sf_trial_close(r[1]);
	return rc < 0 ? rc : sf_row_worst(row, largest > 0 ? worst : NAN, 1e-12);
}

static int hsm_lcss(sf_ctx *ctx, sf_row *row)
{
	return pair_row(ctx, row, "cld", "mixed", "hsm:weight=g2", "lcss:weight=g2", 1);
}
static int local_dsm(sf_ctx *ctx, sf_row *row)
{
	return pair_row(ctx, row, "vp", "v", "dsm", "local-dsm:step=linearised,back=1", 0);
}
static int local_hsm(sf_ctx *ctx, sf_row *row) { return pair_row(ctx, row, "cld", "eps", "hsm", "local-dsm", 0); }
static int local_lcss(sf_ctx *ctx, sf_row *row)
{
	return pair_row(ctx, row, "double-well", "score", "local-dsm:weight=sigma-p2", "lcss:weight=sigma-p2", 1);
}

/* A step from s on vp, data N(m,.6) a coordinate: at the score of p_t the loss rests at
 * (sigma^2/std^2 - sigma^2/(.6 alpha^2 + sigma^2))/2, whatever s. */
static int longer_step(sf_ctx *ctx, sf_row *row)
{
	const double t = .3, back = .2, c = .6, m = .7;
	double a, s, phi, from, std, var, value = 0, gradient = 0;
	sf_trial *r;
	int rc, k, j;

	SF_TRY(sf_trial_open(ctx, "affine", "vp", "eps", "local-dsm:step=linearised,back=0.2", &r));
	r->d->n = 6;
	for (k = 0; k < 6; k++)
		r->d->t[k] = t;
	rc = sf_objective_draw_at(r->objective, &r->m, r->d);
	a = sf_process_alpha(r->process, t);
	s = sf_process_sigma(r->process, t);
	phi = a / sf_process_alpha(r->process, t * (1 - back));
	from = phi * sf_process_sigma(r->process, t * (1 - back));
	std = sqrt(s * s - from * from);
	var = a * a * c + s * s;
	for (k = 0; k < 6; k++) {
		double n[3] = {0};

		n[k / 2] = k % 2 ? -sqrt(3) : sqrt(3);
		for (j = 0; j < D; j++) {
			r->d->xt[D * k + j] = a * (m + sqrt(c) * n[0]) + from * n[1] + std * n[2];
			r->d->z[D * k + j] = s / std * n[2];
		}
	}
	memset(r->param, 0, (size_t)r->total * sizeof *r->param);
	for (j = 0; j < D; j++) {
		r->param[j * D + j] = s / var;
		r->param[16 + j] = -s / var * a * m;
	}
	if (rc == 0)
		rc = sf_trial_run(r);
	for (k = 0; k < 6; k++)
		value += r->loss[k] / (6 * D);
	for (j = 0; j < D; j++) {
		sf_worst(&gradient, r->grad[j * D + j], 0, 1);
		sf_worst(&gradient, r->grad[16 + j], 0, 1);
	}
	sf_trial_close(r);
	return rc < 0 ? rc : sf_row_value(row, value + gradient, (s * s / (std * std) - s * s / var) / 2, 1e-11);
}

/* ---- discrete levels ---- */

/* lambda/2 |score + z/sigma|^2 written out at the level of every sample, against the loss. */
static int level_row(sf_ctx *ctx, sf_row *row, const char *process, int ddpm)
{
	enum { N = SF_TRIAL_N };
	double out[N * D], abar = 1, sigma, worst = 0;
	sf_score *score = NULL;
	sf_trial *r;
	int rc, i, j;

	SF_TRY(sf_trial_open(ctx, NET, process, "eps", "dsm:t=discrete", &r));
	rc = sf_trial_draw(r, 1);
	if (rc == 0)
		rc = sf_trial_run(r);
	if (rc == 0)
		rc = sf_model_score(&r->m, SF_F64, r->param, 0, &score);
	if (rc == 0)
		rc = sf_score_eval(score, SF_SCORE, N, r->d->xt, r->d->t, out);
	for (i = 0; rc == 0 && i < N; i++) {
		int level = (int)floor(9 * r->d->t[i] + .5);
		double want = 0;

		for (abar = 1, j = 0; j <= level; j++)
			abar *= 1 - (.1 + .9 * j / 9) / 10;
		sigma = ddpm ? sqrt(1 - abar) : .01 * pow(100, level / 9.);
		for (j = i * D; j < (i + 1) * D; j++) {
			double miss = sigma * out[j] + r->d->z[j];

			want += miss * miss / 2;
			sf_worst(&worst, r->d->xt[j], (ddpm ? sqrt(abar) : 1) * r->x0[j] + sigma * r->d->z[j], 1);
		}
		sf_worst(&worst, r->loss[i], want, 0);
	}
	sf_score_free(score);
	sf_trial_close(r);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-11);
}

static int smld(sf_ctx *ctx, sf_row *row)
{
	return level_row(ctx, row, "ve:sigma-min=0.01,sigma-max=1,levels=10", 0);
}
static int ddpm(sf_ctx *ctx, sf_row *row) { return level_row(ctx, row, "ddpm:levels=10,beta-max=1", 1); }

/* ---- the unconditional loss of s = A x + b at x' = x + z/2, x ~ N(M,C): mean and variance over 3^6 points ---- */
static int one_sample(sf_ctx *ctx, const char *process, const char *objective, double *mean, double *var)
{
	static const double M[D] = {.5, -1, 2}, A[D * D] = {-.7, .2, .1, 0, -1.1, .3, -.2, .1, -.4}, B[D] = {.3, -.2, .5};
	static const double C[D][D] = {{2, .3, -.4}, {.3, 1, .2}, {-.4, .2, 1.5}};
	double L[D][D] = {{0}}, square = 0;
	sf_trial *r;
	int rc, k, i, j, n, point;

	for (i = 0; i < D; i++)
		for (j = 0; j <= i; j++) {
			double sum = C[i][j];

			for (k = 0; k < j; k++)
				sum -= L[i][k] * L[j][k];
			L[i][j] = i == j ? sqrt(sum) : sum / L[j][j];
		}
	*mean = 0;
	SF_TRY(sf_trial_open(ctx, "affine", process, "score", objective, &r));
	memset(r->param, 0, (size_t)r->total * sizeof *r->param);
	memcpy(r->param, A, sizeof A);
	memcpy(r->param + 16, B, sizeof B);
	r->d->n = 9;
	for (k = 0; k < 9; k++)
		r->d->t[k] = .5;
	rc = sf_objective_draw_at(r->objective, &r->m, r->d);
	for (point = 0; rc == 0 && point < CUBE; point += 9) {
		double share[9];

		for (n = 0; n < 9; n++) {
			double u[2 * D];
			int rest = point + n;

			share[n] = 1;
			for (i = 0; i < 2 * D; i++, rest /= 3) {
				u[i] = (rest % 3 - 1) * sqrt(3);
				share[n] *= rest % 3 == 1 ? 2. / 3 : 1. / 6;
			}
			for (i = 0; i < D; i++) {
				r->d->z[n * D + i] = u[D + i];
				r->d->xt[n * D + i] = M[i] + u[D + i] / 2;
				for (j = 0; j <= i; j++)
					r->d->xt[n * D + i] += L[i][j] * u[j];
			}
		}
		rc = sf_trial_run(r);
		for (n = 0; n < 9; n++) {
			*mean += share[n] * r->loss[n];
			square += share[n] * r->loss[n] * r->loss[n];
		}
	}
	*var = square - *mean * *mean;
	sf_trial_close(r);
	return rc;
}

static int variance_row(sf_ctx *ctx, sf_row *row, const char *process, const char *objective, double want)
{
	double mean, var;

	SF_TRY(one_sample(ctx, process, objective, &mean, &var));
	return sf_row_value(row, var, want, 6e-9);
}

#define SMOOTH "lcss:stage=two,perturb=constant,sigma-p=0.5"
static int lcss_static(sf_ctx *ctx, sf_row *row)
{
	double mean, var;

	SF_TRY(one_sample(ctx, "static", SMOOTH, &mean, &var));
	return sf_row_value(row, mean, .5405, 1e-12);
}

static int lcss_variance(sf_ctx *ctx, sf_row *row) { return variance_row(ctx, row, "static", SMOOTH, 18.37659163); }
static int dsm_variance(sf_ctx *ctx, sf_row *row)
{
	return variance_row(ctx, row, "edm", "dsm:weight=one", 26.82659162);
}
static int antithetic_variance(sf_ctx *ctx, sf_row *row)
{
	return variance_row(ctx, row, "static", SMOOTH ",antithetic=true", 7.23317913);
}
static int control_variance(sf_ctx *ctx, sf_row *row)
{
	return variance_row(ctx, row, "static", SMOOTH ",control-variate=true", 8.62169163);
}

#define DOCKHORN "Dockhorn, Vahdat, Kreis 2022 (2112.07068)"
#define SINGHAL "Singhal, Goldstein, Ranganath 2024 (2407.07998)"
#define OSADA "Osada, Shing, Nishide 2024 (2412.03962)"
#define SONG "Song et al. 2021 (2011.13456), appendix B"
#define ROW(name, what, ref, run) {"objective", name, what, ref, run}
const sf_check sf_checks_hsm[] = {
	ROW("hsm.minimum", "(1 - [S^-1]_vv/ell^2)/2 at the score of Gaussian data, t = 0.1", DOCKHORN ", appendix B.3",
	    hsm_minimum),
	ROW("hsm.minimiser", "the expected gradient vanishes at the velocity's score", DOCKHORN ", appendix B.3", hsm_rest),
	ROW("hsm.version-1", "weight=g2-sigma2: lambda/2 = Gamma beta/ell^2", DOCKHORN ", appendix B.3", version1),
	ROW("hsm.likelihood", "weight=g2: lambda/2 = Gamma beta", DOCKHORN ", appendix B.3", likelihood),
	ROW("hsm.mixed", "mixed parametrisation starts from -v/Sigma_vv", DOCKHORN ", appendix B.3", mixed),
	ROW("dsm.cld-minimiser", "given v_0 too: at rest at the same score", DOCKHORN ", appendix B.3", dsm_rest),
	ROW("dsm.cld-excess", "and higher by (ell_DSM^2/ell_HSM^2 - 1)/2", DOCKHORN ", appendix B.3", dsm_higher),
	ROW("dsm.smld", "discrete levels on ve: sigma^2/2 |s + z/sigma|^2, geometric sigma", SONG, smld),
	ROW("dsm.ddpm", "discrete levels on ddpm: |eps - z|^2/2, table of abar", SONG, ddpm),
	ROW("dsm.variance", "of one sample's loss, linear score on a Gaussian", "Vincent 2011", dsm_variance),
	ROW("local-dsm.is-dsm", "back=1 on a linear process: loss and gradient of DSM", SINGHAL, local_dsm),
	ROW("local-dsm.is-hsm", "position and velocity: loss and gradient of HSM", SINGHAL ", " DOCKHORN, local_hsm),
	ROW("local-dsm.is-lcss", "simulated paths: gradient of LCSS with the last noise", SINGHAL ", " OSADA, local_lcss),
	ROW("local-dsm.longer-step", "any s < t: at rest at the score of p_t, value in closed form", SINGHAL, longer_step),
	ROW("lcss.is-hsm", "position and velocity, one stage: l_HSM = l_LCSS + w |z|^2/2", OSADA, hsm_lcss),
	ROW("lcss.static-value", "no process: tr A + tr(A C_s A')/2 + |e|^2/2", OSADA ", Stein's identity", lcss_static),
	ROW("lcss.variance", "of one sample's loss", OSADA, lcss_variance),
	ROW("lcss.antithetic-variance", "of the mean over z and -z", OSADA, antithetic_variance),
	ROW("lcss.control-variance", "with z.s at the base point taken off", OSADA, control_variance),
	{NULL, NULL, NULL, NULL, NULL}};
