/* net.c: checks of networks and parametrisations: published parameter counts, EDM's table of coefficients, every
 * parametrisation on every process, and gradients against differences.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int count_row(sf_ctx *ctx, sf_row *row, const char *spec, int64_t size, int64_t channels, double want)
{
	sf_process *p = NULL;
	sf_net *net = NULL;
	int64_t n = 0, total;
	sf_model m;
	int rc;

	memset(&m, 0, sizeof m);
	rc = sf_net_new(ctx, spec, &net);
	if (rc == 0)
		rc = sf_process_new(ctx, "vp", &p);
	m.ctx = ctx;
	m.net = net;
	m.process = p;
	m.rank = 3;
	m.dim[0] = m.dim[1] = size;
	m.dim[2] = channels;
	m.size = size * size * channels;
	if (rc == 0)
		rc = sf_model_check(&m);
	if (rc == 0)
		rc = sf_model_params(&m, &n, &total);
	sf_net_free(net);
	sf_process_free(p);
	return rc < 0 ? rc : sf_row_value(row, (double)n, want, 0);
}

static int ddpmpp(sf_ctx *ctx, sf_row *row)
{
	return count_row(ctx, row, "unet:width=128,mult=1:2:2:2,blocks=4,attn=16", 32, 3, 61804419);
}

static int ddpmpp_deep(sf_ctx *ctx, sf_row *row)
{
	return count_row(ctx, row, "unet:width=128,mult=1:2:2:2,blocks=8,attn=16", 32, 3, 106632579);
}

/* ---- EDM, table 1, sd = 0.5: sigma, c_skip, c_out, c_in, c_noise ---- */
static const double table[4][5] = {{.1, .9615384615, .09805806757, 1.961161351, -.5756462732},
                                   {.5, .5, .3535533906, 1.414213562, -.1732867951},
                                   {1, .2, .4472135955, .894427191, 0},
                                   {80, 3.906097418e-05, .4999902347, .01249975587, 1.095506659}};

static int edm_row(sf_ctx *ctx, sf_row *row, int column)
{
	double worst = 0;
	sf_process *p;
	int i;

	SF_TRY(sf_process_new(ctx, "edm", &p));
	for (i = 0; i < 4; i++) {
		double got[5];
		sf_coef c;

		sf_param_coef(SF_PARAM_EDM, p, .5, SF_COND_AUTO, 0, sf_process_time_of_ratio(p, table[i][0]), &c);
		got[1] = 1 - c.e_x * c.sigma;
		got[2] = -c.e_f * c.sigma;
		got[3] = c.c_in;
		got[4] = c.c_noise;
		sf_worst(&worst, got[column], table[i][column], 1e-5);
	}
	sf_process_free(p);
	return sf_row_worst(row, worst, 1e-9);
}

static int edm_skip(sf_ctx *ctx, sf_row *row) { return edm_row(ctx, row, 1); }
static int edm_out(sf_ctx *ctx, sf_row *row) { return edm_row(ctx, row, 2); }
static int edm_in(sf_ctx *ctx, sf_row *row) { return edm_row(ctx, row, 3); }
static int edm_noise(sf_ctx *ctx, sf_row *row) { return edm_row(ctx, row, 4); }

/* F as the parametrisation defines it for known x_0 and z must give eps = z. */
static int param_row(sf_ctx *ctx, sf_row *row, int kind)
{
	static const char *const processes[] = {"ve", "vp", "subvp", "edm"};
	double worst = 0, x0 = .7, z = -1.3, sd = .5;
	int i, j;

	for (i = 0; i < 4; i++) {
		sf_process *p;

		SF_TRY(sf_process_new(ctx, processes[i], &p));
		for (j = 0; j <= 8; j++) {
			double lo = sf_process_t_train(p), t = lo + (sf_process_horizon(p) - lo) * j / 8, r, x, f;
			double a = sf_process_alpha(p, t), s = sf_process_sigma(p, t);
			sf_coef c;

			r = s / a;
			x = a * x0 + s * z;
			f = kind == SF_PARAM_EPS ? z
			    : kind == SF_PARAM_SCORE ? -z / s
			    : kind == SF_PARAM_X0 ? x0
			    : kind == SF_PARAM_V ? (a * z - s * x0) / sqrt(a * a + s * s)
			    : (x0 * r * r - sd * sd * r * z) / (r * r + sd * sd) / (r * sd / sqrt(r * r + sd * sd));
			sf_param_coef(kind, p, sd, SF_COND_AUTO, 0, t, &c);
			/* x carries rounding of its own size, which x0 divides by sigma */
			sf_worst(&worst, c.e_x * x + c.e_f * f, z, 1 + fabs(x) / s);
		}
		sf_process_free(p);
	}
	return sf_row_worst(row, worst, 1e-14);
}

static int param_eps(sf_ctx *ctx, sf_row *row) { return param_row(ctx, row, SF_PARAM_EPS); }
static int param_score(sf_ctx *ctx, sf_row *row) { return param_row(ctx, row, SF_PARAM_SCORE); }
static int param_x0(sf_ctx *ctx, sf_row *row) { return param_row(ctx, row, SF_PARAM_X0); }
static int param_v(sf_ctx *ctx, sf_row *row) { return param_row(ctx, row, SF_PARAM_V); }
static int param_edm(sf_ctx *ctx, sf_row *row) { return param_row(ctx, row, SF_PARAM_EDM); }

#define EDM "Karras et al. 2022 (2206.00364), table 1"
#define ROW(name, what, ref, run) {"net", name, what, ref, run}
const sf_check sf_checks_net[] = {
	ROW("unet.ddpmpp-size", "parameters of DDPM++ for CIFAR-10", "Song et al. 2021 (2011.13456), code", ddpmpp),
	ROW("unet.ddpmpp-deep-size", "parameters of DDPM++ deep for CIFAR-10", "Song et al. 2021 (2011.13456), code",
	    ddpmpp_deep),
	ROW("param.edm-skip", "c_skip at sigma = 0.1, 0.5, 1, 80", EDM, edm_skip),
	ROW("param.edm-out", "c_out", EDM, edm_out),
	ROW("param.edm-in", "c_in", EDM, edm_in),
	ROW("param.edm-noise", "c_noise", EDM, edm_noise),
	ROW("param.eps", "eps = z on ve, vp, subvp, edm", "Ho et al. 2020 (2006.11239), eq 12", param_eps),
	ROW("param.score", "eps = z from F = score", "Song et al. 2021 (2011.13456), eq 7", param_score),
	ROW("param.x0", "eps = z from F = x_0", "Salimans and Ho 2022 (2202.00512)", param_x0),
	ROW("param.v", "eps = z from F = v", "Salimans and Ho 2022 (2202.00512)", param_v),
	ROW("param.edm", "eps = z from F of EDM's denoiser", EDM, param_edm),
	{NULL, NULL, NULL, NULL, NULL}};
