/* fd.c: checks of the finite-difference losses and of networks as energies. With the same seed they draw the same
 * states, noise and directions as the losses that they stand for, so samples are compared one by one: equal for
 * linear scores and quadratic energies whatever the length h, of order h^2 for a perceptron.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { D = SF_TRIAL_D, N = SF_TRIAL_N, T = 128 /* longest spec */ };
static const double lengths[] = {1e-3, .1, 1};
#define MLP "mlp:width=10,depth=2,embed-width=8,act=tanh"

/* Two trials with one model, drawn at time t with the same noise. */
static int pair(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *a,
                const char *b, double t, sf_trial **pa, sf_trial **pb)
{
	int i, rc;

	*pb = NULL;
	SF_TRY(sf_trial_open(ctx, net, process, param, a, pa));
	rc = sf_trial_open(ctx, net, process, param, b, pb);
	for (i = 0; rc == 0 && i < N; i++)
		(*pa)->d->t[i] = (*pb)->d->t[i] = t;
	if (rc == 0)
		rc = sf_objective_draw_at((*pa)->objective, &(*pa)->m, (*pa)->d);
	if (rc == 0)
		rc = sf_objective_draw_at((*pb)->objective, &(*pb)->m, (*pb)->d);
	if (rc < 0) {
		sf_trial_close(*pa);
		sf_trial_close(*pb);
	}
	return rc;
}

/* Directions sqrt(d) e_k, in d slices: sums over them are traces and norms. */
static void axes(sf_trial *r)
{
	int64_t i;

	if (sf_objective_probes(r->objective) != D)
		return;
	for (i = 0; i < N * D * D; i++)
		r->d->probe[i] = i / D % D == i % D ? sqrt(D) : 0;
}

/* Sum of |l_fd - l| over the batch, each in units of w (and `worst` such). */
static int distance(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *fd,
                    const char *of, double eps, double *sum, double *worst)
{
	char spec[T];
	sf_trial *a, *b;
	double t;
	int i, rc;

	t = strcmp(process, "static") == 0 ? 1 : .4;
	snprintf(spec, sizeof spec, "%s,eps-min=0,eps=%g", fd, eps);
	SF_TRY(pair(ctx, net, process, param, spec, of, t, &a, &b));
	axes(a);
	rc = sf_trial_run(a);
	if (rc == 0)
		rc = sf_trial_run(b);
	*sum = 0;
	for (i = 0; rc == 0 && i < N; i++) {
		*sum += fabs(a->loss[i] - b->loss[i]) / a->d->weight[i];
		sf_worst(worst, a->loss[i], b->loss[i], a->d->weight[i]);
	}
	sf_trial_close(a);
	sf_trial_close(b);
	return rc;
}

static int exact_row(sf_ctx *ctx, sf_row *row, const char *process, const char *param, const char *fd, const char *of,
                     double tolerance)
{
	double worst = 0, sum;
	int i;

	for (i = 0; i < 3; i++)
		SF_TRY(distance(ctx, "affine:init=1", process, param, fd, of, lengths[i], &sum, &worst));
	return sf_row_worst(row, worst, tolerance);
}

/* log2 of what halving h gains. */
static int order_row(sf_ctx *ctx, sf_row *row, const char *process, const char *param, const char *fd, const char *of)
{
	double worst = 0, coarse, fine;

	SF_TRY(distance(ctx, MLP, process, param, fd, of, .04, &coarse, &worst));
	SF_TRY(distance(ctx, MLP, process, param, fd, of, .02, &fine, &worst));
	return sf_row_value(row, log2(coarse / fine), 2, .005);
}

#define SPHERE ":projections=sphere"
#define EXACT(fn, process, param, fd, of, tol)                                                     \
	static int fn(sf_ctx *ctx, sf_row *row) { return exact_row(ctx, row, process, param, fd, of, tol); }
#define ORDER(fn, process, param, fd, of)                                                          \
	static int fn(sf_ctx *ctx, sf_row *row) { return order_row(ctx, row, process, param, fd, of); }
EXACT(ssm_exact, "vp", "v", "fd-ssm:slices=1", "ssm" SPHERE, 1e-10)
EXACT(ssm_static, "static", "eps", "fd-ssm:slices=1", "ssm" SPHERE, 1e-10)
EXACT(ssm_cld, "cld", "mixed", "fd-ssm:weight=g2", "ssm:weight=g2,projections=sphere", 1e-10)
EXACT(ssm_energy, "vp", "energy", "fd-ssm:slices=1", "ssm" SPHERE, 1e-7) /* 1e-3: rounding over h^2 */
EXACT(vr_exact, "vp", "v", "fd-ssm-vr:slices=1", "ssm-vr" SPHERE, 1e-10)
EXACT(vr_normal, "edm", "edm", "fd-ssm-vr:direction=gaussian", "ssm-vr:projections=gaussian", 1e-10)
EXACT(vr_well, "double-well", "eps", "fd-ssm-vr:slices=1", "ssm-vr" SPHERE, 1e-10)
EXACT(dsm_exact, "vp", "energy", "fd-dsm:slices=3", "dsm", 1e-10)
EXACT(dsm_cld, "cld", "energy", "fd-dsm:slices=3", "hsm", 1e-10)
ORDER(ssm_order, "vp", "v", "fd-ssm:slices=1", "ssm" SPHERE)
ORDER(ssm_order_energy, "vp", "energy", "fd-ssm:slices=1", "ssm" SPHERE)
ORDER(vr_order, "subvp", "x0", "fd-ssm-vr:slices=1", "ssm-vr" SPHERE)
ORDER(dsm_order, "vp", "energy", "fd-dsm:slices=3", "dsm")

