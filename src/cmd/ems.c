/* ems.c: empirical model statistics of a trained network, for the sampler dpm-v3 (scorefield/ems.h).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct opts {
	common common;
	char *output, *ema;
	int64_t rows, samples, batch;
	sf_list range;
	int raw, unit;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION('o', "FILE", "output", "the file to write (.safetensors), for dpm-v3:stats=FILE; needed", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION(0, "N", "rows", "rows of the table, of equal steps in ln(alpha/sigma)", SF_OPT_INT, AT(rows), "121", 5, 100000),
	OPTION('n', "K", "samples", "records of the data that the expectations are taken over", SF_OPT_INT, AT(samples), "1024", 2, 1e9),
	OPTION(0, "N", "batch", "samples of one evaluation; the result does not depend on it", SF_OPT_INT, AT(batch), "128", 1, 65536),
	OPTION(0, "LO:HI", "range", "of noise levels sigma/alpha (default: what the process is sampled over)", SF_OPT_LIST, AT(range), "",
	       1e-12, 1e12),
	OPTION(0, NULL, "unit", "l = 1 instead of the estimate, as the authors do for guided models", SF_OPT_BOOL, AT(unit), "false", 0, 0),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	OPTION_END
};

typedef struct work {
	const model *m;
	int *label; /* (batch); NULL: a model without classes */
	progress line;
	double start;
} work;

static void data(void *user, uint64_t i, double *x)
{
	const work *w = user;

	sf_view_draw(&w->m->setup.view, i, x, NULL);
}

/* Each record is seen with its own class. */
static int batch_begins(void *user, uint64_t first, int64_t n)
{
	const work *w = user;
	double *x;
	int64_t i;

	if (!w->label)
		return 0;
	x = malloc((size_t)w->m->setup.model.size * sizeof *x);
	if (!x)
		return SF_ENOMEM;
	for (i = 0; i < n; i++)
		sf_view_draw(&w->m->setup.view, first + (uint64_t)i, x, &w->label[i]);
	free(x);
	return sf_model_score_labels(w->m->score, n, w->label);
}

static int tell(void *user, int64_t done, int64_t all)
{
	work *w = user;

	progress_show(&w->line, 0, "rows %lld/%lld  %.0f s", (long long)done, (long long)all, now() - w->start);
	return 0;
}

static int estimate(sf_ctx *ctx, const struct opts *o, const model *m)
{
	const char *key[] = {"process", "samples", "seed"}, *value[3];
	char samples[24], seed[24];
	work w = {m, NULL, {0}, now()};
	sf_ems_run run;
	sf_ems e;
	int rc;

	sf_ems_defaults(&run);
	run.rows = o->rows;
	run.samples = o->samples;
	run.batch = o->batch;
	run.seed = m->seed;
	run.unit = o->unit;
	if (o->range.n == 2) {
		run.first = -log(o->range.v[1]);
		run.last = -log(o->range.v[0]);
	}
	run.data = data;
	run.batch_begins = batch_begins;
	run.progress = tell;
	run.user = &w;
	if (m->setup.model.classes > 0 && !(w.label = malloc((size_t)o->batch * sizeof *w.label)))
		return fail(STATUS_INPUT, "out of memory");
	progress_start(&w.line, o->common.quiet);
	rc = sf_ems_estimate(m->score, &run, &e);
	progress_clear(&w.line);
	free(w.label);
	if (rc)
		return rc;
	value[0] = sf_spec(m->setup.process);
	snprintf(samples, sizeof samples, "%lld", (long long)o->samples);
	snprintf(seed, sizeof seed, "%llu", (unsigned long long)m->seed);
	value[1] = samples;
	value[2] = seed;
	rc = sf_ems_write(ctx, o->output, &e, 3, key, value);
	if (rc == 0 && o->common.json)
		rc = out_json(json_pack("{s:s, s:I, s:I, s:I, s:f, s:f, s:f}", "file", o->output, "rows", (json_int_t)e.rows, "size",
		                        (json_int_t)e.d, "samples", (json_int_t)o->samples, "first", e.first, "last", e.last, "seconds",
		                        now() - w.start));
	else if (rc == 0 && !o->common.quiet)
		out("%s: %lld rows of %lld numbers, lambda from %.4g to %.4g, %lld samples, %.1f s\n", o->output, (long long)e.rows,
		    (long long)e.d, e.first, e.last, (long long)o->samples, now() - w.start);
	sf_ems_free(&e);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	model_request want = {0};
	model m;
	int rc;

	(void)n;
	if (!o->output)
		return fail(STATUS_USAGE, "ems: no output given: -o FILE");
	if (o->range.n != 0 && (o->range.n != 2 || !(o->range.v[0] < o->range.v[1])))
		return fail(STATUS_USAGE, "ems: --range: expected two noise levels LO:HI, the lower one first");
	want.path = word[0];
	want.raw = o->raw;
	want.ema = o->ema;
	want.with_data = 1;
	want.no_sampler = 1;
	rc = model_open(ctx, &o->common, &want, &m);
	if (rc)
		return rc;
	rc = model_of_data(&m, "ems");
	if (rc == 0)
		rc = estimate(ctx, o, &m);
	model_close(&m);
	return rc;
}

const command ems_command = {"ems",
			     "Estimate the model statistics of DPM-Solver-v3",
			     "RUN|CHECKPOINT",
			     "Give the file to the sampler: scorefield sample RUN --sampler dpm-v3:stats=FILE. More samples help more than\n"
			     "more rows; the authors took 120 to 1200 rows of 512 to 4096 samples.\n",
			     options,
			     sizeof(struct opts),
			     1,
			     1,
			     run};
