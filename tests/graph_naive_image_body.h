/* graph_naive_image_body.h: convolution, resampling and pooling by their definitions; part of graph_naive.c.
 * SPDX-License-Identifier: BSD-3-Clause */

/* All three convolutions: the trilinear form, one factor replaced by the result. */
static void run_conv(naive_job *j)
{
	sf_opcode op = j->n->op;
	const sf_shape *x = op == SF_OP_CONV_DATA ? j->y : j->a[0];
	const sf_shape *w = op == SF_OP_CONV_WEIGHT ? j->y : j->a[1];
	const sf_shape *z = op == SF_OP_CONV ? j->y : j->a[op == SF_OP_CONV_DATA ? 0 : 1];
	int64_t stride = j->n->i[0], pad = j->n->i[1], gap = j->n->i[4], s, oy, ox, ky, kx, ci, co;

	for (s = 0; s < naive_samples(j, z); s++)
	for (oy = 0; oy < z->dim[0]; oy++)
	for (ox = 0; ox < z->dim[1]; ox++)
	for (ky = 0; ky < w->dim[0]; ky++)
	for (kx = 0; kx < w->dim[1]; kx++) {
		int64_t iy = oy * stride + ky * gap - pad, ix = ox * stride + kx * gap - pad;

		if (iy < 0 || iy >= x->dim[0] || ix < 0 || ix >= x->dim[1])
			continue;
		for (ci = 0; ci < x->dim[2]; ci++)
		for (co = 0; co < z->dim[2]; co++) {
			int64_t xi = (iy * x->dim[1] + ix) * x->dim[2] + ci;
			int64_t wi = ((ky * w->dim[1] + kx) * w->dim[2] + ci) * w->dim[3] + co;
			int64_t zi = (oy * z->dim[1] + ox) * z->dim[2] + co;

			if (op == SF_OP_CONV)
				j->o[s * z->size + zi] += naive_at(j, 0, s, xi) * naive_at(j, 1, s, wi);
			else if (op == SF_OP_CONV_DATA)
				j->o[s * x->size + xi] += naive_at(j, 0, s, zi) * naive_at(j, 1, s, wi);
			else
				j->o[wi] += naive_at(j, 0, s, xi) * naive_at(j, 1, s, zi);
		}
	}
}

/* The definition in steps: insert zeros, pad, convolve (taps reversed), keep every down-th. */
static double resampled(const naive_job *j, int64_t s, int64_t oy, int64_t ox, int64_t c)
{
	const sf_shape *x = j->a[0];
	int64_t up = j->n->i[0], down = j->n->i[1], pad = j->n->i[2];
	int ky, kx, ntap = j->n->ntap;
	double sum = 0;

	for (ky = 0; ky < ntap; ky++) {
		int64_t py = oy * down + ky - pad; /* in the image with zeros inserted */

		if (py < 0 || py >= x->dim[0] * up || py % up)
			continue;
		for (kx = 0; kx < ntap; kx++) {
			int64_t px = ox * down + kx - pad;

			if (px < 0 || px >= x->dim[1] * up || px % up)
				continue;
			sum += j->n->tap[ntap - 1 - ky] * j->n->tap[ntap - 1 - kx] *
			       naive_at(j, 0, s, (py / up * x->dim[1] + px / up) * x->dim[2] + c);
		}
	}
	return sum;
}

static void run_upfirdn(naive_job *j)
{
	int64_t s, i;
	idx x;

	for (s = 0; s < naive_samples(j, j->y); s++) {
		for (i = 0; i < j->y->size; i++) {
			split(j->y, i, x);
			j->o[s * j->y->size + i] = resampled(j, s, x[0], x[1], x[2]);
		}
	}
}

/* Every window is searched in row-major order; PICK reads t at the place, UNPICK adds there. */
static void run_pick(naive_job *j)
{
	const sf_shape *x = j->a[0], *y = j->n->op == SF_OP_PICK ? j->y : j->a[1];
	int64_t k = j->n->i[0], stride = j->n->i[1], pad = j->n->i[2], s, o, ky, kx;
	idx at;

	for (s = 0; s < naive_samples(j, j->y); s++)
		for (o = 0; o < y->size; o++) {
			int64_t best = -1;

			split(y, o, at);
			for (ky = 0; ky < k; ky++)
				for (kx = 0; kx < k; kx++) {
					int64_t iy = at[0] * stride + ky - pad, ix = at[1] * stride + kx - pad;
					int64_t i = (iy * x->dim[1] + ix) * x->dim[2] + at[2];

					if (iy < 0 || iy >= x->dim[0] || ix < 0 || ix >= x->dim[1])
						continue;
					if (best < 0 || naive_at(j, 0, s, i) > naive_at(j, 0, s, best))
						best = i;
				}
			if (j->n->op == SF_OP_PICK)
				j->o[s * y->size + o] = naive_at(j, 1, s, best);
			else
				j->o[s * x->size + best] += naive_at(j, 1, s, o);
		}
}
