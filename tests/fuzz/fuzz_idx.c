/* fuzz_idx.c: sf_idx_parse on any bytes, plain and gzip.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	sf_array a;
	volatile double sum = 0;
	int64_t i;
	int rc = sf_idx_parse(fuzz_ctx(), "fuzz", bytes, size, &a);

	fuzz_check(rc);
	if (rc < 0 && a.data)
		abort();
	for (i = 0; rc == 0 && i < a.size; i++)
		sum += sf_array_get(&a, i);
	(void)sum;
	sf_array_free(&a);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	static const unsigned char plain[18] = {0, 0, 8, 2, 0, 0, 0, 2, 0,
	                                        0, 0, 3, 1, 2, 3, 4, 5, 6};
	static const unsigned char real[16] = {0, 0, 14, 1, 0, 0, 0, 1, 0x3f, 0xe0};
	/* the first, packed by gzip */
	static const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0,    0,    0,    0,    0,    0x02,
	                                       0xff, 0x63, 0x60, 0xe0, 0x60, 0x62, 0x60, 0x60, 0,
	                                       0x61, 0x66, 0x46, 0x26, 0x66, 0x16, 0x56, 0x36, 0,
	                                       0x48, 0x94, 0x3e, 0xe5, 0x12, 0,    0,    0};

	if (i == 0)
		sf_bytes_add(out, plain, sizeof plain);
	else if (i == 1)
		sf_bytes_add(out, real, sizeof real);
	else if (i == 2)
		sf_bytes_add(out, packed, sizeof packed);
	return i < 3;
}
