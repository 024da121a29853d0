/* check_local.c: local denoising score matching: dsm itself where the last increment is the whole noise, LCSS's
 * gradient on simulated paths, the minimiser of a longer step in closed form, and both against the density that the
 * double well's Fokker-Planck equation gives.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#include "moments.h"
#include "process/process.h"

typedef struct rig {
	parts p;
	sf_batch *b;
	sf_draw *d;
	double *x0, *w;
	int64_t total;
} rig;

static void open_rig(rig *r, const char *net, const char *process, const char *objective, int64_t d, int64_t n)
{
	int64_t i;

	open_parts(&r->p, net, process, "eps", objective, 1, &d);
	assert_ok(r->p.ctx, sf_batch_new(r->p.o, &r->p.m, n, n > 1 ? 2 : 1, 0, &r->b));
	r->d = sf_batch_draw(r->b);
	r->d->seed = 7;
	r->d->step = 2;
	sf_batch_data(r->b, &r->x0, NULL);
	for (i = 0; i < n * d; i++)
		r->x0[i] = sin(1.3 * (double)i);
	r->total = sf_param_total(sf_batch_graph(r->b));
	r->w = sf_alloc((size_t)r->total, sizeof *r->w);
	sf_param_init(sf_batch_graph(r->b), 2, SF_F64, r->w);
}

static void close_rig(rig *r)
{
	sf_free(r->w);
	sf_batch_free(r->b);
	close_parts(&r->p);
}

/* Draws, runs, and keeps losses (N) and gradient (allocated). */
static void run_rig(rig *r, double *loss, double **grad)
{
	assert_ok(r->p.ctx, sf_objective_draw(r->p.o, &r->p.m, r->d));
	assert_ok(r->p.ctx, sf_batch_run(r->b, r->w, NULL));
	memcpy(loss, sf_batch_losses(r->b), N * sizeof *loss);
	*grad = sf_alloc((size_t)r->total, sizeof **grad);
	memcpy(*grad, sf_batch_gradient(r->b), (size_t)r->total * sizeof **grad);
}

START_TEST(whole_step) /* the last step of a linear process is all of its noise: dsm, to the bit */
{
	static const char *const process[] = {"ve", "vp", "subvp", "edm", "ddpm"};
	static const char *const option[] = {"", "step=linearised,back=1,"};
	int i, k;

	for (i = 0; i < 5; i++)
		for (k = 0; k < 2; k++) {
			double loss[2][N], *grad[2];
			char spec[100];
			rig r;

			snprintf(spec, sizeof spec, "local-dsm:%sweight=g2", option[k]);
			open_rig(&r, MLP, process[i], spec, W, N);
			run_rig(&r, loss[0], &grad[0]);
			close_rig(&r);
			open_rig(&r, MLP, process[i], "dsm:weight=g2", W, N);
			run_rig(&r, loss[1], &grad[1]);
			ck_assert(memcmp(loss[0], loss[1], sizeof loss[0]) == 0);
			ck_assert(memcmp(grad[0], grad[1], (size_t)r.total * sizeof **grad) == 0);
			close_rig(&r);
			sf_free(grad[0]);
			sf_free(grad[1]);
		}
}
END_TEST

/* Simulated paths, the last step's noise for LCSS's perturbation: l_local = l_LCSS + w kappa^2 |z|^2/2, one gradient;
 * with lambda = std^2 the noise in the target is bounded. */
START_TEST(last_increment)
{
	static const char *const process[] = {"double-well", "sech"};
	static const char *const weight[] = {"one", "sigma-p2"};
	int k, i, j;

	for (k = 0; k < 4; k++) {
		double loss[2][N], *grad[2], z2[N], largest = 0;
		char spec[60];
		int64_t q;
		rig r;

		snprintf(spec, sizeof spec, "local-dsm:weight=%s", weight[k / 2]);
		open_rig(&r, MLP, process[k % 2], spec, W, N);
		run_rig(&r, loss[0], &grad[0]);
		for (i = 0; i < N; i++) {
			int m = (int)ceil(200 * r.d->t[i]);
			double h = r.d->t[i] / m, std = sqrt((.1 + 19.9 * (m - 1) * h) * h), s = r.d->coef[i].sigma;

			assert_close(r.d->weight[i], k / 2 ? std * std / (s * s) : 1 / (s * s), 1e-12, 0);
			for (z2[i] = 0, j = 0; j < W; j++)
				z2[i] += r.d->weight[i] * r.d->z[i * W + j] * r.d->z[i * W + j] / 2;
		}
		close_rig(&r);
		snprintf(spec, sizeof spec, "lcss:weight=%s", weight[k / 2]);
		open_rig(&r, MLP, process[k % 2], spec, W, N);
		run_rig(&r, loss[1], &grad[1]);
		for (i = 0; i < N; i++)
			assert_close(loss[0][i], loss[1][i] + z2[i], 1e-12, 1e-12 * z2[i]);
		for (q = 0; q < r.total; q++)
			largest = fmax(largest, fabs(grad[1][q]));
		ck_assert(largest > 0);
		for (q = 0; q < r.total; q++)
			assert_close(grad[0][q], grad[1][q], 1e-12, 1e-13 * largest);
		close_rig(&r);
		sf_free(grad[0]);
		sf_free(grad[1]);
	}
}
END_TEST

