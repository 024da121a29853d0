/* check_comm.c: ranks: how they meet, what they sum, and what the others hear of one that fails. Ranks are processes that a test
 * forks; they report by their exit status and in files.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm_rig.h"

#include "comm/comm.h"
#include "device_rig.h"

#include <sys/socket.h>
#include <sys/un.h>

/* ---- one rank ---- */

START_TEST(specs_read_back)
{
	const char *spec = "local:rank=0,ranks=1,job=a,meet=/tmp,timeout=2";
	sf_ctx *ctx = ck_ctx();
	sf_comm *c;

	assert_ok(ctx, sf_comm_new(ctx, spec, &c));
	ck_assert_str_eq(sf_spec(c), spec);
	sf_comm_free(c);
	ck_assert_int_eq(sf_comm_new(ctx, "lokal", &c), SF_ENAME);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "did you mean 'local'"));
	ck_assert_ptr_null(c);
	ck_assert_int_eq(sf_comm_new(ctx, "local:timeout=0", &c), SF_ERANGE);
	ck_assert_int_eq(sf_comm_new(ctx, "null:rank=0", &c), SF_ENAME);
	sf_ctx_free(ctx);
}
END_TEST

static void stays(sf_ctx *ctx, sf_comm *c)
{
	float x[5] = {1.5f, -0.f, 3e38f, 1e-42f, 0}, was[5];
	double y[2] = {-0., 0x1.fp-1060}, had[2];

	x[4] /= x[4];
	memcpy(was, x, sizeof x);
	memcpy(had, y, sizeof y);
	ck_assert_int_eq(sf_comm_rank(c), 0);
	ck_assert_int_eq(sf_comm_ranks(c), 1);
	assert_ok(ctx, sf_comm_sum(c, SF_F32, 5, x));
	assert_ok(ctx, sf_comm_sum(c, SF_F64, 2, y));
	assert_ok(ctx, sf_comm_sum(c, SF_F64, 0, NULL));
	assert_ok(ctx, sf_comm_broadcast(c, sizeof x, x));
	assert_ok(ctx, sf_comm_broadcast(c, 0, NULL));
	assert_ok(ctx, sf_comm_barrier(c));
	ck_assert_mem_eq(x, was, sizeof x);
	ck_assert_mem_eq(y, had, sizeof y);
}

START_TEST(one_rank_changes_nothing)
{
	static const char *const spec[] = {NULL, "auto", "null", "local:rank=0,ranks=1"};
	sf_ctx *ctx = ck_ctx();
	sf_comm *c;
	size_t i;

	stays(ctx, NULL);
	for (i = 0; i < sizeof spec / sizeof *spec; i++) {
		assert_ok(ctx, sf_comm_new(ctx, spec[i], &c));
		ck_assert_str_eq(c->object.cls->name, i < 3 ? "null" : "local");
		stays(ctx, c);
		if (i > 2)
			ck_assert_int_eq(sf_comm_sum(c, SF_F32, -1, NULL), SF_ERANGE);
		sf_comm_free(c);
	}
	sf_comm_free(NULL);
	sf_ctx_free(ctx);
}
END_TEST

/* ---- the environment ---- */

