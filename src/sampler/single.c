/* single.c: one step of the singlestep DPM-Solvers of order 1, 2, 3, for data and noise prediction.
 *
 *     m = m(x, s),   x_1 = first order to lambda_s + r_1 h,   m_1 = m(x_1)
 *     order 2:  x_t = a x + w_0 m + w (m_1 - m)/r_1,             w = w_0/2 (midpoint) or w_1 (taylor),   r_1 = 1/2
 *     order 3:  x_2 = a' x + w'_0 m + w'_1 (r_2/r_1) (m_1 - m)   to lambda_s + r_2 h,   r_1 = 1/3, r_2 = 2/3
 *               x_t = a x + w_0 m + w_1 (m_2 - m)/r_2                                       (midpoint)
 *               x_t = a x + w_0 m + w_1 D_1 + w_2 D_2                                       (taylor)
 *               D_1 = (r_2 d_1 - r_1 d_2)/(r_2 - r_1),  D_2 = 2 (d_2 - d_1)/(r_2 - r_1),  d_j = (m_j - m)/r_j
 *
 * with a, w_k of frame.h. Lu et al. 2022 (2206.00927, 2211.01095).
 * Known answer: with noise prediction and r_1 = 1/2 order 2 is the dpm_2 of Karras et al. 2022 (2206.00364).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"

/* adds w (m_j - m) */
static void slope(double *c, int j, double w)
{
	c[1 + j] += w;
	c[1] -= w;
}

static void first(double *c, const sf_leg *leg)
{
	c[0] = leg->a;
	c[1] = leg->w[0];
}

void sf_tableau_make(const sf_process *p, int prediction, int order, int variant, double r1, const sf_point *s,
                     const sf_point *t, sf_tableau *b)
{
	static const sf_tableau none = {0};
	sf_leg leg = sf_leg_between(prediction, s, t, 1), inner;
	double r2 = 2.0 / 3;

	*b = none;
	b->stages = t->sigma > 0 ? order : 1;
	b->at[0] = *s;
	first(b->c[b->stages - 1], &leg);
	if (b->stages == 1)
		return;
	if (!(r1 > 0))
		r1 = order == 2 ? 1.0 / 2 : 1.0 / 3;
	b->at[1] = sf_point_between(p, s, t, r1);
	inner = sf_leg_between(prediction, s, &b->at[1], 1);
	first(b->c[0], &inner);
	if (order == 2) {
		slope(b->c[1], 1, (variant == SF_MIDPOINT ? leg.w[0] / 2 : leg.w[1]) / r1);
		return;
	}
	b->at[2] = sf_point_between(p, s, t, r2);
	inner = sf_leg_between(prediction, s, &b->at[2], 1);
	first(b->c[1], &inner);
	slope(b->c[1], 1, inner.w[1] * r2 / r1);
	if (variant == SF_MIDPOINT) {
		slope(b->c[2], 2, leg.w[1] / r2);
		return;
	}
	slope(b->c[2], 1, (leg.w[1] * r2 - 2 * leg.w[2]) / (r1 * (r2 - r1)));
	slope(b->c[2], 2, (2 * leg.w[2] - leg.w[1] * r1) / (r2 * (r2 - r1)));
}

int sf_step_single(sf_run *run, int prediction, int order, int variant)
{
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);
	const double *in = run->x;
	sf_tableau b;
	int i, j;

	sf_tableau_make(run->process, prediction, order, variant, 0, &s, &t, &b);
	for (i = 0; i < b.stages; i++) {
		double *out = i == b.stages - 1 ? run->x : run->work[3];
		sf_mix y = {0};

		SF_TRY(sf_run_model(run, prediction, b.at[i].t, in, run->work[i]));
		sf_mix_add(&y, b.c[i][0], run->x);
		for (j = 0; j <= i; j++)
			sf_mix_add(&y, b.c[i][1 + j], run->work[j]);
		sf_mix_into(run, &y, out);
		in = out;
	}
	return SF_OK;
}
