/* graph.h: networks and objectives as a graph of tensor operations.
 *
 * Building reads like mathematics: each call appends one node and returns its variable. An error
 * sticks to the graph (later calls are no-ops that return SF_NOVAR) and is reported once, by
 * sf_graph_status or when a plan is made.
 *
 * Every operation is written for ONE sample: a variable is either `per-sample` (it has a value for
 * each sample of the batch, of the stated shape) or `shared` (parameters, constants, sums over
 * the batch). The batch is never a dimension. An operation of a per-sample with a shared operand
 * is per-sample. Only sf_batch_sum, sf_sum_to with per_sample = 0, and the gradients of shared
 * variables cross the batch; a batch sum cannot feed a per-sample value.
 *
 * Shapes have rank 0 (a scalar) to 4, row-major, images (h,w,c). Elementwise operands broadcast as
 * in NumPy: aligned at the last dimension, sizes equal or 1.
 *
 * sf_grad (reverse mode) and sf_jvp (forward mode) append nodes to the same graph, so they nest in
 * any order: the gradient of v'Jv is sf_grad of sf_dot(v, sf_jvp(...)).
 *
 * Reference for the modes: Griewank and Walther, Evaluating Derivatives (2008), chapters 3 and 6.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_GRAPH_H
#define SCOREFIELD_GRAPH_H

#include <scorefield/noise.h>

SF_BEGIN

typedef struct sf_graph sf_graph;
typedef int sf_var;
enum { SF_NOVAR = -1, SF_MAXRANK = 4 };
typedef enum { SF_F32, SF_F64 } sf_dtype;

typedef struct sf_shape {
	int per_sample;
	int rank;
	int64_t dim[SF_MAXRANK];
	int64_t size; /* elements of one sample; product of dim */
} sf_shape;

/* `order` is how often the result will be differentiated: with 1, composite operations (group
 * normalisation, attention, SiLU) become one node with a fused kernel and a fused first derivative
 * for sf_grad; with 2, the same calls spell them in primitives, which differentiate any number
 * of times and in both modes. */
SF_API int sf_graph_new(sf_ctx *ctx, int order, sf_graph **g);
SF_API void sf_graph_free(sf_graph *g);
SF_API int sf_graph_order(const sf_graph *g);
SF_API int sf_graph_status(const sf_graph *g); /* 0 or the first error; text in the context */
SF_API sf_shape sf_shape_of(const sf_graph *g, sf_var a);
SF_API int sf_graph_nodes(const sf_graph *g);

/* Makes later nodes' names start with `name.` until the matching pop ("down0.res1.conv0.weight"). */
SF_API void sf_push(sf_graph *g, const char *fmt, ...) SF_PRINTF(2, 3);
SF_API void sf_pop(sf_graph *g);
/* The graph fails with this message (used by builders that refuse their arguments). */
SF_API sf_var sf_graph_fail(sf_graph *g, int code, const char *fmt, ...) SF_PRINTF(3, 4);

/* ---- leaves ---- */
SF_API sf_var sf_input(sf_graph *g, const char *name, int per_sample, int rank, const int64_t *dim);
SF_API sf_var sf_const(sf_graph *g, double value); /* shared scalar */
/* A shared tensor of known finite values, row-major, at most 2^24 of them; copied into the graph. */
SF_API sf_var sf_const_tensor(sf_graph *g, int rank, const int64_t *dim, const double *value);
/* A per-sample leaf drawn from the noise (seed, step and first sample of the run; element = index
 * in the sample). kind: 'n' normal, 'u' uniform, 'r' Rademacher (+1 or -1). */
SF_API sf_var sf_random(sf_graph *g, char kind, uint32_t purpose, int rank, const int64_t *dim);

/* Initial value of a parameter: uniform within +-scale*sqrt(3/fan), or normal of standard deviation
 * scale/sqrt(fan) with fan as named, or the constant `scale`. SF_INIT_GAIN: in each run of fan_in elements the first
 * fan_out are 1 + scale times a normal, the others 0 (tables of gains and shifts side by side). */
typedef enum { SF_INIT_CONST, SF_INIT_UNIFORM_AVG, SF_INIT_UNIFORM_IN, SF_INIT_NORMAL_IN,
               SF_INIT_NORMAL /* no fan */, SF_INIT_GAIN } sf_init_kind;