struct bad {
	const char *set, *spec; /* NAME=VALUE NAME=VALUE */
	int code;
	const char *text;
};
static const struct bad bad[] = {
	{"", "local", SF_EINVAL, "neither the options rank and ranks nor SCOREFIELD_RANK"},
	{"SCOREFIELD_RANK=2 SCOREFIELD_RANKS=2", "local", SF_ERANGE, "SCOREFIELD_RANK=2 of SCOREFIELD_RANKS=2; expected 0 to 1"},
	{"SCOREFIELD_RANK=-1 SCOREFIELD_RANKS=2", "local", SF_ERANGE, "SCOREFIELD_RANK=-1 of"},
	{"SCOREFIELD_RANK=1x SCOREFIELD_RANKS=2", "local", SF_EINVAL, "SCOREFIELD_RANK=1x is not a whole number"},
	{"SCOREFIELD_RANK=0 SCOREFIELD_RANKS=two", "local", SF_EINVAL, "SCOREFIELD_RANKS=two is not a whole number"},
	{"SCOREFIELD_RANK=0", "local", SF_EINVAL, "SCOREFIELD_RANK is set and SCOREFIELD_RANKS is not"},
	{"SCOREFIELD_RANKS=2", "local", SF_EINVAL, "SCOREFIELD_RANKS is set and SCOREFIELD_RANK is not"},
	{"SCOREFIELD_RANK=0 SCOREFIELD_RANKS=0", "local", SF_ERANGE, "SCOREFIELD_RANKS=0; expected 1 to 4096"},
	{"SCOREFIELD_RANK=0 SCOREFIELD_RANKS=4097", "local", SF_ERANGE, "SCOREFIELD_RANKS=4097; expected"},
	{"PMI_RANK=7 PMI_SIZE=4", "local", SF_ERANGE, "PMI_RANK=7 of PMI_SIZE=4"},
	{"SLURM_PROCID=0", "local", SF_EINVAL, "SLURM_PROCID is set and SLURM_NTASKS is not"},
	{"SCOREFIELD_MEET=@", "local:rank=0,ranks=2", SF_EINVAL, "the run has no name; set SCOREFIELD_JOB"},
	{"SCOREFIELD_JOB=a", "local:rank=0,ranks=2", SF_EINVAL, "no folder to meet in; set SCOREFIELD_MEET"},
	{"SCOREFIELD_JOB=a SCOREFIELD_MEET=@/none", "local:rank=0,ranks=2", SF_EINVAL, "/none', where the ranks should meet, is not a folder"},
	{"SCOREFIELD_JOB=a SCOREFIELD_MEET=/dev/null", "local:rank=0,ranks=2", SF_EINVAL, "is not a folder"},
	{"SCOREFIELD_JOB=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa SCOREFIELD_MEET=@", "local:rank=0,ranks=2",
	 SF_ERANGE, "the job's name has 65 characters"},
	{"", "local:rank=0", SF_EINVAL, "the options rank and ranks go together"},
	{"", "local:ranks=2", SF_EINVAL, "the options rank and ranks go together"},
	{"", "local:rank=2,ranks=2", SF_ERANGE, "rank=2 of ranks=2; expected 0 to 1"},
	{"SCOREFIELD_RANKS=many", "auto", SF_EINVAL, "SCOREFIELD_RANKS=many is not a whole number"},
	{"SCOREFIELD_RANKS=2", "auto", SF_EINVAL, "comm 'local': SCOREFIELD_RANKS is set and SCOREFIELD_RANK is not"},
	{"", "nccl:rank=0,ranks=1", SF_EUNSUP, "it sums on devices, and this context has none"},
};

START_TEST(bad_places_are_refused)
{
	const struct bad *b = &bad[_i];
	sf_ctx *ctx = ck_ctx();
	sf_comm *c;

	rig_environment(b->set);
	ck_assert_int_eq(sf_comm_new(ctx, b->spec, &c), b->code);
	ck_assert_msg(strstr(sf_ctx_message(ctx), b->text) != NULL, "%s: %s", b->set, sf_ctx_message(ctx));
	ck_assert_ptr_null(c);
	ck_assert_int_eq(rig_files(), 0);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(a_folder_too_long_for_a_socket_is_refused)
{
	char set[400], name[200];
	sf_ctx *ctx = ck_ctx();
	sf_comm *c;

	memset(name, 'd', 120);
	name[120] = '\0';
	snprintf(set, sizeof set, "%s/%s", rig_folder, name);
	ck_assert_int_eq(mkdir(set, 0700), 0);
	snprintf(set, sizeof set, "SCOREFIELD_JOB=a SCOREFIELD_MEET=@/%s", name);
	rig_environment(set);
	ck_assert_int_eq(sf_comm_new(ctx, "local:rank=0,ranks=2", &c), SF_ERANGE);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "too long for the name of a socket"));
	sf_ctx_free(ctx);
}
END_TEST

