/* rule.c: the one rule for what can be combined: objective, process, parametrisation, network, weighting, density of the
 * times, and number type. Members say what they need as bits and refuse the rest themselves.
 *
 * A displacement of a point that the loss divides by must survive rounding: with q the spacing of floating-point numbers at
 * the size of the data, rounding a displacement h moves it by up to q/2, which enters a derivative's estimate as q^2/(12 h^2).
 * So h >= 100 q is asked for; of the noise of a kernel, which nothing is divided by, only that it is not lost: 2 q.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "objective/rule.h"

#include "process/process.h"

#include <math.h>

static const sf_objective_class *class_of(const sf_objective *o)
{
	const void *record = o->object.cls; /* the head is its first member */

	return record;
}

int sf_objective_still(const sf_process *p)
{
	const sf_process_class *c = sf_process_record(p);

	return !c->linear && c->steps(p->object.state) == 0;
}

int sf_objective_order(const sf_objective *o, const sf_model *m)
{
	const sf_objective_class *cls = class_of(o);

	if (m->param == SF_PARAM_ENERGY && !(cls->needs & SF_USES_ENERGY))
		return 2;
	return cls->order;
}

static int fits_process(const sf_objective_class *cls, const sf_model *m)
{
	const char *name = cls->head.name, *process = sf_process_name(m->process);
	int blocks = sf_process_blocks(m->process);

	if ((cls->needs & SF_NEEDS_LINEAR) && !sf_process_linear(m->process))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s' needs a closed-form transition kernel, which the nonlinear "
		               "process '%s' has not (ism, ssm, fd-ssm, lcss and local-dsm do without)", name, process);
	if ((cls->needs & SF_NEEDS_ONE) && blocks != 1)
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s' is for processes of one state block; '%s' has %d", name,
		               process, blocks);
	if ((cls->needs & SF_NEEDS_TWO) && blocks != 2)
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s' is for processes of position and velocity (cld); '%s' has "
		               "one block", name, process);
	if ((cls->needs & SF_NEEDS_NOISE) && sf_objective_still(m->process))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s' needs the noise of a process; '%s' adds none (ism, ssm, fd-ssm "
		               "and lcss:stage=two do without)", name, process);
	if ((cls->needs & SF_NEEDS_ENERGY) && m->param != SF_PARAM_ENERGY)
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s' compares values of log p, which a network gives with "
		               "parametrisation energy; this one is '%s'", name, sf_param_names()[m->param]);
	return SF_OK;
}

/* Weightings and times that need more of a process than the objective does. */
static int fits_options(const sf_objective_class *cls, const sf_objective_options *opt, const sf_model *m)
{
	const sf_process *p = m->process;
	const char *name = cls->head.name, *process = sf_process_name(p);
	int scalar = sf_process_linear(p) && sf_process_blocks(p) == 1;

	if (!scalar && (opt->weight == SF_W_EDM || opt->weight == SF_W_MIN_SNR))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s': weight=%s needs a noise level sigma/alpha, which process "
		               "'%s' has not (sigma2, one, g2)", name, opt->weight == SF_W_EDM ? "edm" : "min-snr", process);
	if (!scalar && (opt->t == SF_T_IMPORTANCE || opt->t == SF_T_LOGNORMAL))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s': t=%s needs a noise level sigma/alpha, which process '%s' has "
		               "not (uniform, stratified, fixed)", name, opt->t == SF_T_LOGNORMAL ? "lognormal" : "importance",
		               process);
	if (opt->t == SF_T_NORMAL && !sf_process_linear(p))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s': t=normal needs a closed-form transition kernel, which process "
		               "'%s' has not (uniform, stratified, fixed)", name, process);
	if (sf_objective_still(p) && (opt->weight == SF_W_G2 || opt->weight == SF_W_G2_SIGMA2))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s': process '%s' has no g(t) to weight with (sigma2, one)", name,
		               process);
	if (opt->t == SF_T_DISCRETE && sf_process_levels(p) < 2)
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s': t=discrete is for processes with levels (ve, ddpm); '%s' is "
		               "continuous", name, process);
	if (opt->t == SF_T_FIXED && !(opt->at <= sf_process_horizon(p)))
		return sf_fail(m->ctx, SF_ERANGE, "objective '%s': at=%g is beyond the horizon %g of process '%s'", name, opt->at,
		               sf_process_horizon(p), process);
	if (opt->weight == SF_W_EDM && !(m->sigma_data > 0))
		return sf_fail(m->ctx, SF_ERANGE, "objective '%s': weight=edm needs sigma-data > 0, it is %g", name,
		               m->sigma_data);
	return SF_OK;
}

/* Spacing of the model's numbers at the size that data have at time t. */
static double spacing(const sf_model *m, double t)
{
	double a = sf_process_alpha(m->process, t), sd = m->sigma_data > 0 ? m->sigma_data : 1;
	double size = 2 * (isnan(a) ? 1 : a) * sd + sf_process_scale(m->process, t);
	int exponent;

	frexp(size, &exponent);
	return ldexp(1, exponent - (m->type == SF_F32 ? 24 : 53));
}

static int too_small(const sf_objective *o, const sf_model *m, double h, double t, double bound)
{
	if (h >= bound)
		return SF_OK;
	return sf_fail(m->ctx, SF_ERANGE, "objective '%s': a perturbation of %.3g at t = %g is lost to rounding in %s "
	               "precision; at least %.3g is needed", class_of(o)->head.name, h, t,
	               m->type == SF_F32 ? "single" : "double", bound);
}

static int fits_precision(const sf_objective *o, const sf_model *m)
{
	enum { TIMES = 64 };
	const sf_objective_class *cls = class_of(o);
	const sf_objective_options *opt = o->object.state;
	double lo = sf_process_t_train(m->process), hi = sf_process_horizon(m->process);
	int kernel = sf_process_linear(m->process) && sf_process_blocks(m->process) == 1, i;

	for (i = 0; i <= TIMES; i++) {
		double t = opt->t == SF_T_FIXED ? opt->at : lo + (hi - lo) * i / TIMES, q = spacing(m, t);

		if (kernel)
			SF_TRY(too_small(o, m, sf_process_scale(m->process, t), t, 2 * q));
		if (cls->displacement)
			SF_TRY(too_small(o, m, cls->displacement(o->object.state, m, t), t, 100 * q));
	}
	return SF_OK;
}

int sf_objective_accepts(const sf_objective *o, const sf_model *m)
{
	const sf_objective_class *cls = class_of(o);
	const sf_process *p = m->process;

	SF_TRY(fits_process(cls, m));
	SF_TRY(sf_model_check(m));
	if (sf_objective_order(o, m) == 2 && !sf_net_smooth(m->net))
		return sf_fail(m->ctx, SF_EUNSUP, "objective '%s'%s differentiates the network twice, and the kinks of relu have no "
		               "second derivative; choose act=silu, tanh, softplus or elu", cls->head.name,
		               cls->order == 2 ? "" : " with parametrisation energy");
	SF_TRY(fits_options(cls, o->object.state, m));
	if (!sf_objective_still(p) && !(sf_process_t_train(p) < sf_process_horizon(p)))
		return sf_fail(m->ctx, SF_ERANGE, "process '%s': the training times %g to %g are empty", sf_process_name(p),
		               sf_process_t_train(p), sf_process_horizon(p));
	if (cls->accepts)
		SF_TRY(cls->accepts(o->object.state, m->ctx, m));
	return fits_precision(o, m);
}
