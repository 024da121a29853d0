/* conv.h: convolution and its two adjoints (src/graph/conv.c), images (h,w,c), weights as (co,kh,kw,ci).
 *
 * The library wants images, weights and result of one type. Images of 1 or 3 channels are taken as they are: its engines pad them in
 * their workspace. What no engine does (a stride beyond its limits) is done by the plain kernels here.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct cu_conv {
	sf_conv c;
	int64_t n;
	int direction, type;       /* SF_CUDA_..., CU_... */
	int64_t nx, nw, ny;        /* numbers of image, weights, result of the forward direction */
} cu_conv;

CU_KERNEL cu_conv_forward_kernel(cu_conv v, cu_mem x, cu_mem w, cu_mem y)
{
	const sf_conv c = v.c;
	int64_t e, ky, kx, i;

	for (e = cu_block() * cu_threads() + cu_thread(); e < v.ny; e += cu_blocks() * cu_threads()) {
		const int64_t o = e % c.co, ox = e / c.co % c.wo, oy = e / c.co / c.wo % c.ho, s = e / c.co / c.wo / c.ho;
		float sum = 0;

		for (ky = 0; ky < c.kh; ky++)
			for (kx = 0; kx < c.kw; kx++) {
				const int64_t iy = oy * c.stride + ky * c.dilation - c.pad, ix = ox * c.stride + kx * c.dilation - c.pad;
				const int64_t from = ((s * c.h + iy) * c.w + ix) * c.ci, by = ((o * c.kh + ky) * c.kw + kx) * c.ci;
				float part = 0;

				if (iy < 0 || iy >= c.h || ix < 0 || ix >= c.w)
					continue;
				for (i = 0; i < c.ci; i++)
					part += cu_get(x, from + i) * cu_get(w, by + i);
				sum += part;
			}
		cu_put(y, e, sum);
	}
}

/* Where output pixels o have o stride + k dilation - pad = i; 0: nowhere. */
CU_DEVICE int cu_conv_back(const sf_conv *c, int64_t i, int64_t k, int64_t size, int64_t *o)
{
	const int64_t t = i + c->pad - k * c->dilation;

	*o = t / c->stride;
	return t >= 0 && t % c->stride == 0 && *o < size;
}

CU_KERNEL cu_conv_data_kernel(cu_conv v, cu_mem x, cu_mem w, cu_mem y)
{
	const sf_conv c = v.c;
	int64_t e, ky, kx, o, oy, ox;

	for (e = cu_block() * cu_threads() + cu_thread(); e < v.nx; e += cu_blocks() * cu_threads()) {
		const int64_t i = e % c.ci, ix = e / c.ci % c.w, iy = e / c.ci / c.w % c.h, s = e / c.ci / c.w / c.h;
		float sum = 0;

		for (ky = 0; ky < c.kh; ky++)
			for (kx = 0; kx < c.kw; kx++) {
				float part = 0;

				if (!cu_conv_back(&c, iy, ky, c.ho, &oy) || !cu_conv_back(&c, ix, kx, c.wo, &ox))
					continue;
				for (o = 0; o < c.co; o++)
					part += cu_get(y, ((s * c.ho + oy) * c.wo + ox) * c.co + o) *
					        cu_get(w, ((o * c.kh + ky) * c.kw + kx) * c.ci + i);
				sum += part;
			}
		cu_put(x, e, sum);
	}
}

