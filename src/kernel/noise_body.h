/* noise_body.h: blocks of four numbers of the stream, interleaved into the output. Both element
 * types return the numbers of noise_lanes.h, so that both precisions draw one stream.
 * SPDX-License-Identifier: BSD-3-Clause */

#define NOISE(name)                                                                                \
	static void F(name)(const uint32_t key[2], const uint32_t counter[4], int64_t blocks,      \
	                    T *out)                                                                \
	{                                                                                          \
		float z[4][NOISE_LANES];                                                           \
		int64_t b, i, n;                                                                   \
                                                                                                   \
		for (b = 0; b < blocks; b += NOISE_LANES, out += 4 * NOISE_LANES) {                \
			name##_lanes(key, counter, (uint32_t)b, z);                                \
			n = blocks - b < NOISE_LANES ? blocks - b : NOISE_LANES;                   \
			for (i = 0; i < n; i++) {                                                  \
				out[4 * i] = (T)z[0][i];                                           \
				out[4 * i + 1] = (T)z[1][i];                                       \
				out[4 * i + 2] = (T)z[2][i];                                       \
				out[4 * i + 3] = (T)z[3][i];                                       \
			}                                                                          \
		}                                                                                  \
	}

NOISE(normal)
NOISE(uniform)

#undef NOISE
