/* path.c: one sample at time t, for any process: x_t = mean + tail z.
 *
 *     k = 1      x_t = alpha x_0 + sigma z                                            tail = sigma(t)
 *     k = 2      u_t = Phi(0,t) (x_0, v_0) + L (e, z),  L L' = cov | noise_cov        tail = L22
 *     nonlinear  x_{i+1} = x_i + h f(x_i, i h) + g(i h) sqrt(h) z_i, i = 0 .. m-1     tail = g((m-1) h) sqrt(h)
 *                h = t/m, m = ceil(steps t/T) (Euler-Maruyama), z = z_{m-1}
 *
 * The tail of k = 2 is 1/ell_t of Dockhorn et al. 2022 (2112.07068): the position is drawn first, so what is left
 * of the velocity is its own. L22 = sqrt(det/Sxx), where det of cov = C + b p p' (C = noise_cov, b the starting
 * velocity's variance, p the second column of Phi) is det C + b p' adj(C) p, so that the large b p p' never
 * cancels. Longer last steps: Singhal, Goldstein, Ranganath 2024 (2407.07998). Nothing is allocated; noise comes in
 * pieces on the stack, and what a piece holds does not change its numbers.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "process/process.h"

#include <math.h>

/* ---- the noise before the last, number by number ---- */

enum { PIECE = 256 };

typedef struct path {
	const sf_ctx *ctx;
	sf_noise key;
	uint64_t sample, at, end; /* the numbers at .. end-1 are still to come */
	int used, held;
	double piece[PIECE];
} path;

/* The numbers first .. end-1 of the path stream that belongs to `key`. */
static void path_open(path *w, const sf_process *p, sf_noise key, uint64_t sample, uint64_t first, uint64_t end)
{
	w->ctx = p->object.ctx;
	w->key = key;
	w->key.purpose = SF_NOISE_PATH;
	w->sample = sample;
	w->at = first;
	w->end = end;
	w->used = w->held = 0;
}

static double path_next(path *w)
{
	if (w->used == w->held) {
		uint64_t left = w->end - w->at;

		w->held = left < PIECE ? (int)left : PIECE;
		sf_noise_normal_d(w->ctx, w->key, w->sample, w->at, (size_t)w->held, w->piece);
		w->at += (uint64_t)w->held;
		w->used = 0;
	}
	return w->piece[w->used++];
}

/* ---- linear processes ---- */

void sf_process_factor(const sf_process *p, double t, int given_velocity, double *l)
{
	double S[4], C[4], P[4], b = given_velocity ? 0 : sf_process_start_var(p), det;

	sf_process_noise_cov(p, t, C);
	if (given_velocity)
		sf_process_noise_cov(p, t, S);
	else
		sf_process_cov(p, t, S);
	sf_process_phi(p, 0, t, P);
	det = C[0] * C[3] - C[1] * C[1];
	det += b * (P[1] * P[1] * C[3] - 2 * P[1] * P[3] * C[1] + P[3] * P[3] * C[0]);
	l[0] = sqrt(S[0]);
	l[1] = 0;
	l[2] = S[0] > 0 ? S[1] / l[0] : 0;
	l[3] = S[0] > 0 ? sqrt(det > 0 ? det / S[0] : 0) : sqrt(S[3]);
}

static void draw_blocks(const sf_process *p, int64_t d, const double *x0, double t, sf_noise key, uint64_t sample,
                        int given_velocity, double *xt, double *z, double *tail)
{
	double P[4], l[4], sd = sqrt(sf_process_start_var(p));
	path position, start;
	int64_t j;

	sf_process_phi(p, 0, t, P);
	sf_process_factor(p, t, given_velocity, l);
	path_open(&position, p, key, sample, 0, (uint64_t)d);
	path_open(&start, p, key, sample, (uint64_t)d, 2 * (uint64_t)d);
	sf_noise_normal_d(p->object.ctx, key, sample, 0, (size_t)d, z);
	for (j = 0; j < d; j++) {
		double e = path_next(&position), v = given_velocity ? sd * path_next(&start) : 0;

		xt[j] = P[0] * x0[j] + P[1] * v + l[0] * e;
		xt[d + j] = P[2] * x0[j] + P[3] * v + l[2] * e + l[3] * z[j];
	}
	*tail = l[3];
}

