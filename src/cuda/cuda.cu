/* cuda.cu: the CUDA unit: everything that runs on a device, in one translation unit.
 *
 * nvcc compiles it as C++ without its runtime; with SF_CUDA_EMULATED a C compiler makes a unit of it that runs on the processor
 * (tests/cuda_unit.c), see cu.h.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "cuda/cu.h"

#include "cuda/record.h"

CU_C
#include "graph/exec.h"

#include "graph/device.h"
CU_C_END

#include "cuda/cuda.h"

#ifndef SF_CUDA_EMULATED
#include "cuda/dnn.h"
#endif

#include "cuda/lane.h"

#include "cuda/map.h"

#include "cuda/random.h"

#include "cuda/sum.h"

#include "cuda/shape.h"

#include "cuda/pick.h"

#include "cuda/fir.h"

#include "cuda/norm.h"

#include "cuda/softmax.h"

#include "cuda/linear.h"

#include "cuda/matmul.h"

#include "cuda/conv.h"

#include "cuda/step.h"

#include "cuda/part.h"

#include "cuda/plan.h"

#include "cuda/optimiser.h"

#include "cuda/data.h"

#include "cuda/stable.h"

#include "cuda/peak.h"

#include "cuda/nccl.h"

#include "cuda/unit.h"
