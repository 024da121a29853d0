/* slices.c: checks of implicit and sliced score matching. For a linear score s = A x + b on x ~ N(m,C), e = A m + b:
 *
 *     J = tr A + tr(A C A')/2 + |e|^2/2,   dJ/dA = I + A C + e m',   dJ/db = e,   least -tr C^{-1}/2
 *
 * Expectations and variances have no sampling error: losses have degree 2 in x and in the direction v, their
 * squares 4, which the 27 points of {-sqrt 3, 0, sqrt 3}^3 (weights 1/6, 2/3, 1/6) integrate for unit normals, the
 * icosahedron's corners for the sphere, and all eight for signs.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { D = SF_TRIAL_D, POINTS = 27, B_AT = 16 }; /* parameters start at multiples of 16 */
enum { NONE, SIGNS, NORMALS, SPHERE };

static const double M[D] = {.5, -1, 2};
static const double C[D][D] = {{2, .3, -.4}, {.3, 1, .2}, {-.4, .2, 1.5}};
static const double A[D][D] = {{-.7, .2, .1}, {0, -1.1, .3}, {-.2, .1, -.4}};
static const double B[D] = {.3, -.2, .5};

/* Points and weights of a law; returns their number. */
static int law(int kind, double x[POINTS][D], double *w)
{
	double phi = (1 + sqrt(5)) / 2, r = sqrt(3 / (1 + phi * phi));
	int n = 0, p, k;

	for (p = 0; p < POINTS; p++) {
		int at[D], zeros = 0;

		for (k = 0; k < D; k++) {
			at[k] = (k == 0 ? p : k == 1 ? p / 3 : p / 9) % 3 - 1;
			zeros += at[k] == 0;
		}
		if ((kind == NONE && zeros < D) || (kind == SIGNS && zeros > 0) || (kind == SPHERE && zeros != 1))
			continue;
		for (k = 0; k < D; k++)
			x[n][k] = kind == SIGNS ? at[k]
			          : kind == SPHERE ? r * at[k] * (at[(k + 2) % D] == 0 ? 1 : phi)
			                           : sqrt(3) * at[k];
		w[n++] = kind == NORMALS ? pow(4, zeros) / 216 : kind == NONE ? 1 : kind == SIGNS ? 1. / 8 : 1. / 12;
	}
	return n;
}

typedef struct result {
	double mean, var, grad[2 * B_AT];
} result;

/* Runs the loss on every pair of a point of x = mean + F u and a direction; each loss is weighted by its share. */
static int average(sf_trial *r, const double *mean, double f[D][D], int directions, double length, result *out)
{
	double u[POINTS][D], wu[POINTS], v[POINTS][D], wv[POINTS], base = r->d->weight[0], square = 0;
	int nu = law(NORMALS, u, wu), nv = law(directions, v, wv), total = nu * nv, at, i, k, j;

	memset(out, 0, sizeof *out);
	for (at = 0; at < total; at += SF_TRIAL_N) {
		r->d->n = total - at < SF_TRIAL_N ? total - at : SF_TRIAL_N;
		for (i = 0; i < r->d->n; i++) {
			int a = (at + i) / nv, b = (at + i) % nv;

			r->d->weight[i] = base * wu[a] * wv[b];
			for (k = 0; k < D; k++) {
				double x = mean[k];

				for (j = 0; j <= k; j++)
					x += f[k][j] * u[a][j];
				r->d->xt[i * D + k] = x;
				if (r->d->probe)
					r->d->probe[i * D + k] = length * v[b][k];
			}
		}
		SF_TRY(sf_trial_run(r));
		for (i = 0; i < r->d->n; i++) {
			out->mean += r->loss[i];
			square += r->loss[i] * r->loss[i] / (wu[(at + i) / nv] * wv[(at + i) % nv]);
		}
		for (i = 0; i < 2 * B_AT; i++)
			out->grad[i] += r->grad[i];
	}
	out->var = square - out->mean * out->mean;
	return SF_OK;
}

