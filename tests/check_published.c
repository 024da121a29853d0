/* check_published.c: published models written down as their papers do, against the model, its loss and its score: the losses of
 * score_sde (Song et al. 2021, 2011.13456, and 2101.09258), of NCSN and NCSNv2 (1907.05600, 2006.09011), and configurations A to F
 * of EDM (Karras et al. 2022, 2206.00364, tables 1 and 2). The network F is run by itself here, at inputs and labels that the
 * formulas below give.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective_parts.h"

#define SD .5 /* of the data, as objective_parts.h says */

/* Everything at one time: x = alpha y + sigma z; F(c_in x; c_noise); score = out F, or D = skip x/alpha + out F; the published loss is
 * lambda |score + z/sigma|^2, or lambda |D - y|^2. */
typedef struct published {
	double alpha, sigma, c_in, c_noise, skip, out, lambda;
} published;

/* ---- marginals ---- */
static double B(double t) { return .1 * t + 9.95 * t * t; }
static double beta(double t) { return .1 + 19.9 * t; }

static void as_vp(double t, published *w)
{
	w->alpha = exp(-B(t) / 2);
	w->sigma = sqrt(-expm1(-B(t)));
	w->c_noise = 999 * t;
	w->out = -1 / w->sigma;
	w->lambda = w->sigma * w->sigma;
}

static void as_subvp(double t, published *w)
{
	as_vp(t, w);
	w->sigma = -expm1(-B(t));
	w->out = -1 / w->sigma;
	w->lambda = w->sigma * w->sigma;
}

static void as_ve(double t, published *w)
{
	w->sigma = .01 * pow(5000, t);
	w->c_noise = log(w->sigma);
	w->out = 1 / w->sigma;
	w->lambda = w->sigma * w->sigma;
}

/* ---- score_sde: likelihood weighting, importance sampling (normalisers as published in its sequel's code) ---- */
static void vp_g2(double t, published *w) { as_vp(t, w), w->lambda = beta(t); }
static void subvp_g2(double t, published *w) { as_subvp(t, w), w->lambda = -beta(t) * expm1(-2 * B(t)); }
static void ve_g2(double t, published *w) { as_ve(t, w), w->lambda *= 2 * log(5000); }
static void vp_q(double t, published *w) { as_vp(t, w), w->lambda *= 23.8644723654695 / (1 - 1e-5); }
static void subvp_q(double t, published *w) { as_subvp(t, w), w->lambda *= 37.6789457319341 / (1 - 1e-5); }
static void ve_q(double t, published *w) { as_ve(t, w), w->lambda *= 17.0342160389686 / (1 - 1e-5); }

/* ---- discrete: sigmas descend with the label, abar is a product ---- */
static void smld(double t, published *w, int n, double top)
{
	w->c_noise = floor((1 - t) * (n - 1) + .5);
	w->sigma = exp(log(top) + w->c_noise / (n - 1) * (log(.01) - log(top)));
	w->out = 1 / w->sigma;
	w->lambda = w->sigma * w->sigma;
}

static void smld_1000(double t, published *w) { smld(t, w, 1000, 50); }
static void ncsnv2(double t, published *w) { smld(t, w, 232, 50); }
static void ncsn(double t, published *w) { smld(t, w, 10, 1), w->out = 1; } /* the network is the score */

static void ddpm(double t, published *w)
{
	int i, label = (int)floor(999 * t + .5);
	double abar = 1;

	for (i = 0; i <= label; i++)
		abar *= 1 - (1e-4 + i / 999. * (.02 - 1e-4));
	w->alpha = sqrt(abar);
	w->sigma = sqrt(1 - abar);
	w->c_noise = label;
	w->out = -1 / w->sigma;
	w->lambda = w->sigma * w->sigma;
}

