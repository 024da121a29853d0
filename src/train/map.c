/* map.c: the parameters of a network under a map: a module, which is the front of names up to some dot, gets the first line
 * of [modules] whose pattern fits and whose section has a line for the rest of each of its names, in shape too.
 *
 * Lists of averaged weights have no names. Their order is that in which the other program registered its parameters: by {n},
 * and inside a module as the lines of the section stand; parameters that were not trained are not in them.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "train/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What one parameter's name was taken apart into. */
typedef struct parts {
	const sf_rule *module, *tensor; /* the same where the line is a tensor itself */
	size_t front;                   /* characters of the name that the module's pattern took */
	sf_captures module_v, tensor_v;
} parts;

static int find_tensor(const sf_map *map, const char *section, const char *rest, const sf_shape *s, parts *p)
{
	int i;

	for (i = 0; i < map->n; i++) {
		const sf_rule *r = &map->rule[i];

		if (strcmp(r->section, section) == 0 && sf_layout_fits(r, s) &&
		    sf_pattern_match(r->pattern, rest, strlen(rest), &p->tensor_v)) {
			p->tensor = r;
			return 1;
		}
	}
	return 0;
}

/* Whether the section has lines for all parameters NAME[0 .. n).REST. */
static int fits_all(const sf_map *map, const sf_graph *g, const char *section, const char *name, size_t n)
{
	int i, count = sf_param_count(g);
	parts p;

	for (i = 0; i < count; i++) {
		const sf_param_info *info = sf_param_get(g, i);

		if (strncmp(info->name, name, n + 1) == 0 &&
		    !find_tensor(map, section, info->name + n + 1, &info->shape, &p))
			return 0;
	}
	return 1;
}

static int take_apart(const sf_map *map, const sf_graph *g, const sf_param_info *info, parts *p)
{
	const char *name = info->name;
	size_t len = strlen(name), n;
	int i;

	for (i = 0; i < map->n; i++) {
		const sf_rule *r = &map->rule[i];

		if (strcmp(r->section, "modules") != 0)
			continue;
		p->module = r;
		if (!r->kind) {
			p->tensor = r;
			p->front = len;
			if (sf_layout_fits(r, &info->shape) && sf_pattern_match(r->pattern, name, len, &p->module_v))
				return 1;
			continue;
		}
		for (n = len; n-- > 1;)
			if (name[n] == '.' && sf_pattern_match(r->pattern, name, n, &p->module_v) &&
			    fits_all(map, g, r->kind, name, n) &&
			    find_tensor(map, r->kind, name + n + 1, &info->shape, p)) {
				p->front = n;
				return 1;
			}
	}
	return 0;
}

/* {n} of parameter i: that of an earlier parameter of the same module, or the next. */
static int64_t module_number(const sf_named *link, const parts *all, int i, int64_t *next)
{
	int j;

	if (!all[i].module->counts)
		return -1;
	for (j = i - 1; j >= 0; j--)
		if (all[j].module == all[i].module && all[j].front == all[i].front &&
		    strncmp(link[j].param->name, link[i].param->name, all[i].front) == 0)
			return link[j].module;
	return (*next)++;
}

/* Height of level l; 0 where there is none. */
static int64_t level_height(int64_t height, int64_t l)
{
	return l >= 0 && l < 62 ? height >> l : 0;
}

static int name_it(const parts *p, int64_t height, int64_t levels, sf_named *link)
{
	sf_captures v = p->module_v;
	const int64_t *l = sf_captures_find(&v, "l", 1);
	const char *t = p->module->name;
	size_t used;

	if (strstr(t, "{n}"))
		sf_captures_set(&v, "n", link->module);
	if (strstr(t, "{full}"))
		sf_captures_set(&v, "full", height);
	if (strstr(t, "{least}"))
		sf_captures_set(&v, "least", level_height(height, levels - 1));
	if (l && strstr(t, "{height}"))
		sf_captures_set(&v, "height", level_height(height, *l));
	if (l && strstr(t, "{half}"))
		sf_captures_set(&v, "half", level_height(height, *l + 1));
	if (l && strstr(t, "{double}"))
		sf_captures_set(&v, "double", level_height(height, *l - 1));
	if (sf_pattern_expand(t, &v, link->name, sizeof link->name) < 0)
		return -1;
	if (p->module == p->tensor)
		return 0;
	used = strlen(link->name);
	if (used + 2 > sizeof link->name)
		return -1;
	link->name[used] = '.';
	return sf_pattern_expand(p->tensor->name, &p->tensor_v, link->name + used + 1, sizeof link->name - used - 1);
}

