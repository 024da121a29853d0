/* evaluate.c: how far a trained network's score is from the exact one (scorefield/metric.h), at each of a range of noise
 * levels and on average, for a checkpoint or for all of a run.
 *
 * The seconds of a checkpoint come from the run's log.jsonl (clock.h).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/clock.h"
#include "cmd/model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct opts {
	common common;
	char *data, *output, *ema;
	int64_t times, points;
	double smooth;
	sf_list range;
	int all, raw;
};
#define AT(member) offsetof(struct opts, member)

static const option options[] = {
	OPTION(0, "SPEC", "data", "data whose noisy density has a closed form (default: the run's)", SF_OPT_STRING, AT(data),
	       NULL, 0, 0),
	OPTION(0, "N", "times", "noise levels, evenly in the logarithm of sigma/alpha", SF_OPT_INT, AT(times), "20", 1, 10000),
	OPTION(0, "LO:HI", "range", "of sigma/alpha (default: what the process trains on)", SF_OPT_LIST, AT(range), "", 1e-12,
	       1e12),
	OPTION('n', "K", "points", "samples at each level", SF_OPT_INT, AT(points), "2000", 2, 1e8),
	OPTION(0, "RHO", "smooth", "compare with data that have a second noise of RHO sigma (lcss:stage=two)", SF_OPT_DOUBLE,
	       AT(smooth), "0", 0, 1e6),
	OPTION(0, NULL, "all", "all checkpoints of a run, one line each", SF_OPT_BOOL, AT(all), "false", 0, 0),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	OPTION('o', "FILE.csv", "output", "write the numbers as comma-separated values", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION_END
};

typedef struct result {
	int64_t step;   /* -1: not known */
	double seconds; /* NaN: not known */
	sf_error_level mean, *level;
} result;

/* ---- one checkpoint ---- */

static int open_view(sf_ctx *ctx, const struct opts *o, const model *m, sf_data **data, sf_view *view)
{
	const char *spec = o->data ? o->data : sf_config_get(m->config, "data.spec");
	int rc;

	if (m->setup.model.classes > 0)
		return fail(STATUS_INPUT, "the network is conditional: the exact score is known for all classes together alone");
	rc = sf_data_new(ctx, spec, data);
	*view = m->setup.view; /* the scaling that the network was trained with */
	view->data = *data;
	return rc;
}

static int measure(sf_ctx *ctx, const struct opts *o, const char *path, result *r)
{
	model_request want = {0};
	double lo = o->range.n == 2 ? o->range.v[0] : nan(""), hi = o->range.n == 2 ? o->range.v[1] : nan("");
	sf_data *data = NULL;
	sf_view view;
	model m;
	int rc;

	want.no_sampler = 1;
	want.path = path;
	want.raw = o->raw;
	want.ema = o->ema;
	rc = model_open(ctx, &o->common, &want, &m);
	if (rc)
		return rc;
	rc = model_of_data(&m, "evaluate");
	if (rc == 0)
		rc = open_view(ctx, o, &m, &data, &view);
	if (rc == 0)
		rc = sf_metric_levels(m.setup.process, lo, hi, o->times, r->level);
	if (rc == 0)
		rc = sf_metric_score_error(m.score, &view, o->points, (uint64_t)(o->common.seed >= 0 ? o->common.seed : 0),
		                           o->smooth, o->times, r->level, &r->mean);
	sf_data_free(data);
	model_close(&m);
	return rc;
}

/* ---- what is printed ---- */

static double fraction(const sf_error_level *l)
{
	return l->error / l->size;
}

static json_t *json_level(const sf_error_level *l)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "t", json_number(l->t), "ratio", json_number(l->sigma / l->alpha),
	                 "error", json_number(l->error), "se", json_number(l->se), "size", json_number(l->size), "fraction",
	                 json_number(fraction(l)));
}

static json_t *json_result(const result *r, int64_t times)
{
	json_t *levels = json_array();
	int64_t i;

	for (i = 0; i < times; i++)
		json_array_append_new(levels, json_level(&r->level[i]));
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "step", r->step < 0 ? json_null() : json_integer(r->step),
	                 "seconds", json_number(r->seconds), "error", json_number(r->mean.error), "se",
	                 json_number(r->mean.se), "size", json_number(r->mean.size), "fraction",
	                 json_number(fraction(&r->mean)), "levels", levels);
}

static void print_levels(const struct opts *o, const result *r)
{
	int64_t i;

	if (!o->common.quiet) {
		out("%s%12s %12s %12s %10s %10s %10s%s\n", paint('b'), "t", "sigma/alpha", "error", "+-", "size", "fraction",
		    paint(0));
		for (i = 0; i < o->times; i++) {
			const sf_error_level *l = &r->level[i];

			out("%12.6g %12.6g %12.5g %10.2g %10.4g %10.4g\n", l->t, l->sigma / l->alpha, l->error, l->se, l->size,
			    fraction(l));
		}
	}
	out("mean over %lld levels: error %.5g +- %.2g, size %.4g, fraction %.4g\n", (long long)o->times, r->mean.error,
	    r->mean.se, r->mean.size, fraction(&r->mean));
}