CU_KERNEL cu_conv_weight_kernel(cu_conv v, cu_mem x, cu_mem w, cu_mem y)
{
	const sf_conv c = v.c;
	int64_t e, s, oy, ox;

	for (e = cu_block() * cu_threads() + cu_thread(); e < v.nw; e += cu_blocks() * cu_threads()) {
		const int64_t i = e % c.ci, kx = e / c.ci % c.kw, ky = e / c.ci / c.kw % c.kh, o = e / c.ci / c.kw / c.kh;
		float sum = 0;

		for (s = 0; s < v.n; s++) {
			float image = 0;

			for (oy = 0; oy < c.ho; oy++) {
				const int64_t iy = oy * c.stride + ky * c.dilation - c.pad;
				float row = 0;

				if (iy < 0 || iy >= c.h)
					continue;
				for (ox = 0; ox < c.wo; ox++) {
					const int64_t ix = ox * c.stride + kx * c.dilation - c.pad;

					if (ix >= 0 && ix < c.w)
						row += cu_get(x, ((s * c.h + iy) * c.w + ix) * c.ci + i) *
						       cu_get(y, ((s * c.ho + oy) * c.wo + ox) * c.co + o);
				}
				image += row;
			}
			sum += image;
		}
		cu_put(w, e, sum);
	}
}

/* ---- a node ---- */

static cu_conv cu_conv_of(const cu_lane *l, int v)
{
	const sf_node *node = &cu_val(l, v)->node;
	const int weight = node->op == SF_OP_CONV_WEIGHT, image = weight ? node->in[1] : v;
	cu_conv c;

	memset(&c, 0, sizeof c);
	l->d->host->conv_of(l->p, node, &c.c);
	c.direction = weight ? SF_CUDA_WEIGHT : node->op == SF_OP_CONV ? SF_CUDA_FORWARD : SF_CUDA_DATA;
	c.n = cu_val(l, node->in[0])->node.shape.per_sample ? l->n : 1;
	c.type = cu_at(l, node->in[0]).type == CU_BF16 || cu_at(l, image).type == CU_BF16 ? CU_BF16 : CU_F32;
	c.nx = c.n * c.c.h * c.c.w * c.c.ci;
	c.ny = c.n * c.c.ho * c.c.wo * c.c.co;
	c.nw = c.c.co * c.c.kh * c.c.kw * c.c.ci;
	return c;
}

static int cu_pack_form_conv(const cu_lane *l, int v, int k, cu_pack *form)
{
	const cu_conv c = cu_conv_of(l, v);

	form->type = c.type;
	form->rows = c.c.kh * c.c.kw * c.c.ci;
	form->cols = c.c.co;
	return k == 1;
}

typedef struct cu_images {
	cu_mem x, w, y;
} cu_images;

static cu_images cu_images_of(cu_room *r, const cu_lane *l, const sf_work *s, const cu_conv *c)
{
	const int pack = c->direction == SF_CUDA_WEIGHT ? -1 : cu_pack_of(l, s, 1);
	cu_images m;

	if (c->direction == SF_CUDA_DATA) {
		m.y = cu_operand(r, l, s, 0, c->type, c->ny, 1);
		m.x = cu_result(r, l, s->val, c->type, c->nx, 1);
	} else {
		m.x = cu_operand(r, l, s, 0, c->type, c->nx, 1);
		m.y = c->direction == SF_CUDA_FORWARD ? cu_result(r, l, s->val, c->type, c->ny, 1)
		                                      : cu_operand(r, l, s, 1, c->type, c->ny, 1);
	}
	m.w = pack >= 0 ? cu_packed(l->packs, pack) : cu_room_take(r, c->type, c->nw);
	if (r->l && pack < 0 && c->direction != SF_CUDA_WEIGHT)
		cu_transpose(l->stream, m.w, cu_at(l, l->p->val[s->val].node.in[1]), c->c.kh * c->c.kw * c->c.ci, c->c.co);
	return m;
}

#ifdef SF_CUDA_EMULATED
static size_t cu_conv_workspace(const cu_lane *l, const cu_conv *c)
{
	(void)l, (void)c;
	return 0;
}

static int cu_conv_library(const cu_lane *l, const cu_conv *c, const cu_images *m, void *workspace, size_t bytes)
{
	(void)l, (void)c, (void)m, (void)workspace, (void)bytes;
	return 0;
}
#else
/* ---- by cuDNN ---- */

/* Engines that want more are passed over, unless there is no other: float's data gradient of 512 large images has none. */
static const int64_t cu_conv_room[2] = {INT64_C(1) << 30, INT64_C(1) << 33};

