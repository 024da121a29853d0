/* flow.c: moving states by a process: perturbation, drift, the reversed drift and the prior.
 *
 *     u_t = Phi(0,t) (x_0, 0) + L z,   L L' = Sigma(t)                       (perturbation kernel)
 *     f(u,t) - (1 + eta^2)/2 G G' score                                      (reversed drift)
 *
 * The reversed drift with eta = 1 is Song et al. 2021, eq 6; with eta = 0 the probability-flow
 * ODE, eq 13; in between, the same marginals with less noise. The kernel's velocity starts as the
 * member's Sigma says.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>
#include <string.h>

int sf_process_perturb(const sf_process *p, int64_t n, int64_t d, const double *x0, const double *t,
                       const double *z, double *xt)
{
	int k = sf_process_blocks(p);
	int64_t i, j;

	if (!sf_process_linear(p))
		return sf_fail(p->object.ctx, SF_EUNSUP,
		               "process '%s' is not linear: its perturbation has no closed form",
		               sf_process_name(p));
	for (i = 0; i < n; i++, x0 += d, z += k * d, xt += k * d) {
		if (k == 1) {
			double a = sf_process_alpha(p, t[i]), s = sf_process_sigma(p, t[i]);

			for (j = 0; j < d; j++)
				xt[j] = a * x0[j] + s * z[j];
		} else {
			double a[2], l[4];

			sf_process_mean_column(p, t[i], a);
			sf_process_factor(p, t[i], 0, l);
			for (j = 0; j < d; j++) {
				double z0 = z[j], z1 = z[d + j], x = x0[j];

				xt[j] = a[0] * x + l[0] * z0;
				xt[d + j] = a[1] * x + l[2] * z0 + l[3] * z1;
			}
		}
	}
	return SF_OK;
}

/* f of one sample; may not be in place. */
static void drift_one(const sf_process *p, int64_t d, const double *x, double t, double *f)
{
	const sf_process_class *c = sf_process_record(p);
	double F[4];
	int64_t j;

	if (!c->linear) {
		c->drift(p->object.state, d, x, t, f);
		return;
	}
	c->drift_matrix(p->object.state, t, F);
	if (c->k == 1) {
		for (j = 0; j < d; j++)
			f[j] = F[0] * x[j];
		return;
	}
	for (j = 0; j < d; j++) {
		double u = x[j], v = x[d + j];

		f[j] = F[0] * u + F[1] * v;
		f[d + j] = F[2] * u + F[3] * v;
	}
}

int sf_process_drift(const sf_process *p, int64_t n, int64_t d, const double *x, const double *t,
                     double *f)
{
	int64_t i, size = sf_process_blocks(p) * d;

	for (i = 0; i < n; i++)
		drift_one(p, d, x + i * size, t[i], f + i * size);
	return SF_OK;
}

int sf_process_divergence(const sf_process *p, int64_t d, const double *x, double t, double *div)
{
	const sf_process_class *c = sf_process_record(p);
	double F[4];

	if (!c->linear) {
		if (!c->divergence)
			return sf_fail(p->object.ctx, SF_EUNSUP, "process '%s' does not tell the divergence of its drift",
			               sf_process_name(p));
		*div = c->divergence(p->object.state, d, x, t);
		return SF_OK;
	}
	c->drift_matrix(p->object.state, t, F);
	*div = (double)d * (c->k == 1 ? F[0] : F[0] + F[3]);
	return SF_OK;
}

/* A nonlinear process has one scalar g for all of its state. */
void sf_process_noise(const sf_process *p, double t, double c, double *a)
{
	const sf_process_class *cls = sf_process_record(p);
	double G[4];

	if (!cls->linear) {
		double g = cls->diffusion(p->object.state, t);

		a[0] = a[3] = c * g * g;
		a[1] = a[2] = 0;
		return;
	}
	cls->diffusion_matrix(p->object.state, t, G);
	if (cls->k == 1) {
		a[0] = c * G[0] * G[0];
		return;
	}
	a[0] = c * (G[0] * G[0] + G[1] * G[1]);
	a[1] = a[2] = c * (G[0] * G[2] + G[1] * G[3]);
	a[3] = c * (G[2] * G[2] + G[3] * G[3]);
}

