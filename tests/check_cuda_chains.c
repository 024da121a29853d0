/* check_cuda_chains.c: chains of elementwise nodes on the device, interpreted and compiled, against the naive loops in double: operands
 * that repeat in every way, all mixtures of types, random graphs, the planner's graphs and a network's training.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "chain_rig.h"

#include <scorefield/net.h>
#include <scorefield/objective.h>

#include <stdio.h>
#include <string.h>

static sf_var leaf(sf_graph *g, int per_sample, int rank, const int64_t *dim)
{
	char name[32];

	snprintf(name, sizeof name, "leaf%d", sf_graph_nodes(g));
	if (!per_sample && sf_graph_nodes(g) % 2) {
		const sf_init init = {SF_INIT_UNIFORM_IN, 1, 1, 1};

		return sf_param(g, name, rank, dim, init);
	}
	return sf_input(g, name, per_sample, rank, dim);
}

/* All subsets of four dimensions that an operand may have, shared and per sample, on both sides. */
static int64_t whole[4];
static int views(sf_graph *g, sf_var *out)
{
	sf_var x = leaf(g, 1, 4, whole), y = x;
	int set, k, n = 0;

	for (set = 0; set < 32; set++) {
		int64_t dim[4];
		sf_var a;

		for (k = 0; k < 4; k++)
			dim[k] = set >> k & 1 ? whole[k] : 1;
		a = leaf(g, set >> 4, 4, dim);
		y = sf_sub(g, a, sf_scale(g, y, .5));
		y = sf_add(g, sf_tanh(g, y), sf_mul(g, x, a));
		if (set % 4 == 3)
			out[n++] = y;
	}
	return n;
}

START_TEST(check_views)
{
	static const int64_t shapes[][4] = {{2, 3, 5, 7}, {3, 2, 4, 8}, {5, 3, 16, 1}, {1, 1, 1, 24}, {2, 8, 3, 5}, {1, 1, 1, 1}, {64, 1, 3, 16}};
	const plan_case c = {"views", 1, views};

	memcpy(whole, shapes[_i], sizeof whole);
	rig_try(&c, 1 + _i % 3 * 3, SF_DEVICE_STRICT, SAME | CLOSE);
	rig_try(&c, 4 - _i % 3, SF_DEVICE_BF16, SAME | CLOSE);
}
END_TEST

/* Chains of several sizes, between which values lie in memory: float or bf16, random leaves among them. */
static int mixtures(sf_graph *g, sf_var *out)
{
	static const int64_t row[2] = {1, 24}, map[2] = {5, 24}, box[3] = {3, 5, 24}, odd[3] = {3, 5, 1};
	sf_var z = sf_random(g, 'n', 1, 2, map), u = sf_random(g, 'u', 2, 2, row), r = sf_random(g, 'r', 3, 3, odd);
	sf_var x = leaf(g, 1, 2, row), y, w = leaf(g, 0, 3, box), b;
	int n = 0;

	x = sf_silu(g, sf_add(g, x, u));
	y = sf_add(g, sf_mul(g, z, x), sf_exp(g, x));
	out[n++] = y;
	y = sf_sigmoid(g, sf_scale(g, y, -3));
	b = sf_mul(g, y, r);
	out[n++] = sf_add(g, sf_mul(g, w, y), b);
	out[n++] = sf_softplus(g, sf_sub(g, b, y));
	out[n++] = sf_square(g, sf_sub(g, w, leaf(g, 0, 3, odd)));
	out[n++] = sf_broadcast_to(g, sf_reshape(g, x, 3, (int64_t[]){1, 1, 24}), 1, 3, box);
	out[n++] = sf_relu(g, r);
	return n;
}

/* More values that are read again than there are slots, all of them in memory too. */
static int many(sf_graph *g, sf_var *out)
{
	static const int64_t dim = 40;
	sf_var x = leaf(g, 1, 1, &dim), sum = x;
	int i;

	for (i = 0; i < 19; i++)
		out[i] = sf_sin(g, sf_scale(g, x, i + 1));
	for (i = 0; i < 19; i++)
		sum = sf_add(g, sf_mul(g, sum, out[i]), out[18 - i]);
	out[19] = sum;
	return 20;
}

/* The derivative of SiLU kept in place of its operand. */
static int slopes(sf_graph *g, sf_var *out)
{
	static const int64_t dim[2] = {3, 16};
	sf_var x = leaf(g, 1, 2, dim), v = leaf(g, 1, 2, dim), y = x;
	int i;

	for (i = 0; i < 3; i++)
		y = sf_silu(g, sf_add(g, sf_scale(g, y, 3), v));
	out[0] = y;
	out[1] = sf_jvp(g, y, x, sf_tanh(g, v));
	return 2;
}

/* Random graphs of maps. */
static uint64_t seed;
static int dice(int sides)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (int)((seed >> 33) % (unsigned)sides);
}

