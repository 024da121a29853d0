/* tfevents.c: TensorBoard event files. A file is a list of records
 *
 *     u64 length, u32 masked CRC-32C of the length, payload, u32 masked CRC-32C of the payload
 *
 * and a payload a protocol buffer: Event {1: wall time (double), 2: step (varint), 3: file version,
 * 5: Summary}, Summary {1: Value ...}, Value {1: tag, 2: simple value (float), 4: Image}, Image {1:
 * height, 2: width, 3: colour channels, 4: PNG}. Each record is written with one call, so that a
 * reader never waits for half of one. Known answer: wall 2.0, step 7, loss = 0.5 is
 * 1a00000000000000 129bd82d 09000000000000004010072a0d0a0b0a046c6f7373150000003f c33fc24a.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "io/endian.h"
#include "io/io.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct sf_events {
	sf_ctx *ctx;
	char *path;
	int fd;
	sf_bytes record;
};

void sf_bytes_add(sf_bytes *b, const void *p, size_t n)
{
	if (b->failed || n == 0)
		return;
	if (n > b->cap - b->n) {
		size_t cap = 2 * b->cap + n + 64;
		unsigned char *more = cap > n ? realloc(b->p, cap) : NULL;

		if (!more) {
			b->failed = 1;
			return;
		}
		b->p = more;
		b->cap = cap;
	}
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

void sf_bytes_free(sf_bytes *b)
{
	free(b->p);
	memset(b, 0, sizeof *b);
}

/* ---- the four ways a protocol buffer field is written ---- */
static void varint(sf_bytes *b, uint64_t v)
{
	unsigned char c;

	do {
		c = (unsigned char)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
		sf_bytes_add(b, &c, 1);
		v >>= 7;
	} while (v);
}

static void number(sf_bytes *b, int field, uint64_t v)
{
	varint(b, (uint64_t)field << 3);
	varint(b, v);
}

static void fixed(sf_bytes *b, int field, uint64_t bits, int bytes)
{
	unsigned char c[8];

	varint(b, (uint64_t)field << 3 | (bytes == 8 ? 1 : 5));
	sf_put_le(c, bits, bytes);
	sf_bytes_add(b, c, (size_t)bytes);
}

static void string(sf_bytes *b, int field, const void *p, size_t n)
{
	varint(b, (uint64_t)field << 3 | 2);
	varint(b, n);
	sf_bytes_add(b, p, n);
}

static void nested(sf_bytes *b, int field, const sf_bytes *inner)
{
	string(b, field, inner->p, inner->n);
	b->failed |= inner->failed;
}

static void event_time(sf_bytes *b, double wall)
{
	uint64_t bits;

	memcpy(&bits, &wall, 8);
	fixed(b, 1, bits, 8);
}

static void frame(sf_bytes *out, const sf_bytes *event)
{
	unsigned char head[12], tail[4];

	sf_put_le(head, event->n, 8);
	sf_put_le(head + 8, sf_crc32c_mask(sf_crc32c(head, 8)), 4);
	sf_put_le(tail, sf_crc32c_mask(sf_crc32c(event->p, event->n)), 4);
	sf_bytes_add(out, head, 12);
	sf_bytes_add(out, event->p, event->n);
	sf_bytes_add(out, tail, 4);
	out->failed |= event->failed;
}

void sf_events_header(sf_bytes *out, double wall)
{
	sf_bytes event = {NULL, 0, 0, 0};

	event_time(&event, wall);
	string(&event, 3, "brain.Event:2", 13);
	frame(out, &event);
	sf_bytes_free(&event);
}

/* An event with one Value, which has its tag already. */
static void encode(sf_bytes *out, double wall, int64_t step, const sf_bytes *value)
{
	sf_bytes summary = {NULL, 0, 0, 0}, event = {NULL, 0, 0, 0};

	nested(&summary, 1, value);
	event_time(&event, wall);
	number(&event, 2, (uint64_t)step);
	nested(&event, 5, &summary);
	frame(out, &event);
	sf_bytes_free(&summary);
	sf_bytes_free(&event);
}

