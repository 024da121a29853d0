/* compare.c: how much of a trained network's score models of its data explain (scorefield/metric.h), at each of a
 * range of noise levels, or along the checkpoints of a run.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/clock.h"
#include "cmd/fitted.h"
#include "cmd/model.h"
#include "cmd/plot.h"
#include "cmd/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MODELS_MAX = 16 };
enum { OF_SCORE, OF_DENOISED };

struct opts {
	common common;
	char *against, *output, *plot, *ema;
	sf_list sigma, range;
	int64_t times, points, records, components, rank;
	int all, raw, of;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION(0, "LIST", "against",
	       "models, with commas between: mean, isotropic, gaussian, mixture[:K], low-rank[:R], delta, or files "
	       "of fit",
	       SF_OPT_STRING, AT(against), "isotropic,gaussian,mixture,delta", 0, 0),
	OPTION(0, "LIST", "sigma",
	       "noise levels sigma/alpha (default: the paper's 16 from 0.01 to 80 that the process has; 0.1:0.5:2 "
	       "with --all)",
	       SF_OPT_LIST, AT(sigma), "", 1e-12, 1e12),
	OPTION(0, "N", "times", "noise levels evenly in the logarithm of sigma/alpha instead", SF_OPT_INT, AT(times),
	       NULL, 1, 10000),
	OPTION(0, "LO:HI", "range", "of sigma/alpha for --times (default: what the process trains on)", SF_OPT_LIST,
	       AT(range), "", 1e-12, 1e12),
	OPTION('n', "K", "points", "points at each level, around records", SF_OPT_INT, AT(points), "512", 2, 1e8),
	OPTION(0, "N", "records",
	       "how many records the models know, from the first (default: all; 10000 of a generator)", SF_OPT_INT,
	       AT(records), NULL, 1, 1e9),
	OPTION(0, "K", "components", "clusters of mixture and low-rank", SF_OPT_INT, AT(components), "10", 1, 1e6),
	OPTION(0, "R", "rank", "rank of low-rank (default: 64, or the dimension if that is less)", SF_OPT_INT,
	       AT(rank), NULL, 1, 1e6),
	CHOICE(0, "of", "what is printed and plotted", AT(of), "score", "score|denoised"),
	OPTION(0, NULL, "all", "all checkpoints of a run, one line each", SF_OPT_BOOL, AT(all), "false", 0, 0),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	OPTION('o', "FILE.csv", "output", "write the numbers as comma-separated values", SF_OPT_STRING, AT(output),
	       NULL, 0, 0),
	OPTION(0, "FILE.png", "plot", "draw 1 - explained (.png or .svg) with gnuplot", SF_OPT_STRING, AT(plot), NULL,
	       0, 0),
	OPTION_END};

/* What the networks are compared with: models made once, under a process of their own. */
typedef struct setting {
	const struct opts *o;
	sf_process *process;
	int models, levels;
	char *name[MODELS_MAX];
	sf_score *score[MODELS_MAX];
	double t[SF_LIST_MAX * 4], ratio[SF_LIST_MAX * 4];
	int64_t n, d;
	double *x; /* (n,d): the records */
} setting;

static void setting_close(setting *s)
{
	int i;

	for (i = 0; i < s->models; i++) {
		sf_score_free(s->score[i]);
		free(s->name[i]);
	}
	sf_process_free(s->process);
	free(s->x);
}

/* ---- the models ---- */

static int make_file(sf_ctx *ctx, setting *s, const sf_view *view, const char *path, sf_score **out)
{
	sf_components c;
	int rc = sf_components_read(ctx, path, &c);

	if (rc)
		return rc;
	if (c.d != s->d)
		rc = fail(STATUS_INPUT, "%s: the model is of dimension %lld, the data of %lld", path, (long long)c.d,
			  (long long)s->d);
	else
		sf_components_rescale(&c, view->shift, view->scale);
	if (rc == 0)
		rc = sf_score_components(ctx, s->process, &c, out);
	sf_components_free(&c);
	return rc;
}

