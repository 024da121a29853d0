/* array.c: arrays of one element type, as files hold them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"

#include <string.h>

size_t sf_element_size(sf_element type)
{
	switch (type) {
	case SF_U8:
	case SF_I8:
		return 1;
	case SF_I16:
	case SF_U16:
		return 2;
	case SF_I32:
	case SF_U32:
	case SF_FLOAT32:
		return 4;
	case SF_I64:
	case SF_U64:
	case SF_FLOAT64:
		return 8;
	}
	return 0;
}

int sf_shape_size(int rank, const int64_t *dim, size_t element, int64_t *size, int64_t *bytes)
{
	int64_t bound = 1;
	int i;

	*size = 1;
	/* a zero does not excuse dimensions that would overflow without it */
	for (i = 0; i < rank; i++) {
		if (sf_mul_i64(bound, dim[i] > 0 ? dim[i] : 1, &bound) < 0 || dim[i] < 0)
			return -1;
		*size *= dim[i];
	}
	if (sf_mul_i64(bound, (int64_t)element, &bound) < 0 || (uint64_t)bound > SIZE_MAX / 2)
		return -1;
	*bytes = *size * (int64_t)element;
	return 0;
}

int sf_array_new(sf_ctx *ctx, const char *what, sf_element type, int rank, const int64_t *dim,
                 sf_array *a)
{
	int64_t bytes;
	int i;

	memset(a, 0, sizeof *a);
	if (rank < 0 || rank > SF_ARRAY_MAXRANK)
		return sf_fail(ctx, SF_EUNSUP, "%s: %d dimensions; at most %d are supported", what,
		               rank, SF_ARRAY_MAXRANK);
	if (sf_shape_size(rank, dim, sf_element_size(type), &a->size, &bytes) < 0)
		return sf_fail(ctx, SF_ERANGE, "%s: the product of the dimensions overflows", what);
	a->type = type;
	a->rank = rank;
	for (i = 0; i < rank; i++)
		a->dim[i] = dim[i];
	a->data = sf_alloc((size_t)bytes, 1);
	if (!a->data)
		return sf_fail(ctx, SF_ENOMEM, "%s: no memory for %lld bytes", what,
		               (long long)bytes);
	return SF_OK;
}

void sf_array_free(sf_array *a)
{
	sf_free(a->data);
	memset(a, 0, sizeof *a);
}

#define RANGE(T)                                                                                   \
	do {                                                                                       \
		const T *p = (const T *)a->data + first;                                           \
		for (i = 0; i < n; i++)                                                            \
			out[i] = (double)p[i];                                                     \
	} while (0)

void sf_array_range(const sf_array *a, int64_t first, int64_t n, double *out)
{
	int64_t i;

	switch (a->type) {
	case SF_U8:
		RANGE(uint8_t);
		break;
	case SF_I8:
		RANGE(int8_t);
		break;
	case SF_I16:
		RANGE(int16_t);
		break;
	case SF_U16:
		RANGE(uint16_t);
		break;
	case SF_I32:
		RANGE(int32_t);
		break;
	case SF_U32:
		RANGE(uint32_t);
		break;
	case SF_I64:
		RANGE(int64_t);
		break;
	case SF_U64:
		RANGE(uint64_t);
		break;
	case SF_FLOAT32:
		RANGE(float);
		break;
	case SF_FLOAT64:
		RANGE(double);
		break;
	}
}

double sf_array_get(const sf_array *a, int64_t i)
{
	double v = 0;

	sf_array_range(a, i, 1, &v);
	return v;
}