/* The loss of A, b, or with `best` of the score itself, on the data at time t. */
static int gaussian(sf_ctx *ctx, const char *objective, const char *process, double t, int best, int directions,
                    double length, result *out)
{
	double mean[D], c[D][D], f[D][D], a[D][D], al, s;
	sf_trial *r;
	int i, j, rc;

	SF_TRY(sf_trial_open(ctx, "affine", process, "score", objective, &r));
	for (i = 0; i < SF_TRIAL_N; i++)
		r->d->t[i] = t;
	rc = sf_objective_draw_at(r->objective, &r->m, r->d);
	al = isnan(r->d->coef[0].alpha) ? 1 : r->d->coef[0].alpha; /* static: the data themselves */
	s = isnan(r->d->coef[0].alpha) ? 0 : r->d->coef[0].sigma;
	for (i = 0; i < D; i++) {
		mean[i] = al * M[i];
		for (j = 0; j < D; j++)
			c[i][j] = al * al * C[i][j] + (i == j ? s * s : 0);
	}
	sf_trial_factor(c, f);
	sf_trial_inverse(c, a);
	for (i = 0; i < D; i++) {
		r->param[B_AT + i] = best ? 0 : B[i];
		for (j = 0; j < D; j++) {
			r->param[i * D + j] = best ? -a[i][j] : A[i][j];
			r->param[B_AT + i] += best ? a[i][j] * mean[j] : 0;
		}
	}
	if (rc == 0)
		rc = average(r, mean, f, directions, length, out);
	sf_trial_close(r);
	return rc;
}

static int value_row(sf_ctx *ctx, sf_row *row, const char *objective, int directions, double length, double want,
                     double tolerance)
{
	result got;

	SF_TRY(gaussian(ctx, objective, "static", 1, 0, directions, length, &got));
	return sf_row_value(row, got.mean, want, tolerance);
}

static int variance_row(sf_ctx *ctx, sf_row *row, const char *objective, int directions, double want)
{
	result got;

	SF_TRY(gaussian(ctx, objective, "static", 1, 0, directions, 1, &got));
	return sf_row_value(row, got.var, want, 6e-9);
}

static int minimum_row(sf_ctx *ctx, sf_row *row, const char *objective, const char *process, double t, double want)
{
	result got;

	SF_TRY(gaussian(ctx, objective, process, t, 1, SIGNS, 1, &got));
	return sf_row_value(row, got.mean, want, 2e-10);
}

static int gradient_row(sf_ctx *ctx, sf_row *row, const char *objective, int directions, double scale)
{
	double worst = 0;
	result got;
	int i, j, k;

	SF_TRY(gaussian(ctx, objective, "static", 1, 0, directions, 1, &got));
	for (i = 0; i < D; i++) {
		double e = B[i];

		for (k = 0; k < D; k++)
			e += A[i][k] * M[k];
		for (j = 0; j < D; j++) {
			double want = (i == j) + e * M[j];

			for (k = 0; k < D; k++)
				want += A[i][k] * C[k][j];
			sf_worst(&worst, got.grad[i * D + j], scale * want, scale);
		}
		sf_worst(&worst, got.grad[B_AT + i], scale * e, scale);
	}
	return sf_row_worst(row, worst, 1e-12);
}

#define VALUE(fn, spec, v, want)                                                                   \
	static int fn(sf_ctx *ctx, sf_row *row) { return value_row(ctx, row, spec, v, 1, want, 1e-12); }
#define VARIANCE(fn, spec, v, want)                                                                \
	static int fn(sf_ctx *ctx, sf_row *row) { return variance_row(ctx, row, spec, v, want); }
#define MINIMUM(fn, spec, process, t, want)                                                        \
	static int fn(sf_ctx *ctx, sf_row *row) { return minimum_row(ctx, row, spec, process, t, want); }
#define GRADIENT(fn, spec, v, scale)                                                               \
	static int fn(sf_ctx *ctx, sf_row *row) { return gradient_row(ctx, row, spec, v, scale); }
