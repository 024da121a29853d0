/* bench.h: scorefield beside a peer: what a row of the table is and how it is timed.
 *
 * A row times one piece of work on both sides, turn about, and reports medians. The peer is a process that
 * reads a request a line and answers with seconds (peer.py); without one the table has our column alone. The
 * machine's multiply-add peak is measured before and after a group of rows: a group that ran while the machine was
 * throttled is thrown away and run again.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_BENCH_H
#define SF_BENCH_H

#include <scorefield.h>
#include <stdio.h>

typedef struct row {
	const char *group;
	char what[80];
	double flop;      /* of one run, 0: not meaningful */
	double items;     /* of one run, for a rate */
	const char *unit; /* of items */
	char request[120];/* to the peer; "" for none */
	double ours, theirs; /* seconds, medians; NAN where missing */
	double spread;    /* of ours: (third quartile - first)/median */
} row;

/* One run; 0 or a negative status. */
typedef int (*work)(void *state);

typedef struct bench {
	sf_ctx *ctx;
	struct peer *peer;    /* NULL: none */
	const char *only;     /* part of a row's "group what", or NULL */
	double seconds;       /* to spend on a row and side */
	double peak;          /* GFLOP/s of multiply-adds with this context's threads, or of its device */
	double copy;          /* GB/s that a device reads and writes its memory with, 0: there is none */
	row *rows;
	int n, cap;
	int failed;
} bench;

/* ---- timing.c ---- */
double bench_now(void);
double bench_median(double *t, int n, double *spread); /* sorts t */
/* Multiply-adds in registers, GFLOP/s of all threads: best of a few short runs; of a device a large product, and its copies in *copy. */
double bench_peak(sf_ctx *ctx, double *copy);
/* Times `f` and the row's request turn about and appends the row. flop and so on are filled in by the caller. */
int bench_row(bench *b, row *r, work f, void *state);
int bench_wants(const bench *b, const row *r);
int bench_append(bench *b, const row *r);

/* ---- peer.c ---- */
/* Starts "COMMAND" (by the shell), which greets with one line of versions; NULL with the reason on stderr. */
struct peer *peer_open(const char *command, char *versions, size_t size);
/* Seconds of one run as the peer says, NAN where it cannot. */
double peer_time(struct peer *p, const char *request);
/* Peak resident memory of a fresh peer after this request, in bytes; NAN. */
void peer_close(struct peer *p);

/* ---- the groups ---- */
int bench_kernels(bench *b); /* ops.c */
int bench_models(bench *b);  /* models.c */
int bench_device(bench *b);  /* models.c */
int bench_scaling(bench *b); /* scaling.c */
int bench_memory(bench *b, const char *self, const char *peer_command); /* memory.c */
int bench_memory_child(const char *what); /* what `self --child WHAT` does: one training run, then its peak */

#endif
