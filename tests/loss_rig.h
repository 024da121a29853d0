/* loss_rig.h: an objective on a model, with its batch and parameters in double, for tests that look at single losses.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_LOSS_RIG_H
#define SF_TEST_LOSS_RIG_H

#include "support.h"

#include <scorefield.h>

typedef struct rig {
	sf_ctx *ctx;
	sf_net *net;
	sf_process *process;
	sf_objective *o;
	sf_model m;
	sf_batch *b;
	sf_draw *d;                /* the batch's; drawn once, step 1 */
	double *param;             /* flat, initialised */
	int64_t total;
	const double *loss, *grad; /* of the last rig_run; the gradient of the sum */
} rig;

/* A model in double with sigma_data 0.5. `own` (may be NULL): a network class of the test's instead of `net`. */
void rig_model(rig *r, const char *net, const sf_net_class *own, const char *process, const char *param, int rank,
               const int64_t *dim);
/* The same with an objective, and n samples of it drawn from data sin(1.3 i). */
void rig_open(rig *r, const char *net, const sf_net_class *own, const char *process, const char *param,
              const char *objective, int rank, const int64_t *dim, int64_t n);
void rig_close(rig *r);
/* Draws again, every sample at time t. */
void rig_draw_at(rig *r, double t);
double rig_run(rig *r); /* the mean loss */
/* Where the parameter of that name starts in r->param; fails the test without it. */
double *rig_param(rig *r, const char *name);
/* eps of sample i at its state plus `shift` (may be NULL), and, unless `along` is NULL, its derivative along u: by
 * sf_model_build and sf_jvp. Arrays of the data's size. */
void rig_eps(rig *r, int64_t i, const double *shift, const double *u, double *eps, double *along);
/* Fails unless the gradient agrees with central differences of the summed loss at every `stride`-th parameter. */
void rig_check_gradient(rig *r, int64_t stride, double rtol);

/* The Gaussian case of three numbers: x ~ N(M,C), C = L L', and a score A x + b. */
enum { G = 3 };
extern const double G_M[G], G_C[G][G], G_A[G][G], G_B[G];
/* C + s2 I, its inverse, and the lower factor of C. */
void rig_smoothed(double s2, double c[G][G]);
void rig_inverse(double a[G][G], double out[G][G]);
void rig_factor(double l[G][G]);

#endif
