/* cores.c: how many processors' worth of time the control groups grant this process.
 *
 *     quota/period of each group, the least of them, rounded up: 1.5 processors are 2 threads, which together use it all
 *
 * version 2: cpu.max holds "QUOTA PERIOD" or "max PERIOD"; version 1: cpu.cfs_quota_us (-1: none) and cpu.cfs_period_us. Both in
 * microseconds (Linux, Documentation/admin-guide/cgroup-v2.rst and scheduler/sched-bwc.rst). Which processors the
 * process may run on is the thread library's to say, see sf_cores.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Up to two numbers at the start of a file: how many there are. */
static int numbers(const char *folder, const char *name, double v[2])
{
	char path[4096], line[128], *at = line, *end;
	int n = 0;
	FILE *f;

	if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
		return 0;
	f = fopen(path, "r");
	if (!f)
		return 0;
	if (fgets(line, sizeof line, f))
		for (; n < 2; n++, at = end) {
			v[n] = strtod(at, &end); /* "max" is none */
			if (end == at || !isfinite(v[n]))
				break;
		}
	fclose(f);
	return n;
}

static void quota_of(void *arg, int version, const char *folder)
{
	double *least = arg, v[2] = {0, 0}, period[2];

	if (version == 2 && numbers(folder, "cpu.max", v) < 2)
		return;
	if (version == 1) {
		if (numbers(folder, "cpu.cfs_quota_us", v) < 1 || numbers(folder, "cpu.cfs_period_us", period) < 1)
			return;
		v[1] = period[0];
	}
	if (v[0] > 0 && v[1] > 0 && (*least <= 0 || v[0] / v[1] < *least))
		*least = v[0] / v[1];
}

int sf_cores_granted(const char *root)
{
	double least = 0;

	sf_cgroups(root, "cpu", quota_of, &least);
	return least > 0 && least < 1024 ? (int)ceil(least) : 0;
}
