/* model_case.c: a model from specs, for the tests of networks and of their scores.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "model_case.h"

#include "support.h"

#include <string.h>

sf_model make_model(sf_ctx *ctx, const char *net, const char *process, const char *param, int rank,
                           const int64_t *dim, int classes)
{
	sf_model m;
	sf_net *n;
	sf_process *p;
	int i;

	memset(&m, 0, sizeof m);
	assert_ok(ctx, sf_net_new(ctx, net, &n));
	assert_ok(ctx, sf_process_new(ctx, process, &p));
	assert_ok(ctx, sf_param_find(ctx, param, &m.param));
	m.ctx = ctx;
	m.net = n;
	m.process = p;
	m.sigma_data = .5;
	m.rank = rank;
	m.size = 1;
	for (i = 0; i < rank; i++)
		m.size *= m.dim[i] = dim[i];
	m.classes = classes;
	return m;
}

void free_model(sf_model *m)
{
	const void *net = m->net, *process = m->process;
	union { const void *c; void *v; } u;

	u.c = net;
	sf_net_free(u.v);
	u.c = process;
	sf_process_free(u.v);
}
