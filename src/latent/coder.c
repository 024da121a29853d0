/* coder.c: a pair with weights, for use: three plans on one graph (encode, decode, ln p(x|z)), run over chunks of the samples.
 * Each sample's result is its own, so neither the cut into chunks nor the threads show. Everything is allocated when the
 * coder is made; numbers are rounded once to the plans' type.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include <math.h>
#include <string.h>

enum { ENCODE, DECODE, LOGP, PLANS };
enum { MEAN, LOG_STD, Z, ENTROPY, KL, OUTPUTS = KL + SF_VAE_GROUPS }; /* of ENCODE */
enum { SHARD = 8 };

struct sf_coder {
	const sf_vae *v;
	sf_dtype type;
	sf_plan *plan[PLANS];
	int64_t shard, chunk;
	void *x, *e;           /* (chunk, size), (chunk, latent): inputs; e also stands for z */
	void *out[OUTPUTS];    /* [MEAN] also holds a decoded x, [ENTROPY] ln p */
};

static void store(const sf_coder *c, void *to, int64_t n, const double *from)
{
	int64_t i;

	for (i = 0; i < n; i++) {
		if (c->type == SF_F32)
			((float *)to)[i] = from ? (float)from[i] : 0;
		else
			((double *)to)[i] = from ? from[i] : 0;
	}
}

static double at(const sf_coder *c, const void *from, int64_t i)
{
	return c->type == SF_F32 ? (double)((const float *)from)[i] : ((const double *)from)[i];
}

static void load(const sf_coder *c, const void *from, int64_t n, double *to)
{
	int64_t i;

	for (i = 0; to && i < n; i++)
		to[i] = at(c, from, i);
}

static int take(sf_coder *c, void **p, int64_t numbers)
{
	size_t n;

	if (sf_mul_size((size_t)c->chunk, (size_t)numbers, &n) < 0)
		return sf_fail(c->v->ctx, SF_ERANGE, "vae: a batch of %lld samples is too large", (long long)c->chunk);
	*p = sf_alloc(n, c->type == SF_F32 ? sizeof(float) : sizeof(double));
	return *p ? SF_OK : sf_fail(c->v->ctx, SF_ENOMEM, "vae: out of memory");
}

static int take_buffers(sf_coder *c)
{
	const sf_vae *v = c->v;
	int i;

	SF_TRY(take(c, &c->x, v->size));
	SF_TRY(take(c, &c->e, v->latent));
	SF_TRY(take(c, &c->out[MEAN], v->size > v->latent ? v->size : v->latent));
	SF_TRY(take(c, &c->out[LOG_STD], v->latent));
	SF_TRY(take(c, &c->out[Z], v->latent));
	for (i = ENTROPY; i < KL + v->how.groups; i++)
		SF_TRY(take(c, &c->out[i], 1));
	return SF_OK;
}

static int plan(sf_coder *c, int which, const sf_var *out, int n, const void *params)
{
	const sf_vae *v = c->v;

	SF_TRY(sf_plan_new(v->g, out, n, c->type, c->shard, &c->plan[which]));
	if (which != DECODE)
		SF_TRY(sf_plan_bind(c->plan[which], v->x, c->x));
	SF_TRY(sf_plan_bind(c->plan[which], which == ENCODE ? v->e : v->z, c->e));
	return sf_plan_bind_params(c->plan[which], params);
}

static int make(sf_coder *c, const void *params)
{
	const sf_vae *v = c->v;
	sf_var out[OUTPUTS];
	int i;

	out[MEAN] = v->q.mean;
	out[LOG_STD] = v->q.log_std;
	out[Z] = v->q.z;
	out[ENTROPY] = v->q.entropy;
	for (i = 0; i < v->how.groups; i++)
		out[KL + i] = v->q.kl[i];
	SF_TRY(take_buffers(c));
	SF_TRY(plan(c, ENCODE, out, KL + v->how.groups, params));
	SF_TRY(plan(c, DECODE, &v->mean, 1, params));
	SF_TRY(plan(c, LOGP, &v->logp, 1, params));
	for (i = 0; i < KL + v->how.groups; i++)
		SF_TRY(sf_plan_output(c->plan[ENCODE], i, c->out[i]));
	SF_TRY(sf_plan_output(c->plan[DECODE], 0, c->out[MEAN]));
	return sf_plan_output(c->plan[LOGP], 0, c->out[ENTROPY]);
}

