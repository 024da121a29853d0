/* option.c: option tables: defaults, setting one by name, range checks, printing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void *slot(void *state, const sf_opt *o)
{
	return (char *)state + o->offset;
}

static const void *cslot(const void *state, const sf_opt *o)
{
	return (const char *)state + o->offset;
}

static int in_range(const sf_opt *o, double v)
{
	return !(o->min < o->max) || (v >= o->min && v <= o->max);
}

static int bad_range(sf_ctx *ctx, const char *what, const sf_opt *o, const char *value)
{
	char lo[40], hi[40];

	sf_format_double(o->min, lo, sizeof lo);
	sf_format_double(o->max, hi, sizeof hi);
	return sf_fail(ctx, SF_ERANGE, "%s: %s=%s is out of range (%s to %s)", what, o->name, value, lo, hi);
}

static int bad_value(sf_ctx *ctx, const char *what, const sf_opt *o, const char *value,
                     const char *expected)
{
	return sf_fail(ctx, SF_EINVAL, "%s: %s='%s' is not %s", what, o->name, value, expected);
}

/* Index of `value` among "a|b|c", or -1. */
static int choice(const char *choices, const char *value)
{
	size_t n = strlen(value);
	int i = 0;

	for (;; i++) {
		const char *end = strchr(choices, '|');
		size_t len = end ? (size_t)(end - choices) : strlen(choices);

		if (len == n && strncmp(choices, value, n) == 0)
			return i;
		if (!end)
			return -1;
		choices = end + 1;
	}
}

static int set_list(sf_ctx *ctx, const char *what, const sf_opt *o, const char *value, sf_list *list)
{
	const char *p = value;
	sf_list made = {0, {0}};

	while (*p) {
		char item[64];
		size_t len = strcspn(p, ":,"); /* a comma never gets here from a spec, where it ends the option */
		double v;

		if (len >= sizeof item || made.n == SF_LIST_MAX)
			return bad_value(ctx, what, o, value, "a list of at most 64 numbers separated by ':'");
		memcpy(item, p, len);
		item[len] = '\0';
		if (sf_parse_double(item, &v) < 0)
			return bad_value(ctx, what, o, value, "a list of numbers separated by ':'");
		if (!in_range(o, v))
			return bad_range(ctx, what, o, item);
		made.v[made.n++] = v;
		p += len;
		if (*p && !*++p)
			return bad_value(ctx, what, o, value, "a list of numbers separated by ':'");
	}
	*list = made;
	return SF_OK;
}

static int set_one(sf_ctx *ctx, const char *what, const sf_opt *o, void *state, const char *value)
{
	void *p = slot(state, o);
	double d;
	int64_t i;

	switch (o->type) {
	case SF_OPT_DOUBLE:
		if (sf_parse_double(value, &d) < 0)
			return bad_value(ctx, what, o, value, "a number");
		if (!in_range(o, d))
			return bad_range(ctx, what, o, value);
		*(double *)p = d;
		return SF_OK;
	case SF_OPT_INT:
		if (sf_parse_int(value, &i) < 0)
			return bad_value(ctx, what, o, value, "a whole number");
		if (!in_range(o, (double)i))
			return bad_range(ctx, what, o, value);
		*(int64_t *)p = i;
		return SF_OK;
	case SF_OPT_BOOL:
		if (sf_parse_bool(value, (int *)p) < 0)
			return bad_value(ctx, what, o, value, "true or false");
		return SF_OK;
	case SF_OPT_CHOICE: {
		int k = choice(o->choices, value);

		if (k < 0)
			return bad_value(ctx, what, o, value, o->choices);
		*(int *)p = k;
		return SF_OK;
	}
	case SF_OPT_STRING: {
		char *copy = sf_strdup(value);

		if (!copy)
			return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
		sf_free(*(char **)p);
		*(char **)p = copy;
		return SF_OK;
	}
	default:
		return set_list(ctx, what, o, value, p);
	}
}

int sf_opt_set(sf_ctx *ctx, const char *what, const sf_opt *opts, void *state, const char *key,
               const char *value)
{
	const char *names[128] = {NULL}, *near;
	int i;

	for (i = 0; opts && opts[i].name; i++) {
		if (strcmp(opts[i].name, key) == 0)
			return set_one(ctx, what, &opts[i], state, value);
		if (i < 127)
			names[i] = opts[i].name;
	}
	near = sf_nearest(key, names);
	return sf_fail(ctx, SF_ENAME, "%s has no option '%s'%s%s%s", what, key,
	               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

int sf_opt_defaults(sf_ctx *ctx, const char *what, const sf_opt *opts, void *state)
{
	for (; opts && opts->name; opts++)
		SF_TRY(set_one(ctx, what, opts, state, opts->def));
	return SF_OK;
}

void sf_opt_release(const sf_opt *opts, void *state)
{
	for (; opts && opts->name; opts++) {
		if (opts->type == SF_OPT_STRING) {
			char **p = slot(state, opts);

			sf_free(*p);
			*p = NULL;
		}
	}
}

static void print_choice(const char *choices, int k, sf_text *out)
{
	const char *end;

	while (k-- > 0)
		choices = strchr(choices, '|') + 1;
	end = strchr(choices, '|');
	sf_text_add(out, "%.*s", (int)(end ? (size_t)(end - choices) : strlen(choices)), choices);
}

void sf_opt_print(const sf_opt *o, const void *state, sf_text *out)
{
	const void *p = cslot(state, o);
	char number[40];
	int i;

	switch (o->type) {
	case SF_OPT_DOUBLE:
		sf_format_double(*(const double *)p, number, sizeof number);
		sf_text_add(out, "%s", number);
		break;
	case SF_OPT_INT:
		sf_text_add(out, "%lld", (long long)*(const int64_t *)p);
		break;
	case SF_OPT_BOOL:
		sf_text_add(out, "%s", *(const int *)p ? "true" : "false");
		break;
	case SF_OPT_CHOICE:
		print_choice(o->choices, *(const int *)p, out);
		break;
	case SF_OPT_STRING:
		sf_text_add(out, "%s", *(char *const *)p);
		break;
	default:
		for (i = 0; i < ((const sf_list *)p)->n; i++) {
			sf_format_double(((const sf_list *)p)->v[i], number, sizeof number);
			sf_text_add(out, "%s%s", i ? ":" : "", number);
		}
		if (((const sf_list *)p)->n == 0)
			sf_text_add(out, "%s", "");
	}
}
