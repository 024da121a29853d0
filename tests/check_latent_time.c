/* check_latent_time.c: the time density t=normal: tables that are drawn from, LSGM's closed forms, any process and weight, ratios, equal
 * bytes. Expectations and variances under it are derivation checks (scorefield verify latent).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#include "objective/normal_time.h"

/* ---- time_table.c ---- */

static double falling(const void *arg, double t)
{
	return exp(*(const double *)arg * t);
}

START_TEST(table_of_an_exponential)
{
	static const double rate[] = {-1, 0, 2.5, -30};
	sf_time_table table;
	double density;
	int k, i;

	for (k = 0; k < 4; k++) {
		double r = rate[k], all = r != 0 ? expm1(r) / r : 1, q;

		sf_time_table_make(0, 1, falling, &r, &table);
		assert_close(table.mass[SF_TIME_PANELS], all, 1e-12, 0);
		for (i = 0; i < 100; i++) {
			double u = i / 100., t = sf_time_table_at(&table, u, &q);

			assert_close(t, r != 0 ? log1p(u * expm1(r)) / r : u, 1e-9, 1e-12);
			assert_close(q, exp(r * t) / all, 1e-9, 0);
			ck_assert(sf_time_table_density(&table, t) > 0 && t >= 0 && t <= 1);
			if (i % 25 != 0)
				assert_close(sf_time_table_density(&table, t), q, 1e-9, 0);
		}
	}
	sf_time_table_make(0, 1, falling, &rate[0], &table);
	assert_close(sf_time_table_at(&table, .5, &density), -log((1 + exp(-1)) / 2), 1e-13, 0); /* the known answer */
}
END_TEST

static double step(const void *arg, double t)
{
	(void)arg;
	return t < .3456 ? 1 : t < .7 ? .01 : 5;
}

/* Where the series cannot follow, the density is still the one that is drawn from: E[1/q] = 1 and E[t/q] = 1/2, and du = q dt. */
START_TEST(table_of_jumps)
{
	enum { COUNT = 1000000 };
	sf_time_table table;
	double one = 0, mean = 0, before = 0, q;
	int i;

	sf_time_table_make(0, 1, step, NULL, &table);
	assert_close(table.mass[SF_TIME_PANELS], .3456 + .003544 + 1.5, 2e-2, 0);
	for (i = 0; i < COUNT; i++) {
		double t = sf_time_table_at(&table, (i + .5) / COUNT, &q);

		ck_assert(t > before && q > 0);
		one += 1 / q / COUNT;
		mean += t / q / COUNT;
		before = t;
	}
	assert_close(one, 1, 5e-4, 0);
	assert_close(mean, .5, 5e-4, 0);
	for (i = 1; i < 40; i++) {
		double u = i / 40., h = 1e-7, a = sf_time_table_at(&table, u - h, &q), b = sf_time_table_at(&table, u + h, &q);

		sf_time_table_at(&table, u, &q);
		assert_close((b - a) * q, 2 * h, 1e-5, 0);
	}
}
END_TEST

START_TEST(ends_of_tables)
{
	static const double range[][2] = {{1e-5, 1}, {.5, 1}, {.002, 80}, {0, 3}, {1e-12, 1}};
	double r = -.05, q;
	sf_time_table table;
	int k, j;

	for (k = 0; k < 5; k++) {
		sf_time_table_make(range[k][0], range[k][1], falling, &r, &table);
		for (j = 0; j < SF_TIME_PANELS; j++)
			ck_assert(table.knot[j] < table.knot[j + 1] && table.mass[j] < table.mass[j + 1]);
		assert_close(sf_time_table_at(&table, 0, &q), range[k][0], 1e-15, 0);
		assert_close(sf_time_table_at(&table, 1, &q), range[k][1], 1e-15, 0);
		assert_close(table.mass[SF_TIME_PANELS], 20 * (exp(-.05 * range[k][0]) - exp(-.05 * range[k][1])), 1e-13, 0);
	}
}
END_TEST

/* ---- t=normal ---- */

