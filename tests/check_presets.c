/* check_presets.c: presets of published settings: each parses and builds its parts without its data, its network has the
 * published number of parameters and the published work, and its training settings are the paper's.
 *
 * Counts: layer by layer from the public configurations (Song et al. 2021, 2011.13456; Karras et al. 2022, 2206.00364; Song and
 * Ermon 2020, 2006.09011). Multiply-adds: from the constructor of EDM's networks, in 10^9 to two decimals.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <scorefield.h>

#include "graph/graph.h"
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sf_ctx *ctx;
static sf_config *config;
static sf_setup s;

static void setup(void)
{
	ctx = ck_ctx();
	assert_ok(ctx, sf_config_new(ctx, &config));
}

static void teardown(void)
{
	sf_setup_close(&s);
	sf_config_free(config);
	sf_ctx_free(ctx);
}

static void says(int rc, int code, const char *word)
{
	ck_assert_msg(rc == code, "%d, expected %d: %s", rc, code, sf_ctx_message(ctx));
	ck_assert_msg(strstr(sf_ctx_message(ctx), word) != NULL, "'%s' lacks '%s'", sf_ctx_message(ctx), word);
}

static double number(const char *key)
{
	return strtod(sf_config_get(config, key), NULL);
}

static void fresh(const char *preset)
{
	sf_setup_close(&s);
	sf_config_free(config);
	assert_ok(ctx, sf_config_new(ctx, &config));
	assert_ok(ctx, sf_config_preset(config, preset));
}

static int opened(int needs)
{
	sf_setup_close(&s);
	return sf_setup_open(ctx, config, SF_SETUP_SHAPE | needs, NULL, &s);
}

/* ---- counts and settings as published ---- */
static const struct published {
	const char *preset;
	double parameters, batch, images; /* images: that training sees in all */
	double lr, warmup, ema;           /* warmup in images; ema: decay, 0 with a half-life */
	double clip;                      /* of our loss, half a sum over the image; 0: none */
	double sampling;                  /* steps; 0: the sampler's own */
} all[] = {
	/* score_sde: 5000 updates of warm-up; clip 1 of half the sum (ve) or of the mean over 3072 numbers (vp, sub-VP) */
	{"cifar10-ncsnpp", 62758787, 128, 128 * 1.3e6, 2e-4, 128 * 5e3, .999, 1, 1000},
	{"cifar10-ncsnpp-deep", 107586947, 128, 128 * .95e6, 2e-4, 128 * 5e3, .999, 1, 1000},
	{"cifar10-ncsnpp-discrete", 62693251, 128, 128 * 1.3e6, 2e-4, 128 * 5e3, .999, 1, 1000},
	{"cifar10-ddpmpp", 61804419, 128, 128 * 1.3e6, 2e-4, 128 * 5e3, .9999, 1536, 1000},
	{"cifar10-ddpmpp-deep", 106632579, 128, 128 * .95e6, 2e-4, 128 * 5e3, .9999, 1536, 1000},
	{"cifar10-ddpmpp-subvp", 61804419, 128, 128 * 1.3e6, 2e-4, 128 * 5e3, .9999, 1536, 1000},
	{"cifar10-ddpmpp-deep-subvp", 106632579, 128, 128 * .95e6, 2e-4, 128 * 5e3, .9999, 1536, 1000},
	{"cifar10-ddpmpp-discrete", 61804419, 128, 128 * 1.3e6, 2e-4, 128 * 5e3, .9999, 1536, 1000},
	{"cifar10-ddpm", 35218947, 128, 128 * 1.3e6, 2e-4, 128 * 5e3, .9999, 1536, 1000},
	{"celebahq-256-ncsnpp", 65574421, 64, 64 * 2.4e6, 2e-4, 64 * 5e3, .999, 1, 2000},
	{"ffhq-256-ncsnpp", 65574421, 64, 64 * 2.4e6, 2e-4, 64 * 5e3, .999, 1, 2000},
	{"celebahq-1024-ncsnpp", 105785880, 8, 8 * 2.4e6, 2e-4, 8 * 5e3, .9999, 1, 2000},
	{"ffhq-1024-ncsnpp", 105785880, 8, 8 * 2.4e6, 2e-4, 8 * 5e3, .9999, 1, 2000},
	/* EDM: 200 million images, warm-up over 10 million */
	{"cifar10-edm-ddpmpp", 55733891, 512, 2e8, 1e-3, 1e7, 0, 0, 18},
	{"cifar10-edm-ncsnpp", 56397827, 512, 2e8, 1e-3, 1e7, 0, 0, 18},
	{"cifar10-edm-cond-ddpmpp", 55735299, 512, 2e8, 1e-3, 1e7, 0, 0, 18},
	{"cifar10-edm-cond-ncsnpp", 56400643, 512, 2e8, 1e-3, 1e7, 0, 0, 18},
	{"ffhq-64-edm-ddpmpp", 61805571, 256, 2e8, 2e-4, 1e7, 0, 0, 40},
	{"ffhq-64-edm-ncsnpp", 62761091, 256, 2e8, 2e-4, 1e7, 0, 0, 40},
	{"afhqv2-64-edm-ddpmpp", 61805571, 256, 2e8, 2e-4, 1e7, 0, 0, 40},
	{"afhqv2-64-edm-ncsnpp", 62761091, 256, 2e8, 2e-4, 1e7, 0, 0, 40},
	{"cifar10-stf-ddpmpp", 55733891, 512, 2e8, 1e-3, 1e7, 0, 0, 18},
	{"cifar10-stf-ncsnpp", 56397827, 512, 2e8, 1e-3, 1e7, 0, 0, 18},
	/* CLD: NCSN++ deep with 3 more channels in two 3x3 convolutions to 128; 2000 evaluations, one of them the last step's */
	{"cifar10-cld", 107586947 + 2 * 3 * 9 * 128, 128, 128 * 8e5, 2e-4, 128 * 1e5, .9999, .5, 1999},
	/* NCSNv2 */
	{"cifar10-ncsnv2", 29694083, 128, 128 * 3e5, 1e-4, 0, .999, 0, 0},
	{"celeba-64-ncsnv2", 29694083, 128, 128 * 2.1e5, 1e-4, 0, .999, 0, 0},
	{"ffhq-256-ncsnv2", 0, 32, 32 * 8e4, 1e-4, 0, .999, 0, 0},
	{"cifar10-ncsn", 0, 128, 128 * 3e5, 1e-3, 0, 0, 0, 0},
};
enum { ALL = sizeof all / sizeof *all };

