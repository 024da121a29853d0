/* norm.h: group normalisation of x (p,c) per sample (Wu and He 2018, eq 1-3), then SiLU or nothing, and its gradients.
 *
 *     z = gamma (x - mean) rstd + beta,  y = act(z),  rstd = 1/sqrt(var + eps), over p positions and the channels of a group
 * backward, with dz = dy act'(z), xh = (x - mean) rstd and N the numbers of a group:
 *     dbeta = sum dz,  dgamma = sum dz xh,  dx = rstd (gamma dz - sum(gamma dz)/N - xh sum(gamma dz xh)/N)
 * act' is computed again from x, nothing but x is kept from the forward step.
 *
 * A block has some channels, a span of whole groups, of one sample. Where their numbers fit in shared memory (36 KiB: 16 channels of
 * 1024 positions in bfloat16; backward x and dy, 8 channels), one kernel does it all: x (and dy) are read once, the result is
 * written once. Else positions are cut into chunks, and the sums of chunks go through scratch memory: forward x is
 * read twice, backward x three times and dy twice. Gradients of gamma and beta are sums of each sample's (or chunk's), 2 c floats of it,
 * which cu_queue_columns adds.
 *
 * Statistics take one pass: of each channel the sums of d = x - shift and d^2, shift the mean of four positions, so that
 * a mean far above the spread costs no digits; then (Chan, Golub and LeVeque 1983, eq 2.1) over the channels of the group and the
 * chunks. A thread has eight channels (16 bytes of bfloat16) of every so many positions. All orders are fixed by the sizes.
 * SPDX-License-Identifier: BSD-3-Clause */
enum {
	CU_NORM_POOL = 36864,  /* bytes of shared memory for numbers */
	CU_NORM_SPAN = 256,    /* channels of a block at most, and its groups: */
	CU_NORM_GROUPS = 64,
	CU_NORM_WIDE = 64,     /* channels of a block where positions are cut */
	CU_NORM_ROWS = 64,     /* positions of a chunk at least */
	CU_NORM_CHUNKS = 128,
	CU_NORM_BLOCKS = 528   /* so many keep the device busy */
};

typedef struct cu_norm {
	cu_mem x, gamma, beta, dy, out;  /* out: y or dx */
	cu_mem stat, sums;               /* floats: (samples, chunks, slots, 2), (samples, chunks, 2, c); p NULL: not wanted */
	int64_t skip_x, skip_gamma, skip_beta, skip_dy;
	int64_t p, c, chunk, chunks, spans, slots;
	int span, width, pieces, act;    /* pieces: spans of a group that is wider than CU_NORM_SPAN */
	int64_t second;                  /* near, backward: where dy starts in the pool, in bytes */
	float eps;
} cu_norm;

/* What a block works on, and its threads: `lanes` side by side on vectors of channels, `deep` of them on positions. */
typedef struct cu_norm_part {
	int64_t sample, chunk, first, row0, rows, slot;
	int channels, groups, width, vectors;
	int lanes, deep, lane, row;
} cu_norm_part;

/* Shared memory of a block. */
typedef struct cu_norm_room {
	float *fold, *s1, *s2;             /* one a thread and number; two of a channel; */
	float *mean, *rstd, *m1, *m2;      /* of a group */
} cu_norm_room;
#define CU_NORM_ROOM(room)                               \
	CU_SHARED(float, fold, CU_PACK * CU_THREADS);    \
	CU_SHARED(float, s1, CU_NORM_SPAN);              \
	CU_SHARED(float, s2, CU_NORM_SPAN);              \
	CU_SHARED(float, of_group, 4 * CU_NORM_GROUPS);  \
	cu_norm_room room;                               \
	room.fold = fold;                                \
	room.s1 = s1;                                    \
	room.s2 = s2;                                    \
	room.mean = of_group;                            \
	room.rstd = of_group + CU_NORM_GROUPS;           \
	room.m1 = of_group + 2 * CU_NORM_GROUPS;         \
	room.m2 = of_group + 3 * CU_NORM_GROUPS

/* Numbers of a block: channel j at position r is number base + r pitch + j. */
typedef struct cu_field {
	cu_mem m;
	int64_t base, pitch;
} cu_field;

/* 1/(1 + exp(-z)); near and fast on the device: the error stays below 1e-6 of the result where that counts. */
CU_DEVICE float cu_norm_sigmoid(float z)
{
#ifdef SF_CUDA_EMULATED
	return 1 / (1 + expf(-z));
#else
	return __fdividef(1.0f, 1.0f + __expf(-z));
#endif
}

