/* wire.h: sockets between ranks of one machine.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_COMM_WIRE_H
#define SF_COMM_WIRE_H

#include "comm/comm.h"

/* What a rank needs to reach rank 0; a stranger does not know the secret. */
typedef struct sf_wire_card {
	uint64_t secret;
	char path[SF_CARD - sizeof(uint64_t)];
} sf_wire_card;

/* fd[] (ranks): of rank 0 those of the others, of the others fd[0]; -1: none. Rank 0 listens before the others know the card. */
int sf_wire_listen(sf_comm *c, sf_wire_card *card, int *listener);
int sf_wire_accept(sf_comm *c, const sf_wire_card *card, int listener, int *fd);
int sf_wire_connect(sf_comm *c, const sf_wire_card *card, int *fd);

/* All bytes, in or out. SF_EIO where the rank is gone, or nothing moves for c->timeout. */
int sf_wire_read(sf_comm *c, int rank, int fd, void *p, size_t bytes);
int sf_wire_write(sf_comm *c, int rank, int fd, const void *p, size_t bytes);
/* As much as goes without waiting; whether that was all. */
int sf_wire_try(int fd, const void *p, size_t bytes);

#endif
