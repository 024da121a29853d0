/* fuzz_components.c: model files. What is accepted has the promised shapes and makes a finite score.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include <math.h>
#include <scorefield/score.h>
#include <stdio.h>

static void use(const sf_components *c)
{
	double x[8] = {.1, -.3, .2}, t = .5, out[8];
	sf_process *p;
	sf_score *s;

	if (c->d > 8 || c->n > 64)
		return;
	if (sf_process_new(fuzz_ctx(), "edm", &p) < 0)
		abort();
	if (sf_score_components(fuzz_ctx(), p, c, &s) == 0) {
		if (sf_score_eval(s, SF_SCORE, 1, x, &t, out) < 0)
			abort();
		sf_score_free(s);
	}
	sf_process_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	unsigned char *copy = malloc(size + 1);
	sf_components c;
	int64_t i;
	int rc;

	if (!copy)
		abort();
	if (size)
		memcpy(copy, bytes, size);
	rc = sf_components_parse(fuzz_ctx(), "model", copy, size, &c);
	fuzz_check(rc);
	if (rc < 0) {
		if (c.mean || c.basis || c.weight)
			abort();
		return 0;
	}
	if (c.n < 1 || c.d < 1 || c.rank < 0 || c.rank > c.d || !(c.scale > 0))
		abort();
	for (i = 0; i < c.n * c.d; i++)
		if (!isfinite(c.mean[i]))
			abort();
	use(&c);
	sf_components_free(&c);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	double points[] = {0, 1, 2, 0, 1, 1, -1, .5, 2, 2, .3, 1, 5, -2, 0, 1, 0, 0};
	const char *dir = getenv("TMPDIR");
	unsigned char *bytes;
	char path[600];
	sf_components c;
	sf_fit_options o;
	size_t size;

	if (i > 1)
		return 0;
	sf_fit_defaults(&o);
	o.kind = SF_FIT_LOW_RANK;
	o.components = 2;
	o.rank = i ? 2 : 1;
	snprintf(path, sizeof path, "%s/sf-components.%d", dir ? dir : "/tmp", i);
	if (sf_components_fit(fuzz_ctx(), &o, 6, 3, points, &c) < 0 ||
	    sf_components_write(fuzz_ctx(), path, &c, 0, NULL, NULL) < 0 ||
	    sf_file_read(fuzz_ctx(), path, (size_t)1 << 20, &bytes, &size) < 0)
		abort();
	remove(path);
	sf_bytes_add(out, bytes, size);
	free(bytes);
	sf_components_free(&c);
	return 1;
}
