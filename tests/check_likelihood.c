/* check_likelihood.c: densities by the probability-flow ODE against closed forms.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "score/score.h"
#include "support.h"

#include <scorefield/likelihood.h>

#include <math.h>
#include <string.h>

static sf_ctx *ctx;
static sf_process *process;
static sf_score *score;
static sf_likelihood_run run;

static void setup(void)
{
	ctx = ck_ctx();
	process = NULL;
	score = NULL;
	sf_likelihood_defaults(&run);
	run.n = 1;
	run.solver = "rk45:rtol=1e-10,atol=1e-10";
}

static void teardown(void)
{
	sf_score_free(score);
	sf_process_free(process);
	sf_ctx_free(ctx);
}

static void open_score(const char *p, const char *s, int64_t d)
{
	sf_score_free(score);
	sf_process_free(process);
	score = NULL;
	process = NULL;
	assert_ok(ctx, sf_process_new(ctx, p, &process));
	if (s)
		assert_ok(ctx, sf_score_new(ctx, s, process, d, &score));
}

/* Normal data with the exact score, computed to 12 digits from R^2 = V_T/V_0. */
START_TEST(normal_data)
{
	static const struct {
		const char *process, *score;
		double x, z, logp, scale, bits;
	} golden[] = {
		{"ve:sigma-min=0.01,sigma-max=50", "gaussian:mean=0.5,std=0.25", .1, -79.4370650155, -.795480628647, 256, 9.14763595807},
		{"vp", "gaussian:mean=0.2,std=0.5", -.3, -.998667786255, -.724477722704, 128, 8.04520041778},
		{"subvp", "gaussian:mean=0.2,std=0.5", -.3, -.998648195674, -.724477749537, 128, 8.04520045649}};
	sf_view view;
	double z;
	sf_logp l;

	memset(&view, 0, sizeof view);
	open_score(golden[_i].process, golden[_i].score, 1);
	run.start = 1e-5;
	assert_ok(ctx, sf_likelihood(score, &run, &golden[_i].x, &l, &z, NULL));
	assert_close(z, golden[_i].z, 1e-9, 0);
	assert_close(l.logp, golden[_i].logp, 1e-9, 0);
	assert_close(l.logp, l.prior + l.divergence, 1e-15, 0);
	ck_assert(l.velocity == 0);
	view.scale = golden[_i].scale;
	assert_close(sf_view_bits(&view, 1, l.logp), golden[_i].bits, 1e-9, 0);
}
END_TEST

/* Whatever the score's density, the integral is what its logarithm falls by along the path. */
#define ROTATED "gaussian:mean=0.3:-1,std=0.5:2,rho=0.6"
#define THREE "mixture:weights=1:2:3,means=0:0:1:1:-1:2,std=0.3:0.5:0.2"
enum { N = 5, D = 3 };
static const struct {
	const char *process, *score;
	int64_t d;
	double at[N * D], spread; /* where the data are */
} cases[] = {{"vp", ROTATED, 2, {.3, -1, 0, -2, .6, 0, 1, 1, 0, -1}, .2},
             {"subvp", ROTATED, 2, {.3, -1, 0, -2, .6, 0, 1, 1, 0, -1}, .2},
             {"ve", ROTATED, 2, {.3, -1, 0, -2, .6, 0, 1, 1, 0, -1}, .2},
             {"edm", ROTATED, 2, {.3, -1, 0, -2, .6, 0, 1, 1, 0, -1}, .2},
             {"cld:eps=0", ROTATED, 2, {.3, -1, 0, -2, .6, 0, 1, 1, 0, -1}, .2},
             {"vp", "mixture:preset=skewed", 1, {-1, .6, 1.5, .2, -.3}, .2},
             {"subvp", "mixture:preset=two", 3, {1, 0, 0, -1, 0, 0, 1, 0, 0, -1, 0, 0, 1}, .1},
             {"ve", "mixture:preset=rings8", 2, {1, 0, .7, .7, 0, 1, -.7, .7, -1, 0}, .04},
             {"edm", THREE, 2, {0, 0, 1, 1, -1, 2, .5, .5, 1, 0}, .2},
             {"cld:eps=0", THREE, 2, {0, 0, 1, 1, -1, 2, .5, .5, 1, 0}, .2},
             {"ddpm", "mixture:preset=skewed", 1, {-1, .6, 1.5, .2, -.3}, .2}};
