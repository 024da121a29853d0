/* latent.c: checks of score models of latents: cross entropies against closed forms, and the bound of -ln p(x).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/latent_parts.h"

#include <scorefield/latent.h>

#include <math.h>
#include <string.h>

/* ---- cross entropies ---- */

static const sf_normal unit = {0, 1}, encoder = {-.7, .09}, prior = {.3, .25};

static const char *loss_of(const char *process)
{
	return strncmp(process, "cld", 3) == 0 ? "hsm:weight=g2" : "dsm:weight=g2";
}

/* The integral of the loss from e to T and the constant of one coordinate. p NULL: N(0,1) by the parametrisation. */
static int cross_entropy(sf_ctx *ctx, const char *process, sf_normal q, const sf_normal *p, double e, double *value)
{
	double constant = NAN;
	sf_normal_run a;
	int rc;

	SF_TRY(sf_normal_open(ctx, process, loss_of(process), q, p, &a));
	rc = sf_integral(e, sf_process_horizon(a.r->process), sf_normal_loss, &a, value);
	if (rc == 0)
		rc = sf_cross_entropy_constant(a.r->process, e, 4, &constant);
	sf_trial_close(a.r);
	*value += constant / 4;
	return rc;
}

/* The entropy that two blocks' velocities begin with. */
static double start_entropy(const sf_process *p)
{
	return sf_process_blocks(p) == 2 ? (1 + log(2 * SF_PI * sf_process_start_var(p))) / 2 : 0;
}

/* E[-ln N(u; .)] at time t for the laws that N(m,v) and N(n,c) go to, and what x_0 leaves of the first's: CE(q_t, p_t), h(t). */
static void laws(const sf_process *process, double t, sf_normal q, sf_normal p, double *ce, double *h)
{
	const int k = sf_process_blocks(process);
	double c[2], S[4], phi[4], P[4], inv[4], det, deter, apart = q.mean - p.mean, trace;
	int i, j;

	sf_process_cov(process, t, S);
	sf_process_phi(process, 0, t, phi);
	c[0] = k == 1 ? sf_process_alpha(process, t) : phi[0];
	c[1] = k == 1 ? 0 : phi[2];
	if (k == 1) {
		S[1] = S[2] = 0;
		S[3] = 1; /* a block that says nothing */
	}
	for (i = 0; i < 2; i++)
		for (j = 0; j < 2; j++)
			P[2 * i + j] = S[2 * i + j] + c[i] * c[j] * p.var;
	deter = S[0] * S[3] - S[1] * S[1];
	det = P[0] * P[3] - P[1] * P[1];
	inv[0] = P[3] / det;
	inv[1] = inv[2] = -P[1] / det;
	inv[3] = P[0] / det;
	for (trace = i = 0; i < 2; i++)
		for (j = 0; j < 2; j++)
			trace += inv[2 * i + j] * (S[2 * i + j] + c[i] * c[j] * (q.var + apart * apart));
	if (k == 1)
		trace -= 1;
	*ce = (k * log(2 * SF_PI) + log(det) + trace) / 2;
	*h = (k * (1 + log(2 * SF_PI)) + log(deter)) / 2;
}

/* CE(q_e, p_e) - CE(q_T, p_T) + h(T), less the velocity's entropy. */
static int closed_cross_entropy(sf_ctx *ctx, const char *process, sf_normal q, sf_normal p, double e, double *value)
{
	double first, last, h;
	sf_process *made;

	SF_TRY(sf_process_new(ctx, process, &made));
	laws(made, e, q, p, &first, &h);
	laws(made, sf_process_horizon(made), q, p, &last, &h);
	*value = first - last + h - start_entropy(made);
	sf_process_free(made);
	return SF_OK;
}

static int golden_vp(sf_ctx *ctx, sf_row *row)
{
	double value;

	SF_TRY(cross_entropy(ctx, "vp", unit, NULL, .01, &value));
	return sf_row_value(row, value, 1.41891693986, 1e-11); /* (ln(2 pi e) + ln(1 - e^-10.05))/2 */
}

static int golden_cld(sf_ctx *ctx, sf_row *row)
{
	double value, h;
	sf_process *p;

	SF_TRY(cross_entropy(ctx, "cld:eps=0", unit, &unit, 1e-4, &value));
	SF_TRY(sf_process_new(ctx, "cld:eps=0", &p));
	h = start_entropy(p);
	sf_process_free(p);
	return sf_row_value(row, value + h, .572223646424, 1e-11);
}

/* One encoder on vp, prior N(0,1):
 * ln(2 pi sigma_T^2)/2 + (1 - (alpha_e^2 - alpha_T^2))/2 + E z_0^2 (alpha_e^2 - alpha_T^2)/2 */