/* Launchers in the order in which they are asked: the later ones say something else. */
static const char *const launch[][2] = {{"SCOREFIELD_RANK", "SCOREFIELD_RANKS"}, {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
	{"PMI_RANK", "PMI_SIZE"}, {"SLURM_PROCID", "SLURM_NTASKS"}};
enum { LAUNCHERS = 4 };

static int launched(sf_ctx *ctx, int rank, int ranks, int which)
{
	char text[600] = "SCOREFIELD_MEET=@ SLURM_JOB_ID=71/a";
	sf_comm *c;
	float one = 1;
	int i;

	for (i = which; i < LAUNCHERS; i++)
		snprintf(text + strlen(text), sizeof text - strlen(text), " %s=%d %s=%d", launch[i][0], i == which ? rank : 7,
		         launch[i][1], i == which ? ranks : 9);
	rig_environment(text);
	MUST(ctx, sf_comm_new(ctx, which == 0 ? "auto" : "local", &c));
	NEED(sf_comm_rank(c) == rank && sf_comm_ranks(c) == ranks);
	MUST(ctx, sf_comm_sum(c, SF_F32, 1, &one));
	NEED(one == ranks);
	sf_comm_free(c);
	return 0;
}

START_TEST(launchers_say_who_is_who)
{
	rig_ranks(2, launched, _i);
	ck_assert_int_eq(rig_files(), 0);
}
END_TEST

START_TEST(the_local_rank_comes_from_the_launcher)
{
	sf_ctx *ctx = ck_ctx();
	int local = 5;

	rig_environment("");
	assert_ok(ctx, sf_comm_local_rank(ctx, &local));
	ck_assert_int_eq(local, 0);
	rig_environment("SLURM_LOCALID=3");
	assert_ok(ctx, sf_comm_local_rank(ctx, &local));
	ck_assert_int_eq(local, 3);
	rig_environment("SLURM_LOCALID=3 OMPI_COMM_WORLD_LOCAL_RANK=2");
	assert_ok(ctx, sf_comm_local_rank(ctx, &local));
	ck_assert_int_eq(local, 2);
	rig_environment("SLURM_LOCALID=3 SCOREFIELD_LOCAL_RANK=-1");
	ck_assert_int_eq(sf_comm_local_rank(ctx, &local), SF_EINVAL);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "SCOREFIELD_LOCAL_RANK=-1"));
	sf_ctx_free(ctx);
}
END_TEST

/* ---- sums of several ranks ---- */

/* Rank r's number i: of many sizes, so that the order of the sum shows. */
static double part_of(int rank, int64_t i)
{
	uint64_t h = ((uint64_t)i * 4096 + (uint64_t)rank + 1) * UINT64_C(0x9e3779b97f4a7c15);

	h ^= h >> 29;
	h *= UINT64_C(0xbf58476d1ce4e5b9);
	return ((double)(h >> 40) - 8e6) * (double)(1u << (h % 23));
}

static float tree_f(int rank, int ranks, int64_t i)
{
	int left = 1;

	if (ranks == 1)
		return (float)part_of(rank, i);
	while (2 * left < ranks)
		left *= 2;
	return tree_f(rank, left, i) + tree_f(rank + left, ranks - left, i);
}

static double tree_d(int rank, int ranks, int64_t i)
{
	int left = 1;

	if (ranks == 1)
		return part_of(rank, i);
	while (2 * left < ranks)
		left *= 2;
	return tree_d(rank, left, i) + tree_d(rank + left, ranks - left, i);
}

static const int64_t sizes[] = {1, 7, 65536, 65537, 200003};
enum { MOST = 200003 };

static int sums(sf_ctx *ctx, int rank, int ranks, int which)
{
	static float x[MOST];
	static double y[MOST];
	int64_t n = sizes[which], i;
	sf_comm *c;

	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	for (i = 0; i < n; i++)
		x[i] = (float)(y[i] = part_of(rank, i));
	MUST(ctx, sf_comm_sum(c, SF_F32, n, x));
	MUST(ctx, sf_comm_sum(c, SF_F64, n, y));
	for (i = 0; i < n; i++) {
		NEED(x[i] == tree_f(0, ranks, i));
		NEED(y[i] == tree_d(0, ranks, i));
	}
	sf_comm_free(c);
	return 0;
}

START_TEST(sums_are_a_tree_over_the_ranks)
{
	rig_ranks(2, sums, _i);
	rig_ranks(3, sums, _i);
	rig_ranks(5, sums, _i);
	ck_assert_int_eq(rig_files(), 0);
}
END_TEST

static int rounding(sf_ctx *ctx, int rank, int ranks, int unused)
{
	float x[2] = {rank == 0 ? 16777216.f : 1.f, rank == 2 ? 16777216.f : 1.f};
	sf_comm *c;

	(void)unused;
	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	MUST(ctx, sf_comm_sum(c, SF_F32, 2, x));
	NEED(x[0] == 16777216.f);
	NEED(x[1] == 16777218.f);
	sf_comm_free(c);
	return 0;
}