enum { SMOOTH = sizeof cases / sizeof *cases - 1 /* ddpm's rate jumps from level to level */ };

static void points(int64_t count, double *x)
{
	int64_t i;

	for (i = 0; i < count; i++)
		x[i] = 1.2 * sin(2.3 * (double)i + 1);
}

/* N states of case c, (N,k,d): velocities near those at the start */
static int64_t states(int c, double *u)
{
	int64_t k = sf_process_blocks(process), d = cases[c].d, i;

	points(N * k * d, u);
	for (i = 0; i < N * k * d; i++)
		u[i] = i / d % k ? .1 * u[i] : cases[c].at[i / (k * d) * d + i % d] + cases[c].spread * u[i];
	return N * k * d;
}

/* The largest error of the integral at N states u (N,k,d) that start at run.start. */
static double identity(int c)
{
	double u[2 * N * D], div[N], t[N], first[N], last[N], worst = 0;
	int64_t i;

	states(c, u);
	run.n = N;
	run.start = 1e-3 * sf_process_horizon(process);
	for (i = 0; i < N; i++)
		t[i] = run.start;
	assert_ok(ctx, sf_score_logp(score, N, u, t, first));
	assert_ok(ctx, sf_encode(score, &run, u, div, NULL));
	for (i = 0; i < N; i++)
		t[i] = sf_process_horizon(process);
	assert_ok(ctx, sf_score_logp(score, N, u, t, last));
	for (i = 0; i < N; i++)
		worst = fmax(worst, fabs(div[i] - (first[i] - last[i])));
	return worst;
}

START_TEST(exact_density)
{
	static const char *const solver[] = {"rk45:rtol=1e-4,atol=1e-4", NULL, "rk45:rtol=1e-7,atol=1e-7",
	                                     "rk45:rtol=1e-10,atol=1e-10"};
	static const double tolerance[] = {1e-4, 1e-5, 1e-7, 1e-10};
	int i;

	open_score(cases[_i].process, cases[_i].score, cases[_i].d);
	for (i = 0; i < 4; i++) {
		double worst;

		run.solver = solver[i];
		worst = identity(_i);
		/* what is controlled is the error of a step; tens of steps, and paths that spread, add up */
		ck_assert_msg(worst < 50 * tolerance[i], "%s, %s: error %g at tolerance %g", cases[_i].process, cases[_i].score,
		              worst, tolerance[i]);
	}
}
END_TEST

START_TEST(jumps) /* a step that crosses several levels sees one rate of each stage only: an error of the order of a level's length */
{
	open_score("ddpm", "mixture:preset=skewed", 1);
	run.solver = NULL;
	assert_close(identity(SMOOTH), 0, 0, 2e-3);
}
END_TEST

START_TEST(order_five) /* of the integral on equal steps */
{
	static const char *const solver[] = {"rk45:fixed=80", "rk45:fixed=160"};
	double error[2], T = 1, t = .2, first, last;
	int i;

	open_score("cld:eps=0", "mixture:preset=skewed", 1);
	run.start = t;
	for (i = 0; i < 2; i++) {
		double u[2] = {.3, .1};

		run.solver = solver[i];
		assert_ok(ctx, sf_score_logp(score, 1, u, &t, &first));
		assert_ok(ctx, sf_encode(score, &run, u, &error[i], NULL));
		assert_ok(ctx, sf_score_logp(score, 1, u, &T, &last));
		error[i] = fabs(error[i] - (first - last));
	}
	assert_close(log2(error[0] / error[1]), 5, 0, .1);
}
END_TEST

/* half the logarithm of the ratio of determinants, a coordinate */
START_TEST(cld_divergence)
{
	static const double start[] = {1e-5, 1e-3}, expected[] = {2.29874815003, 2.02110249107};
	double u[6], div, t, S[4], a[2], det[2];
	int i, e;

	open_score("cld:eps=0", "gaussian:mean=0.7,std=0.5", 3);
	for (i = 0; i < 2; i++) {
		points(6, u);
		run.start = start[i];
		assert_ok(ctx, sf_encode(score, &run, u, &div, NULL));
		assert_close(div, 3 * expected[i], 1e-9, 0);
		for (e = 0; e < 2; e++) {
			t = e ? 1 : start[i];
			sf_process_cov(process, t, S);
			sf_process_mean_column(process, t, a);
			det[e] = (S[0] + .25 * a[0] * a[0]) * (S[3] + .25 * a[1] * a[1]) -
			         (S[1] + .25 * a[0] * a[1]) * (S[1] + .25 * a[0] * a[1]);
		}
		assert_close(div, 1.5 * log(det[1] / det[0]), 1e-8, 0);
	}
}
END_TEST

