/* orders_run.c: how far a sampler ends from the known solution.
 *
 *     ODE methods    root mean square of x - x*, x* by the map that keeps quantiles (sf_score_flow), over starts even in -2 .. 2
 *                    standard deviations of the prior
 *     slope          log2 of that error's ratio at N and 2N steps; the first states are exact, and orders not lowered at the end
 *     own steps      the tolerance is tightened as far as the budget allows, on the same starts
 *     noise          errors of E x and E x^2 over many samples that start from the exact law, with their standard error
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/orders.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int problem_open(sf_ctx *ctx, const char *process, const char *grid, int64_t n, int64_t samples, problem *p)
{
	double alpha, sigma, deviation;
	int64_t i;
	int rc;

	memset(p, 0, sizeof *p);
	p->ctx = ctx;
	p->n = n;
	p->samples = samples;
	rc = sf_process_new(ctx, process, &p->process);
	if (rc == 0 && (!sf_process_linear(p->process) || sf_process_blocks(p->process) != 1))
		rc = fail(STATUS_INPUT, "orders: process '%s': the exact solution is known for x_t = alpha x_0 + sigma z alone", process);
	if (rc == 0)
		rc = sf_score_new(ctx, ORDERS_DATA, p->process, 1, &p->score);
	if (rc == 0)
		rc = sf_grid_new(ctx, grid, &p->grid);
	p->start = malloc((size_t)n * sizeof *p->start);
	p->end = malloc((size_t)n * sizeof *p->end);
	if (rc == 0 && (!p->start || !p->end))
		rc = fail(STATUS_INPUT, "out of memory");
	if (rc) {
		problem_close(p);
		return rc;
	}
	p->from = sf_process_horizon(p->process);
	p->to = sf_process_t_sample(p->process);
	alpha = sf_process_alpha(p->process, p->from);
	sigma = sf_process_sigma(p->process, p->from);
	deviation = hypot(sigma, alpha);
	for (i = 0; i < n; i++)
		p->start[i] = p->end[i] = n > 1 ? deviation * (4 * (double)i / (double)(n - 1) - 2) : deviation * 0.71;
	rc = sf_score_flow(p->score, n, p->from, p->to, p->end);
	alpha = sf_process_alpha(p->process, p->to);
	sigma = sf_process_sigma(p->process, p->to);
	p->mean = 0.3 * alpha; /* weights .3 .5 .2, means -1 .6 1.5, deviations .3 .4 .2 */
	p->square = 1.045 * alpha * alpha + sigma * sigma;
	if (rc)
		problem_close(p);
	return rc;
}

void problem_close(problem *p)
{
	sf_grid_free(p->grid);
	sf_score_free(p->score);
	sf_process_free(p->process);
	free(p->start);
	free(p->end);
	memset(p, 0, sizeof *p);
}

/* ---- one run ---- */

typedef struct walk {
	problem *p;
	double *x;
	int64_t exact; /* steps whose result is replaced by the truth */
} walk;

static int replace(void *user, int64_t step, double t, int64_t n, const double *x)
{
	walk *w = user;

	(void)x;
	if (step < 1 || step > w->exact || !(t > 0))
		return 0;
	memcpy(w->x, w->p->start, (size_t)n * sizeof *w->x);
	return sf_score_flow(w->p->score, n, w->p->from, t, w->x);
}

static int run(problem *p, sf_sampler *s, int64_t steps, int64_t exact, int64_t n, double *x, sf_sample_report *report)
{
	walk w = {p, x, exact};
	sf_sample_run ask;

	sf_sample_defaults(&ask);
	ask.n = n;
	ask.steps = steps;
	ask.grid = p->grid;
	ask.given_start = 1;
	ask.denoise = 0;
	ask.seed = p->seed;
	ask.start = p->from;
	ask.end = p->to;
	if (exact > 0) {
		ask.observe = replace;
		ask.user = &w;
	}
	return sf_sample(s, p->score, &ask, x, report);
}

