/* check_latent_loss.c: the losses of a model of latents: which parameters each trains, and by what gradient.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent_rig.h"

#include "objective/batch.h"

#define SMALL LATENTS "train.batch=6 train.shards=2 "

static const char *const cases[] = {
	SMALL ON_VP,
	SMALL ON_VP "vae.times=separate vae.q-times=uniform",
	SMALL ON_CLD,
	SMALL ON_CLD "vae.times=separate",
	SMALL "process.spec=geometric-vp objective.spec=dsm:weight=sigma2,t=importance model.parametrisation=mixed-learned",
	SMALL "process.spec=subvp objective.spec=dsm:weight=edm,t=normal vae.groups=2 vae.times=separate",
};
enum { CASES = sizeof cases / sizeof *cases };

static double *copy(const latents *l)
{
	double *g = sf_alloc((size_t)l->total, sizeof *g);

	memcpy(g, l->grad, (size_t)l->total * sizeof *g);
	return g;
}

/* Sum over the batch of the values that a part is trained by. */
static double value(latents *l, int phase, int score)
{
	double n = 6;

	run_latents(l, 3);
	if (score)
		return n * sf_batch_value(l->b, phase == SF_LATENT_FROZEN ? 0 : SF_LATENT_PRIOR);
	return n * (sf_batch_value(l->b, SF_LATENT_RECONSTRUCTION) + (.25 + .75 * 3 / 8) * sf_batch_value(l->b, SF_LATENT_KL));
}

/* Central differences of each loss by each of its parameters; the annealed weight at step 3 of 8 from .25 is .25 + .75 3/8. */
static void differences(const char *settings, int phase)
{
	char all[1500];
	latents l;
	double *g, h = 1e-5;
	int i;
	int64_t k;

	snprintf(all, sizeof all, "%s vae.kl-start=0.25 vae.kl-steps=8 vae.balance=false", settings);
	open_latents(&l, all, phase);
	run_latents(&l, 3);
	g = copy(&l);
	for (i = 0; i < sf_param_count(sf_batch_graph(l.b)); i++) {
		const sf_param_info *p = sf_param_get(sf_batch_graph(l.b), i);
		int score = p->offset < l.s.pair;

		for (k = p->offset; k < p->offset + p->shape.size; k++) {
			double was = l.params[k], up, down;

			if (p->fixed || (score && phase == SF_LATENT_PRETRAIN) || (!score && phase == SF_LATENT_FROZEN)) {
				ck_assert_msg(g[k] == 0, "%s: %s has a gradient", settings, p->name);
				continue;
			}
			l.params[k] = was + h;
			up = value(&l, phase, score);
			l.params[k] = was - h;
			down = value(&l, phase, score);
			l.params[k] = was;
			ck_assert_msg(sf_close(g[k], (up - down) / (2 * h), 1e-5, 2e-6), "%s: %s: %.12g, differences %.12g", settings, p->name,
			              g[k], (up - down) / (2 * h));
		}
	}
	sf_free(g);
	close_latents(&l);
}

START_TEST(joint_gradients)
{
	differences(cases[_i], SF_LATENT_JOINT);
}
END_TEST

START_TEST(pretrain_gradients)
{
	differences(cases[_i], SF_LATENT_PRETRAIN);
}
END_TEST

START_TEST(frozen_gradients)
{
	differences(cases[_i], SF_LATENT_FROZEN);
}
END_TEST

/* Largest difference in a range, relative to the largest number there. */
static double apart(const double *a, const double *b, int64_t from, int64_t to)
{
	double most = 0, size = 0;
	int64_t i;

	for (i = from; i < to; i++) {
		most = fmax(most, fabs(a[i] - b[i]));
		size = fmax(size, fabs(a[i]));
	}
	return most / size;
}

