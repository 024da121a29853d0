/* cost.h: what a configuration needs: parameters, work and memory, worked out without weights or data.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_CMD_COST_H
#define SF_CMD_COST_H

#include "cmd/cmd.h"

typedef struct cost {
	int64_t parameters, published; /* published: [net] parameters, 0: none */
	int64_t batch;
	double forward;                /* FLOP an image: of the network, */
	/* without and with recomputation: */
	double step[2];                /* of loss and gradient; */
	double image[2];               /* bytes of an image's activations; */
	sf_memory memory[2];           /* of a step at this machine's threads */
	int nodes;
} cost;

/* Opens the configuration by [data] shape where it is set, and measures. The caller closes *s. [net] parameters is not
 * compared: see cost_differs. */
int cost_open(sf_ctx *ctx, sf_config *c, sf_setup *s, cost *out);
/* The network has another number of parameters than was published. */
int cost_differs(const cost *c);

#endif
