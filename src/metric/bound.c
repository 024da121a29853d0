/* bound.c: the variational bound of the reverse SDE, for x_t = alpha x + sigma z,
 *
 *     -log p(x) <= KL(q(x_T|x) || prior) + 1/2 int E|z - eps|^2 dlambda + E[-log p(x|x_t0)]
 *
 * Song, Durkan, Murray, Ermon 2021 (2101.09258) state it over t, with grad = -z/sigma:
 *
 *     -log p(x) <= E[-log prior(x_T)] + int E[g^2 (|s - grad|^2 - |grad|^2)/2 - div f] dt
 *
 * As dsigma^2/dt = 2 F sigma^2 + g^2, g^2 = -sigma^2 dlambda/dt, so the first part of the integral is the middle term
 * above; the second, d (lambda_T - lambda_0)/2 - d ln(alpha_T/alpha_0), turns cross entropies into the outer two. With
 * E[x|x_t] = (x_t - sigma eps)/alpha,
 *
 *     -log N(x; E[x|x_t], (sigma/alpha)^2) = (|z - eps|^2 + d ln(2 pi sigma^2/alpha^2))/2.
 *
 * Times are uniform in lambda, one in each of `times` equal parts. Known answer: lambda(1e-5) - lambda(1) is
 * 23.8644723654695 for vp, 37.6789457319341 for sub-VP, 17.0342160389686 for ve.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metric/flow.h"
#include "score/score.h"

#include <math.h>

enum { NUMBERS = 1 << 18, LEAST = 16, MOST = 4096 }; /* of a call: numbers, rows */

typedef struct job {
	sf_ctx *ctx;
	sf_score *score;
	const sf_process *p;
	const sf_likelihood_run *ask;
	const double *data; /* (n,d) */
	sf_bound *out;
	int64_t d, times, ends; /* draws of a sample: at times of their own, and at t0 */
	double t0, T, top, range; /* lambda falls from top by range */
	int64_t first, rows;    /* draws in hand, direction slowest as in trace.c */
	double *x, *z, *t;      /* (rows,d) twice, (rows): x_t, then eps */
	double *eps;
	int64_t *which;
} job;

/* lambda -> t */
static double time_of(const job *j, double lambda)
{
	return sf_process_time_of_ratio(j->p, exp(-lambda / 2));
}

static int fill(void *arg, int64_t from, int64_t to)
{
	job *j = arg;
	int64_t r, i, q, k;

	for (r = from; r < to; r++) {
		sf_noise key = {j->ask->seed, SF_NOISE_BOUND, 0};
		double alpha, sigma, *x = j->x + r * j->d, *z = j->z + r * j->d;

		i = (j->first + r) % j->ask->n;
		q = (j->first + r) / j->ask->n;
		key.step = (uint32_t)(q + 1); /* step 0 has the times */
		j->t[r] = j->t0;
		if (q < j->times) {
			sf_noise clock = {j->ask->seed, SF_NOISE_BOUND, 0};
			double u = sf_noise_uniform53(clock, j->ask->first_sample + (uint64_t)i, (uint64_t)q);

			j->t[r] = time_of(j, j->top - j->range * ((double)q + u) / (double)j->times);
		}
		alpha = sf_process_alpha(j->p, j->t[r]);
		sigma = sf_process_sigma(j->p, j->t[r]);
		sf_noise_normal_d(j->ctx, key, j->ask->first_sample + (uint64_t)i, 0, (size_t)j->d, z);
		for (k = 0; k < j->d; k++)
			x[k] = alpha * j->data[i * j->d + k] + sigma * z[k];
		j->which[r] = i;
	}
	return SF_OK;
}

/* Adds |z - eps|^2 of row r to its term. */
static int collect(job *j, int64_t r)
{
	int64_t i = (j->first + r) % j->ask->n, q = (j->first + r) / j->ask->n, k;
	const double *z = j->z + r * j->d, *eps = j->eps + r * j->d;
	double sum = 0;

	for (k = 0; k < j->d; k++)
		sum += (z[k] - eps[k]) * (z[k] - eps[k]);
	if (!isfinite(sum))
		return sf_fail(j->ctx, SF_EDIVERGED, "likelihood: the score of sample %lld is not finite at time %g",
		               (long long)(j->ask->first_sample + (uint64_t)i), j->t[r]);
	if (q < j->times)
		j->out[i].diffusion += j->range / 2 * sum / (double)j->times;
	else
		j->out[i].reconstruction += sum / 2 / (double)j->ends;
	return SF_OK;
}

