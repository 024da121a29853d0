/* check_fuse_nets.c: every score network of the registry gives the same loss and gradients, byte for byte, with and
 * without what the planner fuses, and needs no more memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "recompute_rig.h"

#include <scorefield/net.h>
#include <scorefield/objective.h>

#include <stdio.h>
#include <string.h>

typedef struct network {
	const char *name, *spec; /* NULL: not a score network */
	const char *process, *objective;
	int rank, fewer;         /* steps that fusion must save at least; at least one where cheap ones are computed again */
} network;

static const network networks[] = {
	{"affine", "affine", "vp", "dsm", 1, 1},
	{"mlp", "mlp:width=24,depth=3,embed-width=8", "vp", "dsm", 1, 8}, /* embed, 3 layers, 3 of time, out */
	{"mlp", "mlp:width=24,depth=3,embed=none,residual=true", "vp", "dsm", 1, 4},
	{"mlp", "mlp:width=12,depth=2,embed-width=8", "vp", "ssm", 1, 4},
	{"mlp", "mlp:width=12,depth=2,embed-width=8", "cld", "hsm", 1, 4},
	{"unet", "unet:width=16,mult=1:2,blocks=1,attn=4,attn-up=each,resample=conv,init-scale=1", "vp", "dsm", 3, 8},
	{"ddpm", "ddpm:width=32,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3, 4},
	{"ddpmpp", "ddpmpp:width=16,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3, 4},
	{"ncsnpp", "ncsnpp:width=16,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3, 4},
	{"songunet", "songunet:width=16,mult=1:2,blocks=1,attn=8", "vp", "dsm", 3, 4},
	{"ncsn", "ncsn:width=8,levels=5", "vp", "dsm", 3, 0},
	{"ncsnv2", "ncsnv2:width=8", "vp", "dsm", 3, 0},
	{"nvae-encoder", NULL, NULL, NULL, 0, 0},
	{"nvae-decoder", NULL, NULL, NULL, 0, 0},
};
enum { NETWORKS = sizeof networks / sizeof *networks };

static void build_loss(built *b, sf_ctx *ctx, const sf_objective *o, const sf_model *m, int plain, int level)
{
	sf_var wrt[OUTPUTS];
	sf_loss l;
	int i, n;

	assert_ok(ctx, sf_graph_new(ctx, sf_objective_order(o, m), &b->g));
	b->g->plain = plain;
	sf_graph_recompute(b->g, level);
	assert_ok(ctx, sf_objective_build(o, m, b->g, 1, &l));
	n = sf_param_count(b->g);
	ck_assert_int_lt(n, OUTPUTS);
	for (i = 0; i < n; i++)
		wrt[i] = sf_param_get(b->g, i)->var;
	b->out[0] = l.loss;
	assert_ok(ctx, sf_grad(b->g, l.loss, wrt, n, b->out + 1));
	b->n = 1 + n;
}

static void compare(sf_ctx *ctx, const network *c, const sf_objective *o, const sf_model *m, int level)
{
	built plain = {0}, fused = {0};
	sf_plan_info a, b;
	char what[300];
	int k;

	snprintf(what, sizeof what, "%s, %s, level %d", c->spec, c->objective, level);
	build_loss(&plain, ctx, o, m, 1, level);
	build_loss(&fused, ctx, o, m, 0, level);
	a = measure(&plain);
	b = measure(&fused);
	ck_assert_msg(a.nodes - b.nodes >= (level == SF_RECOMPUTE_NONE ? c->fewer : 1),
	              "%s: %d of %d nodes run", what, b.nodes, a.nodes);
	ck_assert_msg(b.arena_bytes <= a.arena_bytes && b.shared_bytes == a.shared_bytes && b.shard_bytes == a.shard_bytes,
	              "%s: %lld bytes, %lld without", what, (long long)b.arena_bytes, (long long)a.arena_bytes);
	ck_assert_double_eq(a.flops, b.flops);
	for (k = 0; k < SF_ISA_COUNT; k++)
		if (sf_isa_usable(k) && (k != SF_ISA_REF || c->rank == 1)) {
			assert_ok(ctx, sf_ctx_set_isa(ctx, sf_isa_name(k)));
			same_bytes(&plain, &fused, what);
		}
	sf_graph_free(plain.g);
	sf_graph_free(fused.g);
}

START_TEST(bytes)
{
	static const int64_t vector[] = {2}, image[] = {8, 8, 1};
	const network *c = &networks[_i];
	sf_ctx *ctx = ck_ctx();
	sf_objective *o = NULL;
	sf_process *process = NULL;
	sf_net *net = NULL;
	sf_model m;
	int i;

	if (!c->spec)
		goto done;
	memset(&m, 0, sizeof m);
	assert_ok(ctx, sf_net_new(ctx, c->spec, &net));
	assert_ok(ctx, sf_process_new(ctx, c->process, &process));
	assert_ok(ctx, sf_objective_new(ctx, c->objective, &o));
	assert_ok(ctx, sf_param_find(ctx, "eps", &m.param));
	m.ctx = ctx;
	m.net = net;
	m.process = process;
	m.sigma_data = .5;
	m.type = SF_F64;
	m.rank = c->rank;
	m.size = 1;
	for (i = 0; i < m.rank; i++)
		m.size *= m.dim[i] = m.rank == 1 ? vector[i] : image[i];
	compare(ctx, c, o, &m, SF_RECOMPUTE_NONE);
	if (m.rank == 1 || strcmp(c->name, "unet") == 0) {
		compare(ctx, c, o, &m, SF_RECOMPUTE_BLOCKS);
		compare(ctx, c, o, &m, SF_RECOMPUTE_CHEAP);
	}
done:
	sf_objective_free(o);
	sf_process_free(process);
	sf_net_free(net);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(complete)
{
	const sf_class *const *c;
	int i;

	for (c = sf_members("net"); *c; c++) {
		const void *record = *c; /* the head is its first member */

		if (((const sf_net_class *)record)->codec)
			continue; /* no score: check_nvae */
		for (i = 0; i < NETWORKS && strcmp(networks[i].name, (*c)->name) != 0; i++)
			;
		ck_assert_msg(i < NETWORKS, "net '%s' has no row in this test", (*c)->name);
	}
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("fuse_nets");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, bytes, 0, NETWORKS);
	tcase_add_test(t, complete);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return sf_test_main(suite());
}