typedef struct sf_init {
	sf_init_kind kind;
	double scale;
	int64_t fan_in, fan_out;
} sf_init;
/* A trainable shared leaf. Asking again for a name that exists with the same shape returns the same
 * variable: a network called twice shares its parameters. */
SF_API sf_var sf_param(sf_graph *g, const char *name, int rank, const int64_t *dim, sf_init init);
/* The same for numbers that are drawn and saved with the parameters but not trained: no gradient goes into them. */
SF_API sf_var sf_param_fixed(sf_graph *g, const char *name, int rank, const int64_t *dim, sf_init init);

/* Parameters live in one flat buffer of sf_param_total elements; each starts at a multiple of 16
 * elements, gaps are zero. Order of first use. */
typedef struct sf_param_info {
	const char *name;
	sf_var var;
	sf_shape shape;
	sf_init init;
	int64_t offset;
	int fixed; /* made by sf_param_fixed */
} sf_param_info;
SF_API int sf_param_count(const sf_graph *g);
SF_API int64_t sf_param_total(const sf_graph *g);
SF_API const sf_param_info *sf_param_get(const sf_graph *g, int i);
/* Draws initial values into a flat buffer (seed, SF_NOISE_INIT, i). dtype of `flat` as named. */
SF_API void sf_param_init(const sf_graph *g, uint64_t seed, sf_dtype type, void *flat);

/* ---- elementwise ---- */
SF_API sf_var sf_add(sf_graph *g, sf_var a, sf_var b);
SF_API sf_var sf_sub(sf_graph *g, sf_var a, sf_var b);
SF_API sf_var sf_mul(sf_graph *g, sf_var a, sf_var b);
SF_API sf_var sf_div(sf_graph *g, sf_var a, sf_var b);
SF_API sf_var sf_scale(sf_graph *g, sf_var a, double c);  /* c a */
SF_API sf_var sf_offset(sf_graph *g, sf_var a, double c); /* a + c */
SF_API sf_var sf_neg(sf_graph *g, sf_var a);
SF_API sf_var sf_square(sf_graph *g, sf_var a);
SF_API sf_var sf_sqrt(sf_graph *g, sf_var a);
SF_API sf_var sf_exp(sf_graph *g, sf_var a);
SF_API sf_var sf_log(sf_graph *g, sf_var a);
SF_API sf_var sf_sin(sf_graph *g, sf_var a);
SF_API sf_var sf_cos(sf_graph *g, sf_var a);
SF_API sf_var sf_tanh(sf_graph *g, sf_var a);
SF_API sf_var sf_sigmoid(sf_graph *g, sf_var a);
SF_API sf_var sf_softplus(sf_graph *g, sf_var a);
SF_API sf_var sf_silu(sf_graph *g, sf_var a); /* a sigmoid(a); composite */
SF_API sf_var sf_relu(sf_graph *g, sf_var a);
SF_API sf_var sf_elu(sf_graph *g, sf_var a);
SF_API sf_var sf_step(sf_graph *g, sf_var a);   /* 1 where a > 0, else 0; derivative 0 */
SF_API sf_var sf_detach(sf_graph *g, sf_var a); /* a; derivative 0 */

/* ---- reductions and broadcasts ---- */
/* Sums over the dimensions in which the target is 1 or absent, and over the batch if the target
 * is shared; its adjoint is sf_broadcast_to. */
SF_API sf_var sf_sum_to(sf_graph *g, sf_var a, int per_sample, int rank, const int64_t *dim);
SF_API sf_var sf_broadcast_to(sf_graph *g, sf_var a, int per_sample, int rank, const int64_t *dim);
SF_API sf_var sf_sum(sf_graph *g, sf_var a);  /* over all elements of a sample: a scalar */
SF_API sf_var sf_mean(sf_graph *g, sf_var a); /* the same, divided by their number */
SF_API sf_var sf_dot(sf_graph *g, sf_var a, sf_var b);
SF_API sf_var sf_sumsq(sf_graph *g, sf_var a);
SF_API sf_var sf_batch_sum(sf_graph *g, sf_var a); /* per-sample scalar or tensor -> shared */

/* ---- linear algebra and convolution ---- */
/* (..,r,k) by (..,k,m) -> (..,r,m); ta, tb transpose the last two dimensions of a, b. A rank-1 a is a
 * row, and the result then has rank 1. Leading dimensions are equal or absent on one side. */