/* z in the scale of eps, whatever std a coordinate has; the weight is a function of t alone. */
START_TEST(linearised_draw)
{
	static const char *const process[] = {"double-well", "sech", "vp"};
	static const char *const weight[] = {"sigma2", "sigma-p2"};
	int k, i, j;

	for (k = 0; k < 6; k++) {
		sf_noise key = {7, SF_NOISE_PERTURB, 2};
		double x[W], z[W], std[W], w = NAN;
		char spec[80];
		rig r;

		snprintf(spec, sizeof spec, "local-dsm:step=linearised,back=0.05,weight=%s", weight[k / 3]);
		open_rig(&r, MLP, process[k % 3], spec, W, N);
		for (i = 0; i < N; i++)
			r.d->t[i] = .4;
		assert_ok(r.p.ctx, sf_objective_draw_at(r.p.o, &r.p.m, r.d));
		for (i = 0; i < N; i++) {
			assert_ok(r.p.ctx, sf_process_draw_local(r.p.process, W, r.x0 + i * W, .4, .05, key, (uint64_t)i, x, z, std));
			ck_assert(memcmp(x, r.d->xt + i * W, sizeof x) == 0);
			ck_assert(k % 3 == 2 ? std[0] == std[1] : std[0] != std[1]);
			for (j = 0; j < W; j++)
				assert_close(r.d->z[i * W + j], z[j] * r.d->coef[i].sigma / std[j], 1e-14, 0);
			ck_assert(i == 0 || r.d->weight[i] == w);
			w = r.d->weight[i];
		}
		if (k >= 3) /* std^2, and g^2 (t - s) = (.1 + 19.9 t) t back of the nonlinear ones, over sigma^2 */
			assert_close(w, (k % 3 == 2 ? std[0] * std[0] : 8.06 * .4 * .05) / pow(r.d->coef[0].sigma, 2), 1e-12, 0);
		close_rig(&r);
	}
}
END_TEST

/* A longer step on vp, data N(m,c): x_t = phi (a x_0 + s e) + std z. The minimiser is the score of p_t whatever the
 * step, the least loss (sigma^2/std^2 - sigma^2/(alpha^2 c + sigma^2))/2. Points +-sqrt(3) e_k are exact. */
START_TEST(longer_step)
{
	static const double back[] = {.05, .3, 1};
	const double t = .3, c = .6, m = .7;
	int i, k;

	for (i = 0; i < 3; i++) {
		double a, s, phi, from, var, std2, mean = 0, w[32] = {0};
		char spec[60];
		rig r;

		snprintf(spec, sizeof spec, "local-dsm:step=linearised,back=%.17g", back[i]);
		open_rig(&r, "affine", "vp", spec, 1, 6);
		for (k = 0; k < 6; k++)
			r.d->t[k] = t;
		assert_ok(r.p.ctx, sf_objective_draw_at(r.p.o, &r.p.m, r.d));
		a = sf_process_alpha(r.p.process, t);
		s = sf_process_sigma(r.p.process, t);
		from = back[i] < 1 ? sf_process_sigma(r.p.process, t * (1 - back[i])) : 0;
		phi = a / (back[i] < 1 ? sf_process_alpha(r.p.process, t * (1 - back[i])) : 1);
		std2 = s * s - phi * phi * from * from;
		var = a * a * c + s * s;
		for (k = 0; k < 6; k++) {
			double n[3] = {0};

			n[k / 2] = k % 2 ? -sqrt(3) : sqrt(3);
			r.d->xt[k] = a * (m + sqrt(c) * n[0]) + phi * from * n[1] + sqrt(std2) * n[2];
			r.d->z[k] = s / sqrt(std2) * n[2];
		}
		w[0] = s / var;
		w[16] = -s / var * a * m;
		assert_ok(r.p.ctx, sf_batch_run(r.b, w, &mean));
		assert_close(mean, (s * s / std2 - s * s / var) / 2, 1e-10, 0);
		assert_close(((const double *)sf_batch_gradient(r.b))[0], 0, 0, 1e-10);
		assert_close(((const double *)sf_batch_gradient(r.b))[16], 0, 0, 1e-10);
		close_rig(&r);
	}
}
END_TEST

