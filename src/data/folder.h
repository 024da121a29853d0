/* folder.h: the files below a folder.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_FOLDER_H
#define SF_FOLDER_H

#include "io/io.h"

typedef struct sf_folder {
	size_t n;
	char **path; /* each starts with the folder's own path and '/' */
} sf_folder;
/* Files below `folder` whose names end in `ending` (in either case), sorted bytewise. Names that
 * start with '.' are passed over; links are followed. SF_EIO for what cannot be read and for loops
 * of links, SF_EFORMAT where there is no such file. */
int sf_folder_list(sf_ctx *ctx, const char *folder, const char *ending, sf_folder *out);
void sf_folder_free(sf_folder *f);

#endif
