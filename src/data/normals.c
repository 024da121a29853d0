/* normals.c: mixtures of isotropic normals, p = sum_k w_k N(m_k, s_k^2 I), and the same with data
 * scaled by alpha and noise N(0, s^2 I) added: each component becomes N(alpha m_k, v_k I) with v_k
 * = alpha^2 s_k^2 + s^2, so
 *
 *     score(x) = sum_k r_k (alpha m_k - x) / v_k,   r_k = w_k N(x; alpha m_k, v_k I) / p(x).
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#include "data/data.h"

#include <math.h>

void sf_normals_read(const sf_data *d, const sf_normals *m, int64_t seed, int64_t index, double *x,
                     int *label)
{
	sf_noise key = {(uint64_t)seed, SF_NOISE_DATA, 0};
	double u, sum = 0;
	int i, k = 0;

	sf_noise_uniform_d(d->base.ctx, key, (uint64_t)index, 0, 1, &u);
	sf_noise_normal_d(d->base.ctx, key, (uint64_t)index, 4, (size_t)m->d, x);
	for (k = 0; k < m->n - 1; k++) {
		sum += m->w[k];
		if (u < sum)
			break;
	}
	for (i = 0; i < m->d; i++)
		x[i] = m->mean[k * m->d + i] + m->std[k] * x[i];
	if (label)
		*label = k;
}

double sf_normals_logp(const sf_normals *m, const double *x, double alpha, double s, double *score)
{
	double l[SF_LIST_MAX], v[SF_LIST_MAX], top = -INFINITY, sum = 0;
	int i, k;

	for (k = 0; k < m->n; k++) {
		double r2 = 0;

		v[k] = alpha * alpha * m->std[k] * m->std[k] + s * s;
		for (i = 0; i < m->d; i++) {
			double r = x[i] - alpha * m->mean[k * m->d + i];

			r2 += r * r;
		}
		l[k] = log(m->w[k]) - 0.5 * r2 / v[k] - 0.5 * m->d * log(2 * SF_PI * v[k]);
		top = l[k] > top ? l[k] : top;
	}
	for (i = 0; score && i < m->d; i++)
		score[i] = 0;
	for (k = 0; k < m->n; k++)
		sum += exp(l[k] - top);
	for (k = 0; score && k < m->n; k++)
		for (i = 0; i < m->d; i++)
			score[i] += exp(l[k] - top) / sum * (alpha * m->mean[k * m->d + i] - x[i]) /
			            v[k];
	return top + log(sum);
}
