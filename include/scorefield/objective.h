/* objective.h: losses as graph builders.
 *
 * An objective says how training inputs are drawn (times, noise, perturbed states; in double) and appends
 * the loss of ONE sample to a graph. Library convention: half the sum over dimensions, mean over the batch;
 * the weighting lambda(t) multiplies it. Terms are written in eps = -sigma s, so that with w = lambda/sigma^2
 *
 *     DSM:   lambda/2 |s + z/sigma|^2      = w/2 |eps - z|^2          (Vincent 2011)
 *     LCSS:  lambda (|s|^2/2 + z.s/sigma)  = w (|eps|^2/2 - z.eps)    (Osada et al. 2024)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_OBJECTIVE_H
#define SCOREFIELD_OBJECTIVE_H

#include <scorefield/net.h>

SF_BEGIN

typedef struct sf_objective sf_objective;

enum { SF_OBJECTIVE_INPUTS = 8 };

/* Named per-sample inputs that an objective draws besides the model's coefficients. Double on the host; the trainer
 * converts to the plan's type. */
typedef struct sf_draw {
	int64_t n, size;    /* samples; elements of one sample's data */
	uint64_t seed;
	uint32_t step;      /* training step: keys the noise */
	uint64_t first;     /* index of sample 0 within the step's batch */
	const double *x0;   /* (n,size) data */
	double *t;          /* (n) filled by the family */
	sf_coef *coef;      /* (n) filled by the family */
	double *weight;     /* (n) w of the head comment */
	double *xt;         /* (n,size): x_t, the network's input before c_in */
	double *z;          /* (n,size): the noise the loss pairs with the score */
	double *extra[2];   /* (n): further per-sample scalars a member asks for */
} sf_draw;

typedef struct sf_objective_class {
	sf_class head;
	int order;      /* how often the loss graph is differentiated by the objective itself plus one */
	int needs_kernel; /* only for processes with a closed-form kernel */
	/* Refuses what it cannot do, with the reason; may be NULL. */
	int (*accepts)(const void *st, sf_ctx *ctx, const sf_model *m);
	/* Fills xt, z and weight (t and coef are filled); may change t and coef (relabelling). */
	int (*draw)(const void *st, const sf_model *m, sf_draw *d);
	/* Appends the per-sample loss (a per-sample scalar). `v` is not built yet: x is an input named "xt". */
	sf_var (*loss)(const void *st, const sf_model *m, sf_graph *g, sf_model_vars *v, sf_var z, sf_var weight);
} sf_objective_class;

SF_API int sf_objective_new(sf_ctx *ctx, const char *spec, sf_objective **o);
SF_API void sf_objective_free(sf_objective *o);
/* One rule for what can be combined: 0, or SF_EUNSUP with the reason. */
SF_API int sf_objective_accepts(const sf_objective *o, const sf_model *m);
SF_API int sf_objective_order(const sf_objective *o);

/* The loss graph of a batch: variables to bind, per-sample loss, gradients of the batch MEAN's numerator (the sum). */
typedef struct sf_loss {
	sf_model_vars v;  /* v.x is the input "xt" */
	sf_var z, weight; /* inputs */
	sf_var loss;      /* per-sample scalar */
} sf_loss;
SF_API int sf_objective_build(const sf_objective *o, const sf_model *m, sf_graph *g, int train, sf_loss *out);
/* Draws everything for a batch: t by the time density (an option of the family), coefficients, x_t, z, weights. Depends only
 * on (seed, step, first + i, x0[i]). */
SF_API int sf_objective_draw(const sf_objective *o, const sf_model *m, sf_draw *d);

SF_END
#endif
