/* train.h: configuration, run directories, checkpoints and the trainer.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_TRAIN_H
#define SCOREFIELD_TRAIN_H

#include <scorefield/comm.h>
#include <scorefield/data.h>
#include <scorefield/latent.h>
#include <scorefield/objective.h>
#include <scorefield/sampler.h>

SF_BEGIN

/* ---- configuration: an INI file of sections and keys, each from one option table ---- */
typedef struct sf_config sf_config;
/* All defaults. */
SF_API int sf_config_new(sf_ctx *ctx, sf_config **c);
SF_API void sf_config_free(sf_config *c);
/* Reads a file over what is there. SF_ENAME for an unknown section or key with the nearest valid one; the message
 * starts with file:line. Lines have at most 198 characters; a line that starts with a blank continues the value of the
 * line before. */
SF_API int sf_config_read(sf_config *c, const char *path);
/* Finds a preset by name (SCOREFIELD_DATA, the installed data folder, then the source tree's), or takes `name` as a path
 * if it has a '/' or ends in .ini. SF_ENAME with the nearest preset. */
SF_API int sf_config_preset(sf_config *c, const char *name);
/* "section.key=value". SF_ENAME, SF_ERANGE, SF_EINVAL; nothing changes on failure. */
SF_API int sf_config_set(sf_config *c, const char *assignment);
/* The value of "section.key" as text; NULL for an unknown key. Valid until the next set of that key. */
SF_API const char *sf_config_get(const sf_config *c, const char *key);
/* The complete configuration, ready to be read again. */
SF_API int sf_config_write(const sf_config *c, const char *path);
/* Walks all keys in order, for help and manuals. */
typedef struct sf_config_key {
	const char *section, *key, *help, *def, *type;
} sf_config_key;
SF_API int sf_config_key_at(int i, sf_config_key *out); /* 0, or SF_ERANGE past the end */
/* Names of the presets, NULL-ended; owned by the configuration. */
SF_API const char *const *sf_config_presets(sf_config *c);

/* ---- a run: everything that a configuration describes, built and checked together ---- */
typedef struct sf_setup { /* NULL or zero until opened; owned */
	sf_ctx *ctx;
	sf_config *config;    /* not owned */
	sf_data *data;        /* NULL where the shape came from a checkpoint */
	sf_data_info info;    /* of the data, or as the checkpoint remembers them */
	sf_view view;         /* its `data` is NULL where the field above is */
	sf_augmenter *augmenter; /* of training with [data] augment */
	sf_process *process;
	sf_net *net;
	sf_objective *objective;
	sf_sampler *sampler;
	sf_grid *grid;        /* NULL: the sampler's own */
	sf_model model;
	sf_dtype type;
	int64_t params; /* trainable numbers, with those of the pair below */
	/* Where [vae] encoder is set, `model` is of latents (rank, dim, size), while info and view are of the data; NULL and 0 otherwise. */
	sf_vae *vae;
	int64_t pair;             /* where the encoder's and decoder's numbers begin in a flat buffer of weights */
	struct sf_latent *latent; /* the losses, with SF_SETUP_OBJECTIVE */
	sf_comm *comm;            /* of a trainer that is one of several ranks; not owned */
} sf_setup;
/* needs: bits. Without SF_SETUP_DATA the data's shape and scaling come from the checkpoint's metadata; without a
 * checkpoint (NULL) the data are opened whatever `needs` says, but with SF_SETUP_SHAPE [data] shape stands in for them
 * where it is set (s->data is NULL then). SF_EMISMATCH where data have another shape than that, or the network another number of
 * parameters than [net] parameters. On failure *s is all zero. */
enum { SF_SETUP_DATA = 1, SF_SETUP_OBJECTIVE = 2, SF_SETUP_SAMPLER = 4, SF_SETUP_SHAPE = 8 };
SF_API int sf_setup_open(sf_ctx *ctx, sf_config *c, int needs, const char *checkpoint, sf_setup *s);
SF_API void sf_setup_close(sf_setup *s);
/* Network values to 8-bit pixels: round(clamp((x scale + shift) 255/hi)). */
SF_API void sf_setup_pixels(const sf_setup *s, int64_t count, const double *x, unsigned char *pixel);

