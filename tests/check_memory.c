/* check_memory.c: the memory that training says it needs: its parts, against what the system counts, and its limits.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "files.h"
#include "support.h"
#include "train_rig.h"

#include "train/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static double buffer; /* bytes of the weights alone */

static void measure(const char *settings, int threads, sf_memory *m)
{
	int64_t trained, total;
	sf_config *c = configured(settings);
	sf_setup s;

	sf_ctx_set_threads(ctx, threads);
	assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE | SF_SETUP_SAMPLER, NULL, &s));
	assert_ok(ctx, sf_memory_measure(&s, m));
	assert_ok(ctx, sf_model_params(&s.model, &trained, &total));
	buffer = (double)total * (s.type == SF_F32 ? 4 : 8);
	assert_close(m->total, m->weights + m->activations + m->data + m->previews, 1e-15, 0);
	sf_setup_close(&s);
	sf_config_free(c);
}

START_TEST(parts) /* what each setting moves, and by how much */
{
	sf_memory a, b;

	measure("", 1, &a);
	/* one thread, 8 shards: weights, gradient, two moments, an average, and three partial gradients */
	assert_close(a.weights, 5 * buffer + 3 * (double)a.plan.shard_bytes, 1e-12, 0);
	assert_close(a.activations, (double)a.plan.shared_bytes + (double)a.plan.arena_bytes, 1e-15, 0);
	ck_assert(a.plan.shared_bytes > 0 && a.previews == 0);
	measure("train.ema=0.9:0.99:0.999", 1, &b);
	assert_close(b.weights - a.weights, 2 * buffer, 1e-12, 0);
	ck_assert(a.activations == b.activations && a.data == b.data);
	measure("", 3, &b); /* two more arenas, two more partials */
	assert_close(b.activations - a.activations, 2 * (double)a.plan.arena_bytes, 1e-12, 0);
	assert_close((b.weights - a.weights) / (double)a.plan.shard_bytes, 2, 1e-12, 0);
	measure("train.shards=1", 3, &b); /* no partials */
	assert_close(b.weights, 5 * buffer, 1e-12, 0);
	measure("train.shards=2", 3, &b);
	assert_close(b.weights, 5 * buffer + (double)a.plan.shard_bytes, 1e-12, 0);
	measure("model.precision=float64", 1, &b);
	assert_close(b.weights, 5 * buffer + 3 * (double)b.plan.shard_bytes, 1e-12, 0);
	measure("train.batch=64", 1, &a);
	measure("train.batch=64 train.accumulate=4", 1, &b);
	assert_close(a.data / b.data, 4, 1e-12, 0); /* checkerboard itself holds nothing */
	ck_assert(a.weights == b.weights && a.activations == b.activations);
	measure("train.sample-every=5", 1, &b);
	ck_assert(b.previews > 0);
	measure("data.spec=digits", 1, &b); /* 8 bit images and int labels */
	{
		sf_data *d;
		const sf_data_info *info;

		assert_ok(ctx, sf_data_new(ctx, "digits", &d));
		info = sf_data_describe(d);
		ck_assert(info->bytes == info->n * (info->size + (int64_t)sizeof(int)));
		ck_assert(b.data > (double)info->bytes);
		sf_data_free(d);
	}
}
END_TEST

/* ---- against the system ---- */
static int counted(void) /* whether ru_maxrss can be compared */
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
	return 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
	return 0;
#endif
#endif
#ifndef __linux__ /* other systems count in other units */
	return 0;
#else
	{
		const char *preload = getenv("LD_PRELOAD");

		return !getenv("RUNNING_ON_VALGRIND") && !(preload && strstr(preload, "vgpreload"));
	}
#endif
}

static double resident(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return 1024. * (double)u.ru_maxrss;
}

static const char *const large[] = {
	/* many activations; many weights and averages; a large batch in two parts; previews; float64 */
	"net.spec=unet:width=16,mult=1:2,blocks=1 data.spec=digits train.batch=256 train.shards=4 objective.spec=dsm",
	"net.spec=mlp:width=1024,depth=4 train.ema=0.9:0.99:0.999 train.batch=32 train.checkpoint-every=1",
	"net.spec=mlp:width=8,depth=1 train.batch=300000 train.shards=4096 train.accumulate=2 objective.spec=dsm",
	("net.spec=unet:width=16,mult=1:2,blocks=1 data.spec=digits train.batch=32 objective.spec=dsm train.sample-every=1 "
	 "sample.steps=2 sample.n=256 sample.batch=128"),
	"net.spec=unet:width=16,mult=1:2,blocks=1 data.spec=digits train.batch=64 train.shards=4 objective.spec=lcss model.precision=float64"};

/* Between 0.9 and 1.1 of what was said, plus what is not counted: the program's own pages, the graph, a thread's stack, and what
 * the allocator keeps: 4 MB. */
