/* check_stf.c: stable target fields: the estimator against enumeration, quadrature and closed forms, and what the objective
 * draws against the formulas of each process spelled out in long double.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#include "objective/stable.h"

/* ---- the estimator in one dimension, VE: target E_w y at x = source + sigma z ---- */
static double stable(double x, double sigma, double source, int n, const double *y)
{
	double z = (x - source) / sigma, mean;
	sf_stable a;
	int k;

	sf_stable_start(&a, 1, 1 / sigma, &z, &source, &mean);
	for (k = 0; k < n; k++)
		sf_stable_add(&a, &y[k]);
	return source - sf_stable_shift(&a, 0);
}

enum { FIVE = 5 };
static const double set[FIVE] = {-1.3, -.4, .1, .9, 2};
static const double at[3] = {-1, .3, 1.4}, exact[3] = {-.7345430509913198, .20382946269025046, 1.2388557383967007};
#define SIGMA .7

/* Posterior probability of each of the five as the source of x. */
static void posterior(double x, double *p)
{
	double sum = 0;
	int i;

	for (i = 0; i < FIVE; i++)
		sum += p[i] = exp(-(x - set[i]) * (x - set[i]) / (2 * SIGMA * SIGMA));
	for (i = 0; i < FIVE; i++)
		p[i] /= sum;
}

/* Mean and variance of the target over source and subset of n, all subsets that hold the source alike. */
START_TEST(subsets)
{
	static const double variance[3][FIVE] = {{.333020, .205637, .111495, .044839, 0},
	                                         {.378264, .142034, .068081, .023988, 0},
	                                         {.489423, .292563, .151788, .057354, 0}};
	static const double ways[FIVE] = {1, 4, 6, 4, 1}; /* of choosing n-1 of the other four */
	int q, n, s, mask, i;

	for (q = 0; q < 3; q++) {
		double p[FIVE], truth = 0;

		posterior(at[q], p);
		for (i = 0; i < FIVE; i++)
			truth += p[i] * set[i];
		assert_close(truth, exact[q], 1e-14, 0);
		for (n = 1; n <= FIVE; n++) {
			double mean = 0, square = 0, total = 0;

			for (s = 0; s < FIVE; s++)
				for (mask = 0; mask < 1 << FIVE; mask++) {
					double y[FIVE], w = p[s] / ways[n - 1], t;
					int m = 0;

					for (i = 0; i < FIVE; i++)
						if (mask >> i & 1)
							y[m++] = set[i];
					if (m != n || !(mask >> s & 1))
						continue;
					t = stable(at[q], SIGMA, set[s], n, y);
					total += w;
					mean += w * t;
					square += w * (t - exact[q]) * (t - exact[q]);
				}
			assert_close(total, 1, 1e-14, 0);
			assert_close(mean, exact[q], 0, 1e-15);
			assert_close(square, variance[q][n - 1], 0, 5.1e-7);
		}
	}
}
END_TEST

START_TEST(without_the_source) /* prior draws alone: a bias */
{
	static const double bias[3][FIVE] = {{.9945, .3094, .1004, .0304, 0},
	                                     {.0562, -.0170, -.0037, -.0003, 0},
	                                     {-.9789, -.3296, -.0996, -.0142, 0}};
	int q, n, mask, i;

	for (q = 0; q < 3; q++)
		for (n = 1; n <= FIVE; n++) {
			double mean = 0;
			int count = 0;

			for (mask = 0; mask < 1 << FIVE; mask++) {
				double y[FIVE];
				int m = 0;

				for (i = 0; i < FIVE; i++)
					if (mask >> i & 1)
						y[m++] = set[i];
				if (m == n && ++count)
					mean += stable(at[q], SIGMA, set[0], n, y);
			}
			assert_close(mean / count - exact[q], bias[q][n - 1], 0, 5.1e-5);
		}
}
END_TEST

START_TEST(with_replacement)
{
	static const double variance[4] = {.37826433, .18927969, .12455658, .09229668};
	double p[FIVE];
	int n, s, c, i;

	posterior(at[1], p);
	for (n = 1; n <= 4; n++) {
		double mean = 0, square = 0;
		int words = (int)pow(FIVE, n - 1);

		for (s = 0; s < FIVE; s++)
			for (c = 0; c < words; c++) {
				double y[4], t;
				int rest = c;

				y[0] = set[s];
				for (i = 1; i < n; i++, rest /= FIVE)
					y[i] = set[rest % FIVE];
				t = stable(at[1], SIGMA, set[s], n, y);
				mean += p[s] / words * t;
				square += p[s] / words * (t - exact[1]) * (t - exact[1]);
			}
		assert_close(mean, exact[1], 0, 1e-15);
		assert_close(square, variance[n - 1], 0, 5.1e-9);
	}
}
END_TEST

