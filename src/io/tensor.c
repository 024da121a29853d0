/* tensor.c: elements of a safetensors tensor as double or float. Half precision is widened by its
 * definition,
 * (-1)^s 2^(e-15) (1 + m/1024) with subnormals 2^-14 m/1024; bfloat16 is the upper half of a float.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <math.h>
#include <string.h>

static double half(uint16_t b)
{
	int e = b >> 10 & 31, m = b & 1023;
	double v = e == 31 ? (m ? NAN : INFINITY) : e ? ldexp(1024 + m, e - 25) : ldexp(m, -24);

	return b & 0x8000 ? -v : v;
}

static float bits_to_float(uint32_t b)
{
	float f;

	memcpy(&f, &b, 4);
	return f;
}

static double bits_to_double(uint64_t b)
{
	double d;

	memcpy(&d, &b, 8);
	return d;
}

/* Two's complement by arithmetic, without a conversion that the implementation defines. */
static double signed_of(uint64_t v, int bits)
{
	uint64_t sign = (uint64_t)1 << (bits - 1);

	return v & sign ? -(double)(2 * (sign - 1) + 2 - v) : (double)v;
}

enum { F64, F32, F16, BF16, U8, I8, U16, I16, U32, I32, U64, I64, BOOLEAN, KINDS };

static double element(const unsigned char *p, int kind)
{
	switch (kind) {
	case F64:
		return bits_to_double(sf_get_le64(p));
	case F32:
		return bits_to_float(sf_get_le32(p));
	case F16:
		return half(sf_get_le16(p));
	case BF16:
		return bits_to_float((uint32_t)sf_get_le16(p) << 16);
	case I8:
		return signed_of(*p, 8);
	case U16:
		return sf_get_le16(p);
	case I16:
		return signed_of(sf_get_le16(p), 16);
	case U32:
		return sf_get_le32(p);
	case I32:
		return signed_of(sf_get_le32(p), 32);
	case U64:
		return (double)sf_get_le64(p);
	case I64:
		return signed_of(sf_get_le64(p), 64);
	default: /* U8, BOOLEAN */
		return *p;
	}
}

static int kind_of(sf_ctx *ctx, const sf_tensor *t, int *kind, size_t *bytes)
{
	static const struct {
		const char *name;
		size_t bytes;
	} known[KINDS] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"U8", 1},
	                  {"I8", 1},  {"U16", 2}, {"I16", 2}, {"U32", 4},  {"I32", 4},
	                  {"U64", 8}, {"I64", 8}, {"BOOL", 1}};

	for (*kind = 0; *kind < KINDS; ++*kind)
		if (strcmp(t->dtype, known[*kind].name) == 0) {
			*bytes = known[*kind].bytes;
			return SF_OK;
		}
	return sf_fail(
		ctx, SF_EFORMAT,
		"tensor '%.80s' has dtype %s; expected F64, F32, F16, BF16, BOOL or integers",
		t->name, t->dtype);
}

int sf_tensor_to_double(sf_ctx *ctx, const sf_tensor *t, double *out)
{
	size_t bytes = 0;
	int kind = 0;
	int64_t i;

	SF_TRY(kind_of(ctx, t, &kind, &bytes));
	for (i = 0; i < t->size; i++)
		out[i] = element(t->data + (size_t)i * bytes, kind);
	return SF_OK;
}

int sf_tensor_to_float(sf_ctx *ctx, const sf_tensor *t, float *out)
{
	size_t bytes = 0;
	int kind = 0;
	int64_t i;

	SF_TRY(kind_of(ctx, t, &kind, &bytes));
	if (kind == F32) { /* bit for bit, NaN included */
		sf_to_host(t->data, out, (size_t)t->size, 4, 1);
		return SF_OK;
	}
	for (i = 0; i < t->size; i++)
		out[i] = (float)element(t->data + (size_t)i * bytes, kind);
	return SF_OK;
}
