/* components.h: normal mixtures with covariances in their eigenbasis, for the members that have one.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SCORE_COMPONENTS_H
#define SF_SCORE_COMPONENTS_H

#include "score/score.h"

#include <scorefield/data.h>

typedef struct sf_eigen sf_eigen; /* a copy of them and memory to evaluate them with */

/* For the process and dimension of s. SF_EMISMATCH where the dimension differs. */
int sf_eigen_open(const sf_score *s, const sf_components *c, sf_eigen **m);
/* The same from a file; `most` > 0: it holds no more components than that. */
int sf_eigen_file(const sf_score *s, const char *path, int64_t most, sf_eigen **m);
void sf_eigen_close(sf_eigen *m);

enum { SF_EIGEN_SCORE, SF_EIGEN_LOGP, SF_EIGEN_JVP };
int sf_eigen_run(sf_eigen *m, const sf_score *s, int what, int64_t n, const double *x, const double *t,
                   const double *v, double *out);
/* The probability-flow ODE's exact solution (see sf_score_flow), for one component. */
int sf_eigen_flow(sf_eigen *m, const sf_score *s, int64_t n, double from, double to, double *x);

/* Zeroed components of that size (components.c). SF_ENOMEM, SF_ERANGE. */
int sf_components_new(sf_ctx *ctx, int64_t n, int64_t d, int64_t rank, sf_components *c);
/* basis (rank,d) and var (rank), falling, of the covariance axes' axes, axes (rank,d). */
int sf_components_axes(sf_ctx *ctx, int64_t rank, int64_t d, const double *axes, double *basis, double *var);

/* ---- points.c: records of a data set as points ---- */
/* The first `most` records (0: all there are; a generator needs a number) of data `spec`, scaled: *x (n,d), freed by
 * sf_free. `d`: the dimension they must have, 0 for any; set to what they have. */
int sf_points_read(sf_ctx *ctx, const char *what, const char *spec, sf_scaling scaling, double std, int64_t most,
		   int64_t *n, int64_t *d, double **x);

#endif
