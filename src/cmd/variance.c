/* variance.c: how noisy targets and gradients are at each time: numbers, and a curve through gnuplot.
 *
 * Both parts fill one table, a row a time and a group of columns a curve; printing, CSV, JSON and the plot read that.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"
#include "cmd/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { UNIT_SIGMA2, UNIT_ONE };
static const char *const units[] = {"sigma^2 V", "V"};

struct opts {
	common common;
	sf_list n;
	int64_t times, points, repeats, records, batch;
	int unit;
	char *output, *plot, *weights;
	words gradient;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION(0, "LIST", "n", "sizes of reference batches, rising (default: 1:4:16:64:256:1024 as far as there are data)",
	       SF_OPT_LIST, AT(n), NULL, 1, 1e9),
	OPTION(0, "N", "times", "times, even in the logarithm of sigma/alpha", SF_OPT_INT, AT(times), "16", 1, 10000),
	OPTION(0, "K", "points", "states a time", SF_OPT_INT, AT(points), "64", 1, 1e8),
	OPTION(0, "R", "repeats", "reference batches a state, or gradients a time (default: 4, 64)", SF_OPT_INT, AT(repeats),
	       NULL, 1, 1e8),
	OPTION(0, "N", "records", "most records of the data to use; a generator gives so many", SF_OPT_INT, AT(records), "4096",
	       1, 1e9),
	CHOICE(0, "weight", "variances of the targets as sigma^2 V, of the noise, or V, of the score", AT(unit), "sigma2",
	       "sigma2|one"),
	OPTION(0, "OBJECTIVE", "gradient", "variance of the gradient of this objective instead; may be given many times",
	       OPTION_MANY, AT(gradient), NULL, 0, 0),
	OPTION(0, "N", "batch", "samples of a gradient (default: the configuration's)", SF_OPT_INT, AT(batch), NULL, 1, 1e6),
	OPTION(0, "RUN", "weights", "run directory or checkpoint to take gradients at (default: fresh weights)",
	       SF_OPT_STRING, AT(weights), NULL, 0, 0),
	OPTION('o', "FILE.csv", "output", "write the numbers to a file", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION(0, "FILE.png", "plot", "draw the curves (.png or .svg) with gnuplot", SF_OPT_STRING, AT(plot), NULL, 0, 0),
	OPTION_END
};

/* ---- the table ---- */
enum { FIRST = 3 };
static const char *const leaders[FIRST] = {"t", "alpha", "sigma"};

static int open_table(table *t, int64_t rows, int curves, int width, const char *const *column, const char *unit)
{
	memset(t, 0, sizeof *t);
	t->rows = rows;
	t->lead = FIRST;
	t->leader = leaders;
	t->shown = 1 | 4;
	t->curves = curves;
	t->width = width;
	t->column = column;
	t->value = "variance";
	t->unit = unit;
	return table_open(t);
}

static int plot_table(sf_ctx *ctx, const table *t, const char *path)
{
	char commands[160] = "";
	double top = 0;
	int64_t i;
	int c;

	for (i = 0; i < t->rows; i++)
		for (c = 0; c < t->curves; c++)
			top = fmax(top, table_row(t, i)[FIRST + c * t->width]);
	if (top > 0 && isfinite(top)) /* variances fall without bound where the data are points */
		snprintf(commands, sizeof commands, "set logscale xy\nset format y '%%g'\nset yrange [%g:%g]\n", 1e-6 * top, 3 * top);
	return table_plot(ctx, t, path, 2, *commands ? commands : "set logscale xy\nset format y '%g'\n");
}

static int show_table(sf_ctx *ctx, const struct opts *o, const table *t)
{
	int rc = o->output ? table_csv(ctx, t, o->output) : 0;

	if (rc == 0 && o->plot)
		rc = plot_table(ctx, t, o->plot);
	if (rc)
		return rc;
	if (o->common.json)
		return out_json(json_pack("{s:s, s:o}", "unit", t->unit, "rows", table_rows(t)));
	if (!o->output)
		table_print(t);
	return 0;
}

/* ---- times ---- */
static void set_time(const sf_process *p, int64_t i, int64_t count, double *row)
{
	double lo = sf_process_t_train(p), hi = sf_process_horizon(p), at = count > 1 ? (double)i / (double)(count - 1) : .5;
	double first = exp(-sf_process_logsnr(p, lo) / 2), last = exp(-sf_process_logsnr(p, hi) / 2), t;

	if (isfinite(first) && isfinite(last) && first > 0)
		t = sf_process_time_of_ratio(p, first * pow(last / first, at));
	else
		t = lo > 0 && lo < hi ? lo * pow(hi / lo, at) : hi;
	row[0] = fmin(fmax(t, fmin(lo, hi)), hi);
	row[1] = sf_process_alpha(p, row[0]);
	row[2] = sf_process_scale(p, row[0]);
}