START_TEST(counts)
{
	const struct published *p = &all[_i];

	fresh(p->preset);
	assert_close(number("net.parameters"), p->parameters, 0, 0);
	ck_assert_msg(*sf_config_get(config, "net.source") != '\0', "%s has no [net] source", p->preset);
	ck_assert_msg(*sf_config_get(config, "data.shape") != '\0', "%s has no [data] shape", p->preset);
	assert_ok(ctx, opened(SF_SETUP_OBJECTIVE | SF_SETUP_SAMPLER));
	ck_assert_ptr_null(s.data);
	if (p->parameters > 0)
		ck_assert_int_eq(s.params, (int64_t)p->parameters);
}
END_TEST

START_TEST(settings)
{
	const struct published *p = &all[_i];
	double batch;

	fresh(p->preset);
	batch = number("train.batch");
	assert_close(batch, p->batch, 0, 0);
	assert_close(number("train.steps") * batch, p->images, 0, batch);
	assert_close(number("train.lr"), p->lr, 1e-12, 0);
	assert_close(number("train.warmup") * batch + number("train.warmup-images"), p->warmup, 0, batch);
	assert_close(number("train.clip"), p->clip, 1e-12, 0);
	assert_close(number("train.eps"), strcmp(p->preset, "ffhq-256-ncsnv2") == 0 ? 1e-3 : 1e-8, 0, 0);
	assert_close(number("sample.steps"), p->sampling, 0, 0);
	if (strcmp(sf_config_get(config, "train.ema-ramp"), "edm") == 0) {
		assert_close(number("train.ema-halflife"), 500000, 0, 0);
		assert_close(p->ema, 0, 0, 0);
	} else {
		assert_close(number("train.ema"), p->ema, 1e-12, 0);
	}
}
END_TEST

