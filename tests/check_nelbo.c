/* check_nelbo.c: cross entropies of latents and the bound that they are part of, against closed forms; distances between samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cld_cases.h"
#include "likelihood_base.h"
#include "support.h"

#include <scorefield.h>

#include <math.h>
#include <string.h>

static double mean(int64_t n, const double *v, double *se)
{
	double sum = 0, square = 0;
	int64_t i;

	for (i = 0; i < n; i++)
		sum += v[i] / (double)n;
	for (i = 0; i < n; i++)
		square += (v[i] - sum) * (v[i] - sum) / (double)(n - 1);
	*se = sqrt(square / (double)n);
	return sum;
}

/* ---- cross entropy ---- */

enum { M = 2000 };

/* Prior N(m, S^2) with its exact score, one latent at z, r = (sigma/alpha)^2: E|z - eps|^2 = (S^4 + r (z - m)^2)/(S^2 + r)^2, and
 * half its integral over -dlambda = dr/r is H(r_T) - H(r_e). */
static double antiderivative(double r, double S2, double e2)
{
	return .5 * (log(r / (S2 + r)) + S2 / (S2 + r) - e2 / (S2 + r));
}

static const char *const processes[] = {"vp", "geometric-vp", "subvp"};

START_TEST(one_block)
{
	static double z[M], v[M], se[M];
	double S2 = .25, e2 = .7 * .7, e, want, got, error, claimed = 0, sigma;
	int64_t times = _i % 2 ? 9 : 16;
	int i;

	open_score(processes[_i / 2], "gaussian:mean=0.3,std=0.5", 1);
	for (i = 0; i < M; i++)
		z[i] = -.4;
	run.n = M;
	assert_ok(ctx, sf_cross_entropy(score, &run, times, z, v, se));
	e = sf_process_t_train(process);
	sigma = sf_process_sigma(process, e);
	want = antiderivative(exp(-sf_process_logsnr(process, sf_process_horizon(process))), S2, e2) -
	       antiderivative(exp(-sf_process_logsnr(process, e)), S2, e2) + .5 * (1 + log(2 * SF_PI * sigma * sigma));
	got = mean(M, v, &error);
	ck_assert_msg(error > 0 && error < .2, "%g", error);
	assert_close(got, want, 0, 5 * error);
	/* -log p of the latent, but for what is left at both ends */
	assert_close(want, .5 * (log(2 * SF_PI * S2) + e2 / S2), 0, .02);
	/* the errors claimed are those met, a little too large: neighbouring parts differ */
	for (i = 0; i < M; i++)
		claimed += se[i] * se[i] / M;
	ck_assert_msg(claimed > .9 * M * error * error && claimed < 1.5 * M * error * error, "%g for %g", sqrt(claimed),
	              error * sqrt((double)M));
}
END_TEST

/* N(0,1) latents and prior: the published values, an expectation over z that z = 1 and -1 give exactly. */
START_TEST(known)
{
	static const struct {
		const char *process;
		double e, want;
	} row[] = {{"vp", .01, 1.41891693986}, {PAPER, 1e-4, .572223646424}};
	static double z[M], v[M];
	double got, error;
	int i;

	open_score(row[_i].process, "gaussian:mean=0,std=1", 1);
	for (i = 0; i < M; i++)
		z[i] = i % 2 ? 1 : -1;
	run.n = M;
	run.start = row[_i].e;
	assert_ok(ctx, sf_cross_entropy(score, &run, _i ? 256 : 64, z, v, NULL));
	got = mean(M, v, &error);
	if (_i == 1) /* of position and velocity together */
		got += .5 * log(2 * SF_PI * exp(1) * sf_process_start_var(process));
	ck_assert_msg(error < .2, "%g", error);
	assert_close(got, row[_i].want, 0, 5 * error);
}
END_TEST

/* A network far from the truth (no score at all) costs int w/2 dt more than the constant. */
static int nothing(void *user, int64_t n, const double *x, const double *t, double *out)
{
	(void)user;
	(void)x;
	(void)t;
	memset(out, 0, (size_t)n * sizeof *out);
	return 0;
}

