/* check_maps.c: name maps. Module and tensor counts and numbers of the published networks; every name and shape of EDM's DDPM++;
 * broken map files.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "exchange_rig.h"
#include "files.h"

#include "train/map.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct names {
	exchange_rig r;
	sf_map *map;
	sf_named *link;
	int unknown;
} names;

static void names_open(names *n, const char *map, const char *net, const char *param, int64_t side, int classes, int augments)
{
	exchange_open(&n->r, net, param, side, side, classes, augments);
	assert_ok(n->r.ctx, sf_map_open(n->r.ctx, map, &n->map));
	assert_ok(n->r.ctx, sf_map_links(n->map, n->r.g, side, &n->link, &n->unknown));
}

static void names_close(names *n)
{
	sf_free(n->link);
	sf_map_free(n->map);
	exchange_close(&n->r);
}

static const sf_named *named(const names *n, const char *ours)
{
	int i;

	for (i = 0; i < sf_param_count(n->r.g); i++)
		if (strcmp(n->link[i].param->name, ours) == 0)
			return &n->link[i];
	ck_abort_msg("no parameter '%s'", ours);
	return NULL;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Different names of theirs. */
static int distinct(const names *n)
{
	int count = sf_param_count(n->r.g), i, d = 0;
	const char **all = malloc((size_t)count * sizeof *all);

	for (i = 0; i < count; i++)
		all[i] = n->link[i].name;
	qsort(all, (size_t)count, sizeof *all, compare);
	for (i = 0; i < count; i++)
		d += i == 0 || strcmp(all[i - 1], all[i]) != 0;
	free(all);
	return d;
}

/* Published networks: modules with parameters and tensors without the table of noise levels. */
static const struct published {
	const char *map, *net, *param;
	int64_t side;
	int modules, tensors;
} published[] = {
	{"score-sde", "ncsnpp:blocks=4,embed=positional", "sigma-score", 32, 58, 570},
	{"score-sde", "ncsnpp:blocks=4", "sigma-score", 32, 59, 571},
	{"score-sde", "ncsnpp:blocks=8", "sigma-score", 32, 95, 963},
	{"score-sde", "ddpmpp:blocks=4", "eps", 32, 55, 564},
	{"score-sde", "ddpmpp:blocks=8", "eps", 32, 91, 956},
	{"score-sde", "ncsnpp:mult=1:1:2:2:2:2:2,blocks=2,dropout=0,progressive-input=input-skip,progressive-output=output-skip",
	 "sigma-score", 256, 77, 645},
	{"score-sde", "ncsnpp:width=16,mult=1:2:4:8:16:32:32:32,blocks=1,dropout=0,progressive-input=input-skip,"
	              "progressive-output=output-skip", "sigma-score", 1024, 70, 553},
	{"score-sde-ddpm", "ddpm", "eps", 32, 0, 308},
	{"edm", "songunet:resample=fir,embed=fourier,progressive-input=residual", "edm", 32, 0, 421}};

START_TEST(counts)
{
	const struct published *p = &published[_i];
	int64_t last = -1;
	names n;
	int i;

	names_open(&n, p->map, p->net, p->param, p->side, 0, strcmp(p->map, "edm") == 0 ? 9 : 0);
	ck_assert_int_eq(n.unknown, 0);
	for (i = 0; i < sf_param_count(n.r.g); i++)
		if (n.link[i].module > last)
			last = n.link[i].module;
	if (p->modules)
		ck_assert_int_eq(last + 1, p->modules);
	/* the frequencies of EDM's NCSN++ are a buffer there, not counted in its 421 */
	ck_assert_int_eq(distinct(&n), p->tensors + (strcmp(p->map, "edm") == 0));
	names_close(&n);
}
END_TEST

