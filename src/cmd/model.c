/* model.c: opens a run directory or a checkpoint for sampling.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/film.h"
#include "cmd/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { CHUNK = 256 /* samples of one call of the sampler */, DECODE = 64 /* of the decoder */ };

/* RUN -> RUN/config.ini and its newest checkpoint; FILE -> config.ini beside it and itself. */
static int find_files(const char *path, char *config, size_t size, model *m)
{
	const char *slash = strrchr(path, '/');
	int n, dir, rc;
	struct stat st;

	if (stat(path, &st) != 0)
		return fail(STATUS_INPUT, "%s: no such run directory or checkpoint", path);
	dir = S_ISDIR(st.st_mode);
	if (dir)
		n = snprintf(config, size, "%s/config.ini", path);
	else
		n = snprintf(config, size, "%.*sconfig.ini", slash ? (int)(slash - path + 1) : 0,
		             path);
	if (n < 0 || (size_t)n >= size)
		return fail(STATUS_INPUT, "%.60s...: the name is too long", path);
	rc = sf_run_latest(m->ctx, path, m->checkpoint, sizeof m->checkpoint, NULL);
	if (rc == 0 && stat(config, &st) != 0)
		rc = fail(STATUS_INPUT,
		          dir ? "%s: not a run directory (it has no config.ini)"
		              : "%s: expected the run's config.ini beside the checkpoint",
		          path);
	return rc;
}

/* One key of the configuration, if there is something to set. */
static int set(model *m, const char *key, const char *value)
{
	char line[1024];

	if (!value)
		return 0;
	if ((size_t)snprintf(line, sizeof line, "%s=%s", key, value) >= sizeof line)
		return fail(STATUS_INPUT, "'%.60s...' is too long", value);
	return sf_config_set(m->config, line);
}

static int configure(const common *opts, const model_request *want, const char *config, model *m)
{
	int rc = sf_config_new(m->ctx, &m->config);

	if (rc == 0)
		rc = sf_config_read(m->config, config);
	/* The number of steps belongs to the sampler and the grid that it was chosen for. */
	if (rc == 0 && (want->sampler || want->grid))
		rc = set(m, "sample.steps", "0");
	if (rc == 0 && want->sampler)
		rc = set(m, "sample.grid", "");
	if (rc == 0)
		rc = set(m, "sample.sampler", want->sampler);
	if (rc == 0)
		rc = set(m, "sample.grid", want->grid);
	if (rc == 0)
		rc = set(m, "model.precision", precision_name(opts));
	return rc;
}

static int64_t number(const model *m, const char *key)
{
	const char *text = sf_config_get(m->config, key);

	return text ? strtoll(text, NULL, 10) : 0;
}

/* The autoencoder's weights follow the score model's; --vae brings another run's, if they are those that the score model was trained
 * for. */
static int open_coder(model *m, const model_request *want)
{
	char checkpoint[1100];
	size_t e = m->setup.type == SF_F32 ? sizeof(float) : sizeof(double);
	int rc = 0;

	if (!m->setup.vae)
		return want->vae ? fail(STATUS_INPUT, "--vae: %s is a model of data, not of latents", want->path) : 0;
	if (want->vae) {
		rc = sf_run_latest(m->ctx, want->vae, checkpoint, sizeof checkpoint, NULL);
		if (rc == 0)
			rc = sf_setup_pair(&m->setup, m->checkpoint, checkpoint, want->raw ? "raw" : want->ema, m->weights);
	}
	if (rc == 0)
		rc = sf_coder_new(m->setup.vae, m->setup.type, (const char *)m->weights + (size_t)m->setup.pair * e, DECODE, &m->coder);
	return rc;
}

int model_of_data(const model *m, const char *what)
{
	if (!m->setup.vae)
		return 0;
	return fail(STATUS_INPUT, "%s: the score of this run is of latents, not of data", what);
}

int model_open(sf_ctx *ctx, const common *opts, const model_request *want, model *m)
{
	char config[1100];
	int rc;

	memset(m, 0, sizeof *m);
	m->ctx = ctx;
	if (want->raw && want->ema)
		return fail(STATUS_USAGE, "--raw and --ema exclude each other");
	rc = find_files(want->path, config, sizeof config, m);
	if (rc == 0)
		rc = configure(opts, want, config, m);
	if (rc == 0)
		rc = sf_setup_open(ctx, m->config,
		                   (want->no_sampler ? 0 : SF_SETUP_SAMPLER) |
		                           (want->with_data ? SF_SETUP_DATA : 0),
		                   m->checkpoint, &m->setup);
	if (rc == 0 && !want->no_sampler)
		rc = sf_sampler_accepts(m->setup.sampler, m->setup.process);
	if (rc == 0)
		rc = sf_setup_weights_of(&m->setup, m->checkpoint, want->raw ? "raw" : want->ema, &m->weights);
	if (rc == 0)
		rc = sf_model_score(&m->setup.model, m->setup.type, m->weights,
		                    number(m, "sample.batch"), &m->score);
	if (rc == 0)
		rc = open_coder(m, want);
	if (rc) {
		model_close(m);
		return rc;
	}
	m->steps = want->steps > 0 ? want->steps
	           : want->nfe > 0 ? sf_sampler_steps(m->setup.sampler, want->nfe)
	                           : number(m, "sample.steps");
	m->seed = (uint64_t)(opts->seed >= 0 ? opts->seed : number(m, "sample.seed"));
	return 0;
}

