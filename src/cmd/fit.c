/* fit.c: fits a Gaussian or a normal mixture to data and writes it as a model file, for scores gaussian, mixture and
 * low-rank and for compare.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/fitted.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { REST_ZERO, REST_MEAN };

struct opts {
	common common;
	char *output, *kind;
	int64_t components, rank, records, rounds;
	double ridge, std;
	int rest, scaling;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION('o', "FILE", "output", "the model file to write (.safetensors); needed", SF_OPT_STRING, AT(output),
	       NULL, 0, 0),
	OPTION(0, "KIND", "kind", "gaussian, mixture, low-rank, isotropic or mean", SF_OPT_STRING, AT(kind),
	       "gaussian", 0, 0),
	OPTION(0, "K", "components", "clusters of mixture and low-rank", SF_OPT_INT, AT(components), "10", 1, 1e6),
	OPTION(0, "R", "rank", "eigenvalues that low-rank keeps (default: 64, or the dimension if that is less)",
	       SF_OPT_INT, AT(rank), NULL, 1, 1e6),
	OPTION(0, "X", "ridge",
	       "added to the variances (default: 0 for gaussian; 1e-5 for mixtures, as compute_cluster of the "
	       "paper's code)",
	       SF_OPT_DOUBLE, AT(ridge), NULL, 0, 1e9),
	CHOICE(0, "rest", "variance that low-rank leaves across: none, or the mean of the eigenvalues cut off",
	       AT(rest), "zero", "zero|mean"),
	OPTION(0, "N", "records", "how many records to take, from the first (default: all; 10000 of a generator)",
	       SF_OPT_INT, AT(records), NULL, 1, 1e9),
	OPTION(0, "N", "rounds", "most rounds of k-means", SF_OPT_INT, AT(rounds), "100", 1, 1e6),
	CHOICE(0, "scaling", "of data given by a spec; a configuration has its own", AT(scaling), "none",
	       "none|unit|pm1|standard"),
	OPTION(0, "X", "std", "standard deviation that standard gives", SF_OPT_DOUBLE, AT(std), "0.5", 1e-9, 1e9),
	OPTION_END};

int records_read(const sf_view *view, int64_t most, int64_t *n, double **x)
{
	const sf_data_info *info = sf_data_describe(view->data);
	int64_t i;

	*n = most > 0 && (info->n == 0 || most < info->n) ? most : info->n > 0 ? info->n : GENERATED;
	*x = NULL;
	if ((uint64_t)*n <= SIZE_MAX / sizeof **x / (uint64_t)info->size)
		*x = malloc((size_t)*n * (size_t)info->size * sizeof **x);
	if (!*x)
		return fail(STATUS_INPUT, "out of memory for %lld records of %lld numbers", (long long)*n,
			    (long long)info->size);
	for (i = 0; i < *n; i++)
		sf_view_read(view, i, *x + i * info->size, NULL);
	return 0;
}

int fitted_word(const char *word, sf_fit_options *o)
{
	static const char *const names[] = {"gaussian", "mixture", "low-rank", "isotropic", "mean", NULL};
	static const sf_fit_kind kinds[] = {SF_FIT_GAUSSIAN, SF_FIT_MIXTURE, SF_FIT_LOW_RANK, SF_FIT_ISOTROPIC,
					    SF_FIT_MEAN};
	size_t length = strcspn(word, ":");
	char *end = NULL;
	long number = 0;
	int i;

	for (i = 0; names[i] && !(strlen(names[i]) == length && strncmp(word, names[i], length) == 0); i++)
		;
	if (!names[i])
		return unknown("model", word, names, STATUS_USAGE);
	o->kind = kinds[i];
	if (!word[length])
		return 0;
	number = strtol(word + length + 1, &end, 10);
	if (*end || end == word + length + 1 || number < 1 || number > 1000000 ||
	    (o->kind != SF_FIT_MIXTURE && o->kind != SF_FIT_LOW_RANK))
		return fail(STATUS_USAGE, "'%s': expected a model alone, mixture:COMPONENTS or low-rank:RANK", word);
	if (o->kind == SF_FIT_MIXTURE)
		o->components = number;
	else
		o->rank = number;
	return 0;
}

/* ---- where the data come from ---- */

typedef struct source {
	sf_config *config;
	sf_setup setup; /* of a preset or a file; else the two below */
	sf_data *data;
	sf_view view;
} source;

static int is_preset(sf_config *c, const char *word)
{
	const char *const *name = sf_config_presets(c), *end = strrchr(word, '.');
	struct stat st;

	if ((end && strcmp(end, ".ini") == 0) || (stat(word, &st) == 0 && S_ISDIR(st.st_mode)))
		return 1;
	while (*name && strcmp(*name, word) != 0)
		name++;
	return *name != NULL;
}

static int open_config(sf_ctx *ctx, const char *word, source *s)
{
	struct stat st;
	char path[1100];
	int rc;

	if (stat(word, &st) == 0 && S_ISDIR(st.st_mode)) { /* a run */
		if ((size_t)snprintf(path, sizeof path, "%s/config.ini", word) >= sizeof path)
			return fail(STATUS_INPUT, "%.60s...: the name is too long", word);
		rc = sf_config_read(s->config, path);
	} else {
		rc = sf_config_preset(s->config, word);
	}
	if (rc == 0)
		rc = sf_setup_open(ctx, s->config, SF_SETUP_DATA, NULL, &s->setup);
	if (rc == 0)
		s->view = s->setup.view;
	return rc;
}

