/* model.c: eps(x,t) = e_x x + e_f F(c_in x; c_noise) appended to a graph, and the checks that a network, a process
 * and a data shape make a model together.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/net.h>

#include "core/core.h"

int sf_model_check(const sf_model *m)
{
	const sf_process *p = m->process;
	int64_t size = 1;
	int i;

	SF_TRY(sf_net_accepts(m->net, m->rank, m->dim));
	for (i = 0; i < m->rank; i++)
		if (sf_mul_i64(size, m->dim[i], &size) < 0)
			return sf_fail(m->ctx, SF_ERANGE, "a sample has too many numbers");
	if (size != m->size)
		return sf_fail(m->ctx, SF_EINVAL, "the model's size is %lld, its dimensions give %lld",
		               (long long)m->size, (long long)size);
	if (sf_process_blocks(p) != 1 || !sf_process_linear(p))
		return sf_fail(m->ctx, SF_EUNSUP, "process '%s' has no x_t = alpha x_0 + sigma z, which a "
		               "model of one noise is made of", sf_process_name(p));
	if (m->param < SF_PARAM_EPS || m->param > SF_PARAM_EDM)
		return sf_fail(m->ctx, SF_EINVAL, "unknown parametrisation %d", m->param);
	if (m->param == SF_PARAM_EDM && !(m->sigma_data > 0))
		return sf_fail(m->ctx, SF_ERANGE, "parametrisation 'edm' needs sigma-data > 0, it is %g",
		               m->sigma_data);
	if (m->classes < 0)
		return sf_fail(m->ctx, SF_ERANGE, "a model of %d classes", m->classes);
	return SF_OK;
}

void sf_model_vars_init(sf_model_vars *v)
{
	v->x = v->c_in = v->c_noise = v->e_x = v->e_f = v->label = v->eps = SF_NOVAR;
}

static void scalar(sf_graph *g, const char *name, sf_var *v)
{
	if (*v == SF_NOVAR)
		*v = sf_input(g, name, 1, 0, NULL);
}

int sf_model_build(const sf_model *m, sf_graph *g, int train, sf_model_vars *v)
{
	sf_net_io io;

	if (v->x == SF_NOVAR)
		v->x = sf_input(g, "xt", 1, m->rank, m->dim);
	scalar(g, "c_in", &v->c_in);
	scalar(g, "c_noise", &v->c_noise);
	scalar(g, "e_x", &v->e_x);
	scalar(g, "e_f", &v->e_f);
	if (m->classes > 0)
		scalar(g, "label", &v->label);
	io.x = sf_mul(g, v->x, v->c_in);
	io.cond = v->c_noise;
	io.label = m->classes > 0 ? v->label : SF_NOVAR;
	io.classes = m->classes;
	io.out_channels = 0;
	io.train = train;
	v->eps = sf_add(g, sf_mul(g, v->x, v->e_x), sf_mul(g, sf_net_build(m->net, g, &io), v->e_f));
	return sf_graph_status(g);
}

int sf_model_params(const sf_model *m, int64_t *trainable, int64_t *total)
{
	sf_model_vars v;
	sf_graph *g;
	int i, rc;

	SF_TRY(sf_graph_new(m->ctx, 1, &g));
	sf_model_vars_init(&v);
	rc = sf_model_build(m, g, 0, &v);
	*trainable = 0;
	for (i = 0; rc == 0 && i < sf_param_count(g); i++)
		*trainable += sf_param_get(g, i)->shape.size;
	*total = sf_param_total(g);
	sf_graph_free(g);
	return rc;
}
