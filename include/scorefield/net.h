/* net.h: networks as graph builders, and the model that makes a score of one.
 *
 * A network is a function that appends its forward pass F(x, cond) to a graph. The model wraps it:
 *
 *     eps(x,t) = e_x x + e_F F(c_in x; c_noise),     score = -eps / sigma,
 *
 * which every parametrisation is (noise, score, x0, v, EDM's preconditioning) with coefficients that
 * depend on t alone, worked out in double without cancellation. So objectives and samplers need to know
 * one form.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SCOREFIELD_NET_H
#define SCOREFIELD_NET_H

#include <scorefield/graph.h>
#include <scorefield/score.h>

SF_BEGIN

typedef struct sf_net sf_net;

typedef struct sf_net_io {
	sf_var x;     /* per-sample, shape of the data: (d) or (h,w,c) */
	sf_var cond;  /* per-sample scalar: what stands for the noise level */
	sf_var label; /* per-sample scalar, whole number, or SF_NOVAR */
	int classes;
	int out_channels; /* last dimension of the result; 0: as x */
	int train;    /* 1: dropout on */
} sf_net_io;

typedef struct sf_net_class {
	sf_class head;
	/* Refuses shapes it cannot take (say which it can), before anything is built. */
	int (*accepts)(const void *st, sf_ctx *ctx, int rank, const int64_t *dim);
	sf_var (*build)(const void *st, sf_graph *g, const sf_net_io *io);
	int images; /* needs (h,w,c) */
	double cond_scale; /* what the embedding expects c_noise to be multiplied by, see sf_model */
} sf_net_class;

SF_API int sf_net_new(sf_ctx *ctx, const char *spec, sf_net **net);
SF_API void sf_net_free(sf_net *net);
SF_API int sf_net_accepts(const sf_net *net, int rank, const int64_t *dim);
/* Appends F(x; cond); calling it twice shares the parameters. */
SF_API sf_var sf_net_build(const sf_net *net, sf_graph *g, const sf_net_io *io);

/* ---- parametrisations ---- */
typedef struct sf_coef { /* of one time */
	double c_in, c_noise, e_x, e_f;
	double alpha, sigma; /* of the process */
} sf_coef;
/* "eps", "score", "x0", "v", "edm" (needs sigma_data). SF_ENAME. */
SF_API int sf_param_find(sf_ctx *ctx, const char *name, int *kind);
SF_API const char *const *sf_param_names(void);
/* Coefficients at time t. c_noise: 999 t for VP and sub-VP (Song et al.), ln(sigma/alpha)/4 for "edm" and VE. */
SF_API void sf_param_coef(int kind, const sf_process *p, double sigma_data, double t, sf_coef *out);

/* ---- model: network + process + parametrisation + data shape ---- */
typedef struct sf_model {
	sf_ctx *ctx;
	const sf_net *net;
	const sf_process *process;
	int param;         /* kind */
	double sigma_data;
	int rank;
	int64_t dim[3], size;
	int classes;
} sf_model;

/* The variables of a model inside a graph; inputs are bound by whoever runs the plan. */
typedef struct sf_model_vars {
	sf_var x;                       /* in: x_t, per-sample */
	sf_var c_in, c_noise, e_x, e_f; /* inputs, per-sample scalars */
	sf_var label;                   /* input or SF_NOVAR */
	sf_var eps;                     /* the result, shape of x */
} sf_model_vars;
/* Makes the five inputs (names "c_in", ... , "label") if they are SF_NOVAR, then appends eps(x). Call it again with
 * another x and the same inputs for a second evaluation at the same times. */
SF_API int sf_model_build(const sf_model *m, sf_graph *g, int train, sf_model_vars *v);

/* A score for samplers: holds a copy of nothing but plan and buffers; `params` (flat, float or double) is
 * read at every evaluation and must outlive it. batch: most samples per shard. labels: n labels used by
 * sample index modulo nlabels, or NULL. */
SF_API int sf_model_score(const sf_model *m, sf_dtype type, const void *params, int64_t batch, sf_score **s);

SF_END
#endif
