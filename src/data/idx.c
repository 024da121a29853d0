/* idx.c: images in the IDX format of MNIST, plain or gzip, of any numeric type: (n,d), (n,h,w) or
 * (n,h,w,c).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

typedef struct idx {
	sf_store store;
	char *images, *labels;
	int64_t levels;
} idx;

static const sf_opt options[] = {
	{"images", "IDX file of the records", SF_OPT_STRING, offsetof(idx, images), "", 0, 0, NULL},
	{"labels", "IDX file of the labels; empty for none", SF_OPT_STRING, offsetof(idx, labels),
         "", 0, 0, NULL},
	{"levels", "grey levels; 0: 256 for bytes, else continuous", SF_OPT_INT,
         offsetof(idx, levels), "0", 0, 65536, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL},
};

static int open_files(sf_data *d)
{
	const idx *i = sf_data_state(d);

	if (!*i->images)
		return sf_fail(d->base.ctx, SF_EINVAL, "data 'idx': images=FILE is missing");
	return sf_store_idx(d, i->images, i->labels, i->levels);
}

const sf_data_class sf_data_idx = {
	{"idx", "an IDX file (MNIST's format), plain or gzip",
         "LeCun, Cortes, Burges: MNIST's file format", sizeof(idx), options, NULL, sf_store_fini},
	open_files,
	sf_store_read,
	NULL,
};
