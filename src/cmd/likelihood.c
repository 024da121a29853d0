/* likelihood.c: negative log-likelihoods of a trained network (scorefield/likelihood.h), record by record and in the
 * mean.
 *
 * The density is that of the stored values: nll = -log p(x) + d ln scale for network values x = (v - shift)/scale.
 * Records of a generator begin where training does not come; pass p of record i has noise of its own.
 *
 * Models of latents: the bound reconstruction - entropy + cross entropy, with the latter by the flow of the latents, or as the
 * integral over times that training lessens. Decoders of grey levels give probabilities, whose nll has no d ln scale.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cmd/states.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FLOW, ELBO };
enum { AUTO, EXACT, HUTCHINSON, NONE };
enum { CHUNK = 256, MODEST = 16 /* dimensions up to which auto takes the exact trace */, PASSES = 255, PARTS = 4 };
static const int64_t unseen = INT64_C(1) << 40; /* first record of a generator */
static const char *const methods[] = {"flow", "elbo"};
static const char *const parts[3][PARTS] = {{"logp", "prior", "divergence", "velocity"},
                                            {"logp", "prior", "diffusion", "reconstruction"},
                                            {"logp", "reconstruction", "entropy", "cross"}};

struct opts {
	common common;
	char *data, *solver, *latents, *output, *ema;
	int64_t n, first, passes, probes, times;
	double start;
	int trace, probe, bound, raw;
};
#define AT(member) offsetof(struct opts, member)

static const option options[] = {
	OPTION(0, "SPEC", "data", "records to measure (default: the run's data)", SF_OPT_STRING, AT(data), NULL, 0, 0),
	OPTION('n', "N", "number", "records (default: 256, or all if there are fewer)", SF_OPT_INT, AT(n), NULL, 1, 1e9),
	OPTION(0, "I", "first", "first record", SF_OPT_INT, AT(first), "0", 0, 1e9),
	OPTION(0, "P", "passes", "passes over the records, each with noise of its own, averaged record by record",
	       SF_OPT_INT, AT(passes), "1", 1, PASSES),
	CHOICE(0, "bound", "the density of the probability-flow ODE, or the variational bound; of models of latents the bound with the "
	       "ODE's density of the latents, or with their cross entropy", AT(bound), "flow", "flow|elbo"),
	CHOICE(0, "trace", "flow: the divergence; auto is exact up to 16 dimensions; none: latents alone", AT(trace), "auto",
	       "auto|exact|hutchinson|none"),
	OPTION(0, "K", "probes", "hutchinson: probes a record", SF_OPT_INT, AT(probes), "1", 1, 1e6),
	CHOICE(0, "probe", "hutchinson: their law", AT(probe), "rademacher", "rademacher|normal"),
	OPTION(0, "SPEC", "solver", "flow: rk45 with its options", SF_OPT_STRING, AT(solver), "rk45", 0, 0),
	OPTION(0, "K", "times", "elbo: times a record", SF_OPT_INT, AT(times), "128", 1, 1e6),
	OPTION(0, "T", "start", "time at which the data are put in (default: the process's smallest of training)",
	       SF_OPT_DOUBLE, AT(start), NULL, 0, 1e9),
	WEIGHT_OPTIONS(AT(ema), AT(raw)),
	OPTION(0, "FILE.npy", "latents", "flow: write the states at the process's end, for sample --decode", SF_OPT_STRING,
	       AT(latents), NULL, 0, 0),
	OPTION('o', "FILE.csv", "output", "write the numbers of each record", SF_OPT_STRING, AT(output), NULL, 0, 0),
	OPTION_END
};

typedef struct work {
	sf_ctx *ctx;
	const struct opts *o;
	model m;
	sf_data *data;
	sf_view view;
	int64_t n, d, states; /* records, their numbers, numbers of a whole state */
	int levels;           /* the nll is that of grey levels, not of a density */
	double (*value)[PARTS]; /* (n) sums over passes */
	double *exact;          /* (n) -log of the data's own density, or NULL */
	double *latent;         /* (n,states) or NULL */
	double nfe;
	int64_t steps;
	progress line;
	double began;
	int64_t done;
} work;

