// The vector kernels for AVX-512 (Skylake-SP, Zen 4). Room.cmake gives this file its instruction
// set.
#define GPT_ISA avx512

#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"
#include "row_sums.h"
#include "simd_round_avx512.h"

namespace gpt {

const VectorKernels kVectorAvx512 = GPT_VECTOR_KERNELS("avx512");

}  // namespace gpt
