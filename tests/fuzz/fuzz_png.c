/* fuzz_png.c: sf_png_parse on any bytes. A fuzzer would never guess the chunks' check sums, so they
 * are made right here before every second parse.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include "io/endian.h"

#include <zlib.h>

static void parse(const unsigned char *bytes, size_t size)
{
	unsigned char *pixels;
	volatile unsigned sum = 0;
	int64_t h, w, i;
	int c, rc = sf_png_parse(fuzz_ctx(), "fuzz", bytes, size, &h, &w, &c, &pixels);

	fuzz_check(rc);
	if (rc < 0 && pixels)
		abort();
	for (i = 0; rc == 0 && i < h * w * c; i++)
		sum += pixels[i];
	(void)sum;
	sf_free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	unsigned char *copy;
	size_t at = 8, n;

	parse(bytes, size);
	if (size < 8 || !(copy = malloc(size)))
		return 0;
	memcpy(copy, bytes, size);
	memcpy(copy, "\x89PNG\r\n\x1a\n", 8);
	for (; size - at >= 12; at += n + 12) {
		uint32_t crc;
		int k;

		n = sf_get_be32(copy + at);
		if (n > size - at - 12)
			break;
		crc = (uint32_t)crc32(crc32(0, NULL, 0), copy + at + 4, (uInt)n + 4);
		for (k = 0; k < 4; k++)
			copy[at + 8 + n + (size_t)k] = (unsigned char)(crc >> (24 - 8 * k) & 255);
	}
	parse(copy, size);
	free(copy);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	/* 2 x 1 grey and 2 x 1 palette; the check sums are left to the target */
	static const unsigned char head[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
	unsigned char ihdr[25] = {0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0,
	                          2, 0, 0, 0,  1,   8,   0,   0,   0, 0};
	static const unsigned char plte[18] = {0, 0, 0, 6, 'P', 'L', 'T', 'E', 1, 2, 3, 4, 5, 6};
	static const unsigned char iend[12] = {0, 0, 0, 0, 'I', 'E', 'N', 'D'};
	static const unsigned char row[3] = {0, 0, 1};
	unsigned char idat[64] = {0, 0, 0, 0, 'I', 'D', 'A', 'T'};
	uLongf n = 40;

	if (i >= 2)
		return 0;
	ihdr[17] = i ? 3 : 0;
	if (compress(idat + 8, &n, row, 3) != Z_OK)
		abort();
	idat[3] = (unsigned char)n;
	sf_bytes_add(out, head, 8);
	sf_bytes_add(out, ihdr, sizeof ihdr);
	if (i)
		sf_bytes_add(out, plte, sizeof plte);
	sf_bytes_add(out, idat, n + 12);
	sf_bytes_add(out, iend, sizeof iend);
	return 1;
}