int sf_coder_new(const sf_vae *v, sf_dtype type, const void *params, int64_t batch, sf_coder **out)
{
	int64_t threads = sf_ctx_threads(v->ctx);
	sf_coder *c;
	int rc;

	*out = NULL;
	if (batch < 0)
		return sf_fail(v->ctx, SF_ERANGE, "vae: a batch of %lld samples", (long long)batch);
	c = sf_alloc(1, sizeof *c);
	if (!c)
		return sf_fail(v->ctx, SF_ENOMEM, "vae: out of memory");
	c->v = v;
	c->type = type;
	c->chunk = batch ? batch : SHARD * threads;
	c->shard = (c->chunk + threads - 1) / threads;
	if (c->shard > SHARD)
		c->shard = SHARD;
	rc = make(c, params);
	if (rc < 0)
		sf_coder_free(c);
	else
		*out = c;
	return rc;
}

void sf_coder_free(sf_coder *c)
{
	int i;

	if (!c)
		return;
	for (i = 0; i < PLANS; i++)
		sf_plan_free(c->plan[i]);
	for (i = 0; i < OUTPUTS; i++)
		sf_free(c->out[i]);
	sf_free(c->x);
	sf_free(c->e);
	sf_free(c);
}

static int run(sf_coder *c, int which, int64_t n)
{
	int64_t threads = sf_ctx_threads(c->v->ctx);
	sf_run r;

	memset(&r, 0, sizeof r);
	r.n = n;
	r.shards = (n + c->shard - 1) / c->shard;
	if (r.shards < threads)
		r.shards = n < threads ? n : threads;
	return sf_plan_run(c->plan[which], &r);
}

int sf_coder_encode(sf_coder *c, int64_t n, const double *x, const double *e, double *mean, double *std, double *z,
                    double *entropy, double *kl)
{
	int64_t size = c->v->size, d = c->v->latent, i, j, m, k;
	int groups = c->v->how.groups;

	for (i = 0; i < n; i += m) {
		m = n - i < c->chunk ? n - i : c->chunk;
		store(c, c->x, m * size, x + i * size);
		store(c, c->e, m * d, e ? e + i * d : NULL);
		SF_TRY(run(c, ENCODE, m));
		load(c, c->out[MEAN], m * d, mean ? mean + i * d : NULL);
		load(c, c->out[Z], m * d, z ? z + i * d : NULL);
		load(c, c->out[ENTROPY], m, entropy ? entropy + i : NULL);
		for (j = 0; std && j < m * d; j++)
			std[i * d + j] = exp(at(c, c->out[LOG_STD], j));
		for (j = 0; kl && j < m; j++)
			for (k = 0; k < groups; k++)
				kl[(i + j) * groups + k] = at(c, c->out[KL + k], j);
	}
	return SF_OK;
}

int sf_coder_decode(sf_coder *c, int64_t n, const double *z, double *x)
{
	int64_t size = c->v->size, d = c->v->latent, i, m;

	for (i = 0; i < n; i += m) {
		m = n - i < c->chunk ? n - i : c->chunk;
		store(c, c->e, m * d, z + i * d);
		SF_TRY(run(c, DECODE, m));
		load(c, c->out[MEAN], m * size, x + i * size);
	}
	return SF_OK;
}

int sf_coder_logp(sf_coder *c, int64_t n, const double *z, const double *x, double *logp)
{
	int64_t size = c->v->size, d = c->v->latent, i, m;

	for (i = 0; i < n; i += m) {
		m = n - i < c->chunk ? n - i : c->chunk;
		store(c, c->e, m * d, z + i * d);
		store(c, c->x, m * size, x + i * size);
		SF_TRY(run(c, LOGP, m));
		load(c, c->out[ENTROPY], m, logp + i);
	}
	return SF_OK;
}