/* ---- the Gaussian golden case: x ~ N(m,C) by the points m +- sqrt(d) L e_k ---- */
static const double M[D] = {.5, -1, 2};
static const double L[D][D] = { /* C = [[2,.3,-.4],[.3,1,.2],[-.4,.2,1.5]] */
	{1.4142135623730951, 0, 0}, {.21213203435596423, .9772410142846032, 0},
	{-.282842712474619, .2660551452502585, 1.1615569980357674}};
static const double A[D][D] = {{-.7, .2, .1}, {0, -1.1, .3}, {-.2, .1, -.4}}, B[D] = {.3, -.2, .5};

static int gaussian_row(sf_ctx *ctx, sf_row *row, const char *objective)
{
	double worst = 0, value;
	int n, i, j, k, rc = SF_OK;

	for (n = 0; n < 3 && rc == 0; n++) {
		char spec[T];
		sf_trial *r;

		snprintf(spec, sizeof spec, "%s:slices=3,eps-min=0,eps=%g", objective, lengths[n]);
		SF_TRY(sf_trial_open(ctx, "affine", "static", "score", spec, &r));
		rc = sf_trial_draw(r, 1);
		axes(r);
		r->d->n = 2 * D;
		for (k = 0; k < 2 * D; k++)
			for (i = 0; i < D; i++)
				r->d->xt[k * D + i] = M[i] + (k % 2 ? -1 : 1) * sqrt(D) * L[i][k / 2];
		for (i = 0; i < D; i++) {
			for (j = 0; j < D; j++)
				r->param[i * D + j] = A[i][j];
			r->param[16 + i] = B[i]; /* parameters start at multiples of 16 */
		}
		if (rc == 0)
			rc = sf_trial_run(r);
		for (value = 0, k = 0; k < 2 * D; k++)
			value += r->loss[k] / (2 * D);
		sf_worst(&worst, value, .28425, 1);
		sf_trial_close(r);
	}
	return rc < 0 ? rc : sf_row_value(row, .28425 + worst, .28425, 1e-10);
}

static int ssm_gaussian(sf_ctx *ctx, sf_row *row) { return gaussian_row(ctx, row, "fd-ssm"); }
static int vr_gaussian(sf_ctx *ctx, sf_row *row) { return gaussian_row(ctx, row, "fd-ssm-vr"); }

/* v = sigma_p z: l_FD = l_antithetic - w |eps+ - eps-|^2/8, which is w |sigma_p A z|^2/2 for eps = A x + b. */
static int lcss_row(sf_ctx *ctx, sf_row *row)
{
	double worst = 0;
	sf_trial *f, *a;
	int i, j, k, rc;

	SF_TRY(pair(ctx, "affine:init=1", "vp", "eps", "fd-ssm-vr:direction=gaussian,eps=0.5",
	            "lcss:stage=two,rho=0.5,antithetic=true", .4, &f, &a));
	for (i = 0; i < N * D; i++) {
		f->d->probe[i] = a->d->z[i];
		f->d->xt[i] = a->d->xt[i] - .5 * a->d->coef[i / D].sigma * a->d->z[i]; /* LCSS holds x + sigma_p z */
	}
	rc = sf_trial_run(f);
	if (rc == 0)
		rc = sf_trial_run(a);
	for (k = 0; rc == 0 && k < N; k++) {
		double w = a->d->weight[k], penalty = 0;

		for (i = 0; i < D; i++) {
			double az = 0;

			for (j = 0; j < D; j++)
				az += a->param[i * D + j] * a->d->z[k * D + j];
			penalty += az * az;
		}
		penalty *= .25 * a->d->coef[k].sigma * a->d->coef[k].sigma / 2;
		sf_worst(&worst, a->loss[k] - f->loss[k], w * penalty, w);
	}
	sf_trial_close(f);
	sf_trial_close(a);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-12);
}

