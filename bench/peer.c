/* peer.c: the process that times the same work in another framework.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "bench/bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

struct peer {
	FILE *to, *from;
	pid_t pid;
};

struct peer *peer_open(const char *command, char *versions, size_t size)
{
	struct peer *p = calloc(1, sizeof *p);
	int out[2] = {-1, -1}, in[2] = {-1, -1};

	versions[0] = '\0';
	if (!p || pipe(out) != 0 || pipe(in) != 0) {
		free(p);
		return NULL;
	}
	p->pid = fork();
	if (p->pid == 0) {
		dup2(out[0], 0);
		dup2(in[1], 1);
		close(out[1]);
		close(in[0]);
		execl("/bin/sh", "sh", "-c", command, (char *)NULL);
		_exit(127);
	}
	close(out[0]);
	close(in[1]);
	p->to = fdopen(out[1], "w");
	p->from = fdopen(in[0], "r");
	if (p->pid < 0 || !p->to || !p->from || !fgets(versions, (int)size, p->from)) {
		fprintf(stderr, "bench: no peer: '%s' did not start\n", command);
		peer_close(p);
		return NULL;
	}
	versions[strcspn(versions, "\n")] = '\0';
	return p;
}

double peer_time(struct peer *p, const char *request)
{
	char line[200];

	if (!p || fprintf(p->to, "%s\n", request) < 0 || fflush(p->to) != 0 || !fgets(line, sizeof line, p->from))
		return NAN;
	return strncmp(line, "no", 2) == 0 ? NAN : strtod(line, NULL);
}

void peer_close(struct peer *p)
{
	if (!p)
		return;
	if (p->to)
		fclose(p->to);
	if (p->from)
		fclose(p->from);
	if (p->pid > 0)
		waitpid(p->pid, NULL, 0);
	free(p);
}
