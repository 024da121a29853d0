/* check_parallel.c: training steps that ranks share: shares, sums, agreement, and whole runs against one process.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "comm_rig.h"

#include "comm/comm.h"

#include "device_rig.h"
#include "train/internal.h"
#include "train/parallel.h"
#include "train_rig.h"

#include <math.h>

/* ---- shares ---- */

/* sf_comm_rank and _ranks look at these alone. */
static sf_comm *pretend(int rank, int ranks)
{
	char spec[200];
	sf_comm *c;

	snprintf(spec, sizeof spec, "local:rank=0,ranks=1");
	assert_ok(ctx, sf_comm_new(ctx, spec, &c));
	c->rank = rank;
	c->ranks = ranks;
	return c;
}

static void give_up(sf_comm *c)
{
	c->rank = 0;
	c->ranks = 1;
	sf_comm_free(c);
}

/* With R dividing the shards, a rank's own cut is its piece of the whole's: shard i of S is [i B/S, (i+1) B/S). */
START_TEST(shares_are_parts_of_the_whole)
{
	int64_t batch, shards, k;
	int ranks, rank;

	for (ranks = 1; ranks <= 8; ranks++)
		for (batch = ranks; batch < 70; batch += ranks)
			for (shards = 1; shards <= batch && shards <= 32; shards *= 2) {
				int64_t next = 0;

				for (rank = 0; rank < ranks; rank++) {
					sf_comm *c = pretend(rank, ranks);
					sf_share s;

					assert_ok(ctx, sf_ranks_share(ctx, c, batch, shards, &s));
					ck_assert_int_eq(s.whole, batch);
					ck_assert_int_eq(s.first, next);
					ck_assert(s.n >= 1 && s.shards >= 1 && s.shards <= s.n);
					next += s.n;
					for (k = 0; shards % ranks == 0 && k <= s.shards; k++)
						ck_assert_int_eq(s.first + k * s.n / s.shards,
						                 (rank * s.shards + k) * batch / shards);
					give_up(c);
				}
				ck_assert_int_eq(next, batch);
			}
}
END_TEST

START_TEST(a_batch_must_be_shareable)
{
	sf_comm *c = pretend(1, 3);
	sf_share s;

	ck_assert_int_eq(sf_ranks_share(ctx, c, 20, 4, &s), SF_EINVAL);
	ck_assert_str_eq(sf_ctx_message(ctx), "a batch of 20 cannot be shared by 3 ranks; expected a multiple of their number");
	give_up(c);
	assert_ok(ctx, sf_ranks_share(ctx, NULL, 20, 4, &s));
	ck_assert(s.whole == 20 && s.first == 0 && s.n == 20 && s.shards == 4);
}
END_TEST

START_TEST(without_a_comm_nothing_happens)
{
	double mean[2] = {-0., 3}, was[2] = {-0., 3};
	int stop = 0;
	sf_ranks *r;
	float g = 1;

	assert_ok(ctx, sf_ranks_new(ctx, NULL, &r));
	ck_assert_ptr_null(r);
	assert_ok(ctx, sf_ranks_agree(r, 2, mean, &stop));
	ck_assert_mem_eq(mean, was, sizeof mean);
	ck_assert_int_eq(stop, 0);
	assert_ok(ctx, sf_ranks_sum(r, SF_F32, 1, &g, 1));
	assert_ok(ctx, sf_ranks_same(r, "configuration", "a"));
	assert_ok(ctx, sf_ranks_state(r, NULL));
	ck_assert_int_eq(sf_ranks_writes(r), 1);
	sf_ranks_fail(r);
	sf_ranks_free(r);
}
END_TEST

/* ---- agreement ---- */

