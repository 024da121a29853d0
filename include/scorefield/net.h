/* net.h: networks as graph builders, and the model that makes a score of one.
 *
 * A network is a function that appends its forward pass F(x, cond) to a graph. The model wraps it:
 *
 *     eps(x,t) = e_x x + e_f F(c_in x; c_noise),     score = -eps / sigma,
 *
 * which every parametrisation is (noise, score, x0, v, EDM's preconditioning) with coefficients that
 * depend on t alone, worked out in double without cancellation. So objectives and samplers need to know
 * one form. sigma is the process's scale (sf_process_scale). Processes of two blocks: x stands for the velocity, the
 * network sees position and velocity side by side in its channels, and the score is that of the velocity.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_NET_H
#define SCOREFIELD_NET_H

#include <scorefield/graph.h>
#include <scorefield/score.h>

SF_BEGIN

typedef struct sf_net sf_net;

typedef struct sf_net_io {
	sf_var x;         /* per-sample, shape of the data: (d) or (h,w,c) */
	sf_var cond;      /* per-sample scalar: what stands for the noise level (c_noise), or SF_NOVAR (none) */
	sf_var label;     /* per-sample scalar, whole number (-1: none), or SF_NOVAR (none) */
	int classes;      /* labels that the network has weights for; 0: none */
	sf_var augment;   /* per-sample (augments): how the image was augmented, or SF_NOVAR (zeros) */
	int augments;     /* augmentation labels that the network has weights for; 0: none */
	int out_channels; /* last dimension of the result; 0: as x */
	int train;        /* 1: dropout on */
} sf_net_io;

typedef struct sf_net_class {
	sf_class head;
	/* Refuses shapes it cannot take (says which it can), before anything is built. */
	int (*accepts)(const void *st, sf_ctx *ctx, int rank, const int64_t *dim);
	sf_var (*build)(const void *st, sf_graph *g, const sf_net_io *io);
	/* 1 where the embedding wants the logarithm of the noise level whatever the process (Fourier
	 * features); NULL: no wish. See sf_model_coef. */
	int (*log_noise)(const void *st);
	int images; /* needs (h,w,c) */
	/* 0 where the function has kinks, whose curvature second derivatives do not see; NULL: it has none */
	int (*smooth)(const void *st);
	int codec; /* half of an autoencoder: its result has another height and width than x, and it takes no noise level */
} sf_net_class;

/* A network from a spec string ("mlp:width=128,depth=3"); the caller frees it. */
SF_API int sf_net_new(sf_ctx *ctx, const char *spec, sf_net **net);
SF_API void sf_net_free(sf_net *net);
/* 0, or SF_EUNSUP with the reason and the shapes that would do. */
SF_API int sf_net_accepts(const sf_net *net, int rank, const int64_t *dim);
/* Whether it is half of an autoencoder (latent.h): another size than x, no noise level, no score. */
SF_API int sf_net_codec(const sf_net *net);
/* Whether second derivatives tell the whole truth (a rectifier's do not). */
SF_API int sf_net_smooth(const sf_net *net);
/* Appends F(x; cond), of the shape of x (last dimension out_channels if that is set); calling it twice
 * shares the parameters. */
SF_API sf_var sf_net_build(const sf_net *net, sf_graph *g, const sf_net_io *io);

/* ---- parametrisations: what F stands for ---- */
typedef struct sf_coef { /* of one time */
	double c_in, c_noise, e_x, e_f;
	double alpha, sigma; /* sigma: the process's scale; alpha NaN unless it is linear with one block */
} sf_coef;
enum { SF_PARAM_EPS, SF_PARAM_SCORE, SF_PARAM_X0, SF_PARAM_V, SF_PARAM_EDM, SF_PARAM_MIXED, SF_PARAM_ENERGY,
       SF_PARAM_SIGMA_SCORE, SF_PARAM_EDM_VP, SF_PARAM_EDM_VE, SF_PARAM_EDM_IDDPM, SF_PARAM_MIXED_LEARNED };
