/* internal.h: what the files of src/train share: the settings behind a configuration, the optimiser, the run
 * directory.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_INTERNAL_H
#define SF_TRAIN_INTERNAL_H

#include <scorefield/io.h>
#include <scorefield/train.h>

#include "core/core.h"

/* ---- config_keys.c ---- */
typedef struct sf_settings {
	struct {
		char *spec;
		int scale, flip, dequantise;
		double std;
	} data;
	struct {
		char *spec;
	} process, net, objective;
	struct {
		char *parametrisation;
		double sigma_data; /* 0: the data's standard deviation */
		int precision, conditional;
	} model;
	struct {
		int64_t steps, batch, shards, seed, warmup, log_every, checkpoint_every, sample_every, keep;
		double lr, beta1, beta2, eps, clip, ema, ema_halflife, label_dropout;
		int ema_ramp, events;
	} train;
	struct {
		char *sampler, *grid;
		int64_t steps, n, seed, batch;
	} sample;
} sf_settings;
enum { SF_SET_SCALE_AUTO, SF_SET_SCALE_NONE, SF_SET_SCALE_UNIT, SF_SET_SCALE_PM1, SF_SET_SCALE_STANDARD };
enum { SF_RAMP_NONE, SF_RAMP_TF, SF_RAMP_EDM };

typedef struct sf_section {
	const char *name;
	const sf_opt *opts; /* offsets into sf_settings */
} sf_section;
extern const sf_section sf_sections[]; /* NULL name at the end */

struct sf_config {
	sf_ctx *ctx;
	sf_settings set;
	char **text;    /* by key, what sf_config_get returned */
	int keys;
	char **presets; /* sf_config_presets */
};
/* One value of a section; the message names section and key. */
int sf_config_assign(sf_config *c, const char *section, const char *key, const char *value);
const sf_settings *sf_config_settings(const sf_config *c);
/* A configuration's text, terminated by a zero that `size` does not count; `path` for the messages. */
int sf_config_parse(sf_config *c, const char *path, const char *text, size_t size);
/* All keys, as sf_config_parse reads them. */
void sf_config_print(const sf_config *c, sf_text *t);

/* ---- optimiser.c: Adam with warm-up, clipping and a moving average ---- */
/* Of the update that follows `done` earlier ones. */
double sf_train_lr(const sf_settings *s, int64_t done);
double sf_train_ema(const sf_settings *s, int64_t done);
/* Factor on a gradient of this norm. */
double sf_train_clip(const sf_settings *s, double norm);
enum { SF_TRAIN_TILE = 8192 }; /* elements */
/* Euclidean norm: double sums over fixed tiles, added in order. partial: (n/TILE + 1). */
double sf_train_norm(const sf_ctx *ctx, sf_dtype type, int64_t n, const void *g, double *partial);
/* One update with `grad` times gscale. */
int sf_train_update(const sf_ctx *ctx, const sf_settings *s, sf_state *st, const void *grad, double gscale);

/* ---- setup.c ---- */
/* Reference batches hold every record of the data once at most: SF_ERANGE where there are too few. */
int sf_reference_check(const sf_setup *s, const sf_objective *o, int64_t batch);

/* ---- step.c: the batch of one step ---- */
int sf_step_open(const sf_setup *s, sf_batch **b);
/* Fills in the data of step number `step` (from 0), the reference batch's too. */
int sf_step_read(const sf_setup *s, sf_batch *b, int64_t step);
/* Draws step number `step` (from 0) and runs it: the batch's gradient is that of the sum, *loss the mean. */
int sf_step_run(const sf_setup *s, sf_batch *b, const void *params, int64_t step, double *loss);

/* ---- rundir.c ---- */
typedef struct sf_rundir {
	sf_ctx *ctx;
	char *dir;
	void *log; /* FILE */
	sf_events *events;
} sf_rundir;
/* Refuses a directory that is there (or not there, with resume), before anything is made. */
int sf_rundir_check(sf_ctx *ctx, const char *dir, int resume, int force);
/* Makes it; with resume cuts the log after `step`, else starts over. */
int sf_rundir_open(sf_ctx *ctx, const char *dir, int resume, int64_t step, const sf_config *c, sf_rundir *r);
void sf_rundir_close(sf_rundir *r);
typedef struct sf_log_line {
	int64_t step, images;
	double loss, grad_norm, lr, ema, seconds;
} sf_log_line;
int sf_rundir_log(sf_rundir *r, const sf_log_line *l);
/* "DIR/NAME-STEP.EXT" */
int sf_rundir_path(sf_ctx *ctx, const char *dir, const char *name, int64_t step, const char *ext, char *path,
                   size_t size);
/* Removes all but the `keep` newest checkpoints. */
void sf_rundir_prune(const sf_rundir *r, int64_t keep);

/* ---- preview.c: samples drawn while training ---- */
int sf_preview(const sf_setup *s, const void *ema, sf_rundir *r, int64_t step, char *path, size_t size);

#endif