/* ---- EDM's table: r = sigma/alpha, c_in for x/alpha ---- */
static void edm_vp(double t, published *w)
{
	double r = sqrt(expm1(B(t)));

	as_vp(t, w);
	w->c_noise = 999 * (sqrt(.01 + 39.8 * log1p(r * r)) - .1) / 19.9;
	w->skip = 1;
	w->out = -r;
	w->c_in = 1 / (w->alpha * sqrt(r * r + 1));
	w->lambda = 1 / (r * r);
}

static void edm_ve(double t, published *w)
{
	w->sigma = .02 * pow(5000, t);
	w->c_noise = log(w->sigma / 2);
	w->skip = 1;
	w->out = w->sigma;
	w->lambda = 1 / (w->sigma * w->sigma);
}

static void edm_iddpm(double t, published *w)
{
	double u[1001], after = sin(SF_PI / 2 / 1.008), before;
	int j, level = (int)floor(999 * t + .5);

	for (u[1000] = 0, j = 1000; j > 0; j--, after = before) {
		before = sin(SF_PI / 2 * (j - 1) / 1008);
		u[j - 1] = sqrt((u[j] * u[j] + 1) / fmax(before * before / (after * after), .001) - 1);
	}
	w->alpha = 1 / sqrt(1 + u[999 - level] * u[999 - level]);
	w->sigma = w->alpha * u[999 - level];
	w->c_noise = level;
	w->skip = 1;
	w->out = -u[999 - level];
	w->c_in = 1 / (w->alpha * sqrt(u[999 - level] * u[999 - level] + 1));
	w->lambda = 1 / (u[999 - level] * u[999 - level]);
}

/* EDM's own preconditioning on another model's noise and weights (configuration D), */
static void precondition(published *w)
{
	double r = w->sigma / w->alpha, m2 = r * r + SD * SD;

	w->c_noise = log(r) / 4;
	w->skip = SD * SD / m2;
	w->out = r * SD / sqrt(m2);
	w->c_in = 1 / (w->alpha * sqrt(m2));
}

static void d_vp(double t, published *w) { edm_vp(t, w), precondition(w); }
static void d_ve(double t, published *w) { edm_ve(t, w), precondition(w); }

static void edm(double t, published *w) /* and with its own (E, F) */
{
	w->sigma = t;
	precondition(w);
	w->lambda = (t * t + SD * SD) / (t * SD * t * SD);
}

enum { SCORE, DENOISER };
static const struct row {
	const char *name, *net, *process, *param;
	int cond;
	const char *objective;
	void (*formula)(double t, published *w);
	int kind, mean; /* mean: their loss is the mean over pixels, not half the sum */
} rows[] = {
	{"VE continuous", MLP, "ve", "sigma-score", SF_COND_LOG, "dsm", as_ve, SCORE, 0},
	{"VE likelihood", MLP, "ve", "sigma-score", SF_COND_LOG, "dsm:weight=g2", ve_g2, SCORE, 0},
	{"VE importance", MLP, "ve", "sigma-score", SF_COND_LOG, "dsm:weight=g2,t=importance", ve_q, SCORE, 0},
	{"VP continuous", MLP, "vp", "eps", SF_COND_AUTO, "dsm", as_vp, SCORE, 1},
	{"VP likelihood", MLP, "vp", "eps", SF_COND_AUTO, "dsm:weight=g2", vp_g2, SCORE, 1},
	{"VP importance", MLP, "vp", "eps", SF_COND_AUTO, "dsm:weight=g2,t=importance", vp_q, SCORE, 1},
	{"sub-VP continuous", MLP, "subvp", "eps", SF_COND_AUTO, "dsm", as_subvp, SCORE, 1},
	{"sub-VP likelihood", MLP, "subvp", "eps", SF_COND_AUTO, "dsm:weight=g2", subvp_g2, SCORE, 1},
	{"sub-VP importance", MLP, "subvp", "eps", SF_COND_AUTO, "dsm:weight=g2,t=importance", subvp_q, SCORE, 1},
	{"SMLD", MLP, "ve", "sigma-score", SF_COND_LEVEL, "dsm:t=discrete", smld_1000, SCORE, 0},
	{"DDPM", MLP, "ddpm", "eps", SF_COND_LEVEL, "dsm:t=discrete", ddpm, SCORE, 1},
	{"NCSN", MLP, "ve:sigma-max=1,levels=10", "score", SF_COND_LEVEL, "dsm:t=discrete", ncsn, SCORE, 0},
	{"NCSNv2", MLP ",embed=none", "ve:levels=232", "sigma-score", SF_COND_LEVEL, "dsm:t=discrete", ncsnv2, SCORE, 0},
	{"EDM A-C, VP", MLP, "vp", "edm-vp", SF_COND_AUTO, "dsm", edm_vp, DENOISER, 0},
	{"EDM A-C, VE", MLP ",embed=fourier", "ve:sigma-min=0.02,sigma-max=100", "edm-ve", SF_COND_AUTO, "dsm", edm_ve, DENOISER, 0},
	{"EDM, iDDPM", MLP, "ddpm:schedule=cosine", "edm-iddpm", SF_COND_AUTO, "dsm:t=discrete", edm_iddpm, DENOISER, 0},
	{"EDM D, VP", MLP, "vp", "edm", SF_COND_AUTO, "dsm", d_vp, DENOISER, 0},
	{"EDM D, VE", MLP ",embed=fourier", "ve:sigma-min=0.02,sigma-max=100", "edm", SF_COND_AUTO, "dsm", d_ve, DENOISER, 0},
	{"EDM E-F", MLP, "edm", "edm", SF_COND_AUTO, "dsm:t=lognormal,weight=edm", edm, DENOISER, 0}};
