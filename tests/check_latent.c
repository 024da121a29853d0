/* check_latent.c: what score models of latents add to models: the learned mixture of scores; and the constant of the cross entropy.
 * Cross entropies themselves are derivation checks (scorefield verify latent), times are in check_latent_time.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

/* ---- parametrisation mixed-learned ---- */

enum { SAMPLES = 3 };

typedef struct model_run {
	sf_graph *g;
	sf_plan *plan;
	sf_var in[6], out[2]; /* x, position, c_in, c_noise, e_x, e_f; eps, and the sum of its squares' gradient in the logits */
	double *param, eps[SAMPLES * 48], grad[16];
	const sf_param_info *logit;
} model_run;

static void open_model(sf_ctx *ctx, const sf_model *m, model_run *r)
{
	sf_model_vars v;
	int i;

	assert_ok(ctx, sf_graph_new(ctx, 1, &r->g));
	sf_model_vars_init(&v);
	assert_ok(ctx, sf_model_build(m, r->g, 0, &v));
	for (i = 0; i < sf_param_count(r->g); i++)
		if (strcmp(sf_param_get(r->g, i)->name, "mix.logit") == 0)
			r->logit = sf_param_get(r->g, i);
	ck_assert_ptr_nonnull(r->logit);
	r->in[0] = v.x;
	r->in[1] = v.position;
	r->in[2] = v.c_in;
	r->in[3] = v.c_noise;
	r->in[4] = v.e_x;
	r->in[5] = v.e_f;
	r->out[0] = v.eps;
	assert_ok(ctx, sf_grad(r->g, sf_sumsq(r->g, v.eps), &r->logit->var, 1, &r->out[1]));
	assert_ok(ctx, sf_plan_new(r->g, r->out, 2, SF_F64, SAMPLES, &r->plan));
	r->param = sf_alloc((size_t)sf_param_total(r->g), sizeof(double));
	sf_param_init(r->g, 4, SF_F64, r->param);
}

static void close_model(model_run *r)
{
	sf_plan_free(r->plan);
	sf_graph_free(r->g);
	sf_free(r->param);
}

/* eps at time t for x and position (SAMPLES,size), with the model's coefficients in c; the sum of its squares. */
static double eps_of(sf_ctx *ctx, const sf_model *m, model_run *r, double t, const double *x, const double *position, sf_coef *c)
{
	double of[4][SAMPLES], sum = 0;
	sf_run run;
	int i, k;

	sf_model_coef(m, t, c);
	for (k = 0; k < SAMPLES; k++)
		of[0][k] = c->c_in, of[1][k] = c->c_noise, of[2][k] = c->e_x, of[3][k] = c->e_f;
	memset(&run, 0, sizeof run);
	run.n = SAMPLES;
	assert_ok(ctx, sf_plan_bind(r->plan, r->in[0], x));
	if (r->in[1] != SF_NOVAR)
		assert_ok(ctx, sf_plan_bind(r->plan, r->in[1], position));
	for (i = 0; i < 4; i++)
		assert_ok(ctx, sf_plan_bind(r->plan, r->in[2 + i], of[i]));
	assert_ok(ctx, sf_plan_bind_params(r->plan, r->param));
	assert_ok(ctx, sf_plan_output(r->plan, 0, r->eps));
	assert_ok(ctx, sf_plan_output(r->plan, 1, r->grad));
	assert_ok(ctx, sf_plan_run(r->plan, &run));
	for (i = 0; i < SAMPLES * m->size; i++)
		sum += r->eps[i] * r->eps[i];
	return sum;
}

static const struct {
	const char *net, *process;
	int rank;
	int64_t dim[3];
} mixtures[] = {{"mlp:width=12,depth=2,embed-width=8", "vp", 1, {5, 0, 0}},
                {"unet:width=4,mult=1:1,blocks=1", "geometric-vp", 3, {4, 4, 3}},
                {"mlp:width=12,depth=2,embed-width=8", "cld", 1, {5, 0, 0}},
                {"unet:width=4,mult=1:1,blocks=1", "cld", 3, {4, 4, 2}},
                {"affine", "subvp", 3, {2, 2, 3}},
                {"affine", "ve", 1, {4, 0, 0}}};

