/* noise_body.h: blocks of four numbers of the stream. Both element types return the numbers of noise_lanes.h, so that
 * both precisions draw one stream.
 * SPDX-License-Identifier: BSD-3-Clause */

#define NOISE(name)                                                                                \
	INLINE void F(name##_blocks)(const int lanes, int64_t n, const uint32_t key[2],            \
	                             const uint32_t counter[4], int moves, int64_t b, T *out)      \
	{                                                                                          \
		float z[4 * NOISE_LANES], *to = z;                                                 \
		void *whole = out;                                                                 \
		int64_t i;                                                                         \
                                                                                                   \
		if (TBITS == 32 && n == lanes)                                                     \
			to = whole;                                                                \
		name##_lanes(lanes, key, counter, moves, (uint32_t)b, to);                         \
		for (i = 0; to == z && i < 4 * n; i++)                                             \
			out[i] = (T)z[i];                                                          \
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
			} else if (n > NOISE_FEW) {                                                \
				F(name##_blocks)(NOISE_SOME, n, key, counter, moves, b, out);      \
			} else {                                                                   \
				n = n < NOISE_ONE ? n : NOISE_ONE;                                 \
				F(name##_blocks)(NOISE_ONE, n, key, counter, moves, b, out);       \
			}                                                                          \
		}                                                                                  \
	}

NOISE(normal)
NOISE(uniform)

#undef NOISE