static int point_vp(sf_ctx *ctx, sf_row *row)
{
	const double e = .01, B1 = 10.05, Be = .1 * e + 19.9 * e * e / 2; /* int of beta = .1 + 19.9 t */
	double value, fall = exp(-Be) - exp(-B1);

	SF_TRY(cross_entropy(ctx, "vp", encoder, NULL, e, &value));
	return sf_row_value(row, value, (log(2 * SF_PI * -expm1(-B1)) + 1 - fall + (.49 + .09) * fall) / 2, 1e-11);
}

static int against_laws(sf_ctx *ctx, sf_row *row, const char *process, const sf_normal *p, double e)
{
	double value, want;

	SF_TRY(cross_entropy(ctx, process, encoder, p, e, &value));
	SF_TRY(closed_cross_entropy(ctx, process, encoder, p ? *p : unit, e, &want));
	return sf_row_value(row, value, want, 1e-9);
}

#define LAWS(name, process, p, e)                                                                       \
	static int name(sf_ctx *ctx, sf_row *row) { return against_laws(ctx, row, process, p, e); }
LAWS(unit_vp, "vp", NULL, 1e-5)
LAWS(unit_geometric, "geometric-vp", NULL, 1e-5)
LAWS(unit_subvp, "subvp", NULL, 1e-5)
LAWS(unit_ve, "ve", NULL, 1e-5)
LAWS(unit_cld, "cld:eps=0", &unit, 1e-4)
LAWS(prior_vp, "vp", &prior, 1e-5)
LAWS(prior_geometric, "geometric-vp", &prior, 1e-5)
LAWS(prior_subvp, "subvp", &prior, 1e-5)
LAWS(prior_cld, "cld:eps=0", &prior, 1e-4)
LAWS(prior_friction, "cld:eps=0,friction=3,m-inv=2,gamma=0.5,beta1=3", &prior, 1e-3)

/* CE(z_0) <= CE_joint - h_v. At rest the two are equal; by e the determinant of the pair's covariance has grown from gamma M, by
 * (2 Gamma beta/(gamma M) - 2 Gamma beta/M) e. */
static int bound_cld(sf_ctx *ctx, sf_row *row)
{
	double value;

	SF_TRY(cross_entropy(ctx, "cld:eps=0", unit, &unit, 1e-6, &value));
	return sf_row_value(row, value, (1 + log(2 * SF_PI)) / 2 + (800 - 32) * 1e-6 / 2, 1e-5);
}

/* ---- the bound of a linear normal autoencoder: x = w z + .5 noise, w a unit vector, z ~ N(0,1) ---- */

static const double w[2] = {.6, -.8}, datum[2] = {.9, .4};

/* x's posterior N(.176,.2) as a pair of affine networks: encoder A (2,2) at 0, b at 16, decoder A (2,1) at 32, b at 48. What the
 * encoder says goes through 5 tanh(./5). */
static int set_pair(sf_ctx *ctx, const sf_vae *v, double param[64])
{
	int64_t trained, total;

	SF_TRY(sf_vae_params(v, &trained, &total));
	if (total != 64)
		return sf_fail(ctx, SF_EMISMATCH, "check: the pair has %lld numbers", (long long)total);
	memset(param, 0, 64 * sizeof *param);
	param[16] = 5 * atanh(.176 / 5);
	param[17] = 5 * atanh(log(.2) / 2 / 5);
	param[32] = w[0];
	param[33] = w[1];
	return SF_OK;
}

/* E[-ln p(x|z)] - H(q), exact for e = -1 and 1, and the encoder's law as the pair has it. */
static int pair_terms(sf_ctx *ctx, double *value, sf_normal *q)
{
	sf_vae_how how = {.encoder = "affine", .decoder = "affine", .latent = 1, .groups = 1, .likelihood = SF_VAE_GAUSSIAN, .std = .5,
	                  .mixture = 1, .rank = 1, .dim = {2}, .scale = 1};
	double param[64], x[4], e[2] = {-1, 1}, mean[2], std[2], z[2], entropy[2], logp[2];
	sf_coder *c = NULL;
	sf_vae *v;
	int rc;

	memcpy(x, datum, sizeof datum);
	memcpy(x + 2, datum, sizeof datum);
	SF_TRY(sf_vae_new(ctx, &how, &v));
	rc = set_pair(ctx, v, param);
	if (rc == 0)
		rc = sf_coder_new(v, SF_F64, param, 2, &c);
	if (rc == 0)
		rc = sf_coder_encode(c, 2, x, e, mean, std, z, entropy, NULL);
	if (rc == 0)
		rc = sf_coder_logp(c, 2, z, x, logp);
	sf_coder_free(c);
	sf_vae_free(v);
	SF_TRY(rc);
	*value = -(logp[0] + logp[1]) / 2 - entropy[0];
	q->mean = mean[0];
	q->var = std[0] * std[0];
	return SF_OK;
}

