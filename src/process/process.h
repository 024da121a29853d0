/* process.h: what the layers above may know of a process besides the public interface, and the
 * arithmetic of k x k blocks.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_PROCESS_H
#define SF_PROCESS_H

#include "core/core.h"

#include <scorefield/process.h>

enum { SF_BLOCKS_MAX = 2 };

struct sf_process {
	sf_object object;
};

const sf_process_class *sf_process_record(const sf_process *p);
sf_ctx *sf_process_context(const sf_process *p);

/* As sf_process_time_of_ratio, but a closed form may go on past T: EDM's churn raises the noise
 * above the level it started from. */
double sf_process_time_beyond(const sf_process *p, double ratio);

/* Where the mean of u_t starts: the first column of Phi(0,t), (k). */
void sf_process_mean_column(const sf_process *p, double t, double *a);

/* a (k,k) = c G G' at time t (flow.c). */
void sf_process_noise(const sf_process *p, double t, double c, double *a);

/* k = 2: the lower factor L (2,2) of u_t's covariance, given x_0 alone or all of u_0 (path.c). */
void sf_process_factor(const sf_process *p, double t, int given_velocity, double *l);

/* ---- levels.c: iDDPM's noise levels sigma/alpha, number j < levels from the highest on (levels >= 2), and the one that a
 * ratio is nearest to ---- */
double sf_iddpm_level(int64_t levels, int64_t j);
int64_t sf_iddpm_nearest(int64_t levels, double ratio);

/* ---- block.c: k x k symmetric matrices, row-major, k = 1 or 2 ---- */
/* Lower Cholesky factor; a pivot that rounding made negative counts as 0. */
void sf_block_cholesky(int k, const double *a, double *l);
/* Inverse and log determinant of a positive definite block. */
double sf_block_inverse(int k, const double *a, double *inverse);
/* out (k) = a (k,k) x (k) */
void sf_block_apply(int k, const double *a, const double *x, double *out);

#endif
