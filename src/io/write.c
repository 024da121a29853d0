/* write.c: a file that appears whole or not at all. Bytes go to a temporary name in the same
 * folder; when all of them are on disk, the name is changed to the final one and the folder is
 * flushed too. Devices and pipes (/dev/stdout, /dev/full) have no content to protect and are
 * written as they are.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUFFER = 1 << 16, ATTEMPTS = 1000 };

static void failed(sf_out *o, const char *verb)
{
	if (o->rc == 0)
		o->rc = sf_fail(o->ctx, SF_EIO, "%s: cannot %s: %s", o->path, verb,
		                strerror(errno));
}

/* A name nobody has, in the folder of `target`. The file gets the permissions that it would get
 * without the detour: those of the file that it replaces, or the umask's. */
static void open_temp(sf_out *o, const char *target, const struct stat *old)
{
	size_t size = strlen(target) + 40;
	int i;

	o->target = sf_strdup(target);
	o->temp = sf_alloc(size, 1);
	if (!o->temp || !o->target) {
		o->rc = sf_fail(o->ctx, SF_ENOMEM, "%s: out of memory", o->path);
		return;
	}
	for (i = 0; i < ATTEMPTS; i++) {
		snprintf(o->temp, size, "%s.%ld-%d.tmp", target, (long)getpid(), i);
		o->fd = open(o->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
		if (o->fd >= 0 || errno != EEXIST)
			break;
	}
	if (o->fd < 0)
		failed(o, "create");
	else if (old)
		(void)fchmod(o->fd, old->st_mode & 07777);
}

int sf_out_open(sf_ctx *ctx, const char *path, sf_out *o)
{
	struct stat st;
	int exists = stat(path, &st) == 0;

	memset(o, 0, sizeof *o);
	o->ctx = ctx;
	o->path = path;
	o->fd = -1;
	o->buf = sf_alloc(BUFFER, 1);
	if (!o->buf) {
		o->rc = sf_fail(ctx, SF_ENOMEM, "%s: out of memory", path);
	} else if (exists && S_ISDIR(st.st_mode)) {
		o->rc = sf_fail(ctx, SF_EIO, "%s: is a directory; expected a file name", path);
	} else if (exists && !S_ISREG(st.st_mode)) {
		o->fd = open(path, O_WRONLY | O_CLOEXEC);
		if (o->fd < 0)
			failed(o, "open");
	} else {
		char *target = exists ? realpath(path, NULL) : NULL; /* through symbolic links */

		open_temp(o, target ? target : path, exists ? &st : NULL);
		free(target);
	}
	return o->rc < 0 ? sf_out_close(o, o->rc) : SF_OK;
}

static void put_all(sf_out *o, const unsigned char *p, size_t size)
{
	while (size > 0 && o->rc == 0) {
		ssize_t n = write(o->fd, p, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			failed(o, "write");
			return;
		}
		p += n;
		size -= (size_t)n;
	}
}

void sf_out_put(sf_out *o, const void *bytes, size_t size)
{
	if (o->rc < 0 || size == 0)
		return;
	if (size > BUFFER - o->used) {
		put_all(o, o->buf, o->used);
		o->used = 0;
	}
	if (size >= BUFFER) {
		put_all(o, bytes, size);
		return;
	}
	memcpy(o->buf + o->used, bytes, size);
	o->used += size;
}

/* The new name is on disk only when its folder is. Some file systems cannot flush a folder and say
 * so. */
static void flush_folder(sf_out *o)
{
	char *slash = strrchr(o->target, '/');
	int fd;

	if (slash)
		slash[slash == o->target ? 1 : 0] = '\0';
	fd = open(slash ? o->target : ".", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a folder that may be written but not read: nothing to flush it with */
	if (fsync(fd) < 0 && errno != EINVAL && errno != ENOTSUP && errno != EROFS &&
	    errno != EBADF)
		failed(o, "flush the folder of");
	close(fd);
}

int sf_out_close(sf_out *o, int rc)
{
	if (o->rc == 0)
		o->rc = rc;
	if (o->fd >= 0) {
		put_all(o, o->buf, o->used);
		if (o->temp && o->rc == 0 && fsync(o->fd) < 0)
			failed(o, "flush");
		if (close(o->fd) < 0)
			failed(o, "close");
	}
	if (o->temp && o->fd >= 0) {
		if (o->rc == 0 && rename(o->temp, o->target) < 0)
			failed(o, "rename to");
		if (o->rc < 0)
			(void)unlink(o->temp);
		else
			flush_folder(o);
	}
	sf_free(o->target);
	sf_free(o->temp);
	sf_free(o->buf);
	o->temp = o->target = NULL;
	o->buf = NULL;
	o->fd = -1;
	return o->rc;
}

int sf_file_write(sf_ctx *ctx, const char *path, const void *bytes, size_t size)
{
	sf_out o;

	SF_TRY(sf_out_open(ctx, path, &o));
	sf_out_put(&o, bytes, size);
	return sf_out_close(&o, SF_OK);
}
