/* map_body.h: elementwise maps. The output may be one of the inputs; relu and step keep NaN.
 * SPDX-License-Identifier: BSD-3-Clause */

#define MAP1(name, expr)                                                                           \
	static void F(map_##name)(int64_t n, const T *a, double cc, T *o)                          \
	{                                                                                          \
		const T c = (T)cc;                                                                 \
		int64_t i;                                                                         \
                                                                                                   \
		(void)c;                                                                           \
		EACH                                                                               \
		for (i = 0; i < n; i++) {                                                          \
			const T x = a[i];                                                          \
			o[i] = (expr);                                                             \
		}                                                                                  \
	}

MAP1(copy, x)
MAP1(scale, c * x)
MAP1(offset, x + c)
MAP1(square, x * x)
MAP1(sqrt, F(f_sqrt)(x))
MAP1(exp, F(f_exp)(x))
MAP1(log, F(f_log)(x))
MAP1(sin, (T)sin_shifted((double)x, 0))
MAP1(cos, (T)sin_shifted((double)x, 1))
MAP1(tanh, F(f_tanh)(x))
MAP1(sigmoid, F(f_sigmoid)(x))
MAP1(softplus, F(f_softplus)(x))
MAP1(silu, F(f_silu)(x))
MAP1(relu, x < 0 ? (T)0 : x)
MAP1(elu, F(f_elu)(x))
MAP1(step, x > 0 ? (T)1 : x <= 0 ? (T)0 : x)

#undef MAP1

/* y = silu(a) and its slope, the bytes of map_silu and map2_silu_grad, from one exponential; y or slope may be a. */
static void F(silu_pair)(int64_t n, const T *a, T *y, T *slope)
{
	int64_t i;

	EACH
	for (i = 0; i < n; i++) {
		const T x = a[i], e = F(one_and_exp)(-x), s = 1 / e;

		y[i] = x / e;
		slope[i] = s * (1 + x * (1 - s));
	}
}

/* Three shapes of the same operation: both whole, b one row, b one column. */
#define MAP2(name, expr)                                                                           \
	static void F(map2_##name)(int64_t n, const T *a, const T *b, T *o)                        \
	{                                                                                          \
		int64_t i;                                                                         \
                                                                                                   \
		EACH                                                                               \
		for (i = 0; i < n; i++) {                                                          \
			const T x = a[i], y = b[i];                                                \
			o[i] = (expr);                                                             \
		}                                                                                  \
	}                                                                                          \
	static void F(map2_row_##name)(int64_t rows, int64_t cols, const T *a, const T *b, T *o)   \
	{                                                                                          \
		int64_t i;                                                                         \
                                                                                                   \
		for (i = 0; i < rows; i++, a += cols, o += cols)                                   \
			F(map2_##name)(cols, a, b, o);                                             \
	}                                                                                          \
	static void F(map2_col_##name)(int64_t rows, int64_t cols, const T *a, const T *b, T *o)   \
	{                                                                                          \
		int64_t i, j;                                                                      \
                                                                                                   \
		for (i = 0; i < rows; i++, a += cols, o += cols) {                                 \
			const T y = b[i];                                                          \
                                                                                                   \
			EACH                                                                       \
			for (j = 0; j < cols; j++) {                                               \
				const T x = a[j];                                                  \
				o[j] = (expr);                                                     \
			}                                                                          \
		}                                                                                  \
	}

MAP2(add, x + y)
MAP2(sub, x - y)
MAP2(mul, x * y)
MAP2(div, x / y)
MAP2(silu_grad, x * F(f_silu_grad)(y))
MAP2(elu_grad, x * F(f_elu_grad)(y))

#undef MAP2
