/* 04-own-score.c: any function can be a score.
 *
 * A ring of eight Gaussians is written down as a function of (x, t); the library's adaptive
 * Runge-Kutta method integrates the probability-flow ODE of the VP process with it (Song et al. 2021,
 * eq 13). Under x_t = alpha x_0 + sigma z a component N(m, s^2) becomes
 * N(alpha m, alpha^2 s^2 + sigma^2), and the score of a mixture is the mean of its components' scores
 * weighted by how likely each is at x.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 400, MODES = 8 };
static const double S = 0.05; /* standard deviation of a component; centres at distance 1 */

static int ring(void *user, int64_t n, const double *x, const double *t, double *out)
{
	const sf_process *p = user;
	int64_t i;
	int k;

	for (i = 0; i < n; i++, x += 2, out += 2) {
		double a = sf_process_alpha(p, t[i]), b = sf_process_sigma(p, t[i]);
		double var = a * a * S * S + b * b, w[MODES], u[MODES], v[MODES], top = -INFINITY, sum = 0;

		for (k = 0; k < MODES; k++) {
			u[k] = a * cos(2 * SF_PI * k / MODES) - x[0];
			v[k] = a * sin(2 * SF_PI * k / MODES) - x[1];
			w[k] = -(u[k] * u[k] + v[k] * v[k]) / (2 * var);
			top = fmax(top, w[k]);
		}
		out[0] = out[1] = 0;
		for (k = 0; k < MODES; k++) {
			w[k] = exp(w[k] - top);
			sum += w[k];
			out[0] += w[k] * u[k];
			out[1] += w[k] * v[k];
		}
		out[0] /= sum * var;
		out[1] /= sum * var;
	}
	return 0;
}

int main(void)
{
	static double x[N * 2];
	sf_ctx *ctx = NULL;
	sf_process *vp = NULL;
	sf_score *score = NULL;
	sf_sampler *rk45 = NULL;
	sf_sample_run run;
	sf_sample_report report;
	int i, count[MODES] = {0}, good = 1, rc = sf_ctx_new(&ctx);
	double spread = 0;

	if (rc == 0)
		rc = sf_process_new(ctx, "vp", &vp);
	if (rc == 0)
		rc = sf_score_from_function(ctx, vp, 2, ring, vp, NULL, &score);
	if (rc == 0)
		rc = sf_sampler_new(ctx, "rk45", &rk45);
	if (rc == 0) {
		sf_sample_defaults(&run);
		run.n = N;
		rc = sf_sample(rk45, score, &run, x, &report);
	}
	if (rc < 0)
		fprintf(stderr, "04-own-score: %s: %s\n", sf_strerror(rc), ctx ? sf_ctx_message(ctx) : "");
	else
		printf("%d samples, %.0f evaluations each\n", N, report.nfe);
	for (i = 0; rc == 0 && i < N; i++) {
		int k = (int)floor(atan2(x[2 * i + 1], x[2 * i]) * MODES / (2 * SF_PI) + 0.5 + MODES) % MODES;
		double dx = x[2 * i] - cos(2 * SF_PI * k / MODES), dy = x[2 * i + 1] - sin(2 * SF_PI * k / MODES);

		count[k]++;
		spread += (dx * dx + dy * dy) / (2.0 * N);
	}
	for (i = 0; i < MODES; i++) { /* 50 expected; binomial standard deviation 6.6 */
		printf("mode %d: %d\n", i, count[i]);
		good = good && count[i] >= 20 && count[i] <= 80;
	}
	printf("spread about the centres: %.4f (%.4f)\n", sqrt(spread), S);
	sf_sampler_free(rk45);
	sf_score_free(score);
	sf_process_free(vp);
	sf_ctx_free(ctx);
	/* the ODE stops at t = 1e-3, where sigma is about 0.01: 2% on top of S */
	return rc == 0 && good && fabs(sqrt(spread) - S) < 0.006 ? EXIT_SUCCESS : EXIT_FAILURE;
}
