/* inspect_config.c: what a configuration needs, or a table of what several need.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/cost.h"
#include "cmd/inspect.h"
#include "cmd/step.h"

#include <string.h>

enum { TEXT = 32 };

static const char *get(const sf_config *c, const char *key)
{
	const char *v = sf_config_get(c, key);

	return v ? v : "";
}

/* 61804419 -> "61,804,419" */
static const char *grouped(int64_t v, char text[TEXT])
{
	char digits[TEXT];
	int n = snprintf(digits, sizeof digits, "%lld", (long long)v), i, k = 0;

	for (i = 0; i < n && k + 2 < TEXT; i++) {
		if (i && (n - i) % 3 == 0)
			text[k++] = ',';
		text[k++] = digits[i];
	}
	text[k] = '\0';
	return text;
}

static const char *bytes(double v, char text[TEXT])
{
	format_bytes(v, text, TEXT);
	return text;
}

/* Configuration, objects and cost of a preset with --set; the caller frees and closes both. */
static int look(sf_ctx *ctx, const inspect_options *o, const char *name, sf_config **c, sf_setup *s, cost *need)
{
	int i, rc = step_config(ctx, &o->common, name, c);

	for (i = 0; rc == 0 && i < o->set.n; i++)
		rc = sf_config_set(*c, o->set.v[i]);
	if (rc == 0)
		rc = cost_open(ctx, *c, s, need);
	if (rc < 0) {
		sf_config_free(*c);
		*c = NULL;
	}
	return rc;
}

static json_t *json_cost(const char *name, const sf_config *c, const sf_setup *s, const cost *need)
{
	json_t *j = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:o, s:s, s:b}", "name", name, "data", get(c, "data.spec"), "net",
	                      sf_spec(s->net), "process", sf_spec(s->process), "objective", sf_spec(s->objective),
	                      "parameters", (json_int_t)need->parameters, "published",
	                      need->published ? json_integer(need->published) : json_null(), "source",
	                      get(c, "net.source"), "as_published", !cost_differs(need));

	json_object_set_new(j, "flops_per_image", json_real(need->step[0]));
	json_object_set_new(j, "forward_flops_per_image", json_real(need->forward));
	json_object_set_new(j, "batch", json_integer(need->batch));
	json_object_set_new(j, "weight_bytes", json_real(need->memory[0].weights));
	json_object_set_new(j, "image_bytes", json_real(need->image[0]));
	json_object_set_new(j, "image_bytes_recompute", json_real(need->image[1]));
	json_object_set_new(j, "bytes", json_real(need->memory[0].total));
	json_object_set_new(j, "bytes_recompute", json_real(need->memory[1].total));
	return j;
}

static int differs(const char *name, const cost *need)
{
	char have[TEXT], want[TEXT];

	if (!cost_differs(need))
		return 0;
	return fail(STATUS_NUMERIC, "%s: the network has %s parameters, published are %s", name, grouped(need->parameters, have),
	            grouped(need->published, want));
}

/* ---- one ---- */

static void print_one(const sf_config *c, const sf_setup *s, const cost *need)
{
	const char *shape = get(c, "data.shape"), *source = get(c, "net.source");
	char a[TEXT], b[TEXT], text[256];

	out("data        %s%s%s\n", get(c, "data.spec"), *shape ? ", " : "", shape);
	out("net         %s\n", sf_spec(s->net));
	if (s->vae)
		out("latents     %lld numbers, %s, %s\n", (long long)s->model.size, sf_vae_made(s->vae)->encoder,
		    sf_vae_made(s->vae)->decoder);
	out("process     %s\n", sf_spec(s->process));
	out("objective   %s\n", sf_spec(s->objective));
	out("parameters  %s", grouped(need->parameters, a));
	if (need->published)
		out(cost_differs(need) ? ", published are %s" : ", as published", grouped(need->published, b));
	out("%s%s%s\n", *source ? " (" : "", source, *source ? ")" : "");
	out("work        %.4g GFLOP an image for the network, %.4g for loss and gradient in %d operations\n", need->forward * 1e-9,
	    need->step[0] * 1e-9, need->nodes);
	sf_memory_print(&need->memory[0], text, sizeof text);
	out("memory      needs %s for steps of %lld; %s an image in flight\n", text, (long long)need->batch,
	    bytes(need->image[0], a));
	if (need->image[1] < .99 * need->image[0])
		out("            needs %s with train.recompute=blocks, %s an image in flight, %.4g GFLOP an image\n",
		    bytes(need->memory[1].total, a), bytes(need->image[1], b), need->step[1] * 1e-9);
}

