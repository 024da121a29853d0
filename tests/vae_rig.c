/* vae_rig.c: see vae_rig.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "vae_rig.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

sf_vae_how vae_how(const char *encoder, const char *decoder, int64_t latent, int64_t h, int64_t w, int64_t c)
{
	sf_vae_how how;

	memset(&how, 0, sizeof how);
	how.encoder = encoder;
	how.decoder = decoder;
	how.latent = latent;
	how.groups = how.mixture = 1;
	how.likelihood = SF_VAE_GAUSSIAN;
	how.std = .5;
	how.rank = w ? 3 : 1;
	how.dim[0] = h;
	how.dim[1] = w;
	how.dim[2] = c;
	how.scale = 1;
	return how;
}

void vae_levels(sf_vae_how *how, int likelihood, int64_t levels)
{
	how->likelihood = likelihood;
	how->levels = levels;
	how->lo = 0;
	how->hi = (double)levels - 1;
	how->scale = how->shift = how->hi / 2;
}

void vae_normals(sf_ctx *ctx, unsigned step, int64_t n, double *out)
{
	sf_noise key = {11, SF_NOISE_USER, 0};

	key.step = step;
	sf_noise_normal_d(ctx, key, 0, 0, (size_t)n, out);
}

/* A pair's graph starts with the encoder, as in the library. */
static void build(vae_rig *r)
{
	const sf_vae_how *how = sf_vae_made(r->v);
	int64_t dim[3];
	int rank;

	r->latent = sf_vae_latent(r->v, &rank, dim);
	r->x = sf_input(r->g, "x", 1, how->rank, how->dim);
	r->e = sf_input(r->g, "e", 1, rank, dim);
	assert_ok(r->ctx, sf_vae_build_encoder(r->v, r->g, r->x, r->e, 0, &r->q));
	r->out = sf_vae_build_decoder(r->v, r->g, r->q.z, 0);
	r->logp = sf_vae_build_logp(r->v, r->g, r->out, r->x);
	r->mean = sf_vae_build_mean(r->v, r->g, r->out);
	assert_ok(r->ctx, sf_graph_status(r->g));
}

void vae_open(vae_rig *r, const sf_vae_how *how, double spread)
{
	int64_t trainable, j;
	double *noise;
	int i;

	memset(r, 0, sizeof *r);
	r->ctx = ck_ctx();
	assert_ok(r->ctx, sf_vae_new(r->ctx, how, &r->v));
	assert_ok(r->ctx, sf_vae_params(r->v, &trainable, &r->total));
	r->trainable = trainable;
	r->size = how->dim[0] * (how->rank == 3 ? how->dim[1] * how->dim[2] : 1);
	assert_ok(r->ctx, sf_graph_new(r->ctx, 1, &r->g));
	build(r);
	ck_assert_int_eq(sf_param_total(r->g), r->total);
	r->params = calloc((size_t)r->total, sizeof *r->params);
	noise = calloc((size_t)r->total, sizeof *noise);
	ck_assert(r->params && noise);
	sf_param_init(r->g, 1, SF_F64, r->params);
	vae_normals(r->ctx, 77, r->total, noise);
	for (i = 0; i < sf_param_count(r->g); i++) {
		const sf_param_info *p = sf_param_get(r->g, i);

		for (j = p->offset; j < p->offset + p->shape.size; j++)
			r->params[j] += spread * noise[j];
	}
	free(noise);
}

void vae_close(vae_rig *r)
{
	free(r->params);
	sf_graph_free(r->g);
	sf_vae_free(r->v);
	sf_ctx_free(r->ctx);
}

const sf_param_info *vae_param(const vae_rig *r, const char *name)
{
	int i;

	for (i = 0; i < sf_param_count(r->g); i++)
		if (strcmp(sf_param_get(r->g, i)->name, name) == 0)
			return sf_param_get(r->g, i);
	ck_abort_msg("no parameter '%s'", name);
	return NULL;
}

static void *converted(sf_dtype type, int64_t n, const double *from)
{
	size_t e = type == SF_F32 ? sizeof(float) : sizeof(double);
	void *p = calloc((size_t)n + 1, e);
	int64_t i;

	ck_assert(p != NULL);
	for (i = 0; from && i < n; i++) {
		if (type == SF_F32)
			((float *)p)[i] = (float)from[i];
		else
			((double *)p)[i] = from[i];
	}
	return p;
}