START_TEST(routing) /* the pair does not feel the weighting of the score model, nor the score model the decoder */
{
	static const char *const weights[] = {"g2", "sigma2", "one", "g2-sigma2"};
	char settings[1500];
	double *g[4], *moved;
	latents l;
	int i;

	for (i = 0; i < 4; i++) {
		snprintf(settings, sizeof settings, SMALL "process.spec=%s objective.spec=%s:weight=%s", _i ? "cld" : "vp", _i ? "hsm" : "dsm",
		         weights[i]);
		open_latents(&l, settings, SF_LATENT_JOINT);
		run_latents(&l, 0);
		g[i] = copy(&l);
		if (i > 0) {
			ck_assert_double_lt(apart(g[0], g[i], l.s.pair, l.total), 1e-11);
			ck_assert_double_gt(apart(g[0], g[i], 0, l.s.pair), 1e-2);
		}
		if (i == 3) {
			const sf_graph *graph = sf_batch_graph(l.b);
			int k, decoders = 0;

			for (k = 0; k < sf_param_count(graph); k++)
				if (strncmp(sf_param_get(graph, k)->name, "decoder.", 8) == 0) {
					l.params[sf_param_get(graph, k)->offset] += .5;
					decoders++;
				}
			ck_assert_int_gt(decoders, 3);
			run_latents(&l, 0);
			moved = copy(&l);
			ck_assert(memcmp(g[3], moved, (size_t)l.s.pair * sizeof *moved) == 0);
			ck_assert_double_gt(apart(g[3], moved, l.s.pair, l.total), 1e-2);
			sf_free(moved);
		}
		close_latents(&l);
	}
	for (i = 0; i < 4; i++)
		sf_free(g[i]);
}
END_TEST

/* Means and standard errors over steps of the pair's gradient and of the cross entropy (last). */
static void statistics(const char *settings, int64_t steps, double *mean, double *se, int64_t *n)
{
	double m, *sum, *square;
	latents l;
	int64_t i, k;

	open_latents(&l, settings, SF_LATENT_JOINT);
	*n = l.total - l.s.pair;
	sum = sf_alloc((size_t)*n + 1, sizeof *sum);
	square = sf_alloc((size_t)*n + 1, sizeof *square);
	for (k = 0; k < steps; k++) {
		run_latents(&l, k);
		for (i = 0; i <= *n; i++) {
			double v = i < *n ? l.grad[l.s.pair + i] / (double)sf_batch_draw(l.b)->n : sf_batch_value(l.b, SF_LATENT_KL);

			sum[i] += v;
			square[i] += v * v;
		}
	}
	for (i = 0; i <= *n; i++) {
		mean[i] = m = sum[i] / (double)steps;
		se[i] = sqrt(fmax(square[i] / (double)steps - m * m, 0) / (double)(steps - 1));
	}
	sf_free(sum);
	sf_free(square);
	close_latents(&l);
}

START_TEST(shared_and_separate) /* agree in expectation, whatever density the times have: five standard errors of each number */
{
	static const char *const kinds[] = {
		"objective.spec=%s:weight=g2,t=uniform", "objective.spec=%s:weight=sigma2,t=stratified",
		"objective.spec=%s:weight=g2,t=normal", "objective.spec=%s:weight=g2 vae.times=separate vae.q-times=uniform",
		"objective.spec=%s:weight=sigma2 vae.times=separate vae.q-times=normal"};
	enum { ROOM = 400, KINDS = 5, STEPS = 40 };
	static double mean[KINDS][ROOM], se[KINDS][ROOM];
	char settings[1500], objective[200];
	int64_t n, i;
	int k;

	for (k = 0; k < KINDS; k++) {
		snprintf(objective, sizeof objective, kinds[k], _i ? "hsm" : "dsm");
		/* of these processes the weight has no peak that a few times would miss */
		snprintf(settings, sizeof settings, LATENTS "train.batch=256 train.shards=8 process.spec=%s %s", _i ? "cld" : "geometric-vp",
		         objective);
		statistics(settings, STEPS, mean[k], se[k], &n);
		ck_assert(n > 20 && n < ROOM);
		for (i = 0; k > 0 && i <= n; i++)
			ck_assert_msg(fabs(mean[k][i] - mean[0][i]) <= 5 * hypot(se[k][i], se[0][i]) + 1e-12,
			              "%s: number %lld: %g +- %g, %s: %g +- %g", settings, (long long)i, mean[k][i], se[k][i], kinds[0], mean[0][i],
			              se[0][i]);
		ck_assert(mean[k][n] != mean[0][n] || k == 0);
	}
}
END_TEST

