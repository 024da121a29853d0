/* expr.c: formulas in t: a parser of the grammar in expr.h, and their value and slope together by dual numbers,
 *
 *     (a, a') (b, b') = (a b, a' b + a b'),   f(a, a') = (f(a), f'(a) a').
 *
 * What comes from outside is text alone: its length, depth and names are bounded and checked here.
 * Known answer: exp(-t^2/2) at 1 has the slope -exp(-1/2).
 * SPDX-License-Identifier: BSD-3-Clause */
#include "core/expr.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { DEPTH_MAX = 64, LETTERS_MAX = 16 };

enum { NUMBER, TIME, ADD, SUB, MUL, DIV, POW, NEG, FUNCTIONS };

/* ---- functions: f and f', given x and f ---- */

typedef struct function {
	const char *name;
	double (*f)(double x);
	double (*slope)(double x, double f);
} function;

static double d_exp(double x, double f) { (void)x; return f; }
static double d_log(double x, double f) { (void)f; return 1 / x; }
static double d_sqrt(double x, double f) { (void)x; return .5 / f; }
static double d_sin(double x, double f) { (void)f; return cos(x); }
static double d_cos(double x, double f) { (void)f; return -sin(x); }
static double d_tan(double x, double f) { (void)x; return 1 + f * f; }
static double d_sinh(double x, double f) { (void)f; return cosh(x); }
static double d_cosh(double x, double f) { (void)f; return sinh(x); }
static double d_tanh(double x, double f) { (void)x; return (1 - f) * (1 + f); }
static double d_asin(double x, double f) { (void)f; return 1 / sqrt((1 - x) * (1 + x)); }
static double d_acos(double x, double f) { (void)f; return -1 / sqrt((1 - x) * (1 + x)); }
static double d_atan(double x, double f) { (void)f; return 1 / (1 + x * x); }
static double d_expm1(double x, double f) { (void)x; return f + 1; }
static double d_log1p(double x, double f) { (void)f; return 1 / (1 + x); }
static double d_abs(double x, double f) { (void)f; return x > 0 ? 1 : x < 0 ? -1 : 0; }

static const function functions[] = {
	{"exp", exp, d_exp},	   {"log", log, d_log},	      {"sqrt", sqrt, d_sqrt}, {"sin", sin, d_sin},
	{"cos", cos, d_cos},	   {"tan", tan, d_tan},	      {"sinh", sinh, d_sinh}, {"cosh", cosh, d_cosh},
	{"tanh", tanh, d_tanh},	   {"asin", asin, d_asin},    {"acos", acos, d_acos}, {"atan", atan, d_atan},
	{"expm1", expm1, d_expm1}, {"log1p", log1p, d_log1p}, {"abs", fabs, d_abs},   {NULL, NULL, NULL}};

/* ---- parsing: one function a rule of the grammar ---- */

typedef struct parser {
	sf_ctx *ctx;
	const char *what, *text, *at;
	int depth;
	sf_expr *e;
} parser;

static int wrong(const parser *p, const char *expected)
{
	char found[8] = "the end";

	if (*p->at) {
		found[0] = found[2] = '\'';
		found[1] = isprint((unsigned char)*p->at) ? *p->at : '?';
		found[3] = '\0';
	}
	return sf_fail(p->ctx, SF_EINVAL, "%s: expected %s, not %s, at character %d of '%.200s'", p->what, expected,
		       found, (int)(p->at - p->text) + 1, p->text);
}

static int emit(const parser *p, int op, double number)
{
	sf_expr *e = p->e;

	if (e->n == SF_EXPR_MAX)
		return sf_fail(p->ctx, SF_EINVAL, "%s: the formula has more than %d parts", p->what, SF_EXPR_MAX);
	e->step[e->n].op = op;
	e->step[e->n++].number = number;
	return SF_OK;
}

static char next(parser *p)
{
	p->at += strspn(p->at, " \t");
	return *p->at;
}

static int take(parser *p, char c)
{
	if (next(p) != c)
		return 0;
	p->at++;
	return 1;
}

static int sum(parser *p);
static int sign(parser *p);

/* digits[.digits][e[+-]digits] */
static int number(parser *p)
{
	size_t n = strspn(p->at, "0123456789."), exponent;
	char text[64];
	double v;

	if (p->at[n] == 'e' || p->at[n] == 'E') {
		exponent = n + 1 + (p->at[n + 1] == '-' || p->at[n + 1] == '+');
		if (isdigit((unsigned char)p->at[exponent]))
			n = exponent + strspn(p->at + exponent, "0123456789");
	}
	if (n >= sizeof text)
		return wrong(p, "a number of fewer digits");
	memcpy(text, p->at, n);
	text[n] = '\0';
	if (sf_parse_double(text, &v) < 0 || !isfinite(v))
		return wrong(p, "a number");
	p->at += n;
	return emit(p, NUMBER, v);
}