START_TEST(known_answer_of_the_order)
{
	rig_ranks(3, rounding, 0);
}
END_TEST

static int broadcasts(sf_ctx *ctx, int rank, int ranks, int unused)
{
	static unsigned char p[(1 << 19) + 5];
	sf_comm *c;
	size_t i;

	(void)unused;
	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	for (i = 0; i < sizeof p; i++)
		p[i] = (unsigned char)(rank == 0 ? i * 7 + i / 251 : 0);
	MUST(ctx, sf_comm_broadcast(c, sizeof p - 1, p));
	for (i = 0; i < sizeof p - 1; i++)
		NEED(p[i] == (unsigned char)(i * 7 + i / 251));
	NEED(rank == 0 || p[i] == 0);
	MUST(ctx, sf_comm_broadcast(c, 0, p));
	MUST(ctx, sf_comm_barrier(c));
	sf_comm_free(c);
	return 0;
}

START_TEST(broadcasts_are_of_rank_0)
{
	rig_ranks(3, broadcasts, 0);
}
END_TEST

static int meets_at_a_barrier(sf_ctx *ctx, int rank, int ranks, int late)
{
	sf_comm *c;
	char path[400];
	FILE *f;

	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	snprintf(path, sizeof path, "%s/was-there", rig_folder);
	if (rank == late) {
		rig_sleep(.15);
		f = fopen(path, "w");
		NEED(f && fclose(f) == 0);
	}
	MUST(ctx, sf_comm_barrier(c));
	NEED(access(path, F_OK) == 0);
	sf_comm_free(c);
	return 0;
}

START_TEST(nobody_passes_a_barrier_early)
{
	rig_ranks(3, meets_at_a_barrier, _i);
}
END_TEST

/* ---- failures ---- */

enum { MUCH = 1 << 20 }; /* more than sockets hold */

/* The next call fails soon, with a message that holds `text`, and so do all after it. */
static int fails_within(sf_ctx *ctx, sf_comm *c, int code, const char *text, int64_t n, double seconds)
{
	static float x[MUCH];
	double start = sf_seconds();
	int rc = sf_comm_sum(c, SF_F32, n, x);

	NEED(sf_seconds() - start < seconds);
	if (rc != code || !strstr(sf_ctx_message(ctx), text))
		fprintf(stderr, "%d: %s\n", rc, sf_ctx_message(ctx));
	NEED(rc == code && strstr(sf_ctx_message(ctx), text));
	NEED(sf_comm_broadcast(c, 4, x) == code);
	NEED(strstr(sf_ctx_message(ctx), "is over: ") && strstr(sf_ctx_message(ctx), text));
	NEED(sf_comm_barrier(c) == code);
	sf_comm_free(c);
	return 0;
}

static int fails(sf_ctx *ctx, sf_comm *c, int code, const char *text)
{
	return fails_within(ctx, c, code, text, 4, 5);
}

static int one_dies(sf_ctx *ctx, int rank, int ranks, int victim)
{
	char text[40];
	sf_comm *c;

	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	MUST(ctx, sf_comm_barrier(c));
	if (rank == victim)
		raise(SIGKILL);
	snprintf(text, sizeof text, "rank %d is gone", victim);
	return fails(ctx, c, SF_EIO, text);
}

START_TEST(a_rank_that_dies_is_noticed)
{
	rig_killed = _i;
	rig_ranks(3, one_dies, _i);
}
END_TEST

static int one_stops(sf_ctx *ctx, int rank, int ranks, int who)
{
	char text[80];
	sf_comm *c;
	float x;

	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	snprintf(text, sizeof text, "rank %d stopped: the disk is full", who);
	if (rank != who)
		return fails(ctx, c, SF_EIO, text);
	sf_comm_abort(c, "the disk is full");
	NEED(sf_comm_sum(c, SF_F32, 1, &x) == SF_EIO && strstr(sf_ctx_message(ctx), text));
	sf_comm_free(c);
	return 0;
}

START_TEST(a_rank_that_stops_says_why)
{
	rig_ranks(3, one_stops, _i);
}
END_TEST

