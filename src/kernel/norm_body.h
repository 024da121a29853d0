/* norm_body.h: group normalisation of one sample x (p,c) (Wu and He 2018, eq 1-3), then SiLU or
 * nothing.
 *
 *   mean_g, var_g over the p positions and c/groups channels of a group; rstd = 1/sqrt(var + eps)
 *   xh = (x - mean) rstd,  z = gamma xh + beta,  y = act(z)
 * backward, with dz = dy act'(z) and N = p c/groups:
 *   dbeta = sum_p dz,  dgamma = sum_p dz xh,
 *   dx = rstd (gamma dz - sum_g(gamma dz)/N - xh sum_g(gamma dz xh)/N)
 *
 * Statistics take one pass: RUN positions at a time, of each channel the sums of d = x - shift and of d^2 in T, with
 * the mean so far for shift, at first that of FEW values. Then in double (Chan, Golub and LeVeque 1983)
 *   m' = shift + sum(d)/n,  S' = sum(d^2) - sum(d)^2/n,
 *   m = m + (m' - m) n/N,  S = S + S' + (m' - m)^2 n (N - n)/N,  N with the n new positions
 * and so over the channels of a group. A mean far above the spread costs no digits: a shift far from the values of its run
 * comes from values far from these, which belong to the spread as well; sum(d^2) is at most RUN/FEW + 1 times the S that
 * results. The work goes by bundles: the whole groups within SPAN channels, or one wider group.
 *
 * Channels go through a pass PIECES wide as long as they last, then PIECE wide, then the rest: the first two are
 * constants, so that the loops over channels become a few vector instructions with their sums in registers. No
 * channel's sum depends on how it was reached, but for one rounding where multiply-adds are fused.
 * SPDX-License-Identifier: BSD-3-Clause */
#define SPAN 64 /* channels at a time, and most groups of a bundle */
#define RUN 64  /* positions added in T */
#define FEW 8
#define PIECES 64
#define PIECE 16
#define SUMS 4 /* vectors at a time, enough for an operation to start while others are under way */

/* A bundle: `groups` groups of `width` channels; x and the other arrays start at its first
 * channel. */
typedef struct F(bundle) {
	int64_t p, c, width, channels;
	int groups;
	T mean[SPAN], rstd[SPAN];
} F(bundle);

/* One value a channel for channels j0 .. j0+n from one value a group. */
static void F(norm_expand)(const F(bundle) *b, const T *group, int64_t j0, int n, T *out)
{
	int64_t g = j0 / b->width, left = b->width - j0 % b->width;
	int j;

	for (j = 0; j < n; j++, left--) {
		if (left == 0) {
			left = b->width;
			g++;
		}
		out[j] = group[g];
	}
}

INLINE int F(norm_span)(const F(bundle) *b, int64_t j0)
{
	return (int)(b->channels - j0 < SPAN ? b->channels - j0 : SPAN);
}

/* The channels of the pass that starts at j of n. */
INLINE int F(norm_piece)(int n, int j)
{
	return n - j >= PIECES ? PIECES : n - j >= PIECE ? PIECE : n - j;
}

/* Sums of d = x - shift and of d^2 over p positions, for `vectors` vectors of channels */
INLINE void F(norm_columns)(const int vectors, int64_t p, int64_t c, const T *x, const T *shift, T *sum, T *square)
{
	VEC from[SUMS], s[SUMS], q[SUMS];
	int64_t i;
	int v;

	UNROLL
	for (v = 0; v < vectors; v++) {
		from[v] = LOAD(shift + v * VW);
		s[v] = q[v] = (VEC){0};
	}
	for (i = 0; i < p; i++, x += c) {
		UNROLL
		for (v = 0; v < vectors; v++) {
			const VEC d = LOAD(x + v * VW) - from[v];

			s[v] += d;
			q[v] = FMA(d, d, q[v]);
		}
	}
	UNROLL
	for (v = 0; v < vectors; v++) {
		STORE(sum + v * VW, s[v]);
		STORE(square + v * VW, q[v]);
	}
}