START_TEST(without_a_score)
{
	static double z[M], v[M];
	double got, error, want, sigma;

	assert_ok(ctx, sf_process_new(ctx, "vp", &process));
	assert_ok(ctx, sf_score_from_function(ctx, process, 1, nothing, NULL, NULL, &score));
	run.n = M;
	assert_ok(ctx, sf_cross_entropy(score, &run, 32, z, v, NULL));
	sigma = sf_process_sigma(process, 1e-5);
	want = 23.8644723654695 / 2 + .5 * (1 + log(2 * SF_PI * sigma * sigma)); /* lambda(1e-5) - lambda(1) */
	got = mean(M, v, &error);
	ck_assert_msg(error < .2, "%g", error);
	assert_close(got, want, 0, 5 * error);
}
END_TEST

START_TEST(same_numbers) /* whatever the threads and the cut */
{
	double z[6] = {.1, -.2, .5, 1, -2, .3}, a[3], b[3], se[3];

	open_score(PAPER, "gaussian:mean=0.3:-1,std=0.5:2", 2);
	run.n = 3;
	run.seed = 7;
	assert_ok(ctx, sf_cross_entropy(score, &run, 21, z, a, se));
	assert_ok(ctx, sf_ctx_set_threads(ctx, 1));
	run.n = 1;
	assert_ok(ctx, sf_cross_entropy(score, &run, 21, z, b, NULL));
	run.n = 2;
	run.first_sample = 1;
	assert_ok(ctx, sf_cross_entropy(score, &run, 21, z + 2, b + 1, NULL));
	ck_assert(memcmp(a, b, sizeof a) == 0);
	run.n = 1;
	assert_ok(ctx, sf_cross_entropy(score, &run, 1, z, b, se));
	ck_assert(isnan(se[0]));
}
END_TEST

START_TEST(cross_refused)
{
	double z[1] = {0}, v[1];

	open_score("vp", "gaussian", 1);
	ck_assert_int_eq(sf_cross_entropy(score, &run, 0, z, v, NULL), SF_ERANGE);
	run.start = 2;
	ck_assert_int_eq(sf_cross_entropy(score, &run, 4, z, v, NULL), SF_ERANGE);
	run.start = NAN;
	run.n = 0;
	ck_assert_int_eq(sf_cross_entropy(score, &run, 4, z, v, NULL), SF_ERANGE);
}
END_TEST

/* ---- the bound: x = W z + b + s e with orthogonal columns, whose posterior is diagonal ---- */

enum { D = 2, X = 3 };
static const double W[X][D] = {{.6, -.2}, {.3, .4}, {0, .5}}, shift[X] = {.1, -.3, .2};
#define STD .4

/* -ln N(x; b, W W' + s^2), and the posterior. */
static double linear_gaussian(const double *x, double *mu, double *log_std)
{
	double rest = 0, nll = .5 * X * log(2 * SF_PI), along, norm;
	int i, k;

	for (i = 0; i < X; i++)
		rest += (x[i] - shift[i]) * (x[i] - shift[i]);
	for (k = 0; k < D; k++) {
		for (norm = 0, along = 0, i = 0; i < X; i++) {
			norm += W[i][k] * W[i][k];
			along += W[i][k] * (x[i] - shift[i]);
		}
		mu[k] = along / (norm + STD * STD);
		log_std[k] = .5 * log(STD * STD / (norm + STD * STD));
		rest -= along * along / norm;
		nll += .5 * (along * along / norm / (norm + STD * STD) + log(norm + STD * STD));
	}
	return nll + .5 * (rest / (STD * STD) + (X - D) * log(STD * STD));
}

