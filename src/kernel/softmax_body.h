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

/* Rows that fit in NEAR numbers are done together, so that the exponentials run through their ends. */
static void F(softmax)(int64_t rows, int64_t n, const T *x, T *y)
{
	enum { NEAR = 2048 };
	const int64_t most = n < NEAR / 2 && n > 0 ? NEAR / n : 1;
	int64_t r, i, some;

	for (; rows > 0; rows -= some, x += some * n, y += some * n) {
		some = rows < most ? rows : most;
		for (r = 0; r < some; r++) {
			const T top = n > 0 ? F(max)(n, x + r * n) : 0;

			EACH
			for (i = 0; i < n; i++)
				y[r * n + i] = x[r * n + i] - top;
		}
		F(map_exp)(some * n, y, 0, y);
		for (r = 0; r < some; r++)
			F(map_scale)(n, y + r * n, 1 / (double)F(sum)(n, y + r * n), y + r * n);
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