/* ---- data -1 and +1 ---- */

/* Mean (in *mean) and mean squared error of the denoiser target at x, over a source from the posterior and n-1 fair others. */
static double two_points(double x, double sigma, int n, double *mean)
{
	double truth = tanh(x / (sigma * sigma)), square = 0, choose = pow(.5, n - 1), y[4096];
	int plus, side, i;

	*mean = 0;
	for (plus = 0; plus < n; plus++) {
		for (side = 0; side < 2; side++) {
			double p = 1 / (1 + exp((side ? -2 : 2) * x / (sigma * sigma))), t;
			int ones = plus + side;

			y[0] = side ? 1 : -1;
			for (i = 1; i < n; i++)
				y[i] = i <= plus ? 1 : -1;
			t = stable(x, sigma, y[0], n, y);
			if (ones > 0 && ones < n) /* closed form */
				assert_close(t, tanh(x / (sigma * sigma) + .5 * log((double)ones / (n - ones))), 0, 1e-12);
			*mean += p * choose * t;
			square += p * choose * (t - truth) * (t - truth);
		}
		choose *= (double)(n - 1 - plus) / (plus + 1);
	}
	return square;
}

START_TEST(two_point_table)
{
	static const int n[7] = {1, 2, 3, 4, 8, 16, 64};
	static const double sigma[3] = {.5, 1, 2};
	static const double v[3][7] = {
		{1.097558541, .5487792703, .3293984649, .2228192565, .09061694221, .04214634169, .01015349919},
		{.4495995092, .2247997546, .1393672967, .09788584048, .04324302107, .02056918286, .004991525433},
		{.0497466084, .0248733042, .01600701668, .01166988955, .005542739487, .002703279655, .0006642201379}};
	int q, k, i;

	for (q = 0; q < 3; q++)
		for (k = 0; k < 7; k++) {
			double s = sigma[q], h = s / 16, sum = 0, mean;

			for (i = -320; i <= 320; i++) { /* the trapezium rule converges like exp(-c/h) here */
				double x = i * h, p = exp(-(x - 1) * (x - 1) / (2 * s * s)) / (s * sqrt(2 * SF_PI));

				if (p < 1e-18) /* the other side gives the same, by symmetry */
					continue;
				sum += h * p * two_points(x, s, n[k], &mean);
				assert_close(mean, tanh(x / (s * s)), 0, 1e-13);
			}
			assert_close(sum / (s * s * s * s), v[q][k], 1e-8, 0);
		}
}
END_TEST

START_TEST(delta_method) /* n Var tends to E p^2 (a - mu)^2 / p_t^2 */
{
	double mean, one = 400 * two_points(.5, 1, 400, &mean), two = 800 * two_points(.5, 1, 800, &mean);

	assert_close(2 * two - one, .61850, 0, 1e-5);
}
END_TEST

/* ---- properties of the weights, d = 11 ---- */
enum { DIM = 11, ROWS = 40 };
static void fill(double *x, int count, double phase)
{
	int i;

	for (i = 0; i < count; i++)
		x[i] = sin(1.7 * i + phase) + .3 * cos(.31 * i * i);
}

static sf_stable average(double r, const double *z, int n, const double *x, double *mean)
{
	sf_stable a;
	int k;

	sf_stable_start(&a, DIM, r, z, x, mean);
	for (k = 0; k < n; k++)
		sf_stable_add(&a, x + k * DIM);
	return a;
}

