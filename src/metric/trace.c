/* trace.c: tr(A J) of the Jacobian J of a score, with A = G G' the same k x k for all coordinates,
 *
 *     exact      sum over unit vectors e of (A e)' J e
 *     estimate   mean over probes e of (A e)' J e,   E[e e'] = I
 *
 * Skilling 1989, Hutchinson 1990. A probe's variance is that of the off-diagonal part of A J for Rademacher probes,
 * so that they are exact for diagonal Jacobians, and 2|sym(A J)|_F^2 for normal ones. Blocks
 * without noise of their own have zeros in A; their unit vectors and the probes' entries are left out. Samples and
 * directions are put side by side in calls of at most `rows`; each adds up its own directions in order, so that the
 * cut does not show.
 * Known answer: normal data of variance q under vp have tr J = -d/(alpha^2 q + sigma^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metric/flow.h"
#include "score/score.h"

#include <math.h>
#include <string.h>

enum { NUMBERS = 1 << 18, LEAST = 16, MOST = 4096 }; /* of a call: numbers, rows */

int sf_trace_init(sf_trace *w, sf_score *s, const sf_likelihood_run *ask)
{
	const void *cls = s->object.cls;
	const sf_score_class *record = cls;
	int64_t all;

	w->ctx = sf_score_context(s);
	w->score = s;
	w->p = sf_score_process(s);
	w->ask = ask;
	w->k = sf_process_blocks(w->p);
	w->d = sf_score_dim(s);
	w->size = w->k * w->d;
	if (!record->jvp)
		return sf_fail(w->ctx, SF_EUNSUP,
		               "likelihood: score '%s' has no directional derivative, so its divergence is not known",
		               s->object.cls->name);
	if (ask->trace < SF_TRACE_EXACT || ask->trace > SF_TRACE_NORMAL)
		return sf_fail(w->ctx, SF_EINVAL, "likelihood: unknown trace %d", ask->trace);
	if (ask->trace != SF_TRACE_EXACT && (ask->probes < 1 || ask->probes > UINT32_MAX))
		return sf_fail(w->ctx, SF_ERANGE, "likelihood: %lld probes; expected at least 1", (long long)ask->probes);
	w->rows = NUMBERS / w->size;
	w->rows = w->rows < LEAST ? LEAST : w->rows > MOST ? MOST : w->rows;
	if (sf_mul_i64(ask->n, ask->trace == SF_TRACE_EXACT ? w->size : ask->probes, &all) < 0)
		return sf_fail(w->ctx, SF_ERANGE, "likelihood: %lld samples with %lld directions are too many", (long long)ask->n,
		               (long long)(ask->trace == SF_TRACE_EXACT ? w->size : ask->probes));
	w->rows = all < w->rows ? all : w->rows;
	return SF_OK;
}

void sf_trace_layout(sf_trace *w, sf_arena *a)
{
	size_t rows = (size_t)w->rows, numbers = rows * (size_t)w->size;

	w->x = sf_arena_take(a, numbers, sizeof *w->x);
	w->e = sf_arena_take(a, numbers, sizeof *w->e);
	w->je = sf_arena_take(a, numbers, sizeof *w->je);
	w->t = sf_arena_take(a, rows, sizeof *w->t);
	w->which = sf_arena_take(a, rows, sizeof *w->which);
}

/* Rows first .. first+count of the list of (direction, state) pairs, direction slowest. */
typedef struct batch {
	sf_trace *w;
	int64_t first, m;
	const int64_t *sample;
	const double *x, *t;
	double *out;
} batch;

/* Direction q of a sample whose A this is. */
static void direction(const sf_trace *w, int64_t q, uint64_t sample, const double *A, double *e)
{
	sf_noise key = {w->ask->seed, SF_NOISE_TRACE, (uint32_t)q};
	int64_t j;
	int b;

	if (w->ask->trace == SF_TRACE_EXACT) {
		memset(e, 0, (size_t)w->size * sizeof *e);
		e[q] = 1;
		return;
	}
	if (w->ask->probe) {
		memcpy(e, w->ask->probe + q * w->size, (size_t)w->size * sizeof *e);
	} else if (w->ask->trace == SF_TRACE_NORMAL) {
		sf_noise_normal_d(w->ctx, key, sample, 0, (size_t)w->size, e);
	} else {
		sf_noise_uniform_d(w->ctx, key, sample, 0, (size_t)w->size, e);
		for (j = 0; j < w->size; j++)
			e[j] = e[j] < 0.5 ? -1 : 1;
	}
	for (b = 0; b < w->k; b++)
		if (A[b * w->k + b] == 0)
			memset(e + b * w->d, 0, (size_t)w->d * sizeof *e);
}

static int fill(void *arg, int64_t from, int64_t to)
{
	const batch *s = arg;
	sf_trace *w = s->w;
	double A[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
	int64_t r;

	for (r = from; r < to; r++) {
		int64_t i = (s->first + r) % s->m, q = (s->first + r) / s->m;

		sf_process_noise(w->p, s->t[i], 1, A);
		memcpy(w->x + r * w->size, s->x + i * w->size, (size_t)w->size * sizeof *w->x);
		direction(w, q, w->ask->first_sample + (uint64_t)s->sample[i], A, w->e + r * w->size);
		w->t[r] = s->t[i];
		w->which[r] = s->sample[i];
	}
	return SF_OK;
}

/* (A e)' J e of row r */
static double product(const sf_trace *w, int64_t r)
{
	const double *e = w->e + r * w->size, *je = w->je + r * w->size;
	double A[SF_BLOCKS_MAX * SF_BLOCKS_MAX], sum = 0;
	int64_t j;
	int a, b;

	sf_process_noise(w->p, w->t[r], 1, A);
	for (a = 0; a < w->k; a++)
		for (b = 0; b < w->k; b++) {
			double part = 0;

			if (A[a * w->k + b] == 0)
				continue;
			for (j = 0; j < w->d; j++)
				part += e[b * w->d + j] * je[a * w->d + j];
			sum += A[a * w->k + b] * part;
		}
	return sum;
}

/* Directions of the exact trace start where the first block with noise does. */
static int64_t silent(const sf_trace *w, int64_t m, const double *t)
{
	double A[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
	int64_t i;

	for (i = 0; i < m && w->k == 2; i++) {
		sf_process_noise(w->p, t[i], 1, A);
		if (A[0] != 0)
			return 0;
	}
	return w->k == 2 ? w->d : 0;
}

int sf_trace_eval(sf_trace *w, int64_t m, const int64_t *sample, const double *x, const double *t, double *out)
{
	const int64_t *which = w->score->which;
	int64_t each = w->ask->trace == SF_TRACE_EXACT ? w->size : w->ask->probes, count, r;
	batch s = {w, 0, m, sample, x, t, out};
	int rc = SF_OK;

	memset(out, 0, (size_t)m * sizeof *out);
	if (w->ask->trace == SF_TRACE_EXACT)
		s.first = m * silent(w, m, t);
	sf_score_which(w->score, w->which);
	for (; rc == 0 && s.first < m * each; s.first += count) {
		count = m * each - s.first < w->rows ? m * each - s.first : w->rows;
		sf_over_samples(w->ctx, count, 8 * w->size, fill, &s);
		rc = sf_score_jvp(w->score, count, w->x, w->t, w->e, w->je);
		for (r = 0; rc == 0 && r < count; r++)
			out[(s.first + r) % m] += product(w, r);
	}
	sf_score_which(w->score, which);
	for (r = 0; w->ask->trace != SF_TRACE_EXACT && r < m; r++)
		out[r] /= (double)each;
	return rc;
}
