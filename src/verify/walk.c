/* walk.c: checks of the processes towards other laws than the normal, of the still one and of the discrete one, and
 * of the draws that serve them all, x_t = mean + tail z:
 *
 *     integral pi = 1,   E phi^2 = -E phi' (parts),   f = g^2/2 phi (stationary),   E[(-z/tail) x_t] = E[score x_t] = -1.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"
#include "verify/verify.h"

#include <math.h>

static const sf_noise key = {90210, SF_NOISE_PERTURB, 0};

static double logp_at(const sf_process *p, double x)
{
	double logp;

	sf_process_prior_logp(p, 1, 1, &x, &logp);
	return logp;
}

/* Drift over beta/2: phi. */
static double phi_at(const sf_process *p, double x)
{
	double t = 0.4, f = NAN;

	sf_process_drift(p, 1, 1, &x, &t, &f);
	return 2 * f / sf_process_g2(p, t);
}

/* ---- the law ---- */

enum { WIDTH = 45, PANELS = 90000 };

/* Total mass of the prior by the trapezoidal rule, which is exact to rounding for laws that end this smoothly. */
static int mass(sf_ctx *ctx, sf_row *row, const char *name)
{
	double sum = 0, h = 2.0 * WIDTH / PANELS;
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (i = 0; i <= PANELS; i++)
		sum += h * exp(logp_at(rig.process, -WIDTH + i * h));
	sf_rig_close(&rig);
	return sf_row_value(row, sum, 1, 1e-12);
}

/* E of phi^2 or of a power of x, over quantiles of the normal law: the sampler of the prior is part of the check. */
static int moment(sf_ctx *ctx, sf_row *row, const char *name, int power, double expected)
{
	double sum = 0, h = 1 / 256., z, x;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (z = -9; z <= 9; z += h) {
		x = z;
		sf_process_prior(rig.process, 1, 1, &x);
		sum += h * exp(-z * z / 2) / sqrt(2 * SF_PI) * (power ? pow(x, power) : pow(phi_at(rig.process, x), 2));
	}
	sf_rig_close(&rig);
	return sf_row_value(row, sum, expected, 2e-10);
}

/* At the prior the probability-flow drift f - g^2/2 d log pi/dx vanishes; the derivative by differences. */
static int stationary(sf_ctx *ctx, sf_row *row, const char *name)
{
	double worst = 0, h = 1e-3, x;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, name, NULL, 0, NULL, NULL, &rig));
	for (x = -2.2; x < 2.3; x += 0.37) {
		const sf_process *p = rig.process;
		double slope = (8 * (logp_at(p, x + h) - logp_at(p, x - h)) - (logp_at(p, x + 2 * h) - logp_at(p, x - 2 * h))) /
		               (12 * h);

		sf_worst(&worst, phi_at(p, x), slope, 1);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-9);
}

/* ---- draws ---- */

enum { N = 40000 };

/* The mean of (-z/tail) x_t over coordinates that start at 0; a rough walk of 20 steps does, as the identity is
 * that of the chain. Six standard errors are 0.06 and less. */
static int conditional(sf_ctx *ctx, sf_row *row, const char *spec)
{
	double *buf = sf_alloc(3 * (size_t)N, sizeof *buf), sum = 0, tail;
	sf_rig rig;
	int rc, i;

	if (!buf)
		return sf_fail(ctx, SF_ENOMEM, "out of memory");
	rc = sf_rig_open(ctx, spec, NULL, 0, NULL, NULL, &rig);
	if (rc == 0) {
		rc = sf_process_draw(rig.process, N, buf, 0.5, key, 0, 0, buf + N, buf + 2 * N, &tail);
		for (i = 0; rc == 0 && i < N; i++)
			sum -= buf[2 * N + i] / tail * buf[N + i];
		sf_rig_close(&rig);
	}
	sf_free(buf);
	return rc < 0 ? rc : sf_row_value(row, sum / N, -1, 0.06);
}

/* The exact mean over dB is y + dB L y + dB^2/2 L^2 y + ... with the generator L = phi/2 d/dx + 1/2 d2/dx2, so that
 * L^2 x = (phi phi' + phi'')/4; linearising at y keeps all but phi'' = -6 y. */
