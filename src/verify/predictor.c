/* predictor.c: checks of reverse diffusion, ancestral sampling and pc: one published step by hand, and the exact moments of runs on
 * normal data. With data N(m, q) the score is -(x - alpha m)/v, v = alpha^2 q + sigma^2, so a step x <- a x + b score + c z takes
 *
 *     mean <- (a - b/v) mean + b alpha m/v,   variance <- (a - b/v)^2 variance + c^2.
 *
 * Song et al. 2021 (2011.13456), appendices D to G.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/verify.h"

#include <math.h>
#include <string.h>

/* ---- one published step: x = 1, score = -2, t = 0.5, N = 1000; z = 0.5 in the table ---- */

/* x = mean + z (x_table - mean)/0.5; a Langevin step grows with z^2 and its noise with z |z|. */
typedef struct golden {
	const char *process, *sampler;
	double mean, x;
	int purpose, square;
} golden;

static int published_step(sf_ctx *ctx, sf_row *row, const golden *g)
{
	sf_noise key = {5, (uint32_t)g->purpose, 0};
	sf_sample_run run;
	sf_rig rig;
	double start = 1, x = NAN, z, grow;
	int rc;

	SF_TRY(sf_rig_open(ctx, g->process, NULL, 0, g->sampler, "uniform", &rig));
	rc = sf_score_from_function(ctx, rig.process, 1, sf_constant_score, NULL, NULL, &rig.score);
	sf_sample_defaults(&run);
	run.n = 1;
	run.steps = 1000;
	run.seed = key.seed;
	run.start = 0.5;
	run.grid = rig.grid;
	run.given_start = 1;
	run.observe = sf_keep_first;
	run.user = &x;
	if (rc == 0)
		rc = sf_sample(rig.sampler, rig.score, &run, &start, NULL);
	sf_rig_close(&rig);
	if (rc != SF_ESTOPPED)
		return rc;
	sf_noise_normal_d(ctx, key, 0, 0, 1, &z);
	z /= 0.5;
	grow = g->square ? z * z : 1;
	return sf_row_value(row, x, 1 + (g->mean - 1) * grow + (g->x - g->mean) * z * (g->square ? fabs(z) : 1), 2e-14);
}

#define STEP(name, process, sampler, mean, x, purpose, square)                                                           \
	static int name(sf_ctx *ctx, sf_row *row)                                                                            \
	{                                                                                                                    \
		static const golden g = {process, sampler, mean, x, purpose, square};                                            \
		return published_step(ctx, row, &g);                                                                             \
	}

STEP(em_flow_vp, "vp", "em:published=true,eta=0", 0.994975, 0.994975, SF_NOISE_STEP, 0)
STEP(em_flow_subvp, "subvp", "em:published=true,eta=0", 0.995037823418718, 0.995037823418718, SF_NOISE_STEP, 0)
STEP(reverse_vp, "vp", "reverse-diffusion:published=true", 0.984952603893931, 1.03505260399383, SF_NOISE_STEP, 0)
STEP(reverse_flow_vp, "vp", "reverse-diffusion:published=true,eta=0", 0.994992643933971, 0.994992643933971, SF_NOISE_STEP, 0)
STEP(reverse_subvp, "subvp", "reverse-diffusion:published=true", 0.985050646837436, 1.03501857800654, SF_NOISE_STEP, 0)
STEP(reverse_ve, "ve", "reverse-diffusion:published=true", 0.983236645794418, 1.02901239565936, SF_NOISE_STEP, 0)
STEP(reverse_flow_ve, "ve", "reverse-diffusion:published=true,eta=0", 0.991618322897209, 0.991618322897209, SF_NOISE_STEP, 0)
STEP(ancestral_vp, "vp", "ancestral:published=true", 0.98487649205788, 1.03497649215778, SF_NOISE_STEP, 0)
STEP(ancestral_ve, "ve", "ancestral:published=true", 0.983236645794418, 1.02862378343634, SF_NOISE_STEP, 0)
#define CORRECT "pc:predictor=none,published=true,corrector="
STEP(langevin_ve, "ve", CORRECT "langevin", 0.9936, 1.0336, SF_NOISE_CORRECT, 1)
STEP(langevin_vp, "vp", CORRECT "langevin", 0.993664256256256, 1.0334629488973, SF_NOISE_CORRECT, 1)
STEP(langevin_batch, "ve", CORRECT "langevin,norms=batch", 0.9936, 1.0336, SF_NOISE_CORRECT, 1)
STEP(ald_ve, "ve", CORRECT "ald", 0.9488, 1.06193708498985, SF_NOISE_CORRECT, 0)
STEP(ald_vp, "vp", CORRECT "ald", 0.906642948981806, 1.05941487950096, SF_NOISE_CORRECT, 0)

