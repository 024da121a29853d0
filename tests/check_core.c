/* check_core.c: contexts, failures, options and spec strings, text, memory, threads.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- a loose option table, as configuration sections use it ---- */
struct state {
	double real;
	int64_t whole;
	int flag, pick;
	char *text;
	sf_list list;
};

static const sf_opt table[] = {
	{"real", "a number", SF_OPT_DOUBLE, offsetof(struct state, real), "2.385", -10, 10, NULL},
	{"whole", "a count", SF_OPT_INT, offsetof(struct state, whole), "7", 1, 1e6, NULL},
	{"flag", "a switch", SF_OPT_BOOL, offsetof(struct state, flag), "off", 0, 0, NULL},
	{"pick", "one of three", SF_OPT_CHOICE, offsetof(struct state, pick), "b", 0, 0, "a|b|cc"},
	{"text", "some text", SF_OPT_STRING, offsetof(struct state, text), "x y", 0, 0, NULL},
	{"list", "numbers", SF_OPT_LIST, offsetof(struct state, list), "1:2:2", 0, 100, NULL},
	{NULL, NULL, 0, 0, NULL, 0, 0, NULL}};

static void expect(sf_ctx *ctx, int rc, int code, const char *message)
{
	ck_assert_int_eq(rc, code);
	ck_assert_str_eq(sf_ctx_message(ctx), message);
}

START_TEST(options_take_defaults_and_values)
{
	struct state s = {0, 0, 0, 0, NULL, {0, {0}}};
	sf_text out = {NULL, 0, 0, 0};
	sf_ctx *ctx = ck_ctx();
	int i;

	assert_ok(ctx, sf_opt_defaults(ctx, "thing", table, &s));
	ck_assert(s.real == 2.385 && s.whole == 7 && !s.flag && s.pick == 1 && s.list.n == 3);
	ck_assert_str_eq(s.text, "x y");
	assert_ok(ctx, sf_opt_set(ctx, "thing", table, &s, "real", "-1e-3"));
	assert_ok(ctx, sf_opt_set(ctx, "thing", table, &s, "flag", "Yes"));
	assert_ok(ctx, sf_opt_set(ctx, "thing", table, &s, "pick", "cc"));
	assert_ok(ctx, sf_opt_set(ctx, "thing", table, &s, "text", "other"));
	assert_ok(ctx, sf_opt_set(ctx, "thing", table, &s, "list", "0.5:3"));
	for (i = 0; table[i].name; i++) {
		sf_opt_print(&table[i], &s, &out);
		sf_text_add(&out, ";");
	}
	ck_assert_str_eq(out.s, "-0.001;7;true;cc;other;0.5:3;");
	free(out.s);
	sf_opt_release(table, &s);
	ck_assert_ptr_null(s.text);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(options_refuse_bad_values)
{
	struct state s = {0, 0, 0, 0, NULL, {0, {0}}};
	sf_ctx *ctx = ck_ctx();

	assert_ok(ctx, sf_opt_defaults(ctx, "thing", table, &s));
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "reel", "1"), SF_ENAME,
	       "thing has no option 'reel'; did you mean 'real'?");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "real", "1x"), SF_EINVAL,
	       "thing: real='1x' is not a number");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "real", "nan"), SF_EINVAL,
	       "thing: real='nan' is not a number");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "real", "11"), SF_ERANGE,
	       "thing: real=11 is out of range (-10 to 10)");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "whole", "2.5"), SF_EINVAL,
	       "thing: whole='2.5' is not a whole number");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "whole", "99999999999999999999"), SF_EINVAL,
	       "thing: whole='99999999999999999999' is not a whole number");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "flag", "maybe"), SF_EINVAL,
	       "thing: flag='maybe' is not true or false");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "pick", "c"), SF_EINVAL,
	       "thing: pick='c' is not a|b|cc");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "list", "1:"), SF_EINVAL,
	       "thing: list='1:' is not a list of numbers separated by ':'");
	expect(ctx, sf_opt_set(ctx, "thing", table, &s, "list", "1:101"), SF_ERANGE,
	       "thing: list=101 is out of range (0 to 100)");
	ck_assert(s.real == 2.385 && s.whole == 7 && s.list.n == 3); /* nothing half-done */
	sf_opt_release(table, &s);
	sf_ctx_free(ctx);
}
END_TEST

