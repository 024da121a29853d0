/* map_match.c: patterns of names. "down{l}.res{i}" takes whole numbers, '*' any text; a template is filled in with what
 * the pattern took.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/map.h"

#include <stdio.h>
#include <string.h>

enum { DIGITS_MAX = 9 };

const int64_t *sf_captures_find(const sf_captures *c, const char *name, size_t len)
{
	int i;

	for (i = 0; i < c->n; i++)
		if (strlen(c->v[i].name) == len && strncmp(c->v[i].name, name, len) == 0)
			return &c->v[i].value;
	return NULL;
}

void sf_captures_set(sf_captures *c, const char *name, int64_t value)
{
	if (c->n == SF_CAPTURES)
		return;
	snprintf(c->v[c->n].name, sizeof c->v[c->n].name, "%s", name);
	c->v[c->n++].value = value;
}

/* The whole of text[0 .. len); c keeps what was taken where the answer is 1. */
static int match(const char *p, const char *text, size_t len, sf_captures *c)
{
	const char *end;
	char name[12];
	int64_t value = 0;
	size_t n;
	int before = c->n;

	if (!*p)
		return len == 0;
	if (*p == '*') {
		for (n = len < sizeof c->star ? len : sizeof c->star - 1; n > 0; n--) {
			if (!match(p + 1, text + n, len - n, c)) {
				c->n = before;
				continue;
			}
			memcpy(c->star, text, n);
			c->star[n] = '\0';
			return 1;
		}
		return 0;
	}
	if (*p != '{')
		return len > 0 && *p == *text && match(p + 1, text + 1, len - 1, c);
	end = strchr(p, '}');
	for (n = 0; n < len && n < DIGITS_MAX && text[n] >= '0' && text[n] <= '9'; n++)
		value = 10 * value + (text[n] - '0');
	if (!end || n == 0 || (size_t)(end - p) > sizeof name)
		return 0;
	snprintf(name, sizeof name, "%.*s", (int)(end - p - 1), p + 1);
	sf_captures_set(c, name, value);
	return match(end + 1, text + n, len - n, c);
}

int sf_pattern_match(const char *pattern, const char *text, size_t len, sf_captures *c)
{
	c->n = 0;
	c->star[0] = '\0';
	return match(pattern, text, len, c);
}

int sf_pattern_expand(const char *template_, const sf_captures *c, char *out, size_t size)
{
	const char *p;
	size_t used = 0;

	for (p = template_; *p; p++) {
		char piece[SF_NAME_MAX] = {0};
		const int64_t *v;
		size_t n;

		if (*p == '*') {
			if (!*c->star)
				return -1;
			snprintf(piece, sizeof piece, "%s", c->star);
		} else if (*p == '{') {
			n = strcspn(p, "}");
			v = p[n] ? sf_captures_find(c, p + 1, n - 1) : NULL;
			if (!v)
				return -1;
			snprintf(piece, sizeof piece, "%lld", (long long)*v);
			p += n;
		} else {
			piece[0] = *p;
		}
		n = strlen(piece);
		if (used + n >= size)
			return -1;
		memcpy(out + used, piece, n);
		used += n;
	}
	out[used] = '\0';
	return 0;
}

const char *sf_pattern_check(const char *pattern, sf_captures *names)
{
	const char *p;
	char name[12];

	names->n = 0;
	names->star[0] = '\0';
	for (p = pattern; *p; p++) {
		size_t n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz");

		if (*p == '}')
			return "has a '}' without its '{'";
		if (*p == '*') {
			if (*names->star)
				return "has more than one '*'";
			strcpy(names->star, "x");
		}
		if (*p != '{')
			continue;
		if (n == 0 || n >= sizeof name || p[1 + n] != '}')
			return "has a '{' without a name of one to eleven small letters and '}' behind it";
		if (names->n == SF_CAPTURES)
			return "has more than six variables";
		snprintf(name, sizeof name, "%.*s", (int)n, p + 1);
		if (sf_captures_find(names, name, n))
			return "has a variable twice";
		sf_captures_set(names, name, 0);
		p += n + 1;
	}
	return NULL;
}