/* NCSN++ cont. for CIFAR-10, module by module: numbers of all_modules. */
START_TEST(module_table)
{
	static const struct {
		const char *ours, *theirs;
		int rank;
		int64_t dim[4];
	} table[] = {{"embed.frequencies", "all_modules.0.W", 1, {128}},
	             {"embed.dense0.weight", "all_modules.1.weight", 2, {512, 256}},
	             {"embed.dense1.bias", "all_modules.2.bias", 1, {512}},
	             {"in.weight", "all_modules.3.weight", 4, {128, 3, 3, 3}},
	             {"down0.res3.conv1.weight", "all_modules.7.Conv_1.weight", 4, {128, 128, 3, 3}},
	             {"down0.halve.skip.weight", "all_modules.8.Conv_2.weight", 4, {128, 128, 1, 1}},
	             {"down0.pyramid.weight", "all_modules.9.Conv2d_0.weight", 4, {128, 3, 3, 3}},
	             {"down0.pyramid.bias", "all_modules.9.Conv2d_0.bias", 1, {128}},
	             {"down1.res0.skip.weight", "all_modules.10.Conv_2.weight", 4, {256, 128, 1, 1}},
	             {"down1.attn0.q.weight", "all_modules.11.NIN_0.W", 2, {256, 256}},
	             {"down1.attn3.out.bias", "all_modules.17.NIN_3.b", 1, {256}},
	             {"down1.halve.norm0.bias", "all_modules.18.GroupNorm_0.bias", 1, {256}},
	             {"down1.pyramid.weight", "all_modules.19.Conv2d_0.weight", 4, {256, 128, 3, 3}},
	             {"down2.pyramid.weight", "all_modules.25.Conv2d_0.weight", 4, {256, 256, 3, 3}},
	             {"middle.res0.dense.weight", "all_modules.30.Dense_0.weight", 2, {256, 512}},
	             {"middle.attn.norm.weight", "all_modules.31.GroupNorm_0.weight", 1, {256}},
	             {"middle.res1.norm1.weight", "all_modules.32.GroupNorm_1.weight", 1, {256}},
	             {"up3.res0.conv0.weight", "all_modules.33.Conv_0.weight", 4, {256, 512, 3, 3}},
	             {"up3.double.conv0.weight", "all_modules.38.Conv_0.weight", 4, {256, 256, 3, 3}},
	             {"up2.double.conv0.weight", "all_modules.44.Conv_0.weight", 4, {256, 256, 3, 3}},
	             {"up1.res4.conv0.weight", "all_modules.49.Conv_0.weight", 4, {256, 384, 3, 3}},
	             {"up1.attn4.v.weight", "all_modules.50.NIN_2.W", 2, {256, 256}},
	             {"up1.double.dense.bias", "all_modules.51.Dense_0.bias", 1, {256}},
	             {"up0.res0.conv0.weight", "all_modules.52.Conv_0.weight", 4, {128, 384, 3, 3}},
	             {"up0.res4.skip.bias", "all_modules.56.Conv_2.bias", 1, {128}},
	             {"out.norm.weight", "all_modules.57.weight", 1, {128}},
	             {"out.conv.weight", "all_modules.58.weight", 4, {3, 128, 3, 3}}};
	size_t i;
	names n;

	names_open(&n, "score-sde", "ncsnpp:blocks=4", "sigma-score", 32, 0, 0);
	for (i = 0; i < sizeof table / sizeof *table; i++) {
		const sf_named *l = named(&n, table[i].ours);
		int64_t dim[SF_ARRAY_MAXRANK];
		int rank;

		ck_assert_str_eq(l->name, table[i].theirs);
		sf_layout_shape(l->rule, &l->param->shape, &rank, dim);
		ck_assert_int_eq(rank, table[i].rank);
		ck_assert_mem_eq(dim, table[i].dim, (size_t)rank * sizeof *dim);
	}
	names_close(&n);
}
END_TEST

