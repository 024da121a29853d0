/* unipc.c: UniPC, a predictor and a corrector of any order for the price of the predictor.
 *
 *     r_k = (lambda_{s-k} - lambda_s)/h,  D_k = (m_{s-k} - m_s)/r_k,   k = 1 .. p-1;   r_p = 1,  D_p = m_t - m_s
 *     predictor:  x_t = a x_s + w_0 m_s + sum_{k<p} W_k D_k,    sum_{k<p}  r_k^{i-1} W_k = i! w_i,  i = 1 .. p-1
 *     corrector:  x_t = a x_s + w_0 m_s + sum_{k<=p} W_k D_k,   sum_{k<=p} r_k^{i-1} W_k = i! w_i,  i = 1 .. p
 *
 * Zhao et al. 2023 (2302.04867), with a, w_i, h of frame.h. The output at the predicted state serves
 * the corrector and the next predictor, so NFE = N; the last step is not corrected. Here a state is corrected at the
 * beginning of the next step: observers see it as predicted. Where a single equation is left the published shortcut
 * W = c/2 (bh1: B = h) or w_0/2 (bh2: B = e^h - 1) stands in; in the solved systems B cancels, so bh1 and bh2 differ
 * by the shortcuts alone. Their program lowers the order at the end of every run. `uncorrected`: steps at the start
 * without corrector. The order is p, p + 1 with corrector, for exact starting values and never lowered.
 * Known answers: mixture `skewed`, edm, 16 steps of equal lambda from 7.1 at sigma 10 to 0.1, orders never lowered:
 * order 2 1.102833317645780 (bh1), 1.101111097953867 (bh2); order 3 1.098194515990930, 1.098136399213266.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

enum { BH1, BH2, MOST = 4, DEPTH = MOST + 1 };

typedef struct unipc {
	int64_t order, uncorrected;
	int variant, prediction, corrector, lower;
} unipc;

static const sf_opt options[] = {
	{"order", "order of the predictor", SF_OPT_INT, offsetof(unipc, order), "3", 1, MOST, NULL},
	{"variant", "B(h) of the shortcuts: h or e^h - 1", SF_OPT_CHOICE, offsetof(unipc, variant), "bh1", 0, 0, "bh1|bh2"},
	{"prediction", "the model's output that is integrated", SF_OPT_CHOICE, offsetof(unipc, prediction), "data", 0, 0,
	 SF_PREDICT_CHOICES},
	{"corrector", "correct every state but the last", SF_OPT_BOOL, offsetof(unipc, corrector), "true", 0, 0, NULL},
	{"uncorrected", "steps at the start without corrector", SF_OPT_INT, offsetof(unipc, uncorrected), "0", 0, 1e9, NULL},
	{"lower-order-final", "lower orders at the end always, in runs of fewer than 10 steps, or never", SF_OPT_CHOICE,
	 offsetof(unipc, lower), "always", 0, 0, SF_LOWER_CHOICES},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int order(const void *st)
{
	const unipc *s = st;

	return (int)s->order + s->corrector;
}

/* W_1 .. W_n for the nodes r. */
static void weights(const unipc *o, const sf_leg *leg, int n, const double *r, double *W)
{
	static const double factorial[MOST] = {1, 2, 6, 24};
	int i;

	for (i = 0; i < n; i++)
		W[i] = factorial[i] * leg->w[i + 1];
	if (n == 1)
		W[0] = (o->variant == BH1 ? leg->c : leg->w[0]) / 2;
	else if (n > 1)
		sf_vandermonde(n, r, W);
}

/* The leg of the step `ago` steps back, its order p, and r_1 .. r_{p-1}, r_p = 1. */
static sf_leg leg_of(const unipc *o, const sf_run *run, int64_t ago, int *p, double *r)
{
	sf_point s = sf_past_point(run, ago), t = sf_point_at(run->process, run->grid[run->index - ago + 1]);
	sf_leg leg = sf_leg_between(o->prediction, &s, &t, 1);
	int k;

	*p = sf_multistep_order(run, run->index - ago, (int)o->order, o->lower);
	for (k = 1; k < *p; k++)
		r[k - 1] = (sf_past_point(run, ago + k).lambda - s.lambda) / leg.h;
	r[*p - 1] = 1;
	return leg;
}

/* What the corrector's sum has over the predictor's, for the step that led to run->x. */
static void correct(const unipc *o, sf_run *run)
{
	double r[MOST], predicted[MOST] = {0}, W[MOST], *m_s = sf_past(run, DEPTH, 1);
	sf_mix y = {0};
	int p, k;
	sf_leg leg = leg_of(o, run, 1, &p, r);

	weights(o, &leg, p - 1, r, predicted);
	weights(o, &leg, p, r, W);
	sf_mix_add(&y, 1, run->x);
	for (k = 1; k <= p; k++)
		sf_mix_slope(&y, W[k - 1] - predicted[k - 1], sf_past(run, DEPTH, k < p ? k + 1 : 0), m_s, r[k - 1]);
	sf_mix_into(run, &y, run->x);
}

static int step(const void *st, sf_run *run)
{
	const unipc *o = st;
	double r[MOST], W[MOST], *m = sf_past(run, DEPTH, 0);
	sf_mix y = {0};
	int p, k;
	sf_leg leg = leg_of(o, run, 0, &p, r);

	SF_TRY(sf_run_model(run, o->prediction, run->t, run->x, m));
	if (o->corrector && run->index > o->uncorrected)
		correct(o, run);
	weights(o, &leg, p - 1, r, W);
	sf_mix_add(&y, leg.a, run->x);
	sf_mix_add(&y, leg.w[0], m);
	for (k = 1; k < p; k++)
		sf_mix_slope(&y, W[k - 1], sf_past(run, DEPTH, k), m, r[k - 1]);
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

const sf_sampler_class sf_sampler_unipc = {
	.head = {"unipc", "UniPC: predictor and corrector in lambda", "Zhao et al. 2023 (2302.04867)",
	         sizeof(unipc), options, NULL, NULL},
	.flags = SF_SAMPLER_SCALAR,
	.work = DEPTH,
	.order_with = order,
	.grid = "logsnr",
	.steps = 20,
	.step = step};
