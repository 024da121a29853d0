/* fuzz_cifar.c: sf_cifar_parse on any bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include "data/data.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	size_t n = size / 3073;
	unsigned char *pixels = malloc(n * 3072 + 1);
	int *label = malloc((n + 1) * sizeof *label), rc;

	if (pixels && label) {
		fuzz_check(sf_cifar_parse(fuzz_ctx(), "fuzz", bytes, size, NULL, NULL));
		rc = sf_cifar_parse(fuzz_ctx(), "fuzz", bytes, size, pixels, label);
		fuzz_check(rc);
		while (rc == 0 && n-- > 0)
			if (label[n] < 0 || label[n] > 9)
				abort();
	}
	free(pixels);
	free(label);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	unsigned char record[3073] = {7};

	if (i >= 2)
		return 0;
	sf_bytes_add(out, record, sizeof record);
	if (i)
		sf_bytes_add(out, record, sizeof record);
	return 1;
}
