/* local.c: ranks are processes of one machine; they talk to rank 0 through sockets.
 *
 * A call is a row of messages, each a head and up to CHUNK bytes. Of a sum every rank sends a chunk to rank 0, which adds ranks as a
 * binary tree (comm.h) and sends the result back; of a broadcast rank 0 sends alone. A process that ends closes its sockets, so that
 * the others notice at once; one that fails says why in a message of its own, which rank 0 passes on.
 *
 * Known answer: ranks 0, 1, 2 with 2^24, 1, 1 in float: (2^24 + 1) + 1 = 2^24 by the tree; 1, 1 and 2^24 give 2^24 + 2.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm/wire.h"

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SUM_F32, SUM_F64, BROADCAST, BARRIER, ABORT };
enum { CHUNK = 1 << 18 };

struct state {
	sf_place place;
	int *fd;              /* see wire.h */
	unsigned char *chunk; /* (ranks,CHUNK) of rank 0 */
	uint64_t turn;        /* messages so far */
};

/* left: bytes of the call from this message on. */
struct head {
	uint64_t what, turn, left, bytes;
};

static const char *name_of(uint64_t what)
{
	static const char *const name[] = {"sum of floats", "sum of doubles", "broadcast", "barrier"};

	return what < ABORT ? name[what] : "unknown call";
}

/* ---- messages ---- */

static int read_head(sf_comm *c, int rank, struct head *h)
{
	const struct state *s = c->object.state;
	char why[SF_COMM_WHY];

	SF_TRY(sf_wire_read(c, rank, s->fd[rank], h, sizeof *h));
	if (h->what != ABORT)
		return SF_OK;
	h->bytes = h->bytes < sizeof why ? h->bytes : sizeof why - 1;
	SF_TRY(sf_wire_read(c, rank, s->fd[rank], why, (size_t)h->bytes));
	why[h->bytes] = '\0';
	return sf_comm_fail(c, SF_EIO, "%s", why);
}

static int give(sf_comm *c, int rank, struct head h, const void *p)
{
	const struct state *s = c->object.state;
	int rc = sf_wire_write(c, rank, s->fd[rank], &h, sizeof h);

	if (rc == 0)
		rc = sf_wire_write(c, rank, s->fd[rank], p, (size_t)h.bytes);
	if (rc < 0) /* it may have said why */
		(void)read_head(c, rank, &h);
	return rc;
}

static int take(sf_comm *c, int rank, const struct head *want, void *p)
{
	const struct state *s = c->object.state;
	struct head h;

	SF_TRY(read_head(c, rank, &h));
	if (h.what != want->what || h.turn != want->turn || h.left != want->left)
		return sf_comm_fail(c, SF_EMISMATCH, "rank %d is in a %s of %llu bytes, rank %d in a %s of %llu", rank, name_of(h.what),
		                    (unsigned long long)h.left, c->rank, name_of(want->what), (unsigned long long)want->left);
	return h.bytes == 0 ? SF_OK : sf_wire_read(c, rank, s->fd[rank], p, (size_t)want->bytes);
}

static void add(uint64_t what, size_t bytes, void *a, const void *b)
{
	size_t i;

	if (what == SUM_F32) {
		float *x = a;
		const float *y = b;

		for (i = 0; i < bytes / sizeof *x; i++)
			x[i] += y[i];
	} else {
		double *x = a;
		const double *y = b;

		for (i = 0; i < bytes / sizeof *x; i++)
			x[i] += y[i];
	}
}

/* One chunk of a call, as rank 0: everyone's comes in, the result goes out. */
static int serve(sf_comm *c, const struct head *h, unsigned char *p)
{
	struct state *s = c->object.state;
	int sums = h->what == SUM_F32 || h->what == SUM_F64, r, step;

	for (r = 1; r < c->ranks; r++)
		SF_TRY(take(c, r, h, s->chunk + (size_t)r * CHUNK));
	if (sums) {
		memcpy(s->chunk, p, (size_t)h->bytes);
		for (step = 1; step < c->ranks; step *= 2)
			for (r = 0; r + step < c->ranks; r += 2 * step)
				add(h->what, (size_t)h->bytes, s->chunk + (size_t)r * CHUNK, s->chunk + (size_t)(r + step) * CHUNK);
		memcpy(p, s->chunk, (size_t)h->bytes);
	}
	for (r = 1; r < c->ranks; r++)
		SF_TRY(give(c, r, *h, p));
	return SF_OK;
}

