/* check_trace.c: the trace in a likelihood, exact and by probes; equal bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "likelihood_rig.h"

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

/* du = -u/2 dt + G dw with noise in both blocks that goes together: Phi = e^(-(t-s)/2), Sigma = (1 - e^-t) G G' */
static void both_drift(const void *st, double t, double *F)
{
	(void)st;
	(void)t;
	F[0] = F[3] = -.5;
	F[1] = F[2] = 0;
}

static void both_diffusion(const void *st, double t, double *G)
{
	(void)st;
	(void)t;
	G[0] = 1;
	G[1] = .3;
	G[2] = .5;
	G[3] = .8;
}

static void both_phi(const void *st, double s, double t, double *Phi)
{
	(void)st;
	Phi[0] = Phi[3] = exp((s - t) / 2);
	Phi[1] = Phi[2] = 0;
}

static void both_cov(const void *st, double t, double *S)
{
	double grown = -expm1(-t);

	(void)st;
	S[0] = 1.09 * grown;
	S[1] = S[2] = .74 * grown;
	S[3] = .89 * grown;
}

static double both_time(const void *st)
{
	(void)st;
	return 1e-3;
}

static double both_horizon(const void *st)
{
	(void)st;
	return 4;
}

static double both_start(const void *st)
{
	(void)st;
	return 0;
}

static void both_prior(const void *st, double *var)
{
	(void)st;
	var[0] = 1.09;
	var[1] = .89;
}

static const sf_process_class both = {.head = {"both", "", "", 1, NULL, NULL, NULL}, .k = 2, .linear = 1,
                                      .drift_matrix = both_drift, .diffusion_matrix = both_diffusion, .phi = both_phi,
                                      .cov = both_cov, .noise_cov = both_cov, .start_var = both_start,
                                      .horizon = both_horizon, .t_train = both_time, .t_sample = both_time,
                                      .prior_var = both_prior};

START_TEST(noise_in_both) /* all of G G' counts */
{
	double u[4], start[4] = {.3, -.2, .5, .1}, t[2] = {.3, 4}, first, last, div, probe[16 * 4];
	sf_logp l;
	int i;

	assert_ok(ctx, sf_process_from_class(ctx, &both, &process));
	assert_ok(ctx, sf_score_new(ctx, THREE, process, 2, &score));
	for (i = 0; i < 64; i++)
		probe[i] = i / 4 >> i % 4 & 1 ? -1 : 1;
	run.start = t[0];
	run.trace = _i ? SF_TRACE_RADEMACHER : SF_TRACE_EXACT;
	run.probes = 16;
	run.probe = probe;
	memcpy(u, start, sizeof u);
	assert_ok(ctx, sf_score_logp(score, 1, u, &t[0], &first));
	assert_ok(ctx, sf_encode(score, &run, u, &div, NULL));
	assert_ok(ctx, sf_score_logp(score, 1, u, &t[1], &last));
	assert_close(div, first - last, 1e-8, 0);
	ck_assert_int_eq(sf_likelihood(score, &run, start, &l, NULL, NULL), SF_EUNSUP);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "start at 0"));
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

START_TEST(random_probes) /* mean and variance at one point: 2 (sum of squares), for signs off the diagonal alone */
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

int main(void)
{
	Suite *s = suite_create("trace");
	TCase *t = tcase_create("trace");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, all_signs, 0, 2);
	tcase_add_loop_test(t, noise_in_both, 0, 2);
	tcase_add_test(t, diagonal_jacobian);
	tcase_add_test(t, random_probes);
	tcase_add_loop_test(t, equal_bytes, 0, 3);
	suite_add_tcase(s, t);
	return sf_test_main(s);
}
