/* guided.c: classifier-free guidance: a conditional and an unconditional score as one.
 *
 *     s(x,t) = s_none(x,t) + W (s_cond(x,t) - s_none(x,t))
 *
 * Ho and Salimans 2022 (2207.12598), whose weight is W - 1: W = 1 is the conditional score alone, W = 0 the
 * unconditional one, W > 1 pushes away from what lacks the condition. Each evaluation costs two, one for W = 0 or 1.
 * It is the score of p_none^(1-W) p_cond^W up to a constant, at each time by itself: the guided scores of two times belong
 * to no common process, so there is no density.
 * Known answer: s_cond that of N(m, v) and s_none that of N(m', v) give that of N(m' + W (m - m'), v).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/score.h"

#include <math.h>

typedef struct guided {
	sf_score *cond, *none; /* not owned */
	double weight;
	double *other;         /* (room): the unconditional values */
	size_t room;
} guided;

typedef struct mix {
	int64_t size;
	double weight, *out;
	const double *none;
} mix;

static int mix_some(void *arg, int64_t first, int64_t last)
{
	const mix *m = arg;
	int64_t i;

	for (i = first * m->size; i < last * m->size; i++)
		m->out[i] = m->none[i] + m->weight * (m->out[i] - m->none[i]);
	return SF_OK;
}

/* Scores, or their derivatives along v. */
static int read(sf_score *s, sf_score *of, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	int rc;

	sf_score_which(of, s->which);
	rc = v ? sf_score_jvp(of, n, x, t, v, out) : sf_score_eval(of, SF_SCORE, n, x, t, out);
	sf_score_which(of, NULL);
	return rc;
}

static int combine(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	guided *g = s->object.state;
	mix m = {s->d * sf_process_blocks(s->process), g->weight, out, NULL};
	size_t need;

	if (s->price == 1)
		return read(s, g->weight == 0 ? g->none : g->cond, n, x, t, v, out);
	if (sf_mul_size((size_t)n, (size_t)m.size, &need) < 0)
		return sf_fail(s->object.ctx, SF_ERANGE, "score 'guided': %lld samples are too many", (long long)n);
	if (need > g->room) { /* the first evaluation; samplers never ask for more later */
		sf_free(g->other);
		g->room = 0;
		g->other = sf_alloc(need, sizeof *g->other);
		if (!g->other)
			return sf_fail(s->object.ctx, SF_ENOMEM, "score 'guided': out of memory");
		g->room = need;
	}
	m.none = g->other;
	SF_TRY(read(s, g->cond, n, x, t, v, out));
	SF_TRY(read(s, g->none, n, x, t, v, g->other));
	return sf_over_samples(s->object.ctx, n, m.size, mix_some, &m);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return combine(s, n, x, t, NULL, out);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	return combine(s, n, x, t, v, out);
}

static void fini(void *state)
{
	sf_free(((guided *)state)->other);
}

static const sf_score_class guided_class = {
	.head = {"guided", "classifier-free guidance", "Ho and Salimans 2022 (2207.12598)", sizeof(guided), NULL,
	         NULL, fini},
	.eval = eval,
	.jvp = jvp};

int sf_score_guided(sf_ctx *ctx, sf_score *cond, sf_score *none, double weight, sf_score **s)
{
	guided *g;

	*s = NULL;
	if (cond == none || cond->process != none->process || cond->d != none->d)
		return sf_fail(ctx, SF_EMISMATCH, "guidance: expected two scores of one process and one dimension, got %lld "
		               "coordinates of '%s' and %lld of '%s'%s", (long long)cond->d, sf_process_name(cond->process),
		               (long long)none->d, sf_process_name(none->process),
		               cond == none ? " (the same object)" : "");
	if (!isfinite(weight))
		return sf_fail(ctx, SF_ERANGE, "guidance: the weight %g is not a finite number", weight);
	SF_TRY(sf_score_make(ctx, &guided_class, cond->process, cond->d, s));
	g = (*s)->object.state;
	g->cond = cond;
	g->none = none;
	g->weight = weight;
	(*s)->price = weight == 0 || weight == 1 ? 1 : 2;
	return SF_OK;
}
