/* all_body.h: every kernel of one element type, then its tables.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "kernel/math_body.h"

#include "kernel/map_body.h"
#include "kernel/reduce_body.h"
#include "kernel/pick_body.h"
#include "kernel/softmax_body.h"
#include "kernel/norm_body.h"
#include "kernel/adam_body.h"
#include "kernel/noise_body.h"
#if SF_SIMD
#include "kernel/gemm_body.h"
#define GEMM F(gemm)
#define CONV(name) F(im2col_##name)
#include "kernel/im2col_body.h"
#undef GEMM
#undef CONV
#include "kernel/winograd_body.h"
#include "kernel/winograd_weight_body.h"
#include "kernel/few_body.h"
#include "kernel/conv_body.h"
#else
#include "kernel/ref_gemm_body.h"
#include "kernel/ref_conv_body.h"
#endif
#include "kernel/peak_body.h"
#include "kernel/table_body.h"