/* The same for one channel. */
INLINE void F(norm_column)(int64_t p, int64_t c, const T *x, T shift, T *sum, T *square)
{
	T s = 0, q = 0;
	int64_t i;

	for (i = 0; i < p; i++, x += c) {
		s += *x - shift;
		q += (*x - shift) * (*x - shift);
	}
	*sum = s;
	*square = q;
}

/* Means and sums of squares about them of n channels */
static void F(norm_moments)(int n, int64_t p, int64_t c, const T *x, double *mean, double *spread)
{
	T shift[SPAN], sum[SPAN], square[SPAN];
	const int64_t few = p < FEW ? p : FEW;
	int64_t i, end;
	int j;

	memset(shift, 0, sizeof shift);
	for (i = 0; i < few; i++)
		for (j = 0; j < n; j++)
			shift[j] += x[i * c + j];
	for (j = 0; j < n; j++) {
		shift[j] /= few > 0 ? (T)few : 1;
		mean[j] = (double)shift[j];
		spread[j] = 0;
	}
	for (i = 0; i < p; i = end) {
		const T *at = x + i * c;
		double count, part, both;

		end = i + RUN < p ? i + RUN : p;
		for (j = 0; j + SUMS * VW <= n; j += SUMS * VW)
			F(norm_columns)(SUMS, end - i, c, at + j, shift + j, sum + j, square + j);
		for (; j + VW <= n; j += VW)
			F(norm_columns)(1, end - i, c, at + j, shift + j, sum + j, square + j);
		for (; j < n; j++)
			F(norm_column)(end - i, c, at + j, shift[j], sum + j, square + j);
		count = 1 / (double)(end - i);
		part = (double)(end - i) / (double)end;
		both = part * (double)i;
		for (j = 0; j < n; j++) {
			const double d = (double)sum[j] * count, e = (double)shift[j] + d - mean[j];

			spread[j] += (double)square[j] - (double)sum[j] * d + e * e * both;
			mean[j] += e * part;
			shift[j] = (T)mean[j];
		}
	}
}

/* mean[g] of the group and spread[g] = sum over it of (x - mean)^2 */
INLINE void F(norm_sums)(const F(bundle) *b, const T *x, double *mean, double *spread)
{
	double first[SPAN], square[SPAN] = {0}; /* of the channels' means: the first; squares of the others less the first */
	int64_t j0, left = 0;
	int j, n, g = -1;

	memset(mean, 0, SPAN * sizeof *mean);
	memset(spread, 0, SPAN * sizeof *spread);
	for (j0 = 0; j0 < b->channels; j0 += SPAN) {
		double m[SPAN], s[SPAN];

		n = F(norm_span)(b, j0);
		F(norm_moments)(n, b->p, b->c, x + j0, m, s);
		for (j = 0; j < n; j++, left--) {
			double d;

			if (left == 0) {
				left = b->width;
				first[++g] = m[j];
			}
			d = m[j] - first[g];
			mean[g] += d;
			square[g] += d * d;
			spread[g] += s[j];
		}
	}
	for (g = 0; g < b->groups; g++) {
		const double d = mean[g] / (double)b->width;

		spread[g] += (double)b->p * (square[g] - mean[g] * d);
		mean[g] = first[g] + d;
	}
}

/* The bundle that starts at group g, with its statistics. */
static void F(norm_open)(F(bundle) *b, int64_t p, int64_t c, int groups, int g, double eps,
                         const T *x)
{
	double mean[SPAN], spread[SPAN], count;
	int i;

	b->p = p;
	b->c = c;
	b->width = c / groups;
	b->groups = b->width >= SPAN ? 1 : (int)(SPAN / b->width);
	if (b->groups > groups - g)
		b->groups = groups - g;
	b->channels = b->groups * b->width;
	count = (double)p * (double)b->width;
	memset(b->mean, 0, sizeof b->mean);
	F(norm_sums)(b, x, mean, spread);
	for (i = 0; i < b->groups; i++) {
		b->mean[i] = (T)mean[i];
		b->rstd[i] = (T)(1 / sqrt(spread[i] / count + eps));
	}
}

