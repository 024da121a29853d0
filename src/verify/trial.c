/* trial.c: see trial.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "verify/trial.h"

#include <math.h>
#include <string.h>

static int open_parts(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *objective,
                      sf_trial *r)
{
	sf_model_vars v;
	sf_graph *g;
	int rc, i;

	SF_TRY(sf_net_new(ctx, net, &r->net));
	SF_TRY(sf_process_new(ctx, process, &r->process));
	SF_TRY(sf_objective_new(ctx, objective, &r->objective));
	SF_TRY(sf_param_find(ctx, param, &r->m.param));
	r->m.ctx = ctx;
	r->m.net = r->net;
	r->m.process = r->process;
	r->m.sigma_data = .5;
	r->m.rank = 1;
	r->m.size = r->m.dim[0] = SF_TRIAL_D;
	SF_TRY(sf_objective_accepts(r->objective, &r->m));
	r->d.n = SF_TRIAL_N;
	r->d.size = SF_TRIAL_D;
	r->d.seed = 1;
	r->d.x0 = r->x0;
	r->d.t = r->t;
	r->d.coef = r->coef;
	r->d.weight = r->weight;
	r->d.xt = r->xt;
	r->d.z = r->z;
	for (i = 0; i < SF_OBJECTIVE_EXTRA; i++)
		r->d.extra[i] = r->extra[i];
	for (i = 0; i < SF_TRIAL_N * SF_TRIAL_D; i++)
		r->x0[i] = 1.5 * sin(1.1 * i + .2);

	SF_TRY(sf_graph_new(ctx, 1, &g));
	sf_model_vars_init(&v);
	rc = sf_model_build(&r->m, g, 0, &v);
	r->total = sf_param_total(g);
	if (rc == 0 && r->total > SF_TRIAL_PARAMS)
		rc = sf_fail(ctx, SF_ERANGE, "check: network '%s' is too large", net);
	if (rc == 0)
		sf_param_init(g, 2, SF_F64, r->param);
	sf_graph_free(g);
	return rc;
}

int sf_trial_open(sf_ctx *ctx, const char *net, const char *process, const char *param, const char *objective,
                  sf_trial **trial)
{
	int rc;

	*trial = sf_alloc(1, sizeof **trial);
	if (!*trial)
		return sf_fail(ctx, SF_ENOMEM, "check: out of memory");
	rc = open_parts(ctx, net, process, param, objective, *trial);
	if (rc < 0) {
		sf_trial_close(*trial);
		*trial = NULL;
	}
	return rc;
}

void sf_trial_close(sf_trial *r)
{
	if (!r)
		return;
	sf_objective_free(r->objective);
	sf_process_free(r->process);
	sf_net_free(r->net);
	sf_free(r);
}

int sf_trial_draw(sf_trial *r, uint32_t step)
{
	r->d.step = step;
	return sf_objective_draw(r->objective, &r->m, &r->d);
}

enum { INPUTS = 9, PARAMS_MAX = 64 };

static int run(sf_trial *r, sf_graph *g, sf_plan **plan)
{
	double scalar[4][SF_TRIAL_N];
	const double *from[INPUTS];
	sf_var var[INPUTS], out[PARAMS_MAX + 1], wrt[PARAMS_MAX];
	int i, np;
	sf_run how;
	sf_loss l;

	SF_TRY(sf_objective_build(r->objective, &r->m, g, 0, &l));
	np = sf_param_count(g);
	if (np > PARAMS_MAX)
		return sf_fail(r->m.ctx, SF_ERANGE, "check: the network has %d parameters", np);
	for (i = 0; i < np; i++)
		wrt[i] = sf_param_get(g, i)->var;
	out[0] = l.loss;
	SF_TRY(sf_grad(g, l.loss, wrt, np, out + 1));
	SF_TRY(sf_plan_new(g, out, np + 1, SF_F64, SF_TRIAL_N, plan));
	for (i = 0; i < r->d.n; i++) {
		scalar[0][i] = r->coef[i].c_in;
		scalar[1][i] = r->coef[i].c_noise;
		scalar[2][i] = r->coef[i].e_x;
		scalar[3][i] = r->coef[i].e_f;
	}
	var[0] = l.v.x, from[0] = r->xt;
	var[1] = l.z, from[1] = r->z;
	var[2] = l.weight, from[2] = r->weight;
	var[3] = l.v.c_in, from[3] = scalar[0];
	var[4] = l.v.c_noise, from[4] = scalar[1];
	var[5] = l.v.e_x, from[5] = scalar[2];
	var[6] = l.v.e_f, from[6] = scalar[3];
	var[7] = l.extra[0], from[7] = r->extra[0];
	var[8] = l.extra[1], from[8] = r->extra[1];
	for (i = 0; i < INPUTS; i++)
		if (var[i] != SF_NOVAR)
			SF_TRY(sf_plan_bind(*plan, var[i], from[i]));
	SF_TRY(sf_plan_bind_params(*plan, r->param));
	SF_TRY(sf_plan_output(*plan, 0, r->loss));
	for (i = 0; i < np; i++)
		SF_TRY(sf_plan_output(*plan, i + 1, r->grad + sf_param_get(g, i)->offset));
	memset(&how, 0, sizeof how);
	how.n = r->d.n;
	return sf_plan_run(*plan, &how);
}

int sf_trial_run(sf_trial *r)
{
	sf_plan *plan = NULL;
	sf_graph *g;
	int rc;

	SF_TRY(sf_graph_new(r->m.ctx, sf_objective_order(r->objective), &g));
	memset(r->grad, 0, sizeof r->grad);
	rc = run(r, g, &plan);
	sf_plan_free(plan);
	sf_graph_free(g);
	return rc;
}