START_TEST(properties)
{
	double x[(ROWS + 1) * DIM], y[(ROWS + 1) * DIM], z[DIM], mean[DIM], other[DIM];
	sf_stable a, b;
	int j, k, q;

	fill(x, ROWS * DIM, .2);
	fill(z, DIM, 1);
	for (q = 0; q < 4; q++) {
		double r = pow(10, q - 1.5), sum = 0, ess;

		a = average(r, z, ROWS, x, mean);
		for (k = 0; k < ROWS; k++) { /* each weight by itself */
			double l = 0;

			for (j = 0; j < DIM; j++)
				l -= pow(z[j] + r * (x[j] - x[k * DIM + j]), 2) / 2;
			sum += exp(l - a.top);
		}
		assert_close(a.sum, sum, 1e-12, 0);
		ess = a.sum * a.sum / a.sum2;
		ck_assert(ess >= 1 - 1e-12 && ess <= ROWS * (1 + 1e-12));
		for (k = 1; k < ROWS; k++) /* the others backwards */
			memcpy(y + k * DIM, x + (ROWS - k) * DIM, DIM * sizeof *x);
		memcpy(y, x, DIM * sizeof *x);
		b = average(r, z, ROWS, y, other);
		for (j = 0; j < DIM; j++)
			assert_close(sf_stable_shift(&a, j), sf_stable_shift(&b, j), 1e-12, 1e-14);
		for (j = 0; j < DIM; j++) /* a far point: the same bits */
			x[ROWS * DIM + j] = 1e6;
		b = average(r, z, ROWS + 1, x, other);
		ck_assert(memcmp(mean, other, sizeof mean) == 0 && a.sum == b.sum && a.square == b.square);
		for (k = 0; k < ROWS * DIM; k++) /* moved by a constant: the same target relative to the source */
			y[k] = x[k] + 8;
		b = average(r, z, ROWS, y, other);
		for (j = 0; j < DIM; j++)
			assert_close(sf_stable_shift(&a, j), sf_stable_shift(&b, j), 1e-10, 1e-12);
	}
}
END_TEST

START_TEST(limits)
{
	double x[ROWS * DIM], z[DIM], mean[DIM], spread = 0;
	sf_stable a;
	int j, k;

	fill(x, ROWS * DIM, .2);
	fill(z, DIM, 1);
	a = average(1e6, z, ROWS, x, mean); /* sigma -> 0: the source */
	for (j = 0; j < DIM; j++)
		ck_assert(sf_stable_shift(&a, j) == 0);
	ck_assert(sf_stable_trace(&a) == 0);
	a = average(1e-9, z, ROWS, x, mean); /* sigma -> infinity: the mean of the batch */
	for (j = 0; j < DIM; j++) {
		double m = 0;

		for (k = 0; k < ROWS; k++)
			m += x[k * DIM + j] / ROWS;
		for (k = 0; k < ROWS; k++)
			spread += (x[k * DIM + j] - m) * (x[k * DIM + j] - m) / ROWS;
		assert_close(x[j] - sf_stable_shift(&a, j), m, 0, 1e-7);
	}
	assert_close(sf_stable_trace(&a), spread, 1e-6, 0);
	a = average(1e200, z, ROWS, x, mean); /* squares beyond the numbers */
	for (j = 0; j < DIM; j++)
		ck_assert(sf_stable_shift(&a, j) == 0);
}
END_TEST

/* ---- the objective's draws ---- */

/* Batch of N samples of W numbers with `rows` rows of reference, the batch's own first. */
static void draw_with(parts *p, batch *b, int64_t rows, double *ref, double *label)
{
	draw_batch(p, b, 0); /* sets all pointers; for objectives without a reference batch */
	b->d.nref = rows;
	b->d.ref = ref;
	b->d.ref_label = label;
}

static void open_draw(parts *p, batch *b, const char *process, const char *objective, int64_t rows, double *ref,
                      double *label, int classes)
{
	parts dsm;

	open_parts(&dsm, MLP, process, "eps", "dsm", 1, plane);
	draw_with(&dsm, b, rows, ref, label);
	close_parts(&dsm);
	open_parts(p, MLP, process, "eps", objective, 1, plane);
	p->m.classes = classes;
	memcpy(ref, b->x0, sizeof b->x0);
	if (rows > N)
		fill(ref + N * W, (int)(rows - N) * W, .7);
	b->d.step = 3;
	assert_ok(p->ctx, sf_objective_draw(p->o, &p->m, &b->d));
}

/* The target in the other forms: sum w_k (x_t - alpha x_k)/sigma with w from |x_t - alpha x_k|^2/(2 sigma^2), and the
 * variances of the processes written out. */
