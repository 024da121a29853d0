/* train_rig.h: small training runs in a folder of the test's own.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef TRAIN_RIG_H
#define TRAIN_RIG_H

#include <scorefield.h>

extern sf_ctx *ctx;
extern int stop_at; /* the step after which runs are stopped; -1: none */
/* A checked fixture: context and folder. */
void train_setup(void);
void train_teardown(void);
/* A path in the folder; good for four calls. */
const char *in_folder(const char *name);
/* A small run: settings separated by blanks on top of the rig's: an mlp on checkerboard, lcss, 12 steps of 20. */
sf_config *configured(const char *settings);
/* Trains into the folder; returns the trainer's code. */
int train(const char *settings, const char *name, int resume, int force, int threads);
void same_file(const char *a, const char *b);
/* A run's log.jsonl without the times; freed by the caller. */
char *log_of(const char *name);
/* Settings of a run whose gradient is not finite in float: data whose squares are not, written into the folder. */
const char *large_data(void);
#define LAST "/checkpoint-00000012.safetensors"

#endif
