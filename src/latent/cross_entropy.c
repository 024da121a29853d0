/* cross_entropy.c: what the cross entropy of an encoder with a score model's prior has besides the integral of the loss.
 *
 *     k = 1:  CE = int_e^T g^2/(2 sigma^2) E|eps - eps_theta|^2 dt + h(e),           h(e) = D/2 (1 + ln(2 pi sigma^2(e)))
 *     k = 2:  CE <= int_e^T G^2/2 ell^2 E|eps_v - eps_theta|^2 dt + h(e) - h_v,      h(e) = D (1 + ln(2 pi) + 1/2 ln det Sigma_e)
 *                                                                                    h_v = D/2 (1 + ln(2 pi gamma M))
 *
 * h(e) is the entropy of x_e (of position and velocity) given x_0, Sigma_e its covariance, h_v the entropy of the velocity that two
 * blocks begin with: E[-ln p(x_0)] <= E[-ln p(x_0, v_0)] - h_v. Vahdat, Kreis, Kautz 2021 (2106.05931), code: their paper writes the
 * first constant with sigma_0; Dockhorn, Vahdat, Kreis 2022 (2112.07068) for the loss of two blocks.
 *
 * The integral with its constant is the cross entropy at e up to what the prior does not know at T: for a score model that is the exact
 * score of laws p_t,
 *
 *     int + h(e) = CE(q_e, p_e) - CE(q_T, p_T) + h(T).
 *
 * Known answers for N(0,1) as encoder and prior: vp from e = .01 1.41891693986 (its entropy: 1.41893853320); cld (eps = 0) from
 * e = 1e-4, before h_v, 0.572223646424 (entropy of the pair: 0.572231805391).
 * SPDX-License-Identifier: BSD-3-Clause */
#include <scorefield/latent.h>

#include "process/process.h"

#include <math.h>

int sf_cross_entropy_constant(const sf_process *p, double e, int64_t d, double *constant)
{
	sf_ctx *ctx = sf_process_context(p);
	const char *name = sf_process_name(p);
	double l[SF_BLOCKS_MAX * SF_BLOCKS_MAX], h, start, end = sf_process_horizon(p);

	if (!sf_process_linear(p))
		return sf_fail(ctx, SF_EUNSUP, "the cross entropy with a score model needs a closed-form transition kernel, which process '%s' "
		               "has not", name);
	if (!(e > 0 && e <= end) || d < 0)
		return sf_fail(ctx, SF_ERANGE, "a cross entropy of %lld numbers from time %g of process '%s'; expected times above 0, up to %g",
		               (long long)d, e, name, end);
	h = 1 + log(2 * SF_PI);
	if (sf_process_blocks(p) == 1) {
		*constant = (double)d * (h / 2 + log(sf_process_sigma(p, e)));
		return SF_OK;
	}
	start = sf_process_start_var(p);
	if (!(start > 0))
		return sf_fail(ctx, SF_EUNSUP, "process '%s' starts with a velocity of no variance, whose entropy a bound on the position's takes "
		               "off; expected gamma > 0", name);
	sf_process_factor(p, e, 0, l);
	*constant = (double)d * (h / 2 + log(l[0] * l[3]) - log(start) / 2);
	return SF_OK;
}