/* norms=batch with the table's two scores: their mean norm is 1.47158737934317, and the step for a mean noise of 1.67705098312484
 * is 0.0664952132218772. */
static int two_scores(void *user, int64_t n, const double *x, const double *t, double *out)
{
	static const double table[4] = {-2, 1, 0.5, -0.5};

	(void)user;
	(void)x;
	(void)t;
	memcpy(out, table, (size_t)n * 2 * sizeof *out);
	return SF_OK;
}

static int coupled(sf_ctx *ctx, sf_row *row)
{
	static const double score[4] = {-2, 1, 0.5, -0.5};
	sf_noise key = {8, SF_NOISE_CORRECT, 0};
	double x[4] = {0, 0, 0, 0}, z[4], mean, e, worst = 0;
	sf_sample_run run;
	sf_rig rig;
	int rc, i;

	SF_TRY(sf_rig_open(ctx, "ve", NULL, 0, "pc:predictor=none,norms=batch", "uniform", &rig));
	rc = sf_score_from_function(ctx, rig.process, 2, two_scores, NULL, NULL, &rig.score);
	sf_sample_defaults(&run);
	run.n = 2;
	run.steps = 1;
	run.seed = key.seed;
	run.given_start = 1;
	run.denoise = 0;
	if (rc == 0)
		rc = sf_sample(rig.sampler, rig.score, &run, x, NULL);
	sf_rig_close(&rig);
	sf_noise_normal_d(ctx, key, 0, 0, 2, z);
	sf_noise_normal_d(ctx, key, 1, 0, 2, z + 2);
	mean = (hypot(z[0], z[1]) + hypot(z[2], z[3])) / 2 / 1.67705098312484;
	e = 0.0664952132218772 * mean * mean;
	for (i = 0; i < 4; i++)
		sf_worst(&worst, x[i], e * score[i] + sqrt(2 * e) * z[i], 0.1);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-13);
}

/* ---- moments ---- */

#define DATA "gaussian:mean=0.3,std=0.5"
#define DDPM_LEVELS 10
enum { VE, VP, DDPM };
enum { N = 20 };

/* alpha and sigma^2 at t, and VP's beta */
static double alpha_at(int kind, double t, double *s2)
{
	double B = 0.1 * t + 19.9 * t * t / 2;
	int i;

	if (kind == VE) {
		*s2 = 1e-4 * pow(5000, 2 * t);
		return 1;
	}
	if (kind == DDPM) { /* the table's logarithm, linear between its levels */
		double u = t * (DDPM_LEVELS - 1), rest = u;

		B = -log(1 - 0.1 / DDPM_LEVELS);
		for (i = 1; i < DDPM_LEVELS && rest > 0; i++, rest--)
			B -= (rest < 1 ? rest : 1) * log(1 - (0.1 + 4.9 * i / (DDPM_LEVELS - 1)) / DDPM_LEVELS);
	}
	*s2 = -expm1(-B);
	return exp(-B / 2);
}

typedef struct moments {
	int kind;
	double mean, var;
} moments;

/* x <- a x + b score(x,t) + c z */
static void move(moments *w, double t, double a, double b, double c)
{
	double s2, alpha = alpha_at(w->kind, t, &s2), v = alpha * alpha / 4 + s2;

	w->mean = (a - b / v) * w->mean + b * alpha * 0.3 / v;
	w->var = (a - b / v) * (a - b / v) * w->var + c * c;
}

typedef struct method {
	const char *process, *sampler;
	int kind;
	enum { REVERSE, ANCESTRAL, EM } predictor;
	double eta;
	int posterior, published, corrections, predictor_first;
	double snr;
} method;

