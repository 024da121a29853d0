/* normal_time.c: the time density t=normal: q(t) ~ w(t) m(t) on [t_train, T], w the objective's weight and
 *
 *     m(t) = E|z - E[z|x_t]|^2 = alpha^2/(alpha^2 + sigma^2)                      one block
 *                              = e^2/(e^2 + L22^2 (1 + a^2/L11^2))                two; e = b - a L21/L11
 *
 * for data N(0,1), a coordinate: what a loss w |eps - z|^2/2 is expected to be at the score. So ratio w times that is the same at
 * every t, and all that varies is the noise. ((a,b): first column of Phi(0,t); L: factor of the covariance given x_0; the second is
 * 1 - [Sigma_m^-1]_vv/ell^2 of hsm.c without its difference.) Vahdat, Kreis, Kautz 2021 (2106.05931) have three of these
 * densities in their code, for sigma^2 + alpha^2 = 1:
 *
 *     weight=g2         q ~ d ln(sigma^2)/dt: sigma^2 is log-linear in u         their ll_iw
 *     weight=g2-sigma2  q ~ d(sigma^2)/dt:    sigma^2 is linear in u             drop_sigma2t_iw
 *     weight=sigma2     q ~ 1 - sigma^2:      erf on vp                          drop_all_iw
 *
 * and for two blocks weight=g2 gives q ~ d ln(det Sigma/det Sigma_m)/dt, Sigma_m the covariance of u_t. For vp the third has the
 * integral (vp of beta b0 + D t, E(t) = erf(sqrt(D/2) (t + b0/D)))
 *
 *     e^(b0^2/(2D)) sqrt(pi/(2D)) (E(T) - E(t_train))
 *
 * where their program has e^(b0/(2D)), 0.2 % more. Here time_table.c serves every weight and process.
 * Known answers: vp from t = .01, weight=sigma2: 0.266003702284; cld (eps = 0) at t = 0.1: m = .436083981913.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/normal_time.h"

#include "process/process.h"

#include <math.h>

double sf_normal_unexplained(const sf_process *p, double t)
{
	double column[SF_BLOCKS_MAX], l[SF_BLOCKS_MAX * SF_BLOCKS_MAX], signal, noise;

	sf_process_mean_column(p, t, column);
	if (sf_process_blocks(p) == 1) {
		signal = column[0];
		noise = sf_process_sigma(p, t);
	} else {
		sf_process_factor(p, t, 0, l);
		signal = column[1] - column[0] * l[2] / l[0];
		noise = l[3] * hypot(1, column[0] / l[0]);
	}
	signal *= signal;
	return signal / (signal + noise * noise);
}

struct pair {
	const sf_objective *o;
	const sf_model *m;
};

/* A member's own noise level, which weight=sigma-p2 asks for, counts as the process's. */
static double wanted(const void *arg, double t)
{
	const struct pair *a = arg;
	const sf_process *p = a->m->process;

	return sf_objective_weight(a->o, a->m, t, sf_process_scale(p, t)) * sf_normal_unexplained(p, t);
}

void sf_normal_time(const sf_objective *o, const sf_model *m, sf_time_table *table)
{
	struct pair a;

	a.o = o;
	a.m = m;
	sf_time_table_make(sf_process_t_train(m->process), sf_process_horizon(m->process), wanted, &a, table);
}
