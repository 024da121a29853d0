/* map_read.c: the file of a map:
 *
 *     [map]      about = one line
 *     [modules]  PATTERN = TEMPLATE KIND             modules, whose tensors are lines of the section [KIND]
 *                PATTERN = TEMPLATE LAYOUT [J/M]     or tensors by themselves
 *     [KIND]     PATTERN = NAME LAYOUT [J/M]
 *     [taps]     PATTERN = note                      FIR filters, which are options of our networks and are compared
 *     [ignored]  PATTERN = reason                    tensors that are not weights
 *
 * with our names on the left (in the last two theirs) and theirs on the right. Templates of [modules] may also use {n}, the
 * number of modules with {n} before this one, and the heights of images {full}, {least} and, where the pattern has {l}, those
 * of its level {height}, the next {half} and the one before {double}.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/ini.h"
#include "train/map.h"

#include "io/io.h"

#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 2000, WORDS = 4 };

static int is(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}

/* Sections whose patterns are of tensors that are no parameters of ours. */
static int is_aside(const char *section)
{
	return is(section, "ignored") || is(section, "taps");
}

/* Words of a value, cut up in place; -1 where there are more than WORDS. */
static int words(char *s, char **word)
{
	int n = 0;

	while (*(s += strspn(s, " \t"))) {
		if (n == WORDS)
			return -1;
		word[n++] = s;
		s += strcspn(s, " \t");
		if (*s)
			*s++ = '\0';
	}
	return n;
}

/* "0/3": every third output channel from the first. */
static int parse_part(const char *s, sf_rule *r)
{
	char digits[8];
	size_t n = strcspn(s, "/");

	if (!s[n] || n == 0 || n >= sizeof digits)
		return -1;
	memcpy(digits, s, n);
	digits[n] = '\0';
	return sf_parse_int(digits, &r->part) < 0 || sf_parse_int(s + n + 1, &r->of) < 0 || r->part < 0 ||
	       r->of < 2 || r->of > 1000 || r->part >= r->of ? -1 : 0;
}

static int parse_layout(sf_ctx *ctx, char **word, int n, sf_rule *r)
{
	r->layout = sf_layout_find(word[0]);
	if (r->layout < 0)
		return sf_fail(ctx, SF_EFORMAT, "'%.40s' is not a layout (same, linear, oihw, 1x1 or nin)", word[0]);
	if (n > 2 || (n == 2 && parse_part(word[1], r) < 0))
		return sf_fail(ctx, SF_EFORMAT, "'%.40s' is not a part of output channels such as 0/3", word[n - 1]);
	return SF_OK;
}

/* Every variable of the template is one of the pattern's, or of those that [modules] offers. */
static int check(sf_ctx *ctx, const sf_rule *r, int module)
{
	sf_captures c;
	const char *wrong = sf_pattern_check(r->pattern, &c);
	char out[SF_NAME_MAX];
	int level = sf_captures_find(&c, "l", 1) != NULL;
	static const char *const offers[] = {"n", "full", "least", "height", "half", "double"};
	int i;

	if (wrong)
		return sf_fail(ctx, SF_EFORMAT, "'%.80s' %s", r->pattern, wrong);
	if (is_aside(r->section))
		return SF_OK;
	for (i = 0; module && i < (level ? 6 : 3); i++)
		if (strstr(r->name, offers[i])) {
			if (sf_captures_find(&c, offers[i], strlen(offers[i])))
				return sf_fail(ctx, SF_EFORMAT, "'%.80s': {%s} has a meaning of its own", r->pattern, offers[i]);
			if (c.n == SF_CAPTURES)
				return sf_fail(ctx, SF_EFORMAT, "'%.80s' has too many variables", r->pattern);
			sf_captures_set(&c, offers[i], 0);
		}
	if (sf_pattern_expand(r->name, &c, out, sizeof out) < 0)
		return sf_fail(ctx, SF_EFORMAT, "'%.80s' is too long or has a variable that '%.80s' does not explain", r->name,
		               r->pattern);
	return SF_OK;
}

static int fill(sf_ctx *ctx, sf_rule *r, const char *section, const char *key, const char *value)
{
	int module = is(section, "modules"), n;
	char *copy, *word[WORDS];

	r->of = 1;
	r->section = sf_strdup(section);
	r->pattern = sf_strdup(key);
	copy = sf_strdup(value);
	if (!r->section || !r->pattern || !copy) {
		sf_free(copy);
		return sf_fail(ctx, SF_ENOMEM, "out of memory");
	}
	if (is_aside(section)) {
		r->name = copy;
		return check(ctx, r, 0);
	}
	n = words(copy, word);
	if (n < 2) {
		sf_free(copy);
		return sf_fail(ctx, SF_EFORMAT, "[%.40s] %.80s: expected %s", section, key, module ?
		               "NAME and a kind of module or a layout" : "NAME and a layout (same, linear, oihw, 1x1 or nin)");
	}
	r->name = sf_strdup(word[0]);
	n--;
	if (module && n == 1 && sf_layout_find(word[1]) < 0)
		r->kind = sf_strdup(word[1]);
	else if (parse_layout(ctx, word + 1, n, r) < 0)
		n = -1;
	sf_free(copy);
	if (n < 0)
		return SF_EFORMAT;
	if (!r->name)
		return sf_fail(ctx, SF_ENOMEM, "out of memory");
	r->counts = strstr(r->name, "{n}") != NULL;
	return check(ctx, r, module);
}

