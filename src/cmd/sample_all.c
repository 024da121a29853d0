/* sample_all.c: one model by every sampler that there is, at several numbers of evaluations.
 *
 *     DIR/NAME-nfeN.png      as the sample command would write it (NPY for what has no picture)
 *     DIR/NAME.png           of samplers that choose their own steps
 *     DIR/samplers.csv       sampler, nfe_asked, steps, nfe, seconds, file, note: what ran, and why the others did not
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/sample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct entry {
	const char *name;
	int64_t asked; /* 0: its own steps */
	sf_sample_report report;
	double seconds;
	char file[1200];
	char note[400]; /* empty: done */
} entry;

typedef struct all {
	sf_ctx *ctx;
	const sample_opts *o;
	model *m;
	const int32_t *label;
	double *x;
	FILE *csv;
	json_t *rows;
	int done;
} all;

/* The table's line, and one of the file; a note becomes one CSV field. */
static void tell(all *a, const entry *e)
{
	const char *c;
	char asked[24];

	snprintf(asked, sizeof asked, "%lld", (long long)e->asked);
	if (*e->note)
		fprintf(a->csv, "%s,%s,,,,,\"", e->name, e->asked ? asked : "");
	else
		fprintf(a->csv, "%s,%s,%lld,%.6g,%.3f,%s,\"", e->name, e->asked ? asked : "", (long long)e->report.steps,
		        e->report.nfe, e->seconds, strrchr(e->file, '/') + 1);
	for (c = e->note; *c; c++) {
		if (*c == '"')
			fputc('"', a->csv);
		fputc(*c, a->csv);
	}
	fputs("\"\n", a->csv);
	if (a->o->common.json)
		json_array_append_new(
			a->rows, *e->note ? json_pack("{s:s, s:o, s:s}", "sampler", e->name, "nfe_asked",
		                                      e->asked ? json_integer(e->asked) : json_null(), "note", e->note)
		                          : json_pack("{s:s, s:o, s:I, s:f, s:f, s:s}", "sampler", e->name, "nfe_asked",
		                                      e->asked ? json_integer(e->asked) : json_null(), "steps",
		                                      (json_int_t)e->report.steps, "nfe", e->report.nfe, "seconds",
		                                      e->seconds, "file", e->file));
	else if (*e->note)
		out("%-18s %5s  %s\n", e->name, e->asked ? asked : "-", e->note);
	else
		out("%-18s %5s %6lld %8.4g %8.2f  %s\n", e->name, e->asked ? asked : "-", (long long)e->report.steps,
		    e->report.nfe, e->seconds, e->file);
}

/* One sampler at one number of evaluations. What it cannot do is a line of the table, not the end. */
static int draw(all *a, sf_sampler *s, entry *e)
{
	const sample_opts *o = a->o;
	double start = now();
	int rc;

	a->m->setup.sampler = s;
	a->m->steps = e->asked ? model_steps(a->m, e->asked) : 0;
	rc = model_sample(a->m, o->common.quiet, o->n, (uint64_t)o->first, a->label, a->x, &e->report);
	a->m->setup.sampler = NULL;
	if (rc > 0 || rc == SF_ESTOPPED || rc == SF_ENOMEM)
		return rc;
	e->seconds = now() - start;
	e->note[0] = '\0';
	if (rc < 0) {
		snprintf(e->note, sizeof e->note, "%s", sf_ctx_message(a->ctx));
		tell(a, e);
		return 0;
	}
	snprintf(e->file, sizeof e->file, e->asked ? "%s%s-nfe%lld.%s" : "%s%s%.0lld.%s", o->output, e->name,
	         (long long)e->asked, has_picture(a->m) ? "png" : "npy");
	model_unscale(a->m, o->n * a->m->setup.info.size, a->x);
	rc = has_picture(a->m) ? write_picture(a->ctx, o, a->m, e->file, a->x)
	                       : write_npy(a->ctx, a->m, e->file, o->n, a->x);
	if (rc == 0) {
		a->done++;
		tell(a, e);
	}
	return rc;
}

static int with_sampler(all *a, const char *name)
{
	static const double usual[] = {10, 20, 50};
	const sf_list *given = &a->o->nfe;
	int n = given->n ? given->n : 3, i, rc;
	entry e = {name, 0, {0}, 0, "", ""};
	sf_sampler *s;

	rc = sf_sampler_new(a->ctx, name, &s);
	if (rc == 0)
		rc = sf_sampler_accepts(s, a->m->setup.process);
	if (rc < 0) { /* not for this process, or it needs options */
		snprintf(e.note, sizeof e.note, "%s", sf_ctx_message(a->ctx));
		tell(a, &e);
		sf_sampler_free(s);
		return 0;
	}
	if (sf_sampler_adaptive(s))
		n = 1;
	for (i = 0; i < n && rc == 0; i++) {
		e.asked = sf_sampler_adaptive(s) ? 0 : (int64_t)(given->n ? given->v[i] : usual[i]);
		rc = draw(a, s, &e);
	}
	sf_sampler_free(s);
	return rc;
}

static int open_output(all *a)
{
	const char *dir = a->o->output;
	char path[1100];
	struct stat st;
	int rc;

	if (!ends_in(dir, "/") || strlen(dir) > 1000)
		return fail(STATUS_INPUT, "output '%.100s': --all-samplers expects the name of a directory, with / at its end", dir);
	if (!a->o->force && stat(dir, &st) == 0)
		return fail(STATUS_INPUT, "output '%s' exists; choose another name or give --force", dir);
	rc = make_dir(dir);
	if (rc)
		return rc;
	snprintf(path, sizeof path, "%ssamplers.csv", dir);
	a->csv = fopen(path, "w");
	if (!a->csv)
		return fail(STATUS_INPUT, "%s: cannot write", path);
	fputs("sampler,nfe_asked,steps,nfe,seconds,file,note\n", a->csv);
	return 0;
}

int sample_all(sf_ctx *ctx, const sample_opts *o, model *m, const int32_t *label)
{
	const sf_class *const *member = sf_members("sampler");
	all a = {ctx, o, m, label, NULL, NULL, NULL, 0};
	int rc = 0;

	if (o->grid)
		rc = sf_grid_new(ctx, o->grid, &m->setup.grid);
	if (rc == 0)
		rc = open_output(&a);
	if (rc)
		return rc;
	a.rows = json_array();
	if ((double)o->n * (double)m->setup.info.size > 1e10 ||
	    !(a.x = malloc((size_t)o->n * (size_t)m->setup.info.size * sizeof *a.x)))
		rc = fail(STATUS_INPUT, "%lld samples do not fit into memory", (long long)o->n);
	if (rc == 0 && !o->common.json)
		out("%-18s %5s %6s %8s %8s\n", "sampler", "asked", "steps", "nfe", "seconds");
	for (; rc == 0 && member && *member; member++)
		rc = with_sampler(&a, (*member)->name);
	if (fclose(a.csv) != 0 && rc == 0)
		rc = fail(STATUS_INPUT, "%ssamplers.csv: cannot write", o->output);
	if (rc == 0 && a.done == 0)
		rc = fail(STATUS_NUMERIC, "no sampler reached the end; %ssamplers.csv says why", o->output);
	if (rc == 0 && o->common.json) {
		rc = out_json(json_pack("{s:s, s:I, s:s, s:O}", "directory", o->output, "samples", (json_int_t)o->n,
		                        "checkpoint", m->checkpoint, "rows", a.rows));
	}
	json_decref(a.rows);
	free(a.x);
	return rc;
}
