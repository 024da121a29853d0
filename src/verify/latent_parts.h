/* latent_parts.h: integrals over time, and the loss that a normal encoder has under the exact score of a normal prior, for the checks
 * of score models of latents.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_VERIFY_LATENT_PARTS_H
#define SF_VERIFY_LATENT_PARTS_H

#include "verify/trial.h"

typedef int (*sf_integrand)(void *arg, double t, double *value);
/* Adds the integral of f over [from, to], where it may grow fast towards `to`, to *sum. */
int sf_add_towards_end(double from, double to, sf_integrand f, void *arg, double *sum);
/* The integral of f on panels of ln t. */
int sf_integral(double from, double to, sf_integrand f, void *arg, double *sum);

typedef struct sf_normal {
	double mean, var;
} sf_normal;

typedef struct sf_normal_run {
	sf_trial *r;
	sf_normal q, p; /* encoder, prior: all coordinates alike */
	int zero;       /* the prior is N(0,1), by a network that is 0 under the parametrisation mixed */
} sf_normal_run;
/* p NULL: N(0,1) as `zero` says. Closed by sf_trial_close(a->r). */
int sf_normal_open(sf_ctx *ctx, const char *process, const char *objective, sf_normal q, const sf_normal *p, sf_normal_run *a);
/* An integrand, for a run: the expected loss of a coordinate at time t, with the exact score of the prior. */
int sf_normal_loss(void *run, double t, double *value);

#endif
