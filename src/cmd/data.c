/* data.c: what is in a data set: shape, classes, moments of the values, the largest distance of two
 * records.
 *
 * The largest distance suggests the sigma_max of a VE process (Song and Ermon 2020, 2006.09011,
 * technique 1). It is taken over up to 1,000 records, so it is a lower bound.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"
#include "cmd/image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PAIRS = 1000, CLASSES = 1000 };
static const char *const scalings[] = {"none", "unit", "pm1", "standard"}; /* as in sf_scaling */

struct opts {
	common common;
	int64_t n, zoom;
	char *png;
	int scaling; /* sf_scaling */
	double augment;
};
#define AT(member) offsetof(struct opts, member)

static const option options[] = {
	OPTION('n', "N", "number", "records to look at (default: all, 10000 of a generator)",
	       SF_OPT_INT, AT(n), NULL, 1, 1e12),
	CHOICE(0, "scaling", "of the second column", AT(scaling), "pm1", "none|unit|pm1|standard"),
	OPTION('o', "FILE.png", "png", "write a grid of the first 64 records (2-D: a density)",
	       SF_OPT_STRING, AT(png), NULL, 0, 0),
	OPTION(0, "P", "augment", "augment the images of the grid, each transform with this probability", SF_OPT_DOUBLE,
	       AT(augment), "0", 0, 1),
	OPTION(0, "N", "zoom", "size of a pixel in the grid; 0 makes tiles of at least 40 pixels",
	       SF_OPT_INT, AT(zoom), "0", 0, 64),
	OPTION_END
};

typedef struct summary {
	int64_t n, count[CLASSES], unlabelled;
	double min, max, mean, std, distance;
} summary;

/* Welford's running mean and sum of squares over all values. */
static void moments(const sf_view *v, int64_t size, double *x, summary *s)
{
	double m = 0, ss = 0, seen = 0;
	int64_t i, k;
	int label;

	s->min = INFINITY;
	s->max = -INFINITY;
	for (i = 0; i < s->n; i++) {
		sf_view_read(v, i, x, NULL);
		for (k = 0; k < size; k++) {
			double d = x[k] - m;

			m += d / ++seen;
			ss += d * (x[k] - m);
			s->min = fmin(s->min, x[k]);
			s->max = fmax(s->max, x[k]);
		}
		sf_data_read(v->data, i, x, &label);
		if (label >= 0 && label < CLASSES)
			s->count[label]++;
		else
			s->unlabelled++;
	}
	s->mean = m;
	s->std = sqrt(ss / seen);
}

static double largest_distance(const sf_view *v, int64_t n, int64_t size, double *x)
{
	double most = 0;
	int64_t i, j, k, stride = n > PAIRS ? n / PAIRS : 1, m = n > PAIRS ? PAIRS : n;

	for (i = 0; i < m; i++)
		sf_view_read(v, i * stride, x + i * size, NULL);
	for (i = 0; i < m; i++) {
		for (j = 0; j < i; j++) {
			double s = 0;

			for (k = 0; k < size; k++)
				s += (x[i * size + k] - x[j * size + k]) *
				     (x[i * size + k] - x[j * size + k]);
			most = fmax(most, s);
		}
	}
	return sqrt(most);
}

/* As training would see them: in network values, where what is not known is 0. */
static int augment(sf_ctx *ctx, double probability, const sf_data *d, sf_view view, int64_t n, double *x)
{
	const sf_data_info *info = sf_data_describe(d);
	sf_augmenter *a = NULL;
	int64_t i, k;
	int rc = sf_view_set_augment(ctx, &view, info, probability, SF_AUGMENT_ALL);

	if (rc == 0)
		rc = sf_augmenter_new(ctx, &view, info, &a);
	for (i = 0; i < n && rc == 0; i++, x += info->size) {
		sf_view_read(&view, i, x, NULL);
		sf_augment(a, 0, (uint64_t)i, x, NULL);
		for (k = 0; k < info->size; k++)
			x[k] = x[k] * view.scale + view.shift;
	}
	sf_augmenter_free(a);
	return rc;
}

static int preview(sf_ctx *ctx, const struct opts *o, const sf_data *d, const sf_view *raw, const sf_view *scaled)
{
	const sf_data_info *info = sf_data_describe(d);
	int64_t n = info->n && info->n < 64 ? info->n : 64, i;
	double *x;
	int rc;

	if (info->rank == 1 && info->size == 2)
		n = info->n && info->n < 50000 ? info->n : 50000;
	else if (!is_image(info->rank, info->dim))
		return fail(STATUS_INPUT,
		            "'%s' holds neither images nor points of the plane: no picture",
		            sf_spec(d));
	x = malloc((size_t)n * (size_t)info->size * sizeof *x);
	if (!x)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < n; i++)
		sf_view_read(raw, i, x + i * info->size, NULL);
	rc = o->augment > 0 ? augment(ctx, o->augment, d, *scaled, n, x) : 0;
	if (rc < 0) {
		free(x);
		return rc;
	}
	if (info->rank == 3) {
		rc = image_grid(ctx, o->png, n, info->dim, x, info->lo, info->hi, 0, o->zoom);
	} else {
		double box[4], most = 0;
		canvas c;
		panel p;

		box[0] = box[2] = info->lo;
		box[1] = box[3] = info->hi;
		rc = panels_open(ctx, &c, 1, 1, 400);
		if (rc == 0) {
			p = panel_at(&c, 0, 0, 400, box);
			rc = panel_density(ctx, &p, n, x, 100, &most);
			panel_title(&p, "data");
			if (rc == 0)
				rc = canvas_write(ctx, &c, o->png);
			canvas_free(&c);
		}
	}
	free(x);
	return rc;
}

