/* orders.c: every sampler on one problem with a known solution: declared order, measured slope, and the error at some numbers of
 * evaluations, as a table, CSV, JSON and curves.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/orders.h"
#include "cmd/plot.h"
#include "cmd/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct opts {
	common common;
	char *process, *grid, *output, *plot;
	int64_t starts, samples;
	sf_list nfe;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION(0, "LIST", "nfe", "numbers of evaluations per sample", SF_OPT_LIST, AT(nfe), "10:20:50", 1, 10000),
	OPTION(0, "SPEC", "process", "a linear process with one state block", SF_OPT_STRING, AT(process),
	       "edm:sigma-min=0.1,sigma-max=10", 0, 0),
	OPTION(0, "SPEC", "grid", "time grid, one for all samplers", SF_OPT_STRING, AT(grid), "logsnr", 0, 0),
	OPTION(0, "N", "starts", "states that the solutions of the ODE begin with", SF_OPT_INT, AT(starts), "32", 1, 1000000),
	OPTION('n', "N", "samples", "samples of stochastic samplers; 0 leaves them out", SF_OPT_INT, AT(samples), "5000", 0, 1e9),
	OPTION('o', "FILE.csv", "output", "write the numbers to a file", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION(0, "FILE.png", "plot", "draw errors over evaluations (.png or .svg) with gnuplot", SF_OPT_STRING, AT(plot), NULL, 0, 0),
	OPTION_END
};

static const char *const kinds[] = {"ode", "sde", "adaptive"};

typedef struct results {
	int n, room, budgets;
	solver *v;
	sf_text out_of; /* "NAME: why" lines */
} results;

static int add(results *r, problem *p, const char *spec, const double *budget, int named)
{
	solver *s;
	int rc;

	if (r->n == r->room) {
		int room = 2 * r->room + 16;
		solver *v = realloc(r->v, (size_t)room * sizeof *v);

		if (!v)
			return fail(STATUS_INPUT, "out of memory");
		r->v = v;
		r->room = room;
	}
	s = &r->v[r->n];
	memset(s, 0, sizeof *s);
	if ((size_t)snprintf(s->spec, sizeof s->spec, "%s", spec) >= sizeof s->spec)
		return fail(STATUS_INPUT, "'%.60s...' is too long", spec);
	s->at = calloc((size_t)r->budgets, sizeof *s->at);
	if (!s->at)
		return fail(STATUS_INPUT, "out of memory");
	rc = solver_measure(p, s, budget, r->budgets);
	if (rc == 0 && s->kind == KIND_SDE && p->samples == 0 && !named)
		rc = SF_EUNSUP;
	else if (rc < 0 && !named)
		sf_text_add(&r->out_of, "%s: %s\n", spec, sf_ctx_message(p->ctx));
	if (rc) {
		free(s->at);
		return rc < 0 && !named ? 0 : rc;
	}
	r->n++;
	return 0;
}

/* Members with an option "order" that is a number come once for each. */
static int add_member(results *r, problem *p, const sf_class *c, const double *budget, progress *line)
{
	const sf_opt *o;
	char spec[128];
	int rc = 0, k;

	progress_show(line, 0, "%s", c->name);
	for (o = c->opts; o && o->name; o++)
		if (strcmp(o->name, "order") == 0 && o->type == SF_OPT_INT && o->max > o->min && o->max < 16) {
			for (k = (int)o->min; rc == 0 && k <= (int)o->max; k++) {
				snprintf(spec, sizeof spec, "%s:order=%d", c->name, k);
				rc = add(r, p, spec, budget, 0);
			}
			return rc;
		}
	return add(r, p, c->name, budget, 0);
}

