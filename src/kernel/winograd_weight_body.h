/* winograd_weight_body.h: weight gradient of the convolution in winograd_body.h, its exact adjoint:
 *
 *   dw (+)= sum over tiles of G' [(B' d B) (A dY A')] G,   a product of ci by co for each of 16 places
 *
 * The sums over a block of tiles are matrix products whose operands fit the second cache level one place at a time. Blocks
 * follow one another in the order of samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#define WINO_DEEP (WINO_MAX / MR * MR) /* tiles of a block: terms of a product */

/* m[.][t] = A dY A' for n tiles of the batch dy from p on */
static void F(wino_gradient)(const F(wino) *g, const T *dy, F(spot) p, int64_t n)
{
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++, p = F(spot_next)(g, p)) {
		const T *at[4];

		F(wino_pixels)(g, dy + p.s * g->h * g->w * g->co, g->co, 2, 2 * p.y, 2 * p.x, at);
		for (c = 0; c < g->co; c += VW) {
			VEC d[16], e[16];
			T *to = g->m + t * g->ldm + c;

			UNROLL
			for (i = 0; i < 4; i++)
				d[i] = LOAD(at[i] + c);
			BOTH_SIDES(F(line_at), 2, d, e);
			UNROLL
			for (i = 0; i < 16; i++)
				STORE(to + i * g->mstep, d[i]);
		}
	}
}

/* (+)= G' u G for one pair of channels; u has stride `step` */
INLINE void F(wino_weight)(const T *u, int64_t step, int accumulate, T *dw, int64_t next)
{
	VEC t[12];
	int i, j;

	UNROLL
	for (j = 0; j < 4; j++) {
		const VEC u0 = LOAD(u + j * step), u1 = LOAD(u + (4 + j) * step);
		const VEC u2 = LOAD(u + (8 + j) * step), u3 = LOAD(u + (12 + j) * step);

		t[j] = u0 + (T)0.5 * (u1 + u2);
		t[4 + j] = (T)0.5 * (u1 - u2);
		t[8 + j] = (T)0.5 * (u1 + u2) + u3;
	}
	UNROLL
	for (i = 0; i < 3; i++) {
		const VEC *r = t + 4 * i;
		const VEC o[3] = {r[0] + (T)0.5 * (r[1] + r[2]), (T)0.5 * (r[1] - r[2]),
		                  (T)0.5 * (r[1] + r[2]) + r[3]};

		UNROLL
		for (j = 0; j < 3; j++) {
			T *to = dw + (3 * i + j) * next;

			STORE(to, accumulate ? LOAD(to) + o[j] : o[j]);
		}
	}
}

static F(wino) F(wino_open_weight)(const sf_conv *s, T *scratch)
{
	return F(wino_open)(s, s->ci, s->co, s->co, WINO_DEEP, scratch);
}

static void F(wino_weights)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                            T *dw, T *scratch)
{
	const F(wino) g = F(wino_open_weight)(s, scratch);
	const int64_t all = n * g.th * g.tw, pairs = g.ci * g.co;
	T *u = g.zero + (g.ci > g.co ? g.ci : g.co);
	int64_t t, rows;
	int i;

	memset(g.zero, 0, (size_t)(u - g.zero) * sizeof(T));
	if (all == 0)
		memset(u, 0, (size_t)(16 * pairs) * sizeof(T));
	for (t = 0; t < all; t += rows) {
		const F(spot) p = F(spot_at)(&g, t);

		rows = all - t < g.block ? all - t : g.block;
		F(wino_input)(&g, x, p, rows);
		F(wino_gradient)(&g, dy, p, rows);
		for (i = 0; i < 16; i++)
			F(gemm)(g.ci, g.co, rows, g.a + i * g.astep, 1, g.lda, g.m + i * g.mstep, g.ldm, t > 0,
			        NULL, u + i * pairs, g.co);
	}
	for (t = 0; t < pairs; t += VW)
		F(wino_weight)(u + t, pairs, accumulate, dw + t, pairs);
}

/* Elements of scratch that any of the three needs. */
static size_t F(wino_scratch)(const sf_conv *s)
{
	const F(wino) f = F(wino_open_forward)(s, 0, NULL), d = F(wino_open_forward)(s, 1, NULL);
	const F(wino) w = F(wino_open_weight)(s, NULL);
	const int64_t forward = 16 * (f.astep + f.mstep), data = 16 * (d.astep + d.mstep);
	const int64_t weight = 16 * (w.astep + w.mstep + s->ci * s->co);
	const int64_t most = forward > data ? forward : data;

	return (size_t)((most > weight ? most : weight) + (s->ci > s->co ? s->ci : s->co));
}
