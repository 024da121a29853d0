/* sample.c: draws samples from a trained network: options, classes, guidance, known parts, trajectories.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/film.h"
#include "cmd/sample.h"
#include "cmd/states.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define AT(member) offsetof(sample_opts, member)

static const option options[] = {
	OPTION('n', "N", "number", "samples to draw", SF_OPT_INT, AT(n), "64", 1, 1e9),
	OPTION('o', "FILE", "output",
	       "FILE.png, FILE.npy, FILE.npz or DIR/ (default: samples.png or .npy in the run)",
	       SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION(0, "SPEC", "sampler", "sampler (default: the configuration's)", SF_OPT_STRING,
	       AT(sampler), NULL, 0, 0),
	OPTION(0, "SPEC", "grid", "time grid (default: the configuration's, or the sampler's own)",
	       SF_OPT_STRING, AT(grid), NULL, 0, 0),
	OPTION(0, "N", "steps", "steps of the sampler", SF_OPT_INT, AT(steps), NULL, 1, 1e6),
	OPTION(0, "N", "nfe",
	       "evaluations of the network per sample, instead of --steps; with --all-samplers a list like 10,20,50",
	       SF_OPT_LIST, AT(nfe), "", 1, 1e6),
	OPTION(0, NULL, "all-samplers",
	       "draw by every sampler that accepts the process, at each --nfe: a picture each in DIR/, and a table",
	       SF_OPT_BOOL, AT(all), "false", 0, 0),
	OPTION(0, "I", "first",
	       "index of the first sample: -n 10 --first 30 draws samples 30 to 39 of a longer run",
	       SF_OPT_INT, AT(first), "0", 0, 281474976710655.0),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	VAE_OPTION(AT(vae)),
	OPTION(0, "K:K:...", "labels", "classes, used in turn (default: all in turn)", SF_OPT_LIST,
	       AT(labels), "", -1, 1e6),
	OPTION(0, "W", "guidance",
	       "classifier-free guidance: s(x|none) + W (s(x|class) - s(x|none)); 1 is none (the default)", SF_OPT_DOUBLE,
	       AT(guidance), NULL, -1e300, 1e300),
	OPTION(0, "SIGMA", "teleport",
	       "begin at noise level sigma/alpha = SIGMA, led there from the prior by the closed form of a Gaussian model", SF_OPT_DOUBLE,
	       AT(teleport), NULL, 0, 1e12),
	OPTION(0, "FILE|SPEC", "gaussian",
	       "teleport: the model, a file of scorefield fit or a score (default: fitted to the run's data)", SF_OPT_STRING,
	       AT(gaussian), NULL, 0, 0),
	OPTION(0, NULL, "all-steps", "teleport: spend all steps below SIGMA instead of leaving out those above", SF_OPT_BOOL,
	       AT(all_steps), "false", 0, 0),
	OPTION(0, "FILE", "inpaint", "fill in around the known part of FILE.png or FILE.npy (samples in turn); needs --mask",
	       SF_OPT_STRING, AT(inpaint), NULL, 0, 0),
	OPTION(0, "FILE", "mask", "FILE.png or FILE.npy: white, or not 0, is known", SF_OPT_STRING, AT(mask), NULL, 0, 0),
	OPTION(0, "FILE", "trajectory",
	       "states from noise to data: FILE.npy, FILE.npz with the times, or FILE.png for images (--cols frames)",
	       SF_OPT_STRING, AT(trajectory), NULL, 0, 0),
	OPTION(0, "FILE.npy", "decode", "start from latents (likelihood --latents), by rk45 unless --sampler names another ODE method",
	       SF_OPT_STRING, AT(decode), NULL, 0, 0),
	OPTION(0, "N", "between", "decode: N samples on the great circle from each latent to the next, both ends counted",
	       SF_OPT_INT, AT(between), NULL, 2, 1e6),
	OPTION(0, "N", "zoom", "grid: size of a pixel; 0 makes tiles of at least 40 pixels",
	       SF_OPT_INT, AT(zoom), "0", 0, 64),
	OPTION(0, "N", "cols", "grid: columns; 0 is near square", SF_OPT_INT, AT(cols), "0", 0,
	       10000),
	OPTION(0, NULL, "force", "write into a directory that exists", SF_OPT_BOOL, AT(force),
	       "false", 0, 0),
	OPTION_END
};

/* Classes in turn by the sample's index, so that a part of a longer run has the same ones. */
static int make_labels(const sample_opts *o, const model *m, int32_t **label)
{
	int64_t i;
	int classes = m->setup.model.classes;

	*label = NULL;
	if (o->labels.n && !classes)
		return fail(STATUS_INPUT,
		            "sample: --labels: this model was trained without classes");
	if (!classes)
		return 0;
	for (i = 0; i < o->labels.n; i++)
		if (o->labels.v[i] >= classes || o->labels.v[i] != (double)(int)o->labels.v[i])
			return fail(STATUS_INPUT,
			            "sample: --labels: %g is not a class (0 to %d, -1 for none)",
			            o->labels.v[i], classes - 1);
	*label = malloc((size_t)o->n * sizeof **label);
	if (!*label)
		return fail(STATUS_INPUT, "out of memory");
	for (i = 0; i < o->n; i++)
		(*label)[i] = o->labels.n ? (int32_t)o->labels.v[(o->first + i) % o->labels.n]
		                          : (int32_t)((o->first + i) % classes);
	return 0;
}

