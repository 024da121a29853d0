/* npz.c: NPZ, a zip archive of NPY files that are stored, not compressed (PKWARE APPNOTE 4.3: local
 * header, data, then the central directory). Without the zip64 extension, so that a member and the
 * archive end below 4 GiB and there are fewer than 65535 members; more is refused before anything
 * is written. Time stamps are 1980-01-01, the format's zero, so that equal arrays give equal bytes.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <string.h>
#include <zlib.h>

enum { LOCAL = 30, CENTRAL = 46, END = 22, NAME_MAX_LEN = 250 };

typedef struct member {
	uint32_t crc, size, offset;
} member;

static void sum(void *to, const void *bytes, size_t size)
{
	uint32_t *crc = to;
	const unsigned char *p = bytes;

	while (size > 0) {
		uInt n = size < (1u << 30) ? (uInt)size : 1u << 30;

		*crc = (uint32_t)crc32(*crc, p, n);
		p += n;
		size -= n;
	}
}

static void put_out(void *to, const void *bytes, size_t size)
{
	sf_out_put(to, bytes, size);
}

/* The fields that local and central headers share, from "version needed" to "extra length". */
static void common(unsigned char *p, const member *m, size_t name)
{
	sf_put_le(p, 20, 2);       /* version 2.0; flags 0, method 0 (stored), time 0 */
	sf_put_le(p + 8, 0x21, 2); /* 1980-01-01 */
	sf_put_le(p + 10, m->crc, 4);
	sf_put_le(p + 14, m->size, 4); /* compressed */
	sf_put_le(p + 18, m->size, 4);
	sf_put_le(p + 22, name, 2);
}

static void put_name(sf_out *o, const char *name)
{
	sf_out_put(o, name, strlen(name));
	sf_out_put(o, ".npy", 4);
}

static void put_local(sf_out *o, const member *m, const char *name)
{
	unsigned char h[LOCAL] = {'P', 'K', 3, 4};

	common(h + 4, m, strlen(name) + 4);
	sf_out_put(o, h, sizeof h);
	put_name(o, name);
}

static void put_central(sf_out *o, const member *m, const char *name)
{
	unsigned char h[CENTRAL] = {'P', 'K', 1, 2, 20, 0};

	common(h + 6, m, strlen(name) + 4);
	sf_put_le(h + 42, m->offset, 4);
	sf_out_put(o, h, sizeof h);
	put_name(o, name);
}

/* Check sums and places of all members; *at and *directory are offset and size of the directory. */
static int lay_out(sf_ctx *ctx, const char *path, int n, const char *const *names,
                   const sf_array *const *arrays, member *m, uint64_t *at, uint64_t *directory)
{
	int i, k;

	*at = *directory = 0;
	for (i = 0; i < n; i++) {
		size_t len = strlen(names[i]), size;

		if (len == 0 || len > NAME_MAX_LEN || names[i][0] == '/' || strstr(names[i], ".."))
			return sf_fail(ctx, SF_EINVAL,
			               "%s: '%.40s' cannot name an array in an NPZ file", path,
			               names[i]);
		for (k = 0; k < i; k++)
			if (strcmp(names[i], names[k]) == 0)
				return sf_fail(ctx, SF_EINVAL, "%s: two arrays are named '%s'",
				               path, names[i]);
		SF_TRY(sf_npy_emit(ctx, path, arrays[i], sum, &m[i].crc, &size));
		if (*at + size + LOCAL + len + 4 >= UINT32_MAX)
			return sf_fail(ctx, SF_ERANGE,
			               "%s: array '%s' takes the NPZ file over its limit of 4 GiB; "
			               "write NPY "
			               "instead",
			               path, names[i]);
		m[i].size = (uint32_t)size;
		m[i].offset = (uint32_t)*at;
		*at += LOCAL + len + 4 + size;
		*directory += CENTRAL + len + 4;
	}
	if (*at + *directory + END >= UINT32_MAX)
		return sf_fail(ctx, SF_ERANGE, "%s: larger than the limit of 4 GiB of NPZ files",
		               path);
	return SF_OK;
}

int sf_npz_write(sf_ctx *ctx, const char *path, int n, const char *const *names,
                 const sf_array *const *arrays)
{
	unsigned char end[END] = {'P', 'K', 5, 6};
	uint64_t at, directory;
	member *m;
	sf_out o;
	int i, rc;

	if (n < 1 || n >= 65535)
		return sf_fail(ctx, SF_ERANGE, "%s: %d arrays in an NPZ file; expected 1 to 65534",
		               path, n);
	m = sf_alloc((size_t)n, sizeof *m);
	if (!m)
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	rc = lay_out(ctx, path, n, names, arrays, m, &at, &directory);
	if (rc == 0)
		rc = sf_out_open(ctx, path, &o);
	if (rc < 0)
		goto done;
	for (i = 0; i < n && rc == 0; i++) {
		put_local(&o, &m[i], names[i]);
		rc = sf_npy_emit(ctx, path, arrays[i], put_out, &o, NULL);
	}
	for (i = 0; i < n; i++)
		put_central(&o, &m[i], names[i]);
	sf_put_le(end + 8, (uint64_t)n, 2); /* on this disk; in all */
	sf_put_le(end + 10, (uint64_t)n, 2);
	sf_put_le(end + 12, directory, 4);
	sf_put_le(end + 16, at, 4);
	sf_out_put(&o, end, sizeof end);
	rc = sf_out_close(&o, rc);
done:
	sf_free(m);
	return rc;
}