/* The bound against -ln N(x; 0, w w' + 1/4) and what both ends of time add, which is less than `ends`. */
static int bound_row(sf_ctx *ctx, sf_row *row, const char *process, double e, double ends)
{
	double value, cross, closed, along = w[0] * datum[0] + w[1] * datum[1], across = w[0] * datum[1] - w[1] * datum[0];
	double want = log(2 * SF_PI) + (log(1.25) + log(.25) + along * along / 1.25 + across * across / .25) / 2, more;
	sf_normal q = unit;

	SF_TRY(pair_terms(ctx, &value, &q));
	SF_TRY(cross_entropy(ctx, process, q, &unit, e, &cross));
	SF_TRY(closed_cross_entropy(ctx, process, q, unit, e, &closed));
	more = closed - (log(2 * SF_PI) + q.mean * q.mean + q.var) / 2;
	return sf_row_value(row, value + cross, fabs(more) < ends ? want + more : NAN, 1e-8);
}

static int bound_vp(sf_ctx *ctx, sf_row *row) { return bound_row(ctx, row, "vp", 1e-5, 3e-5); }
static int bound_geometric(sf_ctx *ctx, sf_row *row) { return bound_row(ctx, row, "geometric-vp", 1e-5, 6e-4); }
static int bound_subvp(sf_ctx *ctx, sf_row *row) { return bound_row(ctx, row, "subvp", 1e-5, 5e-5); }
static int bound_blocks(sf_ctx *ctx, sf_row *row) { return bound_row(ctx, row, "cld:eps=0", 1e-5, 4e-3); }

#define LSGM "Vahdat, Kreis, Kautz 2021 (2106.05931)"
#define CLD "Dockhorn, Vahdat, Kreis 2022 (2112.07068)"
#define ROW(name, what, ref, run) {"latent", "latent." name, what, ref, run}
const sf_check sf_checks_latent[] = {
	ROW("ce-vp-golden", "cross entropy of N(0,1) with itself, e = .01", LSGM, golden_vp),
	ROW("ce-cld-golden", "of position and velocity, before the velocity's entropy, e = 1e-4", LSGM ", " CLD, golden_cld),
	ROW("ce-cld-bound", "cross entropy of the position: the entropy of N(0,1)", LSGM ", " CLD, bound_cld),
	ROW("nelbo-vp", "linear normal autoencoder: the bound is -ln p(x)", LSGM ", eq 1", bound_vp),
	ROW("nelbo-geometric-vp", "linear normal autoencoder: the bound is -ln p(x)", LSGM ", eq 1", bound_geometric),
	ROW("nelbo-subvp", "linear normal autoencoder: the bound is -ln p(x)", LSGM ", eq 1", bound_subvp),
	ROW("nelbo-cld", "linear normal autoencoder: -ln p(x) and the velocity's share", LSGM ", eq 1; " CLD, bound_blocks),
	ROW("ce-vp-point", "an encoder N(m,s^2), prior N(0,1): closed form", LSGM, point_vp),
	ROW("ce-vp", "the same at t_train by the laws at both ends", LSGM, unit_vp),
	ROW("ce-geometric-vp", "an encoder N(m,s^2), prior N(0,1)", LSGM, unit_geometric),
	ROW("ce-subvp", "an encoder N(m,s^2), prior N(0,1)", LSGM, unit_subvp),
	ROW("ce-ve", "an encoder N(m,s^2), prior N(0,1)", LSGM, unit_ve),
	ROW("ce-cld", "an encoder N(m,s^2), prior N(0,1)", LSGM ", " CLD, unit_cld),
	ROW("ce-vp-prior", "an encoder N(m,s^2), prior N(n,c)", LSGM, prior_vp),
	ROW("ce-geometric-vp-prior", "an encoder N(m,s^2), prior N(n,c)", LSGM, prior_geometric),
	ROW("ce-subvp-prior", "an encoder N(m,s^2), prior N(n,c)", LSGM, prior_subvp),
	ROW("ce-cld-prior", "an encoder N(m,s^2), prior N(n,c)", LSGM ", " CLD, prior_cld),
	ROW("ce-cld-friction", "the same, over-damped", LSGM ", " CLD, prior_friction),
	{NULL, NULL, NULL, NULL, NULL}};
