/* check_profile.c: the profile of runs and of training steps: what is counted, that its parts are the whole, that nothing changes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include "train_rig.h"

#include <stdlib.h>
#include <string.h>

enum { N = 6, H = 8, C = 16 };

/* A plan whose work is known: a convolution, a product with shared weights, a chain, a group norm. */
typedef struct rig {
	sf_ctx *ctx;
	sf_graph *g;
	sf_plan *p;
	float *x, *w, *y;
	int64_t size;
} rig;

static void open_rig(rig *r, int threads)
{
	static const int64_t image[3] = {H, H, C}, kernel[4] = {3, 3, C, C}, rows[2] = {H * H, C}, square[2] = {C, C}, c[1] = {C};
	const sf_init init = {SF_INIT_NORMAL, .1, 0, 0};
	sf_noise key = {1, SF_NOISE_USER, 0};
	sf_var x, y;

	memset(r, 0, sizeof *r);
	r->ctx = ck_ctx();
	assert_ok(r->ctx, sf_ctx_set_threads(r->ctx, threads));
	assert_ok(r->ctx, sf_graph_new(r->ctx, 1, &r->g));
	x = sf_input(r->g, "x", 1, 3, image);
	y = sf_conv2d(r->g, x, sf_param(r->g, "w", 4, kernel, init), 1, 1);
	y = sf_group_norm(r->g, y, sf_param(r->g, "g", 1, c, init), sf_param(r->g, "b", 1, c, init), 4, 1e-5, SF_ACT_SILU);
	y = sf_matmul(r->g, sf_reshape(r->g, y, 2, rows), sf_param(r->g, "m", 2, square, init), 0, 0);
	y = sf_tanh(r->g, sf_scale(r->g, y, .5));
	assert_ok(r->ctx, sf_plan_new(r->g, &y, 1, SF_F32, 2, &r->p));
	r->size = H * H * C;
	r->x = sf_alloc((size_t)(N * r->size), sizeof *r->x);
	r->y = sf_alloc((size_t)(N * r->size), sizeof *r->y);
	r->w = sf_alloc((size_t)sf_param_total(r->g), sizeof *r->w);
	sf_noise_normal(r->ctx, key, 0, 0, (size_t)(N * r->size), r->x);
	sf_param_init(r->g, 1, SF_F32, r->w);
	assert_ok(r->ctx, sf_plan_bind(r->p, x, r->x));
	assert_ok(r->ctx, sf_plan_bind_params(r->p, r->w));
	assert_ok(r->ctx, sf_plan_output(r->p, 0, r->y));
}

static void close_rig(rig *r)
{
	sf_plan_free(r->p);
	sf_graph_free(r->g);
	sf_free(r->x);
	sf_free(r->y);
	sf_free(r->w);
	sf_ctx_free(r->ctx);
}

static void run_rig(rig *r)
{
	sf_run run;

	memset(&run, 0, sizeof run);
	run.n = N;
	assert_ok(r->ctx, sf_plan_run(r->p, &run));
}

