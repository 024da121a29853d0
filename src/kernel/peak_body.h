/* peak_body.h: multiply-adds that never leave the registers, for one element type: what the machine can do at most.
 * SPDX-License-Identifier: BSD-3-Clause */
enum { F(CHAINS) = 12 }; /* two units of four or five steps each, and 16 registers */

/* n rounds of one multiply-add in each lane of each chain; the operations done, two for each. */
static double F(peak)(int64_t n, T *sink)
{
#if SF_SIMD && defined FMA_f32
	VEC acc[F(CHAINS)];
	const VEC a = SPLAT((T)0.999999), b = SPLAT((T)1e-7);
	int64_t k;
	int i;

	UNROLL
	for (i = 0; i < F(CHAINS); i++)
		acc[i] = SPLAT(*sink + (T)i);
	for (k = 0; k < n; k++) {
		UNROLL
		for (i = 0; i < F(CHAINS); i++)
			acc[i] = FMA(acc[i], a, b);
	}
	for (i = 1; i < F(CHAINS); i++)
		acc[0] += acc[i];
	*sink = acc[0][0];
	return 2.0 * (double)n * F(CHAINS) * VW;
#else
	T acc[F(CHAINS)], sum = 0;
	int64_t k;
	int i;

	for (i = 0; i < F(CHAINS); i++)
		acc[i] = *sink + (T)i;
	for (k = 0; k < n; k++)
		for (i = 0; i < F(CHAINS); i++)
			acc[i] = acc[i] * (T)0.999999 + (T)1e-7;
	for (i = 0; i < F(CHAINS); i++)
		sum += acc[i];
	*sink = sum;
	return 2.0 * (double)n * F(CHAINS);
#endif
}