static sf_cuda_conv cu_conv_key(const sf_device_how *how, const cu_conv *v)
{
	sf_cuda_conv c;

	memset(&c, 0, sizeof c);
	c.direction = v->direction;
	c.precision = v->type == CU_BF16 ? SF_CUDA_BF16 : how->precision == SF_DEVICE_STRICT ? SF_CUDA_STRICT : SF_CUDA_TF32;
	c.deterministic = how->deterministic;
	c.n = v->n;
	c.h = v->c.h;
	c.w = v->c.w;
	c.ci = v->c.ci;
	c.co = v->c.co;
	c.kh = v->c.kh;
	c.kw = v->c.kw;
	c.stride = v->c.stride;
	c.pad = v->c.pad;
	c.dilation = v->c.dilation;
	return c;
}

static int cu_conv_plan(sf_cuda_dnn *k, const sf_cuda_conv *c, sf_cuda_conv_plan *plan, char *why, size_t size)
{
	int rc = sf_cuda_conv_find(k, c, cu_conv_room[0], plan, why, size);

	return rc < 0 ? sf_cuda_conv_find(k, c, cu_conv_room[1], plan, why, size) : rc;
}

/* Plans are made here, before the first run. */
static size_t cu_conv_workspace(const cu_lane *l, const cu_conv *v)
{
	const sf_cuda_conv c = cu_conv_key(&l->d->how, v);
	sf_cuda_conv_plan plan;
	char why[SF_DEVICE_WHY];

	if (!l->d->linear || cu_conv_plan(l->d->linear->convs, &c, &plan, why, sizeof why) < 0)
		return 0;
	return (size_t)plan.workspace;
}

/* 1: done; 0: there is no engine. A run of fewer samples than there is room for has plans of its own, made in its first run, which is
 * not recorded, in no more workspace than there is. */
static int cu_conv_library(const cu_lane *l, const cu_conv *v, const cu_images *m, void *workspace, size_t bytes)
{
	const sf_cuda_conv c = cu_conv_key(&l->d->how, v);
	struct cu_linear *k = l->d->linear;
	sf_cuda_conv_plan plan;

	if (sf_cuda_conv_find(k->convs, &c, (int64_t)bytes, &plan, k->why, sizeof k->why) < 0)
		return 0;
	return sf_cuda_conv_run(k->convs, &plan, m->x.p, m->w.p, m->y.p, workspace, k->why, sizeof k->why) < 0 ? SF_EUNSUP : 1;
}
#endif

static size_t cu_scratch_conv(const cu_lane *l, const sf_work *s)
{
	const cu_conv c = cu_conv_of(l, s->val);
	cu_room r = {NULL, 0};

	(void)cu_images_of(&r, l, s, &c);
	return r.used + cu_conv_workspace(l, &c);
}

static void cu_conv_plain(const cu_lane *l, const cu_conv *c, const cu_images *m)
{
	if (c->direction == SF_CUDA_FORWARD)
		CU_LAUNCH(cu_conv_forward_kernel, cu_grid(c->ny), 1, CU_THREADS, l->stream, *c, m->x, m->w, m->y);
	else if (c->direction == SF_CUDA_DATA)
		CU_LAUNCH(cu_conv_data_kernel, cu_grid(c->nx), 1, CU_THREADS, l->stream, *c, m->x, m->w, m->y);
	else
		CU_LAUNCH(cu_conv_weight_kernel, cu_grid(c->nw), 1, CU_THREADS, l->stream, *c, m->x, m->w, m->y);
}