SF_API sf_var sf_matmul(sf_graph *g, sf_var a, sf_var b, int ta, int tb);
/* x (h,w,ci), weights (kh,kw,ci,co) -> (ho,wo,co), zero padding `pad` on each side,
 * ho = (h + 2 pad - kh)/stride + 1. Correlation, as networks use the word convolution. */
SF_API sf_var sf_conv2d(sf_graph *g, sf_var x, sf_var w, int stride, int pad);
/* The same with the kernel's taps `dilation` pixels apart (Yu and Koltun 2016, 1511.07122, eq 2):
 * ho = (h + 2 pad - dilation (kh - 1) - 1)/stride + 1. Stride and dilation 1 to 64. */
SF_API sf_var sf_conv2d_dilated(sf_graph *g, sf_var x, sf_var w, int stride, int pad, int dilation);
/* Separable FIR resampling of (h,w,c): zero insertion by `up`, zero padding pad0 before and pad1
 * after, correlation with the taps reversed (a true convolution), every `down`-th sample kept,
 * along both axes. Size (h up + pad0 + pad1 - ntap)/down + 1. Negative pads crop. */
SF_API sf_var sf_upfirdn(sf_graph *g, sf_var x, int up, int down, int pad0, int pad1, int ntap,
                         const double *tap);
SF_API sf_var sf_down2(sf_graph *g, sf_var x); /* 2x2 mean */
SF_API sf_var sf_up2(sf_graph *g, sf_var x);   /* nearest neighbour */
/* t (h,w,c) where x (h,w,c) has its maximum in each k x k window, channel by channel:
 * ho = (h + 2 pad - k)/stride + 1. Padding is -inf, 2 pad <= k; of equal maxima the first in row-major
 * order counts; a NaN beats every number. The choice has derivative zero, so that pooling differentiates in
 * both modes and any number of times. */
SF_API sf_var sf_pick(sf_graph *g, sf_var x, sf_var t, int k, int stride, int pad);
SF_API sf_var sf_max_pool(sf_graph *g, sf_var x, int k, int stride, int pad); /* sf_pick of x itself */
/* Mean over the window, divided by k^2 also where padding (zeros) is in it. */
SF_API sf_var sf_avg_pool(sf_graph *g, sf_var x, int k, int stride, int pad);
/* Bilinear interpolation of (h,w,c) to (ho,wo,c) with the corners aligned: output o lies at o (h-1)/(ho-1), an
 * output of one pixel at 0. */
SF_API sf_var sf_resize_bilinear(sf_graph *g, sf_var x, int64_t ho, int64_t wo);

/* ---- shape ---- */
SF_API sf_var sf_reshape(sf_graph *g, sf_var a, int rank, const int64_t *dim);
SF_API sf_var sf_permute(sf_graph *g, sf_var a, const int *axis); /* out dim i = in dim axis[i] */
SF_API sf_var sf_concat(sf_graph *g, sf_var a, sf_var b);         /* last dimension */
SF_API sf_var sf_slice(sf_graph *g, sf_var a, int64_t first, int64_t n); /* last dimension */
/* table (rows, k) shared, index a per-sample scalar holding a whole number -> (k). */
SF_API sf_var sf_gather(sf_graph *g, sf_var table, sf_var index);

/* ---- composites: one fused node in graphs of order 1, primitives in graphs of order 2 ---- */
enum { SF_ACT_NONE, SF_ACT_SILU };
/* Group normalisation of (..,c) over all positions and the c/groups channels of a group (Wu and He
 * 2018, eq 1-3; biased variance), times gamma (c) plus beta (c), then the activation. */
SF_API sf_var sf_group_norm(sf_graph *g, sf_var x, sf_var gamma, sf_var beta, int groups, double eps,
                            int act);
SF_API sf_var sf_softmax(sf_graph *g, sf_var a); /* last dimension */
/* softmax(q k' / sqrt(c)) v for q, k, v (t,c) with `heads` equal heads. */
SF_API sf_var sf_attention(sf_graph *g, sf_var q, sf_var k, sf_var v, int heads);