static int local_mean(sf_ctx *ctx, sf_row *row)
{
	double y = 0.8, dB = 1e-3, phi = y - y * y * y, a = 1 - 3 * y * y, mean, std, truth;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, "double-well:beta-min=1,beta-max=1", NULL, 0, NULL, NULL, &rig));
	sf_process_record(rig.process)->transition(rig.process->object.state, 1, &y, 0.3, 0.3 + dB, &mean, &std);
	sf_rig_close(&rig);
	truth = y + phi * dB / 2 + (phi * a / 4 - 6 * y / 4) * dB * dB / 2;
	return sf_row_value(row, (truth - mean) / (dB * dB), -0.75 * y, 2e-3);
}

/* Two stages, x_s from the data and then the local step, make the variance of one. */
static int local_variance(sf_ctx *ctx, sf_row *row)
{
	static const char *const name[] = {"ve", "vp", "subvp", "edm", "ddpm"};
	double worst = 0, x0 = 1, xt, z, std, phi;
	size_t i;

	for (i = 0; i < sizeof name / sizeof *name; i++) {
		double s, t, from, back;
		sf_rig rig;

		SF_TRY(sf_rig_open(ctx, name[i], NULL, 0, NULL, NULL, &rig));
		t = 0.3 * sf_process_horizon(rig.process);
		for (back = 0.7; back > 0.01; back /= 3) {
			if (sf_process_draw_local(rig.process, 1, &x0, t, back, key, 0, &xt, &z, &std) < 0)
				std = NAN;
			s = t * (1 - back);
			sf_process_phi(rig.process, s, t, &phi);
			from = phi * sf_process_sigma(rig.process, s);
			sf_worst(&worst, hypot(from, std), sf_process_sigma(rig.process, t), 0);
		}
		sf_rig_close(&rig);
	}
	return sf_row_worst(row, worst, 1e-14);
}

static int still(sf_ctx *ctx, sf_row *row)
{
	double x0[2] = {1.5, -0.25}, xt[2] = {0, 0}, z[2], tail = 1;
	sf_rig rig;
	int rc;

	SF_TRY(sf_rig_open(ctx, "static", NULL, 0, NULL, NULL, &rig));
	rc = sf_process_draw(rig.process, 2, x0, 0.5, key, 0, 0, xt, z, &tail);
	sf_rig_close(&rig);
	if (rc < 0)
		return rc;
	return sf_row_value(row, fabs(xt[0] - x0[0]) + fabs(xt[1] - x0[1]) + tail, 0, 0);
}

/* ---- the discrete process ---- */

