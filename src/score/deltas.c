/* deltas.c: the exact score of a data set's records, each a point: what denoising score matching learns when they are
 * all there is.
 *
 * The algebra is delta.c's (Karras et al. 2022, 2206.00364, section 2). Records are scaled as a network would see
 * them. Without data there is one point at zero: eps is constant along the probability-flow ODE, so every
 * deterministic solver is exact in one step.
 * Known answer: without data the score under edm is -x/t^2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"
#include "score/delta.h"

typedef struct deltas {
	char *data;
	int64_t records;
	int scaling;
	double std;
	sf_delta *model;
} deltas;

static const sf_opt options[] = {
	{"data", "a data set, with at most one option (digits, npy:path=FILE); empty: one point at zero",
	 SF_OPT_STRING, offsetof(deltas, data), "", 0, 0, NULL},
	{"records", "how many of its records, from the first; 0: all", SF_OPT_INT, offsetof(deltas, records), "0", 0,
	 1e9, NULL},
	{"scaling", "as data.scaling of a configuration", SF_OPT_CHOICE, offsetof(deltas, scaling), "none", 0, 0,
	 "none|unit|pm1|standard"},
	{"std", "standard deviation that scaling=standard gives", SF_OPT_DOUBLE, offsetof(deltas, std), "0.5", 1e-9,
	 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int prepare(sf_score *s)
{
	static const sf_scaling scalings[] = {SF_SCALE_NONE, SF_SCALE_UNIT, SF_SCALE_PM1, SF_SCALE_STANDARD};
	deltas *o = s->object.state;
	int64_t n = 1, d = s->d;
	double *points;

	SF_TRY(sf_score_needs_linear(s));
	if (o->data[0])
		SF_TRY(sf_points_read(sf_score_context(s), "score 'deltas'", o->data, scalings[o->scaling], o->std,
				      o->records, &n, &d, &points));
	else if (!(points = sf_alloc((size_t)d, sizeof *points)))
		return sf_fail(sf_score_context(s), SF_ENOMEM, "score 'deltas': out of memory");
	return sf_delta_open(s, n, points, &o->model);
}

static void fini(void *st)
{
	sf_delta_close(((deltas *)st)->model);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_delta_run(((deltas *)s->object.state)->model, s, n, x, t, out, NULL);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_delta_run(((deltas *)s->object.state)->model, s, n, x, t, NULL, out);
}

const sf_score_class sf_score_deltas = {.head = {"deltas", "exact score of a data set, its records as points",
						 "Karras et al. 2022 (2206.00364), section 2", sizeof(deltas),
						 options, NULL, fini},
					.prepare = prepare,
					.eval = eval,
					.logp = logp};
