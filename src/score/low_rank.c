/* low_rank.c: the score of a normal mixture whose covariances have few axes: C_i = A_i' A_i + rest^2 across them.
 *
 * The algebra is eigen.c's. Axes are given as vectors, each as long as the standard deviation along it; they need not
 * be at right angles. Or all comes from a file of `scorefield fit`. With rest = 0 the data lie in planes, and the
 * score exists where there is noise. Wang and Vastola 2024 (2412.09726).
 * Known answer: the axis (1,1) in the plane under edm: D(x) = (1,1) (x_1 + x_2)/(2 + t^2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"

#include <math.h>

typedef struct low_rank {
	char *file;
	sf_list weights, means, axes;
	double rest;
	sf_eigen *model;
} low_rank;

static const sf_opt options[] = {
	{"file", "a model that `scorefield fit` wrote, instead of the lists", SF_OPT_STRING, offsetof(low_rank, file),
	 "", 0, 0, NULL},
	{"weights", "one positive number for each part (any scale); empty: equal", SF_OPT_LIST,
	 offsetof(low_rank, weights), "", 1e-300, 1e300, NULL},
	{"means", "d numbers for each part; empty: one part at zero", SF_OPT_LIST, offsetof(low_rank, means), "", 0,
	 0, NULL},
	{"axes",
	 "the same number of vectors of d numbers for each part, all one after the other; empty: the first unit "
	 "vector",
	 SF_OPT_LIST, offsetof(low_rank, axes), "", 0, 0, NULL},
	{"rest", "standard deviation across the axes", SF_OPT_DOUBLE, offsetof(low_rank, rest), "0", 0, 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int refuse(const sf_score *s, const char *name, int n, const char *expected)
{
	return sf_fail(sf_score_context(s), SF_EMISMATCH,
		       "score 'low-rank': %s has %d numbers; expected %s (dimension %lld)", name, n, expected,
		       (long long)s->d);
}

static int fill(sf_score *s, const low_rank *o, sf_components *c)
{
	double axes[SF_LIST_MAX] = {0}, total = 0;
	sf_ctx *ctx = sf_score_context(s);
	int64_t i, j;

	for (i = 0; i < c->n; i++)
		total += o->weights.n ? o->weights.v[i] : 1;
	for (i = 0; i < c->n; i++) {
		c->weight[i] = (o->weights.n ? o->weights.v[i] : 1) / total;
		c->rest[i] = o->rest * o->rest;
		for (j = 0; j < c->d && o->means.n; j++)
			c->mean[i * c->d + j] = o->means.v[i * c->d + j];
		if (o->axes.n == 0) {
			c->basis[i * c->d] = c->var[i] = 1;
			continue;
		}
		for (j = 0; j < c->rank * c->d; j++)
			axes[j] = o->axes.v[i * c->rank * c->d + j];
		SF_TRY(sf_components_axes(ctx, c->rank, c->d, axes, c->basis + i * c->rank * c->d,
					  c->var + i * c->rank));
		for (j = 0; j < c->rank; j++)
			c->var[i * c->rank + j] += c->rest[i]; /* what is across an axis is along it too */
	}
	return SF_OK;
}

static int prepare(sf_score *s)
{
	low_rank *o = s->object.state;
	sf_components c;
	int64_t n, rank;
	int rc;

	SF_TRY(sf_score_needs_linear(s));
	if (o->file[0])
		return sf_eigen_file(s, o->file, 0, &o->model);
	if (o->means.n % s->d != 0)
		return refuse(s, "means", o->means.n, "a multiple of the dimension");
	n = o->means.n ? o->means.n / s->d : 1;
	if (o->axes.n % (n * s->d) != 0)
		return refuse(s, "axes", o->axes.n, "as many vectors for each part");
	rank = o->axes.n ? o->axes.n / (n * s->d) : 1;
	if (rank > s->d)
		return refuse(s, "axes", o->axes.n, "no more vectors than dimensions");
	if (o->weights.n && o->weights.n != n)
		return refuse(s, "weights", o->weights.n, "one for each part");
	SF_TRY(sf_components_new(sf_score_context(s), n, s->d, rank, &c));
	rc = fill(s, o, &c);
	rc = rc < 0 ? rc : sf_eigen_open(s, &c, &o->model);
	sf_components_free(&c);
	return rc;
}

static void fini(void *st)
{
	sf_eigen_close(((low_rank *)st)->model);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_eigen_run(((low_rank *)s->object.state)->model, s, SF_EIGEN_SCORE, n, x, t, NULL, out);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return sf_eigen_run(((low_rank *)s->object.state)->model, s, SF_EIGEN_LOGP, n, x, t, NULL, out);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	return sf_eigen_run(((low_rank *)s->object.state)->model, s, SF_EIGEN_JVP, n, x, t, v, out);
}

static int flow(sf_score *s, int64_t n, double from, double to, double *x)
{
	return sf_eigen_flow(((low_rank *)s->object.state)->model, s, n, from, to, x);
}

const sf_score_class sf_score_low_rank = {
	.head = {"low-rank", "exact score of a normal mixture in few directions",
	         "Wang and Vastola 2024 (2412.09726)", sizeof(low_rank), options, NULL, fini},
	.prepare = prepare,
	.eval = eval,
	.logp = logp,
	.jvp = jvp,
	.flow = flow};