/* Block: span, then chunk, then sample. */
CU_DEVICE cu_norm_part cu_norm_here(const int v, const cu_norm *a)
{
	const int64_t span = cu_block() % a->spans, rest = cu_block() / a->spans;
	cu_norm_part b;

	b.chunk = rest % a->chunks;
	b.sample = rest / a->chunks;
	b.row0 = b.chunk * a->chunk;
	b.rows = a->p - b.row0 < a->chunk ? a->p - b.row0 : a->chunk;
	if (a->pieces > 1) {
		b.first = span / a->pieces * a->width + span % a->pieces * a->span;
		b.channels = (int)((span / a->pieces + 1) * a->width - b.first);
		b.slot = span;
	} else {
		b.first = span * a->span;
		b.channels = (int)(a->c - b.first);
		b.slot = b.first / a->width;
	}
	b.channels = b.channels < a->span ? b.channels : a->span;
	b.width = a->pieces > 1 ? b.channels : a->width;
	b.groups = b.channels / b.width;
	b.vectors = b.channels / v;
	b.lanes = b.vectors < cu_threads() ? b.vectors : cu_threads();
	b.deep = cu_threads() / b.lanes;
	b.lane = cu_thread() % b.lanes;
	b.row = cu_thread() / b.lanes;
	return b;
}

CU_DEVICE cu_field cu_norm_field(const int type, cu_mem m, int64_t skip, const cu_norm *a, const cu_norm_part *b)
{
	cu_field f;

	f.m = cu_as(m, type);
	f.base = b->sample * skip + b->row0 * a->c + b->first;
	f.pitch = a->c;
	return f;
}

/* ---- into shared memory ---- */

/* Starts to copy the block's numbers to `to`, where they lie without gaps. */
CU_DEVICE cu_field cu_norm_fetch(const int v, cu_field f, const cu_norm_part *b, unsigned char *to)
{
	cu_field near;
	int64_t r;
	int j;

	near.m.p = to;
	near.m.type = f.m.type;
	near.base = 0;
	near.pitch = b->channels;
	for (j = b->lane; j < b->vectors && b->row < b->deep; j += b->lanes)
		for (r = b->row; r < b->rows; r += b->deep) {
			const int64_t i = f.base + r * f.pitch + j * v, k = r * near.pitch + j * v;

			if (v == 1) {
				cu_put(near.m, k, cu_get(f.m, i));
			} else if (f.m.type == CU_BF16) {
				cu_fetch16((uint16_t *)near.m.p + k, (const uint16_t *)f.m.p + i);
			} else {
				cu_fetch16((float *)near.m.p + k, (const float *)f.m.p + i);
				cu_fetch16((float *)near.m.p + k + 4, (const float *)f.m.p + i + 4);
			}
		}
	return near;
}

/* ---- sums of a block ---- */

/* Each thread's v numbers, of the channels of vector batch + lane, are added over the threads of a lane into of[channel]. */
CU_DEVICE void cu_norm_fold(const int v, const cu_norm_part *b, int batch, const float *some, float *fold, float *of)
{
	const int lanes = b->deep > CU_WARP ? cu_lanes() : 1, units = cu_threads() / lanes;
	int e, k, r;

	for (k = 0; k < v; k++)
		fold[k * cu_threads() + cu_thread()] = some[k];
	cu_sync();
	for (e = cu_thread() / lanes; e < v * b->lanes; e += units) {
		const int j = batch + e % b->lanes;
		float sum = 0;

		for (r = cu_thread() % lanes; r < b->deep; r += lanes)
			sum += fold[e / b->lanes * cu_threads() + r * b->lanes + e % b->lanes];
		if (lanes > 1)
			sum = cu_warp_sum(sum);
		if (j < b->vectors && cu_thread() % lanes == 0)
			of[j * v + e / b->lanes] = sum;
	}
	cu_sync();
}

