// The vector kernels for AVX-512 with AVX512-BF16 (Cooper Lake, Zen 4). Room.cmake gives this file
// its instruction set.
#define GPT_ISA avx512bf16

#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"
#include "row_sums.h"
#include "simd_round_avx512bf16.h"

namespace gpt {

const VectorKernels kVectorAvx512Bf16 = GPT_VECTOR_KERNELS("avx512bf16");

}  // namespace gpt
