/* latent_parts.c: see latent_parts.h.
 *
 * All coordinates get the same numbers. An encoder N(m, v) and the exact score of a prior N(n, c) make the loss a polynomial of
 * degree 2 in the normals behind a draw (latent, noise; of two blocks latent, position, velocity), for which the points
 * +-sqrt(N) e_k are exact. Integrals are by Gauss-Legendre's rule of five nodes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/latent_parts.h"

#include <math.h>
#include <string.h>

enum { D = SF_TRIAL_D, PANELS = 96, GAUSS = 5 };

/* ---- integrals over time ---- */

/* Of x, or of x = exp(y). */
static int add_panel(double from, double to, int logarithm, sf_integrand f, void *arg, double *sum)
{
	const double far = sqrt(5 + 2 * sqrt(10. / 7)) / 3, near = sqrt(5 - 2 * sqrt(10. / 7)) / 3;
	const double node[GAUSS] = {-far, -near, 0, near, far}, small = (322 - 13 * sqrt(70)) / 900;
	const double share[GAUSS] = {small, 1 - small - 64. / 225, 128. / 225, 1 - small - 64. / 225, small};
	double half = (to - from) / 2, value;
	int i;

	for (i = 0; i < GAUSS; i++) {
		double x = from + half * (1 + node[i]), slope = 1;

		if (logarithm)
			x = slope = exp(x);
		SF_TRY(f(arg, x, &value));
		*sum += share[i] * half * slope * value;
	}
	return SF_OK;
}

int sf_add_towards_end(double from, double to, sf_integrand f, void *arg, double *sum)
{
	int halvings;

	for (halvings = 0; halvings < 16; halvings++, from = (from + to) / 2)
		SF_TRY(add_panel(from, (from + to) / 2, 0, f, arg, sum));
	return add_panel(from, to, 0, f, arg, sum);
}

int sf_integral(double from, double to, sf_integrand f, void *arg, double *sum)
{
	double first = log(from), width = (log(to) - first) / PANELS;
	int j;

	*sum = 0;
	for (j = 0; j < PANELS; j++)
		SF_TRY(add_panel(first + width * j, first + width * (j + 1), 1, f, arg, sum));
	return SF_OK;
}

/* ---- one time: the expected loss of a coordinate ---- */

static int blocks(const sf_normal_run *a)
{
	return sf_process_blocks(a->r->process);
}

/* x_t given x_0: mean column, lower factor. */
static void kernel(const sf_process *p, double t, double column[2], double l[4])
{
	double phi[4], S[4];

	memset(l, 0, 4 * sizeof *l);
	if (sf_process_blocks(p) == 1) {
		column[0] = sf_process_alpha(p, t);
		column[1] = 0;
		l[0] = sf_process_sigma(p, t);
		return;
	}
	sf_process_phi(p, 0, t, phi);
	sf_process_cov(p, t, S);
	column[0] = phi[0];
	column[1] = phi[2];
	l[0] = sqrt(S[0]);
	l[2] = S[1] / l[0];
	l[3] = sf_process_scale(p, t); /* the same number, without the difference */
}

/* eps of the exact score of N(n,c) as A (x, v) + b. */
static void exact_eps(const sf_normal_run *a, double t)
{
	const int two = blocks(a) == 2;
	double column[2], l[4], S[4], det, A[2], b, *param = a->r->param;
	int j;

	kernel(a->r->process, t, column, l);
	memset(param, 0, (size_t)a->r->total * sizeof *param);
	if (a->zero)
		return;
	S[0] = l[0] * l[0] + column[0] * column[0] * a->p.var;
	S[1] = l[0] * l[2] + column[0] * column[1] * a->p.var;
	S[3] = l[2] * l[2] + l[3] * l[3] + column[1] * column[1] * a->p.var;
	/* by the pivots l, so that nothing cancels */
	det = l[0] * l[3] * l[0] * l[3] + a->p.var * (column[0] * l[3] * column[0] * l[3] +
	      pow(column[0] * l[2] - column[1] * l[0], 2));
	A[0] = two ? -l[3] * S[1] / det : l[0] / S[0];
	A[1] = two ? l[3] * S[0] / det : 0;
	b = -(A[0] * column[0] + A[1] * column[1]) * a->p.mean;
	for (j = 0; j < D; j++) { /* A (3,3) at 0 and b at 16, or A (3,6) and b at 32 */
		param[(two ? 2 : 1) * D * j + j] = A[0];
		if (two)
			param[2 * D * j + D + j] = A[1];
		param[(two ? 32 : 16) + j] = b;
	}
}

int sf_normal_loss(void *arg, double t, double *value)
{
	sf_normal_run *a = arg;
	sf_draw *d = a->r->d;
	const int k = blocks(a), normals = k + 1;
	double column[2], l[4];
	int i, j;

	d->n = 2 * normals;
	for (i = 0; i < d->n; i++)
		d->t[i] = t;
	SF_TRY(sf_objective_draw_at(a->r->objective, &a->r->m, d));
	kernel(a->r->process, t, column, l);
	for (i = 0; i < d->n; i++) {
		double n[3] = {0}, x;

		n[i / 2] = i % 2 ? -sqrt(normals) : sqrt(normals);
		x = a->q.mean + sqrt(a->q.var) * n[0];
		for (j = 0; j < D; j++) {
			d->xt[i * k * D + j] = column[0] * x + l[0] * n[1];
			if (k == 2)
				d->xt[i * k * D + D + j] = column[1] * x + l[2] * n[1] + l[3] * n[2];
			d->z[i * D + j] = n[k];
		}
	}
	exact_eps(a, t);
	SF_TRY(sf_trial_run(a->r));
	*value = 0;
	for (i = 0; i < d->n; i++)
		*value += a->r->loss[i] / (D * (double)d->n);
	return SF_OK;
}

int sf_normal_open(sf_ctx *ctx, const char *process, const char *objective, sf_normal q, const sf_normal *p, sf_normal_run *a)
{
	a->q = q;
	a->zero = !p;
	if (p)
		a->p = *p;
	return sf_trial_open(ctx, "affine", process, p ? "eps" : "mixed", objective, &a->r);
}
