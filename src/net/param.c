/* param.c: parametrisations: what a network's output F stands for, as the coefficients of
 *
 *     eps(x,t) = e_x x + e_f F(c_in x; c_noise)      x = alpha x_0 + sigma z,  score = -eps/sigma.
 *
 * EDM's D(x^;r) = c_skip x^ + c_out F(c_in x^; c_noise) holds for the sample x^ = x/alpha at the level
 * r = sigma/alpha; eps = (x^ - D)/r turns it into e_x = (1 - c_skip)/sigma, e_f = -c_out/r, and c_in into c_in/alpha. With
 * 1 - c_skip = r^2/(r^2 + sd^2) the preconditioning "edm" has e_x = sigma/m^2, e_f = -alpha sd/m, c_in = 1/m with
 * m^2 = sigma^2 + alpha^2 sd^2: no difference of close numbers at either end. The wrappers of earlier models have c_skip = 1:
 * VP and iDDPM c_out = -r, c_in = 1/sqrt(r^2 + 1); VE c_out = r, c_in = 1. (Karras et al. 2022, 2206.00364, table 1 and eq 7.)
 * mixed-learned has the coefficients of mixed; model.c puts the learned shares in: eps = (1 - a) e_x x + a e_f F.
 * v: Salimans and Ho 2022 (2202.00512), with n^2 = alpha^2 + sigma^2 divided out so that it also serves processes with n not 1.
 * Known answer (EDM, sd = 0.5): sigma = 1 gives c_in .894427191, c_out .4472135955, c_noise 0.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/net.h>

#include "core/core.h"
#include "net/internal.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"eps", "score", "x0", "v", "edm", "mixed", "energy", "sigma-score", "edm-vp", "edm-ve",
                                    "edm-iddpm", "mixed-learned", NULL};

const char *const *sf_param_names(void)
{
	return names;
}

int sf_param_find(sf_ctx *ctx, const char *name, int *kind)
{
	const char *near = sf_nearest(name, names);
	int i;

	for (i = 0; names[i]; i++)
		if (strcmp(name, names[i]) == 0)
			return *kind = i, SF_OK;
	return sf_fail(ctx, SF_ENAME, "unknown parametrisation '%s'%s%s%s (eps, score, sigma-score, x0, v, edm, edm-vp, edm-ve, "
	               "edm-iddpm, mixed, mixed-learned or energy)", name, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Variance of the noisy block for unit normal data: what the mixed score starts from. */
static double unit_variance(const sf_process *p, double t)
{
	double cov[4], a;

	sf_process_cov(p, t, cov);
	if (!sf_net_has_level(p)) /* the position's own spread at the start is left out (Dockhorn et al. 2022, appendix B) */
		return cov[3];
	a = sf_process_alpha(p, t);
	return a * a + cov[0];
}

void sf_param_coef(int kind, const sf_process *p, double sd, int cond, int64_t levels, double t, sf_coef *out)
{
	double a = sf_process_alpha(p, t), s = sf_process_scale(p, t);
	double n = sqrt(a * a + s * s), m = sqrt(s * s + a * a * sd * sd);

	out->alpha = a;
	out->sigma = s;
	out->c_noise = sf_cond_noise(kind, p, cond, levels, t, sf_net_has_level(p) ? s / a : t);
	out->c_in = out->e_f = 1;
	out->e_x = 0;
	switch (kind) {
	case SF_PARAM_SCORE:
		out->e_f = -s;
		break;
	case SF_PARAM_SIGMA_SCORE:
		out->e_f = -1;
		break;
	case SF_PARAM_X0:
		out->e_x = 1 / s;
		out->e_f = -a / s;
		break;
	case SF_PARAM_V:
		out->c_in = 1 / n;
		out->e_x = s / (n * n);
		out->e_f = a / n;
		break;
	case SF_PARAM_EDM:
		out->c_in = 1 / m;
		out->e_x = s / (m * m);
		out->e_f = -a * sd / m;
		break;
	case SF_PARAM_EDM_VP:
	case SF_PARAM_EDM_IDDPM:
		out->c_in = 1 / n;
		break;
	case SF_PARAM_EDM_VE:
		out->c_in = 1 / a;
		out->e_f = -1;
		break;
	case SF_PARAM_MIXED:
	case SF_PARAM_MIXED_LEARNED:
		out->e_x = s / unit_variance(p, t);
		break;
	default:; /* eps, energy */
	}
}

void sf_model_coef(const sf_model *m, double t, sf_coef *out)
{
	sf_param_coef(m->param, m->process, m->sigma_data, sf_model_cond(m), m->levels, t, out);
}
