/* pick.h: t at the maximum of x in each window, and its adjoint.
 *
 * A window is searched in row-major order: a larger value or a NaN takes the place of what was found, so the first of equal maxima
 * stays and a NaN beats every number. The adjoint first leaves each window's choice as a tag of 16 bits, its number in the
 * window; then each element of x adds the gradients of the windows that chose it, in row-major order.
 * Bytes: x and t (once, if t is x) read, the result written; the adjoint reads x and dy once, writes dx, and writes and reads two bytes a
 * window. Windows that overlap are read from the caches.
 * SPDX-License-Identifier: BSD-3-Clause */
typedef struct cu_pool {
	cu_mem x, t, y;  /* adjoint: x, dy, dx */
	uint16_t *tag;
	int64_t skip_x, skip_t;
	int64_t n, h, w, c, ho, wo;
	int k, stride, pad, same; /* same: t is x */
} cu_pool;

/* The part of a window that starts at `low` which lies in [0, size). */
CU_DEVICE void cu_pool_part(int64_t low, int k, int64_t size, int *first, int *end)
{
	*first = low < 0 ? (int)-low : 0;
	*end = low + k > size ? (int)(size - low) : k;
}

/* Maxima of window (oy,ox), channels c .. c + v, and their numbers in the window. */
CU_DEVICE void cu_pool_find(const int v, cu_mem x, const cu_pool *a, int64_t sample, int64_t oy, int64_t ox, int64_t c, float *most,
                            int *tag)
{
	const int64_t y0 = oy * a->stride - a->pad, x0 = ox * a->stride - a->pad, base = sample * a->skip_x + c;
	int ky, kx, ky0, ky1, kx0, kx1, k, first = 1;

	cu_pool_part(y0, a->k, a->h, &ky0, &ky1);
	cu_pool_part(x0, a->k, a->w, &kx0, &kx1);
	for (k = 0; k < v; k++) {
		most[k] = 0;
		tag[k] = 0;
	}
	for (ky = ky0; ky < ky1; ky++)
		for (kx = kx0; kx < kx1; kx++) {
			float f[CU_PACK];

			cu_get_some(v, x, base + ((y0 + ky) * a->w + x0 + kx) * a->c, f);
			for (k = 0; k < v; k++)
				if (first || f[k] > most[k] || f[k] != f[k]) {
					most[k] = f[k];
					tag[k] = ky * a->k + kx;
				}
			first = 0;
		}
}

/* Item i of (samples, rows, cols, c/v). */
CU_DEVICE void cu_pool_place(int64_t i, int64_t c, int64_t cols, int64_t rows, int64_t *sample, int64_t *row, int64_t *col, int64_t *at)
{
	int64_t up = i / c;

	*at = i - up * c;
	i = up;
	up = i / cols;
	*col = i - up * cols;
	*sample = up / rows;
	*row = up - *sample * rows;
}

CU_DEVICE void cu_pick(const int v, const int type, cu_pool a)
{
	const cu_mem x = cu_as(a.x, type), y = cu_as(a.y, type);
	const int64_t each = a.c / v, count = a.n * a.ho * a.wo * each;
	int64_t i, sample, oy, ox, c;

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		float most[CU_PACK];
		int tag[CU_PACK], k;

		cu_pool_place(i, each, a.wo, a.ho, &sample, &oy, &ox, &c);
		c *= v;
		cu_pool_find(v, x, &a, sample, oy, ox, c, most, tag);
		for (k = 0; k < v && !a.same; k++) {
			const int64_t row = oy * a.stride - a.pad + tag[k] / a.k, col = ox * a.stride - a.pad + tag[k] % a.k;

			most[k] = cu_get(a.t, sample * a.skip_t + (row * a.w + col) * a.c + c + k);
		}
		cu_put_some(v, y, i * v, most);
	}
}
CU_FORMS(cu_pick, cu_pool, 4)

CU_DEVICE void cu_pick_tags(const int v, const int type, cu_pool a)
{
	const cu_mem x = cu_as(a.x, type);
	const int64_t each = a.c / v, count = a.n * a.ho * a.wo * each;
	int64_t i, sample, oy, ox, c;

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		float most[CU_PACK];
		int tag[CU_PACK], k;

		cu_pool_place(i, each, a.wo, a.ho, &sample, &oy, &ox, &c);
		cu_pool_find(v, x, &a, sample, oy, ox, c * v, most, tag);
		for (k = 0; k < v; k++)
			a.tag[i * v + k] = (uint16_t)tag[k];
	}
}
CU_FORMS(cu_pick_tags, cu_pool, 4)

