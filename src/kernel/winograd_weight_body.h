/* winograd_weight_body.h: weight gradient of the convolution in winograd_body.h, its exact adjoint:
 *
 *   dw (+)= sum over tiles of G' [(B' d B) (A dY A')] G,   a product of ci by co for each of 16 places
 *
 * The sums over a block of tiles are matrix products, in panels of co whose 16 results fit the second cache level and
 * leave it as dw where the last block ends; with one block, no other memory sees them. Blocks follow one another in
 * the order of samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#define WINO_DEEP (WINO_MAX / MR * MR) /* tiles of a block: terms of a product */
#define WINO_SUMS (512 * 1024)         /* bytes of a panel's 16 results, at least one register tile wide */

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

/* (+)= G' u G for VW pairs of channels; u has stride `step` */
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

static int64_t F(wino_panel)(const F(wino) *g)
{
	const int64_t fit = WINO_SUMS / (16 * (int64_t)sizeof(T) * g->ci) / NR * NR, cols = fit < NR ? NR : fit;

	return cols < g->co ? cols : g->co;
}

/* From one place's results to the next, off powers of two, which would share cache sets */
static int64_t F(wino_apart)(const F(wino) *g, int64_t cols)
{
	return g->ci * cols + 16;
}

/* u (16,ci,cols) at place i (+)= the products of a block for the channels from j on */
static void F(wino_sums)(const F(wino) *g, int64_t rows, int i, int64_t j, int64_t cols, int accumulate, T *u)
{
	int64_t k;

	for (k = 0; k < cols; k += NR)
		F(panel)(g->ci, cols - k < NR ? (int)((cols - k) / VW) : 2, rows, g->a + i * g->astep, 1, g->lda,
		         g->m + i * g->mstep + j + k, g->ldm, accumulate, NULL,
		         u + i * F(wino_apart)(g, cols) + k, cols);
}

static void F(wino_weights)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                            T *dw, T *scratch)
{
	const F(wino) g = F(wino_open_weight)(s, scratch);
	const int64_t all = n * g.th * g.tw, pairs = g.ci * g.co, panel = F(wino_panel)(&g);
	const int64_t whole = 16 * F(wino_apart)(&g, panel);
	T *u = g.zero + (g.ci > g.co ? g.ci : g.co);
	int64_t t, rows, j, cols, c, k;
	int i;

	memset(g.zero, 0, (size_t)(u - g.zero) * sizeof(T));
	if (all == 0 && !accumulate)
		memset(dw, 0, (size_t)(9 * pairs) * sizeof(T));
	for (t = 0; t < all; t += rows) {
		const F(spot) p = F(spot_at)(&g, t);
		const int only = all <= g.block, last = all - t <= g.block;

		rows = last ? all - t : g.block;
		F(wino_input)(&g, x, p, rows);
		F(wino_gradient)(&g, dy, p, rows);
		for (i = 0; !last && i < 16; i++) /* all panels of a place: its operands are read once */
			for (j = 0; j < g.co; j += panel)
				F(wino_sums)(&g, rows, i, j, g.co - j < panel ? g.co - j : panel, t > 0,
				             u + j / panel * whole);
		for (j = 0; last && j < g.co; j += cols) {
			T *sums = only ? u : u + j / panel * whole;

			cols = g.co - j < panel ? g.co - j : panel;
			for (i = 0; i < 16; i++)
				F(wino_sums)(&g, rows, i, j, cols, t > 0, sums);
			for (c = 0; c < g.ci; c++)
				for (k = 0; k < cols; k += VW)
					F(wino_weight)(sums + c * cols + k, F(wino_apart)(&g, cols), accumulate,
					               dw + c * g.co + j + k, pairs);
		}
	}
}

/* Elements of scratch that any of the three needs. */
static size_t F(wino_scratch)(const sf_conv *s)
{
	const F(wino) f = F(wino_open_forward)(s, 0, NULL), d = F(wino_open_forward)(s, 1, NULL);
	const F(wino) w = F(wino_open_weight)(s, NULL);
	const int64_t forward = 16 * (f.astep + f.mstep), data = 16 * (d.astep + d.mstep);
	const int64_t panel = F(wino_panel)(&w), panels = (s->co + panel - 1) / panel;
	const int64_t weight = 16 * (w.astep + w.mstep + panels * F(wino_apart)(&w, panel));
	const int64_t most = forward > data ? forward : data;

	return (size_t)((most > weight ? most : weight) + (s->ci > s->co ? s->ci : s->co));
}