/* EDM's DDPM++ for CIFAR-10, as published: each line "NAME [shape]", buffers marked. */
START_TEST(edm_list)
{
	FILE *f = fopen(sf_test_path("tests/golden/edm-cifar10-ddpmpp.txt"), "r");
	char line[200], want[200];
	int i, j, params = 0, filters = 0;
	names n;

	ck_assert_ptr_nonnull(f);
	names_open(&n, "edm", "songunet", "edm", 32, 0, 9);
	while (fgets(line, sizeof line, f)) {
		int found = 0;

		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, "resample_filter")) {
			line[strcspn(line, " ")] = '\0';
			ck_assert_ptr_nonnull(sf_map_note(n.map, "taps", line));
			filters++;
			continue;
		}
		params++;
		for (i = 0; i < sf_param_count(n.r.g); i++) {
			int64_t dim[SF_ARRAY_MAXRANK];
			int rank, used;

			sf_layout_shape(n.link[i].rule, &n.link[i].param->shape, &rank, dim);
			used = snprintf(want, sizeof want, "%s [", n.link[i].name);
			for (j = 0; j < rank; j++)
				used += snprintf(want + used, sizeof want - (size_t)used, "%s%lld", j ? "," : "", (long long)dim[j]);
			snprintf(want + used, sizeof want - (size_t)used, "]");
			found += strcmp(want, line) == 0;
		}
		ck_assert_msg(found == 1 || (found == 3 && strstr(line, "qkv")), "%s: %d parameters", line, found);
	}
	fclose(f);
	ck_assert_int_eq(params, 417);
	ck_assert_int_eq(filters, 8);
	ck_assert_int_eq(distinct(&n), 417);
	names_close(&n);
}
END_TEST

/* Names and shapes of NCSN, conditional normalisation included, as tests/golden has them. */
START_TEST(ncsn_list)
{
	json_t *list;
	sf_tensors t;
	names n;
	size_t k, j;
	int i;

	exchange_open(&n.r, "ncsn:width=8,levels=5", "score", 16, 12, 0, 0);
	read_golden(n.r.ctx, "ncsn-small", &t);
	list = json_loads(sf_tensors_meta(&t, "parameters"), 0, NULL);
	assert_ok(n.r.ctx, sf_map_open(n.r.ctx, "ncsnv2", &n.map));
	assert_ok(n.r.ctx, sf_map_links(n.map, n.r.g, 16, &n.link, &n.unknown));
	ck_assert_int_eq(n.unknown, 0);
	ck_assert_int_eq(sf_param_count(n.r.g), (int)json_array_size(list));
	for (k = 0; k < json_array_size(list); k++) {
		json_t *shape = json_array_get(json_array_get(list, k), 1);
		const char *name = json_string_value(json_array_get(json_array_get(list, k), 0));
		int64_t dim[SF_ARRAY_MAXRANK];
		int rank;

		for (i = 0; i < sf_param_count(n.r.g) && strcmp(n.link[i].name, name) != 0; i++)
			;
		ck_assert_msg(i < sf_param_count(n.r.g), "nothing is called %s", name);
		sf_layout_shape(n.link[i].rule, &n.link[i].param->shape, &rank, dim);
		ck_assert_int_eq(rank, (int)json_array_size(shape));
		for (j = 0; j < json_array_size(shape); j++)
			ck_assert_msg(dim[j] == json_integer_value(json_array_get(shape, j)), "shape of %s", name);
	}
	json_decref(list);
	sf_tensors_free(&t);
	names_close(&n);
}
END_TEST

/* ---- pieces ---- */

START_TEST(patterns)
{
	sf_captures c;
	char out[40];

	ck_assert(sf_pattern_match("up{l}.res{i}", "up12.res345", 11, &c));
	ck_assert_int_eq(*sf_captures_find(&c, "l", 1), 12);
	ck_assert_int_eq(*sf_captures_find(&c, "i", 1), 345);
	ck_assert_int_eq(sf_pattern_expand("{i}x{i}_{l}", &c, out, sizeof out), 0);
	ck_assert_str_eq(out, "345x345_12");
	ck_assert_int_lt(sf_pattern_expand("{i}x{i}_{l}", &c, out, 10), 0);
	ck_assert(sf_pattern_match("up{l}.res{i}", "up12.res345", 10, &c)); /* of the first ten characters */
	ck_assert_int_eq(*sf_captures_find(&c, "i", 1), 34);
	ck_assert(!sf_pattern_match("up{l}.res{i}", "up.res3", 7, &c));
	ck_assert(!sf_pattern_match("up{l}", "up3x", 4, &c));
	ck_assert(sf_pattern_match("a.*", "a.b.c", 5, &c));
	ck_assert_str_eq(c.star, "b.c");
	ck_assert(!sf_pattern_match("a.*", "a.", 2, &c));
}
END_TEST

