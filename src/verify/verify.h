/* verify.h: what the files of checks share. A file holds the checks of one family as a table that
 * ends with a NULL name; verify.c lists the tables, one line each.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_VERIFY_H
#define SF_VERIFY_H

#include "core/core.h"

#include <scorefield/sampler.h>
#include <scorefield/verify.h>

extern const sf_check sf_checks_noise[];
extern const sf_check sf_checks_data[];
extern const sf_check sf_checks_process[];
extern const sf_check sf_checks_cld[];
extern const sf_check sf_checks_walk[];
extern const sf_check sf_checks_score[];
extern const sf_check sf_checks_fitted[];
extern const sf_check sf_checks_grid[];
extern const sf_check sf_checks_sampler[];
extern const sf_check sf_checks_sampler_order[];
extern const sf_check sf_checks_multistep[];
extern const sf_check sf_checks_sde[];
extern const sf_check sf_checks_predictor[];
extern const sf_check sf_checks_ald[];
extern const sf_check sf_checks_ggf[];
extern const sf_check sf_checks_sscs[];
extern const sf_check sf_checks_condition[];
extern const sf_check sf_checks_likelihood[];
extern const sf_check sf_checks_teleport[];
extern const sf_check sf_checks_net[];
extern const sf_check sf_checks_precond[];
extern const sf_check sf_checks_objective[];
extern const sf_check sf_checks_stf[];
extern const sf_check sf_checks_hsm[];
extern const sf_check sf_checks_slices[];
extern const sf_check sf_checks_gradient[];
extern const sf_check sf_checks_fd[];
extern const sf_check sf_checks_latent[];
extern const sf_check sf_checks_latent_time[];

/* A process, and the score, sampler and grid over it that a check asks for (NULL: none). */
typedef struct sf_rig {
	sf_process *process;
	sf_score *score;
	sf_sampler *sampler;
	sf_grid *grid;
} sf_rig;
int sf_rig_open(sf_ctx *ctx, const char *process, const char *score, int64_t d, const char *sampler,
                const char *grid, sf_rig *rig);
void sf_rig_close(sf_rig *rig);
/* Samples n states from given starts x, on the rig's grid if it has one. */
int sf_rig_sample(const sf_rig *rig, int64_t n, int64_t steps, double start, double end,
		  uint64_t seed, double *x, sf_sample_report *report);

/* ---- law.c: exact laws of stochastic runs on normal data, d = 1 ---- */
/* The normals of a run: in each of its steps `draws` of `purpose` with `elements` each from `first` on, besides the start. */
typedef struct sf_law_noise {
	uint32_t purpose;
	int draws, first, elements;
} sf_law_noise;
/* Mean (k) and covariance (k,k) of the result of a run on the rig's grid from N(m, S). `noise` ends with draws = 0; NULL: one of
 * SF_NOISE_STEP with k elements. NaN where the run is not linear in what is listed. */
int sf_law(sf_ctx *ctx, const sf_rig *rig, int64_t steps, int denoise, const sf_law_noise *noise, const double *m, const double *S,
           double *mean, double *cov);

/* One step by hand: the score -2 everywhere (sf_score_from_function), and an observer that keeps the first number after the first
 * step in *(double *)user and stops. */
int sf_constant_score(void *user, int64_t n, const double *x, const double *t, double *out);
int sf_keep_first(void *user, int64_t step, double t, int64_t n, const double *x);

/* Keeps the largest deviation |measured - expected| / max(|expected|, floor); NaN once seen
 * stays. */
void sf_worst(double *worst, double measured, double expected, double floor);

/* "The largest deviation is 0 within the tolerance." */
int sf_row_worst(sf_row *row, double worst, double tolerance);
int sf_row_value(sf_row *row, double measured, double expected, double tolerance);

#endif