START_TEST(balanced) /* gradient: that of sum_g c_g KL_g with c held still, whose mean over the groups is 1 */
{
	char settings[1500];
	latents l;
	double *with, *without, *none, sum = 0;
	int64_t i;

	snprintf(settings, sizeof settings, "%s vae.kl-start=0.5 vae.kl-steps=4 vae.balance=true vae.groups=2", SMALL ON_VP);
	open_latents(&l, settings, SF_LATENT_PRETRAIN);
	run_latents(&l, 4); /* annealing is over: no balance */
	with = copy(&l);
	close_latents(&l);
	snprintf(settings, sizeof settings, "%s vae.kl-start=0.5 vae.kl-steps=4 vae.balance=false vae.groups=2", SMALL ON_VP);
	open_latents(&l, settings, SF_LATENT_PRETRAIN);
	run_latents(&l, 4);
	without = copy(&l);
	ck_assert_double_lt(apart(with, without, l.s.pair, l.total), 1e-13);
	run_latents(&l, 3);
	none = copy(&l);
	close_latents(&l);
	snprintf(settings, sizeof settings, "%s vae.kl-start=0.5 vae.kl-steps=4 vae.balance=true vae.groups=2", SMALL ON_VP);
	open_latents(&l, settings, SF_LATENT_PRETRAIN);
	run_latents(&l, 3);
	ck_assert_double_gt(apart(none, l.grad, l.s.pair, l.total), 1e-3);
	for (i = l.s.pair; i < l.total; i++)
		sum += fabs(l.grad[i]);
	ck_assert(isfinite(sum));
	close_latents(&l);
	sf_free(with);
	sf_free(without);
	sf_free(none);
}
END_TEST

START_TEST(point) /* noise + a z in each block is what the objective draws for data z, sample by sample */
{
	static const char *const how[] = {SMALL ON_VP, SMALL ON_CLD, SMALL "process.spec=subvp objective.spec=dsm"};
	double z[6 * 2], u[6 * 4];
	int blocks, i, k;
	latents l;
	sf_draw d;

	open_latents(&l, how[_i], SF_LATENT_JOINT);
	run_latents(&l, 2);
	blocks = sf_process_blocks(l.s.process);
	d = *sf_batch_draw(l.b);
	memcpy(u, d.xt, (size_t)(6 * blocks * 2) * sizeof *u);
	for (i = 0; i < 12; i++)
		z[i] = sin(i + 1);
	d.x0 = z;
	assert_ok(ctx, sf_objective_draw(l.s.objective, &l.s.model, &d));
	for (i = 0; i < 6; i++)
		for (k = 0; k < 2 * blocks; k++)
			assert_close(d.xt[i * 2 * blocks + k], u[i * 2 * blocks + k] + l.b->scalar[3 + k / 2][i] * z[i * 2 + k % 2], 1e-13, 1e-14);
	close_latents(&l);
}
END_TEST

START_TEST(weight_of_divergence) /* b = kl-start + (1 - kl-start) step/kl-steps, 1 from there on */
{
	sf_latent_how how = {1, 0, "normal", .1, 10, 1};

	assert_close(sf_latent_anneal(&how, 0), .1, 1e-15, 0);
	assert_close(sf_latent_anneal(&how, 5), .55, 1e-15, 0);
	ck_assert(sf_latent_anneal(&how, 10) == 1 && sf_latent_anneal(&how, 11) == 1);
	how.kl_steps = 0;
	ck_assert(sf_latent_anneal(&how, 0) == 1);
}
END_TEST

