/* frame.c: points and legs in lambda, sums, history and quadrature: the parts that multistep and singlestep methods
 * are put together from; frame.h has the formulas.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "sampler/frame.h"
#include "score/score.h"

#include <math.h>

sf_point sf_point_at(const sf_process *p, double t)
{
	sf_point at = {t, 1, 0, 0, INFINITY};

	if (t > 0) {
		at.alpha = sf_process_alpha(p, t);
		at.sigma = sf_process_sigma(p, t);
		at.rho = at.sigma / at.alpha;
		at.lambda = log(at.alpha) - log(at.sigma);
	}
	return at;
}

sf_point sf_point_with(const sf_process *p, double rho)
{
	return sf_point_at(p, sf_process_time_of_ratio(p, rho));
}

sf_point sf_point_between(const sf_process *p, const sf_point *s, const sf_point *t, double r)
{
	return sf_point_with(p, exp(-(s->lambda + r * (t->lambda - s->lambda))));
}

/* phi_n by its series where the recurrence upwards would cancel, then downwards: phi_k = 1/k! + z phi_{k+1}. */
void sf_phi(double z, int n, double *phi)
{
	static const double inverse[] = {1, 1, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120};
	double term = inverse[n], sum = 0;
	int k;

	if (fabs(z) >= 1) {
		phi[0] = expm1(z) / z;
		for (k = 1; k < n; k++)
			phi[k] = (phi[k - 1] - inverse[k]) / z;
		return;
	}
	for (k = n + 1; k < n + 20; k++) {
		sum += term;
		term *= z / k;
	}
	phi[n - 1] = sum;
	for (k = n - 1; k > 0; k--)
		phi[k - 1] = inverse[k] + z * phi[k];
}

sf_leg sf_leg_between(int prediction, const sf_point *s, const sf_point *t, double stretch)
{
	int data = prediction == SF_PREDICT_DATA, k;
	sf_leg leg = {t->lambda - s->lambda, data ? 0 : t->alpha / s->alpha, 0, {0}};
	double phi[SF_LEG_TERMS];

	if (t->sigma == 0) {
		leg.w[0] = data ? t->alpha : -t->alpha * s->rho;
		return leg;
	}
	if (data)
		leg.a = t->sigma / s->sigma * exp(-(stretch - 1) * leg.h);
	leg.c = data ? t->alpha * stretch * leg.h : -t->sigma * leg.h;
	sf_phi(data ? -stretch * leg.h : leg.h, SF_LEG_TERMS, phi);
	for (k = 0; k < SF_LEG_TERMS; k++)
		leg.w[k] = leg.c * phi[k];
	return leg;
}

void sf_mix_add(sf_mix *m, double w, const double *v)
{
	int j;

	for (j = 0; j < m->n; j++)
		if (m->v[j] == v) {
			m->w[j] += w;
			return;
		}
	m->v[m->n] = v;
	m->w[m->n++] = w;
}

void sf_mix_slope(sf_mix *m, double w, const double *v, const double *u, double r)
{
	sf_mix_add(m, w / r, v);
	sf_mix_add(m, -w / r, u);
}

typedef struct mixing {
	const sf_run *run;
	const sf_mix *m;
	double *out;
} mixing;

static int mix_some(void *arg, int64_t first, int64_t last)
{
	const mixing *w = arg;
	const sf_mix *m = w->m;
	int64_t i, end = last * w->run->size;
	int j;

	for (i = first * w->run->size; i < end; i++) {
		double sum = 0;

		for (j = 0; j < m->n; j++)
			sum += m->w[j] * m->v[j][i];
		w->out[i] = sum;
	}
	return SF_OK;
}

void sf_mix_into(const sf_run *run, const sf_mix *m, double *out)
{
	mixing w = {run, m, out};

	sf_over_samples(run->ctx, run->n, 2 * m->n * run->size, mix_some, &w);
}