/* The ODE's error after so many steps; NaN where the run fails. */
static int ode_error(problem *p, sf_sampler *s, int64_t steps, int64_t exact, double *error, double *nfe)
{
	sf_sample_report report;
	double *x = malloc((size_t)p->n * sizeof *x), sum = 0;
	int64_t i;
	int rc;

	if (!x)
		return fail(STATUS_INPUT, "out of memory");
	memcpy(x, p->start, (size_t)p->n * sizeof *x);
	rc = run(p, s, steps, exact, p->n, x, &report);
	for (i = 0; i < p->n; i++)
		sum += (x[i] - p->end[i]) * (x[i] - p->end[i]);
	free(x);
	*error = rc < 0 ? NAN : sqrt(sum / (double)p->n);
	*nfe = rc < 0 ? NAN : report.nfe;
	return rc == SF_EUNSUP || rc == SF_EMISMATCH ? rc : 0;
}

/* The most steps that spend no more than the budget; 0: not one. */
static int64_t steps_within(problem *p, sf_sampler *s, double budget)
{
	int64_t n = (int64_t)budget;

	for (; n > 0; n--) {
		double x = p->start[p->n / 2];
		sf_sample_report report;

		if (run(p, s, n, 0, 1, &x, &report) == 0 && report.nfe <= budget)
			break;
	}
	return n;
}

/* ---- kinds of samplers ---- */

static int has_option(const char *spec, const char *name, const sf_opt **found)
{
	char member[64];
	const sf_class *const *m;
	const sf_opt *o;

	snprintf(member, sizeof member, "%.*s", (int)strcspn(spec, ":"), spec);
	for (m = sf_members("sampler"); *m; m++)
		for (o = strcmp((*m)->name, member) == 0 ? (*m)->opts : NULL; o && o->name; o++)
			if (strcmp(o->name, name) == 0) {
				*found = o;
				return 1;
			}
	return 0;
}

/* Adds an option that the sampler has and the spec does not set. */
static void with(char *spec, size_t size, const char *name, const char *value)
{
	size_t length = strlen(spec);
	const sf_opt *o;
	char set[80];

	snprintf(set, sizeof set, "%s=", name);
	if (has_option(spec, name, &o) && !strstr(spec, set) && length < size)
		snprintf(spec + length, size - length, "%c%s%s", strchr(spec, ':') ? ',' : ':', set, value);
}

static int measure_slope(problem *p, solver *s)
{
	int64_t n = s->order <= 2 ? 512 : s->order == 3 ? 256 : 128;
	double coarse = NAN, fine = NAN, nfe;
	char spec[400], count[24];
	sf_sampler *m = NULL;
	int rc;

	snprintf(spec, sizeof spec, "%s", s->spec);
	snprintf(count, sizeof count, "%d", s->order);
	with(spec, sizeof spec, "lower-order-final", "never");
	with(spec, sizeof spec, "uncorrected", count);
	rc = sf_sampler_new(p->ctx, spec, &m);
	for (; rc == 0; n /= 2) {
		rc = ode_error(p, m, n, s->order - 1, &coarse, &nfe);
		if (rc == 0)
			rc = ode_error(p, m, 2 * n, s->order - 1, &fine, &nfe);
		if (fine > 1e-12 || isnan(fine) || n <= 16) /* rounding is not seen yet */
			break;
	}
	sf_sampler_free(m);
	s->slope = log(coarse / fine) / log(2);
	return rc;
}

static int measure_ode(problem *p, solver *s, sf_sampler *m, const double *budget, int count)
{
	int i, rc = measure_slope(p, s);

	for (i = 0; rc == 0 && i < count; i++) {
		int64_t n = steps_within(p, m, budget[i]);

		if (n > 0)
			rc = ode_error(p, m, n, 0, &s->at[i].error, &s->at[i].nfe);
	}
	return rc;
}

/* Tolerances fall by a factor of 10^(1/8) from 1 on; the last one within a budget counts. `chosen` (count,400) gets the specs. */
static int measure_adaptive(problem *p, solver *s, const double *budget, int count, char (*chosen)[400])
{
	int i, k, rc = 0, done = 0;
	const sf_opt *o;

	for (k = 0; rc == 0 && k <= 96 && !done; k++) {
		char spec[400], value[32];
		sf_sampler *m = NULL;
		double error, nfe;

		snprintf(spec, sizeof spec, "%s", s->spec);
		snprintf(value, sizeof value, "%.6g", pow(10, -(double)k / 8));
		with(spec, sizeof spec, "rtol", value);
		with(spec, sizeof spec, "atol", value);
		rc = sf_sampler_new(p->ctx, spec, &m);
		if (rc == 0)
			rc = ode_error(p, m, 0, 0, &error, &nfe);
		for (i = 0, done = 1; rc == 0 && i < count; i++)
			if (nfe <= budget[i]) {
				s->at[i].error = error;
				s->at[i].nfe = nfe;
				strcpy(chosen[i], spec);
				done = 0;
			} else if (isnan(nfe)) {
				done = 0;
			}
		sf_sampler_free(m);
		if (!has_option(s->spec, "rtol", &o))
			break;
	}
	return rc;
}

