/* trainer.c: the loop: draw a batch, run the plan, clip, update, log; checkpoints and previews between steps.
 *
 * The state is the weights, their averages, Adam's moments and the number of updates: noise, times and data order are
 * functions of that number, so a run that is stopped and resumed ends in the same bytes as one that was not. A loss
 * or gradient that is not finite stops the run before the update, and nothing is written over; with nonfinite=zero the
 * gradient's numbers are replaced as in EDM's training, and such a loss is left out of the log's mean.
 *
 * With latents, phases have a graph each over one layout of the parameters (phase.c); each loss's gradient is clipped by itself,
 * so that a part's updates do not depend on how large the other loss is.
 *
 * On a device the live state, the gradient and small data are there (live.c, records.c), and the state here is older.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/trainer.h"

#include "io/io.h"
#include "latent/latent.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Weights: drawn, or from the directory's newest checkpoint. */
static int start_state(sf_trainer *t, const char *dir, int resume)
{
	char path[SF_PATH_MAX];
	size_t e = t->s.type == SF_F32 ? sizeof(float) : sizeof(double);
	const sf_graph *g = sf_batch_graph(t->plan[0]);
	int i;

	SF_TRY(sf_state_new(t->ctx, t->s.type, sf_param_total(g), &t->st));
	SF_TRY(sf_state_averages(t->ctx, &t->st, sf_averages(t->set)->n));
	if (resume && sf_run_latest(t->ctx, dir, path, sizeof path, &t->saved) == 0) {
		SF_TRY(sf_checkpoint_resume(&t->s, g, path, &t->st));
		if (t->st.step > t->set->train.steps)
			return sf_fail(t->ctx, SF_ERANGE, "%s: is at step %lld, [train] steps is %lld", path,
			               (long long)t->st.step, (long long)t->set->train.steps);
		return SF_OK;
	}
	t->saved = -1;
	sf_param_init(g, (uint64_t)t->set->train.seed, t->s.type, t->st.param);
	memcpy(t->st.ema, t->st.param, (size_t)t->st.total * e);
	for (i = 1; i < t->st.averages; i++)
		memcpy(t->st.more[i - 1], t->st.param, (size_t)t->st.total * e);
	return t->s.vae && *t->set->vae.from ? sf_pair_start(&t->s, &t->st) : SF_OK;
}

/* What steps need besides: first what lies on a device. */
static int make_ready(sf_trainer *t)
{
	SF_TRY(sf_live_new(t->ctx, &t->st, &t->live));
	SF_TRY(sf_records_new(&t->s, &t->records));
	if (t->records)
		SF_TRY(sf_batch_source_set(t->plan[0], sf_records_source(t->records)));
	SF_TRY(sf_trainer_enter(t));
	if (t->s.vae && t->set->vae.spectral > 0)
		SF_TRY(sf_spectral_new(t->s.vae, t->s.type, &t->spectral));
	if (t->spectral && t->live && !(t->pair_grad = sf_alloc((size_t)(t->st.total - t->s.pair), sizeof(float))))
		return sf_fail(t->ctx, SF_ENOMEM, "training: out of memory");
	t->partial = sf_alloc((size_t)(t->st.total / SF_TRAIN_TILE + 1), sizeof(double));
	return t->partial ? SF_OK : sf_fail(t->ctx, SF_ENOMEM, "training: out of memory");
}

/* Before anything large is taken. */
static int fits(const sf_trainer *t)
{
	sf_memory m;
	sf_limits l;

	sf_memory_most(&t->s, t->plan, &m);
	sf_limits_read("", &l);
	return sf_memory_fits(&t->s, &m, &l);
}

/* All ranks start with the same configuration and the state of rank 0. */
static int agree(sf_trainer *t, const sf_config *c)
{
	sf_text text = {0};
	int rc;

	if (!t->ranks)
		return SF_OK;
	sf_config_print(c, &text);
	rc = text.failed ? sf_fail(t->ctx, SF_ENOMEM, "training: out of memory") : sf_ranks_same(t->ranks, "configuration", text.s);
	free(text.s);
	return rc < 0 ? rc : sf_ranks_state(t->ranks, &t->st);
}

