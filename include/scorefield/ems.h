/* ems.h: empirical model statistics, the functions of lambda = ln(alpha/sigma) that DPM-Solver-v3 takes from a model.
 *
 * With eps = -sigma score, J its derivative by x and all products per coordinate, they make the remainder of a linear model of
 *
 *     f(x, lambda) = (sigma eps - l x)/alpha,      f' its derivative along the probability-flow ODE
 *
 * as small as the data allow (Zheng, Lu, Chen, Zhu 2023, 2310.13268):
 *
 *     l = E[sigma J_jj]           least E |d(sigma eps - l x)/dx|^2
 *     s, b: f' = s f + b          least squares; s = 0 and b = E f' for a coordinate in which f does not vary
 *
 * over x = alpha x_0 + sigma z for data x_0. Known answer: for normal data in their eigenbasis with eigenvalues q and mean m,
 * l = sigma^2/(sigma^2 + alpha^2 q), s = 0, b = 2 l (1 - l) m.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_EMS_H
#define SCOREFIELD_EMS_H

#include <scorefield/score.h>

SF_BEGIN

typedef struct sf_ems {
	int64_t rows, d;   /* rows of equal steps in lambda, at least 5 */
	double first, last; /* lambda of the first row (most noise) and of the last */
	double *l, *s, *b; /* (rows,d) */
} sf_ems;

typedef struct sf_ems_run {
	int64_t rows;      /* of the table */
	int64_t samples;   /* x_0 that each expectation is taken over */
	int64_t batch;     /* samples of one evaluation; results do not depend on it */
	double first, last; /* lambda; NaN: the process's horizon, its last sampling time */
	uint64_t seed;
	int unit;          /* l = 1 in place of the above, as the authors do for guided models */
	/* x_0 number i, (d), in network values; thread-safe */
	void (*data)(void *user, uint64_t i, double *x);
	/* Called before samples first .. first+n are evaluated (a network with labels); NULL: not. */
	int (*batch_begins)(void *user, uint64_t first, int64_t n);
	/* Called after each row of each of the two passes, done = 1 .. 2 rows; a non-zero return stops with SF_ESTOPPED. */
	int (*progress)(void *user, int64_t done, int64_t all);
	void *user;
} sf_ems_run;
/* 120 intervals and 1024 samples (the paper's choice for EDM's CIFAR-10 network is 120 and 4096) in batches of 256. */
SF_API void sf_ems_defaults(sf_ems_run *run);

/* Estimates the statistics of a score with a directional derivative under a linear process of one block. Noise and the +-1 probes of
 * Hutchinson's estimate of diag J depend on seed and sample alone and are shared by all rows, so that the table is smooth in lambda.
 * Cost: 6 evaluations and a directional derivative for each sample and row. SF_EUNSUP, SF_ERANGE, SF_ENOMEM, SF_EDIVERGED. */
SF_API int sf_ems_estimate(sf_score *s, const sf_ems_run *run, sf_ems *table);
SF_API void sf_ems_free(sf_ems *table);

/* safetensors: float64 tensors lambda (rows), l, s, b (rows,d), metadata format = "scorefield-ems" and what the caller adds. The reader
 * checks shapes, finite values and equal steps in lambda. */
SF_API int sf_ems_write(sf_ctx *ctx, const char *path, const sf_ems *table, int nmeta, const char *const *keys, const char *const *values);
SF_API int sf_ems_read(sf_ctx *ctx, const char *path, sf_ems *table);

SF_END
#endif