/* ---- checkpoints: safetensors; tensors "param.*", "ema.*", "adam.m.*", "adam.v.*" by parameter name, further averages
 * "ema1.*", "ema2.*", ...; the metadata "ema" names the averages in that order ---- */
enum { SF_AVERAGES = 8 }; /* at most */
/* Per sample, in nats: -log p(x|z); the latents' divergence from the prior, KL(q||N(0,1)) or CE(q,p) - H(q); the prior's objective. The
 * first two together bound -log p(x). */
enum { SF_TERM_RECONSTRUCTION, SF_TERM_KL, SF_TERM_PRIOR, SF_TERMS };
typedef struct sf_state { /* flat buffers in the layout of the graph's parameters, element type `type` */
	sf_dtype type;
	int64_t total;
	void *param, *ema, *m, *v;
	void *more[SF_AVERAGES - 1]; /* averages beside `ema` */
	int averages;      /* in all */
	int64_t step;      /* updates made */
	double loss_sum;   /* of the steps since the last line of the log, */
	int64_t loss_n;    /* and their number, */
	int64_t nonfinite; /* and of numbers in the gradient that were replaced */
	struct {
		double sum;
		int64_t n;
	} term[SF_TERMS];  /* the same of what the loss of a run with latents consists of */
} sf_state;
/* All four buffers, zero, and one average. sf_state_averages makes room for n. */
SF_API int sf_state_new(sf_ctx *ctx, sf_dtype type, int64_t total, sf_state *st);
SF_API int sf_state_averages(sf_ctx *ctx, sf_state *st, int n);
SF_API void sf_state_free(sf_state *st);
/* Writes atomically (temporary name, fsync, rename). The metadata holds format, version, step, the specs of net, process,
 * objective, parametrisation, data shape and scaling. */
SF_API int sf_checkpoint_save(const sf_setup *s, const sf_graph *g, const sf_state *st, const char *path);
/* Reads what `st` has room for (buffers that are not NULL), converting between float and double; every tensor
 * must be there with the right shape and be finite; SF_EMISMATCH names the first that is not, and the net that the file
 * holds. `st` is untouched on failure. */
SF_API int sf_checkpoint_load(const sf_setup *s, const sf_graph *g, const char *path, sf_state *st);
/* The weights alone, for sampling: allocates *params (of s->type, freed with sf_setup_free_weights)
 * and fills it with the moving average, or with the weights as trained if `raw`. The layout is sf_model_score's. */
SF_API int sf_setup_weights(const sf_setup *s, const char *path, int raw, void **params);
/* The same by name: NULL for the first average, "raw", or an average's rate (half-life with ema-ramp=edm) as the metadata
 * have it; SF_ENAME with those that are there. */
SF_API int sf_setup_weights_of(const sf_setup *s, const char *path, const char *name, void **params);
/* With latents the buffer holds the score model's numbers, then from s->pair on the encoder's and decoder's, and a checkpoint says
 * which these were ("vae-hash" of the first average, "vae-hash1", ... of further ones, "vae-hash-raw"): SF_EMISMATCH where the file
 * holds others. This puts the encoder and decoder of another checkpoint (its average `name`, as above) in their place: SF_EMISMATCH
 * where they are not of the same networks, or not those that `prior`, the checkpoint that the rest of `params` came from, was
 * trained for. */
SF_API int sf_setup_pair(const sf_setup *s, const char *prior, const char *path, const char *name, void *params);
/* The parameters of such a buffer in their order, declared in a graph. */
SF_API int sf_setup_layout(const sf_setup *s, sf_graph *g);
SF_API void sf_setup_free_weights(void *params);
/* The newest checkpoint ("checkpoint-STEP.safetensors") of a run directory, or `path` itself where it is a file.
 * SF_EIO where there is none. step may be NULL. */
SF_API int sf_run_latest(sf_ctx *ctx, const char *path, char *checkpoint, size_t size, int64_t *step);
/* Steps of the checkpoints in a run directory, rising; *step is freed with free(). SF_EIO where there is none. And the name of one. */
SF_API int sf_run_checkpoints(sf_ctx *ctx, const char *dir, int64_t **step, int64_t *n);
SF_API int sf_run_checkpoint(sf_ctx *ctx, const char *dir, int64_t step, char *path, size_t size);

