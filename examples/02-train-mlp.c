/* 02-train-mlp.c: trains a small network on two moons, draws from it, and measures how far the samples
 * are from the data.
 *
 * The configuration is the one of `scorefield train`; whatever is not set has its default (see
 * scorefield-config(7)). The run directory 02-train-mlp.run could be used by the program afterwards:
 * scorefield plot field 02-train-mlp.run
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 500, TRUTH = 2000 };

static const char *const settings[] = {
	"data.spec=moons", "data.scale=standard", "process.spec=vp", "net.spec=mlp:width=64,depth=3",
	"objective.spec=dsm", "train.steps=1500", "train.batch=128", "train.lr=0.003", "train.events=false",
	NULL
};

static int progress(void *user, const sf_progress *p)
{
	(void)user;
	if (p->step % 500 == 0)
		printf("step %ld of %ld, loss %.3f\n", (long)p->step, (long)p->steps, p->loss);
	return 0;
}

/* Mean distance of a sample to the nearest of TRUTH data points. */
static double distance(const sf_view *view, const double *x)
{
	static double truth[TRUTH * 2];
	double sum = 0;
	int i, j;

	for (j = 0; j < TRUTH; j++)
		sf_view_read(view, j, truth + 2 * j, NULL);
	for (i = 0; i < N; i++) {
		double least = INFINITY;

		for (j = 0; j < TRUTH; j++)
			least = fmin(least, hypot(x[2 * i] - truth[2 * j], x[2 * i + 1] - truth[2 * j + 1]));
		sum += least / N;
	}
	return sum;
}

int main(void)
{
	static double x[N * 2];
	sf_ctx *ctx = NULL;
	sf_config *config = NULL;
	sf_trainer *trainer = NULL;
	sf_sampler *sampler = NULL;
	sf_score *score = NULL;
	sf_sample_run run;
	double d = INFINITY;
	int i, rc = sf_ctx_new(&ctx);

	sf_blas_set_threads(1);
	if (rc == 0)
		rc = sf_config_new(ctx, &config);
	for (i = 0; rc == 0 && settings[i]; i++)
		rc = sf_config_set(config, settings[i]);
	if (rc == 0)
		rc = sf_trainer_new(ctx, config, "02-train-mlp.run", 0, 1, &trainer);
	if (rc == 0)
		rc = sf_trainer_run(trainer, progress, NULL, NULL);
	if (rc == 0) { /* the moving average of the weights makes a score */
		const sf_setup *setup = sf_trainer_setup(trainer);

		rc = sf_model_score(&setup->model, setup->type, sf_trainer_state(trainer)->ema, 64, &score);
	}
	if (rc == 0)
		rc = sf_sampler_new(ctx, "heun", &sampler);
	if (rc == 0) {
		sf_sample_defaults(&run);
		run.n = N;
		run.steps = 20;
		rc = sf_sample(sampler, score, &run, x, NULL);
	}
	if (rc < 0)
		fprintf(stderr, "02-train-mlp: %s: %s\n", sf_strerror(rc), ctx ? sf_ctx_message(ctx) : "");
	else
		printf("mean distance to the data %.3f (standard deviations)\n",
		       d = distance(&sf_trainer_setup(trainer)->view, x));
	sf_sampler_free(sampler);
	sf_score_free(score);
	sf_trainer_free(trainer);
	sf_config_free(config);
	sf_ctx_free(ctx);
	return d < 0.15 ? EXIT_SUCCESS : EXIT_FAILURE; /* the prior's own samples: about 0.5 */
}
