/* dpm_v3.c: DPM-Solver-v3, multistep with the model's own statistics l, s, b in place of a choice of prediction.
 *
 *     f(x, lambda) = (sigma eps - l x)/alpha,   g(x, lambda) = e^{-S} f - B,   L = int l, S = int s, B = int e^{-S} b   from lambda_s
 *     x_t = alpha_t e^{-L_t} [ x_s/alpha_s - C - sum_{k<p} J_k g^(k) ],   C = int e^{L+S} B,  J_k = int e^{L+S} (lambda - lambda_s)^k/k!
 *
 * Zheng, Lu, Chen, Zhu 2023 (2310.13268); integrals up to lambda_t, ems_table.c. The derivatives of g by lambda come from
 * earlier points u, whose g is carried along: g <- e^{S} (g + B) over the step from u. l = 1, s = b = 0 is DPM-Solver++ and l = b = 0,
 * s = -1 DPM-Solver, multistep with all Taylor terms; they stand in where no statistics are given. `pseudo`: plain divided differences,
 * k! times, for derivatives. Corrector: the same step again with the point at t among the others, of order p, or p + 1 with
 * corrector-pseudo; the output at the predicted state serves, with sigma eps - l x kept, so NFE = N; the last state is not
 * corrected. As in unipc.c a state is corrected at the beginning of the next step. `half`: the paper corrects at t <= T/2 alone
 * (late), the published program at t > T/2 (early). Defaults are the paper's, order 3 with corrector of order 3 (order 2 for guided
 * models); its program turns on pseudo up to 5 steps of EDM's networks, and the corrector up to 6.
 * Orders for exact starting values: p, but 2 for pseudo derivatives of second degree.
 * Integrals are exact for the table; quadrature=trapezoid is the published one, in which times are moved to the nearest rows.
 * Known answers: normal data in their eigenbasis are solved exactly in any number of steps; mixture `skewed`, edm, order 1, 8 steps of
 * equal lambda from 7.1 at sigma 10 to 0.1 with population statistics: error 2.5e-4.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/ems.h"
#include "sampler/frame.h"
#include "score/score.h"

#include <math.h>

enum { MOST = 3, NODES = MOST + 1, BEFORE = NODES /* work: outputs, then the state before */ };
enum { SPLINE, TRAPEZOID };
enum { ALL, LATE, EARLY };

typedef struct coefficients { /* x <- a x + c - sum_j w[j] g_j; g_0 at the point itself */
	double a, c, w[NODES];
} coefficients;

typedef struct v3 {
	int64_t order, uncorrected;
	int prediction, pseudo, corrector, corrector_pseudo, lower, half, quadrature;
	char *stats;
	sf_ems table;
	sf_ems_leg *leg;      /* (d) of the last step */
	coefficients *weight; /* (d) */
	double *l;            /* (d) at the point */
} v3;

