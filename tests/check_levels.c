/* check_levels.c: training at discrete noise levels and at one: the losses of SMLD and DDPM, NCSN's weighting,
 * NCSNv2's unconditional network, times on the table.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#include "process/process.h"

static sf_batch *open_batch(parts *p, int64_t n, double *w)
{
	double *x0;
	sf_batch *b;
	int64_t i;

	assert_ok(p->ctx, sf_batch_new(p->o, &p->m, n, 1, 0, &b));
	sf_batch_data(b, &x0, NULL);
	for (i = 0; i < n * p->m.size; i++)
		x0[i] = sin(1.3 * (double)i);
	sf_batch_draw(b)->seed = 17;
	if (w)
		sf_param_init(sf_batch_graph(b), 2, SF_F64, w);
	return b;
}

START_TEST(uniform) /* every level as often as the next, at i/(N-1) to the bit */
{
	static const char *const process[] = {"ve:levels=10", "ddpm:levels=7,beta-max=2"};
	static const int levels[] = {10, 7};
	enum { COUNT = 60000 };
	int k, i;

	for (k = 0; k < 2; k++) {
		int count[10] = {0}, n = levels[k];
		parts p;

		open_parts(&p, MLP, process[k], "eps", "dsm:t=discrete", 1, plane);
		ck_assert_int_eq(sf_process_levels(p.process), n);
		for (i = 0; i < COUNT; i++) {
			double ratio, t = sf_objective_time(p.o, &p.m, 8, 1, (uint64_t)i, COUNT, &ratio);
			int level = (int)(t * (n - 1) + .5);

			ck_assert(level >= 0 && level < n && t == (double)level / (n - 1) && ratio == 1);
			count[level]++;
		}
		for (i = 0; i < n; i++)
			assert_close(count[i], (double)COUNT / n, 0, 5 * sqrt((double)COUNT / n));
		close_parts(&p);
	}
}
END_TEST

/* sigma^2/2 |s(x + sigma z) + z/sigma|^2 at the geometric sequence sigma_i. */
START_TEST(smld)
{
	static const char *const weight[] = {"sigma2", "one"};
	double w[4096], out[N * W];
	int k, i, j;

	for (k = 0; k < 2; k++) {
		char spec[60];
		const double *loss;
		double *x0;
		sf_score *s;
		sf_batch *b;
		sf_draw *d;
		parts p;

		snprintf(spec, sizeof spec, "dsm:t=discrete,weight=%s", weight[k]);
		open_parts(&p, MLP, "ve:sigma-min=0.01,sigma-max=1,levels=10", "score", spec, 1, plane);
		b = open_batch(&p, N, w);
		d = sf_batch_draw(b);
		sf_batch_data(b, &x0, NULL);
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, d));
		assert_ok(p.ctx, sf_batch_run(b, w, NULL));
		loss = sf_batch_losses(b);
		assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
		assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, N, d->xt, d->t, out));
		for (i = 0; i < N; i++) {
			double level = floor(9 * d->t[i] + .5), sigma = .01 * pow(100, level / 9), want = 0;

			for (j = i * W; j < (i + 1) * W; j++) {
				double miss = out[j] + d->z[j] / sigma;

				assert_close(d->xt[j], x0[j] + sigma * d->z[j], 1e-13, 1e-14);
				want += (k ? 1 : sigma * sigma) * miss * miss / 2;
			}
			assert_close(loss[i], want, 1e-10, 0);
		}
		sf_score_free(s);
		sf_batch_free(b);
		close_parts(&p);
	}
}
END_TEST

/* |eps(x_t, i) - z|^2/2 at x_t = sqrt(abar_i) x + sqrt(1 - abar_i) z; the network is told i. */
START_TEST(ddpm)
{
	static double abar[1000];
	double w[4096], out[N * W], product = 1, *x0;
	const double *loss;
	sf_score *s;
	sf_batch *b;
	sf_draw *d;
	parts p;
	int i, j;

	for (i = 0; i < 1000; i++)
		abar[i] = product *= 1 - (.1 + i / 999. * 19.9) / 1000;
	assert_close(abar[999], 4.03582976537569e-05, 1e-12, 0);
	open_parts(&p, MLP, "ddpm", "eps", "dsm:t=discrete", 1, plane);
	b = open_batch(&p, N, w);
	d = sf_batch_draw(b);
	sf_batch_data(b, &x0, NULL);
	assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, d));
	assert_ok(p.ctx, sf_batch_run(b, w, NULL));
	loss = sf_batch_losses(b);
	assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
	assert_ok(p.ctx, sf_score_eval(s, SF_EPS, N, d->xt, d->t, out));
	for (i = 0; i < N; i++) {
		int level = (int)floor(999 * d->t[i] + .5);
		double want = 0;

		assert_close(d->coef[i].c_noise, level, 1e-13, 1e-12);
		for (j = i * W; j < (i + 1) * W; j++) {
			assert_close(d->xt[j], sqrt(abar[level]) * x0[j] + sqrt(1 - abar[level]) * d->z[j], 1e-11, 1e-12);
			want += (out[j] - d->z[j]) * (out[j] - d->z[j]) / 2;
		}
		assert_close(loss[i], want, 1e-10, 0);
	}
	sf_score_free(s);
	sf_batch_free(b);
	close_parts(&p);
}
END_TEST

