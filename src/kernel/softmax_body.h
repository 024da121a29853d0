/* softmax_body.h: y_i = exp(x_i - max x) / sum_j exp(x_j - max x), row by row, and its adjoint
 * dx = y (dy - y.dy). A row that holds a NaN becomes NaN.
 * SPDX-License-Identifier: BSD-3-Clause */

static T F(max)(int64_t n, const T *a) /* n >= 1 */
{
	T lane[LANES], m = a[0];
	int64_t i = 0;
	int l;

	for (l = 0; l < LANES; l++)
		lane[l] = a[0];
	for (; i + LANES <= n; i += LANES)
		for (l = 0; l < LANES; l++)
			lane[l] = a[i + l] > lane[l] ? a[i + l] : lane[l];
	for (; i < n; i++)
		m = a[i] > m ? a[i] : m;
	for (l = 0; l < LANES; l++)
		m = lane[l] > m ? lane[l] : m;
	return m;
}

static void F(softmax)(int64_t rows, int64_t n, const T *x, T *y)
{
	int64_t r, i;

	for (r = 0; r < rows; r++, x += n, y += n) {
		const T top = n > 0 ? F(max)(n, x) : 0;
		T part;

		EACH
		for (i = 0; i < n; i++)
			y[i] = F(f_exp)(x[i] - top);
		part = 1 / F(sum)(n, y);
		EACH
		for (i = 0; i < n; i++)
			y[i] *= part;
	}
}

static void F(softmax_grad)(int64_t rows, int64_t n, const T *y, const T *dy, T *dx)
{
	int64_t r, i;

	for (r = 0; r < rows; r++, y += n, dy += n, dx += n) {
		const T mean = F(dot)(n, y, dy);

		EACH
		for (i = 0; i < n; i++)
			dx[i] = y[i] * (dy[i] - mean);
	}
}
