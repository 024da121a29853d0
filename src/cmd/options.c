/* options.c: words of the command line, from one table per command. Long options are
 * "--name value" or "--name=value", short ones "-n 16" or "-n16"; options and operands may be
 * mixed, "--" ends the options.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(common, member)
const option common_options[] = {
	OPTION(0, "N", "seed", "seed of all noise (default: the configuration's)", SF_OPT_INT,
	       AT(seed), NULL, 0, 9007199254740991.0),
	OPTION(0, "N", "threads", "threads; results do not depend on it (default: all that may be used)",
	       SF_OPT_INT, AT(threads), NULL, 1, 1024),
	CHOICE(0, "precision", "element type of networks", AT(precision), "config",
	       "config|single|double"),
	OPTION(0, "DEVICE", "device", "where networks run: cpu, auto (a device if there is one), cuda or cuda:N, with ,bf16 ,tf32 or ,strict",
	       SF_OPT_STRING, AT(device), "cpu", 0, 0),
	OPTION(0, NULL, "deterministic", "on a device: the same bytes in each run, at some cost (the processor's always are)",
	       SF_OPT_BOOL, AT(deterministic), "false", 0, 0),
	OPTION('q', NULL, "quiet", "print results and errors only", SF_OPT_BOOL, AT(quiet), "false",
	       0, 0),
	OPTION(0, NULL, "json", "print results as JSON", SF_OPT_BOOL, AT(json), "false", 0, 0),
	OPTION(0, NULL, "strict", "reference kernels: results are equal on every machine",
	       SF_OPT_BOOL, AT(strict), "false", 0, 0),
	OPTION_END
};

const char *precision_name(const common *opts)
{
	static const char *const names[] = {NULL, "float32", "float64"};

	return names[opts->precision];
}

static void *slot(void *state, const sf_opt *o)
{
	return (char *)state + o->offset;
}

static const option *tables(const command *c, int i)
{
	static const option none[] = {OPTION_END
};

	return i == 0 ? (c->options ? c->options : none) : common_options;
}

/* Sets one option through the library's own table code, so that ranges and messages are the same.
 */
static int set(sf_ctx *ctx, const char *what, const option *o, void *state, const char *value)
{
	sf_opt one[2];

	memset(one, 0, sizeof one);
	one[0] = o->opt;
	if (o->opt.type == OPTION_MANY) {
		words *w = slot(state, &o->opt);

		w->v[w->n++] = value;
		return 0;
	}
	return sf_opt_set(ctx, what, one, state, o->opt.name, value);
}

void options_init(sf_ctx *ctx, const command *c, void *state)
{
	const option *o;
	int i;

	for (i = 0; i < 2; i++) {
		for (o = tables(c, i); o->opt.name; o++) {
			if (o->opt.def)
				set(ctx, c->name, o, state, o->opt.def);
			else if (o->opt.type == SF_OPT_INT)
				*(int64_t *)slot(state, &o->opt) = -1;
			else if (o->opt.type == SF_OPT_DOUBLE)
				*(double *)slot(state, &o->opt) = nan("");
		}
	}
}

void options_free(const command *c, void *state)
{
	const option *o;
	int i;

	for (i = 0; i < 2; i++) {
		for (o = tables(c, i); o->opt.name; o++) {
			sf_opt one[2];

			memset(one, 0, sizeof one);
			one[0] = o->opt;
			if (o->opt.type == OPTION_MANY)
				free((void *)((words *)slot(state, &o->opt))->v);
			else
				sf_opt_release(one, state);
		}
	}
}

static const option *find_long(const command *c, const char *name, size_t length)
{
	const option *o;
	int i;

	for (i = 0; i < 2; i++)
		for (o = tables(c, i); o->opt.name; o++)
			if (strlen(o->opt.name) == length &&
			    strncmp(o->opt.name, name, length) == 0)
				return o;
	return NULL;
}

static const option *find_short(const command *c, char letter)
{
	const option *o;
	int i;

	for (i = 0; i < 2; i++)
		for (o = tables(c, i); o->opt.name; o++)
			if (o->letter == letter)
				return o;
	return NULL;
}