static int make_model(sf_ctx *ctx, setting *s, const sf_view *view, const char *word, sf_score **out)
{
	sf_fit_options fit;
	sf_components c;
	int rc;

	if (strcmp(word, "delta") == 0)
		return sf_score_delta(ctx, s->process, s->n, s->d, s->x, out);
	if (strchr(word, '/') || strchr(word, '.'))
		return make_file(ctx, s, view, word, out);
	sf_fit_defaults(&fit);
	fit.components = s->o->components;
	fit.seed = s->o->common.seed < 0 ? 0 : (uint64_t)s->o->common.seed;
	fit.rank = s->o->rank > 0 ? s->o->rank : fit.rank < s->d ? fit.rank : s->d;
	rc = fitted_word(word, &fit);
	if (rc == 0)
		rc = sf_components_fit(ctx, &fit, s->n, s->d, s->x, &c);
	if (rc)
		return rc;
	rc = sf_score_components(ctx, s->process, &c, out);
	sf_components_free(&c);
	return rc;
}

static int make_models(sf_ctx *ctx, setting *s, const sf_view *view)
{
	const char *at = s->o->against;
	progress bar;
	int rc = 0;

	progress_start(&bar, s->o->common.quiet);
	while (rc == 0 && *at) {
		size_t length = strcspn(at, ",");
		char *word = malloc(length + 1);

		if (!word) {
			rc = fail(STATUS_INPUT, "out of memory");
			break;
		}
		memcpy(word, at, length);
		word[length] = '\0';
		if (length == 0 || s->models == MODELS_MAX || strchr(word, '"')) {
			rc = fail(STATUS_USAGE, "compare: --against '%s' is not a list of 1 to %d models",
				  s->o->against, MODELS_MAX);
			free(word);
			break;
		}
		s->name[s->models] = word;
		s->score[s->models++] = NULL;
		progress_show(&bar, 0, "model %s of %lld records", word, (long long)s->n);
		rc = make_model(ctx, s, view, word, &s->score[s->models - 1]);
		at += length + (at[length] == ',');
	}
	progress_clear(&bar);
	return rc || s->models ? rc : fail(STATUS_USAGE, "compare: --against is empty");
}

/* ---- the noise levels ---- */

static double ratio_at(const sf_process *p, double t)
{
	return sf_process_sigma(p, t) / sf_process_alpha(p, t);
}

static int listed(setting *s, const double *v, int n, int given)
{
	double least = ratio_at(s->process, sf_process_t_train(s->process)),
	       most = ratio_at(s->process, sf_process_horizon(s->process));
	int i;

	for (i = 0; i < n; i++) {
		if (!(v[i] >= least * (1 - 1e-9) && v[i] <= most * (1 + 1e-9))) {
			if (given)
				return fail(STATUS_INPUT, "compare: noise level %g; process '%s' has %g to %g", v[i],
					    sf_process_name(s->process), least, most);
			continue;
		}
		s->ratio[s->levels] = v[i];
		s->t[s->levels++] = sf_process_time_of_ratio(s->process, v[i]);
	}
	return s->levels
		       ? 0
		       : fail(STATUS_INPUT, "compare: process '%s' has noise levels from %g to %g alone; see --sigma",
			      sf_process_name(s->process), least, most);
}

static int make_levels(setting *s)
{
	static const double paper[] = {.01, .02, .05, .1, .2, .5, .75, 1, 1.5, 2, 5, 10, 20, 30, 40, 80},
			    few[] = {.1, .5, 2};
	const struct opts *o = s->o;
	sf_error_level *level;
	int i, rc;

	if (o->sigma.n)
		return listed(s, o->sigma.v, o->sigma.n, 1);
	if (o->times < 1)
		return o->all ? listed(s, few, 3, 0) : listed(s, paper, 16, 0);
	if (o->times > SF_LIST_MAX * 4)
		return fail(STATUS_INPUT, "compare: at most %d noise levels", SF_LIST_MAX * 4);
	level = calloc((size_t)o->times, sizeof *level);
	if (!level)
		return fail(STATUS_INPUT, "out of memory");
	rc = sf_metric_levels(s->process, o->range.n == 2 ? o->range.v[0] : nan(""),
			      o->range.n == 2 ? o->range.v[1] : nan(""), o->times, level);
	for (i = 0; rc == 0 && i < o->times; i++) {
		s->t[i] = level[i].t;
		s->ratio[i] = level[i].sigma / level[i].alpha;
	}
	s->levels = (int)o->times;
	free(level);
	return rc;
}