static uint64_t seed_of(const struct opts *o)
{
	return o->common.seed < 0 ? 0 : (uint64_t)o->common.seed;
}

static char *name_of(int64_t n) /* 0: without a reference batch */
{
	char text[64] = "DSM";

	if (n)
		snprintf(text, sizeof text, "STF %lld", (long long)n);
	return strdup(text);
}

/* ---- targets ---- */
static int read_data(const sf_setup *s, int64_t n, double **x)
{
	size_t size = (size_t)s->info.size;
	int64_t i;

	*x = (size_t)n > (size_t)-1 / sizeof **x / size ? NULL : malloc((size_t)n * size * sizeof **x);
	if (!*x)
		return fail(STATUS_INPUT, "out of memory for %lld records of %lld numbers", (long long)n,
		            (long long)s->info.size);
	for (i = 0; i < n; i++)
		sf_view_read(&s->view, i, *x + (size_t)i * size, NULL);
	return 0;
}

static int sizes(const struct opts *o, int64_t records, int64_t n[SF_LIST_MAX], int *count)
{
	static const int64_t usual[] = {1, 4, 16, 64, 256, 1024};
	int i;

	*count = 0;
	for (i = 0; o->n.n == 0 && i < 6 && usual[i] <= records; i++)
		n[(*count)++] = usual[i];
	for (i = 0; i < o->n.n; i++) {
		n[i] = (int64_t)o->n.v[i];
		if ((double)n[i] != o->n.v[i])
			return fail(STATUS_INPUT, "variance: --n takes whole numbers, not %g", o->n.v[i]);
		*count = i + 1;
	}
	return 0;
}

static int targets(sf_ctx *ctx, const struct opts *o, const sf_setup *s, table *t)
{
	static const char *const columns[] = {"", " error"};
	int64_t n[SF_LIST_MAX], i, records = s->info.n && s->info.n < o->records ? s->info.n : o->records;
	double *x = NULL, v[SF_LIST_MAX + 1], error[SF_LIST_MAX + 1];
	progress bar;
	sf_variance p;
	int c, rc;

	memset(&p, 0, sizeof p);
	p.points = o->points;
	p.repeats = o->repeats < 0 ? 4 : o->repeats;
	p.seed = seed_of(o);
	p.n = n;
	rc = sizes(o, records, n, &p.count);
	if (rc == 0)
		rc = open_table(t, o->times, 1 + p.count, 2, columns, units[o->unit]);
	if (rc == 0)
		rc = read_data(s, records, &x);
	for (c = 0; rc == 0 && c <= p.count; c++)
		if (!(t->curve[c] = name_of(c ? n[c - 1] : 0)))
			rc = fail(STATUS_INPUT, "out of memory");
	progress_start(&bar, o->common.quiet);
	for (i = 0; rc == 0 && i < o->times; i++) {
		double *row = table_row(t, i), unit;

		set_time(s->process, i, o->times, row);
		rc = sf_variance_targets(ctx, s->process, records, s->info.size, x, row[0], &p, v, error);
		unit = o->unit == UNIT_SIGMA2 ? row[2] * row[2] : 1;
		for (c = 0; rc == 0 && c <= p.count; c++) {
			row[FIRST + 2 * c] = unit * v[c];
			row[FIRST + 2 * c + 1] = unit * error[c];
		}
		progress_show(&bar, 0, "time %lld of %lld", (long long)i + 1, (long long)o->times);
	}
	progress_clear(&bar);
	free(x);
	return rc;
}

/* ---- gradients ---- */
static int open_params(sf_ctx *ctx, const struct opts *o, const sf_setup *s, void **params)
{
	char path[1100];
	sf_model_vars v;
	sf_graph *g = NULL;
	int rc;

	if (o->weights) {
		rc = sf_run_latest(ctx, o->weights, path, sizeof path, NULL);
		return rc < 0 ? rc : sf_setup_weights(s, path, 0, params);
	}
	rc = sf_graph_new(ctx, 1, &g);
	if (rc < 0)
		return rc;
	sf_model_vars_init(&v);
	rc = sf_model_build(&s->model, g, 0, &v);
	if (rc == 0) {
		*params = calloc((size_t)sf_param_total(g), s->type == SF_F64 ? sizeof(double) : sizeof(float));
		if (*params)
			sf_param_init(g, seed_of(o), s->type, *params);
		else
			rc = fail(STATUS_INPUT, "out of memory");
	}
	sf_graph_free(g);
	return rc;
}

