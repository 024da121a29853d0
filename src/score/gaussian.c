/* gaussian.c: the score of normal data under a linear process.
 *
 *     x_0 ~ N(m, C),   u_t ~ N(a m, a a' C + Sigma),   a = first column of Phi(0,t)
 *     score = -(a a' q + Sigma)^-1 (c - a c_m)   along each eigenvector of C, q its eigenvalue
 *
 * For k = 1: -(x - alpha m)/(alpha^2 q + sigma^2). Wang and Vastola 2024 (2412.09726) work it
 * out. C is diag(std^2), or in the plane [[s1^2, rho s1 s2], [rho s1 s2, s2^2]], or whatever `scorefield fit` found (eigen.c).
 * Known answer: mean 0, std 1 under vp has the score -x at every t.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/components.h"
#include "score/flow.h"

#include <math.h>

typedef struct gaussian {
	sf_list mean, std;
	double rho;
	double q[2];         /* eigenvalues of C */
	double cosine, sine; /* eigenvectors (cosine, sine) and (-sine, cosine) */
	char *file;
	sf_eigen *model; /* NULL without a file */
} gaussian;

static const sf_opt options[] = {
	{"mean", "mean: one number for all coordinates, or one each", SF_OPT_LIST,
	 offsetof(gaussian, mean), "0", 0, 0, NULL},
	{"std", "standard deviation: one number for all coordinates, or one each", SF_OPT_LIST,
	 offsetof(gaussian, std), "1", 0, 1e9, NULL},
	{"rho", "correlation of the two coordinates (d = 2)", SF_OPT_DOUBLE,
	 offsetof(gaussian, rho), "0", -1, 1, NULL},
	{"file", "a model of one component that `scorefield fit` wrote, instead of the numbers", SF_OPT_STRING,
	 offsetof(gaussian, file), "", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static double pick(const sf_list *list, int64_t j)
{
	return list->v[list->n == 1 ? 0 : j];
}

static int check_list(const sf_score *s, const char *name, const sf_list *list)
{
	if (list->n == 1 || list->n == s->d)
		return SF_OK;
	return sf_fail(sf_score_context(s), SF_EMISMATCH,
	               "score 'gaussian': %s has %d numbers; expected 1 or the dimension %lld",
	               name, list->n, (long long)s->d);
}

static int prepare(sf_score *s)
{
	gaussian *g = s->object.state;
	double s1, s2, angle;

	SF_TRY(sf_score_needs_linear(s));
	if (g->file[0])
		return sf_eigen_file(s, g->file, 1, &g->model);
	SF_TRY(check_list(s, "mean", &g->mean));
	SF_TRY(check_list(s, "std", &g->std));
	if (g->rho == 0)
		return SF_OK;
	if (s->d != 2)
		return sf_fail(sf_score_context(s), SF_EMISMATCH,
		               "score 'gaussian': rho needs dimension 2, not %lld",
		               (long long)s->d);
	s1 = pick(&g->std, 0);
	s2 = pick(&g->std, 1);
	angle = 0.5 * atan2(2 * g->rho * s1 * s2, s1 * s1 - s2 * s2);
	g->cosine = cos(angle);
	g->sine = sin(angle);
	g->q[0] = 0.5 * (s1 * s1 + s2 * s2 + hypot(s1 * s1 - s2 * s2, 2 * g->rho * s1 * s2));
	g->q[1] = s1 * s1 * s2 * s2 * (1 - g->rho) * (1 + g->rho) / g->q[0];
	return SF_OK;
}

enum { SCORE = SF_EIGEN_SCORE, LOGP = SF_EIGEN_LOGP, JVP = SF_EIGEN_JVP };

typedef struct job {
	const sf_score *s;
	int what;
	const double *x, *t, *v;
	double *out;
} job;

/* The matrix of a coordinate; the last one is kept, as most data have one std for all. */
typedef struct block {
	double q, a[SF_BLOCKS_MAX], inverse[SF_BLOCKS_MAX * SF_BLOCKS_MAX], logdet;
} block;

static void block_for(const sf_process *p, double t, double q, block *b)
{
	if (b->q == q)
		return;
	b->q = q;
	b->logdet = sf_score_block(p, t, q, b->a, b->inverse);
}

/* One eigendirection: r (k) -> -M^-1 r; the quadratic form and the determinant go into logp. */
static void direction(int k, const block *b, const double *r, double *out, double *logp)
{
	int i;

	sf_block_apply(k, b->inverse, r, out);
	for (i = 0; i < k; i++) {
		*logp -= 0.5 * (r[i] * out[i] + log(2 * SF_PI));
		out[i] = -out[i];
	}
	*logp -= 0.5 * b->logdet;
}

/* Coordinates are the eigendirections. */
static double diagonal(const job *w, int64_t sample, double *out)
{
	const gaussian *g = w->s->object.state;
	int k = sf_process_blocks(w->s->process), i;
	int64_t d = w->s->d, j, at = sample * k * d;
	double logp = 0, r[SF_BLOCKS_MAX] = {0}, o[SF_BLOCKS_MAX];
	block b = {-1, {0}, {0}, 0};

	for (j = 0; j < d; j++) {
		double sd = pick(&g->std, j);

		block_for(w->s->process, w->t[sample], sd * sd, &b);
		for (i = 0; i < k; i++)
			r[i] = w->what == JVP ? w->v[at + i * d + j]
			                      : w->x[at + i * d + j] - b.a[i] * pick(&g->mean, j);
		direction(k, &b, r, o, &logp);
		for (i = 0; i < k && out; i++)
			out[at + i * d + j] = o[i];
	}
	return logp;
}

/* In the plane: turn into the eigenvectors, as above, turn back. */
static double rotated(const job *w, int64_t sample, double *out)
{
	const gaussian *g = w->s->object.state;
	int k = sf_process_blocks(w->s->process), i, e;
	int64_t at = sample * k * 2;
	double logp = 0, turned[2][SF_BLOCKS_MAX];

	for (e = 0; e < 2; e++) {
		double ex = e ? -g->sine : g->cosine, ey = e ? g->cosine : g->sine;
		double m = ex * pick(&g->mean, 0) + ey * pick(&g->mean, 1), r[SF_BLOCKS_MAX] = {0};
		block b = {-1, {0}, {0}, 0};

		block_for(w->s->process, w->t[sample], g->q[e], &b);
		for (i = 0; i < k; i++) {
			const double *u = (w->what == JVP ? w->v : w->x) + at + i * 2;

			r[i] = ex * u[0] + ey * u[1] - (w->what == JVP ? 0 : b.a[i] * m);
		}
		direction(k, &b, r, turned[e], &logp);
	}
	for (i = 0; i < k && out; i++) {
		out[at + i * 2] = g->cosine * turned[0][i] - g->sine * turned[1][i];
		out[at + i * 2 + 1] = g->sine * turned[0][i] + g->cosine * turned[1][i];
	}
	return logp;
}

static int tile(void *arg, int64_t first, int64_t last)
{
	const job *w = arg;
	const gaussian *g = w->s->object.state;
	int64_t i;

	for (i = first; i < last; i++) {
		double *out = w->what == LOGP ? NULL : w->out;
		double logp = g->rho != 0 ? rotated(w, i, out) : diagonal(w, i, out);

		if (w->what == LOGP)
			w->out[i] = logp;
	}
	return SF_OK;
}

static int run(const sf_score *s, int what, int64_t n, const double *x, const double *t,
               const double *v, double *out)
{
	const gaussian *g = s->object.state;
	job w = {s, what, x, t, v, out};

	if (g->model)
		return sf_eigen_run(g->model, s, what, n, x, t, v, out);
	return sf_over_samples(sf_score_context(s), n, 16 * s->d + 64, tile, &w);
}

static int eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return run(s, SCORE, n, x, t, NULL, out);
}

static int logp(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	return run(s, LOGP, n, x, t, NULL, out);
}

static int jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v,
               double *out)
{
	return run(s, JVP, n, x, t, v, out);
}

