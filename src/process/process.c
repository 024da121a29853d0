/* process.c: what all forward processes share: construction and the scalar view of k = 1,
 *
 *     x_t = alpha(t) x_0 + sigma(t) z,   lambda(t) = ln(alpha^2/sigma^2),   ratio(t) = sigma/alpha.
 *
 * The ratio rises with t, so a member without a closed inverse gets one by bisection, to the last
 * bit.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

const sf_process_class *sf_process_record(const sf_process *p)
{
	const void *record = p->object.cls; /* the head is its first member */

	return record;
}

sf_ctx *sf_process_context(const sf_process *p)
{
	return p->object.ctx;
}

int sf_process_new(sf_ctx *ctx, const char *spec, sf_process **p)
{
	return sf_object_new(ctx, "process", spec, sizeof **p, p);
}

/* A class record from outside must hold what its kind needs, or a later call would jump to NULL. */
static int complete(const sf_process_class *c)
{
	int linear = c->drift_matrix && c->diffusion_matrix && c->phi && c->cov &&
	             (c->k == 1 || (c->noise_cov && c->start_var));
	int nonlinear = c->drift && c->diffusion && c->sigma && c->steps;

	return c->head.name && c->horizon && c->t_train && c->t_sample && c->prior_var &&
	       c->k >= 1 && c->k <= SF_BLOCKS_MAX && (c->linear ? linear : nonlinear);
}

int sf_process_from_class(sf_ctx *ctx, const sf_process_class *cls, sf_process **p)
{
	const sf_class *head = &cls->head;
	sf_process *made;
	int rc = SF_ENOMEM;

	*p = NULL;
	if (!complete(cls))
		return sf_fail(ctx, SF_EINVAL,
		               "process class '%s' lacks a function or has k outside 1 to 2",
		               head->name ? head->name : "(no name)");
	made = sf_alloc(1, sizeof *made);
	if (!made)
		goto fail;
	made->object.family = "process";
	made->object.cls = head;
	made->object.ctx = ctx;
	made->object.state = sf_alloc(1, head->state_size ? head->state_size : 1);
	made->object.spec = sf_strdup(head->name);
	if (!made->object.state || !made->object.spec)
		goto fail;
	rc = sf_opt_defaults(ctx, head->name, head->opts, made->object.state);
	if (rc == 0 && head->init)
		rc = head->init(made->object.state, ctx);
	if (rc == 0) {
		*p = made;
		return SF_OK;
	}
fail:
	if (made) {
		if (made->object.state)
			sf_opt_release(head->opts, made->object.state);
		sf_free(made->object.state);
		sf_free(made->object.spec);
		sf_free(made);
	}
	return rc == SF_ENOMEM ? sf_fail(ctx, rc, "process '%s': out of memory", head->name) : rc;
}

void sf_process_free(sf_process *p)
{
	sf_object_free(p);
}

const char *sf_process_name(const sf_process *p)
{
	return p->object.cls->name;
}

int sf_process_blocks(const sf_process *p)
{
	return sf_process_record(p)->k;
}

int sf_process_linear(const sf_process *p)
{
	return sf_process_record(p)->linear;
}

double sf_process_horizon(const sf_process *p)
{
	return sf_process_record(p)->horizon(p->object.state);
}

double sf_process_t_train(const sf_process *p)
{
	return sf_process_record(p)->t_train(p->object.state);
}

double sf_process_t_sample(const sf_process *p)
{
	return sf_process_record(p)->t_sample(p->object.state);
}

int64_t sf_process_levels(const sf_process *p)
{
	const sf_process_class *c = sf_process_record(p);

	return c->levels ? c->levels(p->object.state) : 0;
}

void sf_process_drift_matrix(const sf_process *p, double t, double *F)
{
	sf_process_record(p)->drift_matrix(p->object.state, t, F);
}

void sf_process_diffusion_matrix(const sf_process *p, double t, double *G)
{
	sf_process_record(p)->diffusion_matrix(p->object.state, t, G);
}

void sf_process_phi(const sf_process *p, double s, double t, double *Phi)
{
	sf_process_record(p)->phi(p->object.state, s, t, Phi);
}

void sf_process_cov(const sf_process *p, double t, double *Sigma)
{
	sf_process_record(p)->cov(p->object.state, t, Sigma);
}

void sf_process_noise_cov(const sf_process *p, double t, double *C)
{
	if (sf_process_blocks(p) == 1)
		sf_process_cov(p, t, C);
	else
		sf_process_record(p)->noise_cov(p->object.state, t, C);
}

double sf_process_start_var(const sf_process *p)
{
	const sf_process_class *c = sf_process_record(p);

	return c->k == 2 && c->linear ? c->start_var(p->object.state) : 0;
}

