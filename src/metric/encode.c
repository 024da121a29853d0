/* encode.c: from data to noise along the probability-flow ODE, with the integral of its divergence,
 *
 *     dx/dt = f - G G' score/2,   dl/dt = div f - tr(G G' J)/2,   l(t0) = 0
 *
 * Song et al. 2021 (2011.13456), section 4.3 and appendix D.2. A row of the solver's state is (x, l), and l takes
 * part in the error norm as it does in their code. The solver's time falls, so the loop runs in -t
 * (sampler/adaptive.c). Known answer: normal data N(m, q) keep their quantiles, x(T) = a_T m + R (x - a_0 m), R^2 =
 * V_T/V_0 with V = a^2 q + sigma^2, and l = d ln R: ve, m = 0.5, q = 1/16, from 1e-5: R = 199.842662539.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metric/flow.h"
#include "sampler/sampler.h"
#include "score/score.h"

#include <math.h>
#include <string.h>

typedef struct flow {
	sf_trace trace;
	sf_score *score;
	const sf_process *p;
	int with;        /* the divergence */
	int64_t d, size; /* size = k d; rows have `with` more */
	double *x, *s, *t, *div; /* (n,k,d) twice, (n) twice */
} flow;

typedef struct turn {
	flow *w;
	const sf_pack *p;
	const double *y;
	double *f;
} turn;

/* x and score to the slopes of the solver's time. */
static int slopes(void *arg, int64_t first, int64_t last)
{
	const turn *s = arg;
	flow *w = s->w;
	int64_t i, j;

	for (i = first; i < last; i++) {
		double *f = s->f + i * (w->size + w->with), div;
		const double *x = w->x + i * w->size;

		SF_TRY(sf_process_reverse_drift(w->p, 1, w->d, x, &w->t[i], w->s + i * w->size, 0, f));
		for (j = 0; j < w->size; j++)
			f[j] = -f[j];
		if (!w->with)
			continue;
		SF_TRY(sf_process_divergence(w->p, w->d, x, w->t[i], &div));
		f[w->size] = -(div - w->div[i] / 2);
	}
	return SF_OK;
}

static int sound(const turn *s)
{
	const flow *w = s->w;
	int64_t width = w->size + w->with, i, j;

	for (i = 0; i < s->p->m; i++)
		for (j = 0; j < width; j++)
			if (!isfinite(s->f[i * width + j]))
				return sf_fail(s->p->run->ctx, SF_EDIVERGED, "likelihood: the %s of sample %lld is not finite at time %g",
				               j < w->size ? "score" : "divergence",
				               (long long)(s->p->run->ask->first_sample + (uint64_t)s->p->sample[i]), w->t[i]);
	return SF_OK;
}

static int follow(void *arg, const sf_pack *p, const double *t, const double *y, double *f)
{
	flow *w = arg;
	turn s = {w, p, y, f};
	int64_t i, m = p->m;

	for (i = 0; i < m; i++) {
		w->t[i] = -t[i];
		memcpy(w->x + i * w->size, y + i * (w->size + w->with), (size_t)w->size * sizeof *w->x);
	}
	SF_TRY(sf_score_eval(w->score, SF_SCORE, m, w->x, w->t, w->s));
	if (w->with)
		SF_TRY(sf_trace_eval(&w->trace, m, p->sample, w->x, w->t, w->div));
	SF_TRY(sf_over_samples(p->run->ctx, m, 8 * w->size, slopes, &s));
	return sound(&s);
}

static int layout(flow *w, sf_run *run, sf_arena *a)
{
	size_t n = (size_t)run->n, numbers;

	if (sf_mul_size(n, (size_t)run->size, &numbers) < 0 || numbers > SIZE_MAX / 256)
		return sf_fail(run->ctx, SF_ERANGE, "likelihood: %lld samples of %lld numbers do not fit", (long long)run->n,
		               (long long)run->size);
	run->x = sf_arena_take(a, numbers, sizeof *run->x);
	w->x = sf_arena_take(a, numbers, sizeof *w->x);
	w->s = sf_arena_take(a, numbers, sizeof *w->s);
	w->t = sf_arena_take(a, n, sizeof *w->t);
	w->div = sf_arena_take(a, n, sizeof *w->div);
	if (w->with)
		sf_trace_layout(&w->trace, a);
	return SF_OK;
}

