/* check_cld.c: Langevin diffusion of position and velocity: published numbers, and its moments against a matrix
 * exponential, quadrature and the moment equations.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cld_cases.h"

/* ---- published numbers ---- */

START_TEST(published)
{
	/* given x_0 alone: t, Sxx, Sxv, Svv, ell */
	static const double hybrid[][5] = {
		{1e-5, 2.56641628029e-10, 1.60601501704e-6, 0.0100767876492, 193.717454314},
		{1e-3, 3.19389280259e-6, 2.19184836723e-4, 0.017557629863, 19.9370986342},
		{0.01, 8.23913110403e-4, 0.00670807590674, 0.0755354892222, 6.91381025172},
		{0.1, 0.221810061041, 0.129859840374, 0.215758350548, 2.67518144945},
		{0.5, 0.986460728338, 0.00528689101574, 0.247933550212, 2.00843216643},
		{1, 0.99998397049, 7.07621178635e-6, 0.249996876024, 2.00001249622}};
	static const double denoising[][5] = {
		{1e-5, 6.82584751909e-13, 6.39897608192e-9, 7.99872011946e-5, 223.611269889},
		{1e-3, 6.74526863246e-7, 6.29841484835e-5, 0.00787318719216, 22.40540411}};
	static const double early[4] = {0.808792135411, 0.718926342588, -0.179731585647, 0.0898657928234};
	static const double late[4] = {0.00301916365112, 0.00536740204644, -0.00134185051161, -0.00234823839532};
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, PAPER);
	double S[4], l[4];
	int i;

	for (i = 0; i < 6; i++) {
		const double *h = hybrid[i];
		double want[4] = {h[1], h[2], h[2], h[3]};

		sf_process_cov(p, h[0], S);
		equal(S, want, 1e-11, 0);
		assert_close(ell(S), h[4], 1e-11, 0);
		assert_close(1 / sf_process_scale(p, h[0]), h[4], 1e-11, 0);
	}
	for (i = 0; i < 2; i++) {
		const double *h = denoising[i];
		double want[4] = {h[1], h[2], h[2], h[3]};

		sf_process_noise_cov(p, h[0], S);
		equal(S, want, 1e-11, 0);
		sf_process_factor(p, h[0], 1, l);
		assert_close(1 / l[3], h[4], 1e-11, 0);
	}
	sf_process_phi(p, 0, 0.1, S);
	equal(S, early, 1e-11, 0);
	sf_process_phi(p, 0, 1, S);
	equal(S, late, 1e-11, 0);
	assert_close(sf_process_start_var(p), 0.01, 1e-15, 0);
	assert_close(sf_process_g2(p, 0.3), 8, 1e-15, 0);
	ck_assert(sf_process_horizon(p) == 1 && sf_process_t_train(p) == 1e-5 && sf_process_t_sample(p) == 1e-3);
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

/* The kernel as the paper writes it, in B and Gamma = 2 sqrt M, for times where its differences keep their digits. */
START_TEST(paper_form)
{
	static const double t[] = {0.2, 0.55, 1}, m_inv[] = {4, 1, 0.3};
	sf_ctx *ctx = ck_ctx();
	int i, j;

	for (i = 0; i < 3; i++)
		for (j = 0; j < 3; j++) {
			sf_process *p = open_with(ctx, m_inv[i], 0, 1.7, 2.1);
			double G = 2 / sqrt(m_inv[i]), B = 1.7 * t[j] + 2.1 * t[j] * t[j] / 2, E = exp(-2 * B / G), S[4], P[4];
			double v = 0.04 / m_inv[i], e4 = expm1(4 * B / G);
			double mean[4] = {E * (1 + 2 * B / G), E * 4 * B / (G * G), -E * B, E * (1 - 2 * B / G)};
			double xx = e4 - 4 * B / G - 8 * B * B / (G * G) + 16 * B * B * v / (G * G * G * G);
			double xv = 4 * B * v / (G * G) + 4 * B * B / G - 8 * B * B * v / (G * G * G);
			double vv = G * G / 4 * e4 + B * G + v * (1 + 4 * B * B / (G * G) - 4 * B / G) - 2 * B * B;
			double want[4] = {E * E * xx, E * E * xv, E * E * xv, E * E * vv};

			sf_process_phi(p, 0, t[j], P);
			equal(P, mean, 1e-13, 1e-15);
			sf_process_cov(p, t[j], S);
			equal(S, want, 1e-12, 1e-15);
			sf_process_free(p);
		}
	sf_ctx_free(ctx);
}
END_TEST

