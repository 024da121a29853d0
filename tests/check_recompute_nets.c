/* check_recompute_nets.c: networks under every objective give the bytes that they give without recomputation; what full
 * networks need.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "recompute_rig.h"

#include <scorefield/net.h>
#include <scorefield/objective.h>

#include <stdio.h>
#include <string.h>

static void build_loss(built *b, sf_ctx *ctx, const sf_objective *o, const sf_model *m, int level)
{
	sf_var wrt[OUTPUTS];
	sf_loss l;
	int i, n;

	assert_ok(ctx, sf_graph_new(ctx, sf_objective_order(o, m), &b->g));
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

typedef struct subject {
	sf_ctx *ctx;
	sf_objective *o;
	sf_process *process;
	sf_net *net;
	sf_model m;
} subject;

static void open_subject(subject *s, const char *net, const char *process, const char *param, const char *objective, int rank,
                         const int64_t *dim)
{
	int i;

	memset(s, 0, sizeof *s);
	s->ctx = ck_ctx();
	assert_ok(s->ctx, sf_net_new(s->ctx, net, &s->net));
	assert_ok(s->ctx, sf_process_new(s->ctx, process, &s->process));
	assert_ok(s->ctx, sf_objective_new(s->ctx, objective, &s->o));
	assert_ok(s->ctx, sf_param_find(s->ctx, param, &s->m.param));
	s->m.ctx = s->ctx;
	s->m.net = s->net;
	s->m.process = s->process;
	s->m.sigma_data = .5;
	s->m.type = SF_F64;
	s->m.rank = rank;
	s->m.size = 1;
	for (i = 0; i < rank; i++)
		s->m.size *= s->m.dim[i] = dim[i];
}

static void close_subject(subject *s)
{
	sf_objective_free(s->o);
	sf_process_free(s->process);
	sf_net_free(s->net);
	sf_ctx_free(s->ctx);
}

/* `saves`: memory is below this share of what it is without; 0: not looked at. */
static int try_loss(const char *net, const char *process, const char *param, const char *objective, int rank,
                    const int64_t *dim, double saves)
{
	built plain = {0}, again = {0};
	char what[300];
	int ok, level;
	subject s;

	open_subject(&s, net, process, param, objective, rank, dim);
	ok = sf_objective_accepts(s.o, &s.m) == 0;
	if (ok)
		build_loss(&plain, s.ctx, s.o, &s.m, SF_RECOMPUTE_NONE);
	for (level = SF_RECOMPUTE_BLOCKS; ok && level <= SF_RECOMPUTE_CHEAP; level++) {
		snprintf(what, sizeof what, "%s, %s, %s, level %d", objective, net, process, level);
		build_loss(&again, s.ctx, s.o, &s.m, level);
		same_graph(&plain, &again);
		ck_assert_msg(check_copies(again.g) > 0, "%s: nothing is computed again", what);
		ck_assert_int_eq(check_copies(plain.g), 0);
		same_bytes(&plain, &again, what);
		if (saves > 0)
			ck_assert_msg((double)measure(&again).arena_bytes < saves * (double)measure(&plain).arena_bytes,
			              "%s: %lld bytes, %lld without", what, (long long)measure(&again).arena_bytes,
			              (long long)measure(&plain).arena_bytes);
		sf_graph_free(again.g);
	}
	if (ok)
		sf_graph_free(plain.g);
	close_subject(&s);
	return ok;
}

#define MLP "mlp:width=12,depth=4,embed-width=8,residual=true"
#define UNET "unet:width=8,mult=1:2,blocks=1,attn=4,dropout=.3,init-scale=1"
static const int64_t vector[] = {3}, image[] = {8, 8, 1};

START_TEST(objectives)
{
	static const char *const process[] = {"vp", "cld", "static"}, *const param[] = {"eps", "energy"};
	const sf_class *const *c = sf_members("objective");
	int i, k, done = 0;

	for (i = 0; i < 3; i++)
		for (k = 0; k < 2; k++)
			done += try_loss(MLP, process[i], param[k], c[_i]->name, 1, vector, 0);
	ck_assert_msg(done > 0, "%s: no case", c[_i]->name);
}
END_TEST

START_TEST(networks)
{
	static const char *const nets[] = {UNET, UNET ",attn-up=each,resample=conv"};
	int i;

	for (i = 0; i < 2; i++) {
		ck_assert(try_loss(nets[i], "vp", "eps", "dsm", 3, image, .8));
		ck_assert(try_loss(nets[i], "vp", "eps", "ssm", 3, image, 1));
		ck_assert(try_loss(nets[i], "vp", "energy", "dsm", 3, image, 1));
	}
}
END_TEST

/* ---- full size: planned, not run ---- */

static sf_plan_info full(const char *net, int64_t size, int level)
{
	int64_t dim[3] = {size, size, 3};
	built b = {0};
	sf_plan_info info;
	sf_plan *plan;
	subject s;

	open_subject(&s, net, "vp", "eps", "dsm", 3, dim);
	build_loss(&b, s.ctx, s.o, &s.m, level);
	assert_ok(s.ctx, sf_plan_layout(b.g, b.out, b.n, SF_F32, 1, &plan));
	sf_plan_describe(plan, &info);
	sf_plan_free(plan);
	sf_graph_free(b.g);
	close_subject(&s);
	return info;
}

/* A convolution has two gradients, each as much work as itself: the forward pass is a third, and blocks cost at most that
 * again. Only the maps between blocks and what one block needs remain in memory. */
START_TEST(cost)
{
	static const struct {
		const char *net;
		int64_t size;
		double blocks, cheap; /* of the memory for one image without */
	} cases[] = {{"ddpmpp:width=128,mult=1:2:2:2,blocks=4,attn=16,dropout=.1", 32, .5, .6},
	             {"ncsnpp:width=128,mult=1:2:2:2,blocks=8,attn=16,dropout=.1", 32, .5, .6},
	             {"ncsnpp:width=128,mult=1:1:2:2:2:2:2,blocks=2,attn=16", 256, .5, .6},
	             {"ncsnpp:width=16,mult=1:2:4:8:16:32:32:32,blocks=1,attn=16", 1024, .5, .6}};
	sf_plan_info none = full(cases[_i].net, cases[_i].size, SF_RECOMPUTE_NONE);
	sf_plan_info blocks = full(cases[_i].net, cases[_i].size, SF_RECOMPUTE_BLOCKS);
	sf_plan_info cheap = full(cases[_i].net, cases[_i].size, SF_RECOMPUTE_CHEAP);

	ck_assert(blocks.flops > none.flops && blocks.flops < 4. / 3 * none.flops);
	ck_assert(cheap.flops > none.flops && cheap.flops < 1.01 * none.flops);
	ck_assert((double)blocks.arena_bytes < cases[_i].blocks * (double)none.arena_bytes);
	ck_assert((double)cheap.arena_bytes < cases[_i].cheap * (double)none.arena_bytes);
	ck_assert_int_eq(blocks.shared_bytes, none.shared_bytes);
	ck_assert_int_eq(blocks.shard_bytes, none.shard_bytes);
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("recompute_nets");
	TCase *t = tcase_create("all");
	const sf_class *const *c = sf_members("objective");
	int n = 0;

	while (c[n])
		n++;
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, objectives, 0, n);
	tcase_add_test(t, networks);
	tcase_add_loop_test(t, cost, 0, 4);
	suite_add_tcase(s, t);
	return s;
}

int main(void)
{
	return sf_test_main(suite());
}