static int draw(sf_ctx *ctx, const sample_opts *o, model *m, const target *to, const int32_t *label)
{
	sf_sample_report report = {0};
	double *x = NULL, start = now();
	char saved[64] = "";
	int rc = 0;

	if ((double)o->n * (double)m->setup.info.size > 1e10 ||
	    !(x = malloc((size_t)o->n * (size_t)m->setup.info.size * sizeof *x)))
		return fail(STATUS_INPUT, "%lld samples do not fit into memory; draw them in parts with --first",
		            (long long)o->n);
	rc = model_sample(m, o->common.quiet, o->n, (uint64_t)o->first, label, x, &report);
	if (rc == 0) {
		model_unscale(m, o->n * m->setup.info.size, x);
		rc = target_write(ctx, o, m, to, x, label);
	}
	if (rc == 0 && m->film)
		rc = film_write(ctx, m->film, o->trajectory, o->cols, o->zoom);
	if (m->teleport && report.saved > 0)
		snprintf(saved, sizeof saved, "%.4g saved by teleportation", report.saved);
	if (rc == 0 && o->common.json)
		rc = out_json(json_pack("{s:s, s:I, s:s, s:s, s:I, s:f, s:o, s:f, s:f}", "file", to->path,
		                        "samples", (json_int_t)o->n, "checkpoint", m->checkpoint,
		                        "sampler", sf_spec(m->setup.sampler), "steps",
		                        (json_int_t)report.steps, "nfe", report.nfe, "nfe_saved",
		                        json_number(report.saved), "start", report.start, "seconds", now() - start));
	else if (rc == 0 && !o->common.quiet)
		out("%s: %lld samples, %s, %.4g evaluations each%s%s, %.1f s\n", to->path,
		    (long long)o->n, sf_spec(m->setup.sampler), report.nfe, *saved ? ", " : "", saved, now() - start);
	free(x);
	return rc;
}

static int sample(sf_ctx *ctx, const sample_opts *o, model *m, const char *operand)
{
	known_part known = {{NULL, NULL, 0}, NULL, NULL};
	int32_t *label = NULL;
	target to;
	sf_score *teleport = NULL;
	film f;
	int rc = o->all ? 0 : target_find(o, m, operand, &to);

	film_open(&f, m, o->n);
	if (rc == 0 && o->trajectory)
		rc = film_check(m, o->trajectory);
	if (rc == 0)
		rc = make_labels(o, m, &label);
	if (rc == 0 && !isnan(o->guidance))
		rc = model_guide(m, o->guidance);
	if (rc == 0 && !isnan(o->teleport))
		rc = teleport_open(ctx, m, o->gaussian, &teleport);
	if (rc == 0 && o->inpaint && m->coder)
		rc = fail(STATUS_INPUT, "sample: --inpaint: parts of a picture are no parts of its latents, which this sampler moves");
	if (rc == 0 && o->inpaint)
		rc = known_read(ctx, m, o->inpaint, o->mask, &known);
	if (rc == 0) {
		m->known = o->inpaint ? &known.known : NULL;
		m->film = o->trajectory ? &f : NULL;
		m->teleport = teleport;
		m->skip = o->teleport;
		m->all_steps = o->all_steps;
		if (o->nfe.n && !o->all)
			m->steps = model_steps(m, (int64_t)o->nfe.v[0]);
		rc = o->all ? sample_all(ctx, o, m, label) : draw(ctx, o, m, &to, label);
	}
	m->teleport = NULL;
	sf_score_free(teleport);
	film_close(&f);
	known_free(&known);
	free(label);
	return rc;
}