/* ---- differentiation ---- */
/* Gradient of a scalar y with respect to wrt[0..n): out[i] has the shape of wrt[i] (an all-zero node
 * where y does not depend on it). A per-sample y stands for its sum over the batch. */
SF_API int sf_grad(sf_graph *g, sf_var y, const sf_var *wrt, int n, sf_var *out);
/* Tangent of y for the tangent xdot of x. */
SF_API sf_var sf_jvp(sf_graph *g, sf_var y, sf_var x, sf_var xdot);

/* Recomputation (Chen et al. 2016, 1604.06174): sf_grad and sf_jvp do not read the forward pass where it was computed
 * long ago, but append what they need of it a second time right before its use, so that a plan keeps little between
 * the passes. Values and gradients are the same bits, also where derivatives nest.
 *   BLOCKS  kept are leaves, what is shared by all samples, variables marked with sf_keep, and those that are read on
 *           the other side of a mark; what lies between two marks is computed again. Networks mark the results of their
 *           blocks. About one more forward pass; without marks nothing changes.
 *   CHEAP   kept are the results of products, convolutions and softmax; what lies between them (normalisations,
 *           activations, dropout masks, concatenations) is computed again. To be set before the graph is built.
 * From the next sf_grad or sf_jvp on. */
enum { SF_RECOMPUTE_NONE, SF_RECOMPUTE_BLOCKS, SF_RECOMPUTE_CHEAP };
SF_API void sf_graph_recompute(sf_graph *g, int level);
SF_API sf_var sf_keep(sf_graph *g, sf_var a); /* a */

/* ---- plan and run ---- */
typedef struct sf_plan sf_plan;
typedef struct sf_plan_info {
	int nodes;              /* that run */
	int64_t arena_bytes;    /* per thread */
	int64_t shared_bytes;   /* once */
	int64_t shard_bytes;    /* batch-sum partials, per shard in flight */
	double flops;           /* per sample */
} sf_plan_info;

/* Orders the nodes that `out` needs, assigns memory, binds kernels of one precision. `max_shard`:
 * most samples one thread works on at a time. All memory is taken here; sf_plan_run takes none.
 * The graph must outlive the plan and may be appended to afterwards.
 * SF_EMISMATCH where a batch sum feeds a per-sample value; SF_EUNSUP; SF_ENOMEM. */
SF_API int sf_plan_new(sf_graph *g, const sf_var *out, int nout, sf_dtype type, int64_t max_shard,
                       sf_plan **plan);
/* The same in two steps: between them the plan can be described, but not run, and holds next to no memory. */
SF_API int sf_plan_layout(sf_graph *g, const sf_var *out, int nout, sf_dtype type, int64_t max_shard, sf_plan **plan);
SF_API int sf_plan_take(sf_plan *p);
/* What a plan would need, which is not kept. */
SF_API int sf_plan_measure(sf_graph *g, const sf_var *out, int nout, sf_dtype type, int64_t max_shard,
                           sf_plan_info *info);
SF_API void sf_plan_free(sf_plan *p);
SF_API void sf_plan_describe(const sf_plan *p, sf_plan_info *info);

/* Where inputs come from and outputs go: arrays of the plan's element type, row-major, (n, size) for
 * per-sample variables and (size) for shared ones. Kept by pointer, read at every run. */
SF_API int sf_plan_bind(sf_plan *p, sf_var input, const void *data);
SF_API int sf_plan_bind_params(sf_plan *p, const void *flat);
/* out[i]; NULL drops it. It must not overlap another output or anything bound as an input. */
SF_API int sf_plan_output(sf_plan *p, int i, void *data);

typedef struct sf_run {
	int64_t n;             /* samples */
	int64_t shards;        /* parts the batch is cut into, part i = samples [i n/s, (i+1) n/s);
	                          batch sums are added sample by sample within a part and the parts
	                          as a binary tree. 0: as many as max_shard needs */
	uint64_t seed;         /* of random leaves, */
	uint32_t step;         /* their step */
	uint64_t first_sample; /* and the index of sample 0 */
	/* A batch may be run in `parts` calls (0 or 1: whole), one after the other, with memory for the inputs of one: part
	 * number `part` takes shards [part s/parts, (part + 1) s/parts), and per-sample inputs and outputs hold its samples
	 * alone. `n`, `shards`, `first_sample` and everything else are the whole batch's in every call. Batch sums are there
	 * after the last part, with the bytes of a run in one call: the tree of partial sums waits between the calls. Inputs
	 * that are shared and parameters are read by part 0. */
	int64_t parts, part;
} sf_run;
/* The samples of a run's part: how many, and *first. Needs `n`, `shards`, `parts` and `part`, shards > 0. */
SF_API int64_t sf_run_samples(const sf_run *run, int64_t *first);
/* Runs over the shards in parallel. Same bytes for any number of threads; per-sample results are the
 * same for any cut of the batch. SF_EINVAL for an unbound input, a shard above max_shard or a part out of turn. */
