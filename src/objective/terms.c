/* terms.c: what members of the family put their draws and losses together from, and the inputs of a loss graph.
 *
 * A second evaluation of the network shares its inputs and parameters with the first and moves the noisy block alone.
 * Directions on the sphere of radius sqrt(d) and signs have E v v' = I as unit normals have (Song et al. 2019, section 3).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/rule.h"

#include "kernel/kernel.h"

#include <math.h>
#include <stdio.h>

static sf_noise key_of(const sf_draw *d, uint32_t purpose)
{
	sf_noise key;

	key.seed = d->seed;
	key.purpose = purpose;
	key.step = d->step;
	return key;
}

/* Drawing the noise of a few numbers costs less for many samples at once. */
static int ahead(const sf_model *m, const sf_draw *d)
{
	enum { SMALL = 64 };

	return d->size < SMALL && sf_process_linear(m->process) && sf_process_blocks(m->process) == 1;
}

void sf_draw_ahead(const sf_model *m, const sf_draw *d, int64_t first, int64_t n)
{
	if (ahead(m, d))
		sf_noise_normal_rows(m->ctx, key_of(d, SF_NOISE_PERTURB), d->first + (uint64_t)first, n, 0, (size_t)d->size,
		                     d->z + first * d->size);
}

double sf_draw_state(const sf_model *m, const sf_draw *d, int64_t i, int given_velocity)
{
	int64_t k = sf_process_blocks(m->process), j;
	double tail;

	if (ahead(m, d)) { /* x_t = alpha x_0 + sigma z, with the coefficients that are there already */
		const double *x0 = d->x0 + i * d->size, *z = d->z + i * d->size;
		double *xt = d->xt + i * d->size, a = d->coef[i].alpha, s = d->coef[i].sigma;

		for (j = 0; j < d->size; j++)
			xt[j] = a * x0[j] + s * z[j];
		return s;
	}
	if (sf_process_draw(m->process, d->size, d->x0 + i * d->size, d->t[i], key_of(d, SF_NOISE_PERTURB),
	                    d->first + (uint64_t)i, given_velocity, d->xt + i * k * d->size, d->z + i * d->size, &tail) < 0)
		return NAN;
	return tail;
}

double sf_draw_marginal(const sf_model *m, const sf_draw *d, int64_t i)
{
	double tail = sf_draw_state(m, d, i, 0);

	d->extra[0][i] = d->coef[i].sigma;
	return isnan(tail) ? tail : d->coef[i].sigma;
}

void sf_draw_noise(const sf_model *m, const sf_draw *d, uint32_t purpose, int64_t i, double *out)
{
	sf_noise_normal_d(m->ctx, key_of(d, purpose), d->first + (uint64_t)i, 0, (size_t)d->size, out);
}

void sf_draw_probes(const sf_model *m, const sf_draw *d, int64_t i, int kind, int64_t count)
{
	double *v = d->probe + i * count * d->size;
	sf_noise key = key_of(d, SF_NOISE_PROBE);
	uint64_t sample = d->first + (uint64_t)i;
	int64_t n = count * d->size, k, j;

	if (kind == SF_PROBE_RADEMACHER) { /* a bit, not the sign of a number that may be zero */
		uint32_t words[64];

		for (k = 0; k < n; k += 64) {
			int64_t some = n - k < 64 ? n - k : 64;

			sf_noise_words(m->ctx, key, sample, (uint64_t)k, (size_t)some, words);
			for (j = 0; j < some; j++)
				v[k + j] = words[j] >> 31 ? 1 : -1;
		}
		return;
	}
	sf_noise_normal_d(m->ctx, key, sample, 0, (size_t)n, v);
	for (k = 0; kind == SF_PROBE_SPHERE && k < count; k++, v += d->size) {
		double sum = 0;

		for (j = 0; j < d->size; j++)
			sum += v[j] * v[j];
		for (j = 0; j < d->size; j++)
			v[j] *= sqrt((double)d->size / sum);
	}
}

int sf_objective_build(const sf_objective *o, const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	return sf_objective_build_at(o, m, g, train, NULL, l);
}

int sf_objective_build_at(const sf_objective *o, const sf_model *m, sf_graph *g, int train, const sf_model_vars *at, sf_loss *l)
{
	const void *record = o->object.cls; /* the head is its first member */
	const sf_objective_class *cls = record;
	int64_t probes = sf_objective_probes(o) * m->size, augments = m->augments;
	char name[16];
	int i;

	SF_TRY(sf_objective_accepts(o, m));
	sf_model_vars_init(&l->v);
	l->v.x = at ? at->x : sf_input(g, "xt", 1, m->rank, m->dim);
	if (at)
		l->v.position = at->position;
	if (m->augments > 0)
		l->v.augment = sf_input(g, "augment", 1, 1, &augments);
	l->z = sf_input(g, "z", 1, m->rank, m->dim);
	l->weight = sf_input(g, "weight", 1, 0, NULL);
	for (i = 0; i < SF_OBJECTIVE_EXTRA; i++) {
		snprintf(name, sizeof name, "extra%d", i);
		l->extra[i] = i < cls->extras ? sf_input(g, name, 1, 0, NULL) : SF_NOVAR;
	}
	l->probe = probes ? sf_input(g, "probe", 1, 1, &probes) : SF_NOVAR;
	l->loss = cls->loss(o->object.state, m, g, train, l);
	return sf_graph_status(g);
}

sf_var sf_loss_eps(const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	if (l->v.eps == SF_NOVAR)
		sf_model_build(m, g, train, &l->v);
	return l->v.eps;
}

static sf_model_vars moved(sf_graph *g, const sf_loss *l, sf_var shift)
{
	sf_model_vars v = l->v;

	v.x = sf_add(g, l->v.x, shift);
	v.eps = v.energy = SF_NOVAR;
	return v;
}

/* Inputs that one evaluation made serve the next. */
static void share(sf_loss *l, const sf_model_vars *v)
{
	sf_var x = l->v.x, eps = l->v.eps, energy = l->v.energy;

	l->v = *v;
	l->v.x = x;
	l->v.eps = eps;
	l->v.energy = energy;
}

sf_var sf_loss_eps_at(const sf_model *m, sf_graph *g, int train, sf_loss *l, sf_var shift)
{
	sf_model_vars v = moved(g, l, shift);

	sf_model_build(m, g, train, &v);
	share(l, &v);
	return v.eps;
}

sf_var sf_loss_energy_at(const sf_model *m, sf_graph *g, int train, sf_loss *l, sf_var shift)
{
	sf_model_vars v = shift == SF_NOVAR ? l->v : moved(g, l, shift);

	sf_model_build_energy(m, g, train, &v);
	share(l, &v);
	return v.energy;
}

sf_var sf_loss_tangent(sf_graph *g, const sf_loss *l, sf_var dir)
{
	return sf_jvp(g, l->v.eps, l->v.x, dir);
}

sf_var sf_loss_probe(const sf_model *m, sf_graph *g, const sf_loss *l, int64_t k)
{
	return sf_reshape(g, sf_slice(g, l->probe, k * m->size, m->size), m->rank, m->dim);
}

sf_var sf_loss_regression(const sf_model *m, sf_graph *g, int train, sf_loss *l)
{
	sf_var miss = sf_sub(g, sf_loss_eps(m, g, train, l), l->z);

	return sf_mul(g, l->weight, sf_scale(g, sf_sumsq(g, miss), .5));
}
