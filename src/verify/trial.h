/* trial.h: a loss graph made from specs and run in double, for the checks of objectives and networks.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_VERIFY_TRIAL_H
#define SF_VERIFY_TRIAL_H

#include <scorefield/objective.h>

#include "verify/verify.h"

enum { SF_TRIAL_N = 16, SF_TRIAL_D = 3, SF_TRIAL_PIXELS = 4 /* an image's height and width */ };

typedef struct sf_trial {
	sf_net *net;
	sf_process *process;
	sf_objective *objective;
	sf_model m;
	sf_batch *batch;
	sf_draw *d;                    /* the batch's */
	double *x0;                    /* its data (n,d), filled with some */
	double *param;                 /* flat; what sf_param_init draws until the caller fills it */
	int64_t total;
	const double *loss, *grad;     /* of the last run; the gradient of the sum */
} sf_trial;
/* A model of three numbers a sample (of a small grey image where the network takes no vectors); `param` is the parametrisation's
 * name. Allocates the trial. */
int sf_trial_open(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *objective,
                  sf_trial **trial);
void sf_trial_close(sf_trial *trial);
/* Draws a batch of SF_TRIAL_N for one step. */
int sf_trial_draw(sf_trial *trial, uint32_t step);
/* Loss and gradient of the first d->n samples as they stand. */
int sf_trial_run(sf_trial *trial);

/* The inverse, and the lower Cholesky factor, of a symmetric positive definite matrix of the trial's size. */
void sf_trial_inverse(double a[SF_TRIAL_D][SF_TRIAL_D], double out[SF_TRIAL_D][SF_TRIAL_D]);
void sf_trial_factor(double a[SF_TRIAL_D][SF_TRIAL_D], double out[SF_TRIAL_D][SF_TRIAL_D]);
/* Largest deviation of the gradient from fourth-order differences, relative to the largest entry, in every `stride`-th
 * number of the flat buffer. The batch must be drawn. */
int sf_trial_differences(sf_trial *trial, int64_t stride, double *worst);

#endif
