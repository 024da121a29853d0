/* softmax.h: y = exp(x - max x) / sum exp(x - max x) over the last dimension, and its adjoint dx = y (dy - y.dy).
 *
 * A warp takes a row, from 1025 numbers on a block. The first pass keeps a maximum and the sum of exponentials below it, which is scaled
 * when the maximum grows; the second writes. What the second pass reads is in the caches: a row is read once from memory and
 * written once. A row of -inf alone, or with a NaN or inf, becomes NaN, as on the processor.
 * SPDX-License-Identifier: BSD-3-Clause */
enum { CU_SOFTMAX_NEAR = 1024 };

typedef struct cu_soft {
	cu_mem x, dy, y; /* adjoint: y, dy, dx */
	int64_t rows, cols;
	int lanes;       /* of a row; 0: a block */
} cu_soft;

/* Sum and maximum of the lanes of a row */
CU_DEVICE float cu_row_sum(int lanes, float v)
{
	return lanes == 0 ? cu_block_sum(v) : lanes > 1 ? cu_warp_sum(v) : v;
}

CU_DEVICE float cu_row_max(int lanes, float v)
{
	return lanes == 0 ? cu_block_max(v) : lanes > 1 ? cu_warp_max(v) : v;
}

/* Largest of v numbers, NaNs left out. */
CU_DEVICE float cu_largest(const int v, const float *f, float m)
{
	int k;

	for (k = 0; k < v; k++)
		m = fmaxf(m, f[k]);
	return m;
}

CU_DEVICE float cu_total(const int v, const float *f)
{
	return v == 1 ? f[0] : (f[0] + f[1]) + (f[2] + f[3]) + ((f[4] + f[5]) + (f[6] + f[7]));
}

CU_DEVICE void cu_softmax_row(const int v, cu_mem x, cu_mem y, int64_t base, int64_t cols, int lane, int step, int lanes)
{
	float most = -INFINITY, sum[CU_PACK] = {0}, f[CU_PACK], all, scale;
	int64_t j, stop;
	int k;

	for (j = (int64_t)lane * v; j < cols; j = stop) {
		float run[CU_PACK] = {0};

		stop = j + (int64_t)step * v * CU_SUM_RUN;
		for (; j < stop && j < cols; j += (int64_t)step * v) {
			float m;

			cu_get_some(v, x, base + j, f);
			m = cu_largest(v, f, most);
			if (m != most) {
				scale = expf(most - m);
				for (k = 0; k < v; k++) {
					sum[k] *= scale;
					run[k] *= scale;
				}
				most = m;
			}
			for (k = 0; k < v; k++) /* below -inf there is nothing, unless it is a NaN */
				run[k] += f[k] == -INFINITY ? 0 : expf(f[k] - m);
		}
		for (k = 0; k < v; k++)
			sum[k] += run[k];
	}
	all = cu_row_max(lanes, most);
	scale = most == -INFINITY ? 1 : expf(most - all);
	scale = 1 / cu_row_sum(lanes, cu_total(v, sum) * scale);
	for (j = (int64_t)lane * v; j < cols; j += (int64_t)step * v) {
		cu_get_some(v, x, base + j, f);
		for (k = 0; k < v; k++)
			f[k] = expf(f[k] - all) * scale;
		cu_put_some(v, y, base + j, f);
	}
}

CU_DEVICE void cu_softmax_slope(const int v, cu_mem y, cu_mem dy, cu_mem dx, int64_t base, int64_t cols, int lane, int step, int lanes)
{
	float sum[CU_PACK] = {0}, f[CU_PACK], g[CU_PACK], dot;
	int64_t j;
	int k;

	for (j = (int64_t)lane * v; j < cols; j += (int64_t)step * v) {
		cu_get_some(v, y, base + j, f);
		cu_get_some(v, dy, base + j, g);
		for (k = 0; k < v; k++)
			sum[k] = fmaf(f[k], g[k], sum[k]);
	}
	dot = cu_row_sum(lanes, cu_total(v, sum));
	for (j = (int64_t)lane * v; j < cols; j += (int64_t)step * v) {
		cu_get_some(v, y, base + j, f);
		cu_get_some(v, dy, base + j, g);
		for (k = 0; k < v; k++)
			f[k] = f[k] * (g[k] - dot);
		cu_put_some(v, dx, base + j, f);
	}
}

/* The rows of this thread: first, and how many lie between them. */
CU_DEVICE int64_t cu_soft_rows(const cu_soft *a, int lanes, int64_t *step)
{
	const int units = a->lanes ? cu_threads() / lanes : 1;

	*step = cu_blocks() * units;
	return cu_block() * units + (a->lanes ? cu_thread() / lanes : 0);
}

CU_DEVICE void cu_softmax(const int v, const int type, cu_soft a)
{
	const int lanes = a.lanes ? cu_lanes() : cu_threads();
	int64_t step, r;

	for (r = cu_soft_rows(&a, lanes, &step); r < a.rows; r += step)
		cu_softmax_row(v, cu_as(a.x, type), cu_as(a.y, type), r * a.cols, a.cols, cu_thread() % lanes, lanes,
		               a.lanes ? lanes : 0);
}
CU_FORMS(cu_softmax, cu_soft, 4)

CU_DEVICE void cu_softmax_grad(const int v, const int type, cu_soft a)
{
	const int lanes = a.lanes ? cu_lanes() : cu_threads();
	int64_t step, r;

	for (r = cu_soft_rows(&a, lanes, &step); r < a.rows; r += step)
		cu_softmax_slope(v, cu_as(a.x, type), cu_as(a.dy, type), cu_as(a.y, type), r * a.cols, a.cols, cu_thread() % lanes,
		                 lanes, a.lanes ? lanes : 0);
}
CU_FORMS(cu_softmax_grad, cu_soft, 4)

static int cu_run_softmax(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	int64_t blocks;
	cu_mem m[3];
	cu_soft a;
	int form;

	a.cols = cu_last_dim(&node->shape);
	a.rows = l->n * (node->shape.size / a.cols);
	a.lanes = a.cols > CU_SOFTMAX_NEAR ? 0 : CU_WARP;
	a.x = a.dy = m[0] = cu_at(l, node->in[0]);
	a.y = m[1] = cu_at(l, s->val);
	blocks = a.lanes ? cu_grid(a.rows * a.lanes) : a.rows < 65536 ? a.rows : 65536;
	if (node->op == SF_OP_SOFTMAX) {
		form = cu_form(a.cols % CU_PACK == 0, m, 2);
		CU_LAUNCH_FORM(cu_softmax, form, blocks, CU_THREADS, l->stream, a);
	} else {
		a.dy = m[2] = cu_at(l, node->in[1]);
		form = cu_form(a.cols % CU_PACK == 0, m, 3);
		CU_LAUNCH_FORM(cu_softmax_grad, form, blocks, CU_THREADS, l->stream, a);
	}
	return 0;
}