/* Means of the groups, and in m1 their sums of squares about them, of the positions of this block. */
CU_DEVICE void cu_norm_moments(const int v, cu_field x, const cu_norm_part *b, const cu_norm_room *m)
{
	const int lanes = b->width >= CU_WARP ? cu_lanes() : 1;
	const float rows = (float)b->rows;
	int64_t r, stop;
	int batch, g, j, k;

	for (batch = 0; batch < b->vectors; batch += b->lanes) {
		const int vector = batch + b->lane, mine = vector < b->vectors && b->row < b->deep;
		float shift[CU_PACK] = {0}, sum[CU_PACK] = {0}, square[CU_PACK] = {0}, f[CU_PACK];

		if (mine) {
			for (j = 0; j < 4; j++) {
				cu_get_some(v, x.m, x.base + b->rows * j / 4 * x.pitch + vector * v, f);
				for (k = 0; k < v; k++)
					shift[k] = fmaf(f[k], 0.25f, shift[k]);
			}
			for (r = b->row; r < b->rows; r = stop) {
				float some[CU_PACK] = {0}, squares[CU_PACK] = {0};

				stop = r + CU_SUM_RUN * b->deep;
				for (; r < stop && r < b->rows; r += b->deep) {
					cu_get_some(v, x.m, x.base + r * x.pitch + vector * v, f);
					for (k = 0; k < v; k++) {
						f[k] -= shift[k];
						some[k] += f[k];
						squares[k] = fmaf(f[k], f[k], squares[k]);
					}
				}
				for (k = 0; k < v; k++) {
					sum[k] += some[k];
					square[k] += squares[k];
				}
			}
		}
		cu_norm_fold(v, b, batch, sum, m->fold, m->s1);
		cu_norm_fold(v, b, batch, square, m->fold, m->s2);
		if (mine && b->row == 0)
			for (k = 0; k < v; k++) {
				const int c = vector * v + k;
				const float d = m->s1[c] / rows;

				m->s2[c] -= m->s1[c] * d;
				m->s1[c] = shift[k] + d;
			}
	}
	cu_sync();
	for (g = cu_thread() / lanes; g < b->groups; g += cu_threads() / lanes) {
		const float *mean = m->s1 + g * b->width, *spread = m->s2 + g * b->width, width = (float)b->width;
		float sum = 0, square = 0, inside = 0;

		for (j = cu_thread() % lanes; j < b->width; j += lanes) {
			const float d = mean[j] - mean[0];

			sum += d;
			square = fmaf(d, d, square);
			inside += spread[j];
		}
		if (lanes > 1) {
			sum = cu_warp_sum(sum);
			square = cu_warp_sum(square);
			inside = cu_warp_sum(inside);
		}
		if (cu_thread() % lanes == 0) {
			m->mean[g] = mean[0] + sum / width;
			m->m1[g] = fmaf(rows, fmaxf(square - sum * (sum / width), 0), inside);
		}
	}
	cu_sync();
}

/* rstd from m1 = the sum of squares of all positions. */
CU_DEVICE void cu_norm_deviation(const cu_norm *a, const cu_norm_part *b, const cu_norm_room *m)
{
	int g;

	for (g = cu_thread(); g < b->groups; g += cu_threads())
		m->rstd[g] = 1 / sqrtf(fmaxf(m->m1[g], 0) / ((float)a->p * (float)a->width) + a->eps);
	cu_sync();
}

/* ---- the sums of chunks ---- */
CU_DEVICE int64_t cu_norm_stat_at(const cu_norm *a, int64_t sample, int64_t chunk, int64_t slot)
{
	return 2 * ((sample * a->chunks + chunk) * a->slots + slot);
}

/* Numbers behind the statistics of entry e = (chunk, piece). */
CU_DEVICE float cu_norm_count(const cu_norm *a, int64_t e)
{
	const int64_t row = e / a->pieces * a->chunk, piece = e % a->pieces * a->span;
	const int64_t rows = a->p - row < a->chunk ? a->p - row : a->chunk;
	const int64_t wide = a->pieces == 1 || a->width - piece < a->span ? a->width - piece : a->span;

	return (float)rows * (float)wide;
}

/* Mean and deviation of each group of this block from all chunks; a warp a group. */
CU_DEVICE void cu_norm_combine(const cu_norm *a, const cu_norm_part *b, const cu_norm_room *m)
{
	const int lanes = cu_lanes();
	const float *stat = (const float *)a->stat.p, all = (float)a->p * (float)a->width;
	int64_t e;
	int g;

	for (g = cu_thread() / lanes; g < b->groups; g += cu_threads() / lanes) {
		const int64_t slot = a->pieces > 1 ? b->slot / a->pieces * a->pieces : b->slot + g, entries = a->chunks * a->pieces;
		const float shift = stat[cu_norm_stat_at(a, b->sample, 0, slot)];
		float sum = 0, square = 0, inside = 0;

		for (e = cu_thread() % lanes; e < entries; e += lanes) {
			const int64_t at = cu_norm_stat_at(a, b->sample, e / a->pieces, slot + e % a->pieces);
			const float n = cu_norm_count(a, e), d = stat[at] - shift;

			sum = fmaf(n, d, sum);
			square = fmaf(n * d, d, square);
			inside += stat[at + 1];
		}
		sum = cu_warp_sum(sum);
		square = cu_warp_sum(square);
		inside = cu_warp_sum(inside);
		if (cu_thread() % lanes == 0) {
			m->mean[g] = shift + sum / all;
			m->m1[g] = inside + fmaxf(square - sum * (sum / all), 0);
		}
	}
	cu_sync();
	cu_norm_deviation(a, b, m);
}

