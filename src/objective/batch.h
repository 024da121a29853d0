/* batch.h: a batch behind its handle, and the table of its graph's inputs.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_BATCH_H
#define SF_OBJECTIVE_BATCH_H

#include "objective/rule.h"

/* An input of the graph and where a part's numbers for it lie. */
typedef struct sf_batch_row {
	sf_var var;
	const double *from;    /* of sample 0; NULL: zeros */
	int64_t count, stride; /* numbers of a sample, and how far apart samples lie */
} sf_batch_row;
enum { SF_BATCH_OF_DRAW = 11 + SF_OBJECTIVE_EXTRA, SF_BATCH_ROWS = SF_BATCH_DRAWS * SF_BATCH_OF_DRAW + 1 + SF_BATCH_SCALARS };

struct sf_batch {
	sf_ctx *ctx;
	sf_dtype type;
	const sf_objective *o;
	sf_model m;
	const sf_batch_kind *kind; /* NULL: the objective's own loss */
	sf_graph *g;
	sf_plan *plan;
	sf_batch_made made;
	sf_draw draw[SF_BATCH_DRAWS];
	sf_run run;         /* n, shards, parts, and the part at hand */
	int64_t room, base; /* samples of the largest part; the first one of the part at hand */
	int64_t rows, data, blocks, probes, extras, reference, augments; /* data: numbers of a record */
	double *x0, *label; /* (rows,data), (rows) */
	double *zero;       /* (room,size): what draws start from where the data are not perturbed themselves; or NULL */
	double *seen;       /* (room): labels that the network sees */
	double *augment;    /* (rows,augments); NULL: none */
	double *scalar[SF_BATCH_SCALARS];
	sf_profile *profile; /* NULL: nobody asks where the time goes */
	sf_batch_row row[SF_BATCH_ROWS];
	void *in[SF_BATCH_ROWS]; /* of the plan's type */
	int nrow;
	void *value[SF_BATCH_VALUES], *grad;
	double sum[SF_BATCH_VALUES]; /* of the values of a step's parts so far */
	double bytes;       /* of all arrays */
	int taking, bad;    /* allocate: counts alone; memory ran out */
};

/* batch_table.c: lists the inputs of the graph; before there is memory, for their sizes alone. */
void sf_batch_list(sf_batch *b);
/* Rounds what all rows have to the plan's type, into b->in. */
int sf_batch_put(const sf_batch *b);

#endif
