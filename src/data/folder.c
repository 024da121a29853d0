/* folder.c: the files of a folder and all below it, by their ending, in bytewise order of their
 * paths.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 64 };

typedef struct walk {
	sf_ctx *ctx;
	const char *ending;
	sf_folder *out;
	size_t cap;
	struct {
		dev_t dev;
		ino_t ino;
	} above[DEPTH_MAX]; /* the folders that lead here: one of them again is a loop of links */
} walk;

static int add(walk *w, const char *path)
{
	if (w->out->n == w->cap) {
		size_t cap = 2 * w->cap + 64, bytes;
		char **more = NULL;

		if (sf_mul_size(cap, sizeof *more, &bytes) == 0)
			more = realloc(w->out->path, bytes);
		if (!more)
			return sf_fail(w->ctx, SF_ENOMEM, "%s: out of memory", path);
		w->out->path = more;
		w->cap = cap;
	}
	w->out->path[w->out->n] = sf_strdup(path);
	if (!w->out->path[w->out->n])
		return sf_fail(w->ctx, SF_ENOMEM, "%s: out of memory", path);
	w->out->n++;
	return SF_OK;
}

static int ends_with(const char *s, const char *ending)
{
	size_t n = strlen(s), m = strlen(ending);

	return n > m && strcasecmp(s + n - m, ending) == 0;
}

static int walk_folder(walk *w, const char *folder, int depth);

static int visit(walk *w, const char *folder, const char *name, int depth)
{
	char *path = sf_alloc(SF_PATH_MAX, 1); /* not on the stack: folders nest */
	struct stat st;
	int rc;

	if (!path)
		return sf_fail(w->ctx, SF_ENOMEM, "%s: out of memory", folder);
	rc = sf_path_join(w->ctx, folder, name, path, SF_PATH_MAX);
	if (rc == 0 && stat(path, &st) < 0)
		rc = sf_fail(w->ctx, SF_EIO, "%s: cannot stat: %s", path, strerror(errno));
	if (rc == 0 && S_ISDIR(st.st_mode))
		rc = walk_folder(w, path, depth + 1);
	else if (rc == 0 && S_ISREG(st.st_mode) && ends_with(name, w->ending))
		rc = add(w, path);
	sf_free(path);
	return rc;
}

static int walk_folder(walk *w, const char *folder, int depth)
{
	struct dirent *entry;
	struct stat st;
	DIR *dir;
	int i, rc = SF_OK;

	if (depth == DEPTH_MAX)
		return sf_fail(w->ctx, SF_ERANGE, "%s: folders nested more than %d deep", folder,
		               DEPTH_MAX);
	dir = opendir(folder);
	if (!dir || stat(folder, &st) < 0) {
		rc = sf_fail(w->ctx, SF_EIO, "%s: cannot open folder: %s", folder, strerror(errno));
		goto done;
	}
	w->above[depth].dev = st.st_dev;
	w->above[depth].ino = st.st_ino;
	for (i = 0; i < depth; i++)
		if (w->above[i].dev == st.st_dev && w->above[i].ino == st.st_ino) {
			rc = sf_fail(w->ctx, SF_EIO,
			             "%s: a symbolic link leads back to a folder above it", folder);
			goto done;
		}
	while (rc == 0 && (errno = 0, entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			rc = visit(w, folder, entry->d_name, depth);
	if (rc == 0 && errno)
		rc = sf_fail(w->ctx, SF_EIO, "%s: cannot read folder: %s", folder, strerror(errno));
done:
	if (dir)
		closedir(dir);
	return rc;
}

/* Bytewise, and independent of the locale. */
static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int sf_folder_list(sf_ctx *ctx, const char *folder, const char *ending, sf_folder *out)
{
	walk w;
	int rc;

	memset(&w, 0, sizeof w);
	memset(out, 0, sizeof *out);
	w.ctx = ctx;
	w.ending = ending;
	w.out = out;
	rc = walk_folder(&w, folder, 0);
	if (rc == 0 && out->n == 0)
		rc = sf_fail(ctx, SF_EFORMAT,
		             "%s: no file that ends in '%s' in this folder or below", folder,
		             ending);
	if (rc < 0)
		sf_folder_free(out);
	else
		qsort(out->path, out->n, sizeof *out->path, by_name);
	return rc;
}

void sf_folder_free(sf_folder *f)
{
	size_t i;

	for (i = 0; i < f->n; i++)
		sf_free(f->path[i]);
	free(f->path);
	memset(f, 0, sizeof *f);
}
