// The vector kernels for AVX-512 with AVX512-BF16 (Cooper Lake, Zen 4). Room.cmake gives this file
// its instruction set.
#define GPT_ISA avx512bf16

#include "round_avx512bf16.h"
#include "vector_gelu.h"
#include "vector_norm.h"
#include "vector_softmax.h"
#include "vector_sums.h"
#include "vector_table.h"

namespace gpt {

const VectorKernels kVectorAvx512Bf16 = GPT_VECTOR_KERNELS("avx512bf16");

}  // namespace gpt
