/* check_draw.c: what objectives draw: times by each density, weights, the two noises of LCSS.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

START_TEST(draws_do_not_depend_on_the_cut)
{
	static const char *const specs[] = {"dsm:t=stratified", "lcss:stage=two,t=importance", "dsm:t=lognormal"};
	parts p;
	batch whole, part;
	int k, half;

	for (k = 0; k < 3; k++) {
		open_parts(&p, MLP, "vp", "eps", specs[k], 1, plane);
		sf_ctx_set_threads(p.ctx, 1);
		draw_batch(&p, &whole, 5);
		sf_ctx_set_threads(p.ctx, 3);
		draw_batch(&p, &part, 5);
		ck_assert(memcmp(whole.xt, part.xt, sizeof whole.xt) == 0 && memcmp(whole.t, part.t, sizeof whole.t) == 0);
		for (half = 0; half < 2; half++) {
			memset(part.xt, 0, sizeof part.xt);
			part.d.n = N / 2;
			part.d.batch = N;
			part.d.first = (uint64_t)(half * N / 2);
			part.d.x0 = whole.x0 + half * N / 2 * W;
			assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &part.d));
			ck_assert(memcmp(part.xt, whole.xt + half * N / 2 * W, N / 2 * W * sizeof(double)) == 0);
			ck_assert(memcmp(part.weight, whole.weight + half * N / 2, N / 2 * sizeof(double)) == 0);
		}
		close_parts(&p);
	}
}
END_TEST

/* x_t and z are the process's draw, also where the noise of small samples is drawn for many at once. */
START_TEST(the_process_draws)
{
	enum { MANY = 75 }; /* more than are drawn at once */
	static const char *const processes[] = {"vp", "ve", "edm"};
	double t[MANY], weight[MANY], x0[MANY * W], xt[MANY * W], z[MANY * W];
	sf_coef coef[MANY];
	sf_draw d;
	parts p;
	int k, i;

	for (i = 0; i < MANY * W; i++)
		x0[i] = cos(.7 * i);
	memset(&d, 0, sizeof d);
	d.n = MANY;
	d.size = W;
	d.seed = 5;
	d.step = 3;
	d.first = 40;
	d.batch = 200;
	d.x0 = x0;
	d.t = t;
	d.weight = weight;
	d.coef = coef;
	d.xt = xt;
	d.z = z;
	for (k = 0; k < 3; k++) {
		open_parts(&p, MLP, processes[k], "eps", "dsm", 1, plane);
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &d));
		for (i = 0; i < MANY; i++) {
			sf_noise key = {d.seed, SF_NOISE_PERTURB, d.step};
			double x[W], y[W], tail;

			assert_ok(p.ctx, sf_process_draw(p.process, W, x0 + i * W, t[i], key, d.first + (uint64_t)i, 1, x, y, &tail));
			ck_assert(memcmp(x, xt + i * W, sizeof x) == 0 && memcmp(y, z + i * W, sizeof y) == 0);
			ck_assert(tail == coef[i].sigma);
		}
		close_parts(&p);
	}
}
END_TEST

/* ---- times and weights ---- */
START_TEST(importance)
{
	static const struct {
		const char *process;
		double z, q10, q50, q90; /* normaliser and quantiles on [1e-5, 1] */
	} rows[] = {{"vp", 23.8644723654695, 1.07701403e-4, .114421449, .872627659},
	            {"subvp", 37.6789457319341, 6.54336947e-5, .0305502284, .789807375},
	            {"ve", 17.0342160389686, .1 * (1 - 1e-5) + 1e-5, .5 * (1 - 1e-5) + 1e-5, .9 * (1 - 1e-5) + 1e-5}};
	enum { COUNT = 20000 };
	int k, i;

	for (k = 0; k < 3; k++) {
		double below[3] = {0, 0, 0}, mean = 0, flat = 0, lo, hi;
		parts p, u;

		open_parts(&p, MLP, rows[k].process, "eps", "dsm:t=importance,weight=g2", 1, plane);
		open_parts(&u, MLP, rows[k].process, "eps", "dsm", 1, plane);
		lo = sf_process_t_train(p.process);
		hi = sf_process_horizon(p.process);
		assert_close(lo, 1e-5, 1e-12, 0);
		for (i = 0; i < COUNT; i++) {
			double ratio, t = sf_objective_time(p.o, &p.m, 1, 0, (uint64_t)i, COUNT, &ratio);
			double w = sf_objective_weight(p.o, &p.m, t, sf_process_sigma(p.process, t));

			ck_assert(t >= lo && t <= hi);
			/* the likelihood weight over the density is the normaliser, whatever t */
			assert_close(w * ratio * (hi - lo), rows[k].z, 1e-8, 0);
			below[0] += t < rows[k].q10;
			below[1] += t < rows[k].q50;
			below[2] += t < rows[k].q90;
			mean += ratio * t / COUNT; /* estimates the mean of t under the uniform density */
			flat += sf_objective_time(u.o, &u.m, 1, 0, (uint64_t)i, COUNT, NULL) / COUNT;
		}
		/* five standard deviations of a binomial */
		assert_close(below[0] / COUNT, .1, 0, 5 * .3 / sqrt(COUNT));
		assert_close(below[1] / COUNT, .5, 0, 5 * .5 / sqrt(COUNT));
		assert_close(below[2] / COUNT, .9, 0, 5 * .3 / sqrt(COUNT));
		assert_close(flat, .5, 0, 5 * .29 / sqrt(COUNT));
		assert_close(mean, .5, 0, .05);
		close_parts(&p);
		close_parts(&u);
	}
}
END_TEST

