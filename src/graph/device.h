/* device.h (internal): a device that runs plans instead of the processor: the record of functions that its unit exports, and
 * what the library tells the unit.
 *
 * Plans of float in a context with a device run there; plans of double, and everything that is no plan, stay on the processor.
 * A run takes the whole part of the batch at once: there are no shards, and sums over the batch are the kernels' own, in an
 * order that is fixed where `deterministic` is set. Pointers that are bound to a plan may be of the host or of the device
 * (sf_device_take): the former are copied before and after a run.
 *
 * Numbers on the device are float or bfloat16. With SF_DEVICE_BF16 a per-sample value of SF_DEVICE_LARGE numbers or more that is
 * neither input nor output of the plan is bfloat16, everything else float. Arithmetic is float, sums too.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_DEVICE_H
#define SF_DEVICE_H

#include <stddef.h>
#include <stdint.h>

struct sf_plan;
struct sf_run;
struct sf_node;
struct sf_conv;
struct sf_ctx;
typedef struct sf_device sf_device; /* the unit's own */

/* What products are computed in: float throughout; float operands rounded to TF32; operands of bfloat16. Sums are float. */
enum { SF_DEVICE_STRICT, SF_DEVICE_TF32, SF_DEVICE_BF16 };
enum { SF_DEVICE_LARGE = 256 };
typedef struct sf_device_how {
	int number, precision, deterministic;
	int large; /* of SF_DEVICE_BF16; 0: SF_DEVICE_LARGE. Tests make everything small */
} sf_device_how;

typedef struct sf_device_info {
	char name[120];
	int capability; /* 90 for 9.0 */
	double bytes, free;
} sf_device_info;

/* Where the values of a plan lie for `n` samples. */
typedef struct sf_device_layout {
	int64_t n;
	size_t bytes;    /* of the block that offsets count in; multiples of 256 */
	size_t *offset;  /* by value (its own, not its root's); SIZE_MAX: none */
	unsigned char *bf16; /* by value: 1 where it is bfloat16, else float; that of the root holds for views */
} sf_device_layout;

/* What the unit may call. */
typedef struct sf_device_host {
	void (*conv_of)(const struct sf_plan *p, const struct sf_node *node, struct sf_conv *c);
} sf_device_host;
extern const sf_device_host sf_device_hosting; /* device.c */

/* Called after each step of a run that is timed, with everything before it done. step -1: packed operands. */
typedef void (*sf_device_lap)(void *arg, int step);

/* One step of Adam and the averages over n numbers of device memory: see sf_train_part. */
enum { SF_DEVICE_AVERAGES = 8 };
struct sf_adam;
typedef struct sf_device_update {
	const struct sf_adam *adam;
	int64_t n;
	const float *g;
	float *param, *m, *v;
	int averages;
	float *ema[SF_DEVICE_AVERAGES]; /* the first with adam->ema, the others with decay */
	double decay[SF_DEVICE_AVERAGES];
} sf_device_update;

/* One part's samples, made from records of grey levels that lie on the device: x_t = alpha x_0 + sigma z, see src/cuda/data.h. */
typedef struct sf_device_sample {
	uint64_t draw; /* keys dequantisation */
	int64_t record, flip;
	double alpha, sigma;
} sf_device_sample;
typedef struct sf_device_feed {
	int64_t n, size, width, channels; /* a row of an image, which is what is mirrored */
	const sf_device_sample *sample; /* (n), of the host, */
	sf_device_sample *room;         /* and of the device */
	const unsigned char *records;   /* (.,size); x_0 = (v - shift)/scale, dequantised v + u */
	double shift, scale;
	int dequantise;
	uint64_t seed;                  /* of that, */
	uint64_t noise;                 /* of z, */
	uint32_t step;                  /* z's step, */
	uint64_t first;                 /* and the number of its sample 0 */
	float *xt, *z;                  /* (n,size); NULL: not asked for */
} sf_device_feed;

typedef struct sf_device_chains {
	int chains, kernels; /* chains that are alike share a kernel */
	size_t code;         /* bytes of machine code */
	char *text;          /* of malloc: freed by the caller */
} sf_device_chains;
/* A plan's convolutions and engines for them. */
typedef struct sf_device_convs {
	int forward, data, weight;  /* how many there are: convolutions, and adjoints in the image and in the weights, */
	int bf16, tensor_cores;     /* how many of all multiply bfloat16, run on tensor cores, */
	int plans;                  /* and are different */
	double workspace;           /* the largest, in bytes */
} sf_device_convs;
/* Makes a program's text into functions void f(const struct { int64_t total; void *p[]; } *): NULL where it fails. */
typedef struct sf_device_builder {
	void *(*build)(const char *text);
	void *(*find)(void *built, const char *name); /* as dlsym */
	void (*drop)(void *built);
} sf_device_builder;

/* Targets of n samples against nref rows, all of the host (src/objective/stf.c): of each, the `count` rows that come `first` rows after
 * its own, in turn, and are of its own group. */
typedef struct sf_device_stable {
	int64_t n, size, nref, first, count;
	const double *x0, *ref, *ratio; /* (n,size), (nref,size), (n) alpha/sigma */
	const int64_t *own, *group;     /* (n), (nref) or NULL */
	double *z;                      /* (n,size) */
} sf_device_stable;