/* ---- against the Fokker-Planck equation ---- */

enum { CELLS = 801 };
static const double EDGE = 5;

static double site(int i)
{
	return EDGE * (2. * i / (CELLS - 1) - 1);
}

static double bernoulli(double x)
{
	return fabs(x) < 1e-9 ? 1 - x / 2 : x / expm1(x);
}

static double log_rest(double x)
{
	return x * x / 2 - x * x * x * x / 4;
}

/* p of dx = (x - x^3)/2 dB + dW carried on by B: exponentially fitted fluxes, which keep exp(x^2/2 - x^4/4) as it
 * is, and Crank-Nicolson after four implicit half steps. */
static void fokker_planck(double *p, double B, int steps)
{
	static double lo[CELLS], di[CELLS], up[CELLS], diag[CELLS], rest[CELLS];
	double dx = site(1) - site(0);
	int i, n;

	memset(lo, 0, sizeof lo);
	memset(di, 0, sizeof di);
	memset(up, 0, sizeof up);
	for (i = 0; i + 1 < CELLS; i++) {
		double peclet = log_rest(site(i + 1)) - log_rest(site(i));
		double out = bernoulli(-peclet) / (2 * dx * dx), in = bernoulli(peclet) / (2 * dx * dx);

		di[i] -= out;
		up[i] += in;
		lo[i + 1] += out;
		di[i + 1] -= in;
	}
	for (n = 0; n < steps + 2; n++) {
		double h = B / steps / (n < 4 ? 2 : 1), implicit = n < 4 ? h : h / 2, explicit = h - implicit;

		for (i = 0; i < CELLS; i++)
			rest[i] = p[i] + explicit * (di[i] * p[i] + (i ? lo[i] * p[i - 1] : 0) + (i + 1 < CELLS ? up[i] * p[i + 1] : 0));
		for (i = 0; i < CELLS; i++) {
			double f = i ? -implicit * lo[i] / diag[i - 1] : 0;

			diag[i] = 1 - implicit * di[i] - (i ? f * -implicit * up[i - 1] : 0);
			rest[i] -= i ? f * rest[i - 1] : 0;
		}
		for (i = CELLS - 1; i >= 0; i--)
			p[i] = (rest[i] + (i + 1 < CELLS ? implicit * up[i] * p[i + 1] : 0)) / diag[i];
	}
}

static double moment(const double *p, int power)
{
	double sum = 0;
	int i;

	for (i = 0; i < CELLS; i++)
		sum += p[i] * pow(site(i), power) * (site(1) - site(0));
	return sum;
}

static void start(double *p)
{
	int i;

	for (i = 0; i < CELLS; i++) {
		double a = (site(i) - 1.2) / .3, b = (site(i) + 1.2) / .3;

		p[i] = (exp(-a * a / 2) + exp(-b * b / 2)) / (2 * .3 * sqrt(2 * SF_PI));
	}
}

START_TEST(solver) /* at rest: the known moments; a short time from the start: Ito's formula for E x^2 */
{
	static double p[CELLS], q[CELLS];
	double rate;
	int i;

	for (i = 0; i < CELLS; i++)
		p[i] = exp(log_rest(site(i))) / 3.9051371699;
	assert_close(moment(p, 0), 1, 1e-9, 0);
	fokker_planck(p, 2, 50);
	assert_close(moment(p, 2), 1.0417972965, 1e-8, 0);
	start(q);
	assert_close(moment(q, 2), 1.44 + .09, 1e-9, 0);
	rate = moment(q, 2) - moment(q, 4) + 1; /* d E x^2/dB = E x (x - x^3) + 1 */
	fokker_planck(q, 1e-4, 20);
	assert_close((moment(q, 2) - 1.53) / 1e-4, rate, 5e-3, 0);
	start(p);
	fokker_planck(p, 40, 400); /* long after */
	assert_close(moment(p, 2), 1.0417972965, 1e-6, 0);
}
END_TEST

/* Draws from two narrow peaks: the moments and the histogram of p_t, and E[(-z/std) f(x_t)] = E_{p_t}[s f] = -E f'
 * for f = x and x^3, which is what makes the minimiser of either loss the score of p_t (of the smoothed p_t for
 * LCSS's two stages). */