START_TEST(mixture_at_rest) /* F = 0: (1 - a) e_x x, to the bit of the product; e_x and the rest as mixed */
{
	double x[SAMPLES * 48], position[SAMPLES * 48];
	size_t k;
	int i;

	for (i = 0; i < SAMPLES * 48; i++)
		x[i] = sin(i + .3), position[i] = cos(2.1 * i);
	for (k = 0; k < sizeof mixtures / sizeof *mixtures; k++) {
		int64_t channels = mixtures[k].dim[mixtures[k].rank - 1], trained[2], total[2];
		double t = .37, known[] = {.0474258731776, .0474258731776, .00247262315663};
		int round;
		parts p;

		open_parts(&p, mixtures[k].net, mixtures[k].process, "mixed-learned", "dsm", mixtures[k].rank, mixtures[k].dim);
		for (round = 0; round < 3; round++) {
			model_run r;
			sf_coef c, plain;

			p.m.mix = round == 0 ? 0 : round == 1 ? -3 : -6;
			open_model(p.ctx, &p.m, &r);
			ck_assert_int_eq(r.logit->shape.rank, 1);
			ck_assert_int_eq(r.logit->shape.size, channels);
			for (i = 0; i < channels; i++) {
				ck_assert(r.param[r.logit->offset + i] == (round < 2 ? -3 : -6));
				assert_close(1 / (1 + exp(-r.param[r.logit->offset + i])), known[round], 1e-11, 0);
			}
			for (i = 0; i < r.logit->offset; i++)
				r.param[i] = 0;
			eps_of(p.ctx, &p.m, &r, t, x, position, &c);
			sf_param_coef(SF_PARAM_MIXED, p.process, .5, sf_model_cond(&p.m), 0, t, &plain);
			ck_assert(c.e_x == plain.e_x && c.e_f == 1 && c.c_in == 1 && c.c_noise == plain.c_noise && c.e_x > 0);
			for (i = 0; i < SAMPLES * p.m.size; i++)
				assert_close(r.eps[i], (1 - known[round]) * c.e_x * x[i], 1e-11, 0);
			close_model(&r);
		}
		assert_ok(p.ctx, sf_model_params(&p.m, &trained[0], &total[0]));
		p.m.param = SF_PARAM_MIXED;
		assert_ok(p.ctx, sf_model_params(&p.m, &trained[1], &total[1]));
		ck_assert_int_eq(trained[0] - trained[1], channels);
		close_parts(&p);
	}
}
END_TEST

/* eps = (1 - a) eps_0 + a eps_1 a channel, from the values at logits that make a 0 and 1 (both to the last bit); and the gradient in
 * the logits is 2 sum eps (eps_1 - eps_0) a (1 - a). */
START_TEST(mixture_by_channel)
{
	double x[SAMPLES * 48], position[SAMPLES * 48], end[2][SAMPLES * 48];
	size_t k;
	int i, c;

	for (i = 0; i < SAMPLES * 48; i++)
		x[i] = sin(i + .3), position[i] = cos(2.1 * i);
	for (k = 0; k < sizeof mixtures / sizeof *mixtures; k++) {
		int channels = (int)mixtures[k].dim[mixtures[k].rank - 1], all;
		double moved = 0;
		sf_coef coef;
		model_run r;
		parts p;

		open_parts(&p, mixtures[k].net, mixtures[k].process, "mixed-learned", "dsm", mixtures[k].rank, mixtures[k].dim);
		open_model(p.ctx, &p.m, &r);
		all = SAMPLES * (int)p.m.size;
		for (i = 0; i < r.logit->offset; i++)
			r.param[i] += .2 * sin(1 + 3. * i);
		for (c = 0; c < 2; c++) {
			for (i = 0; i < channels; i++)
				r.param[r.logit->offset + i] = c ? 60 : -60;
			eps_of(p.ctx, &p.m, &r, .37, x, position, &coef);
			memcpy(end[c], r.eps, (size_t)all * sizeof(double));
		}
		for (i = 0; i < channels; i++)
			r.param[r.logit->offset + i] = .7 * i - 1;
		eps_of(p.ctx, &p.m, &r, .37, x, position, &coef);
		for (c = 0; c < channels; c++) {
			double a = 1 / (1 + exp(1 - .7 * c)), want = 0, size = 0;

			for (i = c; i < all; i += channels) {
				double term = 2 * r.eps[i] * (end[1][i] - end[0][i]) * a * (1 - a);

				assert_close(r.eps[i], (1 - a) * end[0][i] + a * end[1][i], 1e-12, 1e-12);
				want += term;
				size += fabs(term);
			}
			assert_close(r.grad[c], want, 1e-12, 1e-12 * size);
			moved += size;
		}
		ck_assert(moved > 0);
		assert_close(end[0][0], coef.e_x * x[0], 1e-12, 0);
		close_model(&r);
		close_parts(&p);
	}
}
END_TEST