/* Numbers of the papers that stand inside specs. */
START_TEST(details)
{
	static const char *const text[][3] = {
		/* sigma-max 50 is ve's default, 90 CelebA-64, 348 faces of 256 pixels, 1348 of 1024 */
		{"cifar10-ncsnpp", "process.spec", "ve"}, {"celebahq-256-ncsnpp", "process.spec", "ve:sigma-max=348"},
		{"ffhq-256-ncsnpp", "process.spec", "ve:sigma-max=348"}, {"ffhq-1024-ncsnpp", "process.spec", "ve:sigma-max=1348"},
		{"celebahq-1024-ncsnpp", "process.spec", "ve:sigma-max=1348"},
		{"cifar10-ncsnv2", "process.spec", "ve:sigma-max=50,levels=232"},
		{"cifar10-ncsnv2", "sample.sampler", "inner=5,eps=6.2e-6,"},
		{"celeba-64-ncsnv2", "process.spec", "ve:sigma-max=90,levels=500"},
		{"celeba-64-ncsnv2", "sample.sampler", "inner=5,eps=3.3e-6,"},
		{"ffhq-256-ncsnv2", "process.spec", "ve:sigma-max=348,levels=2311"}, {"ffhq-256-ncsnv2", "sample.sampler", "inner=3,eps=9e-7,"},
		{"cifar10-ncsn", "process.spec", "ve:sigma-max=1,levels=10"},
		{"cifar10-ncsn", "sample.sampler", "inner=100,eps=2e-5,"},
		{"cifar10-edm-ddpmpp", "objective.spec", "dsm:weight=edm"}, {"cifar10-stf-ncsnpp", "objective.spec", "stf:n=1024,weight=edm"},
		{"cifar10-stf-ddpmpp", "objective.spec", "stf:n=1024,weight=edm"},
		/* the loss of CLD's image models; what networks are told */
		{"cifar10-cld", "objective.spec", "hsm:weight=sigma2"}, {"cifar10-cld", "model.parametrisation", "mixed"},
		{"cifar10-cld", "model.cond", "log"}, {"cifar10-ncsnpp", "model.cond", "log"},
		{"cifar10-ncsnpp-discrete", "model.cond", "level"}, {"cifar10-ncsnpp-discrete", "objective.spec", "t=discrete"},
		{"cifar10-ncsnpp", "model.parametrisation", "sigma-score"}, {"cifar10-ncsnv2", "model.parametrisation", "sigma-score"},
		{"cifar10-ddpmpp-subvp", "process.spec", "subvp"}, {"cifar10-ddpmpp-discrete", "process.spec", "ddpm"},
	};
	size_t i;

	for (i = 0; i < sizeof text / sizeof *text; i++) {
		fresh(text[i][0]);
		ck_assert_msg(strstr(sf_config_get(config, text[i][1]), text[i][2]) != NULL, "%s: %s is %s, expected %s", text[i][0],
		              text[i][1], sf_config_get(config, text[i][1]), text[i][2]);
	}
}
END_TEST

static int has(const char *key, const char *part)
{
	return strstr(sf_config_get(config, key), part) != NULL;
}

/* What all presets of a kind have in common: images by the name; data in [0,1] for the variance exploding processes of
 * score_sde and NCSNv2, whose networks take 2x - 1, in [-1,1] for the others; EDM mirrors in its augmentation alone. */
START_TEST(kinds)
{
	static const struct {
		const char *name, *shape, *folder, *snr, *dropout, *augment;
	} sizes[] = {{"cifar10-", "32x32x3", "cifar-10-batches-bin", "snr=0.16,", NULL, "0.12"},
	             {"ffhq-64-", "64x64x3", "ffhq-64", NULL, "dropout=0.05", "0.15"},
	             {"afhqv2-64-", "64x64x3", "afhqv2-64", NULL, "dropout=0.25", "0.15"},
	             {"celeba-64-", "64x64x3", "celeba-64", NULL, NULL, NULL},
	             {"ffhq-256-", "256x256x3", "ffhq-256", "snr=0.075,", "dropout=0,", NULL},
	             {"celebahq-256-", "256x256x3", "celebahq-256", "snr=0.075,", "dropout=0,", NULL},
	             {"ffhq-1024-", "1024x1024x3", "ffhq-1024", "snr=0.15,", "dropout=0,", NULL},
	             {"celebahq-1024-", "1024x1024x3", "celebahq-1024", "snr=0.15,", "dropout=0,", NULL}};
	const struct published *p = &all[_i];
	int edm, unit, i;

	fresh(p->preset);
	edm = strcmp(sf_config_get(config, "process.spec"), "edm") == 0;
	unit = strncmp(sf_config_get(config, "process.spec"), "ve", 2) == 0;
	ck_assert_str_eq(sf_config_get(config, "data.scale"), unit ? "unit" : "pm1");
	ck_assert_str_eq(sf_config_get(config, "data.flip"), edm ? "false" : "true");
	for (i = 0; strncmp(p->preset, sizes[i].name, strlen(sizes[i].name)) != 0; i++)
		;
	ck_assert_str_eq(sf_config_get(config, "data.shape"), sizes[i].shape);
	ck_assert(has("data.spec", sizes[i].folder));
	if (edm) {
		ck_assert_str_eq(sf_config_get(config, "data.augment"), sizes[i].augment);
		ck_assert_str_eq(sf_config_get(config, "model.sigma-data"), "0.5");
		ck_assert_str_eq(sf_config_get(config, "train.nonfinite"), "zero");
		ck_assert(has("objective.spec", ",t=lognormal,p-mean=-1.2,p-std=1.2"));
	} else {
		ck_assert_str_eq(sf_config_get(config, "data.augment"), "0");
	}
	if (has("sample.sampler", "pc:"))
		ck_assert(has("sample.sampler", sizes[i].snr));
	if (sizes[i].dropout && !has("net.spec", "ncsnv2")) /* elsewhere the network's default is the published value */
		ck_assert(has("net.spec", sizes[i].dropout));
	else
		ck_assert(!has("net.spec", "dropout"));
}
END_TEST

