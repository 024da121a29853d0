/* cgroup.c: the control groups of this process: folders of small files in which Linux keeps what a group of processes may use.
 *
 * /proc/self/cgroup has lines "4:cpu,cpuacct:/GROUP" (version 1, one hierarchy for each set of controllers) and "0::/GROUP"
 * (version 2, one for all). Every group around a group limits it too. In a container the outer ones, or even GROUP itself,
 * may not be there; what cannot be read limits nothing.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <stdio.h>
#include <string.h>

enum { LINE = 1024, ROOM = 2048, LINES = 256 };

/* Is `name` one of the words "a,b,c"? */
static int among(const char *name, const char *words, size_t length)
{
	size_t n = strlen(name), i, word;

	for (i = 0; i < length; i += word + 1) {
		word = strcspn(words + i, ",:");
		if (word == n && strncmp(words + i, name, n) == 0)
			return 1;
	}
	return 0;
}

/* The group and those around it, up to the hierarchy's root. */
static void climb(const char *base, char *group, int version, sf_cgroup_fn each, void *arg)
{
	char path[ROOM], *slash;

	if (strstr(group, "/..")) /* it is not below what this process sees */
		*group = '\0';
	do {
		slash = strrchr(group, '/');
		if (slash && !slash[1]) { /* "/" is the root, like "" */
			*slash = '\0';
			continue;
		}
		snprintf(path, sizeof path, "%s%s", base, group);
		each(arg, version, path);
		if (slash)
			*slash = '\0';
	} while (slash);
}

void sf_cgroups(const char *root, const char *controller, sf_cgroup_fn each, void *arg)
{
	char base[ROOM / 2], line[LINE];
	int whole = 1, lines;
	FILE *f;

	if (strlen(root) > ROOM / 4)
		return;
	snprintf(base, sizeof base, "%s/proc/self/cgroup", root);
	f = fopen(base, "r");
	for (lines = 0; f && lines < LINES && fgets(line, sizeof line, f); lines++) {
		char *kinds = strchr(line, ':'), *group = kinds ? strchr(kinds + 1, ':') : NULL;
		int starts = whole;

		whole = strchr(line, '\n') != NULL;
		if (!starts || !group) /* the rest of a line, or none of ours */
			continue;
		*group++ = '\0';
		group[strcspn(group, "\n")] = '\0';
		if (kinds[1] == '\0') {
			snprintf(base, sizeof base, "%s/sys/fs/cgroup", root);
			climb(base, group, 2, each, arg);
		} else if (among(controller, kinds + 1, strlen(kinds + 1))) {
			snprintf(base, sizeof base, "%s/sys/fs/cgroup/%s", root, controller);
			climb(base, group, 1, each, arg);
		}
	}
	if (f)
		fclose(f);
}