static int observe(void *user, int64_t step, double t, int64_t n, const double *x)
{
	work *w = user;

	(void)t;
	(void)n;
	(void)x;
	progress_show(&w->line, 0, "records %lld/%lld  step %lld  %.0f s", (long long)w->done,
	              (long long)(w->n * w->o->passes), (long long)step, now() - w->began);
	return 0;
}

static int open_data(work *w)
{
	const char *spec = w->o->data ? w->o->data : sf_config_get(w->m.config, "data.spec");
	const sf_data_info *m = &w->m.setup.info, *info;
	int i, same, rc = sf_data_new(w->ctx, spec, &w->data);

	if (rc < 0)
		return rc;
	info = sf_data_describe(w->data);
	same = info->rank == m->rank;
	for (i = 0; i < m->rank && same; i++)
		same = info->dim[i] == m->dim[i];
	if (!same)
		return fail(STATUS_INPUT,
		            "data '%s' have %lld numbers a record, the network was trained on %lld in another shape or "
		            "number", spec, (long long)info->size, (long long)m->size);
	w->view = w->m.setup.view; /* the scaling that the network was trained with */
	w->view.data = w->data;
	w->view.seed = (uint64_t)(w->o->common.seed >= 0 ? w->o->common.seed : 0);
	w->d = m->size;
	w->states = w->m.setup.model.size * sf_process_blocks(w->m.setup.process);
	w->levels = w->m.coder && sf_vae_made(w->m.setup.vae)->likelihood != SF_VAE_GAUSSIAN;
	w->n = w->o->n > 0 ? w->o->n : 256;
	if (info->n && w->o->first >= info->n)
		return fail(STATUS_INPUT, "likelihood: --first %lld: the data have %lld records", (long long)w->o->first,
		            (long long)info->n);
	if (info->n && w->n > info->n - w->o->first) {
		if (w->o->n > 0)
			return fail(STATUS_INPUT, "likelihood: --number %lld: the data have %lld records from %lld on", (long long)w->n,
			            (long long)(info->n - w->o->first), (long long)w->o->first);
		w->n = info->n - w->o->first;
	}
	return 0;
}

static int64_t record(const work *w, int64_t i)
{
	return (sf_data_describe(w->data)->n ? 0 : unseen) + w->o->first + i;
}

/* -log p of the data themselves, where it has a closed form. */
static int measure_exact(work *w)
{
	double *v = malloc((size_t)w->d * sizeof *v), logp;
	int64_t i;
	int rc = v && (w->exact = malloc((size_t)w->n * sizeof *w->exact)) ? 0 : fail(STATUS_INPUT, "out of memory");

	for (i = 0; rc == 0 && i < w->n; i++) {
		sf_data_read(w->data, record(w, i), v, NULL);
		rc = sf_data_logp(w->data, v, 1, 0, &logp, NULL);
		w->exact[i] = -logp;
	}
	free(v);
	if (rc != SF_EUNSUP)
		return rc;
	free(w->exact);
	w->exact = NULL;
	return 0;
}

static void ask_for(work *w, int64_t from, int64_t pass, int64_t count, sf_likelihood_run *run)
{
	const struct opts *o = w->o;
	static const int random[] = {SF_TRACE_RADEMACHER, SF_TRACE_NORMAL};

	sf_likelihood_defaults(run);
	run->n = count;
	run->first_sample = (uint64_t)(o->first + from) + ((uint64_t)pass << 40);
	run->seed = w->view.seed;
	run->solver = o->solver;
	run->start = o->start;
	run->trace = o->trace == NONE ? SF_TRACE_NONE
	             : o->trace == EXACT || (o->trace == AUTO && w->m.setup.model.size <= MODEST) ? SF_TRACE_EXACT : random[o->probe];
	run->probes = o->probes;
	run->observe = observe;
	run->user = w;
}

