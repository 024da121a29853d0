/* source.h: chains written out as source text, one kernel for all chains that differ in addresses alone.
 *
 * A kernel reads what a thread needs of each operand once, passes eight neighbouring numbers (one where samples are not of whole
 * eights) through the links, and writes the results: no more memory is touched than the chain's operands and results. Periods and
 * constants are literals, so that divisions become products. The text is the common part of C and CUDA C++: CU_PRELUDE says
 * what its words mean on the device, CU_PRELUDE_C in C, where tests compile it.
 * code.h compiles it.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <stdarg.h>

/* ---- text that grows ---- */
typedef struct cu_text {
	char *s;
	size_t n, room;
	int bad;
} cu_text;

static void cu_say(cu_text *t, const char *format, ...)
{
	va_list list;
	int n;

	for (;;) {
		va_start(list, format);
		n = t->bad ? 0 : vsnprintf(t->s ? t->s + t->n : NULL, t->room - t->n, format, list);
		va_end(list);
		if (t->bad || n < 0)
			return;
		if (t->n + (size_t)n < t->room)
			break;
		t->room = 2 * t->room + (size_t)n + 4096;
		{
			char *s = (char *)realloc(t->s, t->room);

			t->bad = !s;
			t->s = s ? s : t->s;
		}
	}
	t->n += (size_t)n;
}

/* ---- the words of the text ---- */
#ifndef SF_CUDA_EMULATED
static const char *const cu_prelude[] = {
	"typedef unsigned int u32;\n"
	"typedef unsigned short u16;\n"
	"typedef long long i64;\n"
	"#define CU_FN static __device__ __forceinline__\n"
	"#define CHAIN(name, count) struct name##_places { i64 total; void *p[count]; }; \\\n"
	"	extern \"C\" __global__ void __launch_bounds__(256) name(const name##_places places)\n"
	"#define AT(k) places.p[k]\n"
	"#define ELEMENTS(type, width) for (type e = ((type)blockIdx.x * blockDim.x + threadIdx.x) * width; e < (type)places.total; \\\n"
	"	e += (type)gridDim.x * blockDim.x * width)\n"
	"#define LANES(width) _Pragma(\"unroll\") for (int k = 0; k < width; k++)\n"
	"CU_FN float of_bits(u32 u) { return __uint_as_float(u); }\n"
	"CU_FN u32 bits_of(float f) { return __float_as_uint(f); }\n",
	"struct row_bf16 { u32 w[4]; };\n"
	"struct row_f32 { float f[8]; };\n"
	"CU_FN row_bf16 get_row_bf16(const void *p, i64 i)\n"
	"{ const uint4 v = *(const uint4 *)((const u16 *)p + i); return row_bf16{{v.x, v.y, v.z, v.w}}; }\n"
	"CU_FN row_f32 get_row_f32(const void *p, i64 i)\n"
	"{ const float4 *q = (const float4 *)((const float *)p + i); const float4 a = q[0], b = q[1];\n"
	"	return row_f32{{a.x, a.y, a.z, a.w, b.x, b.y, b.z, b.w}}; }\n"
	"CU_FN float lane_bf16(const row_bf16 &r, int k) { return of_bits(k % 2 ? r.w[k / 2] & 0xffff0000u : r.w[k / 2] << 16); }\n"
	"CU_FN float lane_f32(const row_f32 &r, int k) { return r.f[k]; }\n"
	"CU_FN u32 to_bf16(float lo, float hi)\n"
	"{ u32 u; asm(\"cvt.rn.bf16x2.f32 %0, %1, %2;\" : \"=r\"(u) : \"f\"(hi), \"f\"(lo)); return u; }\n"
	"CU_FN void put_row_bf16(void *p, i64 i, const float *f)\n"
	"{ *(uint4 *)((u16 *)p + i) = make_uint4(to_bf16(f[0], f[1]), to_bf16(f[2], f[3]), to_bf16(f[4], f[5]), to_bf16(f[6], f[7])); }\n"
	"CU_FN void put_row_f32(void *p, i64 i, const float *f)\n"
	"{ float4 *q = (float4 *)((float *)p + i); q[0] = make_float4(f[0], f[1], f[2], f[3]);\n"
	"	q[1] = make_float4(f[4], f[5], f[6], f[7]); }\n"
	"CU_FN void put_bf16(void *p, i64 i, float f) { ((u16 *)p)[i] = (u16)to_bf16(f, f); }\n"
};
#else
static const char *const cu_prelude[] = {
	"#include <math.h>\n"
	"#include <stdint.h>\n"
	"#include <string.h>\n"
	"typedef uint32_t u32;\n"
	"typedef uint16_t u16;\n"
	"typedef int64_t i64;\n"
	"#define CU_FN static inline\n"
	"#define CHAIN(name, count) struct name##_places { i64 total; void *p[count]; }; \\\n"
	"	void name(const struct name##_places *); void name(const struct name##_places *places)\n"
	"#define AT(k) places->p[k]\n"
	"#define ELEMENTS(type, width) for (type e = 0; e < (type)places->total; e += width)\n"
	"#define LANES(width) for (int k = 0; k < width; k++)\n"
	"CU_FN float of_bits(u32 u) { float f; memcpy(&f, &u, sizeof f); return f; }\n"
	"CU_FN u32 bits_of(float f) { u32 u; memcpy(&u, &f, sizeof u); return u; }\n",
	"typedef struct row_bf16 { u16 h[8]; } row_bf16;\n"
	"typedef struct row_f32 { float f[8]; } row_f32;\n"
	"CU_FN void *even(const void *p, void *to, i64 n)\n" /* see cu_refused */
	"{ if ((uintptr_t)p % 16) return memset(to, 0xff, (size_t)n); return memcpy(to, p, (size_t)n); }\n"
	"CU_FN row_bf16 get_row_bf16(const void *p, i64 i) { row_bf16 r; even((const u16 *)p + i, &r, sizeof r); return r; }\n"
	"CU_FN row_f32 get_row_f32(const void *p, i64 i) { row_f32 r; even((const float *)p + i, &r, sizeof r); return r; }\n"
	"CU_FN float lane_bf16(row_bf16 r, int k) { return of_bits((u32)r.h[k] << 16); }\n"
	"CU_FN float lane_f32(row_f32 r, int k) { return r.f[k]; }\n"
	"CU_FN u16 to_bf16(float f)\n"
	"{ u32 u = bits_of(f); return (u16)((u & 0x7fffffffu) > 0x7f800000u ? u >> 16 | 0x40u : (u + 0x7fffu + (u >> 16 & 1u)) >> 16); }\n"
	"CU_FN void put_bf16(void *p, i64 i, float f) { ((u16 *)p)[i] = to_bf16(f); }\n"
	"CU_FN void put_row_bf16(void *p, i64 i, const float *f) { for (int k = 0; k < 8; k++) put_bf16(p, i + k, f[k]); }\n"
	"CU_FN void put_row_f32(void *p, i64 i, const float *f)\n"
	"{ float *to = (float *)p + i; if ((uintptr_t)to % 16) memset(to, 0xff, 8 * sizeof *f); else memcpy(to, f, 8 * sizeof *f); }\n"
};
#endif

