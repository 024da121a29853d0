/* sampler.h: samplers. A sampler is a step method; one driver owns the loop: the grid (grid.h) or
 * the step-size controller, the noise, the evaluation budget, the finiteness check, the observer
 * and the final denoising step.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_SAMPLER_H
#define SCOREFIELD_SAMPLER_H

#include <scorefield/grid.h>
#include <scorefield/noise.h>
#include <scorefield/score.h>

SF_BEGIN

typedef struct sf_sampler sf_sampler;
SF_API int sf_sampler_new(sf_ctx *ctx, const char *spec, sf_sampler **s);
SF_API void sf_sampler_free(sf_sampler *s);
/* 0, or SF_EUNSUP with the reason in the context. */
SF_API int sf_sampler_accepts(const sf_sampler *s, const sf_process *p);
/* Order of convergence on smooth ODEs; 1 for Euler-Maruyama (weak). */
SF_API int sf_sampler_order(const sf_sampler *s);
SF_API int sf_sampler_adaptive(const sf_sampler *s);   /* picks its own steps: no grid needed */
SF_API int sf_sampler_stochastic(const sf_sampler *s); /* draws noise after the prior */
/* The grid and step count that suit sampler and process when the user names none ("karras", 18). */
SF_API const char *sf_sampler_grid(const sf_sampler *s, const sf_process *p, int64_t *steps);
/* Steps that use up to `nfe` evaluations per sample (EDM's Heun: (nfe + 1)/2). */
SF_API int64_t sf_sampler_steps(const sf_sampler *s, int64_t nfe);

/* Data of which a part is known, to fill in the rest (inpainting): the known coordinates of every state are replaced by alpha y + sigma z,
 * and by y in the result (by the former where `end` was given above 0 and no denoising step follows). Song et al. 2021
 * (2011.13456), appendix I: an approximation, which needs no other score. Linear processes with one block and samplers on a grid. */
typedef struct sf_known {
	const unsigned char *mask; /* (d), not 0 where known */
	const double *x;           /* (rows,d): sample number i has row i mod rows; read where known */
	int64_t rows;
} sf_known;

typedef struct sf_sample_run {
	int64_t n;             /* samples */
	uint64_t first_sample; /* index of sample 0 in the noise streams */
	uint64_t seed;
	int64_t steps;         /* of the grid; 0: sf_sampler_grid's */
	const sf_grid *grid;   /* NULL: sf_sampler_grid's */
	double start, end;     /* NaN: the grid's own */
	int given_start;       /* x holds the start state already (not drawn from the prior) */
	/* Final step x <- E[x_0|x] where a run ends above time 0 (for two blocks and nonlinear processes, a step of the
	 * reverse SDE to time 0 without noise): 1 or 0, or -1 for the sampler's habit: yes for em, euler and rk45;
	 * heun's own last step leads to time 0. */
	int denoise;
	int64_t nfe_max;       /* evaluation budget per sample, 0: none; SF_EBUDGET */
	const sf_known *known; /* NULL: nothing is known */
	/* Teleportation: the start is carried to noise level `skip` = sigma/alpha by sf_score_flow of this model of the data (NULL: none),
	 * which costs no evaluation. The steps of the grid above its level nearest to `skip` are dropped, or, with all_steps and
	 * for samplers without a grid, all are spent below. SF_ERANGE for a level that the run does not pass. */
	sf_score *teleport;
	double skip;
	int all_steps;
	/* Called after the start and every step with the state (n,k,d) and its time, NaN where
	 * samples have times of their own; a non-zero return stops with SF_ESTOPPED. */
	int (*observe)(void *user, int64_t step, double t, int64_t n, const double *x);
	void *user;
} sf_sample_run;
SF_API void sf_sample_defaults(sf_sample_run *run);

/* Rules of NCSNv2 (Song and Ermon 2020, 2006.09011) for annealed Langevin dynamics with noise levels of ratio
 * gamma = sigma_(i-1)/sigma_i > 1. Technique 2: the share of level i's samples, in d dimensions, whose norm lies within three
 * standard deviations of what level i-1 has, Phi(sqrt(2d)(gamma-1) + 3 gamma) - Phi(sqrt(2d)(gamma-1) - 3 gamma); they ask for about
 * 0.5, and publish level counts with 0.567. */
SF_API double sf_ald_overlap(int64_t d, double gamma);
/* Technique 4: variance over sigma_i^2 after `steps` steps of size r sigma_i^2 at level i, for data at one point and a start from
 * level i-1, (1-r)^(2 steps) (gamma^2 - k) + k with k = 2/(2-r); and the r in 0 to 1 that makes it least. */
SF_API double sf_ald_ratio(double gamma, int64_t steps, double r);
SF_API double sf_ald_step(double gamma, int64_t steps);

typedef struct sf_sample_report {
	int64_t steps, rejected; /* of the slowest sample where samples step on their own */
	double nfe;              /* evaluations per sample (mean) */
	double start;            /* time of the first step */
	double saved;            /* evaluations per sample of the steps that teleportation dropped; NaN: not known */
} sf_sample_report;

/* Draws n samples into x (n,k,d), double. The bytes of sample i depend only on seed and
 * first_sample + i. SF_EDIVERGED with step and time for a non-finite state; report may be NULL. */
SF_API int sf_sample(sf_sampler *s, sf_score *score, const sf_sample_run *run, double *x,
                     sf_sample_report *report);

SF_END
#endif
