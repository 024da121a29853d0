/* exchange_rig.h: a model with room for its weights, and safetensors files put together tensor by tensor, for the tests of import and
 * export.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_EXCHANGE_RIG_H
#define SF_TEST_EXCHANGE_RIG_H

#include <scorefield.h>

#include "support.h"

typedef struct exchange_rig {
	sf_ctx *ctx;
	sf_model m;
	sf_graph *g;
	sf_state st; /* double; see exchange_room */
	char dir[1000];
} exchange_rig;
/* Images of h x w x 3, or with h = 0 points of w numbers. */
void exchange_open(exchange_rig *r, const char *net, const char *param, int64_t h, int64_t w, int classes, int augments);
void exchange_room(exchange_rig *r); /* for the weights; zero */
void exchange_close(exchange_rig *r);
const sf_param_info *exchange_param(const exchange_rig *r, const char *name);

enum { BAG_MAX = 1500 };
typedef struct bag { /* tensors of a file to be written, as doubles; all zero to begin with */
	int n;
	sf_tensor_out t[BAG_MAX];
} bag;
/* values NULL: zeros. Returns the tensor's numbers. */
double *bag_add(bag *b, const char *name, int rank, const int64_t *dim, const double *values);
/* A tensor of another file under another name, plus `more`. */
double *bag_copy(bag *b, sf_ctx *ctx, const sf_tensor *t, const char *name, double more);
sf_tensor_out *bag_find(bag *b, const char *name); /* or NULL */
void bag_rename(bag *b, const char *from, const char *to);
void bag_drop(bag *b, const char *name);
void bag_write(const bag *b, sf_ctx *ctx, const char *path);
void bag_free(bag *b);

/* "golden/networks/NAME.safetensors" below the tests. */
void read_golden(sf_ctx *ctx, const char *name, sf_tensors *t);
/* The weights of such a file under their own names, made by the formula that it says (tests/golden/README.md). */
void golden_weights(bag *b, const sf_tensors *t);
/* sf_import_weights of a file into the rig. */
int exchange_import(exchange_rig *r, const char *path, const sf_import_options *o, sf_import_report *report);

#endif
