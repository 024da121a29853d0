/* pc.c: predictor and corrector in turn.
 *
 *     for each t of the grid:  correct x at t;  predict from t to t_next      (first=corrector)
 *                              predict from t to t_next;  correct x at t_next (first=predictor)
 *
 * Song et al. 2021 (2011.13456), algorithms 1 to 3, which predict first; their program corrects first, so that it corrects the
 * start and never the result. Formulas are in em.c, reverse_diffusion.c, ancestral.c (the predictors) and corrector.c; the defaults,
 * reverse diffusion and one Langevin step of ratio 0.16, are their CIFAR-10 settings for ve (0.01 for vp). The corrector's a
 * (corrector.c) is phi^2 of the stretch below its time: 1 for ve, 1 - beta_k for vp, as their program has it; a=product is
 * alpha(t)^2, as the paper writes it. predictor=none is annealed Langevin dynamics on the grid's times: the final denoising of
 * `published`, the mean of the last predictor step, is then no denoising. A run costs its steps times (1 for the predictor +
 * corrections), and 1 for the final denoising unless published.
 * Known answers (published, x = 1, score = -2, z = 0.5, t = 0.5, N = 1000, no predictor): ve 1.0336, vp 1.0334629488973.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/predictor.h"

#include <math.h>

typedef struct pc {
	sf_predictor how; /* the first member */
	sf_corrector corrector;
	int predictor, first, a;
} pc;

enum { NO_PREDICTOR, REVERSE_DIFFUSION, ANCESTRAL, EM };
enum { CORRECTOR_FIRST, PREDICTOR_FIRST };
enum { A_STEP, A_PRODUCT };

static const sf_opt options[] = {
	{"predictor", "the sampler whose steps go from time to time", SF_OPT_CHOICE, offsetof(pc, predictor), "reverse-diffusion", 0, 0,
	 "none|reverse-diffusion|ancestral|em"},
	{"corrector", "Langevin steps sized by norms, or by the noise level (ald)", SF_OPT_CHOICE, offsetof(pc, corrector.method),
	 "langevin", 0, 0, "none|langevin|ald"},
	{"snr", "the corrector's signal-to-noise ratio r", SF_OPT_DOUBLE, offsetof(pc, corrector.snr), "0.16", 0, 10, NULL},
	{"corrections", "corrector steps at each time", SF_OPT_INT, offsetof(pc, corrector.steps), "1", 1, 10000, NULL},
	{"norms", "of langevin: each sample's, means over the batch as published (samples then depend on it), or sqrt(d) for the noise's", SF_OPT_CHOICE,
	 offsetof(pc, corrector.norms), "sample", 0, 0, "sample|batch|dimension"},
	{"first", "what comes first at a time; published is the corrector", SF_OPT_CHOICE, offsetof(pc, first), "corrector", 0, 0,
	 "corrector|predictor"},
	{"a", "the corrector's factor: phi^2 of a step, or the product of all below", SF_OPT_CHOICE, offsetof(pc, a), "step", 0, 0,
	 "step|product"},
	SF_PREDICTOR_ETA,
	SF_PREDICTOR_VARIANCE,
	SF_PREDICTOR_PUBLISHED,
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int init(void *st, sf_ctx *ctx)
{
	const pc *s = st;

	if (s->predictor == NO_PREDICTOR && s->corrector.method == SF_CORRECT_NONE)
		return sf_fail(ctx, SF_EINVAL, "sampler 'pc': predictor=none and corrector=none leave nothing to do");
	if (s->how.published && s->first == PREDICTOR_FIRST)
		return sf_fail(ctx, SF_EINVAL, "sampler 'pc': published=true corrects first; expected first=corrector");
	if (s->predictor == ANCESTRAL && s->how.eta != 1)
		return sf_fail(ctx, SF_EINVAL, "sampler 'pc': eta=%g is for predictors em and reverse-diffusion; ancestral has its variance",
		               s->how.eta);
	return SF_OK;
}

static int per_step(const pc *s)
{
	return (s->predictor != NO_PREDICTOR) + (s->corrector.method == SF_CORRECT_NONE ? 0 : (int)s->corrector.steps);
}

/* Nothing is corrected at time 0. */
static int cost(const void *st, double t, double t_next)
{
	const pc *s = st;

	(void)t;
	return s->first == PREDICTOR_FIRST && t_next == 0 ? s->predictor != NO_PREDICTOR : per_step(s);
}

static int64_t steps_for(const void *st, int64_t nfe)
{
	const pc *s = st;

	return (nfe - !s->how.published) / per_step(s);
}

static int flags(const void *st)
{
	const pc *s = st;

	return sf_predictor_flags(st) | SF_SAMPLER_SCALAR | (s->corrector.method == SF_CORRECT_NONE ? 0 : SF_SAMPLER_STOCHASTIC);
}

/* At the time that step `index` of the grid starts from; its end, which none starts from, has the last step's a. */
static int correct(const pc *s, sf_run *run, int64_t index, double t)
{
	const sf_process *p = run->process;
	sf_stretch below;
	double a;

	if (s->corrector.method == SF_CORRECT_NONE || t == 0)
		return SF_OK;
	SF_TRY(sf_predictor_stretch(&s->how, run, index < run->steps ? index : run->steps - 1, &below));
	a = s->a == A_PRODUCT ? sf_process_alpha(p, t) * sf_process_alpha(p, t) : below.phi * below.phi;
	return sf_correct(&s->corrector, run, t, a, run->index);
}

static int predict(const pc *s, sf_run *run)
{
	switch (s->predictor) {
	case REVERSE_DIFFUSION:
		return sf_predict_reverse_diffusion(s, run);
	case ANCESTRAL:
		return sf_predict_ancestral(s, run);
	case EM:
		return sf_predict_em(s, run);
	default:
		return SF_OK;
	}
}

static int step(const void *st, sf_run *run)
{
	const pc *s = st;

	if (s->first == CORRECTOR_FIRST)
		SF_TRY(correct(s, run, run->index, sf_predictor_time(&s->how, run, run->index)));
	SF_TRY(predict(s, run));
	if (s->first == PREDICTOR_FIRST)
		SF_TRY(correct(s, run, run->index + 1, run->t_next));
	return SF_OK;
}

const sf_sampler_class sf_sampler_pc = {
	.head = {"pc", "predictor and corrector in turn", "Song et al. 2021 (2011.13456), algorithms 1-3", sizeof(pc), options, init, NULL},
	.flags_with = flags,
	.work = 2,
	.order = 1,
	.grid = "uniform",
	.steps = 1000,
	.suit = sf_predictor_suit,
	.cost = cost,
	.steps_for = steps_for,
	.step = step};
