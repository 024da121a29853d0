/* trainer_step.c: one step of training: the batch of the phase at hand, gradient clipping, the update.
 *
 * Each rank makes its share of the batch; means and the gradient's sum are then the same on all of them, and so is what follows.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/trainer.h"

#include "graph/device.h"
#include "latent/latent.h"

#include <math.h>
#include <string.h>

/* Opens the batch of the phase that the next step is in. Between two steps; the phase before has given its memory back. */
int sf_trainer_enter(sf_trainer *t)
{
	int phase = sf_phase_at(&t->s, t->st.step), which = phase == sf_phase_at(&t->s, 0) ? 0 : 1;

	if (t->b && phase == t->phase)
		return SF_OK;
	if (phase == SF_LATENT_FROZEN && t->st.step == t->set->vae.pretrain) {
		SF_TRY(sf_live_fetch(t->live));
		sf_phase_freeze(&t->s, &t->st);
		if (t->live)
			SF_TRY(sf_live_send(t->live));
	}
	if (which == 1) {
		sf_batch_free(t->plan[0]);
		t->plan[0] = NULL;
	}
	t->b = t->plan[which];
	t->phase = phase;
	SF_TRY(sf_batch_open(t->b));
	return t->profile ? sf_batch_profile(t->b, t->profile) : SF_OK;
}

/* Norm of the mean gradient, of some parameters. */
static int gradient_norm(const sf_trainer *t, const sf_part *p, double *norm)
{
	size_t e = t->s.type == SF_F32 ? sizeof(float) : sizeof(double);
	const char *g = (const char *)sf_batch_gradient(t->b) + (size_t)p->first * e;

	if (t->live)
		SF_TRY(sf_live_norm(t->live, p->n, g, norm));
	else
		*norm = sf_train_norm(t->ctx, t->st.type, p->n, g, t->partial);
	*norm /= (double)t->set->train.batch;
	return SF_OK;
}

/* The pair's weights and gradient are brought here for it. */
static int add_spectral_there(sf_trainer *t, size_t at)
{
	size_t bytes = (size_t)(t->st.total - t->s.pair) * sizeof(float);
	char *param = (char *)t->st.param + at, *there = (char *)sf_batch_gradient(t->b) + at;
	double penalty;

	SF_TRY(sf_device_copy(t->ctx, param, (const char *)sf_live_params(t->live) + at, bytes));
	SF_TRY(sf_device_copy(t->ctx, t->pair_grad, there, bytes));
	SF_TRY(sf_spectral_add(t->spectral, param, t->set->vae.spectral * (double)t->set->train.batch, t->pair_grad, &penalty));
	return sf_device_copy(t->ctx, there, t->pair_grad, bytes);
}

/* [vae] spectral, which knows no data: into the gradient of the batch's sum. */
static int add_spectral(sf_trainer *t)
{
	size_t at = (size_t)t->s.pair * (t->s.type == SF_F32 ? sizeof(float) : sizeof(double));
	double penalty;

	if (!t->spectral || t->phase == SF_LATENT_FROZEN)
		return SF_OK;
	if (t->live)
		return add_spectral_there(t, at);
	return sf_spectral_add(t->spectral, (char *)t->st.param + at, t->set->vae.spectral * (double)t->set->train.batch,
	                       (char *)sf_batch_gradient(t->b) + at, &penalty);
}

/* Clips and updates one part of the parameters after the other; *norm is that of the whole gradient. */
static int update(sf_trainer *t, double *norm, int *bad)
{
	double batch = (double)t->set->train.batch, part_norm[2] = {0, 0}, sum = 0;
	sf_state *st = &t->st;
	sf_part part[2];
	int n = sf_phase_parts(&t->s, st->total, st->step, part), i;

	for (i = 0; i < n; i++) {
		SF_TRY(gradient_norm(t, &part[i], &part_norm[i]));
		sum += part_norm[i] * part_norm[i];
	}
	*norm = n > 1 ? sqrt(sum) : part_norm[0];
	*bad = !isfinite(*norm);
	if (*bad)
		return SF_OK;
	for (i = 0; i < n; i++) {
		double gscale = sf_train_clip(t->set, part_norm[i]) / batch;

		if (t->live)
			SF_TRY(sf_live_part(t->live, t->set, &part[i], sf_batch_gradient(t->b), gscale));
		else
			SF_TRY(sf_train_part(t->ctx, t->set, st, &part[i], sf_batch_gradient(t->b), gscale));
	}
	st->step++;
	return SF_OK;
}

