/* pick_body.h: running maxima that carry something along, the inner loops of max pooling. A NaN replaces
 * whatever is there, an equal value does not, so the first of equal maxima stays. Only moves and
 * comparisons: same bytes in every table.
 * SPDX-License-Identifier: BSD-3-Clause */

static void F(pick)(int64_t n, const T *x, const T *t, T *m, T *v)
{
	int64_t i;

	EACH
	for (i = 0; i < n; i++) {
		const int more = (x[i] > m[i]) | (x[i] != x[i]);

		m[i] = more ? x[i] : m[i];
		v[i] = more ? t[i] : v[i];
	}
}

static void F(pick_tag)(int64_t n, const T *x, T tag, T *m, T *v)
{
	int64_t i;

	EACH
	for (i = 0; i < n; i++) {
		const int more = (x[i] > m[i]) | (x[i] != x[i]);

		m[i] = more ? x[i] : m[i];
		v[i] = more ? tag : v[i];
	}
}

static void F(add_tagged)(int64_t n, const T *v, T tag, const T *dy, T *o)
{
	int64_t i;

	EACH
	for (i = 0; i < n; i++)
		o[i] = v[i] == tag ? o[i] + dy[i] : o[i];
}