/* The loss' gradient in all parameters against differences, the objectives of latents on both kinds of process. */
START_TEST(mixture_gradient)
{
	static const char *const specs[] = {"dsm:t=normal,weight=g2", "hsm:t=normal,weight=g2"};
	static const char *const processes[] = {"vp", "cld"};
	int k;

	for (k = 0; k < 2; k++) {
		enum { ROWS = 4 };
		double *param, *grad, *x0, largest = 0, h = 1e-4;
		int64_t total, i, rows, logits = 0;
		const sf_graph *g;
		sf_batch *b;
		parts p;
		int j;

		open_parts(&p, MLP, processes[k], "mixed-learned", specs[k], 1, plane);
		assert_ok(p.ctx, sf_batch_new(p.o, &p.m, ROWS, 1, 0, &b));
		rows = sf_batch_data(b, &x0, NULL);
		for (i = 0; i < rows * W; i++)
			x0[i] = sin(1.3 * (double)i);
		sf_batch_draw(b)->seed = 3;
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, sf_batch_draw(b)));
		for (i = 0; i < ROWS; i++)
			sf_batch_draw(b)->weight[i] = 1; /* weights of early times would drown the others */
		g = sf_batch_graph(b);
		total = sf_param_total(g);
		param = sf_alloc((size_t)total, sizeof *param);
		grad = sf_alloc((size_t)total, sizeof *grad);
		sf_param_init(g, 5, SF_F64, param);
		assert_ok(p.ctx, sf_batch_run(b, param, NULL));
		memcpy(grad, sf_batch_gradient(b), (size_t)total * sizeof *grad);
		for (i = 0; i < total; i++)
			largest = fmax(largest, fabs(grad[i]));
		for (j = 0; j < sf_param_count(g); j++) {
			const sf_param_info *info = sf_param_get(g, j);
			int logit = strcmp(info->name, "mix.logit") == 0;

			for (i = info->offset; i < info->offset + info->shape.size; i += logit ? 1 : 5) {
				double keep = param[i], f[2] = {0, 0};
				int side, n;

				for (side = 0; side < 2; side++) {
					param[i] = keep + (side ? h : -h);
					assert_ok(p.ctx, sf_batch_run(b, param, NULL));
					for (n = 0; n < ROWS; n++)
						f[side] += ((const double *)sf_batch_losses(b))[n];
				}
				param[i] = keep;
				assert_close(grad[i], (f[1] - f[0]) / (2 * h), 1e-6, 1e-7 * largest);
				if (logit) {
					ck_assert(grad[i] != 0);
					logits++;
				}
			}
		}
		ck_assert_int_eq(logits, W);
		sf_free(param);
		sf_free(grad);
		sf_batch_free(b);
		close_parts(&p);
	}
}
END_TEST

START_TEST(mixture_as_a_score) /* -eps/sigma for samplers; nearly N(0,1)'s as the logits go down */
{
	static const double x[] = {.4, -1.3};
	double t = .3, score[2], *w;
	int64_t trained, total;
	sf_score *s;
	parts p;
	int k;

	open_parts(&p, MLP, "vp", "mixed-learned", "dsm", 1, plane);
	p.m.mix = -40;
	assert_ok(p.ctx, sf_model_params(&p.m, &trained, &total));
	w = sf_alloc((size_t)total, sizeof *w);
	{
		sf_model_vars v;
		sf_graph *g;

		assert_ok(p.ctx, sf_graph_new(p.ctx, 1, &g));
		sf_model_vars_init(&v);
		assert_ok(p.ctx, sf_model_build(&p.m, g, 0, &v));
		sf_param_init(g, 1, SF_F64, w);
		sf_graph_free(g);
	}
	assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
	assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, 1, x, &t, score));
	for (k = 0; k < 2; k++) /* on vp alpha^2 + sigma^2 = 1 */
		assert_close(score[k], -x[k], 1e-13, 0);
	sf_score_free(s);
	sf_free(w);
	close_parts(&p);
}
END_TEST

/* ---- refusals ---- */

START_TEST(refusals)
{
	static const struct {
		const char *process, *param, *objective;
		double mix;
		int code;
		const char *say;
	} row[] = {{"sech", "mixed-learned", "lcss", 0, SF_EUNSUP, "nonlinear"},
	           {"static", "mixed-learned", "ssm", 0, SF_EUNSUP, "nonlinear"},
	           {"sech", "eps", "lcss:t=normal", 0, SF_EUNSUP, "t=normal"},
	           {"static", "eps", "ssm:t=normal", 0, SF_EUNSUP, "t=normal"},
	           {"vp", "mixed-learned", "dsm", 701, SF_ERANGE, "701"},
	           {"vp", "mixed-learned", "dsm", -1e300, SF_ERANGE, "within"},
	           {"cld", "mixed-learned", "hsm:t=normal", -700, SF_OK, NULL},
	           {"vp", "mixed", "dsm:t=normal", 1e9, SF_OK, NULL}}; /* read by mixed-learned alone */
	size_t i;

	for (i = 0; i < sizeof row / sizeof *row; i++) {
		parts p;

		open_parts(&p, MLP, "vp", "eps", "dsm", 1, plane);
		sf_process_free(p.process);
		sf_objective_free(p.o);
		assert_ok(p.ctx, sf_process_new(p.ctx, row[i].process, &p.process));
		assert_ok(p.ctx, sf_objective_new(p.ctx, row[i].objective, &p.o));
		assert_ok(p.ctx, sf_param_find(p.ctx, row[i].param, &p.m.param));
		p.m.process = p.process;
		p.m.mix = row[i].mix;
		ck_assert_int_eq(sf_objective_accepts(p.o, &p.m), row[i].code);
		if (row[i].say)
			ck_assert_msg(strstr(sf_ctx_message(p.ctx), row[i].say), "%s", sf_ctx_message(p.ctx));
		p.m.mix = NAN;
		if (row[i].code == SF_OK && strcmp(row[i].param, "mixed-learned") == 0)
			ck_assert_int_eq(sf_model_check(&p.m), SF_ERANGE);
		close_parts(&p);
	}
}
END_TEST