static int take(void *user, const char *section, const char *key, const char *value, int continued)
{
	sf_map *m = user;

	(void)continued;
	if (is(section, "map")) {
		if (!is(key, "about"))
			return sf_fail(m->ctx, SF_ENAME, "[map] knows the key 'about' alone, not '%.60s'", key);
		sf_free(m->about);
		m->about = sf_strdup(value);
		return m->about ? SF_OK : sf_fail(m->ctx, SF_ENOMEM, "out of memory");
	}
	if (!*section)
		return sf_fail(m->ctx, SF_EFORMAT, "'%.60s' stands before the first section", key);
	if (m->n == RULES_MAX)
		return sf_fail(m->ctx, SF_ERANGE, "more than %d lines", RULES_MAX);
	if (m->n % 32 == 0) {
		sf_rule *grown = sf_alloc((size_t)m->n + 32, sizeof *grown);

		if (!grown)
			return sf_fail(m->ctx, SF_ENOMEM, "out of memory");
		if (m->n)
			memcpy(grown, m->rule, (size_t)m->n * sizeof *grown);
		sf_free(m->rule);
		m->rule = grown;
	}
	return fill(m->ctx, &m->rule[m->n++], section, key, value);
}

/* Kinds lead somewhere, and there are modules. */
static int finish(const sf_map *m, const char *path)
{
	int i, j, modules = 0;

	for (i = 0; i < m->n; i++) {
		modules += is(m->rule[i].section, "modules");
		if (!m->rule[i].kind)
			continue;
		for (j = 0; j < m->n && !is(m->rule[j].section, m->rule[i].kind); j++)
			;
		if (j == m->n || is(m->rule[i].kind, "modules") || is_aside(m->rule[i].kind))
			return sf_fail(m->ctx, SF_EFORMAT, "%s: '%.80s' is of kind '%.40s', but there is no section [%.40s] of "
			               "tensors", path, m->rule[i].pattern, m->rule[i].kind, m->rule[i].kind);
	}
	return modules ? SF_OK : sf_fail(m->ctx, SF_EFORMAT, "%s: not a map: it has no lines in [modules]", path);
}

static int made(sf_ctx *ctx, const char *path, sf_map **out)
{
	const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
	size_t len = strlen(base);
	sf_map *m = sf_alloc(1, sizeof *m);

	*out = m;
	if (!m)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	m->ctx = ctx;
	m->name = sf_strndup(base, len > 4 && is(base + len - 4, ".ini") ? len - 4 : len);
	m->about = sf_strdup("");
	return m->name && m->about ? SF_OK : sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
}

static int finished(int rc, const char *path, sf_map **map)
{
	if (rc == 0)
		rc = finish(*map, path);
	if (rc < 0) {
		sf_map_free(*map);
		*map = NULL;
	}
	return rc;
}

int sf_map_parse(sf_ctx *ctx, const char *path, const char *text, size_t size, sf_map **map)
{
	int rc = made(ctx, path, map);

	if (rc == 0)
		rc = sf_ini_parse(ctx, path, text, size, take, *map);
	return finished(rc, path, map);
}

int sf_map_open(sf_ctx *ctx, const char *name, sf_map **map)
{
	char path[SF_PATH_MAX];
	int rc;

	*map = NULL;
	SF_TRY(sf_ini_find(ctx, "map", "maps", "scorefield list map", name, path, sizeof path));
	rc = made(ctx, path, map);
	if (rc == 0)
		rc = sf_ini_read(ctx, path, take, *map);
	return finished(rc, path, map);
}

void sf_map_free(sf_map *m)
{
	int i;

	if (!m)
		return;
	for (i = 0; i < m->n; i++) {
		sf_free(m->rule[i].section);
		sf_free(m->rule[i].pattern);
		sf_free(m->rule[i].name);
		sf_free(m->rule[i].kind);
	}
	sf_free(m->rule);
	sf_free(m->name);
	sf_free(m->about);
	sf_free(m);
}

const char *sf_map_about(const sf_map *m)
{
	return m->about;
}

char **sf_map_names(sf_ctx *ctx)
{
	return sf_ini_names(ctx, "maps");
}

void sf_map_free_names(char **names)
{
	sf_ini_free_names(names);
}
