/* main.c: scorefield beside PyTorch as one table.
 *
 *     bench [--peer COMMAND] [--only TEXT] [--seconds S] [--threads N] [--device DEVICE] [GROUP...]
 *
 * GROUP is kernels, models, scaling or memory, all without one, or device, which is run where it is asked for. Markdown on standard
 * output.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

enum { TRIES = 3 };
static const double steady = .93; /* of the best peak seen */

static void rate(double value, const char *unit, char *text, size_t size)
{
	static const char prefix[] = " kMGT";
	int i = 0;

	while (value >= 1000 && i < 4) {
		value /= 1000;
		i++;
	}
	snprintf(text, size, "%.3g %s%.1s%s", value, i ? "" : "", i ? &prefix[i] : "", unit);
}

static void print_row(const bench *b, const row *r)
{
	char mine[60], yours[60] = "", ratio[20] = "", peak[20] = "";
	int bytes = r->unit && strcmp(r->unit, "bytes") == 0;

	if (bytes) {
		rate(r->ours, "B", mine, sizeof mine);
		if (!isnan(r->theirs))
			rate(r->theirs, "B", yours, sizeof yours);
	} else if (r->items > 0) {
		rate(r->items / r->ours, "/s", mine, sizeof mine);
		if (!isnan(r->theirs))
			rate(r->items / r->theirs, "/s", yours, sizeof yours);
	} else {
		snprintf(mine, sizeof mine, "%.1f GFLOP/s", 1e-9 * r->flop / r->ours);
		if (!isnan(r->theirs))
			snprintf(yours, sizeof yours, "%.1f", 1e-9 * r->flop / r->theirs);
	}
	if (!isnan(r->theirs))
		snprintf(ratio, sizeof ratio, "%.2f", bytes ? r->ours / r->theirs : r->theirs / r->ours);
	if (r->flop > 0 && b->peak > 0)
		snprintf(peak, sizeof peak, "%.2f", 1e-9 * r->flop / r->ours / b->peak);
	printf("| %s | %s | %s | %s | %s | %s |\n", r->group, r->what, mine, yours, ratio, peak);
	fflush(stdout);
}

/* A group with the peak before and after it; thrown away where the machine was not steady. */
static int group(bench *b, int (*run)(bench *b), const char *name)
{
	int i, k, first = b->n;

	for (i = 0; i < TRIES; i++) {
		double before = bench_peak(b->ctx, &b->copy), after;

		b->peak = fmax(b->peak, before);
		b->n = first;
		if (run(b))
			return 1;
		after = bench_peak(b->ctx, &b->copy);
		b->peak = fmax(b->peak, after);
		if (before > steady * b->peak && after > steady * b->peak)
			break;
		fprintf(stderr, "bench: %s: the machine's peak was %.0f before and %.0f after, %.0f at best; %s\n", name, before,
		        after, b->peak, i + 1 < TRIES ? "again" : "kept, but doubtful");
	}
	for (k = first; k < b->n; k++)
		print_row(b, &b->rows[k]);
	return 0;
}

static void heading(const bench *b, const char *versions)
{
	char date[40] = "", model[200] = "unknown processor", line[300];
	struct utsname u;
	time_t now = time(NULL);
	struct tm day;
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, "model name", 10) == 0 && strchr(line, ':')) {
			snprintf(model, sizeof model, "%s", strchr(line, ':') + 2);
			model[strcspn(model, "\n")] = '\0';
			break;
		}
	if (f)
		fclose(f);
	if (gmtime_r(&now, &day))
		strftime(date, sizeof date, "%Y-%m-%d", &day);
	uname(&u);
	printf("%s, %s, %s %s, %d threads, kernels %s, device %s. scorefield %s%s%s.\n\n", date, model, u.sysname, u.machine,
	       sf_ctx_threads(b->ctx), sf_ctx_isa(b->ctx), sf_ctx_device(b->ctx), sf_version(), *versions ? "; " : "", versions);
	printf("| what | case | scorefield | peer | ratio | of peak |\n| --- | --- | --- | --- | --- | --- |\n");
}

static int usage(void)
{
	fputs("usage: bench [--peer COMMAND] [--only TEXT] [--seconds S] [--threads N] [--device DEVICE] "
	      "[kernels|models|scaling|memory|device]...\n", stderr);
	return 1;
}

static int wanted(int argc, char **argv, int first, const char *name)
{
	int i;

	for (i = first; i < argc; i++)
		if (strcmp(argv[i], name) == 0)
			return 1;
	return first == argc && strcmp(name, "device") != 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*run)(bench *b);
	} groups[] = {{"kernels", bench_kernels}, {"models", bench_models}, {"scaling", bench_scaling}, {"device", bench_device}};
	const char *command = NULL;
	char versions[200] = "";
	bench b;
	int i, rc = 0;
	size_t k;

	memset(&b, 0, sizeof b);
	b.seconds = 1;
	if (argc == 3 && strcmp(argv[1], "--child") == 0)
		return bench_memory_child(argv[2]);
	if (sf_ctx_new(&b.ctx) < 0)
		return 1;
	for (i = 1; i + 1 < argc && strncmp(argv[i], "--", 2) == 0; i += 2) {
		if (strcmp(argv[i], "--peer") == 0)
			command = argv[i + 1];
		else if (strcmp(argv[i], "--only") == 0)
			b.only = argv[i + 1];
		else if (strcmp(argv[i], "--seconds") == 0)
			b.seconds = strtod(argv[i + 1], NULL);
		else if (strcmp(argv[i], "--threads") == 0)
			sf_ctx_set_threads(b.ctx, atoi(argv[i + 1]));
		else if (strcmp(argv[i], "--device") == 0) {
			if (sf_ctx_set_device(b.ctx, argv[i + 1]) < 0) {
				fprintf(stderr, "bench: %s\n", sf_ctx_message(b.ctx));
				return 1;
			}
		}
		else
			return usage();
	}
	if (i < argc && argv[i][0] == '-')
		return usage();
	if (command && *command)
		b.peer = peer_open(command, versions, sizeof versions);
	heading(&b, versions);
	for (k = 0; k < sizeof groups / sizeof *groups && rc == 0; k++)
		if (wanted(argc, argv, i, groups[k].name))
			rc = group(&b, groups[k].run, groups[k].name);
	peer_close(b.peer);
	if (rc == 0 && wanted(argc, argv, i, "memory")) {
		int first = b.n;

		rc = bench_memory(&b, argv[0], b.peer ? command : NULL);
		for (; first < b.n; first++)
			print_row(&b, &b.rows[first]);
	}
	printf("\nmultiply-add peak %.0f GFLOP/s\n", b.peak);
	if (b.copy > 0)
		printf("a copy in the device's memory reads and writes %.0f GB/s\n", b.copy);
	free(b.rows);
	sf_ctx_free(b.ctx);
	return rc;
}