static void naive(const char *process, double t, double alpha, double sigma, const double *xt, int64_t n, int64_t nref,
                  int64_t own, int64_t skip, const double *ref, const double *label, long double *out)
{
	long double a = alpha, var, l[256], top = -1e30L, sum = 0, sd;
	int64_t k, j;

	if (strcmp(process, "vp") == 0 || strcmp(process, "subvp") == 0) {
		long double integral = .1L * t + .5L * 19.9L * t * t;

		a = expl(-integral / 2);
		var = 1 - expl(-integral);
		if (process[0] == 's')
			var *= var;
	} else {
		a = 1;
		var = (long double)sigma * sigma; /* t is sigma itself for edm; ve: checked below */
		if (strcmp(process, "edm") == 0)
			var = (long double)t * t;
	}
	assert_close((double)a, alpha, 1e-12, 0);
	assert_close((double)sqrtl(var), sigma, 1e-9, 0);
	sd = sqrtl(var);
	for (k = skip; k < n + skip; k++) {
		const double *y = ref + (own + k) % nref * W;
		long double q = 0;

		for (j = 0; j < W; j++)
			q += (xt[j] - a * y[j]) * (xt[j] - a * y[j]);
		l[k] = label && label[(own + k) % nref] != label[own] ? -1e30L : -q / (2 * var);
		top = l[k] > top ? l[k] : top;
	}
	for (j = 0; j < W; j++)
		out[j] = 0;
	for (k = skip; k < n + skip; k++) {
		const double *y = ref + (own + k) % nref * W;
		long double w = expl(l[k] - top);

		sum += w;
		for (j = 0; j < W; j++)
			out[j] += w * (xt[j] - a * y[j]) / sd;
	}
	for (j = 0; j < W; j++)
		out[j] /= sum;
}

START_TEST(naive_forms)
{
	static const char *const process[] = {"vp", "subvp", "ve", "edm"};
	static const struct {
		const char *spec;
		int n, rows, skip, classes;
	} rows[] = {{"stf:n=7", 7, N, 0, 0},          {"stf:n=24", 24, N, 0, 0},       {"stf:n=60", 60, 60, 0, 0},
	            {"stf:n=9,source=false", 9, N, 1, 0}, {"stf:n=40", 40, 40, 0, 3}, {"stf:n=60,t=stratified", 60, 60, 0, 2}};
	static batch b, plain;
	double ref[64 * W], label[64];
	int q, k, i, j;

	for (i = 0; i < 64; i++)
		label[i] = i % 3 == 1 ? 1 : i % 5 == 0 ? 2 : 0;
	for (q = 0; q < 4; q++)
		for (k = 0; k < (int)(sizeof rows / sizeof *rows); k++) {
			parts p, dsm;
			double moved = 0;

			open_draw(&p, &b, process[q], rows[k].spec, rows[k].rows, ref, label, rows[k].classes);
			for (i = 0; i < N; i++) {
				long double want[W];
				double scale = b.coef[i].alpha / b.coef[i].sigma;

				naive(process[q], b.t[i], b.coef[i].alpha, b.coef[i].sigma, b.xt + i * W, rows[k].n, rows[k].rows, i,
				      rows[k].skip, ref, rows[k].classes ? label : NULL, want);
				for (j = 0; j < W; j++)
					assert_close(b.z[i * W + j], (double)want[j], 1e-7, 1e-9 * (1 + scale));
			}
			/* x_t, times and weights are DSM's, to the bit */
			open_parts(&dsm, MLP, process[q], "eps", k == 5 ? "dsm:t=stratified" : "dsm", 1, plane);
			draw_batch(&dsm, &plain, 3);
			ck_assert(memcmp(b.xt, plain.xt, sizeof b.xt) == 0 && memcmp(b.t, plain.t, sizeof b.t) == 0 &&
			          memcmp(b.weight, plain.weight, sizeof b.weight) == 0);
			for (i = 0; i < N * W; i++)
				moved = fmax(moved, fabs(b.z[i] - plain.z[i]));
			ck_assert(moved > .01);
			close_parts(&dsm);
			close_parts(&p);
		}
}
END_TEST

START_TEST(one_is_dsm)
{
	static const char *const process[] = {"vp", "subvp", "ve", "edm", "ddpm"};
	int q;

	for (q = 0; q < 5; q++) {
		batch a, b;
		parts p;

		open_parts(&p, MLP, process[q], "eps", "dsm:weight=g2", 1, plane);
		draw_batch(&p, &a, 9);
		close_parts(&p);
		open_parts(&p, MLP, process[q], "eps", "stf:n=1,weight=g2", 1, plane);
		ck_assert_int_eq(sf_objective_reference(p.o), 0);
		draw_batch(&p, &b, 9);
		close_parts(&p);
		ck_assert(memcmp(a.xt, b.xt, sizeof a.xt) == 0 && memcmp(a.z, b.z, sizeof a.z) == 0);
		ck_assert(memcmp(a.t, b.t, sizeof a.t) == 0 && memcmp(a.weight, b.weight, sizeof a.weight) == 0);
	}
}
END_TEST