#if TBITS == 32 && defined ONE_AND_EXP_MINUS_f32
/* y = silu((x - mean) scale + shift) for `vectors` vectors of channels of p positions */
INLINE void F(norm_silu)(const int vectors, int64_t p, int64_t c, const T *x, const T *mean, const T *scale,
                         const T *shift, T *y)
{
	VEC m[SUMS], s[SUMS], b[SUMS];
	int64_t i;
	int v;

	UNROLL
	for (v = 0; v < vectors; v++) {
		m[v] = LOAD(mean + v * VW);
		s[v] = LOAD(scale + v * VW);
		b[v] = LOAD(shift + v * VW);
	}
	for (i = 0; i < p; i++, x += c, y += c) {
		UNROLL
		for (v = 0; v < vectors; v++) {
			const VEC z = FMA(LOAD(x + v * VW) - m[v], s[v], b[v]);

			STORE(y + v * VW, z / ONE_AND_EXP_MINUS_f32(z));
		}
	}
}
#endif

/* y = act((x - mean) scale + shift) for n channels of p positions */
INLINE void F(norm_rows)(const int n, const int act, int64_t p, int64_t c, const T *x, const T *mean, const T *scale,
                         const T *shift, T *y)
{
	int64_t i;
	int j;

#if TBITS == 32 && defined ONE_AND_EXP_MINUS_f32
	if (act && n % VW == 0) {
		F(norm_silu)(n / VW, p, c, x, mean, scale, shift, y);
		return;
	}
#endif
	for (i = 0; i < p; i++, x += c, y += c) {
		EACH
		for (j = 0; j < n; j++) {
			const T z = (x[j] - mean[j]) * scale[j] + shift[j];

			y[j] = act ? F(f_silu)(z) : z;
		}
	}
}

INLINE void F(norm_apply)(const int act, int n, int64_t p, int64_t c, const T *x, const T *mean, const T *scale,
                          const T *shift, T *y)
{
	int j, w;

	for (j = 0; j < n; j += w) {
		w = F(norm_piece)(n, j);
		if (w == PIECES)
			F(norm_rows)(PIECES, act, p, c, x + j, mean + j, scale + j, shift + j, y + j);
		else if (w == PIECE)
			F(norm_rows)(PIECE, act, p, c, x + j, mean + j, scale + j, shift + j, y + j);
		else
			F(norm_rows)(w, act, p, c, x + j, mean + j, scale + j, shift + j, y + j);
	}
}

static void F(norm_forward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
                            const T *gamma, const T *beta, T *y, T *stat)
{
	F(bundle) b;
	int64_t j0;
	int g, j, n;

	for (g = 0; g < groups; g += b.groups) {
		F(norm_open)(&b, p, c, groups, g, eps, x);
		for (j = 0; stat && j < b.groups; j++) {
			stat[2 * (g + j)] = b.mean[j];
			stat[2 * (g + j) + 1] = b.rstd[j];
		}
		for (j0 = 0; j0 < b.channels; j0 += SPAN) {
			T mean[SPAN], scale[SPAN];

			n = F(norm_span)(&b, j0);
			F(norm_expand)(&b, b.mean, j0, n, mean);
			F(norm_expand)(&b, b.rstd, j0, n, scale);
			for (j = 0; j < n; j++)
				scale[j] *= gamma[j0 + j];
			if (act)
				F(norm_apply)(1, n, p, c, x + j0, mean, scale, beta + j0, y + j0);
			else
				F(norm_apply)(0, n, p, c, x + j0, mean, scale, beta + j0, y + j0);
		}
		x += b.channels;
		y += b.channels;
		gamma += b.channels;
		beta += b.channels;
	}
}

/* What the passes of the backward step read of their channels. */
typedef struct F(norm_at) {
	T mean[SPAN], rstd[SPAN], scale[SPAN], shift[SPAN];
	T m1[SPAN], m2[SPAN]; /* sums over positions of dz and dz xh; then their means over the group, weighted */
} F(norm_at);