/* phi and q of the forward step from below to t; published: of level k = steps - 1 - i */
static void stretch(const method *m, int steps, int i, double t, double next, double *phi, double *q, double *kept)
{
	double s2 = 0, below2 = 0, alpha, below = 1, k = steps - 1 - i;

	if (m->published && m->kind == VP) {
		*q = (0.1 + 19.9 * k / (steps - 1)) / steps;
		*phi = sqrt(1 - *q);
		*kept = NAN; /* not used: the published noise is the step's */
		return;
	}
	if (m->published)
		t = k / (steps - 1);
	alpha = alpha_at(m->kind, t, &s2);
	if (m->published)
		next = (k - 1) / (steps - 1);
	if (!m->published || k > 0)
		below = alpha_at(m->kind, next, &below2);
	*phi = alpha / below;
	*q = s2 - *phi * *phi * below2;
	*kept = below2 / s2;
}

/* Where grid point i is, or the i-th of N published times. */
static double time_at(const method *m, int steps, int i)
{
	double end = m->kind == VP ? 1e-3 : 1e-5;

	return 1 + (double)i / (m->published ? steps - 1 : steps) * (end - 1);
}

static void correct(const method *m, moments *w, double t, double phi)
{
	double s2, e;
	int j;

	alpha_at(m->kind, t, &s2);
	e = 2 * phi * phi * m->snr * m->snr * s2;
	for (j = 0; j < m->corrections; j++)
		move(w, t, 1, e, sqrt(2 * e));
}

static void recursion(const method *m, int steps, moments *w)
{
	double phi, q, kept, ahead, unused, other;
	int i;

	for (i = 0; i < steps; i++) {
		double t = time_at(m, steps, i), next = time_at(m, steps, i + 1), h = t - next, beta = 0.1 + 19.9 * t;
		double half = (1 + m->eta * m->eta) / 2;
		int quiet = m->published && i == steps - 1;

		stretch(m, steps, i, t, next, &phi, &q, &kept);
		if (!m->predictor_first)
			correct(m, w, t, phi);
		if (m->predictor == REVERSE)
			move(w, t, 2 - phi, half * q, quiet ? 0 : m->eta * sqrt(q));
		else if (m->predictor == ANCESTRAL)
			move(w, t, 1 / phi, q / phi, quiet ? 0 : sqrt(m->posterior ? q * kept : q));
		else
			move(w, t, 1 + h * beta / 2, half * h * beta, m->eta * sqrt(h * beta));
		if (m->predictor_first) {
			ahead = phi;
			if (i + 1 < steps)
				stretch(m, steps, i + 1, next, time_at(m, steps, i + 2), &ahead, &unused, &other);
			correct(m, w, next, ahead);
		}
	}
}

static int law(sf_ctx *ctx, sf_row *row, const method *m)
{
	sf_law_noise noise[3] = {{SF_NOISE_STEP, 1, 0, 1}, {SF_NOISE_CORRECT, m->corrections, 0, 1}, {0, 0, 0, 0}};
	int steps = m->kind == DDPM ? DDPM_LEVELS : m->kind == VP && m->published ? 50 : N, rc;
	double m0 = 0.02, S0 = m->kind == VE ? 2500 : 1, mean, var, worst = 0;
	moments w = {m->kind, m0, S0};
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, m->process, DATA, 1, m->sampler, "uniform", &rig));
	rc = sf_law(ctx, &rig, steps, m->published, noise, &m0, &S0, &mean, &var);
	sf_rig_close(&rig);
	recursion(m, steps, &w);
	sf_worst(&worst, mean, w.mean, 0.1);
	sf_worst(&worst, var, w.var, 0.01);
	return rc < 0 ? rc : sf_row_worst(row, worst, 2e-12);
}

#define TABLE "ddpm:levels=10,beta-max=5"
#define LAW(name, ...)                                                                                                   \
	static int name(sf_ctx *ctx, sf_row *row)                                                                            \
	{                                                                                                                    \
		static const method m = {__VA_ARGS__};                                                                           \
		return law(ctx, row, &m);                                                                                        \
	}