START_TEST(velocities) /* independent of the position in the model, so that every draw gives log p(x) */
{
	double x[N * 2], z[N * 4];
	sf_logp l[N];
	int i;

	open_score("cld:eps=0", "gaussian:mean=0.7,std=0.5", 2);
	points(N * 2, x);
	run.n = N;
	run.start = 1e-7;
	for (run.seed = 0; run.seed < 3; run.seed++) {
		assert_ok(ctx, sf_likelihood(score, &run, x, l, z, NULL));
		for (i = 0; i < N; i++) {
			double r0 = (x[2 * i] - .7) / .5, r1 = (x[2 * i + 1] - .7) / .5;
			double exact = -.5 * (r0 * r0 + r1 * r1) - log(2 * SF_PI * .25), one = 1, last, prior;

			/* but for the prior, which is not the law at T */
			assert_ok(ctx, sf_score_logp(score, 1, z + 4 * i, &one, &last));
			sf_process_prior_logp(process, 1, 2, z + 4 * i, &prior);
			/* by t0 = 1e-7 the velocities' variance has grown by 8e-5 of itself */
			assert_close(l[i].logp - prior + last, exact, 0, 1e-3);
			ck_assert(fabs(l[i].velocity) > 0);
		}
	}
}
END_TEST

START_TEST(all_signs) /* Rademacher probes have the right mean: all of them together are exact */
{
	double exact[N], mean[N], u[N * 4], probe[16 * 4], x[4] = {.3, -.2, .5, .1};
	int q, j, size;
	int64_t k;

	open_score(_i ? "cld:eps=0" : "vp", "mixture:weights=1:2:3,means=0:0:1:1:-1:2,std=0.3:0.5:0.2", 2);
	k = sf_process_blocks(process);
	size = (int)(2 * k);
	for (q = 0; q < 1 << size; q++)
		for (j = 0; j < size; j++)
			probe[q * size + j] = q >> j & 1 ? -1 : 1;
	run.start = .01;
	memcpy(u, x, sizeof x);
	assert_ok(ctx, sf_encode(score, &run, u, exact, NULL));
	memcpy(u, x, sizeof x);
	run.trace = SF_TRACE_RADEMACHER;
	run.probes = 1 << size;
	run.probe = probe;
	assert_ok(ctx, sf_encode(score, &run, u, mean, NULL));
	assert_close(mean[0], exact[0], 1e-9, 1e-9);
	run.probes = 1; /* and one alone is not */
	memcpy(u, x, sizeof x);
	assert_ok(ctx, sf_encode(score, &run, u, mean, NULL));
	ck_assert(fabs(mean[0] - exact[0]) > 1e-3);
}
END_TEST

START_TEST(diagonal_jacobian) /* one Rademacher probe is exact; a normal one is not */
{
	double x[3] = {.3, -.2, .5};
	sf_logp exact, one;

	open_score("vp", "gaussian:mean=0.1:0.2:0.3,std=0.5:1:2", 3);
	assert_ok(ctx, sf_likelihood(score, &run, x, &exact, NULL, NULL));
	run.trace = SF_TRACE_RADEMACHER;
	assert_ok(ctx, sf_likelihood(score, &run, x, &one, NULL, NULL));
	assert_close(one.logp, exact.logp, 1e-9, 0);
	run.trace = SF_TRACE_NORMAL;
	assert_ok(ctx, sf_likelihood(score, &run, x, &one, NULL, NULL));
	ck_assert(fabs(one.logp - exact.logp) > 1e-3);
}
END_TEST