/* The formulas of map.h, as text. */
#define CU_AS_TEXT(...) "CU_FN " #__VA_ARGS__ "\n",
#define CU_AS_TEXT1(name, formula) "CU_FN float map_" #name "(float x, float c) { (void)c; return " #formula "; }\n",
#define CU_AS_TEXT2(name, formula) "CU_FN float map_" #name "(float x, float y) { return " #formula "; }\n",
#define CU_AS_NAME(name, formula) {SF_OP_##name, #name},
static const char *const cu_formulas[] = {
	"CU_FN float get_bf16(const void *p, i64 i) { return of_bits((u32)((const u16 *)p)[i] << 16); }\n"
	"CU_FN float get_f32(const void *p, i64 i) { return ((const float *)p)[i]; }\n"
	"CU_FN void put_f32(void *p, i64 i, float f) { ((float *)p)[i] = f; }\n",
	CU_HELPERS(CU_AS_TEXT) CU_MAP1(CU_AS_TEXT1) CU_MAP2(CU_AS_TEXT2)
};
static const struct cu_op_name {
	int op;
	const char *name;
} cu_op_names[] = {CU_MAP1(CU_AS_NAME) CU_MAP2(CU_AS_NAME)};
enum { CU_PRELUDES = sizeof cu_prelude / sizeof *cu_prelude, CU_FORMULAS = sizeof cu_formulas / sizeof *cu_formulas,
       CU_NAMES = sizeof cu_op_names / sizeof *cu_op_names };

static const char *cu_op_name(int op)
{
	int i = 0;

	while (i < CU_NAMES - 1 && cu_op_names[i].op != op)
		i++;
	return cu_op_names[i].name;
}

