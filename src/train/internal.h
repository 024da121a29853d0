/* internal.h: what the files of src/train share: the settings behind a configuration, the optimiser, the run
 * directory.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_INTERNAL_H
#define SF_TRAIN_INTERNAL_H

#include <scorefield/io.h>
#include <scorefield/train.h>

#include "core/core.h"
#include "latent/loss.h"

/* ---- config_keys.c ---- */
typedef struct sf_settings {
	struct {
		char *spec, *shape, *augment_kinds;
		int scale, flip, dequantise;
		int64_t classes;
		double std, augment;
	} data;
	struct {
		char *spec;
	} process, objective;
	struct {
		char *spec, *source;
		int64_t parameters; /* 0: any number */
	} net;
	struct {
		char *parametrisation;
		double sigma_data; /* 0: the data's standard deviation */
		double mix;
		int precision, conditional, cond; /* cond: SF_COND_... */
		int64_t levels; /* of cond=level; 0: see sf_param_coef */
	} model;
	struct {
		char *encoder, *decoder, *from; /* encoder empty: no latents */
		int64_t latent, groups, mixture, pretrain, kl_steps;
		int likelihood, after, times, q_times, balance;
		double std, kl_start, spectral, lr;
	} vae;
	struct {
		int64_t steps, batch, shards, accumulate, seed, warmup, warmup_images, log_every, checkpoint_every, sample_every,
		        keep;
		double lr, beta1, beta2, eps, clip, label_dropout;
		sf_list ema, ema_halflife;
		int ema_ramp, events, recompute, nonfinite, memory_check;
	} train;
	struct {
		char *sampler, *grid;
		int64_t steps, n, seed, batch;
	} sample;
} sf_settings;
enum { SF_SET_SCALE_AUTO, SF_SET_SCALE_NONE, SF_SET_SCALE_UNIT, SF_SET_SCALE_PM1, SF_SET_SCALE_STANDARD };
enum { SF_RAMP_NONE, SF_RAMP_TF, SF_RAMP_EDM };
enum { SF_NONFINITE_STOP, SF_NONFINITE_ZERO };
enum { SF_AFTER_JOINT, SF_AFTER_FROZEN };
enum { SF_TIMES_SHARED, SF_TIMES_SEPARATE };

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

/* ---- averages.c: the moving averages of the weights, and what they are called ---- */
/* Their rates, or with ema-ramp=edm their half-lives. */
const sf_list *sf_averages(const sf_settings *s);
/* What the ranges of single keys do not say: one to SF_AVERAGES averages, none twice; one warm-up. */
int sf_train_check(sf_ctx *ctx, const sf_settings *s);
/* The first `n` as a checkpoint's metadata has them ("ema": "0.999:0.9999", "ema-ramp": "tf"). */
void sf_averages_text(const sf_settings *s, int n, sf_text *t);
const char *sf_averages_ramp(const sf_settings *s);
/* SF_EMISMATCH unless the file's are the configuration's; files from before they were written are taken. */
int sf_averages_check(sf_ctx *ctx, const sf_settings *s, const char *path, const sf_tensors *file);
/* The average that is called `name` in the file's metadata; SF_ENAME. */
int sf_averages_find(sf_ctx *ctx, const char *path, const sf_tensors *file, const char *name, int *which);

