/* fuzz_config.c: configuration files. Whatever was accepted is written out complete, and that text is
 * accepted and gives the same values.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include "train/internal.h"

#include <stdio.h>

static void same(const sf_config *a, const sf_config *b)
{
	sf_config_key k;
	char key[128];
	int i;

	for (i = 0; sf_config_key_at(i, &k) == 0; i++) {
		const char *x, *y;

		snprintf(key, sizeof key, "%s.%s", k.section, k.key);
		x = sf_config_get(a, key);
		y = sf_config_get(b, key);
		if (!x || !y || strcmp(x, y) != 0)
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	sf_ctx *ctx = fuzz_ctx();
	sf_config *c, *again;
	sf_text whole = {NULL, 0, 0, 0};
	char *text;
	int rc;

	text = malloc(size + 1);
	if (!text || sf_config_new(ctx, &c) < 0 || sf_config_new(ctx, &again) < 0)
		abort();
	if (size)
		memcpy(text, bytes, size);
	text[size] = '\0';
	rc = sf_config_parse(c, "fuzz.ini", text, size);
	fuzz_check(rc);
	if (rc == 0) {
		sf_config_print(c, &whole);
		if (whole.failed || sf_config_parse(again, "whole.ini", whole.s, whole.len) < 0)
			abort();
		same(c, again);
	}
	free(whole.s);
	free(text);
	sf_config_free(c);
	sf_config_free(again);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	static const char *const seed[] = {
		"# a comment\n[train]\nsteps = 10\nlr=1e-3 ; more\n[net]\nspec = mlp:width=8\n",
		"[data]\nspec = gaussians:number=3\nflip = on\nscale = pm1\n",
		"[sample]\nsampler = heun:churn=3,\n   s-min=0.1\nsteps = 3\n"};

	if (i >= (int)(sizeof seed / sizeof *seed))
		return 0;
	sf_bytes_add(out, seed[i], strlen(seed[i]));
	return 1;
}