static int by_module(const void *a, const void *b)
{
	const sf_named *x = *(sf_named *const *)a, *y = *(sf_named *const *)b;

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	return x->rule == y->rule ? 0 : x->rule < y->rule ? -1 : 1;
}

/* Places in a list of averaged weights, if every module has a number. */
static int order(sf_ctx *ctx, sf_named *link, int n)
{
	sf_named **sorted = sf_alloc((size_t)n + 1, sizeof *sorted);
	int i, m = 0;

	if (!sorted)
		return sf_fail(ctx, SF_ENOMEM, "map: out of memory");
	for (i = 0; i < n; i++) {
		if (!link[i].rule || (link[i].module < 0 && !link[i].param->fixed)) {
			sf_free(sorted);
			return SF_OK;
		}
		if (!link[i].param->fixed)
			sorted[m++] = &link[i];
	}
	qsort(sorted, (size_t)m, sizeof *sorted, by_module);
	for (i = 0; i < m; i++)
		sorted[i]->place = i;
	sf_free(sorted);
	return SF_OK;
}

static int by_name(const void *a, const void *b)
{
	const sf_named *x = *(sf_named *const *)a, *y = *(sf_named *const *)b;
	int c = strcmp(x->name, y->name);

	if (c == 0 && x->rule->of == y->rule->of && x->rule->part != y->rule->part)
		return x->rule->part < y->rule->part ? -1 : 1;
	return c;
}

/* No two parameters under one name, but for different parts of one tensor. */
static int distinct(const sf_map *map, sf_named *link, int n)
{
	sf_named **sorted = sf_alloc((size_t)n + 1, sizeof *sorted);
	int i, m = 0, rc = SF_OK;

	if (!sorted)
		return sf_fail(map->ctx, SF_ENOMEM, "map: out of memory");
	for (i = 0; i < n; i++)
		if (link[i].rule)
			sorted[m++] = &link[i];
	qsort(sorted, (size_t)m, sizeof *sorted, by_name);
	for (i = 1; rc == 0 && i < m; i++)
		if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0 &&
		    (sorted[i - 1]->rule->of != sorted[i]->rule->of || sorted[i - 1]->rule->part == sorted[i]->rule->part))
			rc = sf_fail(map->ctx, SF_EMISMATCH, "map '%s' calls both '%.120s' and '%.120s' '%.120s'", map->name,
			             sorted[i - 1]->param->name, sorted[i]->param->name, sorted[i]->name);
	sf_free(sorted);
	return rc;
}

static int name_all(const sf_map *map, const parts *all, int64_t height, int64_t levels, sf_named *link, int n,
                    int *unknown)
{
	int64_t next = 0;
	int i;

	*unknown = 0;
	for (i = 0; i < n; i++) {
		link[i].place = link[i].module = -1;
		if (!all[i].module) {
			++*unknown;
			continue;
		}
		link[i].rule = all[i].tensor;
		link[i].module = module_number(link, all, i, &next);
		if (name_it(&all[i], height, levels, &link[i]) < 0)
			return sf_fail(map->ctx, SF_ERANGE, "map '%s': the name for '%.120s' is too long", map->name,
			               link[i].param->name);
	}
	SF_TRY(distinct(map, link, n));
	return order(map->ctx, link, n);
}

int sf_map_links(const sf_map *map, const sf_graph *g, int64_t height, sf_named **link, int *unknown)
{
	int n = sf_param_count(g), i, rc;
	parts *all = sf_alloc((size_t)n + 1, sizeof *all);
	int64_t levels = 1;

	*link = sf_alloc((size_t)n + 1, sizeof **link);
	if (!all || !*link) {
		rc = sf_fail(map->ctx, SF_ENOMEM, "map '%s': out of memory", map->name);
		goto done;
	}
	for (i = 0; i < n; i++) {
		const int64_t *l;

		(*link)[i].param = sf_param_get(g, i);
		if (!take_apart(map, g, (*link)[i].param, &all[i])) {
			all[i].module = NULL;
			continue;
		}
		l = sf_captures_find(&all[i].module_v, "l", 1);
		if (l && *l >= levels)
			levels = *l + 1;
	}
	rc = name_all(map, all, height, levels, *link, n, unknown);
done:
	sf_free(all);
	if (rc < 0) {
		sf_free(*link);
		*link = NULL;
	}
	return rc;
}

const char *sf_map_note(const sf_map *map, const char *section, const char *name)
{
	sf_captures c;
	int i;

	for (i = 0; i < map->n; i++)
		if (strcmp(map->rule[i].section, section) == 0 &&
		    sf_pattern_match(map->rule[i].pattern, name, strlen(name), &c))
			return map->rule[i].name;
	return NULL;
}
