/* objective.h: losses as graph builders.
 *
 * An objective says how training inputs are drawn (times, noise, perturbed states; in double) and appends
 * the loss of ONE sample to a graph. Library convention: half the sum over dimensions, mean over the batch;
 * the weighting lambda(t) multiplies it. Terms are written in eps = -sigma s, so that with w = lambda/sigma^2
 *
 *     DSM:   lambda/2 |s + z/sigma|^2      = w/2 |eps - z|^2          (Vincent 2011)
 *     LCSS:  lambda (|s|^2/2 + z.s/sigma)  = w (|eps|^2/2 - z.eps)    (Osada et al. 2024)
 *
 * eps is in the process's scale (sf_process_scale): sigma for x_t = alpha x_0 + sigma z; for two blocks it belongs to the
 * velocity; nominal for nonlinear processes. -z/tail of sf_process_draw is a conditional score for all of them, so that DSM, HSM and
 * local DSM differ in what they draw alone.
 *
 * Weightings (option `weight`), all for the level r = sigma/alpha:
 *
 *     sigma2    lambda = sigma^2      w = 1                       Song et al. 2021
 *     one       lambda = 1            w = 1/sigma^2
 *     g2        lambda = g^2          w = g^2/sigma^2             likelihood weighting, Song et al. 2021b
 *     g2-sigma2 lambda = g^2 sigma^2  w = g^2                     Dockhorn et al. 2022, "reweighted, version 1"
 *     sigma-p2  lambda = sigma_p^2    w = sigma_p^2/sigma^2       sigma_p: LCSS's perturbation, local-dsm's increment, of two
 *                                                                blocks dsm's own kernel; elsewhere as sigma2
 *     edm       on |D - x_0|^2/2: (r^2 + sd^2)/(r sd)^2           w = (r^2 + sd^2)/sd^2, Karras et al. 2022
 *     min-snr   w = min(1, gamma r^2)                             Hang et al. 2023
 *
 * Time densities (option `t`) on [t_train, T]:
 *
 *     uniform     t ~ U
 *     stratified  the batch shares one u: t_i = U^{-1}(frac(u + i/batch))             Kingma et al. 2021
 *     importance  q(t) ~ g^2/sigma^2 = -d(log-SNR)/dt, so log-SNR is uniform; the weight is divided by
 *                 q(t) (T - t_train), which leaves the expected loss as it was           Song et al. 2021b
 *     normal      q(t) ~ w(t) m(t), m = E|z - E[z|x_t]|^2 a dimension for data N(0,1), for any weight and linear process: of
 *                 such data, which latent variables are close to, the loss at the score is expected to be the same at every t;
 *                 the weight is divided as above (sigma-p2 counts as sigma2)            Vahdat et al. 2021
 *     lognormal   ln r ~ N(p-mean, p-std^2), clamped to the range; part of the objective  Karras et al. 2022
 *     discrete    level i of N, uniform, at i T/(N-1), for processes with levels: with DSM the losses of SMLD (ve) and
 *                 DDPM (ddpm); the weights are those of the level               Song et al. 2021, appendix B
 *     fixed       one time, option `at`: a score of one noise level, Vincent 2011
 *
 * On a process that stands still (static) every time is T.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_OBJECTIVE_H
#define SCOREFIELD_OBJECTIVE_H

#include <scorefield/net.h>

SF_BEGIN

typedef struct sf_objective sf_objective;

enum { SF_OBJECTIVE_EXTRA = 2 };

/* A batch of training inputs, double on the host; rounded to the plan's type later. The caller gives
 * the arrays. */
typedef struct sf_draw {
	int64_t n, size;    /* samples; elements of one sample's data */
	int64_t batch;      /* samples of the whole step (for stratified times); 0: n */
	uint64_t seed;
	uint32_t step;      /* training step: keys the noise */
	uint64_t first;     /* index of sample 0 within the step's batch */
	const double *x0;   /* in: (n,size) data */
	const double *label; /* in: (n) labels, -1 without; NULL: none */
	const double *augment; /* in: (n,augments) how the data were augmented; NULL: not at all */
	double label_dropout; /* in: share of the samples whose label the network does not see (sf_batch) */
	int64_t nref;       /* in: reference batch of the step, for objectives that ask for one */
	const double *ref;  /* (nref,size): row first + i is x0[i] */
	const double *ref_label; /* (nref), or NULL */
	const double *ref_augment; /* (nref,augments), or NULL */
	double *t;          /* (n) */
	sf_coef *coef;      /* (n) */
	double *weight;     /* (n) w of the head comment */
	double *ratio;      /* (n) what of it is 1/(q(t) (T - t_train)), for a second weighting at the same times; may be NULL */
	double *xt;         /* (n,k,size): x_t, the network's input before c_in */
	double *z;          /* (n,size): the noise the loss pairs with the score */
	double *extra[SF_OBJECTIVE_EXTRA]; /* (n) each: what a member asks for beyond that; may be NULL
	                                      beyond sf_objective_extras */
	double *probe;      /* (n,probes,size): random directions; NULL without */
	int later;          /* in: averages over the reference batch are made by who draws; z is the noise until then */
} sf_draw;

