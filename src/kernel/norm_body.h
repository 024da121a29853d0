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
 * SPDX-License-Identifier: BSD-3-Clause */
#define SPAN 64 /* channels at a time, and most groups of a bundle */
#define RUN 64  /* positions added in T */

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
	int j;

	for (j = 0; j < n; j++)
		out[j] = group[(j0 + j) / b->width];
}

INLINE int F(norm_span)(const F(bundle) *b, int64_t j0)
{
	return (int)(b->channels - j0 < SPAN ? b->channels - j0 : SPAN);
}

/* group[g] = sum over the group of x (first = 1) or of (x - mean)^2 */
static void F(norm_sums)(const F(bundle) *b, const T *x, int first, double *group)
{
	int64_t i, end, j0;
	int j, n;

	memset(group, 0, SPAN * sizeof *group);
	for (j0 = 0; j0 < b->channels; j0 += SPAN) {
		T shift[SPAN];
		double total[SPAN] = {0};

		n = F(norm_span)(b, j0);
		F(norm_expand)(b, b->mean, j0, n, shift);
		for (i = 0; i < b->p; i = end) {
			T part[SPAN] = {0};

			end = i + RUN < b->p ? i + RUN : b->p;
			for (; i < end; i++) {
				const T *row = x + i * b->c + j0;

				for (j = 0; j < n; j++) {
					const T d = row[j] - shift[j];

					part[j] += first ? row[j] : d * d;
				}
			}
			for (j = 0; j < n; j++)
				total[j] += (double)part[j];
		}
		for (j = 0; j < n; j++)
			group[(j0 + j) / b->width] += total[j];
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

static void F(norm_forward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
                            const T *gamma, const T *beta, T *y, T *stat)
{
	F(bundle) b;
	int64_t i, j0;
	int g, j, n;

	for (g = 0; g < groups; g += b.groups) {
		F(norm_open)(&b, p, c, groups, g, eps, x);
		for (j = 0; stat && j < b.groups; j++) {
			stat[2 * (g + j)] = b.mean[j];
			stat[2 * (g + j) + 1] = b.rstd[j];
		}
		for (j0 = 0; j0 < b.channels; j0 += SPAN) {
			T mean[SPAN], scale[SPAN], shift[SPAN];

			n = F(norm_span)(&b, j0);
			F(norm_expand)(&b, b.mean, j0, n, mean);
			F(norm_expand)(&b, b.rstd, j0, n, scale);
			for (j = 0; j < n; j++) {
				scale[j] *= gamma[j0 + j];
				shift[j] = beta[j0 + j];
			}
			for (i = 0; i < p; i++) {
				const T *from = x + i * c + j0;
				T *to = y + i * c + j0;

				EACH
				for (j = 0; j < n; j++) {
					const T z = (from[j] - mean[j]) * scale[j] + shift[j];

					to[j] = act ? F(f_silu)(z) : z;
				}
			}
		}
		x += b.channels;
		y += b.channels;
		gamma += b.channels;
		beta += b.channels;
	}
}

/* dz = dy act'(z) and xh of one position; dz is kept in `dx`, both sums grow. */
INLINE void F(norm_dz)(int n, int act, const T *x, const T *dy, const T *mean, const T *rstd,
                       const T *gamma, const T *beta, T *dx, T *dz_sum, T *dzxh_sum)
{
	int j;

	EACH
	for (j = 0; j < n; j++) {
		const T xh = (x[j] - mean[j]) * rstd[j];
		const T dz = act ? dy[j] * F(f_silu_grad)(gamma[j] * xh + beta[j]) : dy[j];

		dz_sum[j] += dz;
		dzxh_sum[j] += dz * xh;
		dx[j] = dz;
	}
}

static void F(norm_backward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
                             const T *gamma, const T *beta, const T *dy, T *dx, T *dgamma, T *dbeta)
{
	F(bundle) b;
	int64_t i, end, j0, at;
	int g, j, n;

	for (g = 0, at = 0; g < groups; g += b.groups, at += b.channels) {
		double s1[SPAN] = {0}, s2[SPAN] = {0}; /* of each group: gamma dz, gamma dz xh */
		T mean[SPAN], rstd[SPAN], scale[SPAN], shift[SPAN], m1[SPAN], m2[SPAN], drop[SPAN];

		F(norm_open)(&b, p, c, groups, g, eps, x + at);
		for (j0 = 0; j0 < b.channels; j0 += SPAN) {
			double t1[SPAN] = {0}, t2[SPAN] = {0}; /* of each channel: dz, dz xh */

			n = F(norm_span)(&b, j0);
			F(norm_expand)(&b, b.mean, j0, n, mean);
			F(norm_expand)(&b, b.rstd, j0, n, rstd);
			memcpy(scale, gamma + at + j0, (size_t)n * sizeof *scale);
			memcpy(shift, beta + at + j0, (size_t)n * sizeof *shift);
			for (i = 0; i < p; i = end) {
				memset(m1, 0, sizeof m1);
				memset(m2, 0, sizeof m2);
				end = i + RUN < p ? i + RUN : p;
				for (; i < end; i++) {
					const int64_t k = i * c + at + j0;

					F(norm_dz)(n, act, x + k, dy + k, mean, rstd, scale, shift,
					           dx ? dx + k : drop, m1, m2);
				}
				for (j = 0; j < n; j++) {
					t1[j] += (double)m1[j];
					t2[j] += (double)m2[j];
				}
			}
			for (j = 0; j < n; j++) {
				if (dbeta)
					dbeta[at + j0 + j] += (T)t1[j];
				if (dgamma)
					dgamma[at + j0 + j] += (T)t2[j];
				s1[(j0 + j) / b.width] += (double)scale[j] * t1[j];
				s2[(j0 + j) / b.width] += (double)scale[j] * t2[j];
			}
		}
		for (j0 = 0; dx && j0 < b.channels; j0 += SPAN) {
			n = F(norm_span)(&b, j0);
			F(norm_expand)(&b, b.mean, j0, n, mean);
			F(norm_expand)(&b, b.rstd, j0, n, rstd);
			for (j = 0; j < n; j++) {
				const int64_t k = (j0 + j) / b.width;
				const double count = (double)p * (double)b.width;

				scale[j] = gamma[at + j0 + j];
				m1[j] = (T)(s1[k] / count);
				m2[j] = (T)(s2[k] / count);
			}
			for (i = 0; i < p; i++) {
				const T *from = x + i * c + at + j0;
				T *to = dx + i * c + at + j0;

				EACH
				for (j = 0; j < n; j++)
					to[j] = rstd[j] * (scale[j] * to[j] - m1[j] -
					                   (from[j] - mean[j]) * rstd[j] * m2[j]);
			}
		}
	}
}
#undef SPAN
#undef RUN