/* Options that exclude or need each other. */
static int check_options(const sample_opts *o)
{
	int i;

	if (o->steps > 0 && o->nfe.n)
		return fail(STATUS_USAGE, "sample: --steps and --nfe exclude each other");
	for (i = 0; i < o->nfe.n; i++)
		if (o->nfe.v[i] != floor(o->nfe.v[i]))
			return fail(STATUS_USAGE, "sample: --nfe: %g is not a whole number", o->nfe.v[i]);
	if (!o->inpaint != !o->mask)
		return fail(STATUS_USAGE, "sample: --inpaint and --mask need each other");
	if (!o->all && o->nfe.n > 1)
		return fail(STATUS_USAGE, "sample: several numbers for --nfe need --all-samplers");
	if (o->all && (o->sampler || o->steps > 0 || o->trajectory))
		return fail(STATUS_USAGE, "sample: --all-samplers excludes --sampler, --steps and --trajectory");
	if (isnan(o->teleport) && (o->gaussian || o->all_steps))
		return fail(STATUS_USAGE, "sample: --gaussian and --all-steps are for --teleport SIGMA");
	if (!isnan(o->teleport) && o->decode)
		return fail(STATUS_USAGE, "sample: --decode excludes --teleport");
	if (o->between > 0 && !o->decode)
		return fail(STATUS_USAGE, "sample: --between is for latents: give --decode FILE.npy");
	if (o->decode && (o->all || o->inpaint || o->first))
		return fail(STATUS_USAGE, "sample: --decode excludes --all-samplers, --inpaint and --first");
	if (o->all && !o->output)
		return fail(STATUS_USAGE, "sample: --all-samplers needs -o DIR/");
	return 0;
}

/* As many samples as there are latents, and a row of the grid from one to the next. */
static int decode(sf_ctx *ctx, const sample_opts *o, model *m, const char *operand)
{
	sample_opts own = *o;
	double *u = NULL;
	int rc;

	if (sf_sampler_stochastic(m->setup.sampler))
		return fail(STATUS_INPUT, "sample: --decode: sampler '%s' adds noise; expected one that follows the ODE, as rk45",
		            sf_spec(m->setup.sampler));
	rc = states_read(ctx, m, o->decode, o->between, &own.n, &u);
	if (o->between > 0 && o->cols == 0)
		own.cols = o->between;
	m->latents = u;
	if (rc == 0)
		rc = sample(ctx, &own, m, operand);
	m->latents = NULL;
	free(u);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const sample_opts *o = options_given;
	model_request want;
	model m;
	int rc = check_options(o);

	(void)n;
	if (rc)
		return rc;
	memset(&want, 0, sizeof want);
	want.path = word[0];
	want.sampler = o->decode && !o->sampler ? "rk45" : o->sampler;
	want.grid = o->grid;
	want.steps = o->steps;
	want.raw = o->raw;
	want.ema = o->ema;
	want.vae = o->vae;
	want.no_sampler = o->all;
	rc = model_open(ctx, &o->common, &want, &m);
	if (rc)
		return rc;
	rc = (o->decode ? decode : sample)(ctx, o, &m, word[0]);
	model_close(&m);
	return rc;
}

const command sample_command = {
	"sample",
	"Draw samples from a trained network",
	"RUN|CHECKPOINT",
	"FILE.npy holds float32 on the scale of the stored data; FILE.npz \"samples\" as bytes for "
	"images;\n"
	"FILE.png a grid; DIR/ one PNG an image. Sample i depends on the seed and its index alone, "
	"not on\n"
	"-n or --threads. A file is replaced, a directory only with --force.\n"
	"--guidance counts two evaluations a step (one for W = 0 or 1), and --nfe counts both.\n",
	options,
	sizeof(sample_opts),
	1,
	1,
	run};
