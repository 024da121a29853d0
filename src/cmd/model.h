/* model.h: a trained network opened for use: configuration, checkpoint, score, sampler.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_MODEL_H
#define SF_CMD_MODEL_H

#include "cmd/cmd.h"

typedef struct model {
	sf_ctx *ctx;
	sf_config *config;
	sf_setup setup;
	void *weights;
	sf_score *score;
	sf_coder *coder;         /* of a score model of latents; NULL: the score is of the data */
	sf_score *none, *guided; /* model_guide; else NULL */
	const sf_known *known;   /* filled in around; NULL: nothing. Not owned */
	const double *latents;   /* (n,k,size) to start from, for model_sample's n samples; NULL: the prior. Not owned */
	sf_score *teleport;      /* a model of the data whose closed form leads to noise level `skip`; NULL: none. Not owned */
	double skip;
	int all_steps;           /* steps are all spent below it */
	struct film *film;       /* takes down model_sample's states; NULL: nothing does. Not owned */
	int64_t steps; /* 0: the sampler's own */
	uint64_t seed;
	char checkpoint[1100];
} model;

typedef struct model_request { /* what the command line says about it; NULL or -1: the
	                          configuration's */
	const char *path;      /* run directory or checkpoint */
	const char *sampler, *grid;
	int64_t steps, nfe;
	int raw;       /* the weights as trained instead of their moving average */
	const char *ema; /* the average called so, or "raw"; NULL: the first */
	int with_data; /* open the data set too */
	int no_sampler; /* the score alone is wanted */
	const char *vae; /* of a score model of latents: the run whose encoder and decoder stand in; NULL: its own */
} model_request;

/* The options that fill in `raw` and `ema`. */
#define WEIGHT_OPTIONS(ema_at, raw_at)                                                                                  \
	OPTION(0, "RATE|raw", "ema",                                                                                    \
	       "which average of the weights, by its rate (its half-life with ema-ramp=edm); default: the first",       \
	       SF_OPT_STRING, ema_at, NULL, 0, 0),                                                                      \
	OPTION(0, NULL, "raw", "weights as trained instead of their moving average, as --ema raw", SF_OPT_BOOL, raw_at, \
	       "false", 0, 0)

/* The option that fills in `vae`. */
#define VAE_OPTION(at)                                                                                                  \
	OPTION(0, "RUN", "vae",                                                                                         \
	       "decode latents by the autoencoder of this run or checkpoint, which must be the one trained for",        \
	       SF_OPT_STRING, at, NULL, 0, 0)

/* Data have the shape setup.info, states of the score that of setup.model; the two differ where there is a coder. */
int model_open(sf_ctx *ctx, const common *opts, const model_request *want, model *m);
void model_close(model *m);

/* Refuses models of latents, where `what` is about scores of data. */
int model_of_data(const model *m, const char *what);
/* Draws samples first .. first+n of the data into x (n,setup.info.size), in network values, without velocities and decoded,
 * with a progress line.
 * `label` (n) may be NULL. */
int model_sample(model *m, int quiet, int64_t n, uint64_t first, const int32_t *label, double *x,
		 sf_sample_report *report);
/* Samples follow none + weight (conditional - none); refuses models that know no "none". */
int model_guide(model *m, double weight);
/* Steps of the sampler that use up to `nfe` evaluations of the network, guidance's second one counted. */
int64_t model_steps(const model *m, int64_t nfe);

/* Network values to values as stored in the data set: v = scale x + shift. */
void model_unscale(const model *m, int64_t count, double *x);

#endif
