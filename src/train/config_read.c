/* config_read.c: configurations from INI files, and presets by name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "io/io.h"
#include "train/ini.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	sf_config *c;
	char section[64], key[64]; /* of the line before */
};

static int assign(void *user, const char *section, const char *key, const char *value, int continued)
{
	struct reader *r = user;
	sf_text t = {NULL, 0, 0, 0};
	char name[130];
	int rc;

	if (continued && strcmp(section, r->section) == 0 && strcmp(key, r->key) == 0) {
		const char *before;

		snprintf(name, sizeof name, "%s.%s", section, key);
		before = sf_config_get(r->c, name);
		sf_text_add(&t, "%s%s", before ? before : "", value);
	} else {
		sf_text_add(&t, "%s", value);
	}
	snprintf(r->section, sizeof r->section, "%s", section);
	snprintf(r->key, sizeof r->key, "%s", key);
	rc = t.failed ? sf_fail(r->c->ctx, SF_ENOMEM, "out of memory")
	              : sf_config_assign(r->c, section, key, t.s);
	free(t.s);
	return rc;
}

int sf_config_parse(sf_config *c, const char *path, const char *text, size_t size)
{
	struct reader r;

	memset(&r, 0, sizeof r);
	r.c = c;
	return sf_ini_parse(c->ctx, path, text, size, assign, &r);
}

int sf_config_read(sf_config *c, const char *path)
{
	struct reader r;

	memset(&r, 0, sizeof r);
	r.c = c;
	return sf_ini_read(c->ctx, path, assign, &r);
}

const char *const *sf_config_presets(sf_config *c)
{
	static const char *const none[] = {NULL};
	const void *list;

	if (!c->presets)
		c->presets = sf_ini_names(c->ctx, "presets");
	list = c->presets;
	return list ? list : none;
}

int sf_config_preset(sf_config *c, const char *name)
{
	char path[SF_PATH_MAX];

	SF_TRY(sf_ini_find(c->ctx, "preset", "presets", "scorefield list preset", name, path, sizeof path));
	return sf_config_read(c, path);
}