SF_API int sf_plan_run(sf_plan *p, const sf_run *run);

/* Most samples that a run of the plan will have (of a run in parts: a part). On the processor that makes no difference; a device takes
 * memory for as many in sf_plan_take, else when a larger run comes. Before sf_plan_take. SF_EINVAL below 1. */
SF_API int sf_plan_room(sf_plan *p, int64_t n);
/* From now on the parameters that are bound keep their values, and what depends on them alone (packed weights) is worked out in the next
 * run and kept for those after it, until parameters are bound again or hold is 0. For plans without sums over the batch and without
 * shared inputs; others go on as before. Results do not change. */
SF_API int sf_plan_hold(sf_plan *p, int hold);

/* ---- where plans run ---- */
/* The device of a context, for plans of float that are made from then on; plans of double, data and sampling steps stay on
 * the processor. A list: "cpu" (the default), "auto" (a device if there is one, else the processor, and the log hears why), or "cuda" or
 * "cuda:N", then, each after a comma, what products are computed in ("bf16", the default: operands of bfloat16, sums of float;
 * "tf32"; "strict": float throughout) and "deterministic" (the same bytes in each run, where kernels that are not would be faster).
 * SF_EINVAL for another text; SF_EUNSUP where there is no such device, the driver is too old, or this build or the device lacks
 * what is needed. Plans made before must be gone. */
SF_API int sf_ctx_set_device(sf_ctx *ctx, const char *spec);
/* "cpu", or what it is: "cuda:0 NVIDIA H100 80GB HBM3, 9.0, 79.1 GiB, bf16". Owned by the context. */
SF_API const char *sf_ctx_device(const sf_ctx *ctx);
/* What plans of float reach at most: operations a second of a product of 8192 x 8192 matrices in the device's precision, and the
 * bytes a second that a copy in its memory reads and writes; measured in about 100 ms. On the processor sf_peak_flops and 0.
 * SF_ENOMEM, SF_EUNSUP. */
SF_API int sf_device_peak(sf_ctx *ctx, double *flops, double *bytes);

/* ---- where the time goes ---- */
enum {
	SF_KIND_CONV, SF_KIND_CONV_DATA, SF_KIND_CONV_WEIGHT, /* convolution and its two adjoints */
	SF_KIND_MATMUL, SF_KIND_NORM, SF_KIND_SOFTMAX,
	SF_KIND_MAP,    /* chains of elementwise operations */
	SF_KIND_SUM,    /* over dimensions, samples and shards */
	SF_KIND_MOVE,   /* permutations, slices, resampling, pooling, look-ups */
	SF_KIND_RANDOM, SF_KIND_PACK,
	SF_KIND_WAIT,   /* threads that have nothing left to do */
	SF_KIND_DATA, SF_KIND_DRAW, SF_KIND_OPTIMISER, /* of a trainer: reading, noise and times, norm and update */
	SF_KIND_OTHER, SF_KINDS
};
/* Added up over runs. Seconds are of wall time: of work that T threads do side by side a T-th counts, so that the kinds add up to
 * the time a run took. flops and bytes are what the operations say: two for a multiply-add; operands and results read
 * and written once. */
typedef struct sf_profile {
	double seconds[SF_KINDS], flops[SF_KINDS], bytes[SF_KINDS];
	int64_t calls[SF_KINDS];
} sf_profile;
SF_API const char *sf_kind_name(int kind);
SF_API double sf_profile_seconds(const sf_profile *f); /* of all kinds */
/* From now on runs add to *into, which must stay; NULL: no longer. Results do not change. After sf_plan_take. SF_EINVAL, SF_ENOMEM. */
SF_API int sf_plan_profile(sf_plan *p, sf_profile *into);

SF_END
#endif