START_TEST(random_probes) /* mean and variance of many estimates at one point: 2 (sum of squares) off the diagonal, or of all */
{
	enum { M = 1000 };
	static double x[2 * M];
	static sf_logp l[M];
	double exact, sum = 0, square = 0, se, variance[2];
	int i, kind;

	open_score("vp", "gaussian:mean=0,std=0.5:2,rho=0.8", 2);
	for (i = 0; i < M; i++)
		x[2 * i] = .4;
	run.solver = "rk45:rtol=1e-5,atol=1e-5";
	assert_ok(ctx, sf_likelihood(score, &run, x, l, NULL, NULL));
	exact = l[0].divergence;
	run.n = M;
	for (kind = 0; kind < 2; kind++) {
		run.trace = kind ? SF_TRACE_NORMAL : SF_TRACE_RADEMACHER;
		assert_ok(ctx, sf_likelihood(score, &run, x, l, NULL, NULL));
		for (sum = square = 0, i = 0; i < M; i++) {
			sum += l[i].divergence - exact;
			square += (l[i].divergence - exact) * (l[i].divergence - exact);
		}
		variance[kind] = square / M;
		se = sqrt(variance[kind] / M);
		ck_assert_msg(fabs(sum / M) < 5 * se, "mean off by %g, standard error %g", sum / M, se);
	}
	/* the integrated Jacobian is symmetric, diag(l1, l2) turned by q; l = ln of the growth of each axis */
	{
		double T = 1, t0 = 1e-5, c11 = .25, c22 = 4, c12 = .8, mid = (c11 + c22) / 2, l1, l2, grow[2], cosine2, off, lam[2];
		double r = hypot((c11 - c22) / 2, c12);
		double a0 = sf_process_alpha(process, t0), s0 = sf_process_sigma(process, t0), aT = sf_process_alpha(process, T),
		       sT = sf_process_sigma(process, T);

		lam[0] = mid + r;
		lam[1] = mid - r;
		for (i = 0; i < 2; i++) /* int of half g^2 times the eigenvalue of -J: ln R - int F */
			grow[i] = .5 * log((aT * aT * lam[i] + sT * sT) / (a0 * a0 * lam[i] + s0 * s0)) - log(aT / a0);
		l1 = grow[0];
		l2 = grow[1];
		cosine2 = (c11 - c22) / 2 / r; /* cos 2q of the first axis */
		off = (l1 - l2) / 2 * sqrt(1 - cosine2 * cosine2);
		assert_close(variance[0], 4 * off * off, 5 * sqrt(1.0 / M), 0); /* (2 off e1 e2)^2 is the same for all signs */
		assert_close(variance[1], 2 * (l1 * l1 + l2 * l2), 5 * sqrt(14.0 / M), 0);
	}
}
END_TEST

START_TEST(equal_bytes) /* for any threads and any cut */
{
	static const int trace[] = {SF_TRACE_EXACT, SF_TRACE_RADEMACHER, SF_TRACE_NORMAL};
	double x[7 * 2], z[7 * 4], part[7 * 4];
	sf_logp whole[7], l[7];
	int threads, k;
	int64_t cut, size;

	open_score(_i == 1 ? "cld:eps=0" : "vp", "mixture:weights=1:2:3,means=0:0:1:1:-1:2,std=0.3:0.5:0.2", 2);
	size = 2 * sf_process_blocks(process);
	points(14, x);
	run.solver = NULL;
	run.trace = trace[_i];
	run.probes = 3;
	run.seed = 11;
	run.first_sample = 100;
	run.n = 7;
	assert_ok(ctx, sf_likelihood(score, &run, x, whole, z, NULL));
	for (threads = 1; threads <= 3; threads++)
		for (cut = 1; cut <= 7; cut += 2) {
			assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
			for (k = 0; k < 7; k += (int)cut) {
				run.first_sample = 100 + (uint64_t)k;
				run.n = 7 - k < cut ? 7 - k : cut;
				assert_ok(ctx, sf_likelihood(score, &run, x + 2 * k, l + k, part + size * k, NULL));
			}
			ck_assert(memcmp(l, whole, sizeof l) == 0);
			ck_assert(memcmp(part, z, 7 * (size_t)size * sizeof *z) == 0);
		}
	run.n = 7;
	run.first_sample = 100;
	run.solver = "rk45:batch=true"; /* one step size for all: the same numbers to the tolerance alone */
	assert_ok(ctx, sf_likelihood(score, &run, x, l, part, NULL));
	for (k = 0; k < 7; k++)
		assert_close(l[k].logp, whole[k].logp, 0, 1e-2);
	ck_assert(memcmp(l, whole, sizeof l) != 0);
}
END_TEST