START_TEST(against_the_system)
{
	double before = resident(), said, grown;
	sf_memory m;
	sf_config *c;
	sf_trainer *t;
	char settings[500];

	if (!counted())
		return;
	snprintf(settings, sizeof settings, "train.steps=2 %s", large[_i]);
	c = configured(settings);
	sf_ctx_set_threads(ctx, 2);
	assert_ok(ctx, sf_trainer_new(ctx, c, in_folder("run"), 0, 0, &t));
	sf_trainer_memory(t, &m);
	assert_ok(ctx, sf_trainer_run(t, NULL, NULL, NULL));
	said = m.total;
	grown = resident() - before;
	sf_trainer_free(t);
	sf_config_free(c);
	ck_assert_msg(said > 2e7, "%g bytes say little", said);
	if (getenv("SCOREFIELD_TEST_SHOW"))
		fprintf(stderr, "%d: said %.1f MiB (%.1f %.1f %.1f %.1f), grew %.1f MiB\n", _i, said / 1048576, m.weights / 1048576,
		        m.activations / 1048576, m.data / 1048576, m.previews / 1048576, grown / 1048576);
	ck_assert_msg(grown > .9 * said && grown < 1.1 * said + 4e6, "said %.4g bytes, grew by %.4g", said, grown);
}
END_TEST

/* ---- limits ---- */
static void put_text(const char *name, const char *text)
{
	char path[1200], *at;

	snprintf(path, sizeof path, "%s/%s", in_folder("root"), name);
	for (at = path + strlen(in_folder("root")); (at = strchr(at + 1, '/'));) {
		*at = '\0';
		mkdir(path, 0777);
		*at = '/';
	}
	put_file(path, text, strlen(text));
}

START_TEST(limits) /* the least of memory and control groups, of both versions and of the groups around */
{
	const char *root = in_folder("root");
	sf_limits l;

	mkdir(root, 0777);
	root = in_folder("root");
	sf_limits_read(root, &l); /* nothing can be read */
	ck_assert(l.most == 0 && l.free == 0);
	put_text("proc/meminfo", "MemTotal:       16000000 kB\nMemFree: 1 kB\nMemAvailable:    9000000 kB\n");
	sf_limits_read(root, &l);
	ck_assert(l.most == 16000000. * 1024 && l.free == 9000000. * 1024);
	ck_assert_ptr_nonnull(strstr(l.what, "machine"));
	/* version 2: the group has none, the one around has 4 GB, 1.5 GB in use, of which 1 GB can go */
	put_text("proc/self/cgroup", "0::/outer/inner\n");
	put_text("sys/fs/cgroup/outer/inner/memory.max", "max\n");
	put_text("sys/fs/cgroup/outer/memory.max", "4000000000\n");
	put_text("sys/fs/cgroup/outer/memory.current", "1500000000\n");
	put_text("sys/fs/cgroup/outer/memory.stat", "anon 3\ninactive_file 1000000000\nslab 4\n");
	sf_limits_read(root, &l);
	ck_assert(l.most == 4e9 && l.free == 3.5e9);
	ck_assert_ptr_nonnull(strstr(l.what, "control group"));
	put_text("sys/fs/cgroup/outer/inner/memory.max", "3000000000\n");
	put_text("sys/fs/cgroup/outer/inner/memory.current", "2900000000\n");
	sf_limits_read(root, &l);
	ck_assert(l.most == 3e9 && l.free == 1e8);
	/* version 1, in a container that does not see the group's path */
	put_text("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/far/away\n0::/\n");
	put_text("sys/fs/cgroup/memory/memory.limit_in_bytes", "2000000000\n");
	put_text("sys/fs/cgroup/memory/memory.usage_in_bytes", "500000000\n");
	put_text("sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 100000000\n");
	sf_limits_read(root, &l);
	ck_assert(l.most == 2e9 && l.free == 1.6e9);
	put_text("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"); /* none */
	sf_limits_read(root, &l);
	ck_assert(l.most == 16000000. * 1024 && l.free == 9000000. * 1024);
	put_text("proc/self/cgroup", "nonsense\n:\n::\n");
	put_text("proc/meminfo", "MemTotal: many\nMemAvailable:\n");
	sf_limits_read(root, &l);
	ck_assert(l.most == 0 && l.free == 0);
}
END_TEST

START_TEST(this_machine)
{
	sf_limits l;
	struct rlimit r;

	sf_limits_read("", &l);
	ck_assert(l.most >= 0 && l.free >= 0);
	ck_assert_int_eq(getrlimit(RLIMIT_DATA, &r), 0);
	r.rlim_cur = 123456789;
	ck_assert_int_eq(setrlimit(RLIMIT_DATA, &r), 0);
	sf_limits_read("", &l);
	ck_assert(l.most == 123456789);
	ck_assert_ptr_nonnull(strstr(l.what, "ulimit -d"));
}
END_TEST

