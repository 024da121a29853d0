/* rk45.c: Dormand-Prince 5(4) on the probability-flow ODE, with SciPy's step-size controller.
 *
 *     error = rms( dt sum_i e_i K_i / (atol + rtol max(|y|, |y_new|)) ),   accepted below 1
 *     factor = 0.9 error^(-1/5), within 0.2 and 10, at most 1 right after a rejection
 *
 * Dormand and Prince 1980 (the pair); Hairer, Norsett and Wanner, Solving ODEs I, section II.4
 * (the controller and the first step); Song et al. 2021 (2011.13456), section 4.3 and appendix
 * D.4 (its use for sampling, rtol = atol = 1e-5). The fifth-order result is propagated and the
 * seventh stage is the next step's first, so NFE = 2 + 6 tries. Each sample has its own steps;
 * batch=true takes one step size for all, as SciPy does on a flattened batch, and results then
 * depend on the batch. fixed=N takes N equal steps without control. Likelihoods follow the same steps from data to noise
 * (metric/flow.c).
 * Known answer: vp, mixture `skewed`, from 0.7: 62 evaluations, 1.120163426432384.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/sampler.h"
#include "score/score.h"

#include <math.h>

typedef struct rk45 {
	double rtol, atol;
	int64_t fixed;
	int batch;
} rk45;

static const sf_opt options[] = {
	{"rtol", "relative tolerance", SF_OPT_DOUBLE, offsetof(rk45, rtol), "1e-05", 2.3e-14, 1,
	 NULL},
	{"atol", "absolute tolerance", SF_OPT_DOUBLE, offsetof(rk45, atol), "1e-05", 0, 1e9, NULL},
	{"batch", "one step size for the whole batch", SF_OPT_BOOL, offsetof(rk45, batch), "false",
	 0, 0, NULL},
	{"fixed", "take this many equal steps without error control; 0: adaptive", SF_OPT_INT,
	 offsetof(rk45, fixed), "0", 0, 1e9, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

enum { STAGES = 6 };
static const double c[STAGES] = {0, 1.0 / 5, 3.0 / 10, 4.0 / 5, 8.0 / 9, 1};
static const double a[STAGES][STAGES - 1] = {
	{0},
	{1.0 / 5},
	{3.0 / 40, 9.0 / 40},
	{44.0 / 45, -56.0 / 15, 32.0 / 9},
	{19372.0 / 6561, -25360.0 / 2187, 64448.0 / 6561, -212.0 / 729},
	{9017.0 / 3168, -355.0 / 33, 46732.0 / 5247, 49.0 / 176, -5103.0 / 18656}};
static const double b[STAGES] = {35.0 / 384,     0,        500.0 / 1113, 125.0 / 192,
                                 -2187.0 / 6784, 11.0 / 84};
static const double e[STAGES + 1] = {-71.0 / 57600, 0, 71.0 / 16695, -71.0 / 1920,
                                     17253.0 / 339200, -22.0 / 525, 1.0 / 40};

/* y_new = y + dt sum_j w_j K_j; or the mean square of dt sum_j w_j K_j in units of the tolerance.
 */
typedef struct mix {
	const rk45 *s;
	sf_pack *p;
	const double *w;
	const double *K[STAGES + 1];
	int terms;
} mix;

static double sum(const mix *m, int64_t at)
{
	double v = 0;
	int j;

	for (j = 0; j < m->terms; j++)
		v += m->w[j] * m->K[j][at];
	return v;
}

static int advance(void *arg, int64_t first, int64_t last)
{
	const mix *m = arg;
	int64_t size = m->p->run->size, i, j;

	for (i = first; i < last; i++)
		for (j = i * size; j < (i + 1) * size; j++)
			m->p->y_new[j] = m->p->y[j] + (m->p->t_new[i] - m->p->t[i]) * sum(m, j);
	return SF_OK;
}

static int measure(void *arg, int64_t first, int64_t last)
{
	const mix *m = arg;
	int64_t size = m->p->run->size, i, j;

	for (i = first; i < last; i++) {
		double total = 0;

		for (j = i * size; j < (i + 1) * size; j++) {
			double y = fabs(m->p->y[j]), y_new = fabs(m->p->y_new[j]);
			double tolerance = m->s->atol + m->s->rtol * (y > y_new ? y : y_new);
			double part = (m->p->t_new[i] - m->p->t[i]) * sum(m, j) / tolerance;

			total += part * part;
		}
		m->p->error[i] = total / (double)size;
	}
	return SF_OK;
}

static void combine(mix *m, const double *w, int terms, sf_samples_fn body)
{
	m->w = w;
	m->terms = terms;
	sf_over_samples(m->p->run->ctx, m->p->m, 2 * terms * m->p->run->size, body, m);
}