/* silu(60 + v) = 60 + v in double: a layer of width D passes its inputs on. The encoder says mu and log_std whatever it sees. */
static void fill(const sf_vae *v, const double *mu, const double *log_std, double *flat)
{
	int64_t dim[1] = {X}, latent[1] = {D};
	sf_posterior q;
	sf_graph *g;
	int i, k, j;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	assert_ok(ctx, sf_vae_build_encoder(v, g, sf_input(g, "x", 1, 1, dim), sf_input(g, "e", 1, 1, latent), 0, &q));
	sf_vae_build_decoder(v, g, sf_input(g, "z", 1, 1, latent), 0);
	assert_ok(ctx, sf_graph_status(g));
	for (i = 0; i < sf_param_count(g); i++) {
		const sf_param_info *p = sf_param_get(g, i);
		double *to = flat + p->offset;
		int whole = strstr(p->name, "out") != NULL, bias = p->shape.rank == 1;

		memset(to, 0, (size_t)p->shape.size * sizeof *to);
		if (strncmp(p->name, "encoder", 7) == 0) {
			for (k = 0; whole && bias && k < D; k++) {
				to[k] = 5 * atanh(mu[k] / 5);
				to[D + k] = 5 * atanh(log_std[k] / 5);
			}
		} else if (bias) {
			for (k = 0; k < p->shape.size; k++)
				to[k] = whole ? shift[k] - 60 * (W[k][0] + W[k][1]) : 60;
		} else {
			for (j = 0; j < p->shape.dim[0]; j++)
				for (k = 0; k < p->shape.dim[1]; k++)
					to[j * p->shape.dim[1] + k] = !whole ? j == k : p->shape.dim[0] == X ? W[j][k] : W[k][j];
		}
	}
	sf_graph_free(g);
}

static sf_vae *make_vae(void)
{
	sf_vae_how how = {.encoder = "mlp:width=2,depth=1", .decoder = "mlp:width=2,depth=1", .latent = D, .groups = 1,
	                  .likelihood = SF_VAE_GAUSSIAN, .std = STD, .mixture = 1, .rank = 1, .dim = {X}, .scale = 1};
	sf_vae *v;

	assert_ok(ctx, sf_vae_new(ctx, &how, &v));
	return v;
}

static const char *const priors[] = {"vp", "geometric-vp", "subvp", PAPER};

/* Equality, in the mean over z; two blocks: above it by what the velocity's law at e keeps of the position, the published gap. */
START_TEST(exact_bound)
{
	static const double x[X] = {.9, -.1, -.6};
	static double xs[M * X], value[M];
	static sf_nelbo_terms out[M];
	double mu[D], log_std[D], want = linear_gaussian(x, mu, log_std), got, error, *flat, entropy;
	int64_t trained, total, n = _i < 4 ? M : 300, i;
	sf_vae *v = make_vae();
	sf_coder *c;

	assert_ok(ctx, sf_vae_params(v, &trained, &total));
	flat = sf_alloc((size_t)total, sizeof *flat);
	fill(v, mu, log_std, flat);
	assert_ok(ctx, sf_coder_new(v, SF_F64, flat, 64, &c));
	open_score(priors[_i % 4], "gaussian:mean=0,std=1", D);
	for (i = 0; i < n; i++)
		memcpy(xs + i * X, x, sizeof x);
	run.n = n;
	run.solver = "rk45:rtol=1e-8,atol=1e-8";
	assert_ok(ctx, sf_nelbo(v, c, score, &run, _i < 4 ? 32 : 0, xs, out, NULL, NULL));
	entropy = log_std[0] + log_std[1] + D * .5 * (1 + log(2 * SF_PI));
	for (i = 0; i < n; i++) {
		value[i] = out[i].nelbo;
		assert_close(out[i].entropy, entropy, 1e-12, 0);
		assert_close(out[i].nelbo, out[i].reconstruction - out[i].entropy + out[i].cross, 1e-12, 0);
	}
	got = mean(n, value, &error);
	ck_assert_msg(error > 0 && error < .2, "%g", error);
	if (_i == 3) /* 1/2 ln det Sigma^c - ... : the velocity is told apart from the position no more at e > 0 */
		ck_assert(got > want - 5 * error);
	else
		assert_close(got, want, 0, 5 * error + 2e-3);
	sf_coder_free(c);
	sf_vae_free(v);
	sf_free(flat);
}
END_TEST