static int call(sf_comm *c, uint64_t what, size_t bytes, void *p)
{
	struct state *s = c->object.state;
	unsigned char *at = p;
	struct head h, ask;

	if (c->ranks == 1)
		return SF_OK;
	do {
		h.what = what;
		h.turn = s->turn++;
		h.left = bytes;
		h.bytes = bytes < CHUNK ? bytes : CHUNK;
		ask = h;
		ask.bytes = what == BROADCAST ? 0 : h.bytes;
		if (c->rank == 0) {
			SF_TRY(serve(c, &h, at));
		} else {
			SF_TRY(give(c, 0, ask, at));
			SF_TRY(take(c, 0, &h, at));
		}
		at += h.bytes;
		bytes -= (size_t)h.bytes;
	} while (bytes > 0);
	return SF_OK;
}

static int sum(sf_comm *c, sf_dtype type, int64_t n, void *x)
{
	return call(c, type == SF_F32 ? SUM_F32 : SUM_F64, (size_t)n * (type == SF_F32 ? sizeof(float) : sizeof(double)), x);
}

static int broadcast(sf_comm *c, size_t bytes, void *p)
{
	return call(c, BROADCAST, bytes, p);
}

static int barrier(sf_comm *c)
{
	unsigned char none[1];

	return call(c, BARRIER, 0, none);
}

/* The reason, as far as it goes without waiting, and nothing after it. */
static void abort_all(sf_comm *c)
{
	const struct state *s = c->object.state;
	struct head h = {ABORT, 0, 0, 0};
	int r;

	h.bytes = strlen(c->why);
	for (r = 0; s->fd && r < c->ranks; r++) {
		if (s->fd[r] < 0)
			continue;
		if (sf_wire_try(s->fd[r], &h, sizeof h))
			(void)sf_wire_try(s->fd[r], c->why, (size_t)h.bytes);
		shutdown(s->fd[r], SHUT_RDWR);
	}
}

static int open_local(sf_comm *c)
{
	struct state *s = c->object.state;
	sf_wire_card card;
	int listener = -1, i, rc;

	memset(&card, 0, sizeof card);
	if (c->ranks == 1)
		return SF_OK;
	s->fd = sf_alloc((size_t)c->ranks, sizeof *s->fd);
	s->chunk = sf_alloc(c->rank == 0 ? (size_t)c->ranks : 1, CHUNK);
	if (!s->fd || !s->chunk)
		return sf_comm_fail(c, SF_ENOMEM, "out of memory");
	for (i = 0; i < c->ranks; i++)
		s->fd[i] = -1;
	rc = c->rank == 0 ? sf_wire_listen(c, &card, &listener) : SF_OK;
	if (rc == 0)
		rc = sf_meet(c, &card, sizeof card);
	if (rc == 0)
		rc = c->rank == 0 ? sf_wire_accept(c, &card, listener, s->fd) : sf_wire_connect(c, &card, s->fd);
	if (listener >= 0) {
		close(listener);
		unlink(card.path);
	}
	return rc;
}

static void close_local(sf_comm *c)
{
	struct state *s = c->object.state;
	int r;

	for (r = 0; s->fd && r < c->ranks; r++)
		if (s->fd[r] >= 0)
			close(s->fd[r]);
	sf_free(s->fd);
	sf_free(s->chunk);
}

static const sf_opt options[] = {SF_PLACE_OPTIONS, {NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

const sf_comm_class sf_comm_local = {
	{"local", "Processes of one machine, sums as a tree over the ranks", "this project", sizeof(struct state), options, NULL, NULL},
	0, 0, open_local, sum, broadcast, barrier, abort_all, close_local};
