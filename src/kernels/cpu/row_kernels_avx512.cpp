// The row-wise kernels for AVX-512 (Skylake-SP, Zen 4). Module.cmake gives this file its
// instruction set.
#define GPT_ISA avx512
#define GPT_SIMD "simd_round_avx512.h"

#include "row_elementwise.h"
#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"

namespace gpt {

const RowKernels kRowKernelsAvx512 = GPT_ROW_KERNELS("avx512");

}  // namespace gpt