/* Functions that can fail return 0 or a negative SF_E... with the reason in `why` (SF_DEVICE_WHY characters). */
enum { SF_DEVICE_WHY = 400, SF_DEVICE_VERSION = 1, SF_DEVICE_ID = 128 };
typedef struct sf_device_unit {
	int version;             /* SF_DEVICE_VERSION, */
	size_t plan_size, val_size; /* sizeof(sf_plan) and sizeof(sf_val) that the unit was built with */
	const char *name;        /* "cuda" */
	int (*count)(char *why); /* devices; 0 says why there are none */
	int (*open)(const sf_device_how *how, const sf_device_host *host, sf_device **d, char *why);
	void (*close)(sf_device *d);
	void (*describe)(sf_device *d, sf_device_info *info);
	/* Memory of the device, zeroed; NULL where there is none. Copies in any direction, waited for. */
	void *(*take)(sf_device *d, size_t bytes);
	void (*give)(sf_device *d, void *p);
	int (*copy)(sf_device *d, void *to, const void *from, size_t bytes, char *why);
	/* Operations a second of a large product in the device's precision, and bytes a second that a copy reads and writes. */
	int (*peak)(sf_device *d, double *flops, double *bytes, char *why);
	/* Plans: memory for runs of up to lay->n samples. SF_ENOMEM: *needed and *free say how far it was. */
	int (*plan_open)(sf_device *d, const struct sf_plan *p, const sf_device_layout *lay, void **part, double *needed,
	                 double *free, char *why);
	void (*plan_close)(void *part);
	/* Runs part run->part of the batch. held: params and shared inputs are as in the run before, and so is what depends on
	 * them alone. Outputs on the host are there when it returns, others when the device is waited for. lap: NULL, or see
	 * above. SF_EINVAL with *bad, *sample and *index set: a gather's index is out of range (see sf_lane). */
	int (*plan_run)(void *part, const struct sf_plan *p, const struct sf_run *run, int held, sf_device_lap lap, void *arg,
	                int *bad, int64_t *sample, double *index, char *why);
	/* The optimiser: sum of squares in a fixed order, one update, and nonfinite numbers as in sf_train_sanitise. */
	int (*squares)(sf_device *d, int64_t n, const float *g, double *sum, char *why);
	int (*update)(sf_device *d, const sf_device_update *u, char *why);
	int (*sanitise)(sf_device *d, int64_t n, float *g, double most, int64_t *found, char *why);
	/* Inputs of training, queued; `sample` may change when it returns. */
	int (*feed)(sf_device *d, const sf_device_feed *f, char *why);
	/* For everything that was queued. */
	int (*wait)(sf_device *d, char *why);
	/* The program that a plan's chains of elementwise nodes become (src/cuda/source.h), compiled where the unit has a compiler;
	 * and, for the unit as C, who compiles it: without one (NULL) chains are interpreted. */
	int (*chains)(const struct sf_plan *p, const sf_device_layout *lay, int capability, sf_device_chains *out, char *why);
	void (*chains_by)(const sf_device_builder *b);
	/* Engines for the convolutions of a plan as they would be run on an H100, looked for without a device. SF_EUNSUP: one has none. */
	int (*convs)(const sf_device_host *host, const sf_device_how *how, const struct sf_plan *p, const sf_device_layout *lay,
	             sf_device_convs *out, char *why);
	/* Sums over the devices of several processes (src/comm/nccl.c). One of them draws an id, which all open with; x of the device or
	 * of the host, and there when it returns. Nobody is waited for longer than `timeout` seconds. */
	int (*ranks_id)(unsigned char id[SF_DEVICE_ID], char *why);
	int (*ranks_open)(sf_device *d, int ranks, int rank, const unsigned char id[SF_DEVICE_ID], double timeout, void **out, char *why);
	int (*ranks_sum)(void *ranks, int doubles, int64_t n, void *x, char *why);
	int (*ranks_broadcast)(void *ranks, size_t bytes, void *p, char *why); /* of rank 0 */
	void (*ranks_close)(void *ranks, int aborted);
	/* Stable targets; z becomes them, and is there when it returns. */
	int (*stable)(sf_device *d, const sf_device_stable *s, char *why);
} sf_device_unit;
#define SF_DEVICE_SYMBOL "sf_device_unit_cuda"
extern const sf_device_unit sf_device_unit_cuda;

/* ---- device.c: the library's side ---- */
/* A context's device. */
typedef struct sf_device_link {
	const sf_device_unit *unit;
	sf_device *d;
	sf_device_how how;
	void *module; /* of dlopen */
	char text[200];
} sf_device_link;
/* sf_ctx_set_device with a unit that is at hand, or NULL for the module, and in every detail (tests). */
int sf_device_use(struct sf_ctx *ctx, const sf_device_unit *unit, const sf_device_how *how);
/* NULL where plans of this element type run on the processor. */
const sf_device_link *sf_device_of(const struct sf_ctx *ctx, int dtype);
/* Memory of the context's device (zeroed; NULL), and copies; failures have a message. */
void *sf_device_take(struct sf_ctx *ctx, size_t bytes);
void sf_device_give(struct sf_ctx *ctx, void *p);
int sf_device_copy(struct sf_ctx *ctx, void *to, const void *from, size_t bytes);
/* A plan's part on the device. */
int sf_device_plan_take(struct sf_plan *p);
void sf_device_plan_free(struct sf_plan *p);
int sf_device_plan_run(struct sf_plan *p, const struct sf_run *run);
/* Bytes of a number of a value. */
size_t sf_device_width(const struct sf_plan *p, int val);
/* device_layout.c: SF_ENOMEM. Freed by the second. */
int sf_device_lay_out(const struct sf_plan *p, int64_t n, const sf_device_how *how, sf_device_layout *lay);
void sf_device_layout_free(sf_device_layout *lay);

#endif