static const char *cu_type_name(int type)
{
	return type == CU_BF16 ? "bf16" : "f32";
}

/* ---- a chain's text ---- */

static uint32_t cu_host_bits(float f)
{
	uint32_t bits;

	memcpy(&bits, &f, sizeof bits);
	return bits;
}

/* The index of element `e` (an expression) in an operand, see cu_source. */
static void cu_say_index(cu_text *t, const cu_source *s, const char *e)
{
	int64_t below = 1;
	int k, any = 0;

	for (k = 0; k <= s->digits; k++) {
		if (s->stride[k]) {
			cu_say(t, any++ ? " + (i64)(%s" : "(i64)(%s", e);
			if (below > 1)
				cu_say(t, " / %lld", (long long)below);
			if (k < s->digits)
				cu_say(t, " %% %lld", (long long)s->size[k].by);
			cu_say(t, s->stride[k] != 1 ? ") * %lld" : ")", (long long)s->stride[k]);
		}
		if (k < s->digits)
			below *= s->size[k].by;
	}
	if (!any)
		cu_say(t, "0");
}

enum { CU_REGISTERS = 176 }; /* beyond which a thread takes one number, not eight */

/* How many registers the chain's operands and results need. */
static int cu_chain_registers(const cu_chain *c)
{
	int n = 0, i;

	for (i = 0; i < c->nsource; i++)
		n += c->source[i].how == CU_ONE ? 1 : c->source[i].how == CU_ROW && c->source[i].type == CU_BF16 ? CU_PACK / 2 : CU_PACK;
	for (i = 0; i < c->nstep; i++)
		n += ((c->step[i].to >= 0) + (c->step[i].slope_to >= 0)) * CU_PACK;
	return n;
}

/* One of the chain's own results, where one is read from memory by the interpreter: address -> step, else -1. */
static int cu_own(const cu_chain *c, int address)
{
	int i;

	for (i = 0; i < c->nstep; i++)
		if (c->step[i].to == address || c->step[i].slope_to == address)
			return i;
	return -1;
}

/* Source i: a row, one number, or numbers each by itself. */
static void cu_say_source(cu_text *t, const cu_chain *c, int i, int width)
{
	const cu_source *s = &c->source[i];
	const char *type = cu_type_name(s->type);

	if (cu_own(c, s->address) >= 0)
		return;
	if (width > 1 && s->how == CU_ROW) {
		cu_say(t, "\t\tconst row_%s s%d = get_row_%s(AT(%d), ", type, i, type, s->address);
		cu_say_index(t, s, "e");
		cu_say(t, ");\n");
	} else if (width == 1 || s->how == CU_ONE) {
		cu_say(t, "\t\tconst float s%d = get_%s(AT(%d), ", i, type, s->address);
		cu_say_index(t, s, "e");
		cu_say(t, ");\n");
	} else {
		cu_say(t, "\t\tfloat s%d[%d];\n\t\tLANES(%d) s%d[k] = get_%s(AT(%d), ", i, width, width, i, type, s->address);
		cu_say_index(t, s, "(e + k)");
		cu_say(t, ");\n");
	}
}

/* What a step reads, as an expression. slot: which step's result (2 i) or slope (2 i + 1) a slot holds. */
static void cu_say_operand(cu_text *t, const cu_chain *c, int which, int step, const int *slot, int width)
{
	const cu_source *s = which >= CU_SOURCE ? &c->source[which - CU_SOURCE] : NULL;
	const int own = s ? cu_own(c, s->address) : -1;

	if (which == CU_ACC)
		cu_say(t, "v%d", step - 1);
	else if (!s)
		cu_say(t, slot[which] % 2 ? "d%d" : "v%d", slot[which] / 2);
	else if (own >= 0)
		cu_say(t, c->step[own].to == s->address ? "v%d" : "d%d", own);
	else if (width > 1 && s->how == CU_ROW)
		cu_say(t, "lane_%s(s%d, k)", cu_type_name(s->type), which - CU_SOURCE);
	else
		cu_say(t, width > 1 && s->how == CU_EACH ? "s%d[k]" : "s%d", which - CU_SOURCE);
}

