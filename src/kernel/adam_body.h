/* adam_body.h: Adam (Kingma and Ba 2015, algorithm 1) and the moving average of the parameters in
 * one pass over memory:
 *   m = b1 m + (1 - b1) g,  v = b2 v + (1 - b2) g^2,
 *   p = p - lr/(1 - b1^t) m / (sqrt(v)/sqrt(1 - b2^t) + eps),  e = p + ema (e - p)
 * SPDX-License-Identifier: BSD-3-Clause */

static void F(adam)(int64_t n, const sf_adam *s, const T *g, T *p, T *m, T *v, T *e)
{
	const T b1 = (T)s->beta1, c1 = (T)(1 - s->beta1), b2 = (T)s->beta2, c2 = (T)(1 - s->beta2);
	const T rate = (T)(s->lr / s->bias1), rv = (T)(1 / sqrt(s->bias2)), eps = (T)s->eps;
	const T gscale = (T)s->gscale, ema = (T)s->ema;
	int64_t i;

	EACH
	for (i = 0; i < n; i++) {
		const T x = gscale * g[i];
		const T mi = b1 * m[i] + c1 * x, vi = b2 * v[i] + c2 * x * x;
		const T root = F(f_sqrt)(vi);
		const T pi = p[i] - rate * mi / (root * rv + eps);

		m[i] = mi;
		v[i] = vi;
		p[i] = pi;
		e[i] = pi + ema * (e[i] - pi);
	}
}

static void F(average)(int64_t n, double ema, const T *p, T *e)
{
	const T keep = (T)ema;
	int64_t i;

	EACH
	for (i = 0; i < n; i++)
		e[i] = p[i] + keep * (e[i] - p[i]);
}