void sf_process_noise_between(const sf_process *p, double s, double t, double *C)
{
	const sf_process_class *c = sf_process_record(p);
	double P[4], S[4], PS[4];

	if (c->noise_between) {
		c->noise_between(p->object.state, s, t, C);
		return;
	}
	sf_process_phi(p, s, t, P);
	sf_process_noise_cov(p, s, S);
	sf_process_noise_cov(p, t, C);
	if (c->k == 1) {
		C[0] -= P[0] * P[0] * S[0];
		return;
	}
	PS[0] = P[0] * S[0] + P[1] * S[2];
	PS[1] = P[0] * S[1] + P[1] * S[3];
	PS[2] = P[2] * S[0] + P[3] * S[2];
	PS[3] = P[2] * S[1] + P[3] * S[3];
	C[0] -= PS[0] * P[0] + PS[1] * P[1];
	C[1] = C[2] = C[1] - (PS[0] * P[2] + PS[1] * P[3]);
	C[3] -= PS[2] * P[2] + PS[3] * P[3];
}

void sf_process_mean_column(const sf_process *p, double t, double *a)
{
	double phi[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
	int k = sf_process_blocks(p), i;

	if (k == 1) {
		a[0] = sf_process_alpha(p, t);
		return;
	}
	sf_process_phi(p, 0, t, phi);
	for (i = 0; i < k; i++)
		a[i] = phi[i * k];
}

/* alpha and sigma exist for one linear block only. */
static int scalar(const sf_process *p)
{
	return sf_process_linear(p) && sf_process_blocks(p) == 1;
}

double sf_process_alpha(const sf_process *p, double t)
{
	const sf_process_class *c = sf_process_record(p);
	double phi = NAN;

	if (!scalar(p))
		return NAN;
	if (c->alpha)
		return c->alpha(p->object.state, t);
	c->phi(p->object.state, 0, t, &phi);
	return phi;
}

double sf_process_sigma(const sf_process *p, double t)
{
	const sf_process_class *c = sf_process_record(p);
	double var = NAN;

	if (!scalar(p))
		return NAN;
	if (c->sigma)
		return c->sigma(p->object.state, t);
	c->cov(p->object.state, t, &var);
	return sqrt(var);
}

double sf_process_g2(const sf_process *p, double t)
{
	const sf_process_class *c = sf_process_record(p);
	double G[SF_BLOCKS_MAX * SF_BLOCKS_MAX];

	if (!c->linear)
		G[0] = c->diffusion(p->object.state, t);
	else
		c->diffusion_matrix(p->object.state, t, G);
	return c->linear && c->k == 2 ? G[2] * G[2] + G[3] * G[3] : G[0] * G[0];
}

double sf_process_scale(const sf_process *p, double t)
{
	double l[SF_BLOCKS_MAX * SF_BLOCKS_MAX];

	if (!sf_process_linear(p))
		return sf_process_record(p)->sigma(p->object.state, t);
	if (sf_process_blocks(p) == 1)
		return sf_process_sigma(p, t);
	sf_process_factor(p, t, 0, l);
	return l[3];
}

double sf_process_logsnr(const sf_process *p, double t)
{
	return 2 * (log(sf_process_alpha(p, t)) - log(sf_process_sigma(p, t)));
}

/* The largest t in [0, T] whose ratio does not exceed the one wanted. Halving ends where no
 * number lies between the bounds. */
static double bisect(const sf_process *p, double ratio)
{
	double lo = 0, hi = sf_process_horizon(p), mid;

	if (ratio >= sf_process_sigma(p, hi) / sf_process_alpha(p, hi))
		return hi;
	for (;;) {
		mid = lo + (hi - lo) / 2;
		if (!(mid > lo && mid < hi))
			return lo;
		if (sf_process_sigma(p, mid) / sf_process_alpha(p, mid) <= ratio)
			lo = mid;
		else
			hi = mid;
	}
}

double sf_process_time_beyond(const sf_process *p, double ratio)
{
	const sf_process_class *c = sf_process_record(p);
	double t;

	if (!scalar(p) || isnan(ratio))
		return NAN;
	if (!c->time_of_ratio)
		return bisect(p, ratio);
	if (isinf(ratio)) /* the formulas would divide infinities */
		return ratio > 0 ? INFINITY : 0;
	t = c->time_of_ratio(p->object.state, ratio > 0 ? ratio : 0);
	return t > 0 ? t : 0;
}

double sf_process_time_of_ratio(const sf_process *p, double ratio)
{
	double t = sf_process_time_beyond(p, ratio), end = sf_process_horizon(p);

	return t > end ? end : t;
}