static int agrees(sf_ctx *own, int rank, int ranks, int unused)
{
	static const double part[3] = {0.1, 0.2, 0.7};
	double mean[4], sum = (0.1 + 0.2) + 0.7;
	int stop = 0, turn;
	sf_comm *c;
	sf_ranks *r;

	(void)unused;
	MUST(own, rig_join(own, rank, ranks, &c));
	MUST(own, sf_ranks_new(own, c, &r));
	NEED(sf_ranks_writes(r) == (rank == 0));
	mean[0] = part[rank];
	mean[1] = rank == 1 ? NAN : 1;
	mean[2] = rank == 2 ? INFINITY : 1;
	mean[3] = rank;
	MUST(own, sf_ranks_agree(r, 4, mean, NULL));
	NEED(mean[0] == sum / 3 && isnan(mean[1]) && isinf(mean[2]) && mean[3] == 1);
	for (turn = 0; turn < 4; turn++) {
		stop = turn == rank;
		MUST(own, sf_ranks_agree(r, 0, NULL, &stop));
		NEED(stop == (turn < 3));
	}
	NEED(sf_ranks_agree(r, SF_RANKS_SAID + 1, mean, NULL) == SF_ERANGE);
	MUST(own, sf_ranks_same(r, "configuration", "the same"));
	NEED(sf_ranks_same(r, "configuration", rank == 2 ? "tha same" : "the same") == SF_EMISMATCH);
	NEED(strstr(sf_ctx_message(own), "rank 2 has another configuration than rank 0"));
	if (rank == 1) {
		sf_fail(own, SF_EDIVERGED, "step 7: the loss is not finite");
		sf_ranks_fail(r);
	} else {
		NEED(sf_ranks_agree(r, 0, mean, &stop) == SF_EIO);
		NEED(strstr(sf_ctx_message(own), "rank 1 stopped: step 7: the loss is not finite"));
	}
	sf_ranks_free(r);
	sf_comm_free(c);
	return 0;
}

START_TEST(ranks_agree)
{
	rig_ranks(3, agrees, 0);
}
END_TEST

static void fill(sf_state *st, int rank)
{
	double *buf[5];
	int64_t i;
	int k;

	buf[0] = st->param;
	buf[1] = st->ema;
	buf[2] = st->m;
	buf[3] = st->v;
	buf[4] = st->more[0];
	for (k = 0; k < 5; k++)
		for (i = 0; i < st->total; i++)
			buf[k][i] = 1000 * rank + 100 * k + (double)i;
	st->step = 5 + rank;
	st->loss_sum = .5 + rank;
	st->loss_n = 7 + rank;
	st->nonfinite = 9 + rank;
	for (k = 0; k < SF_TERMS; k++) {
		st->term[k].sum = 10 * k + rank;
		st->term[k].n = 20 + k + rank;
	}
}

static int gets_the_state(sf_ctx *own, int rank, int ranks, int unused)
{
	sf_state st, zero;
	sf_comm *c;
	sf_ranks *r;
	int k;

	(void)unused;
	MUST(own, rig_join(own, rank, ranks, &c));
	MUST(own, sf_ranks_new(own, c, &r));
	MUST(own, sf_state_new(own, SF_F64, 33, &st));
	MUST(own, sf_state_averages(own, &st, 2));
	MUST(own, sf_state_new(own, SF_F64, 33, &zero));
	MUST(own, sf_state_averages(own, &zero, 2));
	fill(&st, rank);
	fill(&zero, 0);
	MUST(own, sf_ranks_state(r, &st));
	NEED(memcmp(st.param, zero.param, 33 * sizeof(double)) == 0);
	NEED(memcmp(st.ema, zero.ema, 33 * sizeof(double)) == 0);
	NEED(memcmp(st.m, zero.m, 33 * sizeof(double)) == 0);
	NEED(memcmp(st.v, zero.v, 33 * sizeof(double)) == 0);
	NEED(memcmp(st.more[0], zero.more[0], 33 * sizeof(double)) == 0);
	NEED(st.step == 5 && st.loss_sum == .5 && st.loss_n == 7 && st.nonfinite == 9);
	for (k = 0; k < SF_TERMS; k++)
		NEED(st.term[k].sum == 10 * k && st.term[k].n == 20 + k);
	sf_state_free(&st);
	sf_state_free(&zero);
	sf_ranks_free(r);
	sf_comm_free(c);
	return 0;
}

