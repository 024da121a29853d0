/* cross.c: cross entropy of latents with a score model's prior,
 *
 *     CE = int_e^T w/2 E|z - eps|^2 dt + constant,    w = g^2/scale^2
 *
 * Vahdat, Kreis and Kautz 2021 (2106.05931), eq 6 to 8; two blocks: hybrid score matching in position and velocity (latent.h).
 * Times come from q(t) ~ w (m + 1/10), one in each of `times` equal parts of it, and terms are divided by q. m is what latents
 * N(0,1) leave unexplained (objective/normal_time.c), with which terms are equal in the mean for such latents, their ll_iw; the
 * tenth sees to it that no time is forgotten where the latents are others (objective/time_table.c draws from q).
 * Known answer: latents N(0,1) with the exact score, vp, e = 0.01: (ln 2 pi e + ln(1 - e^-10.05))/2 = 1.41891693986 a dimension.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metric/flow.h"
#include "objective/normal_time.h"
#include "objective/time_table.h"
#include "score/score.h"

#include <scorefield/latent.h>

#include <math.h>

enum { NUMBERS = 1 << 18, LEAST = 16, MOST = 4096 }; /* of a call: numbers, rows */

typedef struct job {
	sf_ctx *ctx;
	sf_score *score;
	const sf_process *p;
	const sf_likelihood_run *ask;
	const double *data; /* (n,d) */
	int64_t d, size, times, first, rows; /* size: k d; rows first .. of the (times,n), times slowest */
	sf_time_table times_of; /* q */
	double *x, *z, *s, *t, *scale, *share; /* (rows,k,d), (rows,d), (rows,k,d), (rows) three times */
	double *last;                          /* (n) the term of the part before */
} job;

static double weight(const sf_process *p, double t)
{
	double scale = sf_process_scale(p, t);

	return sf_process_g2(p, t) / (scale * scale);
}

/* What q is proportional to. */
static double wanted(const void *process, double t)
{
	return weight(process, t) * (sf_normal_unexplained(process, t) + .1);
}

static int fill(void *arg, int64_t from, int64_t to)
{
	job *j = arg;
	int64_t r, i, q;

	for (r = from; r < to; r++) {
		sf_noise key = {j->ask->seed, SF_NOISE_BOUND, 0}, clock = key;
		uint64_t sample;
		double density;

		i = (j->first + r) % j->ask->n;
		q = (j->first + r) / j->ask->n;
		sample = j->ask->first_sample + (uint64_t)i;
		key.step = (uint32_t)(q + 1); /* step 0 has the times */
		j->t[r] = sf_time_table_at(&j->times_of, ((double)q + sf_noise_uniform53(clock, sample, (uint64_t)q)) / (double)j->times,
		                           &density);
		j->share[r] = weight(j->p, j->t[r]) / (2 * density);
		SF_TRY(sf_process_draw(j->p, j->d, j->data + i * j->d, j->t[r], key, sample, 0, j->x + r * j->size,
		                       j->z + r * j->d, &j->scale[r]));
	}
	return SF_OK;
}

/* Adds row r's term to its sum, and to the square of the difference within a pair. */
static int collect(const job *j, int64_t r, double *value, double *se)
{
	int64_t i = (j->first + r) % j->ask->n, q = (j->first + r) / j->ask->n, k;
	const double *z = j->z + r * j->d, *s = j->s + (r + 1) * j->size - j->d;
	double sum = 0, term;

	for (k = 0; k < j->d; k++)
		sum += (z[k] + j->scale[r] * s[k]) * (z[k] + j->scale[r] * s[k]);
	if (!isfinite(sum))
		return sf_fail(j->ctx, SF_EDIVERGED, "likelihood: the score of sample %lld is not finite at time %g",
		               (long long)(j->ask->first_sample + (uint64_t)i), j->t[r]);
	term = j->share[r] * sum;
	value[i] += term / (double)j->times;
	if (se && q % 2 == 1)
		se[i] += (term - j->last[i]) * (term - j->last[i]);
	else if (se && q + 1 == j->times && q > 0) /* the odd one out: with its neighbour once more */
		se[i] += (term - j->last[i]) * (term - j->last[i]) / 2;
	j->last[i] = term;
	return SF_OK;
}

