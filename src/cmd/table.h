/* table.h: numbers to show: a row a point (a time, a noise level, a checkpoint), a group of columns a curve;
 * printing, CSV, JSON and plots read the same table.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_TABLE_H
#define SF_CMD_TABLE_H

#include "cmd/cmd.h"

typedef struct table {
	int64_t rows;
	int lead;                  /* columns before the curves, */
	const char *const *leader; /* their names (lead), */
	unsigned shown;            /* and which of them are printed: bits */
	int curves, width;         /* columns of a curve: the plotted one, its error, others */
	char **curve;              /* names, owned */
	const char *const *column; /* their endings (width), the first "" and the others from a blank on */
	const char *value;         /* what JSON calls the first */
	const char *unit;          /* what the curves are */
	double *v;                 /* (rows, lead + curves width) */
} table;

/* Everything but the numbers and the curves' names must be set. */
int table_open(table *t);
void table_close(table *t);
double *table_row(const table *t, int64_t row);

/* Names of the columns, in double quotes that names themselves never hold, and the numbers. */
void table_text(const table *t, const char *separator, sf_text *text);
int table_csv(sf_ctx *ctx, const table *t, const char *path);
/* [{leader: .., "curves": {name: {..}}}, ..]; a new reference. */
json_t *table_rows(const table *t);
void table_print(const table *t);
/* The curves over leading column x; `commands` set what else gnuplot should know, f(v) if the numbers are to be shown
 * as something else. */
int table_plot(sf_ctx *ctx, const table *t, const char *path, int x, const char *commands);

#endif
