/* check_cld_score.c: options of process cld (eps, damping, ranges), and what the analytic scores make of it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cld_cases.h"

#include <scorefield/score.h>

/* ---- eps ---- */

START_TEST(eps_table)
{
	static const struct {
		const char *spec;
		double t, ell;
	} want[] = {{"cld", 1e-5, 11.163}, {"cld:eps=1e-6", 1e-5, 9.9626}, {"cld", 1e-3, 19.918}, {"cld:eps=1e-6", 1e-3, 12.80}};
	static const struct {
		const char *spec;
		double t, most, tolerance;
	} peak[] = {{"cld", 1.4e-4, 41.8, 0.05}, {"cld:eps=1e-6", 1.4e-3, 13.3, 0.05}, {"cld:eps=1e-12", 1.4e-5, 132, 0.5}};
	sf_ctx *ctx = ck_ctx();
	int i, j;

	for (i = 0; i < 4; i++) {
		sf_process *p = open_process(ctx, want[i].spec);

		assert_close(1 / sf_process_scale(p, want[i].t), want[i].ell, 0, i == 3 ? 5e-3 : 5e-4);
		sf_process_free(p);
	}
	for (i = 0; i < 3; i++) {
		sf_process *p = open_process(ctx, peak[i].spec);
		double most = 0, at = 0;

		for (j = -300; j <= 300; j++) {
			double t = peak[i].t * exp(j / 100.0), e = 1 / sf_process_scale(p, t);

			if (e > most) {
				most = e;
				at = t;
			}
		}
		assert_close(most, peak[i].most, 0, peak[i].tolerance);
		assert_close(at, peak[i].t, 0.05, 0);
		assert_close(1 / sf_process_scale(p, 1e-12), 10, 1e-3, 0); /* 1/sqrt(gamma M) */
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Published: eps in both variances at every time. Initial: in those at time 0, and carried along (moment_equations). */
START_TEST(eps_modes)
{
	static const char *const specs[] = {"cld:eps=0.003", "cld:eps=0.003,eps-mode=initial"};
	sf_ctx *ctx = ck_ctx();
	sf_process *plain = open_process(ctx, PAPER);
	double S[4], P[4], none[4], e[4] = {0.003, 0, 0, 0.003};
	int mode, kind, k, at;

	for (mode = 0; mode < 2; mode++) {
		sf_process *p = open_process(ctx, specs[mode]);

		for (at = 0; at < 5; at++) {
			double t = at / 4.0;

			for (kind = 0; kind < 2; kind++) {
				(kind ? sf_process_noise_cov : sf_process_cov)(p, t, S);
				(kind ? sf_process_noise_cov : sf_process_cov)(plain, t, none);
				sf_process_phi(p, 0, t, P);
				carry(P, e, P);
				for (k = 0; k < 4; k++)
					assert_close(S[k], none[k] + (mode ? P[k] : e[k]), 1e-13, 1e-17);
			}
		}
		assert_close(sf_process_start_var(p), 0.01, 1e-15, 0);
		sf_process_free(p);
	}
	sf_process_free(plain);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- damping and options ---- */

/* Through the critical value: the same bytes at it, and no jump beside it. */
START_TEST(damping)
{
	static const double off[] = {1e-4, 1e-7, 1e-11, 1e-15}, at[] = {1e-7, 1e-3, 0.05, 0.2, 0.24, 0.26, 0.6, 1};
	sf_ctx *ctx = ck_ctx();
	sf_process *critical = open_process(ctx, PAPER), *same = open_with(ctx, 4, 1, 4, 0);
	double a[4], b[4];
	int i, j, side;

	for (j = 0; j < 8; j++) {
		sf_process_cov(critical, at[j], a);
		sf_process_cov(same, at[j], b);
		ck_assert(memcmp(a, b, sizeof a) == 0);
		for (i = 0; i < 8; i++) {
			double d = off[i / 2];
			sf_process *p;

			side = i % 2 ? 1 : -1;
			p = open_with(ctx, 4, 1 + side * d, 4, 0);
			sf_process_cov(critical, at[j], a);
			sf_process_cov(p, at[j], b);
			equal(a, b, 40 * d + 1e-13, 1e-15);
			sf_process_phi(critical, 0, at[j], a);
			sf_process_phi(p, 0, at[j], b);
			equal(a, b, 40 * d + 1e-13, 1e-15);
			sf_process_free(p);
		}
	}
	sf_process_free(critical);
	sf_process_free(same);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(bad_options)
{
	static const struct {
		const char *spec;
		int code;
		const char *says;
	} bad[] = {{"cld:friction=-1", SF_ERANGE, "friction"},
	           {"cld:friction=1e-4", SF_ERANGE, "expected 0 (critical) or within 0.001 to 1000 for m-inv=4"},
	           {"cld:friction=1001", SF_ERANGE, "1001 times critical"},
	           {"cld:m-inv=0", SF_ERANGE, "m-inv"},
	           {"cld:beta0=0", SF_ERANGE, "beta0"},
	           {"cld:beta1=-1", SF_ERANGE, "beta1"},
	           {"cld:gamma=-0.1", SF_ERANGE, "gamma"},
	           {"cld:gamma=nan", SF_EINVAL, "gamma"},
	           {"cld:eps=2", SF_ERANGE, "eps"},
	           {"cld:eps-mode=both", SF_EINVAL, "reference|initial"},
	           {"cld:Gamma=1", SF_ENAME, "gamma"}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p;
	size_t i;

	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		ck_assert_msg(sf_process_new(ctx, bad[i].spec, &p) == bad[i].code, "%s: %s", bad[i].spec, sf_ctx_message(ctx));
		ck_assert_ptr_null(p);
		ck_assert_msg(strstr(sf_ctx_message(ctx), bad[i].says) != NULL, "%s: %s", bad[i].spec, sf_ctx_message(ctx));
	}
	sf_ctx_free(ctx);
}
END_TEST

/* The ends of every range are numbers. */
START_TEST(extremes)
{
	static const char *const specs[] = {"cld:beta0=1e6,beta1=1e6", "cld:beta0=1e-9", "cld:m-inv=1e6", "cld:m-inv=1e-6",
	                                    "cld:friction=1000,beta0=1e6", "cld:friction=0.001,beta0=1e6", "cld:gamma=0",
	                                    "cld:gamma=1000", "cld:eps=1", "cld:m-inv=1e6,beta0=1e6,friction=3e-6"};
	sf_ctx *ctx = ck_ctx();
	double t, S[4];
	size_t i, k;

	for (i = 0; i < sizeof specs / sizeof *specs; i++) {
		sf_process *p = open_process(ctx, specs[i]);

		for (t = 1e-5; t <= 1; t *= 10) {
			ck_assert_msg(sf_process_scale(p, t) > 0 && isfinite(sf_process_scale(p, t)), "%s", specs[i]);
			sf_process_cov(p, t, S);
			for (k = 0; k < 4; k++)
				ck_assert(isfinite(S[k]));
			ck_assert(S[0] > 0 && S[3] > 0);
		}
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* ---- analytic scores ---- */

static sf_score *open_score(sf_ctx *ctx, const char *spec, const sf_process *p, int64_t d)
{
	sf_score *s = NULL;

	assert_ok(ctx, sf_score_new(ctx, spec, p, d, &s));
	return s;
}

/* Mean and covariance at t of data N(mean, var): Phi (mean, 0), Sigma + var p p' with p the first column of Phi. */
static void marginal(const sf_process *p, double t, double mean, double var, double *m, double *S)
{
	double P[4];
	int k;

	sf_process_phi(p, 0, t, P);
	sf_process_cov(p, t, S);
	for (k = 0; k < 4; k++)
		S[k] += var * P[2 * (k / 2)] * P[2 * (k % 2)];
	m[0] = P[0] * mean;
	m[1] = P[2] * mean;
}

static double determinant(const double *S)
{
	return S[0] * S[3] - S[1] * S[1];
}

/* -S^-1 (u - m), and ln N(u; m, S) */
static double normal(const double *m, const double *S, const double *u, double *score)
{
	double x = u[0] - m[0], v = u[1] - m[1], det = determinant(S);

	score[0] = -(S[3] * x - S[1] * v) / det;
	score[1] = -(S[0] * v - S[1] * x) / det;
	return (x * score[0] + v * score[1] - log(det)) / 2 - log(2 * SF_PI);
}

START_TEST(gaussian)
{
	static const double t[] = {1e-3, 0.02, 0.3, 1}, u[] = {0.4, -0.7};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "cld");
	sf_score *s = open_score(ctx, "gaussian:mean=0.7,std=0.5", p, 1);
	double m[2], S[4], got[2], want[2], logp, expected;
	int i;

	for (i = 0; i < 4; i++) {
		marginal(p, t[i], 0.7, 0.25, m, S);
		expected = normal(m, S, u, want);
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, u, &t[i], got));
		assert_ok(ctx, sf_score_logp(s, 1, u, &t[i], &logp));
		assert_close(got[0], want[0], 1e-11, 0);
		assert_close(got[1], want[1], 1e-11, 0);
		assert_close(logp, expected, 1e-12, 0);
	}
	sf_score_free(s);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* Parts weighted by their posteriors, and the gradient of ln p by differences. */
START_TEST(mixture)
{
	static const double w[] = {0.2, 0.5, 0.3}, mean[] = {-1, 0.6, 1.5}, sd[] = {0.3, 0.4, 0.2}, t[] = {0.01, 0.1, 0.7};
	static const double offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "cld:friction=0.6");
	sf_score *s = open_score(ctx, "mixture:weights=0.2:0.5:0.3,means=-1:0.6:1.5,std=0.3:0.4:0.2", p, 1);
	double u[2] = {0.35, 0.2}, got[2], logp;
	int i, j, k, o;

	for (k = 0; k < 3; k++) {
		double total = 0, want[2] = {0};

		for (i = 0; i < 3; i++) {
			double m[2], S[4], part[2], density;

			marginal(p, t[k], mean[i], sd[i] * sd[i], m, S);
			density = w[i] * exp(normal(m, S, u, part));
			total += density;
			want[0] += density * part[0];
			want[1] += density * part[1];
		}
		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, u, &t[k], got));
		assert_ok(ctx, sf_score_logp(s, 1, u, &t[k], &logp));
		assert_close(logp, log(total), 1e-12, 1e-12);
		for (j = 0; j < 2; j++) {
			double slope = 0, h = 1e-3 * sqrt(t[k]);

			for (o = 0; o < 4; o++) {
				double v[2] = {u[0], u[1]};

				v[j] += offset[o] * h;
				assert_ok(ctx, sf_score_logp(s, 1, v, &t[k], &logp));
				slope += weight[o] * logp / (12 * h);
			}
			assert_close(got[j], want[j] / total, 1e-11, 1e-11);
			assert_close(got[j], slope, 1e-7, 1e-7);
		}
	}
	sf_score_free(s);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* Slopes of the velocity's score on normal data, (d/dx, d/dv), and its value at u = 0. */
static double velocity_score(sf_ctx *ctx, sf_score *s, double t, double *row)
{
	double u[6] = {0, 0, 1, 0, 0, 1}, at[3] = {t, t, t}, out[6];

	assert_ok(ctx, sf_score_eval(s, SF_SCORE, 3, u, at, out));
	row[0] = out[3] - out[1];
	row[1] = out[5] - out[1];
	return out[1];
}

/* Least hybrid loss per dimension, E |eps_v - alpha|^2 at alpha = -score/ell: 1 - E score_v^2/ell^2. */
START_TEST(least_loss)
{
	static const double t[] = {1e-3, 0.01, 0.1, 0.3};
	static const double least[2][4] = {{0.856724503647, 0.724195324967, 0.305298421155, 0.0163110953904},
	                                   {0.856725679837, 0.724690728359, 0.436083981913, 0.0578198090302}};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, PAPER);
	double m[2], S[4], row[2];
	int i, k;

	for (k = 0; k < 2; k++) {
		sf_score *s = open_score(ctx, k ? "gaussian" : "gaussian:std=0.5", p, 1);

		for (i = 0; i < 4; i++) {
			double scale = sf_process_scale(p, t[i]), square;

			marginal(p, t[i], 0, k ? 1 : 0.25, m, S);
			velocity_score(ctx, s, t[i], row);
			square = row[0] * row[0] * S[0] + 2 * row[0] * row[1] * S[1] + row[1] * row[1] * S[3];
			assert_close(1 - square * scale * scale, least[k][i], 1e-10, 0);
			assert_close(1 - S[0] / determinant(S) * scale * scale, least[k][i], 1e-10, 0);
		}
		sf_score_free(s);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* KL(N(m, S) || N(n, R)) of two states */
static double divergence(const double *m, const double *S, const double *n, const double *R)
{
	double det = determinant(R), x = m[0] - n[0], v = m[1] - n[1];

	return ((R[3] * S[0] - 2 * R[1] * S[1] + R[0] * S[3] + R[3] * x * x - 2 * R[1] * x * v + R[0] * v * v) / det - 2 +
	        log(det / determinant(S))) / 2;
}

/* d KL(p_t || q_t)/dt = -Gamma beta E_p |grad_v ln p - grad_v ln q|^2 */
START_TEST(kl_rate)
{
	static const double t[] = {0.02, 0.15, 0.5, 0.9}, offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "cld:eps=0,m-inv=2,friction=1.1,beta1=1.5");
	sf_score *a = open_score(ctx, "gaussian:mean=0.7,std=0.5", p, 1), *b = open_score(ctx, "gaussian:mean=-0.2,std=1.1", p, 1);
	int i, o;

	for (i = 0; i < 4; i++) {
		double slope = 0, h = 1e-3 * t[i], m[2], S[4], n[2], R[4], ra[2], rb[2], at, square;

		for (o = 0; o < 4; o++) {
			marginal(p, t[i] + offset[o] * h, 0.7, 0.25, m, S);
			marginal(p, t[i] + offset[o] * h, -0.2, 1.21, n, R);
			slope += weight[o] * divergence(m, S, n, R) / (12 * h);
		}
		marginal(p, t[i], 0.7, 0.25, m, S);
		at = velocity_score(ctx, a, t[i], ra) - velocity_score(ctx, b, t[i], rb);
		ra[0] -= rb[0];
		ra[1] -= rb[1];
		at += ra[0] * m[0] + ra[1] * m[1];
		square = at * at + ra[0] * ra[0] * S[0] + 2 * ra[0] * ra[1] * S[1] + ra[1] * ra[1] * S[3];
		assert_close(slope, -1.1 * (4 + 1.5 * t[i]) * square, 1e-7, 1e-9);
	}
	sf_score_free(a);
	sf_score_free(b);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* A mass sixteen times lighter with beta slowed so that s = B/sqrt M is the same: positions and their score agree, and
 * velocities in units of sqrt M. */
START_TEST(mass)
{
	static const double t[] = {1e-4, 0.05, 0.4, 1};
	sf_ctx *ctx = ck_ctx();
	sf_process *p[2];
	sf_score *s[2];
	int i, k;

	for (k = 0; k < 2; k++) {
		p[k] = open_process(ctx, k ? "cld:eps=0,m-inv=64,beta0=1,beta1=0.5" : "cld:eps=0,m-inv=4,beta0=4,beta1=2");
		s[k] = open_score(ctx, "mixture:preset=skewed", p[k], 1);
	}
	for (i = 0; i < 4; i++) {
		double P[2][4], S[2][4], out[2][2], logp[2];

		for (k = 0; k < 2; k++) {
			double root = k ? 0.125 : 0.5, u[2] = {0.3, -0.8 * root};

			sf_process_phi(p[k], 0, t[i], P[k]);
			P[k][1] *= root, P[k][2] /= root;
			sf_process_cov(p[k], t[i], S[k]);
			S[k][1] /= root, S[k][2] /= root, S[k][3] /= root * root;
			assert_ok(ctx, sf_score_eval(s[k], SF_SCORE, 1, u, &t[i], out[k]));
			assert_ok(ctx, sf_score_logp(s[k], 1, u, &t[i], &logp[k]));
			out[k][1] *= root;
			logp[k] += log(root);
		}
		equal(P[1], P[0], 1e-14, 0);
		equal(S[1], S[0], 1e-14, 0);
		assert_close(out[1][0], out[0][0], 1e-10, 0);
		assert_close(out[1][1], out[0][1], 1e-10, 0);
		assert_close(logp[1], logp[0], 1e-12, 0);
		assert_close(sf_process_scale(p[1], t[i]), sf_process_scale(p[0], t[i]) / 4, 1e-14, 0);
	}
	for (k = 0; k < 2; k++) {
		sf_score_free(s[k]);
		sf_process_free(p[k]);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Three coordinates are three times one: position j and velocity j of each know nothing of the others. */
START_TEST(coordinates)
{
	static const double u[6] = {0.3, -1.1, 0.8, 0.2, 0.5, -0.6}, t = 0.17;
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, "cld");
	sf_score *three = open_score(ctx, "gaussian:mean=0.7:-0.2:0,std=0.5:1:2", p, 3);
	double out[6], one[2], logp, sum = 0;
	int j;

	assert_ok(ctx, sf_score_eval(three, SF_SCORE, 1, u, &t, out));
	for (j = 0; j < 3; j++) {
		static const char *const spec[] = {"gaussian:mean=0.7,std=0.5", "gaussian:mean=-0.2", "gaussian:std=2"};
		sf_score *s = open_score(ctx, spec[j], p, 1);
		double own[2] = {u[j], u[3 + j]};

		assert_ok(ctx, sf_score_eval(s, SF_SCORE, 1, own, &t, one));
		ck_assert(out[j] == one[0] && out[3 + j] == one[1]);
		assert_ok(ctx, sf_score_logp(s, 1, own, &t, &logp));
		sum += logp;
		sf_score_free(s);
	}
	assert_ok(ctx, sf_score_logp(three, 1, u, &t, &logp));
	assert_close(logp, sum, 1e-14, 0);
	sf_score_free(three);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cld-score");
	TCase *cases = tcase_create("cld-score");

	tcase_add_test(cases, eps_table);
	tcase_add_test(cases, eps_modes);
	tcase_add_test(cases, damping);
	tcase_add_test(cases, bad_options);
	tcase_add_test(cases, extremes);
	tcase_add_test(cases, gaussian);
	tcase_add_test(cases, mixture);
	tcase_add_test(cases, least_loss);
	tcase_add_test(cases, kl_rate);
	tcase_add_test(cases, mass);
	tcase_add_test(cases, coordinates);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
