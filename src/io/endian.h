/* endian.h: numbers of fixed byte order in files, on hosts of either order.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_ENDIAN_H
#define SF_ENDIAN_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline int sf_host_is_little(void)
{
	const uint16_t one = 1;
	unsigned char first;

	memcpy(&first, &one, 1);
	return first == 1;
}

static inline uint16_t sf_get_le16(const unsigned char *p)
{
	return (uint16_t)(p[0] | (unsigned)p[1] << 8);
}

static inline uint32_t sf_get_le32(const unsigned char *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t sf_get_le64(const unsigned char *p)
{
	return (uint64_t)sf_get_le32(p) | (uint64_t)sf_get_le32(p + 4) << 32;
}

static inline uint32_t sf_get_be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

/* Writes the low `bytes` bytes of v, least significant first. */
static inline void sf_put_le(unsigned char *p, uint64_t v, int bytes)
{
	int i;

	for (i = 0; i < bytes; i++)
		p[i] = (unsigned char)(v >> (8 * i) & 0xff);
}

/* Reverses the bytes of each of `count` elements; from and to may be equal. */
static inline void sf_swap(const unsigned char *from, unsigned char *to, size_t count,
                           size_t element)
{
	size_t i, k;

	for (i = 0; i < count; i++, from += element, to += element)
		for (k = 0; k < (element + 1) / 2; k++) {
			unsigned char low = from[k], high = from[element - 1 - k];

			to[k] = high;
			to[element - 1 - k] = low;
		}
}

/* Elements of a file (little or big-endian) to the host's order. */
static inline void sf_to_host(const unsigned char *from, void *to, size_t count, size_t element,
                              int little)
{
	if (count == 0)
		return;
	if (element == 1 || little == sf_host_is_little())
		memcpy(to, from, count * element);
	else
		sf_swap(from, to, count, element);
}

#endif
