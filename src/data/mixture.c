/* mixture.c: any mixture of isotropic normals in 1 to 64 dimensions, from lists. Known answer: the
 * default, two normals of deviation 1/2 at (-2,0) and (2,0), has covariance diag(4 + 1/4, 1/4).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

typedef struct mixture {
	int64_t seed, dim;
	sf_list weights, means, stds;
	sf_normals m;
} mixture;

static const sf_opt options[] = {
	{"dim", "dimensions", SF_OPT_INT, offsetof(mixture, dim), "2", 1, SF_LIST_MAX, NULL},
	{"weights", "weight of each normal; scaled to add up to 1", SF_OPT_LIST,
         offsetof(mixture, weights), "1:1", 1e-12, 1e12, NULL},
	{"means", "means, one after the other", SF_OPT_LIST, offsetof(mixture, means), "-2:0:2:0",
         -1e9, 1e9, NULL},
	{"stds", "standard deviations: one for each, or one for all", SF_OPT_LIST,
         offsetof(mixture, stds), "0.5", 1e-9, 1e9, NULL},
	SF_TOY_SEED(mixture),
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int init(void *state, sf_ctx *ctx)
{
	mixture *m = state;
	double sum = 0;
	int i;

	if (m->weights.n < 1)
		return sf_fail(ctx, SF_EINVAL,
		               "data 'mixture': weights is empty; expected one for each normal");
	if (m->means.n != m->weights.n * m->dim)
		return sf_fail(
			ctx, SF_EINVAL,
			"data 'mixture': %d numbers in means; %d weights in %d dimensions need %d",
			m->means.n, m->weights.n, (int)m->dim, (int)(m->weights.n * m->dim));
	if (m->stds.n != m->weights.n && m->stds.n != 1)
		return sf_fail(ctx, SF_EINVAL,
		               "data 'mixture': %d numbers in stds; expected 1 or %d", m->stds.n,
		               m->weights.n);
	m->m.n = m->weights.n;
	m->m.d = (int)m->dim;
	for (i = 0; i < m->m.n; i++)
		sum += m->weights.v[i];
	for (i = 0; i < m->m.n; i++) {
		m->m.w[i] = m->weights.v[i] / sum;
		m->m.std[i] = m->stds.v[m->stds.n == 1 ? 0 : i];
	}
	for (i = 0; i < m->means.n; i++)
		m->m.mean[i] = m->means.v[i];
	return SF_OK;
}

/* A box with all means and three deviations around them. */
static int describe(sf_data *d)
{
	const sf_normals *m = &((const mixture *)sf_data_state(d))->m;
	double lo = INFINITY, hi = -INFINITY;
	int i;

	for (i = 0; i < m->n * m->d; i++) {
		lo = fmin(lo, m->mean[i] - 3 * m->std[i / m->d]);
		hi = fmax(hi, m->mean[i] + 3 * m->std[i / m->d]);
	}
	return sf_toy_describe(d, m->d, m->n, lo, hi);
}

static void read_record(const sf_data *d, int64_t index, double *x, int *label)
{
	const mixture *m = sf_data_state(d);

	sf_normals_read(d, &m->m, m->seed, index, x, label);
}

static double logp(const sf_data *d, const double *x, double alpha, double s, double *score)
{
	return sf_normals_logp(&((const mixture *)sf_data_state(d))->m, x, alpha, s, score);
}

const sf_data_class sf_data_mixture = {
	{"mixture", "any mixture of isotropic normals", "density and score in closed form",
         sizeof(mixture), options, init, NULL},
	describe,
	read_record,
	logp,
};
