/* dpmpp_sde.c: the DPM-Solver++ methods on the reverse SDE, as k-diffusion has them.
 *
 * 2m, 3m (one evaluation a step), in data prediction and with a, w_k of frame.h for lambda stretched by 1 + eta:
 *     x_t = a x + w_0 m_0 + ... (the sums of dpmpp) + s_noise sigma_t sqrt(1 - e^{-2 eta h}) z
 * 2s, 2s-ancestral (two), with rho = sigma/alpha, y = x/alpha, and up, down of eta as for euler-ancestral:
 *     y' = (d/rho_s) y + (1 - d/rho_s) D + s_noise u z',   d, u those of the step to the level of lambda_s + r h
 *     y_t = (down/rho_s) y + (1 - down/rho_s) ((1 - 1/(2r)) D + D'/(2r)) + s_noise up z
 *     2s-ancestral goes to the middle of s and down instead, without z', and takes D' alone.
 *
 * Lu et al. 2022 (2211.01095) (SDE-DPM-Solver++); k-diffusion generalises to any eta. z = (W(rho_s) -
 * W(rho_t))/sqrt(rho_s - rho_t) for one Brownian path W (brown.c): z and z' of 2s are correlated as they must be for
 * weak order 2, and a finer grid refines the same sample. Weak order 2; eta = 0 is dpmpp, with its orders.
 * `published`: as there, for 3m. A step to noise 0 is x = alpha D.
 * Known answer: with eta = 0 2m is the 2M of dpmpp and 2s its 2S.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

#include <math.h>

enum { S2, S2A, M2, M3, DEPTH = 3 };

typedef struct sde {
	int solver, variant, published;
	double eta, s_noise, r;
} sde;

static const sf_opt options[] = {
	{"solver", "second order in two evaluations, the same in ancestral steps, or two or three steps' outputs",
	 SF_OPT_CHOICE, offsetof(sde, solver), "2s", 0, 0, "2s|2s-ancestral|2m|3m"},
	{"eta", "amount of noise: 1 the reverse SDE, 0 none", SF_OPT_DOUBLE, offsetof(sde, eta), "1", 0, 10, NULL},
	{"s-noise", "standard deviation of the noise added", SF_OPT_DOUBLE, offsetof(sde, s_noise), "1", 0, 10, NULL},
	{"r", "2s: where in the step the second evaluation is", SF_OPT_DOUBLE, offsetof(sde, r), "0.5", 0.05, 1, NULL},
	{"variant", "2m: least terms for the order, or all of the Taylor expansion", SF_OPT_CHOICE, offsetof(sde, variant),
	 "midpoint", 0, 0, SF_VARIANT_CHOICES},
	{"published", "3m: the second derivative at half its value, as the published program has it", SF_OPT_BOOL,
	 offsetof(sde, published), "false", 0, 0, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int flags(const void *st)
{
	return SF_SAMPLER_SCALAR | (((const sde *)st)->eta > 0 ? SF_SAMPLER_STOCHASTIC : 0);
}

static int order(const void *st)
{
	const sde *s = st;

	return s->solver == M3 && s->eta == 0 && !s->published ? 3 : 2;
}

static int singlestep(const sde *s)
{
	return s->solver == S2 || s->solver == S2A;
}

/* The noise levels an ancestral step goes through; all noise renewed leaves it no middle. */
static double split(const sde *o, const sf_point *s, const sf_point *t, double *up)
{
	double down;

	sf_renew(s->rho, t->rho, o->eta, &down, up);
	return down;
}

static int price(const void *st, const sf_run *run)
{
	const sde *o = st;
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);
	double up;

	if (!singlestep(o) || t.rho == 0)
		return 1;
	return o->solver == S2 || split(o, &s, &t, &up) > 0 ? 2 : 1;
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	return singlestep(st) ? (nfe + 1) / 2 : nfe;
}

/* Adds amount (W(from) - W(to))/sqrt(from - to). */
static void add_noise(sf_mix *y, double amount, double from, const double *w_from, double to, const double *w_to)
{
	if (amount > 0 && from > to)
		sf_mix_slope(y, amount, w_from, w_to, sqrt(from - to));
}

/* W at the step's start is what the last step left in work[5]; W at its end goes to work[6], and they change
 * places. */
static void begin_noise(const sde *o, sf_run *run, const sf_point *s, const sf_point *t)
{
	double *w = run->work[5];

	if (o->eta == 0 || t->rho == 0)
		return;
	if (run->index == 0)
		sf_run_brown(run, s->rho, run->work[6]);
	run->work[5] = run->work[6];
	run->work[6] = w;
	sf_run_brown(run, t->rho, run->work[6]);
}

