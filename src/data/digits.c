/* digits.c: the 1,797 handwritten digits of 8 x 8 pixels and 17 grey levels that are shipped (UCI
 * Optical Recognition of Handwritten Digits, test set, Alpaydin and Kaynak 1998;
 * data/digits.README). Known answer: the pixels add up to 561718; the counts of 0 to 9 are 178 182
 * 177 183 181 182 181 179 174 180.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

typedef struct digits {
	sf_store store;
} digits;

static int open_files(sf_data *d)
{
	char images[SF_PATH_MAX], labels[SF_PATH_MAX];

	SF_TRY(sf_data_find(d->base.ctx, "digits-images-idx3-ubyte.gz", images, sizeof images));
	SF_TRY(sf_data_find(d->base.ctx, "digits-labels-idx1-ubyte.gz", labels, sizeof labels));
	return sf_store_idx(d, images, labels, 17);
}

const sf_data_class sf_data_digits = {
	{"digits", "1,797 handwritten digits, 8 x 8, shipped", "Alpaydin and Kaynak 1998 (UCI)",
         sizeof(digits), NULL, NULL, sf_store_fini},
	open_files,
	sf_store_read,
	NULL,
};
