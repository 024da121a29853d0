/* text.c: numbers from and to text, growing strings, the nearest name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The library reads and writes numbers in the C locale's form; a program that calls setlocale for
 * LC_NUMERIC changes that, which is why scorefield's own does not. */
int sf_parse_double(const char *s, double *out)
{
	char *end;
	double v;

	if (!*s || strspn(s, " \t\n") > 0)
		return -1;
	v = strtod(s, &end);
	if (*end || isnan(v))
		return -1;
	*out = v;
	return 0;
}

int sf_parse_int(const char *s, int64_t *out)
{
	char *end;
	long long v;

	if (!*s || strspn(s, " \t\n") > 0)
		return -1;
	errno = 0;
	v = strtoll(s, &end, 10);
	if (*end || errno)
		return -1;
	*out = v;
	return 0;
}

int sf_parse_bool(const char *s, int *out)
{
	static const char *const yes[] = {"true", "yes", "on", "1"};
	static const char *const no[] = {"false", "no", "off", "0"};
	size_t i;

	for (i = 0; i < sizeof yes / sizeof *yes; i++) {
		if (strcasecmp(s, yes[i]) == 0)
			return *out = 1, 0;
		if (strcasecmp(s, no[i]) == 0)
			return *out = 0, 0;
	}
	return -1;
}

void sf_format_double(double v, char *out, size_t size)
{
	int digits;
	double back = 0;

	for (digits = 6; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, v);
		if (sf_parse_double(out, &back) == 0 && back == v)
			break;
	}
}

void sf_text_add(sf_text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || t->failed)
		return;
	if (t->len + (size_t)n + 1 > t->cap) {
		size_t cap = 2 * t->cap + (size_t)n + 64;
		char *s = realloc(t->s, cap);

		if (!s) {
			t->failed = 1;
			return;
		}
		t->s = s;
		t->cap = cap;
	}
	va_start(ap, fmt);
	vsnprintf(t->s + t->len, t->cap - t->len, fmt, ap);
	va_end(ap);
	t->len += (size_t)n;
}

/* Levenshtein distance of names up to 63 characters; longer ones count as far. */
int sf_edit_distance(const char *a, const char *b)
{
	int row[64], i, j, na = (int)strlen(a), nb = (int)strlen(b);

	if (na > 63 || nb > 63)
		return 64;
	for (j = 0; j <= nb; j++)
		row[j] = j;
	for (i = 1; i <= na; i++) {
		int diagonal = row[0];

		row[0] = i;
		for (j = 1; j <= nb; j++) {
			int change = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < change)
				change = row[j] + 1;
			if (row[j - 1] + 1 < change)
				change = row[j - 1] + 1;
			row[j] = change;
		}
	}
	return row[nb];
}

const char *sf_nearest(const char *name, const char *const *names)
{
	const char *best = NULL;
	int least = (int)strlen(name) / 2 + 2, apart = 0;

	for (; *names; names++) {
		int own = sf_edit_distance(name, *names), d = own;

		if (strstr(*names, name) && *name && d > 1) /* a part of a name is near it */
			d = 1;
		if (d < least || (d == least && best && own < apart)) {
			least = d;
			apart = own;
			best = *names;
		}
	}
	return best;
}