/* KL(N(alpha x, sigma^2) || N(0, v)), and the constant of the last term. */
static void outer(job *j)
{
	double a = sf_process_alpha(j->p, j->T), s = sf_process_sigma(j->p, j->T), v, d = (double)j->d;
	double ratio = sf_process_sigma(j->p, j->t0) / sf_process_alpha(j->p, j->t0);
	int64_t i, k;

	sf_process_record(j->p)->prior_var(j->p->object.state, &v);
	for (i = 0; i < j->ask->n; i++) {
		double square = 0;

		for (k = 0; k < j->d; k++)
			square += j->data[i * j->d + k] * j->data[i * j->d + k];
		j->out[i].prior = 0.5 * (a * a * square / v + d * (s * s / v - 1 - log(s * s / v)));
		j->out[i].diffusion = 0;
		j->out[i].reconstruction = 0.5 * d * log(2 * SF_PI * ratio * ratio);
	}
}

static int check(job *j)
{
	int64_t all;

	if (!sf_process_linear(j->p) || sf_process_blocks(j->p) != 1 || sf_process_record(j->p)->prior_logp)
		return sf_fail(j->ctx, SF_EUNSUP,
		               "likelihood: the variational bound is worked out for linear processes of one block; "
		               "'%s' is %s", sf_process_name(j->p), sf_process_linear(j->p) ? "one of two" : "nonlinear");
	if (!(j->t0 > 0 && j->t0 < j->T))
		return sf_fail(j->ctx, SF_ERANGE, "likelihood: start at time %g; expected between 0 and %g", j->t0, j->T);
	if (j->ask->n < 1 || j->times < 1 || j->times > UINT32_MAX / 2 || (uint64_t)j->ask->n >> 48 ||
	    j->ask->first_sample >> 48 ||
	    (j->ask->first_sample + (uint64_t)j->ask->n) >> 48 || sf_mul_i64(j->ask->n, j->times + j->ends, &all) < 0)
		return sf_fail(j->ctx, SF_ERANGE,
		               "likelihood: n=%lld and %lld times; expected at least 1 of each, samples below 2^48",
		               (long long)j->ask->n, (long long)j->times);
	j->rows = NUMBERS / j->d;
	j->rows = j->rows < LEAST ? LEAST : j->rows > MOST ? MOST : j->rows;
	j->rows = all < j->rows ? all : j->rows;
	return SF_OK;
}

static void layout(job *j, sf_arena *a)
{
	size_t rows = (size_t)j->rows, numbers = rows * (size_t)j->d;

	j->x = sf_arena_take(a, numbers, sizeof *j->x);
	j->z = sf_arena_take(a, numbers, sizeof *j->z);
	j->eps = sf_arena_take(a, numbers, sizeof *j->eps);
	j->t = sf_arena_take(a, rows, sizeof *j->t);
	j->which = sf_arena_take(a, rows, sizeof *j->which);
}

int sf_likelihood_bound(sf_score *s, const sf_likelihood_run *ask, int64_t times, const double *x, sf_bound *out)
{
	const sf_process *p = sf_score_process(s);
	job j = {.ctx = sf_process_context(p), .score = s, .p = p, .ask = ask, .data = x, .out = out, .times = times};
	sf_arena arena = {NULL, 0, 0};
	int64_t i, count, all;
	int rc = SF_OK;

	j.d = sf_score_dim(s);
	j.ends = times / 8 + 1;
	j.T = sf_process_horizon(p);
	j.t0 = isnan(ask->start) ? sf_process_t_train(p) : ask->start;
	SF_TRY(check(&j));
	j.top = sf_process_logsnr(p, j.t0);
	j.range = j.top - sf_process_logsnr(p, j.T);
	layout(&j, &arena);
	if (sf_arena_open(&arena) < 0)
		return sf_fail(j.ctx, SF_ENOMEM, "likelihood: out of memory");
	layout(&j, &arena);
	outer(&j);
	all = ask->n * (times + j.ends);
	sf_score_which(s, j.which);
	for (; rc == 0 && j.first < all; j.first += count) {
		count = all - j.first < j.rows ? all - j.first : j.rows;
		rc = sf_over_samples(j.ctx, count, 64 * j.d, fill, &j);
		if (rc == 0)
			rc = sf_score_eval(s, SF_EPS, count, j.x, j.t, j.eps);
		for (i = 0; rc == 0 && i < count; i++)
			rc = collect(&j, i);
	}
	sf_score_which(s, NULL);
	for (i = 0; rc == 0 && i < ask->n; i++)
		out[i].logp = -(out[i].prior + out[i].diffusion + out[i].reconstruction);
	sf_arena_close(&arena);
	return rc;
}
