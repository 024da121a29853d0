/* fuzz_safetensors.c: sf_tensors_parse on any bytes; what is accepted must lie inside the block,
 * side by side.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	unsigned char *copy = malloc(size ? size : 1);
	sf_tensors t;
	size_t total = 0;
	int i, rc;

	if (!copy)
		return 0;
	if (size)
		memcpy(copy, bytes, size);
	rc = sf_tensors_parse(fuzz_ctx(), "fuzz", copy, size, &t);
	fuzz_check(rc);
	if (rc < 0 && (t.block || t.n || t.nmeta))
		abort();
	for (i = 0; i < t.n; i++) {
		const sf_tensor *v = &t.tensor[i];
		double *d = v->size < 100000 ? malloc(((size_t)v->size + 1) * sizeof *d) : NULL;

		if (v->bytes && (v->data < t.block || v->data + v->bytes > t.block + size))
			abort();
		if (d)
			fuzz_check(sf_tensor_to_double(fuzz_ctx(), v, d));
		free(d);
		total += v->bytes;
	}
	if (rc == 0 && total > size)
		abort();
	sf_tensors_free(&t);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	static const char *const header[] = {
		"{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_"
	        "offsets\":[0,8]},"
		"\"b\":{\"dtype\":\"BF16\",\"shape\":[],\"data_offsets\":[8,10]}}",
		"{\"x\":{\"dtype\":\"F64\",\"shape\":[1,1],\"data_offsets\":[0,8]},"
		"\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[8,10]}}",
	};
	unsigned char length[8] = {0}, data[10] = {1, 2, 3};

	if (i >= 2)
		return 0;
	length[0] = (unsigned char)strlen(header[i]);
	sf_bytes_add(out, length, 8);
	sf_bytes_add(out, header[i], strlen(header[i]));
	sf_bytes_add(out, data, sizeof data);
	return 1;
}
