/* autodiff_cases_image.h: builders of autodiff_cases_image.c for the table of cases, and what they share with it.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_AUTODIFF_CASES_IMAGE_H
#define SF_AUTODIFF_CASES_IMAGE_H

#include "autodiff_cases.h"

/* The op of the case's row, which may have no builder of its own, with attributes i. */
sf_var case_append6(instance *t, sf_var a, sf_var b, const int64_t i[6]);

void case_conv(instance *t, int variant);
void case_upfirdn(instance *t, int variant);
void case_halves(instance *t, int variant);
void case_pick(instance *t, int variant);
void case_pools(instance *t, int variant);
void case_resize(instance *t, int variant);

#endif