static int check(const sf_process *p, const sf_likelihood_run *ask, const sf_sampler *solver, double start)
{
	sf_ctx *ctx = sf_process_context(p);

	if (ask->n < 1 || ask->nfe_max < 0 || ask->first_sample >> 48 || (uint64_t)ask->n >> 48 ||
	    (ask->first_sample + (uint64_t)ask->n) >> 48)
		return sf_fail(ctx, SF_ERANGE,
		               "likelihood: n=%lld from sample %llu, budget=%lld; expected n at least 1, samples below "
		               "2^48", (long long)ask->n, (unsigned long long)ask->first_sample, (long long)ask->nfe_max);
	if (!sf_sampler_record(solver)->any_flow)
		return sf_fail(ctx, SF_EUNSUP, "likelihood: sampler '%s' cannot carry a density along; expected rk45",
		               solver->object.cls->name);
	SF_TRY(sf_sampler_accepts(solver, p));
	if (!(start > 0 && start < sf_process_horizon(p)))
		return sf_fail(ctx, SF_ERANGE, "likelihood: start at time %g; expected between 0 and %g", start,
		               sf_process_horizon(p));
	return SF_OK;
}

/* Rows (x, l) from and to the caller's arrays. */
static void load(const flow *w, sf_run *run, const double *u)
{
	int64_t i;

	for (i = 0; i < run->n; i++) {
		memcpy(run->x + i * run->size, u + i * w->size, (size_t)w->size * sizeof *u);
		if (w->with)
			run->x[i * run->size + w->size] = 0;
	}
}

static void store(const flow *w, const sf_run *run, double *u, double *divergence)
{
	int64_t i;

	for (i = 0; i < run->n; i++) {
		memcpy(u + i * w->size, run->x + i * run->size, (size_t)w->size * sizeof *u);
		if (w->with)
			divergence[i] = run->x[i * run->size + w->size];
	}
}

void sf_likelihood_defaults(sf_likelihood_run *run)
{
	static const sf_likelihood_run plain = {.probes = 1};

	*run = plain;
	run->start = NAN;
}

static int encode(sf_score *s, const sf_likelihood_run *ask, const sf_sampler *solver, double *u, double *divergence,
                  sf_sample_report *report)
{
	const sf_process *p = sf_score_process(s);
	double start = isnan(ask->start) ? sf_process_t_train(p) : ask->start;
	sf_sample_run loop = {.n = ask->n, .first_sample = ask->first_sample, .seed = ask->seed, .nfe_max = ask->nfe_max,
	                      .observe = ask->observe, .user = ask->user};
	sf_run run = {.ctx = sf_score_context(s), .process = p, .score = s, .ask = &loop, .n = ask->n, .mirror = 1};
	flow w = {.score = s, .p = p, .with = divergence != NULL};
	sf_arena arena = {NULL, 0, 0};
	int64_t before = sf_score_count(s), spent = 0;
	int rc;

	SF_TRY(check(p, ask, solver, start));
	if (w.with)
		SF_TRY(sf_trace_init(&w.trace, s, ask));
	run.d = w.d = sf_score_dim(s);
	w.size = sf_process_blocks(p) * w.d;
	run.size = w.size + w.with;
	run.t = -start;
	run.flow = follow;
	run.flow_arg = &w;
	SF_TRY(layout(&w, &run, &arena));
	if (sf_arena_open(&arena) < 0)
		return sf_fail(run.ctx, SF_ENOMEM, "likelihood: out of memory for %lld samples of %lld numbers", (long long)run.n,
		               (long long)run.size);
	layout(&w, &run, &arena);
	load(&w, &run, u);
	rc = sf_run_adaptive(solver, &run, -sf_process_horizon(p), report, &spent);
	report->nfe = (double)(sf_score_count(s) - before) / (double)run.n;
	if (rc == 0)
		store(&w, &run, u, divergence);
	sf_arena_close(&arena);
	return rc;
}

int sf_encode(sf_score *s, const sf_likelihood_run *ask, double *u, double *divergence, sf_sample_report *report)
{
	sf_sample_report own, *done = report ? report : &own;
	sf_sampler *solver;
	int rc;

	memset(done, 0, sizeof *done);
	SF_TRY(sf_sampler_new(sf_score_context(s), ask->solver ? ask->solver : "rk45", &solver));
	rc = encode(s, ask, solver, u, divergence, done);
	sf_sampler_free(solver);
	return rc;
}
