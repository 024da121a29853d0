/* unet_names.h: the tensor names of score_sde and of EDM in terms of our U-Nets' parameters, for the golden tests.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_TEST_UNET_NAMES_H
#define SF_TEST_UNET_NAMES_H

#include "golden_net.h"

/* all_modules.K.part of score_sde: module K is the K-th of our graph in order of first use. */
void song_name(const sf_graph *g, const char *theirs, golden_place *p);
/* model.enc.16x16_block0.part of EDM, for images of `height`. */
void edm_name(int height, const char *theirs, golden_place *p);

#endif