/* The loss graph: variables to bind, and the loss of one sample. */
typedef struct sf_loss {
	sf_model_vars v;  /* v.x is the input "xt" (of two blocks, `xt`'s second), v.position the first; coefficients `coef` */
	sf_var z, weight; /* inputs "z", "weight" */
	sf_var extra[SF_OBJECTIVE_EXTRA]; /* inputs "extra0", ... or SF_NOVAR */
	sf_var probe;     /* input "probe", (probes size), or SF_NOVAR */
	sf_var loss;      /* per-sample scalar; sf_grad of it is the gradient of the batch's SUM */
} sf_loss;

typedef struct sf_objective_class {
	sf_class head;
	int order;   /* of the graph: 2 where the loss itself holds derivatives of the network */
	int needs;   /* SF_NEEDS_... */
	int extras;  /* number of extra scalars */
	/* Random directions of a sample, and points of a reference batch; NULL: none. */
	int64_t (*probes)(const void *st);
	int64_t (*reference)(const void *st);
	/* Refuses what it cannot do, with the reason; may be NULL. */
	int (*accepts)(const void *st, sf_ctx *ctx, const sf_model *m);
	/* Root mean square, per coordinate, of the displacement at time t whose effect on the network the loss divides by its
	 * size; may be NULL. Bounded below by the spacing of floating-point numbers. */
	double (*displacement)(const void *st, const sf_model *m, double t);
	/* Fills xt, z, extra and probe of sample i for the given t and coef. The return value is the member's own
	 * noise level sigma_p, for the weighting sigma-p2; NaN where the sample's path diverged. */
	double (*draw)(const void *st, const sf_model *m, const sf_draw *d, int64_t i);
	/* Appends the per-sample loss (a per-sample scalar); l->v.eps is not built yet. */
	sf_var (*loss)(const void *st, const sf_model *m, sf_graph *g, int train, sf_loss *l);
} sf_objective_class;
enum {
	SF_NEEDS_LINEAR = 1,  /* a closed-form transition kernel */
	SF_NEEDS_ONE = 2,     /* one state block */
	SF_NEEDS_TWO = 4,     /* two */
	SF_NEEDS_NOISE = 8,   /* a process that moves */
	SF_NEEDS_ENERGY = 16, /* the network as an energy */
	SF_USES_ENERGY = 32,  /* uses the energy itself where there is one, no gradient of it */
	SF_DRAWS_PLAINLY = 64 /* where the process is linear and has one block, `draw` makes x_t = alpha x_0 + sigma z and nothing else */
};

SF_API int sf_objective_new(sf_ctx *ctx, const char *spec, sf_objective **o);
SF_API void sf_objective_free(sf_objective *o);
/* One rule for what can be combined: 0, or SF_EUNSUP (SF_ERANGE) with the reason. */
SF_API int sf_objective_accepts(const sf_objective *o, const sf_model *m);
SF_API int sf_objective_order(const sf_objective *o, const sf_model *m); /* for sf_graph_new */
SF_API int sf_objective_extras(const sf_objective *o);
SF_API int64_t sf_objective_probes(const sf_objective *o);    /* 0: none */
SF_API int64_t sf_objective_reference(const sf_objective *o); /* 0: none */
/* Appends inputs and loss. `train`: dropout on. */
SF_API int sf_objective_build(const sf_objective *o, const sf_model *m, sf_graph *g, int train,
                              sf_loss *out);
/* The same at a point that the graph has: `at` (x, and position where there are two blocks) takes the inputs' place. */
SF_API int sf_objective_build_at(const sf_objective *o, const sf_model *m, sf_graph *g, int train, const sf_model_vars *at,
                                 sf_loss *out);
/* Draws everything for a batch. What sample i gets depends only on (seed, step, first + i, x0[i]), for stratified
 * times on `batch`, and with a reference batch on that. */
SF_API int sf_objective_draw(const sf_objective *o, const sf_model *m, const sf_draw *d);
/* The same for times d->t given by the caller. */
SF_API int sf_objective_draw_at(const sf_objective *o, const sf_model *m, const sf_draw *d);
/* The weight w(t) for a perturbation sigma_p (the process's sigma unless the objective has its own). */
SF_API double sf_objective_weight(const sf_objective *o, const sf_model *m, double t, double sigma_p);
/* The time of training sample `index` of `batch` in a step, and in *ratio (may be NULL) what its weight is multiplied by:
 * (1/(T - t_train))/q(t), 1 unless t is importance or normal. For many times sf_objective_draw is faster: t=normal makes its
 * table in each call. */
SF_API double sf_objective_time(const sf_objective *o, const sf_model *m, uint64_t seed, uint32_t step,
                                uint64_t index, int64_t batch, double *ratio);