/* Records from .. from+count of one pass. */
static int measure_some(work *w, int64_t from, int64_t pass, int64_t count, double *x)
{
	sf_sample_report report = {0};
	sf_likelihood_run run;
	sf_nelbo_terms nelbo[CHUNK];
	sf_bound bound[CHUNK];
	sf_logp logp[CHUNK];
	int label[CHUNK], rc = 0;
	int64_t i;

	for (i = 0; i < count; i++) {
		if (w->levels)
			sf_view_read(&w->view, record(w, from + i), x + i * w->d, &label[i]);
		else
			sf_view_spread(&w->view, record(w, from + i), (uint32_t)pass, x + i * w->d, &label[i]);
	}
	if (w->m.setup.model.classes > 0)
		rc = sf_model_score_labels(w->m.score, count, label);
	ask_for(w, from, pass, count, &run);
	if (rc == 0 && w->m.coder)
		rc = sf_nelbo(w->m.setup.vae, w->m.coder, w->m.score, &run, w->o->bound == ELBO ? w->o->times : 0, x, nelbo,
		              w->latent ? w->latent + from * w->states : NULL, &report);
	else if (rc == 0 && w->o->bound == ELBO)
		rc = sf_likelihood_bound(w->m.score, &run, w->o->times, x, bound);
	else if (rc == 0)
		rc = sf_likelihood(w->m.score, &run, x, logp, w->latent ? w->latent + from * w->states : NULL, &report);
	for (i = 0; rc == 0 && i < count; i++) {
		double *v = w->value[from + i];

		if (w->m.coder) {
			v[0] -= nelbo[i].nelbo;
			v[1] += nelbo[i].reconstruction;
			v[2] += nelbo[i].entropy;
			v[3] += nelbo[i].cross;
			continue;
		}
		v[0] += w->o->bound == ELBO ? bound[i].logp : logp[i].logp;
		v[1] += w->o->bound == ELBO ? bound[i].prior : logp[i].prior;
		v[2] += w->o->bound == ELBO ? bound[i].diffusion : logp[i].divergence;
		v[3] += w->o->bound == ELBO ? bound[i].reconstruction : logp[i].velocity;
	}
	w->nfe += report.nfe * (double)count / (double)(w->n * w->o->passes);
	w->steps = report.steps > w->steps ? report.steps : w->steps;
	w->done += count;
	return rc;
}

static int measure(work *w)
{
	int64_t from, pass, count, i;
	double *x = malloc((size_t)CHUNK * (size_t)w->d * sizeof *x);
	int k, rc = 0;

	w->value = calloc((size_t)w->n, sizeof *w->value);
	if (w->o->latents)
		w->latent = malloc((size_t)w->n * (size_t)w->states * sizeof *w->latent);
	if (!x || !w->value || (w->o->latents && !w->latent))
		rc = fail(STATUS_INPUT, "out of memory for %lld records", (long long)w->n);
	progress_start(&w->line, w->o->common.quiet);
	w->began = now();
	for (pass = 0; rc == 0 && pass < w->o->passes; pass++)
		for (from = 0; rc == 0 && from < w->n; from += count) {
			count = w->n - from < CHUNK ? w->n - from : CHUNK;
			rc = measure_some(w, from, pass, count, x);
		}
	progress_clear(&w->line);
	if (w->o->bound == ELBO)
		w->nfe = (double)(w->m.coder ? w->o->times : w->o->times + w->o->times / 8 + 1);
	for (i = 0; rc == 0 && i < w->n; i++)
		for (k = 0; k < PARTS; k++)
			w->value[i][k] /= (double)w->o->passes;
	free(x);
	return rc;
}

/* ---- what is printed ---- */

/* nll of record i in units of the stored values */
static double nll(const work *w, int64_t i)
{
	return -w->value[i][0] + (w->levels ? 0 : (double)w->d * log(w->view.scale));
}

static double bits(const work *w, int64_t i)
{
	return nll(w, i) / (double)w->d / log(2);
}

static double zero(const work *w, int64_t i)
{
	(void)w;
	(void)i;
	return 0;
}

static double own(const work *w, int64_t i)
{
	return w->exact[i];
}

