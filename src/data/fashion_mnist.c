/* fashion_mnist.c: Fashion-MNIST, 60,000 and 10,000 images of 28 x 28 in ten classes (Xiao, Rasul,
 * Vollgraf 2017), where Debian's package dataset-fashion-mnist puts it, or in another folder with
 * files of the same names, gzipped or not. Known answer: the training pixels add up to 3431114169
 * and the test pixels to 573469082, every class has 6,000 and 1,000 images.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct fashion {
	sf_store store;
	char *dir;
	int split;
	int64_t pad;
} fashion;

static const sf_opt options[] = {
	{"dir", "folder with the four IDX files", SF_OPT_STRING, offsetof(fashion, dir),
         "/usr/share/datasets/fashion-mnist", 0, 0, NULL},
	{"split", "which part", SF_OPT_CHOICE, offsetof(fashion, split), "train", 0, 0,
         "train|test"},
	{"pad", "black pixels on each side; 2 makes 32 x 32", SF_OPT_INT, offsetof(fashion, pad), "0", 0, 64, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

/* dir/name.gz, or dir/name where that is not there. */
static int locate(sf_data *d, const char *name, char *path, size_t size)
{
	const fashion *f = sf_data_state(d);
	sf_ctx *ctx = d->base.ctx;

	SF_TRY(sf_path_join(ctx, f->dir, name, path, size));
	if (access(path, F_OK) == 0)
		return SF_OK;
	path[strlen(path) - 3] = '\0';
	if (access(path, F_OK) == 0)
		return SF_OK;
	return sf_fail(ctx, SF_EIO,
	               "data 'fashion-mnist': no %s in '%s'; install the package "
	               "dataset-fashion-mnist (Debian, "
	               "Ubuntu) or set dir=FOLDER",
	               name, f->dir);
}

static int open_files(sf_data *d)
{
	static const char *const part[] = {"train", "t10k"};
	const fashion *f = sf_data_state(d);
	char name[64], images[SF_PATH_MAX], labels[SF_PATH_MAX];

	snprintf(name, sizeof name, "%s-images-idx3-ubyte.gz", part[f->split]);
	SF_TRY(locate(d, name, images, sizeof images));
	snprintf(name, sizeof name, "%s-labels-idx1-ubyte.gz", part[f->split]);
	SF_TRY(locate(d, name, labels, sizeof labels));
	SF_TRY(sf_store_idx(d, images, labels, 0));
	return sf_store_pad(d, images, f->pad);
}

const sf_data_class sf_data_fashion_mnist = {
	{"fashion-mnist", "garments, 28 x 28 grey, ten classes", "Xiao, Rasul, Vollgraf 2017",
         sizeof(fashion), options, NULL, sf_store_fini},
	open_files,
	sf_store_read,
	NULL,
};
