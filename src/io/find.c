/* find.c: where shipped files are: the directory named by SCOREFIELD_DATA, then the installed one.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef SF_DATADIR
#define SF_DATADIR "/usr/local/share/scorefield"
#endif

const char *sf_data_dir(int i)
{
	const char *env = getenv("SCOREFIELD_DATA");

	if (env && *env && i-- == 0)
		return env;
	return i == 0 ? SF_DATADIR : NULL;
}

int sf_path_join(sf_ctx *ctx, const char *dir, const char *name, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/%s", dir, name);

	if (n < 0 || (size_t)n >= size)
		return sf_fail(ctx, SF_ERANGE, "%.80s.../%.80s: path is longer than %zu bytes", dir,
		               name, size - 1);
	return SF_OK;
}

int sf_data_find(sf_ctx *ctx, const char *name, char *path, size_t size)
{
	const char *dir, *env = getenv("SCOREFIELD_DATA");
	int i;

	for (i = 0; (dir = sf_data_dir(i)); i++) {
		SF_TRY(sf_path_join(ctx, dir, name, path, size));
		if (access(path, R_OK) == 0)
			return SF_OK;
	}
	if (env && *env)
		return sf_fail(ctx, SF_ENAME,
		               "cannot find '%s' in '%s' (SCOREFIELD_DATA) or in '%s'", name, env,
		               SF_DATADIR);
	return sf_fail(ctx, SF_ENAME,
	               "cannot find '%s' in '%s' (set SCOREFIELD_DATA to the data folder)", name,
	               SF_DATADIR);
}