/* ---- the table ---- */

static const char *const columns[][5] = {{"", " se", " denoised", " denoised se", " reverse"},
					 {"", " se", " score", " score se", " reverse"}};
static const char *const values[] = {"score", "denoised"};
static const char *const units[] = {"explained share of the score", "explained share of the denoised value"};

/* A row a level and a curve a model; or a row a checkpoint, and a curve a model and level. */
static int make_table(const setting *s, int64_t checkpoints, table *t)
{
	static const char *const of_level[] = {"t", "sigma"}, *const of_step[] = {"step", "seconds"};
	int i, k;

	t->rows = s->o->all ? checkpoints : s->levels;
	t->lead = 2;
	t->leader = s->o->all ? of_step : of_level;
	t->shown = s->o->all ? 1 : 2;
	t->curves = s->o->all ? s->models * s->levels : s->models;
	t->width = 5;
	t->column = columns[s->o->of];
	t->value = values[s->o->of];
	t->unit = units[s->o->of];
	i = table_open(t);
	if (i)
		return i;
	for (i = 0; i < s->models; i++)
		for (k = 0; k < t->curves / s->models; k++) {
			char name[1200];

			if ((size_t)snprintf(name, sizeof name, s->o->all ? "%s %.4g" : "%s", s->name[i],
					     s->ratio[k]) >= sizeof name)
				return fail(STATUS_INPUT, "%.60s...: the name is too long", s->name[i]);
			if (!(t->curve[i * (t->curves / s->models) + k] = strdup(name)))
				return fail(STATUS_INPUT, "out of memory");
		}
	return 0;
}

static void put(const setting *s, const sf_explained *e, double *to)
{
	to[0] = s->o->of == OF_SCORE ? e->score : e->denoised;
	to[1] = s->o->of == OF_SCORE ? e->score_se : e->denoised_se;
	to[2] = s->o->of == OF_SCORE ? e->denoised : e->score;
	to[3] = s->o->of == OF_SCORE ? e->denoised_se : e->score_se;
	to[4] = e->reverse;
}

/* One network at all levels. */
static int measure(const setting *s, sf_score *net, int64_t row, table *t, const char *what)
{
	sf_explained e[MODELS_MAX];
	progress bar;
	int k, m, rc = 0;

	progress_start(&bar, s->o->common.quiet);
	for (k = 0; k < s->levels && rc == 0; k++) {
		progress_show(&bar, 0, "%s, noise level %d of %d", what, k + 1, s->levels);
		rc = sf_metric_explained(net, s->models, s->score, s->n, s->x, s->o->points,
					 (uint64_t)(s->o->common.seed < 0 ? 0 : s->o->common.seed), (uint32_t)k,
					 s->t[k], e);
		for (m = 0; m < s->models && rc == 0; m++)
			put(s, &e[m],
			    table_row(t, s->o->all ? row : k) + 2 + 5 * (s->o->all ? m * s->levels + k : m));
		if (!s->o->all) {
			table_row(t, k)[0] = s->t[k];
			table_row(t, k)[1] = s->ratio[k];
		}
	}
	progress_clear(&bar);
	return rc;
}

/* ---- the command ---- */

static int open_network(sf_ctx *ctx, const struct opts *o, const char *path, int with_data, model *m)
{
	model_request want = {0};
	int rc;

	want.no_sampler = 1;
	want.path = path;
	want.raw = o->raw;
	want.ema = o->ema;
	want.with_data = with_data;
	rc = model_open(ctx, &o->common, &want, m);
	if (rc == 0)
		rc = model_of_data(m, "compare");
	if (rc == 0 && m->setup.model.classes > 0)
		rc = fail(STATUS_INPUT, "the network is conditional: models are of the data of all classes together");
	return rc;
}

/* The first network gives process, data and scaling. */
static int make_setting(sf_ctx *ctx, setting *s, const model *m)
{
	int rc = sf_process_new(ctx, sf_spec(m->setup.process), &s->process);

	if (rc == 0 && (!sf_process_linear(s->process) || sf_process_blocks(s->process) != 1))
		rc = fail(STATUS_INPUT,
			  "compare: the score of noisy records is known for linear processes of one block; '%s' is "
			  "not one",
			  sf_process_name(s->process));
	s->d = m->setup.model.size;
	if (rc == 0)
		rc = make_levels(s);
	if (rc == 0)
		rc = records_read(&m->setup.view, s->o->records, &s->n, &s->x);
	return rc ? rc : make_models(ctx, s, &m->setup.view);
}

