/* config.c: a configuration: one option table a section, set and read as text.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const type_names[] = {"number", "whole number", "true or false", NULL, "text", "list"};

int sf_config_key_at(int i, sf_config_key *out)
{
	const sf_section *s;
	const sf_opt *o;

	for (s = sf_sections; s->name; s++)
		for (o = s->opts; o->name; o++)
			if (i-- == 0) {
				out->section = s->name;
				out->key = o->name;
				out->help = o->help;
				out->def = o->def;
				out->type = o->type == SF_OPT_CHOICE ? o->choices : type_names[o->type];
				return SF_OK;
			}
	return SF_ERANGE;
}

int sf_config_new(sf_ctx *ctx, sf_config **out)
{
	sf_config *c = sf_alloc(1, sizeof *c);
	const sf_section *s;
	sf_config_key k;
	int rc = SF_OK;

	*out = NULL;
	if (!c)
		return sf_fail(ctx, SF_ENOMEM, "configuration: out of memory");
	c->ctx = ctx;
	for (s = sf_sections; rc == 0 && s->name; s++)
		rc = sf_opt_defaults(ctx, s->name, s->opts, &c->set);
	while (sf_config_key_at(c->keys, &k) == 0)
		c->keys++;
	c->text = sf_alloc((size_t)c->keys, sizeof *c->text);
	if (rc == 0 && !c->text)
		rc = sf_fail(ctx, SF_ENOMEM, "configuration: out of memory");
	if (rc < 0)
		sf_config_free(c);
	else
		*out = c;
	return rc;
}

void sf_config_free(sf_config *c)
{
	const sf_section *s;
	int i;

	if (!c)
		return;
	for (s = sf_sections; s->name; s++)
		sf_opt_release(s->opts, &c->set);
	for (i = 0; c->text && i < c->keys; i++)
		free(c->text[i]);
	for (i = 0; c->presets && c->presets[i]; i++)
		sf_free(c->presets[i]);
	sf_free(c->presets);
	sf_free(c->text);
	sf_free(c);
}

const sf_settings *sf_config_settings(const sf_config *c)
{
	return &c->set;
}

/* Characters of a value that go on one line: all of them, or up to a place where no blank and no comment
 * sign meets the cut; 0 where there is none. */
static size_t cut(const char *v)
{
	enum { PIECE = 120 };
	size_t n = PIECE;

	if (strlen(v) <= PIECE)
		return strlen(v);
	while (n > 0 && (v[n] == ' ' || v[n - 1] == ' ' || v[n] == ';' || v[n] == '#'))
		n--;
	return n;
}

/* What an INI file would not give back: control characters, blanks at the ends, a comment, long runs of blanks
 * and comment signs. */
static int unwritable(const char *v)
{
	const unsigned char *p = (const unsigned char *)v;
	size_t n = strlen(v), at, piece;

	for (; *p; p++)
		if (*p < ' ' || *p == 127)
			return 1;
	for (at = 0; at < n; at += piece)
		if ((piece = cut(v + at)) == 0)
			return 1;
	return n > 0 && (v[0] == ' ' || v[n - 1] == ' ' || v[0] == ';' || strstr(v, " ;"));
}

int sf_config_assign(sf_config *c, const char *section, const char *key, const char *value)
{
	const char *names[16] = {NULL}, *near;
	char what[40];
	int i;

	for (i = 0; sf_sections[i].name; i++) {
		names[i] = sf_sections[i].name;
		if (strcmp(section, names[i]) != 0)
			continue;
		if (unwritable(value))
			return sf_fail(c->ctx, SF_EINVAL, "[%s] %s: the value may not hold control characters, blanks "
			               "at its ends, ' ;' or long runs of ';' and '#'", section, key);
		snprintf(what, sizeof what, "section [%s]", section);
		return sf_opt_set(c->ctx, what, sf_sections[i].opts, &c->set, key, value);
	}
	near = sf_nearest(section, names);
	return sf_fail(c->ctx, SF_ENAME, "unknown section [%.60s]%s%s%s", section, near ? "; did you mean [" : "",
	               near ? near : "", near ? "]?" : "");
}

int sf_config_set(sf_config *c, const char *assignment)
{
	const char *dot = strchr(assignment, '.'), *eq = strchr(assignment, '=');
	char section[32], key[64];

	if (!dot || !eq || dot > eq || dot == assignment || eq == dot + 1 ||
	    (size_t)(dot - assignment) >= sizeof section || (size_t)(eq - dot - 1) >= sizeof key)
		return sf_fail(c->ctx, SF_EINVAL, "'%.80s' is not of the form section.key=value", assignment);
	snprintf(section, sizeof section, "%.*s", (int)(dot - assignment), assignment);
	snprintf(key, sizeof key, "%.*s", (int)(eq - dot - 1), dot + 1);
	return sf_config_assign(c, section, key, eq + 1);
}

const char *sf_config_get(const sf_config *c, const char *key)
{
	const sf_section *s;
	const sf_opt *o;
	int i = 0;

	for (s = sf_sections; s->name; s++) {
		size_t n = strlen(s->name);

		for (o = s->opts; o->name; o++, i++) {
			sf_text t = {NULL, 0, 0, 0};

			if (strncmp(key, s->name, n) != 0 || key[n] != '.' || strcmp(key + n + 1, o->name) != 0)
				continue;
			sf_opt_print(o, &c->set, &t);
			if (t.failed || !t.s)
				return NULL;
			free(c->text[i]);
			return c->text[i] = t.s;
		}
	}
	return NULL;
}

/* A value over as many lines as the reader's limit asks for. */
static void add_value(sf_text *t, const char *v)
{
	size_t n;

	for (; (n = cut(v)) > 0 && v[n]; v += n)
		sf_text_add(t, "%.*s\n\t", (int)n, v);
	sf_text_add(t, "%s\n", v);
}

void sf_config_print(const sf_config *c, sf_text *t)
{
	const sf_section *s;
	const sf_opt *o;
	char key[80];

	for (s = sf_sections; s->name; s++) {
		sf_text_add(t, "%s[%s]\n", s == sf_sections ? "" : "\n", s->name);
		for (o = s->opts; o->name; o++) {
			const char *v;

			snprintf(key, sizeof key, "%s.%s", s->name, o->name);
			v = sf_config_get(c, key);
			sf_text_add(t, "%s = ", o->name);
			if (v)
				add_value(t, v);
			else
				t->failed = 1;
		}
	}
}

int sf_config_write(const sf_config *c, const char *path)
{
	sf_text t = {NULL, 0, 0, 0};
	int rc;

	sf_config_print(c, &t);
	rc = t.failed ? sf_fail(c->ctx, SF_ENOMEM, "configuration: out of memory")
	              : sf_file_write(c->ctx, path, t.s, t.len);
	free(t.s);
	return rc;
}