START_TEST(there_and_back)
{
	double x[2 * N * D], u[2 * N * D], ode[2 * N * D];
	sf_sample_report there;
	sf_sampler *rk45;
	sf_sample_run back;
	int64_t count, i;

	open_score(cases[_i].process, cases[_i].score, cases[_i].d);
	count = states(_i, x);
	memcpy(u, x, sizeof u);
	run.n = N;
	run.start = .01 * sf_process_horizon(process);
	assert_ok(ctx, sf_encode(score, &run, u, NULL, &there));
	ck_assert(fmod(there.nfe * N, 2) == 0 && there.steps > 0);
	memcpy(ode, u, sizeof u);
	assert_ok(ctx, sf_sampler_new(ctx, run.solver, &rk45));
	sf_sample_defaults(&back);
	back.n = N;
	back.given_start = 1;
	back.end = run.start;
	back.denoise = 0;
	assert_ok(ctx, sf_sample(rk45, score, &back, ode, NULL));
	for (i = 0; i < count; i++)
		assert_close(ode[i], x[i], 1e-6, 1e-6);
	sf_sampler_free(rk45);
}
END_TEST

/* ---- scores that have no density of their own ---- */

typedef struct affine { /* s = c phi(x) of a process that pulls towards the law of score phi, phi = x - x^3 or -(pi/2) tanh(pi x/2) */
	double c;
	int well, broken;
} affine;

static double pull(int well, double x)
{
	return well ? x - x * x * x : -SF_PI / 2 * tanh(SF_PI * x / 2);
}

static int pull_eval(sf_score *s, int64_t n, const double *x, const double *t, double *out)
{
	const affine *a = s->object.state;
	int64_t i, d = sf_score_dim(s);

	for (i = 0; i < n * d; i++)
		out[i] = a->broken == 1 && t[i / d] > .5 ? NAN : a->broken == 3 ? -1e3 * x[i] * x[i] : a->c * pull(a->well, x[i]);
	return SF_OK;
}

static int pull_jvp(sf_score *s, int64_t n, const double *x, const double *t, const double *v, double *out)
{
	const affine *a = s->object.state;
	int64_t i, d = sf_score_dim(s);

	for (i = 0; i < n * d; i++) {
		double h = SF_PI / 2 * tanh(SF_PI * x[i] / 2);

		out[i] = a->c * v[i] * (a->well ? 1 - 3 * x[i] * x[i] : h * h - SF_PI * SF_PI / 4);
		if (a->broken == 2 && t[i / d] > .5)
			out[i] = INFINITY;
		if (a->broken == 3)
			out[i] = -2e3 * x[i] * v[i];
	}
	return SF_OK;
}

static const sf_score_class pull_class = {.head = {"pull", "", "", sizeof(affine), NULL, NULL, NULL}, .eval = pull_eval,
                                          .jvp = pull_jvp};

static void open_pull(int well, double c, int broken)
{
	affine *a;

	open_score(well ? "double-well" : "sech", NULL, 0);
	assert_ok(ctx, sf_score_make(ctx, &pull_class, process, 2, &score));
	a = score->object.state;
	a->c = c;
	a->well = well;
	a->broken = broken;
}

START_TEST(nonlinear)
{
	double x[2] = {.7, -1.3}, z[2], exact;
	sf_logp l;
	int j;

	/* at rest: data from the prior stay where they are */
	open_pull(_i, 1, 0);
	assert_ok(ctx, sf_likelihood(score, &run, x, &l, z, NULL));
	sf_process_prior_logp(process, 1, 2, x, &exact);
	assert_close(l.logp, exact, 1e-9, 1e-9);
	assert_close(z[1], x[1], 1e-9, 0);
	/* without a score dx/dB = phi(x)/2, along which phi grows as the distances of points do */
	open_pull(_i, 0, 0);
	assert_ok(ctx, sf_likelihood(score, &run, x, &l, z, NULL));
	for (exact = 0, j = 0; j < 2; j++)
		exact += log(pull(_i, z[j]) / pull(_i, x[j]));
	assert_close(l.divergence, exact, 1e-6, 1e-6);
}
END_TEST

