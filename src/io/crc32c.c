/* crc32c.c: CRC-32C (Castagnoli; reflected polynomial 82f63b78, initial value and final xor
 * ffffffff), which is not zlib's CRC-32. TensorBoard stores it rotated and shifted by a constant
 * ("masked"). Known answer: "123456789" gives e3069283, masked c78ab0e5.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"

uint32_t sf_crc32c(const unsigned char *bytes, size_t size)
{
	uint32_t crc = 0xffffffffu;
	size_t i;
	int bit;

	/* bit by bit: event records are small */
	for (i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc ^ 0xffffffffu;
}

uint32_t sf_crc32c_mask(uint32_t crc)
{
	return (crc >> 15 | crc << 17) + 0xa282ead8u;
}