static int ddpm_published(sf_ctx *ctx, sf_row *row)
{
	static const struct {
		int level;
		double abar, sigma;
	} table[] = {{0, 0.9999, 0.01},
	             {1, 0.999780092072072, 0.0148292929004697},
	             {99, 0.89701814567496, 0.320907859556353},
	             {499, 0.0785872428817783, 0.959902472711797},
	             {998, 4.11819363813846e-05, 0.999979408819811},
	             {999, 4.03582976537569e-05, 0.99997982064757}};
	double worst = 0;
	sf_rig rig;
	size_t i;

	SF_TRY(sf_rig_open(ctx, "ddpm", NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < sizeof table / sizeof *table; i++) {
		double t = table[i].level / 999.0, a = sf_process_alpha(rig.process, t);

		sf_worst(&worst, a * a, table[i].abar, 0);
		sf_worst(&worst, sf_process_sigma(rig.process, t), table[i].sigma, 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 2e-13);
}

/* The chain x <- sqrt(1 - beta_i) x + sqrt(beta_i) z from the data, level by level. */
static int ddpm_chain(sf_ctx *ctx, sf_row *row)
{
	double worst = 0, mean = 1, var = 0;
	sf_rig rig;
	int i;

	SF_TRY(sf_rig_open(ctx, "ddpm", NULL, 0, NULL, NULL, &rig));
	for (i = 0; i < 1000; i++) {
		double beta = 1e-4 + (0.02 - 1e-4) * i / 999, s = sf_process_sigma(rig.process, i / 999.0);

		mean *= sqrt(1 - beta);
		var = (1 - beta) * var + beta;
		sf_worst(&worst, sf_process_alpha(rig.process, i / 999.0), mean, 0);
		sf_worst(&worst, s * s, var, 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-12);
}

/* Between levels: d ln alpha/dt = F and d sigma^2/dt = 2 F sigma^2 + g^2, and the inverse. */
static int ddpm_between(sf_ctx *ctx, sf_row *row)
{
	double worst = 0, h = 1e-5, F, t;
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, "ddpm", NULL, 0, NULL, NULL, &rig));
	for (t = 0.5 / 999; t < 1; t += 37 / 999.0) {
		const sf_process *p = rig.process;
		double a = sf_process_alpha(p, t), s = sf_process_sigma(p, t), up = sf_process_sigma(p, t + h),
		       down = sf_process_sigma(p, t - h), g2 = sf_process_g2(p, t);

		sf_process_drift_matrix(p, t, &F);
		sf_worst(&worst, log(sf_process_alpha(p, t + h) / sf_process_alpha(p, t - h)) / (2 * h), F, 0);
		sf_worst(&worst, (up - down) * (up + down) / (2 * h), 2 * F * s * s + g2, g2);
		sf_worst(&worst, sf_process_time_of_ratio(p, s / a), t, 0);
	}
	sf_rig_close(&rig);
	return sf_row_worst(row, worst, 1e-8);
}

/* ---- the table ---- */

#define RUN(id, what, call)                                                                                            \
	static int id##_##what(sf_ctx *ctx, sf_row *row)                                                               \
	{                                                                                                              \
		return call;                                                                                           \
	}
#define MEMBER(id, name, second_moment, fourth_moment, phi_squared)                                                    \
	RUN(id, mass, mass(ctx, row, name))                                                                            \
	RUN(id, second, moment(ctx, row, name, 2, second_moment))                                                      \
	RUN(id, fourth, moment(ctx, row, name, 4, fourth_moment))                                                      \
	RUN(id, fisher, moment(ctx, row, name, 0, phi_squared))                                                          \
	RUN(id, stationary, stationary(ctx, row, name))                                                                \
	RUN(id, conditional, conditional(ctx, row, name ":steps=20"))

/* E x phi = -1 gives the fourth moment, E phi^2 = -E phi' = 3 E x^2 - 1 the last number. */
MEMBER(well, "double-well", 1.0417972965, 2.0417972965, 2.1253918895)
MEMBER(sech, "sech", 1, 5, SF_PI * SF_PI / 8)

/* The density at 0 is 1/Z. */
static int well_z(sf_ctx *ctx, sf_row *row)
{
	sf_rig rig;

	SF_TRY(sf_rig_open(ctx, "double-well", NULL, 0, NULL, NULL, &rig));
	row->measured = exp(-logp_at(rig.process, 0));
	sf_rig_close(&rig);
	return sf_row_value(row, row->measured, 3.9051371699, 5e-11 * 3.9);
}

#define LANGEVIN "Langevin dynamics, Fokker-Planck equation"
#define LOCAL "Singhal, Goldstein, Ranganath 2024 (2407.07998)"
#define DDPM "Ho, Jain, Abbeel 2020 (2006.11239), section 4"
#define ROW(name, what, ref, run) {"process", name, what, ref, run}
#define ROWS(id, name)                                                                                                 \
	ROW(name ".mass", "integral of the prior's density", "normalisation", id##_mass),                              \
	ROW(name ".second-moment", "E x^2 over the prior's quantiles", "moments of the law", id##_second),             \
	ROW(name ".fourth-moment", "E x^4 over the prior's quantiles", "E x phi = -1, by parts", id##_fourth),          \
	ROW(name ".fisher", "E phi^2 over the prior's quantiles", "E phi^2 = -E phi', Hyvarinen 2005", id##_fisher),   \
	ROW(name ".stationary", "f = g^2/2 d log pi/dx, by differences", LANGEVIN, id##_stationary),                   \
	ROW(name ".conditional", "E[(-z/tail) x_t] = E[score x_t] = -1 on simulated paths", LOCAL, id##_conditional)

const sf_check sf_checks_walk[] = {
	ROW("double-well.Z", "normalising constant of exp(x^2/2 - x^4/4)", "quadrature", well_z),
	ROWS(well, "double-well"),
	ROW("double-well.local-mean", "leading error of the linearised mean over dB^2: phi''(y)/8", LOCAL, local_mean),
	ROWS(sech, "sech"),
	ROW("static.still", "x_t - x_0 and the tail", "Hyvarinen 2005", still),
	ROW("ddpm.published", "largest deviation of abar and sigma from the table of 1000 levels", DDPM, ddpm_published),
	ROW("ddpm.chain", "abar and sigma^2 of the discrete chain, level by level", DDPM, ddpm_chain),
	ROW("ddpm.between", "mean, variance and inverse between levels", "linear SDE", ddpm_between),
	ROW("linear.local-step", "two stages have the variance of one, five linear processes", LOCAL, local_variance),
	{NULL, NULL, NULL, NULL, NULL}};
