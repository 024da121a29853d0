/* net.c: what all networks share: construction, refusals, and the layers in build.h that are too small
 * for a file of their own.
 *
 * Initialisation is score_sde's default_init: uniform with variance scale / fan_avg,
 * fan_avg = (fan_in + fan_out)/2 with the kernel's area counted in both, scale 0 standing for 1e-10, so
 * that "zero" layers start small but feel a gradient (Song et al. 2021, layers.py).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"
#include "net/internal.h"

#include <math.h>

struct sf_net {
	sf_object object;
};

static const sf_net_class *class_of(const sf_net *net)
{
	const void *record = net->object.cls; /* the head is its first member */

	return record;
}

int sf_net_new(sf_ctx *ctx, const char *spec, sf_net **net)
{
	return sf_object_new(ctx, "net", spec, sizeof **net, net);
}

void sf_net_free(sf_net *net)
{
	sf_object_free(net);
}

int sf_net_accepts(const sf_net *net, int rank, const int64_t *dim)
{
	const sf_net_class *cls = class_of(net);
	sf_ctx *ctx = net->object.ctx;
	int i;

	if (rank != 1 && rank != 3)
		return sf_fail(ctx, SF_EINVAL, "net '%s': data of rank %d; expected (d) or (h,w,c)",
		               cls->head.name, rank);
	for (i = 0; i < rank; i++)
		if (dim[i] < 1)
			return sf_fail(ctx, SF_EINVAL, "net '%s': a data dimension is %lld", cls->head.name,
			               (long long)dim[i]);
	if (cls->images && rank != 3)
		return sf_fail(ctx, SF_EUNSUP,
		               "net '%s' takes images (h,w,c), the data are vectors of %lld numbers (mlp "
		               "takes any shape)", cls->head.name, (long long)dim[0]);
	return cls->accepts ? cls->accepts(net->object.state, ctx, rank, dim) : SF_OK;
}

sf_var sf_net_build(const sf_net *net, sf_graph *g, const sf_net_io *io)
{
	return class_of(net)->build(net->object.state, g, io);
}

int sf_net_codec(const sf_net *net)
{
	return class_of(net)->codec;
}

int sf_net_images(const sf_net *net)
{
	return class_of(net)->images;
}

sf_ctx *sf_net_context(const sf_net *net)
{
	return net->object.ctx;
}

int sf_net_smooth(const sf_net *net)
{
	const sf_net_class *cls = class_of(net);

	return !cls->smooth || cls->smooth(net->object.state);
}

int sf_net_log_noise(const sf_net *net)
{
	const sf_net_class *cls = class_of(net);

	return cls->log_noise && cls->log_noise(net->object.state);
}

/* ---- layers ---- */
static sf_init default_init(double scale, int64_t fan_in, int64_t fan_out)
{
	sf_init init = {SF_INIT_UNIFORM_AVG, 0, 0, 0};

	init.scale = sqrt(scale > 0 ? scale : 1e-10);
	init.fan_in = fan_in;
	init.fan_out = fan_out;
	return init;
}

static sf_var vector(sf_graph *g, const char *name, int64_t n, double value)
{
	sf_init init = {SF_INIT_CONST, 0, 0, 0};

	init.scale = value;
	return sf_param(g, name, 1, &n, init);
}

sf_var sf_net_act(sf_graph *g, int act, sf_var x)
{
	switch (act) {
	case SF_NET_SILU: return sf_silu(g, x);
	case SF_NET_TANH: return sf_tanh(g, x);
	case SF_NET_SOFTPLUS: return sf_softplus(g, x);
	case SF_NET_ELU: return sf_elu(g, x);
	default: return sf_relu(g, x);
	}
}

sf_var sf_net_linear(sf_graph *g, const char *name, sf_var x, int64_t out, double scale)
{
	sf_shape s = sf_shape_of(g, x);
	int64_t dim[2];
	sf_var y;

	if (sf_graph_status(g) < 0 || s.rank < 1)
		return SF_NOVAR;
	dim[0] = s.dim[s.rank - 1];
	dim[1] = out;
	sf_push(g, "%s", name);
	y = sf_matmul(g, x, sf_param(g, "weight", 2, dim, default_init(scale, dim[0], out)), 0, 0);
	y = sf_add(g, y, vector(g, "bias", out, 0));
	sf_pop(g);
	return y;
}

static sf_var convolution(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int stride, int pad,
                          double scale)
{
	int64_t dim[4];
	sf_var y;

	dim[0] = dim[1] = k;
	dim[2] = sf_shape_of(g, x).dim[2];
	dim[3] = out;
	sf_push(g, "%s", name);
	y = sf_param(g, "weight", 4, dim, default_init(scale, k * k * dim[2], k * k * out));
	y = sf_conv2d(g, x, y, stride, pad);
	y = sf_add(g, y, vector(g, "bias", out, 0));
	sf_pop(g);
	return y;
}

sf_var sf_net_conv(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int stride, double scale)
{
	sf_shape s = sf_shape_of(g, x);
	int64_t flat[2], back[3];
	sf_var y;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	if (k != 1 || stride != 1)
		return convolution(g, name, x, out, k, stride, k / 2, scale);
	/* a matrix product over all positions */
	flat[0] = s.dim[0] * s.dim[1];
	flat[1] = s.dim[2];
	back[0] = s.dim[0];
	back[1] = s.dim[1];
	back[2] = out;
	y = sf_net_linear(g, name, sf_reshape(g, x, 2, flat), out, scale);
	return sf_reshape(g, y, 3, back);
}

sf_var sf_net_conv_valid(sf_graph *g, const char *name, sf_var x, int64_t out, int k, int stride, double scale)
{
	return sf_graph_status(g) < 0 ? SF_NOVAR : convolution(g, name, x, out, k, stride, 0, scale);
}

sf_var sf_net_norm(sf_graph *g, const char *name, sf_var x, int act)
{
	return sf_net_group_norm(g, name, x, 0, act);
}

sf_var sf_net_group_norm(sf_graph *g, const char *name, sf_var x, int64_t groups, int act)
{
	sf_shape s = sf_shape_of(g, x);
	sf_var gamma, beta;
	int64_t c;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	c = s.dim[s.rank - 1];
	if (groups == 0) {
		groups = c / 4 < 32 ? c / 4 : 32;
		if (groups < 1)
			groups = 1;
		while (c % groups)
			groups--;
	}
	sf_push(g, "%s", name);
	gamma = vector(g, "weight", c, 1);
	beta = vector(g, "bias", c, 0);
	sf_pop(g);
	return sf_group_norm(g, x, gamma, beta, (int)groups, 1e-6, act);
}

sf_var sf_net_dropout(sf_graph *g, sf_var x, double p, unsigned *layer)
{
	sf_shape s = sf_shape_of(g, x);
	sf_var u;

	if (p <= 0 || sf_graph_status(g) < 0)
		return x;
	u = sf_random(g, 'u', SF_NOISE_DROPOUT + (*layer)++, s.rank, s.dim);
	return sf_mul(g, x, sf_scale(g, sf_step(g, sf_offset(g, u, -p)), 1 / (1 - p)));
}