START_TEST(bound_refused)
{
	double x[X] = {0}, *flat, zero[D] = {0};
	int64_t trained, total;
	sf_vae *v = make_vae();
	sf_nelbo_terms out;
	sf_coder *c;

	assert_ok(ctx, sf_vae_params(v, &trained, &total));
	flat = sf_alloc((size_t)total, sizeof *flat);
	fill(v, zero, zero, flat);
	assert_ok(ctx, sf_coder_new(v, SF_F64, flat, 4, &c));
	run.n = 1;
	open_score("vp", "gaussian:mean=0,std=1", D + 1);
	ck_assert_int_eq(sf_nelbo(v, c, score, &run, 4, x, &out, NULL, NULL), SF_EMISMATCH);
	open_score("vp", "gaussian:mean=0,std=1", D);
	ck_assert_int_eq(sf_nelbo(v, c, score, &run, -1, x, &out, NULL, NULL), SF_ERANGE);
	x[0] = INFINITY;
	ck_assert_int_eq(sf_nelbo(v, c, score, &run, 4, x, &out, NULL, NULL), SF_EDIVERGED);
	sf_coder_free(c);
	sf_vae_free(v);
	sf_free(flat);
}
END_TEST

/* ---- distances ---- */

enum { N = 200, K = 4 };

static void points(double *x)
{
	sf_noise key = {3, SF_NOISE_USER, 0};

	sf_noise_normal_d(ctx, key, 0, 0, N * K, x);
}

START_TEST(distances)
{
	static double x[N * K], y[N * K], more[2 * N * K];
	static const double a[K] = {1, -2, .5, 0};
	double d, v, norm = 0, tr = 0;
	int i, k;

	points(x);
	for (k = 0; k < K; k++) {
		double m = 0, s = 0;

		norm += a[k] * a[k];
		for (i = 0; i < N; i++)
			m += x[i * K + k] / N;
		for (i = 0; i < N; i++)
			s += (x[i * K + k] - m) * (x[i * K + k] - m) / (N - 1);
		tr += s;
	}
	assert_ok(ctx, sf_metric_frechet(ctx, N, x, N, x, K, &d));
	assert_close(d, 0, 0, 1e-8 * tr);
	assert_ok(ctx, sf_metric_sliced(ctx, N, x, N, x, K, 50, 0, &d));
	assert_close(d, 0, 0, 0);
	for (i = 0; i < N * K; i++)
		y[i] = x[i] + a[i % K];
	assert_ok(ctx, sf_metric_frechet(ctx, N, x, N, y, K, &d));
	assert_close(d, norm, 1e-9, 0);
	/* E (a.u)^2 = |a|^2/d; the variance of (a.u)^2 is 2 |a|^4 (d-1)/(d^2 (d+2)) */
	assert_ok(ctx, sf_metric_sliced(ctx, N, x, N, y, K, 20000, 0, &d));
	assert_close(d * d, norm / K, 0, 5 * norm / K * sqrt(2. * (K - 1) / (K + 2) / 20000));
	for (i = 0; i < N * K; i++)
		y[i] = 2 * x[i];
	assert_ok(ctx, sf_metric_frechet(ctx, N, x, N, y, K, &d));
	assert_close(d, tr + 0 * norm, 1e-2, 0); /* (1 - 2)^2 tr S, and the means, which are small */
	memcpy(more, x, sizeof x);
	memcpy(more + N * K, x, sizeof x);
	assert_ok(ctx, sf_metric_sliced(ctx, N, x, 2 * N, more, K, 50, 0, &d)); /* every point twice: the same law */
	assert_close(d, 0, 0, 1e-7);
	assert_ok(ctx, sf_metric_sliced(ctx, 2, x, 3, y, 1, 1, 0, &d));
	assert_ok(ctx, sf_metric_sliced(ctx, 3, y, 2, x, 1, 1, 0, &v));
	assert_close(d, v, 1e-12, 0);
	{ /* thirds against halves, by hand: 0 0 | 1 against 0 | 1 1 -> the middle third is split */
		static const double p[3] = {0, 0, 1}, q[2] = {1, 0};

		assert_ok(ctx, sf_metric_sliced(ctx, 3, p, 2, q, 1, 1, 0, &d));
		assert_close(d * d, 1. / 6, 1e-12, 0);
	}
	ck_assert_int_eq(sf_metric_frechet(ctx, 1, x, N, y, K, &d), SF_ERANGE);
	ck_assert_int_eq(sf_metric_sliced(ctx, N, x, N, y, K, 0, 0, &d), SF_ERANGE);
	x[5] = NAN;
	ck_assert_int_eq(sf_metric_sliced(ctx, N, x, N, y, K, 5, 0, &d), SF_EDIVERGED);
}
END_TEST