/* ---- simulation ---- */

enum { NOISE_BITS = 34 }; /* a stream's elements */

/* m steps of Euler-Maruyama from time 0, x in place; f (d) is scratch. */
static void simulate(const sf_process *p, int64_t d, double h, int64_t m, path *w, double *x, double *f)
{
	const sf_process_class *c = sf_process_record(p);
	int64_t i, j;

	for (i = 0; i < m; i++) {
		double s = (double)i * h, sd = c->diffusion(p->object.state, s) * sqrt(h);

		c->drift(p->object.state, d, x, s, f);
		for (j = 0; j < d; j++)
			x[j] += h * f[j] + sd * path_next(w);
	}
}

static int count_steps(const sf_process *p, int64_t d, double t, int64_t *m)
{
	int64_t steps = sf_process_record(p)->steps(p->object.state);

	if (sf_process_blocks(p) != 1)
		return sf_fail(p->object.ctx, SF_EUNSUP,
		               "process '%s': only nonlinear processes of one block are simulated", sf_process_name(p));
	if (!(t >= 0 && t <= sf_process_horizon(p)))
		return sf_fail(p->object.ctx, SF_ERANGE, "process '%s': time %g is outside 0 to %g", sf_process_name(p),
		               t, sf_process_horizon(p));
	*m = (int64_t)ceil((double)steps * (t / sf_process_horizon(p)));
	if (d > 0 && *m > ((int64_t)1 << NOISE_BITS) / d)
		return sf_fail(p->object.ctx, SF_ERANGE,
		               "process '%s': %lld steps of %lld numbers are more noise than one stream has",
		               sf_process_name(p), (long long)*m, (long long)d);
	return SF_OK;
}

/* The text is the same for every sample: tiles that fail side by side write the same message. */
static int check_finite(const sf_process *p, int64_t d, const double *x)
{
	int64_t j;

	for (j = 0; j < d; j++)
		if (!isfinite(x[j]))
			return sf_fail(p->object.ctx, SF_EDIVERGED,
			               "process '%s': a simulated path left the finite numbers; it needs more steps than "
			               "%lld, or data nearer to zero",
			               sf_process_name(p), (long long)sf_process_record(p)->steps(p->object.state));
	return SF_OK;
}

static int draw_path(const sf_process *p, int64_t d, const double *x0, double t, sf_noise key, uint64_t sample,
                     double *xt, double *z, double *tail)
{
	const sf_process_class *c = sf_process_record(p);
	int64_t m, j;
	double h, s;
	path w;

	SF_TRY(count_steps(p, d, t, &m));
	for (j = 0; j < d; j++)
		xt[j] = x0[j];
	*tail = 0;
	if (m > 0) {
		h = t / (double)m;
		s = (double)(m - 1) * h;
		path_open(&w, p, key, sample, 0, (uint64_t)(m - 1) * (uint64_t)d);
		simulate(p, d, h, m - 1, &w, xt, z);
		c->drift(p->object.state, d, xt, s, z);
		*tail = c->diffusion(p->object.state, s) * sqrt(h);
		for (j = 0; j < d; j++)
			xt[j] += h * z[j];
	}
	sf_noise_normal_d(p->object.ctx, key, sample, 0, (size_t)d, z);
	if (*tail > 0)
		for (j = 0; j < d; j++)
			xt[j] += *tail * z[j];
	return check_finite(p, d, xt);
}

