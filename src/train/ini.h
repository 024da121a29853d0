/* ini.h: the INI files that come with scorefield: reading with exact line numbers, and finding them by name.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TRAIN_INI_H
#define SF_TRAIN_INI_H

#include "core/core.h"

enum { SF_INI_MAX = 1 << 20 };
/* One "key = value" of a section; `continued` where the line started with a blank. A failure ends the reading; "path:line: "
 * is put before its message. */
typedef int (*sf_ini_fn)(void *user, const char *section, const char *key, const char *value, int continued);
/* A text terminated by a zero that `size` does not count; `path` for the messages. */
int sf_ini_parse(sf_ctx *ctx, const char *path, const char *text, size_t size, sf_ini_fn fn, void *user);
int sf_ini_read(sf_ctx *ctx, const char *path, sf_ini_fn fn, void *user);

/* Names of the files FOLDER/NAME.ini in all data folders, in order, NULL-ended; NULL where there is none. */
char **sf_ini_names(sf_ctx *ctx, const char *folder);
void sf_ini_free_names(char **names);
/* Path of the file FOLDER/NAME.ini, or `name` itself where it has a '/' or ends in .ini. `kind` and `list` ("preset", "scorefield
 * list preset") for the message with the nearest name. */
int sf_ini_find(sf_ctx *ctx, const char *kind, const char *folder, const char *list, const char *name, char *path,
                size_t size);

#endif
