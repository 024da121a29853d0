/* clock.c: the seconds of a run's steps, from its log.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/clock.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int add_tick(ticks *all, int64_t step, double seconds)
{
	if (all->n == all->room) {
		int64_t room = 2 * all->room + 64;
		tick *v = realloc(all->v, (size_t)room * sizeof *v);

		if (!v)
			return fail(STATUS_INPUT, "out of memory");
		all->v = v;
		all->room = room;
	}
	all->v[all->n].step = step;
	all->v[all->n++].seconds = seconds;
	return 0;
}

int clock_read(sf_ctx *ctx, const char *dir, ticks *all)
{
	unsigned char *bytes = NULL;
	double before = 0, offset = 0;
	char path[1200], *line, *next;
	struct stat st;
	size_t size = 0;
	int rc;

	if ((size_t)snprintf(path, sizeof path, "%s/log.jsonl", dir) >= sizeof path || stat(path, &st) != 0)
		return 0;
	rc = sf_file_read(ctx, path, (size_t)1 << 30, &bytes, &size);
	for (line = (char *)bytes; rc == 0 && *line; line = next) {
		json_error_t error;
		json_t *j, *step, *seconds;

		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		j = json_loadb(line, (size_t)(next - line), 0, &error);
		step = json_object_get(j, "step");
		seconds = json_object_get(j, "seconds");
		if (json_is_integer(step) && json_is_number(seconds)) {
			double s = json_number_value(seconds);

			if (s < before)
				offset += before;
			before = s;
			rc = add_tick(all, (int64_t)json_integer_value(step), offset + s);
		}
		json_decref(j);
	}
	free(bytes);
	return rc;
}

double clock_at(const ticks *all, int64_t step)
{
	tick a = {0, 0};
	int64_t i;

	for (i = 0; i < all->n && all->v[i].step < step; i++)
		a = all->v[i];
	if (step == 0)
		return 0;
	if (i == all->n)
		return a.step > 0 ? a.seconds * (double)step / (double)a.step : nan("");
	return a.seconds +
	       (all->v[i].seconds - a.seconds) * (double)(step - a.step) / (double)(all->v[i].step - a.step);
}