LAW(law_reverse_ve, "ve", "reverse-diffusion", VE, REVERSE, 1, 0, 0, 0, 0, 0)
LAW(law_reverse_vp, "vp", "reverse-diffusion", VP, REVERSE, 1, 0, 0, 0, 0, 0)
LAW(law_reverse_eta, "vp", "reverse-diffusion:eta=0.5", VP, REVERSE, 0.5, 0, 0, 0, 0, 0)
LAW(law_reverse_published_ve, "ve", "reverse-diffusion:published=true", VE, REVERSE, 1, 0, 1, 0, 0, 0)
LAW(law_reverse_published_vp, "vp", "reverse-diffusion:published=true", VP, REVERSE, 1, 0, 1, 0, 0, 0)
LAW(law_reverse_published_ddpm, TABLE, "reverse-diffusion:published=true", DDPM, REVERSE, 1, 0, 1, 0, 0, 0)
LAW(law_ancestral_ve, "ve", "ancestral", VE, ANCESTRAL, 1, 1, 0, 0, 0, 0)
LAW(law_ancestral_vp, "vp", "ancestral", VP, ANCESTRAL, 1, 0, 0, 0, 0, 0)
LAW(law_ancestral_posterior, "vp", "ancestral:variance=posterior", VP, ANCESTRAL, 1, 1, 0, 0, 0, 0)
LAW(law_ancestral_published_ve, "ve", "ancestral:published=true", VE, ANCESTRAL, 1, 1, 1, 0, 0, 0)
LAW(law_ancestral_published_vp, "vp", "ancestral:published=true", VP, ANCESTRAL, 1, 0, 1, 0, 0, 0)
LAW(law_ancestral_ddpm, TABLE, "ancestral:published=true,variance=posterior", DDPM, ANCESTRAL, 1, 1, 1, 0, 0, 0)
LAW(law_pc_ve, "ve", "pc:corrector=ald", VE, REVERSE, 1, 0, 0, 1, 0, 0.16)
LAW(law_pc_vp, "vp", "pc:corrector=ald,predictor=ancestral,corrections=2,snr=0.1", VP, ANCESTRAL, 1, 0, 0, 2, 0, 0.1)
LAW(law_pc_em, "vp", "pc:corrector=ald,predictor=em,eta=0.4", VP, EM, 0.4, 0, 0, 1, 0, 0.16)
LAW(law_pc_paper, "vp", "pc:corrector=ald,first=predictor,corrections=2,snr=0.2", VP, REVERSE, 1, 0, 0, 2, 1, 0.2)
LAW(law_pc_published, "vp", "pc:corrector=ald,published=true", VP, REVERSE, 1, 0, 1, 1, 0, 0.16)

static double marginal(const sf_process *p, double t)
{
	double a = sf_process_alpha(p, t), s = sf_process_sigma(p, t);

	return 0.25 * a * a + s * s;
}

/* The error of the variance halves with the step: log2 of the ratio for 200 and 400 steps. */
static int order(sf_ctx *ctx, sf_row *row, const char *process, const char *sampler, const char *grid)
{
	double zero = 0, mean, var[2], exact;
	int i;

	for (i = 0; i < 2; i++) {
		sf_rig rig;
		int rc;

		SF_TRY(sf_rig_open(ctx, process, "gaussian:std=0.5", 1, sampler, grid, &rig));
		exact = marginal(rig.process, 1);
		rc = sf_law(ctx, &rig, 200 << i, 0, NULL, &zero, &exact, &mean, &var[i]);
		exact = marginal(rig.process, sf_process_t_sample(rig.process));
		sf_rig_close(&rig);
		SF_TRY(rc);
	}
	return sf_row_value(row, log((var[0] - exact) / (var[1] - exact)) / log(2), 1, 0.1);
}

static int order_reverse_ve(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "ve:sigma-min=0.1,sigma-max=5", "reverse-diffusion", "uniform");
}

static int order_reverse_vp(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "vp", "reverse-diffusion", "uniform");
}

static int order_ancestral_ve(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "ve:sigma-min=0.1,sigma-max=5", "ancestral", "uniform");
}

static int order_ancestral_vp(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "vp", "ancestral", "uniform");
}

static int order_posterior(sf_ctx *ctx, sf_row *row)
{
	return order(ctx, row, "vp", "ancestral:variance=posterior", "karras:final=last"); /* its noise wants short steps near 0 */
}

#define SONG "Song et al. 2021 (2011.13456), "
#define ONE "one published step under "
#define MOMENTS "mean and variance on normal data, "

