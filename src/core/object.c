/* object.c: families, members, and the one constructor behind every spec string.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/registry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SPEC_MAX = 4096 };

const char *const *sf_families(void)
{
	return sf_family_names;
}

const sf_class *const *sf_members(const char *family)
{
	int i;

	for (i = 0; sf_family_names[i]; i++)
		if (strcmp(family, sf_family_names[i]) == 0)
			return sf_family_members[i];
	return NULL;
}

int sf_find(sf_ctx *ctx, const char *family, const char *name, const sf_class **cls)
{
	const sf_class *const *m = sf_members(family);
	const char *names[128] = {NULL}, *near;
	int i;

	*cls = NULL;
	if (!m) {
		near = sf_nearest(family, sf_family_names);
		return sf_fail(ctx, SF_ENAME, "unknown family '%s'%s%s%s", family,
		               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
	}
	for (i = 0; m[i]; i++) {
		if (strcmp(name, m[i]->name) == 0) {
			*cls = m[i];
			return SF_OK;
		}
		if (i < 127)
			names[i] = m[i]->name;
	}
	near = sf_nearest(name, names);
	return sf_fail(ctx, SF_ENAME, "unknown %s '%s'%s%s%s (see scorefield list %s)", family, name,
	               near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "", family);
}

const char *sf_spec(const void *object)
{
	return ((const sf_object *)object)->spec;
}

/* Sets the options of `list` ("key=value,key=value") one by one. */
static int set_options(sf_ctx *ctx, const char *what, const sf_opt *opts, void *state, char *list)
{
	char *item, *rest = list;

	while (rest && *rest) {
		char *value;

		item = rest;
		rest = strchr(rest, ',');
		if (rest)
			*rest++ = '\0';
		value = strchr(item, '=');
		if (!value)
			return sf_fail(ctx, SF_EINVAL, "%s: '%s' is not of the form key=value", what, item);
		*value++ = '\0';
		SF_TRY(sf_opt_set(ctx, what, opts, state, item, value));
	}
	return SF_OK;
}

/* The canonical spec names only what differs from the defaults, in table order. */
static char *canonical(sf_ctx *ctx, const sf_class *cls, const void *state)
{
	sf_text t = {NULL, 0, 0, 0};
	void *plain = sf_alloc(1, cls->state_size);
	const sf_opt *o;
	char sep = ':', *spec;

	if (!plain || sf_opt_defaults(ctx, cls->name, cls->opts, plain) < 0) {
		sf_free(plain);
		return NULL;
	}
	sf_text_add(&t, "%s", cls->name);
	for (o = cls->opts; o && o->name; o++) {
		sf_text is = {NULL, 0, 0, 0}, was = {NULL, 0, 0, 0};

		sf_opt_print(o, state, &is);
		sf_opt_print(o, plain, &was);
		if (is.s && was.s && strcmp(is.s, was.s) != 0) {
			sf_text_add(&t, "%c%s=%s", sep, o->name, is.s);
			sep = ',';
		}
		free(is.s);
		free(was.s);
	}
	sf_opt_release(cls->opts, plain);
	sf_free(plain);
	spec = t.failed ? NULL : sf_strdup(t.s);
	free(t.s);
	return spec;
}

int sf_object_new(sf_ctx *ctx, const char *family, const char *spec, size_t size, void *out)
{
	char name[64], what[128], list[SPEC_MAX];
	const char *colon = strchr(spec, ':');
	size_t len = colon ? (size_t)(colon - spec) : strlen(spec);
	const sf_class *cls;
	sf_object *o = NULL;
	void *none = NULL;
	int rc;

	memcpy(out, &none, sizeof none);
	if (len == 0 || len >= sizeof name || strlen(spec) >= sizeof list)
		return sf_fail(ctx, SF_EINVAL, "'%.80s' is not a %s spec (name:key=value,...)", spec, family);
	memcpy(name, spec, len);
	name[len] = '\0';
	SF_TRY(sf_find(ctx, family, name, &cls));
	snprintf(what, sizeof what, "%s '%s'", family, name);
	snprintf(list, sizeof list, "%s", colon ? colon + 1 : "");

	o = sf_alloc(1, size);
	if (!o)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	o->family = family;
	o->cls = cls;
	o->ctx = ctx;
	o->state = sf_alloc(1, cls->state_size);
	rc = o->state ? sf_opt_defaults(ctx, what, cls->opts, o->state)
	              : sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	if (rc == 0)
		rc = set_options(ctx, what, cls->opts, o->state, list);
	if (rc == 0 && !(o->spec = canonical(ctx, cls, o->state)))
		rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory", what);
	if (rc == 0 && cls->init)
		rc = cls->init(o->state, ctx);
	if (rc < 0) {
		if (o->state)
			sf_opt_release(cls->opts, o->state);
		sf_free(o->state);
		sf_free(o->spec);
		sf_free(o);
		return rc;
	}
	memcpy(out, &o, sizeof o);
	return SF_OK;
}

void sf_object_free(void *object)
{
	sf_object *o = object;

	if (!o)
		return;
	if (o->cls->fini)
		o->cls->fini(o->state);
	sf_opt_release(o->cls->opts, o->state);
	sf_free(o->state);
	sf_free(o->spec);
	sf_free(o);
}
