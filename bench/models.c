/* models.c: whole training steps and score evaluations, as a user's configuration runs them.
 *
 * A training step here is everything between two updates: reading data, noise, times, loss, gradient, clipping, Adam and the
 * moving average. The peer does the same work.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/models.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int images_file(sf_ctx *ctx, int size, int channels, char *path, size_t room)
{
	enum { RECORDS = 256 };
	const char *dir = getenv("TMPDIR");
	unsigned char *pixel;
	sf_array a;
	int64_t i;
	int rc;

	snprintf(path, room, "%s/scorefield-bench-%ld-%d.npy", dir ? dir : "/tmp", (long)getpid(), size);
	memset(&a, 0, sizeof a);
	a.type = SF_U8;
	a.rank = channels > 1 ? 4 : 3;
	a.dim[0] = RECORDS;
	a.dim[1] = a.dim[2] = size;
	a.dim[3] = channels;
	a.size = (int64_t)RECORDS * size * size * channels;
	a.data = pixel = malloc((size_t)a.size);
	if (!pixel)
		return SF_ENOMEM;
	for (i = 0; i < a.size; i++)
		pixel[i] = (unsigned char)((i * 2654435761u) >> 24);
	rc = sf_npy_write(ctx, path, &a);
	free(pixel);
	return rc;
}

static int set(sf_config *c, const char *key, const char *value)
{
	char line[400];

	snprintf(line, sizeof line, "%s=%s", key, value);
	return sf_config_set(c, line);
}

int trial_open(sf_ctx *ctx, const char *data, const char *net, const char *precision, int batch, trial *t)
{
	char number[20];
	int rc;

	memset(t, 0, sizeof *t);
	snprintf(number, sizeof number, "%d", batch);
	rc = sf_config_new(ctx, &t->config);
	if (rc == 0)
		rc = set(t->config, "data.spec", data);
	if (rc == 0)
		rc = set(t->config, "net.spec", net);
	if (rc == 0)
		rc = set(t->config, "model.precision", precision);
	if (rc == 0)
		rc = set(t->config, "train.batch", number);
	if (rc == 0)
		rc = set(t->config, "train.steps", "1000000000");
	if (rc == 0)
		rc = sf_trainer_new(ctx, t->config, NULL, 0, 0, &t->trainer);
	if (rc == 0)
		sf_trainer_describe(t->trainer, &t->info);
	return rc;
}

void trial_close(trial *t)
{
	sf_score_free(t->score);
	sf_trainer_free(t->trainer);
	sf_config_free(t->config);
	free(t->x);
	free(t->y);
	free(t->t);
}

static int halt(void *user, const sf_progress *p)
{
	(void)user;
	(void)p;
	return 1;
}

int trial_step(void *state)
{
	trial *t = state;
	int rc = sf_trainer_run(t->trainer, halt, NULL, NULL);

	return rc == SF_ESTOPPED ? 0 : rc;
}

int trial_sampling(trial *t, int batch)
{
	const sf_setup *s = sf_trainer_setup(t->trainer);
	size_t n = (size_t)batch * (size_t)s->model.size;
	int i;

	t->n = batch;
	t->x = calloc(n, sizeof *t->x);
	t->y = calloc(n, sizeof *t->y);
	t->t = calloc((size_t)batch, sizeof *t->t);
	if (!t->x || !t->y || !t->t)
		return SF_ENOMEM;
	for (i = 0; i < batch; i++)
		t->t[i] = .5;
	return sf_model_score(&s->model, s->type, sf_trainer_state(t->trainer)->param, 0, &t->score);
}

int trial_evaluate(void *state)
{
	trial *t = state;

	return sf_score_eval(t->score, SF_SCORE, t->n, t->x, t->t, t->y);
}

/* One row of training, one of sampling; or one of the two. */
enum { TRAINING = 1, SAMPLING = 2 };
static int model(bench *b, const char *name, const char *data, const char *net, int batch, int rows)
{
	trial t;
	row r;
	int rc;

	memset(&r, 0, sizeof r);
	r.group = name;
	r.items = batch;
	r.unit = "samples";
	snprintf(r.what, sizeof r.what, "training step, batch %d", batch);
	snprintf(r.request, sizeof r.request, "%s-step %d", name, batch);
	if (!bench_wants(b, &r) && (snprintf(r.what, sizeof r.what, "sampling, batch %d", batch), !bench_wants(b, &r)))
		return 0;
	rc = trial_open(b->ctx, data, net, "float32", rows & TRAINING ? batch : 1, &t);
	snprintf(r.what, sizeof r.what, "training step, batch %d", batch);
	r.flop = t.info.flops * batch;
	if (rc == 0 && (rows & TRAINING) && bench_wants(b, &r))
		rc = bench_row(b, &r, trial_step, &t);
	snprintf(r.what, sizeof r.what, "sampling, batch %d", batch);
	snprintf(r.request, sizeof r.request, "%s-sample %d", name, batch);
	r.flop = 0;
	if (rc == 0 && (rows & SAMPLING) && bench_wants(b, &r)) {
		rc = trial_sampling(&t, batch);
		r.flop = t.info.flops * batch / 3; /* a step is about three evaluations */
		if (rc == 0)
			rc = bench_row(b, &r, trial_evaluate, &t);
	}
	if (rc < 0) {
		fprintf(stderr, "bench: %s: %s\n", name, sf_ctx_message(b->ctx));
		b->failed = 1;
	}
	trial_close(&t);
	return rc;
}

