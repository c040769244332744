// The row-wise kernels for AVX-512 with AVX512-BF16 (Cooper Lake, Zen 4). Module.cmake gives this
// file its instruction set.
#define GPT_ISA avx512bf16
#define GPT_SIMD "simd_round_avx512bf16.h"

#include "row_elementwise.h"
#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"

namespace gpt {

const RowKernels kRowKernelsAvx512Bf16 = GPT_ROW_KERNELS("avx512bf16");

}  // namespace gpt
