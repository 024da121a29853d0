/* predictor.h: the parts that predictor samplers, Langevin samplers and pc are made of. A member's file holds its formula;
 * pc calls it there.
 *
 * All predictors take back a stretch of the forward process, x_t = phi x_s + sqrt(q) z from s to t. By default it is the exact one
 * between two times of the grid. `published` takes score_sde's (Song et al. 2021, 2011.13456, appendices D to G) for N steps: the score
 * is read at N equally spaced times from start to end, and taken back is entry k of N discrete levels at times k T/(N-1),
 *
 *     ve, ddpm, and others whose data stay:  the exact stretch from level k-1 to k; before level 0 there is no noise
 *     vp:      phi = sqrt(1 - beta_k), q = beta_k = beta(t_k) T/N
 *     others:  phi = 1 + F(t) T/N, q = g(t)^2 T/N
 *
 * and the last step leaves its noise out (their final denoising, which costs no evaluation) instead of a Tweedie step after it.
 * k counts down from N-1; `truncate` takes floor(t (N-1)/T) as their program does, which from N = 1001 on visits one level twice and
 * never level 0. Runs that start below T always do so.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SAMPLER_PREDICTOR_H
#define SF_SAMPLER_PREDICTOR_H

#include "sampler/sampler.h"

/* The first member of the states of all predictors, as the option macros want. */
typedef struct sf_predictor {
	double eta;
	int variance; /* SF_VARIANCE_... of ancestral */
	int published, truncate;
} sf_predictor;

enum { SF_VARIANCE_PUBLISHED, SF_VARIANCE_POSTERIOR, SF_VARIANCE_STEP };

#define SF_PREDICTOR_ETA                                                                                                 \
	{"eta", "amount of noise: 1 the reverse SDE, 0 the probability-flow ODE", SF_OPT_DOUBLE, offsetof(sf_predictor, eta), \
	 "1", 0, 10, NULL}
#define SF_PREDICTOR_VARIANCE                                                                                            \
	{"variance", "noise of an ancestral step: of x_s given x_t and x_0 (posterior), of the step taken back (step), or "  \
	 "as published: posterior where the data stay, else step",                                                           \
	 SF_OPT_CHOICE, offsetof(sf_predictor, variance), "published", 0, 0, "published|posterior|step"}
#define SF_PREDICTOR_PUBLISHED                                                                                           \
	{"published", "N discrete levels at N times and no noise in the last step, as score_sde", SF_OPT_BOOL,               \
	 offsetof(sf_predictor, published), "false", 0, 0, NULL},                                                            \
	{"truncate", "with published: round t (N-1)/T down to a level, as score_sde, rather than count down",               \
	 SF_OPT_BOOL, offsetof(sf_predictor, truncate), "false", 0, 0, NULL}

typedef struct sf_stretch {
	double t;      /* where the score is read */
	double phi, q; /* x_t = phi x_s + sqrt(q) z */
	double kept;   /* sigma_s^2/sigma_t^2 */
} sf_stretch;

/* ---- predictor.c ---- */
/* The stretch of the step from grid[index]; a linear process with one block. SF_ERANGE where a level would keep nothing. */
int sf_predictor_stretch(const sf_predictor *how, const sf_run *run, int64_t index, sf_stretch *s);
double sf_predictor_time(const sf_predictor *how, const sf_run *run, int64_t index); /* where its score is read */
/* Whether this step leaves the noise out: the last published one of a run that is to be denoised. */
int sf_predictor_mean(const sf_predictor *how, const sf_run *run);
int sf_predictor_flags(const void *st);
int64_t sf_predictor_steps(const void *st, int64_t nfe);
/* Uniform times, unless the last of the default steps would jump over most noise levels (edm). */
const char *sf_predictor_suit(const void *st, const sf_process *p, int64_t *steps);

/* x <- a x + b score(x,t) + c z, with the unit normals z of draw `step` of `purpose`; one evaluation, two scratch states. No
 * noise is drawn for c = 0. */
int sf_move(sf_run *run, double t, double a, double b, double c, uint32_t purpose, int64_t step);

/* ---- em.c, reverse_diffusion.c, ancestral.c: a step from run->t to run->t_next; one evaluation ---- */
int sf_predict_em(const void *st, sf_run *run);
int sf_predict_reverse_diffusion(const void *st, sf_run *run);
int sf_predict_ancestral(const void *st, sf_run *run);

/* ---- corrector.c ---- */
enum { SF_CORRECT_NONE, SF_CORRECT_LANGEVIN, SF_CORRECT_ALD };
enum { SF_NORMS_SAMPLE, SF_NORMS_BATCH, SF_NORMS_DIMENSION };

typedef struct sf_corrector {
	int method;
	double snr;
	int64_t steps; /* evaluations at each time */
	int norms;
} sf_corrector;

/* Steps at time t, number `visit` of the run; `a` is the corrector's alpha. */
int sf_correct(const sf_corrector *c, sf_run *run, double t, double a, int64_t visit);

#endif
