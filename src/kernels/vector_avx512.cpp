// The vector kernels for AVX-512 (Skylake-SP, Zen 4). Room.cmake gives this file its instruction
// set.
#define GPT_ISA avx512

#include "round_avx512.h"
#include "vector_gelu.h"
#include "vector_norm.h"
#include "vector_softmax.h"
#include "vector_sums.h"
#include "vector_table.h"

namespace gpt {

const VectorKernels kVectorAvx512 = GPT_VECTOR_KERNELS("avx512");

}  // namespace gpt