int sf_trainer_new(sf_ctx *ctx, sf_config *c, const char *dir, int resume, int force, sf_trainer **out)
{
	return sf_trainer_join(ctx, c, NULL, dir, resume, force, out);
}

int sf_trainer_join(sf_ctx *ctx, sf_config *c, sf_comm *comm, const char *dir, int resume, int force, sf_trainer **out)
{
	sf_trainer *t;
	int needs = SF_SETUP_DATA | SF_SETUP_OBJECTIVE, rc;

	*out = NULL;
	if (!dir && resume)
		return sf_fail(ctx, SF_EINVAL, "resuming needs a run directory");
	if (sf_comm_rank(comm) > 0) {
		dir = NULL;
		resume = 0;
	}
	SF_TRY(sf_train_check(ctx, sf_config_settings(c)));
	if (dir)
		SF_TRY(sf_rundir_check(ctx, dir, resume, force));
	t = sf_alloc(1, sizeof *t);
	if (!t)
		return sf_fail(ctx, SF_ENOMEM, "training: out of memory");
	t->ctx = ctx;
	t->phase = -1;
	t->set = sf_config_settings(c);
	if (t->set->train.sample_every > 0)
		needs |= SF_SETUP_SAMPLER;
	rc = sf_ranks_new(ctx, comm, &t->ranks);
	if (rc == 0)
		rc = sf_setup_open(ctx, c, needs, NULL, &t->s);
	t->s.comm = comm;
	if (rc == 0)
		rc = sf_step_phases(&t->s, t->plan);
	if (rc == 0)
		rc = fits(t);
	if (rc == 0)
		rc = start_state(t, dir, resume);
	if (rc == 0)
		rc = agree(t, c);
	if (rc == 0)
		rc = make_ready(t);
	if (rc == 0 && dir)
		rc = sf_rundir_open(ctx, dir, resume, t->st.step, c, &t->dir);
	if (rc < 0)
		sf_ranks_fail(t->ranks);
	if (rc < 0)
		sf_trainer_free(t);
	else
		*out = t;
	return rc;
}

void sf_trainer_free(sf_trainer *t)
{
	if (!t)
		return;
	sf_rundir_close(&t->dir);
	sf_spectral_free(t->spectral);
	sf_free(t->pair_grad);
	sf_free(t->partial);
	sf_batch_free(t->plan[0]);
	sf_batch_free(t->plan[1]);
	sf_records_free(t->records);
	sf_live_free(t->live);
	sf_state_free(&t->st);
	sf_setup_close(&t->s);
	sf_ranks_free(t->ranks);
	sf_free(t);
}

const sf_setup *sf_trainer_setup(const sf_trainer *t)
{
	return &t->s;
}

const sf_state *sf_trainer_state(const sf_trainer *t)
{
	(void)sf_live_fetch(t->live); /* a device that fails has said so in the log */
	return &t->st;
}

void sf_trainer_describe(const sf_trainer *t, sf_plan_info *info)
{
	sf_batch_describe(t->b, info);
}

void sf_trainer_memory(const sf_trainer *t, sf_memory *m)
{
	sf_memory_most(&t->s, t->plan, m);
}

int sf_trainer_profile(sf_trainer *t, sf_profile *into)
{
	t->profile = into;
	return sf_batch_profile(t->b, into);
}

static int save(sf_trainer *t)
{
	if (!t->dir.dir || t->saved == t->st.step)
		return SF_OK;
	SF_TRY(sf_live_fetch(t->live));
	if (!sf_train_finite(t->ctx, &t->st, t->partial)) /* nothing could be read back from it */
		return sf_fail(t->ctx, SF_EDIVERGED, "step %lld: the weights, averages or moments are not finite; no checkpoint is "
		               "written (learning rate %g)", (long long)t->st.step, sf_train_lr(t->set, t->st.step - 1));
	SF_TRY(sf_rundir_path(t->ctx, t->dir.dir, "checkpoint", t->st.step, ".safetensors", t->checkpoint,
	                      sizeof t->checkpoint));
	SF_TRY(sf_checkpoint_save(&t->s, sf_batch_graph(t->b), &t->st, t->checkpoint));
	t->saved = t->st.step;
	sf_rundir_prune(&t->dir, t->set->train.keep);
	return SF_OK;
}

