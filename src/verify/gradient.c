/* gradient.c: of every objective, the gradient of its loss against central differences of order 4, on a perceptron and on a small U-Net; and the
 * expected gradient at the true score, which is zero where the objective has its minimum there.
 *
 * The expectation is exact for a linear score: integrands have degree 2 in (x,z) and in the direction v, so 2n points
 * +-sqrt(n) e_k of a unit normal of n numbers serve for (x,z) and +-|v| e_k for v.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static int differences(sf_ctx *ctx, sf_row *row, const char *objective, const char *net, const char *process,
                       const char *param, int64_t stride)
{
	double worst = NAN;
	sf_trial *r;
	int rc;

	SF_TRY(sf_trial_open(ctx, net, process, param, objective, &r));
	r->d->n = 4;
	rc = sf_trial_draw(r, 1);
	if (rc == 0)
		rc = sf_trial_differences(r, stride, &worst);
	sf_trial_close(r);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-7);
}

/* ---- the expected gradient at the true score ---- */
enum { D = SF_TRIAL_D, POINTS = 4 * D };
/* Data N(m, diag c): what is tested is the objective, not the covariance. */
static const double M[D] = {.5, -1, 2}, C[D] = {2, 1, .4};

/* The linear score s = -(x - alpha m)/(alpha^2 c + tau^2), and draws that stand for their expectation: x = alpha x_0 + tau z',
 * where the objective's z is z' times tail/tau and a part that x does not hold. */
static int points(sf_trial *r, double alpha, double base, double tail)
{
	int64_t probes = sf_objective_probes(r->objective);
	sf_draw *d = r->d;
	int k, i;

	memset(r->param, 0, (size_t)r->total * sizeof *r->param);
	memset(d->z, 0, POINTS * D * sizeof *d->z);
	for (i = 0; i < D; i++) {
		double var = alpha * alpha * C[i] + base * base + tail * tail;

		r->param[i * D + i] = -1 / var;
		r->param[16 + i] = alpha * M[i] / var; /* parameters start at multiples of 16 */
	}
	for (k = 0; k < POINTS; k++) {
		double side = (k % 2 ? -1 : 1) * sqrt(2. * D), u[D] = {0};

		if (k / 2 < D)
			u[k / 2] = side;
		else
			d->z[k * D + k / 2 - D] = side;
		for (i = 0; i < D; i++)
			d->xt[k * D + i] = alpha * M[i] + sqrt(alpha * alpha * C[i] + base * base) * u[i] + tail * d->z[k * D + i];
	}
	return probes > 1 ? sf_fail(r->m.ctx, SF_EINVAL, "check: one direction a sample is expected") : SF_OK;
}

/* Adds the gradient for all directions of the drawn length; one run where there are none. */
static int add_runs(sf_trial *r, double *sum, double *count)
{
	double length = 0;
	int i, k, v;

	for (i = 0; r->d->probe && i < D; i++)
		length += r->d->probe[i] * r->d->probe[i];
	for (v = 0; v < (r->d->probe ? 2 * D : 1); v++) {
		for (k = 0; r->d->probe && k < POINTS; k++)
			for (i = 0; i < D; i++)
				r->d->probe[k * D + i] = i == v / 2 ? (v % 2 ? -1 : 1) * sqrt(length) : 0;
		SF_TRY(sf_trial_run(r));
		for (i = 0; i < r->total; i++)
			sum[i] += r->grad[i];
		*count += POINTS;
	}
	return SF_OK;
}

/* `second`: sigma_p/sigma of a second noise, 0 without. */
static int rest(sf_ctx *ctx, sf_row *row, const char *objective, const char *process, double t, double second)
{
	double sum[32] = {0}, count = 0, worst = 0;
	sf_trial *r;
	int rc, i;

	SF_TRY(sf_trial_open(ctx, "affine", process, "score", objective, &r));
	r->d->n = POINTS;
	for (i = 0; i < POINTS; i++)
		r->d->t[i] = t;
	rc = sf_objective_draw_at(r->objective, &r->m, r->d);
	if (rc == 0) {
		double a = r->d->coef[0].alpha, s = r->d->coef[0].sigma;

		if (isnan(a)) /* static: the data themselves, and a perturbation of the nominal scale 1 */
			rc = points(r, 1, 0, second);
		else
			rc = second > 0 ? points(r, a, s, second * s) : points(r, a, 0, s);
	}
	if (rc == 0)
		rc = add_runs(r, sum, &count);
	for (i = 0; rc == 0 && i < r->total; i++)
		sf_worst(&worst, sum[i] / count, 0, 1);
	sf_trial_close(r);
	return rc < 0 ? rc : sf_row_worst(row, worst, 1e-12);
}

