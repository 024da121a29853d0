/* limits.c: how much memory this process may have, and how much of it is free now.
 *
 *     most  the least of: physical memory, the limits of its control groups (both versions), RLIMIT_AS, RLIMIT_DATA
 *     free  the least of: MemAvailable of /proc/meminfo, and of each control group the limit less what is in use, in which
 *           cached files do not count that can go
 *
 * What cannot be read limits nothing. Swap counts as nothing: training in it would not end.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/internal.h"

#include "io/io.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LINE = 512 };

/* The number after `key` at a line's start (any line for ""), or -1. */
static double number_in(const char *path, const char *key)
{
	char line[LINE], *end;
	double v = -1;
	FILE *f = fopen(path, "r");

	if (!f)
		return -1;
	while (v < 0 && fgets(line, sizeof line, f))
		if (strncmp(line, key, strlen(key)) == 0) {
			const char *at = line + strlen(key);

			v = strtod(at, &end);
			if (end == at || !(v >= 0))
				v = -1; /* "max" */
		}
	fclose(f);
	return v;
}

static void least(double v, double *of)
{
	if (v > 0 && (*of <= 0 || v < *of))
		*of = v;
}

static void limit(sf_limits *l, double v, const char *what)
{
	if (v > 0 && (l->most <= 0 || v < l->most))
		l->what = what;
	least(v, &l->most);
}

/* The files of one version of control groups. */
typedef struct files {
	const char *max, *now, *cached;
} files;
static const files v1 = {"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};
static const files v2 = {"memory.max", "memory.current", "inactive_file "};

static double number_at(const char *folder, const char *name, const char *key)
{
	char path[SF_PATH_MAX];

	if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
		return -1;
	return number_in(path, key);
}

static void group(void *arg, int version, const char *folder)
{
	const files *f = version == 2 ? &v2 : &v1;
	double max = number_at(folder, f->max, ""), now = number_at(folder, f->now, "");
	double cached = number_at(folder, "memory.stat", f->cached);
	sf_limits *l = arg;

	limit(l, max, "the memory limit of its control group");
	if (max > 0 && now >= 0)
		least(now - (cached > 0 ? cached : 0) < max ? max - now + (cached > 0 ? cached : 0) : 1, &l->free);
}

static void resource(sf_limits *l, int which, const char *what)
{
	struct rlimit r;

	if (getrlimit(which, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
		limit(l, (double)r.rlim_cur, what);
}

void sf_limits_read(const char *root, sf_limits *l)
{
	char path[SF_PATH_MAX];

	memset(l, 0, sizeof *l);
#ifdef _SC_PHYS_PAGES /* not of POSIX */
	if (!*root)
		limit(l, (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE), "the machine's memory");
#endif
	snprintf(path, sizeof path, "%s/proc/meminfo", root);
	limit(l, 1024 * number_in(path, "MemTotal:"), "the machine's memory");
	least(1024 * number_in(path, "MemAvailable:"), &l->free);
	sf_cgroups(root, "memory", group, l);
	if (*root)
		return;
	resource(l, RLIMIT_AS, "its address space (ulimit -v)");
	resource(l, RLIMIT_DATA, "its data (ulimit -d)");
}
