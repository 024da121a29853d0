/* memory.c: aligned memory, checked size products, arenas.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

int sf_mul_size(size_t a, size_t b, size_t *product)
{
	if (b != 0 && a > SIZE_MAX / b)
		return -1;
	*product = a * b;
	return 0;
}

int sf_mul_i64(int64_t a, int64_t b, int64_t *product)
{
	if (a < 0 || b < 0 || (b != 0 && a > INT64_MAX / b))
		return -1;
	*product = a * b;
	return 0;
}

void *sf_alloc(size_t count, size_t size)
{
	size_t bytes;
	void *p = NULL;

	if (sf_mul_size(count, size, &bytes) < 0 || bytes > SIZE_MAX - SF_ALIGN)
		return NULL;
	bytes = (bytes + SF_ALIGN) / SF_ALIGN * SF_ALIGN; /* never empty */
	if (posix_memalign(&p, SF_ALIGN, bytes) != 0)
		return NULL;
	memset(p, 0, bytes);
	return p;
}

void sf_free(void *p)
{
	free(p);
}

char *sf_strndup(const char *s, size_t n)
{
	char *copy = sf_alloc(n + 1, 1);

	if (copy)
		memcpy(copy, s, n);
	return copy;
}

char *sf_strdup(const char *s)
{
	return sf_strndup(s, strlen(s));
}

void *sf_arena_take(sf_arena *a, size_t count, size_t size)
{
	size_t bytes, at = a->used;

	if (sf_mul_size(count, size, &bytes) < 0 || bytes > SIZE_MAX - SF_ALIGN - at) {
		a->used = SIZE_MAX / 2; /* opening it will fail with SF_ENOMEM */
		return NULL;
	}
	a->used += (bytes + SF_ALIGN - 1) / SF_ALIGN * SF_ALIGN;
	if (!a->base || a->used > a->size)
		return NULL;
	return a->base + at;
}

int sf_arena_open(sf_arena *a)
{
	a->base = sf_alloc(a->used, 1);
	if (!a->base)
		return SF_ENOMEM;
	a->size = a->used;
	a->used = 0;
	return SF_OK;
}

void sf_arena_close(sf_arena *a)
{
	sf_free(a->base);
	memset(a, 0, sizeof *a);
}