/* ---- optimiser.c: Adam with warm-up, clipping and moving averages ---- */
/* Of the update that follows `done` earlier ones; the decay of average i. */
double sf_train_lr(const sf_settings *s, int64_t done);
double sf_train_rate(const sf_settings *s, double lr, int64_t done); /* of a part that has another rate */
double sf_train_ema(const sf_settings *s, int i, int64_t done);
/* Factor on a gradient of this norm. */
double sf_train_clip(const sf_settings *s, double norm);
enum { SF_TRAIN_TILE = 8192 }; /* elements */
/* Euclidean norm: double sums over fixed tiles, added in order. partial: (n/TILE + 1). */
double sf_train_norm(const sf_ctx *ctx, sf_dtype type, int64_t n, const void *g, double *partial);
/* NaN becomes 0, an infinite number `most` of its sign; returns how many there were. partial as above. */
int64_t sf_train_sanitise(const sf_ctx *ctx, sf_dtype type, int64_t n, void *g, double most, double *partial);
/* Whether all numbers of a state are. */
int sf_train_finite(const sf_ctx *ctx, const sf_state *st, double *partial);
/* One update with `grad` (of all parameters) times gscale. */
int sf_train_update(const sf_ctx *ctx, const sf_settings *s, sf_state *st, const void *grad, double gscale);
/* The same of some of the parameters, with their own rate and number of earlier updates; the others stay, and so do their averages
 * and moments. Leaves st->step alone. */
typedef struct sf_part {
	int64_t first, n, done;
	double lr; /* after the warm-up */
} sf_part;
int sf_train_part(const sf_ctx *ctx, const sf_settings *s, sf_state *st, const sf_part *part, const void *grad, double gscale);

/* Adam's numbers for that, and the rates of `averages` averages. */
struct sf_adam;
void sf_train_adam(const sf_settings *s, const sf_part *part, double gscale, int averages, struct sf_adam *a, double *ema);

/* ---- live.c: the state of a run on a device ---- */
typedef struct sf_live sf_live;
/* Memory of the context's device, filled from `host`, which must outlive it; *m is NULL where the processor trains. */
int sf_live_new(sf_ctx *ctx, sf_state *host, sf_live **m);
void sf_live_free(sf_live *m);
/* The device's buffers as the host's are, and back: nothing is copied unless the device's are newer, or m is NULL. */
int sf_live_send(sf_live *m);
int sf_live_fetch(sf_live *m);
const void *sf_live_params(const sf_live *m);
/* As sf_train_norm, _sanitise and _part, of a gradient on the device. */
int sf_live_norm(const sf_live *m, int64_t n, const void *g, double *norm);
int sf_live_sanitise(const sf_live *m, int64_t n, void *g, double most, int64_t *found);
int sf_live_part(sf_live *m, const sf_settings *s, const sf_part *part, const void *grad, double gscale);
int sf_live_wait(const sf_live *m);

/* ---- records.c: data on a device ---- */
typedef struct sf_records sf_records;
struct sf_batch_source;
/* *r is NULL where steps read their data on the host. The set-up must outlive it. */
int sf_records_new(const sf_setup *s, sf_records **r);
void sf_records_free(sf_records *r);
const struct sf_batch_source *sf_records_source(const sf_records *r);

/* ---- shape.c: [data] shape and classes ---- */
/* What data of that shape look like; SF_EINVAL where the text is none. */
int sf_shape_assume(sf_ctx *ctx, const sf_settings *set, sf_data_info *info, sf_view *view);
/* SF_EMISMATCH unless `found` are as [data] shape says; it may say nothing. */
int sf_shape_check(sf_ctx *ctx, const sf_settings *set, const sf_data_info *found);

/* ---- phase.c: of runs with latents, and what is trained in which ---- */
/* SF_LATENT_... (latent/loss.h) of the step that follows `done` earlier ones; -1 without latents. */
int sf_phase_at(const sf_setup *s, int64_t done);
const char *sf_phase_name(int phase); /* NULL for -1 */
/* The parameters that this step trains, one part or two: the score model's, then the pair's. `total`: numbers in all. */
int sf_phase_parts(const sf_setup *s, int64_t total, int64_t done, sf_part part[2]);
/* What keys of [vae] do not say one by one. */
int sf_phase_check(sf_ctx *ctx, const sf_settings *set);
/* How the losses are made, for sf_latent_new. */
void sf_phase_how(const sf_settings *set, sf_latent_how *how);
/* The first average of the encoder and decoder takes the place of all others and of the weights. */
void sf_phase_freeze(const sf_setup *s, sf_state *st);