/* ---- forward ---- */
CU_DEVICE void cu_norm_apply(const int v, const int type, const cu_norm *a, cu_field x, const cu_norm_part *b, const cu_norm_room *m)
{
	const cu_field y = cu_norm_field(type, a->out, a->p * a->c, a, b);
	int64_t r;
	int j, k;

	for (j = b->lane; j < b->vectors && b->row < b->deep; j += b->lanes) {
		float mean[CU_PACK], scale[CU_PACK], shift[CU_PACK], f[CU_PACK];

		for (k = 0; k < v; k++) {
			const int c = j * v + k, g = c / b->width;

			mean[k] = m->mean[g];
			scale[k] = m->rstd[g] * cu_get(a->gamma, b->sample * a->skip_gamma + b->first + c);
			shift[k] = cu_get(a->beta, b->sample * a->skip_beta + b->first + c);
		}
		for (r = b->row; r < b->rows; r += b->deep) {
			cu_get_some(v, x.m, x.base + r * x.pitch + j * v, f);
			for (k = 0; k < v; k++) {
				f[k] = fmaf(f[k] - mean[k], scale[k], shift[k]);
				if (a->act)
					f[k] *= cu_norm_sigmoid(f[k]);
			}
			cu_put_some(v, y.m, y.base + r * y.pitch + j * v, f);
		}
	}
}

CU_DEVICE void cu_norm_near(const int v, const int type, cu_norm a)
{
	CU_SHARED(CU_ALIGNED16 cu_words, pool, CU_NORM_POOL / 16);
	CU_NORM_ROOM(room);
	const cu_norm_part b = cu_norm_here(v, &a);
	const cu_field x = cu_norm_fetch(v, cu_norm_field(type, a.x, a.skip_x, &a, &b), &b, (unsigned char *)pool);

	cu_fetched();
	cu_norm_moments(v, x, &b, &room);
	cu_norm_deviation(&a, &b, &room);
	cu_norm_apply(v, type, &a, x, &b, &room);
}
CU_FORMS(cu_norm_near, cu_norm, 4)

/* The statistics of a chunk */
CU_DEVICE void cu_norm_chunk(const int v, const int type, cu_norm a)
{
	CU_NORM_ROOM(room);
	const cu_norm_part b = cu_norm_here(v, &a);
	int g;

	cu_norm_moments(v, cu_norm_field(type, a.x, a.skip_x, &a, &b), &b, &room);
	for (g = cu_thread(); g < b.groups; g += cu_threads()) {
		const int64_t at = cu_norm_stat_at(&a, b.sample, b.chunk, b.slot + g);

		cu_put(a.stat, at, room.mean[g]);
		cu_put(a.stat, at + 1, room.m1[g]);
	}
}
CU_FORMS(cu_norm_chunk, cu_norm, 3)

CU_DEVICE void cu_norm_far(const int v, const int type, cu_norm a)
{
	CU_NORM_ROOM(room);
	const cu_norm_part b = cu_norm_here(v, &a);

	cu_norm_combine(&a, &b, &room);
	cu_norm_apply(v, type, &a, cu_norm_field(type, a.x, a.skip_x, &a, &b), &b, &room);
}
CU_FORMS(cu_norm_far, cu_norm, 3)

/* ---- how the work is cut ---- */

/* At most so many channels of a block, in whole bundles: groups, and vectors where there are any */
static int cu_norm_wide(int64_t most, int bundle, int width)
{
	if (most > CU_NORM_SPAN)
		most = CU_NORM_SPAN;
	if (most > (int64_t)CU_NORM_GROUPS * width)
		most = (int64_t)CU_NORM_GROUPS * width;
	return (int)(most / bundle * bundle);
}