static char said[600];
static int said_level;
static void keep_line(void *user, int level, const char *line)
{
	(void)user;
	said_level = level;
	snprintf(said, sizeof said, "%s", line);
}

START_TEST(rule) /* refused above the most, with what helps; a warning above what is free; the key goes on */
{
	static const struct {
		const char *settings, *helps, *not;
		int threads;
	} row[] = {{"", "train.recompute=blocks", "accumulate", 1},
	           {"train.recompute=blocks", "more train.shards than 8", "recompute", 1},
	           {"", "fewer threads than 2", "accumulate", 2},
	           {"", "recompute", "threads", 1},
	           {"train.shards=16", "fewer threads", "more train.shards", 2},
	           {"net.spec=affine train.batch=4096 train.shards=4", "train.accumulate up to 4", "smaller", 1},
	           {"net.spec=affine train.batch=4096 train.shards=4 train.accumulate=4", "more train.shards", "accumulate up", 1}};
	sf_limits l = {0, 0, "the machine's memory"};
	size_t i;

	sf_ctx_set_log(ctx, keep_line, NULL);
	for (i = 0; i < sizeof row / sizeof row[0]; i++) {
		sf_config *c = configured(row[i].settings);
		sf_memory m;
		sf_setup s;

		sf_ctx_set_threads(ctx, row[i].threads);
		assert_ok(ctx, sf_setup_open(ctx, c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &s));
		assert_ok(ctx, sf_memory_measure(&s, &m));
		l.most = m.total - 1;
		ck_assert_int_eq(sf_memory_fits(&s, &m, &l), SF_ENOMEM);
		ck_assert_msg(strstr(sf_ctx_message(ctx), row[i].helps) && !strstr(sf_ctx_message(ctx), row[i].not), "%d: %s", (int)i,
		              sf_ctx_message(ctx));
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "the machine's memory; less is needed with "));
		ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "memory-check=false"));
		l.most = m.total;
		said[0] = '\0';
		assert_ok(ctx, sf_memory_fits(&s, &m, &l));
		ck_assert_str_eq(said, "");
		l.free = m.total - 1;
		assert_ok(ctx, sf_memory_fits(&s, &m, &l));
		ck_assert_int_eq(said_level, SF_LOG_WARNING);
		ck_assert_ptr_nonnull(strstr(said, "free now"));
		assert_ok(ctx, sf_config_set(c, "train.memory-check=false"));
		l.most = 1;
		assert_ok(ctx, sf_memory_fits(&s, &m, &l));
		l.most = l.free = 0; /* nothing is known */
		said[0] = '\0';
		assert_ok(ctx, sf_memory_fits(&s, &m, &l));
		ck_assert_str_eq(said, "");
		sf_setup_close(&s);
		sf_config_free(c);
	}
}
END_TEST

START_TEST(refused) /* by a run, before anything is made */
{
	struct rlimit r;

	if (!counted()) /* what sanitizers take is more */
		return;
	ck_assert_int_eq(getrlimit(RLIMIT_DATA, &r), 0);
	r.rlim_cur = 300000000;
	ck_assert_int_eq(setrlimit(RLIMIT_DATA, &r), 0);
	ck_assert_int_eq(train("net.spec=mlp:width=3000,depth=3", "run", 0, 0, 1), SF_ENOMEM);
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "training needs "));
	ck_assert_ptr_nonnull(strstr(sf_ctx_message(ctx), "286 MiB of its data (ulimit -d)"));
	ck_assert_int_eq(count_files(in_folder("")), 0);
	assert_ok(ctx, train("", "run", 0, 0, 1));
}
END_TEST

START_TEST(words)
{
	static const double GIB = 1073741824.;
	sf_memory m;
	char text[300];

	memset(&m, 0, sizeof m);
	m.weights = .9 * GIB;
	m.activations = 2 * GIB;
	m.data = .2 * GIB;
	m.total = 3.1 * GIB;
	m.threads = 2;
	sf_memory_print(&m, text, sizeof text);
	ck_assert_str_eq(text, "3.1 GiB (weights, gradient, moments and averages 922 MiB, activations 2.0 GiB for 2 threads, "
	                 "data 205 MiB)");
	m.threads = 1;
	m.previews = 100;
	sf_memory_print(&m, text, sizeof text);
	ck_assert_ptr_nonnull(strstr(text, "for 1 thread,"));
	ck_assert_ptr_nonnull(strstr(text, ", previews 100 bytes)"));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("memory");
	TCase *tc = tcase_create("memory");

	tcase_add_checked_fixture(tc, train_setup, train_teardown);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, parts);
	tcase_add_loop_test(tc, against_the_system, 0, sizeof large / sizeof large[0]);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, this_machine);
	tcase_add_test(tc, rule);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, words);
	suite_add_tcase(suite, tc);
	return sf_test_main(suite);
}
