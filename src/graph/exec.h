/* exec.h (internal): what the planner hands to the executor.
 *
 * A plan copies the nodes that its outputs need (sf_val; `in` then counts within the plan) and
 * sorts their work into steps of three phases:
 *
 *   PRE    shared values of inputs, parameters and constants: once per run
 *   SHARD  per-sample values and sums over the batch: for every shard, shards in parallel
 *   POST   shared values that depend on a batch sum: once, after the shards are added up
 *
 * A step is one node, two nodes that share their work (group norm gradients), or a chain of
 * elementwise nodes that runs block by block.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_EXEC_H
#define SF_EXEC_H

#include <pthread.h>

#include "graph/graph.h"

enum { SF_PRE, SF_SHARD, SF_POST, SF_PHASES };
enum {
	SF_BLOCK = 2048,     /* elements of a chain's block: a few of them stay in L1 */
	SF_SLOTS = 6,        /* blocks a chain keeps for values that nobody else reads */
	SF_FETCH = 2,        /* blocks for operands that must be spread out first */
	SF_MAXSHARDS = 1 << 20
};

/* Where a value lives. */
typedef struct sf_val {
	sf_node node;        /* a copy; in[] are indices into sf_plan.val */
	sf_var var;
	int phase;
	int batch;           /* a sum over the batch: each shard writes a partial */
	int root;            /* the value whose memory this one is (itself; else a view of it) */
	int virt;            /* a broadcast that only elementwise nodes read: never written out */
	int readers;         /* values that read this root */
	int first, last;     /* steps between which a root must stay */
	int absorbed;        /* the product whose bias this was and which it is now (plan_fuse.c), or -1 */
	int slope;           /* SiLU: the value that gets its derivative, made with it; or -1 */
	int slot;            /* block of its chain that holds it, or -1: memory */
	int buf;             /* sf_plan.buf or -1 */
	int out;             /* the output that is written directly, or -1 */
	int64_t part;        /* batch: first element in a slot of partials */
	int64_t param;       /* SF_OP_PARAM: offset in the flat buffer */
	const void *bound;   /* SF_OP_INPUT */
} sf_val;

/* A piece of memory that is in use from step `first` to step `last`. */
enum { SF_IN_ARENA, SF_IN_SHARED };
typedef struct sf_buf {
	int region, first, last;
	size_t bytes, offset;
} sf_buf;

/* How an operand is read at flat index e of the result (all samples of the shard):
 *   DENSE  p[e]
 *   CYCLE  p[(e / (period repeat)) period + e % period]; repeat 0: p[e % period]
 *   GRID   by coordinates, with a stride for the sample and each of the four dimensions */
enum { SF_DENSE, SF_CYCLE, SF_GRID };
typedef struct sf_view {
	int val;             /* root */
	int kind;
	int64_t period, repeat;
	int64_t dim[SF_MAXRANK], stride[SF_MAXRANK], sample;
} sf_view;

/* One elementwise node of a chain. */
typedef struct sf_link {
	int val, slope;      /* slope: a second result, see sf_val; or -1 */
	sf_view a, b;        /* b.val < 0: one operand */
} sf_link;

typedef struct sf_work {
	int val;             /* the node; of a chain the last */
	int partner;         /* second result, or -1 */
	int link, nlink;     /* nlink > 0: a chain, sf_plan.link[link ..] */
	int pack;            /* sf_plan.pack of the second operand, or -1 */
	int64_t block;       /* chain: elements of a block */
} sf_work;

/* A shared operand brought into a kernel's form once per run. */
enum { SF_PACK_FORWARD, SF_PACK_ADJOINT, SF_PACK_TRANSPOSE };
typedef struct sf_pack {
	int kind, val, buf;
	sf_conv conv;
	int64_t count, rows, cols; /* TRANSPOSE: count matrices (rows,cols) */
} sf_pack;

typedef struct sf_copy { /* an output that shares its value with another one */
	int out, val;
} sf_copy;

typedef struct sf_cpu sf_cpu;

struct sf_plan {
	sf_graph *g;
	sf_ctx *ctx;
	sf_dtype type;
	size_t esize;
	int64_t max_shard;
	const sf_cpu *cpu;
	const void *kern;    /* sf_kern_f32 or sf_kern_f64, fixed when planned */

	sf_val *val;
	int nval;
	int *of;             /* graph variable -> val, or -1; ngraph entries */
	int ngraph;
	sf_work *step;
	int nstep, begin[SF_PHASES + 1];
	sf_link *link;
	int nlink;
	sf_pack *pack;
	int npack;
	sf_buf *buf;
	int nbuf;
	int *batch;          /* the batch sums */
	int nbatch;
	sf_copy *copy;
	int ncopy;
	int nout;
	int *out_val;
	void **out;          /* bound destinations */
	const void *params;
	int needs_params;

