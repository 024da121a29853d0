/* fuzz_spec.c: spec strings of data sources that read no files. What is accepted prints a canonical
 * spec that is accepted again and prints itself.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include <scorefield/data.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char text[600];
	sf_data *d, *again;
	double x[64];
	int label, rc;

	if (size >= sizeof text)
		return 0;
	if (size)
		memcpy(text, bytes, size);
	text[size] = '\0';
	if (strchr(text, '/')) /* stay away from files */
		return 0;
	rc = sf_data_new(fuzz_ctx(), text, &d);
	fuzz_check(rc);
	if (rc < 0) {
		if (d)
			abort();
		return 0;
	}
	if (sf_data_new(fuzz_ctx(), sf_spec(d), &again) < 0 ||
	    strcmp(sf_spec(d), sf_spec(again)) != 0)
		abort();
	if (sf_data_describe(d)->size <= 64)
		sf_data_read(d, 5, x, &label);
	sf_data_free(d);
	sf_data_free(again);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	static const char *const seed[] = {
		"checkerboard:seed=3", "gaussians:number=3,radius=2,std=1e-1",
		"mixture:weights=1:3,means=0:0:4:1,stds=1:2", "pinwheel:rate=-0.5",
		"idx:images=none,labels=none,levels=7"};

	if (i >= (int)(sizeof seed / sizeof *seed))
		return 0;
	sf_bytes_add(out, seed[i], strlen(seed[i]));
	return 1;
}
