/* trial.h: a loss graph made from specs and run in double, for the checks of objectives and networks.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_VERIFY_TRIAL_H
#define SF_VERIFY_TRIAL_H

#include <scorefield/objective.h>

#include "verify/verify.h"

enum { SF_TRIAL_N = 16, SF_TRIAL_D = 3, SF_TRIAL_PARAMS = 4096 };

typedef struct sf_trial {
	sf_net *net;
	sf_process *process;
	sf_objective *objective;
	sf_model m;
	sf_draw d; /* points at the arrays below */
	double x0[SF_TRIAL_N * SF_TRIAL_D], xt[SF_TRIAL_N * SF_TRIAL_D], z[SF_TRIAL_N * SF_TRIAL_D];
	double t[SF_TRIAL_N], weight[SF_TRIAL_N], extra[SF_OBJECTIVE_EXTRA][SF_TRIAL_N];
	sf_coef coef[SF_TRIAL_N];
	double param[SF_TRIAL_PARAMS]; /* flat; what sf_param_init draws until the caller fills it */
	int64_t total;
	double loss[SF_TRIAL_N], grad[SF_TRIAL_PARAMS]; /* of the sum */
} sf_trial;
/* A model of three numbers a sample; `param` is the parametrisation's name. Allocates the trial. */
int sf_trial_open(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *objective,
                  sf_trial **trial);
void sf_trial_close(sf_trial *trial);
/* Draws a batch of SF_TRIAL_N for one step. */
int sf_trial_draw(sf_trial *trial, uint32_t step);
/* Loss and gradient of the first d.n samples as they stand. */
int sf_trial_run(sf_trial *trial);

#endif
