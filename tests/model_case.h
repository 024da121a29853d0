/* model_case.h: a model from specs, for the tests of networks and of their scores.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_MODEL_CASE_H
#define SF_TEST_MODEL_CASE_H

#include <scorefield.h>

/* A model with sigma_data 0.5 for data of shape dim[0 .. rank); freed by free_model. */
sf_model make_model(sf_ctx *ctx, const char *net, const char *process, const char *param, int rank,
                    const int64_t *dim, int classes);
void free_model(sf_model *m);

#endif