/* Whether whole groups fit in shared memory, `bytes` for each number; fills in the rest of *a. */
static int cu_norm_cut(cu_norm *a, int64_t n, int form, int64_t bytes)
{
	const int v = form == CU_FORM_ONE ? 1 : CU_PACK, bundle = a->width > v ? a->width : v;
	const int64_t fit = CU_NORM_POOL / bytes / a->p;
	int near = bundle <= CU_NORM_SPAN && fit >= bundle;

	a->pieces = 1;
	a->chunks = 1;
	if (near) {
		a->span = cu_norm_wide(fit < a->c ? fit : a->c, bundle, a->width);
		while (n * ((a->c + a->span - 1) / a->span) < CU_NORM_BLOCKS && a->span >= 2 * bundle && a->span > 16)
			a->span = a->span / bundle / 2 * bundle;
	} else if (a->width > CU_NORM_SPAN) {
		a->span = CU_NORM_SPAN;
		a->pieces = (a->width + a->span - 1) / a->span;
	} else {
		a->span = cu_norm_wide(bundle > CU_NORM_WIDE ? bundle : CU_NORM_WIDE, bundle, a->width);
	}
	a->slots = a->c / a->width * a->pieces;
	a->spans = a->pieces > 1 ? a->slots : (a->c + a->span - 1) / a->span;
	if (!near) {
		a->chunks = CU_NORM_BLOCKS / (n * a->spans);
		if (a->chunks > CU_NORM_CHUNKS)
			a->chunks = CU_NORM_CHUNKS;
		if (a->chunks > a->p / CU_NORM_ROWS)
			a->chunks = a->p / CU_NORM_ROWS;
		if (a->chunks < 1)
			a->chunks = 1;
	}
	a->chunk = (a->p + a->chunks - 1) / a->chunks;
	a->chunks = (a->p + a->chunk - 1) / a->chunk;
	return near;
}

static void cu_norm_of(const cu_lane *l, const sf_node *node, cu_norm *a)
{
	const sf_shape *x = &cu_val(l, node->in[0])->node.shape;

	memset(a, 0, sizeof *a);
	a->x = cu_at(l, node->in[0]);
	a->gamma = cu_at(l, node->in[1]);
	a->beta = cu_at(l, node->in[2]);
	a->skip_x = cu_skip(l->p, node->in[0]);
	a->skip_gamma = cu_skip(l->p, node->in[1]);
	a->skip_beta = cu_skip(l->p, node->in[2]);
	a->c = cu_last_dim(x);
	a->p = x->size / a->c;
	a->width = (int)(a->c / node->i[0]);
	a->act = (int)node->i[1];
	a->eps = (float)node->c;
	a->stat = cu_scratch_mem(l);
}

/* Samples and chunks that there are scratch numbers for; holds for fewer samples, too. */
static size_t cu_norm_parts(const cu_lane *l)
{
	const int64_t most = l->n > CU_NORM_BLOCKS / CU_NORM_CHUNKS ? CU_NORM_BLOCKS : l->n * CU_NORM_CHUNKS;

	return (size_t)(l->n > most ? l->n : most);
}

static size_t cu_norm_stats(const cu_lane *l, const sf_node *node)
{
	const int64_t width = cu_last_dim(&cu_val(l, node->in[0])->node.shape) / node->i[0];

	return cu_norm_parts(l) * 2 * (size_t)(node->i[0] * ((width + CU_NORM_SPAN - 1) / CU_NORM_SPAN));
}

static size_t cu_scratch_norm(const cu_lane *l, const sf_work *s)
{
	return cu_norm_stats(l, &cu_val(l, s->val)->node) * sizeof(float);
}

/* Channels eight by eight, in whole groups or the groups in whole eights. */
static int cu_norm_eight(const cu_norm *a)
{
	return a->c % CU_PACK == 0 && (a->width % CU_PACK == 0 || CU_PACK % a->width == 0);
}

static int cu_run_norm(const cu_lane *l, const sf_work *s)
{
	const sf_node *node = &cu_val(l, s->val)->node;
	cu_mem m[2];
	cu_norm a;
	int form, near;

	cu_norm_of(l, node, &a);
	a.out = m[1] = cu_at(l, s->val);
	m[0] = a.x;
	form = cu_form(cu_norm_eight(&a), m, 2);
	near = cu_norm_cut(&a, l->n, form, (int64_t)cu_width(a.x.type));
	if (near) {
		CU_LAUNCH_FORM(cu_norm_near, form, l->n * a.spans, CU_THREADS, l->stream, a);
	} else {
		CU_LAUNCH_FORM(cu_norm_chunk, form, l->n * a.spans * a.chunks, CU_THREADS, l->stream, a);
		CU_LAUNCH_FORM(cu_norm_far, form, l->n * a.spans * a.chunks, CU_THREADS, l->stream, a);
	}
	return 0;
}

#include "cuda/norm_back.h"