/* ---- a batch: loss and gradient planned, with every array between data and result ---- */
typedef struct sf_batch sf_batch;
/* Losses of another kind around the objective's (src/latent): several draws and losses, data that are not what is perturbed. */
enum { SF_BATCH_DRAWS = 2, SF_BATCH_SCALARS = 8, SF_BATCH_VALUES = 4 };
typedef struct sf_batch_made {
	int draws;
	sf_loss draw[SF_BATCH_DRAWS]; /* of each draw the inputs to fill: v.x and v.position take its xt */
	sf_var data;                  /* the input of a record's numbers; SF_NOVAR: they are the draw's x0 */
	sf_var scalar[SF_BATCH_SCALARS]; /* further per-sample scalar inputs, or SF_NOVAR */
	sf_var value[SF_BATCH_VALUES];   /* per-sample scalars whose means are told, or SF_NOVAR; the first is the loss */
	sf_var *grad; /* one a parameter, SF_NOVAR where it is not trained; from sf_batch_grads, freed with the batch */
} sf_batch_made;
typedef struct sf_batch_kind {
	const void *user;
	int64_t data; /* numbers of a record */
	int order;    /* of the graph */
	int (*build)(const void *user, sf_graph *g, int train, sf_batch_made *out);
	/* Draws everything, into the arrays of `d` (their x0 is zeros) and scalar[i] (n). */
	int (*draw)(const void *user, const sf_draw *d, double *const *scalar);
} sf_batch_kind;
/* For n samples in `shards` parts (see sf_run), in the model's type. Objective and model (copied) must outlive it. Nothing is allocated
 * afterwards. */
SF_API int sf_batch_new(const sf_objective *o, const sf_model *m, int64_t n, int64_t shards, int train, sf_batch **b);
/* A step may be run in parts, one after the other (sf_run): arrays then hold one part's samples, reference batches the
 * step's, and everything has the bytes of a step in one part. */
typedef struct sf_batch_how {
	int64_t n, shards; /* samples of a step, and what they are cut into */
	int64_t parts;     /* 0 or 1: whole; at most one a shard */
	int train;         /* dropout on */
	int recompute;     /* sf_graph_recompute */
	const sf_batch_kind *kind; /* NULL: the objective's loss, all parameters differentiated. Outlives the batch */
	int64_t whole, first; /* the batch that these n samples are a part of, and which of it comes first; 0: they are all of it */
	int device;        /* where the context's device runs the plan, the gradient is of its memory, and so may parameters be */
} sf_batch_how;
/* Graph and layout, which can be described, then the memory: sf_batch_new is both, in one part. */
SF_API int sf_batch_plan(const sf_objective *o, const sf_model *m, const sf_batch_how *how, sf_batch **b);
SF_API int sf_batch_open(sf_batch *b);
SF_API void sf_batch_free(sf_batch *b);
SF_API int64_t sf_batch_parts(const sf_batch *b);
SF_API int64_t sf_batch_shards(const sf_batch *b);
/* Goes to a part, from 0 on: sets the draw's n, first and where its data are. SF_ERANGE. */
SF_API int sf_batch_part(sf_batch *b, int64_t part);
/* Bytes of the arrays between data and result, and of the gradient, taken or not. */
SF_API double sf_batch_bytes(const sf_batch *b);
/* Its arrays. The caller fills x0 (and label, ref) through sf_batch_data, and seed and step; then draws. n may be lowered where
 * there is one part. */
SF_API sf_draw *sf_batch_draw(sf_batch *b);
/* Draws times and noise of the part: sf_objective_draw, or what the kind does. */
SF_API int sf_batch_prepare(sf_batch *b);
/* Rows of data: the part's n, or the step's reference batch, at least n; labels (-1 to begin with). Row i is sample i of the part,
 * of a reference batch the step's. */
SF_API int64_t sf_batch_data(const sf_batch *b, double **x, double **label);
/* Augmentation labels of those rows (rows, augments of the model), 0 to begin with; NULL for a model without. */
SF_API double *sf_batch_augment(sf_batch *b);
/* Rounds the draw to the plan's type and runs: *loss (may be NULL) is the mean loss of the step's parts so far. */
SF_API int sf_batch_run(sf_batch *b, const void *params, double *loss);
/* In the model's type: the losses of the last run (n), and after the last part the gradient of their sum over the step (flat, in the
 * parameters' layout). */
SF_API const void *sf_batch_losses(const sf_batch *b);
/* Mean over the step's parts so far of a kind's value i; NaN where it has none. */
SF_API double sf_batch_value(const sf_batch *b, int i);
SF_API void *sf_batch_gradient(const sf_batch *b);
SF_API const sf_graph *sf_batch_graph(const sf_batch *b);
/* For builders: room for one gradient a parameter, all SF_NOVAR, in *grad; then d loss/d parameter of those from `first` up to `end`
 * into it, and by the n variables `also` (at most 4) into also_out. */
SF_API int sf_batch_grads(sf_graph *g, sf_var **grad);
SF_API int sf_batch_grad(sf_graph *g, sf_var loss, int first, int end, sf_var *grad, int n, const sf_var *also, sf_var *also_out);
/* From now on runs add to *into, as those of a plan do (graph.h); NULL: no longer. Of an open batch. */
SF_API int sf_batch_profile(sf_batch *b, sf_profile *into);
SF_API void sf_batch_describe(const sf_batch *b, sf_plan_info *info);

SF_END
#endif
