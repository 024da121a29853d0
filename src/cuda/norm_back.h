/* norm_back.h: gradients of group normalisation; the second part of norm.h, which says what they are.
 * SPDX-License-Identifier: BSD-3-Clause */

/* act'(z) */
CU_DEVICE float cu_norm_slope(float z)
{
	const float s = cu_norm_sigmoid(z);

	return s * fmaf(z, 1 - s, 1.0f);
}

/* What dz and dx need of channels j v .. j v + v. */
typedef struct cu_norm_channel {
	float mean[CU_PACK], scale[CU_PACK], shift[CU_PACK]; /* scale: gamma rstd */
} cu_norm_channel;

CU_DEVICE cu_norm_channel cu_norm_channels(const int v, const cu_norm *a, const cu_norm_part *b, const cu_norm_room *m, int j)
{
	cu_norm_channel n;
	int k;

	for (k = 0; k < v; k++) {
		const int c = j * v + k, g = c / b->width;

		n.mean[k] = m->mean[g];
		n.scale[k] = m->rstd[g] * cu_get(a->gamma, b->sample * a->skip_gamma + b->first + c);
		n.shift[k] = cu_get(a->beta, b->sample * a->skip_beta + b->first + c);
	}
	return n;
}

/* Into s1, s2: of each channel the sums over the block's positions of dz and of dz (x - mean). */
CU_DEVICE void cu_norm_slopes(const int v, const cu_norm *a, cu_field x, cu_field dy, const cu_norm_part *b, const cu_norm_room *m)
{
	int64_t r;
	int batch, k;

	for (batch = 0; batch < b->vectors; batch += b->lanes) {
		const int j = batch + b->lane;
		float s1[CU_PACK] = {0}, s2[CU_PACK] = {0}, f[CU_PACK], g[CU_PACK];

		if (j < b->vectors && b->row < b->deep) {
			const cu_norm_channel n = cu_norm_channels(v, a, b, m, j);

			for (r = b->row; r < b->rows; r += b->deep) {
				cu_get_some(v, x.m, x.base + r * x.pitch + j * v, f);
				cu_get_some(v, dy.m, dy.base + r * dy.pitch + j * v, g);
				for (k = 0; k < v; k++) {
					f[k] -= n.mean[k];
					if (a->act)
						g[k] *= cu_norm_slope(fmaf(f[k], n.scale[k], n.shift[k]));
					s1[k] += g[k];
					s2[k] = fmaf(g[k], f[k], s2[k]);
				}
			}
		}
		cu_norm_fold(v, b, batch, s1, m->fold, m->s1);
		cu_norm_fold(v, b, batch, s2, m->fold, m->s2);
	}
}

/* s1 and s2 become gradients of beta and gamma, of this sample and chunk. */
CU_DEVICE void cu_norm_leave(const cu_norm *a, const cu_norm_part *b, const cu_norm_room *m)
{
	const int64_t at = (b->sample * a->chunks + b->chunk) * 2 * a->c + b->first;
	int c;

	for (c = cu_thread(); a->sums.p && c < b->channels; c += cu_threads()) {
		cu_put(a->sums, at + c, m->s2[c] * m->rstd[c / b->width]);
		cu_put(a->sums, at + a->c + c, m->s1[c]);
	}
}

/* m1 = rstd sum(gamma dz)/N and m2 = rstd^2 sum(gamma dz xh)/N of the group. */
CU_DEVICE void cu_norm_means(const cu_norm *a, const cu_norm_room *m, int g, float s1, float s2)
{
	const float r = m->rstd[g] / ((float)a->p * (float)a->width);

	m->m1[g] = r * s1;
	m->m2[g] = r * m->rstd[g] * s2;
}

