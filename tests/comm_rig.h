/* comm_rig.h: ranks that are processes of a test.
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef SF_COMM_RIG_H
#define SF_COMM_RIG_H

#include <scorefield/comm.h>

#include "support.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *rig_folder; /* where they meet */
static double rig_timeout;     /* of rig_join */
static int rig_killed;         /* the rank that may die by SIGKILL, or -1 */
static int rig_rank;           /* of this process */

/* What a rank does, in a process and with a context of one thread of its own; 0 where all was well. */
typedef int (*rig_body)(sf_ctx *ctx, int rank, int ranks, int arg);

/* In a rank: as ck_assert and assert_ok, but ranks are not the test's own process. */
#define NEED(is)                                                                                                  \
	do {                                                                                                      \
		if (!(is)) {                                                                                      \
			fprintf(stderr, "%s:%d: rank %d: %s\n", __FILE__, __LINE__, rig_rank, #is);               \
			return 1;                                                                                 \
		}                                                                                                 \
	} while (0)
#define MUST(ctx, rc)                                                                                             \
	do {                                                                                                      \
		if ((rc) < 0) {                                                                                   \
			fprintf(stderr, "%s:%d: rank %d: %s\n", __FILE__, __LINE__, rig_rank, sf_ctx_message(ctx)); \
			return 1;                                                                                 \
		}                                                                                                 \
	} while (0)

/* "NAME=VALUE NAME=VALUE" and nothing else of what a comm looks at; a '@' is the folder. */
static inline void rig_environment(const char *set)
{
	static const char *const name[] = {"SCOREFIELD_RANK", "SCOREFIELD_RANKS", "SCOREFIELD_JOB", "SCOREFIELD_MEET",
		"SCOREFIELD_LOCAL_RANK", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "PMI_RANK",
		"PMI_SIZE", "MPI_LOCALRANKID", "SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_JOB_ID", "PMIX_NAMESPACE"};
	char text[1000], value[600], *at, *next, *is;
	size_t i;

	for (i = 0; i < sizeof name / sizeof *name; i++)
		unsetenv(name[i]);
	snprintf(text, sizeof text, "%s", set);
	for (at = text; at && *at; at = next) {
		next = strchr(at, ' ');
		if (next)
			*next++ = '\0';
		is = strchr(at, '=');
		*is++ = '\0';
		if (*is == '@')
			snprintf(value, sizeof value, "%.200s%.300s", rig_folder, is + 1);
		else
			snprintf(value, sizeof value, "%.500s", is);
		setenv(at, value, 1);
	}
}

/* A checked fixture: the folder, and an environment without a launcher. */
static inline void rig_open(void)
{
	rig_folder = sf_test_mkdir();
	rig_timeout = 20;
	rig_killed = -1;
	rig_environment("");
}

static inline void rig_close(void)
{
	sf_test_rmdir(rig_folder);
}

/* "local" by options, job "job", in the folder. */
static inline int rig_join(sf_ctx *ctx, int rank, int ranks, sf_comm **c)
{
	char spec[500];

	snprintf(spec, sizeof spec, "local:rank=%d,ranks=%d,timeout=%g,job=job,meet=%.300s", rank, ranks, rig_timeout, rig_folder);
	return sf_comm_new(ctx, spec, c);
}

/* A process of its own; nothing of the test's is left behind twice. */
static inline pid_t rig_start(int rank, int ranks, rig_body body, int arg)
{
	pid_t pid = fork();
	sf_ctx *ctx;
	int bad;

	ck_assert_int_ge(pid, 0);
	if (pid > 0)
		return pid;
	rig_rank = rank;
	if (sf_ctx_new(&ctx) < 0 || sf_ctx_set_threads(ctx, 1) < 0)
		_exit(2);
	bad = body(ctx, rank, ranks, arg);
	sf_ctx_free(ctx);
	_exit(bad);
}

static inline void rig_ended(pid_t pid, int rank, int signal)
{
	int status = 0;

	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	if (signal)
		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == signal, "rank %d ended with status %d", rank, status);
	else
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "rank %d failed (status %d)", rank, status);
}

/* Runs all ranks and fails the test where one fails. */
static inline void rig_ranks(int ranks, rig_body body, int arg)
{
	pid_t pid[16];
	int r;

	ck_assert_int_le(ranks, 16);
	for (r = 0; r < ranks; r++)
		pid[r] = rig_start(r, ranks, body, arg);
	for (r = 0; r < ranks; r++)
		rig_ended(pid[r], r, r == rig_killed ? SIGKILL : 0);
}

/* Runs one, which must be ended by a signal (0: must be well). */
static inline void rig_status(int rank, rig_body body, int ranks, int arg, int signal)
{
	rig_ended(rig_start(rank, ranks, body, arg), rank, signal);
}

/* How many there are in the folder. */
static inline int rig_files(void)
{
	DIR *d = opendir(rig_folder);
	struct dirent *e;
	int n = 0;

	while (d && (e = readdir(d)))
		n += *e->d_name != '.';
	if (d)
		closedir(d);
	return n;
}

static inline int rig_file(const char *name)
{
	char path[400];

	snprintf(path, sizeof path, "%s/%s", rig_folder, name);
	return access(path, F_OK) == 0;
}

static inline void rig_sleep(double seconds)
{
	struct timespec t;

	t.tv_sec = (time_t)seconds;
	t.tv_nsec = (long)((seconds - (double)t.tv_sec) * 1e9);
	nanosleep(&t, NULL);
}

static inline void rig_die(int signal)
{
	(void)signal;
	raise(SIGKILL);
}

/* This process. */
static inline void rig_kill_in(double seconds)
{
	struct itimerval t;

	memset(&t, 0, sizeof t);
	t.it_value.tv_usec = (long)(seconds * 1e6);
	signal(SIGALRM, rig_die);
	setitimer(ITIMER_REAL, &t, NULL);
}

#endif
