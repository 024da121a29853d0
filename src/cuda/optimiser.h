/* optimiser.h: Adam and the moving averages on the device, and the sums of its gradient.
 *
 * The update is src/kernel/adam_body.h: float, in that order, with one rounding an operation, so that it is the processor's bit for
 * bit. All buffers are read and written once, four numbers at a time: a step of 3 + A buffers is bound by memory alone. Sums are
 * double, over slices that depend on the number of elements alone, and are put together in order.
 * SPDX-License-Identifier: BSD-3-Clause */

/* Slices of a sum; behind their sums in sf_device.sums lies the whole. */
enum { CU_SLICES = 1024, CU_SUMS = CU_SLICES + 1 };

/* How many of n numbers from p on come before a multiple of 16 bytes. */
static int64_t cu_lead(const float *p, int64_t n)
{
	const int64_t lead = (int64_t)((0 - (uintptr_t)p) / sizeof *p % 4);

	return lead < n ? lead : n;
}

CU_DEVICE void cu_get4(const float *p, float f[4])
{
	const cu_words v = cu_read16(p);
	int k;

	for (k = 0; k < 4; k++)
		f[k] = cu_bits_to_float(v.w[k]);
}

CU_DEVICE void cu_put4(float *p, const float f[4])
{
	cu_words v;
	int k;

	for (k = 0; k < 4; k++)
		v.w[k] = cu_float_to_bits(f[k]);
	cu_write16(p, v);
}

/* ---- sums ---- */

CU_KERNEL cu_add_slices(double *sums)
{
	double sum = 0;
	int k;

	for (k = cu_thread(); k < CU_SLICES; k += cu_threads())
		sum += sums[k];
	sum = cu_block_sum_d(sum);
	if (cu_thread() == 0)
		sums[CU_SLICES] = sum;
}

static int cu_whole_sum(sf_device *d, double *sum, char *why)
{
	cu_error e;

	CU_LAUNCH(cu_add_slices, 1, 1, CU_THREADS, d->stream, d->sums);
	e = cu_copy_async(sum, d->sums + CU_SLICES, sizeof *sum, d->stream);
	if (e == CU_OK)
		e = cu_wait(d->stream);
	if (e == CU_OK)
		e = cu_last_error();
	return e == CU_OK ? 0 : cu_failed(e, why);
}

/* Slice b has every CU_SLICES-th tile of four numbers a thread. */
CU_KERNEL cu_slice_squares(int64_t n, int64_t lead, const float *g, double *sums)
{
	const int64_t fours = (n - lead) / 4, rest = lead + 4 * fours, me = cu_block() * cu_threads() + cu_thread();
	double sum = 0;
	int64_t i;
	float f[4];

	if (me < lead)
		sum += (double)g[me] * (double)g[me];
	for (i = me; i < fours; i += cu_blocks() * cu_threads()) {
		cu_get4(g + lead + 4 * i, f);
		sum += ((double)f[0] * (double)f[0] + (double)f[1] * (double)f[1]) +
		       ((double)f[2] * (double)f[2] + (double)f[3] * (double)f[3]);
	}
	if (me < n - rest)
		sum += (double)g[rest + me] * (double)g[rest + me];
	sum = cu_block_sum_d(sum);
	if (cu_thread() == 0)
		sums[cu_block()] = sum;
}

static int sf_cu_squares(sf_device *d, int64_t n, const float *g, double *sum, char *why)
{
	CU_LAUNCH(cu_slice_squares, CU_SLICES, 1, CU_THREADS, d->stream, n, cu_lead(g, n), g, d->sums);
	return cu_whole_sum(d, sum, why);
}

/* See sf_train_sanitise. Counts are whole numbers far below 2^53. */
CU_KERNEL cu_slice_sanitise(int64_t n, float *g, float most, double *sums)
{
	double found = 0;
	int64_t i;

	for (i = cu_block() * cu_threads() + cu_thread(); i < n; i += cu_blocks() * cu_threads()) {
		const uint32_t bits = cu_float_to_bits(g[i]);

		if ((bits & 0x7f800000u) != 0x7f800000u)
			continue;
		g[i] = (bits & 0x7fffffu) ? 0 : bits >> 31 ? -most : most;
		found++;
	}
	found = cu_block_sum_d(found);
	if (cu_thread() == 0)
		sums[cu_block()] = found;
}

