/* wire.c: sockets between ranks of one machine: none waits longer than a rank may be silent, and a process that ends closes its own.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* 1 when the socket can be read or written, 0 after the time. */
static int ready(const sf_comm *c, int fd, short events)
{
	double end = sf_seconds() + c->timeout;
	struct pollfd p;

	p.fd = fd;
	p.events = events;
	for (;;) {
		double left = end - sf_seconds();
		int rc = poll(&p, 1, left > 1e6 ? 1000000000 : left > 0 ? (int)(left * 1000) + 1 : 0);

		if (rc > 0)
			return 1;
		if ((rc < 0 && errno != EINTR) || left <= 0)
			return 0;
	}
}

/* What send or recv brought: 1 for bytes, 0 for none yet. */
static int moved(sf_comm *c, int rank, ssize_t n, size_t *done)
{
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR))
		return 0;
	if (n <= 0)
		return sf_comm_fail(c, SF_EIO, "rank %d is gone: it failed or was killed", rank);
	*done += (size_t)n;
	return 1;
}

static int silent(sf_comm *c, int rank)
{
	return sf_comm_fail(c, SF_EIO, "rank %d has been silent for %g s", rank, c->timeout);
}

int sf_wire_read(sf_comm *c, int rank, int fd, void *p, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		if (!ready(c, fd, POLLIN))
			return silent(c, rank);
		SF_TRY(moved(c, rank, recv(fd, (unsigned char *)p + done, bytes - done, 0), &done));
	}
	return SF_OK;
}

int sf_wire_write(sf_comm *c, int rank, int fd, const void *p, size_t bytes)
{
	size_t done = 0;

	while (done < bytes) {
		if (!ready(c, fd, POLLOUT))
			return silent(c, rank);
		SF_TRY(moved(c, rank, send(fd, (const unsigned char *)p + done, bytes - done, MSG_NOSIGNAL), &done));
	}
	return SF_OK;
}

int sf_wire_try(int fd, const void *p, size_t bytes)
{
	return send(fd, p, bytes, MSG_NOSIGNAL) == (ssize_t)bytes;
}

/* ---- meeting ---- */

/* Not inherited by programs that are run, and never waited in. */
static int prepare(int fd)
{
	return fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -1 : 0;
}

union address {
	struct sockaddr any;
	struct sockaddr_un un;
};

static int new_socket(sf_comm *c, const char *path, union address *at, int *fd)
{
	if (strlen(path) >= sizeof at->un.sun_path)
		return sf_comm_fail(c, SF_ERANGE, "'%.200s' is too long for the name of a socket (at most %lu characters); meet in "
		                    "another folder", path, (unsigned long)sizeof at->un.sun_path - 1);
	memset(at, 0, sizeof *at);
	at->un.sun_family = AF_UNIX;
	memcpy(at->un.sun_path, path, strlen(path));
	*fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return *fd < 0 ? sf_comm_fail(c, SF_EIO, "there is no socket: %s", strerror(errno)) : SF_OK;
}

int sf_wire_listen(sf_comm *c, sf_wire_card *card, int *listener)
{
	union address at;
	int n;

	card->secret = sf_meet_nonce();
	n = snprintf(card->path, sizeof card->path, "%s/scorefield-%016llx", c->meet, (unsigned long long)sf_meet_nonce());
	if (n < 0 || (size_t)n >= sizeof card->path)
		return sf_comm_fail(c, SF_ERANGE, "the meeting folder's name has %lu characters", (unsigned long)strlen(c->meet));
	SF_TRY(new_socket(c, card->path, &at, listener));
	if (bind(*listener, &at.any, sizeof at.un) < 0 || listen(*listener, c->ranks) < 0 || prepare(*listener) < 0)
		return sf_comm_fail(c, SF_EIO, "a socket cannot be made in '%.200s': %s", c->meet, strerror(errno));
	return SF_OK;
}

struct greeting {
	uint64_t secret, rank;
};

int sf_wire_accept(sf_comm *c, const sf_wire_card *card, int listener, int *fd)
{
	int missing = c->ranks - 1, new;
	struct greeting g;

	while (missing > 0) {
		if (!ready(c, listener, POLLIN))
			return sf_comm_fail(c, SF_EIO, "%d of %d ranks did not connect within %g s", missing, c->ranks, c->timeout);
		new = accept(listener, NULL, NULL);
		if (new < 0)
			continue;
		if (prepare(new) == 0 && sf_wire_read(c, 0, new, &g, sizeof g) == 0 && g.secret == card->secret && g.rank > 0 &&
		    g.rank < (uint64_t)c->ranks && fd[g.rank] < 0) {
			fd[g.rank] = new;
			missing--;
		} else {
			c->over = 0; /* a stranger */
			close(new);
		}
	}
	return SF_OK;
}

int sf_wire_connect(sf_comm *c, const sf_wire_card *card, int *fd)
{
	union address at;
	struct greeting g;

	SF_TRY(new_socket(c, card->path, &at, &fd[0]));
	if (connect(fd[0], &at.any, sizeof at.un) < 0 || prepare(fd[0]) < 0)
		return sf_comm_fail(c, SF_EIO, "rank 0 cannot be reached at '%.200s': %s; ranks of 'local' are processes of one machine",
		                    card->path, strerror(errno));
	g.secret = card->secret;
	g.rank = (uint64_t)c->rank;
	return sf_wire_write(c, 0, fd[0], &g, sizeof g);
}
