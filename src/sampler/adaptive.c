/* adaptive.c: the loop for methods that choose their own steps.
 *
 * Every sample has its own time and step size, so its path does not depend on what else is in the
 * batch. Samples that have arrived leave the pack, and the score is asked for the rest only. Step
 * sizes follow the loop of SciPy's solve_ivp: a first try is at least ten spacings of numbers
 * around t long; a rejected one that would have to be shorter fails with SF_ESTEP. A state or
 * error that is not finite is reported as such and not taken for stiffness.
 *
 * The loop's time falls. A run whose time rises, from data to noise, is the same run in the time -t along -dy/dt:
 * negation is exact, so that its bytes are those of a loop written for rising time.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"

#include <math.h>
#include <string.h>

typedef struct lane { /* one packed sample */
	int64_t steps, rejected;
	int bounced; /* the step under way was rejected before */
} lane;

typedef struct loop {
	const sf_sampler_class *c;
	const void *st;
	sf_run *run;
	sf_pack pack;
	lane *lanes;
	double start, end, *work[SF_SAMPLER_WORK];
	int64_t fixed;
	int pooled;
} loop;

int sf_pack_flow(const sf_pack *p, const double *t, const double *y, double *score, double *f)
{
	const sf_run *run = p->run;

	if (run->flow)
		return run->flow(run->flow_arg, p, t, y, f);
	return sf_pack_drift(p, t, y, 0, score, f);
}

int sf_pack_drift(const sf_pack *p, const double *t, const double *y, double eta, double *score, double *f)
{
	const sf_run *run = p->run;

	SF_TRY(sf_score_eval(run->score, SF_SCORE, p->m, y, t, score));
	return sf_process_reverse_drift(run->process, p->m, run->d, y, t, score, eta, f);
}

void sf_pack_pool(int64_t m, double *square)
{
	double sum = 0;
	int64_t i;

	for (i = 0; i < m; i++)
		sum += square[i];
	for (i = 0; i < m; i++)
		square[i] = sum / (double)m;
}

static void layout(loop *l, sf_arena *a)
{
	sf_pack *p = &l->pack;
	size_t n = (size_t)l->run->n,
	       numbers = n * (size_t)l->run->size; /* checked by the driver */
	int i;

	l->lanes = sf_arena_take(a, n, sizeof *l->lanes);
	p->sample = sf_arena_take(a, n, sizeof *p->sample);
	p->tries = sf_arena_take(a, n, sizeof *p->tries);
	p->t = sf_arena_take(a, n, sizeof(double));
	p->h = sf_arena_take(a, n, sizeof(double));
	p->t_new = sf_arena_take(a, n, sizeof(double));
	p->error = sf_arena_take(a, n, sizeof(double));
	p->y = sf_arena_take(a, numbers, sizeof(double));
	p->y_new = sf_arena_take(a, numbers, sizeof(double));
	p->f = sf_arena_take(a, numbers, sizeof(double));
	p->f_new = sf_arena_take(a, numbers, sizeof(double));
	for (i = 0; i < l->c->work; i++)
		l->work[i] = sf_arena_take(a, numbers, sizeof(double));
	p->work = l->work;
}

/* The process's time, for messages and observers. */
static double shown(const loop *l, double t)
{
	return l->run->mirror ? -t : t;
}

/* What step sizes are measured in. */
static double clock_of(const loop *l, double t)
{
	return l->c->clock ? l->c->clock(l->run->process, t) : t;
}

/* Where the next try of a packed sample leads. */
static int aim(loop *l, int64_t i)
{
	sf_pack *p = &l->pack;
	lane *at = &l->lanes[i];
	double t = p->t[i], at_clock = clock_of(l, t), least = 10 * (at_clock - nextafter(at_clock, -INFINITY));

	if (l->fixed) {
		double part = (double)(at->steps + 1) / (double)l->fixed;

		p->t_new[i] =
			at->steps + 1 == l->fixed ? l->end : l->start + part * (l->end - l->start);
		p->h[i] = t - p->t_new[i];
		return SF_OK;
	}
	if (p->h[i] < least && at->bounced)
		return sf_fail(l->run->ctx, SF_ESTEP,
		               "the step size of sample %lld fell to %g at time %g after %lld "
		               "steps: the tolerance cannot be met",
		               (long long)(l->run->ask->first_sample + (uint64_t)p->sample[i]),
		               p->h[i], shown(l, t), (long long)at->steps);
	if (p->h[i] < least)
		p->h[i] = least;
	if (at_clock - p->h[i] < clock_of(l, l->end)) {
		p->h[i] = at_clock - clock_of(l, l->end);
		p->t_new[i] = l->end;
	} else {
		p->t_new[i] = l->c->clock ? l->c->clock_time(l->run->process, at_clock - p->h[i]) : t - p->h[i];
		if (!l->c->clock)
			p->h[i] = t - p->t_new[i];
	}
	return SF_OK;
}