/* K_1 .. K_5 and scratch for the score; the stages' states pass through y_new, their times
 * through error. */
static int attempt(const void *st, sf_pack *p)
{
	mix m = {st,
	         p,
	         NULL,
	         {p->f, p->work[0], p->work[1], p->work[2], p->work[3], p->work[4], p->f_new},
	         0};
	double *score = p->work[5], *time = p->error;
	int64_t i;
	int s;

	for (s = 1; s < STAGES; s++) {
		combine(&m, a[s], s, advance);
		for (i = 0; i < p->m; i++)
			time[i] = s == STAGES - 1 ? p->t_new[i]
			                          : p->t[i] + c[s] * (p->t_new[i] - p->t[i]);
		SF_TRY(sf_pack_flow(p, time, p->y_new, score, p->work[s - 1]));
	}
	combine(&m, b, STAGES, advance);
	SF_TRY(sf_pack_flow(p, p->t_new, p->y_new, score, p->f_new));
	combine(&m, e, STAGES + 1, measure);
	return SF_OK;
}

/* Mean squares of v (or v - w) in units of the tolerance at y. */
static void scaled(const rk45 *s, const sf_pack *p, const double *v, const double *w, double *out)
{
	int64_t size = p->run->size, i, j;

	for (i = 0; i < p->m; i++) {
		double total = 0;

		for (j = i * size; j < (i + 1) * size; j++) {
			double part = (v[j] - (w ? w[j] : 0)) / (s->atol + s->rtol * fabs(p->y[j]));

			total += part * part;
		}
		out[i] = total / (double)size;
	}
	if (s->batch)
		sf_pack_pool(p->m, out);
}

/* The first step: h0 from sizes of y and f, one Euler step of h0 to see how f changes, h1 from
 * that. */
static int begin(const void *st, sf_pack *p, double end)
{
	const rk45 *s = st;
	double *d0 = p->h, *d1 = p->error, *d2 = p->h;
	int64_t size = p->run->size, i, j;

	SF_TRY(sf_pack_flow(p, p->t, p->y, p->work[5], p->f));
	scaled(s, p, p->y, NULL, d0);
	scaled(s, p, p->f, NULL, d1);
	for (i = 0; i < p->m; i++) {
		double y = sqrt(d0[i]), f = sqrt(d1[i]),
		       h0 = y < 1e-5 || f < 1e-5 ? 1e-6 : 0.01 * y / f;

		if (h0 > p->t[i] - end)
			h0 = p->t[i] - end;
		p->t_new[i] = p->t[i] - h0;
		for (j = i * size; j < (i + 1) * size; j++)
			p->y_new[j] = p->y[j] - h0 * p->f[j];
	}
	SF_TRY(sf_pack_flow(p, p->t_new, p->y_new, p->work[5], p->f_new));
	scaled(s, p, p->f_new, p->f, d2);
	for (i = 0; i < p->m; i++) {
		double h0 = p->t[i] - p->t_new[i], f = sqrt(d1[i]), bend = sqrt(d2[i]) / h0;
		double most = f > bend ? f : bend, h1 = pow(0.01 / most, 1.0 / 5);

		if (f <= 1e-15 && bend <= 1e-15)
			h1 = h0 * 1e-3 > 1e-6 ? h0 * 1e-3 : 1e-6;
		p->h[i] = 100 * h0 < h1 ? 100 * h0 : h1;
		if (p->h[i] > p->t[i] - end)
			p->h[i] = p->t[i] - end;
	}
	return SF_OK;
}

static double factor(const void *st, double rms, int rejected_before)
{
	double by = rms > 0 ? 0.9 * pow(rms, -1.0 / 5) : 10;

	(void)st;
	if (!(rms < 1))
		return by > 0.2 ? by : 0.2;
	if (by > 10)
		by = 10;
	return rejected_before && by > 1 ? 1 : by;
}

static int pooled(const void *st)
{
	return ((const rk45 *)st)->batch;
}

static int64_t fixed(const void *st)
{
	return ((const rk45 *)st)->fixed;
}

const sf_sampler_class sf_sampler_rk45 = {
	.head = {"rk45", "adaptive Dormand-Prince 5(4) on the probability-flow ODE",
	         "Song et al. 2021 (2011.13456), appendix D.4", sizeof(rk45), options, NULL, NULL},
	.flags = SF_SAMPLER_DENOISE,
	.work = 6,
	.order = 5,
	.grid = "uniform",
	.steps = 1,
	.begin = begin,
	.attempt = attempt,
	.factor = factor,
	.pooled = pooled,
	.fixed = fixed,
	.begin_cost = 2,
	.attempt_cost = 6,
	.any_flow = 1};