/* Rank 1 has more to say than anybody reads. */
static int stops_unread(sf_ctx *ctx, int rank, int ranks, int unused)
{
	sf_comm *c;

	(void)unused;
	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	if (rank == 1)
		return fails_within(ctx, c, SF_EIO, "rank 0 stopped: enough", MUCH, .6);
	rig_sleep(.1);
	sf_comm_abort(c, "enough");
	rig_sleep(.9);
	sf_comm_free(c);
	return 0;
}

START_TEST(a_rank_that_is_not_read_hears_of_the_end)
{
	rig_ranks(2, stops_unread, 0);
}
END_TEST

/* Others are in the middle of a large sum when it goes. */
static int one_dies_within(sf_ctx *ctx, int rank, int ranks, int victim)
{
	static float x[1 << 21];
	double start = sf_seconds();
	sf_comm *c;
	int rc;

	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	if (rank == victim)
		rig_kill_in(.02);
	while ((rc = sf_comm_sum(c, SF_F32, 1 << 21, x)) == 0)
		NEED(sf_seconds() - start < 5);
	NEED(rc == SF_EIO && strstr(sf_ctx_message(ctx), "is gone"));
	sf_comm_free(c);
	return 0;
}

START_TEST(a_rank_may_die_in_the_middle_of_a_sum)
{
	rig_killed = _i;
	rig_ranks(3, one_dies_within, _i);
}
END_TEST

static int one_sleeps(sf_ctx *ctx, int rank, int ranks, int who)
{
	sf_comm *c;
	float x[4] = {0};

	rig_timeout = .25;
	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	if (rank != who)
		return fails_within(ctx, c, SF_EIO, who ? "rank 1 has been silent for 0.25 s" : "rank 0 has been silent for 0.25 s",
		                    who ? 4 : MUCH, .8);
	rig_sleep(.9);
	NEED(sf_comm_sum(c, SF_F32, 4, x) < 0);
	sf_comm_free(c);
	return 0;
}

START_TEST(a_silent_rank_counts_as_gone)
{
	rig_ranks(2, one_sleeps, _i);
}
END_TEST

static int disagree(sf_ctx *ctx, int rank, int ranks, int which)
{
	static const char *const text[] = {"rank 1 is in a sum of doubles of 8 bytes, rank 0 in a sum of floats of 16",
		"rank 1 is in a broadcast of 16 bytes, rank 0 in a sum of floats of 16", "rank 1 is in a barrier of 0 bytes, rank 0 in",
		"rank 1 is in a sum of floats of 12 bytes, rank 0 in a sum of floats of 16"};
	unsigned char p[16] = {0};
	float x[3] = {0};
	double y = 0;
	sf_comm *c;
	int rc;

	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	if (rank == 0)
		return fails(ctx, c, SF_EMISMATCH, text[which]);
	rc = which == 0 ? sf_comm_sum(c, SF_F64, 1, &y) : which == 1 ? sf_comm_broadcast(c, sizeof p, p) :
	     which == 2 ? sf_comm_barrier(c) : sf_comm_sum(c, SF_F32, 3, x);
	NEED(rc == SF_EIO && strstr(sf_ctx_message(ctx), text[which]));
	sf_comm_free(c);
	return 0;
}

START_TEST(ranks_that_call_different_things_are_told)
{
	rig_ranks(2, disagree, _i);
}
END_TEST

/* ---- meeting ---- */

static int alone(sf_ctx *ctx, int rank, int ranks, int who)
{
	char text[60];
	sf_comm *c;

	(void)rank;
	(void)ranks;
	rig_timeout = .2;
	snprintf(text, sizeof text, "rank %d did not come to", who == 0 ? 1 : 0);
	NEED(rig_join(ctx, who, 2, &c) == SF_EIO && c == NULL);
	NEED(strstr(sf_ctx_message(ctx), text) && strstr(sf_ctx_message(ctx), "within 0.2 s"));
	return 0;
}

START_TEST(a_rank_that_nobody_meets_gives_up)
{
	rig_ranks(1, alone, _i);
	ck_assert_int_eq(rig_files(), 0);
}
END_TEST