/* Every preset there is: its parts fit, and a published one is in the table above. */
START_TEST(every)
{
	const char *const *name = sf_config_presets(config);
	sf_config *list = config;
	int i, k, full = 0, known;

	config = NULL;
	for (i = 0; name[i]; i++) {
		fresh(name[i]);
		if (*sf_config_get(config, "data.shape") == '\0')
			continue; /* of those without, tests train some */
		ck_assert_msg(opened(SF_SETUP_OBJECTIVE | SF_SETUP_SAMPLER) == 0, "%s: %s", name[i], sf_ctx_message(ctx));
		if (*sf_config_get(config, "net.source") == '\0')
			continue;
		for (k = known = 0; k < ALL; k++)
			known |= strcmp(all[k].preset, name[i]) == 0;
		ck_assert_msg(known, "%s is not in this test's table", name[i]);
		full++;
	}
	ck_assert_int_eq(full, ALL);
	sf_config_free(list);
}
END_TEST

/* ---- work ---- */
typedef struct work {
	double conv3, conv1, attention; /* multiply-adds of 3x3 convolutions, of 1x1 and linear layers, between positions */
} work;

static work count_work(const sf_model *m)
{
	work w = {0, 0, 0};
	sf_model_vars v;
	sf_graph *g;
	int i;

	assert_ok(ctx, sf_graph_new(ctx, 1, &g));
	sf_model_vars_init(&v);
	assert_ok(ctx, sf_model_build(m, g, 0, &v));
	for (i = 0; i < g->n; i++) {
		const sf_node *n = &g->node[i];
		double macs = sf_ops[n->op].flops(g, n) / 2;

		if (n->op == SF_OP_CONV)
			*(sf_shape_of(g, n->in[1]).dim[0] == 3 ? &w.conv3 : &w.conv1) += macs;
		else if (n->op == SF_OP_MATMUL)
			*(sf_shape_of(g, n->in[1]).per_sample ? &w.attention : &w.conv1) += macs;
	}
	sf_graph_free(g);
	return w;
}

START_TEST(published_work)
{
	/* EDM's input pyramid convolves at full size (and two pixels of margin) and reduces then, 3 -> 256 and 256 -> 256
	 * channels; the same linear map, reduced first as in score_sde, takes a fifth of that. */
	double theirs = 9e-9 * (34 * 34 * 3 * 256 + 18 * 18 * 256 * 256), ours = 9e-9 * (16 * 16 * 3 * 256 + 8 * 8 * 256 * 256);
	const struct {
		const char *preset;
		double total;
	} known[] = {{"cifar10-edm-ddpmpp", 21.19}, {"cifar10-edm-ncsnpp", 21.39 - theirs + ours},
	             {"ffhq-64-edm-ddpmpp", 41.86}, {"cifar10-ddpmpp", 10.85}};
	work w;
	size_t i;

	for (i = 0; i < sizeof known / sizeof *known; i++) {
		fresh(known[i].preset);
		assert_ok(ctx, opened(0));
		w = count_work(&s.model);
		assert_close(1e-9 * (w.conv3 + w.conv1 + w.attention), known[i].total, 0, .0051);
		if (i == 0) {
			assert_close(1e-9 * w.conv3, 19.68, 0, .0051);
			assert_close(1e-9 * w.conv1, 1.34, 0, .0051);
			assert_close(1e-9 * w.attention, .17, 0, .0051);
		}
	}
}
END_TEST