static void print_step(const struct opts *o, const result *r, int64_t i)
{
	if (i == 0 && !o->common.quiet)
		out("%s%12s %12s %12s %10s %10s %10s%s\n", paint('b'), "step", "seconds", "error", "+-", "size", "fraction",
		    paint(0));
	out("%12lld %12.4g %12.5g %10.2g %10.4g %10.4g\n", (long long)r->step, r->seconds, r->mean.error, r->mean.se,
	    r->mean.size, fraction(&r->mean));
}

static void csv_number(sf_text *t, double v)
{
	if (isfinite(v)) /* an empty field where there is no number */
		sf_text_add(t, "%.9g", v);
}

static void csv_line(const struct opts *o, const result *r, sf_text *t)
{
	int64_t i;

	if (o->all) {
		sf_text_add(t, "%lld,", (long long)r->step);
		csv_number(t, r->seconds);
		sf_text_add(t, ",%.9g,%.9g,%.9g\n", r->mean.error, r->mean.se, r->mean.size);
		return;
	}
	for (i = 0; i < o->times; i++) {
		const sf_error_level *l = &r->level[i];

		sf_text_add(t, "%.9g,%.9g,%.9g,%.9g,%.9g\n", l->t, l->sigma / l->alpha, l->error, l->se, l->size);
	}
}

/* ---- the command ---- */

static int report(const struct opts *o, const result *r, int64_t i, sf_text *csv, json_t *list)
{
	csv_line(o, r, csv);
	if (list)
		return json_array_append_new(list, json_result(r, o->times)) < 0
		               ? fail(STATUS_INPUT, "cannot make JSON: out of memory")
		               : 0;
	if (o->all)
		print_step(o, r, i);
	else
		print_levels(o, r);
	return 0;
}

static int each(sf_ctx *ctx, const struct opts *o, const char *run, result *r, sf_text *csv, json_t *list)
{
	ticks clock = {0, 0, NULL};
	int64_t *step = NULL, n = 0, i;
	char path[1200];
	int rc = sf_run_checkpoints(ctx, run, &step, &n);

	if (rc == 0)
		rc = clock_read(ctx, run, &clock);
	for (i = 0; i < n && rc == 0; i++) {
		r->step = step[i];
		r->seconds = clock_at(&clock, step[i]);
		rc = sf_run_checkpoint(ctx, run, step[i], path, sizeof path);
		if (rc == 0)
			rc = measure(ctx, o, path, r);
		if (rc == 0)
			rc = report(o, r, i, csv, list);
	}
	free(step);
	free(clock.v);
	return rc;
}

static int one(sf_ctx *ctx, const struct opts *o, const char *path, result *r, sf_text *csv, json_t *list)
{
	ticks clock = {0, 0, NULL};
	char file[1200];
	struct stat st;
	int rc = 0;

	r->step = -1;
	r->seconds = nan("");
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
		rc = sf_run_latest(ctx, path, file, sizeof file, &r->step);
		if (rc == 0)
			rc = clock_read(ctx, path, &clock);
		if (rc == 0)
			r->seconds = clock_at(&clock, r->step);
		free(clock.v);
	}
	if (rc == 0)
		rc = measure(ctx, o, path, r);
	return rc ? rc : report(o, r, 0, csv, list);
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	sf_text csv = {NULL, 0, 0, 0};
	json_t *list = o->common.json ? json_array() : NULL;
	struct stat st;
	result r;
	int rc = 0;

	(void)n;
	memset(&r, 0, sizeof r);
	if (o->range.n != 0 && o->range.n != 2)
		rc = fail(STATUS_USAGE, "evaluate: --range has %d numbers; expected LO:HI", o->range.n);
	else if (o->all && !(stat(word[0], &st) == 0 && S_ISDIR(st.st_mode)))
		rc = fail(STATUS_INPUT, "%s: --all is for run directories", word[0]);
	else if (!(r.level = calloc((size_t)o->times, sizeof *r.level)))
		rc = fail(STATUS_INPUT, "out of memory");
	sf_text_add(&csv, o->all ? "step,seconds,error,se,size\n" : "t,ratio,error,se,size\n");
	if (rc == 0)
		rc = (o->all ? each : one)(ctx, o, word[0], &r, &csv, list);
	if (rc == 0 && o->output)
		rc = csv.failed ? fail(STATUS_INPUT, "out of memory") : sf_file_write(ctx, o->output, csv.s, csv.len);
	if (rc == 0 && list)
		rc = out_json(json_pack("{s:s, s:I, s:I, s:f, s:O}", "run", word[0], "times", (json_int_t)o->times, "points",
		                        (json_int_t)o->points, "smooth", o->smooth, "checkpoints", list));
	json_decref(list);
	free(csv.s);
	free(r.level);
	return rc;
}

const command evaluate_command = {"evaluate",
				  "Measure the error of a trained network's score",
				  "RUN|CHECKPOINT",
				  "The error is E sigma^2 |s - s*|^2/d against the exact score s* of the noisy data, the size\n"
				  "E sigma^2 |s*|^2/d, and the fraction their ratio: what of the score was not learned.\n",
				  options,
				  sizeof(struct opts),
				  1,
				  1,
				  run};