static int log_step(sf_trainer *t, double norm)
{
	sf_state *st = &t->st;
	sf_part part[2];
	sf_log_line l;
	int i;

	if (st->step % t->set->train.log_every != 0)
		return SF_OK;
	l.step = st->step;
	l.images = st->step * t->set->train.batch;
	l.loss = st->loss_sum / (double)st->loss_n;
	l.grad_norm = norm;
	sf_phase_parts(&t->s, st->total, st->step - 1, part);
	l.lr = sf_train_rate(t->set, part[0].lr, part[0].done);
	l.averages = st->averages;
	for (i = 0; i < st->averages; i++)
		l.ema[i] = sf_train_ema(t->set, i, part[0].done);
	for (i = 0; i < SF_TERMS; i++)
		l.term[i] = st->term[i].n > 0 ? st->term[i].sum / (double)st->term[i].n : NAN;
	l.nonfinite = t->set->train.nonfinite == SF_NONFINITE_ZERO ? st->nonfinite : -1;
	l.seconds = now() - t->start;
	st->loss_sum = 0;
	st->loss_n = 0;
	st->nonfinite = 0;
	memset(st->term, 0, sizeof st->term);
	return t->dir.dir ? sf_rundir_log(&t->dir, &l) : SF_OK;
}

static void report(sf_trainer *t, double loss, sf_progress *p)
{
	int64_t done = t->st.step - t->start_step;
	int i;

	for (i = 0; i < SF_TERMS; i++)
		p->term[i] = sf_trainer_term(t, i);
	p->phase = sf_phase_name(t->phase);
	p->step = t->st.step;
	p->steps = t->set->train.steps;
	p->loss = loss;
	p->average = t->average;
	p->seconds = now() - t->start;
	p->images_per_second = p->seconds > 0 ? (double)(done * t->set->train.batch) / p->seconds : 0;
	p->eta = done > 0 ? p->seconds / (double)done * (double)(p->steps - p->step) : 0;
	p->checkpoint = *t->checkpoint ? t->checkpoint : NULL;
	p->samples = *t->samples ? t->samples : NULL;
}

/* What falls due after a step. */
static int between(sf_trainer *t)
{
	const sf_settings *set = t->set;
	int64_t step = t->st.step;
	int last = step == set->train.steps;

	*t->checkpoint = *t->samples = '\0';
	if (t->dir.dir && set->train.sample_every > 0 && (last || step % set->train.sample_every == 0)) {
		SF_TRY(sf_live_fetch(t->live));
		SF_TRY(sf_preview(&t->s, t->st.ema, &t->dir, step, t->samples, sizeof t->samples));
	}
	if (last || (set->train.checkpoint_every > 0 && step % set->train.checkpoint_every == 0))
		SF_TRY(save(t));
	return SF_OK;
}

static int run(sf_trainer *t, int (*progress)(void *user, const sf_progress *p), void *user, const volatile int *stop)
{
	double loss = 0, norm = 0;

	t->start = now();
	t->start_step = t->st.step;
	if (t->st.step == t->set->train.steps)
		SF_TRY(save(t));
	while (t->st.step < t->set->train.steps) {
		int halt;

		SF_TRY(sf_trainer_step(t, &loss, &norm));
		if (isfinite(loss))
			t->average = t->st.step == t->start_step + 1 ? loss : t->average + .02 * (loss - t->average);
		SF_TRY(log_step(t, norm));
		SF_TRY(between(t));
		halt = stop && *stop;
		if (progress) {
			sf_progress p;

			report(t, loss, &p);
			halt |= progress(user, &p) != 0;
		}
		SF_TRY(sf_ranks_agree(t->ranks, 0, NULL, &halt));
		if (halt && t->st.step < t->set->train.steps) {
			SF_TRY(save(t));
			return sf_fail(t->ctx, SF_ESTOPPED, "stopped after step %lld of %lld", (long long)t->st.step,
			               (long long)t->set->train.steps);
		}
	}
	return SF_OK;
}

int sf_trainer_run(sf_trainer *t, int (*progress)(void *user, const sf_progress *p), void *user,
                   const volatile int *stop)
{
	int rc = run(t, progress, user, stop);

	if (rc < 0 && rc != SF_ESTOPPED)
		sf_ranks_fail(t->ranks);
	return rc;
}