/* The same step in double precision, beside our own in single precision: the ratio is of speeds, at least 1/3. */
static int in_double(bench *b, const char *name, const char *data, const char *net, int batch)
{
	double median[2];
	trial t;
	row r;
	int i, rc = 0;

	memset(&r, 0, sizeof r);
	r.group = "float64";
	r.items = batch;
	r.unit = "samples";
	snprintf(r.what, sizeof r.what, "%s step, batch %d, beside float32", name, batch);
	if (!bench_wants(b, &r))
		return 0;
	for (i = 0; i < 2 && rc == 0; i++) {
		rc = trial_open(b->ctx, data, net, i ? "float64" : "float32", batch, &t);
		r.flop = t.info.flops * batch;
		if (rc == 0)
			rc = bench_row(b, &r, trial_step, &t);
		if (rc == 0)
			median[i] = b->rows[--b->n].ours;
		trial_close(&t);
	}
	if (rc < 0) {
		fprintf(stderr, "bench: %s: %s\n", r.what, sf_ctx_message(b->ctx));
		b->failed = 1;
		return rc;
	}
	r.ours = median[1];
	r.theirs = median[0];
	return bench_append(b, &r);
}

/* ---- the score of a mixture on many points ---- */

typedef struct points {
	sf_score *score;
	double *x, *t, *y;
	int64_t n;
} points;

static int run_points(void *state)
{
	points *p = state;

	return sf_score_eval(p->score, SF_SCORE, p->n, p->x, p->t, p->y);
}

static int delta(bench *b)
{
	enum { POINTS = 60000, SIZE = 784, QUERIES = 16 };
	sf_noise key = {1, SF_NOISE_USER, 0};
	sf_process *process = NULL;
	double *data = malloc((size_t)POINTS * SIZE * sizeof *data);
	points p;
	row r;
	int rc, i;

	memset(&r, 0, sizeof r);
	memset(&p, 0, sizeof p);
	r.group = "delta";
	snprintf(r.what, sizeof r.what, "score, %d points of %d, %d at a time", POINTS, SIZE, QUERIES);
	snprintf(r.request, sizeof r.request, "delta %d %d %d", POINTS, SIZE, QUERIES);
	r.items = QUERIES;
	r.unit = "samples";
	p.n = QUERIES;
	p.x = calloc((size_t)QUERIES * SIZE, sizeof *p.x);
	p.y = calloc((size_t)QUERIES * SIZE, sizeof *p.y);
	p.t = calloc(QUERIES, sizeof *p.t);
	rc = data && p.x && p.y && p.t && bench_wants(b, &r) ? 0 : -1;
	if (rc == 0) {
		sf_noise_uniform_d(b->ctx, key, 0, 0, (size_t)POINTS * SIZE, data);
		sf_noise_uniform_d(b->ctx, key, 1, 0, (size_t)QUERIES * SIZE, p.x);
		for (i = 0; i < QUERIES; i++)
			p.t[i] = .5;
		rc = sf_process_new(b->ctx, "edm", &process);
	}
	if (rc == 0)
		rc = sf_score_delta(b->ctx, process, POINTS, SIZE, data, &p.score);
	if (rc == 0)
		rc = bench_row(b, &r, run_points, &p);
	sf_score_free(p.score);
	sf_process_free(process);
	free(data);
	free(p.x);
	free(p.y);
	free(p.t);
	return rc;
}

int bench_models(bench *b)
{
	static const int mlp[] = {128, 512, 1024}, unet[] = {32, 128};
	char images[300], data[320];
	size_t i;

	for (i = 0; i < 3; i++)
		model(b, "mlp", "moons", "mlp:width=128,depth=3,embed=none", mlp[i], TRAINING | SAMPLING);
	in_double(b, "mlp", "moons", "mlp:width=128,depth=3,embed=none", 512);
	if (images_file(b->ctx, 28, 1, images, sizeof images) < 0)
		return 1;
	snprintf(data, sizeof data, "npy:path=%s", images);
	for (i = 0; i < 2; i++)
		model(b, "unet", data, UNET(14), unet[i], TRAINING | SAMPLING);
	in_double(b, "unet", data, UNET(14), 32);
	remove(images);
	if (images_file(b->ctx, 32, 3, images, sizeof images) < 0)
		return 1;
	snprintf(data, sizeof data, "npy:path=%s", images);
	model(b, "ddpmpp", data, "ddpmpp:blocks=4", 4, TRAINING);
	remove(images);
	delta(b);
	return b->failed;
}

/* What a device is for: DDPM++ of 55.7 M parameters at 32x32, without the dropout that the peer has not. */
int bench_device(bench *b)
{
	static const int train[] = {128, 512}, sample[] = {1, 8, 64, 512};
	char images[300], data[320];
	size_t i;

	if (images_file(b->ctx, 32, 3, images, sizeof images) < 0)
		return 1;
	snprintf(data, sizeof data, "npy:path=%s", images);
	for (i = 0; i < sizeof train / sizeof *train; i++)
		model(b, "songunet", data, "songunet:dropout=0", train[i], TRAINING);
	for (i = 0; i < sizeof sample / sizeof *sample; i++)
		model(b, "songunet", data, "songunet:dropout=0", sample[i], SAMPLING);
	remove(images);
	return b->failed;
}
