/* beta.c: what VP and sub-VP have in common besides the schedule: the drift, and so alpha and Phi,
 *
 *     f = -beta(t)/2 x,   alpha = exp(-B(t)/2),   Phi(s,t) = exp(-(B(t) - B(s))/2),
 *
 * the times 0 to 1 (training from 1e-5, sampling to 1e-3), the prior N(0,1).
 * Song et al. 2021 (2011.13456), appendix C. Known answer: alpha(0.5) = 0.281182880796752.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/beta.h"

double sf_beta_alpha(const void *st, double t)
{
	return exp(-sf_beta_between(st, 0, t) / 2);
}

void sf_beta_drift_matrix(const void *st, double t, double *F)
{
	F[0] = -sf_beta_at(st, t) / 2;
}

void sf_beta_phi(const void *st, double s, double t, double *Phi)
{
	Phi[0] = exp(-sf_beta_between(st, s, t) / 2);
}

double sf_beta_horizon(const void *st)
{
	(void)st;
	return 1;
}

double sf_beta_t_train(const void *st)
{
	(void)st;
	return 1e-5;
}

double sf_beta_t_sample(const void *st)
{
	(void)st;
	return 1e-3;
}

void sf_beta_prior_var(const void *st, double *var)
{
	(void)st;
	var[0] = 1;
}
