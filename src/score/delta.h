/* delta.h: points as a distribution, for the members that have some.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SCORE_DELTA_H
#define SF_SCORE_DELTA_H

#include "score/score.h"

typedef struct sf_delta sf_delta;

/* points (n,d), d that of s; freed by sf_free with the object, or at once on failure. */
int sf_delta_open(const sf_score *s, int64_t n, double *points, sf_delta **m);
void sf_delta_close(sf_delta *m);
/* One of score (n,k,d) and logp (n); the other is NULL. */
int sf_delta_run(sf_delta *m, const sf_score *s, int64_t n, const double *x, const double *t, double *score,
		 double *logp);

#endif
