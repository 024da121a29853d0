/* table.c: a table printed, as CSV, as JSON and as curves through gnuplot.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/table.h"
#include "cmd/plot.h"

#include <stdlib.h>
#include <string.h>

static int columns(const table *t)
{
	return t->lead + t->curves * t->width;
}

int table_open(table *t)
{
	t->curve = calloc((size_t)t->curves, sizeof *t->curve);
	t->v = calloc((size_t)t->rows * (size_t)columns(t), sizeof *t->v);
	return t->curve && t->v ? 0 : fail(STATUS_INPUT, "out of memory");
}

void table_close(table *t)
{
	int i;

	for (i = 0; t->curve && i < t->curves; i++)
		free(t->curve[i]);
	free((void *)t->curve);
	free(t->v);
}

double *table_row(const table *t, int64_t row)
{
	return t->v + row * columns(t);
}

void table_text(const table *t, const char *separator, sf_text *text)
{
	int64_t i;
	int c, k;

	for (c = 0; c < t->lead; c++)
		sf_text_add(text, "%s\"%s\"", c ? separator : "", t->leader[c]);
	for (c = 0; c < t->curves; c++)
		for (k = 0; k < t->width; k++)
			sf_text_add(text, "%s\"%s%s\"", separator, t->curve[c], t->column[k]);
	sf_text_add(text, "\n");
	for (i = 0; i < t->rows; i++)
		for (c = 0; c < columns(t); c++)
			sf_text_add(text, "%.10g%s", table_row(t, i)[c], c + 1 < columns(t) ? separator : "\n");
}

int table_csv(sf_ctx *ctx, const table *t, const char *path)
{
	sf_text text = {NULL, 0, 0, 0};
	int rc;

	table_text(t, ",", &text);
	rc = text.failed ? fail(STATUS_INPUT, "out of memory") : sf_file_write(ctx, path, text.s, text.len);
	free(text.s);
	return rc;
}

json_t *table_rows(const table *t)
{
	json_t *rows = json_array();
	int64_t i;
	int c, k;

	for (i = 0; i < t->rows; i++) {
		const double *v = table_row(t, i);
		json_t *row = json_object(), *curves = json_object();

		for (c = 0; c < t->lead; c++)
			json_object_set_new(row, t->leader[c], json_number(v[c]));
		for (c = 0; c < t->curves; c++) {
			json_t *one = json_object();

			for (k = 0; k < t->width; k++)
				json_object_set_new(one, k ? t->column[k] + 1 : t->value,
						    json_number(v[t->lead + c * t->width + k]));
			json_object_set_new(curves, t->curve[c], one);
		}
		json_object_set_new(row, "curves", curves);
		json_array_append_new(rows, row);
	}
	return rows;
}

void table_print(const table *t)
{
	const char *gap = "";
	int64_t i;
	int c;

	out("%s\n", t->unit);
	for (c = 0; c < t->lead; c++)
		if (t->shown >> c & 1) {
			out("%s%11s", gap, t->leader[c]);
			gap = " ";
		}
	for (c = 0; c < t->curves; c++)
		out(" %11s", t->curve[c]);
	for (i = 0; i < t->rows; i++) {
		const double *v = table_row(t, i);

		for (gap = "\n", c = 0; c < t->lead; c++)
			if (t->shown >> c & 1) {
				out("%s%11.5g", gap, v[c]);
				gap = " ";
			}
		for (c = 0; c < t->curves; c++)
			out(" %*.5g", strlen(t->curve[c]) < 11 ? 11 : (int)strlen(t->curve[c]),
			    v[t->lead + c * t->width]);
	}
	out("\n");
}

int table_plot(sf_ctx *ctx, const table *t, const char *path, int x, const char *commands)
{
	sf_text data = {NULL, 0, 0, 0}, all = {NULL, 0, 0, 0};
	int rc;

	table_text(t, " ", &data);
	sf_text_add(&all,
		    "set grid\nset xlabel '%s'\nset ylabel '%s'\nset key outside below noenhanced\nf(v) = v\n%s",
		    t->leader[x], t->unit, commands);
	sf_text_add(&all,
		    "plot for [i=0:%d] file using %d:(f(column(%d+%d*i))) with linespoints lw 1.5 pt 7 ps .5 title "
		    "columnheader(%d+%d*i)\n",
		    t->curves - 1, x + 1, t->lead + 1, t->width, t->lead + 1, t->width);
	rc = all.failed ? fail(STATUS_INPUT, "out of memory") : gnuplot(ctx, path, &data, all.s);
	free(data.s);
	free(all.s);
	return rc;
}
