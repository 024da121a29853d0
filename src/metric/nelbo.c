/* nelbo.c: the variational bound of a latent score model, with z = mean + std e drawn from the encoder q(z|x),
 *
 *     -log p(x) <= -log p(x|z) - H(q(.|x)) + CE(q, p)
 *
 * Vahdat, Kreis and Kautz 2021 (2106.05931), eq 1. H is in closed form; the cross entropy is that of cross.c, or the
 * probability-flow ODE's -log p(z) (likelihood.c). Known answer: with x = w z + noise, the encoder the posterior and the score
 * exact, the bound is -log p(x) of every x (tests/check_nelbo.c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metric/flow.h"

#include <scorefield/latent.h>

#include <math.h>

typedef struct work {
	const sf_likelihood_run *ask;
	sf_ctx *ctx;
	int64_t d;
	double *e, *z, *entropy, *logp, *cross, *se; /* (n,d) twice, (n) four times */
	sf_logp *flow;                               /* (n) */
} work;

static void layout(work *w, sf_arena *a)
{
	size_t n = (size_t)w->ask->n, all = n * (size_t)w->d;

	w->e = sf_arena_take(a, all, sizeof *w->e);
	w->z = sf_arena_take(a, all, sizeof *w->z);
	w->entropy = sf_arena_take(a, n, sizeof *w->entropy);
	w->logp = sf_arena_take(a, n, sizeof *w->logp);
	w->cross = sf_arena_take(a, n, sizeof *w->cross);
	w->se = sf_arena_take(a, n, sizeof *w->se);
	w->flow = sf_arena_take(a, n, sizeof *w->flow);
}

static int check(const sf_vae *v, const work *w, int64_t times)
{
	int64_t dim[3], latent, all;
	int rank;

	latent = sf_vae_latent(v, &rank, dim);
	if (latent != w->d)
		return sf_fail(w->ctx, SF_EMISMATCH, "likelihood: a score of %lld numbers and an encoder to %lld", (long long)w->d,
		               (long long)latent);
	if (times < 0 || w->ask->n < 1 || (uint64_t)w->ask->n >> 32 || w->ask->first_sample >> 48 ||
	    sf_mul_i64(w->ask->n, 64 * w->d, &all) < 0)
		return sf_fail(w->ctx, SF_ERANGE, "likelihood: n=%lld and %lld times; expected n from 1 to 2^32, samples below 2^48",
		               (long long)w->ask->n, (long long)times);
	return SF_OK;
}

static int measure(work *w, sf_coder *c, sf_score *s, int64_t times, const double *x, double *latent, sf_sample_report *report)
{
	sf_noise key = {w->ask->seed, SF_NOISE_ENCODE, 0};
	int64_t n = w->ask->n, i;

	for (i = 0; i < n; i++)
		sf_noise_normal_d(w->ctx, key, w->ask->first_sample + (uint64_t)i, 0, (size_t)w->d, w->e + i * w->d);
	SF_TRY(sf_coder_encode(c, n, x, w->e, NULL, NULL, w->z, w->entropy, NULL));
	SF_TRY(sf_coder_logp(c, n, w->z, x, w->logp));
	for (i = 0; i < n; i++)
		if (!isfinite(w->entropy[i]) || !isfinite(w->logp[i]))
			return sf_fail(w->ctx, SF_EDIVERGED, "likelihood: the %s of sample %lld is not finite",
			               isfinite(w->entropy[i]) ? "decoder's log p" : "encoder's entropy",
			               (long long)(w->ask->first_sample + (uint64_t)i));
	if (times > 0)
		return sf_cross_entropy(s, w->ask, times, w->z, w->cross, w->se);
	return sf_likelihood(s, w->ask, w->z, w->flow, latent, report);
}

int sf_nelbo(const sf_vae *v, sf_coder *c, sf_score *s, const sf_likelihood_run *ask, int64_t times, const double *x,
             sf_nelbo_terms *out, double *latent, sf_sample_report *report)
{
	work w = {.ask = ask, .ctx = sf_process_context(sf_score_process(s)), .d = sf_score_dim(s)};
	sf_arena arena = {NULL, 0, 0};
	int64_t i;
	int rc;

	SF_TRY(check(v, &w, times));
	layout(&w, &arena);
	if (sf_arena_open(&arena) < 0)
		return sf_fail(w.ctx, SF_ENOMEM, "likelihood: out of memory for %lld samples", (long long)ask->n);
	layout(&w, &arena);
	rc = measure(&w, c, s, times, x, latent, report);
	for (i = 0; rc == 0 && i < ask->n; i++) {
		out[i].reconstruction = -w.logp[i];
		out[i].entropy = w.entropy[i];
		out[i].cross = times > 0 ? w.cross[i] : -w.flow[i].logp;
		out[i].se = times > 0 ? w.se[i] : NAN;
		out[i].nelbo = out[i].reconstruction - out[i].entropy + out[i].cross;
	}
	sf_arena_close(&arena);
	return rc;
}
