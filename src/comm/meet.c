/* meet.c: how ranks that know nothing but a folder and a job's name find each other.
 *
 * Each rank leaves a file with a number that nobody else has, its nonce. Rank 0 collects them and leaves its card together with all
 * nonces; a rank takes a card that names its own nonce and says so in its file, with the nonce of the card's writer. So a card or a
 * greeting that an earlier run left under the same name is never taken: it does not know this run's numbers, and as soon as the
 * late rank has come, rank 0 writes its card again. Files are written under a temporary name and renamed; when all have said that
 * they have the card, rank 0 removes them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm/comm.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A file is words in the machine's own order: these, then of rank 0 every rank's nonce, then the card's bytes. */
enum { MAGIC, RANKS, BYTES, NONCE, SEEN, HEAD };
#define MEET_MAGIC UINT64_C(0x314d464353) /* "SCFM1" */

struct meeting {
	sf_comm *c;
	uint64_t *mine, *other; /* a file of rank 0 each: HEAD + ranks words and the card */
	uint64_t *nonce;        /* (ranks) as known by rank 0 */
	size_t bytes;           /* of the card */
};

uint64_t sf_meet_nonce(void)
{
	struct timespec t;
	uint64_t x = 0;
	FILE *f = fopen("/dev/urandom", "rb");

	if (f) {
		if (fread(&x, sizeof x, 1, f) != 1)
			x = 0;
		fclose(f);
	}
	clock_gettime(CLOCK_REALTIME, &t);
	x ^= (uint64_t)t.tv_sec << 30 ^ (uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 44;
	return x ? x : 1;
}

static int path_of(sf_comm *c, int rank, const char *end, char *path, size_t size)
{
	int n = snprintf(path, size, "%s/scorefield-%s.%d%s", c->meet, c->job, rank, end);

	if (n < 0 || (size_t)n >= size)
		return sf_comm_fail(c, SF_ERANGE, "the meeting folder's name has %lu characters", (unsigned long)strlen(c->meet));
	return SF_OK;
}

static size_t size_of(const struct meeting *m, int rank)
{
	return HEAD * sizeof(uint64_t) + (rank == 0 ? (size_t)m->c->ranks * sizeof(uint64_t) + m->bytes : 0);
}

static int leave(struct meeting *m)
{
	char path[1024], draft[1024];
	size_t size = size_of(m, m->c->rank);
	FILE *f;
	int good;

	SF_TRY(path_of(m->c, m->c->rank, "", path, sizeof path));
	SF_TRY(path_of(m->c, m->c->rank, ".new", draft, sizeof draft));
	f = fopen(draft, "wb");
	good = f && fwrite(m->mine, size, 1, f) == 1;
	if (f)
		good &= fclose(f) == 0;
	if (good && rename(draft, path) == 0)
		return SF_OK;
	remove(draft);
	return sf_comm_fail(m->c, SF_EIO, "'%.300s' cannot be written", path);
}

/* A rank's file into m->other: 1, or 0 where there is none of a run like this one. */
static int look(struct meeting *m, int rank)
{
	char path[1024];
	size_t size = size_of(m, rank);
	FILE *f;
	int good;

	if (path_of(m->c, rank, "", path, sizeof path) < 0)
		return 0;
	f = fopen(path, "rb");
	good = f && fread(m->other, size, 1, f) == 1 && fgetc(f) == EOF;
	if (f)
		fclose(f);
	return good && m->other[MAGIC] == MEET_MAGIC && m->other[RANKS] == (uint64_t)m->c->ranks && m->other[BYTES] == m->bytes;
}

/* Of rank 0: who has come, and who has the card? 1 when all have; else *missing is a rank that has not. */
static int collect(struct meeting *m, int *missing)
{
	int r, news = 0, all = 1, have = 1;

	for (r = 1; r < m->c->ranks; r++) {
		if (!look(m, r)) {
			all = 0;
			*missing = r;
			continue;
		}
		news |= m->nonce[r] != m->other[NONCE];
		m->nonce[r] = m->other[NONCE];
		if (m->other[SEEN] != m->mine[NONCE]) {
			have = 0;
			*missing = r;
		}
	}
	if (all && news) {
		memcpy(m->mine + HEAD, m->nonce, (size_t)m->c->ranks * sizeof *m->nonce);
		SF_TRY(leave(m));
		have = 0;
	}
	return all && have;
}

/* Of the others: 1 when the card is there. */
static int take(struct meeting *m, void *card)
{
	if (!look(m, 0) || m->other[HEAD + m->c->rank] != m->mine[NONCE])
		return 0;
	memcpy(card, m->other + HEAD + m->c->ranks, m->bytes);
	m->mine[SEEN] = m->other[NONCE];
	SF_TRY(leave(m));
	return 1;
}

static void nap(double seconds)
{
	struct timespec t;

	t.tv_sec = 0;
	t.tv_nsec = (long)(seconds * 1e9);
	nanosleep(&t, NULL);
}

static int until_met(struct meeting *m, void *card)
{
	double end = sf_seconds() + m->c->timeout, wait = .001;
	int missing = 0, rc = 0;

	if (m->c->rank > 0)
		SF_TRY(leave(m));
	for (;;) {
		rc = m->c->rank == 0 ? collect(m, &missing) : take(m, card);
		if (rc != 0)
			return rc < 0 ? rc : SF_OK;
		if (sf_seconds() > end)
			return sf_comm_fail(m->c, SF_EIO, "rank %d did not come to '%.200s' as job '%s' of %d ranks within %g s", missing,
			                    m->c->meet, m->c->job, m->c->ranks, m->c->timeout);
		nap(wait);
		wait = wait < .05 ? wait * 1.5 : .05;
	}
}

/* Rank 0 removes everything once all are there; where it failed each rank removes its own. */
static void leave_nothing(struct meeting *m, int met)
{
	char path[1024];
	int r;

	for (r = 0; r < m->c->ranks; r++)
		if ((met && m->c->rank == 0) || (!met && r == m->c->rank))
			if (path_of(m->c, r, "", path, sizeof path) == 0)
				remove(path);
}

int sf_meet(sf_comm *c, void *card, size_t bytes)
{
	struct meeting m;
	size_t words = HEAD + (size_t)c->ranks + SF_CARD / sizeof(uint64_t);
	int rc;

	if (c->ranks == 1)
		return SF_OK;
	m.c = c;
	m.bytes = bytes;
	m.mine = sf_alloc(words, sizeof *m.mine);
	m.other = sf_alloc(words, sizeof *m.other);
	m.nonce = sf_alloc((size_t)c->ranks, sizeof *m.nonce);
	if (m.mine && m.other && m.nonce) {
		m.mine[MAGIC] = MEET_MAGIC;
		m.mine[RANKS] = (uint64_t)c->ranks;
		m.mine[BYTES] = bytes;
		m.mine[NONCE] = sf_meet_nonce();
		if (c->rank == 0)
			memcpy(m.mine + HEAD + c->ranks, card, bytes);
		rc = until_met(&m, card);
		leave_nothing(&m, rc == 0);
	} else {
		rc = sf_comm_fail(c, SF_ENOMEM, "out of memory");
	}
	sf_free(m.mine);
	sf_free(m.other);
	sf_free(m.nonce);
	return rc;
}