/* Kernels that are not square, by index; which shapes a layout takes. */
START_TEST(layouts)
{
	static const char *const text[] = {"same", "linear", "oihw", "1x1", "nin"};
	static const sf_shape kernel = {.rank = 4, .dim = {2, 3, 4, 5}, .size = 120}, matrix = {.rank = 2, .dim = {4, 5}, .size = 20},
	                      vector = {.rank = 1, .dim = {5}, .size = 5}, point = {.rank = 4, .dim = {1, 1, 4, 5}, .size = 20};
	const sf_shape *const shape[] = {&vector, &matrix, &kernel, &point};
	static const int fits[][4] = {{1, 1, 1, 1}, {0, 1, 0, 0}, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 1, 0, 1}},
	                 fits_part[][4] = {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 1}, {0, 1, 0, 1}, {0, 0, 0, 0}};
	sf_rule r = {NULL, NULL, NULL, NULL, SF_LAYOUT_OIHW, 0, 1, 0};
	int64_t dim[SF_ARRAY_MAXRANK], h, w, i, o;
	int rank, k, j;

	sf_layout_shape(&r, &kernel, &rank, dim);
	ck_assert(rank == 4 && dim[0] == 5 && dim[1] == 4 && dim[2] == 2 && dim[3] == 3);
	for (r.of = 1; r.of <= 2; r.of++, r.part = 1) /* the whole, then every second channel from the second */
		for (h = 0; h < 2; h++)
			for (w = 0; w < 3; w++)
				for (i = 0; i < 4; i++)
					for (o = 0; o < 5; o++)
						ck_assert_int_eq(sf_layout_place(&r, &kernel, ((h * 3 + w) * 4 + i) * 5 + o),
						                 (((r.of * o + r.part) * 4 + i) * 2 + h) * 3 + w);
	for (k = 0; k < 5; k++)
		for (j = 0; j < 4; j++) {
			r.layout = sf_layout_find(text[k]);
			r.of = 1;
			ck_assert_msg(sf_layout_fits(&r, shape[j]) == fits[k][j], "%s, %d", text[k], j);
			r.of = 3;
			ck_assert_msg(sf_layout_fits(&r, shape[j]) == fits_part[k][j], "%s in parts, %d", text[k], j);
		}
}
END_TEST

/* ---- files of maps ---- */
static const struct bad {
	const char *text, *says;
} bads[] = {
	{"", "not a map: it has no lines in [modules]"},
	{"[modules]\na = b nowhere\n", "is of kind 'nowhere', but there is no section [nowhere]"},
	{"[modules]\na = b\n", "m.ini:2: [modules] a: expected NAME and a kind of module or a layout"},
	{"[modules]\na = b k\n[k]\nw = w\n", "m.ini:4: [k] w: expected NAME and a layout"},
	{"[modules]\na = b k\n[k]\nw = w diagonal\n", "m.ini:4: 'diagonal' is not a layout (same, linear, oihw, 1x1 or nin)"},
	{"[modules]\na = b same 3/3\n", "'3/3' is not a part of output channels such as 0/3"},
	{"[modules]\na = b same 0/3 more\n", "'more' is not a part"},
	{"[modules]\na{l = b same\n", "has a '{' without a name"},
	{"[modules]\na} = b same\n", "has a '}' without its '{'"},
	{"[modules]\na{l}{l} = b same\n", "has a variable twice"},
	{"[modules]\n*.* = b same\n", "has more than one '*'"},
	{"[modules]\na = b{l} same\n", "has a variable that 'a' does not explain"},
	{"[modules]\na = b{half} same\n", "has a variable that 'a' does not explain"},
	{"[modules]\na = b* same\n", "has a variable that 'a' does not explain"},
	{"[modules]\na{n} = b{n} same\n", "{n} has a meaning of its own"},
	{"[modules]\na = b k\n[k]\nw = w{n} same\n", "has a variable that 'w' does not explain"},
	{"[modules]\na = b ignored\n[ignored]\nw = w\n", "there is no section [ignored] of tensors"},
	{"[map]\ncolour = red\n", "m.ini:2: [map] knows the key 'about' alone, not 'colour'"},
	{"a = b\n", "m.ini:1: 'a' stands before the first section"},
	{"[modules]\nnonsense\n", "m.ini:2: expected [section] or key = value"}};