int inspect_config(sf_ctx *ctx, const inspect_options *o, const char *name)
{
	sf_config *c = NULL;
	sf_setup s;
	cost need;
	int rc = look(ctx, o, name, &c, &s, &need);

	if (rc)
		return rc;
	if (o->common.json)
		rc = out_json(json_cost(name, c, &s, &need));
	else
		print_one(c, &s, &need);
	if (rc == 0)
		rc = differs(name, &need);
	sf_setup_close(&s);
	sf_config_free(c);
	return rc;
}

/* ---- a table ---- */

static void print_head(void)
{
	out("%s%-26s %-10s %12s %12s    %9s %9s %10s %10s %10s %10s %10s  %s%s\n", paint('b'), "preset", "network", "parameters",
	    "published", "forward", "step", "weights", "image", "recomp.", "needs", "recomp.", "source", paint(0));
	out("%-26s %-10s %12s %12s    %9s %9s\n", "", "", "", "", "GFLOP", "GFLOP");
}

static void print_row(const char *name, const sf_config *c, const sf_setup *s, const cost *need)
{
	const char *net = sf_spec(s->net);
	char a[TEXT], b[TEXT], d[5][TEXT];

	out("%-26s %-10.*s %12s ", name, (int)strcspn(net, ":"), net, grouped(need->parameters, a));
	out("%12s %s%s%s ", need->published ? grouped(need->published, b) : "", paint(cost_differs(need) ? 'r' : 'g'),
	    cost_differs(need) ? "!=" : need->published ? "= " : "  ", paint(0));
	out("%9.4g %9.4g %10s %10s %10s %10s %10s  %s\n", need->forward * 1e-9, need->step[0] * 1e-9,
	    bytes(need->memory[0].weights, d[0]), bytes(need->image[0], d[1]), bytes(need->image[1], d[2]),
	    bytes(need->memory[0].total, d[3]), bytes(need->memory[1].total, d[4]), get(c, "net.source"));
}

static int add_row(sf_ctx *ctx, const inspect_options *o, const char *name, json_t *list, int *wrong)
{
	sf_config *c = NULL;
	sf_setup s;
	cost need;
	int rc = look(ctx, o, name, &c, &s, &need);

	if (rc < 0) {
		char message[600];

		snprintf(message, sizeof message, "%s", sf_ctx_message(ctx));
		return fail(STATUS_INPUT, "%s: %s", name, message);
	}
	if (rc)
		return rc;
	*wrong += cost_differs(&need);
	if (list)
		json_array_append_new(list, json_cost(name, c, &s, &need));
	else
		print_row(name, c, &s, &need);
	sf_setup_close(&s);
	sf_config_free(c);
	return 0;
}

int inspect_table(sf_ctx *ctx, const inspect_options *o, int n, const char *const *name)
{
	json_t *list = o->common.json ? json_array() : NULL;
	int i, wrong = 0, rc = 0;

	if (!list)
		print_head();
	for (i = 0; rc == 0 && i < n; i++)
		rc = add_row(ctx, o, name[i], list, &wrong);
	if (rc == 0 && list)
		rc = out_json(json_pack("{s:O}", "presets", list));
	json_decref(list);
	if (rc == 0 && !list && !o->common.quiet)
		out("GFLOP: of one image, a multiply-add being two; forward: the network, step: with loss and gradient. needs: weights,\n"
		    "moments, gradient and activations of a step with the preset's batch on %d threads; recomp.: with recomputation.\n",
		    sf_ctx_threads(ctx));
	if (rc == 0 && wrong)
		rc = fail(STATUS_NUMERIC, "%d of %d networks do not have the published number of parameters", wrong, n);
	return rc;
}