static int each(sf_ctx *ctx, setting *s, const char *run, const int64_t *step, int64_t n, table *t)
{
	ticks clock = {0, 0, NULL};
	char path[1200], what[80];
	int64_t i;
	int rc = s->o->all ? clock_read(ctx, run, &clock) : 0;

	for (i = 0; i < n && rc == 0; i++) {
		model m;

		memset(&m, 0, sizeof m);
		if (s->o->all)
			rc = sf_run_checkpoint(ctx, run, step[i], path, sizeof path);
		if (rc == 0)
			rc = open_network(ctx, s->o, s->o->all ? path : run, i == 0, &m);
		if (rc == 0 && i == 0) {
			rc = make_setting(ctx, s, &m);
			if (rc == 0)
				rc = make_table(s, n, t);
		}
		snprintf(what, sizeof what, "checkpoint %lld of %lld", (long long)i + 1, (long long)n);
		if (rc == 0)
			rc = measure(s, m.score, i, t, what);
		if (rc == 0 && s->o->all) {
			table_row(t, i)[0] = (double)step[i];
			table_row(t, i)[1] = clock_at(&clock, step[i]);
		}
		model_close(&m);
	}
	free(clock.v);
	return rc;
}

#define PLOT(axes) \
	"set logscale " axes "\nset format y '%g'\nset ylabel '1 - explained'\nf(v) = v < 1 ? 1 - v : 1e-16\n"

static int show(sf_ctx *ctx, const struct opts *o, const char *run, const setting *s, const table *t)
{
	int rc = o->output ? table_csv(ctx, t, o->output) : 0;

	if (rc == 0 && o->plot)
		rc = table_plot(ctx, t, o->plot, o->all ? 0 : 1, o->all ? PLOT("y") : PLOT("xy"));
	if (rc)
		return rc;
	if (o->common.json)
		return out_json(json_pack("{s:s, s:s, s:I, s:I, s:o}", "run", run, "of", t->value, "points",
					  (json_int_t)o->points, "records", (json_int_t)s->n, "rows", table_rows(t)));
	if (!o->output)
		table_print(t);
	return 0;
}

static int run(sf_ctx *ctx, const void *given, int operands, char **word)
{
	const struct opts *o = given;
	int64_t *step = NULL, n = 1;
	struct stat st;
	setting s;
	table t;
	int rc = 0;

	(void)operands;
	memset(&s, 0, sizeof s);
	memset(&t, 0, sizeof t);
	s.o = o;
	if (o->range.n != 0 && o->range.n != 2)
		return fail(STATUS_USAGE, "compare: --range has %d numbers; expected LO:HI", o->range.n);
	if (o->times > 0 ? o->sigma.n > 0 : o->range.n > 0)
		return fail(STATUS_USAGE, "compare: --times and --range go together, and exclude --sigma");
	if (o->all && !(stat(word[0], &st) == 0 && S_ISDIR(st.st_mode)))
		return fail(STATUS_INPUT, "%s: --all is for run directories", word[0]);
	if (o->all)
		rc = sf_run_checkpoints(ctx, word[0], &step, &n);
	if (rc == 0)
		rc = each(ctx, &s, word[0], step, n, &t);
	if (rc == 0)
		rc = show(ctx, o, word[0], &s, &t);
	table_close(&t);
	setting_close(&s);
	free(step);
	return rc;
}

const command compare_command = {"compare",
				 "Measure how much of a trained network's score simple models of its data explain",
				 "RUN|CHECKPOINT",
				 "The explained share is the mean of 1 - |s - s_m|^2/|s|^2 over points around "
				 "records, at most 1; negative where a model is worse than no\n"
				 "model. --json and the file hold it for the score, for the denoised value and, as "
				 "reverse, over |s_m|^2, with standard errors.\n",
				 options,
				 sizeof(struct opts),
				 1,
				 1,
				 run};
