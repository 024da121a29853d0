/* map.h: chains of elementwise nodes: each number passes through all of a chain's links in registers.
 *
 * The chain's program (chain.h) is interpreted by a kernel (here), or written out as source text that is compiled when the plan is
 * opened (source.h, code.h). Both take the formulas from CU_MAP1 and CU_MAP2 and give the same bytes. A result may lie where an operand
 * was: what is read of an element is read before it is written.
 * SPDX-License-Identifier: BSD-3-Clause */

/* ---- formulas; SiLU, ELU and softplus as in kernel/map_body.h, stable for large |x| ---- */
#define CU_HELPERS(M)                                                                                \
	M(float cu_sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); })                            \
	M(float cu_silu_slope(float x) { const float s = cu_sigmoid(x); return s * (1.0f + x * (1.0f - s)); }) \
	M(float cu_softplus(float x) { return (x > 0.0f ? x : 0.0f) + log1pf(expf(-fabsf(x))); })    \
	M(void cu_silu_pair(float x, float *y, float *slope)                                         \
	{                                                                                            \
		const float s = cu_sigmoid(x);                                                       \
		*y = x * s;                                                                          \
		*slope = s * (1.0f + x * (1.0f - s));                                                \
	})
#define CU_MAP1(M)                                                                                   \
	M(SCALE, c * x) M(OFFSET, x + c) M(SQUARE, x * x) M(SQRT, sqrtf(x)) M(EXP, expf(x)) M(LOG, logf(x)) \
	M(SIN, sinf(x)) M(COS, cosf(x)) M(TANH, tanhf(x)) M(SIGMOID, cu_sigmoid(x)) M(SOFTPLUS, cu_softplus(x)) \
	M(SILU, x * cu_sigmoid(x)) M(RELU, x < 0.0f ? 0.0f : x) M(ELU, x > 0.0f ? x : expm1f(x))     \
	M(STEP, x > 0.0f ? 1.0f : x <= 0.0f ? 0.0f : x) M(BROADCAST, x)
#define CU_MAP2(M)                                                                                   \
	M(ADD, x + y) M(SUB, x - y) M(MUL, x * y) M(DIV, x / y) M(SILU_GRAD, x * cu_silu_slope(y))   \
	M(ELU_GRAD, x * expf(y > 0.0f ? 0.0f : y))

#define CU_AS_CODE(...) CU_DEVICE __VA_ARGS__
CU_HELPERS(CU_AS_CODE)

#include "cuda/chain.h"

/* ---- the interpreter ---- */
enum { CU_CHAIN_THREADS = 128 }; /* their slots take at most 48 KiB of shared memory */

#ifdef SF_CUDA_EMULATED
#define CU_LANES(k) for (k = 0; k < CU_PACK; k++)
static cu_words cu_slot[CU_CHAIN_SLOTS * 2];
#define CU_LAUNCH_CHAIN(kernel, blocks, bytes, stream, ...) \
	do {                                                \
		(void)(bytes);                              \
		CU_LAUNCH(kernel, blocks, 1, CU_CHAIN_THREADS, stream, __VA_ARGS__); \
	} while (0)
#else
#define CU_LANES(k) _Pragma("unroll") for (k = 0; k < CU_PACK; k++)
extern __shared__ __align__(16) cu_words cu_slot[];
#define CU_LAUNCH_CHAIN(kernel, blocks, bytes, stream, ...) \
	kernel<<<(unsigned)(blocks), CU_CHAIN_THREADS, bytes, stream>>>(__VA_ARGS__)
#endif

CU_DEVICE void cu_slot_put(int slot, const float x[CU_PACK])
{
	cu_words w, v;
	int k;

	for (k = 0; k < 4; k++) {
		w.w[k] = cu_float_to_bits(x[k]);
		v.w[k] = cu_float_to_bits(x[4 + k]);
	}
	cu_write16(&cu_slot[2 * slot * cu_threads() + cu_thread()], w);
	cu_write16(&cu_slot[(2 * slot + 1) * cu_threads() + cu_thread()], v);
}