/* ---- energies: the score is -(d<x,F>/dx)/sigma, by differences of order 4 ---- */
static int values(const sf_trial *r, const double *x, double *energy)
{
	sf_model_vars v;
	sf_graph *g;
	sf_plan *plan = NULL;
	sf_run run;
	double c_in[N], c_noise[N];
	int i, rc;

	for (i = 0; i < N; i++) {
		c_in[i] = r->d->coef[i].c_in;
		c_noise[i] = r->d->coef[i].c_noise;
	}
	SF_TRY(sf_graph_new(r->m.ctx, 1, &g));
	sf_model_vars_init(&v);
	memset(&run, 0, sizeof run);
	run.n = N;
	rc = sf_model_build_energy(&r->m, g, 0, &v);
	if (rc == 0)
		rc = sf_plan_new(g, &v.energy, 1, SF_F64, N, &plan);
	if (rc == 0)
		rc = sf_plan_bind_params(plan, r->param);
	if (rc == 0)
		rc = sf_plan_bind(plan, v.x, x);
	if (rc == 0)
		rc = sf_plan_bind(plan, v.c_in, c_in);
	if (rc == 0)
		rc = sf_plan_bind(plan, v.c_noise, c_noise);
	if (rc == 0)
		rc = sf_plan_output(plan, 0, energy);
	if (rc == 0)
		rc = sf_plan_run(plan, &run);
	sf_plan_free(plan);
	sf_graph_free(g);
	return rc;
}

static int energy_row(sf_ctx *ctx, sf_row *row)
{
	static const double at[4] = {1, -1, 2, -2}, share[4] = {8, -8, -1, 1};
	double s[N * D], x[N * D], e[N], slope[N], h = 1e-3, worst = 0;
	sf_score *score = NULL;
	sf_trial *r;
	int i, j, k, rc;

	SF_TRY(sf_trial_open(ctx, MLP, "vp", "energy", "fd-ssm", &r));
	rc = sf_trial_draw(r, 1);
	if (rc == 0)
		rc = sf_model_score(&r->m, SF_F64, r->param, 0, &score);
	if (rc == 0)
		rc = sf_score_eval(score, SF_SCORE, N, r->d->xt, r->d->t, s);
	for (j = 0; j < D; j++) {
		memset(slope, 0, sizeof slope);
		for (k = 0; rc == 0 && k < 4; k++) {
			memcpy(x, r->d->xt, sizeof x);
			for (i = 0; i < N; i++)
				x[i * D + j] += at[k] * h;
			rc = values(r, x, e);
			for (i = 0; rc == 0 && i < N; i++)
				slope[i] += share[k] * e[i] / (12 * h);
		}
		for (i = 0; rc == 0 && i < N; i++)
			sf_worst(&worst, s[i * D + j] * r->d->coef[i].sigma, -slope[i], 1);
	}
	sf_score_free(score);
	sf_trial_close(r);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-9);
}

#define PANG "Pang, Xu, Li, Song, Ermon, Zhu 2020 (2007.03317)"
#define ROW(name, what, ref, run) {"objective", name, what, ref, run}
const sf_check sf_checks_fd[] = {
	ROW("fd-ssm.gaussian-value", "tr A + tr(A C A')/2 + |e|^2/2, eps = 0.001, 0.1, 1", PANG, ssm_gaussian),
	ROW("fd-ssm.is-ssm", "per sample SSM for a linear score, VP, any eps", PANG, ssm_exact),
	ROW("fd-ssm.is-ssm-static", "per sample SSM for a linear score, no process", PANG, ssm_static),
	ROW("fd-ssm.is-ssm-cld", "per sample SSM of the velocity, CLD", PANG, ssm_cld),
	ROW("fd-ssm.energy-is-ssm", "three values of a quadratic energy give SSM", PANG, ssm_energy),
	ROW("fd-ssm.order", "order 2 in eps, perceptron", PANG, ssm_order),
	ROW("fd-ssm.energy-order", "order 2 in eps, perceptron as an energy", PANG, ssm_order_energy),
	ROW("fd-ssm-vr.gaussian-value", "tr A + tr(A C A')/2 + |e|^2/2, eps = 0.001, 0.1, 1", PANG, vr_gaussian),
	ROW("fd-ssm-vr.is-ssm-vr", "per sample SSM-VR for a linear score, VP, any eps", PANG, vr_exact),
	ROW("fd-ssm-vr.is-ssm-vr-normal", "the same with normal directions, EDM", PANG, vr_normal),
	ROW("fd-ssm-vr.is-ssm-vr-well", "per sample SSM-VR on a nonlinear process", PANG, vr_well),
	ROW("fd-ssm-vr.order", "order 2 in eps, perceptron", PANG, vr_order),
	ROW("fd-ssm-vr.lcss", "antithetic LCSS less |s+ - s-|^2/8, per sample", "Osada, Shing, Nishide 2024 (2412.03962)",
	    lcss_row),
	ROW("fd-dsm.is-dsm", "along d axes DSM for a quadratic energy, VP, any eps", PANG, dsm_exact),
	ROW("fd-dsm.is-hsm", "along d axes HSM for a quadratic energy, CLD", PANG, dsm_cld),
	ROW("fd-dsm.order", "order 2 in eps, perceptron as an energy", PANG, dsm_order),
	{"net", "param.energy", "score = -grad <x,F>/sigma, against differences", PANG, energy_row},
	{NULL, NULL, NULL, NULL, NULL}};