START_TEST(the_state_is_that_of_rank_0)
{
	rig_ranks(2, gets_the_state, 0);
}
END_TEST

/* A gradient on a device, and a comm that knows none: more than one stage. */
static int sums_there(sf_ctx *own, int rank, int ranks, int unused)
{
	enum { N = 600001 };
	float *g = malloc(N * sizeof *g), *there;
	sf_comm *c;
	sf_ranks *r;
	int i;

	(void)unused;
	NEED(g);
	rig_device(own, SF_DEVICE_STRICT, 1);
	MUST(own, rig_join(own, rank, ranks, &c));
	MUST(own, sf_ranks_new(own, c, &r));
	there = sf_device_take(own, N * sizeof *there);
	NEED(there);
	for (i = 0; i < N; i++)
		g[i] = (float)(rank + 1) * (float)(i % 1000);
	MUST(own, sf_device_copy(own, there, g, N * sizeof *g));
	MUST(own, sf_ranks_sum(r, SF_F32, N, there, 1));
	MUST(own, sf_device_copy(own, g, there, N * sizeof *g));
	for (i = 0; i < N; i++)
		NEED(g[i] == 3 * (float)(i % 1000));
	sf_device_give(own, there);
	sf_ranks_free(r);
	sf_comm_free(c);
	free(g);
	return 0;
}

START_TEST(gradients_on_devices_are_summed_by_any_comm)
{
	rig_ranks(2, sums_there, 0);
}
END_TEST

/* ---- whole runs ---- */

struct way {
	const char *settings;
	int exact; /* gradients are sums over the batch as they are; else sums of such sums, which rank by rank have another order */
};
static const struct way ways[] = {
	{"", 1},
	{"objective.spec=dsm train.clip=0.1", 1},
	{"objective.spec=dsm model.precision=float64", 1},
	{"objective.spec=ssm", 0},
	{"objective.spec=dsm train.shards=16 train.batch=40 train.accumulate=2", 1},
};
enum { NO_COMM = 100, NULL_COMM, STEPS = 5 };

struct job {
	sf_config *c;
	sf_setup s;
	sf_batch *b;
	sf_share share;
	sf_state st;
	sf_ranks *r;
	FILE *out;
};

static size_t width(const struct job *j)
{
	return j->s.type == SF_F32 ? sizeof(float) : sizeof(double);
}

/* As src/train does it. Rank 0 alone draws the weights. */
static int begin(struct job *j, const char *settings, sf_comm *comm)
{
	const sf_settings *set;
	sf_batch_how how;

	j->c = configured(settings);
	set = sf_config_settings(j->c);
	MUST(ctx, sf_setup_open(ctx, j->c, SF_SETUP_DATA | SF_SETUP_OBJECTIVE, NULL, &j->s));
	MUST(ctx, sf_ranks_new(ctx, comm, &j->r));
	MUST(ctx, sf_ranks_share(ctx, comm, set->train.batch, set->train.shards, &j->share));
	memset(&how, 0, sizeof how);
	how.n = j->share.n;
	how.shards = j->share.shards;
	how.parts = set->train.accumulate;
	how.train = 1;
	MUST(ctx, sf_batch_plan(j->s.objective, &j->s.model, &how, &j->b));
	MUST(ctx, sf_batch_open(j->b));
	sf_batch_draw(j->b)->seed = (uint64_t)set->train.seed;
	MUST(ctx, sf_state_new(ctx, j->s.type, sf_param_total(sf_batch_graph(j->b)), &j->st));
	memset(j->st.param, 63, (size_t)j->st.total * width(j));
	if (sf_ranks_writes(j->r))
		sf_param_init(sf_batch_graph(j->b), 3, j->s.type, j->st.param);
	memcpy(j->st.ema, j->st.param, (size_t)j->st.total * width(j));
	MUST(ctx, sf_ranks_state(j->r, &j->st));
	return 0;
}