static json_t *json_values(const summary *s)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o}", "min", json_number(s->min), "max",
	                 json_number(s->max), "mean", json_number(s->mean), "std",
	                 json_number(s->std), "largest_distance", json_number(s->distance));
}

static int print_json(const sf_data *d, const summary *raw, const summary *scaled)
{
	const sf_data_info *info = sf_data_describe(d);
	json_t *shape = json_array(), *classes = json_array();
	int i;

	for (i = 0; i < info->rank; i++)
		json_array_append_new(shape, json_integer(info->dim[i]));
	for (i = 0; i < info->classes && i < CLASSES; i++)
		json_array_append_new(classes, json_integer(raw->count[i]));
	return out_json(json_pack("{s:s, s:I, s:o, s:i, s:o, s:I, s:o, s:o}", "data", sf_spec(d),
	                          "records", (json_int_t)info->n, "shape", shape, "levels",
	                          info->levels, "classes", classes, "looked_at", (json_int_t)raw->n,
	                          "stored", json_values(raw), "scaled", json_values(scaled)));
}

static void print_text(const sf_data *d, const char *scaling, const summary *raw,
		       const summary *scaled)
{
	const sf_data_info *info = sf_data_describe(d);
	int i;

	out("data      %s\n", sf_spec(d));
	if (info->n)
		out("records   %lld\n", (long long)info->n);
	else
		out("records   without end (a generator)\n");
	out("shape     ");
	for (i = 0; i < info->rank; i++)
		out("%s%lld", i ? " x " : "", (long long)info->dim[i]);
	if (info->levels)
		out(", grey levels 0 to %d", info->levels - 1);
	out("\n");
	if (info->classes) {
		out("classes   %d:", info->classes);
		for (i = 0; i < info->classes && i < CLASSES; i++)
			out(" %lld", (long long)raw->count[i]);
		out("\n");
	}
	if (raw->unlabelled && info->classes)
		out("          %lld without a label\n", (long long)raw->unlabelled);
	out("%-9s %12s %12s   (%lld records)\n", "values", "stored", scaling, (long long)raw->n);
	out("%-9s %12.6g %12.6g\n", "min", raw->min, scaled->min);
	out("%-9s %12.6g %12.6g\n", "max", raw->max, scaled->max);
	out("%-9s %12.6g %12.6g\n", "mean", raw->mean, scaled->mean);
	out("%-9s %12.6g %12.6g\n", "std", raw->std, scaled->std);
	out("%-9s %12.6g %12.6g   (largest of two records; a sigma_max for VE)\n", "distance",
	    raw->distance, scaled->distance);
}

static int summarise(sf_ctx *ctx, const struct opts *o, sf_data *d)
{
	const sf_data_info *info = sf_data_describe(d);
	uint64_t seed = o->common.seed < 0 ? 0 : (uint64_t)o->common.seed;
	summary *s = calloc(2, sizeof *s);
	int64_t m;
	double *x;
	sf_view view[2];
	int i, rc = 0;

	if (o->augment > 0 && !o->png) {
		free(s);
		return fail(STATUS_USAGE, "--augment is for the grid that -o writes");
	}
	m = info->n ? info->n : 10000;
	if (o->n > 0 && (o->n < m || !info->n))
		m = o->n;
	x = malloc((size_t)(m < PAIRS ? m : PAIRS) * (size_t)info->size * sizeof *x);
	if (!s || !x)
		rc = fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < 2 && rc == 0; i++) {
		rc = sf_view_make(d, i ? (sf_scaling)o->scaling : SF_SCALE_NONE, 1, 0, 0, seed,
		                  &view[i]);
		if (rc == 0) {
			s[i].n = m;
			moments(&view[i], info->size, x, &s[i]);
			s[i].distance = largest_distance(&view[i], m, info->size, x);
		}
	}
	if (rc == 0 && o->png)
		rc = preview(ctx, o, d, &view[0], &view[1]);
	if (rc == 0 && o->common.json)
		rc = print_json(d, &s[0], &s[1]);
	else if (rc == 0)
		print_text(d, scalings[o->scaling], &s[0], &s[1]);
	free(s);
	free(x);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	sf_data *d = NULL;
	int rc = sf_data_new(ctx, word[0], &d);

	(void)n;
	if (rc < 0)
		return rc;
	rc = summarise(ctx, options_given, d);
	sf_data_free(d);
	return rc;
}

const command data_command = {"data",
			      "Summarise a data set",
			      "SOURCE",
			      "SOURCE is a spec such as digits, moons:noise=0.05 or idx:path=FILE; "
			      "see scorefield list data.\n",
			      options,
			      sizeof(struct opts),
			      1,
			      1,
			      run};