#if TBITS == 32 && defined ONE_AND_EXP_MINUS_f32
/* norm_dz_rows for `vectors` vectors of channels and SiLU */
INLINE void F(norm_dz_silu)(const int vectors, int64_t p, int64_t c, const T *x, const T *dy, int j0, F(norm_at) *a,
                            T *dx, int64_t step)
{
	VEC m1[SUMS], m2[SUMS];
	int64_t i;
	int v;

	UNROLL
	for (v = 0; v < vectors; v++) {
		m1[v] = LOAD(a->m1 + j0 + v * VW);
		m2[v] = LOAD(a->m2 + j0 + v * VW);
	}
	for (i = 0; i < p; i++, x += c, dy += c, dx += step) {
		UNROLL
		for (v = 0; v < vectors; v++) {
			const int j = j0 + v * VW;
			const VEC xh = (LOAD(x + v * VW) - LOAD(a->mean + j)) * LOAD(a->rstd + j);
			const VEC z = FMA(LOAD(a->scale + j), xh, LOAD(a->shift + j));
			const VEC s = 1 / ONE_AND_EXP_MINUS_f32(z), t = z * s;
			const VEC dz = LOAD(dy + v * VW) * FMA(t, 1 - s, s); /* s (1 + z (1 - s)) */

			m1[v] += dz;
			m2[v] = FMA(dz, xh, m2[v]);
			STORE(dx + v * VW, dz);
		}
	}
	UNROLL
	for (v = 0; v < vectors; v++) {
		STORE(a->m1 + j0 + v * VW, m1[v]);
		STORE(a->m2 + j0 + v * VW, m2[v]);
	}
}
#endif

/* Sums of dz = dy act'(z) and dz xh for n channels of p positions, at most RUN; dz is kept in `dx` if that is not
 * NULL. */
INLINE void F(norm_dz_rows)(const int n, const int act, int64_t p, int64_t c, const T *x, const T *dy, int j0,
                            F(norm_at) *a, T *dx)
{
	const T *mean = a->mean + j0, *rstd = a->rstd + j0, *scale = a->scale + j0, *shift = a->shift + j0;
	T *m1 = a->m1 + j0, *m2 = a->m2 + j0, drop[PIECES];
	int64_t i, step = dx ? c : 0;
	int j;

	dx = dx ? dx : drop;
#if TBITS == 32 && defined ONE_AND_EXP_MINUS_f32
	if (act && n % VW == 0) {
		F(norm_dz_silu)(n / VW, p, c, x, dy, j0, a, dx, step);
		return;
	}
#endif
	for (i = 0; i < p; i++, x += c, dy += c, dx += step) {
		EACH
		for (j = 0; j < n; j++) {
			const T xh = (x[j] - mean[j]) * rstd[j];
			const T dz = act ? dy[j] * F(f_silu_grad)(scale[j] * xh + shift[j]) : dy[j];

			m1[j] += dz;
			m2[j] += dz * xh;
			dx[j] = dz;
		}
	}
}

INLINE void F(norm_dz)(const int act, int n, int64_t p, int64_t c, const T *x, const T *dy, F(norm_at) *a, T *dx)
{
	int j, w;

	for (j = 0; j < n; j += w) {
		w = F(norm_piece)(n, j);
		if (w == PIECES)
			F(norm_dz_rows)(PIECES, act, p, c, x + j, dy + j, j, a, dx ? dx + j : NULL);
		else if (w == PIECE)
			F(norm_dz_rows)(PIECE, act, p, c, x + j, dy + j, j, a, dx ? dx + j : NULL);
		else
			F(norm_dz_rows)(w, act, p, c, x + j, dy + j, j, a, dx ? dx + j : NULL);
	}
}

