/* cond.c: c_noise, the number that tells a network how much noise there is.
 *
 *     time      999 t/T                     Song et al. 2021 (2011.13456), code: DDPM's labels 0 .. 999 made continuous
 *     log4      ln(r)/4                     EDM (Karras et al. 2022, 2206.00364, table 1)
 *     log       ln(r)                       NCSN++ (Song et al. 2021), under Fourier features
 *     log-half  ln(r/2)                     the same in EDM's table: data in [-1,1] have twice the noise of data in [0,1]
 *     level     a whole number, see below   NCSN, DDPM, iDDPM: networks of discrete levels
 *     vp-time   999 t_VP(r)                 VP in EDM's table: the time at which VP has the level r,
 *                                           t_VP = (sqrt(beta_min^2 + 2 beta_d ln(1 + r^2)) - beta_min)/beta_d
 *
 * with r = sigma/alpha; of processes that have none (two blocks, nonlinear) t stands for r. Levels of N:
 *
 *     edm-iddpm       N-1-argmin_j |u_j - r|, iDDPM's levels (process/levels.c). The paper's appendix says argmin_j, its table 1
 *                     and its code N-1-argmin_j
 *     alpha = 1 (ve)  round((1 - t/T)(N-1)): 0 is the largest sigma, as in NCSN's tables
 *     else            floor(t/T (N-1)): the highest level not above t (DDPM's order)
 *
 * The last two round as score_sde does. A time that is a level's up to 1e-6 levels is that level: i/(N-1) (N-1) may be a little
 * less than i. Known answers: vp-time 258.70130217 at r = 1; N = 1000: edm-iddpm 999 - 500 at u_500.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/net.h>

#include "net/internal.h"
#include "process/process.h"

#include <math.h>

#define BETA_MIN 0.1 /* of the published VP models */
#define BETA_D 19.9
#define VP_STEPS 999 /* M - 1 */
#define IDDPM_LEVELS 1000

static const char *const names[] = {"auto", "time", "log4", "log", "log-half", "level", "vp-time", NULL};

const char *const *sf_cond_names(void)
{
	return names;
}

int sf_net_has_level(const sf_process *p)
{
	return sf_process_linear(p) && sf_process_blocks(p) == 1;
}

/* alpha = 1 throughout: the noise level spans decades (VE, EDM), where a label linear in t says little. */
static int keeps_scale(const sf_process *p)
{
	return sf_process_alpha(p, sf_process_horizon(p)) == 1;
}

static int choose(int kind, const sf_process *p, int wants_log)
{
	switch (kind) {
	case SF_PARAM_EDM: return SF_COND_LOG4;
	case SF_PARAM_EDM_VE: return SF_COND_LOG_HALF;
	case SF_PARAM_EDM_IDDPM: return SF_COND_LEVEL;
	case SF_PARAM_EDM_VP: return SF_COND_VP_TIME;
	default: break;
	}
	if (!wants_log && !keeps_scale(p))
		return SF_COND_TIME;
	return sf_net_has_level(p) ? SF_COND_LOG4 : SF_COND_LOG;
}

int sf_model_cond(const sf_model *m)
{
	return m->cond != SF_COND_AUTO ? m->cond : choose(m->param, m->process, sf_net_log_noise(m->net));
}

int64_t sf_cond_levels(int kind, const sf_process *p, int64_t levels)
{
	if (levels)
		return levels;
	return kind == SF_PARAM_EDM_IDDPM ? IDDPM_LEVELS : sf_process_levels(p);
}

static double vp_time(double r)
{
	double growth = 2 * log1p(r * r);

	/* the root without its difference, which cancels at small r */
	return growth / (sqrt(BETA_MIN * BETA_MIN + BETA_D * growth) + BETA_MIN);
}

static double level(int kind, const sf_process *p, int64_t n, double t, double r)
{
	double top = (double)(n - 1), at = t / sf_process_horizon(p) * top, near = floor(at + .5);

	if (kind == SF_PARAM_EDM_IDDPM)
		return top - (double)sf_iddpm_nearest(n, r);
	if (keeps_scale(p))
		at = top - near;
	else
		at = fabs(at - near) < 1e-6 ? near : floor(at);
	return fmin(fmax(at, 0), top);
}

double sf_cond_noise(int kind, const sf_process *p, int cond, int64_t levels, double t, double r)
{
	switch (cond == SF_COND_AUTO ? choose(kind, p, 0) : cond) {
	case SF_COND_LOG4: return log(r) / 4;
	case SF_COND_LOG: return log(r);
	case SF_COND_LOG_HALF: return log(r / 2);
	case SF_COND_LEVEL: return level(kind, p, sf_cond_levels(kind, p, levels), t, r);
	case SF_COND_VP_TIME: return VP_STEPS * vp_time(r);
	default: return 999 * t / sf_process_horizon(p);
	}
}