/* Mean of a - b over the records, and its standard error. */
static double mean(const work *w, double (*a)(const work *, int64_t), double (*b)(const work *, int64_t), double *se)
{
	double sum = 0, square = 0, n = (double)w->n;
	int64_t i;

	for (i = 0; i < w->n; i++)
		sum += (a(w, i) - b(w, i)) / n;
	for (i = 0; i < w->n; i++)
		square += (a(w, i) - b(w, i) - sum) * (a(w, i) - b(w, i) - sum);
	*se = w->n > 1 ? sqrt(square / (n - 1) / n) : NAN;
	return sum;
}

static int is_bound(const work *w)
{
	return w->m.coder || w->o->bound == ELBO || sf_process_blocks(w->m.setup.process) == 2;
}

/* The mean of each part of a bound by latents. */
static void print_terms(const work *w)
{
	double sum[PARTS] = {0}, rest = nll(w, 0) + w->value[0][0]; /* d ln scale, or 0 */
	int64_t i;
	int k;

	for (i = 0; i < w->n; i++)
		for (k = 0; k < PARTS; k++)
			sum[k] += w->value[i][k] / (double)w->n;
	out("reconstruction %.6g, entropy %.6g, cross entropy %.6g: KL %.6g\n", sum[1] + rest, sum[2], sum[3], sum[3] - sum[2]);
}

static void print(const work *w)
{
	double se, v = mean(w, nll, zero, &se);
	int grey = sf_data_describe(w->data)->levels;
	const char *sign = is_bound(w) ? "<=" : "=";

	out("nll %s %.6g +- %.2g nats a record", sign, v, se);
	if (grey) {
		v = mean(w, bits, zero, &se);
		out(", %.6g +- %.2g bits a dimension", v, se);
	}
	out("\n");
	if (w->o->common.quiet)
		return;
	if (w->m.coder)
		print_terms(w);
	if (w->exact) {
		out("the data's own density: %.6g nats", mean(w, own, zero, &se));
		v = mean(w, nll, own, &se);
		out(", excess %.3g +- %.2g\n", v, se);
	}
	out("%lld records of %lld numbers, %.4g evaluations each, %.1f s\n", (long long)w->n, (long long)w->d, w->nfe,
	    now() - w->began);
}

static const char *const *part_names(const work *w)
{
	return parts[w->m.coder ? 2 : w->o->bound];
}

static json_t *json_parts(const work *w)
{
	json_t *all = json_object();
	double sum;
	int64_t i;
	int k;

	for (k = 0; k < PARTS; k++) {
		for (sum = 0, i = 0; i < w->n; i++)
			sum += w->value[i][k] / (double)w->n;
		json_object_set_new(all, part_names(w)[k], json_number(sum));
	}
	return all;
}

static int print_json(const work *w, const char *path)
{
	static const char *const traces[] = {"exact", "rademacher", "normal", "none"};
	double se, bits_se, v = mean(w, nll, zero, &se), b = mean(w, bits, zero, &bits_se), ignored;
	int grey = sf_data_describe(w->data)->levels, flow = w->o->bound == FLOW, probes;
	sf_likelihood_run run;
	work copy = *w;

	ask_for(&copy, 0, 0, 1, &run);
	probes = run.trace == SF_TRACE_RADEMACHER || run.trace == SF_TRACE_NORMAL;
	return out_json(json_pack(
		"{s:s, s:s, s:s, s:I, s:I, s:I, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:f, s:f, s:o}", "run", path,
		"checkpoint", w->m.checkpoint, "data", sf_spec(w->data), "records", (json_int_t)w->n, "dimensions",
		(json_int_t)w->d,
		"passes", (json_int_t)w->o->passes, "method", methods[w->o->bound], "bound", is_bound(w), "trace",
		flow ? json_string(traces[run.trace]) : json_null(), "probes",
		flow && probes ? json_integer((json_int_t)w->o->probes) : json_null(), "solver",
		flow ? json_string(w->o->solver) : json_null(), "nll", json_number(v), "se", json_number(se), "bits_per_dim",
		grey ? json_number(b) : json_null(), "bits_se", grey ? json_number(bits_se) : json_null(), "exact",
		w->exact ? json_number(mean(w, own, zero, &ignored)) : json_null(), "scale", w->view.scale, "nfe", w->nfe, "parts",
		json_parts(w)));
}

