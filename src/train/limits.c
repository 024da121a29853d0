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
	const char *base, *max, *now, *cached;
} files;
static const files v1 = {"/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "};
static const files v2 = {"/sys/fs/cgroup", "memory.max", "memory.current", "inactive_file "};

/* A group and those that it is in; in a container the outer ones are not there. */
static void groups(sf_limits *l, const char *root, const files *f, char *group)
{
	char path[SF_PATH_MAX], *slash;

	for (;;) {
		double max, now, cached;

		snprintf(path, sizeof path, "%s%s%s/%s", root, f->base, group, f->max);
		max = number_in(path, "");
		limit(l, max, "the memory limit of its control group");
		snprintf(path, sizeof path, "%s%s%s/%s", root, f->base, group, f->now);
		now = number_in(path, "");
		snprintf(path, sizeof path, "%s%s%s/memory.stat", root, f->base, group);
		cached = number_in(path, f->cached);
		if (max > 0 && now >= 0)
			least(now - (cached > 0 ? cached : 0) < max ? max - now + (cached > 0 ? cached : 0) : 1, &l->free);
		slash = strrchr(group, '/');
		if (!slash)
			return;
		*slash = '\0';
	}
}

/* Lines "4:memory:/GROUP" (version 1) and "0::/GROUP" (2). */
static void control_groups(sf_limits *l, const char *root)
{
	char path[SF_PATH_MAX], line[LINE];
	FILE *f;

	snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof line, f)) {
		char *kinds = strchr(line, ':'), *group = kinds ? strchr(kinds + 1, ':') : NULL;

		if (!group)
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (kinds[1] == '\0')
			groups(l, root, &v2, group);
		else if (strstr(kinds, "memory"))
			groups(l, root, &v1, group);
	}
	if (f)
		fclose(f);
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
	control_groups(l, root);
	if (*root)
		return;
	resource(l, RLIMIT_AS, "its address space (ulimit -v)");
	resource(l, RLIMIT_DATA, "its data (ulimit -d)");
}
