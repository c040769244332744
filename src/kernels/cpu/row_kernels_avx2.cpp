// The vector kernels for AVX2 and FMA (Haswell, Zen). Room.cmake gives this file its instruction
// set.
#define GPT_ISA avx2

#include "row_gelu.h"
#include "row_kernels_table.h"
#include "row_norm.h"
#include "row_softmax.h"
#include "row_sums.h"
#include "simd_round_avx2.h"

namespace gpt {

const VectorKernels kVectorAvx2 = GPT_VECTOR_KERNELS("avx2");

}  // namespace gpt