static void print(const struct opts *o, const problem *p, const results *r)
{
	int i, k;

	if (!o->common.quiet) {
		out("%s, %s, t from %.6g to %.6g, grid %s\n", ORDERS_DATA, sf_spec(p->process), p->from, p->to, sf_spec(p->grid));
		out("%-22s %-8s %5s %6s", "sampler", "kind", "order", "slope");
		for (k = 0; k < r->budgets; k++)
			out("  %5s %10s", "NFE", "error");
		out("\n");
	}
	for (i = 0; i < r->n; i++) {
		const solver *s = &r->v[i];

		out("%-22s %-8s %5d ", s->spec, kinds[s->kind], s->order);
		if (isnan(s->slope))
			out("%6s", "-");
		else
			out("%6.2f", s->slope);
		for (k = 0; k < r->budgets; k++) {
			const cell *c = &s->at[k];
			int below = c->se > 0 && c->error < 2 * c->se;

			if (isnan(c->error))
				out("  %5s %10s", "-", "-");
			else if (c->se > 1) /* the law has too heavy tails for means */
				out("  %5.3g %10s", c->nfe, "unbounded");
			else
				out("  %5.3g %s%*.3g", c->nfe, below ? "<" : "", below ? 9 : 10, below ? 2 * c->se : c->error);
		}
		out("\n");
	}
	if (!o->common.quiet)
		out("ode: root mean square error of %lld solutions; slope with exact starting values. adaptive: the same, with the tightest\n"
		    "tolerance that the budget allows. sde: error of E x and E x^2 of %lld samples; <: less than twice its standard\n"
		    "error; unbounded: that error is above 1.\n",
		    (long long)p->n, (long long)p->samples);
	if (!o->common.quiet && r->out_of.len)
		out("Not shown:\n%s", r->out_of.s);
}

static json_t *as_json(const problem *p, const results *r, const double *budget)
{
	json_t *rows = json_array();
	int i, k;

	for (i = 0; i < r->n; i++) {
		const solver *s = &r->v[i];
		json_t *cells = json_array();

		for (k = 0; k < r->budgets; k++)
			json_array_append_new(cells, json_pack("{s:f, s:o, s:o, s:o}", "budget", budget[k], "nfe", json_number(s->at[k].nfe),
			                                       "error", json_number(s->at[k].error), "se", json_number(s->at[k].se)));
		json_array_append_new(rows, json_pack("{s:s, s:s, s:i, s:o, s:o}", "sampler", s->spec, "kind", kinds[s->kind], "order", s->order,
		                                      "slope", json_number(s->slope), "at", cells));
	}
	return json_pack("{s:s, s:s, s:s, s:f, s:f, s:o}", "data", ORDERS_DATA, "process", sf_spec(p->process), "grid", sf_spec(p->grid), "from",
	                 p->from, "to", p->to, "rows", rows);
}

static void number(sf_text *t, double v, const char *end)
{
	if (isnan(v))
		sf_text_add(t, "%s", end);
	else
		sf_text_add(t, "%.10g%s", v, end);
}

static int write_csv(sf_ctx *ctx, const char *path, const results *r, const double *budget)
{
	sf_text t = {NULL, 0, 0, 0};
	int i, k, rc;

	sf_text_add(&t, "sampler,kind,order,slope,budget,nfe,error,se\n");
	for (i = 0; i < r->n; i++)
		for (k = 0; k < r->budgets; k++) {
			sf_text_add(&t, "\"%s\",%s,%d,", r->v[i].spec, kinds[r->v[i].kind], r->v[i].order);
			number(&t, r->v[i].slope, ",");
			number(&t, budget[k], ",");
			number(&t, r->v[i].at[k].nfe, ",");
			number(&t, r->v[i].at[k].error, ",");
			number(&t, r->v[i].at[k].se, "\n");
		}
	rc = t.failed ? fail(STATUS_INPUT, "out of memory") : sf_file_write(ctx, path, t.s, t.len);
	free(t.s);
	return rc;
}