/* ---- pair.c: encoder and decoder in files ---- */
/* What they are, as text; freed by the caller with free(). SF_ENOMEM. */
int sf_pair_text(const sf_setup *s, char **text);
/* SF_EMISMATCH unless the file's are of the same networks. */
int sf_pair_check(const sf_setup *s, const char *path, const sf_tensors *file);
/* The hash that a file has for tensors PREFIX.NAME, or NULL: "param." is vae-hash-raw, "ema." vae-hash, "ema1." vae-hash1. */
const char *sf_pair_hash(const sf_tensors *file, const char *prefix);
/* The pair's tensors PREFIX.* of an open file into a flat buffer of the whole layout (element type s->type), and their hash;
 * SF_EMISMATCH where it is not the file's. */
int sf_pair_read(const sf_setup *s, const sf_graph *g, const char *path, const sf_tensors *file, const char *prefix, void *flat,
                 char hex[17]);
/* [vae] from: the first average there becomes weights and averages of the pair. */
int sf_pair_start(const sf_setup *s, sf_state *st);

/* ---- setup.c ---- */
/* Reference batches hold every record of the data once at most: SF_ERANGE where there are too few. */
int sf_reference_check(const sf_setup *s, const sf_objective *o, int64_t batch);

/* ---- limits.c: how much memory there is ---- */
typedef struct sf_limits {
	double free, most; /* bytes that this process can have now and at all; 0 where that cannot be told */
	const char *what;  /* what `most` comes from */
} sf_limits;
/* root: "", or the folder that stands for "/". */
void sf_limits_read(const char *root, sf_limits *l);

/* ---- memory.c ---- */
/* What a planned batch and its training need; SF_ENOMEM with what would help where that is too much. */
void sf_memory_of(const sf_setup *s, const sf_batch *b, sf_memory *m);
/* Of the batch that needs the most; either may be NULL. */
void sf_memory_most(const sf_setup *s, sf_batch *const b[2], sf_memory *m);
int sf_memory_fits(const sf_setup *s, const sf_memory *m, const sf_limits *l);

/* ---- checkpoint.c ---- */
/* sf_checkpoint_load, of a run whose averages are the configuration's. */
int sf_checkpoint_resume(const sf_setup *s, const sf_graph *g, const char *path, sf_state *st);
/* Tensor PREFIX.NAME of an open file, checked, into `out` (of element type `type`). */
int sf_checkpoint_one(const sf_setup *s, const char *path, const sf_tensors *file, const char *prefix, const sf_param_info *p,
                      sf_dtype type, void *out);

/* ---- step.c: the batch of one step ---- */
enum { SF_SHARDS_AUTO = 16 }; /* most that [train] shards=0 stands for */
/* Planned; it has no memory until sf_batch_open. phase: sf_phase_at. */
int sf_step_plan(const sf_setup *s, int phase, sf_batch **b);
/* The same for all phases that the run has, one or two, in order; of its first and last steps. */
int sf_step_phases(const sf_setup *s, sf_batch *b[2]);
/* Fills in the data of step number `step` (from 0): of the batch's part, or with part 0 the whole reference batch. */
int sf_step_read(const sf_setup *s, sf_batch *b, int64_t step);
/* Draws step number `step` (from 0) and runs it, part by part: the batch's gradient is that of the sum, *loss the mean. */
int sf_step_run(const sf_setup *s, sf_batch *b, const void *params, int64_t step, sf_profile *f, double *loss);
/* The time since *since goes to a kind, and *since to now; nothing where f is NULL. */
void sf_step_lap(sf_profile *f, int kind, double *since);

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
	double loss, grad_norm, lr, ema[SF_AVERAGES], seconds;
	int averages;
	int64_t nonfinite; /* -1: not counted */
	double term[SF_TERMS]; /* NaN: none */
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
