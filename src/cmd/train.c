/* train.c: trains a preset or a configuration file into a run directory.
 *
 * SIGINT and SIGTERM set a flag that the trainer looks at between steps: it writes a checkpoint,
 * and the program ends with status 4. A second signal ends it at once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/plot.h"
#include "cmd/profile.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct opts {
	common common;
	char *output, *comm;
	words set;
	int resume, force, profile;
};
#define AT(member) offsetof(struct opts, member)
static const option options[] = {
	OPTION('o', "RUN", "output", "run directory (default: runs/PRESET)", SF_OPT_STRING,
	       AT(output), NULL, 0, 0),
	OPTION(0, "SECTION.KEY=VALUE", "set",
	       "change the configuration; may be given many times (keys: scorefield "
	       "list config)",
	       OPTION_MANY, AT(set), NULL, 0, 0),
	OPTION(0, NULL, "resume", "continue from the run's last checkpoint", SF_OPT_BOOL,
	       AT(resume), "false", 0, 0),
	OPTION(0, NULL, "force", "write over a run directory that exists", SF_OPT_BOOL, AT(force),
	       "false", 0, 0),
	OPTION(0, "COMM", "comm", "how ranks that train together meet: auto (local or nccl where SCOREFIELD_RANKS is above 1), null, local or nccl",
	       SF_OPT_STRING, AT(comm), "auto", 0, 0),
	OPTION(0, NULL, "profile", "show at the end where the time went, by kind of work", SF_OPT_BOOL, AT(profile),
	       "false", 0, 0),
	OPTION_END
};

static volatile int stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

static void catch_signals(void)
{
	struct sigaction act;

	memset(&act, 0, sizeof act);
	act.sa_handler = on_signal;
	act.sa_flags = (int)SA_RESETHAND;
	sigemptyset(&act.sa_mask);
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

typedef struct show {
	progress line;
	const struct opts *o;
	sf_ctx *ctx;
	const char *dir;
	char checkpoint[1200], samples[1024]; /* the newest */
	int64_t step;
	double loss, seconds;
	sf_profile profile;
} show;

static int on_progress(void *user, const sf_progress *p)
{
	show *s = user;
	char eta[32];

	s->step = p->step;
	s->loss = p->average;
	s->seconds = p->seconds;
	if (p->samples) {
		snprintf(s->samples, sizeof s->samples, "%s", p->samples);
		plot_loss_of_run(s->ctx, s->dir);
	}
	format_seconds(p->eta, eta, sizeof eta);
	progress_show(&s->line, p->step == p->steps && !p->checkpoint,
	              "step %lld/%lld  %.4g images/s  loss %.5g  ETA %s", (long long)p->step,
	              (long long)p->steps, p->images_per_second, p->average, eta);
	return 0;
}

/* A run that goes on keeps its own configuration; the operand says where it came from. */
static int configure(const struct opts *o, sf_config *c, const char *name, const char *dir)
{
	char line[64], own[1100];
	int i, rc = sf_config_preset(c, name);
	struct stat st;

	snprintf(own, sizeof own, "%s/config.ini", dir);
	if (rc == 0 && o->resume && stat(own, &st) == 0)
		rc = sf_config_read(c, own);

	for (i = 0; rc == 0 && i < o->set.n; i++)
		rc = sf_config_set(c, o->set.v[i]);
	if (rc == 0 && o->common.seed >= 0) {
		snprintf(line, sizeof line, "train.seed=%lld", (long long)o->common.seed);
		rc = sf_config_set(c, line);
	}
	if (rc == 0 && precision_name(&o->common)) {
		snprintf(line, sizeof line, "model.precision=%s", precision_name(&o->common));
		rc = sf_config_set(c, line);
	}
	return rc;
}

static void describe(const sf_trainer *t, const char *dir)
{
	const sf_setup *s = sf_trainer_setup(t);
	sf_memory m;
	char needs[300];

	sf_trainer_memory(t, &m);
	sf_memory_print(&m, needs, sizeof needs);
	out("%s: %s, %s, %s\n", dir, sf_spec(s->net), sf_spec(s->process), sf_spec(s->objective));
	out("data %s; %lld parameters; %.3g %s an image and step\n", sf_spec(s->data), (long long)s->params,
	    m.plan.flops * (m.plan.flops < 1e9 ? 1e-6 : 1e-9), m.plan.flops < 1e9 ? "MFLOP" : "GFLOP");
	out("needs %s\n", needs);
	fflush(stdout);
}

