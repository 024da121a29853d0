/* objective.c: what all objectives share: construction, times, weights, and the loop that draws a batch. The
 * formulas stand in <scorefield/objective.h>.
 *
 * Importance sampling needs no table: for an affine process g^2/sigma^2 = -d/dt ln(alpha^2/sigma^2), so the
 * cumulative density is the log-SNR itself and its inverse is the process's. Known answer (VP, t_train = 1e-5):
 * the normaliser is 23.8644723654695, the median time .114421449 (Song et al. 2021b, 2101.09258, code).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/normal_time.h"
#include "objective/rule.h"

#include <math.h>
#include <stdio.h>

static const sf_objective_class *class_of(const sf_objective *o)
{
	const void *record = o->object.cls; /* the head is its first member */

	return record;
}

static const sf_objective_options *options_of(const sf_objective *o)
{
	const void *state = o->object.state; /* the options are its first member */

	return state;
}

int sf_objective_new(sf_ctx *ctx, const char *spec, sf_objective **o)
{
	return sf_object_new(ctx, "objective", spec, sizeof **o, o);
}

void sf_objective_free(sf_objective *o)
{
	sf_object_free(o);
}

int sf_objective_extras(const sf_objective *o)
{
	return class_of(o)->extras;
}

int64_t sf_objective_probes(const sf_objective *o)
{
	const sf_objective_class *cls = class_of(o);

	return cls->probes ? cls->probes(o->object.state) : 0;
}

int64_t sf_objective_reference(const sf_objective *o)
{
	const sf_objective_class *cls = class_of(o);

	return cls->reference ? cls->reference(o->object.state) : 0;
}

double sf_objective_weight(const sf_objective *o, const sf_model *m, double t, double sigma_p)
{
	const sf_objective_options *opt = options_of(o);
	double a, s, r, sd = m->sigma_data;

	if (opt->weight == SF_W_SIGMA2)
		return 1;
	a = sf_process_alpha(m->process, t);
	s = sf_process_scale(m->process, t);
	r = s / a;
	switch (opt->weight) {
	case SF_W_ONE: return 1 / (s * s);
	case SF_W_G2: return sf_process_g2(m->process, t) / (s * s);
	case SF_W_G2_SIGMA2: return sf_process_g2(m->process, t);
	case SF_W_SIGMA_P2: return sigma_p * sigma_p / (s * s);
	case SF_W_EDM: return r * r / (sd * sd) + 1;
	default: return fmin(1, opt->snr_gamma * r * r);
	}
}

/* `table`: that of t=normal, else not read. */
static double draw_time(const sf_objective *o, const sf_model *m, const sf_time_table *table, uint64_t seed, uint32_t step,
                        uint64_t index, int64_t batch, double *ratio)
{
	const sf_objective_options *opt = options_of(o);
	const sf_process *p = m->process;
	double lo = sf_process_t_train(p), hi = sf_process_horizon(p), u, t;
	sf_noise key = {0, SF_NOISE_TIME, 0};

	key.seed = seed;
	key.step = step;
	if (ratio)
		*ratio = 1;
	if (sf_objective_still(p))
		return hi;
	switch (opt->t) {
	case SF_T_FIXED:
		return opt->at;
	case SF_T_DISCRETE: {
		double n = (double)sf_process_levels(p);

		return hi * fmin(floor(n * sf_noise_uniform53(key, index, 0)), n - 1) / (n - 1);
	}
	case SF_T_STRATIFIED: /* one u for the step, drawn as that of a sample no batch has */
		u = sf_noise_uniform53(key, ((uint64_t)1 << 48) - 1, 0) + (double)index / (double)batch;
		t = lo + (hi - lo) * (u - floor(u));
		break;
	case SF_T_IMPORTANCE: {
		double top = sf_process_logsnr(p, lo), range = top - sf_process_logsnr(p, hi), s, q;

		u = sf_noise_uniform53(key, index, 0);
		t = sf_process_time_of_ratio(p, exp(-(top - u * range) / 2));
		t = fmin(fmax(t, lo), hi);
		s = sf_process_sigma(p, t);
		q = sf_process_g2(p, t) / (s * s) / range;
		if (ratio)
			*ratio = 1 / ((hi - lo) * q);
		break;
	}
	case SF_T_NORMAL: {
		double q;

		t = sf_time_table_at(table, sf_noise_uniform53(key, index, 0), &q);
		if (ratio)
			*ratio = 1 / ((hi - lo) * q);
		break;
	}
	case SF_T_LOGNORMAL: {
		double z;

		sf_noise_normal_d(m->ctx, key, index, 0, 1, &z);
		t = sf_process_time_of_ratio(p, exp(opt->p_mean + opt->p_std * z));
		break;
	}
	default:
		t = lo + (hi - lo) * sf_noise_uniform53(key, index, 0);
	}
	return fmin(fmax(t, lo), hi);
}