START_TEST(work_is_counted)
{
	const double pixels = (double)N * H * H;
	int threads, k;

	for (threads = 1; threads <= 3; threads++) {
		sf_profile f;
		double calls = 0;
		rig r;

		memset(&f, 0, sizeof f);
		open_rig(&r, threads);
		assert_ok(r.ctx, sf_plan_profile(r.p, &f));
		run_rig(&r);
		run_rig(&r);
		/* two for each multiply-add, two runs of N samples */
		ck_assert(f.flops[SF_KIND_CONV] == 2 * 2 * pixels * 9 * C * C);
		ck_assert(f.flops[SF_KIND_MATMUL] == 2 * 2 * pixels * C * C);
		/* three shards a run; each reads its samples, writes its result, and reads the weights */
		ck_assert_int_eq((int)f.calls[SF_KIND_CONV], 2 * 3);
		ck_assert(f.bytes[SF_KIND_CONV] == 4 * 2 * (2 * pixels * C + 3 * 9 * C * C));
		ck_assert(f.bytes[SF_KIND_MATMUL] == 4 * 2 * (2 * pixels * C + 3 * C * C));
		ck_assert(f.bytes[SF_KIND_MAP] == 4 * 2 * 2 * pixels * C); /* what is between scale and tanh stays in a block */
		ck_assert_int_eq((int)f.calls[SF_KIND_NORM], 2 * 3);
		for (k = 0; k < SF_KINDS; k++) {
			ck_assert_ptr_nonnull(sf_kind_name(k));
			ck_assert(f.seconds[k] >= -1e-6);
			calls += (double)f.calls[k];
		}
		assert_ok(r.ctx, sf_plan_profile(r.p, NULL));
		run_rig(&r);
		for (k = 0; k < SF_KINDS; k++)
			calls -= (double)f.calls[k];
		ck_assert(calls == 0); /* no more counting */
		close_rig(&r);
	}
	ck_assert_ptr_null(sf_kind_name(SF_KINDS));
	ck_assert_ptr_null(sf_kind_name(-1));
}
END_TEST

START_TEST(bytes_do_not_change)
{
	int threads;

	for (threads = 1; threads <= 3; threads++) {
		float *before;
		sf_profile f;
		rig r;

		open_rig(&r, threads);
		run_rig(&r);
		before = sf_alloc((size_t)(N * r.size), sizeof *before);
		memcpy(before, r.y, (size_t)(N * r.size) * sizeof *before);
		memset(&f, 0, sizeof f);
		assert_ok(r.ctx, sf_plan_profile(r.p, &f));
		memset(r.y, 0, (size_t)(N * r.size) * sizeof *r.y);
		run_rig(&r);
		ck_assert(memcmp(before, r.y, (size_t)(N * r.size) * sizeof *before) == 0);
		sf_free(before);
		close_rig(&r);
	}
}
END_TEST

START_TEST(a_plan_without_memory_has_none)
{
	static const int64_t dim[1] = {3};
	sf_ctx *own = ck_ctx();
	sf_graph *g = NULL;
	sf_plan *p = NULL;
	sf_profile f;
	sf_var x, y;

	assert_ok(own, sf_graph_new(own, 1, &g));
	x = sf_input(g, "x", 1, 1, dim);
	y = sf_square(g, x);
	assert_ok(own, sf_plan_layout(g, &y, 1, SF_F32, 1, &p));
	ck_assert_int_eq(sf_plan_profile(p, &f), SF_EINVAL);
	sf_plan_free(p);
	sf_graph_free(g);
	sf_ctx_free(own);
}
END_TEST

/* The kinds of a training run add up to the wall time of its steps, measured from outside. */
static int last_step(void *user, const sf_progress *p)
{
	*(double *)user = p->seconds;
	return 0;
}

START_TEST(kinds_add_up_to_the_steps)
{
	sf_config *c = configured("train.batch=512 train.steps=100 train.log-every=100 train.checkpoint-every=0");
	sf_trainer *t = NULL;
	sf_profile f;
	double wall = 0, sum, known;

	memset(&f, 0, sizeof f);
	assert_ok(ctx, sf_ctx_set_threads(ctx, 1 + _i));
	assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
	assert_ok(ctx, sf_trainer_profile(t, &f));
	assert_ok(ctx, sf_trainer_run(t, last_step, &wall, NULL));
	sum = sf_profile_seconds(&f);
	known = sum - f.seconds[SF_KIND_OTHER];
	ck_assert_int_eq((int)f.calls[SF_KIND_OTHER], 100);
	ck_assert_int_eq((int)f.calls[SF_KIND_OPTIMISER], 100);
	ck_assert_msg(sum <= wall && sum > .7 * wall, "kinds take %g s of %g s", sum, wall); /* log and callback are outside */
	ck_assert_msg(known > .8 * sum, "%g s of %g s have a name", known, sum);
	ck_assert(f.seconds[SF_KIND_MATMUL] > 0 && f.seconds[SF_KIND_DRAW] > 0 && f.seconds[SF_KIND_DATA] > 0 &&
	          f.seconds[SF_KIND_OPTIMISER] > 0);
	sf_trainer_free(t);
	sf_config_free(c);
}
END_TEST