/* Singular covariances (fewer samples than numbers): sum (sqrt a - sqrt b)^2 for diagonal ones. */
START_TEST(frechet_diagonal)
{
	static const double x[4 * 3] = {1, 0, 0, -1, 0, 0, 0, 2, 0, 0, -2, 0}, y[4 * 3] = {3, 0, 0, -3, 0, 0, 0, 0, 1, 0, 0, -1};
	double d, a0 = 2. / 3, a1 = 8. / 3, b0 = 18. / 3, b2 = 2. / 3;

	assert_ok(ctx, sf_metric_frechet(ctx, 4, x, 4, y, 3, &d));
	assert_close(d, (sqrt(a0) - sqrt(b0)) * (sqrt(a0) - sqrt(b0)) + a1 + b2, 1e-7, 0);
}
END_TEST

START_TEST(features)
{
	static const int64_t dim[3] = {8, 8, 1}, large[3] = {28, 28, 3}, small[3] = {4, 4, 1};
	static double x[28 * 28 * 3], f[SF_FEATURES], g[SF_FEATURES];
	double most = 0;
	int i;

	for (i = 0; i < 64; i++)
		x[i] = .7;
	assert_ok(ctx, sf_metric_features(ctx, 3, dim, 1, x, f));
	for (i = 0; i < SF_FEATURES; i++)
		most = fmax(most, fabs(f[i]));
	assert_close(most, 0, 0, 1e-9); /* filters without a mean see nothing in a constant */
	for (i = 0; i < 64; i++)
		x[i] = i % 8 == 3;
	assert_ok(ctx, sf_metric_features(ctx, 3, dim, 1, x, f));
	for (i = 0; i < 64; i++)
		x[i] = 2 * x[i] + 5;
	assert_ok(ctx, sf_metric_features(ctx, 3, dim, 1, x, g));
	for (most = 0, i = 0; i < SF_FEATURES; i++) {
		assert_close(g[i], 2 * f[i], 1e-9, 1e-9); /* homogeneous, blind to the mean */
		most = fmax(most, f[i]);
	}
	ck_assert(most > .1);
	assert_ok(ctx, sf_metric_features(ctx, 3, large, 1, x, f));
	ck_assert_int_eq(sf_metric_features(ctx, 3, small, 1, x, f), SF_EUNSUP);
	ck_assert_int_eq(sf_metric_features(ctx, 1, large, 1, x, f), SF_EUNSUP);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("nelbo");
	TCase *cross = tcase_create("cross"), *bound = tcase_create("bound"), *distance = tcase_create("distance");

	tcase_add_checked_fixture(cross, base_setup, teardown);
	tcase_add_loop_test(cross, one_block, 0, 6);
	tcase_add_loop_test(cross, known, 0, 2);
	tcase_add_test(cross, without_a_score);
	tcase_add_test(cross, same_numbers);
	tcase_add_test(cross, cross_refused);
	tcase_add_checked_fixture(bound, base_setup, teardown);
	tcase_add_loop_test(bound, exact_bound, 0, 7);
	tcase_add_test(bound, bound_refused);
	tcase_add_checked_fixture(distance, base_setup, teardown);
	tcase_add_test(distance, distances);
	tcase_add_test(distance, frechet_diagonal);
	tcase_add_test(distance, features);
	suite_add_tcase(s, cross);
	suite_add_tcase(s, bound);
	suite_add_tcase(s, distance);
	return sf_test_main(s);
}