/* Ranks of an earlier run under the same name, killed while they wait. */
static int earlier(sf_ctx *ctx, int rank, int ranks, int only)
{
	sf_comm *c;

	(void)ranks;
	rig_timeout = 20;
	rig_kill_in(rank == 0 ? .3 : .1);
	if (only == 1 && rank == 0)
		return 0;
	(void)rig_join(ctx, rank, 2, &c);
	return 1;
}

static int late(sf_ctx *ctx, int rank, int ranks, int who)
{
	float x = (float)(rank + 1);
	sf_comm *c;

	rig_timeout = 5;
	if (rank == who)
		rig_sleep(.3);
	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	MUST(ctx, sf_comm_sum(c, SF_F32, 1, &x));
	NEED(x == 3);
	sf_comm_free(c);
	return 0;
}

/* A greeting alone; then a card for it too: rank 0 waits for a rank that will not come, and is killed. */
START_TEST(files_of_an_earlier_run_are_not_taken)
{
	rig_status(1, earlier, 1, 1, SIGKILL);
	ck_assert_int_eq(rig_files(), 1);
	if (_i >= 2) {
		rig_status(0, earlier, 2, 0, SIGKILL);
		ck_assert_int_ge(rig_files(), 2);
	}
	rig_ranks(2, late, _i % 2);
	ck_assert_int_eq(rig_file("scorefield-job.0") + rig_file("scorefield-job.1"), 0);
}
END_TEST

START_TEST(rubbish_under_the_names_is_not_taken)
{
	char path[400];
	FILE *f;
	int i;

	for (i = 0; i < 2; i++) {
		snprintf(path, sizeof path, "%s/scorefield-job.%d", rig_folder, i);
		f = fopen(path, "w");
		ck_assert(f && fprintf(f, "%0400d", i) > 0 && fclose(f) == 0);
	}
	rig_ranks(2, late, _i);
	ck_assert_int_eq(rig_files(), 0);
}
END_TEST

/* A process that finds the socket and knows how to greet, but not the secret. */
static void intrude(void)
{
	static const uint64_t greeting[2] = {1234, 1};
	struct sockaddr_un at;
	union {
		struct sockaddr any;
		struct sockaddr_un un;
	} to;
	struct dirent *e;
	DIR *d = opendir(rig_folder);
	int fd, found = 0;

	memset(&at, 0, sizeof at);
	at.sun_family = AF_UNIX;
	while (d && (e = readdir(d)))
		if (strlen(e->d_name) == 27) { /* scorefield- and sixteen digits */
			snprintf(at.sun_path, sizeof at.sun_path, "%.60s/%.40s", rig_folder, e->d_name);
			found = 1;
		}
	if (d)
		closedir(d);
	to.un = at;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (!found || fd < 0 || connect(fd, &to.any, sizeof to.un) < 0 || write(fd, greeting, sizeof greeting) != (ssize_t)sizeof greeting)
		_exit(3);
}

static int with_a_stranger(sf_ctx *ctx, int rank, int ranks, int unused)
{
	float x = (float)(rank + 1);
	sf_comm *c;

	(void)unused;
	if (rank == 1) {
		rig_sleep(.1);
		intrude();
	}
	MUST(ctx, rig_join(ctx, rank, ranks, &c));
	MUST(ctx, sf_comm_sum(c, SF_F32, 1, &x));
	NEED(x == 3);
	sf_comm_free(c);
	return 0;
}

START_TEST(strangers_are_turned_away)
{
	rig_ranks(2, with_a_stranger, 0);
}
END_TEST

/* ---- nccl ---- */

START_TEST(nccl_of_one_rank_changes_nothing)
{
	enum { N = 3000000 };
	sf_ctx *ctx = ck_ctx();
	float *x = malloc(N * sizeof *x), *was = malloc(N * sizeof *was), *there;
	sf_comm *c;
	int i;

	ck_assert(x && was);
	rig_device(ctx, SF_DEVICE_STRICT, 1);
	assert_ok(ctx, sf_comm_new(ctx, "nccl:rank=0,ranks=1", &c));
	ck_assert_int_eq(sf_comm_on_device(c), 1);
	stays(ctx, c);
	for (i = 0; i < N; i++)
		was[i] = x[i] = (float)part_of(0, i);
	assert_ok(ctx, sf_comm_sum(c, SF_F32, N, x)); /* three stages */
	ck_assert_mem_eq(x, was, N * sizeof *x);
	there = sf_device_take(ctx, N * sizeof *there);
	ck_assert_ptr_nonnull(there);
	assert_ok(ctx, sf_device_copy(ctx, there, was, N * sizeof *there));
	memset(x, 0, N * sizeof *x);
	assert_ok(ctx, sf_comm_sum(c, SF_F32, N, there));
	assert_ok(ctx, sf_comm_broadcast(c, N * sizeof *there, there));
	assert_ok(ctx, sf_device_copy(ctx, x, there, N * sizeof *there));
	ck_assert_mem_eq(x, was, N * sizeof *x);
	sf_device_give(ctx, there);
	sf_comm_abort(c, "enough");
	ck_assert_int_eq(sf_comm_barrier(c), SF_EIO);
	sf_comm_free(c);
	sf_ctx_free(ctx);
	free(x);
	free(was);
}
END_TEST