/* The picture shows each sampler once, in its highest order, and of those whose error is not sampling's: the table has all. */
static int shown(const results *r, int i)
{
	size_t name = strcspn(r->v[i].spec, ":");

	if (r->v[i].kind == KIND_SDE)
		return 0;
	return i + 1 == r->n || strncmp(r->v[i].spec, r->v[i + 1].spec, name + 1) != 0;
}

static int draw(sf_ctx *ctx, const char *path, const results *r, const double *budget)
{
	static const char *const leader[] = {"NFE"}, *const column[] = {""};
	table t = {0};
	int i, k, c, rc;

	t.rows = r->budgets;
	t.lead = 1;
	t.leader = leader;
	for (i = 0; i < r->n; i++)
		t.curves += shown(r, i);
	t.width = 1;
	t.column = column;
	t.value = "error";
	t.unit = "error";
	rc = table_open(&t);
	for (k = 0; rc == 0 && k < r->budgets; k++)
		table_row(&t, k)[0] = budget[k];
	for (i = c = 0; rc == 0 && i < r->n; i++) {
		if (!shown(r, i))
			continue;
		for (k = 0; k < r->budgets; k++)
			table_row(&t, k)[1 + c] = r->v[i].at[k].error;
		t.curve[c] = malloc(strlen(r->v[i].spec) + 1);
		if (t.curve[c])
			memcpy(t.curve[c], r->v[i].spec, strlen(r->v[i].spec) + 1);
		else
			rc = fail(STATUS_INPUT, "out of memory");
		c++;
	}
	if (rc == 0)
		rc = table_plot(ctx, &t, path, 0, "set logscale xy\nset format y '%g'\nset xrange [*:*] noextend\n"
		                                  "set offsets graph 0.05, graph 0.05\nset key outside right vertical\n"
		                                  "set linetype cycle 9\nset xtics (5,10,20,50,100,200)\n");
	table_close(&t);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	const sf_class *const *m = sf_members("sampler");
	results r = {0};
	problem p;
	progress line;
	int i, rc;

	for (i = 0; i < o->nfe.n; i++)
		if (o->nfe.v[i] != floor(o->nfe.v[i]) || (i > 0 && o->nfe.v[i] <= o->nfe.v[i - 1]))
			return fail(STATUS_USAGE, "orders: --nfe: expected rising whole numbers");
	if (o->nfe.n == 0)
		return fail(STATUS_USAGE, "orders: --nfe: expected rising whole numbers");
	rc = problem_open(ctx, o->process, o->grid, o->starts, o->samples, &p);
	if (rc)
		return rc;
	p.seed = o->common.seed >= 0 ? (uint64_t)o->common.seed : 0;
	r.budgets = o->nfe.n;
	progress_start(&line, o->common.quiet);
	for (i = 0; rc == 0 && i < n; i++)
		rc = add(&r, &p, word[i], o->nfe.v, 1);
	for (; rc == 0 && n == 0 && *m; m++)
		rc = add_member(&r, &p, *m, o->nfe.v, &line);
	progress_clear(&line);
	if (rc == 0 && o->output)
		rc = write_csv(ctx, o->output, &r, o->nfe.v);
	if (rc == 0 && o->plot)
		rc = draw(ctx, o->plot, &r, o->nfe.v);
	if (rc == 0 && o->common.json)
		rc = out_json(as_json(&p, &r, o->nfe.v));
	else if (rc == 0 && !o->output)
		print(o, &p, &r);
	for (i = 0; i < r.n; i++)
		free(r.v[i].at);
	free(r.v);
	free(r.out_of.s);
	problem_close(&p);
	return rc;
}

const command orders_command = {"orders",
				"Compare all samplers on a problem whose solution is known",
				"[SPEC]...",
				"Without operands all samplers are shown, in every order that they have. The problem is a mixture of three normal\n"
				"laws on the line, whose probability-flow ODE keeps quantiles.\n",
				options,
				sizeof(struct opts),
				0,
				-1,
				run};
