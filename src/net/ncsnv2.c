/* ncsnv2.c: NCSNv2, an unconditional RefineNet (refine_net.c): the noise level enters only as the division of F by
 * sigma, which is parametrisation sigma-score.
 * Known answer: 29,694,083 parameters for CIFAR-10 at width 128.
 * Reference: Song and Ermon 2020 (2006.09011), section 3.3 and appendix B.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/refine.h"

#include <stddef.h>

static const sf_opt opts[] = {SF_REFINE_OPTIONS, {NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int smooth(const void *state) /* maxima have kinks */
{
	(void)state;
	return 0;
}

extern const sf_net_class sf_net_ncsnv2;
const sf_net_class sf_net_ncsnv2 = {
	{"ncsnv2", "RefineNet of NCSNv2, which does not see the noise level", "Song and Ermon 2020 (2006.09011), appendix B",
	 sizeof(struct sf_refine_net), opts, NULL, NULL},
	sf_refine_accepts, sf_refine_build, NULL, 1, smooth, 0};
