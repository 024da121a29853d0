/* 01-gaussian.c: draws samples of a Gaussian whose score is known, and checks mean and spread.
 *
 * The EDM process x_t = x_0 + t z turns N(m, s^2) into N(m, s^2 + t^2), with the score
 * (m - x)/(s^2 + t^2). Heun's method follows the probability-flow ODE from t = 80 to 0 (Karras et al.
 * 2022, algorithm 1) and must find N(m, s^2) again. It starts at N(0, 80^2), without m, because a
 * real model does not know its data's mean either; the ODE shrinks that error by s/80.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 10000, D = 2 };

static int draw(sf_ctx *ctx, double *x)
{
	sf_process *process = NULL;
	sf_score *score = NULL;
	sf_sampler *heun = NULL;
	sf_sample_run run;
	sf_sample_report report;
	int rc;

	rc = sf_process_new(ctx, "edm", &process);
	if (rc == 0)
		rc = sf_score_new(ctx, "gaussian:mean=3,std=0.5", process, D, &score);
	if (rc == 0)
		rc = sf_sampler_new(ctx, "heun", &heun);
	if (rc == 0) {
		sf_sample_defaults(&run);
		run.n = N;
		run.seed = 1;
		run.steps = 128; /* 18 do for images; here the width must be right to 1% */
		rc = sf_sample(heun, score, &run, x, &report);
	}
	if (rc == 0)
		printf("%d samples, %g evaluations each\n", N, report.nfe);
	sf_sampler_free(heun);
	sf_score_free(score);
	sf_process_free(process);
	return rc;
}

int main(void)
{
	static double x[N * D];
	double mean = 0, var = 0;
	sf_ctx *ctx = NULL;
	int i, rc = sf_ctx_new(&ctx);

	if (rc == 0)
		rc = draw(ctx, x);
	if (rc < 0) {
		fprintf(stderr, "01-gaussian: %s: %s\n", sf_strerror(rc), ctx ? sf_ctx_message(ctx) : "");
		sf_ctx_free(ctx);
		return EXIT_FAILURE;
	}
	sf_ctx_free(ctx);

	for (i = 0; i < N * D; i++)
		mean += x[i] / (N * D);
	for (i = 0; i < N * D; i++)
		var += (x[i] - mean) * (x[i] - mean) / (N * D);
	printf("mean %.4f (%.4f), standard deviation %.4f (0.5)\n", mean, 3 - 3 * 0.5 / 80, sqrt(var));
	/* four standard errors of the estimates, 0.5/sqrt(20000) and 0.5/sqrt(40000) */
	return fabs(mean - (3 - 3 * 0.5 / 80)) < 0.014 && fabs(sqrt(var) - 0.5) < 0.01 ? EXIT_SUCCESS
	                                                                            : EXIT_FAILURE;
}
