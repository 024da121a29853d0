/* unet_options.c: which options of the U-Nets go together, and which images they take.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <math.h>

#include "net/unet.h"

static int check_fir(const struct unet *st, sf_ctx *ctx)
{
	double sum = 0;
	int j, n = st->fir.n;

	if (n < 2 || n > SF_FIR_MAX)
		return sf_fail(ctx, SF_ERANGE, "net '%s': fir names %d taps; expected 2 to %d", st->name, n, SF_FIR_MAX);
	for (j = 0; j < n; j++) {
		if (st->fir.v[j] != st->fir.v[n - 1 - j])
			return sf_fail(ctx, SF_EINVAL, "net '%s': fir=%g is not symmetric to %g; expected taps like 1:3:3:1",
			               st->name, st->fir.v[j], st->fir.v[n - 1 - j]);
		sum += st->fir.v[j];
	}
	if (!(sum > 0))
		return sf_fail(ctx, SF_ERANGE, "net '%s': the taps of fir have the sum %g; expected more than 0", st->name, sum);
	return SF_OK;
}

int sf_unet_init(struct unet *st, sf_ctx *ctx, const char *name)
{
	int i;

	st->name = name;
	if (st->mult.n < 1 || st->mult.n > UNET_LEVELS)
		return sf_fail(ctx, SF_ERANGE, "net '%s': mult names %d levels; expected 1 to %d", name, st->mult.n,
		               UNET_LEVELS);
	if (st->width % 2)
		return sf_fail(ctx, SF_EINVAL, "net '%s': width=%lld is odd; the embedding needs pairs", name,
		               (long long)st->width);
	for (i = 0; i < st->mult.n; i++)
		if (st->mult.v[i] != floor(st->mult.v[i]))
			return sf_fail(ctx, SF_EINVAL, "net '%s': mult=%g is not a whole number", name, st->mult.v[i]);
	if (st->groups > 0 && st->width % st->groups)
		return sf_fail(ctx, SF_EINVAL, "net '%s': groups=%lld does not divide width=%lld", name,
		               (long long)st->groups, (long long)st->width);
	if (st->conv_shortcut && st->block != UNET_DDPM)
		return sf_fail(ctx, SF_EINVAL, "net '%s': conv-shortcut is an option of block=ddpm", name);
	if (st->combine == UNET_CAT && st->progressive_in != UNET_IN_SKIP)
		return sf_fail(ctx, SF_EINVAL, "net '%s': combine=cat is an option of progressive-input=input-skip", name);
	return check_fir(st, ctx);
}

int sf_unet_accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim)
{
	const struct unet *st = state;
	int64_t unit = (int64_t)1 << (st->mult.n - 1);
	int i, l;

	(void)rank;
	if (dim[0] % unit || dim[1] % unit)
		return sf_fail(ctx, SF_EUNSUP, "net '%s': %d levels halve an image %d times, so height and width must be "
		               "multiples of %lld; the data are %lldx%lld", st->name, st->mult.n, st->mult.n - 1,
		               (long long)unit, (long long)dim[0], (long long)dim[1]);
	for (i = 0; i < st->attn.n; i++) {
		for (l = 0; l < st->mult.n && st->attn.v[i] != (double)(dim[0] >> l); l++)
			;
		if (l == st->mult.n)
			return sf_fail(ctx, SF_EUNSUP, "net '%s': attn=%g is the height of no level; the levels are %lld to "
			               "%lld high, halving", st->name, st->attn.v[i], (long long)dim[0],
			               (long long)(dim[0] >> (st->mult.n - 1)));
	}
	return SF_OK;
}

int sf_unet_log_noise(const void *state)
{
	return ((const struct unet *)state)->embed == SF_EMBED_FOURIER;
}
