/* check_stf_draw.c: what the objective of stable target fields draws, against the formulas of each process spelled
 * out in long double, denoising score matching and the score of a finite data set.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

static void fill(double *x, int count, double phase)
{
	int i;

	for (i = 0; i < count; i++)
		x[i] = sin(1.7 * i + phase) + .3 * cos(.31 * i * i);
}

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

/* The target as sum w_k (x_t - alpha x_k)/sigma with w from |x_t - alpha x_k|^2/(2 sigma^2), and the
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
	Suite *suite = suite_create("stf-draw");
	TCase *tc = tcase_create("stf-draw");

	tcase_add_test(tc, naive_forms);
	tcase_add_test(tc, one_is_dsm);
	tcase_add_test(tc, whole_set_is_exact);
	tcase_add_test(tc, cut_and_threads);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
