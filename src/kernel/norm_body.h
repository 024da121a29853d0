/* norm_body.h: group normalisation of one sample x (p,c) (Wu and He 2018, eq 1-3), then SiLU or
 * nothing.
 *
 *   mean_g, var_g over the p positions and c/groups channels of a group; rstd = 1/sqrt(var + eps)
 *   xh = (x - mean) rstd,  z = gamma xh + beta,  y = act(z)
 * backward, with dz = dy act'(z) and N = p c/groups:
 *   dbeta = sum_p dz,  dgamma = sum_p dz xh,
 *   dx = rstd (gamma dz - sum_g(gamma dz)/N - xh sum_g(gamma dz xh)/N)
 *
 * The variance is a second pass about the mean, so a mean far above the spread costs no digits.
 * Sums run down the positions of a channel: 64 of them in T, then in double; channels are added in
 * order. The work goes by bundles: the whole groups within SPAN channels, or one wider group.
 *
 * Channels go through a pass PIECES wide as long as they last, then PIECE wide, then the rest: the first two are
 * constants, so that the loops over channels become a few vector instructions with their sums in registers. No
 * channel's sum depends on how it was reached.
 * SPDX-License-Identifier: BSD-3-Clause */
#define SPAN 64 /* channels at a time, and most groups of a bundle */
#define RUN 64  /* positions added in T */
#define PIECES 64
#define PIECE 16
#define SUMS 4 /* vectors of sums at a time, enough for an addition to start while others are under way */

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

/* total[v] = sum over p positions of x (first = 1) or of (x - shift)^2, for `vectors` vectors of channels */
INLINE void F(norm_columns)(const int vectors, const int first, int64_t p, int64_t c, const T *x, const T *shift,
                            double *total)
{
	VEC mean[SUMS];
	int64_t i, end;
	int v, j;

	UNROLL
	for (v = 0; v < vectors; v++)
		mean[v] = LOAD(shift + v * VW);
	for (i = 0; i < p; i = end) {
		VEC sum[SUMS];
		T part[SUMS * VW];

		end = i + RUN < p ? i + RUN : p;
		UNROLL
		for (v = 0; v < vectors; v++)
			sum[v] = (VEC){0};
		for (; i < end; i++) {
			const T *row = x + i * c;

			UNROLL
			for (v = 0; v < vectors; v++) {
				const VEC d = first ? LOAD(row + v * VW) : LOAD(row + v * VW) - mean[v];

				sum[v] += first ? d : d * d;
			}
		}
		UNROLL
		for (v = 0; v < vectors; v++)
			STORE(part + v * VW, sum[v]);
		for (j = 0; j < vectors * VW; j++)
			total[j] += (double)part[j];
	}
}

/* The same for one channel. */
INLINE double F(norm_column)(const int first, int64_t p, int64_t c, const T *x, T shift)
{
	double total = 0;
	int64_t i, end;

	for (i = 0; i < p; i = end) {
		T part = 0;

		end = i + RUN < p ? i + RUN : p;
		for (; i < end; i++)
			part += first ? x[i * c] : (x[i * c] - shift) * (x[i * c] - shift);
		total += (double)part;
	}
	return total;
}

/* group[g] = sum over the group of x (first = 1) or of (x - mean)^2 */
INLINE void F(norm_sums)(const F(bundle) *b, const T *x, const int first, double *group)
{
	int64_t j0, g = 0, left = b->width;
	int j, n;

	memset(group, 0, SPAN * sizeof *group);
	for (j0 = 0; j0 < b->channels; j0 += SPAN) {
		T shift[SPAN];
		double total[SPAN] = {0};

		n = F(norm_span)(b, j0);
		F(norm_expand)(b, b->mean, j0, n, shift);
		for (j = 0; j + SUMS * VW <= n; j += SUMS * VW)
			F(norm_columns)(SUMS, first, b->p, b->c, x + j0 + j, shift + j, total + j);
		for (; j + VW <= n; j += VW)
			F(norm_columns)(1, first, b->p, b->c, x + j0 + j, shift + j, total + j);
		for (; j < n; j++)
			total[j] = F(norm_column)(first, b->p, b->c, x + j0 + j, shift[j]);
		for (j = 0; j < n; j++, left--) {
			if (left == 0) {
				left = b->width;
				g++;
			}
			group[g] += total[j];
		}
	}
}

/* The bundle that starts at group g, with its statistics. */
static void F(norm_open)(F(bundle) *b, int64_t p, int64_t c, int groups, int g, double eps,
                         const T *x)
{
	double sum[SPAN], count;
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
	F(norm_sums)(b, x, 1, sum);
	for (i = 0; i < b->groups; i++)
		b->mean[i] = (T)(sum[i] / count);
	F(norm_sums)(b, x, 0, sum);
	for (i = 0; i < b->groups; i++)
		b->rstd[i] = (T)(1 / sqrt(sum[i] / count + eps));
}

/* y = act((x - mean) scale + shift) for n channels of p positions */
INLINE void F(norm_rows)(const int n, const int act, int64_t p, int64_t c, const T *x, const T *mean, const T *scale,
                         const T *shift, T *y)
{
	int64_t i;
	int j;

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
#undef PIECES
#undef PIECE
#undef SUMS
