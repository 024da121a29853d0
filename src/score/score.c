/* score.c: what all scores share: construction, the three ways to read one, counting.
 *
 *     eps = -sigma s,   E[x_0|x] = (x + sigma^2 s)/alpha
 *
 * The second is Tweedie's formula (Efron 2011); both need x = alpha x_0 + sigma z, so k = 1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/score.h"

#include <math.h>

static const sf_score_class *record(const sf_score *s)
{
	const void *cls = s->object.cls; /* the head is its first member */

	return cls;
}

sf_ctx *sf_score_context(const sf_score *s)
{
	return s->object.ctx;
}

static int prepare(sf_ctx *ctx, sf_score *s, const sf_process *p, int64_t d)
{
	int64_t size;

	if (d < 1 || sf_mul_i64(d, sf_process_blocks(p), &size) < 0)
		return sf_fail(ctx, SF_ERANGE, "score '%s': dimension %lld is not positive",
		               s->object.cls->name, (long long)d);
	s->process = p;
	s->d = d;
	s->price = 1;
	return record(s)->prepare ? record(s)->prepare(s) : SF_OK;
}

int sf_score_new(sf_ctx *ctx, const char *spec, const sf_process *p, int64_t d, sf_score **s)
{
	int rc;

	SF_TRY(sf_object_new(ctx, "score", spec, sizeof **s, s));
	rc = prepare(ctx, *s, p, d);
	if (rc < 0) {
		sf_score_free(*s);
		*s = NULL;
	}
	return rc;
}

int sf_score_make(sf_ctx *ctx, const sf_score_class *cls, const sf_process *p, int64_t d,
                  sf_score **s)
{
	sf_score *made = sf_alloc(1, sizeof *made);
	int rc;

	*s = NULL;
	if (made) {
		made->object.family = "score";
		made->object.cls = &cls->head;
		made->object.ctx = ctx;
		made->object.state = sf_alloc(1, cls->head.state_size);
		made->object.spec = sf_strdup(cls->head.name);
	}
	if (!made || !made->object.state || !made->object.spec) {
		if (made) {
			sf_free(made->object.state);
			sf_free(made->object.spec);
		}
		sf_free(made);
		return sf_fail(ctx, SF_ENOMEM, "score '%s': out of memory", cls->head.name);
	}
	rc = prepare(ctx, made, p, d);
	if (rc < 0)
		sf_object_free(made);
	else
		*s = made;
	return rc;
}

void sf_score_free(sf_score *s)
{
	sf_object_free(s);
}

const sf_process *sf_score_process(const sf_score *s)
{
	return s->process;
}

int64_t sf_score_dim(const sf_score *s)
{
	return s->d;
}

int64_t sf_score_count(const sf_score *s)
{
	return s->count;
}

void sf_score_count_reset(sf_score *s)
{
	s->count = 0;
}

int sf_score_price(const sf_score *s)
{
	return s->price;
}

void sf_score_which(sf_score *s, const int64_t *which)
{
	s->which = which;
}

int sf_score_needs_linear(const sf_score *s)
{
	if (sf_process_linear(s->process))
		return SF_OK;
	return sf_fail(s->object.ctx, SF_EUNSUP,
	               "score '%s' needs a linear process; '%s' has no closed-form kernel",
	               s->object.cls->name, sf_process_name(s->process));
}

double sf_score_block(const sf_process *p, double t, double var, double *a, double *inverse)
{
	double m[SF_BLOCKS_MAX * SF_BLOCKS_MAX];
	int k = sf_process_blocks(p), i, j;

	sf_process_mean_column(p, t, a);
	if (k == 1) { /* sigma() has no rounding of a square root in between */
		double sd = sf_process_sigma(p, t);

		m[0] = sd * sd;
	} else {
		sf_process_cov(p, t, m);
	}
	for (i = 0; i < k; i++)
		for (j = 0; j < k; j++)
			m[i * k + j] += a[i] * a[j] * var;
	return sf_block_inverse(k, m, inverse);
}