START_TEST(stratified_and_lognormal)
{
	enum { COUNT = 4096 };
	double sum = 0, square = 0;
	char hit[COUNT] = {0};
	parts p;
	int i;

	open_parts(&p, MLP, "vp", "eps", "dsm:t=stratified", 1, plane);
	for (i = 0; i < COUNT; i++) { /* one time in each of COUNT equal intervals */
		double lo = sf_process_t_train(p.process), t = sf_objective_time(p.o, &p.m, 9, 4, (uint64_t)i, COUNT, NULL);
		int cell = (int)((t - lo) / (1 - lo) * COUNT);

		ck_assert(cell >= 0 && cell < COUNT && !hit[cell]);
		hit[cell] = 1;
	}
	close_parts(&p);
	open_parts(&p, MLP, "edm", "edm", "dsm:t=lognormal,weight=edm", 1, plane);
	for (i = 0; i < COUNT; i++) {
		double t = sf_objective_time(p.o, &p.m, 9, 4, (uint64_t)i, COUNT, NULL), r = t, l = log(t);

		sum += l;
		square += (l + 1.2) * (l + 1.2);
		/* w = r^2 (r^2 + sd^2)/(r sd)^2 with sd = 1/2 */
		assert_close(sf_objective_weight(p.o, &p.m, t, t), (r * r + .25) / .25, 1e-12, 0);
	}
	assert_close(sum / COUNT, -1.2, 0, 5 * 1.2 / sqrt(COUNT));
	assert_close(sqrt(square / COUNT), 1.2, 0, 5 * 1.2 / sqrt(2. * COUNT));
	close_parts(&p);
	open_parts(&p, MLP, "vp", "eps", "dsm:weight=min-snr,snr-gamma=5", 1, plane);
	for (i = 1; i < 10; i++) {
		double t = .1 * i, snr = exp(sf_process_logsnr(p.process, t));

		assert_close(sf_objective_weight(p.o, &p.m, t, 0), fmin(snr, 5) / snr, 1e-12, 0);
	}
	close_parts(&p);
}
END_TEST

/* Two stages: the total noise is tau^2 = sigma^2 + sigma_p^2 (sigma^2 with relabel), and -z/sigma_p regresses on
 * x' - alpha x_0 with slope -1/tau^2 (Rao-Blackwell). */
START_TEST(two_stages)
{
	static const char *const specs[] = {
		"lcss:stage=two,rho=0.5", "lcss:stage=two,rho=0.5,relabel=true",
		"lcss:stage=two,perturb=constant,sigma-p=0.3", "lcss:stage=two,perturb=constant,sigma-p=0.3,relabel=true"};
	int k;

	for (k = 0; k < 4; k++) {
		double second = 0, cross = 0, count = 0, s = 0, tau2;
		double sigma_p = 0;
		uint32_t step;
		batch b;
		parts p;
		int i;

		open_parts(&p, MLP, "vp", "eps", specs[k], 1, plane);
		for (step = 0; step < 400; step++) {
			draw_batch(&p, &b, step);
			for (i = 0; i < N; i++)
				b.t[i] = .3;
			assert_ok(p.ctx, sf_objective_draw_at(p.o, &p.m, &b.d));
			for (i = 0; i < N * W; i++) {
				double r = b.xt[i] - b.coef[i / W].alpha * b.x0[i];

				sigma_p = b.extra[1][i / W];
				second += r * r;
				cross += r * -b.z[i] / sigma_p;
				count++;
			}
		}
		s = sf_process_sigma(p.process, .3);
		tau2 = k % 2 ? s * s : s * s + sigma_p * sigma_p;
		if (k < 2)
			assert_close(sigma_p, .5 * s / (k ? sqrt(1.25) : 1), 1e-12, 0);
		else
			assert_close(sigma_p, .3, 1e-12, 0);
		assert_close(b.extra[0][0], s / sigma_p, 1e-12, 0);
		assert_close(second / count, tau2, 5 * sqrt(2 / count), 0);
		/* covariance of the pair is -1; its estimate has variance (1 + tau^2/sigma_p^2)/count */
		assert_close(cross / count, -1, 0, 5 * sqrt((1 + tau2 / (sigma_p * sigma_p)) / count));
		close_parts(&p);
	}
}
END_TEST

START_TEST(refusals)
{
	static const struct {
		const char *spec;
		int code;
	} bad[] = {{"dsm:weight=sigma", SF_EINVAL}, {"lcss:relabel=true", SF_EUNSUP},
	           {"lcss:antithetic=true,control-variate=true", SF_EUNSUP}, {"lcss:rho=0", SF_ERANGE},
	           {"lcs", SF_ENAME}, {"dsm:p-std=0", SF_ERANGE}, {"lcss:gama=1", SF_ENAME}};
	sf_ctx *ctx = ck_ctx();
	sf_objective *o;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++)
		ck_assert_int_eq(sf_objective_new(ctx, bad[i].spec, &o), bad[i].code);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "gamma"));
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("draw");
	TCase *tc = tcase_create("draw");

	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, draws_do_not_depend_on_the_cut);
	tcase_add_test(tc, the_process_draws);
	tcase_add_test(tc, importance);
	tcase_add_test(tc, stratified_and_lognormal);
	tcase_add_test(tc, two_stages);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