static void cu_say_step(cu_text *t, const cu_chain *c, int i, const int *slot, int width)
{
	const cu_step *s = &c->step[i];

	if (s->pair) {
		cu_say(t, "\t\t\tfloat v%d, d%d;\n\t\t\tcu_silu_pair(", i, i);
		cu_say_operand(t, c, s->a, i, slot, width);
		cu_say(t, ", &v%d, &d%d);\n", i, i);
	} else {
		cu_say(t, "\t\t\tconst float v%d = map_%s(", i, cu_op_name(s->op));
		cu_say_operand(t, c, s->a, i, slot, width);
		cu_say(t, ", ");
		if (s->b != CU_NONE)
			cu_say_operand(t, c, s->b, i, slot, width);
		else
			cu_say(t, "of_bits(0x%08lxu)", (unsigned long)cu_host_bits(s->c));
		cu_say(t, ");\n");
	}
	if (s->to >= 0)
		cu_say(t, "\t\t\to%d[k] = v%d;\n", s->to, i);
	if (s->slope_to >= 0)
		cu_say(t, "\t\t\to%d[k] = d%d;\n", s->slope_to, i);
}

static void cu_say_result(cu_text *t, int to, int type, int width)
{
	if (to < 0)
		return;
	cu_say(t, "\t\tif (AT(%d))\n\t\t\tput_%s%s(AT(%d), e, %so%d);\n", to, width > 1 ? "row_" : "", cu_type_name(type), to,
	       width > 1 ? "" : "*", to);
}

/* All but the kernel's name. */
static void cu_say_chain(cu_text *t, const cu_chain *c, int small)
{
	const int width = c->width;
	int slot[CU_CHAIN_SLOTS], i;

	cu_say(t, ", %d)\n{\n\tELEMENTS(%s, %d) {\n", c->naddress, small ? "u32" : "i64", width);
	for (i = 0; i < c->nsource; i++)
		cu_say_source(t, c, i, width);
	for (i = 0; i < c->nstep; i++) {
		if (c->step[i].to >= 0)
			cu_say(t, "\t\tfloat o%d[%d];\n", c->step[i].to, width);
		if (c->step[i].slope_to >= 0)
			cu_say(t, "\t\tfloat o%d[%d];\n", c->step[i].slope_to, width);
	}
	cu_say(t, "\t\tLANES(%d) {\n", width);
	for (i = 0; i < c->nstep; i++) {
		cu_say_step(t, c, i, slot, width);
		if (c->step[i].slope >= 0)
			slot[c->step[i].slope] = 2 * i + 1;
		if (c->step[i].keep >= 0)
			slot[c->step[i].keep] = 2 * i;
	}
	cu_say(t, "\t\t}\n");
	for (i = 0; i < c->nstep; i++) {
		cu_say_result(t, c->step[i].to, c->step[i].type, width);
		cu_say_result(t, c->step[i].slope_to, c->step[i].slope_type, width);
	}
	cu_say(t, "\t}\n}\n");
}

/* The program; numbers the kernels. 0 or SF_ENOMEM. */
static int cu_chains_text(struct cu_chains *c, cu_text *all)
{
	cu_text one = {NULL, 0, 0, 0};
	size_t *at = (size_t *)calloc((size_t)c->nchain + 1, sizeof *at), *length = (size_t *)calloc((size_t)c->nchain + 1, sizeof *length);
	int i, k;

	for (k = 0; k < CU_PRELUDES; k++)
		cu_say(all, "%s", cu_prelude[k]);
	for (k = 0; k < CU_FORMULAS; k++)
		cu_say(all, "%s", cu_formulas[k]);
	c->kernels = 0;
	all->bad |= !at || !length;
	for (i = 0; i < c->p->nstep && !all->bad; i++) {
		cu_chain *n = &c->chain[i];

		if (!n->nstep)
			continue;
		one.n = 0;
		n->width = n->wide && cu_chain_registers(n) <= CU_REGISTERS ? CU_PACK : 1;
		cu_say_chain(&one, n, c->small);
		for (k = 0; k < c->kernels && !one.bad; k++)
			if (length[k] == one.n && memcmp(all->s + at[k], one.s, one.n) == 0)
				break;
		all->bad |= one.bad;
		n->kernel = k;
		if (k < c->kernels || one.bad)
			continue;
		cu_say(all, "CHAIN(cu_chain_%d", k);
		at[k] = all->n;
		length[k] = one.n;
		c->kernels++;
		cu_say(all, "%s", one.s);
	}
	free(one.s);
	free(at);
	free(length);
	return all->bad ? SF_ENOMEM : 0;
}