static int emulated(sf_ctx *ctx, int rank, int ranks, int unused)
{
	char spec[60];
	sf_comm *c;

	(void)unused;
	rig_device(ctx, SF_DEVICE_STRICT, 1);
	rig_environment("SCOREFIELD_MEET=@ SCOREFIELD_JOB=job");
	snprintf(spec, sizeof spec, "nccl:rank=%d,ranks=%d,timeout=5", rank, ranks);
	NEED(sf_comm_new(ctx, spec, &c) == SF_EUNSUP);
	NEED(strstr(sf_ctx_message(ctx), "2 ranks need NCCL, which this build of the unit is without"));
	return 0;
}

START_TEST(an_emulated_device_is_one_rank)
{
	if (rig_real())
		return;
	rig_ranks(2, emulated, 0);
	ck_assert_int_eq(rig_files(), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("comm");
	TCase *c = tcase_create("one");

	tcase_add_checked_fixture(c, rig_open, rig_close);
	tcase_add_test(c, specs_read_back);
	tcase_add_test(c, one_rank_changes_nothing);
	tcase_add_test(c, nccl_of_one_rank_changes_nothing);
	tcase_add_test(c, an_emulated_device_is_one_rank);
	suite_add_tcase(s, c);
	c = tcase_create("place");
	tcase_add_checked_fixture(c, rig_open, rig_close);
	tcase_add_loop_test(c, bad_places_are_refused, 0, (int)(sizeof bad / sizeof *bad));
	tcase_add_test(c, a_folder_too_long_for_a_socket_is_refused);
	tcase_add_loop_test(c, launchers_say_who_is_who, 0, LAUNCHERS);
	tcase_add_test(c, the_local_rank_comes_from_the_launcher);
	suite_add_tcase(s, c);
	c = tcase_create("local");
	tcase_add_checked_fixture(c, rig_open, rig_close);
	tcase_add_loop_test(c, sums_are_a_tree_over_the_ranks, 0, (int)(sizeof sizes / sizeof *sizes));
	tcase_add_test(c, known_answer_of_the_order);
	tcase_add_test(c, broadcasts_are_of_rank_0);
	tcase_add_loop_test(c, nobody_passes_a_barrier_early, 0, 3);
	suite_add_tcase(s, c);
	c = tcase_create("failures");
	tcase_add_checked_fixture(c, rig_open, rig_close);
	tcase_add_loop_test(c, a_rank_that_dies_is_noticed, 0, 3);
	tcase_add_loop_test(c, a_rank_that_stops_says_why, 0, 3);
	tcase_add_test(c, a_rank_that_is_not_read_hears_of_the_end);
	tcase_add_loop_test(c, a_rank_may_die_in_the_middle_of_a_sum, 0, 3);
	tcase_add_loop_test(c, a_silent_rank_counts_as_gone, 0, 2);
	tcase_add_loop_test(c, ranks_that_call_different_things_are_told, 0, 4);
	suite_add_tcase(s, c);
	c = tcase_create("meeting");
	tcase_add_checked_fixture(c, rig_open, rig_close);
	tcase_add_loop_test(c, a_rank_that_nobody_meets_gives_up, 0, 2);
	tcase_add_loop_test(c, files_of_an_earlier_run_are_not_taken, 0, 4);
	tcase_add_loop_test(c, rubbish_under_the_names_is_not_taken, 0, 2);
	tcase_add_test(c, strangers_are_turned_away);
	suite_add_tcase(s, c);
	return sf_test_main(s);
}
