/* sampler.h: what a step method sees. The driver owns the loop, as in GSL's odeiv2: a method only
 * says how to go from t to t_next, or how to try a step of its own size and what error it made.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_SAMPLER_H
#define SF_SAMPLER_H

#include "process/process.h"

#include <scorefield/sampler.h>

enum {
	SF_SAMPLER_STOCHASTIC = 1, /* draws noise after the prior */
	SF_SAMPLER_DENOISE = 2,    /* ends with a denoising step where the grid ends above zero */
	SF_SAMPLER_SCALAR = 4,     /* needs a linear process with one block: sigma(t)/alpha(t) */
	SF_SAMPLER_MEAN = 8, /* its last step leaves the noise out by itself, if run->denoise */
	SF_SAMPLER_VELOCITY = 16, /* needs a linear process of position and velocity whose noise enters the velocity alone */
	SF_SAMPLER_WORK = 12 /* most scratch states of a method */
};

struct sf_pack;
/* dy/dt of m packed rows; `t` falls. */
typedef int (*sf_flow_fn)(void *arg, const struct sf_pack *p, const double *t, const double *y, double *f);

/* One run on a grid. Arrays of states are (n,k,d). */
typedef struct sf_run {
	sf_ctx *ctx;
	const sf_process *process;
	sf_score *score;
	const sf_sample_run *ask;
	int64_t n, d, size;      /* samples, coordinates, numbers per state (k d) */
	int64_t index, steps;    /* this step, and how many there are */
	const double *grid;      /* t[0..steps] */
	double t, t_next;
	double *x;               /* the state, stepped in place */
	double *time;            /* (n), for the score */
	double *work[SF_SAMPLER_WORK]; /* what the record asks for; kept between steps (history) */
	int denoise;             /* the caller wants a last step without noise */
	/* Adaptive methods whose record says any_flow: rows of `size` numbers along this flow instead of the score's ODE
	 * (NULL). mirror: the process's time is minus the loop's, which falls, so that the process's rises. */
	sf_flow_fn flow;
	void *flow_arg;
	int mirror;
} sf_run;

/* Samples that choose their own steps, packed: only those under way are in the first m rows. Time
 * falls, so a step goes from t to t_new = t - h. */
typedef struct sf_pack {
	const sf_run *run;
	int64_t m;
	int64_t *sample;         /* (m): which sample of the run a row is */
	int64_t *tries;          /* (m): steps a row has tried so far */
	double *t, *h, *t_new;   /* (m) */
	double *y, *y_new, *f;   /* (m,k,d): state, proposal, dy/dt at y */
	double *f_new;           /* dy/dt at y_new where the method knows it */
	double *error;           /* (m): mean square of the scaled error */
	double **work;           /* (m,k,d) each; not kept */
} sf_pack;

typedef struct sf_sampler_class {
	sf_class head;
	int flags;
	int work; /* scratch states */
	int order;
	const char *grid; /* the grid and step count to take where the user names none */
	int64_t steps;
	/* Where options change them, else NULL. */
	int (*order_with)(const void *st);
	int (*flags_with)(const void *st);
	/* A grid for one process, or NULL for the above. */
	const char *(*suit)(const void *st, const sf_process *p, int64_t *steps);
	/* Evaluations per sample of a step from t to t_next; NULL: one. */
	int (*cost)(const void *st, double t, double t_next);
	/* The same where more than the times decides; instead of `cost`. */
	int (*price)(const void *st, const sf_run *run);
	/* Draws the start into run->x and returns 1, or 0 for the process's own; NULL: always that. */
	int (*start)(const void *st, sf_run *run);
	int64_t (*steps_for)(const void *st, int64_t nfe);
	int (*step)(const void *st, sf_run *run); /* on a grid */
	/* Adaptive methods have these instead of `step`. */
	/* f at the start and the first step sizes towards `end` */
	int (*begin)(const void *st, sf_pack *p, double end);
	/* y_new, f_new and error for the step from t to t_new */
	int (*attempt)(const void *st, sf_pack *p);
	/* what to multiply h with after an error of this RMS; it is accepted below 1 */
	double (*factor)(const void *st, double rms, int rejected_before);
	int accept_one;                   /* an error of exactly 1 is accepted too */
	int (*pooled)(const void *st);    /* one step size for the whole batch */
	int64_t (*fixed)(const void *st); /* this many equal steps without control; 0: adaptive */
	int begin_cost, attempt_cost;     /* evaluations per sample */
	int (*attempt_cost_with)(const void *st); /* where options change it */
	/* h is measured in this clock instead of the time, falls with it and has no bound at time 0: such a method ends above
	 * time 0, and the driver takes E[x_0|x] where a run ends at 0. */
	double (*clock)(const sf_process *p, double t);
	double (*clock_time)(const sf_process *p, double clock);
	int any_flow; /* all it asks of a state is sf_pack_flow, so it can follow any ODE */
} sf_sampler_class;