static void layout(job *j, sf_arena *a)
{
	size_t rows = (size_t)j->rows;

	j->x = sf_arena_take(a, rows * (size_t)j->size, sizeof *j->x);
	j->s = sf_arena_take(a, rows * (size_t)j->size, sizeof *j->s);
	j->z = sf_arena_take(a, rows * (size_t)j->d, sizeof *j->z);
	j->t = sf_arena_take(a, rows, sizeof *j->t);
	j->scale = sf_arena_take(a, rows, sizeof *j->scale);
	j->share = sf_arena_take(a, rows, sizeof *j->share);
	j->last = sf_arena_take(a, (size_t)j->ask->n, sizeof *j->last);
}

static int check(job *j, double e)
{
	int64_t all, numbers;

	if (!(e > 0 && e < sf_process_horizon(j->p)))
		return sf_fail(j->ctx, SF_ERANGE, "likelihood: start at time %g; expected between 0 and %g", e,
		               sf_process_horizon(j->p));
	if (j->ask->n < 1 || j->times < 1 || j->times > UINT32_MAX / 2 || (uint64_t)j->ask->n >> 48 ||
	    j->ask->first_sample >> 48 || (j->ask->first_sample + (uint64_t)j->ask->n) >> 48 ||
	    sf_mul_i64(j->ask->n, j->times, &all) < 0 || sf_mul_i64(j->ask->n, j->size, &numbers) < 0)
		return sf_fail(j->ctx, SF_ERANGE,
		               "likelihood: n=%lld and %lld times; expected at least 1 of each, samples below 2^48",
		               (long long)j->ask->n, (long long)j->times);
	j->rows = NUMBERS / j->size;
	j->rows = j->rows < LEAST ? LEAST : j->rows > MOST ? MOST : j->rows;
	j->rows = all < j->rows ? all : j->rows;
	return SF_OK;
}

static int add_up(job *j, int64_t *which, double *value, double *se)
{
	int64_t all = j->ask->n * j->times, count, i;
	int rc = SF_OK;

	for (; rc == 0 && j->first < all; j->first += count) {
		count = all - j->first < j->rows ? all - j->first : j->rows;
		for (i = 0; i < count; i++)
			which[i] = (j->first + i) % j->ask->n;
		rc = sf_over_samples(j->ctx, count, 64 * j->size, fill, j);
		if (rc == 0)
			rc = sf_score_eval(j->score, SF_SCORE, count, j->x, j->t, j->s);
		for (i = 0; rc == 0 && i < count; i++)
			rc = collect(j, i, value, se);
	}
	return rc;
}

int sf_cross_entropy(sf_score *s, const sf_likelihood_run *ask, int64_t times, const double *z, double *value, double *se)
{
	const sf_process *p = sf_score_process(s);
	double e = isnan(ask->start) ? sf_process_t_train(p) : ask->start, constant;
	job *j = sf_alloc(1, sizeof *j);
	sf_arena arena = {NULL, 0, 0};
	int64_t *which = NULL, i;
	int rc = SF_OK;

	if (!j)
		return sf_fail(sf_process_context(p), SF_ENOMEM, "likelihood: out of memory");
	j->ctx = sf_process_context(p);
	j->score = s;
	j->p = p;
	j->ask = ask;
	j->data = z;
	j->times = times;
	j->d = sf_score_dim(s);
	j->size = j->d * sf_process_blocks(p);
	rc = sf_cross_entropy_constant(p, e, j->d, &constant);
	if (rc == 0)
		rc = check(j, e);
	if (rc == 0) {
		layout(j, &arena);
		which = sf_alloc((size_t)j->rows, sizeof *which);
		if (!which || sf_arena_open(&arena) < 0)
			rc = sf_fail(j->ctx, SF_ENOMEM, "likelihood: out of memory");
		else
			layout(j, &arena);
	}
	for (i = 0; rc == 0 && i < ask->n; i++) {
		value[i] = constant;
		if (se)
			se[i] = 0;
	}
	if (rc == 0) {
		sf_time_table_make(e, sf_process_horizon(p), wanted, p, &j->times_of);
		sf_score_which(s, which);
		rc = add_up(j, which, value, se);
		sf_score_which(s, NULL);
	}
	for (i = 0; rc == 0 && se && i < ask->n; i++)
		se[i] = times > 1 ? sqrt(se[i]) / (double)times : NAN;
	sf_free(which);
	sf_arena_close(&arena);
	sf_free(j);
	return rc;
}