enum { ROWS = sizeof rows / sizeof *rows };

static void open_row(parts *p, const struct row *row)
{
	open_parts(p, row->net, row->process, row->param, row->objective, 1, plane);
	p->m.cond = row->cond;
	assert_ok(p->ctx, sf_objective_accepts(p->o, &p->m));
}

/* F(x; cond) of n samples, without a model. */
static void run_net(parts *p, double *w, int64_t n, double *x, double *cond, double *out)
{
	sf_net_io io;
	sf_graph *g;
	sf_plan *plan;
	sf_run run;
	sf_var f;

	memset(&io, 0, sizeof io);
	assert_ok(p->ctx, sf_graph_new(p->ctx, 1, &g));
	io.x = sf_input(g, "x", 1, p->m.rank, p->m.dim);
	io.cond = sf_input(g, "cond", 1, 0, NULL);
	io.label = io.augment = SF_NOVAR;
	f = sf_net_build(p->net, g, &io);
	assert_ok(p->ctx, sf_graph_status(g));
	assert_ok(p->ctx, sf_plan_new(g, &f, 1, SF_F64, n, &plan));
	if (x)
		assert_ok(p->ctx, sf_plan_bind(plan, io.x, x));
	if (!strstr(sf_spec(p->net), "embed=none"))
		assert_ok(p->ctx, sf_plan_bind(plan, io.cond, cond));
	assert_ok(p->ctx, sf_plan_bind_params(plan, w));
	assert_ok(p->ctx, sf_plan_output(plan, 0, out));
	memset(&run, 0, sizeof run);
	run.n = n;
	run.shards = 1;
	assert_ok(p->ctx, sf_plan_run(plan, &run));
	sf_plan_free(plan);
	sf_graph_free(g);
}

