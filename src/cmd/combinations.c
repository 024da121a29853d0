/* combinations.c: which objectives, processes and parametrisations go together, as the library's one rule says
 * (sf_objective_accepts), asked of every triple.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cmd.h"

#include <stdlib.h>
#include <string.h>

typedef struct asked {
	sf_ctx *ctx;
	sf_net *net;
	sf_model m;
} asked;

static int open_model(sf_ctx *ctx, asked *a)
{
	int rc;

	memset(a, 0, sizeof *a);
	a->ctx = a->m.ctx = ctx;
	a->m.rank = 1;
	a->m.dim[0] = a->m.size = 2;
	a->m.sigma_data = .5;
	a->m.classes = 10; /* labels do not stand in the way here */
	rc = sf_net_new(ctx, "mlp", &a->net);
	a->m.net = a->net;
	return rc;
}

/* 0 or the refusal's code; its text is the context's message. */
static int ask(asked *a, const sf_objective *o, const char *process, int param)
{
	sf_process *p;
	int rc = sf_process_new(a->ctx, process, &p);

	if (rc < 0)
		return rc;
	a->m.process = p;
	a->m.param = param;
	rc = sf_objective_accepts(o, &a->m);
	sf_process_free(p);
	return rc;
}

/* Whether some parametrisation fits. */
static int some(asked *a, const sf_objective *o, const char *process)
{
	int i;

	for (i = 0; sf_param_names()[i]; i++)
		if (ask(a, o, process, i) == 0)
			return 1;
	return 0;
}

static int overview(asked *a, int json)
{
	const sf_class *const *o, *const *p;
	json_t *list = json ? json_array() : NULL;

	if (!json) {
		out("  %-12s", "");
		for (p = sf_members("process"); *p; p++)
			out(" %s", (*p)->name);
		out("\n");
	}
	for (o = sf_members("objective"); *o; o++) {
		json_t *fits = json ? json_array() : NULL;
		sf_objective *made;

		if (sf_objective_new(a->ctx, (*o)->name, &made) < 0) {
			json_decref(fits);
			json_decref(list);
			return fail(STATUS_INPUT, "%s", sf_ctx_message(a->ctx));
		}
		if (!json)
			out("  %-12s", (*o)->name);
		for (p = sf_members("process"); *p; p++) {
			int yes = some(a, made, (*p)->name);

			if (!json)
				out(" %*s", (int)strlen((*p)->name), yes ? "yes" : "-");
			else if (yes)
				json_array_append_new(fits, json_string((*p)->name));
		}
		sf_objective_free(made);
		if (json)
			json_array_append_new(list, json_pack("{s:s, s:o}", "objective", (*o)->name, "processes", fits));
		else
			out("\n");
	}
	if (json)
		return out_json(json_pack("{s:o}", "combinations", list));
	out("'scorefield list combinations OBJECTIVE' shows parametrisations, and the reason for each '-'.\n");
	return 0;
}

static int details(asked *a, const sf_objective *o, int json)
{
	const char *const *names = sf_param_names();
	const sf_class *const *p;
	json_t *list = json ? json_array() : NULL;
	int i;

	for (p = sf_members("process"); *p; p++) {
		json_t *fits = json ? json_array() : NULL;
		int n = 0;

		if (!json)
			out("  %-12s", (*p)->name);
		for (i = 0; names[i]; i++) {
			if (ask(a, o, (*p)->name, i) < 0)
				continue;
			n++;
			if (json)
				json_array_append_new(fits, json_string(names[i]));
			else
				out(" %s", names[i]);
		}
		if (!n) /* the message against the one that most things take */
			ask(a, o, (*p)->name, SF_PARAM_EPS);
		if (!json && n)
			out("\n");
		else if (!json)
			out(" - %s\n", sf_ctx_message(a->ctx));
		else
			json_array_append_new(list, json_pack("{s:s, s:o, s:s}", "process", (*p)->name, "parametrisations", fits,
			                                      "reason", n ? "" : sf_ctx_message(a->ctx)));
	}
	if (json)
		return out_json(json_pack("{s:s, s:o}", "objective", sf_spec(o), "combinations", list));
	return 0;
}

int list_combinations(sf_ctx *ctx, const common *opts, const char *objective)
{
	sf_objective *o = NULL;
	asked a;
	int rc = open_model(ctx, &a);

	if (rc == 0 && objective)
		rc = sf_objective_new(ctx, objective, &o);
	if (rc == 0)
		rc = o ? details(&a, o, opts->json) : overview(&a, opts->json);
	sf_objective_free(o);
	sf_net_free(a.net);
	return rc;
}