/* Starts with the exact law at `from`. */
static int weak(problem *p, sf_sampler *m, int64_t steps, cell *c)
{
	double alpha = sf_process_alpha(p->process, p->from), sigma = sf_process_sigma(p->process, p->from), n = (double)p->samples;
	double *x = malloc((size_t)p->samples * sizeof *x), s[4] = {0}, e1, e2;
	sf_noise data = {p->seed, SF_NOISE_DATA, 0}, perturb = {p->seed, SF_NOISE_PERTURB, 0};
	sf_sample_report report;
	int64_t i;
	int k, rc;

	if (!x)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < p->samples; i++) {
		static const double mean[3] = {-1, 0.6, 1.5}, deviation[3] = {0.3, 0.4, 0.2};
		double u = sf_noise_uniform53(data, (uint64_t)i, 0), z[2];
		int part = u < 0.3 ? 0 : u < 0.8 ? 1 : 2;

		sf_noise_normal_d(p->ctx, perturb, (uint64_t)i, 0, 2, z);
		x[i] = alpha * (mean[part] + deviation[part] * z[0]) + sigma * z[1];
	}
	rc = run(p, m, steps, 0, p->samples, x, &report);
	for (i = 0; rc == 0 && i < p->samples; i++) {
		double power = 1;

		for (k = 0; k < 4; k++)
			s[k] += (power *= x[i]) / n;
	}
	free(x);
	if (rc < 0)
		return rc == SF_EUNSUP || rc == SF_EMISMATCH ? rc : 0;
	e1 = s[0] - p->mean;
	e2 = s[1] - p->square;
	c->nfe = report.nfe;
	c->error = sqrt(e1 * e1 + e2 * e2);
	c->se = sqrt((s[1] - s[0] * s[0] + s[3] - s[1] * s[1]) / n);
	return 0;
}

static int measure_sde(problem *p, solver *s, sf_sampler *m, const double *budget, int count)
{
	int i, rc = 0;

	for (i = 0; rc == 0 && i < count && p->samples > 0; i++) {
		int64_t n = steps_within(p, m, budget[i]);

		if (n > 0)
			rc = weak(p, m, n, &s->at[i]);
	}
	return rc;
}

/* Stochastic ones with steps of their own: the tolerance that the starts of the ODE find within the budget. */
static int measure_free_sde(problem *p, solver *s, const double *budget, int count, char (*chosen)[400])
{
	int i, rc = measure_adaptive(p, s, budget, count, chosen);

	for (i = 0; rc == 0 && i < count; i++) {
		sf_sampler *m = NULL;

		s->at[i].nfe = s->at[i].error = NAN;
		if (!chosen[i][0] || p->samples == 0)
			continue;
		rc = sf_sampler_new(p->ctx, chosen[i], &m);
		if (rc == 0)
			rc = weak(p, m, 0, &s->at[i]);
		sf_sampler_free(m);
	}
	return rc;
}

int solver_measure(problem *p, solver *s, const double *budget, int count)
{
	char chosen[SF_LIST_MAX][400] = {""};
	sf_sampler *m = NULL;
	int i, rc = sf_sampler_new(p->ctx, s->spec, &m);

	s->slope = NAN;
	for (i = 0; i < count; i++)
		s->at[i].nfe = s->at[i].error = s->at[i].se = NAN;
	if (rc == 0)
		rc = sf_sampler_accepts(m, p->process);
	if (rc == 0) {
		s->order = sf_sampler_order(m);
		s->kind = sf_sampler_stochastic(m) ? KIND_SDE : sf_sampler_adaptive(m) ? KIND_ADAPTIVE : KIND_ODE;
		rc = !sf_sampler_adaptive(m)    ? (s->kind == KIND_SDE ? measure_sde : measure_ode)(p, s, m, budget, count)
		     : s->kind == KIND_ADAPTIVE ? measure_adaptive(p, s, budget, count, chosen)
		                                : measure_free_sde(p, s, budget, count, chosen);
	}
	sf_sampler_free(m);
	return rc;
}
