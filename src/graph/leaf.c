/* leaf.c: inputs, constants, random leaves and parameters.
 *
 * Parameters lie in one flat buffer, each at a multiple of 16 elements (a cache line of float), in
 * order of first use. Initial values are drawn in float from the stream (seed, SF_NOISE_INIT,
 * step = index of the parameter, sample 0) and the double buffer holds the same numbers:
 *
 *     uniform   (2u - 1) scale sqrt(3/fan)      variance scale^2/fan     Glorot and Bengio 2010
 *     normal    z scale / sqrt(fan)
 *     gain      1 + z scale, or 0 for the shifts beside the gains
 *
 * fan = fan_in, or (fan_in + fan_out)/2 for the average.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "graph/rules.h"

#include <math.h>
#include <string.h>

enum { PARAM_ALIGN = 16, CHUNK = 256, TENSOR_MAX = 1 << 24 };

/* Leaves come with their shape. */
int sf_shape_leaf(sf_graph *g, sf_node *node)
{
	(void)g;
	(void)node;
	return 0;
}

static sf_node leaf(sf_opcode op)
{
	return sf_make(op, SF_NOVAR, SF_NOVAR);
}

sf_var sf_input(sf_graph *g, const char *name, int per_sample, int rank, const int64_t *dim)
{
	sf_node n = leaf(SF_OP_INPUT);

	if (g->status < 0 || sf_make_shape(g, name, per_sample, rank, dim, &n.shape) < 0)
		return SF_NOVAR;
	n.name = sf_full_name(g, name);
	return n.name ? sf_append(g, &n) : SF_NOVAR;
}

sf_var sf_const(sf_graph *g, double value)
{
	sf_node n = leaf(SF_OP_CONST);

	n.c = value;
	n.shape.size = 1;
	return sf_append(g, &n);
}

sf_var sf_const_tensor(sf_graph *g, int rank, const int64_t *dim, const double *value)
{
	sf_node n = leaf(SF_OP_CONST);
	double *copy;
	int64_t i;

	if (g->status < 0 || sf_make_shape(g, "const_tensor", 0, rank, dim, &n.shape) < 0)
		return SF_NOVAR;
	if (n.shape.size > TENSOR_MAX)
		return sf_graph_fail(g, SF_ERANGE, "const_tensor: %lld values, expected at most %d",
		                     (long long)n.shape.size, (int)TENSOR_MAX);
	copy = sf_own(g, sf_alloc((size_t)n.shape.size, sizeof *copy));
	if (!copy)
		return SF_NOVAR;
	for (i = 0; i < n.shape.size; i++) {
		if (!isfinite(value[i]))
			return sf_graph_fail(g, SF_EINVAL, "const_tensor: value %lld is not finite", (long long)i);
		copy[i] = value[i];
	}
	n.tap = copy;
	n.ntap = (int)n.shape.size;
	return sf_append(g, &n);
}

sf_var sf_random(sf_graph *g, char kind, uint32_t purpose, int rank, const int64_t *dim)
{
	sf_node n = leaf(SF_OP_RANDOM);

	if (g->status < 0 || sf_make_shape(g, "random", 1, rank, dim, &n.shape) < 0)
		return SF_NOVAR;
	if (kind != 'n' && kind != 'u' && kind != 'r')
		return sf_graph_fail(g, SF_EINVAL, "random: kind is '%c', expected n, u or r", kind);
	if (purpose > 65535)
		return sf_graph_fail(g, SF_ERANGE, "random: purpose is %lu, expected below 65536",
		                     (unsigned long)purpose);
	n.i[0] = kind;
	n.i[1] = purpose;
	return sf_append(g, &n);
}

/* ---- parameters ---- */

static double fan_of(const sf_init *init)
{
	if (init->kind == SF_INIT_UNIFORM_AVG)
		return 0.5 * ((double)init->fan_in + (double)init->fan_out);
	return init->kind == SF_INIT_UNIFORM_IN || init->kind == SF_INIT_NORMAL_IN || init->kind == SF_INIT_GAIN
	               ? (double)init->fan_in
	               : 1;
}

