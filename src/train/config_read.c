/* config_read.c: configurations from INI files (read by libinih) and presets by name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "io/io.h"

#include <dirent.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONFIG_MAX = 1 << 20 };

struct reader {
	sf_config *c;
	const char *path, *at; /* what is left of the text */
	int line, continued, rc;
	char section[64], key[64];
};

/* inih cuts longer lines without a word, so the length is looked at here. */
static char *next_line(char *out, int size, void *stream)
{
	struct reader *r = stream;
	const char *end = strchr(r->at, '\n');
	size_t n = end ? (size_t)(end - r->at) + 1 : strlen(r->at);

	if (!*r->at || r->rc < 0)
		return NULL;
	r->line++;
	if (n >= (size_t)size) {
		r->rc = sf_fail(r->c->ctx, SF_EFORMAT, "%s:%d: line of %zu characters; at most %d (start the next "
		                "line with a blank to go on)", r->path, r->line, n, size - 2);
		return NULL;
	}
	r->continued = *r->at == ' ' || *r->at == '\t';
	memcpy(out, r->at, n);
	out[n] = '\0';
	r->at += n;
	return out;
}

static int handle(void *user, const char *section, const char *key, const char *value)
{
	struct reader *r = user;
	sf_text t = {NULL, 0, 0, 0};
	char name[130];
	int rc;

	if (r->rc < 0)
		return 0;
	if (r->continued && strcmp(section, r->section) == 0 && strcmp(key, r->key) == 0) {
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
	if (rc < 0) {
		char message[SF_MESSAGE_MAX];

		snprintf(message, sizeof message, "%s", sf_ctx_message(r->c->ctx));
		r->rc = sf_fail(r->c->ctx, rc, "%s:%d: %s", r->path, r->line, message);
	}
	return rc == 0;
}

int sf_config_parse(sf_config *c, const char *path, const char *text, size_t size)
{
	struct reader r;
	int bad;

	if (strlen(text) != size)
		return sf_fail(c->ctx, SF_EFORMAT, "%s: not a text file (it holds a zero byte)", path);
	memset(&r, 0, sizeof r);
	r.c = c;
	r.path = path;
	r.at = text;
	bad = ini_parse_stream(next_line, &r, handle, &r);
	if (r.rc == 0 && bad != 0)
		r.rc = sf_fail(c->ctx, SF_EFORMAT, "%s:%d: expected [section] or key = value", path, bad);
	return r.rc;
}

int sf_config_read(sf_config *c, const char *path)
{
	unsigned char *bytes;
	size_t size;
	int rc;

	SF_TRY(sf_file_read(c->ctx, path, CONFIG_MAX, &bytes, &size));
	rc = sf_config_parse(c, path, (const char *)bytes, size);
	sf_free(bytes);
	return rc;
}

/* ---- presets: DIR/presets/NAME.ini ---- */
static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_preset(sf_config *c, int *n, const char *name, size_t len)
{
	char **grown;
	int i;

	for (i = 0; i < *n; i++)
		if (strlen(c->presets[i]) == len && strncmp(c->presets[i], name, len) == 0)
			return 0;
	grown = sf_alloc((size_t)*n + 2, sizeof *grown);
	if (!grown)
		return -1;
	for (i = 0; i < *n; i++)
		grown[i] = c->presets[i];
	grown[*n] = sf_strndup(name, len);
	sf_free(c->presets);
	c->presets = grown;
	if (!grown[*n])
		return -1;
	++*n;
	return 0;
}

const char *const *sf_config_presets(sf_config *c)
{
	static const char *const none[] = {NULL};
	const void *list;
	const char *dir;
	int i, n = 0;

	for (i = 0; !c->presets && (dir = sf_data_dir(i)); i++) {
		char path[SF_PATH_MAX];
		struct dirent *e;
		DIR *d;

		if (sf_path_join(c->ctx, dir, "presets", path, sizeof path) < 0 || !(d = opendir(path)))
			continue;
		while ((e = readdir(d))) {
			size_t len = strlen(e->d_name);

			if (len > 4 && e->d_name[0] != '.' && strcmp(e->d_name + len - 4, ".ini") == 0 &&
			    add_preset(c, &n, e->d_name, len - 4) < 0)
				break;
		}
		closedir(d);
	}
	if (n > 1)
		qsort(c->presets, (size_t)n, sizeof *c->presets, compare);
	list = c->presets;
	return list ? list : none;
}

int sf_config_preset(sf_config *c, const char *name)
{
	char relative[300], path[SF_PATH_MAX];
	size_t len = strlen(name);
	const char *near;

	if (strchr(name, '/') || (len > 4 && strcmp(name + len - 4, ".ini") == 0))
		return sf_config_read(c, name);
	if (len == 0 || len > 200)
		return sf_fail(c->ctx, SF_EINVAL, "'%.80s' is not the name of a preset", name);
	snprintf(relative, sizeof relative, "presets/%s.ini", name);
	if (sf_data_find(c->ctx, relative, path, sizeof path) == 0)
		return sf_config_read(c, path);
	near = sf_nearest(name, sf_config_presets(c));
	if (near)
		return sf_fail(c->ctx, SF_ENAME, "unknown preset '%s'; did you mean '%s'? (see scorefield list preset; "
		               "a file's name has a '/' or ends in .ini)", name, near);
	return sf_fail(c->ctx, SF_ENAME, "unknown preset '%s' (see scorefield list preset; a file's name has a '/' or "
	               "ends in .ini)", name);
}