/* What c_noise is made of, see sf_model_coef. */
enum { SF_COND_AUTO, SF_COND_TIME, SF_COND_LOG4, SF_COND_LOG, SF_COND_LOG_HALF, SF_COND_LEVEL, SF_COND_VP_TIME };
/* The names of all parametrisations above -> SF_PARAM_...; SF_ENAME with the nearest name. */
SF_API int sf_param_find(sf_ctx *ctx, const char *name, int *kind);
/* "eps", "score", "x0", "v", "edm", "mixed", "energy", "sigma-score", "edm-vp", "edm-ve", "edm-iddpm", "mixed-learned"; and "auto", "time",
 * "log4", "log", "log-half", "level", "vp-time": NULL-ended, index = kind. */
SF_API const char *const *sf_param_names(void);
SF_API const char *const *sf_cond_names(void);
/* Coefficients for x_t = alpha x_0 + sigma z, with n^2 = alpha^2 + sigma^2 and m^2 = sigma^2 + alpha^2 sd^2:
 *
 *     eps    F = eps                                e_x = 0         e_f = 1           c_in = 1
 *     score  F = s = -eps/sigma                     e_x = 0         e_f = -sigma      c_in = 1
 *     sigma-score  F = sigma s = -eps               e_x = 0         e_f = -1          c_in = 1
 *     x0     F = E[x_0|x]                           e_x = 1/sigma   e_f = -alpha/sigma  c_in = 1
 *     v      F = (alpha eps - sigma x_0)/n          e_x = sigma/n^2 e_f = alpha/n     c_in = 1/n
 *     edm    D = c_skip x + c_out F (EDM table 1)   e_x = sigma/m^2 e_f = -alpha sd/m c_in = 1/m
 *     edm-vp, edm-iddpm  D = x^ - r F = x^ - r eps  e_x = 0         e_f = 1           c_in = 1/n
 *     edm-ve D = x^ + r F                           e_x = 0         e_f = -1          c_in = 1/alpha
 *     mixed  s = -x/n^2 - F/sigma                   e_x = sigma/n^2 e_f = 1           c_in = 1
 *     mixed-learned  the two with shares that are learned       e_x, e_f, c_in as mixed
 *     energy eps = grad_x <x,F>, so that log p = -<x,F>/sigma + const                 c_in = 1
 *
 * (v: Salimans and Ho 2022, where n = 1; edm and its wrappers of the earlier models: Karras et al. 2022, table 1, for the level
 * r = sigma/alpha and the sample x^ = x/alpha; sigma-score: NCSN++ and NCSNv2, whose code divides the network's output by sigma,
 * Song et al. 2021; mixed: the score of unit normal data plus what the network adds, Vahdat et al. 2021, Dockhorn et al. 2022,
 * with n^2 the velocity's variance on two-block processes; mixed-learned: eps = (1 - a) e_x x + a e_f F with a = sigmoid(logit), a
 * trained logit for each channel, parameter "mix.logit", LSGM's form of the last: near the score of unit normal data from the
 * start.) Two-block processes: eps, score, sigma-score, mixed, mixed-learned, energy. Nonlinear ones: eps, score, sigma-score,
 * energy.
 *
 * c_noise (T the horizon; t stands for r where a process has no r: two blocks, nonlinear):
 *
 *     time      999 t/T         Song et al. 2021
 *     log4      ln(r)/4         EDM
 *     log       ln(r)           NCSN++
 *     log-half  ln(r/2)         NCSN++ in EDM's frame
 *     vp-time   999 t_VP(r)     t_VP(r): the time at which process vp has the level r, so 999 t/T there; needs an r
 *     level     a whole number 0 .. levels-1:
 *               edm-iddpm: levels-1-argmin_j |u_j - r| with iDDPM's noise levels u_j
 *               alpha = 1: round((1 - t/T)(levels-1)), 0 the largest sigma;   else floor(t/T (levels-1))
 *     auto      edm: log4; edm-vp: vp-time; edm-ve: log-half; edm-iddpm: level; others: time
 *
 * levels = 0 stands for the process's, for edm-iddpm for 1000. Level i is the time i T/(levels-1), as in objectives' t=discrete;
 * process ddpm:schedule=cosine has iDDPM's. At a time between levels all else is that of the time: the
 * network's eps at the level that it is told counts as eps at t, score = -eps/sigma(t). So do EDM's wrappers; score_sde
 * divides by the sigma of the level, which is the same at the levels' times. */
SF_API void sf_param_coef(int kind, const sf_process *p, double sigma_data, int cond, int64_t levels, double t,
                          sf_coef *out);