#define MLP "mlp:width=8,depth=2,embed-width=8,act=tanh"
#define UNET "unet:width=4,mult=1:1,blocks=1,init-scale=1"
#define ON_MLP(fn, spec, process, param)                                                           \
	static int fn(sf_ctx *ctx, sf_row *row) { return differences(ctx, row, spec, MLP, process, param, 29); }
#define ON_UNET(fn, spec, process, param)                                                          \
	static int fn(sf_ctx *ctx, sf_row *row) { return differences(ctx, row, spec, UNET, process, param, 211); }
#define REST(fn, spec, process, t, second)                                                         \
	static int fn(sf_ctx *ctx, sf_row *row) { return rest(ctx, row, spec, process, t, second); }

ON_MLP(ism_mlp, "ism", "vp", "eps")
ON_MLP(ssm_mlp, "ssm:slices=2", "vp", "v")
ON_MLP(ssm_vr_mlp, "ssm-vr:projections=sphere", "double-well", "eps")
ON_MLP(fd_ssm_mlp, "fd-ssm", "vp", "eps")
ON_MLP(fd_energy_mlp, "fd-ssm", "vp", "energy")
ON_MLP(fd_ssm_vr_mlp, "fd-ssm-vr", "subvp", "x0")
ON_MLP(fd_dsm_mlp, "fd-dsm", "vp", "energy")
ON_MLP(dsm_mlp, "dsm", "vp", "v")
ON_MLP(dsm_energy_mlp, "dsm", "vp", "energy")
ON_MLP(local_mlp, "local-dsm", "double-well", "eps")
ON_MLP(stf_mlp, "stf:n=8", "ve", "edm")
ON_MLP(hsm_mlp, "hsm", "cld", "mixed")
ON_MLP(lcss_mlp, "lcss:stage=two,antithetic=true", "vp", "v")
ON_MLP(lcss_base_mlp, "lcss:norm-at=base,control-variate=true", "cld", "mixed")
ON_UNET(ism_unet, "ism", "vp", "eps")
ON_UNET(ssm_unet, "ssm", "vp", "v")
ON_UNET(ssm_vr_unet, "ssm-vr", "vp", "eps")
ON_UNET(fd_ssm_unet, "fd-ssm", "vp", "eps")
ON_UNET(fd_ssm_vr_unet, "fd-ssm-vr", "vp", "v")
ON_UNET(fd_dsm_unet, "fd-dsm", "vp", "energy")
ON_UNET(dsm_unet, "dsm", "edm", "edm")
ON_UNET(local_unet, "local-dsm", "sech", "eps")
ON_UNET(stf_unet, "stf:n=8", "vp", "v")
ON_UNET(hsm_unet, "hsm", "cld", "mixed")
ON_UNET(lcss_unet, "lcss:stage=two,control-variate=true", "vp", "v")

REST(ism_rest, "ism", "vp", .3, 0)
REST(ism_static, "ism", "static", 1, 0)
REST(ssm_rest, "ssm", "vp", .3, 0)
REST(ssm_vr_rest, "ssm-vr", "subvp", .3, 0)
REST(fd_rest, "fd-ssm", "vp", .3, 0)
REST(fd_vr_rest, "fd-ssm-vr", "ve", .3, 0)
REST(dsm_rest, "dsm", "vp", .3, 0)
REST(lcss_rest, "lcss", "vp", .3, 0)
REST(lcss_two_rest, "lcss:stage=two,rho=0.5", "vp", .3, .5)
REST(lcss_static, "lcss:stage=two,rho=0.5", "static", 1, .5)
REST(lcss_anti_rest, "lcss:stage=two,rho=0.5,antithetic=true", "vp", .3, .5)