/* ---- against numerical solutions ---- */

/* exp of a 4 x 4 by Taylor's series and squaring */
static void exponential(const double a[16], double out[16])
{
	double step[16], term[16], next[16], size = 0;
	int i, j, k, n, halvings = 0;

	for (i = 0; i < 16; i++)
		size = fmax(size, fabs(a[i]));
	for (; size > 0.05; size /= 2)
		halvings++;
	for (i = 0; i < 16; i++) {
		step[i] = ldexp(a[i], -halvings);
		out[i] = term[i] = i % 5 == 0;
	}
	for (n = 1; n < 12 + halvings; n++) {
		const double *left = n < 12 ? term : out, *right = n < 12 ? step : out;

		for (i = 0; i < 4; i++)
			for (j = 0; j < 4; j++) {
				next[4 * i + j] = 0;
				for (k = 0; k < 4; k++)
					next[4 * i + j] += left[4 * i + k] * right[4 * k + j] / (n < 12 ? n : 1);
			}
		memcpy(n < 12 ? term : out, next, sizeof next);
		for (i = 0; n < 12 && i < 16; i++)
			out[i] += term[i];
	}
}

/* Van Loan 1978: exp of [[-F, GG'], [0, F']] B holds Phi' below and Phi^-1 C above. */
START_TEST(van_loan)
{
	static const double S0[4] = {0.6, -0.25, -0.25, 0.4};
	sf_ctx *ctx = ck_ctx();
	sf_noise key = {1, SF_NOISE_USER, 0};
	int i, k;

	for (i = 0; i < 40; i++) {
		double u[5], P[4], C[4], S[4], phi[4], got[4], start[4] = {0}, e[16];
		double m, G, b0, b1, t, B;
		sf_process *p;

		sf_noise_uniform_d(ctx, key, (uint64_t)i, 0, 5, u);
		m = exp(3 * u[0] - 1), b0 = 0.2 + u[1], b1 = u[2], t = 0.1 + 0.9 * u[3];
		G = (i % 4 == 0 ? 1 : 0.1 + 2.5 * u[4]) * 2 / sqrt(m);
		B = b0 * t + b1 * t * t / 2;
		p = open_with(ctx, m, i % 4 == 0 ? 0 : G, b0, b1);
		{
			double a[16] = {0, -m * B, 0, 0, B, G * m * B, 0, 2 * G * B, 0, 0, 0, -B, 0, 0, m * B, -G * m * B};

			exponential(a, e);
		}
		P[0] = e[10], P[1] = e[14], P[2] = e[11], P[3] = e[15];
		C[0] = e[2], C[1] = e[3], C[2] = e[6], C[3] = e[7];
		product(P, C, C);
		sf_process_phi(p, 0, t, phi);
		equal(phi, P, 1e-12, 1e-13);
		sf_process_noise_cov(p, t, got);
		equal(got, C, 1e-10, 1e-12);
		start[3] = 0.04 / m;
		carry(P, start, S);
		sf_process_cov(p, t, start);
		carry(phi, S0, got); /* any covariance to start with, a correlated one too */
		carry(P, S0, P);
		equal(got, P, 1e-12, 1e-12);
		for (k = 0; k < 4; k++)
			S[k] += C[k];
		equal(start, S, 1e-10, 1e-12);
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* C = integral of 2 Gamma beta p p' with p the second column of Phi(q,t): a positive integrand, so that quadrature
 * keeps all digits at any t; panels shrink towards q = t. Damping from a thousandth to a thousand times critical. */
START_TEST(quadrature)
{
	static const double x[5] = {0.1488743389816312, 0.4333953941292472, 0.6794095682990244, 0.8650633666889845,
	                            0.9739065285171717},
			    w[5] = {0.2955242247147529, 0.2692667193099963, 0.2190863625159821, 0.1494513491505806,
	                            0.0666713443086881};
	static const double damping[] = {1e-3, 0.05, 0.5, 0.97, 1 - 1e-7, 1, 1 + 1e-7, 1.02, 1.15, 1.2, 2, 30, 1e3};
	sf_ctx *ctx = ck_ctx();
	double t;
	size_t i;
	int panel, j;

	for (i = 0; i < sizeof damping / sizeof *damping; i++) {
		double G = damping[i];
		sf_process *p = open_with(ctx, 4, G, 4, 1.5);

		for (t = 1e-8; t <= 1; t *= i % 2 ? 10 : 3.1) {
			double C[4], sum[4] = {0}, P[4];

			for (panel = 0; panel < 96; panel++) {
				double far = t * exp2(-panel / 2.0), near = panel < 95 ? t * exp2(-(panel + 1) / 2.0) : 0;

				for (j = 0; j < 10; j++) {
					double u = (far + near) / 2 + (far - near) / 2 * (j % 2 ? x[j / 2] : -x[j / 2]);
					double c = w[j / 2] * (far - near) * G * (4 + 1.5 * (t - u));

					sf_process_phi(p, t - u, t, P);
					sum[0] += c * P[1] * P[1];
					sum[1] += c * P[1] * P[3];
					sum[3] += c * P[3] * P[3];
				}
			}
			sf_process_noise_cov(p, t, C);
			assert_close(C[0], sum[0], 1e-12, 0);
			assert_close(C[1], sum[1], 1e-12, 1e-15);
			assert_close(C[3], sum[3], 1e-12, 0);
		}
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

static const char *const variants[] = {PAPER,
                                       "cld:eps=0,m-inv=1.7,beta0=0.1,beta1=6.9",
                                       "cld:eps=0,friction=0.35,beta1=2,gamma=0.3",
                                       "cld:eps=0,m-inv=2,friction=4,beta0=1.5,gamma=0",
                                       "cld:eps=0.02,eps-mode=initial,friction=1.3,beta1=1"};
enum { VARIANTS = sizeof variants / sizeof *variants };

/* d Phi/dt = F Phi and d Sigma/dt = F Sigma + Sigma F' + G G', by fourth-order differences. */
START_TEST(moment_equations)
{
	static const double at[] = {0.02, 0.13, 0.4, 0.83}, offset[] = {-2, -1, 1, 2}, weight[] = {1, -8, 8, -1};
	sf_ctx *ctx = ck_ctx();
	int i, j, k, o;

	for (i = 0; i < VARIANTS * 4; i++) {
		sf_process *p = open_process(ctx, variants[i / 4]);
		double t = at[i % 4], h = 1e-3 * t, F[4], G[4], P[4], S[4], N[4], d[3][4] = {{0}};

		for (o = 0; o < 4; o++) {
			double now[3][4];

			sf_process_phi(p, 0.3 * t, t + offset[o] * h, now[0]);
			sf_process_cov(p, t + offset[o] * h, now[1]);
			sf_process_noise_cov(p, t + offset[o] * h, now[2]);
			for (j = 0; j < 3; j++)
				for (k = 0; k < 4; k++)
					d[j][k] += weight[o] * now[j][k] / (12 * h);
		}
		sf_process_drift_matrix(p, t, F);
		sf_process_diffusion_matrix(p, t, G);
		ck_assert(G[0] == 0 && G[1] == 0 && G[2] == 0);
		sf_process_phi(p, 0.3 * t, t, P);
		product(F, P, P);
		equal(d[0], P, 1e-8, 1e-8);
		for (j = 1; j < 3; j++) {
			if (j == 1)
				sf_process_cov(p, t, S);
			else
				sf_process_noise_cov(p, t, S);
			product(F, S, N);
			N[0] *= 2;
			N[3] = 2 * N[3] + G[3] * G[3];
			N[1] = N[2] = F[0] * S[1] + F[1] * S[3] + S[0] * F[2] + S[1] * F[3];
			equal(d[j], N, 1e-8, 1e-8);
		}
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* Phi(s,t) Phi(r,s) = Phi(r,t); det Phi = exp of the trace; with a constant beta the noise of two stages adds up; and
 * Sigma given x_0 is that given u_0 plus the starting velocity's share. */
START_TEST(semigroup)
{
	sf_ctx *ctx = ck_ctx();
	int i, k;

	for (i = 0; i < VARIANTS; i++) {
		sf_process *p = open_process(ctx, variants[i]);
		double a[4], b[4], c[4], S[4], F[4], r = 0.07, s = 0.21, t = 0.48, v = sf_process_start_var(p);

		sf_process_phi(p, r, s, a);
		sf_process_phi(p, s, t, b);
		sf_process_phi(p, r, t, c);
		product(b, a, a);
		equal(a, c, 1e-12, 1e-14);
		sf_process_drift_matrix(p, (r + t) / 2, F); /* the mean of a linear rate */
		assert_close(c[0] * c[3] - c[1] * c[2], exp((F[0] + F[3]) * (t - r)), 1e-12, 0);
		sf_process_phi(p, 0, t, c);
		sf_process_cov(p, t, S);
		sf_process_noise_cov(p, t, a);
		for (k = 0; k < 4; k++)
			assert_close(S[k], a[k] + v * c[2 * (k / 2) + 1] * c[2 * (k % 2) + 1], 1e-13, 0);
		if (strstr(variants[i], "beta1") == NULL) {
			sf_process_cov(p, s, a);
			carry(b, a, a);
			sf_process_noise_cov(p, t - s, c);
			for (k = 0; k < 4; k++)
				assert_close(S[k], a[k] + c[k], 1e-12, 0);
		}
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* t -> 0: identity, 4/3 z r^3, 2 z r^2, 4 z r in units of w (z the damping over the critical one, r = B/sqrt M), with
 * relative errors of order r; t -> infinity: the stationary law. */
START_TEST(limits)
{
	static const double damping[] = {0.2, 1, 7};
	static const double identity[4] = {1, 0, 0, 1}, stationary[4] = {1, 0, 0, 0.25}, nothing[4] = {0};
	sf_ctx *ctx = ck_ctx();
	double t, S[4];
	int i;

	for (i = 0; i < 3; i++) {
		double z = damping[i];
		sf_process *p = open_with(ctx, 4, z, 4, 0);

		for (t = 1e-14; t < 1e-9; t *= 10) {
			double r = 8 * t, want[4] = {4 * z * r * r * r / 3, z * r * r, z * r * r, z * r};

			sf_process_noise_cov(p, t, S);
			equal(S, want, 30 * r + 1e-15, 0);
		}
		sf_process_phi(p, 0.4, 0.4, S);
		equal(S, identity, 0, 0);
		sf_process_noise_cov(p, 0, S);
		equal(S, nothing, 0, 0);
		sf_process_free(p);
		p = open_with(ctx, 4, z, 1e5, 0);
		sf_process_cov(p, 1, S);
		equal(S, stationary, 1e-15, 1e-300);
		sf_process_phi(p, 0, 1, S);
		equal(S, nothing, 0, 1e-300);
		S[0] = S[1] = 1;
		sf_process_prior(p, 1, 1, S); /* the same law */
		ck_assert(S[0] == 1 && S[1] == 0.5);
		sf_process_free(p);
	}
	sf_ctx_free(ctx);
}
END_TEST

/* ell diverges as t^(-1/2): ell^2 -> 3/(4 s M) given x_0, 1/(s M) given u_0, s = B/sqrt M; a finite gamma corrects. */
START_TEST(ell_near_zero)
{
	sf_ctx *ctx = ck_ctx();
	sf_process *p = open_process(ctx, PAPER);
	double t, l[4];

	for (t = 1e-13; t < 2e-5; t *= 10) {
		double s = 8 * t, e = 1 / sf_process_scale(p, t);

		assert_close(e, sqrt(3 / (4 * s) * 4), 0.01, 0);
		assert_close(e * e, 4 * (0.04 + 4 * s / 3) / (4 * s / 3 * (0.04 + s)), 4 * s + 1e-12, 0);
		sf_process_factor(p, t, 1, l);
		assert_close(1 / l[3], sqrt(4 / s), 2 * s + 1e-13, 0);
	}
	sf_process_free(p);
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("cld");
	TCase *cases = tcase_create("cld");

	tcase_add_test(cases, published);
	tcase_add_test(cases, paper_form);
	tcase_add_test(cases, van_loan);
	tcase_add_test(cases, quadrature);
	tcase_add_test(cases, moment_equations);
	tcase_add_test(cases, semigroup);
	tcase_add_test(cases, limits);
	tcase_add_test(cases, ell_near_zero);
	suite_add_tcase(suite, cases);
	return sf_test_main(suite);
}
