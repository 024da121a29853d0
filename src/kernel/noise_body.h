/* noise_body.h: blocks of four numbers of the stream, interleaved into the output. Both element
 * types return the numbers of noise_lanes.h, so that both precisions draw one stream.
 * SPDX-License-Identifier: BSD-3-Clause */

#define NOISE(name)                                                                                \
	INLINE void F(name##_blocks)(const int lanes, int64_t n, const uint32_t key[2],            \
	                             const uint32_t counter[4], int moves, int64_t b, T *out)      \
	{                                                                                          \
		float z[4][NOISE_LANES];                                                           \
		int64_t i;                                                                         \
                                                                                                   \
		name##_lanes(lanes, key, counter, moves, (uint32_t)b, z);                          \
		for (i = 0; i < n; i++) {                                                          \
			out[4 * i] = (T)z[0][i];                                                   \
			out[4 * i + 1] = (T)z[1][i];                                               \
			out[4 * i + 2] = (T)z[2][i];                                               \
			out[4 * i + 3] = (T)z[3][i];                                               \
		}                                                                                  \
	}                                                                                          \
	static void F(name)(const uint32_t key[2], const uint32_t counter[4], int moves,           \
	                    int64_t blocks, T *out)                                                \
	{                                                                                          \
		int64_t b = 0, n;                                                                  \
                                                                                                   \
		for (; b < blocks; b += n, out += 4 * n) {                                         \
			n = blocks - b;                                                            \
			if (n > NOISE_SOME) {                                                      \
				n = n < NOISE_LANES ? n : NOISE_LANES;                             \
				F(name##_blocks)(NOISE_LANES, n, key, counter, moves, b, out);     \
			} else if (n >= NOISE_FEW) {                                               \
				F(name##_blocks)(NOISE_SOME, n, key, counter, moves, b, out);      \
			} else {                                                                   \
				n = 1;                                                             \
				F(name##_blocks)(1, n, key, counter, moves, b, out);               \
			}                                                                          \
		}                                                                                  \
	}

NOISE(normal)
NOISE(uniform)

#undef NOISE