static int one_step(struct job *j, double *partial)
{
	const sf_settings *set = sf_config_settings(j->c);
	void *grad = sf_batch_gradient(j->b);
	double loss = 0, norm;
	int64_t part;

	for (part = 0; part < sf_batch_parts(j->b); part++) {
		MUST(ctx, sf_batch_part(j->b, part));
		sf_batch_draw(j->b)->first += (uint64_t)j->share.first;
		sf_batch_draw(j->b)->batch = j->share.whole;
		MUST(ctx, sf_step_read(&j->s, j->b, j->st.step));
		MUST(ctx, sf_batch_prepare(j->b));
		MUST(ctx, sf_batch_run(j->b, j->st.param, &loss));
	}
	MUST(ctx, sf_ranks_agree(j->r, 1, &loss, NULL));
	MUST(ctx, sf_ranks_sum(j->r, j->s.type, j->st.total, grad, 0));
	NEED(fwrite(grad, width(j), (size_t)j->st.total, j->out) == (size_t)j->st.total);
	NEED(fwrite(&loss, sizeof loss, 1, j->out) == 1);
	norm = sf_train_norm(ctx, j->s.type, j->st.total, grad, partial) / (double)set->train.batch;
	MUST(ctx, sf_train_update(ctx, set, &j->st, grad, sf_train_clip(set, norm) / (double)set->train.batch));
	return 0;
}

/* arg: the way, and more for a run without ranks. Gradient and loss of each step, then the weights, go to a file. */
static int trains(sf_ctx *own, int rank, int ranks, int arg)
{
	struct job j;
	sf_comm *c = NULL;
	double *partial;
	char path[400];
	int kind = arg / NO_COMM * NO_COMM, i;

	memset(&j, 0, sizeof j);
	ctx = own;
	if (kind == 0)
		MUST(own, rig_join(own, rank, ranks, &c));
	if (kind > NO_COMM)
		MUST(own, sf_comm_new(own, "null", &c));
	if (begin(&j, ways[arg % NO_COMM].settings, c))
		return 1;
	snprintf(path, sizeof path, "%s/run-%d.%d.%d", rig_folder, kind, ranks, rank);
	j.out = fopen(path, "wb");
	partial = malloc((size_t)(j.st.total / SF_TRAIN_TILE + 1) * sizeof *partial);
	NEED(j.out && partial);
	for (i = 0; i < STEPS; i++)
		if (one_step(&j, partial))
			return 1;
	NEED(fwrite(j.st.param, width(&j), (size_t)j.st.total, j.out) == (size_t)j.st.total);
	NEED(fwrite(j.st.ema, width(&j), (size_t)j.st.total, j.out) == (size_t)j.st.total);
	NEED(fwrite(&j.st.total, sizeof j.st.total, 1, j.out) == 1);
	NEED(fclose(j.out) == 0);
	free(partial);
	sf_state_free(&j.st);
	sf_batch_free(j.b);
	sf_ranks_free(j.r);
	sf_setup_close(&j.s);
	sf_config_free(j.c);
	sf_comm_free(c);
	return 0;
}

static unsigned char *result(int kind, int ranks, int rank, size_t *n)
{
	char path[400];
	unsigned char *p;

	snprintf(path, sizeof path, "%s/run-%d.%d.%d", rig_folder, kind, ranks, rank);
	assert_ok(ctx, sf_file_read(ctx, path, 1 << 26, &p, n));
	return p;
}

/* Losses of the runs, apart from which all is equal, may differ in the last digits: makes them equal where they are close. */
static void same_losses(unsigned char *a, unsigned char *b, size_t n, size_t width_of)
{
	int64_t total;
	int i;

	memcpy(&total, a + n - sizeof total, sizeof total);
	ck_assert_int_gt(total, 0);
	for (i = 0; i < STEPS; i++) {
		size_t at = (size_t)(i + 1) * (size_t)total * width_of + (size_t)i * sizeof(double);
		double x, y;

		memcpy(&x, a + at, sizeof x);
		memcpy(&y, b + at, sizeof y);
		assert_close(x, y, 1e-14, 0);
		memcpy(b + at, &x, sizeof x);
	}
}

