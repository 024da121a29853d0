/* batch.h: a batch behind its handle, and the table of its graph's inputs.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_OBJECTIVE_BATCH_H
#define SF_OBJECTIVE_BATCH_H

#include "graph/device.h"
#include "objective/rule.h"

/* An input of the graph and where a part's numbers for it lie: in a draw, or they are made on the device. */
enum { SF_ROW_DRAWN, SF_ROW_NOISY, SF_ROW_NOISE };
typedef struct sf_batch_row {
	sf_var var;
	int made;              /* SF_ROW_... */
	const double *from;    /* drawn: of sample 0; NULL: zeros */
	int64_t count, stride; /* numbers of a sample, and how far apart samples lie */
} sf_batch_row;
enum { SF_BATCH_OF_DRAW = 11 + SF_OBJECTIVE_EXTRA, SF_BATCH_ROWS = SF_BATCH_DRAWS * SF_BATCH_OF_DRAW + 1 + SF_BATCH_SCALARS };

/* Records of grey levels on the device, and how they are looked at (sf_view). */
typedef struct sf_batch_source {
	const unsigned char *records; /* (n,size) */
	const int *label;             /* (n), of the host; -1: none */
	int64_t width, channels;
	double shift, scale;
	int dequantise;
	uint64_t seed;
} sf_batch_source;
enum { SF_BATCH_THERE = 4 };

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
	int64_t whole, from; /* see sf_batch_how */
	int later;           /* stable targets are made on the device, with */
	double *ratio;       /* (room): alpha/sigma of each sample, */
	int64_t *own, *group; /* (room), (rows): its row in the reference batch; the rows' labels, or NULL */
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
	double bytes;       /* of all arrays on the host */
	int taking, bad, lacks; /* allocate: counts alone; memory ran out; the device's did */
	int device;         /* the gradient is the device's */
	const sf_batch_source *source; /* NULL: everything is drawn on the host */
	sf_device_sample *sample, *sample_there; /* (room), and where it goes */
	void *there[SF_BATCH_THERE]; /* the device's memory */
	int nthere;
};

/* batch.c: the arrays' sizes. */
void sf_batch_count(sf_batch *b);
/* batch_device.c: makes x_t and z of the data where the source lies, instead of reading x0 and drawing; before sf_batch_open.
 * SF_EUNSUP unless sf_objective_plain and a device. */
int sf_batch_source_set(sf_batch *b, const sf_batch_source *source);
const sf_batch_source *sf_batch_source_of(const sf_batch *b);
/* The part's samples: the caller fills in draw, record and flip, and the labels of sf_batch_data, whose x is NULL. */
sf_device_sample *sf_batch_samples(sf_batch *b);
/* Zeroed memory of the device until the batch goes; NULL. */
void *sf_batch_there(sf_batch *b, int64_t count, int64_t size, size_t element);
void sf_batch_leave(sf_batch *b);
/* Makes a part's inputs. */
int sf_batch_feed(sf_batch *b);

/* batch_table.c: lists the inputs of the graph; before there is memory, for their sizes alone. */
void sf_batch_list(sf_batch *b);
/* Rounds what all rows have to the plan's type, into b->in. */
int sf_batch_put(const sf_batch *b);

/* batch_device.c: the draw's z becomes its stable targets. */
int sf_batch_stable(sf_batch *b);

#endif