void model_close(model *m)
{
	sf_score_free(m->guided);
	sf_score_free(m->none);
	sf_score_free(m->score);
	sf_coder_free(m->coder);
	sf_setup_free_weights(m->weights);
	sf_setup_close(&m->setup);
	sf_config_free(m->config);
	memset(m, 0, sizeof *m);
}

int model_guide(model *m, double weight)
{
	const char *dropout = sf_config_get(m->config, "train.label-dropout");
	int rc;

	if (m->setup.model.classes < 1)
		return fail(STATUS_INPUT, "guidance: this model was trained without classes");
	if (weight == 1)
		return 0;
	if (!dropout || !(strtod(dropout, NULL) > 0))
		return fail(STATUS_INPUT, "guidance: this model was trained with label-dropout=0 and does not know samples "
		            "without a class");
	rc = sf_model_score(&m->setup.model, m->setup.type, m->weights, number(m, "sample.batch"), &m->none);
	return rc ? rc : sf_score_guided(m->ctx, m->score, m->none, weight, &m->guided);
}

int64_t model_steps(const model *m, int64_t nfe)
{
	return sf_sampler_steps(m->setup.sampler, nfe / sf_score_price(m->guided ? m->guided : m->score));
}

typedef struct watch {
	progress line;
	film *film;
	int64_t done, n, chunk;
	double start;
	int *label; /* (chunk) */
} watch;

static int observe(void *user, int64_t step, double t, int64_t n, const double *x)
{
	watch *w = user;

	(void)n;
	if (w->film && film_add(w->film, t, x))
		return 1;
	progress_show(&w->line, 0, "samples %lld/%lld  step %lld  %.0f s", (long long)w->done,
	              (long long)w->n, (long long)step, now() - w->start);
	return 0;
}

/* Whole states go through `state` (chunk,k,size) where they are not the data; x gets the data. */
static int draw_chunk(model *m, watch *w, uint64_t first, const int32_t *label, double *state, double *x,
		      sf_sample_report *report)
{
	int64_t size = m->setup.model.size, i;
	sf_sample_run run;
	int rc = 0;

	if (label) {
		for (i = 0; i < w->chunk; i++)
			w->label[i] = label[i];
		rc = sf_model_score_labels(m->score, w->chunk, w->label);
	}
	sf_sample_defaults(&run);
	run.n = w->chunk;
	run.first_sample = first;
	run.seed = m->seed;
	run.steps = m->steps;
	run.grid = m->setup.grid;
	run.known = m->known;
	run.teleport = m->teleport;
	run.skip = m->skip;
	run.all_steps = m->all_steps;
	run.observe = observe;
	run.user = w;
	if (m->latents) { /* the way back that latents came, see scorefield/likelihood.h */
		int64_t whole = size * sf_process_blocks(m->setup.process);

		memcpy(state ? state : x, m->latents + w->done * whole, (size_t)(w->chunk * whole) * sizeof *x);
		run.given_start = 1;
		run.end = sf_process_t_train(m->setup.process);
		run.denoise = 0;
	}
	if (rc == 0)
		rc = sf_sample(m->setup.sampler, m->guided ? m->guided : m->score, &run, state ? state : x, report);
	if (rc == 0 && state) {
		sf_process_position(m->setup.process, w->chunk, size, state);
		if (m->coder)
			rc = sf_coder_decode(m->coder, w->chunk, state, x);
		else
			memcpy(x, state, (size_t)w->chunk * (size_t)size * sizeof *x);
	}
	return rc;
}

int model_sample(model *m, int quiet, int64_t n, uint64_t first, const int32_t *label, double *x,
		 sf_sample_report *report)
{
	sf_sample_report part, sum = {0};
	int64_t i, size = m->setup.info.size, chunk = m->film || n < CHUNK ? n : CHUNK; /* a film is one piece */
	int blocks = sf_process_blocks(m->setup.process), apart = blocks > 1 || m->coder != NULL, rc = 0;
	double *state = NULL;
	watch w;

	w.film = m->film;
	w.label = label ? malloc((size_t)chunk * sizeof *w.label) : NULL;
	if (apart)
		state = malloc((size_t)blocks * (size_t)chunk * (size_t)m->setup.model.size * sizeof *state);
	if ((label && !w.label) || (apart && !state)) {
		free(w.label);
		free(state);
		return fail(STATUS_INPUT, "out of memory");
	}
	progress_start(&w.line, quiet);
	w.n = n;
	w.start = now();
	for (i = 0; i < n && rc == 0; i += w.chunk) {
		w.done = i;
		w.chunk = n - i < chunk ? n - i : chunk;
		rc = draw_chunk(m, &w, first + (uint64_t)i, label ? label + i : NULL, state, x + i * size,
		                &part);
		if (rc == 0) {
			sum.steps = part.steps > sum.steps ? part.steps : sum.steps;
			sum.rejected += part.rejected;
			sum.nfe += part.nfe * (double)w.chunk / (double)n;
			sum.saved += part.saved * (double)w.chunk / (double)n;
			sum.start = part.start;
		}
	}
	progress_clear(&w.line);
	free(w.label);
	free(state);
	if (rc && w.film && w.film->full)
		return fail(STATUS_INPUT, "the trajectory is too large after %lld steps; draw fewer samples or take fewer steps",
		            (long long)w.film->frames);
	if (report)
		*report = sum;
	return rc;
}

void model_unscale(const model *m, int64_t count, double *x)
{
	int64_t i;

	for (i = 0; i < count; i++)
		x[i] = m->setup.view.scale * x[i] + m->setup.view.shift;
}