/* The windows [*first, *end) that contain place i. */
CU_DEVICE void cu_pool_windows(int64_t i, const cu_pool *a, int64_t windows, int64_t *first, int64_t *end)
{
	const int64_t last = i + a->pad, before = last - a->k + 1;

	*first = before > 0 ? (before + a->stride - 1) / a->stride : 0;
	*end = last / a->stride + 1 < windows ? last / a->stride + 1 : windows;
}

CU_DEVICE void cu_unpick(const int v, const int type, cu_pool a)
{
	const cu_mem dy = cu_as(a.t, type), dx = cu_as(a.y, type);
	const int64_t each = a.c / v, count = a.n * a.h * a.w * each;
	int64_t i, sample, row, col, c, oy, ox, oy0, oy1, ox0, ox1;

	for (i = cu_block() * cu_threads() + cu_thread(); i < count; i += cu_blocks() * cu_threads()) {
		float sum[CU_PACK] = {0}, f[CU_PACK];
		int k;

		cu_pool_place(i, each, a.w, a.h, &sample, &row, &col, &c);
		cu_pool_windows(row, &a, a.ho, &oy0, &oy1);
		cu_pool_windows(col, &a, a.wo, &ox0, &ox1);
		for (oy = oy0; oy < oy1; oy++)
			for (ox = ox0; ox < ox1; ox++) {
				const int64_t o = (oy * a.wo + ox) * a.c + c * v;
				const int tag = (int)(row + a.pad - oy * a.stride) * a.k + (int)(col + a.pad - ox * a.stride);

				cu_get_some(v, dy, sample * a.skip_t + o, f);
				for (k = 0; k < v; k++)
					sum[k] += a.tag[sample * a.ho * a.wo * a.c + o + k] == tag ? f[k] : 0;
			}
		cu_put_some(v, dx, i * v, sum);
	}
}
CU_FORMS(cu_unpick, cu_pool, 2)

static void cu_pool_of(const cu_lane *l, const sf_work *s, cu_pool *a)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const sf_shape *x = &cu_val(l, node->in[0])->node.shape;
	const sf_shape *y = node->op == SF_OP_PICK ? &node->shape : &cu_val(l, node->in[1])->node.shape;

	a->x = cu_at(l, node->in[0]);
	a->t = cu_at(l, node->in[1]);
	a->y = cu_at(l, s->val);
	a->tag = (uint16_t *)l->scratch;
	a->skip_x = cu_skip(l->p, node->in[0]);
	a->skip_t = cu_skip(l->p, node->in[1]);
	a->n = l->n;
	a->h = x->dim[0];
	a->w = x->dim[1];
	a->c = x->dim[2];
	a->ho = y->dim[0];
	a->wo = y->dim[1];
	a->k = (int)node->i[0];
	a->stride = (int)node->i[1];
	a->pad = (int)node->i[2];
	a->same = a->x.p == a->t.p && a->skip_x == a->skip_t;
}

static int64_t cu_pool_grid(const cu_pool *a, int64_t places, int form)
{
	return cu_grid(a->n * places * a->c / (form == CU_FORM_ONE ? 1 : CU_PACK));
}

static int cu_run_pick(const cu_lane *l, const sf_work *s)
{
	cu_pool a;
	cu_mem m[2];
	int form;

	cu_pool_of(l, s, &a);
	m[0] = a.x;
	m[1] = a.y;
	form = cu_form(a.c % CU_PACK == 0, m, 2);
	CU_LAUNCH_FORM(cu_pick, form, cu_pool_grid(&a, a.ho * a.wo, form), CU_THREADS, l->stream, a);
	return 0;
}

static size_t cu_scratch_unpick(const cu_lane *l, const sf_work *s)
{
	return (size_t)(l->n * cu_val(l, cu_val(l, s->val)->node.in[1])->node.shape.size) * sizeof(uint16_t);
}

static int cu_run_unpick(const cu_lane *l, const sf_work *s)
{
	cu_pool a;
	cu_mem m[2];
	int form;

	cu_pool_of(l, s, &a);
	form = cu_form(a.c % CU_PACK == 0, &a.x, 1);
	CU_LAUNCH_FORM(cu_pick_tags, form, cu_pool_grid(&a, a.ho * a.wo, form), CU_THREADS, l->stream, a);
	m[0] = a.t;
	m[1] = a.y;
	form = cu_form(a.c % CU_PACK == 0, m, 2);
	CU_LAUNCH_FORM(cu_unpick, form, cu_pool_grid(&a, a.h * a.w, form), CU_THREADS, l->stream, a);
	return 0;
}