static int sound(const loop *l, int64_t i)
{
	const sf_pack *p = &l->pack;
	const double *y = p->y_new + i * l->run->size;
	int64_t j;

	for (j = 0; isfinite(p->error[i]) && j < l->run->size; j++)
		if (!isfinite(y[j]))
			break;
	if (isfinite(p->error[i]) && j == l->run->size)
		return SF_OK;
	return sf_fail(l->run->ctx, SF_EDIVERGED,
	               "sample %lld is not finite in step %lld, from time %g to %g",
	               (long long)(l->run->ask->first_sample + (uint64_t)l->pack.sample[i]), (long long)l->lanes[i].steps + 1,
	               shown(l, p->t[i]), shown(l, p->t_new[i]));
}

/* Accepts or rejects the try of a packed sample. */
static void judge(loop *l, int64_t i)
{
	sf_pack *p = &l->pack;
	lane *at = &l->lanes[i];
	int64_t size = l->run->size;
	double rms = sqrt(p->error[i]);

	if (!l->fixed)
		p->h[i] *= l->c->factor(l->st, rms, at->bounced);
	p->tries[i]++;
	if (!l->fixed && !(rms < 1) && !(rms == 1 && l->c->accept_one)) {
		at->rejected++;
		at->bounced = 1;
		return;
	}
	at->steps++;
	at->bounced = 0;
	p->t[i] = p->t_new[i];
	memcpy(p->y + i * size, p->y_new + i * size, (size_t)size * sizeof *p->y);
	memcpy(p->f + i * size, p->f_new + i * size, (size_t)size * sizeof *p->f);
}

static void note(const loop *l, int64_t i, sf_sample_report *report)
{
	const lane *at = &l->lanes[i];

	if (at->steps + at->rejected > report->steps + report->rejected) {
		report->steps = at->steps;
		report->rejected = at->rejected;
	}
}

/* Writes states back, and closes the gaps that arrived samples leave. */
static void repack(loop *l, sf_sample_report *report)
{
	sf_pack *p = &l->pack;
	int64_t size = l->run->size, i, kept = 0;
	size_t bytes = (size_t)size * sizeof *p->y;

	for (i = 0; i < p->m; i++) {
		note(l, i, report);
		memcpy(l->run->x + l->pack.sample[i] * size, p->y + i * size, bytes);
		if (p->t[i] <= l->end)
			continue;
		if (kept != i) {
			l->lanes[kept] = l->lanes[i];
			p->sample[kept] = p->sample[i];
			p->tries[kept] = p->tries[i];
			p->t[kept] = p->t[i];
			p->h[kept] = p->h[i];
			memcpy(p->y + kept * size, p->y + i * size, bytes);
			memcpy(p->f + kept * size, p->f + i * size, bytes);
		}
		kept++;
	}
	p->m = kept;
}

static int turn(loop *l, int64_t round, sf_sample_report *report, int64_t *spent)
{
	sf_pack *p = &l->pack;
	double t_new;
	int64_t i;

	for (i = 0; i < p->m; i++)
		SF_TRY(aim(l, i));
	SF_TRY(sf_run_pay(l->run, spent, l->c->attempt_cost_with ? l->c->attempt_cost_with(l->st) : l->c->attempt_cost,
	                  shown(l, p->t[0])));
	SF_TRY(l->c->attempt(l->st, p));
	for (i = 0; i < p->m; i++)
		SF_TRY(sound(l, i));
	if (l->pooled)
		sf_pack_pool(p->m, p->error);
	for (i = 0; i < p->m; i++)
		judge(l, i);
	t_new = shown(l, p->t[0]);
	repack(l, report);
	return sf_run_observe(l->run, round, l->pooled || l->fixed ? t_new : NAN);
}

int sf_run_adaptive(const sf_sampler *s, sf_run *run, double end, sf_sample_report *report,
                    int64_t *spent)
{
	loop l = {.c = sf_sampler_record(s),
	          .st = s->object.state,
	          .run = run,
	          .start = run->t,
	          .end = end};
	sf_arena arena = {NULL, 0, 0};
	int64_t i, round;
	int rc;

	layout(&l, &arena);
	if (sf_arena_open(&arena) < 0)
		return sf_fail(run->ctx, SF_ENOMEM, "sampling: out of memory for %lld samples",
		               (long long)run->n);
	layout(&l, &arena);
	l.pooled = l.c->pooled && l.c->pooled(l.st);
	l.fixed = l.c->fixed ? l.c->fixed(l.st) : 0;
	l.pack.run = run;
	l.pack.m = run->n;
	for (i = 0; i < run->n; i++) {
		l.pack.sample[i] = i;
		l.pack.t[i] = run->t;
	}
	memcpy(l.pack.y, run->x, (size_t)(run->n * run->size) * sizeof *run->x);
	sf_score_which(run->score, l.pack.sample);
	rc = sf_run_pay(run, spent, l.c->begin_cost, shown(&l, run->t));
	if (rc == 0)
		rc = l.c->begin(l.st, &l.pack, end);
	for (round = 1; rc == 0 && l.pack.m > 0; round++)
		rc = turn(&l, round, report, spent);
	sf_score_which(run->score, NULL);
	sf_arena_close(&arena);
	return rc;
}