VALUE(ism_value, "ism", NONE, .28425)
VALUE(ssm_value, "ssm", NORMALS, .28425)
VALUE(ssm_unit, "ssm:unit-norm=true", SIGNS, .09475)
VALUE(vr_value, "ssm-vr", SPHERE, .28425)
GRADIENT(ism_gradient, "ism", NONE, 1)
GRADIENT(ssm_gradient, "ssm", SPHERE, 1)
GRADIENT(unit_gradient, "ssm:unit-norm=true", SIGNS, 1. / 3)
GRADIENT(vr_gradient, "ssm-vr", NORMALS, 1)
MINIMUM(ism_minimum, "ism", "static", 1, -1.204889406286)
MINIMUM(ssm_minimum, "ssm", "static", 1, -1.204889406286)
MINIMUM(vr_minimum, "ssm-vr", "static", 1, -1.204889406286)
MINIMUM(ism_vp, "ism:weight=one", "vp", .3, -1.3037207629)
MINIMUM(ism_subvp, "ism:weight=one", "subvp", .3, -1.6686894363)
MINIMUM(ism_ve, "ism:weight=one", "ve", .3, -1.1860515672)
MINIMUM(ssm_vp, "ssm:weight=one", "vp", .3, -1.3037207629)
MINIMUM(vr_vp, "ssm-vr:weight=one", "vp", .3, -1.3037207629)
VARIANCE(ism_variance, "ism", NONE, 8.18041350 - 3.93)
VARIANCE(ssm_signs, "ssm", SIGNS, 9.84491400)
VARIANCE(ssm_normals, "ssm", NORMALS, 18.90513663)
VARIANCE(ssm_sphere, "ssm", SPHERE, 11.31076275)
VARIANCE(vr_signs, "ssm-vr", SIGNS, 4.46041350)
VARIANCE(vr_normals, "ssm-vr", NORMALS, 8.18041350)
VARIANCE(vr_sphere, "ssm-vr", SPHERE, 4.67241350)

/* Directions of length 1, which the library refuses for ssm-vr, put in by hand. */
static int vr_trap(sf_ctx *ctx, sf_row *row)
{
	return value_row(ctx, row, "ssm-vr", SIGNS, sqrt(1. / 3), 1.750916667, 1e-9);
}

/* ---- on a network ---- */
#define NET "mlp:width=12,depth=2,embed-width=8"

/* With directions sqrt(d) e_k the sliced loss is the exact one, and so is its gradient. */
static int basis_row(sf_ctx *ctx, sf_row *row, const char *objective, const char *process, const char *param)
{
	sf_trial *exact, *sliced = NULL;
	double worst = 0, largest = 0;
	int rc, i, k;

	SF_TRY(sf_trial_open(ctx, NET, process, param, "ism", &exact));
	rc = sf_trial_open(ctx, NET, process, param, objective, &sliced);
	if (rc == 0)
		rc = sf_trial_draw(exact, 5);
	if (rc == 0)
		rc = sf_trial_draw(sliced, 5);
	for (i = 0; rc == 0 && i < SF_TRIAL_N * D * D; i++)
		sliced->d->probe[i] = i / D % D == i % D ? sqrt(D) : 0;
	if (rc == 0)
		rc = sf_trial_run(exact);
	if (rc == 0)
		rc = sf_trial_run(sliced);
	for (i = 0; rc == 0 && i < SF_TRIAL_N; i++)
		sf_worst(&worst, sliced->loss[i], exact->loss[i], 1);
	for (k = 0; rc == 0 && k < exact->total; k++)
		largest = fmax(largest, fabs(exact->grad[k]));
	for (k = 0; rc == 0 && k < exact->total; k++)
		sf_worst(&worst, sliced->grad[k], exact->grad[k], largest);
	sf_trial_close(exact);
	sf_trial_close(sliced);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-12);
}

static int ssm_basis(sf_ctx *ctx, sf_row *row) { return basis_row(ctx, row, "ssm:slices=3", "vp", "v"); }
static int vr_basis(sf_ctx *ctx, sf_row *row) { return basis_row(ctx, row, "ssm-vr:slices=3", "cld", "mixed"); }

/* The variance of v'A v over what the library draws: (v'A v - tr A)^2 on average, in standard errors. */
static int trace_row(sf_ctx *ctx, sf_row *row, const char *projections, double want)
{
	enum { STEPS = 64, SLICES = 64, ALL = STEPS * SLICES * SF_TRIAL_N };
	double sum = 0, square = 0;
	char spec[60];
	sf_trial *r;
	int rc, step, i, j, k;

	snprintf(spec, sizeof spec, "ssm-vr:slices=%d,projections=%s", SLICES, projections);
	SF_TRY(sf_trial_open(ctx, "affine", "static", "score", spec, &r));
	for (rc = 0, step = 0; rc == 0 && step < STEPS; step++) {
		rc = sf_trial_draw(r, (uint32_t)step);
		for (k = 0; k < SLICES * SF_TRIAL_N; k++) {
			const double *v = r->d->probe + k * D;
			double q = 2.2; /* -tr A */

			for (i = 0; i < D; i++)
				for (j = 0; j < D; j++)
					q += v[i] * A[i][j] * v[j];
			sum += q * q;
			square += q * q * q * q;
		}
	}
	sf_trial_close(r);
	sum /= ALL;
	square = sqrt((square / ALL - sum * sum) / ALL);
	return rc < 0 ? rc : sf_row_value(row, sum, want, 4.5 * square);
}

