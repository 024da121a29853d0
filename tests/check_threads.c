/* check_threads.c: how many threads a context starts with, when work is shared, and one step shared by all threads.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"

#include "graph/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#ifdef _OPENMP
#include <omp.h>
#endif

/* ---- control groups, as fake files ---- */

static char root[1024];

static void put(const char *path, const char *text)
{
	char whole[2048], *slash;

	snprintf(whole, sizeof whole, "%s/%s", root, path);
	for (slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(whole, 0777);
		*slash = '/';
	}
	put_file(whole, text, strlen(text));
}

static void make_root(void)
{
	snprintf(root, sizeof root, "%s", sf_test_mkdir());
}

static void remove_root(void)
{
	sf_test_rmdir(root);
}

START_TEST(quota_version_2)
{
	make_root();
	ck_assert_int_eq(sf_cores_granted(root), 0); /* nothing there */
	put("proc/self/cgroup", "0::/a/b\n");
	put("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
	ck_assert_int_eq(sf_cores_granted(root), 0);
	put("sys/fs/cgroup/a/b/cpu.max", "300000 100000\n");
	ck_assert_int_eq(sf_cores_granted(root), 3);
	put("sys/fs/cgroup/a/b/cpu.max", "150000 100000\n"); /* rounded up */
	ck_assert_int_eq(sf_cores_granted(root), 2);
	put("sys/fs/cgroup/a/b/cpu.max", "1000 100000\n");
	ck_assert_int_eq(sf_cores_granted(root), 1);
	put("sys/fs/cgroup/a/b/cpu.max", "800000 100000\n");
	put("sys/fs/cgroup/a/cpu.max", "450000 50000\n"); /* 9 */
	ck_assert_int_eq(sf_cores_granted(root), 8);
	put("sys/fs/cgroup/a/cpu.max", "250000 50000\n"); /* the group around it grants less */
	ck_assert_int_eq(sf_cores_granted(root), 5);
	put("sys/fs/cgroup/cpu.max", "400000 100000\n"); /* and the root of what a container sees */
	ck_assert_int_eq(sf_cores_granted(root), 4);
	put("proc/self/cgroup", "0::/not/here\n"); /* the group's own folder may be missing */
	ck_assert_int_eq(sf_cores_granted(root), 4);
	put("proc/self/cgroup", "0::/\n");
	ck_assert_int_eq(sf_cores_granted(root), 4);
	put("proc/self/cgroup", "0::/../../a\n"); /* not below what is seen: only the root */
	ck_assert_int_eq(sf_cores_granted(root), 4);
	remove_root();
}
END_TEST

START_TEST(quota_version_1)
{
	make_root();
	put("proc/self/cgroup", "11:cpuset:/x\n5:cpu,cpuacct:/x\n4:memory:/x\n");
	put("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "-1\n");
	put("sys/fs/cgroup/cpu/x/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(sf_cores_granted(root), 0);
	put("sys/fs/cgroup/cpu/x/cpu.cfs_quota_us", "600000\n");
	ck_assert_int_eq(sf_cores_granted(root), 6);
	put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "250000\n"); /* no period: no limit */
	ck_assert_int_eq(sf_cores_granted(root), 6);
	put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
	ck_assert_int_eq(sf_cores_granted(root), 3);
	put("proc/self/cgroup", "11:cpuset:/x\n4:cpuacct,memory:/x\n"); /* neither is "cpu" */
	ck_assert_int_eq(sf_cores_granted(root), 0);
	remove_root();
}
END_TEST

/* Whatever the files hold, reading ends and no number comes of it. */
START_TEST(quota_from_nonsense)
{
	static const char *const bad[] = {"", "\n", "max", "max max\n", "x y\n", "100000\n", "-5 100000\n", "100000 0\n",
		"100000 -1\n", "nan 1\n", "inf 1\n", "1 nan\n", "0 100000\n", "1e300 1e-300\n", "99999999999 1\n"};
	char line[6000];
	size_t i;

	make_root();
	put("proc/self/cgroup", "0::/a\n");
	for (i = 0; i < sizeof bad / sizeof *bad; i++) {
		put("sys/fs/cgroup/a/cpu.max", bad[i]);
		ck_assert_msg(sf_cores_granted(root) == 0, "cpu.max '%s' grants %d", bad[i], sf_cores_granted(root));
	}
	put("sys/fs/cgroup/a/cpu.max", "200000 100000\n");
	memset(line, 'a', sizeof line);
	memcpy(line, "0::/", 4);
	line[5000] = '\n';
	memcpy(line + 5001, "0::/a\n", 7); /* after a line that is too long */
	put("proc/self/cgroup", line);
	ck_assert_int_eq(sf_cores_granted(root), 2);
	memcpy(line + 4990, ":0::/a", 6); /* its end is no line of its own */
	line[5001] = '\0';
	put("proc/self/cgroup", line);
	ck_assert_int_eq(sf_cores_granted(root), 0);
	put("proc/self/cgroup", "\n::\n:\n0:\n0::\n\xff\xfe\n0::a/a\n"); /* "0::" is the root */
	ck_assert_int_eq(sf_cores_granted(root), 0);
	remove_root();
}
END_TEST

/* ---- the default ---- */

static int default_threads(const char *own, const char *omp)
{
	sf_ctx *ctx = NULL;
	int n;

	if (own)
		setenv("SCOREFIELD_THREADS", own, 1);
	else
		unsetenv("SCOREFIELD_THREADS");
	if (omp)
		setenv("OMP_NUM_THREADS", omp, 1);
	else
		unsetenv("OMP_NUM_THREADS");
	ck_assert_int_eq(sf_ctx_new(&ctx), 0);
	n = sf_ctx_threads(ctx);
	sf_ctx_free(ctx);
	return n;
}

START_TEST(default_is_what_may_be_used)
{
	int asked, cores, granted = sf_cores_granted("");

	unsetenv("OMP_NUM_THREADS");
	cores = sf_cores(&asked);
	ck_assert_int_eq(asked, 0);
	ck_assert_int_ge(cores, 1);
	if (granted > 0 && granted < cores)
		cores = granted;
	ck_assert_int_eq(default_threads(NULL, NULL), cores < SF_MAXTHREADS ? cores : SF_MAXTHREADS);
	ck_assert_int_eq(default_threads("7", NULL), 7);
#ifdef _OPENMP
	omp_set_num_threads(5); /* what OMP_NUM_THREADS=5 does when a program starts */
	ck_assert_int_eq(default_threads(NULL, "5"), 5);
	ck_assert_int_eq(default_threads("7", "5"), 7);
	ck_assert_int_eq(default_threads("", "5"), 5);
	ck_assert_int_eq(default_threads(NULL, NULL), cores < SF_MAXTHREADS ? cores : SF_MAXTHREADS);
#endif
}
END_TEST

/* ---- when loops are shared ---- */

static int mark(void *arg, int64_t tile, int worker)
{
	int *seen = arg;

	(void)worker;
	seen[tile]++;
	return 0;
}

START_TEST(short_work_stays_here)
{
	sf_ctx *ctx;
	int seen[100] = {0}, i;
	int64_t before;

	unsetenv("SCOREFIELD_WAKE");
	unsetenv("GOMP_SPINCOUNT");
	setenv("OMP_WAIT_POLICY", "PASSIVE", 1);
	ctx = ck_ctx();
	before = sf_regions();
	sf_parallel_work(ctx, 1e4, 100, mark, seen); /* ten microseconds */
	ck_assert_int_eq(sf_regions() - before, 0);
#ifdef _OPENMP
	sf_parallel_work(ctx, 1e7, 100, mark, seen);
	sf_parallel(ctx, 100, mark, seen);
	ck_assert_int_eq(sf_regions() - before, 2);
	sf_parallel(ctx, 1, mark, seen); /* one tile */
	ck_assert_int_eq(sf_regions() - before, 2);
#endif
	for (i = 1; i < 100; i++)
		ck_assert_int_eq(seen[i], seen[99]);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(threads_that_spin_wake_soon)
{
#ifdef _OPENMP
	sf_ctx *ctx;

	if (omp_get_num_procs() < 2)
		return;
	unsetenv("SCOREFIELD_WAKE");
	unsetenv("GOMP_SPINCOUNT");
	unsetenv("OMP_WAIT_POLICY");
	ctx = ck_ctx();
	ck_assert(sf_worth(ctx, 1e4) && !sf_worth(ctx, 1e3)); /* threads that spin take a microsecond */
	setenv("GOMP_SPINCOUNT", "0", 1);
	ck_assert(sf_wake(2) > 1e4);
	setenv("GOMP_SPINCOUNT", "infinity", 1);
	ck_assert(sf_wake(2) < 1e4);
	ck_assert(sf_wake(omp_get_num_procs() + 1) > 1e4); /* they cannot all run at once */
	assert_ok(ctx, sf_ctx_set_threads(ctx, 1));
	ck_assert(!sf_worth(ctx, 1e9));
	sf_ctx_free(ctx);
#endif
}
END_TEST

/* One tile keeps its thread asleep, as if another program had its processor: loops of less are kept here, for a while. */
static int sleepy(void *arg, int64_t tile, int worker)
{
	const struct timespec rest = {0, 5000000};

	(void)arg;
	(void)worker;
	if (tile == 0)
		nanosleep(&rest, NULL);
	return 0;
}

START_TEST(a_crowded_machine_is_noticed)
{
#ifdef _OPENMP
	sf_ctx *ctx;
	int i;

	unsetenv("GOMP_SPINCOUNT");
	unsetenv("OMP_WAIT_POLICY");
	setenv("SCOREFIELD_WAKE", "1000", 1);
	ctx = ck_ctx();
	ck_assert(sf_worth(ctx, 1e5));
	for (i = 0; i < 8; i++) /* the first is watched, and what it shows keeps the others watched */
		sf_parallel(ctx, 2, sleepy, NULL);
	ck_assert(!sf_worth(ctx, 1e5)); /* 3 of 5 ms or more */
	for (i = 0; i < 20000 && !sf_worth(ctx, 1e5); i++)
		;
	ck_assert_int_ge(i, 2400); /* (5 ms - 1e5/3 ns)/(1e5/50) are 2483 */
	sf_ctx_free(ctx);
#endif
}
END_TEST

/* ---- BLAS and OpenMP ---- */

static int warnings;

static void count_line(void *user, int level, const char *line)
{
	(void)user;
	(void)line;
	warnings += level == SF_LOG_WARNING;
}

START_TEST(blas_leaves_openmp_alone)
{
	sf_ctx *ctx = ck_ctx();
	int had = sf_blas_threads();

	sf_ctx_set_log(ctx, count_line, NULL);
#ifdef _OPENMP
	omp_set_num_threads(2);
	if (sf_blas_set_threads(1) == 0 && sf_blas_threads() > 0)
		ck_assert_int_eq(sf_blas_threads(), 1);
	ck_assert_int_eq(omp_get_max_threads(), 2);
#endif
	sf_blas_tame(ctx);
	sf_blas_tame(ctx);
	ck_assert_int_le(warnings, had > 1); /* once at most, and not where it has one thread */
	sf_ctx_free(ctx);
}
END_TEST

/* ---- one step shared by all threads ---- */

enum { SIDE = 14, WIDE = 32, BIG = SIDE * SIDE * WIDE };

/* Convolutions of each kind of kernel, products with shared and own matrices, chains, and the gradient of all of it. */
static void build(sf_graph *g, sf_var *x, sf_var *out)
{
	static const int64_t image[3] = {SIDE, SIDE, WIDE}, k3[4] = {3, 3, WIDE, WIDE}, k1[4] = {1, 1, WIDE, 48},
		k5[4] = {5, 5, 48, 3}, flat[2] = {SIDE * SIDE, WIDE}, square[2] = {WIDE, WIDE};
	const sf_init init = {SF_INIT_NORMAL, .2, 0, 0};
	sf_var w3, w1, w5, m, y, rows, wrt[5];

	*x = sf_input(g, "x", 1, 3, image);
	w3 = sf_param(g, "w3", 4, k3, init);
	w1 = sf_param(g, "w1", 4, k1, init);
	w5 = sf_param(g, "w5", 4, k5, init);
	m = sf_param(g, "m", 2, square, init);
	y = sf_silu(g, sf_conv2d(g, *x, w3, 1, 1));
	rows = sf_reshape(g, y, 2, flat);
	rows = sf_add(g, rows, sf_matmul(g, sf_softmax(g, sf_matmul(g, rows, rows, 0, 1)), sf_matmul(g, rows, m, 0, 1), 0, 0));
	y = sf_conv2d(g, sf_conv2d(g, sf_reshape(g, rows, 3, image), w1, 1, 0), w5, 2, 2);
	out[0] = y;
	wrt[0] = *x;
	wrt[1] = w3;
	wrt[2] = w1;
	wrt[3] = w5;
	wrt[4] = m;
	sf_grad(g, sf_sumsq(g, y), wrt, 5, out + 1);
}

/* All outputs of n samples in so many shards, one after the other in `all`; returns the regions that the run opened. */
static int64_t run(int threads, int64_t n, int64_t shards, const char *isa, unsigned char *all, size_t room)
{
	sf_ctx *ctx = ck_ctx();
	sf_graph *g = NULL;
	sf_plan *p = NULL;
	sf_var x, out[6];
	sf_run r;
	float *in = sf_alloc((size_t)(n * BIG), sizeof *in), *flat;
	sf_noise key = {3, SF_NOISE_USER, 0};
	size_t used = 0;
	int64_t regions;
	int i;

	assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
	assert_ok(ctx, sf_ctx_set_isa(ctx, isa));
	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	build(g, &x, out);
	flat = sf_alloc((size_t)sf_param_total(g), sizeof *flat);
	sf_param_init(g, 5, SF_F32, flat);
	sf_noise_normal(ctx, key, 0, 0, (size_t)(n * BIG), in);
	assert_ok(ctx, sf_plan_new(g, out, 6, SF_F32, n, &p));
	for (i = 0; i < 6; i++) {
		sf_shape s = sf_shape_of(g, out[i]);
		size_t bytes = (size_t)(s.per_sample ? n * s.size : s.size) * sizeof(float);

		ck_assert_int_le((int)(used + bytes), (int)room);
		assert_ok(ctx, sf_plan_output(p, i, all + used));
		used += (bytes + 63) / 64 * 64;
	}
	assert_ok(ctx, sf_plan_bind(p, x, in));
	assert_ok(ctx, sf_plan_bind_params(p, flat));
	memset(&r, 0, sizeof r);
	r.n = n;
	r.shards = shards;
	regions = sf_regions();
	assert_ok(ctx, sf_plan_run(p, &r));
	regions = sf_regions() - regions;
	sf_plan_free(p);
	sf_graph_free(g);
	sf_free(flat);
	sf_free(in);
	sf_ctx_free(ctx);
	return regions;
}

START_TEST(shared_steps_give_equal_bytes)
{
	static const int threads[] = {2, 3, 5, 8};
	enum { ROOM = 1 << 20 };
	unsigned char *one = sf_alloc(ROOM, 1), *other = sf_alloc(ROOM, 1);
	int isa, i;
	int64_t n;

	for (isa = SF_ISA_BASE; isa < SF_ISA_COUNT; isa++)
		for (n = 1; n < 3 && sf_isa_usable(isa); n++) {
			ck_assert_int_eq(run(1, n, 1, sf_isa_name(isa), one, ROOM), 0);
			for (i = 0; i < 4; i++) {
				int64_t regions = run(threads[i], n, 1, sf_isa_name(isa), other, ROOM);

				ck_assert_msg(memcmp(one, other, ROOM) == 0, "%s: %d threads", sf_isa_name(isa), threads[i]);
#ifdef _OPENMP
				ck_assert_int_ge(regions, 12); /* packs, five convolutions forward and data, products, chains */
#else
				(void)regions;
#endif
			}
		}
#ifdef _OPENMP
	/* with a shard for each thread there is one region for packing and one for the shards */
	ck_assert_int_eq(run(2, 2, 2, "base", other, ROOM), 2);
#endif
	sf_free(one);
	sf_free(other);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("threads");
	TCase *tc = tcase_create("threads");

	tcase_add_test(tc, quota_version_2);
	tcase_add_test(tc, quota_version_1);
	tcase_add_test(tc, quota_from_nonsense);
	tcase_add_test(tc, default_is_what_may_be_used);
	tcase_add_test(tc, short_work_stays_here);
	tcase_add_test(tc, threads_that_spin_wake_soon);
	tcase_add_test(tc, a_crowded_machine_is_noticed);
	tcase_add_test(tc, blas_leaves_openmp_alone);
	tcase_add_test(tc, shared_steps_give_equal_bytes);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