START_TEST(bad_map)
{
	const struct bad *b = &bads[_i];
	sf_ctx *ctx = ck_ctx();
	sf_map *map;

	assert_failed(ctx, sf_map_parse(ctx, "m.ini", b->text, strlen(b->text), &map), strstr(b->text, "colour") ? SF_ENAME : SF_EFORMAT, b->says);
	ck_assert_ptr_null(map);
	sf_ctx_free(ctx);
}
END_TEST

/* Two parameters under one name are refused; a shape may choose between lines; unknown parameters are counted. */
START_TEST(bad_names)
{
	static const char one[] = "[modules]\n* = all same\n", half[] = "[modules]\nA = a linear\n",
	                  both[] = "[modules]\nb = bias oihw\nb = offset same\nA = matrix nin\n";
	static const char some[] = "[modules]\nA = first same\nb = item.{n} same\n"; /* A does not count */
	exchange_rig r;
	sf_map *map;
	sf_named *link;
	int unknown;

	exchange_open(&r, "affine", "eps", 0, 2, 0, 0);
	assert_ok(r.ctx, sf_map_parse(r.ctx, "m.ini", one, strlen(one), &map));
	assert_failed(r.ctx, sf_map_links(map, r.g, 0, &link, &unknown), SF_EMISMATCH, "map 'm' calls both '");
	sf_map_free(map);
	assert_ok(r.ctx, sf_map_parse(r.ctx, "m.ini", half, strlen(half), &map));
	assert_ok(r.ctx, sf_map_links(map, r.g, 0, &link, &unknown));
	ck_assert_int_eq(unknown, 1);
	sf_free(link);
	sf_map_free(map);
	assert_ok(r.ctx, sf_map_parse(r.ctx, "m.ini", both, strlen(both), &map));
	assert_ok(r.ctx, sf_map_links(map, r.g, 0, &link, &unknown));
	ck_assert_int_eq(unknown, 0);
	ck_assert_str_eq(link[0].name, "matrix");
	ck_assert_str_eq(link[1].name, "offset");
	sf_free(link);
	sf_map_free(map);
	assert_ok(r.ctx, sf_map_parse(r.ctx, "m.ini", some, strlen(some), &map));
	assert_ok(r.ctx, sf_map_links(map, r.g, 0, &link, &unknown));
	ck_assert_str_eq(link[1].name, "item.0");
	ck_assert_int_eq(link[1].place, -1); /* no order without a number for each */
	sf_free(link);
	sf_map_free(map);
	exchange_close(&r);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("maps");
	TCase *tc = tcase_create("names");

	tcase_add_loop_test(tc, counts, 0, (int)(sizeof published / sizeof *published));
	tcase_add_test(tc, module_table);
	tcase_add_test(tc, edm_list);
	tcase_add_test(tc, ncsn_list);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, layouts);
	tcase_add_loop_test(tc, bad_map, 0, (int)(sizeof bads / sizeof *bads));
	tcase_add_test(tc, bad_names);
	suite_add_tcase(s, tc);
	return sf_test_main(s);
}
