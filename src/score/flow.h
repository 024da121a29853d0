/* flow.h: exact solutions of the probability-flow ODE, for the members that know one.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SCORE_FLOW_H
#define SF_SCORE_FLOW_H

#include "score/score.h"

typedef struct sf_flow { /* the coefficients of x = alpha x_0 + sigma z at both ends */
	double alpha_from, sigma_from, alpha_to, sigma_to;
} sf_flow;
sf_flow sf_flow_between(const sf_process *p, double from, double to);
/* c_to/c_from along an eigenvector of normal data with eigenvalue q >= 0. */
double sf_flow_gain(const sf_flow *f, double q);
/* One state x (d) of data N(mean, U' diag(q) U + rest (1 - U'U)) with orthonormal rows U (rank,d). */
void sf_flow_normal(const sf_flow *f, int64_t d, int64_t rank, const double *mean, const double *basis, const double *q, double rest,
                    double *x);
/* One number of data on the line with density sum_i w_i N(m_i, v_i): the quantile stays. NaN where its probability underflows. */
double sf_flow_quantile(const sf_flow *f, int parts, const double *weight, const double *mean, const double *var, double x);

#endif
