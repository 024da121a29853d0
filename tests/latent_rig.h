/* latent_rig.h: batches of models of latents in double, for check_latent_loss.c and check_latent_train.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef LATENT_RIG_H
#define LATENT_RIG_H

#include "support.h"
#include "train_rig.h"

#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Tiny networks on points of the plane: encoder and decoder small mlps, one latent number unless `more` says otherwise. */
#define LATENTS "model.precision=float64 net.spec=mlp:width=6,depth=1,embed-width=4 vae.encoder=mlp:width=5,depth=1 " \
	"vae.decoder=mlp:width=5,depth=1 vae.latent=2 vae.likelihood=gaussian data.spec=checkerboard train.events=false "
#define ON_VP "process.spec=vp objective.spec=dsm:weight=g2 "
#define ON_CLD "process.spec=cld objective.spec=hsm:weight=g2 "

typedef struct latents {
	sf_config *c;
	sf_setup s;
	sf_batch *b;
	int64_t total;
	double *params, *grad;
} latents;

/* The batch of one phase, with parameters that are all random. */
static inline void open_latents(latents *l, const char *settings, int phase)
{
	sf_noise key = {5, SF_NOISE_USER, 0};
	int64_t i;

	memset(l, 0, sizeof *l);
	l->c = configured(settings);
	assert_ok(ctx, sf_setup_open(ctx, l->c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &l->s));
	assert_ok(ctx, sf_step_plan(&l->s, phase, &l->b));
	assert_ok(ctx, sf_batch_open(l->b));
	l->total = sf_param_total(sf_batch_graph(l->b));
	l->params = sf_alloc((size_t)l->total, sizeof(double));
	l->grad = sf_batch_gradient(l->b);
	sf_noise_normal_d(ctx, key, 0, 0, (size_t)l->total, l->params);
	for (i = 0; i < l->total; i++)
		l->params[i] *= .4;
}

static inline void close_latents(latents *l)
{
	sf_free(l->params);
	sf_batch_free(l->b);
	sf_setup_close(&l->s);
	sf_config_free(l->c);
}

/* Step number `step`; the gradient is in l->grad. */
static inline void run_latents(latents *l, int64_t step)
{
	double loss;

	assert_ok(ctx, sf_step_run(&l->s, l->b, l->params, step, NULL, &loss));
}

#endif