	int workers;
	size_t arena_bytes, scratch_bytes, shared_bytes;
	int64_t part;        /* elements of a slot of partials */
	unsigned char *memory; /* shared region, then arena and scratch of each worker */
	void ***ptr;         /* per worker: address of every value */
	void **slot;         /* partials of shards in flight; left untouched until needed */
	int nslot;
	struct sf_tree *tree;
	sf_run going;        /* the run whose parts are being made, */
	int64_t next_part;   /* and its next one; 0: none has begun */
	double flops;
	struct sf_meter *meter; /* NULL: nobody asks where the time goes */
	int64_t room;        /* most samples of a run's part, if that was said (sf_plan_room) */
	int held, primed;    /* parameters stay as they are; what depends on them alone is there (sf_plan_hold) */
	struct sf_device_part *on; /* the device that runs it, device.c; NULL: the processor */
};

/* What one worker knows while it runs a phase of one shard. */
typedef struct sf_lane {
	const sf_plan *p;
	const sf_run *run;
	const void *kern;
	void **ptr;
	void *scratch;
	int64_t n;           /* samples: 1 in PRE and POST */
	int64_t first;       /* index of the first one */
	int worker;
	const sf_ctx *team;  /* threads that may share the work of a step; NULL: this lane is one of several */
	int bad;             /* value whose step failed */
	int64_t bad_sample;
	double bad_index;
} sf_lane;

/* One element type's operations, cpu_f32.c and cpu_f64.c. */
struct sf_cpu {
	const void *(*kernels)(const sf_ctx *ctx);
	int (*run)(sf_lane *l, const sf_work *s);
	size_t (*scratch)(const sf_plan *p, const sf_work *s);       /* elements */
	size_t (*pack_size)(const sf_plan *p, const sf_pack *k);     /* elements */
	void (*pack)(const sf_plan *p, const sf_pack *k, const void *src, void *dst);
	void (*add)(const void *kern, int64_t n, const void *a, const void *b, void *o);
	void (*set)(const sf_node *constant, void *o);
};
extern const sf_cpu sf_cpu_f32, sf_cpu_f64;

/* plan_order.c: values, phases, views and steps. */
int sf_plan_order(sf_plan *p, const sf_var *out, int nout);
/* plan_chain.c */
int sf_is_elementwise(sf_opcode op); /* and SF_OP_BROADCAST */
sf_view sf_view_of(const sf_plan *p, int reader, int operand);
int sf_plan_chains(sf_plan *p);
/* plan_fuse.c */
int sf_plan_fuse(sf_plan *p);
/* plan_pack.c: the conv geometry of a node and the operands worth packing. */
sf_conv sf_conv_of(const sf_plan *p, const sf_node *node);
int sf_plan_packs(sf_plan *p);
/* plan_memory.c */
int sf_plan_memory(sf_plan *p);
/* Offsets for the buffers of a region, *size for all of them; SF_ENOMEM. */
int sf_plan_place(sf_buf *buf, int nbuf, int region, size_t *size);

/* exec.c: a worker's scratch memory. */
void *sf_lane_scratch(const sf_plan *p, int worker);

/* profile.c: what each step costs, and how long it took each worker. */
typedef struct sf_cost {
	int kind;
	double flops, bytes;         /* of a sample */
	double once_flops, once_bytes; /* of a call, whatever the number of samples */
} sf_cost;
typedef struct sf_meter {
	sf_profile *into;    /* the caller's */
	sf_profile *worker;  /* one a worker: what it did since the last sf_meter_flush */
	sf_cost *cost;       /* one a step */
} sf_meter;
void sf_meter_step(const sf_lane *l, int step, double seconds);
void sf_meter_kind(const sf_plan *p, int worker, int kind, double seconds); /* work that is not a step */
/* What the workers did in `wall` seconds, side by side on `threads` threads. */
void sf_meter_flush(const sf_plan *p, int threads, double wall);
void sf_meter_free(sf_plan *p);

/* exec_tree.c: partial sums of shards, added as a binary tree over the shard index. */
typedef struct sf_tree sf_tree;
int sf_tree_new(const sf_plan *p, sf_tree **t);
void sf_tree_free(sf_tree *t);
void sf_tree_start(sf_tree *t, int64_t shards);
/* The next shard, in order, and the slot for its partials (-1: the final place, for shard 0). May
 * wait for a slot; one is always freed when the shards in flight end. */
int64_t sf_tree_next(sf_tree *t, int *slot);
/* Adds the shard to its sibling as soon as both are there. `add` adds slot b to slot a. */
void sf_tree_done(sf_tree *t, int64_t shard, int slot, void (*add)(void *arg, int a, int b),
                  void *arg);

#endif
