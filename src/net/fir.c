/* fir.c: images of half and of double size, through a FIR filter f of n taps (sum 1, symmetric), along both axes.
 *
 *     down   y[i] = sum_j f[j] x[2i + j - (n-1)/2]                pads ((n-1)/2, (n-2)/2), rounded down
 *     up     y[i] = 2 sum_j f[j] z[i + j - (n-1)/2 - 1],  z[2i] = x[i], z[2i+1] = 0
 *
 * with zeros outside. [1,1] gives the 2x2 mean and nearest neighbours; [1,3,3,1], the filter of NCSN++, gives
 * down (x[2i-1] + 3x[2i] + 3x[2i+1] + x[2i+2])/8, up (x[i-1] + 3x[i])/4, (3x[i] + x[i+1])/4: a constant darkens
 * at the border. (Zhang 2019; Karras et al. 2020, StyleGAN2; Song et al. 2021, appendix H, up_or_down_sampling.py.)
 *
 * With a 3x3 convolution w in one, in either order the same for both directions:
 *
 *     down   y[i] = sum_k w[k] v[2i + k],  v = f applied with n/2 rounded up and down as pads
 *     up     y[i] = sum_k w[k] v[i + k],   v = 2f applied to z so that the convolution needs no padding
 *
 * Known answers (tests/check_resampling.c): impulses and constants by hand for both filters.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"

sf_var sf_net_down(sf_graph *g, const sf_fir *f, sf_var x)
{
	return sf_upfirdn(g, x, 1, 2, (f->n - 1) / 2, (f->n - 2) / 2, f->n, f->tap);
}

static sf_var up(sf_graph *g, const sf_fir *f, sf_var x, int pad0, int pad1)
{
	double twice[SF_FIR_MAX];
	int j;

	for (j = 0; j < f->n; j++)
		twice[j] = 2 * f->tap[j];
	return sf_upfirdn(g, x, 2, 1, pad0, pad1, f->n, twice);
}

sf_var sf_net_up(sf_graph *g, const sf_fir *f, sf_var x)
{
	return up(g, f, x, (f->n - 1) / 2 + 1, (f->n - 2) / 2);
}

sf_var sf_net_down_conv(sf_graph *g, const sf_fir *f, const char *name, sf_var x, int64_t out)
{
	x = sf_upfirdn(g, x, 1, 1, (f->n + 1) / 2, f->n / 2, f->n, f->tap);
	return sf_net_conv_valid(g, name, x, out, 3, 2, 1);
}

sf_var sf_net_up_conv(sf_graph *g, const sf_fir *f, const char *name, sf_var x, int64_t out)
{
	int pad = (f->n - 1) / 2 + 2;

	return sf_net_conv_valid(g, name, up(g, f, x, pad, f->n + 1 - pad), out, 3, 1, 1);
}

sf_var sf_net_halve_conv(sf_graph *g, const char *name, sf_var x, int64_t out)
{
	static const double one = 1;

	return sf_net_conv_valid(g, name, sf_upfirdn(g, x, 1, 1, 0, 1, 1, &one), out, 3, 2, 1);
}

sf_var sf_net_double_conv(sf_graph *g, const char *name, sf_var x, int64_t out)
{
	return sf_net_conv(g, name, sf_up2(g, x), out, 3, 1, 1);
}