/* Every member of every family: complete records, defaults inside their ranges, a spec that reads back. */
START_TEST(registry_records_are_complete)
{
	sf_ctx *ctx = ck_ctx();
	const char *const *family;
	int members = 0;

	for (family = sf_families(); *family; family++) {
		const sf_class *const *m;

		for (m = sf_members(*family); *m; m++, members++) {
			const sf_class *c = *m, *found;
			void *state = sf_alloc(1, c->state_size);
			const sf_opt *o;

			ck_assert_ptr_nonnull(state);
			ck_assert_msg(c->name && *c->name && c->brief && *c->brief && c->ref && *c->ref,
			              "%s %s", *family, c->name ? c->name : "?");
			ck_assert_msg(c->brief[strlen(c->brief) - 1] != '.', "%s: %s", c->name, c->brief);
			ck_assert_uint_eq(strspn(c->name, "abcdefghijklmnopqrstuvwxyz0123456789-"),
			                  strlen(c->name));
			assert_ok(ctx, sf_find(ctx, *family, c->name, &found));
			ck_assert_ptr_eq(found, c);
			for (o = c->opts; o && o->name; o++)
				ck_assert_msg(o->help && *o->help && o->def &&
				              strpbrk(o->name, ",=: ") == NULL, "%s %s", c->name, o->name);
			assert_ok(ctx, sf_opt_defaults(ctx, c->name, c->opts, state));
			sf_opt_release(c->opts, state);
			sf_free(state);
		}
	}
	ck_assert_int_gt(members, 0);
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(unknown_names_get_the_nearest)
{
	static const char *const names[] = {"uniform", "quadratic", "karras", NULL};
	const sf_class *c;
	sf_ctx *ctx = ck_ctx();

	ck_assert_str_eq(sf_nearest("karas", names), "karras");
	ck_assert_str_eq(sf_nearest("quad", names), "quadratic");
	ck_assert_ptr_null(sf_nearest("zzzzzzzz", names));
	ck_assert_int_eq(sf_edit_distance("kitten", "sitting"), 3);
	ck_assert_int_eq(sf_edit_distance("", "abc"), 3);
	ck_assert_int_eq(sf_find(ctx, "proces", "vp", &c), SF_ENAME);
	ck_assert_str_eq(sf_ctx_message(ctx), "unknown family 'proces'; did you mean 'process'?");
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(numbers_print_short_and_read_back)
{
	static const double v[] = {0.1, 1.0 / 3, 2.385, 1e300, -0.0, 4.9e-324, 50};
	char text[40];
	double back;
	size_t i;

	for (i = 0; i < sizeof v / sizeof *v; i++) {
		sf_format_double(v[i], text, sizeof text);
		ck_assert_int_eq(sf_parse_double(text, &back), 0);
		ck_assert_msg(back == v[i], "%s", text);
	}
	sf_format_double(0.1, text, sizeof text);
	ck_assert_str_eq(text, "0.1");
	ck_assert_int_eq(sf_parse_double("", &back), -1);
	ck_assert_int_eq(sf_parse_double(" 1", &back), -1);
	ck_assert_int_eq(sf_parse_double("inf", &back), 0);
}
END_TEST

START_TEST(sizes_overflow_safely)
{
	sf_arena a = {NULL, 0, 0};
	size_t z;
	int64_t n;
	char *p, *q;

	ck_assert_int_eq(sf_mul_size(SIZE_MAX, 2, &z), -1);
	ck_assert_int_eq(sf_mul_size(SIZE_MAX, 1, &z), 0);
	ck_assert_int_eq(sf_mul_i64(INT64_MAX / 2, 3, &n), -1);
	ck_assert_int_eq(sf_mul_i64(-1, 3, &n), -1);
	ck_assert_ptr_null(sf_alloc(SIZE_MAX, 2));
	ck_assert_ptr_null(sf_alloc(SIZE_MAX - 10, 1));
	sf_arena_take(&a, 10, 1);
	sf_arena_take(&a, 3, 8);
	ck_assert_int_eq(sf_arena_open(&a), 0);
	p = sf_arena_take(&a, 10, 1);
	q = sf_arena_take(&a, 3, 8);
	ck_assert(p && q && q - p == SF_ALIGN && (uintptr_t)p % SF_ALIGN == 0);
	ck_assert_ptr_null(sf_arena_take(&a, 1, 1)); /* more than was measured */
	sf_arena_close(&a);
	sf_arena_take(&a, SIZE_MAX / 2, 4);
	ck_assert_int_eq(sf_arena_open(&a), SF_ENOMEM);
}
END_TEST

enum { TILES = 1000 };

static int square(void *arg, int64_t tile, int worker)
{
	((int64_t *)arg)[tile] = tile * tile;
	return worker < 0;
}

static int fail_late(void *arg, int64_t tile, int worker)
{
	(void)arg;
	(void)worker;
	return tile == 700 ? -700 : tile == 300 ? -300 : 0;
}

START_TEST(tiles_all_run_once_and_first_failure_wins)
{
	sf_ctx *ctx = ck_ctx();
	int64_t done[TILES], i;
	int threads;

	for (threads = 1; threads <= 3; threads++) {
		memset(done, 0xff, sizeof done);
		assert_ok(ctx, sf_ctx_set_threads(ctx, threads));
		ck_assert_int_eq(sf_parallel(ctx, TILES, square, done), 0);
		for (i = 0; i < TILES; i++)
			ck_assert_int_eq(done[i], i * i);
		ck_assert_int_eq(sf_parallel(ctx, TILES, fail_late, NULL), -300);
		ck_assert_int_eq(sf_parallel(ctx, 0, fail_late, NULL), 0);
	}
	sf_ctx_free(ctx);
}
END_TEST

START_TEST(context_checks_its_settings)
{
	sf_ctx *ctx = NULL;

	setenv("SCOREFIELD_ISA", "v9", 1);
	ck_assert_int_eq(sf_ctx_new(&ctx), SF_ENAME);
	ck_assert_ptr_null(ctx);
	setenv("SCOREFIELD_ISA", "ref", 1);
	setenv("SCOREFIELD_THREADS", "none", 1);
	ck_assert_int_eq(sf_ctx_new(&ctx), SF_EINVAL);
	setenv("SCOREFIELD_THREADS", "0", 1);
	ck_assert_int_eq(sf_ctx_new(&ctx), SF_ERANGE);
	setenv("SCOREFIELD_THREADS", "3", 1);
	ck_assert_int_eq(sf_ctx_new(&ctx), 0);
	ck_assert_int_eq(sf_ctx_threads(ctx), 3);
	ck_assert_str_eq(sf_ctx_isa(ctx), "ref");
	expect(ctx, sf_ctx_set_isa(ctx, "avx"), SF_ENAME,
	       "unknown instruction set 'avx' (ref, base, v3 or v4)");
	ck_assert_int_eq(sf_ctx_set_threads(ctx, 1025), SF_ERANGE);
	ck_assert_int_eq(sf_ctx_threads(ctx), 3);
	ck_assert_str_eq(sf_strerror(SF_EMISMATCH), "parts do not fit together");
	ck_assert_str_eq(sf_strerror(-99), "unknown error");
	sf_ctx_free(ctx);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("core");
	TCase *t = tcase_create("core");

	suite_add_tcase(s, t);
	tcase_add_test(t, options_take_defaults_and_values);
	tcase_add_test(t, options_refuse_bad_values);
	tcase_add_test(t, registry_records_are_complete);
	tcase_add_test(t, unknown_names_get_the_nearest);
	tcase_add_test(t, numbers_print_short_and_read_back);
	tcase_add_test(t, sizes_overflow_safely);
	tcase_add_test(t, tiles_all_run_once_and_first_failure_wins);
	tcase_add_test(t, context_checks_its_settings);
	return sf_test_main(s);
}