static int open_source(sf_ctx *ctx, const struct opts *o, const char *word, source *s)
{
	static const sf_scaling scalings[] = {SF_SCALE_NONE, SF_SCALE_UNIT, SF_SCALE_PM1, SF_SCALE_STANDARD};
	int rc = sf_config_new(ctx, &s->config);

	if (rc == 0 && is_preset(s->config, word))
		return open_config(ctx, word, s);
	if (rc == 0)
		rc = sf_data_new(ctx, word, &s->data);
	if (rc == 0)
		rc = sf_view_make(s->data, scalings[o->scaling], o->std, 0, 0, 0, &s->view);
	return rc;
}

static void close_source(source *s)
{
	sf_setup_close(&s->setup);
	sf_data_free(s->data);
	sf_config_free(s->config);
}

/* ---- what is said about the model ---- */

static int report(const struct opts *o, const sf_components *c, int64_t n, const char *data)
{
	double least = 1, most = 0, q = 0;
	int64_t i, j;

	for (i = 0; i < c->n; i++) {
		double trace = (double)(c->d - c->rank) * c->rest[i];

		for (j = 0; j < c->rank; j++)
			trace += c->var[i * c->rank + j];
		least = c->weight[i] < least ? c->weight[i] : least;
		most = c->weight[i] > most ? c->weight[i] : most;
		q += c->weight[i] * trace;
	}
	if (o->common.json)
		return out_json(json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "file", o->output,
					  "kind", o->kind, "data", data, "records", (json_int_t)n, "components",
					  (json_int_t)c->n, "dimension", (json_int_t)c->d, "rank",
					  (json_int_t)c->rank, "least_weight", json_number(least), "largest_weight",
					  json_number(most), "trace", json_number(q)));
	if (!o->common.quiet)
		out("%s: %s of %lld numbers from %lld records, %lld component%s (weights %.4g to %.4g) of rank %lld, "
		    "mean trace %.6g\n",
		    o->output, o->kind, (long long)c->d, (long long)n, (long long)c->n, c->n == 1 ? "" : "s", least,
		    most, (long long)c->rank, q);
	return 0;
}

static int fit_to(sf_ctx *ctx, const struct opts *o, const sf_fit_options *fit, const sf_view *view, const char *data)
{
	static const char *const keys[] = {"kind", "data", "records", "ridge"};
	const char *values[4];
	char number[40], ridge[40];
	sf_components c;
	int64_t n, d = sf_data_describe(view->data)->size;
	sf_fit_options asked = *fit;
	double *x;
	int clustered, rc = records_read(view, o->records, &n, &x);

	if (rc)
		return rc;
	if (o->rank < 0 && asked.rank > d)
		asked.rank = d;
	rc = sf_components_fit(ctx, &asked, n, d, x, &c);
	free(x);
	if (rc)
		return rc;
	c.shift = view->shift;
	c.scale = view->scale;
	snprintf(number, sizeof number, "%lld", (long long)n);
	clustered = asked.kind == SF_FIT_MIXTURE || asked.kind == SF_FIT_LOW_RANK;
	snprintf(ridge, sizeof ridge, "%g", asked.ridge >= 0 ? asked.ridge : clustered ? 1e-5 : 0);
	values[0] = o->kind;
	values[1] = data;
	values[2] = number;
	values[3] = ridge;
	rc = sf_components_write(ctx, o->output, &c, 4, keys, values);
	if (rc == 0)
		rc = report(o, &c, n, data);
	sf_components_free(&c);
	return rc;
}

static int run(sf_ctx *ctx, const void *given, int n, char **word)
{
	const struct opts *o = given;
	sf_fit_options fit;
	source s;
	int rc;

	(void)n;
	if (!o->output)
		return fail(STATUS_USAGE, "fit: no output given (-o MODEL.safetensors)");
	sf_fit_defaults(&fit);
	fit.components = o->components;
	fit.iterations = o->rounds;
	fit.seed = o->common.seed < 0 ? 0 : (uint64_t)o->common.seed;
	fit.rest = o->rest == REST_MEAN;
	if (o->rank > 0)
		fit.rank = o->rank;
	if (o->ridge >= 0)
		fit.ridge = o->ridge;
	rc = fitted_word(o->kind, &fit);
	if (rc)
		return rc;
	memset(&s, 0, sizeof s);
	rc = open_source(ctx, o, word[0], &s);
	if (rc == 0)
		rc = fit_to(ctx, o, &fit, &s.view, sf_spec(s.view.data));
	close_source(&s);
	return rc;
}

const command fit_command = {"fit",
			     "Fit a Gaussian or a normal mixture to data",
			     "DATA|PRESET|FILE.ini|RUN",
			     "The model is in the values that a network of that configuration sees; a data spec is "
			     "scaled by --scaling. A name\n"
			     "that is both a preset and a data set means the preset. gaussian divides its covariance "
			     "by N, a mixture by N_i - 1.\n",
			     options,
			     sizeof(struct opts),
			     1,
			     1,
			     run};
