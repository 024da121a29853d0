/* fuzz_map.c: name maps. Whatever was accepted gives every parameter of a network a name that fits, or none; names are distinct, places of
 * numbers lie inside their tensors and are taken once.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "fuzz.h"

#include "train/map.h"

/* A network's worth of parameters. */
static sf_graph *graph(void)
{
	static const struct {
		const char *name;
		int rank;
		int64_t dim[4];
	} p[] = {{"in.weight", 4, {3, 3, 2, 4}}, {"in.bias", 1, {4}}, {"down0.res0.dense.weight", 2, {4, 5}},
	         {"down0.attn0.q.weight", 2, {4, 4}}, {"down0.attn0.q.bias", 1, {4}}, {"down1.res0.skip.weight", 4, {1, 1, 4, 8}},
	         {"up12.double.conv0.weight", 4, {3, 3, 8, 4}}};
	static const sf_init zero = {SF_INIT_CONST, 0, 0, 0};
	static sf_graph *g;
	size_t i;

	if (g)
		return g;
	if (sf_graph_new(fuzz_ctx(), 1, &g) < 0)
		abort();
	for (i = 0; i < sizeof p / sizeof *p; i++)
		sf_param(g, p[i].name, p[i].rank, p[i].dim, zero);
	if (sf_graph_status(g) < 0)
		abort();
	return g;
}

static void check_layout(const sf_named *l)
{
	const sf_shape *s = &l->param->shape;
	int64_t dim[SF_ARRAY_MAXRANK], size = 1, i;
	unsigned char *seen;
	int rank, k;

	sf_layout_shape(l->rule, s, &rank, dim);
	for (k = 0; k < rank; k++)
		size *= dim[k];
	if (size != s->size * l->rule->of || !(seen = calloc((size_t)size + 1, 1)))
		abort();
	for (i = 0; i < s->size; i++) {
		int64_t at = sf_layout_place(l->rule, s, i);

		if (at < 0 || at >= size || seen[at]++)
			abort();
	}
	free(seen);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	char *text = malloc(size + 1);
	sf_map *map;
	sf_named *link;
	int rc, i, unknown, none = 0;

	if (!text)
		abort();
	if (size)
		memcpy(text, bytes, size);
	text[size] = '\0';
	rc = sf_map_parse(fuzz_ctx(), "fuzz.ini", text, size, &map);
	fuzz_check(rc);
	if (rc == 0) {
		rc = sf_map_links(map, graph(), 32, &link, &unknown);
		fuzz_check(rc);
		for (i = 0; rc == 0 && i < sf_param_count(graph()); i++) {
			none += !link[i].rule;
			if (link[i].rule && !*link[i].name)
				abort();
			if (link[i].rule)
				check_layout(&link[i]);
		}
		if (rc == 0 && none != unknown)
			abort();
		if (rc == 0)
			sf_free(link);
		(void)sf_map_note(map, "ignored", "a.b.c");
		sf_map_free(map);
	}
	free(text);
	return 0;
}

int fuzz_seed(int i, sf_bytes *out)
{
	static const char *const seed[] = {
		"[map]\nabout = a map\n[modules]\nin = enc.{full}x{least}_conv conv\ndown{l}.res{i} = enc.{height}_block{i} conv\n"
		"down{l}.attn{i} = m.{n} attn\nup{l}.double = d.{double}.{half} *\n[conv]\n*weight = w* oihw\nbias = b same\n[attn]\n"
		"q.weight = qkv.weight 1x1 0/3\nq.bias = qkv.bias same 1/3\n",
		"[modules]\n# all\n* = * oihw\n* = * linear\n* = * nin 0/2\n* = * same\n[ignored]\na.* = reason\n[taps]\n*.f{k} = note\n"};

	if (i >= (int)(sizeof seed / sizeof *seed))
		return 0;
	sf_bytes_add(out, seed[i], strlen(seed[i]));
	return 1;
}