static int jungle(sf_graph *g, sf_var *out)
{
	static const int64_t size[3][3] = {{4, 3, 8}, {2, 5, 7}, {3, 16, 1}};
	const int64_t *d = size[dice(3)];
	sf_var pool[64];
	int n = 0, nout = 0, k;

	while (n < 6) {
		int64_t dim[3];

		for (k = 0; k < 3; k++)
			dim[k] = n == 0 || dice(2) ? d[k] : 1;
		pool[n] = n == 3 ? sf_random(g, 'u', 5, 3, dim) : leaf(g, n == 0 || dice(2), 3, dim);
		n++;
	}
	while (n < 60) {
		const sf_var a = pool[dice(3) ? n - 1 - dice(6) : dice(n)], b = pool[dice(n)];
		sf_var y;

		switch (dice(12)) {
		case 0: y = sf_sin(g, sf_scale(g, a, 1.3)); break;
		case 1: y = sf_silu(g, a); break;
		case 2: y = sf_sigmoid(g, sf_offset(g, a, -.2)); break;
		case 3: y = sf_softplus(g, sf_neg(g, a)); break;
		case 4: y = sf_elu(g, a); break;
		case 5: y = sf_tanh(g, sf_add(g, a, b)); break;
		case 6: y = sf_tanh(g, sf_mul(g, a, b)); break;
		case 7: y = sf_div(g, a, sf_offset(g, sf_square(g, b), 2)); break;
		case 8: y = sf_jvp(g, sf_silu(g, a), a, sf_cos(g, a)); break;
		case 9: y = sf_exp(g, sf_neg(g, sf_square(g, a))); break;
		case 10: y = sf_sqrt(g, sf_offset(g, sf_square(g, sf_sub(g, a, b)), .5)); break;
		default: y = sf_tanh(g, sf_sub(g, a, b)); break;
		}
		pool[n++] = y;
		if (dice(5) == 0 && nout < PLAN_OUT - 1)
			out[nout++] = y;
	}
	out[nout++] = pool[n - 1];
	return nout;
}

static const plan_case own_cases[] = {{"mixtures", 1, mixtures}, {"many", 1, many}, {"slopes", 1, slopes}};

START_TEST(check_own)
{
	int precision;

	for (precision = 0; precision < 3; precision += 2) {
		rig_try(&own_cases[_i], 5, precision, SAME | CLOSE);
		rig_try(&own_cases[_i], 1, precision, SAME | CLOSE);
	}
}
END_TEST

START_TEST(check_jungle)
{
	const plan_case c = {"jungle", 1 + _i % 3 % 2, jungle};
	const int precision = _i % 2 ? SF_DEVICE_BF16 : SF_DEVICE_STRICT;

	seed = (uint64_t)_i;
	rig_try(&c, 4, precision, SAME | CLOSE);
}
END_TEST

START_TEST(check_table)
{
	rig_try(&plan_cases[_i], SAMPLES, SF_DEVICE_STRICT, SAME | CLOSE);
	rig_try(&plan_cases[_i], SAMPLES, SF_DEVICE_BF16, SAME); /* check_cuda_ops looks at how close */
}
END_TEST

/* A small DDPM++ under DSM: the loss and some of its gradients. */
static int training(sf_graph *g, sf_var *out)
{
	enum { MOST = 400 };
	sf_var wrt[MOST], d[MOST];
	sf_process *process;
	sf_objective *o;
	sf_model m;
	sf_net *net;
	sf_loss l;
	int i, n, nout = 1;

	memset(&m, 0, sizeof m);
	assert_ok(g->ctx, sf_net_new(g->ctx, "songunet:width=8,mult=1:2,blocks=1,attn=4,groups=4", &net));
	assert_ok(g->ctx, sf_process_new(g->ctx, "vp", &process));
	assert_ok(g->ctx, sf_objective_new(g->ctx, "dsm", &o));
	assert_ok(g->ctx, sf_param_find(g->ctx, "eps", &m.param));
	m.ctx = g->ctx;
	m.net = net;
	m.process = process;
	m.sigma_data = .5;
	m.type = SF_F32;
	m.rank = 3;
	m.dim[0] = m.dim[1] = 8;
	m.dim[2] = 3;
	m.size = 192;
	assert_ok(g->ctx, sf_objective_build(o, &m, g, 1, &l));
	n = sf_param_count(g);
	ck_assert_int_lt(n, MOST);
	for (i = 0; i < n; i++)
		wrt[i] = sf_param_get(g, i)->var;
	assert_ok(g->ctx, sf_grad(g, l.loss, wrt, n, d));
	out[0] = l.loss;
	for (i = 0; i < n; i += n / 30 + 1)
		out[nout++] = d[i];
	sf_objective_free(o);
	sf_process_free(process);
	sf_net_free(net);
	return nout;
}

START_TEST(check_training)
{
	const plan_case c = {"training", 1, training};

	rig_try(&c, 2, SF_DEVICE_STRICT, SAME | CLOSE);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cuda_chains");
	TCase *t = tcase_create("chains");

	tcase_add_loop_test(t, check_views, 0, 7);
	tcase_add_loop_test(t, check_own, 0, 3);
	tcase_add_loop_test(t, check_jungle, 0, 12);
	tcase_add_loop_test(t, check_table, 0, plan_case_count);
	tcase_add_test(t, check_training);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