START_TEST(unexplained) /* Dockhorn et al. 2022: the least loss of hsm for data of variance 1; one block: alpha^2/(alpha^2 + sigma^2) */
{
	static const double cld[][2] = {{1e-3, .856725679837}, {.01, .724690728359}, {.1, .436083981913}, {.3, .0578198090302}};
	static const char *const one[] = {"vp", "subvp", "ve", "geometric-vp", "edm", "ddpm", "cosine"};
	sf_ctx *ctx = ck_ctx();
	sf_process *p;
	int k;

	assert_ok(ctx, sf_process_new(ctx, "cld:eps=0", &p));
	for (k = 0; k < 4; k++)
		assert_close(sf_normal_unexplained(p, cld[k][0]), cld[k][1], 1e-10, 0);
	sf_process_free(p);
	for (k = 0; k < 7; k++) {
		double t, r;

		assert_ok(ctx, sf_process_new(ctx, one[k], &p));
		t = .4 * sf_process_horizon(p);
		r = sf_process_sigma(p, t) / sf_process_alpha(p, t);
		assert_close(sf_normal_unexplained(p, t), 1 / (1 + r * r), 1e-13, 0);
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

#define B0 .1
#define BD 19.9

/* Their inverses for vp: t of sigma^2, and of the integral of 1 - sigma^2. */
static double time_of_variance(double s2)
{
	return (-B0 + sqrt(B0 * B0 - 2 * BD * log1p(-s2))) / BD;
}

static double area(double t)
{
	return exp(B0 * B0 / (2 * BD)) * sqrt(SF_PI / (2 * BD)) * erf(sqrt(BD / 2) * (t + B0 / BD));
}

START_TEST(lsgm) /* their three densities on vp: times and weights by their formulas, twice theirs as the loss has a half */
{
	static const char *const specs[] = {"dsm:t=normal,weight=g2", "dsm:t=normal,weight=g2-sigma2", "dsm:t=normal,weight=sigma2"};
	const double lo = 1e-5, first = -expm1(-B0 * lo - BD * lo * lo / 2), last = -expm1(-B0 - BD / 2);
	double ratio[N];
	int k, i;

	for (k = 0; k < 3; k++) {
		parts p;
		batch b;

		open_parts(&p, MLP, "vp", "eps", specs[k], 1, plane);
		draw_batch(&p, &b, 2);
		b.d.ratio = ratio;
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &b.d));
		for (i = 0; i < N; i++) {
			sf_noise key = {11, SF_NOISE_TIME, 2};
			double rho = sf_noise_uniform53(key, (uint64_t)i, 0), s2 = -expm1(-b.t[i] * (B0 + BD * b.t[i] / 2)), one;

			if (k == 0) {
				assert_close(b.t[i], time_of_variance(pow(last, rho) * pow(first, 1 - rho)), 1e-7, 0);
				assert_close(b.weight[i] * (1 - lo), log(last / first) / (1 - s2), 1e-7, 0);
			} else if (k == 1) {
				assert_close(b.t[i], time_of_variance(rho * last + (1 - rho) * first), 1e-12, 0);
				assert_close(b.weight[i] * (1 - lo), (last - first) / (1 - s2), 1e-11, 0);
			} else {
				assert_close(area(b.t[i]), rho * area(1) + (1 - rho) * area(lo), 1e-12, 0);
				assert_close(b.weight[i] * (1 - lo), (area(1) - area(lo)) / (1 - s2), 1e-11, 0);
			}
			/* what the second weight of shared times is made of */
			assert_close(ratio[i] * sf_objective_weight(p.o, &p.m, b.t[i], 0), b.weight[i], 1e-15, 0);
			ck_assert(sf_objective_time(p.o, &p.m, 11, 2, (uint64_t)i, N, &one) == b.t[i] && one == ratio[i]);
		}
		for (i = 0; i < N; i++)
			ratio[i] = -1;
		assert_ok(p.ctx, sf_objective_draw_at(p.o, &p.m, &b.d)); /* times that are the caller's */
		for (i = 0; i < N; i++) {
			ck_assert(ratio[i] == 1);
			assert_close(b.weight[i], sf_objective_weight(p.o, &p.m, b.t[i], 0), 1e-15, 0);
		}
		close_parts(&p);
	}
	assert_close(area(1) - area(.01), .266003702284, 1e-11, 0);
}
END_TEST

START_TEST(ratios) /* of the other densities */
{
	static const char *const specs[] = {"dsm", "dsm:t=stratified,weight=g2", "dsm:t=importance,weight=g2", "dsm:t=fixed,at=0.3"};
	double ratio[N];
	int k, i;

	for (k = 0; k < 4; k++) {
		parts p;
		batch b;

		open_parts(&p, MLP, "vp", "eps", specs[k], 1, plane);
		draw_batch(&p, &b, 2);
		b.d.ratio = ratio;
		assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &b.d));
		for (i = 0; i < N; i++) {
			assert_close(ratio[i] * sf_objective_weight(p.o, &p.m, b.t[i], 0), b.weight[i], 1e-15, 0);
			if (k != 2)
				ck_assert(ratio[i] == 1);
			else
				assert_close(ratio[i], 23.8644723654695 / (1 - 1e-5) / sf_objective_weight(p.o, &p.m, b.t[i], 0), 1e-9, 0);
		}
		close_parts(&p);
	}
}
END_TEST

/* Each linear process with each weight: times in range, weights that leave w m the same, and the mean of 1/(q (T - t_train)) of equal
 * parts of q is 1: with all of them, an expectation under q is one under the uniform density. */