/* ---- shapes ---- */
static int with(const char *assignment)
{
	assert_ok(ctx, sf_config_set(config, assignment));
	return opened(SF_SETUP_OBJECTIVE);
}

START_TEST(shapes)
{
	static const char *const bad[] = {"32x32", "x3", "32x32x", "0x32x3", "32x32x3x1", "-1", "32 x32x3", "a", "1e3",
	                                  "99999999x99999999x99999999", "32x32x3 "};
	char assignment[80];
	size_t i;

	fresh("cifar10-ddpmpp");
	for (i = 0; i + 1 < sizeof bad / sizeof *bad; i++) {
		snprintf(assignment, sizeof assignment, "data.shape=%s", bad[i]);
		says(with(assignment), SF_EINVAL, "32x32x3");
	}
	says(with("data.shape=33x33x3"), SF_EUNSUP, "multiples of 8");
	says(with("data.shape=7"), SF_EUNSUP, "image");
	assert_ok(ctx, with("data.shape=32x64x3"));
	ck_assert_int_eq(s.info.rank, 3);
	ck_assert_int_eq(s.info.dim[1], 64);
	ck_assert_int_eq(s.info.size, 32 * 64 * 3);
	ck_assert_int_eq(s.info.levels, 256);
	assert_close(s.view.shift, 127.5, 0, 0); /* pm1: 0 -> -1, 255 -> 1 */
	assert_close(s.view.scale, 127.5, 0, 0);
	assert_ok(ctx, sf_config_set(config, "data.scale=unit"));
	assert_ok(ctx, opened(SF_SETUP_OBJECTIVE));
	assert_close(s.view.shift, 0, 0, 0);
	assert_close(s.view.scale, 255, 0, 0);
	fresh("cifar10-edm-cond-ddpmpp");
	assert_ok(ctx, opened(0));
	ck_assert_int_eq(s.model.classes, 10);
	ck_assert_int_eq(s.model.augments, 9);
	says(with("data.classes=0"), SF_EMISMATCH, "labels");
	fresh("swiss-roll");
	assert_ok(ctx, with("data.shape=5"));
	ck_assert_int_eq(s.model.size, 5);
}
END_TEST

/* Data are held against the shape, networks against the count; what is missing is named. */
START_TEST(expectations)
{
	fresh("swiss-roll");
	assert_ok(ctx, sf_config_set(config, "data.shape=3"));
	says(sf_setup_open(ctx, config, SF_SETUP_DATA, NULL, &s), SF_EMISMATCH, "are 2, but [data] shape is 3");
	assert_ok(ctx, sf_config_set(config, "data.shape=2"));
	assert_ok(ctx, sf_setup_open(ctx, config, SF_SETUP_DATA, NULL, &s));
	ck_assert_ptr_nonnull(s.data);
	fresh("digits");
	assert_ok(ctx, sf_config_set(config, "data.shape=8x8x3"));
	says(sf_setup_open(ctx, config, SF_SETUP_DATA, NULL, &s), SF_EMISMATCH, "are 8x8x1, but [data] shape is 8x8x3");
	fresh("cifar10-ddpmpp");
	says(with("net.spec=ddpmpp:blocks=8"), SF_EMISMATCH, "106632579");
	says(with("net.spec=ddpmpp:blocks=8"), SF_EMISMATCH, "61804419");
	assert_ok(ctx, with("net.parameters=0"));
	assert_ok(ctx, sf_config_set(config, "data.spec=cifar10:dir=no-such-folder"));
	says(sf_setup_open(ctx, config, SF_SETUP_DATA, NULL, &s), SF_EIO, "no-such-folder");
	says(sf_setup_open(ctx, config, SF_SETUP_DATA, NULL, &s), SF_EIO, "put them there, or set data.spec");
}
END_TEST

static Suite *suite(void)
{
	Suite *suite = suite_create("presets");
	TCase *t = tcase_create("published");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, counts, 0, ALL);
	tcase_add_loop_test(t, settings, 0, ALL);
	tcase_add_loop_test(t, kinds, 0, ALL);
	tcase_add_test(t, details);
	tcase_add_test(t, every);
	tcase_add_test(t, published_work);
	suite_add_tcase(suite, t);
	t = tcase_create("shape");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, shapes);
	tcase_add_test(t, expectations);
	suite_add_tcase(suite, t);
	return suite;
}

int main(void)
{
	return sf_test_main(suite());
}