START_TEST(losses) /* the loss of each sample, the score and the denoiser, from F and the paper */
{
	const struct row *row = &rows[_i];
	double w[4096], in[N * W], cond[N], F[N * W], score[N * W], denoised[N * W], *x0;
	published f[N];
	const double *loss;
	sf_score *s;
	sf_batch *b;
	sf_draw *d;
	parts p;
	int i, k;

	open_row(&p, row);
	assert_ok(p.ctx, sf_batch_new(p.o, &p.m, N, 1, 0, &b));
	sf_batch_data(b, &x0, NULL);
	for (i = 0; i < N * W; i++)
		x0[i] = sin(1.3 * i);
	d = sf_batch_draw(b);
	d->seed = 5;
	ck_assert(sf_param_total(sf_batch_graph(b)) <= 4096);
	sf_param_init(sf_batch_graph(b), 2, SF_F64, w);
	assert_ok(p.ctx, sf_objective_draw(p.o, &p.m, d));
	assert_ok(p.ctx, sf_batch_run(b, w, NULL));
	loss = sf_batch_losses(b);
	for (i = 0; i < N; i++) {
		f[i].alpha = f[i].c_in = 1;
		f[i].skip = 0;
		row->formula(d->t[i], &f[i]);
		cond[i] = f[i].c_noise;
		for (k = i * W; k < (i + 1) * W; k++) {
			assert_close(d->xt[k], f[i].alpha * x0[k] + f[i].sigma * d->z[k], 1e-9, 1e-12);
			in[k] = f[i].c_in * d->xt[k];
		}
	}
	run_net(&p, w, N, in, cond, F);
	assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
	assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, N, d->xt, d->t, score));
	assert_ok(p.ctx, sf_score_eval(s, SF_DENOISED, N, d->xt, d->t, denoised));
	for (i = 0; i < N; i++) {
		const published *q = &f[i];
		double want = 0, by_target = 0;

		for (k = i * W; k < (i + 1) * W; k++) {
			double x = d->xt[k] / q->alpha, r = q->sigma / q->alpha, D, miss, target;

			if (row->kind == SCORE) {
				assert_close(score[k], q->out * F[k], 1e-8, 1e-10);
				miss = q->out * F[k] + d->z[k] / q->sigma;
				want += q->lambda * miss * miss / 2;
				continue;
			}
			D = q->skip * x + q->out * F[k];
			assert_close(denoised[k], D, 1e-9, 1e-9 * (fabs(x) + r));
			assert_close(score[k], (D - x) / (r * r) / q->alpha, 1e-8, 1e-9 * (fabs(x) / r + 1) / q->sigma);
			miss = D - x0[k];
			want += q->lambda * miss * miss / 2;
			target = (x0[k] - q->skip * x) / q->out;
			by_target += q->lambda * q->out * q->out * (F[k] - target) * (F[k] - target) / 2;
		}
		assert_close(loss[i], want, 1e-7, 1e-10);
		if (row->mean) { /* their mean over pixels is our half sum times 2/d */
			double sum = 0;

			for (k = i * W; k < (i + 1) * W; k++)
				sum += q->lambda / W * pow(q->out * F[k] + d->z[k] / q->sigma, 2);
			assert_close(loss[i] * 2 / W, sum, 1e-7, 1e-10);
		}
		if (row->kind == DENOISER) {
			assert_close(loss[i], by_target, 1e-7, 1e-10);
			if (row->name[4] != 'D') /* lambda c_out^2 */
				assert_close(q->lambda * q->out * q->out, 1, 1e-9, 0);
		}
	}
	sf_score_free(s);
	sf_batch_free(b);
	close_parts(&p);
}
END_TEST

/* ---- training noise: how far the empirical law of r is from the published one (Kolmogorov) ---- */

static double law_vp(double r) { return ((sqrt(.01 + 39.8 * log1p(r * r)) - .1) / 19.9 - 1e-5) / (1 - 1e-5); }
static double law_ve(double r) { return log(r / .02) / log(5000); }
static double law_edm(double r) { return erfc(-(log(r) + 1.2) / 1.2 / sqrt(2)) / 2; }
static double law_iddpm(double r) /* j uniform: u_j^2 + 1 = abar_M/abar_j, of which the root's sine is c j */
{
	return r > 1e4 ? 1 : 1 - asin(sin(SF_PI / 2 / 1.008) / sqrt(1 + r * r)) / (SF_PI / 2) * 1.008;
}