sf_var sf_param(sf_graph *g, const char *name, int rank, const int64_t *dim, sf_init init)
{
	char was[SF_SHAPE_TEXT], is[SF_SHAPE_TEXT];
	sf_node n = leaf(SF_OP_PARAM);
	void *array = g->param;
	sf_param_info *p;
	int i;

	if (g->status < 0 || sf_make_shape(g, name, 0, rank, dim, &n.shape) < 0)
		return SF_NOVAR;
	n.name = sf_full_name(g, name);
	if (!n.name)
		return SF_NOVAR;
	for (i = 0; i < g->nparam; i++) {
		p = &g->param[i];
		if (strcmp(p->name, n.name) != 0)
			continue;
		if (sf_same_shape(&p->shape, &n.shape))
			return p->var;
		return sf_graph_fail(g, SF_EMISMATCH, "parameter '%s' is %s, expected %s as when first asked for",
		                     n.name, sf_shape_text(n.shape, is), sf_shape_text(p->shape, was));
	}
	if (init.kind > SF_INIT_GAIN || !isfinite(init.scale) || !(fan_of(&init) > 0))
		return sf_graph_fail(g, SF_ERANGE, "parameter '%s': bad initialisation (scale %g, fan %g)",
		                     n.name, init.scale, fan_of(&init));
	if (sf_grow(&array, &g->param_cap, g->nparam + 1, sizeof *g->param) < 0)
		return sf_graph_fail(g, SF_ENOMEM, "parameter '%s': out of memory", n.name);
	g->param = array;
	if (g->param_total > INT64_MAX / 2 - n.shape.size)
		return sf_graph_fail(g, SF_ERANGE, "parameter '%s': too many parameters", n.name);
	n.i[0] = g->nparam;
	p = &g->param[g->nparam];
	p->var = sf_append(g, &n);
	if (p->var == SF_NOVAR)
		return SF_NOVAR;
	p->name = n.name;
	p->shape = n.shape;
	p->init = init;
	p->offset = g->param_total;
	p->fixed = 0;
	g->param_total += (n.shape.size + PARAM_ALIGN - 1) / PARAM_ALIGN * PARAM_ALIGN;
	g->nparam++;
	return p->var;
}

sf_var sf_param_fixed(sf_graph *g, const char *name, int rank, const int64_t *dim, sf_init init)
{
	sf_var v = sf_param(g, name, rank, dim, init);
	int i;

	for (i = 0; v != SF_NOVAR && i < g->nparam; i++)
		if (g->param[i].var == v)
			g->param[i].fixed = 1;
	return sf_detach(g, v);
}

int sf_param_count(const sf_graph *g)
{
	return g->nparam;
}

int64_t sf_param_total(const sf_graph *g)
{
	return g->param_total;
}

const sf_param_info *sf_param_get(const sf_graph *g, int i)
{
	return i >= 0 && i < g->nparam ? &g->param[i] : NULL;
}

/* n values from element `first` of parameter i. */
static void draw(const sf_graph *g, uint64_t seed, int i, int64_t first, int64_t n, float *out)
{
	const sf_init *init = &g->param[i].init;
	sf_noise key;
	double s;
	int64_t j;

	key.seed = seed;
	key.purpose = SF_NOISE_INIT;
	key.step = (uint32_t)i;
	switch (init->kind) {
	case SF_INIT_UNIFORM_AVG:
	case SF_INIT_UNIFORM_IN:
		s = init->scale * sqrt(3 / fan_of(init));
		sf_noise_uniform(g->ctx, key, 0, (uint64_t)first, (size_t)n, out);
		for (j = 0; j < n; j++)
			out[j] = (float)((2 * (double)out[j] - 1) * s);
		break;
	case SF_INIT_NORMAL_IN:
	case SF_INIT_NORMAL:
		s = init->scale / sqrt(fan_of(init));
		sf_noise_normal(g->ctx, key, 0, (uint64_t)first, (size_t)n, out);
		for (j = 0; j < n; j++)
			out[j] = (float)((double)out[j] * s);
		break;
	case SF_INIT_GAIN:
		sf_noise_normal(g->ctx, key, 0, (uint64_t)first, (size_t)n, out);
		for (j = 0; j < n; j++)
			out[j] = (first + j) % init->fan_in < init->fan_out ? (float)(1 + (double)out[j] * init->scale) : 0;
		break;
	case SF_INIT_CONST:
		for (j = 0; j < n; j++)
			out[j] = (float)init->scale;
		break;
	}
}

void sf_param_init(const sf_graph *g, uint64_t seed, sf_dtype type, void *flat)
{
	float chunk[CHUNK];
	int64_t at, j;
	int i;

	memset(flat, 0, (size_t)g->param_total * (type == SF_F32 ? sizeof(float) : sizeof(double)));
	for (i = 0; i < g->nparam; i++) {
		const sf_param_info *p = &g->param[i];

		for (at = 0; at < p->shape.size; at += CHUNK) {
			int64_t n = p->shape.size - at < CHUNK ? p->shape.size - at : CHUNK;

			draw(g, seed, i, at, n, chunk);
			for (j = 0; j < n; j++) {
				if (type == SF_F32)
					((float *)flat)[p->offset + at + j] = chunk[j];
				else
					((double *)flat)[p->offset + at + j] = (double)chunk[j];
			}
		}
	}
}