static int word(parser *p)
{
	char name[LETTERS_MAX];
	size_t n = 0;
	int i;

	while (isalnum((unsigned char)p->at[n]))
		n++;
	if (n >= sizeof name)
		return wrong(p, "a known name");
	memcpy(name, p->at, n);
	name[n] = '\0';
	for (i = 0; functions[i].name && strcmp(functions[i].name, name) != 0; i++)
		;
	if (!functions[i].name && strcmp(name, "t") != 0 && strcmp(name, "pi") != 0 && strcmp(name, "e") != 0)
		return sf_fail(p->ctx, SF_ENAME,
			       "%s: unknown name '%s' in '%.200s'; there are t, pi, e and functions such as exp(), "
			       "log(), sqrt(), sin(), tanh()",
			       p->what, name, p->text);
	p->at += n;
	if (!functions[i].name)
		return strcmp(name, "t") == 0 ? emit(p, TIME, 0) : emit(p, NUMBER, *name == 'p' ? SF_PI : exp(1));
	if (!take(p, '('))
		return wrong(p, "'(' after a function");
	SF_TRY(sum(p));
	if (!take(p, ')'))
		return wrong(p, "')'");
	return emit(p, FUNCTIONS + i, 0);
}

static int unit(parser *p)
{
	if (take(p, '(')) {
		SF_TRY(sum(p));
		return take(p, ')') ? SF_OK : wrong(p, "')'");
	}
	if (isdigit((unsigned char)*p->at) || *p->at == '.')
		return number(p);
	if (isalpha((unsigned char)*p->at))
		return word(p);
	return wrong(p, "a number, t, pi, e, a function or '('");
}

static int power(parser *p)
{
	SF_TRY(unit(p));
	if (!take(p, '^'))
		return SF_OK;
	SF_TRY(sign(p));
	return emit(p, POW, 0);
}

static int sign(parser *p)
{
	int rc;

	if (++p->depth > DEPTH_MAX) /* every way of nesting comes through here */
		return sf_fail(p->ctx, SF_EINVAL, "%s: the formula is nested more than %d deep", p->what, DEPTH_MAX);
	if (take(p, '-')) {
		rc = sign(p);
		rc = rc < 0 ? rc : emit(p, NEG, 0);
	} else if (take(p, '+')) {
		rc = sign(p);
	} else {
		rc = power(p);
	}
	p->depth--;
	return rc;
}

static int product(parser *p)
{
	SF_TRY(sign(p));
	for (;;) {
		int op = take(p, '*') ? MUL : take(p, '/') ? DIV : 0;

		if (!op)
			return SF_OK;
		SF_TRY(sign(p));
		SF_TRY(emit(p, op, 0));
	}
}

static int sum(parser *p)
{
	SF_TRY(product(p));
	for (;;) {
		int op = take(p, '+') ? ADD : take(p, '-') ? SUB : 0;

		if (!op)
			return SF_OK;
		SF_TRY(product(p));
		SF_TRY(emit(p, op, 0));
	}
}

int sf_expr_parse(sf_ctx *ctx, const char *what, const char *text, sf_expr *e)
{
	parser p = {ctx, what, text, text, 0, e};

	e->n = 0;
	SF_TRY(sum(&p));
	return next(&p) ? wrong(&p, "an operator or the end") : SF_OK;
}

/* ---- evaluation ---- */

typedef struct dual {
	double v, d;
} dual;

/* a^b; a constant exponent needs no logarithm of a, which may be zero or negative */
static dual raise(dual a, dual b)
{
	dual r;

	r.v = pow(a.v, b.v);
	r.d = a.d == 0 ? 0 : b.v * pow(a.v, b.v - 1) * a.d;
	if (b.d != 0)
		r.d += r.v * log(a.v) * b.d;
	return r;
}

static dual binary(int op, dual a, dual b)
{
	dual r;

	switch (op) {
	case ADD:
		r.v = a.v + b.v;
		r.d = a.d + b.d;
		return r;
	case SUB:
		r.v = a.v - b.v;
		r.d = a.d - b.d;
		return r;
	case MUL:
		r.v = a.v * b.v;
		r.d = a.d * b.v + a.v * b.d;
		return r;
	case DIV:
		r.v = a.v / b.v;
		r.d = (a.d - r.v * b.d) / b.v;
		return r;
	default:
		return raise(a, b);
	}
}

double sf_expr_at(const sf_expr *e, double t, double *slope)
{
	dual stack[SF_EXPR_MAX];
	int i, top = 0; /* the parser leaves one value for every formula */

	for (i = 0; i < e->n; i++) {
		int op = e->step[i].op;
		dual *x = top ? &stack[top - 1] : stack;

		if (op == NUMBER || op == TIME) {
			stack[top].v = op == TIME ? t : e->step[i].number;
			stack[top++].d = op == TIME;
		} else if (op == NEG) {
			x->v = -x->v;
			x->d = -x->d;
		} else if (op >= FUNCTIONS) {
			const function *f = &functions[op - FUNCTIONS];
			double v = f->f(x->v);

			x->d = x->d == 0 ? 0 : f->slope(x->v, v) * x->d;
			x->v = v;
		} else {
			top--;
			stack[top - 1] = binary(op, stack[top - 1], stack[top]);
		}
	}
	if (slope)
		*slope = stack[0].d;
	return stack[0].v;
}