static void csv_number(sf_text *t, double v)
{
	if (isfinite(v)) /* an empty field where there is no number */
		sf_text_add(t, ",%.9g", v);
	else
		sf_text_add(t, ",");
}

static int write_csv(const work *w)
{
	sf_text t = {NULL, 0, 0, 0};
	int grey = sf_data_describe(w->data)->levels, k, rc;
	int64_t i;

	sf_text_add(&t, "record,nll,bits_per_dim,exact");
	for (k = 0; k < PARTS; k++)
		sf_text_add(&t, ",%s", part_names(w)[k]);
	for (i = 0; i < w->n; i++) {
		sf_text_add(&t, "\n%lld", (long long)(w->o->first + i));
		csv_number(&t, nll(w, i));
		csv_number(&t, grey ? bits(w, i) : NAN);
		csv_number(&t, w->exact ? w->exact[i] : NAN);
		for (k = 0; k < PARTS; k++)
			csv_number(&t, w->value[i][k]);
	}
	sf_text_add(&t, "\n");
	rc = t.failed ? fail(STATUS_INPUT, "out of memory") : sf_file_write(w->ctx, w->o->output, t.s, t.len);
	free(t.s);
	return rc;
}

/* ---- the command ---- */

static int check(const struct opts *o)
{
	if (o->trace == NONE && (o->bound == ELBO || !o->latents))
		return fail(STATUS_USAGE, "likelihood: --trace none computes latents: give --latents FILE.npy");
	if (o->bound == ELBO && o->latents)
		return fail(STATUS_USAGE, "likelihood: --latents come from the flow, not from the variational bound");
	if (o->latents && (o->passes > 1 || isfinite(o->start)))
		return fail(STATUS_USAGE,
		            "likelihood: --latents are those of one pass from the default start, where sample --decode ends");
	return 0;
}

static int report(work *w, const char *path)
{
	int rc = w->o->output ? write_csv(w) : 0;

	if (rc == 0 && w->latent)
		rc = states_write(w->ctx, &w->m, w->o->latents, w->n, w->latent);
	if (rc == 0 && w->o->common.json)
		return print_json(w, path);
	if (rc == 0 && w->o->trace != NONE)
		print(w);
	else if (rc == 0 && !w->o->common.quiet)
		out("%s: %lld latents, %.4g evaluations each, %.1f s\n", w->o->latents, (long long)w->n, w->nfe, now() - w->began);
	return rc;
}

static int run(sf_ctx *ctx, const void *options_given, int n, char **word)
{
	const struct opts *o = options_given;
	model_request want;
	work w;
	int rc = check(o);

	(void)n;
	if (rc)
		return rc;
	memset(&want, 0, sizeof want);
	memset(&w, 0, sizeof w);
	w.ctx = ctx;
	w.o = o;
	want.path = word[0];
	want.raw = o->raw;
	want.ema = o->ema;
	want.no_sampler = 1;
	rc = model_open(ctx, &o->common, &want, &w.m);
	if (rc)
		return rc;
	rc = open_data(&w);
	if (rc == 0)
		rc = measure_exact(&w);
	if (rc == 0)
		rc = measure(&w);
	if (rc == 0)
		rc = report(&w, word[0]);
	free(w.value);
	free(w.exact);
	free(w.latent);
	sf_data_free(w.data);
	model_close(&w.m);
	return rc;
}

const command likelihood_command = {
	"likelihood",
	"Measure the likelihood of data under a trained network",
	"RUN|CHECKPOINT",
	"The nll is -log p of the stored values, by the probability-flow ODE, or a bound on it (<=). Grey levels are\n"
	"spread over their cells; of a generator, records are taken that training does not come to. Models of latents\n"
	"always give a bound; with logistic and Bernoulli decoders it is that of the grey levels themselves.\n",
	options,
	sizeof(struct opts),
	1,
	1,
	run};
