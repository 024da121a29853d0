/* internal.h: what the files of the net family share beside the layers.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NET_INTERNAL_H
#define SF_NET_INTERNAL_H

#include <scorefield/net.h>

int sf_net_log_noise(const sf_net *net);     /* the embedding's wish */
int sf_net_images(const sf_net *net);        /* takes (h,w,c) alone */
sf_ctx *sf_net_context(const sf_net *net);

/* ---- cond.c ---- */
/* Whether there is a noise level sigma/alpha: linear, one block. */
int sf_net_has_level(const sf_process *p);
/* c_noise at time t; r: sigma/alpha, or t where there is no level; `kind` SF_PARAM_..., `cond` SF_COND_..., levels 0: what
 * sf_cond_levels finds. */
double sf_cond_noise(int kind, const sf_process *p, int cond, int64_t levels, double t, double r);
/* `levels`, unless they are 0: the 1000 of edm-iddpm, else the process's; 0: none. */
int64_t sf_cond_levels(int kind, const sf_process *p, int64_t levels);

#endif