void vae_run(vae_rig *r, sf_dtype type, const sf_var *var, int nvar, int64_t n, const double *x, const double *e, double **out)
{
	void *px = converted(type, n * r->size, x), *pe = converted(type, n * r->latent, e);
	void *params = converted(type, r->total, r->params), *result[32];
	sf_plan *plan;
	sf_run run;
	int64_t j;
	int i;

	ck_assert(nvar <= 32);
	assert_ok(r->ctx, sf_plan_new(r->g, var, nvar, type, n, &plan));
	sf_plan_bind(plan, r->x, px); /* may be none of the plan's */
	sf_plan_bind(plan, r->e, pe);
	sf_plan_bind_params(plan, params);
	memset(&run, 0, sizeof run);
	run.n = n;
	run.shards = 1;
	for (i = 0; i < nvar; i++) {
		sf_shape s = sf_shape_of(r->g, var[i]);

		result[i] = converted(type, s.size * (s.per_sample ? n : 1), NULL);
		assert_ok(r->ctx, sf_plan_output(plan, i, result[i]));
	}
	assert_ok(r->ctx, sf_plan_run(plan, &run));
	for (i = 0; i < nvar; i++) {
		sf_shape s = sf_shape_of(r->g, var[i]);

		for (j = 0; j < s.size * (s.per_sample ? n : 1); j++)
			out[i][j] = type == SF_F32 ? (double)((float *)result[i])[j] : ((double *)result[i])[j];
		free(result[i]);
	}
	sf_plan_free(plan);
	free(px);
	free(pe);
	free(params);
}

double vae_one(vae_rig *r, sf_var var, const double *x, const double *e)
{
	double value, *out = &value;

	ck_assert_int_eq(sf_shape_of(r->g, var).size, 1);
	vae_run(r, SF_F64, &var, 1, 1, x, e, &out);
	return value;
}

/* The value of `out` (the gradients' plan: of all parameters) for the parameters as they are. */
static void again(sf_ctx *ctx, sf_plan *plan)
{
	sf_run run;

	memset(&run, 0, sizeof run);
	run.n = run.shards = 1;
	assert_ok(ctx, sf_plan_run(plan, &run));
}

static sf_plan *planned(sf_ctx *ctx, sf_graph *g, const sf_var *out, int n, int nin, const sf_var *in, const double *const *data,
                        const double *params)
{
	sf_plan *plan;
	int i;

	assert_ok(ctx, sf_plan_new(g, out, n, SF_F64, 1, &plan));
	for (i = 0; i < nin; i++)
		sf_plan_bind(plan, in[i], data[i]);
	assert_ok(ctx, sf_plan_bind_params(plan, params));
	return plan;
}

void graph_differences(sf_ctx *ctx, sf_graph *g, sf_var loss, int nin, const sf_var *in, const double *const *data, double *params,
                       double rtol)
{
	const double h = 1e-5;
	int n = sf_param_count(g), i;
	sf_var *var = calloc((size_t)n, sizeof *var), *dvar = calloc((size_t)n, sizeof *dvar);
	double *grad = calloc((size_t)sf_param_total(g), sizeof *grad), *dir = calloc((size_t)sf_param_total(g), sizeof *dir);
	double value, up, down, dot;
	sf_plan *plan;
	int64_t j;

	ck_assert(var && dvar && grad && dir);
	for (i = 0; i < n; i++)
		var[i] = sf_param_get(g, i)->var;
	assert_ok(ctx, sf_grad(g, loss, var, n, dvar));
	plan = planned(ctx, g, dvar, n, nin, in, data, params);
	for (i = 0; i < n; i++)
		assert_ok(ctx, sf_plan_output(plan, i, grad + sf_param_get(g, i)->offset));
	again(ctx, plan);
	sf_plan_free(plan);
	plan = planned(ctx, g, &loss, 1, nin, in, data, params);
	assert_ok(ctx, sf_plan_output(plan, 0, &value));
	vae_normals(ctx, 100, sf_param_total(g), dir);
	for (i = 0; i < n; i++) {
		const sf_param_info *p = sf_param_get(g, i);
		int64_t end = p->offset + p->shape.size;

		for (j = p->offset; j < end; j++)
			params[j] += h * dir[j];
		again(ctx, plan);
		up = value;
		for (j = p->offset; j < end; j++)
			params[j] -= 2 * h * dir[j];
		again(ctx, plan);
		down = value;
		for (dot = 0, j = p->offset; j < end; j++) {
			params[j] += h * dir[j];
			dot += grad[j] * dir[j];
		}
		ck_assert_msg(sf_close(dot, (up - down) / (2 * h), rtol, 1e-7), "%s: gradient %.12g, differences %.12g", p->name, dot,
		              (up - down) / (2 * h));
	}
	sf_plan_free(plan);
	free(var);
	free(dvar);
	free(grad);
	free(dir);
}