/* dx = rstd (gamma dz - m1 - xh m2), dz in dx */
INLINE void F(norm_dx_rows)(const int n, int64_t p, int64_t c, const T *x, int j0, const F(norm_at) *a, T *dx)
{
	const T *mean = a->mean + j0, *rstd = a->rstd + j0, *scale = a->scale + j0;
	const T *m1 = a->m1 + j0, *m2 = a->m2 + j0;
	int64_t i;
	int j;

	for (i = 0; i < p; i++, x += c, dx += c) {
		EACH
		for (j = 0; j < n; j++)
			dx[j] = rstd[j] * (scale[j] * dx[j] - m1[j] - (x[j] - mean[j]) * rstd[j] * m2[j]);
	}
}

static void F(norm_dx)(int n, int64_t p, int64_t c, const T *x, const F(norm_at) *a, T *dx)
{
	int j, w;

	for (j = 0; j < n; j += w) {
		w = F(norm_piece)(n, j);
		if (w == PIECES)
			F(norm_dx_rows)(PIECES, p, c, x + j, j, a, dx + j);
		else if (w == PIECE)
			F(norm_dx_rows)(PIECE, p, c, x + j, j, a, dx + j);
		else
			F(norm_dx_rows)(w, p, c, x + j, j, a, dx + j);
	}
}

static void F(norm_backward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
                             const T *gamma, const T *beta, const T *dy, T *dx, T *dgamma, T *dbeta)
{
	F(bundle) b;
	F(norm_at) a;
	int64_t i, end, j0, at;
	int g, j, n;

	for (g = 0, at = 0; g < groups; g += b.groups, at += b.channels) {
		double s1[SPAN] = {0}, s2[SPAN] = {0}; /* of each group: gamma dz, gamma dz xh */

		F(norm_open)(&b, p, c, groups, g, eps, x + at);
		for (j0 = 0; j0 < b.channels; j0 += SPAN) {
			double t1[SPAN] = {0}, t2[SPAN] = {0}; /* of each channel: dz, dz xh */

			n = F(norm_span)(&b, j0);
			F(norm_expand)(&b, b.mean, j0, n, a.mean);
			F(norm_expand)(&b, b.rstd, j0, n, a.rstd);
			memcpy(a.scale, gamma + at + j0, (size_t)n * sizeof *gamma);
			memcpy(a.shift, beta + at + j0, (size_t)n * sizeof *beta);
			for (i = 0; i < p; i = end) {
				const int64_t k = i * c + at + j0;

				memset(a.m1, 0, sizeof a.m1);
				memset(a.m2, 0, sizeof a.m2);
				end = i + RUN < p ? i + RUN : p;
				if (act)
					F(norm_dz)(1, n, end - i, c, x + k, dy + k, &a, dx ? dx + k : NULL);
				else
					F(norm_dz)(0, n, end - i, c, x + k, dy + k, &a, dx ? dx + k : NULL);
				for (j = 0; j < n; j++) {
					t1[j] += (double)a.m1[j];
					t2[j] += (double)a.m2[j];
				}
			}
			for (j = 0; j < n; j++) {
				if (dbeta)
					dbeta[at + j0 + j] += (T)t1[j];
				if (dgamma)
					dgamma[at + j0 + j] += (T)t2[j];
				s1[(j0 + j) / b.width] += (double)a.scale[j] * t1[j];
				s2[(j0 + j) / b.width] += (double)a.scale[j] * t2[j];
			}
		}
		for (j = 0; j < b.groups; j++) {
			s1[j] /= (double)p * (double)b.width;
			s2[j] /= (double)p * (double)b.width;
		}
		for (j0 = 0; dx && j0 < b.channels; j0 += SPAN) {
			n = F(norm_span)(&b, j0);
			F(norm_expand)(&b, b.mean, j0, n, a.mean);
			F(norm_expand)(&b, b.rstd, j0, n, a.rstd);
			memcpy(a.scale, gamma + at + j0, (size_t)n * sizeof *gamma);
			for (j = 0; j < n; j++) {
				a.m1[j] = (T)s1[(j0 + j) / b.width];
				a.m2[j] = (T)s2[(j0 + j) / b.width];
			}
			F(norm_dx)(n, p, c, x + at + j0, &a, dx + at + j0);
		}
	}
}
#undef SPAN
#undef RUN
#undef FEW
#undef PIECES
#undef PIECE
#undef SUMS
