/* check_likelihood.c: densities by the probability-flow ODE against closed forms.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "likelihood_rig.h"
#include "score/score.h"

/* Normal data with the exact score, computed to 12 digits from R^2 = V_T/V_0. */
START_TEST(normal_data)
{
	static const struct {
		const char *process, *score;
		double x, z, logp, scale, bits;
	} golden[] = {
		{"ve:sigma-min=0.01,sigma-max=50", "gaussian:mean=0.5,std=0.25", .1, -79.4370650155, -.795480628647, 256,
		 9.14763595807},
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

START_TEST(jumps) /* a step across levels sees one rate a stage: an error of the order of the length of a level */
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

typedef struct affine { /* s = c phi(x) of a law pi, phi = d log pi/dx = x - x^3 or -(pi/2) tanh(pi x/2) */
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

static const sf_score_class pull_class = {.head = {"pull", "", "", sizeof(affine), NULL, NULL, NULL},
                                          .eval = pull_eval,
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
	tcase_add_loop_test(t, there_and_back, 0, SMOOTH);
	tcase_add_loop_test(t, nonlinear, 0, 2);
	tcase_add_test(t, refused);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
