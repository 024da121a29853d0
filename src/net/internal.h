/* internal.h: what the files of the net family share beside the layers.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_NET_INTERNAL_H
#define SF_NET_INTERNAL_H

#include <scorefield/net.h>

int sf_net_log_noise(const sf_net *net);     /* the embedding's wish */
int sf_model_log_noise(const sf_model *m);   /* the model's choice, see sf_model_coef */

#endif
