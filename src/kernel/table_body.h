/* table_body.h: the tables of one instruction set and element type: sf_kernels_v4_f32 with this
 * build's products, and sf_kernels_v4_f32_blas with those of gemm_blas.c.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/blas_entries.h"

#define TABLE_NAME_(isa, suffix, rest) sf_kernels_##isa##_##suffix##rest
#define TABLE_NAME(isa, suffix, rest) TABLE_NAME_(isa, suffix, rest)

#define MAP1_ENTRIES                                                                               \
	{                                                                                          \
		F(map_copy), F(map_scale), F(map_offset), F(map_square), F(map_sqrt), F(map_exp),  \
		F(map_log), F(map_sin), F(map_cos), F(map_tanh), F(map_sigmoid), F(map_softplus),  \
		F(map_silu), F(map_relu), F(map_elu), F(map_step)                                  \
	}
#define MAP2_ENTRIES(shape)                                                                        \
	{                                                                                          \
		F(shape##_add), F(shape##_sub), F(shape##_mul), F(shape##_div),                    \
		F(shape##_silu_grad), F(shape##_elu_grad)                                          \
	}
#define ENTRIES(product)                                                                           \
	{                                                                                          \
		MAP1_ENTRIES, MAP2_ENTRIES(map2), MAP2_ENTRIES(map2_row), MAP2_ENTRIES(map2_col),  \
		F(silu_pair), F(sum), F(dot), F(squares), F(sum_rows), F(axpy), F(pick), F(pick_tag),            \
		F(add_tagged), F(product##gemm), F(transpose),                                     \
		F(product##conv_packed), F(product##conv_scratch), F(product##conv_pack),          \
		F(product##conv_forward), F(product##conv_data), F(product##conv_rows),            \
		F(product##conv_part), F(product##conv_weight),                                    \
		F(norm_forward), F(norm_backward), F(softmax), F(softmax_grad), F(adam),           \
		F(average), F(normal), F(uniform), F(peak)                                         \
	}

extern const F(sf_kern) TABLE_NAME(ISA, SUFFIX, ), TABLE_NAME(ISA, SUFFIX, _blas);

const F(sf_kern) TABLE_NAME(ISA, SUFFIX, ) = ENTRIES();
const F(sf_kern) TABLE_NAME(ISA, SUFFIX, _blas) = ENTRIES(sf_blas_);

#undef TABLE_NAME_
#undef TABLE_NAME
#undef MAP1_ENTRIES
#undef MAP2_ENTRIES
#undef ENTRIES
