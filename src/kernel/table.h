/* table.h: the kernel table of one element type. Included twice by kernel.h with
 *   T      the element type (float, double)
 *   TABLE  the name of the struct
 * All kernels are serial, allocate nothing and work on dense row-major data; scratch memory is
 * passed in. A result never depends on how the caller cuts its samples into calls.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct TABLE {
	/* -- elementwise maps over n elements; o may be one of the inputs -- */
	void (*map1[SF_EW1_COUNT])(int64_t n, const T *a, double c, T *o);
	void (*map2[SF_EW2_COUNT])(int64_t n, const T *a, const T *b, T *o);
	/* o[i][j] = a[i][j] op b[j] (row) or op b[i] (col), a (rows,cols) */
	void (*map2_row[SF_EW2_COUNT])(int64_t rows, int64_t cols, const T *a, const T *b, T *o);
	void (*map2_col[SF_EW2_COUNT])(int64_t rows, int64_t cols, const T *a, const T *b, T *o);

	/* y = silu(a) and slope = silu'(a), with the bytes of the maps above */
	void (*silu_pair)(int64_t n, const T *a, T *y, T *slope);

	/* -- reductions: 16 fixed lanes, pairwise tail, whatever the width of registers -- */
	T (*sum)(int64_t n, const T *a);
	T (*dot)(int64_t n, const T *a, const T *b);
	double (*squares)(int64_t n, const T *a); /* sum of a^2, in double precision throughout */
	/* o[j] (+)= sum_i a[i][j], rows added in order */
	void (*sum_rows)(int64_t rows, int64_t cols, const T *a, int accumulate, T *o);
	void (*axpy)(int64_t n, T c, const T *a, T *o); /* o += c a */

	/* -- maxima with what belongs to them, element by element; a NaN beats every number -- */
	/* where x > m: m = x and v = t */
	void (*pick)(int64_t n, const T *x, const T *t, T *m, T *v);
	/* the same with v = tag, and o += dy where v is the tag */
	void (*pick_tag)(int64_t n, const T *x, T tag, T *m, T *v);
	void (*add_tagged)(int64_t n, const T *v, T tag, const T *dy, T *o);

	/* -- matrix product C (m,n) = (accumulate ? C : 0) + A B (+ bias[j] if not NULL).
	 * A(i,l) = a[i*rsa + l*csa], so transposes cost nothing; B and C row-major with leading
	 * dimensions ldb, ldc. Each element is one chain over l in order, whatever m is. -- */
	void (*gemm)(int64_t m, int64_t n, int64_t k, const T *a, int64_t rsa, int64_t csa,
	             const T *b, int64_t ldb, int accumulate, const T *bias, T *c, int64_t ldc);
	/* dst (cols,rows) = transpose of src (rows,cols) */
	void (*transpose)(int64_t rows, int64_t cols, const T *src, int64_t lds, T *dst,
	                  int64_t ldd);

	/* -- convolution, see sf_conv in kernel.h -- */
	size_t (*conv_packed)(const sf_conv *s);  /* elements of the packed weights */
	size_t (*conv_scratch)(const sf_conv *s); /* elements of scratch any of the calls needs */
	/* weights (kh,kw,ci,co) -> packed form for forward; `adjoint` packs for conv_data */
	void (*conv_pack)(const sf_conv *s, int adjoint, const T *w, T *packed);
	/* y (n,ho,wo,co) = x (n,h,w,ci) * w */
	void (*conv_forward)(const sf_conv *s, int64_t n, const T *x, const T *packed, T *y,
	                     T *scratch);
	/* dx (n,h,w,ci) = adjoint in x of dy (n,ho,wo,co); `packed` made with adjoint = 1 */
	void (*conv_data)(const sf_conv *s, int64_t n, const T *dy, const T *packed, T *dx,
	                  T *scratch);
	/* A part of the result of forward (adjoint 0) or data (1) for one sample, with the bytes of the whole: its rows
	 * from .. to, `from` a multiple of conv_rows, `to` too or the last. conv_rows 0: the whole alone */
	int64_t (*conv_rows)(const sf_conv *s, int adjoint);
	void (*conv_part)(const sf_conv *s, int adjoint, int64_t from, int64_t to, const T *x, const T *packed, T *y,
	                  T *scratch);
	/* dw (kh,kw,ci,co) = sum over samples, in order; accumulate adds to what is there */
	void (*conv_weight)(const sf_conv *s, int64_t n, const T *x, const T *dy, int accumulate,
	                    T *dw, T *scratch);

	/* -- group normalisation of one sample x (p,c), p positions; act: SF_ACT_... of graph.h.
	 * stat (2*groups): mean and 1/std of each group, written by forward; may be NULL -- */
	void (*norm_forward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
	                     const T *gamma, const T *beta, T *y, T *stat);
	/* dx = gradient for dy; dgamma, dbeta (c) are added to; each may be NULL. dx may be dy, not
	 * x. The statistics are computed again */
	void (*norm_backward)(int64_t p, int64_t c, int groups, double eps, int act, const T *x,
	                      const T *gamma, const T *beta, const T *dy, T *dx, T *dgamma,
	                      T *dbeta);

	/* -- softmax over rows of length n, and its gradient dx = y (dy - y.dy) -- */
	void (*softmax)(int64_t rows, int64_t n, const T *x, T *y);
	void (*softmax_grad)(int64_t rows, int64_t n, const T *y, const T *dy, T *dx);

	/* -- optimiser over flat buffers: m, v moments, e moving average. The step is
	 * p -= lr_t * m / (sqrt(v) * rv + eps) with g scaled by gscale first and rv =
	 * 1/sqrt(1-b2^t), lr_t = lr/(1-b1^t); then e = p + ema (e - p) -- */
	void (*adam)(int64_t n, const sf_adam *s, const T *g, T *p, T *m, T *v, T *e);
	void (*average)(int64_t n, double ema, const T *p, T *e); /* e alone, for another average */

	/* -- noise: blocks of four words, see noise.h; from one block to the next the counter's word `moves` grows
	 * by one: 0 for the elements of a sample, 1 for one block each of neighbouring samples -- */
	void (*normal)(const uint32_t key[2], const uint32_t counter[4], int moves, int64_t blocks, T *out);
	void (*uniform)(const uint32_t key[2], const uint32_t counter[4], int moves, int64_t blocks, T *out);

	/* -- n rounds of multiply-adds in registers; returns the operations done, see peak_body.h -- */
	double (*peak)(int64_t n, T *sink);
} TABLE;
