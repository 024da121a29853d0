/* ini.c: INI files (read by libinih), and those that come with scorefield by name.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/ini.h"

#include "io/io.h"

#include <dirent.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader {
	sf_ctx *ctx;
	sf_ini_fn fn;
	void *user;
	const char *path, *at; /* what is left of the text */
	int line, continued, rc;
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
		r->rc = sf_fail(r->ctx, SF_EFORMAT, "%s:%d: line of %zu characters; at most %d (start the next "
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
	int rc;

	if (r->rc < 0)
		return 0;
	rc = r->fn(r->user, section, key, value, r->continued);
	if (rc < 0) {
		char message[SF_MESSAGE_MAX];

		snprintf(message, sizeof message, "%s", sf_ctx_message(r->ctx));
		r->rc = sf_fail(r->ctx, rc, "%s:%d: %s", r->path, r->line, message);
	}
	return rc == 0;
}

int sf_ini_parse(sf_ctx *ctx, const char *path, const char *text, size_t size, sf_ini_fn fn, void *user)
{
	struct reader r;
	int bad;

	if (strlen(text) != size)
		return sf_fail(ctx, SF_EFORMAT, "%s: not a text file (it holds a zero byte)", path);
	memset(&r, 0, sizeof r);
	r.ctx = ctx;
	r.fn = fn;
	r.user = user;
	r.path = path;
	r.at = text;
	bad = ini_parse_stream(next_line, &r, handle, &r);
	if (r.rc == 0 && bad != 0)
		r.rc = sf_fail(ctx, SF_EFORMAT, "%s:%d: expected [section] or key = value", path, bad);
	return r.rc;
}

int sf_ini_read(sf_ctx *ctx, const char *path, sf_ini_fn fn, void *user)
{
	unsigned char *bytes;
	size_t size;
	int rc;

	SF_TRY(sf_file_read(ctx, path, SF_INI_MAX, &bytes, &size));
	rc = sf_ini_parse(ctx, path, (const char *)bytes, size, fn, user);
	sf_free(bytes);
	return rc;
}

/* ---- by name ---- */
static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add_name(char ***names, int *n, const char *name, size_t len)
{
	char **grown;
	int i;

	for (i = 0; i < *n; i++)
		if (strlen((*names)[i]) == len && strncmp((*names)[i], name, len) == 0)
			return 0;
	grown = sf_alloc((size_t)*n + 2, sizeof *grown);
	if (!grown)
		return -1;
	for (i = 0; i < *n; i++)
		grown[i] = (*names)[i];
	grown[*n] = sf_strndup(name, len);
	sf_free(*names);
	*names = grown;
	if (!grown[*n])
		return -1;
	++*n;
	return 0;
}

char **sf_ini_names(sf_ctx *ctx, const char *folder)
{
	char **names = NULL;
	const char *dir;
	int i, n = 0;

	for (i = 0; (dir = sf_data_dir(i)); i++) {
		char path[SF_PATH_MAX];
		struct dirent *e;
		DIR *d;

		if (sf_path_join(ctx, dir, folder, path, sizeof path) < 0 || !(d = opendir(path)))
			continue;
		while ((e = readdir(d))) {
			size_t len = strlen(e->d_name);

			if (len > 4 && e->d_name[0] != '.' && strcmp(e->d_name + len - 4, ".ini") == 0 &&
			    add_name(&names, &n, e->d_name, len - 4) < 0)
				break;
		}
		closedir(d);
	}
	if (n > 1)
		qsort(names, (size_t)n, sizeof *names, compare);
	return names;
}

void sf_ini_free_names(char **names)
{
	int i;

	for (i = 0; names && names[i]; i++)
		sf_free(names[i]);
	sf_free(names);
}

int sf_ini_find(sf_ctx *ctx, const char *kind, const char *folder, const char *list, const char *name, char *path,
                size_t size)
{
	static const char *const none[] = {NULL};
	size_t len = strlen(name);
	char relative[300], **names;
	const char *near;
	const void *all;
	int rc;

	if (strchr(name, '/') || (len > 4 && strcmp(name + len - 4, ".ini") == 0)) {
		if (len >= size)
			return sf_fail(ctx, SF_ERANGE, "%.80s...: path is too long", name);
		strcpy(path, name);
		return SF_OK;
	}
	if (len == 0 || len > 200)
		return sf_fail(ctx, SF_EINVAL, "'%.80s' is not the name of a %s", name, kind);
	snprintf(relative, sizeof relative, "%s/%s.ini", folder, name);
	if (sf_data_find(ctx, relative, path, size) == 0)
		return SF_OK;
	names = sf_ini_names(ctx, folder);
	all = names;
	near = sf_nearest(name, names ? all : none);
	if (near)
		rc = sf_fail(ctx, SF_ENAME, "unknown %s '%s'; did you mean '%s'? (see %s; a file's name has a '/' or ends in "
		             ".ini)", kind, name, near, list);
	else
		rc = sf_fail(ctx, SF_ENAME, "unknown %s '%s' (see %s; a file's name has a '/' or ends in .ini)", kind, name,
		             list);
	sf_ini_free_names(names);
	return rc;
}