static int by_table(const sf_objective *o, const sf_model *m)
{
	return options_of(o)->t == SF_T_NORMAL && sf_process_linear(m->process);
}

double sf_objective_time(const sf_objective *o, const sf_model *m, uint64_t seed, uint32_t step,
                         uint64_t index, int64_t batch, double *ratio)
{
	sf_time_table table;

	if (by_table(o, m))
		sf_normal_time(o, m, &table);
	return draw_time(o, m, &table, seed, step, index, batch, ratio);
}

struct job {
	const sf_objective *o;
	const sf_model *m; /* its conditioning looked up once */
	const sf_time_table *table;
	const sf_draw *d;
	int64_t tile;
	int given; /* times are the caller's */
	int times; /* and nothing else */
};

static int draw_tile(void *arg, int64_t tile, int worker)
{
	const struct job *j = arg;
	const sf_draw *d = j->d;
	const sf_objective_class *cls = class_of(j->o);
	int64_t i, end = (tile + 1) * j->tile < d->n ? (tile + 1) * j->tile : d->n;

	(void)worker;
	if (!j->times)
		sf_draw_ahead(j->m, d, tile * j->tile, end - tile * j->tile);
	for (i = tile * j->tile; i < end; i++) {
		double ratio = 1, sigma_p;

		if (!j->given)
			d->t[i] = draw_time(j->o, j->m, j->table, d->seed, d->step, d->first + (uint64_t)i,
			                            d->batch ? d->batch : d->n, &ratio);
		sf_model_coef(j->m, d->t[i], &d->coef[i]);
		sigma_p = j->times ? d->coef[i].sigma : cls->draw(j->o->object.state, j->m, d, i);
		if (isnan(sigma_p))
			return sf_fail(j->m->ctx, SF_EDIVERGED, "objective '%s': the path of a sample under process '%s' left "
			               "the finite numbers before t = %g; data of a smaller scale or more steps help",
			               cls->head.name, sf_process_name(j->m->process), d->t[i]);
		d->weight[i] = ratio * sf_objective_weight(j->o, j->m, d->t[i], sigma_p);
		if (d->ratio)
			d->ratio[i] = ratio;
	}
	return 0;
}

static int draw(const sf_objective *o, const sf_model *m, const sf_draw *d, int given, int times)
{
	sf_model own = *m;
	sf_time_table table; /* of every call: 512 weights, and nothing that could go out of date */
	struct job j;

	if (d->size != m->size || d->n < 0)
		return sf_fail(m->ctx, SF_EINVAL, "a draw of %lld samples of %lld numbers for a model of %lld",
		               (long long)d->n, (long long)d->size, (long long)m->size);
	if (sf_objective_reference(o) && (!d->ref || d->nref < sf_objective_reference(o) ||
	                                  d->first + (uint64_t)d->n > (uint64_t)d->nref || (m->classes && !d->ref_label)))
		return sf_fail(m->ctx, SF_EINVAL, "objective '%s' compares with %lld rows of reference data, which the draw has "
		               "not", class_of(o)->head.name, (long long)sf_objective_reference(o));
	j.o = o;
	j.m = &own;
	j.d = d;
	j.given = given;
	j.times = times;
	j.table = &table;
	if (!given && by_table(o, m))
		sf_normal_time(o, m, &table);
	own.cond = sf_model_cond(m);
	j.tile = d->size < 64 ? 32 : 1;
	return sf_parallel_work(m->ctx, (double)d->n * (1000 + (times ? 0 : 20) * (double)d->size), (d->n + j.tile - 1) / j.tile, draw_tile, &j);
}

int sf_objective_draw(const sf_objective *o, const sf_model *m, const sf_draw *d)
{
	return draw(o, m, d, 0, 0);
}

int sf_objective_draw_at(const sf_objective *o, const sf_model *m, const sf_draw *d)
{
	return draw(o, m, d, 1, 0);
}

int sf_objective_plain(const sf_objective *o, const sf_model *m)
{
	return (class_of(o)->needs & SF_DRAWS_PLAINLY) && sf_process_linear(m->process) && sf_process_blocks(m->process) == 1;
}

int sf_objective_draw_times(const sf_objective *o, const sf_model *m, const sf_draw *d)
{
	return draw(o, m, d, 0, 1);
}
