/* plot_loss.c: the loss during training, from the run's log.jsonl: one JSON object a line; those
 * with a "step" and a "loss" are points.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char commands[] = "set grid\n"
			       "set xlabel 'training step'\n"
			       "set ylabel 'loss'\n"
			       "unset key\n"
			       "plot file using 1:2 with lines lw 1.5\n";

static int read_log(sf_ctx *ctx, const char *path, sf_text *data, int *points)
{
	unsigned char *bytes = NULL;
	size_t size = 0;
	char *line, *next;
	long number = 0;
	int rc = sf_file_read(ctx, path, (size_t)1 << 30, &bytes, &size);

	if (rc < 0)
		return rc;
	sf_text_add(data, "# step loss\n");
	for (line = (char *)bytes; *line && rc == 0; line = next) {
		json_error_t error;
		json_t *j, *step, *loss;

		number++;
		next = strchr(line, '\n');
		next = next ? next + 1 : line + strlen(line);
		j = json_loadb(line, (size_t)(next - line), 0, &error);
		if (!j) {
			/* The last line of a killed run may be cut short. */
			if (*next)
				rc = fail(STATUS_INPUT, "%s:%ld: not a JSON object: %s", path,
				          number, error.text);
			break;
		}
		step = json_object_get(j, "step");
		loss = json_object_get(j, "loss");
		if (json_is_integer(step) && json_is_number(loss)) {
			sf_text_add(data, "%lld %.10g\n", (long long)json_integer_value(step),
			         json_number_value(loss));
			++*points;
		}
		json_decref(j);
	}
	free(bytes);
	return rc;
}

static int draw(sf_ctx *ctx, const plot_opts *o, const char *operand, const char *path)
{
	sf_text data = {NULL, 0, 0, 0};
	char log[1024];
	struct stat st;
	int rc, points = 0, dir = stat(operand, &st) == 0 && S_ISDIR(st.st_mode);

	(void)o;
	snprintf(log, sizeof log, "%s%s", operand, dir ? "/log.jsonl" : "");
	rc = read_log(ctx, log, &data, &points);
	if (rc == 0 && points == 0)
		rc = fail(STATUS_INPUT, "%s holds no loss yet", log);
	if (rc == 0)
		rc = gnuplot(ctx, path, &data, commands);
	free(data.s);
	return rc;
}

void plot_loss_of_run(sf_ctx *ctx, const char *dir)
{
	sf_text data = {NULL, 0, 0, 0};
	char log[1100], path[1100];
	int points = 0;

	snprintf(log, sizeof log, "%.1024s/log.jsonl", dir);
	snprintf(path, sizeof path, "%.1024s/loss.png", dir);
	if (gnuplot_installed() && read_log(ctx, log, &data, &points) == 0 && points > 1)
		(void)gnuplot(ctx, path, &data, commands);
	free(data.s);
}

const plot_kind plot_loss = {"loss", "the loss during training", draw};