START_TEST(whole_set_is_exact) /* against the score of a finite data set */
{
	static const char *const process[] = {"vp", "subvp", "ve", "edm"};
	static batch b;
	double ref[N * W], score[N * W];
	int q, i;

	for (q = 0; q < 4; q++) {
		sf_score *s;
		parts p;

		open_draw(&p, &b, process[q], "stf:n=24", N, ref, NULL, 0);
		assert_ok(p.ctx, sf_score_delta(p.ctx, p.process, N, W, ref, &s));
		assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, N, b.xt, b.t, score));
		for (i = 0; i < N * W; i++) { /* the score forms x_t/alpha - x_k, which cancels at small sigma */
			const sf_coef *c = &b.coef[i / W];

			assert_close(b.z[i], -c->sigma * score[i], 1e-8, 1e-11 * (1 + c->alpha / c->sigma));
		}
		sf_score_free(s);
		close_parts(&p);
	}
}
END_TEST

START_TEST(cut_and_threads)
{
	static batch whole, part;
	double ref[40 * W];
	static const char *const specs[] = {"stf:n=10", "stf:n=40", "stf:n=24,source=false"};
	parts p;
	int k, half;

	for (k = 0; k < 3; k++) {
		open_draw(&p, &whole, "edm", specs[k], 40, ref, NULL, 0);
		part = whole;
		sf_ctx_set_threads(p.ctx, 3);
		for (half = 0; half < 2; half++) {
			part.d = whole.d;
			part.d.xt = part.xt;
			part.d.z = part.z;
			part.d.n = N / 2;
			part.d.batch = N;
			part.d.first = (uint64_t)(half * N / 2);
			part.d.x0 = ref + half * N / 2 * W;
			assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, &part.d));
			ck_assert(memcmp(part.z, whole.z + half * N / 2 * W, N / 2 * W * sizeof(double)) == 0);
			ck_assert(memcmp(part.xt, whole.xt + half * N / 2 * W, N / 2 * W * sizeof(double)) == 0);
		}
		close_parts(&p);
	}
}
END_TEST

START_TEST(refusals)
{
	double ref[N * W];
	batch b;
	parts p;
	sf_objective *o;
	sf_process *cld;

	open_draw(&p, &b, "edm", "stf:n=10", N, ref, NULL, 0);
	b.d.nref = 5;
	ck_assert_int_eq(sf_objective_draw(p.o, &p.m, &b.d), SF_EINVAL);
	b.d.nref = N;
	p.m.classes = 2; /* labels are needed now */
	ck_assert_int_eq(sf_objective_draw(p.o, &p.m, &b.d), SF_EINVAL);
	assert_ok(p.ctx, sf_objective_new(p.ctx, "stf:classes=false", &o));
	ck_assert_int_eq(sf_objective_accepts(o, &p.m), SF_EUNSUP);
	p.m.classes = 0;
	assert_ok(p.ctx, sf_objective_accepts(o, &p.m));
	sf_objective_free(o);
	assert_ok(p.ctx, sf_objective_new(p.ctx, "stf:classes=true", &o));
	ck_assert_int_eq(sf_objective_accepts(o, &p.m), SF_EMISMATCH);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(p.ctx), "labels missing"));
	p.m.classes = 2;
	assert_ok(p.ctx, sf_objective_accepts(o, &p.m));
	assert_ok(p.ctx, sf_process_new(p.ctx, "cld", &cld));
	p.m.process = cld;
	ck_assert_int_eq(sf_objective_accepts(o, &p.m), SF_EUNSUP);
	sf_process_free(cld);
	sf_objective_free(o);
	ck_assert_int_eq(sf_objective_new(p.ctx, "stf:n=0", &o), SF_ERANGE);
	close_parts(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stf");
	TCase *tc = tcase_create("stf");

	tcase_add_test(tc, subsets);
	tcase_add_test(tc, without_the_source);
	tcase_add_test(tc, with_replacement);
	tcase_add_test(tc, two_point_table);
	tcase_add_test(tc, delta_method);
	tcase_add_test(tc, properties);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, naive_forms);
	tcase_add_test(tc, one_is_dsm);
	tcase_add_test(tc, whole_set_is_exact);
	tcase_add_test(tc, cut_and_threads);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