/* ---- tiles of samples ---- */

enum {
	TILE_WORK = 262144
}; /* operations: some hundred microseconds, well above the cost of a tile */

typedef struct tiles {
	int64_t n, per;
	sf_samples_fn body;
	void *arg;
} tiles;

static int run_tile(void *arg, int64_t tile, int worker)
{
	const tiles *t = arg;
	int64_t first = tile * t->per, last = first + t->per < t->n ? first + t->per : t->n;

	(void)worker;
	return t->body(t->arg, first, last);
}

int sf_over_samples(const sf_ctx *ctx, int64_t n, int64_t work, sf_samples_fn body, void *arg)
{
	tiles t = {n, 1, body, arg};

	if (work < TILE_WORK)
		t.per = TILE_WORK / (work > 0 ? work : 1);
	return sf_parallel(ctx, n / t.per + (n % t.per != 0), run_tile, &t);
}

/* ---- evaluation ---- */

typedef struct reading {
	const sf_process *p;
	sf_what what;
	int64_t d;
	const double *x, *t;
	double *out;
} reading;

static int read_tile(void *arg, int64_t first, int64_t last)
{
	const reading *r = arg;
	int64_t i, j;

	for (i = first; i < last; i++) {
		double sigma = sf_process_sigma(r->p, r->t[i]),
		       alpha = sf_process_alpha(r->p, r->t[i]);
		const double *x = r->x + i * r->d;
		double *out = r->out + i * r->d;

		for (j = 0; j < r->d; j++)
			out[j] = r->what == SF_EPS ? -sigma * out[j]
			                           : (x[j] + sigma * sigma * out[j]) / alpha;
	}
	return SF_OK;
}

int sf_score_eval(sf_score *s, sf_what what, int64_t n, const double *x, const double *t,
                  double *out)
{
	reading r = {s->process, what, s->d, x, t, out};

	if (what != SF_SCORE &&
	    (sf_process_blocks(s->process) != 1 || !sf_process_linear(s->process)))
		return sf_fail(s->object.ctx, SF_EUNSUP,
		               "score '%s': noise and denoised readings need a linear process with "
		               "one block, not '%s'",
		               s->object.cls->name, sf_process_name(s->process));
	SF_TRY(record(s)->eval(s, n, x, t, out));
	s->count += n * s->price;
	if (what == SF_SCORE)
		return SF_OK;
	return sf_over_samples(s->object.ctx, n, s->d, read_tile, &r);
}

int sf_score_logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	if (!record(s)->logp)
		return sf_fail(s->object.ctx, SF_EUNSUP, "score '%s' has no density",
		               s->object.cls->name);
	return record(s)->logp(s, n, x, t, out);
}

int sf_score_jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v,
                 double *out)
{
	if (!record(s)->jvp)
		return sf_fail(s->object.ctx, SF_EUNSUP, "score '%s' has no directional derivative",
		               s->object.cls->name);
	return record(s)->jvp(s, n, x, t, v, out);
}

int sf_score_flow(sf_score *s, int64_t n, double from, double to, double *x)
{
	const sf_process *p = s->process;

	if (!record(s)->flow || !sf_process_linear(p) || sf_process_blocks(p) != 1)
		return sf_fail(s->object.ctx, SF_EUNSUP, "score '%s' under process '%s': the probability-flow ODE has no closed form",
		               s->object.cls->name, sf_process_name(p));
	if (!(from > 0 && to > 0 && from <= sf_process_horizon(p) && to <= sf_process_horizon(p)))
		return sf_fail(s->object.ctx, SF_ERANGE, "score '%s': a flow from time %g to %g leaves the range above 0 to %g of process '%s'",
		               s->object.cls->name, from, to, sf_process_horizon(p), sf_process_name(p));
	return from == to ? SF_OK : record(s)->flow(s, n, from, to, x);
}
