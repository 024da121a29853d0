/* comm.h (internal): the record of functions behind a comm, and how ranks find each other.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_COMM_H
#define SF_COMM_H

#include <scorefield/comm.h>

#include "core/core.h"

enum { SF_COMM_RANKS = 4096, SF_COMM_WHY = 400, SF_COMM_JOB = 64 };

/* The options of members that have more than one rank; first in their state. */
typedef struct sf_place {
	int64_t rank, ranks; /* -1 and 0: the environment's */
	double timeout;      /* seconds */
	char *job, *meet;    /* empty: the environment's */
} sf_place;
#define SF_PLACE_OPTIONS                                                                                                \
	{"rank", "this rank, from 0; -1: as the environment says", SF_OPT_INT, offsetof(sf_place, rank), "-1", -1,      \
	 SF_COMM_RANKS - 1, NULL},                                                                                      \
	{"ranks", "how many there are; 0: as the environment says", SF_OPT_INT, offsetof(sf_place, ranks), "0", 0,      \
	 SF_COMM_RANKS, NULL},                                                                                          \
	{"job", "the run's name, the same for all ranks; empty: SCOREFIELD_JOB", SF_OPT_STRING, offsetof(sf_place, job),\
	 "", 0, 0, NULL},                                                                                               \
	{"meet", "folder that all ranks see; empty: SCOREFIELD_MEET", SF_OPT_STRING, offsetof(sf_place, meet), "", 0,   \
	 0, NULL},                                                                                                      \
	{"timeout", "seconds that a rank may be silent", SF_OPT_DOUBLE, offsetof(sf_place, timeout), "600", .05, 1e6, NULL}

struct sf_comm {
	sf_object object;
	int rank, ranks;
	double timeout;
	char job[SF_COMM_JOB + 1];
	const char *meet;       /* the option's or the environment's */
	int over;               /* code of the failure that ended it, */
	char why[SF_COMM_WHY];  /* and its text */
};

/* Functions return 0, or a code after sf_comm_fail. x is memory of the host, or of the device where `device` is set; n > 0. */
typedef struct sf_comm_class {
	sf_class head;
	int alone;  /* one rank, whatever the environment says, and no options of a place */
	int device;
	int (*open)(sf_comm *c); /* rank, ranks and the rest of the place are known */
	int (*sum)(sf_comm *c, sf_dtype type, int64_t n, void *x);
	int (*broadcast)(sf_comm *c, size_t bytes, void *p);
	int (*barrier)(sf_comm *c);
	void (*abort)(sf_comm *c); /* tells the others c->why; nothing is called afterwards but close */
	void (*close)(sf_comm *c); /* also of one that did not open */
} sf_comm_class;

/* Keeps the failure; c->why is the text and the context's message starts with the member's name. */
int sf_comm_fail(sf_comm *c, int code, const char *fmt, ...) SF_PRINTF(3, 4);

/* place.c: fills in rank, ranks, timeout, job and meeting folder. */
int sf_place_read(sf_comm *c, const sf_place *p);

/* meet.c: `card` of rank 0, at most SF_CARD bytes and as many on every rank, to all ranks, through files in the folder. When it
 * returns every rank has it, and the files are gone. */
enum { SF_CARD = 256 };
int sf_meet(sf_comm *c, void *card, size_t bytes);
uint64_t sf_meet_nonce(void); /* a number that nobody else has */

#endif