static int zero(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)x;
	(void)t;
	while (n-- > 0)
		out[2 * n] = out[2 * n + 1] = 0;
	return SF_OK;
}

static void refuse(int code, const char *text)
{
	double x[4] = {.1, .2, 0, 0};
	sf_logp l;

	ck_assert_int_eq(sf_likelihood(score, &run, x, &l, NULL, NULL), code);
	ck_assert_msg(strstr(sf_ctx_message(ctx), text) != NULL, "'%s' lacks '%s'", sf_ctx_message(ctx), text);
}

static int stop(void *user, int64_t step, double t, int64_t n, const double *x)
{
	(void)t;
	(void)n;
	(void)x;
	return step == *(const int *)user;
}

START_TEST(refused)
{
	static const struct {
		const char *solver, *text;
		int code;
	} solvers[] = {{"heun", "'heun' cannot carry", SF_EUNSUP},
	               {"em", "'em' cannot carry", SF_EUNSUP},
	               {"rk46", "rk45", SF_ENAME},
	               {"rk45:rtol=1e-15", "rtol", SF_ERANGE}, /* below rounding */
	               {"rk45:rtol=nan", "rtol", SF_EINVAL}};
	double u[2] = {0, 0};
	size_t i;
	int third = 3;

	open_score("vp", "gaussian:std=0.5", 2);
	for (i = 0; i < sizeof solvers / sizeof *solvers; i++) {
		run.solver = solvers[i].solver;
		refuse(solvers[i].code, solvers[i].text);
	}
	run.solver = NULL;
	run.start = 1;
	refuse(SF_ERANGE, "start at time 1");
	run.start = 0;
	refuse(SF_ERANGE, "start at time 0");
	run.start = NAN;
	run.n = 0;
	refuse(SF_ERANGE, "0 samples");
	run.n = INT64_MAX / 2;
	refuse(SF_ERANGE, "samples");
	run.n = 1;
	run.first_sample = (uint64_t)1 << 48;
	refuse(SF_ERANGE, "2^48");
	run.first_sample = 0;
	run.trace = 7;
	refuse(SF_EINVAL, "trace 7");
	run.trace = SF_TRACE_NORMAL;
	run.probes = 0;
	refuse(SF_ERANGE, "0 probes");
	run.trace = SF_TRACE_EXACT;
	run.nfe_max = 20;
	refuse(SF_EBUDGET, "20 evaluations");
	run.nfe_max = 0;
	run.observe = stop;
	run.user = &third;
	refuse(SF_ESTOPPED, "step 3");
	run.observe = NULL;
	open_score("static", NULL, 0);
	assert_ok(ctx, sf_score_make(ctx, &pull_class, process, 2, &score));
	refuse(SF_EUNSUP, "static");
	open_pull(0, 1, 1);
	refuse(SF_EDIVERGED, "score of sample 0 is not finite at time 0.");
	open_pull(0, 1, 2);
	refuse(SF_EDIVERGED, "divergence of sample 0 is not finite at time 0.");
	open_pull(0, 1, 3); /* dx/dt = c x^2 is at infinity before T */
	refuse(SF_ESTEP, "tolerance cannot be met");
	open_score("vp", NULL, 0);
	assert_ok(ctx, sf_score_from_function(ctx, process, 2, zero, NULL, NULL, &score));
	refuse(SF_EUNSUP, "no directional derivative");
	assert_ok(ctx, sf_encode(score, &run, u, NULL, NULL)); /* which its latents do not need */
}
END_TEST

int main(void)
{
	Suite *s = suite_create("likelihood");
	TCase *t = tcase_create("flow");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, normal_data, 0, 3);
	tcase_add_loop_test(t, exact_density, 0, SMOOTH);
	tcase_add_test(t, jumps);
	tcase_add_test(t, order_five);
	tcase_add_test(t, cld_divergence);
	tcase_add_test(t, velocities);
	tcase_add_loop_test(t, all_signs, 0, 2);
	tcase_add_test(t, diagonal_jacobian);
	tcase_add_test(t, random_probes);
	tcase_add_loop_test(t, equal_bytes, 0, 3);
	tcase_add_loop_test(t, there_and_back, 0, SMOOTH);
	tcase_add_loop_test(t, nonlinear, 0, 2);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
