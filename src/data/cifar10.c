/* cifar10.c: the binary version of CIFAR-10 (Krizhevsky 2009): files of 3073-byte records, a label
 * 0 to 9 and 32 x 32 planes of red, green and blue. The planes become (32,32,3) pixels. The Python
 * version holds pickles, which are programs, and is not read.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <stdio.h>
#include <stdlib.h>

enum { PIXELS = 32 * 32, RECORD = 1 + 3 * PIXELS, FILES = 5 };

typedef struct cifar {
	sf_store store;
	char *dir;
	int split;
} cifar;

static const sf_opt options[] = {
	{"dir", "folder with data_batch_1.bin to data_batch_5.bin and test_batch.bin",
         SF_OPT_STRING, offsetof(cifar, dir), "", 0, 0, NULL},
	{"split", "which part", SF_OPT_CHOICE, offsetof(cifar, split), "train", 0, 0, "train|test"},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

int sf_cifar_parse(sf_ctx *ctx, const char *what, const unsigned char *bytes, size_t size,
                   unsigned char *pixels, int *label)
{
	size_t i, k, n = size / RECORD;
	int c;

	if (size == 0 || size % RECORD != 0)
		return sf_fail(ctx, SF_EFORMAT,
		               "%s: %zu bytes; CIFAR-10 batches hold records of %d bytes", what,
		               size, (int)RECORD);
	for (i = 0; i < n; i++, bytes += RECORD) {
		if (bytes[0] > 9)
			return sf_fail(ctx, SF_EFORMAT,
			               "%s: label of record %zu is %d; expected 0 to 9", what, i,
			               bytes[0]);
		if (!pixels)
			continue;
		label[i] = bytes[0];
		for (k = 0; k < PIXELS; k++)
			for (c = 0; c < 3; c++)
				*pixels++ = bytes[1 + (size_t)c * PIXELS + k];
	}
	return SF_OK;
}

/* All files are read and checked before the records are laid out in one array. */
static int open_files(sf_data *d)
{
	cifar *s = sf_data_state(d);
	sf_ctx *ctx = d->base.ctx;
	unsigned char *bytes[FILES] = {NULL};
	size_t size[FILES] = {0};
	int64_t dim[4] = {0, 32, 32, 3}, at = 0;
	int i, files = s->split ? 1 : FILES, rc = SF_OK;
	char path[SF_PATH_MAX], name[32];

	if (!*s->dir)
		return sf_fail(ctx, SF_EINVAL,
		               "data 'cifar10': dir=FOLDER is missing; expected the folder of "
		               "CIFAR-10's binary "
		               "version");
	for (i = 0; i < files && rc == 0; i++) {
		if (s->split)
			snprintf(name, sizeof name, "test_batch.bin");
		else
			snprintf(name, sizeof name, "data_batch_%d.bin", i + 1);
		rc = sf_path_join(ctx, s->dir, name, path, sizeof path);
		if (rc == 0)
			rc = sf_file_read(ctx, path, (size_t)1 << 30, &bytes[i], &size[i]);
		if (rc == 0)
			rc = sf_cifar_parse(ctx, path, bytes[i], size[i], NULL, NULL);
		dim[0] += (int64_t)(size[i] / RECORD);
	}
	if (rc == 0)
		rc = sf_array_new(ctx, s->dir, SF_U8, 4, dim, &s->store.x);
	if (rc == 0 && !(s->store.label = sf_alloc((size_t)dim[0], sizeof *s->store.label)))
		rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory", s->dir);
	for (i = 0; i < files && rc == 0; i++) {
		rc = sf_cifar_parse(ctx, s->dir, bytes[i], size[i],
		                    (unsigned char *)s->store.x.data + at * 3 * PIXELS,
		                    s->store.label + at);
		at += (int64_t)(size[i] / RECORD);
	}
	if (rc == 0)
		rc = sf_store_describe(d, s->dir, 0);
	d->info.classes = 10;
	for (i = 0; i < files; i++)
		free(bytes[i]);
	return rc;
}

const sf_data_class sf_data_cifar10 = {
	{"cifar10", "CIFAR-10's binary batches, 32 x 32 RGB", "Krizhevsky 2009", sizeof(cifar),
         options, NULL, sf_store_fini},
	open_files,
	sf_store_read,
	NULL,
};