static int bad_option(const command *c, const char *word, size_t length)
{
	const char *names[64], *near;
	char name[64];
	const option *o;
	int i, n = 0;

	snprintf(name, sizeof name, "%.*s", (int)(length < 60 ? length : 60), word);
	for (i = 0; i < 2; i++)
		for (o = tables(c, i); o->opt.name && n < 62; o++)
			names[n++] = o->opt.name;
	names[n++] = "help";
	names[n] = NULL;
	near = strlen(name) > 1 ? sf_nearest(name, names) : NULL;
	if (near)
		return -1 - fail(STATUS_USAGE, "%s: unknown option '%s%s'; did you mean '--%s'?",
		                 c->name, word[-1] == '-' && length > 1 ? "--" : "-", name, near);
	return -1 - fail(STATUS_USAGE, "%s: unknown option '%s%s' (see scorefield %s --help)",
	                 c->name, length > 1 ? "--" : "-", name, c->name);
}

/* Handles the option word argv[*i]; moves *i over a value of its own. */
static int take(sf_ctx *ctx, const command *c, int argc, char **argv, int *i, void *state)
{
	const char *word = argv[*i], *value = NULL;
	const option *o;

	if (word[1] == '-') {
		size_t length = strcspn(word + 2, "=");

		o = find_long(c, word + 2, length);
		if (!o)
			return bad_option(c, word + 2, length);
		if (word[2 + length])
			value = word + 3 + length;
	} else {
		o = find_short(c, word[1]);
		if (!o || (!o->arg && word[2]))
			return bad_option(c, word + 1, o ? strlen(word + 1) : 1);
		if (word[2])
			value = word + 2;
	}
	if (!o->arg && !value)
		value = "true";
	if (!value) {
		if (*i + 1 == argc)
			return -1 - fail(STATUS_USAGE, "%s: option '%s' needs a value (%s)",
			                 c->name, word, o->arg);
		value = argv[++*i];
	}
	if (set(ctx, c->name, o, state, value) < 0)
		return -1 - fail(STATUS_INPUT, "%s", sf_ctx_message(ctx));
	return 0;
}

int options_parse(sf_ctx *ctx, const command *c, int argc, char **argv, void *state, int *help)
{
	const option *o;
	int i, n = 0, rc, open = 1;

	for (i = 0; i < 2; i++) { /* as many places for repeated options as there are words */
		for (o = tables(c, i); o->opt.name; o++) {
			words *w = slot(state, &o->opt);

			if (o->opt.type != OPTION_MANY)
				continue;
			w->v = calloc((size_t)argc + 1, sizeof *w->v);
			if (!w->v)
				return -1 - fail(STATUS_INPUT, "out of memory");
		}
	}
	options_init(ctx, c, state);
	*help = 0;
	for (i = 0; i < argc; i++) {
		if (!open || argv[i][0] != '-' || !argv[i][1]) {
			argv[n++] = argv[i];
		} else if (strcmp(argv[i], "--") == 0) {
			open = 0;
		} else if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			*help = 1;
			return 0;
		} else if ((rc = take(ctx, c, argc, argv, &i, state)) < 0) {
			return rc;
		}
	}
	if (n < c->min)
		return -1 - fail(STATUS_USAGE, "%s: missing operand: scorefield %s %s", c->name,
		                 c->name, c->operands);
	if (c->max >= 0 && n > c->max)
		return -1 - fail(STATUS_USAGE, "%s: too many operands at '%s': scorefield %s %s",
		                 c->name, argv[c->max], c->name, c->operands);
	return n;
}

static void print_options(const option *o)
{
	char left[128];

	for (; o->opt.name; o++) {
		snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
		         o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->opt.name,
		         o->arg ? " " : "", o->arg ? o->arg : "");
		if (strlen(left) > 24)
			out("  %s\n%27s%s", left, "", o->opt.help);
		else
			out("  %-24s %s", left, o->opt.help);
		if (o->arg && o->opt.def && *o->opt.def)
			out(" [%s]", o->opt.def);
		out("\n");
	}
}

void options_help(const command *c)
{
	out("Usage: scorefield %s [OPTION]... %s\n%s.\n", c->name, c->operands, c->brief);
	if (c->options && c->options->opt.name) {
		out("\nOptions:\n");
		print_options(c->options);
	}
	out("\nCommon options:\n");
	print_options(common_options);
	out("  %-24s %s\n", "-h, --help", "print this text");
	if (c->notes)
		out("\n%s", c->notes);
}