/* Numbers of the sum's gradient that are not finite become finite: of the mean 1e5. */
static int sanitise(sf_trainer *t)
{
	double most = 1e5 * (double)t->set->train.batch;
	int64_t found = 0;

	if (t->live)
		SF_TRY(sf_live_sanitise(t->live, t->st.total, sf_batch_gradient(t->b), most, &found));
	else
		found = sf_train_sanitise(t->ctx, t->st.type, t->st.total, sf_batch_gradient(t->b), most, t->partial);
	t->st.nonfinite += found;
	return SF_OK;
}

/* A value of the batch that is a term of the loss; NaN where this phase has none. */
double sf_trainer_term(const sf_trainer *t, int which)
{
	static const int value[SF_TERMS] = {SF_LATENT_RECONSTRUCTION, SF_LATENT_KL, SF_LATENT_PRIOR};

	if (t->phase < 0)
		return NAN;
	return t->value[t->phase == SF_LATENT_FROZEN && which == SF_TERM_PRIOR ? 0 : value[which]];
}

/* The batch's loss and gradient: of this rank's share, then of all. */
static int batch(sf_trainer *t, double *loss)
{
	int i;

	SF_TRY(sf_step_run(&t->s, t->b, t->live ? sf_live_params(t->live) : t->st.param, t->st.step, t->profile, NULL));
	for (i = 0; i < SF_BATCH_VALUES; i++)
		t->value[i] = sf_batch_value(t->b, i);
	SF_TRY(sf_ranks_agree(t->ranks, SF_BATCH_VALUES, t->value, NULL));
	*loss = t->value[0];
	return sf_ranks_sum(t->ranks, t->s.type, t->st.total, sf_batch_gradient(t->b), t->live != NULL);
}

static int step(sf_trainer *t, double *loss, double *norm)
{
	sf_state *st = &t->st;
	double since;
	int zero = t->set->train.nonfinite == SF_NONFINITE_ZERO, bad, i;

	SF_TRY(sf_trainer_enter(t));
	SF_TRY(batch(t, loss));
	since = t->profile ? sf_seconds() : 0;
	if (!isfinite(*loss) && !zero)
		return sf_fail(t->ctx, SF_EDIVERGED, "step %lld: the loss is not finite (learning rate %g)", (long long)st->step + 1,
		               sf_train_lr(t->set, st->step));
	SF_TRY(add_spectral(t));
	SF_TRY(update(t, norm, &bad));
	if (bad && zero) {
		SF_TRY(sanitise(t));
		SF_TRY(update(t, norm, &bad));
	}
	if (bad)
		return sf_fail(t->ctx, SF_EDIVERGED, "step %lld: the gradient is not finite (learning rate %g)", (long long)st->step + 1,
		               sf_train_lr(t->set, st->step));
	if (t->profile && t->live)
		SF_TRY(sf_live_wait(t->live));
	sf_step_lap(t->profile, SF_KIND_OPTIMISER, &since);
	if (isfinite(*loss)) {
		st->loss_sum += *loss;
		st->loss_n++;
	}
	for (i = 0; i < SF_TERMS; i++)
		if (isfinite(sf_trainer_term(t, i))) {
			st->term[i].sum += sf_trainer_term(t, i);
			st->term[i].n++;
		}
	return SF_OK;
}

/* A step, and what its parts leave of its time. */
int sf_trainer_step(sf_trainer *t, double *loss, double *norm)
{
	sf_profile *f = t->profile;
	double start, known;
	int rc;

	if (!f)
		return step(t, loss, norm);
	start = sf_seconds();
	known = sf_profile_seconds(f);
	rc = step(t, loss, norm);
	f->seconds[SF_KIND_OTHER] += sf_seconds() - start - (sf_profile_seconds(f) - known);
	f->calls[SF_KIND_OTHER]++;
	return rc;
}