#define DIFFERENCES "parameter gradient against central differences of order 4"
#define SONG "Song et al. 2019 (1905.07088)"
#define PANG "Pang et al. 2020 (2007.03317)"
#define OSADA "Osada, Shing, Nishide 2024 (2412.03962)"
#define SINGHAL "Singhal et al. 2024 (2407.07998)"
#define XU "Xu, Tong, Jaakkola 2023 (2302.00670)"
#define DOCKHORN "Dockhorn et al. 2022 (2112.07068), appendix B.3"
#define ROW(name, what, ref, run) {"objective", name, what, ref, run}
const sf_check sf_checks_gradient[] = {
	ROW("ism.gradient-mlp", DIFFERENCES ", perceptron", "Hyvarinen 2005", ism_mlp),
	ROW("ism.gradient-unet", DIFFERENCES ", U-Net", "Hyvarinen 2005", ism_unet),
	ROW("ism.rest", "expected gradient at the true score, VP", "Hyvarinen 2005", ism_rest),
	ROW("ism.rest-static", "expected gradient at the true score, no noise", "Hyvarinen 2005", ism_static),
	ROW("ssm.gradient-mlp", DIFFERENCES ", perceptron", SONG, ssm_mlp),
	ROW("ssm.gradient-unet", DIFFERENCES ", U-Net", SONG, ssm_unet),
	ROW("ssm.rest", "expected gradient at the true score, VP", SONG, ssm_rest),
	ROW("ssm-vr.gradient-mlp", DIFFERENCES ", double well", SONG, ssm_vr_mlp),
	ROW("ssm-vr.gradient-unet", DIFFERENCES ", U-Net", SONG, ssm_vr_unet),
	ROW("ssm-vr.rest", "expected gradient at the true score, sub-VP", SONG, ssm_vr_rest),
	ROW("fd-ssm.gradient-mlp", DIFFERENCES ", perceptron", PANG, fd_ssm_mlp),
	ROW("fd-ssm.gradient-energy", "the same of an energy", PANG, fd_energy_mlp),
	ROW("fd-ssm.gradient-unet", DIFFERENCES ", U-Net", PANG, fd_ssm_unet),
	ROW("fd-ssm.rest", "expected gradient at the true score, VP", PANG, fd_rest),
	ROW("fd-ssm-vr.gradient-mlp", DIFFERENCES ", perceptron", PANG, fd_ssm_vr_mlp),
	ROW("fd-ssm-vr.gradient-unet", DIFFERENCES ", U-Net", PANG, fd_ssm_vr_unet),
	ROW("fd-ssm-vr.rest", "expected gradient at the true score, VE", PANG, fd_vr_rest),
	ROW("fd-dsm.gradient-mlp", DIFFERENCES ", an energy", PANG, fd_dsm_mlp),
	ROW("fd-dsm.gradient-unet", DIFFERENCES ", U-Net", PANG, fd_dsm_unet),
	ROW("dsm.gradient-mlp", DIFFERENCES ", perceptron", "Vincent 2011", dsm_mlp),
	ROW("dsm.gradient-energy", "the same of an energy, differentiated twice", "Vincent 2011", dsm_energy_mlp),
	ROW("dsm.gradient-unet", DIFFERENCES ", U-Net", "Vincent 2011", dsm_unet),
	ROW("dsm.rest", "expected gradient at the true score, VP", "Vincent 2011", dsm_rest),
	ROW("local-dsm.gradient-mlp", DIFFERENCES ", double well", SINGHAL, local_mlp),
	ROW("local-dsm.gradient-unet", DIFFERENCES ", U-Net", SINGHAL, local_unet),
	ROW("stf.gradient-mlp", DIFFERENCES ", perceptron", XU, stf_mlp),
	ROW("stf.gradient-unet", DIFFERENCES ", U-Net", XU, stf_unet),
	ROW("hsm.gradient-mlp", DIFFERENCES ", perceptron", DOCKHORN, hsm_mlp),
	ROW("hsm.gradient-unet", DIFFERENCES ", U-Net", DOCKHORN, hsm_unet),
	ROW("lcss.gradient-mlp", DIFFERENCES ", perceptron", OSADA, lcss_mlp),
	ROW("lcss.gradient-cld", "the same with the norm at the base point, on CLD", OSADA, lcss_base_mlp),
	ROW("lcss.gradient-unet", DIFFERENCES ", U-Net", OSADA, lcss_unet),
	ROW("lcss.rest", "expected gradient at the true score, VP", OSADA, lcss_rest),
	ROW("lcss.rest-two", "at the score smoothed by sigma_p, two stages", OSADA, lcss_two_rest),
	ROW("lcss.rest-static", "at the data's smoothed score, no process", OSADA, lcss_static),
	ROW("lcss.rest-antithetic", "the mean of z and -z rests there too", OSADA, lcss_anti_rest),
	{NULL, NULL, NULL, NULL, NULL}};