/* ---- the constant of the cross entropy ---- */

START_TEST(constants)
{
	/* Dockhorn et al. 2022, HSM kernel, eps = 0: Sigma_xx and ell = sqrt(Sigma_xx/det) */
	static const double cld[][3] = {{1e-5, 2.56641628029e-10, 193.717454314}, {.01, 8.23913110403e-4, 6.91381025172},
	                                {.1, .221810061041, 2.67518144945}, {1, .99998397049, 2.00001249622}};
	const double h = 1 + log(2 * SF_PI);
	sf_ctx *ctx = ck_ctx();
	sf_process *p;
	double value;
	int k;

	assert_ok(ctx, sf_process_new(ctx, "cld:eps=0", &p));
	for (k = 0; k < 4; k++) {
		assert_ok(ctx, sf_cross_entropy_constant(p, cld[k][0], 7, &value)); /* gamma M = .01 */
		assert_close(value, 7 * (h + log(sqrt(cld[k][1]) / cld[k][2])) - 7 * (h + log(.01)) / 2, 1e-10, 0);
	}
	sf_process_free(p);
	assert_ok(ctx, sf_process_new(ctx, "cld:eps=0,gamma=0.5,m-inv=2", &p)); /* in one line: gamma M = 1/4 */
	assert_ok(ctx, sf_cross_entropy_constant(p, .2, 1, &value));
	{
		double S[4];

		sf_process_cov(p, .2, S);
		assert_close(value, h + log(S[0] * S[3] - S[1] * S[1]) / 2 - (h + log(.25)) / 2, 1e-11, 0);
	}
	sf_process_free(p);
	assert_ok(ctx, sf_process_new(ctx, "vp", &p));
	assert_ok(ctx, sf_cross_entropy_constant(p, .01, 3, &value)); /* B(.01) = .001995 */
	assert_close(value, 1.5 * (h + log(-expm1(-.001995))), 1e-12, 0);
	assert_ok(ctx, sf_cross_entropy_constant(p, .01, 0, &value));
	ck_assert(value == 0);
	assert_ok(ctx, sf_cross_entropy_constant(p, 1, 1, &value));
	ck_assert_int_eq(sf_cross_entropy_constant(p, 0, 1, &value), SF_ERANGE);
	ck_assert_int_eq(sf_cross_entropy_constant(p, 1.001, 1, &value), SF_ERANGE);
	ck_assert_int_eq(sf_cross_entropy_constant(p, NAN, 1, &value), SF_ERANGE);
	ck_assert_int_eq(sf_cross_entropy_constant(p, .1, -1, &value), SF_ERANGE);
	sf_process_free(p);
	assert_ok(ctx, sf_process_new(ctx, "geometric-vp", &p)); /* sigma^2(t) = 3e-5 (.999/3e-5)^t */
	assert_ok(ctx, sf_cross_entropy_constant(p, .25, 2, &value));
	assert_close(value, h + log(3e-5) + .25 * log(.999 / 3e-5), 1e-12, 0);
	sf_process_free(p);
	for (k = 0; k < 4; k++) {
		static const char *const bad[] = {"sech", "double-well", "static", "cld:gamma=0"};

		assert_ok(ctx, sf_process_new(ctx, bad[k], &p));
		ck_assert_int_eq(sf_cross_entropy_constant(p, .5, 1, &value), SF_EUNSUP);
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), sf_process_name(p)));
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("latent");
	TCase *tc = tcase_create("latent");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, constants);
	tcase_add_test(tc, refusals);
	tcase_add_test(tc, mixture_at_rest);
	tcase_add_test(tc, mixture_by_channel);
	tcase_add_test(tc, mixture_gradient);
	tcase_add_test(tc, mixture_as_a_score);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
