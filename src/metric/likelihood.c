/* likelihood.c: log p(x) = log prior(u(T)) + int div dt - log q(v), see likelihood.h.
 *
 * Known answers (Song et al. 2021, 2011.13456, appendix D.2, on normal data N(m, S^2) with the exact score, from
 * 1e-5): ve, m = 0.5, S = 0.25, x = 0.1: -0.795480628647; vp, m = 0.2, S = 0.5, x = -0.3: -0.724477722704,
 * 8.04520041778 bits with the 7 of 8-bit data in [-1,1].
 * SPDX-License-Identifier: BSD-3-Clause */
#include "metric/flow.h"

#include <math.h>
#include <string.h>

/* u = (x, v) with v ~ N(0, start_var); -log q(v) into `out`. */
static void begin(const sf_process *p, const sf_likelihood_run *ask, int64_t d, const double *x, double *u,
                  sf_logp *out)
{
	sf_noise key = {ask->seed, SF_NOISE_VELOCITY, 0};
	int k = sf_process_blocks(p);
	double var = sf_process_start_var(p);
	int64_t i, j;

	for (i = 0; i < ask->n; i++) {
		double *v = u + i * k * d + d, sum = 0;

		memcpy(u + i * k * d, x + i * d, (size_t)d * sizeof *u);
		out[i].velocity = 0;
		if (k == 1)
			continue;
		sf_noise_normal_d(sf_process_context(p), key, ask->first_sample + (uint64_t)i, 0, (size_t)d, v);
		for (j = 0; j < d; j++) {
			sum += v[j] * v[j];
			v[j] *= sqrt(var);
		}
		out[i].velocity = 0.5 * (sum + (double)d * log(2 * SF_PI * var));
	}
}

int sf_likelihood(sf_score *s, const sf_likelihood_run *ask, const double *x, sf_logp *out, double *latent,
                  sf_sample_report *report)
{
	const sf_process *p = sf_score_process(s);
	sf_ctx *ctx = sf_process_context(p);
	int64_t d = sf_score_dim(s), n = ask->n, i, all;
	double *u, *number; /* (n,k,d); (2,n): divergence, prior */
	int rc = SF_ENOMEM;

	if (n < 1 || n >> 48 || sf_mul_i64(n, sf_process_blocks(p) * d, &all) < 0)
		return sf_fail(ctx, SF_ERANGE, "likelihood: %lld samples of %lld numbers; expected at least 1 that fit",
		               (long long)n, (long long)d);
	if (sf_process_blocks(p) == 2 && !(sf_process_start_var(p) > 0))
		return sf_fail(ctx, SF_EUNSUP, "likelihood: the velocities of process '%s' start at 0 and have no density",
		               sf_process_name(p));
	u = latent ? latent : sf_alloc((size_t)all, sizeof *u);
	number = sf_alloc((size_t)n, 2 * sizeof *number);
	if (u && number) {
		begin(p, ask, d, x, u, out);
		rc = sf_encode(s, ask, u, ask->trace == SF_TRACE_NONE ? NULL : number, report);
	} else {
		rc = sf_fail(ctx, rc, "likelihood: out of memory for %lld samples of %lld numbers", (long long)n, (long long)d);
	}
	if (rc == 0)
		sf_process_prior_logp(p, n, d, u, number + n);
	for (i = 0; rc == 0 && i < n; i++) {
		out[i].divergence = ask->trace == SF_TRACE_NONE ? NAN : number[i];
		out[i].prior = number[n + i];
		out[i].logp = out[i].prior + out[i].divergence + out[i].velocity;
	}
	if (!latent)
		sf_free(u);
	sf_free(number);
	return rc;
}

double sf_view_bits(const sf_view *v, int64_t d, double logp)
{
	return (-logp / (double)d + log(v->scale)) / log(2);
}

void sf_latent_between(const sf_process *p, int64_t d, const double *a, const double *b, double w, double *out)
{
	double var[SF_BLOCKS_MAX], aa = 0, bb = 0, ab = 0, angle, from = 1 - w, to = w;
	int k = sf_process_blocks(p);
	int64_t j;

	sf_process_record(p)->prior_var(p->object.state, var);
	for (j = 0; j < k * d; j++) {
		aa += a[j] * a[j] / var[j / d];
		bb += b[j] * b[j] / var[j / d];
		ab += a[j] * b[j] / var[j / d];
	}
	angle = atan2(sqrt(fmax(0, aa * bb - ab * ab)), ab);
	if (sin(angle) > 1e-8) {
		from = sin((1 - w) * angle) / sin(angle);
		to = sin(w * angle) / sin(angle);
	}
	for (j = 0; j < k * d; j++)
		out[j] = from * a[j] + to * b[j];
}
