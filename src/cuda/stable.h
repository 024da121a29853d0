/* stable.h: stable targets on the device (Xu, Tong, Jaakkola 2023, 2302.00670; src/objective/stf.c):
 *
 *     T = z + r sum_k w_k delta_k,   w_k = softmax_k( -|z + r delta_k|^2/2 ),   delta_k = x_src - x_k,   r = alpha/sigma
 *
 * over the rows of a reference batch, in double from differences as on the processor (src/objective/stable.c), so that nothing cancels at
 * small sigma. A block makes one sample: all logits, their largest, then the sum; in an order that the sizes fix.
 * SPDX-License-Identifier: BSD-3-Clause */

typedef struct cu_stable {
	int64_t size, nref, first, count; /* rows first .. first + count - 1 from the own one on, in turn */
	const double *x0, *z, *ref, *ratio;
	const int64_t *own, *group; /* group NULL: all rows are alike */
	double *logit, *out;        /* (n,count), (n,size) */
} cu_stable;

CU_DEVICE double cu_stable_top(const double *l, int64_t count)
{
	double top = l[0];
	int64_t k;

	for (k = 1; k < count; k++)
		top = fmax(top, l[k]);
	return top;
}

CU_KERNEL cu_stable_kernel(cu_stable s)
{
	const int64_t i = cu_block(), own = s.own[i];
	const double *x0 = s.x0 + i * s.size, *z = s.z + i * s.size, r = s.ratio[i];
	double *l = s.logit + i * s.count, top, sum = 0;
	int64_t k, j;

	for (k = 0; k < s.count; k++) {
		const int64_t row = (own + s.first + k) % s.nref;
		const double *x = s.ref + row * s.size;
		double square = 0;

		if (s.group && s.group[row] != s.group[own]) { /* the same for the whole block */
			if (cu_thread() == 0)
				l[k] = -INFINITY;
			continue;
		}
		for (j = cu_thread(); j < s.size; j += cu_threads()) {
			const double u = z[j] + r * (x0[j] - x[j]);

			square += u * u;
		}
		square = cu_block_sum_d(square);
		if (cu_thread() == 0)
			l[k] = -square / 2;
	}
	cu_sync();
	top = cu_stable_top(l, s.count);
	cu_sync();
	for (k = cu_thread(); k < s.count; k += cu_threads()) {
		l[k] = top > -INFINITY ? exp(l[k] - top) : 0;
		sum += l[k];
	}
	sum = cu_block_sum_d(sum);
	cu_sync();
	for (j = cu_thread(); j < s.size; j += cu_threads()) {
		double shift = 0;

		for (k = 0; k < s.count; k++)
			if (l[k] > 0)
				shift += l[k] * (x0[j] - s.ref[(own + s.first + k) % s.nref * s.size + j]);
		s.out[i * s.size + j] = z[j] + (sum > 0 ? r * (shift / sum) : 0);
	}
}

/* What is on the host has a place in a block of the device that grows with the largest batch. */
static int cu_stage(sf_device *d, size_t bytes)
{
	if (bytes <= d->stage_bytes)
		return 0;
	(void)cu_wait(d->stream);
	cu_mfree(d->stage);
	d->stage = cu_malloc(bytes);
	d->stage_bytes = d->stage ? bytes : 0;
	return d->stage ? 0 : SF_ENOMEM;
}

static int sf_cu_stable(sf_device *d, const sf_device_stable *s, char *why)
{
	const size_t number = sizeof(double), rows = (size_t)(s->n * s->size), refs = (size_t)(s->nref * s->size);
	cu_error e;
	cu_stable k;
	double *at;

	if (cu_stage(d, (3 * rows + refs + (size_t)(s->n * (s->count + 2) + s->nref)) * number) < 0) {
		snprintf(why, SF_DEVICE_WHY, "out of device memory for a reference batch of %lld rows", (long long)s->nref);
		return SF_ENOMEM;
	}
	memset(&k, 0, sizeof k);
	k.size = s->size;
	k.nref = s->nref;
	k.first = s->first;
	k.count = s->count;
	at = (double *)d->stage;
	k.x0 = at;
	k.z = at + rows;
	k.out = at + 2 * rows;
	k.ref = at + 3 * rows;
	k.logit = at + 3 * rows + refs;
	k.ratio = k.logit + s->n * s->count;
	k.own = (const int64_t *)(const void *)(k.ratio + s->n);
	k.group = s->group ? k.own + s->n : NULL;
	e = cu_copy_async(at, s->x0, rows * number, d->stream);
	if (e == CU_OK)
		e = cu_copy_async(at + rows, s->z, rows * number, d->stream);
	if (e == CU_OK)
		e = cu_copy_async(at + 3 * rows, s->ref, refs * number, d->stream);
	if (e == CU_OK)
		e = cu_copy_async(k.logit + s->n * s->count, s->ratio, (size_t)s->n * number, d->stream);
	if (e == CU_OK)
		e = cu_copy_async(k.logit + s->n * (s->count + 1), s->own, (size_t)s->n * sizeof *s->own, d->stream);
	if (e == CU_OK && s->group)
		e = cu_copy_async(k.logit + s->n * (s->count + 2), s->group, (size_t)s->nref * sizeof *s->group, d->stream);
	if (e == CU_OK) {
		CU_LAUNCH(cu_stable_kernel, s->n, 1, CU_THREADS, d->stream, k);
		e = cu_last_error();
	}
	if (e == CU_OK)
		e = cu_copy_async(s->z, k.out, rows * number, d->stream);
	if (e == CU_OK)
		e = cu_wait(d->stream);
	return e == CU_OK ? 0 : cu_failed(e, why);
}
