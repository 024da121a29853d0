/* langevin.h: what Langevin dynamics towards a known law share; see langevin.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_PROCESS_LANGEVIN_H
#define SF_PROCESS_LANGEVIN_H

#include "process/beta.h"

/* First member of such a process's state; init fills in the two functions. */
typedef struct sf_langevin {
	sf_beta beta; /* the first member, as its options want */
	int64_t steps;
	double (*score)(double x); /* phi = d log pi/dx of one coordinate, and its derivative */
	double (*slope)(double x);
} sf_langevin;

static const sf_opt sf_langevin_options[] = {
	SF_BETA_OPTIONS,
	{"steps", "steps of the simulation from time 0 to 1", SF_OPT_INT, offsetof(sf_langevin, steps), "200", 1, 100000,
	 NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

/* The smaller tail of the normal law at z, which keeps all its digits. */
static inline double sf_tail(double z)
{
	return erfc(fabs(z) * sqrt(.5)) / 2;
}

/* x_t given x_s = y with phi linearised at y, where B grows by dB in between. */
void sf_langevin_linearised(const sf_langevin *s, double y, double dB, double *mean, double *std);

/* langevin.c: entries of the class records. */
void sf_langevin_drift(const void *st, int64_t d, const double *x, double t, double *f);
double sf_langevin_divergence(const void *st, int64_t d, const double *x, double t);
double sf_langevin_diffusion(const void *st, double t);
double sf_langevin_scale(const void *st, double t);
int64_t sf_langevin_steps(const void *st);
void sf_langevin_transition(const void *st, int64_t d, const double *y, double s, double t, double *mean,
                            double *std);
double sf_langevin_time(const void *st);

#endif
