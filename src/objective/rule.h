/* rule.h: the object behind an objective, for the files that hold what the family shares.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_RULE_H
#define SF_OBJECTIVE_RULE_H

#include "objective/family.h"

struct sf_objective {
	sf_object object;
};

/* Whether a draw is x_t = alpha x_0 + sigma z and nothing else; and such a draw without these: times, coefficients and weights. */
int sf_objective_plain(const sf_objective *o, const sf_model *m);
int sf_objective_draw_times(const sf_objective *o, const sf_model *m, const sf_draw *d);

/* stf.c: the first row, from the own one on, that a stable target is compared with: 0, or 1 where the source is left out. */
int sf_stf_first(const sf_objective *o);

#endif