START_TEST(layout) /* the score model's parameters, the encoder's, the decoder's; the same in all phases */
{
	latents l[3];
	int phase, i, at = 0;
	int64_t trainable, total;

	for (phase = 0; phase < SF_LATENT_PHASES; phase++)
		open_latents(&l[phase], SMALL ON_VP, phase);
	assert_ok(ctx, sf_model_params(&l[0].s.model, &trainable, &total));
	ck_assert_int_eq(total, l[0].s.pair);
	for (i = 0; i < sf_param_count(sf_batch_graph(l[0].b)); i++) {
		const sf_param_info *p = sf_param_get(sf_batch_graph(l[0].b), i);
		int is = strncmp(p->name, "decoder.", 8) == 0 ? 2 : p->offset >= total;

		for (phase = 1; phase < SF_LATENT_PHASES; phase++) {
			const sf_param_info *q = sf_param_get(sf_batch_graph(l[phase].b), i);

			ck_assert(strcmp(p->name, q->name) == 0 && p->offset == q->offset);
		}
		ck_assert_int_ge(is, at);
		at = is;
	}
	ck_assert_int_eq(at, 2);
	for (phase = 0; phase < SF_LATENT_PHASES; phase++)
		close_latents(&l[phase]);
}
END_TEST

static const struct refusal {
	const char *settings;
	int code;
	const char *says;
} refusals[] = {
	{LATENTS "objective.spec=lcss", SF_EUNSUP, "objective 'dsm'"},
	{LATENTS "process.spec=cld objective.spec=dsm", SF_EUNSUP, "objective 'hsm'"},
	{LATENTS "objective.spec=dsm:t=lognormal", SF_EUNSUP, "times=shared"},
	{LATENTS "objective.spec=dsm:t=fixed", SF_EUNSUP, "times=shared"},
	{LATENTS "process.spec=double-well objective.spec=dsm", SF_EUNSUP, "closed-form"},
	{LATENTS "objective.spec=dsm vae.decoder=", SF_EINVAL, "decoder is not"},
	{LATENTS "objective.spec=dsm vae.after=frozen", SF_EINVAL, "pretrain=0"},
	{LATENTS "objective.spec=dsm vae.groups=3", SF_ERANGE, "divisor"},
	{LATENTS "objective.spec=dsm vae.likelihood=logistic", SF_EUNSUP, "levels"},
	{LATENTS "objective.spec=dsm net.spec=unet", SF_EUNSUP, "images"},
	{LATENTS "objective.spec=dsm vae.encoder=nvae-encoder", SF_EMISMATCH, "images"},
	{LATENTS "objective.spec=dsm vae.from=/none/there", SF_EIO, "/none/there"},
};

START_TEST(refused)
{
	const struct refusal *r = &refusals[_i];
	sf_config *c = configured(r->settings);
	sf_trainer *t;

	ck_assert_int_eq(sf_trainer_new(ctx, c, NULL, 0, 0, &t), r->code);
	ck_assert_msg(strstr(sf_ctx_message(ctx), r->says) != NULL, "'%s' does not say '%s'", sf_ctx_message(ctx), r->says);
	ck_assert_ptr_null(t);
	sf_config_free(c);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("latent losses");
	TCase *t = tcase_create("losses");

	tcase_add_checked_fixture(t, train_setup, train_teardown);
	tcase_add_loop_test(t, joint_gradients, 0, CASES);
	tcase_add_loop_test(t, pretrain_gradients, 0, CASES);
	tcase_add_loop_test(t, frozen_gradients, 0, CASES);
	tcase_add_loop_test(t, routing, 0, 2);
	tcase_add_loop_test(t, shared_and_separate, 0, 2);
	tcase_add_loop_test(t, point, 0, 3);
	tcase_add_test(t, balanced);
	tcase_add_test(t, weight_of_divergence);
	tcase_add_test(t, layout);
	tcase_add_loop_test(t, refused, 0, sizeof refusals / sizeof *refusals);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