static int sf_cu_sanitise(sf_device *d, int64_t n, float *g, double most, int64_t *found, char *why)
{
	double count = 0;
	int rc;

	CU_LAUNCH(cu_slice_sanitise, CU_SLICES, 1, CU_THREADS, d->stream, n, g, (float)most, d->sums);
	rc = cu_whole_sum(d, &count, why);
	*found = (int64_t)count;
	return rc;
}

/* ---- the update ---- */

typedef struct cu_adam {
	int64_t n, lead; /* lead < 0: the buffers are not aligned alike, and numbers are taken one by one */
	const float *g;
	float *p, *m, *v, *e[SF_DEVICE_AVERAGES];
	float keep[SF_DEVICE_AVERAGES];
	int averages;
	float b1, c1, b2, c2, rate, rv, eps, gscale;
} cu_adam;

/* Number i of four: p, m and v in place, and the averages but the first. */
CU_DEVICE void cu_adam_one(const cu_adam *a, float g, float *p, float *m, float *v)
{
	const float x = a->gscale * g;
	const float mi = a->b1 * *m + a->c1 * x, vi = a->b2 * *v + a->c2 * x * x;

	*p = *p - a->rate * mi / (sqrtf(vi) * a->rv + a->eps);
	*m = mi;
	*v = vi;
}

CU_DEVICE void cu_adam_at(const cu_adam *a, int64_t i)
{
	int k;

	cu_adam_one(a, a->g[i], &a->p[i], &a->m[i], &a->v[i]);
	for (k = 0; k < a->averages; k++)
		a->e[k][i] = a->p[i] + a->keep[k] * (a->e[k][i] - a->p[i]);
}

CU_DEVICE void cu_adam_four(const cu_adam *a, int64_t i)
{
	float g[4], p[4], m[4], v[4], e[4];
	int j, k;

	cu_get4(a->g + i, g);
	cu_get4(a->p + i, p);
	cu_get4(a->m + i, m);
	cu_get4(a->v + i, v);
	for (j = 0; j < 4; j++)
		cu_adam_one(a, g[j], &p[j], &m[j], &v[j]);
	cu_put4(a->p + i, p);
	cu_put4(a->m + i, m);
	cu_put4(a->v + i, v);
	for (k = 0; k < a->averages; k++) {
		cu_get4(a->e[k] + i, e);
		for (j = 0; j < 4; j++)
			e[j] = p[j] + a->keep[k] * (e[j] - p[j]);
		cu_put4(a->e[k] + i, e);
	}
}

CU_KERNEL cu_adam_update(cu_adam a)
{
	const int64_t lead = a.lead < 0 ? a.n : a.lead, fours = (a.n - lead) / 4, rest = lead + 4 * fours;
	const int64_t step = cu_blocks() * cu_threads(), me = cu_block() * cu_threads() + cu_thread();
	int64_t i;

	for (i = me; i < lead; i += step)
		cu_adam_at(&a, i);
	for (i = me; i < fours; i += step)
		cu_adam_four(&a, lead + 4 * i);
	for (i = rest + me; i < a.n; i += step)
		cu_adam_at(&a, i);
}

static int cu_alike(const void *a, const void *b)
{
	return (uintptr_t)a % 16 == (uintptr_t)b % 16;
}

static int sf_cu_update(sf_device *d, const sf_device_update *u, char *why)
{
	const sf_adam *s = u->adam;
	cu_adam a;
	cu_error e;
	int k, alike = cu_alike(u->g, u->param) && cu_alike(u->m, u->param) && cu_alike(u->v, u->param);

	memset(&a, 0, sizeof a);
	a.n = u->n;
	a.g = u->g;
	a.p = u->param;
	a.m = u->m;
	a.v = u->v;
	a.averages = u->averages;
	for (k = 0; k < u->averages; k++) {
		alike &= cu_alike(u->ema[k], u->param);
		a.e[k] = u->ema[k];
		a.keep[k] = (float)(k ? u->decay[k] : s->ema);
	}
	a.lead = alike ? cu_lead(u->param, u->n) : -1;
	a.b1 = (float)s->beta1;
	a.c1 = (float)(1 - s->beta1);
	a.b2 = (float)s->beta2;
	a.c2 = (float)(1 - s->beta2);
	a.rate = (float)(s->lr / s->bias1);
	a.rv = (float)(1 / sqrt(s->bias2));
	a.eps = (float)s->eps;
	a.gscale = (float)s->gscale;
	CU_LAUNCH(cu_adam_update, cu_grid((u->n + 3) / 4), 1, CU_THREADS, d->stream, a);
	e = cu_last_error();
	return e == CU_OK ? 0 : cu_failed(e, why);
}
