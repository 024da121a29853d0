/* png.c: all PNG files below a folder, in bytewise order of their paths, of one size. Where every
 * file lies in a folder inside it and there are several of those, their sorted names are the
 * classes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"
#include "data/folder.h"

#include <string.h>

typedef struct pngs {
	sf_store store;
	char *path;
	int64_t channels;
} pngs;

static const sf_opt options[] = {
	{"path", "folder of PNG files", SF_OPT_STRING, offsetof(pngs, path), "", 0, 0, NULL},
	{"channels", "1 grey, 3 colour (grey files are widened), 0 as the first file", SF_OPT_INT,
         offsetof(pngs, channels), "0", 0, 3, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int init(void *state, sf_ctx *ctx)
{
	pngs *s = state;

	if (s->channels == 2)
		return sf_fail(ctx, SF_EINVAL, "data 'png': channels=2; expected 0, 1 or 3");
	return SF_OK;
}

/* Decodes file number i into its place; the first one makes the array. */
static int load(sf_data *d, const sf_folder *f, size_t i)
{
	pngs *s = sf_data_state(d);
	sf_array *x = &s->store.x;
	sf_ctx *ctx = d->base.ctx;
	unsigned char *pixels, *to;
	int64_t h, w, k, ch;
	int c, rc = SF_OK;

	SF_TRY(sf_png_read(ctx, f->path[i], &h, &w, &c, &pixels));
	if (i == 0) {
		int64_t dim[4] = {(int64_t)f->n, h, w, s->channels ? s->channels : c};

		rc = sf_array_new(ctx, s->path, SF_U8, 4, dim, x);
	}
	if (rc == 0 && (h != x->dim[1] || w != x->dim[2]))
		rc = sf_fail(ctx, SF_EMISMATCH,
		             "%s: %lld x %lld pixels; expected %lld x %lld as in %s", f->path[i],
		             (long long)w, (long long)h, (long long)x->dim[2], (long long)x->dim[1],
		             f->path[0]);
	if (rc == 0 && c > x->dim[3])
		rc = sf_fail(ctx, SF_EMISMATCH,
		             "%s: a colour image among grey ones; channels=3 reads all as colour",
		             f->path[i]);
	if (rc == 0) {
		to = (unsigned char *)x->data + (int64_t)i * h * w * x->dim[3];
		for (k = 0; k < h * w; k++)
			for (ch = 0; ch < x->dim[3]; ch++)
				*to++ = pixels[k * c + (c == 1 ? 0 : ch)];
	}
	sf_free(pixels);
	return rc;
}

/* Compares the first parts of two paths ("a/..." is before "a-b/...", although '-' sorts before
 * '/'). */
static int compare_class(const char *a, const char *b)
{
	for (; *a == *b && *a != '/'; a++, b++)
		;
	if (*a == *b)
		return 0;
	return *b == '/' || (*a != '/' && (unsigned char)*a > (unsigned char)*b) ? 1 : -1;
}

/* Files are sorted, so that most of a class are neighbours: the classes seen so far are searched
 * from the last. `first` holds a file of each class in order of appearance; labels count the names
 * that sort before. */
static int label(sf_data *d, const sf_folder *f)
{
	pngs *s = sf_data_state(d);
	size_t skip = strlen(s->path) + 1, classes = 0, i, k;
	int *l = sf_alloc(f->n, sizeof *l), *rank = sf_alloc(f->n, sizeof *rank);
	const char **first = sf_alloc(f->n, sizeof *first);

	if (!l || !rank || !first) {
		sf_free(l);
		sf_free(rank);
		sf_free(first);
		return sf_fail(d->base.ctx, SF_ENOMEM, "%s: out of memory", s->path);
	}
	for (i = 0; i < f->n; i++) {
		const char *name = f->path[i] + skip;

		if (!strchr(name, '/')) { /* a file without a class: no labels */
			classes = 0;
			break;
		}
		for (k = classes; k > 0 && compare_class(first[k - 1], name) != 0; k--)
			;
		if (k == 0) {
			first[classes++] = name;
			k = classes;
		}
		l[i] = (int)k - 1;
	}
	for (i = 0; i < classes; i++)
		for (k = 0; k < classes; k++)
			rank[i] += compare_class(first[i], first[k]) > 0;
	for (i = 0; i < f->n; i++)
		l[i] = rank[l[i]];
	if (classes > 1) {
		s->store.label = l;
		l = NULL;
		d->info.classes = (int)classes;
	}
	sf_free(l);
	sf_free(rank);
	sf_free(first);
	return SF_OK;
}

static int open_files(sf_data *d)
{
	const pngs *s = sf_data_state(d);
	sf_folder f;
	size_t i;
	int rc;

	if (!*s->path)
		return sf_fail(d->base.ctx, SF_EINVAL, "data 'png': path=FOLDER is missing");
	SF_TRY(sf_folder_list(d->base.ctx, s->path, ".png", &f));
	for (i = 0, rc = SF_OK; i < f.n && rc == 0; i++)
		rc = load(d, &f, i);
	if (rc == 0)
		rc = sf_store_describe(d, s->path, 0);
	if (rc == 0)
		rc = label(d, &f);
	sf_folder_free(&f);
	return rc;
}

const sf_data_class sf_data_png = {
	{"png", "a folder of PNG files; its folders are the classes",
         "Portable Network Graphics (ISO/IEC 15948)", sizeof(pngs), options, init, sf_store_fini},
	open_files,
	sf_store_read,
	NULL,
};