/* (1/L) sum_i sigma_i^a J(sigma_i), a = 2 (sigma2) and 0 (one), with J = A + A^2 (c + sigma^2)/2 + (A m + b)^2/2 +
 * 1/(2 sigma^2) of s = A x + b on N(m,c): points +-sqrt(2) e_k at every level. */
START_TEST(ncsn)
{
	enum { L = 10 };
	static const int64_t line[] = {1};
	const double A = -.8, b0 = .3, m = .5, c = 1.7;
	int a, i, k;

	for (a = 0; a < 2; a++) {
		double w[32] = {0}, want = 0, got;
		sf_batch *b;
		sf_draw *d;
		parts p;

		open_parts(&p, "affine", "ve:sigma-min=0.01,sigma-max=1,levels=10", "score",
		           a ? "dsm:t=discrete,weight=one" : "dsm:t=discrete", 1, line);
		b = open_batch(&p, 4 * L, NULL);
		d = sf_batch_draw(b);
		for (i = 0; i < 4 * L; i++)
			d->t[i] = i / 4 / (L - 1.);
		assert_ok(p.ctx, sf_objective_draw_at(p.o, &p.m, d));
		for (i = 0; i < L; i++) {
			double sigma = pow(.01, 1 - i / 9.);

			for (k = 0; k < 4; k++) {
				double u = (k % 2 ? -1 : 1) * sqrt(2);

				d->z[4 * i + k] = k < 2 ? 0 : u;
				d->xt[4 * i + k] = m + (k < 2 ? sqrt(c) * u : sigma * u);
			}
			want += (a ? 1 : sigma * sigma) *
			        (A + A * A * (c + sigma * sigma) / 2 + (A * m + b0) * (A * m + b0) / 2 + 1 / (2 * sigma * sigma)) / L;
		}
		w[0] = A;
		w[16] = b0;
		assert_ok(p.ctx, sf_batch_run(b, w, &got));
		assert_close(got, want, 1e-11, 0);
		sf_batch_free(b);
		close_parts(&p);
	}
}
END_TEST

/* NCSNv2: s(x,sigma) = F(x)/sigma with one network for all levels. */
START_TEST(unconditional)
{
	static const double t[] = {0, .3, 1};
	double w[4096], u[3 * W], out[3 * W];
	sf_score *s;
	parts p;
	int i, j;

	open_parts(&p, "mlp:width=12,depth=2,embed-width=8,embed=none", "ve:levels=10", "eps", "dsm:t=discrete", 1, plane);
	sf_batch_free(open_batch(&p, 1, w));
	assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
	for (i = 0; i < 3 * W; i++)
		u[i] = i % W ? -.6 : .9;
	assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, 3, u, t, out));
	for (i = 1; i < 3; i++)
		for (j = 0; j < W; j++) {
			ck_assert(out[j] != 0);
			assert_close(out[i * W + j] * .01 * pow(5000, t[i]), out[j] * .01, 1e-13, 0);
		}
	sf_score_free(s);
	close_parts(&p);
}
END_TEST

START_TEST(fixed) /* one level; a process that stands still has but one */
{
	static const struct {
		const char *process, *objective;
		double at;
	} rows[] = {{"vp", "dsm:t=fixed,at=0.37", .37}, {"edm", "dsm:t=fixed,at=5", 5}, {"cld", "hsm:t=fixed,at=0.25", .25},
	            {"sech", "local-dsm:t=fixed,at=1", 1}, {"static", "lcss:stage=two", 1}};
	size_t k;
	int i;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		sf_batch *b;
		sf_draw *d;
		parts p;

		open_parts(&p, MLP, rows[k].process, "eps", rows[k].objective, 1, plane);
		b = open_batch(&p, N, NULL);
		d = sf_batch_draw(b);
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, d));
		for (i = 0; i < N; i++)
			ck_assert(d->t[i] == rows[k].at && d->coef[i].sigma == sf_process_scale(p.process, rows[k].at));
		sf_batch_free(b);
		close_parts(&p);
	}
}
END_TEST

START_TEST(refusals)
{
	static const struct {
		const char *process, *objective, *reason;
		int code;
	} bad[] = {{"vp", "dsm:t=discrete", "levels", SF_EUNSUP},        {"subvp", "dsm:t=discrete", "levels", SF_EUNSUP},
	           {"edm", "dsm:t=discrete", "levels", SF_EUNSUP},       {"sech", "lcss:t=discrete", "levels", SF_EUNSUP},
	           {"vp", "dsm:t=fixed,at=1.5", "horizon", SF_ERANGE}};
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		parts p;

		open_parts(&p, MLP, "vp", "eps", "dsm", 1, plane);
		sf_process_free(p.process);
		sf_objective_free(p.o);
		assert_ok(p.ctx, sf_process_new(p.ctx, bad[i].process, &p.process));
		assert_ok(p.ctx, sf_objective_new(p.ctx, bad[i].objective, &p.o));
		p.m.process = p.process;
		ck_assert_int_eq(sf_objective_accepts(p.o, &p.m), bad[i].code);
		ck_assert_msg(strstr(sf_ctx_message(p.ctx), bad[i].reason) != NULL, "%s", sf_ctx_message(p.ctx));
		close_parts(&p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("levels");
	TCase *tc = tcase_create("levels");

	tcase_add_test(tc, uniform);
	tcase_add_test(tc, smld);
	tcase_add_test(tc, ddpm);
	tcase_add_test(tc, ncsn);
	tcase_add_test(tc, unconditional);
	tcase_add_test(tc, fixed);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