int sf_process_draw(const sf_process *p, int64_t d, const double *x0, double t, sf_noise key, uint64_t sample,
                    int given_velocity, double *xt, double *z, double *tail)
{
	int64_t j;

	if (!sf_process_linear(p))
		return draw_path(p, d, x0, t, key, sample, xt, z, tail);
	if (sf_process_blocks(p) == 2) {
		draw_blocks(p, d, x0, t, key, sample, given_velocity, xt, z, tail);
	} else {
		double a = sf_process_alpha(p, t), s = sf_process_sigma(p, t);

		sf_noise_normal_d(p->object.ctx, key, sample, 0, (size_t)d, z);
		for (j = 0; j < d; j++)
			xt[j] = a * x0[j] + s * z[j];
		*tail = s;
	}
	return SF_OK;
}

/* ---- a longer last step ---- */

/* Linear, one block: x_t = Phi(s,t) x_s + std z with std^2 = sigma(t)^2 - Phi^2 sigma(s)^2. */
static int local_linear(const sf_process *p, int64_t d, const double *x0, double s, double t, sf_noise key,
                        uint64_t sample, double *xt, double *z, double *std)
{
	double a = sf_process_alpha(p, s), from = sf_process_sigma(p, s), to = sf_process_sigma(p, t), phi, sd;
	int64_t j;
	path w;

	sf_process_phi(p, s, t, &phi);
	sd = sqrt((to - phi * from) * (to + phi * from));
	if (!(sd > 0))
		return sf_fail(p->object.ctx, SF_ERANGE, "process '%s': no noise comes in between times %.17g and %.17g",
		               sf_process_name(p), s, t);
	path_open(&w, p, key, sample, 0, (uint64_t)d);
	sf_noise_normal_d(p->object.ctx, key, sample, 0, (size_t)d, z);
	for (j = 0; j < d; j++) {
		xt[j] = phi * (a * x0[j] + from * path_next(&w)) + sd * z[j];
		std[j] = sd;
	}
	return SF_OK;
}

static int local_path(const sf_process *p, int64_t d, const double *x0, double s, double t, sf_noise key,
                      uint64_t sample, double *xt, double *z, double *std)
{
	const sf_process_class *c = sf_process_record(p);
	int64_t m, j;
	path w;

	if (!c->transition)
		return sf_fail(p->object.ctx, SF_EUNSUP, "process '%s' has no linearised transition for a local step",
		               sf_process_name(p));
	SF_TRY(count_steps(p, d, t, &m)); /* t is looked at, too */
	SF_TRY(count_steps(p, d, s, &m));
	for (j = 0; j < d; j++)
		xt[j] = x0[j];
	path_open(&w, p, key, sample, 0, (uint64_t)m * (uint64_t)d);
	simulate(p, d, m > 0 ? s / (double)m : 0, m, &w, xt, z);
	SF_TRY(check_finite(p, d, xt));
	c->transition(p->object.state, d, xt, s, t, z, std);
	for (j = 0; j < d; j++)
		xt[j] = z[j];
	sf_noise_normal_d(p->object.ctx, key, sample, 0, (size_t)d, z);
	for (j = 0; j < d; j++)
		xt[j] += std[j] * z[j];
	return check_finite(p, d, xt);
}

int sf_process_draw_local(const sf_process *p, int64_t d, const double *x0, double t, double back, sf_noise key,
                          uint64_t sample, double *xt, double *z, double *std)
{
	double tail, s = t * (1 - back);
	int64_t j;

	if (!(back > 0 && back <= 1))
		return sf_fail(p->object.ctx, SF_ERANGE, "process '%s': a local step goes back by more than 0 up to 1, not %g",
		               sf_process_name(p), back);
	if (!sf_process_linear(p))
		return local_path(p, d, x0, s, t, key, sample, xt, z, std);
	if (sf_process_blocks(p) == 2)
		return sf_fail(p->object.ctx, SF_EUNSUP, "process '%s' has two state blocks; local steps are for one",
		               sf_process_name(p));
	if (back < 1)
		return local_linear(p, d, x0, s, t, key, sample, xt, z, std);
	SF_TRY(sf_process_draw(p, d, x0, t, key, sample, 0, xt, z, &tail));
	for (j = 0; j < d; j++)
		std[j] = tail;
	return SF_OK;
}
