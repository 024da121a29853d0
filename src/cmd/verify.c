/* verify.c: runs derivation checks and prints one row each: name, source, expected, measured,
 * tolerance, verdict.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct totals {
	int run, failed;
	json_t *rows;
} totals;

/* Valid words: families, checks, and members (what stands before the first dot of a check's name).
 */
static int refuse(const sf_check *checks, const char *name)
{
	const char **valid;
	char *members;
	int i, k = 0, n = 0, status;

	while (checks[n].name)
		n++;
	valid = calloc(3 * (size_t)n + 1, sizeof *valid);
	members = calloc((size_t)n + 1, 64);
	if (!valid || !members) {
		status = fail(STATUS_INPUT, "out of memory");
	} else {
		for (i = 0; i < n; i++) {
			char *m = members + 64 * i;

			snprintf(m, 64, "%.*s", (int)strcspn(checks[i].name, "."), checks[i].name);
			valid[k++] = checks[i].family;
			valid[k++] = m;
			valid[k++] = checks[i].name;
		}
		status = unknown("check", name, valid, STATUS_INPUT);
	}
	free((void *)valid);
	free(members);
	return status;
}

static int selected(const sf_check *check, int n, char **name)
{
	int i;

	for (i = 0; i < n; i++)
		if (sf_verify_selects(check, name[i]))
			return 1;
	return n == 0;
}

static void print_row(const sf_check *c, const sf_row *row, int pass, const char *error)
{
	out("%-34s %13.7g %13.7g %9.2g  %s%s%s  %s\n", c->name, row->expected, row->measured,
	    row->tolerance, paint(pass ? 'g' : 'r'), pass ? "pass" : "FAIL", paint(0), c->ref);
	if (error)
		out("%-34s %s\n", "", error);
}

static int one(sf_ctx *ctx, const sf_check *c, int json, totals *sum)
{
	sf_row row = {0, 0, 0};
	int pass = 0, rc;
	const char *error = NULL;

	rc = sf_verify_run(ctx, c, &row, &pass);
	if (rc < 0) { /* a check that cannot run has not held */
		row.measured = nan("");
		error = sf_ctx_message(ctx);
		pass = 0;
	}
	sum->run++;
	sum->failed += !pass;
	if (!json) {
		print_row(c, &row, pass, error);
		return 0;
	}
	return json_array_append_new(sum->rows,
	                             json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:b, s:s*}", "name",
	                                       c->name, "what", c->what, "ref", c->ref, "expected",
	                                       json_number(row.expected), "measured",
	                                       json_number(row.measured), "tolerance",
	                                       json_number(row.tolerance), "pass", pass, "error",
	                                       error)) < 0
	               ? fail(STATUS_INPUT, "cannot make JSON: out of memory")
	               : 0;
}

static int run(sf_ctx *ctx, const void *options, int n, char **name)
{
	const common *opts = options;
	const sf_check *checks = sf_verify_checks(), *c;
	totals sum = {0, 0, NULL};
	int i, rc = 0;

	if (opts->precision == PRECISION_SINGLE)
		return fail(STATUS_USAGE, "verify compares with closed forms and differences, in double precision alone");
	for (i = 0; i < n; i++) { /* all names first: nothing runs where one is wrong */
		for (c = checks; c->name && !sf_verify_selects(c, name[i]); c++)
			;
		if (!c->name)
			return refuse(checks, name[i]);
	}
	if (opts->json)
		sum.rows = json_array();
	else if (!opts->quiet)
		out("%s%-34s %13s %13s %9s  %s  %s%s\n", paint('b'), "check", "expected",
		    "measured", "tolerance", "    ", "reference", paint(0));
	for (c = checks; c->name && rc == 0; c++)
		if (selected(c, n, name))
			rc = one(ctx, c, opts->json, &sum);
	if (rc == 0 && opts->json)
		rc = out_json(json_pack("{s:o}", "rows", sum.rows));
	else if (opts->json)
		json_decref(sum.rows);
	else if (!opts->quiet)
		out("%d checks, %d failed\n", sum.run, sum.failed);
	if (rc == 0 && sum.run == 0)
		return fail(STATUS_INPUT, "there is no check to run");
	if (rc == 0 && sum.failed)
		return fail(STATUS_NUMERIC, "%d of %d checks failed", sum.failed, sum.run);
	return rc;
}

const command verify_command = {
	"verify",
	"Check the library's formulas against closed forms",
	"[FAMILY|MEMBER|CHECK]...",
	"A check passes if |measured - expected| <= tolerance. Exit status 3 if one fails.\n"
	"Without operands all checks run. JSON: {\"rows\": [{\"name\", \"what\", \"ref\", "
	"\"expected\",\n"
	"\"measured\", \"tolerance\", \"pass\"}, ...]}; a number that is not finite is null.\n",
	NULL,
	sizeof(common),
	0,
	-1,
	run};