static const sf_opt options[] = {
	{"stats", "file of statistics (scorefield ems); empty: those of `prediction`", SF_OPT_STRING, offsetof(v3, stats), "", 0, 0, NULL},
	{"prediction", "without a file: the model's output whose statistics these are", SF_OPT_CHOICE, offsetof(v3, prediction), "data", 0, 0,
	 SF_PREDICT_CHOICES},
	{"order", "order of the predictor", SF_OPT_INT, offsetof(v3, order), "3", 1, MOST, NULL},
	{"pseudo", "plain divided differences as derivatives in the predictor", SF_OPT_BOOL, offsetof(v3, pseudo), "false", 0, 0, NULL},
	{"corrector", "correct every state but the last", SF_OPT_BOOL, offsetof(v3, corrector), "true", 0, 0, NULL},
	{"corrector-pseudo", "corrector of one order more with plain divided differences", SF_OPT_BOOL, offsetof(v3, corrector_pseudo),
	 "false", 0, 0, NULL},
	{"half", "correct all states, or those at times up to T/2 (late), or above (early)", SF_OPT_CHOICE, offsetof(v3, half), "all", 0, 0,
	 "all|late|early"},
	{"uncorrected", "steps at the start without corrector", SF_OPT_INT, offsetof(v3, uncorrected), "0", 0, 1e9, NULL},
	{"lower-order-final", "lower orders at the end always, in runs of fewer than 10 steps, or never", SF_OPT_CHOICE, offsetof(v3, lower),
	 "always", 0, 0, SF_LOWER_CHOICES},
	{"quadrature", "integrals of smooth curves through the table, or as published", SF_OPT_CHOICE, offsetof(v3, quadrature), "spline", 0, 0,
	 "spline|trapezoid"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static void fini(void *st)
{
	v3 *o = st;

	sf_ems_free(&o->table);
	sf_free(o->leg);
	sf_free(o->weight);
	sf_free(o->l);
}

static int init(void *st, sf_ctx *ctx)
{
	v3 *o = st;
	int64_t i;

	if (o->stats[0]) {
		SF_TRY(sf_ems_read(ctx, o->stats, &o->table));
	} else { /* constants */
		SF_TRY(sf_ems_new(ctx, 5, 1, &o->table));
		o->table.first = -1;
		o->table.last = 1;
		for (i = 0; i < 5; i++) {
			o->table.l[i] = o->prediction == SF_PREDICT_DATA;
			o->table.s[i] = o->prediction == SF_PREDICT_DATA ? 0 : -1;
		}
	}
	o->leg = sf_alloc((size_t)o->table.d, sizeof *o->leg);
	o->weight = sf_alloc((size_t)o->table.d, sizeof *o->weight);
	o->l = sf_alloc((size_t)o->table.d, sizeof *o->l);
	if (o->leg && o->weight && o->l)
		return SF_OK;
	return sf_fail(ctx, SF_ENOMEM, "sampler 'dpm-v3': out of memory for statistics of %lld numbers", (long long)o->table.d);
}

/* Points in the corrector after a predictor of order p, its own among them; below 2 there is none. */
static int corrector_points(const v3 *o, int p)
{
	return o->corrector ? p + o->corrector_pseudo : 0;
}

static int order(const void *st)
{
	const v3 *o = st;
	int p = (int)o->order, points = corrector_points(o, p);
	int predicted = o->pseudo && p > 2 ? 2 : p, corrected = o->corrector_pseudo && points > 2 ? 2 : points;

	if (points < 2)
		return predicted;
	return o->half != ALL && predicted < corrected ? predicted : corrected;
}

/* ---- points ---- */

static int64_t row_of(const v3 *o, double lambda)
{
	return (int64_t)rint((lambda - o->table.first) / (o->table.last - o->table.first) * (double)(o->table.rows - 1));
}

static sf_point point(const v3 *o, const sf_run *run, int64_t index)
{
	sf_point at = sf_point_at(run->process, run->grid[index]);

	if (o->quadrature == TRAPEZOID && at.sigma > 0)
		at = sf_point_with(run->process, exp(-sf_ems_lambda(&o->table, row_of(o, at.lambda))));
	return at;
}

/* That the table is one of this run. */
static int check(const v3 *o, const sf_run *run)
{
	const sf_ems *e = &o->table;
	int64_t last = run->steps - (run->grid[run->steps] <= 0), i;
	double from = sf_point_at(run->process, run->grid[0]).lambda, to = sf_point_at(run->process, run->grid[last]).lambda;
	double step = (e->last - e->first) / (double)(e->rows - 1), slack = step * (o->quadrature == TRAPEZOID ? 0.01 : 1e-6);

	if (!o->stats[0] && o->quadrature == TRAPEZOID)
		return sf_fail(run->ctx, SF_EINVAL, "sampler 'dpm-v3': quadrature=trapezoid needs the rows of a file: stats=FILE");
	if (!o->stats[0])
		return SF_OK;
	if (e->d != run->d)
		return sf_fail(run->ctx, SF_EMISMATCH, "sampler 'dpm-v3': '%s' has statistics of %lld numbers, the samples have %lld", o->stats,
		               (long long)e->d, (long long)run->d);
	if (from < e->first - slack || to > e->last + slack)
		return sf_fail(run->ctx, SF_ERANGE, "sampler 'dpm-v3': '%s' covers lambda from %g to %g, this run goes from %g to %g", o->stats,
		               e->first, e->last, from, to);
	for (i = 0; o->quadrature == TRAPEZOID && i < last; i++)
		if (row_of(o, sf_point_at(run->process, run->grid[i]).lambda) == row_of(o, sf_point_at(run->process, run->grid[i + 1]).lambda))
			return sf_fail(run->ctx, SF_ERANGE, "sampler 'dpm-v3': steps %lld and %lld fall on the same row of '%s'; fewer steps, or "
			               "quadrature=spline", (long long)i, (long long)(i + 1), o->stats);
	return SF_OK;
}

/* ---- weights ---- */

typedef struct job {
	const v3 *o;
	sf_run *run;
	sf_point s, t;       /* the step's ends; in `arrive` those of the step before */
	int n, pseudo;       /* other nodes than s, */
	double delta[NODES]; /* and their lambda less that of s; [0] is s */
	int correct;
	double alpha, sigma; /* at the point, in `arrive` */
	int history;         /* outputs to carry along */
} job;

/* sum_k J_k g^(k) = sum_j w_j g_j */
static void differences(const job *b, const double *J, double *w)
{
	static const double factorial[NODES] = {1, 1, 2, 6};
	double y[NODES];
	int j, k, m;

	w[0] = J[0];
	for (j = 1; j <= b->n; j++)
		w[j] = 0;
	for (k = 1; b->pseudo && k <= b->n; k++)
		for (j = 0; j <= k; j++) {
			double c = factorial[k] * J[k];

			for (m = 0; m <= k; m++)
				c /= m == j ? 1 : b->delta[j] - b->delta[m];
			w[j] += c;
		}
	if (b->pseudo || b->n == 0)
		return;
	for (k = 0; k < b->n; k++)
		y[k] = factorial[k + 1] * J[k + 1];
	sf_vandermonde(b->n, b->delta + 1, y);
	for (j = 1; j <= b->n; j++) {
		w[j] = y[j - 1] / b->delta[j];
		w[0] -= w[j];
	}
}

static void weigh(const job *b, int64_t j)
{
	const sf_ems_leg *leg = &b->o->leg[j];
	coefficients *c = &b->o->weight[j];
	double scale = b->t.alpha * exp(-leg->L);
	int k;

	differences(b, leg->J, c->w);
	c->a = scale / b->s.alpha;
	c->c = -scale * leg->C;
	for (k = 0; k <= b->n; k++)
		c->w[k] *= scale;
}

static int weigh_corrector(void *arg, int64_t first, int64_t last)
{
	const job *b = arg;
	int64_t j;

	for (j = first; j < last; j++)
		weigh(b, j);
	return SF_OK;
}

static int weigh_predictor(void *arg, int64_t first, int64_t last)
{
	const job *b = arg;
	const sf_ems *e = &b->o->table;
	int64_t j;

	for (j = first; j < last; j++) {
		if (b->o->quadrature == TRAPEZOID)
			sf_ems_trapezoid(e, j, row_of(b->o, b->s.lambda), row_of(b->o, b->t.lambda), &b->o->leg[j]);
		else
			sf_ems_between(e, j, b->s.lambda, b->t.lambda, &b->o->leg[j]);
		weigh(b, j);
	}
	return SF_OK;
}

static int fill_l(void *arg, int64_t first, int64_t last)
{
	const job *b = arg;
	int64_t j;

	for (j = first; j < last; j++)
		b->o->l[j] = sf_ems_l(&b->o->table, j, b->s.lambda);
	return SF_OK;
}

/* ---- states ---- */

/* At s, where the output is eps: f in its place, the state corrected, earlier outputs carried to s. */
static int arrive(void *arg, int64_t first, int64_t last)
{
	const job *b = arg;
	sf_run *run = b->run;
	const double *before = run->work[BEFORE];
	double *g[NODES];
	int64_t i, j, at;
	int k;

	for (k = 0; k < NODES && k <= run->index; k++)
		g[k] = sf_past(run, NODES, k);
	for (i = first; i < last; i++)
		for (j = 0; j < run->d; j++) {
			int64_t own = b->o->table.d == 1 ? 0 : j;
			const sf_ems_leg *leg = &b->o->leg[own];
			const coefficients *c = &b->o->weight[own];
			double f;

			at = i * run->d + j;
			f = (b->sigma * g[0][at] - b->o->l[own] * run->x[at]) / b->alpha;
			g[0][at] = f;
			if (b->correct) { /* nodes: the point before, this one, those further back */
				double x = c->a * before[at] + c->c - c->w[0] * g[1][at] - c->w[1] * (exp(-leg->S) * f - leg->B);

				for (k = 2; k <= b->n; k++)
					x -= c->w[k] * g[k][at];
				run->x[at] = x;
			}
			for (k = 1; k <= b->history; k++)
				g[k][at] = exp(leg->S) * (g[k][at] + leg->B);
		}
	return SF_OK;
}

static int go(void *arg, int64_t first, int64_t last)
{
	const job *b = arg;
	sf_run *run = b->run;
	double *before = run->work[BEFORE], *g[NODES];
	int64_t i, j, at;
	int k;

	for (k = 0; k <= b->n; k++)
		g[k] = sf_past(run, NODES, k);
	for (i = first; i < last; i++)
		for (j = 0; j < run->d; j++) {
			const coefficients *c = &b->o->weight[b->o->table.d == 1 ? 0 : j];
			double x;

			at = i * run->d + j;
			before[at] = run->x[at];
			x = c->a * run->x[at] + c->c;
			for (k = 0; k <= b->n; k++)
				x -= c->w[k] * g[k][at];
			run->x[at] = x;
		}
	return SF_OK;
}

/* x = alpha_t D at noise 0, D = (1 - l) x/alpha - f. */
static int finish(void *arg, int64_t first, int64_t last)
{
	const job *b = arg;
	const sf_run *run = b->run;
	const double *f = sf_past(run, NODES, 0);
	int64_t i, j;

	for (i = first; i < last; i++)
		for (j = 0; j < run->d; j++) {
			double l = b->o->l[b->o->table.d == 1 ? 0 : j];

			run->x[i * run->d + j] = b->t.alpha * ((1 - l) * run->x[i * run->d + j] / b->s.alpha - f[i * run->d + j]);
		}
	return SF_OK;
}

/* The corrector of the step that led here, its weights included. */
static void choose_corrector(const v3 *o, job *b)
{
	sf_run *run = b->run;
	int points = corrector_points(o, sf_multistep_order(run, run->index - 1, (int)o->order, o->lower)), k;
	int late = b->s.t <= sf_process_horizon(run->process) / 2;

	if (points < 2 || run->index <= o->uncorrected || (o->half == LATE && !late) || (o->half == EARLY && late))
		return;
	b->correct = 1;
	b->pseudo = o->corrector_pseudo;
	b->n = points - 1;
	b->t = b->s;
	b->s = point(o, run, run->index - 1);
	b->delta[0] = 0;
	b->delta[1] = b->t.lambda - b->s.lambda;
	for (k = 2; k <= b->n; k++)
		b->delta[k] = point(o, run, run->index - k).lambda - b->s.lambda;
	sf_over_samples(run->ctx, o->table.d, 256, weigh_corrector, b);
}

static int step(const void *st, sf_run *run)
{
	const v3 *o = st;
	sf_point s = point(o, run, run->index), t = point(o, run, run->index + 1);
	job b = {.o = o, .run = run, .s = s, .alpha = s.alpha, .sigma = s.sigma};
	int k;

	if (run->index == 0)
		SF_TRY(check(o, run));
	SF_TRY(sf_run_model(run, SF_PREDICT_NOISE, s.t, run->x, sf_past(run, NODES, 0)));
	sf_over_samples(run->ctx, o->table.d, 64, fill_l, &b);
	b.history = run->index < NODES - 1 ? (int)run->index : NODES - 1;
	if (run->index > 0)
		choose_corrector(o, &b);
	sf_over_samples(run->ctx, run->n, 64 * run->d, arrive, &b);
	b.s = s;
	b.t = t;
	if (t.sigma == 0)
		return sf_over_samples(run->ctx, run->n, 8 * run->d, finish, &b);
	b.pseudo = o->pseudo;
	b.n = sf_multistep_order(run, run->index, (int)o->order, o->lower) - 1;
	b.delta[0] = 0;
	for (k = 1; k <= b.n; k++)
		b.delta[k] = point(o, run, run->index - k).lambda - s.lambda;
	sf_over_samples(run->ctx, o->table.d, 65536, weigh_predictor, &b);
	return sf_over_samples(run->ctx, run->n, 16 * run->d, go, &b);
}

const sf_sampler_class sf_sampler_dpm_v3 = {
	.head = {"dpm-v3", "DPM-Solver-v3: multistep with statistics of the model", "Zheng et al. 2023 (2310.13268)", sizeof(v3),
	         options, init, fini},
	.flags = SF_SAMPLER_SCALAR,
	.work = BEFORE + 1,
	.order_with = order,
	.grid = "logsnr",
	.steps = 20,
	.step = step};