CU_DEVICE void cu_slot_get(int slot, float x[CU_PACK])
{
	const cu_words w = cu_read16(&cu_slot[2 * slot * cu_threads() + cu_thread()]);
	const cu_words v = cu_read16(&cu_slot[(2 * slot + 1) * cu_threads() + cu_thread()]);
	int k;

	for (k = 0; k < 4; k++) {
		x[k] = cu_bits_to_float(w.w[k]);
		x[4 + k] = cu_bits_to_float(v.w[k]);
	}
}

/* A thread's numbers: elements e, e + apart, ... below total; wide: eight neighbours */
typedef struct cu_span {
	int64_t e, apart, total;
	int wide;
} cu_span;

CU_DEVICE void cu_source_get(const cu_source *s, const void *p, cu_span at, float x[CU_PACK])
{
	cu_mem m;
	float one;
	int k;

	m.p = (void *)(uintptr_t)p;
	m.type = s->type;
	if (at.wide && s->how == CU_ROW) {
		cu_get8(m, cu_index(s, at.e), x);
	} else if (at.wide && s->how == CU_ONE) {
		one = cu_get(m, cu_index(s, at.e));
		CU_LANES(k) x[k] = one;
	} else {
		CU_LANES(k) x[k] = at.e + k * at.apart < at.total ? cu_get(m, cu_index(s, at.e + k * at.apart)) : 0.0f;
	}
}

CU_DEVICE void cu_result_put(void *p, int type, cu_span at, const float x[CU_PACK])
{
	cu_mem m;
	int k;

	if (!p)
		return; /* dropped */
	m.p = p;
	m.type = type;
	if (at.wide) {
		cu_put8(m, at.e, x);
	} else {
		CU_LANES(k)
			if (at.e + k * at.apart < at.total)
				cu_put(m, at.e + k * at.apart, x[k]);
	}
}

/* o may be a */
CU_DEVICE void cu_map(int op, float c, const float a[CU_PACK], const float b[CU_PACK], float o[CU_PACK])
{
	int k;

	switch (op) {
#define CU_CASE1(name, formula)                         \
	case SF_OP_##name:                              \
		CU_LANES(k) {                           \
			const float x = a[k];           \
			o[k] = (formula);               \
		}                                       \
		break;
#define CU_CASE2(name, formula)                         \
	case SF_OP_##name:                              \
		CU_LANES(k) {                           \
			const float x = a[k], y = b[k]; \
			o[k] = (formula);               \
		}                                       \
		break;
		CU_MAP1(CU_CASE1)
		CU_MAP2(CU_CASE2)
	default:
		break;
	}
#undef CU_CASE1
#undef CU_CASE2
}

/* Operand `which` into x, or the accumulator */
#define CU_OPERAND(which, x)                                                                         \
	do {                                                                                         \
		if ((which) == CU_ACC)                                                               \
			CU_LANES(k) x[k] = acc[k];                                                   \
		else if ((which) < CU_SOURCE)                                                        \
			cu_slot_get(which, x);                                                       \
		else                                                                                 \
			cu_source_get(&source[(which) - CU_SOURCE], where->p[source[(which) - CU_SOURCE].address], at, x); \
	} while (0)