static int trace_signs(sf_ctx *ctx, sf_row *row) { return trace_row(ctx, row, "rademacher", .21); }
static int trace_normals(sf_ctx *ctx, sf_row *row) { return trace_row(ctx, row, "gaussian", 3.93); }
static int trace_sphere(sf_ctx *ctx, sf_row *row) { return trace_row(ctx, row, "sphere", .422); }

#define SONG "Song, Garg, Shi, Ermon 2019 (1905.07088)"
#define ROW(name, what, ref, run) {"objective", name, what, ref, run}
const sf_check sf_checks_slices[] = {
	ROW("ism.gaussian-value", "tr A + tr(A C A')/2 + |e|^2/2", "Hyvarinen 2005", ism_value),
	ROW("ism.gaussian-gradient", "dJ/dA = I + A C + e m', dJ/db = e", "Hyvarinen 2005", ism_gradient),
	ROW("ism.minimum", "-tr C^-1/2 at the data's score", "Hyvarinen 2005", ism_minimum),
	ROW("ism.vp-optimum", "-tr C_t^-1/2 at t = 0.3", "Hyvarinen 2005", ism_vp),
	ROW("ism.subvp-optimum", "-tr C_t^-1/2 at t = 0.3", "Hyvarinen 2005", ism_subvp),
	ROW("ism.ve-optimum", "-tr C_t^-1/2 at t = 0.3", "Hyvarinen 2005", ism_ve),
	ROW("ism.variance", "tr((A C A')^2)/2 + e'A C A'e", "Hyvarinen 2005", ism_variance),
	ROW("ssm.gaussian-value", "implicit score matching's, normal directions", SONG, ssm_value),
	ROW("ssm.gaussian-gradient", "dJ/dA = I + A C + e m', dJ/db = e, sphere", SONG, ssm_gradient),
	ROW("ssm.unit-norm", "directions of length 1: the loss over d", SONG ", code", ssm_unit),
	ROW("ssm.unit-norm-gradient", "and its gradient over d", SONG ", code", unit_gradient),
	ROW("ssm.minimum", "-tr C^-1/2 at the data's score", SONG, ssm_minimum),
	ROW("ssm.vp-optimum", "-tr C_t^-1/2 at t = 0.3", SONG, ssm_vp),
	ROW("ssm.basis", "over sqrt(d) e_k: implicit score matching, per sample", SONG, ssm_basis),
	ROW("ssm.variance-rademacher", "of the loss of one direction", SONG, ssm_signs),
	ROW("ssm.variance-gaussian", "of the loss of one direction", SONG, ssm_normals),
	ROW("ssm.variance-sphere", "of the loss of one direction", SONG, ssm_sphere),
	ROW("ssm-vr.gaussian-value", "implicit score matching's, sphere of radius sqrt(d)", SONG, vr_value),
	ROW("ssm-vr.gaussian-gradient", "dJ/dA = I + A C + e m', dJ/db = e, normals", SONG, vr_gradient),
	ROW("ssm-vr.unit-norm-trap", "length 1 would be tr A/d + E|s|^2/2", SONG, vr_trap),
	ROW("ssm-vr.minimum", "-tr C^-1/2 at the data's score", SONG, vr_minimum),
	ROW("ssm-vr.vp-optimum", "-tr C_t^-1/2 at t = 0.3", SONG, vr_vp),
	ROW("ssm-vr.basis", "over sqrt(d) e_k: implicit score matching, CLD", SONG, vr_basis),
	ROW("ssm-vr.variance-rademacher", "of the loss of one direction", SONG, vr_signs),
	ROW("ssm-vr.variance-gaussian", "of the loss of one direction", SONG, vr_normals),
	ROW("ssm-vr.variance-sphere", "of the loss of one direction", SONG, vr_sphere),
	ROW("ssm-vr.trace-rademacher", "Var v'Av = 2 (F - sum A_ii^2) as drawn", SONG, trace_signs),
	ROW("ssm-vr.trace-gaussian", "Var v'Av = 2 F as drawn", SONG, trace_normals),
	ROW("ssm-vr.trace-sphere", "Var v'Av = 2 (d F - t^2)/(d + 2) as drawn", SONG, trace_sphere),
	{NULL, NULL, NULL, NULL, NULL}};
