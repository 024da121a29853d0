/* npy.c: records from a NumPy file: (n,d), (n,h,w) or (n,h,w,c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

typedef struct npy {
	sf_store store;
	char *path, *labels;
	int64_t levels;
} npy;

static const sf_opt options[] = {
	{"path", "NPY file of the records", SF_OPT_STRING, offsetof(npy, path), "", 0, 0, NULL},
	{"labels", "NPY file of the labels; empty for none", SF_OPT_STRING, offsetof(npy, labels),
         "", 0, 0, NULL},
	{"levels", "grey levels; 0: 256 for bytes, else continuous", SF_OPT_INT,
         offsetof(npy, levels), "0", 0, 65536, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int open_files(sf_data *d)
{
	npy *s = sf_data_state(d);
	sf_ctx *ctx = d->base.ctx;
	sf_array l;
	int rc;

	if (!*s->path)
		return sf_fail(ctx, SF_EINVAL, "data 'npy': path=FILE is missing");
	SF_TRY(sf_npy_read(ctx, s->path, &s->store.x));
	SF_TRY(sf_store_describe(d, s->path, s->levels));
	if (!*s->labels)
		return SF_OK;
	SF_TRY(sf_npy_read(ctx, s->labels, &l));
	rc = sf_store_label(d, s->labels, &l);
	sf_array_free(&l);
	return rc;
}

const sf_data_class sf_data_npy = {
	{"npy", "a NumPy file", "NumPy's NPY format, versions 1.0 to 3.0", sizeof(npy), options,
         NULL, sf_store_fini},
	open_files,
	sf_store_read,
	NULL,
};