START_TEST(a_profiled_run_leaves_the_same_weights)
{
	unsigned char *param[2];
	size_t bytes = 0;
	int i;

	for (i = 0; i < 2; i++) {
		sf_config *c = configured("");
		sf_trainer *t = NULL;
		sf_profile f;

		memset(&f, 0, sizeof f);
		assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
		if (i)
			assert_ok(ctx, sf_trainer_profile(t, &f));
		assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
		bytes = (size_t)sf_trainer_state(t)->total * sizeof(float);
		param[i] = sf_alloc(bytes, 1);
		memcpy(param[i], sf_trainer_state(t)->param, bytes);
		sf_trainer_free(t);
		sf_config_free(c);
	}
	ck_assert(bytes > 0 && memcmp(param[0], param[1], bytes) == 0);
	sf_free(param[0]);
	sf_free(param[1]);
}
END_TEST

/* Regions that a step opens: at most reading, drawing, rounding, packing, shards, norm and update; where waking takes long, at most one. */
START_TEST(few_regions)
{
	static const char *const wake[2] = {"0", "40000"};
	static const int most[2] = {7, 1};
	int i;

	for (i = 0; i < 2; i++) {
		sf_config *c = configured("train.batch=64");
		sf_trainer *t = NULL;
		int64_t before;

		setenv("SCOREFIELD_WAKE", wake[i], 1);
		assert_ok(ctx, sf_ctx_set_threads(ctx, 2));
		assert_ok(ctx, sf_trainer_new(ctx, c, NULL, 0, 0, &t));
		before = sf_regions();
		assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
		ck_assert_int_le((int)(sf_regions() - before), most[i] * (int)sf_trainer_state(t)->step);
#ifdef _OPENMP
		ck_assert(i == 1 || sf_regions() - before >= 2 * sf_trainer_state(t)->step);
#endif
		sf_trainer_free(t);
		sf_config_free(c);
	}
}
END_TEST

/* Twice the threads make at most twice as many operations, and float64 at most as many as float32; a thread of this
 * century makes more than 10^8. */
START_TEST(peak)
{
	sf_ctx *own = ck_ctx();
	double one, two, wide;

	assert_ok(own, sf_ctx_set_threads(own, 1));
	one = sf_peak_flops(own, 32);
	wide = sf_peak_flops(own, 64);
	assert_ok(own, sf_ctx_set_threads(own, 2));
	two = sf_peak_flops(own, 32);
	ck_assert_msg(one > 1e8 && wide > 1e8 && two > 1e8, "%g %g %g", one, wide, two);
	ck_assert_msg(two < 3 * one, "%g with two threads, %g with one", two, one); /* clocks move */
	ck_assert_msg(wide < 2 * one, "%g in 64 bits, %g in 32", wide, one);
	sf_ctx_free(own);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("profile");
	TCase *plan = tcase_create("plan"), *trainer = tcase_create("trainer");

	tcase_add_test(plan, work_is_counted);
	tcase_add_test(plan, bytes_do_not_change);
	tcase_add_test(plan, a_plan_without_memory_has_none);
	tcase_add_test(plan, peak);
	tcase_add_checked_fixture(trainer, train_setup, train_teardown);
	tcase_add_loop_test(trainer, kinds_add_up_to_the_steps, 0, 2);
	tcase_add_test(trainer, few_regions);
	tcase_add_test(trainer, a_profiled_run_leaves_the_same_weights);
	suite_add_tcase(s, plan);
	suite_add_tcase(s, trainer);
	return sf_test_main(s);
}
