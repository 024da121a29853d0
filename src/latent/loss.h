/* loss.h: the losses of a score model of latents and of its pair of encoder and decoder, as a kind of batch (objective.h).
 *
 *     pretrain   the pair with a prior N(0,1):  -log p(x|z) + b sum_g c_g KL_g
 *     joint      the prior by its objective, the pair by  -log p(x|z) + b (CE(q,p) - H(q))
 *     frozen     the prior alone
 *
 * b = kl-start + (1 - kl-start) min(step/kl-steps, 1).
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_LATENT_LOSS_H
#define SF_LATENT_LOSS_H

#include <scorefield/latent.h>
#include <scorefield/objective.h>

enum { SF_LATENT_PRETRAIN, SF_LATENT_JOINT, SF_LATENT_FROZEN, SF_LATENT_PHASES };
/* Values of a batch beside its loss, which is the bound (reconstruction + kl), or of a frozen pair the prior's; all per sample, in
 * nats, with all weights 1 but those of the prior's objective. */
enum { SF_LATENT_RECONSTRUCTION = 1, SF_LATENT_KL, SF_LATENT_PRIOR };

typedef struct sf_latent_how {
	int joint;            /* the pair is trained with the score model too */
	int separate;         /* its cross entropy has times and noise of its own, */
	const char *q_times;  /* with this density: "uniform" or "normal" */
	double kl_start;
	int64_t kl_steps;     /* 0: no annealing */
	int balance;          /* of the groups' KL while it is annealed */
} sf_latent_how;

typedef struct sf_latent sf_latent;
/* Objective, model (copied) and pair must outlive it. SF_EUNSUP for what does not go together, with the reason. */
int sf_latent_new(const sf_latent_how *how, const sf_objective *o, const sf_model *m, const sf_vae *v, sf_latent **out);
void sf_latent_free(sf_latent *l);
const sf_batch_kind *sf_latent_kind(const sf_latent *l, int phase);
/* b above, for a step counted from 0. */
double sf_latent_anneal(const sf_latent_how *how, int64_t step);

/* Declares all parameters of a run in their order: the score model's, the encoder's with the posterior, the decoder's. *pair: index
 * of the first that is not the score model's; may be NULL. */
int sf_latent_layout(const sf_model *m, const sf_vae *v, sf_graph *g, int *pair);

#endif
