// The row-wise kernels for AVX2 and FMA (Haswell, Zen). Module.cmake gives this file its
// instruction set.
#define GPT_ISA avx2
#define GPT_SIMD "simd_avx2.h"

#include "row_elementwise.h"
#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"

namespace gpt {

const RowKernels kRowKernelsAvx2 = GPT_ROW_KERNELS("avx2");

}  // namespace gpt
