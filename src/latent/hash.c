/* hash.c: names a pair's weights: FNV-1a of 64 bits over how it was made and over every parameter, in the order of the layout:
 * its name, and its numbers as little-endian floats.
 * Known answer: FNV-1a of "a" is af63dc4c8601ec8c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "latent/latent.h"

#include <stdio.h>
#include <string.h>

static uint64_t bytes(uint64_t h, const void *p, size_t n)
{
	const unsigned char *b = p;

	while (n-- > 0)
		h = (h ^ *b++) * UINT64_C(0x100000001b3);
	return h;
}

static uint64_t number(uint64_t h, float f)
{
	unsigned char b[4];
	uint32_t u;
	int i;

	memcpy(&u, &f, sizeof u);
	for (i = 0; i < 4; i++)
		b[i] = (unsigned char)(u >> (8 * i) & 0xff);
	return bytes(h, b, sizeof b);
}

static uint64_t text(uint64_t h, const char *s)
{
	return bytes(h, s, strlen(s) + 1);
}

void sf_vae_hash(const sf_vae *v, sf_dtype type, const void *params, char hex[17])
{
	const sf_vae_how *w = &v->how;
	uint64_t h = UINT64_C(0xcbf29ce484222325);
	char line[200];
	int64_t j;
	int i;

	h = text(text(h, w->encoder), w->decoder);
	snprintf(line, sizeof line, "%lld %d %d %g %d %d %lld %lld %lld", (long long)w->latent, w->groups, w->likelihood, w->std,
	         w->mixture, w->rank, (long long)w->dim[0], w->rank > 1 ? (long long)w->dim[1] : 0,
	         w->rank > 2 ? (long long)w->dim[2] : 0);
	h = text(h, line);
	for (i = 0; i < sf_param_count(v->g); i++) {
		const sf_param_info *p = sf_param_get(v->g, i);

		h = text(h, p->name);
		for (j = p->offset; j < p->offset + p->shape.size; j++)
			h = number(h, type == SF_F32 ? ((const float *)params)[j] : (float)((const double *)params)[j]);
	}
	snprintf(hex, 17, "%08lx%08lx", (unsigned long)(h >> 32), (unsigned long)(h & 0xffffffff));
}