void sf_events_encode_scalar(sf_bytes *out, double wall, int64_t step, const char *tag, float value)
{
	sf_bytes v = {NULL, 0, 0, 0};
	uint32_t bits;

	memcpy(&bits, &value, 4);
	string(&v, 1, tag, strlen(tag));
	fixed(&v, 2, bits, 4);
	encode(out, wall, step, &v);
	sf_bytes_free(&v);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

static int append(sf_events *e)
{
	size_t at = 0;
	int rc = e->record.failed ? sf_fail(e->ctx, SF_ENOMEM, "%s: out of memory", e->path)
	                          : SF_OK;

	while (rc == 0 && at < e->record.n) {
		ssize_t n = write(e->fd, e->record.p + at, e->record.n - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			rc = sf_fail(e->ctx, SF_EIO, "%s: cannot write: %s", e->path,
			             strerror(errno));
	}
	e->record.n = 0;
	e->record.failed = 0;
	return rc;
}

int sf_events_open(sf_ctx *ctx, const char *dir, sf_events **events)
{
	char host[128] = "";
	size_t size = strlen(dir) + sizeof host + 96;
	sf_events *e = sf_alloc(1, sizeof *e);
	char *s;
	int i, rc;

	*events = NULL;
	if (!e || !(e->path = sf_alloc(size, 1))) {
		sf_free(e);
		return sf_fail(ctx, SF_ENOMEM, "%s: out of memory", dir);
	}
	e->ctx = ctx;
	e->fd = -1;
	if (gethostname(host, sizeof host - 1) < 0 || !*host)
		strcpy(host, "localhost");
	for (s = host; *s; s++)
		if (*s == '/')
			*s = '-';
	for (i = 0; i < 1000 && e->fd < 0; i++) {
		snprintf(e->path, size, "%s/events.out.tfevents.%010lld.%s.%ld.%d", dir,
		         (long long)now(), host, (long)getpid(), i);
		e->fd = open(e->path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0666);
		if (e->fd < 0 && errno != EEXIST)
			break;
	}
	if (e->fd < 0) {
		rc = sf_fail(ctx, SF_EIO, "%s: cannot create: %s", e->path, strerror(errno));
	} else {
		sf_events_header(&e->record, now());
		rc = append(e);
	}
	if (rc < 0) {
		sf_events_close(e);
		return rc;
	}
	*events = e;
	return SF_OK;
}

int sf_events_scalar(sf_events *e, int64_t step, const char *tag, double value)
{
	sf_events_encode_scalar(&e->record, now(), step, tag, (float)value);
	return append(e);
}

int sf_events_image(sf_events *e, int64_t step, const char *tag, const char *png_path)
{
	sf_bytes image = {NULL, 0, 0, 0}, value = {NULL, 0, 0, 0};
	unsigned char *png;
	size_t size;

	SF_TRY(sf_file_read(e->ctx, png_path, (size_t)1 << 30, &png, &size));
	if (size < 33 || memcmp(png, "\x89PNG\r\n\x1a\n", 8) != 0 ||
	    memcmp(png + 12, "IHDR", 4) != 0) {
		free(png);
		return sf_fail(e->ctx, SF_EFORMAT, "%s: not a PNG file (wrong magic)", png_path);
	}
	number(&image, 1, sf_get_be32(png + 20));
	number(&image, 2, sf_get_be32(png + 16));
	number(&image, 3, png[25] & 2 ? 3 : 1); /* PNG colour type: bit 1 is colour */
	string(&image, 4, png, size);
	string(&value, 1, tag, strlen(tag));
	nested(&value, 4, &image);
	encode(&e->record, now(), step, &value);
	sf_bytes_free(&image);
	sf_bytes_free(&value);
	free(png);
	return append(e);
}

void sf_events_close(sf_events *e)
{
	if (!e)
		return;
	if (e->fd >= 0)
		close(e->fd);
	sf_bytes_free(&e->record);
	sf_free(e->path);
	sf_free(e);
}