START_TEST(transient)
{
	enum { COUNT = 30000, BINS = 12 };
	static const struct {
		const char *spec;
		double t, bias; /* of Euler-Maruyama's and the linearised step, relative; second noise */
		double second;
	} rows[] = {{"local-dsm", .1, .01, 0}, {"local-dsm", .3, .01, 0},
	            {"local-dsm:step=linearised,back=0.05", .3, .03, 0},
	            {"lcss:stage=two,perturb=constant,sigma-p=0.4", .3, .01, .4}};
	static double term[COUNT], p[CELLS];
	size_t k;

	for (k = 0; k < sizeof rows / sizeof *rows; k++) {
		double B = .1 * rows[k].t + 9.95 * rows[k].t * rows[k].t, s2 = rows[k].second * rows[k].second, m2, m4, chi = 0;
		double count[BINS] = {0}, mass[BINS] = {0};
		int i, j;
		rig r;

		start(p);
		fokker_planck(p, B, 200);
		m2 = moment(p, 2) + s2;
		m4 = moment(p, 4) + 6 * s2 * moment(p, 2) + 3 * s2 * s2;
		open_rig(&r, "affine", "double-well:steps=500", rows[k].spec, 1, COUNT);
		for (i = 0; i < COUNT; i++) {
			sf_noise key = {5, SF_NOISE_USER, 0};
			double z;

			sf_noise_normal_d(r.p.ctx, key, (uint64_t)i, 0, 1, &z);
			r.x0[i] = (i % 2 ? 1.2 : -1.2) + .3 * z;
			r.d->t[i] = rows[k].t;
		}
		assert_ok(r.p.ctx, sf_objective_draw_at(r.p.o, &r.p.m, r.d));
		for (j = 0; j < 4; j++) {
			static const double sign[] = {1, 1, -1, -1};
			double want = j == 0 ? m2 : j == 1 ? m4 : j == 2 ? 1 : 3 * m2;

			for (i = 0; i < COUNT; i++) {
				double x = r.d->xt[i], x3 = x * x * x;
				double s = rows[k].second > 0 ? -r.d->z[i] / rows[k].second : -r.d->z[i] / r.d->coef[i].sigma;

				term[i] = sign[j] * (j == 0 ? x * x : j == 1 ? x * x3 : j == 2 ? s * x : s * x3);
			}
			assert_mean(term, COUNT, want, rows[k].bias * want);
		}
		for (i = 0; i < CELLS && s2 == 0; i++) {
			int bin = (int)((site(i) + 3) / 6 * BINS);

			if (site(i) > -3 && bin < BINS)
				mass[bin] += p[i] * (site(1) - site(0)) * COUNT;
		}
		for (i = 0; i < COUNT && s2 == 0; i++) {
			int bin = (int)((r.d->xt[i] + 3) / 6 * BINS);

			if (r.d->xt[i] > -3 && bin < BINS)
				count[bin]++;
		}
		for (i = 0; i < BINS && s2 == 0; i++)
			if (mass[i] > 20)
				chi = fmax(chi, fabs(count[i] - mass[i]) / (5 * sqrt(mass[i]) + 2 * rows[k].bias * mass[i]));
		ck_assert_msg(chi < 1, "%s at %g: a bin is off by %g of what chance and the steps explain", rows[k].spec, rows[k].t,
		              chi);
		close_rig(&r);
	}
}
END_TEST

START_TEST(refusals)
{
	static const struct {
		const char *process, *objective, *reason;
	} bad[] = {{"static", "local-dsm", "adds none"},
	           {"cld", "local-dsm:step=linearised", "one state block"},
	           {"ve", "local-dsm:step=linearised,t=discrete", "time 0"},
	           {"static", "lcss", "stage=two"},
	           {"double-well", "dsm", "local-dsm"}};
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		parts p;

		open_parts(&p, MLP, "vp", "eps", "dsm", 1, plane);
		sf_process_free(p.process);
		sf_objective_free(p.o);
		assert_ok(p.ctx, sf_process_new(p.ctx, bad[i].process, &p.process));
		assert_ok(p.ctx, sf_objective_new(p.ctx, bad[i].objective, &p.o));
		p.m.process = p.process;
		ck_assert_int_eq(sf_objective_accepts(p.o, &p.m), SF_EUNSUP);
		ck_assert_msg(strstr(sf_ctx_message(p.ctx), bad[i].reason) != NULL, "%s", sf_ctx_message(p.ctx));
		close_parts(&p);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("local");
	TCase *tc = tcase_create("local");

	tcase_add_test(tc, whole_step);
	tcase_add_test(tc, last_increment);
	tcase_add_test(tc, linearised_draw);
	tcase_add_test(tc, longer_step);
	tcase_add_test(tc, solver);
	tcase_add_test(tc, transient);
	tcase_add_test(tc, refusals);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
