/* dpm_adaptive.c: DPM-Solver with steps in lambda of its own choice: two orders that share their evaluations are
 * compared.
 *
 *     order 2: low = 1, high = 2 with r_1 = 1/2;   order 3: low = 2 with r_1 = 1/3, high = 3     (single.c)
 *     E = rms( (high - low)/max(atol, rtol max(|low|, |low of the last accepted step|)) ),   high is kept
 *     limited:  f = 1 + arctan(E^{-1/order} - 1),  accepted where f >= 0.81,  h <- f h      (k-diffusion)
 *     theta:    accepted where E <= 1,  h <- 0.9 E^{-1/order} h                            (the paper)
 *
 * Lu et al. 2022 (2206.00927); defaults h = 0.05, rtol = 0.05, atol = 0.0078 of both (for images in
 * [-1,1]). NFE = order x tries. Each sample has its own steps; batch=true takes one step size for all, as the
 * published programs do. They end above noise 0: a run that ends at time 0 goes to the process's last sampling time
 * and takes E[x_0|x].
 * Known answer: the first try goes from lambda to lambda + 0.05.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"
#include "score/score.h"

#include <math.h>

enum { LIMITED, THETA };

typedef struct adaptive {
	int64_t order;
	double rtol, atol, h;
	int prediction, control, batch;
} adaptive;

static const sf_opt options[] = {
	{"order", "the higher order, and evaluations in a try", SF_OPT_INT, offsetof(adaptive, order), "3", 2, 3, NULL},
	{"rtol", "relative tolerance", SF_OPT_DOUBLE, offsetof(adaptive, rtol), "0.05", 1e-13, 1, NULL},
	{"atol", "absolute tolerance", SF_OPT_DOUBLE, offsetof(adaptive, atol), "0.0078", 1e-300, 1e9, NULL},
	{"h", "first step in lambda", SF_OPT_DOUBLE, offsetof(adaptive, h), "0.05", 1e-6, 100, NULL},
	{"prediction", "the model's output that is integrated", SF_OPT_CHOICE, offsetof(adaptive, prediction), "noise", 0, 0,
	 SF_PREDICT_CHOICES},
	{"control", "the rule for the next step size", SF_OPT_CHOICE, offsetof(adaptive, control), "limited", 0, 0,
	 "limited|theta"},
	{"batch", "one step size for the whole batch", SF_OPT_BOOL, offsetof(adaptive, batch), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order(const void *st)
{
	return (int)((const adaptive *)st)->order;
}

/* The loop's clock falls: -lambda. */
static double clock_of(const sf_process *p, double t)
{
	return -sf_point_at(p, t).lambda;
}

static double time_at(const sf_process *p, double clock)
{
	return sf_process_time_of_ratio(p, exp(clock));
}

typedef struct stage {
	const adaptive *o;
	sf_pack *p;
	int number, order; /* the state of this stage of the step of this order goes to `out` */
	double *out;
} stage;

/* A sample's tableau is made anew for each stage: few numbers beside an evaluation of a network. */
static sf_tableau tableau(const stage *g, int64_t i)
{
	sf_point s = sf_point_at(g->p->run->process, g->p->t[i]), t = sf_point_at(g->p->run->process, g->p->t_new[i]);
	double r1 = g->o->order == 2 ? 1.0 / 2 : 1.0 / 3;
	sf_tableau b;

	sf_tableau_make(g->p->run->process, g->o->prediction, g->order, SF_MIDPOINT, r1, &s, &t, &b);
	return b;
}

/* out = c x + sum_j c_j m_j; and the time of the stage, in `error` */
static int reach(void *arg, int64_t first, int64_t last)
{
	const stage *g = arg;
	const sf_pack *p = g->p;
	int64_t size = p->run->size, i, j;
	int k;

	for (i = first; i < last; i++) {
		sf_tableau b = tableau(g, i);

		for (j = i * size; j < (i + 1) * size; j++) {
			double sum = b.c[g->number - 1][0] * p->y[j];

			for (k = 0; k < g->number; k++)
				sum += b.c[g->number - 1][1 + k] * p->work[k][j];
			g->out[j] = sum;
		}
		p->error[i] = g->number < b.stages ? b.at[g->number].t : p->t_new[i];
	}
	return SF_OK;
}

static void go(stage *g, int number, int order, double *out)
{
	g->number = number;
	g->order = order;
	g->out = out;
	sf_over_samples(g->p->run->ctx, g->p->m, 8 * g->p->run->size + 512, reach, g);
}

/* The loop accepts an error up to 1; 1 + arctan(E^{-1/order} - 1) >= 0.81 holds up to E = (1 - tan 0.19)^-order. */
static double unit(const adaptive *o)
{
	return o->control == LIMITED ? pow(1 - tan(0.19), 2 * (double)o->order) : 1;
}

static int measure(void *arg, int64_t first, int64_t last)
{
	const stage *g = arg;
	const sf_pack *p = g->p;
	int64_t size = p->run->size, i, j;

	for (i = first; i < last; i++) {
		double total = 0;

		for (j = i * size; j < (i + 1) * size; j++) {
			double low = fabs(p->f_new[j]), before = fabs(p->f[j]), scale = g->o->rtol * (low > before ? low : before);
			double part = (p->y_new[j] - p->f_new[j]) / (scale > g->o->atol ? scale : g->o->atol);

			total += part * part;
		}
		p->error[i] = unit(g->o) * total / (double)size;
	}
	return SF_OK;
}

/* f holds the low result of the last accepted step, f_new that of this try. */
static int attempt(const void *st, sf_pack *p)
{
	const adaptive *o = st;
	stage g = {o, p, 0, 0, NULL};
	sf_what what = o->prediction == SF_PREDICT_DATA ? SF_DENOISED : SF_EPS;
	int n = order(st), k;

	SF_TRY(sf_score_eval(p->run->score, what, p->m, p->y, p->t, p->work[0]));
	for (k = 1; k < n; k++) {
		go(&g, k, n, p->y_new);
		SF_TRY(sf_score_eval(p->run->score, what, p->m, p->y_new, p->error, p->work[k]));
	}
	go(&g, n - 1, n - 1, p->f_new);
	go(&g, n, n, p->y_new);
	return sf_over_samples(p->run->ctx, p->m, 4 * p->run->size, measure, &g);
}

static int begin(const void *st, sf_pack *p, double end)
{
	const adaptive *o = st;
	int64_t i, total = p->m * p->run->size;

	(void)end;
	for (i = 0; i < p->m; i++)
		p->h[i] = o->h;
	for (i = 0; i < total; i++)
		p->f[i] = p->y[i];
	return SF_OK;
}

static double factor(const void *st, double rms, int rejected_before)
{
	const adaptive *o = st;
	double E = rms / sqrt(unit(o)), power = pow(E > 1e-8 ? E : 1e-8, -1.0 / (double)o->order);

	(void)rejected_before;
	return o->control == LIMITED ? 1 + atan(power - 1) : 0.9 * power;
}

static int pooled(const void *st)
{
	return ((const adaptive *)st)->batch;
}

const sf_sampler_class sf_sampler_dpm_adaptive = {
	.head = {"dpm-adaptive", "DPM-Solver of order 3 or 2 with adaptive steps in lambda",
	         "Lu et al. 2022 (2206.00927)", sizeof(adaptive), options, NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = 3,
	.order_with = order,
	.grid = "uniform",
	.steps = 1,
	.clock = clock_of,
	.clock_time = time_at,
	.begin = begin,
	.attempt = attempt,
	.factor = factor,
	.accept_one = 1,
	.pooled = pooled,
	.attempt_cost_with = order};