CU_DEVICE void cu_chain_body(const cu_step *step, int steps, const cu_source *source, const cu_places *where, int wide)
{

	cu_span at;
	int64_t first;
	int i, k;

	at.total = where->total;
	at.wide = wide;
	at.apart = wide ? 1 : cu_threads();
	for (first = cu_block() * cu_threads() * CU_PACK; first < at.total; first += cu_blocks() * cu_threads() * CU_PACK) {
		float acc[CU_PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, a[CU_PACK], b[CU_PACK] = {0, 0, 0, 0, 0, 0, 0, 0}, d[CU_PACK];

		at.e = first + (wide ? CU_PACK : 1) * cu_thread();
		if (at.e >= at.total)
			continue;
		for (i = 0; i < steps; i++) {
			const cu_step s = step[i];

			CU_OPERAND(s.a, a);
			if (s.pair) {
				CU_LANES(k) cu_silu_pair(a[k], &acc[k], &d[k]);
				if (s.slope >= 0)
					cu_slot_put(s.slope, d);
				if (s.slope_to >= 0)
					cu_result_put(where->p[s.slope_to], s.slope_type, at, d);
			} else {
				if (s.b != CU_NONE)
					CU_OPERAND(s.b, b);
				cu_map(s.op, s.c, a, b, acc);
			}
			if (s.keep >= 0)
				cu_slot_put(s.keep, acc);
			if (s.to >= 0)
				cu_result_put(where->p[s.to], s.type, at, acc);
		}
	}

}

#undef CU_OPERAND

CU_KERNEL cu_chain_wide(const cu_step *step, int steps, const cu_source *source, const cu_places where)
{
	cu_chain_body(step, steps, source, &where, 1);
}

CU_KERNEL cu_chain_each(const cu_step *step, int steps, const cu_source *source, const cu_places where)
{
	cu_chain_body(step, steps, source, &where, 0);
}

#include "cuda/source.h"

#include "cuda/code.h"

/* ---- a plan's chains ---- */

/* Sources, which are aligned to eight bytes, and steps on the device. */
static int cu_chains_send(struct cu_chains *c, cu_stream stream)
{
	const size_t steps = (size_t)c->nstep * sizeof *c->step, sources = (size_t)c->nsource * sizeof *c->source;
	unsigned char *to = (unsigned char *)cu_malloc(steps + sources);
	int i;

	c->memory = to;
	if (!to)
		return SF_ENOMEM;
	if (cu_copy_async(to, c->source, sources, stream) != CU_OK || cu_copy_async(to + sources, c->step, steps, stream) != CU_OK ||
	    cu_wait(stream) != CU_OK)
		return SF_EUNSUP;
	for (i = 0; i < c->p->nstep; i++) {
		cu_chain *n = &c->chain[i];

		if (!n->nstep)
			continue;
		n->on_source = (const cu_source *)(void *)to + (n->source - c->source);
		n->on_step = (const cu_step *)(void *)(to + sources) + (n->step - c->step);
	}
	return 0;
}

static int cu_chains_new(const cu_lane *l, int64_t most, struct cu_chains **out, char *why)
{
	struct cu_chains *c = cu_chains_build(l, most);

	*out = c;
	if (!c || cu_chains_send(c, l->stream) < 0) {
		snprintf(why, SF_DEVICE_WHY, "out of memory for a plan's chains");
		return SF_ENOMEM;
	}
	cu_chains_compile(l->d, c);
	return 0;
}

/* ---- a run ---- */

static int cu_run_chain(const cu_lane *l, const sf_work *s)
{
	const struct cu_chains *all = l->chains;
	const cu_chain *c = &all->chain[s - l->p->step];
	int wide = c->wide, wanted = 0, i;
	cu_places where;
	int64_t blocks;

	where.total = l->n * c->size;
	for (i = 0; i < c->naddress; i++) {
		where.p[i] = l->val[c->address[i]].p;
		wide &= !(c->even[i] & 1) || (uintptr_t)where.p[i] % 16 == 0;
		wanted |= (c->even[i] & 2) && where.p[i];
	}
	if (!wanted || !where.total)
		return 0;
	if (c->kernel >= 0 && (wide || c->width == 1))
		return cu_code_run(all->code, c, &where, l->stream);
	blocks = (where.total + CU_CHAIN_THREADS * CU_PACK - 1) / (CU_CHAIN_THREADS * CU_PACK);
	blocks = blocks > 65536 ? 65536 : blocks;
	if (wide)
		CU_LAUNCH_CHAIN(cu_chain_wide, blocks, c->slots * CU_CHAIN_THREADS * 32, l->stream, c->on_step, c->nstep, c->on_source, where);
	else
		CU_LAUNCH_CHAIN(cu_chain_each, blocks, c->slots * CU_CHAIN_THREADS * 32, l->stream, c->on_step, c->nstep, c->on_source, where);
	return 0;
}
