/* read.c: whole files into memory.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads to the end of fd. The size that fstat tells is a first guess only: it is 0 for pipes and
 * /proc, and the file may grow meanwhile. */
static int slurp(sf_ctx *ctx, const char *path, int fd, size_t guess, size_t max,
                 unsigned char **bytes, size_t *size)
{
	size_t cap = guess < max ? guess + 2 : max + 1, used = 0;
	unsigned char *p = malloc(cap), *more;
	ssize_t n;

	for (;;) {
		if (!p)
			return sf_fail(ctx, SF_ENOMEM, "%s: no memory for %zu bytes", path, cap);
		n = read(fd, p + used, cap - 1 - used);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			free(p);
			return sf_fail(ctx, SF_EIO, "%s: cannot read: %s", path, strerror(errno));
		}
		if (n == 0)
			break;
		used += (size_t)n;
		if (used > max) {
			free(p);
			return sf_fail(ctx, SF_ERANGE, "%s: larger than the limit of %zu bytes",
			               path, max);
		}
		if (used < cap - 1)
			continue;
		cap = cap < max / 2 ? 2 * cap : max + 2;
		more = realloc(p, cap);
		if (!more)
			free(p);
		p = more;
	}
	p[used] = '\0';
	*bytes = p;
	*size = used;
	return SF_OK;
}

int sf_file_read(sf_ctx *ctx, const char *path, size_t max, unsigned char **bytes, size_t *size)
{
	struct stat st;
	int fd, rc;

	*bytes = NULL;
	*size = 0;
	if (max > SIZE_MAX / 4)
		max = SIZE_MAX / 4;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return sf_fail(ctx, SF_EIO, "%s: cannot open: %s", path, strerror(errno));
	if (fstat(fd, &st) < 0)
		rc = sf_fail(ctx, SF_EIO, "%s: cannot stat: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		rc = sf_fail(ctx, SF_EIO, "%s: is a directory; expected a file", path);
	else if (S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max)
		rc = sf_fail(ctx, SF_ERANGE, "%s: %lld bytes; the limit is %zu", path,
		             (long long)st.st_size, max);
	else
		rc = slurp(ctx, path, fd, S_ISREG(st.st_mode) ? (size_t)st.st_size : 65536, max,
		           bytes, size);
	close(fd);
	return rc;
}