const sf_check sf_checks_predictor[] = {
	{"sampler", "em.flow-vp", ONE "vp, without noise", SONG "appendix E", em_flow_vp},
	{"sampler", "em.flow-subvp", ONE "sub-VP, without noise", SONG "appendix E", em_flow_subvp},
	{"sampler", "reverse-diffusion.step-vp", ONE "vp", SONG "appendix E", reverse_vp},
	{"sampler", "reverse-diffusion.flow-vp", ONE "vp, without noise", SONG "eq 44", reverse_flow_vp},
	{"sampler", "reverse-diffusion.step-subvp", ONE "sub-VP", SONG "appendix E", reverse_subvp},
	{"sampler", "reverse-diffusion.step-ve", ONE "ve", SONG "appendix E", reverse_ve},
	{"sampler", "reverse-diffusion.flow-ve", ONE "ve, without noise", SONG "eq 43", reverse_flow_ve},
	{"sampler", "ancestral.step-vp", ONE "vp", SONG "appendix F", ancestral_vp},
	{"sampler", "ancestral.step-ve", ONE "ve", SONG "appendix F", ancestral_ve},
	{"sampler", "pc.langevin-ve", "one corrector step under ve", SONG "algorithm 4", langevin_ve},
	{"sampler", "pc.langevin-vp", "one corrector step under vp", SONG "algorithm 5", langevin_vp},
	{"sampler", "pc.langevin-batch", "the same with the norms of a batch of one", SONG "algorithm 4", langevin_batch},
	{"sampler", "pc.coupled", "two samples that share their norms", SONG "algorithm 4", coupled},
	{"sampler", "pc.ald-ve", "one step sized by the noise level under ve", SONG "algorithm 4", ald_ve},
	{"sampler", "pc.ald-vp", "one step sized by the noise level under vp", SONG "algorithm 5", ald_vp},
	{"sampler", "reverse-diffusion.law-ve", MOMENTS "ve", SONG "appendix E", law_reverse_ve},
	{"sampler", "reverse-diffusion.law-vp", MOMENTS "vp", SONG "appendix E", law_reverse_vp},
	{"sampler", "reverse-diffusion.law-eta", MOMENTS "vp with eta = 0.5", SONG "appendix E", law_reverse_eta},
	{"sampler", "reverse-diffusion.law-published-ve", MOMENTS "published levels of ve", SONG "appendix E", law_reverse_published_ve},
	{"sampler", "reverse-diffusion.law-published-vp", MOMENTS "published levels of vp", SONG "appendix E", law_reverse_published_vp},
	{"sampler", "reverse-diffusion.law-published-ddpm", MOMENTS "the table of ddpm", SONG "appendix E", law_reverse_published_ddpm},
	{"sampler", "ancestral.law-ve", MOMENTS "ve", SONG "appendix F", law_ancestral_ve},
	{"sampler", "ancestral.law-vp", MOMENTS "vp", SONG "appendix F", law_ancestral_vp},
	{"sampler", "ancestral.law-posterior", MOMENTS "vp with the posterior's noise", "Ho, Jain, Abbeel 2020 (2006.11239), section 3",
	 law_ancestral_posterior},
	{"sampler", "ancestral.law-published-ve", MOMENTS "published levels of ve", SONG "appendix F", law_ancestral_published_ve},
	{"sampler", "ancestral.law-published-vp", MOMENTS "published levels of vp", SONG "appendix F", law_ancestral_published_vp},
	{"sampler", "ancestral.law-ddpm", MOMENTS "the table of ddpm", "Ho, Jain, Abbeel 2020 (2006.11239), section 3", law_ancestral_ddpm},
	{"sampler", "pc.law-ve", MOMENTS "corrector first under ve", SONG "algorithm 2", law_pc_ve},
	{"sampler", "pc.law-vp", MOMENTS "two corrections and an ancestral step", SONG "algorithm 3", law_pc_vp},
	{"sampler", "pc.law-em", MOMENTS "Euler-Maruyama as predictor", SONG "algorithm 1", law_pc_em},
	{"sampler", "pc.law-predictor-first", MOMENTS "predictor first", SONG "algorithm 3", law_pc_paper},
	{"sampler", "pc.law-published", MOMENTS "published levels of vp", SONG "algorithm 3", law_pc_published},
	{"sampler", "reverse-diffusion.order-ve", "weak order under ve", SONG "appendix E", order_reverse_ve},
	{"sampler", "reverse-diffusion.order-vp", "weak order under vp", SONG "appendix E", order_reverse_vp},
	{"sampler", "ancestral.order-ve", "weak order under ve", SONG "appendix F", order_ancestral_ve},
	{"sampler", "ancestral.order-vp", "weak order under vp", SONG "appendix F", order_ancestral_vp},
	{"sampler", "ancestral.order-posterior", "weak order with the posterior's noise", SONG "appendix F", order_posterior},
	{NULL, NULL, NULL, NULL, NULL}};
