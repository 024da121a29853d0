/* fuzz_npy.c: sf_npy_parse on any bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	sf_array a;
	volatile double sum = 0;
	int64_t i;
	int rc = sf_npy_parse(fuzz_ctx(), "fuzz", bytes, size, &a);

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
	static const char *const header[] = {
		"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",
		"{'descr': '>i2', 'fortran_order': True, 'shape': (3, 2, 2), }\n",
		"{'descr': '|u1', 'fortran_order': False, 'shape': (24,), }\n",
	};
	unsigned char head[10] = {0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, 0, 0}, data[24] = {1, 2, 3};

	if (i >= 3)
		return 0;
	head[8] = (unsigned char)strlen(header[i]);
	sf_bytes_add(out, head, sizeof head);
	sf_bytes_add(out, header[i], strlen(header[i]));
	sf_bytes_add(out, data, sizeof data);
	return 1;
}
