/* affine.c: F(x) = A x + b with a free matrix, d x d (d x 2d where it sees two blocks), whatever the noise level.
 *
 * With the parametrisation "score" and one noise level it is the linear score s = A x + b, for which every
 * objective has a closed form: on x ~ N(m,C), with C_s = C + sigma^2 I and e = A m + b,
 *
 *     LCSS = tr A + tr(A C_s A')/2 + |e|^2/2,   DSM = LCSS + d/(2 sigma^2),   minimum at A = -C_s^{-1}
 *
 * (Hyvarinen 2005, eq 4 gives the first two terms' form; tests/check_objective asserts values and gradients).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "net/build.h"

#include <stddef.h>
#include <string.h>

struct affine {
	double init;
};

static const sf_opt opts[] = {
	{"init", "standard deviation of A's initial entries times sqrt(d)", SF_OPT_DOUBLE,
	 offsetof(struct affine, init), "0.1", 0, 1e6, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static int accepts(const void *state, sf_ctx *ctx, int rank, const int64_t *dim)
{
	int64_t size = 1;
	int i;

	(void)state;
	for (i = 0; i < rank; i++)
		if (sf_mul_i64(size, dim[i], &size) < 0 || size > 4096)
			return sf_fail(ctx, SF_EUNSUP, "net 'affine' has a matrix of the data's size squared; "
			               "at most 4096 numbers a sample");
	return SF_OK;
}

static sf_var build(const void *state, sf_graph *g, const sf_net_io *io)
{
	const struct affine *st = state;
	sf_shape s = sf_shape_of(g, io->x);
	int64_t dim[SF_MAXRANK], matrix[2];
	sf_init normal = {SF_INIT_NORMAL_IN, 0, 0, 0}, zero = {SF_INIT_CONST, 0, 0, 0};
	sf_var y;

	if (sf_graph_status(g) < 0)
		return SF_NOVAR;
	memcpy(dim, s.dim, sizeof dim);
	matrix[0] = matrix[1] = s.size;
	if (io->out_channels > 0) {
		dim[s.rank - 1] = io->out_channels;
		matrix[0] = s.size / s.dim[s.rank - 1] * io->out_channels;
	}
	normal.scale = st->init;
	normal.fan_in = normal.fan_out = matrix[1];
	y = sf_matmul(g, sf_reshape(g, io->x, 1, &matrix[1]), sf_param(g, "A", 2, matrix, normal), 0, 1);
	y = sf_add(g, y, sf_param(g, "b", 1, matrix, zero));
	return sf_reshape(g, y, s.rank, dim);
}

extern const sf_net_class sf_net_affine;
const sf_net_class sf_net_affine = {
	{"affine", "linear map A x + b, for checking derivations", "Hyvarinen 2005, section 3",
	 sizeof(struct affine), opts, NULL, NULL},
	accepts, build, NULL, 0, NULL, 0};
