/* objective_parts.h: a model with an objective made from specs, its batches, and its loss graph run in double, for
 * check_objective.c and check_draw.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_OBJECTIVE_PARTS_H
#define SF_TEST_OBJECTIVE_PARTS_H

#include "support.h"

#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Owns what a model points at. */
typedef struct parts {
	sf_ctx *ctx;
	sf_net *net;
	sf_process *process;
	sf_objective *o;
	sf_model m;
} parts;

static inline void open_parts(parts *p, const char *net, const char *process, const char *param, const char *objective,
                       int rank, const int64_t *dim)
{
	int i;

	memset(p, 0, sizeof *p);
	p->ctx = ck_ctx();
	assert_ok(p->ctx, sf_net_new(p->ctx, net, &p->net));
	assert_ok(p->ctx, sf_process_new(p->ctx, process, &p->process));
	assert_ok(p->ctx, sf_objective_new(p->ctx, objective, &p->o));
	assert_ok(p->ctx, sf_param_find(p->ctx, param, &p->m.param));
	p->m.ctx = p->ctx;
	p->m.net = p->net;
	p->m.process = p->process;
	p->m.sigma_data = .5;
	p->m.type = SF_F64;
	p->m.rank = rank;
	p->m.size = 1;
	for (i = 0; i < rank; i++)
		p->m.size *= p->m.dim[i] = dim[i];
	assert_ok(p->ctx, sf_objective_accepts(p->o, &p->m));
}

static inline void close_parts(parts *p)
{
	sf_objective_free(p->o);
	sf_net_free(p->net);
	sf_process_free(p->process);
	sf_ctx_free(p->ctx);
}

enum { N = 24, W = 2 };
typedef struct batch {
	sf_draw d;
	double t[N], weight[N], xt[N * W], z[N * W], extra[2][N], x0[N * W];
	sf_coef coef[N];
} batch;

static inline void draw_batch(parts *p, batch *b, uint32_t step)
{
	int i;

	memset(b, 0, sizeof *b);
	for (i = 0; i < N * W; i++)
		b->x0[i] = sin(1.3 * i);
	b->d.n = N;
	b->d.size = W;
	b->d.seed = 11;
	b->d.step = step;
	b->d.x0 = b->x0;
	b->d.t = b->t;
	b->d.coef = b->coef;
	b->d.weight = b->weight;
	b->d.xt = b->xt;
	b->d.z = b->z;
	b->d.extra[0] = b->extra[0];
	b->d.extra[1] = b->extra[1];
	assert_ok(p->ctx, sf_objective_draw(p->o, &p->m, &b->d));
}

static const int64_t plane[] = {W};
#define MLP "mlp:width=12,depth=2,embed-width=8"

#endif
