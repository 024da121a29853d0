/* beta.h: the linear schedule that VP, sub-VP and the Langevin processes share,
 *
 *     beta(t) = beta_min + t (beta_max - beta_min),   B(t) = integral of beta from 0 to t.
 *
 * Song et al. 2021 (2011.13456), appendix C; beta_min 0.1 and beta_max 20 are their defaults,
 * which match DDPM's 1e-4 .. 0.02 in 1000 steps.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_PROCESS_BETA_H
#define SF_PROCESS_BETA_H

#include "process/process.h"

#include <math.h>

typedef struct sf_beta {
	double min, max;
} sf_beta;

/* For states that start with an sf_beta. */
#define SF_BETA_OPTIONS                                                                            \
	{"beta-min", "rate of noise at time 0", SF_OPT_DOUBLE, offsetof(sf_beta, min), "0.1", 1e-9, \
	 1e6, NULL},                                                                               \
	{"beta-max", "rate of noise at time 1", SF_OPT_DOUBLE, offsetof(sf_beta, max), "20", 1e-9, \
	 1e6, NULL}

static const sf_opt sf_beta_options[] = {
	SF_BETA_OPTIONS,
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static inline int sf_beta_check(const sf_beta *s, sf_ctx *ctx, const char *name)
{
	if (s->min <= s->max)
		return SF_OK;
	return sf_fail(ctx, SF_EINVAL, "process '%s': beta-min=%g is above beta-max=%g", name,
	               s->min, s->max);
}

static inline double sf_beta_at(const sf_beta *s, double t)
{
	return s->min + t * (s->max - s->min);
}

/* B(t) - B(s), as a product so that nearby times cancel nothing. */
static inline double sf_beta_between(const sf_beta *b, double s, double t)
{
	return (t - s) * (b->min + (b->max - b->min) * (t + s) / 2);
}

/* t with B(t) = B: the root of a quadratic in the form that stays exact for small B. */
static inline double sf_beta_inverse(const sf_beta *s, double B)
{
	return 2 * B / (s->min + sqrt(s->min * s->min + 2 * (s->max - s->min) * B));
}

/* beta.c: entries of the class records. */
double sf_beta_alpha(const void *st, double t);
void sf_beta_drift_matrix(const void *st, double t, double *F);
void sf_beta_phi(const void *st, double s, double t, double *Phi);
double sf_beta_horizon(const void *st);
double sf_beta_t_train(const void *st);
double sf_beta_t_sample(const void *st);
void sf_beta_prior_var(const void *st, double *var);

#endif