/* ---- the probability-flow ODE, flow.c ---- */

typedef struct moving {
	const sf_score *s;
	sf_flow f;
	double *x;
} moving;

static int move(void *arg, int64_t first, int64_t last)
{
	const moving *w = arg;
	const gaussian *g = w->s->object.state;
	int64_t d = w->s->d, i, j;
	double mean[2], basis[4];

	basis[0] = basis[3] = g->cosine;
	basis[1] = g->sine;
	basis[2] = -g->sine;
	for (i = first; i < last; i++) {
		double *x = w->x + i * d, q = -1, gain = 0;

		for (j = 0; j < d && g->rho == 0; j++) {
			double sd = pick(&g->std, j), m = pick(&g->mean, j);

			if (sd * sd != q)
				gain = sf_flow_gain(&w->f, sd * sd);
			q = sd * sd;
			x[j] = w->f.alpha_to * m + gain * (x[j] - w->f.alpha_from * m);
		}
		if (g->rho != 0) {
			mean[0] = pick(&g->mean, 0);
			mean[1] = pick(&g->mean, 1);
			sf_flow_normal(&w->f, 2, 2, mean, basis, g->q, 0, x);
		}
	}
	return SF_OK;
}

static int flow(sf_score *s, int64_t n, double from, double to, double *x)
{
	moving w = {s, sf_flow_between(s->process, from, to), x};
	const gaussian *g = s->object.state;

	if (g->model)
		return sf_eigen_flow(g->model, s, n, from, to, x);
	return sf_over_samples(sf_score_context(s), n, 8 * s->d, move, &w);
}

static void fini(void *st)
{
	sf_eigen_close(((gaussian *)st)->model);
}

const sf_score_class sf_score_gaussian = {
	.head = {"gaussian", "exact score of normal data", "Wang and Vastola 2024 (2412.09726)",
	         sizeof(gaussian), options, NULL, fini},
	.prepare = prepare,
	.eval = eval,
	.logp = logp,
	.jvp = jvp,
	.flow = flow};