static void equal_runs(int kind, int ranks, int rank, int loss_too, size_t width_of)
{
	size_t n, m;
	unsigned char *a = result(NO_COMM, 1, 0, &n), *b = result(kind, ranks, rank, &m);

	ck_assert_uint_eq(n, m);
	if (!loss_too)
		same_losses(a, b, n, width_of);
	for (m = 0; m < n && a[m] == b[m]; m++)
		;
	ck_assert_msg(m == n, "at byte %lu of %lu: rank %d of %d differs from one process", (unsigned long)m, (unsigned long)n, rank,
	              ranks);
	sf_free(a);
	sf_free(b);
}

/* The first step's gradient up to the order of its sum, and everything the same on all ranks. */
static void close_runs(int ranks)
{
	double error = 0, size = 0;
	unsigned char *a, *b, *other;
	int64_t total, i;
	size_t n, m;
	int r;

	a = result(NO_COMM, 1, 0, &n);
	b = result(0, ranks, 0, &m);
	ck_assert_uint_eq(n, m);
	for (r = 1; r < ranks; r++) {
		other = result(0, ranks, r, &m);
		ck_assert_uint_eq(n, m);
		ck_assert_mem_eq(b, other, n);
		sf_free(other);
	}
	memcpy(&total, a + n - sizeof total, sizeof total);
	for (i = 0; i < total; i++) {
		float x, y;

		memcpy(&x, a + (size_t)i * sizeof x, sizeof x);
		memcpy(&y, b + (size_t)i * sizeof y, sizeof y);
		error += ((double)x - y) * ((double)x - y);
		size += (double)x * x;
	}
	ck_assert_msg(size > 0 && sqrt(error / size) < 1e-6, "gradients differ by %g", sqrt(error / size));
	sf_free(a);
	sf_free(b);
}

START_TEST(ranks_train_to_the_same_bytes)
{
	size_t width_of = strstr(ways[_i].settings, "float64") ? sizeof(double) : sizeof(float);
	int ranks, r;

	rig_ranks(1, trains, _i + NO_COMM);
	rig_ranks(1, trains, _i + 2 * NO_COMM);
	equal_runs(2 * NO_COMM, 1, 0, 1, width_of);
	for (ranks = 1; ranks <= 4; ranks *= 2) {
		rig_ranks(ranks, trains, _i);
		if (ranks > 1 && !ways[_i].exact)
			close_runs(ranks);
		else
			for (r = 0; r < ranks; r++)
				equal_runs(0, ranks, r, ranks == 1, width_of);
	}
}
END_TEST

/* Five ranks of 8 shards: another order of the sum. */
START_TEST(any_number_of_ranks_sums_the_same_gradient)
{
	rig_ranks(1, trains, _i + NO_COMM);
	rig_ranks(5, trains, _i);
	close_runs(5);
}
END_TEST

static void open_all(void)
{
	ctx = ck_ctx();
	rig_open();
}

static void close_all(void)
{
	rig_close();
	sf_ctx_free(ctx);
}

int main(void)
{
	Suite *s = suite_create("parallel");
	TCase *c = tcase_create("parts");

	tcase_add_checked_fixture(c, open_all, close_all);
	tcase_add_test(c, shares_are_parts_of_the_whole);
	tcase_add_test(c, a_batch_must_be_shareable);
	tcase_add_test(c, without_a_comm_nothing_happens);
	tcase_add_test(c, ranks_agree);
	tcase_add_test(c, the_state_is_that_of_rank_0);
	tcase_add_test(c, gradients_on_devices_are_summed_by_any_comm);
	suite_add_tcase(s, c);
	c = tcase_create("runs");
	tcase_add_checked_fixture(c, open_all, close_all);
	tcase_add_loop_test(c, ranks_train_to_the_same_bytes, 0, (int)(sizeof ways / sizeof *ways));
	tcase_add_loop_test(c, any_number_of_ranks_sums_the_same_gradient, 0, 2);
	suite_add_tcase(s, c);
	return sf_test_main(s);
}