/* From this block's s1 and s2, which are those of all positions */
CU_DEVICE void cu_norm_here_means(const cu_norm *a, const cu_norm_part *b, const cu_norm_room *m)
{
	const int lanes = b->width >= CU_WARP ? cu_lanes() : 1;
	int g, j;

	for (g = cu_thread() / lanes; g < b->groups; g += cu_threads() / lanes) {
		float s1 = 0, s2 = 0;

		for (j = cu_thread() % lanes; j < b->width; j += lanes) {
			const int c = g * b->width + j;
			const float gamma = cu_get(a->gamma, b->sample * a->skip_gamma + b->first + c);

			s1 = fmaf(gamma, m->s1[c], s1);
			s2 = fmaf(gamma, m->s2[c], s2);
		}
		if (lanes > 1) {
			s1 = cu_warp_sum(s1);
			s2 = cu_warp_sum(s2);
		}
		if (cu_thread() % lanes == 0)
			cu_norm_means(a, m, g, s1, s2 * m->rstd[g]);
	}
	cu_sync();
}

/* From what all chunks left */
CU_DEVICE void cu_norm_all_means(const cu_norm *a, const cu_norm_part *b, const cu_norm_room *m)
{
	const float *sums = (const float *)a->sums.p;
	const int lanes = cu_lanes();
	int64_t e;
	int g;

	for (g = cu_thread() / lanes; g < b->groups; g += cu_threads() / lanes) {
		const int64_t first = b->first / a->width * a->width + (int64_t)g * a->width; /* of the group */
		float s1 = 0, s2 = 0;

		for (e = cu_thread() % lanes; e < a->chunks * a->width; e += lanes) {
			const int64_t c = first + e % a->width, at = (b->sample * a->chunks + e / a->width) * 2 * a->c + c;
			const float gamma = cu_get(a->gamma, b->sample * a->skip_gamma + c);

			s1 = fmaf(gamma, sums[at + a->c], s1);
			s2 = fmaf(gamma, sums[at], s2);
		}
		s1 = cu_warp_sum(s1);
		s2 = cu_warp_sum(s2);
		if (cu_thread() % lanes == 0)
			cu_norm_means(a, m, g, s1, s2);
	}
	cu_sync();
}

CU_DEVICE void cu_norm_dx(const int v, const int type, const cu_norm *a, cu_field x, cu_field dy, const cu_norm_part *b,
                          const cu_norm_room *m)
{
	const cu_field dx = cu_norm_field(type, a->out, a->p * a->c, a, b);
	int64_t r;
	int j, k;

	for (j = b->lane; j < b->vectors && b->row < b->deep; j += b->lanes) {
		const cu_norm_channel n = cu_norm_channels(v, a, b, m, j);
		float m1[CU_PACK], m2[CU_PACK], f[CU_PACK], g[CU_PACK];

		for (k = 0; k < v; k++) {
			m1[k] = m->m1[(j * v + k) / b->width];
			m2[k] = m->m2[(j * v + k) / b->width];
		}
		for (r = b->row; r < b->rows; r += b->deep) {
			cu_get_some(v, x.m, x.base + r * x.pitch + j * v, f);
			cu_get_some(v, dy.m, dy.base + r * dy.pitch + j * v, g);
			for (k = 0; k < v; k++) {
				f[k] -= n.mean[k];
				if (a->act)
					g[k] *= cu_norm_slope(fmaf(f[k], n.scale[k], n.shift[k]));
				g[k] = fmaf(n.scale[k], g[k], -fmaf(f[k], m2[k], m1[k]));
			}
			cu_put_some(v, dx.m, dx.base + r * dx.pitch + j * v, g);
		}
	}
}

CU_DEVICE void cu_norm_back_near(const int v, const int type, cu_norm a)
{
	CU_SHARED(CU_ALIGNED16 cu_words, pool, CU_NORM_POOL / 16);
	CU_NORM_ROOM(room);
	const cu_norm_part b = cu_norm_here(v, &a);
	const cu_field x = cu_norm_fetch(v, cu_norm_field(type, a.x, a.skip_x, &a, &b), &b, (unsigned char *)pool);
	const cu_field dy = cu_norm_fetch(v, cu_norm_field(type, a.dy, a.skip_dy, &a, &b), &b, (unsigned char *)pool + a.second);

	cu_fetched();
	cu_norm_moments(v, x, &b, &room);
	cu_norm_deviation(&a, &b, &room);
	cu_norm_slopes(v, &a, x, dy, &b, &room);
	cu_norm_leave(&a, &b, &room);
	if (a.out.p) {
		cu_norm_here_means(&a, &b, &room);
		cu_norm_dx(v, type, &a, x, dy, &b, &room);
	}
}
CU_FORMS(cu_norm_back_near, cu_norm, 3)