/* ---- model: network + process + parametrisation + data shape; owns nothing ---- */
typedef struct sf_model {
	sf_ctx *ctx;
	const sf_net *net;
	const sf_process *process;
	int param;         /* SF_PARAM_... */
	double sigma_data; /* standard deviation of the data, for "edm" and weights that need it */
	int rank;
	int64_t dim[3], size;
	int classes;       /* 0: unconditional */
	int augments;      /* augmentation labels that the network takes (9 for EDM's pipe); 0: none */
	int cond;          /* SF_COND_... */
	int64_t levels;    /* of SF_COND_LEVEL; 0: see sf_param_coef */
	double mix;        /* mixed-learned: the logit that training starts from; 0 stands for LSGM's -3 */
	sf_dtype type;     /* what it is trained in: bounds how small a perturbation may be */
} sf_model;
/* 0, or why the parts do not fit: process and parametrisation, sigma_data > 0, conditioning and levels, the network takes the
 * shape. */
SF_API int sf_model_check(const sf_model *m);
/* The model's SF_COND_..., never SF_COND_AUTO: as sf_param_coef chooses, but a logarithm (log4; log where there is no r) in place
 * of the time for networks that ask for it (Fourier features) and for processes that keep alpha = 1 (VE, EDM). */
SF_API int sf_model_cond(const sf_model *m);
/* sf_param_coef with that. */
SF_API void sf_model_coef(const sf_model *m, double t, sf_coef *out);

/* The variables of a model inside a graph; inputs are bound by whoever runs the plan. */
typedef struct sf_model_vars {
	sf_var x;                       /* x_t (two blocks: the velocity), per-sample; made as the input "xt" if SF_NOVAR */
	sf_var position;                /* input of two-block processes, else SF_NOVAR */
	sf_var c_in, c_noise, e_x, e_f; /* inputs, per-sample scalars */
	sf_var label;                   /* input, or SF_NOVAR where classes is 0 */
	sf_var augment;                 /* input (augments) that objectives make; SF_NOVAR: none (zeros), as in sampling */
	sf_var eps;                     /* the result, shape of x */
	sf_var energy;                  /* parametrisation energy: <x,F>, a scalar; else SF_NOVAR */
} sf_model_vars;
/* All SF_NOVAR, ready for sf_model_build. */
SF_API void sf_model_vars_init(sf_model_vars *v);
/* Makes the inputs ("xt", "position", "c_in", "c_noise", "e_x", "e_f", "label") that are SF_NOVAR, then appends eps(x). Call it
 * again with another x and the same inputs for a second evaluation at the same times. */
SF_API int sf_model_build(const sf_model *m, sf_graph *g, int train, sf_model_vars *v);
/* The same without the gradient that makes eps of an energy: only v->energy is set. SF_EUNSUP unless the
 * parametrisation is energy. */
SF_API int sf_model_build_energy(const sf_model *m, sf_graph *g, int train, sf_model_vars *v);

/* A score for samplers: holds a copy of the model (its parts must outlive it), a plan and buffers; `params` (flat,
 * of element type `type`, in the layout of sf_model_build's graph, on the host or on the context's device) must outlive
 * it and keep its values, which are worked into kernels' forms once. batch: most samples per shard, 0 picks. No allocation per
 * evaluation. */
SF_API int sf_model_score(const sf_model *m, sf_dtype type, const void *params, int64_t batch,
                          sf_score **s);
/* Other parameters of the same layout, or the same ones with other values. SF_EINVAL for a score of another kind. */
SF_API int sf_model_score_params(sf_score *s, const void *params);
/* Bytes that such a score takes, for the context's threads. */
SF_API int sf_model_score_bytes(const sf_model *m, sf_dtype type, int64_t batch, double *bytes);
/* Labels of a score made by sf_model_score: sample i of an evaluation (see sf_score_which) gets label[i mod n]; -1 is none. Copied; n = 0
 * goes back to none. SF_EINVAL for a score of another kind, SF_ERANGE for a label that the model lacks. */
SF_API int sf_model_score_labels(sf_score *s, int64_t n, const int *label);
/* Number of parameters that are trained (fixed frequencies and gaps excluded), and the size of the flat buffer in elements. */
SF_API int sf_model_params(const sf_model *m, int64_t *trainable, int64_t *total);

SF_END
#endif