/* ---- memory that training needs, worked out from the plan before anything is taken ---- */
typedef struct sf_memory { /* bytes */
	double weights;     /* weights, gradient with its partial sums, two moments, averages */
	double activations; /* the plan's, for all threads, and what they share */
	double data;        /* records, and the arrays of a batch */
	double previews;    /* samples drawn while training */
	double total;
	int threads;        /* that work on a batch */
	sf_plan_info plan;  /* of one shard */
} sf_memory;
/* Plans training as the set-up's configuration has it ([train] batch, shards, accumulate, recompute, ema; the threads are
 * the context's). Needs an objective; data that are not there (SF_SETUP_SHAPE) count as none. */
SF_API int sf_memory_measure(const sf_setup *s, sf_memory *m);
/* "3.1 GiB (weights, gradient, moments and averages 0.9 GiB, activations 2.0 GiB for 2 threads, data 0.2 GiB)" */
SF_API void sf_memory_print(const sf_memory *m, char *text, size_t size);

/* ---- trainer ---- */
typedef struct sf_trainer sf_trainer;
typedef struct sf_progress {
	int64_t step, steps;
	double loss;           /* of the last step; may be negative (LCSS). With latents the bound on -log p(x), in phase frozen the prior's loss */
	double average;        /* exponential moving average, for the eye */
	double images_per_second, seconds, eta;
	double term[SF_TERMS]; /* of the last step; NaN where it has none */
	const char *phase;     /* "pretrain", "joint" or "frozen"; NULL without latents */
	const char *checkpoint, *samples; /* files written after this step; NULL where none was */
} sf_progress;
/* dir: the run directory, made here with config.ini, log.jsonl and the rest; NULL writes no files. resume: continue from
 * its last checkpoint (from the start where there is none yet), with `c` as the configuration: callers read the
 * directory's config.ini into it first. Without resume the directory must not exist (SF_EEXIST) unless
 * `force`, which removes an earlier run's log, checkpoints, samples and events once everything else has been built. The
 * configuration must outlive the trainer.
 *
 * SF_ENOMEM, before the memory is taken, where training needs more than the process may have (physical memory, or a limit on
 * its control group or its address space), with what would help; a warning in the log where it needs more than is free
 * now. [train] memory-check=false tries all the same. SF_EMISMATCH where a run to resume keeps other averages. */
SF_API int sf_trainer_new(sf_ctx *ctx, sf_config *c, const char *dir, int resume, int force, sf_trainer **t);
/* The same for one of several ranks (NULL: the only one), of which each makes an equal share of every batch and all make the same
 * update; rank 0 alone reads what is resumed and writes files. All must be given the same configuration. A stop of one stops all. One
 * rank is bit for bit a run without ranks; how close several come is said in comm.h and scorefield-train(1). The comm must
 * outlive the trainer. SF_EINVAL where the batch is no multiple of the ranks, SF_EMISMATCH for ranks with different configurations,
 * SF_EIO where another rank has failed or gone. */
SF_API int sf_trainer_join(sf_ctx *ctx, sf_config *c, sf_comm *comm, const char *dir, int resume, int force, sf_trainer **t);
SF_API void sf_trainer_free(sf_trainer *t);
/* Trains to the configured step. `progress` may be NULL; a non-zero return asks to stop: a checkpoint is written and
 * SF_ESTOPPED returned. `stop` (may be NULL) is looked at between steps, for signal handlers. SF_EDIVERGED names the step
 * of a non-finite loss. */
SF_API int sf_trainer_run(sf_trainer *t, int (*progress)(void *user, const sf_progress *p), void *user,
                          const volatile int *stop);
SF_API const sf_setup *sf_trainer_setup(const sf_trainer *t);
SF_API const sf_state *sf_trainer_state(const sf_trainer *t);
/* From now on steps add to *into, which must stay: the plan's kinds of work (graph.h), data, draws and optimiser. calls[SF_KIND_OTHER]
 * counts the steps, whose wall time is the sum of all kinds. NULL: no longer. SF_ENOMEM. */
SF_API int sf_trainer_profile(sf_trainer *t, sf_profile *into);
/* The plan's memory and work, before anything runs. */
SF_API void sf_trainer_describe(const sf_trainer *t, sf_plan_info *info);
SF_API void sf_trainer_memory(const sf_trainer *t, sf_memory *m);

SF_END
#endif