int sf_run_model(sf_run *run, int prediction, double t, const double *x, double *out)
{
	return sf_run_read(run, prediction == SF_PREDICT_DATA ? SF_DENOISED : SF_EPS, t, x, out);
}

double *sf_past(const sf_run *run, int depth, int64_t ago)
{
	return run->work[(run->index - ago) % depth];
}

sf_point sf_past_point(const sf_run *run, int64_t ago)
{
	return sf_point_at(run->process, run->grid[run->index - ago]);
}

int sf_multistep_order(const sf_run *run, int64_t index, int order, int lower)
{
	int falls = lower == SF_LOWER_ALWAYS || (lower == SF_LOWER_FEW && run->steps < 10);

	if (run->grid[index + 1] <= 0)
		return 1;
	if (order > index + 1)
		order = (int)index + 1;
	if (falls && order > run->steps - index)
		order = (int)(run->steps - index);
	return order;
}

void sf_vandermonde(int n, const double *r, double *b)
{
	int i, k;

	for (k = 0; k < n - 1; k++)
		for (i = n - 1; i > k; i--)
			b[i] -= r[k] * b[i - 1];
	for (k = n - 2; k >= 0; k--) {
		for (i = k + 1; i < n; i++)
			b[i] /= r[i] - r[i - k - 1];
		for (i = k; i < n - 1; i++)
			b[i] -= b[i + 1];
	}
}

static double lagrange(int n, const double *node, int j, double u)
{
	double l = 1;
	int k;

	for (k = 0; k < n; k++)
		if (k != j)
			l *= (u - node[k]) / (node[j] - node[k]);
	return l;
}

void sf_adams(int n, const double *node, double from, double to, double (*clock)(const void *arg, double rho),
              const void *arg, double *w)
{
	/* five points of Gauss and Legendre: +-sqrt(5 +- 2 sqrt(10/7))/3 and 0; the weights are of the interval -1 .. 1 */
	double far = sqrt(5 + 2 * sqrt(10.0 / 7)) / 3, near = sqrt(5 - 2 * sqrt(10.0 / 7)) / 3;
	double light = (322 - 13 * sqrt(70)) / 900, heavy = (322 + 13 * sqrt(70)) / 900;
	const double point[5] = {-far, -near, 0, near, far}, weight[5] = {light, heavy, 128.0 / 225, heavy, light};
	int pieces = clock ? 64 : 1, i, g, j;
	double half = (to - from) / (2 * pieces);

	for (j = 0; j < n; j++)
		w[j] = 0;
	for (i = 0; i < pieces; i++)
		for (g = 0; g < 5; g++) {
			double rho = from + half * (2 * i + 1 + point[g]), u = clock ? clock(arg, rho) : rho;

			for (j = 0; j < n; j++)
				w[j] += half * weight[g] * lagrange(n, node, j, u);
		}
}

void sf_renew(double s, double t, double eta, double *down, double *up)
{
	double most = eta * t * sqrt((s - t) * (s + t)) / s;

	*up = most < t ? most : t;
	*down = sqrt((t - *up) * (t + *up));
}

int sf_step_renewing(sf_run *run, double eta, double s_noise)
{
	sf_point s = sf_point_at(run->process, run->t), t = sf_point_at(run->process, run->t_next);
	double *eps = run->work[0], *z = run->work[1], down, up;
	sf_mix y = {0};

	sf_renew(s.rho, t.rho, eta, &down, &up);
	SF_TRY(sf_run_model(run, SF_PREDICT_NOISE, run->t, run->x, eps));
	sf_mix_add(&y, t.alpha / s.alpha, run->x);
	sf_mix_add(&y, t.alpha * (down - s.rho), eps);
	if (up > 0) {
		sf_run_noise(run, SF_NOISE_STEP, z);
		sf_mix_add(&y, t.alpha * s_noise * up, z);
	}
	sf_mix_into(run, &y, run->x);
	return SF_OK;
}
