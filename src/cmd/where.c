/* where.c: finds the data folder (presets, digits) of a program that was moved or not installed.
 *
 * The library looks in SCOREFIELD_DATA and in the folder given to configure. Where neither has the
 * presets, the program looks beside itself: in ../share/scorefield of an installation that was
 * moved, and in the data folder of the sources for a program that stands in a build folder.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WHERE_MAX = 4096 };

/* Folder of the running program, with links resolved: argv[0], else its place in PATH. */
static int own_folder(const char *argv0, char *dir)
{
	const char *path = getenv("PATH");
	char name[WHERE_MAX];
	char *real = NULL;

	if (strchr(argv0, '/')) {
		real = realpath(argv0, NULL);
	} else {
		while (!real && path && *path) {
			int len = (int)strcspn(path, ":");

			if ((size_t)snprintf(name, sizeof name, "%.*s/%s", len, path, argv0) < sizeof name &&
			    access(name, X_OK) == 0)
				real = realpath(name, NULL);
			path += len + (path[len] == ':');
		}
	}
	if (!real || strlen(real) >= WHERE_MAX) {
		free(real);
		return -1;
	}
	strcpy(dir, real);
	free(real);
	*strrchr(dir, '/') = '\0';
	return 0;
}

static int holds_presets(const char *dir)
{
	char name[WHERE_MAX];

	return (size_t)snprintf(name, sizeof name, "%s/presets/checkerboard.ini", dir) < sizeof name &&
	       access(name, R_OK) == 0;
}

void find_data_folder(const char *argv0)
{
	/* installed; build folder inside the sources or the sources themselves, with and without
	 * the folder that libtool keeps the program in */
	static const char *const places[] = {"../share/scorefield", "data", "../data", "../../data"};
	const char *given = getenv("SCOREFIELD_DATA");
	char dir[WHERE_MAX], name[WHERE_MAX];
	size_t i;

	if ((given && *given) || holds_presets(sf_data_dir(0)) || own_folder(argv0, dir) < 0)
		return;
	for (i = 0; i < sizeof places / sizeof *places; i++) {
		if ((size_t)snprintf(name, sizeof name, "%s/%s", dir, places[i]) < sizeof name &&
		    holds_presets(name)) {
			setenv("SCOREFIELD_DATA", name, 1);
			return;
		}
	}
}
