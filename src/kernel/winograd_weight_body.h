/* winograd_weight_body.h: weight gradient of the convolution in winograd_body.h, its exact adjoint:
 *
 *   dw (+)= sum over tiles of G' [(B' d B) (A dY A')] G,   a product of ci by co for each of 16 places
 *
 * A block of tiles is transformed back to the 3x3 filters at once, panel by panel, and added to dw, so the
 * 16 products never leave the caches. Blocks follow one another in the order of samples.
 * SPDX-License-Identifier: BSD-3-Clause */
#define WINO_ROWS 64  /* channels of x at a time */
#define WINO_DEEP 112 /* tiles of a block: terms of a product */
#define USTEP (WINO_ROWS * WINO_COLS + 16)

/* m[.][t] = A dY A' for n tiles of the batch dy from p on, all panels */
static void F(wino_gradient)(const F(wino) *g, const T *dy, F(spot) p, int64_t n)
{
	int64_t t, c;
	int i;

	for (t = 0; t < n; t++, p = F(spot_next)(g, p)) {
		const T *at[4];

		F(wino_pixels)(g, dy + p.s * g->h * g->w * g->co, g->co, 2, 2 * p.y, 2 * p.x, at);
		for (c = 0; c < g->co; c += VW) {
			VEC d[16], e[16];
			T *to = g->m + c / WINO_COLS * 16 * g->mstep + t * WINO_COLS + c % WINO_COLS;

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

/* o = G' u G, 9 values from 16 */
INLINE void F(wino_weight)(const T *u, T *o)
{
	VEC t[12];
	int i, j;

	UNROLL
	for (j = 0; j < 4; j++) {
		const VEC u0 = LOAD(u + j * USTEP), u1 = LOAD(u + (4 + j) * USTEP);
		const VEC u2 = LOAD(u + (8 + j) * USTEP), u3 = LOAD(u + (12 + j) * USTEP);

		t[j] = u0 + (T)0.5 * (u1 + u2);
		t[4 + j] = (T)0.5 * (u1 - u2);
		t[8 + j] = (T)0.5 * (u1 + u2) + u3;
	}
	UNROLL
	for (i = 0; i < 3; i++) {
		const VEC *r = t + 4 * i;

		STORE(o + 3 * i * WINO_COLS, r[0] + (T)0.5 * (r[1] + r[2]));
		STORE(o + (3 * i + 1) * WINO_COLS, (T)0.5 * (r[1] - r[2]));
		STORE(o + (3 * i + 2) * WINO_COLS, (T)0.5 * (r[1] + r[2]) + r[3]);
	}
}

/* dw (+)= the filters' gradient of channels c .. c+rows of x and the panel from j on */
static void F(wino_panel_weight)(const F(wino) *g, int64_t tiles, int64_t c, int64_t rows, int64_t j, int accumulate,
                                 T *dw, T *u)
{
	const int64_t cols = g->co - j < WINO_COLS ? g->co - j : WINO_COLS;
	const T *m = g->m + j / WINO_COLS * 16 * g->mstep;
	T filters[9 * WINO_COLS] ALIGNED; /* a row of one channel of x: the 9 planes of dw share cache sets */
	int64_t r, v, width;
	int i;

	for (i = 0; i < 16; i++)
		for (v = 0; v < cols; v += width) {
			width = cols - v < NR ? cols - v : NR;
			F(panel)(rows, (int)(width / VW), tiles, g->a + i * g->astep + c, 1, g->lda,
			         m + i * g->mstep + v, WINO_COLS, 0, NULL, u + i * USTEP + v, WINO_COLS);
		}
	for (r = 0; r < rows; r++) {
		for (v = 0; v < cols; v += VW)
			F(wino_weight)(u + r * WINO_COLS + v, filters + v);
		for (i = 0; i < 9; i++) {
			const T *from = filters + i * WINO_COLS;
			T *to = dw + (i * g->ci + c + r) * g->co + j;

			for (v = 0; v < cols; v += VW)
				STORE(to + v, accumulate ? LOAD(to + v) + LOAD(from + v) : LOAD(from + v));
		}
	}
}

static void F(wino_weights)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
                            T *dw, T *scratch)
{
	const F(wino) g = F(wino_open)(s->h, s->w, s->ci, s->co, F(wino_panels)(s->co), WINO_DEEP, scratch);
	const int64_t all = n * g.th * g.tw, widest = g.ci > g.co ? g.ci : g.co;
	const int64_t blocks = (all + WINO_DEEP - 1) / WINO_DEEP;
	F(spot) p = F(spot_at)(&g, 0);
	int64_t t, rows, c, j;

	memset(g.zero, 0, (size_t)widest * sizeof(T));
	if (all == 0 && !accumulate)
		memset(dw, 0, (size_t)(9 * g.ci * g.co) * sizeof(T));
	for (t = 0; t < all; t += rows) {
		rows = (all + blocks - 1) / blocks;
		rows = all - t < rows ? all - t : rows;
		F(wino_input)(&g, x, p, rows);
		F(wino_gradient)(&g, dy, p, rows);
		for (j = 0; j < g.co; j += WINO_COLS)
			for (c = 0; c < g.ci; c += WINO_ROWS)
				F(wino_panel_weight)(&g, rows, c, g.ci - c < WINO_ROWS ? g.ci - c : WINO_ROWS, j,
				                     accumulate || t > 0, dw, g.zero + widest);
		p = F(spot_at)(&g, t + rows);
	}
}

/* Elements of scratch that any of the three needs. */
static size_t F(wino_scratch)(const sf_conv *s)
{
	const int64_t widest = s->ci > s->co ? s->ci : s->co, panels = F(wino_panels)(s->co);
	const F(wino) f = F(wino_open)(s->h, s->w, s->ci, s->co, 1, F(wino_fit)(s->ci), NULL);
	const F(wino) d = F(wino_open)(s->h, s->w, s->co, s->ci, 1, F(wino_fit)(s->co), NULL);
	const F(wino) w = F(wino_open)(s->h, s->w, s->ci, s->co, panels, WINO_DEEP, NULL);
	const int64_t forward = 16 * (f.astep + f.mstep), data = 16 * (d.astep + d.mstep);
	const int64_t weight = 16 * (w.astep + panels * w.mstep + USTEP);
	const int64_t most = forward > data ? forward : data;

	return (size_t)((most > weight ? most : weight) + widest);
}