CU_DEVICE void cu_norm_back_chunk(const int v, const int type, cu_norm a)
{
	CU_NORM_ROOM(room);
	const cu_norm_part b = cu_norm_here(v, &a);

	cu_norm_combine(&a, &b, &room);
	cu_norm_slopes(v, &a, cu_norm_field(type, a.x, a.skip_x, &a, &b), cu_norm_field(type, a.dy, a.skip_dy, &a, &b), &b, &room);
	cu_norm_leave(&a, &b, &room);
}
CU_FORMS(cu_norm_back_chunk, cu_norm, 2)

CU_DEVICE void cu_norm_back_far(const int v, const int type, cu_norm a)
{
	CU_NORM_ROOM(room);
	const cu_norm_part b = cu_norm_here(v, &a);

	cu_norm_combine(&a, &b, &room);
	cu_norm_all_means(&a, &b, &room);
	cu_norm_dx(v, type, &a, cu_norm_field(type, a.x, a.skip_x, &a, &b), cu_norm_field(type, a.dy, a.skip_dy, &a, &b), &b, &room);
}
CU_FORMS(cu_norm_back_far, cu_norm, 2)

static size_t cu_scratch_norm_grad(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;

	return (cu_norm_stats(l, node) + cu_norm_parts(l) * 2 * (size_t)cu_last_dim(&cu_val(l, node->in[0])->node.shape)) * sizeof(float);
}

static int cu_run_norm_grad(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	const int data = node->op == SF_OP_GROUP_NORM_GRAD ? s->val : s->partner;
	const int affine = node->op == SF_OP_GROUP_NORM_GRAD ? s->partner : s->val;
	cu_mem m[3], dw;
	cu_norm a;
	int form, near;

	cu_norm_of(l, node, &a);
	a.dy = cu_at(l, node->in[3]);
	a.skip_dy = cu_skip(l->p, node->in[3]);
	dw.p = NULL;
	dw.type = CU_F32;
	if (data >= 0)
		a.out = cu_at(l, data);
	if (affine >= 0)
		dw = cu_at(l, affine);
	m[0] = a.x;
	m[1] = a.dy;
	m[2] = a.out;
	form = cu_form(cu_norm_eight(&a), m, a.out.p ? 3 : 2);
	near = cu_norm_cut(&a, l->n, form, (int64_t)(cu_width(a.x.type) + cu_width(a.dy.type)));
	a.second = a.p * a.span * (int64_t)cu_width(a.x.type);
	a.sums = a.stat;
	a.sums.p = (float *)a.stat.p + cu_norm_stats(l, node);
	if (near) {
		if (!dw.p)
			a.sums.p = NULL;
		CU_LAUNCH_FORM(cu_norm_back_near, form, l->n * a.spans, CU_THREADS, l->stream, a);
	} else {
		CU_LAUNCH_FORM(cu_norm_chunk, form, l->n * a.spans * a.chunks, CU_THREADS, l->stream, a);
		CU_LAUNCH_FORM(cu_norm_back_chunk, form, l->n * a.spans * a.chunks, CU_THREADS, l->stream, a);
		if (a.out.p)
			CU_LAUNCH_FORM(cu_norm_back_far, form, l->n * a.spans * a.chunks, CU_THREADS, l->stream, a);
	}
	if (dw.p)
		cu_queue_columns(l, (const float *)a.sums.p, l->n * a.chunks, 2 * a.c, dw);
	return 0;
}