static int rising(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

START_TEST(noise)
{
	enum { COUNT = 20000 };
	static const struct {
		const char *name;
		double (*law)(double r);
	} of[] = {{"EDM A-C, VP", law_vp}, {"EDM A-C, VE", law_ve}, {"EDM, iDDPM", law_iddpm}, {"EDM E-F", law_edm},
	          {"EDM D, VP", law_vp}};
	static double r[COUNT];
	size_t k;
	int i, j;

	for (k = 0; k < sizeof of / sizeof *of; k++) {
		double worst = 0;
		parts p;

		for (j = 0; strcmp(rows[j].name, of[k].name) != 0; j++)
			;
		open_row(&p, &rows[j]);
		for (i = 0; i < COUNT; i++) {
			double one, t = sf_objective_time(p.o, &p.m, 3, 1, (uint64_t)i, COUNT, &one);

			ck_assert(one == 1);
			r[i] = sf_process_sigma(p.process, t) / sf_process_alpha(p.process, t);
		}
		qsort(r, COUNT, sizeof *r, rising);
		for (i = 0; i < COUNT; i++)
			worst = fmax(worst, fabs(of[k].law(r[i]) - (i + .5) / COUNT));
		/* one in a thousand samples is further than 1.95/sqrt(n); discrete levels are 1/1000 wide */
		ck_assert_msg(worst < 1.95 / sqrt(COUNT) + 1e-3, "%s: %g", of[k].name, worst);
		close_parts(&p);
	}
}
END_TEST

/* ---- a denoiser that knows the one datum y: the score is exact ---- */

START_TEST(perfect)
{
	static const char *const process[] = {"vp", "subvp", "edm", "ve:sigma-min=0.02,sigma-max=100", "ddpm:schedule=cosine",
	                                      "edm:schedule=vp,scaling=vp", "cosine"};
	static const char *const param[] = {"edm-vp", "edm-ve", "edm-iddpm", "edm", "sigma-score"};
	static const double y[W] = {.8, -.3}, x[W] = {1.1, .4}, part[] = {.02, .3, .8};
	size_t i, j, k;
	int n;

	for (i = 0; i < sizeof process / sizeof *process; i++)
		for (j = 0; j < sizeof param / sizeof *param; j++)
			for (k = 0; k < sizeof part / sizeof *part; k++) {
				double w[32] = {0}, out[W], t, a, s, r, skip, gain, in;
				sf_score *score;
				parts p;

				open_parts(&p, "affine", process[i], param[j], "dsm", 1, plane);
				t = part[k] * sf_process_horizon(p.process);
				a = sf_process_alpha(p.process, t);
				s = sf_process_sigma(p.process, t);
				r = s / a;
				/* F = (y - c_skip x^)/c_out with x^ = u/c_in; sigma-score in x^: F = r score = (y - x^)/r, u = a x^ */
				skip = j == 3 ? SD * SD / (r * r + SD * SD) : 1;
				gain = j == 3 ? r * SD / sqrt(r * r + SD * SD) : j == 1 || j == 4 ? r : -r;
				in = j == 3 ? 1 / sqrt(r * r + SD * SD) : j == 1 ? 1 : j == 4 ? a : 1 / sqrt(r * r + 1);
				w[0] = w[3] = -skip / gain / in;
				for (n = 0; n < W; n++)
					w[16 + n] = y[n] / gain;
				assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &score));
				assert_ok(p.ctx, sf_score_eval(score, SF_SCORE, 1, x, &t, out));
				for (n = 0; n < W; n++)
					assert_close(out[n], (a * y[n] - x[n]) / (s * s), 1e-12, 1e-13 / (s * s));
				assert_ok(p.ctx, sf_score_eval(score, SF_DENOISED, 1, x, &t, out));
				for (n = 0; n < W; n++)
					assert_close(out[n], y[n], 1e-11, 1e-13 / a);
				sf_score_free(score);
				close_parts(&p);
			}
}
END_TEST

/* ---- models of discrete levels at any time ---- */