static int one_objective(sf_ctx *ctx, const struct opts *o, const sf_setup *s, const void *params, int curve,
                         int64_t batch, table *t)
{
	sf_objective *objective;
	progress bar;
	int64_t i;
	int rc = sf_objective_new(ctx, o->gradient.v[curve], &objective);

	if (rc < 0)
		return rc;
	rc = sf_objective_accepts(objective, &s->model);
	t->curve[curve] = strdup(sf_spec(objective));
	if (rc == 0 && !t->curve[curve])
		rc = fail(STATUS_INPUT, "out of memory");
	progress_start(&bar, o->common.quiet);
	for (i = 0; rc == 0 && i < t->rows; i++) {
		double *row = table_row(t, i), *to = row + FIRST + curve * t->width;
		sf_gradient_variance v;

		set_time(s->process, i, t->rows, row);
		rc = sf_variance_gradient(s, objective, params, row[0], batch, o->repeats < 0 ? 64 : o->repeats, seed_of(o), &v);
		if (rc < 0)
			break;
		to[0] = v.trace;
		to[1] = v.trace_error;
		to[2] = v.mean2;
		to[3] = v.mean2 > 0 ? v.trace / v.mean2 : INFINITY;
		progress_show(&bar, 0, "%s, time %lld of %lld", t->curve[curve], (long long)i + 1, (long long)t->rows);
	}
	progress_clear(&bar);
	sf_objective_free(objective);
	return rc;
}

static int gradients(sf_ctx *ctx, const struct opts *o, const sf_config *c, const sf_setup *s, table *t)
{
	static const char *const columns[] = {"", " error", " mean2", " relative"};
	int64_t batch = o->batch < 0 ? (int64_t)strtoll(sf_config_get(c, "train.batch"), NULL, 10) : o->batch;
	void *params = NULL;
	int i, rc = open_table(t, o->times, o->gradient.n, 4, columns, "tr Cov of the gradient");

	if (rc == 0)
		rc = open_params(ctx, o, s, &params);
	for (i = 0; rc == 0 && i < o->gradient.n; i++)
		rc = one_objective(ctx, o, s, params, i, batch, t);
	if (o->weights)
		sf_setup_free_weights(params);
	else
		free(params);
	return rc;
}

static int run(sf_ctx *ctx, const void *given, int n, char **word)
{
	const struct opts *o = given;
	char line[64];
	sf_config *c = NULL;
	sf_setup s;
	table t;
	int rc;

	(void)n;
	memset(&s, 0, sizeof s);
	memset(&t, 0, sizeof t);
	if (o->gradient.n && o->n.n)
		return fail(STATUS_USAGE, "variance: --n and --gradient exclude each other (stf:n=N is an objective)");
	rc = sf_config_new(ctx, &c);
	if (rc == 0)
		rc = sf_config_preset(c, word[0]);
	if (rc == 0 && precision_name(&o->common)) {
		snprintf(line, sizeof line, "model.precision=%s", precision_name(&o->common));
		rc = sf_config_set(c, line);
	}
	if (rc == 0)
		rc = sf_setup_open(ctx, c, SF_SETUP_DATA, NULL, &s);
	if (rc == 0 && s.vae)
		rc = fail(STATUS_INPUT, "variance: %s is for latents, whose targets move with the encoder", word[0]);
	if (rc == 0)
		rc = o->gradient.n ? gradients(ctx, o, c, &s, &t) : targets(ctx, o, &s, &t);
	if (rc == 0)
		rc = show_table(ctx, o, &t);
	table_close(&t);
	sf_setup_close(&s);
	sf_config_free(c);
	return rc;
}

const command variance_command = {
	"variance",
	"Measure how noisy targets and gradients are at each time",
	"PRESET|FILE.ini",
	"Without --gradient: of the targets that denoising score matching (DSM) and stable target fields (STF) with\n"
	"reference batches of several sizes regress on, for the data and process of a configuration, as sigma^2 V or V.\n"
	"With --gradient: trace of the covariance of one batch's gradient for each objective; the file and --json hold\n"
	"|mean|^2 and the quotient too. Records are read without flips and dequantisation, and "
	"without their labels, for the targets.\n",
	options,
	sizeof(struct opts),
	1,
	1,
	run};
