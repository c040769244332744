// The vector kernels for AVX2 and FMA (Haswell, Zen). Room.cmake gives this file its instruction
// set.
#define GPT_ISA avx2

#include "round_avx2.h"
#include "vector_gelu.h"
#include "vector_norm.h"
#include "vector_softmax.h"
#include "vector_sums.h"
#include "vector_table.h"

namespace gpt {

const VectorKernels kVectorAvx2 = GPT_VECTOR_KERNELS("avx2");

}  // namespace gpt