START_TEST(between) /* eps is the level's, sigma that of the time: score = F/sigma(t); level by level it is score_sde's */
{
	enum { LEVELS = 10 };
	static const int64_t line[] = {1};
	double w[4096], t[2], x[2] = {.7, .7}, out[2], f[2], cond[2], sigma;
	sf_score *s;
	sf_batch *b;
	parts p;
	int i;

	open_parts(&p, MLP, "ve:sigma-max=1,levels=10", "sigma-score", "dsm:t=discrete", 1, line);
	p.m.cond = SF_COND_LEVEL;
	assert_ok(p.ctx, sf_batch_new(p.o, &p.m, 1, 1, 0, &b));
	sf_param_init(sf_batch_graph(b), 2, SF_F64, w);
	sf_batch_free(b);
	assert_ok(p.ctx, sf_model_score(&p.m, SF_F64, w, 0, &s));
	for (i = 0; i < LEVELS - 1; i++) {
		t[0] = i / (LEVELS - 1.);
		t[1] = (i + .3) / (LEVELS - 1.);
		cond[0] = cond[1] = LEVELS - 1 - i;
		assert_ok(p.ctx, sf_score_eval(s, SF_SCORE, 2, x, t, out));
		run_net(&p, w, 2, x, cond, f);
		sigma = .01 * pow(100, i / (LEVELS - 1.)); /* sigmas[label] */
		assert_close(out[0], f[0] / sigma, 1e-12, 0);
		assert_close(out[1] * .01 * pow(100, t[1]), f[1], 1e-12, 0);
		ck_assert(f[0] == f[1] && f[0] != 0);
	}
	sf_score_free(s);
	close_parts(&p);
}
END_TEST

/* ---- D = c_skip x' + c_out F(c_in x') with x' = x/alpha, r = sigma/alpha: the table in the manual (scorefield-config) ---- */

START_TEST(manual)
{
	static const char *const process[] = {"vp", "ve", "subvp", "edm", "ddpm", "cosine"};
	sf_ctx *ctx = ck_ctx();
	size_t i;
	int j, k;

	for (i = 0; i < sizeof process / sizeof *process; i++)
		for (j = 1; j <= 8; j++) {
			sf_process *p;
			double t, a, s, r, n, m;

			assert_ok(ctx, sf_process_new(ctx, process[i], &p));
			t = sf_process_horizon(p) * j / 8;
			a = sf_process_alpha(p, t), s = sf_process_sigma(p, t), r = s / a;
			n = sqrt(1 + r * r), m = sqrt(r * r + SD * SD);
			{
				const struct {
					int kind;
					double skip, out, in;
				} row[] = {{SF_PARAM_EPS, 1, -r, a}, {SF_PARAM_SCORE, 1, r * s, a}, {SF_PARAM_SIGMA_SCORE, 1, r, a},
				           {SF_PARAM_X0, 0, 1, a}, {SF_PARAM_V, 1 / (n * n), -r / n, 1 / n},
				           {SF_PARAM_MIXED, 1 / (n * n), -r, a}, {SF_PARAM_EDM, SD * SD / (m * m), r * SD / m, 1 / m},
				           {SF_PARAM_EDM_VP, 1, -r, 1 / n}, {SF_PARAM_EDM_IDDPM, 1, -r, 1 / n}, {SF_PARAM_EDM_VE, 1, r, 1}};

				for (k = 0; k < 10; k++) {
					sf_coef c;

					sf_param_coef(row[k].kind, p, SD, SF_COND_AUTO, 0, t, &c);
					assert_close(1 - c.e_x * c.sigma, row[k].skip, 1e-9, 1e-12);
					assert_close(-c.e_f * r, row[k].out, 1e-12, 0);
					assert_close(c.c_in * a, row[k].in, 1e-12, 0);
				}
			}
			sf_process_free(p);
		}
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("published");
	TCase *tc = tcase_create("published");

	tcase_add_loop_test(tc, losses, 0, ROWS);
	tcase_add_test(tc, noise);
	tcase_add_test(tc, perfect);
	tcase_add_test(tc, between);
	tcase_add_test(tc, manual);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
