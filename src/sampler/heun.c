/* heun.c: EDM's second-order sampler, deterministic or with churn.
 *
 *     gamma = min(churn/N, sqrt 2 - 1) where s_min <= s <= s_max, else 0
 *     s^ = s (1 + gamma),   x^ = x + sqrt(s^^2 - s^2) s_noise z
 *     d = (x^ - D(x^; s^))/s^,   x' = x^ + a h d,   h = s_next - s^
 *     x <- x^ + h ((1 - 1/(2a)) d + d'/(2a));   a last step to s = 0 is x^ + h d, so NFE = 2N - 1
 *
 * Karras et al. 2022 (2206.00364), algorithms 1 and 2; churn = 0 is the deterministic one; a = 1
 * is Heun, 1/2 midpoint, 2/3 Ralston. Any process with one block is integrated in EDM's frame,
 * the state x/alpha against the noise level s = sigma/alpha, where d is the predicted noise eps;
 * time=process integrates the same ODE in the process's own time instead (their algorithm 1 with
 * that schedule and scaling). Time 0 counts as noise-free, also for ve whose sigma(0+) is
 * sigma-min.
 * Known answer: edm, N = 18, data N(0, 0.25), start 80: 0.527624637001047.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"

#include <math.h>

typedef struct heun {
	int64_t order;
	double alpha, churn, s_min, s_max, s_noise;
	int time;
} heun;

enum { IN_SIGMA, IN_PROCESS };

static const sf_opt options[] = {
	{"order", "2, or 1 for Euler's method", SF_OPT_INT, offsetof(heun, order), "2", 1, 2, NULL},
	{"alpha", "where the second slope is taken: 1 Heun, 0.5 midpoint, 2/3 Ralston",
	 SF_OPT_DOUBLE, offsetof(heun, alpha), "1", 0.1, 2, NULL},
	{"churn", "noise added over the whole run", SF_OPT_DOUBLE, offsetof(heun, churn), "0", 0,
	 1e6, NULL},
	{"s-min", "least noise level with churn", SF_OPT_DOUBLE, offsetof(heun, s_min), "0", 0, 1e9,
	 NULL},
	{"s-max", "largest noise level with churn", SF_OPT_DOUBLE, offsetof(heun, s_max), "inf", 0,
	 INFINITY, NULL},
	{"s-noise", "standard deviation of the noise added", SF_OPT_DOUBLE, offsetof(heun, s_noise),
	 "1", 0, 10, NULL},
	{"time", "step in the noise level sigma/alpha, or in the time of the process",
	 SF_OPT_CHOICE, offsetof(heun, time), "sigma", 0, 0, "sigma|process"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int flags(const void *st)
{
	return SF_SAMPLER_SCALAR | (((const heun *)st)->churn > 0 ? SF_SAMPLER_STOCHASTIC : 0);
}

static int order(const void *st)
{
	return (int)((const heun *)st)->order;
}

static int cost(const void *st, double t, double t_next)
{
	(void)t;
	return t_next > 0 ? order(st) : 1;
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	return (nfe + order(st) - 1) / order(st);
}

static double ratio(const sf_process *p, double t)
{
	return t > 0 ? sf_process_sigma(p, t) / sf_process_alpha(p, t) : 0;
}

/* The variable that is stepped, and the state's factor in it. */
static double place(const heun *s, const sf_process *p, double t)
{
	return s->time == IN_SIGMA ? ratio(p, t) : t;
}

static double scale(const heun *s, const sf_process *p, double t)
{
	return s->time == IN_SIGMA ? sf_process_alpha(p, t) : 1;
}

static int slope(const heun *s, sf_run *run, double t, const double *x, double *out)
{
	if (s->time == IN_SIGMA)
		return sf_run_read(run, SF_EPS, t, x, out);
	return sf_run_drift(run, t, x, 0, out, out);
}

/* Raises the noise of the state; returns the time that has it. */
static double churn(const heun *s, sf_run *run)
{
	const sf_process *p = run->process;
	double r = ratio(p, run->t), gamma = s->churn / (double)run->steps, t, grow, noise;
	int64_t i, total = run->n * run->size;

	if (!(s->churn > 0 && r >= s->s_min && r <= s->s_max))
		return run->t;
	if (gamma > sqrt(2) - 1)
		gamma = sqrt(2) - 1;
	t = sf_process_time_beyond(p, r * (1 + gamma));
	grow = sf_process_alpha(p, t) / sf_process_alpha(p, run->t);
	noise = ratio(p, t) > r ? sqrt((ratio(p, t) - r) * (ratio(p, t) + r)) : 0;
	noise *= s->s_noise * sf_process_alpha(p, t);
	sf_run_noise(run, SF_NOISE_STEP, run->work[0]);
	for (i = 0; i < total; i++)
		run->x[i] = grow * run->x[i] + noise * run->work[0][i];
	return t;
}

static int step(const void *st, sf_run *run)
{
	const heun *s = st;
	const sf_process *p = run->process;
	double t = churn(s, run), a = s->alpha, from = place(s, p, t),
	       h = place(s, p, run->t_next) - from;
	double shrink = 1 / scale(s, p, t), last = scale(s, p, run->t_next), mid,
	       t_mid = run->t_next;
	double *x = run->x, *d = run->work[0], *d2 = run->work[1], *x2 = run->work[2];
	int64_t i, total = run->n * run->size;

	SF_TRY(slope(s, run, t, x, d));
	if (s->order == 1 || run->t_next == 0) {
		for (i = 0; i < total; i++)
			x[i] = last * (x[i] * shrink + h * d[i]);
		return SF_OK;
	}
	if (from + a * h <= 0) /* beyond the data: fall back on Heun */
		a = 1;
	if (a != 1)
		t_mid = s->time == IN_SIGMA ? sf_process_time_beyond(p, from + a * h)
		                            : from + a * h;
	mid = scale(s, p, t_mid);
	for (i = 0; i < total; i++)
		x2[i] = mid * (x[i] * shrink + a * h * d[i]);
	SF_TRY(slope(s, run, t_mid, x2, d2));
	for (i = 0; i < total; i++)
		x[i] = last * (x[i] * shrink + h * ((1 - 0.5 / a) * d[i] + 0.5 / a * d2[i]));
	return SF_OK;
}

const sf_sampler_class sf_sampler_heun = {
	.head = {"heun", "EDM's second-order sampler, deterministic or with churn",
	         "Karras et al. 2022 (2206.00364), algorithms 1 and 2", sizeof(heun), options, NULL,
	         NULL},
	.flags_with = flags,
	.work = 3,
	.order_with = order,
	.grid = "karras",
	.steps = 18,
	.cost = cost,
	.steps_for = steps_for,
	.step = step};