START_TEST(every_process_and_weight)
{
	static const char *const one[] = {"vp", "subvp", "ve", "geometric-vp", "edm", "ddpm", "cosine"};
	static const char *const weights[] = {"sigma2", "one", "g2", "g2-sigma2", "sigma-p2", "edm", "min-snr"};
	int k, w, i;

	for (k = 0; k < 8; k++)
		for (w = 0; w < (k == 7 ? 5 : 7); w++) {
			double lo, hi, worst = 0, total, largest = 0;
			sf_time_table table;
			char spec[60];
			parts p;

			snprintf(spec, sizeof spec, "%s:t=normal,weight=%s", k == 7 ? "hsm" : "dsm", weights[w]);
			open_parts(&p, MLP, k == 7 ? "cld" : one[k], "eps", spec, 1, plane);
			lo = sf_process_t_train(p.process);
			hi = sf_process_horizon(p.process);
			sf_normal_time(p.o, &p.m, &table);
			total = table.mass[SF_TIME_PANELS];
			ck_assert(table.knot[0] == lo && table.knot[SF_TIME_PANELS] == hi && total > 0);
			for (i = 0; i < 2000; i++) {
				double q, t = sf_time_table_at(&table, (i + .5) / 2000, &q), f, s;

				s = sf_process_scale(p.process, t);
				f = sf_objective_weight(p.o, &p.m, t, s) * sf_normal_unexplained(p.process, t) / total;
				ck_assert(t >= lo && t <= hi && q > 0);
				worst += fabs(f / q - 1) / 2000;
				largest = fmax(largest, f / q);
			}
			/* ddpm's rate jumps from level to level, min-snr and geometric-vp's end have kinks; there q keeps near */
			ck_assert_msg(worst < (w == 6 || k == 5 || k == 3 ? 4e-2 : 1e-6), "%s on %s: %g", spec, sf_process_name(p.process), worst);
			ck_assert_msg(largest < 1.2, "%s on %s: %g", spec, sf_process_name(p.process), largest);
			close_parts(&p);
		}
}
END_TEST

START_TEST(bytes) /* of any threads and cut, t=normal with its ratio */
{
	static const char *const specs[] = {"dsm:t=normal,weight=g2", "hsm:t=normal,weight=g2-sigma2", "lcss:t=normal,weight=sigma-p2"};
	static const char *const processes[] = {"vp", "cld", "geometric-vp"};
	enum { ROWS = 24, WIDE = 80 }; /* samples that are no longer drawn together */
	static double x0[ROWS * WIDE], t[2][ROWS], weight[2][ROWS], ratio[2][ROWS], xt[2][2 * ROWS * WIDE], z[2][ROWS * WIDE], extra[2][ROWS];
	static sf_coef coef[2][ROWS];
	static const int64_t dim[] = {WIDE};
	int k, threads, cut, from;

	for (k = 0; k < ROWS * WIDE; k++)
		x0[k] = sin(1.3 * k);
	for (k = 0; k < 3; k++)
		for (threads = 1; threads <= 3; threads++)
			for (cut = 1; cut <= 8; cut *= 2) {
				int blocks = k == 1 ? 2 : 1, now = threads > 1 || cut > 1;
				parts p;

				open_parts(&p, MLP, processes[k], "eps", specs[k], 1, dim);
				sf_ctx_set_threads(p.ctx, threads);
				for (from = 0; from < ROWS; from += ROWS / cut) {
					sf_draw d;

					memset(&d, 0, sizeof d);
					d.n = ROWS / cut;
					d.size = WIDE;
					d.batch = ROWS;
					d.seed = 7;
					d.step = 4;
					d.first = (uint64_t)from;
					d.x0 = x0 + from * WIDE;
					d.t = t[now] + from;
					d.coef = coef[now] + from;
					d.weight = weight[now] + from;
					d.ratio = ratio[now] + from;
					d.xt = xt[now] + from * blocks * WIDE;
					d.z = z[now] + from * WIDE;
					d.extra[0] = extra[0];
					d.extra[1] = extra[1];
					assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &d));
				}
				ck_assert(memcmp(t[0], t[now], sizeof t[0]) == 0 && memcmp(weight[0], weight[now], sizeof weight[0]) == 0);
				ck_assert(memcmp(ratio[0], ratio[now], sizeof ratio[0]) == 0);
				ck_assert(memcmp(xt[0], xt[now], (size_t)(ROWS * blocks * WIDE) * sizeof(double)) == 0);
				close_parts(&p);
			}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("latent_time");
	TCase *tc = tcase_create("times");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, table_of_an_exponential);
	tcase_add_test(tc, table_of_jumps);
	tcase_add_test(tc, ends_of_tables);
	tcase_add_test(tc, unexplained);
	tcase_add_test(tc, lsgm);
	tcase_add_test(tc, ratios);
	tcase_add_test(tc, every_process_and_weight);
	tcase_add_test(tc, bytes);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