static int report(const struct opts *o, const show *s, const sf_setup *setup, const char *dir, int stopped)
{
	char time[32];

	if (o->common.json) {
		json_t *j = json_pack("{s:s, s:I, s:o, s:f, s:b, s:s, s:s}", "run", dir, "step",
		                      (json_int_t)s->step, "loss", json_number(s->loss),
		                      "seconds", s->seconds, "stopped", stopped, "checkpoint",
		                      s->checkpoint, "samples", s->samples);

		if (o->profile)
			json_object_set_new(j, "profile", profile_json(s->ctx, setup, &s->profile));
		return out_json(j);
	}
	if (o->profile)
		profile_print(s->ctx, setup, &s->profile);
	if (o->common.quiet)
		return 0;
	format_seconds(s->seconds, time, sizeof time);
	out("%s at step %lld after %s, loss %.5g\n", stopped ? "stopped" : "done",
	    (long long)s->step, time, s->loss);
	if (*s->checkpoint)
		out("checkpoint %s\n", s->checkpoint);
	if (*s->samples)
		out("pictures   %s\n", s->samples);
	if (stopped)
		out("continue with --resume\n");
	return 0;
}

static int train(sf_ctx *ctx, const struct opts *given, sf_config *c, const char *dir)
{
	const struct opts *o = given;
	struct opts silent = *given;
	sf_comm *comm = NULL;
	sf_trainer *t = NULL;
	show *s = calloc(1, sizeof *s);
	int rc, shown;

	if (!s)
		return fail(STATUS_INPUT, "out of memory");
	rc = sf_comm_new(ctx, o->comm, &comm);
	if (sf_comm_rank(comm) > 0) { /* what there is to say rank 0 says */
		silent.common.quiet = 1;
		silent.common.json = silent.profile = 0;
		o = &silent;
	}
	s->o = o;
	s->ctx = ctx;
	s->dir = dir;
	if (rc == 0)
		rc = sf_trainer_join(ctx, c, comm, dir, o->resume, o->force, &t);
	if (rc == 0 && o->profile)
		rc = sf_trainer_profile(t, &s->profile);
	if (rc == 0) {
		if (!o->common.quiet && !o->common.json)
			describe(t, dir);
		catch_signals();
		progress_start(&s->line, o->common.quiet);
		rc = sf_trainer_run(t, on_progress, s, &stop);
		progress_clear(&s->line);
	}
	if ((rc == 0 || rc == SF_ESTOPPED) && sf_comm_rank(comm) == 0) {
		(void)sf_run_latest(ctx, dir, s->checkpoint, sizeof s->checkpoint, NULL);
		shown = report(o, s, sf_trainer_setup(t), dir, rc == SF_ESTOPPED);
		rc = shown ? shown : rc;
	}
	sf_trainer_free(t);
	sf_comm_free(comm);
	free(s);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	const char *slash = strrchr(word[0], '/'), *base = slash ? slash + 1 : word[0];
	sf_config *c = NULL;
	char dir[1024];
	int rc;

	(void)n;
	if (o->resume && o->force)
		return fail(STATUS_USAGE, "train: --resume and --force exclude each other");
	if (o->output)
		rc = snprintf(dir, sizeof dir, "%s", o->output);
	else
		rc = snprintf(dir, sizeof dir, "runs/%.*s", (int)strcspn(base, "."), base);
	if (rc < 0 || (size_t)rc >= sizeof dir)
		return fail(STATUS_INPUT, "the run directory's name is too long");
	rc = sf_config_new(ctx, &c);
	if (rc == 0)
		rc = configure(o, c, word[0], dir);
	if (rc == 0)
		rc = train(ctx, o, c, dir);
	sf_config_free(c);
	return rc;
}

const command train_command = {
	"train",
	"Train a score network",
	"PRESET|FILE.ini",
	"The run directory holds config.ini (complete: train RUN/config.ini repeats the run), "
	"log.jsonl,\n"
	"checkpoints and sample grids. Ctrl-C or SIGTERM writes a checkpoint and ends with status "
	"4;\n"
	"--resume then continues to the same bytes as a run without a stop.\n"
	"Several processes with SCOREFIELD_RANKS=N and SCOREFIELD_RANK=0 .. N-1 train one network: each\n"
	"makes an equal part of every batch, rank 0 writes the files.\n",
	options,
	sizeof(struct opts),
	1,
	1,
	run};
