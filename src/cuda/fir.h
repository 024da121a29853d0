/* fir.h: separable FIR resampling of (h,w,c).
 *
 *     y[o] = sum_j f[L-1-j] z[o down + j],   z[q] = x[(q - pad0)/up] where that is a whole index, else 0
 * along both axes. Along an axis a result has at most (L + up - 1)/up summands. Up to four of them ([1,1], [1,3,3,1] up or down by 2), and
 * CU_FIR_TAPS taps, one pass does both axes, with 8 channels a thread: x is read once, what windows share comes from the
 * caches, y is written once. Else two passes, rows first, with floats in scratch between them: more bytes by 8 for each of its numbers.
 * Taps are arguments, more than CU_FIR_TAPS are first written to scratch memory.
 * SPDX-License-Identifier: BSD-3-Clause */
enum { CU_FIR_TAPS = 64, CU_FIR_ALL = 1024 };

typedef struct cu_fir {
	cu_mem x, y;
	int64_t n, skip;        /* numbers from sample to sample of x */
	int64_t h, w, c, ho, wo;
	int up, down, pad, ntap;
	const float *more;      /* taps in device memory, or NULL */
	float tap[CU_FIR_TAPS]; /* reversed */
} cu_fir;

CU_DEVICE float cu_fir_tap(const cu_fir *a, int j)
{
	return a->more ? a->more[j] : a->tap[j];
}

/* Of result o along an axis: the first tap that meets an element, and which one; further taps are `up` apart and meet the next ones. */
CU_DEVICE int cu_fir_first(int64_t o, const cu_fir *a, int64_t *at)
{
	const int64_t q = o * a->down - a->pad;
	const int64_t lack = q % a->up; /* in (-up, up) */
	const int j = (int)(lack > 0 ? a->up - lack : -lack);

	*at = (q + j) / a->up;
	return j;
}

/* Both axes, `most` summands along each at most. */
CU_DEVICE void cu_fir_both(const int most, const int v, const int type, const cu_fir *a)
{
	const cu_mem x = cu_as(a->x, type), y = cu_as(a->y, type);
	const int64_t each = a->c / v, count = a->n * a->ho * a->wo * each;
	int64_t i, sample, oy, ox, c, iy, ix;
	int jy, jx, ty, tx, k, meets[4];

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		float sum[CU_PACK] = {0}, wx[4];

		cu_pool_place(i, each, a->wo, a->ho, &sample, &oy, &ox, &c);
		jy = cu_fir_first(oy, a, &iy);
		jx = cu_fir_first(ox, a, &ix);
		for (tx = 0; tx < most; tx++) {
			meets[tx] = ix + tx >= 0 && ix + tx < a->w && jx + tx * a->up < a->ntap;
			wx[tx] = meets[tx] ? a->tap[jx + tx * a->up] : 0;
		}
		for (ty = 0; ty < most; ty++) {
			const int j = jy + ty * a->up;
			const int64_t at = sample * a->skip + ((iy + ty) * a->w + ix) * a->c + c * v;
			float row[CU_PACK] = {0}, f[4][CU_PACK], wy;

			if (j >= a->ntap || iy + ty < 0 || iy + ty >= a->h)
				continue;
			wy = a->tap[j];
			for (tx = 0; tx < most; tx++) {
				if (meets[tx]) {
					cu_get_some(v, x, at + tx * a->c, f[tx]);
				} else {
					for (k = 0; k < v; k++)
						f[tx][k] = 0;
				}
			}
			for (tx = 0; tx < most; tx++)
				for (k = 0; k < v; k++)
					row[k] = fmaf(wx[tx], f[tx][k], row[k]);
			for (k = 0; k < v; k++)
				sum[k] = fmaf(wy, row[k], sum[k]);
		}
		cu_put_some(v, y, i * v, sum);
	}
}

CU_DEVICE void cu_fir_one(const int v, const int type, cu_fir a)
{
	cu_fir_both(1, v, type, &a);
}
CU_FORMS(cu_fir_one, cu_fir, 4)

CU_DEVICE void cu_fir_two(const int v, const int type, cu_fir a)
{
	cu_fir_both(2, v, type, &a);
}
CU_FORMS(cu_fir_two, cu_fir, 4)

CU_DEVICE void cu_fir_four(const int v, const int type, cu_fir a)
{
	cu_fir_both(4, v, type, &a);
}
CU_FORMS(cu_fir_four, cu_fir, 3)

