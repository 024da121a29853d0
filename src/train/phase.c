/* phase.c: the phases of a run with latents, and which parameters each trains.
 *
 *     steps 0 .. pretrain-1    pretrain   encoder and decoder with normal latents
 *     from then on             joint      all parameters, or
 *                              frozen     the score model alone
 *
 * A part that a phase does not train is left out of its updates: with a gradient of nought Adam would go on along its mean. Bias
 * correction, warm-up and the ramp of the averages count a part's own updates. Frozen encoders and decoders are those that samples
 * are decoded with, the first average, so at the switch it takes the place of the weights: what the score model learns is what it
 * is used with.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <string.h>

int sf_phase_at(const sf_setup *s, int64_t done)
{
	const sf_settings *set = sf_config_settings(s->config);

	if (!s->vae)
		return -1;
	if (done >= set->train.steps) /* a run that has ended is in its last phase */
		done = set->train.steps > 0 ? set->train.steps - 1 : 0;
	if (done < set->vae.pretrain)
		return SF_LATENT_PRETRAIN;
	return set->vae.after == SF_AFTER_FROZEN ? SF_LATENT_FROZEN : SF_LATENT_JOINT;
}

const char *sf_phase_name(int phase)
{
	static const char *const names[] = {"pretrain", "joint", "frozen"};

	return phase < 0 ? NULL : names[phase];
}

int sf_phase_parts(const sf_setup *s, int64_t total, int64_t done, sf_part part[2])
{
	const sf_settings *set = sf_config_settings(s->config);
	int phase = sf_phase_at(s, done), n = 0;

	if (phase != SF_LATENT_PRETRAIN) { /* the score model */
		part[n].first = 0;
		part[n].n = s->vae ? s->pair : total;
		part[n].done = s->vae ? done - set->vae.pretrain : done;
		part[n++].lr = set->train.lr;
	}
	if (phase == SF_LATENT_PRETRAIN || phase == SF_LATENT_JOINT) {
		part[n].first = s->pair;
		part[n].n = total - s->pair;
		part[n].done = done;
		part[n++].lr = set->vae.lr > 0 ? set->vae.lr : set->train.lr;
	}
	return n;
}

int sf_phase_check(sf_ctx *ctx, const sf_settings *set)
{
	int encodes = *set->vae.encoder != '\0', decodes = *set->vae.decoder != '\0';

	if (encodes != decodes)
		return sf_fail(ctx, SF_EINVAL, "[vae] %s is set and %s is not; a model of latents needs both", encodes ? "encoder" : "decoder",
		               encodes ? "decoder" : "encoder");
	if (encodes && set->vae.after == SF_AFTER_FROZEN && set->vae.pretrain == 0 && !*set->vae.from)
		return sf_fail(ctx, SF_EINVAL, "[vae] after=frozen with pretrain=0: nothing would ever train encoder and decoder; set "
		               "vae.pretrain, or vae.from to a run that has them");
	if (encodes && set->data.augment > 0)
		return sf_fail(ctx, SF_EUNSUP, "[vae] with [data] augment=%g: the decoder would learn the augmented images as data; set "
		               "data.augment=0", set->data.augment);
	return SF_OK;
}

void sf_phase_how(const sf_settings *set, sf_latent_how *how)
{
	static const char *const densities[] = {"uniform", "normal"};

	memset(how, 0, sizeof *how);
	how->joint = set->vae.after == SF_AFTER_JOINT;
	how->separate = set->vae.times == SF_TIMES_SEPARATE;
	how->q_times = densities[set->vae.q_times];
	how->kl_start = set->vae.kl_start;
	how->kl_steps = set->vae.kl_steps;
	how->balance = set->vae.balance;
}

void sf_phase_freeze(const sf_setup *s, sf_state *st)
{
	size_t e = st->type == SF_F32 ? sizeof(float) : sizeof(double);
	size_t at = (size_t)s->pair * e, n = (size_t)(st->total - s->pair) * e;
	int i;

	memcpy((char *)st->param + at, (char *)st->ema + at, n);
	for (i = 1; i < st->averages; i++)
		memcpy((char *)st->more[i - 1] + at, (char *)st->ema + at, n);
}