static int multi(const sde *o, sf_run *run, const sf_point *s, const sf_point *t)
{
	sf_leg leg = sf_leg_between(SF_PREDICT_DATA, s, t, 1 + o->eta);
	int p = sf_multistep_order(run, run->index, o->solver == M3 ? 3 : 2, SF_LOWER_NEVER);
	double *m0 = sf_past(run, DEPTH, 0), r0, r1, w;
	sf_mix y = {0};

	SF_TRY(sf_run_model(run, SF_PREDICT_DATA, s->t, run->x, m0));
	sf_mix_add(&y, leg.a, run->x);
	sf_mix_add(&y, leg.w[0], m0);
	if (p >= 2) {
		r0 = (s->lambda - sf_past_point(run, 1).lambda) / leg.h;
		w = o->solver == M2 && o->variant == SF_MIDPOINT ? leg.w[0] / 2 : leg.w[1];
		sf_mix_slope(&y, w, m0, sf_past(run, DEPTH, 1), r0);
		if (p == 3) {
			r1 = (sf_past_point(run, 1).lambda - sf_past_point(run, 2).lambda) / leg.h;
			w = (leg.w[1] * r0 + leg.w[2] * (o->published ? 1 : 2)) / (r0 + r1);
			sf_mix_slope(&y, w, m0, sf_past(run, DEPTH, 1), r0);
			sf_mix_slope(&y, -w, sf_past(run, DEPTH, 1), sf_past(run, DEPTH, 2), r1);
		}
	}
	if (t->rho > 0)
		add_noise(&y, o->s_noise * t->sigma * sqrt(-expm1(-2 * o->eta * leg.h)), s->rho, run->work[5], t->rho,
		          run->work[6]);
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

/* y = alpha ((level/rho_s) x/alpha_s + (1 - level/rho_s) (the outputs)) */
static void toward(sf_mix *y, const sf_point *s, double alpha, double level, const double *x, double w,
                   const double *D, double w2, const double *D2)
{
	double keep = level / s->rho;

	sf_mix_add(y, alpha / s->alpha * keep, x);
	sf_mix_add(y, alpha * (1 - keep) * w, D);
	if (w2 != 0)
		sf_mix_add(y, alpha * (1 - keep) * w2, D2);
}

static int single(const sde *o, sf_run *run, const sf_point *s, const sf_point *t)
{
	double *D = run->work[0], *D2 = run->work[1], *x2 = run->work[2], *w_mid = run->work[4];
	double up, up2 = 0, down = split(o, s, t, &up), down2, share = 1;
	sf_point mid, to = *t;
	sf_mix inner = {0}, y = {0};

	SF_TRY(sf_run_model(run, SF_PREDICT_DATA, s->t, run->x, D));
	if (t->rho > 0 && (o->solver == S2 || down > 0)) {
		if (o->solver == S2) {
			mid = sf_point_between(run->process, s, t, o->r);
			down2 = split(o, s, &mid, &up2);
			share = 1 / (2 * o->r);
		} else {
			to.lambda = -log(down);
			mid = sf_point_between(run->process, s, &to, 0.5);
			down2 = mid.rho;
		}
		toward(&inner, s, mid.alpha, down2, run->x, 1, D, 0, NULL);
		if (up2 > 0) {
			sf_run_brown(run, mid.rho, w_mid);
			add_noise(&inner, mid.alpha * o->s_noise * up2, s->rho, run->work[5], mid.rho, w_mid);
		}
		sf_mix_into(run, &inner, x2);
		SF_TRY(sf_run_model(run, SF_PREDICT_DATA, mid.t, x2, D2));
		toward(&y, s, t->alpha, down, run->x, 1 - share, D, share, D2);
	} else {
		toward(&y, s, t->alpha, down, run->x, 1, D, 0, NULL);
	}
	add_noise(&y, t->alpha * o->s_noise * up, s->rho, run->work[5], t->rho, run->work[6]);
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}

static int step(const void *st, sf_run *run)
{
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);

	begin_noise(st, run, &s, &t);
	return singlestep(st) ? single(st, run, &s, &t) : multi(st, run, &s, &t);
}

const sf_sampler_class sf_sampler_dpmpp_sde = {
	.head = {"dpmpp-sde", "DPM-Solver++ on the reverse SDE: 2S, 2M, 3M with one Brownian path",
	         "Lu et al. 2022 (2211.01095)", sizeof(sde), options, NULL, NULL},
	.flags_with = flags,
	.work = 7,
	.order_with = order,
	.grid = "karras",
	.steps = 20,
	.price = price,
	.steps_for = steps_for,
	.step = step};
