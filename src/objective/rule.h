/* rule.h: the object behind an objective, for the files that hold what the family shares.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_RULE_H
#define SF_OBJECTIVE_RULE_H

#include "objective/family.h"

struct sf_objective {
	sf_object object;
};

#endif