static int cu_run_conv(const cu_lane *l, const sf_work *s)
{
	const cu_conv c = cu_conv_of(l, s->val);
	cu_room r = {l, 0};
	const cu_images m = cu_images_of(&r, l, s, &c);
	const int done = cu_conv_library(l, &c, &m, (unsigned char *)l->scratch + r.used, l->scratch_bytes - r.used);

	if (done < 0)
		return done;
	if (done == 0)
		cu_conv_plain(l, &c, &m);
	if (c.direction == SF_CUDA_WEIGHT)
		cu_transpose(l->stream, cu_at(l, s->val), m.w, c.c.co, c.c.kh * c.c.kw * c.c.ci);
	else
		cu_deliver(l, s->val, c.direction == SF_CUDA_DATA ? m.x : m.y, c.direction == SF_CUDA_DATA ? c.nx : c.ny);
	return 0;
}

/* ---- what could be run, without a device ---- */

#ifdef SF_CUDA_EMULATED
static int sf_cu_convs(const sf_device_host *host, const sf_device_how *how, const sf_plan *p, const sf_device_layout *lay,
                       sf_device_convs *out, char *why)
{
	(void)host, (void)how, (void)p, (void)lay;
	memset(out, 0, sizeof *out);
	snprintf(why, SF_DEVICE_WHY, "the emulated device has no library of convolutions");
	return SF_EUNSUP;
}
#else
static const char *const cu_conv_name[SF_CUDA_DIRECTIONS] = {"convolution", "its adjoint in the image", "its adjoint in the weights"};

static int cu_convs_find(const cu_lane *l, sf_cuda_dnn *k, sf_device_convs *out, char *why)
{
	sf_cuda_conv_plan plan;
	char text[SF_DEVICE_WHY / 2];
	int i, asked;

	for (i = 0; i < l->p->nstep; i++) {
		const sf_work *s = &l->p->step[i];
		const int op = (int)l->p->val[s->val].node.op;
		sf_cuda_conv c;
		cu_conv v;

		if (s->nlink || (op != SF_OP_CONV && op != SF_OP_CONV_DATA && op != SF_OP_CONV_WEIGHT))
			continue;
		v = cu_conv_of(l, s->val);
		c = cu_conv_key(&l->d->how, &v);
		if (cu_conv_plan(k, &c, &plan, text, sizeof text) < 0) {
			snprintf(why, SF_DEVICE_WHY, "%s, %lld images (%lld,%lld,%lld) by (%lld,%lld,%lld,%lld): %s", cu_conv_name[c.direction],
			         (long long)c.n, (long long)c.h, (long long)c.w, (long long)c.ci, (long long)c.kh, (long long)c.kw,
			         (long long)c.ci, (long long)c.co, text);
			return SF_EUNSUP;
		}
		*(c.direction == SF_CUDA_FORWARD ? &out->forward : c.direction == SF_CUDA_DATA ? &out->data : &out->weight) += 1;
		out->bf16 += c.precision == SF_CUDA_BF16;
		out->tensor_cores += plan.tensor_cores;
		out->workspace = (double)plan.workspace > out->workspace ? (double)plan.workspace : out->workspace;
	}
	sf_cuda_dnn_count(k, &out->plans, &asked);
	return 0;
}

static int sf_cu_convs(const sf_device_host *host, const sf_device_how *how, const sf_plan *p, const sf_device_layout *lay,
                       sf_device_convs *out, char *why)
{
	cu_mem *val = (cu_mem *)calloc((size_t)p->nval + 1, sizeof *val);
	sf_cuda_dnn *k = val ? sf_cuda_dnn_described(NULL, why, SF_DEVICE_WHY) : NULL;
	struct sf_device d;
	cu_lane l;
	int i, rc;

	memset(out, 0, sizeof *out);
	memset(&d, 0, sizeof d);
	memset(&l, 0, sizeof l);
	d.how = *how;
	d.host = host;
	l.p = p;
	l.n = lay->n;
	l.d = &d;
	l.val = val;
	for (i = 0; val && i < p->nval; i++)
		val[i].type = lay->bf16[p->val[i].root] ? CU_BF16 : CU_F32;
	if (!val)
		snprintf(why, SF_DEVICE_WHY, "out of memory");
	rc = k ? cu_convs_find(&l, k, out, why) : SF_EUNSUP;
	sf_cuda_dnn_free(k);
	free(val);
	return rc;
}
#endif