/* One axis of (n, h, c) to (n, ho, c). */
CU_DEVICE void cu_fir_axis(const int v, const int type, cu_fir a)
{
	const cu_mem x = cu_as(a.x, type), y = cu_as(a.y, type);
	const int64_t each = a.c / v, count = a.n * a.ho * each;
	int64_t i, at;
	int j, k;

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		const int64_t row = i / each, c = (i - row * each) * v, sample = row / a.ho;
		float sum[CU_PACK] = {0}, f[CU_PACK];

		for (j = cu_fir_first(row - sample * a.ho, &a, &at); j < a.ntap && at < a.h; j += a.up, at++) {
			if (at < 0)
				continue;
			cu_get_some(v, x, sample * a.skip + at * a.c + c, f);
			for (k = 0; k < v; k++)
				sum[k] = fmaf(cu_fir_tap(&a, j), f[k], sum[k]);
		}
		cu_put_some(v, y, i * v, sum);
	}
}
CU_FORMS(cu_fir_axis, cu_fir, 4)

typedef struct cu_taps {
	int n;
	float f[CU_FIR_TAPS];
} cu_taps;

CU_KERNEL cu_set_taps(float *to, cu_taps taps)
{
	int k;

	for (k = cu_thread(); k < taps.n; k += cu_threads())
		to[k] = taps.f[k];
}

/* Taps into the arguments, or (many) into scratch memory. */
static void cu_fir_taps(const cu_lane *l, const sf_node *node, cu_fir *a)
{
	float *to = (float *)l->scratch;
	cu_taps some;
	int j, k;

	a->ntap = node->ntap;
	a->more = node->ntap > CU_FIR_TAPS ? to : NULL;
	for (j = 0; j < CU_FIR_TAPS; j++)
		a->tap[j] = j < node->ntap ? (float)node->tap[node->ntap - 1 - j] : 0;
	for (j = 0; a->more && j < node->ntap; j += CU_FIR_TAPS) {
		memset(&some, 0, sizeof some);
		for (k = 0; k < CU_FIR_TAPS && j + k < node->ntap; k++)
			some.f[k] = (float)node->tap[node->ntap - 1 - j - k];
		some.n = k;
		CU_LAUNCH(cu_set_taps, 1, 1, CU_FIR_TAPS, l->stream, to + j, some);
	}
}

static int cu_fir_terms(const sf_node *node)
{
	return (int)((node->ntap + node->i[0] - 1) / node->i[0]);
}

static size_t cu_scratch_upfirdn(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const sf_shape *x = &cu_val(l, node->in[0])->node.shape;

	if (cu_fir_terms(node) <= 4 && node->ntap <= CU_FIR_TAPS)
		return 0;
	return (CU_FIR_ALL + (size_t)(l->n * node->shape.dim[0] * x->dim[1] * x->dim[2])) * sizeof(float);
}

static void cu_queue_axis(const cu_lane *l, const cu_fir *a)
{
	cu_mem m[2];
	int form;

	m[0] = a->x;
	m[1] = a->y;
	form = cu_form(a->c % CU_PACK == 0, m, 2);
	CU_LAUNCH_FORM(cu_fir_axis, form, cu_grid(a->n * a->ho * a->c / (form == CU_FORM_ONE ? 1 : CU_PACK)), CU_THREADS, l->stream, *a);
}

static int cu_run_upfirdn(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const sf_shape *x = &cu_val(l, node->in[0])->node.shape;
	const int terms = cu_fir_terms(node);
	cu_mem m[2], between = cu_scratch_mem(l);
	cu_fir a;
	int64_t blocks;
	int form;

	memset(&a, 0, sizeof a);
	a.x = m[0] = cu_at(l, node->in[0]);
	a.y = m[1] = cu_at(l, s->val);
	a.n = l->n;
	a.skip = x->size;
	a.h = x->dim[0];
	a.w = x->dim[1];
	a.c = x->dim[2];
	a.ho = node->shape.dim[0];
	a.wo = node->shape.dim[1];
	a.up = (int)node->i[0];
	a.down = (int)node->i[1];
	a.pad = (int)node->i[2];
	cu_fir_taps(l, node, &a);
	if (terms <= 4 && !a.more) {
		form = cu_form(a.c % CU_PACK == 0, m, 2);
		blocks = cu_grid(a.n * node->shape.size / (form == CU_FORM_ONE ? 1 : CU_PACK));
		if (terms == 1)
			CU_LAUNCH_FORM(cu_fir_one, form, blocks, CU_THREADS, l->stream, a);
		else if (terms == 2)
			CU_LAUNCH_FORM(cu_fir_two, form, blocks, CU_THREADS, l->stream, a);
		else
			CU_LAUNCH_FORM(cu_fir_four, form, blocks, CU_THREADS, l->stream, a);
		return 0;
	}
	between.p = (float *)between.p + CU_FIR_ALL;
	a.y = between;
	a.c *= a.w; /* rows */
	cu_queue_axis(l, &a);
	a.x = between;
	a.y = m[1];
	a.c = x->dim[2]; /* columns */
	a.n = l->n * a.ho;
	a.h = a.w;
	a.ho = a.wo;
	a.skip = a.h * a.c;
	cu_queue_axis(l, &a);
	return 0;
}
