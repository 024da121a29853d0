/* data.h: inputs of training made on the device, from records of grey levels that lie there:
 *
 *     x_t = alpha x_0 + sigma z,   x_0 = (v + u - shift)/scale
 *
 * for the record's level v, mirrored or not, u of the dequantisation and normals z (src/data/view.c, src/objective/terms.c). All of
 * it is double in the processor's order, rounded once, so that a plan reads the bits that the processor would have sent.
 * SPDX-License-Identifier: BSD-3-Clause */

/* Where number e of an image lies in it, mirrored left to right. */
CU_DEVICE int64_t cu_mirrored(int64_t e, int64_t width, int64_t channels)
{
	const int64_t row = e / (width * channels), in = e - row * width * channels, l = in / channels;

	return (row * width + width - 1 - l) * channels + (in - l * channels);
}

CU_DEVICE void cu_write_some(float *to, int n, int wide, const float f[4])
{
	int k;

	if (wide)
		cu_put4(to, f);
	else
		for (k = 0; k < 4; k++)
			if (k < n)
				to[k] = f[k];
}

/* Four numbers of a sample a thread: one counter of each stream. */
CU_KERNEL cu_feed(sf_device_feed f, int wide)
{
	const int64_t each = (f.size + 3) / 4, all = f.n * each;
	cu_noise noise, spread;
	int64_t i;

	noise.seed = f.noise;
	noise.step = f.step;
	noise.purpose = SF_NOISE_PERTURB;
	spread.seed = f.seed;
	spread.step = 0;
	spread.purpose = SF_NOISE_DEQUANT;
	for (i = cu_block() * cu_threads() + cu_thread(); i < all; i += cu_blocks() * cu_threads()) {
		const int64_t s = i / each, e = 4 * (i - s * each);
		const int n = f.size - e < 4 ? (int)(f.size - e) : 4;
		const sf_device_sample *of = &f.room[s];
		const unsigned char *v = f.records + of->record * f.size;
		float u[4] = {0, 0, 0, 0}, z[4], x[4] = {0, 0, 0, 0};
		int k;

		if (f.dequantise)
			cu_noise_four('u', spread, of->draw, (uint64_t)e / 4, u);
		cu_noise_four('n', noise, f.first + (uint64_t)s, (uint64_t)e / 4, z);
		for (k = 0; k < 4; k++) {
			const int64_t at = k < n ? e + k : e;
			double x0 = (double)v[of->flip ? cu_mirrored(at, f.width, f.channels) : at];

			x0 = (x0 + (double)u[k] - f.shift) / f.scale;
			x[k] = (float)(of->alpha * x0 + of->sigma * (double)z[k]);
		}
		if (f.xt)
			cu_write_some(f.xt + s * f.size + e, n, wide, x);
		if (f.z)
			cu_write_some(f.z + s * f.size + e, n, wide, z);
	}
}

static int sf_cu_feed(sf_device *d, const sf_device_feed *f, char *why)
{
	const int wide = f->size % 4 == 0 && (uintptr_t)f->xt % 16 == 0 && (uintptr_t)f->z % 16 == 0;
	cu_error e = cu_copy_in(f->room, f->sample, (size_t)f->n * sizeof *f->sample, d->stream);

	if (e == CU_OK) {
		CU_LAUNCH(cu_feed, cu_grid(f->n * ((f->size + 3) / 4)), 1, CU_THREADS, d->stream, *f, wide);
		e = cu_last_error();
	}
	return e == CU_OK ? 0 : cu_failed(e, why);
}

static int sf_cu_wait(sf_device *d, char *why)
{
	cu_error e = cu_wait(d->stream);

	return e == CU_OK ? 0 : cu_failed(e, why);
}