/* out = F x - A score for linear processes, coordinate by coordinate, so that out may be score. */
static void reverse_linear(const sf_process *p, int64_t d, const double *x, double t,
                           const double *a, const double *score, double *out)
{
	double F[4];
	int64_t j;

	sf_process_drift_matrix(p, t, F);
	if (sf_process_blocks(p) == 1) {
		for (j = 0; j < d; j++)
			out[j] = F[0] * x[j] - a[0] * score[j];
		return;
	}
	for (j = 0; j < d; j++) {
		double u = x[j], v = x[d + j], su = score[j], sv = score[d + j];

		out[j] = F[0] * u + F[1] * v - (a[0] * su + a[1] * sv);
		out[d + j] = F[2] * u + F[3] * v - (a[2] * su + a[3] * sv);
	}
}

int sf_process_reverse_drift(const sf_process *p, int64_t n, int64_t d, const double *x,
                             const double *t, const double *score, double eta, double *out)
{
	int64_t i, j, size = sf_process_blocks(p) * d;
	double a[4] = {0}, c = (1 + eta * eta) / 2, *own = NULL;

	/* a nonlinear drift comes for a whole sample and would overwrite a score in place */
	if (!sf_process_linear(p) && out == score) {
		own = sf_alloc((size_t)size, sizeof *own);
		if (!own)
			return sf_fail(p->object.ctx, SF_ENOMEM, "process '%s': out of memory",
			               sf_process_name(p));
	}
	for (i = 0; i < n; i++, x += size, score += size, out += size) {
		double *f = own ? own : out;

		sf_process_noise(p, t[i], c, a);
		if (sf_process_linear(p)) {
			reverse_linear(p, d, x, t[i], a, score, out);
			continue;
		}
		drift_one(p, d, x, t[i], f);
		for (j = 0; j < size; j++)
			out[j] = f[j] - a[0] * score[j];
	}
	sf_free(own);
	return SF_OK;
}

void sf_process_prior(const sf_process *p, int64_t n, int64_t d, double *z)
{
	double var[SF_BLOCKS_MAX];
	int k = sf_process_blocks(p), b;
	int64_t i, j;

	if (sf_process_record(p)->prior) {
		for (i = 0; i < n; i++)
			sf_process_record(p)->prior(p->object.state, k * d, z + i * k * d);
		return;
	}
	sf_process_record(p)->prior_var(p->object.state, var);
	for (i = 0; i < n; i++)
		for (b = 0; b < k; b++, z += d)
			for (j = 0; j < d; j++)
				z[j] *= sqrt(var[b]);
}

void sf_process_prior_logp(const sf_process *p, int64_t n, int64_t d, const double *x, double *logp)
{
	double var[SF_BLOCKS_MAX];
	int k = sf_process_blocks(p), b;
	int64_t i, j;

	if (sf_process_record(p)->prior_logp) {
		for (i = 0; i < n; i++)
			logp[i] = sf_process_record(p)->prior_logp(p->object.state, k * d, x + i * k * d);
		return;
	}
	sf_process_record(p)->prior_var(p->object.state, var);
	for (i = 0; i < n; i++) {
		logp[i] = 0;
		for (b = 0; b < k; b++, x += d) {
			double sum = 0;

			for (j = 0; j < d; j++)
				sum += x[j] * x[j];
			logp[i] -= 0.5 * (sum / var[b] + (double)d * log(2 * SF_PI * var[b]));
		}
	}
}

void sf_process_position(const sf_process *p, int64_t n, int64_t d, double *x)
{
	int64_t i, size = sf_process_blocks(p) * d;

	if (size == d)
		return;
	for (i = 1; i < n; i++)
		memmove(x + i * d, x + i * size, (size_t)d * sizeof *x);
}
