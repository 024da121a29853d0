/* trainer.h: what a trainer is made of.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_TRAINER_H
#define SF_TRAIN_TRAINER_H

#include "io/io.h"
#include "latent/latent.h"
#include "objective/batch.h"
#include "train/internal.h"
#include "train/parallel.h"

struct sf_trainer {
	sf_ctx *ctx;
	const sf_settings *set;
	sf_ranks *ranks; /* NULL: there is no other */
	sf_setup s;
	sf_batch *b;       /* of the phase at hand, */
	sf_batch *plan[2]; /* which is one of these: all phases, planned; NULL where there is none, or it is over */
	int phase;         /* -1: nothing is open yet, or there are no phases */
	sf_state st;
	sf_live *live;   /* NULL: the processor trains; else `st` has old numbers until they are fetched */
	sf_records *records; /* NULL: steps read their data here */
	sf_rundir dir;   /* dir.dir NULL: no files */
	sf_spectral *spectral; /* NULL: no such term */
	void *pair_grad; /* for that, where the gradient is on a device */
	double *partial; /* of the norm */
	sf_profile *profile; /* NULL: nobody asks where the time goes */
	int64_t saved;   /* step of the last checkpoint written, -1 */
	double value[SF_BATCH_VALUES]; /* of the last step's batch: means over all ranks */
	double start, average;
	int64_t start_step;
	char checkpoint[SF_PATH_MAX], samples[SF_PATH_MAX]; /* written after the step, or "" */
};

/* ---- trainer_step.c ---- */
/* Opens the batch of the phase that the next step is in. */
int sf_trainer_enter(sf_trainer *t);
/* A step; *loss is the mean over the batch, *norm that of the mean gradient. */
int sf_trainer_step(sf_trainer *t, double *loss, double *norm);
/* A term of the loss (SF_TERM_...) in the last step; NaN where the phase has none. */
double sf_trainer_term(const sf_trainer *t, int which);

#endif
