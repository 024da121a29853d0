/* normal_time.h: the time density t=normal.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_NORMAL_TIME_H
#define SF_OBJECTIVE_NORMAL_TIME_H

#include <scorefield/objective.h>

#include "objective/time_table.h"

/* What unit normal data leave unexplained: m(t) = E|z - E[z|x_t]|^2 of one coordinate, for linear processes. */
double sf_normal_unexplained(const sf_process *p, double t);
/* The density of an objective's weight on a model's process, which is linear. */
void sf_normal_time(const sf_objective *o, const sf_model *m, sf_time_table *table);

#endif