struct sf_sampler {
	sf_object object;
};

const sf_sampler_class *sf_sampler_record(const sf_sampler *s);

/* What the methods share (sampler.c). */
/* out (n,k,d) = drift of the reversed process at one time for all samples; `score` is scratch. */
int sf_run_drift(sf_run *run, double t, const double *x, double eta, double *score, double *out);
/* The score at one time for all samples, read as `what`. */
int sf_run_read(sf_run *run, sf_what what, double t, const double *x, double *out);
/* The unit normals of this step, z (n,k,d). */
void sf_run_noise(sf_run *run, uint32_t purpose, double *z);
/* For methods that draw more than once a step: those of draw number `step` of the run. SF_ERANGE from 2^32 on. */
int sf_run_noise_at(sf_run *run, uint32_t purpose, int64_t step, double *z);
/* x += c G(t) z for one state (k,d). */
void sf_diffuse(const sf_process *p, int64_t d, double t, double c, const double *z, double *x);
/* SF_EDIVERGED naming sample, step and time where a state is not finite. */
int sf_run_finite(const sf_run *run, const double *x, int64_t n, int64_t step, double t);

int sf_sampler_flags(const sf_sampler *s);

/* ---- adaptive.c ---- */
/* Runs all samples from run->t to `end`; *spent: evaluations of the slowest sample. */
int sf_run_adaptive(const sf_sampler *s, sf_run *run, double end, sf_sample_report *report,
                    int64_t *spent);
/* dy/dt of the run's flow, or of the probability-flow ODE, for the packed samples; `score` is scratch. */
int sf_pack_flow(const sf_pack *p, const double *t, const double *y, double *score, double *f);
/* Drift of the reversed process for the packed samples; `score` is scratch and may be f. */
int sf_pack_drift(const sf_pack *p, const double *t, const double *y, double eta, double *score, double *f);
/* Replaces each of m mean squares by their mean, in index order. */
void sf_pack_pool(int64_t m, double *square);

/* ---- teleport.c ---- */
int sf_teleport_check(const sf_sampler *s, const sf_score *score, const sf_sample_run *ask);
/* Drops the steps above ask->skip from run->grid, which is `grid`; or sets *start to the time that a new grid begins at, else NaN. */
int sf_teleport_aim(const sf_sampler *s, sf_run *run, double *grid, double *start, double *saved);

/* ---- known.c ---- */
/* Puts the known part of run->ask->known, if any, into run->x at time t: the data themselves if `clean`. */
int sf_run_replace(sf_run *run, int64_t step, double t, int clean);
int sf_known_check(const sf_sampler *s, const sf_process *p, int64_t d, const sf_known *known);

/* SF_EBUDGET where `cost` more evaluations per sample would pass the budget. */
int sf_run_pay(const sf_run *run, int64_t *spent, int cost, double t);
int sf_run_observe(const sf_run *run, int64_t step, double t);

#endif
